"""Probes: what the calls in the code of a function of the user's tell of it while it runs.

A site says what a probe stands for: a statement, what it binds, or an expression that it reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.nesting import attributes_of
from ..core.records import dataclass
from .arithmetic import Measured
from .memory import is_traced
from .sizes import plain


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement binds.

    Attributes
    ----------
    text : str
        As it stands in the code.
    label : str
        What a person calls it: the name, the attribute, the name of the container.
    path : tuple of int
        Where it stands in the tuple on the left.
    name : bool
        Whether it is a plain name.
    base, key : int
        The reads of what an entry or an attribute belongs to, and of the entry's key; -1 where there is none.
    last : bool
        Whether it is the last entry of a list, which ``append`` adds.
    """

    text: str
    label: str
    path: tuple[int, ...] = ()
    name: bool = True
    base: int = -1
    key: int = -1
    last: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement of the user's: where it stands, what it says, and what it binds.

    Attributes
    ----------
    kind : str
        The class of its syntax tree: ``Assign``, ``AugAssign``, ``Return``, ``For``, …
    operator : str
        Of an augmented assignment: ``-=``.
    operand : str
        What stands on the right of an augmented assignment.
    loops : tuple of int
        The places of the loops around it among the sites of its function.
    site : int
        Its own place there, if it is a loop; -1 if not.
    """

    file: str
    function: str
    line: int
    column: int
    code: str
    kind: str
    targets: tuple[Target, ...] = ()
    operator: str = ""
    operand: str = ""
    loops: tuple[int, ...] = ()
    site: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """An expression that is read.

    Attributes
    ----------
    text : str
        As it stands in the code, in parentheses where an index could not follow it.
    rank : int
        As that of a ``Spelling``.
    label : str
        What a person calls it, where it has a name.
    whole : bool
        Whether what a container holds is read with it.
    bound : str
        The name that it binds, as ``(n := x)`` does.
    kept : bool
        Whether it is what a target belongs to, or a key.
    owner, key : str and int
        Of an entry that is picked by what a comprehension or a lambda binds: what it belongs to, and the read of its
        key.
    inner : bool
        Whether a longer expression goes on with it, as ``x.T`` does with ``x``.
    """

    text: str
    rank: int
    label: str = ""
    whole: bool = False
    bound: str = ""
    kept: bool = False
    owner: str = ""
    key: int = -1
    inner: bool = False


Site = Statement | Read


if TYPE_CHECKING:
    from .bindings import Run
    from .observation import Frame, Observer

MOST = 100  # entries of a container that are looked at
FAR = 1000  # what is in a container is called after it only where nothing else gives it a name
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
CONTAINERS = (list, tuple, dict)
NUMBERS = (int, float, complex, Measured, np.generic, np.ndarray)
KEPT = (*CONTAINERS, *NUMBERS)
SCALARS = (int, float, np.integer, np.floating, Measured)


def name_of_key(label: str, key: Any) -> str:
    """``grads['dW1']`` is dW1, ``hs[3]`` is hs_3."""
    return key if type(key) is str and key.isidentifier() else f"{label}_{key}"


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """The keys or positions of a list, tuple or dict, and its entries; no code of the user's is run."""
    kind = type(value)
    for own in (list, tuple):
        if issubclass(kind, own):
            return list(enumerate(own.__iter__(value))) if own.__len__(value) < MOST else []
    if issubclass(kind, dict):
        return list(dict.items(value)) if dict.__len__(value) < MOST else []
    return []


def entries(text: str, value: Any, depth: int = 3) -> Iterator[tuple[str, Any]]:
    """The entries of a list, tuple or dict, and of those in it, each as an expression of the code."""
    for key, item in items_of(value) if depth else ():
        if type(key) in (int, str):
            own = entry_text(text, key)
            yield own, item
            yield from entries(own, item, depth - 1)


def entry_text(text: str, key: int | str) -> str:
    """The expression for an entry of a container."""
    plain = type(key) is str and key.isprintable() and not set('"\\') & set(key)
    return f'{text}["{key}"]' if plain else f"{text}[{key!r}]"


