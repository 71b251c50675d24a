"""Fresh values for a check: parameters drawn anew, data redrawn so that they stay data.

A gradient that is right only for the values at hand is wrong; one that is right only for labels
that sum to one is right for such labels. So what an array is to the code is read off its values,
and kept.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["kept", "distribution", "fraction", "positive", "definite", "symmetric", "real"]

WORDS: dict[Kind, str] = {
    "kept": "as they are",
    "distribution": "positive, summing to one",
    "fraction": "between 0 and 1",
    "positive": "positive",
    "definite": "symmetric, positive definite",
    "symmetric": "symmetric",
    "real": "of both signs",
}


@dataclass(frozen=True)
class Role:
    """What the values of an array have in common; `axis` is where a distribution sums to one."""

    kind: Kind
    axis: int = 0


def role(values: np.ndarray) -> Role:
    """Read off an array's values what a fresh draw has to keep.

    Integers, bools, whole-numbered floats (labels, one-hot rows, 0/1 masks, counts) and constants
    are kept as they are.

    >>> role(np.array([[0.25, 0.75], [0.5, 0.5]])), role(np.array([0.0, 1.0, 1.0]))
    (Role(kind='distribution', axis=1), Role(kind='kept', axis=0))
    """
    if values.dtype.kind != "f" or not values.size or not np.all(np.isfinite(values)):
        return Role("kept")
    if np.all(values == np.rint(values)) or (values.size > 1 and np.ptp(values) == 0):
        return Role("kept")
    if values.min() < 0:
        return Role("symmetric" if _is_symmetric(values) else "real")
    for axis in reversed(range(values.ndim)):
        sums = values.sum(axis=axis, dtype=np.float64)
        if values.shape[axis] > 1 and np.allclose(sums, 1, rtol=0, atol=_slack(values)):
            return Role("distribution", axis)
    if values.min() == 0:
        return Role("kept") if np.mean(values == 0) > 0.5 else Role(_bounded(values))
    if _is_symmetric(values) and np.linalg.eigvalsh(values.astype(np.float64)).min() > 0:
        return Role("definite")
    return Role(_bounded(values))


def parameter_role(values: np.ndarray) -> Role:
    """Return what a parameter has to keep: nothing, or a vector of scales its sign.

    A matrix of positive weights is a way to start, not a promise; ones or variances are one.
    """
    if values.ndim < 2 and values.size and values.dtype.kind == "f" and values.min() > 0:
        return Role("positive")
    return Role("real")


def draw(values: np.ndarray, kept: Role, rng: np.random.Generator) -> np.ndarray:
    """Draw an array of the same shape and dtype, O(1) in scale, that keeps the role."""
    shape = values.shape
    if kept.kind == "kept":
        return values.copy()
    if kept.kind == "distribution":
        drawn = rng.uniform(0.1, 1.0, shape)
        drawn = drawn / drawn.sum(axis=kept.axis, keepdims=True)
    elif kept.kind == "fraction":
        drawn = rng.uniform(0.02, 0.98, shape)
    elif kept.kind == "positive":
        drawn = rng.uniform(0.5, 2.0, shape)
    elif kept.kind == "real":
        drawn = rng.normal(0.0, spread(shape), shape)
    else:
        drawn = rng.normal(size=shape)
        definite = kept.kind == "definite"
        drawn = drawn @ drawn.T / len(drawn) + np.eye(len(drawn)) if definite else drawn + drawn.T
    return np.asarray(drawn).astype(values.dtype)


def spread(shape: tuple[int, ...]) -> float:
    """Return a standard deviation at which a layer of this shape neither vanishes nor saturates."""
    return 1.0 if len(shape) < 2 else min(1.0, 2.0 / float(np.sqrt(max(shape))))


def _bounded(values: np.ndarray) -> Kind:
    return "fraction" if values.max() < 1 else "positive"


def _slack(values: np.ndarray) -> float:
    return 1e-5 if values.dtype.itemsize < 8 else 1e-9


def _is_symmetric(values: np.ndarray) -> bool:
    square = values.ndim == 2 and 1 < values.shape[0] == values.shape[1]
    return square and bool(np.array_equal(values, values.T))
