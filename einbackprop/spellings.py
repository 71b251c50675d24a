"""Pointwise formulas as trees in which spelling does not matter, and the functions that people spell out.

``1 / (1 + exp(-x))``, ``exp(x) / (1 + exp(x))`` and ``0.5 * (1 + tanh(x / 2))`` are three spellings of the sigmoid. A tree has sums
and products in one order, numbers multiplied into sums, and quotients as powers, so that a spelling is found whatever the
order in which it was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

Tree = tuple[Any, ...]
"""("number", p), ("leaf", name), ("sum", {(tree, p), …}), ("product", {(tree, exponent), …}), ("call", name, trees …)."""


def number(value: Fraction | int) -> Tree:
    """A number."""
    return ("number", Fraction(value))


ONE = number(1)


def add(terms: list[tuple[Fraction, Tree]]) -> Tree:
    """A sum of multiples, flat, equal terms together."""
    total: dict[Tree, Fraction] = {}
    for factor, term in terms:
        for part, inner in parts_of(term):
            total[part] = total.get(part, Fraction(0)) + factor * inner
    kept = {(part, factor) for part, factor in total.items() if factor}
    if not kept:
        return number(0)
    if len(kept) == 1:
        ((part, factor),) = kept
        if part == ONE:
            return number(factor)
        if factor == 1:
            return part
    return ("sum", frozenset(kept))


def parts_of(tree: Tree) -> list[tuple[Tree, Fraction]]:
    """The terms of a tree and what each is multiplied by."""
    if tree[0] == "sum":
        return list(tree[1])
    return [(ONE, tree[1])] if tree[0] == "number" else [(tree, Fraction(1))]


def multiply(trees: list[Tree]) -> Tree:
    """A product, flat, powers of one base together; a number goes into a sum."""
    coefficient = Fraction(1)
    powers: dict[Tree, Fraction] = {}
    for tree in trees:
        if tree[0] == "number":
            coefficient *= tree[1]
        elif tree[0] == "sum" and len(tree[1]) == 1:  # a multiple
            ((part, factor),) = tree[1]
            coefficient *= factor
            powers[part] = powers.get(part, Fraction(0)) + 1
        else:
            for base, exponent in tree[1] if tree[0] == "product" else [(tree, Fraction(1))]:
                powers[base] = powers.get(base, Fraction(0)) + exponent
    kept = frozenset((base, exponent) for base, exponent in powers.items() if exponent)
    body: Tree = ONE if not kept else ("product", kept)
    if len(kept) == 1 and next(iter(kept))[1] == 1:
        body = next(iter(kept))[0]
    return add([(coefficient, body)])


def power(tree: Tree, exponent: Fraction) -> Tree:
    """A power; of a product each factor's."""
    if tree[0] == "number" and tree[1] > 0 and exponent.denominator == 1:
        return number(tree[1] ** int(exponent))
    if tree[0] == "product":
        return multiply([power(base, inner * exponent) for base, inner in tree[1]])
    return ("product", frozenset({(tree, exponent)})) if exponent != 1 else tree


COMMUTING = frozenset("maximum minimum logaddexp equal not_equal".split())
TURNED = {"greater": "less", "greater_equal": "less_equal"}


def call(name: str, arguments: list[Tree]) -> Tree:
    """A pointwise function; of two that commute in one order, ``a > b`` as ``b < a``, a choice between equals as that,
    ``max(x, 0)`` and ``logaddexp(0, x)`` by their names."""
    if name == "where" and arguments[1] == arguments[2]:
        return arguments[1]
    if name in TURNED:
        return ("call", TURNED[name], *reversed(arguments))
    if name == "maximum" and number(0) in arguments:
        other = next((a for a in arguments if a != number(0)), number(0))
        return ("call", "relu", other)
    if name == "logaddexp" and number(0) in arguments:
        return ("call", "softplus", next((a for a in arguments if a != number(0)), number(0)))
    ordered = sorted(arguments, key=repr) if name in COMMUTING else arguments
    return ("call", name, *ordered)


