"""Pointwise functions where NumPy's own is not accurate, analytic or exact enough, or where it has none."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .factors import Number

Array = NDArray[Any]


def power(x: Array, exponent: Number) -> Any:
    """``x**p``. Whole powers of Fractions are exact; a Python scalar as exponent keeps float32."""
    if exponent == -1:
        return 1 / x
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        whole = int(exponent)
        return x**whole if whole >= 0 else 1 / x**-whole
    if x.dtype == object:
        raise TypeError(f"a Fraction to the power {exponent} is not a Fraction")
    if exponent == Fraction(1, 2):
        return np.sqrt(x)
    if exponent == Fraction(1, 3) and x.dtype.kind != "c":
        return np.cbrt(x)
    return x ** (float(exponent) if isinstance(exponent, Fraction) else exponent)


def decaying(x: Array) -> tuple[Array, Array]:
    """Where x is positive, and ``exp(-|x|)``, which never overflows (of complex x: by the sign of its real part)."""
    positive = x.real >= 0
    return positive, np.exp(np.where(positive, -x, x))


def sigmoid(x: Array) -> Any:
    """``1/(1 + exp(-x))``, accurate to rounding on both sides: 4e-18 at -40."""
    positive, small = decaying(x)
    return np.where(positive, 1, small) / (1 + small)


def softplus(x: Array) -> Any:
    """``log(1 + exp(x))``, which is x plus ``log(1 + exp(-x))``."""
    positive, small = decaying(x)
    return np.where(positive, x, 0) + np.log1p(small)


def logaddexp(a: Array, b: Array) -> Any:
    """``log(exp(a) + exp(b))``. NumPy's takes no complex numbers."""
    if np.result_type(a, b).kind != "c":
        return np.logaddexp(a, b)
    larger = np.where(a.real >= b.real, a, b)
    return larger + np.log1p(np.exp(a + b - 2 * larger))


def hypot(a: Array, b: Array) -> Any:
    """``sqrt(a² + b²)``. NumPy's takes no complex numbers."""
    return np.hypot(a, b) if np.result_type(a, b).kind != "c" else np.sqrt(a * a + b * b)


def arctan2(a: Array, b: Array) -> Any:
    """The angle of the point (b, a). NumPy's takes no complex numbers: the angle of the real parts, and the rest."""
    angle = np.arctan2(a.real, b.real)
    if np.result_type(a, b).kind != "c":
        return angle
    sin, cos = np.sin(angle), np.cos(angle)
    return angle + np.arctan((a * cos - b * sin) / (b * cos + a * sin))


def cast_where(condition: Array, a: Array, b: Array) -> Any:
    """``a`` where the condition holds, else ``b``. Zeros and ones, as booleans, are numbers of the other's kind."""
    kinds = [array.dtype for array in (a, b) if array.dtype != bool] or [np.dtype(np.int64)]
    return np.where(condition.astype(bool), a, b).astype(np.result_type(*kinds))


@cache
def of_numbers() -> Callable[..., Any]:
    """The error function of SciPy, where that is installed; else Python's, a number at a time."""
    try:
        fast: Callable[..., Any] = import_module("scipy.special").erf
    except ImportError:
        return np.vectorize(math.erf, otypes=[float])
    return fast


def erf(x: Array) -> Any:
    """``2/√π ∫ exp(-t²) dt`` from 0 to x, which NumPy lacks."""
    made = of_numbers()(x)
    return made.astype(x.dtype) if x.dtype.kind == "f" else made
