"""Preparing a program for lowering: constants computed, products of products put together."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import opt_einsum

from ..core import interpretation
from ..core.letters import free_name, fuse
from ..core.program import ONE, Contract, Equation, Map, Opaque, Position, Program, Ref, operands
from ..core.subscripts import Subscripts
from . import algebra, einsum_lowering, picking, stacking

LARGEST = 1 << 20
"""Constants of more entries are computed in each run."""


def prepared(program: Program, dtypes: Sequence[Any] = (), positions: Collection[str] = ()) -> Program:
    """The same outputs, from fewer steps. ``positions`` are the labels that are looked at in each run."""
    if dtypes:
        inputs = tuple(replace(i, dtype=np.dtype(d).name) for i, d in zip(program.inputs, dtypes, strict=True))
        program = replace(program, inputs=inputs)
    program = folded(program)
    program = replace(program, equations=tuple(map(squares_as_products, program.equations)))
    program = picking.with_picks_placed(stacking.stacked(fuse(program, is_better_together)))
    return algebra.simplified(picking.without_certain_picks(program, positions))


def folded(program: Program) -> Program:
    """What is made of constants alone is computed now."""
    constants = {name: np.asarray(array) for name, array in program.constants.items()}
    sizes = program.sizes
    left: list[Equation] = []
    for equation in program.equations:
        names = [ref.name for ref in operands(equation)]
        count = int(np.prod([sizes[i] for i in equation.out.indices], dtype=np.int64))
        if all(name in constants for name in names) and count <= LARGEST and not isinstance(equation, Opaque):
            constants[equation.out.name] = interpretation.compute(equation, constants, sizes)
        elif not (isinstance(equation, Opaque) and equation.out.name in constants):
            left.append(equation)
    used = {ref.name for equation in left for ref in operands(equation)} | {ref.name for ref in program.outputs}
    return replace(
        program,
        equations=tuple(left),
        constants={name: array for name, array in constants.items() if name in used},
    )


def squares_as_products(equation: Equation) -> Equation:
    """A square as a product, which can be put into others."""
    if isinstance(equation, Map) and equation.function == "power" and equation.parameter == 2:
        (ref,) = equation.operands
        return Contract(equation.out, (ref, ref), source=equation.source)
    return equation


def is_better_together(part: Equation, whole: Equation) -> bool:
    """Whether a product is to be put into the product that reads it: never where an order of work would be lost."""
    if not isinstance(part, Contract) or not isinstance(whole, Contract):
        return False
    if is_cut(whole) and is_overlapping(part):
        return True
    if part.brackets or len(part.operands) + len(whole.operands) > 6:
        return False
    present = {i for ref in part.operands for i in ref.indices}
    if whole.brackets:  # a product of two that is added up in places that overlap
        overlaps = any(len(side.terms) > 1 for b in whole.brackets for side in (b.left, b.right))
        if not overlaps or len(whole.operands) > 1 or len(part.operands) != 2 or present <= set(part.out.indices):
            return False
    distinct = len(set(part.out.indices)) == len(part.out.indices)
    if not distinct or not set(part.out.indices) <= present or isinstance(part.factor.number, float | complex):
        return False
    sums = not present <= set(part.out.indices)
    return not sums or len(whole.operands) == 1  # a sum of a sum is one sum


def is_overlapping(equation: Contract) -> bool:
    """Whether it is a product of two that is added up at places that overlap: ``y[l] = … [l=a+r]``."""
    for bracket in equation.brackets:
        place, other = sorted((bracket.left, bracket.right), key=lambda side: len(side.terms))
        alone = place == Position.of(place.letters) and len(place.letters) == 1
        if bracket.relation != "=" or not alone or place.letters not in equation.out.indices:
            return False
        if len(other.terms) < 2 or other.pick is not None:
            return False
    return len(equation.operands) == 2 and bool(equation.brackets)


def is_cut(equation: Contract) -> bool:
    """Whether it is a piece that is cut out of an array: ``y[j] = x[l] [l=j+2]``."""
    for bracket in equation.brackets:
        sides = (bracket.left, bracket.right)
        if bracket.relation != "=" or any(s.pick or [f for f, _ in s.terms] != [ONE] for s in sides):
            return False
        if sum(side.letters in equation.out.indices for side in sides) != 1:
            return False
    return len(equation.operands) == 1 and bool(equation.brackets)


def paired(program: Program) -> Program:
    """The program with each product of many operands as a tree of products of two, in the order of least work.

    Reverse mode along that tree gives the gradient by every operand for at most twice the forward's multiplications:
    each product of two has two transposes of the same cost, and shares what is above and below it.
    """
    taken = {*program.defining(), *program.constants, *(i.ref.name for i in program.inputs)}
    equations: list[Equation] = []
    for equation in program.equations:
        equations += in_pairs(equation, program.sizes, taken)
    return replace(program, equations=tuple(equations))


def in_pairs(equation: Equation, sizes: dict[str, int], taken: set[str]) -> list[Equation]:
    """A product as products of two; brackets, and products that sum nothing, stay as they are."""
    if not isinstance(equation, Contract) or len(equation.operands) < 3 or equation.brackets:
        return [equation]
    kept = equation.out.indices
    terms = ["".join(dict.fromkeys(ref.indices)) for ref in equation.operands]
    if not set("".join(terms)) - set(kept) or len(set(kept)) != len(kept):
        return [equation]
    left = list(equation.operands)
    made: list[Equation] = []
    for positions in path_of(terms, kept, sizes):
        chosen = tuple(left[n] for n in positions)
        left = [ref for n, ref in enumerate(left) if n not in positions]
        if not left:
            made.append(replace(equation, operands=chosen))
            break
        needed = {i for ref in left for i in ref.indices} | set(kept)
        letters = "".join(dict.fromkeys(i for ref in chosen for i in ref.indices if i in needed))
        name = free_name(f"{equation.out.name}_part", taken)
        made.append(Contract(Ref(name, letters), chosen, source=equation.source))
        left.append(Ref(name, letters))
    return made


def path_of(terms: Sequence[str], kept: str, sizes: dict[str, int]) -> list[tuple[int, ...]]:
    """The positions of the operands of each product; its result goes to the end."""
    letters = dict.fromkeys("".join(terms) + kept)
    names = {letter: opt_einsum.get_symbol(n) for n, letter in enumerate(letters)}
    named = tuple("".join(names[i] for i in term) for term in terms)
    out = "".join(names[i] for i in kept if any(i in term for term in terms))
    return einsum_lowering.contraction_order(Subscripts(named, out), {names[i]: sizes[i] for i in letters})
