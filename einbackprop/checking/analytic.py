"""Arrays that go through a user's NumPy code and carry what plain arrays would lose there, and how much rounding moves.

`AnalyticArray` is for the complex step: the real parts are the values of the real code, the imaginary parts an
infinitesimal direction. NumPy's complex functions do most of it; those that are not analytic (abs, norm, var,
comparisons, conj, ...) are replaced by the analytic function that equals them on the real line. There is no derivative
of anything in this file.

`noisy` makes classes of arrays in which every inexact operation errs a little more than it must: what comes out tells
how far rounding alone can move a result (Monte Carlo arithmetic, Parker 1997). Disturbances of a few eps of float64
vanish in a float32 buffer, and its rounding with them. So for `narrow_noise` values are moved by many roundings of the
narrow dtype, in equal steps: what is smooth leaves nothing in differences of high order, noise does (Moré and Wild,
Estimating computational noise, 2011).
"""

import dis
import sys
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from math import comb
from types import FrameType
from typing import Any

import numpy as np

from ..core.nesting import Convert, Number, duplicate_array, rebuild
from ..core.records import dataclass

Ufunc = Callable[..., Any]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMPLEX_WARNING = np.exceptions.ComplexWarning

# NumPy's complex versions leave the real line (log and sqrt of negative numbers) or lose digits in
# the real part (log1p); the real part of the result is therefore the real function's.
_REAL_PART_FIRST = _words(
    "exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan sinh cosh tanh arcsin arccos arctan "
    "arcsinh arccosh arctanh power float_power"
)
# Locally constant, or defined by real parts alone.
_ON_REAL_PARTS = _words(
    "sign floor ceil trunc rint heaviside signbit greater greater_equal less less_equal equal "
    "not_equal logical_and logical_or logical_xor logical_not floor_divide isnan isfinite isinf"
)
_IDENTITIES = _words("conjugate positive")
_EXACT = _words(
    "absolute fabs negative positive conjugate sign maximum minimum fmax fmin clip floor ceil trunc "
    "rint heaviside copysign ldexp"
)


class WatchedArray(np.ndarray):
    """An array whose every result stays in its class, 0-d results included."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is not None and out[0] is inputs[0] and np.ndim(out[0]) == 0:
            out = None  # `total += x` on what NumPy would have made an immutable scalar
        if np.dtype(kwargs.get("dtype") or bool).kind == "f":
            kwargs["dtype"] = None  # np.sum(x, dtype=float)
        if method == "at" or out is None:
            return self.carried(self.operate(ufunc, method, [bare(x) for x in inputs], kwargs))
        return self._into(out, ufunc, method, inputs, kwargs)

    def _into(self, out: Any, ufunc: np.ufunc, method: str, inputs: Any, kwargs: Any) -> Any:
        mask = bare(kwargs.get("where", True))
        if mask is not True:
            kwargs["where"] = mask
        result = self.operate(ufunc, method, [bare(x) for x in inputs], kwargs)
        for target, values in zip(out, result if len(out) > 1 else (result,), strict=True):
            if target is not None:
                np.copyto(bare(target), values, casting="same_kind", where=mask)
        return out if len(out) > 1 else out[0]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if _is_float_type(kwargs.get("dtype")):
            kwargs = {name: value for name, value in kwargs.items() if name != "dtype"}
        types = tuple(np.ndarray if issubclass(kind, WatchedArray) else kind for kind in types)
        return self.carried(super().__array_function__(func, types, args, kwargs))

    def __getitem__(self, index: Any) -> Any:
        return self.carried(super().__getitem__(index))

    def carried(self, result: Any) -> Any:
        """Put a result, or each of several, back into this class if it carries anything."""
        if isinstance(result, (tuple, list)) and not hasattr(result, "_fields"):
            return type(result)(self.carried(item) for item in result)
        if isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == self.kind():
            return result if type(result) is type(self) else np.asarray(result).view(type(self))
        return result

    def kind(self) -> str:
        """Return the kind of the dtypes that carry something: 'c' complex, 'f' floating."""
        raise NotImplementedError

    def operate(self, ufunc: np.ufunc, method: str, inputs: list[Any], kwargs: Any) -> Any:
        """Return what the ufunc gives for plain arrays."""
        raise NotImplementedError


class AnalyticArray(WatchedArray):
    """Complex values that stand for real values and an infinitesimal direction."""

    def kind(self) -> str:
        return "c"

    def operate(self, ufunc: np.ufunc, method: str, inputs: list[Any], kwargs: Any) -> Any:
        name = ufunc.__name__
        if name in _ON_REAL_PARTS:
            return getattr(ufunc, method)(*[_real(x) for x in inputs], **kwargs)
        if method == "__call__" and name in _IDENTITIES:
            return np.array(inputs[0])
        if method == "__call__" and name in _REPLACED:
            return _REPLACED[name](*inputs)
        result = getattr(ufunc, method)(*inputs, **kwargs)
        if name in _REAL_PART_FIRST and method == "__call__":
            real = ufunc(*[_real(x) for x in inputs], **kwargs)
            result = np.asarray(result)
            result.real[...] = real
        return result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in _REPLACED_FUNCTIONS:
            return self.carried(_REPLACED_FUNCTIONS[func](*args, **kwargs))
        return super().__array_function__(func, types, args, kwargs)

    real: Any = property(lambda self: self)
    imag: Any = property(lambda self: np.zeros(self.shape))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep the direction where a float is asked for; an integer or bool has none."""
        return self.copy() if np.dtype(dtype).kind in "fc" else _real(bare(self)).astype(dtype)

    def var(self, *arguments: Any, **options: Any) -> Any:
        """Mean square about the mean, without NumPy's conjugate."""
        return _variance(self, *arguments, **options)

    def std(self, *arguments: Any, **options: Any) -> Any:
        """Square root of `var`."""
        return np.sqrt(_variance(self, *arguments, **options))

    def round(self, decimals: Any = 0, out: Any = None) -> Any:
        """Locally constant. NumPy would round the real and imaginary parts, and ask each for its parts without end."""
        return np.round(_real(bare(self)), decimals, out)

    def __bool__(self) -> bool:
        return bool(_real(bare(self)))

    def __int__(self) -> int:
        return int(_real(bare(self)))

    def __float__(self) -> float:
        if is_formatting(sys._getframe(1)):
            return float(_real(bare(self)))
        raise COMPLEX_WARNING("float() would drop the direction")

    def __format__(self, spec: str) -> str:
        return format(_real(bare(self))[()], spec)

    def __round__(self, digits: int | None = None) -> Any:
        return round(_real(bare(self)).item(), digits)


