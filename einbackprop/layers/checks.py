"""What a declaration of shapes cannot say about a layer's arguments."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import numpy as np

from einbackprop.errors import RangeError, ShapeError
from einbackprop.layers.layer import Array

P = ParamSpec("P")
R = TypeVar("R")


def one_shape(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function refuse positional arguments whose shapes are not all the same: no size of 1 is stretched.

    Raises
    ------
    ShapeError
        When the function is called. The message names the two arrays and their shapes.
    """
    names = list(signature(function).parameters)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        shapes = [tuple(getattr(array, "shape", ())) for array in args]
        for name, shape in zip(names, shapes, strict=False):
            if shape != shapes[0]:
                raise ShapeError(
                    f"{function.__name__}: {names[0]} has the shape {shapes[0]}, but {name} has {shape}. "
                    "The function works entry by entry: pass arrays of one shape."
                )
        return function(*args, **kwargs)

    return checked


def concrete(array: Any) -> Array:
    """The numbers in an array; in one that is being traced, those of this run."""
    return np.asarray(getattr(array, "value", array))


def require_range(function: str, name: str, array: Any, letter: str, size: int) -> None:
    """Refuse integers that pick along a letter, such as labels, but are not among its values.

    Raises
    ------
    RangeError
        If an entry is below 0, or not below the size. Negative ones are no places counted from the end.
    """
    values = concrete(array)
    if values.dtype.kind not in "iu":
        raise RangeError(f"{function}: {name} has dtype {values.dtype}, but it picks along {letter}; pass integers.")
    outside = (values < 0) | (values >= size)
    if outside.any():
        place = tuple(map(int, np.unravel_index(np.argmax(outside), values.shape)))
        raise RangeError(
            f"{function}: {name}[{','.join(map(str, place))}] is {values[place]}, "
            f"but {letter} runs from 0 to {size - 1}."
        )
