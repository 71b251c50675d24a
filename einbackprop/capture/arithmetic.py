"""What the numbers do that sizes are: arithmetic that keeps their letters, and comparisons that are conditions."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.collecting import summed
from ..core.dimensions import Axis
from ..core.program import multiply
from . import sizes, terms
from .conditions import WATCHER, asked_by_others
from .failures import asks_numpy
from .sizes import (
    UNTOLD,
    Powers,
    Size,
    axes_of,
    compared,
    froze,
    frozen,
    given,
    is_measured,
    is_negative,
    is_not_zero,
    is_number,
    key_of,
    measure,
    plain,
    rational,
    rounds,
    terms_of,
    told,
)

LONGEST = 40  # of the words for a number that was lost

ABOUT_KINDS = frozenset({"dtype", "ndim", "shape", "size", "itemsize", "imag", "denominator", "__array_priority__"})



def lost(number: Any, made: str, *of: Any) -> Any:
    """A number that came from sizes in a way that their letters do not follow.

    It says how in the user's words, ``round(n / 2) is 3``; one that is made of another such number says it of that.
    """
    before = next((x.said for x in of if is_measured(x) and x.lost), None)
    known = UNTOLD not in made and len(made) <= LONGEST
    said = before if before is not None else f"{made if known else UNTOLD} is {plain(number)}"
    return Measured(number, rational(number), (), lost=True, said=said)



def _in_parentheses(value: Any) -> str:
    """What a number is, as an operand."""
    said = told(value)
    is_one = re.fullmatch(r"\w+\([^()]*\)", said) or said == UNTOLD
    return f"({said})" if " " in said and not is_one else said



def _escaping(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the plain number does where Python or NumPy ask for one."""

    @asks_numpy
    def escaped(self: Size, *others: Any) -> Any:
        return operation(froze(self) if asked_by_others() else self.number, *map(plain, others))

    return escaped



def _losing(operation: Callable[..., Any], said: str) -> Callable[..., Any]:
    """What the plain number does; that the result came from a size is remembered, and in words how."""

    @asks_numpy
    def losing(self: Size, *others: Any) -> Any:
        if not all(map(is_number, others)):
            return NotImplemented
        made = operation(self.number, *map(plain, others))
        infix = said.format(*map(_in_parentheses if others and " " in said else told, (self, *others)))
        return lost(made, infix, self, *others)

    return losing



