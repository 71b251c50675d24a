"""All edits of one statement but for those of its values: how and where it writes, places, guards, loops; statements
that are missing before or after it, or too many.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from math import inf
from typing import Any

from einbackprop.core.visible import listed
from einbackprop.diagnosis.vocabulary import indexing, layout, operands, pointwise, scaling
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kind, edits_of
from einbackprop.diagnosis.vocabulary.expressions import KINDS as EXPRESSION_KINDS
from einbackprop.diagnosis.vocabulary.hand import NEAREST, Hand, unlikeness
from einbackprop.diagnosis.vocabulary.insertions import LEAST, MISSING, guarded, inserted
from einbackprop.diagnosis.vocabulary.operands import shape_cost
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    Numbering,
    along,
    altered,
    assignment,
    attribute,
    call,
    held_number,
    number,
    parsed,
    subscript,
    with_context,
)

StatementKind = Callable[[Any, Hand], Iterable[Edit]]
CONDITION, ROUNDS = "a condition", indexing.KINDS[indexing.ranges]
UPDATES: dict[type[ast.operator], str] = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}
PARTS = ("1:", ":-1")
AT: dict[str, type[ast.operator]] = {"add": ast.Add, "subtract": ast.Sub}
TARGET_KINDS: tuple[Kind, ...] = (
    indexing.neighbour, indexing.other_index, indexing.other_slice, indexing.paired, indexing.two_counters,
    indexing.other_window, indexing.index_too_many,
    pointwise.comparison,
)  # fmt: skip
GUARD_KINDS: tuple[Kind, ...] = (operands.replaced, operands.swapped, scaling.other_number, pointwise.comparison,
                                pointwise.as_compared_beside, indexing.neighbour, indexing.other_index)  # fmt: skip
LOOP_KINDS: tuple[Kind, ...] = (operands.replaced, indexing.other_length, indexing.ranges)
OTHER_RANGE = 0.6
"""What it costs more that a loop runs over other rounds: that is rarer."""
CALL_KINDS: tuple[Kind, ...] = (layout.reordered, operands.left_out, pointwise.functions)


def statement_edits(
    statement: ast.stmt, hand: Hand, *, above: float = 0.0, limit: float = inf
) -> Iterator[Edit]:
    """A statement and what is at hand go in; what may be meant instead comes out, each once, in no order.

    Parameters
    ----------
    statement : ast.stmt
        It is not changed; the edits share parts of it. Of one with a body, the body stays.
    hand : Hand
        What is bound before the statement, and its target.
    above, limit : float
        Give those whose cost is above the one and at most the other.
    """
    numbering = Numbering()
    own, awkward = numbering.of(ast.Module([statement], []))
    kept = {id(node) for node in ast.walk(statement)}
    best: dict[int, Edit] = {}
    for kind, word in KINDS.items():
        if kind is inserted and limit < LEAST:
            continue
        for edit in (edit for edit in kind(statement, hand) if above < edit.cost <= limit):
            edit.kind = edit.kind or word
            for new in edit.statements:
                if id(new) not in kept:
                    ast.copy_location(new, statement)
            key, odd = numbering.of(ast.Module([*edit.statements], []))
            if key != own and (not odd or odd <= awkward) and (key not in best or edit.cost < best[key].cost):
                best[key] = edit
    yield from best.values()


def one(cost: float, message: str, statement: ast.stmt, kind: str = "") -> Edit:
    """The edit that puts one statement in the place of another."""
    return Edit(cost, message, statements=(statement,), kind=kind)


def update(statement: Any, hand: Hand) -> Iterator[Edit]:
    """``+=`` or ``-=`` for ``=``; ``=`` or another sign for ``+=``; a new array for one changed in place."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        bound = 0.0 if ast.unparse(target) in (*hand.shapes, *hand.sizes) or isinstance(target, ast.Subscript) else 0.8
        for added, cost in ((ast.Add(), 1.1), (ast.Sub(), 1.3)):
            message = f"{UPDATES[type(added)]} is needed here, not =: what was there is lost"
            if isinstance(target, OPERANDS) and held_number(statement.value) != 0:  # with 0 it is no update
                yield one(cost + bound, message, ast.AugAssign(target, added, statement.value))
    if isinstance(statement, ast.AugAssign):
        target, own = statement.target, UPDATES.get(type(statement.op), "")
        for operator, sign in UPDATES.items():
            new: ast.stmt = ast.AugAssign(target, operator(), statement.value)
            pair = {own, sign} in ({"+=", "-="}, {"*=", "/="})
            yield one(0.85 if pair else 1.8, f"{sign} is needed here, not {own}", new)
        message = f"= is needed here, not {own}: nothing is to be kept of what was there"
        yield one(1.2, message, assignment(target, statement.value))
        fresh = ast.BinOp(with_context(target, ast.Load()), statement.op, statement.value)
        name = ast.unparse(target)
        message = f"{name} is changed in place here, and so is what shares its memory"
        yield one(2.2, message, assignment(target, fresh))


