"""Derivatives of programs against complex step, differences, exact arithmetic and JAX."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from forward_mode import jvp
from hypothesis import given
from hypothesis import strategies as st

from einbackprop.capture.tracer import trace
from einbackprop.core import elementwise
from einbackprop.core.interpretation import run
from einbackprop.core.program import (
    ONE,
    Bracket,
    Contract,
    Dimension,
    Equation,
    Extremum,
    Factor,
    Input,
    Map,
    Opaque,
    Position,
    Program,
    Ref,
    Source,
    Sum,
    Update,
)
from einbackprop.core.simplification import simplify
from einbackprop.derivation import accumulation as derivation
from einbackprop.derivation import differential
from einbackprop.derivation.accumulation import value_and_vjp, vjp, vjp_of_contract
from einbackprop.errors import DerivationError
from einbackprop.notation.index_notation import equation_text

STEP = 1e-20
DIMENSIONS = (Dimension("ijkl", 3), Dimension("bcd", 2), Dimension("mno", 4))
SIZES = {letter: d.size for d in DIMENSIONS for letter in d.letters}


def program_of(inputs: dict[str, str], *equations: Equation, outputs: Sequence[str] = (), **options: Any) -> Program:
    """A program whose inputs are given as ``{"W": "ij"}``; its output is the last value, if none is named."""
    made = {e.out.name: e.out.indices for e in equations} | inputs
    names = outputs or [equations[-1].out.name]
    dtypes = options.pop("dtypes", {})
    return Program(
        tuple(Input(Ref(name, apart(indices)), dtypes.get(name, "float64")) for name, indices in inputs.items()),
        equations,
        tuple(Ref(name, apart(made[name])) for name in names),
        options.pop("dimensions", DIMENSIONS),
        **options,
    )


def apart(indices: str) -> str:
    """The letters of an input, none twice: the einsum's letter, then another of its dimension."""
    chosen = ""
    for letter in indices:
        group = next(d.letters for d in DIMENSIONS if letter in d.letters)
        chosen += next(i for i in letter + group if i not in chosen)
    return chosen


def einsum(subscripts: str, out: str = "y", *names: str) -> Contract:
    """A Contract written as einsum writes it."""
    operands, result = subscripts.split("->")
    return Contract(
        Ref(out, result), tuple(Ref(n, s) for n, s in zip(names or "abcd", operands.split(","), strict=False))
    )


def drawn_like(program: Program, seed: int, names: Sequence[str] | None = None) -> list[np.ndarray]:
    """Arrays of the inputs' shapes: of all, or of those named (zeros for the others)."""
    rng = np.random.default_rng(seed)
    arrays = []
    for i in program.inputs:
        shape = [program.sizes[letter] for letter in i.ref.indices]
        array = rng.normal(size=shape) + (1j * rng.normal(size=shape) if i.is_complex else 0)
        is_named = (names is None or i.ref.name in names) and np.dtype(i.dtype).kind in "fc"
        arrays.append(np.asarray(array if is_named else 0 * array))
    return arrays


def pairing(cotangents: Sequence[Any], tangents: Sequence[Any]) -> float:
    """``Re Σ conj(v) u``, which is ``Σ v u`` of real numbers."""
    return float(sum(np.sum(np.conj(v) * u).real for v, u in zip(cotangents, tangents, strict=True)))


def floats(program: Program) -> list[str]:
    return [i.ref.name for i in program.inputs if np.dtype(i.dtype).kind in "fc"]


def with_seeds(program: Program, seed: int) -> list[np.ndarray]:
    """Cotangents of the outputs, as a derived program takes them: none for one scalar."""
    derived = vjp(program)
    return drawn_like(replace(derived, inputs=derived.inputs[len(program.inputs) :]), seed)


def slope_by_complex_step(program: Program, arrays: list[np.ndarray], seeds: list[np.ndarray], along: Any) -> float:
    """The derivative of ``Σ seed · output`` along a direction."""
    moved = [x + 1j * STEP * u if x.dtype.kind == "f" else x for x, u in zip(arrays, along, strict=True)]
    outputs = run(program, moved)
    return float(sum(np.sum(v * np.imag(y)) for v, y in zip(seeds or [1.0], outputs, strict=True))) / STEP


def slope_by_differences(program: Program, arrays: list[np.ndarray], seeds: list[np.ndarray], along: Any) -> float:
    """As by complex step, where that loses the slope: central differences of fourth order."""

    def value(h: float) -> float:
        moved = [x + h * u if x.dtype.kind in "fc" else x for x, u in zip(arrays, along, strict=True)]
        return pairing(seeds or [1.0], run(program, moved))

    h = 1e-3
    return (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)


def vjp_error(
    program: Program, arrays: list[np.ndarray], wrt: Sequence[str], seed: int, slope: Callable[..., float]
) -> float:
    """How far the derived cotangents are from a measured slope, relative to their size."""
    seeds = with_seeds(program, seed)
    along = drawn_like(program, seed + 1, wrt)
    cotangents = run(vjp(program, wrt), [*arrays, *seeds])
    by_name = dict(zip([i.ref.name for i in program.inputs], along, strict=True))
    for name, cotangent in zip(wrt, cotangents, strict=True):
        assert cotangent.shape == by_name[name].shape
    found = pairing(cotangents, [by_name[name] for name in wrt])
    size = 1 + sum(float(np.sum(np.abs(c))) for c in cotangents)
    return abs(found - slope(program, arrays, seeds, along)) / size


