"""How differences, running products, integrals and interpolation are read: as the slices and sums that they stand for.

Each rule has NumPy's parameters behind what NumPy answered in this run.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import joining
from .indexing import written_out
from .pointwise import cast, lift, unread
from .recorder import Recorder
from .sizes import in_numbers


def differences(
    r: Recorder, v: Any, a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> Any:
    """``np.diff``: ``x[1:] - x[:-1]``, n times over."""
    array: Any = lift(r, a)
    i = axis % array.ndim

    def end(value: Any) -> Any:
        given: Any = lift(r, value)
        return given if given.ndim else np.broadcast_to(given, (*array.shape[:i], 1, *array.shape[i + 1 :]))

    parts = [*([] if prepend is None else [end(prepend)]), array, *([] if append is None else [end(append)])]
    array = np.concatenate(parts, axis=i) if len(parts) > 1 else array
    for _ in range(n):
        array = cut(array, i, 1, None) - cut(array, i, None, -1)
    return array


def flat_differences(r: Recorder, v: Any, ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """``np.ediff1d``."""
    inner = np.diff(np.ravel(lift(r, ary)))
    ends = [None if end is None else np.ravel(lift(r, end)) for end in (to_begin, to_end)]
    parts = [part for part in (ends[0], inner, ends[1]) if part is not None]
    return np.concatenate(parts) if len(parts) > 1 else inner


def cut(array: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """A slice along one axis."""
    return array[(*joining.along(axis), slice(start, stop))]


def entry(array: Any, axis: int, n: int) -> Any:
    """One entry along an axis, which stays as a unit axis."""
    return array[(*joining.along(axis), n, None)]


def running(ufunc: np.ufunc) -> Any:
    """The rule of ``np.cumprod`` and of ``ufunc.accumulate``: each entry from the one before it, one after another."""

    def rule(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
        array: Any = lift(r, np.ravel(a) if axis is None else a)
        array = array if dtype is None else cast(r, array, dtype)
        i = (axis or 0) % array.ndim
        made: list[Any] = []
        for n in range(written_out(r, array, i)):
            part = array[(*joining.along(i), n)]
            made.append(ufunc(made[-1], part) if made else part)
        return np.stack(made, axis=i) if made else array.copied(v)

    return rule


def cumulative(ufunc: np.ufunc, start: int) -> Any:
    """The rule of ``np.cumulative_sum`` and ``np.cumulative_prod``, which may begin with a 0 or a 1."""

    def rule(r: Recorder, v: Any, x: Any, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        i = axis or 0
        made: Any = ufunc.accumulate(lift(r, x) if dtype is None else cast(r, lift(r, x), dtype), axis=i)
        if not include_initial:
            return made
        first = cut(v, i % made.ndim, None, 1)
        return np.concatenate([np.full_like(r.constant(first, in_code=True), start), made], axis=i)

    return rule


def integral(r: Recorder, v: Any, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """``np.trapezoid``: the sum of ``d (y[1:] + y[:-1]) / 2``."""
    array: Any = lift(r, y)
    i = axis % array.ndim
    width = dx
    if x is not None:
        given: Any = lift(r, x)
        width = np.diff(given, axis=i if given.ndim > 1 else 0)
        width = width[(slice(None), *(None,) * (array.ndim - 1 - i))] if given.ndim == 1 else width
    return np.sum(width * (cut(array, i, 1, None) + cut(array, i, None, -1)) / 2.0, axis=i)


def gradients(r: Recorder, v: Any, f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """``np.gradient``: central differences inside, one-sided ones at the ends; one array an axis."""
    array: Any = lift(r, f)
    axes = range(array.ndim) if axis is None else [int(i) % array.ndim for i in np.atleast_1d(axis)]
    spacings = varargs if len(varargs) == len(axes) else (varargs or (1.0,)) * len(axes)
    if edge_order == 2 and any(np.ndim(lift(r, spacing).value) for spacing in spacings):
        return unread(r, [f, *varargs], "np.gradient with edge_order=2 is read for even spacing", v)
    made = [slope(r, array, i, spacing, edge_order) for i, spacing in zip(axes, spacings, strict=True)]
    return type(v)(made) if isinstance(v, list | tuple) else made[0]


def slope(r: Recorder, f: Any, i: int, spacing: Any, edge_order: int) -> Any:
    """The differences along one axis, over one spacing, or between coordinates."""
    left, middle, right = cut(f, i, None, -2), cut(f, i, 1, -1), cut(f, i, 2, None)
    first, last = ([entry(f, i, sign * n - (sign < 0)) for n in range(1 + edge_order)] for sign in (1, -1))
    if np.ndim(lift(r, spacing).value) == 0:
        inner = (right - left) / (2.0 * spacing)
        ends = [one_sided(first) / spacing, -one_sided(last) / spacing]
    else:
        steps = np.diff(spacing)[(slice(None), *(None,) * (f.ndim - 1 - i))]
        before, after = steps[:-1], steps[1:]
        inner = (
            right * before / (after * (before + after)) - left * after / (before * (before + after))
            + middle * (after - before) / (before * after)
        )  # fmt: skip
        ends = [(first[1] - first[0]) / steps[0], (last[0] - last[1]) / steps[-1]]
    return np.concatenate([ends[0], inner, ends[1]], axis=i)


def one_sided(parts: Sequence[Any]) -> Any:
    """The difference at an end, of the first or the second order, away from it."""
    return parts[1] - parts[0] if len(parts) == 2 else -1.5 * parts[0] + 2.0 * parts[1] - 0.5 * parts[2]


def polynomial(r: Recorder, v: Any, p: Any, x: Any) -> Any:
    """``np.polyval``, by Horner's rule as NumPy does it."""
    if isinstance(p, np.poly1d) or isinstance(x, np.poly1d):
        return unread(r, [p, x], "np.polyval of a poly1d is not read", v)
    coefficients: Any = lift(r, p)
    made: Any = np.zeros_like(lift(r, x))
    for n in range(int(coefficients.shape[0])):
        made = made * x + coefficients[n]
    return made


