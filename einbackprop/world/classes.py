"""Copies of the user's classes: empty ones first, so that what refers to them can be made, then their members.

A copy is made without running the metaclass, ``__init_subclass__`` or ``__set_name__`` again: what these did stands in
the members already.
"""

from __future__ import annotations

import abc
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from .copies import World

NEEDED = frozenset({"__slots__", "__module__", "__class__"}) | {
    name for name, member in vars(type).items()
    if hasattr(member, "__set__") and name not in ("__dict__", "__doc__", "__qualname__", "__abstractmethods__")
    and not name.startswith("__annot")
}  # fmt: skip
"""What a class must have from the beginning: a class that exists has another meaning for these names."""
COPIES: WeakSet[type] = WeakSet()
"""The classes that were copied, in all worlds."""
MADE_BY_TYPE = frozenset({"__dict__", "__weakref__", "__slots__", "__module__", "__qualname__", "_abc_impl"})


def copied(world: World, kind: type) -> type:
    """A copy of a class, over copies of its bases; it is filled later."""
    bases = tuple(world.inner(kind.__bases__))
    meta = world.shell(type(kind))
    if world.found(kind) is not None:  # the metaclass leads to it
        return world.found(kind)  # type: ignore[no-any-return]
    members = dict(vars(kind))
    begin: dict[str, Any] = {name: world.shell(members[name]) for name in NEEDED if name in members}
    if "__orig_bases__" in members:
        begin["__orig_bases__"] = members["__orig_bases__"]  # `Generic` looks into them
    made = unobserved(world, meta, kind.__name__, bases, begin)
    type.__setattr__(made, "__qualname__", kind.__qualname__)
    COPIES.add(made)
    world.renamed(kind, made)
    world.fill(lambda: fill(world, kind, made, members))
    if world.with_subclasses:
        world.keep(kind, made)
        with_subclasses(world, [kind])
    return made  # type: ignore[no-any-return]


def with_subclasses(world: World, kinds: list[type]) -> None:
    """Copy the subclasses of classes too: the code asks for them."""
    for kind in kinds:
        inner: Any
        for inner in type.__subclasses__(kind):
            if inner not in COPIES:
                world.shell(inner)


def fill(world: World, kind: type, made: type, members: dict[str, Any]) -> None:
    """Give a copy its members; the descriptors of slots it has already."""
    slots = {name for name, member in members.items() if type(member).__name__ == "member_descriptor"}
    for name, member in members.items():
        if name not in MADE_BY_TYPE and name not in NEEDED and name not in slots:
            value = member if name.startswith("__annot") else world.shell(member)
            type.__setattr__(made, name, mortal(world, value) if name == "__del__" else value)
    if isinstance(kind, abc.ABCMeta):
        # What `ABCMeta.__new__` does after `type.__new__`: which methods are abstract is computed of the members.
        machinery: Any = import_module("_abc")
        machinery._abc_init(made)
        for reference in machinery._get_dump(kind)[0]:
            if (virtual := reference()) is not None:
                machinery._abc_register(made, world.shell(virtual))
        type.__setattr__(made, "__abstractmethods__", kind.__abstractmethods__)


def mortal(world: World, end: Any) -> Any:
    """``__del__`` of a copied class: objects that the code makes have it; the copies of the user's do not end."""

    def finish(self: Any) -> None:
        if world.found(self) is not self:
            with suppress(Exception):  # Python itself would only print it
                end(self)

    return finish


class Silent:
    """A base whose subclasses are made without a word to anybody."""

    def __init_subclass__(cls, **_: Any) -> None:
        pass


def unobserved(world: World, meta: Any, name: str, bases: tuple[type, ...], begin: dict[str, Any]) -> Any:
    """A new class of which no base hears: the user's own has been announced to them."""
    hearing = [b for base in bases for b in base.__mro__[:-1] if "__init_subclass__" in vars(b)]
    own = {base: vars(base)["__init_subclass__"] for base in hearing if world.original(base) is not base}
    for base in own:
        type.__delattr__(base, "__init_subclass__")
    try:
        if any(b not in own and b.__module__.partition(".")[0] not in sys.stdlib_module_names for b in hearing):
            with suppress(TypeError):  # of another layout
                made = type.__new__(meta, name, (Silent, *bases), dict(begin))
                type.__setattr__(made, "__bases__", bases)
                return made
        return type.__new__(meta, name, bases, begin)
    finally:
        for base, hook in own.items():
            type.__setattr__(base, "__init_subclass__", hook)