# The rule at the heart


def test_slot_substitution_is_what_the_subscripts_say() -> None:
    product = einsum("ij,jb->ib", "z", "W", "x")
    assert vjp_of_contract(product, 0, "dz", "dW") == einsum("ib,jb->ij", "dW", "dz", "x")
    assert vjp_of_contract(product, 1, "dz", "dx") == einsum("ij,ib->jb", "dx", "W", "dz")


CORNERS = [
    "ii->", "iij->j", "iij->ij", "ijji->j", "ij->i", "ij->", "k,nk->", "ij,ij->", ",ij->i", ",->", "i->ii", "->i", "->",
    "i->ij", "ij->ji", "iii->i", "i,i->i", "i,j->ij", "ij,jk->ik", "ij,jk,kb->ib", "ii,ij->j", "ij,ji->", "m,n->",
    "ib,jb->ij", "iib,b->ib", "i,b,m->ibm", "i->jj", "ij->iib",
]  # fmt: skip


def sizes_of(size: int) -> tuple[Dimension, ...]:
    return tuple(replace(d, size=d.size if size < 0 else size) for d in DIMENSIONS)


@pytest.mark.parametrize("size", [-1, 0, 1])
@pytest.mark.parametrize("subscripts", CORNERS)
def test_einsum_gradients_are_exact_for_each_operand_and_jointly(subscripts: str, size: int) -> None:
    """The vjp of a linear map is its transpose: entry by entry, in whole numbers, with ==."""
    operands = subscripts.split("->")[0].split(",")
    names = list("abc"[: len(operands)])
    program = program_of(dict(zip(names, operands, strict=True)), einsum(subscripts), dimensions=sizes_of(size))
    rng = np.random.default_rng(0)
    shapes = [[program.sizes[i] for i in indices] for indices in operands]
    arrays = [rng.integers(-4, 5, shape).astype(float) for shape in shapes]
    output = run(program, arrays)[0]
    seeds = [] if output.ndim == 0 else [rng.integers(-4, 5, output.shape).astype(float)]
    jointly = run(vjp(program), [*arrays, *seeds])
    for n, name in enumerate(names):
        (alone,) = run(vjp(program, [name]), [*arrays, *seeds])
        assert alone.shape == arrays[n].shape
        np.testing.assert_array_equal(alone, jointly[n])
        for at in np.ndindex(arrays[n].shape):
            unit = np.zeros_like(arrays[n])
            unit[at] = 1
            (column,) = run(program, [*arrays[:n], unit, *arrays[n + 1 :]])
            assert alone[at] == np.sum(column * (seeds[0] if seeds else 1))


def is_numpys(subscripts: str) -> bool:
    """NumPy's and JAX's einsum write no diagonal, and have no letter from nowhere."""
    operands, out = subscripts.split("->")
    return len(set(out)) == len(out) and set(out) <= set(operands)


@pytest.mark.long
@pytest.mark.parametrize("subscripts", [s for s in CORNERS if is_numpys(s)])
def test_einsum_gradients_equal_jax(subscripts: str) -> None:
    jax = pytest.importorskip("jax")
    operands = subscripts.split("->")[0].split(",")
    rng = np.random.default_rng(1)
    arrays = [rng.integers(-3, 4, [SIZES[i] for i in s]).astype(np.float32) for s in operands]
    program = program_of(dict(zip("abc", operands, strict=False)), einsum(subscripts))
    weights = np.asarray(run(program, arrays)[0])
    expected = jax.vjp(lambda *a: jax.numpy.einsum(subscripts, *a), *arrays)[1](jax.numpy.asarray(weights))
    found = run(vjp(program), [*arrays, *([weights] if weights.ndim else [])])
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine * (1 if weights.ndim else weights), theirs)


# Whole programs


@given(programs(), st.integers(0, 1000))
def test_vjp_equals_complex_step_jointly_and_one_at_a_time(drawn: Any, seed: int) -> None:
    program, arrays = drawn
    wrt = floats(program)
    for names in [wrt, *([name] for name in wrt)]:
        assert vjp_error(program, arrays, names, seed, slope_by_complex_step) < 1e-9


@given(programs(scalar=True), st.integers(0, 1000))
def test_the_gradient_of_a_scalar_equals_complex_step(drawn: Any, seed: int) -> None:
    program, arrays = drawn
    assert vjp_error(program, arrays, floats(program), seed, slope_by_complex_step) < 1e-9


COMPLEX_KINDS = ("contract", "contract", "sum", "map", "update")


@given(programs(complex_inputs=True, kinds=COMPLEX_KINDS, most_equations=4), st.integers(0, 1000))
def test_vjp_of_complex_inputs_equals_differences(drawn: Any, seed: int) -> None:
    program, arrays = drawn
    assert vjp_error(program, arrays, floats(program), seed, slope_by_differences) < 1e-6