def interpolated(
    r: Recorder, v: Any, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """``np.interp``: on the line between the two points around; which these are is as in this run."""
    at, places, values = (lift(r, given) for given in (x, xp, fp))
    count = len(places.value)
    if period is not None or count < 2:
        return unread(r, [x, xp, fp], "np.interp with a period, or of one point, is not read", v)
    number = np.clip(np.searchsorted(places.value, at.value, side="right") - 1, 0, count - 2)
    low = r.kept(number, "between which points np.interp finds each value is kept as it is in this run").copied(number)
    share = (at - places[low]) / (places[low + 1] - places[low])
    made = values[low] + share * (values[low + 1] - values[low])
    made = np.where(np.less(at, places[0]), values[0] if left is None else left, made)
    return np.where(np.greater(at, places[-1]), values[-1] if right is None else right, made)


def powers(r: Recorder, v: Any, x: Any, N: Any = None, increasing: bool = False) -> Any:  # NumPy's name
    """``np.vander``: a column a power."""
    array: Any = lift(r, x)
    exponents = range(np.shape(v)[1])
    columns = [np.ones_like(array) if n == 0 else array**n for n in exponents]
    return np.stack(columns if increasing else columns[::-1], axis=-1)


def spread(r: Recorder, v: Any, start: Any, stop: Any, num: Any = 50, endpoint: bool = True) -> Any:
    """``np.linspace`` between two traced ends."""
    first: Any = lift(r, start)
    steps = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    return first + r.constant(steps[(slice(None), *(None,) * (np.ndim(v) - 1))], in_code=True) * (stop - first)


def sine_over(r: Recorder, v: Any, x: Any) -> Any:
    """``np.sinc``, as NumPy does it."""
    angle = np.pi * np.where(np.equal(x, 0), 1e-20, x)
    return np.sin(angle) / angle


def angle_of(r: Recorder, v: Any, z: Any, deg: bool = False) -> Any:
    """``np.angle``."""
    angle = np.arctan2(np.imag(z), np.real(z))
    return np.degrees(angle) if deg else angle


NEWER = {"cumulative_sum": cumulative(np.add, 0), "cumulative_prod": cumulative(np.multiply, 1)}
"""Rules of functions that NumPy 2.0 lacks, by name."""

RULES: dict[Any, Any] = {
    np.sinc: sine_over, np.angle: angle_of, np.polymul: lambda r, v, a1, a2: np.convolve(a1, a2),
    **{getattr(np, name): rule for name, rule in NEWER.items() if hasattr(np, name)},
    np.diff: in_numbers(differences), np.ediff1d: flat_differences, np.gradient: in_numbers(gradients),
    np.trapezoid: integral, np.cumprod: running(np.multiply), np.polyval: polynomial, np.interp: interpolated,
    np.vander: in_numbers(powers), np.linspace: in_numbers(spread),
}  # fmt: skip

ACCUMULATED = {ufunc: running(ufunc) for ufunc in (np.multiply, np.maximum, np.minimum, np.logaddexp)}
"""Ufuncs whose ``accumulate`` is read."""
