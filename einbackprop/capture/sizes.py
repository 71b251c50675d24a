"""Sizes as numbers that remember their letter: ``1 / X.shape[-1]`` is read as 1/B, not as 0.2."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import Number, exact, multiply
from . import terms
from .watching import WATCHER, asked_by_others

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


def froze(size: Measured) -> Any:
    """The plain number of a size, where its letters are lost for good: that it is so is written down."""
    if (watcher := WATCHER.get()) is not None:
        watcher.met("frozen", f"{told(size)} is {size.number}", axes_of(size))
    return size.number


def told(size: Measured) -> str:
    """``n - 1``; without names for all sizes in it, what it is."""
    return (None if size.lost else terms.text(size.expanded)) or "a number made of sizes"


def lost(number: Any) -> Any:
    """A number that came from sizes, in a way that its letters do not follow."""
    return Measured(number, rational(number), (), lost=True)


def _escaping(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the plain number does where Python or NumPy ask for one."""

    def escaped(self: Measured, *others: Any) -> Any:
        return operation(froze(self) if asked_by_others() else self.number, *map(plain, others))

    return escaped


def _forwarded(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the plain number does: it says nothing about the size."""
    return lambda self, *others: operation(self.number, *map(plain, others))


def _losing(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the plain number does; that the result came from a size is remembered, not how."""

    def losing(self: Measured, *others: Any) -> Any:
        if not all(map(_is_number, others)):
            return NotImplemented
        made = operation(self.number, *map(plain, others))
        return tuple(map(lost, made)) if isinstance(made, tuple) else lost(made)

    return losing


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The same on the right of an operator."""
    return _losing(lambda number, other: operation(other, number))


def _compared(operation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """A comparison: where it could go the other way at other sizes, it is a condition."""

    def compare(self: Measured, other: Any) -> Any:
        if not _is_number(other):
            return NotImplemented if hasattr(other, "__array_ufunc__") else operation(self.number, other)
        answer = operation(self.number, plain(other))
        watcher = WATCHER.get()
        if watcher is not None and asked_by_others() and not _is_always(operation, self, other):
            watcher.met("sizes", answer, (*axes_of(self), *axes_of(other)))
        return answer

    return compare


def _is_always(operation: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """Whether a comparison of sizes goes the same way for all sizes of at least 1."""
    if any(is_measured(x) and x.lost for x in (a, b)):
        return False
    left, right = terms_of(a), terms_of(b)
    if left is None or right is None:
        return False
    over, under = (terms.least(terms.added(x, y, -1)) for x, y in ((left, right), (right, left)))
    if (over is not None and over > 0) or (under is not None and under > 0) or key_of(a) == key_of(b):
        return True
    if operation in (operator.lt, operator.ge):
        return over is not None and over >= 0
    return operation in (operator.le, operator.gt) and under is not None and under >= 0


class Measured:
    """A number times powers of sizes of axes, such as ``X.shape[0]`` or ``1 / n``.

    It does what an int or a float does, and keeps its letters under ``*``, ``/`` and ``**``. It is no subclass of int,
    since ``1.0 / n`` would not ask a subclass.
    """

    __slots__ = ("coefficient", "lost", "number", "powers")

    def __init__(
        self, number: float, coefficient: Number = Fraction(1), powers: Powers = (), *, lost: bool = False
    ) -> None:
        self.number, self.coefficient, self.powers, self.lost = number, coefficient, powers, lost

    @property
    def expanded(self) -> dict[terms.Monomial, Fraction]:
        """It as a sum of products of sizes."""
        return terms.of_monomial(Fraction(self.coefficient), self.powers)  # type: ignore[arg-type]

    @property
    def __class__(self) -> type:  # isinstance(n, int) is what user code asks
        return type(self.number)

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError("the class of a size cannot be set")

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, list | tuple | str):  # [None] * n
            rounds(self)
            return other * int(self.number)
        return _combined(self, other, 1) if _is_number(other) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _combined(self, other, -1) if _is_number(other) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return _combined(other, self, -1) if _is_number(other) else NotImplemented

    def __add__(self, other: Any) -> Any:
        return _added(self, other, 1) if _is_number(other) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _added(self, other, -1) if _is_number(other) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return _added(other, self, -1) if _is_number(other) else NotImplemented

    def __floordiv__(self, other: Any) -> Any:
        return _divided(self, other) if _is_number(other) else NotImplemented

    def __rfloordiv__(self, other: Any) -> Any:
        return _divided(other, self) if _is_number(other) else NotImplemented

    def __pow__(self, other: Any) -> Any:
        if not _is_number(other):
            return NotImplemented
        power = rational(plain(other))
        if self.coefficient == 1 and not self.lost and type(other) is not Measured and isinstance(power, Fraction):
            return Measured(self.number ** plain(other), Fraction(1), tuple((a, p * power) for a, p in self.powers))
        return lost(self.number ** plain(other))

    def __neg__(self) -> Measured:
        return Measured(-self.number, -self.coefficient, self.powers, lost=self.lost)

    def __pos__(self) -> Measured:
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        others = [i for i in inputs if hasattr(i, "__array_ufunc__") and not is_measured(i)]
        if not all(type(i) is np.ndarray or isinstance(i, np.generic) for i in others):
            return NotImplemented  # a traced array knows what to do
        if method == "__call__" and not keywords and all(map(_is_number, inputs)):
            made = OPERATORS[ufunc](*inputs) if ufunc in OPERATORS else NotImplemented
            return lost(ufunc(*map(plain, inputs))) if made is NotImplemented else made
        return getattr(ufunc, method)(*map(frozen, inputs), **keywords)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(froze(self) if asked_by_others() else self.number, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.number, name)

    def __copy__(self) -> Measured:
        return self

    def __deepcopy__(self, memo: Any) -> Measured:
        return self

    def __reduce__(self) -> Any:
        return type(self.number), (self.number,)

    __mod__ = _losing(operator.mod)
    __rmod__ = _reflected(operator.mod)
    __divmod__ = _losing(divmod)
    __rdivmod__ = _reflected(divmod)
    __rpow__ = _reflected(operator.pow)
    __lt__ = _compared(operator.lt)
    __le__ = _compared(operator.le)
    __gt__ = _compared(operator.gt)
    __ge__ = _compared(operator.ge)
    __eq__ = _compared(operator.eq)
    __ne__ = _compared(operator.ne)
    __abs__ = _losing(abs)
    __round__ = _losing(round)
    __trunc__ = _losing(math.trunc)
    __floor__ = _losing(math.floor)
    __ceil__ = _losing(math.ceil)
    __index__ = _escaping(operator.index)
    __int__ = _escaping(int)
    __float__ = _escaping(float)
    __hash__ = _forwarded(hash)
    __str__ = _forwarded(str)
    __repr__ = _forwarded(repr)
    __format__ = _forwarded(format)

    def __bool__(self) -> bool:
        return bool(self != 0) if not asked_by_others() else bool(_compared(operator.ne)(self, 0))


def rounds(size: Any) -> Any:
    """The plain number of a size that says how often something is done: that is written down."""
    if (watcher := WATCHER.get()) is not None and is_measured(size):
        watcher.met("rounds", size.number, axes_of(size))
    return plain(size)


def whole(size: Measured) -> Any:
    """``int(n / 2)``: what a whole number of a size is."""
    number = int(size.number)
    if size.lost or number < 0:
        return lost(number)
    denominator = math.lcm(*(x.denominator for x in size.terms.values()))
    return _quotient({m: x * denominator for m, x in size.terms.items()}, {terms.NONE: Fraction(denominator)}, number)


def size_of(axis: Axis) -> Measured:
    """The size of one axis."""
    return Measured(axis.size, Fraction(1), ((axis, Fraction(1)),))


def is_measured(value: Any) -> bool:
    """Whether it is a size or a ratio of sizes (``isinstance`` would be answered for the plain number)."""
    return type(value) is Measured


def named_axis(size: Any) -> Axis | None:
    """The axis that a number is the size of, where it remembers just one."""
    if is_measured(size) and [p for _, p in size.powers] == [1] and size.coefficient == 1:
        axis: Axis = size.powers[0][0]
        return axis
    return None


def plain(value: Any) -> Any:
    """The number without its letters; other values as they are."""
    return value.number if type(value) is Measured else value


def measure(number: Any) -> tuple[Number, Powers]:
    """A Python or NumPy scalar as a number times powers of sizes."""
    if is_measured(number) and number.lost:
        froze(number)
    return (number.coefficient, number.powers) if is_measured(number) else (rational(number), ())


def frozen(value: Any) -> Any:
    """The number without its letters, which is written down, also in nested lists; other values as they are."""
    if type(value) in (list, tuple):
        return type(value)(map(frozen, value))
    return froze(value) if is_measured(value) else value


def sized_axis(size: Any) -> Axis | None:
    """The axis that a number is the size of, or one that is made for an expression of sizes."""
    watcher = WATCHER.get()
    if named_axis(size) is not None or not is_measured(size) or watcher is None or size.lost:
        return named_axis(size)
    if size.number != int(size.number) or size.number < 1:
        return None
    return watcher.expression((size.expanded,), int(size.number), size.expanded, axes_of(size))


def axes_of(value: Any) -> tuple[Axis, ...]:
    """The axes that a number is made of the sizes of."""
    return terms.axes_in(value.expanded) if is_measured(value) and not value.lost else ()


def terms_of(value: Any) -> dict[terms.Monomial, Fraction] | None:
    """A number as a sum of products of sizes, where it is known to be one."""
    if is_measured(value):
        return None if value.lost or not isinstance(value.coefficient, Fraction) else value.expanded
    number = rational(value)
    return {terms.NONE: number} if number and isinstance(number, Fraction) else {} if number == 0 else None


def key_of(value: Any) -> Hashable:
    """What two numbers have in common that are the same expression of sizes, or the same plain number."""
    found = terms_of(value)
    return object() if found is None else terms.key(found)


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
    number = plain(a) * plain(b) if sign > 0 else plain(a) / plain(b)
    if any(is_measured(x) and x.lost for x in (a, b)):
        return lost(number)
    (x, x_powers), (y, y_powers) = measure(a), measure(b)
    if not isinstance(y, Fraction) or not isinstance(x, Fraction) or (sign < 0 and y == 0):
        return lost(number) if math.isfinite(abs(number)) else number
    total = dict(x_powers)
    for axis, power in y_powers:
        total[axis] = total.get(axis, Fraction(0)) + sign * power
    kept = tuple((axis, power) for axis, power in total.items() if power)
    return Measured(number, multiply(x, y if sign > 0 else 1 / y), kept) if kept else number


def _added(a: Any, b: Any, sign: int) -> Any:
    """``a ± b``, with the letters of both."""
    number = plain(a) + sign * plain(b)
    x, y = terms_of(a), terms_of(b)
    return lost(number) if x is None or y is None else of_terms(terms.added(x, y, sign), number)


def of_terms(found: terms.Terms, number: Any) -> Any:
    """A sum of products of sizes as a number: of several terms, the size of an axis of its own."""
    if not found or (len(found) == 1 and terms.NONE in found):
        return number
    if len(found) == 1:
        ((monomial, coefficient),) = found.items()
        return Measured(number, coefficient, tuple(monomial))
    factor, common, rest = terms.split(found)
    size = terms.value(rest)
    if size is not None and size < 0:
        factor, rest, size = -factor, {m: -x for m, x in rest.items()}, -size
    watcher = WATCHER.get()
    if watcher is None or size is None or size < 1 or size.denominator != 1:
        return lost(number)
    axis = watcher.expression((rest,), int(size), rest, terms.axes_in(rest))
    return Measured(number, factor, (*common, (axis, Fraction(1))))


def _divided(a: Any, b: Any) -> Any:
    """``a // b``, with the letters of both."""
    number = plain(a) // plain(b)
    x, y = terms_of(a), terms_of(b)
    return lost(number) if x is None or not y else _quotient(x, y, number)


def _quotient(a: terms.Terms, b: terms.Terms, number: Any) -> Any:
    """The whole quotient: what is divisible for every size, and the size of an axis of its own for the rest."""
    whole_part, rest = terms.quotient(a, b)
    if not rest:
        return of_terms(whole_part, number)
    below, divisor = terms.value(rest), terms.value(b)
    watcher = WATCHER.get()
    if below is None or divisor is None or watcher is None:
        return lost(number)
    size = below // divisor
    if terms.axes_in(rest) or terms.axes_in(b):
        if size < 1:
            return lost(number)
        parts = (*terms.axes_in(rest), *terms.axes_in(b))
        axis = watcher.expression((rest, b), size, None, parts)
        return of_terms(terms.added(whole_part, {frozenset([(axis, Fraction(1))]): Fraction(1)}), number)
    return of_terms(terms.added(whole_part, {terms.NONE: Fraction(size)}), number)


OPERATORS: dict[np.ufunc, Callable[..., Any]] = {
    np.multiply: lambda a, b: _combined(a, b, 1), np.true_divide: lambda a, b: _combined(a, b, -1),
    np.add: lambda a, b: _added(a, b, 1), np.subtract: lambda a, b: _added(a, b, -1),
    np.negative: lambda a: _combined(a, -1, 1), np.sqrt: lambda a: a**0.5, np.floor_divide: _divided,
}  # fmt: skip
