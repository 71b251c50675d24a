"""Scalars of equations: numbers, exact where they can be, times powers of sizes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from .collecting import summed
from .records import dataclass

Number = Fraction | float | complex
"""A Fraction wherever the number is finite and real, so that sums of factors are exact."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A scalar: a number times powers of sizes, as in ``½·B⁻¹``.

    Attributes
    ----------
    number : Fraction, or float for ±inf and nan, or complex
    sizes : tuple of (letter, power)
        ``(("b", -1),)`` is one over the size of the dimension that ``b`` ranges over, a power of ½ its root.
        Sorted by letter, no power is 0.
    """

    number: Number = Fraction(1)
    sizes: tuple[tuple[str, int | Fraction], ...] = ()

    @staticmethod
    def of(number: complex | Fraction, **sizes: int | Fraction) -> Factor:
        """A factor from a Python number and powers of sizes: ``Factor.of(0.5, b=-1)``."""
        return Factor(exact(number), tuple(sorted((i, p) for i, p in sizes.items() if p)))

    def __mul__(self, other: Factor) -> Factor:
        return Factor.of(multiply(self.number, other.number), **summed((*self.sizes, *other.sizes)))

    def __neg__(self) -> Factor:
        return Factor(-self.number, self.sizes)

    def conjugate(self) -> Factor:
        """The complex conjugate (sizes are real)."""
        return Factor(exact(complex(self.number).conjugate()), self.sizes) if isinstance(self.number, complex) else self

    def value(self, sizes: Mapping[str, int]) -> Number:
        """The number it is at the given size per letter. One over a size of 0 is inf, as in NumPy."""
        number = self.number
        for letter, power in self.sizes:
            size = Fraction(sizes[letter])
            raised = size**power if size or power > 0 else float("inf")
            number = multiply(number, exact(raised))
        return number


def exact(number: complex | Fraction) -> Number:
    """The same number as a Fraction where it is finite and real."""
    if isinstance(number, Fraction):
        return number
    if isinstance(number, complex | np.complexfloating):
        return exact(number.real) if number.imag == 0 else complex(number)
    number = int(number) if isinstance(number, bool | int | np.integer | np.bool_) else float(number)
    return Fraction(number) if isinstance(number, int) or np.isfinite(number) else number


def multiply(a: Number, b: Number) -> Number:
    """The product; a Fraction times inf or a complex number is taken in floating point."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a * b
    a_float = float(a) if isinstance(a, Fraction) else a
    return exact(a_float * (float(b) if isinstance(b, Fraction) else b))


ONE = Factor()
