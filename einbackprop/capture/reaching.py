"""Which of the user's modules a function can get to: by its globals, by the classes of what it is given, by an import.

Only these are given our ``np`` and copies of what they hold, so that a trace costs what the function needs, however
large the project around it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from .observation import is_users

Names = dict[str, Any]
LEADS_NOWHERE = frozenset({str, int, float, complex, bool, bytes, type(None), np.float64, np.int64, np.bool_})


def namespaces(function: Callable[..., Any] | None, extra: Names | None, values: Iterable[Any] = ()) -> list[Names]:
    """The global names of the user's code that a function can get to: a script's first, then the function's own.

    Parameters
    ----------
    function : callable or None
    extra : dict or None
        The names of the script that the function was written for.
    values : iterable
        What the function is given.
    """
    search = Search()
    if extra is not None:
        search.add(extra)
    search.look_at([function, *values])
    return search.found


class Search:
    """Goes from value to value, and from module to module.

    Attributes
    ----------
    found : list of dict
        The names of the user's modules met so far.
    """

    def __init__(self) -> None:
        self.found: list[Names] = []
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # an id means something only while its object lives
        self._waiting: list[Any] = []
        self._namespaces: set[int] = set()
        self._modules = {name: module for name, module in list(sys.modules.items()) if is_users_module(module)}
        self._called = {name.rpartition(".")[2]: module for name, module in self._modules.items()}

    def add(self, names: Names) -> None:
        """A namespace, and what its values lead to."""
        if id(names) not in self._namespaces:
            self._namespaces.add(id(names))
            self.found.append(names)
            self._waiting += names.values()

    def look_at(self, values: Iterable[Any]) -> None:
        """Follow values to all that they lead to."""
        self._waiting += values
        while self._waiting:
            value = self._waiting.pop()
            if type(value) not in LEADS_NOWHERE and id(value) not in self._seen:
                self._seen.add(id(value))
                self._kept.append(value)
                self._follow(value)

    def _follow(self, value: Any) -> None:
        if isinstance(value, list | tuple | set | frozenset):
            self._waiting += value
        elif isinstance(value, dict):
            self._waiting += value.values()
        elif isinstance(value, np.ndarray):
            self._waiting += value.ravel().tolist() if value.dtype == object else ()
        elif isinstance(value, ModuleType):
            self._add_module(value.__name__)
        elif isinstance(value, FunctionType):
            self._follow_function(value)
        elif isinstance(value, partial):
            self._waiting += (value.func, value.args, value.keywords)
        elif isinstance(value, MethodType):
            self._waiting += (value.__func__, value.__self__)
        elif isinstance(value, type):
            self._follow_class(value)
        elif hasattr(value, "__dict__") and is_users_class(type(value)):
            self._waiting += (type(value), vars(value))
        elif "__wrapped__" in getattr(value, "__dict__", ()):  # a function in a cache
            self._waiting.append(value.__wrapped__)

    def _follow_function(self, function: FunctionType) -> None:
        names = function.__globals__
        if id(names) in self._namespaces or is_users(names.get("__file__") or ""):
            self.add(names)
            self._waiting += map(self._called.__getitem__, names_in(function) & self._called.keys())
        self._waiting += (getattr(function, "__wrapped__", None), function.__defaults__, function.__kwdefaults__)
        self._waiting += (cell.cell_contents for cell in function.__closure__ or () if not is_empty(cell))

    def _follow_class(self, kind: type) -> None:
        for base in filter(is_users_class, kind.__mro__):
            self._add_module(base.__module__)
            self._waiting += (getattr(member, "fget", member) for member in vars(base).values())

    def _add_module(self, name: str) -> None:
        if name in self._modules:
            self.add(vars(self._modules[name]))


def is_users_module(module: Any) -> bool:
    """Whether a module was read from a file of the user's."""
    file = getattr(module, "__file__", None)
    return isinstance(module, ModuleType) and isinstance(file, str) and is_users(file)


def is_users_class(kind: type) -> bool:
    """Whether a class was written by the user: in a module, a script or a notebook."""
    module = sys.modules.get(kind.__module__)
    return kind.__module__ != "builtins" and is_users(getattr(module, "__file__", None) or "")


def unwrapped(function: Any) -> Any:
    """The function behind a decorator, a partial or a bound method."""
    while True:
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None) or getattr(
            function, "func", None)  # fmt: skip
        if inner is None:
            return function
        function = inner


@lru_cache(maxsize=4096)
def names_in(value: Any) -> frozenset[str]:
    """The names that a function, or the methods of a class, mention: globals and attributes."""
    inner = unwrapped(value)
    if isinstance(inner, FunctionType):
        found: set[str] = set()
        pending = [inner.__code__]
        while pending:
            code = pending.pop()
            found.update(code.co_names)
            pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        return frozenset(found)
    if isinstance(value, type):
        members = [getattr(member, "fget", member) for member in vars(value).values()]
        return frozenset().union(*(names_in(m) for m in members if callable(m) and not isinstance(m, type)))
    return frozenset()


def is_empty(cell: Any) -> bool:
    """Whether nothing was put into a cell yet."""
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True
