"""How arguments lie in memory, for compiled functions that this matters to: a reshape gives a view of one array and a
copy of another, and what is written to it is written to the argument or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import nesting
from ..core.nesting import Path
from ..core.program import Program
from ..errors import ShapeError

Orders = Mapping[Path, tuple[int, ...]]


def strides_of(array: Any) -> tuple[int, ...]:
    """The strides of the axes that have several entries."""
    array = np.asarray(array)
    return tuple(step for step, size in zip(array.strides, array.shape, strict=True) if size > 1)


def orders_of(program: Program, arguments: tuple[Any, ...]) -> Orders:
    """The strides of the arrays among the examples."""
    return {tuple(i.path): strides_of(nesting.get(arguments, i.path)) for i in program.inputs}


def require_orders(orders: Orders, arguments: tuple[Any, ...]) -> None:
    """Refuse arguments that lie in memory in another way than the examples did."""
    for path, strides in orders.items():
        found = strides_of(nesting.get(arguments, path))
        if found != strides:
            raise ShapeError(
                f"an argument has strides {found}, but the function was compiled for strides {strides}, and writes "
                "into a view or a copy of it, whichever NumPy gives for that. Compile again for this layout"
            )
