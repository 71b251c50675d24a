"""Native loops against the interpreter: as Python runs them, hundreds of drawn programs; compiled by numba, a few."""

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from drawn_recurrences import Drawn, recurrences
from drawn_recurrences import arguments as rounds_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_lowering import assert_same, laid_out, thresholds_of_one, typed, unwritten

import einbackprop as eb
from einbackprop.capture.tracer import trace
from einbackprop.core import interpretation, nesting
from einbackprop.core.elementwise import FUNCTIONS
from einbackprop.core.program import ONE, Dimension, Extremum, Input, Map, Program, Ref, Sum
from einbackprop.core.recurrences import carried
from einbackprop.derivation.accumulation import value_and_vjp
from einbackprop.errors import ArgumentError, BackendError, DtypeError, ShapeError
from einbackprop.layers.recurrence import lstm
from einbackprop.plans import native, native_functions, native_groups, native_loops, regions, workers
from einbackprop.plans.lowering import Plan
from einbackprop.plans.native import lower_natively
from einbackprop.plans.native_functions import SCALARS
from einbackprop.plans.native_numba import KINDS, exponentials

Arrays = list[np.ndarray]


def interpreted() -> dict[str, Any]:
    """The names that the source of loops refers to, for Python itself."""

    def loops(*types: str) -> Callable[[Any], Any]:
        return lambda function: function

    def flat(array: np.ndarray, start: int, size: int, kind: Any) -> np.ndarray:
        memory = array.reshape(-1).view(np.uint8)
        return memory[start : start + size * np.dtype(kind).itemsize].view(kind)

    def power_of_two(n: Any) -> Any:
        return type(n)(np.ldexp(1.0, int(n)))

    def choose(condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    def as_it_is(function: Any) -> Any:
        return function

    names = {"loops": loops, "flat": flat, "choose": choose}
    ufuncs = {"plus": np.add, "larger": np.maximum, "smaller": np.minimum}
    wide, narrow = (exponentials(kind, power_of_two, as_it_is) for kind in KINDS)
    return {**SCALARS, **names, **ufuncs, **wide, **narrow}


PYTHON = interpreted()
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")


def checked(program: Program, arrays: Arrays, names: Any = PYTHON, *, reuse: bool = False) -> Plan:
    """The plan of a program, held against the interpreter twice: buffers hold what the first run left in them."""
    plan = lower_natively(program, names=names, reuse=reuse)
    run = plan.make()
    with np.errstate(all="ignore"):
        for given_arrays in (arrays, [-2 * a if a.dtype.kind == "f" else a for a in arrays]):
            expected = interpretation.run(program, given_arrays)
            single = any(array.dtype == np.float32 for array in arrays)
            assert_same(unwritten(given_arrays, run), expected, "float32" if single else "float64")
    return plan


@given(programs(), st.sampled_from(["float64", "float32"]), st.booleans())
def test_loops_give_what_the_interpreter_gives(drawn: Any, dtype: str, reuse: bool) -> None:
    checked(*typed(*drawn, dtype), reuse=reuse)


@given(programs(scalar=True), st.sampled_from(["float64", "float32"]))
def test_loops_of_a_gradient(drawn: Any, dtype: str) -> None:
    program, arrays = typed(*drawn, dtype)
    checked(value_and_vjp(program), arrays)


@given(programs(complex_inputs=True))
def test_complex_numbers_are_left_to_numpy(drawn: Any) -> None:
    checked(*drawn)


@given(programs(largest=5), st.lists(st.sampled_from(["C", "F", "reversed", "strided", "read only"]), min_size=4))
def test_arguments_may_lie_as_they_like(drawn: Any, kinds: list[str]) -> None:
    program, arrays = drawn
    checked(program, [laid_out(a, kind) for a, kind in zip(arrays, kinds, strict=False)])


@given(programs(largest=4), st.sampled_from([0, 8]), st.sampled_from([16, 64, 1 << 18]))
def test_loops_over_rows(drawn: Any, few: int, cache: int) -> None:
    """As if the arrays were large: little is kept for one entry of the rows, and products are left to BLAS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_groups, "FEW", few)
        patch.setattr(native, "FEW", few)
        patch.setattr(native_groups, "CACHE", cache)
        checked(*drawn)


@given(programs(largest=5), st.sampled_from(["float64", "float32"]), st.sampled_from([2, 3]))
def test_workers_share_the_rows_of_loops(drawn: Any, dtype: str, count: int) -> None:
    """As if the arrays were large, and there were several threads: sums over rows are put together from theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "available", lambda: count)
        patch.setattr(regions, "LARGE", 0)
        patch.setattr(native_groups, "FEW", 4)
        patch.setattr(native, "FEW", 4)
        checked(*typed(*drawn, dtype))


