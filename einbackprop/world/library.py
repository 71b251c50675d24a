"""Copies of what Python, its library and other installed packages make: containers, wrappers, objects."""

from __future__ import annotations

import array as arrays
import collections
import contextvars
import copy
import enum
import functools
import io
import itertools
import logging
import operator
import random
import re
import threading
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.nesting import duplicate_array
from . import modules
from .ownership import MADE_IN_PYTHON, is_users_function
from .refusals import Refused
from .snapshots import EMPTY, slots_of

if TYPE_CHECKING:
    from .copies import World

Rule = Callable[["World", Any], Any]
NUMBERS = tuple({kind for kind in np.sctypeDict.values() if isinstance(kind, type)})
ATOMS = frozenset({
    type(None), bool, int, float, complex, str, bytes, range, slice, type(...), type(NotImplemented), types.CodeType,
    re.Pattern, contextvars.ContextVar, contextvars.Token, types.GenericAlias, types.MemberDescriptorType,
    types.GetSetDescriptorType, operator.attrgetter, operator.itemgetter, operator.methodcaller,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType, weakref.CallableProxyType,
    object, *NUMBERS,
})  # fmt: skip
"""Types of what cannot change."""

TAKEN = "a run takes values from it that your own code then misses. Make a list or an array of them first"
ONE_AT_A_TIME: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("a generator", (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)),
    ("an open file", (io.IOBase,)),
    ("an iterator", (
        type(iter([])), type(iter(())), type(iter({})), type(iter({}.values())), type(iter({}.items())),
        type(iter(set())), type(iter("")), type(iter(b"")), type(iter(range(0))), type(reversed([])), enumerate, filter,
        map, zip, reversed, *(kind for kind in vars(itertools).values() if isinstance(kind, type)),
    )),
)  # fmt: skip


def instance(world: World, value: Any) -> Any:
    """A copy of an object of a class that has no rule of its own: the user's, or an installed package's."""
    kind = type(value)
    for words, kinds in ONE_AT_A_TIME:
        if issubclass(kind, kinds) and not issubclass(kind, io.StringIO | io.BytesIO):
            return Refused(words, TAKEN)
    if issubclass(kind, np.dtype | np.generic | type | enum.Enum):
        return value
    own = world.is_users_class(kind)
    if not own and (not world.is_affordable() or is_settled(world, value)):
        return value
    made = empty(world, world.shell(kind), value)
    if made is None:
        return by_protocol(world, value)
    world.fill(lambda: fill_attributes(world, value, made))
    return made


def is_settled(world: World, value: Any) -> bool:
    """Whether an object is of this package, and holds nothing of the user's: such objects do not change."""
    if not type(value).__module__.startswith("einbackprop."):
        return False
    held = [*getattr(value, "__dict__", {}).values(), *(item for _, item in slots_of(value))]
    return not any(isinstance(item, types.FunctionType) and is_users_function(item) for item in held)


def empty(world: World, kind: type, value: Any) -> Any:
    """An object of a class that is to be filled; None where only the class itself knows how to make one."""
    base = next(b for b in kind.__mro__ if not b.__flags__ & MADE_IN_PYTHON)
    if base is object:
        return object.__new__(kind) if is_plain(kind) else None
    if base is tuple:
        return tuple.__new__(kind, world.inner(tuple.__iter__(value)))
    if base in (int, float, complex, str, bytes):
        return base.__new__(kind, value)
    if base is frozenset:
        return frozenset.__new__(kind, world.inner(frozenset.__iter__(value)))
    if issubclass(base, BaseException):
        return base.__new__(kind, *world.inner(value.args))
    if base is np.ndarray:
        return world.shell(np.asarray(value)).view(kind) if value.dtype != object else objects(world, value)
    if base in CONTAINERS:
        made: Any = base.__new__(kind)
        fill = CONTAINERS[base]
        world.fill(lambda: fill(world, value, made))
        return made
    return None


def is_plain(kind: type) -> bool:
    """Whether objects of a class are attributes and slots, and no memory besides that only C code knows."""
    slots = sum(type(member).__name__ == "member_descriptor" for b in kind.__mro__ for member in vars(b).values())
    return kind.__basicsize__ <= object.__basicsize__ + 8 * (slots + 2)  # two more are its dict and its weak references


