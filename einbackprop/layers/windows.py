"""Windows: the bracket [p = s·y + d·r - a] between a pixel p, a window y and a place r in it, run as a strided view.

s is the stride from one window to the next, d the dilation from one place to the next in a window, a the padding, the
zeros that stand before the first pixel and after the last one. With one such bracket for each axis of pixels,

    w[…,y,r] = Σ_p [p = s·y + d·r - a] x[…,p]            windows: each bracket picks one p, or none
    x[…,p]   = Σ_yr [p = s·y + d·r - a] w[…,y,r]         scatter: the same bracket, read the other way

where … are the axes before the pixels. The bracket is one 0/1 array in p, y and r, and the two sum over its other
letters: each is the vjp of the other.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from einbackprop.errors import ShapeError
from einbackprop.layers.layer import Array


def windows(x: Array, kernel: Sequence[int], stride: int = 1, padding: int = 0, dilation: int = 1) -> Array:
    """Return `w[…,y,r]`, a view of x (of a padded copy, where there is padding).

    Parameters
    ----------
    x
        The last axes are those of the pixels: one for each size of the kernel.
    kernel
        The sizes of a window: how many places r, along each axis.

    Returns
    -------
    array
        The axes before the pixels, then those of y, then those of r. Read only: pixels are seen several times.

    Raises
    ------
    ShapeError
        If not one window fits.
    """
    pixels = x.shape[-len(kernel) :]
    reach = [dilation * (r - 1) + 1 for r in kernel]
    for n, (size, span) in enumerate(zip(pixels, reach, strict=True)):
        if stride < 1 or dilation < 1 or padding < 0 or size + 2 * padding < span:
            raise ShapeError(
                f"no window fits axis {n} of the pixels: a kernel of {kernel[n]} with dilation {dilation} "
                f"spans {span}, and there are {size} pixels with padding {padding} on both sides. "
                f"Stride ({stride}) and dilation are at least 1, padding at least 0."
            )
    axes = tuple(range(-len(kernel), 0))
    before = [(0, 0)] * (x.ndim - len(kernel))
    padded = np.pad(x, [*before, *[(padding, padding)] * len(kernel)]) if padding else x
    every = sliding_window_view(padded, reach, axes)
    steps: list[Any] = [slice(None, None, step) for step in (stride, dilation) for _ in kernel]
    w: Array = every[..., *steps]
    return w


def scatter(w: Array, pixels: Sequence[int], stride: int = 1, padding: int = 0, dilation: int = 1) -> Array:
    """Return `x[…,p]`: the entries of windows added up at the pixels that they stand for.

    Parameters
    ----------
    w
        As `windows` returns it.
    pixels
        The sizes of x along the axes of the pixels.

    Raises
    ------
    ShapeError
        If there are more or fewer windows along an axis than fit.
    """
    n = len(pixels)
    outer, counts, kernel = w.shape[: -2 * n], w.shape[-2 * n : -n], w.shape[-n:]
    for axis, (size, count, r) in enumerate(zip(pixels, counts, kernel, strict=True)):
        fitting = (size + 2 * padding - dilation * (r - 1) - 1) // stride + 1
        if count != fitting:
            raise ShapeError(
                f"there are {count} windows along axis {axis} of the pixels, but {fitting} fit: a kernel of {r}, "
                f"stride {stride}, dilation {dilation}, and {size} pixels with padding {padding} on both sides."
            )
    padded = np.zeros((*outer, *[size + 2 * padding for size in pixels]), w.dtype)
    for r in np.ndindex(*kernel):  # of one place r, all windows y: no two stand at the same pixel
        place: list[Any] = [
            slice(dilation * at, dilation * at + stride * count, stride) for at, count in zip(r, counts, strict=True)
        ]
        padded[..., *place] += w[..., *r]
    inside: list[Any] = [slice(padding, padding + size) for size in pixels]
    x: Array = padded[..., *inside]
    return x
