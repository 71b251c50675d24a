"""Meshes, and which letters of a program lie on their axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np

from ..core.program import Dimension, Program, Ref, operands
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
        self._require_free_rounds()
        for ref in self._values():
            self._require_apart(ref)
        for name, asked in self.outputs.items():
            self._require_result(name, asked)

    def _require_result(self, name: str, asked: Mapping[str, str]) -> None:
        """A result can lie as it is asked for."""
        found = {self.called(ref.name): ref for ref in self.program.outputs}
        if name not in found:
            raise ShardingError(f"there is no result {shown(name)}: the program has {', '.join(found)}")
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
            raise ShardingError(f"{letter} cannot lie on {shown(axis)}: the mesh has {', '.join(self.mesh.axes)}")
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
        own = self.program.dimension(letter).letters
        return next((axis for given, axis in self.letters.items() if given in own), "")

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


def told(dimension: Dimension) -> str:
    """A dimension with its letters and its size."""
    return f"{', '.join(dimension.letters)} = {dimension.size}"
