"""The names that the user's own source gives to arrays: from unpackings, lists and returns.

Source is read as the interpreter knows it (linecache), so functions of files, of executed scripts
and of notebooks are all found; where there is none, there is no name, and nothing fails.
"""

import ast
import inspect
import linecache
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FunctionType, MethodType
from typing import Any

from einbackprop.core.nesting import Attribute, Path, attributes_of, parameters
from einbackprop.core.records import dataclass
from einbackprop.core.source import parse_python, statements_of_text

Definition = ast.FunctionDef | ast.Lambda
Names = tuple[str, ...]

_GRADIENT_OF = re.compile(
    r"(?:(?:del(?:ta)?_|(?:gradient|slope|deriv)[a-z]*_|d|∂|δ|grads?|nabla_?|∇|g)(?:(?:L|J|E|C|loss|cost)(?=_|/|d|∂))?[_/]*[d∂]?[_/]*)"
    r"(?P<name>.+)"
)
_GRADIENT_AFTER = re.compile(r"(?P<name>.+?)(?:[_.]?[gG]rads?|_gradients?)")
_OF_LOSS = re.compile(r"d_(?:L|J|E|C|loss|cost)_d_?(?P<name>.+)")  # as in d_L_d_W


@dataclass(frozen=True)
class AllBut:
    """A function that returns a loss at one place of a tuple, and gradients at the others."""

    function: Any
    place: int | str


def path_of(text: str) -> Path | None:
    """Read the path that an expression such as ``net.layers[0].W`` is; None where it is no path.

    >>> path_of("net.layers[0].W"), path_of("W + 1")
    (('net', 'layers', 0, 'W'), None)
    """
    try:
        return _steps(parse_python(text, mode="eval").body)
    except SyntaxError:
        return None


def _steps(node: ast.AST) -> Path | None:
    if isinstance(node, ast.Name):
        return (node.id,)
    outer = _steps(node.value) if isinstance(node, ast.Attribute | ast.Subscript) else None
    if outer is None:
        return None
    if isinstance(node, ast.Attribute):
        return (*outer, Attribute(node.attr))
    assert isinstance(node, ast.Subscript)
    return (*outer, node.slice.value) if isinstance(node.slice, ast.Constant) else None


def unpacked(function: Any, name: str, count: int) -> Names | None:
    """Find the names into which a function, or one that it calls, unpacks the variable `name`.

    ``W1, b1 = parameters`` names two. Where nothing unpacks it, the list that the file makes of
    names will do: ``parameters = [W1, b1]``.
    """
    found = next(_unpackings(function, name, count, set()), None)
    return found or next(_packings(function, name, count), None)


def returned(function: Any, count: int) -> Names | None:
    """Find the names that a function returns as a list or tuple of `count`; of `AllBut`, without the loss.

    What has no name stands as its code.
    """
    if not isinstance(function, AllBut):
        return next((names for node in _returns(function, set()) if (names := _spelled(node, count))), None)
    for node in _returns(function.function, set()):
        if isinstance(node, ast.Tuple | ast.List) and isinstance(function.place, int):
            left = [item for n, item in enumerate(node.elts) if n != function.place]
            names = _spelled(left[0] if len(left) == 1 else ast.Tuple(left), count)
            if names:
                return names
    return None


def places_returned(function: Any, count: int) -> Names | None:
    """Find what a function returns in a tuple of `count`, each place as it is spelled there."""
    nodes = (node for node in _returns(function, set()) if isinstance(node, ast.Tuple | ast.List))
    return next((tuple(map(ast.unparse, node.elts)) for node in nodes if len(node.elts) == count), None)


@lru_cache(maxsize=1024)  # asked for each gradient of each run
def gradient_of(key: str) -> Names:
    """Return what a gradient's name may be the gradient of, the likeliest first.

    >>> gradient_of("dL_dW1"), gradient_of("W1_grad"), gradient_of("gradient_w")
    (('dL_dW1', 'W1'), ('W1_grad', 'W1'), ('gradient_w', 'w'))
    """
    ways = (_GRADIENT_OF, _OF_LOSS, _GRADIENT_AFTER)
    return (key, *(match["name"] for way in ways if (match := way.fullmatch(key))))


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
        for node in _assignments("".join(linecache.getlines(file))):
            if any(_is_name(t, name) for t in node.targets):
                names = _names(node.value, count)
                if names:
                    yield names


@lru_cache(maxsize=64)
def _assignments(text: str) -> tuple[ast.Assign, ...]:
    """The assignments in a text, looked up once: each name of a target is looked for among them."""
    return tuple(node for node in statements_of_text(text).all if isinstance(node, ast.Assign))