@given(st.one_of(programs(), programs(complex_inputs=True, kinds=COMPLEX_KINDS)), st.integers(0, 1000))
def test_forward_and_reverse_are_transposes(drawn: Any, seed: int) -> None:
    """``<v, J u> = <Jᵀ v, u>``."""
    program, arrays = drawn
    wrt = floats(program)
    u = drawn_like(replace(program, inputs=tuple(i for i in program.inputs if i.ref.name in wrt)), seed)
    forward = jvp(program)
    tangents = run(forward, [*arrays, *u])
    seeds = with_seeds(program, seed + 1)
    cotangents = run(vjp(program), [*arrays, *seeds])
    left, right = pairing(seeds or [1.0], tangents), pairing(cotangents, u)
    assert abs(left - right) <= 1e-9 * (1 + sum(float(np.abs(c).sum()) for c in cotangents))


@given(programs(polynomial=True, kinds=("contract", "sum", "map", "update"), most_equations=3), st.integers(0, 1000))
def test_forward_and_reverse_are_transposes_exactly(drawn: Any, seed: int) -> None:
    program, arrays = drawn
    rng = np.random.default_rng(seed)

    def exact(array: np.ndarray) -> np.ndarray:
        return np.array([Fraction(int(x)) for x in array.flat], object).reshape(array.shape)

    given_arrays = [array if array.dtype.kind == "i" else exact(array) for array in arrays]
    u = [exact(rng.integers(-3, 4, x.shape)) for x in arrays if x.dtype.kind == "f"]
    tangents = run(jvp(program), [*given_arrays, *u])
    seeds = [exact(rng.integers(-3, 4, y.shape)) for y in tangents]
    scalar = len(seeds) == 1 and seeds[0].ndim == 0
    cotangents = run(vjp(program), [*given_arrays, *([] if scalar else seeds)])
    left = sum(np.sum(v * t) for v, t in zip([1] if scalar else seeds, tangents, strict=True))
    assert left == sum(np.sum(c * t) for c, t in zip(cotangents, u, strict=True))


@given(programs(scalar=True, most_equations=4), st.integers(0, 1000))
def test_deriving_twice_equals_differences_of_gradients(drawn: Any, seed: int) -> None:
    """Hessian times a direction, reverse over reverse and forward over reverse: complex step of the gradient."""
    program, arrays = drawn
    wrt = floats(program)
    gradient = vjp(program)
    along = [u for u, i in zip(drawn_like(program, seed), program.inputs, strict=True) if i.ref.name in wrt]
    moved = iter(along)
    stepped = [x + 1j * STEP * next(moved) if x.dtype.kind == "f" else x for x in arrays]
    expected = [np.imag(y) / STEP for y in run(gradient, stepped)]
    size = 1 + sum(float(np.abs(e).sum()) for e in expected)
    over_reverse = jvp(gradient)
    for found, correct in zip(run(over_reverse, [*arrays, *along]), expected, strict=True):
        assert np.max(np.abs(found - correct), initial=0) < 1e-9 * size
    single = is_single_scalar(gradient)  # differentiated with the cotangent 1
    for found, correct in zip(run(vjp(gradient, wrt), [*arrays, *([] if single else along)]), expected, strict=True):
        assert np.max(np.abs(found * (along[0] if single else 1) - correct), initial=0) < 1e-9 * size


def is_single_scalar(program: Program) -> bool:
    return len(program.outputs) == 1 and not program.outputs[0].indices


@given(programs())
def test_simplifying_keeps_every_value(drawn: Any) -> None:
    program, arrays = drawn
    simple = simplify(program)
    assert len(simple.equations) <= len(program.equations)
    for before, after in zip(run(program, arrays), run(simple, arrays), strict=True):
        np.testing.assert_allclose(after * 1, before * 1, rtol=1e-10, atol=1e-10)


@given(programs(polynomial=True, most_equations=4))
def test_simplifying_keeps_every_value_exactly(drawn: Any) -> None:
    program, arrays = drawn
    exact = [
        x if x.dtype.kind == "i" else np.array([Fraction(int(n)) for n in x.flat], object).reshape(x.shape)
        for x in arrays
    ]
    for before, after in zip(run(program, exact), run(simplify(program), exact), strict=True):
        np.testing.assert_array_equal(after, before)


@given(programs(scalar=True))
def test_a_derived_program_holds_nothing_twice_and_nothing_idle(drawn: Any) -> None:
    program, _ = drawn
    derived = value_and_vjp(program)
    names = [e.out.name for e in derived.equations]
    assert len(set(names)) == len(names)
    used = {ref.name for e in derived.equations for ref in differential.operands(e)} | {r.name for r in derived.outputs}
    assert set(names) <= used
    right_sides = [repr(replace(e, out=Ref("", e.out.indices))) for e in derived.equations if e.out.name not in used]
    assert len(set(right_sides)) == len(right_sides)
    assert simplify(derived) == derived
    forward = {e.out.name for e in program.equations} | {i.ref.name for i in program.inputs}
    assert set(derived.origins.values()) <= forward
    assert {name for name in names if name not in forward} <= set(derived.origins)


# Against JAX, on functions as people write them