def _operator(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operator between sizes and numbers; what else there is knows itself what to do."""
    return lambda self, other: operation(self, other) if is_number(other) else NotImplemented


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The same on the right of an operator."""
    return lambda self, other: operation(other, self) if is_number(other) else NotImplemented



def _whole(side: int, operation: Callable[[Any], Any]) -> Callable[..., Any]:
    """``math.floor``, ``math.ceil`` (side -1) and ``math.trunc`` (side 0)."""

    name = operation.__name__ if side else "int"

    def made(self: Size) -> Any:
        number, sign = operation(self.number), side or (-1 if is_negative(self) else 1)
        found = None if self.lost else terms_of(_combined(self, sign, 1))
        return _of_floor(found, {terms.NONE: Fraction(1)}, sign, number, f"{name}({told(self)})", self)

    return made



def _written(operation: Callable[..., str]) -> Callable[..., str]:
    """What the plain number is written as: what follows may depend on that, but for what is printed."""

    def written(self: Size, *others: Any) -> str:
        if asked_by_others() and (watcher := WATCHER.get()) is not None and not watcher.prints():
            given(self)
        return operation(self.number, *others)

    return written



class Measured(Size):
    """A size that does what an int or a float does, and keeps its letters under arithmetic.

    It is no subclass of int, since ``1.0 / n`` would not ask a subclass.
    """

    __slots__ = ()

    @property
    def real(self) -> Any:
        """Itself, as of every real number."""
        return self

    @property
    def numerator(self) -> Any:
        """Itself, where it is whole."""
        return self if isinstance(self.number, int | np.integer) else self.__getattr__("numerator")

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, list | tuple | str):  # [None] * n
            rounds(self)
            return other * int(self.number)
        return _combined(self, other, 1) if is_number(other) else NotImplemented

    __rmul__ = __mul__

    def __pow__(self, other: Any) -> Any:
        if not is_number(other):
            return NotImplemented
        power, number = rational(plain(other)), self.number ** plain(other)
        is_product = self.coefficient == 1 and self.sum is None and not self.lost
        if is_product and not is_measured(other) and isinstance(power, Fraction):
            return Measured(number, Fraction(1), tuple((a, p * power) for a, p in self.powers))
        return lost(number, f"{_in_parentheses(self)}**{_in_parentheses(other)}", self, other)

    def __rshift__(self, other: Any) -> Any:
        return _divided(self, 2 ** plain(other)) if type(other) is int else _shifted_right(self, other)

    def __lshift__(self, other: Any) -> Any:
        return _combined(self, 2 ** plain(other), 1) if type(other) is int else _shifted_left(self, other)

    def __and__(self, other: Any) -> Any:
        is_remainder = type(other) is int and other >= 0 and not other & (other + 1)  # n & 1, n & 3
        return _remainder(self, other + 1) if is_remainder else _both(self, other)

    def __invert__(self) -> Any:
        return -1 - self

    def __abs__(self) -> Any:
        return -self if is_negative(self) else self

    def __round__(self, digits: int | None = None) -> Any:
        if digits is None and self.number == round(self.number) and not self.lost:  # n / 2, where n is even
            even = evenly(self, 1)
            if is_measured(even) and (watcher := WATCHER.get()) is not None:
                watcher.met("counted", f"round({told(self)}) is {even.number}", axes_of(self))  # no line of source asks
            return even.like(round(self.number)) if is_measured(even) else even
        return lost(round(self.number, digits), f"round({told(self)})", self)

    def __neg__(self) -> Any:
        return _combined(self, -1, 1)

    def __pos__(self) -> Measured:
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        others = [i for i in inputs if hasattr(i, "__array_ufunc__") and not is_measured(i)]
        if not all(type(i) is np.ndarray or isinstance(i, np.generic) for i in others):
            return NotImplemented  # a traced array knows what to do
        if method == "__call__" and not keywords and all(map(is_number, inputs)):
            made = OPERATORS[ufunc](*inputs) if ufunc in OPERATORS else NotImplemented
            said = f"{ufunc.__name__}({', '.join(map(told, inputs))})"
            return lost(ufunc(*map(plain, inputs)), said, *inputs) if made is NotImplemented else made
        return getattr(ufunc, method)(*map(frozen, inputs), **keywords)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(froze(self) if asked_by_others() else self.number, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        own = self.number if hasattr(self.number, name) else np.float64(self.number)  # NumPy's functions give such
        found = getattr(own, name)
        if name not in ABOUT_KINDS and asked_by_others():
            froze(self)
        return found

    def __copy__(self) -> Measured:
        return self

    def __deepcopy__(self, memo: Any) -> Measured:
        return self

    def __reduce__(self) -> Any:
        return type(self.number), (given(self),)

    __add__ = __radd__ = _operator(lambda a, b: _added(a, b, 1))
    __sub__ = _operator(lambda a, b: _added(a, b, -1))
    __rsub__ = _reflected(lambda a, b: _added(a, b, -1))
    __truediv__ = _operator(lambda a, b: _combined(a, b, -1))
    __rtruediv__ = _reflected(lambda a, b: _combined(a, b, -1))
    __floordiv__ = _operator(lambda a, b: _divided(a, b))
    __rfloordiv__ = _reflected(lambda a, b: _divided(a, b))
    __mod__ = _operator(lambda a, b: _remainder(a, b))
    __divmod__ = _operator(lambda a, b: (_divided(a, b), _remainder(a, b)))
    __rmod__ = _reflected(lambda a, b: _remainder(a, b))
    __rdivmod__ = _reflected(lambda a, b: (_divided(a, b), _remainder(a, b)))
    __rpow__ = _losing(lambda a, b: b**a, "{1}**{0}")
    __or__ = __ror__ = _losing(operator.or_, "{} | {}")
    __xor__ = __rxor__ = _losing(operator.xor, "{} ^ {}")
    __rand__ = __and__
    __rrshift__ = _losing(lambda a, b: b >> a, "{1} >> {0}")
    __rlshift__ = _losing(lambda a, b: b << a, "{1} << {0}")
    __lt__ = compared(operator.lt)
    __le__ = compared(operator.le)
    __gt__ = compared(operator.gt)
    __ge__ = compared(operator.ge)
    __eq__ = compared(operator.eq)
    __ne__ = compared(operator.ne)
    __trunc__ = _whole(0, int)
    __floor__ = _whole(1, math.floor)
    __ceil__ = _whole(-1, math.ceil)
    __index__ = _escaping(operator.index)
    __int__ = _escaping(int)
    __float__ = _escaping(float)
    __complex__ = _escaping(complex)
    __str__ = _written(str)
    __repr__ = _written(repr)
    __format__ = _written(format)

    def __hash__(self) -> int:
        return hash(given(self) if asked_by_others() else self.number)

    def __bool__(self) -> bool:
        return is_not_zero(self) if asked_by_others() else bool(self.number != 0)


def size_of(axis: Axis) -> Any:
    """The size of one axis; a plain number where it is one that stands in the code."""
    return axis.size if axis.root().literal else Measured(axis.size, Fraction(1), ((axis, Fraction(1)),))



@asks_numpy
def _combined(a: Any, b: Any, sign: int) -> Any:
    """``a · b^sign``, with the letters of both."""
    number = plain(a) * plain(b) if sign > 0 else plain(a) / plain(b)
    if any(is_measured(x) and x.sum is not None for x in (a, b)):
        x, y = terms_of(a), terms_of(b)
        y = terms.inverse(y) if y and sign < 0 else y
        found = None if x is None or y is None or (sign < 0 and not y) else terms.times(x, y)
    elif any(is_measured(x) and x.lost for x in (a, b)):
        found = None
    else:
        (x_number, x_powers), (y_number, y_powers) = measure(a), measure(b)
        exact = isinstance(x_number, Fraction) and isinstance(y_number, Fraction) and (sign > 0 or y_number != 0)
        if exact:
            return _product(number, x_number, x_powers, y_number, y_powers, sign)  # type: ignore[arg-type]
        if not math.isfinite(abs(number)):
            return number
        found = None
    said = f"{_in_parentheses(a)} {'*' if sign > 0 else '/'} {_in_parentheses(b)}"
    said = f"-{_in_parentheses(a)}" if type(b) is int and (b, sign) == (-1, 1) else said
    return lost(number, said, a, b) if found is None else of_terms(found, number)



def _product(number: Any, x: Fraction, x_powers: Powers, y: Fraction, y_powers: Powers, sign: int) -> Any:
    kept = tuple(summed((*x_powers, *((axis, sign * power) for axis, power in y_powers))).items())
    return Measured(number, multiply(x, y if sign > 0 else 1 / y), kept) if kept else number



def _added(a: Any, b: Any, sign: int) -> Any:
    """``a ± b``, with the letters of both."""
    number = plain(a) + sign * plain(b)
    x, y = terms_of(a), terms_of(b)
    if x is None or y is None:
        return lost(number, f"{told(a)} {'+' if sign > 0 else '-'} {_in_parentheses(b) if sign < 0 else told(b)}", a, b)
    return of_terms(terms.added(x, y, sign), number)



def of_terms(found: terms.Terms, number: Any) -> Any:
    """A sum of products of sizes as a number: of several terms, the size of an axis of its own."""
    if set(found) <= {terms.NONE}:
        return number
    made = sizes.as_product(found)
    return Measured(number, sum=found) if made is None else Measured(number, made[0], tuple(made[1]))



@asks_numpy
def _divided(a: Any, b: Any) -> Any:
    """``a // b``, with the letters of both."""
    said = f"{_in_parentheses(a)} // {_in_parentheses(b)}"
    return _of_floor(terms_of(a), terms_of(b), 1, plain(a) // plain(b), said, a, b)



def evenly(a: Any, b: Any) -> Any:
    """``a // b``, of which the code says that it comes out even."""
    x, y = terms_of(a), terms_of(b)
    if not is_measured(a) or x is None or not y or plain(a) % plain(b):
        return a // b
    said = "a whole number" if key_of(b) == key_of(1) else f"a multiple of {told(b)}"
    found = sizes.evenly(x, y, f"{told(a)} is {said}")
    return a // b if found is None else of_terms(found, plain(a) // plain(b))


def _of_floor(a: terms.Terms | None, b: terms.Terms | None, sign: int, number: Any, said: str, *of: Any) -> Any:
    """``sign · a // b`` as a number."""
    found = sizes.floor(a, b) if a is not None and b else None
    return lost(number, said, *of) if found is None else of_terms({m: sign * x for m, x in found.items()}, number)



def _remainder(a: Any, b: Any) -> Any:
    """``a % b``, which is ``a - b · (a // b)``."""
    made, number = _divided(a, b), plain(a) % plain(b)
    if is_measured(made) and made.lost:
        return lost(number, f"{_in_parentheses(a)} % {_in_parentheses(b)}", a, b)
    found = a - b * made
    return Measured(number, found.coefficient, found.powers, sum=found.sum) if is_measured(found) else number



_both = _losing(operator.and_, "{} & {}")

_shifted_right = _losing(operator.rshift, "{} >> {}")

_shifted_left = _losing(operator.lshift, "{} << {}")

OPERATORS: dict[np.ufunc, Callable[..., Any]] = {
    np.multiply: lambda a, b: _combined(a, b, 1), np.true_divide: lambda a, b: _combined(a, b, -1),
    np.add: lambda a, b: _added(a, b, 1), np.subtract: lambda a, b: _added(a, b, -1),
    np.negative: lambda a: _combined(a, -1, 1), np.sqrt: lambda a: a**0.5, np.floor_divide: _divided,
    np.remainder: _remainder, np.absolute: abs, np.floor: _whole(1, np.floor), np.ceil: _whole(-1, np.ceil),
    np.trunc: _whole(0, np.trunc), np.square: lambda a: a * a, np.positive: lambda a: a,
}  # fmt: skip
  # fmt: skip
