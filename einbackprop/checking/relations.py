"""How a gradient that differs is related to the loss all the same: a multiple of its gradient, or that and a penalty.

Training code often has a sum where its loss has a mean, or a weight decay that its loss leaves out. Of a gradient ``g``
and a loss ``L``, both at states of the check, the relation is ``g = factor dL/dW + decay W``, two numbers that hold
for all values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.nesting import Path, duplicate, get
from .certifying import Reference
from .draws import Drawing
from .matching import Target
from .trials import Trial
from .verdicts import Relation

STATES, DIRECTIONS = 3, 2
"""At so many states, and in so many directions at each, the two numbers explain the gradient."""
CLOSE = 1e-6
"""How far off that may be, relative to the slopes."""
SMALL = 2.0**-5
"""By how much what gradients are of is made smaller than it was drawn."""


def relations(trial: Trial, rng: np.random.Generator) -> dict[str, Relation]:
    """The relation of each gradient of a trial that has one, by name: not of those that are unlike the loss's."""
    rows = _rows(trial, _last_references(trial), rng)
    return {name: found for name, known in rows.items() if (found := _fitted(known)) is not None}


def right_when_small(trial: Trial, rng: np.random.Generator) -> set[str]:
    """The gradients that are the loss's, but for what a guard may change, where what they are of is small: at larger
    values something else acts, such as clipping, or a guard where the loss saturates.
    """
    paths = tuple(target.path for target in trial.targets)
    there = (Reference(trial.user.loss, shrunken(one.state, paths), paths, rng) for one in _last_references(trial))
    rows = _rows(trial, list(there), rng)
    return {name for name, known in rows.items() if _fitted(known) == Relation(1.0)}


def shrunken(state: Any, paths: Sequence[Path]) -> Any:
    """A state in which what gradients are of is small."""
    made = Drawing.copied(state)
    for path in paths:
        get(made, path)[...] *= SMALL
    return made


def _rows(
    trial: Trial, references: Sequence[Reference], rng: np.random.Generator
) -> dict[str, list[tuple[float, float, float]]]:
    """The slopes of each gradient, by name."""
    targets = [target for target in trial.targets if target.name not in trial.user.unfit]
    rows: dict[str, list[tuple[float, float, float]]] = {target.name: [] for target in targets}
    for reference in references:
        given = trial.user.matched(trial.user.gradients(duplicate(reference.state)), reference.state).values
        for target in targets:
            value = given.get(target.name)
            if value is not None and np.shape(value) == target.shape:
                rows[target.name] += _slopes(reference, target, np.asarray(value, float), rng)
    return rows


def _last_references(trial: Trial) -> list[Reference]:
    """The last references of a trial, at different states."""
    return list({id(one.state): one for one in reversed(trial.user.references)}.values())[:STATES]


def _slopes(
    reference: Reference, target: Target, given: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[float, float, float]]:
    """In drawn directions: the slope that the gradient says, that of the loss, and that of half the squared array."""
    at = np.asarray(get(reference.state, target.path), float)
    for _ in range(DIRECTIONS):
        way = np.asarray(rng.normal(size=target.shape))
        yield float(np.vdot(given, way)), reference.slope({target.path: way}).value, float(np.vdot(at, way))


def _fitted(rows: list[tuple[float, float, float]]) -> Relation | None:
    """The two numbers by which all slopes are explained; None where they are not, or the factor is nothing."""
    if len(rows) < STATES * DIRECTIONS or not np.all(np.isfinite(rows)):
        return None
    said, *parts = np.array(rows).T
    scale = np.abs(said).max()
    for count in (1, 2):
        made = np.stack(parts[:count], axis=1)
        numbers, *_ = np.linalg.lstsq(made, said, rcond=None)
        if scale and np.abs(made @ numbers - said).max() <= CLOSE * scale and abs(numbers[0]) > CLOSE:
            return Relation(*(float(f"{number:.6g}") for number in numbers))
    return None
