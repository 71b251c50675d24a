"""Edits of what is read: another variable, two in each other's place, a copy, an argument left out."""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from einbackprop.core.collecting import grouped
from einbackprop.diagnosis.vocabulary.expression import REDUCTIONS, Edit, Expression, Kinds, Place
from einbackprop.diagnosis.vocabulary.hand import NEAREST, Hand, unlikeness
from einbackprop.diagnosis.vocabulary.trees import attribute, call, held_number, parsed

IDLE: Mapping[type[Any], tuple[int, ...]] = {
    ast.Mult: (1,), ast.Div: (1,), ast.Pow: (1,), ast.FloorDiv: (1,), ast.Add: (0,), ast.Sub: (0,),
}  # fmt: skip
"""The number that says nothing at the right of an operator."""

MOST_VOLUMES = 2
"""Arrays of which how many entries they have is tried in the place of a size."""
MOST_CALLS = 8
"""How many names of an expression are replaced by what a function gives elsewhere, and by how many such calls."""

UNPACKED = 1.0
"""How much less likely another entry is than the one of the name that it is bound to."""


def replaced(expression: Expression) -> Iterator[Edit]:
    """Another operand in the place of one; of a number, another number."""
    for place in (*expression.operands, *numbers(expression)):
        unlikely = UNPACKED * is_unpacked(expression, place)
        for name, cost in names_for(expression, place):
            yield expression.edit(place, parsed(name), cost + unlikely, "{} must stand here, not {}", name, place)


def replaced_everywhere(expression: Expression) -> Iterator[Edit]:
    """Another operand in all places of one."""
    for places in same_text(expression).values():
        for name, cost in names_for(expression, places[0]) if len(places) > 1 else ():
            changes = {id(place.node): parsed(name) for place in places}
            yield expression.everywhere(changes, cost + 0.1, "{} must stand here, not {}", name, places[0])


def replaced_and_transposed(expression: Expression) -> Iterator[Edit]:
    """Another operand, and transposed, or no longer, in a product of matrices."""
    for place in expression.operands:
        is_transposed = isinstance(place.parent, ast.Attribute) and place.parent.attr == "T"
        at = place.outer if is_transposed and place.outer is not None else place
        if not in_matrix_product(expression, at):
            continue
        for name, cost in names_for(expression, place):
            if len(expression.hand.shapes.get(name, ())) == 2:
                new = parsed(name) if is_transposed else attribute(parsed(name), "T")
                text = name if is_transposed else f"{name}.T"
                yield expression.edit(at, new, cost + 0.9, "{} must stand here, not {}", text, at)


def named(expression: Expression) -> Iterator[Edit]:
    """A variable in the place of what is computed."""
    for place in expression.places:
        if isinstance(place.node, ast.BinOp | ast.Call | ast.UnaryOp) and held_number(place.node) is None:
            for rank, (name, shape) in enumerate(expression.near(place)):
                cost = 2.6 + NEAREST * rank + (0.0 if shape else 0.5)
                yield expression.edit(place, parsed(name), cost, "{} must stand here, not {}", name, place)


def computed(expression: Expression) -> Iterator[Edit]:
    """What a function gives elsewhere in the place of a name that stands for something made of it: ``np.exp(s)``, the
    derivative, for ``k`` of ``k = 1 + np.exp(s)``."""
    calls = [phrase for phrase in expression.hand.phrases if isinstance(phrase, ast.Call)][:MOST_CALLS]
    for place in expression.operands[:MOST_CALLS]:
        for rank, phrase in enumerate(calls):
            cost = 2.0 + NEAREST * rank
            yield expression.edit(place, phrase, cost, "{} must stand here, not {}", phrase, place)


def input_for_output(expression: Expression) -> Iterator[Edit]:
    """What a function was given in the place of what it gave: ``x + z`` for ``y`` of ``y = norm(x + z)``."""
    for place in expression.operands:
        for rank, given in enumerate(expression.hand.inputs.get(place.text, ())):
            yield expression.edit(place, given, 1.6 + NEAREST * rank, "{} must stand here, not {}", given, place)


def as_elsewhere(expression: Expression) -> Iterator[Edit]:
    """What another function binds to the same name, as a whole: ``1 + (W - w) // s`` for a size that the forward pass
    has computed, ``np.pad(x, p)`` for an array that it has padded."""
    usual = 1.2 if expression.hand.wanted == () else 1.6
    for rank, value in enumerate(expression.hand.elsewhere[:MOST_CALLS]):
        said = "{} is needed, as on line {}"
        yield expression.edit(expression.places[0], value, usual + NEAREST * rank, said, value, str(value.lineno))


