"""The user's source text: its syntax tree, its statements with their code and places, and how its expressions spell
values.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import linecache
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from types import CodeType
from typing import Any, Literal, NamedTuple, overload

from .records import dataclass
from .scoped import scoped, unwarned

ONE_AT_A_TIME = threading.RLock()


@overload
def parse_python(text: str) -> ast.Module: ...


@overload
def parse_python(text: str, mode: Literal["eval"]) -> ast.Expression: ...


@overload
def parse_python(text: str, mode: Literal["exec", "eval"]) -> ast.AST: ...


def parse_python(text: str, mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """The syntax tree of some source, as ``ast.parse`` gives it.

    CPython counts the depth of a tree for all threads together: two that parse at once may fail with a SystemError.

    Raises
    ------
    SyntaxError
    """
    with ONE_AT_A_TIME:
        return ast.parse(text, mode=mode)


def compile_tree(
    tree: ast.Module | ast.Expression, file: str, mode: Literal["exec", "eval"], flags: int = 0
) -> CodeType:  # fmt: skip
    """The code of a syntax tree. Python warns of nothing in it: that was told of what the user wrote, where it was
    compiled first, and of an edit, ``3 is None``, nobody wrote it.
    """
    with ONE_AT_A_TIME, unwarned():
        made: CodeType = compile(tree, file, mode, flags, dont_inherit=True)
    return made


def nodes_of(code: str) -> list[ast.AST] | None:
    """The nodes of a statement, of a compound one those of its first line; None of what is none by itself (``else:``).
    """
    try:
        return list(ast.walk(parse_python(f"{code} pass" if code.rstrip().endswith(":") else code)))
    except SyntaxError:
        return None


def copied_tree(node: Any, own: dict[int, ast.AST] | None = None) -> Any:
    """A copy of a tree; ``own`` gets what each node of it is a copy of, by its identity."""
    if isinstance(node, list):
        return [copied_tree(item, own) for item in node]
    if not isinstance(node, ast.AST):
        return node
    made = node.__class__.__new__(node.__class__)  # copy.deepcopy takes ten times as long
    made.__dict__.update({name: copied_tree(part, own) for name, part in node.__dict__.items()})
    if own is not None:
        own[id(made)] = node
    return made


OPERATORS = {
    ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/=", ast.MatMult: "@=", ast.Pow: "**=", ast.FloorDiv: "//=",
    ast.Mod: "%=", ast.BitAnd: "&=", ast.BitOr: "|=", ast.BitXor: "^=", ast.LShift: "<<=", ast.RShift: ">>=",
}  # fmt: skip


class Statements:
    """The statements of one source text.

    Attributes
    ----------
    text : str
    tree : ast.Module
        Empty where the text is no Python, as that of a line typed at a prompt.
    all : list of ast.stmt
        The statements, those inside others too. To go through them takes a tenth of the time of `ast.walk`.
    """

    def __init__(self, text: str) -> None:
        self.text, self.tree = text, ast.Module([], [])
        self.all: list[ast.stmt] = []
        self._lines = text.splitlines()
        self._by_line: dict[int, ast.stmt] = {}
        self._by_place: dict[tuple[int, int], ast.stmt] = {}
        self._helpers: set[int] = set()  # the lines of functions that are one return
        try:
            self.tree = parse_python(text)
        except (SyntaxError, ValueError):
            return
        self._add(self.tree.body)

    def _add(self, body: list[ast.stmt]) -> None:
        for node in body:
            self.all.append(node)
            self._by_place[node.lineno, node.col_offset] = node
            if is_one_return(node):
                self._helpers.add(node.lineno)
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

    def position(self, line: int) -> int | None:
        """Which of the statements of the module a line belongs to."""
        for n, node in enumerate(self.tree.body):
            decorators = [d.lineno for d in getattr(node, "decorator_list", ())]
            if min(decorators, default=node.lineno) <= line <= (node.end_lineno or node.lineno):
                return n
        return None

    def is_one_return(self, line: int) -> bool:
        """Whether the function that starts on a line is nothing but one ``return``."""
        return line in self._helpers

    def code(self, line: int) -> str:
        """The statement on one line, without its comments."""
        node = self._by_line.get(line)
        if node is None:
            return self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""
        return self.header(node)

    def header(self, node: Any) -> str:
        """A statement, or the first line of one with a body, on one line; the node may be of another tree of the
        text."""
        node = self._by_place.get((node.lineno, node.col_offset), node)
        return ast.unparse(node).splitlines()[0] if hasattr(node, "body") else self.segment(node)

    def segment(self, node: Any) -> str:
        """The text of a statement or an expression on one line."""
        first, last = node.lineno - 1, node.end_lineno - 1
        if first == last and self._lines[first].isascii():
            line: str = self._lines[first]
            return line[node.col_offset : node.end_col_offset]
        encoded = [line.encode() for line in self._lines[first : last + 1]]  # columns count bytes
        encoded[-1] = encoded[-1][: node.end_col_offset]
        encoded[0] = encoded[0][node.col_offset :]
        text = b"\n".join(encoded).decode()
        if first == last:
            return text
        if isinstance(node, ast.stmt):
            return ast.unparse(parse_python(text))
        return ast.unparse(parse_python(f"({text}\n)", "eval"))

    def stands_alone(self, statement: Any) -> bool:
        """Whether the lines of a statement hold nothing else: ``a = 1; b = 2`` is written as a whole."""
        if statement.end_lineno > len(self._lines):
            return False
        before, after = beside(self._lines, statement)
        return not (before.strip() or without_comment(after))

    @staticmethod
    def operator(node: ast.AugAssign) -> str:
        """The sign of an augmented assignment."""
        return OPERATORS[type(node.op)]


def beside(lines: Sequence[str], statement: Any) -> tuple[str, str]:
    """What stands before a statement on its first line, and after it on its last."""
    first, last = lines[statement.lineno - 1].encode(), lines[statement.end_lineno - 1].encode()  # columns count bytes
    return first[: statement.col_offset].decode(), last[statement.end_col_offset :].decode()


def without_comment(after: str) -> str:
    """What stands after a statement but for a comment."""
    return after.strip().partition("#")[0]


def replace_statements(lines: list[str], texts: Mapping[Any, str]) -> None:
    """Put texts of one line, or nothing, in the places of statements in lines; what stands on the same lines beside
    these stays, and every line keeps its number.

    >>> lines = ["a = 1; b = (2,", "  3); c = 4", "d = 5  # five"]
    >>> _, b, _, d = ast.parse("\\n".join(lines)).body
    >>> replace_statements(lines, {b: "", d: ""})
    >>> lines
    ['a = 1; pass; c = 4', '', '']
    """
    last_first = sorted(texts.items(), key=lambda one: (one[0].lineno, one[0].col_offset), reverse=True)
    for statement, text in last_first:  # so that the columns of those before it still hold
        before, after = beside(lines, statement)
        if before.strip() or without_comment(after):
            made = f"{before}{text or 'pass'}{after}"
        else:
            made = f"{before}{text}" if text else ""
        lines[statement.lineno - 1 : statement.end_lineno] = [made, *[""] * (statement.end_lineno - statement.lineno)]


def is_one_return(node: ast.stmt) -> bool:
    """Whether a statement defines a function that is nothing but one ``return``."""
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return False
    body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return len(body) == 1 and isinstance(body[0], ast.Return)


def root_of(text: str) -> str:
    """The name that an expression of names, attributes and entries begins with.

    >>> root_of("net.layers[0].W"), root_of("dx[i]")
    ('net', 'dx')
    """
    return re.split(r"[.\[]", text, maxsplit=1)[0]


def first_line(node: ast.AST) -> int:
    """The line on which a statement starts, its decorators left out."""
    return int(getattr(node.pattern if isinstance(node, ast.match_case) else node, "lineno", 0))


@functools.lru_cache(maxsize=256)
def statements_of_text(text: str) -> Statements:
    """The statements of a text, parsed once."""
    return Statements(text)


READ: ContextVar[dict[str, Statements] | None] = ContextVar("READ", default=None)
"""The statements of files that were read since a check began: it does not ask the disk again whether they changed."""
EDITED: ContextVar[Mapping[str, str] | None] = ContextVar("EDITED", default=None)
"""The texts that stand for those of files, while code with edits is read."""


@contextlib.contextmanager
def edited(texts: Mapping[str, str]) -> Iterator[None]:
    """Take other texts for those of files."""
    with scoped(EDITED, texts):
        yield


def statements_of(file: str) -> Statements:
    """The statements of a file as it stands now, parsed once for each state of it."""
    texts = EDITED.get()
    if texts is not None and file in texts:
        return statements_of_text(texts[file])
    read = READ.get()
    if read is not None and file in read:
        return read[file]
    linecache.checkcache(file)
    found = statements_of_text("".join(linecache.getlines(file)))
    if read is not None:
        read[file] = found
    return found


class Cell(NamedTuple):
    """A code cell of a notebook that is run as a file: the notebook's path, and the cell's number, from 1."""

    notebook: str
    number: int


CELLS: dict[str, Cell] = {}
"""The cells of notebooks that are run as files, by the file names of their code."""


ADDED: dict[str, frozenset[int]] = {}
"""Lines that stand for nothing of the user's, by file: those added to a text that is run in a file's place."""


def names_of(files: Iterable[str]) -> dict[str, str]:
    """What files are called: cells as a notebook calls them, others by the shortest ends of their paths that tell them
    apart.
    """
    cells = {file: cell_of(file) for file in files}
    parts = {file: file.replace(os.sep, "/").split("/") for file, cell in cells.items() if cell is None}
    names = {file: cell or file for file, cell in cells.items()}
    for file, own in parts.items():
        others = [other for name, other in parts.items() if name != file]
        count = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names[file] = "/".join(own[-count:])
    return names


def name_of(file: str) -> str:
    """What one file, or one cell of a notebook, is called."""
    return names_of([file])[file]


def is_question(file: str) -> bool:
    """Whether a file name is that of an expression on the command line: ``<--grads>``."""
    return file.startswith("<--")


def cell_of(file: str) -> str | None:
    """``Cell In[5]``, as IPython says it, where a file name is that of the code of a cell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(file)
    return None if named is None else " ".join(named)


