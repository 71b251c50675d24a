"""Edits of pointwise functions: a derivative that is missing or another one, a function, a mask, a comparison."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial, reduce
from itertools import product

from einbackprop.core.visible import listed
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kinds, Place
from einbackprop.diagnosis.vocabulary.hand import DERIVATIVE as CALLED
from einbackprop.diagnosis.vocabulary.hand import NEAREST, Hand
from einbackprop.diagnosis.vocabulary.operands import is_idle, numbers
from einbackprop.diagnosis.vocabulary.reductions import reduction
from einbackprop.diagnosis.vocabulary.scaling import fits, is_slope, scalable
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, SIGNS, binary, call, held_number, is_same, number, parsed

SLOPES = (
    ("{0} * (1 - {0})", "of the sigmoid", 0.0), ("1 - {0} ** 2", "of tanh", 0.0), ("{0} > 0", "of relu", 0.0),
    ("1 - {0}", "of the sigmoid, in part,", 0.4), ("np.cos({0})", "of the sine", 0.9),
    ("np.exp({0})", "of the exponential", 0.5), ("np.sign({0})", "of the absolute value", 0.8),
    ("1 - np.tanh({0}) ** 2", "of tanh", 0.6), ("2 * {0}", "of the square", 0.7), ("{0} * (1 - {0} ** 2)", "", 1.6),
    ("-1 / {0} ** 2", "of the reciprocal", 0.7), ("0.5 / {0}", "of the square root", 0.8),
)  # fmt: skip
"""Derivatives of pointwise functions by what they gave or took, with the function's name and what each costs more."""
FUNCTIONS = {"sqrt": 0.0, "exp": 0.3, "log": 0.5, "abs": 0.6, "sign": 0.6, "tanh": 0.6, "square": 0.7, "cos": 0.8}
USUAL = 0.6
"""What the less usual derivatives cost more: they are tried for the whole and its terms only."""
IDLE = 0.4
"""What the derivative of a relu costs more of what is positive everywhere."""
BACKWARD = re.compile(r"back|bwd|(?:^|_)d_?[a-z]+$", re.IGNORECASE)
COMPARISONS = (ast.Gt, ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq)
NEAR = 10


