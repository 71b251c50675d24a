"""Copies of what Python, its library and other installed packages make: containers, wrappers, objects."""

from __future__ import annotations

import array
import collections
import contextvars
import copy
import enum
import functools
import io
import itertools
import json
import logging
import operator
import random
import re
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.nesting import attributes_of
from . import drawing, modules, others, ownership
from .others import Refused
from .snapshots import EMPTY, GENERATORS, slots_of

if TYPE_CHECKING:
    from .copies import World

Rule = Callable[["World", Any], Any]
NUMBERS = tuple({kind for kind in np.sctypeDict.values() if isinstance(kind, type)})
ATOMS = frozenset({
    type(None), bool, int, float, complex, str, bytes, range, slice, type(...), type(NotImplemented), types.CodeType,
    re.Pattern, contextvars.Token, types.MemberDescriptorType,
    types.GetSetDescriptorType, operator.attrgetter, operator.itemgetter, operator.methodcaller,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType, object, np.broadcast,
    type(json.JSONDecoder().scan_once), *NUMBERS,  # type: ignore[attr-defined]
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
    if drawing.draws(kind.__module__):
        return drawing.NOTHING
    for words, kinds in ONE_AT_A_TIME:
        if issubclass(kind, kinds) and not issubclass(kind, io.StringIO | io.BytesIO):
            return others.Silent() if others.is_written_only(value) else Refused(words, TAKEN)
    if issubclass(kind, weakref.ref):
        return others.weak(world, value)
    if kind.__module__ == "concurrent.futures.thread":
        return others.pool(world, value)
    own = world.is_users_class(kind)
    if issubclass(kind, np.dtype | np.generic | type) or (issubclass(kind, enum.Enum) and not own):
        return value
    if hasattr(kind, "n_sequence_fields"):  # such as `time.localtime()`: numbers and texts
        return value
    if not own and (not world.is_affordable() or is_settled(world, value) or is_sentinel(value)):
        return value
    if world.array is not None and (kind is np.poly1d or kind.__module__.startswith("numpy.polynomial")):
        return by_protocol(world, value)  # it computes by itself, unseen
    made = empty(world, world.shell(kind), value)
    if made is None:
        return by_protocol(world, value)
    world.fill(lambda: fill_attributes(world, value, made))
    return made


def held_by(value: Any) -> Iterator[Any]:
    """What the attributes and the slots of an object hold."""
    yield from attributes_of(value).values()
    yield from (item for _, item in slots_of(value))


def is_settled(world: World, value: Any) -> bool:
    """Whether an object is of this package, and holds nothing of the user's: such objects do not change."""
    if not type(value).__module__.startswith("einbackprop."):
        return False
    functions = [item for item in held_by(value) if isinstance(item, types.FunctionType)]
    return not any(map(ownership.is_users_function, functions))


def is_sentinel(value: Any) -> bool:
    """Whether an object is a name of an installed module that holds nothing: it is known by its identity."""
    names = vars(sys.modules.get(type(value).__module__, types)).values()
    return all(type(item) in ATOMS for item in held_by(value)) and any(item is value for item in names)


def empty(world: World, kind: Any, value: Any) -> Any:
    """An object of a class that is to be filled; None where only the class itself knows how to make one."""
    base = next(b for b in kind.__mro__ if not b.__flags__ & ownership.MADE_IN_PYTHON)
    if base is object:
        try:
            return object.__new__(kind) if is_plain(kind) else None
        except TypeError:  # C code makes it
            return None
    if base is tuple:
        return tuple.__new__(kind, world.inner(tuple.__iter__(value)))
    if base in PLAIN:
        return base.__new__(kind, PLAIN[base](value))
    if issubclass(kind, GENERATORS):
        return others.random_generator(world, kind, value)
    if base is frozenset:
        return frozenset.__new__(kind, world.inner(frozenset.__iter__(value)))
    if issubclass(base, BaseExceptionGroup):
        return base.__new__(kind, value.message, world.inner(value.exceptions))
    if issubclass(base, BaseException):
        return base.__new__(kind, *world.inner(value.args))
    if base is np.ndarray:
        return world.shell(np.asarray(value)).view(kind) if not value.dtype.hasobject else others.objects(world, value)
    if base in CONTAINERS:
        made: Any = base.__new__(kind)
        fill = CONTAINERS[base]
        world.fill(lambda: fill(world, value, made))
        return made
    return None


PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int.__int__, float: float.__float__, complex: complex.__complex__, str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
}  # fmt: skip
"""What a number or text is, whatever its class says."""


def is_plain(kind: type) -> bool:
    """Whether objects of a class are attributes and slots, and no memory besides that only C code knows."""
    slots = sum(type(member).__name__ == "member_descriptor" for b in kind.__mro__ for member in vars(b).values())
    return kind.__basicsize__ <= object.__basicsize__ + 8 * (slots + 2)  # two more are its dict and its weak references


def fill_attributes(world: World, value: Any, made: Any) -> None:
    """Give a copy the attributes of the original, without asking the class."""
    own = attributes_of(made)
    for name, item in attributes_of(value).items():
        own[name] = held = world.shell(item)
        if type(held) is Refused:
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
    if isinstance(inner, types.FunctionType) and ownership.is_users_function(inner):
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


def sequence(world: World, value: Any) -> Any:
    """A tuple or frozen set of copies; itself where nothing in it can change."""
    items = world.inner(value)
    if all(a is b for a, b in zip(items, value, strict=True)):
        return world.settled(value)
    return type(value)(items)


def parts(value: Any) -> tuple[Any, ...]:
    """What something is made of that must be whole before it can be made."""
    if isinstance(value, tuple | frozenset):
        return tuple(tuple.__iter__(value) if isinstance(value, tuple) else frozenset.__iter__(value))
    if isinstance(value, functools.partial):
        return (value.func, *value.args)
    if isinstance(value, types.MethodType):
        return (value.__func__, value.__self__)
    return (value.__wrapped__,) if isinstance(value, functools._lru_cache_wrapper) else ()


def inside_out(world: World, values: list[Any]) -> Iterator[Any]:
    """What values are made of, the innermost first, so that depth costs no stack."""
    pending, seen = [(value, False) for value in values], set[int]()
    while pending:
        value, ready = pending.pop()
        if ready:
            yield value
        elif id(value) not in seen and world.found(value) is None:
            seen.add(id(value))
            inner = parts(value)
            pending += [(value, True)] * bool(inner) + [(part, False) for part in inner]



# Wrappers of functions


def builtin(world: World, value: Any) -> Any:
    """A method of a builtin type over a copy: ``numbers.append``, ``np.random.rand``."""
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType | type):
        return modules.replaced(world, value)
    if not hasattr(type(owner), value.__name__):  # a function of C code that keeps its own record as the owner
        return value
    made = world.shell(owner)
    if made is owner or type(made) is Refused:
        return value if made is owner else made
    return getattr(made, value.__name__)


