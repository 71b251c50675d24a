"""``x[mask]``: the entries where a mask holds. Their number depends on the values, so the whole array is kept beside
the mask, until it is written back or summed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import TraceError
from .pointwise import is_scalar
from .sizes import plain


class Selection(np.lib.mixins.NDArrayOperatorsMixin):
    """Entries picked by a mask.

    Attributes
    ----------
    whole : traced array
        The array with all its entries; those where the mask does not hold mean nothing.
    mask : traced array
        Of the shape of the whole, or of its first axes.
    """

    __slots__ = ("mask", "whole")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole, self.mask = whole, mask

    @property
    def value(self) -> Any:
        """The entries in this run."""
        return np.asarray(self.whole.value)[self.mask.value]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method != "__call__":
            raise TraceError(f"np.{ufunc.__name__}.{method} of x[mask] is not read: use np.where and the whole array")
        wholes = [self._whole_of(i) for i in inputs]
        made = Selection(ufunc(*wholes), self.mask)
        if keywords.get("out"):
            keywords["out"][0].whole = made.whole
            return keywords["out"][0]
        return made

    def _whole_of(self, value: Any) -> Any:
        if isinstance(value, Selection) and value.mask.buffer.name == self.mask.buffer.name:
            return value.whole
        if is_scalar(plain(value)) or np.ndim(getattr(value, "value", value)) == 0:
            return value
        raise TraceError("x[mask] is combined with an array that another mask, or none, has picked: use np.where")

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if function is np.sum and not keywords:
            return np.sum(np.where(self._spread_mask(), self.whole, 0))
        if function is np.mean and not keywords:
            return np.sum(self) / np.sum(self._spread_mask())
        raise TraceError(f"np.{function.__name__} of x[mask] is not read: use np.where and the whole array")

    def _spread_mask(self) -> Any:
        return self.mask[(..., *(None,) * (self.whole.ndim - self.mask.ndim))]

    def written_into(self, array: Any) -> Any:
        """The array with these entries in their places."""
        return np.where(self._spread_mask(), self.whole, array)

    def sum(self) -> Any:
        """The sum of the entries."""
        return np.sum(self)

    def mean(self) -> Any:
        """The mean of the entries."""
        return np.mean(self)

    @property
    def size(self) -> int:
        """How many entries there are in this run."""
        return int(np.sum(self.mask.value))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in this run."""
        return tuple(np.shape(self.value))
