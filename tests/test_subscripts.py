"""The parser and printer of subscripts: what they take, what they say, and slot substitution."""

import string

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from einbackprop.core.subscripts import (
    Subscripts,
    expand_ellipsis,
    fresh_letters,
    is_index,
    letter_sizes,
    parse,
    rename_for_numpy,
    require_operand_count,
    vjp,
    vjp_subscripts,
)
from einbackprop.errors import EinbackpropError, ShapeError, SubscriptsError

LETTERS = st.sampled_from("ijkbαβжλ中")


@st.composite
def terms(draw: st.DrawFn) -> str:
    """A term: up to four letters, perhaps with an ellipsis among them."""
    parts = draw(st.lists(LETTERS, max_size=4))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), "...")
    return "".join(parts)


closed_subscripts = st.builds(Subscripts, st.lists(terms(), min_size=1, max_size=4).map(tuple), terms())


@given(closed_subscripts)
def test_parse_of_print_is_the_same(subscripts):
    assert parse(str(subscripts), closed=True) == subscripts


@given(closed_subscripts, st.randoms())
def test_whitespace_is_dropped_anywhere(subscripts, random):
    text = "".join(c + random.choice(["", " ", "\t", "\n "]) for c in str(subscripts))
    assert parse(text, closed=True) == subscripts


def caret_column(message: str) -> int:
    """Where the caret of a message stands, counted from the start of the string above it."""
    *_, shown, caret = message.split("\n")
    assert shown.startswith("    ")
    assert set(caret) <= {" ", "^"}
    assert caret.count("^") == 1
    return caret.index("^") - 4