def other_word(expression: Expression) -> Iterator[Edit]:
    """Another string in the place of one: ``"tanh"`` for ``"sigmoid"``, where one function compares with both; in a key
    that is put together, ``"z_" + side`` or ``f"z{n}"``, the ones most alike first.
    """
    for place in (*expression.places, *expression.indices):
        is_key = place in expression.indices
        if is_key and isinstance(place.parent, ast.Subscript) and isinstance(place.node, ast.Constant):
            continue  # a key as a whole is one of those at hand
        for word, written in words_in(place.node):
            alike = [words for words in expression.hand.words if word in words]
            others = dict.fromkeys(one for words in alike for one in words if one != word)
            for rank, other in enumerate(sorted(others, key=lambda one: unlikeness(one, word)) if is_key else others):
                words = "{} must stand here, not {}", repr(other), repr(word)
                yield expression.edit(place, written(other), 1.2 + NEAREST * rank, *words)


def words_in(node: ast.AST) -> Iterator[tuple[str, Callable[[str], ast.expr]]]:
    """The string that an expression is, or the strings in an f-string, and for each what it is with another one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, ast.Constant
    elif isinstance(node, ast.JoinedStr):
        for n, part in enumerate(node.values):
            if isinstance(part, ast.Constant):
                before, after = node.values[:n], node.values[n + 1 :]
                yield str(part.value), partial(joined, before, after)


def joined(before: Sequence[ast.expr], after: Sequence[ast.expr], word: str) -> ast.JoinedStr:
    """An f-string of a word between parts."""
    return ast.JoinedStr([*before, ast.Constant(word), *after])


def swapped(expression: Expression) -> Iterator[Edit]:
    """Two operands in each other's place."""
    for (one, first), (two, second) in combinations(same_text(expression).items(), 2):
        changes = {id(p.node): second[0].node for p in first} | {id(p.node): first[0].node for p in second}
        cost = 1.6 if len(changes) == 2 else 1.7
        yield expression.everywhere(changes, cost, "{} and {} stand the wrong way round", one, two)


def left_out(expression: Expression) -> Iterator[Edit]:
    """A call without one of its arguments, those by keyword first."""
    for place in expression.calls:
        node = place.node
        for keyword in node.keywords:
            rest = ast.Call(node.func, node.args, [k for k in node.keywords if k is not keyword])
            if keyword.arg not in ("axis", "keepdims", None):
                yield expression.edit(place, rest, 1.9, "{} is too much here", keyword)
        if len(node.args) > 1:
            rest = ast.Call(node.func, node.args[:-1], node.keywords)
            yield expression.edit(place, rest, 2.8, "the argument {} is too much", node.args[-1])


def copied(expression: Expression) -> Iterator[Edit]:
    """A copy of an argument that would be changed through another name."""
    for place in expression.operands:
        if place.is_argument:
            new = call(attribute(place.node, "copy"), [])
            yield expression.edit(place, new, 2.4, "a copy is needed here: {}.copy()", place)


def names_for(expression: Expression, place: Place) -> Iterator[tuple[str, float]]:
    """The names that can stand in the place of an operand, and what each costs: alike in shape and name first."""
    hand, text, shape = expression.hand, place.text, expression.shape(place)
    if place.outer is None and hand.wanted is not None:
        shape = hand.wanted
    is_constant = held_number(place.node) is not None
    is_number = text in hand.sizes or is_constant
    is_base = isinstance(place.parent, ast.Subscript) and place.field == "value"
    is_reduced = isinstance(place.parent, ast.Call) and expression.called(place.parent) in REDUCTIONS
    is_object = text in hand.others
    pool = (*expression.bound, *hand.shapes, *hand.others) if not is_length(place) else ()
    if is_idle(expression, place):
        yield from ((size, 0.7 + 0.1 * (not hand.is_count(size)) + NEAREST * n) for n, size in enumerate(hand.sizes))
        yield from ((name, 0.9 + hand.distance(name, n)) for n, name in enumerate(hand.shapes) if hand.fits(name))
        yield from ((column, 1.1 + hand.distance(name, n)) for n, name in enumerate(hand.shapes)
                    for column, _ in hand.columns(name))  # fmt: skip
        return
    if isinstance(place.node, ast.Name) and text not in (*expression.known, *expression.bound, hand.numpy):
        yield from ((size, 1.0 + 0.5 * unlikeness(size, text) + NEAREST * n) for n, size in enumerate(hand.sizes))
    for rank, name in enumerate((*hand.others, *pool) if is_object else pool):
        apart = shape_cost(shape, hand.shapes.get(name)) + 1.2 * (is_number and not (is_base or is_reduced))
        apart += 1.0 * (is_base and isinstance(parsed(name), ast.Subscript))  # x[t][t]
        apart += 0.0 if is_object or (is_base and is_number) else 0.6 * (name in hand.others)
        apart = min(apart, 0.2) if name in hand.unused else apart  # it was read where another name stands now
        if name != text:
            yield name, 1.0 + 0.5 * unlikeness(name, text) + apart + hand.distance(name, rank)
    for rank, name in enumerate((*hand.sizes, *hand.literals)):
        if name != text:
            apart = 0.6 if is_constant else 0.4 * unlikeness(name, text) if is_number or is_object else 1.5
            yield name, 1.1 + apart + NEAREST * rank
    if is_length(place) or hand.is_count(text):
        yield from ((volume, 1.6 + NEAREST * n) for n, volume in enumerate(entry_counts(hand, place)))


