"""How ufuncs are written down: sums, products and pointwise functions; and ``x[mask]``, the entries where a mask holds.

How many those are depends on the values, so the whole array is kept beside the mask, for as long as what is done with
them can be done with the whole array; else the positions are kept.
"""

import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from ..core.program import ONE, Contract, Factor, Map, Ref, Sum
from ..errors import TraceError
from . import failures, memory, sizes
from .memory import View, is_traced
from .recorder import Indexed, Recorder
from .sizes import is_measured, plain, rational

MAPS = {
    np.exp: "exp", np.exp2: "exp2", np.expm1: "expm1", np.log: "log", np.log2: "log2", np.log10: "log10",
    np.log1p: "log1p", np.sin: "sin", np.cos: "cos", np.tan: "tan", np.arcsin: "arcsin", np.arccos: "arccos",
    np.arctan: "arctan", np.sinh: "sinh", np.cosh: "cosh", np.tanh: "tanh", np.arcsinh: "arcsinh",
    np.arccosh: "arccosh", np.arctanh: "arctanh", np.arctan2: "arctan2", np.hypot: "hypot",
    np.logaddexp: "logaddexp", np.absolute: "abs", np.fabs: "abs", np.sign: "sign", np.floor: "floor",
    np.ceil: "ceil", np.rint: "round", np.trunc: "trunc", np.maximum: "maximum", np.minimum: "minimum",
    np.fmax: "maximum", np.fmin: "minimum", np.remainder: "mod", np.floor_divide: "floor_divide",
    np.greater: "greater", np.greater_equal: "greater_equal", np.less: "less", np.less_equal: "less_equal",
    np.equal: "equal", np.not_equal: "not_equal", np.logical_and: "logical_and", np.logical_or: "logical_or",
    np.logical_xor: "logical_xor", np.logical_not: "logical_not", np.isnan: "isnan", np.isinf: "isinf",
    np.isfinite: "isfinite",
}  # fmt: skip
OF_BOOLEANS = {
    np.bitwise_and: "logical_and", np.bitwise_or: "logical_or", np.bitwise_xor: "logical_xor",
    np.invert: "logical_not", np.add: "logical_or",
}  # fmt: skip
POWERS = {np.sqrt: Fraction(1, 2), np.square: Fraction(2), np.reciprocal: Fraction(-1), np.cbrt: Fraction(1, 3)}
LN2 = float(np.log(2))
SCALED = {np.deg2rad: np.pi / 180, np.radians: np.pi / 180, np.rad2deg: 180 / np.pi, np.degrees: 180 / np.pi}


def is_scalar(value: Any) -> bool:
    """A number that is no traced array: it becomes a factor."""
    kind = type(value)
    if kind is float or kind is int or is_measured(value):
        return True
    if kind is np.ndarray:
        return bool(value.ndim == 0)
    return isinstance(value, int | float | complex | np.number | np.bool_) and not is_traced(value)


def is_zero(value: Any) -> bool:
    """A plain zero."""
    return is_scalar(value) and not is_measured(value) and bool(value == 0)


def is_boolean(value: Any) -> bool:
    """Whether an operand holds True and False."""
    return bool(np.asarray(value.value if is_traced(value) else plain(value)).dtype == bool)


def lift(recorder: Recorder, value: Any) -> Any:
    """An operand as a traced array: a plain array or a number is a constant."""
    if is_traced(value):
        return value
    if is_scalar(value):
        factor = recorder.factor(value)
        return recorder.define([], lambda out, source: Contract(out, factor=factor, source=source), plain(value))
    return recorder.constant(value if isinstance(value, np.ndarray) else np.array(value))


def pointwise(recorder: Recorder, ufunc: np.ufunc, inputs: Sequence[Any], value: Any) -> Any:
    """Write down one call of a ufunc; ``value`` is its result in this run."""
    if ufunc in OF_BOOLEANS and all(map(is_boolean, inputs)):
        return apply_map(recorder, OF_BOOLEANS[ufunc], inputs, value)
    if ufunc in WRITTEN:
        return WRITTEN[ufunc](recorder, value, *inputs)
    if ufunc is np.reciprocal and np.asarray(value).dtype.kind in "iu":
        return apply_map(recorder, "floor_divide", [1, inputs[0]], value)
    if ufunc in POWERS:
        return apply_map(recorder, "power", inputs, value, POWERS[ufunc])
    if ufunc in SCALED:
        return scaled(recorder, inputs[0], Factor.of(SCALED[ufunc]), value)
    if ufunc is np.conjugate:
        return apply_map(recorder, "conj", inputs, value) if np.iscomplexobj(value) else lift(
            recorder, inputs[0]).copied(value)  # fmt: skip
    if ufunc in MAPS:
        return apply_map(recorder, MAPS[ufunc], inputs, value)
    return unread(recorder, inputs, f"{name_of(ufunc)} is not read", value)


