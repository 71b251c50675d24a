"""Malformed subscripts: every error is a SubscriptsError, its caret under a character, and safe to show.

Some hundreds by default, 100,000 in the thorough profile.
"""

# ruff: noqa: E501

import contextlib
import random
import unicodedata

import numpy as np
import pytest
from hostile import BIDIRECTIONAL, CONTROLS, NAMES, OTHERS, is_safe, unsafe
from sampling import THOROUGH

import einbackprop as eb
from einbackprop.core.subscripts import parse
from einbackprop.errors import ShapeError, SubscriptsError

COUNT = 100_000 if THOROUGH else 600
PIECES = [*"ijkbIαβ日é", ",", "->", "...", ".", "-", ">", " ", "  ", "\t", "\n", "1", "_", "²", "ᵀ", *"'{}%<", '"', "\\",
          "e\u0301", "\u0301", "ﬁ", "🙂", "עב", "-\n>", ". . .", "x" * 60, *BIDIRECTIONAL, *OTHERS, *CONTROLS]  # fmt: skip
WELL = ["ij,jb->ib", "ij,ib->jb", "ii->", "...i,...i->...", "i->i", "->", "ij->ji", "i,j,k->kji", "bhqd,bhkd->bhqk"]


def mangled(rng):
    """A string that may be malformed: drawn from pieces, or one that is well formed with something in it."""
    if rng.random() < 0.5:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 12)))
    text = rng.choice(WELL)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PIECES) + text[at + rng.randrange(3) :]
    return text


def columns(text):
    """How many columns a text takes on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def require_caret(error):
    """The message is three lines or less, safe, and its caret stands under a character or right behind the last."""
    message = str(error)
    assert is_safe(message), unsafe(message)
    lines = message.split("\n")
    assert len(lines) == 3, message
    assert lines[2].strip(" ") == "^"
    assert 4 <= len(lines[2]) - 1 <= columns(lines[1])
    assert len(lines[1]) < 10_000


def attack(text):
    """Whether a string is refused; whatever takes subscripts refuses it alike."""
    try:
        parsed = parse(text)
    except SubscriptsError as error:
        require_caret(error)
        for call in (eb.vjp_subscripts, lambda t: eb.einsum(t, np.ones(2)), lambda t: parse(t, closed=True)):
            try:
                call(text)
            except SubscriptsError as again:
                require_caret(again)
            except ShapeError:
                assert parse(text, closed=True)
        return True
    if max(map(len, parsed.inputs)) > 9:
        return False
    with contextlib.suppress(ShapeError):
        eb.einsum(text, *(np.ones((2,) * len(term.replace("...", ""))) for term in parsed.inputs))
    return False


def test_malformed_subscripts():
    rng = random.Random(20261125)
    refused = sum(attack(mangled(rng)) for _ in range(COUNT))
    assert refused > COUNT / 2


def test_names_and_long_strings():
    for name in NAMES:
        attack(name)
    for text in ("i" * 100_000, "i," * 5000, "." * 99_999, "-" * 99_999, ">" * 9, "i->" * 9999, "\x1b" * 99_999,
                 "..." * 9999, " " * 99_999, "i" * 50_000 + "\u202e"):  # fmt: skip
        attack(text)
    assert len(parse("," * 99_999 + "->").inputs) == 100_000


def test_the_caret_stands_under_what_is_wrong():
    for before in ("", "ij", "日", "e\u0301", "\x1b,", "i" * 1000):
        with pytest.raises(SubscriptsError) as caught:
            parse("i" + before.replace("\x1b", "j") + "\u202e->")
        shown, caret = str(caught.value).split("\n")[1:]
        starts = [n for n in range(len(shown)) if not unicodedata.combining(shown[n])]
        place = next(n for n in starts if columns(shown[:n]) == len(caret) - 1)
        assert shown[place:].startswith("\\u202e")


STRANGE = type("Strange", (), {"__repr__": lambda self: "\x1b[31m"})()


@pytest.mark.parametrize("value", [None, 3, b"ij->i", ["ij->i"], STRANGE], ids=lambda value: type(value).__name__)
def test_what_is_no_string(value):
    for call in (parse, eb.vjp_subscripts, lambda v: eb.einsum(v, np.ones(2))):
        with pytest.raises(SubscriptsError) as caught:
            call(value)
        assert is_safe(str(caught.value))
