"""Values of a program at a state, how much of each is rounding, and which of many known values an array is.

Two arrays are the same value up to the order of their axes, axes of size 1, and a factor.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import permutations, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from einbackprop.checking.naming import gradient_of
from einbackprop.core import progress
from einbackprop.core.elementwise import is_boolean, numeric
from einbackprop.core.interpretation import compute, compute_recurrence, input_sizes, squeeze
from einbackprop.core.program import Contract, Equation, Factor, Map, Opaque, Program, Ref, Sum, operands
from einbackprop.core.records import dataclass
from einbackprop.core.recurrences import Recurrence, blocks
from einbackprop.core.source import parse_python
from einbackprop.errors import EinbackpropError

Array = NDArray[Any]
JITTER = 1e-11  # relative: some 50,000 times one rounding
ROUNDING = 1e-2  # of what a jitter changes is taken for noise: some hundreds of roundings
CLOSE = 1e-8  # relative to the largest entry: rounding of ordinary values is far below, a mistake far above


@dataclass(frozen=True)
class Evaluated:
    """The values of a program.

    Attributes
    ----------
    values : mapping of name to array
        Inputs and constants as well. What could not be computed is left out, and what needs it.
    noise : mapping of name to float
        How much of each value may be rounding: of what cancels to zero, all of it.
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)

    def agree(self, name: str, true: Array, noise: float = 0.0) -> bool:
        """Whether a value is the true one, but for rounding."""
        if name not in self.values or self.values[name].shape != true.shape:
            return False
        yours, true = numeric(self.values[name]), numeric(true)
        scale = float(np.abs(true).max(initial=0))
        off = float(np.abs(yours - true).max(initial=0))
        return off <= max(CLOSE * scale, noise, self.noise.get(name, 0.0))  # not of nan


@np.errstate(all="ignore")
def evaluate(program: Program, arrays: Sequence[Any]) -> Evaluated:
    """The values of a program for arrays in the order of its inputs.

    What was not read has the value that it had when the program was traced. Every value is computed once more, with
    the result of each step off by a little: the difference is its noise.
    """
    given = {i.ref.name: squeeze(widened(a), i) for i, a in zip(program.inputs, arrays, strict=True)}
    sizes = input_sizes(program, list(given.values()))
    exact = {name: np.asarray(value) for name, value in program.constants.items()} | given
    shaken = dict(exact)
    rng = np.random.default_rng(0)
    noise: dict[str, float] = {}

    def off(equation: Equation, value: Array) -> Array:
        is_off = value.dtype.kind == "f" and is_rounded(equation)
        return value * (1 + JITTER * rng.uniform(-1, 1, value.shape)) if is_off else value

    for block in blocks(program.equations):
        own = block.equations if isinstance(block, Recurrence) else (block,)
        made = {equation.out.name for equation in own}
        read = [ref for equation in own for ref in operands(equation) if ref.name not in made]
        if isinstance(block, Opaque) or not all(fits(exact.get(ref.name), ref, sizes) for ref in read):
            continue
        progress.tick()
        try:
            if isinstance(block, Recurrence):
                compute_recurrence(block, exact, sizes)
                compute_recurrence(block, shaken, sizes, off)
            else:
                exact[block.out.name] = compute(block, exact, sizes)
                shaken[block.out.name] = off(block, compute(block, shaken, sizes))
        except EinbackpropError:  # positions beyond the end, by values of this state
            for values in (exact, shaken):
                for name in made & values.keys():
                    del values[name]
            continue
        for name in made:
            if exact[name].dtype.kind == "f":
                noise[name] = ROUNDING * float(np.abs(shaken[name] - exact[name]).max(initial=0))
    return Evaluated(exact, noise)


def fits(array: Array | None, ref: Ref, sizes: Mapping[str, int]) -> bool:
    """Whether an array is there, and of the sizes of its letters: a constant has those of the run."""
    return array is not None and array.shape == tuple(sizes[i] for i in ref.indices)


def widened(array: Any) -> Array:
    """An array in double precision, if it is one of floats."""
    plain: Array = np.asarray(array)
    return plain.astype(np.float64) if plain.dtype.kind == "f" and plain.dtype.itemsize < 8 else plain


def is_rounded(equation: Equation) -> bool:
    """Whether arithmetic rounds what an equation makes; what is picked or moved is as it was, so that ``x == max(x)``
    stays true."""
    match equation:
        case Contract(out, refs):
            summed = any(i not in out.indices for ref in refs for i in ref.indices)
            return len(refs) > 1 or (len(refs) == 1 and summed and not equation.brackets)
        case Sum():
            return len(equation.terms) > 1
        case Map():
            return not is_boolean(equation.function) and equation.function not in ("where", "maximum", "minimum")
    return False


