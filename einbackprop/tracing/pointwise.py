"""How ufuncs are written down: sums, products and pointwise functions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..program import ONE, Contract, Factor, Map, Ref, Sum
from .recorder import Recorder, View
from .sizes import is_measured, rational

MAPS = {
    np.exp: "exp", np.log: "log", np.tanh: "tanh", np.sin: "sin", np.cos: "cos", np.sinh: "sinh", np.cosh: "cosh",
    np.arctan: "arctan", np.arcsin: "arcsin", np.arccos: "arccos", np.arctan2: "arctan2", np.log1p: "log1p",
    np.expm1: "expm1", np.absolute: "abs", np.fabs: "abs", np.sign: "sign", np.floor: "floor", np.ceil: "ceil",
    np.rint: "round", np.trunc: "trunc", np.maximum: "maximum", np.minimum: "minimum", np.fmax: "maximum",
    np.fmin: "minimum", np.greater: "greater", np.greater_equal: "greater_equal", np.less: "less",
    np.less_equal: "less_equal", np.equal: "equal", np.not_equal: "not_equal", np.logical_and: "logical_and",
    np.logical_or: "logical_or", np.logical_not: "logical_not", np.bitwise_and: "logical_and",
    np.bitwise_or: "logical_or", np.invert: "logical_not", np.logaddexp: "logaddexp", np.hypot: "hypot",
}  # fmt: skip
POWERS = {np.sqrt: Fraction(1, 2), np.square: Fraction(2), np.reciprocal: Fraction(-1), np.cbrt: Fraction(1, 3)}
OTHER_BASES = {np.log2: ("log", 1 / np.log(2)), np.log10: ("log", 1 / np.log(10))}


def is_scalar(value: Any) -> bool:
    """A number that is no traced array: it becomes a factor."""
    return is_measured(value) or (np.ndim(value) == 0 and not isinstance(value, str) and not issubclass(type(value), View))


def lift(recorder: Recorder, value: Any) -> View:
    """An operand as a traced array: a plain array or a number is a constant."""
    if issubclass(type(value), View):
        return value  # type: ignore[no-any-return]
    if is_scalar(value):
        factor = recorder.factor(value)
        made: View = recorder.define([], lambda out, source: Contract(out, factor=factor, source=source), value)
        return made
    constant: View = recorder.constant(value if isinstance(value, np.ndarray) else np.array(value))
    return constant


def pointwise(recorder: Recorder, ufunc: np.ufunc, inputs: Sequence[Any], value: Any) -> Any:
    """Write down one call of a ufunc; ``value`` is its result in this run."""
    if ufunc in (np.add, np.subtract):
        return add(recorder, inputs[0], inputs[1], -1 if ufunc is np.subtract else 1, value)
    if ufunc is np.negative:
        return scaled(recorder, inputs[0], Factor(Fraction(-1)), value)
    if ufunc is np.positive:
        return scaled(recorder, inputs[0], ONE, value)
    if ufunc is np.multiply:
        return product(recorder, inputs[0], inputs[1], value)
    if ufunc in (np.true_divide, np.floor_divide) and ufunc is not np.floor_divide:
        return quotient(recorder, inputs[0], inputs[1], value)
    if ufunc in (np.power, np.float_power):
        return power(recorder, inputs[0], inputs[1], value)
    if ufunc in POWERS:
        return apply_map(recorder, "power", inputs, value, POWERS[ufunc])
    if ufunc in OTHER_BASES:
        function, number = OTHER_BASES[ufunc]
        made = apply_map(recorder, function, inputs, value)
        return scaled(recorder, made, Factor.of(number), value)
    if ufunc is np.conjugate:
        return scaled(recorder, inputs[0], ONE, value) if not np.iscomplexobj(value) else apply_map(
            recorder, "conj", inputs, value)
    if ufunc in MAPS:
        return apply_map(recorder, MAPS[ufunc], inputs, value)
    traced = [i for i in inputs if issubclass(type(i), View)]
    return recorder.opaque(traced, f"np.{ufunc.__name__} is not read", value)


def apply_map(
    recorder: Recorder, function: str, inputs: Sequence[Any], value: Any, parameter: Fraction | None = None
) -> Any:
    """``function`` of arrays that broadcast."""
    if function in ("maximum", "minimum") and is_zero(inputs[1]) and function == "maximum":
        function, inputs = "relu", inputs[:1]
    read, axes = recorder.broadcast([lift(recorder, i) for i in inputs])
    refs = tuple(x.ref for x in read)
    return recorder.define(axes, lambda out, source: Map(out, function, refs, parameter, source), value)


def is_zero(value: Any) -> bool:
    """A plain zero."""
    return is_scalar(value) and not is_measured(value) and value == 0


def scaled(recorder: Recorder, array: Any, factor: Factor, value: Any) -> Any:
    """A factor times an array; times 1 it is the same value in memory of its own."""
    array = lift(recorder, array)
    if factor == ONE:
        return same_value(recorder, array, value)
    read, axes = recorder.broadcast([array])
    return recorder.define(axes, lambda out, source: Contract(out, (read[0].ref,), (), factor, source), value)


def same_value(recorder: Recorder, array: View, value: Any) -> Any:
    """A copy: the same value, in memory of its own."""
    return type(array)(recorder, type(array.buffer)(array.buffer.name), array.window, array.axes, value)


def add(recorder: Recorder, a: Any, b: Any, sign: int, value: Any) -> Any:
    """``a ± b``: a number becomes a factor times 1."""
    arrays = [x for x in (a, b) if not is_scalar(x)]
    read, axes = recorder.broadcast([lift(recorder, x) for x in arrays])
    refs = iter([x.ref for x in read])
    terms: list[tuple[Factor, Ref | None]] = []
    for x, number in ((a, 1), (b, sign)):
        factor = Factor.of(number)
        if is_scalar(x):
            if not is_zero(x):
                terms.append((factor * recorder.factor(x), None))
        else:
            terms.append((factor, next(refs)))
    return recorder.define(axes, lambda out, source: Sum(out, tuple(terms), source), value)


def product(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a · b``, pointwise."""
    for x, other in ((a, b), (b, a)):
        if is_scalar(x):
            return scaled(recorder, other, recorder.factor(x), value)
    read, axes = recorder.broadcast([lift(recorder, a), lift(recorder, b)])
    refs = tuple(x.ref for x in read)
    return recorder.define(axes, lambda out, source: Contract(out, refs, source=source), value)


