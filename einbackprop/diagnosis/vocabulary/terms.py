"""Edits of sums: a term that is missing, or too many; and terms and factors that are missing, as other lines have them,
or with other names: where ``dz @ Wz.T`` and ``dr @ Wr.T`` stand, ``dh @ Wh.T`` may be missing.
"""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, product

from einbackprop.core.collecting import grouped
from einbackprop.core.visible import numberless
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kinds, Place
from einbackprop.diagnosis.vocabulary.hand import NEAREST, Shape, unlikeness
from einbackprop.diagnosis.vocabulary.operands import numbers, shape_cost
from einbackprop.diagnosis.vocabulary.scaling import with_factor
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    SUMS,
    binary,
    call,
    exchanged,
    held_number,
    negated,
    number,
    parsed,
)


def term_missing(expression: Expression) -> Iterator[Edit]:
    """A term more: an array at hand, times a number of the loss, or divided by a size."""
    for place in summable(expression):
        whole = place.is_term and place.outer is None
        for rank, (name, shape) in enumerate(expression.near(place)):
            if name in (place.text, expression.target) or (whole and not expression.hand.fits(name)):
                continue
            again = 0.9 if any(other.is_term and other.text == name for other in expression.operands) else 0.0
            cost = 1.5 + again + expression.hand.distance(name, rank)
            cost += (0.0 if whole else 0.7) + (0.0 if shape else 0.5)
            if cost > expression.limit:
                continue
            yield from plus(expression, place, parsed(name), cost)
            if whole and cost + SCALED <= expression.limit:
                for term, more in multiples(expression, name):
                    yield from plus(expression, place, term, cost + more)
        for rank, size in enumerate((*expression.hand.sizes, *expression.hand.literals)):
            cost = (2.4 if expression.hand.is_count(size) else 1.8) + NEAREST * rank
            if cost <= expression.limit:
                yield from plus(expression, place, parsed(size), cost)
        one = number(1)
        yield from plus(expression, place, one, 1.6)
        if held_number(place.node) is None:
            cost = 1.7 if place.is_factor else 2.1  # of a probability, its complement
            yield expression.edit(place, binary(one, "-", place.node), cost, "1 - {} is needed here", place)


def slope_missing(expression: Expression) -> Iterator[Edit]:
    """``1 - h`` and ``1 - h ** 2`` in the place of 1."""
    for place in (place for place in numbers(expression) if held_number(place.node) == 1):
        for rank, name in enumerate(expression.hand.shapes):
            square = binary(parsed(name), "**", number(2))
            for sign, term, cost in (("-", parsed(name), 1.6), ("-", square, 1.8), ("+", parsed(name), 2.2)):
                new = binary(place.node, sign, term)
                yield expression.edit(place, new, cost + NEAREST * rank, "a term is missing: {} {}", sign, term)


def term_too_many(expression: Expression) -> Iterator[Edit]:
    """A sum without one of its terms."""
    for place in expression.products:
        node = place.node
        if isinstance(node.op, SUMS):
            left = node.right if isinstance(node.op, ast.Add) else negated(node.right)
            sign = "+" if isinstance(node.op, ast.Add) else "-"
            yield expression.edit(place, node.left, 1.2, "the term {} {} is too much", sign, node.right)
            yield expression.edit(place, left, 1.4, "the term {} is too much", node.left)
            yield expression.edit(place, node.right, 1.5, "{} is too much", node.left)


def plus(expression: Expression, place: Place, term: ast.expr, cost: float) -> Iterator[Edit]:
    """A term added, and subtracted."""
    for sign, more in (("+", 0.0), ("-", 0.05)):
        new = binary(place.node, sign, term)
        yield expression.edit(place, new, cost + more, "a term is missing: {} {}", sign, term)


SCALED = 0.4
"""What a multiple of an array costs more than the array, at least."""


