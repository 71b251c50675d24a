"""The console: every text of ours that goes to a terminal, a pipe or a file of the shell goes through here.

What the console's encoding cannot show has a plain spelling: ``Σ_j W_ij x_jb`` is ``sum_j W_ij x_jb``. It imports
nothing that costs, for the command line needs it for ``--help`` too.
"""

import contextlib
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import TextIO

from ..core.visible import json_escape, visible
from ..errors import OptionError

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿᐟ", "0123456789-+n/", strict=True))

PLAIN = {
    "Σ": "sum", "∑": "sum", "∏": "prod", "∂": "d", "√": "sqrt", "∞": "inf", "∇": "grad ", "ᵀ": ".T",
    "·": "@", "⊙": "*", "×": "*", "÷": "/", "−": "-", "±": "+-", "⇒": "=>", "→": "->", "←": "<-", "↳": "->",
    "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "≡": "==", "∈": " in ", "¬": "not ", "⊤": ".T", "′": "'",
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "…": "...", "⋯": "...", "⋮": ":", "–": "-", "—": "-",
    "‘": "'", "’": "'", "“": '"', "”": '"', "«": '"', "»": '"', "✓": "ok", "✗": "x", "•": "*", "°": " deg",
    "ˣ": "**x", **{chr(0x2080 + n): str(n) for n in range(10)}, "█": "#", "▏": "|", "━": "-", "│": "|",
    "ϵ": "epsilon", "ϕ": "phi", "ϑ": "theta", "µ": "mu", "ħ": "hbar", "ℓ": "l",
}  # fmt: skip
"""How a sign is written where it cannot be shown."""

RAISED = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")


def spelled(text: str, encoding: str | None, escape: Callable[[str], str] | None = None) -> str:
    """The text as an encoding can show it: signs by the table, Greek letters by their names, others as an escape.

    Parameters
    ----------
    text : str
    encoding : str or None
        Of the console; None shows everything.
    escape : callable, optional
        Writes a character that cannot be shown, in place of the table.

    Examples
    --------
    >>> print(spelled("∂L/∂α² = Σ_i Wᵀ·x⁻¹", "ascii"))
    dL/dalpha**2 = sum_i W.T@x**-1
    """
    if fits(text, encoding):
        return text
    if escape is not None:
        return "".join(c if fits(c, encoding) else escape(c) for c in text)
    text = RAISED.sub(lambda run: run.group() if fits(run.group(), encoding) else power(run.group()), text)
    return "".join(c if fits(c, encoding) else plain(c) for c in text)


def fits(text: str, encoding: str | None) -> bool:
    """Whether an encoding has all of a text."""
    if encoding is None:
        return True
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        return text.isascii()
    return True


def power(run: str) -> str:
    """Raised digits as an exponent: ``**-1``."""
    return "**" + "".join(SUPERSCRIPTS[c] for c in run)


def plain(character: str) -> str:
    """A character in ASCII."""
    if character in PLAIN:
        return PLAIN[character]
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        name = words[words.index("LETTER") + 1].lower().replace("lamda", "lambda")
        return name.capitalize() if "CAPITAL" in words else name
    return character.encode("ascii", "backslashreplace").decode()


def say(text: str, *, end: str = "\n", escape: Callable[[str], str] | None = None) -> None:
    """Write a text, safe to show already, to standard output, at once and spelled as that can show it.

    Whoever closed the pipe has seen enough: what comes after is dropped.

    Raises
    ------
    OptionError
        If standard output is closed, or what it goes to is full.
    """
    if sys.stdout is None:
        raise OptionError("standard output cannot be written to: it is closed")
    with writing():
        sys.stdout.write(spelled(text + end, sys.stdout.encoding, escape))
        sys.stdout.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Something is written to standard output. Raises OptionError where that cannot be."""
    try:
        yield
    except BrokenPipeError:
        abandon(sys.stdout)
    except (OSError, ValueError) as error:  # ValueError: it was closed
        abandon(sys.stdout)
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"standard output cannot be written to: {reason}") from error


def say_exactly(text: str, data: bytes) -> None:
    """Write bytes to standard output as they are, for a program to read; on a terminal the text they are of, safe to
    show.

    Raises
    ------
    OptionError
        As `say` does.
    """
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None or sys.stdout.isatty():
        say(visible(text, keep="\n"), end="")
        return
    with writing():
        stream.write(data)
        stream.flush()


def is_unicode() -> bool:
    """Whether standard output takes every character as UTF-8, or is not there."""
    name = getattr(sys.stdout, "encoding", None) or "utf-8"
    return name.lower().replace("_", "-") in ("utf-8", "utf8")


def say_json(text: str) -> None:
    """Write JSON to standard output: a character that cannot be shown as the escape that JSON has for it."""
    say(text, escape=json_escape)


def complain(message: str) -> None:
    """Write a line, or an error with a caret, to standard error; where that is closed or full, nothing."""
    show(visible(message, keep="\n") + "\n", sys.stderr)


def show(text: str, stream: TextIO | None) -> None:
    """Write a text to a stream if it takes one."""
    if stream is None:
        return
    try:
        stream.write(spelled(text, stream.encoding))
        stream.flush()
    except (OSError, ValueError):
        abandon(stream)


def abandon(stream: TextIO) -> None:
    """Let a stream that cannot be written to end in nothing, so that Python's exit does not try again."""
    with contextlib.suppress(OSError, ValueError):  # io.UnsupportedOperation is both
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
