"""Spellings that people use for one function, found in a program and named: sigmoid, relu, softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from .program import ONE, Contract, Equation, Extremum, Factor, Map, Program, Ref, Sum, operands

MINUS_ONE = Factor(Fraction(-1))


def recognise(program: Program) -> Program:
    """The same program with its idioms named; what only they used goes."""
    made = program.defining()
    equations = tuple(named(equation, made) for equation in program.equations)
    held = softmax_shifts(equations)
    equations = tuple(replace(e, held=True) if isinstance(e, Extremum) and e.out.name in held else e for e in equations)
    return without_unused(replace(program, equations=equations), made)


def named(equation: Equation, made: dict[str, Equation]) -> Equation:
    """The equation as the function that it spells, if it is one."""
    for spelling in (reciprocal_sigmoid, quotient_sigmoid, chosen_relu):
        function, argument = spelling(equation, made)
        if argument is not None:
            return Map(equation.out, function, (argument,), None, equation.source)
    return equation


def reciprocal_sigmoid(equation: Equation, made: dict[str, Equation]) -> tuple[str, Ref | None]:
    """``1 / (1 + exp(-x))``."""
    if isinstance(equation, Map) and equation.function == "power" and equation.parameter == -1:
        inner = one_plus(equation.operands[0], made)
        argument = exponent(inner, made) if inner else None
        return "sigmoid", negated(argument, made) if argument else None
    return "", None


def quotient_sigmoid(equation: Equation, made: dict[str, Equation]) -> tuple[str, Ref | None]:
    """``exp(x) / (1 + exp(x))``."""
    if isinstance(equation, Contract) and len(equation.operands) == 2 and equation.factor == ONE and not equation.brackets:
        for top, below in (equation.operands, equation.operands[::-1]):
            under = defined(below, made)
            if isinstance(under, Map) and under.function == "power" and under.parameter == -1:
                inner = one_plus(relettered(under.operands[0], under.out, below), made)
                if inner and exponent(inner, made) == exponent(top, made) and set(top.indices) == set(equation.out.indices):
                    return "sigmoid", exponent(top, made)
    return "", None


def chosen_relu(equation: Equation, made: dict[str, Equation]) -> tuple[str, Ref | None]:
    """``where(x > 0, x, 0)``."""
    if isinstance(equation, Map) and equation.function == "where":
        condition, yes, no = equation.operands
        test, zero = defined(condition, made), defined(no, made)
        if isinstance(test, Map) and test.function in ("greater", "greater_equal") and is_number(zero, 0):
            left, right = (relettered(ref, test.out, condition) for ref in test.operands)
            if left == yes and is_number(defined(right, made), 0):
                return "relu", yes
    return "", None


def defined(ref: Ref, made: dict[str, Equation]) -> Equation | None:
    """The equation that defines an operand."""
    return made.get(ref.name)


def relettered(ref: Ref, out: Ref, use: Ref) -> Ref:
    """An operand of the equation for ``out``, in the letters with which ``out`` is used."""
    table = dict(zip(out.indices, use.indices, strict=True))
    return Ref(ref.name, "".join(table.get(i, i) for i in ref.indices))


def is_number(equation: Equation | None, number: int) -> bool:
    """Whether it is one number everywhere."""
    return isinstance(equation, Contract) and not equation.operands and not equation.brackets and (
        equation.factor == Factor(Fraction(number)))


def one_plus(ref: Ref, made: dict[str, Equation]) -> Ref | None:
    """The x of ``1 + x``."""
    equation = defined(ref, made)
    if isinstance(equation, Sum) and len(equation.terms) == 2:
        for n, (factor, term) in enumerate(equation.terms):
            other, rest = equation.terms[1 - n]
            if factor == ONE and term is None and other == ONE and rest is not None:
                return relettered(rest, equation.out, ref)
    return None


def exponent(ref: Ref, made: dict[str, Equation]) -> Ref | None:
    """The x of ``exp(x)``."""
    equation = defined(ref, made)
    if isinstance(equation, Map) and equation.function == "exp":
        return relettered(equation.operands[0], equation.out, ref)
    return None


def negated(ref: Ref, made: dict[str, Equation]) -> Ref | None:
    """The x of ``-x``."""
    equation = defined(ref, made)
    if (
        isinstance(equation, Contract)
        and len(equation.operands) == 1
        and equation.factor == MINUS_ONE
        and not equation.brackets
        and sorted(equation.operands[0].indices) == sorted(equation.out.indices)
    ):
        return relettered(equation.operands[0], equation.out, ref)
    return None


def softmax_shifts(equations: tuple[Equation, ...]) -> set[str]:
    """The maxima that are only subtracted before an exp whose result is divided by its own sum.

    ``exp(x - m) / Σ exp(x - m)`` does not depend on m, so no derivative flows into it.
    """
    uses: dict[str, list[Equation]] = {}
    for equation in equations:
        for ref in operands(equation):
            uses.setdefault(ref.name, []).append(equation)

    def only(name: str, test: Callable[[Equation], bool]) -> bool:
        return bool(uses.get(name)) and all(map(test, uses[name]))

    def normalised(e: Equation) -> bool:
        """Whether an exp is used in nothing but its sum and its quotient by that sum."""
        sums = {u.out.name for u in uses.get(e.out.name, []) if is_sum_of(u, e.out.name)}
        inverses = {u.out.name for s in sums for u in uses.get(s, []) if is_reciprocal(u)}
        quotient = only(e.out.name, lambda u: u.out.name in sums or is_product_with(u, e.out.name, inverses))
        return bool(inverses) and quotient and all(only(s, is_reciprocal) for s in sums) and all(
            only(i, lambda u: is_product_with(u, e.out.name, {i})) for i in inverses)

    def shifted(difference: Equation) -> bool:
        return isinstance(difference, Sum) and only(
            difference.out.name, lambda e: isinstance(e, Map) and e.function == "exp" and normalised(e))

    return {e.out.name for e in equations if isinstance(e, Extremum) and not e.position_of and only(e.out.name, shifted)}


def is_sum_of(equation: Equation, name: str) -> bool:
    """Whether it sums one value over letters."""
    return isinstance(equation, Contract) and [r.name for r in equation.operands] == [name] and (
        equation.factor == ONE and not equation.brackets)


def is_reciprocal(equation: Equation) -> bool:
    """Whether it is 1/x."""
    return isinstance(equation, Map) and equation.function == "power" and equation.parameter == -1


def is_product_with(equation: Equation, name: str, others: set[str]) -> bool:
    """Whether it is the product of a value and one of others."""
    if not isinstance(equation, Contract) or len(equation.operands) != 2:
        return False
    names = [ref.name for ref in equation.operands]
    return name in names and bool(others & set(names))


def without_unused(program: Program, made: dict[str, Equation]) -> Program:
    """The program without unnamed values that were used before, and that nothing uses now."""
    used_before = {ref.name for equation in made.values() for ref in operands(equation)}
    equations = list(program.equations)
    while True:
        used = {ref.name for e in equations for ref in operands(e)} | {ref.name for ref in program.outputs}
        kept = [
            e for e in equations
            if e.out.name in used or e.out.name not in used_before or e.out.name in program.labels
        ]  # fmt: skip
        if len(kept) == len(equations):
            return replace(program, equations=tuple(kept))
        equations = kept
