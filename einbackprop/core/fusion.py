"""One equation a line: products of products become one contraction, as the user's line has them.

Tracing and deriving keep steps apart (``t = W·x``, then ``y = t·m``); reading puts together what stands on one line
(``'ij,jb,ib->ib'``). Both have one normal form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .letters import letters_of, rename_letters
from .program import Bracket, Contract, Dimension, Equation, Program, Ref, operands


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
    uses = Counter(ref.name for equation in program.equations for ref in operands(equation))
    uses.update(ref.name for ref in program.outputs)
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
        after = [chr(code) for code in range(ord(own.letters[-1]) + 1, ord("z") + 1)]
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
