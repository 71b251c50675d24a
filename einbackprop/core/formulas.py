"""The formulas in which derivatives of pointwise functions are stated, read as sums of products.

``y * (1 - y)`` is one product of y and a sum in parentheses: what equations are made of. The grammar is Python's, so
Python parses it.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, reduce

from ..errors import FunctionError
from .program import Number, exact, multiply
from .source import parse_python

CONSTANTS = {"ln2": math.log(2), "ln10": math.log(10)}


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
