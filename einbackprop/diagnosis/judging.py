"""Which line of a backward is wrong: every value of it is matched with what it is.

The loss's program gives the true cotangent of every value of the forward. Each value of the user's backward is compared
with them, at values and sizes of our own. A wrong gradient is followed back: the first step that, set to a true value,
makes what comes after it right, is the mistake; what is wrong only because of it *follows*.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

from ..program import ONE, Equation, Factor, Opaque, Program, Source, operands
from ..simplification import needed
from .refitting import refit
from .sampling import Array, Sample, Values, draw_near, draw_samples, evaluate_into, has_size
from .truth import Known, Matching, Role, Truth, arrays_of, ratio

Verdict = Literal["right", "wrong", "follows", "undecided"]
Run = Callable[[Sequence[Array]], Sequence[Array]]
MOST_MISTAKES = 60


@dataclass(frozen=True)
class Step:
    """One value that a line of the backward gives to other lines, or returns.

    Attributes
    ----------
    name : str
    role : Role or None
        What it is, once what it depends on is right; None for an auxiliary value.
    verdict : Verdict
    """

    name: str
    role: Role | None
    verdict: Verdict


@dataclass(frozen=True)
class Target:
    """A returned gradient: its position among the outputs, its value, and the input that it is the gradient of."""

    position: int
    value: str
    parameter: str


class Judging:
    """The search for the mistakes of one backward.

    Attributes
    ----------
    steps : tuple of Step
        Every step with its verdict.
    fixed : dict of name to Role
        The steps that are mistakes, in the order in which they were found, and what each should be.
    misplaced : list of Target
        Gradients that are no step's mistake: another value was returned in their place.
    first, now : list of Values
        The user's values in each sample, and what they are with the mistakes set right.
    """

    def __init__(
        self, program: Program, targets: Mapping[int, str], arrays: Sequence[Array], rng: np.random.Generator,
        run: Run | None = None,
    ) -> None:  # fmt: skip
        """Find out which lines of a backward are wrong.

        Parameters
        ----------
        program : Program
            The loss and the gradients, traced together: the first output is the loss.
        targets : mapping of int to str
            For each output that is a gradient, the input that it is the gradient of.
        arrays : sequence of arrays
            The user's inputs: what is special about the data (labels, one-hot rows, masks) is kept.
        rng : Generator
        run : callable, optional
            What was traced, as a function of the inputs' arrays that gives the outputs' arrays: a gradient is undecided
            where a fresh run disagrees with the trace, as it does where the code's way depends on values.

        Raises
        ------
        DerivationError
            The loss cannot be differentiated.
        """
        self.program = program
        self.truth = Truth(program)
        self.targets = [Target(n, program.outputs[n].name, parameter) for n, parameter in targets.items()]
        self.made = program.defining()
        self.reach = self._reach()
        self.unreadable = self._unreadable()
        self.samples = self._samples(arrays, rng, run)
        for drawn in self.samples:  # the derivative does not need every value of the forward
            forward = {n: a for n, a in drawn.yours.items() if n in self.truth.forward_names}
            drawn.truth |= {n: a for n, a in forward.items() if n not in drawn.truth}
        self.matching = Matching(self.truth, self.samples)
        self.place = {e.out.name: n for n, e in enumerate(program.equations)}
        self.has_sizes = has_size(program)
        self.forward = {e.out.name for e in needed(program.equations, [program.outputs[0].name])}
        self.roots = step_roots(program, self.forward)
        self.first: list[Values] = [s.yours for s in self.samples]
        self.now = self.first
        self.fixed: dict[str, Role] = {}
        self.misplaced: list[Target] = []
        self.original = {name: self.identify(name, self.first) for name in self.roots}
        self.wrong_at_first = self.wrong(self.first)
        self._find_mistakes()
        self.steps = tuple(Step(name, self.role_of(name), self._verdict(name)) for name in self.roots)

    def _reach(self) -> dict[str, int]:
        """Which targets each value reaches, as bits."""
        reach: dict[str, int] = {}
        for n, target in enumerate(self.targets):
            reach[target.value] = reach.get(target.value, 0) | 1 << n
        for equation in reversed(self.program.equations):
            own = reach.get(equation.out.name, 0)
            for ref in operands(equation) if own else ():
                reach[ref.name] = reach.get(ref.name, 0) | own
        return reach

    def _unreadable(self) -> int:
        """The targets that depend on what could not be read, as bits."""
        lost = {e.out.name for e in self.program.equations if isinstance(e, Opaque)}
        return sum(1 << n for n in range(len(self.targets)) if any(self.reach.get(x, 0) >> n & 1 for x in lost))

    def _samples(self, arrays: Sequence[Array], rng: np.random.Generator, run: Run | None) -> list[Sample]:
        """The samples at which the trace says what the code does.

        Where the code's way depends on values, those are few: fresh values near the user's are tried.
        """
        parameters = [t.parameter for t in self.targets]
        samples = draw_samples(self.program, self.truth.program, arrays, parameters, rng)
        own = [s for s in samples if s.own_sizes]
        if run is None or all(self._is_faithful(s, run, arrays) for s in own):
            return samples
        near = draw_near(self.program, self.truth.program, arrays, rng)
        faithful = [s for s in (*own, *near) if self._is_faithful(s, run, arrays)]
        self.unreadable |= 0 if faithful else (1 << len(self.targets)) - 1
        return faithful[:3]

    def _is_faithful(self, sample: Sample, run: Run, arrays: Sequence[Array]) -> bool:
        """Whether a run of the code itself says what its trace says."""
        given = [
            sample.given[i.ref.name].reshape(np.shape(array)).astype(np.asarray(array).dtype)
            for i, array in zip(self.program.inputs, arrays, strict=True)
        ]
        try:
            results = run(given)
        except Exception:  # the code itself fails at these values: nothing can be said of it
            return False
        traced = [sample.yours.get(ref.name) for ref in self.program.outputs]
        return all(agrees(a, b) for a, b in zip(results, traced, strict=True))

    # Values

    def rerun(
        self, base: Sequence[Values], changes: Mapping[str, Sequence[Array]], edited: Mapping[str, Equation] = {},
        only: Collection[int] | None = None, upto: str = "",
    ) -> list[Values]:  # fmt: skip
        """The user's values with some of them set, or made by other equations.

        Parameters
        ----------
        base : list of Values
        changes : mapping of name to an array a sample
        edited : mapping of name to Equation
        only : collection of int
            The samples to run; all by default.
        upto : str
            The last value that is wanted.
        """
        chosen = range(len(self.samples)) if only is None else only
        changed = {*changes, *edited}
        start = min(self.place.get(name, 0) for name in changed)
        stop = self.place[upto] + 1 if upto else len(self.program.equations)
        dirty = set(changed)
        ranks = {n: a[0].ndim for n, a in changes.items() if n in self.made and a[0].ndim != self._rank(n)}
        results = []
        for n in chosen:
            values = dict(base[n])
            for name, arrays in changes.items():
                values[name] = arrays[n]
            results.append(values)
        for equation in self.program.equations[start:stop]:
            name = equation.out.name
            if name in changes or (name in self.fixed and name not in edited):
                continue
            if name in edited or any(ref.name in dirty for ref in operands(equation)):
                dirty.add(name)
                now: Equation | None = edited.get(name, equation)
                if ranks and now is not None and any(ref.name in ranks for ref in operands(now)):
                    now = refit(now, ranks)
                    if now is not None and len(now.out.indices) != self._rank(name):
                        ranks[name] = len(now.out.indices)
                for values, n in zip(results, chosen, strict=True):
                    if now is None:
                        values.pop(name, None)
                    else:
                        evaluate_into(values, now, self.samples[n].sizes)
        return results

    def _rank(self, name: str) -> int:
        """How many axes a value had when it was traced."""
        return len(self.made[name].out.indices)

    def identify(self, name: str, values: Sequence[Values]) -> Role | None:
        """What a value is."""
        roles = self.matching.roles(arrays_of(name, values))
        return roles[0] if roles else None

    def role_of(self, name: str) -> Role | None:
        """What a step is, with the mistakes before it set right."""
        return self.fixed.get(name) or self.identify(name, self.now)

    def is_right(self, target: Target, values: Values, sample: Sample) -> bool:
        """Whether a gradient is the true one in a sample."""
        yours, true = values.get(target.value), sample.truth[self.truth.cotangents[target.parameter]]
        return yours is not None and sample.close(yours, true, sample.noise.get(target.value, 0.0))

    def wrong(self, values: Sequence[Values], only: Collection[int] | None = None) -> int:
        """The gradients that are wrong in some sample, as bits.

        What does not meet, or could be a size that was written as a number, is no mistake where the user's sizes give
        the right values.
        """
        chosen = range(len(self.samples)) if only is None else only
        bits = 0
        for k, target in enumerate(self.targets):
            if self.unreadable >> k & 1:
                continue
            seen = [(v, self.samples[n]) for v, n in zip(values, chosen, strict=True)]
            own = [self.is_right(target, v, s) for v, s in seen if s.own_sizes]
            absent = all(target.value not in v or self.is_right(target, v, s) for v, s in seen)
            if own and all(own) and (absent or self.has_sizes):
                continue
            if not all(self.is_right(target, v, s) for v, s in seen):
                bits |= 1 << k
        return bits

    # The search

    def _find_mistakes(self) -> None:
        """Set wrong steps to what they should be, the earliest first, until every gradient is right."""
        while (wrong := self.wrong(self.now) & ~self._known_misplaced()) and len(self.fixed) < MOST_MISTAKES:
            found = self._next_mistake(wrong)
            if found is None:
                self.misplaced += [t for n, t in enumerate(self.targets) if wrong >> n & 1]
                return
            self.fix(*found)

    def _known_misplaced(self) -> int:
        return sum(1 << n for n, t in enumerate(self.targets) if t in self.misplaced)

    def fix(self, name: str, role: Role) -> None:
        """Set a step to what it should be."""
        self.now = self.rerun(self.now, {name: [role.array(s) for s in self.samples]})
        self.fixed[name] = role

    def _next_mistake(self, wrong: int) -> tuple[str, Role] | None:
        """The earliest step that, set to a true value, makes most gradients right."""
        right = (1 << len(self.targets)) - 1 & ~wrong & ~self.unreadable
        steps = [
            name
            for name in self.roots
            if name not in self.fixed and self.reach.get(name, 0) & wrong and not self.reach[name] & right
        ]
        steps = [name for name in steps if self._is_target(name) or self._is_open(name)]
        inner = [name for name in steps if not self._is_target(name)]
        plain, scaled = self._factors()
        again = [name for name in self.roots if self._is_another_run(name) and self.reach.get(name, 0) & wrong]
        found = self._best(again, wrong, plain) or self._by_recognition(again, plain, inner)
        if found is not None:
            return found[:2]
        repeated = [name for name in steps if self._is_recomputed(name)]
        others = [name for name in steps if name not in repeated]
        best: tuple[str, Role, int] | None = None
        for names, factors, turned in (
            ([name for name in others if not self._is_certain(name)], [ONE], False),
            (others, [ONE], False),
            (others, plain, False),
            (repeated, [ONE], False),
            (inner, [ONE], True),
        ):  # a less likely mistake must explain more
            best = self._best(names, wrong, factors, best[2] if best else 0, turned) or best
        if best is None or self._is_target(best[0]):
            best = self._by_recognition(inner, plain, inner) or self._best(inner, wrong, scaled) or best
        return best[:2] if best else None

    def _best(
        self, names: Sequence[str], wrong: int, factors: Sequence[Factor], above: int = 0, turned: bool = False
    ) -> tuple[str, Role, int] | None:
        """The step and role that make most gradients right, the earliest of several, and how many they are."""
        best: tuple[str, Role, int] | None = None
        for name in names:
            for role in self.turned_roles(name) if turned else self.roles_for(name, factors):
                least = best[2] if best else above
                if (self.reach[name] & wrong).bit_count() > least:
                    gained = self._gained(name, role, wrong)
                    if gained > least:
                        best = name, role, gained
        return best

    def _is_recomputed(self, name: str) -> bool:
        """Whether a step is a value of the forward as it stands: a mistake only if nothing else is."""
        role = self.original.get(name)
        if role is None or not role.is_plain:
            return False
        return role.known.name in self.truth.forward_names or role.known.kind == "slope"

    def _factors(self) -> tuple[list[Factor], list[Factor]]:
        """Factors that a step of this code may have: those of its other steps; and, less likely, sizes."""
        others = [role.factor for role in self.original.values() if role and role.known.kind == "cotangent"]
        plain = list(dict.fromkeys([Factor(), *others, *(-factor for factor in others)]))
        sizes = [Factor.of(1, **{d.letters[0]: power}) for d in self.program.dimensions for power in (1, -1)]
        return plain, [f for f in (*sizes, Factor.of(2), Factor.of(-1)) if f not in plain]

    def _gained(self, name: str, role: Role, wrong: int) -> int:
        """How many gradients become right with a step in a role; 0 if another becomes wrong."""
        first = self.rerun(self.now, {name: [role.array(s) for s in self.samples]}, only=[0])
        better = wrong & ~self.wrong(first, [0])
        if not better or len(self.samples) == 1:
            return better.bit_count()
        full = self.rerun(self.now, {name: [role.array(s) for s in self.samples]})
        after = self.wrong(full)
        return 0 if after & ~wrong else (wrong & ~after).bit_count()

    def _is_open(self, name: str) -> bool:
        """Whether a step can be the mistake: not an empty buffer, nor a gradient to which a loop still adds."""
        if not any(True for _ in operands(self.made[name])):
            return False
        own = self.program.labels.get(name, name)
        line = line_of(self.made[name].source)[:2]
        ends = [t.value for t in self.targets if self.program.labels.get(t.value) == own and t.value in self.made]
        return not any(line_of(self.made[value].source)[:2] == line for value in ends)

    def _is_another_run(self, name: str) -> bool:
        """Whether a step is another run of a line on which a mistake was found."""
        lines = {line_of(self.made[other].source)[:2] for other in self.fixed}
        return name not in self.fixed and not self._is_target(name) and line_of(self.made[name].source)[:2] in lines

    def _by_recognition(
        self, names: Sequence[str], factors: Sequence[Factor], among: Sequence[str]
    ) -> tuple[str, Role, int] | None:
        """The earliest step that, set to a true value, makes later steps gradients that are known: a step in a loop."""
        unknown = [name for name in among if self.identify(name, self.now) is None] if names else []
        best: tuple[str, Role, int] | None = None
        for name in names:
            later = [r for r in unknown if self.place[r] > self.place[name] and r != name]
            for role in self.roles_for(name, factors) if later else ():
                if role.known.kind in ("cotangent", "part"):
                    values = self.rerun(self.now, {name: [role.array(s) for s in self.samples]})
                    changed = [r for r in later if values[0].get(r) is not self.now[0].get(r)]
                    gained = sum(self._is_gradient(self.identify(r, values), role, factors) for r in changed)
                    if gained > (best[2] if best else 0):
                        best = name, role, gained
        return best

    def _is_gradient(self, found: Role | None, given: Role, factors: Sequence[Factor]) -> bool:
        """Whether a value turned out to be a gradient, and not only a copy of what was given."""
        if found is None or found.known.kind not in ("cotangent", "part") or found.factor not in factors:
            return False
        return found.known.name != given.known.name

    def _is_target(self, name: str) -> bool:
        return any(t.value == name for t in self.targets)

    def roles_for(self, name: str, factors: Sequence[Factor]) -> Iterator[Role]:
        """The roles in which a step could be meant.

        A step that already is a gradient is never meant to be the same times a factor, unless its own is a strange one.
        """
        own = [t for t in self.targets if t.value == name]
        if own:
            yield from (Role(self.truth.target(t.parameter)) for t in own)
            return
        original = self.original.get(name)
        settled = original is not None and original.is_plain
        certain = self._is_certain(name)
        for known in self.truth.known:
            if settled and original is not None and known.name == original.known.name:
                continue
            allowed = factors if known.kind == "cotangent" else factors[:1]
            if original is not None and original.known == known:
                allowed = [ONE] if original.factor.number == 1 else self._factors()[0]
            for axes in self._orders(name, known):
                for factor in allowed:
                    role = Role(known, factor, axes)
                    if role != original and not (certain and self._is_multiple(name, role)):
                        yield role

    def _orders(self, name: str, known: Known) -> list[tuple[int, ...]]:
        """The orders of axes in which a true value has the shape of a step; if no true value has it, any."""
        true = self.samples[0].truth.get(known.name)
        if true is None or true.dtype.kind not in "fc":
            return []
        value = self.now[0].get(name)
        fitting = [axes for axes in permutations(range(true.ndim)) if value is not None
                   and true.transpose(axes).shape == value.shape]  # fmt: skip
        is_open = value is None or self.original.get(name) is None  # then its shape may be the mistake
        if fitting or not is_open or known.kind not in ("cotangent", "part") or name not in self.program.labels:
            return fitting
        return list(permutations(range(true.ndim)))[:2]

    def _is_certain(self, name: str) -> bool:
        """Whether a step is the gradient of something, as it stands."""
        role = self.original.get(name)
        return role is not None and role.is_plain and self._is_intermediate(role)

    def _is_intermediate(self, role: Role) -> bool:
        """Whether a role is the gradient of something on the way, or of a parameter: of data, it is so by chance."""
        data = {i.ref.name for i in self.program.inputs} - {t.parameter for t in self.targets}
        return role.known.kind in ("cotangent", "part") and role.known.of not in data

    def _is_multiple(self, name: str, role: Role) -> bool:
        """Whether a role is what a step is now, times a factor."""
        value = self.now[0].get(name)
        return value is not None and ratio(value, role.array(self.samples[0])) is not None

    def turned_roles(self, name: str) -> Iterator[Role]:
        """What a step is, with its axes in another order."""
        role = self.original.get(name)
        if role is not None and role.is_plain and role.known.kind == "cotangent":
            for axes in permutations(role.axes):
                if axes != role.axes:
                    yield Role(role.known, role.factor, axes)

    # Verdicts

    def _verdict(self, name: str) -> Verdict:
        if name in self.fixed:
            return "wrong"
        pairs = list(zip(arrays_of(name, self.first), arrays_of(name, self.now), self.samples, strict=True))
        if any(b is None for _, b, _ in pairs):
            return "undecided"
        if any(a is None or (a is not b and not s.close(a, b)) for a, b, s in pairs if b is not None):
            return "follows"
        return "undecided" if self.reach.get(name, 0) & self.unreadable and not self.original[name] else "right"


def agrees(result: Array, traced: Array | None) -> bool:
    """Whether a run and its trace gave one value, to the precision of the run."""
    if traced is None or np.size(result) != traced.size:
        return traced is None
    plain = np.reshape(np.asarray(result), traced.shape)
    tolerance = 1e-3 if np.asarray(result).dtype.itemsize < 8 else 1e-6
    floor = tolerance * float(np.abs(traced).max(initial=0))
    return bool(np.allclose(plain, traced, rtol=tolerance, atol=floor, equal_nan=True))


def step_roots(program: Program, forward: Collection[str]) -> list[str]:
    """The values that lines of the backward give to other lines, or return, in order."""
    outputs = {ref.name for ref in program.outputs}
    users: dict[str, list[Equation]] = {}
    for equation in program.equations:
        for ref in operands(equation):
            users.setdefault(ref.name, []).append(equation)

    def leaves_line(equation: Equation) -> bool:
        name = equation.out.name
        if name in outputs or name in program.labels:
            return True
        return any(line_of(u.source) != line_of(equation.source) for u in users.get(name, []))

    return [e.out.name for e in program.equations if e.out.name not in forward and leaves_line(e)]


def line_of(source: Source | None) -> tuple[str, int, int]:
    """What tells one run of a line from others."""
    return ("", 0, 0) if source is None else (source.file, source.line, source.call)
