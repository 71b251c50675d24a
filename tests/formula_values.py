"""What a printed formula is worth: ``dW[k,j] = Σ_b d[k,b] h[j,b]`` evaluated at arrays, read off the text alone.

It shares no code with what prints formulas, so that a formula that a report shows can be held against the line that the
user had. ``formula_parser`` reads the text; here it is given values.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
from formula_nodes import Node, Statement, UnreadableError
from formula_parser import parse_statement

NO_SIZES: Mapping[str, int] = MappingProxyType({})
COMPARISONS = {
    "=": np.equal, "≠": np.not_equal, "<": np.less, ">": np.greater, "≤": np.less_equal, "≥": np.greater_equal,
    "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor,
}  # fmt: skip
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
OF_NUMPY = (
    *("exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "abs", "sign", "floor", "ceil", "trunc", "conj", "real"),
)


def cube_root(x: Any) -> Any:
    """The real root of real numbers, the principal one of complex ones."""
    return x ** (1 / 3) if np.iscomplexobj(x) else np.cbrt(x)


def complex_arctan2(a: Any, b: Any) -> Any:
    """The angle of the point (b, a); for complex numbers its analytic continuation, by a logarithm."""
    if not np.iscomplexobj(a) and not np.iscomplexobj(b):
        return np.arctan2(a, b)
    return -1j * np.log((b + 1j * a) / np.sqrt(a * a + b * b))


def complex_hypot(a: Any, b: Any) -> Any:
    return np.sqrt(a * a + b * b) if np.iscomplexobj(a) or np.iscomplexobj(b) else np.hypot(a, b)


def complex_logaddexp(a: Any, b: Any) -> Any:
    complex_one = np.iscomplexobj(a) or np.iscomplexobj(b)
    return np.log(np.exp(a) + np.exp(b)) if complex_one else np.logaddexp(a, b)


FUNCTIONS: dict[str, Any] = {name: getattr(np, name) for name in OF_NUMPY} | {
    "isnan": lambda x: np.isnan(x) * 1, "isinf": lambda x: np.isinf(x) * 1, "isfinite": lambda x: np.isfinite(x) * 1,
    "imag": lambda x: x.imag if np.iscomplexobj(x) else 0 * x, "truth": lambda x: (x != 0) * 1.0,
    "max": np.maximum, "min": np.minimum, "round": np.rint, "mod": np.mod, "floor_divide": np.floor_divide,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "softplus": lambda z: complex_logaddexp(0 * z, z),
    "erf": np.vectorize(math.erf, otypes=[float]), "sqrt": np.sqrt, "cbrt": cube_root, "power": lambda x, p: x**p,
    "arctan2": complex_arctan2, "hypot": complex_hypot, "logaddexp": complex_logaddexp,
}  # fmt: skip


MATRICES: Mapping[str, Callable[..., Any]] = {
    "inv": np.linalg.inv, "pinv": np.linalg.pinv, "solve": np.linalg.solve, "det": np.linalg.det,
    "cholesky": np.linalg.cholesky, "logdet": lambda a: np.linalg.slogdet(a)[1],
    "detsign": lambda a: np.linalg.slogdet(a)[0],
}  # fmt: skip


@dataclass(frozen=True)
class Trajectory:
    """A value in all rounds of a loop, and what it was before the first: at the position -1, or at the one past the
    last where the rounds are counted down."""

    rounds: Any
    axis: int
    before: Any

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.rounds, dtype)

    @property
    def whole(self) -> Any:
        """With what was before at the end, where the position -1 leads too."""
        return np.concatenate([self.rounds, np.expand_dims(self.before, self.axis)], self.axis)


@dataclass
class Evaluation:
    """Formulas evaluated on a grid that has an axis for each letter.

    Attributes
    ----------
    given : mapping of letter to int
        The sizes that do not follow from arrays.
    nudge : Random or None
        Draws what numbers that may be rounded are changed by.
    """

    values: Mapping[str, Any]
    sizes: dict[str, int]
    letters: list[str]
    given: Mapping[str, int] = field(default_factory=dict)
    nudge: Random | None = None
    arrays: dict[Node, Any] = field(default_factory=dict)

    def of(self, node: Node, scope: frozenset[str]) -> Any:
        """The value of a part; ``scope`` are the letters that are not its own to sum over."""
        return getattr(self, "_" + node.kind)(node, scope)

    def parts(self, node: Node, scope: frozenset[str]) -> list[Any]:
        return [self.of(part, scope) for part in node.parts]

    # leaves

    def _number(self, node: Node, scope: frozenset[str]) -> Any:
        moved = self.nudge.choice((-5e-6, 5e-6)) if self.nudge and node.rounded else 0
        return node.number * (1 + moved) if moved else node.number

    def _size(self, node: Node, scope: frozenset[str]) -> Any:
        return self.size(node.letters)

    def size(self, letter: str) -> int:
        if letter not in self.sizes:
            raise UnreadableError(f"nothing says how large {letter} is")
        return self.sizes[letter]

    def _floor(self, node: Node, scope: frozenset[str]) -> Any:
        above, below = self.parts(node, scope)
        return above // below

    def _letter(self, node: Node, scope: frozenset[str]) -> Any:
        return self.spread(np.arange(self.size(node.letters)), node.letters)

    def _ones(self, node: Node, scope: frozenset[str]) -> Any:
        return 1.0

    def _value(self, node: Node, scope: frozenset[str]) -> Any:
        if node not in self.arrays:
            letters = "".join(node.axes)
            array = aligned(self.values, node, self.sizes, self.given)
            array = array * 1 if array.dtype.kind == "b" else array
            shape = tuple(int(np.prod([self.size(i) for i in axis])) for axis in node.axes)
            if node.parts or shape != array.shape:
                self.arrays[node] = self.entries(array, node, scope)
            else:
                self.arrays[node] = self.spread(array.reshape([self.size(i) for i in letters]), letters)
        return self.arrays[node]

    def entries(self, array: Any, node: Node, scope: frozenset[str]) -> Any:
        """The entries of an array at positions; 0 where it has none."""
        held, reach = self.values[node.name], list(array.shape)
        if isinstance(held, Trajectory):
            array, reach = held.whole, list(held.whole.shape)
        places, inside = self.places(node.axes, node.parts, scope)
        for n, place in enumerate(places):
            first = -1 if isinstance(held, Trajectory) and n == held.axis else 0
            inside = inside & (place >= first) & (place < reach[n])
            places[n] = np.where(inside, place, 0)
        found = array[tuple(places)] if places else array
        return np.where(inside, found, 0 * found)

    def places(
        self, axes: tuple[str, ...], positions: tuple[Node, ...], scope: frozenset[str]
    ) -> tuple[list[Any], Any]:  # fmt: skip
        """A position along each axis, as whole numbers, and where all of them are whole numbers."""
        rest, found, inside = iter(positions), list[Any](), np.asarray(True)
        for axis in axes:
            place: Any = 0 if axis else self.of(next(rest), scope)
            for letter in axis:
                place = place * self.size(letter) + self.spread(np.arange(self.size(letter)), letter)
            place = np.asarray(place).reshape(np.shape(place) or (1,) * len(self.letters))
            inside = inside & (place == np.floor(place))
            found.append(np.floor(place).astype(int))
        return found, inside

    def spread(self, array: Any, letters: str) -> Any:
        """An array with its axes where its letters stand in the grid; a letter that stands twice is a diagonal."""
        distinct = "".join(dict.fromkeys(letters))
        array = np.einsum(array, [self.letters.index(i) for i in letters], [self.letters.index(i) for i in distinct])
        order = sorted(distinct, key=self.letters.index)
        array = array.transpose([distinct.index(i) for i in order])
        return array.reshape([array.shape[order.index(i)] if i in order else 1 for i in self.letters])

    # arithmetic

    def _plus(self, node: Node, scope: frozenset[str]) -> Any:
        first, *others = self.parts(node, scope)
        for other in others:
            first = first + other
        return first

    def _minus(self, node: Node, scope: frozenset[str]) -> Any:
        return -self.of(node.parts[0], scope)

    def _times(self, node: Node, scope: frozenset[str]) -> Any:
        value: Any = 1
        for part in self.parts(node, scope):
            value = value * part
        return value

    def _over(self, node: Node, scope: frozenset[str]) -> Any:
        over, under = self.parts(node, scope)
        return np.asarray(over) / np.asarray(under)

    def _power(self, node: Node, scope: frozenset[str]) -> Any:
        base, exponent = self.parts(node, scope)
        base = np.asarray(base)
        return base.astype(float) ** exponent if base.dtype.kind in "iub" else base**exponent

    def _root(self, node: Node, scope: frozenset[str]) -> Any:
        return np.sqrt(self.of(node.parts[0], scope))

    def _call(self, node: Node, scope: frozenset[str]) -> Any:
        if node.name not in FUNCTIONS:
            raise UnreadableError(f"no function {node.name}")
        return FUNCTIONS[node.name](*map(np.asarray, self.parts(node, scope)))

    def _not(self, node: Node, scope: frozenset[str]) -> Any:
        return (np.asarray(self.of(node.parts[0], scope)) == 0) * 1.0

    def _compare(self, node: Node, scope: frozenset[str]) -> Any:
        return COMPARISONS[node.name](*self.parts(node, scope)) * 1.0

    _bracket = _compare

    def _choice(self, node: Node, scope: frozenset[str]) -> Any:
        condition, yes, no = self.parts(node, scope)
        return np.where(np.asarray(condition) != 0, yes, no)

    # over letters

    def axes(self, letters: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.letters.index(i) for i in letters)

    def full(self, value: Any, letters: Iterable[str]) -> Any:
        """The value stretched along letters."""
        value = np.asarray(value)
        value = value.reshape(value.shape or (1,) * len(self.letters))
        chosen = self.axes(letters)
        shape = [self.size(i) if k in chosen else value.shape[k] for k, i in enumerate(self.letters)]
        return np.broadcast_to(value, shape)

    def _sum(self, node: Node, scope: frozenset[str]) -> Any:
        """What does not depend on a letter counts as often as it has values."""
        inner = scope | set(node.letters)
        factors = [np.asarray(self.of(part, inner)) for part in product_parts(node.parts[0])]
        times = np.prod([self.size(i) for i in node.letters], dtype=float)
        over = set(self.axes(node.letters))
        terms: list[Any] = []
        present: set[int] = set()
        for factor in factors:
            own = [k for k, size in enumerate(factor.shape) if size != 1]
            present |= set(own)
            terms += [factor.reshape([factor.shape[k] for k in own]), own]
        kept = sorted(present - over)
        times /= np.prod([self.sizes[self.letters[k]] for k in over & present], dtype=float) if times else 1
        total = np.einsum(*terms, kept, optimize=len(factors) > 2)
        shape = [self.sizes[i] if k in kept else 1 for k, i in enumerate(self.letters)]
        return np.asarray(total).reshape(shape) * times

    def _extremum(self, node: Node, scope: frozenset[str]) -> Any:
        value = self.full(self.of(node.parts[0], scope | set(node.letters)), node.letters)
        over = self.axes(node.letters)
        if not node.axes:
            return getattr(np, node.name)(value, axis=over, keepdims=True) if over else value
        rest = [k for k in range(len(self.letters)) if k not in over]
        flat = value.transpose([*rest, *over]).reshape([*(value.shape[k] for k in rest), -1])
        first = flat.argmax(-1) if node.name == "max" else flat.argmin(-1)
        places = np.unravel_index(first, [self.size(i) for i in node.letters])
        found = places[node.letters.index(node.axes[0])]
        return found.reshape([1 if k in over else value.shape[k] for k in range(len(self.letters))])

    def _matrix(self, node: Node, scope: frozenset[str]) -> Any:
        """A function of whole arrays, or of the matrix along two letters, for every other letter."""
        result = "".join(node.axes)
        if not node.letters:
            arrays = [np.asarray(self.values[part.name]) for part in node.parts]
            return self.spread(MATRICES[node.name](*arrays), result)
        inner, (rows, columns) = scope | set(node.letters), self.axes(node.letters)
        others = [i for i in self.letters if i not in node.letters]
        matrix, *right = self.parts(node, inner)
        arrays = [np.moveaxis(self.full(matrix, node.letters), (rows, columns), (-2, -1))]
        for one in right:
            vector = np.take(np.moveaxis(self.full(one, node.letters[0]), (rows, columns), (-2, -1)), 0, axis=-1)
            arrays.append(vector[..., None])
        made = MATRICES[node.name](*arrays)
        made = made[..., 0] if right else made
        spare = tuple(others.index(i) for i in result)
        return self.spread(np.squeeze(made, spare), "".join(i for i in others if i not in result) + result)

    def _write(self, node: Node, scope: frozenset[str]) -> Any:
        """A write: letters that stand nowhere outside it number what is written."""
        value_node, base_node, places, *mask = node.parts
        bound = sorted(free_letters(places) - scope)
        inner = scope | set(bound)
        value, base = self.of(value_node, inner), self.of(base_node, scope)
        hit: Any = True
        for condition in [*places.parts, *mask]:
            hit = np.logical_and(hit, np.asarray(self.of(condition, inner)) != 0)
        hit = self.full(hit, bound)
        written = np.where(hit, value, 0).sum(axis=self.axes(bound), keepdims=True)
        return np.where(hit.any(axis=self.axes(bound), keepdims=True), written, base)


def product_parts(node: Node) -> list[Node]:
    """The factors of a product."""
    return [p for part in node.parts for p in product_parts(part)] if node.kind == "times" else [node]


def free_letters(node: Node) -> set[str]:
    """The letters of a part that it does not sum over itself."""
    own = set("".join(node.axes)) if node.kind in ("value", "ones", "matrix") else set()
    own |= {node.letters} if node.kind == "letter" else set()
    for part in node.parts:
        own |= free_letters(part)
    return own - set(node.letters) if node.kind in ("sum", "extremum", "matrix") else own


def all_letters(node: Node) -> set[str]:
    """Every letter that stands in a formula but in a size."""
    return {i for n in node.walk() if n.kind != "size" for i in ("".join(n.axes) + n.letters)}


def aligned(values: Mapping[str, Any], node: Node, sizes: Mapping[str, int], given: Mapping[str, int]) -> Any:
    """A value, without axes of size 1 that the formula has no letters for.

    A letter whose size is given may be a position along an axis of another size.
    """
    array = np.asarray(values[node.name])
    spare = array.ndim - len(node.axes)
    units = [k for k, size in enumerate(array.shape) if size == 1]
    for loose in (set(), {letter for letter in given if letter in node.axes}):
        known = [bool(axis) and axis not in loose and all(i in sizes for i in axis) for axis in node.axes]
        wanted = [np.prod([sizes[i] for i in axis]) if k else None for k, axis in zip(known, node.axes, strict=True)]
        for dropped in combinations(units, spare) if spare > 0 else [()] * (spare == 0):
            shape = [size for k, size in enumerate(array.shape) if k not in dropped]
            if all(w is None or w == size for w, size in zip(wanted, shape, strict=True)):
                return array.reshape(shape)
    raise UnreadableError(f"{node.name} has the shape {array.shape}, but the letters {node.axes} of {dict(sizes)}")


def sizes_in(statement: Statement, values: Mapping[str, Any], given: Mapping[str, int]) -> dict[str, int]:
    """The size of each letter, as arrays say; a letter has one size in a formula."""
    sizes = dict(given)
    reads = [node for node in statement.right.walk() if node.kind == "value"]
    before = -1
    while before < len(sizes):
        before = len(sizes)
        for node in reads:
            shape = aligned(values, node, sizes, given).shape
            for axis, size in zip(node.axes, shape, strict=True):
                unknown = {i for i in axis if i not in sizes}
                known = int(np.prod([sizes[i] for i in axis if i in sizes], dtype=int))
                if len(unknown) == 1 and len(axis) > len(set(axis)) - len(unknown) and known:
                    sizes[unknown.pop()] = size // known
                known = int(np.prod([sizes.get(i, 0) for i in axis], dtype=int))
                if axis and axis not in given and known not in (0, size):
                    raise UnreadableError(f"{node.name} is {shape}, where {axis} has another size: {sizes}")
        for node in statement.right.walk():
            if node.kind == "matrix":
                sizes |= sizes_of_matrix(node, values, sizes)
    return sizes


def sizes_of_matrix(node: Node, values: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes of the letters of what a function of a matrix gives: those of its columns, then of its rows."""
    if node.letters:
        known = [sizes.get(i) for i in node.letters[::-1]]
    else:
        first, *right = (np.shape(values[part.name]) for part in node.parts)
        known = [first[1], *right[0][1:]] if right else list(first[::-1])
    return {i: size for i, size in zip("".join(node.axes), known, strict=False) if size is not None}


