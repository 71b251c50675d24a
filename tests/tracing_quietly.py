"""Tracing among Hypothesis tests, without garbage collection while the user's file is parsed."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Hold garbage collection: Hypothesis's callback after one is Python that is traced too, so that the tracer would
    parse its file within a parse, which CPython 3.11 refuses with a SystemError."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
