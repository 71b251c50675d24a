"""Each NumPy function that is read, at drawn shapes: the program gives NumPy's numbers. And all of the wild code."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from sampling import THOROUGH, some
from wild import CONTROLS, FIXTURES, Fixture

import einbackprop as eb
from einbackprop.capture import dispatch, namespace, rules, tracer, verification
from einbackprop.capture.pointwise import MAPS, OF_BOOLEANS, POWERS, SCALED
from einbackprop.capture.tracer import record, trace
from einbackprop.core import interpretation, nesting
from einbackprop.core.program import Contract, Opaque, Program, Update, operands
from einbackprop.errors import TraceError

Function = Callable[..., Any]
OLD_CLIP = pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="no keyword min yet")


def examples(count: int) -> int:
    """How many examples are drawn: more in the thorough profile."""
    return count * settings().max_examples // 50


def numbers(value: Any) -> list[np.ndarray]:
    """The arrays and numbers that a function returned, in the order of a program's outputs."""
    found = [leaf for _, leaf in nesting.leaves(value)]
    return [
        np.asarray(n) for n in found if isinstance(n, np.ndarray | float | int | np.generic) and type(n) is not bool
    ]


def check(function: Function, *arguments: Any, opaque: bool = False) -> Program:
    """Trace, and hold the program's numbers against NumPy's; nothing may be unread, and no argument changed."""
    before = nesting.duplicate(arguments)
    program = record(function, arguments).program
    for mine, theirs in zip(numbers(arguments), numbers(before), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    unread = [e.reason for e in program.equations if isinstance(e, Opaque)]
    assert opaque or not unread, unread
    arrays = [np.array(nesting.get(arguments, i.path)) for i in program.inputs]
    found = interpretation.run(program, arrays)
    with np.errstate(all="ignore"):
        expected = numbers(function(*nesting.duplicate(arguments)))
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine.astype(complex), theirs.astype(complex), rtol=1e-9, atol=1e-11)
    return program


sizes = st.integers(0, 4)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
seeds = st.integers(0, 10**6)


