"""Edits that add a statement: an update that is missing before or after one, or a condition around it."""

import ast
from collections.abc import Iterator
from heapq import nsmallest
from itertools import islice, permutations
from typing import Any

from einbackprop.core.collecting import grouped
from einbackprop.diagnosis.vocabulary.compounds import (
    Compound,
    compounds,
    flattened,
    joined,
    reshaped_products,
    slope_products,
)
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression
from einbackprop.diagnosis.vocabulary.expressions import expression_edits
from einbackprop.diagnosis.vocabulary.hand import NEAREST, Hand, unlikeness
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    assignment,
    attribute,
    binary,
    call,
    exchanged,
    items_of,
    negated,
    number,
    parsed,
    subscript,
    written,
)

NEAR, FEW, MOST, LEAST = 6, 4, 60, 2.3
NEAREST_ONES, USUAL = 14, 2.4
"""Arrays of which edits are made, and what those cost at most."""
MOST_COUNTERS, MOST_PAIRS = 2, 30
"""Counters that pick an entry, and pairs of indices that do, at most."""
BESIDE = 1.5
"""The price of a condition without which the entry beside that of a loop's counter is read where there is none."""
MISSING = "a missing statement"
"""What the mistake is about where one stands nowhere."""
IN_PLACE = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def values_at_hand(hand: Hand) -> Iterator[tuple[ast.expr, float]]:
    """What is at hand goes in; what a line that is missing may make of it comes out, and what each costs.

    That is an array, an array with one edit (its transpose, a sum of it, its product with another), zeros of its shape,
    one over a size, a product that stands beside with another array, and what takes several arrays to write.
    """
    yield from beside(hand)
    zeros = attribute(parsed(hand.numpy), "zeros_like")
    for rank, (name, shape) in enumerate(hand.shapes.items()):
        array, cost = parsed(name), NEAREST * rank
        yield array, 0.6 + cost
        if hand.wanted in (None, shape):
            yield call(zeros, [array]), 0.5 + cost
        for edit in expression_edits(array, hand, limit=USUAL) if rank < NEAREST_ONES else ():
            assert edit.value is not None
            yield edit.value, edit.cost + cost
    counts = [parsed(size) for size in hand.sizes if hand.is_count(size)][:FEW]
    yield from ((binary(number(1), "/", size), 0.6) for size in counts)
    expression = Expression(next(filter(is_product, hand.phrases), number(1)), hand)
    yield from ((compound.node, 0.6 + compound.cost) for compound in joined(expression))
    for compound in (*compounds(expression), *slope_products(expression), *reshaped_products(expression)):
        yield compound.node, 1.1 + compound.cost
        yield negated(compound.node), 1.5 + compound.cost
        yield from ((binary(compound.node, "/", size), 1.8 + compound.cost) for size in counts)
        biases = (array for array, shape in hand.shapes.items() if shape == compound.shape[-1:])
        if is_product(compound.node) and hand.wanted == compound.shape:
            yield from ((binary(compound.node, "+", parsed(array)), 1.6 + compound.cost) for array in biases)


def beside(hand: Hand) -> Iterator[tuple[ast.expr, float]]:
    """Products of matrices that stand near by, and those with another array in the place of one: ``h[t - 1].T @ da``
    where ``x[t].T @ da`` stands."""
    for near, phrase in enumerate(islice(filter(is_product, hand.phrases), FEW)):
        yield phrase, 0.7 + NEAREST * near
        read = grouped((ast.unparse(node), node) for node in ast.walk(phrase) if isinstance(node, OPERANDS))
        for text in filter(hand.shapes.__contains__, read):
            axes = len(hand.shapes[text])
            others = (name for name, shape in hand.shapes.items() if len(shape) == axes and name != text)
            for rank, name in enumerate(others):
                changed = exchanged(phrase, {id(node): parsed(name) for node in read[text]})
                yield changed, 0.8 + NEAREST * (near + rank)