@given(st.text() | st.text(alphabet="ij.,-> ;1"), st.booleans())
@example("", False)
@example("->", False)
@example("\r\n->", False)
@example("i\u0301->", False)
@example("\ud800->", False)
def test_parse_is_total(text, closed):
    try:
        parsed = parse(text, closed=closed)
    except SubscriptsError as error:
        message = str(error)
    else:
        assert parse(str(parsed), closed=closed) == parsed
        return
    assert 0 <= caret_column(message) <= 2 * (len(message.split("\n")[-2]) - 4)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("ij,jb", 5, "expected '->' and the letters of the output"),
        ("", 0, "expected '->' and the letters of the output"),
        ("ij,j1->i", 4, "expected a letter, ',', '->' or '...', found '1'"),
        ("ij;jb->ib", 2, "found ';'"),
        ("i->j->k", 4, "expected one '->' only, this is the second"),
        ("ij->i,j", 5, "expected one output only, but ',' starts another after '->'"),
        ("i.j->ij", 1, "expected '...': a '.' must be part of an ellipsis"),
        ("i..j->ij", 1, "expected '...': a '.' must be part of an ellipsis"),
        ("....->...", 3, "expected '...': a '.' must be part of an ellipsis"),
        ("...i...->...", 4, "expected one '...' a term, this is the second"),
        ("ij-jb", 2, "expected '->', found '-' alone"),
        ("ij>jb", 2, "expected '->', found '>' alone"),
        ("ij->...i", 4, "'...' in the output, but in no input"),
        ("i,...i->i", 2, "'...' in an input, but not in the output: it is never summed"),
        ("ij,jb->ik", 8, "the output letter k is in no input"),
        ("i->ii", 4, "the output letter i is there twice"),
        ("->i", 2, "the output letter i is in no input"),
        # Two columns for a wide letter, none for a combining accent.
        ("中中1->中", 4, "found '1'"),
        ("i\u03011->i", 1, "found '\u0301'"),
    ],
)
def test_malformed_subscripts(text, column, expected):
    with pytest.raises(SubscriptsError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("malformed subscripts: ")
    assert expected in message
    assert f"\n    {text}\n" in message
    assert caret_column(message) == column


def test_the_whole_message():
    with pytest.raises(SubscriptsError) as caught:
        parse("ij, jb -> ik")
    assert str(caught.value) == (
        "malformed subscripts: the output letter k is in no input\n    ij, jb -> ik\n               ^"
    )


def test_subscripts_must_be_a_string():
    with pytest.raises(SubscriptsError, match="must be a string such as 'ij,ib->jb', not int: 3"):
        parse(3)
    assert issubclass(SubscriptsError, EinbackpropError)
    assert issubclass(SubscriptsError, ValueError)


@pytest.mark.parametrize("text", ["i->ii", "->i", "...i->i", "i->...i", "ij->iik"])
def test_closed_forms_are_kept_apart(text):
    assert str(parse(text, closed=True)) == text
    with pytest.raises(SubscriptsError):
        parse(text)


def test_subscripts_are_values():
    assert parse("ij,jb->ib") == Subscripts(("ij", "jb"), "ib")
    assert hash(parse("ij->")) == hash(Subscripts(("ij",), ""))
    assert parse(",ij->ij").inputs == ("", "ij")
    assert parse("->") == Subscripts(("",), "")
    assert parse("ij,...j,jb->...ib").letters == "ijb"
    with pytest.raises(AttributeError):
        parse("->").output = "i"


@pytest.mark.parametrize(
    ("subscripts", "expected"),
    [
        ("ij,jb->ib", ("ib,jb->ij", "ij,ib->jb")),
        ("ij->ji", ("ji->ij",)),
        ("ii->", ("->ii",)),
        ("iij->ij", ("ij->iij",)),
        ("ij->i", ("i->ij",)),
        ("k,nk->", (",nk->k", "k,->nk")),
        ("ij,ij->", (",ij->ij", "ij,->ij")),
        (",ij->i", ("i,ij->", ",i->ij")),
        ("...ij,...jk->...ik", ("...ik,...jk->...ij", "...ij,...ik->...jk")),
        ("i->ii", ("ii->i",)),
        ("->i", ("i->",)),
        ("kb,b->k", ("k,b->kb", "kb,k->b")),
    ],
)
def test_vjp_by_slot_substitution(subscripts, expected):
    assert vjp_subscripts(subscripts) == expected


@given(closed_subscripts)
def test_the_vjp_of_a_vjp_is_the_einsum(subscripts):
    for n, derivative in enumerate(vjp(subscripts)):
        assert vjp(derivative)[n] == subscripts


@pytest.mark.parametrize("subscripts", ["ij,jb->ib", "kb,b->k", "k,b->kb", "ij,ij->", ",ij->ij", "bij,bjk->bik"])
def test_vjp_is_the_transpose(subscripts):
    """⟨dy, f(x)⟩ is linear in x, so it is ⟨vjp(dy), x⟩: exact on integers."""
    rng = np.random.default_rng(0)
    sizes = dict(zip("ijkb", (2, 3, 4, 5), strict=True))
    parsed = parse(subscripts)
    xs = [rng.integers(-4, 5, [sizes[c] for c in term]) for term in parsed.inputs]
    y = np.einsum(subscripts, *xs)
    dy = rng.integers(-4, 5, np.shape(y))
    for n, derivative in enumerate(vjp_subscripts(subscripts)):
        dx = np.einsum(derivative, *xs[:n], dy, *xs[n + 1 :])
        assert dx.shape == xs[n].shape
        assert np.sum(dy * y) == np.sum(dx * xs[n])


def test_vjp_subscripts_says_what_is_malformed():
    with pytest.raises(SubscriptsError, match="expected '->'"):
        vjp_subscripts("ij,jb")


def test_letters_of_any_script():
    assert str(parse("αж,ж中->α中")) == "αж,ж中->α中"
    assert is_index("ñ")
    assert not is_index("1")
    assert not is_index("_")
    assert not is_index("\u0301")
    assert not is_index("ij")
    assert not is_index("")


def test_fresh_letters_go_on_after_z():
    letters = fresh_letters("ac")
    first = [next(letters) for _ in range(2_000)]
    assert first[:3] == ["b", "d", "e"]
    assert len(set(first)) == 2_000
    assert all(is_index(x) for x in first)


@given(closed_subscripts)
def test_renaming_changes_names_only(subscripts):
    renamed = rename_for_numpy(subscripts)
    assert set(renamed.letters) <= set(string.ascii_letters)
    table = dict(zip(subscripts.letters, renamed.letters, strict=True))
    assert len(set(table.values())) == len(table)
    assert str(subscripts).translate(str.maketrans(table)) == str(renamed)
    assert all(new == old for old, new in table.items() if old in string.ascii_letters)


def test_renaming_has_52_letters():
    letters = [*string.ascii_letters[1:], "α", "β"]
    assert rename_for_numpy(Subscripts(("".join(letters[:-1]),), "")).letters[-1] == "a"
    with pytest.raises(SubscriptsError, match=r"takes 52 letters, but .* has 53"):
        rename_for_numpy(Subscripts(("".join(letters),), ""))


def shape_error(text: str, *shapes: tuple[int, ...]) -> str:
    subscripts = parse(text)
    with pytest.raises(ShapeError) as caught:
        letter_sizes(*expand_ellipsis(subscripts, shapes))
    return str(caught.value)


def test_two_sizes_of_a_letter():
    assert shape_error("ij,ib->jb", (4, 3), (2, 5)) == (
        "einsum('ij,ib->jb'): the letter i has two sizes, 4 and 2:\n"
        "    operand 0 'ij' has shape (4, 3), so i = 4\n"
        "    operand 1 'ib' has shape (2, 5), so i = 2\n"
        "One letter has one size: transpose or slice an operand, "
        "or give one of the two axes another letter."
    )


def test_two_sizes_name_the_operands_that_differ():
    message = shape_error("i,ij,jk->k", (2,), (2, 3), (4, 5))
    assert "the letter j has two sizes, 3 and 4" in message
    assert "operand 1 'ij' has shape (2, 3), so j = 3" in message
    assert "operand 2 'jk' has shape (4, 5), so j = 4" in message
    assert "operand 0" not in message


@pytest.mark.parametrize("shapes", [((4, 3), (1, 5)), ((1, 3), (4, 5))])
def test_a_size_of_1_does_not_stretch(shapes):
    message = shape_error("ij,ib->jb", *shapes)
    assert f"the letter i has two sizes, {shapes[0][0]} and {shapes[1][0]}" in message
    assert "a size of 1 does not stretch. To broadcast, leave the letter out" in message


def test_a_diagonal_of_what_is_not_square():
    message = shape_error("ii->", (2, 3))
    assert "operand 0 'ii' has shape (2, 3), so i = 2 and i = 3\n" in message
    assert message.count("operand 0") == 1


def test_number_of_axes():
    assert shape_error("ij,jb->ib", (2, 3), (3,)) == (
        "einsum('ij,jb->ib'): operand 1 'jb' has 2 letters, but its shape (3,) has 1 axis. Each axis needs one letter."
    )
    assert "operand 0 'i' has 1 letter, but its shape (2, 3) has 2 axes" in shape_error("i->i", (2, 3))
    message = shape_error("...ij->...", (3,))
    assert "has 2 letters, but its shape (3,) has 1 axis" in message
    assert "or a place in '...'" in message


def test_number_of_operands():
    require_operand_count(parse("i,i->"), 2)
    with pytest.raises(ShapeError, match="the subscripts have 2 operands, but 1 was given"):
        require_operand_count(parse("i,i->"), 1)
    with pytest.raises(ShapeError, match="the subscripts have 1 operand, but 3 were given"):
        require_operand_count(parse("i->"), 3)


def test_ellipsis_that_does_not_broadcast():
    message = shape_error("...i,i,...i->...", (2, 3, 9), (9,), (4, 9))
    assert "the axes of '...' do not broadcast:" in message
    assert "operand 0 '...i' has shape (2, 3, 9), so ... = (2, 3)\n" in message
    assert "operand 2 '...i' has shape (4, 9), so ... = (4,)\n" in message
    assert "operand 1" not in message


@given(st.data())
def test_ellipsis_broadcasts_as_numpy_does(data):
    sizes = data.draw(st.lists(st.integers(0, 3), max_size=3))
    shapes, texts = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(sizes)))
        part = [data.draw(st.sampled_from([1, size])) for size in sizes[start:]]
        at = data.draw(st.integers(0, 1))
        shapes.append((*([4] * at), *part, *([4] * (1 - at))))
        texts.append("i..." if at else "...i")
    subscripts = parse(",".join(texts) + "->...i")
    expanded, plain = expand_ellipsis(subscripts, shapes)
    assert not expanded.has_ellipsis
    got = letter_sizes(expanded, plain)
    want = np.einsum(str(subscripts), *(np.ones(shape) for shape in shapes)).shape
    assert tuple(got[x] for x in expanded.output) == want
