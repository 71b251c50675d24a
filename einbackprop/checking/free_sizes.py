"""Which dimensions of a program may have any size, and sizes of our own for them, all different.

No mistake hides behind two sizes that happen to be equal. What stands in the code as a number, and what data say by
their kind, stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einbackprop.checking.drawing import parameter_role, role
from einbackprop.core.interpretation import squeeze
from einbackprop.core.program import Bracket, Contract, Opaque, Position, Program, Sum, Update, operands, picks

Array = NDArray[Any]
SQUARE = ("symmetric", "definite", "orthogonal")
SMALLEST = 3  # two samples are too few for a norm: its outputs are ±1 whatever goes in


def is_of_samples(letter: str, program: Program) -> bool:
    """Whether a letter ranges over samples."""
    return program.dimension(letter).letters.startswith("b")


def free_dimensions(program: Program, arrays: Sequence[Array], parameters: Collection[str]) -> set[str]:
    """The first letters of the dimensions that may have any size.

    A single unit stays single: ``np.mean`` over one output is right without a sum over outputs. A batch of one does
    not: it hides a mistake.
    """
    tied: set[str] = set()
    for equation in program.equations:
        if isinstance(equation, Contract | Update):
            tied |= {i for bracket in equation.brackets for i in tied_letters(bracket, program)}
        if isinstance(equation, Opaque):
            tied |= {i for ref in (equation.out, *operands(equation)) for i in ref.indices}
        tied |= {i for ref in operands(equation) if ref.name in program.constants for i in ref.indices}
    numbers = whole_numbers(program)
    tied |= {i for d in program.dimensions if written_out(d.size, program, numbers) for i in d.letters}
    for declared, array in zip(program.inputs, arrays, strict=True):
        own = declared.ref.name in parameters
        single = {i for i in declared.ref.indices if program.sizes[i] == 1 and (own or not is_of_samples(i, program))}
        plain = squeeze(np.asarray(array), declared)
        stays = parameter_role(plain).kind in SQUARE if own else not can_be_resized(np.asarray(array))
        tied |= set(declared.ref.indices) if stays else single
    return {d.letters[0] for d in program.dimensions if not tied & set(d.letters) and d.size}


def written_out(size: int, program: Program, numbers: Collection[int]) -> bool:
    """Whether a number in the program could be a size, as in ``/ len(X)`` or ``/ (n - 1)``: then the size must stay."""
    likely = {size - 1, 2 * size, size * size} | {size * d.size for d in program.dimensions}
    return size > 1 and (size in numbers or any(n in likely for n in numbers if n > 2))


def whole_numbers(program: Program) -> set[int]:
    """The numerators and denominators of the factors of a program, and of their squares."""
    found: set[int] = set()
    for equation in program.equations:
        factors = [f for f, _ in equation.terms] if isinstance(equation, Sum) else [getattr(equation, "factor", None)]
        for number in (f.number for f in factors if f is not None):
            if isinstance(number, Fraction):
                if number.denominator > 10_000:  # a root, perhaps
                    number = (number * number).limit_denominator(10_000)
                found |= {abs(number.numerator), number.denominator}
    return found - {0, 1}


def tied_letters(bracket: Bracket, program: Program) -> set[str]:
    """The letters of a bracket whose sizes are not free: all but those of ``[i=j]`` over one dimension, and those that
    say for which sample labels pick."""
    left, right = bracket.left, bracket.right
    if is_letter(left) and is_letter(right) and program.dimension(left.letters) is program.dimension(right.letters):
        return set()
    picked = {i for ref in picks((bracket,)) for i in ref.indices}
    whole = all(not s.constant and (s.pick is None or not s.terms) for s in (left, right))
    return set(bracket.letters) - (picked if whole else set())


def is_letter(position: Position) -> bool:
    """Whether a position is one letter as it stands."""
    return position == Position.of(position.letters[:1]) if position.letters else False


def can_be_resized(array: Array) -> bool:
    """Whether an array of another size can be drawn that is data of the same kind."""
    if role(array).kind in SQUARE:
        return False
    return not (array.dtype.kind in "iu" and array.size > 1 and len(np.unique(array)) == array.size)


def distinct_sizes(program: Program, free: Collection[str], order: int = 1) -> dict[str, int]:
    """A size for each dimension, all different; those that are tied keep theirs."""
    sizes = program.sizes
    taken = {d.size for d in program.dimensions if d.letters[0] not in free}
    for dimension in program.dimensions[::order]:
        if dimension.letters[0] in free:
            size = next(n for n in range(SMALLEST, 10_000) if n not in taken)
            taken.add(size)
            sizes |= dict.fromkeys(dimension.letters, size)
    return sizes
