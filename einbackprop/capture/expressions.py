"""Arithmetic on expressions of sizes that gives sizes: each that is no product of others gets an axis of its own.

Where a comparison of sizes could go the other way at other sizes, it is a condition.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..core.dimensions import Axis
from . import terms
from .conditions import WATCHER, asked_by_others
from .sizes import Size, axes_of, is_number, key_of, plain, terms_of
from .terms import NONE, Monomial, Terms


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


def compared(operation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """A comparison: where it could go the other way at other sizes, it is a condition."""

    def compare(self: Size, other: Any) -> Any:
        if not is_number(other):
            return NotImplemented if hasattr(other, "__array_ufunc__") else operation(self.number, other)
        answer = operation(self.number, plain(other))
        watcher = WATCHER.get()
        if watcher is not None and asked_by_others() and not goes_without_saying(operation, self, other):
            watcher.met("sizes", answer, (*axes_of(self), *axes_of(other)))
        return answer

    return compare



def is_negative(size: Size) -> bool:
    """Whether it is less than 0: where that is not so for all sizes, it is a condition."""
    return _decided(operator.lt, size)


def is_not_zero(size: Size) -> bool:
    """Whether it is not 0; likewise."""
    return _decided(operator.ne, size)


def _decided(operation: Callable[[Any, Any], bool], size: Size) -> bool:
    answer = bool(operation(size.number, 0))
    if (watcher := WATCHER.get()) is not None and not goes_without_saying(operation, size, 0):
        watcher.met("sizes", answer, axes_of(size))
    return answer


def goes_without_saying(operation: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """Whether a comparison of sizes goes the same way for all sizes of at least 1."""
    left, right = terms_of(a), terms_of(b)
    if left is None or right is None:
        return False
    if key_of(a) == key_of(b) or terms.always(left, right, strictly=True) or terms.always(right, left, strictly=True):
        return True
    if operation in (operator.lt, operator.ge):
        return terms.always(right, left, strictly=False)
    return operation in (operator.le, operator.gt) and terms.always(left, right, strictly=False)