@pytest.mark.slow
@settings(max_examples=10)
@given(recurrences(), st.sampled_from(["float64", "float32"]), st.sampled_from([0, 4, 1 << 12]),
       st.sampled_from(["C", "F", "strided"]))  # fmt: skip
def test_rounds_of_a_recurrence_have_loops(drawn: Drawn, dtype: str, few: int, kind: str) -> None:
    """Of drawn recurrences and their gradients: what a round does entry by entry, at its place in arrays of all."""
    arrays = [array.astype(dtype) for array in rounds_of(3)]
    program = value_and_vjp(trace(drawn.run, *arrays))
    assert carried(program.equations), drawn.text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_groups, "FEW", few)
        patch.setattr(native, "FEW", few)
        checked(program, [laid_out(array, kind) for array in arrays])


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "few", "count"), [("float64", 4, 7), ("float32", 4, 7), ("int64", 1 << 20, 3)])
def test_each_kind_of_sum_over_rows_is_put_together_from_those_of_workers(dtype: str, few: int, count: int) -> None:
    """Sums with a factor and without, extrema of which the last worker meets nan, numbers and vectors; compiled too."""
    x = (10 * np.random.default_rng(0).normal(size=(70, 40))).astype(dtype)
    if x.dtype.kind == "f":
        x[-1, 3] = np.nan

    def function(x: Any) -> Any:
        y = x * 2 + 1
        return np.sum(x * x, 0), np.sum(x * x), 3 * np.sum(y, axis=0), y.max(0), y.min(0), np.max(y), np.min(y)

    program = trace(function, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "available", lambda: 3)
        patch.setattr(regions, "LARGE", 0)
        patch.setattr(native_groups, "FEW", few)
        plan = checked(program, [x])
        if find_spec("numba") is not None:
            checked(program, [x], native.names_of("numba"))
    together = [step for step in plan.steps if step.word == "sum of workers" and step.phase == "after"]
    assert len(together) == count


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
@pytest.mark.parametrize("kind", ["max", "min"])
def test_what_an_extremum_begins_with_changes_none(kind: Any, dtype: str) -> None:
    least, most = (False, True) if dtype == "bool" else (-(2**63), 2**63 - 1) if dtype == "int64" else (-np.inf, np.inf)
    equation = Extremum(Ref("y", ""), Ref("x", "i"), kind)
    number = native_loops.identity(equation, np.dtype(dtype))
    assert [(max if kind == "max" else min)(number, one) for one in (least, most)] == [least, most]


def test_loops_beside_blocks() -> None:
    """What loops do not take, a function of many entries here, is run in blocks as in every plan."""
    x = np.random.default_rng(0).normal(size=(12, 8))
    program = trace(lambda x: np.sum(np.log1p(np.sin(x) ** 2) * np.maximum(x, 0) + 1, 1), x)
    with thresholds_of_one(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_groups, "FEW_CALLS", 4)
        plan = checked(program, [x])
    assert any(step.times > 1 for step in plan.steps)
    assert any(step.word == "native loops" for step in plan.steps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(st.floats(-800, 800))
def test_exponentials_are_within_three_roundings(dtype: str, number: float) -> None:
    """Held against 50 digits, of which nothing is lost near 0; what is too small or too large is 0 or inf."""
    x, spacing = np.dtype(dtype).type(number), np.finfo(dtype).smallest_subnormal
    exact = Decimal(float(x))
    with localcontext(prec=50, Emin=-9999, Emax=9999), np.errstate(all="ignore"):
        e, square = exact.exp(), (2 * exact).exp()
        small = exact + exact**3 * (Decimal(2) / 15 * exact**2 - Decimal(1) / 3)  # tanh near 0, to 1e-40
        tanh = small if abs(exact) < 1e-6 else (square - 1) / (square + 1)
        for name, truth in (("exp", e), ("sigmoid", e / (1 + e)), ("tanh", tanh)):
            found = PYTHON[f"{dtype}_{name}"](x)
            assert found.dtype == x.dtype
            nearest = x.dtype.type(float(truth))
            if np.isfinite(nearest):
                assert abs(Decimal(float(found)) - truth) <= 3 * Decimal(float(max(np.spacing(abs(nearest)), spacing)))
            else:
                assert found == nearest


def network_step(p: dict, x: np.ndarray, y: np.ndarray) -> Any:
    """A small network with everything that loops know: a product, a bias, pointwise functions, sums, a maximum."""
    hidden = np.tanh(p["W"] @ x + p["b"][:, None])
    score = np.maximum(p["V"] @ hidden, 0)
    return np.mean((score - y) ** 2) + np.sum(p["b"] ** 2) / 2 + score.max()


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, dy: np.ndarray) -> Any:
    mean = x.mean(-1, keepdims=True)
    u = x - mean
    return np.sum(dy * (u / np.sqrt((u * u).mean(-1, keepdims=True) + 1e-5) * gamma + beta))


