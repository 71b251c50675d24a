"""Sizes as numbers that remember their letter: ``1 / X.shape[-1]`` is read as 1/B, not as 0.2."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..dimensions import Axis
from ..program import Number, exact, multiply

Powers = tuple[tuple[Axis, Fraction], ...]
PLAIN = int | float | np.integer | np.floating


def rational(number: complex | Fraction | PLAIN) -> Number:
    """What a person meant by a number: 0.1 is 1/10, and 0.3333333333333333 is 1/3.

    A float becomes the simplest fraction (denominator at most 10⁶) that rounds to it, else the float's exact value.
    """
    value = exact(number)
    if isinstance(value, Fraction) and isinstance(number, float | np.floating):
        simple = value.limit_denominator(1_000_000)
        return simple if type(number)(float(simple)) == number else value
    return value


class Measured:
    """A number times powers of sizes of axes: ``Size`` where it is whole, ``Ratio`` where it is not.

    It does what an int or a float does. It is no subclass of int, since ``1.0 / n`` would not ask a subclass.
    """

    __slots__ = ("coefficient", "number", "powers")

    def __init__(self, number: float, coefficient: Number = Fraction(1), powers: Powers = ()) -> None:
        self.number, self.coefficient, self.powers = number, coefficient, powers

    @property
    def __class__(self) -> type:  # isinstance(n, int) is what user code asks
        return type(self.number)

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError("the class of a size cannot be set")

    def __mul__(self, other: Any) -> Any:
        return _combine(self, other, 1) if _is_number(other) else _plain(operator.mul, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _combine(self, other, -1) if _is_number(other) else _plain(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _combine(other, self, -1) if _is_number(other) else _plain(operator.truediv, other, self)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, PLAIN) and self.coefficient == 1:
            power = rational(other)
            if isinstance(power, Fraction):
                powers = tuple((axis, p * power) for axis, p in self.powers)
                return Measured(self.number**other, Fraction(1), powers)
        return _plain(operator.pow, self, other)

    def __neg__(self) -> Measured:
        return Measured(-self.number, -self.coefficient, self.powers)

    def __pos__(self) -> Measured:
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(hasattr(i, "__array_ufunc__") and not is_measured(i) and not _is_array(i) for i in inputs):
            return NotImplemented  # a traced array knows what to do
        if ufunc is np.sqrt and is_measured(inputs[0]):
            return inputs[0] ** 0.5
        return getattr(ufunc, method)(*map(plain, inputs), **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.number, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.number, dtype=dtype)

    def __index__(self) -> int:
        return operator.index(self.number)  # type: ignore[arg-type]

    def __int__(self) -> int:
        return int(self.number)

    def __float__(self) -> float:
        return float(self.number)

    def __bool__(self) -> bool:
        return bool(self.number)

    def __hash__(self) -> int:
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        return bool(self.number == plain(other))

    def __str__(self) -> str:
        return str(self.number)

    def __repr__(self) -> str:
        return repr(self.number)

    def __format__(self, spec: str) -> str:
        return format(self.number, spec)


def _forward(operation: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    """What the plain number does: the letter is lost."""
    if swapped:
        return lambda self, other: operation(plain(other), self.number)
    return lambda self, *others: operation(self.number, *map(plain, others))


for _name in ("add", "sub", "floordiv", "mod", "lt", "le", "gt", "ge", "abs", "divmod"):
    _operation = divmod if _name == "divmod" else getattr(operator, _name)
    setattr(Measured, f"__{_name}__", _forward(_operation))
for _name in ("add", "sub", "floordiv", "mod", "pow", "divmod"):
    _operation = divmod if _name == "divmod" else getattr(operator, _name)
    setattr(Measured, f"__r{_name}__", _forward(_operation, swapped=True))
for _name, _operation in (("round", round), ("trunc", math.trunc), ("floor", math.floor), ("ceil", math.ceil)):
    setattr(Measured, f"__{_name}__", _forward(_operation))


def size_of(axis: Axis) -> Measured:
    """The size of one axis."""
    return Measured(axis.size, Fraction(1), ((axis, Fraction(1)),))


def is_measured(value: Any) -> bool:
    """Whether it is a size or a ratio of sizes (``isinstance`` would be answered for the plain number)."""
    return type(value) is Measured


def plain(value: Any) -> Any:
    """The number without its letters; other values as they are."""
    return value.number if is_measured(value) else value


def measure(number: Any) -> tuple[Number, Powers]:
    """A Python or NumPy scalar as a number times powers of sizes."""
    return (number.coefficient, number.powers) if is_measured(number) else (rational(number), ())


def _is_array(value: Any) -> bool:
    return type(value) is np.ndarray or isinstance(value, np.generic)


def _is_number(value: Any) -> bool:
    return is_measured(value) or (isinstance(value, int | float | np.number) and not isinstance(value, bool))


def _plain(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return operation(plain(a), plain(b)) if isinstance(a, list | tuple | str) or isinstance(b, list | tuple | str) else (
        _deferred(operation, a, b)
    )


def _deferred(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """Arrays go through the ufunc, so that a traced one keeps the letter."""
    ufunc = {operator.mul: np.multiply, operator.truediv: np.true_divide, operator.pow: np.power}[operation]
    return ufunc(a, b)


def _combine(a: Any, b: Any, sign: int) -> Any:
    """``a · b^sign``, with the letters of both."""
    (x, x_powers), (y, y_powers) = measure(a), measure(b)
    number = plain(a) * plain(b) if sign > 0 else plain(a) / plain(b)
    if not isinstance(y, Fraction) or (sign < 0 and y == 0):
        return number
    total = dict(x_powers)
    for axis, power in y_powers:
        total[axis] = total.get(axis, Fraction(0)) + sign * power
    kept = tuple((axis, power) for axis, power in total.items() if power)
    return Measured(number, multiply(x, y if sign > 0 else 1 / y), kept)
