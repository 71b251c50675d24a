"""Letters of an equation: which there are, which are summed over, and others in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from operator import mul

from .program import Bracket, Contract, Equation, Extremum, Factor, Map, Opaque, Position, Ref, Sum, Update, operands
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

    def ref(old: Ref) -> Ref:
        return Ref(old.name, old.indices.translate(mapping))

    def factor(old: Factor) -> Factor:
        if not old.sizes:
            return old
        renamed = [Factor(sizes=((i.translate(mapping), p),)) for i, p in old.sizes]  # two may be one letter now
        return reduce(mul, renamed, Factor(old.number))

    def position(old: Position) -> Position:
        terms = tuple((factor(f), i.translate(mapping)) for f, i in old.terms)
        return Position(terms, old.constant, old.pick and ref(old.pick))

    def brackets(old: tuple[Bracket, ...]) -> tuple[Bracket, ...]:
        return tuple(Bracket(position(b.left), b.relation, position(b.right)) for b in old)

    out = ref(equation.out)
    match equation:
        case Contract():
            scale, where = factor(equation.factor), brackets(equation.brackets)
            return replace(equation, out=out, operands=tuple(map(ref, equation.operands)), brackets=where, factor=scale)
        case Sum(_, terms):
            return replace(equation, out=out, terms=tuple((factor(f), r and ref(r)) for f, r in terms))
        case Map() | Opaque():
            return replace(equation, out=out, operands=tuple(map(ref, equation.operands)))
        case Extremum(_, old, _, along):
            return replace(equation, out=out, operand=ref(old), position_of=along.translate(mapping))
        case Update(_, base, value, old_brackets, mask):
            where, limit = brackets(old_brackets), mask and ref(mask)
            return replace(equation, out=out, base=ref(base), value=ref(value), brackets=where, mask=limit)


def with_operands(equation: Equation, changed: Callable[[Ref], Ref]) -> Equation:
    """The equation with something else in the place of each value that it reads, the arrays that brackets pick by and
    masks included."""

    def position(old: Position) -> Position:
        return replace(old, pick=changed(old.pick)) if old.pick is not None else old

    def brackets(old: tuple[Bracket, ...]) -> tuple[Bracket, ...]:
        return tuple(Bracket(position(b.left), b.relation, position(b.right)) for b in old)

    match equation:
        case Contract(_, refs, where):
            return replace(equation, operands=tuple(map(changed, refs)), brackets=brackets(where))
        case Sum(_, terms):
            return replace(equation, terms=tuple((f, r and changed(r)) for f, r in terms))
        case Map(_, _, refs) | Opaque(_, refs):
            return replace(equation, operands=tuple(map(changed, refs)))
        case Extremum(_, old):
            return replace(equation, operand=changed(old))
        case Update(_, base, value, where, mask):
            limit = mask and changed(mask)
            return replace(equation, base=changed(base), value=changed(value), brackets=brackets(where), mask=limit)
