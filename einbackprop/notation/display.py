"""Display: rows of formulas with notes, and how a terminal shows them. A letter has one colour everywhere."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from ..core.records import dataclass
from ..core.scoped import scoped
from ..core.visible import visible
from .markup import Markup, plain, text

WIDTH, NARROWEST = 100, 60
INDENT = 4
NOTE_AT_LEAST = 34
READABLE = 4.5  # the contrast that WCAG 2 asks of text
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")

# Thirteen colours that can be read on white and on black: number on a terminal of 256 colours, and for CSS.
PALETTE = (
    (130, "#af5f00"),
    (62, "#5f5fd7"),
    (71, "#5faf5f"),
    (29, "#00875f"),
    (169, "#d75faf"),
    (37, "#00afaf"),
    (106, "#87af00"),
    (32, "#0087d7"),
    (133, "#af5faf"),
    (172, "#d78700"),
    (98, "#875fd7"),
    (67, "#5f87af"),
    (167, "#d75f5f"),
)


def hue(letter: str) -> tuple[int, str]:
    """A letter's colour; neighbours in the alphabet differ."""
    return PALETTE[ord(letter) * 5 % len(PALETTE)]


def luminance(colour: str) -> float:
    """How bright a colour ``#rrggbb`` is, from 0 to 1: the relative luminance of WCAG 2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21: the contrast ratio of WCAG 2."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def readable_colour(letter: str, background: str) -> str:
    """A letter's colour for CSS, mixed with black or white until it can be read on a background."""
    parts = [int(hue(letter)[1][n : n + 2], 16) for n in (1, 3, 5)]
    end = 0 if contrast("#000000", background) > contrast("#ffffff", background) else 255
    mixed = ("#" + "".join(f"{round(c + (end - c) * n / 10):02x}" for c in parts) for n in range(11))
    return next(colour for colour in mixed if contrast(colour, background) >= READABLE)


def painted(letters: str) -> str:
    """Letters in their colours on a terminal."""
    return "".join(f"\x1b[38;5;{hue(letter)[0]}m{letter}\x1b[39m" for letter in letters)


def on_terminal(stream: TextIO | None = None) -> bool:
    """Whether a stream, standard output by default, is a terminal that wants colours."""
    chosen = sys.stdout if stream is None else stream
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and chosen is not None and chosen.isatty()


COLUMNS: ContextVar[int] = ContextVar("COLUMNS", default=WIDTH)
"""How wide a text may be that is made now."""


def columns() -> int:
    """How many columns a text may have: 100, or as many as the terminal has for which it is made."""
    return COLUMNS.get()


@contextmanager
def fitted(stream: TextIO | None = None) -> Iterator[None]:
    """Make texts that fit a stream, standard output by default, where that is a terminal."""
    chosen = sys.stdout if stream is None else stream
    here = shutil.get_terminal_size((WIDTH, 24)).columns if chosen is not None and chosen.isatty() else WIDTH
    with scoped(COLUMNS, max(NARROWEST, min(WIDTH, here))):
        yield


def width(shown: str) -> int:
    """How many columns a text takes, colours not counted."""
    return len(ESCAPE.sub("", shown))


@dataclass(frozen=True, slots=True)
class Row:
    """One line: ``left = right`` and a note, or code, or words alone.

    Attributes
    ----------
    left, right : Markup
        Without ``left`` the row goes on with the one above it; without either it is its note.
    note : str
    code : str
        Stands for ``right`` where it is code.
    """

    left: Markup = ()
    right: Markup = ()
    note: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading.

    Attributes
    ----------
    heading : str
    rows : tuple of Row
    drawing : str
        A figure, for a page.
    """

    heading: str
    rows: tuple[Row, ...]
    drawing: str = ""


def sections_text(sections: tuple[Section, ...], *, compact: bool = False, colour: bool = False) -> str:
    """Sections for a terminal, no wider than it is where formulas allow it."""
    blocks: list[str] = []
    for section in sections:
        lines = textwrap.wrap(visible(section.heading, keep="\n"), columns()) if section.heading else []
        blocks.append("\n".join(lines + rows_text(section.rows, compact, colour)))
    return "\n\n".join(blocks)


def rows_text(rows: tuple[Row, ...], compact: bool, colour: bool) -> list[str]:
    """Rows with their equals signs in one column and their notes in another."""
    paint = painted if colour else plain
    lefts = [text(row.left, compact=compact, paint=paint) for row in rows]
    rights = [visible(row.code) or text(row.right, compact=compact, paint=paint) for row in rows]
    lead = max(map(width, lefts), default=0)
    bodies = [
        " " * (INDENT + lead - width(left)) + left + (" = " if right else "") + right if left or right else ""
        for left, right in zip(lefts, rights, strict=True)
    ]
    fitting = [width(body) for body in bodies if width(body) <= columns() - NOTE_AT_LEAST - 3]
    column = max(fitting, default=INDENT) + 3
    notes = [visible(row.note, keep="\n") for row in rows]
    return [line for pair in zip(notes, bodies, strict=True) for line in row_lines(*pair, column, INDENT)]


def row_lines(note: str, body: str, column: int, indent: int) -> list[str]:
    """A formula and its note beside it, or under it where it does not fit."""
    if not body:
        return [" " * indent + line for line in textwrap.wrap(note, columns() - indent)]
    if not note or width(body) + 3 > column:
        inner = indent + 4
        return [*folded(body, inner), *(" " * inner + line for line in textwrap.wrap(note, columns() - inner))]
    first, *others = textwrap.wrap(note, columns() - column)
    padded = body + " " * (column - width(body)) + first
    return [padded, *(" " * column + line for line in others)]


def folded(body: str, indent: int) -> list[str]:
    """A formula on as many lines as it needs, broken at spaces."""
    if width(body) <= columns():
        return [body]
    lines, line = [], ""
    for word in re.split(r"(?<=\S) ", body):
        if line and width(line) + 1 + width(word) > columns():
            lines.append(line)
            line = " " * indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
