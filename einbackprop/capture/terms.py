"""Expressions of sizes as sums of products of them: ``n - 1``, ``2·H·K``, and whole quotients such as ``n // 2``.

What several terms make is the size of an axis of its own, which is one axis wherever the same is computed. So it is a
letter in factors and dimensions, and a plain 5 is not taken for the ``n - 1`` that it happens to equal.
"""

import math
from collections.abc import Hashable
from fractions import Fraction

from ..core.collecting import summed
from ..core.dimensions import Axis, Sizes
from ..core.program import Number, multiply

Powers = tuple[tuple[Axis, Fraction], ...]
Monomial = frozenset[tuple[Axis, Fraction]]
Terms = Sizes
NONE: Monomial = frozenset()


def product(a: Monomial, b: Monomial) -> Monomial:
    """The product of two monomials."""
    return frozenset(summed((*a, *b)).items())


def times(a: Terms, b: Terms) -> dict[Monomial, Fraction]:
    """The product of two sums."""
    return summed((product(m, n), x * y) for m, x in a.items() for n, y in b.items())


def added(a: Terms, b: Terms, sign: int = 1) -> dict[Monomial, Fraction]:
    """The sum, or the difference."""
    return summed((*a.items(), *((m, sign * x) for m, x in b.items())))


def inverse(terms: Terms) -> dict[Monomial, Fraction] | None:
    """One over it, where it is a product."""
    if len(terms) != 1:
        return None
    ((monomial, number),) = terms.items()
    return {frozenset((axis, -power) for axis, power in monomial): 1 / number}


def of_monomial(coefficient: Fraction, powers: tuple[tuple[Axis, Fraction], ...]) -> dict[Monomial, Fraction]:
    """A product of sizes; sizes that are sums themselves are written out."""
    if len(powers) == 1 and powers[0][0].root().made is None:
        ((axis, power),) = powers
        return {frozenset([(axis.root(), power)]): coefficient}
    total: dict[Monomial, Fraction] = {NONE: coefficient}
    for axis, power in powers:
        root = axis.root()
        if root.made is not None and power == 1:
            total = times(total, rooted(root.made))
        else:
            total = times(total, {frozenset([(root, power)]): Fraction(1)})
    return total


def unfolded(coefficient: Number, powers: Powers) -> tuple[Number, Powers]:
    """A product of sizes without those that are products themselves, such as ``n // 2`` where n is even."""
    parts: list[tuple[Axis, Fraction]] = []
    for axis, power in powers:
        root = axis.root()
        if root.made is not None and len(root.made) == 1 and power.denominator == 1:
            ((monomial, number),) = root.made.items()
            coefficient = multiply(coefficient, number ** int(power))
            parts += [(part.root(), p * power) for part, p in monomial]
        else:
            parts.append((root, power))
    return coefficient, tuple(summed(parts).items())


def rooted(terms: Terms) -> dict[Monomial, Fraction]:
    """The same in what the axes have become since."""
    if all(axis.parent is None for monomial in terms for axis, _ in monomial):
        return dict(terms)
    return summed(
        (frozenset(summed((axis.root(), power) for axis, power in monomial).items()), x)
        for monomial, x in terms.items()
    )


def unrolled(terms: Terms) -> dict[Monomial, Fraction]:
    """The same with sizes that are sums themselves written out."""
    return summed(term for monomial, x in terms.items() for term in of_monomial(x, tuple(monomial)).items())


def settled(terms: Terms, known: set[Axis]) -> dict[Monomial, Fraction]:
    """The same with the sizes of some axes as the numbers that they are."""
    parts: list[tuple[Monomial, Fraction]] = []
    for monomial, x in terms.items():
        there = {axis: power for axis, power in monomial if axis in known and power.denominator == 1 and axis.size}
        for axis, power in there.items():
            x *= Fraction(axis.size) ** int(power)
        parts.append((frozenset((axis, power) for axis, power in monomial if axis not in there), x))
    return summed(parts)


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
    rest = frozenset((axis, -power) for axis, power in common)
    return number, common, {product(m, rest): x / number for m, x in terms.items()}


def is_whole(terms: Terms) -> bool:
    """Whether it is a sum of whole multiples of products of sizes."""
    return all(x.denominator == 1 and all(p > 0 and p.denominator == 1 for _, p in m) for m, x in terms.items())


