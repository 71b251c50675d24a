"""Edits of sums: a term that is missing, or too many."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations_with_replacement, product

from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kind, Place
from einbackprop.diagnosis.vocabulary.operands import NEAREST
from einbackprop.diagnosis.vocabulary.reductions import reduction
from einbackprop.diagnosis.vocabulary.trees import SUMS, attribute, binary, held_number, negated, number, parsed

NEAR, NEAREST_FOUR = 12, 4


def term_missing(expression: Expression) -> Iterator[Edit]:
    """A term more: an array at hand, times a number of the loss, or divided by a size."""
    for place in summable(expression):
        whole = place.is_term and place.outer is None
        for rank, (name, shape) in enumerate(expression.hand.shapes.items()):
            if name == place.text or (whole and not expression.hand.fits(name)):
                continue
            cost = 1.5 + NEAREST * rank + (0.0 if whole else 0.7) + (0.0 if shape else 0.5)
            yield from plus(expression, place, parsed(name), cost)
            if whole:
                for term, more in multiples(expression, name):
                    yield from plus(expression, place, term, cost + more)
        for rank, size in enumerate((*expression.hand.sizes, *expression.hand.literals)):
            cost = (2.4 if expression.hand.is_count(size) else 1.8) + NEAREST * rank
            yield from plus(expression, place, parsed(size), cost)
        one = number(1)
        yield from plus(expression, place, one, 1.9)
        if held_number(place.node) is None:
            yield expression.edit(place, binary(one, "-", place.node), 1.7, f"1 - {place.text} is needed here")


def product_missing(expression: Expression) -> Iterator[Edit]:
    """A term more that is a product of two arrays at hand, one of matrices, or one with what is summed over an axis."""
    place = expression.places[0]
    hand = expression.hand
    near = [name for name, shape in hand.shapes.items() if shape][: NEAR if hand.wanted is None else None]
    if place.outer is not None or not is_summable(place):
        return
    for one, two in product(near, repeat=2):
        first, second = hand.shapes[one], hand.shapes[two]
        if one < two and first == second and hand.fits(one):
            yield from plus(expression, place, binary(parsed(one), "*", parsed(two)), 2.8)
        if len(first) == len(second) == 2:
            for left, right in product(sides(one, first), sides(two, second)):
                (a, (m, inner)), (b, (outer, n)) = left, right
                if inner == outer and (hand.wanted is None or hand.wanted == (m, n)):
                    yield from plus(expression, place, binary(a, "@", b), 3.0)


def total_missing(expression: Expression) -> Iterator[Edit]:
    """A sum over an axis less, of an array or of a product of two, as in a softmax; perhaps times one of them."""
    inside = {place.text for place in expression.operands}
    arrays = [name for name, shape in expression.hand.shapes.items() if shape]
    near = sorted(arrays, key=lambda name: name not in inside)[:NEAREST_FOUR]
    for place in summable(expression):
        for one, two in combinations_with_replacement(near, 2):
            if expression.hand.shapes[one] != expression.hand.shapes[two]:
                continue
            summed = parsed(one) if one == two else binary(parsed(one), "*", parsed(two))
            for axis, kept in product((0, 1, -1), (False, True)):
                total = reduction(expression, "sum", summed, axis, kept)
                for term in (total, *(binary(parsed(name), "*", total) for name in {one, two} if place.outer is None)):
                    new = binary(place.node, "-", term)
                    yield expression.edit(place, new, 2.9, f"a term is missing: - {ast.unparse(term)}")


def term_too_many(expression: Expression) -> Iterator[Edit]:
    """A sum without one of its terms."""
    for place in expression.products:
        node = place.node
        if isinstance(node.op, SUMS):
            left = node.right if isinstance(node.op, ast.Add) else negated(node.right)
            right = f"{'+' if isinstance(node.op, ast.Add) else '-'} {ast.unparse(node.right)}"
            yield expression.edit(place, node.left, 1.2, f"the term {right} is too much")
            yield expression.edit(place, left, 1.4, f"the term {ast.unparse(node.left)} is too much")
            yield expression.edit(place, node.right, 1.5, f"{ast.unparse(node.left)} is too much")


def plus(expression: Expression, place: Place, term: ast.expr, cost: float) -> Iterator[Edit]:
    """A term added, and subtracted."""
    text = ast.unparse(term)
    for sign, more in (("+", 0.0), ("-", 0.05)):
        new = binary(place.node, sign, term)
        yield expression.edit(place, new, cost + more, f"a term is missing: {sign} {text}")


def multiples(expression: Expression, name: str) -> Iterator[tuple[ast.expr, float]]:
    """An array times a number of the loss, twice that, and divided by a size; what each costs more."""
    hand, array = expression.hand, parsed(name)
    for size in dict.fromkeys((*hand.sizes, *hand.literals)):
        if hand.is_count(size):
            yield binary(array, "/", parsed(size)), 0.7
        else:
            yield binary(parsed(size), "*", array), 0.4
            yield binary(binary(number(2), "*", parsed(size)), "*", array), 0.6
    yield binary(number(2), "*", array), 0.7


def sides(name: str, shape: tuple[int, ...]) -> list[tuple[ast.expr, tuple[int, ...]]]:
    """A matrix and its transpose, with their shapes."""
    return [(parsed(name), shape), (attribute(parsed(name), "T"), shape[::-1])]


def summable(expression: Expression) -> Iterator[Place]:
    """The places where a term may be missing: the whole, a factor, an argument."""
    for place in expression.places:
        is_base = isinstance(getattr(place.parent, "op", None), ast.Pow) and place.field == "left"
        if is_summable(place) and (place.outer is None or place.is_factor or place.is_argument or is_base):
            yield place


def is_summable(place: Place) -> bool:
    """Whether something can be added to what stands at a place, and is not already."""
    node = place.node
    several = isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Dict | ast.Slice | ast.GeneratorExp)
    return not several and (place.outer is None or not isinstance(getattr(node, "op", None), ast.Mult | ast.Div))


KINDS: tuple[Kind, ...] = (term_missing, product_missing, total_missing, term_too_many)
