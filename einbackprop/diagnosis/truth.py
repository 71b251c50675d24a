"""The true derivative of a user's loss: every cotangent, what it is the gradient of, and which value is which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, permutations
from typing import Literal

import numpy as np

from ..core.program import ONE, Equation, Extremum, Factor, Map, Opaque, Program, Ref, Sum, operands
from ..core.simplification import needed
from ..core.workspace import Workspace
from ..derivation.accumulation import vjp
from ..derivation.differential import Term, differential
from .compact import Shorter, Writer
from .sampling import CLOSE, Array, Sample, Values

Kind = Literal["cotangent", "part", "forward", "slope", "data"]
ALIKE = 1e-6


@dataclass(frozen=True)
class Known:
    """A value of the true program.

    Attributes
    ----------
    name : str
        In the true program.
    kind : 'cotangent', 'part', 'forward', 'slope' or 'data'
        The gradient with respect to ``of``; a contribution to one; the forward value ``of`` itself; the local
        derivative of the pointwise function that makes ``of``; the gradient with respect to an input of which none is
        wanted.
    of : str
    """

    name: str
    kind: Kind
    of: str


@dataclass(frozen=True)
class Role:
    """What a value is: ``factor`` times a true value, its axes in the order ``axes``."""

    known: Known
    factor: Factor = ONE
    axes: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the factor is 1."""
        return self.factor == ONE

    @property
    def is_forward(self) -> bool:
        """Whether it is a value of the forward, as that stands."""
        return self.is_plain and self.known.kind == "forward"

    def array(self, sample: Sample) -> Array:
        """What a value of this role is in a sample."""
        number = complex(self.factor.value(sample.sizes))
        true = sample.truth[self.known.name]
        return (number.real if not number.imag else number) * true.transpose(self.axes or range(true.ndim))


class Truth:
    """The true program, and the values that a user's value can be.

    Parameters
    ----------
    program : Program
        Its first output is the loss.
    parameters : sequence of str, optional
        The inputs that gradients are wanted of; all by default. What is the gradient of other inputs is so by chance:
        that is the last thing that a value is taken for.

    Attributes
    ----------
    program : Program
        The loss's equations, those of every cotangent, and the slopes of its pointwise functions.
    made : dict of name to Equation
        How each value is made; where people write a shorter formula than the derivation has, that.
    crossed : frozenset of str
        The terms by which the classes of a softmax answer for one another.
    known : list of Known
        In the order of preference where several are equal: what has a name first, intermediates before inputs.
    """

    def __init__(self, program: Program, parameters: Sequence[str] | None = None) -> None:
        loss = program.outputs[0]
        equations = tuple(needed(program.equations, [loss.name]))
        forward = replace(program, equations=equations, outputs=(loss,), output_units=(), structure=0)
        numbers = [i.ref.name for i in program.inputs if np.dtype(i.dtype).kind in "fc"]
        primals = [*numbers, *reaching(forward, numbers)]
        derived = vjp(forward, primals)
        self.forward = forward
        inputs = {i.ref.name for i in program.inputs}
        self.forward_names = inputs | {e.out.name for e in equations} | set(program.constants)
        self.cotangents = dict(zip(primals, (ref.name for ref in derived.outputs), strict=True))
        self.slopes: dict[str, str] = {}
        self.program, shorter = self._with_slopes(derived)
        self.made = self.program.defining() | shorter.equations
        self.crossed, self._unlikely = shorter.crossed, shorter.others
        self.known = list(self._ranked(set(numbers if parameters is None else parameters), set(numbers)))

    def _with_slopes(self, derived: Program) -> tuple[Program, Shorter]:
        """The program with the local derivative of each pointwise function of the forward, and shorter formulas."""
        work = Workspace(derived)
        work.equations = list(derived.equations)
        for equation in self.forward.equations:
            if isinstance(equation, Map) and len(equation.operands) == 1:
                terms = differential(equation, {equation.operands[0].name}, work)
                if terms:
                    self.slopes[equation.out.name] = slope(equation.out, terms, work)
        shorter = Writer(self.forward, self.cotangents, work).write()
        origins = {**derived.origins, **work.origins}
        equations, dimensions = tuple(work.equations), tuple(work.dimensions)
        return replace(derived, equations=equations, dimensions=dimensions, origins=origins), shorter

    def _ranked(self, parameters: set[str], inputs: set[str]) -> Iterator[Known]:
        labels = self.forward.labels
        later = [p for p in reversed(self.cotangents) if p not in inputs]
        order = [p for p in later if p in labels] + [p for p in later if p not in labels] + sorted(inputs)
        by_chance = inputs - parameters
        yield from (Known(self.cotangents[p], "cotangent", p) for p in order if p not in by_chance)
        yield from (Known(p, "forward", p) for p in order)
        yield from (Known(name, "slope", of) for of, name in self.slopes.items())
        taken = {*self.cotangents.values(), *self.slopes.values(), *order, *self._unlikely}
        for equation in reversed(self.program.equations):
            if equation.out.name not in taken:
                kind: Kind = "part" if equation.out.name in self.program.origins else "forward"
                yield Known(equation.out.name, kind, self.program.origins.get(equation.out.name, equation.out.name))
        yield from (Known(self.cotangents[p], "data", p) for p in order if p in by_chance)

    def target(self, parameter: str) -> Known:
        """The gradient with respect to an input."""
        return Known(self.cotangents[parameter], "cotangent", parameter)


