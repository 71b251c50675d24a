"""Matrices in a product of two arrays: the copies of an array that are taken as such, the roles of letters, and where
the product can be written.

In a network of tensors nearly every product wants its operands in another order than they were made in. Each array
enters three products, one forward and two backward, and in all of them its letters are parted in the same two groups,
or two: so a copy is kept for the next that wants it, and a cotangent is copied to the order in which its primal lies.

BLAS is told for each operand whether it lies by rows or by columns, and is not equally fast at all four. A product
whose order is free, rows first or columns first, is laid so that those that read it, be it through elementwise
equations, are as fast as they can be.
"""

import re
from collections.abc import Iterator
from math import prod
from typing import TypeGuard

from ..core.program import Contract, Equation, Ref, operands
from ..core.records import dataclass
from . import pointwise
from .views import View, has_unit_stride, is_joined, memory_order
from .workspace import Copy, Slot, Workspace, is_elementwise

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
    order = min(
        dict.fromkeys(orders),
        key=lambda order: sum(cost(views, own, order) for views, (_, own) in zip(known, sides, strict=True)),
    )
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


SMALL = 1 << 20
"""Rows times columns times what is summed, up to which OpenBLAS multiplies matrices as they lie."""
SLOW = 0.5
"""By how much a small product takes longer whose left operand lies by rows and whose right one by columns."""
TURNED = 0.05
"""By how much a large one takes longer whose left operand lies by columns."""
MANY = 24
"""Values that are followed through elementwise equations, at most."""


def slowness(work: Workspace, name: str, order: str) -> float:
    """How much longer the products take that read a value, if it lies in that order: in multiplications."""
    out = work.outs[name].indices
    if sorted(out) != sorted(order) or len(set(out)) != len(out):
        return 0.0
    return sum(excess(work, reader, ref, dense) for reader, ref, dense in uses(work, name, out.index(order[-1])))


def uses(work: Workspace, name: str, axis: int) -> Iterator[tuple[Contract, Ref, str]]:
    """The products that read a value, or what is made of it entry by entry; their operand, and its dense letter."""
    waiting, seen = [(name, axis)], {name}
    while waiting:
        name, axis = waiting.pop()
        for reader in work.readers.get(name, ()):
            for ref in operands(reader):
                if ref.name != name or len(set(ref.indices)) != len(ref.indices):
                    continue
                out, dense = reader.out, ref.indices[axis]
                if is_elementwise(reader) and set(out.indices) == set(ref.indices):
                    if out.name not in seen and len(seen) < MANY:
                        seen.add(out.name)
                        waiting.append((out.name, out.indices.index(dense)))
                elif is_matrix_product(reader):
                    yield reader, ref, dense


def is_matrix_product(equation: Equation) -> TypeGuard[Contract]:
    """Whether it is a product of two values, without brackets."""
    return (
        isinstance(equation, Contract) and not equation.brackets and len(equation.operands) == 2
        and equation.operands[0].name != equation.operands[1].name
    )  # fmt: skip


def excess(work: Workspace, product: Contract, ref: Ref, dense: str) -> float:
    """The multiplications that a product seems to do more than where BLAS is at its best."""
    (left, right), kept = product.operands, product.out.indices
    letters = {*left.indices, *right.indices}
    own = [i for i in kept if (i in left.indices) != (i in right.indices)]
    summed = letters - set(kept)
    if not own or not summed:
        return 0.0
    if own[0] in right.indices:
        left, right = right, left
    first, second = (dense if side == ref else dense_letter(work, side) for side in (left, right))
    multiplications = prod(work.shape(letters))
    if prod(work.shape(summed | set(own))) <= SMALL:
        return SLOW * multiplications * (first in summed and second in summed)
    return TURNED * multiplications * (first != "" and first not in summed)


def dense_letter(work: Workspace, side: Ref) -> str:
    """The letter along which an operand lies densely; none if it will lie as serves best."""
    if side.name in work.values:
        return memory_order(work.values[side.name].named(side.indices))[-1:]
    made = work.defining.get(side.name)
    free = made is not None and is_matrix_product(made) and not batch_of(made)
    return "" if free else side.indices[-1:]


def batch_of(product: Contract) -> set[str]:
    """The letters of both operands and of the result."""
    left, right = product.operands
    return {*left.indices} & {*right.indices} & {*product.out.indices}


@dataclass(frozen=True)
class Matrices:
    """A product as matrices: the letters of each role, in order."""

    loops: str
    rows: str
    columns: str
    summed: str


def destination(work: Workspace, roles: Matrices, slot: Slot) -> View | None:
    """Where the product goes. New memory lies as its readers want it, if the matrices allow that."""
    natural = roles.loops + roles.rows + roles.columns
    if slot.into is not None:
        return slot.into if takes(slot.into, roles) else None
    if slot.name:
        flipped = roles.loops + roles.columns + roles.rows
        wanted = work.order_of(slot.name, natural)
        if wanted == natural and not roles.loops and not work.is_output(slot.name):
            wanted = min((natural, flipped), key=lambda order: slowness(work, slot.name, order))
        trial = View.of(work.assembly.imagined(work.shape(wanted), slot.dtype), wanted)
        if takes(trial, roles):
            return work.allocate(wanted, slot.dtype, slot.name)
        if wanted.find(roles.rows[-1:]) > wanted.find(roles.columns[-1:]):
            natural = flipped
    return work.allocate(natural, slot.dtype, slot.name)


def takes(out: View, roles: Matrices) -> bool:
    """Whether matrices can be written where they belong: rows and columns lie together, and one of them densely."""
    joined = is_joined(out, roles.rows) and is_joined(out, roles.columns)
    return joined and has_unit_stride(out, roles.rows[-1:] + roles.columns[-1:])