def network(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    hidden = xp.tanh(W1 @ X + b1[:, None])
    outputs = W2 @ hidden + b2[:, None]
    return xp.mean(xp.sum((outputs - Y) ** 2, axis=0))


def attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    scores = q @ k.T / 2.0
    e = xp.exp(scores - scores.max(axis=1, keepdims=True))
    return xp.sum(((e / e.sum(axis=1, keepdims=True)) @ v) ** 3)


def layer_norm(xp: Any, x: Any, g: Any, b: Any) -> Any:
    m = x.mean(axis=1, keepdims=True)
    v = ((x - m) ** 2).mean(axis=1, keepdims=True)
    return xp.sum((g * (x - m) / xp.sqrt(v + 1e-5) + b) ** 3)


def recurrent(xp: Any, Whh: Any, Wx: Any, x: Any, h: Any) -> Any:
    for t in range(3):
        h = xp.tanh(Whh @ h + Wx @ x[t])
    return xp.sum(h * h)


def quadratic(xp: Any, A: Any, x: Any) -> Any:
    return x @ A @ x + xp.max(A @ x) + xp.trace(A @ A.T)


EXAMPLES = [
    (network, [(4, 3), (4,), (2, 4), (2,), (3, 5), (2, 5)]),
    (network, [(4, 4), (4,), (4, 4), (4,), (4, 4), (4, 4)]),
    (attention, [(4, 3), (5, 3), (5, 2)]),
    (layer_norm, [(4, 3), (3,), (3,)]),
    (recurrent, [(4, 4), (4, 2), (3, 2), (4,)]),
    (quadratic, [(3, 3), (3,)]),
]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("function", "shapes"), EXAMPLES)
def test_gradients_and_hessian_vector_products_equal_jax(function: Any, shapes: list[tuple[int, ...]]) -> None:
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(3)
    arrays, along = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))
    program = trace(partial(function, np), *arrays)
    gradient = vjp(program)
    with jax.enable_x64():
        gradients = jax.grad(partial(function, jax.numpy), tuple(range(len(arrays))))
        expected, expected_along = jax.jvp(gradients, tuple(arrays), tuple(along))
    for found, correct in zip(run(gradient, arrays), expected, strict=True):
        np.testing.assert_allclose(found, correct, rtol=1e-9, atol=1e-11)
    for found, correct in zip(run(jvp(gradient), [*arrays, *along]), expected_along, strict=True):
        np.testing.assert_allclose(found, correct, rtol=1e-8, atol=1e-10)


# How a derived program reads


def lines(program: Program) -> list[str]:
    return [equation_text(equation) for equation in program.equations]


MLP = program_of(
    {"W": "ij", "c": "i", "x": "jb"},
    einsum("ij,jb->ib", "t1", "W", "x"),
    Sum(Ref("z", "ib"), ((ONE, Ref("t1", "ib")), (ONE, Ref("c", "i")))),
    Map(Ref("h", "ib"), "sigmoid", (Ref("z", "ib"),)),
    Map(Ref("t2", "ib"), "power", (Ref("h", "ib"),), Fraction(2)),
    Contract(Ref("loss"), (Ref("t2", "ib"),), (), Factor.of(0.5, b=-1)),
    dimensions=(Dimension("i", 2), Dimension("j", 3), Dimension("b", 4)),
)


def test_a_layer_derived_reads_like_its_derivation() -> None:
    derived = vjp(MLP, ["W", "c", "x"])
    assert lines(derived) == [
        "t1[i,b] = Σ_j W[i,j] x[j,b]",
        "z[i,b] = t1[i,b] + c[i]",
        "h[i,b] = sigmoid(z[i,b])",
        "dh[i,b] = 1/B h[i,b]",
        "one_minus_h[i,b] = 1 - h[i,b]",
        "dz[i,b] = dh[i,b] h[i,b] one_minus_h[i,b]",
        "dc[i] = Σ_b dz[i,b]",
        "dW[i,j] = Σ_b dz[i,b] x[j,b]",
        "dx[j,b] = Σ_i W[i,j] dz[i,b]",
    ]
    assert derived.outputs == (Ref("dW", "ij"), Ref("dc", "i"), Ref("dx", "jb"))
    assert derived.origins == {
        "dh": "t2", "one_minus_h": "h", "dz": "h", "dc": "z", "dW": "t1", "dx": "t1",
    }  # fmt: skip


def test_a_factor_of_two_is_a_factor_of_two() -> None:
    dot = program_of({"x": "i"}, einsum("i,i->", "y", "x", "x"))
    assert lines(vjp(dot)) == ["dx[i] = 2 x[i]"]
    trace_of_square = program_of({"A": "ij"}, einsum("ij,ji->", "y", "A", "A"))
    assert lines(vjp(trace_of_square)) == ["dA[i,j] = 2 A[j,i]"]
    cube = program_of({"x": "i", "d": "i"}, einsum("i,i,i->i", "y", "x", "x", "x"))
    assert lines(vjp(cube, ["x"])) == ["dx[i] = 3 dy[i] x[i] x[i]"]


def test_cotangents_that_meet_add_up_in_the_letters_of_their_lines() -> None:
    form = program_of({"A": "ij", "x": "i"}, einsum("i,ij,j->", "y", "x", "A", "x"))
    assert lines(vjp(form, ["x"])) == [
        "dx_from_y[i] = Σ_j A[i,j] x[j]",
        "dx_from_y_2[j] = Σ_i x[i] A[i,j]",
        "dx[i] = dx_from_y[i] + dx_from_y_2[i]",
    ]


