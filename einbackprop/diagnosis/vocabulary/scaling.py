"""Edits of size and sign: a sign, a factor, a number, a power, another operator."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations

from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kind, Place
from einbackprop.diagnosis.vocabulary.layout import matrix_sides
from einbackprop.diagnosis.vocabulary.operands import NEAREST, numbers
from einbackprop.diagnosis.vocabulary.trees import (
    SIGNS,
    SUMS,
    binary,
    call,
    held_number,
    is_minus,
    multiplied,
    negated,
    number,
    parsed,
)

NEAR = 8
POWERS = (2, 3, 0.5, -0.5, -1, -1.5, -2, 1.5)
INSTEAD = {"*": (("@", 1.3), ("/", 1.4)), "@": (("*", 1.3),), "/": (("*", 1.3), ("//", 2.4)), "//": (("/", 2.0),),
           "**": (("*", 1.8),), "+": (("*", 2.0),), "-": (("*", 2.0),)}  # fmt: skip


def sign(expression: Expression) -> Iterator[Edit]:
    """The sign of the whole, of a term, or of what a function is taken of."""
    for place in expression.places:
        node = place.node
        if isinstance(node, ast.Tuple | ast.List | ast.Dict | ast.Compare) or held_number(node) is not None:
            continue
        if is_minus(node):
            yield expression.edit(place, node.operand, 0.9, f"the sign of {ast.unparse(node.operand)} is wrong")
        elif place.outer is None or place.is_argument or is_first_term(place):
            cost = 1.0 if place.outer is None else 1.5
            what = place.text if len(place.text) < 40 else "this"
            yield expression.edit(place, negated(node), cost, f"the sign of {what} is wrong")
        if isinstance(node, ast.BinOp) and isinstance(node.op, SUMS):
            flipped = ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)
            yield expression.edit(place, flipped, 1.0, f"the sign of {ast.unparse(node.right)} is wrong")


def factor_missing(expression: Expression) -> Iterator[Edit]:
    """A factor or a divisor more, of the whole, a term, or what stands in a product."""
    for place in scalable(expression):
        cost = 0.0 if place.outer is None else 0.3 if place.is_term else 0.4 if is_in_sum(place) else 0.7
        yield from sizes_missing(expression, place, cost)
        for rank, (name, shape) in enumerate(expression.near(place)):
            if fits(expression, place, name) and name != place.text:
                more = cost + NEAREST * rank + (0.0 if shape else 0.4)
                times, over = binary(place.node, "*", parsed(name)), binary(place.node, "/", parsed(name))
                yield expression.edit(place, times, 1.5 + more, f"the factor {name} is missing")
                yield expression.edit(place, over, 1.9 + more, f"the division by {name} is missing")
        for rank, name in enumerate([*expression.hand.shapes][:NEAR] if place.is_term or is_in_sum(place) else ()):
            square = binary(parsed(name), "**", number(2))
            for text, operator, more in (("factor", "*", 2.4), ("division by", "/", 2.5)):
                new = binary(place.node, operator, square)
                message = f"the {text} {name} ** 2 is missing"
                yield expression.edit(place, new, more + cost + NEAREST * rank, message)


def sizes_missing(expression: Expression, place: Place, cost: float) -> Iterator[Edit]:
    """A number more as a factor or a divisor: the sizes at hand, 2, and the numbers of the loss."""
    hand, node = expression.hand, place.node
    for rank, size in enumerate(hand.sizes):
        is_count, more = hand.is_count(size), cost + NEAREST * rank
        mean = f"the 1/{size} of the mean is missing" if is_count else f"the division by {size} is missing"
        root = call(expression.function("sqrt"), [parsed(size)])
        for new, price, message in (
            (binary(node, "/", parsed(size)), 1.1 if is_count else 1.6, mean),
            (multiplied(parsed(size), node), 1.7 if is_count else 1.4, f"the factor {size} is missing"),
            (binary(node, "/", root), 2.1, f"the division by the square root of {size} is missing"),
            (binary(node, "*", root), 2.8, f"the factor {ast.unparse(root)} is missing"),
        ):
            yield expression.edit(place, new, price + more, message)
    for literal in dict.fromkeys(("2", "0.5", *hand.literals, "-2")):
        more = cost + (0.0 if literal == "2" else 0.2)
        new = multiplied(parsed(literal), node)
        yield expression.edit(place, new, 1.4 + more, f"the factor {literal} is missing")
        if literal not in ("0.5", "-2"):
            yield expression.edit(place, binary(node, "/", parsed(literal)), 1.5 + more, f"the 1/{literal} is missing")
    counts = [size for size in hand.sizes if hand.is_count(size)][:4]
    for one, two in combinations(counts, 2) if place.outer is None else ():
        new = binary(node, "/", binary(parsed(one), "*", parsed(two)))
        yield expression.edit(place, new, 2.4 + cost, f"the 1/({one} * {two}) of the mean is missing")


def factor_too_many(expression: Expression) -> Iterator[Edit]:
    """A product without one of its sides, or without the last two; a quotient without its divisor."""
    for place in expression.products:
        node, operator = place.node, SIGNS.get(type(place.node.op), "")
        if operator not in ("*", "/", "@", "//"):
            continue
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        what = f"the factor {right}" if operator in "*@" else f"the division by {right}"
        yield expression.edit(place, node.left, 1.3, f"{what} is too much")
        if operator in ("*", "@"):
            yield expression.edit(place, node.right, 1.4, f"the factor {left} is too much")
        elif held_number(node.left) is None:
            yield expression.edit(place, binary(number(1), "/", node.right), 2.2, f"the factor {left} is too much")
        inner = node.left
        if operator == "*" and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult):
            both = f"{ast.unparse(inner.right)} * {right}"
            yield expression.edit(place, inner.left, 1.7, f"the factor {both} is too much")


def other_number(expression: Expression) -> Iterator[Edit]:
    """Another number: a neighbour, twice or half of it, its negative, or 1 or 2."""
    for place in numbers(expression):
        held = held_number(place.node)
        assert held is not None
        halved = held // 2 if isinstance(held, int) and held % 2 == 0 else held / 2
        usual = (held * 2, halved, -held, 1, 2, held - 1, held + 1, 0.5, 0)
        for rank, other in enumerate(dict.fromkeys(usual)):
            more = 0.03 * rank
            if other != held:
                yield expression.edit(place, number(other), 1.4 + more, f"{other} is needed, not {held}")
            if isinstance(held, float) and int(other) == other:
                yield expression.edit(place, number(int(other)), 1.5 + more, f"{int(other)} is needed, not {held}")


def power(expression: Expression) -> Iterator[Edit]:
    """Another exponent, none, or one where there is none."""
    for place in expression.products:
        node = place.node
        if isinstance(node.op, ast.Pow):
            base, exponent = ast.unparse(node.left), ast.unparse(node.right)
            yield expression.edit(place, node.left, 1.3, f"the power {exponent} of {base} is too much")
            for other in POWERS:
                new = binary(node.left, "**", number(other))
                yield expression.edit(place, new, 1.4, f"the exponent {other} is needed, not {exponent}")
    for place in expression.places:
        node = place.node
        inverse = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
        if place in expression.operands or inverse or isinstance(node, ast.Call):
            cost = 2.0 if place in expression.operands else 2.6
            for other in POWERS[:1] if not inverse else (0.5, -0.5, -1, -1.5, -2):
                new = binary(node, "**", number(other))
                yield expression.edit(place, new, cost, f"{place.text} must be to the power {other}")


def operator(expression: Expression) -> Iterator[Edit]:
    """Another operator between two operands: ``@`` for ``*``, ``*`` for ``/``."""
    for place in expression.products:
        node, own = place.node, SIGNS.get(type(place.node.op), "")
        for other, cost in INSTEAD.get(own, ()):
            new = binary(node.left, other, node.right)
            yield expression.edit(place, new, cost, f"{other} is needed, not {own}")
    for place in expression.calls:
        sides = matrix_sides(expression, place.node)
        for other, cost in (("*", 1.5), ("@", 1.9)):
            if sides is None:
                break
            new = binary(sides[0], other, sides[1])
            yield expression.edit(place, new, cost, f"{other} is needed, not {expression.called(place.node)}")


def scalable(expression: Expression) -> Iterator[Place]:
    """The places where a factor may be missing: the outermost of each product, and what is summed or multiplied."""
    for place in expression.places:
        node = place.node
        if held_number(node) is not None and (place.outer is None or is_only_argument(place)):
            yield place
        elif not isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Dict | ast.Compare | ast.Slice):
            product = isinstance(getattr(node, "op", None), ast.Mult | ast.Div) and place.is_factor
            if not (is_minus(node) or product or place.is_head) and not isinstance(place.parent, ast.Subscript):
                yield place


def fits(expression: Expression, place: Place, name: str) -> bool:
    """Whether an array can be a factor at a place: of what is wanted, if that is the whole or a term of it."""
    return not place.is_term or expression.hand.fits(name)


def is_only_argument(place: Place) -> bool:
    """Whether a place is that of ``x`` in ``f(x)``."""
    return isinstance(place.parent, ast.Call) and len(place.parent.args) == 1


def is_in_sum(place: Place) -> bool:
    """Whether a place is a term of some sum."""
    return isinstance(getattr(place.parent, "op", None), SUMS)


def is_first_term(place: Place) -> bool:
    """Whether a place is ``a`` in ``a + b``."""
    return is_in_sum(place) and place.field == "left"


KINDS: tuple[Kind, ...] = (sign, factor_missing, factor_too_many, other_number, power, operator)
