"""Text that is safe to show: whatever does not print stands as an escape, ``\\x1b`` for the control character.

Names, keys, file names, messages and code come from the user, or from a file that somebody sent. Raw, their control
characters would drive a terminal, and their bidirectional ones show a line in another order than it runs in.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Any

from .collecting import grouped

SHORT = 200


def visible(text: str, keep: str = "") -> str:
    """The text with an escape for each character that does not print, those to ``keep`` aside; a tab is four spaces.

    What prints is what `str.isprintable` says: no control, format, bidirectional, surrogate, private or unassigned
    character, no separator but the space.

    >>> visible("\\x1b[31mred\\u202e")
    '\\\\x1b[31mred\\\\u202e'
    """
    if text.isprintable():
        return str(text)
    return "".join(c if c.isprintable() or c in keep else "    " if c == "\t" else escape_of(c) for c in text)


def escape_of(character: str) -> str:
    """A character as Python writes it in a string, in ASCII: ``\\n``, ``\\x1b``, ``\\u202e``, ``\\U0001f600``."""
    return character.encode("ascii", "backslashreplace").decode() if ord(character) > 0x7F else repr(character)[1:-1]


def in_json(text: str) -> str:
    """JSON with an escape for each character of its strings that does not print."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json_escape(c) for c in text)


def json_escape(character: str) -> str:
    """A character as JSON writes it in ASCII: two escapes beyond the first plane."""
    number = ord(character)
    if number <= 0xFFFF:
        return f"\\u{number:04x}"
    return f"\\u{0xD800 + (number - 0x10000 >> 10):04x}\\u{0xDC00 + (number - 0x10000 & 0x3FF):04x}"


def in_html(text: str) -> str:
    """The text for HTML, in an element or in an attribute."""
    return escape(visible(text, keep="\n"), quote=True)


def one_line(text: str) -> str:
    """The text on one line, its white space single."""
    return visible(" ".join(text.split()))


def shortened(text: str, most: int = SHORT) -> str:
    """The text, its middle left out where it is longer than ``most``."""
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def shown(value: Any) -> str:
    """The ``repr`` of a key or another small value, safe to show, whatever its class makes of ``repr``."""
    try:
        told = repr(value)
    except Exception:  # the user's code
        told = ""
    return shortened(visible(str(told))) if told else f"<{visible(type(value).__name__)}>"


def numberless(text: str) -> str:
    """An expression or a name with a sign in the place of each number, by which entries of one list are alike.

    >>> numberless("grads[12]")
    'grads[#]'
    """
    return re.sub(r"\d+", "#", text)


def ranges(told: Iterable[tuple[str, str]]) -> list[str]:
    """Names, each with what is said of it; three or more that differ in numbers alone, of which the same is said, as
    the first and the last of them.

    >>> ranges([("x[0]", "(3,)"), ("x[1]", "(3,)"), ("x[2]", "(3,)"), ("W", "(2,)")])
    ['x[0] … x[2] (3,)', 'W (2,)']
    """
    found = grouped(((numberless(name), said), name) for name, said in told)
    return [text for (_, said), names in found.items() for text in (
        [f"{names[0]} … {names[-1]} {said}"] if len(names) > 2 else [f"{name} {said}" for name in names])]


def first_of(items: Collection[str], most: int, longest: int = 80) -> str:
    """Some items, the short ones first, each cut where it is long, and how many more there are.

    >>> first_of(["a", "b" * 9, "c", "d"], most=3, longest=6)
    'a; c; d and 1 more'
    """
    told = sorted(items, key=lambda item: len(item) > longest)[:most]
    shown = "; ".join(shortened(item, longest) for item in told)
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def listed(names: Sequence[str]) -> str:
    """``n``, ``n and m``, ``n, m and d``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
