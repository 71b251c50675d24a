"""Numbers as people write them and as Python has them; factors and sizes as markup: ``1/(2B)``, ``2√B``."""

import math
from fractions import Fraction

from ..core.program import ONE, Factor, Number
from .markup import VULGAR, Markup, Part, Quotient, Raised, Root, Size
from .view import View

SIGNS = {value: sign for sign, value in VULGAR.items()}
LONGEST_INTEGER = 16
LONGEST_COUNT = 12
ROUNDING = Fraction(1, 10**14)
"""How much a float may differ from the number that was meant, 0.09999999999999998 from 0.1."""


def number_text(number: Number) -> str:
    """The number with every digit: ``2``, ``½``, ``0.1``, ``2/7``, ``inf``, ``(1+2j)``.

    A decimal is the float that it is read as, so 0.1 is the Fraction of that float.
    """
    if isinstance(number, complex):
        return repr(number) if repr(number).startswith("(") else f"({number!r})"
    if not isinstance(number, Fraction) and not math.isfinite(number):
        return repr(float(number))
    exact = Fraction(number)
    if abs(exact) in SIGNS:
        return ("-" if exact < 0 else "") + SIGNS[abs(exact)]
    if exact.denominator == 1 and len(str(exact.numerator)) <= LONGEST_INTEGER:
        return str(exact.numerator)
    as_float = nearest_float(exact)
    return repr(as_float) if math.isfinite(as_float) and Fraction(as_float) == exact else str(exact)


def nearest_float(number: Fraction) -> float:
    """The float nearest to a fraction, infinite where it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def short(number: Number, digits: int = 6) -> str:
    """The number as people write it: ``0.1``, ``2/7``, ``1e-12``; rounded where it has more digits, ``0.125730``.

    A rounded number shows all its digits, zeros at the end too, so that it is not taken for an exact one.
    """
    if not isinstance(number, Fraction):
        return number_text(number).replace("inf", "∞")
    as_float = nearest_float(number)
    decimal = repr(as_float)
    if number.denominator > 4 and len(decimal) <= digits + 3 and Fraction(decimal) == number:
        return decimal  # 0.001 was typed, not 1/1000
    exact = number_text(number)
    if len(exact) <= digits + 1 or ("/" in exact and len(exact) <= 2 * digits) or not as_float or math.isinf(as_float):
        return exact
    rounded = f"{as_float:.{digits}g}"
    if abs(Fraction(rounded) - number) <= ROUNDING * abs(number):
        return rounded
    if number.denominator == 1 and len(exact) <= LONGEST_COUNT:
        return exact
    padded = f"{as_float:#.{digits}g}"
    return f"{as_float:.1f}" if padded.endswith(".") else padded


def code(number: Number) -> str:
    """The number as a Python literal or expression."""
    if isinstance(number, Fraction) and number.denominator == 1:
        return str(number.numerator)
    if isinstance(number, complex):
        return complex_code(number)
    as_float = nearest_float(number) if isinstance(number, Fraction) else number
    return repr(as_float) if math.isfinite(as_float) else f"np.{as_float!r}".replace("np.-", "-np.")


def complex_code(number: complex) -> str:
    """A complex number as a Python expression."""
    if math.isfinite(number.real) and math.isfinite(number.imag):
        return repr(number)
    return f"complex({code(number.real)}, {code(number.imag)})"


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