class Probes:
    """What the probes in the code of one file call; its ``sites`` say what their numbers stand for."""

    def __init__(self, observer: Observer, sites: tuple[Site, ...]) -> None:
        self._observer, self._sites = observer, sites

    def _frame(self, frame: FrameType) -> Frame:
        known = self._observer.frames.get(id(frame))
        return known if known is not None and known.code is frame.f_code else self._observer.enter(frame)

    def _run(self, frame: FrameType) -> Run:
        """The statement that is being run in a frame."""
        run = self._frame(frame).run
        assert run is not None
        return run

    def _statement(self, site: int) -> Statement:
        found = self._sites[site]
        assert isinstance(found, Statement)
        return found

    def enters(self) -> None:
        """A function begins."""
        self._observer.enter(sys._getframe(1))

    def opens(self, site: int) -> None:
        """A lambda begins: part of the statement that calls it, if one does."""
        frame = sys._getframe(1)
        self._observer.frames.pop(id(frame), None)
        if self._observer.run_of(frame) is None:
            self._observer.start(self._statement(site), self._observer.enter(frame))

    def starts(self, site: int) -> None:
        """A statement begins."""
        frame, statement = self._frame(sys._getframe(1)), self._statement(site)
        self._observer.start(statement, frame)
        if statement.kind in ("For", "While"):
            frame.rounds[site], frame.loops[site] = -1, self._run(sys._getframe(1))

    def round(self, site: int, *names: Any) -> None:
        """The body of a loop begins."""
        frame = self._frame(sys._getframe(1))
        frame.rounds[site] += 1
        run = frame.loops[site]
        run.generated.append(self._observer.yielding(run))
        for target, value in zip((t for t in run.statement.targets if t.name), names, strict=True):
            if frame.rounds[site] == 0:
                self._observer.bound(run, target.text, value, rank=1)
            run.count(target.text, value, frame.rounds[site])
            self._observer.bind(value, target.label, frame.depth)

    def read(self, site: int, value: Any) -> Any:
        """An expression is read."""
        traced = is_traced(value)
        seen = self._sites[site]
        assert isinstance(seen, Read)
        kind = type(value)  # `isinstance` may run code of the user's
        if not traced and not seen.kept and not issubclass(kind, KEPT):
            return value
        run = self._observer.run_of(sys._getframe(1))
        if run is None:
            return value
        if seen.kept:
            run.values[site] = value
        if traced:
            key = run.values.get(seen.key)
            if type(key) is str or type(key) is int:
                self._observer.saw(run, entry_text(seen.owner, key), 1, value, seen.inner)
            else:
                self._observer.saw(run, seen.text, seen.rank, value, seen.inner)
            if seen.bound:
                self._observer.bound(run, seen.text, value)
                self._observer.bind(value, seen.bound, self._depth())
        elif issubclass(kind, CONTAINERS):
            if kind is list and not any(map(is_traced, value)):
                run.arrays.append((seen, value))
            for text, item in entries(seen.text, value) if seen.whole else ():
                if is_traced(item):
                    self._observer.saw(run, text, max(seen.rank, 1), item)
        elif issubclass(kind, np.ndarray):
            run.arrays.append((seen, value))
        if run.loops and kind is int:
            run.numbers.setdefault(seen.text, value)
        if issubclass(kind, SCALARS):
            run.scalars.setdefault(seen.text, plain(value))
        if not traced and issubclass(kind, NUMBERS) and self._observer.keeps_values:
            run.plain.setdefault(seen.text, np.array(value) if issubclass(kind, np.ndarray) else plain(value))
        return value

    def _depth(self) -> int:
        known = self._observer.frames.get(id(sys._getframe(2)))
        return known.depth if known is not None else FAR

    def made(self, site: int, value: Any) -> Any:
        """The right-hand side of an assignment."""
        self._run(sys._getframe(1)).made = value
        return value

    def operand(self, site: int, value: Any) -> Any:
        """The right-hand side of an augmented assignment."""
        run = self._run(sys._getframe(1))
        for target in run.statement.targets:
            before = None if target.name else self._entry(run, target, run.values.get(target.base))
            if before is not None and is_traced(before):
                self._observer.saw(run, target.text, 1, before)
            elif self._observer.keeps_values and issubclass(type(before), NUMBERS):
                run.plain[target.text] = plain(before)
        if is_traced(value):
            run.operand = self._observer.held(value)
        elif issubclass(type(value), np.ndarray):
            run.plain_operand = value
        elif self._observer.keeps_values and issubclass(type(value), NUMBERS):
            run.plain[run.statement.operand] = plain(value)
        return value

    def returned(self, site: int, value: Any) -> Any:
        """What a function returns."""
        known = self._observer.frames.get(id(sys._getframe(1)))
        if known is None or known.code is not sys._getframe(1).f_code or known.run is None:
            return value  # a lambda, as part of a statement
        run = known.run
        if is_traced(value):
            self._observer.bound(run, "return", value)
        elif issubclass(type(value), tuple | list):
            for n, item in items_of(value):
                self._observer.bound(run, f"return{n + 1}".translate(SUBSCRIPTS), item, rank=1)
        else:
            for text, item in entries("return", value):
                self._observer.bound(run, text, item, rank=1)
        self._observer.changed(run)
        return value

    def ends(self, site: int, *names: Any) -> None:
        """A statement has been run: what it bound."""
        frame, run = self._frame(sys._getframe(1)), self._run(sys._getframe(1))
        given = iter(names)
        for target in run.statement.targets:
            base = run.values.get(target.base)
            if not target.name and is_traced(base):
                self._observer.bind(base, target.label, frame.depth)
                continue
            value = next(given) if target.name else self._entry(run, target, base)
            label = target.label
            if target.key >= 0:
                label = name_of_key(label, plain(run.values.get(target.key)))
            if target.text.strip("_"):
                self._observer.bound(run, target.text, value)
            self._observer.bind(value, label, frame.depth, entry=target.key >= 0)
        self._observer.changed(run)

    def _entry(self, run: Run, target: Target, base: Any) -> Any:
        """What an attribute or an entry of a container is bound to; None for a part of an array."""
        if is_traced(base):
            return None
        if target.last:
            return base[-1] if type(base) is list and base else None
        if run.statement.operator:
            if target.key < 0:
                return dict.get(attributes_of(base), target.label)
            key = run.values.get(target.key)
            if type(base) is dict:
                return base.get(key)
            return base[key] if type(base) is list and type(key) is int else None
        value = run.made
        for n in target.path:
            value = value[n] if type(value) in (tuple, list) and n < len(value) else None
        return value

    def caught(self) -> None:
        """An exception was caught."""
        self._observer.raised(sys.exc_info()[1])
