"""What is said where the user's code, or the reading of it, fails: one message with the user's line and arrays."""

import inspect
import linecache
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from ..core.progress import frames_of
from ..core.source import statements_of
from ..core.subscripts import parse
from ..errors import EinbackpropError, SubscriptsError, TraceError
from ..world import told
from ..world.ownership import is_users
from .memory import View, is_traced

Describe = Callable[[View], str]
Function = TypeVar("Function", bound=Callable[..., Any])
OWN = str(Path(__file__).parent.parent)
THIN = ("tracer.py", "traced.py", "namespace.py", "calls.py", "copies.py", "library.py", "modules.py")
"""Files whose functions do no more than call the user's code, ask NumPy, or pass what they are given to a rule."""
SIGNS = {
    "matmul": "·", "dot": "·", "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/",
    "power": "**", "equal": "==",
}  # fmt: skip
PRODUCTS = ("matmul", "dot", "inner")
DEEP = 50
"""Calls of the user's inside one another, after which it is theirs if there are too many."""
ASKING: set[CodeType] = set()
STANDS_FOR = {
    "Traced": "numpy.ndarray", "Selection": "numpy.ndarray", "Measured": "int", "Module": "module",
    "Function": "function", "Casting": "type", "Joined": "numpy.lib.RClass",
}  # fmt: skip
STAND_INS = re.compile(rf"'(?:[\w.]+\.)?({'|'.join(STANDS_FOR)})'")


class MismatchError(ValueError):
    """NumPy refused the shapes of some arrays. A ValueError as NumPy's is, so that the user's code may catch it.

    Attributes
    ----------
    function : str
        NumPy's name for what was done.
    operands : sequence of arrays
    subscripts : str
        Of an einsum.
    described : list of str
        The arrays with the letters known so far, ``W2[k,j]``, once the error has left the user's code.
    """

    def __init__(self, message: str, function: str, operands: Sequence[Any], subscripts: str = "") -> None:
        super().__init__(message)
        self.function, self.operands, self.subscripts = function, operands, subscripts
        self.described: list[str] = []

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each array."""
        return [np.shape(o.value) if is_traced(o) else np.shape(o) for o in self.operands]


def user_line(error: BaseException) -> str:
    """``file, line 12, in backward: code`` of the innermost user frame of a traceback."""
    found = None
    for frame, line in frames_of(error):
        code = frame.f_code
        entered = found is not None and code is found[0] and line == code.co_firstlineno  # no deeper call
        if is_users(code.co_filename) and not entered:
            found = code, line
    if found is None:
        return ""
    code, line = found
    return f"{code.co_filename}, line {line}, in {code.co_name}: {statements_of(code.co_filename).code(line)}"


def located(error: EinbackpropError) -> EinbackpropError:
    """The error with the user's line, if its message has none yet."""
    where = user_line(error)
    if not where or where.partition(", in ")[0] in str(error):
        return error
    return type(error)(f"{where}\n{error}")


def asks_numpy(function: Function) -> Function:
    """Mark a function that asks NumPy or Python with the user's values: what is raised there is of the user's line."""
    ASKING.add(inspect.unwrap(function).__code__)
    return function


def is_ours(error: Exception) -> bool:
    """Whether an exception was raised by a mistake in a rule of ours, not by the user's line.

    It is the user's where the innermost frame is theirs, where NumPy was asked with their values, and where one of our
    lines raises it on purpose, as NumPy would.
    """
    below: list[tuple[CodeType, int]] = []
    users = 0
    for frame, line in frames_of(error):
        code = frame.f_code
        if is_users(code.co_filename):
            below, users = [], users + 1
        elif code.co_filename.startswith(OWN):
            below.append((code, line))
    endless = isinstance(error, RecursionError) and users > DEEP
    if isinstance(error, MismatchError) or endless or not below:
        return False
    code, line = below[-1]
    on_purpose = linecache.getline(code.co_filename, line).lstrip().startswith("raise ")
    return not on_purpose and code not in ASKING and not code.co_filename.endswith(THIN)


