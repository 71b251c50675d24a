"""Updates of weights: a statement goes in, the gradient by which it changes them comes out."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from ...core.records import dataclass

RATE = re.compile(
    r"lr|alpha|eta|learn(?:ing)?_?rate|lrate|rate|step_?size|epsilon|gamma|lern_?rate|schritt(?:_?weite)?|"
    r"(?:taxa|tasa|tasso|taux)(?:_\w+)?|pass?o|pas")
"""What people call the factor of an update."""
GRADIENT = re.compile(r"delta|grad|^d[A-Z_]|^d[a-z]\d?$|adjust|nabla")
"""What people call gradients in an update without a rate."""
NEW = frozenset({"n", "new", "next", "updated", "after", "neu", "nuevo", "nueva", "nouveau", "novo"})
"""What stands beside the name of weights in that of the same weights after an update."""


@dataclass(frozen=True)
class Gradient:
    """What there is a gradient of, as the code writes it (``W1``, ``self.w``), and the gradient: an expression, and the
    update that it stands in where it has no name of its own.
    """

    of: str
    text: str
    update: ast.stmt | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the update binds another name: ``new_W = W - lr * dW``."""
        return isinstance(self.update, ast.Assign) and ast.unparse(self.update.targets[0]) != self.of

    @property
    def name(self) -> str:
        """Its own name, or one that is made of what it is the gradient of."""
        return self.text if self.text.isidentifier() else "d_" + re.sub(r"\W+", "_", self.of).strip("_")


def updates_in(body: Sequence[ast.stmt]) -> list[tuple[ast.stmt, Gradient | None]]:
    """The updates among some statements; with momentum, ``v = 0.9 * v - lr * dW`` above ``W += v``, both, and the
    gradient is that of the second.
    """
    momenta = dict(filter(None, map(momentum_of, body)))
    found = {id(item): update_of(item, momenta) for item in body}
    read = {ast.unparse(node) for item in body if found[id(item)] for node in ast.walk(item)
            if isinstance(node, ast.expr)}  # fmt: skip
    return [(item, found[id(item)]) for item in body
            if found[id(item)] or ((made := momentum_of(item)) and made[0] in read)]  # fmt: skip


def momentum_of(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """What a statement goes on adding up, and what it adds: ``v`` and ``-lr * dW`` of ``v = 0.9 * v - lr * dW``."""
    value = statement.value if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add | ast.Sub):
        return None
    assert isinstance(statement, ast.Assign)
    held = ast.unparse(statement.targets[0])
    before = factors_of(value.left)
    if before is None or len(before[1]) != 2 or held not in map(ast.unparse, before[1]):
        return None
    return held, value.right if isinstance(value.op, ast.Add) else ast.UnaryOp(ast.USub(), value.right)


def update_of(
    statement: ast.stmt, momenta: Mapping[str, ast.expr] | None = None, numbers: Collection[str] = ()
) -> Gradient | None:
    """The gradient by which a statement updates: ``dW`` of ``W -= lr * dW``, ``W = W - lr * dW`` or
    ``new_W = W - lr * dW``.

    ``momenta`` are what `momentum_of` gives of the statements around it, by name. What ``numbers`` name is a rate too,
    whatever it is called, where a product with it is taken from something else.
    """
    target: ast.expr
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Sub | ast.Add):
        target, change, minus = statement.target, statement.value, isinstance(statement.op, ast.Sub)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(
            statement.value, ast.BinOp) and isinstance(statement.value.op, ast.Sub) and is_updated(
            ast.unparse(statement.targets[0]), ast.unparse(statement.value.left)):
        target, change, minus = statement.value.left, statement.value.right, True
    else:
        return None
    factors = factors_of(change)
    if factors is None:
        return None
    sign, nodes = factors
    if is_gradient(target) and not (minus and any(is_rate(node) and not isinstance(node, ast.Constant)
                                                  for node in nodes)):  # fmt: skip
        return None  # gradients add up, ``dx += dr``
    held = next((node for node in nodes if ast.unparse(node) in (momenta or {})), None)
    inner = factors_of(momenta[ast.unparse(held)]) if momenta and held is not None else None
    if inner is not None:
        sign *= inner[0]
        rest = [node for node in (*nodes, *inner[1])
                if node is not held and not is_rate(node) and not is_rest_of_one(node)]  # fmt: skip
        if len(rest) != 1:
            return None  # what of it is a rate is not known
    else:
        rest = gradients_among(nodes, change)
        by_number = [node for node in nodes if ast.unparse(node) not in numbers]
        if not rest and minus and len(by_number) < len(nodes) and ast.unparse(target) not in map(
                ast.unparse, by_number):  # weights that decay are no gradient
            rest = by_number
    if not rest:
        return None
    product = functools.reduce(lambda a, b: ast.BinOp(a, ast.Mult(), b), rest)
    text = ast.unparse(product)
    return Gradient(ast.unparse(target), text if (sign > 0) == minus else f"-({text})", statement)


