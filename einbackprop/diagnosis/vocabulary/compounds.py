"""Edits by what takes several arrays at hand to write: a product, a product of matrices, a sum of products, as a term
or a factor that is missing.

Shapes are followed here, so that only what can be added to the value, or multiply it, is tried.
"""

import ast
from collections.abc import Iterator
from itertools import accumulate, combinations_with_replacement, permutations, product, zip_longest
from math import prod

from einbackprop.core.records import dataclass
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kinds
from einbackprop.diagnosis.vocabulary.hand import NEAREST, Hand, Shape, broadcasts
from einbackprop.diagnosis.vocabulary.layout import matrix_product, matrix_sides
from einbackprop.diagnosis.vocabulary.pointwise import slopes, times
from einbackprop.diagnosis.vocabulary.reductions import reduction
from einbackprop.diagnosis.vocabulary.scaling import is_in_sum
from einbackprop.diagnosis.vocabulary.terms import is_summable, summable
from einbackprop.diagnosis.vocabulary.trees import PRODUCTS, attribute, binary, call, is_same, number, parsed, subscript

FEW, MOST, MOST_ALIKE = 5, 14, 8
"""Arrays of which compounds are made; of which matrix products are, where the shape wanted tells them apart, all."""
MOST_JOINED = 4
"""Arrays that are put side by side, at most: in each order."""
PHRASES = 16
"""What stands elsewhere in the function, of which compounds are made, the nearest."""


@dataclass(frozen=True)
class Compound:
    """An expression made of arrays at hand, its shape, and how far away or unusual it is."""

    node: ast.expr
    shape: Shape
    cost: float


def term_missing(expression: Expression) -> Iterator[Edit]:
    """A term more that takes several arrays to write."""
    found, more = [*compounds(expression)], [*slope_products(expression)]
    for place in summable(expression):
        for compound in (*found, *more) if place.outer is None else found:
            if place.outer is None and expression.hand.wanted not in (None, compound.shape):
                continue
            cost = 2.6 + compound.cost + (0.0 if place.outer is None else 0.5)
            for sign in "+-":
                new = binary(place.node, sign, compound.node)
                yield expression.edit(place, new, cost, "a term is missing: {} {}", sign, compound.node)


def factor_missing(expression: Expression) -> Iterator[Edit]:
    """A factor more that takes several arrays to write, of the whole or of a term."""
    found, more = [*compounds(expression), *masks(expression)], [*slope_products(expression)]
    for place in expression.places:
        if (place.is_term or is_in_sum(place)) and is_summable(place):
            for compound in (*found, *more) if place.outer is None else found:
                new = binary(place.node, "*", compound.node)
                yield expression.edit(place, new, 2.8 + compound.cost, "the factor {} is missing", compound.node)


def factor_and_size_missing(expression: Expression) -> Iterator[Edit]:
    """An array more as a factor or a divisor, together with a size: ``x * gamma / N``, ``x / (N * std)``."""
    place, hand = expression.places[0], expression.hand
    for size in hand.sizes[:FEW]:
        for rank, name in enumerate(name for name in hand.shapes if hand.fits(name)):
            times = binary(binary(place.node, "*", parsed(name)), "/", parsed(size))
            over = binary(place.node, "/", binary(parsed(size), "*", parsed(name)))
            for new, text in ((times, f"the factor {name} / {size}"), (over, f"the division by {size} * {name}")):
                yield expression.edit(place, new, 2.8 + NEAREST * rank, "{} is missing", text)


