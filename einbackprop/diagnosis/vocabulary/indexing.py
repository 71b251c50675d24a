"""Edits of indices and slices: a neighbour, a bound, an index too many or missing, the bounds of a range."""

import ast
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise, permutations, product
from typing import Any

from einbackprop.core.collecting import grouped
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kinds, Place
from einbackprop.diagnosis.vocabulary.hand import NEAREST, unlikeness
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    SUMS,
    along,
    attribute,
    binary,
    call,
    flipped,
    held_number,
    is_same,
    items_of,
    names_in,
    negated,
    number,
    parsed,
    subscript,
    swaps,
)

FEW = 8
SLICES = (":", "1:", ":-1", "::-1", "2:", ":-2")


def neighbour(expression: Expression) -> Iterator[Edit]:
    """The entry before, or after; in a slice, another bound."""
    for place in expression.indices:
        node = place.node
        if is_index(place) or isinstance(place.parent, ast.Slice):
            for other, cost in neighbours(node):
                yield expression.edit(place, other, cost, *instead(place, other))


def amount(expression: Expression) -> Iterator[Edit]:
    """A sign, or a factor or a term that is missing or too much, in the bound of a slice, an index, a shape."""
    for places, more in ((expression.indices, 0.0), (expression.lengths, 0.2)):
        for place in places:
            for other, cost in amounts(place, expression.hand.sizes, is_length=more > 0):
                price = cost + more + 0.1 * (not names_in(other) <= expression.names)
                said = ("{} is needed, not {}", other, place.text) if more else instead(place, other)
                yield expression.edit(place, other, price, *said)


def amount_everywhere(expression: Expression) -> Iterator[Edit]:
    """Half, twice, or one more or less than a number at all its places in brackets: ``x[p // 2:-(p // 2)]``."""
    named = (place for place in expression.indices if isinstance(place.node, ast.Name | ast.Attribute))
    for places in grouped((place.text, place) for place in named).values():
        node = places[0].node
        others = (*neighbours(node), (binary(node, "//", number(2)), 1.4), (binary(number(2), "*", node), 1.4))
        for other, cost in others if len(places) > 1 else ():
            changes = {id(place.node): other for place in places}
            yield expression.everywhere(changes, cost + 0.3, "{} is needed, not {}", other, places[0])


def strided(expression: Expression) -> Iterator[Edit]:
    """A stride by which the counters in all slices of a window are to be multiplied, ``x[i*s:i*s+k, j*s:j*s+k]``, or
    one that is too much.
    """
    for window in expression.places:
        slices = [item for item in items_of(window.node.slice) if isinstance(item, ast.Slice)] if isinstance(
            window.node, ast.Subscript) else []  # fmt: skip
        inside = {id(node) for item in slices for node in ast.walk(item)}
        begun = {ast.unparse(item.lower) for item in slices if item.lower and item.upper}
        starts = [place for place in expression.indices if id(place.node) in inside and place.text in begun]
        if len(starts) < 2:
            continue
        nodes = [place.node for place in starts]
        if all(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) for node in nodes):
            sides = [{ast.unparse(node.left): node.right, ast.unparse(node.right): node.left} for node in nodes]
            for stride in sorted(set.intersection(*map(set, sides))):
                changes = {id(node): others[stride] for node, others in zip(nodes, sides, strict=True)}
                yield expression.everywhere(changes, 1.3, "the stride {} is too much in {}", stride, window)
        counted = {name for node in nodes for name in names_in(node)}
        strides = [size for size in expression.hand.sizes if size.isidentifier() and size not in counted]
        usual = 1.2 if len(begun) > 1 else 1.5
        for rank, size in enumerate(strides):
            changes = {id(node): binary(node, "*", parsed(size)) for node in nodes}
            yield expression.everywhere(changes, usual + NEAREST * rank, "the stride {} is missing in {}", size, window)


