"""Products of two arrays summed over letters, as calls of BLAS.

============== ==================================================== ==========================================
word           when                                                 call
============== ==================================================== ==========================================
GEMM           letters summed, letters left on both sides           ``a.dot(b, out)``
GEMV           letters left on one side only                        ``a.dot(b, out)``
dot            all letters summed                                   ``a.dot(b, out)``
batched        as those, with letters of both that stay             ``matmul(a, b, out)``
batched dot    letters of both that stay, and no others             ``vecdot(a, b, out)``, ``einsum``
GEMM in blocks an operand that has to be copied, and is long        ``multiply_in_blocks``
GEMM, windows  a long operand of which matrices overlap             ``windows_in_blocks``
outer          no letter in both, and rows are short                ``a.dot(b, out)``
elementwise    nothing summed                                       ``multiply(a, b, out)``
============== ==================================================== ==========================================

Transposes are views. The order of the letters that are summed, and of those in the result, is free: it is chosen so
that each group lies together in memory. Where it does not, letters become a loop of ``matmul``, or an operand is
copied, whichever costs less.

With windows, half of what overlaps is copied, the other half is a batch of matrices that overlap. A convolution reads
``x[i, y+r, z+t]``, summed over i, r, t. Copied as ``c[l, i, t, z]`` with ``l = y+r`` it is larger than x by the length
of t alone, and what belongs to one y, ``c[y:y+r, i, t, z]``, lies together: a matrix, of which most belongs to the next
y too. So there is one product for each y.
"""

from math import prod

from ..core.records import dataclass
from . import blocks, pointwise, reductions
from .blocks import half_of, is_matrix, overlap
from .roles import COPIED, SLICE, Matrices, destination, rearranged, with_common_sum
from .views import View, has_unit_stride, inner_group, is_joined, memory_order
from .workspace import Slot, Workspace

NARROW = 16
"""Columns that a matrix has at least, to be worth a call."""

SMALL = 2048
"""Up to so many entries a product and a sum of it take less time than a call of einsum does to begin."""

ROW = 4096
"""Entries of a row up to which BLAS is faster at outer products."""

PRECISE = 1 << 14
"""BLAS adds up float32 one after another: of more numbers the sum is taken in parts, which are added in pairs."""


def pair(work: Workspace, left: View, right: View, kept: str, slot: Slot) -> View:
    """``left · right`` summed over the letters that are not kept.

    Returns
    -------
    View
        With the letters of either that are kept, in the order in which it lies.
    """
    left, right = alone(work, left, right.term + kept), alone(work, right, left.term + kept)
    both = [i for i in left.term if i in right.term]
    summed = "".join(i for i in both if i not in kept)
    rows = "".join(i for i in left.term if i not in right.term)
    columns = "".join(i for i in right.term if i not in left.term)
    batch = "".join(i for i in both if i in kept)
    if not summed:
        letters = "".join(i for i in kept if i in left.term or i in right.term)
        return pointwise.product(work, [left, right], letters, slot)
    if not rows and not columns:
        return inner(work, left, right, batch, summed, slot)
    return matrices(work, left, right, batch, slot)


def outer(work: Workspace, left: View, right: View, kept: str, slot: Slot) -> View | None:
    """A product of two arrays that share no letter, by BLAS: twice as fast as ``multiply`` and more, but in long rows.

    None where that cannot be done.
    """
    distinct = not set(left.term) & set(right.term) and left.term and right.term
    sides = [(view, memory_order(view)) for view in (left, right)]
    alike = left.dtype == right.dtype == slot.dtype
    if not distinct or not alike or slot.dtype.char not in "fdFD":
        return None
    if not all(is_joined(view, order) for view, order in sides):
        return None
    if slot.into is None:
        ends, wanted = [order for _, order in sides], work.order_of(slot.name, kept)
        turned = wanted == "".join(reversed(ends))
        if not turned and wanted != "".join(ends) and left.size * right.size > pointwise.SMALL:
            return None
    else:
        turned = not is_contiguous(slot.into, "".join(order for _, order in sides))
    (left, rows), (right, columns) = reversed(sides) if turned else sides
    if right.size > ROW or (slot.into is not None and not is_contiguous(slot.into, rows + columns)):
        return None
    out = slot.into or work.allocate(rows + columns, slot.dtype, slot.name)
    a, b, c = left.joined([rows, ""]), right.joined(["", columns]), out.joined([rows, columns])
    work.assembly.emit("outer", "{0}.dot({1}, {out})", a, b, out=c, flops=out.size)
    return out


