"""Edits of size and sign: a sign, a factor, a number, a power, another operator."""

import ast
from collections.abc import Iterator
from itertools import combinations

from einbackprop.diagnosis.vocabulary.expression import REDUCTIONS, Edit, Expression, Kinds, Place
from einbackprop.diagnosis.vocabulary.hand import NEAREST, is_length
from einbackprop.diagnosis.vocabulary.layout import matrix_sides
from einbackprop.diagnosis.vocabulary.operands import numbers
from einbackprop.diagnosis.vocabulary.reductions import is_reduced
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    SIGNS,
    SUMS,
    binary,
    call,
    flipped,
    held_number,
    is_minus,
    is_same,
    multiplied,
    negated,
    number,
    parsed,
)

NEAR, FEW = 8, 4
MEAN = "the 1/{} of the mean is missing"
POWERS = (2, 3, 0.5, -0.5, -1, -1.5, -2, 1.5)
INSTEAD = {"*": (("@", 1.3), ("/", 1.4)), "@": (("*", 1.3),), "/": (("*", 1.3), ("//", 2.4)), "//": (("/", 2.0),),
           "**": (("*", 1.8),), "+": (("*", 2.0),), "-": (("*", 2.0),)}  # fmt: skip


def sign(expression: Expression) -> Iterator[Edit]:
    """The sign of the whole, of a term, or of what a function is taken of."""
    for place in expression.places:
        node = place.node
        if isinstance(node, ast.Tuple | ast.List | ast.Dict | ast.Compare) or held_number(node) is not None:
            continue
        if is_length(node):  # no size is negative
            continue
        if is_minus(node):
            yield expression.edit(place, node.operand, 0.9, "the sign of {} is wrong", node.operand)
        elif place.outer is None or place.is_argument or (is_in_sum(place) and place.field == "left"):
            cost = 1.0 if place.outer is None else 1.5
            yield expression.edit(place, negated(node), cost, "the sign of {} is wrong", place)
        if isinstance(node, ast.BinOp) and isinstance(node.op, SUMS):
            yield expression.edit(place, flipped(node), 0.9, "the sign of {} is wrong", node.right)


def factor_missing(expression: Expression) -> Iterator[Edit]:
    """A factor or a divisor more, of the whole, a term, what is summed, or what stands in a product; of a mask too."""
    hand = expression.hand
    for place in (*scalable(expression), *masks(expression)):
        node, cost, is_mask = place.node, inward(expression, place), isinstance(place.node, ast.Compare)
        if not is_mask:
            yield from sizes_missing(expression, place, cost)
        for rank, (name, shape) in enumerate(expression.near(place)):
            if fits(expression, place, name) and name != place.text:
                more, array = cost + hand.distance(name, rank) + (0.0 if shape else 0.4), parsed(name)
                price = 1.5 + more - 0.3 * (is_mask or holds_slope(node, array))
                yield expression.edit(place, with_factor(node, array), price, "the factor {} is missing", name)
                if not is_mask:
                    over = binary(node, "/", array)
                    yield expression.edit(place, over, 1.9 + more, "the division by {} is missing", name)
        for rank, name in enumerate(hand.shapes if place.is_term and not is_mask else ()):
            for column, _ in hand.columns(name):
                new, price = with_factor(node, parsed(column)), 1.7 + cost + hand.distance(name, rank)
                yield expression.edit(place, new, price, "the factor {} is missing", column)
        for rank, name in enumerate([*hand.shapes][:NEAR] if place.is_term or is_in_sum(place) else ()):
            usual = (("factor", "*", 2, 2.4), ("division by", "/", 2, 2.5), ("division by", "/", 3, 2.7))
            for text, operator, exponent, more in usual if not is_mask else ():
                price = more + cost + hand.distance(name, rank)
                new = binary(node, operator, binary(parsed(name), "**", number(exponent)))
                yield expression.edit(place, new, price, "the {} {} ** {} is missing", text, name, exponent)


