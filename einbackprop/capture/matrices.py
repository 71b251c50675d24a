"""How cross products, block matrices and the names of products in ``np.linalg`` are read: as other calls of NumPy.

Each rule has NumPy's parameters behind what NumPy answered in this run.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import contractions, creation
from .memory import is_traced
from .pointwise import lift, unread
from .recorder import Recorder
from .sizes import frozen, in_numbers

Rule = Callable[..., Any]


def cross(r: Recorder, v: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1,
          axis: Any = None) -> Any:  # fmt: skip
    """``np.cross`` of vectors of three entries."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    x, y = np.moveaxis(lift(r, a), axisa, -1), np.moveaxis(lift(r, b), axisb, -1)
    if np.shape(x.value)[-1] != 3 or np.shape(y.value)[-1] != 3:
        return unread(r, [a, b], "np.cross is read of vectors of three entries", v)
    parts = [x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axisc)


def block(r: Recorder, v: Any, arrays: Any) -> Any:
    """``np.block``: the innermost lists are joined along the last axis, those around them along the one before."""
    rank = np.ndim(v)

    def joined(part: Any, depth: int) -> Any:
        if isinstance(part, list):
            return np.concatenate([joined(item, depth - 1) for item in part], axis=-depth)
        array: Any = lift(r, part if is_traced(part) else np.asarray(part))
        return array[(*(None,) * (rank - array.ndim), ...)]

    depth, inner = 0, arrays
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    return joined(arrays, depth)


def inner_products(r: Recorder, v: Any, x1: Any, x2: Any, axis: int = -1) -> Any:
    """``np.vecdot``: along one axis, the first vector conjugated."""
    x, y = np.moveaxis(lift(r, x1), axis, -1), np.moveaxis(lift(r, x2), axis, -1)
    return np.einsum("...i,...i->...", np.conjugate(x), y)


def vector_norm(r: Recorder, v: Any, x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``np.linalg.vector_norm``: of all entries where no axis is given."""
    array: Any = lift(r, x)
    over = contractions.positive_axes(axis, array.ndim)
    if len(over) == 1:
        return np.linalg.norm(array, ord, over[0], keepdims)
    if ord != 2:
        return unread(r, [x], "np.linalg.vector_norm of another order along several axes is not read", v)
    return np.sqrt(np.sum(np.abs(array) ** 2, axis=tuple(over), keepdims=keepdims))


def diagonal_of(r: Recorder, v: Any, x: Any, offset: int = 0) -> Any:
    """``np.linalg.diagonal``: of the last two axes."""
    return np.diagonal(x, offset, -2, -1)


def trace_of(r: Recorder, v: Any, x: Any, offset: int = 0) -> Any:
    """``np.linalg.trace``: of the last two axes."""
    return np.sum(np.diagonal(x, offset, -2, -1), axis=-1)


def beside_the_diagonal(r: Recorder, v: Any, x: Any, k: int) -> Any:
    """``np.diag`` of a vector, above or below the diagonal."""
    above, below = max(k, 0), max(-k, 0)
    return np.pad(np.diag(x), ((below, above), (above, below)))


def places_in_triangle(r: Recorder, v: Any, arr: Any, k: int = 0) -> Any:
    """``np.triu_indices_from`` and ``np.tril_indices_from``, at these sizes."""
    frozen(lift(r, arr).shape)
    return tuple(creation.given_out(r, places) for places in v)


RULES: dict[Any, Rule] = {
    np.cross: in_numbers(cross), np.block: block, np.linalg.trace: in_numbers(trace_of),
    np.linalg.cross: in_numbers(lambda r, v, x1, x2, axis=-1: cross(r, v, x1, x2, axis=axis)),
    np.linalg.vecdot: in_numbers(inner_products), np.linalg.vector_norm: vector_norm,
    np.linalg.matrix_norm: lambda r, v, x, keepdims=False, ord="fro": np.linalg.norm(x, ord, (-2, -1), keepdims),
    np.linalg.matmul: lambda r, v, x1, x2: np.matmul(x1, x2), np.linalg.diagonal: in_numbers(diagonal_of),
    np.linalg.tensordot: lambda r, v, x1, x2, axes=2: np.tensordot(x1, x2, axes=axes),
    np.linalg.matrix_transpose: lambda r, v, x: np.swapaxes(x, -1, -2),
    np.triu_indices_from: in_numbers(places_in_triangle), np.tril_indices_from: in_numbers(places_in_triangle),
}  # fmt: skip

PRODUCTS: dict[str, Rule] = {
    "vecdot": inner_products,
    "matvec": lambda r, v, x1, x2: np.einsum("...ij,...j->...i", x1, x2),
    "vecmat": lambda r, v, x1, x2: np.einsum("...i,...ij->...j", np.conjugate(x1), x2),
}
"""Ufuncs of vectors and matrices by name: NumPy 2.0 has only the first."""
