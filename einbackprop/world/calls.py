"""The only place where user code is called: quietly, in a context of its own, and what it raises told apart.

An exception of the user's code comes out as ``Raised``, so that whoever expects the code to fail need catch nothing
else. What reaches the code from outside (Ctrl-C, an exception of a signal handler, ``SystemExit``) passes unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from itertools import dropwhile
from types import FrameType
from typing import Any

import numpy as np

from ..core.signals import frames_of, handler_codes
from . import guard
from .ownership import OURS, is_users

MARK = "__einbackprop_world__"
"""The builtin by which a frame that runs in a world is known."""


class Raised(Exception):  # noqa: N818 - a report of an error, not one
    """The user's code raised an exception.

    Attributes
    ----------
    error : Exception
        Of the user's own class.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {told(error)}")
        self.error = error


def give_own_classes(error: BaseException, originals: Mapping[type, type]) -> None:
    """Give an exception, and those that led to it, the classes that the user knows."""
    pending, seen = [error], set[int]()
    while pending:
        item = pending.pop()
        if id(item) not in seen:
            seen.add(id(item))
            if type(item) in originals:
                BaseException.__setattr__(item, "__class__", originals[type(item)])
            inner = item.exceptions if isinstance(item, BaseExceptionGroup) else ()
            pending += [e for e in (item.__cause__, item.__context__, *inner) if e is not None]


def told(error: BaseException) -> str:
    """The message of an exception of the user's, in one line."""
    try:
        return " ".join(str(error).split()) or "no message"
    except Exception:  # its class writes it
        return "its message cannot be shown"


def attempt(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call user code in a copy of the current context, with NumPy's floating-point warnings off.

    Raises
    ------
    Raised
        With what the code raised. Exceptions from outside of it are raised as they are.
    """
    try:
        return copy_context().run(_quietly, function, arguments, keywords)
    except Exception as error:
        if isinstance(error, Raised) or is_from_outside(error):
            raise
        raise Raised(error) from error


def _quietly(function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    guard.enter()
    with np.errstate(all="ignore"):
        return function(*arguments, **keywords)


def is_from_outside(error: BaseException) -> bool:
    """Whether an exception was raised by code that ran in between: a signal handler, or what it calls.

    Such code is the handler that is installed, or the user's own but in no world.
    """
    below = dropwhile(lambda frame: frame.f_code is not _quietly.__code__, frames_of(error))
    handlers = handler_codes()
    return any(frame.f_code in handlers or is_outside(frame) for frame in below)


def is_outside(frame: FrameType) -> bool:
    """Whether a frame runs the user's code in the user's own world."""
    file = frame.f_code.co_filename
    return MARK not in frame.f_builtins and is_users(file) and not file.startswith(OURS[0])