def slope(out: Ref, terms: Sequence[Term], work: Workspace) -> str:
    """Write the local derivative of a pointwise function: its differential with the operand that moves left out."""
    parts: list[tuple[Factor, Ref]] = []
    for term in terms:
        others = tuple(ref for n, ref in enumerate(term.contract.operands) if n != term.slot)
        name = work.fresh(f"{out.name}_slope")
        work.equations.append(replace(term.contract, out=Ref(name, out.indices), operands=others))
        parts.append((Factor(), Ref(name, out.indices)))
    if len(parts) == 1:
        return parts[0][1].name
    total = work.fresh(f"{out.name}_slope")
    work.equations.append(Sum(Ref(total, out.indices), tuple(parts)))
    return total


def reaching(program: Program, inputs: Sequence[str]) -> list[str]:
    """The values that depend on inputs and can be differentiated by."""
    moving = set(inputs)
    for equation in program.equations:
        if not is_fixed(equation) and any(ref.name in moving for ref in operands(equation)):
            moving.add(equation.out.name)
    return [e.out.name for e in program.equations if e.out.name in moving]


def ancestors(program: Program, name: str) -> list[str]:
    """What a value is made from, in order."""
    found = {name}
    for equation in reversed(program.equations):
        if equation.out.name in found:
            found |= {ref.name for ref in operands(equation)}
    names = [i.ref.name for i in program.inputs] + [e.out.name for e in program.equations]
    return [n for n in names if n in found and n != name]


def is_fixed(equation: Equation) -> bool:
    """Whether there is no derivative of a value: a position, or what could not be read."""
    return isinstance(equation, Opaque) or (isinstance(equation, Extremum) and bool(equation.position_of))


# Which value is which


class Matching:
    """Finds the true value that a value equals, up to a factor and the order of axes, in every sample."""

    def __init__(self, truth: Truth, samples: Sequence[Sample]) -> None:
        self.truth, self.samples = truth, samples
        self.by_shape: dict[tuple[int, ...], tuple[Array, list[Known]]] = {}
        rows: dict[tuple[int, ...], list[tuple[tuple[float, float], Known]]] = {}
        for known in truth.known if samples else ():
            array = samples[0].truth.get(known.name)
            if array is not None and array.size and array.dtype.kind in "fciub":
                invariant = invariants(array)
                if invariant is not None:
                    rows.setdefault(tuple(sorted(array.shape)), []).append((invariant, known))
        for shape, found in rows.items():
            self.by_shape[shape] = np.array([row for row, _ in found]), [known for _, known in found]

    def roles(self, arrays: Sequence[Array | None]) -> list[Role]:
        """What a value is: the best of factor 1, else everything that it is a multiple of, the best first.

        The gradient with respect to data is what a value is by chance: that comes last, whatever the factor.
        """
        first = arrays[0] if arrays else None
        if first is None or first.dtype.kind not in "fciub":
            return []
        table, known = self.by_shape.get(tuple(sorted(first.shape)), (None, []))
        mine = invariants(first) if table is not None else None
        if table is None or mine is None:
            return []
        near = np.abs(table - mine) <= ALIKE * np.abs(table)
        roles: list[Role] = []
        for n in np.flatnonzero(near.all(axis=1)):
            role = self.role_as(arrays, known[n])
            if role is not None and role.is_plain and (role.known.kind != "data" or not roles):
                return [role]
            roles += [role] if role is not None else []
        return roles

    def role_as(self, arrays: Sequence[Array | None], known: Known) -> Role | None:
        """The role of a value as one true value, if it is that."""
        axes: tuple[int, ...] | None = None
        ratios = []
        for array, sample in zip(arrays, self.samples, strict=True):
            true = sample.truth.get(known.name)
            if array is None or true is None:
                return None
            for order in permutations(range(true.ndim)) if axes is None else (axes,):
                factor = ratio(array, true.transpose(order))
                if factor is not None:
                    axes = order
                    break
            else:
                return None
            ratios.append(factor)
        if self.samples[0].truth[known.name].size == 1 and not agree([abs(r) for r in ratios] + [1.0]):
            return None  # any number is a multiple of any other
        factor_ = sized(ratios, self.samples)
        return None if axes is None or factor_ is None else Role(known, factor_, axes)


