"""Spellings that people use for one function, found in a program and named: sigmoid, tanh, relu, softmax.

A spelling is recognised by what it is, not by how it is written: a value that is made of ``exp(x)`` by arithmetic is a
quotient of two polynomials in ``exp(x)``, and it is the sigmoid if that is ``e/(1 + e)``. The max that is subtracted in
a softmax is recognised by its doing nothing: whatever is added to it leaves everything that is made of it the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from .program import ONE, Contract, Equation, Extremum, Factor, Map, Program, Ref, Sum, operands
from .quotients import Quotient, Quotients, relettered
from .shifting import does_nothing

ABOVE = ("greater", "greater_equal")
BELOW = ("less", "less_equal")


def recognise(program: Program, apart: Callable[[Equation], Hashable] = lambda equation: None) -> Program:
    """The same program with its idioms named; what only they used goes.

    Parameters
    ----------
    program : Program
    apart : callable
        Equations for which it gives different things are no parts of one idiom, as statements are not where each is
        read by itself.
    """
    groups: dict[Hashable, list[Equation]] = {}
    for equation in program.equations:
        groups.setdefault(apart(equation), []).append(equation)
    found: dict[str, Equation] = {}
    for group in groups.values():
        made = {equation.out.name: equation for equation in group}
        quotients = Quotients(made)
        sides = (Quotients(made, 1), Quotients(made, -1))
        found |= {equation.out.name: named(equation, made, quotients, sides) for equation in group}
    equations = tuple(found[equation.out.name] for equation in program.equations)
    equations = tuple(held(equation, equations, program) for equation in equations)
    return without_unused(replace(program, equations=equations), program.defining())


def named(
    equation: Equation, made: Mapping[str, Equation], quotients: Quotients, sides: tuple[Quotients, Quotients]
) -> Equation:
    """The equation as the function that it spells, if it is one."""
    if isinstance(equation, Map) and equation.function in ("sigmoid", "tanh", "exp", "relu"):
        return equation  # np.tanh may be a part of a sigmoid
    spelled = (*of_exponentials(equation, quotients), *without_overflow(equation, sides), *relu(equation, made))
    for function, argument in spelled:
        quotients.name(equation.out.name)
        return Map(equation.out, function, (argument,), None, equation.source)
    return equation


def of_exponentials(equation: Equation, quotients: Quotients) -> Iterator[tuple[str, Ref]]:
    """Sigmoid and tanh: ``e/(1 + e)`` and ``(e² − 1)/(e² + 1)`` where e is the exp of the argument."""
    found = quotients.of(equation.out.name)
    if found is not None:
        for argument, scale in found.arguments:
            if found.equals(Quotient.sigmoid(argument, scale)):
                yield "sigmoid", argument
            elif found.equals(Quotient.tanh(argument, scale)):
                yield "tanh", argument


def without_overflow(equation: Equation, sides: tuple[Quotients, Quotients]) -> Iterator[tuple[str, Ref]]:
    """``exp(min(x, 0)) / (1 + exp(-|x|))`` and the like: the same function of x on both sides of 0."""
    if isinstance(equation, Contract):
        right, left = (list(of_exponentials(equation, side)) for side in sides)
        yield from (found for found in right if found in left)


def relu(equation: Equation, made: Mapping[str, Equation]) -> Iterator[tuple[str, Ref]]:
    """``where(x > 0, x, 0)``, ``where(x < 0, 0, x)``, ``x · (x > 0)``, ``max(x, 0)``, ``½(x + |x|)``."""
    match equation:
        case Map(function="where", operands=(condition, yes, no)):
            for value, other, relations in ((yes, no, ABOVE), (no, yes, BELOW)):
                if is_number(other, 0, made) and compared_with_zero(condition, made) in [(value, r) for r in relations]:
                    yield "relu", value
        case Map(function="maximum", operands=(a, b)):
            for value, other in ((a, b), (b, a)):
                if is_number(other, 0, made) and set(value.indices) == set(equation.out.indices):
                    yield "relu", value
        case Contract(operands=(a, b), brackets=(), factor=factor) if factor == ONE:
            for value, mask in ((a, b), (b, a)):
                if compared_with_zero(mask, made) in [(value, r) for r in ABOVE] and is_whole(equation, value):
                    yield "relu", value
        case Contract(operands=(a,), brackets=(), factor=factor) if factor == Factor(Fraction(1, 2)):
            inner = made.get(a.name)
            if isinstance(inner, Sum) and [f for f, _ in inner.terms] == [ONE, ONE] and is_whole(equation, a):
                terms = [relettered(term, inner.out, a) for _, term in inner.terms if term]
                for value, size in (terms, terms[::-1]) if len(terms) == 2 else ():
                    if absolute(size, made) == value:
                        yield "relu", value


def compared_with_zero(condition: Ref, made: Mapping[str, Equation]) -> tuple[Ref, str] | None:
    """The x and the relation of ``x > 0``."""
    test = made.get(condition.name)
    if isinstance(test, Map) and test.function in (*ABOVE, *BELOW) and is_number(test.operands[1], 0, made):
        return relettered(test.operands[0], test.out, condition), test.function
    return None


def absolute(ref: Ref, made: Mapping[str, Equation]) -> Ref | None:
    """The x of ``|x|``."""
    equation = made.get(ref.name)
    if isinstance(equation, Map) and equation.function == "abs":
        return relettered(equation.operands[0], equation.out, ref)
    return None


def is_number(ref: Ref, number: int, made: Mapping[str, Equation]) -> bool:
    """Whether an operand is one number everywhere."""
    equation = made.get(ref.name)
    return (
        isinstance(equation, Contract)
        and not equation.operands
        and not equation.brackets
        and equation.factor == Factor(Fraction(number))
    )


def is_whole(equation: Equation, ref: Ref) -> bool:
    """Whether an equation takes an operand entry by entry: nothing is summed, stretched or read on a diagonal."""
    return sorted(ref.indices) == sorted(equation.out.indices) and len(set(ref.indices)) == len(ref.indices)


def held(equation: Equation, equations: tuple[Equation, ...], program: Program) -> Equation:
    """A max or min that nothing depends on, marked so that no derivative flows into it."""
    if isinstance(equation, Extremum) and not equation.position_of and not equation.held:
        return replace(equation, held=does_nothing(equation.out, equations, program.outputs))
    return equation


def without_unused(program: Program, made: Mapping[str, Equation]) -> Program:
    """The program without unnamed values that were used before, and that nothing uses now."""
    used_before = {ref.name for equation in made.values() for ref in operands(equation)}
    used = {ref.name for ref in program.outputs}
    kept = []
    for equation in reversed(program.equations):
        name = equation.out.name
        if name in used or name not in used_before or name in program.labels:
            kept.append(equation)
            used.update(ref.name for ref in operands(equation))
    return replace(program, equations=tuple(reversed(kept)))
