"""Stand-ins for the modules and builtins through which code reaches the rest of the process.

``np`` and ``random`` have random generators of their own; ``sys``, ``warnings`` and ``logging`` say nothing; what would
write to files, or end or replace the process, is kept in memory or refused. All else is the real module's.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import importlib
import io
import logging
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import copy_context
from types import BuiltinFunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import RefusedError
from . import drawing
from .others import Refused, Silent
from .snapshots import GENERATORS

if TYPE_CHECKING:
    from .copies import World

Names = dict[str, Any]
HELD: Any = vars(ModuleType)["__dict__"]
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

    __slots__ = ("_einbackprop_own", "_einbackprop_set", "_einbackprop_source", "_einbackprop_world")

    def __init__(self, world: World, source: ModuleType) -> None:
        super().__init__(source.__name__)
        held(self).clear()
        put = object.__setattr__
        put(self, "_einbackprop_world", world)
        put(self, "_einbackprop_source", source)
        put(self, "_einbackprop_own", None)
        put(self, "_einbackprop_set", {})

    def __getattr__(self, name: str) -> Any:
        made = own_names(self).get(name, MISSING)
        if made is MISSING:
            made = getattr(self._einbackprop_source, name)
            if leads_into_a_world(made):
                made = self._einbackprop_world.of(made)
        held(self)[name] = made
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        self._einbackprop_set.setdefault(name, held(self).get(name, MISSING))
        held(self)[name] = value

    @property
    def __dict__(self) -> Names:  # type: ignore[override]
        names = {*dir(self), *held(self)} - {"__annotations__"}  # which Python looks up here
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def __dir__(self) -> list[str]:
        return dir(self._einbackprop_source)

    def restore(self) -> None:
        """Forget what was set."""
        while self._einbackprop_set:
            name, before = self._einbackprop_set.popitem()
            if before is MISSING:
                held(self).pop(name, None)
            else:
                held(self)[name] = before


def held(module: ModuleType) -> Names:
    """What a module itself has; of a stand-in, what was looked up so far."""
    names: Names = HELD.__get__(module)
    return names


def real_module(module: ModuleType) -> ModuleType:
    """The module that a stand-in stands for; any other module itself."""
    while isinstance(module, Private):
        module = module._einbackprop_source
    return module


def own_names(module: Private) -> Names:
    """What is ours in a stand-in; made when it is first asked for, as copies of random generators cost time."""
    if module._einbackprop_own is None:
        name = real_module(module).__name__
        make = OWN.get(name, undrawn if drawing.draws(name) else idle())
        made = make(module._einbackprop_world, module._einbackprop_source)
        object.__setattr__(module, "_einbackprop_own", made)
        for value in made.values():
            if isinstance(value, dict | list):
                module._einbackprop_world.watch(value)
    own: Names = module._einbackprop_own
    return own


def in_another_world(module: Private, world: World) -> Private:
    """A copy of a stand-in, with what was set on it."""
    made = Private(world, module)
    names = {name: held(module)[name] for name in module._einbackprop_set if name in held(module)}
    world.fill(lambda: held(made).update((name, world.shell(value)) for name, value in names.items()))
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
    hooks = dict.fromkeys(("settrace", "setprofile", "setrecursionlimit", "setswitchinterval", "addaudithook"), nothing)
    quiet = {name: Silent() for name in STREAMS}
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
    return {**dict.fromkeys(silent, nothing), "getLogger": lambda name=None: world.of(logging.getLogger(name))}


def os_names(world: World, _: ModuleType) -> Names:
    """``os`` with an environment of its own, that does not end the process; what writes is heard by the guard."""
    refused = {name: refusing(f"os.{name}") for name in ("_exit", "abort")}
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


def contextlib_names(world: World, _: ModuleType) -> Names:
    """``contextlib`` that redirects the streams of the world."""

    def redirecting(name: str) -> Callable[[Any], Any]:
        @contextlib.contextmanager
        def redirect(target: Any) -> Iterator[Any]:
            module = world.of(sys)
            before = getattr(module, name)
            setattr(module, name, target)
            try:
                yield target
            finally:
                setattr(module, name, before)

        return redirect

    return {"redirect_stdout": redirecting("stdout"), "redirect_stderr": redirecting("stderr")}


def io_names(world: World, _: ModuleType) -> Names:
    """``io`` whose files are those of the world."""
    return {"open": world.builtins["open"]}


def threading_names(world: World, _: ModuleType) -> Names:
    """``threading`` whose threads are in the context of the call that starts them, and end quietly."""

    class Thread(threading.Thread):
        def start(self) -> None:
            self._einbackprop_context = copy_context()
            super().start()

        def run(self) -> None:
            with contextlib.suppress(Exception):  # Python itself would print it
                self._einbackprop_context.run(super().run)

    return {**dict.fromkeys(("settrace", "setprofile", "stack_size"), nothing), "Thread": Thread}


def idle(*names: str) -> Callable[[World, ModuleType], Names]:
    """A module some of whose functions do nothing: they would change the process."""
    return lambda *_: dict.fromkeys(names, nothing)


def refused(*names: str) -> Callable[[World, ModuleType], Names]:
    """A module some of whose functions are refused."""
    return lambda _, module: {
        name: refusing(f"{real_module(module).__name__}.{name}") for name in names if hasattr(module, name)
    }


def undrawn(_: World, module: ModuleType) -> Names:
    """A module that draws nothing."""
    return drawing.Undrawn(real_module(module))


def same(function: Any, *_: Any, **__: Any) -> Any:
    """Give back what was to be registered."""
    return function


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


OWN: dict[str, Callable[[World, ModuleType], Names]] = {
    "numpy": idle("set_printoptions", "seterrcall"), "numpy.random": random_names, "numpy.random.mtrand": random_names,
    "sys": sys_names, "warnings": warnings_names, "logging": logging_names, "os": os_names,
    "importlib": importlib_names, "pickle": pickle_names, "contextlib": contextlib_names, "io": io_names,
    "gc": idle("disable", "enable", "freeze", "unfreeze", "set_threshold", "set_debug"),
    "threading": threading_names, "resource": idle("setrlimit"),
    "atexit": lambda *_: {"register": same, "unregister": nothing},
    **dict.fromkeys(("pdb", "ipdb"), idle("set_trace", "post_mortem", "pm", "run", "runcall")),
    "locale": lambda _, module: {"setlocale": lambda category, locale=None: module.setlocale(category)},
    "signal": refused("signal", "setitimer", "alarm", "siginterrupt", "set_wakeup_fd", "pthread_sigmask"),
    "subprocess": refused("Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"),
    "multiprocessing": refused("Process", "Pool"),
}  # fmt: skip
"""What stands in a stand-in, by the module's name."""

