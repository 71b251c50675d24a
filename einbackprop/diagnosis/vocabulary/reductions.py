"""Edits of sums and their like: the axis, keepdims, a sum for a mean, a sum that is missing or too many."""

import ast
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from einbackprop.diagnosis.vocabulary.expression import REDUCTIONS, Edit, Expression, Kinds, Place, axes
from einbackprop.diagnosis.vocabulary.hand import NEAREST
from einbackprop.diagnosis.vocabulary.trees import (
    along,
    attribute,
    binary,
    call,
    held_number,
    is_same,
    items_of,
    number,
    parsed,
    subscript,
)

AXES = ("0", "1", "-1", "2", "-2", "-3", "(0, 1)", "(0, 2)", "(1, 2)", "(0, 2, 3)", "(0, 1, 2)", "(2, 3)")
MOST_AXES = 4
MISSING_AXES = ((0, 0.0), (1, 0.1), (-1, 0.15), (2, 0.4), (-2, 0.4))
KIN = (
    ("sum", "mean"), ("max", "min"), ("argmax", "argmin"), ("maximum", "minimum"), ("var", "std"), ("any", "all"),
    ("zeros_like", "ones_like"), ("zeros", "ones"), ("exp", "log"), ("exp", "expm1"), ("log", "log1p"), ("sin", "cos"),
    ("sinh", "cosh", "tanh"), ("floor", "ceil"), ("dot", "multiply"), ("dot", "outer"), ("matmul", "multiply"),
    ("triu", "tril"), ("sqrt", "square"), ("cumsum", "sum"), ("cumsum", "cumprod"), ("abs", "sign"), ("sum", "prod"),
    ("logical_and", "logical_or"), ("greater", "less"), ("greater", "greater_equal"), ("less", "less_equal"),
    ("argsort", "sort"), ("hstack", "vstack"), ("add", "subtract"), ("multiply", "divide"), ("kron", "outer"),
    ("empty", "zeros"), ("empty_like", "zeros_like"), ("mean", "max"),
)  # fmt: skip
"""Functions that people take for one another."""
COSTS = {
    **dict.fromkeys(permutations(("max", "min"), 2), 0.8), **dict.fromkeys(permutations(("argmax", "argmin"), 2), 0.8),
    **dict.fromkeys(permutations(("maximum", "minimum"), 2), 0.8), ("mean", "sum"): 1.0, ("empty", "zeros"): 1.0,
    ("empty_like", "zeros_like"): 1.0,
}  # fmt: skip
"""What those cost that are taken most, each with what was meant: of two opposite ones less than a sign, which would
make the one of what is negated of the other."""
UNWRITTEN = frozenset({"empty", "empty_like"})
"""Functions that give memory as it was found: other numbers in each run."""


def other_axis(expression: Expression) -> Iterator[Edit]:
    """Another axis of a sum and the like, those first that the code has elsewhere, or none."""
    around = expression.hand.phrases if expression.calls else ()
    calls = [node for phrase in around for node in ast.walk(phrase) if isinstance(node, ast.Call)]
    spelled = {ast.unparse(axis) for node in calls if (axis := axis_of(expression, node)) is not None}
    for place in expression.calls:
        node = place.node
        axis = axis_of(expression, node)
        for rank, text in enumerate(AXES if axis is not None else ()):
            assert axis is not None
            cost = 1.0 + 0.06 * rank - 0.15 * (text in spelled)
            new = with_axis(expression, node, parsed(text))
            yield expression.edit(place, new, cost, "axis {} is needed, not {}", text, axis)
        if axis is not None:
            yield expression.edit(place, with_axis(expression, node, None), 1.5, "the axis is too much: all is needed")
        elif expression.called(node) in REDUCTIONS:
            for text in AXES[:9]:
                only = with_axis(expression, node, parsed(text))
                said, name = "{} over axis {} only is needed", expression.called(node)
                yield expression.edit(place, only, 1.2, said, name, text)
                if not any(keyword.arg == "keepdims" for keyword in node.keywords):
                    kept = [*only.keywords, ast.keyword("keepdims", ast.Constant(True))]
                    only = ast.Call(only.func, only.args, kept)
                    yield expression.edit(place, only, 1.3, said + ", and kept", name, text)


def keepdims(expression: Expression) -> Iterator[Edit]:
    """keepdims added, or left out."""
    for place in expression.calls:
        node = place.node
        if any(keyword.arg == "keepdims" for keyword in node.keywords):
            rest = [keyword for keyword in node.keywords if keyword.arg != "keepdims"]
            yield expression.edit(place, ast.Call(node.func, node.args, rest), 1.2, "keepdims is too much here")
        if expression.called(node) in REDUCTIONS and not (expression.called(node) or "").startswith("cum"):
            kept = [*(k for k in node.keywords if k.arg != "keepdims"), ast.keyword("keepdims", ast.Constant(True))]
            yield expression.edit(place, ast.Call(node.func, node.args, kept), 1.2, "keepdims=True is missing")


