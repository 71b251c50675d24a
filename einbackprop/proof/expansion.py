"""The values of a program as terms in canonical form, equation by equation."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from hashlib import blake2b
from math import isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.collecting import grouped, summed
from ..core.program import (
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    MatrixFunction,
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
from ..core.records import dataclass
from ..errors import UndecidedError
from . import functions, summation
from .brackets import letter, positive, zero
from .indices import DIGEST_SIZE, Head, Index, index, indices_of
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
    size,
    substitute,
)


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
        What an input or a given value is called in the comparison.
    axes : mapping
        For a given value, its axes in the order in which the comparison takes them, where that is another.
    given : mapping
        Values that are not expanded, and what it rests on that they are so called.
    prefix : str
        Tells values that are taken as they are from those of another program that have the same name.
    """

    program: Program
    context: Context
    dimensions: Mapping[str, int] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    given: Mapping[str, Mapping[str, None]] = field(default_factory=dict)
    prefix: str = ""

    def __post_init__(self) -> None:
        self.dimensions = self.dimensions or {i: k for k, d in enumerate(self.program.dimensions) for i in d.letters}
        self._values: dict[str, Terms] = {}
        self._rests: dict[str, dict[str, None]] = {}
        self._slots: dict[str, tuple[Index, ...]] = {}
        self._inputs = {i.ref.name: i for i in self.program.inputs}
        self._defining = self.program.defining()
        self._readers = grouped((ref.name, e.out.name) for e in self.program.equations for ref in operands(e))

    def take(
        self, called: Mapping[str, str], axes: Mapping[str, tuple[int, ...]], given: Mapping[str, Mapping[str, None]]
    ) -> None:
        """Take other values as they are; of those expanded before, what reads a change is forgotten."""
        before, now = (self.called, self.axes, self.given), (called, axes, given)
        names = {name for mapping in (*before, *now) for name in mapping}
        waiting = [name for name in names if any(a.get(name) != b.get(name) for a, b in zip(before, now, strict=True))]
        self.called, self.axes, self.given = called, axes, given
        while waiting:
            name = waiting.pop()
            self._values.pop(name, None)
            readers = self._readers.get(name, ())
            waiting += [reader for reader in readers if reader in self._values and reader not in given]

    def value(self, name: str) -> Terms:
        """A value with ``slots(name)`` as its indices; those it needs are expanded first."""
        waiting = [name]
        while waiting:
            top = waiting[-1]
            equation = None if top in self.given else self._defining.get(top)
            needed = [] if equation is None or isinstance(equation, Opaque) else [r.name for r in operands(equation)]
            missing = [n for n in needed if n not in self._values]
            if missing and top not in self._values:
                waiting += missing
                continue
            waiting.pop()
            if top not in self._values:
                self._expand(top, equation, needed)
        return self._values[name]

    def _expand(self, name: str, equation: Equation | None, needed: Sequence[str]) -> None:
        """Expand one value of which all operands are expanded, and keep what it rests on."""
        outer, self.context.rests = self.context.rests, dict(self.given.get(name, ()))
        try:
            self._values[name] = self.leaf(name) if equation is None else self.compute(equation)
        finally:
            own, self.context.rests = self.context.rests, outer
        for operand in needed:
            own |= self._rests[operand]
        self._rests[name] = own
        self.context.rests |= own

    def slots(self, name: str) -> tuple[Index, ...]:
        """The indices of a value's axes, numbered from 0."""
        if name not in self._slots:
            letters = indices_of(self.program, name)
            if letters is None:
                raise UndecidedError(f"there is no value {name}")
            self._slots[name] = tuple(index(self.dimensions[i], k) for k, i in enumerate(letters))
        return self._slots[name]

    def rests(self, name: str) -> dict[str, None]:
        """What the terms of a value rest on (it has been expanded before)."""
        return self._rests[name]

    def leaf(self, name: str) -> Terms:
        """An input, a constant, or a value that is taken as it is."""
        slots = self.slots(name)
        given = self._inputs.get(name)
        called = self.called.get(name, self.prefix + name)
        fixed = given is None and name in self.program.constants and name not in self.called
        array = np.asarray(self.program.constants[name]) if fixed else np.empty(0, given.dtype if given else float)
        if array.dtype.kind not in "biuf":
            raise UndecidedError(f"{name} holds {array.dtype}, no real numbers")
        if uniform(array):
            return self.number(exact(array.flat[0]))
        if fixed and counts(array):  # np.arange(n): each entry is its own position
            return letter(slots[0], self.context)
        traits = {"integer": array.dtype.kind in "iub", "indicator": array.dtype.kind == "b"}
        if fixed:
            content = repr(array.shape).encode() + array.astype(float).tobytes()
            called = blake2b(content, digest_size=DIGEST_SIZE).hexdigest()
            traits |= {"indicator": bool(np.isin(array, (0, 1)).all()), "positive": bool((array > 0).all())}
        where = tuple(slots[k] for k in self.axes[name]) if name in self.axes else slots
        head = self._head(f"input {called} {len(slots)}", "input", called, where, **traits)
        return monomial({(head, where): 1})

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
        if isinstance(number, float) and isinf(number):
            self.context.note("an infinity is a number larger than all others, and no result is nan")
            head = self._head("infinity", "number", "inf", positive=True)
            return monomial({(head, ()): 1}, 1 if number > 0 else -1)
        raise UndecidedError("a factor is not a real number")

    def factor(self, factor: Factor) -> Terms:
        """A number times powers of sizes."""
        powers: Product = summed(((size(self.dimensions[i], self.context), ()), power) for i, power in factor.sizes)
        return multiply(self.number(factor.number), normalise(powers, self.context), self.context)

    def scaled(self, terms: Terms, factor: Factor) -> Terms:
        """Terms times a factor."""
        return multiply(self.factor(factor), terms, self.context)

    def read(self, ref: Ref, names: Mapping[str, Index]) -> Terms:
        """A value where it is used, with the given indices for its letters."""
        mapping = {slot: names[i] for slot, i in zip(self.slots(ref.name), ref.indices, strict=True)}
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
                exponent = None if parameter is None else next(iter(self.number(parameter).values()), 0)
                return functions.apply(function, [self.read(ref, names) for ref in refs], exponent, self.context)
            case Extremum():
                return self.extremum(equation)
            case Update():
                return self.update(equation)
            case MatrixFunction():
                return self.matrix_function(equation)
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
        result = summation.total(product, [names[i] for i in letters if i not in out], self.context)
        for k, i in enumerate(out):
            if out.index(i) != k:
                result = multiply(result, self.equal(names[i], index(self.dimensions[i], k)), self.context)
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
            return functions.position(equation.kind, terms, over, names[equation.position_of], self.context)
        return functions.extremum(equation.kind, terms, over, self.context)

    def matrix_function(self, equation: MatrixFunction) -> Terms:
        """An atom of the matrix; a solution is the inverse times the right-hand side."""
        matrix, out = equation.operands[0], equation.out.indices
        names = self.names(matrix.indices, out)
        rows, columns = (names[i] for i in equation.matrix)
        result = tuple(names[i] for i in equation.result)
        inner = self.read(matrix, names)
        if equation.function != "solve":
            return functions.of_matrix(equation.function, inner, (rows, columns), result, self.context)
        summed = self.context.fresh(self.dimensions[equation.matrix[0]])
        inverse = functions.of_matrix("inv", inner, (rows, columns), (*result, summed), self.context)
        right = self.read(equation.operands[1], {**names, **self.names("", out), equation.matrix[0]: summed})
        return summation.total(multiply(inverse, right, self.context), [summed], self.context)

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
        return add(base, summation.total(multiply(region, new, self.context), fresh.values(), self.context))


def counts(array: NDArray[Any]) -> bool:
    """Whether an array is 0, 1, 2 and so on, as whole numbers, and long enough not to be so by chance."""
    return array.ndim == 1 and array.size > 2 and array.dtype.kind in "iu" and bool(
        (array == np.arange(array.size)).all())


def uniform(array: NDArray[Any]) -> bool:
    """Whether an array is one number throughout."""
    return array.size > 0 and bool((array == array.flat[0]).all())
