"""What a statement can be made of: the arrays, numbers and functions at it, spelled as its function spells them."""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import field
from functools import lru_cache
from inspect import CO_VARARGS, CO_VARKEYWORDS
from itertools import chain, combinations, islice, permutations
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from einbackprop.core.collecting import grouped
from einbackprop.core.nesting import attributes_of
from einbackprop.core.records import dataclass
from einbackprop.core.source import root_of
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, items_of, names_in, parsed
from einbackprop.world.ownership import is_users_class, is_users_function

MOST_ARRAYS, MOST_SIZES, MOST_FUNCTIONS, MOST_OBJECTS, MOST_SCALARS = 44, 20, 8, 10, 8
Shape = tuple[int, ...]
NEAREST, UNUSED = 0.01, 0.5
"""What each step further away costs among the names at hand; how much less, one that nothing else reads."""
MOST_MASK = 200
"""Entries of an array that are looked at to know a mask."""
ALIKE = 0.25
"""How unlike two names are, at most, that differ by a letter."""
ENTRIES, MOST, LONG = 4, 24, 60
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
        The user's own functions, and methods that are derivatives by their names, such as ``self.activation.prime``.
    takes : mapping of str to range
        How many arguments some of them may be given.
    literals : tuple of str
        Numbers that stand in the loss, and roots of numbers.
    counts : frozenset of str
        Those of the sizes that are sizes of arrays: one divides by them, and seldom adds them.
    others : tuple of str
        Values that are neither, such as a list, the cache of a layer, or a layer.
    numpy : str
        What the code calls NumPy.
    wanted : tuple of int or None
        The shape that the value should have, if it is known. What does not broadcast to it is not tried.
    unused : frozenset of str
        Names that the function binds and reads nowhere, and their entries: one of them may be what was meant.
    phrases : tuple of ast.expr
        What the function has as terms and factors elsewhere, names aside.
    masks : frozenset of str
        The arrays of booleans, or of zeros and ones: no function gave or took them, so that they have no derivative.
    positive : frozenset of str
        The arrays of which every entry is above 0.
    makes_object : bool
        Whether the statement makes an object of the user's, such as a node of a graph, and no number.
    scalars : tuple of str
        Single numbers of floating point that the function has computed or was given.
    words : tuple of tuple of str
        Strings that stand for the same kind of thing: those that one function has, the keys of one dict.
    labels : tuple of str
        Vectors and lists of whole numbers, which may pick entries of other arrays.
    products : tuple of str
        Sizes that the function computes from others where it gives a shape: ``4 * H``.
    elsewhere : tuple of ast.expr
        What other functions of the file bind to the name that the statement binds, as a forward pass does with sizes
        and padded arrays that its backward pass computes again.
    windows : tuple of ast.expr
        The indices with slices in the file, such as ``i, s:s + 3`` of ``x[i, s:s + 3]``.
    indices : mapping of (str, int, int) to sequence of ast.expr
        The indices in the file, other than numbers, by what is indexed, by how many, and at which place: ``y[u]`` of
        ``p[t, u, y[u]]`` is at the third of three of p.
    inputs : mapping of str to list of ast.expr
        What functions were given that is computed there, by what they gave: ``x + z`` by ``y`` of ``y = norm(x + z)``.
    """

    shapes: Mapping[str, Shape]
    sizes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    counts: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    numpy: str = "np"
    wanted: Shape | None = None
    unused: frozenset[str] = frozenset()
    phrases: tuple[ast.expr, ...] = ()
    masks: frozenset[str] = frozenset()
    positive: frozenset[str] = frozenset()
    takes: Mapping[str, range] = field(default_factory=dict)
    makes_object: bool = False
    scalars: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    labels: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    elsewhere: tuple[ast.expr, ...] = ()
    windows: tuple[ast.expr, ...] = ()
    indices: Mapping[tuple[str, int, int], Sequence[ast.expr]] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[ast.expr]] = field(default_factory=dict)

    def accepts(self, function: str, count: int) -> bool:
        """Whether one of the functions may be given so many arguments."""
        return function not in self.takes or count in self.takes[function]

    def distance(self, name: str, rank: int) -> float:
        """What an array costs that stands at a place among those at hand: little for one that is read nowhere."""
        return NEAREST * rank - (UNUSED if name in self.unused else 0.0)

    def fits(self, name: str) -> bool:
        """Whether an array can be a factor or a term of the value that is wanted."""
        return self.wanted is None or broadcasts(self.shapes[name], self.wanted)

    def columns(self, name: str) -> Iterator[tuple[str, Shape]]:
        """An array with one axis more, where that makes it a factor of the value that is wanted: ``m[:, None]``, and
        its shape."""
        own, wanted = self.shapes[name], self.wanted or ()
        for at in range(1, len(wanted)) if own and len(own) + 1 == len(wanted) else ():
            shape = (*own[:at], 1, *own[at:])
            if broadcasts(shape, wanted):
                yield f"{name}[{', '.join([':'] * at + ['None'] + [':'] * (len(own) - at))}]", shape

    def is_count(self, size: str) -> bool:
        """Whether a number is the size of an array."""
        return size in self.counts


@dataclass(frozen=True)
class LossCode:
    """What the code of the loss spells.

    Attributes
    ----------
    functions : tuple of ast.AST
        The functions in which it ran.
    literals : tuple of str
        The numbers that stand in them.
    """

    functions: tuple[ast.AST, ...]
    literals: tuple[str, ...]


MISSING = object()
FEW = 4
"""Counters of loops that are tried as the index of an array."""
DERIVATIVE = re.compile(r"grad|deriv|prime|slope|^d_?[a-z]*$")
KEYS = (str, int, float, tuple)
WORD = re.compile(r"[\w-]+")


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
    statement: ast.stmt | None = None,
) -> Hand:
    """The variables at a statement go in; what the statement can be made of comes out. Nothing of the user's is called.

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
    statement : ast.stmt, optional
        The statement. What its neighbours spell comes first.
    """
    spelled, names = spellings(code), {**module, **variables}
    taken = {name: held for name, held in module.items() if name in spelled or is_own_function(held)} | dict(variables)
    own = {ast.unparse(node) for node in ast.walk(statement or ast.Pass()) if isinstance(node, OPERANDS)}
    lines, at = lines_of(code), getattr(statement, "lineno", None)
    over = counters(code).keys() - own - counters(code, at).keys()  # what a loop has left behind counts nothing
    every = {text: held for text, held in reached(taken, names, spelled) if text in own or not is_of(text, over)}
    first = {id(held): name for name, held in reversed([*variables.items()]) if is_array(held)}  # dz, and not db = dz
    arrays = {text: np.shape(held) for text, held in every.items() if is_array(held)
              and (text in own or text.isidentifier() or id(held) not in first)}  # x, and not cache["x"]
    again = {name: first[id(held)] for name, held in variables.items() if first.get(id(held), name) != name}
    counted = {text: held for text, held in by_counters(code, arrays, names) if not is_of(text, over)}
    indexed = (*(pair for pair in indexed_alike(spelled, every, names) if not is_of(pair[0], over)), *counted.items())
    unused = unread(code).union(counted, (text for text, _ in indexed if text.partition("[")[0] in unread(code)))
    arrays |= {text: np.shape(held) for text, held in indexed if text not in arrays}
    apart = {text: min((abs(line - (at or line)) for line in lines.get(text, ())), default=0) for text in arrays}
    apart |= {first: min(apart[first], apart[name]) for name, first in again.items() if {name, first} <= apart.keys()}
    subscripts = (node for node in spelled.values() if isinstance(node, ast.Subscript))
    entered = {ast.unparse(node.value) for node in subscripts if is_entry(node)}
    order = {text: (text not in spelled and f"d{text}" not in spelled,
                    not (is_beside(text, entered) or is_sibling(text, spelled, arrays)),
                    text not in unused,
                    is_far(text, spelled, arrays, wanted), apart[text], text in again) for text in arrays}  # fmt: skip
    near = sorted(arrays, key=order.__getitem__)[:MOST_ARRAYS]
    numbers = {text: held for text, held in every.items() if is_real_number(held)}
    lengths = sizes_of(arrays, near)
    numbers |= {text: size for text, size in lengths.items() if size not in numbers.values()}
    whole = volumes(arrays.values())
    counts = {text for text, held in numbers.items() if lengths.get(text, 0) > 2  # a 2 is a 2 first
              or (held in whole and may_count(text, held, divisors(code)))}  # fmt: skip
    functions = {text: held for text, held in every.items() if is_own_function(held)}
    return Hand(
        {text: arrays[text] for text in near},
        tuple(sorted(numbers, key=lambda text: (text not in spelled, text not in divisors(code)))[:MOST_SIZES]),
        tuple(dict.fromkeys((*derivatives(every), *functions)))[:MOST_FUNCTIONS],
        literals,
        frozenset((counts | {text for text, node in spelled.items() if is_length(node)}).difference(counters(code))),
        tuple(text for text, held in every.items() if is_object(held))[:MOST_OBJECTS],
        next((name for name, held in names.items() if held is np), "np"),
        wanted,
        unused,
        tuple(sorted((phrase for phrase in phrases(code) if not names_in(phrase) & over),
                     key=lambda phrase: abs(phrase.lineno - (at or phrase.lineno)))),
        frozenset(text for text in near if is_mask(every.get(text))),
        frozenset(text for text in near if is_positive(every.get(text))),
        {text: taken_by(function.__code__, function.__defaults__ or ()) for text, function in functions.items()},
        scalars=tuple(sorted(floating(numbers, variables), key=lambda text: text not in spelled)[:MOST_SCALARS]),
        words=tuple(words_of(functions.values(), every.values())),
        labels=tuple([text for text in near if len(arrays[text]) == 1 and is_of_whole_numbers(every.get(text))]
                     + [text for text, held in every.items() if is_list_of_whole_numbers(held)])[:FEW],
        products=tuple(text for text, names in products(code).items() if names <= numbers.keys())[:FEW],
        inputs=inputs_of(code),
    )


def is_of(text: str, names: Collection[str]) -> bool:
    """Whether an expression reads one of some names."""
    return bool(names) and not names_in(parsed(text)).isdisjoint(names)


def is_mask(held: Any) -> bool:
    """Whether a value is an array of booleans, or of zeros and ones."""
    return is_array(held) and (held.dtype.kind == "b" or {*np.asarray(held).ravel()[:MOST_MASK]} == {0, 1})


def is_positive(held: Any) -> bool:
    """Whether a value is an array of which every entry is above 0."""
    return is_array(held) and held.dtype.kind in "biuf" and bool(np.all(np.asarray(held) > 0))


def is_of_whole_numbers(held: Any) -> bool:
    """Whether a value is an array of integers."""
    return is_array(held) and held.dtype.kind in "iu"


def is_list_of_whole_numbers(held: Any) -> bool:
    """Whether a value is a list of integers, such as labels."""
    return type(held) is list and 0 < len(held) <= LONG and all(type(one) is int for one in held)


def words_of(functions: Iterable[Any], values: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    """The strings of each function that are one word, such as those that it compares an argument with, and the keys of
    each dict.
    """
    found = [[word for word in function.__code__.co_consts if isinstance(word, str)] for function in functions]
    found += [[key for key in dict.keys(held) if isinstance(key, str)] for held in values if isinstance(held, dict)]
    for words in found:
        yield tuple(word for word in words[:MOST] if WORD.fullmatch(word))


def floating(numbers: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    """The numbers of floating point among some that stand in variables, or in their entries."""
    return [text for text, held in numbers.items() if isinstance(held, float | np.floating)
            and root_of(text) in variables]  # fmt: skip


def taken_by(code: CodeType, defaults: Sized) -> range:
    """How many arguments a function may be given, by position and by keyword together."""
    most = sys.maxsize if code.co_flags & (CO_VARARGS | CO_VARKEYWORDS) else code.co_argcount + code.co_kwonlyargcount
    return range(code.co_argcount - len(defaults), most + 1)


def is_entry(node: ast.Subscript) -> bool:
    """Whether a node is an entry of a dict: ``p["W"]``."""
    return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)


def is_beside(text: str, entered: Collection[str]) -> bool:
    """Whether what is spelled is an entry of a dict of which the code spells entries: the line that is lost, or a term,
    may have been the only one to spell this one."""
    node = parsed(text)
    return isinstance(node, ast.Subscript) and is_entry(node) and ast.unparse(node.value) in entered


def alike_at_ends(one: str, two: str) -> tuple[int, int]:
    """How many letters two texts begin with alike, and how many they end with after those.

    >>> alike_at_ends("dW_in", "dW_out")
    (3, 0)
    """
    shorter = min(len(one), len(two))
    start = next((n for n in range(shorter) if one[n] != two[n]), shorter)
    return start, next((n for n in range(shorter - start) if one[-1 - n] != two[-1 - n]), shorter - start)


@lru_cache(maxsize=8192)
def unlikeness(one: str, two: str) -> float:
    """How unlike two names are, from 0 to 1, by what they begin and end with.

    >>> unlikeness("dW1", "dW2") < unlikeness("dW1", "x")
    True
    """
    start, end = alike_at_ends(one, two)
    apart = 1 - 2 * (start + end) / (len(one) + len(two))
    by_a_letter = min(len(one), len(two)) > 1 and max(len(one), len(two)) - start - end == 1
    return min(apart, 0.25) if by_a_letter else apart


def is_sibling(text: str, spelled: Collection[str], arrays: Mapping[str, Shape]) -> bool:
    """Whether an attribute that the code does not spell is called almost as one of that shape that it spells:
    ``self.Wv`` beside ``self.Wk``. The line that is wrong may have been the only one to spell it."""
    return isinstance(parsed(text), ast.Attribute) and any(
        arrays.get(other) == arrays[text] and unlikeness(text, other) <= ALIKE for other in spelled)


def is_far(text: str, spelled: Collection[str], arrays: Mapping[str, Shape], wanted: Shape | None) -> bool:
    """Whether an array neither stands in the code nor fits what is wanted."""
    return text not in spelled and wanted is not None and not broadcasts(arrays[text], wanted)


@lru_cache(maxsize=256)
def spellings(code: ast.AST) -> dict[str, ast.expr]:
    """What a function spells that may be a value: names, attributes, entries, lengths; transposes are edits.

    What it only writes to counts too: where the line that read it has lost it, nothing reads it any more.
    """
    found = [node for node in ast.walk(code) if isinstance(node, OPERANDS) or is_length(node)]
    kept = [node for node in found if not (isinstance(node, ast.Attribute) and node.attr == "T")]
    return {ast.unparse(node): node for node in kept if isinstance(node, ast.expr)}


@lru_cache(maxsize=256)
def lines_of(code: ast.AST) -> dict[str, list[int]]:
    """The lines on which a function has each of what it spells."""
    return grouped(
        (ast.unparse(node), getattr(node, "lineno", 0)) for node in ast.walk(code) if isinstance(node, OPERANDS)
    )


@lru_cache(maxsize=256)
def phrases(code: ast.AST) -> tuple[ast.expr, ...]:
    """The terms and factors in a function that are no names, each once."""
    parents = [node for node in ast.walk(code) if isinstance(node, ast.BinOp)]
    parts = [part for node in parents for part in (node.left, *(() if isinstance(node.op, ast.Pow) else (node.right,)))]
    parts += [node.value for node in ast.walk(code) if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)
              and node.value is not None]  # fmt: skip
    kept = [part for part in parts if isinstance(part, ast.Call | ast.BinOp | ast.Compare)]
    return tuple({text: part for part in kept if len(text := ast.unparse(part)) < LONG}.values())


def bound_elsewhere(codes: Iterable[ast.AST], name: str, function: ast.AST) -> tuple[ast.expr, ...]:
    """What is computed and bound to a name in a file or some functions, outside one function."""
    first, last = getattr(function, "lineno", 0), getattr(function, "end_lineno", 0)
    found = (value for code in codes for value in formulas_of(code).get(name, ()))
    return tuple(value for value in found if not first <= value.lineno <= last)


@lru_cache(maxsize=256)
def formulas_of(code: ast.AST) -> dict[str, list[ast.expr]]:
    """What is computed in a file or a function from other things, by the name that it is bound to."""
    found = (node for node in ast.walk(code) if isinstance(node, ast.Assign) and is_computed(node.value))
    return grouped((target.id, node.value) for node in found for target in node.targets if isinstance(target, ast.Name))


def is_computed(value: ast.expr) -> bool:
    """Whether an expression computes something from names: an operation, or a call of a function with some."""
    arguments = value.args if isinstance(value, ast.Call) else ()
    return isinstance(value, ast.BinOp) or any(map(names_in, arguments))


@lru_cache(maxsize=256)
def inputs_of(code: ast.AST) -> dict[str, list[ast.expr]]:
    """What is computed as an argument of a call in a function, by the names that what the call gives is bound to."""
    found = (node for node in ast.walk(code) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call))
    pairs = ((target, given) for node in found for given in getattr(node.value, "args", ())
             if isinstance(given, ast.BinOp | ast.Call) and names_in(given)
             for place in node.targets for target in items_of(place))
    return grouped((ast.unparse(target), given) for target, given in pairs)


@lru_cache(maxsize=64)
def windows_of(module: ast.Module) -> tuple[ast.expr, ...]:
    """The indices in a file of which a slice has a bound with a name, each once."""
    found = (node.slice for node in ast.walk(module) if isinstance(node, ast.Subscript))
    parts = ((index, items_of(index)) for index in found)
    kept = (index for index, items in parts if any(isinstance(item, ast.Slice) and names_in(item) for item in items))
    return tuple({ast.unparse(index): index for index in kept}.values())


@lru_cache(maxsize=64)
def indices_of(module: ast.Module) -> Mapping[tuple[str, int, int], Sequence[ast.expr]]:
    """The indices in a file, other than slices and numbers, each once at each place where one stands.

    >>> found = indices_of(ast.parse("a = p[t, y[u]] + p[t, 0]"))
    >>> {place: [*map(ast.unparse, some)] for place, some in found.items()}
    {('p', 2, 0): ['t'], ('p', 2, 1): ['y[u]'], ('y', 1, 0): ['u']}
    """
    found: dict[tuple[str, int, int], dict[str, ast.expr]] = {}
    for node in ast.walk(module):
        items = items_of(node.slice) if isinstance(node, ast.Subscript) else []
        for at, item in enumerate(items):
            if not isinstance(item, ast.Slice | ast.Constant | ast.UnaryOp):
                place = ast.unparse(node.value), len(items), at  # type: ignore[attr-defined]
                found.setdefault(place, {}).setdefault(ast.unparse(item), item)
    return {place: [*some.values()] for place, some in found.items()}


@lru_cache(maxsize=256)
def products(code: ast.AST) -> dict[str, frozenset[str]]:
    """What a function computes from names and whole numbers alone as an argument or a part of a tuple, such as a shape,
    with the names in each."""
    held = [part for node in ast.walk(code) if isinstance(node, ast.Call | ast.Tuple)
            for part in (node.args if isinstance(node, ast.Call) else node.elts)]  # fmt: skip
    kept = {ast.unparse(part): [*ast.walk(part)] for part in held if isinstance(part, ast.BinOp)}
    return {
        text: frozenset(node.id for node in nodes if isinstance(node, ast.Name)) for text, nodes in kept.items()
        if all(isinstance(node, ast.BinOp | ast.Name | ast.operator | ast.expr_context)
               or (isinstance(node, ast.Constant) and isinstance(node.value, int)) for node in nodes)
    }  # fmt: skip


def indexed_alike(
    spelled: Mapping[str, ast.expr], every: Mapping[str, Any], names: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The entries of arrays that are indexed as the code indexes another with as many axes: ``dz[:, t]``, ``P[i, k]``;
    and of lists and dicts with as many entries as one that it indexes so: ``hs[t]``.
    """
    whole = [text for text, held in every.items() if isinstance(parsed(text), ast.Name | ast.Attribute)
             and is_indexed(held)]  # fmt: skip
    pairs = [(node, base) for node in spelled.values() if isinstance(node, ast.Subscript)
             and not isinstance(node.slice, ast.Constant) and (base := ast.unparse(node.value)) in every]  # fmt: skip
    for node, base in pairs:
        for other in whole:
            if other != base and is_alike(every[other], every[base]):
                text = f"{other}[{index_text(node)}]"
                held = value_of(parsed(text), names)
                if is_array(held) or isinstance(held, np.floating):
                    yield text, held


