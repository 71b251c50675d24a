"""Functions of matrices: how each is evaluated, on stacks of matrices as NumPy takes them."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from ..errors import FunctionError
from .elementwise import Array, numeric
from .program import MatrixName


def solve(a: Array, b: Array) -> Array:
    """``np.linalg.solve`` for a right-hand side with any number of axes behind that of the rows."""
    before, columns = b.shape[: a.ndim - 1], b.shape[a.ndim - 1 :]
    made: Array = np.linalg.solve(a, b.reshape(*before, prod(columns)))
    return made.reshape(*made.shape[:-1], *columns)


FUNCTIONS: Mapping[MatrixName, Callable[..., Any]] = {
    "inv": np.linalg.inv, "pinv": np.linalg.pinv, "solve": solve, "det": np.linalg.det,
    "logdet": lambda a: np.linalg.slogdet(a)[1], "detsign": lambda a: np.linalg.slogdet(a)[0],
    "cholesky": np.linalg.cholesky,
}  # fmt: skip


def evaluate(function: MatrixName, *operands: Array) -> Array:
    """A function of matrices, which stand in the last two axes of the first operand.

    A right-hand side has an axis for each of the matrix's but the last, and any behind these.

    Raises
    ------
    numpy.linalg.LinAlgError
        A matrix is singular, or not positive definite, as NumPy says it.
    FunctionError
        The operands are of no numbers that NumPy's functions take, such as Fractions.
    """
    if any(operand.dtype.kind not in "biufc" for operand in operands):
        raise FunctionError(f"{function} cannot be evaluated on operands of dtype {operands[0].dtype}")
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[function](*map(numeric, operands)))


def code(function: MatrixName, *arguments: str) -> str:
    """The call of NumPy on expressions: ``np.linalg.slogdet(A)[1]``."""
    name, part = {"logdet": ("slogdet", "[1]"), "detsign": ("slogdet", "[0]")}.get(function, (function, ""))
    return f"np.linalg.{name}({', '.join(arguments)}){part}"
