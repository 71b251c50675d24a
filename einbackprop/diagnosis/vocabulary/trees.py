"""Syntax trees of expressions: builders of nodes, and structural numbers by which equal trees are found.

Nothing here changes a node that was given. New trees share the parts that stay.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

from einbackprop.core.source import parse_python

OPERANDS = (ast.Name, ast.Attribute, ast.Subscript)
PRODUCTS = (ast.Mult, ast.Div, ast.MatMult)
SUMS = (ast.Add, ast.Sub)
SIGNS: Mapping[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**", ast.FloorDiv: "//",
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
OPERATORS: Mapping[str, ast.operator] = {
    "+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "/": ast.Div(), "@": ast.MatMult(), "**": ast.Pow(),
    "//": ast.FloorDiv(),
}  # fmt: skip


@lru_cache(maxsize=4096)
def parsed(text: str) -> ast.expr:
    """The tree of an expression. It is shared: do not change it."""
    return parse_python(text, mode="eval").body


def names_in(node: ast.AST) -> set[str]:
    """The names in a tree."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def binary(left: ast.expr, sign: str, right: ast.expr) -> ast.BinOp:
    """``left sign right``, as in ``binary(a, "*", b)``."""
    return ast.BinOp(left, OPERATORS[sign], right)


def call(function: ast.expr, arguments: Sequence[ast.expr], **keywords: ast.expr) -> ast.Call:
    """``function(arguments, keywords)``."""
    return ast.Call(function, list(arguments), [ast.keyword(name, value) for name, value in keywords.items()])


def attribute(node: ast.expr, name: str) -> ast.Attribute:
    """``node.name``."""
    return ast.Attribute(node, name, ast.Load())


def along(axis: int, index: ast.expr) -> ast.expr:
    """An index of one axis, with all of those before it.

    >>> [ast.unparse(subscript(parsed("x"), along(axis, number(0)))) for axis in (0, 1, 2)]
    ['x[0]', 'x[:, 0]', 'x[:, :, 0]']
    """
    return ast.Tuple([*[ast.Slice()] * axis, index], ast.Load()) if axis else index


def subscript(node: ast.expr, index: ast.expr) -> ast.Subscript:
    """``node[index]``."""
    return ast.Subscript(node, index, ast.Load())


def number(value: float) -> ast.expr:
    """A number as code: a negative one is a minus before a positive one."""
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def held_number(node: ast.AST | None) -> int | float | None:
    """The number that a node spells, with its sign; None where it is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = held_number(node.operand)
        return None if inner is None else -inner
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def is_minus(node: ast.AST) -> bool:
    """Whether a node is ``-x``."""
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def negated(node: ast.expr) -> ast.expr:
    """An expression with the other sign, as people write it: ``b - a`` for ``a - b``, ``-a * b`` for ``a * b``."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return ast.BinOp(node.right, node.op, node.left)
    if isinstance(node, ast.BinOp) and isinstance(node.op, PRODUCTS):
        return ast.BinOp(negated(node.left), node.op, node.right)
    return ast.UnaryOp(ast.USub(), node)


def flipped(node: ast.BinOp) -> ast.BinOp:
    """A sum or a difference with the sign of its last term changed."""
    return ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)


def multiplied(factor: ast.expr, node: ast.expr) -> ast.BinOp:
    """A product with one factor more in front, after its number: ``2 * reg * W`` for ``2 * W``, and for ``reg * W``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, PRODUCTS):
        return ast.BinOp(multiplied(factor, node.left), node.op, node.right)
    if held_number(node) is not None and held_number(factor) is None:
        return binary(node, "*", factor)
    return binary(factor, "*", node)


def items_of(node: ast.expr) -> list[ast.expr]:
    """The items of a tuple, as of an index or of what is returned; what is none, by itself."""
    return [*node.elts] if isinstance(node, ast.Tuple) else [node]


def swaps(items: Sequence[ast.expr]) -> Iterator[tuple[list[ast.expr], int]]:
    """Items with two of them in each other's place, and how far apart these are."""
    for one, two in combinations(range(len(items)), 2):
        changed = [*items]
        changed[one], changed[two] = changed[two], changed[one]
        yield changed, two - one


def assignment(target: ast.expr, value: ast.expr) -> ast.Assign:
    """``target = value``."""
    return ast.Assign([target], value, lineno=1)


def altered(node: Any, **fields: Any) -> Any:
    """A node of its own with the same parts, but for some fields."""
    result = node.__class__.__new__(node.__class__)  # copy.copy takes ten times as long
    result.__dict__.update(node.__dict__, **fields)
    return result


def exchanged(node: Any, chosen: Mapping[int, ast.AST]) -> Any:
    """A tree in which nodes, given by their ``id``, are others. The rest is shared."""
    if id(node) in chosen:
        return chosen[id(node)]
    if isinstance(node, list):
        items = [exchanged(item, chosen) for item in node]
        return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if not isinstance(node, ast.AST):
        return node
    changed = {name: exchanged(part, chosen) for name, part in ast.iter_fields(node)}
    return node if all(part is getattr(node, name) for name, part in changed.items()) else altered(node, **changed)


