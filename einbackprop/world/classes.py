"""Copies of the user's classes: empty ones first, so that what refers to them can be made, then their members.

A copy is made without running the metaclass, ``__init_subclass__`` or ``__set_name__`` again: what these did stands in
the members already.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .copies import World

MADE_BY_TYPE = frozenset({"__dict__", "__weakref__", "__slots__", "__module__", "__qualname__", "_abc_impl"})


def copied(world: World, kind: type) -> type:
    """A copy of a class, over copies of its bases; it is filled later."""
    bases = tuple(world.inner(kind.__bases__))
    meta = world.shell(type(kind))
    if (made := world.found(kind)) is not None:  # the metaclass leads to it
        return made  # type: ignore[no-any-return]
    members = dict(vars(kind))
    needed = ("__slots__", "__orig_bases__", "__module__")
    begin: dict[str, Any] = {name: members[name] for name in needed if name in members}
    with unobserved(world, bases):
        made = type.__new__(meta, kind.__name__, bases, begin)
    made.__qualname__ = kind.__qualname__
    world.renamed(kind, made)
    world.fill(lambda: fill(world, kind, made, members))
    return made  # type: ignore[no-any-return]


def fill(world: World, kind: type, made: type, members: dict[str, Any]) -> None:
    """Give a copy its members; the descriptors of slots it has already."""
    slots = {name for name, member in members.items() if type(member).__name__ == "member_descriptor"}
    for name, member in members.items():
        if name not in MADE_BY_TYPE and name not in slots:
            value = member if name.startswith("__annot") else world.shell(member)
            type.__setattr__(made, name, value)
    if isinstance(kind, abc.ABCMeta):
        # What `ABCMeta.__new__` does after `type.__new__`: which methods are abstract is computed of the members.
        machinery: Any = import_module("_abc")
        machinery._abc_init(made)
        for reference in machinery._get_dump(kind)[0]:
            if (virtual := reference()) is not None:
                machinery._abc_register(made, world.shell(virtual))


@contextmanager
def unobserved(world: World, bases: tuple[type, ...]) -> Iterator[None]:
    """Let no base that is a copy hear of a new subclass: the user's own has heard of it."""
    own = {base for kind in bases for base in kind.__mro__ if world.original(base) is not base}
    hooks = [(base, vars(base)["__init_subclass__"]) for base in own if "__init_subclass__" in vars(base)]
    for base, _ in hooks:
        type.__delattr__(base, "__init_subclass__")
    try:
        yield
    finally:
        for base, hook in hooks:
            type.__setattr__(base, "__init_subclass__", hook)
