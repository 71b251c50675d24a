"""The value of a normal form at given arrays, by looping over every index: an oracle that knows no rule of algebra."""

import math
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from einbackprop.core import elementwise
from einbackprop.core.program import Program

LONGEST = 3000


class TooLongError(Exception):
    """A sum over so many indices is not evaluated by loops."""


class Evaluator:
    """Evaluates terms of a program's normal forms; each atom is computed from its definition."""

    def __init__(self, program: Program, arrays: list[np.ndarray], sizes: dict[str, int]) -> None:
        self.arrays = {i.ref.name: array for i, array in zip(program.inputs, arrays, strict=True)}
        self.sizes = {n: sizes[d.letters[0]] for n, d in enumerate(program.dimensions)}

    def array(self, polynomial: Any, letters: str, program: Program) -> np.ndarray:
        """The value on all its axes."""
        numbers = [n for i in letters for n, d in enumerate(program.dimensions) if i in d.letters]
        indices = [n << 32 | k for k, n in enumerate(numbers)]
        result = np.empty([self.sizes[n] for n in numbers], dtype=object)
        for place in np.ndindex(result.shape):
            result[place] = self.terms(polynomial.terms, dict(zip(indices, place, strict=True)))
        return result

    def agrees(self, polynomial: Any, letters: str, program: Program, value: np.ndarray, same: Any) -> bool:
        """Whether it has this value; True where a loop would take too long."""
        try:
            return bool(same(self.array(polynomial, letters, program), value))
        except TooLongError:
            return True

    def terms(self, terms: Any, at: dict[int, int]) -> Any:
        return sum((c * self.product(m, at) for m, c in terms.items()), Fraction(0))

    def product(self, m: Any, at: dict[int, int]) -> Any:
        result: Any = Fraction(1)
        powers = sorted(m, key=lambda item: not item[0][0].indicator)
        for (head, indices), exponent in powers:
            if result == 0 and powers[0][0][0].indicator:
                return result  # a branch that is not taken may have no value
            value = self.atom(head, [at[i] for i in indices])
            power = int(exponent) if exponent == int(exponent) else float(exponent)
            result = result * (value if power == 1 else (value if power == int(power) else float(value)) ** power)
        return result

    def atom(self, head: Any, places: list[int]) -> Any:
        slots = {d << 32 | k: place for k, (d, place) in enumerate(zip(head.dimensions, places, strict=True))}
        match head.kind, head.name:
            case "input", name:
                return self.arrays[name][tuple(places)]
            case "size", dimension:
                return Fraction(self.sizes[int(dimension)])
            case "number", text:
                return Fraction(int(text))
            case "letter", _:
                return Fraction(places[0])
            case "sum", _:
                return sum(self.over(head, slots), Fraction(0))
            case "power", _:
                return self.terms(head.arguments[0], slots)
            case _, "max":
                return max(self.over(head, slots))
            case _, "delta":
                return Fraction(places[0] == places[1])
            case _, "zero":
                return Fraction(bool(self.terms(head.arguments[0], slots) == 0))
            case _, "positive":
                return Fraction(bool(self.terms(head.arguments[0], slots) > 0))
        values = [np.asarray(self.terms(a, slots), dtype=float) for a in head.arguments]
        return float(elementwise.evaluate(head.name, values))

    def over(self, head: Any, slots: dict[int, int]) -> list[Any]:
        ranges = [range(self.sizes[i >> 32]) for i in head.bound]
        if math.prod(map(len, ranges)) > LONGEST:
            raise TooLongError
        return [
            self.terms(head.arguments[0], slots | dict(zip(head.bound, places, strict=True)))
            for places in product(*ranges)
        ]


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Exactly equal."""
    return bool(np.all(a == b))


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to some thousand roundings of the largest; what is infinite or nan in one is not compared."""
    left, right = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    finite = np.isfinite(left) & np.isfinite(right)
    scale = max(1.0, np.abs(right[finite]).max(initial=0))
    return bool(np.all(np.abs(left[finite] - right[finite]) <= 1e-9 * scale)) and not math.isnan(scale)
