"""NumPy functions that few people call: NumPy's values and gradients, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.errors import EinbackpropError

X = np.random.default_rng(5).normal(size=(4, 3)) + 0.05
BODIES = """
v = np.compress([True], np.sum(v), axis=0)
np.place(v, v > .2, [.3]) | np.place(v, v > .2, .3) | np.place(v, m, v[:1, 0])
v = np.extract(v > .2, v * 2) | v = np.extract(m, v) ** 2 | v = np.compress([True, False, True], v, axis=1)
v = np.compress([0, 1], v, axis=0) | v = np.compress([True] * 5, v) | v = np.resize(v, (3, 5)) | v = np.resize(v, 7)
v = np.atleast_3d(v) | v = np.atleast_3d(v[0]) * np.atleast_3d(v[1, 1]) | v = np.atleast_3d(v); v[..., 0] *= v[..., 0]
np.multiply.at(v, [0, 2], 3) | np.multiply.at(v, [0, 0, 1], v[1] * 1) | np.divide.at(v, (np.arange(3), 0), 2.)
np.maximum.at(v, ([0, 0], [1, 1]), [.1, .3]) | np.negative.at(v, [1, 3]) | np.multiply.at(v, (range(4), y), w[:, 0])
v = np.apply_along_axis(lambda r: r - r.mean(), 1, v) | v = np.apply_along_axis(np.sum, 0, v) ** 2
v = np.apply_along_axis(lambda r, k: r[::-1] * k, 0, v, 2) | v = np.apply_along_axis(lambda r: r[:2], 1, v)
v = np.piecewise(v, [v < 0], [lambda r: r * .1, lambda r: r * r]) | v = np.piecewise(v, [v < 0, v > .5], [-1, 1])
v = np.piecewise(v[0], v[0] > 0, [lambda r: r - r.sum(), 2.]) | v = np.add.reduce([v, w, v * w])
v = np.maximum.reduce([v, w])
v = np.partition(v, 1, axis=0) * w | v = np.partition(v, 2) * w | v = np.add.accumulate([v, w], axis=0)
"""


def slopes(function: Any, x: Any, step: float = 1e-6) -> Any:
    """Central differences."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        change = np.zeros(x.shape)
        change[index] = step
        found[index] = (function(x + change) - function(x - change)) / (2 * step)
    return found


@pytest.mark.parametrize("body", [part for line in BODIES.strip().split("\n") for part in line.split(" | ")])
def test_a_rare_function_is_read_as_numpy_runs_it(body: str) -> None:
    space: dict[str, Any] = {"np": np}
    exec(f"def f(x):\n    v, w, y, m = x * 1, x * x, np.array([0, 2, 1, 2]), x < .4; {body}\n"
         "    return np.sum(np.sin(v) * np.arange(1., v.size + 1).reshape(v.shape)) + np.sum(w)", space)  # fmt: skip
    function = space["f"]
    value, gradient = eb.value_and_grad(function)(X)
    np.testing.assert_allclose(value, function(X.copy()))
    np.testing.assert_allclose(gradient, slopes(function, X), atol=1e-7)


@pytest.mark.parametrize("body", [
    "np.place(v, v > .2, [.3, .4])", "np.multiply.at(v, ([0] * 65, [0] * 65), 2)",
])  # fmt: skip
def test_what_is_not_read_says_so(body: str) -> None:
    space: dict[str, Any] = {"np": np}
    exec(f"def f(x):\n    v = x * 1; {body}\n    return np.sum(v)", space)
    with pytest.raises(EinbackpropError, match="read"):
        eb.grad(space["f"])(X)


def test_a_gradient_that_is_nan_on_the_examples_is_derived_without() -> None:
    """A root of what is not chosen is infinitely steep at 0: where that factor is not finite, it counts as 0."""
    def loss(x: Any) -> Any:
        return np.sum(np.where(x > 0, np.sqrt(np.abs(x)), 0)) + np.sum(x * x)

    x = np.array([0.0, 4.0, -1.0])
    space: dict[str, Any] = {}
    exec(eb.source(eb.derive(loss, x)), space)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(space["backward"](x), [0, 8.25, -2])
    assert "isfinite" not in eb.source(eb.derive(loss, x + 0.5))


def test_so_is_one_where_no_entry_is_selected() -> None:
    def loss(x: Any) -> Any:
        return np.sum(x / (np.sqrt(np.maximum(x, 0) ** 2) + 1))

    x = np.array([0.5, -1.0])
    space: dict[str, Any] = {}
    exec(eb.source(eb.derive(loss, x)), space)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(space["backward"](x), eb.grad(loss)(x))
    np.testing.assert_allclose(eb.grad(loss)(x), [1 / 1.5**2, 1])
