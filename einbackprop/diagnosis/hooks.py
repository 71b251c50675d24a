"""Hooks: calls around the values that statements make.

In goes the tree of a definition; out comes one in which ``d = W.T @ e`` is ``d = hook(7, W.T @ e)``. What is passed to
a function that may be the user's has a hook as well, as ``e`` in ``d = layer.backward(e)``: what such a function does
with it, and leaves in its attributes, is more than what it returns. What the hook does is up to a ``Watcher``: write
the value down, put another in its place, or evaluate other expressions in the frame that stands there. ``np.add.at``
has a check around it, since NumPy may end the process where an edit gives it values with too many axes.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Collection
from functools import partial
from types import FrameType
from typing import Any, Protocol

import numpy as np

from einbackprop.capture.instrumentation import MARK
from einbackprop.capture.observation import imports_of
from einbackprop.core.records import dataclass
from einbackprop.core.source import ADDED, copied_tree
from einbackprop.diagnosis.vocabulary.reductions import UNWRITTEN
from einbackprop.world.ownership import is_users_module

LIBRARY = frozenset(dir(builtins))
METHODS = frozenset(dir(np.ndarray))


@dataclass(frozen=True, eq=False)
class Site:
    """An expression whose value a statement assigns, returns or passes on.

    Attributes
    ----------
    file : str
    definition : int
        Which of the statements at the top of the file it stands in.
    statement : ast.stmt
    value : ast.expr
        The expression, a node of the statement.
    function : ast.AST
        The innermost function or lambda.
    inside : str
        The innermost class, by whose name ``__x`` is mangled; empty if there is none.
    target : str
        The name, attribute or entry that is bound, or the key or keyword that it stands under.
    is_passed : bool
        Whether it is an argument of a call inside the value of a statement.
    is_unwritten : bool
        Whether it is memory as it was found, of ``np.empty``.
    """

    file: str
    definition: int
    statement: ast.stmt
    value: ast.expr
    function: ast.AST
    inside: str
    target: str
    is_passed: bool = False
    is_unwritten: bool = False

    @property
    def place(self) -> tuple[str, int]:
        """The file, and the line on which the statement begins."""
        return self.file, self.statement.lineno

    @property
    def is_update(self) -> bool:
        """Whether the statement is ``a += value`` or the like, which may be wrong though the value is right."""
        return isinstance(self.statement, ast.AugAssign)

    @property
    def is_part(self) -> bool:
        """Whether the statement writes to a part of an array, as ``dx[i] = value``: the rest of it may be wrong."""
        targets = getattr(self.statement, "targets", [getattr(self.statement, "target", None)])
        return isinstance(targets[0], ast.Subscript) and not isinstance(targets[0].slice, ast.Constant)


class Watcher(Protocol):
    """What happens to the values that statements make."""

    @property
    def sites(self) -> Collection[Site] | None:
        """The sites that it is asked about; None if that is all of them."""

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value; what is returned stands in its place."""


class Unwatched:
    """Values stay what they are."""

    sites: Collection[Site] | None = ()

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """The value itself."""
        return value


