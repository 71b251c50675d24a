"""Libraries that draw: what code asks of them in a world is done with nothing.

A check runs code many times, and nobody looks at its figures: a loop that draws in each round would take all the time.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

LIBRARIES = frozenset(("matplotlib", "mpl_toolkits", "pylab", "seaborn", "plotly", "bokeh"))
READING = frozenset(("imread",))
"""What gives data."""
UNPACK, TWO = dis.opmap["UNPACK_SEQUENCE"], 2


def draws(module: str | None) -> bool:
    """Whether a module is of a library that draws."""
    return isinstance(module, str) and module.partition(".")[0] in LIBRARIES


class Nothing:
    """What such a library gives: whatever is asked of it gives the same.

    >>> figure, (left, right), more = Nothing()
    >>> left.plot([1, 2])[0].set(color="red") is figure
    True
    """

    def __call__(self, *_: Any, **__: Any) -> Nothing:
        return self

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Nothing is kept."""

    def __getitem__(self, key: Any) -> Nothing:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        """Nothing is kept."""

    def __iter__(self) -> Iterator[Nothing]:
        """As many as are unpacked, ``figure, axes = plt.subplots()``; else two."""
        frame = sys._getframe(1)
        code = frame.f_code.co_code
        unpacked = frame.f_lasti >= 0 and code[frame.f_lasti] == UNPACK
        return iter([self] * (code[frame.f_lasti + 1] if unpacked else TWO))

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        return None


NOTHING = Nothing()


def stand_in(name: str, value: Any) -> Any:
    """What stands for something of a module that draws: itself if it does not draw, as ``pylab`` has all of NumPy."""
    own = getattr(value, "__module__", None), type(value).__module__
    return NOTHING if callable(value) and name not in READING and any(map(draws, own)) else value


class Undrawn(dict[str, Any]):
    """The names of a module, of which all that draws does nothing."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__()
        self._module = module

    def get(self, name: str, default: Any = None) -> Any:
        """What stands for a name; the default for what draws nothing."""
        found = stand_in(name, getattr(self._module, name, None))
        return found if found is NOTHING else default


class Unseen(ModuleType):
    """A module that draws, where its drawings are not looked at."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        vars(self).update({name: value for name, value in vars(module).items() if name.startswith("__")})
        vars(self)["_module"] = module
        self.__all__ = getattr(module, "__all__", [name for name in dir(module) if not name.startswith("_")])

    def __getattr__(self, name: str) -> Any:
        value = getattr(vars(self)["_module"], name)
        return sys.modules.get(value.__name__, value) if isinstance(value, ModuleType) else stand_in(name, value)


@contextmanager
def undrawn() -> Iterator[None]:
    """Let what is run draw nothing, of libraries that are imported by now."""
    own = {name: module for name, module in sys.modules.items() if draws(name)}
    sys.modules.update({name: Unseen(module) for name, module in own.items()})
    try:
        yield
    finally:
        for name in [name for name in sys.modules if draws(name)]:
            del sys.modules[name]  # one that was imported meanwhile knows the others as they were
        sys.modules.update(own)
