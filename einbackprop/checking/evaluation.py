"""Errors of the user's functions, said with the user's line."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from einbackprop.core.nesting import duplicate
from einbackprop.errors import RefusedError, ScriptError
from einbackprop.world import Raised

_OURS = (str(Path(__file__).parent.parent), str(Path(np.__file__).parent))


def called(function: Callable[[Any], Any], state: Any, what: str) -> Any:
    """Call a user's function, which runs in a world, on a copy of the state.

    Raises
    ------
    ScriptError
        Names the user's file and line, the function, and what it raised.
    """
    try:
        return function(duplicate(state))
    except Raised as raised:
        if isinstance(raised.error, ScriptError):
            raise raised.error from raised.error.__cause__
        raise ScriptError(f"{what}: {describe(raised.error)}") from raised.error


def describe(error: BaseException) -> str:
    """Say what was raised and where, in the innermost line that is the user's.

    A syntax error has its own line.
    """
    message = " ".join(str(error).split()) or "no message"
    text = message if isinstance(error, RefusedError) else f"{type(error).__name__}: {message}"
    if isinstance(error, SyntaxError):
        where = f"{_base(error.filename)}, line {error.lineno}: " if error.filename and error.lineno else ""
        return f"{where}SyntaxError: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame)]
    if not frames:
        return text
    frame = frames[-1]
    within = "" if frame.name in ("<module>", "<lambda>") else f", in {frame.name}"
    return f"{_base(frame.filename)}, line {frame.lineno}{within}: {text}"


def _is_users(frame: traceback.FrameSummary) -> bool:
    file = frame.filename
    example = os.sep + "examples" + os.sep in file
    return not file.startswith("<") and (example or not file.startswith(_OURS))


def _base(file: str) -> str:
    return os.path.basename(file)