def test_a_value_used_by_two_later_lines() -> None:
    program = program_of(
        {"x": "i", "w": "i"},
        Map(Ref("h", "i"), "sin", (Ref("x", "i"),)),
        einsum("i,i->i", "u", "h", "w"),
        Sum(Ref("y", "i"), ((ONE, Ref("h", "i")), (Factor.of(-2), Ref("u", "i")))),
    )
    assert lines(vjp(program)) == [
        "h[i] = sin(x[i])",
        "du[i] = -2 dy[i]",
        "dh_from_u[i] = du[i] w[i]",
        "dh[i] = dy[i] + dh_from_u[i]",
        "dw[i] = h[i] du[i]",
        "cos_x[i] = cos(x[i])",
        "dx[i] = dh[i] cos_x[i]",
    ]


def test_an_input_that_does_not_reach_the_output_has_zeros_of_its_shape() -> None:
    program = program_of({"x": "i", "unused": "bm"}, einsum("i,i->", "y", "x", "x"))
    assert lines(vjp(program)) == ["dx[i] = 2 x[i]", "dunused[b,m] = 0"]
    _, zeros = run(vjp(program), [np.ones(3), np.ones((2, 4))])
    assert zeros.shape == (2, 4)
    assert not zeros.any()
    (tangent,) = run(jvp(program, ["unused"]), [np.ones(3), np.ones((2, 4)), np.ones((2, 4))])
    assert tangent == 0


def test_names_of_the_user_are_never_taken() -> None:
    program = program_of({"x": "i", "dx": "i"}, einsum("i,i->i", "y", "x", "dx"), labels={"y": "dx_2"})
    derived = vjp(program)
    assert [ref.name for ref in derived.outputs] == ["dx_3", "ddx"]
    assert [i.ref.name for i in derived.inputs] == ["x", "dx", "dy"]
    assert [i.ref.name for i in jvp(program).inputs] == ["x", "dx", "x_dot", "dx_dot"]


def test_labels_of_cotangents_follow_those_of_values() -> None:
    program = program_of(
        {"x": "i"},
        Map(Ref("hid_1_2", "i"), "sin", (Ref("x", "i"),)),
        einsum("i,i->", "y", "hid_1_2", "hid_1_2"),
        labels={"hid_1_2": "hid_1"},
    )
    assert vjp(program).labels == {"hid_1_2": "hid_1", "dhid_1_2": "dhid_1"}


def test_cotangents_of_intermediate_values_are_there_when_asked_for() -> None:
    derived = vjp(MLP, ["z", "h", "t1"])
    assert [ref.name for ref in derived.outputs] == ["dz", "dh", "dt1"]
    arrays = drawn_like(MLP, 0)
    dz, dh, dt1 = run(derived, arrays)
    h = run(replace(MLP, outputs=(Ref("h", "ib"),)), arrays)[0]
    np.testing.assert_allclose(dh, h / 4)
    np.testing.assert_allclose(dz, h / 4 * h * (1 - h))
    np.testing.assert_array_equal(dt1, dz)


def test_value_and_vjp_keeps_the_outputs_first() -> None:
    both = value_and_vjp(MLP, ["c"])
    assert [ref.name for ref in both.outputs] == ["loss", "dc"]
    assert both.structure == [0, [1]]
    arrays = drawn_like(MLP, 0)
    np.testing.assert_array_equal(run(both, arrays)[0], run(MLP, arrays)[0])


def test_unit_axes_of_inputs_and_outputs_come_back() -> None:
    column = Input(Ref("c", "i"), units=(1,))
    program = replace(
        program_of({"c": "i"}, Map(Ref("y", "i"), "sin", (Ref("c", "i"),))), inputs=(column,), output_units=((0,),)
    )
    derived = vjp(program)
    assert derived.inputs[1].units == (0,)
    (found,) = run(derived, [np.zeros((3, 1)), np.full((1, 3), 2.0)])
    np.testing.assert_array_equal(found, np.full((3, 1), 2.0))
    assert jvp(program).output_units == ((0,),)


# Each kind of equation


