"""Spellings: expressions of the user's code that hold a value, and which of their axes carry which of its letters."""

from __future__ import annotations

from dataclasses import dataclass, replace

NAME, CHAIN, INNER, CALL, LITERAL = range(5)
"""How near an expression is to a name of its statement: the ranks of a ``Spelling``."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """An expression of the user's code that holds a value.

    Attributes
    ----------
    text : str
        As it stands in the code: ``grads["W"]``, ``self.h``, ``softmax(s)``.
    axes : tuple of tuples of int
        For each axis of what the expression gives, the places of its letters among those of the value: one as a rule,
        none for an axis of size 1, several for axes that a reshape has merged.
    rank : int
        How near it is to a name of the statement: 0 for a name, 1 for attributes and entries of names, 2 for what a
        comprehension, a lambda or a helper calls something, 3 for a call and any other expression, 4 for a list.
    """

    text: str
    axes: tuple[tuple[int, ...], ...]
    rank: int = 0

    def letters(self, indices: str) -> tuple[str, ...]:
        """The letters of each axis, for the letters of the value."""
        return tuple("".join(indices[n] for n in axis) for axis in self.axes)

    @property
    def units(self) -> tuple[int, ...]:
        """The axes of size 1 without a letter."""
        return tuple(n for n, axis in enumerate(self.axes) if not axis)

    @property
    def is_merged(self) -> bool:
        """Whether an axis carries several letters."""
        return any(len(axis) > 1 for axis in self.axes)

    @property
    def in_order(self) -> Spelling:
        """The expression of the same value with its letters in the order of the axes."""
        places = iter(range(sum(map(len, self.axes))))
        return replace(self, axes=tuple(tuple(next(places) for _ in axis) for axis in self.axes))
