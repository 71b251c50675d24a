"""The names that the user's own source gives to arrays: from unpackings, lists and returns.

Source is read as the interpreter knows it (linecache), so functions of files, of executed scripts
and of notebooks are all found; where there is none, there is no name, and nothing fails.
"""

import ast
import linecache
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FunctionType, MethodType
from typing import Any

from einbackprop.core.choices import parameters
from einbackprop.core.syntax import parse_python

Definition = ast.FunctionDef | ast.Lambda
Names = tuple[str, ...]

_GRADIENT_OF = re.compile(
    r"(?:(?:d|∂|grads?|gradients?|nabla_?|∇|g)(?:(?:L|J|E|C|loss|cost)(?=_|/|d|∂))?[_/]*[d∂]?[_/]*)"
    r"(?P<name>.+)"
)


def unpacked(function: Any, name: str, count: int) -> Names | None:
    """Find the names into which a function, or one that it calls, unpacks the variable `name`.

    ``W1, b1 = parameters`` names two. Where nothing unpacks it, the list that the file makes of
    names will do: ``parameters = [W1, b1]``.
    """
    found = next(_unpackings(function, name, count, set()), None)
    return found or next(_packings(function, name, count), None)


def returned(function: Any, count: int) -> Names | None:
    """Find the names that a function returns as a list or tuple of `count`."""
    return next(_returns(function, count, set()), None)


def gradient_of(key: str) -> Names:
    """Return what a gradient's name may be the gradient of, the likeliest first.

    >>> gradient_of("dL_dW1"), gradient_of("W1_grad")
    (('dL_dW1', 'W1'), ('W1_grad', 'W1'))
    """
    candidates = [key]
    if match := _GRADIENT_OF.fullmatch(key):
        candidates.append(match["name"])
    candidates += [key.removesuffix(end) for end in ("_grad", "_grads", ".grad") if key.endswith(end)]
    return tuple(candidates)


def _unpackings(function: Any, name: str, count: int, seen: set[Any]) -> Iterator[Names]:
    definition = _definition(function)
    if definition is None or (function, name) in seen:
        return
    seen.add((function, name))
    for node in ast.walk(definition):
        if isinstance(node, ast.Assign) and _is_name(node.value, name):
            yield from (names for t in node.targets if (names := _names(t, count)))
    for node in ast.walk(definition):
        callee = _callee(function, node)
        if callee is None or not isinstance(node, ast.Call):
            continue
        formal = parameters(callee)
        for position, argument in enumerate(node.args[: len(formal)]):
            if _is_name(argument, name):
                yield from _unpackings(callee, formal[position], count, seen)
        for keyword in node.keywords:
            if keyword.arg and _is_name(keyword.value, name):
                yield from _unpackings(callee, keyword.arg, count, seen)


def _packings(function: Any, name: str, count: int) -> Iterator[Names]:
    """Lists of names that are assigned to `name` in the files of the function and its callees."""
    files: set[str] = set()
    functions, met = [function], set()
    while functions:
        current = functions.pop()
        code = _code(current)
        if code is None or code in met:
            continue
        met.add(code)
        files.add(code.co_filename)
        definition = _definition(current)
        nodes = ast.walk(definition) if definition else ()
        functions += [callee for node in nodes if (callee := _callee(current, node))]
    for file in sorted(files):
        for node in ast.walk(_tree("".join(linecache.getlines(file)))):
            if isinstance(node, ast.Assign) and any(_is_name(t, name) for t in node.targets):
                names = _names(node.value, count)
                if names:
                    yield names


def _returns(function: Any, count: int, seen: set[Any]) -> Iterator[Names]:
    definition = _definition(function)
    if definition is None or function in seen:
        return
    seen.add(function)
    if isinstance(definition, ast.Lambda):
        values = [definition.body]
    else:
        nodes = (node for node in ast.walk(definition) if isinstance(node, ast.Return))
        values = [node.value for node in nodes if node.value is not None]
    for value in values:
        names = _names(value, count)
        if names:
            yield names
        callee = _callee(function, value)
        if callee is not None:
            yield from _returns(callee, count, seen)


def _names(node: ast.AST, count: int) -> Names | None:
    """The names of a list or tuple display of `count` names."""
    if not isinstance(node, (ast.Tuple, ast.List)) or len(node.elts) != count:
        return None
    names = tuple(item.id for item in node.elts if isinstance(item, ast.Name))
    return names if len(set(names)) == count else None


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _callee(function: Any, node: ast.AST) -> Callable[..., Any] | None:
    """The function that a call in the function's source calls, if its name leads to one."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    code, plain = _code(function), getattr(function, "__func__", function)
    scope: dict[str, Any] = dict(getattr(plain, "__globals__", {}))
    for name, cell in zip(code.co_freevars if code else (), plain.__closure__ or (), strict=False):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # a closure variable that is not assigned yet
            continue
    callee = scope.get(node.func.id)
    return callee if isinstance(callee, (FunctionType, MethodType)) else None


def _code(function: Any) -> CodeType | None:
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _definition(function: Any) -> Definition | None:
    """The syntax tree of a function; of two lambdas on one line the one with its parameters."""
    code = _code(function)
    if code is None:
        return None
    tree = _tree("".join(linecache.getlines(code.co_filename)))
    wanted = list(code.co_varnames[: code.co_argcount])
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        first = min([node.lineno, *(item.lineno for item in decorators)])
        formal = [item.arg for item in node.args.posonlyargs + node.args.args]
        name = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
        if (first, name, formal) == (code.co_firstlineno, code.co_name, wanted):
            return node
    return None


@lru_cache(maxsize=32)
def _tree(source: str) -> ast.Module:
    try:
        return parse_python(source)
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])
