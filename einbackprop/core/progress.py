"""How far a check gets: how long it may take, what it is doing, and what an error of ours costs.

The time is asked for between calls of the user's code, without a thread. ``limited`` begins a limit. ``tick`` raises
OutOfTimeError once it is over, and so does every later one: it passes through ``except Exception`` as an interrupt
does, and ``contained`` ends the part with what there is. ``doing`` says what comes next: on a terminal that is shown
after two seconds, in one line that is erased at the end.

A part that fails by a mistake in this package costs that part alone. ``contained`` runs a part at its boundary and is
the only place that catches an error of ours. What it catches becomes an ``InternalFault`` of the ``collecting`` block
around it, and the caller goes on with what it has. With EINBACKPROP_TRACEBACK=1 in the environment the error is raised
instead: so it is in every test, and so a user sees what to report. What a handler of a signal raises is no error of
ours: it is known by the code of the handlers that are installed.
"""

from __future__ import annotations

import dis
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, TextIO, TypeVar

from ..errors import OptionError
from .records import dataclass
from .scoped import scoped

SHOWN_AFTER = 2.0  # seconds
ERASE = "\r\x1b[K"
WIDTH = 78
SWITCH = "EINBACKPROP_TRACEBACK"
PACKAGE = Path(__file__).parent.parent
Result = TypeVar("Result")
Other = TypeVar("Other")


class OutOfTimeError(BaseException):
    """The time that a check was given is over; no part of the user's code and none of ours takes it for its own."""


@dataclass
class Progress:
    """One check: when it began, how long it may take, and what it does now."""

    seconds: float = math.inf
    stream: TextIO | None = None
    start: float = field(default_factory=time.monotonic)
    what: str = ""
    shown: str = ""
    left_out: list[str] = field(default_factory=list)  # the parts that the end of the time has stopped

    def __post_init__(self) -> None:
        self.watched = self.stream is not None or self.seconds < math.inf  # else nobody asks for the time

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() - self.start >= self.seconds

    def show(self) -> None:
        """Say on a terminal what is being done, if it has taken so long that somebody wonders."""
        if self.stream is None or self.what == self.shown or time.monotonic() - self.start < SHOWN_AFTER:
            return
        self.shown = self.what
        self.stream.write(ERASE + f"einbackprop: {self.what} …"[:WIDTH])
        self.stream.flush()

    def erase(self) -> None:
        """Leave the terminal's line as it was."""
        if self.stream is not None and self.shown:
            self.stream.write(ERASE)
            self.stream.flush()


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)
_handlers: ContextVar[frozenset[CodeType] | None] = ContextVar("handlers", default=None)
_faults: ContextVar[list[InternalFault] | None] = ContextVar("faults", default=None)