def inward(expression: Expression, place: Place) -> float:
    """What it costs more that a factor is missing further inside an expression: little in what is summed."""
    if place.outer is None:
        return 0.2 * (expression.called(place.node) in REDUCTIONS)
    if place.is_term:
        return 0.3
    return 0.1 if is_reduced(expression, place) else 0.4 if is_in_sum(place) else 0.7


def sizes_missing(expression: Expression, place: Place, cost: float) -> Iterator[Edit]:
    """A number more as a factor or a divisor: the sizes at hand, 2, and the numbers of the loss."""
    hand, node = expression.hand, place.node
    has_root = any("(" in literal for literal in hand.literals)
    for rank, size in enumerate(hand.sizes):
        is_count, more, scale = hand.is_count(size), cost + hand.distance(size, rank), parsed(size)
        root = call(expression.function("sqrt"), [scale])
        of_root = 1.6 if has_root and size in hand.unused else 2.1
        for new, price, wording in (
            (binary(node, "/", scale), 1.1 if is_count else 1.6, MEAN if is_count else "the division by {} is missing"),
            (multiplied(scale, node), 1.7 if is_count else 1.4, "the factor {} is missing"),
            (binary(node, "/", root), of_root, "the division by the square root of {} is missing"),
            (binary(node, "*", root), of_root + 0.7, "the factor sqrt({}) is missing"),
        ):
            yield expression.edit(place, new, price + more, wording, size)
        if not is_count:
            twice = multiplied(number(2), multiplied(scale, node))
            yield expression.edit(place, twice, 1.7 + more, "the factor 2 * {} is missing", size)
    for rank, name in enumerate(hand.scalars[:FEW]):  # of a mask with a rate, or of an average that moves
        rest, price = binary(number(1), "-", parsed(name)), 1.8 + cost + NEAREST * rank
        yield expression.edit(place, binary(node, "/", rest), price, "the division by 1 - {} is missing", name)
        yield expression.edit(place, binary(node, "*", rest), price + 0.1, "the factor 1 - {} is missing", name)
    slopes = (f"{n} * {literal}" for literal in hand.literals if "." in literal for n in (2, 3))
    for literal in dict.fromkeys(("2", "0.5", *hand.literals, "-2", *slopes)):
        more = cost + (0.0 if literal == "2" or "(" in literal else 0.2)
        new = multiplied(parsed(literal), node)
        yield expression.edit(place, new, 1.4 + more, "the factor {} is missing", literal)
        if literal not in ("0.5", "-2"):
            yield expression.edit(place, binary(node, "/", parsed(literal)), 1.5 + more, "the 1/{} is missing", literal)
    if place.outer is None or place.is_term:
        yield from halves_missing(expression, place, cost)


def halves_missing(expression: Expression, place: Place, cost: float) -> Iterator[Edit]:
    """A size together with 2, or with another, as the mean of squares has them: ``2 * x / N``, ``x / (2 * N)``."""
    hand, node, two = expression.hand, place.node, number(2)
    counts = [size for size in hand.sizes if hand.is_count(size)][:FEW]
    wholes = dict.fromkeys(f"{name}.size" for name in [*dict.fromkeys((*expression.spelled, *hand.shapes))]
                           if len(hand.shapes.get(name, ())) > 1)  # fmt: skip
    for rank, size in enumerate((*counts, *[*wholes][:FEW])):
        more, scale = cost + NEAREST * rank, parsed(size)
        if size in wholes:
            yield expression.edit(place, binary(node, "/", scale), 1.6 + more, MEAN, size)
        for new, price, wording in (
            (binary(multiplied(two, node), "/", scale), 1.5 + 0.3 * (size in wholes), "the factor 2 / {} is missing"),
            (binary(node, "/", binary(two, "*", scale)), 1.8, "the factor 1 / (2 * {}) is missing"),
            (binary(multiplied(scale, node), "/", two), 2.3, "the factor {} / 2 is missing"),
        ):
            yield expression.edit(place, new, price + more, wording, size)
    for one, other in combinations(counts, 2) if place.outer is None else ():
        new = binary(node, "/", binary(parsed(one), "*", parsed(other)))
        yield expression.edit(place, new, 2.4 + cost, "the 1/({} * {}) of the mean is missing", one, other)


