"""Sums and extrema over letters of one array."""

import numpy as np

from ..core.program import Extremum
from . import pointwise
from .views import View, has_unit_stride, inner_group, is_joined, memory_order
from .workspace import Slot, Workspace

LONG = 4096
"""A sum over all of an array is left to ``add.reduce``, which adds in pairs, from this length on."""

SHORT, MANY = 16, 32
"""A matrix of at least so many rows, of at least so many entries (and at most 64 times as many)."""


def sum_over(work: Workspace, view: View, kept: str, slot: Slot) -> View:
    """The sum over the letters that are not kept. A dot with ones is up to three times faster than ``add.reduce``."""
    lying = memory_order(view)
    summed = "".join(i for i in lying if i not in kept)
    rest = "".join(i for i in lying if i in kept)
    if not summed:
        return pointwise.copied(work, view, rest, slot)
    blas = view.dtype.char in "fdFD"
    if blas and rest and is_joined(view, rest) and is_joined(view, summed):
        out = work.open(slot, rest)
        if out.array.flags.c_contiguous:
            return with_ones(work, view, rest, summed, out)
        made = sum_over(work, view, kept, Slot(slot.dtype))
        return pointwise.copied(work, made, rest, Slot(slot.dtype, "", out))
    if blas and rest and len(summed) > 1 and view.size > LONG:
        part = inner_group(view, summed)
        if part != summed:
            between = sum_over(work, view, "".join(i for i in lying if i not in part), Slot(view.dtype))
            return sum_over(work, between, kept, slot)
    return reduced(work, view, rest, slot)


def with_ones(work: Workspace, view: View, rest: str, summed: str, out: View) -> View:
    """A dot with ones."""
    matrix = view.joined([rest, summed])
    ones = work.ones(view.count(summed), view.dtype)
    work.assembly.emit("dot with ones", "{0}.dot({1}, {out})", matrix, ones, out=out.joined([rest]), flops=view.size)
    return out


def reduced(work: Workspace, view: View, rest: str, slot: Slot) -> View:
    """``add.reduce``."""
    out = work.open(slot, rest)
    if not rest and is_joined(view, memory_order(view)) and view.dtype.char != "e":
        flat = view.joined([memory_order(view)])
        work.assembly.emit("sum", "add_reduce({0}, 0, None, {out})", flat, out=out, flops=view.size)
        return out
    axes = tuple(n for n, i in enumerate(view.term) if i not in rest)
    own = "".join(i for i in view.term if i in rest)
    kind = "float32" if view.dtype.char == "e" else "None"  # added up in float32, as einsum does
    call = f"add_reduce({{0}}, {axes}, {kind}, {{out}})"
    work.assembly.emit("sum", call, view, out=out.transposed(own), flops=view.size)
    return out


def extremum(work: Workspace, equation: Extremum) -> View:
    """Max or min, or where it is first reached."""
    letters, ref = equation.out.indices, equation.operand
    view = work.read(ref)
    over = "".join(i for i in dict.fromkeys(ref.indices) if i not in letters)
    slot = work.slot(equation.out)
    if not equation.position_of:
        if is_rows(view, over):
            return of_rows(work, equation, view, over, slot).transposed(letters)
        own = "".join(i for i in view.term if i in letters)
        out = work.open(slot, work.order_of(slot.name, letters, [])).transposed(own)
        axes = tuple(n for n, i in enumerate(view.term) if i not in letters)
        name = "maximum" if equation.kind == "max" else "minimum"
        work.assembly.emit("extremum", f"{name}_reduce({{0}}, {axes}, None, {{out}})", view, out=out, flops=view.size)
        return out.transposed(letters)
    out = work.open(slot, letters)
    sizes = work.shape(over)
    call = f"position_of('arg{equation.kind}', {{0}}, {len(letters)}, {sizes}, {over.index(equation.position_of)})"
    arranged = view.transposed(letters + over)
    work.assembly.emit("position", f"copyto({{out}}, {call})", arranged, out=out, flops=view.size)
    return out


def is_rows(view: View, over: str) -> bool:
    """Whether it is a long matrix of short rows: there NumPy's maximum takes five times as long as its argmax."""
    order, length = memory_order(view), view.count(over)
    rest = order[: len(order) - len(over)]
    whole = is_joined(view, order) and has_unit_stride(view, order) and not set(rest) & set(over)
    return whole and SHORT <= length <= 64 * SHORT and view.count(rest) >= MANY and view.dtype.char in "fd"


def of_rows(work: Workspace, equation: Extremum, view: View, over: str, slot: Slot) -> View:
    """The largest or smallest entry of each row: where it is, then what is there."""
    order, length = memory_order(view), view.count(over)
    rest, over = order[: len(order) - len(over)], order[len(order) - len(over) :]
    out = work.open(slot, rest)
    if not out.array.flags.c_contiguous:
        made = of_rows(work, equation, view, over, Slot(slot.dtype))
        return pointwise.copied(work, made, rest, Slot(slot.dtype, "", out))
    places = work.allocate(rest, np.dtype(np.intp)).joined([rest])
    starts = work.assembly.constant(length * np.arange(places.size), " ")
    matrix, flat = view.joined([rest, over]), view.joined([rest + over])
    word = f"arg{equation.kind}"
    work.assembly.emit("extremum", f"{{0}}.{word}(1, {{out}})", matrix, out=places, flops=view.size)
    work.assembly.emit("extremum", "extreme({0}, {1}, {2}, {out})", places, starts, flat, out=out.joined([rest]))
    return out
