"""How concatenation, padding, flips, repeats and windows are read: by brackets between the letters.

Each part that is joined goes to its place, ``[p = s + offset]``; a window slides over an array as ``[h = 2y + r]``.
"""

import operator
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import ONE, Bracket, Contract, Factor, Position, Ref, Source, Sum
from .arithmetic import evenly, size_of
from .creation import axis_of_size
from .memory import View, is_traced
from .pointwise import is_scalar, lift, unread
from .recorder import Indexed, Recorder
from .sizes import frozen, goes_without_saying, is_measured, named_axis, plain, told


def concatenated(recorder: Recorder, arrays: Sequence[Any], axis: Any, value: Any) -> Any:
    """``np.concatenate``: the sum of the parts, each at its offset. A slice that gives a part back has its letter."""
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    read = [recorder.read(lift(recorder, a)) for a in arrays]
    i = int(axis) % len(read[0].axes)
    for x in read:
        recorder.own_letter(x, i)
    joined_but(recorder, read, i)
    parts = [recorder.dimensions.axis(x.axes[i]) for x in read]
    whole = recorder.dimensions.derived(("concatenate",), parts, sum(part.size for part in parts))
    recorder.sized_as(whole, sum(map(size_of, parts)))
    offsets: list[Any] = list(accumulate([0, *map(size_of, parts[:-1])], operator.add))
    for part, offset in zip(parts, offsets, strict=True):
        recorder.dimensions.unify(recorder.part(whole, offset, 1, size_of(part)), part)
    positions = [Position.of(x.axes[i], constant=plain(offset)) for x, offset in zip(read, offsets, strict=True)]
    return placed(recorder, read, i, whole, positions, value)


def stacked(recorder: Recorder, arrays: Sequence[Any], axis: Any, value: Any) -> Any:
    """``np.stack``: each part at its own position along a new axis."""
    read = [recorder.read(lift(recorder, a)) for a in arrays]
    joined_but(recorder, read, None)
    i = int(axis) % (len(read[0].axes) + 1)
    for x in read:
        x.axes.insert(i, "")
    whole = recorder.axis_of_rounds([x.ref.name for x in read]) or recorder.dimensions.literal(len(read))
    return placed(recorder, read, i, whole, [Position((), n) for n in range(len(read))], value)


def joined_but(recorder: Recorder, read: Sequence[Indexed], i: int | None) -> None:
    """Make every axis but one the same index in all parts."""
    for j in range(len(read[0].axes)):
        if j != i:
            if len({len(x.axes[j]) for x in read}) > 1:
                for x in read:
                    recorder.flatten(x, j)
            for x in read[1:]:
                recorder.join(read[0], j, x, j)


def placed(
    recorder: Recorder, read: Sequence[Indexed], i: int, whole: Axis, positions: Sequence[Position], value: Any
) -> Any:
    """The sum of parts, each written where its position along axis i of the result says."""
    axes = list(read[0].axes)
    axes[i] = recorder.dimensions.letter(whole)
    refs = []
    for x, position in zip(read, positions, strict=True):
        bracket = Bracket(Position.of(axes[i]), "=", position)
        name = recorder.emit("".join(axes), placing(x.ref, bracket))
        refs.append(Ref(name, "".join(axes)))
    if len(refs) == 1:
        return recorder.define(axes, lambda out, source: Contract(out, tuple(refs), source=source), value)
    terms = tuple((ONE, ref) for ref in refs)
    return recorder.define(axes, lambda out, source: Sum(out, terms, source), value)


def placing(ref: Ref, *brackets: Bracket) -> Callable[[Ref, Source | None], Contract]:
    """The equation of one array in its place, which brackets say."""
    return lambda out, source: Contract(out, (ref,), brackets, source=source)


def padded(recorder: Recorder, a: Any, widths: Any, mode: Any, number: Any, value: Any) -> Any:
    """``np.pad``: zeros around it; another number as zeros around what is less by that number; else picked entries."""
    array = lift(recorder, a)
    pairs = np.broadcast_to(np.asarray(frozen(widths)), (len(array.axes), 2)).tolist()
    if mode != "constant":
        for i, pair in enumerate(pairs):
            if any(pair):
                array = taken(array, np.pad(np.arange(np.shape(array.value)[i]), pair, mode=mode), i)
        return array
    if np.ndim(number) == 0 and number != 0:
        less = array - number
        return padded(recorder, less, widths, mode, 0, np.asarray(value) - number) + number
    if np.any(number):
        return unread(recorder, [array], "np.pad with several numbers is not read", value)
    return padded_by_zeros(recorder, array, pairs, value)


def padded_by_zeros(recorder: Recorder, array: View, pairs: Sequence[Sequence[int]], value: Any) -> Any:
    """``[p = s + before]`` along each padded axis. The slice that gives the inner part back has its letter."""
    x = recorder.read(array)
    axes, brackets = list(x.axes), []
    for i, (before, after) in enumerate(pairs):
        if before or after:
            recorder.own_letter(x, i)
            inner = recorder.dimensions.axis(x.axes[i])
            way = ("pad", before, after)
            whole = recorder.dimensions.derived(way, [inner], inner.size + before + after)
            recorder.sized_as(whole, size_of(inner) + before + after)
            recorder.dimensions.unify(recorder.part(whole, before, 1, size_of(inner)), inner)
            axes[i] = recorder.dimensions.letter(whole)
            brackets.append(Bracket(Position.of(axes[i]), "=", Position.of(x.axes[i], constant=before)))
    return recorder.define(axes, placing(x.ref, *brackets), value)


def flipped(array: Any, axis: Any) -> Any:
    """``np.flip``: a slice with step -1."""
    rank = len(array.axes)
    over = range(rank) if axis is None else [int(i) % rank for i in np.atleast_1d(axis)]
    return array[tuple(slice(None, None, -1) if i in over else slice(None) for i in range(rank))]


