"""Several processes, each with devices of its own, that run one program on one mesh."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import NoReturn

from ..core.visible import shown
from ..errors import BackendError
from ..plans.engines import Jax

STATUS = re.compile("(ABORTED|CANCELLED|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|UNKNOWN): ")
"""How what XLA raises begins, in whatever JAX has put it."""
SECONDS = 60
"""How long a process waits for the others."""


def join(coordinator: str, process: int, processes: int) -> None:
    """Make this process one of those that share a mesh; it waits until all are there.

    Parameters
    ----------
    coordinator : str
        ``HOST:PORT``, where process 0 listens and the others find it.
    process, processes : int
        Which one this is, from 0, and how many there are.

    Raises
    ------
    BackendError
        JAX is not installed, has been used before in this process, or the others were not found.
    """
    module = Jax().module
    if not 0 <= process < processes:
        raise BackendError(f"process {process} of {processes} is none: they are counted from 0 to {processes - 1}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise BackendError(f"the coordinator is {shown(coordinator)}, but must be HOST:PORT, such as 127.0.0.1:9000")
    try:
        if process:
            wait_for(host, int(port))
        module.config.update("jax_cpu_collectives_implementation", "gloo")  # of processes that have no accelerator
        import_module("jax.distributed").initialize(
            coordinator, num_processes=processes, process_id=process, initialization_timeout=SECONDS)  # fmt: skip
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which JAX takes, to end at a point that nobody here sets
    except (RuntimeError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise BackendError(f"process {process} of {processes} did not find the others at {shown(coordinator)}: {first}"
                           ) from error  # fmt: skip


def wait_for(host: str, port: int) -> None:
    """Wait until something listens there: JAX would end the process where nothing does. Raises OSError."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection((host, port), timeout=max(1, SECONDS)).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def reporting(what: str) -> Iterator[None]:
    """Say of what JAX raises while this lasts what it was that failed.

    Raises
    ------
    BackendError
    """
    try:
        yield
    except (import_module("jax.errors").JaxRuntimeError, ValueError) as error:
        first = str(error).partition("\n")[0]
        if isinstance(error, ValueError) and not STATUS.match(first):
            raise
        raise BackendError(f"{what} was not finished, another process may have ended: {first}") from error


def leave(code: int) -> NoReturn:
    """End this process at once: at its end JAX waits minutes for the others, which may be gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