@contextmanager
def limited(seconds: float | None = None) -> Iterator[Progress]:
    """Begin a limit; inside another one, go on with that. Raises OptionError if it is no positive number."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    progress = Progress(positive(seconds), sys.stderr if is_terminal(sys.stderr) else None)
    try:
        with scoped(_current, progress):
            yield progress
    finally:
        progress.erase()


def positive(seconds: float | None) -> float:
    """A number of seconds; infinitely many for None. Raises OptionError for what is no positive number."""
    if seconds is None:
        return math.inf
    number = not isinstance(seconds, bool) and isinstance(seconds, int | float) and seconds > 0
    if not number:
        raise OptionError(f"seconds must be a positive number, not {seconds!r}: leave it out for no limit")
    return float(seconds)


def is_terminal(stream: Any) -> bool:
    """Whether a stream shows what is written to somebody, who can be shown something else later."""
    return stream is not None and not getattr(stream, "closed", False) and bool(getattr(stream, "isatty", bool)())


def doing(what: str) -> None:
    """Say what is done from now on; also asks for the time, as `tick` does."""
    progress = _current.get()
    if progress is not None:
        progress.what = what
    tick()


def tick() -> None:
    """Ask for the time. Raises OutOfTimeError if it is over."""
    progress = _current.get()
    if progress is not None and progress.watched:
        if progress.over:
            raise OutOfTimeError
        progress.show()


def cut(part: str) -> None:
    """Remember that the end of the time has stopped a part."""
    progress = _current.get()
    if progress is not None and part not in progress.left_out:
        progress.left_out.append(part)


def in_time(part: str, work: Callable[[], Result], fallback: Other, seconds: float = math.inf) -> Result | Other:
    """Do a part of the work; the fallback if the time is over before it is done, or, inside a limit, these seconds.
    Errors go through.
    """
    progress = _current.get() or Progress()
    whole = progress.seconds
    progress.seconds = min(whole, time.monotonic() - progress.start + seconds)
    try:
        doing(part)
        return work()
    except OutOfTimeError:
        cut(part)
        return fallback
    finally:
        progress.seconds = whole




@dataclass(frozen=True)
class InternalFault:
    """An error of ours: the part that it cost, its type and message, and where in this package it was raised."""

    part: str
    kind: str
    message: str
    place: str

    def __str__(self) -> str:
        said = f"{self.kind}: {self.message}" if self.message else self.kind
        return (f"einbackprop could not do {self.part}: a mistake of ours at {self.place} ({said}); the verdicts "
                f"stand. Please report it with what {SWITCH}=1 prints")  # fmt: skip


def contained(part: str, work: Callable[[], Result], fallback: Other) -> Result | Other:
    """Do a part of the work; the fallback where an error of ours, or the end of the time, stops it.

    Parameters
    ----------
    part : str
        What is done, for the user: ``the proof``.
    work : callable
        Catches itself what it raises on purpose: whatever leaves it is a mistake of ours.
    fallback
        What the caller goes on with instead.
    """
    try:
        return work()
    except OutOfTimeError:
        cut(part)
        return fallback
    except Exception as error:
        codes = handler_codes() | (_handlers.get() or frozenset())
        if os.environ.get(SWITCH) or not codes.isdisjoint(frame.f_code for frame, _ in frames_of(error)):
            raise
        faults = _faults.get()
        if faults is not None:
            faults.append(fault_of(part, error))
        return fallback


@contextmanager
def collecting() -> Iterator[list[InternalFault]]:
    """Collect the faults of the parts that are run inside."""
    faults: list[InternalFault] = []
    with scoped(_faults, faults), scoped(_handlers, handler_codes()):  # one may remove itself before it raises
        yield faults


def fault_of(part: str, error: Exception) -> InternalFault:
    """What is said of an error: its first line, and the innermost place of this package in its traceback."""
    place = "an unknown place"
    for frame, line in frames_of(error):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE) and file != Path(__file__):
            place = f"{file.relative_to(PACKAGE).as_posix()}:{line}"
    lines = str(error).splitlines()
    return InternalFault(part, type(error).__name__, lines[0][:200] if lines else "", place)


def handler_codes() -> frozenset[CodeType]:
    """The code of the signal handlers that are installed now."""
    found = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        if not callable(handler):  # the default, or none
            continue
        while (inner := getattr(handler, "func", None) or getattr(handler, "__func__", None)) is not None:
            handler = inner  # behind a partial, or a bound method
        method: Any = vars(type(handler)).get("__call__")
        code = getattr(handler, "__code__", None) or getattr(method, "__code__", None)
        if code is not None:
            found.add(code)
    return frozenset(found)


def frames_of(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames that an exception went through, each with its line, from the outside in."""
    step = error.__traceback__
    while step is not None:
        is_unbound = isinstance(error, UnboundLocalError) and step.tb_next is None
        yield step.tb_frame, line_of_unbound(step) if is_unbound else step.tb_lineno
        step = step.tb_next


def line_of_unbound(step: TracebackType) -> int:
    """The line of a local name that nothing is bound to: Python 3.11 may tell the instruction before the one that
    reads it, which stores another name."""
    code, at = step.tb_frame.f_code, step.tb_lasti
    if code.co_code[at] == dis.opmap["STORE_FAST"]:
        line, *_ = next(islice(code.co_positions(), at // 2 + 1, None))
        return line or step.tb_lineno
    return step.tb_lineno
