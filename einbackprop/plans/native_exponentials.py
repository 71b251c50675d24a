"""exp, sigmoid and tanh in arithmetic alone, so that a loop computes several entries at once.

``exp(x) = 2^n exp(r)`` with n whole and ``|r| ≤ ½ ln 2``, after Cody and Waite (1980): ln 2 is subtracted in two
parts, so that r is exact but for its last digit. ``exp(r) - 1`` is its Taylor series, as far as a term is not less than
rounding.
Each function stands here twice, as numba makes float64 of what a float32 is multiplied by unless it is one itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

single = np.float32
rint, copysign = np.rint, np.copysign
Scalar = Any


def doubles(power_of_two: Callable[[Scalar], Scalar], jit: Callable[[Any], Any]) -> dict[str, Any]:
    """The functions of float64, given ``power_of_two(n)``."""

    def reduced(x: Scalar) -> Scalar:
        """n, and exp(r) - 1, of an x between -750 and 710."""
        n = rint(x * 1.4426950408889634)
        r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
        p = 1 / 6227020800 * r + 1 / 479001600
        p = (((p * r + 1 / 39916800) * r + 1 / 3628800) * r + 1 / 362880) * r + 1 / 40320
        p = ((((p * r + 1 / 5040) * r + 1 / 720) * r + 1 / 120) * r + 1 / 24) * r + 1 / 6
        return n, r + r * r * (p * r + 0.5)

    def exp(x: Scalar) -> Scalar:
        inside = x if x > -750.0 else -750.0
        n, p = reduced(inside if inside < 710.0 else 710.0)
        half = rint(0.5 * n)  # 2^n itself may be too large or small for a number
        y = (1.0 + p) * power_of_two(half) * power_of_two(n - half)
        return y if x == x else x

    def sigmoid(x: Scalar) -> Scalar:
        small = exp(-abs(x))
        return (1.0 if x >= 0.0 else small) / (1.0 + small)

    def tanh(x: Scalar) -> Scalar:
        """``t = exp(-2|x|) - 1``, to rounding near 0 too; tanh of |x| is ``-t / (2 + t)``."""
        inside = -2.0 * abs(x)
        n, p = reduced(inside if inside > -700.0 else -700.0)
        scale = power_of_two(n)
        t = scale * p + (scale - 1.0)
        y = copysign(t / (2.0 + t), x)
        return y if x == x else x

    reduced = jit(reduced)
    exp = jit(exp)
    return {"float64_exp": exp, "float64_sigmoid": jit(sigmoid), "float64_tanh": jit(tanh)}


def singles(power_of_two: Callable[[Scalar], Scalar], jit: Callable[[Any], Any]) -> dict[str, Any]:
    """The functions of float32, given ``power_of_two(n)``."""

    def reduced(x: Scalar) -> Scalar:
        """n, and exp(r) - 1, of an x between -104 and 89."""
        n = rint(x * single(1.44269504))
        r = (x - n * single(0.693359375)) - n * single(-2.12194440e-4)
        p = single(1 / 40320) * r + single(1 / 5040)
        p = ((p * r + single(1 / 720)) * r + single(1 / 120)) * r + single(1 / 24)
        return n, r + r * r * ((p * r + single(1 / 6)) * r + single(0.5))

    def exp(x: Scalar) -> Scalar:
        inside = x if x > single(-104) else single(-104)
        n, p = reduced(inside if inside < single(89) else single(89))
        half = rint(single(0.5) * n)
        y = (single(1) + p) * power_of_two(half) * power_of_two(n - half)
        return y if x == x else x

    def sigmoid(x: Scalar) -> Scalar:
        small = exp(-abs(x))
        return (single(1) if x >= single(0) else small) / (single(1) + small)

    def tanh(x: Scalar) -> Scalar:
        inside = single(-2) * abs(x)
        n, p = reduced(inside if inside > single(-80) else single(-80))
        scale = power_of_two(n)
        t = scale * p + (scale - single(1))
        y = copysign(t / (single(2) + t), x)
        return y if x == x else x

    reduced = jit(reduced)
    exp = jit(exp)
    return {"float32_exp": exp, "float32_sigmoid": jit(sigmoid), "float32_tanh": jit(tanh)}
