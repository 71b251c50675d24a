"""Memory as NumPy has it: several arrays may be views of one buffer, and a write through one is seen through all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.dimensions import Axis

if TYPE_CHECKING:
    from .recorder import Recorder


@dataclass(frozen=True, slots=True)
class Slice:
    """A window along a stored axis: the entries start, start + step, …; ``axis`` is the dimension of the window."""

    start: int
    step: int
    axis: Axis


@dataclass(frozen=True, slots=True)
class At:
    """One entry along a stored axis; ``pick`` names the traced integer that says which, if one does."""

    position: int
    pick: str = ""


Window = tuple[Slice | At | None, ...]


class Buffer:
    """Memory that traced arrays share.

    A reshape that splits an axis cannot be another arrangement of the same letters, so it has a buffer of its own,
    with the one that it reshapes as its base: a write here is written to the base as well, and where the base was
    written to, this one is read from it again.

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


@dataclass(slots=True)
class Derived:
    """How the content of a buffer follows from another.

    Attributes
    ----------
    base : View
        What is reshaped.
    read : callable
        Reads the base in the new shape: the name of the value.
    seen : str
        The value of the base's buffer that was read last.
    whole : View or None
        All of the derived buffer, to be written to the base.
    """

    base: View
    read: Callable[[], str]
    seen: str
    whole: View | None = None


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

    __slots__ = ("axes", "buffer", "recorder", "value", "window")

    def __init__(
        self, recorder: Recorder, buffer: Buffer, window: Window, axes: Iterable[tuple[int, ...]], value: Any
    ) -> None:
        self.recorder, self.buffer, self.window, self.axes, self.value = recorder, buffer, window, tuple(axes), value

    def like(self, axes: Iterable[tuple[int, ...]], value: Any, window: Window | None = None) -> Any:
        """Another view of the same buffer."""
        return type(self)(self.recorder, self.buffer, self.window if window is None else window, axes, value)

    def copied(self, value: Any) -> Any:
        """The same entries in memory of their own."""
        return type(self)(self.recorder, Buffer(self.recorder.current(self.buffer)), self.window, self.axes, value)


def is_traced(value: Any) -> bool:
    """Whether it is a traced array (``isinstance`` would be answered as for an ndarray)."""
    return issubclass(type(value), View)


def same_value(a: View, b: View) -> bool:
    """Whether two arrays hold the same entries of the same value."""
    return a.buffer.name == b.buffer.name and a.window == b.window and a.axes == b.axes