def alone(work: Workspace, view: View, needed: str) -> View:
    """A view summed over the letters that nothing else has."""
    if all(i in needed for i in view.term):
        return view
    return reductions.sum_over(work, view, "".join(i for i in view.term if i in needed), Slot(view.dtype))


def matrices(work: Workspace, left: View, right: View, batch: str, slot: Slot) -> View:
    """A product with letters left on one side or both."""
    for wide, other in ((right, left), (left, right)):
        made = in_windows(work, wide, other, batch, slot)
        if made is not None:
            return made
    made = blocks.multiplied(work, left, right, batch, slot)
    if made is not None:
        return made
    left, right, roles = arranged(work, left, right, batch)
    out = destination(work, roles, slot)
    if out is None:  # the memory that is given takes no matrices as they come
        made = matrices(work, left, right, batch, Slot(slot.dtype))
        return pointwise.copied(work, made, made.term, slot)
    if not roles.loops:
        work.orders.setdefault(frozenset(out.term), memory_order(out))
    flops = 2 * prod(work.shape(roles.loops + roles.rows + roles.columns + roles.summed))
    if roles.loops:
        multiply_matrices(work, left, right, roles, out, flops)
    else:
        multiply_once(work, left, right, roles, out, flops)
    return out


def arranged(work: Workspace, left: View, right: View, batch: str) -> tuple[View, View, Matrices]:
    """The operands, copied where that is needed or pays, and the roles of their letters."""
    summed = "".join(i for i in left.term if i in right.term and i not in batch)
    left, right, order = with_common_sum(work, left, right, batch, summed)
    kept_rows = "".join(i for i in memory_order(left) if i not in right.term)
    kept_columns = "".join(i for i in memory_order(right) if i not in left.term)
    left, rows, row_loops = with_group(work, left, batch, kept_rows, order)
    right, columns, column_loops = with_group(work, right, batch, kept_columns, order)
    lying = memory_order(left if left.size >= right.size else right)
    loops = batch + row_loops + column_loops
    loops = "".join(sorted(loops, key=lambda i: lying.find(i)))
    return left, right, Matrices(loops, rows, columns, order)


def with_group(work: Workspace, view: View, batch: str, letters: str, summed: str) -> tuple[View, str, str]:
    """A view, those of its letters that lie together as one axis, and those that have to be looped over."""
    group = inner_group(view, letters)
    loops = letters[: len(letters) - len(group)]
    slices = view.count(loops) if loops else 0
    poor = not has_unit_stride(view, group[-1:] + summed[-1:]) and view.size > 1
    if poor or slices * SLICE > view.size * COPIED + view.count(batch) * SLICE:
        view = rearranged(work, view, batch, summed)
        return view, "".join(i for i in memory_order(view) if i in letters), ""
    return view, group, loops


def multiply_once(work: Workspace, left: View, right: View, roles: Matrices, out: View, flops: int) -> None:
    """One product of two matrices or vectors."""
    rows, columns, summed = roles.rows, roles.columns, roles.summed
    word = "GEMM" if rows and columns else "GEMV"
    order = rows + columns
    if memory_order(out) != order and is_contiguous(out, columns + rows):
        left, right, rows, columns, order = right, left, columns, rows, columns + rows
    if not is_contiguous(out, order):
        multiply_matrices(work, left, right, roles, out, flops)
        return
    a = left.joined([group for group in (rows, summed) if group])
    b = right.joined([group for group in (summed, columns) if group])
    c = out.joined([group for group in (rows, columns) if group])
    work.assembly.emit(word, "{0}.dot({1}, {out})", a, b, out=c, flops=flops)


def is_contiguous(out: View, order: str) -> bool:
    """Whether an array with the letters in that order is C-contiguous."""
    return bool(out.transposed(order).array.flags.c_contiguous)


def multiply_matrices(work: Workspace, left: View, right: View, roles: Matrices, out: View, flops: int) -> None:
    """``matmul``, over letters to loop over; an operand that lacks one of them serves in each round."""
    loops = roles.loops
    a = left.joined([*(i if i in left.term else "" for i in loops), roles.rows, roles.summed])
    b = right.joined([*(i if i in right.term else "" for i in loops), roles.summed, roles.columns])
    c = out.joined([*loops, roles.rows, roles.columns])
    work.assembly.emit("batched" if loops else "GEMM", "matmul({0}, {1}, {out})", a, b, out=c, flops=flops)