def right_value(
    statement: Statement, values: Mapping[str, Any], given: Mapping[str, int], nudge: Random | None = None,
    into: Any = None,
) -> Any:  # fmt: skip
    """What a right-hand side is worth, with the axes of the left-hand side; what is broadcast has size 1.

    Where there are positions on the left, it is what is there in the end: what was there before must be known.
    """
    into = values.get(statement.name) if into is None and statement.positions else into
    numbers = {name for name, value in values.items() if not np.ndim(value)} - set(given)
    statement = settled(statement, numbers)
    out = "".join(dict.fromkeys("".join(statement.axes) + "".join(sorted(map_letters(statement.positions)))))
    sizes = sizes_in(statement, values, given)
    letters = list(dict.fromkeys([*out, *sorted(all_letters(statement.right))]))
    loose = free_letters(statement.right) - set(out) - write_letters(statement.right, frozenset(out))
    if loose:
        raise UnreadableError(f"{loose} is neither summed over nor in the result")
    evaluation = Evaluation(values, sizes, letters, given, nudge)
    with np.errstate(all="ignore"):
        if into is not None or statement.positions:
            return into_positions(statement, evaluation, out, into)
        grid = np.asarray(evaluation.of(statement.right, frozenset(out)))
    grid = grid.reshape(grid.shape or (1,) * len(letters))
    array = grid.reshape([grid.shape[k] for k in range(len(out))])
    if "".join(statement.axes) == out == "".join(a for a in statement.axes if len(a) == 1):
        return array
    full = np.broadcast_to(array, [evaluation.size(i) for i in out])
    return placed(full, out, statement.axes, sizes)


