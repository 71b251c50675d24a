"""How a gradient that differs is related to the loss all the same: a multiple of its gradient, or that and a penalty.

Training code often has a sum where its loss has a mean, or a weight decay that its loss leaves out. Of a gradient ``g``
and a loss ``L``, both at states of the check, the relation is ``g = factor dL/dW + decay W``, two numbers that hold
for all values. Where one sample at a time trains the rows, or columns, of a table that belong to it, the decay is of
these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ..core.nesting import Path, duplicate, get
from ..errors import ScriptError
from ..world import Raised
from .certifying import Reference
from .draws import Drawing
from .matching import Target
from .trials import Trial
from .verdicts import Relation

STATES, DIRECTIONS = 3, 2
"""At so many states, and in so many directions at each, the two numbers explain the gradient."""
CLOSE = 1e-6
"""How far off that may be, relative to the slopes."""
EXPLAINED = 0.01
"""How much of what a gradient is off by may be left unexplained."""
ENTRIES, FEWEST = 16, 4
"""Entries of a gradient that are looked at one by one, and of how many something is said."""
SMALL = 2.0**-5
"""By how much what gradients are of is made smaller than it was drawn."""
TIMES = [2.0 ** (n / 2) for n in range(1, 8)]
"""Scales, relative to that, at which is looked at how what a gradient is off by grows."""
SEEN, LARGE = 1e-11, 0.1
"""From where on, and up to where, that is neither rounding nor as large as the gradient itself."""
EVEN = 0.2
"""By how much the order of a power may differ from one pair of scales to the next."""


def relations(trial: Trial, rng: np.random.Generator) -> dict[str, Relation]:
    """The relation of each gradient of a trial that has one, by name: not of those that are unlike the loss's."""
    slopes = _slopes_of_all(trial, _last_references(trial), rng)
    return {name: found for name, known in slopes.items() if (found := _fitted(known, explains=True)) is not None}


def multiples(trial: Trial, rng: np.random.Generator) -> set[str]:
    """The gradients that are one number times those of the loss at the last state of a trial."""
    slopes = _slopes_of_all(trial, _last_references(trial)[:1] * STATES, rng)  # as many directions as elsewhere
    fits = {name: _fitted(known) for name, known in slopes.items()}
    return {name for name, found in fits.items() if found is not None and not found.decay}


def right_when_small(trial: Trial, rng: np.random.Generator) -> set[str]:
    """The gradients that are the loss's, but for what a guard may change, where what they are of is small: at larger
    values something else acts, such as clipping, or a guard where the loss saturates.

    What vanishes as a power of the scale is a wrong term of higher order than the gradient, and nothing that acts at
    large values alone: it is there at all of them.
    """
    paths = tuple(target.path for target in trial.targets)
    states = [one.state for one in _last_references(trial)]

    def slopes_at(scale: float) -> dict[str, list[Slopes]]:
        drawn = np.random.default_rng(seed)  # the same directions at all scales
        with suppress(Raised, ScriptError):  # code may assert something about its values
            there = [Reference(trial.user.loss, at_scale(state, paths, scale), paths, drawn) for state in states]
            return _slopes_of_all(trial, there, drawn)
        return {}

    seed = int(rng.integers(2**32))
    known = [slopes_at(SMALL)]
    found = {name for name, slopes in known[0].items() if _fitted(slopes) == Relation(1.0)}
    known += [slopes_at(SMALL * times) for times in TIMES] if found else []
    return {name for name in found if not is_power([_off(slopes.get(name, ())) for slopes in known])}


def _off(slopes: Sequence[Slopes]) -> float:
    """How far a gradient is off in the drawn directions, relative to the largest slope; NaN where nothing is known."""
    scale = max((abs(one.loss) for one in slopes), default=0.0)
    return max(abs(one.said - one.loss) for one in slopes) / scale if scale else np.nan


def is_power(off: Sequence[float]) -> bool:
    """Whether what is found at scales that grow by one factor grows as a power of them, faster than the scale itself,
    between what rounding is and what is large.

    >>> scales = 2.0 ** np.arange(-5, 0)
    >>> is_power(1e-2 * scales**4), is_power(1e-8 * np.exp(9 * scales)), is_power([0, 0, 0, 0.3, 0.5])
    (True, False, False)
    """
    seen = [(a, b, c) for a, b, c in zip(off, off[1:], off[2:], strict=False) if a > SEEN and c < LARGE]
    orders = [(np.log2(b / a), np.log2(c / b)) for a, b, c in seen if b and c]
    return any(first > 0.5 and abs(second / first - 1) < EVEN for first, second in orders)


