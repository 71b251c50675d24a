"""How the source of a plan takes arguments and returns results.

How arguments lie in memory matters to some compiled functions: a reshape gives a view of one array and a copy of
another, and what is written to it is written to the argument or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import nesting
from ..core.nesting import Path
from ..core.program import Program
from ..errors import ShapeError


@dataclass(frozen=True)
class Interface:
    """How the source takes arguments and returns results.

    Attributes
    ----------
    head : str
        The parameters.
    opening : sequence of str
        The lines that make ``x0``, ``x1``, … from them, one an input of the program.
    returned : callable
        The expression that is returned, given those of the outputs.
    names : mapping of str to object
        What these texts refer to.
    taking : sequence of str
        The lines of the opening that take arguments apart, without those that look at the arrays.
    admitted : str
        The expression that gives the arrays, from what can be taken for them, and refuses what cannot.
    orders : mapping of int to tuple of int
        The axes of an input in the order in which they lie in memory, the outermost first, where that is another than
        in C. The plan is right whatever they are, and fast where they are so.
    positions : mapping of str to int
        The inputs of labels that the opening has found to be at least 0 and less than this.
    real : bool
        Whether some output is a float though no input need be one.
    strict : bool
        Whether a label that is no position is refused, rather than picks nothing.
    """

    head: str
    opening: Sequence[str]
    returned: Callable[[Sequence[str]], str]
    names: Mapping[str, Any]
    taking: Sequence[str] = ()
    admitted: str = ""
    orders: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)
    real: bool = False
    strict: bool = False

    @staticmethod
    def of(program: Program) -> Interface:
        """The input arrays one after another; the outputs as a tuple."""
        head = ", ".join(f"x{n}" for n in range(len(program.inputs)))
        return Interface(head, squeezed(program), lambda texts: f"({''.join(f'{t}, ' for t in texts)})", {})


def squeezed(program: Program) -> list[str]:
    """The lines that drop the inputs' axes of size 1 that have no letter."""
    sizes = program.sizes
    return [
        f"x{n} = x{n}.reshape({tuple(sizes[i] for i in declared.ref.indices)})"
        for n, declared in enumerate(program.inputs)
        if declared.units
    ]


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