def quotient(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a / b``: by a number a factor, by an array the product with its reciprocal."""
    if is_scalar(b) and plain_nonzero(b):
        factor = recorder.factor(1 / b if is_measured(b) else 1) if is_measured(b) else Factor(1 / exact_number(b))
        return scaled(recorder, a, factor, value)
    inverse = apply_map(recorder, "power", [b], reciprocal(b), Fraction(-1))
    return scaled(recorder, inverse, recorder.factor(a), value) if is_scalar(a) else product(recorder, a, inverse, value)


def reciprocal(b: Any) -> Any:
    """One over the plain numbers."""
    with np.errstate(all="ignore"):
        return 1.0 / np.asarray(b.value if issubclass(type(b), View) else b)


def plain_nonzero(b: Any) -> bool:
    """Whether one can divide by the number exactly."""
    return is_measured(b) or (isinstance(rational(b), Fraction) and b != 0)


def exact_number(b: Any) -> Fraction:
    """A finite number as a fraction."""
    number = rational(b)
    assert isinstance(number, Fraction)
    return number


def power(recorder: Recorder, a: Any, b: Any, value: Any) -> Any:
    """``a ** b``: a constant exponent is a parameter."""
    exponent = rational(b) if is_scalar(b) and not is_measured(b) else None
    if exponent == 1:
        return scaled(recorder, a, ONE, value)
    if exponent == 0 or is_scalar(a):
        return apply_map(recorder, "pow", [a, b], value)
    if isinstance(exponent, Fraction):
        return apply_map(recorder, "power", [a], value, exponent)
    return apply_map(recorder, "pow", [a, b], value)
