"""Sizes as numbers that remember their letter: ``1 / X.shape[-1]`` is read as 1/B, not as 0.2."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import Number, exact, multiply

Powers = tuple[tuple[Axis, Fraction], ...]
PLAIN = (int, float, np.integer, np.floating)


def rational(number: complex | Fraction | np.number[Any]) -> Number:
    """What a person meant by a number: 0.1 is 1/10, and 0.3333333333333333 is 1/3.

    A float becomes the simplest fraction (denominator at most 10⁶) that rounds to it, else the float's exact value.
    """
    value = exact(number)  # type: ignore[arg-type]  # NumPy's scalars are numbers too
    if isinstance(value, Fraction) and isinstance(number, float | np.floating) and value.denominator > 1:
        simple = value.limit_denominator(1_000_000)
        return simple if type(number)(float(simple)) == number else value
    return value


def _forwarded(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the plain number does: the letter is lost."""
    return lambda self, *others: operation(self.number, *map(plain, others))


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the plain number does on the right of an operator."""
    return lambda self, other: operation(plain(other), self.number)


class Measured:
    """A number times powers of sizes of axes, such as ``X.shape[0]`` or ``1 / n``.

    It does what an int or a float does, and keeps its letters under ``*``, ``/`` and ``**``. It is no subclass of int,
    since ``1.0 / n`` would not ask a subclass.
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
        return _combined(self, other, 1) if _is_number(other) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _combined(self, other, -1) if _is_number(other) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return _combined(other, self, -1) if _is_number(other) else NotImplemented

    def __floordiv__(self, other: Any) -> Any:
        if _is_number(other) and other == 1:
            return self
        return self.number // plain(other) if _is_number(other) else NotImplemented

    def __pow__(self, other: Any) -> Any:
        if not _is_number(other):
            return NotImplemented
        power = rational(plain(other))
        if self.coefficient == 1 and isinstance(power, Fraction):
            return Measured(self.number ** plain(other), Fraction(1), tuple((a, p * power) for a, p in self.powers))
        return self.number ** plain(other)

    def __neg__(self) -> Measured:
        return Measured(-self.number, -self.coefficient, self.powers)

    def __pos__(self) -> Measured:
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        others = [i for i in inputs if hasattr(i, "__array_ufunc__") and not is_measured(i)]
        if not all(type(i) is np.ndarray or isinstance(i, np.generic) for i in others):
            return NotImplemented  # a traced array knows what to do
        if ufunc is np.sqrt and is_measured(inputs[0]):
            return inputs[0] ** 0.5
        return getattr(ufunc, method)(*map(plain, inputs), **keywords)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.number, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.number, name)

    def __copy__(self) -> Measured:
        return self

    def __deepcopy__(self, memo: Any) -> Measured:
        return self

    def __reduce__(self) -> Any:
        return type(self.number), (self.number,)

    __add__ = _forwarded(operator.add)
    __radd__ = _reflected(operator.add)
    __sub__ = _forwarded(operator.sub)
    __rsub__ = _reflected(operator.sub)
    __rfloordiv__ = _reflected(operator.floordiv)
    __mod__ = _forwarded(operator.mod)
    __rmod__ = _reflected(operator.mod)
    __divmod__ = _forwarded(divmod)
    __rdivmod__ = _reflected(divmod)
    __rpow__ = _reflected(operator.pow)
    __lt__ = _forwarded(operator.lt)
    __le__ = _forwarded(operator.le)
    __gt__ = _forwarded(operator.gt)
    __ge__ = _forwarded(operator.ge)
    __eq__ = _forwarded(operator.eq)
    __ne__ = _forwarded(operator.ne)
    __abs__ = _forwarded(abs)
    __round__ = _forwarded(round)
    __trunc__ = _forwarded(math.trunc)
    __floor__ = _forwarded(math.floor)
    __ceil__ = _forwarded(math.ceil)
    __index__ = _forwarded(operator.index)
    __int__ = _forwarded(int)
    __float__ = _forwarded(float)
    __bool__ = _forwarded(bool)
    __hash__ = _forwarded(hash)
    __str__ = _forwarded(str)
    __repr__ = _forwarded(repr)
    __format__ = _forwarded(format)


def size_of(axis: Axis) -> Measured:
    """The size of one axis."""
    return Measured(axis.size, Fraction(1), ((axis, Fraction(1)),))


def is_measured(value: Any) -> bool:
    """Whether it is a size or a ratio of sizes (``isinstance`` would be answered for the plain number)."""
    return type(value) is Measured


def named_axis(size: Any) -> Axis | None:
    """The axis that a number is the size of, where it remembers just one."""
    if is_measured(size) and len(size.powers) == 1 and size.powers[0][1] == 1 and size.coefficient == 1:
        axis: Axis = size.powers[0][0]
        return axis
    return None


def plain(value: Any) -> Any:
    """The number without its letters; other values as they are."""
    return value.number if type(value) is Measured else value


def measure(number: Any) -> tuple[Number, Powers]:
    """A Python or NumPy scalar as a number times powers of sizes."""
    return (number.coefficient, number.powers) if is_measured(number) else (rational(number), ())


def product_of_sizes(sizes: Any) -> Any:
    """The product, which remembers the letters of all."""
    number: Any = 1
    for n, size in enumerate(sizes):
        number = size if n == 0 else number * size
    return number


def _is_number(value: Any) -> bool:
    return is_measured(value) or (issubclass(type(value), PLAIN) and not isinstance(value, bool))


def _combined(a: Any, b: Any, sign: int) -> Any:
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
