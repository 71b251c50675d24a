"""Recurrences: equations that read one another along a loop, at any length of it, and all that is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import recurrent_functions
from drawn_loops import defined
from drawn_recurrences import Drawn, arguments, recurrences
from formulas_in_text import program as read_program
from hypothesis import example, given
from hypothesis import strategies as st

import einbackprop as eb
from einbackprop.capture.tracer import record
from einbackprop.core import interpretation
from einbackprop.core.dtypes import value_dtypes, weak_values
from einbackprop.core.program import Bracket, Contract, Position, Program
from einbackprop.core.recurrences import Recurrence, blocks, carried, plain
from einbackprop.derivation.accumulation import vjp
from einbackprop.proof import induction
from einbackprop.proof.proving import Prover

STEP = "before[t,k] = Σ_s h[s,k] [s=t-1]"
RNN = f"""
{STEP}
first[t,k] = h0[k] [t=0]
read[t,k] = before[t,k] + first[t,k]
a[t,k] = Σ_j W[k,j] read[t,j]
z[t,k] = a[t,k] + x[t,k]
h[t,k] = tanh(z[t,k])
loss = Σ_tk h[t,k] h[t,k] c[k]
"""


def recurrent(text: str = RNN) -> Program:
    return read_program(text, "tsu klj")


def emitted(program: Program) -> Any:
    scope: dict[str, Any] = {}
    exec(eb.source(program, name="emitted"), scope)  # the text is ours
    return scope["emitted"]


def slope(run: Any, given: list[Any], n: int, along: Any) -> float:
    """The slope of a loss along a direction of an argument, by central differences."""
    here, ways = list(enumerate(given)), (1e-5, -1e-5)
    up, down = (run(*[array + (step * along if m == n else 0) for m, array in here]) for step in ways)
    return float((up - down) / 2e-5)


@pytest.mark.long
@given(recurrences(), st.integers(3, 5), st.sampled_from([(6, 2), (4, 3), (2, 1)]))
def test_drawn_recurrences_at_all_lengths(drawn: Drawn, rounds: int, other: tuple[int, int]) -> None:
    """Their values, their gradients as source, and compiled, against NumPy and differences."""
    given_here = arguments(rounds)
    program = eb.trace(drawn.run, *given_here)
    assert carried(program.equations), drawn.text
    derived = eb.derive(drawn.run, *given_here, wrt=tuple(range(5)))
    backward = emitted(derived)
    for given_then in (given_here, *([] if drawn.is_turned else [arguments(*other, seed=1)])):
        if len(given_then[0]) == rounds:
            (found,) = interpretation.run(program, given_then)
            np.testing.assert_allclose(found, drawn.run(*given_then), rtol=1e-9, err_msg=drawn.text)
        gradients = backward(*given_then)
        for n, gradient in enumerate(gradients):
            along = np.random.default_rng(n).normal(size=given_then[n].shape)
            wanted = slope(drawn.run, given_then, n, along)
            np.testing.assert_allclose(np.sum(gradient * along), wanted, 1e-6, 1e-7, err_msg=drawn.text)
    compiled = eb.compile(eb.grad(drawn.run, wrt=tuple(range(5))), *given_here)
    for found, wanted in zip(compiled(*given_here), backward(*given_here), strict=True):
        np.testing.assert_allclose(found, wanted, 1e-9, 1e-11, err_msg=drawn.text)


@pytest.mark.slow
@given(recurrences(), st.lists(st.sampled_from(["float16", "float32", "float64"]), min_size=5, max_size=5))
def test_a_loop_has_the_dtypes_of_its_rounds(drawn: Drawn, kinds: list[str]) -> None:
    """What the rounds read of the one before has the dtype that it has where they stand one after the other."""
    given_here = tuple(array.astype(kind) for array, kind in zip(arguments(3), kinds, strict=True))
    read = record(drawn.run, given_here)
    (mine,), (theirs,) = (
        [value_dtypes(program, weak_values(program))[ref.name] for ref in program.outputs]
        for program in (plain(read.program), read.unrolled.program)
    )
    assert mine == theirs, drawn.text


@pytest.mark.long
@given(recurrences())
def test_programs_do_not_grow_with_the_rounds(drawn: Drawn) -> None:
    few, more = (eb.derive(drawn.run, *arguments(rounds), wrt=(1, 3)) for rounds in (4, 7))
    assert len(few.equations) == len(more.equations), drawn.text


@pytest.mark.parametrize("head", ["for t in range(len(x))", "for row in x", "for t, row in enumerate(x)"])
def test_values_that_are_made_of_each_other_as_they_were(head: str) -> None:
    """In ``h, c = f(h, c), g(h)`` c is made of the c of two rounds before; the first row is taken out before its round.
    """
    row = "x[t]" if head.startswith("for t in") else "row"
    text = f"""def loss(x, h0):
    h, c = h0, h0 * 0.5
    {head}:
        h, c = np.tanh(h * c), h + {row}
    return (h ** 2).sum() + c.sum()
