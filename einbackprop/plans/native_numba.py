"""What loops call, compiled by numba.

``fastmath`` is given to ``plus`` alone, and of it only ``reassoc``: the terms of a sum may be added in any order, so
that several are added at once. Nothing else may be rearranged, or taken to be neither nan nor inf.

exp, sigmoid and tanh are made in arithmetic alone, so that a loop computes several entries at once.
``exp(x) = 2^n exp(r)`` with n whole and ``|r| ≤ ½ ln 2``, after Cody and Waite (1980): ln 2 is subtracted in two
parts, so that r is exact but for its last digit. ``exp(r) - 1`` is its Taylor series, as far as a term is not less than
rounding. Numbers are float32 where x is: numba makes float64 of what a float32 is multiplied by unless it is one
itself.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .native_functions import SCALARS

single = np.float32
rint, copysign = np.rint, np.copysign
Scalar = Any


Jit = Callable[[Any], Any]


def doubles(x: Scalar) -> Scalar:
    """n, and exp(r) - 1, of an x of float64 between -750 and 710."""
    n = rint(x * 1.4426950408889634)
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    p = 1 / 6227020800 * r + 1 / 479001600
    p = (((p * r + 1 / 39916800) * r + 1 / 3628800) * r + 1 / 362880) * r + 1 / 40320
    p = ((((p * r + 1 / 5040) * r + 1 / 720) * r + 1 / 120) * r + 1 / 24) * r + 1 / 6
    return n, r + r * r * (p * r + 0.5)


def singles(x: Scalar) -> Scalar:
    """n, and exp(r) - 1, of an x of float32 between -104 and 89."""
    n = rint(x * single(1.44269504))
    r = (x - n * single(0.693359375)) - n * single(-2.12194440e-4)
    p = single(1 / 40320) * r + single(1 / 5040)
    p = ((p * r + single(1 / 720)) * r + single(1 / 120)) * r + single(1 / 24)
    return n, r + r * r * ((p * r + single(1 / 6)) * r + single(0.5))


KINDS = {np.float64: (doubles, -750, 710, -700), np.float32: (singles, -104, 89, -80)}
"""n and exp(r) - 1, the bounds of an x whose exp is neither 0 nor inf, and that of a -2|x| whose tanh is not yet 1."""


def exponentials(kind: Any, power_of_two: Callable[[Scalar], Scalar], jit: Jit) -> dict[str, Any]:
    """The functions of one kind of floats, given ``power_of_two(n)``."""
    reduced, *bounds = KINDS[kind]
    zero, half, one, two, lowest, highest, last = map(kind, (0, 0.5, 1, 2, *bounds))
    reduced = jit(reduced)

    def exp(x: Scalar) -> Scalar:
        inside = x if x > lowest else lowest
        n, p = reduced(inside if inside < highest else highest)
        first = rint(half * n)  # 2^n itself may be too large or small for a number
        y = (one + p) * power_of_two(first) * power_of_two(n - first)
        return y if x == x else x

    def sigmoid(x: Scalar) -> Scalar:
        small = exp(-abs(x))
        return (one if x >= zero else small) / (one + small)

    def tanh(x: Scalar) -> Scalar:
        """``t = exp(-2|x|) - 1``, to rounding near 0 too; tanh of |x| is ``-t / (2 + t)``."""
        inside = -two * abs(x)
        n, p = reduced(inside if inside > last else last)
        scale = power_of_two(n)
        t = scale * p + (scale - one)
        y = copysign(t / (two + t), x)
        return y if x == x else x

    exp = jit(exp)
    name = kind.__name__
    return {f"{name}_exp": exp, f"{name}_sigmoid": jit(sigmoid), f"{name}_tanh": jit(tanh)}


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def compiled() -> dict[str, Any]:
    """The names that the source of loops refers to."""
    numba = import_module("numba")
    inline = numba.njit(error_model="numpy", forceinline=True)
    power_of_two = power_intrinsic()

    def loops(*types: str) -> Decorator:
        signature = numba.int64(*(parameter_type(text) for text in types))
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
    wide, narrow = (exponentials(kind, power_of_two, inline) for kind in KINDS)
    return {**SCALARS, **names, **wide, **narrow}


def parameter_type(text: str) -> Any:
    """The type of ``"index"``, or of ``"float64 2"``, a C-ordered array of two axes.

    An array whose text begins with ``out`` is written to.
    """
    numba = import_module("numba")
    if text == "index":
        return numba.int64
    *out, dtype, axes = text.split()
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
