"""Proofs that gradients are what is derived from the loss, and what these rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from einbackprop.checking.records import Grade
from einbackprop.core.faults import contained
from einbackprop.core.program import Contract, Program, Ref
from einbackprop.core.simplification import needed, simplify
from einbackprop.derivation.accumulation import vjp
from einbackprop.diagnosis.pairs import Pair
from einbackprop.errors import DerivationError, UndecidedError
from einbackprop.proof.comparison import NOTHING, Assumptions
from einbackprop.proof.proving import Prover
from einbackprop.proof.witness import is_fixed

PATIENCE = (1000, 6000)  # terms and steps of a proof: about half a second
SEARCHED = 300  # equations: in longer programs no numbers are looked for at which a gradient that is right would differ


def proofs(
    pair: Pair, right: Sequence[str], arrays: Sequence[Any], conditions: Sequence[str] = ()
) -> tuple[dict[str, Grade], tuple[str, ...]]:
    """Prove right gradients equal to the derived ones; the grade of each, and what the proofs rest on.

    They rest on the conditions that were met as well. What is not proved of any data is tried once more with what the
    sums of theirs are: p - y is right of such y alone.
    """
    if not right:
        return {}, ()
    program = simplify(pair.program)  # the forward runs twice
    loss = program.outputs[0]
    forward = replace(
        program, equations=tuple(needed(program.equations, [loss.name])), outputs=(loss,), output_units=(), structure=0
    )
    chosen = {n: target for n, target in pair.targets.items() if target[0] in right}
    try:
        derived = vjp(forward, [parameter for _, parameter in chosen.values()])
    except DerivationError:  # what cannot be proved stays as sure as it is
        return {}, ()
    pairs = [(n, name, out.name) for (n, (name, _)), out in zip(chosen.items(), derived.outputs, strict=True)]
    grades: dict[str, Grade] = {}
    rests: dict[str, None] = {}
    sums = sums_of_data(pair, arrays)
    for assuming in (NOTHING, Assumptions(sums)) if sums else (NOTHING,):
        left = [one for one in pairs if one[1] not in grades]
        prover = prover_of(program, derived, assuming) if left else None
        if prover is None:
            break
        for n, name, cotangent in left:
            work = partial(graded, prover, program.outputs[n].name, cotangent, len(program.equations) <= SEARCHED)
            grade, assumptions = contained(f"the proof of the gradient of {name}", work, (None, ()))
            if grade is not None:
                grades[name] = grade
            rests |= dict.fromkeys(assumptions)
    return grades, (*rests, *conditions) if grades else ()


def sums_of_data(pair: Pair, arrays: Sequence[Any]) -> tuple[tuple[Contract, int], ...]:
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


def prover_of(program: Program, derived: Program, assuming: Assumptions) -> Prover | None:
    """A prover, if what is assumed can be stated."""
    try:
        return Prover(program, derived, assuming=assuming)
    except UndecidedError:
        return None


def graded(prover: Prover, name: str, cotangent: str, search: bool) -> tuple[Grade | None, tuple[str, ...]]:
    """How sure it is that a gradient is the derived one, at more sizes than those of the run; what that rests on."""
    comparison = prover.compare(name, cotangent, search=search, patience=PATIENCE)
    if comparison.verdict == "proved":
        return "proved", comparison.assumptions
    return ("exact" if comparison.exact and not any(map(is_fixed, prover.sides)) else None), ()