"""
    run, sizes = defined(text, "loss"), ((4, 3), (7, 2))
    here, there = ([np.random.default_rng(n).normal(size=shape) for shape in ((n, k), (k,))] for n, k in sizes)
    few, more = (eb.derive(run, *given, wrt=(0, 1)) for given in (here, there))
    assert len(few.equations) == len(more.equations)
    backward = emitted(few)
    for n, gradient in enumerate(backward(*there)):
        along = np.random.default_rng(n).normal(size=there[n].shape)
        np.testing.assert_allclose(np.sum(gradient * along), slope(run, there, n, along), 1e-6, 1e-7)


@pytest.mark.slow
def test_a_recurrence_in_each_round_of_another() -> None:
    """Over two counters: as source in two loops, and compiled."""
    rng, grid = np.random.default_rng(0), recurrent_functions.grid
    given_here = [rng.normal(size=shape) / 2 for shape in ((4, 5, 3), (3, 3), (3, 3))]
    derived = eb.derive(grid, *given_here, wrt=(0, 1, 2))
    (outer,) = [one for one in blocks(derived.equations) if isinstance(one, Recurrence) and one.step > 0]
    assert any(isinstance(part, Recurrence) for part in outer.body)
    gradients = eb.grad(grid, wrt=(0, 1, 2))(*given_here)
    np.testing.assert_allclose(eb.compile(grid, *given_here)(*given_here), grid(*given_here), rtol=1e-12)
    for n, (mine, theirs) in enumerate(zip(emitted(derived)(*given_here), gradients, strict=True)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)
        along = rng.normal(size=given_here[n].shape)
        np.testing.assert_allclose(np.sum(mine * along), slope(grid, given_here, n, along), 1e-6, 1e-8)


@given(st.integers(0, 6))
@example(0)
def test_a_recurrence_is_evaluated_entry_by_entry(rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    h0, W, x, c = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(rounds, 3)), rng.normal(size=3)
    program, h, total = recurrent(), h0, 0.0
    for row in x:
        h = np.tanh(W @ h + row)
        total += np.sum(h * h * c)
    given_here = {"h0": h0, "W": W, "x": x, "c": c}
    (found,) = interpretation.run(program, [given_here[i.ref.name] for i in program.inputs])
    np.testing.assert_allclose(found, total, rtol=1e-12, atol=1e-12)


def test_the_loop_and_what_is_in_it() -> None:
    (first, block, loss) = blocks(recurrent().equations)
    assert isinstance(block, Recurrence)
    assert block.step == 1
    assert [e.out.name for e in block.equations] == ["before", "read", "a", "z", "h"]
    assert (first.out.name, loss.out.name) == ("first", "loss")  # type: ignore[union-attr]
    derived = vjp(recurrent(), ["h0", "W"])
    (back,) = [one for one in blocks(derived.equations) if isinstance(one, Recurrence) and one.step < 0]
    assert {"da", "dz"} & {e.out.name for e in back.equations}


@pytest.mark.parametrize(("body", "is_open"), [
    ("for t in range(len(x)):\n    h = np.tanh(h + x[t, 0])\nreturn np.sum(h)", True),
    ("for t in range(len(x)):\n    h = np.tanh(h + x[t, 0])\nreturn np.sum(h) / (t + 1)", False),
    ("for t in range(len(x)):\n    h, k = np.tanh(h + x[t, 0]), t\nreturn np.sum(h) * k", False),
    ("for t in range(len(x)):\n    h = np.tanh(h + x[t, 0])\nfor t in range(3):\n    h = h * t\nreturn np.sum(h)",
     True),
    ("s = 0.0\nfor t in range(len(x)):\n    s += np.sum(x[t])\nreturn s / (t + 1)", False),
])  # fmt: skip
def test_a_counter_that_is_read_after_its_loop_holds_it(body: str, is_open: bool) -> None:
    text = "from builtins import range\ndef f(x, h):\n    " + body.replace("\n", "\n    ")
    rng = np.random.default_rng(0)
    run, few, more = defined(text, "f"), rng.normal(size=(4, 2, 3)), rng.normal(size=(6, 2, 3))
    program = eb.trace(run, few, rng.normal(size=3))
    assert (not program.held) == is_open
    if is_open:
        h = rng.normal(size=3)
        np.testing.assert_allclose(emitted(program)(more, h), run(more, h), rtol=1e-12)


@pytest.mark.parametrize(("text", "names"), [
    ("h[t,k] = tanh(before[t,k])\nbefore[t,k] = Σ_s h[s,k] [s=t]\ny[t,k] = 2 h[t,k]", "before, h"),
    ("up[t,k] = Σ_s h[s,k] [s=t-1]\ndown[t,k] = Σ_s h[s,k] [s=t+1]\nh[t,k] = up[t,k] + down[t,k]", "up, down, h"),
    ("h[t,k] = Σ_s h[s,k] w[s,t]", "h"),
])  # fmt: skip
def test_what_can_not_be_evaluated_is_refused(text: str, names: str) -> None:
    with pytest.raises(ValueError, match="read one another along no axis") as error:
        blocks(recurrent(text).equations)
    assert set(names.split(", ")) == set(str(error.value).split(" read")[0].split(", "))


def test_reads_of_other_rounds_are_values_of_their_own() -> None:
    text = "h[t,k] = Σ_sj W[k,j] h[s,j] x[t,j] [s=t-2]\ny = Σ_tk h[t,k]"
    program = recurrent(text)
    split = plain(program)
    assert len(split.equations) == len(program.equations) + 1
    shapes = [tuple(program.sizes[i] for i in declared.ref.indices) for declared in split.inputs]
    arrays = [np.random.default_rng(0).normal(size=shape) for shape in shapes]
    for one, other in zip(interpretation.run(program, arrays), interpretation.run(split, arrays), strict=True):
        np.testing.assert_allclose(one, other)


# Proofs

TIME = "x, h0, Wx, Wh, b, y"


def loss(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, y: Any) -> Any:
    h, total = h0, 0.0
    for t in range(len(x)):
        h = np.tanh(x[t] @ Wx + h @ Wh + b)
        total += 0.5 * np.sum((h - y[t]) ** 2)
    return total


BACKWARD = """
def gradients(x, h0, Wx, Wh, b, y):
    hs = [h0]
    for t in range(len(x)):
        hs.append(np.tanh(x[t] @ Wx + hs[t] @ Wh + b))
    dWx, dWh, db, {begin} = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b), np.zeros_like(h0)
    for t in reversed(range(len(x))):
{step}
        dWx += x[t].T @ da
        dWh += hs[t].T @ da
        db += da.sum(axis=0)
{carry}
    return {last}, dWx, dWh, db
