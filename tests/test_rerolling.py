"""Loops become letters: what is folded gives the same values, at other sizes too, and what cannot be stays unrolled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn_loops import BODIES, Drawn, arguments, function
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import einbackprop as eb
from einbackprop.core import nesting
from einbackprop.core.interpretation import run
from einbackprop.core.program import Program
from einbackprop.rerolling import stacking

OTHERS = ((5, 4), (4, 5), (7, 6))
Array = np.ndarray[Any, Any]
SIZES = st.tuples(st.integers(2, 6), st.integers(3, 5))


def values(f: Callable[..., Any], sizes: tuple[int, int]) -> list[Any]:
    """What NumPy gives, flat."""
    found = f(*(array.copy() for array in arguments(*sizes)))
    return list(found) if isinstance(found, tuple) else [found]


def inputs(program: Program, sizes: tuple[int, int]) -> list[Any]:
    """The arrays that a program takes, of these sizes."""
    given = arguments(*sizes)
    return [nesting.get(given, declared.path) for declared in program.inputs]


def close(found: Any, expected: Any, text: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=text)


def holds(drawn: Drawn, sizes: tuple[int, int]) -> Program:
    """The program gives NumPy's values, at other sizes too where none is held, and no value has said how to go on."""
    program = eb.trace(drawn.run, *arguments(*sizes))
    for found, wanted in zip(run(program, inputs(program, sizes)), values(drawn.run, sizes), strict=True):
        close(found, wanted, drawn.text)
    scope: dict[str, Any] = {}
    exec(eb.source(program, name="emitted"), scope)  # the text is ours
    for other in (sizes, *(OTHERS if not program.conditions else ())):
        try:
            made = scope["emitted"](*arguments(*other))
        except ValueError as error:
            if other == sizes or not re.search(r" must be |too small: |could not broadcast", str(error)):
                raise
            continue
        for found, wanted in zip(made if isinstance(made, tuple) else (made,), values(drawn.run, other), strict=True):
            close(found, wanted, f"{other}\n{drawn.text}")
    return program


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example("return np.array([[x[i, j] * 0.5 for j in range(m)] for i in range(n)])", (3, 3))
@example("total = 0.0\nfor i in range(m):\n    total += x[0, -1]\nreturn total / n", (2, 3))
@given(BODIES, SIZES)
def test_loops_that_are_drawn(body: str, sizes: tuple[int, int]) -> None:
    holds(function(body), sizes)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, max_examples=30)
@given(BODIES, SIZES)
def test_what_is_read_of_them_is_true(body: str, sizes: tuple[int, int]) -> None:
    # The same draws each time: at some others, values that several rounds share have no name in a formula yet.
    drawn = function(body)
    assert eb.read(drawn.run, *arguments(*sizes)).faults == (), drawn.text  # each formula is judged where it is made


FOLDED = {
    "a sum": "s = 0.0\nfor i in range(n):\n    for j in range(m):\n        s += x[i, j] * v[j]\nreturn s",
    "a sum of rows": "s = np.zeros(m)\nfor i in reversed(range(n)):\n    s += np.tanh(x[i]) * u[i]\nreturn s",
    "entries": "a = np.zeros((n, m))\nfor i in range(n):\n    for j in range(m):\n        a[i, j] = np.tanh(x[i, j])\n"
    "return a",
    "a sum inside": "a = np.zeros(n)\nfor i in range(n):\n    s = 0.0\n    for j in range(m):\n"
    "        s += x[i, j] * v[j]\n    a[i] = np.tanh(s)\nreturn a",
    "labels": "s = 0.0\nfor i in range(n):\n    s -= np.log(x[i, y[i]] ** 2 + 1)\nreturn s / n",
    "scattered rows": "a = np.zeros((n, m))\nfor i in range(n):\n    a[y[i]] += x[i]\nreturn a",
    "a list": "a = []\nfor i in range(n):\n    a.append(np.tanh(x[i]) @ v)\nreturn np.array(a)",
    "a dict": "a = {}\nfor i in range(n):\n    a[i] = np.tanh(x[i])\nreturn np.stack([a[i] for i in range(n)])",
    "zip": "s = 0.0\nfor a, b in zip(x, u):\n    s += np.sum(a * v) * b\nreturn s",
    "a comprehension": "return np.array([np.sum(row * v) for row in x])",
    "windows": "z = 2 * u\na = np.zeros(n - 2)\nfor i in range(n - 2):\n    a[i] = np.sum(z[i : i + 3] * v[:3])\n"
    "return a",
    "a carry": "h = v\nfor i in range(n):\n    h = np.tanh(x[i] + h)\nreturn h",
    "windows added to": "a = np.zeros(n + 2)\nfor i in range(n):\n    a[i : i + 3] += u[i] * v[:3]\nreturn a",
}  # fmt: skip
UNROLLED = {
    "a round that differs": "s = 0.0\nfor i in range(n):\n    if i == 2:\n        s += np.sum(x[i]) ** 2\n"
    "    else:\n        s += np.sum(x[i])\nreturn s",
    "break": "s = 0.0\nfor i in range(n):\n    if i == n - 2:\n        break\n    s += np.sum(np.tanh(x[i]))\n"
    "return s",
    "layers of other widths": "h = x\nfor w in (x.T, x, x.T @ x):\n    h = np.tanh(h @ w)\nreturn h",
    "a length that data say": "s, i = 0.0, 0\nwhile i < n and s < 1:\n    s = s + u[i] ** 2\n    i += 1\nreturn s",
    "numbers that count": "s, k = 0.0, 0.0\nfor i in range(n):\n    s += np.sum(x[i])\n    k += 0.5\nreturn s * k",
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDED)
def test_rounds_that_do_the_same_are_one_equation(case: str) -> None:
    drawn = function(FOLDED[case])
    few, more = (len(holds(drawn, sizes).equations) for sizes in ((5, 4), (8, 6)))
    assert few == more


