"""Expressions of sizes as sums of products of them: ``n - 1``, ``2·H·K``, and whole quotients such as ``n // 2``.

What several terms make is the size of an axis of its own, which is one axis wherever the same is computed. So it is a
letter in factors and dimensions, and a plain 5 is not taken for the ``n - 1`` that it happens to equal.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from fractions import Fraction

from ..core.dimensions import Axis

Monomial = frozenset[tuple[Axis, Fraction]]
Terms = Mapping[Monomial, Fraction]
NONE: Monomial = frozenset()


def product(a: Monomial, b: Monomial) -> Monomial:
    """The product of two monomials."""
    powers = dict(a)
    for axis, power in b:
        powers[axis] = powers.get(axis, Fraction(0)) + power
    return frozenset((axis, power) for axis, power in powers.items() if power)


def times(a: Terms, b: Terms) -> dict[Monomial, Fraction]:
    """The product of two sums."""
    total: dict[Monomial, Fraction] = {}
    for m, x in a.items():
        for n, y in b.items():
            total[product(m, n)] = total.get(product(m, n), Fraction(0)) + x * y
    return {m: x for m, x in total.items() if x}


def added(a: Terms, b: Terms, sign: int = 1) -> dict[Monomial, Fraction]:
    """The sum, or the difference."""
    total = dict(a)
    for m, x in b.items():
        total[m] = total.get(m, Fraction(0)) + sign * x
    return {m: x for m, x in total.items() if x}


def of_monomial(coefficient: Fraction, powers: tuple[tuple[Axis, Fraction], ...]) -> dict[Monomial, Fraction]:
    """A product of sizes; sizes that are sums themselves are written out."""
    total: dict[Monomial, Fraction] = {NONE: coefficient}
    for axis, power in powers:
        root = axis.root()
        if root.made is not None and power == 1:
            total = times(total, rooted(root.made))
        else:
            total = times(total, {frozenset([(root, power)]): Fraction(1)})
    return total


def rooted(terms: Terms) -> dict[Monomial, Fraction]:
    """The same in what the axes have become since."""
    total: dict[Monomial, Fraction] = {}
    for monomial, x in terms.items():
        powers: Monomial = NONE
        for axis, power in monomial:
            powers = product(powers, frozenset([(axis.root(), power)]))
        total[powers] = total.get(powers, Fraction(0)) + x
    return total


def settled(terms: Terms, known: set[Axis]) -> dict[Monomial, Fraction]:
    """The same with the sizes of some axes as the numbers that they are."""
    total: dict[Monomial, Fraction] = {}
    for monomial, x in terms.items():
        there = {axis: power for axis, power in monomial if axis in known and power.denominator == 1 and axis.size}
        for axis, power in there.items():
            x *= Fraction(axis.size) ** int(power)
        rest = frozenset((axis, power) for axis, power in monomial if axis not in there)
        total[rest] = total.get(rest, Fraction(0)) + x
    return {monomial: x for monomial, x in total.items() if x}


def value(terms: Terms) -> Fraction | None:
    """The number that it is at the sizes of this run; None where that is no fraction."""
    total = Fraction(0)
    for monomial, coefficient in terms.items():
        for axis, power in monomial:
            if power.denominator != 1 or (not axis.size and power < 0):
                return None
            coefficient *= Fraction(axis.size) ** int(power)
        total += coefficient
    return total


def split(terms: Terms) -> tuple[Fraction, Monomial, dict[Monomial, Fraction]]:
    """What is common to all terms (a number, and powers of sizes), and the rest."""
    axes = {axis for monomial in terms for axis, _ in monomial}
    least = {axis: min(dict(m).get(axis, Fraction(0)) for m in terms) for axis in axes}
    common = frozenset((axis, power) for axis, power in least.items() if power)
    coefficients = terms.values()
    number = Fraction(math.gcd(*(x.numerator for x in coefficients)), math.lcm(*(x.denominator for x in coefficients)))
    inverse = frozenset((axis, -power) for axis, power in common)
    return number, common, {product(m, inverse): x / number for m, x in terms.items()}


def quotient(a: Terms, b: Terms) -> tuple[dict[Monomial, Fraction], dict[Monomial, Fraction]]:
    """``a = b·whole + rest``: the terms of a that b divides for every size, divided, and the others."""
    if len(b) != 1:
        return {}, dict(a)
    ((divisor, number),) = b.items()
    inverse = frozenset((axis, -power) for axis, power in divisor)
    whole, rest = {}, {}
    for monomial, x in a.items():
        left = product(monomial, inverse)
        if (x / number).denominator == 1 and all(p > 0 and p.denominator == 1 for _, p in left):
            whole[left] = x / number
        else:
            rest[monomial] = x
    return whole, rest


def least(terms: Terms) -> Fraction | None:
    """The least that it can be if every size is at least 1; None where that is not known."""
    total = Fraction(0)
    for monomial, x in terms.items():
        if monomial and (x < 0 or any(p < 0 or axis.quotient for axis, p in monomial)):
            if x < 0 or any(p < 0 for _, p in monomial):
                return None
            continue  # a whole quotient may be 0
        total += x
    return total


def key(terms: Terms) -> Hashable:
    """What two equal expressions have in common."""
    return frozenset(terms.items())


def axes_in(terms: Terms) -> tuple[Axis, ...]:
    """The sizes that it is made of."""
    return tuple(dict.fromkeys(axis for monomial in terms for axis, _ in monomial))


def text(terms: Terms) -> str | None:
    """``2*H - 1``; None where the user has no name for one of the sizes."""
    if any(not axis.root().name for axis in axes_in(terms)):
        return None
    said = ""
    for monomial, x in sorted(terms.items(), key=lambda item: not item[0]):
        names = [f"{a.root().name}" + (f"**{p}" if p != 1 else "") for a, p in monomial]
        shown = "*".join([*([str(abs(x))] if abs(x) != 1 or not names else []), *sorted(names)])
        said += (f" {'-' if x < 0 else '+'} " if said else "-" * (x < 0)) + shown
    return said
