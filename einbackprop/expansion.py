"""The values of a program as terms in canonical form, equation by equation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from math import isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import functions
from .brackets import letter, positive, zero
from .canonical import DIGEST_SIZE, Atom, Head, Index, index
from .errors import UndecidedError
from .polynomials import (
    ONE,
    Context,
    Product,
    Terms,
    add,
    constant,
    monomial,
    multiply,
    normalise,
    scale,
    size,
    substitute,
    without,
)
from .program import (
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    Number,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    exact,
    operands,
)
from .summation import total


@dataclass
class Expansion:
    """A program whose values are expanded as they are asked for.

    Attributes
    ----------
    program : Program
    context : Context
    dimensions : mapping of letter to number, optional
        Numbers that are shared with another program; else a dimension's number is its place in the program.
    called : mapping
        What an input is called in the comparison.
    given : frozenset of str
        Values that are not expanded.
    zero_or_one, positive : frozenset of str
        Inputs of which every entry is so, as they are called in the comparison.
    """

    program: Program
    context: Context
    dimensions: Mapping[str, int] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    zero_or_one: frozenset[str] = frozenset()
    positive: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.dimensions = self.dimensions or {i: k for k, d in enumerate(self.program.dimensions) for i in d.letters}
        self._values: dict[str, Terms] = {}
        self._slots: dict[str, tuple[Index, ...]] = {}
        self._inputs = {i.ref.name: i for i in self.program.inputs}
        self._defining = self.program.defining()

    def value(self, name: str) -> Terms:
        """A value with ``slots(name)`` as its indices; those it needs are expanded first."""
        waiting = [name]
        while waiting:
            top = waiting[-1]
            equation = None if top in self.given or isinstance(self._defining.get(top), Opaque) else self._defining.get(
                top)  # fmt: skip
            missing = [r.name for r in operands(equation) if r.name not in self._values] if equation else []
            if missing and top not in self._values:
                waiting += missing
                continue
            waiting.pop()
            if top not in self._values:
                self._values[top] = self.leaf(top) if equation is None else self.compute(equation)
        return self._values[name]

    def slots(self, name: str) -> tuple[Index, ...]:
        """The indices of a value's axes, numbered from 0."""
        if name not in self._slots:
            if name in self._inputs:
                letters: Sequence[str] = self._inputs[name].ref.indices
                axes = [self.dimensions[i] for i in letters]
            elif name in self._defining:
                axes = [self.dimensions[i] for i in self._defining[name].out.indices]
            else:
                axes = self._axes_where_read(name)
            self._slots[name] = tuple(index(d, k) for k, d in enumerate(axes))
        return self._slots[name]

    def _axes_where_read(self, name: str) -> list[int]:
        for equation in self.program.equations:
            for ref in operands(equation):
                if ref.name == name:
                    return [self.dimensions[i] for i in ref.indices]
        return [self.dimensions[i] for ref in self.program.outputs if ref.name == name for i in ref.indices]

    def leaf(self, name: str) -> Terms:
        """An input, a constant, or a value that is taken as it is."""
        slots = self.slots(name)
        given = self._inputs.get(name)
        called = self.called.get(name, name)
        traits: dict[str, Any] = {"indicator": called in self.zero_or_one, "positive": called in self.positive}
        if given is None and name in self.program.constants and name not in self.called:
            array = np.asarray(self.program.constants[name])
            if uniform(array):
                return self.number(exact(array.flat[0]))
            called = blake2b(repr(array.shape).encode() + _bytes(array), digest_size=DIGEST_SIZE).hexdigest()
            kind = array.dtype.kind
            above = kind != "c" and bool((array > 0).all())
            traits = {"indicator": bool(np.isin(array, (0, 1)).all()), "positive": above}
        else:
            kind = np.dtype(given.dtype).kind if given else "f"
        traits["indicator"] = traits["indicator"] or kind == "b"
        traits |= {"integer": kind in "iub", "real": kind != "c"}
        head = self._head(f"input {called} {len(slots)}", "input", called, slots, **traits)
        return monomial({(head, slots): 1})

    def _head(self, digest: str, kind: str, name: str, slots: Sequence[Index] = (), **traits: Any) -> Head:
        dimensions = tuple(i >> 32 for i in slots)
        return self.context.intern(
            digest.encode(),
            lambda: Head(digest.encode(), kind, name, dimensions=dimensions, orbits=tuple(range(len(slots))), **traits),
        )

    def number(self, number: Number) -> Terms:
        """A number; ∞ stands for one that is larger than all others."""
        if isinstance(number, Fraction):
            return functions.number(number, self.context)
        if isinstance(number, complex):
            real, imaginary = (self.number(exact(part)) for part in (number.real, number.imag))
            head = self._head("imaginary unit", "number", "i", real=False, reduce=_imaginary)
            return add(real, multiply(imaginary, monomial({(head, ()): 1}), self.context))
        if isinf(number):
            head = self._head("infinity", "number", "inf", positive=True)
            return monomial({(head, ()): 1}, 1 if number > 0 else -1)
        raise UndecidedError("a factor is not a number")

    def factor(self, factor: Factor) -> Terms:
        """A number times powers of sizes."""
        powers: Product = {}
        for i, power in factor.sizes:
            atom = (size(self.dimensions[i], self.context), ())
            powers[atom] = powers.get(atom, 0) + power
        return multiply(self.number(factor.number), normalise(powers, self.context), self.context)

    def scaled(self, terms: Terms, factor: Factor) -> Terms:
        """Terms times a factor."""
        return multiply(self.factor(factor), terms, self.context)

    def read(self, ref: Ref, names: Mapping[str, Index]) -> Terms:
        """A value where it is used, with the given indices for its letters."""
        slots = self.slots(ref.name)
        mapping = {slot: names[i] for slot, i in zip(slots, ref.indices, strict=True)}
        return substitute(self.value(ref.name), mapping, self.context)

    def names(self, letters: str, out: str) -> dict[str, Index]:
        """An index for each letter: the output's are numbered, the others new."""
        named = {i: index(self.dimensions[i], k) for k, i in reversed(list(enumerate(out)))}
        return named | {i: self.context.fresh(self.dimensions[i]) for i in letters if i not in named}

    def compute(self, equation: Equation) -> Terms:
        """The value that one equation defines."""
        match equation:
            case Contract():
                return self.contract(equation)
            case Sum(out, summands):
                names = self.names("", out.indices)
                return add(
                    *(self.scaled(ONE if ref is None else self.read(ref, names), factor) for factor, ref in summands)
                )
            case Map(out, function, refs, parameter):
                names = self.names("", out.indices)
                if parameter is not None and not isinstance(parameter, Fraction):
                    raise UndecidedError(f"{function} with the parameter {parameter}")
                exponent = None if parameter is None else next(iter(self.number(parameter).values()), Fraction(0))
                return functions.apply(function, [self.read(ref, names) for ref in refs], exponent, self.context)
            case Extremum():
                return self.extremum(equation)
            case Update():
                return self.update(equation)
            case Opaque(out):
                return self.leaf(out.name)

    def contract(self, equation: Contract) -> Terms:
        """Products, distributed; then the sum over the letters that ``out`` lacks."""
        out = equation.out.indices
        letters = "".join(
            dict.fromkeys("".join(r.indices for r in equation.operands) + "".join(b.letters for b in equation.brackets))
        )
        names = self.names(letters, out)
        product = self.factor(equation.factor)
        for bracket in equation.brackets:
            product = multiply(product, self.bracket(bracket, names), self.context)
        for ref in equation.operands:
            product = multiply(product, self.read(ref, names), self.context)
        result = total(product, [names[i] for i in letters if i not in out], self.context)
        for k, i in enumerate(out):
            if out.index(i) != k:
                again = index(self.dimensions[i], k)
                result = multiply(result, self.equal(names[i], again), self.context)
        return result

    def equal(self, i: Index, k: Index) -> Terms:
        """``[i=k]``."""
        return zero(functions.minus(letter(i, self.context), letter(k, self.context)), self.context)

    def bracket(self, bracket: Bracket, names: Mapping[str, Index]) -> Terms:
        """A bracket as terms."""
        left, right = self.position(bracket.left, names), self.position(bracket.right, names)
        match bracket.relation:
            case "=":
                return zero(functions.minus(left, right), self.context)
            case "≠":
                return functions.negated(zero(functions.minus(left, right), self.context))
            case "<":
                return positive(functions.minus(right, left), self.context)
            case "≤":
                return functions.negated(positive(functions.minus(left, right), self.context))

    def position(self, position: Position, names: Mapping[str, Index]) -> Terms:
        """A position as terms in letters."""
        parts = [self.scaled(letter(names[i], self.context), factor) for factor, i in position.terms]
        if position.pick is not None:
            parts.append(self.read(position.pick, names))
        return add(constant(position.constant), *parts)

    def extremum(self, equation: Extremum) -> Terms:
        """Max, min or where they are reached."""
        letters = "".join(dict.fromkeys(equation.operand.indices))
        names = self.names(letters, equation.out.indices)
        over = [names[i] for i in letters if i not in equation.out.indices]
        terms = self.read(equation.operand, names)
        if equation.position_of:
            along = names[equation.position_of]
            return functions.position(equation.kind, terms, over, along, self.context)
        return functions.extremum(equation.kind, terms, over, self.context)

    def update(self, equation: Update) -> Terms:
        """``base + Σ brackets·mask·(value - base)``, over the letters of the value's own."""
        own = equation.base.indices
        goals = self.names("", own)
        written = {b.left.letters: b for b in equation.brackets}
        letters = equation.value.indices + "".join(b.right.letters for b in equation.brackets)
        inside = {i: k for i, k in goals.items() if i not in written}
        fresh = {i: self.context.fresh(self.dimensions[i]) for i in dict.fromkeys(letters) if i not in inside}
        region = ONE
        for bracket in equation.brackets:
            at = functions.minus(self.position(bracket.left, goals), self.position(bracket.right, inside | fresh))
            region = multiply(region, zero(at, self.context), self.context)
        base = self.read(Ref(equation.base.name, own), goals)
        if equation.mask is not None:
            mask = functions.truth(self.context, self.read(equation.mask, goals))
            region = multiply(region, mask, self.context)
        new = functions.minus(self.read(equation.value, inside | fresh), base)
        return add(base, total(multiply(region, new, self.context), fresh.values(), self.context))