def into_positions(statement: Statement, evaluation: Evaluation, out: str, into: Any) -> Any:
    """What was there before, with what is written at the positions on the left; ``where`` says where it is written."""
    if statement.operator or into is None:
        raise UnreadableError(f"nothing says what {statement.name} was")
    written, hit = statement.right, Node("number", number=1)
    if written.kind == "limited":
        written, hit = written.parts
    left = Node("value", statement.positions, name=statement.name, axes=statement.axes)
    before = np.array(aligned({statement.name: into}, left, evaluation.sizes, evaluation.given))
    places, inside = evaluation.places(statement.axes, statement.positions, frozenset(out))
    value = np.asarray(evaluation.of(written, frozenset(out)))
    inside = inside & (np.asarray(evaluation.of(hit, frozenset(out))) != 0)
    for place, size in zip(places, before.shape, strict=True):
        inside = inside & (place >= 0) & (place < size)
    shape = [evaluation.size(i) for i in out] + [1] * (len(evaluation.letters) - len(out))
    value, inside, *places = (
        np.broadcast_to(one.reshape(one.shape or (1,) * len(shape)), shape) for one in (value, inside, *places)
    )
    after, spots = before.astype(np.result_type(before, value)), np.array([place[inside] for place in places])
    if np.unique(spots, axis=1).shape != spots.shape:
        raise UnreadableError(f"several values are written into one place of {statement.name}")
    after[tuple(spots.astype(int))] = value[inside]
    return after.reshape(np.shape(into))


