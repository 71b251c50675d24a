"""The statements of the user's source text, by line: their code, and which names they give."""

from __future__ import annotations

import ast
import functools
import linecache
from dataclasses import dataclass

from einbackprop.core.syntax import parse_python


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement binds: a name, an attribute, or an entry of ``base``; ``label`` is what a person calls it."""

    node: ast.expr
    label: str
    base: ast.expr | None = None
    key: ast.expr | None = None


def targets_of(node: ast.stmt | None) -> list[Target]:
    """The targets of an assignment or a loop, those of a tuple one by one."""
    match node:
        case ast.Assign(targets=targets):
            found = list(targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            found = [target]
        case _:
            return []
    made: list[Target] = []
    for target in found:
        made += _single(target)
    return made


def _single(target: ast.expr) -> list[Target]:
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [single for part in parts for single in _single(part)]
        case ast.Starred(value=value):
            return _single(value)
        case ast.Name(id=name):
            return [Target(target, name)]
        case ast.Attribute(attr=name):
            return [Target(target, name)]
        case ast.Subscript(value=base, slice=key):
            return [Target(target, ast.unparse(base).split(".")[-1], base, key)]
    return []


class Statements:
    """The statements of one source text, by line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.splitlines()
        self._codes: dict[int, str] = {}
        self._targets: dict[ast.stmt, list[Target]] = {}
        self._by_line: dict[int, ast.stmt] = {}
        try:
            tree = parse_python(text)
        except SyntaxError:  # no source to be had, such as a line typed at a prompt
            return
        self._add(tree.body)

    def _add(self, body: list[ast.stmt]) -> None:
        for node in body:
            inner = [getattr(node, field, None) for field in ("body", "orelse", "finalbody", "handlers", "cases")]
            blocks = [block for block in inner if isinstance(block, list)]
            starts = [first_line(block[0]) for block in blocks if block]
            stop = max(node.lineno + 1, min(starts)) if starts else (node.end_lineno or node.lineno) + 1
            self._by_line |= dict.fromkeys(range(first_line(node), stop), node)
            for block in blocks:
                for item in block:
                    self._add([item] if isinstance(item, ast.stmt) else item.body)

    def at(self, line: int) -> ast.stmt | None:
        """The statement that stands on a line."""
        return self._by_line.get(line)

    def targets(self, node: ast.stmt) -> list[Target]:
        """What a statement binds."""
        if node not in self._targets:
            self._targets[node] = targets_of(node)
        return self._targets[node]

    def is_one_return(self, line: int) -> bool:
        """Whether the function that starts on a line is nothing but one ``return``."""
        node = self._by_line.get(line)
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
            return len(body) == 1 and isinstance(body[0], ast.Return)
        return False

    def code(self, line: int) -> str:
        """The statement on one line, without its comments."""
        if line not in self._codes:
            self._codes[line] = self._code(line)
        return self._codes[line]

    def _code(self, line: int) -> str:
        node = self._by_line.get(line)
        if node is None:
            return self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""
        if hasattr(node, "body"):
            return ast.unparse(node).splitlines()[0]
        if node.end_lineno == node.lineno:
            encoded = self._lines[node.lineno - 1].encode()  # columns count bytes
            return encoded[node.col_offset : node.end_col_offset].decode()
        return ast.unparse(node)


def first_line(node: ast.AST) -> int:
    """The line on which a statement starts, its decorators left out."""
    return int(getattr(node.pattern if isinstance(node, ast.match_case) else node, "lineno", 0))


@functools.lru_cache(maxsize=256)
def _parsed(file: str, text: str) -> Statements:
    return Statements(text)


def statements_of(file: str) -> Statements:
    """The statements of a file as it stands now, parsed once for each state of it."""
    linecache.checkcache(file)
    return _parsed(file, "".join(linecache.getlines(file)))
