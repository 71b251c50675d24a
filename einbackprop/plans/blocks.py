"""Products in blocks: an operand that must be copied before BLAS takes it is copied a piece at a time.

A convolution reads its input at ``y + r``: the letters of the sum, ``irt``, and those of the result, ``yx``, do not lie
together in memory. Copied as a whole the windows are nine times the image, and are read back from main memory; copied
for one sample at a time they stay in cache. Backward, the product goes to overlapping places of an image: it is made
and added up for one sample at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from . import pointwise
from .roles import Matrices, destination
from .views import View, has_unit_stride, is_joined, memory_order
from .workspace import Slot, Workspace

CACHED = 1 << 20
"""Bytes of a piece that stays in cache."""
LONG = 1 << 20
"""Bytes from which an operand is copied in pieces."""
SMALL = 1 << 16
"""Entries of an operand that may be copied as a whole besides."""


@dataclass
class Blocks:
    """A product in which one operand, ``wide``, is copied in pieces."""

    loops: str
    adding: str  # loops over letters of the sum
    rows: str  # of the other operand
    columns: str  # of the wide one
    summed: str

    def cut(self, wide: View) -> None:
        """Loop over more letters, the outermost of the longer side first, until a piece stays in cache."""
        while wide.count(self.columns + self.summed) * wide.dtype.itemsize > CACHED:
            long = max(self.columns, self.summed, key=lambda group: (len(group) > 1, wide.count(group)))
            if len(long) < 2:
                return
            if long is self.columns:
                self.loops, self.columns = self.loops + long[0], long[1:]
            else:
                self.adding, self.summed = self.adding + long[0], long[1:]

    @property
    def every(self) -> str:
        """All letters that are looped over."""
        return self.loops + self.adding


def multiplied(work: Workspace, left: View, right: View, batch: str, slot: Slot) -> View | None:
    """The product of two arrays, if one of them has to be copied and is long; else None."""
    for wide, other in ((right, left), (left, right)):
        blocks = blocks_of(wide, other, batch)
        if blocks is not None and slot.into is None:
            return emitted(work, wide, other, blocks, slot)
    return None


def blocks_of(wide: View, other: View, batch: str) -> Blocks | None:
    """How to loop over a product, if that pays."""
    if wide.size * wide.dtype.itemsize < LONG:
        return None
    rows, summed = (
        "".join(i for i in memory_order(other) if (i in wide.term) == shared and i not in batch)
        for shared in (False, True)
    )
    columns = "".join(i for i in memory_order(wide) if i not in other.term)
    if not rows or not columns or not summed or is_matrix(wide, columns, summed):
        return None
    loops = "".join(i for i in memory_order(wide) if i in batch)
    blocks = Blocks(loops, "", rows, columns, summed)
    blocks.cut(wide)
    lonely = is_matrix(wide, blocks.columns, blocks.summed)  # without the loops, it need not be copied
    if lonely or not is_matrix(other, rows, blocks.summed) or not blocks.every:
        return None
    return blocks


def is_matrix(view: View, rows: str, columns: str) -> bool:
    """Whether the letters of either side lie together, and one side densely."""
    return is_joined(view, rows) and is_joined(view, columns) and has_unit_stride(view, rows[-1:] + columns[-1:])


def emitted(work: Workspace, wide: View, other: View, blocks: Blocks, slot: Slot) -> View | None:
    """The call, and what it writes."""
    out, transposed = place(work, wide, blocks, slot)
    inmost = min(blocks.columns + blocks.summed, key=lambda i: (wide.stride(i), -wide.length(i)))
    last = blocks.columns if inmost in blocks.columns else blocks.summed  # so that copying goes along memory
    inner = (blocks.summed if last is blocks.columns else blocks.columns) + last
    block = work.allocate(inner, wide.dtype)
    sides = [blocks.columns, blocks.summed] if transposed else [blocks.summed, blocks.columns]
    matrix = block.joined(sides)
    own = [blocks.summed, blocks.rows] if transposed else [blocks.rows, blocks.summed]
    given = other.joined([*(i if i in other.term else "" for i in blocks.every), *own])
    ends = [blocks.columns, blocks.rows] if transposed else [blocks.rows, blocks.columns]
    into = out.joined([*blocks.loops, *ends])
    part = View.of(work.assembly.root(into.array.shape[-2:], out.dtype), "rc")
    work.assembly.emit(
        "GEMM in blocks",
        f"multiply_in_blocks({{0}}, {{1}}, {{2}}, {{3}}, {{4}}, {{out}}, {len(blocks.loops)}, {transposed})",
        wide.transposed(blocks.every + inner), given, block, matrix, part, out=into,
        flops=2 * prod(work.shape(blocks.every + blocks.rows + blocks.columns + blocks.summed)),
    )  # fmt: skip
    return out


def place(work: Workspace, wide: View, blocks: Blocks, slot: Slot) -> tuple[View, bool]:
    """New memory for the product, and whether the letters of the wide operand come before the other's.

    A sum of products has the longer side in front: BLAS is faster so.
    """
    roles = Matrices(blocks.loops, blocks.rows, blocks.columns, blocks.summed)
    if not blocks.adding:
        out = destination(work, roles, slot)
        for transposed, order in ((False, blocks.rows + blocks.columns), (True, blocks.columns + blocks.rows)):
            if out is not None and is_contiguous(out, order):
                return out, transposed
    transposed = wide.count(blocks.columns) > prod(work.shape(blocks.rows))
    order = blocks.columns + blocks.rows if transposed else blocks.rows + blocks.columns
    return work.allocate(blocks.loops + order, slot.dtype, slot.name), transposed


def is_contiguous(out: View, order: str) -> bool:
    """Whether the matrices of an array lie densely, with their letters in that order."""
    return is_joined(out, order) and has_unit_stride(out, order[-1:])


@dataclass(frozen=True)
class Spread:
    """A product of which one matrix is made at a time: ``made``, for each index of the loops."""

    loops: str
    left: View
    right: View
    made: View
    matrix: View


def spread(work: Workspace, views: Sequence[View], kept: str, over: str, alone: Sequence[str]) -> Spread | None:
    """How to make a product whose parts overlap where they go, if it is long; else None.

    ``over`` are the letters that make them overlap, ``alone`` those that have an axis of their own where they go.
    """
    left, right = views if over and over[0] in views[0].term else (views[1], views[0])
    batch = [i for i in left.term if i in right.term and i in kept]
    summed = "".join(i for i in memory_order(right) if i in left.term and i not in kept)
    rows = "".join(i for i in memory_order(left) if i not in right.term)
    columns = "".join(i for i in memory_order(right) if i not in left.term)
    size = prod(work.shape(kept)) * left.dtype.itemsize
    if size < LONG or not set(batch) <= set(alone) or set(rows + columns) | set(batch) != set(kept):
        return None
    loops = "".join(batch)
    for letter in alone:
        if size // prod(work.shape(loops)) > CACHED and letter not in loops:
            loops += letter
    rows, columns = ("".join(i for i in group if i not in loops) for group in (rows, columns))
    rows = over + "".join(i for i in rows if i not in over)
    if not set(over) <= set(left.term) or not columns or not summed or not is_matrix(right, columns, summed):
        return None
    if not is_matrix(left, rows, summed):
        if left.size > SMALL:
            return None
        own = "".join(i for i in left.term if i in loops) + rows + summed
        left = pointwise.copied(work, left, own, Slot(left.dtype, "", work.allocate(own, left.dtype)))
    made = work.allocate(rows + columns, left.dtype)
    a = left.joined([*(i if i in left.term else "" for i in loops), rows, summed])
    b = right.joined([*(i if i in right.term else "" for i in loops), summed, columns])
    return Spread(loops, a, b, made, made.joined([rows, columns]))


def emit_spread(work: Workspace, product: Spread, parts: Sequence[tuple[View, View]], out: View) -> None:
    """The call that makes the product and adds it up."""
    count = len(parts)
    order = product.loops + "".join(i for i in parts[0][1].term)
    views = [product.left, product.right, product.matrix]
    views += [part for _, part in parts] + [place.transposed(order) for place, _ in parts]
    first = "".join(f"{{{n}}}, " for n in range(3, 3 + count))
    second = "".join(f"{{{n}}}, " for n in range(3 + count, 3 + 2 * count))
    loops = prod(work.shape(product.loops))
    work.assembly.emit(
        "GEMM in blocks", f"spread_in_blocks({{0}}, {{1}}, {{2}}, ({first}), ({second}), {len(product.loops)})",
        *views, out=out, flops=loops * product.made.size * (2 * product.left.array.shape[-1] + 1),
    )  # fmt: skip