class Hooker(ast.NodeTransformer):
    """Puts hooks into one definition.

    Parameters
    ----------
    file : str
    place : int
        Which of the statements at the top of the file it is.
    library : collection of str
        The names that stand for modules and functions of a library: what these are given has no hook.

    Attributes
    ----------
    sites : list of Site
        What the numbers in the hooks stand for; their nodes are of the tree without hooks.
    """

    def __init__(self, file: str, place: int, library: Collection[str] = LIBRARY) -> None:
        self.sites: list[Site] = []
        self._file, self._place, self._library, self._added = file, place, library, ADDED.get(file, frozenset())
        self._own: dict[int, Any] = {}
        self._statement: ast.stmt = ast.Pass()
        self._function: ast.AST = ast.Pass()
        self._inside = ""

    def hooked(self, definition: ast.stmt) -> ast.stmt:
        """A copy of a definition, with hooks."""
        visited = self.visit(copied_tree(definition, self._own))
        assert isinstance(visited, ast.stmt)
        return visited

    def visit(self, node: ast.AST) -> Any:
        """A node with its hooks."""
        before = self._statement, self._function, self._inside
        if isinstance(node, ast.stmt) and node.lineno in self._added and not hasattr(node, "body"):
            return node  # nothing of the user's, and nothing to be edited
        if isinstance(node, ast.stmt):
            self._statement = self._own[id(node)]
        if isinstance(node, ast.ClassDef):
            self._inside = node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self._function = self._own[id(node)]
        made = super().visit(node)
        self._statement, self._function, self._inside = before
        return made

    def _function_body(self, node: Any) -> Any:
        """Decorators and defaults run elsewhere, and stay as they are."""
        node.body = [self.visit(part) for part in node.body]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _function_body  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """What a lambda gives is a value of a statement's."""
        node.body = self._around(node.body, "")
        return node

    def _valued(self, node: Any) -> Any:
        """``a = value``, ``a, b = values``, ``a: T = value``, ``a += value``, ``return value``, ``yield value``."""
        if node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            node.value = self._values(node.value, target)
        return node

    visit_Assign = visit_AnnAssign = visit_AugAssign = visit_Return = visit_Yield = _valued  # noqa: N815

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        """``grads.append(value)``, ``np.add.at(target, index, value)``: what is passed."""
        if isinstance(node.value, ast.Call):
            call = node.value
            call.func = self._checked(call.func)
            call.args = [self._argument(part) for part in call.args]
            for keyword in call.keywords:
                keyword.value = self._argument(keyword.value, keyword.arg or "")
            return node
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """``layer.backward(value)`` inside another expression: what is passed."""
        if self._is_of_library(node.func):
            self.generic_visit(node)
            node.func = self._checked(node.func)
            return node
        node.func = self.visit(node.func)
        node.args = [self._argument(part, is_passed=True) for part in node.args]
        for keyword in node.keywords:
            keyword.value = self._argument(keyword.value, is_passed=True)
        return node

    def _is_of_library(self, function: ast.expr) -> bool:
        """Whether what is called is surely none of the user's: a function of a module, or a method of an array."""
        is_method = isinstance(function, ast.Attribute) and function.attr in METHODS
        while isinstance(function, ast.Attribute):
            function = function.value
        return is_method or (isinstance(function, ast.Name) and function.id in self._library)

    def _argument(self, node: ast.expr, target: str = "", is_passed: bool = False) -> ast.expr:
        if isinstance(node, ast.Constant | ast.Starred):
            return self.generic_visit(node)  # type: ignore[return-value]
        return self._around(node, target, is_passed)

    def _values(self, node: ast.expr, target: ast.expr | None) -> ast.expr:
        """The value of a statement, those of a tuple, list or dict that is written down one by one."""
        several = target.elts if isinstance(target, ast.Tuple | ast.List) else None
        if isinstance(node, ast.Tuple | ast.List):
            fits = several is not None and len(several) == len(node.elts)
            names = [ast.unparse(t) for t in several] if several and fits else [ast.unparse(part) for part in node.elts]
            node.elts = [self._argument(part, name) for part, name in zip(node.elts, names, strict=True)]
            return node
        if isinstance(node, ast.Dict):
            keys = [ast.unparse(key) if key is not None else "" for key in node.keys]
            node.values = [self._argument(part, key) for part, key in zip(node.values, keys, strict=True)]
            return node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
            for keyword in node.keywords:
                keyword.value = self._argument(keyword.value, keyword.arg or "")
            return node
        return self._around(node, ast.unparse(target) if target is not None else "")

    def _around(self, node: ast.expr, target: str, is_passed: bool = False) -> ast.expr:
        """A call of the hook around a value."""
        own = self._own[id(node)]
        called = node.func if isinstance(node, ast.Call) else node
        is_unwritten = self._is_of_library(called) and getattr(called, "attr", getattr(called, "id", "")) in UNWRITTEN
        self.sites.append(
            Site(self._file, self._place, self._statement, own, self._function, self._inside, target, is_passed,
                 is_unwritten)
        )  # fmt: skip
        return hook_call("made", node, ast.Constant(len(self.sites) - 1), self.visit(node))

    def _checked(self, function: ast.expr) -> ast.expr:
        """``np.add.at`` with a check around it."""
        is_scatter = isinstance(function, ast.Attribute) and function.attr == "at"
        return hook_call("at", function, function) if is_scatter else function


def hook_call(name: str, place: ast.expr, *arguments: ast.expr) -> ast.Call:
    """A call of a hook, in the place of a node."""
    # Python warns where a string is called, but not where a conditional expression is.
    hook = ast.IfExp(ast.Constant(True), ast.Constant(MARK + name), ast.Constant(None))
    made = ast.Call(hook, list(arguments), [])
    for part in (*ast.walk(hook), made, *(one for one in arguments if isinstance(one, ast.Constant))):
        ast.copy_location(part, place)
    return made


def library_of(tree: ast.Module) -> frozenset[str]:
    """The names in a file that stand for Python's own functions, and for modules that are not the user's or what is in
    them."""
    found = set(LIBRARY)
    for node in imports_of(tree):
        whole = getattr(node, "module", None)
        for alias in getattr(node, "names", ()):
            module = sys.modules.get(whole or alias.name)
            if module is not None and not getattr(node, "level", 0) and not is_users_module(module):
                found.add(alias.asname or alias.name.split(".")[0])
    return frozenset(found)


class Hook:
    """What stands in hooked code: it finds the site and asks the watcher.

    Parameters
    ----------
    sites : tuple of Site
    watching : list of Watcher
        The last one is asked.
    failures : list of Exception
        Filled with what watchers raise, since the user's code may catch it, and seems to raise it.
    """

    def __init__(self, sites: tuple[Site, ...], watching: list[Watcher], failures: list[Exception]) -> None:
        self._sites, self._watching, self._failures = sites, watching, failures
        self._unwritten = {number for number, site in enumerate(sites) if site.is_unwritten}

    def made(self, number: int, value: Any) -> Any:
        """A statement made a value."""
        watcher, site = self._watching[-1], self._sites[number]
        if number in self._unwritten and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value.fill(np.pi)  # what was found there, nan perhaps, would be another value in each run
        if watcher.sites is not None and site not in watcher.sites:  # most of them, in most of the runs
            return value
        try:
            return watcher.made(site, value, sys._getframe(1))
        except Exception as error:
            self._failures.append(error)
            raise

    def at(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """What is called as ``np.add.at`` is, with a check if it is a method of a ufunc."""
        return partial(scattered, method) if isinstance(getattr(method, "__self__", None), np.ufunc) else method


def scattered(method: Callable[..., Any], target: Any, index: Any, *values: Any) -> None:
    """``np.add.at(target, index, values)``, where values with too many axes stop, as edits may give: NumPy (2.4) reads
    memory there that is not theirs, and the process may end."""
    given, there = map(np.ndim, (values[0], target[index])) if values else (0, 0)
    if given > there:
        raise ValueError(f"values of {given} axes do not go to entries of {there}")
    method(target, index, *values)
