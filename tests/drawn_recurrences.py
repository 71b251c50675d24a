"""Drawn recurrences: the text of a loss in which the rounds of a loop go on with what the one before has left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from drawn_loops import defined
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
H = ("np.tanh(x[t] @ U + h @ W)", "0.5 * h * np.sin(x[t] @ U) + c", "np.tanh(h @ W + c)", "0.5 * h + x[t] @ U + b",
     "np.sin(h + b) @ W.T + x[t] @ U")  # fmt: skip
C = ("c * np.cos(h) + x[t] @ U", "np.sin(c + h)", "c @ W / 3", "np.tanh(c) * np.cos(h) + b", "np.exp(-c * c) + h")
HEADERS = ("for t in range(len(x)):", "for t in reversed(range(len(x))):", "for t in range(x.shape[0] - 1, -1, -1):",
           "for t, row in enumerate(x):")  # fmt: skip
STARTS = ("h, c = h0, np.zeros_like(h0)", "h, c = np.zeros_like(h0), h0", "h, c = h0, h0 * 2",
          "h = c = np.zeros(h0.shape)")  # fmt: skip
ORDERS = ("h = {h}\n    c = {c}", "c = {c}\n    h = {h}", "h, c = {h}, {c}")
KEPT = (
    ("s = 0.0", "s += np.sum(h * c)", "s"), ("hs = []", "hs.append(h)", "np.sum(np.stack(hs) ** 2)"),
    ("hs = [h]", "hs.append(h * c)", "np.sum(np.array(hs) ** 2 * 0.5)"),
    ("out = np.zeros((len(x), *h0.shape))", "out[t] = c", "np.sum(np.cos(out))"), ("", "pass", "np.sum(h * c)"),
    ("s = 0.0", "s += np.sum(h[0])", "s + np.sum(c)"),
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A loss of ``x[t, n, i], h0[n, j], U[i, j], W[j, j], b[j]``, and its text."""

    text: str
    run: Callable[..., Any]

    @property
    def is_turned(self) -> bool:
        """Whether a list has the rounds in another order than the counter: its positions are numbers of this length."""
        return "hs" in self.text and ("reversed" in self.text or "-1)" in self.text)


@st.composite
def recurrences(draw: Any) -> Drawn:
    """A loss with one loop or two, one after the other."""
    lines = []
    begin, kept, made = draw(st.sampled_from(KEPT))
    for header in draw(st.lists(st.sampled_from(HEADERS), min_size=1, max_size=2)):
        step = draw(st.sampled_from(ORDERS)).format(h=draw(st.sampled_from(H)), c=draw(st.sampled_from(C)))
        lines += [draw(st.sampled_from(STARTS)), begin, header, f"    {step}", f"    {kept}"]
    body = "\n".join(line for line in [*lines, f"return {made}"] if line)
    text = "def loss(x, h0, U, W, b):\n" + "\n".join(f"    {line}" for line in body.splitlines())
    return Drawn(text, defined(text, "loss"))


def arguments(rounds: int, rows: int = 2, features: int = 2, units: int = 3, seed: int = 0) -> list[Array]:
    """Arrays of these sizes."""
    rng = np.random.default_rng(seed)
    shapes = (rounds, rows, features), (rows, units), (features, units), (units, units), (units,)
    return [rng.normal(size=shape) / 2 for shape in shapes]
