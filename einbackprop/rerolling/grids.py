"""Grids of rounds: the links of a chain go in with the rounds in which they ran, an axis for each loop comes out."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.collecting import grouped
from ..core.dimensions import FLOW_LETTERS, MORE_LETTERS, OTHER_LETTERS
from ..core.program import ONE, Bracket, Contract, Dimension, Equation, Factor, Position, Relation, Source
from ..core.records import dataclass
from ..core.source import nodes_of

MOST_ROUNDS = 10_000  # of a grid that has some left out
PRIVATE = 0xE000  # the first of characters that are nobody's letters
Statement = tuple[str, str, int, int]
"""What is the same for all runs of a statement: the `place` of a source."""
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
        A letter of the dimension that it goes through, empty where it is not known to go through one; of the
        comprehensions of a statement one for each dimension.
    code : str
        Its first line.
    """

    counter: str = ""
    letter: str = ""
    code: str = ""

    @property
    def is_listed(self) -> bool:
        """Whether it goes through all that lists, or other containers, hold: no number says how often it runs."""
        return bool(self.code) and goes_through_lists(self.code)


@lru_cache(maxsize=1024)
def goes_through_lists(code: str) -> bool:
    """Whether the loops and comprehensions of a statement count nothing: no number and no ``range`` is in what they go
    through.

    Examples
    --------
    >>> goes_through_lists("for t, h in enumerate(hs):"), goes_through_lists("for t in range(6):")
    (True, False)
    """
    nodes = nodes_of(code) or []
    through = [node.iter for node in nodes if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension)]
    parts = [part for one in through for part in ast.walk(one)]
    numbers = any(isinstance(part, ast.Constant) for part in parts)
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    names |= {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return bool(through) and not numbers and not names & COUNTS


@lru_cache(maxsize=1024)
def is_cut_short(code: str) -> bool:
    """Whether a ``zip`` in a statement goes through something of a length that stands in the code.

    Examples
    --------
    >>> is_cut_short("for v, _ in zip(x, range(6)):"), is_cut_short("for v, w in zip(x, y):")
    (True, False)
    """
    calls = [node for node in nodes_of(code) or [] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return any(map(has_written_length, (part for call in calls if getattr(call.func, "id", "") == "zip"
                                        for part in call.args)))  # fmt: skip


def has_written_length(node: ast.expr) -> bool:
    """Whether an expression is a literal, or counts up to a number that is one."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return name in COUNTS and all(isinstance(one, ast.Constant) for one in node.args)
    return isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict | ast.Constant)


COUNTS = frozenset({"range", "arange", "linspace", "ndindex", "count"})


class Counters:
    """The letters of counters: one for each loop and number of rounds.

    Parameters
    ----------
    dimensions : sequence of Dimension
    loops : mapping of loop to Loop
    names : collection of str
        What values are called: no letter is, but for a counter.
    """

    def __init__(
        self, dimensions: Sequence[Dimension], loops: Mapping[Hashable, Loop], names: Collection[str] = ()
    ) -> None:  # fmt: skip
        self.dimensions = list(dimensions)
        self._loops, self._names = loops, names
        self._letters: dict[tuple[Hashable, int], str] = {}
        self._unsure: set[Hashable] = set()

    @property
    def loops(self) -> frozenset[Hashable]:
        """The loops that have letters, without those that may go through any of several dimensions of one size."""
        return frozenset(loop for loop, _ in self._letters if loop not in self._unsure)

    def loops_of(self, letters: str) -> set[Hashable]:
        """The loops that some letters count."""
        return {loop for (loop, _), letter in self._letters.items() if letter in letters}

    def partial(self, rounds: Mapping[Hashable, int]) -> Iterator[tuple[Hashable, str]]:
        """The letters of loops that have less rounds than there are."""
        for (loop, count), letter in self._letters.items():
            if rounds.get(loop, count) != count:
                yield loop, letter

    def size(self, letter: str) -> int:
        """How many values a letter has."""
        return self._of(letter).size

    def count(self, letters: str) -> int:
        """How many values some letters have together."""
        return prod(map(self.size, letters))

    def are_one(self, a: str, b: str) -> bool:
        """Whether two letters run over one dimension."""
        return b in self._of(a).letters

    def symbol(self, letter: str) -> str:
        """What is the same for the letters of all loops along one dimension, and is another for its other letters."""
        first = self._of(letter).letters[0]
        return chr(PRIVATE + ord(first)) if letter in self.by_letter else first

    def _of(self, letter: str) -> Dimension:
        return next(d for d in self.dimensions if letter in d.letters)

    def letter(self, loop: Hashable, rounds: int) -> str:
        """The letter of a loop that goes through so many rounds."""
        if (loop, rounds) not in self._letters:
            told = self._loops.get(loop, Loop())
            wished = told.counter if len(told.counter) == 1 and told.counter.isalpha() else ""
            known = self._new(wished)
            self._letters[loop, rounds] = known
            through = [letter for letter in told.letter if self.size(letter) == rounds]
            if len(through) > 1:  # as where n = m: [[x[i, j] for j in range(m)] for i in range(n)]
                self._unsure.add(loop)
            if len(through) == 1:
                self._add(through[0], known)
            elif same := self._counted_alike(told, rounds):
                self._add(same, known)
            else:
                self.dimensions.append(Dimension(known, rounds, told.counter if len(told.counter) > 1 else ""))
        return self._letters[loop, rounds]

    def _counted_alike(self, told: Loop, rounds: int) -> str:
        """The letter of another loop over as many rounds, a number in the code, that has a counter of this name."""
        for (other, count), letter in self._letters.items():
            before = self._loops.get(other, Loop())
            is_same = (count, before.counter, before.letter) == (rounds, told.counter, told.letter)
            if is_same and told.counter and any(letter in dimension.letters for dimension in self.dimensions):
                return letter
        return ""

    def wished(self, used: Collection[str], fixed: Collection[str]) -> dict[str, str]:
        """The letters that are the counters of their loops now, since no letter that is used is called so, or one that
        becomes another; all but those that are fixed."""
        table: dict[str, str] = {}
        for letter, loop in self.by_letter.items():
            counter = self._loops.get(loop, Loop()).counter
            is_letter = len(counter) == 1 and counter.isalpha() and counter not in table.values()
            if letter in used and letter not in fixed and is_letter:
                table[letter] = counter
        while blocked := [old for old, new in table.items() if new in used and new not in table]:
            for old in blocked:
                del table[old]
        return table

    @property
    def by_letter(self) -> dict[str, Hashable]:
        """The loop of each letter."""
        return {letter: loop for (loop, _), letter in self._letters.items()}

    def goes_through_an_axis(self, letter: str) -> bool:
        """Whether it is the counter of a loop that is known to go through a dimension of an array."""
        return bool(self._loops.get(self.by_letter.get(letter), Loop()).letter)

    def goes_through(self, loop: Hashable, letter: str) -> bool:
        """Whether a loop is known to go through the dimension of a letter."""
        return any(self.are_one(own, letter) for own in self._loops.get(loop, Loop()).letter)

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
        free = (i for i in chain(FLOW_LETTERS, OTHER_LETTERS, more) if i not in taken and i not in self._names)
        return wished if wished and wished not in taken else next(free)


@dataclass(frozen=True)
class Grid:
    """Where each link of a chain stands: ``order[i, j]`` is the number of the link in the rounds i and j of two loops.

    ``letters`` has the letter of each loop, ``order`` an axis for each.
    """

    letters: str
    order: NDArray[Any]


def loops_of(path: Path) -> tuple[Hashable, ...]:
    """The loops of a path, outer ones first."""
    return tuple(loop for loop, _ in path)


def spread(paths: Sequence[Path], counters: Counters) -> tuple[Grid, list[int], NDArray[Any]] | None:
    """The smallest grid that has all of these paths, where in it each of them is, and where there is one; None where
    they fill it, or are of several loops. The grid says nothing of an order."""
    if len({loops_of(path) for path in paths}) > 1 or len(set(paths)) < len(paths):
        return None
    varying = [n for n in range(len(paths[0])) if len({path[n][1] for path in paths}) > 1]
    starts = [min(path[n][1] for path in paths) for n in varying]
    shape = tuple(max(path[n][1] for path in paths) + 1 - start for n, start in zip(varying, starts, strict=True))
    if not varying or not len(paths) < prod(shape) <= MOST_ROUNDS:
        return None
    there = np.zeros(shape, dtype=bool)
    where = [tuple(path[n][1] - start for n, start in zip(varying, starts, strict=True)) for path in paths]
    for index in where:
        there[index] = True
    letters = "".join(counters.letter(paths[0][n][0], size) for n, size in zip(varying, shape, strict=True))
    places = [int(np.ravel_multi_index(index, shape)) for index in where]
    return Grid(letters, np.arange(prod(shape)).reshape(shape)), places, there


def grid_of(paths: Sequence[Path], place: Hashable, counters: Counters) -> Grid | None:
    """The grid of links with these paths; None where rounds are missing, or run with other ones around.

    Links with the same path, as those of a comprehension are, get an axis by their order. ``place`` tells one
    statement from another.
    """
    if len(paths) < 2 or len({loops_of(path) for path in paths}) > 1:
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


def taken_out(equation: Equation) -> str:
    """The array of which a value is a part; empty of other values."""
    if isinstance(equation, Contract) and len(equation.operands) == 1 and equation.brackets:
        return equation.operands[0].name
    return ""


class Rounds:
    """In which rounds of which loops values were made.

    Parameters
    ----------
    equations : iterable of Equation
    paths : mapping of Source to Path
    named : container of str
        The values that have names in the code.
    """

    def __init__(
        self, equations: Iterable[Equation], paths: Mapping[Source, Path], named: Container[str] = ()
    ) -> None:  # fmt: skip
        every = list(equations)
        made = {equation.out.name for equation in every}
        # what is taken out of an argument is counted by itself: the first round may have it from before the loop; but
        # what has a name may be no more than that in the first round, as v of 0.9 * v + g[t] is
        sources = [(e.source, taken_out(e) not in made | {""} and e.out.name not in named, e.out.name) for e in every
                   if e.source is not None and paths.get(e.source)]  # fmt: skip
        self._made = grouped((((source.place, is_taken), paths[source]), name) for source, is_taken, name in sources)
        self._at_place = grouped((place, (path, names)) for (place, path), names in self._made.items())
        self._where = {  # counted from the end: what an earlier round has taken out of an array is not taken out again
            name: (place, path, n - len(names))
            for (place, path), names in self._made.items() for n, name in enumerate(names)
        }  # fmt: skip

    def runs(self, name: str) -> list[str]:
        """The values that all runs of a statement make where one of them makes a value; empty where that is unknown."""
        if name not in self._where:
            return []
        place, _, at = self._where[name]
        return [names[at] for _, names in self._at_place[place] if -at <= len(names)]

    def _together(self, names: Iterable[str]) -> tuple[tuple[Statement, bool], list[Path], int] | None:
        """The statement that made some values, each in its own run, the runs, and where among what each made they are;
        None of others.
        """
        known = [self._where.get(name) for name in names]
        runs = {(one[0], one[2]) for one in known if one is not None}
        if None in known or len(runs) != 1:
            return None
        ((place, at),) = runs
        return place, [one[1] for one in known if one is not None], at

    def line(self, names: Sequence[str]) -> tuple[Hashable, list[str]] | None:
        """The one loop in whose rounds a statement made these values, and what it made in all of its rounds, in order;
        None where there is no such loop.
        """
        known = self._together(names)
        if known is None:
            return None
        place, paths, at = known
        path = paths[0]
        moving = {n for other in paths for n, (a, b) in enumerate(zip(other, path, strict=False)) if a != b}
        if len(moving) != 1 or any(len(other) != len(path) for other in paths):
            return None
        n = moving.pop()
        loop, rest = path[n][0], path[:n] + path[n + 1 :]
        made = {other[n]: values for other, values in self._at_place[place]
                if len(other) == len(path) and other[:n] + other[n + 1 :] == rest}
        every = [made.get((loop, number), []) for number in range(len(made))]
        return (loop, [values[at] for values in every]) if all(-at <= len(values) for values in every) else None

    def filled(self, names: NDArray[Any], loops: Sequence[Hashable]) -> NDArray[Any]:
        """The values of all rounds that ran of these loops, an axis each: some of them are given, None for the rest."""
        there = [index for index in np.ndindex(names.shape) if names[index] is not None]
        known = self._together(str(names[index]) for index in there)
        if known is None:
            return names
        place, paths, at = known
        path = paths[0]

        def moved(index: tuple[int, ...]) -> Path:
            steps = {loop: a - b for loop, a, b in zip(loops, index, there[0], strict=True)}
            return tuple((loop, number + steps.get(loop, 0)) for loop, number in path)

        if any(other != moved(index) for index, other in zip(there, paths, strict=True)):
            return names
        made, count = names.copy(), len(self._made[place, path])
        for index in np.ndindex(names.shape):
            others = self._made.get((place, moved(index)), [])
            if names[index] is None and len(others) == count:  # else the statement went another way
                made[index] = others[at]
        return made

    def shifted(self, names: NDArray[Any], axis: int, step: int) -> NDArray[Any] | None:
        """The values of all rounds, if these are those of the round before (step -1) or after it in each round.

        The values in the first round (the last one for step 1) come from before the loop, and are left out.
        """
        size = names.shape[axis]
        lines = [list(names[index]) for index in lines_along(names.shape, axis)]
        full = np.empty(names.shape, dtype=object)
        for index, line in zip(lines_along(names.shape, axis), lines, strict=True):
            inner, outer = (line[1:], line[0]) if step < 0 else (line[:-1], line[-1])
            known = [self._where.get(name) for name in inner]
            if size < 3 or any(one is None for one in known):
                return None
            places = [one for one in known if one is not None]
            loop = moving_loop([path for _, path, _ in places])
            if loop is None or len({(place, at) for place, _, at in places}) > 1:
                return None
            place, path, at = places[-1] if step < 0 else places[0]
            before = self._where.get(outer)
            if before is not None and (before[0], before[2]) == (place, at):
                return None
            after = tuple((key, number - step if key == loop else number) for key, number in path)
            others = self._made.get((place, after), [])
            if -at > len(others):
                return None
            full[index] = [*inner, others[at]] if step < 0 else [others[at], *inner]
        return full


def lines_along(shape: tuple[int, ...], axis: int) -> Iterator[tuple[Any, ...]]:
    """The indices of all lines along an axis."""
    for index in np.ndindex(shape[:axis] + shape[axis + 1 :]):
        yield (*index[:axis], slice(None), *index[axis:])


def moving_loop(paths: Sequence[Path]) -> Hashable | None:
    """The loop whose number grows by 1 from path to path while all others stay."""
    first, last = paths[0], paths[-1]
    moving = [n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b]
    if len(moving) != 1 or any(len(path) != len(first) for path in paths):
        return None
    n = moving[0]
    alike = all(path[:n] + path[n + 1 :] == first[:n] + first[n + 1 :] and path[n] == (first[n][0], first[n][1] + k)
                for k, path in enumerate(paths))  # fmt: skip
    return first[n][0] if alike else None


def affine(constants: NDArray[Any]) -> tuple[int, tuple[int, ...]] | None:
    """The start and the slope along each axis of whole numbers that are affine in their indices; None where they are
    not, or where there are too few to say: some may be None."""
    index = np.indices(constants.shape).reshape(constants.ndim, -1).T
    known = [(at, number) for at, number in zip(index, constants.flat, strict=True) if number is not None]
    points = np.array([[1, *at] for at, _ in known])
    numbers = np.array([number for _, number in known], dtype=float)
    fitted, _, rank, _ = np.linalg.lstsq(points, numbers, rcond=None)
    start, *slopes = (round(float(number)) for number in fitted)
    if rank < constants.ndim + 1 or any(points @ [start, *slopes] != numbers):
        return None
    return start, tuple(slopes)


def comparison(truth: NDArray[Any], letters: str) -> Bracket | None:
    """Which rounds of loops there are, as a comparison of two counters, or of one with a number, if it is one.

    Examples
    --------
    >>> comparison(np.array([[False, True, True], [False, False, True]]), "ij").relation  # [i<j]
    '<'
    """
    index = np.indices(truth.shape)
    sides = [(Position.of(letters[0]), index[0])]
    if truth.ndim == 1:
        sides += [(Position((), n), np.array(n)) for n in range(truth.size)]
    elif truth.ndim == 2:
        sides += [(Position.of(letters[1], constant=n), index[1] + n) for n in (0, 1, -1)]
    (one, own), *others = sides
    for other, numbers in others:
        ways: list[tuple[Position, Relation, Position, NDArray[Any]]] = [
            (one, "≠", other, own != numbers), (one, "=", other, own == numbers),
            (one, "<", other, own < numbers), (one, "≤", other, own <= numbers),
            (other, "<", one, numbers < own), (other, "≤", one, numbers <= own),
        ]  # fmt: skip
        for left, relation, right, holds in ways:
            if np.array_equal(holds, truth.astype(bool)):
                return Bracket(left, relation, right)
    return None


def moving(position: Position, start: int, slopes: Sequence[int], letters: str) -> Position:
    """The position with another constant, and with letters that it moves along by these slopes."""
    more = tuple((Factor.of(s) if s != 1 else ONE, i) for s, i in zip(slopes, letters, strict=True) if s)
    return Position((*position.terms, *more), start, position.pick)
