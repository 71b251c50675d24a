"""Stand-ins for the modules and builtins through which code reaches the rest of the process.

``np`` and ``random`` have random generators of their own; ``sys``, ``warnings`` and ``logging`` say nothing; what would
write to files, or end or replace the process, is kept in memory or refused. All else is the real module's.
"""

from __future__ import annotations

import builtins
import importlib
import io
import logging
import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable
from types import BuiltinFunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import RefusedError
from .calls import MARK
from .refusals import Refused
from .snapshots import GENERATORS

if TYPE_CHECKING:
    from .copies import World

Names = dict[str, Any]
STREAMS = ("stdout", "stderr", "__stdout__", "__stderr__")
MISSING = object()


class Copied(ModuleType):
    """A copy of one of the user's modules: its names are copied as they are looked up."""

    __slots__ = ("_einbackprop_names", "_einbackprop_world")

    def __init__(self, name: str, world: World, names: Names) -> None:
        super().__init__(name)
        vars(self).clear()
        self._einbackprop_world, self._einbackprop_names = world, names

    def __getattr__(self, name: str) -> Any:
        if name not in self._einbackprop_names:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return self._einbackprop_world.named(self._einbackprop_names, name)


class Private(ModuleType):
    """A stand-in for a module: some names are ours, what leads into the world is a copy, the rest is the module's."""

    __slots__ = ("_einbackprop_own", "_einbackprop_source", "_einbackprop_world")

    def __init__(self, world: World, source: ModuleType) -> None:
        super().__init__(source.__name__)
        vars(self).clear()
        self._einbackprop_world, self._einbackprop_source = world, source
        self._einbackprop_own: Names | None = None

    def __getattr__(self, name: str) -> Any:
        made = own_names(self).get(name, MISSING)
        if made is MISSING:
            made = getattr(self._einbackprop_source, name)
            if leads_into_a_world(made):
                made = self._einbackprop_world.of(made)
        vars(self)[name] = made
        return made

    def __dir__(self) -> list[str]:
        return dir(self._einbackprop_source)


def real_module(module: ModuleType) -> ModuleType:
    """The module that a stand-in stands for; any other module itself."""
    while isinstance(module, Private):
        module = module._einbackprop_source
    return module


def own_names(module: Private) -> Names:
    """What is ours in a stand-in; made when it is first asked for, as copies of random generators cost time."""
    if module._einbackprop_own is None:
        make = OWN[real_module(module).__name__]
        module._einbackprop_own = make(module._einbackprop_world, module._einbackprop_source)
    return module._einbackprop_own


def in_another_world(module: Private, world: World) -> Private:
    """A copy of a stand-in, with what was set on it."""
    made = Private(world, module)
    held = {name: value for name, value in vars(module).items() if name not in own_names(module)}
    world.fill(lambda: vars(made).update((name, world.shell(value)) for name, value in held.items()))
    return made


def leads_into_a_world(value: Any) -> bool:
    """Whether something of a module is a module, or belongs to a random generator, of which a world has its own."""
    if isinstance(value, BuiltinFunctionType):
        return isinstance(value.__self__, GENERATORS)
    return isinstance(value, (ModuleType, MethodType, *GENERATORS))


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def refusing(what: str) -> Refused:
    """What refuses to be called."""
    why = "the code is run many times here, on values that are not yours. Take it out of these functions"
    return Refused(what, why)


def numpy_names(world: World, _: ModuleType) -> Names:
    """NumPy without files, and without settings that outlast a run."""
    files = {name: refusing(f"np.{name}") for name in ("save", "savez", "savez_compressed", "savetxt", "memmap")}
    return {**files, "set_printoptions": nothing, "seterrcall": nothing}


def random_names(world: World, source: Any) -> Names:
    """``np.random`` whose functions belong to a generator of the world; those that a module owns are written anew."""
    legacy = world.of(source._rand if isinstance(source, Private) else np.random.mtrand._rand)
    refused = {"set_bit_generator": refusing("np.random.set_bit_generator")}
    return {
        **refused, "seed": legacy.seed, "sample": legacy.random_sample, "ranf": legacy.random_sample, "_rand": legacy,
        "get_bit_generator": lambda: legacy._bit_generator,
    }  # fmt: skip


