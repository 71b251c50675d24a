"""Sizes as numbers that remember their letter: ``1 / X.shape[-1]`` is read as 1/B, not as 0.2.

Of what is made of sizes, each that is no product of others gets an axis of its own. Where a comparison of sizes could
go the other way at other sizes, it is a condition.
"""

import functools
import operator
from collections.abc import Callable, Hashable
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.dimensions import Axis
from ..core.program import Number, exact
from . import terms
from .conditions import WATCHER, asked_by_others
from .terms import NONE, Monomial, Terms

Powers = terms.Powers

UNTOLD = "a number made of sizes"
DEEPEST = 64  # axes: NumPy makes no array of lists that are nested deeper
PLAIN = (int, float, np.integer, np.floating)



class Size:
    """A number times powers of sizes of axes, such as ``X.shape[0]`` or ``1 / n``.

    A ``sum`` is what can be no axis's size in this run, such as ``n - 6`` where
    that is 0. One that is ``lost`` came from sizes, and ``said`` says in the user's words how.
    """

    __slots__ = ("coefficient", "lost", "number", "powers", "said", "sum")

    def __init__(
        self, number: float, coefficient: Number = Fraction(1), powers: Powers = (), *, lost: bool = False,
        said: str = "", sum: terms.Terms | None = None,
    ) -> None:  # fmt: skip
        self.number, self.coefficient, self.powers, self.lost = number, coefficient, powers, lost
        self.said, self.sum = said, sum

    @property
    def expanded(self) -> dict[terms.Monomial, Fraction]:
        """It as a sum of products of sizes."""
        if self.sum is not None:
            return terms.rooted(self.sum)
        return terms.of_monomial(Fraction(self.coefficient), self.powers)  # type: ignore[arg-type]

    def like(self, number: Any) -> Any:
        """The same size as a number of another type."""
        return type(self)(number, self.coefficient, self.powers, lost=self.lost, said=self.said, sum=self.sum)

    @property
    def __class__(self) -> type:  # isinstance(n, int) is what user code asks
        return type(self.number)

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError("the class of a size cannot be set")


def is_measured(value: Any) -> bool:
    """Whether it is a size or a ratio of sizes (``isinstance`` would be answered for the plain number)."""
    return issubclass(type(value), Size)



def is_number(value: Any) -> bool:
    """Whether it is a number, with letters or without."""
    return is_measured(value) or issubclass(type(value), PLAIN)



def plain(value: Any) -> Any:
    """The number without its letters; other values as they are."""
    return value.number if issubclass(type(value), Size) else value



def deeper(level: int) -> int:
    """One level further into a nested list. A list that holds itself ends as it does in NumPy, with a ValueError."""
    if level == DEEPEST:
        raise ValueError(f"setting an array element with a sequence: lists are nested deeper than {DEEPEST}")
    return level + 1



def rational(number: complex | Fraction | np.number[Any]) -> Number:
    """What a person meant by a number: 0.1 is 1/10, and 0.3333333333333333 is 1/3.

    A float becomes the simplest fraction (denominator at most 10⁶) that rounds to it, else the float's exact value. One
    that is narrower is what it is: NumPy goes on with that in a wider array.
    """
    value = exact(number)  # type: ignore[arg-type]  # NumPy's scalars are numbers too
    if isinstance(value, Fraction) and isinstance(number, float) and value.denominator > 1:
        simple = value.limit_denominator(1_000_000)
        return simple if float(simple) == number else value
    return value



def told(size: Any) -> str:
    """``n - 1``; without words for all sizes in it, what it is."""
    if not is_measured(size):
        return str(size)
    return (None if size.lost else terms.text(size.expanded)) or UNTOLD


def as_number(size: Any) -> str:
    """``n - 1 is 5``; of a number that was lost, how it was made."""
    return size.said or f"{told(size)} is {plain(size)}"



def froze(size: Size) -> Any:
    """The plain number of a size, where its letters are lost for good: that it is so is written down."""
    if (watcher := WATCHER.get()) is not None:
        watcher.met("frozen", as_number(size), axes_of(size))
    return size.number



def given(size: Size) -> Any:
    """The plain number of a size that what follows may depend on in any way: that it is so is a condition."""
    if (watcher := WATCHER.get()) is not None:
        watcher.met("given", as_number(size), axes_of(size))
    return size.number



def rounds(size: Any) -> Any:
    """The plain number of a size that says how often something is done: that is written down."""
    if (watcher := WATCHER.get()) is not None and is_measured(size):
        watcher.met("rounds", size.number, axes_of(size), sized_axis(size))
    return plain(size)



def frozen(value: Any) -> Any:
    """The number without its letters, which is written down, also in nested lists; other values as they are."""
    if type(value) in (list, tuple):
        return type(value)(map(frozen, value))
    return froze(value) if is_measured(value) else value



def named_axis(size: Any) -> Axis | None:
    """The axis that a number is the size of, where it remembers just one."""
    if is_measured(size) and [p for _, p in size.powers] == [1] and size.coefficient == 1:
        axis: Axis = size.powers[0][0]
        return axis
    return None



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



