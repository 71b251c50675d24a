"""What is assumed when two values are compared, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ..core.program import Contract
from ..notation.index_notation import equation_text
from .witness import Witness

EVERY_SIZE = "every size is at least 1"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the caller knows about the inputs; a comparison lists those that it was given.

    Attributes
    ----------
    sums : tuple of (Contract, number)
        Sums that have a known value: ``(Contract(Ref("s", "b"), (Ref("Y", "kb"),)), 1)`` says that Σ_k Y[k,b] is 1.
    zero_or_one, positive : frozenset of str
        Inputs of which every entry is so.
    """

    sums: tuple[tuple[Contract, Fraction | int], ...] = ()
    zero_or_one: frozenset[str] = frozenset()
    positive: frozenset[str] = frozenset()

    def sentences(self) -> tuple[str, ...]:
        """Each assumption in words."""
        said = [f"{right_side(contract)} = {value}" for contract, value in self.sums]
        said += [f"{name} holds zeros and ones only" for name in sorted(self.zero_or_one)]
        return (*said, *(f"{name} is positive" for name in sorted(self.positive)))


NOTHING = Assumptions()


def right_side(equation: Contract) -> str:
    """What stands after the equals sign: ``Σ_k Y[k,b]``."""
    return equation_text(equation).split(" = ", 1)[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when two values were compared.

    Attributes
    ----------
    verdict : 'proved', 'different' or 'undecided'
        ``proved``: one normal form, so that they are equal for every size and value. ``different``: at the witness's
        numbers they differ. ``undecided``: neither.
    assumptions : tuple of str
        What the verdict rests on.
    reason : str
        Why it is undecided.
    exact : bool
        Undecided, but equal in exact arithmetic at all drawn sizes and values.
    witness : Witness, optional
        Where the two differ.
    """

    verdict: Literal["proved", "different", "undecided"]
    assumptions: tuple[str, ...] = ()
    reason: str = ""
    exact: bool = False
    witness: Witness | None = None

    def __bool__(self) -> bool:
        return self.verdict == "proved"