def with_factor(node: ast.expr, factor: ast.expr) -> ast.expr:
    """A product with one factor more, where people write it.

    It comes before a mask and before ``1 - p``, of a factor p: ``d * p * (1 - p)``; and before a divisor.
    """
    if isinstance(node, ast.Compare) or (isinstance(node, ast.BinOp) and is_slope(node)):
        return with_slope(node, factor)
    if not isinstance(node, ast.BinOp):
        return binary(node, "*", factor)
    if isinstance(node.op, ast.Div):
        above = factor if held_number(node.left) == 1 else with_factor(node.left, factor)
        return binary(above, "/", node.right)
    if isinstance(node.op, ast.Mult) and holds_slope(node.right, factor):
        return binary(binary(node.left, "*", factor), "*", node.right)
    return binary(node, "*", factor)


def holds_slope(node: ast.expr, factor: ast.expr) -> bool:
    """Whether a node, or the last factor of it, is ``1 - p``, of a factor p."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and not is_slope(node):
        return holds_slope(node.right, factor)
    return isinstance(node, ast.BinOp) and is_slope(node) and is_same(node.right, factor)


def with_slope(node: ast.expr, factor: ast.expr) -> ast.expr:
    """A factor, and then what a function's derivative is: ``d * (x > 0)``, ``d * h * (1 - h)``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return binary(with_slope(node.left, factor), "*", node.right)
    return binary(factor, "*", node)


def is_slope(node: ast.BinOp) -> bool:
    """Whether a node looks like a derivative of something: ``1 - x``, ``1 - x ** 2``, ``x * (1 - x)``."""
    if isinstance(node.op, ast.Mult) and isinstance(node.right, ast.BinOp):
        return isinstance(node.left, OPERANDS) and is_slope(node.right)
    return isinstance(node.op, ast.Sub | ast.Add) and held_number(node.left) == 1


def factor_too_many(expression: Expression) -> Iterator[Edit]:
    """A product without one of its sides, or without the last two; a quotient without its divisor."""
    for place in expression.products:
        node, operator = place.node, SIGNS.get(type(place.node.op), "")
        if operator not in ("*", "/", "@", "//"):
            continue
        left, right = node.left, node.right
        first, second = (0.3 * (held_number(side) is None) for side in (left, right))
        what = "the factor {} is too much" if operator in "*@" else "the division by {} is too much"
        yield expression.edit(place, left, 1.0 + second, what, right)
        if operator in ("*", "@"):
            yield expression.edit(place, right, 1.0 + first + 0.1 * bool(first), what, left)
        elif held_number(left) is None:
            yield expression.edit(place, binary(number(1), "/", right), 2.2, "the factor {} is too much", left)
        if operator in "*/" and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
            what = f"the factor {{}} {operator} {{}} is too much"
            are_sizes = {ast.unparse(left.right), ast.unparse(right)} <= {*expression.hand.sizes}  # of a mean
            yield expression.edit(place, left.left, 1.05 if are_sizes else 1.7, what, left.right, right)


def other_number(expression: Expression) -> Iterator[Edit]:
    """Another number: a neighbour, twice or half of it, its negative, or 1 or 2."""
    for place in numbers(expression):
        held = held_number(place.node)
        assert held is not None
        halved = held // 2 if isinstance(held, int) and held % 2 == 0 else held / 2
        usual = (held * 2, halved, -held, 1, 2, held - 1, held + 1, 0.5, 0)
        is_complement = isinstance(getattr(place.parent, "op", None), ast.Sub)
        for rank, other in enumerate(dict.fromkeys(usual)):
            more = 0.03 * rank - 0.2 * (other == 1 and is_complement)  # 1 - x, p - 1
            if other != held:
                yield expression.edit(place, number(other), 1.4 + more, "{} is needed, not {}", other, held)
            if isinstance(held, float) and int(other) == other:
                yield expression.edit(place, number(int(other)), 1.5 + more, "{} is needed, not {}", int(other), held)


