"""All edits of one expression: an expression and what is at hand go in, other expressions come out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from math import inf
from operator import attrgetter

from einbackprop.diagnosis.vocabulary import (
    compounds,
    indexing,
    layout,
    operands,
    pointwise,
    reductions,
    scaling,
    terms,
)
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kinds, edits_of
from einbackprop.diagnosis.vocabulary.hand import Hand

KINDS: Kinds = {
    **operands.KINDS, **layout.KINDS, **reductions.KINDS, **scaling.KINDS, **terms.KINDS, **pointwise.KINDS,
    **indexing.KINDS,
}  # fmt: skip
OF_VALUES = frozenset({*scaling.KINDS.values(), *terms.KINDS.values(), *pointwise.KINDS.values()})
"""What edits are about that change values, and seldom a shape."""


class Edits:
    """The edits of an expression, given by what they cost, and made as far as that.

    Parameters
    ----------
    value : ast.expr
        What one statement assigns or returns: one place of a returned tuple, one entry of a dict, one argument of a
        call, a right side of ``+=``. It is not changed; the edits share parts of it.
    hand : Hand
    statement : ast.stmt, optional
        The statement that the expression stands in: a 1 says nothing in ``x /= 1``.
    """

    def __init__(self, value: ast.expr, hand: Hand, statement: ast.stmt | None = None) -> None:
        self._expression = Expression(value, hand, statement)
        self._made: dict[bool, tuple[float, list[Edit]]] = {}  # up to which cost, and those

    def between(self, above: float = 0.0, limit: float = inf, *, deep: bool = False) -> Iterator[Edit]:
        """Those whose cost is above one bound and at most another, the cheapest first.

        Deep ones are given instead of the others: those that put together several arrays at hand, a term or a factor
        that is missing and that no one name stands for. They are many, and all cost more than most of the others.
        """
        if limit <= above:
            return
        reached, made = self._made.get(deep, (-inf, []))
        if limit > reached:
            self._expression.limit = limit
            every = edits_of(compounds.KINDS if deep else KINDS, self._expression)
            made = sorted((edit for edit in every if edit.cost <= limit), key=attrgetter("cost"))
            self._made[deep] = limit, made
        for edit in made:
            if edit.cost > limit:
                break
            if edit.cost > above and self._expression.is_sound(edit):
                yield edit


def expression_edits(
    value: ast.expr, hand: Hand, *, statement: ast.stmt | None = None, above: float = 0.0, limit: float = inf,
    deep: bool = False,
) -> Iterator[Edit]:  # fmt: skip
    """An expression and what is at hand go in; expressions that may be meant come out, some twice: see `Edits`."""
    return Edits(value, hand, statement).between(above, limit, deep=deep)