def in_rows(view: View, order: str) -> str:
    """The last letters of an array whose entries are few enough to be added up one after another; none, or not all."""
    ends = [order[n:] for n in range(1, len(order)) if view.count(order[n:]) <= PRECISE]
    return ends[0] if ends else ""


def inner(work: Workspace, left: View, right: View, batch: str, summed: str, slot: Slot) -> View:
    """A product that leaves no letters but the batch."""
    orders = ["".join(i for i in memory_order(view) if i in summed) for view in (left, right)]
    if not batch:
        for order in orders:
            if is_joined(left, order) and is_joined(right, order):
                if left.dtype.char == "f" and left.size > PRECISE and (end := in_rows(left, order)):
                    rows = order[: len(order) - len(end)]
                    part = work.open(Slot(slot.dtype), rows)
                    a, b = left.joined([rows, end]), right.joined([rows, end])
                    work.assembly.emit(
                        "batched dot", "vecdot({0}, {1}, {out})", a, b, out=part.joined([rows]), flops=2 * left.size
                    )
                    return reductions.sum_over(work, part, "", slot)
                out = work.open(slot, "")
                a, b = left.joined([order]), right.joined([order])
                work.assembly.emit("dot", "{0}.dot({1}, {out})", a, b, out=out, flops=2 * left.size)
                return out
    ends = [tail(left, right, order) for order in orders]
    end = max(ends, key=lambda letters: left.count(letters))
    if end and left.dtype.kind != "c" and left.count(end) >= 8 and left.size > SMALL:
        rest = "".join(i for i in memory_order(left) if i not in end)
        whole = not any(i in summed for i in rest)
        part = work.open(slot if whole else Slot(slot.dtype), rest)
        a, b = left.joined([*rest, end]), right.joined([*rest, end])
        work.assembly.emit("batched dot", "vecdot({0}, {1}, {out})", a, b, out=part, flops=2 * left.size)
        return part if whole else reductions.sum_over(work, part, batch, slot)
    if left.size > SMALL and left.dtype.char in "fdFD" and len(left.term) <= 26:
        return by_einsum(work, left, right, batch, slot)
    made = pointwise.product(work, [left, right], memory_order(left), Slot(slot.dtype))
    return reductions.sum_over(work, made, batch, slot)


def tail(left: View, right: View, order: str) -> str:
    """The last letters of an order that lie together, and densely, in both operands."""
    end = ""
    for letter in reversed(order):
        longer = letter + end
        if not all(is_joined(view, longer) and has_unit_stride(view, longer[-1]) for view in (left, right)):
            break
        end = longer
    return end


def by_einsum(work: Workspace, left: View, right: View, batch: str, slot: Slot) -> View:
    """NumPy's own loop, which needs no memory between product and sum."""
    out = work.open(slot, work.order_of(slot.name, "".join(i for i in memory_order(left) if i in batch)))
    names = {letter: chr(ord("a") + n) for n, letter in enumerate(left.term)}
    terms = ["".join(names[i] for i in view.term) for view in (left, right, out)]
    subscripts = f"{terms[0]},{terms[1]}->{terms[2]}"
    work.assembly.emit(
        "batched dot", f"einsum('{subscripts}', {{0}}, {{1}}, out={{out}})", left, right, out=out, flops=2 * left.size
    )
    return out


@dataclass(frozen=True)
class Windows:
    """A product ``other · wide`` for each index of loops and of ``at``, which runs along one axis with ``offset``."""

    loops: str
    at: str
    offset: str
    rows: str
    columns: str
    summed: str


def in_windows(work: Workspace, wide: View, other: View, batch: str, slot: Slot) -> View | None:
    """The product, if one operand is long and is read in windows; else None."""
    windows = windows_of(wide, other, batch)
    if windows is None:
        return None
    order = windows.offset + windows.summed
    if not is_matrix(other, windows.rows, order):
        if other.size > blocks.SMALL:
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
    flops = 2 * prod(work.shape(loops + inner + windows.rows))
    with blocks.shared(work, loops) as (share, count):
        work.assembly.emit(
            "GEMM, windows", "windows_in_blocks({0}, {1}, {2}, {3}, {out})",
            share(half.source), share(given), half.block, matrices, out=share(into), flops=flops // count,
        )  # fmt: skip
    return out
