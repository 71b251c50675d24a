"""Identifiers, literals and comments: what comes from the user, made safe to stand in Python source.

This is the only way on which a key, an attribute or a name gets into source.
"""

import builtins
import io
import keyword
import math
import tokenize
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..core.letters import free_name
from ..core.visible import escape_of, shown, visible
from ..errors import NotationError
from ..notation.console import plain, spelled

AMBIGUOUS = {"l", "O", "I"}
RESERVED = {*keyword.kwlist, *dir(builtins), "np", "eb", "jax", "jnp", "torch", *AMBIGUOUS}

LONGEST = 80


def identifier(name: str) -> str:
    """The identifier nearest to a name: ``net.W`` becomes ``net_W``, ``lambda`` becomes ``lambda_``.

    Python normalises identifiers (NFKC), so this does too: two names that look alike may become one.
    """
    normal = unicodedata.normalize("NFKC", name[:LONGEST])[:LONGEST]
    safe = "".join(c if f"a{c}".isidentifier() and c.isprintable() else "_" for c in normal)
    if not safe.strip("_"):
        safe = "value"
    if not safe.isidentifier() or (safe.startswith("__") and safe.endswith("__")):  # __builtins__ is Python's own
        safe = f"v{safe}"
    return f"{safe}_" if safe in RESERVED else safe


class Identifiers:
    """Gives out identifiers, each once.

    Examples
    --------
    >>> given = Identifiers(["backward"])
    >>> given.take("W 1"), given.take("W_1"), given.take("backward")
    ('W_1', 'W_1_2', 'backward_2')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def take(self, name: str) -> str:
        """An identifier like the name that was not given out before."""
        return free_name(identifier(name), self.taken)


PLAIN = (str, bytes, int, float, complex)
ESCAPED = {'"': '\\"', "\\": "\\\\"}


def literal(value: Any) -> str:
    """A key, or another small value, as a Python expression that is equal to it and finds it in a dict.

    Only the values of Python's own types count, never what a class makes of ``repr``: a member of a StrEnum is written
    as its string.

    Raises
    ------
    NotationError
        No literal is equal to it.

    Examples
    --------
    >>> literal('W"1'), literal((b"b", -1, None))
    ('"W\\\\"1"', "(b'b', -1, None)")
    """
    if value is None or value is True or value is False or value is Ellipsis:
        return "..." if value is Ellipsis else str(value)
    if type(value) is tuple:
        items = [literal(item) for item in value]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    plain = plain_of(value)
    if type(plain) is str:
        return quoted(plain)
    if type(plain) is float:
        return repr(plain) if math.isfinite(plain) else f'{"-" * (plain < 0)}float("inf")'
    return repr(plain)


def plain_of(value: Any) -> Any:
    """The value of Python's own type that is equal to a value and has its hash.

    Raises
    ------
    NotationError
        There is none.
    """
    if isinstance(value, np.generic):
        value = value.item()
    for kind in PLAIN:
        if isinstance(value, kind) and type(value).__eq__ is kind.__eq__ and type(value).__hash__ is kind.__hash__:
            plain = exactly(kind, value)
            finite = not isinstance(plain, complex) or math.isfinite(abs(plain))
            if plain == plain and finite and not (isinstance(plain, int) and plain.bit_length() > 10_000):
                return plain
    raise NotationError(f"the key {shown(value)} of an argument cannot be written as a literal")


EXACT: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: lambda value: int.__add__(value, 0),
    float: lambda value: float.__add__(value, 0),
    complex: lambda value: complex.__add__(value, 0),
}


def exactly(kind: type, value: Any) -> Any:
    """The value without what a class of its own adds, by no method of that class."""
    if type(value) is kind:
        return value
    return EXACT[kind](value)


def quoted(text: str) -> str:
    """A string in double quotes, in which only what prints stands as it is.

    >>> print(quoted("a\\n\\u202e"))
    "a\\n\\u202e"
    """
    return f'"{"".join(ESCAPED.get(c) or (c if c.isprintable() else escape_of(c)) for c in text)}"'


def comment(text: str) -> str:
    """Text as it may stand after ``#``: on one line, without a character that Python reads otherwise than a reader."""
    return visible(text)


def in_ascii(source: str) -> str:
    """Source that was written here in ASCII alone: other identifiers for those that are not, signs spelled."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    given = Identifiers(token.string for token in tokens if token.type == tokenize.NAME)
    renamed: dict[str, str] = {}
    rows = source.splitlines(keepends=True)
    for token in reversed(tokens):
        if token.string.isascii():
            continue
        if token.type == tokenize.NAME:
            if token.string not in renamed:
                renamed[token.string] = given.take("".join(plain_letter(c) for c in token.string))
            text = renamed[token.string]
        elif token.type == tokenize.STRING:
            text = "".join(c if c.isascii() else escape_of(c) for c in token.string)
        else:
            text = spelled(token.string, "ascii")
        (row, start), (_, end) = token.start, token.end
        rows[row - 1] = rows[row - 1][:start] + text + rows[row - 1][end:]
    return "".join(rows)


def plain_letter(character: str) -> str:
    """A letter of an identifier in ASCII: Greek by its name, others by their number."""
    told = plain(character)
    return told if told.isalnum() else f"u{ord(character):x}"