def reshaped_products(expression: Expression) -> Iterator[Compound]:
    """Arrays with more axes as matrices, products of those, and products that become one: ``(dout @
    w.T).reshape(x.shape)``."""
    hand = expression.hand
    arrays = [Compound(parsed(name), shape, NEAREST * rank) for rank, (name, shape) in enumerate(hand.shapes.items())]
    plain = [array for array in arrays if len(array.shape) == 2]
    pairs = combinations_with_replacement(plain[:MOST_ALIKE], 2)
    plain += [product_of(one, two) for one, two in pairs if one is not two and one.shape == two.shape]
    like = [array for array in arrays if array.shape == hand.wanted and len(array.shape) > 2][:1]
    for one in arrays:
        for flat in flattened(one):
            plain.append(flat)
            yield flat
        if len(one.shape) == 4:  # channels last, as a norm over images has them
            last_axis = call(attribute(one.node, "transpose"), [number(axis) for axis in (0, 2, 3, 1)])
            channels = subscript(attribute(one.node, "shape"), number(1))
            node = call(attribute(last_axis, "reshape"), [number(-1), channels])
            yield Compound(node, (prod(one.shape) // one.shape[1], one.shape[1]), 0.3 + one.cost)
    for compound in matrix_products(expression, plain):
        if hand.wanted is None or broadcasts(compound.shape, hand.wanted):
            yield compound
        elif like and prod(compound.shape) == prod(hand.wanted):
            node = call(attribute(compound.node, "reshape"), [attribute(like[0].node, "shape")])
            yield Compound(node, hand.wanted, 0.2 + compound.cost)


def joined(expression: Expression) -> Iterator[Compound]:
    """The arrays that nothing else reads, side by side, in the order in which they are bound first:
    ``np.hstack((di, df, do, dg))``."""
    hand, wanted = expression.hand, expression.hand.wanted or ()
    beside = [name for name, shape in hand.shapes.items() if name in hand.unused and name.isidentifier()
              and wanted and len(shape) == len(wanted) and shape[:-1] == wanted[:-1]]  # fmt: skip
    widths = [*accumulate(hand.shapes[name][-1] for name in beside)]
    count = widths.index(wanted[-1]) + 1 if wanted and wanted[-1] in widths else 0
    if 2 <= count <= MOST_JOINED:
        stack = attribute(parsed(hand.numpy), "hstack" if len(wanted) <= 2 else "concatenate")
        axis = [] if len(wanted) <= 2 else [ast.keyword("axis", number(-1))]
        for rank, order in enumerate(permutations(map(parsed, beside[:count][::-1]))):
            yield Compound(ast.Call(stack, [ast.Tuple([*order], ast.Load())], axis), wanted, NEAREST * rank)


def flattened(array: Compound) -> Iterator[Compound]:
    """An array with more axes than two as a matrix: its first axis, or its last, by the others."""
    shape = array.shape
    if len(shape) <= 2:
        return
    first, last = (subscript(attribute(array.node, "shape"), number(axis)) for axis in (0, -1))
    for arguments, made in (([first, number(-1)], (shape[0], prod(shape[1:]))),
                            ([number(-1), last], (prod(shape[:-1]), shape[-1]))):  # fmt: skip
        yield Compound(call(attribute(array.node, "reshape"), arguments), made, 0.2 + array.cost)


def compounds(expression: Expression) -> Iterator[Compound]:
    """Compounds that broadcast to the shape that is wanted, if one is."""
    hand = expression.hand
    limit = FEW if hand.wanted is None else None
    near = sorted(hand.shapes, key=lambda name: name not in expression.spelled)[:limit]
    arrays = [Compound(parsed(name), hand.shapes[name], NEAREST * rank) for rank, name in enumerate(near)]
    made = [*matrix_products(expression, arrays), *sums(expression, arrays[:MOST])]
    alike = [array for array in arrays[MOST:] if array.shape == hand.wanted]  # an LSTM has more near by
    factors, arrays = [*arrays[:MOST], *alike], arrays[:MOST]
    made += [*differences(arrays)]
    made += [product_of(one, two) for one, two in combinations_with_replacement(factors, 2) if one is not two]
    made += [product_of(one, total) for total in sums(expression, arrays[:FEW]) for one in arrays[:FEW]]
    yield from (compound for compound in made if hand.wanted is None or broadcasts(compound.shape, hand.wanted))


def products_at_hand(expression: Expression) -> Iterator[Compound]:
    """Arrays of the shape that is wanted, and products of two, one of them a single number perhaps, and matrix products
    that have it, the nearest first.
    """
    hand = expression.hand
    arrays = [Compound(parsed(name), shape, NEAREST * rank) for rank, (name, shape) in enumerate(hand.shapes.items())]
    scalars = [Compound(parsed(name), (), NEAREST * rank) for rank, name in enumerate(hand.scalars)]
    pairs = [*combinations_with_replacement(arrays, 2), *product(scalars, arrays), *product(arrays, columns(hand))]
    made = [*arrays, *(product_of(one, two) for one, two in pairs), *matrix_products(expression, arrays)]
    yield from (compound for compound in [*made, *slope_products(expression)] if compound.shape == hand.wanted)


def columns(hand: Hand) -> Iterator[Compound]:
    """Arrays with one axis more, which scale the rows of what is wanted, and their squares: ``x[:, None] ** 2``."""
    for rank, name in enumerate(hand.shapes):
        for column, shape in hand.columns(name):
            yield Compound(parsed(column), shape, 0.2 + NEAREST * rank)
            yield Compound(binary(parsed(column), "**", number(2)), shape, 0.3 + NEAREST * rank)


def phrase_products(expression: Expression) -> Iterator[Compound]:
    """What the function has elsewhere, such as the difference ``x - mean``, and each times an array at hand."""
    hand = expression.hand
    near = [*hand.shapes.items()][:MOST]
    found = [phrase for phrase in hand.phrases if not isinstance(getattr(phrase, "op", None), PRODUCTS)
             and not is_same(phrase, expression.value)]  # fmt: skip
    for rank, phrase in enumerate(found[:PHRASES]):
        alone = Compound(phrase, hand.wanted or (), 0.3 + NEAREST * rank)
        yield alone
        fitting = ((n, name) for n, (name, _) in enumerate(near) if hand.fits(name))
        yield from (product_of(Compound(parsed(name), hand.shapes[name], NEAREST * n), alone) for n, name in fitting)


def norm_terms(expression: Expression) -> Iterator[Compound]:
    """What the gradient of a norm has in brackets: sums over an axis of what has the shape that is wanted, or of the
    product of two, and these times one more, ``xn * (d * xn).sum(axis=0)``.
    """
    hand = expression.hand
    alike = [name for name, shape in hand.shapes.items() if shape == hand.wanted][:MOST_ALIKE] if hand.wanted else []
    arrays = [Compound(parsed(name), hand.shapes[name], NEAREST * rank) for rank, name in enumerate(alike)]
    totals = [total for total in sums(expression, arrays) if total.shape and broadcasts(total.shape, hand.wanted or ())]
    yield from totals
    yield from (product_of(one, total) for total in totals for one in arrays)


def penalties_at_hand(expression: Expression) -> Iterator[Compound]:
    """What penalties and the divergences of distributions leave of an array of the shape that is wanted."""
    hand = expression.hand
    alike = [name for name, shape in hand.shapes.items() if shape == hand.wanted][:MOST_ALIKE] if hand.wanted else []
    for rank, name in enumerate(alike if hand.wanted else ()):
        for template in PENALTIES:
            text = template.replace("np.", f"{hand.numpy}.").replace("{}", name)
            yield Compound(parsed(text), hand.shapes[name], 0.3 + NEAREST * rank)


PENALTIES = ("np.sign({})", "{} ** 3", "(np.exp({}) - 1)", "({} - 1 / {})", "(1 - 1 / {})", "({} ** 2 - 1)",
             "(np.log({}) + 1)", "np.tanh({})", "{} / (1 + {} ** 2)")  # fmt: skip
"""Derivatives of absolute values, of fourth powers, of the divergence of a normal distribution by its log-variance, its
deviation or its variance, of a negative entropy, of log-cosh and of Cauchy's."""


def slope_products(expression: Expression) -> Iterator[Compound]:
    """Products of one array or two and the derivative of a sigmoid, of tanh or of relu: ``dh * o * (1 - c ** 2)``; and
    of one and what a gate leaves: ``dh * (1 - z)``.
    """
    hand = expression.hand
    alike = [name for name, shape in hand.shapes.items() if shape == hand.wanted][:MOST_ALIKE] if hand.wanted else []
    pairs = [(one, two) for one, two in combinations_with_replacement(alike, 2)]
    for rank, name in enumerate(alike):
        for slope, _, more in slopes(expression, name):
            for one, two in pairs if more == 0 else ():
                first = parsed(one) if one == two else binary(parsed(one), "*", parsed(two))
                cost = 0.3 + 0.2 * (one != two) + NEAREST * rank
                if name not in (one, two):
                    yield Compound(times(first, slope), hand.shapes[name], cost)
        rest = binary(number(1), "-", parsed(name))
        for one in alike:
            if one != name:
                yield Compound(binary(parsed(one), "*", rest), hand.shapes[name], 0.3 + NEAREST * rank)


def matrix_products(expression: Expression, arrays: list[Compound]) -> Iterator[Compound]:
    """Products of two, each as it is or transposed, where the sizes meet; written as the expression writes them."""
    written = [place.node for place in (*expression.products, *expression.calls)]
    like = next((node for node in written if matrix_sides(expression, node)), binary(number(1), "@", number(1)))
    for one, two in product(arrays, repeat=2):
        for left, right in product(turned(one), turned(two)):
            if len(left.shape) >= 1 and len(right.shape) in (1, 2) and left.shape[-1] == right.shape[0]:
                shape = (*left.shape[:-1], *right.shape[1:])
                yield Compound(matrix_product(like, left.node, right.node), shape, 0.1 + left.cost + right.cost)


def turned(array: Compound) -> list[Compound]:
    """An array, and its transpose if it is a matrix."""
    if len(array.shape) != 2:
        return [array]
    return [array, Compound(attribute(array.node, "T"), array.shape[::-1], array.cost)]


def sums(expression: Expression, arrays: list[Compound]) -> Iterator[Compound]:
    """Sums and means over an axis, and sums over everything, of arrays and of products of two."""
    pairs = [pair for pair in combinations_with_replacement(arrays, 2) if pair[0].shape == pair[1].shape]
    near = {id(array) for array in arrays[:MOST_ALIKE]}
    added = [Compound(binary(one.node, "+", two.node), one.shape, 0.3 + one.cost + two.cost)
             for one, two in pairs if one is not two and {id(one), id(two)} <= near]  # fmt: skip
    for array in (*added, *(one if one is two else product_of(one, two) for one, two in pairs)):
        rank = len(array.shape)
        yield Compound(reduction(expression, "sum", array.node, None, False), (), 0.3 + array.cost)
        for name, axis, kept in product(("sum", "mean"), {0, rank - 1} if rank else (), (False, True)):
            shape = tuple(1 if n == axis else size for n, size in enumerate(array.shape) if kept or n != axis)
            said = -1 if axis and axis == rank - 1 else axis
            yield Compound(reduction(expression, name, array.node, said, kept), shape, 0.3 + array.cost)
        for left in range(rank) if rank > 2 else ():
            axes = ast.Tuple([number(axis) for axis in range(rank) if axis != left], ast.Load())
            total = call(expression.function("sum"), [array.node], axis=axes)
            yield Compound(total, (array.shape[left],), 0.4 + array.cost)
            shape = tuple(size if axis == left else 1 for axis, size in enumerate(array.shape))
            total = call(expression.function("sum"), [array.node], axis=axes, keepdims=ast.Constant(True))
            yield Compound(total, shape, 0.4 + array.cost)


def differences(arrays: list[Compound]) -> Iterator[Compound]:
    """Differences of two of one shape, and of one and each."""
    for one in arrays:
        yield Compound(binary(number(1), "-", one.node), one.shape, 0.2 + one.cost)
        for two in arrays:
            if one is not two and one.shape == two.shape:
                yield Compound(binary(one.node, "-", two.node), one.shape, 0.2 + one.cost + two.cost)


def product_of(one: Compound, two: Compound) -> Compound:
    """The product of two, entry by entry. Of shapes that do not broadcast, evaluating it will fail."""
    pairs = zip_longest(reversed(one.shape), reversed(two.shape), fillvalue=1)
    shape = tuple(max(pair) for pair in pairs)[::-1]
    return Compound(binary(one.node, "*", two.node), shape, 0.2 + one.cost + two.cost)


def masks(expression: Expression) -> Iterator[Compound]:
    """Where an array is equal to its greatest entry, to a number at hand or to another array, as in max pooling."""
    hand = expression.hand
    values = [name for name in hand.sizes if not hand.is_count(name)][:FEW]
    for rank, (name, shape) in enumerate([*hand.shapes.items()][:MOST]):
        array = parsed(name)
        others = [parsed(other) for other in (*values, *[*hand.shapes][:FEW]) if other != name]
        for other in [call(expression.function("max"), [array]), *others, number(0)]:
            yield Compound(ast.Compare(array, [ast.Eq()], [other]), shape, NEAREST * rank)


KINDS: Kinds = {
    term_missing: "a term", factor_missing: "a factor", factor_and_size_missing: "a factor",
}  # fmt: skip