def uniform(array: NDArray[Any]) -> bool:
    """Whether an array is one number throughout."""
    return array.size > 0 and array.dtype.kind in "biufc" and bool((array == array.flat[0]).all())


def _bytes(array: NDArray[Any]) -> bytes:
    if array.dtype.kind not in "biufc":
        raise UndecidedError(f"a constant array of dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=complex if array.dtype.kind == "c" else float).tobytes()


def _imaginary(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``i² = -1``."""
    power = atoms[atom]
    if power != int(power):
        raise UndecidedError("a root of the imaginary unit")
    if 0 <= power < 2:
        return None
    rest = without(atoms, atom) | ({atom: 1} if power % 2 else {})
    return scale(normalise(rest, context), -1 if power % 4 >= 2 else 1)


def joint_dimensions(
    program: Program, name: str, other: Program, other_name: str, called: Mapping[str, str],
    axes: Sequence[int] | None, context: Context,
) -> tuple[dict[str, int], dict[str, int]] | None:  # fmt: skip
    """Number the dimensions of two programs together: those of inputs that go together are one.

    Returns
    -------
    The number of each letter, for either program; None where the values have not the same number of axes.
    """
    letters = [(0, i) for d in program.dimensions for i in d.letters] + [
        (1, i) for d in other.dimensions for i in d.letters
    ]
    parent = {x: x for x in letters}

    def root(x: tuple[int, str]) -> tuple[int, str]:
        while parent[x] != x:
            x = parent[x]
        return x

    for side, p in enumerate((program, other)):
        for d in p.dimensions:
            for i in d.letters[1:]:
                parent[side, i] = (side, d.letters[0])
    separate = len({root(x) for x in letters if x[0] == 0})
    pairs = [(indices_of(program, called.get(n, n)), indices_of(other, n)) for n in {*called, other_name}
             if n in called]  # fmt: skip
    ours, theirs = indices_of(program, name), indices_of(other, other_name)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return None
    pairs.append((ours, "".join(theirs[a] for a in axes) if axes else theirs))
    if program is other:
        pairs = [((i.letters[0]), i.letters[0]) for i in program.dimensions]
    for first, second in pairs:
        for i, k in zip(first or "", second or "", strict=False):
            parent[root((1, k))] = root((0, i))
    roots = {r: n for n, r in enumerate(dict.fromkeys(root(x) for x in letters))}
    numbers = {x: roots[root(x)] for x in letters}
    sides = [(1, d) for d in other.dimensions] + [(0, d) for d in program.dimensions]
    context.sizes = {numbers[s, d.letters[0]]: d.size for s, d in sides}
    if len({numbers[x] for x in letters if x[0] == 0}) < separate:
        context.note("dimensions that the second formula takes as one have one size")
    return {i: numbers[0, i] for s, i in letters if s == 0}, {i: numbers[1, i] for s, i in letters if s == 1}


def indices_of(program: Program, name: str) -> str | None:
    """The letters of a value where it is made or given, None where there is no such value."""
    for given in program.inputs:
        if given.ref.name == name:
            return given.ref.indices
    equation = program.defining().get(name)
    if equation is not None:
        return equation.out.indices
    read = [ref.indices for e in program.equations for ref in operands(e) if ref.name == name]
    return read[0] if read else None

