"""Shapes that do not meet: what stops the user's code, said in the letters of its forward."""

import re
from collections.abc import Sequence

from einbackprop.capture.failures import MismatchError, meeting
from einbackprop.checking.problems import Problem, place_of, with_arrays
from einbackprop.core.subscripts import parse
from einbackprop.errors import CodeError, EinbackpropError, SubscriptsError

SIGNS = {
    "matmul": "·", "dot": "·", "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/",
    "power": "**", "equal": "==",
}  # fmt: skip


def with_letters(problem: Problem, error: CodeError) -> CodeError:
    """An error of the user's code, said in letters where it is about shapes: the code is read up to where it stops."""
    if error.place is None or not isinstance(error.__cause__, ValueError) or problem.pair is None:
        return error
    try:
        problem.pair(with_arrays(problem))
    except EinbackpropError as stop:
        letters = explained(stop)
        if letters and place_of(stop.__cause__ or stop) == error.place:
            return CodeError(error.what, error.place, f"{letters}.")
    return error


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
        return _of_einsum(cause)
    axes = meeting(cause)
    if axes is None:
        return ""
    (i, j), sign = axes, SIGNS.get(cause.function, ",")
    left, right = cause.described
    between = sign if sign == "," else f" {sign}"
    return f"{left}{between} {right}: {_axis(cause, 0, i)} meets {_axis(cause, 1, j)}"


def _of_einsum(error: MismatchError) -> str:
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


def _axis(error: MismatchError, operand: int, axis: int) -> str:
    """``k (4)``: the letter of an axis and its size; ``axis 2 of x (4)`` where it has no letter."""
    size = error.shapes[operand][axis]
    letters = re.search(r"\[(.*)\]$", error.described[operand])
    named: Sequence[str] = letters.group(1).split(",") if letters else ()
    if axis < len(named):
        return f"{named[axis]} ({size})"
    return f"axis {axis + 1} of {error.described[operand]} ({size})"
