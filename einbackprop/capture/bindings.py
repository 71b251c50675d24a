"""Bindings: what each statement of the user's read under which name, and what it bound, observed while it ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import ref

from ..core.program import Source
from ..core.source import Spelling
from .memory import At, Slice, View, Window
from .probes import Statement

if TYPE_CHECKING:
    from .recorder import Recorder


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
    rounds : tuple of (site of a loop, round)
        The loops around it, outer ones first, each with how often its body has begun before.
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
    """

    statement: Statement
    source: Source
    caller: Run | None
    rounds: tuple[tuple[int, int], ...]
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
    """

    value: str
    letters: str
    spelling: Spelling
    origin: str = ""
    inner: bool = False
    array: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """One run of a statement: what it read, bound, and wrote into, as values of a program.

    Attributes
    ----------
    statement, source
    caller : Source or None
        The statement that called the function it stands in.
    rounds : tuple of (line of a loop, round)
    reads, binds, changes : tuple of Access
    operand : Access or None
        What stands on the right of an augmented assignment, if it is an array.
    plain : mapping of text to number
        The numbers that it read, where values are kept.
    """

    statement: Statement
    source: Source
    caller: Source | None
    rounds: tuple[tuple[int, int], ...]
    reads: tuple[Access, ...]
    binds: tuple[Access, ...]
    changes: tuple[Access, ...]
    operand: Access | None = None
    plain: Mapping[str, Any] = field(default_factory=dict)


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
            operand[0] if operand else None, run.plain,
        )  # fmt: skip

    def _bound(self, seen: list[Seen]) -> tuple[Access, ...]:
        made = (access for one in seen for access in self.accesses(one.text, one.rank, one.held)[:1])
        return tuple(access for access in made if access.value)

    def accesses(self, text: str, rank: int, held: Held, inner: bool = False) -> list[Access]:
        """The values that an expression held: the one in memory, and what was made of it where axes that a reshape
        had merged became one."""
        name, axes = held.value, held.axes
        if any(held.window):
            kept = [i for i, w in enumerate(held.window) if not isinstance(w, At)]
            gathered = self._recorder.gathered(held.value, held.window)
            if gathered is None:
                return [self._part(text, rank, held)] if held.array is not None else []
            name, axes = gathered, tuple(tuple(kept.index(i) for i in axis) for axis in axes)
        found = []
        for value, own in self._merged(name, axes):
            if value in self._names:
                letters = self._letters(value)
                place = {i: n for n, i in enumerate(i for i, letter in enumerate(letters) if letter)}
                spelled = tuple(tuple(place[i] for i in axis if i in place) for axis in own)
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


def bound_by(recorder: Recorder, runs: Iterable[Run]) -> set[str]:
    """The recorded values that statements bind or write into."""
    found = set()
    for run in runs:
        for seen in (*run.binds, *run.changes):
            held = seen.held
            name = recorder.gathered(held.value, held.window) if any(held.window) else held.value
            found |= {name} if name is not None else set()
    return found
