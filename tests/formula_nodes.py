"""The parts of a printed formula, as ``formula_parser`` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class UnreadableError(Exception):
    """A formula that this reader does not know, or a name that there is no value for."""


@dataclass(frozen=True)
class Node:
    """A part of a formula.

    ``kind`` says what it is of its ``parts``: a ``value`` (``name``, ``axes``, each the letters that are merged in
    it, or none for a position, which is one of its parts), a ``number``, a ``size`` or a ``letter``, a ``sum`` or an
    ``extremum`` over ``letters``, a ``call`` of a function, and so on.
    """

    kind: str
    parts: tuple[Node, ...] = ()
    name: str = ""
    axes: tuple[str, ...] = ()
    letters: str = ""
    number: Any = None
    rounded: bool = False

    def walk(self) -> Iterator[Node]:
        """This part and all within it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True)
class Statement:
    """``name[axes] operator= right``; the operator is empty, or one of + - * /.

    ``positions`` are those of the axes that have no letters.
    """

    name: str
    axes: tuple[str, ...]
    operator: str
    right: Node
    positions: tuple[Node, ...] = ()
