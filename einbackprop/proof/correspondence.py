"""Which dimensions of two programs are one: those of inputs that go together, and of values that are compared.

What was found of two values says what that rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ..core.program import Contract, Program, operands
from ..notation.index_notation import equation_text

ONE_SIZE = "dimensions that the second formula takes as one have one size"
Letter = tuple[int, str]
"""0 for the first program, 1 for the second; and a letter of it."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Numbers for the dimensions of two programs together.

    Attributes
    ----------
    first, second : dict of letter to int
        The number of each letter, for either program.
    sizes : dict of int to int
        The traced size of each.
    merged : bool
        Whether the second program made two dimensions of the first one.
    """

    first: dict[str, int]
    second: dict[str, int]
    sizes: dict[int, int]
    merged: bool


def number_dimensions(
    program: Program, other: Program, called: Mapping[str, str], values: Sequence[tuple[str, str]] = ()
) -> Numbering:
    """Number the dimensions of two programs together.

    Parameters
    ----------
    program, other : Program
    called : mapping
        For inputs and other values of the second, what goes with each in the first.
    values : sequence of pairs of str
        Letters of the axes of values that are compared, of the first program and of the second.

    Returns
    -------
    Numbering
        Dimensions that nothing links are one where their letters are the same.
    """
    sides = [(0, d) for d in program.dimensions] + [(1, d) for d in other.dimensions]
    parent: dict[Letter, Letter] = {(side, i): (side, d.letters[0]) for side, d in sides for i in d.letters}

    def root(x: Letter) -> Letter:
        while parent[x] != x:
            x = parent[x]
        return x

    if program is other:
        pairs = [(d.letters[0], d.letters[0]) for d in program.dimensions]
    else:
        pairs = [(indices_of(program, ours) or "", indices_of(other, name) or "") for name, ours in called.items()]
        pairs += values
    linked: set[Letter] = set()
    for first, second in pairs:
        for i, k in zip(first, second, strict=False):
            linked |= {root((0, i)), root((1, k))}
            parent[root((1, k))] = root((0, i))
            linked.add(root((0, i)))
    for d in other.dimensions:
        if (0, d.letters[0]) in parent and not {root((0, d.letters[0])), root((1, d.letters[0]))} & linked:
            parent[root((1, d.letters[0]))] = root((0, d.letters[0]))
    numbers = {r: n for n, r in enumerate(dict.fromkeys(root(x) for x in parent))}
    first_numbers = {i: numbers[root((0, i))] for d in program.dimensions for i in d.letters}
    second_numbers = {i: numbers[root((1, i))] for d in other.dimensions for i in d.letters}
    sizes = {second_numbers[d.letters[0]]: d.size for d in other.dimensions}
    sizes |= {first_numbers[d.letters[0]]: d.size for d in program.dimensions}
    merged = len(set(first_numbers.values())) < len(program.dimensions)
    return Numbering(first_numbers, second_numbers, sizes, merged)


def indices_of(program: Program, name: str) -> str | None:
    """The letters of a value where it is made or given, None where there is no such value."""
    for given in program.inputs:
        if given.ref.name == name:
            return given.ref.indices
    equation = program.defining().get(name)
    if equation is not None:
        return equation.out.indices
    read = [ref.indices for e in program.equations for ref in operands(e) if ref.name == name]
    read += [ref.indices for ref in program.outputs if ref.name == name]
    return read[0] if read else None


EVERY_SIZE = "every size is at least 1"
Sums = tuple[tuple[Contract, Fraction | int], ...]
"""Sums of an input that have a known value: ``(Contract(Ref("s", "b"), (Ref("Y", "kb"),)), 1)``: Σ_k Y[k,b] is 1."""


def right_side(equation: Contract) -> str:
    """What stands after the equals sign: ``Σ_k Y[k,b]``."""
    return equation_text(equation).split(" = ", 1)[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when two values were compared.

    Attributes
    ----------
    verdict : 'proved' or 'undecided'
        ``proved``: one normal form, so that they are equal for every size and value.
    assumptions : tuple of str
        What the proof rests on.
    reason : str
        Why there is none.
    """

    verdict: Literal["proved", "undecided"]
    assumptions: tuple[str, ...] = ()
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verdict == "proved"
