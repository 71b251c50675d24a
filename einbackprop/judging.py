"""Which line of a backward is wrong: every value of it is matched with what it is.

The loss's program gives the true cotangent of every value of the forward. Each value of the user's backward is compared
with them, at values and sizes of our own. A wrong gradient is followed back: the first line that, set to the true
cotangent of some value, makes what comes after it right, is the mistake; what is wrong only because of it *follows*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .derivation import vjp
from .drawing import draw, role
from .interpretation import compute, squeeze
from .program import Equation, Input, Opaque, Program, operands, picks
from .simplification import needed

Array = NDArray[Any]
Values = dict[str, Array]
CLOSE = 1e-8  # relative to the largest entry: rounding at O(1) values is far below, a mistake far above
Verdict = Literal["right", "wrong", "follows", "undecided"]


@dataclass(frozen=True)
class Role:
    """What a value is: ``factor`` times a value of the truth, its axes in the order ``axes``."""

    name: str
    factor: float = 1.0
    axes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """One value that a line of the backward makes.

    Attributes
    ----------
    name : str
        The value.
    segment : tuple of Equation
        The equations that make it from other steps, inputs and values of the forward, in order.
    role : Role or None
        What it is, where it is right or would be right; None for an auxiliary value.
    verdict : Verdict
    """

    name: str
    segment: tuple[Equation, ...]
    role: Role | None
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """The steps of a backward with their verdicts; ``truth`` is the derived program that they were held against."""

    steps: tuple[Step, ...]
    truth: Program
    program: Program


@dataclass
class Sample:
    """One draw: sizes, the user's values, the true values."""

    sizes: dict[str, int]
    inputs: list[Array]
    truth: Values
    yours: Values = field(default_factory=dict)


def judge(
    program: Program, targets: Mapping[int, str], arrays: Sequence[Array], rng: np.random.Generator
) -> Judgement:
    """Find out which lines of a backward are wrong.

    Parameters
    ----------
    program : Program
        The loss and the gradients, traced together: the first output is the loss, the others the user's gradients.
    targets : mapping of int to str
        For each output that is a gradient, the input that it is the gradient of.
    arrays : sequence of arrays
        The user's inputs: what is special about them (labels, one-hot rows, masks) is kept.
    rng : Generator
    """
    truth = true_values(program)
    samples = [s for s in (sample(program, truth, arrays, rng) for _ in range(2)) if s is not None]
    judging = Judging(program, truth, samples, targets)
    judging.find_mistakes()
    return Judgement(judging.verdicts(), truth, program)


def true_values(program: Program) -> Program:
    """The loss's program with the cotangent of every value that reaches it."""
    loss = program.outputs[0]
    forward = replace(
        program, equations=tuple(needed(program.equations, [loss.name])), outputs=(loss,), output_units=(), structure=0
    )
    numbers = [i.ref.name for i in program.inputs if np.dtype(i.dtype).kind in "fc"]
    reached = reaching(forward, numbers)
    return vjp(forward, [*numbers, *reached])


def reaching(program: Program, inputs: Sequence[str]) -> list[str]:
    """The values that depend on inputs and can be differentiated by."""
    moving = set(inputs)
    for equation in program.equations:
        if isinstance(equation, Opaque) or getattr(equation, "position_of", ""):
            continue
        if any(ref.name in moving for ref in operands(equation)):
            moving.add(equation.out.name)
    return [e.out.name for e in program.equations if e.out.name in moving]


# Draws


def sample(program: Program, truth: Program, arrays: Sequence[Array], rng: np.random.Generator) -> Sample | None:
    """The user's and the true values at drawn inputs; at sizes that all differ where the program allows it."""
    for sizes in (distinct_sizes(program, arrays), program.sizes):
        inputs = [drawn(i, array, sizes, rng) for i, array in zip(program.inputs, arrays, strict=True)]
        given = {id(i): array for i, array in zip(program.inputs, inputs, strict=True)}
        by_name = {i.ref.name: given[id(i)] for i in program.inputs}
        true = evaluated(truth, [by_name[i.ref.name] for i in truth.inputs], sizes)
        if all(ref.name in true for ref in truth.outputs):
            return Sample(sizes, inputs, true)
    return None