def taken(array: Any, positions: Any, axis: int) -> Any:
    """The entries at some positions along an axis, which are those of these sizes."""
    size = array.shape[axis]
    if is_measured(size):
        array.recorder.met("frozen", f"{told(size)} is {plain(size)}")
    return array[(*along(axis), positions)]


def along(axis: int) -> tuple[slice, ...]:
    """The key that leaves the axes before one whole."""
    return (slice(None),) * axis


def rolled(recorder: Recorder, a: Any, shift: Any, axis: Any, value: Any) -> Any:
    """``np.roll``: the last entries, then the others."""
    array: Any = lift(recorder, a)
    shift = operator.index(shift) if is_traced(shift) and not shift.axes else shift
    if axis is None:
        return np.reshape(rolled(recorder, np.reshape(array, -1), shift, 0, np.reshape(value, -1)), np.shape(value))
    shifts = [shift] if is_measured(shift) else np.broadcast_to(frozen(shift), np.size(axis)).tolist()
    for i, by in zip(np.atleast_1d(axis).tolist(), shifts, strict=True):
        i %= len(array.axes)
        size, extent = np.shape(array.value)[i], array.shape[i]
        by = by if all(goes_without_saying(operator.lt, by * sign, extent) for sign in (1, -1)) else frozen(by)
        if plain(by) and is_measured(extent) and abs(plain(by)) >= size:
            frozen(extent)
        if plain(by) % size if size else 0:
            cut = -by if -size < plain(by) < 0 else extent - by if 0 < plain(by) < size else size - by % size
            last, first = array[(*along(i), slice(cut, None))], array[(*along(i), slice(None, cut))]
            array = np.concatenate([last, first], axis=i)
    return array.copied(value)


def repeated(recorder: Recorder, a: Any, repeats: Any, axis: Any, value: Any) -> Any:
    """``np.repeat`` by one number: ``[p = r·s + e]`` for every e; by several, picked entries."""
    array = lift(recorder, a)
    if axis is None or not array.axes:
        array, axis = lift(recorder, np.reshape(array, -1)), 0
    i, repeats = int(axis) % len(array.axes), frozen(repeats)
    if np.size(repeats) != 1:
        return taken(array, np.repeat(np.arange(np.shape(array.value)[i]), repeats), i)
    x = recorder.read(array)
    recorder.own_letter(x, i)
    return expanded(recorder, x, i, int(np.reshape(repeats, ())), False, value)


def expanded(recorder: Recorder, x: Indexed, i: int, times: int, tiled: bool, value: Any) -> Any:
    """Axis i with each entry ``times`` over: ``[p = times·s + e]``, or ``[p = size·e + s]`` where it is tiled."""
    inner = recorder.dimensions.axis(x.axes[i])
    many = recorder.dimensions.derived(("tile" if tiled else "repeat", times), [inner], inner.size * times)
    whole = recorder.dimensions.letter(recorder.sized_as(many, size_of(inner) * times))
    e = recorder.dimensions.letter(recorder.dimensions.derived(("times", times), [inner], times))
    slow, fast = (e, x.axes[i]) if tiled else (x.axes[i], e)
    count = recorder.factor(size_of(inner)) if tiled else Factor.of(times)
    bracket = Bracket(Position.of(whole), "=", Position(((count, slow), (ONE, fast))))
    axes = [*x.axes[:i], whole, *x.axes[i + 1 :]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def tiled(recorder: Recorder, a: Any, times: Any, value: Any) -> Any:
    """``np.tile``: axis by axis; a unit axis becomes a new dimension."""
    array = lift(recorder, a)
    written = is_measured(times) or isinstance(times, list | tuple)
    counts = times if written else np.asarray(times.value if is_traced(times) else times).tolist()
    counts = list(counts) if isinstance(counts, list | tuple) else [counts]
    rank = max(len(array.axes), len(counts))
    result: Any = array.like([()] * (rank - len(array.axes)) + list(array.axes), array.value)
    result.value = np.reshape(array.value, (1,) * (rank - len(array.axes)) + np.shape(array.value))
    for i, n in enumerate(counts, start=rank - len(counts)):
        if n != 1:
            result = tiled_axis(recorder, result, i, n)
    return result.copied(value)


def tiled_axis(recorder: Recorder, array: View, i: int, n: Any) -> Any:
    """One axis of ``np.tile``."""
    said, n = n, int(plain(n))
    value = np.concatenate([array.value] * n, axis=i) if n else np.take(array.value, [], axis=i)
    x = recorder.read(array)
    if x.axes[i]:
        recorder.flatten(x, i)
        return expanded(recorder, x, i, frozen(said), True, value)
    axes = [*x.axes[:i], recorder.dimensions.letter(axis_of_size(recorder, said)), *x.axes[i + 1 :]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), source=source), value)


def parts_of(array: Any, sections: Any, axis: int, even: bool = True) -> list[Any]:
    """``np.split``: slices. Where they do not come out even, the first are longer by one, as in NumPy; ``even`` says
    that it raises there."""
    i = axis % len(array.axes)
    size = array.shape[i]
    if is_scalar(sections):
        count = int(frozen(sections))
        long = plain(size) % count
        each = frozen(size) // count if long else evenly(size, count) if even else size // count
        if not even and not long and is_measured(size):
            array.recorder.claim(size, each * count)
        bounds = [n * each + min(n, long) for n in range(count)] + [None]
    else:
        bounds = [0, *(int(b.value) if is_traced(b) else b for b in sections), None]
    return [array[(*along(i), slice(start, stop))] for start, stop in pairwise(bounds)]


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
