"""Nested lists, tuples, dicts and objects of arrays: walk them, rebuild them, name what is in them.

A *path* says where a leaf stands: the steps from the outside in. ``0`` is a position, ``"W"`` a
key, ``Attribute("W")`` an attribute. A copy made here keeps what is one array one array, and a view
a view: a script that holds ``theta`` and ``W1 = theta[:12].reshape(4, 3)`` means one memory.
"""

import copy
import enum
import inspect
import random
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ..errors import ArgumentError, OptionError
from .visible import shown

Path = tuple[Hashable, ...]
MADE_IN_PYTHON = 1 << 9  # the flag of types that a class statement made; others cannot be made empty and then filled
Convert = Callable[[np.ndarray], Any]

DEEPEST = 100
"""Containers inside one another; whoever nests deeper has made a list of a list by mistake, or a linked list."""

_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_ATOMS = frozenset((int, float, bool, complex, str, bytes, type(None), np.float64, np.int64, np.bool_))
_PLAIN = (type, enum.Enum, ModuleType, FunctionType, MethodType, BuiltinFunctionType, np.ndarray, np.generic)


class Attribute(str):
    """A step of a path that is an attribute, not a key."""


class Key(int):
    """A step of a path that is a whole number as a key of a dict, not a position."""


class Number(np.ndarray):
    """A 0-d array that stands for a Python number until the user's code is called."""


def attributes_of(value: Any) -> dict[str, Any]:
    """What an object or a module holds under names of its own; no code of the user's is run."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value that is no container, with its path, from left to right.

    Raises ArgumentError where containers are nested deeper than anybody means to.

    >>> [(label("p", path), leaf) for path, leaf in leaves({"W": [1.0, None]})]
    [("p['W'][0]", 1.0), ("p['W'][1]", None)]
    """
    yield from _leaves(value, path, frozenset())


FOREIGN = {
    "torch": ("a tensor of PyTorch", "{}.detach().cpu().numpy()"), "jax": ("an array of JAX", "np.asarray({})"),
    "jaxlib": ("an array of JAX", "np.asarray({})"), "tensorflow": ("a tensor of TensorFlow", "{}.numpy()"),
    "cupy": ("an array of CuPy", "{}.get()"),
}  # fmt: skip
"""What the arrays of other libraries are, and how they are made NumPy's."""


def foreign(value: Any, name: str) -> str:
    """What to do with an array of another library, as a sentence; empty for everything else.

    >>> foreign(np.ones(2), "x")
    ''
    """
    library = type(value).__module__.partition(".")[0]
    if library not in FOREIGN or not hasattr(value, "shape"):
        return ""
    called, converted = FOREIGN[library]
    return f"{name} is {called}: give one of NumPy, {converted.format(name)}"


def label(root: str, path: Path) -> str:
    """Write a path as Python would: ``net.layers[0]['W']``."""
    for step in path:
        if not isinstance(step, Attribute):
            root = f"{root}[{shown(step)}]"
        else:
            root = f"{root}.{step}" if step.isidentifier() else f"getattr({root}, {shown(str(step))})"
    return root


def get(value: Any, path: Path) -> Any:
    """Follow a path. Raises KeyError, IndexError, AttributeError or TypeError where it breaks."""
    for step in path:
        value = getattr(value, step) if isinstance(step, Attribute) else value[step]
    return value


def replaced(value: Any, path: Path, leaf: Any) -> Any:
    """Return the value with another leaf at the path; only the containers on the way are new."""
    if not path:
        return leaf
    step, inner = path[0], replaced(get(value, path[:1]), path[1:], leaf)
    if isinstance(value, tuple):
        return _refilled(value, [inner if at == step else item for at, item in enumerate(value)])
    changed = copy.copy(value)
    if isinstance(step, Attribute):
        setattr(changed, step, inner)
    else:
        changed[step] = inner
    return changed