def name_of(function: Any) -> str:
    """What a function of a library is called: ``np.exp``, ``np.linalg.qr``, ``scipy.special.erf``."""
    name = str(function.__name__)
    if isinstance(function, np.ufunc):
        homes = [home for home in ("numpy", "scipy.special") if getattr(sys.modules.get(home), name, None) is function]
        module = homes[0] if homes else ""
    else:
        module = function.__module__ or ""
    public = [part for part in module.split(".") if not part.startswith("_")]
    return ".".join(["np" if part == "numpy" else part for part in public] + [name])


def unread(recorder: Recorder, operands: Sequence[Any], reason: str, value: Any) -> Any:
    """The value, or each of several, as what could not be read."""
    traced = [operand for operand in operands if is_traced(operand)]
    if isinstance(value, tuple | list):
        parts = [recorder.opaque(traced, reason, part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return recorder.opaque(traced, reason, value)


def apply_map(
    recorder: Recorder, function: str, inputs: Sequence[Any], value: Any, parameter: Fraction | None = None
) -> Any:
    """``function`` of arrays that broadcast."""
    if function == "maximum" and any(map(is_zero, inputs)):
        function, inputs = "relu", [x for x in inputs if not is_zero(x)][:1] or inputs[:1]
    read, axes = recorder.broadcast([lift(recorder, i) for i in inputs])
    refs = tuple(x.ref for x in read)
    return recorder.define(axes, lambda out, source: Map(out, function, refs, parameter, source), value)


def scaled(recorder: Recorder, array: Any, factor: Factor, value: Any) -> Any:
    """A factor times an array; times 1 it is the same value in memory of its own."""
    array = lift(recorder, array)
    if factor == ONE:
        return array.copied(value)
    x = recorder.read(array)
    return recorder.define(x.axes, lambda out, source: Contract(out, (x.ref,), (), factor, source), value)


def add(recorder: Recorder, a: Any, b: Any, sign: int, value: Any) -> Any:
    """``a ± b``: a number becomes a factor times 1."""
    if is_zero(a) or is_zero(b):
        return scaled(recorder, b if is_zero(a) else a, Factor.of(sign if is_zero(a) else 1), value)
    arrays = [x for x in (a, b) if not is_scalar(x)]
    read, axes = recorder.broadcast([lift(recorder, x) for x in arrays])
    refs = iter([x.ref for x in read])
    terms: list[tuple[Factor, Ref | None]] = []
    for x, number in ((a, 1), (b, sign)):
        factor = Factor.of(number)
        if not is_scalar(x):
            terms.append((factor, next(refs)))
        else:
            terms.append((factor * recorder.factor(x), None))
    return recorder.define(axes, lambda out, source: Sum(out, tuple(terms), source), value)


def contracted(recorder: Recorder, operands: Sequence[Indexed], axes: Sequence[str], value: Any) -> Any:
    """The product of operands, summed over every letter that the result lacks."""
    refs = tuple(x.ref for x in operands)
    return recorder.define(axes, lambda out, source: Contract(out, refs, source=source), value)


def product(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a · b``, pointwise."""
    for x, other in ((a, b), (b, a)):
        if is_scalar(x):
            return scaled(recorder, other, recorder.factor(x), value)
    read, axes = recorder.broadcast([lift(recorder, a), lift(recorder, b)])
    return contracted(recorder, read, axes, value)


def quotient(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a / b``: by a number a factor, by an array the product with its reciprocal."""
    if is_scalar(b):
        number = 1 / b if is_measured(b) else rational(b)
        if is_measured(b):
            return scaled(recorder, a, recorder.factor(number), value)
        if isinstance(number, Fraction) and number:
            return scaled(recorder, a, Factor(1 / number), value)
    inverse = apply_map(recorder, "power", [b], reciprocal(b), Fraction(-1))
    if is_scalar(a):
        return scaled(recorder, inverse, recorder.factor(a), value)
    return product(recorder, a, inverse, value)


def reciprocal(b: Any) -> Any:
    """One over the plain numbers."""
    with np.errstate(all="ignore"):
        return 1.0 / np.asarray(b.value if is_traced(b) else b)


def power(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a ** b``: a constant exponent is a parameter; a size stays one."""
    exponent = rational(b) if is_scalar(b) and not is_measured(b) else None
    if exponent == 1:
        return lift(recorder, a).copied(value)
    if isinstance(exponent, Fraction) and exponent and not is_scalar(a):
        return apply_map(recorder, "power", [a], value, exponent)
    return apply_map(recorder, "pow", [a, b], value)


def heaviside(recorder: Recorder, x: Any, middle: Any, value: Any) -> Any:
    """0 below 0, 1 above, and what is said at 0."""
    plain_x = np.asarray(x.value if is_traced(x) else x)
    above = apply_map(recorder, "greater", [x, 0], plain_x > 0)
    at_zero = apply_map(recorder, "equal", [x, 0], plain_x == 0)
    return apply_map(recorder, "where", [at_zero, middle, above], value)


def cast(recorder: Recorder, array: View, dtype: Any) -> Any:
    """``astype``: the same values in memory of their own, whole numbers if the dtype is whole."""
    kind, before = np.dtype(dtype).kind, np.asarray(array.value).dtype.kind
    value = array.value.astype(dtype) if isinstance(array.value, np.ndarray) else np.asarray(array.value).astype(dtype)
    if kind not in "fiucb":
        return unread(recorder, [array], f"an array of dtype {np.dtype(dtype).name} is not read", value)
    if kind in "iu" and before == "f":
        return apply_map(recorder, "trunc", [array], value)
    if kind == "b" and before != "b":
        return apply_map(recorder, "not_equal", [array, 0], value)
    return apply_map(recorder, "real", [array], value) if kind != "c" and before == "c" else array.copied(value)


WRITTEN: dict[np.ufunc, Callable[..., Any]] = {
    np.add: lambda r, v, a, b: add(r, a, b, 1, v),
    np.subtract: lambda r, v, a, b: add(r, a, b, -1, v),
    np.negative: lambda r, v, a: scaled(r, a, Factor(Fraction(-1)), v),
    np.positive: lambda r, v, a: lift(r, a).copied(v),
    np.multiply: lambda r, v, a, b: product(r, a, b, v),
    np.true_divide: lambda r, v, a, b: quotient(r, a, b, v),
    np.power: lambda r, v, a, b: power(r, a, b, v),
    np.float_power: lambda r, v, a, b: power(r, a, b, v),
    np.heaviside: lambda r, v, a, b: heaviside(r, a, b, v),
    np.fmod: lambda r, v, a, b: a - b * np.trunc(a / b),
    np.copysign: lambda r, v, a, b: np.where(np.less(b, 0), -np.abs(a), np.abs(a)),
    np.signbit: lambda r, v, a: np.less(a, 0),
    np.ldexp: lambda r, v, a, b: a * 2.0**b,
    np.logaddexp2: lambda r, v, a, b: np.logaddexp(a * LN2, b * LN2) / LN2,
}
"""What is written down in a way of its own, not as one function of each entry."""


def positions(recorder: Recorder, mask: Any) -> tuple[Any, ...]:
    """Where a mask holds, as index arrays: they are kept as they are in this run."""
    if not mask.axes:
        raise TraceError("one truth value among indices is not read: use np.where or if")
    message = "which entries a mask picks depends on values: here they are those of this run"
    return tuple(recorder.kept(index, message) for index in np.nonzero(mask.value))


def same_mask(a: Any, b: Any) -> bool:
    """Whether two masks are one value, or the same comparison of the same values."""
    if memory.same_value(a, b):
        return True
    if any(a.window) or any(b.window):
        return False
    first, second = (made_of(a.recorder, m.buffer.name) for m in (a, b))
    return first is not None and bool(first == second)


def made_of(recorder: Recorder, name: str) -> Any:
    """How a comparison was made, with its letters numbered: of which values, and of which numbers."""
    equation = recorder.made.get(name)
    if isinstance(equation, Contract) and is_number(recorder, name):
        return equation.factor
    if not isinstance(equation, Map):
        return None
    number = {letter: n for n, letter in enumerate(equation.out.indices)}
    of = [(made_of(recorder, ref.name) if is_number(recorder, ref.name) else ref.name, [number[i] for i in ref.indices])
          for ref in equation.operands]  # fmt: skip
    return equation.function, equation.parameter, of


def is_number(recorder: Recorder, name: str) -> bool:
    """Whether a value is a number that the user's code spells."""
    equation = recorder.made.get(name)
    return isinstance(equation, Contract) and not equation.operands and not equation.brackets


class Selection(np.lib.mixins.NDArrayOperatorsMixin):
    """Entries picked by a mask of the first axes of an array.

    Attributes
    ----------
    whole : traced array
        The array with all its entries; those where the mask does not hold mean nothing.
    mask : traced array
        Of the shape of the whole's first axes.
    """

    __slots__ = ("mask", "whole")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole, self.mask = whole, mask

    @property
    def value(self) -> Any:
        """The entries in this run."""
        return np.asarray(self.whole.value)[self.mask.value]

    def picked(self) -> Any:
        """The entries as a traced array, their positions as in this run; it is made anew each time, so that a write to
        it would be lost."""
        made = self.whole[positions(self.whole.recorder, self.mask)]
        made.value.flags.writeable = False
        return made

    def masked(self, other: Any = 0) -> Any:
        """The whole array, with another value where the mask does not hold."""
        return np.where(self.mask[(..., *(None,) * (self.whole.ndim - self.mask.ndim))], self.whole, other)

    def astype(self, dtype: Any) -> Any:
        """The entries in another dtype."""
        return Selection(self.whole.astype(dtype), self.mask)

    def copy(self) -> Any:
        """The entries in memory of their own, as they are already."""
        return Selection(self.whole, self.mask)

    @property
    def size(self) -> int:
        """How many entries there are in this run."""
        return prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in this run."""
        self.whole.recorder.note("how many entries a mask picks is taken from this run", only_here=True)
        return tuple(np.shape(self.value))

    def sum(self, axis: Any = None) -> Any:
        """The sum: over all entries, or over those that the mask picks."""
        if axis is None:
            return self.masked().sum()
        return self.masked().sum(axis=tuple(range(self.mask.ndim))) if axis == 0 else self.picked().sum(axis=axis)

    def mean(self, axis: Any = None) -> Any:
        """The mean, likewise."""
        if axis is None and self.whole.ndim == self.mask.ndim:
            return self.sum() / self.mask.sum()
        return self.sum(axis=0) / self.mask.sum() if axis == 0 else self.picked().mean(axis=axis)

    def __len__(self) -> int:
        return self.shape[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.picked(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.picked()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TraceError(
            "a write into what a mask has picked is not read: np.array(x[mask]) is an array of its own to write into"
        )

    def __iter__(self) -> Any:
        return iter(self.picked())

    @failures.asks_numpy
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        out = keywords.pop("out", ())
        if method == "__call__" and not keywords and ufunc is not np.matmul and all(map(self._fits, inputs)):
            made = Selection(ufunc(*(i.whole if type(i) is Selection else i for i in inputs)), self.mask)
        else:
            made = getattr(ufunc, method)(*map(decayed, inputs), **keywords)
        if out and type(out[0]) is Selection and type(made) is Selection:
            out[0].whole = made.whole
            return out[0]
        return made

    @failures.asks_numpy
    def _fits(self, operand: Any) -> bool:
        """Whether an operand combines with the whole array as it does with the entries."""
        if type(operand) is Selection:
            return same_mask(operand.mask, self.mask) and operand.whole.ndim == self.whole.ndim
        rank = 0 if is_scalar(operand) else np.ndim(
            operand.value if memory.is_traced(operand) else sizes.plain(operand)
        )
        return bool(rank <= self.whole.ndim - self.mask.ndim)

    @failures.asks_numpy
    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if function in (np.sum, np.mean) and set(keywords) <= {"axis"} and type(arguments[0]) is Selection:
            return getattr(self, function.__name__)(*arguments[1:], **keywords)
        return function(*map(decayed, arguments), **{name: decayed(value) for name, value in keywords.items()})


def decayed(value: Any, level: int = 0) -> Any:
    """Selections in nested lists as traced arrays."""
    if type(value) is Selection:
        return value.picked()
    if isinstance(value, list | tuple):
        return type(value)([decayed(item, sizes.deeper(level)) for item in value])
    return value