def sys_names(world: World, _: ModuleType) -> Names:
    """``sys`` with streams, arguments and modules of its own."""
    quiet = {name: io.StringIO() for name in STREAMS}
    hooks = dict.fromkeys(("settrace", "setprofile", "setrecursionlimit", "setswitchinterval", "addaudithook"), nothing)
    return {
        **quiet, **hooks, "stdin": io.StringIO(), "modules": Modules(world), "argv": list(sys.argv),
        "path": list(sys.path), "exit": leave, "_getframe": sys._getframe,
    }  # fmt: skip


class Modules(dict[str, Any]):
    """``sys.modules``, with copies of the user's own."""

    def __init__(self, world: World) -> None:
        super().__init__(sys.modules)
        self._world = world

    def __getitem__(self, name: str) -> Any:
        return self._world.of(super().__getitem__(name))

    def get(self, name: str, default: Any = None) -> Any:
        """One module, or the default."""
        return self._world.of(super().get(name, default))


def leave(code: Any = None) -> NoReturn:
    """Refuse to end the process."""
    raise RefusedError(f"the code calls sys.exit({'' if code is None else repr(code)}): a function that is run here "
                       "must return")  # fmt: skip


class Warnings:
    """``warnings.catch_warnings`` that changes nothing."""

    def __init__(self, *, record: bool = False, **_: Any) -> None:
        self._record = record

    def __enter__(self) -> list[Any] | None:
        return [] if self._record else None

    def __exit__(self, *_: object) -> None:
        pass


def warnings_names(world: World, _: ModuleType) -> Names:
    """``warnings`` that says nothing, and has no filters to be changed."""
    silent = ("warn", "warn_explicit", "showwarning", "simplefilter", "filterwarnings", "resetwarnings")
    return {**dict.fromkeys(silent, nothing), "filters": list(warnings.filters), "catch_warnings": Warnings}


def logging_names(world: World, _: ModuleType) -> Names:
    """``logging`` that says nothing."""
    silent = ("debug", "info", "warning", "error", "critical", "exception", "log", "basicConfig", "disable",
              "captureWarnings", "shutdown")  # fmt: skip

    def logger(name: str | None = None) -> Any:
        return world.of(logging.getLogger(name))

    return {**dict.fromkeys(silent, nothing), "getLogger": logger}


def os_names(world: World, _: ModuleType) -> Names:
    """``os`` with an environment of its own, that removes and starts nothing."""
    acts = ("remove", "unlink", "rename", "replace", "rmdir", "removedirs", "mkdir", "makedirs", "system", "popen",
            "kill", "_exit", "abort", "fork", "chdir", "truncate", "symlink", "link", "chmod", "execv", "execve")
    refused = {name: refusing(f"os.{name}") for name in acts if hasattr(os, name)}
    environment = dict(os.environ)
    return {
        **refused, "environ": environment, "putenv": environment.__setitem__, "unsetenv": environment.pop,
        "getenv": environment.get,
    }  # fmt: skip


def importlib_names(world: World, _: ModuleType) -> Names:
    """``importlib`` whose modules are those of the world."""

    def import_module(name: str, package: str | None = None) -> Any:
        return world.of(importlib.import_module(name, package))

    return {"import_module": import_module, "reload": lambda module: module}


def builtins_names(world: World, _: ModuleType) -> Names:
    """The module of the builtins."""
    return dict(world.builtins)


