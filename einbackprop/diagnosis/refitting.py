"""Equations that read values of another rank than when they were traced, as NumPy would have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..core.letters import letters_of, summed
from ..core.program import Contract, Equation, Map, Ref, Sum, operands
from ..core.simplification import with_refs
from ..core.subscripts import fresh_letters


def refit(equation: Equation, ranks: Mapping[str, int]) -> Equation | None:
    """A pointwise equation whose operands have other ranks; None where there is no telling.

    Parameters
    ----------
    equation : Equation
    ranks : mapping of name to int
        How many axes values have that had another number.

    Returns
    -------
    Equation or None
        Operands are aligned from their last axis on; the result has an axis for each letter that is left. A sum
        over letters that an operand still has stays a sum over its axes, counted from the first.
    """
    if not isinstance(equation, Contract | Sum | Map):
        return None
    if isinstance(equation, Contract) and (equation.brackets or (summed(equation) and len(equation.operands) > 1)):
        return None  # a product of matrices: which axes would meet is another question
    fresh = fresh_letters(letters_of(equation))
    if isinstance(equation, Contract) and summed(equation) and len(equation.operands) == 1:
        return resummed(equation, ranks, fresh)
    before = {i for ref in operands(equation) for i in ref.indices}
    added: dict[int, str] = {}

    def aligned(ref: Ref) -> Ref:
        rank = ranks.get(ref.name, len(ref.indices))
        kept = ref.indices[len(ref.indices) - rank :] if rank < len(ref.indices) else ref.indices
        for place in range(len(kept) + 1, rank + 1):  # counted from the last axis
            letter = added.get(place) or next((i for i in equation.out.indices[::-1][place - 1 : place]), "")
            added[place] = letter if letter and letter not in kept else next(fresh)
            kept = added[place] + kept
        return Ref(ref.name, kept)

    changed = with_refs(equation, aligned)
    present = {i for ref in operands(changed) for i in ref.indices}
    out = "".join(i for i in equation.out.indices if i in present or i not in before)
    new = "".join(i for ref in operands(changed) for i in ref.indices if i not in before and i not in out)
    return replace(changed, out=Ref(equation.out.name, "".join(dict.fromkeys(new)) + out))


def resummed(equation: Contract, ranks: Mapping[str, int], fresh: Iterator[str]) -> Equation | None:
    """A sum of a value of another rank: over the axes that the line says, counted from the first or from the last."""
    (ref,) = equation.operands
    code = equation.source.code if equation.source else ""
    rank = ranks[ref.name]
    places = [n for n, letter in enumerate(ref.indices) if letter not in equation.out.indices]
    if "axis" not in code:
        places = list(range(rank))
    elif re.search(r"axis=-", code):
        places = [n - len(ref.indices) + rank for n in places]
    if not all(0 <= n < rank for n in places):
        return None
    kept = iter(equation.out.indices)
    letters = [next(fresh) if n in places else next(kept, "") or next(fresh) for n in range(rank)]
    out = "".join(letter for n, letter in enumerate(letters) if n not in places)
    return replace(equation, out=Ref(equation.out.name, out), operands=(Ref(ref.name, "".join(letters)),))