@pytest.mark.parametrize("case", UNROLLED)
def test_what_is_not_alike_stays_unrolled(case: str) -> None:
    drawn = function(UNROLLED[case])
    few, more = holds(drawn, (4, 3)), holds(drawn, (6, 3))
    assert len(few.equations) <= len(more.equations) or more.conditions  # of its values it says how often it went on
    assert few.held or few.conditions or case == "layers of other widths"


def test_a_loop_that_is_folded_in_part_runs_as_often_as_it_did() -> None:
    """Its first and its last round are left: at another size they would be other ones."""
    body = ("o = np.zeros(n)\nfor i in range(n):\n    s = 0.0\n    for j in reversed(range(m)):\n"
            "        s += x[i, 0] + x[i, j] + x[i, 0]\n    o[i] = s * s\nreturn o")  # fmt: skip
    holds(function(body), (5, 5))


def test_a_wrong_slope_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was folded is held against the run: a mistake of ours there is said, and in tests it is raised."""
    right = stacking.affine
    monkeypatch.setattr(stacking, "affine", lambda c: (found := right(c)) and (found[0], tuple(0 for _ in found[1])))
    with pytest.raises(AssertionError, match="s_18 is "):
        eb.trace(function(FOLDED["a sum"]).run, *arguments(6, 3))


def hinge(W: Array, X: Array, y: Array) -> tuple[float, Array]:
    """The loss of a support vector machine and its gradient, in loops with branches."""
    loss, dW = 0.0, np.zeros_like(W)
    for i in range(len(X)):
        scores = X[i] @ W
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    return loss, dW


def test_branches_of_a_loop_are_factors_whatever_way_they_go() -> None:
    rng = np.random.default_rng(0)
    program = eb.trace(hinge, rng.normal(size=(3, 4)), rng.normal(size=(6, 3)), np.array([0, 2, 1, 3, 3, 0]))
    assert not program.conditions
    assert not program.held
    for _ in range(10):
        given = rng.normal(size=(3, 4)), rng.normal(size=(6, 3)), rng.integers(0, 4, 6)
        for found, expected in zip(run(program, given), hinge(*given), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def plain_hinge(W: Array, X: Array, y: Array) -> tuple[float, Array]:
    """The same without augmented assignments."""
    loss, dW = 0.0, np.zeros_like(W)
    for i in range(len(X)):
        scores = X[i] @ W
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                loss = loss + margin
                dW[:, j] = dW[:, j] + X[i]
                dW[:, y[i]] = dW[:, y[i]] - X[i]
    return loss, dW


@pytest.mark.parametrize("function", [hinge, plain_hinge])
def test_what_branches_add_is_read_with_their_conditions(function: Any) -> None:
    rng = np.random.default_rng(0)
    reading = eb.read(function, rng.normal(size=(3, 4)), rng.normal(size=(6, 3)), np.array([0, 2, 1, 3, 3, 0]))
    written = {formula.equation for line in reading.lines for formula in line.formulas}
    assert {"dW[k,j] += Σ_i X[i,k] [margin[i,j] > 0] [j≠y[i]]",
            "dW[k,j] -= Σ_in X[i,k] [margin[i,n] > 0] [j=y[i]] [n≠y[i]]"} <= written
    assert all(line.runs == 1 for line in reading.lines)


def test_a_number_that_counts_rounds_keeps_the_way_that_branches_went() -> None:
    def mean_of_positive(x: Array) -> float:
        count, total = 0, 0.0
        for i in range(len(x)):
            if x[i] > 0:
                count += 1
                total += x[i]
        return total / count

    program = eb.trace(mean_of_positive, np.array([1.0, -2.0, 3.0, 0.5]))
    assert any("x[i] > 0" in condition for condition in program.conditions)


def lstm_in_buffers(x: Array, W: Array) -> Any:
    n, d = x.shape
    rows, gates, kept = np.zeros((n, 2 * d)), np.zeros((n, 4 * d)), np.zeros((n, 4 * d))
    c, h = np.zeros((n, d)), np.zeros((n, d))
    for t in range(n):
        rows[t, :d] = x[t]
        rows[t, d:] = h[t - 1] if t > 0 else np.zeros(d)
        gates[t] = rows[t] @ W
        kept[t, : 3 * d] = 1 / (1 + np.exp(-gates[t, : 3 * d]))
        kept[t, 3 * d :] = np.tanh(gates[t, 3 * d :])
        c[t] = kept[t, :d] * kept[t, 3 * d :]
        if t > 0:
            c[t] += kept[t, d : 2 * d] * c[t - 1]
        h[t] = kept[t, 2 * d : 3 * d] * np.tanh(c[t])
    return h.sum()


def test_values_that_are_not_alike_are_not_compared_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many lines read the same values: what is found out of these for one is not found out anew for each."""
    tried: Counter[Any] = Counter()
    loops: list[stacking.Stacking] = []  # kept, so that no two have one id
    own = stacking.Stacking._alike

    def counted(self: stacking.Stacking, names: Any, letters: str) -> tuple[str, str]:
        loops.append(self)
        tried[id(self), letters, tuple(names.flat)] += 1
        return own(self, names, letters)

    monkeypatch.setattr(stacking.Stacking, "_alike", counted)
    rng = np.random.default_rng(0)
    eb.trace(lstm_in_buffers, rng.normal(size=(5, 3)), rng.normal(size=(6, 12)))
    assert len(tried) > 20
    assert max(tried.values()) <= 4  # 8 if each is compared for each of these lines
