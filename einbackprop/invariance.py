"""Maxima that a result does not depend on: the max subtracted in a softmax, or in a log-sum-exp.

If m grows by δ, ``x - m`` shrinks by δ and ``exp(x - m)`` by the factor e^-δ; a sum of such terms does too, its logarithm
shrinks by δ again, and in the quotient or the difference δ is gone. A maximum is *held* where this bookkeeping proves that
nothing else sees it, so that no derivative flows into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from .program import Contract, Equation, Extremum, Map, Program, Ref, Sum, operands, picks


@dataclass(frozen=True)
class Shift:
    """What δ[axes] added to m does to a value: it adds degree·δ, or multiplies by e^(degree·δ)."""

    kind: str
    degree: Fraction
    axes: tuple[int, ...]

    def letters(self, ref: Ref) -> str:
        """The letters of δ where the value is read."""
        return "".join(ref.indices[i] for i in self.axes)


def hold_shifts(program: Program) -> Program:
    """The program with every maximum held that its results provably do not depend on."""
    held = {e.out.name for e in program.equations if is_value(e) and is_invisible(e.out, program)}
    equations = (replace(e, held=True) if isinstance(e, Extremum) and e.out.name in held else e for e in program.equations)
    return replace(program, equations=tuple(equations))


def is_value(equation: Equation) -> bool:
    """Whether it is a max or min, not a position."""
    return isinstance(equation, Extremum) and not equation.position_of


def is_invisible(m: Ref, program: Program) -> bool:
    """Whether adding δ to m changes nothing beyond the values that the bookkeeping follows."""
    shifts = {m.name: Shift("add", Fraction(1), tuple(range(len(m.indices))))}
    for equation in program.equations:
        read = [ref for ref in operands(equation) if ref.name in shifts]
        if read:
            shift = shift_of(equation, shifts)
            if shift is None:
                return False
            if shift.degree:
                shifts[equation.out.name] = shift
    return len(shifts) > 1 and not any(ref.name in shifts for ref in program.outputs)


def shift_of(equation: Equation, shifts: Mapping[str, Shift]) -> Shift | None:
    """What happens to a value made from shifted ones; None where that is neither a sum nor a factor."""
    read = [(ref, shifts[ref.name]) for ref in operands(equation) if ref.name in shifts]
    letters = {shift.letters(ref) for ref, shift in read}
    if len(letters) != 1 or len(set(letters)) != 1 or any(i not in equation.out.indices for i in next(iter(letters))):
        return None
    axes = tuple(equation.out.indices.index(i) for i in next(iter(letters)))
    kinds = {shift.kind for _, shift in read}
    match equation:
        case Sum(_, terms) if kinds == {"add"}:
            degrees = [f.number * shifts[r.name].degree for f, r in terms if r is not None and r.name in shifts
                       and isinstance(f.number, Fraction) and not f.sizes]  # fmt: skip
            return Shift("add", sum(degrees, Fraction(0)), axes) if len(degrees) == len(read) else None
        case Sum(_, terms) if kinds == {"multiply"} and len(read) == len(terms):
            degrees = [shift.degree for _, shift in read]
            return Shift("multiply", degrees[0], axes) if len(set(degrees)) == 1 else None
        case Map(_, "exp", (_,)) if kinds == {"add"}:
            return Shift("multiply", read[0][1].degree, axes)
        case Map(_, "log", (_,)) if kinds == {"multiply"}:
            return Shift("add", read[0][1].degree, axes)
        case Map(_, "power", (_,), Fraction() as p) if kinds == {"multiply"}:
            return Shift("multiply", p * read[0][1].degree, axes)
        case Contract(_, refs, brackets, factor) if len(refs) == 1 and kinds == {"add"} and not picked(brackets, shifts):
            single = sorted(refs[0].indices) == sorted(equation.out.indices) and not brackets and not factor.sizes
            if single and isinstance(factor.number, Fraction):
                return Shift("add", factor.number * read[0][1].degree, axes)
        case Contract(_, _, brackets) if kinds == {"multiply"} and not picked(brackets, shifts):
            return Shift("multiply", sum((shift.degree for _, shift in read), Fraction(0)), axes)
    return None


def picked(brackets: tuple[object, ...], shifts: Mapping[str, Shift]) -> bool:
    """Whether a bracket picks by a shifted value."""
    return any(ref.name in shifts for ref in picks(brackets))  # type: ignore[arg-type]
