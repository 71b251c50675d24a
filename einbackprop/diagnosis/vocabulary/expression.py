"""One expression that may be wrong: the places in it, and the edits that put something else there."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from math import inf
from typing import Any

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.diagnosis.vocabulary.hand import Hand, Shape
from einbackprop.diagnosis.vocabulary.trees import (
    OPERANDS,
    PRODUCTS,
    SUMS,
    altered,
    attribute,
    awkward,
    exchanged,
    held_number,
    is_odd,
    is_same,
    names_in,
    parsed,
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


LENGTHS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("zeros", "ones", "empty", "full"), (0, 1)),
    **dict.fromkeys(("eye", "identity", "arange", "linspace", "rand", "randn", "range"), (0, 9)),
    **dict.fromkeys(("reshape", "tile", "repeat", "broadcast_to", "resize", "pad", "transpose", "swapaxes", "moveaxis",
                     "rollaxis", "expand_dims", "squeeze", "roll", "flip", "unravel_index",
                     "ravel_multi_index", "concatenate", "stack", "split"), (1, 9)),
}  # fmt: skip
"""Functions that take a shape, a number of times or an axis, from which argument to which; methods one earlier."""
LENGTH_KEYWORDS = frozenset({"shape", "newshape", "size", "reps", "repeats", "num", "N", "M", "pad_width"})


@dataclass(eq=False, slots=True)
class Edit:
    """An expression or a statement written otherwise. Thousands are made and few looked at: the rest is made then.

    Attributes
    ----------
    cost : float
        How rare the mistake is, and how large the edit: small first.
    wording : str
        What is wrong, with no full stop, and with ``{}`` for each of its parts, if it has some.
    node : ast.expr or None
        What an edit of an expression puts in its place.
    statements : tuple of ast.stmt
        What stands instead of the statement, of an edit of a statement.
    removed : bool
        Whether nothing is to stand there.
    parts : tuple
        Of the message: code, places, texts, and functions that give a text.
    place : Place or None
        Where the node stands; None for the whole.
    changes : mapping of int to ast.expr or None
        What stands in several places instead, by the ``id`` of what stood there: the node is the expression before.
    kind : str
        What the mistake is about, in two or three words, which do not say what is right: ``a transpose``.
    """

    cost: float
    wording: str
    node: ast.expr | None = None
    statements: tuple[ast.stmt, ...] = ()
    removed: bool = False
    parts: tuple[object, ...] = ()
    place: Place | None = None
    changes: Mapping[int, ast.expr] | None = None
    kind: str = ""

    @property
    def message(self) -> str:
        """What is wrong, with no full stop."""
        return self.wording.format(*map(said, self.parts)) if self.parts else self.wording

    @property
    def value(self) -> ast.expr | None:
        """The expression that stands instead, of an edit of an expression."""
        if self.changes is not None:
            self.node, self.changes = exchanged(self.node, self.changes), None
        if self.place is not None and self.node is not None:
            self.node, self.place = self.place.put(self.node), None
        return self.node


def said(part: object) -> str:
    """A part of a message as text."""
    if isinstance(part, Place):
        return part.text
    if isinstance(part, ast.AST):
        return ast.unparse(part)
    return str(part() if callable(part) else part)


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
        return isinstance(getattr(self.parent, "op", None), (*SUMS, ast.USub)) and self.outer.is_term

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
            if place.index is not None:
                items = list(getattr(place.parent, place.field))
                items[place.index] = made
                made = items
            made, place = altered(place.parent, **{place.field: made}), place.outer
        result: ast.expr = made
        return result


class Expression:
    """An expression that may be wrong, with what can stand in it.

    Attributes
    ----------
    value : ast.expr
    hand : Hand
    statement : ast.stmt or None
        The statement that it stands in, if that is known.
    places : list of Place
        Of the values in it. What is called, a module, an axis and an index are none.
    indices : list of Place
        Of what stands in brackets, as in ``x[t]``.
    lengths : list of Place
        Of what stands where a function takes a shape, a number of times or an axis, as in ``np.ones(N)``.
    limit : float
        Edits that cost more need not be made: there are ten times as many of them as of the likely ones.
    """

    def __init__(self, value: ast.expr, hand: Hand, statement: ast.stmt | None = None) -> None:
        self.value, self.hand, self.statement = value, hand, statement
        self.places: list[Place] = []
        self.indices: list[Place] = []
        self.lengths: list[Place] = []
        self.limit = inf
        self._walk(Place(value, None, "", None), self.places)

    def _walk(self, place: Place, found: list[Place]) -> None:
        node = place.node
        if isinstance(node, ast.expr) and not isinstance(node, ast.Starred) and not is_method(place):
            found.append(place)
        is_entry = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and place.text in self.known
        if isinstance(node, ast.JoinedStr | ast.Lambda) or is_entry:
            return
        for field, part in ast.iter_fields(node):
            for index, item in enumerate(part) if isinstance(part, list) else [(None, part)]:
                if self._is_value(place, field, item):
                    is_index = field == "slice" and isinstance(node, ast.Subscript)
                    is_length = found is self.places and self._takes_length(node, item, index)
                    below = self.indices if is_index else self.lengths if is_length else found
                    self._walk(Place(item, place, field, index), below)

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

    def _takes_length(self, node: Any, argument: ast.AST, index: int | None) -> bool:
        """Whether a call takes a shape, a number of times or an axis in one of its arguments."""
        if isinstance(argument, ast.keyword):
            return argument.arg in LENGTH_KEYWORDS
        if not isinstance(node, ast.Call) or argument is node.func or index is None:
            return False
        is_method = isinstance(node.func, ast.Attribute) and not self.is_of_numpy(node.func)
        name = self.called(node) or getattr(node.func, "id", "")
        first, end = LENGTHS.get(name, (0, 0))
        return first - is_method <= index < end

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
    def names(self) -> frozenset[str]:
        """All names in it."""
        return frozenset(names_in(self.value))

    @cached_property
    def spelled(self) -> frozenset[str]:
        """The operands as they are spelled."""
        return frozenset(place.text for place in self.operands)

    @cached_property
    def calls(self) -> list[Place]:
        """The places of calls, those in indices and in shapes too."""
        return [place for place in (*self.places, *self.indices, *self.lengths) if isinstance(place.node, ast.Call)]

    @cached_property
    def products(self) -> list[Place]:
        """The places of a * b, a / b, a + b and the like."""
        return [place for place in (*self.places, *self.indices, *self.lengths) if isinstance(place.node, ast.BinOp)]

    def near(self, place: Place) -> list[tuple[str, Shape]]:
        """The arrays to try at a place, with their shapes: all for the whole and its terms, else those that stand in
        the expression or that nothing reads, and fewer others the more places there are."""
        return [*self.hand.shapes.items()] if place.is_term else self._near_inside

    @cached_property
    def _near_inside(self) -> list[tuple[str, Shape]]:
        """The arrays to try inside the expression."""
        likely = self.spelled | self.hand.unused  # these take no place from the others: a cache may hold many
        others = (name for name in self.hand.shapes if name not in likely)
        most = max(FEWEST, MOST_INSIDE // len(self.places))
        taken = likely.union(islice(others, most))
        return [one for one in self.hand.shapes.items() if one[0] in taken]

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

    def edit(self, place: Place, new: ast.expr, cost: float, wording: str, *parts: object) -> Edit:
        """The edit that puts a node at a place."""
        return Edit(cost + DEEPER * place.depth, wording, new, parts=parts, place=place)

    def everywhere(self, changes: Mapping[int, ast.expr], cost: float, wording: str, *parts: object) -> Edit:
        """The edit that puts nodes in the places of several, given by ``id``."""
        return Edit(cost, wording, self.value, parts=parts, changes=changes)

    @cached_property
    def target(self) -> str:
        """What the statement binds, if that is one thing."""
        targets: Any = getattr(self.statement, "targets", ())
        is_whole = len(targets) == 1 and getattr(self.statement, "value", None) is self.value
        return ast.unparse(targets[0]) if is_whole else ""

    @cached_property
    def own(self) -> frozenset[ast.AST]:
        """The nodes of the expression."""
        return frozenset(ast.walk(self.value))

    def is_sound(self, edit: Edit) -> bool:
        """Whether an edit changes something, and adds nothing that nobody writes, such as ``--x`` and ``x * 1``."""
        new, place = edit.node, edit.place
        if place is None or new is None:
            return True
        if is_same(new, place.node) or is_odd(new, self.own):
            return False
        if place.outer is None and isinstance(new, OPERANDS) and ast.unparse(new) == self.target:
            return False  # x = x
        if place.outer is None and self.hand.makes_object and any(node is self.value for node in ast.walk(new)):
            return False  # a node of a graph has no sum and no transpose
        if isinstance(new, ast.BinOp | ast.UnaryOp | ast.Compare) and place.text in self.hand.others:
            return False  # no arithmetic with lists and layers
        while place.outer is not None and isinstance(place.parent, ast.BinOp | ast.UnaryOp | ast.Attribute):
            changed = altered(place.parent, **{place.field: new})
            if awkward(changed) not in ("", awkward(place.parent)):
                return False
            if not (isinstance(changed, ast.UnaryOp) or isinstance(getattr(changed, "op", None), ast.Mult | ast.Div)):
                break
            new, place = changed, place.outer
        return True


Kind = Callable[[Expression], Iterable[Edit]]
Kinds = Mapping[Kind, str]
"""Functions that give edits, each with what it is about, as in ``Edit.kind``."""


def edits_of(kinds: Kinds, expression: Expression) -> Iterator[Edit]:
    """The edits of an expression, of some kinds, each with what it is about."""
    for kind, word in kinds.items():
        for edit in kind(expression):
            edit.kind = word
            yield edit


def is_method(place: Place | None) -> bool:
    """Whether a place is that of ``x.sum`` in ``x.sum()``."""
    return place is not None and place.field == "func"


def axes(expression: Expression, node: ast.Call) -> list[ast.expr]:
    """The argument of a call that is an axis by its position: whole numbers after the array that a reduction takes."""
    at = int(expression.is_numpy(node))
    found = node.args[at : at + 1] if expression.called(node) in REDUCTIONS else []
    parts = found[0].elts if found and isinstance(found[0], ast.Tuple) else found
    return found if all(type(held_number(part)) is int for part in parts) else []
