"""Who is told of how sizes and values are used while something is traced, and who asked for them."""

from __future__ import annotations

import functools
import sys
from contextvars import ContextVar
from typing import Any, Protocol

from ..core.dimensions import Axis
from ..world.ownership import PACKAGE, is_users
from .conditions import Kind
from .terms import Terms


class Watcher(Protocol):
    """What is told of how sizes are used: the recorder of the trace that is going on."""

    def met(self, kind: Kind, answer: Any, axes: tuple[Axis, ...] = ()) -> None:
        """A condition was met."""

    def prints(self) -> bool:
        """Whether the statement that is being run only prints."""

    def expression(self, of: tuple[Terms, ...], size: int, made: Terms | None, parts: tuple[Axis, ...]) -> Axis:
        """The axis whose size is an expression of others."""


WATCHER: ContextVar[Watcher | None] = ContextVar("WATCHER", default=None)


@functools.cache
def _is_ours(file: str) -> bool:
    return file.startswith(str(PACKAGE)) and not is_users(file)


def asked_by_others() -> bool:
    """Whether what called the caller is code of the user's, or of NumPy's or Python's on its behalf."""
    return not _is_ours(sys._getframe(2).f_code.co_filename)
