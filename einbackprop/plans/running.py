"""Running sums: a sum up to a position, or from one on, by ``cumsum``, not by a triangle of ones."""

from __future__ import annotations

from ..core.program import Contract, Position
from . import pointwise
from .views import View
from .workspace import Workspace, number_of


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
