"""Statements of the user's functions that run, and the functions with a statement changed for a while."""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from einbackprop.capture.statements import statements_of
from einbackprop.core.syntax import parse_python
from einbackprop.diagnosis.changes import Hand
from einbackprop.world.ownership import is_users

KNOWN = 24
"""Variables that are tried in the place of one."""

Place = tuple[CodeType, int]


@dataclass(frozen=True)
class Spot:
    """A statement of some functions that have one code, the tree that both stand in, and where in a block it stands."""

    code: CodeType
    functions: tuple[FunctionType, ...]
    tree: ast.stmt
    block: list[ast.stmt]
    index: int
    statement: Any

    @property
    def place(self) -> tuple[str, int]:
        """The file, and the line."""
        return self.code.co_filename, self.statement.lineno


def lines_of(work: Callable[[], Any]) -> tuple[set[Place], dict[CodeType, Hand]]:
    """The lines of the user's functions that run, and what each function has at hand."""
    lines: set[Place] = set()
    hands: dict[CodeType, Hand] = {}

    def seen(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.add((frame.f_code, frame.f_lineno))
        elif event == "return":
            hands[frame.f_code] = at_hand(frame, hands.get(frame.f_code, Hand()))
        return seen

    def entered(frame: FrameType, _: str, __: Any) -> Any:
        own = is_users(frame.f_code.co_filename) and not frame.f_code.co_name.startswith("<")
        return seen if own else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines, hands


def at_hand(frame: FrameType, before: Hand) -> Hand:
    """What a function has at hand when it returns, the last first, and what it had in runs before."""
    own = {n: v for n, v in frame.f_globals.items() if n in frame.f_code.co_names or is_users_function(v)}
    arrays: list[str] = []
    numbers: list[str] = []
    functions: list[str] = []
    for name, value in reversed({**own, **frame.f_locals}.items()):
        inner = value if isinstance(value, dict) else getattr(value, "__dict__", {}) if name == "self" else {}
        held = {f"{name}[{key!r}]" if isinstance(value, dict) else f"self.{key}": item
                for key, item in inner.items() if isinstance(key, str)}  # fmt: skip
        for text, item in {name: value, **held}.items():
            if isinstance(item, np.ndarray) and item.dtype.kind in "biuf":
                arrays.append(text)
            elif isinstance(item, int | float | np.number) and not isinstance(item, bool):
                numbers.append(text)
            elif is_users_function(item) and item.__code__.co_argcount == 1:
                functions.append(text)
    constants = [repr(n) for n in frame.f_code.co_consts if isinstance(n, int | float) and n not in (0, 1, 2, -1)]
    return Hand(
        tuple(dict.fromkeys([*arrays, *before.arrays]))[:KNOWN],
        tuple(dict.fromkeys([*numbers, *constants, *before.numbers]))[: KNOWN // 3],
        tuple(dict.fromkeys([*functions, *before.functions]))[: KNOWN // 3],
    )


def is_literal(text: str) -> bool:
    """Whether a spelling is that of a number."""
    return not text[0].isalpha() and text[0] != "_"


def is_users_function(value: Any) -> bool:
    """Whether it is a function of the user's."""
    return isinstance(value, FunctionType) and is_users(value.__code__.co_filename)


def spots_of(lines: set[Place], own: Sequence[FunctionType]) -> Iterator[Spot]:
    """The statements that lines are part of, in the order of the files, in functions of a world."""
    modules: dict[str, ast.Module] = {}
    for code in sorted({code for code, _ in lines}, key=lambda code: (code.co_filename, code.co_firstlineno)):
        try:
            module = modules.get(code.co_filename) or parse_python(statements_of(code.co_filename).text)
        except (SyntaxError, OSError):
            continue
        modules[code.co_filename] = module
        ran = {line for own, line in lines if own is code}
        functions = tuple(f for f in own if f.__code__ is code)
        for tree in module.body:
            function = next((node for node in ast.walk(tree) if is_of(node, code)), None)
            if function is None or any(isinstance(node, ast.While) for node in ast.walk(function)):
                continue
            for block in blocks(function):
                for index, node in enumerate(block):
                    if is_changeable(node) and ran & lines_under(node):
                        yield Spot(code, functions, tree, block, index, node)


def is_changeable(node: ast.AST) -> bool:
    """Whether it is a statement that makes, returns or passes a value."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.Assign | ast.AugAssign) or (isinstance(node, ast.Return) and node.value is not None)


def lines_under(node: Any) -> set[int]:
    """The lines of a statement."""
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def is_of(node: ast.AST, code: CodeType) -> bool:
    """Whether a definition is that of a function's code."""
    if not isinstance(node, ast.FunctionDef) or node.name != code.co_name:
        return False
    return code.co_firstlineno in (node.lineno, *(decorator.lineno for decorator in node.decorator_list))


def blocks(function: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements in a function, without those of functions in it."""
    for _, value in ast.iter_fields(function):
        for node in value if isinstance(value, list) else ():
            if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) and not is_definition(node):
                yield from blocks(node)
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def is_definition(node: ast.AST) -> bool:
    """Whether it is a function or a class."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


@contextlib.contextmanager
def in_place(*changes: tuple[Spot, ast.stmt]) -> Iterator[None]:
    """Give the user's functions code in which statements stand in the places of others.

    Raises
    ------
    ValueError
        The code needs other variables around it, or no function has it.
    """
    by_code: dict[int, list[tuple[Spot, ast.stmt]]] = {}
    for spot, statement in changes:
        by_code.setdefault(id(spot.code), []).append((spot, ast.copy_location(statement, spot.statement)))
    codes = [(some[0][0], changed_code(some)) for some in by_code.values()]
    try:
        for spot, code in codes:
            for function in spot.functions:
                function.__code__ = code
        yield
    finally:
        for spot, _ in codes:
            for function in spot.functions:
                function.__code__ = spot.code


def changed_code(changes: list[tuple[Spot, ast.stmt]]) -> CodeType:
    """The code of a function with statements in the places of some of its own. Raises as `in_place` does."""
    spot = changes[0][0]
    try:
        for at, statement in changes:
            at.block[at.index] = ast.fix_missing_locations(statement)
        module = compile(ast.Module([spot.tree], []), spot.code.co_filename, "exec")
    finally:
        for at, _ in changes:
            at.block[at.index] = at.statement
    code = next(c for c in nested(module) if c.co_name == spot.code.co_name and is_same_place(c, spot.code))
    if code.co_freevars != spot.code.co_freevars or not spot.functions:
        raise ValueError("the code needs other variables around it")
    return code


def is_same_place(code: CodeType, own: CodeType) -> bool:
    """Whether two codes are of one definition."""
    return (code.co_qualname, code.co_firstlineno) == (own.co_qualname, own.co_firstlineno)


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code, and those in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)