NAME, CHAIN, INNER, CALL, LITERAL = range(5)
"""How near an expression is to a name of its statement: the ranks of a ``Spelling``."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """An expression of the user's code that holds a value.

    Attributes
    ----------
    text : str
        As it stands in the code: ``grads["W"]``, ``self.h``, ``softmax(s)``.
    axes : tuple of tuples of int
        For each axis of what the expression gives, the places of its letters among those of the value: one as a rule,
        none for an axis of size 1, several for axes that a reshape has merged.
    rank : int
        How near it is to a name of the statement: 0 for a name, 1 for attributes and entries of names, 2 for what a
        comprehension, a lambda or a helper calls something, 3 for a call and any other expression, 4 for a list.
    """

    text: str
    axes: tuple[tuple[int, ...], ...]
    rank: int = 0

    def letters(self, indices: str) -> tuple[str, ...]:
        """The letters of each axis, for the letters of the value."""
        return tuple("".join(indices[n] for n in axis) for axis in self.axes)

    @property
    def units(self) -> tuple[int, ...]:
        """The axes of size 1 without a letter."""
        return tuple(n for n, axis in enumerate(self.axes) if not axis)

    @property
    def is_merged(self) -> bool:
        """Whether an axis carries several letters."""
        return any(len(axis) > 1 for axis in self.axes)

    @property
    def in_order(self) -> Spelling:
        """The expression of the same value with its letters in the order of the axes."""
        places = iter(range(sum(map(len, self.axes))))
        return replace(self, axes=tuple(tuple(next(places) for _ in axis) for axis in self.axes))


class _Substitution(ast.NodeTransformer):
    """Puts expressions where names are read."""

    def __init__(self, found: Mapping[str, ast.expr]) -> None:
        self.found = found

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.found.get(node.id, node) if isinstance(node.ctx, ast.Load) else node


def substituted(node: ast.expr, found: Mapping[str, ast.expr]) -> Any:
    """A copy of an expression with others where it reads names; it stays what it is, unless it is a name itself."""
    return _Substitution(found).visit(parse_python(ast.unparse(node), "eval").body)


def callee(call: ast.Call) -> str:
    """The name of what a call calls: ``backward`` for ``net.backward(x)``; empty where it has none."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""
