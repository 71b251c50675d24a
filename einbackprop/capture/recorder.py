"""What a trace writes down: the equations so far, and which axes of which values are one dimension."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dimensions import Axis, Dimensions
from ..core.letters import letters_of
from ..core.program import ONE, Bracket, Contract, Equation, Factor, Opaque, Position, Ref, Source
from ..core.progress import tick
from ..core.records import dataclass
from .arithmetic import size_of
from .conditions import Kind
from .memory import At, Buffer, Living, View, Window, as_stored
from .sizes import measure, product_of_sizes
from .way import Conflict, Way

Rounds = tuple[tuple[Source, int], ...]
"""The loops around a statement, outer ones first, each with its round."""
VERIFIED_ENTRIES = 10_000  # values of up to so many entries are kept, to hold what was written down against them


class Indexed:
    """A traced array where it is read: fresh letters on its value, and which of them each of its axes carries.

    ``axes[i]`` holds the letters of axis i: one as a rule, none for a unit axis (``newaxis``, ``keepdims``), several
    for axes that a reshape has merged (so that nothing is computed for a reshape until it must be).
    """

    __slots__ = ("axes", "ref")

    def __init__(self, ref: Ref, axes: Iterable[str]) -> None:
        self.ref, self.axes = ref, list(axes)

    def rename(self, old: str, new: str) -> None:
        """Write one letter for another, everywhere."""
        self.ref = Ref(self.ref.name, self.ref.indices.replace(old, new))
        self.axes = [axis.replace(old, new) for axis in self.axes]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the reader of a trace should know, with the user's line.

    Attributes
    ----------
    message, source
    only_here
        Whether what follows was decided by values of this run, as a branch is.
    """

    message: str
    source: Source | None
    only_here: bool = False