def derivative_missing(expression: Expression) -> Iterator[Edit]:
    """The derivative of a pointwise function as a factor more, from what it gave or took."""
    own, hand, taken = expression.known & expression.spelled, expression.hand, {*arguments(expression)}
    for place in scalable(expression):
        cost = 1.5 if place.outer is None else 1.9 if place.is_term else 2.2
        names = [name for name, shape in expression.near(place) if shape and fits(expression, place, name)][:NEAR]
        for rank, name in enumerate(names):
            for slope, function, more in slopes(expression, name) if place.text != name or place.outer is None else ():
                if more >= USUAL and not place.is_term:
                    continue
                price = cost + more + hand.distance(name, rank) + (0.1 if name in own else 0.0)
                if price > expression.limit:
                    continue
                new, text = times(place.node, slope), partial(slope_text, slope)
                yield expression.edit(place, new, price, "the derivative {} is missing: multiply by {}", function, text)
        held = {name.partition("[")[0] for name in taken}  # of ``zs[-1]`` any entry, as ``zs[-l]``
        first = {*names[: NEAR // 2], *(name for name in hand.shapes if name.partition("[")[0] in held)}
        for rank, name in enumerate(hand.shapes):
            price = cost + 0.4 + NEAREST * rank
            if price > expression.limit:
                break
            for function in hand.functions if name in first else methods(expression, place, name):
                factor = call(parsed(function), [parsed(name)])
                new = binary(place.node, "*", factor)
                yield expression.edit(place, new, price, "the factor {} is missing", factor)


def arguments(expression: Expression) -> Iterator[str]:
    """What functions take elsewhere in the code, one array each: the derivative may be taken there as well."""
    for phrase in expression.hand.phrases:
        if isinstance(phrase, ast.Call) and len(phrase.args) == 1 and isinstance(phrase.args[0], OPERANDS):
            yield ast.unparse(phrase.args[0])


def methods(expression: Expression, place: Place, name: str) -> Iterator[str]:
    """The derivatives that are methods, which may be taken of any array: the layer that took it is known."""
    if place.is_term and expression.hand.fits(name):
        yield from (function for function in expression.hand.functions if "." in function)


def derivative_for_one(expression: Expression) -> Iterator[Edit]:
    """A derivative in the place of a 1 that says nothing, as in ``dh *= 1``."""
    hand = expression.hand
    for place in numbers(expression):
        if is_idle(expression, place):
            for rank, name in enumerate([name for name in hand.shapes if hand.fits(name)][:NEAR]):
                for slope, function, more in slopes(expression, name):
                    words = "the derivative {} is missing: multiply by {}", function, partial(slope_text, slope)
                    yield expression.edit(place, slope, 1.1 + more + hand.distance(name, rank), *words)


def other_derivative(expression: Expression) -> Iterator[Edit]:
    """Another derivative in the place of one, or of what should be differentiated. A function that knows nothing but
    its argument is more often given a wrong one than wrong."""
    alone = 0.2 if isinstance(expression.statement, ast.Return) and len(expression.hand.shapes) == 1 else 0.0
    for place in expression.places:
        node = place.node
        formula = isinstance(node, ast.BinOp | ast.Compare)
        near = [*dict.fromkeys(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))]
        inside = [p.text for p in expression.operands if p.text in expression.hand.shapes]
        if place in expression.operands:
            near = [place.text]
        elif formula and (isinstance(node, ast.Compare) or is_slope(node)):
            near = [name for name in dict.fromkeys([*inside, *near]) if name in expression.hand.shapes]
        else:
            continue
        for name in near:
            for slope, function, more in slopes(expression, name):
                reason = f": the derivative {function}" if function and formula else ""
                said = "{} is needed, not {}{}", partial(slope_text, slope), place, reason
                cost, parent = 1.2 + alone + more + 0.6 * (not formula), place.parent
                if place.outer is not None and place.field == "right" and isinstance(parent.op, ast.Mult):
                    yield expression.edit(place.outer, times(parent.left, slope), cost, *said)
                else:
                    yield expression.edit(place, slope, cost, *said)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and held_number(node.left) == 1:
            right = node.right
            yield expression.edit(place, node.right, 1.4, "{} is needed, not {}", right, place)
            yield expression.edit(place, binary(number(1), "+", node.right), 1.6, "1 + {} is needed", right)


def own_derivative(expression: Expression) -> Iterator[Edit]:
    """A derivative by a function of the user's, of what another one is written of or of what is at hand:
    ``leaky_grad(d, z)``, or ``d * leaky_prime(z)``, for ``d * (z > 0)`` and for ``d``.
    """
    hand = expression.hand
    named = [name for name in hand.functions if CALLED.search(name) or BACKWARD.search(name)]
    for place in expression.products if named else ():
        left, right = place.node.left, place.node.right
        for d, slope in ((left, right), (right, left)) if isinstance(place.node.op, ast.Mult) else ():
            spelled = (ast.unparse(node) for node in ast.walk(slope) if isinstance(node, OPERANDS))
            for name, function in product(dict.fromkeys(one for one in spelled if one in hand.shapes), named):
                for rank, new in enumerate(derivatives_by(hand, function, d, parsed(name))):
                    yield expression.edit(place, new, 1.3 + 0.05 * rank, "{} is needed, not {}", new, place)
    for whole in (place for place in expression.operands if place.outer is None):
        near = (one for one in enumerate([*hand.shapes][:NEAR]) if one[1] != whole.text)
        for (rank, name), function in product(near, named):
            for new in derivatives_by(hand, function, whole.node, parsed(name)):
                yield expression.edit(whole, new, 1.6 + NEAREST * rank, "{} is needed, not {}", new, whole)


def derivatives_by(hand: Hand, function: str, d: ast.expr, taken: ast.expr) -> Iterator[ast.expr]:
    """A cotangent times the derivative that a function gives of one array, or as it gives it of both."""
    if hand.accepts(function, 1):
        yield binary(d, "*", call(parsed(function), [taken]))
    if hand.accepts(function, 2):
        yield call(parsed(function), [d, taken])
        yield call(parsed(function), [taken, d])


def sigmoid_slopes(expression: Expression) -> Iterator[tuple[Place, ast.expr, ast.expr]]:
    """The products with the derivative of a sigmoid among their factors, ``d * p * (1 - p)``, with p and the rest."""
    for place in expression.products:
        parts = factors(place.node)
        slope = next((one for one in parts if isinstance(one, ast.BinOp) and is_slope(one)), None)
        p = next((one for one in parts if slope is not None and is_same(one, slope.right)), None)
        rest = [one for one in parts if one is not slope and one is not p]
        is_whole = not isinstance(getattr(place.parent, "op", None), ast.Mult)
        if p is not None and rest and is_whole:
            yield place, p, reduce(lambda one, two: binary(one, "*", two), rest)


def other_derivative_in_a_product(expression: Expression) -> Iterator[Edit]:
    """None, or another derivative, in the place of that of a sigmoid, of which no part of a product holds all."""
    for place, p, rest in sigmoid_slopes(expression):
        yield expression.edit(place, rest, 1.15, "the derivative of the sigmoid, {} * (1 - {}), is too much", p, p)
        for slope, function, more in slopes(expression, ast.unparse(p)):
            if more < USUAL:
                said = "{} is needed, not {} * (1 - {}): the derivative {}", partial(slope_text, slope), p, p, function
                yield expression.edit(place, times(rest, slope), 1.2 + more, *said)


def softmax_derivative(expression: Expression) -> Iterator[Edit]:
    """The derivative of a softmax p where only that of a sigmoid stands: ``p * (d - sum(d * p))`` for
    ``d * p * (1 - p)``, of which each entry depends on one other alone."""
    for place, p, d in sigmoid_slopes(expression):
        for rank, axis in enumerate((-1, 0)):
            total = reduction(expression, "sum", binary(d, "*", p), axis, True)
            new = binary(p, "*", binary(d, "-", total))
            yield expression.edit(place, new, 1.8 + 0.1 * rank, "of a softmax, {} is needed", new)


def factors(node: ast.expr) -> list[ast.expr]:
    """What a product multiplies, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors(node.left), *factors(node.right)]
    return [node]


def functions(expression: Expression) -> Iterator[Edit]:
    """A function left out, applied, or another one of the user's."""
    hand = expression.hand
    for place in expression.calls:
        node = place.node
        function = ast.unparse(node.func)
        if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred | ast.GeneratorExp):
            yield expression.edit(place, node.args[0], 1.5, "{} is too much here", function)
        others = (name for name in hand.functions if hand.accepts(name, len(node.args) + len(node.keywords)))
        for other in others if function in hand.functions else ():
            new = ast.Call(parsed(other), node.args, node.keywords)
            yield expression.edit(place, new, 1.3, "{} is needed, not {}", other, function)
    for place in expression.places:
        node = place.node
        if isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Dict) or held_number(node) is not None:
            continue
        cost = 2.0 if place in expression.operands else 2.3
        for function in (name for name in hand.functions if hand.accepts(name, 1)):
            new = call(parsed(function), [node])
            yield expression.edit(place, new, cost, "{} of {} is needed", function, place)
        for function, more in FUNCTIONS.items():
            new = call(expression.function(function), [node])
            yield expression.edit(place, new, cost + more, "{} of {} is needed", function, place)


