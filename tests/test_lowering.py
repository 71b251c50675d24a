"""Plans against the interpreter: the same numbers, from arrays of any layout, on any thread, as often as they run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from einbackprop.capture.tracer import trace
from einbackprop.core import interpretation
from einbackprop.core.program import (
    Bracket,
    Contract,
    Dimension,
    Extremum,
    Factor,
    Input,
    Map,
    Position,
    Program,
    Ref,
    Sum,
)
from einbackprop.derivation.accumulation import value_and_vjp
from einbackprop.errors import RangeError
from einbackprop.plans import lowering, pointwise, reductions, regions, roles, workers
from einbackprop.plans.assembly import Step
from einbackprop.plans.compilation import compile
from einbackprop.plans.gradients import Gradient, Plans, Running
from einbackprop.plans.lowering import Plan, lower

Arrays = list[np.ndarray]


def assert_same(found: Any, expected: Any, dtype: str = "float64") -> None:
    """Equal shapes and dtypes, and values equal to rounding in the dtype of the inputs, at the scale of the largest.

    Some hundred roundings: sums are taken in another order, and products in another association.
    """
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        narrower = {np.float32: np.float64, np.complex64: np.complex128}  # numbers in a program do not widen
        assert b.dtype in (a.dtype, narrower.get(a.dtype.type) if dtype == "float32" else a.dtype)
        if b.dtype.kind in "biu":
            np.testing.assert_array_equal(a, b)
            continue
        finite = np.isfinite(b)
        np.testing.assert_array_equal(np.isfinite(a), finite)
        scale = np.abs(b[finite]).max(initial=0) + 1
        assert np.abs(a[finite] - b[finite]).max(initial=0) <= 500 * np.finfo(dtype).eps * scale


def typed(program: Program, arrays: Arrays, dtype: str) -> tuple[Program, Arrays]:
    """The program and arrays with another dtype in the place of float64."""
    inputs = tuple(replace(i, dtype=dtype) if i.dtype == "float64" else i for i in program.inputs)
    cast = [a.astype(dtype) if a.dtype == np.float64 else a for a in arrays]
    return replace(program, inputs=inputs), cast


def laid_out(array: np.ndarray, kind: str) -> np.ndarray:
    """The same array, differently in memory."""
    match kind if array.ndim else "C":
        case "F":
            return np.asfortranarray(array)
        case "reversed":
            return array[tuple(slice(None, None, -1) for _ in array.shape)].copy()[
                tuple(slice(None, None, -1) for _ in array.shape)
            ]
        case "strided":
            wide = np.full([3 * n for n in array.shape], 7, array.dtype)
            wide[tuple(slice(1, None, 3) for _ in array.shape)] = array
            return wide[tuple(slice(1, None, 3) for _ in array.shape)]
        case "broadcast":
            return np.broadcast_to(array[:1], array.shape)
        case "read only":
            array = array.copy()
            array.setflags(write=False)
    return array


KINDS = ["C", "F", "reversed", "strided", "read only", "broadcast"]


def unwritten(arrays: Arrays, run: Any) -> Any:
    """What a run returns; its arguments must be as they were."""
    before = [array.copy() for array in arrays]
    found = [np.array(result) for result in run(*arrays)]
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    return found


@contextmanager
def thresholds_of_one(count: int = 1) -> Iterator[None]:
    """What is made for large arrays is done to the smallest: blocks of two or three entries, choices by bits, workers.
    """
    small: dict[Any, Any] = {(regions, "LARGE"): 1, (regions, "BLOCK"): 24, (regions, "FEWEST"): 1}
    small |= {(regions, "FEW"): -1, (regions, "SHARED"): 24, (reductions, "SHORT"): 1}
    small |= {(workers, "available"): lambda: count, (lowering, "are_disturbed"): lambda _: False}
    small |= {(reductions, "MANY"): 1, (pointwise, "SMALL"): 0, (pointwise, "LONG_ROW"): 4}
    before = {(module, name): getattr(module, name) for module, name in small}
    try:
        for (module, name), value in small.items():
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


def checked(program: Program, arrays: Arrays, *, reuse: bool = False) -> Plan:
    """The plan of a program, held against the interpreter."""
    plan = lower(program, reuse=reuse)
    with np.errstate(all="ignore"):
        expected = interpretation.run(program, arrays)
        single = any(array.dtype == np.float32 for array in arrays)
        assert_same(unwritten(arrays, plan.make()), expected, "float32" if single else "float64")
    return plan


@given(programs(), st.sampled_from(["float64", "float32"]), st.booleans())
def test_a_plan_gives_what_the_interpreter_gives(drawn: Any, dtype: str, reuse: bool) -> None:
    checked(*typed(*drawn, dtype), reuse=reuse)


def test_whole_numbers_are_multiplied_into_memory_of_their_own_kind() -> None:
    """Two C types have 64 bits, and ``dot`` takes an ``out`` of the very type of its operands only."""
    for kind in "lq":
        M, v = np.arange(6).reshape(2, 3).astype(kind), np.arange(3).astype(kind)
        np.testing.assert_array_equal(compile(lambda M, v: M @ v, M, v)(M, v), M @ v)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", [np.max, np.min])
@pytest.mark.parametrize(("shape", "axis"), [((40, 20), 1), ((20, 40), 0), ((6, 8, 4, 5), (2, 3)), ((8, 4, 9, 5), 2)])
def test_extrema_of_many_short_rows(function: Any, dtype: str, shape: tuple[int, ...], axis: Any) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    x[(2,) * x.ndim] = np.nan
    for array in (x, np.asfortranarray(x), x[::-1]):
        found = compile(lambda x: function(x, axis=axis), array)(array)
        np.testing.assert_array_equal(found, function(array, axis=axis))


@pytest.mark.parametrize("mask", [np.tri(4, dtype=bool), np.tri(4, dtype=bool)[:, :1], np.tri(4)])
def test_a_choice_writes_one_value_over_the_other(mask: Any) -> None:
    def chosen(x: Any, y: Any) -> Any:
        a, b = x * x, y * y
        return np.where(mask, a, -np.inf), np.where(mask, -np.inf, a), np.where(mask, a, b), np.where(mask, b, a) + b

    x, y = np.arange(16.0).reshape(4, 4), np.arange(4.0)
    for found, expected in zip(compile(chosen, x, y)(x, y), chosen(x, y), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [60, 1])
def test_long_choices_are_exact_whatever_the_numbers(dtype: str, columns: int) -> None:
    """They are made by bits: those of a nan, an infinity and -0 are as good as any, and a mask may be anything."""
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(40, 60)).astype(dtype), rng.random((40, columns)) > 0.5
    x[:, :4] = np.array([np.nan, -np.inf, -0.0, 0.0], dtype)
    y = np.where(rng.random(60) > 0.5, rng.normal(size=60), np.nan).astype(dtype)

    def chosen(x: Any, y: Any, mask: Any) -> Any:
        a, zero = x * x.dtype.type(-1), x.dtype.type(0)
        return (
            np.where(mask, x, zero), np.where(mask, zero, x), np.where(mask, x, -np.inf),
            np.where(mask, -np.inf, a), np.where(mask, x, y), np.where(mask, y, x),
            np.where(mask, a, x), np.where(mask, x, a * a), np.where(mask, y, zero),
        )  # fmt: skip

    for array in (x, np.asfortranarray(x), x[::-1]):
        function = compile(chosen, array, y, mask)
        assert "bitwise_and" in function.plan.source
        for _ in range(2):
            for found, expected in zip(function(array, y, mask), chosen(array, y, mask), strict=True):
                np.testing.assert_array_equal(found, expected)
                np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3000,), (50, 60), (7, 40000), (2, 3, 700)])
def test_the_larger_of_a_long_array_and_a_number(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    x.flat[::7] = np.nan
    function = compile(lambda x: (np.maximum(x, 0), np.minimum(x, 0.25), np.maximum(-1, x), 1 / (1 + np.exp(-x))), x)
    for found, expected in zip(
        function(x), (np.maximum(x, 0), np.minimum(x, 0.25), np.maximum(-1, x), 1 / (1 + np.exp(-x))), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_single_entry_is_not_written_in_place() -> None:
    """It would take three times as long."""
    plan = compile(lambda x: (np.sum(x * x) * 0.5 + 1) ** 2, np.arange(3.0)).plan
    for step in plan.steps:
        assert step.out is None or step.views[-1].size > 1 or all(v.root is not step.out for v in step.views[:-1])


def read_by_rows(step: Step) -> tuple[bool, bool]:
    """Whether BLAS reads the left operand, and the right one, by rows of what is summed."""
    left, right = step.views[:2]
    return left.array.strides[-1] == left.dtype.itemsize, right.array.strides[-1] != right.dtype.itemsize


def test_a_product_lies_as_those_that_read_it_are_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """BLAS is slow where rows of the left operand meet rows of the right one, in small products above all."""
    W, y, P = np.ones((5, 16, 20)), np.ones((30, 20)), np.ones((5, 30, 30))

    def mixed(W: Any, y: Any, P: Any) -> Any:
        return np.einsum("nst,ntd->nsd", P, np.einsum("nde,te->ntd", W, y))

    def mixed_through_functions(W: Any, y: Any, P: Any) -> Any:
        v, other = np.einsum("nde,te->ndt", W, y), np.einsum("te,nde->ntd", y, W)
        return np.einsum("nst,ntd->nsd", P, np.tanh(v).swapaxes(1, 2) + other)

    def slow(function: Any) -> int:
        plan = compile(function, W, y, P).plan
        np.testing.assert_allclose(plan.make()(W, y, P), function(W, y, P), rtol=1e-13)
        return sum(read_by_rows(step) == (True, True) for step in plan.steps[-1:])

    assert slow(mixed) == slow(mixed_through_functions) == 0
    monkeypatch.setattr(roles, "slowness", lambda work, name, order: -float(order[-1] == "t"))
    assert slow(mixed) == slow(mixed_through_functions) == 1


def test_what_meets_entry_by_entry_lies_alike() -> None:
    W, y = np.ones((40, 20)), np.ones((30, 20))

    def added(W: Any, y: Any) -> Any:
        a, b = np.einsum("de,te->td", W, y), np.einsum("te,de->dt", y, W)
        return np.einsum("td,te->de", np.tanh(np.exp(a) + b.T), y)

    steps = [step for step in compile(added, W, y).plan.steps if step.word == "elementwise"]
    for step in steps:
        assert len({view.array.strides for view in step.views}) == 1, step


@given(programs(complex_inputs=True))
def test_a_plan_of_complex_numbers(drawn: Any) -> None:
    checked(*drawn)


@given(programs(scalar=True), st.sampled_from(["float64", "float32"]))
def test_a_plan_of_a_gradient(drawn: Any, dtype: str) -> None:
    program, arrays = typed(*drawn, dtype)
    checked(value_and_vjp(program), arrays)


@given(programs(scalar=True, complex_inputs=True))
def test_a_plan_of_a_complex_gradient(drawn: Any) -> None:
    program, arrays = drawn
    checked(value_and_vjp(program), arrays)


NUMBERS_CHOSEN = Program(
    (Input(Ref("x", "")),),
    (Contract(Ref("one")), Map(Ref("y"), "where", (Ref("x"), Ref("one"), Ref("one")))),
    (Ref("y"),),
    (Dimension("i", 1),),
)
"""What the condition is of says nothing about the numbers that are chosen."""

PATTERN_IN_ANOTHER_ORDER = Program(
    (Input(Ref("x", "i")),),
    (Contract(Ref("y", "ijb"), (Ref("x", "i"),) * 3, (Bracket(Position.of("j"), "<", Position.of("b")),)),),
    (Ref("y", "ijb"),),
    (Dimension("ijk", 2), Dimension("bcd", 2)),
)
"""Its plan lies in memory as b, i, j, and has to lay the pattern [j < b] out so too."""


@given(programs(largest=5), st.lists(st.sampled_from(KINDS), min_size=4))
@example((NUMBERS_CHOSEN, [np.array(0.8)]), ["C"])
@example((PATTERN_IN_ANOTHER_ORDER, [np.array([-0.8, -0.5])]), ["C"])
def test_arrays_may_lie_in_memory_as_they_like(drawn: Any, kinds: list[str]) -> None:
    program, arrays = drawn
    checked(program, [laid_out(a, kind) for a, kind in zip(arrays, kinds, strict=False)])


@given(
    st.tuples(*[st.integers(1, 6)] * 4),
    st.sampled_from(["bbc", "cc", "c", "bc", "ci", "cj", "jj"]),
    st.sampled_from(["", "b", "i", "bi", "c", "jb"]),
    st.sampled_from([-1, 1, 2]),
    st.integers(-2, 2),
)
@example((4, 3, 5, 2), "c", "b", 2, 0)
@example((2, 2, 4, 4), "cj", "b", 2, 0)
def test_a_letter_of_two_brackets_stays_on_its_axis(
    lengths: tuple[int, ...], read: str, out: str, step: int, start: int
) -> None:
    """``[c=j] [j=2b+i]``: j may be shorter than c, which is read at j, and than where 2b+i goes."""
    sizes = dict(zip("bijc", lengths, strict=True))
    place = Position(((Factor.of(step), "b"), (Factor.of(1), "i")), start)
    brackets = (Bracket(Position.of("c"), "=", Position.of("j")), Bracket(Position.of("j"), "=", place))
    equation = Contract(Ref("y", out), (Ref("x", read),), brackets)
    dimensions = tuple(Dimension(letter, size) for letter, size in sizes.items())
    program = Program((Input(Ref("x", read), "float64"),), (equation,), (Ref("y", out),), dimensions)
    checked(program, [np.random.default_rng(0).normal(size=[sizes[i] for i in read])])


AT_A_PLACE_THAT_IS_NOT_THERE = Program(
    (Input(Ref("x", "ii")),),
    (Contract(Ref("y"), (Ref("x", "ii"),), (Bracket(Position.of("i"), "=", Position(((Factor.of(2), "i"),))),)),),
    (Ref("y"),),
    (Dimension("i", 0),),
)
"""i = 2i at 0 only, and the axis is empty."""


@given(programs(), st.sampled_from(["float64", "float32"]), st.booleans(), st.integers(1, 3))
def test_a_plan_in_blocks(drawn: Any, dtype: str, reuse: bool, count: int) -> None:
    with thresholds_of_one(count):
        checked(*typed(*drawn, dtype), reuse=reuse)


CAST_AND_READ_TWICE = Program(
    (Input(Ref("x", "ib"), "complex128"),),
    (
        Map(Ref("e", "ib"), "exp", (Ref("x", "ib"),)),
        Contract(Ref("s", "b"), (Ref("e", "ib"),)),
        Map(Ref("r", "b"), "power", (Ref("s", "b"),), Fraction(-1)),
        Contract(Ref("p", "ib"), (Ref("e", "ib"), Ref("r", "b"))),
        Contract(Ref("t"), (Ref("p", "bb"),)),
    ),
    (Ref("t"),),
    (Dimension("ib", 2),),
)
"""The pattern of the diagonal is made complex once in a block, for two equations: the first must not write over it."""


@given(programs(scalar=True, complex_inputs=True), st.integers(1, 3))
@example((CAST_AND_READ_TWICE, [np.array([[0.2 + 0.1j, 0.1 + 0.2j], [0.9 + 0.3j, 0.6j - 0.9]])]), 1)
def test_a_gradient_in_blocks(drawn: Any, count: int) -> None:
    program, arrays = drawn
    with thresholds_of_one(count):
        checked(value_and_vjp(program), arrays)


ONE = Factor(Fraction(1))
BROADCAST_AND_SCATTERED = Program(
    (Input(Ref("x", "bcd"), "float64"),),
    (
        Extremum(Ref("m", "cd"), Ref("x", "bcd"), "max"),
        Contract(Ref("s", "bc"), (Ref("x", "bcd"),)),
        Sum(Ref("a", "bc"), ((ONE, Ref("x", "bbb")), (ONE, Ref("s", "bc")), (Factor(Fraction(0)), Ref("m", "bb")))),
        Extremum(Ref("e", "c"), Ref("a", "bc"), "max"),
        Contract(Ref("t"), (Ref("e", "b"),)),
    ),
    (Ref("t"),),
    (Dimension("bcd", 1),),
)
"""A term of a sum that goes where labels say may lack letters of the sum: it is broadcast, and has no place in it."""
POINTWISE = programs(scalar=True, largest=6, kinds=("contract", "sum", "map", "map", "extremum"))


@given(POINTWISE, st.booleans(), st.integers(1, 3))
@example((BROADCAST_AND_SCATTERED, [np.array([[[0.8]]])]), False, 1)
def test_a_gradient_of_pointwise_functions_in_blocks(drawn: Any, reuse: bool, count: int) -> None:
    program, arrays = drawn
    with thresholds_of_one(count):
        checked(value_and_vjp(program), arrays, reuse=reuse)


@pytest.mark.slow
def test_drawn_programs_do_run_in_blocks_by_several_workers() -> None:
    shared = 0

    @given(POINTWISE)
    @settings(max_examples=200, database=None, derandomize=True)
    def count(drawn: Any) -> None:
        nonlocal shared
        with thresholds_of_one(2):
            plan = lower(value_and_vjp(drawn[0]))
        shared += any(step.loop is not None and step.loop.workers == 2 for step in plan.steps)

    count()
    assert shared > 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [8, 20, 28, 48])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_sums_over_blocks_are_added_up_from_worker_to_worker(
    monkeypatch: pytest.MonkeyPatch, dtype: str, rows: int, count: int
) -> None:
    def loss(x: Any, gamma: Any, beta: Any, seed: Any) -> Any:
        u = x - x.mean(axis=1, keepdims=True)
        return np.sum((gamma * u / np.sqrt((u * u).mean(axis=1, keepdims=True) + 0.1) + beta) * seed)

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(rows, 30)), rng.normal(size=30), rng.normal(size=30), rng.normal(size=(rows, 30))]
    program, arrays = typed(value_and_vjp(trace(loss, *arrays), ["x", "gamma", "beta"]), arrays, dtype)
    monkeypatch.setattr(regions, "LARGE", 1)
    monkeypatch.setattr(workers, "available", lambda: count)
    for block in ("BLOCK", "SHARED"):
        monkeypatch.setattr(regions, block, 4 * 30 * arrays[0].itemsize)
    plan = checked(program, arrays, reuse=True)
    shares = {step.times for step in plan.steps if step.word == "sum of workers"}
    assert shares == ({min(count, rows // 4)} if count > 1 else set())


def cross_entropy(x: Any, y: Any) -> Any:
    u = x - x.max(axis=1, keepdims=True)
    q = u - np.log(np.exp(u).sum(axis=1, keepdims=True))
    return -np.mean(q[np.arange(len(y)), y])


def tied_embedding(x: Any, y: Any) -> Any:
    return np.sum(np.tanh(x[y] @ x.T)) + np.sum(x[y[0]] ** 2)


def picked_twice(x: Any, y: Any) -> Any:
    return np.sum(np.exp((x + 2 * np.sin(x))[y]) + x[0]) + np.sum(x * x)


@pytest.mark.parametrize("loss", [cross_entropy, tied_embedding, picked_twice])
@pytest.mark.parametrize("labels", [[0, 1, 3], [2, 2, 2], [-1, 0, 4]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_gather_and_scatter(loss: Any, labels: list[int], dtype: str) -> None:
    """A label that is no class picks nothing, forward and backward."""
    x = np.random.default_rng(0).normal(size=(3, 4) if loss is cross_entropy else (4, 3)).astype(dtype)
    program = value_and_vjp(trace(loss, x, np.array([0, 1, 2])), ["x"])
    for array in (x, np.asfortranarray(x)):
        checked(program, [array, np.array(labels)])
        with thresholds_of_one():
            checked(program, [array, np.array(labels)], reuse=True)


def test_the_gradient_of_a_pick_is_added_in_place() -> None:
    x, y = np.ones((300, 400)), np.zeros(300, int)
    plan = compile(Gradient(cross_entropy), x, y, reuse=True).plan
    assert plan.nbytes < 2.2 * x.nbytes  # the gradient and one array more: no one-hot rows
    assert "scatter_along" in plan.source


def test_labels_that_are_looked_at_are_not_picked_by_for_nothing() -> None:
    """A compiled function refuses labels that are no classes: each of those left picks exactly once."""
    x, y = np.random.default_rng(0).normal(size=(7, 5)), np.array([0, 4, 2, 2, 1, 3, 0])
    function, program = compile(Gradient(cross_entropy), x, y), value_and_vjp(trace(cross_entropy, x, y), ["x"])
    unguarded = lower(program)
    picks = [sum(step.word in ("gather", "scatter") for step in plan.steps) for plan in (function.plan, unguarded)]
    assert picks == [1, 4]  # the gradient needs no more than the pick of each sample
    expected = unguarded.make()(x, y)[-1]
    np.testing.assert_allclose(function(x, y), expected, rtol=1e-12)
    with pytest.raises(RangeError, match="5"):
        function(x, np.array([0, 5, 2, 2, 1, 3, 0]))


def test_what_is_made_for_a_block_lies_where_the_result_of_the_block_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "LARGE", 1)
    monkeypatch.setattr(regions, "BLOCK", 8 * 30 * 4)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 30)), rng.integers(0, 30, 40)
    function = compile(Gradient(cross_entropy), x, y)
    shared = [step for step in function.plan.steps if step.word == "block" and step.template.startswith("b")]
    assert shared
    monkeypatch.setattr(regions, "LARGE", 1 << 20)
    np.testing.assert_allclose(function(x, y), compile(Gradient(cross_entropy), x, y)(x, y), rtol=1e-12)


@given(programs(), st.booleans())
@example((AT_A_PLACE_THAT_IS_NOT_THERE, [np.empty((0, 0))]), False)
def test_a_plan_runs_again_and_again(drawn: Any, reuse: bool) -> None:
    """Buffers hold what the last run left in them; nothing may depend on it."""
    program, arrays = drawn
    run = lower(program, reuse=reuse).make()
    others = [-2 * a if a.dtype.kind == "f" else a for a in arrays]
    with np.errstate(all="ignore"):
        for given_arrays in (arrays, others, arrays):
            assert_same(unwritten(given_arrays, run), interpretation.run(program, given_arrays))


@given(programs())
def test_results_are_the_callers(drawn: Any) -> None:
    """What a run returned is not changed by the next one, and is no view of an argument or constant."""
    program, arrays = drawn
    run = lower(program).make()
    with np.errstate(all="ignore"):
        first = run(*arrays)
        kept = [result.copy() for result in first]
        run(*[-3 * a if a.dtype.kind == "f" else a for a in arrays])
    for result, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(result, copy)
        assert result.flags.writeable
        assert not any(np.shares_memory(result, array) for array in arrays)


def test_two_threads_run_a_plan_at_once() -> None:
    rng = np.random.default_rng(0)
    W, xs = rng.normal(size=(30, 30)), rng.normal(size=(8, 30, 30))
    function = compile(lambda W, x: np.tanh(W @ np.tanh(W @ x)), W, xs[0])
    expected = [np.tanh(W @ np.tanh(W @ x)) for x in xs]
    wrong: list[int] = []

    def work(first: int) -> None:
        for n in range(400):
            at = (first + n) % 8
            if not np.allclose(function(W, xs[at]), expected[at], rtol=1e-12):
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@given(
    st.one_of(programs(), programs(complex_inputs=True)), st.sampled_from(["float64", "float32"]),
    st.lists(st.lists(st.sampled_from(KINDS), min_size=4, max_size=4), min_size=2, max_size=2),
)  # fmt: skip
def test_drawn_programs_on_two_threads_at_once(drawn: Any, dtype: str, kinds: list[list[str]]) -> None:
    """Each thread calls one plan again and again, with numbers and layouts of its own, none of which it writes to."""
    program, arrays = typed(*drawn, dtype)
    factors = [1, -2]
    given_arrays = [
        [laid_out(f * a if a.dtype.kind in "fc" else a, k) for a, k in zip(arrays, own, strict=False)]
        for f, own in zip(factors, kinds, strict=True)
    ]
    with np.errstate(all="ignore"):
        expected = [interpretation.run(program, own) for own in given_arrays]
    running, start, found = Running(lower(program)), threading.Barrier(2), {}

    def work(number: int) -> None:
        with np.errstate(all="ignore"):
            start.wait()
            found[number] = [unwritten(given_arrays[number], running) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, results in sorted(found.items()):
        for result in results:
            assert_same(result, expected[number], dtype)
    assert len(found) == 2


def test_plans_are_kept_within_a_bound_by_many_threads_at_once() -> None:
    plans, wrong = Plans(3), []

    def work(first: int) -> None:
        for n in range(60):
            size = 1 + (first + n) % 5
            x = np.arange(float(size))
            kept = plans.get(size, lambda x=x: trace(lambda x: 2 * x, x))
            if not np.array_equal(kept.run([x], {})[0], 2 * x) or len(plans.kept) > 3:
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 0 < len(plans.kept) <= 3
    last = next(reversed(plans.kept))
    assert plans.get(last, lambda: 1 / 0) is plans.kept[last]  # type: ignore[arg-type, return-value]


def test_one_run_for_two_threads_would_be_wrong() -> None:
    """The buffers are shared by the calls of one ``run``: that is why each thread has its own."""
    program = trace(lambda W, x: np.tanh(W @ np.tanh(W @ x)), np.ones((3, 3)), np.ones((3, 3)))
    plan = lower(program, reuse=True)
    run, W = plan.make(), np.eye(3)
    (first,) = run(W, W)
    (second,) = run(W, 2 * W)
    assert np.shares_memory(first, second)
    assert not np.shares_memory(first, plan.make()(W, W)[0])


@pytest.mark.parametrize("wrong", [1e-6, -1e-6])
def test_the_tolerance_would_see_a_wrong_number(wrong: float) -> None:
    with pytest.raises(AssertionError):
        assert_same([np.array([1.0, 2.0 + wrong])], [np.array([1.0, 2.0])])