def arguments(dtype: str = "float64") -> tuple:
    rng = np.random.default_rng(0)
    shapes = {"W": (4, 3), "b": (4,), "V": (2, 4)}
    p = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    return p, rng.normal(size=(3, 5)).astype(dtype), rng.normal(size=(2, 5)).astype(dtype)


def rows(dtype: str = "float64") -> tuple:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in [(90, 60), (60,), (60,), (90, 60)])


def leaves(value: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for _, leaf in nesting.leaves(value)]


@pytest.mark.slow
@pytest.mark.long
@needs_numba
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("loss", "make", "wrt"), [(network_step, arguments, 0), (layer_norm, rows, (0, 1, 2))])
def test_numba_gives_what_numpy_gives(loss: Any, make: Any, wrt: Any, dtype: str) -> None:
    """All gradients, twice, from arrays of any layout: every equation became loops, which are one function."""
    given_arguments = make(dtype)
    native = eb.compile(eb.value_and_grad(loss, wrt), *given_arguments, reuse=True, backend="numba")
    plain = eb.compile(eb.value_and_grad(loss, wrt), *given_arguments)
    expected = leaves(plain(*given_arguments))
    assert native.plan.source.count("@loops") == 1
    assert_same(leaves(native(*given_arguments)), expected, dtype)
    for kind in ("F", "reversed", "strided", "read only"):
        laid = nesting.rebuild(given_arguments, lambda array, kind=kind: laid_out(array, kind))
        before = [leaf.copy() for leaf in leaves(laid)]
        assert_same(leaves(native(*laid)), expected, dtype)
        for leaf, copy in zip(leaves(laid), before, strict=True):
            np.testing.assert_array_equal(leaf, copy)


@pytest.mark.slow
@needs_numba
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numba_has_a_loop_in_each_round(dtype: str) -> None:
    """The gates of an LSTM, forward and backward, with arguments of any layout."""
    rng = np.random.default_rng(0)
    shapes = (3, 4, 2), (4, 2), (4, 2), (4, 4, 4), (4, 4, 4), (4, 4)
    given_arguments = tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)

    def loss(*given: Any) -> Any:
        return np.sum(lstm(*given)[0] ** 2)

    gradient = eb.grad(loss, wrt=tuple(range(6)))
    native = eb.compile(gradient, *given_arguments, backend="numba")
    expected = leaves(eb.compile(gradient, *given_arguments)(*given_arguments))
    rounds = [step for step in native.plan.steps if step.word == "native loops" and step.loop is not None]
    assert len(rounds) == 2
    for kind in ("C", "F", "reversed", "strided", "read only"):
        laid = [laid_out(array, kind) for array in given_arguments]
        assert_same(leaves(native(*laid)), expected, dtype)


@pytest.mark.slow
@needs_numba
@settings(max_examples=5, phases=[Phase.generate])
@given(programs(scalar=True, most_equations=4), st.sampled_from(["float64", "float32"]), st.booleans())
def test_numba_compiles_drawn_programs(drawn: Any, dtype: str, reuse: bool) -> None:
    program, arrays = typed(*drawn, dtype)
    checked(value_and_vjp(program), arrays, native.names_of("numba"), reuse=reuse)


def special(dtype: str) -> np.ndarray:
    """Numbers at which functions differ: both zeros, both infinities, nan, large and small ones."""
    return np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-30, 80.0, -80.0, np.inf, -np.inf, np.nan], dtype)


def program_of_functions(dtype: str) -> tuple[Program, Arrays]:
    """Every function that loops know, on special numbers."""
    x, y = np.meshgrid(special(dtype), special(dtype), indexing="ij")
    refs = Ref("x", "ij"), Ref("y", "ij")
    names = {**native_functions.SLOW, **native_functions.QUICK, **native_functions.CONDITIONS}
    maps = [Map(Ref(name, "ij"), name, refs[: len(FUNCTIONS[name].partials)]) for name in names]
    powers = [*native_functions.POWERS, Fraction(3, 2), Fraction(-3)]
    maps += [Map(Ref(f"power{n}", "ij"), "power", refs[:1], p) for n, p in enumerate(powers)]
    maps.append(Map(Ref("where", "ij"), "where", (Ref("greater", "ij"), *refs)))
    inputs = tuple(Input(ref, dtype) for ref in refs)
    outputs = tuple(Ref(equation.out.name, "ij") for equation in maps)
    return Program(inputs, tuple(maps), outputs, (Dimension("ij", len(x)),)), [x, y]