def pickle_names(world: World, _: ModuleType) -> Names:
    """``pickle`` that knows copied classes and functions by their places in the world, not by their names."""
    held: list[Any] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> int | None:
            if not (isinstance(value, type) or hasattr(value, "__code__")) or world.found(value) is not value:
                return None
            held.append(value)
            return len(held) - 1

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: int) -> Any:
            return held[number]

    def dumps(value: Any, protocol: int | None = None, **_: Any) -> bytes:
        stream = io.BytesIO()
        Pickler(stream, protocol).dump(value)
        return stream.getvalue()

    def loads(data: bytes, **_: Any) -> Any:
        return Unpickler(io.BytesIO(data)).load()

    return {"dumps": dumps, "loads": loads, "Pickler": Pickler, "Unpickler": Unpickler}


def plain_names(world: World, _: ModuleType) -> Names:
    """Nothing of our own: what matters are the generators that the functions of the module belong to."""
    return {}


OWN: dict[str, Callable[[World, ModuleType], Names]] = {
    "numpy": numpy_names, "numpy.random": random_names, "numpy.random.mtrand": random_names, "random": plain_names,
    "sys": sys_names, "warnings": warnings_names, "logging": logging_names, "os": os_names,
    "importlib": importlib_names, "builtins": builtins_names, "pickle": pickle_names,
}  # fmt: skip
"""What stands in a stand-in, by the module's name."""

REPLACED: dict[int, tuple[str, str]] = {
    id(getattr(module, name)): (module.__name__, name)
    for module, names in (
        (np, ("save", "savez", "savez_compressed", "savetxt", "set_printoptions")),
        (np.random, ("seed", "sample", "ranf", "set_bit_generator", "get_bit_generator")),
        (sys, ("exit", "settrace", "setprofile", "setrecursionlimit")),
        (warnings, ("warn", "simplefilter", "filterwarnings", "catch_warnings")),
        (logging, ("debug", "info", "warning", "error", "getLogger", "basicConfig")),
        (os, ("remove", "system", "makedirs", "mkdir", "_exit", "getenv")),
        (importlib, ("import_module",)), (builtins, ("print", "open", "input", "__import__", "breakpoint")),
        (pickle, ("dumps", "loads")),
    )
    for name in names
}  # fmt: skip
"""Functions that are imported by name."""
HOMES = {module.__name__: module for module in (np, np.random, sys, warnings, logging, os, importlib, builtins, pickle)}
STATEFUL = {id(sys.stdout): "stdout", id(sys.stderr): "stderr"}
assert random.__name__ in OWN


def replaced(world: World, value: Any) -> Any:
    """What stands for a function that was imported by its name; the function itself where nothing does."""
    home, name = REPLACED.get(id(value), ("", ""))
    return getattr(world.of(HOMES[home]), name) if home else value


def are_usual(names: Any) -> bool:
    """Whether the builtins of a namespace are Python's, and not a choice of the user's or a world's."""
    return names is builtins or names is vars(builtins) or (isinstance(names, dict) and MARK in names)


def builtins_of(world: World, ours: Names) -> Names:
    """The builtins of a world: nothing is printed, files are written in memory, imports give what is in the world."""
    files: dict[str, Any] = {}
    names = dict(vars(builtins))

    def load(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        return world.of(builtins.__import__(name, globals, locals, fromlist, level))

    def quiet(*values: Any, file: Any = None, **options: Any) -> None:
        if file is not None and not isinstance(file, io.TextIOWrapper):
            print(*values, file=file, **options)

    def read(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if isinstance(mode, str) and not set(mode) & set("wax+"):
            kept = files.get(str(file))
            if kept is None:
                return open(file, mode, *rest, **options)
            return io.BytesIO(kept.content) if "b" in mode else io.StringIO(kept.content)
        return files.setdefault(str(file), Kept(binary="b" in mode)).opened(mode)

    def ask(prompt: Any = "") -> str:
        raise RefusedError("the code calls input(): a function that is run here cannot ask")

    return {
        **names, "print": quiet, "open": read, "input": ask, "__import__": load, "breakpoint": nothing, "exit": leave,
        "quit": leave, **ours, MARK: True,
    }  # fmt: skip


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

        file = File()
        if "a" in mode or "+" in mode:
            file.write(self.content)
        return file


PRIVATE = frozenset(OWN)
