"""How functions that pick entries by position are read: as index arrays, constant ones where values decide.

Those that few people call are read as the indexing, the writes and the loops that they stand for.
"""

from math import prod
from typing import Any

import numpy as np

from ..core.program import Bracket, Contract, Position, Ref
from ..errors import TraceError
from . import creation, joining, memory
from .conditions import Meeting
from .indexing import concrete_key
from .pointwise import lift, unread
from .recorder import Recorder
from .sizes import frozen, named_axis, plain, rounds
from .writing import plain_value, set_item


def kept(r: Recorder, v: Any, *arguments: Any, **keywords: Any) -> Any:
    """Positions and choices that depend on values: they are kept as they are in this run."""
    message = "positions here depend on values: they are kept as they are in this run"
    if isinstance(v, tuple):
        return tuple(r.kept(part, message).copied(part) for part in v)
    return r.kept(np.asarray(v), message).copied(v)


def taken(r: Recorder, v: Any, a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    """``np.take``."""
    if mode != "raise":
        return unread(r, [a], f"np.take with mode={mode!r} is not read", v)
    array = np.ravel(a) if axis is None else a
    return lift(r, array)[(*joining.along((axis or 0) % np.ndim(concrete_key(array))), indices)]


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
    return joining.taken(array, np.delete(np.arange(np.shape(array.value)[i]), concrete_key(obj)), i)


def inserted(r: Recorder, v: Any, arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """``np.insert`` of one number along one axis."""
    array: Any = lift(r, arr)
    if np.ndim(concrete_key(obj)) or np.ndim(concrete_key(values)) or axis is None:
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


FEW = 64


def place(r: Recorder, _: Any, arr: Any, mask: Any, vals: Any) -> None:
    """``np.place`` of one value."""
    values: Any = np.ravel(lift(r, np.array(vals) if isinstance(vals, list | tuple) else vals))
    if np.size(values.value) != 1:
        raise TraceError("np.place of several values is not read: use np.where")
    set_item(r, arr, np.not_equal(lift(r, mask), 0), values[0])


def extracted(r: Recorder, v: Any, condition: Any, arr: Any) -> Any:
    """``np.extract``: the entries where a condition holds, in C order."""
    holds: Any = np.not_equal(np.ravel(lift(r, condition)), 0)
    return np.ravel(lift(r, arr))[holds]


def compressed(r: Recorder, v: Any, condition: Any, a: Any, axis: Any = None) -> Any:
    """``np.compress``: the entries along an axis where a condition holds; it may be shorter than the axis."""
    is_number = not np.ndim(plain_value(a))  # to NumPy it is a vector of one
    array: Any = lift(r, np.ravel(a) if axis is None or is_number else a)
    i = (axis or 0) % len(array.axes)
    if memory.is_traced(condition):
        short = np.size(condition.value) < np.shape(array.value)[i]
        return unread(r, [a, condition], "np.compress by few is not read", v) if short else array[
            (*joining.along(i), np.not_equal(condition, 0))]  # fmt: skip
    return joining.taken(array, np.flatnonzero(np.asarray(condition)), i)


def resized(r: Recorder, v: Any, a: Any, new_shape: Any) -> Any:
    """``np.resize``: the entries over and over."""
    flat: Any = np.ravel(lift(r, a))
    sizes = [int(plain(n)) for n in np.atleast_1d(np.array(new_shape, dtype=object)).tolist()]
    if not np.size(flat.value) or not prod(sizes):
        return unread(r, [a], "np.resize of nothing is not read", v)
    flat = flat if np.size(flat.value) == prod(sizes) else joining.taken(
        flat, np.resize(np.arange(np.size(flat.value)), prod(sizes)), 0)  # fmt: skip
    return np.reshape(flat, new_shape).copy()


def with_three_axes(r: Recorder, v: Any, *arrays: Any) -> Any:
    """``np.atleast_3d``: a vector gets an axis before and behind, a matrix one behind."""
    keys = {0: (None, None, None), 1: (None, slice(None), None), 2: (slice(None), slice(None), None)}
    made = [lift(r, a) for a in arrays]
    made = [a[keys[len(a.axes)]] if len(a.axes) in keys else a for a in made]
    return tuple(made) if len(made) > 1 else made[0]


def partitioned(r: Recorder, v: Any, a: Any, kth: Any, axis: Any = -1, kind: str = "introselect") -> Any:
    """``np.partition``: entries picked in the order in which they are in this run."""
    array = lift(r, np.ravel(a) if axis is None else a)
    i = -1 if axis is None else axis
    ranks = np.argsort(np.argsort(v, axis=i, kind="stable"), axis=i, kind="stable")
    order = np.take_along_axis(np.argsort(array.value, axis=i, kind="stable"), ranks, axis=i)
    return taken_along_axis(r, v, array, kept(r, order), i)


def along_an_axis(r: Recorder, v: Any, func1d: Any, axis: Any, arr: Any, *rest: Any, **keywords: Any) -> Any:
    """``np.apply_along_axis``: a call for each vector."""
    array = lift(r, arr)
    axis %= len(array.axes)
    moved: Any = np.moveaxis(array, axis, -1)
    shape = tuple(map(rounds, moved.shape[:-1]))
    if np.ndim(v) - len(shape) not in (0, 1) or not np.size(v):
        return unread(r, [arr], "np.apply_along_axis is read where it gives vectors or numbers", v)
    made: Any = np.stack([lift(r, func1d(moved[index], *rest, **keywords)) for index in np.ndindex(shape)])
    made = np.reshape(made, (*moved.shape[:-1], *made.shape[1:]))
    return made if np.ndim(v) == len(shape) else np.moveaxis(made, -1, axis)


def piecewise(r: Recorder, v: Any, x: Any, condlist: Any, funclist: Any, *rest: Any, **keywords: Any) -> Any:
    """``np.piecewise``: what each function makes of the entries where its condition holds, written there."""
    array: Any = lift(r, x)
    listed = condlist if isinstance(condlist, list | tuple) else [condlist]
    conditions = [np.not_equal(lift(r, c), 0) for c in listed]
    if any(np.shape(plain_value(c)) != np.shape(array.value) for c in conditions) or not np.ndim(array.value):
        return unread(r, [x], "np.piecewise is read with an array of conditions for each function", v)
    if len(funclist) == len(conditions) + 1:
        others = np.logical_not(conditions[0])
        for condition in conditions[1:]:
            others = np.logical_and(others, np.logical_not(condition))
        conditions.append(others)
    made: Any = np.zeros_like(array)
    for condition, function in zip(conditions, funclist, strict=True):
        made[condition] = function(array[condition], *rest, **keywords) if callable(function) else function
    return made


def at_places(r: Recorder, ufunc: np.ufunc, array: Any, key: Any, *operands: Any) -> None:
    """``np.multiply.at`` and the like: one write where the places are distinct, else one after another."""
    shape = np.shape(array.value)
    spots = np.arange(prod(shape)).reshape(shape)[concrete_key(key)]
    if len(np.unique(spots)) == np.size(spots):
        set_item(r, array, key, ufunc(array[key], *operands))
        return
    if np.size(spots) > FEW or any(memory.is_traced(part) for part in (key if isinstance(key, tuple) else (key,))):
        raise TraceError(f"np.{ufunc.__name__}.at is read where no place is named twice, or few places by numbers")
    spread = [np.broadcast_to(lift(r, operand), np.shape(spots)) for operand in operands]
    for index in np.ndindex(np.shape(spots)):
        where = tuple(map(int, np.unravel_index(int(spots[index]), shape)))
        set_item(r, array, where, ufunc(array[where], *(operand[index] for operand in spread)))