def written(node: ast.expr) -> Any:
    """What is read, as a target."""
    return with_context(node, ast.Store())


def with_context(node: Any, context: ast.expr_context) -> Any:
    """A target read instead of written to, or the other way round."""
    if isinstance(node, ast.Tuple | ast.List):
        return type(node)([with_context(item, context) for item in node.elts], context)
    return altered(node, ctx=context) if isinstance(node, OPERANDS) else node


class Numbering:
    """Numbers trees so that equal trees, and only those, have one number. It keeps the trees that it has seen."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._seen: dict[ast.AST, tuple[int, Counter[str]]] = {}

    def of(self, node: Any) -> tuple[int, Counter[str]]:
        """The number of a tree, and what is in it that nobody writes, each with how often: ``--x``, ``x * 1``."""
        if isinstance(node, ast.AST):
            found = self._seen.get(node)
            if found is None:
                parts = [self.of(getattr(node, name, None)) for name in node._fields]
                found = self._number((type(node), *[n for n, _ in parts])), together(parts, awkward(node))
                self._seen[node] = found
            return found
        if isinstance(node, list):
            parts = [self.of(item) for item in node]
            return self._number((list, *[n for n, _ in parts])), together(parts, "")
        return self._number((type(node), node)), NOTHING

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


NOTHING: Counter[str] = Counter()


def together(parts: Sequence[tuple[int, Counter[str]]], own: str) -> Counter[str]:
    """What nobody writes in any of several parts, and in what they are parts of."""
    odd = [some for _, some in parts if some]
    if own:
        odd.append(Counter([own]))
    return sum(odd, NOTHING) if odd else NOTHING


def awkward(node: ast.AST) -> str:
    """What nobody writes, or what changes nothing, if a node by itself is that; else empty."""
    if not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Attribute):
        return ""
    match node:
        case ast.UnaryOp(ast.USub(), operand):
            return "-" if is_minus(operand) or is_difference(operand) or held_number(operand) == 0 else ""
        case ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not())) | ast.UnaryOp(ast.Invert(), ast.UnaryOp(ast.Invert())):
            return "not not"
        case ast.Attribute(ast.Attribute(attr="T"), "T"):
            return ".T.T"
        case ast.BinOp(left, operator, right):
            one, two = held_number(left), held_number(right)
            if isinstance(operator, ast.Sub | ast.Div) and is_same(left, right):
                return "x - x"
            if isinstance(operator, PRODUCTS) and any(is_same(right, other) for other in opposed(left, operator)):
                return "x * y / y"
            match operator:
                case ast.Add() | ast.Sub():
                    odd = is_minus(right) or 0 in (one, two)
                case ast.Mult():
                    odd = is_negative(right) or one in (0, 1, -1) or two in (0, 1, -1)
                case ast.Div() | ast.MatMult():
                    odd = is_negative(right) or two in (0, 1, -1)
                case _:
                    odd = isinstance(operator, ast.Pow) and (one in (0, 1) or two in (0, 1))
            return f"{type(operator).__name__} {one} {two}" if odd else ""
    return ""


def opposed(node: ast.expr, operator: ast.operator) -> Iterator[ast.expr]:
    """What a product is already divided by, if it is multiplied further, or multiplied by, if it is divided."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        if type(node.op) is not type(operator):
            yield node.right
        node = node.left


def is_same(one: Any, two: Any) -> bool:
    """Whether two trees are equal."""
    if one is two:
        return True
    if type(one) is not type(two):
        return False
    if isinstance(one, ast.AST):
        return all(is_same(getattr(one, name, None), getattr(two, name, None)) for name in one._fields)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(is_same, one, two))
    return bool(one == two)


def is_odd(node: ast.expr, known: frozenset[ast.AST]) -> bool:
    """Whether there is something in a tree that nobody writes, apart from nodes that are known."""
    if isinstance(node, ast.Name | ast.Constant) or node in known:
        return False
    match node:
        case ast.BinOp(left, _, right):
            inner = [left, right]
        case ast.UnaryOp(_, operand):
            inner = [operand]
        case ast.Call(function, arguments):
            inner = [function, *arguments]
        case ast.Attribute(value) | ast.Subscript(value):
            inner = [value]
        case ast.Compare(left, _, others):
            inner = [left, *others]
        case _:
            inner = []
    return bool(awkward(node)) or any(is_odd(part, known) for part in inner)


def is_negative(node: ast.AST) -> bool:
    """Whether a node is ``-x``, where x is not a number."""
    return is_minus(node) and held_number(node) is None


def is_difference(node: ast.AST) -> bool:
    """Whether a node is ``a - b``, whose negative is written ``b - a``."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
