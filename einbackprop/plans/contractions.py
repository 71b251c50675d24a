"""Contractions: brackets solved, products in pairs in the order of least work, results where they belong.

A running sum, up to a position or from one on, is made by ``cumsum``, not by a triangle of ones.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from ..core import elementwise, interpretation
from ..core.dtypes import beside_numbers
from ..core.program import Contract, Position, picks
from . import patterns, pointwise, preparation, products, reductions, spreading
from .patterns import Pattern, axes_of
from .views import Dtype, View
from .workspace import Number, Slot, Workspace, number_of

FILLED = 1 << 18
"""Bytes of an array of which only the parts are filled with zeros that nothing else is written to."""


def contract(work: Workspace, equation: Contract) -> View:
    """The value of a contraction."""
    running = running_sum(work, equation) if equation.brackets else None
    if running is not None:
        return running.transposed(equation.out.indices)
    dtype = work.dtypes[equation.out.name]
    kind = kind_of(work, equation, dtype)
    factor = number_of(equation.factor, work.program.sizes)
    pattern = patterns.read(work, equation)
    pattern.solve()
    shape = work.shape(equation.out.indices)
    if pattern.is_zero or 0 in work.shape(pattern.letters):
        return filled(work, equation, dtype, factor)
    kept = "".join(dict.fromkeys("".join(form.letters for form in pattern.out)))
    views = [converted(work, pattern, n, kind) for n in range(len(pattern.readings))]
    read = set(kept).union(*(view.term for view in views), *(pick.letters for _, pick in pattern.scatters))
    factor *= prod(work.sizes[i] for i in pattern.letters - read)
    if pattern.out == list(axes_of(kept)) and work.shape(kept) == shape and not pattern.scatters:
        slot = work.slot(equation.out)
        if is_view(views, kept, factor, dtype):
            return views[0].transposed(kept)
        return scaled_product(work, views, kept, slot, kind, factor).transposed(kept)
    return written(work, equation, pattern, views, kind, factor)


def kind_of(work: Workspace, equation: Contract, dtype: Dtype) -> Dtype:
    """The dtype in which the product is taken: booleans count, integers do not widen."""
    dtypes = {ref.name: work.dtypes[ref.name] for ref in equation.operands}
    kinds = list((dtypes | beside_numbers(equation, dtypes | picked(work, equation), work.weak)).values())
    if not kinds:
        return dtype
    return interpretation.product_kind([elementwise.numeric(np.empty(0, kind)) for kind in kinds])


def picked(work: Workspace, equation: Contract) -> dict[str, Dtype]:
    """The dtypes of the arrays that brackets pick by."""
    return {ref.name: work.dtypes[ref.name] for ref in picks(equation.brackets)}


def converted(work: Workspace, pattern: Pattern, number: int, kind: Dtype) -> View:
    """An operand as a view in the dtype of the product."""
    reading = pattern.readings[number]
    if reading.view.dtype != kind:
        reading = patterns.Reading(work.converted(reading.view, kind), reading.axes)
    return patterns.viewed(work, reading)


def is_view(views: Sequence[View], kept: str, factor: Number, dtype: Dtype) -> bool:
    """Whether there is nothing to compute."""
    return len(views) == 1 and factor == 1 and set(views[0].term) == set(kept) and views[0].dtype == dtype


def filled(work: Workspace, equation: Contract, dtype: Dtype, factor: Number) -> View:
    """Zeros (times the factor, which may be infinite)."""
    letters = "".join(chr(0xF000 + n) for n in range(len(equation.out.indices)))
    root = work.assembly.root(work.shape(equation.out.indices), dtype, fresh=equation.out.name in work.fresh)
    out = View.of(root, letters)
    value = work.assembly.constant(np.asarray(0 * factor, dtype), "")
    work.assembly.emit("fill", "{out}.fill({0})", value, out=out)
    return out


def scaled_product(
    work: Workspace, views: Sequence[View], kept: str, slot: Slot, kind: Dtype, factor: Number
) -> View:
    """The product of views times a number; broadcast to letters that no view has."""
    if kind != slot.dtype:
        made = multiplied(work, views, kept, Slot(kind))
        out = pointwise.target(work, slot, kept, [made])
        return pointwise.apply(work, "multiply", [made, work.number(factor, slot.dtype)], out)
    present = "".join(i for i in kept if any(i in view.term for view in views))
    summed = {i for view in views for i in view.term} - set(kept)
    if not summed:
        two = len(views) == 2 and factor == 1 and set(present) == set(kept)
        small = products.outer(work, views[0], views[1], kept, slot) if two else None
        return small if small is not None else pointwise.product(work, views, kept, slot, factor)
    if present != kept:
        made = scaled_product(work, views, present, Slot(kind), kind, factor)
        return pointwise.copied(work, made, kept, slot)
    if factor == 1:
        return multiplied(work, views, kept, slot)
    constant = work.number(factor, kind)
    smallest = min(range(len(views)), key=lambda n: views[n].size)
    if views[smallest].size < prod(work.shape(kept)):
        view = views[smallest]
        rest = [v for n, v in enumerate(views) if n != smallest]
        out = pointwise.target(work, Slot(kind), view.term, [view], rest)
        scaled = pointwise.apply(work, "multiply", [view, constant], out)
        return multiplied(work, [scaled if n == smallest else v for n, v in enumerate(views)], kept, slot)
    alone = prod(work.shape(kept)) == 1  # never in place
    out = multiplied(work, views, kept, Slot(slot.dtype) if alone else slot)
    return pointwise.apply(work, "multiply", [out, constant], work.open(slot, out.term) if alone else out)


def multiplied(work: Workspace, views: Sequence[View], kept: str, slot: Slot) -> View:
    """A product of views, in pairs, in an order of little work."""
    if not {i for view in views for i in view.term} - set(kept):
        return pointwise.product(work, views, kept, slot)
    if len(views) == 1:
        return reductions.sum_over(work, views[0], kept, slot)
    left = list(views)
    for positions in order_of(work, views, kept):
        taken = [left[n] for n in positions]
        left = [view for n, view in enumerate(left) if n not in positions]
        work.waiting = tuple(left)
        needed = {i for view in left for i in view.term} | set(kept)
        letters = "".join(dict.fromkeys(i for view in taken for i in view.term if i in needed))
        own = Slot(slot.dtype) if left else slot
        if len(taken) == 1:
            left.append(reductions.sum_over(work, taken[0], letters, own))
        else:
            left.append(products.pair(work, taken[0], taken[1], letters if left else kept, own))
    return left[0]


def order_of(work: Workspace, views: Sequence[View], kept: str) -> list[tuple[int, ...]]:
    """The positions of the operands of each step; the result of one goes to the end."""
    return [(0, 1)] if len(views) == 2 else preparation.path_of([view.term for view in views], kept, work.sizes)


def written(
    work: Workspace, equation: Contract, pattern: Pattern, views: Sequence[View], kind: Dtype, factor: Number
) -> View:
    """A product that goes to places of an array of zeros."""
    dtype, shape = work.dtypes[equation.out.name], work.shape(equation.out.indices)
    names = "".join(chr(0xF000 + n) for n in range(len(shape)))
    kept = "".join(dict.fromkeys("".join(form.letters for form in pattern.out)))
    for axis, pick in pattern.scatters:
        own = pattern.out[axis].letters
        kept = "".join(dict.fromkeys(kept.replace(own, "") + pick.letters))
    plain = not pattern.scatters and not pattern.leaves(shape)
    injective = plain and patterns.is_injective(pattern.out, shape, kept, work.sizes)
    placed = work.placed.get(equation.out.name)
    if placed is not None:
        out = placed.transposed(equation.out.indices).named(names)
    else:
        out = View.of(work.assembly.root(shape, dtype, fresh=equation.out.name in work.fresh), names)
        out.root.last = work.at
    for part in without_region(work, pattern, out) if injective else [out]:
        work.assembly.emit("fill", "{out}.fill(0)", out=part)
    if injective:
        region = patterns.at_positions(work, out, pattern.out, kept)
        scaled_product(work, views, kept, Slot(dtype, "", region), kind, factor)
    elif not is_spread(work, pattern, views, kept, out, factor):
        made = scaled_product(work, views, kept, Slot(dtype), kind, factor)
        if pattern.scatters:
            scattered(work, pattern, made, out)
        else:
            spreading.accumulated(work, pattern, made, kept, out)
    return out


def without_region(work: Workspace, pattern: Pattern, out: View) -> list[View]:
    """What to fill with zeros before a region is written: what is around it, if it is most of a long array; or all."""
    shape = list(out.array.shape)
    lengths = [prod(work.shape(form.letters)) for form in pattern.out]
    letters = "".join(form.letters for form in pattern.out)
    count = prod(work.shape(set(letters)))
    if count == out.size:
        return []
    alone = len(set(letters)) == len(letters) and all(len(form.terms) <= 1 for form in pattern.out)
    boxes = alone and all(abs(c) == 1 for form in pattern.out for _, c in form.terms)
    if not boxes or 2 * count < out.size or out.size * out.dtype.itemsize < FILLED:
        return [out]
    steps, starts, parts = np.eye(len(shape), dtype=int).tolist(), [0] * len(shape), []
    for n, form in enumerate(pattern.out):
        low, high = form.bounds(work.sizes)
        for start, stop in ((0, low), (high + 1, out.array.shape[n])):
            if start < stop:
                term = "".join(work.letter(k) for k in [*shape[:n], stop - start, *shape[n + 1 :]])
                parts.append(out.affine(term, work.shape(term), steps, [*starts[:n], start, *starts[n + 1 :]]))
        starts[n], shape[n] = low, lengths[n]
    return parts


def scatter_into(work: Workspace, equation: Contract, factor: Number, out: View) -> None:
    """Add a scattered product, times a number, to an array that is there, in the product's letters."""
    kind = kind_of(work, equation, out.dtype)
    factor *= number_of(equation.factor, work.program.sizes)
    pattern = patterns.read(work, equation)
    pattern.solve()
    if pattern.is_zero or 0 in work.shape(pattern.letters):
        return
    ((axis, pick),) = pattern.scatters
    views = [converted(work, pattern, n, kind) for n in range(len(pattern.readings))]
    letters = equation.out.indices.replace(pattern.out[axis].letters, "")
    kept = "".join(dict.fromkeys(letters + pick.letters))
    scattered(work, pattern, scaled_product(work, views, kept, Slot(out.dtype), kind, factor), out)


