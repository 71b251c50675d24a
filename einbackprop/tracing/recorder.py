"""What a trace writes down: the equations so far, and which axes of which values are one dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dimensions import Axis, Dimensions
from ..errors import TraceError
from ..program import ONE, Bracket, Contract, Equation, Factor, Opaque, Position, Ref, Source
from .sizes import measure


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
class Slice:
    """A window along a stored axis: the entries start, start + step, …; ``axis`` is the dimension of the window."""

    start: int
    step: int
    axis: Axis


@dataclass(frozen=True, slots=True)
class At:
    """One entry along a stored axis; ``pick`` names the traced integer that says which, if one does."""

    position: int
    pick: str = ""


Window = tuple[Slice | At | None, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the reader of a trace should know, with the user's line."""

    message: str
    source: Source | None


class Buffer:
    """Memory that traced arrays share.

    Attributes
    ----------
    name : str
        The value that it holds now.
    base : Buffer or None
        The memory that NumPy shares with this one by a reshape that is read as a copy.
    stale : bool
        A write to such a copy went past this one: it can no longer be read.
    """

    __slots__ = ("base", "name", "stale")

    def __init__(self, name: str) -> None:
        self.name = name
        self.base: Buffer | None = None
        self.stale = False

    def bases(self) -> Iterator[Buffer]:
        """The memories that a write to this one should have changed too."""
        base = self.base
        while base is not None:
            yield base
            base = base.base


class View:
    """What a traced array is made of.

    Attributes
    ----------
    recorder : Recorder
    buffer : Buffer
        Views of one array share it, so that a write through one is seen through all.
    window : tuple
        For each stored axis of the buffer's value: None (whole), a ``Slice`` or an ``At``.
    axes : tuple of tuples
        Which stored axes each axis of this array carries, in order: a transpose only reorders them.
    value : array or scalar
        What it is in this run; NumPy itself keeps it right when views are written to.
    """

    __slots__ = ("axes", "buffer", "recorder", "value", "window")

    def __init__(
        self, recorder: Recorder, buffer: Buffer, window: Window, axes: tuple[tuple[int, ...], ...], value: Any
    ) -> None:
        self.recorder, self.buffer, self.window, self.axes, self.value = recorder, buffer, window, axes, value

    def like(self, axes: Iterable[tuple[int, ...]], value: Any, window: Window | None = None) -> Any:
        """Another view of the same buffer."""
        return type(self)(self.recorder, self.buffer, window or self.window, tuple(axes), value)


