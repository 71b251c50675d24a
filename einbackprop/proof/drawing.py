"""The values of two programs at random numbers: those that agree may be proved equal, those that differ cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einbackprop.core.interpretation import compute
from einbackprop.core.program import ONE, Input, Opaque, Program, picks
from einbackprop.errors import RangeError, UndecidedError
from einbackprop.proof.comparison import Sums
from einbackprop.proof.correspondence import Numbering

Array = NDArray[Any]
Both = tuple[dict[str, Array], dict[str, Array]]
LARGEST_INPUT = 4096
DRAWS = 8
MANY = 4  # dimensions: the work grows as the product of their sizes


@dataclass(slots=True)
class Drawing:
    """Two programs, evaluated at the same random numbers.

    Attributes
    ----------
    program, other : Program
    called : mapping
        The first program's name of each input of the other.
    numbering : Numbering
        Of their dimensions.
    sums : tuple of (Contract, number)
        Sums over axes of one input that are made to have a value.
    random : Random
    """

    program: Program
    other: Program
    called: Mapping[str, str]
    numbering: Numbering
    sums: Sums = ()
    random: Random = field(default_factory=lambda: Random(0))

    def values(self) -> Both:
        """Every value of either program; drawn again where a mask hides all of a row, and what follows is no number.

        Raises
        ------
        UndecidedError
            No numbers can be drawn for an input.
        """
        sizes = self.sizes()
        first, second = (
            {i: sizes[n] for i, n in side.items()} for side in (self.numbering.first, self.numbering.second)
        )
        for _ in range(DRAWS):
            arrays = self.imposed({i.ref.name: self.draw(i, first) for i in self.program.inputs})
            with np.errstate(all="ignore"):
                values = floats(self.program, arrays, first), floats(self.other, self.for_other(arrays), second)
            if all(np.isfinite(array.astype(float)).all() for side in values for array in side.values()):
                break
        return values

    def sizes(self) -> dict[int, int]:
        """A size for each dimension, distinct and above 1; the traced one where a program allows no other."""
        traced = self.numbering.sizes
        if is_fixed(self.program) or is_fixed(self.other):
            return dict(traced)
        return {k: 2 + (n if len(traced) <= MANY else n % 3) for n, k in enumerate(traced)}

    def for_other(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The same arrays under the other program's names."""
        names = [i.ref.name for i in self.other.inputs]
        missing = [n for n in names if self.called.get(n, n) not in arrays]
        if missing:
            raise UndecidedError(f"the first formula has no input that goes with {missing[0]}")
        return {n: arrays[self.called.get(n, n)] for n in names}

    def imposed(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """The arrays, divided so that sums have their declared values."""
        for contract, value in self.sums:
            ref = contract.operands[0]
            axes = tuple(k for k, i in enumerate(ref.indices) if i not in contract.out.indices)
            array = arrays[ref.name]
            if len(contract.operands) > 1 or contract.brackets or contract.factor != ONE or array.dtype.kind != "f":
                raise UndecidedError("numbers with the declared sum are not drawn")
            arrays[ref.name] = array / array.sum(axis=axes, keepdims=True) * float(value)
        return arrays

    def draw(self, given: Input, sizes: Mapping[str, int]) -> Array:
        """Random numbers for an input, of its kind: labels, masks, whole numbers, floats of both signs."""
        shape = [sizes[i] for i in given.ref.indices]
        count = int(np.prod(shape, dtype=int))
        if count > LARGEST_INPUT:
            raise UndecidedError(f"{given.ref.name} is too large to be drawn: {tuple(shape)}")
        name, kind = given.ref.name, np.dtype(given.dtype).kind
        if kind == "c":
            raise UndecidedError(f"{name} is complex")
        picked = [*picked_from(self.program, name, sizes), *picked_from(self.other, name, sizes)]
        if picked:
            return np.array([self.random.randrange(min(picked)) for _ in range(count)], dtype=np.int64).reshape(shape)
        if kind == "b":
            return np.array([self.random.random() < 0.5 for _ in range(count)], dtype=bool).reshape(shape)
        whole = kind in "iu"
        drawn = [self.random.randrange(-9, 10) if whole else self.random.gauss(0, 1) for _ in range(count)]
        return np.array(drawn, dtype=np.float64).reshape(shape)


def floats(program: Program, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Array]:
    """Every value of a program that was read."""
    values = {name: np.asarray(a) for name, a in (dict(program.constants) | dict(arrays)).items()}
    for equation in program.equations:
        if not isinstance(equation, Opaque):
            try:
                values[equation.out.name] = compute(equation, values, sizes)
            except RangeError as error:  # positions that are computed from what was drawn
                raise UndecidedError(str(error)) from error
    return values


def picked_from(program: Program, name: str, sizes: Mapping[str, int]) -> list[int]:
    """The sizes of the axes that an input picks from, as labels do in ``[n=y_b]``."""
    found = []
    for equation in program.equations:
        for bracket in getattr(equation, "brackets", ()):
            if any(ref.name == name for ref in picks((bracket,))):
                found += [sizes.get(i, 1) for side in (bracket.left, bracket.right) for _, i in side.terms]
    return found


def is_fixed(program: Program) -> bool:
    """Whether a program makes sense at the traced sizes only: constants, or brackets with numbers or two dimensions."""
    if any(np.ndim(a) and np.size(a) for a in program.constants.values()):
        return True
    for equation in program.equations:
        for bracket in getattr(equation, "brackets", ()):
            sides = (bracket.left, bracket.right)
            letters = [i for side in sides for _, i in side.terms]
            plain = all(not side.constant and all(f == ONE for f, _ in side.terms) for side in sides)
            picked = any(side.pick is not None for side in sides)
            one = len({program.dimension(i).letters for i in letters}) == 1
            if not plain or not one or len(letters) != (1 if picked else 2):
                return True
    return False
