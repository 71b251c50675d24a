"""Scripts whose loss is written nowhere: the backward begins with an array that is taken for given."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from einbackprop.errors import NothingError
from einbackprop.shell.answers import outcomes
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.proposals.seeds import Place, inserted

ROUND = """import numpy as np


def forward(p, x):
    h = np.tanh(x @ p['U'] + p['a'])
    return h, h @ p['V']


def backward(p, x, h, push):
    g = {'V': h.T @ push}
    dh = push @ p['V'].T * (1 - h ** 2)
    g['U'], g['a'] = x.T @ dh, dh.sum(0)
    return g


rng = np.random.default_rng(0)
x, kind = rng.normal(size=(7, 4)), rng.integers(0, 2, 7)
p = {'U': rng.normal(size=(4, 5)), 'a': np.zeros(5), 'V': rng.normal(size=(5, 3))}
for step in range(9):
    h, z = forward(p, x)
    pull = np.zeros_like(z)
    for i in range(7):
        for j in range(7):
            gap = z[i] - z[j]
            pull[i] += gap / (1 + gap @ gap) * (1 if kind[i] == kind[j] else -1)
    grads = backward(p, x, h, pull)
    for name in p:
        p[name] -= 0.01 * grads[name]
"""
PARAMETER = """import numpy as np


def dense(x, W):
    def back(up):
        return up @ W.T, x.T @ up
    return x @ W, back


def network(W1, W2, x):
    a, back1 = dense(x, W1)
    h = np.maximum(a, 0)
    out, back2 = dense(h, W2)

    def back(up):
        dh, dW2 = back2(up)
        _, dW1 = back1(dh * (a > 0))
        return dW1, dW2
    return out, back


rng = np.random.default_rng(1)
x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 2))
W1, W2 = rng.normal(size=(5, 6)), rng.normal(size=(6, 2))
for step in range(5):
    out, back = network(W1, W2, x)
    dW1, dW2 = back(np.tanh(out - y) / (1 + abs(out - y).sum()))
    W1 -= 0.1 * dW1
    W2 -= 0.1 * dW2
"""
STATES = """import numpy as np

rng = np.random.default_rng(2)
A, b = 0.5 * rng.normal(size=(3, 3)), rng.normal(size=3)
seen = rng.normal(size=(6, 3))


def unroll(A, b, s, n):
    states = [s]
    for _ in range(n):
        states.append(np.tanh(states[-1] @ A + b))
    return states


def unroll_back(A, states, dstates):
    dA, db, d = np.zeros_like(A), 0, dstates[-1]
    for t in range(len(states) - 1, 0, -1):
        dz = d * (1 - states[t] ** 2)
        dA += np.outer(states[t - 1], dz)
        db = db + dz
        d = dz @ A.T + dstates[t - 1]
    return dA, db


for it in range(4):
    states = unroll(A, b, seen[0], 5)
    dstates = [np.sin(s - o) / 30 for s, o in zip(states, seen)]
    dA, db = unroll_back(A, states, dstates)
    A -= 0.3 * dA
    b -= 0.3 * db
"""
METHOD = """import numpy as np


class Hazards:
    def __init__(self, rng):
        self.W, self.v, self.rate = rng.normal(size=(3, 4)), rng.normal(size=4), 0.05

    def gradients(self, X, died):
        z = X @ self.W
        s = np.logaddexp(0, z)
        risk = s @ self.v
        w = np.exp(risk)
        push = (w * np.cumsum((died / np.cumsum(w))[::-1])[::-1] - died) / died.sum()
        gv = s.T @ push
        dz = np.outer(push, self.v) / (1 + np.exp(-z))
        return X.T @ dz, gv

    def fit(self, X, died):
        for it in range(6):
            gW, gv = self.gradients(X, died)
            self.W -= self.rate * gW
            self.v -= self.rate * gv