def mask_of_another(expression: Expression) -> Iterator[Edit]:
    """The gradient of a relu where the relu of a gradient stands: ``d * (x > 0)`` for ``np.maximum(0, d)``."""
    for place in expression.calls:
        given = [arg for arg in place.node.args if held_number(arg) != 0]
        name = expression.called(place.node)
        is_own = ast.unparse(place.node.func) in expression.hand.functions
        is_one = len(given) == 1 and not isinstance(given[0], ast.Starred | ast.GeneratorExp)
        if not is_one or not (is_own or name in ("maximum", "clip")):
            continue
        for rank, other in enumerate(one for one, shape in expression.near(place) if shape):
            new = binary(given[0], "*", parsed(f"{other} > 0"))
            cost = (1.7 if is_own else 1.3) + NEAREST * rank
            yield expression.edit(place, new, cost, "the derivative of relu is needed: {}", new)


def of_scores(expression: Expression) -> Iterator[Edit]:
    """The gradient of a cross-entropy by the scores where that by probabilities stands: ``p - y`` for ``-y / p``."""
    for place in expression.places:
        match place.node:
            case ast.UnaryOp(ast.USub(), ast.BinOp(y, ast.Div(), p)) | ast.BinOp(
                    ast.UnaryOp(ast.USub(), y), ast.Div(), p):  # fmt: skip
                new = binary(p, "-", y)
                yield expression.edit(place, new, 1.8, "by the scores it is {}, not {}", new, place)


def softmax(expression: Expression) -> Iterator[Edit]:
    """The softmax of an array, of scores that are taken for probabilities."""
    for place in expression.operands:
        for rank, axis in enumerate((-1, 0) if len(expression.shape(place) or ()) > 1 else ()):
            exponentials = call(expression.function("exp"), [place.node])
            new = binary(exponentials, "/", reduction(expression, "sum", exponentials, axis, True))
            yield expression.edit(place, new, 2.0 + 0.1 * rank, "the softmax of {} is needed: {}", place, new)


