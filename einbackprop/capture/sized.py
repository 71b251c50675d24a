"""Sizes and positions that are made of the sizes of arguments, as expressions in the letters of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from ..core.dimensions import Axis
from ..core.sizes import Place, Quotient, Size
from . import arithmetic, conditions, terms
from .sizes import axes_of, key_of, terms_of, told
from .way import Way


class Sized:
    """Expressions of sizes in letters.

    Attributes
    ----------
    way : Way
        What the trace met.
    chosen : mapping of Axis to str
        The letters of each dimension.
    given : sequence of Axis
        The dimensions of the arguments.
    """

    def __init__(self, way: Way, chosen: Mapping[Axis, str], given: Sequence[Axis]) -> None:
        self.way, self.chosen, self.given = way, chosen, given
        self._open: set[Axis] = set()  # dimensions that became one since may be made of one another

    def _expression(self, found: terms.Terms | None) -> Size | None:
        """A sum of products of sizes in the letters of inputs; None where that cannot be said."""
        parts: list[tuple[Fraction, tuple[str | Quotient, ...]]] = []
        for monomial, number in (found or {}).items():
            factors: list[str | Quotient] = []
            for axis, power in monomial:
                factor = self._factor(axis.root())
                if factor is None or power < 0 or power.denominator != 1:
                    return None
                factors += [factor] * int(power)
            parts.append((number, tuple(factors)))
        ordered = tuple(sorted(parts, key=lambda part: (not part[1], part[0] < 0)))
        return Size(ordered, terms.always({}, found or {}, strictly=True)) if parts else None

    def _factor(self, axis: Axis) -> str | Quotient | None:
        if axis in self.given:
            return self.chosen[axis][0]
        if axis.quotient is None or axis in self._open:
            return None
        self._open.add(axis)
        above, below = (self._expression(terms.unrolled(part)) for part in axis.quotient)
        self._open.remove(axis)
        return None if above is None or below is None else Quotient(above, below)

    def expressions(self, order: Iterable[Axis]) -> dict[str, Size]:
        """What the sizes of letters are that no input has."""
        made = {self.chosen[axis][0]: self._expression(terms_of(arithmetic.size_of(axis)))
                for axis in order if axis not in self.given and not axis.literal}  # fmt: skip
        return {letter: size for letter, size in made.items() if size is not None and size.letters}

    def claims(self) -> tuple[tuple[tuple[Size, Size, str], ...], dict[str, str]]:
        """The sizes that must be equal; and letters that are held, to a number or since it cannot be said."""
        claims: list[tuple[Size, Size, str]] = []
        held: dict[str, str] = {}
        for first, second, met in self.way.claims.values():
            reason = conditions.sentence("written", met.source, [met.answer])
            a, b = self._expression(first), self._expression(second)
            is_letter = a is not None and a.terms == ((Fraction(1), (a.letters,)),)
            if a is not None and b is not None and a.letters + b.letters and not (is_letter and not b.letters):
                claims.append((a, b, reason))
            else:
                sources = {source for axis in met.axes for source in axis.sources()}
                held |= {self.chosen[axis][0]: reason for axis in self.given if axis in sources}
        return tuple(claims), held

    def places(self) -> tuple[dict[tuple[str, int], Place], dict[str, str]]:
        """The positions that are made of sizes; and letters that are held where that cannot be said."""
        places: dict[tuple[str, int], Place] = {}
        held: dict[str, str] = {}
        for whole, place, source, alone in self.way.positions():
            reason = conditions.sentence("frozen", source, [f"{told(place)} is {place.number}"])
            size = self._expression(terms_of(place)) if alone else None
            if whole in self.chosen and size is not None:
                found, end = terms_of(place) or {}, terms_of(arithmetic.size_of(whole)) or {}
                within = terms.always({}, found, strictly=False) and terms.always(found, end, strictly=False)
                places[self.chosen[whole][0], int(place.number)] = Place(size, reason, within)
            elif not alone or key_of(place) != key_of(arithmetic.size_of(whole)):
                sources = {source for axis in (*axes_of(place), whole) for source in axis.sources()}
                held |= {self.chosen[axis][0]: reason for axis in self.given if axis in sources}
        return places, held
