"""Mistakes put into correct gradients: a factor on all of an array, or on its largest entry."""

from typing import Any, Literal

import numpy as np
from circumstances import Circumstance, Function

Mistake = Literal["factor", "entry"]
MISTAKES: tuple[Mistake, ...] = ("factor", "entry")


def mistaken(case: Circumstance, how: Mistake) -> Function:
    """The gradients with the last array off by the case's mistake; one that is zero by as much of what cancels."""

    def gradients(*arguments: Any) -> Any:
        result = case.gradients(*arguments)
        several = isinstance(result, tuple)
        array = np.array(result[-1] if several else result)
        off = array.astype(np.float64)
        off = case.mistake * (np.full(off.shape, case.cancelling) if case.cancelling else off)
        if how == "entry":
            largest = 0 if case.cancelling else np.argmax(np.abs(array))
            off = np.where(np.arange(off.size).reshape(off.shape) == largest, off, 0.0)
        array = (array + off).astype(array.dtype)
        return (*result[:-1], array) if several else array

    return gradients