def kinds_of_corners() -> list[tuple[str, Program]]:
    x, labels = Ref("x", "ij"), Ref("labels", "i")
    at_two = Bracket(Position.of("i"), "=", Position(constant=2))
    slices = Bracket(Position.of("m"), "=", Position(((Factor.of(2), "b"),), 1))
    picked = Bracket(Position.of("j"), "=", Position(pick=labels))
    causal = Bracket(Position.of("i"), "≤", Position.of("j"))
    joined = Bracket(Position.of("m"), "=", Position(((Factor.of(1, b=1), "c"), (ONE, "b"))))
    square = {"x": "ij", "v": "i", "labels": "i"}
    y, v, mask, diagonal = Ref("y", "ij"), Ref("v", "i"), Ref("mask", "ij"), einsum("i->ii", "D", "x")
    on_diagonal = Bracket(Position.of("j"), "=", Position.of("i"))
    step = Map(Ref("mask", "ij"), "step", (x,))
    return [
        ("label", program_of(square, Contract(Ref("y", "i"), (x,), (picked,)))),
        ("causal", program_of(square, Contract(Ref("y", "i"), (x,), (causal,)))),
        ("window", program_of({"x": "m"}, Contract(Ref("y", "b"), (Ref("x", "m"),), (slices,)))),
        ("reshape", program_of({"x": "bc"}, Contract(Ref("y", "m"), (Ref("x", "cb"),), (joined,)))),
        ("max", program_of({"x": "ijb"}, Extremum(Ref("y", "b"), Ref("x", "ijb")))),
        ("min of all", program_of({"x": "ij"}, Extremum(Ref("y"), x, "min"))),
        ("diagonal max", program_of({"x": "ij"}, Extremum(Ref("y"), Ref("x", "ii")))),
        ("write a row", program_of(square, Update(y, x, Ref("v", "j"), (at_two,)))),
        ("write a number", program_of({"x": "ij", "v": ""}, Update(y, x, Ref("v"), (at_two,)))),
        ("write a slice", program_of(
            {"x": "m", "v": "b"}, Update(Ref("y", "m"), Ref("x", "m"), Ref("v", "b"), (slices,)))),
        ("write by label", program_of(square, Update(y, x, v, (picked,)))),
        ("write a diagonal", program_of(square, Update(y, x, v, (on_diagonal,)))),
        ("write by mask", program_of(square, step, Update(y, x, Ref("v", "j"), (), mask))),
        ("write by both", program_of(square, step, Update(y, x, v, (picked,), mask))),
        ("overwrite", program_of(square, Update(y, x, v))),
        ("write itself", program_of({"x": "ij"}, Update(y, x, Ref("x", "jj"), (at_two,)))),
        ("where", program_of({"x": "ij", "v": "i"}, step, Map(y, "where", (mask, x, Ref("v", "j"))))),
        ("diagonal sum", program_of(square, Sum(Ref("y", "i"), ((ONE, Ref("x", "ii")), (ONE, v))))),
        ("broadcast", program_of({"x": "i", "v": ""}, Map(y, "maximum", (Ref("x", "j"), Ref("v"))))),
        ("ones", program_of({"x": "ij"}, Contract(Ref("y", "ib"), (x,), (), Factor.of(3)))),
        ("diagonal used twice", program_of({"x": "i"}, diagonal, einsum("ij,ji->ij", "y", "D", "D"))),
        ("diagonal summed twice", program_of(
            {"x": "i"}, diagonal, einsum("ii,ij->j", "u", "D", "D"), einsum("j,jk->k", "y", "u", "D"))),
    ]  # fmt: skip


CORNER_PROGRAMS = kinds_of_corners()


@pytest.mark.parametrize(("name", "program"), CORNER_PROGRAMS, ids=[name for name, _ in CORNER_PROGRAMS])
def test_each_kind_of_equation_has_its_derivative(name: str, program: Program) -> None:
    integers = [i.ref.name == "labels" for i in program.inputs]
    declared = [replace(i, dtype="int64") if n else i for i, n in zip(program.inputs, integers, strict=True)]
    program = replace(program, inputs=tuple(declared))
    arrays = [
        np.array([2, 0, 1]) if is_label else array
        for is_label, array in zip(integers, drawn_like(program, 5), strict=True)
    ]
    wrt = floats(program)
    for names in [wrt, *([one] for one in wrt)]:
        assert vjp_error(program, arrays, names, 6, slope_by_complex_step) < 1e-12
    u = [x for x, is_label in zip(drawn_like(program, 7), integers, strict=True) if not is_label]
    seeds = with_seeds(program, 8)
    left = pairing(seeds or [1.0], run(jvp(program), [*arrays, *u]))
    assert left == pytest.approx(pairing(run(vjp(program), [*arrays, *seeds]), u), rel=1e-12)


def test_an_extremum_that_is_held_has_no_derivative() -> None:
    held = Extremum(Ref("m", "i"), Ref("x", "ij"), held=True)
    shifted = Sum(Ref("y", "ij"), ((ONE, Ref("x", "ij")), (Factor.of(-1), Ref("m", "i"))))
    assert lines(vjp(program_of({"x": "ij"}, held, shifted))) == ["dx[i,j] = dy[i,j]"]
    not_held = replace(held, held=False)
    assert "dx_from_m[i,j] = dm[i] [j=m_at_j[i]]" in lines(vjp(program_of({"x": "ij"}, not_held, shifted)))


def test_a_boolean_is_its_own_truth() -> None:
    where = Map(Ref("y", "i"), "where", (Ref("kept", "i"), Ref("x", "i"), Ref("v", "i")))
    program = program_of({"kept": "i", "x": "i", "v": "i"}, where, dtypes={"kept": "bool"})
    assert lines(vjp(program)) == [
        "logical_not_kept[i] = [not kept[i]]",
        "dx[i] = dy[i] kept[i]",
        "dv[i] = dy[i] logical_not_kept[i]",
    ]


def test_the_square_of_a_norm_has_no_root_in_its_derivative() -> None:
    program = program_of(
        {"x": "i"},
        Map(Ref("s", "i"), "power", (Ref("x", "i"),), Fraction(2)),
        einsum("i->", "t1", "s"),
        Map(Ref("norm"), "power", (Ref("t1"),), Fraction(1, 2)),
        Map(Ref("y"), "power", (Ref("norm"),), Fraction(2)),
    )
    assert lines(vjp(program)) == ["dx[i] = 2 x[i]"]


