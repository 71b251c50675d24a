"""Classes of fields, as `dataclasses.dataclass` makes them, in a quarter of its time.

A check imports some 150 of them. The standard library's decorator writes and compiles the source of six methods for
each, 1 ms a class, which was a third of the CPU time of a small check. Here `__init__` alone is compiled, when the
first of a kind is made; the others are shared.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_MADE: Any = object()  # stands for what a field's factory makes


def _initialiser(made: type, frozen: bool, slots: bool) -> Any:
    own = fields(made)
    scope: dict[str, Any] = {"_made": _MADE, "_set": object.__setattr__}
    taken: list[str] = []
    named: list[str] = []
    lines: list[str] = []
    for field in own:
        name, value = field.name, field.name
        if field.default_factory is not MISSING:
            scope[f"_new_{name}"] = field.default_factory
            value = f"_new_{name}() if {name} is _made else {name}" if field.init else f"_new_{name}()"
            default = "=_made"
        elif field.default is not MISSING:
            scope[f"_of_{name}"] = field.default
            default = f"=_of_{name}"
        else:
            default = ""
        if field.init:
            (named if field.kw_only else taken).append(name + default)
        elif not default:
            continue
        elif field.default_factory is MISSING:
            value = f"_of_{name}"
        if not frozen:
            lines.append(f"self.{name} = {value}")
        elif slots:
            lines.append(f"_set(self, {name!r}, {value})")
        else:
            lines.append(f"_held[{name!r}] = {value}")
    if frozen and not slots and lines:
        lines.insert(0, "_held = self.__dict__")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    head = ", ".join(["self", *taken, *(["*", *named] if named else [])])
    exec(f"def __init__({head}):\n " + "\n ".join(lines or ["pass"]), scope)
    return scope["__init__"]


def _compiled_later(made: type, frozen: bool, slots: bool) -> Any:
    """An `__init__` that puts the compiled one in its place: of most classes that are imported nothing is ever made."""

    def compiled_first(self: Any, *given: Any, **named: Any) -> None:
        if vars(made)["__init__"] is compiled_first:
            setattr(made, "__init__", _initialiser(made, frozen, slots))  # noqa: B010 - mypy refuses the assignment
        vars(made)["__init__"](self, *given, **named)

    return compiled_first


def _key(own: Iterable[Field[Any]]) -> Callable[[Any], tuple[Any, ...]]:
    """What two of a kind are compared and hashed by."""
    names = [field.name for field in own if field.compare]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)  # attrgetter gives a single one bare


def _text(own: Iterable[Field[Any]]) -> Callable[[Any], str]:
    """What is printed of one of a kind."""
    names = [field.name for field in own if field.repr]

    @recursive_repr()
    def text(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"

    return text


def _refuse(self: object, name: str, *value: object) -> None:
    raise FrozenInstanceError(f"{type(self).__name__} is frozen: {name} cannot be assigned or deleted")


def _record(cls: type, frozen: bool, slots: bool, eq: bool, repr: bool) -> type:
    given = vars(cls)
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    own = fields(made)
    methods: dict[str, Any] = {"__init__": _compiled_later(made, frozen, slots)}
    if repr:
        methods["__repr__"] = _text(own)
    if eq:
        key = _key(own)

        def equal(self: Any, other: Any) -> Any:
            return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

        methods["__eq__"] = equal
        methods["__hash__"] = (lambda self: hash(key(self))) if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        if slots:
            names = [field.name for field in own]

            def restore(self: object, state: list[object]) -> None:
                for name, value in zip(names, state, strict=True):
                    object.__setattr__(self, name, value)

            # Copies set attributes one by one where they are not told otherwise.
            methods["__getstate__"] = lambda self: [getattr(self, name) for name in names]
            methods["__setstate__"] = restore
    for name, method in methods.items():
        if given.get(name) is None:  # a class with __eq__ of its own has __hash__ = None
            setattr(made, name, method)
    return made


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, repr=True):
        """Make a dataclass of a class with annotations: its parameters, its fields, `dataclasses.replace` and patterns.

        Parameters
        ----------
        cls : type
            With fields as `dataclass` and `field` take them, without InitVar.
        frozen, slots, eq, repr : bool
            As `dataclass` has them.
        """
        if cls is None:
            return lambda cls: _record(cls, frozen, slots, eq, repr)
        return _record(cls, frozen, slots, eq, repr)
