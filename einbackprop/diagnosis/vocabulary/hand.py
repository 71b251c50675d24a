"""What a statement can be made of: the arrays, numbers and functions at it, spelled as its function spells them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from einbackprop.diagnosis.vocabulary.trees import OPERANDS
from einbackprop.world.ownership import is_users_class, is_users_function

MOST_ARRAYS, MOST_SIZES, MOST_FUNCTIONS, MOST_OBJECTS = 28, 14, 8, 10
Shape = tuple[int, ...]
ENTRIES, MOST = 4, 24
"""Entries of a list, and of a dict or an object, that are looked at; others are where the code spells them."""


@dataclass(frozen=True)
class Hand:
    """What a statement can be made of, spelled as code that can be evaluated at it, nearest first.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        The arrays, as they are spelled (``x``, ``self.x``, ``cache['x']``, ``hs[t]``), and their shapes.
    sizes : tuple of str
        Numbers: ``N``, ``X.shape[0]``, ``len(X)``, ``self.eps``.
    functions : tuple of str
        The user's own functions.
    literals : tuple of str
        Numbers that stand in the loss.
    counts : frozenset of str
        Those of the sizes that are sizes of arrays: one divides by them, and seldom adds them.
    others : tuple of str
        Values that are neither, such as a list, the cache of a layer, or a layer.
    numpy : str
        What the code calls NumPy.
    wanted : tuple of int or None
        The shape that the value should have, if it is known. What does not broadcast to it is not tried.
    """

    shapes: Mapping[str, Shape]
    sizes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    counts: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    numpy: str = "np"
    wanted: Shape | None = None

    def fits(self, name: str) -> bool:
        """Whether an array can be a factor or a term of the value that is wanted."""
        return self.wanted is None or broadcasts(self.shapes[name], self.wanted)

    def is_count(self, size: str) -> bool:
        """Whether a number is the size of an array."""
        return size in self.counts or "shape[" in size or size.startswith("len(") or size.endswith(".size")


MISSING = object()


def broadcasts(shape: Shape, wanted: Shape) -> bool:
    """Whether an array of a shape can be added to one of another, whose shape stays.

    >>> broadcasts((4,), (5, 4)), broadcasts((5, 1), (5, 4)), broadcasts((5,), (5, 4))
    (True, True, False)
    """
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(mine in (1, size) for mine, size in pairs)


def hand_of(
    variables: Mapping[str, Any],
    module: Mapping[str, Any],
    code: ast.AST,
    literals: tuple[str, ...] = (),
    wanted: Shape | None = None,
) -> Hand:
    """What a statement can be made of, from the variables at it. Nothing of the user's is called.

    Parameters
    ----------
    variables : mapping
        Those of the frame and of the functions around it. What was bound last comes last.
    module : mapping
        The globals. Those that the code names are taken, and the user's functions.
    code : ast.AST
        The function that the statement stands in. What it spells (``hs[t]``, ``X.shape[0]``) comes first.
    literals : tuple of str
        Numbers that stand in the loss.
    wanted : tuple of int, optional
        The shape of the value that the statement should make.
    """
    spelled, names = spellings(code), {**module, **variables}
    taken = {name: held for name, held in module.items() if name in spelled or is_own_function(held)} | dict(variables)
    every = {text: value_of(node, names) for text, node in spelled.items()} | dict(reached(taken))
    arrays = {text: np.shape(held) for text, held in every.items() if is_array(held)}
    near = sorted(arrays, key=lambda text: text not in spelled)[:MOST_ARRAYS]
    numbers = {text: held for text, held in every.items() if is_real_number(held)}
    numbers |= {text: size for text, size in sizes_of(arrays, near) if size not in numbers.values()}
    lengths = {size for text in near for size in arrays[text]}
    return Hand(
        {text: arrays[text] for text in near},
        tuple(sorted(numbers, key=lambda text: text not in spelled)[:MOST_SIZES]),
        tuple(text for text, held in every.items() if is_own_function(held))[:MOST_FUNCTIONS],
        literals,
        frozenset(text for text, held in numbers.items() if isinstance(held, int | np.integer) and held in lengths),
        tuple(text for text, held in every.items() if is_object(held))[:MOST_OBJECTS],
        next((name for name, held in names.items() if held is np), "np"),
        wanted,
    )


@lru_cache(maxsize=256)
def spellings(code: ast.AST) -> dict[str, ast.expr]:
    """What a function spells that may be a value: names, attributes, entries, lengths."""
    found = [node for node in ast.walk(code) if isinstance(node, OPERANDS) or is_length(node)]
    return {ast.unparse(node): node for node in found if isinstance(node, ast.expr)}


def is_length(node: ast.AST) -> bool:
    """Whether a node is ``len(x)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def value_of(node: ast.AST | None, names: Mapping[str, Any]) -> Any:
    """The value of a name, an attribute, an entry or a length, without calling anything of the user's; else MISSING."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return names.get(name, MISSING)
        case ast.Attribute(inner, name):
            held = value_of(inner, names)
            if isinstance(held, np.ndarray):
                return getattr(held, name) if name in ("T", "shape", "size", "ndim") else MISSING
            return getattr(held, "__dict__", {}).get(name, MISSING)
        case ast.Subscript(inner, index):
            return entry(value_of(inner, names), value_of(index, names))
        case ast.Slice(lower, upper, step):
            bounds = [None if part is None else value_of(part, names) for part in (lower, upper, step)]
            return MISSING if any(bound is MISSING for bound in bounds) else slice(*bounds)
        case ast.Tuple(items):
            values = [value_of(item, names) for item in items]
            return MISSING if any(value is MISSING for value in values) else tuple(values)
        case ast.BinOp(left, ast.Add() | ast.Sub() as operator, right):
            one, two = value_of(left, names), value_of(right, names)
            both = isinstance(one, int) and isinstance(two, int)
            return MISSING if not both else one + two if isinstance(operator, ast.Add) else one - two
        case ast.Call(ast.Name("len"), [inner]):
            held = value_of(inner, names)
            return len(held) if isinstance(held, tuple | list | dict) or np.ndim(held) else MISSING
    return MISSING


def entry(held: Any, index: Any) -> Any:
    """``held[index]`` of an array, a list, a tuple or a dict; MISSING where there is none."""
    if index is MISSING or not isinstance(held, np.ndarray | list | tuple | dict):
        return MISSING
    try:
        return held[index]
    except (IndexError, KeyError, TypeError, ValueError):
        return MISSING


def reached(names: Mapping[str, Any], depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Values with how they are spelled, what was bound last first: of variables, their entries and attributes."""
    for name, held in reversed([*names.items()]):
        yield name, held
        if depth and not isinstance(held, ModuleType | type | FunctionType):
            own = getattr(held, "__dict__", {})
            parts = {f"{name}.{key}": part for key, part in islice(own.items(), MOST)}
            if isinstance(held, dict):
                first = islice(held.items(), MOST)
                parts = {f"{name}[{key!r}]": part for key, part in first if isinstance(key, str | int)}
            elif isinstance(held, tuple | list):
                parts = {f"{name}[{key}]": part for key, part in enumerate(islice(held, ENTRIES))}
            yield from reached(parts, depth - 1)


def sizes_of(arrays: Mapping[str, Shape], near: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The sizes of arrays by the shapes of the nearest that have them."""
    said: set[int] = set()
    for text in near:
        for axis, size in enumerate(arrays[text]):
            if size not in said and text.isidentifier():
                said.add(size)
                yield f"{text}.shape[{axis}]", size


def is_array(held: Any) -> bool:
    """Whether a value is an array of numbers."""
    return isinstance(held, np.ndarray) and held.dtype.kind in "biufc"


def is_real_number(held: Any) -> bool:
    """Whether a value is a number, True and False aside."""
    return isinstance(held, int | float | np.integer | np.floating) and not isinstance(held, bool)


def is_object(held: Any) -> bool:
    """Whether a value holds others: a list, a dict, a layer."""
    if isinstance(held, tuple | list | dict):
        return True
    is_code = isinstance(held, ModuleType | type | FunctionType)
    return not is_code and type(held).__dictoffset__ != 0 and is_users_class(type(held))


def is_own_function(held: Any) -> bool:
    """Whether a value is a function of the user's."""
    return isinstance(held, FunctionType) and is_users_function(held)
