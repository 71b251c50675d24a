"""Products in blocks: an operand that must be copied before BLAS takes it is copied a piece at a time.

A convolution reads its input at ``y + r``: the letters of the sum, ``irt``, and those of the result, ``yx``, do not lie
together in memory. Copied as a whole the windows are nine times the image, and are read back from main memory; copied
for one sample at a time they stay in cache.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod

from ..core.records import dataclass
from .assembly import Loop
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
    return None if lonely or not is_matrix(other, rows, blocks.summed) or not blocks.every else blocks


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
    half = half_of(work, wide, blocks.every, inner) or Half(wide.transposed(blocks.every + inner), block, block)
    sides = [blocks.columns, blocks.summed] if transposed else [blocks.summed, blocks.columns]
    own = [blocks.summed, blocks.rows] if transposed else [blocks.rows, blocks.summed]
    given = other.joined([*(i if i in other.term else "" for i in blocks.every), *own])
    ends = [blocks.columns, blocks.rows] if transposed else [blocks.rows, blocks.columns]
    into = out.joined([*blocks.loops, *ends])
    part = View.of(work.assembly.root(into.array.shape[-2:], out.dtype), "rc")
    call = f"multiply_in_blocks({', '.join(f'{{{n}}}' for n in range(7))}, {{out}}, {len(blocks.loops)}, {transposed})"
    flops = 2 * prod(work.shape(blocks.every + blocks.rows + blocks.columns + blocks.summed))
    with shared(work, blocks.every, into) as (share, count):
        work.assembly.emit(
            "GEMM in blocks", call,
            share(half.source), half.block, half.windows, share(given), block, block.joined(sides), part,
            out=share(into), flops=flops // count,
        )  # fmt: skip
    return out


@contextmanager
def shared(
    work: Workspace, loops: str, total: View | None = None
) -> Iterator[tuple[Callable[[View], View], int]]:  # fmt: skip
    """Have several workers do what is emitted meanwhile, each for as many entries of the longest of the loops.

    Yields what makes a worker's share of a view, and how many workers there are. Of ``total``, which may be a sum over
    that letter, each worker has one of its own then; they are added up at the end.
    """
    letter = max(loops, key=work.sizes.__getitem__, default="")
    assembly, size = work.assembly, work.sizes[letter] if letter else 1
    count = next(n for n in range(work.workers, 0, -1) if size % n == 0)
    if count == 1 or assembly.loop is not None:
        yield (lambda view: view), 1
        return
    own = None
    if total is not None and letter not in total.term:
        assembly.emit("fill", "{out}.fill(0)", out=total)
        own = View.of(assembly.root(total.array.shape, total.dtype), total.term)
    length = size // count
    blocks = [[(slice(start, start + length),)] for start in range(0, size, length)]
    assembly.loop = Loop(("i0",), assembly.function(blocks), count, workers=count)

    def share(view: View) -> View:
        if view is total and own is not None:
            return own
        if letter not in view.term:
            return view
        return assembly.cut(view, [i if i == letter else "" for i in view.term], {letter: "i0"}, {letter: length})

    yield share, count
    if total is not None and own is not None:
        assembly.phase = "after"
        assembly.emit("sum of workers", "add({out}, {0}, {out})", own, out=total)
    assembly.loop, assembly.phase = None, "each"


@dataclass(frozen=True)
class Half:
    """A copy in which two letters that run along one axis are one: ``source`` is copied to ``block``.

    ``windows`` is the block in the letters that were wanted.
    """

    source: View
    block: View
    windows: View


def half_of(work: Workspace, wide: View, loops: str, inner: str, at: str = "", offset: str = "") -> Half | None:
    """A piece of a view in such a copy, in the order ``inner``, if two of its letters overlap."""
    if not at:
        pairs = [(i, j) for i in inner[:-1] for j in inner[:-1] if i != j and overlap(wide, i, j)]
        if not pairs:
            return None
        at, offset = max(pairs, key=lambda pair: (wide.stride(pair[1]), inner.index(pair[0])))
    times = wide.stride(at) // wide.stride(offset)
    position = work.letter(times * (wide.length(at) - 1) + wide.length(offset))
    order = inner.replace(offset, "").replace(at, position)
    block = work.allocate(order, wide.dtype)
    steps = [[int(i == (position if j == offset else j)) for i in loops + order] for j in wide.term]
    source = wide.affine(loops + order, work.shape(loops + order), steps, [0] * len(wide.term))
    moves = {at: times, offset: 1}
    to = [[moves.get(i, 0) if j == position else int(i == j) for i in inner] for j in order]
    return Half(source, block, block.affine(inner, work.shape(inner), to, [0] * len(order)))


def overlap(view: View, at: str, offset: str) -> bool:
    """Whether windows overlap: one axis of an array is read at ``times · at + offset``, with few times.

    In a dense array a step along one axis is as long as all of another, or more: two letters of which that is not so
    have come from one axis.
    """
    step, inner = view.stride(at), view.stride(offset)
    return inner > 0 and step > 0 and step % inner == 0 and step < inner * view.length(offset) and view.length(at) > 1


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