def power(expression: Expression) -> Iterator[Edit]:
    """Another exponent, none, or one where there is none."""
    for place in expression.products:
        node = place.node
        if isinstance(node.op, ast.Pow):
            base, exponent = node.left, node.right
            yield expression.edit(place, node.left, 1.3, "the power {} of {} is too much", exponent, base)
            for other in POWERS:
                new = binary(node.left, "**", number(other))
                yield expression.edit(place, new, 1.4, "the exponent {} is needed, not {}", other, exponent)
    for place in expression.calls:
        if expression.called(place.node) == "sqrt":  # the derivative of ``1 / np.sqrt(v)``
            new = binary(place.node, "**", number(3))
            yield expression.edit(place, new, 1.7, "{} must be to the power {}", place, 3)
    for place in expression.places:
        node = place.node
        inverse = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
        if place in expression.operands or inverse or isinstance(node, ast.Call):
            cost = 1.8 if place in expression.operands else 2.4
            for other in POWERS[:1] if not inverse else (0.5, -0.5, -1, -1.5, -2):
                new = binary(node, "**", number(other))
                yield expression.edit(place, new, cost, "{} must be to the power {}", place, other)


def operator(expression: Expression) -> Iterator[Edit]:
    """Another operator between two operands: ``@`` for ``*``, ``*`` for ``/``."""
    for place in expression.products:
        node, own = place.node, SIGNS.get(type(place.node.op), "")
        for other, cost in INSTEAD.get(own, ()):
            new = binary(node.left, other, node.right)
            yield expression.edit(place, new, cost, "{} is needed, not {}", other, own)
    for place in expression.calls:
        sides = matrix_sides(expression, place.node)
        for other, cost in (("*", 1.5), ("@", 1.9)):
            if sides is None:
                break
            new = binary(sides[0], other, sides[1])
            yield expression.edit(place, new, cost, "{} is needed, not {}", other, expression.called(place.node))


def scalable(expression: Expression) -> Iterator[Place]:
    """The places where a factor may be missing: the outermost of each product, and what is summed or multiplied."""
    for place in expression.places:
        node = place.node
        if held_number(node) is not None and (place.outer is None or is_only_argument(place) or is_case(place)):
            yield place
        elif not isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Dict | ast.Compare | ast.Slice):
            product = isinstance(getattr(node, "op", None), ast.Mult | ast.Div) and place.is_factor
            if not (is_minus(node) or product or place.is_head) and not isinstance(place.parent, ast.Subscript):
                yield place


def masks(expression: Expression) -> Iterator[Place]:
    """The places of comparisons that are used as numbers: the whole, a term, a side of a product."""
    for place in expression.places:
        if isinstance(place.node, ast.Compare) and (place.is_term or place.is_factor or is_in_sum(place)):
            yield place


def fits(expression: Expression, place: Place, name: str) -> bool:
    """Whether an array can be a factor at a place: of what is wanted, if that is the whole or a term of it."""
    return not place.is_term or expression.hand.fits(name)


def is_only_argument(place: Place) -> bool:
    """Whether a place is that of ``x`` in ``f(x)``."""
    return isinstance(place.parent, ast.Call) and len(place.parent.args) == 1


def is_case(place: Place) -> bool:
    """Whether a place is that of ``a`` or ``b`` in ``a if condition else b``."""
    return isinstance(place.parent, ast.IfExp) and place.field != "test"


def is_in_sum(place: Place) -> bool:
    """Whether a place is a term of some sum."""
    return isinstance(getattr(place.parent, "op", None), SUMS)


KINDS: Kinds = {
    sign: "a sign", factor_missing: "a factor", factor_too_many: "a factor", other_number: "a number",
    power: "a power", operator: "an operator",
}  # fmt: skip