def is_mostly_right(trial: Trial, rng: np.random.Generator) -> bool:
    """Whether more than half of the entries of a gradient, as far as they are not 0, are what the loss says."""
    for reference in _last_references(trial)[:1]:
        given = trial.user.matched(trial.user.gradients(duplicate(reference.state)), reference.state).values
        for target in trial.targets:
            value = given.get(target.name)
            if target.name in trial.user.unfit or value is None or np.shape(value) != target.shape:
                continue
            size = int(np.prod(target.shape))
            places = rng.choice(size, min(ENTRIES, size), replace=False)
            pairs = [(float(np.asarray(value, float).flat[n]), _slope_at(reference, target, n)) for n in places]
            scale = max((abs(slope) for _, slope in pairs), default=0.0)
            alike = [abs(said - slope) <= CLOSE * scale for said, slope in pairs if said or slope]
            if len(alike) >= FEWEST and 2 * sum(alike) > len(alike):
                return True
    return False


def _slope_at(reference: Reference, target: Target, place: int) -> float:
    """The slope of the loss along one entry."""
    way = np.zeros(target.shape)
    way.flat[place] = 1
    return reference.slope({target.path: way}).value


def at_scale(state: Any, paths: Sequence[Path], times: float) -> Any:
    """A state in which what gradients are of is so many times as large."""
    made = Drawing.copied(state)
    for path in paths:
        get(made, path)[...] *= times
    return made


class Slopes(NamedTuple):
    """In a drawn direction: the slope that the gradient says, that of the loss, that of half the squared array, and of
    half its squared rows, or columns, that are ``read`` along an ``axis``, in which the gradient is not zero.
    """

    said: float
    loss: float
    array: float
    rows: float
    read: tuple[int, ...]
    axis: int


def _slopes_of_all(
    trial: Trial, references: Sequence[Reference], rng: np.random.Generator
) -> dict[str, list[Slopes]]:  # fmt: skip
    """The slopes of each gradient, by name."""
    targets = [target for target in trial.targets if target.name not in trial.user.unfit]
    slopes: dict[str, list[Slopes]] = {target.name: [] for target in targets}
    for reference in references:
        given = trial.user.matched(trial.user.gradients(duplicate(reference.state)), reference.state).values
        for target in targets:
            value = given.get(target.name)
            if value is not None and np.shape(value) == target.shape:
                slopes[target.name] += _slopes(reference, target, np.asarray(value, float), rng)
    return slopes


def _last_references(trial: Trial) -> list[Reference]:
    """The last references of a trial, at different states."""
    return list({id(one.state): one for one in reversed(trial.user.references)}.values())[:STATES]


def _slopes(
    reference: Reference, target: Target, given: np.ndarray, rng: np.random.Generator
) -> Iterator[Slopes]:
    """The slopes in drawn directions."""
    at = np.asarray(get(reference.state, target.path), float)
    axis, read = read_along(given)
    rows = at * np.expand_dims(read, [n for n in range(at.ndim) if n != axis])
    for _ in range(DIRECTIONS):
        way = np.asarray(rng.normal(size=target.shape))
        loss = reference.slope({target.path: way}).value
        yield Slopes(float(np.vdot(given, way)), loss, float(np.vdot(at, way)), float(np.vdot(rows, way)),
                     tuple(map(int, np.flatnonzero(read))), axis)  # fmt: skip


def read_along(gradient: np.ndarray) -> tuple[int, np.ndarray]:
    """Along which axis a gradient is zero in some places, for all of the others, and where it is not; the first axis
    where it is zero nowhere.

    >>> read_along(np.array([[0.0, 2.0], [0.0, 1.0]])), read_along(np.ones(2))
    ((1, array([False,  True])), (0, array([ True,  True])))
    """
    found = [(axis, np.asarray(gradient.any(axis=tuple(n for n in range(gradient.ndim) if n != axis))))
             for axis in range(min(gradient.ndim, 2))]  # fmt: skip
    return next((one for one in found if not one[1].all()), found[0] if found else (0, np.ones((), bool)))


def _fitted(slopes: Sequence[Slopes], *, explains: bool = False) -> Relation | None:
    """The two numbers by which all slopes are explained; None where they are not, or the factor is nothing. A gradient
    that is off by little is near its own multiples: they may have to explain by how much it is off.
    """
    if len(slopes) < STATES * DIRECTIONS or not np.all(np.isfinite([one[:4] for one in slopes])):
        return None
    said, loss, array, rows = np.array([one[:4] for one in slopes]).T
    scale = np.abs(said).max()
    near = min(CLOSE * scale, EXPLAINED * np.abs(said - loss).max() if explains else np.inf)
    same = {(one.axis, one.read) for one in slopes}
    ways = [([loss], ()), ([loss, array], ()), *([([loss, rows], slopes[0].read)] if len(same) == 1 else [])]
    for parts, read in ways:
        made = np.stack(parts, axis=1)
        numbers, *_ = np.linalg.lstsq(made, said, rcond=None)
        if scale and np.abs(made @ numbers - said).max() <= near and abs(numbers[0]) > CLOSE:
            factor, decay = (float(f"{number:.6g}") for number in (*numbers, 0.0)[:2])
            found = Relation(factor, decay, read, slopes[0].axis if read else 0)
            return None if explains and found == Relation(1.0) else found  # off by so little, it is not the loss's
    return None
