"""Simplifying a program: the same values from fewer equations.

The rules, each exact as mathematics:

- What no output needs is left out.
- An equation that is equal to an earlier one, but for its name and its summed letters, is computed once.
- A *view* (an operand transposed, broadcast or times a factor; or a constant) is read where it is used: ``t1 = 2 a``
  and ``c = a t1`` become ``c = 2 a a``. A sum over a letter that no operand has any more is a factor of its size. A
  multiple that a person named, or that is used several times, stays.
- A view of a value that nothing else uses takes over its equation.
- Terms of a Sum over the same value become one; a factor of 0 takes its term away.
- The square of a square root is what was under it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby, islice, permutations, product
from math import prod
from typing import TypeGuard

from .letters import letters_of, moved, rebuilt_bracket, rename_letters, uses_of, with_operands
from .program import (
    ONE,
    Contract,
    Equation,
    Factor,
    Map,
    Opaque,
    Program,
    Ref,
    Sum,
    Update,
    exact,
    operands,
)
from .recurrences import carried

Keys = dict[int, tuple[Equation, str]]
"""The fingerprints of equations by their ids, with the equations, which keeps the ids theirs."""

MOST_ARRANGEMENTS = 120
"""How many orders of operands of one name are tried, to see that two Contracts are equal."""

FIRST_NUMBER = 0xE000
"""The characters that number letters: private ones, which are nobody's letters."""


def fingerprint(equation: Equation, dimension: Mapping[str, int]) -> str:
    """A text that equal equations share, whatever their name and letters are called.

    The order of operands of a Contract does not matter. Each letter is numbered where it first stands, the output's
    first, and goes with its dimension, since a letter may stand in no operand.
    """
    if not isinstance(equation, Contract):
        return numbered(equation, dimension)
    return min(numbered(arranged, dimension) for arranged in arrangements(equation))


def arrangements(equation: Contract) -> Iterator[Contract]:
    """The orders of its operands, by name: several where a name stands more than once."""
    ordered = sorted(equation.operands, key=lambda ref: ref.name)
    groups = [list(group) for _, group in groupby(ordered, key=lambda ref: ref.name)]
    for orders in islice(product(*(permutations(group) for group in groups)), MOST_ARRANGEMENTS):
        yield replace(equation, operands=tuple(ref for order in orders for ref in order))


def numbered(equation: Equation, dimension: Mapping[str, int]) -> str:
    """The equation as a text, with numbers for letters and none for its name."""
    letters = letters_of(equation)
    table = {letter: chr(FIRST_NUMBER + n) for n, letter in enumerate(letters)}
    anonymous = replace(equation, out=Ref("", equation.out.indices), source=None)
    return f"{rename_letters(anonymous, table)} {[dimension[letter] for letter in letters]}"


TEMPORARY = re.compile(r"d*t\d+(_dot)*(_\d+)?")


def simplify(program: Program, keep: Collection[str] = ()) -> Program:
    """The same outputs from fewer equations.

    Parameters
    ----------
    program : Program
    keep : collection of str
        Values to keep as they are, besides the outputs.

    Returns
    -------
    Program
        With the same inputs and outputs, names included. Values are equal as mathematics; rounding may differ where a
        factor moved.
    """
    fixed = {*keep, *(ref.name for ref in program.outputs), *carried(program.equations)}
    equations = needed(program.equations, fixed)
    keys: Keys = {}
    equations = settled(equations, program, fixed, keys, only_constants=True)  # so that views find what to take over
    equations = settled(equations, program, fixed, keys, only_constants=False)
    used = {ref.name for equation in equations for ref in operands(equation)} | fixed
    present = used | {equation.out.name for equation in equations}
    return replace(
        program,
        equations=tuple(equations),
        constants={name: array for name, array in program.constants.items() if name in present},
        labels={name: label for name, label in program.labels.items() if name in present},
        origins={name: origin for name, origin in program.origins.items() if name in present},
    )