def fill_attributes(world: World, value: Any, made: Any) -> None:
    """Give a copy the attributes of the original, without asking the class."""
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        attributes = {}
    own = object.__getattribute__(made, "__dict__") if attributes else {}
    for name, item in attributes.items():
        own[name] = held = world.shell(item)
        if isinstance(held, Refused):
            held.called(f".{name}")
    for (descriptor, item), (same, _) in zip(slots_of(value), slots_of(made), strict=True):
        del descriptor
        if item is not EMPTY:
            same.__set__(made, world.shell(item))


def by_protocol(world: World, value: Any) -> Any:
    """A copy that the class itself makes; where it makes none, a refusal.

    Of a user's function that was compiled, the function.
    """
    inner = getattr(value, "py_func", None) or getattr(value, "__wrapped__", None)
    if isinstance(inner, types.FunctionType) and is_users_function(inner):
        return world.shell(inner)
    try:
        return copy.deepcopy(value)
    except Exception:  # a class of an installed package, which may raise anything
        kind = type(value)
        why = "it cannot be copied, and a run must not change yours"
        return Refused(f"a {kind.__module__}.{kind.__qualname__}", why)


# Containers


def fill_list(world: World, value: Any, made: Any) -> None:
    """Give a list, or a deque, copies of the items."""
    iterate = list.__iter__ if isinstance(value, list) else collections.deque.__iter__
    extend = list.extend if isinstance(made, list) else collections.deque.extend
    extend(made, [world.shell(item) for item in iterate(value)])


def fill_dict(world: World, value: Any, made: Any) -> None:
    """Give a dict copies of the entries, in their order."""
    base: Any = collections.OrderedDict if isinstance(made, collections.OrderedDict) else dict
    if isinstance(made, collections.defaultdict):
        made.default_factory = world.shell(value.default_factory)
    entries = [(world.shell(key), world.shell(item)) for key, item in list(base.items(value))]
    world.fill(lambda: [base.__setitem__(made, key, item) for key, item in entries], late=True)


def fill_set(world: World, value: Any, made: Any) -> None:
    """Give a set copies of the members."""
    members = [world.shell(item) for item in set.__iter__(value)]
    world.fill(lambda: set.update(made, members), late=True)


CONTAINERS: dict[type, Callable[[World, Any, Any], None]] = {
    list: fill_list, collections.deque: fill_list, dict: fill_dict, collections.OrderedDict: fill_dict,
    collections.defaultdict: fill_dict, set: fill_set,
}  # fmt: skip


def container(world: World, value: Any) -> Any:
    """A copy of a list, a deque, a set."""
    kind = type(value)
    make: Any = kind
    made = make(maxlen=value.maxlen) if kind is collections.deque else make()
    fill = CONTAINERS[kind]
    world.fill(lambda: fill(world, value, made))
    return made


def mapping(world: World, value: Any) -> Any:
    """A copy of a dict; of the globals of a module, the copy that the functions of the module have."""
    if type(value) is dict and "__builtins__" in value and "__name__" in value:
        return world.namespace(value).names
    made = type(value)()
    world.fill(lambda: fill_dict(world, value, made))
    return made


def sequence(world: World, value: tuple[Any, ...]) -> Any:
    """A tuple of copies; the tuple itself where nothing in it can change."""
    items = world.inner(value)
    return value if all(a is b for a, b in zip(items, value, strict=True)) else tuple(items)


def frozen(world: World, value: frozenset[Any]) -> Any:
    """A frozen set of copies."""
    items = world.inner(value)
    return value if all(a is b for a, b in zip(items, value, strict=True)) else frozenset(items)


def objects(world: World, array: Any) -> Any:
    """A copy of an array of objects."""
    made = duplicate_array(array)

    def fill() -> None:
        for index in np.ndindex(array.shape):
            made[index] = world.shell(array[index])

    world.fill(fill)
    return made


# Wrappers of functions


def builtin(world: World, value: Any) -> Any:
    """A method of a builtin type over a copy: ``numbers.append``, ``np.random.rand``."""
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType | type):
        return modules.replaced(world, value)
    made = world.shell(owner)
    return value if made is owner else getattr(made, value.__name__)


def partial(world: World, value: Any) -> Any:
    """A partial over copies."""
    function, *given = world.inner([value.func, *value.args])
    made = functools.partial(function, *given)
    named: Any = made.keywords
    named.update({name: world.shell(item) for name, item in value.keywords.items()})
    return made


def cached(world: World, value: Any) -> Any:
    """A function with a cache of its own, which is empty."""
    inner: Any = world.inner([value.__wrapped__])[0]
    decorate: Any = functools.lru_cache(**value.cache_parameters())
    made = decorate(inner)
    world.fill(lambda: vars(made).update({
        name: world.shell(item) for name, item in vars(value).items() if name not in vars(made)}))  # fmt: skip
    return made