def amounts(place: Place, sizes: Sequence[str], is_length: bool) -> Iterator[tuple[ast.expr, float]]:
    """What may be meant by a number that is computed at a place, and what each costs."""
    node, above = place.node, place.parent
    if isinstance(node, ast.Slice | ast.Tuple | ast.List | ast.Constant) and held_number(node) is None:
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, SUMS):
        yield flipped(node), 0.9
    operator = getattr(above, "op", None)
    if operator is None or isinstance(operator, SUMS):
        yield from multiples(node, sizes)
    if is_length and isinstance(above, ast.Tuple | ast.List | ast.Call):
        counts = [parsed(size) for size in sizes if size.isidentifier()][:FEW]
        yield from ((binary(binary(node, "*", one), "*", two), 1.7) for one, two in combinations(counts, 2))
    if operator is None:
        yield from sums(node, sizes)
    if isinstance(above, ast.Slice) and place.field == "upper" and above.lower is not None:
        yield binary(node, "+", above.lower), 1.3


def other_index(expression: Expression) -> Iterator[Edit]:
    """Another number at hand as an index, everywhere or here; one that stands there in other lines; two indices in the
    other order."""
    for place in expression.indices:
        yield from as_in_other_lines(expression, place)
        if isinstance(place.node, OPERANDS):
            yield from other_name(expression, place)
            yield expression.edit(place, negated(place.node), 1.6, "the sign of the index {} is wrong", place)
            yield from picked(expression, place)
        elif held_number(place.node) is not None:
            yield from other_name(expression, place)
        elif isinstance(place.node, ast.BinOp):
            yield from picked(expression, place)
        elif isinstance(place.node, ast.Tuple):
            for items, _ in swaps(place.node.elts):
                new = ast.Tuple(items, ast.Load())
                yield expression.edit(place, new, 1.4, "{} is needed", partial(subscript_text, place, new))
        elif isinstance(place.node, ast.Constant) and isinstance(place.node.value, str):
            for key, cost in other_keys(expression, place):
                yield expression.edit(place, key, cost, "the entry {} is needed, not {}", key, place)


def two_counters(expression: Expression) -> Iterator[Edit]:
    """Two other counters of loops in the place of two: ``dx[row + r, col + c]`` for ``dx[i + r, j + c]``."""
    named = grouped((place.text, place) for place in expression.indices if isinstance(place.node, ast.Name))
    counts = [size for size in expression.hand.sizes if size.isidentifier() and not expression.hand.is_count(size)]
    others = [name for name in counts if name not in named][:FEW]
    for first, second in combinations([name for name in named if name in counts], 2):
        for rank, (one, two) in enumerate(permutations(others, 2)):
            changes = {id(place.node): parsed(one) for place in named[first]}
            changes |= {id(place.node): parsed(two) for place in named[second]}
            words = "{} and {} are needed, not {} and {}", one, two, first, second
            yield expression.everywhere(changes, 1.8 + NEAREST * rank, *words)


def picked(expression: Expression, place: Place) -> Iterator[Edit]:
    """What labels say of a round, ``grad[y[i]]`` for ``grad[i]``, or the round itself."""
    node, labels = place.node, expression.hand.labels
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in labels and is_index(place):
        yield expression.edit(place, node.slice, 1.3, *instead(place, node.slice))
    elif isinstance(node, ast.Name | ast.BinOp) and is_index(place):
        above = place.outer.node if place.outer is not None else None
        held = ast.unparse(above.value) if isinstance(above, ast.Subscript) else ""
        rounds = sorted(names_in(node).intersection(expression.hand.sizes))
        for rank, (label, counter) in enumerate(product([label for label in labels if label != held], rounds)):
            new = subscript(parsed(label), parsed(counter))
            yield expression.edit(place, new, 1.2 + NEAREST * rank, *instead(place, new))


def as_in_other_lines(expression: Expression, place: Place) -> Iterator[Edit]:
    """What the file has as an index of the same array at the same place: ``p[t, u, y[u]]`` for ``p[t, u, 0]``."""
    hand, window = expression.hand, window_of(place)
    if window is None:
        return
    at, count = (place.index or 0, len(place.parent.elts)) if isinstance(place.parent, ast.Tuple) else (0, 1)
    known = {*hand.sizes, *hand.shapes, *hand.labels}
    others = hand.indices.get((ast.unparse(window.node.value), count, at), ())
    fitting = [other for other in others if names_in(other) <= known and not is_same(other, place.node)]
    for rank, other in enumerate(fitting[:FEW]):
        yield expression.edit(place, other, 1.1 + NEAREST * rank, *instead(place, other))


