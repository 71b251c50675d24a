"""Products with windows: half of what overlaps is copied, the other half is a batch of matrices that overlap.

A convolution reads ``x[i, y+r, z+t]``, summed over i, r, t. Copied as ``c[l, i, t, z]`` with ``l = y+r`` it is larger
than x by the length of t alone, and what belongs to one y, ``c[y:y+r, i, t, z]``, lies together: a matrix, of which
most belongs to the next y too. So there is one product for each y.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from . import blocks, pointwise
from .blocks import SMALL, half_of, is_matrix, overlap
from .roles import Matrices, destination
from .views import View, memory_order
from .workspace import Slot, Workspace

NARROW = 16
"""Columns that a matrix has at least, to be worth a call."""


@dataclass(frozen=True)
class Windows:
    """A product ``other · wide`` for each index of loops and of ``at``, which runs along one axis with ``offset``."""

    loops: str
    at: str
    offset: str
    rows: str
    columns: str
    summed: str


def multiplied(work: Workspace, wide: View, other: View, batch: str, slot: Slot) -> View | None:
    """The product, if one operand is long and is read in windows; else None."""
    windows = windows_of(wide, other, batch)
    if windows is None:
        return None
    order = windows.offset + windows.summed
    if not is_matrix(other, windows.rows, order):
        if other.size > SMALL:
            return None
        own = "".join(i for i in other.term if i in batch) + windows.rows + order
        other = pointwise.copied(work, other, own, Slot(other.dtype, "", work.allocate(own, other.dtype)))
    return emitted(work, wide, other, windows, slot)


def windows_of(wide: View, other: View, batch: str) -> Windows | None:
    """The roles of letters, if two of them, one summed and one not, run along the same axis."""
    lying = memory_order(wide)
    rows = "".join(i for i in memory_order(other) if i not in wide.term)
    summed = "".join(i for i in lying if i in other.term and i not in batch)
    columns = "".join(i for i in lying if i not in other.term)
    if not rows or wide.size * wide.dtype.itemsize < blocks.LONG or wide.dtype.char not in "fdFD":
        return None
    pairs = [(at, offset) for at in columns[:-1] for offset in summed if overlap(wide, at, offset)]
    if not pairs:
        return None
    at, offset = pairs[0]
    length = wide.stride(at) // wide.stride(offset) * (wide.length(at) - 1) + wide.length(offset)
    summed, columns = summed.replace(offset, ""), columns.replace(at, "")
    loops = "".join(i for i in lying if i in batch)
    while columns and length * wide.count(summed + columns) * wide.dtype.itemsize > blocks.CACHED:
        loops, columns = loops + columns[0], columns[1:]
    inmost = min(lying, key=lambda i: (wide.stride(i), -wide.length(i)))
    if inmost not in columns or wide.count(columns) < NARROW:
        return None
    return Windows(loops, at, offset, rows, columns, summed)


def emitted(work: Workspace, wide: View, other: View, windows: Windows, slot: Slot) -> View | None:
    """The call, and what it writes."""
    at, offset, loops = windows.at, windows.offset, windows.loops
    roles = Matrices(loops + at, windows.rows, windows.columns, offset + windows.summed)
    out = destination(work, roles, slot)
    if out is None:
        return None
    inner = at + offset + windows.summed + windows.columns
    half = half_of(work, wide, loops, inner, at, offset)
    assert half is not None
    matrices = half.windows.joined([at, offset + windows.summed, windows.columns])
    given = other.joined([*(i if i in other.term else "" for i in loops), windows.rows, offset + windows.summed])
    into = out.joined([*loops, at, windows.rows, windows.columns])
    work.assembly.emit(
        "GEMM, windows", "windows_in_blocks({0}, {1}, {2}, {3}, {out})",
        half.source, given, half.block, matrices, out=into,
        flops=2 * prod(work.shape(loops + inner + windows.rows)),
    )  # fmt: skip
    return out