"""
CARRIES = {  # what one round leaves to the next
    "the cotangent": ("dnext", "dh = hs[t + 1] - y[t] + dnext\nda = dh * (1 - hs[t + 1] ** 2)", "dnext = da @ Wh.T",
                      "dnext"),
    "the delta": ("da", "dh = hs[t + 1] - y[t] + da @ Wh.T\nda = dh * (1 - hs[t + 1] ** 2)", "", "da @ Wh.T"),
    "its negative": ("gone", "dh = hs[t + 1] - y[t] - gone\nda = dh * (1 - hs[t + 1] ** 2)", "gone = -(da @ Wh.T)",
                     "-gone"),
}  # fmt: skip


def backward(carry: str, *, edit: tuple[str, str] = ("", "")) -> Any:
    begin, step, left, last = CARRIES[carry]
    indented = ["\n".join(f"        {line}" for line in part.splitlines()) for part in (step, left)]
    text = BACKWARD.format(begin=begin, step=indented[0], carry=indented[1], last=last).replace(*edit)
    return defined(text, "gradients")


def check(gradients: Any) -> eb.Report:
    rng = np.random.default_rng(0)
    shapes = (4, 2, 3), (2, 3), (3, 3), (3, 3), (3,), (4, 2, 3)
    return eb.check(loss, gradients, *(rng.normal(size=shape) for shape in shapes), wrt=(1, 2, 3, 4))


@pytest.mark.long
@pytest.mark.parametrize("carry", CARRIES)
def test_backpropagation_through_time_is_proved_for_every_length(carry: str) -> None:
    report = check(backward(carry))
    assert report
    assert {gradient.grade for gradient in report.gradients} == {"proved"}
    assert "Proofs rest on: every size is at least 1." in " ".join(str(report).split())


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("edit", [
    ("1 - hs[t + 1] ** 2", "1 - hs[t] ** 2"), ("da @ Wh.T", "da @ Wh"), ("hs[t].T", "hs[t + 1].T"),
    ("+ dnext", "+ 2 * dnext"),
])  # fmt: skip
def test_what_is_wrong_is_not_proved(edit: tuple[str, str]) -> None:
    report = check(backward("the cotangent", edit=edit))
    assert not report
    assert any(gradient.verdict == "wrong" for gradient in report.gradients)


def pair(first: str, second: str) -> Prover:
    """A prover that supposes that all that is carried is one value."""
    one, other = recurrent(first), recurrent(second)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=tuple(one.sizes[i] for i in declared.ref.indices)) for declared in one.inputs]
    prover = Prover(one, other, arrays)
    with patch.object(induction, "supposed", lambda carried, values, numbers: [list(carried)]):
        prover.look_into_loops()
    return prover


@pytest.mark.parametrize(("second", "is_same"), [
    (f"{STEP}\nh[t,k] = before[t,k] + x[t,k]", True),
    ("prior[t,k] = Σ_u g[u,k] [u=t-1]\ng[t,k] = x[t,k] + prior[t,k]\nh[t,k] = g[t,k]", True),
    (f"{STEP}\nh[t,k] = before[t,k] + 2 x[t,k]", False),
    (f"{STEP}\nh[t,k] = 2 before[t,k] + x[t,k]", False),
    ("before[t,k] = Σ_s h[s,k] [s=t+1]\nh[t,k] = before[t,k] + x[t,k]", False),
    ("before[t,k] = Σ_s h[s,k] [s=t-2]\nh[t,k] = before[t,k] + x[t,k]", False),
    ("near[t,k] = Σ_s h[s,k] [s=t-1]\nfirst[t,k] = x[t,k] [t=0]\nbefore[t,k] = near[t,k] + first[t,k]\n"
     "h[t,k] = before[t,k] + x[t,k]", False),
])  # fmt: skip
def test_what_was_only_supposed_must_be_confirmed(second: str, is_same: bool) -> None:
    """Also where it is supposed against the numbers."""
    prover = pair(f"{STEP}\nh[t,k] = before[t,k] + x[t,k]", second)
    with patch.object(Prover, "plausible", lambda self, name, other: True):
        assert bool(prover.compare("h", "h")) == is_same


def test_a_step_the_other_way_is_objected_to() -> None:
    """The test of drawn recurrences fails where a cotangent goes to the wrong round."""
    given_here = arguments(4)

    def run(x: Any, h0: Any, U: Any, W: Any, b: Any) -> Any:
        h = h0
        for t in range(len(x)):
            h = np.tanh(x[t] @ U + h @ W + b)
        return np.sum(h)

    derived = eb.derive(run, *given_here, wrt=3)
    turned = tuple(replace(e, brackets=tuple(map(back, e.brackets))) if isinstance(e, Contract) else e
                   for e in derived.equations)  # fmt: skip
    along = np.random.default_rng(0).normal(size=(3, 3))
    programs = derived, replace(derived, equations=turned)
    right, wrong = (np.sum(emitted(one)(*given_here) * along) for one in programs)
    wanted = slope(run, given_here, 3, along)
    assert abs(right - wanted) < 1e-7 < abs(wrong - wanted)


def back(bracket: Bracket) -> Bracket:
    """``[t=0]`` as ``[t=1]``: where a loop begins is one further along."""
    is_start = bracket.left.is_letter and bracket.right == Position()
    return replace(bracket, right=Position((), 1)) if is_start else bracket
