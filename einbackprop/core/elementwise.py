"""Pointwise functions: how each is evaluated, and its derivative, stated in terms of its input or output.

A derivative is a formula in ``x`` (or ``x0``, ``x1``, … where there are several operands), the output ``y`` and,
for ``power``, the exponent ``p``. ``y * (1 - y)`` takes the *output* of sigmoid and ``cos(x)`` the *input* of sine:
the letter says which.

At a kink the convention is stated by the formula too: relu has slope 0 at 0, and where ``maximum`` or ``minimum``
meets a tie, the first operand has the slope 1: so ``maximum(0, x)`` has slope 0 at 0 as well, and a clip has slope 1
at its ends.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FunctionError
from .accurate import arctan2, cast_where, erf, hypot, logaddexp, power, sigmoid, softplus
from .program import Number, exact, multiply
from .records import dataclass
from .source import parse_python

CONSTANTS = {"ln2": math.log(2), "ln10": math.log(10), "erf_at_0": 2 / math.sqrt(math.pi)}  # erf_at_0: its slope


@dataclass(frozen=True, slots=True)
class Call:
    """A pointwise function of formulas, as in ``cos(x)`` or ``1/(1 + x²)``."""

    function: str
    arguments: tuple[Formula, ...]
    parameter: Number | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """A number times factors: each an operand's name (``x0``, ``y``), a call, or a sum in parentheses."""

    coefficient: Number
    factors: tuple[str | Call | Formula, ...] = ()


Formula = tuple[Product, ...]
"""A sum of products. Empty, it is 0."""


@cache
def parse(text: str, parameter: Number | None = None) -> Formula:
    """A formula's text as a sum of products: ``1 - y*y`` is 1, and -1 times y, y."""
    return expand(parse_python(text, mode="eval").body, parameter)


def expand(node: ast.expr, p: Number | None) -> Formula:
    """A formula's syntax tree as a sum of products."""
    match node:
        case ast.Constant(value=int() | float() | complex() as number):
            return scaled(number, ())
        case ast.Name(id="p") if p is not None:
            return scaled(p, ())
        case ast.Name(id=name) if name in CONSTANTS:
            return scaled(CONSTANTS[name], ())
        case ast.Name(id=name):
            return scaled(1, ("x0" if name == "x" else name,))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return times(scaled(-1, ()), expand(operand, p))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return expand(left, p) + expand(right, p)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return expand(left, p) + tuple(
                Product(multiply(term.coefficient, Fraction(-1)), term.factors) for term in expand(right, p)
            )
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return times(expand(left, p), expand(right, p))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return times(expand(left, p), raised(expand(right, p), Fraction(-1)))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return raised(expand(left, p), number_of(expand(right, p)))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return scaled(1, (Call(function, tuple(expand(argument, p) for argument in arguments)),))
    raise FunctionError(f"not part of a formula: {ast.unparse(node)}")


def scaled(number: complex | Fraction, factors: tuple[str | Call | Formula, ...]) -> Formula:
    """One product; nothing where the number is 0."""
    return () if number == 0 else (Product(exact(number), factors),)


def single(formula: Formula) -> Product:
    """A formula as one product: a sum of several is one factor."""
    return formula[0] if len(formula) == 1 else Product(Fraction(1), (formula,))


def times(a: Formula, b: Formula) -> Formula:
    """The product of two formulas, sums left in their parentheses."""
    if not a or not b:
        return ()
    left, right = single(a), single(b)
    return scaled(multiply(left.coefficient, right.coefficient), left.factors + right.factors)


def raised(base: Formula, exponent: Number) -> Formula:
    """A power: repeated factors up to 3, else a call of ``power``; a number stands before it, so 1/(2y) is ½·(1/y)."""
    if exponent in (0, 1, 2, 3):
        return reduce(times, [base] * int(exponent.real), scaled(1, ()))
    product = single(base)
    if not isinstance(product.coefficient, Fraction) or not isinstance(exponent, Fraction) or exponent.denominator > 1:
        return scaled(1, (Call("power", (base,), exponent),))
    inside: Formula = base if len(base) > 1 else (Product(Fraction(1), product.factors),)
    outside = product.coefficient ** int(exponent)
    return scaled(outside, (Call("power", (inside,), exponent),) if product.factors else ())


def number_of(formula: Formula) -> Number:
    """The number that a formula without operands is: an exponent such as ``p - 1``."""
    if any(product.factors for product in formula):
        raise FunctionError("an exponent in a formula is a number; write pow(x0, x1) where it is an operand")
    return exact(sum((product.coefficient for product in formula), start=Fraction(0)))


