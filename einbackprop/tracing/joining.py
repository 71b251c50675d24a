"""How concatenation, padding, flips and repeats are read: each part goes to its place, ``[p = s + offset]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dimensions import Axis
from ..program import ONE, Bracket, Contract, Factor, Position, Ref, Sum
from .pointwise import is_scalar, lift
from .recorder import Indexed, Recorder


def concatenated(recorder: Recorder, arrays: Sequence[Any], axis: Any, value: Any) -> Any:
    """``np.concatenate``: the sum of the parts, each at its offset. The slices that give a part back have its letter."""
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    read = [recorder.read(lift(recorder, a)) for a in arrays]
    i = int(axis) % len(read[0].axes)
    for x in read:
        own_letter(recorder, x, i)
        for j in range(len(x.axes)):
            if j != i:
                recorder.join(read[0], j, x, j)
    parts = [recorder.dimensions.axis(x.axes[i]) for x in read]
    whole = recorder.dimensions.derived(("concatenate",), parts, sum(part.size for part in parts))
    offsets = np.cumsum([0] + [part.size for part in parts]).tolist()
    for part, offset in zip(parts, offsets, strict=False):
        recorder.dimensions.unify(recorder.dimensions.derived(("slice", offset, 1, part.size), [whole], part.size), part)
    return placed(recorder, read, i, whole, [Position.of(x.axes[i], constant=o) for x, o in zip(read, offsets, strict=False)],
                  value)  # fmt: skip


def stacked(recorder: Recorder, arrays: Sequence[Any], axis: Any, value: Any) -> Any:
    """``np.stack``: each part at its own position along a new axis."""
    read = [recorder.read(lift(recorder, a)) for a in arrays]
    for x in read:
        for j in range(len(x.axes)):
            recorder.join(read[0], j, x, j)
    i = int(axis) % (len(read[0].axes) + 1)
    for x in read:
        x.axes.insert(i, "")
    whole = recorder.dimensions.new(len(read))
    return placed(recorder, read, i, whole, [Position((), n) for n in range(len(read))], value)


def own_letter(recorder: Recorder, x: Indexed, i: int) -> None:
    """Give axis i exactly one letter."""
    if not x.axes[i]:
        x.axes[i] = recorder.dimensions.letter(recorder.dimensions.new(1))
    recorder.flatten(x, i)


def placed(
    recorder: Recorder, read: Sequence[Indexed], i: int, whole: Axis, positions: Sequence[Position], value: Any
) -> Any:
    """The sum of parts, each written where its position along axis i of the result says."""
    axes = list(read[0].axes)
    axes[i] = recorder.dimensions.letter(whole)
    refs = []
    for x, position in zip(read, positions, strict=True):
        bracket = Bracket(Position.of(axes[i]), "=", position)
        own = x.ref
        name = recorder.emit(
            "".join(axes), lambda out, source, own=own, b=bracket: Contract(out, (own,), (b,), source=source), None
        )
        refs.append(Ref(name, "".join(axes)))
    terms = tuple((ONE, ref) for ref in refs)
    return recorder.define(axes, lambda out, source: Sum(out, terms, source), value)


def padded(recorder: Recorder, a: Any, widths: Any, value: Any) -> Any:
    """``np.pad`` with zeros: ``[p = s + before]`` along each padded axis."""
    x = recorder.read(lift(recorder, a))
    pairs = np.broadcast_to(np.asarray(widths), (len(x.axes), 2)).tolist()
    axes, brackets = list(x.axes), []
    for i, (before, after) in enumerate(pairs):
        if before or after:
            own_letter(recorder, x, i)
            inner = recorder.dimensions.axis(x.axes[i])
            way = ("pad", before, after)
            whole = recorder.dimensions.derived(way, [inner], inner.size + before + after)
            recorder.dimensions.unify(
                recorder.dimensions.derived(("slice", before, 1, inner.size), [whole], inner.size), inner
            )
            axes[i] = recorder.dimensions.letter(whole)
            brackets.append(Bracket(Position.of(axes[i]), "=", Position.of(x.axes[i], constant=before)))
        else:
            axes[i] = x.axes[i]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), tuple(brackets), source=source), value)


def flipped(array: Any, axis: Any) -> Any:
    """``np.flip``: a slice with step -1."""
    rank = len(array.axes)
    over = range(rank) if axis is None else [int(i) % rank for i in np.atleast_1d(axis)]
    return array[tuple(slice(None, None, -1) if i in over else slice(None) for i in range(rank))]


def repeated(recorder: Recorder, a: Any, repeats: Any, axis: Any, value: Any) -> Any:
    """``np.repeat`` by one number: ``[p = r·s + e]`` for every e."""
    a = lift(recorder, a)
    if not is_scalar(repeats) or (axis is None and len(a.axes) != 1):
        return recorder.opaque([a], "np.repeat with several counts is not read", value)
    x = recorder.read(a)
    i = 0 if axis is None else int(axis) % len(x.axes)
    own_letter(recorder, x, i)
    return expanded(recorder, x, i, int(repeats), False, value)


def expanded(recorder: Recorder, x: Indexed, i: int, times: int, tiled: bool, value: Any) -> Any:
    """Axis i with each entry ``times`` over: ``[p = times·s + e]``, or ``[p = size·e + s]`` where it is tiled."""
    inner = recorder.dimensions.axis(x.axes[i])
    whole = recorder.dimensions.letter(
        recorder.dimensions.derived(("tile" if tiled else "repeat", times), [inner], inner.size * times)
    )
    e = recorder.dimensions.letter(recorder.dimensions.derived(("times", times), [inner], times))
    slow, fast = (e, x.axes[i]) if tiled else (x.axes[i], e)
    count = Factor.of(inner.size if tiled else times)
    bracket = Bracket(Position.of(whole), "=", Position(((count, slow), (ONE, fast))))
    axes = [*x.axes[:i], whole, *x.axes[i + 1 :]]
    return recorder.define(axes, lambda out, source: Contract(out, (x.ref,), (bracket,), source=source), value)


def tiled(recorder: Recorder, a: Any, times: Any, value: Any) -> Any:
    """``np.tile``: axis by axis; a unit axis becomes a new dimension."""
    array = lift(recorder, a)
    counts = [int(n) for n in np.atleast_1d(np.asarray(times))]
    result = array.like([()] * max(0, len(counts) - len(array.axes)) + list(array.axes), array.value)
    result.value = np.reshape(array.value, (1,) * (len(result.axes) - len(array.axes)) + np.shape(array.value))
    counts = [1] * (len(result.axes) - len(counts)) + counts
    for i, n in enumerate(counts):
        if n != 1:
            here = np.concatenate([result.value] * n, axis=i)
            x = recorder.read(result)
            if not x.axes[i]:
                axes = [*x.axes[:i], recorder.dimensions.letter(recorder.dimensions.new(n)), *x.axes[i + 1 :]]
                own = x.ref
                result = recorder.define(
                    axes, lambda out, source, own=own: Contract(out, (own,), source=source), here
                )
            else:
                own_letter(recorder, x, i)
                result = expanded(recorder, x, i, n, True, here)
    result.value = value
    return result


def parts_of(array: Any, sections: Any, axis: int) -> list[Any]:
    """``np.split``: slices."""
    size = np.shape(array.value)[axis]
    if is_scalar(sections):
        bounds = [size * n // int(sections) for n in range(int(sections) + 1)]
    else:
        bounds = [0, *(int(b) for b in sections), size]
    lead = (slice(None),) * (axis % len(array.axes))
    return [array[(*lead, slice(start, stop))] for start, stop in zip(bounds, bounds[1:], strict=False)]