def map_letters(nodes: Iterable[Node]) -> set[str]:
    """The letters that stand free in some parts."""
    return {letter for node in nodes for letter in free_letters(node)}


def settled(statement: Statement, numbers: set[str]) -> Statement:
    """The statement with names for letters in positions that are none elsewhere: ``x[n]`` picks by the number n."""
    left = {i for axis in statement.axes for i in axis} | map_letters(statement.positions)
    written = [part for node in statement.right.walk() if node.kind == "write" for part in node.walk()]
    letters = left | {i for node in written for i in "".join(node.axes)}
    letters |= {i for node in statement.right.walk() if node.kind in ("sum", "extremum") for i in node.letters}
    return replace(statement, right=with_names(statement.right, numbers - letters))


def with_names(node: Node, names: set[str]) -> Node:
    if node.kind == "letter" and node.letters in names:
        return Node("value", name=node.letters)
    inner = iter([with_names(part, names) for part in node.parts])
    if node.kind != "value":
        return replace(node, parts=tuple(inner)) if node.parts else node
    parts = [Node("value", name=axis) if axis in names else next(inner) if not axis else None for axis in node.axes]
    axes = tuple("" if axis in names else axis for axis in node.axes)
    return replace(node, axes=axes, parts=tuple(part for part in parts if part is not None))