def kin(expression: Expression) -> Iterator[Edit]:
    """Another function of NumPy's, that is taken for the one that stands there: a sum for a mean."""
    for place in expression.calls:
        node, called = place.node, expression.called(place.node)
        for group in KIN:
            for other in group if called in group else ():
                if other in UNWRITTEN:
                    continue
                new = ast.Call(attribute(node.func.value, other), node.args, node.keywords)
                cost = COSTS.get((called, other), 1.15 if other == "mean" else 1.4)
                yield expression.edit(place, new, cost, "{} is needed, not {}", other, called)


def from_the_end(expression: Expression) -> Iterator[Edit]:
    """A cumulative sum from the last entry on, as the adjoint of one from the first is; or the other way round."""
    for place in expression.places:
        node = place.node
        if isinstance(node, ast.Subscript) and expression.called(node.value) == "cumsum":
            inner = summed_up(expression, node.value)
            if isinstance(inner, ast.Subscript) and is_same(inner.slice, node.slice) and is_turned(inner.slice):
                new = with_summed(expression, node.value, inner.value)
                yield expression.edit(place, new, 1.3, "cumsum from the first entry on is needed")
        elif expression.called(node) == "cumsum" and (array := summed_up(expression, node)) is not None:
            for part in turned(axis_of(expression, node)):
                sums = with_summed(expression, node, subscript(array, part))
                yield expression.edit(place, subscript(sums, part), 1.3, "cumsum from the last entry on is needed")


def weighted(expression: Expression) -> Iterator[Edit]:
    """A vector at hand that weighs what is summed: ``x @ V`` for ``V.sum(axis=0)``, and ``V @ x`` for another axis."""
    vectors = [(name, shape[0]) for name, shape in expression.hand.shapes.items() if len(shape) == 1]
    for place in expression.calls:
        axis = axis_of(expression, place.node) if expression.called(place.node) == "sum" else None
        array = summed_up(expression, place.node) if axis is not None else None
        shape = expression.hand.shapes.get(ast.unparse(array), ()) if array is not None else ()
        over = held_number(axis)
        if array is None or len(shape) != 2 or over not in (0, 1, -1):
            continue
        fitting = (name for name, size in vectors if size == shape[0 if over == 0 else 1])
        for rank, name in enumerate(fitting):
            new = binary(parsed(name), "@", array) if over == 0 else binary(array, "@", parsed(name))
            yield expression.edit(place, new, 1.2 + NEAREST * rank, "the sum must be weighted by {}: {}", name, new)


def summed_up(expression: Expression, node: Any) -> ast.expr | None:
    """What a sum is of, whether it is a function of NumPy's or a method."""
    if expression.is_numpy(node):
        return node.args[0] if node.args else None
    return node.func.value if isinstance(node.func, ast.Attribute) else None


def with_summed(expression: Expression, node: Any, array: ast.expr) -> ast.expr:
    """The same cumulative sum of another array."""
    if expression.is_numpy(node):
        return ast.Call(node.func, [array, *node.args[1:]], node.keywords)
    return ast.Call(attribute(array, node.func.attr), node.args, node.keywords)


def turned(axis: ast.expr | None) -> Iterator[ast.expr]:
    """The index that turns an array round along an axis: ``[::-1]``, ``[:, ::-1]``, ``[..., ::-1]``."""
    back, number_of = ast.Slice(None, None, number(-1)), 0 if axis is None else held_number(axis)
    if number_of == -1:
        yield ast.Tuple([ast.Constant(...), back], ast.Load())
    elif isinstance(number_of, int) and 0 <= number_of < MOST_AXES:
        yield along(number_of, back)


def is_turned(index: ast.expr) -> bool:
    """Whether an index turns an array round along one of its axes."""
    return any(isinstance(one, ast.Slice) and one.step is not None and held_number(one.step) == -1
               for one in items_of(index))  # fmt: skip


