"""Arithmetic on expressions of sizes that gives sizes: each that is no product of others gets an axis of its own."""

from __future__ import annotations

from fractions import Fraction

from ..core.dimensions import Axis
from . import terms
from .terms import NONE, Monomial, Terms
from .watching import WATCHER


def as_product(found: Terms) -> tuple[Fraction, Monomial] | None:
    """A sum as a number times powers of sizes; None where it is negative, 0 or no whole number in this run."""
    if any(not axis.size for axis in terms.axes_in(found)):
        return None
    if len(found) == 1:
        ((monomial, coefficient),) = found.items()
        return coefficient, monomial
    factor, common, rest = terms.split(found)
    size = terms.value(rest)
    if size is not None and size < 0:
        factor, rest, size = -factor, {m: -x for m, x in rest.items()}, -size
    watcher = WATCHER.get()
    if watcher is None or size is None or size < 1 or size.denominator != 1:
        return None
    axis = watcher.expression((rest,), int(size), rest, terms.axes_in(rest))
    return factor, terms.product(common, of_axis(axis))


def floor(a: Terms, b: Terms) -> dict[Monomial, Fraction] | None:
    """``a // b``: what is divisible for every size, and the size of an axis of its own for the rest."""
    if not terms.is_whole({m: Fraction(1) for m in a}):  # roots and quotients of sizes
        return None
    if set(b) == {NONE} and b[NONE] > 0 and terms.is_negative(a):
        top, bottom = terms.lowest(a, b[NONE])
        above = floor(terms.added({NONE: bottom - 1}, top, -1), {NONE: bottom})
        return None if above is None else {m: -x for m, x in above.items()}
    whole, rest, divisor = terms.quotient(a, b)
    if not rest:
        return dict(whole)
    below, number, watcher = terms.value(rest), terms.value(divisor), WATCHER.get()
    if below is None or not number or watcher is None or below // number < 0:
        return None
    parts = tuple(dict.fromkeys((*terms.axes_in(rest), *terms.axes_in(divisor))))
    axis = watcher.expression((rest, divisor), int(below // number), None, parts)
    return terms.added(whole, {of_axis(axis): Fraction(1)})


def evenly(a: Terms, b: Terms, said: str) -> dict[Monomial, Fraction] | None:
    """``a / b`` where the code says that it comes out even, which is a condition; ``a // b`` is that from now on."""
    reciprocal, watcher = terms.inverse(b), WATCHER.get()
    if reciprocal is None or watcher is None or not terms.is_whole({m: Fraction(1) for m in a}):
        return None
    _, rest, divisor = terms.quotient(a, b)
    if rest:
        part = terms.times(rest, terms.inverse(divisor) or {})
        number = terms.value(part)
        if number is None or number.denominator != 1 or number < 1:
            return None
        axis = watcher.expression((rest, divisor), int(number), None, terms.axes_in(rest)).root()
        axis.made = axis.made or part
        watcher.met("divides", said, terms.axes_in(rest))
    return terms.times(a, reciprocal)


def of_axis(axis: Axis) -> Monomial:
    """The size of one axis."""
    return frozenset([(axis, Fraction(1))])