def bare_values(hand: Hand) -> Iterator[tuple[ast.expr, float]]:
    """What a line that is missing may bind as it is, and what each costs: sizes, objects, arrays, and
    those as masks and as matrices."""
    for rank, name in enumerate(hand.sizes):
        yield parsed(name), 0.6 + NEAREST * rank
    for rank, name in enumerate((*hand.others, *hand.shapes, "{}", "[]")):
        yield parsed(name), 0.7 + NEAREST * rank
    for rank, (name, shape) in enumerate(hand.shapes.items()):
        yield ast.Compare(parsed(name), [ast.Gt()], [number(0)]), 0.8 + NEAREST * rank
        yield from ((flat.node, 0.8 + NEAREST * rank) for flat in flattened(Compound(parsed(name), shape, 0.0)))


def is_product(node: ast.expr) -> bool:
    """Whether an expression is a product of matrices."""
    called = getattr(getattr(node, "func", None), "attr", "")
    return called in ("dot", "matmul") or isinstance(getattr(node, "op", None), ast.MatMult)


def inserted(statement: Any, hand: Hand) -> list[Edit]:
    """A statement more: after one that writes to the same variable, before any other; the likeliest."""
    return nsmallest(MOST, insertions(statement, hand), key=lambda edit: edit.cost)


def insertions(statement: Any, hand: Hand) -> Iterator[Edit]:
    """Statements that may be missing after one that writes to the same variable, or before any other."""
    target = written_to(statement)
    read = {ast.unparse(node) for node in ast.walk(getattr(statement, "value", None) or ast.Pass())
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)}  # fmt: skip
    near = sorted(hand.shapes, key=lambda name: (name != target, name not in read))[:NEAR]
    for rank, name in enumerate(near):
        cost = NEAREST * rank - 0.2 * (name in read or name == target)
        for new, more in (*updates(name, hand), *masked(name, hand), *scattered(name, hand)):
            order = (statement, new) if name == target else (new, statement)
            yield Edit(max(LEAST, cost + more), "a line is missing: {}", statements=order, parts=(new,))


def updates(name: str, hand: Hand) -> Iterator[tuple[ast.stmt, float]]:
    """Lines that change an array by one other, and what each costs."""
    place, shape = written(parsed(name)), hand.shapes[name]
    for size in [size for size in hand.sizes if hand.is_count(size)][:FEW]:
        yield ast.AugAssign(place, ast.Div(), parsed(size)), 2.5
    scales = [size for size in (*hand.sizes, *hand.literals) if not hand.is_count(size)][:FEW]
    for rank, (other, theirs) in enumerate(hand.shapes.items()):
        if other == name or len(theirs) > len(shape):
            continue
        cost, array = NEAREST * rank, parsed(other)
        yield ast.AugAssign(place, ast.Mult(), array), 2.9 + cost
        if theirs == shape:
            yield ast.AugAssign(place, ast.Add(), array), 2.9 + cost
            yield ast.AugAssign(place, ast.Sub(), array), 3.1 + cost
            apart = unlikeness(name, other)
            yield assignment(place, array), 2.6 + 0.8 * apart * (not name.startswith(other)) + cost
            for scale in scales:
                term = binary(parsed(scale), "*", array)
                twice = binary(binary(number(2), "*", parsed(scale)), "*", array)
                yield ast.AugAssign(place, ast.Add(), term), 2.6 + 0.6 * apart + cost
                yield ast.AugAssign(place, ast.Add(), twice), 2.7 + 0.6 * apart + cost


def masked(name: str, hand: Hand) -> Iterator[tuple[ast.stmt, float]]:
    """Lines that set entries of an array to 0 or 1, by another of its shape: ``dh[h <= 0] = 0``."""
    alike = [other for other, shape in hand.shapes.items() if other != name and shape == hand.shapes[name]]
    for rank, other in enumerate(alike):
        array = parsed(other)
        below: list[ast.expr] = [ast.Compare(array, [kind], [number(0)]) for kind in (ast.LtE(), ast.Lt())]
        for more, index in enumerate((*below, array, ast.UnaryOp(ast.Invert(), array))):
            place = written(subscript(parsed(name), index))
            yield assignment(place, number(0)), 2.8 + 0.1 * more + NEAREST * rank
        above = written(subscript(parsed(name), ast.Compare(array, [ast.Gt()], [number(0)])))
        yield assignment(above, number(1)), 2.9 + NEAREST * rank