def is_indexed(held: Any) -> bool:
    """Whether a value is an array with an axis, or a list, a tuple or a dict of arrays or numbers."""
    if type(held) not in (list, tuple, dict):
        return is_array(held) and held.ndim > 0
    first = next(iter(dict.values(held) if isinstance(held, dict) else held), None)
    return is_array(first) or isinstance(first, np.floating)


def is_alike(one: Any, other: Any) -> bool:
    """Whether two values that can be indexed are arrays with as many axes, or one is none and they are as long."""
    both_arrays = is_array(one) and is_array(other)
    return is_indexed(other) and (one.ndim == other.ndim if both_arrays else len(one) == len(other))


def by_counters(code: ast.AST, arrays: Mapping[str, Shape], names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries, by the counters of loops, of arrays that the function reads nowhere: ``d_out[i, j, f]``; those with
    the counters in the order of the loops first."""
    counts = [name for name in counters(code) if isinstance(names.get(name), int | np.integer)][:FEW]
    ranks = {array: len(shape) for array, shape in arrays.items() if array in unread(code)}
    indices = [(array, index) for array, rank in ranks.items() for index in permutations(counts, rank) if rank]
    in_order = {*chain.from_iterable(combinations(counts, rank) for rank in ranks.values())}
    for array, index in sorted(indices, key=lambda each: each[1] not in in_order):
        text = f"{array}[{', '.join(index)}]"
        held = value_of(parsed(text), names)
        if held is not MISSING:
            yield text, held


def index_text(node: ast.Subscript) -> str:
    """What stands in the brackets."""
    return ast.unparse(node)[len(ast.unparse(node.value)) + 1 : -1]


@lru_cache(maxsize=256)
def unread(code: ast.AST) -> frozenset[str]:
    """The names that a function binds, its parameters too, and reads nowhere; globals are read by others."""
    names = [node for node in ast.walk(code) if isinstance(node, ast.Name)]
    shared = {name for node in ast.walk(code) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in names} | {node.arg for node in ast.walk(code) if isinstance(node, ast.arg)}
    return frozenset(bound.difference(read, shared, counters(code)))


@lru_cache(maxsize=256)
def divisors(code: ast.AST) -> frozenset[str]:
    """What a function divides by."""
    nodes = [node for node in ast.walk(code) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
    return frozenset(ast.unparse(node.right) for node in nodes)


@lru_cache(maxsize=256)
def counters(code: ast.AST, at: int | None = None) -> dict[str, None]:
    """The names that the loops of a function bind, or those around one line, from outside in: whatever their values,
    they count nothing."""
    loops = (node for node in ast.walk(code) if isinstance(node, ast.For | ast.comprehension))
    targets = [node.target for node in loops if at is None or is_around(node, at)]
    return dict.fromkeys(name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def is_around(loop: ast.For | ast.comprehension, line: int) -> bool:
    """Whether a line is one of a loop's."""
    first, last = loop.target.lineno, getattr(loop, "end_lineno", None) or loop.target.lineno
    return first <= line <= last


def is_length(node: ast.AST) -> bool:
    """Whether a node is ``len(x)``, ``x.shape[0]`` or ``x.size``."""
    match node:
        case ast.Call(ast.Name("len"), [_]) | ast.Attribute(_, "size") | ast.Subscript(ast.Attribute(_, "shape"), _):
            return True
    return False


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
            if isinstance(held, ModuleType):  # all of its names would import what it imports when asked for
                return getattr(held, name, MISSING)
            return attributes_of(held).get(name, MISSING)
        case ast.Subscript(inner, index):
            return entry(value_of(inner, names), value_of(index, names))
        case ast.Slice(lower, upper, step):
            bounds = [None if part is None else value_of(part, names) for part in (lower, upper, step)]
            return MISSING if any(bound is MISSING for bound in bounds) else slice(*bounds)
        case ast.Tuple(items):
            values = [value_of(item, names) for item in items]
            return MISSING if any(value is MISSING for value in values) else tuple(values)
        case ast.UnaryOp(ast.USub(), inner):  # ``zs[-l]`` counts layers from the last
            held = value_of(inner, names)
            return -held if isinstance(held, int | np.integer) else MISSING
        case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() as operator, right):
            one, two = value_of(left, names), value_of(right, names)
            if not isinstance(one, int | np.integer) or not isinstance(two, int | np.integer):
                return MISSING
            match operator:
                case ast.Add():
                    return one + two
                case ast.Sub():
                    return one - two
            return one * two
        case ast.Call(ast.Name("len"), [inner]):
            held = value_of(inner, names)
            return len(held) if type(held) in (tuple, list, dict) or np.ndim(held if is_array(held) else 0) else MISSING
    return MISSING


