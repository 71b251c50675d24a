"""Saying that a script still runs, while it does: one that trains when it is imported takes minutes, in silence."""

import contextlib
import linecache
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from einbackprop.core.source import name_of
from einbackprop.core.visible import one_line, shortened
from einbackprop.notation.console import complain

PATIENCE = 3.0
"""Seconds that a script may run before something is said."""


@contextlib.contextmanager
def watched(file: str) -> Iterator[None]:
    """Within it, say once on stderr which line of a file this thread is at, once `PATIENCE` is over.

    Where there are no threads, as in a browser, nothing is said.
    """
    watcher, ended = threading.get_ident(), threading.Event()

    def look() -> None:
        line = _line_of(file, sys._current_frames().get(watcher))
        if line is not None and not ended.is_set():
            complain(f"einbackprop: {_told(file, line)}")

    timer = threading.Timer(PATIENCE, look)
    timer.daemon = True
    with contextlib.suppress(RuntimeError):  # no thread can be started
        timer.start()
    try:
        yield
    finally:
        ended.set()
        timer.cancel()
        if timer.is_alive():
            timer.join()  # a script, or what checks it, may fork: then no other thread may run


def _line_of(file: str, frame: FrameType | None) -> int | None:
    """The line that a file is at, at its outermost level: what would have to be guarded."""
    found = None
    while frame is not None:
        if frame.f_code.co_filename == file and frame.f_code.co_name == "<module>":
            found = frame.f_lineno
        frame = frame.f_back
    return found


def _told(file: str, line: int) -> str:
    code = shortened(one_line(linecache.getline(file, line)), 60)
    return (f"{name_of(file)} is still running after {PATIENCE:g} s, at line {line}: {code}\n"
            "  It runs to its end first, as an import would. Guard what trains or plots with\n"
            '  if __name__ == "__main__":  what stands under that does not run here.')
