"""Buffers that are filled round by round: a chain goes in, one write for all rounds of a statement comes out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import prod
from operator import itemgetter

import numpy as np

from ..core.collecting import grouped
from ..core.program import ONE, Bracket, Contract, Equation, Ref, Sum, Update, operands
from .chains import Chain, is_zero
from .choices import answered
from .grids import comparison
from .stacking import NotAlikeError, frame, without_repeats
from .workspace import Workspace, place_of

DEEPEST = 3  # so far back values are looked at for what tells them apart


class Buffers:
    """The buffers of a program.

    Attributes
    ----------
    stored : dict of value to Contract
        What was written into a buffer, as the part of the buffer that it is.
    ends : dict of value to value
        The links of chains, and the buffer once all rounds of a link's statement have written.
    whole : list of Bracket
        Where rounds write that fill all of a buffer.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self.stored: dict[str, Contract] = {}
        self.ends: dict[str, str] = {}
        self.whole: list[Bracket] = []

    def folded(self, chain: Chain) -> Equation | None:
        """A buffer with one write for all rounds of a statement; None where no two of its writes are alike."""
        defining = self._work.stacking.defining
        assert chain.base is not None
        base, changed = chain.base, False
        groups = list(grouped((place_of(write.source), write) for write in chain.writes).values())
        for n, group in enumerate(groups):
            made = self.of_statement(group, base) or self._by_answers(group, base)
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
            self.ends |= dict.fromkeys((write.out.name for write in group), name) if made is not None else {}
        return defining[chain.head.out.name] if changed else None

    def _by_answers(self, writes: Sequence[Update], base: Ref) -> Equation | None:
        """Writes into zeros by a statement that asked what to write, as a sum with a term for each answer; None where
        these are not alike."""
        stacking = self._work.stacking
        groups = answered(self._work.choices, writes)
        if len(groups) < 2:  # its counters may have answered
            groups = list(grouped((self._kind(write.value.name), write) for write in writes).values())
        if len(groups) < 2 or not is_zero(stacking.defining.get(base.name)):
            return None
        made = [self.of_statement(group, base, within=True) for group in groups]
        parts = [part for part in made if isinstance(part, Contract)]
        if len(parts) < len(made):
            return None
        parts = [part for part in parts if not is_zero(stacking.defining.get(part.operands[0].name))]
        named = [replace(part, out=Ref(stacking.fresh(part.out.name), part.out.indices)) for part in parts]
        stacking.defining |= {part.out.name: part for part in named}
        return Sum(writes[0].out, tuple((ONE, part.out) for part in named), writes[0].source) if named else None

    def _kind(self, name: str, depth: int = DEEPEST) -> Hashable:
        """What values that are alike have in common, they and what they are made of."""
        own = self._work.stacking.defining.get(name)
        if own is None or not depth:
            return None
        return type(own), frame(own), *(self._kind(ref.name, depth - 1) for ref in operands(own))

    def of_statement(self, writes: Sequence[Update], base: Ref, *, within: bool = False) -> Equation | None:
        """Writes of one statement as one; a whole buffer that is written, or one of zeros, is what is written. Those of
        some runs, if the statement asked ``within`` what to write."""
        stacking, rounds = self._work.stacking, self._work.rounds([write.source for write in writes], within=within)
        is_new = is_zero(stacking.defining.get(base.name))
        if len(writes) < 2 or rounds is None:
            return None
        if any(mask.place is None and comparison(*without_repeats(mask.names, rounds.letters)) is None
               for mask in rounds.masks):  # rounds that their counters pick in some other way
            return None
        first, ordered = writes[rounds.first], sorted(zip(rounds.places, writes, strict=True), key=itemgetter(0))
        alike: list[Equation] = [replace(write, base=base, out=first.out) for _, write in ordered]
        try:
            made = stacking.unified(alike, rounds.shape, rounds.letters, [place for place, _ in ordered])
            limits, brackets = self._work.conditions(rounds)
        except NotAlikeError:
            return None
        assert isinstance(made, Update)
        reached = "".join(b.right.letters for b in made.brackets)
        places = self._places(made, rounds.letters)
        if not set(rounds.letters) <= set(reached) or places is None:
            return None
        whole = prod(self._work.counters.size(i) for i in made.out.indices if i not in made.value.indices)
        if places == whole:
            self.whole += made.brackets
        is_whole = places == whole or (is_new and not stacking.shown)
        if made.mask is None and (is_new if rounds.masks or within else is_whole):
            everything = (made.value, *limits), (*made.brackets, *brackets)
            return Contract(made.out, *everything, source=first.source)
        if rounds.masks and made.mask is not None:
            return None
        if rounds.masks:
            there = "".join(bracket.left.letters for bracket in made.brackets)
            limit = Ref(stacking.fresh("written"), there)
            stacking.defining[limit.name] = Contract(
                limit, tuple(limits), (*brackets, *made.brackets), source=first.source)
            made = replace(made, mask=limit)
        return replace(made, source=first.source)

    def join(self) -> None:
        """Let the axes that loops fill entry by entry have the letters of these loops."""
        counters = self._work.counters
        for left, right in ((bracket.left, bracket.right) for bracket in self.whole):
            if left.is_letter and right.is_letter and counters.size(left.letters) == counters.size(right.letters):
                counters.become_one(right.letters, left.letters)

    def _places(self, write: Update, letters: str) -> int | None:
        """How many places along the axes with brackets are written to, those aside at which data say where; None where
        two are one."""
        brackets = [bracket for bracket in write.brackets if bracket.right.pick is None]
        if not brackets or any(bracket.relation != "=" for bracket in write.brackets):
            return None
        running = list(dict.fromkeys(letters + "".join(bracket.right.letters for bracket in brackets)))
        index = dict(zip(running, np.indices([self._work.counters.size(i) for i in running]), strict=True))
        sizes = {i: d.size for d in self._work.counters.dimensions for i in d.letters}
        found = [
            np.full(index[running[0]].shape, bracket.right.constant, dtype=object)
            + sum(factor.value(sizes) * index[i] for factor, i in bracket.right.terms)
            for bracket in brackets
        ]
        spots = np.stack([one.astype(int).ravel() for one in found])
        count = len(np.unique(spots, axis=1).T)
        return count if count == spots.shape[1] else None
