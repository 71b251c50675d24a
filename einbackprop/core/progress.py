"""How long a check may take, and what it is doing: asked between calls of the user's code, without a thread.

``limited`` begins a limit. ``tick`` raises OutOfTimeError once it is over, and so does every later one: it passes
through ``except Exception`` as an interrupt does, and `faults.contained` ends the part with what there is. ``doing``
says what comes next: on a terminal that is shown after two seconds, in one line that is erased at the end.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TextIO, TypeVar

from ..errors import OptionError

SHOWN_AFTER = 2.0  # seconds
ERASE = "\r\x1b[K"
WIDTH = 78
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


@contextmanager
def limited(seconds: float | None = None) -> Iterator[Progress]:
    """Begin a limit; inside another one, go on with that. Raises OptionError if it is no positive number."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    progress = Progress(positive(seconds), sys.stderr if is_terminal(sys.stderr) else None)
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)
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


def in_time(part: str, work: Callable[[], Result], fallback: Other) -> Result | Other:
    """Do a part of the work; the fallback if the time is over before it is done. Errors go through."""
    try:
        doing(part)
        return work()
    except OutOfTimeError:
        cut(part)
        return fallback
