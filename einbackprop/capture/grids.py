"""What is written in brackets after ``np.r_``, ``np.c_``, ``np.ogrid`` and ``np.mgrid``, as arrays."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import creation
from .recorder import Recorder
from .rules import unwrap


def stepped(arange: Callable[..., Any], part: slice) -> Any:
    """What ``np.r_``, ``np.ogrid`` and ``np.mgrid`` make of a slice: an imaginary step is a number of points."""
    if isinstance(part.step, complex):
        return np.linspace(part.start or 0, part.stop, int(abs(part.step)))
    return arange(0 if part.start is None else part.start, part.stop, 1 if part.step is None else part.step)


class Grid:
    """``np.ogrid``, and ``np.mgrid`` where it is not sparse: the positions along each axis, on an axis of its own."""

    def __init__(self, counted: Callable[[slice], Any], sparse: bool) -> None:
        self.counted, self.sparse = counted, sparse

    def __getitem__(self, parts: Any) -> Any:
        if isinstance(parts, slice):
            return self.counted(parts)
        along = [self.counted(part) for part in parts]
        kind = np.result_type(*(one.dtype for one in along))
        rank = len(along)
        made = [one.astype(kind)[tuple(slice(None) if j == i else None for j in range(rank))]
                for i, one in enumerate(along)]  # fmt: skip
        return tuple(made) if self.sparse else np.stack(np.broadcast_arrays(*made))


def positions(counted: Callable[[slice], Any], dimensions: Iterable[Any], dtype: Any, sparse: bool) -> Any:
    """``np.indices``."""
    made = Grid(counted, sparse)[tuple(slice(0, n) for n in dimensions)]
    return tuple(one.astype(dtype) for one in made) if sparse else made.astype(dtype)


class Joined:
    """``np.c_`` and ``np.r_`` of arrays."""

    def __init__(self, recorder: Recorder, counted: Callable[[slice], Any], axis: int) -> None:
        self.recorder, self.counted, self.axis = recorder, counted, axis

    def __getitem__(self, parts: Any) -> Any:
        parts = parts if isinstance(parts, tuple) else (parts,)
        wide = tuple(self.counted(part) if isinstance(part, slice) else part for part in parts)
        if not creation.has_traced(wide):
            return creation.given_out(self.recorder, (np.c_ if self.axis else np.r_)[unwrap(wide)])
        arrays = [creation.as_array(self.recorder, part, None, False) for part in wide]
        if self.axis:
            arrays = [a[:, None] if len(a.axes) == 1 else a for a in arrays]
        return np.concatenate([np.atleast_1d(a) for a in arrays], axis=self.axis)
