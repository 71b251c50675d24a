"""Factors and sizes as markup: ``1/(2B)``, ``2√B``."""

from fractions import Fraction

from ..core.program import ONE, Factor, Number
from .markup import Markup, Part, Quotient, Raised, Root, Size
from .numerals import short
from .view import View


def is_negative(factor: Factor) -> bool:
    """Whether it is written after a minus sign."""
    return not isinstance(factor.number, complex) and factor.number < 0


def factor_markup(factor: Factor, view: View, alone: bool = False) -> Markup:
    """A factor in front of what it multiplies (with the space between), or ``alone``."""
    if factor == ONE and not alone:
        return ()
    if factor.number == -1 and not factor.sizes and not alone:
        return ("-",)
    return fraction_markup(factor, view) if alone else (*fraction_markup(factor, view), " ")


def fraction_markup(factor: Factor, view: View) -> Markup:
    """``½``, ``1/B``, ``2B``, ``2B/7``, ``-1/(2B)``."""
    over = sizes_markup([(i, p) for i, p in factor.sizes if p > 0], view)
    under = sizes_markup([(i, -p) for i, p in factor.sizes if p < 0], view)
    number = factor.number
    written = short(number)
    if not isinstance(number, Fraction) or any(c in written for c in ".e") or not (under or (over and "/" in written)):
        top = number_markup(number, over)
        return (Quotient(top, under),) if under else top
    minus: Markup = ("-",) if number < 0 else ()
    bottom = under if number.denominator == 1 else (str(number.denominator), *under)
    return (*minus, Quotient(number_markup(Fraction(abs(number.numerator)), over), bottom))


def number_markup(number: Number, sizes: Markup) -> Markup:
    """A number before sizes; a 1 is left out there."""
    if sizes and number in (1, -1):
        return (("-",) if number == -1 else ()) + sizes
    written = short(number)
    return (written + " " * (bool(sizes) and written[-1].isalpha()), *sizes)


def sizes_markup(powers: list[tuple[str, int | Fraction]], view: View) -> Markup:
    """A product of positive powers of sizes; they are not capitals where those side by side are a name."""
    sizes = [view.size(letter) for letter, _ in powers]
    run = "".join(size.letter.upper() if size.capital else "|" for size in sizes)
    if len(run) > 1 and any(len(name) > 1 and name in run for name in view.taken):
        sizes = [Size(size.letter, False) for size in sizes]
    parts: list[Part] = []
    for size, (_, power) in zip(sizes, powers, strict=True):
        root = Root((size,)) if power == Fraction(1, 2) else Raised((size,), str(power))
        parts.append(size if power == 1 else root)
    return tuple(parts)


def is_atomic(factor: Factor) -> bool:
    """Whether a factor needs no parentheses anywhere: a number or a size without a sign."""
    if factor.sizes:
        return factor.number == 1 and len(factor.sizes) == 1 and factor.sizes[0][1] == 1
    return not is_negative(factor) and "/" not in short(factor.number)
