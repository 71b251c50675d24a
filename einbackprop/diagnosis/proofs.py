"""Proofs that gradients are what is derived from the loss, and what these rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from einbackprop.capture.conditions import Condition, assumed
from einbackprop.checking.records import Grade
from einbackprop.core.faults import contained
from einbackprop.core.program import Contract, Equation, Program, Ref, Source
from einbackprop.core.simplification import needed, simplify
from einbackprop.derivation.accumulation import vjp
from einbackprop.diagnosis.pairs import Pair
from einbackprop.errors import DerivationError, UndecidedError
from einbackprop.proof.comparison import Comparison, Sums
from einbackprop.proof.proving import Prover

PATIENCE = (1000, 6000)  # terms and steps of a proof: about half a second
MOST_RUNS = 16
"""Of one statement: the values of a loop are written out round by round, and beyond this nothing is proved."""


@dataclass(frozen=True)
class Proofs:
    """What was proved.

    Attributes
    ----------
    grades : mapping of target name to grade, of right gradients that were proved
    assumptions : tuple of str
        What the proofs rest on.
    obstacle : str
        Why nothing is proved, as a sentence.
    """

    grades: Mapping[str, Grade] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    obstacle: str = ""


def proofs(
    pair: Pair, right: Sequence[str], arrays: Sequence[Any], conditions: Sequence[Condition] = ()
) -> Proofs:
    """Prove right gradients equal to the derived ones.

    Proofs rest on the conditions that were met as well. What is not proved of any data is tried once more with what the
    sums of theirs are: p - y is right of such y alone.
    """
    if not right:
        return Proofs()
    program = simplify(pair.program)  # the forward runs twice
    obstacle = why_not(program.equations, conditions)
    if obstacle:
        return Proofs(obstacle=obstacle)
    loss = program.outputs[0]
    forward = replace(
        program, equations=tuple(needed(program.equations, [loss.name])), outputs=(loss,), output_units=(), structure=0
    )
    chosen = {n: target for n, target in pair.targets.items() if target[0] in right}
    try:
        derived = vjp(forward, [parameter for _, parameter in chosen.values()])
    except DerivationError:  # what cannot be proved stays as sure as it is
        return Proofs()
    pairs = [(n, name, out.name) for (n, (name, _)), out in zip(chosen.items(), derived.outputs, strict=True)]
    grades: dict[str, Grade] = {}
    rests: dict[str, None] = {}
    sums = sums_of_data(pair, arrays)
    for known in ((), sums) if sums else ((),):
        left = [one for one in pairs if one[1] not in grades]
        prover = prover_of(program, derived, arrays, known) if left else None
        if prover is None:
            break
        for n, name, cotangent in left:
            work = partial(prover.compare, program.outputs[n].name, cotangent, patience=PATIENCE)
            found = contained(f"the proof of the gradient of {name}", work, Comparison("undecided"))
            if found:
                grades[name] = "proved"
                rests |= dict.fromkeys(found.assumptions)
    return Proofs(grades, (*rests, *assumed(conditions)) if grades else ())


def why_not(equations: Iterable[Equation], conditions: Iterable[Condition]) -> str:
    """Why nothing can be proved, as a sentence: sizes that became numbers, or a statement that runs too often."""
    frozen = dict.fromkeys(condition.said for condition in conditions if condition.freezes)
    if frozen:
        return f"Nothing is proved for other sizes, since numbers stand for sizes here: {'; '.join(frozen)}."
    runs: dict[Source, set[int]] = {}
    for equation in equations:
        if equation.source is not None:
            place = equation.source.shown
            runs.setdefault(replace(place, call=0), set()).add(place.call)
    often = next((place for place, calls in runs.items() if len(calls) > MOST_RUNS), None)
    return f"Nothing is proved: line {often.line} runs more than {MOST_RUNS} times." if often else ""


def sums_of_data(pair: Pair, arrays: Sequence[Any]) -> Sums:
    """Arrays to which nothing is derived whose rows or columns sum to 1, as one-hot labels do."""
    parameters = {parameter for _, parameter in pair.targets.values()}
    known = []
    for declared, array in zip(pair.program.inputs, arrays, strict=True):
        values = np.squeeze(np.asarray(array), axis=declared.units)
        if declared.ref.name in parameters or values.dtype.kind not in "fiu" or not values.size:
            continue
        for axis in range(values.ndim):
            if values.shape[axis] > 1 and np.allclose(values.sum(axis=axis), 1, rtol=0, atol=1e-9):
                rest = declared.ref.indices[:axis] + declared.ref.indices[axis + 1 :]
                known.append((Contract(Ref("s", rest), (declared.ref,)), 1))
    return tuple(known)


def prover_of(program: Program, derived: Program, arrays: Sequence[Any], sums: Sums) -> Prover | None:
    """A prover, if what is assumed can be stated."""
    try:
        return Prover(program, derived, arrays, sums=sums)
    except UndecidedError:
        return None
