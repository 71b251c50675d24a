"""What loops call, compiled by numba.

``fastmath`` is given to ``plus`` alone, and of it only ``reassoc``: the terms of a sum may be added in any order, so
that several are added at once. Nothing else may be rearranged, or taken to be neither nan nor inf.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .native_exponentials import doubles, singles
from .native_functions import SCALARS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def compiled() -> dict[str, Any]:
    """The names that the source of loops refers to."""
    numba = import_module("numba")
    inline = numba.njit(error_model="numpy", forceinline=True)
    power_of_two = power_intrinsic()

    def loops(*types: str) -> Decorator:
        signature = numba.int64(*(array_type(text) for text in types))
        decorator: Decorator = numba.njit([signature], nogil=True, error_model="numpy")
        return decorator

    names = {
        "loops": loops,
        "flat": flat_intrinsic(),
        "choose": choice_intrinsic(),
        "plus": numba.njit(fastmath={"reassoc"})(lambda a, b: a + b),
        "larger": extreme_intrinsic("maximum", ">"),
        "smaller": extreme_intrinsic("minimum", "<"),
    }
    return {**SCALARS, **names, **doubles(power_of_two, inline), **singles(power_of_two, inline)}


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


def power_intrinsic() -> Any:
    """``power_of_two(n)`` of a whole number n in floating point, whose power is neither too large nor too small."""
    ir: Any = import_module("llvmlite.ir")

    def power_of_two(context: Any, n: Any) -> Any:
        bias, digits = (127, 23) if n.bitwidth == 32 else (1023, 52)

        def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            bits = ir.IntType(n.bitwidth)
            whole = builder.fptosi(arguments[0], ir.IntType(32))
            exponent = builder.add(builder.sext(whole, bits), ir.Constant(bits, bias))
            return builder.bitcast(builder.shl(exponent, ir.Constant(bits, digits)), arguments[0].type)

        return n(n), generated

    return import_module("numba.extending").intrinsic(power_of_two)


def extreme_intrinsic(name: str, sign: str) -> Any:
    """``larger(a, b)`` or ``smaller(a, b)``: nan if one is, as one instruction for several entries at once."""
    ir: Any = import_module("llvmlite.ir")

    def extreme(context: Any, a: Any, b: Any) -> Any:
        def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = arguments[0].type
            if isinstance(kind, ir.IntType):
                compare = builder.icmp_unsigned if kind.width == 1 else builder.icmp_signed
                return builder.select(compare(sign, *arguments), *arguments)
            call = builder.module.declare_intrinsic(f"llvm.{name}", [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(call, arguments)

        return a(a, a), generated

    return import_module("numba.extending").intrinsic(extreme)


def choice_intrinsic() -> Any:
    """``choose(condition, a, b)`` without a branch, which would keep a loop from computing several entries at once."""

    def choose(context: Any, condition: Any, a: Any, b: Any) -> Any:
        def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.select(*arguments)

        return a(import_module("numba.types").boolean, a, a), generated

    return import_module("numba.extending").intrinsic(choose)