Array = NDArray[Any]


def evaluate(function: str, arrays: Sequence[Any], parameter: Number | None = None) -> Array:
    """Evaluate a pointwise function.

    Parameters
    ----------
    function : str
        A name in ``FUNCTIONS``.
    arrays : sequence of arrays
        Its operands, which broadcast. float32 stays float32, complex numbers are taken wherever the function is
        analytic (or declared to be about them: ``conj``, ``real``, ``imag``), booleans count as 0 and 1, and
        object arrays of Fractions stay exact where the function is rational.
    parameter : number, optional
        The exponent of ``power``.

    Returns
    -------
    array
        Where NumPy would warn (``log`` of 0), the inf or nan says it alone.

    Raises
    ------
    FunctionError
        There is no such function, it takes another number of operands, or it is not exact on Fractions.
    """
    known = lookup(function)
    operands = [np.asarray(array) for array in arrays]
    if len(operands) != len(known.partials):
        raise FunctionError(f"{function} takes {len(known.partials)} operands, but {len(operands)} were given")
    if not known.logical:
        operands = [numeric(array) for array in operands]
    extra = () if parameter is None else (parameter,)
    with np.errstate(all="ignore"):
        try:
            return np.asarray(known.evaluate(*operands, *extra))
        except (TypeError, AttributeError) as error:
            kinds = ", ".join(str(array.dtype) for array in operands)
            raise FunctionError(f"{function} cannot be evaluated on operands of dtype {kinds}: {error}") from None


def numeric(array: NDArray[Any]) -> NDArray[Any]:
    """Booleans as 0 and 1, for a sum of masks counts; whole numbers of few bits in 64, so that they do not wrap."""
    return array.astype(np.int64) if array.dtype.kind == "b" or is_narrow(array.dtype) else array


def is_narrow(dtype: np.dtype[Any]) -> bool:
    """Whether it is of whole numbers of fewer than 64 bits."""
    return dtype.kind in "iu" and dtype.itemsize < 8


def derivative(
    function: str, slot: int = 0, parameter: Number | None = None, *, of_complex: bool = False
) -> Formula | None:
    """The partial derivative with respect to one operand, as data.

    Parameters
    ----------
    function : str
        A name in ``FUNCTIONS``.
    slot : int
        Which operand.
    parameter : number, optional
        The exponent of ``power``.
    of_complex : bool
        Whether the operand was declared complex. A function whose value is then real has the derivative ``g``
        in ``dy = Re(g dx)``.

    Returns
    -------
    Formula or None
        None where there is no derivative at complex numbers.
    """
    text = statement(function, slot, parameter, of_complex=of_complex)
    return None if text is None else parse(text, parameter)


def statement(
    function: str, slot: int = 0, parameter: Number | None = None, *, of_complex: bool = False
) -> str | None:
    """The partial derivative as it is stated in the table, such as ``y * (1 - y)``."""
    if of_complex and function in OF_COMPLEX:
        return OF_COMPLEX[function]
    if function == "power" and isinstance(parameter, Fraction):
        return POWERS.get(parameter, "p * x**(p - 1)")
    return lookup(function).partials[slot]


def is_boolean(function: str) -> bool:
    """Whether its values are True and False."""
    return lookup(function).boolean


def lookup(function: str) -> Function:
    """The table's entry."""
    if function not in FUNCTIONS:
        raise FunctionError(f"there is no pointwise function {function!r}; there are {', '.join(sorted(FUNCTIONS))}")
    return FUNCTIONS[function]


@dataclass(frozen=True, slots=True)
class Function:
    """A pointwise function: how it is evaluated, and one partial derivative an operand.

    Attributes
    ----------
    evaluate : callable
    partials : tuple of str
        Formulas in ``x`` (``x0``, ``x1``, …), ``y`` and ``p``.
    real : bool
        Its values are real for complex operands too.
    boolean : bool
        Its values are True and False.
    logical : bool
        It takes booleans as they are, not as 0 and 1.
    """

    evaluate: Callable[..., Any]
    partials: tuple[str, ...]
    real: bool = False
    boolean: bool = False
    logical: bool = False


def condition(evaluate: Callable[..., Any], operands: int = 2, *, logical: bool = False) -> Function:
    """A function whose values are True and False: it is flat."""
    return Function(evaluate, ("0",) * operands, real=True, boolean=True, logical=logical)


