"""Factors, sizes, positions and brackets as markup: ``1/(2B)``, ``[p=2s+r]``."""

from __future__ import annotations

from fractions import Fraction

from ..core.program import ONE, Bracket, Factor, Number, Position, Ref
from ..errors import NotationError
from .markup import Letter, Markup, Part, Quotient, Raised, Root, Size
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


def bracket_markup(bracket: Bracket, view: View) -> Markup:
    """``[p=2s+r]``."""
    left, right = position_markup(bracket.left, view), position_markup(bracket.right, view)
    return ("[", *left, bracket.relation, *right, "]")


def pick_markup(pick: Ref, view: View) -> Markup:
    """``y[b]``; a number with the name of a letter is ``n[]``."""
    shown = view.ref(pick)
    is_letter = not shown.indices and (shown.name in view.scope or shown.name in view.alike)
    return (shown, "[]") if is_letter else (shown,)


def position_markup(position: Position, view: View) -> Markup:
    """``2s+r-1``, ``h·E+e``, ``y[b]``."""
    parts: Markup = ()
    constant = position.constant
    if constant > 0 and position.terms and is_negative(position.terms[0][0]):
        parts, constant = (str(constant),), 0
    for factor, letter in position.terms:
        if not isinstance(factor.number, Fraction):
            raise NotationError(f"a position's coefficient must be whole, not {factor.number}")
        size = abs(factor.number)
        parts += (("-" if is_negative(factor) else "+" if parts else "") + ("" if size == 1 else str(size)),)
        parts += (Letter(letter),)
        for i, power in factor.sizes:
            parts += ("·", view.size(i) if power == 1 else Raised((view.size(i),), str(power)))
    if position.pick is not None:
        parts += ("+" if parts else "", *pick_markup(position.pick, view))
    if constant or not parts:
        parts += (("+" if parts and constant >= 0 else "") + str(constant),)
    return tuple(part for part in parts if part != "")
