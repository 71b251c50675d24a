"""Jacobians by few runs: how gradients change along directions goes in, how they change with each entry comes out.

Most of what a backward makes moves only a part of each gradient: the entries of one row that row, those of one feature
the gradients of that feature. Then many entries can be shifted in one run, and what each of them has moved is known by
where it lies. Which parts those are is guessed from the first entry and the last; whether the guess was right, whoever
asks can tell by one more direction through all entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, combinations, permutations
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..core.records import dataclass

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Change = Callable[[Array], Sequence[Array]]
"""How each of some outputs changes along a direction, for a small step."""
Axes = Mapping[int, int]
"""Axes of a value, each with the axis of an output along which nothing else moves."""
UNMOVED = 1e-9
"""How little a part of an output moves that stays as it is, relative to what moves most."""


@dataclass(frozen=True)
class Plan:
    """Entries that are shifted together: all along some axes; of each output by which axes it tells them apart."""

    axes: tuple[int, ...]
    told: Mapping[int, Axes]


def jacobian(change: Change, shapes: Sequence[Shape], is_whole: bool = False) -> Array:
    """The columns of a Jacobian, for the entries of arrays of some shapes, one after the other.

    Parameters
    ----------
    change : callable
    shapes : sequence of shapes
    is_whole : bool
        Whether each entry has a run of its own, so that nothing is guessed.
    """
    ends = np.cumsum([0, *map(prod, shapes)])
    blocks = []
    for start, shape in zip(ends, shapes, strict=False):

        def along(direction: Array, start: int = start) -> Sequence[Array]:
            by = np.zeros(ends[-1])
            by[start : start + direction.size] = direction.ravel()
            return change(by)

        blocks += block(along, shape, is_whole)
    return np.array(blocks).T


def block(change: Change, shape: Shape, is_whole: bool) -> list[Array]:
    """The columns for the entries of one array."""
    size = prod(shape)
    found = {n: change(unit(shape, n)) for n in {0, size - 1} if 0 <= n < size}
    plans = [] if is_whole or size < 4 else planned(shape, found[0], found[size - 1])
    if not plans:
        found |= {n: change(unit(shape, n)) for n in range(1, size - 1)}
        return [np.concatenate([part.ravel() for part in found[n]]) for n in range(size)]
    columns = [[np.zeros_like(part) for part in found[0]] for _ in range(size)]
    for plan in plans:
        rest = tuple(1 if axis in plan.axes else length for axis, length in enumerate(shape))
        for at in np.ndindex(rest):
            together: Array = np.zeros(shape)
            together[tuple(slice(None) if axis in plan.axes else i for axis, i in enumerate(at))] = 1.0
            moved = change(together)
            for entry in np.argwhere(together):
                column = columns[int(np.ravel_multi_index(tuple(entry), shape))]
                for output, axes in plan.told.items():
                    place = [slice(None)] * moved[output].ndim
                    for axis, own in axes.items():
                        place[own] = slice(entry[axis], entry[axis] + 1)
                    column[output][tuple(place)] = moved[output][tuple(place)]
    return [np.concatenate([part.ravel() for part in column]) for column in columns]


def unit(shape: Shape, at: int) -> Array:
    """An array with one in one place."""
    made = np.zeros(shape)
    made.flat[at] = 1.0
    return made


def planned(shape: Shape, first: Sequence[Array], last: Sequence[Array]) -> list[Plan]:
    """What to shift together, from what the first and the last entry move; nothing where that saves no runs."""
    axes = [axis for axis, length in enumerate(shape) if length > 1]
    every = [some for count in range(len(axes), 0, -1) for some in combinations(axes, count)]
    told = {some: {n: found for n in range(len(first)) if (found := apart(some, shape, first[n], last[n])) is not None}
            for some in every}  # fmt: skip
    best, fewest = list[Plan](), prod(shape) - 2
    for some in chain(combinations(every, 1), combinations(every, 2)):
        runs = sum(prod(length for axis, length in enumerate(shape) if axis not in one) for one in some)
        if runs < fewest and set().union(*(told[one] for one in some)) == set(range(len(first))):
            best, fewest = [Plan(one, told[one]) for one in some], runs
    return best


def apart(axes: tuple[int, ...], shape: Shape, first: Array, last: Array) -> Axes | None:
    """The axes of an output along which entries along the axes of a value move nothing in common; None without any. Of
    an output that neither entry moves it is assumed that none does."""
    if not first.any() and not last.any():
        return {}
    for own in pairings(axes, shape, first.shape):
        if all(is_at(first, axis, 0) and is_at(last, axis, -1) for axis in own.values()):
            return own
    return None


def pairings(axes: tuple[int, ...], shape: Shape, output: Shape) -> Iterator[Axes]:
    """Axes of an output that are as long as those of a value: the last ones first, in their order."""
    for own in permutations(range(len(output)), len(axes)):
        if all(output[one] == shape[axis] for axis, one in zip(axes, own, strict=True)):
            yield dict(zip(axes, own, strict=True))


def is_at(moved: Array, axis: int, place: int) -> bool:
    """Whether an output moves at one place of an axis alone, if it does at all."""
    rest = np.delete(moved, place, axis)
    return bool(np.abs(rest).max(initial=0.0) <= UNMOVED * np.abs(moved).max(initial=0.0))
