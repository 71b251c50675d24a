"""Which rule reads which NumPy function. A rule gets the call's arguments and what NumPy answered in this run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import TraceError
from ..program import ONE
from . import contractions, creation, joining, layout, reductions
from .indexing import add_at, assign
from .pointwise import apply_map, lift, pointwise, same_value, scaled
from .recorder import Recorder, View
from .sizes import plain


def unwrap(value: Any) -> Any:
    """The plain arrays and numbers of an argument."""
    if issubclass(type(value), View):
        return value.value
    if isinstance(value, tuple):
        return tuple(map(unwrap, value))
    if isinstance(value, list):
        return list(map(unwrap, value))
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    return plain(value)


def apply_ufunc(
    recorder: Recorder, ufunc: np.ufunc, method: str, inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """A ufunc, or a method of one, on traced arrays."""
    out = keywords.get("out")
    if method == "at":
        if ufunc is np.add:
            return add_at(recorder, inputs[0], inputs[1], inputs[2])
        if ufunc is np.subtract:
            return add_at(recorder, inputs[0], inputs[1], np.negative(inputs[2]))
        raise TraceError(f"np.{ufunc.__name__}.at is not read: np.add.at and np.subtract.at are")
    if keywords.get("where", True) is not True:
        raise TraceError(f"np.{ufunc.__name__}(…, where=…) is not read: use np.where")
    value = getattr(ufunc, method)(*map(unwrap, inputs), **_computing(keywords))
    if method == "reduce" and ufunc in REDUCTIONS:
        result = REDUCTIONS[ufunc](recorder, inputs[0], keywords.get("axis", 0), keywords.get("keepdims", False), value)
    elif method == "outer" and ufunc is np.multiply:
        result = np.multiply(_spread(inputs[0], np.ndim(unwrap(inputs[1]))), inputs[1])
    elif method != "__call__":
        traced = [i for i in inputs if issubclass(type(i), View)]
        result = recorder.opaque(traced, f"np.{ufunc.__name__}.{method} is not read", value)
    elif ufunc is np.matmul:
        result = contractions.matmul(recorder, inputs[0], inputs[1], value)
    else:
        result = pointwise(recorder, ufunc, inputs, value)
    return result if out is None else write_out(recorder, out[0], result, value)


def _computing(keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {key: unwrap(value) for key, value in keywords.items() if key not in ("out", "where")}


def _spread(array: Any, rank: int) -> Any:
    return array[(..., *(None,) * rank)]


def write_out(recorder: Recorder, out: Any, result: Any, value: Any) -> Any:
    """``out=``: the result goes into an array that is there already."""
    if not issubclass(type(out), View):
        raise TraceError("the trace is lost here: a result is written into a plain array. Make it by np.zeros or np.empty")
    if np.ndim(out.value) or isinstance(out.value, np.ndarray):
        out.value[...] = value
    else:
        out.value = value
    assign(recorder, out, result)
    return out


def apply_function(recorder: Recorder, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """A NumPy function on traced arrays."""
    given = dict(keywords)
    out = given.pop("out", None)
    value = function(*map(unwrap, arguments), **{key: unwrap(item) for key, item in given.items()})
    rule = RULES.get(function)
    if rule is None:
        traced = [a for a in (*arguments, *given.values()) if issubclass(type(a), View)]
        if isinstance(value, bool | int | float | str | np.bool_ | tuple | None):
            return value
        return recorder.opaque(traced, f"np.{function.__name__} is not read", value)
    result = rule(recorder, value, *arguments, **given)
    return result if out is None else write_out(recorder, out, result, value)


def cast(recorder: Recorder, array: Any, dtype: Any) -> Any:
    """``astype``: the same values in memory of their own, whole numbers if the dtype is whole."""
    kind = np.dtype(dtype).kind
    value = np.asarray(array.value).astype(dtype)
    if kind in "iu" and array.dtype.kind == "f":
        return apply_map(recorder, "trunc", [array], value)
    if kind == "b" and array.dtype.kind != "b":
        return apply_map(recorder, "not_equal", [array, 0], value)
    return scaled(recorder, array, ONE, value)


# One entry a function: (recorder, what NumPy answered, the call's arguments …) -> traced array.
# The names and order of the parameters are NumPy's.

REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: reductions.total,
    np.maximum: lambda r, a, axis, keep, v: reductions.extremum(r, a, "max", axis, keep, v),
    np.minimum: lambda r, a, axis, keep, v: reductions.extremum(r, a, "min", axis, keep, v),
}


def _sum(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.total(r, a, axis, keepdims, v)


def _mean(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.mean(r, a, axis, keepdims, v)


def _var(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    return reductions.variance(r, a, axis, keepdims, ddof, v)


def _std(r: Recorder, v: Any, a: Any, axis: Any = None, dtype: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    return reductions.deviation(r, a, axis, keepdims, ddof, v)


def _max(r: Recorder, v: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.extremum(r, a, "max", axis, keepdims, v)


def _min(r: Recorder, v: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.extremum(r, a, "min", axis, keepdims, v)


def _argmax(r: Recorder, v: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.position(r, a, "max", axis, keepdims, v)


def _argmin(r: Recorder, v: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.position(r, a, "min", axis, keepdims, v)


def _where(r: Recorder, v: Any, condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        return _kept(r, v)
    return apply_map(r, "where", [condition, *choices], v)


def _clip(r: Recorder, v: Any, a: Any, a_min: Any = None, a_max: Any = None, **limits: Any) -> Any:
    low, high = limits.get("min", a_min), limits.get("max", a_max)
    result = a if low is None else np.maximum(a, low)
    return result if high is None else np.minimum(result, high)


def _copy(r: Recorder, v: Any, a: Any, order: str = "K", subok: bool = False) -> Any:
    return same_value(r, lift(r, a), v)


def _reshape(r: Recorder, v: Any, a: Any, shape: Any = None, **keywords: Any) -> Any:
    if keywords.get("order", "C") != "C":
        return r.opaque([lift(r, a)], "a reshape in Fortran order is not read", v)
    return layout.reshaped(r, lift(r, a), keywords.get("newshape", shape), v)


def _repeat(r: Recorder, v: Any, a: Any, repeats: Any, axis: Any = None) -> Any:
    return joining.repeated(r, a, repeats, axis, v)


def _split(r: Recorder, v: Any, a: Any, sections: Any, axis: int = 0) -> Any:
    return joining.parts_of(lift(r, a), sections, axis)


def _pad(r: Recorder, v: Any, a: Any, widths: Any, mode: str = "constant", **keywords: Any) -> Any:
    if mode != "constant" or np.any(keywords.get("constant_values", 0)):
        return r.opaque([lift(r, a)], "np.pad with anything but zeros is not read", v)
    return joining.padded(r, a, widths, v)


def _diag(r: Recorder, v: Any, a: Any, k: int = 0) -> Any:
    if k == 0 and np.ndim(unwrap(a)) == 1:
        return creation.diagonal_matrix(r, a, v)
    return reductions.diagonal(r, a, k, v)


def _norm(r: Recorder, v: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return reductions.norm(r, x, ord, axis, keepdims, v)


def _trace(r: Recorder, v: Any, a: Any, offset: int = 0) -> Any:
    return r.opaque([lift(r, a)], "a trace off the diagonal is not read", v) if offset else reductions.trace_of(r, a, v)


def _insert(r: Recorder, v: Any, a: Any, at: Any, values: Any, axis: Any = None) -> Any:
    array = lift(r, a)
    if np.ndim(unwrap(at)) or np.ndim(unwrap(values)) or axis is None:
        return r.opaque([array], "np.insert of more than one number along one axis is not read", v)
    i, place = axis % len(array.axes), int(at)
    lead = (slice(None),) * i
    filler = creation.filled_like(r, array[(*lead, slice(0, 1))], None, values, v[(*lead, slice(place, place + 1))])
    return joining.concatenated(r, [array[(*lead, slice(None, place))], filler, array[(*lead, slice(place, None))]], i, v)


def _kept(r: Recorder, v: Any, *arguments: Any, **keywords: Any) -> Any:
    """Positions and choices that depend on the values: they are kept as they are in this run."""
    r.note("positions here depend on values: they are kept as they are in this run")
    return tuple(map(r.constant, v)) if isinstance(v, tuple) else r.constant(v)


def _hstack(r: Recorder, v: Any, arrays: Any) -> Any:
    flat = np.ndim(unwrap(arrays[0])) <= 1
    return joining.concatenated(r, [np.atleast_1d(a) for a in arrays], 0 if flat else 1, v)


def _vstack(r: Recorder, v: Any, arrays: Any) -> Any:
    return joining.concatenated(r, [np.atleast_2d(a) for a in arrays], 0, v)


def _column_stack(r: Recorder, v: Any, arrays: Any) -> Any:
    return joining.concatenated(r, [a[:, None] if np.ndim(unwrap(a)) == 1 else a for a in arrays], 1, v)


def _at_least(rank: int) -> Callable[..., Any]:
    def rule(r: Recorder, v: Any, a: Any) -> Any:
        array = lift(r, a)
        missing = max(0, rank - len(array.axes))
        return array.like([()] * missing + list(array.axes), v)

    return rule


def _like(number: Any) -> Callable[..., Any]:
    def rule(r: Recorder, v: Any, a: Any, dtype: Any = None, *, shape: Any = None, **_: Any) -> Any:
        return creation.filled_like(r, a, shape, number, v)

    return rule


RULES: dict[Any, Callable[..., Any]] = {
    np.sum: _sum, np.mean: _mean, np.var: _var, np.std: _std,
    np.max: _max, np.amax: _max, np.min: _min, np.amin: _min, np.argmax: _argmax, np.argmin: _argmin,
    np.average: lambda r, v, a, axis=None, weights=None, keepdims=False: reductions.average(
        r, a, weights, axis, keepdims is True, v),
    np.linalg.norm: _norm, np.trace: _trace,
    np.cumsum: lambda r, v, a, axis=None, dtype=None: reductions.running_sum(r, a, axis, v),
    np.dot: lambda r, v, a, b: contractions.dot(r, a, b, v),
    np.inner: lambda r, v, a, b: contractions.inner(r, a, b, v),
    np.outer: lambda r, v, a, b: contractions.outer(r, a, b, v),
    np.vdot: lambda r, v, a, b: contractions.vdot(r, a, b, v),
    np.tensordot: lambda r, v, a, b, axes=2: contractions.tensordot(r, a, b, axes, v),
    np.einsum: lambda r, v, *arguments, optimize=False: contractions.einsum(r, arguments, v),
    np.where: _where, np.clip: _clip, np.copy: _copy, np.reshape: _reshape,
    np.ravel: lambda r, v, a, order="C": _reshape(r, v, a, (-1,), order=order),
    np.transpose: lambda r, v, a, axes=None: layout.transposed(lift(r, a), axes, v),
    np.swapaxes: lambda r, v, a, first, second: layout.swapped(lift(r, a), first, second, v),
    np.moveaxis: lambda r, v, a, source, destination: layout.moved(lift(r, a), source, destination, v),
    np.expand_dims: lambda r, v, a, axis: layout.unit_axes(lift(r, a), axis, v),
    np.squeeze: lambda r, v, a, axis=None: layout.squeezed(r, lift(r, a), axis, v),
    np.broadcast_to: lambda r, v, a, shape, subok=False: layout.stretched(r, a, shape, v),
    np.atleast_1d: _at_least(1), np.atleast_2d: _at_least(2),
    np.concatenate: lambda r, v, arrays, axis=0: joining.concatenated(r, arrays, axis, v),
    np.stack: lambda r, v, arrays, axis=0: joining.stacked(r, arrays, axis, v),
    np.hstack: _hstack, np.vstack: _vstack, np.column_stack: _column_stack,
    np.split: _split, np.array_split: _split,
    np.hsplit: lambda r, v, a, n: joining.parts_of(lift(r, a), n, 1 if np.ndim(unwrap(a)) > 1 else 0),
    np.vsplit: lambda r, v, a, n: joining.parts_of(lift(r, a), n, 0),
    np.pad: _pad, np.flip: lambda r, v, a, axis=None: joining.flipped(lift(r, a), axis),
    np.fliplr: lambda r, v, a: joining.flipped(lift(r, a), 1),
    np.flipud: lambda r, v, a: joining.flipped(lift(r, a), 0),
    np.repeat: _repeat, np.tile: lambda r, v, a, times: joining.tiled(r, a, times, v),
    np.diag: _diag, np.diagonal: lambda r, v, a, offset=0: reductions.diagonal(r, a, offset, v),
    np.tril: lambda r, v, a, k=0: creation.triangle(r, a, k, True, v),
    np.triu: lambda r, v, a, k=0: creation.triangle(r, a, k, False, v),
    np.insert: _insert, np.diagflat: lambda r, v, a, k=0: _diag(r, v, np.ravel(a), k),
    np.argwhere: _kept, np.nonzero: _kept, np.flatnonzero: _kept, np.argsort: _kept, np.isin: _kept,
    np.searchsorted: _kept, np.unique: _kept,
    np.zeros_like: _like(0), np.empty_like: _like(0), np.ones_like: _like(1),
    np.full_like: lambda r, v, a, number, dtype=None, **_: creation.filled_like(r, a, None, number, v),
    np.take: lambda r, v, a, indices, axis=None: (np.ravel(a) if axis is None else a)[
        (slice(None),) * (0 if axis is None else axis % np.ndim(unwrap(a))) + (indices,)],
    np.nan_to_num: lambda r, v, a, **_: scaled(r, a, ONE, v),
    np.real: lambda r, v, a: a if not np.iscomplexobj(unwrap(a)) else apply_map(r, "real", [a], v),
    np.imag: lambda r, v, a: creation.filled_like(r, a, None, 0, v) if not np.iscomplexobj(
        unwrap(a)) else apply_map(r, "imag", [a], v),
}  # fmt: skip

