"""What a trace has written down, held against what NumPy answered: programs go in, those that agree come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..core import interpretation
from ..core.letters import combinations
from ..core.program import Opaque, Program, operands
from ..core.progress import tick
from ..core.recurrences import blocks
from ..rerolling import Rerolled
from .recorder import Note

FAR = 1e-3  # of the largest entry: what is off by less may be rounding that another order of additions makes larger
LARGEST = 100_000  # equations over more combinations of letters are not evaluated
MISREAD = "this was read as something else than NumPy did: it is kept as it was in this run"
ROUNDINGS = 1e6  # of the largest number involved; less is the doing of another order of additions


def verified(program: Program, known: Mapping[str, Any]) -> tuple[Program, tuple[Note, ...]]:
    """The program with each value that is not what it was when traced kept as the constant that it was.

    Parameters
    ----------
    program : Program
        With no idioms recognised yet: an equation a value.
    known : mapping of value name to array
        What values were in the trace, in the axes that they have in the program. Not all need be known.
    """
    wrong = disagreements(program, known)
    if not wrong:
        return program, ()
    equations = tuple(
        Opaque(e.out, tuple(operands(e)), MISREAD, e.source) if e.out.name in wrong else e for e in program.equations
    )
    notes = tuple(Note(MISREAD, e.source) for e in equations if e.out.name in wrong)
    return replace(program, equations=equations, constants={**program.constants, **wrong}), notes


def disagreements(program: Program, known: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the program says are other than they were when traced, and what they were."""
    values: dict[str, Any] = dict(program.constants)
    values |= {i.ref.name: known[i.ref.name] for i in program.inputs if i.ref.name in known}
    sizes = program.sizes
    wrong: dict[str, Any] = {}
    for equation in program.equations:
        tick()
        name = equation.out.name
        ready = not isinstance(equation, Opaque) and all(ref.name in values for ref in operands(equation))
        if ready and combinations(equation, sizes) <= LARGEST:
            values[name] = interpretation.compute(equation, values, sizes)
            if name in known and not agree(values[name], known[name], [values[r.name] for r in operands(equation)]):
                wrong[name] = known[name]
        if name in known:
            values[name] = known[name]
    return wrong


def agree(found: Any, known: Any, parts: list[Any]) -> bool:
    """Whether two values are one up to rounding; where NumPy rounds to fewer digits than we do, or to whole numbers
    of few bits, that is its rounding."""
    found, known = np.asarray(found), np.asarray(known)
    if found.shape != known.shape:
        return False
    if np.array_equal(found, known):
        return True
    kinds = [np.asarray(part).dtype for part in (*parts, known, found)]
    eps = max((float(np.finfo(kind).eps) for kind in kinds if kind.kind in "fc"), default=0.0)
    with np.errstate(all="ignore"):
        sizes = [np.abs(np.asarray(part, dtype=np.complex128)) for part in (*parts, known) if np.size(part)]
        scale = max((float(size[np.isfinite(size)].max(initial=0.0)) for size in sizes), default=0.0)
        close = np.isclose(found.astype(complex), known.astype(complex), ROUNDINGS * eps, ROUNDINGS * eps * scale, True)
    return bool(close.all())


def confirmed(made: Rerolled, known: Mapping[str, Any]) -> Rerolled | None:
    """What was rolled up, if it gives the outputs of the trace; None where rounding tells them apart, or a branch kept
    from what is not a number, as that of ``if x > 0: s += log(x)`` does: 0 times that is none either."""
    names = [declared.ref.name for declared in made.program.inputs]
    sizes = made.program.sizes
    if not all(name in known for name in names) or any(
        combinations(e, sizes) > LARGEST for e in made.program.equations):  # fmt: skip
        return made
    values = evaluated(made.program, {name: known[name] for name in names})
    parts = [*values.values(), *known.values()]
    for ref in made.program.outputs:
        found, expected = values[ref.name], known.get(ref.name)
        if expected is not None and not agree(found, expected, parts):
            is_near = np.allclose(found, expected, FAR, FAR * float(np.abs(expected).max(initial=0.0)), equal_nan=True)
            if is_near or (np.isnan(found).any() and not np.isnan(expected).any()):
                return None
            raise AssertionError(f"{ref.name} is {found}, not {expected}")
    return made


def evaluated(program: Program, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of a program."""
    values, sizes = {**program.constants, **inputs}, program.sizes
    with np.errstate(all="ignore"):
        interpretation.compute_all(blocks(program.equations), values, sizes)
    return values
