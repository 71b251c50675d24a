"""What holds during one block: values of context variables, how often garbage is collected, that nothing warns."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")
SELDOM = 20_000
"""Objects more than were freed, after which garbage is collected: Python's own number takes a tenth of a check."""
_LOCK = threading.RLock()
_open: list[warnings.catch_warnings[None]] = []
_depth = 0


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


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collect garbage less often during a block, if at all, and then as before."""
    before = gc.get_threshold()
    if 0 < before[0] < SELDOM:
        gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        if gc.get_threshold()[0] == SELDOM:
            gc.set_threshold(*before)


@contextmanager
def unwarned() -> Iterator[None]:
    """Let nothing warn, in any thread, while a block runs.

    The filters of warnings are one list for all threads: `warnings.catch_warnings` in two of them that overlap leaves
    behind what one has set. Here the first to come sets it, and the last to go puts back what was there.
    """
    global _depth
    with _LOCK:
        if _depth == 0:
            _open.append(warnings.catch_warnings())
            _open[0].__enter__()
            warnings.simplefilter("ignore")
        _depth += 1
    try:
        yield
    finally:
        with _LOCK:
            _depth -= 1
            if _depth == 0:
                _open.pop().__exit__(None, None, None)
