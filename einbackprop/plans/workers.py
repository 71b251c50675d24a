"""Workers: blocks of a plan on several threads, each with memory of its own.

NumPy lets go of the interpreter's lock while it goes over an array, so that threads do elementwise work side by side.
Each worker has the same blocks in every call, and sums over blocks are added up from worker to worker in order: a
result depends on how many workers there are, not on which was faster. Matrix products of a block have one thread
meanwhile: those of several workers would wait for one another.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""What says how many threads libraries of matrix products have."""
MOST = 8
"""Workers at most: elementwise work waits for memory."""
COUNTERS = [
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),  # of NumPy's wheels
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
]
"""The functions of libraries that say how many threads a matrix product has, and set it."""


def available() -> int:
    """How many workers there may be: processors of this process, or fewer, where matrix products have fewer threads."""
    if sys.platform in ("emscripten", "wasi"):  # a browser has no threads
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = next((value for name in VARIABLES if (value := os.environ.get(name, "")).isdecimal() and int(value)), "")
    return min(processors, int(given or processors), MOST)


def shares(blocks: Sequence[T], most: int) -> list[Sequence[T]]:
    """The blocks of each of at most so many workers, those of one side by side, as many for each as can be."""
    count = max(1, min(most, len(blocks)))
    ends = [n * len(blocks) // count for n in range(count + 1)]
    return [blocks[start:stop] for start, stop in pairwise(ends)]


def thread_functions(path: str) -> tuple[Callable[[], int], Callable[[int], Any]]:
    """What says how many threads a matrix product has, and what sets it, in a library or those that it loads.

    Where there are no such functions, products are taken to have one thread, and setting it does nothing.
    """
    with contextlib.suppress(OSError):
        library = ctypes.CDLL(path)
        for get, set_ in COUNTERS:
            if hasattr(library, get) and hasattr(library, set_):
                return getattr(library, get), getattr(library, set_)
    return (lambda: 1), (lambda _: None)


class Products:
    """Has matrix products run on one thread while workers are at it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.inside, self.before = 0, 1

    @functools.cached_property
    def functions(self) -> tuple[Callable[[], int], Callable[[int], Any]]:
        """See ``thread_functions``."""
        return thread_functions(self.path)

    @contextlib.contextmanager
    def single(self) -> Iterator[None]:
        """One thread for each matrix product while this lasts, in whatever thread of the process."""
        get, set_ = self.functions
        with self.lock:
            if not self.inside:
                self.before = get()
                set_(1)
            self.inside += 1
        try:
            yield
        finally:
            with self.lock:
                self.inside -= 1
                if not self.inside:
                    set_(self.before)


class Pool:
    """Threads that wait for work; they are made when they are first needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads: ThreadPoolExecutor | None = None

    def start(self) -> ThreadPoolExecutor:
        """The threads."""
        with self.lock:
            if self.threads is None:
                self.threads = ThreadPoolExecutor(MOST - 1, "einbackprop")
            return self.threads


POOL = Pool()
PRODUCTS = Products(str(getattr(sys.modules.get("numpy._core._multiarray_umath"), "__file__", "")))


def begin_anew() -> None:
    """In a process that was forked there is no thread but the one that forked, and no worker at it."""
    POOL.__init__()  # type: ignore[misc]
    if PRODUCTS.inside:
        PRODUCTS.functions[1](PRODUCTS.before)
    PRODUCTS.lock, PRODUCTS.inside = threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_anew)


def side_by_side(function: Callable[..., T], given: Sequence[Any], own: Iterable[Sequence[Any]]) -> list[T]:
    """What a function returns to each worker, of its share of what is given and memory of its own; this thread is one.

    Ends when all have ended, and raises what one of them raised. NumPy's way with errors is that of this thread.
    """
    (first, memory), *others = zip(given, own, strict=True)
    threads = POOL.start()
    with PRODUCTS.single():
        waiting = [threads.submit(contextvars.copy_context().run, function, share, *pieces) for share, pieces in others]
        try:
            found = function(first, *memory)
        finally:
            wait(waiting)
    return [found, *(done.result() for done in waiting)]
