"""How sums, means, norms and extrema are written down."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..program import Bracket, Contract, Extremum, Factor, Position
from .pointwise import add, apply_map, is_scalar, lift, product, scaled
from .recorder import Indexed, Recorder, View
from .sizes import Measured, size_of


def positive_axes(axis: Any, rank: int) -> list[int]:
    """The axes that a reduction is over, counted from the front."""
    if axis is None:
        return list(range(rank))
    return [int(i) % rank for i in (axis if isinstance(axis, tuple | list) else (axis,))] if rank else []


def kept_axes(x: Indexed, over: Sequence[int], keepdims: bool) -> list[str]:
    """The letters of the result's axes: a reduced axis goes, or stays as a unit axis."""
    return [("" if i in over else axis) for i, axis in enumerate(x.axes) if keepdims or i not in over]


def total(recorder: Recorder, a: Any, axis: Any, keepdims: bool, value: Any, factor: Factor | None = None) -> Any:
    """The sum over axes, times a factor."""
    x = recorder.read(lift(recorder, a))
    over = positive_axes(axis, len(x.axes))
    return recorder.define(
        kept_axes(x, over, keepdims),
        lambda out, source: Contract(out, (x.ref,), (), factor or Factor(), source),
        value,
    )


def count(a: Any, axis: Any) -> Any:
    """How many entries a reduction runs over, as a size that remembers its letters."""
    number: Any = 1
    for n, i in enumerate(positive_axes(axis, len(a.axes))):
        number = a.shape[i] if n == 0 else number * a.shape[i]
    return number


