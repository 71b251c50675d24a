"""The search for mistakes: wrong gradients go in as a case for `diagnosis`; what is wrong, and where, comes out.

A case has the states at which gradients are wrong, more at other sizes, and what is derived from the loss. It is made
at the sizes at which lines are read, at smaller ones where few entries tell more, before lines are read where that
takes long, and of gradients that stop with an error.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from einbackprop.capture.tracer import Trace
from einbackprop.checking.deciding import Decision, Unclipped
from einbackprop.checking.draws import Drawing
from einbackprop.checking.elsewhere import (
    problems_elsewhere,
    sizes_written,
    small_states,
)
from einbackprop.checking.growing import larger_states, runs, with_other_numbers
from einbackprop.checking.problems import Problem, arrays_at
from einbackprop.checking.shrinking import SEARCHED, shrunk
from einbackprop.checking.trials import Trial, drawn
from einbackprop.checking.verdicts import Finding, Line
from einbackprop.core.nesting import Path, duplicate
from einbackprop.core.program import Program
from einbackprop.core.progress import doing
from einbackprop.core.scoped import unwarned
from einbackprop.diagnosis.cases import Case, Diagnosis, Place
from einbackprop.diagnosis.cotangents import Cotangents, Derivative
from einbackprop.diagnosis.lines import LOGARITHM, guards, lines_of_backward
from einbackprop.diagnosis.review import Review
from einbackprop.errors import EinbackpropError
from einbackprop.world import moved

MANY = 500
"""Entries of gradients beyond which mistakes are looked for at smaller sizes, where the code runs at them."""


def smaller_diagnosis(
    problem: Problem, trial: Trial, program: Program, read: Review, states: list[Any], parameters: tuple[Path, ...],
    seed: int,
) -> Diagnosis | None:  # fmt: skip
    """What is wrong, and where, as it is found at smaller sizes, where it is known what each value should be; None
    where the code takes no smaller ones, or nothing is found there that repairs the user's own.
    """
    small = shrunk(problem, trial, SEARCHED, sizes_written(program))
    traced = None if small is None or small.problem.pair is None else traced_at(small.problem.pair, small.trial.state)
    if small is None or not isinstance(traced, Trace):
        return None
    at = [small.state(one) for one in states]
    case = case_of(small.problem, small.trial, traced.unrolled.program, read, at, parameters, seed,
                 (*small.others, *states[:1]))  # fmt: skip
    return repairing(diagnosis_of(case, seed))


def unread_diagnosis(
    problem: Problem, trial: Trial, states: list[Any], parameters: tuple[Path, ...], seed: int, larger: Sequence[Any],
    *, is_read: bool,
) -> Diagnosis | None:  # fmt: skip
    """What is wrong, and where, found by values, and where the loss ``is_read`` by what is derived from it, without
    reading the gradients; None where nothing is found that repairs it, and to read them may tell more.
    """
    loss = traced_at(problem.forward, trial.state) if is_read and problem.forward is not None else None
    program, folded = (loss.unrolled.program, loss.program) if isinstance(loss, Trace) else (None, None)
    case = case_of(problem, trial, program, Review(), states, parameters, seed, larger, folded)
    found = diagnosis_of(replace(case, read=lambda at: {}), seed)
    return found if found.findings and isinstance(loss, Trace) else repairing(found)


def repairing(found: Diagnosis) -> Diagnosis | None:
    """A diagnosis that says what to write; None of another one."""
    return found if any(item.write for item in found.findings) else None


def diagnosis_of(case: Case, seed: int) -> Diagnosis:
    """What is wrong, and where."""
    from einbackprop.diagnosis.diagnose import diagnose  # a third of the modules, which right gradients do not need

    with unwarned():
        return diagnose(case, seed)


def findings_of_crash(problem: Problem, decision: Decision, seed: int) -> list[Finding]:
    """The mistake that makes the gradients raise."""
    trial = decision.trial
    paths = tuple(target.path for target in trial.targets)
    drawing = Drawing(trial.user.loss, trial.user.loss, trial.state, paths, np.random.default_rng(seed))
    states = [draw.state for draw in drawing.draws() if not draw.data_redrawn]
    program = problem.forward(trial.state).unrolled.program if problem.forward is not None else None
    bare = Unclipped(trial.user.loss)
    for state in states:
        bare(duplicate(state))
    if not bare.acts:  # what clips behind the statement that stops clips gradients, and hides what repairs
        trial = replace(trial, user=replace(trial.user, gradients=Unclipped(trial.user.gradients)))
    case = case_of(problem, trial, program, Review(), states, paths, seed)
    found = list(diagnosis_of(replace(case, wrong=frozenset(t.name for t in trial.targets)), seed).findings)
    # a loss that nobody asked about may have a penalty that the gradients have not, or lack theirs: that is no mistake
    sure = [item for item in found if item.write and item.kind != "a term"] if problem.is_guess else []
    return sure or found


def case_of(
    problem: Problem, trial: Trial, program: Program | None, review: Review, states: list[Any],
    paths: tuple[Path, ...], seed: int, larger: Sequence[Any] = (), folded: Program | None = None,
) -> Case:  # fmt: skip
    """Wrong gradients as a case for the diagnosis; ``larger`` are more states at which a repair must hold, and so are
    those at other sizes, of the program with its loops ``folded`` where that is given: others than run at these.
    """
    others = islice(problems_elsewhere(problem, trial, folded or program, set(paths), seed), 1)
    here = problem.gradients.world
    states_there = [moved(Drawing.copied(drawn(other, seed)), other.gradients.world, here) for _, other in others]
    elsewhere = [*states_there, *larger]
    written = set() if program is None else sizes_written(program)
    fixed = (written | trial.user.numbers) - {2}  # a 2 is seldom a size
    grown = (*larger_states(trial.user, states[0], elsewhere, set(paths), fixed, seed),
             *with_other_numbers(states[0], seed))  # fmt: skip
    if program is not None and sum(int(np.prod(target.shape)) for target in trial.targets) > MANY:
        small = small_states(problem, trial, program, set(paths), seed)
        # an object may keep a size as a number, and the gradients read it where the loss does not
        needed = [run for run in (trial.user.loss, trial.user.gradients) if runs(run, trial.state)]
        states = [state for state in small if all(runs(run, state) for run in needed)] or states

    cotangents, derived = derivatives_of(problem, program)

    def read(at: frozenset[Place]) -> dict[Place, Line]:
        traced = traced_at(problem.pair, trial.state) if problem.pair is not None and at else None
        return by_place(lines_of_backward(traced, Cotangents(), at).lines) if isinstance(traced, Trace) else {}

    def lines(at: frozenset[Place]) -> dict[Place, Line]:
        return by_place(review.reads(at).lines)

    guarded = program is not None and bool(guards(program, (LOGARITHM,)))
    return Case(trial.user, states, frozenset(trial.wrong), elsewhere, grown, cotangents, guarded, lines, read, derived)


def derivatives_of(
    problem: Problem, program: Program | None
) -> tuple[Callable[[Any], Cotangents], Callable[[Any], dict[Path, np.ndarray]]]:
    """What gives the cotangents of a loss at a state, and what the gradients that are derived from it, by their paths;
    nothing of a loss that was not read."""
    if program is None:
        return lambda state: Cotangents(), lambda state: {}
    derivative = Derivative(program)

    def derived(state: Any) -> dict[Path, np.ndarray]:
        found = derivative.of_inputs(arrays_at(problem, program, state)).of_value
        return {
            problem.place(declared): np.expand_dims(found[declared.ref.name], declared.units)
            for declared in program.inputs if declared.ref.name in found}

    return lambda state: derivative.at(arrays_at(problem, program, state)), derived


def by_place(lines: Iterable[Line]) -> dict[Place, Line]:
    """Lines by their files and numbers."""
    return {(line.file, line.line): line for line in lines}


def as_read(findings: Iterable[Finding], review: Review) -> tuple[Finding, ...]:
    """Findings with what their lines compute, as they were read."""
    places = [(item.file or "", item.line or 0) for item in findings]
    known = by_place(review.reads(frozenset(places)).lines)
    told = ((item, known.get(place)) for item, place in zip(findings, places, strict=True))
    return tuple(item if line is None else replace(item, yours=line.formula, yours_markup=line.markup)
                 for item, line in told)  # fmt: skip


def traced_at(pair: Callable[[Any], Trace], state: Any) -> Trace | EinbackpropError:
    """The loss and the gradients as one program, or why they cannot be read."""
    doing("reading")
    try:
        return pair(state)
    except EinbackpropError as error:
        return error