def is_formatting(frame: FrameType) -> bool:
    """Whether what a frame does now is ``text % values``: a number is asked for to be written, not to go on with it."""
    code, at = frame.f_code.co_code, frame.f_lasti
    return dis.opname[code[at]] == "BINARY_OP" and code[at + 1] in REMAINDERS


REMAINDERS = (6, 19)
"""Which operations of BINARY_OP are % and %=."""


@lru_cache(maxsize=32)
def noisy(kind: type[WatchedArray], salt: int, amplification: float) -> Any:
    """Return a class like `kind` in which each inexact operation errs by `amplification` eps.

    The relative error is that of `disturbed`; eps is that of the result's dtype, so that a float32
    step in float64 code counts as one. One salt, one way to err.
    """

    class Noisy(kind):  # type: ignore[misc, valid-type]
        def operate(self, ufunc: np.ufunc, method: str, inputs: list[Any], kwargs: Any) -> Any:
            result = super().operate(ufunc, method, inputs, kwargs)
            if ufunc.__name__ in _EXACT or not hasattr(result, "dtype"):
                return result
            return disturbed(result, salt, amplification)

        def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
            result = super().astype(dtype, *args, **options)
            narrower = result.dtype.kind == "f" and result.itemsize < self.itemsize
            return self.carried(disturbed(result, salt, amplification)) if narrower else result

    return Noisy


FILLED = (np.zeros, np.ones, np.empty, np.full, np.zeros_like, np.ones_like, np.empty_like, np.full_like)
GATHERED = (np.array, np.asarray)