def distinct_sizes(program: Program, arrays: Sequence[Array]) -> dict[str, int]:
    """A size for each dimension, all different, but for those that constants or kept data tie to what they were."""
    tied = {i for e in program.equations for b in getattr(e, "brackets", ()) if is_tied(b) for i in b.letters}
    tied |= {i for e in program.equations if isinstance(e, Opaque) for ref in operands(e) for i in ref.indices}
    for declared, array in zip(program.inputs, arrays, strict=True):
        if role(np.asarray(array)).kind in ("kept", "symmetric", "definite"):
            tied |= set(declared.ref.indices)
    for name in program.constants:
        tied |= {i for e in program.equations for ref in operands(e) if ref.name == name for i in ref.indices}
    for name in (p.name for e in program.equations for p in picks(getattr(e, "brackets", ()))):
        tied |= {i for e in program.equations for b in getattr(e, "brackets", ()) for i in b.letters
                 if name in {p.name for p in picks((b,))}}  # fmt: skip
    sizes = program.sizes
    taken = {d.size for d in program.dimensions if tied & set(d.letters)}
    for dimension in program.dimensions:
        if not tied & set(dimension.letters):
            size = next(n for n in range(2, 1000) if n not in taken)
            taken.add(size)
            sizes |= dict.fromkeys(dimension.letters, size)
    return sizes


def is_tied(bracket: Any) -> bool:
    """Whether a bracket has numbers in it, so that the sizes of its letters are not free."""
    sides = (bracket.left, bracket.right)
    single = all(len(s.terms) == 1 and not s.constant and s.terms[0][0].number == 1 for s in sides)
    return not single


