"""Bindings: what has which name. The arguments and which of their arrays is which input of the program, what each
statement of the user's read and bound, observed while it ran, and what the function returned.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any
from weakref import ref

import numpy as np

from ..core import nesting
from ..core.nesting import DEEPEST, attributes_of, too_deep
from ..core.program import Contract, Source
from ..core.records import dataclass
from ..core.source import Spelling
from ..errors import TraceError
from . import arithmetic, pointwise, sizes
from .memory import At, Slice, View, Window, is_traced, laid_out, require_plain
from .pointwise import Selection
from .probes import Statement
from .recorder import Recorder, Rounds

Place = tuple[str, str, int]
"""A loop: its file, its function, and where it stands among the sites of that."""
Turns = tuple[tuple["Run", int], ...]
"""Runs of loops, outer ones first, each with how often its body had begun before."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a traced array was at one moment.

    Attributes
    ----------
    value : str
        The value in its memory.
    window, axes
        Which part of that it was, and in which order of axes.
    array : array or None
        A copy of its entries, where they are kept.
    """

    value: str
    window: Window
    axes: tuple[tuple[int, ...], ...]
    array: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """An expression of a statement, and what it held; ``rank`` as that of a ``Spelling``, ``inner`` as that of a
    ``Read``."""

    text: str
    rank: int
    held: Held
    inner: bool = False


@dataclass(slots=True, eq=False)
class Run:
    """One run of a statement, while the code runs.

    Attributes
    ----------
    statement, source, caller
    reads, binds : list of Seen
    changes : list of Seen
        The arrays that were written into, as they are after it.
    operand : Held or None
        What stands on the right of an augmented assignment, if it is an array.
    plain_operand : array or None
        The same, if it is a plain one.
    plain : dict of text to number
        The numbers that were read, where values are kept.
    constants : int
        How many constants there were when it began.
    live : list
        The traced arrays that were read, for as long as it runs.
    arrays : list
        The plain arrays that were read, which may become constants of the program.
    values : dict of site to value
        The owners and keys of targets.
    made : object
        What stands on the right of an assignment.
    loops : tuple of (Run, number)
        The loops around it in its own frame, outer ones first, each with how often its body had begun before; a lambda
        has none of those that it is written in.
    counts : dict of text to (number, step)
        The targets of a loop that were whole numbers up to now, one more each round, or one less: the first, the step.
    numbers : dict of text to int
        The whole numbers that it read in a loop.
    scalars : dict of text to number
        The numbers of Python that it read.
    generated : list of tuples of (Run, number)
        Of a loop that goes through what a generator yields: the generator's loops in each round, each with how often
        its body had begun before; empty where it has none.
    uncounted : set of text
        The targets of a loop that did not count in some run of it.
    """

    statement: Statement
    source: Source
    caller: Run | None
    reads: list[Seen] = field(default_factory=list)
    binds: list[Seen] = field(default_factory=list)
    changes: list[Seen] = field(default_factory=list)
    operand: Held | None = None
    plain_operand: Any = None
    plain: dict[str, Any] = field(default_factory=dict)
    constants: int = 0
    live: list[tuple[Seen, ref[View]]] = field(default_factory=list)
    arrays: list[tuple[Any, Any]] = field(default_factory=list)
    values: dict[int, Any] = field(default_factory=dict)
    made: Any = None
    loops: Turns = ()
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    generated: list[Turns] = field(default_factory=list)
    uncounted: set[str] = field(default_factory=set)
    _is_generated: tuple[int, bool] = (0, False)

    def count(self, target: str, value: Any, turn: int) -> None:
        """A target of a loop is bound, after so many rounds."""
        if turn == 0 and type(value) is int:
            self.counts[target] = value, 0
        elif target in self.counts:
            start, step = self.counts[target]
            step = step or (value - start if type(value) is int else 0)
            if type(value) is int and step in (1, -1) and value == start + step * turn:
                self.counts[target] = start, step
            else:  # what it goes through are data, or it leaves numbers out
                del self.counts[target]
                self.uncounted.add(target)

    @property
    def counter(self) -> str:
        """The target of a loop that counts its rounds; empty if there is none."""
        return next((target for target in self.counts if target not in self.uncounted), "")

    def number(self, turn: int) -> int:
        """The number of a round of a loop: its counter, or how often its body had begun before."""
        start, step = self.counts.get(self.counter, (0, 1))
        return start + step * turn

    @property
    def is_generated(self) -> bool:
        """Whether the rounds of a loop are those of the loops of the generator that it goes through."""
        if self._is_generated[0] != len(self.generated):
            places = [tuple((loop.place, loop.number(turn)) for loop, turn in turns) for turns in self.generated]
            loops = {tuple(loop for loop, _ in place) for place in places}
            known = len(places) > 1 and len(loops) == 1 and loops != {()} and len({*places}) == len(places)
            self._is_generated = len(self.generated), known
        return self._is_generated[1]

    @property
    def place(self) -> Place:
        """A loop: where it stands among the sites of its function."""
        return self.statement.file, self.statement.function, self.statement.site

    @property
    def rounds(self) -> tuple[tuple[Place, int], ...]:
        """The loops around it, outer ones first, each with the number of its round: those of a generator in the place
        of the loop that goes through what it yields."""
        found: list[tuple[Place, int]] = []
        known = {loop.statement.site: (loop, turn) for loop, turn in self.loops}
        for site in self.statement.loops:
            loop, turn = known.get(site, (None, 0))
            if loop is not None and loop.is_generated:
                found += ((inner.place, inner.number(number)) for inner, number in loop.generated[turn])
            else:
                own = self.statement.file, self.statement.function, site
                found.append((own, loop.number(turn) if loop is not None else 0))
        return tuple(found)

    @property
    def path(self) -> Rounds:
        """The loops around it and around the calls that it ran in, outer ones first, each with its round."""
        outer = self.caller.path if self.caller is not None else ()
        return (*outer, *((loop.source, loop.number(turn)) for loop, turn in self.loops))


@dataclass(frozen=True, slots=True)
class Access:
    """A value of a program under an expression of the user's code.

    Attributes
    ----------
    value : str
        Its name in the program.
    letters : str
        Its letters where it stands alone.
    spelling : Spelling
    origin : str
        What it was in memory: the same for all values that are one array with its axes merged in other ways.
    inner : bool
        Whether a longer expression goes on with it.
    array : array or None
        What it was, where values are kept.
    ragged : bool
        Whether it is that of all rounds of a loop of which some have none.
    """

    value: str
    letters: str
    spelling: Spelling
    origin: str = ""
    inner: bool = False
    array: Any = field(default=None, compare=False)
    ragged: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """One run of a statement: what it read, bound, and wrote into, as values of a program.

    Attributes
    ----------
    statement, source
    caller : Source or None
        The statement that called the function it stands in.
    rounds : tuple of (loop, number)
        The loops around it, by file, function and site.
    reads, binds, changes : tuple of Access
    operand : Access or None
        What stands on the right of an augmented assignment, if it is an array.
    plain : mapping of text to number
        The numbers that it read, where values are kept.
    counter : str
        The target of a loop that counts its rounds.
    numbers : mapping of text to int
        The whole numbers that it read in a loop.
    scalars : mapping of text to number
        The numbers of Python that it read.
    recurrent : bool
        Whether it stands for all rounds of a loop, and reads what is another in each: no array is at hand that is that.
    """

    statement: Statement
    source: Source
    caller: Source | None
    rounds: tuple[tuple[Place, int], ...]
    reads: tuple[Access, ...]
    binds: tuple[Access, ...]
    changes: tuple[Access, ...]
    operand: Access | None = None
    plain: Mapping[str, Any] = field(default_factory=dict)
    counter: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    recurrent: bool = False


class Resolver:
    """What was held at some moment, as values of the finished program.

    Parameters
    ----------
    recorder : Recorder
    names : mapping of recorded value to its name in the program
    letters : callable
        The letter of each stored axis of a recorded value, empty for an axis without one.
    """

    def __init__(self, recorder: Recorder, names: Mapping[str, str], letters: Any) -> None:
        self._recorder, self._names, self._letters = recorder, names, letters

    def binding(self, run: Run) -> Binding:
        """A run of a statement."""
        operand = self.accesses("", 3, run.operand)[:1] if run.operand is not None else []
        reads = [made for seen in run.reads for made in self.accesses(seen.text, seen.rank, seen.held, seen.inner)]
        return Binding(
            run.statement, run.source, run.caller.source if run.caller else None, run.rounds,
            tuple(reads), self._bound(run.binds), self._bound(run.changes),
            operand[0] if operand else None, run.plain, run.counter, run.numbers, run.scalars,
        )  # fmt: skip

    def _bound(self, seen: list[Seen]) -> tuple[Access, ...]:
        made = (access for one in seen for access in self.accesses(one.text, one.rank, one.held)[:1])
        return tuple(access for access in made if access.value)

    def accesses(self, text: str, rank: int, held: Held, inner: bool = False) -> list[Access]:
        """The values that an expression held: the one in memory, and what was made of it where axes that a reshape
        had merged became one."""
        place = in_memory(self._recorder, held)
        if place is None:
            return [self._part(text, rank, held)] if held.array is not None else []
        name, axes = place
        found = []
        for value, own in self._merged(name, axes):
            if value in self._names:
                letters = self._letters(value)
                kept = {i: n for n, i in enumerate(i for i, letter in enumerate(letters) if letter)}
                spelled = tuple(tuple(kept[i] for i in axis if i in kept) for axis in own)
                spelling = Spelling(text, spelled, rank)
                found.append(Access(self._names[value], "".join(letters), spelling, name, inner, held.array))
        return found

    def _part(self, text: str, rank: int, held: Held) -> Access:
        """What an expression held that is no value of the program, as a part of an array that is only written into."""
        lettered = [
            not (w.axis.is_unit if isinstance(w, Slice) else self._recorder.axes[held.value][i].is_unit)
            for i, w in enumerate(held.window)
        ]
        places = iter(range(len(lettered)))
        axes = tuple(tuple(next(places) for i in axis if lettered[i]) for axis in held.axes)
        return Access("", "", Spelling(text, axes, rank), array=held.array)

    def _merged(self, name: str, axes: tuple[tuple[int, ...], ...]) -> list[tuple[str, tuple[tuple[int, ...], ...]]]:
        found = [(name, axes)]
        for n, axis in enumerate(axes):
            made = self._recorder.flattened(name, axis) if len(axis) > 1 else None
            if made is not None:
                rest = [i for i in range(len(self._recorder.axes[name])) if i not in axis]
                place = {i: k for k, i in enumerate(rest)}
                moved = tuple((len(rest),) if k == n else tuple(place[i] for i in own) for k, own in enumerate(axes))
                found += self._merged(made, moved)
        return found


def in_memory(recorder: Recorder, held: Held) -> tuple[str, tuple[tuple[int, ...], ...]] | None:
    """The recorded value that an array held, and which of its stored axes each axis of the array was; None for a part
    of a value that was never read as one."""
    if not any(held.window):
        return held.value, held.axes
    gathered = recorder.gathered(held.value, held.window)
    kept = [i for i, w in enumerate(held.window) if not isinstance(w, At)]
    return None if gathered is None else (gathered, tuple(tuple(kept.index(i) for i in axis) for axis in held.axes))


def bound_by(recorder: Recorder, runs: Iterable[Run]) -> set[str]:
    """The recorded values that statements bind or write into."""
    found = set()
    for run in runs:
        for seen in (*run.binds, *run.changes):
            place = in_memory(recorder, seen.held)
            found |= {place[0]} if place is not None else set()
    return found


PLAIN = (np.ndarray, nesting.Number, np.memmap)
KINDS = "fiucb"


class Arguments:
    """The arguments of a trace: each array is one input, in every run the same.

    Attributes
    ----------
    inputs : list of (value name, path, dtype)
    """

    def __init__(self, recorder: Recorder, arguments: tuple[Any, ...], names: tuple[str, ...]) -> None:
        self.recorder, self.arguments, self._labels = recorder, arguments, names
        self.inputs: list[tuple[str, nesting.Path, str]] = []
        self._by_id: dict[int, tuple[Any, str]] = {}
        self._roots: Counter[int] = Counter()
        self._looking: dict[int, list[View]] = {}  # by the memory that they are copies of
        self._sizes: dict[int, Any] = {}
        for path, leaf in nesting.leaves(arguments):
            if said := nesting.foreign(leaf, nesting.label(names[int(str(path[0]))], path[1:])):
                raise TraceError(said)
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind in KINDS:
                require_plain(type(leaf))
                self._add(path, leaf)

    def _add(self, path: nesting.Path, leaf: Any) -> None:
        if id(leaf) in self._by_id:
            return
        name = self.recorder.fresh(map(self.recorder.dimensions.new, leaf.shape), leaf)
        label = self._labels[int(str(path[0]))] if len(path) == 1 else path[-1]
        if isinstance(label, str):
            self.recorder.names[name] = str(label)
            for n, axis in enumerate(self.recorder.axes[name]):
                axis.place = f"{label}.shape[{n}]" if leaf.ndim > 1 else f"len({label})"
        self.inputs.append((name, path, leaf.dtype.name))
        if leaf.ndim > 1:
            self.recorder.laid[name] = order_of(leaf)
        self._by_id[id(leaf)] = leaf, name
        self._roots[id(nesting.root(leaf))] += 1

    def traced(self, array: Any) -> Any:
        """A traced copy of an array: the input that it is, or else a constant."""
        own = type(array) in PLAIN or id(array) in self._by_id
        if array.dtype.kind not in KINDS or not own:  # a masked array among the globals is none that is followed
            return nesting.duplicate_array(array)
        if id(array) not in self._by_id:
            made: View = self.recorder.constant(array).copied(laid_out(array))
        else:
            name = self._by_id[id(array)][1]
            value = laid_out(array)
            # a number is no place in memory: after `s = b`, `s += 1` leaves b as it is
            value = value[()] if type(array) is nesting.Number else value
            made = self.recorder.wrap(name, [(i,) for i in range(array.ndim)], value)
        memory = id(nesting.root(array))
        looking = self._looking.setdefault(memory, [])
        looking.append(made)
        for other in looking:  # what is written into one of them changes them all
            other.buffer.shared = len(looking) > 1 or self._roots[memory] > 1
        return made

    def begin(self) -> None:
        """A function is run: what it can reach is copied anew."""
        self._looking.clear()

    def size(self, position: int, number: Any) -> Any:
        """A whole number among the arguments as a size, of an axis that the data may turn out to have."""
        if type(number) is not int or number < 1:
            return number
        if position not in self._sizes:
            axis = self.recorder.dimensions.new(number, self._labels[position])
            axis.place = self._labels[position]
            self._sizes[position] = arithmetic.size_of(axis)
        return self._sizes[position]


def order_of(array: Any) -> str | tuple[int, ...]:
    """How an array lies in memory: C, F, or its strides."""
    return "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else array.strides


@dataclass
class Returned:
    """Outputs: value names, the unit axes and the dtype of each; ``nest`` adds what a function returned.

    ``original`` gives the user's own class of one that is a copy. ``identifies`` says whether what has an argument's
    size for every size runs over its dimension.
    """

    recorder: Recorder
    names: list[str] = field(default_factory=list)
    units: list[tuple[int, ...]] = field(default_factory=list)
    dtypes: list[np.dtype[Any]] = field(default_factory=list)
    original: Callable[[type], type] = type
    identifies: bool = False

    def nest(self, value: Any, level: int = 0) -> Any:
        """The value's nesting, with the number of an output in place of each array or number."""
        if level > DEEPEST:
            raise too_deep(value)
        if type(value) is Selection:
            with self.recorder.on_the_line_of(value.mask.buffer.name):  # no statement is running any more
                value = value.picked()
        if is_output(value):
            array = pointwise.lift(self.recorder, value)
            with self.recorder.on_the_line_of(array.buffer.name):
                name, units = in_order(self.recorder, array)
            if self.identifies:
                self.recorder.identify(self.recorder.axes[name])
            self.names.append(name)
            self.units.append(units)
            self.dtypes.append(np.asarray(array.value).dtype)
            return len(self.names) - 1
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            kind: Any = self.original(type(value))
            return kind(*(self.nest(item, level + 1) for item in value))
        if isinstance(value, list | tuple):
            made = [self.nest(item, level + 1) for item in value]
            return made if isinstance(value, list) else tuple(made)
        if isinstance(value, dict):
            return {key: self.nest(item, level + 1) for key, item in value.items()}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            record: Any = object.__new__(self.original(type(value)))
            for name, item in attributes_of(value).items():
                object.__setattr__(record, name, self.nest(item, level + 1))  # frozen ones have no other way
            return record
        return value


def is_output(value: Any) -> bool:
    """Whether it is an array or a number."""
    if is_traced(value) or sizes.is_measured(value):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in KINDS
    return isinstance(value, int | float | complex | np.number | np.bool_) and not isinstance(value, bool)


def in_order(recorder: Recorder, array: View) -> tuple[str, tuple[int, ...]]:
    """The name of a value whose stored axes are the array's axes in order, and the array's unit axes."""
    x = recorder.read(array)
    for i in range(len(x.axes)):
        recorder.flatten(x, i)
    wanted = "".join(x.axes)
    name = x.ref.name
    if x.ref.indices != wanted:
        ref = x.ref
        name = recorder.emit(wanted, lambda out, source: Contract(out, (ref,), source=source), array.value)
    if array.buffer.name in recorder.names:  # transposed or merged, it is what the user called it
        recorder.names.setdefault(name, recorder.names[array.buffer.name])
    units = tuple(i for i, axis in enumerate(x.axes) if not axis or recorder.dimensions.axis(axis).is_unit)
    return name, units
