"""Sums that grow round by round: a chain goes in, a sum over the letters of its loops comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

from ..core.collecting import grouped
from ..core.program import ONE, Contract, Equation, Factor, Ref, Source, Sum
from .chains import Chain, Term, is_zero
from .choices import answered
from .stacking import NotAlikeError
from .workspace import Rounded, Workspace, place_of

FEW = 3
"""Terms of one sum from which on it may be that of a loop; a loop of two rounds is known by what else it makes."""


class Sums:
    """The sums of a program.

    Attributes
    ----------
    parts : dict of (place of a statement, chain) to Ref
        What all runs of a statement add to a sum.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self.parts: dict[Hashable, Ref] = {}
        self._turn: dict[str, Source | None] = {}  # in which round the first term of a sum was made

    def folded(self, chain: Chain) -> Equation | None:
        """A sum over the letters of loops; None where no two of its terms are alike."""
        ways = [self._parts(terms, chain.head.out) for terms in (chain.others, chain.terms) if terms]
        best = min(ways, key=lambda parts: (
            sum(1 if made else len(group) for made, group in parts),
            -sum(len(group) for made, group in parts if made and len(group) >= FEW)))  # fmt: skip
        if not any(made for made, _ in best):
            return None
        alone = best[0][0] if len(best) == 1 else None
        if alone is not None:
            self._turn[chain.head.out.name] = self._turns(best[0][1])[0]
        whole = Counter(place_of(group[0].source) for _, group in best if not self._is_base(group, chain))
        if alone is not None:
            self.parts[place_of(alone.source), chain.head.out.name] = chain.head.out
            return replace(alone, out=chain.head.out)
        total: list[tuple[Factor, Ref | None]] = []
        for made, group in best:
            if made is not None:
                self._work.stacking.defining[made.out.name] = made
                if whole[place_of(group[0].source)] == 1:
                    self.parts[place_of(group[0].source), chain.head.out.name] = made.out
            total += [(ONE, made.out)] if made is not None else [(term.factor, term.ref) for term in group]
        runs = (group[0].source for _, group in best if place_of(group[0].source) == place_of(chain.head.source))
        return Sum(chain.head.out, tuple(total), next(runs, chain.head.source))

    def _is_base(self, group: Sequence[Term], chain: Chain) -> bool:
        """Whether terms are only what a sum began with: a number, or what another statement has made."""
        first = chain.terms[0].ref
        if first is None and len(chain.terms) > len(group) == 1 and group[0] == chain.terms[0]:
            return True
        made = self._work.stacking.defining.get(first.name) if first is not None else None
        is_first = len(group) == 1 and group[0].ref == first
        return is_first and (made is None or place_of(made.source) != place_of(group[0].source))

    def _parts(self, terms: Sequence[Term], out: Ref) -> list[tuple[Equation | None, list[Term]]]:
        """The terms of each statement, and the sum of all of them over the letters of its loops, if they are alike."""
        defining = self._work.stacking.defining
        left = [self._plain(t) for t in terms if t.ref is None or not is_zero(defining.get(t.ref.name))]
        groups = grouped((self._kind(term), term) for term in left)
        made: list[tuple[Equation | None, list[Term]]] = [
            (self._of_statement(group, out), group) for group in groups.values()]
        return made if any(one for one, _ in made) else self._by_answers(left, out) or made

    def _by_answers(self, terms: Sequence[Term], out: Ref) -> list[tuple[Equation | None, list[Term]]]:
        """The terms of one statement that asked which of several it adds, as one sum for each answer; nothing where
        these are not alike."""
        groups = answered(self._work.choices, terms)
        if len(groups) < 2 or len({place_of(term.source) for term in terms}) > 1:
            return []
        parts = [self._of_statement(group, out, within=True) for group in groups]
        some = [part for part in parts if part is not None]
        if len(some) < len(parts):
            return []
        self._work.stacking.defining |= {part.out.name: part for part in some}
        total = Ref(self._work.stacking.fresh(out.name), out.indices)
        return [(Sum(total, tuple((ONE, part.out) for part in some), some[0].source), list(terms))]

    def _plain(self, term: Term) -> Term:
        """A term that is a multiple of a value, made by the statement that adds it, as that value."""
        own = self._work.stacking.defining.get(term.ref.name) if term.ref is not None else None
        if not isinstance(own, Contract) or len(own.operands) != 1 or own.brackets or own.factor == ONE:
            return term
        if place_of(own.source) != place_of(term.source) or own.operands[0].indices != own.out.indices:
            return term
        assert term.ref is not None
        return Term(term.factor * own.factor, Ref(own.operands[0].name, term.ref.indices), own.source)

    def _kind(self, term: Term) -> Hashable:
        """What terms that may be alike have in common: the statement that adds them and the one that made them, and a
        factor; of the entries of a list that becomes an array, the statement that made these."""
        defining = self._work.stacking.defining
        own = defining.get(term.ref.name) if term.ref is not None else None
        is_entry = isinstance(own, Contract) and len(own.operands) == 1 and bool(own.brackets)
        made = defining.get(own.operands[0].name) if is_entry and isinstance(own, Contract) else None
        listed = place_of(made.source) if made is not None and not self._work.path(term.source) else None
        places = place_of(term.source), own and place_of(own.source), listed
        count = len(own.operands) if isinstance(own, Contract) else 0
        return places, term.factor, type(own), count, term.ref and term.ref.indices

    def _of_statement(self, terms: Sequence[Term], out: Ref, *, within: bool = False) -> Contract | None:
        """Terms of one statement as one sum over the letters of its loops, times the conditions on which they are."""
        turns = self._turns(terms)
        rounds = self._work.rounds(turns, within=within) if len(terms) > 1 else None
        if rounds is None:
            return None
        first = terms[rounds.first]
        try:
            refs = self._factors(terms, rounds)
            limits, brackets = self._work.conditions(rounds)
        except NotAlikeError:
            return None
        self._join(self._work.stacking.defining.get(refs[0].name) if refs else None, rounds.letters)
        refs += limits
        used = "".join(ref.indices for ref in refs) + "".join(bracket.letters for bracket in brackets)
        count = Factor.of(1, **{i: 1 for i in rounds.letters if i not in used})
        at = turns[rounds.first]
        source = at if place_of(at) == place_of(first.source) else first.source
        label = self._work.stacking.fresh(out.name)
        return Contract(Ref(label, out.indices), tuple(refs), brackets, first.factor * count, source)

    def _factors(self, terms: Sequence[Term], rounds: Rounded) -> list[Ref]:
        """What the terms are multiples of, in all rounds; nothing where they are multiples of 1."""
        if terms[0].ref is None:
            return []
        names = rounds.arranged([term.ref.name if term.ref is not None else None for term in terms])
        name, used = self._work.stacking.stacked(names, rounds.letters)
        return [Ref(name, used + terms[0].ref.indices)]

    def _turns(self, terms: Sequence[Term]) -> list[Source | None]:
        """The run of a statement that each term belongs to: where one statement adds all at once, as a list becomes an
        array, the one that made what it adds."""
        defining = self._work.stacking.defining
        made = [defining.get(term.ref.name) if term.ref is not None else None for term in terms]
        own = [term.source for term in terms]
        first = made[0].source if made[0] is not None else None
        begun = [self._work.run(place_of(own[-1]), self._work.path(first)) or first, *own[1:]]  # 0 + x is x
        for turns in (own, begun):
            if len({self._work.path(source) for source in turns}) == len(terms) and len(set(map(place_of, turns))) == 1:
                return turns
        turns = [e.source if e is not None and place_of(e.source) == place_of(term.source) else term.source
                 for e, term in zip(made, terms, strict=True)]  # fmt: skip
        if len({self._work.path(source) for source in turns}) > 1:
            return turns
        inner = [defining.get(e.operands[0].name) if isinstance(e, Contract) and len(e.operands) == 1 else None
                 for e in made]  # fmt: skip
        for those in (made, inner):  # of a list that a loop filled: the rounds of that loop
            sources = [self._turn.get(e.out.name, e.source) if e is not None else None for e in those]
            whole = len({place_of(source) for source in sources}) == 1 and bool(self._work.path(sources[0]))
            if whole and self._work.grid(sources) is not None:
                return sources
        return turns

    def _join(self, equation: Equation | None, letters: str) -> None:
        """What becomes an array entry by entry goes through what the loop goes through that made the entries."""
        given = {i for declared in self._work.program.inputs for i in declared.ref.indices}
        if not isinstance(equation, Contract):
            return
        for bracket in equation.brackets:
            left, right = bracket.left, bracket.right
            if bracket.relation == "=" and left.is_letter and right.is_letter and right.letters in letters:
                old, new = left.letters, right.letters
                is_own = old in equation.out.indices and not any(self._work.counters.are_one(old, i) for i in given)
                if is_own and self._work.counters.size(old) == self._work.counters.size(new):
                    self._work.counters.become_one(new, old)
