"""What a script does under its main guard and in functions such as ``main``, as if it stood at its top.

In goes a source; out comes the same source, each line in its place, in which the guard and the functions
that are called once, without data, are blocks; and that source up to where it begins to train.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from einbackprop.core.source import callee, replace_statements

from .arguments import argument_of
from .candidates import GRADIENTS, TRAINING
from .definitions import FORWARD, Definition, is_guard, own_nodes, statements_in
from .flattened import Rewriting
from .updates import update_of


class Opened(NamedTuple):
    """A source with its blocks open, whole, and as it is run."""

    whole: str
    run: Rewriting


def opened(source: str) -> Opened | None:
    """The source with its guard and the functions that it calls once open; None where there are none."""
    tree = ast.parse(source)
    lines = with_guards_open(source).splitlines()
    blocks: list[Sequence[ast.stmt]] = []
    added: set[int] = set()
    called: list[ast.stmt] = []
    for statement in tree.body:
        if is_guard(statement) and isinstance(statement, ast.If):
            blocks.append(statement.body)
            added.add(statement.lineno)
    texts: dict[ast.stmt, str] = {}
    for function, statement in entries(tree):
        begin = function.lineno - 1
        lines[begin : function.body[0].lineno - 1] = [""] * (function.body[0].lineno - 1 - begin)
        lines[begin] = f"if {bindings(function, statement) or 'True'}:"
        texts[statement] = "pass"
        if isinstance(last := function.body[-1], ast.Return):
            texts[last] = "pass"
            if isinstance(statement, ast.Assign) and last.value is not None:  # what the call gives is bound there
                texts[last] = ast.unparse(ast.Assign(statement.targets, last.value, lineno=0))
        blocks.append(function.body)
        added.add(function.lineno)
        called.append(statement)
    if not blocks:
        return None
    replace_statements(lines, texts)
    whole = "\n".join(lines) + "\n"
    for block in blocks:
        trains = next((item for item in block if item in called or begins_training(item)), None)
        if trains is not None:
            begin, end = trains.lineno - 1, block[-1].end_lineno or trains.lineno
            before = lines[begin].encode()[: trains.col_offset].decode()
            lines[begin:end] = [f"{before}pass", *[""] * (end - begin - 1)]  # calls in it are replaced already
    return Opened(whole, Rewriting("\n".join(lines) + "\n", frozenset(added)))


def with_guards_open(source: str) -> str:
    """The source with its main guard open, and nothing else changed."""
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        if is_guard(statement):
            lines[statement.lineno - 1] = "if True:"
    return "\n".join(lines) + "\n"


def entries(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.stmt]]:
    """Functions that are called once, at the top or under the guard, with nothing but constants; and that call."""
    functions = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef) and not item.decorator_list}
    lines = {item.name: item.lineno for item in tree.body if isinstance(item, ast.FunctionDef | ast.ClassDef)}
    calls = [callee(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    guarded = [one for item in tree.body if is_guard(item) and isinstance(item, ast.If) for one in item.body]
    for statement in (*tree.body, *guarded):
        if not isinstance(statement, ast.Expr | ast.Assign):
            continue
        for node in own_nodes(statement):
            function = functions.get(callee(node)) if isinstance(node, ast.Call) else None
            if function is None or calls.count(function.name) > 1 or not can_open(function, statement):
                continue
            read = {inner.id for inner in ast.walk(function) if isinstance(inner, ast.Name)}
            if all(lines.get(name, 0) <= function.lineno for name in read):  # what is defined later is not there yet
                yield function, statement


def can_open(function: ast.FunctionDef, statement: ast.stmt) -> bool:
    """Whether a function's statements can stand at the top: it returns at its end alone, and needs no data."""
    inner = [item for item in statements_in(function.body) if item is not function.body[-1]]
    nodes = [node for item in inner for node in own_nodes(item)]
    leaves = any(isinstance(node, ast.Return | ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal) for node in nodes)
    value = statement.value if isinstance(statement, ast.Assign) else None  # that alone is bound
    is_bound = value is None or (isinstance(value, ast.Call) and callee(value) == function.name)
    return not leaves and is_bound and bindings(function, statement) is not None


def bindings(function: ast.FunctionDef, statement: ast.stmt) -> str | None:
    """A condition that holds and that binds the parameters of a function as a call does; None where that needs data."""
    call = next(node for node in own_nodes(statement) if isinstance(node, ast.Call) and callee(node) == function.name)
    known = Definition(function)
    given = {name: argument_of(call, known, name) or known.default_of(name) for name in known.parameters}
    plain = ast.Constant | ast.UnaryOp | ast.USub | ast.List | ast.Tuple | ast.Load
    constants = [one for one in given.values() if one and all(isinstance(node, plain) for node in ast.walk(one))]
    if function.args.vararg or function.args.kwarg or len(constants) < len(given):
        return None
    bound = ", ".join(f"{name} := {ast.unparse(value)}" for name, value in zip(given, constants, strict=True))
    return f"[{bound}]" if bound else ""


def begins_training(statement: ast.stmt) -> bool:
    """Whether a statement is a loop that trains, or a call that does."""
    inner = [*statements_in([statement])]
    calls = [callee(node) for item in inner for node in own_nodes(item) if isinstance(node, ast.Call)]
    if isinstance(statement, ast.For | ast.While):
        return any(map(update_of, inner)) or any(
            kind.search(name) for name in calls for kind in (FORWARD, GRADIENTS, TRAINING))  # fmt: skip
    started = any(name.startswith(("load", "get")) or "init" in name for name in calls)
    return not started and any(map(TRAINING.search, calls))
