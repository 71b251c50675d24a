"""Which arguments a gradient is asked of: positions, or their names."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import OptionError

Choice = int | str | Sequence[int | str]


def positions_of(loss: Callable[..., Any], wrt: Choice) -> int | tuple[int, ...]:
    """The position of the argument that is meant, or several, where several are.

    Raises
    ------
    OptionError
        It is no position and no name of an argument.

    Examples
    --------
    >>> positions_of(lambda W, b, x: ..., "b"), positions_of(lambda W, b, x: ..., ["W", 2])
    (1, (0, 2))
    """
    if isinstance(wrt, str) or is_position(wrt):
        return position_of(loss, wrt, wrt)
    return tuple(position_of(loss, item, wrt) for item in (wrt if isinstance(wrt, list | tuple) else (wrt,)))


def is_position(item: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(item, int) and not isinstance(item, bool)


def position_of(loss: Callable[..., Any], item: Any, wrt: Choice) -> int:
    """The position of one argument."""
    if is_position(item):
        return int(item)
    if not isinstance(item, str):
        raise OptionError(f"wrt={wrt!r} must be the position or the name of an argument, or several in a tuple")
    names = parameters(loss)
    if item not in names:
        known = f"its arguments are {', '.join(names)}" if names else "its arguments have no names"
        raise OptionError(f"wrt={wrt!r}, but the loss has no argument {item!r}: {known}")
    return names.index(item)


def parameters(function: Any) -> tuple[str, ...]:
    """Return the names of the positional parameters; () where they cannot be known."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(item.name for item in signature.parameters.values() if item.kind in kinds)