def write_letters(node: Node, scope: frozenset[str]) -> set[str]:
    """The letters that number what is written, in the writes of a formula."""
    return {i for n in node.walk() if n.kind == "write" for i in free_letters(n.parts[2])} - scope


def placed(array: Any, out: str, axes: tuple[str, ...], sizes: Mapping[str, int]) -> Any:
    """The array in the axes of the left-hand side: on a diagonal where a letter stands twice, merged in parentheses."""
    letters = "".join(axes)
    result = np.zeros([sizes[i] for i in letters], array.dtype)
    grid = dict(zip(out, np.ogrid[tuple(slice(sizes[i]) for i in out)], strict=True))
    result[tuple(grid[i] for i in letters)] = array
    return result.reshape([int(np.prod([sizes[i] for i in axis])) for axis in axes])


def updated(statement: Statement, right: Any, values: Mapping[str, Any]) -> Any:
    """The value after the statement: of ``g[i] -= …`` what g was, less the right-hand side."""
    if not statement.operator:
        return right
    if statement.name not in values:
        raise UnreadableError(f"nothing says what {statement.name} was")
    before = np.asarray(values[statement.name])
    same = np.size(right) == before.size and np.ndim(right) <= before.ndim
    return OPERATORS[statement.operator](before, np.reshape(right, before.shape) if same else right)


