"""Anti-unification: values that are made alike in each round go in, one value with a letter for each loop comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from functools import reduce
from operator import getitem
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..core.interpretation import whole
from ..core.letters import letters_of, numbered, rename_letters
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    MatrixFunction,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    operands,
)
from ..core.progress import tick
from ..core.records import dataclass
from .chains import is_zero
from .grids import Counters, Rounds, affine, moving

MOST_BETWEEN = 2000
"""So many values are looked through for what a round has made of what the one before left."""
FARTHEST = 3
"""How many rounds later at most something is made again of what a round makes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a value of one round stands in what all rounds made: the value, its letters for loops, the rounds."""

    value: str
    letters: str
    rounds: tuple[int, ...]


class NotAlikeError(Exception):
    """Values are not made alike in all rounds."""


@dataclass
class Stacking:
    """The values of a program, and those that stand for one of each round.

    Attributes
    ----------
    defining : dict of value to Equation
        Grows by what is made here.
    entries : dict of value to Entry
        The values of single rounds.
    labels : dict of value to str
    carried : dict of value to value
        What one round leaves to the next, and the value of all rounds that it is of.
    constants : dict of value to (array, letters)
        Numbers of the rounds that are not affine in counters.
    grids : dict of value to str
        The letters of all loops in whose rounds values were alike, also of those that they do not depend on.
    index : Rounds
        In which rounds values were made.
    merged : dict of value to set of values
        The values of single rounds for which a value stands.
    picked : set of values
        Those that are some rounds of what all rounds of a loop make.
    carries : bool
        Whether what one round leaves to the next may be an equation that reads itself.
    shown : bool
        Whether the program is only shown: where a loop begins is not said then, and arguments are put together.
    """

    program: Program
    counters: Counters
    defining: dict[str, Equation]
    labels: dict[str, str]
    entries: dict[str, Entry] = field(default_factory=dict)
    shown: bool = False
    carries: bool = True
    index: Rounds = field(default_factory=lambda: Rounds((), {}))
    carried: dict[str, str] = field(default_factory=dict)
    constants: dict[str, tuple[NDArray[Any], str]] = field(default_factory=dict)
    grids: dict[str, str] = field(default_factory=dict)
    merged: dict[str, frozenset[str]] = field(default_factory=dict)
    picked: set[str] = field(default_factory=set)
    _steps: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _views: dict[str, str] = field(default_factory=dict)
    _open: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    _before: tuple[dict[str, Any], ...] = ()
    _known: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = field(default_factory=dict)
    _unlike: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)
    _chained: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._taken |= {*self.defining, *self.program.constants, *(i.ref.name for i in self.program.inputs)}
        self._given = {i for declared in self.program.inputs for i in declared.ref.indices}
        self._inputs = {declared.ref.name: declared.ref for declared in self.program.inputs}
        self._original = self.program.defining()

    def fresh(self, like: str) -> str:
        """A name for a value that stands for others, one of which is given."""
        made, self._numbers[like] = numbered(like, self._taken, self._numbers.get(like, 1))
        if like in self.labels:
            self.labels[made] = self.labels[like]
        return made

    def stacked(self, names: NDArray[Any], letters: str) -> tuple[str, str]:
        """The value that is each of these in its round, and which of the loops' letters it has (first of its letters).

        Parameters
        ----------
        names : array of str or None, an axis for each letter
            None for rounds without such a value: any will do there.

        Raises
        ------
        NotAlikeError
        """
        whole = letters
        if None in names.flat:
            loops = [self.counters.by_letter.get(letter) for letter in letters]
            filled = self.index.filled(names, loops)
            if None not in filled.flat:
                try:
                    return self.stacked(filled, letters)
                except NotAlikeError:  # there, a statement went another way
                    pass
        names, letters = without_repeats(names, letters)
        key = letters, tuple(np.asarray(names, dtype=object).flat)
        if letters and key in self._open:
            self._remember()
            return self._open[key], letters
        if letters and key not in self._known:
            if key in self._unlike:
                raise NotAlikeError
            try:
                known = self._carried(names, letters) if None not in key[1] else None
                known = known or self._picked(names, letters) or self._made_elsewhere(names, letters)
                self._known[key] = known or self._alike(names, letters)
            except NotAlikeError:  # although all that is open was taken to be alike
                self._unlike.add(key)
                raise
        name, used = self._known[key] if letters else (str(key[1][0]), "")
        self.grids[name] = self.grids.get(name, "") + whole
        return name, used

    def _carried(self, names: NDArray[Any], letters: str) -> tuple[str, str] | None:
        """What one round left to the next: the value of all rounds, read one round earlier."""
        for axis, letter in enumerate(letters) if self.carries else ():
            for step in (-1, 1):
                full = self.index.shifted(names, axis, step)
                if full is not None and (
                    (self.shown and not self._is_of_an_argument(str(full.flat[0]))) or self._go_on(full, axis)):
                    name, used = self.stacked(full, letters)
                    known = self._known.get((letters, tuple(names.flat)))
                    if known is not None:  # what all rounds make reads it
                        return known
                    if letter not in used:
                        return None
                    starts = self._starts(names, axis, step)
                    moved = name, step, used.index(letter), None if starts is None else tuple(starts.flat)
                    same_step = [
                        made for made, (*known_move, other) in self._steps.items()
                        if (*known_move,) == moved and len(used) == len(other)
                        and all(map(self.counters.are_one, used, other))
                    ]  # fmt: skip
                    if same_step:  # read so in the rounds of another loop along the same dimension
                        return same_step[0], used
                    self._remember()
                    own = self.defining[full.flat[0]].out.indices
                    before = self.counters.another(letter, letters + own)
                    read = Ref(name, used.replace(letter, before) + own)
                    where = Bracket(Position.of(before), "=", Position.of(letter, constant=step))
                    called = f"{self.labels.get(full.flat[0], full.flat[0])}_{'before' if step < 0 else 'after'}"
                    made = Contract(Ref(self.fresh(called), used + own), (read,), (where,))
                    out = made.out if starts is None else self._begun(made, starts, letters, axis, own)
                    self.defining.setdefault(made.out.name, made)
                    self.carried[out.name], self._steps[out.name] = name, (*moved, used)
                    return out.name, out.indices[: len(out.indices) - len(own)]
        return None

    @property
    def _caches(self) -> tuple[dict[Any, Any], ...]:
        """What is known of values so far."""
        return self._known, self._steps, self._views, self.carried, self.entries, self.grids, self.merged

    def _is_of_an_argument(self, name: str) -> bool:
        """Whether a value is only taken out of an argument: each round finds it there by its position."""
        while is_view(equation := self.defining.get(name)):
            name = next(operands(equation)).name
        return name in self._inputs

    def _go_on(self, full: NDArray[Any], axis: int) -> bool:
        """Whether the values of one round are made of those of the round before it, or after it, or of the one before
        that, as in ``h, c = f(h, c), g(h)``, where c comes by way of h.
        """
        rounds = np.moveaxis(full, axis, 0).reshape(full.shape[axis], -1)[:, 0]
        return any(self._is_made_of(str(rounds[0]), str(other)) for other in rounds[1 : 1 + FARTHEST])

    def _is_made_of(self, one: str, other: str) -> bool:
        if (one, other) not in self._chained:
            self._chained[one, other] = self._reads(one, other) or self._reads(other, one)
        return self._chained[one, other]

    def _reads(self, name: str, other: str) -> bool:
        """Whether a value is made of another, by way of few."""
        met, waiting = {name}, [name]
        while waiting and len(met) < MOST_BETWEEN:
            equation = self._original.get(waiting.pop())
            read = {ref.name for ref in operands(equation)} - met if equation is not None else set()
            if other in read:
                return True
            met |= read
            waiting += read
        return False

    def _starts(self, names: NDArray[Any], axis: int, step: int) -> NDArray[Any] | None:
        """What the first round reads, which was made before the loop; None for zeros, and where that is not shown."""
        starts = np.asarray(names.take(0 if step < 0 else -1, axis), dtype=object)
        are_zero = all(is_zero(self.defining.get(name)) for name in starts.flat)
        return None if self.shown or are_zero else starts

    def _begun(self, moved: Contract, starts: NDArray[Any], letters: str, axis: int, old: str) -> Ref:
        """What rounds read of those before them, with what the first one reads in its place."""
        name, used = self.stacked(starts, letters[:axis] + letters[axis + 1 :])
        own = self._indices(str(starts.flat[0]))
        if len(own) != len(old) or not all(map(self._can_be_one, old, own)) or set(own) & set(letters):
            raise NotAlikeError
        first = moved.brackets[0].right.constant < 0
        place = Position((), 0 if first else self.counters.size(letters[axis]) - 1)
        there = Bracket(Position.of(letters[axis]), "=", place)
        out = moved.out
        shifted = replace(moved, out=Ref(self.fresh(f"{out.name}_1"), out.indices))
        start = Ref(self.fresh(f"{out.name}_0"), used + letters[axis] + own)
        loops = out.indices[: len(out.indices) - len(old)]
        whole = "".join(i for i in letters if i in loops + start.indices) + own
        terms = (ONE, Ref(shifted.out.name, loops + own)), (ONE, start)
        made = (shifted, Contract(start, (Ref(name, used + own),), (there,)), Sum(Ref(out.name, whole), terms))
        self.defining |= {one.out.name: one for one in made}
        return made[-1].out

    def _can_be_one(self, letter: str, other: str) -> bool:
        """Whether two letters may be over one dimension: of arguments only if they are, or in what is only shown."""
        is_given = not self.shown and (letter in self._given or other in self._given)
        same_size = self.counters.size(letter) == self.counters.size(other)
        return same_size and (not is_given or self.counters.are_one(letter, other))

    def _indices(self, name: str) -> str:
        """The letters of a value where it is made. Raises NotAlikeError of a constant, which has letters of its own at
        each place where it is read.
        """
        if name in self.program.constants:
            raise NotAlikeError
        return self._inputs[name].indices if name in self._inputs else self.defining[name].out.indices

    def _picked(self, names: NDArray[Any], letters: str) -> tuple[str, str] | None:
        """The rounds of another loop, in which these values were made."""
        entries = [self.entries.get(name) if name is not None else None for name in names.flat]
        first = next(filter(None, entries), None)
        lost = any(e is None and name is not None for e, name in zip(entries, names.flat, strict=True))
        if first is None or lost or any(e is not None and e.value != first.value for e in entries):
            return None
        whole = self.defining[first.value]
        if is_view(whole):
            return None  # what is only taken out of an array is taken out again
        own = whole.out.indices[len(first.letters) :]
        places, brackets, taken = "", [], letters + own
        for axis, letter in enumerate(first.letters):
            rounds = np.array([e and e.rounds[axis] for e in entries], dtype=object).reshape(names.shape)
            fitted = affine(rounds)
            if fitted is None:
                return None
            start, slopes = fitted
            along = [i for s, i in zip(slopes, letters, strict=True) if s]
            one = along[0] if len(along) == 1 and start == 0 and sum(slopes) == 1 else ""
            if one and self.counters.are_one(one, letter) and one not in places:
                places += one
            else:
                inner = letter if letter not in taken + places else self.counters.another(letter, taken + places)
                places += inner
                brackets.append(Bracket(Position.of(inner), "=", moving(Position(), start, slopes, letters)))
        used = "".join(i for i in letters if i in places or any(i in b.letters for b in brackets))
        if not brackets and places == used:
            return first.value, used
        made = Ref(self.fresh(first.value), used + own)
        self.picked.add(made.name)
        self._define(Contract(made, (Ref(first.value, places + own),), tuple(brackets)), names, letters, used)
        return made.name, used

    def _made_elsewhere(self, names: NDArray[Any], letters: str) -> tuple[str, str] | None:
        """The same where that loop comes later: what is shown has the letters of the loop that makes it."""
        line = self.index.line(list(names.flat)) if self.shown and len(letters) == 1 and None not in names else None
        if line is None or line[0] == self.counters.by_letter.get(letters):
            return None
        letter = self.counters.letter(line[0], len(line[1]))
        try:
            self.stacked(np.array(line[1], dtype=object), letter)
        except NotAlikeError:
            return None
        return self._picked(names, letters)

    def _define(self, equation: Equation, names: NDArray[Any], letters: str, used: str) -> None:
        name = equation.out.name
        self.defining[name], self.grids[name] = equation, letters + letters_of(equation)
        self.merged[name] = frozenset({*names.flat} - {None})
        self._enter(name, names, letters, used)

    def _enter(self, name: str, names: NDArray[Any], letters: str, used: str) -> None:
        """Remember where the values of single rounds stand in one of all rounds."""
        axes = [letters.index(i) for i in used]
        for index in np.ndindex(names.shape):
            known = self.entries.get(str(names[index]))
            more = known is None or self.counters.count(known.letters) < self.counters.count(used)
            if names[index] is not None and more:
                self.entries[str(names[index])] = Entry(name, used, tuple(index[a] for a in axes))

    def _alike(self, names: NDArray[Any], letters: str) -> tuple[str, str]:
        """One equation for the equations of these values."""
        tick()
        there = [n for n, name in enumerate(names.flat) if name is not None]
        if self.shown and all(names.flat[n] in self._inputs for n in there):
            return self._collected(names, letters)
        equations = [self.defining.get(names.flat[n]) for n in there]
        if any(equation is None or isinstance(equation, Opaque) for equation in equations):
            raise NotAlikeError
        key, like = (letters, tuple(names.flat)), names.flat[there[0]]
        self._open[key] = self.fresh(like)
        try:
            whole = self.unified([e for e in equations if e is not None], names.shape, letters, there)
        except NotAlikeError:
            self._forget()
            raise
        finally:
            made = self._open.pop(key)
        self._before = self._before if self._open else ()
        read = "".join("".join(ref.indices) for ref in operands(whole)) + "".join(
            b.letters for b in getattr(whole, "brackets", ()))  # fmt: skip
        used = "".join(i for i in letters if i in read)
        if not used:
            self.grids[like] = letters
            return like, ""
        out = Ref(made or self.fresh(like), used + whole.out.indices)
        if isinstance(whole, Update):
            whole = replace(whole, base=self._spread(whole.base, out.indices))
        key_of_view = self._key_of_view(replace(whole, out=out))
        known = self._views.setdefault(key_of_view, out.name) if key_of_view else out.name
        if known != out.name and known in self.defining:
            self._enter(known, names, letters, used)
            return known, used
        self._define(replace(whole, out=out), names, letters, used)
        return out.name, used

    def _remember(self) -> None:
        """Keep what is known: what follows reads a value of which it is open whether there is one."""
        if self._open and not self._before:
            self._before = tuple(map(dict, self._caches))

    def _forget(self) -> None:
        """Nothing is known of values that read what turned out not to be."""
        for cache, before in zip(self._caches, self._before, strict=bool(self._before)):
            cache.clear()
            cache.update(before)
        self._before = ()

    def taken(self, name: str) -> Contract | None:
        """The value of a round as an entry of what all rounds make; None where that is not known."""
        entry, own = self.entries.get(name), self.defining[name].out.indices
        whole = self.defining[entry.value].out.indices if entry is not None else ""
        if entry is None or set(whole[: len(entry.letters)]) & set(own):
            return None
        places = whole[: len(entry.letters)]
        where = (Bracket(Position.of(i), "=", Position((), n)) for i, n in zip(places, entry.rounds, strict=True))
        return Contract(Ref(name, own), (Ref(entry.value, places + own),), tuple(where))

    def _collected(self, names: NDArray[Any], letters: str) -> tuple[str, str]:
        """Arguments of which each round reads one, as one value: a list of arrays that a function is given."""
        there = {index: str(names[index]) for index in np.ndindex(names.shape) if names[index] is not None}
        like, *_ = there.values()
        own = self._inputs[like].indices
        same(*(tuple(map(self.counters.size, self._inputs[name].indices)) for name in there.values()))
        if set(letters) & set(own):
            raise NotAlikeError
        terms = []
        for index, name in there.items():
            places = (Bracket(Position.of(i), "=", Position((), at)) for i, at in zip(letters, index, strict=True))
            part = Contract(Ref(self.fresh(like), letters + own), (Ref(name, own),), tuple(places))
            self.defining[part.out.name] = part
            terms.append((ONE, part.out))
        self._define(Sum(Ref(self.fresh(like), letters + own), tuple(terms)), names, letters, letters)
        return self.entries[like].value, letters

    def _key_of_view(self, equation: Equation) -> str:
        """What is the same for what the rounds of several loops along one dimension take out of an array in the same
        way, where they are only shown; empty for other equations."""
        if not self.shown or not is_view(equation):
            return ""
        table = {letter: self.counters.symbol(letter) for letter in letters_of(equation)}
        if len({*table.values()}) < len(table):
            return ""
        return str(rename_letters(replace(equation, out=Ref("", equation.out.indices), source=None), table))

    def _spread(self, ref: Ref, indices: str) -> Ref:
        """A value with all of these letters, of which it may lack some."""
        if ref.indices == indices:
            return ref
        made = Ref(self.fresh(ref.name), indices)
        self.defining[made.name] = Contract(made, (ref,))
        return made

    # Equations

    def unified(
        self, equations: list[Equation], shape: tuple[int, ...], letters: str, there: Sequence[int] | None = None
    ) -> Equation:
        """The first of these equations, with the letters of the loops where the others differ from it.

        ``there`` says at which places of the grid they are, if not at all of them.

        Raises
        ------
        NotAlikeError
        """
        equations = self._begun_with_nothing(equations)
        first = equations[0]
        there = range(len(equations)) if there is None else there

        def arranged(values: list[Any]) -> NDArray[Any]:
            grid = np.full(shape, None, dtype=object)
            for n, value in zip(there, values, strict=True):
                grid.flat[n] = value
            return grid

        alike = [first, *(self._in_letters_of(first, equation) for equation in equations[1:])]

        def ref(get: Callable[[Any], Any]) -> Ref:
            refs = [get(equation) for equation in alike]
            same(*(one.indices for one in refs))
            name, used = self.stacked(arranged([one.name for one in refs]), letters)
            return Ref(name, used + refs[0].indices)

        def position(get: Callable[[Any], Position]) -> Position:
            positions = [get(equation) for equation in alike]
            same(*((one.terms, one.pick is None) for one in positions))
            numbers = arranged([one.constant for one in positions])
            fitted = affine(numbers)
            if positions[0].pick is not None and fitted is not None:
                return moving(replace(positions[0], pick=ref(lambda e: get(e).pick)), *fitted, letters)
            if positions[0].pick is not None:
                raise NotAlikeError
            if fitted is None:  # as data say
                return replace(positions[0], constant=0, pick=self.constant(numbers, letters))
            return moving(positions[0], *fitted, letters)

        def bracket(n: int) -> Bracket:
            same(*(equation.brackets[n].relation for equation in alike))  # type: ignore[union-attr]
            left, right = position(lambda e: e.brackets[n].left), position(lambda e: e.brackets[n].right)
            return replace(first.brackets[n], left=left, right=right)  # type: ignore[union-attr]

        equality = self.pattern(alike, shape, letters, there)
        if equality is not None:
            return Contract(first.out, (), (equality,), source=first.source)
        same(*map(frame, alike))
        if set(letters) & set(letters_of(first)):  # rounds of one loop within rounds of the same
            raise NotAlikeError
        match first:
            case Contract(_, refs, where):
                values = tuple(ref(reading("operands", n)) for n in range(len(refs)))
                return replace(first, operands=values, brackets=tuple(map(bracket, range(len(where)))))
            case Sum(_, terms):
                added = tuple((f, old and ref(reading("terms", n, 1))) for n, (f, old) in enumerate(terms))
                return replace(first, terms=added)
            case Map(_, _, refs) | MatrixFunction(_, _, refs):
                return replace(first, operands=tuple(ref(reading("operands", n)) for n in range(len(refs))))
            case Extremum():
                return replace(first, operand=ref(lambda e: e.operand))
            case Update(_, _, _, where, mask):
                limit, base = mask and ref(lambda e: e.mask), ref(lambda e: e.base)
                if base.name in self.carried and not self.shown:  # an array for each round would be as many arrays
                    raise NotAlikeError
                value, brackets = ref(lambda e: e.value), tuple(map(bracket, range(len(where))))
                if not self.shown and not all(map(self._is_inside, brackets)):
                    raise NotAlikeError
                return replace(first, base=base, value=value, brackets=brackets, mask=limit)
        raise NotAlikeError

    def _begun_with_nothing(self, equations: list[Equation]) -> list[Equation]:
        """Rounds of ``v = a * v + b * x[t]`` that began with the number 0, with a first one that is like the others: of
        those it lacks what was 0, or has no more than a 0 in its place.
        """
        first, *others = equations
        if not isinstance(first, Contract) or len(others) < 2:
            return equations
        sums = [one for one in others if isinstance(one, Sum) and len(one.terms) == 2]
        count = len(first.operands) + 1
        products = [one for one in others if isinstance(one, Contract) and len(one.operands) == count]
        if len(sums) == len(others) and first.operands:
            return [self._as_sum(first, sums) or first, *others]
        if len(products) == len(others) and first.factor.number == 0:
            return [self._as_product(first, products[0]) or first, *others]
        return equations

    def _as_sum(self, first: Contract, others: Sequence[Sum]) -> Sum | None:
        """What a first round adds to nothing, as a sum; None where the others do not add to what the one before made.
        """
        last = [self._multiple_of(ref) for _, ref in others[-1].terms]
        if last.count(others[-2].out.name) != 1 or len({tuple(f for f, _ in one.terms) for one in others}) > 1:
            return None
        carried = last.index(others[-2].out.name)
        (factor, read), (more, _) = others[0].terms[carried], others[0].terms[1 - carried]
        if read is None or self._multiple_of(read) != first.out.name or more not in (ONE, first.factor):
            return None
        nothing = self._nothing(first.out)
        times = self.defining.get(read.name)
        if read.name != first.out.name and isinstance(times, Contract):
            times = replace(times, out=Ref(self.fresh(read.name), read.indices), operands=(nothing,))
            self.defining[times.out.name] = times
            nothing = times.out
        part = replace(first, out=Ref(self.fresh(first.out.name), first.out.indices),
                       factor=first.factor if more == ONE else ONE)  # fmt: skip
        self.defining[part.out.name] = part
        terms = [(more, part.out)]
        terms.insert(carried, (factor, nothing))
        return Sum(first.out, tuple(terms), first.source)

    def _multiple_of(self, ref: Ref | None) -> str:
        """The value of which a term is a multiple by a number: itself, unless it is made of one in the same letters."""
        if ref is None:
            return ""
        own = self.defining.get(ref.name)
        if not isinstance(own, Contract) or own.brackets:
            return ref.name
        return own.operands[0].name if [one.indices for one in own.operands] == [own.out.indices] else ref.name

    def _as_product(self, first: Contract, other: Contract) -> Contract | None:
        """A product with a 0 that stands for what it lacks beside another one; None where that is not one operand."""
        like = self._in_letters_of(first, other)
        assert isinstance(like, Contract)
        names = [ref.name for ref in first.operands]
        missing = [n for n, ref in enumerate(like.operands) if ref.name not in names]
        if len(missing) != 1 or len(like.operands) != len(names) + 1 or like.brackets or first.brackets:
            return None
        lacked = like.operands[missing[0]]
        operands = [ref for n, ref in enumerate(like.operands) if n != missing[0]]
        if [ref.indices for ref in operands] != [ref.indices for ref in first.operands]:
            return None
        operands.insert(missing[0], self._nothing(lacked))
        return replace(first, operands=tuple(operands), factor=like.factor)

    def _nothing(self, like: Ref) -> Ref:
        """Zeros with the letters of another value."""
        made = Ref(self.fresh(f"{like.name}_0"), like.indices)
        self.defining[made.name] = Contract(made, (), factor=Factor(Fraction(0)))
        return made

    def pattern(
        self, asked: Sequence[Equation | None], shape: tuple[int, ...], letters: str, there: Sequence[int],
        answer: bool = True,
    ) -> Bracket | None:  # fmt: skip
        """``j == y[i]`` as ``[j=y[i]]``: a counter is compared with a whole number; None for anything else.

        ``there`` says at which places of the grid the comparisons are; ``answer`` is what they answer.
        """
        first, relations = asked[0], {"equal": ("=", "≠"), "not_equal": ("≠", "=")}
        if not isinstance(first, Map) or first.function not in relations or first.out.indices:
            return None
        same_kind = [one for one in asked if isinstance(one, Map) and one.function == first.function]
        if len(same_kind) < len(asked):
            return None
        relation: Any = relations[first.function][not answer]
        for side in (0, 1):
            counted = [self._number(one.operands[side].name) for one in same_kind]
            numbers, names = np.full(shape, None, dtype=object), np.full(shape, None, dtype=object)
            for place, number, one in zip(there, counted, same_kind, strict=True):
                numbers.flat[place], names.flat[place] = number, one.operands[1 - side].name
            fitted = affine(numbers) if None not in counted and len({*counted}) > 1 else None
            if fitted is None:
                continue
            name, used = self.stacked(names, letters)
            if self._is_whole(name):
                return Bracket(moving(Position(), *fitted, letters), relation, Position(pick=Ref(name, used)))
        return None

    def _is_whole(self, name: str) -> bool:
        """Whether a value is whole numbers, as labels are."""
        own = self.defining.get(name)
        if is_view(own):
            return self._is_whole(own.operands[0].name)
        given = {declared.ref.name: np.dtype(declared.dtype) for declared in self.program.inputs}
        given |= {constant: array.dtype for constant, array in self.program.constants.items()}
        return name in given and given[name].kind in "iu"

    def _number(self, name: str) -> int | None:
        """The whole number that a value is, if it is one that stands in the code or is counted with."""
        own = self.defining.get(name)
        if not isinstance(own, Contract) or own.operands or own.brackets or own.out.indices or own.factor.sizes:
            return None
        number = own.factor.number
        return int(number) if isinstance(number, Fraction) and number.denominator == 1 else None

    def _is_inside(self, bracket: Bracket) -> bool:
        """Whether all rounds write to places that there are: some that an ``if`` has left out may be beyond the end."""
        sizes = {i: d.size for d in self.counters.dimensions for i in d.letters}
        ends = [whole(factor, sizes) * (sizes[i] - 1) for factor, i in bracket.right.terms]
        start, length = bracket.right.constant, sizes[bracket.left.letters]
        low, high = (start + sum(end for end in ends if (end < 0) == is_low) for is_low in (True, False))
        return bracket.right.pick is not None or (low >= 0 and high < length)

    def constant(self, numbers: NDArray[Any], letters: str) -> Ref:
        """An array with a number for each round that the code was given or has made without arrays."""
        numbers, letters = without_repeats(numbers, letters)
        made = filled(numbers)
        name = self.known_constant(made, letters) or self.fresh("given")
        self.constants[name] = made, letters
        return Ref(name, letters)

    def known_constant(self, numbers: NDArray[Any], letters: str) -> str:
        """The constant that has these numbers; empty if there is none."""
        return next((name for name, (array, own) in self.constants.items()
                     if own == letters and np.array_equal(array, numbers)), "")  # fmt: skip

    def _in_letters_of(self, first: Equation, equation: Equation) -> Equation:
        """An equation in the letters of another, where the two may be alike."""
        ours, theirs = letters_of(first), letters_of(equation)
        if type(first) is not type(equation) or len(ours) != len(theirs):
            raise NotAlikeError
        if not all(map(self._can_be_one, ours, theirs)):
            raise NotAlikeError
        table: Mapping[str, str] = dict(zip(theirs, ours, strict=True))
        return equation if ours == theirs else rename_letters(equation, table)


def filled(numbers: NDArray[Any]) -> NDArray[Any]:
    """The numbers of rounds as an array, with 0 where there is none."""
    return np.array([0 if number is None else number for number in numbers.flat]).reshape(numbers.shape)


def is_view(equation: Equation | None) -> TypeGuard[Contract]:
    """Whether a value is only taken out of an array, or is all of it."""
    return isinstance(equation, Contract) and len(equation.operands) == 1 and equation.factor == ONE


def without_repeats(values: NDArray[Any], letters: str) -> tuple[NDArray[Any], str]:
    """The values, and a letter for each axis, without the axes along which they are the same."""
    some = [value for value in values.flat if value is not None]
    if values.ndim and some and all(value == some[0] for value in some):
        return np.array(some[0], dtype=object), ""
    for axis in reversed(range(values.ndim)):
        one = one_along(values, axis)
        if one is not None:
            values, letters = one, letters[:axis] + letters[axis + 1 :]
    return values, letters


def one_along(names: NDArray[Any], axis: int) -> NDArray[Any] | None:
    """The values without an axis along which they are the same, where there are any."""
    if None not in names.flat:
        return names.take(0, axis) if (names == names.take([0], axis)).all() else None
    rows = np.moveaxis(names, axis, -1).reshape(-1, names.shape[axis])
    lines = [[name for name in row if name is not None] for row in rows]
    if any(len(set(line)) > 1 for line in lines) or max(map(len, lines)) < 2:
        return None
    made = np.empty(len(lines), dtype=object)
    made[:] = [line[0] if line else None for line in lines]
    return made.reshape(names.shape[:axis] + names.shape[axis + 1 :])


def reading(attribute: str, *places: int) -> Callable[[Any], Any]:
    """A function that reads an entry of an attribute."""
    return lambda equation: reduce(getitem, places, getattr(equation, attribute))


def same(*values: Any) -> None:
    """Raise NotAlikeError where values differ."""
    if any(value != values[0] for value in values):
        raise NotAlikeError


def frame(equation: Equation) -> Any:
    """What must be the same in equations that are alike, besides values and positions."""
    match equation:
        case Contract(_, refs, brackets, factor):
            return len(refs), len(brackets), factor
        case Sum(_, terms):
            return tuple((factor, ref is None) for factor, ref in terms)
        case Map(_, function, refs, parameter):
            return function, len(refs), parameter
        case MatrixFunction(_, function, refs):
            return function, len(refs)
        case Extremum(_, _, kind, along, held):
            return kind, along, held
        case Update(_, _, _, brackets, mask):
            return len(brackets), mask is None
    return ()