def settled(
    equations: Sequence[Equation], program: Program, fixed: Collection[str], keys: Keys, *, only_constants: bool
) -> list[Equation]:
    """The rules applied until nothing changes."""
    before: list[Equation] = []
    after = list(equations)
    while not are_same(after, before):
        before = after
        rewritten = Rewriting(program, fixed, before, keys, only_constants=only_constants).run()
        after = needed(absorbed(needed(rewritten, fixed), program, fixed), fixed)
    return after


def are_same(after: Sequence[Equation], before: Sequence[Equation]) -> bool:
    """Whether equations are as they were; numbers that are not equal to themselves (nan) are, too."""
    return len(after) == len(before) and all(
        a is b or a == b or repr(a) == repr(b) for a, b in zip(after, before, strict=True)
    )


def needed(
    equations: Sequence[Equation], outputs: Collection[str], also: Callable[[str], bool] = lambda name: False
) -> list[Equation]:
    """The equations that the outputs depend on, and the values that are kept ``also``, in the same order."""
    wanted: set[str] = set(outputs)
    kept: set[str] = set()
    is_missing = True
    while is_missing:  # once more where an equation reads what is defined further down
        for equation in reversed(equations):
            if equation.out.name in wanted or also(equation.out.name):
                kept.add(equation.out.name)
                wanted |= {ref.name for ref in operands(equation)}
        is_missing = any(equation.out.name in wanted and equation.out.name not in kept for equation in equations)
    return [equation for equation in equations if equation.out.name in kept]


def absorbed(equations: Sequence[Equation], program: Program, fixed: Collection[str]) -> list[Equation]:
    """Let a view of a value that nothing else uses take over its equation, with the letters of that."""
    uses = uses_of(equations)
    made: dict[str, Equation] = {}
    for equation in equations:
        shown = shown_whole(equation)
        if shown is not None and isinstance(equation, Contract):
            before = made.get(shown.name)
            free = uses[shown.name] == 1 and shown.name not in fixed
            if before is not None and free and takes_over(equation, before, program, fixed):
                scaled = (
                    replace(before, factor=before.factor * equation.factor) if isinstance(before, Contract) else before
                )
                del made[shown.name]
                equation = replace(scaled, out=moved(equation.out, shown.indices, before.out.indices))
        made[equation.out.name] = equation
    return list(made.values())


def takes_over(view: Contract, equation: Equation, program: Program, fixed: Collection[str]) -> bool:
    """Whether a view may stand for the value that it shows. Names that a person gave stay, and forward lines do."""
    name, shown = view.out.name, equation.out.name
    if not isinstance(equation, Contract | Sum | Map) or not is_distinct(equation.out.indices):
        return False
    if not isinstance(equation, Contract) and view.factor != ONE:  # a factor more would take an equation more
        return False
    if (name in program.origins) != (shown in program.origins) and name not in fixed:
        return False
    return name in fixed or is_temporary(shown) or (shown in program.origins and not is_temporary(name))


def is_temporary(name: str) -> bool:
    """Whether a value, or the value that it is a derivative of, has a name that a trace made up: ``t3``, ``dt3``."""
    return TEMPORARY.fullmatch(name) is not None


def shown_whole(equation: Equation) -> Ref | None:
    """The operand that an equation is a view of with all its letters and no others: a transpose, times a factor."""
    if is_view(equation) and equation.operands and set(equation.operands[0].indices) == set(equation.out.indices):
        return equation.operands[0]
    return None


