"""Numbers at which two formulas differ, or agreement at all drawn ones where no proof is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.interpretation import compute
from ..core.letters import letters_of
from ..core.program import ONE, Contract, Factor, Input, Opaque, Program, picks
from ..core.simplification import needed
from ..errors import RangeError, UndecidedError
from . import residues
from .correspondence import Numbering
from .exact import NotRationalError, evaluate, exactly, lift, nesting, scaled
from .residues import DEEPEST, DrawError

Array = NDArray[Any]
Both = tuple[dict[str, Array], dict[str, Array]]
Pair = tuple[str, str, tuple[int, ...], Factor | None]
"""A value's name, the other's, the order of its axes, and its factor."""
DRAWS = 2
RETRIES = 60
VETOES = 6
NOT_BEYOND_ROUNDING = "they differ in exact arithmetic, but not beyond rounding: are constants rounded?"
LARGEST_INPUT = 4096
MOST_PRODUCTS = 300_000  # of fractions: about half a second
BEYOND_ROUNDING = 1e-6
SHAKE = 1e-9
BEYOND_SHAKING = 1000
SPREAD = 1000


def made_for(program: Program, name: str) -> Program:
    """The program without what a value does not need."""
    return replace(program, equations=tuple(needed(program.equations, [name])))


def products(program: Program, sizes: Mapping[str, int]) -> int:
    """How many products of two numbers the contractions of a program take, each done in one step."""
    return sum(
        prod(sizes[i] for i in letters_of(e)) * (len(e.operands) + len(e.brackets))
        for e in program.equations
        if isinstance(e, Contract)
    )


@dataclass(frozen=True, slots=True)
class Witness:
    """What exact evaluation found.

    Attributes
    ----------
    agrees, differs : bool
        Equal in exact arithmetic at all drawn numbers; different at some in floating point, far beyond rounding, and
        in exact arithmetic where there is one. Neither, and ``reason`` says why.
    sizes : mapping
        The size of each letter of the first program where they differ.
    place : tuple of int
        The entry that differs most.
    left, right : float
        The two values there.
    """

    agrees: bool = False
    differs: bool = False
    reason: str = ""
    sizes: Mapping[str, int] | None = None
    place: tuple[int, ...] = ()
    left: float = 0.0
    right: float = 0.0


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
    random : Random
    zero_or_one, positive : frozenset of str
        Inputs of the first program that are drawn so.
    sums : tuple of (Contract, number)
        Sums over axes of one input that are made to have a value.
    """

    program: Program
    other: Program
    called: Mapping[str, str]
    numbering: Numbering
    random: Random
    zero_or_one: frozenset[str] = frozenset()
    positive: frozenset[str] = frozenset()
    sums: tuple[tuple[Contract, Fraction | int], ...] = ()

    def search(
        self, name: str, other_name: str, axes: Sequence[int] = (), factor: Factor | None = None
    ) -> Witness:
        """Evaluate two values at random numbers and several sizes, until they differ.

        Parameters
        ----------
        name, other_name : str
        axes : sequence of int
            For each axis of the first value, the axis of the second; empty where they are in order.
        factor : Factor, optional
            Of the second value.
        """
        pair = (name, other_name, tuple(axes), factor)
        why_not = ""
        for sizes in self.sizes():
            for _ in range(DRAWS):
                try:
                    found = self.in_floating_point(pair, sizes)
                except UndecidedError as error:
                    return Witness(reason=str(error))
                equal, reason = self.exactly_equal(pair, sizes, VETOES if found.differs else 0 if why_not else RETRIES)
                if found.differs and not equal:
                    return found
                why_not = why_not or reason or ("" if equal else NOT_BEYOND_ROUNDING)
        return Witness(agrees=not why_not, reason=why_not)

    def sizes(self) -> list[dict[int, int]]:
        """Sizes to evaluate at."""
        return strata(self.numbering.sizes, fixed=is_fixed(self.program) or is_fixed(self.other))

    def exactly_equal(self, pair: Pair, sizes: Mapping[int, int], tries: int) -> tuple[bool, str]:
        """Whether two values are equal at one draw of exact numbers, or why that was not found out."""
        depth = 0
        for _ in range(tries):
            try:
                return self.compare(pair, sizes, depth), ""
            except DrawError:
                continue
            except NotRationalError:
                depth = 1 + max(nesting(self.program), nesting(self.other))
                if depth > DEEPEST:
                    return False, f"exponentials are nested over {DEEPEST} deep"
            except UndecidedError as error:
                return False, str(error)
        return False, f"in {tries} draws, a root had no exact value or a denominator was 0"

    def compare(self, pair: Pair, sizes: Mapping[int, int], depth: int) -> bool:
        """One draw."""
        name, other_name, axes, factor = pair
        ours, theirs = self.by_letter(sizes)
        first, second = made_for(self.program, name), made_for(self.other, other_name)
        count = products(first, ours) + products(second, theirs)
        if count > MOST_PRODUCTS:
            raise UndecidedError(f"{count} products are too many for exact arithmetic")
        arrays = self.imposed({i.ref.name: self.draw(i, ours, depth) for i in self.program.inputs})
        left = evaluate(first, arrays, ours)[name]
        right = evaluate(second, self.for_other(arrays), theirs)[other_name]
        right = right.transpose(axes) if axes else right
        if factor is not None:
            right = scaled(right, factor, ours, depth)
        return bool(np.all(lift(left, depth) == lift(right, depth)))

    def by_letter(self, sizes: Mapping[int, int]) -> tuple[dict[str, int], dict[str, int]]:
        """The size of each letter of the two programs."""
        first, second = self.numbering.first, self.numbering.second
        return {i: sizes[n] for i, n in first.items()}, {i: sizes[n] for i, n in second.items()}

    def for_other(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """The same arrays under the other program's names."""
        names = [i.ref.name for i in self.other.inputs]
        missing = [n for n in names if self.called.get(n, n) not in arrays]
        if missing:
            raise UndecidedError(f"the first formula has no input that goes with {missing[0]}")
        return {n: arrays[self.called.get(n, n)] for n in names}

    def imposed(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """The arrays, divided so that sums have their declared values."""
        for contract, value in self.sums:
            ref = contract.operands[0]
            axes = tuple(k for k, i in enumerate(ref.indices) if i not in contract.out.indices)
            array = arrays[ref.name]
            if len(contract.operands) > 1 or contract.brackets or contract.factor != ONE or array.dtype.kind in "biu":
                raise UndecidedError("numbers with the declared sum are not drawn")
            total = np.asarray(array.sum(axis=axes, keepdims=True))
            try:
                arrays[ref.name] = array * total**-1 * value
            except ZeroDivisionError:
                raise DrawError("a sum is 0") from None
        return arrays

    def draw(self, given: Input, sizes: Mapping[str, int], depth: int) -> Array:
        """Random exact numbers for an input, of its kind."""
        shape = [sizes[i] for i in given.ref.indices]
        if np.prod(shape, dtype=int) > LARGEST_INPUT:
            raise UndecidedError(f"{given.ref.name} is too large for exact arithmetic: {tuple(shape)}")
        name, kind = given.ref.name, np.dtype(given.dtype).kind
        if kind == "c":
            raise UndecidedError(f"{name} is complex")
        picked = [*picked_from(self.program, name, sizes), *picked_from(self.other, name, sizes)]
        array = np.empty(shape, dtype=object)
        for place in np.ndindex(array.shape):
            array[place] = self.entry(name, kind, min(picked, default=0), depth)
        return array.astype(np.int64) if picked else array.astype(bool) if kind == "b" else array

    def entry(self, name: str, kind: str, picked: int, depth: int) -> Any:
        """One random entry."""
        if picked:
            return self.random.randrange(picked)
        if kind == "b" or name in self.zero_or_one:
            return self.random.randrange(2) if kind == "b" else exactly(Fraction(self.random.randrange(2)), depth)
        if kind in "iu":
            return exactly(Fraction(self.random.randrange(-9, 10)), depth)
        if depth:
            return residues.draw(self.random, depth, square=name in self.positive)
        low = 1 if name in self.positive else -SPREAD
        return Fraction(self.random.randrange(low, SPREAD), self.random.randrange(1, SPREAD))

    def floats(self, sizes: Mapping[int, int]) -> Both:
        """Every value of the two programs at random floats."""
        return self.evaluated(self.float_arrays(sizes, signed=True), sizes)

    def float_arrays(self, sizes: Mapping[int, int], *, signed: bool) -> dict[str, Array]:
        """Random floats for every input."""
        ours, _ = self.by_letter(sizes)
        return self.imposed({i.ref.name: self.draw_floats(i, ours, signed=signed) for i in self.program.inputs})

    def evaluated(self, arrays: Mapping[str, Array], sizes: Mapping[int, int]) -> Both:
        """Every value of the two programs at floats."""
        ours, theirs = self.by_letter(sizes)
        with np.errstate(all="ignore"):
            return _floats(self.program, arrays, ours), _floats(self.other, self.for_other(arrays), theirs)

    def in_floating_point(self, pair: Pair, sizes: Mapping[int, int]) -> Witness:
        """Two values at random floats, of both signs or one: whether they differ far beyond rounding, and where.

        A difference counts only where it is much larger than what a small change of the floats makes of either value.
        """
        ours, _ = self.by_letter(sizes)
        for signed in (True, True, False, False):
            arrays = self.float_arrays(sizes, signed=signed)
            left, right = self.chosen(pair, self.evaluated(arrays, sizes), ours)
            shaken = {n: a * (1 + SHAKE * (-1) ** k) if a.dtype.kind == "f" else a
                      for k, (n, a) in enumerate(arrays.items())}  # fmt: skip
            moved_left, moved_right = self.chosen(pair, self.evaluated(shaken, sizes), ours)
            with np.errstate(all="ignore"):
                gap = np.abs(np.subtract(left, right, dtype=float))
                moved = np.abs(left - moved_left) + np.abs(right - moved_right)
            known = np.isfinite(gap) & np.isfinite(moved)
            scale = max(np.abs(left[known]).max(initial=0), np.abs(right[known]).max(initial=0))
            gap = np.where(known & (gap > BEYOND_SHAKING * moved), gap, 0)
            if gap.max(initial=0) > BEYOND_ROUNDING * scale:
                place = tuple(int(k) for k in np.unravel_index(gap.argmax(), gap.shape))
                return Witness(False, True, "", dict(ours), place, float(left[place]), float(right[place]))
        return Witness()

    def chosen(self, pair: Pair, values: Both, sizes: Mapping[str, int]) -> tuple[Array, Array]:
        """The two values that are compared, axes in one order."""
        name, other_name, axes, factor = pair
        left, right = values[0][name], values[1][other_name]
        right = right.transpose(axes) if axes else right
        by = 1.0 if factor is None else float(complex(factor.value(sizes)).real)
        return left.astype(float), right.astype(float) * by

    def draw_floats(self, given: Input, sizes: Mapping[str, int], *, signed: bool) -> Array:
        """Random floats for an input; of labels, masks and whole numbers the same kind as for exact arithmetic."""
        name, array = given.ref.name, self.draw(given, sizes, 0)
        if array.dtype != object:
            return array
        if name in self.zero_or_one or np.dtype(given.dtype).kind != "f":
            return array.astype(float)
        numbers = np.array([self.random.gauss(0, 1) for _ in range(array.size)]).reshape(array.shape)
        return numbers if signed and name not in self.positive else np.abs(numbers)


def _floats(program: Program, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Array]:
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
                letters = [i for side in (bracket.left, bracket.right) for _, i in side.terms]
                found += [sizes.get(i, 1) for i in letters]
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


def strata(traced: Mapping[int, int], *, fixed: bool) -> list[dict[int, int]]:
    """Sizes to evaluate at: all distinct and above 1; all equal; the traced ones where a program allows no others."""
    if fixed:
        return [dict(traced)]
    distinct = {k: 2 + n for n, k in enumerate(traced)}
    if len(distinct) > 4:  # many dimensions: the work grows as their product
        distinct = {k: 2 + n % 3 for n, k in enumerate(traced)}
    return [distinct, dict.fromkeys(traced, 2), dict.fromkeys(traced, 3)]

