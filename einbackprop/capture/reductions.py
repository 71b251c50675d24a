"""How sums, means, norms and extrema are written down.

What has NumPy's names and order of parameters, behind what NumPy answered, is a rule as it stands.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.program import Bracket, Contract, Extremum, Factor, Position
from . import memory, sizes
from .pointwise import add, apply_map, is_boolean, lift, product, unread
from .recorder import Indexed, Recorder


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
    return sizes.product_of_sizes(a.shape[i] for i in positive_axes(axis, len(a.axes)))


def mean(recorder: Recorder, a: Any, axis: Any, keepdims: bool, value: Any) -> Any:
    """The sum over the number of entries."""
    a = lift(recorder, a)
    if not int(count(a, axis)):
        return unread(recorder, [a], "a mean over no entries is not read", value)
    return total(recorder, a, axis, keepdims, value, recorder.factor(1 / count(a, axis)))


def variance(recorder: Recorder, value: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0,
             keepdims: bool = False) -> Any:  # fmt: skip
    """The mean of the squared differences from the mean."""
    a = lift(recorder, a)
    plain = np.asarray(a.value)
    over = tuple(positive_axes(axis, plain.ndim))
    n = count(a, axis)
    if plain.dtype.kind == "c" or int(n) <= ddof:
        return unread(recorder, [a], "a variance of complex numbers, or of too few, is not read", value)
    centre = mean(recorder, a, over, True, plain.mean(over, keepdims=True))
    difference = plain - plain.mean(over, keepdims=True)
    off = add(recorder, a, centre, -1, difference)
    square = apply_map(recorder, "power", [off], difference**2, Fraction(2))
    return total(recorder, square, axis, keepdims, value, recorder.factor(1 / (n - ddof if ddof else n)))


def deviation(recorder: Recorder, value: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0,
              keepdims: bool = False) -> Any:  # fmt: skip
    """The root of the variance."""
    var = variance(recorder, np.asarray(value) ** 2, a, axis, ddof=ddof, keepdims=keepdims)
    return apply_map(recorder, "power", [var], value, Fraction(1, 2))


def norm(
    recorder: Recorder, value: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """The Euclidean norm (of all entries, or along axes), the 1-norm and the maximum norm of vectors."""
    a = lift(recorder, x)
    plain = np.asarray(a.value)
    over = tuple(positive_axes(axis, plain.ndim))
    is_vector = len(over) == 1 or (axis is None and ord is None)
    size = np.abs(plain)
    if (ord is None or (ord == 2 and is_vector) or (ord == "fro" and len(over) == 2)) and plain.dtype.kind != "c":
        squares = np.sum(size**2, over, keepdims=keepdims)
        square = apply_map(recorder, "power", [a], size**2, Fraction(2))
        return apply_map(recorder, "power", [total(recorder, square, over, keepdims, squares)], value, Fraction(1, 2))
    if ord == 1 and is_vector:
        return total(recorder, apply_map(recorder, "abs", [a], size), over, keepdims, value)
    if ord == np.inf and is_vector:
        return extremum(recorder, apply_map(recorder, "abs", [a], size), "max", over, keepdims, value)
    return unread(recorder, [a], f"np.linalg.norm with ord={ord!r} is not read", value)


def extremum(recorder: Recorder, a: Any, kind: Any, axis: Any, keepdims: bool, value: Any, held: bool = False) -> Any:
    """Max or min over axes; ``held`` where nothing depends on it."""
    x = recorder.read(lift(recorder, a))
    over = positive_axes(axis, len(x.axes))
    if not any(x.axes[i] for i in over):
        return lift(recorder, np.reshape(a, np.shape(value))).copied(value)
    return recorder.define(
        kept_axes(x, over, keepdims), lambda out, source: Extremum(out, x.ref, kind, "", held, source), value
    )


def position(
    kind: Any, recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False
) -> Any:
    """Where along one axis the extreme value is first reached; along all, where in C order."""
    a = lift(recorder, a)
    x = recorder.read(a)
    over = positive_axes(axis, len(x.axes))
    merged = Indexed(x.ref, ["".join(x.axes[i] for i in over)])
    recorder.own_letter(merged, 0)
    letter, ref = merged.axes[0], merged.ref
    axes = kept_axes(x, over, keepdims)
    if letter not in ref.indices:
        return recorder.define(axes, lambda out, source: Contract(out, (), (), Factor.of(0), source), value)
    return recorder.define(axes, lambda out, source: Extremum(out, ref, kind, letter, source=source), value)


def holds(
    everywhere: bool, recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False
) -> Any:
    """``np.all`` and ``np.any``: the min and max of 0 and 1."""
    a = lift(recorder, a)
    truth = a if is_boolean(a) else apply_map(recorder, "not_equal", [a, 0], np.asarray(a.value) != 0)
    if not np.size(a.value):
        return unread(recorder, [a], "np.all and np.any of no entries are not read", value)
    return extremum(recorder, truth, "min" if everywhere else "max", axis, keepdims, value)


def multiplied(recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``np.prod``: the product of the slices along each axis, one factor an entry."""
    a = lift(recorder, a)
    result: Any = a
    for i in sorted(positive_axes(axis, len(a.axes)), reverse=True):
        size = int(result.shape[i])
        lead = (slice(None),) * i
        parts = [result[(*lead, slice(n, n + 1) if keepdims else n)] for n in range(size)]
        if not parts:
            return unread(recorder, [a], "a product over no entries is not read", value)
        result = parts[0]
        for part in parts[1:]:
            result = result * part
    return lift(recorder, result).copied(value)


