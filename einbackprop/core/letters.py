"""Letters of an equation: which there are, which are summed over, and others in their place.

Where products of products become one contraction, as the user's line has them, two may sum over one letter: tracing
and deriving keep steps apart (``t = W·x``, then ``y = t·m``); reading puts together what stands on one line
(``'ij,jb,ib->ib'``). Both have one normal form.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import prod
from operator import mul

from .program import (
    Bracket,
    Contract,
    Dimension,
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
from .subscripts import fresh_letters


def summed(equation: Contract) -> str:
    """The letters that a contraction sums over, in order of appearance."""
    present = "".join(ref.indices for ref in equation.operands) + "".join(b.letters for b in equation.brackets)
    return "".join(i for i in dict.fromkeys(present) if i not in equation.out.indices)


def letters_of(equation: Equation) -> str:
    """Every letter of an equation once, those of the output first."""
    brackets = equation.brackets if isinstance(equation, Contract | Update) else ()
    runs = [equation.out.indices, *(ref.indices for ref in operands(equation)), *(b.letters for b in brackets)]
    return "".join(dict.fromkeys("".join(runs)))


def combinations(equation: Equation, sizes: Mapping[str, int]) -> int:
    """How many combinations of letters an equation runs over."""
    return prod(sizes[letter] for letter in letters_of(equation))


def uses_of(equations: Iterable[Equation], outputs: Iterable[Ref] = ()) -> Counter[str]:
    """How often each value is read by equations, and is one of the outputs."""
    return Counter(ref.name for ref in itertools.chain(*map(operands, equations), outputs))


def moved(ref: Ref, old: str, new: str) -> Ref:
    """A value where letters have become others, one by one; letters that are none of the old ones stay."""
    table = dict(zip(old, new, strict=True))
    return Ref(ref.name, "".join(table.get(i, i) for i in ref.indices))


def relettered(equation: Equation, indices: str) -> Equation:
    """The equation with other letters on its output; summed letters make way for them."""
    table = {old: new for old, new in zip(equation.out.indices, indices, strict=True) if old != new}
    if not table:
        return equation
    own = letters_of(equation)
    fresh = fresh_letters(own + indices)
    table |= {letter: next(fresh) for letter in own if letter in indices and letter not in equation.out.indices}
    return rename_letters(equation, table)


def rename_letters(equation: Equation, table: Mapping[str, str]) -> Equation:
    """The equation with letters replaced, all at once."""
    mapping = str.maketrans(dict(table))

    def letter(old: str) -> str:
        return old.translate(mapping)

    def ref(old: Ref) -> Ref:
        return Ref(old.name, letter(old.indices))

    def factor(old: Factor) -> Factor:
        if not old.sizes:
            return old
        renamed = [Factor(sizes=((letter(i), p),)) for i, p in old.sizes]  # two may be one letter now
        return reduce(mul, renamed, Factor(old.number))

    return rebuilt(equation, ref(equation.out), ref, factor, letter)


def with_operands(equation: Equation, changed: Callable[[Ref], Ref]) -> Equation:
    """The equation with something else in the place of each value that it reads, the arrays that brackets pick by and
    masks included."""
    return rebuilt(equation, equation.out, changed)


def same_factor(factor: Factor) -> Factor:
    """The factor as it is."""
    return factor


def rebuilt(
    equation: Equation, out: Ref, ref: Callable[[Ref], Ref], factor: Callable[[Factor], Factor] = same_factor,
    letter: Callable[[str], str] = str,
) -> Equation:  # fmt: skip
    """The equation with another result, and other values, factors and single letters in the place of each."""

    def brackets(old: tuple[Bracket, ...]) -> tuple[Bracket, ...]:
        return tuple(rebuilt_bracket(bracket, ref, factor, letter) for bracket in old)

    match equation:
        case Contract(_, refs, where, scale):
            values = tuple(map(ref, refs))
            return replace(equation, out=out, operands=values, brackets=brackets(where), factor=factor(scale))
        case Sum(_, terms):
            return replace(equation, out=out, terms=tuple((factor(f), r and ref(r)) for f, r in terms))
        case Map() | Opaque():
            return replace(equation, out=out, operands=tuple(map(ref, equation.operands)))
        case MatrixFunction(_, _, refs, matrix, result):
            own, made = ("".join(map(letter, letters)) for letters in (matrix, result))
            return replace(equation, out=out, operands=tuple(map(ref, refs)), matrix=own, result=made)
        case Extremum(_, old, _, along):
            return replace(equation, out=out, operand=ref(old), position_of=letter(along))
        case Update(_, base, value, where, mask):
            limit = mask and ref(mask)
            return replace(equation, out=out, base=ref(base), value=ref(value), brackets=brackets(where), mask=limit)


def rebuilt_bracket(
    bracket: Bracket, ref: Callable[[Ref], Ref], factor: Callable[[Factor], Factor] = same_factor,
    letter: Callable[[str], str] = str,
) -> Bracket:  # fmt: skip
    """The bracket with other arrays to pick by, factors and letters; what gets no letter is left out."""

    def position(old: Position) -> Position:
        terms = tuple((factor(f), new) for f, i in old.terms if (new := letter(i)))
        return Position(terms, old.constant, old.pick and ref(old.pick))

    return Bracket(position(bracket.left), bracket.relation, position(bracket.right))


def fuse(
    program: Program, inside: Callable[[Equation, Equation], bool], letters: Letters | None = None
) -> Program:  # fmt: skip
    """Put products into the products that they are used in.

    Parameters
    ----------
    program : Program
    inside : callable
        ``inside(part, whole)``: whether a part may be put into the equation that uses it. A value that is used more
        than once, or is an output, is never put into another.
    letters : Letters or None
        Gives the new letters; a program's own unless told otherwise.

    Returns
    -------
    Program
        The same outputs; the values that were put into others are gone.
    """
    uses = uses_of(program.equations, program.outputs)
    letters = letters or Letters(program.dimensions)
    made: dict[str, Equation] = {}
    for equation in program.equations:
        if isinstance(equation, Contract):
            parts = {
                ref.name: part
                for ref in equation.operands
                if isinstance(part := made.get(ref.name), Contract)
                and part.operands
                and uses[ref.name] == 1
                and len(set(ref.indices)) == len(ref.indices)
                and len(set(part.out.indices)) == len(part.out.indices)
                and inside(part, equation)
            }
            equation = merged(equation, parts, letters)
            for name in parts:
                del made[name]
        made[equation.out.name] = equation
    return replace(program, equations=tuple(made.values()), dimensions=letters.dimensions())


class Letters:
    """The letters of a program's dimensions, and new ones where a dimension meets itself once more."""

    def __init__(self, dimensions: tuple[Dimension, ...]) -> None:
        self._dimensions = list(dimensions)

    def free(self, letter: str, used: set[str]) -> str:
        """Another letter over the same dimension that is not used yet."""
        n = next(n for n, d in enumerate(self._dimensions) if letter in d.letters)
        own = self._dimensions[n]
        spare = [i for i in own.letters if i not in used]
        if spare:
            return spare[0]
        everything = used | {i for d in self._dimensions for i in d.letters}
        after = [chr(code) for code in range(ord(own.letters[-1]) + 1, ord("z") + 1) if has_capital(chr(code))]
        others = [chr(code) for code in range(ord("a"), 0x3000) if has_capital(chr(code))]
        new = next(i for i in after + others if i not in everything)
        self._dimensions[n] = replace(own, letters=own.letters + new)
        return new

    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions with every letter that was given out."""
        return tuple(self._dimensions)


def has_capital(letter: str) -> bool:
    """Whether a letter is a small one with a capital of its own, which stands for the size (a micro sign has none)."""
    return letter.islower() and len(letter.upper()) == 1 and letter.upper().lower() == letter != letter.upper()


def merged(whole: Contract, parts: Mapping[str, Contract], letters: Letters) -> Contract:
    """The product with its parts' operands, brackets and factors in the places where the parts stood."""
    refs: list[Ref] = []
    brackets: list[Bracket] = []
    factor = whole.factor
    taken = set(letters_of(whole))
    for ref in whole.operands:
        part = parts.get(ref.name)
        if part is None:
            refs.append(ref)
            continue
        inner = in_letters_of(part, ref.indices, taken, letters)
        taken |= set(letters_of(inner))
        refs += inner.operands
        brackets += inner.brackets
        factor = factor * inner.factor
    return replace(whole, operands=tuple(refs), brackets=(*brackets, *whole.brackets), factor=factor)


