"""Memory as NumPy has it: several arrays may be views of one buffer, and a write through one is seen through all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from ..core.dimensions import Axis
from ..core.nesting import root, unlike_arrays
from ..core.records import dataclass
from ..errors import TraceError

if TYPE_CHECKING:
    from .recorder import Recorder


@dataclass(frozen=True, slots=True)
class Slice:
    """A window along a stored axis: the entries start, start + step, …; ``axis`` is the dimension of the window.

    ``begin`` is the start as an expression of sizes.
    """

    start: int
    step: int
    axis: Axis
    begin: Any = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class At:
    """One entry along a stored axis; ``pick`` names the traced integer that says which, from ``start`` on, if one does.
    """

    position: int
    pick: str = ""
    start: int = 0


Window = tuple[Slice | At | None, ...]


class Buffer:
    """Memory that traced arrays share.

    A view that is not another arrangement of the same letters, as a reshape that splits an axis, has a buffer of its
    own, with the one that it is a view of as its base: a write here is written to the base as well, and where the base
    was written to, this one is read from it again.

    Attributes
    ----------
    name : str
        The value that it holds now.
    derived : Derived or None
        How it follows from its base, where it has one.
    shared : bool
        It is an argument that shares its memory with another argument: what a write does there is not followed.
    """

    __slots__ = ("derived", "name", "shared")

    def __init__(self, name: str) -> None:
        self.name, self.shared = name, False
        self.derived: Derived | None = None

    @property
    def root(self) -> Buffer:
        """The buffer that this one follows from in the end."""
        return self if self.derived is None else self.derived.base.buffer.root


@dataclass(slots=True)
class Derived:
    """How the content of a buffer follows from another, as a reshape does that splits an axis.

    Attributes
    ----------
    base : View
        What it follows from.
    read : callable
        Reads the base again: the name of the value.
    seen : str
        The value of the base's buffer that was read last.
    back : callable or None
        The derived buffer as the base has it, to be written there; None where that is not known how.
    """

    base: View
    read: Callable[[], str]
    seen: str
    back: Callable[[], View] | None = None


class View:
    """What a traced array is made of.

    Attributes
    ----------
    recorder : Recorder
    buffer : Buffer
        Views of one array share it, so that a write through one is seen through all.
    window : tuple
        For each stored axis of the buffer's value: None (whole), a ``Slice`` or an ``At``.
    axes : tuple of tuples
        Which stored axes each axis of this array carries, in order: a transpose only reorders them.
    value : array or scalar
        What it is in this run; NumPy itself keeps it right when views are written to.
    """

    __slots__ = ("__weakref__", "axes", "buffer", "recorder", "value", "window")

    def __init__(
        self, recorder: Recorder, buffer: Buffer, window: Window, axes: Iterable[tuple[int, ...]], value: Any
    ) -> None:
        self.recorder, self.buffer, self.window, self.axes, self.value = recorder, buffer, window, tuple(axes), value
        recorder.living.add(self)

    def like(self, axes: Iterable[tuple[int, ...]], value: Any, window: Window | None = None) -> Any:
        """Another view of the same buffer."""
        return type(self)(self.recorder, self.buffer, self.window if window is None else window, axes, value)

    def copied(self, value: Any) -> Any:
        """The same entries in memory of their own."""
        return type(self)(self.recorder, Buffer(self.recorder.current(self.buffer)), self.window, self.axes, value)


def is_traced(value: Any) -> bool:
    """Whether it is a traced array (``isinstance`` would be answered as for an ndarray)."""
    return issubclass(type(value), View)


def require_plain(kind: type) -> None:
    """Refuse a class of arrays whose operators do not mean what they mean for arrays."""
    if name := unlike_arrays(kind):
        instead = ", and write @ for its *" if kind is np.matrix else ""
        raise TraceError(f"{name} is not read: make it an array with np.asarray{instead}")


def same_value(a: View, b: View) -> bool:
    """Whether two arrays hold the same entries of the same value."""
    return a.buffer.name == b.buffer.name and a.window == b.window and a.axes == b.axes


UNFOLLOWED = (
    "this writes into memory that NumPy lets another array share, and that is not followed: write into a copy, x.copy()"
)
WORK = 10_000  # of finding out whether two arrays share an entry


class Living:
    """The traced arrays that are in use, by the memory that NumPy has them in."""

    def __init__(self) -> None:
        self._arrays: dict[int, list[ref[View]]] = {}

    def add(self, array: View) -> None:
        """Take note of a traced array."""
        if isinstance(array.value, np.ndarray):
            self._arrays.setdefault(id(root(array.value)), []).append(ref(array))

    def sharing(self, array: View) -> list[View]:
        """The arrays that NumPy has in the same memory."""
        key = id(root(array.value))
        self._arrays[key] = kept = [found for found in self._arrays.get(key, []) if found() is not None]
        return [other for other in (found() for found in kept) if other is not None]


def overlap(first: Any, second: Any) -> bool:
    """Whether a write to one plain array may be seen in another."""
    try:
        return bool(np.shares_memory(first, second, max_work=WORK))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def require_followed(array: View) -> None:
    """After a write: every array in use that NumPy has in the same memory follows from the same buffer, or that write
    would be lost to one of them."""
    if not isinstance(array.value, np.ndarray):
        return
    array.recorder.decisions.written(array)
    for other in array.recorder.living.sharing(array):
        if other.buffer.root is not array.buffer.root and overlap(other.value, array.value):
            raise TraceError(UNFOLLOWED)


def as_stored(array: View, kept: Sequence[int], sizes: Sequence[int]) -> Any:
    """What an array is now, in the axes of the value that it was read as; None where that cannot be told.

    ``kept`` are the stored axes that the value has, ``sizes`` their sizes.
    """
    order = [kept.index(i) for axis in array.axes for i in axis]
    if array.value is None or len(order) != len(set(order)) or prod(sizes) != np.size(array.value):
        return None
    order += [i for i in range(len(sizes)) if i not in order]
    spread = np.reshape(array.value, [sizes[i] for i in order])
    return np.array(np.transpose(spread, np.argsort(order)))


def settled(result: Any, value: Any, arguments: Iterable[Any], again: Callable[[], Any] | None = None) -> Any:
    """What a rule made, in the memory in which NumPy made it: a view where NumPy gave one, else memory of its own.

    Parameters
    ----------
    result : traced array, or a list or tuple of such
    value : array
        What NumPy answered to the user's own call.
    arguments : iterable
        What the call was of.
    again : callable or None
        Makes the result anew, when what it is a view of has been written to.
    """
    if isinstance(result, list | tuple) and isinstance(value, list | tuple) and len(result) == len(value):
        made = [
            settled(part, plain, arguments, again and partial(part_of, again, n))
            for n, (part, plain) in enumerate(zip(result, value, strict=True))
        ]
        return made if isinstance(result, list) else result._make(made) if hasattr(result, "_make") else tuple(made)
    if not is_traced(result) or np.shape(result.value) != np.shape(value):
        return result
    if not isinstance(value, np.ndarray):
        return result.copied(value) if isinstance(value, np.generic) else result
    sources = [a for a in arguments if is_traced(a) and isinstance(a.value, np.ndarray)]
    shared = [a for a in sources if a.value is value or np.may_share_memory(a.value, value)]
    if any(a.buffer.root is result.buffer.root for a in shared):
        return result if result.value is value else result.like(result.axes, value)
    if not shared and result.value is value and all(a.buffer.root is not result.buffer.root for a in sources):
        return result
    made = result.copied(value)
    if shared and again is not None and not any(made.window):
        recorder, base = made.recorder, shared[0]
        made.buffer.derived = Derived(base, lambda: again().buffer.name, recorder.current(base.buffer))
    return made


def follows(made: View, base: View, read: Callable[[], str], back: Callable[[], View]) -> None:
    """Say that an array is a view of another, how it is read from that, and how it is written to it."""
    made.buffer.derived = Derived(base, read, base.recorder.current(base.buffer), back)


def part_of(again: Callable[[], Any], n: int) -> Any:
    """One of several results, made anew."""
    return again()[n]


def laid_out(array: Any) -> Any:
    """A copy of a plain array with its strides: what is a view of the array is a view of the copy."""
    copy = np.array(array)
    if copy.strides == array.strides or copy.size < 2:
        return copy
    low, high = np.lib.array_utils.byte_bounds(array)
    start = array.__array_interface__["data"][0] - low
    copy = np.ndarray(array.shape, array.dtype, np.empty(high - low, np.uint8), start, array.strides)
    copy[...] = array
    copy.flags.writeable = array.flags.writeable
    return copy
