"""What the parts of rerolling share: a program, the rounds of its statements, the letters of loops, stacked values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.program import Program, Source
from .choices import Choices, Mask
from .grids import Counters, Grid, Path, grid_of
from .stacking import Stacking


@dataclass(frozen=True)
class Rounded:
    """Terms on a grid: the letters of its loops, its shape, at which place each term is, and on which conditions."""

    letters: str
    shape: tuple[int, ...]
    places: tuple[int, ...]
    masks: tuple[Mask, ...] = ()

    def arranged(self, names: Sequence[str | None]) -> NDArray[Any]:
        """One name for each term, at its place; None where there is no term."""
        made = np.full(self.shape, None, dtype=object)
        for place, name in zip(self.places, names, strict=True):
            made.flat[place] = name
        return made

    @property
    def first(self) -> int:
        """The number of the term in the first rounds."""
        return min(range(len(self.places)), key=self.places.__getitem__)


@dataclass
class Workspace:
    """A program on the way to one with letters for loops.

    Attributes
    ----------
    program : Program
    paths : mapping of Source to Path
        In which rounds of which loops each run of a statement was.
    counters : Counters
    stacking : Stacking
        The values, and those that stand for one of each round.
    choices : Choices
    """

    program: Program
    paths: Mapping[Source, Path]
    counters: Counters
    stacking: Stacking
    choices: Choices

    def __post_init__(self) -> None:
        self._runs = {(place_of(source), path): source for source, path in self.paths.items()}

    def path(self, source: Source | None) -> Path:
        """The rounds of loops in which a statement ran."""
        return self.paths.get(source, ()) if source is not None else ()

    def run(self, place: Hashable, path: Path) -> Source | None:
        """The run of a statement in these rounds."""
        return self._runs.get((place, path))

    def grid(self, sources: Sequence[Source | None]) -> Grid | None:
        """The rounds in which these runs of a statement were; None where they make no grid."""
        return grid_of([self.path(source) for source in sources], place_of(sources[0]), self.counters)

    def rounds(self, sources: Sequence[Source | None]) -> Rounded | None:
        """The grid of the rounds in which these runs of a statement were, and the conditions on which they were."""
        grid = self.grid(sources)
        if grid is not None:
            return Rounded(grid.letters, grid.order.shape, tuple(int(n) for n in np.argsort(grid.order, axis=None)))
        masked = self.choices.masked(sources, self.counters)
        return masked and Rounded(masked[0].letters, masked[0].order.shape, tuple(masked[1]), tuple(masked[2]))


def place_of(source: Source | None) -> Hashable:
    """The statement of a run."""
    return source and source.place