def entry_counts(hand: Hand, place: Place) -> Iterator[str]:
    """How many entries arrays have, and how many along all of their axes but one, as the mean of a norm has them; the
    array of whose size stands at a place first."""
    own = {ast.unparse(node) for node in ast.walk(place.node)}
    arrays = [name for name, shape in hand.shapes.items() if len(shape) > 1]
    for name in sorted(arrays, key=lambda name: name not in own)[:MOST_VOLUMES]:
        yield f"{name}.size"
        yield from (f"{name}.size // {name}.shape[{axis}]" for axis in (-1, 1, 0) if len(hand.shapes[name]) > 2)


def numbers(expression: Expression) -> list[Place]:
    """The places of numbers in an expression, a minus before one not counted."""
    return [place for place in expression.places if isinstance(place.node, ast.Constant)
            and held_number(place.node) is not None]  # fmt: skip


def is_idle(expression: Expression, place: Place) -> bool:
    """Whether a place is that of a number that says nothing: 1 as a factor, divisor or exponent, 0 as a term."""
    above = place.parent or expression.statement
    operator = getattr(above, "op", None)
    if place.outer is None and not isinstance(above, ast.AugAssign):
        return False
    either = isinstance(operator, ast.Mult | ast.Add) or place.field != "left"
    return either and held_number(place.node) in IDLE.get(type(operator), ())


def is_length(place: Place) -> bool:
    """Whether a place is that of ``x.shape[0]``."""
    inner = place.node.value if isinstance(place.node, ast.Subscript) else None
    return isinstance(inner, ast.Attribute) and inner.attr == "shape"


def is_unpacked(expression: Expression, place: Place) -> bool:
    """Whether an entry or an attribute is bound to its own name: ``x = cache['x']``, ``W = self.W``."""
    key = getattr(place.node, "slice", None)
    own = key.value if isinstance(key, ast.Constant) else getattr(place.node, "attr", None)
    targets = expression.statement.targets if isinstance(expression.statement, ast.Assign) else ()
    return place.outer is None and any(isinstance(target, ast.Name) and target.id == own for target in targets)


def same_text(expression: Expression) -> dict[str, list[Place]]:
    """The operands by how they are spelled."""
    return grouped((place.text, place) for place in expression.operands)


def in_matrix_product(expression: Expression, place: Place) -> bool:
    """Whether a place is a side of a product of matrices."""
    if isinstance(place.parent, ast.BinOp):
        return isinstance(place.parent.op, ast.MatMult)
    caller = place.outer.outer if place.outer is not None and place.outer.field == "func" else place.outer
    return caller is not None and expression.called(caller.node) in ("dot", "matmul", "outer")


def shape_cost(mine: tuple[int, ...] | None, other: tuple[int, ...] | None) -> float:
    """What it costs that two shapes differ: nothing if they do not, more where their ranks do."""
    if mine is None or other is None:
        return 0.4
    if len(mine) != len(other):
        return 0.7
    return 0.4 * sum(one != two for one, two in zip(mine, other, strict=True)) / max(len(mine), 1)


KINDS: Kinds = {
    replaced: "an operand", replaced_everywhere: "an operand", replaced_and_transposed: "an operand",
    named: "an operand", computed: "an operand", input_for_output: "an operand",
    as_elsewhere: "what this line computes", other_word: "a word",
    swapped: "the order of two operands", left_out: "an argument", copied: "a value that two names share",
}  # fmt: skip
