"""How arrays that the user's code makes are read: zeros, ones, identities, and lists that become arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dimensions import Axis
from ..program import Bracket, Contract, Factor, Position
from .layout import named_axis
from .pointwise import is_scalar, lift
from .recorder import At, Recorder, View
from .sizes import plain


def axes_of_shape(recorder: Recorder, shape: Any) -> list[Axis]:
    """A dimension for each size: the one that the size is of, else a new one."""
    sizes = list(shape) if isinstance(shape, tuple | list) else [shape]
    return [named_axis(size) or recorder.dimensions.new(int(size)) for size in sizes]


def filled(recorder: Recorder, shape: Any, number: Any, value: Any) -> Any:
    """``np.zeros``, ``np.ones``, ``np.full``: one number everywhere."""
    return filled_axes(recorder, axes_of_shape(recorder, shape), number, value)


def filled_axes(recorder: Recorder, axes: Sequence[Axis], number: Any, value: Any) -> Any:
    """One number everywhere, on these dimensions; an axis of size 1 is a unit axis."""
    letters = ["" if axis.size == 1 and axis.root() is axis else recorder.dimensions.letter(axis) for axis in axes]
    if is_scalar(number):
        factor = recorder.factor(number)
        return recorder.define(letters, lambda out, source: Contract(out, factor=factor, source=source), value)
    x = recorder.read(lift(recorder, number))
    return recorder.define(letters, lambda out, source: Contract(out, (x.ref,), source=source), value)


def filled_like(recorder: Recorder, array: Any, shape: Any, number: Any, value: Any) -> Any:
    """``np.zeros_like`` and the like: the dimensions of another array."""
    if shape is not None:
        return filled(recorder, shape, number, value)
    array = lift(recorder, array)
    stored = recorder.axes[array.buffer.name]
    x_axes: list[str] = []
    for axis in array.axes:
        letters = ""
        for i in axis:
            window = array.window[i]
            assert not isinstance(window, At)
            letters += recorder.dimensions.letter(stored[i] if window is None else window.axis)
        x_axes.append(letters)
    factor = recorder.factor(number)
    return recorder.define(x_axes, lambda out, source: Contract(out, factor=factor, source=source), value)


def identity(recorder: Recorder, n: Any, m: Any, k: int, value: Any) -> Any:
    """``np.eye``: the bracket ``[i=j]``; both axes are one dimension where the matrix is square."""
    rows = named_axis(n) or recorder.dimensions.new(int(n))
    columns = rows if m is None or (int(m) == int(n) and k == 0) else named_axis(m) or recorder.dimensions.new(int(m))
    i, j = recorder.letters([rows, columns])
    bracket = Bracket(Position.of(i, constant=k), "=", Position.of(j))
    return recorder.define([i, j], lambda out, source: Contract(out, (), (bracket,), source=source), value)


def triangle(recorder: Recorder, a: Any, k: int, lower: bool, value: Any) -> Any:
    """``np.tril`` and ``np.triu``: the bracket ``[j ≤ i]`` on the last two axes."""
    x = recorder.read(lift(recorder, a))
    recorder.flatten(x, len(x.axes) - 2)
    recorder.flatten(x, len(x.axes) - 1)
    i, j = x.axes[-2:]
    row, column = Position.of(i, constant=k), Position.of(j)
    bracket = Bracket(column, "≤", row) if lower else Bracket(row, "≤", column)
    return recorder.define(x.axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def diagonal_matrix(recorder: Recorder, a: Any, value: Any) -> Any:
    """``np.diag`` of a vector: ``i->ii``."""
    x = recorder.read(lift(recorder, a))
    recorder.flatten(x, 0)
    other = recorder.dimensions.letter(recorder.dimensions.axis(x.axes[0]))
    bracket = Bracket(Position.of(x.axes[0]), "=", Position.of(other))
    return recorder.define(
        [x.axes[0], other], lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value
    )


def counting(recorder: Recorder, stop: Any, value: Any) -> Any:
    """``np.arange(n)``: the positions along a dimension, as a constant."""
    return recorder.constant(value, [named_axis(stop) or recorder.dimensions.new(len(value))])


def has_traced(values: Any) -> bool:
    """Whether a nested list holds a traced array."""
    if issubclass(type(values), View):
        return True
    return isinstance(values, list | tuple) and any(map(has_traced, values))


def plain_nested(values: Any) -> Any:
    """A nested list with plain numbers for sizes."""
    return [plain_nested(v) for v in values] if isinstance(values, list | tuple) else plain(values)


def as_array(recorder: Recorder, values: Any, dtype: Any, copy: bool) -> Any:
    """``np.array``: a copy of a traced array, a stack of several, else a constant."""
    if issubclass(type(values), View):
        return np.copy(values) if copy else values
    if has_traced(values):
        return np.stack([as_array(recorder, v, dtype, False) if not is_scalar(v) else lift(recorder, v) for v in values])
    value = np.array(plain_nested(values), dtype=dtype)
    return recorder.constant(value)
