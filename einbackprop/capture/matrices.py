"""How functions of matrices are read: inverses, solutions, determinants and Cholesky factors as such; cross products,
block matrices and the other names of products as the calls of NumPy that they stand for.

Each rule has NumPy's parameters behind what NumPy answered in this run.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core.program import MatrixFunction, MatrixName
from . import contractions, creation
from .memory import is_traced
from .pointwise import lift, unread
from .recorder import Indexed, Recorder
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


# Functions of matrices


def read_matrix(r: Recorder, a: Any, is_square: bool = True) -> Indexed:
    """An array of matrices with one letter on each of its last two axes: both over one dimension where it is square."""
    x = r.read(lift(r, a))
    for i in (-2, -1):
        r.own_letter(x, len(x.axes) + i)
    if is_square:
        r.unify(x.axes[-2], x.axes[-1])
    return x


def made_of_matrix(function: MatrixName, r: Recorder, v: Any, a: Any) -> Any:
    """``np.linalg.inv``, ``pinv`` and ``cholesky``: a matrix made of each matrix."""
    if function in ("cholesky", "pinv") and np.iscomplexobj(v):
        return unread(r, [a], f"np.linalg.{function} of complex numbers is not read", v)
    x = read_matrix(r, a, function != "pinv")
    matrix = x.axes[-2] + x.axes[-1]
    result = r.letters(map(r.dimensions.axis, matrix if function == "cholesky" else matrix[::-1]))
    return r.define(
        [*x.axes[:-2], *result],
        lambda out, source: MatrixFunction(out, function, (x.ref,), matrix, result, source), v,
    )  # fmt: skip


def cholesky(r: Recorder, v: Any, a: Any, *, upper: bool = False) -> Any:
    """``np.linalg.cholesky``; the upper factor is the transpose of the lower one of the transpose."""
    if not upper:
        return made_of_matrix("cholesky", r, v, a)
    return np.swapaxes(np.linalg.cholesky(np.swapaxes(a, -1, -2)), -1, -2)


def number_of_matrix(function: MatrixName, r: Recorder, v: Any, a: Any) -> Any:
    """A number made of each matrix."""
    x = read_matrix(r, a)
    matrix = x.axes[-2] + x.axes[-1]
    return r.define(
        x.axes[:-2], lambda out, source: MatrixFunction(out, function, (x.ref,), matrix, "", source), v
    )


def sign_and_log(r: Recorder, v: Any, a: Any) -> Any:
    """``np.linalg.slogdet``."""
    if np.iscomplexobj(v[0]):
        return unread(r, [a], "np.linalg.slogdet of complex numbers is not read", v)
    return type(v)(number_of_matrix("detsign", r, v[0], a), number_of_matrix("logdet", r, v[1], a))


def solved(r: Recorder, v: Any, a: Any, b: Any) -> Any:
    """``np.linalg.solve``: a vector, or the columns of matrices, whose other axes broadcast."""
    x, y = read_matrix(r, a), r.read(lift(r, b))
    place = len(y.axes) - 2 if len(y.axes) > 1 else 0
    r.own_letter(y, place)
    r.unify(x.axes[-2], y.axes[place])
    y.rename(y.axes[place], x.axes[-2])
    batch = list(x.axes[:-2])
    for i in range(-len(batch), 0) if len(y.axes) > 1 else ():
        if -i <= place:
            r.join(x, len(x.axes) - 2 + i, y, place + i)
            batch[i] = x.axes[i - 2] or y.axes[place + i]
    batch = [*(y.axes[: max(0, place - len(batch))]), *batch]
    matrix = x.axes[-2] + x.axes[-1]
    result = r.letters([r.dimensions.axis(x.axes[-1])])
    return r.define(
        [*batch, result, *y.axes[place + 1 :]],
        lambda out, source: MatrixFunction(out, "solve", (x.ref, y.ref), matrix, result, source), v,
    )  # fmt: skip


def least_squares(r: Recorder, v: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    """``np.linalg.lstsq``: the pseudo-inverse times b, and what is left; the singular values are not followed."""
    x, y = lift(r, a), lift(r, b)
    made = np.matmul(np.linalg.pinv(x), y)
    off = y - np.matmul(x, made)
    left = np.sum(off**2, axis=0, keepdims=y.ndim == 1) if np.size(v[1]) else creation.given_out(r, v[1])
    return made, left, v[2], r.opaque_aside([x], "the singular values of np.linalg.lstsq are not read", v[3])


def power_of_matrix(r: Recorder, v: Any, a: Any, n: int) -> Any:
    """``np.linalg.matrix_power``: squares and products, of the inverse where n is negative."""
    base: Any = np.linalg.inv(a) if n < 0 else lift(r, a)
    made: Any = None
    for digit in bin(abs(n))[:1:-1]:  # the lowest first
        if digit == "1":
            made = base if made is None else np.matmul(made, base)
        base = np.matmul(base, base)
    size = np.shape(v)[-1]
    return made if n else np.broadcast_to(creation.identity(r, size, None, 0, np.eye(size)), np.shape(v))


RULES: dict[Any, Rule] = {
    np.cross: in_numbers(cross), np.block: block, np.linalg.trace: in_numbers(trace_of),
    np.linalg.cross: in_numbers(lambda r, v, x1, x2, axis=-1: cross(r, v, x1, x2, axis=axis)),
    np.linalg.vecdot: in_numbers(inner_products), np.linalg.vector_norm: vector_norm,
    np.linalg.matrix_norm: lambda r, v, x, keepdims=False, ord="fro": np.linalg.norm(x, ord, (-2, -1), keepdims),
    np.linalg.matmul: lambda r, v, x1, x2: np.matmul(x1, x2), np.linalg.diagonal: in_numbers(diagonal_of),
    np.linalg.tensordot: lambda r, v, x1, x2, axes=2: np.tensordot(x1, x2, axes=axes),
    np.linalg.matrix_transpose: lambda r, v, x: np.swapaxes(x, -1, -2),
    np.linalg.inv: partial(made_of_matrix, "inv"), np.linalg.det: partial(number_of_matrix, "det"),
    np.linalg.pinv: partial(made_of_matrix, "pinv"), np.linalg.cholesky: cholesky, np.linalg.slogdet: sign_and_log,
    np.linalg.solve: solved, np.linalg.lstsq: least_squares, np.linalg.matrix_power: in_numbers(power_of_matrix),
    np.triu_indices_from: in_numbers(places_in_triangle), np.tril_indices_from: in_numbers(places_in_triangle),
}  # fmt: skip

PRODUCTS: dict[str, Rule] = {
    "vecdot": inner_products,
    "matvec": lambda r, v, x1, x2: np.einsum("...ij,...j->...i", x1, x2),
    "vecmat": lambda r, v, x1, x2: np.einsum("...i,...ij->...j", np.conjugate(x1), x2),
}
"""Ufuncs of vectors and matrices by name: NumPy 2.0 has only the first."""
