"""Emitted source at other sizes than it was read for: NumPy's value, or a refusal that names the size and why."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import einbackprop as eb

WHOLE_HERE = """
x[:1]: 1,3 2,3 | x[::2]: 1,3 4,3 | x[::-1][0]: 1,3 4,3 | x[-1]: 1,3 4,3 | x[-1:]: 1,3 4,3 | x[-5:]: 3,3 7,3
x[len(x) // 2:]: 1,3 4,3 | x[len(x) - 1]: 1,3 4,3 | x[len(x) - 1:]: 1,3 4,3 | x[-1:] * x: 1,3 4,3 | x[:, :1]: 1,1 2,3
x[:, -1:]: 1,1 2,3 | np.flip(x)[0]: 1,3 6,3 | np.roll(x, 1, axis=0) * x: 1,3 6,3 | x[[0, 1]]: 2,3 6,3 | x[0:3]: 3,3 6,3
x[0:x.shape[1]]: 3,3 6,3 | x[range(2), range(2)]: 2,3 6,3 | np.rot90(x)[0]: 1,3 6,3 | x[0:1] * x[:, 0:1]: 1,1 2,3
"""
RESHAPED = """
x.reshape(x.shape[1], x.shape[0])[0]: 1,3 4,3 | x.reshape(x.shape[1], x.shape[0])[0]: 3,3 4,3
x.reshape(3, 2)[0]: 3,2 6,1 | x.reshape(-1, 2)[0]: 3,2 4,3 | x.reshape(2, -1)[0]: 2,3 4,3
x.reshape(-1, x.shape[0])[0]: 3,3 4,3 | x.reshape(-1, 4)[0]: 3,4 4,2 | x.ravel()[::2]: 1,1 4,3
x.reshape(-1)[:3]: 3,1 4,3 | x.T.reshape(-1)[1]: 1,3 3,7 | x.reshape(-1, order="F")[1]: 1,3 3,7
"""
MADE_OF_SIZES = """
np.mean(np.tile(x, (1, 2))): 2,3 3,4 | np.mean(np.repeat(x, 2, axis=0)): 2,3 4,3 | np.mean(np.pad(x, 1)): 2,3 4,3
np.mean(np.outer(x, x)): 2,3 4,3 | np.mean(np.kron(x, x)): 2,3 4,3 | np.mean(np.append(x, 1.)): 3,3 4,3
np.mean(np.convolve(x[0], x[0])): 3,3 4,4 | np.mean(np.concatenate([x, x])): 2,3 4,3
np.ones((2 * len(x), 3)).mean(0) * x: 1,3 4,3 | np.ones((len(x) + 1, 3)).sum(0) * x: 1,3 4,3
np.mean(np.vstack([x, x[:1]])): 1,3 4,4 | np.mean(x.reshape(-1)): 2,3 4,3 | x * np.eye(2, 3): 2,3 1,3
x * np.arange(3): 2,3 2,1 | np.broadcast_to(x, (2, 3)): 1,3 2,3 | np.broadcast_to(x[0], x.shape): 1,3 2,3
np.eye(len(x), x.shape[1]) * x: 3,3 2,4
"""
COUNTED = """
h = x[:, :x.shape[1] // 2]; x = h + np.zeros((len(x), h.shape[1])): 2,3 2,1; 2,3 2,5
np.array_split(x, 2)[0]: 4,3 5,3 | np.array_split(x, 2)[1] * 2: 4,3 1,3 | x[:, :x.shape[1] // 2]: 3,1 3,4
np.concatenate([r[None] for r in list(x)[::-1]])[0] * x: 2,3 4,3 | sum(v for v in x.flat): 2,3 4,3
x * (3 if len(x) - 2 else 1): 2,3 4,3 | x * int(len(x) / 2): 2,3 4,3 | sum(map(np.sum, x)): 2,3 4,3
n = len(x) // 2; x = x + np.concatenate([x[:n] * 2, x[n:]]): 6,3 4,3 | x[:len(x) // 2] *= 2: 6,3 4,3
x[np.random.default_rng(0).permutation(len(x))][0] * x: 2,3 4,3 | x[[0, -1]]: 2,3 4,3
"""
SHARED = """
a = x.T * x.T; a.reshape(-1)[1:] = .1; x = a * x.T: 3,1 3,2; 3,2 3,1
a = x.T * x.T; b = a.reshape(-1); a[0] = .1; x = b * b: 3,1 3,2; 3,2 3,1; 1,1 2,3
x.T.reshape(-1)[0] = .3: 3,1 3,2; 3,2 3,1 | x.T.ravel()[0] *= 2: 3,1 3,2; 3,2 3,1; 3,2 1,1
"""

WRITTEN_OUT = """
np.prod(x, axis=1): 2,4 3,5; 2,4 3,3 | np.prod(x): 2,2 2,3 | np.prod(x, axis=0, keepdims=True): 2,3 4,3
np.cumprod(x, axis=1): 2,4 2,6; 2,4 2,3 | np.cumprod(x, axis=0): 3,2 4,2 | np.multiply.accumulate(x, axis=1): 2,3 2,4
np.convolve(x[0], x[:, 0], "same"): 3,5 4,5; 3,5 4,8; 3,5 3,2 | np.convolve(x[0], x[:, 0], "valid"): 3,5 2,5; 3,5 4,6
np.correlate(x[0], x[:, 0], "same"): 3,5 4,5; 3,5 3,2 | np.correlate(x[0], x[:, 0], "full"): 3,5 4,5; 3,5 2,5
"""


def cases(table: str) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Code, the shape to read it at, and another one."""
    found = []
    for part in (part for line in table.strip().split("\n") for part in line.split(" | ")):
        code, _, shapes = part.rpartition(": ")
        for pair in shapes.split("; "):
            first, second = (tuple(map(int, shape.split(","))) for shape in pair.split())
            found.append((code, first, second))
    return found


def function(code: str) -> Any:
    """The function that squares and sums what an expression gives, or statements leave in x."""
    body = code if " = " in code or "*= " in code else f"x = {code}"
    space: dict[str, Any] = {"np": np}
    exec(f"def f(x):\n    {body}\n    return np.sum(x * x)", space)
    return space["f"]


@pytest.mark.parametrize(("code", "read", "other"), cases(WHOLE_HERE + RESHAPED.lstrip() + MADE_OF_SIZES.lstrip()
                                                         + COUNTED.lstrip() + SHARED.lstrip()
                                                         + WRITTEN_OUT.lstrip()))  # fmt: skip
def test_source_is_numpys_at_other_sizes_or_says_why_not(
    code: str, read: tuple[int, ...], other: tuple[int, ...]
) -> None:
    f, rng = function(code), np.random.default_rng(0)
    space: dict[str, Any] = {}
    exec(eb.source(eb.trace(f, rng.random(read))), space)
    x = rng.random(other)
    said = ""
    try:
        found = space["backward"](x.copy())
    except ValueError as error:
        said, found = str(error), f(x.copy())
    assert re.search(r"^$| must be .+: .|sizes are too small: .|cannot select an axis to squeeze", said)
    np.testing.assert_allclose(found, f(x.copy()))


@pytest.mark.parametrize("code", [
    "x[:len(x)]", "x[0:]", "x[::1]", "x.reshape(len(x), -1)", "x.reshape(-1, x.shape[1])", "x.reshape(x.shape)",
    "np.mean(x.reshape(-1))", "a = x * x; a.reshape(-1)[0] = .1; x = a * x", "a = x.T.reshape(-1) * 2; a[0] = .3",
    "np.mean(x.reshape(len(x), 1, -1), axis=2)",
])  # fmt: skip
def test_what_holds_for_every_size_is_not_refused(code: str) -> None:
    f, rng = function(code), np.random.default_rng(0)
    space: dict[str, Any] = {}
    exec(eb.source(eb.trace(f, rng.random((2, 3)))), space)
    x = rng.random((4, 5))
    np.testing.assert_allclose(space["backward"](x.copy()), f(x.copy()))


@pytest.mark.parametrize("code", [
    "a = x * 2; a.reshape(-1)[0] = 1; x = a", "a = x.reshape(-1); a[0] = 1", "x.ravel('K')[1] = 1", "x.T.flat[1] = 1",
    "a = np.asarray(x, order='C'); a[0] = 1", "a = x.T.reshape(-1) * 2; a[0] = 1",
    "a = np.ascontiguousarray(x); a[0] = 1",
    "a = np.zeros_like(x); a.ravel()[1:] = 1; x = a", "a = x.copy('K'); b = a.ravel(); a[0] = 1; x = x + b[2]",
])  # fmt: skip
@pytest.mark.parametrize("order", ["C", "F"])
def test_source_is_numpys_for_other_layouts_or_says_why_not(code: str, order: Any) -> None:
    f, rng = function(code), np.random.default_rng(0)
    space: dict[str, Any] = {}
    exec(eb.source(eb.trace(f, np.array(rng.random((2, 3)), order=order))), space)
    x = np.array(rng.random((2, 3)), order=order)
    np.testing.assert_allclose(space["backward"](x.copy("K")), f(x.copy("K")))
    for other in (np.array(x, order="C"), np.array(x, order="F"), np.repeat(x, 2, axis=1)[:, ::2]):
        said = ""
        expected = f(other.copy("K")) if other.base is None else f(np.repeat(x, 2, axis=1)[:, ::2])
        try:
            found = space["backward"](other)
        except ValueError as error:
            said, found = str(error), expected
        assert said in ("", "x must lie in memory as when this was read: a view or a copy of it is written to")
        np.testing.assert_allclose(found, expected)
