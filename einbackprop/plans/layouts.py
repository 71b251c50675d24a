"""Layouts: the copies of an array that there are, and which of them a product takes as matrices.

In a network of tensors nearly every product wants its operands in another order than they were made in. Each array
enters three products, one forward and two backward, and in all of them its letters are parted in the same two groups,
or two: so a copy is kept for the next that wants it, and a cotangent is copied to the order in which its primal lies.
"""

import re
from collections.abc import Iterator

from . import pointwise
from .views import View, has_unit_stride, is_joined, memory_order
from .workspace import Copy, Slot, Workspace

CALL = 400.0
"""Nanoseconds that one more call costs."""
SLICE = 400.0
"""Nanoseconds that one more matrix in a batch costs."""
COPIED = 1.5
"""Nanoseconds that one more entry to copy costs."""


def layouts(work: Workspace, view: View) -> Iterator[View]:
    """A view, and the copies of it."""
    yield view
    for copy in work.copies.get(base(view), []):
        if copy.is_valid(work.assembly):
            found = copy.of(view)
            if found is not None:
                yield found


def base(view: View) -> str:
    """The text of a view before its axes were transposed."""
    return re.sub(r"(\.transpose\([\d, ]*\)|\.T)*$", "", view.text)


def fits(view: View, own: str, summed: str) -> bool:
    """Whether a view is a matrix of its own letters, in any order, and the summed ones, in this order."""
    own = "".join(i for i in memory_order(view) if i in own)
    return is_joined(view, own) and is_joined(view, summed) and has_unit_stride(view, own[-1:] + summed[-1:])


def with_common_sum(work: Workspace, left: View, right: View, batch: str, summed: str) -> tuple[View, View, str]:
    """Layouts of both operands such that the summed letters, in one order, lie together in each."""
    sides = [(view, "".join(i for i in view.term if i not in summed + batch)) for view in (left, right)]
    known = [[*layouts(work, view)] if not batch else [view] for view, _ in sides]
    orders = ["".join(i for i in memory_order(view) if i in summed) for views in known for view in views]
    hints = [work.orders.get(frozenset(view.term), "") for view, _ in sides]
    orders += ["".join(i for i in hint if i in summed) for hint in hints if hint]
    costs = {}
    for order in dict.fromkeys(orders):
        pairs = zip(known, sides, strict=True)
        costs[order] = sum(cost(views, own, order) for views, (_, own) in pairs)
    order = min(costs, key=lambda order: costs[order])
    chosen = []
    for views, (view, own) in zip(known, sides, strict=True):
        found = next((v for v in views if fits(v, own, order)), None)
        if found is None:
            found = view if is_joined(view, order) else rearranged(work, view, batch, order)
        chosen.append(found)
    return chosen[0], chosen[1], order


def cost(views: list[View], own: str, summed: str) -> float:
    """Nanoseconds that it takes to bring one of some layouts to a matrix: by a copy, or by a loop."""
    view = views[0]
    if any(fits(v, own, summed) for v in views):
        return 0.0
    copying = CALL + view.size * COPIED
    return copying if not is_joined(view, summed) else min(copying, view.count(own[:-1]) * SLICE)


def rearranged(work: Workspace, view: View, batch: str, summed: str) -> View:
    """A copy as matrices: the batch, and the letters of its own and the summed ones, as they are read from memory.

    Its own letters come in the order in which they lie in an array of the same letters, if there is one.
    """
    lying = memory_order(view)
    hint = work.orders.get(frozenset(view.term), lying)
    own = "".join(i for i in hint if i not in summed + batch)
    inmost = min(lying, key=lambda i: (view.length(i) == 1, abs(view.stride(i)), -view.length(i)))
    order = "".join(i for i in lying if i in batch) + (own + summed if inmost in summed else summed + own)
    for found in layouts(work, view):
        if found is not view and memory_order(found) == order:
            return found
    copy = pointwise.copied(work, view, order, Slot(view.dtype, "", work.allocate(order, view.dtype)))
    work.copies.setdefault(base(view), []).append(Copy(view, copy, len(work.assembly.steps)))
    return copy
