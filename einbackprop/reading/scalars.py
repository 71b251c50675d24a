"""Numbers by the user's names: ``1/N`` and ``lr``, where a formula has 0.25 and 0.01.

In go a statement, the numbers that it read, and the factor of a formula; out comes the product of names that the factor
is. A name is looked for where the statement multiplies or divides by it, and two products that would do are none.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

from einbackprop.core.factors import Number
from einbackprop.core.source import parse_python
from einbackprop.notation.view import Named, View, nearest_float

Use: TypeAlias = tuple[ast.expr, Fraction]
"""A name, or a sum of two, and the power that it has in a product."""

MOST = 3
"""Names in one factor."""
CLOSE = 1e-13
"""How far a product of names may be from the number, relative to it: the code has rounded in some other order."""
TRIVIAL = (0, 1, -1)


class Scalars:
    """Says which names of a statement make up a number.

    Parameters
    ----------
    code : str
        The statement.
    scalars : mapping of text to number
        The numbers of Python that it read.
    view : View
        The letters and sizes that a name must not be taken for.
    """

    def __init__(self, code: str, scalars: Mapping[str, float], view: View) -> None:
        named, self._literals = uses_in(code)
        clear = {text: number for text, number in scalars.items()
                 if text not in view.alike and view.sizes.get(text.lower(), number) == number}  # fmt: skip
        self._known = [
            ((text_of(node), power), value) for node, power in named
            if (number := number_of(node, clear)) is not None and is_telling(number) and number > 0  # signs are apart
            and (value := raised(number, power)) is not None
        ]  # fmt: skip

    def named(self, number: Number) -> Named | None:
        """A number as a product of names and at most one number that the statement has written out."""
        if isinstance(number, complex) or not self._known or not is_telling(number):
            return None
        size = abs(nearest_float(number))
        if any(is_close(size, literal) for literal in self._literals):
            return None
        for count in range(1, MOST + 1):
            for literal in (Fraction(1), *self._literals):
                found = [some for some in combinations(self._known, count)
                         if is_close(size, math.prod(value for _, value in some) * nearest_float(literal))]  # fmt: skip
                if len(found) == 1:
                    return Named(-literal if number < 0 else literal, tuple(use for use, _ in found[0]))
                if found:
                    return None
        return None


def is_telling(number: float | Fraction) -> bool:
    """Whether a number says something: it is finite, and neither 0 nor 1."""
    return number not in TRIVIAL and math.isfinite(nearest_float(number))


def text_of(node: ast.expr) -> str:
    """A name as it is written, a sum in parentheses."""
    return f"({ast.unparse(node)})" if isinstance(node, ast.BinOp) else ast.unparse(node)


def number_of(node: ast.expr, scalars: Mapping[str, float]) -> float | None:
    """The number that a name stands for, or a sum of names and numbers; None where one of them is not known."""
    if isinstance(node, ast.Constant):
        number = written_out(node)
        return None if number is None else nearest_float(number)
    if not isinstance(node, ast.BinOp):
        return scalars.get(ast.unparse(node))
    one, two = number_of(node.left, scalars), number_of(node.right, scalars)
    if one is None or two is None:
        return None
    return nearest_float(one) - nearest_float(two) if isinstance(node.op, ast.Sub) else (
        nearest_float(one) + nearest_float(two))  # fmt: skip


def raised(number: float, power: Fraction) -> float | None:
    """A number to some power; None where that is no number, or too large for one."""
    try:
        return math.pow(nearest_float(number), power)
    except (ValueError, OverflowError):
        return None


def is_close(one: float, other: float | Fraction) -> bool:
    """Whether two numbers are the same but for rounding."""
    return abs(one - nearest_float(other)) <= CLOSE * abs(one)


@lru_cache(maxsize=1024)
def uses_in(code: str) -> tuple[tuple[Use, ...], tuple[Fraction, ...]]:
    """The names that a statement multiplies or divides by, with their powers, and what its numbers are as factors."""
    try:
        tree = parse_python(code)
    except (SyntaxError, ValueError):
        return (), ()
    values = (node.value for node in tree.body if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)
              and node.value is not None)  # fmt: skip
    found = {(text_of(node), power): (node, power) for value in values for node, power in uses(value, Fraction(1))}
    written = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    numbers = [abs(Fraction(value)) for value in written if isinstance(value, int | float) and is_telling(value)]
    return tuple(found.values()), tuple(dict.fromkeys(made for number in numbers for made in (number, 1 / number)))


def written_out(node: ast.expr) -> Fraction | None:
    """The number that an expression is, a minus before it perhaps; None for any other expression."""
    match node:
        case ast.Constant(int() | float() as number) if math.isfinite(number):
            return Fraction(number)
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)) if math.isfinite(number):
            return -Fraction(number)
    return None


def is_of_numbers(left: ast.expr, right: ast.expr) -> bool:
    """Whether two sides of a sum are names, one of them a number that is written out perhaps."""
    sides = {isinstance(side, ast.Constant) for side in (left, right)}
    return sides != {True} and all(isinstance(side, ast.Name | ast.Attribute | ast.Subscript | ast.Constant)
                                   for side in (left, right))  # fmt: skip


def uses(node: ast.expr, power: Fraction, *, may_be_number: bool = True) -> Iterator[Use]:
    """The names in an expression that stands in a product with some power; a sum of two names or numbers,
    ``(1 - beta)``, is one where it ``may_be_number``."""
    match node:
        case ast.BinOp(left, ast.Mult(), right):
            yield from uses(left, power)
            yield from uses(right, power)
        case ast.BinOp(left, ast.Div(), right):
            yield from uses(left, power)
            yield from uses(right, -power)
        case ast.BinOp(left, ast.Pow(), right) if (exponent := written_out(right)) is not None:
            yield from uses(left, power * exponent)
        case ast.UnaryOp(ast.USub() | ast.UAdd(), inner):
            yield from uses(inner, power)
        case ast.Call(ast.Attribute(attr="sqrt") | ast.Name("sqrt"), [inner]):
            yield from uses(inner, power / 2)
        case ast.Name() | ast.Attribute() | ast.Subscript():
            yield node, power
        case ast.Call(_, arguments):
            for argument in arguments:
                yield from uses(argument, Fraction(1))
        case ast.BinOp(left, ast.Add() | ast.Sub(), right) if may_be_number and is_of_numbers(left, right):
            yield node, power
            yield from uses(node, power, may_be_number=False)
        case ast.BinOp(left, _, right):  # a sum, a product of matrices
            yield from uses(left, power if isinstance(node.op, ast.MatMult) else Fraction(1))
            yield from uses(right, power if isinstance(node.op, ast.MatMult) else Fraction(1))
