"""Copies of arrays, in the same layout: what looks at one memory looks at one memory."""

from __future__ import annotations

import array as arrays
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..core.nesting import duplicate_array

if TYPE_CHECKING:
    from .copies import World

WHOLE = 1 << 26  # bytes: of a larger memory only the part that is looked at is copied
BUFFERS = (bytearray, arrays.array)


def copied(world: World, array: Any) -> Any:
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
