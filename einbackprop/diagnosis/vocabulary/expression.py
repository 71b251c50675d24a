"""One expression that may be wrong: the places in it, and the edits that put something else there."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from einbackprop.diagnosis.vocabulary.hand import Hand, Shape
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    PRODUCTS,
    SUMS,
    Numbering,
    attribute,
    exchanged,
    held_number,
    parsed,
    shallow,
)

FEWEST, MOST_INSIDE = 6, 100
"""How many arrays are tried at a place inside an expression, at least; and at all such places together, about."""
DEEPER = 0.03
"""What an edit costs more for each level that it lies deeper in the expression."""
NO_VALUES = frozenset({"axis", "axes", "keepdims", "dtype", "order", "out"})
"""Keyword arguments that are about layout: they have edits of their own."""
OF_ARRAYS = frozenset({"T", "shape", "size", "real", "imag", "flat"})
REDUCTIONS = frozenset((
    "sum", "mean", "max", "min", "amax", "amin", "prod", "var", "std", "argmax", "argmin", "any", "all", "cumsum",
    "norm",
))  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """An expression or a statement written otherwise.

    Attributes
    ----------
    cost : float
        How rare the mistake is, and how large the edit: small first.
    message : str
        What is wrong, with no full stop.
    value : ast.expr or None
        The expression that stands instead, of an edit of an expression.
    statements : tuple of ast.stmt
        What stands instead of the statement, of an edit of a statement.
    removed : bool
        Whether nothing is to stand there.
    """

    cost: float
    message: str
    value: ast.expr | None = None
    statements: tuple[ast.stmt, ...] = ()
    removed: bool = False


class Place:
    """A node in an expression, and the way to it."""

    def __init__(self, node: Any, outer: Place | None, field: str, index: int | None) -> None:
        self.node, self.outer, self.field, self.index = node, outer, field, index
        self.depth: int = 0 if outer is None else outer.depth + isinstance(node, ast.expr)

    @cached_property
    def text(self) -> str:
        """The node as code."""
        return ast.unparse(self.node)

    @property
    def parent(self) -> Any:
        """The node above; None for the whole."""
        return self.outer.node if self.outer else None

    @cached_property
    def is_term(self) -> bool:
        """Whether it is the whole, or a term of it, whatever its sign."""
        if self.outer is None:
            return True
        operator = getattr(self.parent, "op", None)
        return isinstance(operator, (*SUMS, ast.USub)) and self.outer.is_term

    @cached_property
    def is_factor(self) -> bool:
        """Whether it is a side of a product or a quotient."""
        return isinstance(getattr(self.parent, "op", None), PRODUCTS)

    @cached_property
    def is_argument(self) -> bool:
        """Whether it is an argument of a call, or what a method is called on."""
        return isinstance(self.parent, ast.Call | ast.keyword) or (self.field == "value" and is_method(self.outer))

    @cached_property
    def is_head(self) -> bool:
        """Whether it is the first factor of a product: ``a`` in ``a * b``. A factor of it is one of the product."""
        return self.is_factor and self.field == "left" and not isinstance(self.parent.op, ast.MatMult)

    def put(self, new: ast.expr) -> ast.expr:
        """The whole expression with another node here."""
        place: Place = self
        made: Any = new
        while place.outer is not None:
            node = shallow(place.outer.node)
            if place.index is None:
                setattr(node, place.field, made)
            else:
                items = list(getattr(node, place.field))
                items[place.index] = made
                setattr(node, place.field, items)
            made, place = node, place.outer
        result: ast.expr = made
        return result


class Expression:
    """An expression that may be wrong, with what can stand in it.

    Attributes
    ----------
    value : ast.expr
    hand : Hand
    places : list of Place
        Of the values in it. What is called, a module, an axis and an index are none.
    indices : list of Place
        Of what stands in brackets, as in ``x[t]``.
    """

    def __init__(self, value: ast.expr, hand: Hand) -> None:
        self.value, self.hand = value, hand
        self.places: list[Place] = []
        self.indices: list[Place] = []
        self._walk(Place(value, None, "", None), False)

    def _walk(self, place: Place, is_index: bool) -> None:
        node = place.node
        if isinstance(node, ast.expr) and not isinstance(node, ast.Starred) and not is_method(place):
            (self.indices if is_index else self.places).append(place)
        is_entry = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and place.text in self.known
        if isinstance(node, ast.JoinedStr | ast.Lambda) or is_entry:
            return
        for field, part in ast.iter_fields(node):
            for index, item in enumerate(part) if isinstance(part, list) else [(None, part)]:
                if self._is_value(place, field, item):
                    below = Place(item, place, field, index)
                    self._walk(below, is_index or (field == "slice" and isinstance(node, ast.Subscript)))

    def _is_value(self, place: Place, field: str, item: Any) -> bool:
        """Whether a part of the node at a place is one of values, or leads to some."""
        node = place.node
        if not isinstance(item, ast.expr | ast.keyword | ast.Slice | ast.comprehension):
            return False
        if isinstance(item, ast.keyword) and item.arg in NO_VALUES:
            return False
        if isinstance(node, ast.Call) and field == "func":
            return self.is_of_value(item)
        if isinstance(node, ast.Call) and field == "args" and any(arg is item for arg in axes(self, node)):
            return False
        if isinstance(node, ast.Attribute) and not (is_method(place) or node.attr in OF_ARRAYS):
            return False
        return not isinstance(getattr(item, "ctx", None), ast.Store) and field != "returns"

    @cached_property
    def known(self) -> frozenset[str]:
        """All that is at hand, as it is spelled."""
        hand = self.hand
        return frozenset((*hand.shapes, *hand.sizes, *hand.others))

    def is_of_value(self, function: ast.AST) -> bool:
        """Whether what is called is a method of a value: of one that is known, or one that arrays have."""
        if not isinstance(function, ast.Attribute) or self.is_of_numpy(function):
            return False
        return hasattr(np.ndarray, function.attr) or ast.unparse(function.value) in self.known

    def is_of_numpy(self, function: ast.AST) -> bool:
        """Whether what is called is a function of NumPy's."""
        inner = function
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        return isinstance(inner, ast.Name) and inner.id == self.hand.numpy

    @cached_property
    def operands(self) -> list[Place]:
        """The places of names, attributes and entries that are values."""
        return [place for place in self.places if isinstance(place.node, OPERANDS)]

    @cached_property
    def bound(self) -> list[str]:
        """The names that comprehensions in it bind."""
        names = [node for node in ast.walk(self.value) if isinstance(node, ast.Name)]
        return [node.id for node in names if isinstance(node.ctx, ast.Store)]

    @cached_property
    def spelled(self) -> frozenset[str]:
        """The operands as they are spelled."""
        return frozenset(place.text for place in self.operands)

    @cached_property
    def calls(self) -> list[Place]:
        """The places of calls, those in indices too."""
        return [place for place in (*self.places, *self.indices) if isinstance(place.node, ast.Call)]

    @cached_property
    def products(self) -> list[Place]:
        """The places of a * b, a / b, a + b and the like."""
        return [place for place in (*self.places, *self.indices) if isinstance(place.node, ast.BinOp)]

    def near(self, place: Place) -> list[tuple[str, Shape]]:
        """The arrays to try at a place, with their shapes: all for the whole and its terms, fewer the more places."""
        most = None if place.is_term else max(FEWEST, MOST_INSIDE // len(self.places))
        return [*self.hand.shapes.items()][:most]

    def shape(self, place: Place) -> tuple[int, ...] | None:
        """The shape of what stands at a place, if it is an array at hand."""
        return self.hand.shapes.get(place.text)

    def function(self, name: str) -> ast.expr:
        """A function of NumPy's, spelled as the code spells NumPy."""
        return attribute(parsed(self.hand.numpy), name)

    def called(self, node: Any) -> str:
        """The name of the NumPy function or of the method that a node calls; empty where it calls none."""
        return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""

    def is_numpy(self, node: Any) -> bool:
        """Whether a node is a call of a function of NumPy's, not of a method."""
        return isinstance(node, ast.Call) and self.is_of_numpy(node.func)

    def edit(self, place: Place, new: ast.expr, cost: float, message: str) -> Edit:
        """The edit that puts a node at a place."""
        return Edit(cost + DEEPER * place.depth, message, place.put(new))

    def everywhere(self, changes: dict[int, ast.expr], cost: float, message: str) -> Edit:
        """The edit that puts nodes in the places of several, given by ``id``."""
        return Edit(cost, message, exchanged(self.value, changes))


Kind = Callable[[Expression], Iterable[Edit]]


def is_method(place: Place | None) -> bool:
    """Whether a place is that of ``x.sum`` in ``x.sum()``."""
    return place is not None and place.field == "func"


def axes(expression: Expression, node: ast.Call) -> list[ast.expr]:
    """The argument of a call that is an axis by its position: whole numbers after the array that a reduction takes."""
    at = int(expression.is_numpy(node))
    found = node.args[at : at + 1] if expression.called(node) in REDUCTIONS else []
    parts = found[0].elts if found and isinstance(found[0], ast.Tuple) else found
    return found if all(type(held_number(part)) is int for part in parts) else []


def distinct(edits: Iterable[Edit], value: ast.expr) -> Iterator[Edit]:
    """The edits that differ from an expression and from one another, each at its lowest cost; none that is awkward."""
    numbering = Numbering()
    own, awkward = numbering.of(value)
    best: dict[int, Edit] = {}
    for edit in edits:
        assert edit.value is not None
        key, odd = numbering.of(edit.value)
        if key != own and (not odd or odd <= awkward) and (key not in best or edit.cost < best[key].cost):
            best[key] = edit
    return iter(best.values())