def copied(statement: Any, hand: Hand) -> Iterator[Edit]:
    """A copy of what is changed in place before its other name is read: as a value it is the same."""
    value = statement.value if isinstance(statement, ast.Assign | ast.Return) else None
    if isinstance(value, OPERANDS):
        new = altered(statement, value=call(attribute(value, "copy"), []))
        yield one(1.6, f"a copy is needed here: {ast.unparse(value)}.copy()", new)


def part_of_both(statement: Any, hand: Hand) -> Iterator[Edit]:
    """A part of what is changed by the same part of an array, where all of both stand: ``dW[:, 1:] += lam * W[:, 1:]``.
    """
    target = getattr(statement, "target", None) if isinstance(statement, ast.AugAssign) else None
    shape = hand.shapes.get(ast.unparse(target)) if isinstance(target, OPERANDS) else None
    expression = Expression(statement.value, hand) if shape else None
    for place in expression.operands if expression is not None else ():
        for axis, text in product(range(len(shape or ())), PARTS if hand.shapes.get(place.text) == shape else ()):
            part = along(axis, indexing.sliced(text))
            only = subscript(with_context(target, ast.Load()), part)
            value = place.put(subscript(place.node, part))
            changed = ast.AugAssign(with_context(only, ast.Store()), statement.op, value)
            yield one(1.9, f"only {ast.unparse(only)} is to be changed", changed)


def scatter(statement: Any, hand: Hand) -> Iterator[Edit]:
    """``np.add.at`` for ``x[i] += y``, where an index may stand twice; and the other way round."""
    target = getattr(statement, "target", None) or (getattr(statement, "targets", None) or [None])[0]
    is_reset = isinstance(statement, ast.Assign) and held_number(statement.value) == 0
    is_index = isinstance(target, ast.Subscript) and not any(isinstance(n, ast.Slice) for n in ast.walk(target.slice))
    if isinstance(target, ast.Subscript) and is_index and not is_reset:
        for name, operator in AT.items():
            is_same = isinstance(statement, ast.AugAssign) and isinstance(statement.op, operator)
            function = attribute(attribute(parsed(hand.numpy), name), "at")
            new = ast.Expr(call(function, [target.value, target.slice, statement.value]))
            message = f"an index that stands twice counts once here: {hand.numpy}.{name}.at counts each"
            yield one(1.4 if is_same else 2.6, message, new)  # both its sign and how it is added is another
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(ast.Attribute(module, name), "at"), [array, index, added], [])):
            for other, operator in AT.items():
                function = attribute(attribute(module, other), "at")
                yield one(1.2, f"{other} is needed, not {name}", ast.Expr(call(function, [array, index, added])))
                place = with_context(subscript(array, index), ast.Store())
                plain = ast.AugAssign(place, operator(), added)
                yield one(2.2, f"{UPDATES[operator]} is needed here, not {name}.at", plain)
                yield one(2.2, f"= is needed here, not {name}.at", assignment(place, added))


def other_target(statement: Any, hand: Hand) -> Iterator[Edit]:
    """Another variable, entry or index that is written to."""
    target = getattr(statement, "target", None) if isinstance(statement, ast.AugAssign) else None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    if not isinstance(target, OPERANDS):
        return
    text = ast.unparse(target)
    for rank, (name, shape) in enumerate(hand.shapes.items()):
        if isinstance(parsed(name), OPERANDS) and name != text:
            cost = 1.6 + 0.5 * unlikeness(name, text) + shape_cost(hand.shapes.get(text), shape) + NEAREST * rank
            yield one(cost, f"{name} must be written to here, not {text}", with_target(statement, parsed(name)))
    for edit in values(with_context(target, ast.Load()), hand, TARGET_KINDS):
        if isinstance(edit.value, OPERANDS):
            yield like(edit, with_target(statement, edit.value))


def too_many(statement: Any, hand: Hand) -> Iterator[Edit]:
    """Nothing in the place of a statement; of one with a body, what is in it, or the other branch."""
    if isinstance(statement, ast.Return | ast.FunctionDef | ast.ClassDef):
        return
    cost = 3.0
    if isinstance(statement, ast.AugAssign | ast.Expr):
        cost = 1.6
    elif isinstance(statement, ast.Assign):
        read = {ast.unparse(node) for node in ast.walk(statement.value) if isinstance(node, OPERANDS)}
        named = [ast.unparse(target) for target in statement.targets]
        is_kept = any(isinstance(target, ast.Subscript) for target in statement.targets)
        cost = 1.3 if any(name in read for name in named) else 2.0 if is_kept else 2.6
    yield Edit(cost, "this statement is too much", removed=True)
    if isinstance(statement, ast.If):
        yield Edit(1.9, "this condition is too much", statements=(*statement.body,), kind=CONDITION)
        if statement.orelse:
            swapped = ast.If(statement.test, statement.orelse, statement.body)
            yield one(1.6, "the two branches stand the wrong way round", swapped, CONDITION)
    if isinstance(statement, ast.For | ast.While):
        yield Edit(3.2, "this loop is too much", statements=(*statement.body,), kind=ROUNDS)


