"""What a matrix form is worth: ``(Wᵀ·d) ⊙ h``, ``½ 1ᵀ·A·1``, ``Q·Kᵀ for each b``, read off its text.

Vectors are columns and 1 is a column of ones, as long as what stands beside it needs. Within an operand, ``(1 - h)``,
what stands side by side is multiplied entry by entry; there shapes are equal, or one is a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from formula_nodes import Node, UnreadableError
from formula_parser import Parser
from formula_values import Evaluation


class MatrixParser(Parser):
    """A matrix form as a tree: an elementwise product of terms of chains."""

    def name_here(self, words: bool = False) -> str:
        """The longest known name; ``ones`` is no word of matrix forms."""
        return super().name_here(words or self.sees("ones"))

    def product(self) -> Node:
        """``-½ (A·B) ⊙ C``."""
        if self.accept("-"):
            return Node("minus", (self.product(),))
        value = self.term()
        while self.accept(" ⊙ "):
            value = Node("entries", (value, self.term()))
        return value

    def term(self) -> Node:
        """``1/B A·Bᵀ``: numbers before a chain, or entry by entry."""
        value = self.chain()
        while True:
            if self.accept("/"):
                value = Node("entries", (value, Node("power", (self.power(), Node("number", number=-1)))))
            elif not self.sees(" ⊙ ") and self.goes_on():
                self.accept(" ")
                value = Node("entries", (value, self.chain()))
            else:
                return value

    def chain(self) -> Node:
        """``A·Bᵀ``."""
        links = [self.link()]
        while self.accept("·"):
            links.append(self.link())
        return links[0] if len(links) == 1 else Node("chain", tuple(links))

    def link(self) -> Node:
        """``Aᵀ``, ``1``, ``diag(a)``."""
        ones = re.compile(r"1(?=[·ᵀ]|$)").match(self.text, self.at)
        if ones or (self.sees("1") and self.text[:self.at].endswith("·")):
            self.at += 1
            node = Node("column")
        elif self.sees("ones") and not self.name_here():
            self.at += 4
            node = Node("column")
        elif self.text[self.at :] == "I" and self.at and not self.name_here():
            self.at += 1
            node = Node("identity")
        else:
            node = self.power()
        return Node("transpose", (node,)) if self.accept("ᵀ") else node


class MatrixEvaluation(Evaluation):
    """Matrix forms evaluated: every value is a matrix, a number one of a single entry."""

    def __init__(self, values: Mapping[str, Any], sizes: Mapping[str, int], shape: tuple[int, int]) -> None:
        super().__init__(values, dict(sizes), [])
        self.shape = shape

    def _value(self, node: Node, scope: frozenset[str]) -> Any:
        array = np.asarray(self.values[node.name])
        return array.reshape(-1, 1) if array.ndim < 2 else array

    def _identity(self, node: Node, scope: frozenset[str]) -> Any:
        return np.eye(self.shape[0])

    def _column(self, node: Node, scope: frozenset[str]) -> Any:
        return np.ones((self.shape[0], 1))

    def _transpose(self, node: Node, scope: frozenset[str]) -> Any:
        return self.of(node.parts[0], scope).T

    def _chain(self, node: Node, scope: frozenset[str]) -> Any:
        kinds = ["ones" if n.kind == "column" else "row" if is_row(n) else "" for n in node.parts]
        links = [None if kind else self.of(n, scope) for kind, n in zip(kinds, node.parts, strict=True)]
        total: Any = None
        for n, (kind, link) in enumerate(zip(kinds, links, strict=True)):
            if kind == "ones":
                link = np.ones((self.shape[0] if total is None else total.shape[1], 1))
            elif kind == "row":
                after = links[n + 1] if n + 1 < len(links) else None
                link = np.ones((1, self.shape[1] if after is None else after.shape[0]))
            if total is not None and total.shape[1] != link.shape[0]:
                raise UnreadableError(f"{total.shape} and {link.shape} do not meet")
            total = link if total is None else total @ link
        return total

    def _entries(self, node: Node, scope: frozenset[str]) -> Any:
        return self._times(node, scope)

    def parts(self, node: Node, scope: frozenset[str]) -> list[Any]:
        """The parts, which have one shape but for numbers."""
        values = [np.asarray(part) for part in super().parts(node, scope)]
        if len({value.shape for value in values if value.size > 1}) > 1 and node.kind not in ("call",):
            raise UnreadableError(f"shapes {[value.shape for value in values]}")
        return values

    def _call(self, node: Node, scope: frozenset[str]) -> Any:
        if node.name == "tr":
            return np.trace(self.of(node.parts[0], scope)).reshape(1, 1)
        if node.name == "diag":
            value = self.of(node.parts[0], scope)
            return np.diag(value[:, 0]) if value.shape[1] == 1 else np.diag(value).reshape(-1, 1)
        return super()._call(node, scope)


def is_row(node: Node) -> bool:
    """Whether it is a row of ones."""
    return node.kind == "transpose" and node.parts[0].kind == "column"


def matrix_value(
    form: str, values: Mapping[str, Any], letters: Mapping[str, str], out: str, sizes: Mapping[str, int]
) -> Any:
    """The value of a matrix form.

    Parameters
    ----------
    form : str
    values : mapping of name to array
    letters : mapping of name to letters
        The letters of each array in the equation, by which it is taken apart ``for each b``.
    out : str
        The letters of the result.
    sizes : mapping of letter to int
    """
    text, _, each = form.partition(" for each ")
    batch = each.split(", ") if each else []
    tree = MatrixParser(text, values).all()
    inner = [i for i in out if i not in batch]
    shape = [sizes[i] for i in inner] + [1, 1]
    result = np.zeros([sizes[i] for i in out], dtype=complex)
    for place in product(*(range(sizes[i]) for i in batch)):
        at = dict(zip(batch, place, strict=True))
        taken = {
            name: array[tuple(at.get(i, slice(None)) for i in letters[name])] if batch and name in letters else array
            for name, array in ((name, np.asarray(value)) for name, value in values.items())
        }
        with np.errstate(all="ignore"):
            value = np.asarray(MatrixEvaluation(taken, sizes, (shape[0], shape[1])).of(tree, frozenset()))
        if value.size == 1 and len(inner) and np.prod([sizes[i] for i in inner]) != 1:
            raise UnreadableError(f"{text} is one number, not {inner}")
        result[tuple(at.get(i, slice(None)) for i in out)] = value.reshape([sizes[i] for i in inner])
    return result if np.iscomplexobj(result) and np.any(result.imag) else result.real
