"""Updates of weights: a statement goes in, the gradient by which it changes them comes out."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass

RATE = re.compile(r"lr|alpha|eta|learn(?:ing)?_?rate|lrate|rate|step_?size|epsilon|gamma")
"""What people call the factor of an update."""
GRADIENT = re.compile(r"delta|grad|^d[A-Z_]|^d[a-z]\d?$|adjust|nabla")
"""What people call gradients in an update without a rate."""


@dataclass(frozen=True)
class Gradient:
    """What there is a gradient of, as the code writes it (``W1``, ``self.w``), and the gradient: an expression, and the
    update that it stands in where it has no name of its own.
    """

    of: str
    text: str
    update: ast.stmt | None = None

    @property
    def name(self) -> str:
        """Its own name, or one that is made of what it is the gradient of."""
        return self.text if self.text.isidentifier() else "d_" + re.sub(r"\W+", "_", self.of).strip("_")


def update_of(statement: ast.stmt) -> Gradient | None:
    """The gradient by which a statement updates: ``dW`` of ``W -= lr * dW`` or ``W = W - lr * dW``."""
    target: ast.expr
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Sub | ast.Add):
        target, change, minus = statement.target, statement.value, isinstance(statement.op, ast.Sub)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(
            statement.value, ast.BinOp) and isinstance(statement.value.op, ast.Sub) and (
            ast.unparse(statement.value.left) == ast.unparse(statement.targets[0])):
        target, change, minus = statement.targets[0], statement.value.right, True
    else:
        return None
    factors = factors_of(change)
    if factors is None:
        return None
    sign, nodes = factors
    rest = [node for node in nodes if not is_rate(node)]
    if len(rest) == len(nodes) == 2 and all(isinstance(node, ast.Name | ast.Attribute) for node in rest):
        gradients: list[ast.expr] = [node for node in rest if isinstance(node, ast.Name | ast.Attribute)
                                     and GRADIENT.search(named(node))]  # fmt: skip
        rest = gradients if len(gradients) == 1 else rest  # whatever the rate is called
    names = [named(node) for node in ast.walk(change) if isinstance(node, ast.Name | ast.Attribute)]
    if not rest or (len(rest) == len(nodes) and not any(map(GRADIENT.search, names))):
        return None  # a counter, or what is no update
    product = functools.reduce(lambda a, b: ast.BinOp(a, ast.Mult(), b), rest)
    text = ast.unparse(product)
    return Gradient(ast.unparse(target), text if (sign > 0) == minus else f"-({text})", statement)


def factors_of(node: ast.expr) -> tuple[int, list[ast.expr]] | None:
    """The sign and the factors of a product: ``-lr * dW`` is -1 and ``[lr, dW]``; None of a quotient by an array."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = factors_of(node.operand)
        return inner and (-inner[0], inner[1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = factors_of(node.left), factors_of(node.right)
        return left and right and (left[0] * right[0], [*left[1], *right[1]])
    is_quotient = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    if is_quotient and not isinstance(getattr(node, "right", None), ast.Constant | ast.Name):
        return None  # as in Adagrad
    return 1, [node]


def named(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def is_rate(node: ast.expr) -> bool:
    """Whether a factor is a learning rate: a number, or what is called one."""
    if isinstance(node, ast.Name | ast.Attribute):
        return RATE.fullmatch(named(node)) is not None
    return isinstance(node, ast.Constant) and isinstance(node.value, float)
