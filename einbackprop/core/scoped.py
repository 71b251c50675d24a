"""Context variables that have a value during one block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")


@contextmanager
def scoped(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """Give a context variable a value during a block, and then the one that it had.

    A handler of a signal may raise between the setting and the block. This generator is then collected later, maybe in
    another context, where a token could not be taken back: what is not the block's value is left alone.
    """
    before = variable.get()
    variable.set(value)
    try:
        yield
    finally:
        if variable.get() is value:
            variable.set(before)
