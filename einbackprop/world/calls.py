"""The only place where user code is called: quietly, in a context of its own, and what it raises told apart.

An exception of the user's code comes out as ``Raised``, so that whoever expects the code to fail need catch nothing
else. What reaches the code from outside (Ctrl-C, an exception of a signal handler, ``SystemExit``) passes unchanged.

Files and other processes stay as they are, whoever the code lets touch them. Python tells an audit hook of every file
that is opened for writing and of every process that is started, by whatever library. Ours listens only in the context
of a call of user code; it refuses what would outlast the call.

The names that the code can look up are those of the user's modules as far as they were copied, and the builtins of its
world: nothing is printed, and what is written to files stays in memory.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from functools import cache
from itertools import dropwhile
from types import CellType, FrameType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.progress import frames_of, handler_codes
from ..errors import RefusedError
from .modules import Names, held, leave, nothing
from .others import Refused, Silent
from .ownership import OURS, is_users
from .snapshots import content_of, put_entries_back

if TYPE_CHECKING:
    from .copies import World


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


MARK = "__einbackprop_world__"
"""The builtin by which a frame that runs in a world is known."""


class Raised(Exception):  # noqa: N818 - a report of an error, not one
    """The user's code raised an exception.

    Attributes
    ----------
    error : Exception
        Of the user's own class.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {told(error)}")
        self.error = error


def give_own_classes(error: BaseException, originals: Mapping[type, type]) -> None:
    """Give an exception, and those that led to it, the classes that the user knows."""
    pending, seen = [error], set[int]()
    while pending:
        item = pending.pop()
        if id(item) not in seen:
            seen.add(id(item))
            if type(item) in originals:
                BaseException.__setattr__(item, "__class__", originals[type(item)])
            inner = item.exceptions if isinstance(item, BaseExceptionGroup) else ()
            pending += [e for e in (item.__cause__, item.__context__, *inner) if e is not None]


def told(error: BaseException) -> str:
    """The message of an exception of the user's, in one line."""
    try:
        return " ".join(str(error).split()) or "no message"
    except Exception:  # its class writes it
        return "its message cannot be shown"


def attempt(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call user code in a copy of the current context, with NumPy's floating-point warnings off.

    Raises
    ------
    Raised
        With what the code raised. Exceptions from outside of it are raised as they are.
    """
    try:
        return copy_context().run(_quietly, function, arguments, keywords)
    except Exception as error:
        if isinstance(error, Raised) or is_from_outside(error):
            raise
        raise Raised(error) from error


def _quietly(function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    enter()
    with np.errstate(all="ignore"):
        return function(*arguments, **keywords)


def is_from_outside(error: BaseException) -> bool:
    """Whether an exception was raised by code that ran in between: a signal handler, or what it calls.

    Such code is the handler that is installed, or the user's own but in no world.
    """
    below = dropwhile(lambda frame: frame.f_code is not _quietly.__code__, (frame for frame, _ in frames_of(error)))
    others = [frame.f_code for frame in below if is_outside(frame)]
    if not others:  # no handler is asked for, which takes as long as some runs
        return False
    return any(is_users(code.co_filename) for code in others) or not handler_codes().isdisjoint(others)


def is_outside(frame: FrameType) -> bool:
    """Whether a frame runs in no world, and code that is not ours or NumPy's: neither is that of a handler."""
    return MARK not in frame.f_builtins and not frame.f_code.co_filename.startswith(OURS)


class Runner:
    """A copied function of a state: each call begins with everything as it was when it was copied.

    Parameters
    ----------
    world : World
    function : callable
        Takes the state.
    """

    def __init__(self, world: World, function: Callable[[Any], Any]) -> None:
        self.world, self.function = world, function

    def __call__(self, state: Any) -> Any:
        """Run it."""
        return self.world.call(self.function, state)

    def goes_on(self, state: Any) -> Any:
        """Run it with the random numbers that follow those of the call before."""
        return self.world.call(self.function, state, random=False)

    def strictly(self, state: Any) -> Any:
        """Run it so that an imaginary part that would be lost is an error."""
        return self.world.call(self.function, state, strict=True)


class Namespace:
    """The global names of one of the user's modules, and those that were copied so far.

    Attributes
    ----------
    original : dict
    module : ModuleType
        The copy; its ``__dict__`` is the globals of the functions that are copied.
    """

    def __init__(self, original: Names, module: ModuleType) -> None:
        self.original, self.module = original, module
        self.held: Names = {}  # what is put back between two runs
        self.whole = False  # whether all names were copied

    @property
    def names(self) -> Names:
        """The globals of the copies."""
        return vars(self.module)

    def set(self, name: str, value: Any) -> None:
        """Give a name its copy."""
        self.names[name] = self.held[name] = value

    def restore(self) -> None:
        """Put back what the names were."""
        put_entries_back(self.names, self.held)


def is_dunder(name: str) -> bool:
    """Whether a name is one of Python's own, such as ``__file__``."""
    return name.startswith("__") and name.endswith("__")


def name_refusal(cell: CellType, name: str) -> None:
    """Tell what stands for something that is refused how the user calls it."""
    held = content_of(cell)
    if type(held) is Refused:
        held.called(name)


def are_usual(names: Any) -> bool:
    """Whether the builtins of a namespace are Python's, and not a choice of the user's or a world's."""
    return names is builtins or names is vars(builtins) or (isinstance(names, dict) and MARK in names)


def builtins_of(world: World, ours: Names) -> Names:
    """The builtins of a world: nothing is printed, files are written in memory, imports give what is in the world."""
    files: dict[str, Any] = world.watch({})
    names = dict(vars(builtins))

    def load(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        return world.of(builtins.__import__(name, globals, locals, fromlist, level))

    def quiet(*values: Any, file: Any = None, **options: Any) -> None:
        stream = world.of(sys).stdout if file is None else file
        if not isinstance(stream, Silent | io.TextIOWrapper):
            print(*values, file=stream, **options)

    def read(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if isinstance(mode, str) and not set(mode) & set("wax+"):
            kept = files.get(str(file))
            if kept is None:
                return open(file, mode, *rest, **options)
            return io.BytesIO(kept.content) if "b" in mode else io.StringIO(kept.content)
        return files.setdefault(str(file), Kept(binary="b" in mode)).opened(mode)

    def ask(prompt: Any = "") -> str:
        raise RefusedError("the code calls input(): a function that is run here cannot ask")

    module = world.of(builtins)
    held(module).update({
        **names, "print": quiet, "open": read, "input": ask, "__import__": load, "breakpoint": nothing, "exit": leave,
        "quit": leave, "id": world.identity, **ours, MARK: True,
    })  # fmt: skip
    return held(module)


class Kept:
    """The content of a file that was written in a world."""

    def __init__(self, *, binary: bool) -> None:
        self.content: Any = b"" if binary else ""

    def opened(self, mode: str) -> Any:
        """A file in memory whose content stays when it is closed."""
        kept = self
        base: Any = io.BytesIO if "b" in mode else io.StringIO

        class File(base):  # type: ignore[misc]
            def close(self) -> None:
                if not self.closed:
                    kept.content = self.getvalue()
                super().close()

            def fileno(self) -> int:
                raise RefusedError("the code writes an array to a file: a function that is run here must not")

        file = File()
        if "a" in mode or "+" in mode:
            file.write(self.content)
        return file
