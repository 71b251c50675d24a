"""Nests of loops: which equations of a group share one, so that what one makes the next has at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from ..core.letters import letters_of
from ..core.program import Equation, Extremum, Ref, operands
from .native_groups import Group
from .workspace import Workspace


@dataclass
class Nest:
    """Loops over letters, the outermost first, inside those over the rows.

    Attributes
    ----------
    loops : str
    members : list of Equation
        What is computed in the innermost loop, or summed up by it.
    pointwise : set of str
        The members that sum nothing: those after them in the nest read their value as it is.
    """

    loops: str
    members: list[Equation] = field(default_factory=list)
    pointwise: set[str] = field(default_factory=set)

    def holds(self, ref: Ref, indices: str) -> bool:
        """Whether a value is at hand in the innermost loop, as it is read."""
        return ref.name in self.pointwise and ref.indices == indices


def nests_of(group: Group, work: Workspace) -> tuple[list[Nest], dict[str, int]]:
    """The equations of a group, each in the first nest that it can be in; and the number of each one's nest."""
    nests: list[Nest] = []
    place: dict[str, int] = {}
    for equation in group.members:
        letters = [i for i in letters_of(equation) if i not in group.rows]
        if isinstance(equation, Extremum):  # of what is chosen in the same loop it would be found one by one
            earliest = place.get(equation.operand.name, -1) + 1
        else:
            earliest = max((first_after(ref, nests, place, group) for ref in operands(equation)), default=0)
        order = order_of(equation, letters, work)
        alike = set if is_free(equation) else str
        fitting = (n for n in range(earliest, len(nests)) if alike(nests[n].loops) == alike(order))
        at = next(fitting, len(nests))
        if at == len(nests):
            nests.append(Nest(order))
        nests[at].members.append(equation)
        place[equation.out.name] = at
        if set(equation.out.indices) == set(letters_of(equation)):
            nests[at].pointwise.add(equation.out.name)
    return nests, place


def first_after(ref: Ref, nests: list[Nest], place: dict[str, int], group: Group) -> int:
    """The first nest that can read a value: the one that makes it, if it is read there as it is made."""
    if ref.name not in place:
        return 0
    at = place[ref.name]
    return at if nests[at].holds(ref, group.made.get(ref.name, "")) else at + 1


def is_free(equation: Equation) -> bool:
    """Whether loops may go in any order: not where the first of several entries is asked for."""
    return not (isinstance(equation, Extremum) and equation.position_of)


def order_of(equation: Equation, letters: list[str], work: Workspace) -> str:
    """The order of loops: as the largest array that has every letter lies in memory, else the sums inside."""
    terms = [ref.indices for ref in (equation.out, *operands(equation)) if set(letters) <= set(ref.indices)]
    if not is_free(equation):
        terms = [equation.out.indices]
    order = max(terms, key=lambda term: prod(work.shape(term)), default=equation.out.indices)
    first = [i for i in dict.fromkeys(order) if i in letters]
    return "".join([*first, *(i for i in letters if i not in first)])
