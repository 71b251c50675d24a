"""Runs Python in processes of their own, with simulated devices of JAX, and several at a time, with a limit of time."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent


def environment(devices: int) -> dict[str, str]:
    """That of a process in which JAX has so many devices."""
    return os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "JAX_PLATFORMS": "cpu"}


def on_devices(*arguments: str, given: str = "", devices: int = 8) -> str:
    """What Python prints in a process of its own, in which JAX has simulated devices."""
    done = subprocess.run([sys.executable, *arguments], input=given, capture_output=True, text=True, check=False,
                          env=environment(devices))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def interruptions_heeded() -> Iterator[None]:
    """Let processes that are started inside be interrupted, where a shell in the background had them ignore it.

    What a process ignores, those that it starts ignore too; what it handles, they do not inherit. (A function that runs
    in the child before its program would need a fork, of which JAX warns.)
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def together(
    commands: Sequence[Sequence[str]], seconds: float = 120,
    watch: Callable[[Sequence["subprocess.Popen[str]"]], None] | None = None,
) -> list[tuple[int, str, str]]:  # fmt: skip
    """Exit codes, output and errors of commands of Python that run at the same time, each with one device.

    ``watch`` is given the processes once they run, and may end them. What has not ended after so many seconds is killed
    by its number, which its exit code shows.
    """
    with interruptions_heeded():
        running = [subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True, env=environment(1)) for command in commands]  # fmt: skip
    until = time.monotonic() + seconds
    try:
        if watch is not None:
            watch(running)
        ended = []
        for process in running:
            try:
                out, errors = process.communicate(timeout=max(1.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                out, errors = process.communicate()
            ended.append((process.returncode, out, errors))
        return ended
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
