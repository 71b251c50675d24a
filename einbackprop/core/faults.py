"""Errors of ours: a part of the work that fails by a mistake in this package costs that part alone.

``contained`` runs a part at its boundary and is the only place that catches an error of ours. What it catches becomes
an ``InternalFault`` of the ``collecting`` block around it, and the caller goes on with what it has.
With EINBACKPROP_TRACEBACK=1 in the environment the error is raised instead: so it is in every test, and so a user sees
what to report.

What a handler of a signal raises is no error of ours: it is known by the code of the handlers that are installed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

from . import progress
from .progress import OutOfTimeError

SWITCH = "EINBACKPROP_TRACEBACK"
PACKAGE = Path(__file__).parent.parent
Result = TypeVar("Result")
Other = TypeVar("Other")
_handlers: ContextVar[frozenset[CodeType] | None] = ContextVar("handlers", default=None)
_faults: ContextVar[list[InternalFault] | None] = ContextVar("faults", default=None)


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
        progress.cut(part)
        return fallback
    except Exception as error:
        codes = handler_codes() | (_handlers.get() or frozenset())
        if os.environ.get(SWITCH) or not codes.isdisjoint(frame.f_code for frame in frames_of(error)):
            raise
        faults = _faults.get()
        if faults is not None:
            faults.append(fault_of(part, error))
        return fallback


@contextmanager
def collecting() -> Iterator[list[InternalFault]]:
    """Collect the faults of the parts that are run inside."""
    faults: list[InternalFault] = []
    token, handlers = _faults.set(faults), _handlers.set(handler_codes())  # one may remove itself before it raises
    try:
        yield faults
    finally:
        _faults.reset(token)
        _handlers.reset(handlers)


def fault_of(part: str, error: Exception) -> InternalFault:
    """What is said of an error: its first line, and the innermost place of this package in its traceback."""
    place, step = "an unknown place", error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE) and file != Path(__file__):
            place = f"{file.relative_to(PACKAGE).as_posix()}:{step.tb_lineno}"
        step = step.tb_next
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


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """The frames that an exception went through, from the outside in."""
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame
        step = step.tb_next
