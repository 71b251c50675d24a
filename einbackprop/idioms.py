"""Idioms found in a program and named: the sigmoid in its several spellings, relu, tanh, the max that a softmax subtracts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from . import spellings
from .invariance import hold_shifts
from .program import Contract, Equation, Map, Program, Ref, Sum, operands
from .spellings import Tree

DEPTH = 7  # the longest spelling, a sigmoid that does not overflow, is six steps deep
Made = dict[str, Equation]


def recognise(program: Program) -> Program:
    """The same program with its idioms named; unnamed values that only they used go."""
    made: Made = {}
    for equation in program.equations:
        made[equation.out.name] = named(equation, made)
    used = {ref.name for equation in program.equations for ref in operands(equation)}
    return without_unused(hold_shifts(replace(program, equations=tuple(made.values()))), used)


def named(equation: Equation, made: Made) -> Equation:
    """The equation as the function that it spells, if it is one."""
    if not isinstance(equation, Contract | Sum | Map):
        return equation
    inner = {**made, equation.out.name: equation}
    for argument in arguments(equation, made):
        tree = tree_of(equation.out, inner, argument, DEPTH)
        function = spellings.function_of(tree, ("leaf", argument.name, argument.indices))
        if function and not (isinstance(equation, Map) and equation.function == function):
            return Map(equation.out, function, (argument,), None, equation.source)
    return equation


def arguments(equation: Equation, made: Made) -> list[Ref]:
    """The values that the equation could be a function of: those of its axes that it is made from, the nearest first."""
    found: dict[Ref, None] = {}
    level = list(operands(equation))
    for _ in range(DEPTH):
        below = []
        for ref in level:
            if ref not in found and sorted(ref.indices) == sorted(equation.out.indices):
                found[ref] = None
                inner = made.get(ref.name)
                if isinstance(inner, Contract | Sum | Map):
                    below += [relettered(r, inner.out, ref) for r in operands(inner)]
        level = below
    return list(found)


def tree_of(ref: Ref, made: Made, argument: Ref, depth: int) -> Tree:
    """A value as a tree of pointwise operations down to the argument."""
    leaf: Tree = ("leaf", ref.name, ref.indices)
    equation = made.get(ref.name)
    if ref == argument or depth == 0 or equation is None:
        return leaf

    def inner(other: Ref) -> Tree:
        return tree_of(relettered(other, equation.out, ref), made, argument, depth - 1)

    match equation:
        case Contract(out, refs, (), factor) if is_pointwise(out, refs) and not factor.sizes:
            if isinstance(factor.number, Fraction):
                return spellings.multiply([spellings.number(factor.number), *map(inner, refs)])
        case Sum(_, terms):
            numbers = [f.number for f, _ in terms if isinstance(f.number, Fraction) and not f.sizes]
            if len(numbers) == len(terms):
                inners = [inner(r) if r else spellings.ONE for _, r in terms]
                return spellings.add(list(zip(numbers, inners, strict=True)))
        case Map(_, "power", (base,), Fraction() as p):
            return spellings.power(inner(base), p)
        case Map(_, function, refs, None):
            return spellings.call(function, list(map(inner, refs)))
    return leaf


def is_pointwise(out: Ref, refs: tuple[Ref, ...]) -> bool:
    """Whether a product sums over nothing and reads no diagonal."""
    return all(set(ref.indices) <= set(out.indices) and len(set(ref.indices)) == len(ref.indices) for ref in refs)


def relettered(ref: Ref, out: Ref, use: Ref) -> Ref:
    """An operand of the equation for ``out``, in the letters with which ``out`` is used."""
    table = dict(zip(out.indices, use.indices, strict=True))
    return Ref(ref.name, "".join(table.get(i, i) for i in ref.indices))


def without_unused(program: Program, used_before: set[str]) -> Program:
    """The program without unnamed values that were used before, and that nothing uses now."""
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
