"""Recurrent networks are read in letters: a step in a function of its own, what is carried, and gates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recurrent_functions
from reading_truth import reading_with_values, untrue

from einbackprop.reading.reading import Reading
from einbackprop.shell.command import main

RNG = np.random.default_rng(0)


def drawn(*shapes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(RNG.normal(size=shape) for shape in shapes)


STEPS = reading_with_values(recurrent_functions.steps, *drawn((3, 4, 2), (3, 5), (2, 5), (5, 5), (5,), (3, 4, 5)))
GATES = reading_with_values(recurrent_functions.gates, *drawn((4, 3, 2), (3, 5), (2, 20), (5, 20), (20,), (4, 3, 5)))
WEIGHTS = drawn((2, 5), (5, 5))
STATES = drawn(*[(3, 5)] * 5)
CACHES = [(x, *WEIGHTS, h, after) for x, h, after in zip(drawn(*[(3, 2)] * 4), STATES[:-1], STATES[1:], strict=True)]
POPPED = reading_with_values(recurrent_functions.popped, *drawn((3, 4, 5)), CACHES)
GRID = reading_with_values(recurrent_functions.grid, *drawn((4, 5, 3), (3, 3), (3, 3)))


def said(reading: Reading, code: str) -> list[str]:
    """The formulas of the lines that begin so."""
    return [f.equation for line in reading.lines if line.source.code.startswith(code) for f in line.formulas]


def meant(reading: Reading, code: str) -> list[str | None]:
    return [f.meaning for line in reading.lines if line.source.code.startswith(code) for f in line.formulas]


def test_a_state_that_a_step_gets_under_its_own_name_is_that_of_the_round_before() -> None:
    reading = reading_with_values(recurrent_functions.in_steps, *drawn((4, 3, 2), (3, 5), (2, 5), (5, 5)))
    (found,) = said(reading, "z =")
    assert "h[t-1," in found
    assert not list(untrue(reading))


def test_steps_in_a_function_are_read_once_for_all_rounds() -> None:
    assert said(STEPS, "z =") == ["z[t,n,i] = Σ_d x[t,n,d] Wx[d,i] + Σ_j prev_h[t,n,j] Wh[j,i] + b[i]"]
    assert said(STEPS, "dz =") == ["dz[s,n,i] = (1 - next_h[s,n,i]²) dnext_h[s,n,i]"]
    assert said(STEPS, "dWh =") == ["dWh[s,i,j] = Σ_n prev_h[s,n,i] dz[s,n,j]"]
    assert "(dh[:, t] + dprev)[s,n,i] = dh[n,s,i] + dprev[s+1,n,i]" in said(STEPS, "dx[:, t], dprev")
    assert said(STEPS, "dWx +=") == ["dWx[d,i] += Σ_s dWx_t[s,d,i]"]
    assert "times)" not in str(STEPS)


def test_what_a_call_gives_in_each_round_is_said_of_all() -> None:
    call = "step_backward(dh[:, t] + dprev, caches[t])"
    assert f"dprev[s,n,i] = {call}[1][s,n,i]" in said(STEPS, "dx[:, t], dprev")
    assert f"dx[n,s,d] = {call}[0][s,n,d]" in said(STEPS, "dx[:, t], dprev")


def test_gradients_are_told_from_the_one_that_is_given() -> None:
    assert STEPS.given == "here dh is taken as ∂L/∂h"
    assert meant(STEPS, "dz =") == ["is ∂L/∂z"]
    assert meant(STEPS, "dWx +=") == ["is ∂L/∂Wx"]
    assert meant(STEPS, "dWx, dWh, db =") == [None] * 3
    assert meant(GATES, "do, df, di, dg =") == [f"is ∂L/∂{name}" for name in "ofig"]


def test_gates_are_parts_at_multiples_of_a_size() -> None:
    assert said(GATES, "i, f, o, g =") == [
        "i[t,n,j] = sigmoid(a[t,n,j])", "f[t,n,j] = sigmoid(a[t,n,H+j])",
        "o[t,n,j] = sigmoid(a[t,n,2H+j])", "g[t,n,j] = tanh(a[t,n,3H+j])",
    ]  # fmt: skip
    assert said(GATES, "da =")[1] == "da[t,n,H+j] = df[t,n,j] f[t,n,j] (1 - f[t,n,j])"
    assert meant(GATES, "da =") == [None, None, None, "is ∂L/∂a"]


def test_what_a_round_leaves_is_told_from_what_it_makes() -> None:
    assert said(GATES, "c_next =") == ["c_next[t,n,j] = f[t,n,j] c[t-1,n,j] + i[t,n,j] g[t,n,j]"]
    assert said(GATES, "a =") == ["a[t,n,k] = Σ_d x[t,n,d] Wx[d,k] + Σ_j h[t-1,n,j] Wh[j,k] + b[k]"]
    assert said(GATES, "dWh +=") == ["dWh[j,k] += Σ_tn h[t,n,j] da[t,n,k]"]  # h is bound anew in each round there


def test_what_is_left_along_two_dimensions_is_told_apart() -> None:
    whole = "left[i,j,k] = tanh(x[i,j,k] + Σ_l above[i-1,j,l] A[l,k] + Σ_l left[i,j-1,l] B[l,k])"
    assert said(GRID, "left = np.tanh") == [whole]
    assert said(GRID, "above[j] =") == ["above[i,j,k] = left[i,j,k]"]


def test_caches_that_are_popped_are_those_of_the_rounds() -> None:
    assert "(dh[:, t, :] + dprev)[t,n,j] = dh[n,t,j] + dprev[t+1,n,j]" in said(POPPED, "dx_t, dprev")
    assert said(POPPED, "dWx +=") == ["dWx[i,j] += Σ_t dWx_t[t,i,j]"]


def test_all_of_it_is_true() -> None:
    for reading in (STEPS, GATES, GRID, POPPED):
        assert not reading.faults
        assert not list(untrue(reading))


def test_an_array_that_only_an_expression_hands_in_is_called_as_in_the_function(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.py"
    shapes = ((3, 4, 2), (3, 5), (2, 5), (5, 5), (5,), (3, 4, 5))
    script.write_text(Path(recurrent_functions.__file__).read_text(encoding="utf-8") + (
        f"\n\nrng = np.random.default_rng(0)\nstate = [rng.normal(size=shape) for shape in {shapes}]\n"), "utf-8")
    assert main(["read", str(script), "steps(*state)"]) == 0
    assert "is ∂L/∂Wx" in capsys.readouterr().out


def test_states_and_gates_in_buffers_are_read_under_the_names_of_these() -> None:
    reading = reading_with_values(
        recurrent_functions.buffers, *drawn((4, 3, 2), (2, 20), (5, 20), (20,), (4, 3, 5)))
    assert said(reading, "a =") == ["a[t,n,m] = Σ_l x[t,n,l] Wx[l,m] + Σ_k h[t,n,k] Wh[k,m] + b[m]"]
    assert said(reading, "o[t] =") == ["o[t,n,k] = sigmoid(a[t,n,2H+k])"]
    assert said(reading, "c[t + 1] =") == ["c[t+1,n,k] = f[t,n,k] c[t,n,k] + i[t,n,k] g[t,n,k]"]
    assert said(reading, "h[t + 1] =") == ["h[t+1,n,k] = o[t,n,k] tanh(c[t+1,n,k])"]
    assert said(reading, "dWh +=") == ["dWh[k,m] += Σ_nt h[t,n,k] da[t,n,m]"]
    assert "times)" not in str(reading)
    assert not list(untrue(reading))