def creating(kind: type[AnalyticArray]) -> tuple[tuple[Any, Any], ...]:
    """Return the functions that create arrays of float64, each with one whose arrays carry a direction: a real array
    would lose it when it is filled.
    """
    def filled(function: Any) -> Any:
        def created(*args: Any, **kwargs: Any) -> Any:
            array = function(*args, **kwargs)
            return array.astype(np.complex128).view(kind) if bare(array).dtype == np.float64 else array

        return created

    def gathered(function: Any) -> Any:
        def created(value: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
            array = function(value, None if _is_float_type(dtype) else dtype, *args, **kwargs)
            if array.dtype.kind == "c":
                return array.view(kind)
            return array if dtype is None or array.dtype == dtype else function(value, dtype, *args, **kwargs)

        return created

    return (*((one, filled(one)) for one in FILLED), *((one, gathered(one)) for one in GATHERED))


class RoundedArray(WatchedArray):
    """Real values as they are; `noisy` makes them err."""

    def kind(self) -> str:
        return "f"

    def operate(self, ufunc: np.ufunc, method: str, inputs: list[Any], kwargs: Any) -> Any:
        return getattr(ufunc, method)(*inputs, **kwargs)


def disturbed(values: Any, salt: int, amplification: float) -> Any:
    """Return inexact values with a relative error of up to `amplification` eps of their dtype.

    The error is a hash of the value and the salt: uniform, but the same for what is computed twice,
    as rounding is. So ``z == z.max()`` finds its maximum, and what cancels exactly still does.
    """
    values = np.asarray(values)
    if values.dtype.kind == "c":
        return disturbed(values.real, salt, amplification) + 1j * disturbed(values.imag, salt, amplification)
    if values.dtype.kind != "f":
        return values
    noise = _hashed(values, salt)
    noise *= amplification * _eps(values.dtype)
    noise += 1
    found: np.ndarray = (noise.reshape(values.shape) * values).astype(values.dtype, copy=False)
    return found


_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)  # made once: a run of the user's code asks thousands of times
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@cache
def _eps(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps)


def _hashed(values: np.ndarray, salt: int) -> np.ndarray:
    """Numbers between -1 and 1, in one row (the finalizer of SplitMix64; Steele, Lea and Flood 2014)."""
    bits = np.array(values, dtype=np.float64).ravel().view(np.uint64)  # a copy
    bits += np.uint64(salt)
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        bits ^= bits >> shift
        bits *= factor
    bits ^= bits >> _SHIFTS[-1]
    return bits * 2.0**-63 - 1.0


def bare(value: Any) -> Any:
    """Return a watched array as the plain array it is; anything else unchanged."""
    return value.view(np.ndarray) if isinstance(value, WatchedArray) else value


def _real(value: Any) -> Any:
    return np.real(value) if np.iscomplexobj(value) else value


def _is_float_type(dtype: Any) -> bool:
    return dtype is not None and np.dtype(dtype).kind == "f"


def _absolute(x: Any) -> Any:
    return np.where(_real(x) < 0, -x, x)


def _maximum(a: Any, b: Any) -> Any:
    return np.where((_real(a) >= _real(b)) | np.isnan(_real(a)), a, b)


def _minimum(a: Any, b: Any) -> Any:
    return np.where((_real(a) <= _real(b)) | np.isnan(_real(a)), a, b)


def _logaddexp(a: Any, b: Any) -> Any:
    high, low = _maximum(a, b), np.where(_real(a) >= _real(b), b, a)
    tail = np.exp(low - high)
    result = np.asarray(high + np.log(1 + tail))
    result.real[...] = np.logaddexp(_real(a), _real(b))
    return result


