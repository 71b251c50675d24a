"""The roles of letters in a product of two arrays, and where such a product can be written."""

from __future__ import annotations

from dataclasses import dataclass

from .orientation import slowness
from .views import View, has_unit_stride, is_joined
from .workspace import Slot, Workspace


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
    if not is_joined(out, roles.rows) or not is_joined(out, roles.columns):
        return False
    return has_unit_stride(out, roles.rows[-1:] + roles.columns[-1:])
