"""Numbers at which two formulas differ, or agreement at all drawn ones where no proof is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import residues
from .errors import UndecidedError
from .exact import NotRationalError, evaluate, exactly, lift, nesting, scaled
from .expansion import joint_dimensions
from .interpretation import compute
from .polynomials import Context
from .program import ONE, Factor, Input, Opaque, Program, picks
from .residues import DEEPEST, DrawError

Array = NDArray[Any]
DRAWS = 2
RETRIES = 60
LARGEST_INPUT = 4096
BEYOND_ROUNDING = 1e-6
SPREAD = 1000


@dataclass(frozen=True, slots=True)
class Witness:
    """What exact evaluation found.

    Attributes
    ----------
    agrees, differs : bool
        Equal at all drawn numbers; different at some, in floating point as well. Neither, and ``reason`` says why.
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


def witness(
    program: Program, name: str, other: Program, other_name: str, called: Mapping[str, str],
    axes: Sequence[int] = (), factor: Factor | None = None, *, seed: int = 0,
    zero_or_one: frozenset[str] = frozenset(), positive: frozenset[str] = frozenset(),
) -> Witness:  # fmt: skip
    """Evaluate two values at random numbers and several sizes, until they differ.

    Parameters
    ----------
    program, name, other, other_name
        The two values.
    called : mapping
        The first program's name of each input of the other.
    axes : sequence of int
        For each axis of the first value, the axis of the second; empty where they are in order.
    factor : Factor, optional
        Of the second value.
    seed : int
    zero_or_one, positive : frozenset of str
        Inputs that are drawn so.
    """
    pair = _Drawing(program, name, other, other_name, called, tuple(axes), factor, Random(seed), zero_or_one, positive)
    try:
        return pair.search()
    except UndecidedError as error:
        return Witness(reason=str(error))


@dataclass(slots=True)
class _Drawing:
    program: Program
    name: str
    other: Program
    other_name: str
    called: Mapping[str, str]
    axes: tuple[int, ...]
    factor: Factor | None
    random: Random
    zero_or_one: frozenset[str]
    positive: frozenset[str]

    def search(self) -> Witness:
        """Draw sizes in strata and numbers for each, and compare."""
        joint = joint_dimensions(
            self.program, self.name, self.other, self.other_name, self.called, self.axes or None, Context()
        )
        if joint is None:
            raise UndecidedError("they have not the same number of axes")
        traced = {joint[0][i]: n for i, n in self.program.sizes.items()}
        traced |= {joint[1][i]: n for i, n in self.other.sizes.items() if joint[1][i] not in traced}
        disputed = False
        for sizes in strata(traced, fixed=is_fixed(self.program) or is_fixed(self.other)):
            ours = {i: sizes[k] for i, k in joint[0].items()}
            theirs = {i: sizes[k] for i, k in joint[1].items()}
            for _ in range(DRAWS):
                if self.exactly_equal(ours, theirs):
                    continue
                found = self.in_floating_point(ours, theirs)
                if found.differs:
                    return found
                disputed = True
        if disputed:
            raise UndecidedError("they differ in exact arithmetic, but not beyond rounding: are constants rounded?")
        return Witness(agrees=True)

    def exactly_equal(self, ours: Mapping[str, int], theirs: Mapping[str, int]) -> bool:
        """Whether the two values are equal at one draw of exact numbers."""
        depth = 0
        for _ in range(RETRIES):
            try:
                return self.compare(ours, theirs, depth)
            except DrawError:
                continue
            except NotRationalError:
                depth = 1 + max(nesting(self.program), nesting(self.other))
                if depth > DEEPEST:
                    raise UndecidedError(f"exponentials are nested over {DEEPEST} deep") from None
        raise UndecidedError(f"in {RETRIES} draws, a root had no exact value or a denominator was 0")

    def compare(self, ours: Mapping[str, int], theirs: Mapping[str, int], depth: int) -> bool:
        """One draw."""
        arrays = {i.ref.name: self.draw(i, ours, depth) for i in self.program.inputs}
        left, right = self.evaluated(evaluate, arrays, ours, theirs)
        if self.factor is not None:
            right = scaled(right, self.factor, ours, depth)
        return bool(np.all(lift(left, depth) == lift(right, depth)))

    def evaluated(
        self, evaluator: Callable[..., dict[str, Array]], arrays: Mapping[str, Any], ours: Mapping[str, int],
        theirs: Mapping[str, int],
    ) -> tuple[Array, Array]:  # fmt: skip
        """The two values, on axes in the first's order."""
        names = {i.ref.name: self.called.get(i.ref.name, i.ref.name) for i in self.other.inputs}
        left = evaluator(self.program, arrays, ours)[self.name]
        right = evaluator(self.other, {n: arrays[m] for n, m in names.items()}, theirs)[self.other_name]
        return left, right.transpose(self.axes) if self.axes else right

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

    def in_floating_point(self, ours: Mapping[str, int], theirs: Mapping[str, int]) -> Witness:
        """The two values at random floats: whether they differ far beyond rounding, and where."""
        arrays = {i.ref.name: self.draw(i, ours, 0) for i in self.program.inputs}
        for name, array in arrays.items():
            if array.dtype == object:
                numbers = np.array([self.random.gauss(0, 1) for _ in range(array.size)]).reshape(array.shape)
                plain = name not in self.zero_or_one and np.dtype(_dtype(self.program, name)).kind == "f"
                signed = np.abs(numbers) if name in self.positive else numbers
                arrays[name] = signed if plain else array.astype(float)
        with np.errstate(all="ignore"):
            left, right = self.evaluated(_floats, arrays, ours, theirs)
        if self.factor is not None:
            right = right * float(complex(self.factor.value(ours)).real)
        gap = np.abs(left - right)
        if not gap.size or not np.isfinite(gap).all() or gap.max() <= BEYOND_ROUNDING * max(
            np.abs(left).max(), np.abs(right).max()
        ):
            return Witness()
        place = tuple(int(k) for k in np.unravel_index(gap.argmax(), gap.shape))
        return Witness(False, True, "", dict(ours), place, float(left[place]), float(right[place]))


def _floats(program: Program, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Array]:
    values = {name: np.asarray(a) for name, a in (dict(program.constants) | dict(arrays)).items()}
    for equation in program.equations:
        if not isinstance(equation, Opaque):
            values[equation.out.name] = compute(equation, values, sizes)
    return values


def _dtype(program: Program, name: str) -> str:
    return next(i.dtype for i in program.inputs if i.ref.name == name)


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
    """Whether a program makes sense at the traced sizes only: constants, or brackets with numbers in them."""
    if any(np.ndim(a) and np.size(a) for a in program.constants.values()):
        return True
    for equation in program.equations:
        for bracket in getattr(equation, "brackets", ()):
            plain = all(not s.constant and all(f == ONE for f, _ in s.terms) for s in (bracket.left, bracket.right))
            if not plain or len(bracket.left.terms) != 1 or len(bracket.right.terms) > 1:
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