def test_a_constant_is_folded_and_counted() -> None:
    half = Contract(Ref("y"), (Ref("s", "j"),), (), Factor.of(0.5))
    program = program_of({"x": "ij"}, einsum("ij->j", "s", "x"), half)
    assert lines(vjp(program)) == ["dx[i,j] = ½"]
    ones = program_of({"x": "j"}, einsum("j->ijb", "wide", "x"), einsum("ijb->", "y", "wide"))
    assert vjp(ones).equations == (Contract(Ref("dx", "j"), (), (), Factor.of(1, b=1, i=1)),)
    assert run(vjp(ones), [np.ones(3)])[0].tolist() == [6, 6, 6]


# Complex numbers


COMPLEX = {"dtypes": {"z": "complex128", "w": "complex128"}}


def test_others_are_conjugated_only_where_they_were_declared_complex() -> None:
    product = einsum("i,i->", "y", "z", "x")
    assert lines(vjp(program_of({"z": "i", "x": "i"}, product))) == ["dz[i] = x[i]", "dx[i] = z[i]"]
    declared = vjp(program_of({"z": "i", "x": "i"}, product, **COMPLEX), ["z"])
    assert lines(declared) == ["dz[i] = x[i]"]
    both = vjp(program_of({"z": "i", "w": "i"}, einsum("i,i->i", "y", "z", "w"), **COMPLEX))
    assert lines(both) == [
        "conj_w[i] = conj(w[i])",
        "conj_z[i] = conj(z[i])",
        "dz[i] = dy[i] conj_w[i]",
        "dw[i] = conj_z[i] dy[i]",
    ]
    assert [i.dtype for i in both.inputs] == ["complex128"] * 3


def test_the_cotangent_is_the_direction_of_steepest_ascent() -> None:
    """Of ``L = Σ |z|²`` the cotangent is 2z, as in PyTorch; JAX gives its conjugate."""
    modulus = Map(Ref("m", "i"), "abs", (Ref("z", "i"),))
    program = program_of({"z": "i"}, modulus, einsum("i,i->", "y", "m", "m"), **COMPLEX)
    z = np.array([1 + 2j, -3j, 0.5])
    np.testing.assert_allclose(run(vjp(program), [z])[0], 2 * z)
    jax = pytest.importorskip("jax")
    theirs = jax.grad(lambda z: jax.numpy.sum(jax.numpy.abs(z) ** 2))(z.astype(np.complex64))
    np.testing.assert_allclose(np.conj(theirs), 2 * z, rtol=1e-5)


def test_the_cotangent_of_a_real_value_is_real() -> None:
    program = program_of(
        {"z": "i", "x": "i"},
        einsum("i,i->i", "w", "z", "x"),
        Map(Ref("r", "i"), "real", (Ref("w", "i"),)),
        einsum("i->", "y", "r"),
        **COMPLEX,
    )
    arrays = [np.array([1 + 2j, -3j, 0.5]), np.array([1.0, 2.0, 3.0])]
    dz, dx = run(vjp(program), arrays)
    np.testing.assert_array_equal(dz, arrays[1])
    assert dx.dtype == float
    np.testing.assert_array_equal(dx, arrays[0].real)


def test_cotangents_are_declared_as_wide_as_the_inputs() -> None:
    narrow = program_of({"x": "i"}, Map(Ref("y", "i"), "sin", (Ref("x", "i"),)), dtypes={"x": "float32"})
    assert [i.dtype for i in vjp(narrow).inputs] == ["float32", "float32"]
    assert [i.dtype for i in jvp(narrow).inputs] == ["float32", "float32"]
    (found,) = run(vjp(narrow), [np.ones(3, np.float32), np.ones(3, np.float32)])
    assert found.dtype == np.float32
    modulus = program_of({"z": "i"}, Map(Ref("y", "i"), "abs", (Ref("z", "i"),)), dtypes={"z": "complex64"})
    assert [i.dtype for i in vjp(modulus).inputs] == ["complex64", "float32"]


def test_an_output_that_is_an_input_or_a_constant() -> None:
    program = program_of({"x": "i"}, einsum("i,i->", "y", "x", "x"), outputs=["y", "x"], constants={"c": np.ones(2)})
    program = replace(program, outputs=(*program.outputs, Ref("c", "b")))
    derived = vjp(program)
    assert [i.ref for i in derived.inputs] == [Ref("x", "i"), Ref("dy"), Ref("dx", "i"), Ref("dc", "b")]
    assert lines(derived) == ["dx_from_y[i] = 2 dy x[i]", "dx_2[i] = dx[i] + dx_from_y[i]"]
    found = run(jvp(program), [np.arange(3.0), np.ones(3)])
    assert [f.tolist() for f in found] == [6, [1, 1, 1], [0, 0]]


# What has no derivative


LINE = Source("net.py", 12, "u = np.linalg.svd(W)[1]", "f")


