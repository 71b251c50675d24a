"""What a value is called where a line stands: a helper does not know its caller's names, but has its own."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from ..capture.statements import statements_of
from ..core.program import Source
from ..core.syntax import parse_python
from .aliases import code_of
from .judging import Judging

PASSED = " passed as "


def names_at(source: Source | None) -> frozenset[str]:
    """The names that a line can read: those of its function and of the module; none where that is not known."""
    return _names_at(source.file, source.line) if source is not None else frozenset()


@functools.lru_cache(maxsize=256)
def _names_at(file: str, line: int) -> frozenset[str]:
    try:
        tree = parse_python(statements_of(file).text)
    except SyntaxError:
        return frozenset()
    found = {name for name, _ in _bound(tree.body)}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _holds(function, line):
            found |= {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            loops = [n for n in ast.walk(function) if isinstance(n, ast.For | ast.While) and _holds(n, line)]
            last = max([line, *(n.end_lineno or 0 for n in loops)])
            bound = list(_bound(function.body))
            before = {name for name, at in bound if at < last}
            found = (found - {name for name, _ in bound if name not in before}) | before
    return frozenset(found)


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or 0)


def _bound(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The names that statements bind, and where; without those within functions and classes."""
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
                continue
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(name=name, asname=other):
                yield (other or name).split(".")[0], node.lineno
        stack += ast.iter_child_nodes(node)


def reads_known_names(statement: ast.AST, source: Source | None) -> bool:
    """Whether a statement that is proposed for a line reads only what there is there, or what it reads already."""
    known = names_at(source)
    try:
        old = {node.id for node in ast.walk(parse_python(source.code if source else "")) if isinstance(node, ast.Name)}
    except SyntaxError:
        old = set()
    return not known or {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} <= known | old


def called_there(judging: Judging, value: str, source: Source | None) -> str:
    """What a line calls a value whose name it does not know; empty if it has none for it."""
    known, values, sample = names_at(source), judging.now[0], judging.samples[0]
    if source is None or value not in values:
        return ""
    function = code_of(source.file).function_at(source.line)
    arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)} if function else set()
    for name, made in reversed(judging.made.items()):
        passed = name.partition(PASSED)[2].partition(" in line ")[0]
        called = passed if passed in arguments else judging.program.labels.get(name, "")
        is_near = bool(passed) or (made.source is not None and made.source.function == source.function)
        if is_near and called in known and name in values and sample.close(values[name], values[value]):
            return called
    inputs = (declared.ref.name for declared in judging.program.inputs)
    return next((n for n in inputs if n in known and sample.close(values[n], values[value])), "")
