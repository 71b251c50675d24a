"""What was found when two values were compared, and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from einbackprop.core.program import Contract
from einbackprop.notation.index_notation import equation_text

EVERY_SIZE = "every size is at least 1"
Sums = tuple[tuple[Contract, Fraction | int], ...]
"""Sums of an input that have a known value: ``(Contract(Ref("s", "b"), (Ref("Y", "kb"),)), 1)``: Σ_k Y[k,b] is 1."""


def right_side(equation: Contract) -> str:
    """What stands after the equals sign: ``Σ_k Y[k,b]``."""
    return equation_text(equation).split(" = ", 1)[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when two values were compared.

    Attributes
    ----------
    verdict : 'proved' or 'undecided'
        ``proved``: one normal form, so that they are equal for every size and value.
    assumptions : tuple of str
        What the proof rests on.
    reason : str
        Why there is none.
    """

    verdict: Literal["proved", "undecided"]
    assumptions: tuple[str, ...] = ()
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verdict == "proved"