def test_a_line_that_could_not_be_read_is_named() -> None:
    opaque = Opaque(Ref("u", "i"), (Ref("x", "i"),), "np.linalg.svd is not read", LINE)
    program = program_of(
        {"x": "i", "w": "i"}, opaque, einsum("i,i->", "y", "u", "w"), constants={"u": np.array([1.0, 2, 3])}
    )
    message = (
        r"net\.py:12: u = np\.linalg\.svd\(W\)\[1\]: u could not be read \(np\.linalg\.svd is not read\), "
        r"so there is no derivative through it with respect to x; write the line with operations that can be read"
    )
    for derive in (vjp, jvp, value_and_vjp):
        with pytest.raises(DerivationError, match=message):
            derive(program)
        derived = derive(program, ["w"])
        given_arrays = [np.ones(3), np.ones(3), *([np.ones(3)] if derive is jvp else [])]
        assert run(derived, given_arrays)[-1].tolist() == (6 if derive is jvp else [1, 2, 3])
    unused = program_of({"x": "i"}, opaque, einsum("i,i->", "y", "x", "x"), constants={"u": np.ones(3)})
    assert lines(vjp(unused)) == ["dx[i] = 2 x[i]"]


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool"])
def test_integers_and_booleans_are_no_variables(dtype: str) -> None:
    program = program_of({"n": "i", "x": "i"}, einsum("i,i->", "y", "n", "x"), dtypes={"n": dtype})
    assert [ref.name for ref in vjp(program).outputs] == ["dx"]
    values = np.array([1, 0, 1]).astype(dtype)
    np.testing.assert_array_equal(run(vjp(program), [values, np.ones(3)])[0], [1, 0, 1])
    message = rf"n\[i\] holds {dtype}, which has no derivative; pass it as float64 if it is meant to vary"
    with pytest.raises(DerivationError, match=message):
        vjp(program, ["n"])


def test_an_unknown_name_is_shown_beside_the_inputs() -> None:
    with pytest.raises(DerivationError, match="there is no value 'V' to differentiate by; the inputs are W, c, x"):
        vjp(MLP, ["V"])
    with pytest.raises(DerivationError, match="z is no input, so it has no tangent; the inputs are W, c, x"):
        jvp(MLP, ["z"])


def test_the_sign_of_a_complex_number_has_no_derivative() -> None:
    program = program_of({"z": "i"}, Map(Ref("y", "i"), "sign", (Ref("z", "i"),)), **COMPLEX)
    with pytest.raises(DerivationError, match="y: sign has no derivative at complex numbers"):
        vjp(program)


# The checks themselves


def caught(program: Program, arrays: list[np.ndarray]) -> bool:
    return vjp_error(program, arrays, floats(program), 6, slope_by_complex_step) > 1e-6


def changing(**changes: Callable[[Contract], Any]) -> Callable[[Any], Any]:
    """Slot substitution, with something changed in what comes out."""

    def change(right: Callable[..., Contract]) -> Callable[..., Contract]:
        def wrong(*arguments: Any) -> Contract:
            made = right(*arguments)
            return replace(made, **{name: new(made) for name, new in changes.items()})

        return wrong

    return change


def without_brackets(right: Any) -> Any:
    return lambda *a: [replace(term, contract=replace(term.contract, brackets=())) for term in right(*a)]


MUTANTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "brackets forgotten": (derivation, "vjp_of_contract", changing(brackets=lambda made: ())),
    "factor forgotten": (derivation, "vjp_of_contract", changing(factor=lambda made: ONE)),
    "operands doubled": (derivation, "vjp_of_contract", changing(operands=lambda made: made.operands * 2)),
    "a term lost": (differential, "update_terms", lambda right: lambda *a: right(*a)[:1]),
    "the position lost": (differential, "extremum_terms", without_brackets),
    "the slope of another function": (
        elementwise, "statement", lambda right: lambda f, *a, **k: right({"sin": "cos"}.get(f, f), *a, **k),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_rule_is_noticed(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(
        {"x": "ij", "v": "j"},
        Map(Ref("s", "ij"), "sin", (Ref("x", "ij"),)),
        Update(Ref("u", "ij"), Ref("s", "ij"), Ref("v", "j"), (Bracket(Position.of("i"), "=", Position(constant=1)),)),
        Extremum(Ref("m", "i"), Ref("u", "ij")),
        Contract(Ref("y", "j"), (Ref("m", "i"), Ref("u", "ij")), (Bracket(Position.of("i"), "≤", Position.of("j")),),
                 Factor.of(0.5)),
    )  # fmt: skip
    arrays = drawn_like(program, 5)
    assert vjp_error(program, arrays, ["x", "v"], 6, slope_by_complex_step) < 1e-12
    module, name, change = MUTANTS[mutant]
    monkeypatch.setattr(module, name, change(getattr(module, name)))
    assert caught(program, arrays)


def test_a_conjugate_forgotten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    product = program_of({"z": "i", "w": "i"}, einsum("i,i->i", "y", "z", "w"), **COMPLEX)
    arrays = drawn_like(product, 5)
    assert vjp_error(product, arrays, ["z", "w"], 6, slope_by_differences) < 1e-9
    monkeypatch.setattr("einbackprop.derivation.differential.Workspace.conjugate", lambda self, ref: ref)
    assert vjp_error(product, arrays, ["z", "w"], 6, slope_by_differences) > 1e-3


def test_a_wrong_simplification_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of({"x": "ij"}, einsum("ij->j", "t1", "x"), einsum("j,ij->i", "y", "t1", "x"))
    wide = program_of({"x": "i"}, einsum("i->ij", "t1", "x"), einsum("ij->i", "y", "t1"))
    for p in (program, wide):
        np.testing.assert_array_equal(run(simplify(p), drawn_like(p, 0))[0], run(p, drawn_like(p, 0))[0])
    monkeypatch.setattr("einbackprop.core.simplification.letters_read", lambda equation: set())
    assert not np.allclose(run(simplify(wide), drawn_like(wide, 0))[0], run(wide, drawn_like(wide, 0))[0])
