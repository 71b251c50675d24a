"""How arrays that the user's code makes are read: zeros, ones, identities, and lists that become arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import Bracket, Contract, Factor, Position
from .conditions import Kind, Meeting
from .failures import asks_numpy
from .memory import View, is_traced
from .pointwise import Selection, cast, is_scalar, lift, unread
from .recorder import Recorder
from .sizes import as_number, axes_of, deeper, frozen, is_measured, key_of, plain, sized_axis

FEW = 2  # numbers: so few say of each other what more do not, as that all are 0 or 1


def axes_of_shape(recorder: Recorder, shape: Any) -> list[Axis]:
    """A dimension for each size: the one that the size is of, else a new one."""
    sizes = list(shape) if isinstance(shape, tuple | list) else [shape]
    return [axis_of_size(recorder, size) for size in sizes]


def axis_of_size(recorder: Recorder, size: Any) -> Axis:
    """The dimension that a size is of; a new one where it is a number."""
    count = int(plain(size))
    if is_measured(size):
        return sized_axis(size) or recorder.dimensions.new(int(frozen(size)))
    return recorder.dimensions.literal(count)


def filled(recorder: Recorder, shape: Any, number: Any, value: Any) -> Any:
    """``np.zeros``, ``np.ones``, ``np.full``: one number everywhere; an axis of size 1 is a unit axis."""
    axes = axes_of_shape(recorder, shape)
    letters = ["" if axis.size == 1 and axis.root().literal else recorder.dimensions.letter(axis) for axis in axes]
    return filled_letters(recorder, letters, number, value)


def filled_like(recorder: Recorder, array: Any, shape: Any, number: Any, value: Any) -> Any:
    """``np.zeros_like`` and the like: the dimensions of another array."""
    if shape is not None:
        return filled(recorder, shape, number, value)
    array = lift(recorder, array)
    stored = recorder.axes[recorder.current(array.buffer)]
    letters = []
    for axis in array.axes:
        windows = [(stored[i], array.window[i]) for i in axis]
        letters.append(recorder.letters(whole if window is None else window.axis for whole, window in windows))
    return filled_letters(recorder, letters, number, value)


def filled_letters(recorder: Recorder, letters: Sequence[str], number: Any, value: Any) -> Any:
    """One number, or one array that broadcasts, everywhere."""
    if is_scalar(number):
        factor = recorder.factor(number)
        return recorder.define(letters, lambda out, source: Contract(out, factor=factor, source=source), value)
    blank = recorder.define(letters, lambda out, source: Contract(out, factor=Factor.of(0), source=source), None)
    read, axes = recorder.broadcast([blank, lift(recorder, number)])
    ref = read[1].ref
    return recorder.define(axes, lambda out, source: Contract(out, (ref,), source=source), value)


def identity(recorder: Recorder, n: Any, m: Any, k: int, value: Any) -> Any:
    """``np.eye``: the bracket ``[i=j]``; both axes are one dimension where the matrix is square."""
    rows = axis_of_size(recorder, n)
    columns = rows if m is None or (key_of(m) == key_of(n) and k == 0) else axis_of_size(recorder, m)
    i, j = map(recorder.dimensions.letter, (rows, columns))
    bracket = Bracket(Position.of(i, constant=k), "=", Position.of(j))
    return recorder.define([i, j], lambda out, source: Contract(out, (), (bracket,), source=source), value)


def triangle(recorder: Recorder, a: Any, k: int, lower: bool, value: Any) -> Any:
    """``np.tril`` and ``np.triu``: the bracket ``[j ≤ i]`` on the last two axes; of infinities, a choice."""
    own = a.value if is_traced(a) else np.asarray(a)
    if not np.isfinite(own).all():
        rows, columns = own.shape[-2:]
        inside = np.tri(rows, columns, k, dtype=bool) if lower else ~np.tri(rows, columns, k - 1, dtype=bool)
        return np.where(inside, lift(recorder, a), 0)
    if own.ndim < 2:
        return unread(recorder, [a], "a triangle of an array with fewer than two axes is not read", value)
    x = recorder.read(lift(recorder, a))
    recorder.own_letter(x, len(x.axes) - 2)
    recorder.own_letter(x, len(x.axes) - 1)
    i, j = x.axes[-2:]
    row, column = Position.of(i, constant=k), Position.of(j)
    bracket = Bracket(column, "≤", row) if lower else Bracket(row, "≤", column)
    return recorder.define(x.axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def diagonal_matrix(recorder: Recorder, a: Any, value: Any) -> Any:
    """``np.diag`` of a vector: ``x[i] [i=j]``."""
    x = recorder.read(lift(recorder, a))
    recorder.own_letter(x, 0)
    other = recorder.dimensions.letter(recorder.dimensions.axis(x.axes[0]))
    bracket = Bracket(Position.of(x.axes[0]), "=", Position.of(other))
    return recorder.define(
        [x.axes[0], other], lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value
    )


def counting(recorder: Recorder, bounds: Sequence[Any], value: Any) -> Any:
    """``np.arange``: the positions along a dimension, as a constant."""
    start, stop, step = (*((0, *bounds) if len(bounds) == 1 else bounds), 1)[:3]
    sizes = [bound for bound in (stop, start, step) if is_measured(bound)]
    by_one = type(step) is int and step in (1, -1)
    count = (stop - start) * step if sizes and by_one else len(value)
    made = recorder.constant(value, [axis_of_count(recorder, count, len(value))]).copied(value.copy())
    if sizes:
        is_plain = by_one and len(value) > FEW and not all(is_measured(bound) for bound in (start, stop))
        kind: Kind = "counted" if is_plain else "frozen"
        recorder.sized[made.buffer.name] = Meeting(kind, recorder.source(), as_number(sizes[0]), axes_of(sizes[0]))
        if by_one:
            recorder.counts[made.buffer.name] = start, step
    return made


def has_traced(values: Any, level: int = 0) -> bool:
    """Whether a nested list holds a traced array; a ValueError where it is nested deeper than NumPy takes it."""
    return is_traced(values) or type(values) is Selection or (
        isinstance(values, list | tuple) and any(has_traced(value, deeper(level)) for value in values)
    )


def plain_nested(values: Any) -> Any:
    """A nested list with plain numbers for sizes."""
    return [plain_nested(v) for v in values] if isinstance(values, list | tuple) else frozen(values)


@asks_numpy
def as_array(recorder: Recorder, values: Any, dtype: Any, copy: bool, level: int = 0) -> Any:
    """``np.array``: a copy of a traced array, a stack of several, else a constant.

    What NumPy makes an array of objects or strings of stays as it is.
    """
    if is_traced(values):
        return taken_as(recorder, values, np.array(values.value)) if copy else values
    if has_traced(values):
        return np.stack([lift(recorder, v) if is_scalar(v) else as_array(recorder, v, dtype, False, deeper(level))
                         for v in values])
    return given_out(recorder, np.array(plain_nested(values), dtype=dtype))


def gathered(recorder: Recorder, value: Any) -> Any:
    """A list of traced arrays as one, as NumPy takes it; anything else as it is."""
    is_list = isinstance(value, list | tuple) and has_traced(value)
    return as_array(recorder, value, None, False) if is_list else value


def taken_as(recorder: Recorder, array: View, value: Any) -> Any:
    """``np.array`` of a traced array, as NumPy gave it: in another dtype, with more axes, a view or a copy."""
    if value.dtype != np.asarray(array.value).dtype:
        array = cast(recorder, array, value.dtype)
    made = array.like([()] * (value.ndim - len(array.axes)) + list(array.axes), value)
    shares = isinstance(array.value, np.ndarray) and np.may_share_memory(array.value, value)
    recorder.viewed |= shares or (np.shape(value) == np.shape(array.value) and value.strides != array.value.strides)
    return made if shares else made.copied(value)


def given_out(recorder: Recorder, value: Any) -> Any:
    """A plain array as the user's code gets it: traced, in memory of its own; anything else as it is."""
    if type(value) is np.ndarray and value.dtype.kind in "fiucb":
        made: View = recorder.constant(value, in_code=True)
        return made.copied(np.array(value))
    return value


def axis_of_count(recorder: Recorder, count: Any, length: int) -> Axis:
    """The dimension of so many numbers: the one whose size says how many."""
    axis = axis_of_size(recorder, count) if is_measured(count) and count.number == length else None
    return axis or recorder.dimensions.literal(length)