class Recorder(Way):
    """The growing program of one trace.

    Attributes
    ----------
    axes : mapping of value name to its stored axes
    concrete : mapping of value name to the array that it was when traced, where it is small
    made : mapping of value name to the equation that defines it
    constants : mapping of value name to array
        The values that are neither arguments nor made from them.
    names : mapping of value name to the user's name for it
    entries : mapping of value name to what an argument is called as an entry of a container: ``hs[-1]``
    picked : mapping of value name to (view, positions)
        What a value was picked from by index arrays, and which entries of it.
    homes : mapping of provisional letter to (value name, stored axis)
        Which axis a letter was read from.
    living : Living
        The traced arrays that are in use.
    viewed, ordered : bool
        Whether the order in memory said if something is a view, and whether there was a write after that.
    path : callable
        The loops around a statement that was run.
    implied : set of value names
        What follows from a write to something else: nobody misses it where it is not used.
    """

    def __init__(
        self, kind: type[View], source: Callable[[], Source | None], path: Callable[[Source | None], Rounds]
    ) -> None:  # fmt: skip
        super().__init__(Dimensions(), source)
        self.path = path
        self._kind = kind
        self.living = Living()
        self.viewed = self.ordered = False
        self.axes: dict[str, tuple[Axis, ...]] = {}
        self.concrete: dict[str, NDArray[Any]] = {}
        self.made: dict[str, Equation] = {}
        self.constants: dict[str, NDArray[Any]] = {}
        self.names: dict[str, str] = {}
        self.entries: dict[str, str] = {}
        self.homes: dict[str, tuple[str, int]] = {}
        self.implied: set[str] = set()
        self.notes: list[Note] = []
        self.frozen: dict[str, Note] = {}
        self.conflicts: list[Conflict] = []
        self.picked: dict[str, tuple[View, Any]] = {}
        self._numbers = count()
        self._gathered: dict[tuple[str, Window], str] = {}
        self._flattened: dict[tuple[str, tuple[int, ...]], str] = {}
        self._aside = False
        self._known: dict[int, tuple[Any, View]] = {}

    @property
    def equations(self) -> list[Equation]:
        """What was written down, in order."""
        return list(self.made.values())

    # Values

    def note(self, message: str, *, only_here: bool = False, kind: Kind = "taken", answer: Any = None) -> None:
        """Write down what the reader should know, with the line that is being run."""
        self.notes.append(Note(message, self.source(), only_here))
        if only_here:
            self.met(kind, answer)

    def kept(self, array: Any, message: str) -> Any:
        """A constant that was made from values of this run, and a note that says so."""
        self.note(message, only_here=True)
        made = self.constant(array)
        self.frozen[made.buffer.name] = self.notes[-1]
        return made

    def fresh(self, axes: Iterable[Axis], value: Any = None) -> str:
        """A name for a new value with these stored axes; ``value`` is what it is now, where that is known."""
        name = f"v{next(self._numbers)}"
        self.axes[name] = tuple(axes)
        if value is not None and np.size(value) <= VERIFIED_ENTRIES:
            self.concrete[name] = np.array(value)
        return name

    def constant(self, array: Any, axes: Sequence[Axis] | None = None, *, in_code: bool = False) -> Any:
        """A plain array that the user's code brought along; the same object is the same value, until it is changed.

        ``in_code``: the code that is read made it, so that its sizes are numbers that stand there.

        What is returned shares the plain array: where the user's code may write into it, give out ``copied``.
        """
        known = self._known.get(id(array))
        if known is not None and known[0] is array:
            before = self.constants[known[1].buffer.name]
            if before.tobytes() == array.tobytes():
                return known[1]
        own = axes or list(map(self.dimensions.literal if in_code else self.dimensions.new, np.shape(array)))
        made = self.fresh(own, array)
        self.constants[made] = np.array(array)
        traced = self.wrap(made, [(i,) for i in range(len(own))], array)
        self._known[id(array)] = (array, traced)
        return traced

    def constant_of(self, array: Any, since: int) -> str | None:
        """The name of the constant that a plain array became, or that a list became which was read since there were
        so many constants."""
        known = self._known.get(id(array))
        if known is not None and known[0] is array:
            return str(known[1].buffer.name)
        if isinstance(array, list):
            for name in list(self.constants)[since:]:
                if np.array_equal(self.constants[name], array):
                    return name
        return None

    def wrap(self, name: str, axes: Iterable[tuple[int, ...]], value: Any) -> Any:
        """The traced array that holds a value, its axes made of these stored axes."""
        return self._kind(self, Buffer(name), (None,) * len(self.axes[name]), axes, value)

    def letters(self, axes: Iterable[Axis]) -> str:
        """Fresh letters over these dimensions."""
        return "".join(map(self.dimensions.letter, axes))

    def size(self, letters: str) -> int:
        """The size of an axis that carries these letters."""
        return prod(self.dimensions.axis(letter).size for letter in letters)

    def define(self, axes: Sequence[str], equation: Callable[[Ref, Source | None], Equation], value: Any) -> Any:
        """Write down an equation, and give the traced array that it defines.

        Parameters
        ----------
        axes : sequence of str
            The letters of each axis of the result.
        equation : callable
            Makes the equation for ``out`` and the user's line.
        value : array
            What it was, for this run.
        """
        name = self.emit("".join(axes), equation, value)
        groups: list[tuple[int, ...]] = []
        start = 0
        for axis in axes:
            groups.append(tuple(range(start, start + len(axis))))
            start += len(axis)
        return self.wrap(name, groups, value)

    def emit(self, letters: str, equation: Callable[[Ref, Source | None], Equation], value: Any = None) -> str:
        """Write down an equation for a value with these stored letters; its name."""
        tick()
        name = self.fresh(map(self.dimensions.axis, letters), value)
        self.made[name] = equation(Ref(name, letters), self.source())
        if self._aside:
            self.implied.add(name)
        return name

    @contextmanager
    def on_the_line_of(self, name: str) -> Iterator[None]:
        """What is written down meanwhile belongs to the line that made a value."""
        before, made = self.source, self.made.get(name)
        if made is not None:
            self.source = lambda: made.source
        try:
            yield
        finally:
            self.source = before

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is written down meanwhile is implied."""
        before, self._aside = self._aside, True
        try:
            yield
        finally:
            self._aside = before

    def axis_of_rounds(self, names: Sequence[str]) -> Axis | None:
        """The axis along which values are put together that the rounds of a loop made, one each and in order, after
        those of some values that were there before; None where that is not so.

        A loop goes through a dimension of its own, and what it collects has that one.
        """
        paths = [self.path(made.source if (made := self.made.get(name)) else None) for name in names]
        last = paths[-1] if paths else ()
        dimensions = {id(source): along for source, along in self.gone_through()}
        for depth, (loop, _) in enumerate(last):
            through = dimensions.get(id(loop))
            before = len(names) - (through.size if through is not None else 0)
            inside = [path[depth] for path in paths[max(before, 0) :] if path[:depth] == last[:depth] and path[depth:]]
            rounds = [number for source, number in inside if source is loop]
            steps = {after - number for number, after in pairwise(rounds)}
            if through is not None and before >= 0 and len(rounds) == through.size > 1 and steps in ({1}, {-1}):
                whole = self.dimensions.derived(("rounds", before), [through], len(names)) if before else through
                return self.sized_as(whole, size_of(through) + before) if before else through.root()
        return None

    def opaque(self, arrays: Sequence[View], reason: str, value: Any) -> Any:
        """What cannot be read: the value that it was, and why."""
        self.note(reason)
        self.met("counted", reason)
        return self.opaque_aside(arrays, reason, value)

    def opaque_aside(self, arrays: Sequence[View], reason: str, value: Any) -> Any:
        """The same of what a call gives besides, and nobody may ask for: nothing is said of it."""
        letters = self.letters(map(self.dimensions.new, np.shape(value)))
        refs = tuple(self.read(array).ref for array in arrays)
        made = self.define(list(letters), lambda out, source: Opaque(out, refs, reason, source), value)
        self.constants[made.buffer.name] = np.array(value)
        return made

    def factor(self, number: Any) -> Factor:
        """A scalar as a factor; sizes keep their dimension."""
        coefficient, powers = measure(number)
        return Factor(coefficient, tuple((self.dimensions.letter(axis), power) for axis, power in powers))

    # Reading

    def current(self, buffer: Buffer) -> str:
        """The value that memory holds now; one that follows from another is read again if that was written to."""
        derived = buffer.derived
        if derived is not None:
            base = self.current(derived.base.buffer)
            if derived.seen != base:
                buffer.name, derived.seen = derived.read(), base
        return buffer.name

    def read(self, array: View) -> Indexed:
        """The array with fresh letters; a view of part of a buffer is gathered first, once."""
        self.meetings += self.decisions.read(array)
        name = self.current(array.buffer)
        kept = list(range(len(self.axes[name])))
        if any(array.window):
            kept = [i for i, w in enumerate(array.window) if not isinstance(w, At)]
            key = (name, array.window)
            if key not in self._gathered:
                self._gathered[key] = self._gather(array, kept)
            name = self._gathered[key]
        if name not in self.concrete and np.size(array.value) <= VERIFIED_ENTRIES:
            value = as_stored(array, kept, [axis.size for axis in self.axes[name]])
            self.concrete |= {name: value} if value is not None else {}  # what a write made, as NumPy wrote it
        letters = self.letters(self.axes[name])
        self.homes |= {letter: (name, i) for i, letter in enumerate(letters)}
        by_stored = dict(zip(kept, letters, strict=True))
        return Indexed(Ref(name, letters), ["".join(by_stored[i] for i in axis) for axis in array.axes])

    def gathered(self, name: str, window: Window) -> str | None:
        """The name of the value that a part of a value was read as."""
        return self._gathered.get((name, window))

    def flattened(self, name: str, axes: tuple[int, ...]) -> str | None:
        """The name of the value in which some stored axes of a value became one."""
        return self._flattened.get((name, axes))

    def _gather(self, array: View, kept: Sequence[int]) -> str:
        base, out, brackets = self.window_letters(array)
        operand = Ref(array.buffer.name, base)
        return self.emit(
            "".join(out[i] for i in kept), lambda ref, source: Contract(ref, (operand,), brackets, source=source)
        )

    def window_letters(self, array: View) -> tuple[str, dict[int, str], tuple[Bracket, ...]]:
        """Letters on the whole buffer, letters of the window by stored axis, and the brackets between the two."""
        base = self.letters(self.axes[self.current(array.buffer)])
        out: dict[int, str] = {}
        brackets = []
        for i, (letter, window) in enumerate(zip(base, array.window, strict=True)):
            left = Position.of(letter)
            if window is None:
                out[i] = letter
            elif isinstance(window, At):
                pick = Ref(window.pick) if window.pick else None
                brackets.append(Bracket(left, "=", Position((), window.start if pick else window.position, pick)))
            else:
                out[i] = self.dimensions.letter(window.axis)
                step = Factor.of(window.step)
                brackets.append(Bracket(left, "=", Position(((step, out[i]),), window.start)))
        return base, out, tuple(brackets)

    def settle(self) -> None:
        """What was written down so far is the forward: its dimensions are what later ones are held against."""
        letters = {letter for equation in self.made.values() for letter in letters_of(equation)}
        self.dimensions.settle(map(self.dimensions.axis, letters))

    # Aligning

    def unify(self, p: str, q: str) -> None:
        """Say that two letters range over one dimension; where the forward says otherwise, that is a conflict."""
        first, second = self.dimensions.axis(p), self.dimensions.axis(q)
        self.agree(first, second)
        if not self.dimensions.unify(first, second):
            self.conflicts.append(Conflict(p, q, self.source()))

    def join(self, x: Indexed, i: int, y: Indexed, j: int) -> None:
        """Make axis i of x and axis j of y one index: y takes the letters of x. A unit axis stretches."""
        a, b = x.axes[i], y.axes[j]
        if not a or not b:
            return
        if (self.size(a) == 1 or self.size(b) == 1) and (self._stretch(x, i, b) or self._stretch(y, j, a)):
            return
        if len(a) != len(b) or any(self.size(p) != self.size(q) for p, q in zip(a, b, strict=True)):
            self.flatten(x, i)
            self.flatten(y, j)
            a, b = x.axes[i], y.axes[j]
        for p, q in zip(a, b, strict=True):
            if p != q:
                self.unify(p, q)
                y.rename(q, p)

    def _stretch(self, x: Indexed, i: int, other: str) -> bool:
        """Whether axis i of x has size 1 and stretches; it is a unit axis then, and loses its letters."""
        own = [self.dimensions.axis(letter) for letter in x.axes[i]]
        if self.size(x.axes[i]) != 1 or (self.size(other) == 1 and not any(axis.unit for axis in own)):
            return False
        for axis in own:
            axis.unit = True
        x.axes[i] = ""
        return True

    def flatten(self, x: Indexed, i: int) -> None:
        """Give axis i of x, which carries several letters, one letter of its own."""
        letters = x.axes[i]
        if len(letters) <= 1:
            return
        ref = x.ref
        merged = self.dimensions.letter(self.merged(letters))
        kept = "".join([letter for letter in dict.fromkeys(ref.indices) if letter not in letters] + [merged])
        key = (ref.name, tuple(map(ref.indices.index, letters)))
        distinct = len(set(ref.indices)) == len(ref.indices)
        if not distinct or key not in self._flattened:
            bracket = Bracket(Position.of(merged), "=", self.joined(letters))
            name = self.emit(kept, lambda out, source: Contract(out, (ref,), (bracket,), source=source))
            if distinct:
                self._flattened[key] = name
        else:
            name = self._flattened[key]
        x.ref = Ref(name, kept)
        x.axes[i] = merged

    def own_letter(self, x: Indexed, i: int) -> None:
        """Give axis i of x exactly one letter, a unit axis too."""
        if not x.axes[i]:
            x.axes[i] = self.dimensions.letter(self.dimensions.literal(1))
        self.flatten(x, i)

    def merged(self, letters: str) -> Axis:
        """The dimension of several merged."""
        parts = [self.dimensions.axis(letter) for letter in letters]
        return self.sized_as(self.dimensions.derived(("merge",), parts, self.size(letters)), self.extent(letters))

    def extent(self, letters: str) -> Any:
        """How many entries an axis that carries these letters has."""
        return product_of_sizes(size_of(self.dimensions.axis(letter)) for letter in letters)

    def joined(self, letters: str) -> Position:
        """The position along a merged axis: ``h·E + e``."""
        terms = []
        for n, letter in enumerate(letters):
            sizes = [(self.dimensions.letter(self.dimensions.axis(later)), 1) for later in letters[n + 1 :]]
            terms.append((Factor(ONE.number, tuple(sizes)), letter))
        return Position(tuple(terms))

    def broadcast(self, arrays: Sequence[View]) -> tuple[list[Indexed], list[str]]:
        """Read arrays aligned as NumPy aligns them; the letters of each axis of the result."""
        read = [self.read(array) for array in arrays]
        rank = max((len(x.axes) for x in read), default=0)
        for i in range(1, rank + 1):
            here = [x for x in read if i <= len(x.axes) and x.axes[-i]]
            if any(len(x.axes[-i]) > 1 for x in here) and len({tuple(map(self.size, x.axes[-i])) for x in here}) > 1:
                for x in here:
                    self.flatten(x, len(x.axes) - i)
        total = Indexed(Ref(""), [""] * rank)
        for x in read:
            for i in range(1, len(x.axes) + 1):
                self.join(total, -i, x, -i)
                total.axes[-i] = total.axes[-i] or x.axes[-i]
        return read, total.axes