@pytest.mark.long
@pytest.mark.parametrize("names", ["python", pytest.param("numba", marks=needs_numba)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions_do_with_nan_and_inf_what_numpy_does(names: str, dtype: str) -> None:
    program, arrays = program_of_functions(dtype)
    plan = lower_natively(program, names=PYTHON if names == "python" else native.names_of(names))
    assert all(step.word.startswith("in loops") for step in plan.steps if step.equation)
    with np.errstate(all="ignore"):
        found, expected = plan.make()(*arrays), interpretation.run(program, arrays)
    for equation, a, b in zip(program.equations, found, expected, strict=True):
        assert a.dtype == b.dtype, equation
        if equation.parameter == Fraction(-1, 2):  # as plans have it, which differs at -0 and -inf
            with np.errstate(all="ignore"):
                b = 1 / np.sqrt(arrays[0])
        np.testing.assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps, err_msg=str(equation))


@pytest.mark.slow
@pytest.mark.parametrize("table", ["QUICK", "CONDITIONS"])
def test_a_wrong_expression_is_found(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every expression of the tables matters to the test above: nan taken for a number, a sign turned round."""
    program, arrays = program_of_functions("float64")
    expected = interpretation.run(program, arrays)
    for name in getattr(native_functions, table):
        with monkeypatch.context() as patch:
            wrong = {"QUICK": "({0} if {0} < {zero} else {one})", "CONDITIONS": "{0} > {one}"}[table]
            patch.setitem(getattr(native_functions, table), name, wrong)
            with np.errstate(all="ignore"):
                found = lower_natively(program, names=PYTHON).make()(*arrays)
        wrong_ones = [
            equation.out.name for equation, a, b in zip(program.equations, found, expected, strict=True)
            if not np.array_equal(a, b, equal_nan=a.dtype != bool)
        ]  # fmt: skip
        assert name in wrong_ones


@needs_numba
def test_sums_hold_nan_and_inf_and_are_more_exact_than_float32() -> None:
    """Terms are added in any order, but nothing is taken to be finite; float32 is summed as float64."""
    x = np.random.default_rng(0).uniform(size=(3, 1 << 18)).astype(np.float32)
    function = eb.compile(lambda x: (np.sum(x * x, 1), np.sum(x * x * x, 0)), x, backend="numba")
    assert "native loops" in str(function.plan)
    exact = (x.astype(float) ** 2).sum(1)
    assert np.abs(function(x)[0] - exact).max() <= 2 * np.finfo(np.float32).eps * exact.max()
    assert np.abs(np.cumsum(x * x, 1)[:, -1] - exact).max() > 20 * np.finfo(np.float32).eps * exact.max()
    x[0, 5], x[1, 7], x[2, 9] = np.inf, np.nan, -np.inf
    first, second = function(x)
    np.testing.assert_array_equal(np.isnan(first), [False, True, False])
    np.testing.assert_array_equal(first[[0, 2]], [np.inf, np.inf])
    np.testing.assert_array_equal(second[[5, 9]], [np.inf, -np.inf])


@pytest.mark.slow
@needs_numba
def test_other_arguments_are_refused_and_what_can_be_taken_is() -> None:
    p, x, y = arguments()
    function = eb.compile(eb.grad(network_step), p, x, y, backend="numba")
    expected = function(p, x, y)
    with pytest.raises(ShapeError, match=r"x has shape \(3, 6\), but was compiled for shape \(3, 5\)"):
        function(p, np.ones((3, 6)), y)
    with pytest.raises(DtypeError, match=r"p\['W'\] has dtype float32, but was compiled for dtype float64"):
        function(p | {"W": p["W"].astype(np.float32)}, x, y)
    with pytest.raises(ArgumentError, match=r"p\['b'\] is missing"):
        function({"W": p["W"], "V": p["V"]}, x, y)
    for other in (x.tolist(), x.view(type("Sub", (np.ndarray,), {}))):
        assert_same(leaves(function(p, other, y)), leaves(expected))
    unaligned = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(float).reshape(x.shape)
    assert not unaligned.flags.aligned
    assert_same(leaves(function(p, unaligned, y)), leaves(expected))


@needs_numba
def test_arrays_of_another_byte_order() -> None:
    x = np.arange(6.0).reshape(2, 3).astype(">f8")
    function = eb.compile(lambda x: np.sum(x * x, 1), x, backend="numba")
    np.testing.assert_array_equal(function(x), [5, 50])


@needs_numba
def test_results_are_the_callers_unless_reuse_is_asked_for() -> None:
    x = np.ones((2, 3))
    square = [eb.compile(lambda x: (x + x * x, np.sum(x)), x, reuse=reuse, backend="numba") for reuse in (False, True)]
    kept, reused = (function(x)[0] for function in square)
    for function in square:
        function(2 * x)
    np.testing.assert_array_equal(kept, 2 * x)
    np.testing.assert_array_equal(reused, 6 * x)
    assert not np.shares_memory(kept, x)


@pytest.mark.slow
@needs_numba
def test_two_threads_run_loops_at_once() -> None:
    p, x, y = arguments()
    function = eb.compile(eb.value_and_grad(network_step), p, x, y, reuse=True, backend="numba")
    xs = [n * x for n in range(8)]
    expected = [leaves(eb.value_and_grad(network_step)(p, x, y)) for x in xs]
    wrong: list[int] = []

    def work(first: int) -> None:
        for n in range(500):
            at = (first + n) % 8
            if not all(np.allclose(a, b) for a, b in zip(leaves(function(p, xs[at], y)), expected[at], strict=True)):
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_plan_says_which_lines_became_loops() -> None:
    """A product of large matrices is left to BLAS, complex numbers to NumPy."""
    w, x = np.ones((40, 50)), np.ones((50, 60))
    program = trace(lambda w, x: np.sum(np.maximum(w @ x - 1, 0) * 2, 0), w, x)
    plan = lower_natively(program, names=PYTHON)
    words = {step.equation.split("[")[0]: step.word for step in plan.steps}
    assert "GEMM" in words.values()
    assert list(words.values()).count("in loops1") >= 3
    assert "in loops1" in str(plan)
    assert "\n    for " in plan.source.partition("def make")[0]
    np.testing.assert_array_equal(plan.make()(w, x)[0], np.full(60, 2 * 49 * 40))
    z = np.ones((2, 3), complex)
    left = lower_natively(trace(lambda z: np.sum(z * z + 1, 0), z), names=PYTHON)
    assert "loops" not in str(left)


def test_backends_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"there is no backend 'cuda': choose among 'numba', 'jax', 'torch', or None for NumPy alone"
    with pytest.raises(BackendError, match=message):
        eb.compile(np.tanh, np.ones(2), backend="cuda")
    monkeypatch.setattr(native, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"backend='numba' needs numba: pip install 'einbackprop\[numba\]'"):
        eb.compile(np.tanh, np.ones(2), backend="numba")


def test_names_of_the_users_are_no_code_in_loops() -> None:
    """A line break in a key must not end a comment, and a letter that Python would rename is no variable."""
    dimensions = (Dimension("ª", 2), Dimension("a", 3))
    out = Ref("total\n    raise SystemExit", "ªa")
    program = Program((Input(Ref("x", "ªa")),), (Sum(out, ((ONE, Ref("x", "ªa")), (ONE, None))),), (out,), dimensions)
    program = replace(program, equations=(*program.equations, Map(Ref("y", "ªa"), "abs", (out,))))
    plan = lower_natively(replace(program, outputs=(Ref("y", "ªa"),)), names=PYTHON)
    assert "in loops1" in str(plan)
    np.testing.assert_array_equal(plan.make()(-np.ones((2, 3)))[0], np.zeros((2, 3)))


@pytest.mark.parametrize("kind", ["max", "min"])
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf]), min_size=12, max_size=12))
def test_the_first_of_several_extreme_entries(kind: Any, entries: list[float]) -> None:
    """Ties, nan (the extreme of all) and infinities, along two letters that do not lie together."""
    x, ref = np.reshape(entries, (2, 3, 2)), Ref("x", "ikj")
    extrema = [Extremum(Ref(f"v{i}", "k"), ref, kind, i) for i in ["", "i", "j"]]
    dimensions = tuple(Dimension(letter, size) for letter, size in zip("ikj", x.shape, strict=True))
    program = Program((Input(ref),), tuple(extrema), tuple(e.out for e in extrema), dimensions)
    plan = lower_natively(program, names=PYTHON)
    assert all(step.word == "in loops1" for step in plan.steps if step.equation)
    for found, expected in zip(plan.make()(x), interpretation.run(program, [x]), strict=True):
        np.testing.assert_array_equal(found, expected)