Kind = Literal["cotangent", "forward", "slope", "part"]
KINDS: tuple[Kind, ...] = ("cotangent", "forward", "slope", "part")
NEAR = 1e-6
"""How far an array may be off, relative to its largest entry; of single precision, the root of its rounding."""
EPSILON = float(np.finfo(float).eps)
MOST_AXES = 6
PLAIN = [Fraction(sign * n, d) for n, d in ((1, 1), (2, 1), (1, 2)) for sign in (1, -1)]


@dataclass(frozen=True)
class Meaning:
    """What an array is: ``factor`` times a known value, the axes of that in the order ``axes``.

    Attributes
    ----------
    kind : 'cotangent', 'forward', 'slope' or 'part'
        The gradient with respect to ``of``; the value ``of`` itself; the derivative of the pointwise function ``of``;
        one of the terms or factors that the gradient with respect to ``of`` is made of.
    of : str
        The user's name, or a description of what has none; ``the tanh that makes h`` for a function.
    factor : float
    axes : tuple of int
        Axes of size 1 are not counted.
    amount : str
        The factor as it is written: ``1/B`` where B is the size of one dimension only.
    value : str
        The name of ``of`` in the program.
    """

    kind: Kind
    of: str
    factor: float = 1.0
    axes: tuple[int, ...] = ()
    amount: str = "1"
    value: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the factor is 1."""
        return self.factor == 1

    @property
    def is_turned(self) -> bool:
        """Whether the axes stand in another order than those of what it is."""
        return self.axes != tuple(sorted(self.axes))

    @property
    def text(self) -> str:
        """``∂L/∂z2``; ``1/B ∂L/∂z2, transposed``."""
        said = {
            "cotangent": f"∂L/∂{self.of}", "part": f"a part of ∂L/∂{self.of}", "forward": self.of,
            "slope": f"the derivative of {self.of}",
        }[self.kind]  # fmt: skip
        amount = "" if self.is_plain else "-" if self.amount == "-1" else f"{self.amount} "
        return f"{amount}{said}{', transposed' if self.is_turned else ''}"


@dataclass(frozen=True)
class Known:
    """A value that an array can be.

    Attributes
    ----------
    kind, of, value
        As those of a `Meaning`.
    array : array
    noise : float
        How much of it may be rounding.
    names : mapping of str to str
        Its names by their last parts: ``self.W`` under ``W``.
    is_wanted : bool
        False for the gradient with respect to data: an array is that by chance, so that comes last.
    """

    kind: Kind
    of: str
    array: Array
    noise: float = 0.0
    names: Mapping[str, str] = field(default_factory=dict)
    is_wanted: bool = True
    value: str = ""

    @cached_property
    def is_zero(self) -> bool:
        """Whether all of it may be rounding."""
        return float(np.abs(self.array).max(initial=0)) <= self.noise


class Identifier:
    """Finds what an array is among known ones, of which the likelier come first."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._by_shape: dict[tuple[int, ...], list[tuple[int, Known]]] = {}
        for place, one in enumerate(known):
            array = np.squeeze(numeric(one.array))
            if array.ndim <= MOST_AXES and array.size and array.dtype.kind in "fiu" and np.isfinite(array).all():
                plain = replace(one, array=array.astype(np.float64))
                self._by_shape.setdefault(tuple(sorted(array.shape)), []).append((place, plain))
        self._marks = {
            shape: np.array([invariants(one.array) for _, one in found]) for shape, found in self._by_shape.items()
        }

    def meaning(self, array: Any, called: str = "") -> tuple[Known, float, tuple[int, ...]] | None:
        """What an array is, by which factor and in which order of axes; ``called`` is what the user calls it.

        Where it could be several, its name decides; else a cotangent comes before a value of the loss, and what it is
        comes before what it is a multiple of. Zeros, constants and single numbers are what their name says or nothing.
        """
        given = np.asarray(array)
        if not is_of_numbers(given):
            return None
        close, noisy = NEAR, 1.0
        if given.dtype.kind == "f":
            epsilon = float(np.finfo(given.dtype).eps)
            close, noisy = max(NEAR, epsilon**0.5), epsilon / EPSILON
        yours = np.squeeze(numeric(widened(given)).astype(np.float64))
        names = meant(called)
        says_nothing = is_constant(yours, close)
        found = []
        for place, known in self._candidates(yours, close, bool(names)):
            is_named = known.kind == "cotangent" and not names.isdisjoint(known.names)
            if (says_nothing or known.is_zero) and not is_named:
                continue
            multiple = factor_of(yours, known.array, close, known.noise * noisy)
            if multiple is not None and (multiple[0] == 1 or not says_nothing):
                factor, axes = multiple
                turned = axes != tuple(sorted(axes))
                key = (not is_named, not known.is_wanted, factor != 1, KINDS.index(known.kind), turned, place)
                said = min((known.names[name] for name in names & known.names.keys()), default=known.of)
                found.append((key, replace(known, of=said if is_named else known.of), factor, axes))
        return min(found, key=lambda one: one[0])[1:] if found else None

    def equal(self, array: Any) -> Iterator[tuple[Known, tuple[int, ...]]]:
        """The known arrays that an array is, and the order of their axes; of one that is the same everywhere none."""
        given = np.asarray(array)
        if not is_of_numbers(given) or is_constant(given * 1.0, CLOSE):
            return
        yours = np.squeeze(numeric(given).astype(np.float64))
        for _, known in self._candidates(yours, CLOSE, all_named=False):
            multiple = factor_of(yours, known.array, CLOSE, 0.0)
            if multiple is not None and multiple[0] == 1:
                yield known, multiple[1]

    def _candidates(self, yours: Array, close: float, all_named: bool) -> Iterator[tuple[int, Known]]:
        """The known arrays of a shape whose invariants an array has; those of zeros have none that are sure."""
        shape = tuple(sorted(yours.shape))
        if shape in self._by_shape:
            room = 4 * close * yours.size * np.array([1, 2])
            near = set(np.flatnonzero((np.abs(self._marks[shape] - invariants(yours)) <= room).all(axis=1)))
            for n, (place, known) in enumerate(self._by_shape[shape]):
                if n in near or (all_named and known.is_zero):
                    yield place, known


