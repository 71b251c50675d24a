"""What the way through the code depended on: its conditions, its expressions of sizes, and the positions it named.

NumPy may give views at some sizes only: a reshape is a view or a copy, as the strides at hand allow. With an axis of
size 1 a transpose is contiguous, and a reshape of it a view; with two entries there it is a copy. Where a write comes
after that, and the array on the other side is read, the sizes at hand decide what it holds.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import field
from typing import Any

from ..core.dimensions import Axis, Dimensions, Memo
from ..core.program import Source
from ..core.records import dataclass
from ..rerolling import Choice
from .arithmetic import size_of
from .conditions import Condition, Kind, Meeting, conditions, only_prints, sentence
from .memory import Buffer, View
from .sizes import axes_of, froze, is_measured, key_of, named_axis, of_axis, plain, terms_of, told
from .terms import Terms, added, axes_in, rooted, settled
from .terms import key as terms_key


@dataclass(slots=True, eq=False)
class Decision:
    """A view or a copy, whichever these sizes gave.

    Attributes
    ----------
    sides : tuple of Buffer
        The memory of the array and of its reshape, which is the same one for a view.
    axes : tuple of Axis
        The dimensions that decided; none where the order in memory did alone.
    source : Source or None
    written : set of Buffer
        What was written into since.
    """

    sides: tuple[Buffer, Buffer]
    axes: tuple[Axis, ...]
    source: Source | None
    written: set[Buffer] = field(default_factory=set)


class Decisions:
    """The decisions of one trace, as long as it is not known that they matter.

    Attributes
    ----------
    mattered : bool
        Whether how an argument lies in memory may say what an array holds that was read.
    """

    def __init__(self) -> None:
        self._open: dict[Buffer, list[Decision]] = {}
        self.mattered = False

    def decided(self, array: View, made: View, axes: tuple[Axis, ...], is_view: bool) -> None:
        """A reshape was a view, or a copy; of a view, only axes with one entry could have made it one."""
        deciding = tuple(axis for axis in axes if not axis.root().literal and (axis.size < 2 or not is_view))
        if len(array.axes) > 1:
            decision = Decision((array.buffer.root, made.buffer.root), deciding, array.recorder.source())
            for side in set(decision.sides):
                self._open.setdefault(side, []).append(decision)

    def written(self, array: View) -> None:
        """An array was written into."""
        here = array.buffer.root
        for decision in self._open.get(here, ()):
            decision.written.add(here)

    def read(self, array: View) -> list[Meeting]:
        """The conditions on sizes on which it depends what an array holds that is read."""
        here = array.buffer.root
        known = [decision for decision in self._open.get(here, ()) if decision.written]
        met = [decision for decision in known if len(set(decision.sides)) == 1 or decision.written - {here}]
        if met:
            self.mattered = True
            self._open[here] = [decision for decision in self._open[here] if decision not in met]
        return [Meeting("sizes", decision.source, True, decision.axes) for decision in met if decision.axes]


HELD = frozenset({"rounds", "sizes", "taken", "caught", "given", "counted", "frozen"})
"""Kinds of conditions under which source has the sizes of this run."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two axes met in one index, but the forward keeps their dimensions apart: they are of one size by chance only.

    Each is the provisional letter with which it was read."""

    first: str
    second: str
    source: Source | None


class Way:
    """What one trace met, beside its equations.

    Attributes
    ----------
    meetings : list of Meeting
        The conditions that were met.
    sized : mapping of value name to Meeting
        The constants that count as far as a size says, and what to say of them.
    counts : mapping of value name to (begin, step)
        The constants that count along an axis, from an expression of sizes.
    choices : list of Choice
        The truth values of arrays that were asked for.
    decisions : Decisions
        The views and copies of which other sizes might make the other.
    laid : mapping of argument to how it lies in memory
    keeps_sizes : bool
        Whether expressions of sizes get letters of their own in factors; else they are numbers, which is written down.
    """

    def __init__(self, dimensions: Dimensions, source: Callable[[], Source | None]) -> None:
        self.dimensions, self.source = dimensions, source
        self.meetings: list[Meeting] = []
        self.unasked: list[tuple[Any, Source | None]] = []  # what was gone through, but not to its end, and where
        self._loops = Counter[Source | None]()  # how often a size said how often something is done
        self.sized: dict[str, Meeting] = {}
        self.counts: dict[str, tuple[Any, int]] = {}
        self.keeps_sizes = False
        self.choices: list[Choice] = []
        self.decisions, self.laid = Decisions(), dict[str, str | tuple[int, ...]]()
        self._expressions = Memo[tuple[Terms, ...], Axis](
            dimensions, lambda of: tuple(terms_key(rooted(terms)) for terms in of))
        self._parts = Memo[tuple[Axis, Any, Any], Axis](
            dimensions, lambda part: (part[0].root(), key_of(part[1]), key_of(part[2])))
        self._unclaimed: set[Axis] = set()  # expressions that are no axis of an array yet
        self._spots: list[tuple[Axis, Any, Source | None]] = []
        self.claims: dict[Hashable, tuple[Terms | None, Terms | None, Meeting]] = {}

    def met(self, kind: Kind, answer: Any, axes: tuple[Axis, ...] = (), along: Axis | None = None) -> None:
        """The way through the code depended on a condition, or a number lost the sizes that it was made of."""
        self.meetings.append(Meeting(kind, self.source(), answer, axes, along))
        self._loops[self.meetings[-1].source] += kind == "rounds"

    def gone_through(self) -> Iterator[tuple[Source | None, Axis | None]]:
        """The statement of each loop that a size counts the rounds of, and the dimension that it goes through."""
        return ((met.source, met.along) for met in self.meetings if met.kind == "rounds")

    def open_loops(
        self, statements: Collection[Hashable], branches: Collection[Hashable], is_left: Callable[[Axis, int], bool]
    ) -> None:
        """Loops are letters now: how often they run is open, and so are the places that move along with them.

        Parameters
        ----------
        statements : collection
            The places of these loops, and of the statements in them.
        branches : collection
            The places of those among them whose conditions are values of the program now.
        is_left : callable
            Whether a number still stands as a position along an axis.
        """
        def is_open(source: Source | None) -> bool:
            return source is not None and source.place in statements

        def is_value(met: Meeting) -> bool:
            return met.kind == "values" and met.source is not None and met.source.place in branches

        self.meetings = [met for met in self.meetings if not is_value(met) and (
            met.kind != "rounds" or not is_open(met.source))]  # fmt: skip
        self._spots = [(whole, place, source) for whole, place, source in self._spots
                       if not is_open(source) or is_left(whole, int(plain(place)))]

    def prints(self) -> bool:
        """Whether the statement that is being run only prints, so that nothing depends on what it says."""
        source = self.source()
        return source is not None and only_prints(source.code)

    def expression(
        self, of: tuple[Terms, ...], size: int, made: Terms | None, parts: tuple[Axis, ...]
    ) -> Axis:
        """The axis whose size is an expression of others, a sum or a quotient of two: one wherever that is computed."""
        known = self._expressions.get((len(of), size), of)
        if known is not None:
            return known
        axis = self.dimensions.new(size)
        axis.made, axis.parts = made, parts
        axis.quotient = (of[0], of[1]) if made is None else None
        self._unclaimed.add(axis)
        return self._expressions.add((len(of), size), of, axis)

    def part(self, whole: Axis, begin: Any, step: int, count: Any) -> Axis:
        """The axis of the entries begin, begin + step, … of another, which is the same for the same expressions."""
        size = int(plain(count))
        way = int(plain(begin)), step, size
        if (known := self._parts.get(way, (whole, begin, count))) is not None:
            return known
        named = named_axis(count)
        fresh = self.dimensions.new if is_measured(count) else self.dimensions.literal
        made = named if named is not None and named in self._unclaimed else fresh(size)
        self._unclaimed.discard(made)
        self._parts.add(way, (whole, begin, count), made)
        self.sized_as(made, count)
        if is_measured(count):
            self._expressions.add((1, size), (count.expanded,), made)
        self.spot(whole, begin)
        if step == 1:
            self.spot(whole, begin + count)
        return made

    def sized_as(self, axis: Axis, size: Any) -> Axis:
        """An axis whose size is an expression of others."""
        found = terms_of(size)
        if found is not None and axis.made is None and axis.parent is None and axis not in axes_in(found):
            axis.made, axis.parts = found, axes_in(found)
            self.dimensions.unions += 1  # what it is made of is known now, as if it were another one
        return axis

    def spot(self, whole: Axis, place: Any, source: Source | None = None) -> None:
        """A position along an axis is named, by a number or as an expression of sizes."""
        if is_measured(place) and place.lost:
            froze(place)
        self._spots.append((whole, place, source or self.source()))

    def identify(self, axes: Iterable[Axis]) -> None:
        """What is returned runs over the dimension of an argument where its size is that one's for every size."""
        for axis in axes:
            found = terms_of(size_of(axis)) or {}
            whole = next((whole for whole in axes_in(found) if found == {of_axis(whole): 1} and whole.place), None)
            if axis.root().parts and whole is not None:
                self.dimensions.unify(whole, axis)

    def claim(self, size: Any, other: Any, source: Source | None = None) -> None:
        """Something holds where a size is another, or a number that stands in the code."""
        if key_of(size) != key_of(other):
            axes = (*axes_of(size), *axes_of(other))
            met = Meeting("written", source or self.source(), f"{told(size)} is {told(other)}", axes)
            self.claims.setdefault(frozenset(map(key_of, (size, other))), (terms_of(size), terms_of(other), met))

    def ends(self, extent: Any, stop: Any) -> None:
        """A slice ends where an axis does: where that is not the same expression, it is so at these sizes only."""
        if key_of(stop) == key_of(extent):
            return
        if is_measured(stop) and not stop.lost and plain(stop) == plain(extent):
            self.claim(extent, stop)
        else:
            self.met("frozen", f"{told(extent)} is at most {plain(stop)}", axes_of(extent))

    def agree(self, a: Axis, b: Axis) -> None:
        """Two axes become one: where their sizes are not the same for every size, that is a claim."""
        a, b = a.root(), b.root()
        if a is not b and any(axis.literal or axis.parts for axis in (a, b)) and not (a.literal and b.literal):
            first, second = size_of(b if a.literal else a), size_of(a if a.literal else b)
            if not self._are_one(first, second):
                self.claim(first, second)

    def _are_one(self, first: Any, second: Any) -> bool:
        """Whether two dimensions that are read are one, since n + 1 and m + 1 are."""
        a, b = terms_of(first), terms_of(second)
        rest = added(a, b, -1) if a is not None and b is not None else {}
        axes = axes_in(rest)
        plain_ones = all(rest.get(of_axis(axis)) for axis in axes) and not any(axis.parts for axis in axes)
        is_difference = len(rest) == len(axes) == 2 and plain_ones and not sum(rest.values())
        return is_difference and self.dimensions.unify(*axes)

    def claimed(self) -> Iterator[Meeting]:
        """What was claimed of the sizes of arguments, each thing once."""
        for _, _, met in self.claims.values():
            if any(part.place for axis in met.axes for part in axis.sources()):
                yield met

    def coincidences(self, pinned: set[Axis]) -> Iterator[Meeting]:
        """Positions that are one at these sizes only: the last of n, and the number 5.

        Sizes that are pinned, as a loop that runs so often does, are numbers.
        """
        known: dict[tuple[Axis, int], dict[Hashable, tuple[Any, Source | None]]] = {}
        for whole, place, source in self._spots:
            found = terms_of(place)
            key = object() if found is None else terms_key(settled(found, pinned))
            known.setdefault((whole.root(), int(plain(place))), {}).setdefault(key, (place, source))
        for spots in known.values():
            if len(spots) > 1:
                for place, source in spots.values():
                    if is_measured(place):
                        yield Meeting("frozen", source, f"{told(place)} is {place.number}", axes_of(place))

    def held(self) -> Iterator[tuple[frozenset[Axis] | None, str]]:
        """The dimensions whose sizes must stay as they are where positions are numbers, and why; None for all."""
        for met in self.meetings:
            if met.kind in HELD:
                said = sentence(met.kind, met.source, [met.answer])
                yield frozenset(met.axes) if met.axes else None, said

    def positions(self) -> Iterator[tuple[Axis, Any, Source | None, bool]]:
        """The positions along axes that are expressions of sizes, and whether a number is that position only."""
        known: dict[tuple[Axis, int], set[Hashable]] = {}
        for whole, place, _ in self._spots:
            known.setdefault((whole.root(), int(plain(place))), set()).add(key_of(place))
        for whole, place, source in self._spots:
            if is_measured(place) and not place.lost:
                yield whole.root(), place, source, len(known[whole.root(), int(place.number)]) == 1

    def end(self) -> None:
        """All was run: a loop that stops by itself, as one through ``islice(x, 6)`` does, and not since an array has no
        more entries, this one or another that it goes through, says what size that array has.
        """
        unasked = Counter(source for _, source in self.unasked)
        for extent, source in self.unasked:
            if unasked[source] == self._loops[source]:
                self.claim(extent, plain(extent), source)

    def conditions(self) -> tuple[Condition, ...]:
        """What the way through the code depended on; sizes that a loop holds fast are told once."""
        pinned = {m.axes[0].root() for m in self.meetings if m.kind == "rounds" and len(m.axes) == 1}
        met = (*self.meetings, *self.claimed(), *self.coincidences(pinned))
        return tuple(conditions(m for m in met if m.kind != "counted" and (
            m.kind not in ("frozen", "sizes", "written") or not m.axes
            or not pinned.issuperset(axis.root() for axis in m.axes))))