class Rewriting:
    """One pass over the equations in their order: views are read through, equal equations computed once."""

    def __init__(
        self, program: Program, fixed: Collection[str], equations: Sequence[Equation], keys: Keys, *,
        only_constants: bool,
    ) -> None:  # fmt: skip
        self.keys = keys
        self.equations = equations
        self.only_constants = only_constants
        self.uses = uses_of(equations)
        self.dimension = {letter: n for n, d in enumerate(program.dimensions) for letter in d.letters}
        self.size_letter = {letter: d.letters[0] for d in program.dimensions for letter in d.letters}
        self.fixed = fixed
        self.views: dict[str, Contract] = {}
        self.roots: dict[str, Map] = {}
        self.seen: dict[str, str] = {}
        self.same: dict[str, str] = {}

    def run(self) -> list[Equation]:
        """The equations rewritten. Those that became unused are still there."""
        return [rewritten for equation in self.equations for rewritten in self.rewrite(equation)]

    def rewrite(self, equation: Equation) -> Iterator[Equation]:
        """The equation as it should be: nothing, if an equal one is there already."""
        out = equation.out
        equation = tidy(self.read_views(self.rename(equation)))
        if isinstance(equation, Opaque):  # its value is its own
            yield equation
            return
        first = self.seen.setdefault(self.key(equation), out.name)
        plain_view = is_view(equation) and equation.operands and equation.factor == ONE  # to be read, in the end
        if first != out.name and out.name not in self.fixed and not plain_view:
            self.same[out.name] = first
            return
        if first != out.name and not is_view(equation) and is_distinct(out.indices):
            equation = Contract(out, (Ref(first, out.indices),), source=equation.source)
        if is_view(equation) and self.is_to_read(equation):
            self.views[out.name] = equation
        if isinstance(equation, Map) and equation.function == "power" and equation.parameter == Fraction(1, 2):
            self.roots[out.name] = equation
        yield equation

    def key(self, equation: Equation) -> str:
        """The fingerprint of an equation, which most passes leave as it is."""
        known = self.keys.get(id(equation))
        if known is None:
            known = self.keys[id(equation)] = equation, fingerprint(equation, self.dimension)
        return known[1]

    def is_to_read(self, view: Contract) -> bool:
        """Whether a view is read where it is used. A multiple that has a name or several uses is computed once."""
        if self.only_constants or not view.operands:
            return not view.operands
        is_one_of_few = self.uses[view.out.name] <= 1 and is_temporary(view.out.name)
        return view.factor == ONE or shown_whole(view) is None or is_one_of_few

    def rename(self, equation: Equation) -> Equation:
        """Read the first of equal values."""
        if not any(ref.name in self.same for ref in operands(equation)):
            return equation
        return with_operands(equation, lambda ref: Ref(self.same.get(ref.name, ref.name), ref.indices))

    def read_views(self, equation: Equation) -> Equation:
        """Read what the equation's operands are views of."""
        match equation:
            case Contract():
                return self.contract_of_views(equation)
            case Sum(_, terms):
                read = [(factor, ref) if ref is None else self.through(factor, ref) for factor, ref in terms]
                return replace(equation, terms=tuple((self.over_size(factor), ref) for factor, ref in read))
            case Map():
                return self.power_of_root(replace(equation, operands=tuple(map(self.plain, equation.operands))))
            case Update(_, base):  # the axes of the result stand as those of the base
                return with_operands(equation, lambda ref: ref if ref == base else self.plain(ref))
            case Opaque():
                return equation
            case _:
                return with_operands(equation, self.plain)

    def contract_of_views(self, equation: Contract) -> Contract:
        """A Contract that reads what its operands are views of; a letter that is left in none of them is counted."""
        if not equation.factor.sizes and not any(ref.name in self.views for ref in operands(equation)):
            return equation
        factor, refs = equation.factor, []
        for operand in equation.operands:
            factor, ref = self.through(factor, operand)
            refs += [] if ref is None else [ref]
        brackets = tuple(rebuilt_bracket(bracket, self.plain) for bracket in equation.brackets)
        rewritten = replace(equation, operands=tuple(refs), brackets=brackets)
        lost = letters_read(equation) - letters_read(rewritten) - set(equation.out.indices)
        factor = prod((Factor.of(1, **{letter: 1}) for letter in sorted(lost)), start=factor)
        return replace(rewritten, factor=self.over_size(factor))

    def through(self, factor: Factor, ref: Ref) -> tuple[Factor, Ref | None]:
        """A factor and an operand, or what that is a view of: None where it is a constant."""
        view = self.views.get(ref.name)
        return (factor, ref) if view is None else (factor * view.factor, seen_through(view, ref))

    def plain(self, ref: Ref) -> Ref:
        """An operand, or what it is a transposed view of."""
        view = self.views.get(ref.name)
        if view is None or view.factor != ONE or not view.operands or letters_read(view) != set(view.out.indices):
            return ref
        return seen_through(view, ref) or ref

    def power_of_root(self, equation: Map) -> Equation:
        """An even power of a square root is a power of what was under it."""
        exponent = equation.parameter
        root = self.roots.get(equation.operands[0].name)
        if equation.function != "power" or root is None or not isinstance(exponent, Fraction) or exponent % 2:
            return equation
        under = moved(root.operands[0], root.out.indices, equation.operands[0].indices)
        if exponent == 2:
            return Contract(equation.out, (under,), source=equation.source)
        return replace(equation, operands=(under,), parameter=exponent / 2)

    def over_size(self, factor: Factor) -> Factor:
        """The factor with one letter for the size of each dimension, so that powers of one size meet."""
        powers = (Factor.of(1, **{self.size_letter.get(letter, letter): power}) for letter, power in factor.sizes)
        return prod(powers, start=Factor(factor.number))


