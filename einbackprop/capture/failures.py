"""What is said where the user's code, or the reading of it, fails: one message with the user's line and arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import EinbackpropError, TraceError
from ..world.ownership import is_users
from .memory import View, is_traced
from .statements import statements_of

Describe = Callable[[View], str]


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
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        entered = found is not None and code is found[0] and step.tb_lineno == code.co_firstlineno  # no deeper call
        if is_users(code.co_filename) and not entered:
            found = step.tb_frame.f_code, step.tb_lineno
        step = step.tb_next
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


def failed(error: Exception, describe: Describe) -> TraceError:
    """An exception of the user's code: its line, and what was said."""
    where = user_line(error) or "the code"
    if isinstance(error, RecursionError):
        return TraceError(f"{where}\nthe function calls itself without an end")
    if isinstance(error, MismatchError):
        return TraceError(f"{where}\n{mismatch(error, describe)}")
    return TraceError(f"{where}\nraised {type(error).__name__}: {error}")


def mismatch(error: MismatchError, describe: Describe) -> str:
    """The arrays with their letters and shapes, and the two axes that do not meet."""
    shapes = error.shapes
    error.described = names = [describe(o) if is_traced(o) else "an array" if shape else str(o) for o, shape in zip(
        error.operands, shapes, strict=True)]  # fmt: skip
    shown = [f"{name} {'has ' if n == 0 else ''}shape {shape}" for n, (name, shape) in enumerate(
        zip(names, shapes, strict=True)) if shape]  # fmt: skip
    return f"{', '.join(shown)}: {meeting(error, shapes, names) or error}"


def meeting(error: MismatchError, shapes: Sequence[tuple[int, ...]], names: Sequence[str]) -> str:
    """Which axes of two arrays should have one size."""
    if len(shapes) != 2 or not all(shapes):
        return ""
    left, right = shapes
    first, second = (name.partition("[")[0] for name in names)
    if error.function in ("matmul", "dot"):
        i, j = len(left) - 1, max(len(right) - 2, 0)
        if left[i] != right[j]:
            return f"axis {i + 1} of {first} has size {left[i]}, axis {j + 1} of {second} {right[j]}"
    for n in range(1, min(len(left), len(right)) + 1):
        if left[-n] != right[-n] and 1 not in (left[-n], right[-n]):
            i, j = len(left) - n + 1, len(right) - n + 1
            return f"axis {i} of {first} has size {left[-n]}, axis {j} of {second} {right[-n]}"
    return ""
