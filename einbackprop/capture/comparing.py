"""Comparisons of sizes: where one could go the other way at other sizes, it is a condition."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from . import terms
from .sizes import Size, axes_of, is_number, key_of, plain, terms_of
from .watching import WATCHER, asked_by_others


def compared(operation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """A comparison: where it could go the other way at other sizes, it is a condition."""

    def compare(self: Size, other: Any) -> Any:
        if not is_number(other):
            return NotImplemented if hasattr(other, "__array_ufunc__") else operation(self.number, other)
        answer = operation(self.number, plain(other))
        watcher = WATCHER.get()
        if watcher is not None and asked_by_others() and not goes_without_saying(operation, self, other):
            watcher.met("sizes", answer, (*axes_of(self), *axes_of(other)))
        return answer

    return compare



def is_negative(size: Size) -> bool:
    """Whether it is less than 0: where that is not so for all sizes, it is a condition."""
    return _decided(operator.lt, size)


def is_not_zero(size: Size) -> bool:
    """Whether it is not 0; likewise."""
    return _decided(operator.ne, size)


def _decided(operation: Callable[[Any, Any], bool], size: Size) -> bool:
    answer = bool(operation(size.number, 0))
    if (watcher := WATCHER.get()) is not None and not goes_without_saying(operation, size, 0):
        watcher.met("sizes", answer, axes_of(size))
    return answer


def goes_without_saying(operation: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """Whether a comparison of sizes goes the same way for all sizes of at least 1."""
    left, right = terms_of(a), terms_of(b)
    if left is None or right is None:
        return False
    if key_of(a) == key_of(b) or terms.always(left, right, strictly=True) or terms.always(right, left, strictly=True):
        return True
    if operation in (operator.lt, operator.ge):
        return terms.always(right, left, strictly=False)
    return operation in (operator.le, operator.gt) and terms.always(left, right, strictly=False)