REPLACED: dict[int, tuple[str, str]] = {
    id(getattr(module, name)): (module.__name__, name)
    for module, names in (
        (np, ("set_printoptions",)),
        (np.random, ("seed", "sample", "ranf", "set_bit_generator", "get_bit_generator")),
        (sys, ("exit", "settrace", "setprofile", "setrecursionlimit")),
        (warnings, ("warn", "simplefilter", "filterwarnings", "catch_warnings")),
        (logging, ("debug", "info", "warning", "error", "getLogger", "basicConfig")),
        (os, ("_exit", "abort", "getenv")),
        (importlib, ("import_module",)),
        (builtins, ("print", "input", "__import__", "breakpoint", "id")), (io, ("open",)),
        (pickle, ("dumps", "loads")), (contextlib, ("redirect_stdout", "redirect_stderr")),
        (atexit, ("register",)), (gc, ("disable",)), (signal, ("signal", "alarm")),
        (threading, ("Thread",)),
    )
    for name in names if hasattr(module, name)
}  # fmt: skip
"""Functions and classes that are imported by name."""
HOMES = {home.__name__: home for home in (
    np, np.random, sys, warnings, logging, os, importlib, builtins, pickle, contextlib, atexit, gc, signal, io,
    threading,
)}  # fmt: skip


def standing() -> dict[int, tuple[str, str]]:
    """What has a stand-in in every world, by its identity: those functions, and objects of the process."""
    objects = [(sys, name) for name in (*STREAMS, "path", "modules", "argv")] + [(os, "environ"), (warnings, "filters")]
    return REPLACED | {
        id(value): (module.__name__, name) for module, name in objects
        if (value := getattr(module, name, None)) is not None
    }  # fmt: skip


def replaced(world: World, value: Any) -> Any:
    """What stands for a function that was imported by its name; the function itself where nothing does."""
    home, name = world.standing.get(id(value), ("", ""))
    return getattr(world.of(HOMES[home]), name) if home else value
