"""Which rule reads which NumPy function. A rule gets what NumPy answered in this run, and the call's arguments.

A rule's parameters have NumPy's names and order, so that a keyword that no rule reads is refused, not lost.
"""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import TraceError
from . import calculus, contractions, creation, joining, layout, matrices, memory, picking, statistics, writing
from .contractions import masked
from .pointwise import apply_map, cast, is_scalar, lift, unread
from .recorder import Recorder
from .sizes import deeper, in_numbers, plain

Rule = Callable[..., Any]
FEW = 16
OMITTED: Any = np._NoValue  # NumPy passes it for a keyword that was not given


def unwrap(value: Any, level: int = 0) -> Any:
    """The plain arrays and numbers of an argument; a ValueError where it is nested deeper than NumPy takes it."""
    if memory.is_traced(value):
        return value.value
    if isinstance(value, tuple | list):
        made = [unwrap(item, deeper(level)) for item in value]
        return tuple(made) if isinstance(value, tuple) else made
    if isinstance(value, dict):
        return {key: unwrap(item, deeper(level)) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        memory.require_plain(type(value))
    return plain(value)


# Reductions


def _sum(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True,
         initial: Any = 0) -> Any:  # fmt: skip
    a = masked(lift(r, a), where, 0)
    a = a if dtype is None else cast(r, a, dtype)
    if is_scalar(initial) and initial == 0:
        return contractions.total(r, a, axis, keepdims, v)
    return contractions.total(r, a, axis, keepdims, np.asarray(v) - unwrap(initial)) + initial


def _mean(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False,
          where: Any = True) -> Any:  # fmt: skip
    if where is True:
        return contractions.mean(r, a, axis, keepdims, v)
    mask = np.broadcast_to(where, np.shape(unwrap(a)))
    sums = {"axis": axis, "keepdims": keepdims}
    return np.sum(masked(a, where, 0), **sums) / np.sum(lift(r, mask), **sums)


def _extremum(kind: str) -> Rule:
    bound = np.maximum if kind == "max" else np.minimum

    def rule(r: Recorder, v: Any, a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = OMITTED,
             where: Any = True) -> Any:  # fmt: skip
        a = masked(a, where, initial)
        plain_a = np.asarray(unwrap(a))
        if initial is OMITTED:
            return contractions.extremum(r, a, kind, axis, keepdims, v)
        if not plain_a.size:
            return creation.filled(r, np.shape(v), initial, v)
        inner = getattr(plain_a, kind)(axis=axis, keepdims=keepdims)
        return bound(contractions.extremum(r, a, kind, axis, keepdims, inner), initial)

    return rule


def _trace(r: Recorder, v: Any, a: Any, offset: int = 0) -> Any:
    if offset or len(set(np.shape(unwrap(a))[:2])) > 1:
        return np.sum(np.diagonal(a, offset), axis=-1)
    return layout.trace_of(r, a, v)


def _diag(r: Recorder, v: Any, v_: Any, k: int = 0) -> Any:
    if np.ndim(unwrap(v_)) == 1 and k == 0:
        return creation.diagonal_matrix(r, v_, v)
    if np.ndim(unwrap(v_)) == 2:
        return layout.diagonal(r, v, v_, k)
    return matrices.beside_the_diagonal(r, v, v_, k)


# Pointwise functions


def _where(r: Recorder, v: Any, condition: Any, *choices: Any) -> Any:
    return apply_map(r, "where", [condition, *choices], v) if choices else picking.kept(r, v)


def _clip(r: Recorder, v: Any, a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None,
          max: Any = None) -> Any:  # fmt: skip
    low, high = (n if n is not OMITTED else None for n in (a_min, a_max))
    low, high = (min if low is None else low), (max if high is None else high)
    result = a if low is None or low is OMITTED else np.maximum(a, low)
    return result if high is None or high is OMITTED else np.minimum(result, high)


def _isin(r: Recorder, v: Any, element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
          kind: Any = None) -> Any:  # fmt: skip
    """One comparison for each of a few plain numbers."""
    numbers = np.ravel(unwrap(test_elements))
    if memory.is_traced(test_elements) or not 0 < len(numbers) <= FEW:
        return picking.kept(r, v)
    equal = [np.equal(element, number) for number in numbers.tolist()]
    found = functools.reduce(np.logical_or, equal)
    return np.logical_not(found) if invert else found


def _round(r: Recorder, v: Any, a: Any, decimals: Any = 0) -> Any:
    return np.rint(a) if not decimals else np.rint(a * 10.0**decimals) / 10.0**decimals


def _select(r: Recorder, v: Any, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


def _nan_to_num(r: Recorder, v: Any, x: Any, copy: bool = True, nan: Any = 0.0) -> Any:
    values = np.asarray(unwrap(x))
    if not copy:
        raise TraceError("np.nan_to_num(x, copy=False) is not read: write x[…] = np.nan_to_num(x)")
    if np.isinf(values).any():
        return unread(r, [x], "np.nan_to_num of infinite numbers is not read", v)
    return np.where(np.isnan(x), nan, x)


def _real(r: Recorder, v: Any, val: Any) -> Any:
    return apply_map(r, "real", [val], v) if np.iscomplexobj(unwrap(val)) else val


def _imag(r: Recorder, v: Any, val: Any) -> Any:
    if np.iscomplexobj(unwrap(val)):
        return apply_map(r, "imag", [val], v)
    return creation.filled_like(r, val, None, 0, v)


# Layout


def _reshape(r: Recorder, v: Any, a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None,
             copy: Any = None) -> Any:  # fmt: skip
    shape = newshape if shape is None else shape
    array = lift(r, a)
    flags = np.asarray(array.value).flags
    if order == "F" or (order == "A" and flags.f_contiguous and not flags.c_contiguous):
        flipped = tuple(shape)[::-1] if isinstance(shape, tuple | list) else shape
        return np.transpose(np.reshape(np.transpose(array), flipped))
    return layout.reshaped(r, array, shape, v)


def _ravel(r: Recorder, v: Any, a: Any, order: str = "C") -> Any:
    if order == "K":
        strides = np.asarray(unwrap(a)).strides
        outermost_first = sorted(range(len(strides)), key=lambda i: -abs(strides[i]))
        a, order = np.transpose(a, outermost_first), "C"
    return _reshape(r, v, a, (-1,), order)


def _rot90(r: Recorder, v: Any, m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    first, second = (int(i) % np.ndim(unwrap(m)) for i in axes)
    for _ in range(k % 4):
        m = np.flip(np.swapaxes(m, first, second), axis=first)
    return m


def _rollaxis(r: Recorder, v: Any, a: Any, axis: int, start: int = 0) -> Any:
    rank = np.ndim(unwrap(a))
    axis, start = axis % rank, start + rank if start < 0 else start
    return layout.moved(lift(r, a), axis, start - (start > axis), v)


def _at_least(rank: int) -> Rule:
    def rule(r: Recorder, v: Any, *arrays: Any) -> Any:
        made = []
        for a, value in zip(map(partial(lift, r), arrays), v if len(arrays) > 1 else [v], strict=True):
            made.append(a.like([()] * max(0, rank - len(a.axes)) + list(a.axes), value))
        return tuple(made) if len(made) > 1 else made[0]

    return rule


# Joining


def _hstack(r: Recorder, v: Any, tup: Any) -> Any:
    flat = np.ndim(unwrap(tup[0])) <= 1
    return joining.concatenated(r, [np.atleast_1d(a) for a in tup], 0 if flat else 1, v)


def _dstack(r: Recorder, v: Any, tup: Any) -> Any:
    arrays = [a if np.ndim(unwrap(a)) > 2 else np.atleast_2d(a)[:, :, None] if np.ndim(unwrap(a)) > 1
              else np.atleast_1d(a)[None, :, None] for a in (lift(r, a) for a in tup)]  # fmt: skip
    return joining.concatenated(r, arrays, 2, v)


def _column_stack(r: Recorder, v: Any, tup: Any) -> Any:
    arrays = [lift(r, np.atleast_1d(a)) for a in tup]
    columns = [a[:, None] if len(a.axes) == 1 else a for a in arrays]
    return joining.concatenated(r, columns, 1, v)


def _split(r: Recorder, v: Any, ary: Any, indices_or_sections: Any, axis: int = 0, *, even: bool = True) -> Any:
    return joining.parts_of(lift(r, ary), indices_or_sections, axis, even)


def _like(number: Any) -> Rule:
    def rule(r: Recorder, v: Any, a: Any, dtype: Any = None, order: str = "K", subok: bool = True,
             shape: Any = None) -> Any:  # fmt: skip
        return creation.filled_like(r, a, shape, number, v)

    return rule


ABOUT_SHAPES = frozenset({np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.can_cast,
                          np.may_share_memory, np.shares_memory, np.common_type, np.min_scalar_type})  # fmt: skip
"""Functions whose answer does not depend on values: it is taken as it is."""

ABOUT_VALUES = frozenset({np.array_equal, np.array_equiv, np.allclose, np.array2string, np.array_repr, np.array_str})
"""Functions that people test and print with: their answer is taken as it is, and noted."""

RULES: dict[Any, Rule] = {
    np.sum: _sum, np.mean: _mean, np.prod: contractions.multiplied,
    np.ptp: lambda r, v, a, axis=None, *, keepdims=False: (
        np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)),
    np.var: contractions.variance, np.std: contractions.deviation, np.cumsum: contractions.running_sum,
    np.max: _extremum("max"), np.min: _extremum("min"), np.amax: _extremum("max"), np.amin: _extremum("min"),
    np.argmax: partial(contractions.position, "max"), np.argmin: partial(contractions.position, "min"),
    np.all: partial(contractions.holds, True), np.any: partial(contractions.holds, False),
    np.average: contractions.average, np.linalg.norm: contractions.norm,
    np.count_nonzero: lambda r, v, a, axis=None, *, keepdims=False: (
        np.sum(np.not_equal(a, 0), axis=axis, keepdims=keepdims)),
    np.trace: in_numbers(_trace),
    np.diagonal: in_numbers(layout.diagonal), np.diag: in_numbers(_diag),
    np.diagflat: in_numbers(lambda r, v, v_, k=0: _diag(r, v, np.ravel(v_), k)),
    np.dot: lambda r, v, a, b: contractions.dot(r, a, b, v),
    np.inner: lambda r, v, a, b: contractions.dot(r, a, b, v, 1),
    np.outer: lambda r, v, a, b: contractions.outer(r, a, b, v),
    np.linalg.outer: lambda r, v, x1, x2: contractions.outer(r, x1, x2, v),
    np.linalg.multi_dot: lambda r, v, arrays: contractions.in_turn(r, arrays, v),
    np.vdot: lambda r, v, a, b: contractions.vdot(r, a, b, v),
    np.kron: lambda r, v, a, b: contractions.kron(r, a, b, v),
    np.tensordot: lambda r, v, a, b, axes=2: contractions.tensordot(r, a, b, axes, v),
    np.einsum: lambda r, v, *operands, optimize=False: contractions.einsum(r, operands, v),
    np.convolve: lambda r, v, a, v_, mode="full": contractions.convolved(r, a, v_, mode, False, v),
    np.correlate: lambda r, v, a, v_, mode="valid": contractions.convolved(r, a, v_, mode, True, v),
    sliding_window_view: lambda r, v, x, window_shape, axis=None: joining.sliding(r, x, window_shape, axis, v),
    np.where: _where, np.isin: _isin, np.clip: _clip, np.round: _round, np.around: _round, np.select: _select,
    np.nan_to_num: _nan_to_num, np.real: _real, np.imag: _imag, np.fix: lambda r, v, x: np.trunc(x),
    np.copy: lambda r, v, a, order="K", subok=False: lift(r, a).copied(v),
    np.reshape: _reshape, np.ravel: _ravel, np.rot90: in_numbers(_rot90),
    np.transpose: lambda r, v, a, axes=None: layout.transposed(lift(r, a), axes, v),
    np.matrix_transpose: lambda r, v, x: layout.swapped(lift(r, x), -1, -2, v),
    np.swapaxes: lambda r, v, a, axis1, axis2: layout.swapped(lift(r, a), axis1, axis2, v),
    np.moveaxis: lambda r, v, a, source, destination: layout.moved(lift(r, a), source, destination, v),
    np.rollaxis: _rollaxis,
    np.expand_dims: lambda r, v, a, axis: layout.unit_axes(lift(r, a), axis, v),
    np.squeeze: lambda r, v, a, axis=None: layout.squeezed(r, lift(r, a), axis, v),
    np.broadcast_to: lambda r, v, array, shape, subok=False: layout.stretched(r, array, shape, v),
    np.meshgrid: layout.meshed, np.broadcast_arrays: layout.stretched_together,
    np.atleast_1d: _at_least(1), np.atleast_2d: _at_least(2),
    np.concatenate: lambda r, v, arrays, axis=0: joining.concatenated(r, arrays, axis, v),
    np.append: lambda r, v, arr, values, axis=None: joining.concatenated(r, [arr, values], axis, v),
    np.stack: lambda r, v, arrays, axis=0: joining.stacked(r, arrays, axis, v),
    np.vstack: lambda r, v, tup: joining.concatenated(r, [np.atleast_2d(a) for a in tup], 0, v),
    np.hstack: _hstack, np.dstack: _dstack, np.column_stack: _column_stack,
    np.split: _split, np.array_split: partial(_split, even=False),
    np.hsplit: lambda r, v, ary, indices_or_sections: (
        joining.parts_of(lift(r, ary), indices_or_sections, 1 if np.ndim(unwrap(ary)) > 1 else 0)),
    np.vsplit: lambda r, v, ary, indices_or_sections: joining.parts_of(lift(r, ary), indices_or_sections, 0),
    np.dsplit: lambda r, v, ary, indices_or_sections: joining.parts_of(lift(r, ary), indices_or_sections, 2),
    np.pad: in_numbers(lambda r, v, array, pad_width, mode="constant", *, constant_values=0: (
        joining.padded(r, array, unwrap(pad_width), mode, constant_values, v))),
    np.flip: lambda r, v, m, axis=None: joining.flipped(lift(r, m), axis),
    np.fliplr: lambda r, v, m: joining.flipped(lift(r, m), 1),
    np.flipud: lambda r, v, m: joining.flipped(lift(r, m), 0),
    np.roll: lambda r, v, a, shift, axis=None: joining.rolled(r, a, shift, axis, v),
    np.repeat: in_numbers(lambda r, v, a, repeats, axis=None: joining.repeated(r, a, unwrap(repeats), axis, v)),
    np.tile: lambda r, v, A, reps: joining.tiled(r, A, reps, v),
    np.tril: in_numbers(lambda r, v, m, k=0: creation.triangle(r, m, k, True, v)),
    np.triu: in_numbers(lambda r, v, m, k=0: creation.triangle(r, m, k, False, v)),
    np.insert: picking.inserted, np.delete: in_numbers(picking.deleted), np.sort: picking.in_order,
    np.take: picking.taken, np.take_along_axis: picking.taken_along_axis, np.bincount: picking.counts,
    np.unravel_index: picking.unravelled, np.ravel_multi_index: picking.raveled, np.choose: picking.chosen,
    np.ix_: picking.open_mesh,
    np.argwhere: picking.kept, np.nonzero: picking.kept, np.flatnonzero: picking.kept, np.argsort: picking.kept,
    np.argpartition: picking.kept, np.searchsorted: picking.kept, np.unique: picking.kept,
    np.lexsort: picking.kept, np.digitize: picking.kept, np.isclose: picking.kept,
    np.zeros_like: _like(0), np.empty_like: _like(0), np.ones_like: _like(1),
    np.full_like: lambda r, v, a, fill_value, dtype=None, order="K", subok=True, shape=None: (
        creation.filled_like(r, a, shape, fill_value, v)),
    np.put_along_axis: writing.put_along_axis, np.copyto: writing.copy_to, np.putmask: writing.put_mask,
    np.fill_diagonal: writing.fill_diagonal, np.put: writing.put, np.place: picking.place,
    np.extract: picking.extracted, np.compress: picking.compressed, np.resize: picking.resized,
    np.atleast_3d: picking.with_three_axes, np.partition: picking.partitioned, np.piecewise: picking.piecewise,
    np.apply_along_axis: picking.along_an_axis,
    **calculus.RULES, **statistics.RULES, **matrices.RULES,
}  # fmt: skip

WRITES = frozenset({np.put_along_axis, np.copyto, np.putmask, np.fill_diagonal, np.put, np.place})
"""Functions that write into their first argument: the rule itself does that, on the traced array and the plain one."""

REDUCTIONS: dict[np.ufunc, Rule] = {
    np.add: _sum, np.maximum: _extremum("max"), np.minimum: _extremum("min"), np.multiply: contractions.multiplied,
    np.logical_and: partial(contractions.holds, True), np.logical_or: partial(contractions.holds, False),
    np.logaddexp: contractions.log_sum_exp,
}  # fmt: skip


