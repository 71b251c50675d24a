"""Edits that add a statement: an update that is missing before or after one, or a condition around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from einbackprop.diagnosis.vocabulary.expression import Edit
from einbackprop.diagnosis.vocabulary.hand import Hand
from einbackprop.diagnosis.vocabulary.operands import NEAREST
from einbackprop.diagnosis.vocabulary.trees import assignment, binary, number, parsed, subscript, with_context

NEAR = 10


def inserted(statement: Any, hand: Hand) -> Iterator[Edit]:
    """A statement more: after one that writes to the same variable, before any other."""
    target = written_to(statement)
    read = {ast.unparse(node) for node in ast.walk(getattr(statement, "value", None) or ast.Pass())
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)}  # fmt: skip
    near = sorted(hand.shapes, key=lambda name: (name != target, name not in read))[:NEAR]
    for rank, name in enumerate(near):
        cost = NEAREST * rank - 0.4 * (name in read or name == target)
        for new, more in updates(name, hand):
            order = (statement, new) if name == target else (new, statement)
            yield Edit(cost + more, f"a line is missing: {ast.unparse(new)}", statements=order)


def updates(name: str, hand: Hand) -> Iterator[tuple[ast.stmt, float]]:
    """What can be missing that changes an array, and what each costs."""
    place, shape = with_context(parsed(name), ast.Store()), hand.shapes[name]
    for size in [size for size in hand.sizes if hand.is_count(size)][:3]:
        yield ast.AugAssign(place, ast.Div(), parsed(size)), 2.5
    scales = [size for size in (*hand.sizes, *hand.literals) if not hand.is_count(size)][:4]
    for rank, (other, theirs) in enumerate(hand.shapes.items()):
        if other == name or len(theirs) > len(shape):
            continue
        cost, array = NEAREST * rank, parsed(other)
        yield ast.AugAssign(place, ast.Mult(), array), 2.9 + cost
        if theirs == shape:
            yield ast.AugAssign(place, ast.Add(), array), 2.9 + cost
            yield ast.AugAssign(place, ast.Sub(), array), 3.1 + cost
            yield assignment(place, array), 3.2 + cost
            for scale in scales:
                term = binary(parsed(scale), "*", array)
                yield ast.AugAssign(place, ast.Add(), term), 2.9 + cost
                yield ast.AugAssign(place, ast.Add(), binary(binary(number(2), "*", parsed(scale)), "*", array)), 3.1
            off = ast.Compare(array, [ast.LtE()], [number(0)])
            masked = with_context(subscript(parsed(name), off), ast.Store())
            yield assignment(masked, number(0)), 2.8 + cost


def guarded(statement: Any, hand: Hand) -> Iterator[Edit]:
    """A statement that is to run only in some rounds of a loop."""
    if isinstance(statement, ast.Return | ast.FunctionDef | ast.ClassDef):
        return
    counters = [size for size in hand.sizes if size.isidentifier() and not hand.is_count(size)][:4]
    for counter in counters:
        last = [ast.Compare(parsed(counter), [ast.Lt()], [binary(parsed(size), "-", number(1))])
                for size in hand.sizes if hand.is_count(size)][:2]  # fmt: skip
        for test in (ast.Compare(parsed(counter), [ast.Gt()], [number(0)]), *last):
            message = f"this is to be done only if {ast.unparse(test)}"
            yield Edit(2.9, message, statements=(ast.If(test, [statement], []),))


def written_to(statement: Any) -> str:
    """What a statement writes to, as it is spelled; of ``x[i] = y``, the array; empty where it does not write."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    target = targets[0]
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return ast.unparse(target) if isinstance(target, ast.expr) else ""
