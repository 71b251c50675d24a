"""Source for JAX and for PyTorch: it gives NumPy's numbers, in the dtypes of its arrays, and runs as it is pasted."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recurrent_functions
from drawn_programs import programs
from drawn_recurrences import arguments as recurrence_arguments
from drawn_recurrences import recurrences
from hypothesis import assume, given, settings
from sampling import THOROUGH, some
from test_emission import WIDE, labels_are_positions, ruff
from test_layers_in_loops import arguments, traced
from traced_fixtures import read_of
from wild import CONTROLS, FIXTURES

import einbackprop as eb
from einbackprop.core import interpretation, nesting
from einbackprop.core.factors import Factor
from einbackprop.core.program import Bracket, Contract, Dimension, Input, Position, Program, Ref
from einbackprop.derivation.accumulation import vjp
from einbackprop.derivation.gradients import derive
from einbackprop.emission.writing import source
from einbackprop.errors import ArgumentError, BackendError, EinbackpropError, NotationError
from einbackprop.layers import CATALOGUE
from einbackprop.plans import engines

TARGETS = ("torch", "jax")
EVERY = [*FIXTURES, *CONTROLS]
QUICKLY = {"xla_backend_optimization_level": 0}
"""For XLA: it compiles each program for one run."""


def executed(program: Program, arrays: list[Any], target: str) -> list[Any]:
    """What the source of a program gives, in JAX under ``jit``, as arrays of NumPy."""
    namespace: dict[str, Any] = {}
    code = compile(source(program, target=target), "source", "exec")  # type: ignore[arg-type]
    if target == "torch":
        torch = pytest.importorskip("torch")
        exec(code, namespace)
        return [np.asarray(found) for found in namespace["backward"](*(torch.from_numpy(np.array(a)) for a in arrays))]
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        exec(code, namespace)
        found = jax.jit(namespace["backward"], compiler_options=QUICKLY)(*map(jax.numpy.asarray, arrays))
        return [np.asarray(one) for one in found]


def flat(program: Program) -> Program:
    """A program whose arguments and results are plain arrays."""
    inputs = tuple(replace(declared, path=()) for declared in program.inputs)
    return replace(program, inputs=inputs, structure=list(range(len(program.outputs))))


def agrees(program: Program, arrays: list[Any], target: str, *, narrow: bool = False) -> None:
    """The source gives the interpreter's arrays: to rounding, in their shapes and dtypes."""
    program = flat(program)
    if narrow:
        arrays = [a.astype(np.float32) if a.dtype == np.float64 else a for a in map(np.asarray, arrays)]
    with np.errstate(all="ignore"):
        expected = interpretation.run(program, arrays)
    close = 2e-4 if narrow else 1e-9
    for ref, mine, theirs in zip(program.outputs, executed(program, arrays, target), expected, strict=True):
        wanted = np.asarray(theirs)
        assert mine.shape == wanted.shape, ref
        if wanted.dtype.kind in "fc":  # whole numbers beside float32 widen nothing in source
            assert mine.dtype == (np.float32 if narrow else wanted.dtype), ref
        largest = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0))
        np.testing.assert_allclose(mine, wanted, rtol=close, atol=close * (1 + largest))


PAIRS = [(fixture, "torch") for fixture in EVERY]
PAIRS += [(fixture, "jax") for fixture in (EVERY if THOROUGH else EVERY[::4])]  # XLA compiles each of them
RECURRENT = ("char_rnn", "lstm_through_time", "bidirectional_rnn", "rnn_backwards_lists", "conv_im2col_indices")
PAIRS += [(fixture, "jax") for fixture in EVERY if fixture.name in RECURRENT and (fixture, "jax") not in PAIRS]


