"""Values of a user's program and of the true derivative, at inputs and sizes of our own.

Parameters are drawn afresh, data in their own kind (labels stay labels, one-hot rows one-hot). A program does not
depend on sizes, so that every dimension gets a size of its own wherever nothing ties it to what it was: no mistake
hides behind two sizes that happen to be equal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checking.drawing import Role, draw, parameter_role, role
from ..core.elementwise import numeric
from ..core.interpretation import compute, squeeze
from ..core.program import Bracket, Contract, Factor, Input, Opaque, Position, Program, Sum, Update, operands, picks
from ..core.progress import tick
from ..errors import EinbackpropError

Array = NDArray[Any]
Values = dict[str, Array]
CLOSE = 1e-8  # relative to the largest entry: rounding at values of order 1 is far below, a mistake far above
JITTER = 1e-11
ROUNDINGS = 1000  # a value that is off by less than this many times what the jitter changes is rounding: 1e-8 again
SQUARE = ("symmetric", "definite", "orthogonal")
SMALLEST = 3  # two samples are too few for a norm: its outputs are ±1 whatever goes in


@dataclass
class Sample:
    """One draw.

    Attributes
    ----------
    sizes : dict
        The size of each letter.
    given : dict of name to array
        Inputs and constants.
    truth, yours : dict of name to array
        The values of the true program and of the user's.
    noise : dict of name to float
        How much of each value is rounding, at most.
    own_sizes : bool
        Whether the sizes are the user's.
    """

    sizes: dict[str, int]
    given: Values
    truth: Values
    yours: Values
    noise: dict[str, float]
    own_sizes: bool

    def close(self, yours: Array, true: Array, noise: float = 0.0) -> bool:
        """Whether two arrays are equal to rounding."""
        if yours.shape != true.shape or not (np.all(np.isfinite(yours)) and np.all(np.isfinite(true))):
            return False
        yours, true = numeric(yours), numeric(true)  # masks cannot be subtracted
        scale = max(np.abs(yours).max(initial=0), np.abs(true).max(initial=0))
        return bool(np.abs(yours - true).max(initial=0) <= max(CLOSE * scale, noise))


def draw_samples(
    program: Program, truth: Program, arrays: Sequence[Array], parameters: Collection[str], rng: np.random.Generator
) -> list[Sample]:
    """Two draws at sizes that differ from each other, and one at the user's sizes.

    Parameters
    ----------
    program, truth : Program
        Of the same inputs.
    arrays : sequence of arrays
        The user's own inputs.
    parameters : collection of str
        The inputs that gradients are taken of: nothing about their values is kept.
    """
    free = free_dimensions(program, arrays, parameters)
    samples = []
    for order in (1, -1):
        sizes = distinct_sizes(program, free, order)
        samples += [s for s in [sample(program, truth, arrays, parameters, sizes, rng)] if s is not None]
    own = sample(program, truth, arrays, parameters, program.sizes, rng)
    return samples + ([own] if own is not None else [])


def draw_near(
    program: Program, truth: Program, arrays: Sequence[Array], rng: np.random.Generator
) -> list[Sample]:
    """Draws at the user's sizes, near the user's values, so that branches go as they went; then those values."""
    ways = ["near"] * 5 + ["own"]
    drawn_ = [sample(program, truth, arrays, (), program.sizes, rng, (way,)) for way in ways]
    return [s for s in drawn_ if s is not None]


def sample(
    program: Program, truth: Program, arrays: Sequence[Array], parameters: Collection[str],
    sizes: Mapping[str, int], rng: np.random.Generator, ways: Sequence[str] = ("drawn", "positive", "near"),
) -> Sample | None:  # fmt: skip
    """One draw; None where the loss or its derivative is not finite, however the inputs are drawn."""
    for way in ways:
        given: Values = {}
        for declared, array in zip(program.inputs, arrays, strict=True):
            own = way if declared.ref.name in parameters or way in ("near", "own") else "data"
            given[declared.ref.name] = drawn(declared, array, sizes, rng, own)
        true = evaluated(truth, given, sizes)
        if all(ref.name in true and np.all(np.isfinite(true[ref.name])) for ref in truth.outputs):
            yours = evaluated(program, given, sizes)
            noise = jittered(program, given, sizes, yours, rng)
            return Sample(dict(sizes), given, true, yours, noise, dict(sizes) == program.sizes)
    return None


# Sizes


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


def has_size(program: Program) -> bool:
    """Whether some number of the program has a size of a dimension as a factor: ``0.7 / len(X)`` has."""
    numbers = whole_numbers(program)
    return any(number % d.size == 0 for d in program.dimensions if d.size > 2 for number in numbers)


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


# Draws


def drawn(
    declared: Input, array: Array, sizes: Mapping[str, int], rng: np.random.Generator, way: str
) -> Array:
    """A fresh array of the sizes, with what is special about the user's if it is data."""
    plain = squeeze(np.asarray(array), declared)
    shape = tuple(sizes[i] for i in declared.ref.indices)
    if plain.dtype.kind not in "fc":
        return plain if plain.shape == shape else rng.choice(plain.ravel(), shape)
    if way in ("near", "own") and plain.shape == shape:
        return np.asarray(plain * rng.uniform(0.9, 1.1, shape)) if way == "near" else plain
    kept = parameter_role(plain)
    if way == "data":
        kept = role(plain)
        if kept.kind == "kept" and plain.size and np.ptp(plain) > 0:
            return plain if plain.shape == shape else redrawn(plain, shape, rng)
    if way == "positive":
        return rng.uniform(0.5, 2.0, shape)
    if kept.kind == "kept":
        kept = Role("real")
    like = plain.astype(np.float64) if plain.shape == shape else np.ones(shape)
    return draw(like, kept, rng)


