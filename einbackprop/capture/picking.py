"""How functions that pick entries by position are read: as index arrays, constant ones where values decide."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.program import Bracket, Contract, Position, Ref
from . import creation, joining, memory
from .conditions import Meeting
from .pointwise import lift, unread
from .recorder import Recorder
from .sizes import frozen, named_axis, plain


def kept(r: Recorder, v: Any, *arguments: Any, **keywords: Any) -> Any:
    """Positions and choices that depend on values: they are kept as they are in this run."""
    message = "positions here depend on values: they are kept as they are in this run"
    if isinstance(v, tuple):
        return tuple(r.kept(part, message).copied(part) for part in v)
    return r.kept(np.asarray(v), message).copied(v)


def plain_indices(indices: Any) -> Any:
    """Index arrays without a trace."""
    if isinstance(indices, list | tuple):
        return [plain_indices(i) for i in indices]
    return indices.value if memory.is_traced(indices) else plain(indices)


def taken(r: Recorder, v: Any, a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    """``np.take``."""
    if mode != "raise":
        return unread(r, [a], f"np.take with mode={mode!r} is not read", v)
    array = np.ravel(a) if axis is None else a
    return lift(r, array)[(*joining.along((axis or 0) % np.ndim(plain_indices(array))), indices)]


def grid_along(r: Recorder, shape: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The key of ``take_along_axis``: positions 0, 1, 2, … along every axis but one."""
    rank = len(shape)

    def counted(i: int) -> Any:
        along: Any = r.constant(np.arange(shape[i]))
        r.sized.setdefault(along.buffer.name, Meeting("frozen", r.source(), f"a size is {shape[i]}"))
        return along[tuple(slice(None) if i == j else None for j in range(rank))]

    return tuple(lift(r, indices) if i == axis else counted(i) for i in range(rank))


def taken_along_axis(r: Recorder, v: Any, arr: Any, indices: Any, axis: Any = -1) -> Any:
    """``np.take_along_axis``."""
    if axis is None:
        return lift(r, np.ravel(arr))[(indices,)]
    array = lift(r, arr)
    return array[grid_along(r, np.shape(array.value), indices, axis % len(array.axes))]


def in_order(r: Recorder, v: Any, a: Any, axis: Any = -1, kind: Any = None) -> Any:
    """``np.sort``: entries picked in the order that they have in this run."""
    array = lift(r, np.ravel(a) if axis is None else a)
    order = np.argsort(array.value, axis=-1 if axis is None else axis, kind="stable")
    return taken_along_axis(r, v, array, kept(r, order), -1 if axis is None else axis)


def deleted(r: Recorder, v: Any, arr: Any, obj: Any, axis: Any = None) -> Any:
    """``np.delete``: the other entries."""
    array = lift(r, np.ravel(arr) if axis is None else arr)
    i = (axis or 0) % len(array.axes)
    return joining.taken(array, np.delete(np.arange(np.shape(array.value)[i]), plain_indices(obj)), i)


def inserted(r: Recorder, v: Any, arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """``np.insert`` of one number along one axis."""
    array: Any = lift(r, arr)
    if np.ndim(plain_indices(obj)) or np.ndim(plain_indices(values)) or axis is None:
        return unread(r, [array], "np.insert of more than one number along one axis is not read", v)
    i = axis % len(array.axes)
    place, lead = int(frozen(obj)) % (np.shape(array.value)[i] + 1), joining.along(i)
    one = v[(*lead, slice(place, place + 1))]
    shape = None if np.shape(array.value)[i] else one.shape  # no entry is there whose dimensions it could have
    filler = creation.filled_like(r, array[(*lead, slice(0, 1))], shape, values, one)
    before, after = array[(*lead, slice(None, place))], array[(*lead, slice(place, None))]
    return joining.concatenated(r, [before, filler, after], i, v)


def counts(r: Recorder, v: Any, x: Any, weights: Any = None, minlength: Any = 0) -> Any:
    """``np.bincount``: ``Σ_b w[b] [n = x[b]]``."""
    index = r.read(lift(r, x))
    r.own_letter(index, 0)
    refs: tuple[Ref, ...] = ()
    if weights is not None:
        w = r.read(lift(r, weights))
        r.join(index, 0, w, 0)
        refs = (w.ref,)
    axis = named_axis(minlength)
    n = r.dimensions.letter(axis if axis is not None and axis.size == len(v) else r.dimensions.new(len(v)))
    bracket = Bracket(Position.of(n), "=", Position((), 0, index.ref))
    return r.define([n], lambda out, source: Contract(out, refs, (bracket,), source=source), v)


def unravelled(r: Recorder, v: Any, indices: Any, shape: Any) -> Any:
    """``np.unravel_index``: quotients and remainders."""
    parts: list[Any] = []
    rest = lift(r, indices)
    sizes = list(shape) if isinstance(shape, tuple | list) else [shape]
    for n in reversed(sizes[1:]):
        parts.insert(0, np.remainder(rest, n))
        rest = np.floor_divide(rest, n)
    return (rest, *parts)


def raveled(r: Recorder, v: Any, multi_index: Any, dims: Any) -> Any:
    """``np.ravel_multi_index``."""
    total: Any = 0
    for index, n in zip(multi_index, dims, strict=True):
        total = total * n + index
    return total


def chosen(r: Recorder, v: Any, a: Any, choices: Any, mode: str = "raise") -> Any:
    """``np.choose``: one choice where the index is 0, another where it is 1, …"""
    if mode != "raise":
        return unread(r, [a], f"np.choose with mode={mode!r} is not read", v)
    result = choices[0]
    for n in range(1, len(choices)):
        result = np.where(np.equal(a, n), choices[n], result)
    return lift(r, result)


def open_mesh(r: Recorder, v: Any, *args: Any) -> Any:
    """``np.ix_``: each index array along an axis of its own."""
    rank = len(args)
    made = []
    for i, index in enumerate(args):
        array: Any = lift(r, index)
        if array.dtype == bool:
            return kept(r, v)
        made.append(array[tuple(slice(None) if j == i else None for j in range(rank))])
    return tuple(made)