def drawn(declared: Input, array: Array, sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
    """A fresh array of the sizes, with what is special about the user's."""
    plain = squeeze(np.asarray(array), declared)
    shape = tuple(sizes[i] for i in declared.ref.indices)
    kept = role(plain)
    if kept.kind == "kept":
        constant = plain.dtype.kind == "f" and plain.size > 0 and np.ptp(plain) == 0 and shape != ()
        return rng.normal(size=shape) if constant or plain.shape != shape else plain
    value = draw(np.empty(shape), replace(kept, kind=kept.kind), rng)
    return value.astype(np.float64 if plain.dtype.kind == "f" else plain.dtype)


def evaluated(
    program: Program, inputs: Sequence[Array], sizes: Mapping[str, int], fixed: Mapping[str, Array] | None = None
) -> Values:
    """The values of a program; those whose axes do not meet at these sizes are left out, and what needs them."""
    values: Values = {name: np.asarray(value) for name, value in program.constants.items()}
    values |= {i.ref.name: array for i, array in zip(program.inputs, inputs, strict=True)}
    fixed = fixed or {}
    with np.errstate(all="ignore"):
        for equation in program.equations:
            name = equation.out.name
            if name in fixed:
                values[name] = fixed[name]
            elif not isinstance(equation, Opaque) and all(ref.name in values for ref in operands(equation)):
                try:
                    values[name] = compute(equation, values, sizes)
                except ValueError:  # two dimensions under one letter
                    continue
    return values


# Matching


def close(a: Array, b: Array) -> bool:
    """Whether two arrays are equal to rounding."""
    if a.shape != b.shape or not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return False
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(np.abs(a - b).max(initial=0) <= CLOSE * scale)


def ratio(yours: Array, true: Array) -> float | None:
    """The factor between two arrays of one shape, if there is one; 0 is none."""
    if yours.shape != true.shape or not yours.size:
        return None
    at = np.unravel_index(int(np.abs(true).argmax()), true.shape)
    if not np.isfinite(true[at]) or true[at] == 0:
        return None
    factor = float(yours[at] / true[at])
    return factor if factor and close(yours, factor * true) else None


class Judging:
    """The search for the mistakes of one backward."""

    def __init__(
        self, program: Program, truth: Program, samples: Sequence[Sample], targets: Mapping[int, str]
    ) -> None:
        self.program, self.truth, self.samples = program, truth, list(samples)
        self.made = program.defining()
        self.forward = {e.out.name for e in needed(program.equations, [program.outputs[0].name])}
        self.targets = {program.outputs[n].name: name for n, name in targets.items()}
        self.cotangents = cotangent_names(truth)
        self.fixed: dict[str, Role] = {}
        self.first = self.run({})
        self.now = self.first
        self.roots = step_roots(program, self.forward)
        self.original = {name: self.identify(name, self.first) for name in self.roots}

    def run(self, fixed: Mapping[str, Role]) -> list[Values]:
        """The user's values in every sample, some of them set to what they should be."""
        return [
            evaluated(self.program, s.inputs, s.sizes, {name: self.true_array(s, r) for name, r in fixed.items()})
            for s in self.samples
        ]

    def true_array(self, sample_: Sample, role_: Role) -> Array:
        """What a value of a role is in a sample."""
        return role_.factor * sample_.truth[role_.name].transpose(role_.axes)

    def identify(self, name: str, values: Sequence[Values]) -> Role | None:
        """What a value is: the true value that it equals, up to a factor and the order of axes."""
        if not values or any(name not in v for v in values):
            return None
        for candidate in self.candidates(name):
            found = [self.matched(v[name], s.truth[candidate]) for v, s in zip(values, self.samples, strict=True)]
            if all(found) and self.same_role(found):
                factor, axes = found[0]  # type: ignore[misc]
                return Role(candidate, factor, axes)
        return None

    def candidates(self, name: str) -> list[str]:
        """The true values that have the same dimensions, cotangents first."""
        wanted = sorted(self.dimensions_of(self.program, name))
        return [c for c in self.cotangents if sorted(self.dimensions_of(self.truth, c)) == wanted]

    def dimensions_of(self, program: Program, name: str) -> list[str]:
        """The dimension of each axis of a value, by its first letter."""
        indices = next((i.ref.indices for i in program.inputs if i.ref.name == name), None)
        if indices is None:
            made = self.made if program is self.program else self.truth_made
            indices = made[name].out.indices
        return [self.program.dimension(i).letters[0] for i in indices]

    @property
    def truth_made(self) -> dict[str, Equation]:
        """The equations of the truth by name."""
        return self.truth.defining()

    def matched(self, yours: Array, true: Array) -> tuple[float, tuple[int, ...]] | None:
        """The factor and order of axes with which a true value equals the user's."""
        for axes in permutations(range(true.ndim)):
            if true.transpose(axes).shape == yours.shape:
                factor = ratio(yours, true.transpose(axes))
                if factor is not None:
                    return factor, axes
        return None

    def same_role(self, found: Sequence[tuple[float, tuple[int, ...]] | None]) -> bool:
        """Whether the samples agree on the factor and the order of axes."""
        factors = [f[0] for f in found if f]
        return len({f[1] for f in found if f}) == 1 and bool(np.allclose(factors, factors[0], rtol=1e-8))

    # The search

    def wrong_outputs(self, values: Sequence[Values]) -> set[str]:
        """The gradients that are not the true ones."""
        wrong = set()
        for output, name in self.targets.items():
            true = "d" + name
            good = all(
                output in v and close(v[output], s.truth[self.true_name(true)])
                for v, s in zip(values, self.samples, strict=True)
            )
            if not good:
                wrong.add(output)
        return wrong

    def true_name(self, name: str) -> str:
        """The name of a true cotangent."""
        return name if name in self.cotangents else next(ref.name for ref in self.truth.outputs if ref.name == name)

    def find_mistakes(self) -> None:
        """Set wrong steps to what they should be, the earliest first, until every gradient is right."""
        while wrong := self.wrong_outputs(self.now):
            step = self.next_mistake(wrong)
            if step is None:
                return
            self.fixed |= dict([step])
            self.now = self.run(self.fixed)

    def next_mistake(self, wrong: set[str]) -> tuple[str, Role] | None:
        """The earliest step that, set to a true value, makes more of what follows right; else a wrong gradient."""
        needed_by = self.ancestors(wrong)
        known = {n for n in self.roots if n in self.fixed or self.identify(n, self.now)}
        for name in self.roots:
            if name in needed_by and name not in known and self.inputs_known(name, known):
                best = self.best_role(name, wrong, known)
                if best is not None:
                    return name, best
        for output in wrong:
            if output not in self.fixed:
                return output, Role(self.true_name("d" + self.targets[output]), 1.0, tuple(
                    range(len(self.dimensions_of(self.program, output)))))
        return None

    def inputs_known(self, name: str, known: set[str]) -> bool:
        """Whether no step that it is made from is still wrong. Auxiliary values have no role, and count as known."""
        return True

    def best_role(self, name: str, wrong: set[str], known: set[str]) -> Role | None:
        """The role that makes most of what follows right, if any does."""
        if name in self.targets:
            return None if name not in wrong else Role(self.true_name("d" + self.targets[name]), 1.0, tuple(
                range(len(self.dimensions_of(self.program, name)))))
        best: tuple[int, Role | None] = (0, None)
        later = [n for n in self.roots[self.roots.index(name) + 1 :] if name in self.ancestors({n})]
        for candidate in self.candidates(name):
            for role_ in self.roles_of(name, candidate):
                values = self.run({**self.fixed, name: role_})
                gained = len(wrong - self.wrong_outputs(values)) * 100
                gained += sum(1 for n in later if n not in known and self.identify(n, values))
                if gained > best[0]:
                    best = (gained, role_)
        return best[1]

    def roles_of(self, name: str, candidate: str) -> Iterable[Role]:
        """The roles in which a true value could stand for a step."""
        wanted = self.dimensions_of(self.program, name)
        has = self.dimensions_of(self.truth, candidate)
        factors = dict.fromkeys([1.0, *(r.factor for r in self.original.values() if r)])
        for axes in permutations(range(len(has))):
            if [has[i] for i in axes] == wanted:
                for factor in factors:
                    yield Role(candidate, factor, axes)

    def ancestors(self, names: set[str]) -> set[str]:
        """The values that others are made from, themselves included."""
        found = set(names)
        for equation in reversed(self.program.equations):
            if equation.out.name in found:
                found |= {ref.name for ref in operands(equation)}
        return found

    def verdicts(self) -> tuple[Step, ...]:
        """Every step with its verdict."""
        steps = []
        for name in self.roots:
            role_ = self.fixed.get(name) or self.identify(name, self.now)
            after = self.ancestors({name}) & set(self.fixed)
            if name in self.fixed:
                verdict: Verdict = "wrong"
            elif self.original[name] is not None or not after:
                verdict = "right"
            else:
                verdict = "follows"
            steps.append(Step(name, self.segment(name), role_, verdict))
        return tuple(steps)

    def segment(self, name: str) -> tuple[Equation, ...]:
        """The equations that make a step from steps that have a role, inputs, and values of the forward."""
        stops = {n for n in self.roots if n != name and (self.original[n] or n in self.fixed)} | self.forward
        found = {name}
        inside = []
        for equation in reversed(self.program.equations):
            if equation.out.name in found and (equation.out.name == name or equation.out.name not in stops):
                inside.append(equation)
                found |= {ref.name for ref in operands(equation)}
        return tuple(reversed(inside))


def cotangent_names(truth: Program) -> list[str]:
    """The true values that are cotangents: the outputs first, then what they are made from."""
    first = list(dict.fromkeys(ref.name for ref in truth.outputs))
    return first + [e.out.name for e in truth.equations if e.out.name not in set(first)]


def step_roots(program: Program, forward: set[str]) -> list[str]:
    """The values that lines of the backward give to other lines, or return, in order."""
    outputs = {ref.name for ref in program.outputs}
    users: dict[str, list[Equation]] = {}
    for equation in program.equations:
        for ref in operands(equation):
            users.setdefault(ref.name, []).append(equation)

    def leaves_line(equation: Equation) -> bool:
        name = equation.out.name
        own = equation.source
        return name in outputs or name in program.labels or any(
            u.source is None or own is None or (u.source.line, u.source.call, u.source.file) != (
                own.line, own.call, own.file) for u in users.get(name, []))

    return [e.out.name for e in program.equations if e.out.name not in forward and leaves_line(e)]