def wrapped(world: World, value: Any) -> Any:
    """A class or static method over a copy."""
    return type(value)(*world.inner([value.__func__]))


def accessor(world: World, value: property) -> Any:
    """A property over copies."""
    made = type(value)(*world.inner([value.fget, value.fset, value.fdel]))
    made.__doc__ = value.__doc__
    return made


def leads_to_users(world: World, function: types.FunctionType, depth: int = 4) -> bool:
    """Whether a function of an installed package holds one of the user's, as a decorator's wrapper does."""
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        if is_of_users(world, value) or (
            depth and isinstance(value, types.FunctionType) and leads_to_users(world, value, depth - 1)
        ):
            return True
    inner = getattr(function, "__wrapped__", None)
    return inner is not None and is_of_users(world, inner)


def is_of_users(world: World, value: Any) -> bool:
    """Whether something is the user's, or a container or array that may be."""
    if isinstance(value, types.FunctionType):
        return is_users_function(value)
    if isinstance(value, types.MethodType):
        return is_of_users(world, value.__func__) or is_of_users(world, value.__self__)
    if isinstance(value, type):
        return world.is_users_class(value)
    if isinstance(value, functools.partial | functools._lru_cache_wrapper | list | dict | set | np.ndarray):
        return True
    return world.is_users_class(type(value)) or isinstance(value, np.vectorize)


# What others make


def weak(world: World, value: Any) -> Any:
    """A weak reference to a copy."""
    target = value()
    return value if target is None else weakref.ref(world.shell(target))


def local(world: World, value: Any) -> Any:
    """Values of this thread alone."""
    made = type(value)()
    world.fill(lambda: vars(made).update({name: world.shell(item) for name, item in vars(value).items()}))
    return made


def muted(world: World, value: logging.Logger) -> Any:
    """A logger that says nothing."""
    made = logging.Logger(value.name, logging.CRITICAL + 1)
    made.propagate = False
    return made


def text(world: World, value: Any) -> Any:
    """A file in memory, at the same place."""
    made = type(value)(value.getvalue())
    made.seek(value.tell())
    return made


def view_of_memory(world: World, value: memoryview) -> Any:
    """A view of a copy's memory."""
    return memoryview(world.shell(value.obj))


def cell(world: World, value: types.CellType) -> Any:
    """A variable of an outer function."""
    return world.cell(value)


def method(world: World, value: types.MethodType) -> Any:
    """A bound method over copies."""
    return world.method(value)


def new(world: World, value: Any) -> Any:
    """Another lock, which nobody holds."""
    return threading.RLock() if type(value) is type(threading.RLock()) else threading.Lock()


def copied(world: World, value: Any) -> Any:
    """A copy by the copy protocol of a class of Python's or NumPy's own."""
    return copy.deepcopy(value)


def proxy(world: World, value: types.MappingProxyType[Any, Any]) -> Any:
    """A view of a copy of a dict."""
    return types.MappingProxyType(world.shell(dict(value)))


def itself(world: World, value: Any) -> Any:
    """What cannot change, but may have a stand-in."""
    return value


def simple(world: World, value: types.SimpleNamespace) -> Any:
    """Attributes alone."""
    made = types.SimpleNamespace()
    world.fill(lambda: fill_attributes(world, value, made))
    return made


RULES: dict[type, Rule] = {
    list: container, collections.deque: container, set: container, dict: mapping, collections.OrderedDict: mapping,
    collections.defaultdict: mapping, tuple: sequence, frozenset: frozen, types.MethodType: method,
    types.BuiltinFunctionType: builtin, types.CellType: cell, functools.partial: partial,
    functools._lru_cache_wrapper: cached, classmethod: wrapped, staticmethod: wrapped, property: accessor,
    weakref.ref: weak, threading.local: local, logging.Logger: muted, logging.RootLogger: muted, io.StringIO: text,
    io.BytesIO: text, memoryview: view_of_memory, type(threading.Lock()): new, type(threading.RLock()): new,
    type(np.sum): modules.replaced, type(np.random.seed): modules.replaced, np.ufunc: itself,
    types.SimpleNamespace: simple, types.MappingProxyType: proxy,
    bytearray: copied, arrays.array: copied, np.random.Generator: copied,
    np.random.RandomState: copied, random.Random: copied,
    **{kind: copied for kind in vars(np.random).values()
       if isinstance(kind, type) and issubclass(kind, np.random.BitGenerator) and kind is not np.random.BitGenerator},
}  # fmt: skip
