"""Source for JAX and for PyTorch: it gives NumPy's numbers, in the dtypes of its arrays, and runs as it is pasted."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import assume, given, settings
from test_emission import WIDE, labels_are_positions, ruff
from test_layers_in_loops import arguments, traced
from tracing_quietly import no_collection
from wild import CONTROLS, FIXTURES

import einbackprop as eb
from einbackprop.capture.tracer import trace
from einbackprop.core import interpretation, nesting
from einbackprop.core.program import Program
from einbackprop.derivation.accumulation import vjp
from einbackprop.derivation.gradients import derive
from einbackprop.emission.writing import source
from einbackprop.errors import NotationError
from einbackprop.layers import CATALOGUE

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
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


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fixture", EVERY, ids=lambda fixture: fixture.name)
def test_gradients_of_hand_written_networks(fixture: Any, target: str) -> None:
    given_ = fixture.arguments(np.random.default_rng(0), fixture.sizes)
    with no_collection():
        forward = trace(fixture.loss, *copy.deepcopy(given_))
    derived = vjp(forward)
    arrays = [nesting.get(given_, declared.path) for declared in forward.inputs]
    arrays += [np.float64(1)] * (len(derived.inputs) - len(arrays))
    agrees(derived, arrays, target)
    if target == "torch" and fixture.name not in WIDE:
        agrees(derived, arrays, target, narrow=True)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CATALOGUE)
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


@given(programs())
def test_drawn_programs_in_torch(drawn: Any) -> None:
    program, arrays = drawn
    assume(labels_are_positions(program, arrays))
    agrees(program, arrays, "torch")


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
    assert text.count("jax.lax.fori_loop(0, T," if target == "jax" else "for t in ") == 2, text
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


@pytest.mark.parametrize("target", TARGETS)
def test_ruff_finds_nothing(target: str) -> None:
    for fixture in EVERY[::10]:
        given_ = fixture.arguments(np.random.default_rng(0), fixture.sizes)
        with no_collection():
            assert ruff(source(vjp(trace(fixture.loss, *copy.deepcopy(given_))), target=target)) == ""  # type: ignore[arg-type]


def test_requests_that_contradict_one_another() -> None:
    program = derive(places, np.ones((5, 4)), np.ones((5, 2)))
    with pytest.raises(NotationError, match=r"^target must be 'numpy', 'jax' or 'torch', not 'tensorflow'$"):
        source(program, target="tensorflow")  # type: ignore[arg-type]
    with pytest.raises(NotationError, match=r"^eb\.einsum contracts NumPy's arrays: for jax leave einsum out$"):
        source(program, einsum="eb.einsum", target="jax")


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_writes_it(target: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import numpy as np\nW = np.eye(2)\ndef f(W, x): return ((W @ x) ** 2).sum()\n")
    command = [sys.executable, "-m", "einbackprop", "derive", "net.py", "--loss", "f(W, x)", "--wrt", "W"]
    done = subprocess.run([*command, "--setup", "x = np.ones(2)", "--target", target], capture_output=True, text=True,
                          check=True, cwd=tmp_path)  # fmt: skip
    module = {"torch": "torch", "jax": "jnp"}[target]
    assert f'{module}.einsum("' in done.stdout
    assert "np." not in done.stdout.replace("jnp.", "")