def failed(error: Exception, describe: Describe) -> TraceError:
    """An exception of the user's code: its line, and what was said. One of ours is raised as it is."""
    if is_ours(error):
        raise error
    where = user_line(error) or "the code"
    if isinstance(error, RecursionError):
        return TraceError(f"{where}\nthe function calls itself without an end")
    if isinstance(error, MismatchError):
        return TraceError(f"{where}\n{mismatch(error, describe)}")
    return TraceError(f"{where}\nraised {type(error).__name__}: {in_numpys_words(told(error))}")


def in_numpys_words(message: str) -> str:
    """What Python says of a stand-in of ours, said of what it stands for."""
    return STAND_INS.sub(lambda found: f"'{STANDS_FOR[found[1]]}'", message)


def mismatch(error: MismatchError, describe: Describe) -> str:
    """The arrays with their letters and shapes, and the two axes that do not meet."""
    shapes = error.shapes
    error.described = names = [describe(o) if is_traced(o) else "an array" if shape else str(o) for o, shape in zip(
        error.operands, shapes, strict=True)]  # fmt: skip
    shown = [f"{name} {'has ' if n == 0 else ''}shape {shape}" for n, (name, shape) in enumerate(
        zip(names, shapes, strict=True)) if shape]  # fmt: skip
    said: object = error
    if (axes := meeting(error)) is not None:
        (i, j), (first, second) = axes, (name.partition("[")[0] for name in names)
        said = f"axis {i + 1} of {first} has size {shapes[0][i]}, axis {j + 1} of {second} {shapes[1][j]}"
    return f"{', '.join(shown)}: {said}"


def meeting(error: MismatchError) -> tuple[int, int] | None:
    """The two axes, one of each array, that should have one size."""
    if len(error.shapes) != 2 or not all(error.shapes):
        return None
    left, right = error.shapes
    if error.function in PRODUCTS:
        i, j = len(left) - 1, len(right) - 1 if error.function == "inner" else max(len(right) - 2, 0)
        if left[i] != right[j]:
            return i, j
    for n in range(1, min(len(left), len(right)) + 1):
        if left[-n] != right[-n] and 1 not in (left[-n], right[-n]):
            return len(left) - n, len(right) - n
    return None


def explained(error: BaseException) -> str:
    """Say which letters do not meet: ``W3[l,k] · d[l,b]: k (4) meets l (2)``; empty where it is about no letters.

    Parameters
    ----------
    error
        What stopped a trace, or what it came from.
    """
    cause = error if isinstance(error, MismatchError) else error.__cause__
    if not isinstance(cause, MismatchError) or not cause.described:
        return ""
    if cause.subscripts:
        return of_einsum(cause)
    axes = meeting(cause)
    if axes is None:
        return ""
    (i, j), sign = axes, SIGNS.get(cause.function, ",")
    left, right = cause.described
    between = sign if sign == "," else f" {sign}"
    return f"{left}{between} {right}: {axis_of(cause, 0, i)} meets {axis_of(cause, 1, j)}"


def of_einsum(error: MismatchError) -> str:
    """The letter of the user's own subscripts that has two sizes."""
    try:
        terms = parse(error.subscripts).inputs
    except SubscriptsError:
        return ""
    seen: dict[str, int] = {}
    for n, (letters, shape) in enumerate(zip(terms, error.shapes, strict=False)):
        for letter, size in zip(letters, shape, strict=False):
            first = seen.setdefault(letter, n)
            before = error.shapes[first][terms[first].index(letter)]
            if before != size:
                return (f"einsum('{error.subscripts}'): the letter {letter} is {before} in {error.described[first]} "
                        f"and {size} in {error.described[n]}")
    return ""


def axis_of(error: MismatchError, operand: int, axis: int) -> str:
    """``k (4)``: the letter of an axis and its size; ``axis 2 of x (4)`` where it has no letter."""
    size = error.shapes[operand][axis]
    letters = re.search(r"\[(.*)\]$", error.described[operand])
    named: Sequence[str] = letters.group(1).split(",") if letters else ()
    if axis < len(named):
        return f"{named[axis]} ({size})"
    return f"axis {axis + 1} of {error.described[operand]} ({size})"