def formula_value(equation: str, values: Mapping[str, Any], sizes: Mapping[str, int] = NO_SIZES) -> Any:
    """The value that a printed equation gives its left-hand side.

    Parameters
    ----------
    equation : str
        ``name[i,j] = …``, ``name -= …``, ``return₂[k] = …``; only the first line of the text is read.
    values : mapping of name to array
        Names are whatever the formula calls values, ``theta["W3"]`` too.
    sizes : mapping of letter to int
        Sizes of letters; those that stand at a value of the formula follow from it.
    """
    return formula_with_error(equation, values, sizes)[0]


def formula_with_error(
    equation: str, values: Mapping[str, Any], sizes: Mapping[str, int] = NO_SIZES, target: str = "", into: Any = None
) -> tuple[Any, Any]:
    """The value that an equation gives, and how far off it may be since numbers in it are rounded.

    ``target`` is what it gives a value to, where that is known, and ``into`` what is written into there.
    """
    statement = parse_statement(equation, values, target, sizes)
    right = right_value(statement, values, sizes, into=into)
    error: Any = 0.0
    if any(node.rounded for node in statement.right.walk()):
        with np.errstate(all="ignore"):
            others = [right_value(statement, values, sizes, Random(seed), into) for seed in range(6)]
            error = sum(abs(np.nan_to_num(other - right)) for other in others)
    return updated(statement, right, values), error


def size_letters(equation: str, names: Iterable[str]) -> set[str]:
    """The letters of which a formula has the size alone."""
    right = parse_statement(equation, names).right
    read = {i for node in right.walk() if node.kind == "value" for axis in node.axes for i in axis}
    return {node.letters for node in right.walk() if node.kind == "size"} - read
