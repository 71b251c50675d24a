"""Subscripts: the one parser and the one printer of strings such as ``'ij,ib->jb'``.

A subscripts string has one *term* an operand, then ``->``, then the term of the output. A term is
a run of letters, one an axis, with at most one ellipsis among them. Whitespace is dropped.

Two sets of strings are of interest, and `parse` knows both:

- what `einbackprop.einsum` takes: each letter of the output occurs in an input, and once only in
  the output; an ellipsis stands in the output if and only if it stands in an input;
- what einsum is *closed* under when it is differentiated: also ``'i->ii'``, which writes a
  diagonal and zeros elsewhere, and ``'->i'``, a letter from nowhere, along which the operand
  repeats. ``np.einsum`` takes neither, so what runs a program must turn them into other code.
"""

import re
import string
import sys
import unicodedata
from collections.abc import Container, Iterator, Sequence

import numpy as np

from einbackprop.core.visible import shown, visible
from einbackprop.errors import ShapeError, SubscriptsError

from .records import dataclass

ELLIPSIS = "..."

Shape = tuple[int, ...]

# Whitespace may stand inside '...' and '->' too, since it is dropped everywhere.
_AROUND = 400  # characters of a string that are shown on either side of a mistake
_TOKEN = re.compile(r"\.\s*\.\s*\.|-\s*>|\S")


@dataclass(frozen=True)
class Subscripts:
    """A parsed subscripts string; ``str`` prints it.

    Attributes
    ----------
    inputs : tuple of str
        One term an operand; ``''`` is a scalar. There is always at least one.
    output : str
        The term of the result.
    """

    inputs: tuple[str, ...]
    output: str

    def __str__(self) -> str:
        return f"{','.join(self.inputs)}->{self.output}"

    @property
    def letters(self) -> str:
        """Every letter once, in order of appearance."""
        return "".join(dict.fromkeys(("".join(self.inputs) + self.output).replace(ELLIPSIS, "")))

    @property
    def has_ellipsis(self) -> bool:
        """Whether any term has an ellipsis."""
        return any(ELLIPSIS in term for term in (*self.inputs, self.output))


def is_index(character: str) -> bool:
    """Whether a character can be an index: any letter of any script."""
    return len(character) == 1 and character.isalpha()


def parse(text: str, *, closed: bool = False) -> Subscripts:
    """Parse a subscripts string.

    Parameters
    ----------
    text : str
        Such as ``'ij,ib->jb'``, with an explicit output.
    closed : bool
        Accept also what einsum is closed under: repeated output letters (``'i->ii'``), output
        letters from nowhere (``'->i'``), and an ellipsis on one side of ``->`` only.

    Raises
    ------
    SubscriptsError
        If the string is malformed, with a caret under the offending character.

    Examples
    --------
    >>> parse("ij, ib -> jb")
    Subscripts(inputs=('ij', 'ib'), output='jb')
    >>> str(parse("->ii", closed=True))
    '->ii'
    """
    if not isinstance(text, str):
        given = f"{type(text).__name__}: {shown(text)}"
        raise SubscriptsError(f"subscripts must be a string such as 'ij,ib->jb', not {given}")
    terms: list[list[tuple[int, str]]] = [[]]
    arrow = ellipsis = False
    for position, token in _tokens(text):
        if problem := _problem(token, ellipsis, arrow):
            raise _malformed(text, position, problem)
        ellipsis = token == ELLIPSIS or (ellipsis and token not in (",", "->"))
        if token in (",", "->"):
            terms.append([])
            arrow = arrow or token == "->"
        else:
            terms[-1].append((position, token))
    if not arrow:
        raise _malformed(text, len(text), "expected '->' and the letters of the output")
    *inputs, output = terms
    if not closed:
        _require_plain(text, inputs, output)
    return Subscripts(tuple(_join(term) for term in inputs), _join(output))


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    """Each token with its position: a letter, ',', '->', '...', or a character out of place."""
    for match in _TOKEN.finditer(text):
        yield match.start(), "".join(match[0].split())


def _join(term: list[tuple[int, str]]) -> str:
    return "".join(token for _, token in term)


def _problem(token: str, ellipsis: bool, arrow: bool) -> str | None:
    """What is wrong with a token, given whether its term has an ellipsis already and whether '->' was seen."""
    if token == "->":
        return "expected one '->' only, this is the second" if arrow else None
    if token == ",":
        return "expected one output only, but ',' starts another after '->'" if arrow else None
    if token == ELLIPSIS:
        return "expected one '...' a term, this is the second" if ellipsis else None
    if token == ".":
        return "expected '...': a '.' must be part of an ellipsis"
    if token in "->":
        return f"expected '->', found {token!r} alone"
    return f"expected a letter, ',', '->' or '...', found {token!r}" if not is_index(token) else None