def scattered(name: str, hand: Hand) -> Iterator[tuple[ast.stmt, float]]:
    """Lines that change the entries of an array that an index picks: ``dscores[np.arange(N), y] -= 1``, or that one or
    two numbers pick: ``g[y[0]] -= 1``.
    """
    shape = hand.shapes[name]
    counts = [size for size in hand.sizes if hand.is_count(size)][:FEW]
    vectors = [other for other, theirs in hand.shapes.items() if len(theirs) == 1 and other != name][:FEW]
    for rank, other in enumerate(vectors if len(shape) >= 2 else ()):
        index, cost = parsed(other), 2.7 + NEAREST * rank
        for count in counts if hand.shapes[other] == shape[:1] else ():
            rows = call(attribute(parsed(hand.numpy), "arange"), [parsed(count)])
            place = written(subscript(parsed(name), ast.Tuple([rows, index], ast.Load())))
            yield ast.AugAssign(place, ast.Sub(), number(1)), cost
            yield ast.AugAssign(place, ast.Add(), number(1)), cost + 0.3
    for rank, picked in enumerate(picks(hand, len(shape))):
        place = written(subscript(parsed(name), picked))
        yield ast.AugAssign(place, ast.Sub(), number(1)), 2.8 + NEAREST * rank
        yield ast.AugAssign(place, ast.Add(), number(1)), 3.1 + NEAREST * rank
    function = attribute(attribute(parsed(hand.numpy), "add"), "at")
    for rank, (index_name, own) in enumerate(hand.shapes.items()):
        wanted = (*own, *shape[1:])
        for added in [text for text, theirs in hand.shapes.items() if own and theirs == wanted and text != index_name]:
            line = call(function, [parsed(name), parsed(index_name), parsed(added)])
            yield ast.Expr(line), 2.9 + NEAREST * rank


def picks(hand: Hand, axes: int) -> list[ast.expr]:
    """Indices of one entry of an array, or of a row: labels of the round and of those beside it, the first and the
    last, the counter, and of matrices pairs of these.
    """
    names = (parsed(text) for text in hand.sizes if text.isidentifier() and not hand.is_count(text))
    counters = list(islice(names, MOST_COUNTERS))
    labels = [parsed(text) for text in hand.labels]
    beside = [binary(one, sign, number(1)) for one in counters[:1] for sign in "+-"]
    places = [*counters[:1], *beside, number(0), number(-1), *counters[1:]]
    picked: list[ast.expr] = [*(subscript(one, place) for one in labels for place in places), *counters]
    if axes < 2:
        return picked
    pairs = list(permutations(picked, 2))
    return [*picked, *(ast.Tuple([*pair], ast.Load()) for pair in pairs[:MOST_PAIRS])]


def guarded(statement: Any, hand: Hand) -> Iterator[Edit]:
    """A statement that is to run only in some rounds of a loop: most often not in that in which the entry before, or
    after, that it reads does not exist: ``x[t - 1]`` is the last one where t is 0.
    """
    if isinstance(statement, ast.Return | ast.FunctionDef | ast.ClassDef):
        return
    read = {ast.unparse(index) for node in ast.walk(statement) if isinstance(node, ast.Subscript)
            for index in items_of(node.slice)}  # fmt: skip
    counters = [size for size in hand.sizes if size.isidentifier() and not hand.is_count(size)
                and size not in hand.scalars][:FEW]  # fmt: skip
    for counter in counters:
        tests = [("-", ast.Compare(parsed(counter), [ast.Gt()], [number(0)]))]
        tests += [("+", ast.Compare(parsed(counter), [ast.Lt()], [binary(parsed(size), "-", number(1))]))
                  for size in hand.sizes if hand.is_count(size)][:2]  # fmt: skip
        for sign, test in tests:
            cost = BESIDE if f"{counter} {sign} 1" in read else 2.5
            words = "this is to be done only if {}"
            yield Edit(cost, words, statements=(ast.If(test, [statement], []),), parts=(test,))


def written_to(statement: Any) -> str:
    """What a statement writes to, as it is spelled; of ``x[i] = y``, the array; empty where it does not write."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    target = targets[0]
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return ast.unparse(target) if isinstance(target, ast.expr) else ""
