"""The search for the smallest edit that makes a wrong step right, in every sample."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

import numpy as np

from ..core.order import bottom_up
from ..core.program import ONE, Equation, Factor, Map, Ref, Sum, operands
from ..core.simplification import with_refs
from . import edits
from .aliases import is_passed
from .edits import Edit
from .gathering import gatherings
from .judging import Judging, line_of
from .sampling import Array, Values, evaluate_into
from .truth import Role, sized

DERIVED = "′"
ONE_MINUS = "1 - "
OTHER_LINE = 0.05  # of two equally small edits, the one on the step's own line is likelier
ARGUMENT = 0.3  # what is passed is rather another value than that value times something
NAMELESS = 0.02  # of two edits that are as small, that of what has a name is said
MOST_WORK = 10_000  # evaluations in one search: edits that are found take a tenth of that
SETTLED_LINE = 0.5  # a line whose value is a known one is not likely to be wrong


@dataclass(frozen=True)
class Explanation:
    """What makes a step right.

    Attributes
    ----------
    name : str
        The step.
    role : Role
        What it should be.
    edits : tuple of Edit
        The smallest edit first, then those that are as small; empty where no small edit explains it.
    """

    name: str
    role: Role
    edits: tuple[Edit, ...]


class Surroundings:
    """What is at hand for edits of a backward besides its own values: slopes, ``1 - h``, parts of true gradients.

    Attributes
    ----------
    extra : list of Values
        In each sample, arrays that no equation of the user's program makes.
    inline : dict of name to Equation
        What to show in their place: an equation in values of the user's, or in others of these.
    slopes, complements : list of str
        Their names.
    parts : dict of str to str
        By the names in the true program.
    """

    def __init__(self, judging: Judging) -> None:
        self.judging, self.truth = judging, judging.truth
        self.inline: dict[str, Equation] = {}
        self.extra: list[Values] = [{} for _ in judging.samples]
        self.yours = dict(self._known_values())
        self.slopes = [self.show(name) for name in self.truth.slopes.values()]
        self.complements = [self._complement(of) for of in self.truth.slopes if of in self.truth.made]
        kinds = {k.name: k.kind for k in self.truth.known}
        self.parts = {name: self.show(name) for name, kind in kinds.items() if kind in ("part", "cotangent")}

    def before(self, name: str) -> Surroundings:
        """What is at hand where a step is made: nothing that is made later, nor the step itself."""
        place = self.judging.place
        others = copy.copy(self)
        others.inline = {}
        limit = place.get(name, len(place))
        others.yours = {true: own for true, own in self._known_values() if place.get(own, -1) < limit}
        return others

    def _known_values(self) -> Iterator[tuple[str, str]]:
        """True values that the user has a name for."""
        for name in self.judging.roots:
            role = self.judging.role_of(name)
            is_named = bool(self.judging.program.labels.get(name, "").strip("_"))
            if is_named and role and role.is_plain and role.axes in ((), tuple(range(len(role.axes)))):
                yield role.known.name, name

    def show(self, name: str) -> str:
        """Take up a value of the true program, after what it is made from; the name it has here."""
        shown = DERIVED + name
        for inner in bottom_up(shown, self._taken_up_for, self.inline):
            self._take_up(inner.removeprefix(DERIVED), inner)
        return shown

    def _take_up(self, name: str, shown: str) -> None:
        equation = self.truth.made[name]
        changed = with_refs(equation, lambda ref: Ref(self._at_hand(ref.name) or DERIVED + ref.name, ref.indices))
        self.inline[shown] = replace(changed, out=Ref(shown, equation.out.indices))
        for values, sample in zip(self.extra, self.judging.samples, strict=True):
            if name in sample.truth:
                values[shown] = sample.truth[name]

    def _taken_up_for(self, shown: str) -> list[str]:
        """The values that a value of the true program reads, and that have to be taken up first."""
        read = operands(self.truth.made[shown.removeprefix(DERIVED)])
        return [DERIVED + ref.name for ref in read if self._at_hand(ref.name) is None]

    def _at_hand(self, name: str) -> str | None:
        """What a value of the true program is called where it is read; None where it is none of the user's."""
        if name not in self.yours and name in self.truth.made:
            self.yours[name] = self._equal_to(name)
        if self.yours.get(name):
            return self.yours[name]
        is_named = bool(self.truth.forward.labels.get(name, "").strip("_"))
        return name if name not in self.truth.made or (is_named and name in self.truth.forward_names) else None

    def _equal_to(self, name: str) -> str:
        """The user's name for a value that is equal to a true one; empty if there is none."""
        sample, now = self.judging.samples[0], self.judging.now[0]
        true = sample.truth.get(name)
        named = dict.fromkeys(yours for yours in self.yours.values() if yours)
        return next((n for n in named if true is not None and n in now and sample.close(now[n], true)), "")

    def _complement(self, of: str) -> str:
        """``1 - h``."""
        shown = ONE_MINUS + of
        indices = self.truth.made[of].out.indices
        self.inline[shown] = Sum(Ref(shown, indices), ((ONE, None), (-ONE, Ref(of, indices))))
        for values, sample in zip(self.extra, self.judging.samples, strict=True):
            if of in sample.truth:
                values[shown] = 1 - sample.truth[of]
        return shown


