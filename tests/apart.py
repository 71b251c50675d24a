"""Functions apart from the test module that they are written in."""

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any


def apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of a function whose module holds only the names that the function mentions.

    What a function can reach is looked through each time it is traced. From a test module that is everything that the
    module imports, which costs more than the trace: no trace of a small expression is about that.
    """
    if not isinstance(function, FunctionType):
        return function
    names = {name: function.__globals__[name] for name in mentioned(function.__code__) if name in function.__globals__}
    names |= {"__file__": function.__globals__["__file__"], "__name__": function.__module__}
    made = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def mentioned(code: CodeType) -> set[str]:
    """The names that code mentions, and the functions within it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(mentioned, inner))
