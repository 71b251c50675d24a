"""What loops call, compiled by numba, or by nothing: as Python runs them, to be looked at and tested.

``fastmath`` is given to ``plus`` alone, and of it only ``reassoc``: the terms of a sum may be added in any order, so
that several are added at once. Nothing else may be rearranged, or taken to be neither nan nor inf.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .native_functions import SCALARS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def interpreted() -> dict[str, Any]:
    """The names that the source of loops refers to, for Python itself."""

    def loops(*types: str) -> Decorator:
        return lambda function: function

    def flat(array: NDArray[Any], start: int, size: int, kind: Any) -> NDArray[Any]:
        memory = array.reshape(-1).view(np.uint8)
        return memory[start : start + size * np.dtype(kind).itemsize].view(kind)

    def plus(a: Any, b: Any) -> Any:
        return a + b

    return {**SCALARS, "loops": loops, "flat": flat, "plus": plus}


def compiled() -> dict[str, Any]:
    """The same names, for numba."""
    numba = import_module("numba")

    def loops(*types: str) -> Decorator:
        signature = numba.int64(*(array_type(text) for text in types))
        decorator: Decorator = numba.njit([signature], nogil=True, error_model="numpy")
        return decorator

    plus = numba.njit(fastmath={"reassoc"})(lambda a, b: a + b)
    return {**SCALARS, "loops": loops, "flat": flat_intrinsic(), "plus": plus}


def array_type(text: str) -> Any:
    """The type of ``"float64 2"``, a C-ordered array of two axes; one that begins with ``out`` is written to."""
    *out, dtype, axes = text.split()
    numba = import_module("numba")
    return numba.types.Array(numba.from_dtype(np.dtype(dtype)), int(axes), "C", readonly=not out)


def flat_intrinsic() -> Any:
    """``flat(array, start, size, kind)``: entries of a kind that begin at a byte of an array's memory.

    It makes no reference to the array, which the caller holds.
    """
    arrays: Any = import_module("numba.np.arrayobj")
    cgutils: Any = import_module("numba.core.cgutils")
    ir: Any = import_module("llvmlite.ir")
    types: Any = import_module("numba.types")

    def flat(context: Any, array: Any, start: Any, size: Any, kind: Any) -> Any:
        result = types.Array(kind.dtype, 1, "C")

        def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, at, length, _ = arguments
            made = arrays.make_array(result)(context, builder)
            memory = builder.bitcast(arrays.make_array(array)(context, builder, arguments[0]).data, byte)
            itemsize = context.get_constant(types.intp, context.get_abi_sizeof(made.data.type.pointee))
            arrays.populate_array(
                made, data=builder.bitcast(builder.gep(memory, [at]), made.data.type), itemsize=itemsize,
                shape=cgutils.pack_array(builder, [length]), strides=cgutils.pack_array(builder, [itemsize]),
                meminfo=None,
            )  # fmt: skip
            return made._getvalue()

        return result(array, types.intp, types.intp, kind), generated

    byte = ir.IntType(8).as_pointer()
    return import_module("numba.extending").intrinsic(flat)
