"""Meshes, and which letters of a program lie on their axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from math import prod

import numpy as np

from ..core.interpretation import whole as whole_number
from ..core.program import Bracket, Contract, Dimension, Equation, Program, Ref, operands
from ..core.records import dataclass
from ..core.recurrences import Recurrence, blocks, loops
from ..core.visible import shown
from ..errors import ShardingError
from ..notation.view import View


@dataclass(frozen=True)
class Mesh:
    """Devices in a grid.

    Attributes
    ----------
    axes : mapping of str to int
        How many devices there are along each axis.
    """

    axes: Mapping[str, int]

    def __post_init__(self) -> None:
        if not isinstance(self.axes, Mapping) or not self.axes:
            raise ShardingError(f"a mesh has axes: mesh={{'data': 4, 'model': 2}}, not {shown(self.axes)}")
        for name, length in self.axes.items():
            if type(name) is not str or not name.isidentifier():
                raise ShardingError(f"an axis of a mesh has a name, such as data, not {shown(name)}")
            if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 1:
                raise ShardingError(f"the axis {name} has a number of devices, at least 1, not {shown(length)}")
        object.__setattr__(self, "axes", {name: int(length) for name, length in self.axes.items()})

    @property
    def devices(self) -> int:
        """How many there are."""
        return prod(self.axes.values())

    def __str__(self) -> str:
        grid = " × ".join(f"{name} {length}" for name, length in self.axes.items())
        return f"{grid}: {self.devices} device{'s' * (self.devices > 1)}"


@dataclass(frozen=True)
class Placement:
    """Which dimensions of a program lie on which axes of a mesh.

    Attributes
    ----------
    program : Program
    mesh : Mesh
    letters : mapping of letter to axis
        As they were given; the other letters of a dimension lie there as well.
    outputs : mapping of name to (mapping of letter to axis), optional
        Results that are to lie on further axes, with letters that lie on none.
    pad : bool
        Whether a size that does not divide is filled up with entries that count for nothing, so that each device has
        as many.

    Raises
    ------
    ShardingError
        There is no such letter, axis, size or result, or one array would lie on an axis with two of its dimensions.
    """

    program: Program
    mesh: Mesh
    letters: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pad: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.letters, Mapping):
            raise ShardingError(f"letters={{'b': 'data'}} puts a letter on an axis, not {shown(self.letters)}")
        if not isinstance(self.outputs, Mapping):
            raise ShardingError(f"outputs={{'dW': {{'i': 'data'}}}} says how results lie, not {shown(self.outputs)}")
        known = [d for d in self.program.dimensions if d.size]
        for letter, axis in self.letters.items():
            if not any(letter in d.letters for d in known if isinstance(letter, str) and letter):
                have = ", ".join(told(d) for d in known)
                raise ShardingError(f"there is no letter {shown(letter)}: the program has {have}")
            self._require_parts(letter, axis, pads=self.pad)
        for one, other in self._pairs():
            if self.letters[one] != self.letters[other]:
                places = f"{self.letters[one]} and on {self.letters[other]}"
                raise ShardingError(f"{one} and {other} are letters of one dimension, and lie on {places}: give one")
        for one, axis in self.letters.items():
            for other, found in self.letters.items():
                if found != axis and other in self._axes_of({one: axis}):
                    raise ShardingError(
                        f"{one} and {other} lie alike, as one is joined of the other, and are to lie on {axis} and on "
                        f"{found}: give one")  # fmt: skip
        self._require_free_rounds()
        self._require_laid()
        self._require_blocks()
        for ref in self._values():
            self._require_apart(ref)
        for name, asked in self.outputs.items():
            self._require_result(name, asked)

    def _require_blocks(self) -> None:
        """What is joined lies in blocks of the outermost that is joined in it: no device has a part of a head."""
        for whole, outer in self._alike:
            axis = self.axis(whole)
            if axis and not self.pad and not self._divides(outer, axis):
                inner = self.program.dimension(outer)
                divisors = [str(n) for n in range(2, inner.size + 1) if inner.size % n == 0]
                raise ShardingError(
                    f"{told(self.program.dimension(whole))} joins {told(inner)} with others, and the "
                    f"{self.mesh.axes[axis]} devices along {axis} would cut through it: an axis of "
                    f"{', '.join(divisors)} devices would not")  # fmt: skip

    def _require_result(self, name: str, asked: Mapping[str, str]) -> None:
        """A result can lie as it is asked for."""
        found = {self.called(ref.name): ref for ref in self.program.outputs}
        if name not in found:
            near = [own for own in found if own.startswith(f"{name}_")] if isinstance(name, str) else []
            meant = f"; is {near[0]} meant, which is not the argument {name}?" if near else ""
            raise ShardingError(f"there is no result {shown(name)}: the program has {', '.join(found)}{meant}")
        if not isinstance(asked, Mapping):
            raise ShardingError(f"outputs={{{name!r}: {{'i': 'data'}}}} puts a letter on an axis, not {shown(asked)}")
        ref = found[name]
        for letter, axis in asked.items():
            if not isinstance(letter, str) or letter not in ref.indices or not letter:
                raise ShardingError(f"{name}[{','.join(ref.indices)}] has no letter {shown(letter)}")
            self._require_parts(letter, axis, pads=False)  # what is returned has its own size
            for other, lying in zip(ref.indices, self.layout(ref.indices), strict=True):
                if lying and (other == letter or lying == axis):
                    raise ShardingError(f"{name} lies on {lying} with {other} already: ask for another letter and axis")
        twice = [axis for axis in asked.values() if [*asked.values()].count(axis) > 1]
        if twice:
            both = " and with ".join(letter for letter, axis in asked.items() if axis == twice[0])
            raise ShardingError(f"{name} would lie on {twice[0]} with {both}: put one of them on another axis")
        if any(ref.name == read.name for equation in self.program.equations for read in operands(equation)):
            raise ShardingError(f"{name} is read by other lines: it lies as its letters do")

    def called(self, name: str) -> str:
        """What a value is called: as in the user's code, where that says which one it is."""
        return self._names.get(name, name)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return View.of(self.program).names

    def _require_parts(self, letter: str, axis: str, *, pads: bool) -> None:
        """There is such an axis, and the dimension of a letter divides among its devices, or is padded."""
        if not isinstance(axis, str) or axis not in self.mesh.axes:
            one = "a letter lies on one axis, and " if isinstance(axis, list | tuple) else ""
            raise ShardingError(f"{letter} cannot lie on {shown(axis)}: {one}the mesh has {', '.join(self.mesh.axes)}")
        dimension, count = self.program.dimension(letter), self.mesh.axes[axis]
        if dimension.size % count and not pads:
            low = dimension.size // count * count
            sizes = " or ".join(str(size) for size in (low, low + count) if size)
            divisors = ", ".join(str(n) for n in range(2, dimension.size + 1) if dimension.size % n == 0 and n <= 64)
            raise ShardingError(
                f"{told(dimension)} cannot be divided among the {count} devices along {axis}: {sizes} could"
                f"{divisors and f', or an axis of {divisors} devices'}"
                f"{', or padding (pad=True, --pad)' * (letter in self.letters)}")  # fmt: skip

    def _pairs(self) -> Iterator[tuple[str, str]]:
        given = [*self.letters]
        for n, one in enumerate(given):
            for other in given[n + 1 :]:
                if other in self.program.dimension(one).letters:
                    yield one, other

    def _require_free_rounds(self) -> None:
        """The rounds of a recurrence come one after the other: its letter lies on no axis."""
        for loop in loops([block for block in blocks(self.program.equations) if isinstance(block, Recurrence)]):
            for equation in loop.equations:
                letter = loop.letter(equation)
                if self.axis(letter):
                    raise ShardingError(f"{letter} counts rounds that go on with the one before: it can lie on no axis")

    def _require_laid(self) -> None:
        """Each letter is one of an argument or a result, since these lie on the mesh as they are put there."""
        ends = [*(declared.ref for declared in self.program.inputs), *self.program.outputs]
        laid = {i for ref in ends for i in ref.indices}
        for letter, axis in self.letters.items():
            if self.program.equations and not any(self._axes_of({letter: axis}).get(i) for i in laid):
                held = {i for equation in self.program.equations for ref in operands(equation)
                        if ref.name in self.program.constants for i in ref.indices}  # fmt: skip
                hand = "; arrays that are made on the way are none of its arguments: make them before it (--setup)"
                able = [i for d in self.program.dimensions if d.size % self.mesh.axes[axis] == 0
                        for i in d.letters[:1] if laid.intersection(d.letters)]  # fmt: skip
                raise ShardingError(
                    f"{letter} is a letter of no argument and no result, so that nothing can be put on {axis} along it"
                    + (f": {', '.join(able)} could lie there" if able else "")
                    + (hand if letter in held else ""))  # fmt: skip

    def _values(self) -> Iterator[Ref]:
        yield from (declared.ref for declared in self.program.inputs)
        for equation in self.program.equations:
            yield equation.out
            yield from operands(equation)

    def _require_apart(self, ref: Ref) -> None:
        """One array lies on an axis of the mesh with one dimension."""
        seen: dict[str, str] = {}
        for letter in dict.fromkeys(ref.indices):
            axis = self.axis(letter)
            other = seen.get(axis, letter) if axis else letter
            if axis and letter not in self.program.dimension(other).letters:
                value = f"{self.called(ref.name)}[{','.join(ref.indices)}]"
                raise ShardingError(
                    f"{value} would lie on {axis} with {other} and with {letter}: put one of them on another axis, or "
                    "on none")  # fmt: skip
            seen.setdefault(axis, letter)

    def axis(self, letter: str) -> str:
        """The axis that the dimension of a letter lies on; empty if it lies on none."""
        return self._axes.get(letter, "")

    @cached_property
    def _axes(self) -> Mapping[str, str]:
        """The axis of every letter that lies on one."""
        return self._axes_of(self.letters)

    def _axes_of(self, letters: Mapping[str, str]) -> Mapping[str, str]:
        """The axes of letters that are given, of all of their dimensions, and of those whose parts lie alike."""
        found = {i: axis for letter, axis in letters.items() for i in self.program.dimension(letter).letters}
        waiting = list(found)
        while waiting:
            letter = waiting.pop()
            for one, other in self._alike:
                if letter in (one, other) and self._divides(one, found[letter]) and self._divides(other, found[letter]):
                    new = [i for i in self.program.dimension(other if letter == one else one).letters if i not in found]
                    found |= dict.fromkeys(new, found[letter])
                    waiting += new
        return found

    def _divides(self, letter: str, axis: str) -> bool:
        """Whether each device along an axis has as many entries of a letter, without padding."""
        return self.program.dimension(letter).size % self.mesh.axes[axis] == 0

    @cached_property
    def _alike(self) -> Sequence[tuple[str, str]]:
        """Pairs of letters of a reshape whose parts lie alike: that of the joined axis, and the outermost joined in it.

        A block of samples, ``b``, is a block of all their steps, ``n = (b,t)``.
        """
        contractions = [e for e in self.program.equations if isinstance(e, Contract)]
        return [pair for e in contractions for bracket in e.brackets if (pair := joined(bracket, self.program.sizes))]

    def named_alike(self, equation: Equation, axis: str) -> Mapping[str, str]:
        """The joined letter for the outermost one, of the reshapes in an equation that lie on an axis with both."""
        brackets = equation.brackets if isinstance(equation, Contract) else ()
        pairs = [pair for bracket in brackets if (pair := joined(bracket, self.program.sizes))]
        return {outer: whole for whole, outer in pairs if self.axis(whole) == axis == self.axis(outer)}

    def layout(self, indices: str) -> tuple[str, ...]:
        """The axis of the mesh that each axis of a value lies on. Of two that could, the first one does."""
        found: list[str] = []
        for letter in indices:
            axis = self.axis(letter)
            found.append("" if axis in found else axis)
        return tuple(found)

    def laid(self, ref: Ref) -> tuple[str, ...]:
        """The axis of the mesh that each axis of a value lies on, of a result as it is asked for."""
        layout = self.layout(ref.indices)
        if self.pad and any(ref.name == result.name for result in self.program.outputs):
            layout = self.even(ref.indices, layout)
        if not self.outputs:  # names are not looked up for each of the ways that suggestions try
            return layout
        asked = self.outputs.get(self.called(ref.name), {})
        return tuple(axis or asked.get(letter, "") for letter, axis in zip(ref.indices, layout, strict=True))

    def even(self, indices: str, layout: Sequence[str]) -> tuple[str, ...]:
        """A layout without the axes along which there is padding: a result is whole there, as its size is its own."""
        return tuple("" if axis and self.padded(letter) != self.program.dimension(letter).size else axis
                     for letter, axis in zip(indices, layout, strict=True))  # fmt: skip

    def padded(self, letter: str) -> int:
        """The size of a letter's dimension, filled up so that each device has as many of its entries."""
        count = self.mesh.axes[axis] if (axis := self.axis(letter)) else 1
        return -(-self.program.dimension(letter).size // count) * count


def joined(bracket: Bracket, sizes: Mapping[str, int]) -> tuple[str, str] | None:
    """The letter of an axis in which a bracket joins others, ``n = t·b + t``, and the outermost of these."""
    for whole, position in bracket.solved():
        steps = sorted((whole_number(factor, sizes), letter) for factor, letter in position.terms)
        lengths = [sizes[letter] for _, letter in steps]
        dense = [step for step, _ in steps] == [prod(lengths[:n]) for n in range(len(steps))]
        if len(steps) > 1 and dense and not position.constant and not position.pick and prod(lengths) == sizes[whole]:
            return whole, steps[-1][1]
    return None


def told(dimension: Dimension) -> str:
    """A dimension with its letters and its size."""
    return f"{', '.join(dimension.letters)} = {dimension.size}"