def is_of_numbers(array: Array) -> bool:
    """Whether an array has entries, and all of them are real numbers."""
    return array.dtype.kind in "fiub" and bool(array.size) and bool(np.isfinite(array).all())


def is_constant(array: Array, close: float) -> bool:
    """Whether an array has one entry, or the same everywhere: that many things are."""
    return array.size == 1 or float(np.ptp(array)) <= close * float(np.abs(array).max())


def invariants(array: Array) -> tuple[float, float]:
    """Two numbers that neither a factor nor the order of axes changes."""
    size = np.abs(array)
    size = size / (float(size.max()) or 1.0)
    return float(size.sum()), float((size * size).sum())


def factor_of(
    yours: Array, known: Array, close: float, noise: float
) -> tuple[float, tuple[int, ...]] | None:
    """The factor between two arrays, and the order of the axes of the known one; of two zeros 1."""
    largest, scale = float(np.abs(yours).max()), float(np.abs(known).max())
    if scale <= noise:
        return (1.0, tuple(range(known.ndim))) if largest <= noise and yours.shape == known.shape else None
    at = np.unravel_index(int(np.abs(known).argmax()), known.shape)
    for axes in permutations(range(known.ndim)):
        turned = known.transpose(axes)
        if turned.shape != yours.shape:
            continue
        factor = float(yours[tuple(at[axis] for axis in axes)] / known[at])
        if factor and float(np.abs(yours - factor * turned).max()) <= max(close * largest, abs(factor) * noise):
            return (1.0 if abs(factor - 1) <= close else factor), axes
    return None


def meant(called: str) -> frozenset[str]:
    """The last parts of names of which a name says that it is their gradient: ``W`` for ``dW``, ``self.dW[0]`` and
    ``grads["W"]``."""
    name, is_entry = last_part(called)
    names = gradient_of(name)
    return frozenset(names if is_entry else names[1:])


def tail(name: str) -> str:
    """The last part of a name: ``W`` of ``self.W``, ``h`` of ``cache["h"][t]``."""
    return last_part(name)[0]


@lru_cache(maxsize=4096)
def last_part(name: str) -> tuple[str, bool]:
    """The last name in an expression, and whether it is an attribute or a key; all of it where there is none."""
    try:
        node: ast.AST = parse_python(name, mode="eval").body
    except (SyntaxError, UnicodeEncodeError):  # a key may be any text
        return name, False
    while isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return node.slice.value, True
        node = node.value
    match node:
        case ast.Name(one):
            return one, False
        case ast.Attribute(_, one):
            return one, True
    return name, False


def simple_factor(number: float, sizes: Mapping[str, int]) -> Factor:
    """A number as a factor that says where it comes from: a size that only one dimension has, or a simple fraction."""
    exact = Fraction(number).limit_denominator(1000)
    if not exact or abs(float(exact) / number - 1) > NEAR:
        exact = Fraction(number)
    if exact in PLAIN:
        return Factor(exact)
    for rest, power in product(PLAIN, (-1, 1)):
        for letter, size in sizes.items():
            if abs(float(rest) * float(size) ** power / number - 1) <= NEAR:
                return Factor.of(rest, **{letter: power})
    return Factor(exact)
