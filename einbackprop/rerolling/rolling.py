"""``reroll``: an unrolled program and the rounds of its statements go in, one with letters for loops comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.collecting import grouped
from ..core.letters import Letters, fuse, letters_of, rename_letters
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Dimension,
    Equation,
    Factor,
    Map,
    Position,
    Program,
    Ref,
    Relation,
    Source,
    Sum,
    Update,
    operands,
)
from .chains import Chain, Term, chains, is_zero
from .choices import Choice, Choices, Mask
from .forwarding import forwarded
from .grids import Counters, Grid, Loop, Path, Rounds, affine, grid_of, moving
from .stacking import Entry, NotAlikeError, Stacking

FEW = 3  # rounds: so few say nothing of other sizes
EQUALITIES = ("equal", "not_equal")


@dataclass(frozen=True)
class Rounded:
    """Terms on a grid: the letters of its loops, its shape, at which place each term is, and on which conditions."""

    letters: str
    shape: tuple[int, ...]
    places: tuple[int, ...]
    masks: tuple[Mask, ...] = ()

    def arranged(self, names: Sequence[str | None]) -> NDArray[Any]:
        """One name for each term, at its place; None where there is no term."""
        made = np.full(self.shape, None, dtype=object)
        for place, name in zip(self.places, names, strict=True):
            made.flat[place] = name
        return made

    @property
    def first(self) -> int:
        """The number of the term in the first rounds."""
        return min(range(len(self.places)), key=self.places.__getitem__)


@dataclass(frozen=True)
class Rerolled:
    """A program with letters for loops.

    Attributes
    ----------
    program : Program
    entries : mapping of value to Entry
        The values of single rounds that are now part of one.
    chains : mapping of value to value
        The links of chains, and what the chains make.
    loops : set of loops
        Those of which no round is left by itself.
    counters : mapping of letter to loop
    branches : set of places
        The statements with conditions that are now factors of sums.
    fixed : str
        Letters with a number for each of their values, so that their sizes must stay.
    """

    program: Program
    entries: Mapping[str, Entry]
    chains: Mapping[str, str]
    loops: frozenset[Hashable]
    counters: Mapping[str, Hashable]
    branches: Collection[Hashable] = ()
    fixed: str = ""


def reroll(
    program: Program, paths: Mapping[Source, Path], loops: Mapping[Hashable, Loop], forward: Collection[Source] = (),
    choices: Sequence[Choice] = (),
) -> Rerolled:  # fmt: skip
    """The same program with a letter for each loop whose rounds do the same.

    Parameters
    ----------
    program : Program
    paths : mapping of Source to Path
        In which rounds of which loops each run of a statement was.
    loops : mapping of loop to Loop
    forward : collection of Source
        Statements whose word is taken for it that an axis runs over what a loop goes through that reads all of it.
    choices : sequence of Choice
        The truth values that were asked for on the way.

    Returns
    -------
    Rerolled
        Its program has the same inputs and outputs; values are equal as mathematics, sums are added up in another
        order.
    """
    rolling = Rerolling(program, paths, loops, forward, choices)
    rolling.fold()
    return rolling.finished(program.outputs)


class Rerolling:
    """A program on the way to one with letters for loops.

    Attributes
    ----------
    heads : dict of value to value
        The links of chains that were folded, and what the chains make.
    begins : dict of value to value
        The first terms of sums that began as nothing, and what these make.
    sums : set of values
        The chains among them that are sums.
    parts : dict of (place of a statement, chain) to Ref
        What all runs of a statement add to a sum.
    stored : dict of value to Contract
        What was written into a buffer, as the part of the buffer that it is.

    What is only ``shown`` may read itself, one round earlier.
    """

    def __init__(
        self, program: Program, paths: Mapping[Source, Path], loops: Mapping[Hashable, Loop],
        forward: Collection[Source] = (), choices: Sequence[Choice] = (), *, shown: bool = False,
    ) -> None:  # fmt: skip
        self._program, self._paths, self._forward = program, paths, forward
        self._counters = Counters(program.dimensions, loops)
        self._stacking = Stacking(program, self._counters, program.defining(), dict(program.labels))
        defining = forwarded(program, self._stacking.fresh)
        self._stacking.defining.clear()
        self._stacking.defining.update(defining)
        self._before = dict(defining)
        self._choices = Choices(choices, paths)
        self._branches: set[Hashable] = set()
        self._runs: dict[tuple[Hashable, Path], Source | None] = {
            (source.place, path): source for source, path in paths.items()
        }
        self._stacking.index = Rounds(defining.values(), paths)
        if shown:
            self._stacking.rounds = self._stacking.index
        self.heads: dict[str, str] = {}
        self.sums: set[str] = set()
        self.begins: dict[str, str] = {}
        self.parts: dict[Hashable, Ref] = {}
        self.stored: dict[str, Contract] = {}
        self._negatives: dict[str, str] = {}

    def fold(self) -> None:
        """Fold the chains that can be."""
        defining = self._stacking.defining
        for chain in list(chains(self._program, defining)):
            made = self._sum(chain) if chain.terms else self._buffer(chain)
            if made is not None:
                defining[chain.head.out.name] = made
                self.sums |= {chain.head.out.name} if chain.terms else set()
                self.heads |= dict.fromkeys(self._links(chain), chain.head.out.name)
                if chain.terms and chain.terms[0].ref is not None:
                    self.begins[chain.terms[0].ref.name] = chain.head.out.name

    def _links(self, chain: Chain) -> Iterator[str]:
        """The values on the way, the first term of a sum that began as nothing among them."""
        yield from chain.links
        first = chain.terms[0] if chain.terms else None
        own = self._stacking.defining.get(first.ref.name) if first is not None and first.ref is not None else None
        if own is not None and first is not None and place_of(own.source) == place_of(first.source):
            yield own.out.name

    def stacked(self, names: Sequence[str], sources: Sequence[Source | None]) -> Ref | None:
        """The value that is each of these in the run of a statement that its source is; None where there is none.

        It has the letters of the loops first, then those of a single one.
        """
        rounds = self._rounds(sources)
        if rounds is None:
            return None
        try:
            return Ref(*self._stacking.stacked(rounds.arranged(names), rounds.letters))
        except NotAlikeError:
            return None

    def written(self, names: Sequence[str]) -> Ref | None:
        """A buffer after the writes of all runs of a statement, each of which made one of these values."""
        defining = {**self._program.defining(), **self._stacking.defining}
        own = [defining.get(name) for name in names]
        writes = [write for write in own if isinstance(write, Update)]
        made = self._written(writes, writes[0].base) if len(writes) == len(names) else None
        if made is None:
            return None
        name = self._stacking.fresh(names[0])
        self._stacking.defining[name] = replace(made, out=Ref(name, made.out.indices))
        return Ref(name, made.out.indices)

    def negative(self, name: str) -> str:
        """A sum times -1, one and the same each time."""
        if name not in self._negatives:
            equation = self._stacking.defining[name]
            assert isinstance(equation, Contract)
            made = replace(equation, out=Ref(self._stacking.fresh(name), equation.out.indices), factor=-equation.factor)
            inner = self._stacking.defining.get(equation.operands[0].name) if equation.operands else None
            if isinstance(inner, Contract) and inner.factor.number == -1:  # two signs are none
                out = Ref(self._stacking.fresh(inner.out.name), inner.out.indices)
                self._stacking.defining[out.name] = replace(inner, out=out, factor=-inner.factor)
                first = Ref(out.name, equation.operands[0].indices)
                made = replace(made, operands=(first, *equation.operands[1:]), factor=equation.factor)
            self._stacking.defining[made.out.name] = made
            self._negatives[name] = made.out.name
        return self._negatives[name]

    def unfold(self, names: Iterable[str]) -> None:
        """Chains among these are what their last links make of the ones before."""
        heads = {*self.heads.values()}.intersection(names)
        self._stacking.defining |= {name: self._before[name] for name in heads}

    def equation(self, name: str) -> Equation | None:
        """The equation that defines a value."""
        return self._stacking.defining.get(name)

    def carried(self, name: str) -> str:
        """The value of all rounds of which a value is that of the round before; empty if it is none."""
        return self._stacking.carried.get(name, "")

    def count(self, letters: str) -> int:
        """How many rounds there are of the loops with these letters."""
        return self._counters.count(letters)

    def entry(self, name: str) -> Entry | None:
        """Where a value of one round stands in what all rounds made."""
        return self._stacking.entries.get(name)

    def finished(self, outputs: Sequence[Ref]) -> Rerolled:
        """The program of these outputs."""
        defining, heads = self._stacking.defining, self.heads
        equations = tuple(in_order({**self._program.defining(), **defining}, outputs))
        left = self._left(equations)
        program = replace(self._program, equations=equations, dimensions=tuple(self._counters.dimensions))
        program = fuse(program, self._is_scattered, Letters(program.dimensions))
        self._counters.dimensions = list(program.dimensions)
        self._identify(program.equations)
        equations = tuple(self._in_first_letters(self._tidy(e)) for e in program.equations)
        given = [declared.ref for declared in program.inputs]
        dimensions = tuple(used_letters(self._counters.dimensions, equations, given, outputs))
        constants = {**program.constants, **{n: array for n, (array, _) in self._stacking.constants.items()}}
        present = {e.out.name for e in equations} | {ref.name for ref in given}
        labels = {name: label for name, label in self._stacking.labels.items() if name in present}
        program = replace(
            program, equations=equations, dimensions=dimensions, labels=labels, constants=constants
        )
        loops, counters = self._counters.loops - left, self._counters.by_letter
        fixed = "".join(letters for _, letters in self._stacking.constants.values())
        return Rerolled(program, self._stacking.entries, heads, loops, counters, self._branches, fixed)

    def _left(self, equations: Sequence[Equation]) -> set[Hashable]:
        """The loops of which rounds are left by themselves: an equation is one of theirs and has no letter for all of
        them, or a letter for some."""
        rounds = {loop: len({numbers for _, numbers in steps}) for loop, steps in grouped(
            (loop, (loop, number)) for path in self._paths.values() for loop, number in path).items()}  # fmt: skip
        used = {letter for equation in equations for letter in letters_and_sizes(equation)}
        found = {loop for loop, letter in self._counters.partial(rounds) if letter in used}
        for equation in equations:
            letters = self._stacking.grids.get(equation.out.name)
            is_single = letters is None and equation.out.name in self._before
            if (is_single or letters is not None) and equation.out.name not in self.heads and not is_plain(equation):
                whole = self._counters.loops_of(letters or "")
                found |= {loop for loop, _ in self._path(equation.source) if loop not in whole}
        return found

    def _identify(self, equations: Iterable[Equation]) -> None:
        """An axis that a loop of the forward reads entry by entry runs over what the loop goes through."""
        for equation in equations:
            brackets = equation.brackets if isinstance(equation, Contract) and equation.source in self._forward else ()
            for left, right in ((bracket.left, bracket.right) for bracket in brackets if bracket.relation == "="):
                a, b = left.letters, right.letters
                if left.is_letter and right.is_letter and self._counters.goes_through_an_axis(b) and (
                    self._counters.size(a) == self._counters.size(b) >= FEW):  # fmt: skip
                    self._counters.become_one(b, a)

    def _is_scattered(self, part: Equation, whole: Equation) -> bool:
        """Whether a value is only the entries of an array, all rounds of which are summed."""
        own = isinstance(part, Contract) and part.brackets and part.out.name not in self._before
        return bool(own) and place_of(part.source) == place_of(whole.source)

    def _path(self, source: Source | None) -> Path:
        return self._paths.get(source, ()) if source is not None else ()

    def grid(self, sources: Sequence[Source | None]) -> Grid | None:
        """The rounds in which these runs of a statement were; None where they make no grid."""
        return grid_of([self._path(source) for source in sources], place_of(sources[0]), self._counters)

    # Sums

    def _sum(self, chain: Chain) -> Equation | None:
        """A sum over the letters of loops; None where no two of its terms are alike."""
        ways = [self._parts(terms, chain.head.out) for terms in (chain.others, chain.terms) if terms]
        best = min(ways, key=lambda parts: sum(1 if made else len(group) for made, group in parts))
        if not any(made for made, _ in best):
            return None
        alone = best[0][0] if len(best) == 1 else None
        whole = Counter(place_of(group[0].source) for _, group in best)
        if alone is not None:
            self.parts[place_of(alone.source), chain.head.out.name] = chain.head.out
            return replace(alone, out=chain.head.out)
        total: list[tuple[Factor, Ref | None]] = []
        for made, group in best:
            if made is not None:
                self._stacking.defining[made.out.name] = made
                if whole[place_of(group[0].source)] == 1:
                    self.parts[place_of(group[0].source), chain.head.out.name] = made.out
            total += [(ONE, made.out)] if made is not None else [(term.factor, term.ref) for term in group]
        return Sum(chain.head.out, tuple(total), chain.head.source)

    def _parts(self, terms: Sequence[Term], out: Ref) -> list[tuple[Contract | None, list[Term]]]:
        """The terms of each statement, and the sum of all of them over the letters of its loops, if they are alike."""
        defining = self._stacking.defining
        left = [self._plain(t) for t in terms if t.ref is None or not is_zero(defining.get(t.ref.name))]
        groups = grouped((self._kind(term), term) for term in left)
        return [(self._folded(group, out), group) for group in groups.values()]

    def _plain(self, term: Term) -> Term:
        """A term that is a multiple of a value, made by the statement that adds it, as that value."""
        own = self._stacking.defining.get(term.ref.name) if term.ref is not None else None
        if not isinstance(own, Contract) or len(own.operands) != 1 or own.brackets or own.factor == ONE:
            return term
        if place_of(own.source) != place_of(term.source) or own.operands[0].indices != own.out.indices:
            return term
        assert term.ref is not None
        return Term(term.factor * own.factor, Ref(own.operands[0].name, term.ref.indices), own.source)

    def _kind(self, term: Term) -> Hashable:
        """What terms that may be alike have in common: the statement that adds them, and a factor."""
        own = self._stacking.defining.get(term.ref.name) if term.ref is not None else None
        return place_of(term.source), term.factor, type(own), term.ref and term.ref.indices

    def _folded(self, terms: Sequence[Term], out: Ref) -> Contract | None:
        """Terms of one statement as one sum over the letters of its loops, times the conditions on which they are."""
        turns = self._turns(terms)
        rounds = self._rounds(turns) if len(terms) > 1 else None
        if rounds is None:
            return None
        first = terms[rounds.first]
        try:
            refs = self._factors(terms, rounds)
            conditions = [self._condition(mask, rounds.letters) for mask in rounds.masks]
        except NotAlikeError:
            return None
        self._join(self._stacking.defining.get(refs[0].name) if refs else None, rounds.letters)
        refs += [one for one in conditions if isinstance(one, Ref)]
        brackets = tuple(one for one in conditions if isinstance(one, Bracket))
        used = "".join(ref.indices for ref in refs) + "".join(bracket.letters for bracket in brackets)
        count = Factor.of(1, **{i: 1 for i in rounds.letters if i not in used})
        self._branches |= {mask.place for mask in rounds.masks if mask.place is not None}
        at = turns[rounds.first]
        source = at if place_of(at) == place_of(first.source) else first.source
        label = self._stacking.fresh(out.name)
        return Contract(Ref(label, out.indices), tuple(refs), brackets, first.factor * count, source)

    def _rounds(self, sources: Sequence[Source | None]) -> Rounded | None:
        """The grid of the rounds in which these runs of a statement were, and the conditions on which they were."""
        grid = self.grid(sources)
        if grid is not None:
            return Rounded(grid.letters, grid.order.shape, tuple(int(n) for n in np.argsort(grid.order, axis=None)))
        masked = self._choices.masked(sources, self._counters)
        return masked and Rounded(masked[0].letters, masked[0].order.shape, tuple(masked[1]), tuple(masked[2]))

    def _factors(self, terms: Sequence[Term], rounds: Rounded) -> list[Ref]:
        """What the terms are multiples of, in all rounds; nothing where they are multiples of 1."""
        if terms[0].ref is None:
            return []
        names = rounds.arranged([term.ref.name if term.ref is not None else None for term in terms])
        name, used = self._stacking.stacked(names, rounds.letters)
        return [Ref(name, used + terms[0].ref.indices)]

    def _condition(self, mask: Mask, letters: str) -> Ref | Bracket:
        """A condition in all rounds, as a value that is 0 or 1, or as a pattern in letters."""
        if mask.place is None:
            return self._stacking.constant(mask.names, letters)
        asked = [self._stacking.defining.get(name) if name is not None else None for name in mask.names.flat]
        some = [one for one in asked if one is not None]
        if all(isinstance(one, Map) and one.function in EQUALITIES for one in some):
            bracket = self._pattern([one for one in some if isinstance(one, Map)], mask, letters)
            if bracket is not None:
                return bracket
        name, used = self._stacking.stacked(mask.names, letters)
        if mask.answer:
            return Ref(name, used)
        made = Ref(self._stacking.fresh(name), used)
        own = self._stacking.defining[name]
        self._stacking.defining[made.name] = Map(made, "logical_not", (Ref(name, used),), source=own.source)
        return made

    def _pattern(self, asked: Sequence[Map], mask: Mask, letters: str) -> Bracket | None:
        """``j == y[i]`` as ``[j=y[i]]``: a counter is compared with whole numbers."""
        relations: dict[bool, Relation] = {True: "=", False: "≠"}
        relation = relations[(asked[0].function == "equal") == mask.answer]
        for side in (0, 1):
            numbers = [self._number(one.operands[side].name) for one in asked]
            if None in numbers or any(one.function != asked[0].function or one.out.indices for one in asked):
                continue
            grid, names = np.full(mask.names.shape, None, dtype=object), np.full(mask.names.shape, None, dtype=object)
            places = [n for n, name in enumerate(mask.names.flat) if name is not None]
            for place, number, one in zip(places, numbers, asked, strict=True):
                grid.flat[place], names.flat[place] = number, one.operands[1 - side].name
            fitted = affine(grid)
            name, used = self._stacking.stacked(names, letters)
            if fitted is not None and self._is_whole(name):
                return Bracket(moving(Position(), *fitted, letters), relation, Position(pick=Ref(name, used)))
        return None

    def _is_whole(self, name: str) -> bool:
        """Whether a value is whole numbers, as labels are."""
        own = self._stacking.defining.get(name)
        if isinstance(own, Contract) and len(own.operands) == 1 and own.factor == ONE:
            return self._is_whole(own.operands[0].name)
        given = {declared.ref.name: np.dtype(declared.dtype) for declared in self._program.inputs}
        given |= {constant: array.dtype for constant, array in self._program.constants.items()}
        return name in given and given[name].kind in "iu"

    def _number(self, name: str) -> int | None:
        """The whole number that a value is, if it is one that stands in the code or is counted with."""
        own = self._stacking.defining.get(name)
        number = own.factor.number if isinstance(own, Contract) and not own.operands and not own.brackets else None
        plain = isinstance(number, Fraction) and number.denominator == 1 and own is not None and not own.out.indices
        return int(number) if plain and isinstance(number, Fraction) and not own.factor.sizes else None  # type: ignore[union-attr]

    def _turns(self, terms: Sequence[Term]) -> list[Source | None]:
        """The run of a statement that each term belongs to: where one statement adds all at once, as a list becomes an
        array, the one that made what it adds."""
        defining = self._stacking.defining
        made = [defining.get(term.ref.name) if term.ref is not None else None for term in terms]
        own = [term.source for term in terms]
        first = made[0].source if made[0] is not None else None
        begun = [self._runs.get((place_of(own[-1]), self._path(first)), first), *own[1:]]  # 0 + x is x
        for turns in (own, begun):
            if len({self._path(source) for source in turns}) == len(terms) and len(set(map(place_of, turns))) == 1:
                return turns
        turns = [e.source if e is not None and place_of(e.source) == place_of(term.source) else term.source
                 for e, term in zip(made, terms, strict=True)]  # fmt: skip
        if len({self._path(source) for source in turns}) > 1:
            return turns
        inner = [defining.get(e.operands[0].name) if isinstance(e, Contract) and len(e.operands) == 1 else None
                 for e in made]  # fmt: skip
        sources = [e.source if e is not None else None for e in inner]
        whole = len({place_of(source) for source in sources}) == 1
        return sources if whole and len({self._path(source) for source in sources}) == len(terms) else turns

    def _join(self, equation: Equation | None, letters: str) -> None:
        """What becomes an array entry by entry goes through what the loop goes through that made the entries."""
        given = {i for declared in self._program.inputs for i in declared.ref.indices}
        if not isinstance(equation, Contract):
            return
        for bracket in equation.brackets:
            left, right = bracket.left, bracket.right
            if bracket.relation == "=" and left.is_letter and right.is_letter and right.letters in letters:
                old, new = left.letters, right.letters
                is_own = old in equation.out.indices and not any(self._counters.are_one(old, i) for i in given)
                if is_own and self._counters.size(old) == self._counters.size(new):
                    self._counters.become_one(new, old)

    # Buffers

    def _buffer(self, chain: Chain) -> Equation | None:
        """A buffer with one write for all rounds of a statement; None where no two of its writes are alike."""
        defining = self._stacking.defining
        assert chain.base is not None
        base, changed = chain.base, False
        groups = list(grouped((place_of(write.source), write) for write in chain.writes).values())
        for n, group in enumerate(groups):
            made = self._written(group, base)
            changed |= made is not None
            if isinstance(made, Update):
                whole = Ref(chain.head.out.name, made.out.indices)
                self.stored[made.value.name] = Contract(made.value, (whole,), made.brackets, source=made.source)
            writes: Sequence[Equation] = [made] if made is not None else [
                replace(write, base=base) if k == 0 else write for k, write in enumerate(group)]  # fmt: skip
            for k, write in enumerate(writes):
                is_last = n == len(groups) - 1 and k == len(writes) - 1
                name = chain.head.out.name if is_last else self._stacking.fresh(chain.head.out.name)
                write = replace(write, out=Ref(name, chain.head.out.indices))
                if isinstance(write, Update):
                    write = replace(write, base=Ref(base.name, chain.head.out.indices))
                defining[name], base = write, write.out
        return defining[chain.head.out.name] if changed else None

    def _written(self, writes: Sequence[Update], base: Ref) -> Equation | None:
        """Writes of one statement as one; a whole buffer that is written, or one of zeros, is what is written."""
        grid = self.grid([write.source for write in writes]) if len(writes) > 1 else None
        if grid is None:
            return None
        first = writes[grid.order.flat[0]]
        ordered = [replace(writes[n], base=base, out=first.out) for n in grid.order.flat]
        try:
            made = self._stacking.unified(list(ordered), grid.order.shape, grid.letters)
        except NotAlikeError:
            return None
        assert isinstance(made, Update)
        reached = "".join(b.right.letters for b in made.brackets)
        places = self._places(made, grid.letters)
        if not set(grid.letters) <= set(reached) or places is None:
            return None
        whole = prod(self._counters.size(i) for i in made.out.indices if i not in made.value.indices)
        is_new = self._stacking.rounds is None and is_zero(self._stacking.defining.get(base.name))
        if made.mask is None and (places == whole or is_new):
            return Contract(made.out, (made.value,), made.brackets, source=first.source)
        return replace(made, source=first.source)

    def _places(self, write: Update, letters: str) -> int | None:
        """How many entries along the axes with brackets are written; None where two are one, or data say which."""
        if any(b.right.pick is not None or b.relation != "=" for b in write.brackets):
            return None
        running = list(dict.fromkeys(letters + "".join(b.right.letters for b in write.brackets)))
        index = dict(zip(running, np.indices([self._counters.size(i) for i in running]), strict=True))
        sizes = {i: d.size for d in self._counters.dimensions for i in d.letters}
        found = [
            np.full(index[running[0]].shape, bracket.right.constant, dtype=object)
            + sum(factor.value(sizes) * index[i] for factor, i in bracket.right.terms)
            for bracket in write.brackets
        ]
        spots = np.stack([one.astype(int).ravel() for one in found])
        count = len(np.unique(spots, axis=1).T)
        return count if count == spots.shape[1] else None

    def _tidy(self, equation: Equation) -> Equation:
        """The equation without brackets that say no more than that two letters are one."""
        if not isinstance(equation, Contract):
            return equation
        for bracket in equation.brackets:
            for old, new in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
                if self._is_one(equation, bracket, old, new):
                    rest = tuple(b for b in equation.brackets if b is not bracket)
                    out = equation.out
                    renamed = rename_letters(replace(equation, brackets=rest), {old.letters: new.letters})
                    assert isinstance(renamed, Contract)
                    return self._tidy(replace(renamed, out=out))
        return equation

    def _is_one(self, equation: Contract, bracket: Bracket, old: Position, new: Position) -> bool:
        if bracket.relation != "=" or not old.is_letter or not new.is_letter or old.letters == new.letters:
            return False
        return old.letters not in equation.out.indices and self._counters.are_one(old.letters, new.letters)


    def _in_first_letters(self, equation: Equation) -> Equation:
        """The equation with the first letters of its dimensions that it can have."""
        table: dict[str, str] = {}
        for letter in letters_of(equation):
            own = next(d.letters for d in self._counters.dimensions if letter in d.letters)
            table[letter] = next(i for i in own if i not in table.values())
        return rename_letters(equation, table) if any(a != b for a, b in table.items()) else equation


def letters_and_sizes(equation: Equation) -> Iterator[str]:
    """The letters of an equation, and those whose sizes are factors in it."""
    yield from letters_of(equation)
    factors = [equation.factor] if isinstance(equation, Contract) else []
    factors += [factor for factor, _ in equation.terms] if isinstance(equation, Sum) else []
    yield from (letter for factor in factors for letter, _ in factor.sizes)


def used_letters(
    dimensions: Iterable[Dimension], equations: Iterable[Equation], *refs: Iterable[Ref]
) -> Iterator[Dimension]:
    """The dimensions with the letters that stand in equations or values; the first of each stays."""
    used = {i for e in equations for i in letters_and_sizes(e)}
    used |= {i for some in refs for ref in some for i in ref.indices}
    for dimension in dimensions:
        kept = (letter for n, letter in enumerate(dimension.letters) if not n or letter in used)
        yield replace(dimension, letters="".join(kept))


def is_plain(equation: Equation) -> bool:
    """Whether a value is one number, whatever the round."""
    return isinstance(equation, Contract) and not equation.operands and not equation.brackets


def place_of(source: Source | None) -> Hashable:
    """The statement of a run."""
    return source and source.place


def in_order(defining: Mapping[str, Equation], outputs: Sequence[Ref]) -> Iterator[Equation]:
    """The equations that the outputs need, each after those that it reads."""
    done: set[str] = set()
    begun: set[str] = set()
    for ref in outputs:
        waiting = [(ref.name, False)]
        while waiting:
            name, is_ready = waiting.pop()
            if name in done or name not in defining:
                continue
            if is_ready:
                done.add(name)
                yield defining[name]
            elif name not in begun:  # else it reads itself, one round earlier
                begun.add(name)
                waiting.append((name, True))
                waiting += [(operand.name, False) for operand in reversed(list(operands(defining[name])))]
