"""What each equation of a program needs on a mesh: layouts and sizes go in, collectives come out.

Along an axis of the mesh an equation is computed in parts of one of its letters. Where what it reads lies in parts of
that letter, or lacks it, nothing moves. If the letter is summed over, each device has a part of the sum: an all-reduce
adds them up, or a reduce-scatter where the result lies on that axis with another letter. What lies there with another
letter is gathered first.

Bytes are those that a device sends, by the ring algorithms: ``(n-1)/n`` of an array that is gathered or scattered,
twice that for an all-reduce (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Literal

from ..core.dtypes import Dtype, value_dtypes, weak_values
from ..core.program import Contract, Equation, Extremum, Ref, operands
from ..core.records import dataclass
from ..core.recurrences import Recurrence, blocks, flat
from .arithmetic import operations
from .mesh import Placement

Kind = Literal["all-reduce", "all-gather", "reduce-scatter"]


@dataclass(frozen=True, slots=True)
class Collective:
    """Something that the devices along an axis do together.

    Attributes
    ----------
    kind : 'all-reduce', 'all-gather' or 'reduce-scatter'
    axis : str
    value : str
        The value of the program that is added up, or gathered.
    letter : str
        The letter that is summed over, or gathered.
    entries : int
        Of the array on one device, in one round: what is added up, or what there is after it was gathered.
    bytes : int
        That a device sends, in all rounds.
    rounds : int
        How often it is done, in the rounds of the loops around it.
    can_wait : bool
        Whether nothing but the results reads what it makes: with others of its kind it can be done at the end, as one.
    """

    kind: Kind
    axis: str
    value: str
    letter: str
    entries: int
    bytes: int
    rounds: int = 1
    can_wait: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """An equation on a mesh.

    Attributes
    ----------
    equation : Equation
    layout : tuple of str
        The axis of the mesh that each axis of its value lies on; empty where it is whole.
    local : tuple of int
        The shape of its value on one device.
    collectives : tuple of Collective
        Those before it (gathers), then those after it.
    flops : int
        Additions and multiplications on one device.
    held : int
        Bytes that live on one device when it is done.
    """

    equation: Equation
    layout: tuple[str, ...]
    local: tuple[int, ...]
    collectives: tuple[Collective, ...]
    flops: int
    held: int = 0

    @property
    def partial(self) -> tuple[str, ...]:
        """The axes of the mesh along which each device has a part of a sum at first."""
        return tuple(one.axis for one in self.collectives if one.kind != "all-gather")


class Layouts:
    """The equations of a program on a mesh.

    Parameters
    ----------
    placement : Placement

    Attributes
    ----------
    lines : tuple of Line
        In the order in which they are computed.
    given : int
        Bytes of the arguments and the constants on a device.
    """

    def __init__(self, placement: Placement) -> None:
        self.placement, self.program = placement, placement.program
        self.sizes = self.program.sizes
        self.axes = placement.mesh.axes
        self.dtypes: Mapping[str, Dtype] = value_dtypes(self.program, weak_values(self.program))
        self.whole = set(self.program.constants)
        order = blocks(self.program.equations)
        self.rounds: dict[str, int] = {}  # how often what makes a value is done in a loop
        for block in order:
            if isinstance(block, Recurrence):
                self.rounds |= self._rounds(block, 1)
        equations = list(flat(order))
        late = self._late(equations)
        self.lines = tuple(self._held(
            [self._line(e, self.rounds.get(e.out.name, 1), e.out.name in late) for e in equations]))

    def _late(self, equations: Sequence[Equation]) -> set[str]:
        """The values that nothing but the results reads: results, and what they are with its entries elsewhere."""
        readers: dict[str, list[Equation]] = {}
        for equation in equations:
            for ref in operands(equation):
                readers.setdefault(ref.name, []).append(equation)
        late = {ref.name for ref in self.program.outputs} - readers.keys()
        for equation in reversed(equations):
            own = readers.get(equation.out.name, ())
            if own and all(one.out.name in late and not operations(one, self.sizes, {}) for one in own):
                late.add(equation.out.name)
        return late

    def _rounds(self, block: Recurrence, around: int) -> dict[str, int]:
        """How often the equations of a recurrence run."""
        found: dict[str, int] = {}
        for part in block.body:
            if isinstance(part, Recurrence):
                letter = part.letter(part.equations[0])
                found |= self._rounds(part, around * self.sizes[letter])
            else:
                found[part.out.name] = around * self.sizes[block.letter(part)]
        return found

    # Sizes

    def local(self, indices: str, layout: Sequence[str]) -> tuple[int, ...]:
        """The shape of a value on one device."""
        return tuple(-(-self.sizes[i] // self.axes[axis]) if axis else self.sizes[i]
                     for i, axis in zip(indices, layout, strict=True))  # fmt: skip

    def bytes(self, name: str, indices: str, layout: Sequence[str]) -> int:
        """The bytes of a value on one device."""
        return prod(self.local(indices, layout)) * self.dtypes[name].itemsize

    def layout(self, ref: Ref) -> tuple[str, ...]:
        """How a value lies where it is read: constants are whole."""
        return ("",) * len(ref.indices) if ref.name in self.whole else self.placement.layout(ref.indices)

    # Equations

    def _counted(self, ref: Ref, rounds: int) -> bool:
        """Whether a value has an entry for each round; what has none is gathered once, before the first."""
        return rounds > 1 and ref.name in self.rounds

    def _line(self, equation: Equation, rounds: int, is_result: bool) -> Line:
        """An equation with its collectives."""
        out = equation.out
        layout = self.placement.layout(out.indices)
        refs = list(dict.fromkeys(operands(equation)))
        layouts = {ref: self.layout(ref) for ref in refs}
        parts: dict[str, str] = {}  # the letter in whose parts it is computed, by axis
        before: list[Collective] = []
        after: list[Collective] = []
        for axis, length in self.axes.items():
            if length == 1:  # one device has all of it
                continue
            alike = self.placement.named_alike(equation, axis)
            own = letter_on(axis, out.indices, layout, alike)
            lying = {ref: letter_on(axis, ref.indices, layouts[ref], alike) for ref in refs}
            letter = self._letter(equation, axis, own, lying, rounds)
            parts[axis] = letter
            for ref, other in lying.items():
                if other and other != letter:
                    before.append(self._gather(ref, layouts[ref], axis, other, rounds))
                    layouts[ref] = whole_along(axis, layouts[ref])
            if letter and letter != own and isinstance(equation, Extremum) and equation.position_of:
                after += self._candidates(equation, layout, axis, letter, rounds)
            elif letter and letter != own:
                after.append(self._reduction(equation, layout, axis, letter, own, rounds, is_result))
        laid = self.placement.laid(out)
        kept = set(laid) - set(layout)  # what else a result lies on: each device keeps its part of what was added up
        after = [scattered(one) if one.axis in kept and one.value == out.name else one for one in after]
        after += self._unpadded(out, layout, laid, rounds, is_result)
        cut = {letter: self.axes[axis] for axis, letter in parts.items() if letter}
        flops = operations(equation, self.sizes, cut)
        return Line(equation, laid, self.local(out.indices, laid), (*before, *after), flops)

    def _letter(
        self, equation: Equation, axis: str, own: str, lying: Mapping[Ref, str], rounds: int
    ) -> str:  # fmt: skip
        """The letter in whose parts an equation is computed along an axis: that of the result, or the one over which
        what is read lies in parts, whichever moves less."""
        others = list(dict.fromkeys(letter for letter in lying.values() if letter and letter != own))
        out = equation.out.indices
        summed = [letter for letter in others if letter not in out and self._adds_up(equation, letter)]
        candidates = dict.fromkeys(([own] if own else []) + summed)
        if not candidates:
            return own

        def moved(letter: str) -> int:
            gathered = [self._gather(ref, self.layout(ref), axis, i, rounds)
                        for ref, i in lying.items() if i and i != letter]  # fmt: skip
            if letter != own:
                layout = self.placement.layout(out)
                gathered.append(self._reduction(equation, layout, axis, letter, own, rounds, False))
            return sum(one.bytes for one in gathered)

        return min(candidates, key=moved)

    def _adds_up(self, equation: Equation, letter: str) -> bool:
        """Whether what devices make of their parts of a letter can be put together by a reduction."""
        match equation:
            case Contract() | Extremum():
                return True
        return False

    def _candidates(
        self, equation: Extremum, layout: tuple[str, ...], axis: str, letter: str, rounds: int
    ) -> Iterator[Collective]:  # fmt: skip
        """What finds the largest of the entries that devices have found in their parts, and where it is: all of them,
        and their positions."""
        out, n = equation.out, self.axes[axis]
        entries = prod(self.local(out.indices, whole_along(axis, layout))) * n
        for name in (equation.operand.name, out.name):
            sent = entries * self.dtypes[name].itemsize * (n - 1) // n
            yield Collective("all-gather", axis, name, letter, entries // rounds, sent, rounds)

    def _gather(self, ref: Ref, layout: tuple[str, ...], axis: str, letter: str, rounds: int) -> Collective:
        """What puts together the parts along an axis of a value that lies so."""
        n = self.axes[axis]
        entries = prod(self.local(ref.indices, layout)) * n
        sent = entries * self.dtypes[ref.name].itemsize * (n - 1) // n
        rounds = rounds if self._counted(ref, rounds) else 1
        return Collective("all-gather", axis, ref.name, letter, entries // rounds, sent, rounds)

    def _unpadded(
        self, out: Ref, layout: tuple[str, ...], laid: tuple[str, ...], rounds: int, can_wait: bool
    ) -> Iterator[Collective]:  # fmt: skip
        """What gathers a result with its padding, from its last axis on, as it has to have its own size."""
        entries = prod(self.local(out.indices, layout))
        for letter, axis, kept in reversed([*zip(out.indices, layout, laid, strict=True)]):
            if axis and not kept:
                entries *= (n := self.axes[axis])
                sent = entries * self.dtypes[out.name].itemsize * (n - 1) // n
                yield Collective("all-gather", axis, out.name, letter, entries // rounds, sent, rounds, can_wait)

    def _reduction(
        self, equation: Equation, layout: tuple[str, ...], axis: str, letter: str, own: str, rounds: int, can_wait: bool
    ) -> Collective:  # fmt: skip
        """What adds up the parts of a sum: of a result that lies on the axis itself, each device keeps its part. What
        only one operand is summed over is summed before it is multiplied."""
        out = equation.out
        alone = summed_alone(equation, letter)
        if alone is not None and not own:
            out, layout, can_wait = alone, self.placement.layout(alone.indices), False
        whole = whole_along(axis, layout)
        entries, n = prod(self.local(out.indices, whole)), self.axes[axis]
        sent = entries * self.dtypes[out.name].itemsize * (n - 1) // n
        if own:
            return Collective("reduce-scatter", axis, out.name, letter, entries // rounds, sent, rounds, can_wait)
        return Collective("all-reduce", axis, out.name, letter, entries // rounds, 2 * sent, rounds, can_wait)

    # What it costs

    @property
    def bytes_sent(self) -> int:
        """Bytes that each device sends."""
        return sum(one.bytes for line in self.lines for one in line.collectives)

    @property
    def flops(self) -> int:
        """Additions and multiplications of each device."""
        return sum(line.flops for line in self.lines)

    @property
    def memory(self) -> int:
        """Bytes that live on a device where most do."""
        return max((line.held for line in self.lines), default=self.given)

    def _held(self, lines: list[Line]) -> Iterator[Line]:
        """The lines with the bytes that live after each: arguments and results stay, others until they were read."""
        last = {ref.name: n for n, line in enumerate(lines) for ref in operands(line.equation)}
        kept = {ref.name for ref in self.program.outputs}
        alive = {i.ref.name: self.bytes(i.ref.name, i.ref.indices, self.layout(i.ref)) for i in self.program.inputs}
        alive |= {name: array.nbytes for name, array in self.program.constants.items()}
        self.given = sum(alive.values())
        fixed = {*alive, *kept}
        for n, line in enumerate(lines):
            out = line.equation.out
            alive[out.name] = self.bytes(out.name, out.indices, line.layout)
            gathered = sum(one.entries * self.dtypes[one.value].itemsize
                           for one in line.collectives if one.kind == "all-gather")  # fmt: skip
            yield replace(line, held=sum(alive.values()) + gathered)
            for name in [name for name in alive if name not in fixed and last.get(name, n) <= n]:
                del alive[name]


def scattered(one: Collective) -> Collective:
    """An all-reduce of which each device keeps a part: a reduce-scatter."""
    return replace(one, kind="reduce-scatter", bytes=one.bytes // 2) if one.kind == "all-reduce" else one


def letter_on(axis: str, indices: str, layout: Sequence[str], alike: Mapping[str, str]) -> str:
    """The letter with which a value lies on an axis of the mesh, or that which lies alike; empty if it does not."""
    found = next((letter for letter, own in zip(indices, layout, strict=True) if own == axis), "")
    return alike.get(found, found)


def whole_along(axis: str, layout: Sequence[str]) -> tuple[str, ...]:
    """A layout with nothing on an axis of the mesh."""
    return tuple("" if own == axis else own for own in layout)


def summed_alone(equation: Equation, letter: str) -> Ref | None:
    """The one of several operands of a product that has a letter that is summed over, without all such letters."""
    if not isinstance(equation, Contract) or len(equation.operands) < 2:
        return None
    if any(letter in bracket.letters for bracket in equation.brackets):
        return None
    others = "".join(bracket.letters for bracket in equation.brackets) + equation.out.indices
    having = [ref for ref in equation.operands if letter in ref.indices]
    if len(having) != 1:
        return None
    rest = "".join(ref.indices for ref in equation.operands if ref is not having[0]) + others
    return Ref(having[0].name, "".join(i for i in dict.fromkeys(having[0].indices) if i in rest))