def other_keys(expression: Expression, place: Place) -> Iterator[tuple[ast.expr, float]]:
    """The keys of entries at hand, and what each costs: those of the same dict first, and those alike."""
    for text in (*expression.hand.shapes, *expression.hand.others):
        entry = parsed(text)
        if isinstance(entry, ast.Subscript) and isinstance(entry.slice, ast.Constant):
            is_own = is_same(entry.value, getattr(place.parent, "value", None))
            apart = unlikeness(str(entry.slice.value), str(place.node.value))
            yield entry.slice, 1.2 + 0.4 * apart + (0.0 if is_own else 0.4)


def other_name(expression: Expression, place: Place) -> Iterator[Edit]:
    """Another number at hand, or array as an index, in the place of a name in brackets: surely, if that is neither."""
    hand, text, bound = expression.hand, place.text, is_bound(place)
    cannot = text in hand.others or (text in hand.shapes and bound)
    index = "the index " if is_index(place) else ""
    compared = [place.parent.left, *place.parent.comparators] if isinstance(place.parent, ast.Compare) else []
    useless = {text, *map(ast.unparse, compared)}  # nothing is compared with itself
    for rank, name in enumerate(hand.sizes if bound else (*hand.sizes, *hand.shapes)):
        cost = 0.9 + 0.2 * unlikeness(name, text) if cannot else 1.2 + 0.5 * unlikeness(name, text)
        if name not in useless:
            words = "{}{} is needed, not {}", index, name, text
            yield expression.edit(place, parsed(name), cost + NEAREST * rank, *words)


def other_length(expression: Expression) -> Iterator[Edit]:
    """Another size at hand, or one that is computed for another array, or the shape of another array, where a function
    takes a shape; a neighbouring number."""
    hand = expression.hand
    for place in expression.lengths:
        node, text, held = place.node, place.text, held_number(place.node)
        is_measured = getattr(place.parent, "attr", "") in ("shape", "size") or is_len(place.parent)
        for rank, name in enumerate(hand.shapes if is_measured or is_shape(node) else ()):
            new = attribute(parsed(name), "shape") if is_shape(node) else parsed(name)
            cost = 1.6 if is_shape(node) else 1.2 + 0.5 * unlikeness(name, text)
            yield expression.edit(place, new, cost + NEAREST * rank, "{} is needed, not {}", new, text)
        if is_measured or is_shape(node) or not (isinstance(node, OPERANDS) or held is not None):
            continue
        for rank, size in enumerate(hand.products):
            yield expression.edit(place, parsed(size), 1.0 + NEAREST * rank, "{} is needed, not {}", size, text)
        for rank, size in enumerate(hand.sizes):
            apart = 0.6 if held is not None else 0.4 * unlikeness(size, text)
            yield expression.edit(place, parsed(size), 1.1 + apart + NEAREST * rank, "{} is needed, not {}", size, text)
        for other, cost in neighbours(node) if held is not None else ():
            yield expression.edit(place, other, cost + 0.2, "{} is needed, not {}", other, text)