def partial(world: World, value: Any) -> Any:
    """A partial over copies."""
    function, *given = world.inner([value.func, *value.args])
    made: Any = functools.partial(len)
    named = {name: world.shell(item) for name, item in value.keywords.items()}
    held = {name: world.shell(item) for name, item in vars(value).items()}
    # the class of an object that is called may be empty yet, and is no callable then
    world.fill(lambda: made.__setstate__((function, tuple(given), named, held)), late=True)
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


RULES: dict[type, Rule] = {
    list: container, collections.deque: container, set: container, dict: mapping, collections.OrderedDict: mapping,
    collections.defaultdict: mapping, tuple: sequence, frozenset: sequence,
    types.MethodType: lambda world, value: world.method(value), types.BuiltinFunctionType: builtin,
    types.CellType: lambda world, value: world.cell(value), functools.partial: partial,
    functools._lru_cache_wrapper: cached, classmethod: wrapped, staticmethod: wrapped, property: accessor,
    threading.local: others.attributes_alone, logging.Logger: others.muted, logging.RootLogger: others.muted,
    io.StringIO: others.text, io.BytesIO: others.text,
    memoryview: lambda world, value: memoryview(world.shell(value.obj)),
    type(threading.Lock()): others.new, type(threading.RLock()): others.new, np.flatiter: others.flat,
    type(np.sum): modules.replaced, type(np.random.seed): modules.replaced, np.ufunc: others.universal,
    types.MappingProxyType: lambda world, value: types.MappingProxyType(world.shell(dict(value))),
    types.SimpleNamespace: others.attributes_alone, contextvars.Context: others.context,
    contextvars.ContextVar: others.variable, types.GenericAlias: others.generic,
    weakref.ProxyType: others.weak_proxy, weakref.CallableProxyType: others.weak_proxy,
    type({}.keys()): others.view_of_dict, type({}.values()): others.view_of_dict,
    type({}.items()): others.view_of_dict, type(functools.cmp_to_key(min)): others.key_function,
    bytearray: others.copied, array.array: others.copied, np.random.Generator: others.copied,
    np.random.RandomState: others.copied, random.Random: others.copied, random.SystemRandom: lambda world, value: value,
    **{kind: others.copied for kind in vars(np.random).values()
       if isinstance(kind, type) and issubclass(kind, np.random.BitGenerator) and kind is not np.random.BitGenerator},
}  # fmt: skip
