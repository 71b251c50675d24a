"""Branches in loops: which truth values decided whether a statement ran in a round, so that they mask a sum.

``if m > 0: loss += m`` leaves a chain with links for some rounds only. The rounds that lack one went another way at a
condition that all rounds with a link passed alike: the chain is the sum over all rounds, times the condition.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.collecting import grouped
from ..core.program import Source
from ..core.records import dataclass
from .grids import Counters, Grid, Path, grid_of, loops_of


@dataclass(frozen=True, slots=True)
class Choice:
    """A truth value that was asked for: the statement that asked, the value of the program, and the answer."""

    source: Source
    value: str
    answer: bool


@dataclass(frozen=True)
class Mask:
    """A condition on which links of a chain exist.

    Attributes
    ----------
    names : array
        Its value in each round, None where it was not asked for; True or False where plain numbers decided.
    answer : bool
        With which there is a link.
    place : hashable
        The statement that asks; None for plain numbers.
    """

    names: NDArray[Any]
    answer: bool
    place: Hashable


Asked = tuple[int, tuple[Hashable, int], Choice]
"""When a truth value was asked for, where, and what it was."""


class Choices:
    """The truth values that were asked for in the rounds of loops.

    Parameters
    ----------
    choices : iterable of Choice
    paths : mapping of Source to Path
        In the order in which the statements ran.
    """

    def __init__(self, choices: Iterable[Choice], paths: Mapping[Source, Path]) -> None:
        self._paths = paths
        self._runs = {(source.place, path) for source, path in paths.items()}
        self._by_loops = grouped((loops_of(path), path) for path in dict.fromkeys(paths.values()))
        self._order = {source: n for n, source in enumerate(paths)}
        self._asked: dict[Path, list[Asked]] = {}
        self._all: dict[tuple[Hashable, ...], list[Path]] = {}
        times: dict[Source, int] = {}
        for choice in choices:
            if choice.source in self._order:
                times[choice.source] = times.get(choice.source, -1) + 1
                key = choice.source.place, times[choice.source]
                self._asked.setdefault(paths[choice.source], []).append((self._order[choice.source], key, choice))

    @property
    def are_any(self) -> bool:
        """Whether a truth value was asked for in a loop."""
        return bool(self._asked)

    def answers(self, source: Source | None) -> tuple[bool, ...]:
        """The truth values that a run of a statement asked for itself, as ``a if m > 0 else b`` does."""
        order = self._order.get(source) if source is not None else None
        asked = self._asked.get(self._paths[source], []) if source is not None and order is not None else []
        return tuple(choice.answer for turn, _, choice in asked if turn == order)

    def masked(
        self, sources: Sequence[Source | None], counters: Counters, *, within: bool = False
    ) -> tuple[Grid, list[int], list[Mask]] | None:  # fmt: skip
        """The grid of all rounds in which links of a chain could have been, where in it the links are, and on which
        conditions they are; None where that is not known. Links are of some runs of a statement if it asked ``within``
        which of them."""
        own = [source for source in sources if source is not None]
        paths = [self._paths.get(source, ()) for source in own]
        if len(own) < len(sources) or len(set(paths)) < len(paths) or len(paths) < 2:
            return None
        if len({loops_of(path) for path in paths}) > 1:
            return None
        rounds = self._rounds(paths)
        ways = [self._before(path, self._order[source] + within) for source, path in zip(own, paths, strict=True)]
        passed = {key: choice.answer for _, key, choice in ways[0]}
        if len(rounds) == len(paths) or any({k: c.answer for _, k, c in way} != passed for way in ways):
            return None
        asked = [{key: choice for _, key, choice in self._before(path, len(self._order))} for path in rounds]
        links = set(paths)
        if not within and any(path not in links and (own[0].place, path) in self._runs for path in rounds):
            return None  # the statement ran there as well, for something else
        ran = [path in links or any(there[key].answer != passed[key] for key in passed if key in there)
               for path, there in zip(rounds, asked, strict=True)]  # fmt: skip
        grid = grid_of(rounds, own[0].place, counters)
        if grid is None:
            return None
        masks = []
        for key, answer in passed.items():
            found = [there.get(key) for there in asked]
            if any(choice is not None and choice.answer != answer for choice in found):
                names = np.array([choice and choice.value for choice in found], dtype=object)
                masks.append(Mask(names[grid.order], answer, key[0]))
        if not all(ran):
            masks.append(Mask(np.array(ran, dtype=object)[grid.order], True, None))
        place = {number: n for n, number in enumerate(grid.order.flat)}
        return grid, [place[rounds.index(path)] for path in paths], masks

    def _rounds(self, paths: Sequence[Path]) -> list[Path]:
        """All rounds of the loops around links, those loops aside that did not go on between them."""
        first = paths[0]
        fixed = [n for n in range(len(first)) if len({path[n] for path in paths}) == 1]
        ran = self._possible(loops_of(first))
        return [path for path in ran if all(path[n] == first[n] for n in fixed)]

    def _possible(self, loops: tuple[Hashable, ...]) -> list[Path]:
        """The rounds of loops; of a loop within an ``if`` those as well that would have run."""
        if loops not in self._all:
            ran = list(self._by_loops[loops])
            for n in range(len(loops) - 1, 0, -1) if self._asked else ():
                inner = grouped((path[:n], path[n:]) for path in ran)
                within = next(iter(inner.values()))
                if any(others != within for others in inner.values()):
                    break
                missing = (path for path in self._by_loops.get(loops[:n], ()) if path not in inner)
                ran += [(*path, *rest) for path in missing for rest in within]
            self._all[loops] = ran
        return self._all[loops]

    def _before(self, path: Path, order: int) -> list[Asked]:
        """What was asked for in these rounds before something ran."""
        around = [self._asked.get(path[:n], []) for n in range(1, len(path) + 1)]
        return sorted((one for some in around for one in some if one[0] < order), key=lambda one: one[0])


class Sourced(Protocol):
    """What a run of a statement has made."""

    @property
    def source(self) -> Source | None: ...


Made = TypeVar("Made", bound=Sourced)


def answered(choices: Choices, made: Iterable[Made]) -> list[list[Made]]:
    """What runs of a statement have made, by what these answered to what they asked themselves: ``True`` first."""
    groups = grouped((choices.answers(one.source), one) for one in made)
    return [groups[answers] for answers in sorted(groups, reverse=True)]