def in_letters_of(part: Contract, indices: str, taken: set[str], letters: Letters) -> Contract:
    """The part in the letters of the place where it is used; what it sums over gets letters that are free there."""
    table = dict(zip(part.out.indices, indices, strict=True))
    used = taken | set(indices)
    for letter in sorted(set(letters_of(part)) - set(part.out.indices)):
        table[letter] = letter if letter not in used else letters.free(letter, used)
        used.add(table[letter])
    renamed = rename_letters(part, table)
    assert isinstance(renamed, Contract)
    return renamed


def set_apart(inside: Sequence[Equation], line: Sequence[Equation], letters: Letters) -> list[Equation]:
    """The equations with other letters where they sum over one that stands free elsewhere on their line."""
    changed = []
    for equation in inside:
        bound = set(letters_of(equation)) - set(equation.out.indices)
        others = {i for other in line if other is not equation for i in other.out.indices}
        table: dict[str, str] = {}
        for letter in sorted(bound & others):
            table[letter] = letters.free(letter, others | set(letters_of(equation)) | set(table.values()))
        changed.append(rename_letters(equation, table) if table else equation)
    return changed


def free_name(name: str, taken: set[str]) -> str:
    """The name, with a number appended where it is taken; it is taken from now on."""
    return numbered(name, taken)[0]


def numbered(name: str, taken: set[str], count: int = 1) -> tuple[str, int]:
    """As ``free_name``, and the number, from which to go on: all before this ``count`` are taken."""
    free = name if count == 1 else f"{name}_{count}"
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free, count
