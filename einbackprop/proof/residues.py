"""Exact arithmetic with exponentials and roots: numbers modulo a chain of primes.

A number is known modulo several primes p₀, p₁, …, each of which divides the one before less one. The exponential of x
is g^x modulo p₀, where g has the order p₁, so that x has to be known modulo p₁: then exp(a + b) = exp(a)·exp(b) holds
exactly. A number of which an exponential was taken is known modulo one prime fewer. All primes are 3 modulo 4: of x
and -x exactly one is a square, which plays the part of the positive numbers: exp(x) is a square, the root of a square
is the one that is a square itself, and roots and powers of positive numbers multiply. Other functions are drawn at
random, the same for equal arguments.

Two formulas whose equality follows from these laws agree here always; two that differ do so at random numbers with
a probability of all but about 2⁻⁵⁰.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from random import Random

from ..errors import UndecidedError

INNERMOST = 0x2000000000008DE7
COFACTORS = (1, 49, 1, 19, 37, 19, 811, 73, 31, 73, 37)


def chain() -> list[int]:
    """The primes, the largest first: each is 1 modulo the next."""
    primes = [INNERMOST]
    for cofactor in COFACTORS:
        primes.append(2 * cofactor * primes[-1] + 1)
    return primes[::-1]


PRIMES = chain()
DEEPEST = len(PRIMES) - 1


class DrawError(UndecidedError):
    """These random numbers do not do: a denominator is 0, or there is no root. Others may."""


class Residue:
    """A number modulo the first few of ``PRIMES``, with the arithmetic of a field."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[int]) -> None:
        self.parts = tuple(parts)

    def _of(self, other: object) -> tuple[int, ...] | None:
        if isinstance(other, Residue):
            return other.parts
        if isinstance(other, int):
            return tuple([other % p for p in PRIMES[: len(self.parts)]])
        return residue(other, len(self.parts)).parts if isinstance(other, Fraction) else None

    def __add__(self, other: object) -> Residue:
        parts = self._of(other)
        if parts is None:
            return NotImplemented
        return Residue([(a + b) % p for a, b, p in zip(self.parts, parts, PRIMES, strict=False)])

    __radd__ = __add__

    def __mul__(self, other: object) -> Residue:
        parts = self._of(other)
        if parts is None:
            return NotImplemented
        return Residue([a * b % p for a, b, p in zip(self.parts, parts, PRIMES, strict=False)])

    __rmul__ = __mul__

    def __neg__(self) -> Residue:
        return Residue([-a % p for a, p in zip(self.parts, PRIMES, strict=False)])

    def __sub__(self, other: object) -> Residue:
        parts = self._of(other)
        if parts is None:
            return NotImplemented
        return Residue([(a - b) % p for a, b, p in zip(self.parts, parts, PRIMES, strict=False)])

    def __rsub__(self, other: object) -> Residue:
        return -self + other

    def __pow__(self, exponent: int) -> Residue:
        if exponent < 0 and not all(self.parts):
            raise DrawError("a denominator is 0")
        return Residue([pow(a, exponent, p) for a, p in zip(self.parts, PRIMES, strict=False)])

    def __eq__(self, other: object) -> bool:
        parts = self._of(other)
        return parts is not None and all(a == b for a, b in zip(self.parts, parts, strict=False))

    def __hash__(self) -> int:
        return hash(self.parts[0])

    def __bool__(self) -> bool:
        return any(self.parts)

    def __repr__(self) -> str:
        return f"Residue({self.parts[0]} mod {PRIMES[0]}, {len(self.parts)} deep)"


def residue(number: Fraction, depth: int) -> Residue:
    """A fraction modulo the first ``depth`` primes."""
    try:
        return Residue([number.numerator * pow(number.denominator, -1, p) % p for p in PRIMES[:depth]])
    except ValueError:
        raise DrawError(f"the denominator of {number} is 0 modulo a prime") from None


def draw(random: Random, depth: int, *, square: bool = False) -> Residue:
    """A random number; a square plays a positive one."""
    drawn = Residue([random.randrange(1, p) for p in PRIMES[:depth]])
    return drawn * drawn if square else drawn


def exp(x: Residue) -> Residue:
    """``g^x``: known modulo one prime fewer than x."""
    if len(x.parts) < 2:
        raise UndecidedError(f"exponentials are nested over {DEEPEST} deep")
    return Residue([
        pow(4, (p - 1) // q * e, p) for p, q, e in zip(PRIMES, PRIMES[1:], x.parts[1:], strict=False)
    ])  # fmt: skip


def is_positive(x: Residue) -> bool:
    """Whether it is a square modulo the first prime, and not 0."""
    return pow(x.parts[0], (PRIMES[0] - 1) // 2, PRIMES[0]) == 1


def power(x: Residue, exponent: Fraction) -> Residue:
    """A rational power: of squares where the root is even.

    Raises
    ------
    DrawError
        There is no such root, or x is 0 in a denominator.
    UndecidedError
        Roots of this degree are not unique.
    """
    degree = exponent.denominator
    while degree % 2 == 0:
        roots = [pow(a, (p + 1) // 4, p) for a, p in zip(x.parts, PRIMES, strict=False)]
        if any(r * r % p != a for r, a, p in zip(roots, x.parts, PRIMES, strict=False)):
            raise DrawError("there is no root")
        x, degree = Residue(roots), degree // 2
    try:
        odd = [pow(a, pow(degree, -1, p - 1), p) for a, p in zip(x.parts, PRIMES, strict=False)]
    except ValueError:
        raise UndecidedError(f"roots of degree {degree} have no exact arithmetic here") from None
    return Residue(odd) ** exponent.numerator


def oracle(name: str, arguments: Sequence[Residue]) -> Residue:
    """A random number for a function that has no arithmetic here, the same for equal arguments."""
    parts = zip(*(x.parts for x in arguments), strict=False)
    return Residue([
        int.from_bytes(blake2b(f"{name} {k} {part}".encode(), digest_size=32).digest()) % p
        for k, (part, p) in enumerate(zip(parts, PRIMES, strict=False))
    ])  # fmt: skip
