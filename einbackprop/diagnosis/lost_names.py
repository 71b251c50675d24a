"""Names that nothing in their function binds: a hole at one goes in, lines that may have bound it come out.

What such a name stands for cannot be solved for where it is a size, a mask or an object. Another function may bind it,
as the loss does with what its gradients compute again.
"""

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, permutations, product
from typing import Any

from einbackprop.core.source import statements_of
from einbackprop.diagnosis.analogy import analogous
from einbackprop.diagnosis.blocks import compared_in, function_of
from einbackprop.diagnosis.evaluation import meant, tail
from einbackprop.diagnosis.holes import Hole
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary import Hand, bare_values, hand_of
from einbackprop.diagnosis.vocabulary.hand import MISSING, unlikeness, value_of
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    assignment,
    attribute,
    call,
    is_same,
    items_of,
    names_in,
    number,
    parsed,
    subscript,
    with_context,
    written,
)

VALUES, ANALOGOUS, CALLS, SIMILAR = 80, 12, 24, 3
"""Values that are tried though nothing is known of what is missing, those that other lines suggest, calls of a function
of the file, and names for each of its arguments, at most."""


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


def lines_elsewhere(hole: Hole, version: Version) -> Iterator[ast.stmt]:
    """The statements with which other functions of the file bind the name, those that take apart what others put
    together, ``x, w = cache`` where there is ``cache = x, w``, and those that bind it as names like it are bound."""
    for node in ast.walk(statements_of(hole.definition[0]).tree):
        if not isinstance(node, ast.Assign):
            continue
        if any(names_in(hole.target) <= names_in(target) for target in node.targets):
            yield node
        items = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else []
        if names_in(hole.target) <= names_in(node.value) and items and all(isinstance(i, OPERANDS) for i in items):
            yield assignment(written(node.value), with_context(node.targets[0], ast.Load()))
    function = function_of(version.tree(hole.definition), hole.statement)
    if function is not None and hole.frame is not None:
        likely = analogous(hole.target, function, hole.names)
        yield from (assignment(written(hole.target), value) for value in likely[:ANALOGOUS])


def written_elsewhere(site: Site) -> list[ast.Assign | ast.AugAssign]:
    """The statements of other functions of the file that write to an attribute or an entry, or add to something, of
    names that the function of a statement has too, and that do not stand in it."""
    function = site.function
    if not isinstance(function, ast.FunctionDef):
        return []
    names = names_in(function) | {one.arg for one in ast.walk(function) if isinstance(one, ast.arg)}
    own = {ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.stmt)}
    every = (node for node in ast.walk(statements_of(site.file).tree) if isinstance(node, ast.Assign | ast.AugAssign))
    found = {ast.unparse(node): node for node in every if names_in(node) <= names
             and (isinstance(node, ast.AugAssign) or isinstance(node.targets[0], ast.Attribute | ast.Subscript))}
    return [node for text, node in found.items() if text not in own]


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


def lines_of_calls(hole: Hole, version: Version) -> Iterator[ast.stmt]:
    """Lines that bind a name, and all others that nothing binds, to what a function of the file returns under these
    names: ``dx, dg = norm_backward(dy, cache)`` where that ends with ``return dx, dg``."""
    function = function_of(version.tree(hole.definition), hole.statement)
    if hole.frame is None or not isinstance(function, ast.FunctionDef) or not isinstance(hole.target, ast.Name):
        return
    names = {**vars(builtins), **hole.names}
    used = [node for node in ast.walk(function) if isinstance(node, ast.Name) and names.get(node.id) is None]
    later = {node.id for node in used if isinstance(node.ctx, ast.Store) and node.lineno >= hole.statement.lineno}
    lost = {hole.target.id} | {node.id for node in used if isinstance(node.ctx, ast.Load)} - later
    held = [name for name, value in hole.frame.f_locals.items() if value is not None]
    for node in statements_of(hole.definition[0]).tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name == function.name:
            continue
        given = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
        is_likely = given and lost == {*map(ast.unparse, items_of(given[-1]))}
        if is_likely and version.world.provides(hole.frame.f_globals, node.name):
            taken = [one.arg for one in node.args.args[: len(node.args.args) - len(node.args.defaults)]]
            likely = (sorted(held, key=partial(unlikeness, one))[:SIMILAR] for one in taken)
            for chosen in islice(product(*likely), CALLS):
                value = call(ast.Name(node.name, ast.Load()), [*map(parsed, chosen)])
                yield assignment(with_context(given[-1], ast.Store()), value)


def zeros(names: Sequence[str], hand: Hand) -> Iterator[ast.stmt]:
    """A line that binds names to zeros of the shapes of what they are gradients of by their names: ``dW, db``."""
    like = [next((array for array in hand.shapes if array in meant(name)), None) for name in names]
    function = attribute(parsed(hand.numpy), "zeros_like")
    made = [call(function, [parsed(array)]) for array in like if array is not None]
    if len(made) == len(names) > 1:
        target: Any = ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
        yield assignment(target, ast.Tuple([*made], ast.Load()))
    elif len(made) == len(names):
        yield assignment(ast.Name(names[0], ast.Store()), made[0])


def buffers(hole: Hole, version: Version, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[ast.stmt]:
    """Lines that bind a name to zeros where the function writes to its entries, of the shape of what it is the gradient
    of by its name first: what is overwritten cannot be solved for."""
    function = function_of(version.tree(hole.definition), hole.statement)
    if hole.frame is None or function is None or not any(
            is_same(node.value, hole.target) for node in ast.walk(function)
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):  # fmt: skip
        return
    hand = hand_of(hole.frame.f_locals, hole.frame.f_globals, function, (), None, hole.statement)
    own = meant(ast.unparse(hole.target))
    for _, shape in sorted(shapes.items(), key=lambda each: each[0] not in own):
        like = [parsed(array) for array, held in hand.shapes.items() if held == shape and tail(array) in own]
        yield from (assignment(written(hole.target), call(attribute(parsed(hand.numpy), "zeros_like"), [array]))
                    for array in like[:1])  # fmt: skip
        made = zeros_of_sizes(replace(hand, wanted=shape), hole.names)
        yield from (assignment(written(hole.target), value) for value in made)


def zeros_of_sizes(hand: Hand, names: Mapping[str, Any]) -> Iterator[ast.expr]:
    """Zeros of the shape that is wanted, of sizes by name: ``np.zeros((N, T))``."""
    known = [(text, value_of(parsed(text), names)) for text in hand.sizes]
    axes = [[text for text, size in known if size is not MISSING and size == wanted] for wanted in hand.wanted or ()]
    for chosen in sorted(islice(product(*axes), CALLS), key=lambda texts: -len({*texts})) if axes else ():
        yield call(attribute(parsed(hand.numpy), "zeros"), [ast.Tuple([*map(parsed, chosen)], ast.Load())])


def lengths(names: Sequence[str], hand: Hand) -> Iterator[ast.stmt]:
    """Lines that bind names to sizes of one array: ``N, D = x.shape``."""
    for array, shape in hand.shapes.items():
        whole = attribute(parsed(array), "shape")
        for axes in permutations(range(len(shape)), len(names)):
            order = [names[axes.index(axis)] for axis in range(len(shape))] if len(axes) == len(shape) else names
            target: Any = ast.Tuple([ast.Name(name, ast.Store()) for name in order], ast.Store())
            some = ast.Tuple([subscript(whole, number(axis)) for axis in axes], ast.Load())
            yield assignment(target, whole if len(axes) == len(shape) else some)