class Search:
    """Edits for one wrong step."""

    def __init__(self, judging: Judging, surroundings: Surroundings, name: str) -> None:
        self.judging, self.surroundings, self.name = judging, surroundings, name
        self.role = judging.fixed[name]
        self.base = [{**now, **extra} for now, extra in zip(judging.now, surroundings.extra, strict=True)]
        self.goal = [self.role.array(s) for s in judging.samples]
        self.region = self._region()
        self.place = {equation.out.name: n for n, equation in enumerate(self.region)}
        self.readers: dict[str, list[int]] = {}
        for n, equation in enumerate(self.region):
            for ref in operands(equation):
                self.readers.setdefault(ref.name, []).append(n)
        self.work = 0  # equations evaluated
        self._restore()
        self.pool = self._pool()

    def _region(self) -> list[Equation]:
        """The equations in which the mistake may stand: what the step is made from, up to what is known to be right."""
        judging = self.judging
        wrong = judging.wrong_at_first
        found, region = {self.name}, []
        for equation in reversed(judging.program.equations):
            name = equation.out.name
            if name in found and (name == self.name or self._is_suspect(name, wrong)):
                region.append(equation)
                found |= {ref.name for ref in operands(equation)}
        return region[::-1]

    def _is_suspect(self, name: str, wrong: int) -> bool:
        judging = self.judging
        if name in judging.forward or name in judging.fixed or judging.reach.get(name, 0) & ~wrong:
            return False
        role = judging.original.get(name)
        if role is None or not role.is_plain:
            return True
        if role.known.kind in ("cotangent", "part"):
            return False
        labels = judging.program.labels
        own, known = labels.get(name), judging.truth.forward.labels.get(role.known.of)
        return role.known.kind == "slope" or (own is not None and own != known)

    def _restore(self) -> None:
        """The step as the user has it, with what it depends on set right."""
        for values, sample in zip(self.base, self.judging.samples, strict=True):
            evaluate_into(values, self.judging.made[self.name], sample.sizes)

    def _pool(self) -> list[str]:
        """The named values at hand, each array once; the latest first."""
        judging, place = self.judging, self.judging.place
        limit = place[self.name]
        names = [i.ref.name for i in judging.program.inputs]
        names += [n for n in judging.program.labels if n in place and place[n] < limit and not self._is_inside(n)]
        pool: dict[tuple[tuple[int, ...], bytes], str] = {}
        for name in names:
            array = self.base[0].get(name)
            if array is not None and array.dtype.kind in "fciub":
                key = array.shape, np.ascontiguousarray(array, dtype=np.float64).tobytes()
                if name not in judging.aliases:
                    pool.pop(key, None)  # of the same values, the last: where the backward ran the forward again
                pool.setdefault(key, name)
        return list(pool.values())

    def _is_elsewhere(self, name: str, equation: Equation) -> bool:
        """Whether another line of the backward made a value that is no value of the forward: that one is to blame."""
        made = self.judging.made.get(name)
        role = self.judging.original.get(name)
        is_forward = role is not None and role.is_forward
        return made is not None and not is_forward and name not in self.judging.forward and (
            line_of(made.source) != line_of(equation.source)
        )

    def _pool_of(self, equation: Equation) -> list[str]:
        """Of the values at hand, those that are there already where an equation stands."""
        place = self.judging.place
        limit = place.get(equation.out.name, len(place))
        return [name for name in self.pool if place.get(name, -1) < limit]

    def _is_inside(self, name: str) -> bool:
        """Whether a value is made within the call that the step is an argument of: the caller has it not yet."""
        if not is_passed(self.judging.made[self.name]):
            return False
        source = self.judging.made[name].source
        readers = [e.source for e in self.judging.program.equations if self.name in {ref.name for ref in operands(e)}]
        runs = {(s.shown.file, s.shown.function, s.shown.call) for s in readers if s is not None}
        return source is not None and (source.shown.file, source.shown.function, source.shown.call) in runs

    # Trying

    def values_with(self, changed: Mapping[str, Equation], n: int) -> Values:
        """The values of one sample with some equations changed, up to the step."""
        values = dict(self.base[n])
        sizes = self.judging.samples[n].sizes
        waiting = [self.place[name] for name in changed if name in self.place]
        heapify(waiting)
        seen = set(waiting)
        while waiting:
            own = self.region[heappop(waiting)]
            equation = changed.get(own.out.name, own)
            if equation is not own:
                for ref in operands(equation):
                    if ref.name in changed and ref.name not in self.place:  # new, made where it is used
                        evaluate_into(values, changed[ref.name], sizes)
            self.work += 1
            self.judging.work += 1
            if not evaluate_into(values, equation, sizes):
                values.pop(self.name, None)
                return values
            for later in self.readers.get(own.out.name, ()):
                if later not in seen:
                    seen.add(later)
                    heappush(waiting, later)
        return values

    def result(self, changed: Mapping[str, Equation], n: int) -> Array | None:
        """The step's value in one sample with some equations changed."""
        return self.values_with(changed, n).get(self.name)

    def works(self, edit: Edit) -> bool:
        """Whether an edit makes the step what it should be, in every sample."""
        changed = edit.by_name
        for n, sample in enumerate(self.judging.samples):
            array = self.result(changed, n)
            if array is None or not sample.close(array, self.goal[n], sample.noise.get(self.name, 0.0)):
                return False
        return True

    def explain(self) -> Explanation:
        """The smallest edits that make the step right; what was found once, with the same steps set right, stands."""
        key = self.name, frozenset(self.judging.fixed.items()), tuple(self.judging.targets)
        if key not in self.judging.explained:
            self.judging.explained[key] = self._smallest()
        return Explanation(self.name, self.role, self.judging.explained[key])

    def _smallest(self) -> tuple[Edit, ...]:
        found: list[tuple[float, Edit]] = []
        for candidates in (self._small(), self._larger()):
            for edit in candidates:
                if self.work > MOST_WORK:
                    break
                cost = self._cost(edit)
                if (not found or cost <= found[0][0] + OTHER_LINE / 2) and self.works(edit):
                    found.append((cost, edit))
                    found.sort(key=lambda pair: pair[0])
            if found:
                break
        best: dict[tuple[object, ...], Edit] = {}
        for cost, edit in found:
            if cost <= found[0][0] + OTHER_LINE / 2:  # a factor may stand at several places of one line: no tie
                best.setdefault((edit.kind, edit.new, line_of(edit.edited.source)), edit)
        return tuple(best.values())

    def _is_named(self, name: str) -> bool:
        return bool(self.judging.program.labels.get(name, "").strip("_")) or name not in self.judging.made

    def _cost(self, edit: Edit) -> float:
        """How much is changed, and how likely its line is to be wrong."""
        name = edit.edited.out.name
        if is_passed(edit.edited) and edit.kind not in ("replace", "transpose"):
            return edit.cost + ARGUMENT
        if edit.kind == "replace" and not self._is_named(edit.old):
            return edit.cost + NAMELESS
        line = line_of(edit.edited.source)
        if line == line_of(self.judging.made[self.name].source):
            return edit.cost
        ends = [e.out.name for e in self.region if line_of(e.source) == line and e.out.name in self.judging.original]
        role = self.judging.original.get(ends[-1]) if ends else None
        settled = role is not None and role.is_plain and role.known.kind == "slope"
        earlier = name != self.name and role is not None and not settled
        return edit.cost + (SETTLED_LINE if settled else 0.0 if earlier else OTHER_LINE)

    # Candidates

    def _lines(self) -> Iterator[list[Equation]]:
        """The equations of the region, line by line."""
        groups: dict[tuple[str, int, int], list[Equation]] = {}
        for equation in self.region:
            groups.setdefault(line_of(equation.source), []).append(equation)
        yield from groups.values()

    def _small(self) -> Iterator[Edit]:
        """One thing is different."""
        values = self.base[0]
        functions = sorted({e.function for e in self.judging.truth.forward.equations if isinstance(e, Map)})
        yield from gatherings(self.judging, self.name, self.region, values)
        for equation in reversed(self.region):
            yield from self._scalings(equation)
            yield from edits.transposed(equation)
            yield from edits.with_other_letters(equation, equation.out.name == self.name)
            yield from edits.without_operand(equation)
            yield from edits.with_other_function(equation, functions)
            yield from edits.with_operand_replaced(equation, self._pool_of(equation), values)
            if equation.out.name == self.name:
                yield from edits.summed_result(equation)
        for line in self._lines():
            yield from edits.replaced_throughout(line, self._pool_of(line[0]), values)
            yield from edits.summed_over_another(line, values)

    def _larger(self) -> Iterator[Edit]:
        """Something is missing, or two things are too much."""
        values = self.base[0]
        at_hand = self.surroundings
        factors = dict.fromkeys(at_hand.slopes, 1.3) | dict.fromkeys(at_hand.complements, 1.6)
        factors |= dict.fromkeys(self.pool, 1.5)
        for equation in reversed(self.region):
            yield from edits.with_factor(equation, factors, values)
            for edit in edits.with_operand_replaced(equation, [*at_hand.slopes, *at_hand.complements], values):
                if not self._is_elsewhere(edit.old, equation):
                    yield replace(edit, cost=1.4)
            yield from self._terms(equation, [*self.pool, *at_hand.slopes])
            if equation.out.name == self.name:
                parts = [shown for name, shown in at_hand.parts.items() if name != self.role.known.name]
                yield from (replace(edit, cost=1.8) for edit in self._terms(equation, parts))
        for line in self._lines():
            yield from edits.dropped_twice(line)

    def _solved(self, changed: Mapping[str, Equation], unchanged: Sequence[Array | None]) -> list[Factor]:
        """The factor c with which ``unchanged + c · (changed - unchanged)`` is right in every sample."""
        numbers = []
        for n, sample in enumerate(self.judging.samples):
            a, b, goal = unchanged[n], self.result(changed, n), self.goal[n]
            if a is None or b is None or a.shape != goal.shape or b.shape != goal.shape:
                return []
            a, b = a.astype(np.float64), b.astype(np.float64)
            if not (np.isfinite(a).all() and np.isfinite(b).all()):
                return []
            direction = b - a
            size = float((direction * direction).sum())
            if not size or not np.isfinite(size):
                return []
            c = float((direction * (goal - a)).sum()) / size
            if not sample.close(a + c * direction, goal, sample.noise.get(self.name, 0.0)):
                return []
            numbers.append(c)
        if all(abs(c) < 1e-9 for c in numbers):
            return [Factor.of(0)]
        factor = sized(numbers, self.judging.samples)
        return [factor] if factor is not None else []

    def _scalings(self, equation: Equation) -> Iterator[Edit]:
        """A factor on the result, or on a term of a sum, found by solving for it."""
        nothing = edits.scaled_by(equation, Factor.of(0))
        if nothing is not None:
            without = [self.result(nothing.by_name, n) for n in range(len(self.base))]
            for factor in self._solved({equation.out.name: equation}, without):
                edit = edits.scaled_by(equation, factor)
                yield from [edit] if edit is not None and factor != ONE and factor.number != 0 else []
        for n in range(len(equation.terms)) if isinstance(equation, Sum) and len(equation.terms) > 1 else ():
            assert isinstance(equation, Sum)
            gone = edits.with_term_scaled(equation, n, Factor.of(0)).by_name
            without = [self.result(gone, k) for k in range(len(self.base))]
            for factor in self._solved({equation.out.name: equation}, without):
                if factor != ONE:
                    yield edits.with_term_scaled(equation, n, factor)

    def _terms(self, equation: Equation, pool: Iterable[str]) -> Iterator[Edit]:
        """A term more, with the factor that it needs."""
        unchanged = [self.result({equation.out.name: equation}, n) for n in range(len(self.base))]
        for edit in edits.with_term(equation, list(pool), self.base[0]):
            for factor in self._solved(edit.by_name, unchanged):
                if factor.number != 0:
                    yield edits.plus_term(equation, term_of(edit), factor)


def term_of(edit: Edit) -> Ref:
    """The value that was added."""
    whole = edit.edited
    assert isinstance(whole, Sum)
    ref = whole.terms[-1][1]
    assert ref is not None
    return ref


