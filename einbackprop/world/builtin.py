"""The names that code in a world can look up: those of the user's modules as far as they were copied, and the builtins.

Nothing is printed, and what is written to files stays in memory.
"""

from __future__ import annotations

import builtins
import io
import sys
from types import CellType, ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import RefusedError
from .calls import MARK
from .modules import Names, held, leave, nothing
from .others import Silent
from .refusals import Refused
from .snapshots import content_of, put_entries_back


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


if TYPE_CHECKING:
    from .copies import World


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