@pytest.mark.long
@pytest.mark.parametrize(("fixture", "target"), some(PAIRS, 4), ids=lambda one: getattr(one, "name", one))
def test_gradients_of_hand_written_networks(fixture: Any, target: str) -> None:
    _, derived, arrays = read_of(fixture)
    arrays = arrays + [np.float64(1)] * (len(derived.inputs) - len(arrays))
    agrees(derived, arrays, target)
    if target == "torch" and fixture.name not in WIDE:
        agrees(derived, arrays, target, narrow=True)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", some(CATALOGUE, 2))
def test_layers_and_their_gradients(name: str, target: str) -> None:
    given_ = arguments(name)
    forward = traced(name, CATALOGUE[name].forward, given_)
    arrays = [nesting.get(given_, declared.path) for declared in forward.inputs]
    agrees(forward, arrays, target)
    derived = vjp(forward)
    rng = np.random.default_rng(1)
    arrays += [rng.normal(size=[derived.sizes[i] for i in declared.ref.indices])
               for declared in derived.inputs[len(arrays):]]  # fmt: skip
    agrees(derived, arrays, target)
    agrees(derived, arrays, target, narrow=True)


@pytest.mark.parametrize("target", TARGETS)
def test_a_pattern_over_a_size_is_of_floats(target: Any) -> None:
    """Over a size of 1 it is a whole number, and what it is written into was made for such alone."""
    bracket = Bracket(Position.of("j"), "=", Position(((Factor.of(-1), "k"),)))
    out, x = Ref("v", "ij"), Ref("x", "ij")
    equation = Contract(out, (), (bracket,), Factor.of(1, k=-1))
    program = Program((Input(x),), (equation,), (out,), (Dimension("ijk", 1),))
    agrees(program, [np.ones((1, 1))], target)
    assert "zeros((I_, I_), dtype=float)" in source(program, target=target)


@given(programs())
def test_drawn_programs_in_torch(drawn: Any) -> None:
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    agrees(program, arrays, "torch")


@pytest.mark.slow
@settings(max_examples=400 if THOROUGH else 25)
@given(programs())
def test_drawn_programs_in_jax(drawn: Any) -> None:
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    agrees(program, arrays, "jax")


def recurrent(W: Any, U: Any, x: Any) -> Any:
    h, total = np.zeros((x.shape[1], len(W))), 0.0
    for t in range(len(x)):
        h = np.tanh(x[t] @ U.T + h @ W.T)
        total += (h**2).sum()
    return total


def drawn_states(rounds: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 3)), rng.normal(size=(3, 2)), rng.normal(size=(rounds, 4, 2))


@pytest.mark.parametrize("target", TARGETS)
def test_a_recurrence_is_a_loop_that_runs_at_other_lengths(target: str) -> None:
    program = derive(recurrent, *drawn_states(5), wrt=(0, 1))
    text = source(program, target=target)  # type: ignore[arg-type]
    assert text.count("jax.lax.scan(round_t" if target == "jax" else "for t in ") == 2, text
    for rounds in (1, 2, 5, 9):
        expected = eb.grad(recurrent, wrt=(0, 1))(*drawn_states(rounds))
        found = executed(replace(program, structure=list(program.structure)), list(drawn_states(rounds)), target)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


def test_what_jax_compiles_does_not_grow_with_the_rounds() -> None:
    jax = pytest.importorskip("jax")
    namespace: dict[str, Any] = {}
    exec(source(derive(recurrent, *drawn_states(5)), target="jax"), namespace)
    sizes = {len(jax.make_jaxpr(namespace["backward"])(*drawn_states(rounds)).eqns) for rounds in (5, 50)}
    assert len(sizes) == 1


def places(x: Any, y: Any) -> Any:
    return (x[::-1, 1:3] * y).sum()


