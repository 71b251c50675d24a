"""Running the user's functions: quietly, on copies, and with errors that name the user's line."""

import contextlib
import io
import os
import random
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from einbackprop.checking.analytic import COMPLEX_WARNING
from einbackprop.core.nesting import duplicate
from einbackprop.errors import ScriptError

_OURS = (str(Path(__file__).parent.parent), str(Path(np.__file__).parent))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let the user's code print and warn into the void, and leave global random states alone.

    A complex value that would lose its imaginary part is an error, not a warning: that is how the
    complex step learns that it cannot be trusted.
    """
    drawn, python_drawn = np.random.get_state(), random.getstate()
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", COMPLEX_WARNING)
            yield
    finally:
        np.random.set_state(drawn)
        random.setstate(python_drawn)


def seeded(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let each call of a function begin at the same global random state."""
    drawn, python_drawn = np.random.get_state(), random.getstate()

    def run(state: Any) -> Any:
        np.random.set_state(drawn)
        random.setstate(python_drawn)
        return function(state)

    return run


def called(function: Callable[[Any], Any], state: Any, what: str) -> Any:
    """Call a user's function on a copy of the state.

    Raises
    ------
    ScriptError
        Names the user's file and line, the function, and what it raised.
    """
    try:
        return function(duplicate(state))
    except ScriptError:
        raise
    except Exception as error:
        raise ScriptError(f"{what}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Say what was raised and where, in the innermost line that is the user's.

    A syntax error has its own line.
    """
    message = " ".join(str(error).split()) or "no message"
    text = f"{type(error).__name__}: {message}"
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
