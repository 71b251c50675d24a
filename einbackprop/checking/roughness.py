"""Rounding in dtypes that are narrower than the code around them.

Disturbances of a few eps of float64 vanish in a float32 buffer, and its rounding with them. So values are moved by many
roundings of the narrow dtype, in equal steps: what is smooth leaves nothing in differences of high order, noise does
(Moré and Wild, Estimating computational noise, 2011).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from einbackprop.core.nesting import Convert, Number, duplicate_array, rebuild

POINTS = (-2, -1, 1, 2)
SINGLE = float(np.finfo(np.float32).eps)
HALF = float(np.finfo(np.float16).eps)
STEPS = {SINGLE: 2.0**-20, HALF: 2.0**-8}  # several roundings, and small enough that powers of it are nothing
ORDERS = (3, 4)
PLAIN = 16.0  # noise above that many roundings of the wide dtype is of a narrow one
_HALVES = frozenset(("float16", "half", "e", "f2", "<f2", "=f2"))


def noise(runs: np.ndarray) -> np.ndarray:
    """Take values at equally spaced points, along the first axis; return the standard deviation of their noise."""
    found = np.full(runs.shape[1:], np.inf)
    for order in ORDERS:
        differences = np.abs(np.diff(runs, n=order, axis=0)).max(axis=0)
        found = np.minimum(found, differences / comb(2 * order, order) ** 0.5)
    return np.where(np.isfinite(found), found, 0.0)


def moved(state: Any, step: float, rng: np.random.Generator, first: Convert = duplicate_array) -> Iterator[Any]:
    """Copies of a state whose real numbers are moved by multiples of a relative step, integers and labels as they are.

    The multiples are `POINTS`, the direction is one; `first` copies an array.
    """
    seed = int(rng.integers(2**63))
    for point in POINTS:
        yield rebuild(state, _Shift(point * step, np.random.default_rng(seed), first))


@dataclass
class _Shift:
    """Copies an array and moves it along the next direction."""

    step: float
    directions: np.random.Generator
    first: Convert

    def __call__(self, array: np.ndarray) -> Any:
        values = np.asarray(array)
        speed = self.directions.uniform(-1.0, 1.0, values.shape)
        copied = self.first(array)
        if values.dtype.kind != "f" or np.all(values == np.rint(values)):
            return copied
        copied *= 1 + self.step * speed
        return float(copied) if type(array) is Number else copied


def narrow_noise(
    function: Callable[[Any], np.ndarray | None], state: Any, value: np.ndarray, plain: np.ndarray,
    rng: np.random.Generator, dtype_eps: float = SINGLE, first: Convert = duplicate_array,
) -> np.ndarray:  # fmt: skip
    """Return how noisy a function's values are if that is more than plain rounding explains, else zeros.

    Parameters
    ----------
    function
        Takes a state, which it may change; returns an array, or None where it does not run.
    state, value
        A state, and the function's value there.
    plain
        What one rounding of every operation, in the dtypes of their results, does to the value.
    rng
        Draws the directions in which the state is moved.
    dtype_eps
        Of the narrow dtype that is looked for.
    first
        Copies an array of the state.
    """
    floor = PLAIN * np.maximum(plain, float(np.finfo(float).eps) * np.abs(value))
    nothing = np.zeros(np.shape(value))
    sizes: list[np.ndarray] = []
    for _ in range(3):
        runs = [function(other) for other in moved(state, STEPS[dtype_eps], rng, first)]
        if any(run is None or np.shape(run) != np.shape(value) for run in runs):
            return nothing
        rows = [*runs[:2], value, *runs[2:]]
        sizes.append(noise(np.array(rows, dtype=np.float64)))
        quiet = [not np.any(size > floor) for size in sizes]
        if (quiet[-1] and np.ndim(value)) or quiet.count(True) == 2:
            return nothing
    second, largest = np.sort(sizes, axis=0)[-2:]  # a kink is crossed in one direction or the other, noise is in all
    return np.where(second > floor, largest, 0.0)


def mentions_half(functions: Iterable[FunctionType]) -> bool:
    """Whether the code of functions has a name of float16 in it."""
    return any(not _HALVES.isdisjoint(_words(function.__code__)) for function in functions)


def _words(code: CodeType) -> Iterator[str]:
    """The names and texts in some code, and in the code inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _words(constant)