class Recorder:
    """The growing program of one trace.

    Attributes
    ----------
    axes : mapping of value name to its stored axes
    concrete : mapping of value name to the array it was when traced
    constants : mapping of value name to array
        The values that are neither arguments nor made from them.
    picked : mapping of value name to (value name, positions)
        What a value was picked from by index arrays, and where.
    """

    def __init__(self, kind: type[View], source: Callable[[], Source | None]) -> None:
        self._kind = kind
        self.source = source
        self.dimensions = Dimensions()
        self.equations: list[Equation] = []
        self.axes: dict[str, tuple[Axis, ...]] = {}
        self.concrete: dict[str, NDArray[Any]] = {}
        self.constants: dict[str, NDArray[Any]] = {}
        self.names: dict[str, str] = {}
        self.notes: list[Note] = []
        self.picked: dict[str, tuple[str, Any]] = {}
        self._numbers = count()
        self._gathered: dict[tuple[str, Window], str] = {}
        self._constants_by_id: dict[int, tuple[Any, View]] = {}

    # Values

    def note(self, message: str) -> None:
        """Write down what the reader should know, with the line that is being run."""
        self.notes.append(Note(message, self.source()))

    def fresh(self, axes: Sequence[Axis], value: Any) -> str:
        """A name for a new value with these stored axes."""
        name = f"v{next(self._numbers)}"
        self.axes[name] = tuple(axes)
        self.concrete[name] = value
        return name

    def constant(self, array: Any, axes: Sequence[Axis] | None = None, name: str = "") -> Any:
        """A plain array that the user's code brought along; the same object gives the same value."""
        known = self._constants_by_id.get(id(array))
        if known is not None and known[0] is array:
            return known[1]
        value = np.array(array)
        own = axes if axes is not None else [self.dimensions.new(size) for size in value.shape]
        made = self.fresh(own, value)
        self.constants[made] = value
        if name:
            self.names[made] = name
        traced = self.wrap(made, [(i,) for i in range(value.ndim)], value.copy())
        self._constants_by_id[id(array)] = (array, traced)
        return traced

    def wrap(self, name: str, axes: Sequence[tuple[int, ...]], value: Any) -> Any:
        """The traced array that holds a value, its axes made of these stored axes."""
        return self._kind(self, Buffer(name), (None,) * len(self.axes[name]), tuple(axes), value)

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
        stops = np.cumsum([len(axis) for axis in axes]).tolist()
        groups = [tuple(range(stop - len(axis), stop)) for axis, stop in zip(axes, stops, strict=True)]
        return self.wrap(name, groups, value)

    def emit(self, letters: str, equation: Callable[[Ref, Source | None], Equation], value: Any) -> str:
        """Write down an equation for a value with these stored letters; its name."""
        name = self.fresh([self.dimensions.axis(letter) for letter in letters], value)
        self.equations.append(equation(Ref(name, letters), self.source()))
        return name

    def opaque(self, operands: Sequence[View], reason: str, value: Any) -> Any:
        """What cannot be read: the value that it was, and why."""
        array = np.asarray(value)
        letters = self.letters(self.dimensions.new(size) for size in array.shape)
        refs = tuple(self.read(t).ref for t in operands)
        self.note(reason)
        made = self.define(list(letters), lambda out, source: Opaque(out, refs, reason, source), value)
        self.constants[made.buffer.name] = np.array(array)
        return made

    def factor(self, number: Any) -> Factor:
        """A scalar as a factor; sizes keep their dimension."""
        coefficient, powers = measure(number)
        return Factor(coefficient, tuple((self.dimensions.letter(axis), power) for axis, power in powers))

    # Reading

    def read(self, array: View) -> Indexed:
        """The array with fresh letters; a view of part of a buffer is gathered first, once."""
        if array.buffer.stale:
            raise TraceError("this array was written to through a reshape of it: write to the array itself")
        name, kept = array.buffer.name, list(range(len(self.axes[array.buffer.name])))
        if any(array.window):
            kept = [i for i, w in enumerate(array.window) if not isinstance(w, At)]
            key = (name, array.window)
            if key not in self._gathered:
                self._gathered[key] = self._gather(array, kept)
            name = self._gathered[key]
        letters = dict(zip(kept, self.letters(self.axes[name]), strict=True))
        return Indexed(Ref(name, "".join(letters.values())), ["".join(letters[i] for i in axis) for axis in array.axes])

    def gathered(self, array: View) -> str | None:
        """The name of the value that a partial view was read as, since the buffer was last written."""
        return self._gathered.get((array.buffer.name, array.window))

    def _gather(self, array: View, kept: Sequence[int]) -> str:
        base, out, brackets = self.window_letters(array)
        operand = Ref(array.buffer.name, base)
        return self.emit(
            "".join(out[i] for i in kept), lambda ref, source: Contract(ref, (operand,), brackets, source=source), None
        )

    def window_letters(self, array: View) -> tuple[str, dict[int, str], tuple[Bracket, ...]]:
        """Letters on the whole buffer, letters of the window by stored axis, and the brackets between the two."""
        stored = self.axes[array.buffer.name]
        base = self.letters(stored)
        out: dict[int, str] = {}
        brackets = []
        for i, (letter, window) in enumerate(zip(base, array.window, strict=True)):
            left = Position.of(letter)
            if window is None:
                out[i] = letter
            elif isinstance(window, At):
                pick = Ref(window.pick) if window.pick else None
                brackets.append(Bracket(left, "=", Position((), 0 if pick else window.position, pick)))
            else:
                out[i] = self.dimensions.letter(window.axis)
                step = Factor.of(window.step)
                brackets.append(Bracket(left, "=", Position(((step, out[i]),), window.start)))
        return base, out, tuple(brackets)

    # Aligning

    def join(self, x: Indexed, i: int, y: Indexed, j: int) -> None:
        """Make axis i of x and axis j of y one index: y takes the letters of x. A unit axis stretches."""
        a, b = x.axes[i], y.axes[j]
        if not a or not b:
            return
        if self.size(a) == 1 or self.size(b) == 1:
            if self._stretch(x, i, b) or self._stretch(y, j, a):
                return
        if len(a) != len(b) or any(self.size(p) != self.size(q) for p, q in zip(a, b, strict=True)):
            self.flatten(x, i)
            self.flatten(y, j)
            a, b = x.axes[i], y.axes[j]
        for p, q in zip(a, b, strict=True):
            self.dimensions.unify(self.dimensions.axis(p), self.dimensions.axis(q), self.source())
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
        merged = self.dimensions.letter(self.merged(letters))
        kept = [letter for letter in dict.fromkeys(x.ref.indices) if letter not in letters] + [merged]
        ref = x.ref
        bracket = Bracket(Position.of(merged), "=", self.joined(letters))
        name = self.emit(
            "".join(kept), lambda out, source: Contract(out, (ref,), (bracket,), source=source), None
        )
        x.ref = Ref(name, "".join(kept))
        x.axes[i] = merged

    def merged(self, letters: str) -> Axis:
        """The dimension of several merged."""
        parts = [self.dimensions.axis(letter) for letter in letters]
        return self.dimensions.derived(("merge",), parts, self.size(letters))

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
            if len({tuple(map(self.size, x.axes[-i])) for x in here if self.size(x.axes[-i]) > 1}) > 1:
                for x in here:
                    self.flatten(x, len(x.axes) - i)
        total = Indexed(Ref(""), [""] * rank)
        for x in read:
            for i in range(1, len(x.axes) + 1):
                self.join(total, -i, x, -i)
                total.axes[-i] = total.axes[-i] or x.axes[-i]
        return read, total.axes
