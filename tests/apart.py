"""Functions apart from the test module that they are written in."""

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from einbackprop.checking.reports import Report
from einbackprop.checking.solving import check


def apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of a function whose module holds only the names that the function mentions.

    What a function can reach is looked through each time it is traced. From a test module that is everything that the
    module imports, which costs more than the trace: no trace of a small expression is about that.
    """
    if not isinstance(function, FunctionType):
        return function
    kept = mentioned(function.__code__) | {"__builtins__", "__file__", "__name__"}
    names = {name: value for name, value in function.__globals__.items() if name in kept}
    made = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def mentioned(code: CodeType) -> set[str]:
    """The names that code mentions, and the functions within it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(mentioned, inner))


def check_apart(loss: Callable[..., Any], gradients: Callable[..., Any], *arguments: Any, **options: Any) -> Report:
    """Check functions apart from their test module.

    What to write in place of a mistake is tried among all that the user's module holds; in a test module that is every
    test.
    """
    return check(apart(loss), apart(gradients), *arguments, **options)
