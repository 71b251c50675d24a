"""What the source of plans calls, besides NumPy."""

import contextlib
import functools
import mmap
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..errors import RangeError

Array = NDArray[Any]

ALIGNMENT = 64
LARGE_PAGE = 1 << 21


def affine(array: Array, shape: tuple[int, ...], steps: Sequence[Sequence[int]], starts: Sequence[int]) -> Array:
    """A view that reads axis n of an array at ``starts[n] + Σ_m steps[n][m] · i_m`` for its own index ``i``.

    Every position that is read must be in the array, or in what lies beyond it in the same memory.
    """
    if 0 in shape:
        return array[tuple(slice(0, 0) for _ in array.shape)].reshape(shape) if array.ndim else array.reshape(shape)
    strides = tuple(
        sum(row[m] * stride for row, stride in zip(steps, array.strides, strict=True)) for m in range(len(shape))
    )
    if any(start >= length for start, length in zip(starts, array.shape, strict=True)):
        array = as_strided(array, tuple(start + 1 for start in starts), array.strides)
    return as_strided(array[tuple(slice(start, None) for start in starts)], shape, strides)


def memory(nbytes: int) -> Array:
    """Aligned memory; much of it in large pages where the system has them, which a pass over it walks faster."""
    if nbytes < 2 * LARGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        raw, alignment = np.empty(nbytes + ALIGNMENT, np.uint8), ALIGNMENT
    else:
        pages = mmap.mmap(-1, nbytes + LARGE_PAGE)
        with contextlib.suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
        raw, alignment = np.frombuffer(pages, np.uint8), LARGE_PAGE
    offset = -raw.ctypes.data % alignment
    return raw[offset : offset + nbytes]