def _require_plain(text: str, inputs: list[list[tuple[int, str]]], output: list[tuple[int, str]]) -> None:
    """Raise unless the output is one that `einbackprop.einsum` takes."""
    known = {token for term in inputs for _, token in term}
    seen: set[str] = set()
    for position, token in output:
        if token not in known and token == ELLIPSIS:
            raise _malformed(text, position, "'...' in the output, but in no input")
        if token not in known:
            raise _malformed(text, position, f"the output letter {token} is in no input")
        if token in seen:
            raise _malformed(text, position, f"the output letter {token} is there twice")
        seen.add(token)
    for term in inputs:
        for position, token in term:
            if token == ELLIPSIS and ELLIPSIS not in seen:
                raise _malformed(text, position, "'...' in an input, but not in the output: it is never summed")


def _malformed(text: str, position: int, problem: str) -> SubscriptsError:
    """The error for a malformed string, with a caret under the character at ``position``."""
    first, last = max(0, position - _AROUND), min(len(text), position + _AROUND)
    before, after = ("…" if first else "") + visible(text[first:position]), visible(text[position:last])
    margin = " " * sum(_width(c) for c in before)
    more = "…" if last < len(text) else ""
    return SubscriptsError(f"malformed subscripts: {problem}\n    {before}{after}{more}\n    {margin}^")