def as_compared_beside(expression: Expression) -> Iterator[Edit]:
    """What another comparison of a condition compares in the place of a part of it, and so for each: ``i - p < 0 or
    i >= k``."""
    compared = [place.node.left for place in expression.places if isinstance(place.node, ast.Compare)]
    wholes = [node for node in compared if isinstance(node, ast.BinOp)]
    changes = {id(node): whole for node in compared for whole in wholes if is_same(node, whole.left)}
    if changes:
        words = listed([*map(ast.unparse, dict.fromkeys(changes.values()))])
        yield expression.everywhere(changes, 1.5, "here too {} must be compared, not a part of it", words)


def comparison(expression: Expression) -> Iterator[Edit]:
    """Another comparison, its sides the other way round, the opposite condition."""
    for place in (*expression.places, *expression.indices):
        node = place.node
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = node.left, node.comparators[0]
            for kind in COMPARISONS if isinstance(node.ops[0], COMPARISONS) else ():
                new: ast.expr = ast.Compare(node.left, [kind()], node.comparators)
                cost = 1.1 if near_comparison(kind, type(node.ops[0])) else 1.4
                yield expression.edit(place, new, cost, "{} {} {} is needed, not {}", left, SIGNS[kind], right, place)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
            yield expression.edit(place, node.operand, 1.2, "{} is needed, not its opposite", node.operand)
        elif isinstance(node, ast.BoolOp):
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield expression.edit(place, ast.BoolOp(other, node.values), 1.4, "and stands for or, or or for and")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
            flipped = ast.BinOp(node.left, ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd(), node.right)
            yield expression.edit(place, flipped, 1.4, "{} is needed", flipped)
        elif isinstance(node, ast.IfExp):
            new = ast.IfExp(node.test, node.orelse, node.body)
            yield expression.edit(place, new, 1.4, "the two cases stand the wrong way round")
        elif isinstance(node, ast.Name) and node.id in expression.hand.shapes:
            opposite = ast.UnaryOp(ast.Invert(), node)
            yield expression.edit(place, opposite, 2.2, "the opposite of {} is needed: ~{}", node.id, node.id)


def slopes(expression: Expression, name: str) -> Iterator[tuple[ast.expr, str, float]]:
    """Derivatives that one writes with a variable, of which function each is, and what it costs more: that of a relu is
    1 wherever the variable is positive, and hides there that there should be none."""
    for template, function, more in SLOPES if name not in expression.hand.masks else ():
        idle = IDLE * (name in expression.hand.positive and template == "{0} > 0")
        yield parsed(template.replace("np.", f"{expression.hand.numpy}.").format(name)), function, more + idle


def times(node: ast.expr, slope: ast.expr) -> ast.expr:
    """A value times a derivative, as people write it: ``d * h * (1 - h)``."""
    if isinstance(slope, ast.BinOp) and isinstance(slope.op, ast.Mult):
        return binary(times(node, slope.left), "*", slope.right)
    return binary(node, "*", slope)


def slope_text(slope: ast.expr) -> str:
    """A derivative as it stands as a factor."""
    text = ast.unparse(slope)
    return text if isinstance(slope, ast.Call) or isinstance(getattr(slope, "op", None), ast.Mult) else f"({text})"


def near_comparison(one: type[ast.cmpop], two: type[ast.cmpop]) -> bool:
    """Whether two comparisons differ only at equality, or are opposites."""
    return {one, two} in ({ast.Gt, ast.GtE}, {ast.Lt, ast.LtE}, {ast.Gt, ast.Lt}, {ast.GtE, ast.LtE},
                          {ast.Eq, ast.NotEq}, {ast.Gt, ast.LtE}, {ast.Lt, ast.GtE})  # fmt: skip


DERIVATIVE = "the derivative of a pointwise function"
KINDS: Kinds = {
    derivative_missing: DERIVATIVE, derivative_for_one: DERIVATIVE, other_derivative: DERIVATIVE,
    other_derivative_in_a_product: DERIVATIVE, own_derivative: DERIVATIVE,
    mask_of_another: DERIVATIVE,
    softmax_derivative: "the derivative of a softmax", functions: "the function that is called",
    softmax: "a function that is not called", of_scores: "what is differentiated by",
    comparison: "a condition", as_compared_beside: "a condition",
}  # fmt: skip