def array(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@st.composite
def broadcastable(draw: Any, count: int = 2) -> list[np.ndarray]:
    """Arrays whose shapes broadcast: axes left out, axes of size 1, axes of size 0."""
    full = draw(st.lists(sizes, max_size=3))
    arrays = []
    for _ in range(count):
        shape = [draw(st.sampled_from([n, 1])) for n in full][draw(st.integers(0, len(full))) :]
        arrays.append(array(draw(seeds), tuple(shape)))
    return arrays


@st.composite
def with_axis(draw: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """An array and the keywords of a reduction: one axis, several, negative, none; keepdims."""
    x = array(draw(seeds), draw(shapes))
    one = st.integers(-x.ndim, x.ndim - 1)
    several = st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1).map(tuple)
    keywords = draw(st.fixed_dictionaries({}, optional={"axis": one | several | st.none(), "keepdims": st.booleans()}))
    return x, keywords


# Pointwise


def domain(ufunc: np.ufunc, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays moved to where the function is real, and booleans for functions of those."""
    if ufunc in (np.arcsin, np.arccos, np.arctanh):
        return [np.tanh(x) for x in arrays]
    if ufunc in (np.log, np.log2, np.log10, np.log1p, np.sqrt, np.power, np.float_power):
        return [np.abs(x) + 0.5 for x in arrays]
    if ufunc is np.arccosh:
        return [np.abs(x) + 1.5 for x in arrays]
    if ufunc in OF_BOOLEANS and ufunc is not np.add:
        return [x > 0 for x in arrays]
    return arrays


UFUNCS = sorted(
    {
        *MAPS,
        *OF_BOOLEANS,
        *POWERS,
        *SCALED,
        np.add,
        np.subtract,
        np.multiply,
        np.true_divide,
        np.power,
        np.float_power,
        np.negative,
        np.positive,
        np.conjugate,
        np.heaviside,
    },
    key=lambda u: u.__name__,
)


@pytest.mark.long
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda u: u.__name__)
@settings(max_examples=examples(8))
@given(arrays=broadcastable(), numbers_first=st.booleans(), number=st.sampled_from([0, 1, 2, -0.5, 3.25]))
def test_ufuncs(ufunc: np.ufunc, arrays: list[np.ndarray], numbers_first: bool, number: float) -> None:
    given_ = domain(ufunc, arrays)
    check(lambda *a: ufunc(*a), *given_[: ufunc.nin])
    if ufunc.nin == 2 and given_[0].dtype != bool:
        scalar = abs(number) if ufunc in (np.power, np.float_power) else number
        check(lambda x: ufunc(scalar, x) if numbers_first else ufunc(x, scalar), given_[0])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x + y,
        lambda x, y: 2 - x * y,
        lambda x, y: x / (1 + y * y),
        lambda x, y: x**2 - y**3 + x**0.5 * 0,
        lambda x, y: -x + abs(y),
        lambda x, y: x // 0.7 + y % 0.3,
        lambda x, y: (x > y) * 1.5,
        lambda x, y: (x > 0) & (y > 0),
        lambda x, y: (x > 0) + (y > 0),
        lambda x, y: ~(x > 0) | (y < 0),
        lambda x, y: divmod(x, 0.7)[1] * y,
        lambda x, y: np.round(x, 1) + y.round(),
        lambda x, y: np.where(x > y, x, 2 * y),
        lambda x, y: np.clip(x, -0.5, y**2),
        pytest.param(lambda x, y: np.clip(x, min=0) + y, marks=OLD_CLIP),
        lambda x, y: np.select([x > 1, y > 0], [x, y], -1),
        lambda x, y: np.maximum(x, y) - np.minimum(x, 0.1),
        lambda x, y: x.astype(int) + y,
        lambda x, y: (x > 0).astype(float) + y,
        lambda x, y: np.float32(x) * 0 + y,
        lambda x, y: np.nan_to_num(x) + np.real(y) + np.imag(x),
        lambda x, y: np.modf(x)[0] + y,
        pytest.param(
            lambda x, y: np.fix(x) + y.conj(), marks=pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
        ),
        lambda x, y: np.exp(x) * np.e + np.pi * y,
        lambda x, y: np.logical_xor(x > 0, y > 0),
        lambda x, y: np.heaviside(x, 0.5) * y,
        lambda x, y: int(x.ndim) * x + float(y.size),
        lambda x, y: np.add(x, y, dtype=np.float64),
        lambda x, y: np.isfinite(x) * y,
    ],
    ids=range(29),
)
@settings(max_examples=examples(6))
@given(arrays=broadcastable())
def test_pointwise_expressions(function: Function, arrays: list[np.ndarray]) -> None:
    x, y = (np.abs(a) + 0.1 for a in arrays)
    check(function, x, y)


@settings(max_examples=examples(25))
@given(seed=seeds, shape=shapes)
def test_out_and_where(seed: int, shape: tuple[int, ...]) -> None:
    def function(x: Any) -> Any:
        y = np.zeros_like(x)
        np.divide(1.0, x, out=y, where=x > 0)
        z = np.empty(x.shape)
        np.exp(x, out=z)
        np.sum(z, axis=0, keepdims=True, out=y[:1])
        z.clip(0.5, 2, out=z)
        x += y
        x *= 2
        return (
            x,
            y,
            z,
            np.sum(x, where=z > 1),
            np.mean(x, axis=0, where=z >= 0),
            np.max(x, initial=0.3),
            np.add.reduce(x, axis=None, initial=2),
        )

    check(function, array(seed, shape))


# Reductions


REDUCTIONS: dict[str, Function] = {
    f.__name__: f
    for f in (np.sum, np.mean, np.var, np.std, np.max, np.min, np.prod, np.ptp, np.any, np.all, np.count_nonzero)
} | {
    "average": np.average,
    "logaddexp": lambda x, axis=0, keepdims=False: np.logaddexp.reduce(x, axis=axis, keepdims=keepdims),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@settings(max_examples=examples(12))
@given(drawn=with_axis())
def test_reductions(name: str, drawn: tuple[np.ndarray, dict[str, Any]]) -> None:
    x, keywords = drawn
    function = REDUCTIONS[name]
    check(lambda x: function(x, **keywords), x)
    if hasattr(x, name):
        check(lambda x: getattr(x, name)(**keywords), x)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum, np.logical_or, np.logaddexp])
@settings(max_examples=examples(6))
@given(seed=seeds, shape=shapes)
def test_reductions_of_ufuncs(ufunc: np.ufunc, seed: int, shape: tuple[int, ...]) -> None:
    check(
        lambda x: (ufunc.reduce(x), ufunc.reduce(x, axis=-1, keepdims=True), ufunc.outer(x[0], x[-1])),
        array(seed, shape),
    )


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_axes_are_kept_for_any_truth_value(keep: Any) -> None:
    check(
        lambda x: (np.sum(x, 1, keepdims=keep), x.mean(0, keepdims=keep), x.var(1, keepdims=keep),
                   x.max(1, keepdims=keep), np.add.reduce(x, 1, keepdims=keep), np.linalg.norm(x, None, 1, keep),
                   np.prod(x, 1, keepdims=keep), np.nansum(x, 1, keepdims=keep)),
        array(0, (3, 4)),
    )  # fmt: skip


@settings(max_examples=examples(25))
@given(seed=seeds, shape=shapes, data=st.data())
def test_positions_and_running_sums(seed: int, shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = array(seed, shape)
    check(lambda x: (np.argmax(x), x.argmin(axis), np.argmax(x, axis=axis, keepdims=True)), x)
    check(lambda x: (np.cumsum(x, axis), x.cumsum(), np.add.accumulate(x, axis), np.diff(x, axis=axis)), x)
    check(lambda x: np.take_along_axis(x, np.argsort(x, axis), axis) - np.sort(x, axis), x)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"axis": 0},
        {"axis": -1, "ord": 1},
        {"axis": 1, "ord": 2, "keepdims": True},
        {"ord": "fro"},
        {"axis": 0, "ord": np.inf},
        {"axis": (0, 1)},
    ],
    ids=str,
)
def test_norms(keywords: dict[str, Any]) -> None:
    check(lambda x: np.linalg.norm(x, **keywords), array(0, (3, 4)))


def test_sums_with_zero_entries() -> None:
    for shape in [(0, 3), (3, 0), (0,)]:
        check(
            lambda x: (x.sum(), x.sum(0), x.sum(axis=-1, keepdims=True), x @ x.T if x.ndim > 1 else x), array(0, shape)
        )


def test_weighted_averages() -> None:
    check(
        lambda x, w: (np.average(x, weights=w, axis=1), np.average(x, axis=0), np.average(x)),
        array(0, (3, 4)),
        np.arange(1.0, 5),
    )
    check(lambda x, w: np.average(x, weights=w), array(0, (3, 4)), np.abs(array(1, (3, 4))))


# Contractions


@settings(max_examples=examples(40))
@given(seed=seeds, m=sizes, n=sizes, k=sizes, batch=st.lists(st.integers(1, 3), max_size=2), data=st.data())
def test_matrix_products(seed: int, m: int, n: int, k: int, batch: list[int], data: Any) -> None:
    left = [data.draw(st.sampled_from([b, 1])) for b in batch][data.draw(st.integers(0, len(batch))) :]
    a, b = array(seed, (*left, m, k)), array(seed + 1, (*batch, k, n))
    check(lambda a, b: (a @ b, np.matmul(a, b)), a, b)
    check(lambda a, b: np.dot(a, b), a, b)
    if n and not batch:
        check(lambda a, b: (a @ b[..., 0], np.tensordot(a, b, 1), a[..., :1, :] @ b), a, b)


@pytest.mark.slow
@settings(max_examples=examples(25))
@given(seed=seeds, m=st.integers(1, 4), n=st.integers(1, 4))
def test_other_products(seed: int, m: int, n: int) -> None:
    a, b, v, w = array(seed, (m, n)), array(seed + 1, (m, n)), array(seed + 2, (n,)), array(seed + 3, (m,))
    check(lambda a, b: (np.inner(a, b), np.vdot(a, b), np.outer(a, b), np.kron(a, b), np.kron(a, b[0])), a, b)
    check(lambda v, w: (np.outer(v, w), np.inner(v, v), v.dot(v), v @ v, np.dot(2, v), np.multiply.outer(v, w)), v, w)
    check(lambda a, v, w: (w @ a, a.dot(v), w.dot(a) @ v, np.linalg.multi_dot([w, a, v])), a, v, w)
    check(
        lambda a, b: (
            np.tensordot(a, b),
            np.tensordot(a, b, ((0,), (0,))),
            np.tensordot(a, b, (1, 1)),
            np.tensordot(a, b, 0),
        ),
        a,
        b,
    )
    check(lambda a: (np.trace(a), np.trace(a.T, 1) if a.shape[0] > 1 else 0.0, np.diagonal(a), a.diagonal(0)), a)


@pytest.mark.parametrize(
    ("subscripts", "shapes_"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,kj", [(2, 3), (4, 3)]),
        ("ba,cb", [(2, 3), (4, 2)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("ij->", [(2, 3)]),
        ("ij->ji", [(2, 3)]),
        ("i,j->ij", [(2,), (3,)]),
        ("...i,...i->...", [(2, 3), (4, 2, 3)]),
        ("...ij->...ji", [(2, 3, 4)]),
        ("ij,ij,i->j", [(2, 3), (2, 3), (2,)]),
        ("n...->...", [(2, 3, 4)]),
        ("iij->ij", [(3, 3, 2)]),
        (",ij->ij", [(), (2, 3)]),
        (" i j , j k -> i k ", [(2, 3), (3, 4)]),
        ("...,...", [(2, 3), (3,)]),
        ("ijji->j", [(2, 3, 3, 2)]),
    ],
)
def test_einsum(subscripts: str, shapes_: list[tuple[int, ...]]) -> None:
    check(lambda *a: np.einsum(subscripts, *a), *(array(n, shape) for n, shape in enumerate(shapes_)))


def test_einsum_with_lists_of_numbers() -> None:
    a, b = array(0, (2, 3)), array(1, (3, 4))
    check(
        lambda a, b: (
            np.einsum(a, [0, 1], b, [1, 2], [0, 2]),
            np.einsum(a, [3, 1], b, [1, 0]),
            np.einsum(a, [..., 1], b, [1, 2], [..., 2]),
        ),
        a,
        b,
    )
    check(lambda a: np.einsum("ab,ac->bc", a.reshape(4, 3), a.reshape(4, 3)), array(0, (2, 2, 3)))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(6, 3), (6, 2), (5, 5), (5, 1)])
def test_convolutions(mode: Any, n: int, m: int) -> None:
    a, v = array(0, (n,)), array(1, (m,))
    check(lambda a, v: (np.convolve(a, v, mode), np.convolve(v, a, mode), np.correlate(a, v, mode)), a, v)


# Layout


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # of NumPy 2.5
@pytest.mark.slow
@settings(max_examples=examples(60))
@given(seed=seeds, shape=shapes, data=st.data())
def test_reshapes(seed: int, shape: tuple[int, ...], data: Any) -> None:
    total = int(np.prod(shape))
    divisors = [n for n in range(1, total + 1) if total % n == 0]
    first = data.draw(st.sampled_from(divisors))
    second = data.draw(st.sampled_from([n for n in divisors if (total // first) % n == 0]))
    target = data.draw(st.permutations([first, second, total // first // second]))
    x = array(seed, shape)
    check(lambda x: x.reshape(target), x)
    check(lambda x: x.T.reshape(*target) * 2, x)
    check(lambda x: np.reshape(x + 1, (target[0], -1)), x)
    check(lambda x: (x.ravel(), x.flatten() * 3, np.ravel(x.T), x.reshape(-1, order="F")), x)
    check(lambda x: x.reshape(target).sum(axis=0) + x.reshape(target).mean(axis=0), x)
    check(lambda x: x.reshape(target).reshape(x.shape) + x, x)
    check(lambda x: (x.reshape(-1)[1:] if x.size > 1 else x.ravel()) * 2, x)

    def in_place(x: Any) -> Any:
        y = x * 2
        whole = y[...]
        y.shape = target
        y.shape += (1,)
        y[0] = 3
        return y * y, whole + 1  # a view keeps its shape, and sees what is written

    check(in_place, x)


def test_a_shape_that_would_need_a_copy_is_refused_as_numpy_does() -> None:
    def f(x: Any) -> Any:
        y = x.T
        y.shape = (6,)
        return y

    with pytest.raises(TraceError, match="ncompatible shape for in-place modification"):
        trace(f, array(0, (2, 3)))


@settings(max_examples=examples(25))
@given(seed=seeds, shape=shapes, data=st.data())
def test_axes_in_other_orders(seed: int, shape: tuple[int, ...], data: Any) -> None:
    rank = len(shape)
    order = data.draw(st.permutations(range(rank)))
    i, j = data.draw(st.integers(-rank, rank - 1)), data.draw(st.integers(-rank, rank - 1))
    x = array(seed, shape)
    check(lambda x: (x.T, x.transpose(order), x.transpose(*order), np.transpose(x, order), np.swapaxes(x, i, j)), x)
    check(lambda x: (np.moveaxis(x, i, j), np.rollaxis(x, i), x.swapaxes(i, j), np.flip(x), np.flip(x, i)), x)
    check(lambda x: (x[:, None], x[None], np.expand_dims(x, i), x[..., None], np.expand_dims(x, (0, -1))), x)
    check(
        lambda x: (
            np.squeeze(x),
            x[:1].squeeze(0),
            x.sum(i, keepdims=True).squeeze(i),
            np.atleast_2d(x),
            np.atleast_1d(x[0]),
        ),
        x,
    )
    if rank == 2:
        check(lambda x: (np.rot90(x), np.rot90(x, 3), np.fliplr(x), np.flipud(x), np.tril(x), np.triu(x, 1), x.mT), x)


@settings(max_examples=examples(25))
@given(arrays=broadcastable())
def test_broadcasts(arrays: list[np.ndarray]) -> None:
    x, y = arrays
    shape = np.broadcast_shapes(x.shape, y.shape)
    check(lambda x: np.broadcast_to(x, shape) * 2, x)
    check(lambda x, y: np.broadcast_arrays(x, y)[0] - np.broadcast_arrays(x, y)[1], x, y)


# Slices, picks and writes


@st.composite
def keys(draw: Any, shape: tuple[int, ...], *, arrays: bool = True) -> Any:
    """A key: slices of all kinds, integers, new axes, an ellipsis, index arrays, as NumPy takes them."""
    items: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        kinds = ["slice", "slice", "integer"] + (["array"] if arrays else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            items.append(draw(st.slices(n)))
        elif kind == "integer":
            items.append(draw(st.integers(-n, n - 1)))
        else:
            items.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=2, max_size=2))))
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()) and all(not isinstance(i, np.ndarray) for i in items):
        items.append(Ellipsis)
    return tuple(items)


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(seed=seeds, shape=shapes, data=st.data())
def test_items(seed: int, shape: tuple[int, ...], data: Any) -> None:
    key = data.draw(keys(shape))
    x = array(seed, shape)
    check(lambda x: x[key], x)
    check(lambda x: (x * 2)[key] + x[key], x)
    tuples = tuple(tuple(part.tolist()) if isinstance(part, np.ndarray) and part.ndim == 1 else part for part in key)
    check(lambda x: x[tuples], x)  # in a key a tuple is what a list is


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(seed=seeds, shape=shapes, data=st.data())
def test_writes(seed: int, shape: tuple[int, ...], data: Any) -> None:
    key = data.draw(keys(shape))
    how = data.draw(st.sampled_from(["=", "= number", "+=", "*=", "-= number", "= row"]))

    def function(x: Any) -> Any:
        y = x * 1.5
        z = y.T
        if how == "=":
            y[key] = x[key] ** 2
        elif how == "= number":
            y[key] = 0.5
        elif how == "+=":
            y[key] += x[key] ** 2
        elif how == "*=":
            y[key] *= x[key]
        elif how == "-= number":
            y[key] -= 1
        else:
            y[key] = x[key][..., :1] if np.ndim(x[key]) else x[key]
        return y, z.sum(axis=0), x

    check(function, array(seed, shape))


@pytest.mark.slow
@settings(max_examples=examples(80))
@given(seed=seeds, shape=shapes, data=st.data())
def test_writes_through_views(seed: int, shape: tuple[int, ...], data: Any) -> None:
    """A view of a view of a reshape: what is written there is seen in the array, and the other way round."""
    total = int(np.prod(shape))
    first = data.draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0]))
    key = data.draw(keys((first, total // first)))
    again = data.draw(keys(shape, arrays=False))

    def function(x: Any) -> Any:
        y = x + 0.0
        flat = y.reshape(-1)
        square = flat.reshape(first, -1)
        square[key] += 1
        seen = y.sum()
        y[again] = y[again] * 3
        square.T[...] *= 2
        flat[-1] = 7
        copy = y.T.reshape(-1)  # a copy where y has several axes of several entries
        copy *= 5
        return y, flat, square, seen, copy

    check(function, array(seed, shape))


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(seed=seeds, shape=shapes, data=st.data())
def test_masks(seed: int, shape: tuple[int, ...], data: Any) -> None:
    rank = data.draw(st.integers(1, len(shape)))

    def function(x: Any, m: Any) -> Any:
        y = x.copy()
        y[m] = 0
        y[~m] += 1
        z = x.copy()
        z[m] = x[m] * 2 + 1
        z[z > 1] = 1
        w = np.zeros_like(x)
        w[m] = np.exp(x[m])
        return y, z, w, x[m].sum(), x[m].sum(axis=0), x[m].size, (x[m] ** 2).sum()

    x, m = array(seed, shape), array(seed + 1, shape[:rank]) > 0
    check(function, x, m)
    check(
        lambda x, m: (x[m], x[m][::-1], x[m] * np.arange(1.0, 1 + int(m.sum())).reshape(-1, *[1] * (x.ndim - m.ndim))),
        x,
        m,
    )
    if m.any():
        check(lambda x, m: (x[m].mean(axis=0), x[m].mean(), x[m].max(), x[m].T @ x[m] if x[m].ndim < 3 else 0.0), x, m)


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(seed=seeds, n=st.integers(1, 5), k=st.integers(1, 4), data=st.data())
def test_labels(seed: int, n: int, k: int, data: Any) -> None:
    y = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=3, max_size=3)))

    def function(p: Any, y: Any, rows: Any) -> Any:
        d = p.copy()
        d[np.arange(len(y)), y] -= 1
        d[range(n), y] *= 2
        one_hot = np.eye(p.shape[1])[y]
        q = np.zeros_like(p)
        q[np.arange(n), y] = 1
        np.add.at(q, rows, p[rows] * 2)
        np.subtract.at(q, (rows, 0), 1)
        np.put_along_axis(q, y[:, None], 0.25, axis=1)
        return (
            d,
            one_hot,
            q,
            p[np.arange(n), y],
            p[y[:, None] == np.arange(p.shape[1])],
            np.take(p, rows, axis=0),
            (
                np.bincount(y, minlength=p.shape[1]),
                np.bincount(y, weights=p[:, 0]),
                p[np.ix_(rows, [0, -1])],
                np.choose(y % 2, [p[:, 0], -p[:, 0]]),
                np.take_along_axis(p, y[:, None], 1),
            ),
        )

    check(function, array(seed, (n, k)), y, rows)


def test_repeated_places_keep_the_last_write() -> None:
    def function(x: Any) -> Any:
        y, z = x * 2, x * 3
        y[[0, 1, 0]] = x[:3]
        z[[0, 1, 0]] += x[:3]
        return y, z

    check(function, array(0, (4, 2)))


def test_values_decide_positions() -> None:
    def function(x: Any) -> Any:
        i, j = np.unravel_index(np.argmax(x), x.shape)
        y = np.zeros_like(x)
        y[i, j] = x[i, j]
        y[np.unravel_index(x.argmin(), x.shape)] += 2
        rows, columns = np.nonzero(x > 0)
        y[rows, columns] += 1
        return y, x[x[:, 0].argsort()], np.where(x > 0)[0], np.argwhere(x > 0)

    check(function, array(0, (3, 4)))


def test_whole_numbers_cut_what_is_written_into_them() -> None:
    def function(x: Any) -> Any:
        y = np.zeros(x.shape, dtype=int)
        y[0] = x[0] * 10
        m = np.zeros(x.shape, dtype=bool)
        m[1:] = x[1:]
        return y, m + 0

    check(function, array(0, (3, 4)))


def test_scalars_are_no_views() -> None:
    def function(x: Any) -> Any:
        first = x[0]
        total = x.sum()
        alias = total
        total += 1
        x[0] = 5
        first += 1
        return x, first, total, alias

    check(function, array(0, (3,)))


# Making and joining


@pytest.mark.slow
@settings(max_examples=examples(25))
@given(seed=seeds, shape=shapes, data=st.data())
def test_joins_and_splits(seed: int, shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x, y = array(seed, shape), array(seed + 1, shape)
    n = shape[axis]
    check(
        lambda x, y: (np.concatenate([x, y, x], axis), np.concatenate((x, y), axis=None), np.append(x, y, axis)), x, y
    )
    check(lambda x, y: (np.stack([x, y]), np.stack((x, y), axis), np.array([x, y]), np.asarray([x[0], y[0]])), x, y)
    check(
        lambda x, y: (
            np.hstack([x, y]),
            np.vstack((x, y)),
            np.dstack([x, y]),
            np.column_stack([x[..., 0], y[..., 0]]) if x.ndim < 3 and x.ndim > 1 else x,
        ),
        x,
        y,
    )
    check(lambda x: np.array_split(x, 3, axis), x)
    check(lambda x: (np.split(x, [1, n], axis), np.split(x, n, axis)), x)
    check(lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 3)), np.repeat(x, 2, axis), np.repeat(x, 2)), x)
    check(lambda x: (np.repeat(x, list(range(n)), axis), np.roll(x, 1, axis), np.roll(x, -2), np.delete(x, 0, axis)), x)
    check(lambda x: (np.pad(x, 1), np.pad(x, (1, 0)), np.pad(x, 1, mode="edge"), np.pad(x, 1, constant_values=2)), x)
    check(lambda x: np.insert(x, 0, 1, axis=axis), x)


@pytest.mark.skipif(not hasattr(np, "row_stack"), reason="this NumPy has no row_stack")
@pytest.mark.filterwarnings("ignore:.*row_stack")
def test_an_older_name_of_vstack() -> None:
    check(lambda x, y: (np.row_stack((x, y)), np.vstack([y, x], dtype=None)), array(0, (2, 3)), array(1, (1, 3)))


def test_a_dtype_that_is_asked_for_is_not_passed_over() -> None:
    whole = trace(lambda x: np.vstack([x, x], dtype=np.int64, casting="unsafe") * 1.0, array(0, (2, 3)))
    assert any(isinstance(equation, Opaque) for equation in whole.equations)


@pytest.mark.slow
@settings(max_examples=examples(15))
@given(seed=seeds, n=st.integers(1, 4), m=st.integers(1, 4))
def test_made_arrays(seed: int, n: int, m: int) -> None:
    def function(x: Any, y: Any) -> Any:
        made = [
            np.zeros((n, m)),
            np.ones(x.shape),
            np.full((n, 1), y[0]),
            np.full_like(x, 3),
            np.zeros_like(x),
            np.ones_like(x),
            np.ones((n,), dtype=int),
            np.eye(n, m),
            np.eye(n),
            np.identity(n),
            np.zeros_like(np.empty((n, m))),  # what is in memory by chance may be nan, and stay it times 0
        ]
        grid = np.arange(n)[:, None] * np.linspace(0, 1, m)
        rows, columns = np.meshgrid(np.arange(m), np.arange(n))
        return (
            [x + a if a.shape == x.shape else a * 1.0 for a in made],
            x * grid,
            np.c_[x, y],
            np.c_[y, y],
            np.r_[y, y],
            (
                np.diag(y),
                np.diagflat(y),
                np.array([y[0], 1.0, y.sum()]),
                np.array([[y[0], 2], [3, 4]]),
                x * (rows < columns),
                np.array(3.0) * y,
                np.indices((n, m))[0] * x,
                np.indices((n, m), dtype=float)[1] / 2,
                np.mgrid[:n, 1:m + 1].sum(0) * x,
                np.ogrid[0:1:5j][:, None] * y,
            ),
            x[tuple(np.ogrid[:n, :m])] + x[tuple(np.mgrid[:n, :m])],
            x[np.r_[0:n, 0]],
            np.c_[0:n, x],
        )

    check(function, array(seed, (n, m)), array(seed + 1, (n,)))


def test_positions_along_axes_are_read_as_positions() -> None:
    def picked(x: Any) -> Any:
        N, T = x.shape
        rows, times = np.ogrid[:N, :T]
        return x[rows, times] * 2

    assert "return[n,t] = 2 x[n,t]" in str(eb.read(picked, np.ones((3, 4))))


def test_windows() -> None:
    def function(x: Any, image: Any) -> Any:
        step, wide = x.strides[0], image.strides
        return (
            sliding_window_view(x, 3),
            np.lib.stride_tricks.sliding_window_view(image, (2, 3)) * 2,
            sliding_window_view(image, 2, axis=1),
            as_strided(x, (4, 3), (step, step)),
            as_strided(x, (3, 2), (2 * step, step)),
            as_strided(image, (2, 2, 3, 2), (wide[0] * 2, wide[1] * 2, wide[0], wide[1])),
            as_strided(x, (2, 3), (0, step)),
        )

    check(function, array(0, (6,)), array(1, (5, 4)))


def test_other_functions_that_write() -> None:
    def function(x: Any) -> Any:
        y, z, w = x.copy(), x.copy(), x.copy()
        np.fill_diagonal(y, 7)
        np.copyto(z, x * 2, where=x > 0)
        np.putmask(w, w > 0, 0)
        w.fill(3)
        z.sort(axis=0)
        y.flat[2] = 1
        y.flat = np.arange(9.0)
        return y, z, w

    check(function, array(0, (3, 3)))


def test_python_numbers_and_containers() -> None:
    def function(x: Any, n: int) -> Any:
        words = {int(k): v for k, v in zip(np.array([3, 5]), x, strict=False)}
        total = 0
        for k in words:
            total = total + words[k] * k
        return (
            total,
            math.exp(x[0, 0]) + math.sqrt(x.shape[0]),
            max(x[0, 0], 0.0),
            sum(x),
            float(x.sum()) * n,
            [0] * n,
            (x[int(np.argmax(x[:, 0]))], abs(x), (x[0] @ x[1]).item(), x.tolist()[0][0] * 0, 5 in x, f"{x[0, 0]:.2f}"),
        )

    check(function, array(0, (3, 4)), 3)


def test_every_table_is_drawn_from() -> None:
    """No rule without a test: each function of the tables is called by some test of these files."""
    here = Path(__file__)
    files = [here, *map(here.with_name, ("test_rarer.py", "test_compositions.py", "test_matrix_functions.py"))]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    named = {f.__name__ for f in rules.RULES} - {"amax", "amin", "around"}
    quiet = {
        "lexsort",
        "digitize",
        "isclose",
        "searchsorted",
        "unique",
        "argpartition",
        "matrix_transpose",
        "ravel_multi_index",
        "flatnonzero",
        "hsplit",
        "vsplit",
        "empty_like",
        "select",
    }
    assert {name for name in named if name not in text} <= quiet


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.lexsort((x[:, 0],)),
        lambda x: np.digitize(x, [0.0]) * x,
        lambda x: np.isclose(x, x) * x,
        lambda x: np.isin(x, [1.0]) * x,
        lambda x: x[np.searchsorted(np.sort(x[:, 0]), 9) - 1],
        lambda x: np.unique(x),
        lambda x: x[:, np.argpartition(x[0], 1)],
        lambda x: np.matrix_transpose(x),
        lambda x: np.flatnonzero(x > 0),
        lambda x: x.ravel()[np.ravel_multi_index((np.array([0, 1]), np.array([1, 1])), x.shape)],
        lambda x: np.hsplit(x, 2)[1],
        lambda x: np.vsplit(x, [1])[1],
        lambda x: np.empty_like(x) * 0 + x,
        lambda x: np.isin(x, [x[0, 0], 1.0], invert=True) * x,
        lambda x: np.isin(np.floor(x), np.array([0, 1]), invert=True) * x,
        lambda x: np.nansum(np.where(x > 0, x, np.nan), axis=0),
        lambda x: np.nanmean(np.where(x < 9, x, np.nan), axis=1, keepdims=True),
        lambda x: np.fromiter((row @ row for row in x), float),
        lambda x: np.fromiter(iter(x[0]), dtype=float, count=2),
        lambda x: math.fsum(x[0]) * math.fsum([1.0, 2.0]),
        lambda x: sum(v * v for row in x.tolist() for v in row),
    ],
    ids=range(21),
)
def test_the_rest_of_the_table(function: Function) -> None:
    check(function, array(0, (3, 4)))


# The wild


@pytest.mark.long
@pytest.mark.parametrize("fixture", some([*FIXTURES, *CONTROLS]), ids=lambda f: f.name)
def test_wild_code_is_read_completely(fixture: Fixture) -> None:
    for drawn in fixture.strata if THOROUGH else fixture.strata[:1]:  # at equal sizes the next test records it
        for function in (fixture.loss, fixture.gradients):
            check(function, *fixture.arguments(np.random.default_rng(0), sizes=drawn))


@pytest.mark.long
@pytest.mark.parametrize("fixture", some([*FIXTURES, *CONTROLS], start=1), ids=lambda f: f.name)
def test_a_loss_and_its_gradients_in_one_vocabulary(fixture: Fixture) -> None:
    """At equal sizes, where letters could be mixed up: no correct code brings two dimensions together."""
    arguments = fixture.arguments(np.random.default_rng(0), sizes=fixture.strata[-1])
    found = tracer.record_pair(fixture.loss, fixture.gradients, arguments)
    assert not [n.message for n in found.notes if "nothing in common" in n.message]
    arrays = [np.array(nesting.get(arguments, i.path)) for i in found.program.inputs]
    loss, gradients = (f(*nesting.duplicate(arguments)) for f in (fixture.loss, fixture.gradients))
    expected = numbers(loss) + numbers(gradients)
    for mine, theirs in zip(interpretation.run(found.program, arrays), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11)


# What holds the reading against NumPy


def break_the_mean(monkeypatch: pytest.MonkeyPatch, along: Callable[[Any], Any]) -> None:
    """A mean that forgets its factor, along an axis that may be another."""
    total = rules.RULES[np.sum]
    monkeypatch.setitem(rules.RULES, np.mean, lambda r, v, a, axis=None: total(r, v, a, along(axis)))


@pytest.mark.parametrize("where", ["value", "place"])
def test_a_wrong_rule_is_found_and_kept_as_it_was(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    break_the_mean(monkeypatch, lambda axis: axis if where == "value" else 1 - axis)
    x = array(0, (3, 3))
    found = record(lambda x: np.mean(x, axis=0) * 2, (x,))
    assert [n.message for n in found.notes] == [verification.MISREAD]
    (result,) = interpretation.run(found.program, [x])
    np.testing.assert_allclose(result, x.mean(0) * 2)
    assert any(isinstance(e, Opaque) for e in found.program.equations)


def test_rounding_is_no_disagreement() -> None:
    x = array(0, (4,)) * 1e8
    y = x + 1e-9
    program = trace(lambda x, y: (x - y).sum() + x.sum() - x[::-1].sum(), x, y)
    assert not any(isinstance(e, Opaque) for e in program.equations)


def test_what_is_large_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "LARGEST", 3)
    break_the_mean(monkeypatch, lambda axis: axis)
    assert not record(lambda x: np.mean(x), (array(0, (4,)),)).notes


def test_names_of_values() -> None:
    def function(x: Any, p: dict[str, Any]) -> Any:
        hs = []
        for W in (p["W1"], p["W2"]):
            h = np.tanh(x @ W)
            hs.append(h)
            x = h
        cache = {"last": hs[-1] * 2}
        grads = [0, 0]
        grads[1] = cache["last"] + 1
        return grads[1]

    program = check(function, array(0, (2, 3)), {"W1": array(1, (3, 3)), "W2": array(2, (3, 3))})
    assert [i.ref.name for i in program.inputs] == ["x", "W1", "W2"]
    assert list(program.labels.values()) == ["x", "W1", "W2", "h", "h", "last", "grads_1"]


def test_nothing_unused_is_left_but_what_has_a_name() -> None:
    program = check(lambda x: x.reshape(2, 6).reshape(3, 4) * 1.0, array(0, (3, 4)))
    used = {ref.name for e in program.equations for ref in operands(e)} | {ref.name for ref in program.outputs}
    assert {e.out.name for e in program.equations} <= used


def test_a_loop_that_adds_reads_as_sums() -> None:
    def function(x: Any) -> Any:
        y = np.zeros(3)
        for i in range(3):
            y[i] += x[i].sum()
        return y

    program = check(function, array(0, (3, 4)))
    assert not any(isinstance(e, Update) for e in program.equations)


def test_a_view_of_all_is_no_equation() -> None:
    program = check(
        lambda x: x[:].T.reshape(2, 2, 3).transpose(2, 0, 1)[..., None] + 0.0, array(0, (3, 2, 2)).transpose(0, 2, 1)
    )
    assert all(isinstance(e, Contract) for e in program.equations)
    assert len(program.equations) <= 2


def test_the_stand_in_hides_nothing_of_numpy() -> None:
    found = trace(
        lambda x: x * (np.pi if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.floating) else 0),
        array(0, (2,)),
    )
    assert found.equations[0].factor.number
    assert dispatch.LOST
    assert namespace.Casting


def test_the_root_of_a_size_has_the_attributes_of_numpys_numbers() -> None:
    check(lambda x: np.sqrt(x.shape[1]).T * x, array(0, (3, 2)))
    check(lambda x: x / np.sqrt(x.shape[1]).item(), array(0, (3, 2)))


LISTS = {
    "a difference": "s - np.max(s)",
    "a product": "q[:, 0] * s",
    "a product with a constant": "np.ones(3) * s",
    "a quotient of lists of rows": "q / [q[i] ** 2 + 1 for i in range(3)]",
    "an update": "add(q, s)",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_a_list_of_traced_numbers_is_an_array_beside_one(text: str) -> None:
    def add(q: Any, s: Any) -> Any:
        made = q.copy()
        made[:, 1] += s
        return made

    scope: dict[str, Any] = {"np": np, "add": add}
    exec(f"def f(q):\n    s = [q[i] @ q[0] for i in range(3)]\n    return {text}\n", scope)
    q = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_allclose(eb.compile(scope["f"], q)(q), scope["f"](q), rtol=1e-12)


DRAWS = {
    "choice": lambda r, n, x: r.choice(n, 3), "by probabilities": lambda r, n, x: r.choice(n, 2, p=x / x.sum()),
    "permutation": lambda r, n, x: r.permutation(n), "binomial": lambda r, n, x: r.binomial(n, 0.5, 4),
    "multinomial": lambda r, n, x: r.multinomial(n, [0.25, 0.75]), "entries": lambda r, n, x: r.choice(x, 3),
    "all entries": lambda r, n, x: r.permutation(x),
}  # fmt: skip


@pytest.mark.parametrize("made", ["before", "inside"])
@pytest.mark.parametrize("kind", ["default_rng", "RandomState"])
@pytest.mark.parametrize("name", DRAWS)
def test_random_draws_take_sizes_and_traced_arrays(name: str, kind: str, made: str) -> None:
    """NumPy looks at the types of what it is given there; the entries of an array are taken out of it."""
    make, draw = getattr(np.random, kind), DRAWS[name]
    generators = [make(7), make(7)]

    def drawn(x, n):
        own = generators.pop() if made == "before" else make(7)
        return np.sum(draw(own, n, x) * 1.0) * x

    x = np.linspace(0.5, 2.0, 6)
    traced = eb.trace(drawn, x, 6)
    np.testing.assert_allclose(interpretation.run(traced, (x,))[0], drawn(x, 6))


@pytest.mark.parametrize("kind", ["default_rng", "RandomState"])
def test_a_traced_array_is_shuffled_as_numpy_does(kind: str) -> None:
    def shuffled(x):
        y = x * 2
        getattr(np.random, kind)(3).shuffle(y)
        return y * 1

    x = np.arange(10.0).reshape(5, 2)
    (found,) = interpretation.run(eb.trace(shuffled, x), (x,))
    np.testing.assert_array_equal(found, shuffled(x))