def _width(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def vjp(subscripts: Subscripts) -> tuple[Subscripts, ...]:
    """The subscripts of the reverse derivative for each operand, by slot substitution.

    An einsum is linear in each operand, so its transpose puts the cotangent where the operand
    stood and the operand's letters where the output's stood; the other operands keep their places.

    The result may be *closed* only (see the module's text): ``'ii->'`` gives ``'->ii'`` and
    ``'ij->i'`` gives ``'i->ij'``, which no ``np.einsum`` takes. Where an ellipsis stretched axes
    of an operand, its cotangent has still to be summed over those.
    """
    return tuple(
        Subscripts((*subscripts.inputs[:n], subscripts.output, *subscripts.inputs[n + 1 :]), term)
        for n, term in enumerate(subscripts.inputs)
    )


def vjp_subscripts(subscripts: str) -> tuple[str, ...]:
    """The subscripts of the reverse derivative (vjp) of an einsum, one string an operand.

    Slot substitution: the cotangent stands where the operand stood, and the operand's letters
    stand where the output's stood. The other operands keep their places.

    Parameters
    ----------
    subscripts : str
        Such as ``'ij,jb->ib'``; the closed forms below are accepted too, so that a derivative can
        be differentiated again.

    Returns
    -------
    tuple of str
        The n-th string takes the operands in their order, with the cotangent of the output in
        the n-th place, and gives the cotangent of the n-th operand. Not each is one that
        ``np.einsum`` takes: ``'i->ii'`` writes a diagonal, with zeros elsewhere, and ``'i->ij'``
        repeats along a letter from nowhere. Where an ellipsis stretched axes of an operand,
        its cotangent has still to be summed over those.

    Raises
    ------
    SubscriptsError
        If the string is malformed.

    Examples
    --------
    >>> vjp_subscripts("ij,jb->ib")
    ('ib,jb->ij', 'ij,ib->jb')
    >>> vjp_subscripts("ij->i")
    ('i->ij',)
    >>> vjp_subscripts("ii->")
    ('->ii',)
    """
    return tuple(str(derivative) for derivative in vjp(parse(subscripts, closed=True)))


def fresh_letters(used: Container[str]) -> Iterator[str]:
    """Letters that are not in ``used``: first a to z and A to Z, then those of other scripts."""
    for letter in string.ascii_letters:
        if letter not in used:
            yield letter
    for code in range(ord("À"), sys.maxunicode + 1):
        if chr(code).isalpha() and chr(code) not in used:
            yield chr(code)


def rename_for_numpy(subscripts: Subscripts) -> Subscripts:
    """The same subscripts in the 52 letters that ``np.einsum`` takes; letters it knows survive.

    Raises
    ------
    SubscriptsError
        If there are more than 52 letters.

    Examples
    --------
    >>> str(rename_for_numpy(parse("αi,iβ->αβ")))
    'ai,ib->ab'
    """
    letters = subscripts.letters
    if len(letters) > len(string.ascii_letters):
        raise SubscriptsError(
            f"np.einsum takes 52 letters, but {str(subscripts)!r} has {len(letters)}: contract it in steps"
        )
    fresh = fresh_letters(letters)
    table = str.maketrans({x: next(fresh) for x in letters if x not in string.ascii_letters})
    return Subscripts(
        tuple(term.translate(table) for term in subscripts.inputs),
        subscripts.output.translate(table),
    )


def expand_ellipsis(subscripts: Subscripts, shapes: Sequence[Shape]) -> tuple[Subscripts, tuple[Shape, ...]]:
    """Subscripts without an ellipsis, and the shapes that go with them.

    Each axis that the ellipsis stands for gets a letter. Where an operand has size 1 there and
    another has more, the axis is dropped from that operand: it is absent, so it broadcasts.

    Raises
    ------
    ShapeError
        If an operand has another number of axes than its term has letters, or if the axes of the
        ellipsis do not broadcast.

    Examples
    --------
    >>> expanded, shapes = expand_ellipsis(parse("...i,...i->..."), [(5, 1, 3), (4, 3)])
    >>> str(expanded), shapes
    ('ai,bi->ab', ((5, 3), (4, 3)))
    """
    hidden = [_hidden_shape(subscripts, n, shape) for n, shape in enumerate(shapes)]
    if not subscripts.has_ellipsis:
        return subscripts, tuple(shapes)
    try:
        full = np.broadcast_shapes(*hidden)
    except ValueError:
        lines = [
            f"    operand {n} {term!r} has shape {shape}, so ... = {part}"
            for n, (term, shape, part) in enumerate(zip(subscripts.inputs, shapes, hidden, strict=True))
            if ELLIPSIS in term
        ]
        raise ShapeError(
            f"einsum({str(subscripts)!r}): the axes of '...' do not broadcast:\n"
            + "\n".join(lines)
            + "\nAligned from the right, two sizes must be equal or one of them 1."
        ) from None
    fresh = fresh_letters(subscripts.letters)
    letters = "".join(next(fresh) for _ in full)
    terms, kept_shapes = [], []
    for term, shape, part in zip(subscripts.inputs, shapes, hidden, strict=True):
        start = len(full) - len(part)
        kept = [n for n, size in enumerate(part) if size == full[start + n]]
        at = term.find(ELLIPSIS)
        terms.append(term.replace(ELLIPSIS, "".join(letters[start + n] for n in kept)))
        kept_part = tuple(part[n] for n in kept)
        kept_shapes.append((*shape[:at], *kept_part, *shape[at + len(part) :]) if at >= 0 else shape)
    return Subscripts(tuple(terms), subscripts.output.replace(ELLIPSIS, letters)), tuple(kept_shapes)


def _hidden_shape(subscripts: Subscripts, number: int, shape: Shape) -> Shape:
    """The part of a shape that the ellipsis of its term stands for."""
    term = subscripts.inputs[number]
    named = len(term.replace(ELLIPSIS, ""))
    ellipsis = ELLIPSIS in term
    if len(shape) < named or (len(shape) > named and not ellipsis):
        letters = f"{named} letter{'' if named == 1 else 's'}"
        axes = f"{len(shape)} ax{'is' if len(shape) == 1 else 'es'}"
        raise ShapeError(
            f"einsum({str(subscripts)!r}): operand {number} {term!r} has {letters}, but its shape "
            f"{tuple(shape)} has {axes}. Each axis needs one letter" + (" or a place in '...'." if ellipsis else ".")
        )
    at = term.find(ELLIPSIS)
    return tuple(shape[at : at + len(shape) - named]) if ellipsis else ()


def require_operand_count(subscripts: Subscripts, count: int) -> None:
    """Raise ShapeError unless ``count`` is the number of terms before the arrow."""
    if count != len(subscripts.inputs):
        raise ShapeError(
            f"einsum({str(subscripts)!r}): the subscripts have {len(subscripts.inputs)} "
            f"operand{'s' * (len(subscripts.inputs) != 1)}, but {count} "
            f"{'was' if count == 1 else 'were'} given"
        )


def letter_sizes(subscripts: Subscripts, shapes: Sequence[Shape]) -> dict[str, int]:
    """The one size of each letter, for subscripts without an ellipsis.

    Raises
    ------
    ShapeError
        If a letter has two sizes; a size of 1 does not stretch.

    Examples
    --------
    >>> letter_sizes(parse("ij,jb->ib"), [(2, 3), (3, 5)])
    {'i': 2, 'j': 3, 'b': 5}
    """
    first: dict[str, tuple[int, int]] = {}
    for number, (term, shape) in enumerate(zip(subscripts.inputs, shapes, strict=True)):
        for letter, size in zip(term, shape, strict=True):
            known, where = first.setdefault(letter, (size, number))
            if known != size:
                pair = [(where, known), (number, size)]
                raise _two_sizes(subscripts, shapes, letter, pair)
    return {letter: size for letter, (size, _) in first.items()}


def _two_sizes(subscripts: Subscripts, shapes: Sequence[Shape], letter: str, pair: list[tuple[int, int]]) -> ShapeError:
    """The error for a letter with two sizes, given where they were seen as (operand, size)."""
    (one, first), (other, second) = pair
    lines = [
        f"    operand {n} {subscripts.inputs[n]!r} has shape {tuple(shapes[n])}, so {letter} = {size}"
        for n, size in pair
    ]
    if one == other:
        lines = [f"{lines[0]} and {letter} = {second}"]
    advice = "transpose or slice an operand, or give one of the two axes another letter."
    if 1 in (first, second):
        advice = "a size of 1 does not stretch. To broadcast, leave the letter out of that term."
    return ShapeError(
        f"einsum({str(subscripts)!r}): the letter {letter} has two sizes, {first} and {second}:\n"
        + "\n".join(lines)
        + f"\nOne letter has one size: {advice}"
    )
