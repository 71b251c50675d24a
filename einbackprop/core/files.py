"""Files: written whole or not at all, never over what is none of ours, and read only where they are what they seem."""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .visible import one_line

KINDS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISSOCK, "is a socket"),
)


class RefusedError(OSError):
    """A file that is not read, or not written to; ``strerror`` says why."""

    def __init__(self, why: str) -> None:
        super().__init__(0, why)


@contextlib.contextmanager
def reported_as(kind: type[Exception], words: str) -> Iterator[None]:
    """Within it, what goes wrong with a file is an error of ours: the words, and the reason."""
    try:
        yield
    except OSError as error:
        raise kind(f"{words}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What an error says of a file, in one line, without the file's name."""
    return one_line(str(getattr(error, "strerror", None) or error)).removeprefix("[Errno 0] ") or type(error).__name__


def kind_of(status: os.stat_result) -> str | None:
    """What is there in place of a plain file, None if it is one."""
    if stat.S_ISREG(status.st_mode):
        return None
    return next((words for test, words in KINDS if test(status.st_mode)), "is no plain file")


def opened(file: str | Path, most: int | None = None) -> BinaryIO:
    """A plain file, opened for reading; it never waits, as a pipe would let it.

    Parameters
    ----------
    file : str or Path
    most : int, optional
        How many bytes it may have.

    Raises
    ------
    OSError
        There is none; `RefusedError` where it is a directory, a pipe or a device, or has more bytes.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a null character
        raise RefusedError(str(error)) from error
    try:
        status = os.fstat(descriptor)
        if what := kind_of(status):
            raise RefusedError(f"it {what}")
        if most is not None and status.st_size > most:
            raise RefusedError(f"it has {status.st_size:,} bytes, more than the {most:,} that are read")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def target_of(file: str | Path) -> Path:
    """The file that a name stands for, links followed; there may be none there yet.

    Raises
    ------
    OSError
        What is there is no plain file, a link leads in a circle, or there is no such directory.
    """
    try:
        try:
            target = Path(os.path.realpath(file, strict=os.path.lexists(file)))
        except FileNotFoundError:  # a link to what is not there yet
            target = Path(os.path.realpath(file))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    if not target.parent.is_dir():
        raise RefusedError("No such file or directory")
    if target.exists() and (what := kind_of(target.stat())):
        raise RefusedError(f"it {what}")
    return target


def require_replaceable(file: str | Path, is_ours: Callable[[bytes], bool], what: str, force: bool = False) -> Path:
    """The target of a file that may be written: there is none, or it is one of ours, or that does not matter.

    Parameters
    ----------
    file : str or Path
    is_ours : callable
        Whether a file is one of ours, given its first and last bytes.
    what : str
        What one of ours is: ``a page of einbackprop``.
    force : bool
        Whether a plain file may be replaced whatever it is.

    Raises
    ------
    OSError
        With the reason in ``strerror``.
    """
    target = target_of(file)
    if target.exists() and not force and not is_ours(ends_of(target)):
        raise RefusedError(f"what is there is not {what}: name another file, or give --force")
    if target.exists() and not os.access(target, os.W_OK):
        raise RefusedError("Permission denied")
    return target


def ends_of(file: Path, count: int = 4096) -> bytes:
    """The first and the last bytes of a file."""
    with opened(file) as stream:
        first = stream.read(count)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(len(first), size - count))
        return first + stream.read(count)


def replace_file(file: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole, or leave what was there: also if the process is killed, or the power fails.

    A link stays one, and its target is replaced; what was there keeps its permissions.

    Parameters
    ----------
    file : str or Path
    write : callable
        Writes to the stream that it is given.

    Raises
    ------
    OSError
        It cannot be written; what is there is no plain file.
    """
    target = target_of(file)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    part = target.with_name(f".einbackprop-{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is not None:
            part.chmod(mode)
        part.replace(target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
