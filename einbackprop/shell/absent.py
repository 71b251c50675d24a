"""Modules that a script imports and that are not installed: the names of absent modules go in, stand-ins come out.

A script is read for its mathematics. What draws or shows progress does nothing, so that a script runs without it; of
every other absent module nothing can be used, and who uses it gets the error that the import would have raised.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import sys
import types
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

from einbackprop.core.visible import one_line
from einbackprop.notation.console import complain
from einbackprop.world.drawing import LIBRARIES, NOTHING, Nothing

SILENT = LIBRARIES | {"tqdm", "IPython", "ipywidgets"}
"""Libraries that show something: whatever is asked of them is done with nothing."""


class Progress(Nothing):
    """Something of a library that shows progress: what goes through it is what it was given."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return arguments[0] if arguments else self


class Absent:
    """Something of an absent module: using it raises ModuleNotFoundError."""

    def __init__(self, module: str) -> None:
        self._module = module

    def _used(self, *_: Any, **__: Any) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {self._module!r}", name=self._module)

    __call__ = __getitem__ = __setitem__ = __iter__ = __enter__ = _used

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(self._module)

    def __exit__(self, *error: object) -> None:
        return None


class AbsentModule(types.ModuleType):
    """A module that is not installed."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return []
        if name.startswith("__"):
            raise AttributeError(name)
        library = self.__name__.partition(".")[0]
        return Progress() if library == "tqdm" else NOTHING if library in SILENT else Absent(self.__name__)


class Finder:
    """The last of the finders: it finds modules that are known to be absent, with all that would stand in them."""

    def __init__(self, absent: Collection[str]) -> None:
        self.absent = absent

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of an absent module; None for any other."""
        known = name.partition(".")[0] in self.absent
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return AbsentModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is run."""


def missing_module(error: BaseException | None) -> str:
    """The library for lack of which an import failed; empty for other errors, and for a part of one that is there."""
    name = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    return name if "." not in name and name not in sys.modules else ""


@functools.cache
def say_once(text: str) -> None:
    """Say something of a script, which is run several times, once."""
    complain(one_line(f"einbackprop: {text}"))


def say_absent(module: str) -> None:
    """Say of a library that it is not there."""
    what = "what it shows is left out" if module in SILENT else "what needs it cannot run"
    say_once(f"{module} is not installed: {what}")


@contextlib.contextmanager
def standing_in(absent: Collection[str]) -> Iterator[None]:
    """Let a script import modules that are not installed."""
    finder = Finder(absent)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, AbsentModule)]:
            del sys.modules[name]