def piece(block: Array, offset: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array in a block of memory."""
    return np.ndarray(shape, dtype, block.data, offset)


def arranged(array: Array, dtype: np.dtype[Any]) -> Array:
    """The same array C-ordered, aligned and in a dtype: itself, where it is so."""
    ready = np.asarray(array, dtype, order="C")
    return ready if ready.flags.aligned else ready.copy()


def are_positions(labels: Array, length: int) -> bool:
    """Whether all labels are positions along an axis; as numbers without a sign, those below 0 are too large."""
    if labels.dtype.kind == "i":
        labels = labels.view(f"u{labels.itemsize}")
    return not labels.size or int(labels.max()) < length


@functools.lru_cache(256)
def grid_of(shape: tuple[int, ...], axes: int) -> tuple[Array, ...]:
    """The index along each of the first axes of an array, to index another one by."""
    return tuple(np.ogrid[tuple(slice(n) for n in shape)])[:axes]


def within(labels: Array, least: int, most: int) -> None:
    """Look at positions that were computed. Raises RangeError where one is none."""
    if labels.size and not (least <= labels.min() and labels.max() <= most):
        place = [int(n) for n in np.argwhere(~((labels >= least) & (labels <= most)))[0]]
        raise RangeError(
            f"a position that is computed is {labels[tuple(place)]} at {place}, but the axis that it picks from has "
            f"positions {least} to {most}. To count from the end, compile with an example that does."
        )


def scatter_along(values: Array, labels: Array, shared: int, out: Array, known: bool) -> None:
    """``out[b,labels[b,t],…] += values[b,t,…]``, in place; a label that is no position is left out.

    ``shared`` axes, those of b, lie in front. Where they are all that labels have, no two entries meet.
    """
    grid, length = grid_of(labels.shape, shared), out.shape[shared]
    if not known and not are_positions(labels, length):
        inside = (labels >= 0) & (labels < length)
        grid = tuple(np.broadcast_to(n, labels.shape)[inside] for n in grid)
        values, labels = values[inside], labels[inside]
    if len(grid) == labels.ndim or (grid and labels.ndim == 1):
        out[(*grid, labels)] += values
    else:
        np.add.at(out, (*grid, labels), values)


def gather(array: Array, labels: Array, shared: int, out: Array, known: bool) -> None:
    """``out[b,t,…] = array[b,labels[b,t],…]``: zero where a label is no position, if it is not known that all are.

    ``shared`` axes, those of b, lie in front.
    """
    length = array.shape[shared]
    if not known and not are_positions(labels, length):
        inside = (labels >= 0) & (labels < length)
        front = np.atleast_1d(inside).nonzero()[:shared]
        out[...] = 0
        out[inside] = array[(*front, labels[inside])]
    elif shared and (array.size or not out.size):
        out[...] = array[(*grid_of(labels.shape, shared), labels)]
    elif array.size or not out.size:
        np.take(array, labels, 0, out, "clip")


def reduction(ufunc: np.ufunc) -> Callable[..., Any]:
    """``ufunc.reduce`` of a maximum or minimum, for calls with an ``out``.

    NumPy before 2.2 leaves out an entry of an array that is read backwards, but only if there is an ``out``.
    """
    backwards = np.array([[0.0, 1.0], [1.0, 0.0]])[:, ::-1]
    if np.array_equal(ufunc.reduce(backwards, (1,), None, np.empty(2)), ufunc.reduce(backwards, (1,))):
        return ufunc.reduce

    def reduced(array: Array, axes: tuple[int, ...], dtype: None, out: Array) -> None:
        out[...] = ufunc.reduce(array, axes, dtype)

    return reduced


def extreme(positions: Array, starts: Array, flat: Array, out: Array) -> None:
    """``out[b] = flat[starts[b] + positions[b]]``, each row's entry at the position where its extremum is."""
    np.take(flat, np.add(positions, starts, positions), 0, out, "clip")


def position_of(extremum: str, array: Array, kept: int, sizes: tuple[int, ...], which: int) -> Array:
    """The index along one of the last axes where ``argmax`` or ``argmin`` over all of them is first reached."""
    rows = array.reshape(*array.shape[:kept], prod(sizes))
    return np.asarray(np.unravel_index(getattr(rows, extremum)(-1), sizes)[which])


def multiply_in_blocks(
    wide: Array, half: Array, windows: Array, other: Array, block: Array, matrix: Array, part: Array, out: Array,
    kept: int, transposed: bool,
) -> None:  # fmt: skip
    """``out[…] = Σ other[…] · wide[…]``, the matrices of ``wide`` copied one at a time, so that they stay in cache.

    Parameters
    ----------
    wide
        The axes to loop over, then those of ``half``.
    half, windows
        Memory for a copy of one piece, and the same memory read in windows; or twice ``block``.
    other
        The same loops, of size 1 where it lacks one, then a matrix.
    block, matrix
        Memory for one piece of ``wide``, and the same memory as a matrix.
    part
        Memory for one product.
    out
        The first ``kept`` of the loops, then a matrix. Over the others the products are added up.
    transposed : bool
        Whether it is ``wide · other``.
    """
    loops = wide.shape[: wide.ndim - half.ndim]
    other = np.broadcast_to(other, (*loops, *other.shape[-2:]))
    for index in indices_of(loops):
        np.copyto(half, wide[index])
        if windows is not block:
            np.copyto(block, windows)
        left, right = (matrix, other[index]) if transposed else (other[index], matrix)
        into = out[index[:kept]]
        if any(index[kept:]):
            left.dot(right, part)
            np.add(into, part, into)
        else:
            left.dot(right, into)


def windows_in_blocks(wide: Array, other: Array, block: Array, matrices: Array, out: Array) -> None:
    """``out[…] = other[…] · wide[…]``, of which ``block`` is a copy that stays in cache, and ``matrices`` a view."""
    loops = wide.shape[: wide.ndim - block.ndim]
    other = np.broadcast_to(other, (*loops, *other.shape[-2:]))
    for index in indices_of(loops):
        np.copyto(block, wide[index])
        np.matmul(other[index], matrices, out[index])


def spread_in_blocks(
    left: Array, matrix: Array, right: Array, parts: Sequence[Array], places: Sequence[Array],
    gaps: Sequence[Array], regions: Sequence[Array], sources: Sequence[Array], count: int,
) -> None:  # fmt: skip
    """``places[…] += parts`` of ``left[…] · right[…]``, one product at a time, so that it stays in cache.

    ``parts`` are views of ``matrix``, and so are ``gaps`` in them, where nothing is to be added. The first ``count``
    axes of the others are looped over. Where there are ``regions``, ``right`` is one block, to which copies of
    ``sources[…]`` go.
    """
    loops = places[0].shape[:count]
    left = np.broadcast_to(left, (*loops, *left.shape[-2:]))
    right = np.broadcast_to(right, (*loops, *right.shape[-2:]))
    sources = [np.broadcast_to(source, (*loops, *source.shape[count:])) for source in sources]
    for index in indices_of(loops):
        for region, source in zip(regions, sources, strict=True):
            np.copyto(region, source[index])
        left[index].dot(right[index], matrix)
        for gap in gaps:
            gap.fill(0)
        for place, part in zip(places, parts, strict=True):
            at = place[index]
            np.add(at, part, at)


def indices_of(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every index of an array, the last axis the fastest."""
    return product(*map(range, shape))


def entries(array: Array, down: bool) -> list[Array]:
    """The entries along the first axis as arrays, the last one first if it goes down."""
    rounds = range(len(array))
    return [array[n, ...] for n in (reversed(rounds) if down else rounds)]
