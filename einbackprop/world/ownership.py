"""Whose code something is, the user's, ours, Python's, or an installed package's, and which names it can look up."""

import enum
import functools
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any

import numpy as np

PACKAGE = Path(__file__).parent.parent
READABLE = tuple(str(PACKAGE / name) for name in ("network.py", "networks.py", "layers", "shell/examples"))
CHECKS = str(PACKAGE / "layers" / "checks.py")
OURS = (str(PACKAGE), str(Path(np.__file__).parent), "<frozen", "<__array_function__", "<einbackprop")
COMPILED = (".pyx", ".pxd", ".pxi")
"""Sources of compiled modules, as Cython names them in a traceback: relative to a folder that is not there."""


def places_of(told: Iterable[str], files: Iterable[str]) -> tuple[str, ...]:
    """Where a library lies: the folders that are told, and those in which some of its files were really found.

    The two need not agree. Where the library is a zip file, as in a browser, what is told is a folder beside it, and
    some of its modules may lie there after all; and what is told may begin with two slashes, the file's name with one.
    """
    found = (*told, *(os.path.dirname(file) for file in files))
    return tuple(dict.fromkeys(f"/{path.lstrip('/')}" if path.startswith("//") else path for path in found))


LIBRARY = places_of(
    (sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")), (os.__file__, enum.__file__)
)
MADE_IN_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE


@functools.cache
def is_users(file: str) -> bool:
    """Whether a file is the user's: not ours (but for formulas that we ship), Python's own, or an installed package.

    Installed packages run in the user's time too (a garbage collector's callback, a progress bar), unwatched.
    """
    if file.startswith(READABLE):
        return file != CHECKS  # what it refuses is said of the line that asked
    return not file.endswith(COMPILED) and not file.startswith((*OURS, *LIBRARY))


def is_users_module(module: Any) -> bool:
    """Whether a module was read from a file of the user's, or is a script or notebook that runs."""
    if not isinstance(module, ModuleType):
        return False
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return is_users(file)
    made_by_hand = type(module) is ModuleType and getattr(module, "__spec__", None) is None
    return module.__name__ == "__main__" or made_by_hand


def is_users_function(function: FunctionType) -> bool:
    """Whether a function is compiled from the user's code, or into the user's names as a dataclass's methods are."""
    file = function.__globals__.get("__file__")
    return is_users(function.__code__.co_filename) or (isinstance(file, str) and is_users(file))


def is_users_class(kind: type) -> bool:
    """Whether a class was written by the user: in a module, a script, a function or a notebook.

    Members of an enumeration are compared by identity, so that an enumeration is copied only where its members hold
    or do something.
    """
    if not kind.__flags__ & MADE_IN_PYTHON or issubclass(kind, enum.EnumType):
        return False
    if issubclass(kind, enum.Enum) and not is_active(kind):
        return False
    functions = [unwrapped(member) for member in vars(kind).values()]
    own = [f for f in functions if isinstance(f, FunctionType) and not f.__code__.co_filename.startswith("<string>")]
    if any(map(is_users_function, own)):
        return True
    module = sys.modules.get(kind.__module__)
    if module is None:  # made by `exec` in a namespace of its own
        return not own and kind.__module__ not in sys.stdlib_module_names
    return is_users_module(module)


def unwrapped(member: Any) -> Any:
    """The function that a class or static method, or a property, of a class is made of; other members as they are."""
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    return member.fget if isinstance(member, property) else member


def is_active(kind: Any) -> bool:
    """Whether an enumeration has methods of the user's, or members whose values can change."""
    methods = [unwrapped(member) for member in vars(kind).values()]
    values = [member._value_ for member in kind.__members__.values()]
    return any(isinstance(m, FunctionType) and is_users_function(m) for m in methods) or not all(
        isinstance(value, int | float | complex | str | bytes | NoneType) for value in values)  # fmt: skip


DYNAMIC = frozenset({"globals", "vars", "eval", "exec", "__dict__", "__globals__"})
"""Names by which code gets at a namespace as a whole; `locals` gives a function its own names alone."""


@functools.lru_cache(maxsize=8192)
def mentioned(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in some code, and in the code inside it; words in strings count too.

    ``getattr(module, "x")`` mentions x.
    """
    found: set[str] = set()
    pending = [code]
    while pending:
        inner = pending.pop()
        found.update(inner.co_names)
        for constant in inner.co_consts:
            if isinstance(constant, CodeType):
                pending.append(constant)
            elif isinstance(constant, str) and constant.isidentifier():
                found.add(constant)
    return frozenset(found)