def numbers_in(statements: Iterable[ast.stmt]) -> set[str]:
    """The names that assignments give numbers of floating point, and no values of another kind.

    >>> sorted(numbers_in(ast.parse("a, b = 0.1, 2.0; c = 0.1; c = x; d[i] = 0.5").body))
    ['a', 'b']
    """
    found: dict[str, bool] = {}
    for statement in statements:
        if not isinstance(statement, ast.Assign):
            continue
        value = statement.value
        for target in statement.targets:
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            for one, given in pairs:
                is_number = isinstance(given, ast.Constant) and type(given.value) is float
                for node in ast.walk(one):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        found[node.id] = found.get(node.id, True) and is_number
    return {name for name, is_number in found.items() if is_number}


def is_updated(new: str, old: str) -> bool:
    """Whether a name is that of the same weights after an update.

    >>> is_updated("W", "W"), is_updated("new_W", "W"), is_updated("w1_n", "w1"), is_updated("error", "target")
    (True, True, True, False)
    """
    return new == old or (old.isidentifier() and old in new and new.replace(old, "", 1).strip("_").lower() in NEW)


def is_gradient(target: ast.expr) -> bool:
    """Whether what is assigned to is called a gradient, or is part of what is: ``dx``, ``self.grads["W"]``.

    >>> [is_gradient(ast.parse(text, mode="eval").body) for text in ("dx", "grads['W']", "layer.dW", "W", "data[d]")]
    [True, True, True, False, False]
    """
    while isinstance(target, ast.Subscript):
        if isinstance(target.slice, ast.Constant) and GRADIENT.search(str(target.slice.value)):
            return True
        target = target.value
    return isinstance(target, ast.Name | ast.Attribute) and GRADIENT.search(named(target)) is not None


def gradients_among(nodes: Sequence[ast.expr], change: ast.expr) -> list[ast.expr]:
    """The factors of a change that are no rate; none where it is that of a counter, or of what is no update."""
    rest = [node for node in nodes if not is_rate(node)]
    if len(rest) == len(nodes) == 2 and all(isinstance(node, ast.Name | ast.Attribute) for node in rest):
        gradients: list[ast.expr] = [node for node in rest if isinstance(node, ast.Name | ast.Attribute)
                                     and GRADIENT.search(named(node))]  # fmt: skip
        rest = gradients if len(gradients) == 1 else rest  # whatever the rate is called
    names = [named(node) for node in ast.walk(change) if isinstance(node, ast.Name | ast.Attribute)]
    return rest if len(rest) < len(nodes) or any(map(GRADIENT.search, names)) else []


def factors_of(node: ast.expr) -> tuple[int, list[ast.expr]] | None:
    """The sign and the factors of a product: ``-lr * dW`` is -1 and ``[lr, dW]``, and so with a product of matrices in
    its place; None of a quotient by an array.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = factors_of(node.operand)
        return inner and (-inner[0], inner[1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = factors_of(node.left), factors_of(node.right)
        return left and right and (left[0] * right[0], [*left[1], *right[1]])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) and (left := factors_of(node.left)):
        rates = [one for one in left[1] if is_rate(one)]  # lr * x.T @ d is (lr * x.T) @ d
        rest = [one for one in left[1] if one not in rates]
        if rates and rest:
            product = functools.reduce(lambda a, b: ast.BinOp(a, ast.Mult(), b), rest)
            return left[0], [*rates, ast.BinOp(product, ast.MatMult(), node.right)]
    is_quotient = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    if is_quotient and not isinstance(getattr(node, "right", None), ast.Constant | ast.Name):
        return None  # as in Adagrad
    return 1, [node]


def named(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def decays(nodes: Iterable[ast.AST]) -> bool:
    """Whether weights decay among some code: ``(1 - rate * lam) * w``, or ``w -= rate * (dw + lam * w)``."""
    def words(node: ast.AST) -> list[str]:
        return [named(one) for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute)]

    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            for side in (node.left, node.right):
                if isinstance(side, ast.BinOp) and is_rest_of_one(side) and any(map(RATE.fullmatch, words(side))):
                    return True
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub) and isinstance(
                node.target, ast.Name | ast.Attribute) and named(node.target) in words(node.value) and any(
                map(RATE.fullmatch, words(node.value))):
            return True
    return False


def descends(statements: Iterable[ast.stmt]) -> bool:
    """Whether what a rate stands in is only taken from something in some statements, and never added to it."""
    found = set[type[ast.operator]]()
    for node in (node for item in statements for node in ast.walk(item)):
        change = node.right if isinstance(node, ast.BinOp) else node.value if isinstance(node, ast.AugAssign) else None
        names = ast.walk(change) if isinstance(change, ast.BinOp | ast.UnaryOp) else ()
        if isinstance(node, ast.BinOp | ast.AugAssign) and any(
                is_rate(name) for name in names if isinstance(name, ast.Name | ast.Attribute)):
            found.add(type(node.op))
    return ast.Sub in found and ast.Add not in found


def is_rest_of_one(node: ast.expr) -> bool:
    """Whether it is ``1 - beta``, which stands beside ``beta`` in an average that goes on."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and (
        isinstance(node.left, ast.Constant) and node.left.value == 1)


def is_rate(node: ast.expr) -> bool:
    """Whether a factor is a learning rate: a number, or what is called one."""
    if isinstance(node, ast.Name | ast.Attribute):
        return RATE.fullmatch(named(node)) is not None
    return isinstance(node, ast.Constant) and isinstance(node.value, float)