def measure(number: Any) -> tuple[Number, Powers]:
    """A Python or NumPy scalar as a number times powers of sizes."""
    if not is_measured(number):
        return rational(number), ()
    if number.lost or number.sum is not None:
        return rational(froze(number)), ()
    return terms.unfolded(number.coefficient, number.powers)



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


def in_numbers(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose counts and offsets are plain numbers: sizes among its arguments lose their letters there."""

    @functools.wraps(rule)
    def ruled(*arguments: Any, **keywords: Any) -> Any:
        return rule(*map(frozen, arguments), **{key: frozen(value) for key, value in keywords.items()})

    return ruled


def as_product(found: Terms) -> tuple[Fraction, Monomial] | None:
    """A sum as a number times powers of sizes; None where it is negative, 0 or no whole number in this run."""
    if any(not axis.size for axis in terms.axes_in(found)):
        return None
    if len(found) == 1:
        ((monomial, coefficient),) = found.items()
        return coefficient, monomial
    factor, common, rest = terms.split(found)
    size = terms.value(rest)
    if size is not None and size < 0:
        factor, rest, size = -factor, {m: -x for m, x in rest.items()}, -size
    watcher = WATCHER.get()
    if watcher is None or size is None or size < 1 or size.denominator != 1:
        return None
    axis = watcher.expression((rest,), int(size), rest, terms.axes_in(rest))
    return factor, terms.product(common, of_axis(axis))


def floor(a: Terms, b: Terms) -> dict[Monomial, Fraction] | None:
    """``a // b``: what is divisible for every size, and the size of an axis of its own for the rest."""
    if not terms.is_whole({m: Fraction(1) for m in a}):  # roots and quotients of sizes
        return None
    if set(b) == {NONE} and b[NONE] > 0 and terms.is_negative(a):
        top, bottom = terms.lowest(a, b[NONE])
        above = floor(terms.added({NONE: bottom - 1}, top, -1), {NONE: bottom})
        return None if above is None else {m: -x for m, x in above.items()}
    whole, rest, divisor = terms.quotient(a, b)
    if not rest:
        return dict(whole)
    below, number, watcher = terms.value(rest), terms.value(divisor), WATCHER.get()
    if below is None or not number or watcher is None or below // number < 0:
        return None
    parts = tuple(dict.fromkeys((*terms.axes_in(rest), *terms.axes_in(divisor))))
    axis = watcher.expression((rest, divisor), int(below // number), None, parts)
    return terms.added(whole, {of_axis(axis): Fraction(1)})


def evenly(a: Terms, b: Terms, said: str) -> dict[Monomial, Fraction] | None:
    """``a / b`` where the code says that it comes out even, which is a condition; ``a // b`` is that from now on."""
    reciprocal, watcher = terms.inverse(b), WATCHER.get()
    if reciprocal is None or watcher is None or not terms.is_whole({m: Fraction(1) for m in a}):
        return None
    _, rest, divisor = terms.quotient(a, b)
    if rest:
        part = terms.times(rest, terms.inverse(divisor) or {})
        number = terms.value(part)
        if number is None or number.denominator != 1 or number < 1:
            return None
        axis = watcher.expression((rest, divisor), int(number), None, terms.axes_in(rest)).root()
        axis.made = axis.made or part
        watcher.met("divides", said, terms.axes_in(rest))
    return terms.times(a, reciprocal)


def of_axis(axis: Axis) -> Monomial:
    """The size of one axis."""
    return frozenset([(axis, Fraction(1))])


def compared(operation: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """A comparison: where it could go the other way at other sizes, it is a condition."""

    def compare(self: Size, other: Any) -> Any:
        if not is_number(other):
            return NotImplemented if hasattr(other, "__array_ufunc__") else operation(self.number, other)
        return decided(operation, self, other) if asked_by_others() else operation(self.number, plain(other))

    return compare



def is_negative(size: Size) -> bool:
    """Whether it is less than 0: where that is not so for all sizes, it is a condition."""
    return decided(operator.lt, size)


def is_not_zero(size: Size) -> bool:
    """Whether it is not 0; likewise."""
    return decided(operator.ne, size)


def decided(operation: Callable[[Any, Any], bool], one: Any, other: Any = 0) -> bool:
    """What a comparison of sizes or numbers says, on the user's behalf; likewise."""
    answer = bool(operation(plain(one), plain(other)))
    if (watcher := WATCHER.get()) is not None and not goes_without_saying(operation, one, other):
        watcher.met("sizes", answer, (*axes_of(one), *axes_of(other)))
    return answer


def goes_without_saying(operation: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """Whether a comparison of sizes goes the same way for all sizes of at least 1."""
    left, right = terms_of(a), terms_of(b)
    if left is None or right is None:
        return False
    if key_of(a) == key_of(b) or terms.always(left, right, strictly=True) or terms.always(right, left, strictly=True):
        return True
    if operation in (operator.lt, operator.ge):
        return terms.always(right, left, strictly=False)
    return operation in (operator.le, operator.gt) and terms.always(left, right, strictly=False)
