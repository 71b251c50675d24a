"""``reroll``: an unrolled program and the rounds of its statements go in, one with letters for loops comes out."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ..core.collecting import grouped
from ..core.letters import Letters, fuse, letters_of, rename_letters
from ..core.program import (
    Bracket,
    Contract,
    Dimension,
    Equation,
    Position,
    Program,
    Ref,
    Source,
    Sum,
    Update,
    operands,
)
from ..core.records import dataclass
from ..core.recurrences import plain
from .buffers import Buffers
from .chains import Chain, chains
from .choices import Choice, Choices
from .forwarding import forwarded
from .grids import Counters, Grid, Loop, Path, Rounds, goes_through_lists, loops_of
from .stacking import Entry, NotAlikeError, Stacking, filled, is_view, without_repeats
from .sums import Sums
from .workspace import Workspace, place_of

FEW = 3  # rounds: so few say nothing of other sizes


@dataclass(frozen=True)
class Rerolled:
    """A program with letters for loops.

    Attributes
    ----------
    program : Program
    loops : set of loops
        Those of which no round is left by itself.
    counters : mapping of letter to loop
    branches : set of places
        The statements with conditions that are now factors of sums.
    given : set of values
        Those that are constants with a number for each round, so that the sizes of their letters must stay.
    ends : set of letters
        Those at whose last position something is taken by itself.
    """

    program: Program
    loops: frozenset[Hashable]
    counters: Mapping[str, Hashable]
    branches: Collection[Hashable] = ()
    given: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()


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
    for carries in (True, False):
        rolling = Rerolling(program, paths, loops, forward, choices, carries=carries)
        rolling.fold()
        rolling.fold_ends()
        made = rolling.finished(program.outputs)
        if can_run(made.program):
            break
    return made


class Rerolling:
    """A program on the way to one with letters for loops.

    Attributes
    ----------
    heads : dict of value to value
        The links of chains that were folded, and what the chains make.
    ends : dict of value to value
        The links of buffers, and what these are once the statement of a link has run in all of its rounds.
    begins : dict of value to value
        The first terms of sums that began as nothing, and what these make.
    sums : set of values
        The chains among them that are sums.
    parts : dict of (place of a statement, chain) to Ref
        What all runs of a statement add to a sum.
    stored : dict of value to Contract
        What was written into a buffer, as the part of the buffer that it is.

    In what is only ``shown`` it is not said where loops begin. Without ``carries``, what one round leaves to the next
    stays as it is.
    """

    def __init__(
        self, program: Program, paths: Mapping[Source, Path], loops: Mapping[Hashable, Loop],
        forward: Collection[Source] = (), choices: Sequence[Choice] = (), *, shown: bool = False, carries: bool = True,
    ) -> None:  # fmt: skip
        self._program, self._paths, self._forward, self._loops = program, paths, forward, loops
        names = {*program.labels.values(), *(declared.ref.name for declared in program.inputs)}
        self._counters = Counters(program.dimensions, loops, names)
        self._stacking = Stacking(program, self._counters, program.defining(), dict(program.labels))
        self._work = Workspace(program, paths, self._counters, self._stacking, Choices(choices, paths))
        self._sums, self._buffers = Sums(self._work), Buffers(self._work)
        self.parts = self._sums.parts
        self.stored: Mapping[str, Contract] = self._buffers.stored
        defining, self._same = forwarded(program, self._stacking.fresh)
        self._stacking.defining.clear()
        self._stacking.defining.update(defining)
        self._before, self._original = dict(defining), program.defining()
        self._stacking.index = Rounds(defining.values(), paths, program.labels)
        self._stacking.shown, self._stacking.carries = shown, carries
        self.heads: dict[str, str] = {}
        self.sums: set[str] = set()
        self.begins: dict[str, str] = {}
        self.ends: dict[str, str] = {}
        self._mixed: set[str] = set()
        self._negatives: dict[str, str] = {}

    def fold(self) -> None:
        """Fold the chains that can be."""
        defining = self._stacking.defining
        if self._stacking.shown:
            self._complete()
        for chain in list(chains(self._program, defining)):
            made = self._sums.folded(chain) if chain.terms else self._buffers.folded(chain)
            if made is not None:
                defining[chain.head.out.name] = made
                self.sums |= {chain.head.out.name} if chain.terms else set()
                self.heads |= dict.fromkeys(self._links(chain), chain.head.out.name)
                if not chain.terms:
                    ends = {self._buffers.ends.get(link, link) for link in chain.links}
                    self._mixed |= {chain.head.out.name} if len(ends) > 1 else set()
                    self.ends |= self._buffers.ends
                if chain.terms and chain.terms[0].ref is not None:
                    self.begins |= dict.fromkeys(self._beginnings(chain), chain.head.out.name)

    def _complete(self) -> None:
        """Let the values that only some rounds of a loop read be entries of what all of its rounds make."""
        ran = grouped((place_of(source), path) for source, path in self._paths.items())
        rounds = {place: len({*paths}) for place, paths in ran.items()}
        tried: set[Hashable] = set()
        for equation in self._before.values():
            for ref in operands(equation):
                made = self._before.get(ref.name)
                place = place_of(made.source) if made is not None else None
                paths = [self._work.path(equation.source), self._work.path(made.source)] if made is not None else []
                if made is None or place in tried or is_view(made) or loops_of(paths[0]) != loops_of(paths[1]):
                    continue
                if 1 < rounds.get(place_of(equation.source), 0) < rounds.get(place, 0):
                    tried.add(place)
                    names = self._stacking.index.runs(ref.name)
                    self.stacked(names, [self._before[one].source for one in names])

    def fold_ends(self) -> None:
        """Let the values of single rounds that are read after their loops be entries of what all rounds make."""
        defining, tried = self._stacking.defining, set[str]()
        while True:
            reached = [e for e in in_order(defining, self._program.outputs) if e.out.name not in tried]
            taken = next((made for e in reversed(reached) if (made := self._taken(e, tried))), [])
            if not taken:
                return
            defining |= {one.out.name: one for one in taken}

    def _taken(self, equation: Equation, tried: set[str]) -> list[Contract]:
        """The values that the runs of a statement make as entries of what all of them make."""
        name = equation.out.name
        names = self._stacking.index.runs(name) if name in self._before and name not in tried else []
        tried |= {name, *names}
        if len(names) < FEW or self.stacked(names, [self._before[one].source for one in names]) is None:
            return []
        made = (self._stacking.taken(one) for one in names if one not in self.heads)
        return [one for one in made if one is not None]

    def _beginnings(self, chain: Chain) -> Iterator[str]:
        """What a sum that began as nothing begins with: its first term, or what another statement of the loop was the
        first to add, under the sum's name; an entry of a buffer that was just written as it is read there as well."""
        labels = self._program.labels
        for n, term in enumerate(chain.terms):
            label = labels.get(term.ref.name) if term.ref is not None else None
            if term.ref is not None and (n == 0 or (label and label == labels.get(chain.head.out.name))):
                yield term.ref.name
        link = self._original.get(chain.links[0])
        (_, first), *_ = link.terms if isinstance(link, Sum) else [(None, None)]
        own = self._original.get(first.name) if first is not None else None
        if first is not None and own is not None and place_of(own.source) == place_of(chain.terms[0].source):
            yield first.name

    def _links(self, chain: Chain) -> Iterator[str]:
        """The values on the way, the first term of a sum that began as nothing among them."""
        yield from chain.links
        first = chain.terms[0] if chain.terms else None
        own = self._stacking.defining.get(first.ref.name) if first is not None and first.ref is not None else None
        if own is not None and first is not None and place_of(own.source) == place_of(first.source):
            yield own.out.name

    def stacked(
        self, names: Sequence[str], sources: Sequence[Source | None], *, within: bool = False
    ) -> Ref | None:  # fmt: skip
        """The value that is each of these in the run of a statement that its source is; None where there is none.

        It has the letters of the loops first, then those of a single one. The runs are all, or those that went one way
        ``within`` the statement.
        """
        rounds = self._work.rounds(sources, within=within) if names else None  # what no statement made has no runs
        if rounds is None:
            return None
        try:
            same = [self.forwarded(name) for name in names]
            return Ref(*self._stacking.stacked(rounds.arranged(same), rounds.letters))
        except NotAlikeError:
            return None

    def forwarded(self, name: str) -> str:
        """What a value is in the program: what was written into an entry of a buffer, for what is read of it."""
        return self._same.get(name, name)

    def goes_several_ways(self, sources: Iterable[Source]) -> bool:
        """Whether a statement asked for truth values itself, and got others in other runs."""
        return len({self._work.choices.answers(source) for source in sources}) > 1

    def given(self, numbers: Sequence[int], sources: Sequence[Source | None]) -> Ref | None:
        """The constant that has these numbers in the runs of a statement that their sources are; None if none has."""
        rounds = self._work.rounds(sources)
        if rounds is None:
            return None
        grid, letters = without_repeats(rounds.arranged(numbers), rounds.letters)
        known = self._stacking.known_constant(filled(grid), letters) if letters else ""
        return Ref(known, letters) if known else None

    def constant(self, name: str) -> NDArray[Any]:
        """The numbers of a constant that stands for those of all rounds."""
        return self._stacking.constants[name][0]

    def written(self, names: Sequence[str]) -> Ref | None:
        """A buffer after the writes of all runs of a statement, each of which made one of these values."""
        defining = {**self._program.defining(), **self._stacking.defining}
        own = [defining.get(name) for name in names]
        writes = [write for write in own if isinstance(write, Update)]
        made = self._buffers.of_statement(writes, writes[0].base) if len(writes) == len(names) else None
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

    def is_negative(self, name: str) -> bool:
        """Whether a sum is -1 times one that can be written without a sign."""
        equation = self._stacking.defining[name]
        inner = self._stacking.defining.get(next(operands(equation)).name) if any(operands(equation)) else None
        signs = [e.factor.number.real < 0 for e in (equation, inner) if isinstance(e, Contract)]
        return signs.count(True) == 1

    def unfold(self, names: Iterable[str]) -> None:
        """Chains among these are what their last links make of the ones before."""
        heads = {*self.heads.values()}.intersection(names)
        self._stacking.defining |= {name: self._before[name] for name in heads}

    def is_mixed(self, name: str) -> bool:
        """Whether several statements in loops write into the buffer that a link is of."""
        return self.heads.get(name) in self._mixed

    def whole_buffer(self, name: str) -> str:
        """The buffer after all of its loops of which a value is what the rounds of one statement have left."""
        return next((self.heads[link] for link, end in self.ends.items() if end == name and link in self.heads), "")

    def equation(self, name: str) -> Equation | None:
        """The equation that defines a value."""
        return self._stacking.defining.get(name)

    def carried(self, name: str) -> str:
        """The value of all rounds of which a value is that of the round before; empty if it is none."""
        return self._stacking.carried.get(name, "")

    def loops(self, letters: str) -> set[Hashable]:
        """The loops that some letters count."""
        return self._counters.loops_of(letters)

    def count(self, letters: str) -> int:
        """How many rounds there are of the loops with these letters."""
        return self._counters.count(letters)

    def part_of(self, name: str) -> Ref | None:
        """The value of all rounds of a loop of which a value has those of some, in its own letters."""
        own = self._stacking.defining.get(name)
        if not is_view(own) or not own.brackets:
            return None
        whole = own.operands[0]
        grid = self._stacking.grids.get(whole.name, "")
        size, moves = self._counters.size, [(b.left.letters, b.right.letters) for b in own.brackets]
        is_part = name in self._stacking.picked and all(
            len(old) == len(new) == 1 and old in grid and size(old) > size(new) for old, new in moves)
        return whole if is_part else None

    def entry(self, name: str) -> Entry | None:
        """Where a value of one round stands in what all rounds made."""
        return self._stacking.entries.get(name)

    def finished(self, outputs: Sequence[Ref]) -> Rerolled:
        """The program of these outputs."""
        if self._stacking.shown:  # its letters are those of this run
            self._buffers.join()
        equations = tuple(in_order({**self._program.defining(), **self._stacking.defining}, outputs))
        left = self._left(equations)
        program = replace(self._program, equations=equations, dimensions=tuple(self._counters.dimensions))
        kept = program.outputs
        program = fuse(replace(program, outputs=tuple(outputs)), self._is_scattered, Letters(program.dimensions))
        program = replace(program, outputs=kept)
        self._counters.dimensions = list(program.dimensions)
        self._identify(program.equations)
        equations = tuple(self._in_first_letters(self._tidy(e)) for e in program.equations)
        inputs = [declared.ref for declared in program.inputs]
        stored = self.stored.values() if self._stacking.shown else ()
        dimensions = tuple(used_letters(self._counters.dimensions, (*equations, *stored), inputs, outputs))
        if self._stacking.shown:  # what is shown has the letters of counters wherever they are free
            made = {e.out.name for e in equations}
            fixed = {i for ref in (*inputs, *outputs) if ref.name not in made for i in ref.indices}
            parts = {value: self._in_first_letters(self._tidy(part)) for value, part in self.stored.items()}
            used = {i for e in (*equations, *parts.values()) for i in letters_and_sizes(e)} | fixed
            table = self._counters.wished(used, fixed)
            equations = tuple(rename_letters(equation, table) for equation in equations)
            renamed_parts = {value: rename_letters(part, table) for value, part in parts.items()}
            self.stored = {value: part for value, part in renamed_parts.items() if isinstance(part, Contract)}
            renamed = (replace(d, letters="".join(table.get(i, i) for i in d.letters if i in used)) for d in dimensions)
            dimensions = tuple(d for d in renamed if d.letters)
        constants = {**program.constants, **{n: array for n, (array, _) in self._stacking.constants.items()}}
        present = {e.out.name for e in equations} | {ref.name for ref in inputs}
        labels = {name: label for name, label in self._stacking.labels.items() if name in present}
        program = replace(
            program, equations=equations, dimensions=dimensions, labels=labels, constants=constants
        )
        loops, counters = self._counters.loops | self._covered(equations), self._counters.by_letter
        loops = (loops - left) | self._dead(outputs)
        given = frozenset(self._stacking.constants)
        ends = frozenset(ends_of(equations, program.sizes))
        return Rerolled(program, loops, counters, self._work.branches, given, ends)

    def _left(self, equations: Sequence[Equation]) -> set[Hashable]:
        """The loops of which rounds are left by themselves: an equation is one of theirs and has no letter for all of
        them, or a letter for some."""
        rounds = {loop: len({numbers for _, numbers in steps}) for loop, steps in grouped(
            (loop, (loop, number)) for path in self._paths.values() for loop, number in path).items()}  # fmt: skip
        used = {letter for equation in equations for letter in letters_and_sizes(equation)}

        def is_whole(read: Collection[str], call: Path) -> bool:
            """Whether values are those of all rounds in which their statement ran in a call of a function."""
            runs = {one for name in read for one in self._stacking.index.runs(name)}
            return bool(read) and all(
                one in read for one in runs if self._work.path(self._before[one].source)[:1] == call)

        found = {loop for loop, letter in self._counters.partial(rounds) if letter in used}
        merged = self._stacking.merged
        complete = {  # what the rounds of its own loops make
            merged.get(e.out.name) for e in equations
            if {loop for loop, _ in self._work.path(e.source) if is_loop(loop)} <= self._counters.loops_of(
                self._stacking.grids.get(e.out.name, ""))
        } - {None}  # fmt: skip
        for equation in equations:
            letters = self._stacking.grids.get(equation.out.name)
            is_single = letters is None and equation.out.name in self._before
            if (is_single or letters is not None) and equation.out.name not in self.heads and not is_plain(equation):
                read = merged.get(equation.out.name, frozenset())
                are_heads = bool(read) and read <= self.heads.keys()
                if are_heads or read in complete or is_whole(read, self._work.path(equation.source)[:1]):
                    continue  # the rounds of another loop read all that was made in those of this one
                whole = self._counters.loops_of(letters or "")
                found |= {loop for loop, _ in self._work.path(equation.source) if loop not in whole}
        return found

    def _covered(self, equations: Iterable[Equation]) -> set[Hashable]:
        """The loops whose rounds have the letter of another loop, which goes through the same dimension."""
        stacking = self._stacking
        parts = ((e.out.name, self._before[one].source) for e in equations
                 for one in stacking.merged.get(e.out.name, ()) if one in self._before)  # fmt: skip
        made = [*parts, *((e.out.name, e.source) for e in equations)]
        return {
            loop for name, source in made for loop, _ in self._work.path(source)
            if any(i in self._counters.by_letter and self._counters.goes_through(loop, i)
                   for i in self._stacking.grids.get(name, ""))
        }  # fmt: skip

    def _dead(self, outputs: Sequence[Ref]) -> set[Hashable]:
        """The loops that make nothing of what the outputs need."""
        alive = {loop for e in in_order(self._before, outputs) for loop, _ in self._work.path(e.source)}
        return {loop for path in self._paths.values() for loop, _ in path} - alive

    def _identify(self, equations: Iterable[Equation]) -> None:
        """An axis that a loop of the forward reads entry by entry runs over what the loop goes through: the loop that
        the letter is of, or the one around the statement, whose rounds are counted by that letter too."""
        counters = self._counters
        for equation in equations:
            brackets = equation.brackets if isinstance(equation, Contract) and equation.source in self._forward else ()
            around = [loop for loop, _ in self._work.path(equation.source)]
            for left, right in ((bracket.left, bracket.right) for bracket in brackets if bracket.relation == "="):
                a, b = left.letters, right.letters
                if left.is_letter and right.is_letter and counters.size(a) == counters.size(b) >= FEW and (
                    counters.goes_through_an_axis(b) or (self._is_listed(b) and any(
                        counters.goes_through(loop, a) for loop in around))):
                    counters.become_one(b, a)

    def _is_listed(self, letter: str) -> bool:
        """Whether the loop of a letter goes through what lists hold; a comprehension's is known by its statement."""
        loop = self._counters.by_letter.get(letter)
        if not (isinstance(loop, tuple) and loop[:1] == ("order",)):
            return self._loops.get(loop, Loop()).is_listed
        return any(goes_through_lists(source.code) for source in self._paths if source.place == loop[1])

    def grid(self, sources: Sequence[Source | None]) -> Grid | None:
        """The rounds in which these runs of a statement were; None where they make no grid, or a condition has left
        some out."""
        rounds = self._work.rounds(sources)
        return self._work.grid(sources) if rounds is None or not rounds.masks else None

    def _is_scattered(self, part: Equation, whole: Equation) -> bool:
        """Whether a value is only the entries of an array, all rounds of which are summed."""
        own = isinstance(part, Contract) and part.brackets and part.out.name not in self._before
        return bool(own) and place_of(part.source) == place_of(whole.source)

    def _tidy(self, equation: Equation) -> Equation:
        """The equation without brackets that say no more than that two letters are one."""
        if isinstance(equation, Update):
            for bracket in equation.brackets:
                old, new = bracket.right, bracket.left
                rest = tuple(b for b in equation.brackets if b is not bracket)
                is_one = bracket.relation == "=" and old.is_letter and new.is_letter and (
                    self._counters.are_one(old.letters, new.letters))  # fmt: skip
                bound, own = equation.value.indices + "".join(b.right.letters for b in rest), equation.out.indices
                if is_one and self._stacking.shown and new.letters not in bound and old.letters not in own:
                    return self._tidy(rename_letters(replace(equation, brackets=rest), {old.letters: new.letters}))
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
        same_size = self._counters.size(old.letters) == self._counters.size(new.letters)  # is enough for what is shown
        are_one = same_size if self._stacking.shown else self._counters.are_one(old.letters, new.letters)
        return old.letters not in equation.out.indices and are_one


    def _in_first_letters(self, equation: Equation) -> Equation:
        """The equation with the first letters of its dimensions that it can have."""
        table: dict[str, str] = {}
        for letter in letters_of(equation):
            own = next(d.letters for d in self._counters.dimensions if letter in d.letters)
            table[letter] = next(i for i in own if i not in table.values())
        return rename_letters(equation, table) if any(a != b for a, b in table.items()) else equation


def ends_of(equations: Iterable[Equation], sizes: Mapping[str, int]) -> Iterator[str]:
    """The letters at whose last position rerolling has taken something by itself."""
    own = (e for e in equations if isinstance(e, Contract) and e.source is None)
    for left, right in ((bracket.left, bracket.right) for equation in own for bracket in equation.brackets):
        if left.is_letter and right == Position((), sizes[left.letters] - 1) and right.constant:
            yield left.letters


def can_run(program: Program) -> bool:
    """Whether what rounds read of one another is always of rounds before."""
    try:
        plain(program)
    except ValueError:
        return False
    return True


def is_loop(loop: Hashable) -> bool:
    """Whether it is a loop of the code, and no call of a function."""
    return not (isinstance(loop, tuple) and loop[:1] == ("call",))


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
