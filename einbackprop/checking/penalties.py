"""Terms of gradients that the loss of a check has not: a mistake, or a penalty of a loss that nobody wrote."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..core.source import copied_tree
from .texts import code_of
from .verdicts import Finding, Line

PENALTY = re.compile(
    r"reg(?:ular|_|\b)|lambda(?!\s*\w*:)|\blam(?:_\w+)?\b|lmbda|decay|\bl[12]\b|penal|ridge|lasso", re.IGNORECASE)
"""What says that a loss has a term for the size of its weights."""
ASSIGNMENTS = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return


def penalties_among(findings: Sequence[Finding], lines: Sequence[Line]) -> Mapping[Finding, str]:
    """The mistakes that are repaired by leaving out what is called a penalty, each with that."""
    terms = {item: left_out(code_of(item, lines), item.write or "") for item in findings if item.line is not None}
    return {item: term for item, term in terms.items() if PENALTY.search(term)}


def in_doubt(item: Finding, term: str) -> Finding:
    """What is said of such a term where nobody knows what the loss is."""
    said = f"the assumed loss has no term of which {term} is the derivative: if yours has, this is no mistake"
    return replace(item, message=said, write=None, yours=None, expected=None, yours_markup=(), expected_markup=())


def leaves_out(code: str, write: str) -> bool:
    """Whether a line to write is a line of code with nothing but a term left out."""
    return bool(left_out(code, write))


def left_out(code: str, write: str) -> str:
    """The term, if any, without which a line of code is a line to write.

    >>> left_out("dW = x.T @ d + lam * W", "dW = x.T @ d"), left_out("dW += lam * W", "pass")
    ('lam * W', 'dW += lam * W')
    >>> left_out("W += rate * (e * x - lam * W)", "W += rate * (e * x)")
    'lam * W'
    >>> left_out("dW = x.T @ d + 2 * lam * W", "dW = x.T @ d + lam * W")
    ''
    """
    try:
        old, new = (ast.parse(text.strip()).body for text in (code, write))
    except SyntaxError:
        return ""
    if not old or not new or isinstance(new[0], ast.Pass):
        return code.strip() if old and new else ""
    every = shorter(old[0]) if isinstance(old[0], ASSIGNMENTS) else ()
    return next((term for term, one in every if ast.dump(one) == ast.dump(new[0])), "")


def shorter(statement: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """Each term of a sum that stands in the statement, with the statement without it."""
    for place, node in enumerate(ast.walk(statement)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            for side in ("left", "right")[: 1 + isinstance(node.op, ast.Add)]:
                made: ast.stmt = copied_tree(statement)
                term = next(itertools.islice(ast.walk(made), place, None))
                kept, gone = getattr(term, side), getattr(term, "right" if side == "left" else "left")
                term.__class__, term.__dict__ = kept.__class__, kept.__dict__
                yield ast.unparse(gone), made
