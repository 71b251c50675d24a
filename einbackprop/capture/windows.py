"""How windows that slide over an array are read: as brackets ``[h = 2y + r]`` between its letters and theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import Bracket, Factor, Position
from .arithmetic import size_of
from .joining import placing
from .memory import View
from .pointwise import lift, unread
from .recorder import Indexed, Recorder
from .sizes import frozen, named_axis, plain


def sliding(recorder: Recorder, a: Any, shape: Any, axis: Any, value: Any) -> Any:
    """``sliding_window_view``: ``[s = p + r]`` along each axis that windows slide over."""
    array = lift(recorder, a)
    widths = list(shape) if isinstance(shape, tuple | list) else [shape]
    for width in widths:
        if named_axis(width) is None:
            frozen(width)
    rank = len(array.axes)
    over = list(range(rank)) if axis is None else [int(i) % rank for i in np.atleast_1d(axis)]
    x = recorder.read(array)
    axes, inner, brackets = list(x.axes), [], []
    for i, width in zip(over, widths, strict=True):
        if axes[i] == x.axes[i]:
            recorder.own_letter(x, i)
        whole = recorder.dimensions.axis(x.axes[i])
        way = ("windows", int(width))
        place = recorder.dimensions.derived(way, [whole], recorder.size(x.axes[i]) - int(width) + 1)
        recorder.sized_as(place, size_of(whole) - width + 1)
        within = named_axis(width) or recorder.dimensions.derived(("window", int(width)), [whole], int(width))
        p, r = map(recorder.dimensions.letter, (place, within))
        brackets.append(Bracket(Position.of(x.axes[i]), "=", Position.of(p, r)))
        axes[i] = p
        inner.append(r)
    return recorder.define([*axes, *inner], placing(x.ref, *brackets), value)


def strided(recorder: Recorder, array: View, shape: Any, strides: Any, value: Any) -> Any:
    """``as_strided``: each step of the memory is so many steps along one axis of the array."""
    plain_array = np.asarray(array.value)
    steps = [abs(stride) for stride in plain_array.strides]
    sizes = list(shape) if isinstance(shape, tuple | list) else [shape]
    moves = [split_step(int(plain(stride)), steps, plain_array.shape) for stride in strides]
    if not plain_array.size or any(move is None for move in moves):
        return unread(recorder, [array], "these strides are no steps along the array's axes: they are not read", value)
    x = recorder.read(array)
    for i in range(len(x.axes)):
        recorder.own_letter(x, i)
    axes = [dimension_of(recorder, x, move, size) for move, size in zip(moves, sizes, strict=True)]
    letters = ["" if axis is None else recorder.dimensions.letter(axis) for axis in axes]
    brackets = []
    for i, own in enumerate(x.axes):
        terms = tuple(
            (Factor.of(move[1]), letter)
            for move, letter in zip(moves, letters, strict=True)
            if move is not None and letter and move[0] == i and move[1]
        )
        brackets.append(Bracket(Position.of(own), "=", Position(terms)))
    return recorder.define(letters, placing(x.ref, *brackets), value)


def split_step(stride: int, steps: Sequence[int], shape: Sequence[int]) -> tuple[int, int] | None:
    """The axis that a stride goes along, and by how many entries; None where it goes along several."""
    if stride == 0:
        return 0, 0
    candidates = [i for i, step in enumerate(steps) if step and stride % step == 0 and shape[i] > 1]
    i = max(candidates, key=lambda i: steps[i], default=None)
    return None if i is None or stride < 0 else (i, stride // steps[i])


def dimension_of(recorder: Recorder, x: Indexed, move: tuple[int, int] | None, size: Any) -> Axis | None:
    """The dimension of an axis of a strided view: that of the array's axis where it steps through all of it."""
    if int(size) == 1:
        return None
    own = recorder.dimensions.axis(x.axes[move[0]]) if move is not None and move[1] == 1 else None
    if own is not None and own.size == int(size):
        return own
    return named_axis(size) or recorder.dimensions.new(int(size))

