"""Spellings that people use for one function, found in a program and named: sigmoid, tanh, relu, softmax.

A spelling is recognised by what it is, not by how it is written: what is made of x alone, entry by entry, is the
sigmoid of x if it has the values of the sigmoid, whatever x is. The max that is subtracted in a softmax is recognised
by its doing nothing: whatever is added to it leaves everything that is made of it the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from heapq import heappop, heappush
from itertools import islice
from math import prod

import numpy as np

from . import elementwise
from .elementwise import Array
from .letters import moved
from .program import ONE, Bracket, Contract, Equation, Extremum, Factor, Map, Program, Ref, Sum, operands
from .records import dataclass
from .recurrences import carried
from .simplification import needed

NAMED = ("sigmoid", "tanh", "relu")
BENT = frozenset({
    "exp", "sigmoid", "tanh", "maximum", "minimum", "abs", "where", "greater", "greater_equal", "less", "less_equal",
})  # fmt: skip
MOST = 12  # values one after another that one may be made of; what is longer is no idiom
TINY = 1e-6  # a smaller number, as a guard, may not show in the values
HALVES = np.array([0.04, 0.31, 0.72, 1.3, 2.9, 7.1, 19.3, 31.7])
SAMPLES = np.concatenate([-HALVES, HALVES])
VALUES = np.array([elementwise.evaluate(function, [SAMPLES]) for function in NAMED])
SAME = 1e-14


def recognise(program: Program, apart: Callable[[Equation], Hashable] = lambda equation: None) -> Program:
    """The same program with its idioms named; what only they used goes.

    Parameters
    ----------
    program : Program
    apart : callable
        Equations for which it gives different things are no parts of one idiom, as statements are not where each is
        read by itself.
    """
    groups: dict[Hashable, Spellings] = {}
    equations = tuple(groups.setdefault(apart(e), Spellings()).named(e) for e in program.equations)
    users = Users.of(equations)
    equations = tuple(held(equation, users, program.outputs) for equation in equations)
    return without_unused(replace(program, equations=equations), program.defining())


@dataclass
class Spellings:
    """Values that are made entry by entry, equation by equation.

    Attributes
    ----------
    made : mapping of name to Equation
        Those so far, as they are spelled.
    numbers : set of names
        Those that are one number everywhere.
    sources : mapping of name to refs
        The values of each of which alone one is made, in its letters, the nearest first.
    bent : set of names
        Those in which a function stands that an idiom may be made of.
    spelled : set of names
        Those that are a function with a name: ``1 - y`` of a sigmoid y is to be read so, not as another sigmoid. In
        products and in ``where``, they may be parts of a spelling that does not overflow.
    """

    made: dict[str, Equation] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    sources: dict[str, tuple[Ref, ...]] = field(default_factory=dict)
    bent: set[str] = field(default_factory=set)
    spelled: set[str] = field(default_factory=set)

    def named(self, equation: Equation) -> Equation:
        """The equation as the function that it spells, if it is one."""
        name = equation.out.name
        self.made[name] = equation
        if not is_plain(equation):
            return equation
        read = [ref for ref in operands(equation) if ref.name not in self.numbers]
        if not read:
            self.numbers |= {name} if isinstance(equation, Contract) else set()
            return equation
        function = equation.function if isinstance(equation, Map) else ""
        through = function == "where" or isinstance(equation, Contract)
        made_of = [self._made_of(ref, through) for ref in read]
        letters = sorted(set(equation.out.indices))
        alone = (one for one in made_of[0] if sorted(one.indices) == letters and all(one in of for of in made_of))
        self.sources[name] = tuple(islice(alone, MOST)) if len(letters) == len(equation.out.indices) else ()
        if function in BENT or any(ref.name in self.bent for ref in read):
            self.bent.add(name)
        if name in self.bent and function not in (*NAMED, "exp"):
            for ref in self.sources[name]:
                spelled = self._function_of(equation, ref)
                if spelled:
                    self.spelled.add(name)
                    return Map(equation.out, spelled, (ref,), None, equation.source)
        return equation

    def _made_of(self, ref: Ref, through: bool) -> tuple[Ref, ...]:
        """A value that is read, and those of which alone it is made; of one that has a name, only where it is asked."""
        if ref.name in self.spelled and not through:
            return (ref,)
        inner = self.made.get(ref.name)
        return (ref, *(moved(one, inner.out.indices, ref.indices) for one in self.sources.get(ref.name, ()) if inner))

    def _function_of(self, equation: Equation, ref: Ref) -> str:
        """Which function of a value an equation is, of those that have names."""
        is_one = np.abs(self._values(equation.out, ref, {ref: SAMPLES}) - VALUES) <= SAME * (1 + np.abs(VALUES))
        return next((function for function, same in zip(NAMED, is_one, strict=True) if same.all()), "")

    def _values(self, use: Ref, ref: Ref, known: dict[Ref, Array]) -> Array:
        """The values of what is made of another value alone, where that has the sampled ones."""
        if use not in known:
            equation = self.made[use.name]
            own = (moved(one, equation.out.indices, use.indices) for one in operands(equation))
            read = [self._values(one, ref, known) for one in own]
            with np.errstate(all="ignore"):
                known[use] = value_of(equation, read)
        return known[use]


def is_plain(equation: Equation) -> bool:
    """Whether an equation takes its operands entry by entry, times numbers that would show."""
    match equation:
        case Contract(brackets=(), factor=factor):
            factors = [factor]
        case Sum(terms=terms):
            factors = [factor for factor, _ in terms]
        case Map():
            factors = []
        case _:
            return False
    inner = {i for ref in operands(equation) for i in ref.indices}
    return inner <= set(equation.out.indices) and all(map(shows, factors))


def shows(factor: Factor) -> bool:
    """Whether a factor is a number of an ordinary size."""
    number = factor.number
    return not factor.sizes and isinstance(number, Fraction) and (not number or TINY <= abs(number) <= 1 / TINY)


def value_of(equation: Equation, read: list[Array]) -> Array:
    """One value of numbers; all of them are numbers, or have one axis."""
    match equation:
        case Contract(factor=factor):
            return np.asarray(np.prod(np.broadcast_arrays(float(factor.value({}).real), *read), axis=0))
        case Sum(terms=terms):
            values = iter(read)
            return np.asarray(sum(float(f.value({}).real) * (1.0 if r is None else next(values)) for f, r in terms))
        case Map(function=function, parameter=parameter):
            return elementwise.evaluate(function, read, parameter)
    raise AssertionError(equation)


def held(equation: Equation, users: Users, outputs: Iterable[Ref]) -> Equation:
    """A max or min that nothing depends on, marked so that no derivative flows into it."""
    if isinstance(equation, Extremum) and not equation.position_of and not equation.held:
        return replace(equation, held=does_nothing(equation.out, users, outputs))
    return equation


def without_unused(program: Program, made: Mapping[str, Equation]) -> Program:
    """The program without unnamed values that were used before, and that nothing uses now."""
    used_before = {ref.name for equation in made.values() for ref in operands(equation)}
    outputs = {ref.name for ref in program.outputs}
    kept = needed(program.equations, outputs, lambda name: name not in used_before or name in program.labels)
    return replace(program, equations=tuple(kept))


@dataclass(frozen=True)
class Shift:
    """How a value answers: it becomes ``v + times · c``, or ``v · exp(times · c)`` where it ``scales``.

    ``letters`` are those of m, in the letters of the value's definition, which are ``indices``.
    """

    times: Fraction
    scales: bool
    letters: str
    indices: str

    def used(self, ref: Ref) -> str:
        """The letters of m in those of a use."""
        table = dict(zip(self.indices, ref.indices, strict=True))
        return "".join(table[i] for i in self.letters)


@dataclass(frozen=True)
class Users:
    """Equations in order, products without what is one number everywhere; the places of those that read each value, and
    the values that are read before they are defined.
    """

    equations: tuple[Equation, ...]
    places: Mapping[str, Sequence[int]]
    ahead: Collection[str]

    @classmethod
    def of(cls, equations: Sequence[Equation]) -> Users:
        """Those of a program."""
        numbers: dict[str, Factor] = {}
        plain: list[Equation] = []
        places: dict[str, list[int]] = {}
        for place, equation in enumerate(equations):
            plain.append(without_numbers(equation, numbers))
            if isinstance(plain[-1], Contract) and not plain[-1].operands and not plain[-1].brackets:
                numbers[equation.out.name] = plain[-1].factor
            for name in {ref.name for ref in operands(plain[-1])}:
                places.setdefault(name, []).append(place)
        return cls(tuple(plain), places, carried(equations))


def does_nothing(m: Ref, users: Users, outputs: Iterable[Ref]) -> bool:
    """Whether whatever is added to a value leaves everything that is made of it the same."""
    shifts = {m.name: Shift(Fraction(1), False, m.indices, m.indices)}
    waiting = list(users.places.get(m.name, ()))  # in order, so that it is a heap
    last = -1
    while waiting:
        place = heappop(waiting)
        if place == last:
            continue
        last, equation = place, users.equations[place]
        found = answer(equation, [ref for ref in operands(equation) if ref.name in shifts], shifts)
        if found is None or (found.times and equation.out.name in users.ahead):
            return False
        if found.times:
            shifts[equation.out.name] = found
            for later in users.places.get(equation.out.name, ()):
                heappush(waiting, later)
    return all(ref.name not in shifts for ref in outputs)


def without_numbers(equation: Equation, numbers: Mapping[str, Factor]) -> Equation:
    """A product with what is one number everywhere in its factor: ``top[b] ones[k]`` is top[b], for each k."""
    if not isinstance(equation, Contract):
        return equation
    factor = prod((numbers.get(ref.name, ONE) for ref in equation.operands), start=equation.factor)
    kept = tuple(ref for ref in equation.operands if ref.name not in numbers)
    summed = {i for ref in equation.operands for i in ref.indices} - set(equation.out.indices)
    if not summed <= {i for ref in kept for i in ref.indices}:
        return equation
    return replace(equation, operands=kept, factor=factor)


def answer(equation: Equation, moved: Sequence[Ref], shifts: dict[str, Shift]) -> Shift | None:
    """How the value of an equation answers; None where it does in some other way."""
    out = equation.out.indices
    letters, *others = {shifts[ref.name].used(ref) for ref in moved}
    if others or not set(letters) <= set(out) or len(set(letters)) < len(letters) or len(set(out)) < len(out):
        return None
    first = replace(shifts[moved[0].name], letters=letters, indices=out)
    match equation:
        case Sum():
            total = Fraction(0)
            for factor, ref in equation.terms:
                if ref is not None and ref.name in shifts:
                    if shifts[ref.name].scales or factor.sizes or not isinstance(factor.number, Fraction):
                        return None
                    total += factor.number * shifts[ref.name].times
            return replace(first, times=total)
        case Map(function="exp" | "log") if first.scales == (equation.function == "log"):
            return replace(first, scales=not first.scales)
        case Map(function="power", parameter=Fraction() as power) if first.scales:
            return replace(first, times=first.times * power)
        case Contract():
            if all(shifts[ref.name].scales for ref in moved) and moved == [r for r in equation.operands if r in moved]:
                return replace(first, times=sum((shifts[ref.name].times for ref in moved), Fraction(0)))
            if len(moved) == 1 and equation.operands == tuple(moved) and not first.scales and picks_one(equation):
                number = equation.factor.number
                return replace(first, times=first.times * number) if isinstance(number, Fraction) else None
    return None


def picks_one(equation: Contract) -> bool:
    """Whether each entry of the result is one entry of the only operand, times a number."""
    summed = [i for i in dict.fromkeys(equation.operands[0].indices) if i not in equation.out.indices]
    given = [bracket.left.letters for bracket in equation.brackets if says_one_place(bracket, summed)]
    return not equation.factor.sizes and sorted(given) == sorted(summed) and len(given) == len(equation.brackets)


def says_one_place(bracket: Bracket, summed: Sequence[str]) -> bool:
    """Whether a bracket gives a summed letter its one value, such as ``[k = y[n]]``."""
    return bracket.relation == "=" and bracket.left.is_letter and not set(bracket.right.letters) & set(summed)