def is_len(node: ast.AST | None) -> bool:
    """Whether a node is ``len(x)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def is_shape(node: ast.expr) -> bool:
    """Whether a node is a whole shape: ``(N, D)``, ``x.shape``."""
    return isinstance(node, ast.Tuple) or (isinstance(node, ast.Attribute) and node.attr == "shape")


def other_slice(expression: Expression) -> Iterator[Edit]:
    """Another part of an axis: ``1:`` for ``:-1``; of several that have the same, too: ``p:-p, p:-p``."""
    for place in expression.places:
        node = place.node
        items = items_of(node.slice) if isinstance(node, ast.Subscript) else []
        for same in alike_slices(items):
            item = items[same[0]]
            # x[:] is x, and where a size has a name it is named
            made = [(sliced(text), 1.4 + 0.2 * bool(names_in(item))) for text in SLICES[len(items) == 1 :]]
            made += [(sliced(f"{size}:-{size}"), 1.4) for size in sizes_in(item, expression.hand.sizes)]
            for other, cost in made:
                others = [other if k in same else kept for k, kept in enumerate(items)]
                new = subscript(node.value, joined(others))
                yield expression.edit(place, new, cost, "{} is needed, not {}", new, place)
        for at, item in enumerate(items):
            for rank, other in enumerate(other_parts(item, expression.hand.sizes)):
                new = subscript(node.value, joined([*items[:at], other, *items[at + 1 :]]))
                yield expression.edit(place, new, 1.35 + NEAREST * rank, "{} is needed, not {}", new, place)
            if len(items) > 1:
                new = subscript(node.value, joined([*items[:at], *items[at + 1 :]]))
                yield expression.edit(place, new, 1.9, "the index {} is too much", item)


def sizes_in(item: ast.expr, sizes: Sequence[str]) -> list[str]:
    """The numbers at hand in a slice, as they are spelled: ``p``, ``self.pad``."""
    spelled = {ast.unparse(node) for node in ast.walk(item) if isinstance(node, OPERANDS)}
    return [size for size in sizes if size in spelled]


def alike_slices(items: Sequence[ast.expr]) -> Iterator[tuple[int, ...]]:
    """Where the slices of a subscript stand: each, those that are the same, and two of these side by side."""
    slices = grouped((ast.unparse(item), at) for at, item in enumerate(items) if isinstance(item, ast.Slice))
    for same in slices.values():
        pairs = (pair for pair in pairwise(same) if pair[1] - pair[0] == 1)
        yield from dict.fromkeys((*zip(same, strict=True), tuple(same), *pairs))


def other_window(expression: Expression) -> Iterator[Edit]:
    """Indices that the file has at another array: ``dx[i, s:s + k]`` where the forward pass reads ``x[i, s:s + k]``."""
    at_hand = {*expression.hand.sizes, *expression.hand.shapes}
    windows = [window for window in expression.hand.windows if names_in(window) <= at_hand]
    for place in expression.places:
        items = items_of(place.node.slice) if isinstance(place.node, ast.Subscript) else []
        fitting = [window for window in windows if [*map(type, items_of(window))] == [*map(type, items)]]
        for rank, window in enumerate(fitting[:FEW]):
            new = subscript(place.node.value, window)
            yield expression.edit(place, new, 1.4 + NEAREST * rank, "{} is needed, not {}", new, place)


def other_parts(item: ast.expr, sizes: Sequence[str]) -> Iterator[ast.Slice]:
    """The other part of what a size divides, ``d[V:]`` for ``d[:V]``; and, of names for sizes, those that others do, as
    an array is divided that was put together of two."""
    if not isinstance(item, ast.Slice) or item.step or (item.lower is None) is (item.upper is None):
        return
    own = item.lower or item.upper
    if isinstance(own, ast.UnaryOp) and isinstance(own.op, ast.USub):  # ``d[-V:]``
        own = own.operand
    named = [parsed(size) for size in sizes if size.isidentifier()] if isinstance(own, ast.Name) else []
    bounds = ([own] if own is not None else []) + named[:FEW]
    ends = [ast.UnaryOp(ast.USub(), own)] if isinstance(own, ast.Name | ast.Attribute) else []
    for bound in (*bounds, *ends):
        yield from (one for one in (ast.Slice(bound, None), ast.Slice(None, bound)) if not is_same(one, item))


def paired(expression: Expression) -> Iterator[Edit]:
    """One entry of each row, ``p[np.arange(N), y]``, for the columns ``p[:, y]`` of all rows; or the other way round.
    """
    for place in expression.places:
        items = items_of(place.node.slice) if isinstance(place.node, ast.Subscript) else []
        labels = [item for item in items if ast.unparse(item) in expression.hand.labels]
        for at, item in enumerate(items if len(items) > 1 else ()):
            others: list[ast.expr] = []
            if labels and isinstance(item, ast.Slice) and not (item.lower or item.upper or item.step):
                counts = [size for size in expression.hand.sizes if expression.hand.is_count(size)][:FEW]
                lengths = [parsed(size) for size in counts] + [call(parsed("len"), [label]) for label in labels]
                others = [call(expression.function("arange"), [length]) for length in lengths]
            elif expression.called(item) == "arange":
                others = [ast.Slice()]
            for rank, other in enumerate(others):
                new = subscript(place.node.value, joined([*items[:at], other, *items[at + 1 :]]))
                yield expression.edit(place, new, 1.2 + NEAREST * rank, "{} is needed, not {}", new, place)


def index_too_many(expression: Expression) -> Iterator[Edit]:
    """The whole where an entry or a part stands."""
    for place in expression.places:
        node = place.node
        if isinstance(node, ast.Subscript) and held_key(node) is None:
            is_axis = any(isinstance(item, ast.Constant) and item.value is None for item in items_of(node.slice))
            words = "the axis in {} is too much" if is_axis else "all of {} is needed here"
            yield expression.edit(place, node.value, 1.0 if is_axis else 1.6, words, node if is_axis else node.value)


def index_missing(expression: Expression) -> Iterator[Edit]:
    """An entry or a part of an array where the whole stands."""
    hand = expression.hand
    vectors = [name for name, shape in hand.shapes.items() if len(shape) == 1 and name.isidentifier()]
    picks = dict.fromkeys((*(name for name in vectors if name in hand.masks or name in hand.labels), *vectors[-4:]))
    names = [size for size in hand.sizes if size.isidentifier() and not hand.is_count(size)]
    for place in expression.operands:
        shape = expression.shape(place) or ()
        for rank, name in enumerate(picks if shape else ()):
            new = subscript(place.node, parsed(name))
            yield expression.edit(place, new, 2.3 + NEAREST * rank, "the index is missing: {}", new)
        for rank, name in enumerate(names[:4] if shape else ()):
            for new, more in ((subscript(place.node, parsed(name)), 0.0),
                              (subscript(place.node, along(1, parsed(name))), 0.2),
                              (subscript(place.node, binary(parsed(name), "-", number(1))), 0.5)):  # fmt: skip
                cost = 1.9 + more + NEAREST * rank
                yield expression.edit(place, new, cost, "the index is missing: {}", new)
        for text in SLICES[1:4] if shape else ():
            for at in range(len(shape)):
                new = subscript(place.node, along(at, sliced(text)))
                yield expression.edit(place, new, 2.4, "{} is needed, not all of {}", new, place)


def wrapping(expression: Expression) -> Iterator[Edit]:
    """Nothing in the first round of a loop, where an index is -1 and takes the last entry: ``c[t - 1] if t > 0 else
    0.0``."""
    for place in expression.operands:
        nodes = [node for node in ast.walk(place.node) if isinstance(node, ast.Subscript)]
        for index in (node.slice for node in nodes):
            match index:
                case ast.BinOp(ast.Name(counter), ast.Sub(), ast.Constant(1)):
                    zeros = call(expression.function("zeros_like"), [place.node])
                    is_later = ast.Compare(parsed(counter), [ast.Gt()], [number(0)])
                    new = ast.IfExp(is_later, place.node, zeros if place.outer is None else number(0))
                    yield expression.edit(place, new, 1.1, "where {} is 0, {} is the last entry", counter, place)


def ranges(expression: Expression) -> Iterator[Edit]:
    """Other bounds of a range; the other direction."""
    for place in expression.calls:
        node = place.node
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("range", "reversed") and expression.hand.numpy:
            for other in other_ranges(node) if name == "range" else [node.args[0]]:
                yield expression.edit(place, other, 1.3, "{} is needed, not {}", other, place)
            if name == "range":
                back = call(parsed("reversed"), [node])
                yield expression.edit(place, back, 1.4, "the loop must run backwards: {}", back)


def is_other_way(one: ast.expr, two: ast.expr) -> bool:
    """Whether two loops run over the same, in the one direction or the other."""
    return is_same(forwards(one), forwards(two))


def forwards(node: ast.expr) -> ast.expr:
    """What a loop runs over, whatever the direction."""
    match node:
        case ast.Call(ast.Name("reversed"), [inner]):
            return inner
    return node


def other_ranges(node: ast.Call) -> Iterator[ast.expr]:
    """A range with one bound moved by one, and from the other end."""
    for at, bound in enumerate(node.args):
        for other, _ in neighbours(bound):
            yield ast.Call(node.func, [*node.args[:at], other, *node.args[at + 1 :]], [])
    if len(node.args) == 1:
        yield call(node.func, [number(1), node.args[0]])
        yield call(node.func, [number(1), binary(node.args[0], "+", number(1))])
        yield call(node.func, [binary(node.args[0], "-", number(1)), number(-1), number(-1)])
    if len(node.args) >= 2 and held_number(node.args[0]) == 1:
        yield call(node.func, [node.args[1]])


def neighbours(node: Any) -> Iterator[tuple[ast.expr, float]]:
    """An index moved by one and by two, and what each costs: ``t - 1`` and ``t + 1`` for ``t``."""
    held = held_number(node)
    if held is not None and held == int(held):
        for by in (-1, 1, -2, 2):
            is_from_end = int(held) + by < 0 <= held  # of two rows the last is the second, which is meant
            yield number(int(held) + by), 1.2 + 0.3 * (abs(by) - 1) + 0.15 * is_from_end
        return
    base, moved = node, 0
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        step = held_number(node.right)
        if isinstance(step, int):
            base, moved = node.left, step if isinstance(node.op, ast.Add) else -step
    if isinstance(base, ast.Name | ast.BinOp | ast.UnaryOp | ast.Attribute | ast.Subscript | ast.Call):
        for step in (-1, 1, -2, 2):
            at = moved + step
            new = base if not at else binary(base, "+" if at > 0 else "-", number(abs(at)))
            yield new, 1.1 + 0.6 * (abs(step) - 1)


def multiples(node: ast.expr, sizes: Sequence[str]) -> Iterator[tuple[ast.expr, float]]:
    """A bound times a number, and what each costs: ``2 * H`` of an array that holds several, ``i * stride``."""
    names = [parsed(size) for size in sizes if size.isidentifier()]
    base = node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and held_number(node.left) is not None:
        base = node.right
        yield from ((binary(binary(node.left, "*", name), "*", base), 1.6) for name in names)
    yield base, 1.4
    yield from ((binary(base, "*", name), 1.4) for name in names)
    if held_number(base) is None:
        yield from ((binary(number(times), "*", base), 1.5) for times in (2, 3, 4))


def sums(node: ast.expr, sizes: Sequence[str]) -> Iterator[tuple[ast.expr, float]]:
    """An index with a number at hand added, or subtracted, and what each costs: ``i * s + H`` for ``i * s``."""
    names = [parsed(size) for size in sizes if size.isidentifier()]
    for sign, more in (("+", 0.0), ("-", 0.1)):
        yield from ((binary(node, sign, name), 1.4 + more) for name in names)


def is_index(place: Place) -> bool:
    """Whether a place is a whole index of an axis."""
    return window_of(place) is not None


def window_of(place: Place) -> Place | None:
    """The subscript of which a place is a whole index of an axis."""
    above = place.outer.outer if isinstance(place.parent, ast.Tuple) and place.outer else place.outer
    is_one = above is not None and isinstance(above.node, ast.Subscript) and held_key(above.node) is None
    return above if is_one else None


def is_bound(place: Place) -> bool:
    """Whether a place is in the bound of a slice."""
    above = place.outer
    while above is not None and isinstance(above.node, ast.BinOp | ast.UnaryOp):
        above = above.outer
    return above is not None and isinstance(above.node, ast.Slice)


def held_key(node: ast.Subscript) -> str | None:
    """The key of an entry of a dict; None where the index is none."""
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return key if isinstance(key, str) else None


def instead(place: Place, new: ast.expr) -> tuple[str, partial[str], partial[str]]:
    """What is said of another index: the subscript with it, not the one that stands there."""
    return "{} is needed, not {}", partial(subscript_text, place, new), partial(whole_text, place)


def whole_text(place: Place) -> str:
    """The subscript that an index stands in."""
    outer = place.outer
    while outer is not None and not isinstance(outer.node, ast.Subscript):
        outer = outer.outer
    return outer.text if outer is not None else place.text


def subscript_text(place: Place, new: ast.expr) -> str:
    """The subscript that an index stands in, with another index there."""
    made: Any = new
    outer = Place(place.node, place.outer, place.field, place.index)
    while outer.outer is not None and not isinstance(outer.node, ast.Subscript):
        above = outer.outer
        made = Place(outer.node, Place(above.node, None, "", None), outer.field, outer.index).put(made)
        outer = above
    return ast.unparse(made)


def joined(items: list[ast.expr]) -> ast.expr:
    """Indices of several axes as one."""
    return items[0] if len(items) == 1 else ast.Tuple(items, ast.Load())


def sliced(text: str) -> ast.expr:
    """A slice as code."""
    node = parsed(f"x[{text}]")
    assert isinstance(node, ast.Subscript)
    return node.slice


KINDS: Kinds = {
    neighbour: "an index", amount: "an index or a length", amount_everywhere: "an index or a length",
    strided: "a stride",
    other_index: "an index", other_length: "a length", other_slice: "an index", index_too_many: "an index",
    other_window: "an index", paired: "an index", two_counters: "an index", index_missing: "an index",
    wrapping: "an index",
    ranges: "the rounds of a loop",
}  # fmt: skip