def redrawn(plain: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Whole numbers of another shape: one-hot rows stay one-hot, masks stay masks."""
    for axis in range(plain.ndim):
        if set(np.unique(plain)) == {0.0, 1.0} and np.all(plain.sum(axis=axis) == 1):
            hot = rng.integers(0, shape[axis], [n for i, n in enumerate(shape) if i != axis])
            return np.moveaxis(np.eye(shape[axis])[hot], -1, axis)
    return rng.choice(plain.ravel(), shape)


# Evaluation


def evaluated(program: Program, given: Mapping[str, Array], sizes: Mapping[str, int]) -> Values:
    """The values of a program. What does not meet at these sizes is left out, and what needs it."""
    values = {name: np.asarray(array) for name, array in program.constants.items()} | dict(given)
    for equation in program.equations:
        if isinstance(equation, Opaque):
            values.pop(equation.out.name, None)  # what it was when traced says nothing about fresh inputs
    for equation in program.equations:
        evaluate_into(values, equation, sizes)
    return values


def evaluate_into(values: Values, equation: Any, sizes: Mapping[str, int]) -> bool:
    """Compute one value; False, and the value is gone, where its operands are or do not meet.

    A letter has the size that the arrays say, as in NumPy: where two dimensions stand under one letter, sizes that
    differ are an error only if arrays really meet there.
    """
    tick()
    values.pop(equation.out.name, None)
    if isinstance(equation, Opaque):
        return False
    local: dict[str, int] = {}
    for ref in operands(equation):
        array = values.get(ref.name)
        if array is None or len(array.shape) != len(ref.indices):
            return False
        for letter, size in zip(ref.indices, array.shape, strict=True):
            if local.setdefault(letter, size) != size:
                return False
    if any(sizes.get(i, n) != n for i, n in local.items()):
        equation = with_numbers(equation, sizes)  # N stays what it is, whatever stands under its letter now
    try:
        with np.errstate(all="ignore"):
            values[equation.out.name] = compute(equation, values, {**sizes, **local})
    except EinbackpropError:
        return False
    return True


def with_numbers(equation: Any, sizes: Mapping[str, int]) -> Any:
    """The equation with numbers for the sizes in its factors."""
    if isinstance(equation, Contract):
        return replace(equation, factor=Factor(equation.factor.value(sizes)))
    if isinstance(equation, Sum):
        return replace(equation, terms=tuple((Factor(factor.value(sizes)), ref) for factor, ref in equation.terms))
    return equation


def jittered(
    program: Program, given: Mapping[str, Array], sizes: Mapping[str, int], exact: Values, rng: np.random.Generator
) -> dict[str, float]:
    """How much of each value may be rounding: what changes when every equation's result is off by a little."""
    values = {n: a for n, a in exact.items() if n in given or n in program.constants}
    noise: dict[str, float] = {}
    for equation in program.equations:
        name = equation.out.name
        if name in exact and evaluate_into(values, equation, sizes) and values[name].dtype.kind in "fc":
            off = 1 + JITTER * rng.uniform(-1, 1, values[name].shape)
            values[name] = values[name] * off
            change = np.abs(values[name] - exact[name])
            noise[name] = ROUNDINGS * float(change.max(initial=0))
    return noise
