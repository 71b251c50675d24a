"""One round of a recurrence: a program and a recurrence of it go in, the program of a round comes out.

Its inputs are the entries of what the recurrence reads, and what the round before has left; its outputs are the
entries of the values that are read after the loop, or by other rounds. Whoever runs a recurrence, as a loop of a plan
or as a scan, runs this program again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from .dtypes import Dtype
from .letters import free_name, rebuilt, uses_of
from .program import ONE, Contract, Equation, Input, Position, Program, Ref, Sum, operands
from .records import dataclass
from .recurrences import Recurrence, is_shift, shift


@dataclass(frozen=True)
class Carry:
    """What a round reads of another.

    Attributes
    ----------
    out : Ref
        The value as the rounds read it, in the letters of its equation.
    letter : str
        The loop's letter among these.
    value : Ref
        Of which it is the entry of another round, in the same letters.
    step : int
        How many entries further along the loop's axis.
    start : Ref or None
        What stands there in the first round, in letters of ``out``; None for zeros.
    inside : tuple of Equation
        The equations that are this, besides that of ``out``.
    """

    out: Ref
    letter: str
    value: Ref
    step: int
    start: Ref | None = None
    inside: tuple[Equation, ...] = ()


@dataclass(frozen=True)
class Round:
    """One round of a recurrence.

    Attributes
    ----------
    program : Program
        Its inputs are ``reads``, then ``carries``; its outputs are ``kept``.
    reads : tuple of (Ref, int or None)
        What is read from outside, and the axis of which a round reads an entry; None where it reads all.
    carries : tuple of Carry
    kept : mapping of value to int
        The values that are read beside their round, and the axis along which rounds are.
    letter : str
        A letter of the loop.
    step : 1 or -1
    """

    program: Program
    reads: tuple[tuple[Ref, int | None], ...]
    carries: tuple[Carry, ...]
    kept: Mapping[str, int]
    letter: str
    step: int


def carries(program: Program, block: Recurrence) -> dict[str, Carry]:
    """What the rounds of a recurrence of a plain program read of one another, by the value as they read it.

    A sum of what a round reads of the one before and of what the first round reads instead is one carry.
    """
    uses, defining = uses_of(program.equations, program.outputs), program.defining()
    inside = {equation.out.name for equation in block.equations}
    found = {equation.out.name: carry for equation, carry in shifts(block)}
    for equation in block.equations:
        if not isinstance(equation, Sum) or len(equation.terms) != 2:
            continue
        refs = [ref for factor, ref in equation.terms if ref is not None and factor == ONE
                and ref.indices == equation.out.indices and uses[ref.name] == 1]  # fmt: skip
        for shifted, start in (refs, refs[::-1]) if len(refs) == 2 else ():
            carry, begin = found.get(shifted.name), defining.get(start.name)
            if carry is not None and begin is not None and start.name not in inside:
                first = first_entry(begin, block.axes[equation.out.name], program, block.step)
                if first is not None and carry.step == -block.step:
                    own = defining[shifted.name]
                    new = equation.out.indices
                    value = Ref(carry.value.name, translated(carry.value.indices, carry.out.indices, new))
                    start = Ref(first.name, translated(first.indices, begin.out.indices, new))
                    letter, both = block.letter(equation), (own, begin)
                    found[equation.out.name] = Carry(equation.out, letter, value, carry.step, start, both)
                    del found[shifted.name]
    return found


def shifts(block: Recurrence) -> Iterator[tuple[Contract, Carry]]:
    """The equations of a recurrence that are an entry of another round of it, and nothing else; each with which."""
    for equation in block.equations:
        if is_shift(equation) and equation.operands[0].name in block.axes:
            carry = carry_of(equation, block)
            if carry.step:
                yield equation, carry


def carry_of(equation: Contract, block: Recurrence) -> Carry:
    """What an equation reads of another round, if that is all that it does."""
    ref, along = equation.operands[0], block.axes[equation.out.name]
    axis = block.axes[ref.name]
    indices = ref.indices[:axis] + equation.out.indices[along] + ref.indices[axis + 1 :]
    step = shift(equation, ref, axis, along) or 0
    return Carry(equation.out, block.letter(equation), Ref(ref.name, indices), step)


def first_entry(equation: Equation, axis: int, program: Program, step: int) -> Ref | None:
    """What stands at the first entry along an axis of a value that is 0 elsewhere; None if it is no such value."""
    if not isinstance(equation, Contract) or len(equation.operands) != 1 or len(equation.brackets) != 1:
        return None
    letter, (ref,), (bracket,) = equation.out.indices[axis], equation.operands, equation.brackets
    first = 0 if step > 0 else program.sizes[letter] - 1
    is_there = bracket.relation == "=" and {bracket.left, bracket.right} == {Position.of(letter), Position((), first)}
    plain = equation.factor == ONE and letter not in ref.indices and set(ref.indices) <= set(equation.out.indices)
    return ref if is_there and plain else None


def translated(indices: str, old: str, new: str) -> str:
    """The indices with letters replaced, one by one."""
    return indices.translate(str.maketrans(old, new))


def round_of(program: Program, block: Recurrence, dtypes: Mapping[str, Dtype]) -> Round:
    """One round of a recurrence of a plain program, whose values have these dtypes.

    Raises
    ------
    ValueError
        A value has an axis twice, and the dimension of that has no other letter.
    """
    return Rounding(program, block, dtypes).round()


class Rounding:
    """Makes the program of a round."""

    def __init__(self, program: Program, block: Recurrence, dtypes: Mapping[str, Dtype]) -> None:
        self._program, self._block, self._dtypes = program, block, dtypes
        self._carries = carries(program, block)
        gone = {e.out.name for carry in self._carries.values() for e in carry.inside}
        self._own = [e for e in block.equations if e.out.name not in gone and e.out.name not in self._carries]
        self._made = {e.out.name for e in self._own} | self._carries.keys()
        self._taken = {*program.defining(), *program.constants, *(i.ref.name for i in program.inputs)}
        self._inputs: dict[tuple[str, int | None], Input] = {}
        self._reads: list[tuple[Ref, int | None]] = []

    def round(self) -> Round:
        """The program, and what its inputs and outputs are."""
        made = tuple(map(self._entry, self._own))
        left = [self._input(name, name, self._without(carry.out)) for name, carry in self._carries.items()]
        outs = {e.out.name: e.out for e in made} | {i.ref.name: i.ref for i in left}
        kept = self._kept()
        program = replace(
            self._program, inputs=(*self._inputs.values(), *left), equations=made,
            outputs=tuple(outs[name] for name in kept), structure=list(range(len(kept))), output_units=(),
            constants={}, origins={}, held={}, laid={}, claims=(), conditions=(),
        )  # fmt: skip
        letter = self._block.letter(self._block.equations[0])
        return Round(program, tuple(self._reads), tuple(self._carries.values()), kept, letter, self._block.step)

    def _kept(self) -> dict[str, int]:
        """The values that are read after the loop or by other rounds, and the axis of its rounds."""
        outside = [e for e in self._program.equations if e.out.name not in self._made]
        found = {ref.name for e in outside for ref in operands(e)} | {ref.name for ref in self._program.outputs}
        found -= self._carries.keys()  # parts of what they are of
        found |= {carry.value.name for carry in self._carries.values()}
        return {name: axis for name, axis in self._block.axes.items() if name in found and name in self._made}

    def _without(self, ref: Ref) -> str:
        """The letters of a value of the recurrence in a round."""
        axis = self._block.axes[ref.name]
        return ref.indices[:axis] + ref.indices[axis + 1 :]

    def _entry(self, equation: Equation) -> Equation:
        """The equation in one round."""
        letter = self._block.letter(equation)
        return rebuilt(
            equation, Ref(equation.out.name, self._without(equation.out)), lambda ref: self._part(ref, letter),
            letter=lambda i: "" if i == letter else i)  # fmt: skip

    def _part(self, ref: Ref, letter: str) -> Ref:
        """A value as a round reads it."""
        axis = ref.indices.index(letter) if letter in ref.indices else None
        own = ref.indices.replace(letter, "")
        if ref.name in self._made:
            return Ref(ref.name, own)
        key = ref.name, axis
        if key not in self._inputs:
            name = ref.name if axis is None else free_name(f"{ref.name}_{letter}", self._taken)
            made = self._inputs[key] = self._input(name, ref.name, own, letter)
            letters = made.ref.indices
            whole = letters if axis is None else letters[:axis] + letter + letters[axis:]
            self._reads.append((Ref(ref.name, whole), axis))
        return Ref(self._inputs[key].ref.name, own)

    def _input(self, name: str, value: str, indices: str, loop: str = "") -> Input:
        """An input for an entry of a value; an axis that stands twice has two letters."""
        letters = ""
        for i in indices:
            others = (own for own in self._program.dimension(i).letters if own not in letters + indices + loop)
            letter = i if i not in letters else next(others, "")
            if not letter:
                raise ValueError(f"{value} has the axis {i} twice")
            letters += letter
        return Input(Ref(name, letters), self._dtypes[value].name)
