"""Statements in their blocks: what they read and bind, and what is around them.

Syntax trees go in; names, statements and positions come out. Nothing is run.
"""

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache

from einbackprop.core.source import root_of
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, is_same, names_in

LOOPS = (ast.For, ast.While)
NESTED = (*LOOPS, ast.If, ast.With, ast.Try, ast.ExceptHandler)
BLOCKS = ("body", "orelse", "finalbody", "handlers")
COMPARING = frozenset((
    "argmax", "argmin", "argsort", "argpartition", "sign", "greater", "less", "equal", "not_equal", "greater_equal",
    "less_equal", "isclose", "floor", "ceil", "round", "searchsorted", "digitize", "heaviside", "nonzero",
))  # fmt: skip
"""Functions of NumPy's, and methods, whose values do not move where what they are given moves a little."""


def statement_at(tree: ast.stmt, line: int) -> ast.stmt | None:
    """The innermost statement on a line."""
    under = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)
             and node.lineno <= line <= (node.end_lineno or node.lineno)]  # fmt: skip
    return min(under, key=lambda node: (node.end_lineno or node.lineno) - node.lineno, default=None)


def read_by(statement: ast.stmt) -> Iterator[ast.expr]:
    """The names, attributes and entries that a statement reads, without those of the statements in it."""
    own = [part for field, value in ast.iter_fields(statement) if field not in BLOCKS
           for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST)]  # fmt: skip
    found = [node for part in own for node in ast.walk(part) if isinstance(node, OPERANDS)]
    updated = statement.target if isinstance(statement, ast.AugAssign) else None
    kept = [node for node in found if isinstance(node.ctx, ast.Load) or node is updated]
    yield from {ast.unparse(node): node for node in kept}.values()


def targets_of(statement: ast.AST) -> list[ast.expr]:
    """What a statement binds or adds to."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target for target in targets if target is not None]


@lru_cache(maxsize=64)
def compared_in(tree: ast.AST) -> frozenset[str]:
    """The names, attributes and entries that are compared in a piece of code, and those that they are made of: in
    ``top = x.max(); mask = x == top`` that is ``x`` and ``top``."""
    steps = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)
             or (isinstance(node, ast.Call) and getattr(node.func, "attr", "") in COMPARING)]  # fmt: skip
    found = {ast.unparse(part) for step in steps for part in ast.walk(step) if isinstance(part, OPERANDS)}
    binding = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AugAssign)]
    before: set[str] = set()
    while before != found:
        before = set(found)
        makers = (one for one in binding if not found.isdisjoint(map(ast.unparse, targets_of(one))))
        found = found.union(*({ast.unparse(part) for part in read_by(one)} for one in makers))
    return frozenset(found)


def function_of(tree: ast.stmt, statement: ast.stmt) -> ast.AST | None:
    """The innermost function that a statement stands in."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return next((node for node in reversed(functions) if any(part is statement for part in ast.walk(node))), None)


def blocks_of(tree: ast.stmt, statement: ast.AST) -> list[tuple[list[ast.stmt], int]]:
    """The blocks that a statement is in, within its function, and where in each: the innermost first."""
    for node in ast.walk(tree):
        for block in (getattr(node, name, None) for name in BLOCKS):
            at = next((n for n, own in enumerate(block) if own is statement), -1) if isinstance(block, list) else -1
            if at >= 0:
                return [(block, at), *(blocks_of(tree, node) if isinstance(node, NESTED) else ())]
    return []


def until_read(statements: Sequence[ast.stmt], name: str) -> list[ast.stmt]:
    """The first of some statements, up to one that reads an array to make something else."""
    found: list[ast.stmt] = []
    for statement in statements:
        found.append(statement)
        is_read = any(ast.unparse(node) == name for node in read_by(statement))
        if is_read and name not in bound_by(statement):
            break
    return found


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, or whose arrays, objects and entries it may change."""
    found = set[str]()
    for node in ast.walk(statement):
        if isinstance(node, OPERANDS) and isinstance(node.ctx, ast.Store):
            found.add(root_of(ast.unparse(node)))
        elif isinstance(node, ast.Expr):
            found |= names_in(node.value)
    return found


def indices_in(function: ast.AST, target: ast.expr) -> list[ast.expr]:
    """What stands in brackets in a function, that of one array first."""
    spelled = [node for node in ast.walk(function) if isinstance(node, ast.Subscript)]
    own = [node for node in spelled if is_same(node.value, target)]
    return list({ast.unparse(node.slice): node.slice for node in (*own, *spelled)}.values())
