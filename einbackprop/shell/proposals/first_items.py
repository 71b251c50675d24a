"""The first item of what a loop goes through: an expression goes in, and one of its first item comes out, as somebody
would write it: ``data[0]`` of ``[data[k:k + 10] for k in range(0, len(data), 10)][0]``.
"""

from __future__ import annotations

import ast

from einbackprop.core.source import parse_python, substituted

INDEXED = frozenset(("list", "tuple", "ndarray"))
"""The types of what has its first item at 0."""


def first_item(text: str, kind: str) -> str:
    """An expression for the first item of another one.

    Parameters
    ----------
    text
    kind
        The name of the type of its value.

    Examples
    --------
    >>> first_item("[data[k:k + 10] for k in range(0, len(data), 10)]", "list")
    'data[0:0 + 10]'
    >>> first_item("data[0:0 + 10]", "list"), first_item("zip(X, Y)", "zip"), first_item("batches", "generator")
    ('data[0]', '(next(iter(X)), next(iter(Y)))', 'next(iter(batches))')
    """
    node = parse_python(text, "eval").body
    found = _first(node)
    if found is None and kind in INDEXED:
        found = ast.Subscript(node, ast.Constant(0), ast.Load())
    return ast.unparse(found or _drawn(node))


def part_of(text: str, place: str) -> str:
    """A part of an expression, of a display the part as it stands there.

    >>> part_of("(x, data[0])", "[1]"), part_of("pair", "[1]"), part_of("(x, y)", "")
    ('data[0]', 'pair[1]', '(x, y)')
    """
    node = parse_python(text, "eval").body
    steps = parse_python(f"_{place}", "eval").body
    indices = []
    while isinstance(steps, ast.Subscript):
        indices.append(steps.slice)
        steps = steps.value
    for index in reversed(indices):
        if isinstance(node, ast.Tuple | ast.List) and isinstance(index, ast.Constant):
            node = node.elts[int(str(index.value))]
        else:
            node = ast.Subscript(node, index, ast.Load())
    return ast.unparse(node)


def _first(node: ast.expr) -> ast.expr | None:
    """The first item of an expression whose form tells it."""
    match node:
        case ast.Tuple([first, *_]) | ast.List([first, *_]) if not isinstance(first, ast.Starred):
            return first
        case ast.ListComp(made, [ast.comprehension(ast.Name(name), over, [])]):
            found: ast.expr = substituted(made, {name: _first(over) or _drawn(over)})
            return found
        case ast.Subscript(inner, ast.Slice(lower, _, None)) if lower is None or isinstance(lower, ast.Constant):
            return ast.Subscript(inner, lower or ast.Constant(0), ast.Load())
        case ast.Call(ast.Name("range"), [_], []):
            return ast.Constant(0)
        case ast.Call(ast.Name("range"), [first, *_], []):
            return first
        case ast.Call(ast.Name("zip"), [_, *_] as several, []):
            return ast.Tuple([_first(one) or _drawn(one) for one in several], ast.Load())
        case ast.Call(ast.Name("enumerate"), [over], []):
            return ast.Tuple([ast.Constant(0), _first(over) or _drawn(over)], ast.Load())
    return None


def _drawn(node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("next"), [ast.Call(ast.Name("iter"), [node], [])], [])
