"""The vocabulary of edits: what people get wrong in a line, as other lines that they may have meant.

An expression or a statement and what is at hand go in (`Hand`: names with shapes, sizes, functions), and come out as
edits, each with a cost: low where the mistake is usual and the edit small. Nothing is run here; whoever asks tries
them, the cheapest first, and where none fits the deep ones, which put together several arrays at hand. ::

    hand.py          hand_of(variables): what a statement can be made of
    trees.py         what edits are built with: call, binary, subscript, number
    expression.py    Expression: the places in one, and Edit
    operands.py      another variable         layout.py      transposes, orders, shapes
    reductions.py    sums, means, axes        scaling.py     signs, factors, numbers, powers
    terms.py         terms, and as elsewhere  pointwise.py   derivatives, functions, masks
    indexing.py      indices, slices, ranges  compounds.py   terms and factors that take several arrays to write
    expressions.py   expression_edits: all of these, each once
    statements.py    statement_edits: =, +=, targets, places, guards, loops
    insertions.py    values_at_hand: what a line that is missing makes

**A new kind of mistake** is a function in one of those of expressions, named in ``KINDS`` at its end with what it is
about, as hints say it; its cost is about 1 for what people get wrong every day, up to 2.2 for what is tried before
anything rarer. One of whole statements is in ``statements.KINDS``, and takes a statement and a hand::

    def reciprocal(expression: Expression) -> Iterator[Edit]:
        \"""One over what stands there.\"""
        for place in expression.operands:
            new = binary(number(1), "/", place.node)
            yield expression.edit(place, new, 2.0, "1 / {} is needed, not {}", place, place)
"""

from einbackprop.diagnosis.vocabulary.expression import Edit
from einbackprop.diagnosis.vocabulary.expressions import OF_VALUES, Edits, expression_edits
from einbackprop.diagnosis.vocabulary.hand import Hand, LossCode, hand_of
from einbackprop.diagnosis.vocabulary.insertions import bare_values, values_at_hand
from einbackprop.diagnosis.vocabulary.statements import statement_edits

__all__ = [
    "OF_VALUES", "Edit", "Edits", "Hand", "LossCode", "bare_values", "expression_edits", "hand_of", "statement_edits",
    "values_at_hand",
]  # fmt: skip
