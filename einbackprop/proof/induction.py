"""Induction over the rounds of loops: what rounds read of those before them goes in, what of it is equal comes out.

Values that recurrences carry cannot be written out: each reads itself, one round earlier. Of two that have equal
numbers it is *supposed* that they are equal, so that both are one letterless symbol, an atom; then what one round makes
of these atoms is written out for both. Where the two have one normal form, they are equal in the next round if they are
in this one. In the first round both read what the brackets of their equations say, which is written out as well. What
is not confirmed is no longer supposed, and all is tried again without it.

All of one class go through their rounds in one direction, and a round reads nothing of later ones, so that the last
round rests on the first. (As a bisimulation: the largest set of pairs that is closed under one step.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.program import Contract, Program
from ..core.records import dataclass
from ..core.recurrences import blocks, loops
from ..core.rounds import shifts
from ..errors import UndecidedError
from .expansion import Expansion

RELATIVE = 1e-9
Atoms = tuple[dict[str, str], dict[str, str]]
"""For either program: a value that rounds read of others, and the name of its atom."""


@dataclass(frozen=True)
class Carried:
    """A value that rounds read of others: on which side, its equation, and the direction of its loop."""

    side: int
    equation: Contract
    direction: int

    @property
    def name(self) -> str:
        """The value."""
        return self.equation.out.name


def carried_values(sides: Sequence[Program]) -> Iterator[Carried]:
    """What the rounds of the recurrences of plain programs read of others."""
    for side, program in enumerate(sides):
        for block in loops(blocks(program.equations)):
            for equation, _ in shifts(block):
                yield Carried(side, equation, block.step)


def atoms_of(
    carried: Sequence[Carried], values: Sequence[Mapping[str, NDArray[Any]]], numbers: Sequence[Mapping[str, int]],
    expansions: Callable[[Atoms], tuple[Expansion, Expansion]],
) -> tuple[Atoms, dict[str, None]]:  # fmt: skip
    """An atom for each value that rounds read of others, one for those that are proved equal; and what that rests on.

    Parameters
    ----------
    carried : sequence of Carried
    values : sequence of mappings
        What the values of either program are at some numbers; empty where they are not known.
    numbers : sequence of mappings
        The number of the dimension of each letter of either program.
    expansions : callable
        Gives the two programs in one context, with these values as atoms.
    """
    classes = supposed(carried, values, numbers)
    while True:
        atoms: Atoms = ({}, {})
        for number, members in enumerate(classes):
            for one in members:
                atoms[one.side][one.name] = f"carried {number}"
        both = expansions(atoms)
        rests: dict[str, None] = {}
        found = [part for members in classes for part in confirmed(members, both, rests)]
        if len(found) == len(classes):
            return atoms, rests
        classes = found


def supposed(
    carried: Sequence[Carried], values: Sequence[Mapping[str, NDArray[Any]]], numbers: Sequence[Mapping[str, int]]
) -> list[list[Carried]]:
    """The values in classes of those that have equal numbers, along the same dimensions and in one direction."""
    classes: list[tuple[Any, NDArray[Any] | None, list[Carried]]] = []
    for one in carried:
        array = values[one.side].get(one.name) if values else None
        key = one.direction, [numbers[one.side][i] for i in one.equation.out.indices]
        alike = (members for other, theirs, members in classes if other == key and are_near(array, theirs))
        members = next(alike, None)
        if members is None:
            classes.append((key, array, [one]))
        else:
            members.append(one)
    return [members for _, _, members in classes]


def are_near(array: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """Whether two arrays have the same numbers, as far as rounding lets that be seen."""
    if array is None or other is None or array.shape != other.shape:
        return False
    return np.allclose(array, other, RELATIVE, RELATIVE * float(np.abs(other).max(initial=0)))


def confirmed(
    members: Sequence[Carried], both: tuple[Expansion, Expansion], rests: dict[str, None]
) -> Iterator[list[Carried]]:
    """The members of a class in classes of those of which one round makes the same."""
    found: list[tuple[Any, list[Carried]]] = []
    for one in members if len(members) > 1 else ():
        try:
            terms = written(one, both[one.side], rests)
        except UndecidedError:
            terms = None
        match = next((same for other, same in found if terms is not None and terms == other), None)
        if match is None:
            found.append((terms, match := []))
        match.append(one)
    yield from (same for _, same in found) if found else iter([list(members)])


def written(one: Carried, expansion: Expansion, rests: dict[str, None]) -> Any:
    """What a value is, by what one round makes of the atoms."""
    ref = one.equation.operands[0]
    expansion.value(ref.name)
    terms = expansion.compute(one.equation)
    rests |= expansion.rests(ref.name)
    return terms
