"""What verdicts rest on, in sentences: how values were drawn, the reference, sizes, proofs, and what was left out."""

from collections.abc import Iterator

import numpy as np

from einbackprop.core.progress import Progress
from einbackprop.core.visible import SHORT, first_of, ranges
from einbackprop.diagnosis.review import Review

from .comparing import DIRECTIONS, SAMPLED
from .deciding import Decision
from .draws import Drawing
from .elsewhere import Elsewhere
from .problems import Problem

MOST = 12
"""Conditions of proofs that are told."""


def assumptions(
    problem: Problem, decision: Decision, other: Elsewhere, read: Review, progress: Progress
) -> tuple[str, ...]:
    """What a report says that its verdicts rest on, a sentence or two each."""
    drawing = decision.drawing if decision.draws is not None else None
    drawn = _about_values(problem, decision, drawing) if drawing is not None else ()
    said = (*drawn, *_about_sizes(decision.read_at, other), *_about_reading(read), _about_time(progress))
    return tuple(filter(None, said))


def _about_sizes(read_at: str, other: Elsewhere) -> tuple[str, str]:
    """At which sizes was checked, and what these hide; ``read_at`` says so of sizes smaller than the user's."""
    hides, tried = "; ".join(other.hides), "; ".join(other.tried)
    said = f"Checked at other sizes as well: {tried}." if tried else ""
    if hides and tried:
        said = f"{'There' if read_at else 'At your sizes'} {hides}. Checked at others as well: {tried}."
    elif hides:
        said = f"{'They' if read_at else 'Your sizes'} can hide a mistake: {hides}."
    return read_at, said


def _about_time(progress: Progress) -> str:
    """What was left out, if the time was over."""
    left_out = ", ".join(progress.left_out)
    return f"The time of {progress.seconds:g} seconds was over; cut short or left out: {left_out}." if left_out else ""


def _about_reading(read: Review) -> tuple[str, str, str]:
    """What the proofs rest on, or why lines are not judged."""
    rests = f"Proofs rest on: {first_of(read.proofs.assumptions, MOST, SHORT)}." if read.proofs.assumptions else ""
    return rests, read.proofs.obstacle, read.note and f"{read.note}."


def _about_values(problem: Problem, decision: Decision, drawing: Drawing) -> Iterator[str]:
    """Which values were drawn or kept, and what the gradients were compared with there."""
    targets = decision.trial.targets
    count, methods = len(decision.draws or ()), decision.methods
    names = ", ".join(target.name for target in targets)
    drawn = f"{names}: drawn afresh {count} times, {drawing.parameters_are}"
    if drawing.parameters_are.startswith("your own"):
        drawn = f"{names}: {drawing.parameters_are}"
    sizes = "those of the letters in --setup are ours" if problem.elsewhere else "sizes are yours"
    yield f"{drawn}; {sizes}."
    if drawing.data:
        told = ", ".join(ranges((problem.label(path), f"({kept.words})") for path, kept in drawing.data.items()))
        yield f"Data: yours, and in one draw redrawn: {told}."
    yield from problem.notes
    if drawing.kept:
        yield f"Kept as they are: {', '.join(map(problem.label, drawing.kept))}."
    if not methods:
        return
    method = " or ".join(sorted(set(methods)))
    entries = "every entry"
    largest = max((int(np.prod(target.shape)) for target in targets), default=0)
    if set(methods) == {"complex step"} and largest > SAMPLED and decision.entries > 1:
        entries = f"every entry, in arrays of more than {SAMPLED} along {DIRECTIONS} directions in which each shows"
    elif largest > decision.entries:
        every = f"every entry; of arrays above {decision.entries} entries " if decision.entries > SAMPLED else ""
        some = min(SAMPLED, decision.entries)
        them = "of them" if every else "entries" if some > 1 else "entry"
        entries = f"{every}{some} {them} and {DIRECTIONS} random directions through all"
    checked = ", itself checked by differences" if "complex step" in methods else ""
    yield (f"Reference: {method} of the loss{checked}; {entries}. Tolerance: rounding, "
           "measured in your own code.")