@pytest.mark.parametrize("target", TARGETS)
def test_parts_that_are_read_backwards(target: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.random.default_rng(1).normal(size=(5, 2))
    program = derive(places, x, y)
    agrees(program, [x, y], target)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_ruff_finds_nothing(target: str) -> None:
    for fixture in EVERY[::10]:
        assert ruff(source(read_of(fixture)[1], target=target)) == ""  # type: ignore[arg-type]


def test_requests_that_contradict_one_another() -> None:
    program = derive(places, np.ones((5, 4)), np.ones((5, 2)))
    with pytest.raises(NotationError, match=r"^target must be 'numpy', 'jax' or 'torch', not 'tensorflow'$"):
        source(program, target="tensorflow")  # type: ignore[arg-type]
    with pytest.raises(NotationError, match=r"^eb\.einsum contracts NumPy's arrays: for jax leave einsum out$"):
        source(program, einsum="eb.einsum", target="jax")


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_the_command_writes_it(target: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import numpy as np\nW = np.eye(2)\ndef f(W, x): return ((W @ x) ** 2).sum()\n")
    command = [sys.executable, "-m", "einbackprop", "derive", "net.py", "--loss", "f(W, x)", "--wrt", "W"]
    done = subprocess.run([*command, "--setup", "x = np.ones(2)", "--target", target], capture_output=True, text=True,
                          check=True, cwd=tmp_path)  # fmt: skip
    assert {"torch": "import torch\n", "jax": "import jax.numpy as jnp\n"}[target] in done.stdout
    assert 'einsum("' in done.stdout
    assert "np." not in done.stdout.replace("jnp.", "")


def classified(weights: Any, biases: Any, x: Any, labels: Any) -> Any:
    s = np.tanh(x @ weights[0] + biases[0]) @ weights[1] + biases[1]
    s = s - s.max(axis=1, keepdims=True)
    return -(s - np.log(np.exp(s).sum(axis=1, keepdims=True)))[np.arange(len(labels)), labels].mean()


RNG = np.random.default_rng(0)
WEIGHTS, BIASES = [RNG.normal(size=(4, 6)), RNG.normal(size=(6, 3))], [np.zeros(6), np.zeros(3)]
X, LABELS = RNG.normal(size=(8, 4)), RNG.integers(0, 3, 8)
GIVEN = WEIGHTS, BIASES, X, LABELS
GRADIENT = eb.value_and_grad(classified, wrt=(0, 1))


def compiled(target: str, function: Any = GRADIENT, *arguments: Any) -> Any:
    pytest.importorskip(target)
    return eb.compile(function, *(arguments or GIVEN), backend=target)


def flat_leaves(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in flat_leaves(item)]
    return [value]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_compiled_gradient_takes_and_returns_numpys_arrays(target: str, dtype: Any) -> None:
    given_ = [a.astype(dtype) for a in WEIGHTS], [a.astype(dtype) for a in BIASES], X.astype(dtype), LABELS
    found = compiled(target, GRADIENT, *given_)(*given_)
    expected = eb.compile(GRADIENT, *given_)(*given_)
    assert isinstance(found[0], dtype)
    for mine, theirs in zip(flat_leaves(found), flat_leaves(expected), strict=True):
        assert mine.dtype == theirs.dtype == dtype
        np.testing.assert_allclose(mine, theirs, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-6)
    first = found[1][0][0]
    first += 1  # it may be written into, and nobody else sees that
    assert all(np.isfinite(leaf).all() for leaf in flat_leaves(compiled(target, GRADIENT, *given_)(*given_)))


@pytest.mark.parametrize("target", TARGETS)
def test_it_takes_and_returns_the_engines_own(target: str) -> None:
    engine = pytest.importorskip(target)
    gradient, expected = compiled(target), eb.compile(GRADIENT, *GIVEN)(*GIVEN)
    if target == "torch":
        own = [engine.from_numpy(a) for a in WEIGHTS], [engine.from_numpy(a) for a in BIASES], engine.from_numpy(X)
        found = gradient(*own, engine.from_numpy(LABELS))
        assert all(isinstance(leaf, engine.Tensor) and not leaf.requires_grad for leaf in flat_leaves(found))
        found = gradient([one.requires_grad_() for one in own[0]], *own[1:], LABELS)  # NumPy's among them
    else:
        with engine.enable_x64(True):
            found = gradient(*engine.tree.map(engine.numpy.asarray, GIVEN))
        assert all(isinstance(leaf, engine.Array) for leaf in flat_leaves(found))
    for mine, theirs in zip(flat_leaves(found), flat_leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(mine), theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_fit_is_refused_in_the_same_words(target: str) -> None:
    ours, theirs = eb.compile(GRADIENT, *GIVEN), compiled(target)
    for wrong in [
        (WEIGHTS, BIASES, X[:5], LABELS), (WEIGHTS, BIASES, X.astype(np.float32), LABELS), (WEIGHTS[:1], *GIVEN[1:]),
        (WEIGHTS, BIASES, X, LABELS + 3), (WEIGHTS, BIASES, X), (WEIGHTS, BIASES, X, LABELS.tolist()[:-1]),
    ]:  # fmt: skip
        with pytest.raises(EinbackpropError) as expected:
            ours(*wrong)
        with pytest.raises(type(expected.value)) as found:
            theirs(*wrong)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("target", TARGETS)
def test_dtypes_that_numpy_lacks_are_told(target: str) -> None:
    engine = pytest.importorskip("torch" if target == "torch" else "jax.numpy")
    made = compiled(target, eb.grad(root_of_squares), np.ones((2, 3)))
    said = "^x has dtype {}, but was compiled for dtype float64. Convert it, or compile again.$"
    for name in ("bfloat16", "float8_e5m2"):
        with pytest.raises(EinbackpropError, match=said.format(name)):
            made(engine.ones((2, 3), dtype=getattr(engine, name)))


@pytest.mark.parametrize("target", TARGETS)
def test_a_gradient_is_not_nan_where_zero_meets_infinity(target: str) -> None:
    def loss(x: Any, mask: Any) -> Any:
        return np.sum(np.where(mask, np.sqrt(x), 0.0))

    x, mask = np.array([4.0, 0.0, 1.0]), np.array([True, False, True])
    np.testing.assert_allclose(compiled(target, eb.grad(loss), x, mask)(x, mask), [0.25, 0.0, 0.5])


def root_of_squares(x: Any) -> Any:
    return np.sqrt((x * x).sum(1)).sum()


@pytest.mark.parametrize("target", TARGETS)
def test_nor_is_that_of_the_engines_own_arrays(target: str) -> None:
    engine = pytest.importorskip(target)
    zero, there = np.zeros((2, 3)), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    for gradient in (eb.grad(root_of_squares), eb.value_and_grad(root_of_squares)):
        made = compiled(target, gradient, zero)
        for x in (zero, there):
            with jax_in_64_bits(target):
                own = engine.from_numpy(x) if target == "torch" else engine.numpy.asarray(x)
                found = flat_leaves(made(own))
            assert all(made.engine.is_own(leaf) for leaf in found)
            for mine, theirs in zip(found, flat_leaves(gradient(x)), strict=True):
                np.testing.assert_allclose(np.asarray(mine), theirs, atol=1e-12)
    assert np.isnan(flat_leaves(made(there * np.nan))[-1]).all()  # the user's own stays


def jax_in_64_bits(target: str) -> Any:
    return pytest.importorskip("jax").enable_x64(True) if target == "jax" else nullcontext()


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.int32, np.uint16])
@pytest.mark.parametrize("target", TARGETS)
def test_labels_of_few_bits(target: str, kind: Any) -> None:
    given_ = (*GIVEN[:3], LABELS.astype(kind))
    for mine, theirs in zip(flat_leaves(compiled(target, GRADIENT, *given_)(*given_)),
                            flat_leaves(GRADIENT(*GIVEN)), strict=True):  # fmt: skip
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_a_result_is_no_view_of_an_argument(target: str) -> None:
    x = np.arange(6.0).reshape(2, 3)
    same, turned = compiled(target, lambda x: (x, x.T), x)(x)
    same += 1
    turned += 1
    assert (x == np.arange(6).reshape(2, 3)).all()


@pytest.mark.parametrize("target", TARGETS)
def test_large_constants_are_no_text(target: str) -> None:
    table = np.random.default_rng(0).normal(size=(30, 40))
    made = compiled(target, lambda x: (table @ x).sum(), np.ones(40))
    assert len(made.plan.source) < 2000
    np.testing.assert_allclose(made(np.ones(40)), table.sum(), rtol=1e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_an_engine_or_a_device_that_is_not_there_is_said(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(target)
    for device in ("nowhere", "cpu:7", "cpu:-1", "", "meta", 1.5):
        with pytest.raises(BackendError, match=rf"^\w+ has no device {device!r} here: it has cpu"):
            eb.compile(GRADIENT, *GIVEN, backend=target, device=device)
    with pytest.raises(ArgumentError, match=f"^reuse is of memory that NumPy writes into: leave it out for "
                                            f"backend='{target}'$"):  # fmt: skip
        eb.compile(GRADIENT, *GIVEN, backend=target, reuse=True)
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=rf"^backend='{target}' needs .*: pip install 'einbackprop\[{target}\]'"):
        eb.compile(GRADIENT, *GIVEN, backend=target)


def test_a_device_needs_an_engine() -> None:
    with pytest.raises(ArgumentError, match=r"^device is for backend='jax' and backend='torch', not for backend=None$"):
        eb.compile(GRADIENT, *GIVEN, device="cpu")


@pytest.mark.parametrize(("target", "device"), [("jax", "gpu"), ("torch", "cuda")])
def test_it_runs_on_another_device(target: str, device: str) -> None:
    try:
        made = eb.compile(GRADIENT, *GIVEN, backend=target, device=device)
    except BackendError as error:
        pytest.skip(str(error))
    for mine, theirs in zip(flat_leaves(made(*GIVEN)), flat_leaves(eb.compile(GRADIENT, *GIVEN)(*GIVEN)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("target", "said"), [
    ("torch", r"^x\[0\] is a tensor of PyTorch: give one of NumPy, x\[0\]\.detach\(\)\.cpu\(\)\.numpy\(\)$"),
    ("jax", r"^x\[0\] is an array of JAX: give one of NumPy, np\.asarray\(x\[0\]\)$"),
])  # fmt: skip
def test_arrays_of_another_library_are_told_from_numpys(target: str, said: str) -> None:
    module: Any = pytest.importorskip(target if target == "torch" else "jax.numpy")

    def loss(x: Any) -> Any:
        return (x[0] ** 2).sum()

    given_ = [module.ones(3)]
    for ask in (eb.read, eb.trace, eb.grad(loss), eb.compile):
        with pytest.raises(EinbackpropError, match=said):
            ask(*([] if isinstance(ask, type(eb.grad(loss))) else [loss]), given_)
    with pytest.raises(EinbackpropError, match=said):
        eb.check(loss, lambda x: [2 * x[0]], given_)


@pytest.mark.long
@given(recurrences())
@settings(max_examples=200 if THOROUGH else 10)
def test_drawn_recurrences_in_jax(drawn: Any) -> None:
    pytest.importorskip("jax")
    given_ = recurrence_arguments(4)
    derived = derive(drawn.run, *given_, wrt=tuple(range(5)))
    assert "jax.lax.scan(" in source(derived, target="jax")
    agrees(derived, given_, "jax")
    agrees(derived, given_, "jax", narrow=True)


def test_a_recurrence_in_each_round_of_another_runs_in_jax() -> None:
    pytest.importorskip("jax")
    given_ = [np.random.default_rng(0).normal(size=shape) / 2 for shape in ((4, 5, 3), (3, 3), (3, 3))]
    derived = derive(recurrent_functions.grid, *given_, wrt=(0, 1, 2))
    assert "jax.lax.fori_loop(" in source(derived, target="jax")
    agrees(derived, given_, "jax")