def mapped(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Apply a function to the arrays that stand at the same place in nested lists, tuples and dicts.

    Raises
    ------
    ValueError, KeyError
        If one has fewer places than another.

    Examples
    --------
    >>> mapped(lambda a, b: a - b, {"W": [3, 4]}, {"W": [1, 1]})
    {'W': [2, 3]}
    """
    if isinstance(first, dict):
        return {key: mapped(function, value, *(other[key] for other in others)) for key, value in first.items()}
    if isinstance(first, list | tuple):
        items = [mapped(function, *values) for values in zip(first, *others, strict=True)]
        return items if isinstance(first, list) else tuple(items)
    return function(first, *others)


def rebuild(value: Any, convert: Convert) -> Any:
    """Return a deep copy in which every array is what `convert` makes of it.

    Parameters
    ----------
    value
        Nested lists, tuples, dicts and objects; whatever is none of these is kept as it is, but
        random generators are copied, so that two copies draw the same numbers.
    convert
        Takes an array of any shape, returns one of the same shape, or a number for a `Number`.
        Called once for each piece of memory, so aliases and views survive.
    """
    return _Rebuilding(convert, value).of(value)


def duplicate(value: Any) -> Any:
    """Return a deep copy in which aliases and views are aliases and views; numbers are numbers."""
    return rebuild(value, duplicate_array)


def duplicate_array(array: np.ndarray) -> Any:
    """Return a copy of one array, or the Python number that a `Number` stands for; what was made of one is an array."""
    if type(array) is Number:
        return array.item() if not array.ndim else np.array(array)
    return array.copy(order="K")


def root(array: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory which this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def inside(value: Any) -> list[tuple[Hashable, Any]] | None:
    """The steps into a container, or None if it is none."""
    if isinstance(value, dict):
        return [(Key(key) if type(key) is int else key, inner) for key, inner in value.items()]
    if isinstance(value, (list, tuple)) or _holds_objects(value):
        return list(enumerate(value))
    return [(Attribute(name), inner) for name, inner in vars(value).items()] if _is_record(value) else None


def _holds_objects(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim > 0


def _is_record(value: Any) -> bool:
    """Whether it is an instance of a class that somebody wrote in Python, with attributes, or a simple namespace."""
    return type(value) is SimpleNamespace or (
        not isinstance(value, _PLAIN + _GENERATORS)
        and hasattr(value, "__dict__")
        and type(value).__module__.partition(".")[0] not in (
            "builtins", "numpy", "functools", "types", "typing", *FOREIGN)
        and all(base is object or base.__flags__ & MADE_IN_PYTHON for base in type(value).__mro__)
    )


def _leaves(value: Any, path: Path, around: frozenset[int]) -> Iterator[tuple[Path, Any]]:
    children = inside(value)
    if children is None:
        yield path, value
    elif len(path) >= DEEPEST and children:
        raise too_deep(value)
    elif id(value) not in around:  # an object may hold its parent
        around |= {id(value)}
        for step, inner in children:
            if type(inner) is np.ndarray and inner.dtype != object:  # most of them
                yield (*path, step), inner
            else:
                yield from _leaves(inner, (*path, step), around)


def unlike_arrays(kind: type) -> str:
    """The name of a class of arrays whose operators do not mean what they mean for arrays; empty for any other."""
    if issubclass(kind, np.matrix):
        return "np.matrix"
    masked = sys.modules.get("numpy.ma")  # which np.ma would import: that takes as long as a small check
    return "np.ma.MaskedArray" if masked and issubclass(kind, masked.MaskedArray) else ""


def too_deep(value: Any) -> ArgumentError:
    """The refusal of a container that is nested too deeply."""
    kind = type(value).__name__
    return ArgumentError(f"arguments and results may be nested {DEEPEST} deep, and there is a {kind} that is deeper")


def _shared_roots(value: Any) -> frozenset[int]:
    """The memories that two or more different arrays look at."""
    lookers = {(id(root(leaf)), id(leaf)) for _, leaf in leaves(value) if isinstance(leaf, np.ndarray)}
    return frozenset(owner for owner, count in Counter(owner for owner, _ in lookers).items() if count > 1)


class _Rebuilding:
    """One deep copy: what was met so far, by identity."""

    def __init__(self, convert: Convert, whole: Any) -> None:
        self.convert = convert
        self.whole = whole
        self.made: dict[int, Any] = {}
        self.depth = 0

    @cached_property
    def shared(self) -> frozenset[int]:
        """The memories that several arrays look at: asked for only where there is a view."""
        return _shared_roots(self.whole)

    def of(self, value: Any) -> Any:
        if type(value) in _ATOMS:  # most of what lists of numbers hold
            return value
        known = self.made.get(id(value), self)
        if known is not self:
            return known
        if isinstance(value, np.ndarray) and not _holds_objects(value):
            return self._keep(value, self.convert(value) if value.base is None else self._array(value))
        if isinstance(value, MethodType):
            return self._keep(value, MethodType(value.__func__, self.of(value.__self__)))
        if isinstance(value, _GENERATORS):
            return self._keep(value, copy.deepcopy(value))
        if isinstance(value, tuple):
            items = [self.of(item) for item in value]
            same = all(one is other for one, other in zip(items, value, strict=True))
            return self._keep(value, value if same else _refilled(value, items))
        is_record = not isinstance(value, (dict, list, np.ndarray)) and _is_record(value)
        if not is_record and not isinstance(value, (dict, list, np.ndarray)):
            return value
        self.depth += 1
        if self.depth > DEEPEST:
            raise too_deep(value)
        made = self._record(value) if is_record else self._container(value)
        self.depth -= 1
        return made

    def _keep(self, value: Any, made: Any) -> Any:
        self.made[id(value)] = made
        return made

    def _container(self, value: Any) -> Any:
        made = self._keep(value, copy.copy(value))
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if type(inner) not in _ATOMS:
                made[step] = self.of(inner)
        return made

    def _record(self, value: Any) -> Any:
        made = self._keep(value, SimpleNamespace() if type(value) is SimpleNamespace else object.__new__(type(value)))
        for name, inner in vars(value).items():
            made.__dict__[name] = self.of(inner)
        return made

    def _array(self, array: np.ndarray) -> Any:
        owner = root(array)
        if owner is array or id(owner) not in self.shared or not _is_retraceable(array, owner):
            return self.convert(array)
        base = self.of(owner)
        if not issubclass(type(base), np.ndarray):  # no memory to look at: each array stands for itself
            return self.convert(array)
        unit = base.itemsize // owner.itemsize if owner.itemsize else 1
        offset = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        return np.ndarray.__new__(
            type(base),
            array.shape,
            base.dtype,
            buffer=base,
            offset=offset * unit,
            strides=tuple(stride * unit for stride in array.strides),
        )


def _is_retraceable(array: np.ndarray, owner: np.ndarray) -> bool:
    """Whether the view can be taken again from a copy of its owner."""
    return type(array) is np.ndarray and array.dtype == owner.dtype and owner.flags.c_contiguous


def _refilled(original: tuple[Any, ...], items: list[Any]) -> Any:
    kind = type(original)
    return kind(*items) if hasattr(original, "_fields") else kind(items)


Choice = int | str | Sequence[int | str]


def positions_of(loss: Callable[..., Any], wrt: Choice) -> int | tuple[int, ...]:
    """The position of the argument that is meant, or several, where several are.

    Raises
    ------
    OptionError
        It is no position and no name of an argument.

    Examples
    --------
    >>> positions_of(lambda W, b, x: ..., "b"), positions_of(lambda W, b, x: ..., ["W", 2])
    (1, (0, 2))
    """
    if isinstance(wrt, str) or is_position(wrt):
        return position_of(loss, wrt, wrt)
    return tuple(position_of(loss, item, wrt) for item in (wrt if isinstance(wrt, list | tuple) else (wrt,)))


def is_position(item: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(item, int) and not isinstance(item, bool)


def position_of(loss: Callable[..., Any], item: Any, wrt: Choice) -> int:
    """The position of one argument."""
    if is_position(item):
        return int(item)
    if not isinstance(item, str):
        raise OptionError(f"wrt={wrt!r} must be the position or the name of an argument, or several in a tuple")
    names = parameters(loss)
    if item not in names:
        known = f"its arguments are {', '.join(names)}" if names else "its arguments have no names"
        raise OptionError(f"wrt={wrt!r}, but the loss has no argument {item!r}: {known}")
    return names.index(item)


def parameters(function: Any) -> tuple[str, ...]:
    """Return the names of the positional parameters; () where they cannot be known."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(item.name for item in signature.parameters.values() if item.kind in kinds)


def parameter_names(function: Any, count: int) -> tuple[str, ...]:
    """Return names for so many arguments: those of the positional parameters, then ``x2``, ``x3``."""
    names = parameters(function)
    return tuple(names[i] if i < len(names) else f"x{i}" for i in range(count))
