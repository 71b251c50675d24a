"""Values of a user's program and of the true derivative, at inputs and sizes of our own.

Parameters are drawn afresh, data in their own kind (labels stay labels, one-hot rows one-hot). A program does not
depend on sizes, so that every dimension gets a size of its own wherever nothing ties it to what it was: no mistake
hides behind two sizes that happen to be equal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checking.drawing import Role, draw, parameter_role, role
from ..checking.free_sizes import distinct_sizes, free_dimensions, whole_numbers
from ..checking.resizing import redrawn
from ..core.elementwise import numeric
from ..core.interpretation import compute, squeeze
from ..core.program import Contract, Factor, Input, Opaque, Program, Sum, operands
from ..core.progress import tick
from ..errors import EinbackpropError

Array = NDArray[Any]
Values = dict[str, Array]
CLOSE = 1e-8  # relative to the largest entry: rounding at values of order 1 is far below, a mistake far above
JITTER = 1e-11
ROUNDINGS = 1000  # a value that is off by less than this many times what the jitter changes is rounding: 1e-8 again


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


def has_size(program: Program) -> bool:
    """Whether some number of the program has a size of a dimension as a factor: ``0.7 / len(X)`` has."""
    numbers = whole_numbers(program)
    return any(number % d.size == 0 for d in program.dimensions if d.size > 2 for number in numbers)


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
