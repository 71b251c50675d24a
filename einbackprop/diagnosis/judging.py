"""The values of a backward, matched with what they are, and what becomes of them when some are set right.

The loss's program gives the true cotangent of every value of the forward. Each value of the user's backward is compared
with them, at values and sizes of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..core.program import Equation, Opaque, Program, Source, operands
from ..core.simplification import needed
from ..world import Raised
from .aliases import is_alias, named_after, with_aliases
from .edits import Edit
from .orientation import oriented
from .refitting import refit
from .sampling import Array, Sample, Values, draw_near, draw_samples, evaluate_into, has_size
from .truth import Matching, Role, Truth, arrays_of

Verdict = Literal["right", "wrong", "follows", "undecided"]
Run = Callable[[Sequence[Array]], Sequence[Array]]
MOST_WORK = 60_000  # evaluations: some ten seconds


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
    """One backward: its values in every sample, what each of them is, and which are set right.

    Attributes
    ----------
    original : dict of name to Role or None
        What each step is as it stands.
    fixed : dict of name to Role
        The steps that are mistakes, in the order in which they were found, and what each should be.
    misplaced : list of Target
        Gradients that are no step's mistake: another value was returned in their place.
    work : int
        Equations evaluated so far.
    explained : dict
        The smallest edits that were found for a step, with certain steps set right.
    first, now : list of Values
        The user's values in each sample, and what they are with the mistakes set right.
    """

    def __init__(
        self, program: Program, targets: Mapping[int, str], arrays: Sequence[Array], rng: np.random.Generator,
        run: Run | None = None,
    ) -> None:  # fmt: skip
        """Draw samples, and see what the values of a backward are in them.

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
        self.program = program = with_aliases(oriented(program), list(targets))
        self.truth = Truth(program, list(targets.values()))
        self.targets = [Target(n, program.outputs[n].name, parameter) for n, parameter in targets.items()]
        self.made = program.defining()
        self.aliases = {e.out.name for e in program.equations if is_alias(e)}
        self.reach = self._reach()
        self.unreadable = self._unreadable()
        self.run, self.arrays = run, arrays
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
        self.work = 0
        self.explained: dict[Hashable, tuple[Edit, ...]] = {}
        self.original = {name: self.identify(name, self.first) for name in self.roots}
        self.wrong_at_first = self.wrong(self.first)

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
        try:
            results = run(self.given(sample, arrays))
        except Raised:  # the code itself fails at these values: nothing can be said of it
            return False
        names = [ref.name for ref in self.program.outputs]
        pairs = zip(results, names, strict=True)
        return all(agrees(a, sample.yours.get(name), sample.noise.get(name, 0.0)) for a, name in pairs)

    def given(self, sample: Sample, arrays: Sequence[Array]) -> list[Array]:
        """What the code itself is given in a sample of the user's sizes."""
        return [
            sample.given[i.ref.name].reshape(np.shape(array)).astype(np.asarray(array).dtype)
            for i, array in zip(self.program.inputs, arrays, strict=True)
        ]

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
                self.work += len(results)
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

    def wrong_targets(self, bits: int) -> list[Target]:
        """The targets of gradients given as bits."""
        return [target for n, target in enumerate(self.targets) if bits >> n & 1]

    # Mistakes and verdicts

    def fix(self, name: str, role: Role) -> None:
        """Set a step to what it should be."""
        self.now = self.rerun(self.now, {name: [role.array(s) for s in self.samples]})
        self.fixed[name] = role

    def refix(self, fixed: Mapping[str, Role]) -> None:
        """Set these steps, and no others, to what they should be."""
        self.now, self.fixed = self.first, {}
        for name, role in fixed.items():
            self.fix(name, role)

    def return_instead(self, n: int, name: str) -> None:
        """Take a value for what was meant to be returned as a gradient."""
        self.targets[n] = replace(self.targets[n], value=name)
        self.reach = self._reach()

    def is_target(self, name: str) -> bool:
        """Whether a value is returned as a gradient."""
        return any(t.value == name for t in self.targets)

    @property
    def is_tired(self) -> bool:
        """Whether so much was tried that what was found so far must do."""
        return self.work > MOST_WORK

    @property
    def own_sample(self) -> int | None:
        """The sample of the user's sizes."""
        return next((n for n, sample in enumerate(self.samples) if sample.own_sizes), None)

    def promised(self, name: str) -> list[str]:
        """The values of the forward that a step's name says it is the gradient of: ``dL_dhid_2`` says hid_2."""
        labels = self.program.labels
        called = named_after(labels.get(name, name), labels.values())
        if not called:
            return []
        forward = [value for value, label in self.truth.forward.labels.items() if label == called]
        again = (role for n, role in self.original.items() if labels.get(n) == called)
        return forward + [r.known.of for r in again if r is not None and r.is_forward]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step with its verdict."""
        return tuple(Step(name, self.role_of(name), self._verdict(name)) for name in self.roots)

    def _verdict(self, name: str) -> Verdict:
        if name in self.fixed:
            return "wrong"
        pairs = list(zip(arrays_of(name, self.first), arrays_of(name, self.now), self.samples, strict=True))
        if any(b is None for _, b, _ in pairs):
            return "undecided"
        if any(a is None or (a is not b and not s.close(a, b)) for a, b, s in pairs if b is not None):
            return "follows"
        return "undecided" if self.reach.get(name, 0) & self.unreadable and not self.original[name] else "right"


def agrees(result: Array, traced: Array | None, noise: float) -> bool:
    """Whether a run and its trace gave one value, to the precision of the run: what cancels leaves rounding alone."""
    if traced is None or np.size(result) != traced.size:
        return traced is None
    plain = np.reshape(np.asarray(result), traced.shape)
    tolerance = 1e-3 if np.asarray(result).dtype.itemsize < 8 else 1e-6
    floor = max(tolerance * float(np.abs(traced).max(initial=0)), noise)
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