def log_sum_exp(recorder: Recorder, value: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``np.logaddexp.reduce``: with the max taken out, which nothing depends on."""
    a = lift(recorder, a)
    over = tuple(positive_axes(axis, len(a.axes)))
    top = extremum(recorder, a, "max", over, True, np.max(a.value, axis=over, keepdims=True), held=True)
    result = top + np.log(np.sum(np.exp(a - top), axis=over, keepdims=True))
    return result if keepdims else np.squeeze(result, axis=over)


def running_sum(recorder: Recorder, value: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """``np.cumsum`` along one axis: the sum over all positions up to this one."""
    x = recorder.read(lift(recorder, a if np.ndim(a.value if memory.is_traced(a) else a) else np.reshape(a, -1)))
    if axis is None:
        x, axis = Indexed(x.ref, ["".join(x.axes)]), 0
    i = positive_axes(axis, len(x.axes))[0]
    recorder.own_letter(x, i)
    last = recorder.dimensions.letter(recorder.dimensions.axis(x.axes[i]))
    bracket = Bracket(Position.of(x.axes[i]), "≤", Position.of(last))
    axes = [*x.axes[:i], last, *x.axes[i + 1 :]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def average(
    recorder: Recorder, value: Any, a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False
) -> Any:
    """``np.average``: a mean, weighted if weights are given."""
    if weights is None:
        return mean(recorder, a, axis, keepdims, value)
    a, weights = lift(recorder, a), lift(recorder, weights)
    over = positive_axes(axis, len(a.axes))
    if len(weights.axes) != len(a.axes):
        rest = [i for i in range(len(a.axes)) if i not in over]
        if len(over) != 1:
            return unread(recorder, [a, weights], "np.average with weights of several axes is not read", value)
        weights = lift(recorder, np.expand_dims(weights, tuple(rest)))
    plain, w = np.asarray(a.value), np.broadcast_to(weights.value, np.shape(a.value))
    weighted, weight = (np.sum(p, axis=tuple(over), keepdims=keepdims) for p in (plain * w, w))
    top = total(recorder, product(recorder, a, weights, plain * w), over, keepdims, weighted)
    wide = product(recorder, weights, np.ones_like(a), w)
    bottom = total(recorder, wide, over, keepdims, weight)
    inverse = apply_map(recorder, "power", [bottom], 1 / np.asarray(weight), Fraction(-1))
    return product(recorder, top, inverse, value)


def trace_of(recorder: Recorder, a: Any, value: Any) -> Any:
    """``np.trace``: the diagonal, summed."""
    x = recorder.read(lift(recorder, a))
    joined_axes(recorder, x, 0, 1)
    return recorder.define(x.axes[2:], lambda out, source: Contract(out, (x.ref,), source=source), value)


def diagonal(recorder: Recorder, value: Any, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """``np.diagonal``: ``x[i,i]``; off the diagonal of a rectangle, of the largest square that is in it."""
    array: Any = lift(recorder, a)
    first, second = (int(i) % len(array.axes) for i in (axis1, axis2))
    size = int(np.shape(value)[-1])
    if not size:
        return unread(recorder, [array], "a diagonal without entries is not read", value)
    shape = np.shape(array.value)
    if (shape[first], shape[second]) != (size, size):
        window = [slice(None)] * len(shape)
        window[first] = slice(max(0, -offset), max(0, -offset) + size)
        window[second] = slice(max(0, offset), max(0, offset) + size)
        array = array[tuple(window)]
    x = recorder.read(array)
    joined_axes(recorder, x, first, second)
    axes = [axis for i, axis in enumerate(x.axes) if i not in (first, second)] + [x.axes[first]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), source=source), value)


def joined_axes(recorder: Recorder, x: Indexed, first: int, second: int) -> None:
    """Give two axes of one array one letter."""
    recorder.flatten(x, first)
    recorder.flatten(x, second)
    if x.axes[first] and x.axes[second]:
        recorder.unify(x.axes[first], x.axes[second])
        x.rename(x.axes[second], x.axes[first])


def masked(a: Any, where: Any, number: Any) -> Any:
    """The array with a number where a mask does not hold; the array itself without a mask."""
    return a if where is True else np.where(where, a, number)

