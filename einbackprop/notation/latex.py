"""LaTeX: formulas for math mode, and fragments of text and displayed formulas for a document that has amsmath.

A fragment compiles as it stands with pdflatex, and no blank line is in a formula. What pdflatex has no sign for is
written as a console without Unicode shows it.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator

from ..core.program import Ref
from ..core.visible import visible
from . import console
from .breaking import pieces
from .display import Row, Section
from .markup import (
    VULGAR,
    Entry,
    Letter,
    Markup,
    Part,
    Partial,
    Power,
    Quotient,
    Raised,
    Reduction,
    Root,
    Size,
    Summation,
    Words,
    between,
    text,
)

LINE = 70
"""Characters of a formula, as text, that stand on one line of a page."""
NOTE = 88
LONGEST_NAME = 48

OPERATORS = {
    "·": r"\cdot ", "⊙": r"\odot ", "⇒": r"\Rightarrow ", "≠": r"\neq ", "≤": r"\leq ", "≥": r"\geq ", "¬": r"\lnot ",
    "*": r"\cdot ", "∞": r"\infty ", "∂": r"\partial ", "Σ": r"\Sigma ", "√": r"\surd ", "…": r"\dots ",
    "⋯": r"\cdots ", "×": r"\times ", "∇": r"\nabla ", "∈": r"\in ", "−": "-", " ": r"\,", "%": r"\%", "&": r"\&",
    "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}", "\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim ",
    **{quote: rf"\text{{{quote}}}" for quote in "'\"`"},
    **{sign: rf"\tfrac{{{value.numerator}}}{{{value.denominator}}}" for sign, value in VULGAR.items()},
    **{chr(0x2080 + n): f"{{}}_{{{n}}}" for n in range(10)},
    **{c: f"{{}}^{{{n}}}" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}, "⁻": "{}^{-}", "ᵀ": r"{}^{\top}",
}  # fmt: skip
"""How math mode writes a character."""

WORDS = {c: "\\" + c for c in "_{}$&#%"} | {
    "\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
}  # fmt: skip
"""How text mode writes a character that means something to LaTeX."""

GREEK = frozenset(unicodedata.name(c).split()[-1].lower().replace("lamda", "lambda") for c in "αβγδεζηθικλμνξπρστυφχψω")
CAPITALS = frozenset(("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"))


def in_math(character: str) -> str:
    """A character for math mode."""
    if character in OPERATORS:
        return OPERATORS[character]
    if character.isascii():
        return character
    name = console.plain(character)
    if name in GREEK | CAPITALS:
        return rf"\{name} "
    return rf"\text{{{character}}}" if is_latin(character) else rf"\text{{{words(name)}}}"


def words(shown: str) -> str:
    """Words for text mode."""
    return "".join(map(in_text, visible(shown)))


def in_text(character: str) -> str:
    """A character for text mode."""
    if character in WORDS:
        return WORDS[character]
    return character if character.isascii() or is_latin(character) else f"${in_math(character)}$"


def code(shown: str) -> str:
    """Code for a line of text, which may be broken after its signs."""
    broken = (in_text(c) + (r"\allowbreak{}" if c in "_.,([=" else "") for c in visible(shown))
    return rf"\texttt{{{''.join(broken)}}}"


def is_latin(character: str) -> bool:
    """Whether it is a Latin letter with an accent, which pdflatex knows."""
    parts = unicodedata.normalize("NFD", character)
    return len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and character <= "ž"


def latex(markup: Markup) -> str:
    """The formula as LaTeX, for math mode."""

    def letters(run_of: str) -> str:
        return "".join(map(in_math, run_of))

    def one(part: Part) -> str:
        match part:
            case str():
                return letters(part)
            case Letter(letter):
                return letters(letter)
            case Size(letter, name):
                return latex_name(name) if name else f"|{letters(letter)}|"
            case Entry(name, _, axes):
                return latex_name(name) + f"_{{{between(axes).join(map(run, axes))}}}"
            case Ref(name, indices):
                return latex_name(name) + (f"_{{{letters(indices)}}}" if indices else "")
            case Summation(over):
                return rf"\sum_{{{letters(over)}}} " if over else ""
            case Reduction(name, over):
                return rf"\operatorname{{{name}}}" + (rf"_{{{letters(over)}}} " if over else " ")
            case Partial(of, by):
                return rf"\frac{{\partial {one(of)}}}{{\partial {one(by)}}}"
            case Words(said):
                return latex_name(said)
            case Raised(body, exponent):
                return f"{{{run(body)}}}^{{{letters(exponent).replace('T', chr(92) + 'top')}}}"
            case Power(base, exponent):
                return f"{{{run(base)}}}^{{{run(exponent)}}}"
            case Quotient(over, under):
                return rf"\frac{{{run(over)}}}{{{run(under)}}}"
            case Root(body):
                return rf"\sqrt{{{run(body)}}}"

    def run(parts: Markup) -> str:
        return "".join(one(part) for part in parts)

    return run(markup)


def latex_name(name: str) -> str:
    """A name for math mode: a single letter is italic, anything longer upright; an expression that is too long for a
    line is code on several."""
    if len(name) > LONGEST_NAME:
        return rf"\parbox[t]{{0.7\linewidth}}{{\raggedright {code(name)}}}"
    escaped = "".join(r"\ " if c == " " else in_math(c) for c in visible(name))
    return escaped if len(name) == 1 else rf"\mathrm{{{escaped}}}"


def aligned(rows: Iterable[str]) -> str:
    """Rows as a displayed formula."""
    return "\\[\n\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}\n\\]"


def formula_rows(left: Markup, right: Markup, sign: str = "=") -> Iterator[str]:
    """``left = right``, or with another sign, on as many rows as it needs, its equals sign marked for alignment."""
    row, length, space = f"{latex(left)} &{sign} " if right else f"{latex(left)} &", len(text(left)), ""
    for piece in pieces(right):
        size = len(text(piece)) + 1
        if length > 4 and length + size > LINE:
            yield row.rstrip()
            row, length, space = r"&\qquad ", 4, ""
        row, length, space = f"{row}{space}{latex(piece)}", length + size, r"\,"
    yield row


def sections(shown: Iterable[Section]) -> str:
    """Sections as a fragment: the headings as text, the rows of each as a displayed formula."""
    blocks = []
    for section in shown:
        blocks += [rf"\noindent {words(section.heading)}"] if section.heading else []
        rows = [line for row in section.rows for line in section_rows(row)]
        blocks += [aligned(rows)] if rows else []
    return "\n\n".join(blocks)


def section_rows(row: Row) -> Iterator[str]:
    """A row with its note: beside it, or under it where both are long."""
    if not row.left and not row.right and not row.code:
        yield from (rf"&\text{{{words(line)}}}" for line in textwrap.wrap(row.note, NOTE))
        return
    if row.code:
        yield rf"{latex(row.left)} &= \texttt{{{words(row.code)}}}"
    else:
        yield from formula_rows(row.left, row.right)
    yield from (rf"&\qquad\text{{{words(line)}}}" for line in textwrap.wrap(row.note, NOTE - 10))


def verbatim(shown: str) -> str:
    """Lines as they stand, in typewriter letters."""
    lines = (words(line).replace("  ", "~~") or "~" for line in shown.splitlines())
    return "{\\noindent\\footnotesize\\ttfamily\n" + "\\\\\n".join(lines) + "\n\\par}"