def sum_missing(expression: Expression) -> Iterator[Edit]:
    """A sum or a mean over an axis where there is none."""
    for place in expression.places:
        node = place.node
        shape = expression.shape(place)
        summable = isinstance(node, ast.BinOp | ast.Call) or bool(shape)
        if not summable or is_reduced(expression, place) or expression.called(node) in REDUCTIONS:
            continue
        cost = 1.3 if place.outer is None else 1.9
        for axis, more in MISSING_AXES[: 3 if shape is None else len(shape)]:
            for kept in (False, True):
                said = f"axis {axis}" + (", keepdims=True" if kept else "")
                new = reduction(expression, "sum", node, axis, kept)
                yield expression.edit(place, new, cost + more + 0.4 * kept, "the sum over {} is missing", said)
        for axis, more in MISSING_AXES[:2]:
            new = reduction(expression, "mean", node, axis, False)
            yield expression.edit(place, new, cost + more + 0.7, "the mean over axis {} is missing", axis)
        whole = reduction(expression, "sum", node, None, False)
        yield expression.edit(place, whole, cost + 0.6, "the sum over everything is missing")


def sum_too_many(expression: Expression) -> Iterator[Edit]:
    """What is summed without the sum."""
    for place in expression.calls:
        node, called = place.node, expression.called(place.node)
        if called in REDUCTIONS and not (expression.is_numpy(node) and not node.args):
            inner = node.args[0] if expression.is_numpy(node) else node.func.value
            yield expression.edit(place, inner, 1.5, "the {} of {} is too much here", called, inner)


def entry_or_sum(expression: Expression) -> Iterator[Edit]:
    """One row, or column, where all are summed, or the other way round: ``d[0]`` for ``d.sum(axis=0)``."""
    for place in expression.places:
        node, said = place.node, ("{} is needed, not {}",)
        axis = axis_of(expression, node) if expression.called(node) in ("sum", "mean") else None
        array, over = (summed_up(expression, node), held_number(axis)) if axis is not None else (None, None)
        if isinstance(node, ast.Subscript):
            *before, last = items_of(node.slice)
            is_one = isinstance(held_number(last), int) and all(is_same(item, ast.Slice()) for item in before)
            if is_one and len(before) < MOST_AXES:
                new: ast.expr = reduction(expression, "sum", node.value, len(before), False)
                yield expression.edit(place, new, 1.5, *said, new, node)
        elif array is not None and isinstance(over, int) and 0 <= over < MOST_AXES:
            for n, at in enumerate((0, -1)):
                new = subscript(array, along(over, number(at)))
                yield expression.edit(place, new, 1.8 + 0.2 * n, *said, new, node)


def normalised(expression: Expression) -> Iterator[Edit]:
    """What is divided by its own sum: the exponentials of a softmax."""
    place = expression.places[0]
    for n, (axis, kept) in enumerate(((-1, True), (0, True), (0, False), (None, False), (1, True))):
        total = reduction(expression, "sum", place.node, axis, kept)
        yield expression.edit(
            place, binary(place.node, "/", total), 2.0 + 0.01 * n, "the division by {} is missing", total)


def reduction(expression: Expression, name: str, node: ast.expr, axis: int | None, kept: bool) -> ast.Call:
    """A sum, as a function where the expression has such, or where a computation is summed; else as a method."""
    keywords = {} if axis is None else {"axis": number(axis)}
    if kept:
        keywords["keepdims"] = ast.Constant(True)
    functions = any(expression.is_numpy(p.node) and expression.called(p.node) in REDUCTIONS for p in expression.calls)
    if functions or isinstance(node, ast.BinOp):
        return call(expression.function(name), [node], **keywords)
    return call(attribute(node, name), [], **keywords)


def is_reduced(expression: Expression, place: Place) -> bool:
    """Whether what stands at a place is summed as it is."""
    caller = place.outer
    if caller is not None and caller.field == "func":
        caller = caller.outer
    return caller is not None and expression.called(caller.node) in REDUCTIONS


def axis_of(expression: Expression, node: ast.Call) -> ast.expr | None:
    """The axis that a call is over, by keyword or by position."""
    for keyword in node.keywords:
        if keyword.arg == "axis":
            return keyword.value
    return next(iter(axes(expression, node)), None)


def with_axis(expression: Expression, node: ast.Call, axis: ast.expr | None) -> ast.Call:
    """A call over another axis, or over none."""
    by_position = axes(expression, node)
    args = [arg for arg in node.args if arg not in by_position]
    others = [keyword for keyword in node.keywords if keyword.arg != "axis"]
    if axis is None:
        return ast.Call(node.func, args, others)
    if by_position:
        return ast.Call(node.func, [*args, axis], others)
    return ast.Call(node.func, args, [ast.keyword("axis", axis), *others])


KINDS: Kinds = {
    other_axis: "an axis that is summed over", keepdims: "an axis that a sum keeps", kin: "the function that is called",
    sum_missing: "a sum", sum_too_many: "a sum", from_the_end: "the end that a cumulative sum begins at",
    weighted: "a sum", entry_or_sum: "a sum",
    normalised: "a factor",
}  # fmt: skip
