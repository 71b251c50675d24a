"""Breaking: where a long formula may go on in another row, for formats that do not find that themselves."""

from collections.abc import Iterator
from dataclasses import replace

from .markup import Markup, Part, Power, Quotient, Raised, Root, is_single, text

LONGEST = 32
"""Characters of a fraction, a root or a power; a longer one is written on the line, where it can be broken."""

OPERATORS = frozenset("=+-·⊙⇒≤<≠≥") | {"+=", "-=", "*=", "/="}


def pieces(markup: Markup) -> Iterator[Markup]:
    """The formula in pieces that stay whole: a row may end between two of them.

    It is broken at spaces, before an operator and not after it.

    Examples
    --------
    >>> [text(piece) for piece in pieces(("a", " + ", "b", " ", "c", " (1 - c)"))]
    ['a', '+ b', 'c', '(1', '- c)']
    """
    piece: list[Part] = []
    for part in on_the_line(markup):
        if not isinstance(part, str):
            piece.append(part)
            continue
        first, *others = part.split(" ")
        piece += [first] if first else []
        for word in others:
            if piece and not (isinstance(piece[-1], str) and piece[-1].strip() in OPERATORS):
                yield tuple(piece)
                piece = []
            elif piece:
                piece.append(" ")
            piece += [word] if word else []
    if piece:
        yield tuple(piece)


def on_the_line(markup: Markup) -> Iterator[Part]:
    """The parts of a formula, those that are too wide to stay whole taken apart."""
    for part in markup:
        if isinstance(part, str) or len(text((part,))) <= LONGEST:
            yield part
            continue
        match part:
            case Quotient(over, under):
                yield from (*parenthesized(over), "/", *parenthesized(under))
            case Root(body):
                yield from ("√", *parenthesized(body))
            case Raised(body):
                *inside, last = on_the_line(body)
                yield from (*inside, replace(part, body=(last,)))
            case Power(base, exponent):
                yield from (*on_the_line(base), "^", *parenthesized(exponent))
            case _:
                yield part


def parenthesized(markup: Markup) -> Iterator[Part]:
    """A formula in parentheses, if it has none and is more than one thing, its parts on the line."""
    yield from on_the_line(markup) if is_single(markup) else ("(", *on_the_line(markup), ")")
