"""Signal handlers: the code of those that are installed, by which what they raise is known."""

import signal
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any


def handler_codes() -> frozenset[CodeType]:
    """The code of the signal handlers that are installed now."""
    found = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        if not callable(handler):  # the default, or none
            continue
        while (inner := getattr(handler, "func", None) or getattr(handler, "__func__", None)) is not None:
            handler = inner  # behind a partial, or a bound method
        method: Any = vars(type(handler)).get("__call__")
        code = getattr(handler, "__code__", None) or getattr(method, "__code__", None)
        if code is not None:
            found.add(code)
    return frozenset(found)


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """The frames that an exception went through, from the outside in."""
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame
        step = step.tb_next
