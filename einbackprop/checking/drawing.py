"""Fresh values for a check: parameters drawn anew, data redrawn so that they stay data.

A gradient that is right only for the values at hand is wrong; one that is right only for labels
that sum to one is right for such labels. So what an array is to the code is read off its values,
and kept.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Kind = Literal["kept", "distribution", "fraction", "positive", "definite", "symmetric", "orthogonal", "unit",
               "increasing", "real"]  # fmt: skip

WORDS: dict[Kind, str] = {
    "kept": "as they are",
    "distribution": "positive, summing to one",
    "fraction": "between 0 and 1",
    "positive": "positive",
    "definite": "symmetric, positive definite",
    "symmetric": "symmetric",
    "orthogonal": "orthogonal",
    "unit": "of norm one",
    "increasing": "increasing",
    "real": "of both signs",
}
ORDINARY = 2.0**20  # values that are larger, or smaller than its inverse, are drawn as large as they are
MIXED = 2.0**40  # entries that differ by more than this are each drawn as large as they are


@dataclass(frozen=True)
class Role:
    """What the values of an array have in common.

    `axis` is where a distribution sums to one, or what has norm one; `scale` how large fresh values are, 1 if the
    array's are of an ordinary size.
    """

    kind: Kind
    axis: int = 0
    scale: Any = field(default=1.0, repr=False, compare=False)


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
    special = _structure(values)
    if special is not None and special.kind != "unit":  # what of data is right for such only is doubted
        return special
    if values.min() < 0:
        return Role("real", scale=scale_of(values))
    if values.min() == 0 and np.mean(values == 0) > 0.5:
        return Role("kept")
    return Role(_bounded(values), scale=scale_of(values))


def parameter_role(values: np.ndarray) -> Role:
    """Return what a parameter has to keep: what its entries are to each other, and a vector of scales its sign.

    A matrix of positive weights is a way to start, not a promise; ones or variances are one. So is a symmetric matrix,
    or one whose rows sum to one: nobody starts with such by chance.
    """
    if values.dtype.kind != "f" or not values.size or not np.all(np.isfinite(values)):
        return Role("real")
    whole = bool(np.all(values == np.rint(values)))
    special = None if whole or np.ptp(values) == 0 else _structure(values)
    if special is not None:
        return special
    if values.ndim < 2 and values.min() > 0:
        return Role("positive", scale=scale_of(values))
    return Role("real", scale=scale_of(values))


def range_role(values: np.ndarray) -> Role:
    """Return what a parameter keeps that stays in the range of its values: their sign too, or that they are below 1."""
    kept = parameter_role(values)
    if kept.kind in ("real", "positive") and values.size and values.min() >= 0 and values.max() > 0:
        return replace(kept, kind=_bounded(values))
    return kept


def scale_of(values: np.ndarray) -> Any:
    """Return how large fresh values are: 1 for arrays of an ordinary size, an array where the entries' sizes differ."""
    size = np.abs(values).astype(np.float64)
    largest = float(size.max(initial=0.0))
    if not largest:
        return 1.0
    smallest = float(size[size > 0].min())
    if largest / smallest > MIXED if smallest * MIXED < np.inf else False:
        return np.where(size > 0, size, largest)
    return 1.0 if 1 / ORDINARY < largest < ORDINARY else largest


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
        drawn = rng.uniform(0.5, 2.0, shape) * _fitting(kept.scale, shape)
    elif kept.kind == "unit":
        drawn = rng.normal(size=shape)
        drawn = drawn / np.sqrt((drawn * drawn).sum(axis=kept.axis, keepdims=True))
    elif kept.kind == "increasing":
        drawn = np.sort(rng.normal(size=shape)) + np.arange(len(values)) / len(values)
        drawn = (drawn - drawn[0] + rng.uniform(0.5, 1.0) if values[0] > 0 else drawn) * kept.scale
    elif kept.kind == "real" or len(set(shape)) != 1:  # no square any more, at other sizes
        drawn = rng.normal(0.0, spread(shape), shape) * _fitting(kept.scale, shape)
    elif kept.kind == "orthogonal":
        drawn = np.linalg.qr(rng.normal(size=shape))[0] * rng.choice([-1.0, 1.0], shape[-1:])
    else:
        drawn = rng.normal(size=shape)
        definite = kept.kind == "definite"
        drawn = drawn @ drawn.T / len(drawn) + np.eye(len(drawn)) if definite else drawn + drawn.T
        drawn = drawn * kept.scale
    return np.asarray(drawn).astype(values.dtype)


def spread(shape: tuple[int, ...]) -> float:
    """Return a standard deviation at which a layer of this shape neither vanishes nor saturates."""
    return 1.0 if len(shape) < 2 else min(1.0, 2.0 / float(np.sqrt(max(shape))))


def _structure(values: np.ndarray) -> Role | None:
    """What the entries are to each other, where nothing but intention makes them so."""
    plain = values.astype(np.float64)
    slack = 1e-5 if values.dtype.itemsize < 8 else 1e-9
    if values.ndim == 1 and len(values) > 2 and np.all(np.diff(plain) > 0):
        return Role("increasing", scale=scale_of(values[-1:] - values[:1]))
    if values.min() >= 0:
        for axis in reversed(range(values.ndim)):
            if values.shape[axis] > 1 and np.allclose(plain.sum(axis=axis), 1, rtol=0, atol=slack):
                return Role("distribution", axis)
    if values.ndim == 2 and 1 < values.shape[0] == values.shape[1]:
        largest = float(np.abs(plain).max())
        if np.allclose(plain, plain.T, rtol=0, atol=0.01 * slack * largest):
            kind: Kind = "definite" if np.linalg.eigvalsh(plain / largest).min() > 0 else "symmetric"
            return Role(kind, scale=float(np.max(scale_of(values))))
        if np.allclose(plain.T @ plain, np.eye(len(plain)), rtol=0, atol=slack):
            return Role("orthogonal")
    for axis in reversed(range(values.ndim)):
        if values.shape[axis] > 1 and np.allclose((plain * plain).sum(axis=axis), 1, rtol=0, atol=slack):
            return Role("unit", axis)
    return None


def _fitting(scale: Any, shape: tuple[int, ...]) -> Any:
    """The scale as it is, or, of entries of other sizes, the largest."""
    return scale if np.shape(scale) in ((), shape) else np.max(scale)


def _bounded(values: np.ndarray) -> Kind:
    return "fraction" if values.max() < 1 and values.max() > 1 / ORDINARY else "positive"