def _returns(function: Any, seen: set[Any]) -> Iterator[ast.expr]:
    """What a function returns, or one that it calls to return its value."""
    definition = _definition(function)
    if definition is None or function in seen:
        return
    seen.add(function)
    for value in [definition.body] if isinstance(definition, ast.Lambda) else _returned(definition):
        yield value
        callee = _callee(function, value)
        if callee is not None:
            yield from _returns(callee, seen)


def _spelled(node: ast.AST, count: int) -> Names | None:
    """The parts of a list or tuple display of `count`, of which one has a name at least; of one, its name will do."""
    if count == 1 and isinstance(node, ast.Name | ast.Attribute):
        return (node.id if isinstance(node, ast.Name) else node.attr,)
    if not isinstance(node, (ast.Tuple, ast.List)) or len(node.elts) != count:
        return None
    parts = tuple(item.attr if isinstance(item, ast.Attribute) else ast.unparse(item) for item in node.elts)
    named = any(isinstance(item, ast.Name | ast.Attribute) for item in node.elts)
    return parts if named and len(set(parts)) == count else None


def _names(node: ast.AST, count: int) -> Names | None:
    """The names of a list or tuple display of `count` names."""
    if not isinstance(node, (ast.Tuple, ast.List)) or len(node.elts) != count:
        return None
    names = tuple(item.id for item in node.elts if isinstance(item, ast.Name))
    return names if len(set(names)) == count else None


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _callee(function: Any, node: ast.AST) -> Callable[..., Any] | None:
    """The function or method that a call in the function's source calls, if its name leads to one."""
    path = _steps(node.func) if isinstance(node, ast.Call) else None
    if path is None:
        return None
    callee = _held_by(function, str(path[0]))
    for step in path[1:]:
        callee = _member(callee, step)
    return callee if isinstance(callee, (FunctionType, MethodType)) else None


def _held_by(function: Any, name: str) -> Any:
    """What a name stands for in a function: its object, what is around it, or a global; None of one that is unknown."""
    code, plain = _code(function), getattr(function, "__func__", function)
    first = code.co_varnames[: code.co_argcount][:1] if code is not None else ()
    if isinstance(function, MethodType) and first == (name,):
        return function.__self__
    for free, cell in zip(code.co_freevars if code else (), plain.__closure__ or (), strict=False):
        if free == name:
            with suppress(ValueError):  # one that is not assigned yet
                return cell.cell_contents
    return getattr(plain, "__globals__", {}).get(name)


def _member(value: Any, step: Any) -> Any:
    """An attribute or an item, without running any code of the user's; a method is bound."""
    if not isinstance(step, Attribute):
        found = type(value) in (dict, list, tuple)
        try:
            return value[step] if found else None
        except (LookupError, TypeError):
            return None
    member = inspect.getattr_static(value, step, None)
    is_method = isinstance(member, FunctionType) and not isinstance(value, type) and step not in attributes_of(value)
    return MethodType(member, value) if is_method else member


def displays_in(code: CodeType) -> list[ast.Tuple | ast.List]:
    """The lists and tuples that the ``return`` statements of a function's code show."""
    definition = definition_of(code)
    values = [] if definition is None else _returned(definition)
    return [value for value in values if isinstance(value, ast.Tuple | ast.List)]


def _returned(definition: Definition) -> list[ast.expr]:
    """The values of the ``return`` statements in a definition."""
    nodes = (node for node in ast.walk(definition) if isinstance(node, ast.Return))
    return [node.value for node in nodes if node.value is not None]


def _code(function: Any) -> CodeType | None:
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _definition(function: Any) -> Definition | None:
    """The syntax tree of a function; of two lambdas on one line the one with its parameters."""
    code = _code(function)
    return None if code is None else definition_of(code)


def definition_of(code: CodeType) -> Definition | None:
    """The syntax tree of the function that a code is of; None where its source is not known, or it is of none."""
    known = _definitions("".join(linecache.getlines(code.co_filename)), code.co_name == "<lambda>")
    return known.get((code.co_firstlineno, code.co_name, code.co_varnames[: code.co_argcount]))


@lru_cache(maxsize=64)
def _definitions(text: str, lambdas: bool) -> dict[tuple[int, str, Names], Definition]:
    """The functions in a text, or the lambdas, by the first line of each, its name and its parameters."""
    found: dict[tuple[int, str, Names], Definition] = {}
    statements = statements_of_text(text)
    for node in ast.walk(statements.tree) if lambdas else statements.all:
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        first = min([node.lineno, *(item.lineno for item in decorators)])
        formal = tuple(item.arg for item in node.args.posonlyargs + node.args.args)
        name = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
        found.setdefault((first, name, formal), node)
    return found