def other_place(statement: Any, hand: Hand) -> Iterator[Edit]:
    """Two places of a tuple, a list or a dict in each other's, of what is returned or written to; one place more."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Tuple | ast.List):
        for message, items in swaps(value.elts):
            yield one(1.2, message, altered(statement, value=type(value)(items, value.ctx)))
        for rank, name in enumerate(hand.shapes):
            for at in range(len(value.elts) + 1):
                items = [*value.elts[:at], parsed(name), *value.elts[at:]]
                changed = altered(statement, value=type(value)(items, value.ctx))
                yield one(2.8 + NEAREST * rank, f"{name} is missing here", changed)
    if isinstance(value, ast.Dict):
        for message, items in swaps(value.values):
            yield one(1.2, message, altered(statement, value=ast.Dict(value.keys, items)))
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if isinstance(target, ast.Tuple):
        for message, items in swaps(target.elts):
            yield one(1.9, message, with_target(statement, ast.Tuple(items, ast.Load())))


def swaps(items: Sequence[ast.expr]) -> Iterator[tuple[str, list[ast.expr]]]:
    """Two of some items in each other's place, and what that says."""
    for first, second in combinations(range(len(items)), 2):
        other = [*items]
        other[first], other[second] = other[second], other[first]
        yield f"{ast.unparse(items[first])} and {ast.unparse(items[second])} stand the wrong way round", other


def other_call(statement: Any, hand: Hand) -> Iterator[Edit]:
    """A call with its arguments in another order, or of another function; put at a list's other end."""
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(items, "append"), [item])):
            first = call(attribute(items, "insert"), [number(0), item])
            yield one(1.5, "it belongs at the beginning of the list: insert(0, ...)", ast.Expr(first))
        case ast.Expr(ast.Call(ast.Attribute(items, "insert"), [ast.Constant(0), item])):
            yield one(1.5, "it belongs at the end of the list", ast.Expr(call(attribute(items, "append"), [item])))
    if isinstance(statement, ast.Expr):
        for edit in values(statement.value, hand, CALL_KINDS):
            if isinstance(edit.value, ast.Call):
                yield like(edit, ast.Expr(edit.value))


def other_guard(statement: Any, hand: Hand) -> Iterator[Edit]:
    """Another condition of an ``if`` or a ``while``; another range of a loop, or the other direction."""
    if isinstance(statement, ast.If | ast.While):
        for edit in values(statement.test, hand, GUARD_KINDS):
            assert edit.value is not None
            yield like(edit, type(statement)(edit.value, statement.body, statement.orelse), 0.1)
    if isinstance(statement, ast.For):
        back = call(parsed("reversed"), [statement.iter])
        backwards = Edit(1.6, "the loop must run backwards: {}", back, parts=(back,), kind=ROUNDS)
        for edit in (*values(statement.iter, hand, LOOP_KINDS), backwards):
            assert edit.value is not None
            same = indexing.is_other_way(edit.value, statement.iter)
            yield like(edit, altered(statement, iter=edit.value), 0.0 if same else OTHER_RANGE)


def begun_anew(statement: Any, hand: Hand) -> Iterator[Edit]:
    """Numbers that a loop counts with, and that begin anew before it, as it may be one of several rounds."""
    nodes = [*ast.walk(statement)] if isinstance(statement, ast.For | ast.While) else []
    counted = [ast.unparse(node.target) for node in nodes if isinstance(node, ast.AugAssign)]
    bound = {ast.unparse(target) for node in nodes if isinstance(node, ast.Assign) for target in node.targets}
    counters = [name for name in dict.fromkeys(counted) if name not in bound and name in hand.sizes]
    lines = [assignment(ast.Name(name, ast.Store()), number(0)) for name in counters]
    if lines:
        yield Edit(1.8, "{} must begin anew here", statements=(*lines, statement), parts=(listed(counters),))


def like(edit: Edit, statement: ast.stmt, more: float = 0.0) -> Edit:
    """The edit of a statement that an edit of an expression in it is."""
    return Edit(edit.cost + more, edit.wording, statements=(statement,), parts=edit.parts, kind=edit.kind)


def values(value: ast.expr, hand: Hand, kinds: tuple[Kind, ...]) -> Iterator[Edit]:
    """The edits of an expression, of some kinds."""
    expression = Expression(value, hand)
    some = {kind: EXPRESSION_KINDS[kind] for kind in kinds}
    return (edit for edit in edits_of(some, expression) if expression.is_sound(edit))


def with_target(statement: Any, target: ast.expr) -> Any:
    """An assignment to something else."""
    stored = with_context(target, ast.Store())
    return altered(statement, **({"targets": [stored]} if isinstance(statement, ast.Assign) else {"target": stored}))


KINDS: Mapping[StatementKind, str] = {
    update: "how a value is assigned", copied: "a value that two names share", scatter: "an index that stands twice",
    part_of_both: indexing.KINDS[indexing.other_slice],
    other_target: "what is written to", too_many: "a statement too many", other_place: "the order of several values",
    other_call: "an end of a list", other_guard: CONDITION, begun_anew: "where a counter begins",
    inserted: MISSING, guarded: CONDITION,
}  # fmt: skip