def _variance(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: Any = False,
    correction: Any = None,
) -> Any:  # fmt: skip
    centred = x - x.mean(axis=axis, keepdims=True)
    total = (centred * centred).sum(axis=axis, keepdims=keepdims not in (False, np._NoValue))
    return total / (x.size / max(total.size, 1) - (ddof if correction is None else correction))


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm of the real line; the spectral norms are not redefined and raise."""
    if axis is None and (ord is None or x.ndim == 1):
        shape = (1,) * x.ndim if keepdims else ()
        return np.reshape(_vector_norm(x.reshape(-1), 2 if ord is None else ord, 0, False), shape)
    axes = tuple(range(x.ndim)) if axis is None else axis
    if isinstance(axes, int) or len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if ord in (None, "fro"):
        return np.sqrt(np.sum(x * x, axis=axes, keepdims=keepdims))
    raise COMPLEX_WARNING(f"the {ord!r} norm of a matrix has no analytic form here")


def _vector_norm(x: Any, order: Any, axis: Any, keepdims: bool) -> Any:
    if order == 2:
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if order == 0:
        return np.sum(size != 0, axis=axis, keepdims=keepdims)
    return np.sum(size**order, axis=axis, keepdims=keepdims) ** (1 / order)


_REPLACED: dict[str, Ufunc] = {
    "absolute": _absolute,
    "fabs": _absolute,
    "maximum": _maximum,
    "minimum": _minimum,
    "fmax": _maximum,
    "fmin": _minimum,
    "clip": lambda x, low, high: _minimum(_maximum(x, low), high),
    "logaddexp": _logaddexp,
    "hypot": lambda a, b: np.sqrt(a * a + b * b),
    "vecdot": lambda a, b, **kwargs: np.sum(a * b, axis=-1),
}
_REPLACED_FUNCTIONS: dict[Any, Ufunc] = {
    np.linalg.norm: _norm,
    np.vdot: lambda a, b: np.sum(np.ravel(a) * np.ravel(b)),
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True,
    np.iscomplex: lambda x: np.zeros(np.shape(x), dtype=bool),
    np.isreal: lambda x: np.ones(np.shape(x), dtype=bool),
    np.real_if_close: lambda x, tol=100: x,
}


POINTS = (-2, -1, 1, 2)
SINGLE = float(np.finfo(np.float32).eps)
HALF = float(np.finfo(np.float16).eps)
STEPS = {SINGLE: 2.0**-20, HALF: 2.0**-8}  # several roundings, and small enough that powers of it are nothing
ORDERS = (3, 4)
UNLIKE = 16.0  # times as much in the lower of them: values without noise on a curve
PLAIN = 16.0  # noise above that many roundings of the wide dtype is of a narrow one


def noise(runs: np.ndarray) -> np.ndarray:
    """Take values at equally spaced points, along the first axis; return the standard deviation of their noise."""
    low, high = (np.abs(np.diff(runs, n=order, axis=0)).max(axis=0) / comb(2 * order, order) ** 0.5 for order in ORDERS)
    found = np.where(UNLIKE * high < low, 0.0, np.minimum(low, high))  # what a higher order removes is a bend
    return np.where(np.isfinite(found), found, 0.0)


def moved(state: Any, step: float, rng: np.random.Generator, first: Convert = duplicate_array) -> Iterator[Any]:
    """Copies of a state whose real numbers are moved by multiples of a relative step, whole numbers as they are.

    The multiples are `POINTS`, the direction is one; `first` copies an array.
    """
    seed = int(rng.integers(2**63))
    for point in POINTS:
        yield rebuild(state, _Shift(point * step, np.random.default_rng(seed), first))


@dataclass
class _Shift:
    """Copies an array and moves it along the next direction."""

    step: float
    directions: np.random.Generator
    first: Convert

    def __call__(self, array: np.ndarray) -> Any:
        values = np.asarray(array)
        speed = self.directions.uniform(-1.0, 1.0, values.shape)
        copied = self.first(array)
        if values.dtype.kind != "f":
            return copied
        copied *= 1 + self.step * np.where(values == np.rint(values), 0.0, speed)
        return float(copied) if type(array) is Number else copied


def narrow_noise(
    function: Callable[[Any], np.ndarray | None], state: Any, value: np.ndarray, plain: np.ndarray,
    rng: np.random.Generator, dtype_eps: float = SINGLE, first: Convert = duplicate_array,
) -> np.ndarray:  # fmt: skip
    """Return how noisy a function's values are if that is more than plain rounding explains, else zeros.

    Parameters
    ----------
    function
        Takes a state, which it may change; returns an array, or None where it does not run.
    state, value
        A state, and the function's value there.
    plain
        What one rounding of every operation, in the dtypes of their results, does to the value.
    rng
        Draws the directions in which the state is moved.
    dtype_eps
        Of the narrow dtype that is looked for.
    first
        Copies an array of the state.
    """
    floor = PLAIN * np.maximum(plain, float(np.finfo(float).eps) * np.abs(value))
    nothing = np.zeros(np.shape(value))
    sizes: list[np.ndarray] = []
    for _ in range(3):
        runs = [function(other) for other in moved(state, STEPS[dtype_eps], rng, first)]
        if any(run is None or np.shape(run) != np.shape(value) for run in runs):
            return nothing
        sizes.append(noise(np.array([*runs[:2], value, *runs[2:]], dtype=np.float64)))
        quiet = [not np.any(size > floor) for size in sizes]
        if (quiet[-1] and np.ndim(value)) or quiet.count(True) == 2:
            return nothing
    second, largest = np.sort(sizes, axis=0)[-2:]  # a kink is crossed in one direction or the other, noise is in all
    return np.where(second > floor, largest, 0.0)
