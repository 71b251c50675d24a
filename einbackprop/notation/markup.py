"""Markup: a formula as a flat run of parts, and what it looks like as text and MathML; ``latex`` writes LaTeX.

``notation`` makes markup from equations. Every output format is one function, so that a formula says the same thing
wherever it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from ..core.program import Ref
from ..core.records import dataclass
from ..core.visible import in_html, visible


@dataclass(frozen=True, slots=True)
class Letter:
    """An index on its own, as in a bracket's ``2s+r``."""

    letter: str


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the dimension that a letter ranges over: by a name, ``B`` or ``batch_size``, or else as ``|b|``."""

    letter: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Entry(Ref):
    """A value whose axes carry more than a letter each: ``flat[b,(jk)]`` for axes that were merged, ``x[b,2y+r]``."""

    axes: tuple[Markup, ...] = ()


@dataclass(frozen=True, slots=True)
class Summation:
    """``Σ_jk``. Without letters it is nothing."""

    letters: str


@dataclass(frozen=True, slots=True)
class Reduction:
    """``max_k``, ``argmin_k``: an operation over letters; ``is_call`` where what it is of follows in parentheses."""

    name: str
    letters: str
    is_call: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """The partial derivative ``∂of/∂by``."""

    of: Ref
    by: Ref


@dataclass(frozen=True, slots=True)
class Words:
    """Upright text: the name of a function, or a word such as ``elsewhere``."""

    text: str


@dataclass(frozen=True, slots=True)
class Raised:
    """``body`` with an exponent: ``x²``, ``Wᵀ``."""

    body: Markup
    exponent: str


@dataclass(frozen=True, slots=True)
class Power:
    """``base^exponent``, of which both are formulas."""

    base: Markup
    exponent: Markup


@dataclass(frozen=True, slots=True)
class Quotient:
    """``over/under``, written as a fraction where the format has one."""

    over: Markup
    under: Markup


@dataclass(frozen=True, slots=True)
class Root:
    """The square root of ``body``."""

    body: Markup


Part = str | Letter | Size | Ref | Summation | Reduction | Partial | Words | Raised | Power | Quotient | Root
Markup = tuple[Part, ...]
"""A formula. A plain string in it is operators, numbers and spaces, to be shown as it stands."""

VULGAR = {"½": Fraction(1, 2), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3), "¼": Fraction(1, 4), "¾": Fraction(3, 4)}
NO_BREAK_SPACE, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"

Paint = Callable[[str], str]

SUPERSCRIPTS = str.maketrans("0123456789-+nT/.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿᵀᐟ·")


def plain(letters: str) -> str:
    """Letters without colour."""
    return letters


def text(markup: Markup, *, compact: bool = False, paint: Paint = plain) -> str:
    """The formula as plain text: ``compact`` writes ``z_ib`` for ``z[i,b]``, ``paint`` colours letters."""

    def one(part: Part) -> str:
        match part:
            case str():
                return part
            case Letter(letter):
                return paint(letter)
            case Size(letter, name):
                return paint(letter).replace(letter, name) if name else f"|{paint(letter)}|"
            case Entry(name, _, axes):
                return f"{visible(name)}[{','.join(map(run, axes))}]"
            case Ref(name, indices):
                if not indices:
                    return visible(name)
                inside = "_" + paint(indices) if compact else f"[{','.join(paint(i) for i in indices)}]"
                return visible(name) + inside
            case Summation(letters):
                return f"Σ_{paint(letters)} " if letters else ""
            case Reduction(name, letters, is_call):
                return (f"{name}_{paint(letters)}" if letters else name) + " " * (not is_call)
            case Partial(of, by):
                return f"∂{one(of)}/∂{one(by)}"
            case Words(words):
                return visible(words)
            case Raised(body, exponent):
                return run(body) + raised(exponent)
            case Power(base, exponent):
                return f"{run(base)}^{run(exponent)}"
            case Quotient(over, under):
                top = f"({run(over)})" if goes_on(over) else run(over)
                return f"{top}/{run(under) if is_single(under) else f'({run(under)})'}"
            case Root(body):
                inner = run(body)
                return f"√{inner}" if is_single(body) and not isinstance(body[0], Raised) else f"√({inner})"

    def run(parts: Markup) -> str:
        return "".join(one(part) for part in parts)

    return run(markup)


def raised(exponent: str) -> str:
    """An exponent in raised characters, or after ``^`` where there are none for it."""
    if all(c in "0123456789-T" for c in exponent):
        return exponent.translate(SUPERSCRIPTS)
    return f"^{exponent}" if exponent.isalnum() else f"^({exponent})"


def is_single(markup: Markup) -> bool:
    """Whether it needs no parentheses to be one thing."""
    if len(markup) != 1:
        return markup[:1] == ("(",) and closes_at(markup) == len(markup) - 1
    return not isinstance(markup[0], Quotient | Power) and (not isinstance(markup[0], str) or markup[0].isalnum())


def closes_at(markup: Markup) -> int:
    """The part with which the parenthesis that is the first one closes."""
    depth = 0
    for n, part in enumerate(markup):
        depth += sum((c in "([") - (c in ")]") for c in part) if isinstance(part, str) else 0
        if not depth:
            return n
    return len(markup)


def goes_on(markup: Markup) -> bool:
    """Whether what follows would be taken for a part of it: of the sum that a Σ makes, or of its maximum."""
    depth = 0
    for part in markup:
        if isinstance(part, str):
            depth += sum((c in "([") - (c in ")]") for c in part)
        elif not depth and opens(part):
            return True
    return False


def opens(part: Part) -> bool:
    """Whether a part takes in what follows it."""
    return not part.is_call if isinstance(part, Reduction) else isinstance(part, Summation) and part.letters != ""


def letters_of(markup: Markup) -> Iterator[str]:
    """Every letter in a formula, those whose sizes stand in it too."""
    for part in markup:
        match part:
            case Letter(letter) | Size(letter):
                yield letter
            case Entry(_, _, axes):
                for axis in axes:
                    yield from letters_of(axis)
            case Ref(_, letters) | Summation(letters) | Reduction(_, letters):
                yield from letters
            case Partial(of, by):
                yield from letters_of((of, by))
            case Raised(body) | Root(body):
                yield from letters_of(body)
            case Power(one, other) | Quotient(one, other):
                yield from letters_of((*one, *other))


def names_of(markup: Markup) -> Iterator[str]:
    """Every value in a formula, by the name that it is shown by."""
    for part in markup:
        match part:
            case Entry(name, _, axes):
                yield name
                for axis in axes:
                    yield from names_of(axis)
            case Ref(name):
                yield name
            case Partial(of, by):
                yield from (of.name, by.name)
            case Raised(body) | Root(body):
                yield from names_of(body)
            case Power(one, other) | Quotient(one, other):
                yield from names_of((*one, *other))


def between(axes: tuple[Markup, ...], comma: str = ",") -> str:
    """What stands between the indices of a value: nothing, where each of them is a letter or in parentheses."""
    return "" if all((len(axis) == 1 and isinstance(axis[0], Letter)) or axis[:1] == ("(",) for axis in axes) else comma


def mathml(markup: Markup, colour: Callable[[str], str]) -> str:
    """The formula as a MathML element; ``colour`` gives the CSS colour of a letter."""

    def letters(run_of: str) -> str:
        return "".join(f'<mi style="color:{colour(c)}">{in_html(c)}</mi>' for c in run_of)

    def one(part: Part) -> str:
        match part:
            case str():
                return mathml_operators(part)
            case Letter(letter):
                return letters(letter)
            case Size(letter, name):
                element = f'<mi style="color:{colour(letter)}">{in_html(name or letter)}</mi>'
                return element if name else f"<mo>|</mo>{element}<mo>|</mo>"
            case Entry(name, _, axes):
                inside = between(axes, "<mo>,</mo>").join(map(run, axes))
                return f"<msub><mi>{in_html(visible(name))}</mi><mrow>{inside}</mrow></msub>"
            case Ref(name, indices):
                base = f"<mi>{in_html(visible(name))}</mi>"
                return f"<msub>{base}<mrow>{letters(indices)}</mrow></msub>" if indices else base
            case Summation(over):
                return f"<munder><mo>∑</mo><mrow>{letters(over)}</mrow></munder>" if over else ""
            case Reduction(name, over):
                operator = f"<mo>{in_html(name)}</mo>"
                return f"<munder>{operator}<mrow>{letters(over)}</mrow></munder>" if over else operator
            case Partial(of, by):
                return f"<mfrac><mrow><mo>∂</mo>{one(of)}</mrow><mrow><mo>∂</mo>{one(by)}</mrow></mfrac>"
            case Words(words):
                return f"<mtext>{in_html(visible(words)).replace(' ', NO_BREAK_SPACE)}</mtext>"
            case Raised((Ref(name, indices),), exponent) if indices:
                base = f"<mi>{in_html(visible(name))}</mi>"
                return f"<msubsup>{base}<mrow>{letters(indices)}</mrow>{mathml_exponent(exponent)}</msubsup>"
            case Raised(body, exponent):
                return f"<msup><mrow>{run(body)}</mrow>{mathml_exponent(exponent)}</msup>"
            case Power(base, exponent):
                return f"<msup><mrow>{run(base)}</mrow><mrow>{run(exponent)}</mrow></msup>"
            case Quotient(over_, under):
                return f"<mfrac><mrow>{run(over_)}</mrow><mrow>{run(under)}</mrow></mfrac>"
            case Root(body):
                return f"<msqrt>{run(body)}</msqrt>"

    def run(parts: Markup) -> str:
        return "".join(one(part) for part in parts)

    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true"><mrow>{run(markup)}</mrow></math>'


def mathml_exponent(exponent: str) -> str:
    """An exponent as a MathML token."""
    return f"<mn>{exponent}</mn>" if exponent.isdigit() else f"<mtext>{in_html(exponent)}</mtext>"


NUMBER = re.compile(r"(\d+\.?\d*(?:e[-+]?\d+)?|[½⅓⅔¼¾])")


def mathml_operators(run_of: str) -> str:
    """Operators and numbers as MathML tokens."""
    elements: list[str] = []
    for n, run in enumerate(NUMBER.split(run_of)):
        elements += [f"<mn>{run.replace('-', MINUS)}</mn>"] if n % 2 else map(mathml_operator, run)
    return "".join(elements)


def mathml_operator(character: str) -> str:
    """A character that is no part of a number."""
    if character == " ":
        return '<mspace width="0.3em"/>'
    if character in "()[]|":
        return f'<mo stretchy="false">{character}</mo>'
    if character == "√":  # as an operator it would stand below the line
        return f"<mi>{character}</mi>"
    return f"<mo>{in_html(MINUS if character == '-' else character)}</mo>"
