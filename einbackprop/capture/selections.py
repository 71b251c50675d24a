"""``x[mask]``: the entries where a mask holds. Their number depends on the values, so the whole array is kept beside
the mask, for as long as what is done with them can be done with the whole array; else the positions are kept."""

from math import prod
from typing import Any

import numpy as np

from ..core.program import Contract, Map
from ..errors import TraceError
from . import failures, memory, pointwise, sizes
from .recorder import Recorder


def positions(recorder: Recorder, mask: Any) -> tuple[Any, ...]:
    """Where a mask holds, as index arrays: they are kept as they are in this run."""
    if not mask.axes:
        raise TraceError("one truth value among indices is not read: use np.where or if")
    message = "which entries a mask picks depends on values: here they are those of this run"
    return tuple(recorder.kept(index, message) for index in np.nonzero(mask.value))


def same_mask(a: Any, b: Any) -> bool:
    """Whether two masks are one value, or the same comparison of the same values."""
    if memory.same_value(a, b):
        return True
    if any(a.window) or any(b.window):
        return False
    first, second = (made_of(a.recorder, m.buffer.name) for m in (a, b))
    return first is not None and bool(first == second)


def made_of(recorder: Recorder, name: str) -> Any:
    """How a comparison was made, with its letters numbered: of which values, and of which numbers."""
    equation = recorder.made.get(name)
    if isinstance(equation, Contract) and is_number(recorder, name):
        return equation.factor
    if not isinstance(equation, Map):
        return None
    number = {letter: n for n, letter in enumerate(equation.out.indices)}
    of = [(made_of(recorder, ref.name) if is_number(recorder, ref.name) else ref.name, [number[i] for i in ref.indices])
          for ref in equation.operands]  # fmt: skip
    return equation.function, equation.parameter, of


def is_number(recorder: Recorder, name: str) -> bool:
    """Whether a value is a number that the user's code spells."""
    equation = recorder.made.get(name)
    return isinstance(equation, Contract) and not equation.operands and not equation.brackets


class Selection(np.lib.mixins.NDArrayOperatorsMixin):
    """Entries picked by a mask of the first axes of an array.

    Attributes
    ----------
    whole : traced array
        The array with all its entries; those where the mask does not hold mean nothing.
    mask : traced array
        Of the shape of the whole's first axes.
    """

    __slots__ = ("mask", "whole")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole, self.mask = whole, mask

    @property
    def value(self) -> Any:
        """The entries in this run."""
        return np.asarray(self.whole.value)[self.mask.value]

    def picked(self) -> Any:
        """The entries as a traced array, their positions as in this run; it is made anew each time, so that a write to
        it would be lost."""
        made = self.whole[positions(self.whole.recorder, self.mask)]
        made.value.flags.writeable = False
        return made

    def masked(self, other: Any = 0) -> Any:
        """The whole array, with another value where the mask does not hold."""
        return np.where(self.mask[(..., *(None,) * (self.whole.ndim - self.mask.ndim))], self.whole, other)

    def astype(self, dtype: Any) -> Any:
        """The entries in another dtype."""
        return Selection(self.whole.astype(dtype), self.mask)

    def copy(self) -> Any:
        """The entries in memory of their own, as they are already."""
        return Selection(self.whole, self.mask)

    @property
    def size(self) -> int:
        """How many entries there are in this run."""
        return prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in this run."""
        self.whole.recorder.note("how many entries a mask picks is taken from this run", only_here=True)
        return tuple(np.shape(self.value))

    def sum(self, axis: Any = None) -> Any:
        """The sum: over all entries, or over those that the mask picks."""
        if axis is None:
            return self.masked().sum()
        return self.masked().sum(axis=tuple(range(self.mask.ndim))) if axis == 0 else self.picked().sum(axis=axis)

    def mean(self, axis: Any = None) -> Any:
        """The mean, likewise."""
        if axis is None and self.whole.ndim == self.mask.ndim:
            return self.sum() / self.mask.sum()
        return self.sum(axis=0) / self.mask.sum() if axis == 0 else self.picked().mean(axis=axis)

    def __len__(self) -> int:
        return self.shape[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.picked(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.picked()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TraceError(
            "a write into what a mask has picked is not read: np.array(x[mask]) is an array of its own to write into"
        )

    def __iter__(self) -> Any:
        return iter(self.picked())

    @failures.asks_numpy
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        out = keywords.pop("out", ())
        if method == "__call__" and not keywords and ufunc is not np.matmul and all(map(self._fits, inputs)):
            made = Selection(ufunc(*(i.whole if type(i) is Selection else i for i in inputs)), self.mask)
        else:
            made = getattr(ufunc, method)(*map(decayed, inputs), **keywords)
        if out and type(out[0]) is Selection and type(made) is Selection:
            out[0].whole = made.whole
            return out[0]
        return made

    @failures.asks_numpy
    def _fits(self, operand: Any) -> bool:
        """Whether an operand combines with the whole array as it does with the entries."""
        if type(operand) is Selection:
            return same_mask(operand.mask, self.mask) and operand.whole.ndim == self.whole.ndim
        rank = 0 if pointwise.is_scalar(operand) else np.ndim(
            operand.value if memory.is_traced(operand) else sizes.plain(operand)
        )
        return bool(rank <= self.whole.ndim - self.mask.ndim)

    @failures.asks_numpy
    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if function in (np.sum, np.mean) and set(keywords) <= {"axis"} and type(arguments[0]) is Selection:
            return getattr(self, function.__name__)(*arguments[1:], **keywords)
        return function(*map(decayed, arguments), **{name: decayed(value) for name, value in keywords.items()})


def decayed(value: Any, level: int = 0) -> Any:
    """Selections in nested lists as traced arrays."""
    if type(value) is Selection:
        return value.picked()
    if isinstance(value, list | tuple):
        return type(value)([decayed(item, sizes.deeper(level)) for item in value])
    return value