def mean(recorder: Recorder, a: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """The sum over the number of entries."""
    a = lift(recorder, a)
    if not int(count(a, axis)):
        return recorder.opaque([a], "a mean over no entries is not read", value)
    return total(recorder, a, axis, keepdims, value, recorder.factor(1 / count(a, axis)))


def variance(recorder: Recorder, a: Any, axis: Any, keepdims: bool, ddof: Any, value: Any) -> Any:
    """The mean of the squared differences from the mean."""
    a = lift(recorder, a)
    plain = np.asarray(a.value)
    over = tuple(positive_axes(axis, plain.ndim))
    centre = mean(recorder, a, over, True, plain.mean(over, keepdims=True))
    difference = plain - plain.mean(over, keepdims=True)
    off = add(recorder, a, centre, -1, difference)
    square = apply_map(recorder, "power", [off], difference**2, Fraction(2))
    n = count(a, axis)
    return total(recorder, square, axis, keepdims, value, recorder.factor(1 / (n - ddof if ddof else n)))


def deviation(recorder: Recorder, a: Any, axis: Any, keepdims: bool, ddof: Any, value: Any) -> Any:
    """The root of the variance."""
    var = variance(recorder, a, axis, keepdims, ddof, np.asarray(value) ** 2)
    return apply_map(recorder, "power", [var], value, Fraction(1, 2))


def norm(recorder: Recorder, a: Any, order: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """The Euclidean norm (of all entries, or along axes), the 1-norm of vectors."""
    a = lift(recorder, a)
    plain = np.asarray(a.value)
    over = tuple(positive_axes(axis, plain.ndim))
    if order in (None, "fro") or (order == 2 and len(over) == 1):
        squares = np.sum(np.abs(plain) ** 2, over, keepdims=keepdims)
        square = apply_map(recorder, "power", [a], np.abs(plain) ** 2, Fraction(2))
        return apply_map(recorder, "power", [total(recorder, square, over, keepdims, squares)], value, Fraction(1, 2))
    if order == 1 and len(over) == 1:
        return total(recorder, apply_map(recorder, "abs", [a], np.abs(plain)), over, keepdims, value)
    return recorder.opaque([a], f"np.linalg.norm with ord={order!r} is not read", value)


def extremum(recorder: Recorder, a: Any, kind: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """Max or min over axes."""
    x = recorder.read(lift(recorder, a))
    over = positive_axes(axis, len(x.axes))
    return recorder.define(
        kept_axes(x, over, keepdims), lambda out, source: Extremum(out, x.ref, kind, source=source), value
    )


def position(recorder: Recorder, a: Any, kind: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """Where along one axis the extreme value is first reached; along all, where in C order."""
    a = lift(recorder, a)
    x = recorder.read(a)
    over = positive_axes(axis, len(x.axes))
    letters = "".join(x.axes[i] for i in over)
    if len(letters) != 1:
        merged = Indexed(x.ref, [letters])
        recorder.flatten(merged, 0)
        x.ref, letters = merged.ref, merged.axes[0]
    return recorder.define(
        kept_axes(x, over, keepdims), lambda out, source: Extremum(out, x.ref, kind, letters, source=source), value
    )


def running_sum(recorder: Recorder, a: Any, axis: Any, value: Any) -> Any:
    """``np.cumsum`` along one axis: the sum over all positions up to this one."""
    x = recorder.read(lift(recorder, a))
    if axis is None and len(x.axes) != 1:
        return recorder.opaque([lift(recorder, a)], "np.cumsum over all axes at once is not read", value)
    i = positive_axes(0 if axis is None else axis, len(x.axes))[0]
    recorder.flatten(x, i)
    last = recorder.dimensions.letter(recorder.dimensions.axis(x.axes[i]))
    bracket = Bracket(Position.of(x.axes[i]), "≤", Position.of(last))
    axes = [*x.axes[:i], last, *x.axes[i + 1 :]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def average(recorder: Recorder, a: Any, weights: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """``np.average``: a mean, weighted if weights are given for all entries."""
    if weights is None:
        return mean(recorder, a, axis, keepdims, value)
    a, weights = lift(recorder, a), lift(recorder, weights)
    if len(weights.axes) != len(a.axes):
        return recorder.opaque([a, weights], "np.average with weights of another shape is not read", value)
    plain, w = np.asarray(a.value), np.asarray(weights.value)
    over = tuple(positive_axes(axis, plain.ndim))
    top = total(recorder, product(recorder, a, weights, plain * w), over, keepdims, (plain * w).sum(over))
    bottom = total(recorder, weights, over, keepdims, w.sum(over))
    inverse = apply_map(recorder, "power", [bottom], 1 / w.sum(over), Fraction(-1))
    return product(recorder, top, inverse, value)


def product_of_sizes(values: Any) -> Any:
    """``np.prod(x.shape)`` of plain sizes: a size that remembers its letters."""
    number: Any = 1
    for n, value in enumerate(values):
        number = value if n == 0 else number * value
    return number


def trace_of(recorder: Recorder, a: Any, value: Any) -> Any:
    """``np.trace``: the diagonal, summed."""
    x = recorder.read(lift(recorder, a))
    y = Indexed(x.ref, x.axes)
    joined_axes(recorder, y)
    return recorder.define(y.axes[2:], lambda out, source: Contract(out, (y.ref,), source=source), value)


def diagonal(recorder: Recorder, a: Any, offset: int, value: Any) -> Any:
    """``np.diagonal`` of the first two axes."""
    if offset:
        return recorder.opaque([lift(recorder, a)], "an off-diagonal is not read", value)
    x = recorder.read(lift(recorder, a))
    joined_axes(recorder, x)
    return recorder.define(
        [*x.axes[2:], x.axes[0]], lambda out, source: Contract(out, (x.ref,), source=source), value
    )


def joined_axes(recorder: Recorder, x: Indexed) -> None:
    """Give the first two axes of one array one letter."""
    recorder.flatten(x, 0)
    recorder.flatten(x, 1)
    first, second = x.axes[:2]
    recorder.dimensions.unify(recorder.dimensions.axis(first), recorder.dimensions.axis(second), recorder.source())
    x.rename(second, first)