class X:
    """A tree with Python's operators, so that spellings are written as people write them."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def __add__(self, other: X | float) -> X:
        return X(add([(Fraction(1), self.tree), (Fraction(1), tree_of(other))]))

    __radd__ = __add__

    def __mul__(self, other: X | float) -> X:
        return X(multiply([self.tree, tree_of(other)]))

    __rmul__ = __mul__

    def __neg__(self) -> X:
        return self * -1

    def __sub__(self, other: X | float) -> X:
        return self + -1 * X(tree_of(other))

    def __truediv__(self, other: X | float) -> X:
        return self * X(power(tree_of(other), Fraction(-1)))

    def __rtruediv__(self, other: float) -> X:
        return X(tree_of(other)) / self


def tree_of(value: X | float) -> Tree:
    """The tree of a formula or a number."""
    return value.tree if isinstance(value, X) else number(Fraction(value))


def f(name: str, *arguments: X | float) -> X:
    """A pointwise function of formulas."""
    return X(call(name, [tree_of(a) for a in arguments]))


class Spelling(NamedTuple):
    """A function, and one way to write it."""

    function: str
    formula: Callable[[X], X]


SPELLINGS = (
    Spelling("sigmoid", lambda x: 1 / (1 + f("exp", -x))),
    Spelling("sigmoid", lambda x: f("exp", x) / (1 + f("exp", x))),
    Spelling("sigmoid", lambda x: 0.5 * (1 + f("tanh", 0.5 * x))),
    Spelling("sigmoid", lambda x: f("exp", f("minimum", x, 0)) / (1 + f("exp", f("minimum", x, -x)))),
    Spelling("sigmoid", lambda x: f("exp", f("minimum", x, 0)) / (1 + f("exp", -f("abs", x)))),
    Spelling("sigmoid", lambda x: f("exp", -f("logaddexp", 0, -x))),
    Spelling("sigmoid", lambda x: f("sigmoid", x)),
    Spelling("tanh", lambda x: (f("exp", x) - f("exp", -x)) / (f("exp", x) + f("exp", -x))),
    Spelling("tanh", lambda x: (f("exp", 2 * x) - 1) / (f("exp", 2 * x) + 1)),
    Spelling("tanh", lambda x: 2 * f("sigmoid", 2 * x) - 1),
    Spelling("tanh", lambda x: 2 / (1 + f("exp", -2 * x)) - 1),
    Spelling("tanh", lambda x: f("sinh", x) / f("cosh", x)),
    Spelling("relu", lambda x: f("relu", x)),
    Spelling("relu", lambda x: x * f("greater", x, 0)),
    Spelling("relu", lambda x: f("where", f("greater", x, 0), x, 0)),
    Spelling("relu", lambda x: f("where", f("greater_equal", x, 0), x, 0)),
    Spelling("relu", lambda x: f("where", f("less", x, 0), 0, x)),
    Spelling("relu", lambda x: f("where", f("less_equal", x, 0), 0, x)),
    Spelling("softplus", lambda x: f("log", 1 + f("exp", x))),
    Spelling("softplus", lambda x: f("log1p", f("exp", x))),
    Spelling("softplus", lambda x: f("logaddexp", 0, x)),
    Spelling("softplus", lambda x: f("relu", x) + f("log1p", f("exp", -f("abs", x)))),
)


def function_of(tree: Tree, leaf: Tree) -> str:
    """The function of ``leaf`` that a tree spells; empty if it is none."""
    return TEMPLATES.get(renamed(tree, leaf), "")


ARGUMENT: Tree = ("leaf", "x")
TEMPLATES: Mapping[Tree, str] = {s.formula(X(ARGUMENT)).tree: s.function for s in SPELLINGS}


def renamed(tree: Tree, leaf: Tree) -> Tree:
    """The tree with ``x`` for one leaf."""
    if tree == leaf:
        return ARGUMENT
    match tree[0]:
        case "sum" | "product":
            return (tree[0], frozenset((renamed(part, leaf), value) for part, value in tree[1]))
        case "call":
            arguments = [renamed(argument, leaf) for argument in tree[2:]]
            ordered = sorted(arguments, key=repr) if tree[1] in COMMUTING else arguments
            return ("call", tree[1], *ordered)
    return tree
