"""Multiples of what is at hand: two arrays go in, the numbers at hand of which one is so many times the other come out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.diagnosis.experiments import Array
from einbackprop.diagnosis.vocabulary import Hand
from einbackprop.diagnosis.vocabulary.hand import value_of
from einbackprop.diagnosis.vocabulary.trees import binary, multiplied, number, parsed

MOST_WEIGHTS = 4
"""Numbers that may weigh a term, and that count samples, at most."""
CLOSE = 1e-5
"""How far apart two arrays may be, relative to the largest entry."""


@dataclass(frozen=True)
class Factor:
    """A number at hand: what it is multiplied by and divided by, as expressions, and how unusual that is."""

    value: float
    times: tuple[ast.expr, ...] = ()
    over: tuple[ast.expr, ...] = ()
    cost: float = 0.0

    def of(self, term: ast.expr) -> ast.expr:
        """A term times this number, as people write it."""
        for factor in reversed(self.times):
            term = multiplied(factor, term)
        for divisor in self.over:
            term = binary(term, "/", divisor)
        return term


def factors_at_hand(hand: Hand, names: Mapping[str, Any]) -> Iterator[Factor]:
    """Products of numbers that weigh a term, with 1, 2 or a half, over how many samples there are perhaps."""
    def held(text: str) -> float | None:
        known = value_of(parsed(text), names)
        return abs(float(known)) if isinstance(known, float | int | np.number) and known else None

    weights = [(parsed(text), size) for text in hand.scalars[:MOST_WEIGHTS] if (size := held(text))]
    counts = [(parsed(text), size) for text in hand.sizes if hand.is_count(text) and (size := held(text))]
    halves = [(1.0, None), (0.5, number(0.5)), (2.0, number(2))]
    halves += [(float(one), parsed(one)) for one in hand.literals if is_real(one)]
    for weight, (half, written), count in product([None, *weights], halves, [None, *counts[:MOST_WEIGHTS]]):
        times = (*([weight[0]] if weight else []), *([written] if written else []))
        size = (weight[1] if weight else 1.0) * half / (count[1] if count else 1.0)
        cost = 0.2 * len(times) + (0.1 if count else 0.0)
        yield Factor(size, times, (count[0],) if count else (), cost)


def factors_between(missing: Array, values: Array, near: float, factors: Iterable[Factor]) -> Iterator[Factor]:
    """The factors of which an array is so many times another, to within ``near`` in each entry; with its sign."""
    square = float(values @ values)
    if not np.isfinite(square) or not square:
        return
    times = float(missing @ values) / square
    if np.abs(missing - times * values).max(initial=0.0) <= near:
        yield from (one if times > 0 else replace(one, value=-one.value) for one in factors
                    if abs(abs(times) - one.value) <= CLOSE * one.value)  # fmt: skip


def is_real(text: str) -> bool:
    """Whether a text is a number that no sign stands before, other than 0."""
    return re.fullmatch(r"[\d.]+(?:e-?\d+)?", text) is not None and float(text) > 0


def expected(made: list[Array], shift: Array | None, known: list[Array]) -> Array:
    """What a statement should make, run after run: as it is known of each run, else what it made and by how much that
    is off.
    """
    if len(known) == len(made) > 1:
        return np.concatenate(known)
    return np.concatenate(made) + (0.0 if shift is None else shift)


