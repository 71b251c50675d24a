"""Expressions among the names of a user's script, as functions of the data that they can reach."""

from __future__ import annotations

import ast
import difflib
import linecache
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from einbackprop.checking import naming
from einbackprop.checking.evaluation import describe
from einbackprop.core.nesting import Path, get, leaves
from einbackprop.core.syntax import parse_python
from einbackprop.core.visible import shortened, shown
from einbackprop.errors import ScriptError

Namespace = dict[str, Any]

LONGEST = 100_000
"""Characters of an expression, or of statements."""


def evaluation(function: types.FunctionType, names: Namespace) -> Callable[[Mapping[str, Any]], Any]:
    """An expression of a script as a function of values for the script's names; it is to be run in a world."""

    def evaluate(values: Mapping[str, Any]) -> Any:
        names.update(values)
        return function()

    return evaluate


@dataclass(frozen=True)
class Reach:
    """Expressions of a script as functions of the data that they can reach.

    Attributes
    ----------
    sources
        A function for each expression, as Python compiled it.
    functions
        The same, of a mapping that stands for ``state``: the script sees its values under its own names.
    state
        What the expressions can read of the script's data, by name.
    """

    sources: tuple[types.FunctionType, ...]
    functions: tuple[Callable[[Mapping[str, Any]], Any], ...]
    state: Namespace


def reach_of(
    names: Namespace, texts: Mapping[str, str], script: str, more: Sequence[str] = (), ours: Collection[str] = ()
) -> Reach:
    """Expressions by the option that gave them, and the data that they, or ``more`` names, can reach.

    The names that are ``ours`` are handed in later: what the script has under them is hidden.
    """
    sources = tuple(_function(text, option, names) for option, text in texts.items())
    for option, text in texts.items():
        for name in loaded(text, option):
            if name not in ours:
                _require(name, names, option, script)
    reached = _reachable([source.__code__ for source in sources], names) - set(ours)
    written = [name for option, text in texts.items() for name in loaded(text, option)]
    order = [name for name in dict.fromkeys([*written, *sorted(reached), *more]) if name in reached | set(more)]
    state = {name: names[name] for name in order}

    return Reach(sources, tuple(evaluation(source, names) for source in sources), state)


def of_values(function: Callable[[Mapping[str, Any]], Any], order: tuple[str, ...]) -> Callable[..., Any]:
    """A function of the state as one of its values."""
    return lambda *values: function(dict(zip(order, values, strict=True)))


def compiled(source: str, option: str, mode: Literal["exec", "eval"]) -> types.CodeType:
    if not source.strip() and mode == "eval":
        raise ScriptError(f"{option} is empty: give an expression among the script's names")
    written = shortened(" ".join(source.split()))
    if len(source) > LONGEST:
        raise ScriptError(f"{option} has {len(source):,} characters, of which {LONGEST:,} at most are read: {written}")
    try:
        code = compile(source, f"<{option}>", mode, dont_inherit=True)
        parse_python(source, mode)  # which gives up earlier than the compiler
    except SyntaxError as error:
        raise ScriptError(f"{option}: {error.msg}: {written}") from error
    except (ValueError, OverflowError) as error:
        raise ScriptError(f"{option}: {error}: {written}") from error
    except (MemoryError, RecursionError) as error:
        raise ScriptError(f"{option} nests too deeply for Python: {written}") from error
    return code


def _function(text: str, option: str, names: Namespace) -> types.FunctionType:
    """An expression as a function, its source known to linecache so that names are read off it."""
    compiled(text, option, "eval")
    source, file = f"lambda: ({text})", f"<{option}>"
    linecache.cache[file] = (len(source), None, [source + "\n"], file)
    function = eval(compiled(source, option, "eval"), names)
    assert isinstance(function, types.FunctionType)
    return function


def _expression(text: str, option: str) -> ast.expr:
    compiled(text, option, "eval")
    return parse_python(text, mode="eval").body


def loaded(text: str, option: str) -> list[str]:
    """The names that an expression reads from the script, in order, those it binds itself aside."""
    nodes = list(ast.walk(_expression(text, option)))
    used = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in used if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return [node.id for node in used if node.id not in bound]


def _require(name: str, names: Namespace, option: str, script: str) -> None:
    builtins = names.get("__builtins__", {})
    known = builtins if isinstance(builtins, dict) else vars(builtins)
    if name in names or name in known:
        return
    close = difflib.get_close_matches(name, [n for n in names if not n.startswith("__")], 1)
    hint = f": did you mean {close[0]!r}?" if close else "; --setup can make it"
    raise ScriptError(f"{option}: {script} has no name {name!r}{hint}")


def path_of(text: str, names: Namespace, script: str) -> Path:
    """The path of ``net.layers[0].W`` in the script's names."""
    compiled(text, "--wrt", "eval")
    path = naming.path_of(text)
    if path is None:
        raise ScriptError(f"--wrt: {shown(text)} is no name, attribute or item of the script")
    _require(str(path[0]), names, "--wrt", script)
    try:
        value = get(names, path)
    except (LookupError, AttributeError, TypeError) as error:
        raise ScriptError(f"--wrt: {shortened(text)}: {describe(error)}") from error
    if not any(isinstance(leaf, (np.ndarray, float, int)) for _, leaf in leaves(value)):
        raise ScriptError(f"--wrt: {shortened(text)} holds no arrays: it is {type(value).__name__}")
    return path


def _reachable(codes: list[types.CodeType], names: Namespace) -> set[str]:
    """The names of data that some code can read, through the script's functions and classes."""
    reached: set[str] = set()
    seen: set[Any] = set()
    while codes:
        code = codes.pop()
        codes += [item for item in code.co_consts if isinstance(item, types.CodeType)]
        for name in set(code.co_names) - seen:
            seen.add(name)
            value = names.get(name)
            inner = _codes(value)
            codes += inner
            if not inner and not _is_fixed(value):
                reached.add(name)
                codes += _codes(type(value))
    return {name for name in reached if name in names and not name.startswith("__")}


def _codes(value: Any) -> list[types.CodeType]:
    """The code of a function, or of the methods of a class and its bases."""
    if isinstance(value, types.FunctionType):
        return [value.__code__]
    if isinstance(value, type) and value.__module__ not in ("builtins", "numpy"):
        members = [member for base in value.__mro__ for member in vars(base).values()]
        functions = [getattr(member, "__func__", getattr(member, "fget", member))
                     for member in members]
        return [item.__code__ for item in functions if isinstance(item, types.FunctionType)]
    return []


def _is_fixed(value: Any) -> bool:
    return isinstance(value, (types.ModuleType, types.BuiltinFunctionType, type, np.ufunc))
