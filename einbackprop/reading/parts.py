"""Writes into a part of an array, in the letters of that part: all that the user has in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from ..core.letters import relettered
from ..core.program import Bracket, Contract, Equation, Factor, Position, Ref, Sum, Update

BASE, ADDED = "\0base", "\0added"
"""Names that no value has: of what is written into as it was before, and of what is added to it."""


def through_window(
    gathered: Contract, written: Update | Sum, before: str, made: Mapping[str, Equation]
) -> tuple[Equation, Contract | None] | None:  # fmt: skip
    """A write into a whole array as one into the part of it that the user has in hand.

    The part has letters of its own, ``[i = 2q+1]``: a write to ``[i = 5]`` is one to ``[q = 2]`` there. None where the
    write has a mask, or adds what has letters of the whole. Beside the write, what it adds.
    """
    parts = {b.left.letters: b.right for b in gathered.brackets if b.relation == "=" and len(b.left.letters) == 1}
    whole = relettered(written, gathered.operands[0].indices)
    out = gathered.out
    if isinstance(whole, Update):
        brackets = [moved(bracket, parts) for bracket in whole.brackets]
        if whole.mask is not None or None in brackets:
            return None
        kept = tuple(b for b in brackets if b is not None and b.right not in (b.left, None))
        return Update(out, Ref(BASE, out.indices), whole.value, kept, None, written.source), None
    assert isinstance(whole, Sum)
    (added, *more), total = [ref for _, ref in whole.terms if ref is None or ref.name != before] or [None], whole.terms
    inner = made.get(added.name) if added is not None else None
    if more or added is None or not isinstance(inner, Contract) or len(total) != 2:
        return None
    spread = relettered(inner, added.indices)
    assert isinstance(spread, Contract)
    brackets = [moved(bracket, parts) for bracket in spread.brackets]
    if None in brackets or parts.keys() & {i for ref in spread.operands for i in ref.indices}:
        return None
    part = replace(spread, out=Ref(ADDED, out.indices), brackets=tuple(b for b in brackets if b is not None))
    terms = tuple((f, Ref(BASE if r is not None and r.name == before else ADDED, out.indices)) for f, r in total)
    return Sum(out, terms, written.source), part


def moved(bracket: Bracket, parts: Mapping[str, Position]) -> Bracket | None:
    """A bracket of a whole array as one of a part of it; one that all of the part fulfils has two equal sides."""
    part = parts.get(bracket.left.letters)
    if part is None:
        return bracket
    if not part.terms:
        return Bracket(part, "=", part)
    position = within(bracket.right, part)
    return None if position is None else Bracket(Position.of(part.letters), "=", position)


def within(position: Position, part: Position) -> Position | None:
    """A position along a whole axis as one along a part of it, ``step · q + start``."""
    (step, _), *more = part.terms
    number = step.number
    if more or step.sizes or not isinstance(number, Fraction) or part.pick is not None:
        return None
    start = Fraction(position.constant - part.constant) / number
    terms = tuple((Factor(factor.number / number, factor.sizes), i) for factor, i in position.terms
                  if isinstance(factor.number, Fraction))  # fmt: skip
    if start.denominator != 1 or (position.pick is not None and number != 1):
        return None
    return Position(terms, int(start), position.pick)
