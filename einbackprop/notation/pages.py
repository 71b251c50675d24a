"""Pages: what is shown in a browser, alone or in a notebook, and the parts that all of it is made of.

A page needs no script, and nothing from elsewhere. It is well-formed as XML too.
"""

import itertools
import linecache
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from ..core.program import Dimension, Ref
from ..core.progress import collecting, contained
from ..core.source import statements_of
from ..core.visible import in_html
from .breaking import pieces
from .display import Row, Section, readable_colour
from .markup import Markup, Part, mathml
from .style import LETTERS_DARK, LETTERS_LIGHT, STYLE, schemes

MARK = '<meta name="generator" content="einbackprop"/>'
"""What shows that a page is one of ours."""

BETWEEN = 4  # lines of the user's file between two that are shown: so many are shown too, more are left out
GAP = '<div class="line gap"><span class="number">⋮</span></div>'
LONGEST_NAME = 16
"""Characters of a name in a formula; a longer one is code, which can be broken anywhere."""

COLOURED = re.compile(r"var\(--of-(.)\)")


def page(title: str, part: str) -> str:
    """A whole page around a part."""
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>'
        f"{MARK}"
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        f"<title>{in_html(f'{title} · einbackprop')}</title></head>\n<body>{part}"
        "</body></html>\n"
    )


def article(content: Iterable[str]) -> str:
    """What stands in a page, with its style, as a notebook shows it."""
    body = "".join(content)
    with collecting() as faults:  # those of the parts are in the body already
        sheet = contained("the style of the page", partial(style, sorted(set(COLOURED.findall(body)))), "")
    said = "".join(f'<p class="remark">{in_html(str(fault))}</p>' for fault in faults)
    return f'{sheet}<article class="einbackprop">{body}{said}</article>'


def style(letters: Sequence[str]) -> str:
    """The style, with a colour for each letter in a light and in a dark scheme."""

    def colours(background: str) -> str:
        return ";".join(f"--of-{letter}:{readable_colour(letter, background)}" for letter in letters)

    return f"<style>{schemes(colours(LETTERS_LIGHT), colours(LETTERS_DARK))}{STYLE}</style>"


def colour(letter: str) -> str:
    """The colour of a letter, which the style defines for either scheme."""
    return f"var(--of-{letter})"


def heading(title: str) -> str:
    """The heading of a page."""
    return f"<header><h1>{in_html(title)}</h1></header>"


def legend(dimensions: Sequence[Dimension]) -> str:
    """What each letter ranges over."""
    parts = []
    for d in dimensions:
        letters = ", ".join(f'<i style="color:{colour(letter)}">{in_html(letter)}</i>' for letter in d.letters)
        parts.append(f"<span>{letters} = {d.size}{in_html(f' ({d.name})' if d.name else '')}</span>")
    return f'<p class="letters">{" ".join(parts)}</p>' if parts else ""


def listed(heading: str, items: Iterable[str]) -> str:
    """What stands at the end: sentences under a heading."""
    rows = "".join(f"<li>{in_html(item)}</li>" for item in items)
    return f"<footer><h2>{in_html(heading)}</h2><ul>{rows}</ul></footer>" if rows else ""


def formula(markup: Markup, equation: str) -> str:
    """A formula as MathML, or as text where there is no markup."""
    plain = f'<span class="formula"><code>{in_html(equation)}</code></span>'
    return contained("a formula on the page", partial(broken, markup), plain) if markup else plain


def broken(markup: Markup) -> str:
    """A formula in pieces, between which a row may end: browsers do not break MathML."""
    return f'<span class="formula">{" ".join(map(piece, pieces(markup)))}</span>'


def piece(markup: Markup) -> str:
    """A piece of a formula: MathML, and code for a long name."""
    shown: list[str] = []
    rest: list[Part] = []
    for part in markup:
        if isinstance(part, Ref) and len(part.name) > LONGEST_NAME:
            shown += [mathml(tuple(rest), colour)] if rest else []
            shown += [f"<code>{in_html(part.name)}</code>", mathml((replace(part, name=""),), colour)]
            rest = []
        else:
            rest.append(part)
    return "".join([*shown, mathml(tuple(rest), colour) if rest else ""])


def with_between(numbers: Sequence[int]) -> list[int | None]:
    """The lines that are shown: the given ones, and the few that stand between two; None for more of them."""
    shown: list[int | None] = list(numbers[:1])
    for before, number in itertools.pairwise(numbers):
        few = number - before - 1 <= BETWEEN
        shown += [*range(before + 1, number), number] if few else [None, number]
    return shown


def indentation(file: str, numbers: Iterable[int | None]) -> int:
    """How far all the lines that are shown stand to the right."""
    lines = [linecache.getline(file, number).expandtabs() for number in numbers if number is not None]
    return min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)


def code_at(file: str, number: int, indent: int) -> str:
    """A line of a file, as far to the left as all that are shown can stand."""
    return linecache.getline(file, number).expandtabs().rstrip()[indent:]


def extent(file: str, number: int) -> range:
    """The lines of the statement that starts on a line; of one with a body, those before that."""
    statements = statements_of(file)
    node, last = statements.at(number), number
    while node is not None and statements.at(last + 1) is node:
        last += 1
    return range(number, last + 1)


def code_row(number: int, code: str, kind: str = "", sign: str = "", math: str = "") -> str:
    """A row of a listing: the number with a sign, the code, and what is said of it beside it."""
    lines = "".join(f"<span>{in_html(line)}</span>" for line in code.split("\n"))
    beside = f'<div class="math">{math}</div>' if math else ""
    return (
        f'<div class="line{" " if kind else ""}{kind}"><span class="number">{number}{sign}</span>'
        f"<code>{lines}</code>{beside}</div>"
    )


def listing(name: str, rows: Iterable[str]) -> str:
    """The rows of one file, under its name."""
    return f'<section><h2>{in_html(name)}</h2><div class="lines">{"".join(rows)}</div></section>'


def sections(shown: Iterable[Section]) -> str:
    """Rows of formulas under their headings."""
    parts = []
    for section in shown:
        rows = "".join(map(row, section.rows))
        heading = f"<h2>{in_html(section.heading)}</h2>" if section.heading else ""
        parts.append(f'<section>{heading}{section.drawing}<div class="rows">{rows}</div></section>')
    return "".join(parts)


def row(shown: Row) -> str:
    """One row: what is defined, what it is, and the note."""
    note = in_html(shown.note)
    if not shown.left and not shown.right and not shown.code:
        return f'<div class="wide note">{note}</div>'
    left = broken(shown.left) if shown.left else ""
    right = f'<span class="formula">= <code>{in_html(shown.code)}</code></span>' if shown.code else ""
    right = right or (broken(("= ", *shown.right)) if shown.right else "")
    return f'<div class="left">{left}</div><div class="right">{right}</div><div class="note">{note}</div>'
