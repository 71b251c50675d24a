"""Whole numbers that code reads by name, such as ``batch_size = 32`` at the top of a script: they do not follow where
its arrays get other sizes.
"""

import dis
import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, TypeVar

from .ownership import is_users, is_users_class, is_users_module, unwrapped

T = TypeVar("T")
DEPTH = 3
"""How many attributes are followed, as in ``self.config.batch_size``."""


def numbers_read(run: Callable[[], T]) -> tuple[T, frozenset[int]]:
    """What a run gives, and the whole numbers above 1 that the user's functions read in it, and do not write: globals,
    names of enclosing functions, attributes, entries of global dicts, defaults of parameters.

    A name or an attribute that is written as well, as ``self.n = len(x)`` in a forward pass, follows the sizes.
    """
    frames: dict[CodeType, FrameType] = {}

    def on_call(frame: FrameType, event: str, argument: Any) -> None:
        if is_users(frame.f_code.co_filename):
            frames.setdefault(frame.f_code, frame)

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        result = run()
    finally:
        sys.settrace(before)
    written = {name for code in frames for name in names_of(code, "STORE_ATTR")}
    read = {name for code in frames for name in names_of(code, "LOAD_ATTR", "LOAD_METHOD")} - written
    bound = {name for code in frames for name in names_of(code, "STORE_GLOBAL", "STORE_DEREF")}
    codes = frozenset(frames)
    found: set[int] = set()
    for code, frame in frames.items():
        held = {name: frame.f_locals[name] for name in code.co_freevars if name in frame.f_locals}
        named = {name: frame.f_globals[name] for name in code.co_names if name in frame.f_globals} | held
        found.update(value for name, value in named.items() if is_number(value) and name not in bound)
        words = [constant for constant in code.co_consts if isinstance(constant, str)]
        entries = (value[word] for value in named.values() if type(value) is dict for word in words if word in value)
        found.update(value for value in entries if is_number(value))
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        own = (frame.f_locals[name] for name in arguments if name in frame.f_locals)
        for value in (*named.values(), *own):
            found |= numbers_of(value, frozenset(read), codes)
    return result, frozenset(found)


def numbers_of(value: Any, names: frozenset[str], codes: frozenset[CodeType], depth: int = DEPTH) -> set[int]:
    """The numbers among some attributes of an object and what these hold; of a function that is among those that ran
    the defaults of its parameters."""
    plain = unwrapped(value)
    if isinstance(plain, FunctionType):
        ran = plain.__code__ in codes
        given = (*(plain.__defaults__ or ()), *(plain.__kwdefaults__ or {}).values()) if ran else ()
        return {one for one in given if is_number(one)}
    kind = value if isinstance(value, type) else type(value)
    holds = is_users_class(kind) or inspect.getattr_static(value, "__dict__", None) is not None
    if not depth or not (is_users_module(value) if isinstance(value, ModuleType) else holds):
        return set()
    held = (inspect.getattr_static(value, name, None) for name in names)
    found: set[int] = set()
    for one in held:
        found |= {one} if is_number(one) else numbers_of(one, names, codes, depth - 1)
    return found


@functools.lru_cache(maxsize=4096)
def names_of(code: CodeType, *operations: str) -> frozenset[str]:
    """The names that some operations of code read or write."""
    return frozenset(one.argval for one in dis.get_instructions(code) if one.opname in operations)


def is_number(value: Any) -> bool:
    """Whether a value is a whole number that may be a size."""
    return type(value) is int and value > 1