def seen_through(view: Contract, ref: Ref) -> Ref | None:
    """What a view shows, with the letters with which the view is read. None if it is a constant."""
    return moved(view.operands[0], view.out.indices, ref.indices) if view.operands else None


def is_view(equation: Equation) -> TypeGuard[Contract]:
    """Whether it is a factor times one operand, transposed or broadcast, or a constant."""
    if not isinstance(equation, Contract) or equation.brackets or len(equation.operands) > 1:
        return False
    if isinstance(equation.factor.number, float):  # inf or nan: not to be moved
        return False
    if not equation.operands:
        return is_distinct(equation.out.indices) or equation.factor.number == 0
    out, read = equation.out.indices, equation.operands[0].indices
    return is_distinct(out) and is_distinct(read) and set(read) <= set(out)


def is_distinct(indices: str) -> bool:
    """Whether no letter stands twice."""
    return len(set(indices)) == len(indices)


def tidy(equation: Equation) -> Equation:
    """An equation without terms of factor 0, terms over one value added up; a Sum of at most one term is a Contract."""
    match equation:
        case Contract(_, refs, brackets, factor) if factor.number == 0 and (refs or brackets or factor.sizes):
            return replace(equation, operands=(), brackets=(), factor=Factor(Fraction(0)))
        case Sum(out, terms, source):
            merged: dict[tuple[Ref | None, object], Factor] = {}
            for factor, ref in terms:
                before = merged.get((ref, factor.sizes))
                merged[ref, factor.sizes] = factor if before is None else plus(before, factor)
            left = tuple((factor, ref) for (ref, _), factor in merged.items() if factor.number != 0)
            if len(left) > 1:
                return replace(equation, terms=left)
            factor, ref = left[0] if left else (Factor(Fraction(0)), None)
            return Contract(out, (ref,) if ref else (), (), factor, source)
        case _:
            return equation


def plus(a: Factor, b: Factor) -> Factor:
    """The sum of two factors with the same sizes."""
    if isinstance(a.number, Fraction) and isinstance(b.number, Fraction):
        return Factor(a.number + b.number, a.sizes)
    return Factor(exact(complex(a.number) + complex(b.number)), a.sizes)


def letters_read(equation: Contract) -> set[str]:
    """The letters of operands and brackets."""
    return set("".join(ref.indices for ref in equation.operands) + "".join(b.letters for b in equation.brackets))
