"""Grids of rounds: the links of a chain go in with the rounds in which they ran, an axis for each loop comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dimensions import FLOW_LETTERS, MORE_LETTERS, OTHER_LETTERS
from ..core.program import ONE, Dimension, Factor, Position

Path = tuple[tuple[Hashable, int], ...]
"""The loops around a statement, outer ones first, and in which round of each it ran."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of the user's code.

    Attributes
    ----------
    counter : str
        What its counter is called.
    letter : str
        A letter of the dimension that it goes through, empty where it is not known to go through one.
    """

    counter: str = ""
    letter: str = ""


class Counters:
    """The letters of counters: one for each loop and number of rounds.

    Parameters
    ----------
    dimensions : sequence of Dimension
    loops : mapping of loop to Loop
    """

    def __init__(self, dimensions: Sequence[Dimension], loops: Mapping[Hashable, Loop]) -> None:
        self.dimensions = list(dimensions)
        self._loops = loops
        self._letters: dict[tuple[Hashable, int], str] = {}

    @property
    def loops(self) -> frozenset[Hashable]:
        """The loops that have letters."""
        return frozenset(loop for loop, _ in self._letters)

    def size(self, letter: str) -> int:
        """How many values a letter has."""
        return self._of(letter).size

    def are_one(self, a: str, b: str) -> bool:
        """Whether two letters run over one dimension."""
        return b in self._of(a).letters

    def _of(self, letter: str) -> Dimension:
        return next(d for d in self.dimensions if letter in d.letters)

    def letter(self, loop: Hashable, rounds: int) -> str:
        """The letter of a loop that goes through so many rounds."""
        if (loop, rounds) not in self._letters:
            told = self._loops.get(loop, Loop())
            wished = told.counter if len(told.counter) == 1 and told.counter.isalpha() else ""
            known = self._new(wished)
            self._letters[loop, rounds] = known
            if told.letter and self.size(told.letter) == rounds:
                self._add(told.letter, known)
            else:
                self.dimensions.append(Dimension(known, rounds, told.counter if len(told.counter) > 1 else ""))
        return self._letters[loop, rounds]

    def become_one(self, a: str, b: str) -> None:
        """Two dimensions of one size are one."""
        first, second = self._of(a), self._of(b)
        if first is not second:
            self.dimensions.remove(second)
            joined = replace(first, letters=first.letters + second.letters, name=first.name or second.name)
            self.dimensions[self.dimensions.index(first)] = joined

    def another(self, letter: str, used: str) -> str:
        """A letter over the same dimension that is not used."""
        for own in self._of(letter).letters:
            if own not in used:
                return own
        made = self._new()
        self._add(letter, made)
        return made

    def _add(self, letter: str, other: str) -> None:
        """Another letter over a dimension."""
        own = self._of(letter)
        self.dimensions[self.dimensions.index(own)] = replace(own, letters=own.letters + other)

    def _new(self, wished: str = "") -> str:
        """A letter that no dimension has."""
        taken = {i for d in self.dimensions for i in d.letters}
        more = map(chr, range(MORE_LETTERS, 0x10000))
        return next(i for i in chain(wished, FLOW_LETTERS, OTHER_LETTERS, more) if i not in taken)


@dataclass(frozen=True)
class Grid:
    """Where each link of a chain stands: ``order[i, j]`` is the number of the link in the rounds i and j of two loops.

    ``letters`` has the letter of each loop, ``order`` an axis for each.
    """

    letters: str
    order: NDArray[Any]


def grid_of(paths: Sequence[Path], place: Hashable, counters: Counters) -> Grid | None:
    """The grid of links with these paths; None where rounds are missing, or run with other ones around.

    Links with the same path, as those of a comprehension are, get an axis by their order. ``place`` tells one
    statement from another.
    """
    if len(paths) < 2 or len({tuple(loop for loop, _ in path) for path in paths}) > 1:
        return None
    times: Counter[Path] = Counter()
    full: list[Path] = []
    for path in paths:
        full.append((*path, (("order", place), times[path])))
        times[path] += 1
    varying = [n for n in range(len(full[0])) if len({path[n][1] for path in full}) > 1]
    ranges = [sorted({path[n][1] for path in full}) for n in varying]
    shape = tuple(map(len, ranges))
    where = [tuple(rounds.index(path[n][1]) for n, rounds in zip(varying, ranges, strict=True)) for path in full]
    whole = all(rounds == list(range(rounds[0], rounds[0] + len(rounds))) for rounds in ranges)
    if not varying or not whole or len(set(where)) != len(full) or np.prod(shape) != len(full):
        return None
    order = np.empty(shape, dtype=int)
    for number, index in enumerate(where):
        order[index] = number
    letters = "".join(counters.letter(full[0][n][0], size) for n, size in zip(varying, shape, strict=True))
    return Grid(letters, order)


def affine(constants: NDArray[Any]) -> tuple[int, tuple[int, ...]] | None:
    """The start and the slope along each axis of whole numbers that are affine in their indices; None where not."""
    start = int(constants.flat[0])
    slopes = tuple(
        int(constants.take(1, axis).flat[0]) - start if size > 1 else 0 for axis, size in enumerate(constants.shape)
    )
    said = start + sum(s * i for s, i in zip(slopes, np.indices(constants.shape), strict=True))
    return (start, slopes) if np.array_equal(said, constants) else None


def moving(position: Position, start: int, slopes: Sequence[int], letters: str) -> Position:
    """The position with another constant, and with letters that it moves along by these slopes."""
    more = tuple((Factor.of(s) if s != 1 else ONE, i) for s, i in zip(slopes, letters, strict=True) if s)
    return Position((*position.terms, *more), start, position.pick)
