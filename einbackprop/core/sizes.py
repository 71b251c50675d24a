"""Sizes as expressions of others, for code that takes them from its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor, lcm, prod


@dataclass(frozen=True, slots=True)
class Size:
    """A sum of products of sizes: ``((1, (("i",),)), (-1, ()))`` is one less than the size of i.

    A factor is the letter of a dimension, or a whole quotient. ``positive`` says whether it is at least 1 wherever all
    sizes are.
    """

    terms: tuple[tuple[Fraction, tuple[str | Quotient, ...]], ...]
    positive: bool = True

    @property
    def letters(self) -> str:
        """The letters of the sizes in it."""
        factors = [factor for _, product in self.terms for factor in product]
        return "".join(dict.fromkeys("".join(f if isinstance(f, str) else f.letters for f in factors)))

    def value(self, sizes: Mapping[str, int]) -> int:
        """The number that it is."""
        total = Fraction(0)
        for number, product in self.terms:
            total += number * prod(sizes[f] if isinstance(f, str) else f.value(sizes) for f in product)
        return floor(total)

    def code(self, size: Callable[[str], str]) -> str:
        """It as Python, with a variable for the size of each letter."""
        below = lcm(*(number.denominator for number, _ in self.terms))
        text = ""
        for number, product in self.terms:
            count = number * below
            factors = [size(f) if isinstance(f, str) else f"({f.code(size)})" for f in product]
            if len(self.terms) == len(product) == 1 and count == 1 == below and not isinstance(product[0], str):
                return product[0].code(size)
            shown = " * ".join([*([str(abs(count))] if abs(count) != 1 or not factors else []), *factors])
            text += (f" {'-' if count < 0 else '+'} " if text else "-" * (count < 0)) + shown
        return f"({text}) // {below}" if below != 1 else text


@dataclass(frozen=True, slots=True)
class Quotient:
    """``above // below``."""

    above: Size
    below: Size

    @property
    def letters(self) -> str:
        """The letters of the sizes in it."""
        return self.above.letters + self.below.letters

    def value(self, sizes: Mapping[str, int]) -> int:
        """The number that it is."""
        below = self.below.value(sizes)
        return self.above.value(sizes) // below if below else 0

    def code(self, size: Callable[[str], str]) -> str:
        """It as Python."""
        parts = [part.code(size) for part in (self.above, self.below)]
        above, below = (f"({part})" if " " in part else part for part in parts)
        return f"{above} // {below}"


@dataclass(frozen=True, slots=True)
class Place:
    """A position along an axis that is an expression of sizes, and why it is a number where it is taken for one.

    ``within`` says whether it is in the axis wherever all sizes are at least 1.
    """

    size: Size
    reason: str
    within: bool = True
