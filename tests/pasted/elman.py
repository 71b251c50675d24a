from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass
class Params:
    Wxh: np.ndarray
    Whh: np.ndarray
    Why: np.ndarray


class Tape(NamedTuple):
    xs: list
    hs: dict
    ps: dict


def forward(p, tokens, h0):
    hs, ps, nll = {-1: h0}, {}, 0.0
    for t in range(len(tokens) - 1):
        hs[t] = np.tanh(p.Wxh[:, tokens[t]] + p.Whh @ hs[t - 1])
        logits = p.Why @ hs[t]
        ps[t] = np.exp(logits - logits.max())
        ps[t] /= ps[t].sum()
        nll -= np.log(ps[t][tokens[t + 1]])
    return nll, Tape(tokens, hs, ps)


def backward(p, tape):
    g = Params(np.zeros_like(p.Wxh), np.zeros_like(p.Whh), np.zeros_like(p.Why))
    dh_next = np.zeros(len(p.Whh))
    for t in reversed(range(len(tape.xs) - 1)):
        dy = tape.ps[t].copy()
        dy[tape.xs[t + 1]] -= 1
        g.Why += np.outer(dy, tape.hs[t])
        draw = (p.Why.T @ dy + dh_next) * (1 - tape.hs[t] ** 2)
        g.Wxh[:, tape.xs[t]] += draw
        g.Whh += np.outer(draw, tape.hs[t - 1])
        dh_next = p.Whh.T @ draw
    return g


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    text = "hello"
    chars = sorted(set(text))
    tokens = [chars.index(c) for c in text]
    p = Params(rng.normal(size=(6, len(chars))), rng.normal(size=(6, 6)), rng.normal(size=(len(chars), 6)))
    for step in range(10):
        loss, tape = forward(p, tokens, np.zeros(6))
        g = backward(p, tape)
        p.Wxh -= 0.01 * g.Wxh
        p.Whh -= 0.01 * g.Whh
        p.Why -= 0.01 * g.Why
    print(loss)