def invariants(array: Array) -> tuple[float, float] | None:
    """Two numbers that neither a factor nor the order of axes changes; None for zeros and what is not finite."""
    size = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
    largest = float(size.max(initial=0))
    if not largest or not np.isfinite(largest):
        return None
    size = size / largest
    return 1 + float(size.sum()), 1 + float((size * size).sum())


def ratio(yours: Array, true: Array) -> float | None:
    """The factor between two arrays of one shape, if there is one; 0 is none."""
    if yours.shape != true.shape or not yours.size or "c" in (yours.dtype.kind, true.dtype.kind):
        return None
    a, b = yours.astype(np.float64), true.astype(np.float64)
    at = np.unravel_index(int(np.abs(b).argmax()), b.shape)
    if not np.isfinite(b[at]) or b[at] == 0 or not np.all(np.isfinite(a)):
        return None
    factor = float(a[at] / b[at])
    scale = max(float(np.abs(a).max()), abs(factor) * float(abs(b[at])))
    return factor if factor and bool(np.abs(a - factor * b).max() <= CLOSE * scale) else None


def sized(ratios: Sequence[float], samples: Sequence[Sample]) -> Factor | None:
    """The factor that is a ratio in each sample: a number, or a simple number times powers of sizes."""
    if not ratios:
        return None
    if agree(ratios):
        simple = Fraction(ratios[0]).limit_denominator(1000)
        is_simple = bool(simple) and abs(float(simple) / ratios[0] - 1) < CLOSE
        return Factor.of(simple if is_simple else ratios[0])
    for powers in size_powers(samples[0].sizes):
        scaled = [r / monomial(powers, s.sizes) for r, s in zip(ratios, samples, strict=True)]
        if agree(scaled):
            simple = Fraction(scaled[0]).limit_denominator(100)
            if simple and abs(float(simple) / scaled[0] - 1) < CLOSE:
                return Factor.of(simple, **powers)
    return None


def agree(numbers: Sequence[float]) -> bool:
    """Whether numbers are equal to rounding."""
    return all(abs(number - numbers[0]) <= CLOSE * abs(numbers[0]) for number in numbers)


def monomial(powers: dict[str, int | Fraction], sizes: dict[str, int]) -> float:
    """A product of powers of sizes."""
    product = 1.0
    for letter, power in powers.items():
        product *= float(sizes[letter]) ** float(power)
    return product


def size_powers(sizes: dict[str, int]) -> Iterator[dict[str, int | Fraction]]:
    """Powers of sizes that occur in factors, the plainest first; one letter for each size."""
    letters = list({size: letter for letter, size in reversed(sizes.items())}.values())
    for power in (-1, 1, -2, 2, Fraction(-1, 2), Fraction(1, 2)):
        yield from ({letter: power} for letter in letters)
    for a, b in combinations(letters, 2):
        for p, q in ((1, -1), (-1, 1), (-1, -1), (1, 1)):
            yield {a: p, b: q}


def arrays_of(name: str, values: Sequence[Values]) -> list[Array | None]:
    """One value in every sample."""
    return [v.get(name) for v in values]