def is_spread(
    work: Workspace, pattern: Pattern, views: Sequence[View], kept: str, out: View, factor: Number
) -> bool:
    """Add up parts of a product that overlap, in blocks; whether that is possible and pays."""
    if len(views) != 2 or factor != 1 or pattern.scatters or views[0].dtype != out.dtype != views[1].dtype:
        return False
    return spreading.spread(work, pattern, views, kept, out)


def scattered(work: Workspace, pattern: Pattern, made: View, out: View) -> None:
    """Add entries where labels say."""
    ((axis, pick),) = pattern.scatters
    labels = patterns.viewed(work, pick)
    letters = "".join(form.letters for form in pattern.out)
    shared = "".join(i for i in labels.term if i in letters)
    labels = labels.transposed(shared + "".join(i for i in labels.term if i not in shared))
    rest = "".join(i for n, i in enumerate(letters) if n != axis and i not in shared)
    region = patterns.at_positions(work, out, pattern.out, letters)
    target = region.transposed(shared + letters[axis] + rest)
    values = made.transposed(labels.term + rest)
    known = labels.are_positions(target.length(letters[axis]))
    call = f"scatter_along({{0}}, {{1}}, {len(shared)}, {{out}}, {known})"
    work.assembly.emit("scatter", call, values, labels, out=target)