def quotient(a: Terms, b: Terms) -> tuple[Terms, Terms, Terms]:
    """``a // b`` as ``whole + rest // divisor``, as simple as can be: ``n - 1 + (n + 1) // 2`` of (3n - 1)/2."""
    if set(b) == {NONE} and b[NONE] > 0:
        top, bottom = lowest(a, b[NONE])
        whole = {m: Fraction(x // bottom) for m, x in top.items() if x // bottom}
        rest = {m: x % bottom for m, x in top.items() if x % bottom}
        return whole, ({} if set(rest) <= {NONE} and is_whole(rest) else rest), {NONE: bottom}
    reciprocal, divided, rest = inverse(b), dict[Monomial, Fraction](), dict(a)
    for monomial, x in (a if reciprocal is not None else {}).items():
        part = times({monomial: x}, reciprocal or {})
        if is_whole(part):
            divided |= part
            del rest[monomial]
    return divided, rest, dict(b)


def lowest(a: Terms, b: Fraction) -> tuple[dict[Monomial, Fraction], Fraction]:
    """Whole numbers with the same whole quotient: ``(n, 2)`` for ``(2*n + 1, 4)``."""
    scale = math.lcm(b.denominator, *(x.denominator for x in a.values()))
    bottom = int(b * scale)
    common = math.gcd(bottom, *(int(x * scale) for m, x in a.items() if m))
    return {m: Fraction(int(x * scale) // common) for m, x in a.items()}, Fraction(bottom // common)


def is_negative(terms: Terms) -> bool:
    """Whether every size in it makes it less."""
    return bool(set(terms) - {NONE}) and all(x < 0 for m, x in terms.items() if m)


def always(below: Terms, above: Terms, *, strictly: bool) -> bool:
    """Whether one is at most the other for all sizes of at least 1; ``strictly``: whether it is less."""
    found = least(added(above, below, -1))
    return found is not None and (found > 0 or (found == 0 and not strictly))


def least(terms: Terms) -> Fraction | None:
    """The least that it can be if every size is at least 1; None where that is not known."""
    total = Fraction(0)
    for monomial, x in bounded(terms).items():
        if monomial and (x < 0 or any(p < 0 or axis.quotient for axis, p in monomial)):
            if x < 0 or any(p < 0 for _, p in monomial):
                return None
            continue  # a whole quotient may be 0
        total += x
    return total


def bounded(terms: Terms) -> Terms:
    """At most as much: a whole quotient that is taken away is at most the quotient, ``n - n // 2`` at least n/2."""
    for monomial, x in terms.items():
        axis = next((axis for axis, power in monomial if power == 1 and axis.quotient), None) if x < 0 else None
        if axis is not None and axis.quotient is not None and (below := inverse(axis.quotient[1])) is not None:
            rest = {product(monomial, frozenset([(axis, Fraction(-1))])): x}
            others = {m: y for m, y in terms.items() if m != monomial}
            return bounded(added(others, times(rest, times(rooted(axis.quotient[0]), below))))
    return terms


def key(terms: Terms) -> Hashable:
    """What two equal expressions have in common."""
    return frozenset(terms.items())


def axes_in(terms: Terms) -> tuple[Axis, ...]:
    """The sizes that it is made of."""
    return tuple(dict.fromkeys(axis for monomial in terms for axis, _ in monomial))


def text(terms: Terms, within: frozenset[Axis] = frozenset()) -> str | None:
    """``2*H - 1``; None where the user's code has no words for one of the sizes, or it is made of one of ``within``."""
    said = ""
    for monomial, x in sorted(terms.items(), key=lambda item: not item[0]):
        names = [(size_text(axis, within), power) for axis, power in monomial]
        if any(name is None for name, _ in names):
            return None
        above = sorted(_power(name or "", power) for name, power in names if power > 0)
        below = sorted(_power(name or "", -power) for name, power in names if power < 0)
        numbers = [abs(x.numerator)] if abs(x.numerator) != 1 or not above else []
        if not numbers and not below and len(above) == 1 and (len(terms) == 1 or is_product(above[0])):
            above = [names[0][0] or ""] if names[0][1] == 1 else above
        shown = "*".join([*map(str, numbers), *above])
        below = ([str(x.denominator)] if x.denominator != 1 else []) + below
        shown += f" / {below[0] if len(below) == 1 else '(' + '*'.join(below) + ')'}" if below else ""
        said += (f" {'-' if x < 0 else '+'} " if said else "-" * (x < 0)) + shown
    return said or "0"


def is_product(said: str) -> bool:
    """Whether words for a size need no parentheses beside + and -."""
    return not any(sign in said for sign in (" + ", " - "))


def _power(name: str, power: Fraction) -> str:
    """A size to a power, in parentheses where they must be."""
    alone = name if name.isidentifier() or (name.endswith((")", "]")) and " " not in name) else f"({name})"
    return f"sqrt({name})" if power == Fraction(1, 2) else alone + (f"**{power}" if power != 1 else "")


def size_text(axis: Axis, within: frozenset[Axis] = frozenset()) -> str | None:
    """The size of an axis in the user's words: its name there, or what it is made of."""
    root = axis.root()
    if root in within or root.name:
        return root.name or None
    inside = within | {root}
    if root.quotient is not None:
        parts = [text(part, inside) for part in root.quotient]
        above, below = (part if part is None or " " not in part else f"({part})" for part in parts)
        return None if above is None or below is None else f"{above} // {below}"
    return (None if root.made is None else text(root.made, inside)) or root.place or None
