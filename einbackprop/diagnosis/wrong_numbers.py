"""A number that is wrong: a search goes in, the line with the number that it should be comes out.

No list of edits has the 6 of ``(1 - t**2) * (6 * t**2 - 2)`` for a 4. But where it is known what a statement should
make (`localization`), and its value is a straight line in a number that stands in it, two values give the number.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from einbackprop.core.collecting import grouped
from einbackprop.diagnosis.experiments import Array
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.missing_terms import SUSPECTS, TRIED
from einbackprop.diagnosis.multiples import expected
from einbackprop.diagnosis.omissions import solved
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.trying import Compiler, Table, Trial
from einbackprop.diagnosis.vocabulary import Edit, Hand
from einbackprop.diagnosis.vocabulary.expression import Expression, Place
from einbackprop.diagnosis.vocabulary.trees import held_number, number

COST = 2.0
"""What a number costs that no usual edit gives."""
CLOSE = 1e-6
"""How far off what a statement makes with a number may be, relative to the largest entry."""
LARGEST, DIVISORS = 1000, 12
"""The largest number that people write so, and the largest divisor of one."""


def of_numbers(search: Round) -> Repair | None:
    """The number that is wrong in a statement, with which everything is right."""
    for suspect in islice(solved(search.alone), SUSPECTS):
        table = Numbers(suspect)
        search.evaluate([table], TIERS[-1])
        gap = [one.ravel() for one in search.gap_of(suspect).values()]
        for edit in islice(table.right(np.concatenate(gap or [np.zeros(0)])), TRIED):
            repair = search.edited(table, edit, search.wrong)
            if search.judge.works(search.version.changed([repair.change])):
                return repair
    return None


class Numbers(Table):
    """A statement's expression, and the same with each number in it one larger, and two."""

    def __init__(self, suspect: Suspect) -> None:
        super().__init__(suspect, True)
        self._held: dict[int, tuple[Place, float]] = {}  # what an edit, by its identity, makes larger

    def _candidates(self, names: Mapping[str, Any], hand: Hand) -> Iterator[Trial]:
        value, compiler = self.suspect.site.value, Compiler(self.suspect.site, names)
        yield Trial(Edit(0.0, "", value), compiler.code(value))
        expression = Expression(value, hand, self.suspect.site.statement)
        for place in expression.places:
            held = held_number(place.node)
            if held is not None and not isinstance(place.parent, ast.Subscript | ast.Slice):
                for more in (1, 2):
                    edit = expression.edit(place, number(held + more), COST, "")
                    self._held[id(edit)] = place, float(held)
                    assert edit.value is not None
                    yield Trial(edit, compiler.code(edit.value))

    def right(self, gap: Array) -> Iterator[Edit]:
        """The expression with one number with which it is what it should be, or, where that is not known, with which
        the gradients are: ``gap`` is by how much they are off.
        """
        made = [(trial.edit, np.concatenate(trial.values)) for trial in self.trials if trial.code and trial.values]
        if not made or made[0][0].value is not self.suspect.site.value or self.hand is None:
            return
        expression = Expression(self.suspect.site.value, self.hand, self.suspect.site.statement)
        (_, own), *moved = made
        by_place = grouped((self._held[id(edit)], values) for edit, values in moved if values.shape == own.shape)
        for (place, held), values in by_place.items():
            found = self._solved(own, values[0], values[1], gap) if len(values) == 2 else None
            written = None if found is None else spelled(held + found)
            if written is not None:
                yield expression.edit(place, written, COST, "{} is needed, not {}", written, place)

    def _solved(self, own: Array, one: Array, two: Array, gap: Array) -> float | None:
        """How much larger a number has to be, of what is made with it, with one more and with two more."""
        suspect = self.suspect
        if not suspect.is_known and suspect.is_linear and not suspect.is_repeated and suspect.jacobian is not None:
            own, one, two = (suspect.jacobian @ made for made in (own, one, two))
            return solution(own, one, two, own + gap)
        wanted = expected(suspect.made.values, suspect.shift, suspect.expected)
        moving = suspect.moving
        return solution(own[moving], one[moving], two[moving], wanted[moving]) if wanted.shape == own.shape else None


def solution(own: Array, one: Array, two: Array, wanted: Array) -> float | None:
    """How much larger a number has to be, of what is made with it, with one more, with two more, and what is wanted;
    None where that is no straight line, or no number does.

    >>> x = np.array([1.0, 2.0])
    >>> solution(4 * x, 5 * x, 6 * x, 7 * x), solution(x, x**2, x**3, x**4)
    (3.0, None)
    """
    slope, near = one - own, CLOSE * float(np.abs(wanted).max(initial=0.0))
    square = float(slope @ slope)
    if not np.isfinite(square) or not square or np.abs(two - one - slope).max(initial=0.0) > near:
        return None
    found = float((wanted - own) @ slope) / square
    return found if np.abs(own + found * slope - wanted).max(initial=0.0) <= near else None


def spelled(value: float) -> ast.expr | None:
    """A number as people write it: whole, or over a small one; None of others.

    >>> ast.unparse(spelled(6.0000000001)), ast.unparse(spelled(-1 / 3)), spelled(0.7316)
    ('6', '-1 / 3', None)
    """
    near = Fraction(value).limit_denominator(DIVISORS)
    if not abs(value) <= LARGEST or abs(value - near) > CLOSE * max(1.0, abs(value)):
        return None
    if near.denominator in (1, 2, 4, 5, 8, 10):
        return number(int(near) if near.denominator == 1 else float(near))
    return ast.BinOp(number(near.numerator), ast.Div(), number(near.denominator))