def multiples(expression: Expression, name: str) -> Iterator[tuple[ast.expr, float]]:
    """An array, or its sign, times a number, as regularisers have it, or divided by a size; what each costs more."""
    hand, array = expression.hand, parsed(name)
    for size in dict.fromkeys((*hand.sizes, *hand.literals)):
        if hand.is_count(size):
            yield binary(array, "/", parsed(size)), 0.7
        else:
            yield binary(parsed(size), "*", array), SCALED
            yield binary(binary(number(2), "*", parsed(size)), "*", array), 0.6
            yield binary(parsed(size), "*", call(expression.function("sign"), [array])), 1.0
    yield binary(number(2), "*", array), 0.7


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
    is_multiple = isinstance(node, ast.BinOp) and held_number(node.left) is not None  # ``2 * s`` for ``2 * s - 1``
    is_product = isinstance(getattr(node, "op", None), ast.Mult | ast.Div) and not is_multiple
    return not several and (place.outer is None or not is_product)


SAID = 1.9
"""What a term costs that another line has, at least."""
NEAR, LIKE = 24, 8
"""Phrases of which variants are made; the names that are tried in the place of one in them."""
MOST_SIBLINGS = 64
"""Terms that are made like those of a sum."""


def said_elsewhere(expression: Expression) -> Iterator[Edit]:
    """A term or a factor more that other lines have, as it is or with other names."""
    places = [place for place in expression.places if place.is_term][:3]
    for rank, phrase in enumerate(expression.hand.phrases if expression.limit >= SAID else ()):
        is_long = isinstance(phrase, ast.BinOp) and isinstance(phrase.op, ast.Add | ast.Sub)
        for variant, more in ((phrase, 0.0), *(variants(expression, phrase) if rank < NEAR else ())):
            cost = SAID + more + NEAREST * min(rank, 20)
            for place in places if cost <= expression.limit else ():
                if held_number(place.node) is not None and place.outer is not None:
                    continue
                price = cost + 0.2 * (place.outer is not None)
                new = with_factor(place.node, variant)
                yield expression.edit(place, new, price, "the factor {} is missing", variant)
                if variant is phrase:
                    over = binary(place.node, "/", phrase)
                    yield expression.edit(place, over, price + 0.1, "the division by {} is missing", phrase)
                if place.outer is None and not is_long:
                    plus, minus = (binary(place.node, sign, variant) for sign in "+-")
                    yield expression.edit(place, plus, price + 0.1, "a term is missing: + {}", variant)
                    yield expression.edit(place, minus, price + 0.2, "a term is missing: - {}", variant)


def variants(expression: Expression, phrase: ast.expr) -> Iterator[tuple[ast.expr, float]]:
    """A phrase with another name in the place of one, and the others changed as that was: ``dr @ Wr.T`` for z; and with
    what is called like it but for a number, and has the shape that is wanted: ``lam * W2`` where others have lam * W1.
    """
    shapes, wanted = expression.hand.shapes, expression.hand.wanted
    spelled = ((ast.unparse(node), node) for node in ast.walk(phrase) if isinstance(node, OPERANDS))
    found = grouped((text, node) for text, node in spelled if text in shapes)
    for text in found:
        alike = [name for name in shapes if name != text and shape_cost(shapes[text], shapes[name]) == 0]
        numbered = [name for name in shapes if shapes[name] == wanted and name not in (text, *alike)
                    and numberless(name) == numberless(text)]  # fmt: skip
        yield from ((exchanged(phrase, {id(node): parsed(name) for node in found[text]}), -0.3) for name in numbered)
        for name in sorted(alike, key=lambda name: unlikeness(name, text))[:LIKE]:
            names = {text: name, **followers(text, name, [other for other in found if other != text], [*shapes])}
            changes = {id(node): parsed(new) for old, new in names.items() for node in found[old]}
            cost = 0.3 + 0.5 * unlikeness(name, text) - 0.1 * (len(names) > 1)
            yield exchanged(phrase, changes), cost