def running_sum(work: Workspace, equation: Contract) -> View | None:
    """The value of ``y[i] = Σ_j x[j] [j≤i]``, or with ``[i≤j]``, along one axis; None of any other product."""
    if len(equation.operands) != 1 or [bracket.relation for bracket in equation.brackets] != ["≤"]:
        return None
    (ref,), (bracket,) = equation.operands, equation.brackets
    first, last = bracket.left.letters, bracket.right.letters
    if bracket.left != Position.of(first) or bracket.right != Position.of(last) or len(first + last) != 2:
        return None
    summed, place = (first, last) if first in ref.indices else (last, first)
    letters = ref.indices.replace(summed, place)
    ways = place in ref.indices or summed in equation.out.indices or sorted(letters) != sorted(equation.out.indices)
    if ways or len(set(ref.indices)) < len(ref.indices) or work.sizes[summed] != work.sizes[place]:
        return None
    dtype = work.dtypes[equation.out.name]
    view = work.read(ref)
    view = view if view.dtype == dtype else work.converted(view, dtype)
    axis = view.term.index(summed)
    out = work.open(work.slot(equation.out), view.term.replace(summed, place))
    back = "" if summed == first else f"[{':, ' * axis}::-1]"
    call = f"cumsum({{0}}{back}, {axis}, None, {{out}}{back})"
    work.assembly.emit("running sum", call, view, out=out, flops=view.size)
    factor = number_of(equation.factor, work.program.sizes)
    if factor != 1:
        out = pointwise.apply(work, "multiply", [out, work.number(factor, dtype)], out)
    return out
