"""Files and other processes stay as they are, whoever the code lets touch them.

Python tells an audit hook of every file that is opened for writing and of every process that is started, by whatever
library. Ours listens only in the context of a call of user code; it refuses what would outlast the call.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextvars import ContextVar
from functools import cache
from typing import Any

from ..errors import RefusedError


class Call:
    """One call of user code.

    Attributes
    ----------
    temporary : list of str
        The temporary files and folders that were made in it.
    """

    def __init__(self) -> None:
        self.temporary: list[str] = []


INSIDE: ContextVar[Call | None] = ContextVar("INSIDE", default=None)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TEMPORARY = getattr(os, "O_TMPFILE", 0)
ACTS = {
    "os.mkdir": "makes a folder", "os.remove": "removes a file", "os.rmdir": "removes a folder",
    "os.rename": "renames a file", "os.link": "makes a link", "os.symlink": "makes a link",
    "os.truncate": "cuts a file", "os.chmod": "changes a file", "os.chown": "changes a file",
    "os.chdir": "changes the folder", "os.system": "starts a process", "os.exec": "starts a process",
    "os.posix_spawn": "starts a process", "os.fork": "starts a process", "os.forkpty": "starts a process",
    "subprocess.Popen": "starts a process", "os.kill": "sends a signal", "os.killpg": "sends a signal",
    "sqlite3.connect": "opens a database", "open": "writes a file",
}  # fmt: skip
WHY = "the code is run many times here, on values that are not yours. Take it out of these functions"


def enter() -> None:
    """Begin a call of user code, in a context of its own."""
    install()
    INSIDE.set(Call())


@cache
def install() -> None:
    """Listen, once in a process."""
    tempfile.gettempdir()  # it tries them the first time, by writing
    sys.addaudithook(hear)


def hear(event: str, given: tuple[Any, ...]) -> None:
    """Refuse what would outlast a call of user code."""
    if event in ACTS:
        call = INSIDE.get()
        if call is not None and not is_harmless(event, given, call.temporary):
            name = "" if isinstance(given[0] if given else 0, int) else f": {os.fsdecode(os.fspath(given[0]))!r}"
            raise RefusedError(f"the code {ACTS[event]}{name[:80]}: {WHY}")
    elif event in ("tempfile.mkstemp", "tempfile.mkdtemp"):
        call = INSIDE.get()
        if call is not None:
            call.temporary.append(given[0])


def is_harmless(event: str, given: tuple[Any, ...], made: list[str]) -> bool:
    """Whether nothing is written, or only what Python itself or a temporary file needs."""
    path = given[0] if given else None
    if event == "open" and not is_writing(*given):
        return True
    if event in ("os.remove", "os.rmdir") and given[-1] != -1:  # within a folder of which it was said before
        return True
    if isinstance(path, int) or path in (os.devnull, ":memory:"):
        return (isinstance(path, int) and event == "open") or not isinstance(path, int)
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    text = os.fsdecode(path)
    if "__pycache__" in text or (event in ("open", "os.mkdir") and os.path.isdir(text)):  # or it fails by itself
        return True
    return any(text == own or text.startswith(own + os.sep) for own in made)


def is_writing(_: Any, mode: Any, flags: Any) -> bool:
    """Whether a file is opened for writing."""
    if isinstance(mode, str):
        return not set("wax+").isdisjoint(mode)
    return bool(flags & WRITING) and not (TEMPORARY and flags & TEMPORARY == TEMPORARY)