def followers(text: str, name: str, others: list[str], known: Collection[str]) -> dict[str, str]:
    """What other names become where one becomes another: ``Wz`` becomes ``Wr`` as ``dz`` becomes ``dr``."""
    start = next((n for n, (a, b) in enumerate(zip(text, name, strict=False)) if a != b), min(len(text), len(name)))
    end = next((n for n, (a, b) in enumerate(zip(text[start:][::-1], name[start:][::-1], strict=False)) if a != b), 0)
    old, new = text[start : len(text) - end], name[start : len(name) - end]
    changed = {other: other.replace(old, new) for other in others} if old else {}
    return {other: to for other, to in changed.items() if to != other and to in known}


def sibling_missing(expression: Expression) -> Iterator[Edit]:
    """A term more in a sum of terms that differ in names, keys and counts alone: ``np.dot(Wo.T, do)`` beside the same
    of ``Wi`` and ``di`` and of ``Wf`` and ``df``."""
    for place in expression.products:
        if not isinstance(place.node.op, ast.Add) or isinstance(getattr(place.parent, "op", None), ast.Add):
            continue
        shapes = expression.hand.shapes
        terms = [(term, [*operands_in(term, shapes)]) for term in terms_of(place.node)]
        for alike in grouped((skeleton(*term), term) for term in terms if term[1]).values():
            (model, nodes), texts = alike[-1], [[ast.unparse(node) for node in column] for _, column in alike]
            columns = [[*dict.fromkeys(column)] for column in zip(*texts, strict=True)]
            holes = [n for n, column in enumerate(columns) if len(column) == len(alike) > 1]
            if not holes or any(1 < len(column) < len(alike) for column in columns):
                continue
            choices = [siblings(columns[n], shapes)[:LIKE] for n in holes]
            for rank, chosen in enumerate(islice(product(*choices), MOST_SIBLINGS)):
                term = exchanged(model, {id(nodes[n]): parsed(text) for n, text in zip(holes, chosen, strict=True)})
                cost = 1.6 + NEAREST * rank
                yield expression.edit(place, binary(place.node, "+", term), cost, "a term is missing: + {}", term)


def terms_of(node: ast.expr) -> list[ast.expr]:
    """What is added in a sum."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*terms_of(node.left), *terms_of(node.right)]
    return [node]


def operands_in(node: ast.AST, known: Collection[str]) -> Iterator[ast.expr]:
    """The arrays in an expression as they are spelled, in order, those within others not counted."""
    if isinstance(node, ast.Subscript):
        spelled = {ast.unparse(node), ast.unparse(node.value)}
        is_one = isinstance(node.slice, ast.Constant) and not spelled.isdisjoint(known)
    else:
        is_one = isinstance(node, OPERANDS) and ast.unparse(node) in known
    if is_one and isinstance(node, ast.expr):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from operands_in(child, known)


def skeleton(term: ast.expr, nodes: Sequence[ast.expr]) -> str:
    """A term without the names of its arrays."""
    return ast.unparse(exchanged(term, {id(node): ast.Name("_", ast.Load()) for node in nodes}))


def siblings(texts: Sequence[str], shapes: Mapping[str, Shape]) -> list[str]:
    """The arrays that may stand where some others stand, those most alike first: names of that shape for names, entries
    of the same array, list or dict for entries."""
    first, own = parsed(texts[0]), shapes.get(texts[0])
    kin = [name for name, shape in shapes.items() if shape == own and type(parsed(name)) is type(first)]
    if isinstance(first, ast.Subscript):
        base, held = ast.unparse(first.value), held_number(first.slice)
        kin = [name for name in kin if name.startswith(f"{base}[")]
        kin += [f"{base}[{n}]" for n in range(max(held, len(texts)) + 1)] if isinstance(held, int) else []
    others = [name for name in dict.fromkeys(kin) if name not in texts]
    return sorted(others, key=lambda name: min(unlikeness(name, text) for text in texts))


KINDS: Kinds = {
    term_missing: "a term", slope_missing: "a term", term_too_many: "a term", said_elsewhere: "a factor or a term",
    sibling_missing: "a term",
}  # fmt: skip
