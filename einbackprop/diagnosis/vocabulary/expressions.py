"""All edits of one expression: an expression and what is at hand go in, other expressions come out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from math import inf

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
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression, Kind
from einbackprop.diagnosis.vocabulary.hand import Hand

KINDS: tuple[Kind, ...] = (
    *operands.KINDS, *layout.KINDS, *reductions.KINDS, *scaling.KINDS, *terms.KINDS, *pointwise.KINDS, *indexing.KINDS,
)  # fmt: skip


def expression_edits(
    value: ast.expr,
    hand: Hand,
    *,
    statement: ast.stmt | None = None,
    above: float = 0.0,
    limit: float = inf,
    deep: bool = False,
) -> Iterator[Edit]:
    """An expression and what is at hand go in; expressions that may be meant come out, some twice, in no order.

    Parameters
    ----------
    value : ast.expr
        What one statement assigns or returns: one place of a returned tuple, one entry of a dict, one argument of a
        call, a right side of ``+=``. It is not changed; the edits share parts of it.
    hand : Hand
    statement : ast.stmt, optional
        The statement that the expression stands in: a 1 says nothing in ``x /= 1``.
    above, limit : float
        Give those whose cost is above the one and at most the other.
    deep : bool
        Give those instead that put together several arrays at hand: a term or a factor that is missing and that no one
        name stands for. They are many, and all cost more than most of the others.
    """
    expression = Expression(value, hand, statement)
    for kind in compounds.KINDS if deep else KINDS:
        for edit in kind(expression):
            if above < edit.cost <= limit and expression.is_sound(edit):
                yield edit
