"""Copies of what the standard library and NumPy make, which have an inside of their own.

Arrays are copied in the same layout: what looks at one memory looks at one memory. Where something cannot be copied
stands a refusal that names it, once the code uses it.
"""

from __future__ import annotations

import array
import contextvars
import copy
import functools
import gc
import io
import logging
import random
import threading
import types
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..core.nesting import duplicate_array
from ..errors import RefusedError
from .ownership import is_users_function

if TYPE_CHECKING:
    from .copies import World


HOLDERS = (functools.partial, functools._lru_cache_wrapper, list, dict, set, np.ndarray, np.vectorize)


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
    kind = type(value)  # what its `__class__` says may be code of the user's
    if kind is types.FunctionType:
        return is_users_function(value)
    if kind is types.MethodType:
        return is_of_users(world, value.__func__) or is_of_users(world, value.__self__)
    if issubclass(kind, type):
        return world.is_users_class(value)
    return issubclass(kind, HOLDERS) or world.is_users_class(kind)


def weak(world: World, value: Any) -> Any:
    """A weak reference to a copy."""
    target = value()
    if target is None:
        return value
    if isinstance(value, weakref.WeakMethod):
        return weakref.WeakMethod(world.method(target))
    keyed: Any = weakref.KeyedRef
    made = world.shell(target)
    return keyed(made, None, world.shell(value.key)) if isinstance(value, keyed) else weakref.ref(made)


def weak_proxy(world: World, value: Any) -> Any:
    """A weak proxy of a copy."""
    try:
        target = value.__dir__.__self__
    except ReferenceError:  # there is none any more
        return value
    return weakref.proxy(world.shell(target))


def view_of_dict(world: World, value: Any) -> Any:
    """The keys, values or entries of a copy of a dict."""
    made = world.shell(gc.get_referents(value)[0])
    return {type({}.keys()): dict.keys, type({}.values()): dict.values}.get(type(value), dict.items)(made)


def key_function(world: World, value: Any) -> Any:
    """What ``functools.cmp_to_key`` makes of a copy of the comparison."""
    comparison = next(inner for inner in gc.get_referents(value) if inner is not type(value))
    return functools.cmp_to_key(world.inner([comparison])[0])


def generic(world: World, value: types.GenericAlias) -> Any:
    """``Box[int]`` of a copy of the class."""
    origin, *arguments = world.inner([value.__origin__, *value.__args__])
    return types.GenericAlias(origin, tuple(arguments)) if origin is not value.__origin__ else value


def attributes_alone(world: World, value: Any) -> Any:
    """What has attributes alone: a namespace, or the values of this thread."""
    made = type(value)()
    world.fill(lambda: vars(made).update({name: world.shell(item) for name, item in vars(value).items()}))
    return made


def muted(world: World, value: logging.Logger) -> Any:
    """A logger that says nothing."""
    made = logging.Logger(value.name, logging.CRITICAL + 1)
    made.propagate = False
    world.fill(lambda: vars(made).update(handlers=world.shell(value.handlers), filters=world.shell(value.filters)))
    return made


def text(world: World, value: Any) -> Any:
    """A file in memory, at the same place."""
    made = type(value)(value.getvalue())
    made.seek(value.tell())
    return made


def new(world: World, value: Any) -> Any:
    """Another lock, which nobody holds."""
    return threading.RLock() if type(value) is type(threading.RLock()) else threading.Lock()


def copied(world: World, value: Any) -> Any:
    """A copy by the copy protocol of a class of Python's or NumPy's own."""
    return copy.deepcopy(value)


def random_generator(world: World, kind: Any, value: Any) -> Any:
    """A random generator of a class of the user's, in the same state; the class is not asked."""
    if isinstance(value, random.Random):
        made = random.Random.__new__(kind)
        random.Random.setstate(made, random.Random.getstate(value))
    elif isinstance(value, np.random.RandomState):
        made = np.random.RandomState.__new__(kind)
        np.random.RandomState.__init__(made, world.shell(value._bit_generator))
        np.random.RandomState.set_state(made, np.random.RandomState.get_state(value, legacy=False))
    else:
        made = np.random.Generator.__new__(kind)
        np.random.Generator.__init__(made, world.shell(value.bit_generator))
    return made


def universal(world: World, value: np.ufunc) -> Any:
    """A ufunc of a user's function over a copy of it; NumPy's own are nobody's."""
    for inner in gc.get_referents(value):
        if callable(inner) and is_of_users(world, inner):
            return np.frompyfunc(world.inner([inner])[0], value.nin, value.nout, identity=value.identity)
    return value


def flat(world: World, value: Any) -> Any:
    """An iterator over a copy of an array, at the same place."""
    made = world.shell(value.base).flat
    for _ in range(value.index):
        next(made)
    return made


def variable(world: World, value: contextvars.ContextVar[Any]) -> Any:
    """A variable of the context: each call is in a context of its own, in which it holds a copy."""
    world.variables.append(value)
    return world.settled(value)


def context(world: World, value: contextvars.Context) -> Any:
    """A context that holds copies."""
    made = value.copy()

    def fill() -> None:
        for variable, item in value.items():
            if is_of_users(world, item):
                variable.set(world.shell(item))

    world.fill(lambda: made.run(fill))
    return made


def pool(world: World, value: Any) -> Any:
    """Other threads, as many."""
    make: Any = type(value)
    return make(value._max_workers) if hasattr(value, "_max_workers") else value


