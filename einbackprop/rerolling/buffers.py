"""Buffers that are filled round by round: a chain goes in, one write for all rounds of a statement comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from ..core.collecting import grouped
from ..core.program import Contract, Equation, Ref, Update
from .chains import Chain, is_zero
from .stacking import NotAlikeError
from .workspace import Workspace, place_of


class Buffers:
    """The buffers of a program.

    Attributes
    ----------
    stored : dict of value to Contract
        What was written into a buffer, as the part of the buffer that it is.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self.stored: dict[str, Contract] = {}

    def folded(self, chain: Chain) -> Equation | None:
        """A buffer with one write for all rounds of a statement; None where no two of its writes are alike."""
        defining = self._work.stacking.defining
        assert chain.base is not None
        base, changed = chain.base, False
        groups = list(grouped((place_of(write.source), write) for write in chain.writes).values())
        for n, group in enumerate(groups):
            made = self.of_statement(group, base)
            changed |= made is not None
            if isinstance(made, Update | Contract):
                whole = Ref(chain.head.out.name, made.out.indices)
                value = made.value if isinstance(made, Update) else made.operands[0]
                self.stored[value.name] = Contract(value, (whole,), made.brackets, source=made.source)
            writes: Sequence[Equation] = [made] if made is not None else [
                replace(write, base=base) if k == 0 else write for k, write in enumerate(group)]  # fmt: skip
            for k, write in enumerate(writes):
                is_last = n == len(groups) - 1 and k == len(writes) - 1
                name = chain.head.out.name if is_last else self._work.stacking.fresh(chain.head.out.name)
                write = replace(write, out=Ref(name, chain.head.out.indices))
                if isinstance(write, Update):
                    write = replace(write, base=Ref(base.name, chain.head.out.indices))
                defining[name], base = write, write.out
        return defining[chain.head.out.name] if changed else None

    def of_statement(self, writes: Sequence[Update], base: Ref) -> Equation | None:
        """Writes of one statement as one; a whole buffer that is written, or one of zeros, is what is written."""
        grid = self._work.grid([write.source for write in writes]) if len(writes) > 1 else None
        if grid is None:
            return None
        first = writes[grid.order.flat[0]]
        ordered = [replace(writes[n], base=base, out=first.out) for n in grid.order.flat]
        try:
            made = self._work.stacking.unified(list(ordered), grid.order.shape, grid.letters)
        except NotAlikeError:
            return None
        assert isinstance(made, Update)
        reached = "".join(b.right.letters for b in made.brackets)
        places = self._places(made, grid.letters)
        if not set(grid.letters) <= set(reached) or places is None:
            return None
        whole = prod(self._work.counters.size(i) for i in made.out.indices if i not in made.value.indices)
        is_new = not self._work.stacking.shown and is_zero(self._work.stacking.defining.get(base.name))
        if made.mask is None and (places == whole or is_new):
            return Contract(made.out, (made.value,), made.brackets, source=first.source)
        return replace(made, source=first.source)

    def _places(self, write: Update, letters: str) -> int | None:
        """How many entries along the axes with brackets are written; None where two are one, or data say which."""
        if any(b.right.pick is not None or b.relation != "=" for b in write.brackets):
            return None
        running = list(dict.fromkeys(letters + "".join(b.right.letters for b in write.brackets)))
        index = dict(zip(running, np.indices([self._work.counters.size(i) for i in running]), strict=True))
        sizes = {i: d.size for d in self._work.counters.dimensions for i in d.letters}
        found = [
            np.full(index[running[0]].shape, bracket.right.constant, dtype=object)
            + sum(factor.value(sizes) * index[i] for factor, i in bracket.right.terms)
            for bracket in write.brackets
        ]
        spots = np.stack([one.astype(int).ravel() for one in found])
        count = len(np.unique(spots, axis=1).T)
        return count if count == spots.shape[1] else None
