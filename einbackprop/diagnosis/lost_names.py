"""Names that nothing in their function binds: a hole at one goes in, lines that may have bound it come out.

What such a name stands for cannot be solved for where it is a size, a mask or an object. Another function may bind it,
as the loss does with what its gradients compute again.
"""

import ast
import builtins
from collections.abc import Iterator, Sequence
from itertools import islice, permutations
from typing import Any

from einbackprop.core.source import statements_of
from einbackprop.diagnosis.blocks import compared_in, function_of
from einbackprop.diagnosis.evaluation import meant
from einbackprop.diagnosis.holes import Hole
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary import Hand, bare_values, hand_of
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    assignment,
    attribute,
    call,
    names_in,
    number,
    parsed,
    subscript,
    with_context,
    written,
)

VALUES = 80
"""Values that are tried though nothing is known of what is missing."""


def lost_names(version: Version, hole: Hole) -> list[str]:
    """The names that the function of a hole reads and that nothing binds; none where the hole is another's."""
    function = function_of(version.tree(hole.definition), hole.statement)
    if hole.frame is None or function is None or not isinstance(hole.target, ast.Name):
        return []
    used = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    updated = [node.target for node in ast.walk(function) if isinstance(node, ast.AugAssign)]
    stored = {node.id for node in used if isinstance(node.ctx, ast.Store) and node not in updated}
    bound = stored.union(vars(builtins), hole.frame.f_globals, hole.frame.f_locals)
    lost = dict.fromkeys(node.id for node in used if node.id not in bound)
    return list(lost) if hole.target.id in lost else []


def lines_elsewhere(hole: Hole) -> Iterator[ast.stmt]:
    """The statements with which other functions of the file bind the name, and those that take apart what others put
    together: ``x, w = cache`` where there is ``cache = x, w``."""
    for node in ast.walk(statements_of(hole.definition[0]).tree):
        if not isinstance(node, ast.Assign):
            continue
        if any(names_in(hole.target) <= names_in(target) for target in node.targets):
            yield node
        items = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else []
        if names_in(hole.target) <= names_in(node.value) and items and all(isinstance(i, OPERANDS) for i in items):
            yield assignment(written(node.value), with_context(node.targets[0], ast.Load()))


def lines_of_values(names: Sequence[str], hole: Hole, version: Version) -> Iterator[ast.stmt]:
    """Lines that bind a name to a size, an object or a mask, or several to the sizes of one array."""
    function = function_of(version.tree(hole.definition), hole.statement)
    assert hole.frame is not None and function is not None  # noqa: PT018
    hand = hand_of(hole.frame.f_locals, hole.frame.f_globals, function, (), None, hole.statement)
    yield from zeros(names, hand)
    if names[0] in compared_in(function):  # with what is largest, as pooling does
        largest = attribute(parsed(hand.numpy), "max")
        yield from (assignment(written(hole.target), call(largest, [parsed(array)])) for array in hand.shapes)
    if len(names) > 1:
        yield from islice(lengths(names, hand), VALUES)
        return
    for value, _ in sorted(bare_values(hand), key=lambda made: made[1])[:VALUES]:
        yield assignment(written(hole.target), value)


def zeros(names: Sequence[str], hand: Hand) -> Iterator[ast.stmt]:
    """A line that binds names to zeros of the shapes of what they are gradients of by their names: ``dW, db``."""
    like = [next((array for array in hand.shapes if array in meant(name)), None) for name in names]
    function = attribute(parsed(hand.numpy), "zeros_like")
    made = [call(function, [parsed(array)]) for array in like if array is not None]
    if len(made) == len(names) > 1:
        target: Any = ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
        yield assignment(target, ast.Tuple([*made], ast.Load()))


def lengths(names: Sequence[str], hand: Hand) -> Iterator[ast.stmt]:
    """Lines that bind names to sizes of one array: ``N, D = x.shape``."""
    for array, shape in hand.shapes.items():
        whole = attribute(parsed(array), "shape")
        for axes in permutations(range(len(shape)), len(names)):
            order = [names[axes.index(axis)] for axis in range(len(shape))] if len(axes) == len(shape) else names
            target: Any = ast.Tuple([ast.Name(name, ast.Store()) for name in order], ast.Store())
            some = ast.Tuple([subscript(whole, number(axis)) for axis in axes], ast.Load())
            yield assignment(target, whole if len(axes) == len(shape) else some)