def is_written_only(value: Any) -> bool:
    """Whether an open file is one that nobody reads."""
    try:
        return bool(value.writable() and not value.readable())
    except (AttributeError, ValueError):  # no file, or closed
        return False


class Silent(io.TextIOBase):
    """A stream that what is written to it is lost in."""

    encoding = "utf-8"

    def write(self, text: Any) -> int:
        """Lose a text."""
        return len(text)

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True


if TYPE_CHECKING:
    from .copies import World

WHOLE = 1 << 26  # bytes: of a larger memory only the part that is looked at is copied
BUFFERS = (bytearray, array.array)


def ndarray(world: World, array: Any) -> Any:
    """A copy of an array: a view where the array is one."""
    if array.dtype.hasobject:
        return objects(world, array)
    if world.array is not None:
        return world.array(array)
    made = viewed(world, array)
    if not array.flags.writeable:
        world.fill(lambda: made.setflags(write=False), late=True)
    return made


def viewed(world: World, array: Any) -> Any:
    """The copy, of memory of its own only where the array has that."""
    owner, holder = owner_of(array)
    if array.size == 0 or owner.dtype.hasobject:
        return duplicate_array(array)
    if isinstance(holder, BUFFERS):
        memory, start = np.frombuffer(world.shell(holder), np.uint8), byte_bounds(np.frombuffer(holder, np.uint8))[0]
    elif owner is array:
        part = world.memories.get(id(owner))
        if part is None:
            return duplicate_array(array)
        part[...] = bytes_of(owner)
        memory, start = part, byte_bounds(owner)[0]
    else:
        memory, start = memory_of(world, owner, array), byte_bounds(owner)[0]
    if memory is None:
        return duplicate_array(array)
    offset = array.__array_interface__["data"][0] - start
    return np.ndarray(array.shape, array.dtype, buffer=memory, offset=offset, strides=array.strides)


def owner_of(array: Any) -> tuple[Any, Any]:
    """The array whose memory an array looks at, and what else holds that memory."""
    while True:
        base = array.base
        if isinstance(base, memoryview):
            base = base.obj
        if type(base).__name__ == "DummyArray":  # what `as_strided` leaves
            base = base.base
        if not isinstance(base, np.ndarray):
            return array, base
        array = base


def bytes_of(owner: Any) -> Any:
    """The memory of an array as bytes, in its order; None if there are gaps in it."""
    flat = np.asarray(owner).ravel(order="K")
    return flat.view(np.uint8) if np.may_share_memory(flat, owner) else None


def memory_of(world: World, owner: Any, array: Any) -> Any:
    """A copy of the memory of an owner: all of it, or, where that is large, what an array looks at."""
    content = bytes_of(owner)
    if content is None:
        return None
    if (owner.nbytes <= max(WHOLE, 8 * array.nbytes) and type(owner) is np.ndarray) or world.found(owner) is not None:
        made = world.shell(owner)
        if isinstance(made, np.ndarray):
            return np.asarray(bytes_of(made))
    try:
        memory = world.memories.get(id(owner))
        if memory is None:
            memory = world.memories[id(owner)] = np.empty(owner.nbytes, np.uint8)  # costs nothing until it is written
            world.keep_alive(owner)
    except MemoryError:
        return None
    low, high = (end - byte_bounds(owner)[0] for end in byte_bounds(array))
    memory[low:high] = content[low:high]
    part, start = memory[low:high], memory[low:high].copy()
    world.restore_with(lambda: np.copyto(part, start))
    return memory


def objects(world: World, array: Any) -> Any:
    """A copy of an array of objects, or of records that hold objects."""
    made = duplicate_array(array)
    world.fill(lambda: fill_objects(world, array, made))
    return made


def fill_objects(world: World, array: Any, made: Any) -> None:
    """Give an array copies of its objects."""
    for name in array.dtype.names or ():
        if array.dtype[name].hasobject:
            fill_objects(world, array[name], made[name])
    if array.dtype == object:
        for index in np.ndindex(array.shape):
            made[index] = world.shell(array[index])


USES = (
    "__call__", "__iter__", "__next__", "__len__", "__getitem__", "__setitem__", "__contains__", "__enter__",
    "__exit__", "__await__", "__aiter__", "__anext__", "__bool__", "__array__", "__index__", "__float__", "__add__",
    "__radd__", "__mul__", "__rmul__", "__sub__", "__rsub__", "__matmul__", "__rmatmul__",
    "__truediv__", "__rtruediv__", "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__pow__", "__rpow__",
    "__neg__", "__abs__", "__lt__", "__le__", "__gt__", "__ge__", "__int__",
)  # fmt: skip


class Refused:
    """Stands for an object that cannot be copied, and says so when it is used.

    Parameters
    ----------
    what, why
        The kind of the object, and why a run of the code must not have it: parts of one sentence.
    """

    __slots__ = ("_einbackprop_name", "_einbackprop_what", "_einbackprop_why")

    def __init__(self, what: str, why: str) -> None:
        self._einbackprop_name, self._einbackprop_what, self._einbackprop_why = "", what, why

    def called(self, name: str) -> None:
        """Tell how the user calls it; the first name stays."""
        self._einbackprop_name = self._einbackprop_name or name

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raise the refusal."""
        name = self._einbackprop_name
        subject = f"{name} is {self._einbackprop_what}" if name else f"the code uses {self._einbackprop_what}"
        raise RefusedError(f"{subject}: {self._einbackprop_why}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):  # asked by Python and NumPy of anything
            raise AttributeError(name)
        self.refuse()


for use in USES:
    setattr(Refused, use, Refused.refuse)
