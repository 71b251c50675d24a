"""What copies hold when they are made, and putting it back between two runs."""

import array
import collections
import contextlib
import functools
import random
from collections import deque
from collections.abc import Callable
from operator import is_
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..core.nesting import attributes_of

Restore = Callable[[], None]
GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
EMPTY = object()


class Snapshot:
    """The content of objects that can change, as it was when they were added."""

    def __init__(self) -> None:
        self._restores: list[Restore] = []
        self._attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._generators: list[tuple[Callable[[], Any], Callable[[Any], Any], Any]] = []  # read, write, what was read

    def restore(self, *, random: bool = True) -> None:
        """Put everything back."""
        for put_back in self._restores:
            put_back()
        for attributes, held in self._attributes:
            if attributes or held:
                put_entries_back(attributes, held)
        if random:
            for _, write, words in self._generators:
                write(words)

    def drawn(self) -> list[Any]:
        """How far the random generators are: two runs that end alike have drawn the same numbers."""
        return [read() for read, _, _ in self._generators]

    def add_restore(self, put_back: Restore) -> None:
        """Remember how something is put back."""
        self._restores.append(put_back)

    def add(self, made: Any) -> None:
        """Remember the content of an object; of what cannot change there is none."""
        kind = type(made)
        if issubclass(kind, GENERATORS):
            self._add_generator(made)
        elif issubclass(kind, np.ndarray):
            self._add_array(made)
            if kind is not np.ndarray:
                self._add_attributes(made)
        elif kind is CellType:
            self._add_cell(made)
        elif kind is functools._lru_cache_wrapper:
            self._restores.append(made.cache_clear)
        else:
            self._add_content(made)
            self._add_attributes(made)

    def _add_array(self, made: Any) -> None:
        shape, content = made.shape, None
        if not isinstance(made.base, np.ndarray) and made.flags.writeable and made.size:  # views look at what is kept
            content = made.copy()

        def put_back() -> None:
            if made.shape != shape:  # somebody wrote ``x.shape += (1,)``
                made.shape = shape
            if content is not None:
                np.copyto(made, content)

        self._restores.append(put_back)

    def _add_cell(self, made: CellType) -> None:
        content = content_of(made)

        def put_back() -> None:
            if content is EMPTY:
                if content_of(made) is not EMPTY:
                    del made.cell_contents
            else:
                made.cell_contents = content

        self._restores.append(put_back)

    def _add_generator(self, made: Any) -> None:
        if isinstance(made, np.random.Generator):
            made = made.bit_generator
        read: Callable[[], Any]
        write: Callable[[Any], Any]
        if isinstance(made, np.random.BitGenerator):
            read, write = (lambda: made.state), (lambda words: setattr(made, "state", words))
        elif isinstance(made, np.random.RandomState):
            read, write = (lambda: made.get_state(legacy=False)), made.set_state
        elif isinstance(made, random.SystemRandom):
            return
        else:
            read, write = (lambda: random.Random.getstate(made)), (lambda words: random.Random.setstate(made, words))
        self._generators.append((read, write, read()))

    def _add_content(self, made: Any) -> None:
        if isinstance(made, dict):
            base: Any = collections.OrderedDict if isinstance(made, collections.OrderedDict) else dict
            entries = dict(base.items(made))
            self._restores.append(lambda: put_entries_back(made, entries, base))
        elif isinstance(made, list):
            items = list(list.__iter__(made))
            self._restores.append(lambda: list.__setitem__(made, slice(None), items))
        elif isinstance(made, deque):
            queue = list(deque.__iter__(made))
            self._restores.append(lambda: (deque.clear(made), deque.extend(made, queue))[0])
        elif isinstance(made, set):
            members = set(set.__iter__(made))
            self._restores.append(lambda: (set.clear(made), set.update(made, members))[0])
        elif isinstance(made, bytearray | array.array):
            content = made[:]
            self._restores.append(lambda: put_bytes_back(made, content))

    def _add_attributes(self, made: Any) -> None:
        if isinstance(made, type):
            members = dict(vars(made))
            self._restores.append(lambda: put_members_back(made, members))
            return
        if isinstance(made, FunctionType) and (defaults := made.__defaults__) is not None:
            self._restores.append(lambda: setattr(made, "__defaults__", defaults))  # its code may have been edited
        if isinstance(made, ModuleType):  # of the user's, its names are kept; of ours, nothing is
            return
        attributes = attributes_of(made)
        self._attributes.append((attributes, dict(attributes)))
        if slots := slots_of(made):
            self._restores.append(lambda: put_slots_back(made, slots))


def content_of(cell: CellType) -> Any:
    """What a cell holds, or ``EMPTY``."""
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY


def slots_of(value: Any) -> list[tuple[Any, Any]]:
    """The slots of an object, each with what it holds, or ``EMPTY``."""
    found = []
    for base in type(value).__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            mangled = f"_{base.__name__.lstrip('_')}{name}" if is_private(name) else name
            descriptor: Any = vars(base).get(mangled)
            if type(descriptor).__name__ == "member_descriptor":
                try:
                    found.append((descriptor, descriptor.__get__(value, type(value))))
                except AttributeError:
                    found.append((descriptor, EMPTY))
    return found


def is_private(name: str) -> bool:
    """Whether Python mangles a name in a class."""
    return name.startswith("__") and not name.endswith("__")


def put_bytes_back(made: Any, content: Any) -> None:
    """Make a byte array or array of the library what it was; while something looks at it, its size cannot change."""
    if len(made) == len(content):
        memoryview(made)[:] = memoryview(content)
    else:
        made[:] = content


def put_slots_back(made: Any, held: list[tuple[Any, Any]]) -> None:
    """Give slots what they held."""
    for descriptor, value in held:
        if value is not EMPTY:
            descriptor.__set__(made, value)
        else:
            with contextlib.suppress(AttributeError):  # it is empty
                descriptor.__delete__(made)


def put_entries_back(made: Any, held: dict[Any, Any], base: Any = dict) -> None:
    """Make a dict what it was, by the methods of its base class."""
    values_are = len(made) == len(held) and all(map(is_, base.values(made), held.values()))
    if not values_are or not all(map(is_, base.keys(made), held)):
        base.clear(made)
        base.update(made, held)


def put_members_back(made: type, held: dict[str, Any]) -> None:
    """Make a class what it was."""
    now = dict(vars(made))
    if now.keys() == held.keys() and all(now[name] is value for name, value in held.items()):
        return
    for name in now.keys() - held.keys():
        type.__delattr__(made, name)
    for name, value in held.items():
        if now.get(name) is not value and name not in ("__dict__", "__weakref__"):
            type.__setattr__(made, name, value)