FUNCTIONS: dict[str, Function] = {
    # of one operand, smooth
    "exp": Function(np.exp, ("y",)),
    "expm1": Function(np.expm1, ("y + 1",)),
    "exp2": Function(np.exp2, ("ln2 * y",)),
    "log": Function(np.log, ("1/x",)),
    "log1p": Function(np.log1p, ("1/(1 + x)",)),
    "log2": Function(np.log2, ("1/(ln2 * x)",)),
    "log10": Function(np.log10, ("1/(ln10 * x)",)),
    "power": Function(power, ("p * x**(p - 1)",)),
    "sigmoid": Function(sigmoid, ("y * (1 - y)",)),
    "softplus": Function(softplus, ("sigmoid(x)",)),
    "erf": Function(erf, ("erf_at_0 * exp(-x**2)",)),
    "sin": Function(np.sin, ("cos(x)",)),
    "cos": Function(np.cos, ("-sin(x)",)),
    "tan": Function(np.tan, ("1 + y**2",)),
    "arcsin": Function(np.arcsin, ("(1 - x**2)**(-1/2)",)),
    "arccos": Function(np.arccos, ("-(1 - x**2)**(-1/2)",)),
    "arctan": Function(np.arctan, ("1/(1 + x**2)",)),
    "sinh": Function(np.sinh, ("cosh(x)",)),
    "cosh": Function(np.cosh, ("sinh(x)",)),
    "tanh": Function(np.tanh, ("1 - y**2",)),
    "arcsinh": Function(np.arcsinh, ("(x**2 + 1)**(-1/2)",)),
    "arccosh": Function(np.arccosh, ("(x**2 - 1)**(-1/2)",)),
    "arctanh": Function(np.arctanh, ("1/(1 - x**2)",)),
    # of one operand, with kinks
    "abs": Function(np.abs, ("sign(x)",), real=True),
    "sign": Function(np.sign, ("0",)),
    "relu": Function(lambda x: np.maximum(x, 0), ("step(x)",)),
    "step": condition(lambda x: x > 0, 1),
    "floor": Function(np.floor, ("0",)),
    "ceil": Function(np.ceil, ("0",)),
    "round": Function(np.rint, ("0",)),
    "trunc": Function(np.trunc, ("0",)),
    # of two operands
    "pow": Function(np.power, ("x1 * pow(x0, x1 - 1)", "y * log(x0)")),
    "maximum": Function(np.maximum, ("greater_equal(x0, x1)", "greater(x1, x0)")),
    "minimum": Function(np.minimum, ("less_equal(x0, x1)", "less(x1, x0)")),
    "arctan2": Function(arctan2, ("x1/(x0**2 + x1**2)", "-x0/(x0**2 + x1**2)")),
    "hypot": Function(hypot, ("x0/y", "x1/y")),
    "logaddexp": Function(logaddexp, ("exp(x0 - y)", "exp(x1 - y)")),
    "mod": Function(np.mod, ("1", "-floor_divide(x0, x1)")),
    "floor_divide": Function(np.floor_divide, ("0", "0")),
    # of a condition and two operands
    "where": Function(cast_where, ("0", "truth(x0)", "logical_not(x0)"), logical=True),
    # of complex numbers
    "conj": Function(np.conj, ("1",)),
    "real": Function(lambda x: x.real if x.dtype.kind == "c" else x, ("1",), real=True),
    "imag": Function(lambda x: x.imag if x.dtype.kind == "c" else 0 * x, ("0",), real=True),
    # conditions
    "greater": condition(np.greater),
    "greater_equal": condition(np.greater_equal),
    "less": condition(np.less),
    "less_equal": condition(np.less_equal),
    "equal": condition(np.equal),
    "not_equal": condition(np.not_equal),
    "logical_and": condition(np.logical_and, logical=True),
    "logical_or": condition(np.logical_or, logical=True),
    "logical_xor": condition(np.logical_xor, logical=True),
    "logical_not": condition(np.logical_not, 1, logical=True),
    "truth": condition(lambda x: x.astype(bool), 1, logical=True),
    "isnan": condition(np.isnan, 1),
    "isinf": condition(np.isinf, 1),
    "isfinite": condition(np.isfinite, 1),
}

# ``power`` where the derivative reads better, or is cheaper, in terms of y: a square root has 1/(2y).
POWERS = {
    Fraction(1, 2): "1/(2 * y)",
    Fraction(-1): "-y**2",
    Fraction(-1, 2): "-y**3/2",
}

# Where an operand declared complex needs another formula: g in dy = Re(g dx), as y is real. None: no derivative.
OF_COMPLEX: dict[str, str | None] = {
    "abs": "conj(x)/y",
    "imag": "-1j",
    "sign": None,
}
