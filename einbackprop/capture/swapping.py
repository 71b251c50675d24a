"""The user's modules with our ``np`` in them, and with copies of their arrays and objects, for the time of a trace."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.lib import stride_tricks

from .namespace import Module, builtins_for, math_for, numpy_for
from .observation import is_users
from .reaching import Names, names_in
from .recorder import Recorder


def state(names: Names, function: Callable[..., Any] | None) -> Names:
    """The arrays and containers of a namespace that its functions, or the traced one, mention."""
    held = {name: value for name, value in names.items() if not name.startswith("__") and holds_state(value)}
    if not held:
        return held
    own = [value for value in names.values() if isinstance(value, FunctionType | type)]
    mentioned = frozenset().union(*map(names_in, [function, *own]))
    return {name: value for name, value in held.items() if name in mentioned}


def holds_state(value: Any) -> bool:
    """Whether a global can be changed by the code: an array, a container, an object of a user's class."""
    if type(value) is np.ndarray:
        return value.dtype.kind in "fiucb"
    if isinstance(value, list | tuple | dict):
        return True
    if isinstance(value, type | ModuleType | FunctionType | BuiltinFunctionType) or not hasattr(value, "__dict__"):
        return False
    module = sys.modules.get(type(value).__module__)
    return is_users(getattr(module, "__file__", None) or "<frozen")


class StandIns:
    """What stands for NumPy and ``math`` in the user's modules."""

    def __init__(self, recorder: Recorder) -> None:
        numpy, self._math = numpy_for(recorder), math_for(recorder)
        self.builtins = builtins_for(recorder)
        self._homes: list[Module] = [numpy, numpy.linalg, numpy.random, numpy.lib.stride_tricks]
        self._modules: dict[int, Any] = {
            id(np): numpy, id(math): self._math, id(np.linalg): numpy.linalg, id(np.random): numpy.random,
            id(np.lib): numpy.lib, id(stride_tricks): numpy.lib.stride_tricks,
        }  # fmt: skip

    def of(self, value: Any) -> Any:
        """What stands for one global; itself where nothing does."""
        if isinstance(value, ModuleType):
            return self._modules.get(id(value), value)
        name, module = getattr(value, "__name__", None), getattr(value, "__module__", None) or ""
        if not isinstance(name, str) or not isinstance(module, str) or not callable(value):
            return value
        if module.startswith("numpy") or isinstance(value, np.ufunc):
            for home in self._homes:
                if getattr(home.module, name, None) is value:
                    return getattr(home, name)
        return getattr(self._math, name) if module == "math" else value


@contextmanager
def swapped(changes: list[tuple[Names, Names]]) -> Iterator[None]:
    """Give namespaces other values; afterwards, all that they held before is as it was."""
    before = [(names, dict(names)) for names, _ in changes]
    try:
        for names, new in changes:
            names.update(new)
        yield
    finally:
        for names, held in before:
            put_back(names, held)


def put_back(names: Names, held: Names) -> None:
    """Make a namespace what it was."""
    for name in [name for name in names if name not in held]:
        del names[name]
    for name, value in held.items():
        if name not in names or names[name] is not value:
            names[name] = value