rng = np.random.default_rng(3)
model = Hazards(rng)
model.fit(rng.normal(size=(9, 3)), np.array([1.0, 0, 1, 1, 0, 1, 1, 0, 1]))
"""


class Case(NamedTuple):
    """A script, a mistake in it, and the value and the seed that are paired."""

    text: str
    right: str
    wrong: str
    value: str
    seed: str


CASES = {
    "a round": Case(ROUND, "push @ p['V'].T * (1 - h ** 2)", "push @ p['V'].T * (1 - h)", "z", "pull on (line 25)"),
    "what a closure is given": Case(PARAMETER, "back1(dh * (a > 0))", "back1(dh * (a < 0))", "out", "up on (the call"),
    "a list of states": Case(STATES, "dA += np.outer(states[t - 1], dz)", "dA += np.outer(states[t], dz)",
                             "np.stack(states)", "dstates on (line 27)"),
    "within a method": Case(METHOD, "np.outer(push, self.v) / (1", "np.outer(push, self.v) * (1", "risk",
                            "push on (line"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_the_seed_of_a_backward_is_given_where_no_loss_is_written(name: str, tmp_path: Path) -> None:
    text, right, wrong, value, seed = CASES[name]
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    (found,) = outcomes(str(script))
    assert found.report is not None
    assert found.report.ok, str(found.report)
    called = "dout" if "dout" not in text else "dout_1"
    assert f"no loss function was found: the backward is checked from {seed}" in found.title
    assert f"in whose place {called} is drawn; the gradients are those of np.sum({value} * {called});" in found.title
    assert f"what makes {seed.split()[0]} is not checked" in found.title
    script.write_text(text.replace(right, wrong), encoding="utf-8")
    (found,) = outcomes(str(script))
    assert found.report is not None
    assert not found.report.ok
    line = next(n for n, one in enumerate(text.splitlines(), 1) if right in one)
    assert [item.line for item in found.report.findings if item.line] == [line], str(found.report)


@pytest.mark.long
def test_a_penalty_beside_a_mistake_is_one_of_what_the_code_penalises(tmp_path: Path) -> None:
    """Of the matrix no relation is known, since its gradient is wrong; of the vector it is, and the code names both."""
    changes = {"gv = s.T @ push": "gv = s.T @ push + 0.02 * self.reg * self.v",
               "return X.T @ dz": "return X.T @ dz + 0.02 * self.reg * self.W",
               "self.rate = ": "self.reg, self.rate = ", "rng.normal(size=4), 0.05": "rng.normal(size=4), 2.0, 0.05"}
    text = METHOD
    for old, new in changes.items():
        text = text.replace(old, new)
    wrong = text.replace("/ (1 + np.exp(-z))", "/ (1 + np.exp(z))")
    assert wrong != text
    script = tmp_path / "script.py"
    for written, lines in ((text, []), (wrong, [15])):
        script.write_text(written, encoding="utf-8")
        (found,) = outcomes(str(script))
        assert found.report is not None
        assert [item.line for item in found.report.findings if item.line] == lines, str(found.report)
        assert found.report.ok is not bool(lines)


def test_weights_are_not_paired_with_their_own_gradient(tmp_path: Path) -> None:
    """``sum(trial * grad)`` rises by the gradient whatever that is."""
    script = tmp_path / "script.py"
    script.write_text("import numpy as np\nw = np.arange(3.0)\n\n\ndef slope(w):\n    return np.cos(w[::-1])\n\n\n"
                      "for it in range(5):\n    grad = slope(w)\n    trial = w - 0.1 * grad\n    w = trial\n",
                      encoding="utf-8")  # fmt: skip
    with pytest.raises(NothingError, match="nothing in it was found to give gradients"):
        list(outcomes(str(script)))


TWO = "def f(d):\n    g = 1; d = g - 2  # two\n    return d\n"
LOOP = "def f():\n    for i in x:\n        d += i\n    return d\n"
LONG = "def f(d):\n    d = (1 +\n         2)\n    return d\n"
DOCUMENTED = "def f(d):\n    '''of d'''\n    return d\n"
FULL = "def f(d):\n    for i in x:\n        d += i\n    if d: return d\n"


@pytest.mark.parametrize(("text", "line", "old", "new", "added"), [
    (TWO, 2, "g - 2", "g - 2; d = dout", {2}), (DOCUMENTED, 0, "return", "d = dout; return", set()),
    (LOOP, 3, "return", "d = dout; return", set()), (LONG, 2, "2)", "2); d = dout", {3})])  # fmt: skip
def test_a_seed_is_given_on_the_line_of_a_statement(text: str, line: int, old: str, new: str, added: set[int]) -> None:
    """Every line keeps its number; one of which nothing is used is no line of the script."""
    made = inserted(Rewriting(text), Place(1, line, "d"), "d = dout")
    assert made is not None
    assert made.text == text.replace(old, new)
    assert made.added == added


@pytest.mark.parametrize("line", [0, 3])
def test_a_seed_has_no_room_before_a_block(line: int) -> None:
    assert inserted(Rewriting(FULL), Place(1, line, "d"), "d = dout") is None
