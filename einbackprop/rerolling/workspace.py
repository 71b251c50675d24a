"""What the parts of rerolling share: a program, the rounds of its statements, the letters of loops, stacked values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.program import Bracket, Map, Program, Ref, Source
from ..core.records import dataclass
from .choices import Choices, Mask
from .grids import Counters, Grid, Path, comparison, grid_of, spread
from .stacking import Stacking, without_repeats


@dataclass(frozen=True)
class Rounded:
    """Terms on a grid: the letters of its loops, its shape, at which place each term is, and on which conditions."""

    letters: str
    shape: tuple[int, ...]
    places: tuple[int, ...]
    masks: tuple[Mask, ...] = ()

    def arranged(self, names: Sequence[object]) -> NDArray[Any]:
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
    branches : set of places
        The statements with conditions that are now factors.
    """

    program: Program
    paths: Mapping[Source, Path]
    counters: Counters
    stacking: Stacking
    choices: Choices
    branches: set[Hashable] = field(default_factory=set)

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

    def rounds(self, sources: Sequence[Source | None], *, within: bool = False) -> Rounded | None:
        """The grid of the rounds in which these runs of a statement were, and the conditions on which they were; these
        are those that ``within`` the statement were answered alike."""
        masked = self._masked(sources, within) if self.choices.are_any else None
        if masked is not None and all(mask.place is not None for mask in masked.masks):
            return masked
        grid = self.grid(sources)
        if grid is not None:
            return Rounded(grid.letters, grid.order.shape, tuple(int(n) for n in np.argsort(grid.order, axis=None)))
        return self._triangle([self.path(source) for source in sources]) or masked or self._masked(sources, within)

    def _masked(self, sources: Sequence[Source | None], within: bool) -> Rounded | None:
        """All rounds in which runs of a statement could have been, with the conditions on which they were."""
        found = self.choices.masked(sources, self.counters, within=within)
        return found and Rounded(found[0].letters, found[0].order.shape, tuple(found[1]), tuple(found[2]))

    def _triangle(self, paths: Sequence[Path]) -> Rounded | None:
        """The rounds of loops of which one begins or ends where the counter of another says."""
        found = spread(paths, self.counters) if len(paths) > 2 else None
        pattern = comparison(found[2], found[0].letters) if found is not None else None
        if found is None or pattern is None:
            return None
        grid, places, there = found
        if pattern.relation == "=":  # of a diagonal one loop says all
            along = [int(place) // there.shape[-1] for place in places]
            first = min(along)
            return Rounded(grid.letters[0], (len(along),), tuple(n - first for n in along))
        return Rounded(grid.letters, there.shape, tuple(places), (Mask(there.astype(object), True, None),))

    def conditions(self, rounds: Rounded) -> tuple[list[Ref], tuple[Bracket, ...]]:
        """The conditions on which a statement ran, as values that are 0 or 1 and as patterns in letters.

        Raises
        ------
        NotAlikeError
        """
        made = [self._condition(mask, rounds.letters) for mask in rounds.masks]
        self.branches |= {mask.place for mask in rounds.masks if mask.place is not None}
        return [one for one in made if isinstance(one, Ref)], tuple(one for one in made if isinstance(one, Bracket))

    def _condition(self, mask: Mask, letters: str) -> Ref | Bracket:
        """A condition in all rounds, as a value that is 0 or 1, or as a pattern in letters."""
        if mask.place is None:
            return comparison(*without_repeats(mask.names, letters)) or self.stacking.constant(mask.names, letters)
        there = [n for n, name in enumerate(mask.names.flat) if name is not None]
        asked = [self.stacking.defining.get(mask.names.flat[n]) for n in there]
        pattern = self.stacking.pattern(asked, mask.names.shape, letters, there, mask.answer)
        if pattern is not None:
            return pattern
        name, used = self.stacking.stacked(mask.names, letters)
        if mask.answer:
            return Ref(name, used)
        made = Ref(self.stacking.fresh(name), used)
        own = self.stacking.defining[name]
        self.stacking.defining[made.name] = Map(made, "logical_not", (Ref(name, used),), source=own.source)
        return made


def place_of(source: Source | None) -> Hashable:
    """The statement of a run."""
    return source and source.place