def entry(held: Any, index: Any) -> Any:
    """``held[index]`` of an array, a list, a tuple or a dict; MISSING where there is none. No key is made."""
    try:
        if isinstance(held, dict):
            return dict.get(held, index, MISSING) if isinstance(index, KEYS) else MISSING
        if type(held) in (list, tuple) or is_array(held):
            return held[index]
    except (IndexError, TypeError, ValueError):
        pass
    return MISSING


def reached(
    variables: Mapping[str, Any], names: Mapping[str, Any], spelled: Mapping[str, ast.expr]
) -> Iterator[tuple[str, Any]]:
    """Variables, with what the code spells that begins with them and what they hold: what was bound last first."""
    begun = grouped(
        (next((part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.id in variables), ""), text)
        for text, node in spelled.items()
    )
    for name, held in reversed([item for item in variables.items() if item[0].strip("_")]):  # _ is thrown away
        yield name, held
        yield from ((text, value_of(spelled[text], names)) for text in begun.get(name, ()) if text != name)
        yield from parts(name, held)


def parts(name: str, held: Any, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """The attributes and entries of a value, as they are spelled, and those of each."""
    if isinstance(held, ModuleType | type | FunctionType):
        return
    found = {f"{name}.{key}": part for key, part in islice(attributes_of(held).items(), MOST)}
    if isinstance(held, dict):
        found = {f"{name}[{key!r}]": part for key, part in islice(dict.items(held), MOST) if isinstance(key, str | int)}
    elif type(held) in (tuple, list):
        found = {f"{name}[{key}]": part for key, part in enumerate(held[:ENTRIES])}
    for text, part in found.items():
        yield text, part
        if depth > 1:
            yield from parts(text, part, depth - 1)


def sizes_of(arrays: Mapping[str, Shape], near: Iterable[str]) -> dict[str, int]:
    """The sizes of arrays, each by the shape of the nearest that has it."""
    found: dict[str, int] = {}
    for text in near:
        for axis, size in enumerate(arrays[text]):
            if size not in found.values() and text.isidentifier():
                found[f"{text}.shape[{axis}]"] = size
    return found


def volumes(shapes: Iterable[Shape]) -> set[int]:
    """The sizes of arrays, and those of several of their axes, as a mean has them; without 1.

    >>> sorted(volumes([(5, 3, 2)]))
    [2, 3, 5, 6, 10, 15, 30]
    """
    found = (math.prod(sizes) for shape in {*shapes} for rank in range(len(shape)) for sizes in
             combinations(shape, rank + 1))  # fmt: skip
    return {*found} - {1}


def may_count(text: str, held: Any, divisors: Collection[str]) -> bool:
    """Whether a number can be a size by its kind and its spelling: a whole one, and not an entry of something; one of
    floating point, ``m = x.size / x.shape[0]``, or a 2 that an object holds, if something is divided by it."""
    node = parsed(text)
    is_whole = isinstance(held, int | np.integer) and (held > 2 or isinstance(node, ast.Name))
    return (is_whole or text in divisors) and isinstance(node, ast.Name | ast.Attribute)


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


def derivatives(every: Mapping[str, Any]) -> Iterator[str]:
    """The methods of the user's objects that take one array and are called derivatives: ``self.activation.prime``."""
    for text, held in every.items():
        for kind in type(held).__mro__ if is_object(held) and is_users_class(type(held)) else ():
            for name, method in vars(kind).items():
                if isinstance(method, FunctionType) and method.__code__.co_argcount == 2 and DERIVATIVE.search(name):
                    yield f"{text}.{name}"


def is_own_function(held: Any) -> bool:
    """Whether a value is a function of the user's."""
    return isinstance(held, FunctionType) and is_users_function(held)
