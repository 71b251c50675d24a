"""Which letters to put on the axes of a mesh: a program and a mesh go in, the ways that move least come out first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

from ..core.program import Program
from ..core.visible import shown
from ..errors import ShardingError
from .layouts import Layouts
from .mesh import Mesh, Placement

MOST_TRIED = 3000
"""Placements that are looked at, the larger dimensions first."""


def suggested(program: Program, mesh: Mesh, most: int, *, pad: bool = False) -> list[Placement]:
    """The placements that move the fewest bytes, of equals those that hold the fewest, at most so many.

    Each axis of the mesh has a dimension of its own; further ones are put on an axis while less is moved then. Devices
    that would do no less than one alone are no use: each axis makes what a device computes smaller.

    Raises
    ------
    ShardingError
        There is none, or none is asked for.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ShardingError(f"suggest is how many ways to place letters are shown, at least 1, not {shown(most)}")
    found: dict[frozenset[tuple[int, frozenset[str]]], tuple[tuple[int, int], Placement]] = {}
    whole = Placement(program, mesh, {}, pad=pad)
    for letters in single(program, mesh):
        placement = placed(whole, letters)
        layouts = None if placement is None else Layouts(placement)
        if layouts is not None and is_useful(layouts):
            better, cost = improved(layouts)
            found.setdefault(apart_from_names(better), (cost, better))
    if not found:
        padding = "" if pad else "; with padding (pad=True, --pad) sizes need not divide"
        raise ShardingError(f"no letters of this program can lie on all axes of {mesh}{padding}")
    ranked = sorted(found.values(), key=lambda one: (one[0], len(one[1].letters)))
    return [placement for _, placement in ranked[:most]]


def apart_from_names(placement: Placement) -> frozenset[tuple[int, frozenset[str]]]:
    """Which letters lie together on how many devices: the same of two placements with axes of one length exchanged."""
    letters = {letter for dimension in placement.program.dimensions for letter in dimension.letters}
    return frozenset(
        (count, frozenset(letter for letter in letters if placement.axis(letter) == axis))
        for axis, count in placement.mesh.axes.items()
    )


def single(program: Program, mesh: Mesh) -> Iterator[dict[str, str]]:
    """One dimension for each axis of the mesh."""
    large = sorted((d for d in program.dimensions if d.size > 1), key=lambda d: -d.size)
    for n, dimensions in enumerate(permutations(large, len(mesh.axes))):
        if n >= MOST_TRIED:
            return
        yield {d.letters[0]: axis for d, axis in zip(dimensions, mesh.axes, strict=True)}


def placed(placement: Placement, letters: Mapping[str, str]) -> Placement | None:
    """The placement with these letters in place of its own; None where they cannot lie so."""
    try:
        return replace(placement, letters=letters)
    except ShardingError:
        return None


def cost_of(layouts: Layouts) -> tuple[int, int]:
    """The bytes that a device sends, and those that it holds at most."""
    return layouts.bytes_sent, layouts.memory


def is_useful(layouts: Layouts) -> bool:
    """Whether each letter makes what a device computes smaller."""
    placement = layouts.placement
    return all(
        layouts.flops < 0.75 * Layouts(replace(placement, letters={
            i: axis for i, axis in placement.letters.items() if i != letter})).flops
        for letter in placement.letters
    )  # fmt: skip


def improved(layouts: Layouts) -> tuple[Placement, tuple[int, int]]:
    """The placement with more letters on its axes, while that moves less, or holds less for no more."""
    placement, cost = layouts.placement, cost_of(layouts)
    free = [d.letters[0] for d in placement.program.dimensions if d.size > 1]
    while True:
        tried = [
            one for letter in free if not placement.axis(letter) for axis in placement.mesh.axes
            if (one := placed(placement, {**placement.letters, letter: axis})) is not None
        ]  # fmt: skip
        best = min(((cost_of(Layouts(one)), n) for n, one in enumerate(tried)), default=(cost, -1))
        if best[1] < 0 or best[0] >= cost:
            return placement, cost
        cost, placement = best[0], tried[best[1]]
