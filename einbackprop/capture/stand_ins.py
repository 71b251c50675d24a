"""What stands for NumPy and ``math`` in the private copy of the code that is traced."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, ModuleType
from typing import Any

import numpy as np
from numpy.lib import stride_tricks

from ..world import World
from ..world.modules import Private, held, in_another_world, real_module
from .namespace import Function, Module, builtins_for, math_for, numpy_for
from .recorder import Recorder


class StandIns:
    """The traced ``np`` and ``math`` of one world, made where the code first refers to them."""

    def __init__(self, recorder: Recorder, world: World) -> None:
        self._recorder, self._world = recorder, world
        self._homes: list[Module] = []
        self._modules: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """What stands for a module, class or function; itself where nothing does."""
        if isinstance(value, ModuleType):
            real = real_module(value)
            if real in (np, np.random):
                self._begin(value)
            elif not self._modules and (real is math or real.__name__.startswith("numpy")):
                self._begin(np)
            return self._modules.get(id(real), value)
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, np.random.RandomState):
            return Function(getattr(self._world.of(value.__self__), value.__name__), self._recorder)
        name, module = getattr(value, "__name__", None), getattr(value, "__module__", None) or ""
        if not isinstance(name, str) or not isinstance(module, str):
            return value
        if module.startswith("numpy") or isinstance(value, np.ufunc):
            self._begin(np)
            for home in self._homes:
                if getattr(home.module, name, None) is value:
                    return getattr(home, name)
        if module == "math":
            self._begin(np)
            return getattr(self._modules[id(math)], name)
        return value

    def _begin(self, module: ModuleType) -> None:
        """Make the stand-ins; the random numbers go on from where those of the module are that is met first."""
        if self._modules:
            return
        random = module if real_module(module) is np.random else held(module).get("random")
        random = in_another_world(random, self._world) if isinstance(random, Private) else Private(
            self._world, np.random)  # fmt: skip
        numpy = numpy_for(self._recorder, Private(self._world, np), random)
        self._modules = {
            id(np): numpy, id(math): math_for(self._recorder), id(np.linalg): numpy.linalg,
            id(np.random): numpy.random, id(np.lib): numpy.lib, id(stride_tricks): numpy.lib.stride_tricks,
        }  # fmt: skip
        self._homes = [numpy, numpy.linalg, numpy.random, numpy.lib.stride_tricks]


def traced_world(recorder: Recorder, traced: Any, code: Callable[[CodeType], CodeType]) -> World:
    """A world in which arrays are what ``traced`` makes of them, NumPy's functions record what they do, and ``code``
    gives the code of the user's functions."""
    world = World(array=traced, builtins=builtins_for(recorder), once=True, code=code)
    world.stand_in = StandIns(recorder, world).of
    return world
