"""What a compiled function gives for other values than it was compiled with: NumPy's answer, or an error."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import einbackprop as eb

SMALL, BIG = np.array([[1, 2], [3, 4]]), np.array([[200, 100], [7, 250]])
Function = Callable[..., Any]

WHOLE: dict[str, Function] = {
    "a cast, doubled": lambda x: x.astype(float) * 2,
    "a cast to float32": lambda x: x.astype(np.float32) * 2 + 1,
    "a sum": lambda x: x.sum(),
    "sums": lambda x: x.sum(0),
    "a mean": lambda x: x.mean(),
    "times a float": lambda x: 1.0 * x + x,
    "a square": lambda x: x.astype(int) ** 2,
    "a product": lambda x: x @ x.astype(float),
    "below 0": lambda x: x.astype(int) - 300,
    "a difference": lambda x: x.astype(float) - x.astype(float).mean(),
    "a running sum": lambda x: np.cumsum(x),
    "a variance": lambda x: x.var(),
    "a choice": lambda x: np.where(x > 5, 300.0, x),
    "a power": lambda x: (x * 1.0) ** 9,
    "halves": lambda x: x / 2 + x / 2,
    "like terms": lambda x: 2 * x.astype(int) * x - x.astype(int) * x,
    "truth": lambda x: (x > 5).astype(float),
}


@pytest.mark.parametrize("function", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.uint16])
def test_whole_numbers_do_not_wrap_where_numpys_do_not(function: Function, dtype: Any) -> None:
    examples, other = SMALL.astype(dtype), BIG.astype(dtype)
    expected = function(other)
    found = eb.compile(function, examples)(other)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.asarray(found).dtype.kind in {np.asarray(expected).dtype.kind, "i"}


@pytest.mark.long
@pytest.mark.parametrize("backend", [None, "numba"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, bool])
@pytest.mark.parametrize(
    "loss",
    [lambda W, X: np.sum(X @ W), lambda W, X: np.mean((X / 255) @ W), lambda W, X: np.sum(X * W),
     lambda W, X: np.sum((X.astype(float) - X.mean()) @ W) + np.sum((2.0 * X) @ W)],
    ids=["product", "images", "elementwise", "centred"],
)  # fmt: skip
def test_the_gradient_of_a_loss_of_images_is_not_added_up_in_bytes(loss: Function, dtype: Any, backend: Any) -> None:
    if backend:
        pytest.importorskip("numba")
    W, X = np.ones(2), BIG.astype(dtype)
    examples = SMALL.astype(dtype)
    steps = [1e-6 * e for e in np.eye(2)]
    expected = [(loss(W + s, X) - loss(W - s, X)) / 2e-6 for s in steps]
    np.testing.assert_allclose(eb.grad(loss)(W, X), expected, rtol=1e-6)
    np.testing.assert_allclose(eb.compile(eb.grad(loss), W, examples, backend=backend)(W, X), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [lambda b: np.maximum(b, 0).mean(), lambda b: np.where(b > 0, b, 0.5).mean(),
     lambda b: np.mean(np.maximum(0, 1 - b)), lambda b: np.sum(b - 1e3 * (1 - (b > 0).astype(b.dtype)))],
    ids=["relu", "where", "hinge", "mask"],
)  # fmt: skip
def test_a_gradient_has_the_dtype_of_its_parameter(loss: Function) -> None:
    b = np.array([0.1, -0.2], np.float32)
    step = eb.compile(eb.value_and_grad(loss), b)
    for value, gradient in (eb.value_and_grad(loss)(b), step(b)):
        assert value.dtype == gradient.dtype == np.float32
    step(b - np.float32(0.1) * gradient)  # a loop of training goes on


POSITIONS: dict[str, tuple[Function, list[float], list[float]]] = {
    "a cast": (lambda t, x: t[x.astype(int)], [0.2, 1.7, 2.9], [1.3, 0.8, 2.9]),
    "a floor": (lambda t, x: t[np.floor(x).astype(int)], [0.2, 1.7, 2.9], [1.3, 0.8, 2.9]),
    "one-hot": (lambda t, x: np.eye(4)[x.astype(int)] @ t, [0.2, 1.7, 2.9], [1.3, 0.8, 2.9]),
    "one number": (lambda t, x: t[int(x[1])] * t, [0.2, 1.7, 2.9], [1.3, 0.8, 2.9]),
    "a remainder": (lambda t, x: t[x.astype(int) % 2], [0.2, 1.7, 2.9], [1.3, 0.8, 9.9]),
    "clipped": (lambda t, x: t[np.clip(x, 0, 2).astype(int)], [0.2, 1.7, 2.9], [-7.0, 0.8, 9.9]),
    "taken": (lambda t, x: np.take(t, x.astype(int)), [0.2, 1.7, 2.9], [1.3, 0.8, 2.9]),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_that_are_computed(name: str) -> None:
    function, example, other = POSITIONS[name]
    t = np.array([10.0, 20, 30, 40])
    compiled = eb.compile(function, t, np.array(example))
    np.testing.assert_array_equal(compiled(t, np.array(other)), function(t, np.array(other)))


@pytest.mark.slow
@pytest.mark.parametrize("backend", [None, "numba"])
@pytest.mark.parametrize(
    ("function", "labels"),
    [(lambda z, y: z[y], [0, 5, 1]), (lambda z, y: z[y], [0, -1, 1]), (lambda z, y: z[y // 2], [0, 99, 1]),
     (lambda z, y: z[np.abs(y - 2)], [0, 99, 1]), (lambda z, y: z[y.max()], [0, 99, 1]),
     (lambda z, y: z[y[0]] + z[y[1]], [0, 99, 1]), (lambda z, y: z[np.minimum(y, 3)], [0, -1, 1])],
    ids=["too large", "negative", "halved", "apart", "the largest", "one by one", "clipped"],
)  # fmt: skip
def test_what_is_no_position_is_refused(function: Function, labels: list[int], backend: str | None) -> None:
    """A bracket holds nowhere there, and 0 would be picked in silence."""
    if backend:
        pytest.importorskip("numba")
    z, y = np.arange(1.0, 6), np.array([3, 0, 4])
    compiled = eb.compile(function, z, y, backend=backend)
    np.testing.assert_array_equal(compiled(z, y), function(z, y))
    with pytest.raises(eb.errors.RangeError, match=r"positions (are )?0 to 4"):
        compiled(z, np.array(labels))
    np.testing.assert_array_equal(compiled(z, y), function(z, y))


@pytest.mark.parametrize(
    "function",
    [lambda x: np.sort(x), lambda x: x[np.argsort(x)], lambda x: np.unique(x), lambda x: np.where(x > 0)[0],
     lambda x: x[x > 0], lambda x: np.flatnonzero(x > 0)],
    ids=["sort", "argsort", "unique", "where", "mask", "flatnonzero"],
)  # fmt: skip
def test_positions_of_the_examples_are_refused_even_where_they_are_in_order(function: Function) -> None:
    with pytest.raises(eb.errors.ArgumentError, match="They must not stay so"):
        eb.compile(function, np.array([1.0, 2, 3]))


@pytest.mark.parametrize(
    "function",
    [lambda x: x.sum() / len(x[x > 2]), lambda x: x * x[x > 2].size, lambda x: x / x[x > 2].shape[0],
     lambda x: range(int(x[0]) + 5)[-1] * x],
    ids=["len", "size", "shape", "range"],
)  # fmt: skip
def test_a_number_of_the_examples_is_warned_of(function: Function) -> None:
    with pytest.warns(UserWarning, match="The compiled function keeps to that"):
        eb.compile(function, np.array([1.0, 2, 3, 4]))


def causal(s: np.ndarray) -> np.ndarray:
    s = s + np.triu(np.full((3, 3), -np.inf), 1)
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def cleaned(x: np.ndarray) -> np.ndarray:
    y = x.copy()
    y[np.isnan(y)] = 0
    return y


INFINITE: dict[str, tuple[Function, Any]] = {
    "causal mask": (causal, np.arange(9.0).reshape(3, 3)),
    "cumsum": (lambda x: np.cumsum(x), [1.0, 2, np.inf, 4]),
    "cumsum, back": (lambda x: np.cumsum(x[::-1])[::-1], [1.0, 2, np.nan, 4]),
    "y[isnan]": (cleaned, [[1.0, np.nan], [2, 3]]),
    "nan_to_num": (lambda x: np.nan_to_num(x), [1.0, np.nan]),
    "nansum": (lambda x: np.nansum(x * x), [1.0, np.nan, 2]),
}


@pytest.mark.parametrize("name", INFINITE)
def test_what_a_mask_hides_is_hidden(name: str) -> None:
    function, values = INFINITE[name]
    x = np.array(values)
    compiled = eb.compile(function, np.ones_like(x))
    np.testing.assert_allclose(compiled(x), function(x), rtol=1e-15)


RUNNING: dict[str, Function] = {
    "rows": lambda x: np.cumsum(x, axis=1),
    "columns": lambda x: np.cumsum(x, axis=0),
    "back": lambda x: np.cumsum(x[::-1], axis=0)[::-1],
    "flat": lambda x: np.cumsum(x),
    "twice the squares": lambda x: np.cumsum(x * x, axis=1) * 2,
    "of something": lambda x: np.cumsum(np.exp(x), axis=0),
}


@pytest.mark.parametrize("function", RUNNING.values(), ids=RUNNING)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_sums(function: Function, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for shape in ((2, 3), (40, 50)):
        x = rng.normal(size=shape).astype(dtype)
        for given in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
            compiled = eb.compile(function, given)
            np.testing.assert_allclose(compiled(given), function(given), rtol=2e-5, atol=1e-5)
    x = rng.normal(size=(3, 4))
    w = rng.normal(size=function(x).shape)
    numbers = [
        (np.sum(function(x + s) * w) - np.sum(function(x - s) * w)) / 2e-6 for s in 1e-6 * np.eye(12).reshape(12, 3, 4)
    ]
    np.testing.assert_allclose(eb.grad(lambda x: np.sum(function(x) * w))(x).ravel(), numbers, atol=1e-6)


def test_a_running_sum_takes_no_square_of_memory() -> None:
    x = np.ones(300_000)
    gradient = eb.compile(eb.grad(lambda x: np.sum(np.cumsum(x) ** 2)), x)
    assert gradient.plan.nbytes < 10 * x.nbytes
    assert {step.word for step in gradient.plan.steps} == {"running sum", "elementwise"}


def test_sums_of_squares_in_float32_are_as_precise_as_numpys() -> None:
    """BLAS adds up single precision one after another: 8e-4 off for so many."""
    x = np.full((2048, 2048), 1.1, np.float32)
    found = eb.compile(lambda x: np.mean(x**2), x)(x)
    assert abs(found / np.mean(x.astype(float) ** 2) - 1) < 1e-6


def test_one_array_at_two_places_has_a_gradient_at_each() -> None:
    def f(a: np.ndarray, b: np.ndarray) -> Any:
        return np.sum(a * a * b)

    x = np.arange(3.0)
    for g in (eb.grad(f, wrt=(0, 1))(x, x), eb.compile(eb.grad(f, wrt=(0, 1)), x, x)(x, x)):
        np.testing.assert_array_equal(g[0], 2 * x * x)
        np.testing.assert_array_equal(g[1], x * x)
    np.testing.assert_array_equal(eb.compile(eb.grad(f), x, x)(x, 2 * x), 4 * x * x)
    tied = {"in": x, "out": x}
    g = eb.grad(lambda p: f(p["in"], p["out"]))(tied)
    np.testing.assert_array_equal(g["out"], x * x)


@pytest.mark.parametrize("backend", [None, "numba"])
def test_a_result_may_be_passed_on_though_its_memory_is_used_again(backend: str | None) -> None:
    if backend:
        pytest.importorskip("numba")

    def step(w: np.ndarray, x: np.ndarray) -> Any:
        return w - 0.1 * (x.T @ (x @ w)), np.roll(w, 1) + w

    x = np.random.default_rng(0).normal(size=(6, 4))
    w = v = np.ones(4)
    compiled = eb.compile(step, w, x, reuse=True, backend=backend)
    for _ in range(4):
        (w, r), (v, q) = compiled(w, x), step(v, x)
        np.testing.assert_allclose(w, v, rtol=1e-12)
        np.testing.assert_allclose(r, q, rtol=1e-12)
        r, q = compiled(r.T, x)[1], step(q, x)[1]
        np.testing.assert_allclose(r, q, rtol=1e-12)
        w = v.copy()


@pytest.mark.parametrize("subscripts", ["ijk,iii->j", "ii,ijk->j", "ijk,ii->j"])
def test_gradients_of_products_with_a_diagonal(subscripts: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3,) * len(term) for term in subscripts.split("->")[0].split(",")]
    a, b = (rng.normal(size=shape) for shape in shapes)

    def loss(a: np.ndarray, b: np.ndarray) -> Any:
        return np.sum(np.sin(np.einsum(subscripts, a, b)))

    for n, array in enumerate((a, b)):
        g = eb.grad(loss, wrt=n)(a, b)
        for place in np.ndindex(array.shape):
            s = np.zeros_like(array)
            s[place] = 1e-6
            moved = [((a + t, b) if n == 0 else (a, b + t)) for t in (s, -s)]
            assert abs((loss(*moved[0]) - loss(*moved[1])) / 2e-6 - g[place]) < 1e-7
