"""Errors of the user's functions, said with the user's line."""

import traceback
from collections.abc import Callable
from typing import Any

from einbackprop.core.nesting import duplicate
from einbackprop.errors import CodeError, RefusedError, ScriptError
from einbackprop.world import Raised, told
from einbackprop.world.ownership import is_users

GRADIENTS = "the gradients"


def called(function: Callable[[Any], Any], state: Any, what: str) -> Any:
    """Call a user's function, which runs in a world, on a copy of the state.

    Raises
    ------
    CodeError
        Names the user's file and line, the function, and what it raised.
    ScriptError
        The function uses something that a copy of it cannot have.
    """
    try:
        return function(duplicate(state))
    except Raised as raised:
        if isinstance(raised.error, ScriptError):
            raise raised.error from raised.error.__cause__
        if isinstance(raised.error, RefusedError):
            raise ScriptError(f"{what}: {describe(raised.error)}") from raised.error
        raise CodeError(what, place_of(raised.error), words_of(raised.error)) from raised.error


def describe(error: BaseException) -> str:
    """Say what was raised and where, in the innermost line that is the user's."""
    return str(CodeError("", place_of(error), words_of(error))).removeprefix(": ")


def words_of(error: BaseException) -> str:
    """The class and message of an exception; of one of ours the message alone."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}"
    message = told(error)
    return message if isinstance(error, RefusedError) else f"{type(error).__name__}: {message}"


def place_of(error: BaseException) -> tuple[str, int, str] | None:
    """The file, line and function of the innermost line that is the user's; a syntax error has its own line."""
    if isinstance(error, SyntaxError):
        return (error.filename, error.lineno, "<module>") if error.filename and error.lineno else None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if is_users(frame.filename) and not frame.filename.startswith("<")]
    return (frames[-1].filename, frames[-1].lineno or 0, frames[-1].name) if frames else None
