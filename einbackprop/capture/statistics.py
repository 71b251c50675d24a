"""How medians, quantiles, covariances and reductions without nan are read: as the sums and picks that they stand for.

Each rule has NumPy's parameters behind what NumPy answered in this run.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .contractions import positive_axes
from .memory import is_traced
from .pointwise import lift, unread
from .recorder import Recorder
from .sizes import in_numbers

Rule = Callable[..., Any]


def quantile(r: Recorder, v: Any, a: Any, q: Any, axis: Any = None, overwrite_input: bool = False,
             method: str = "linear", keepdims: bool = False) -> Any:  # fmt: skip
    """``np.quantile``: between the two entries around, in the order that they have in this run."""
    array: Any = lift(r, a)
    wanted = q.value if is_traced(q) else np.asarray(q)
    if method != "linear" or is_traced(q) or np.ndim(wanted) > 1 or not np.size(array.value):
        return unread(r, [a, q], "np.quantile is read with the method 'linear' and plain numbers q", v)
    over = positive_axes(axis, array.ndim)
    ordered = np.sort(along_the_last(array, over), axis=-1)
    made = [between(ordered, float(share)) for share in np.atleast_1d(wanted)]
    made = [np.expand_dims(one, tuple(over)) if keepdims else one for one in made]
    return np.stack(made) if np.ndim(wanted) else made[0]


def along_the_last(array: Any, over: list[int]) -> Any:
    """The array with some axes as one, its last."""
    rest = [i for i in range(array.ndim) if i not in over]
    moved = np.transpose(array, (*rest, *over))
    return moved if len(over) == 1 else np.reshape(moved, (*moved.shape[: len(rest)], -1))


def between(ordered: Any, share: float) -> Any:
    """The entry at a share of the way along the last axis."""
    last = int(ordered.shape[-1]) - 1
    low = int(np.floor(share * last))
    weight = share * last - low
    first = ordered[..., low]
    return first + (ordered[..., min(low + 1, last)] - first) * weight if weight else first


def median(r: Recorder, v: Any, a: Any, axis: Any = None, overwrite_input: bool = False,
           keepdims: bool = False) -> Any:  # fmt: skip
    """``np.median``: the entry in the middle, or half of the two there."""
    return quantile(r, v, a, 0.5, axis, keepdims=keepdims)


def percentile(r: Recorder, v: Any, a: Any, q: Any, axis: Any = None, overwrite_input: bool = False,
               method: str = "linear", keepdims: bool = False) -> Any:  # fmt: skip
    """``np.percentile``."""
    return quantile(r, v, a, q if is_traced(q) else np.true_divide(q, 100), axis, overwrite_input, method, keepdims)


def covariance(r: Recorder, v: Any, m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
               fweights: Any = None, aweights: Any = None) -> Any:  # fmt: skip
    """``np.cov``: ``x xᵀ / (n - 1)`` of rows less their means."""
    if fweights is not None or aweights is not None:
        return unread(r, [m, y, fweights, aweights], "np.cov with weights is not read", v)
    rows: Any = np.atleast_2d(lift(r, m))
    rows = rows.T if not rowvar and np.ndim(lift(r, m).value) == 2 else rows
    if y is not None:
        others: Any = np.atleast_2d(lift(r, y))
        others = others.T if not rowvar and np.shape(others.value)[0] != 1 else others
        rows = np.concatenate([rows, others], axis=0)
    off = rows - np.mean(rows, axis=1, keepdims=True)
    fewer = (0 if bias else 1) if ddof is None else ddof
    return np.squeeze(np.matmul(off, np.conjugate(off).T) / (rows.shape[1] - fewer if fewer else rows.shape[1]))


def correlation(r: Recorder, v: Any, x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """``np.corrcoef``: the covariance over both deviations. (NumPy clips it at ±1, from which rounding alone keeps.)"""
    made: Any = np.cov(lift(r, x), y, rowvar)
    if not made.ndim:
        return made / made
    deviations = np.sqrt(np.diagonal(made))
    return made / deviations[:, None] / deviations[None, :]


def without_nan(function: Rule, number: float) -> Rule:
    """The rule of ``np.nansum`` and the like: a number that changes nothing stands in the place of each nan."""

    def rule(r: Recorder, v: Any, a: Any, *arguments: Any, **keywords: Any) -> Any:
        given = {key: value for key, value in keywords.items() if value is not np._NoValue}
        return function(np.where(np.isnan(a), number, a), *arguments, **given)

    return rule


def mean_without_nan(r: Recorder, v: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``np.nanmean``."""
    count = np.sum(np.logical_not(np.isnan(a)), axis=axis, keepdims=keepdims)
    return np.nansum(a, axis=axis, keepdims=keepdims) / count


def variance_without_nan(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0,
                         keepdims: bool = False) -> Any:  # fmt: skip
    """``np.nanvar``."""
    there = np.logical_not(np.isnan(a))
    filled = np.where(there, a, 0)
    count = np.sum(there, axis=axis, keepdims=True)
    off = np.where(there, filled - np.sum(filled, axis=axis, keepdims=True) / count, 0)
    fewer = np.sum(there, axis=axis, keepdims=keepdims) - ddof
    return np.sum(off**2, axis=axis, keepdims=keepdims) / fewer


def deviation_without_nan(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0,
                          keepdims: bool = False) -> Any:  # fmt: skip
    """``np.nanstd``."""
    return np.sqrt(np.nanvar(a, axis=axis, ddof=ddof, keepdims=keepdims))


RULES: dict[Any, Rule] = {
    np.median: in_numbers(median), np.quantile: in_numbers(quantile), np.percentile: in_numbers(percentile),
    np.cov: covariance, np.corrcoef: correlation,
    np.nansum: without_nan(np.sum, 0.0), np.nanprod: without_nan(np.prod, 1.0),
    np.nanmax: without_nan(np.max, -np.inf), np.nanmin: without_nan(np.min, np.inf),
    np.nanargmax: without_nan(np.argmax, -np.inf), np.nanargmin: without_nan(np.argmin, np.inf),
    np.nancumsum: without_nan(np.cumsum, 0.0), np.nancumprod: without_nan(np.cumprod, 1.0),
    np.nanmean: mean_without_nan, np.nanvar: variance_without_nan, np.nanstd: deviation_without_nan,
}  # fmt: skip
