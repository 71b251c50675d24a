"""Which steps of a backward are mistakes, and what each should be.

A wrong gradient is followed back: the first step that, set to a true value, makes what comes after it right, is the
mistake; what is wrong only because of it *follows*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..checking.naming import gradient_of
from ..core.faults import contained
from ..core.program import ONE, Factor, Program, operands
from .aliases import is_passed
from .judging import Judging, Run, line_of
from .repeats import roles_of_runs
from .roles import Roles
from .rounds import suspects_in_a_loop
from .sampling import Array
from .search import Search, Surroundings
from .truth import Role, ancestors

MOST_MISTAKES = 60
MOST_TRIED = 8


def judge(
    program: Program, targets: Mapping[int, str], arrays: Sequence[Array], rng: np.random.Generator,
    run: Run | None = None,
) -> Judging:  # fmt: skip
    """Find out which lines of a backward are wrong: a ``Judging`` with its mistakes set right.

    The parameters are those of ``Judging``.

    Raises
    ------
    DerivationError
        The loss cannot be differentiated.
    """
    judging = Judging(program, targets, arrays, rng, run)
    contained("the search for mistakes", Blame(judging).find_mistakes, None)
    return judging


@dataclass(frozen=True)
class Suspect:
    """A step, what it could be meant to be, and how many wrong gradients are right then (or how many later steps); of a
    step in a loop it is ``settled`` before that."""

    name: str
    role: Role
    gained: int
    settled: bool = False


class Blame(Roles):
    """The search for the mistakes of one backward."""

    def __init__(self, judging: Judging) -> None:
        super().__init__(judging)
        self.reach = judging.reach
        self.trusted = {name for name in judging.roots if self._is_forward(name)}

    def _is_forward(self, name: str) -> bool:
        """Whether a step is a value of the forward, made again by a line that the loss itself runs: that is trusted."""
        role, source = self.original.get(name), self.judging.made[name].source
        lines = {line_of(equation.source)[:2] for equation in self.truth.forward.equations}
        is_forward = role is not None and role.is_forward
        return is_forward and source is not None and line_of(source)[:2] in lines

    def find_mistakes(self) -> None:
        """Set wrong steps to what they should be, the earliest first, until every gradient is right."""
        judging = self.judging
        self._take_what_was_meant()
        while (wrong := judging.wrong(judging.now)) and len(judging.fixed) < MOST_MISTAKES:
            found = self._next_mistake(wrong)
            if found is None or (found.gained < wrong.bit_count() and not found.settled):
                runs = roles_of_runs(judging, wrong)
                for name, role in runs.items():
                    judging.fix(name, role)
                if runs:
                    continue
            if found is None and judging.is_tired and judging.fixed:
                break  # a loop of many rounds: one mistake is known
            if found is None:
                judging.misplaced += judging.wrong_targets(wrong)
                break
            judging.fix(found.name, found.role)
        if len(judging.fixed) > 1:
            self._explain_again()

    def _explain_again(self) -> None:
        """Once the other mistakes are set right, another step may explain as much as one without a small edit."""
        judging = self.judging
        made = judging.made
        runs = Counter(line_of(made[name].source)[:2] for name in judging.fixed)
        for name, role in list(judging.fixed.items()):
            if runs[line_of(made[name].source)[:2]] > 1 or self._edits(name):
                continue
            judging.refix({n: r for n, r in judging.fixed.items() if n != name})
            wrong = judging.wrong(judging.now)
            steps = [n for n in judging.roots if n not in judging.fixed and self.reach.get(n, 0) & wrong]
            found = Suspect(name, role, wrong.bit_count())
            inner = [n for n in steps if not judging.is_target(n)]
            other = self._explained(found, inner, wrong) if wrong else found
            judging.fix(other.name, other.role)
            if judging.wrong(judging.now):  # of two mistakes, the one before: the step itself is still wrong
                judging.fix(name, role)

    def _take_what_was_meant(self) -> None:
        """Where another value was returned than the last that says that it is the gradient, and that one is not used at
        all: judge it in the place of what was returned."""
        judging = self.judging
        for n, target in enumerate(list(judging.targets)):
            if judging.wrong_at_first >> n & 1 and target.parameter not in judging.promised(target.value):
                meant = [name for name in judging.roots if target.parameter in judging.promised(name)]
                if meant and not self.reach.get(meant[-1]):
                    judging.misplaced.append(target)
                    judging.return_instead(n, meant[-1])
        self.reach = judging.reach

    def _next_mistake(self, wrong: int) -> Suspect | None:
        """The earliest step that, set to a true value, makes most gradients right."""
        judging = self.judging
        if judging.is_tired:
            rest = [] if judging.fixed else judging.wrong_targets(wrong)
            return Suspect(rest[0].value, Role(self.truth.target(rest[0].parameter)), 1, True) if rest else None
        right = (1 << len(judging.targets)) - 1 & ~wrong & ~judging.unreadable
        open_ = [name for name in judging.roots if name not in judging.fixed and name not in self.trusted]
        reaching = [name for name in open_ if self.reach.get(name, 0) & wrong]
        steps = [n for n in reaching if not self.reach[n] & right and (judging.is_target(n) or self._is_open(n))]
        inner = [name for name in steps if not judging.is_target(name)]
        plain, scaled = self._factors()
        found = self._in_a_loop(reaching)
        if found is not None:
            return found
        again = [name for name in reaching if self._is_another_run(name)]
        found = self._best(again, wrong, plain) or self._by_recognition(again, plain, inner)
        if found is not None:
            return found
        found = self._most_likely(steps, inner, wrong, plain)
        if found is None or (judging.is_target(found.name) and not self._has_edit(found)):
            found = self._by_recognition(inner, plain, inner) or self._best(inner, wrong, scaled) or found
        return self._explained(found, inner, wrong) if found is not None else None

    def _in_a_loop(self, reaching: Sequence[str]) -> Suspect | None:
        """The step of a loop from which on nothing is known, set to what makes the next steps known."""
        found: Suspect | None = None
        for name, role in suspects_in_a_loop(self.judging, reaching, lambda name: self.roles_for(name, [ONE])):
            found = Suspect(name, role, 0, settled=True)
            if self._is_another_run(name) or self._has_edit(found):
                break
        return found

    def _explained(self, found: Suspect, steps: Sequence[str], wrong: int) -> Suspect:
        """The suspect, or another step that explains as much, if only for that one there is a small edit."""
        if self._has_edit(found):
            return found
        tried: list[Suspect] = []
        for name in steps:
            for role in (*self.roles_for(name, [ONE]), *self.turned_roles(name)) if name != found.name else ():
                reaches = (self.reach[name] & wrong).bit_count() >= found.gained and not self.judging.is_tired
                if reaches and len(tried) < MOST_TRIED and self._gained(name, role, wrong) >= found.gained:
                    tried.append(Suspect(name, role, found.gained))
                    if self._has_edit(tried[-1]):
                        return tried[-1]
        before = self._wrong_before(found)
        if before is not None:
            return before
        place = self.judging.place
        slopes = [s for s in tried if s.role.known.kind == "slope" and place[s.name] < place[found.name]]
        return slopes[0] if slopes else found  # what is made for the line that was found, and nothing else

    def _wrong_before(self, found: Suspect) -> Suspect | None:
        """A step that the suspect depends on and that is not what its name says, if the suspect has a small edit once
        that one is right: then both are mistakes."""
        judging, labels = self.judging, self.judging.program.labels
        settled = {*judging.fixed, *self.trusted}
        for name in ancestors(judging.program, found.name):
            if name in settled or name not in self.original or labels.get(name) == labels.get(found.name):
                continue  # a variable that is changed later is not yet what its name says
            for role in (*self._promised_roles(name), *self._slopes(name)) if not judging.is_tired else ():
                now, fixed = judging.now, dict(judging.fixed)
                judging.fix(name, role)
                has_edit = self._has_edit(found)
                judging.now, judging.fixed = now, fixed
                if has_edit:
                    return Suspect(name, role, 0)
        return None

    def _slopes(self, name: str) -> Iterator[Role]:
        """The derivatives of pointwise functions that a step without a known role could be meant to be."""
        original = self.original.get(name)
        if original is None or original.known.kind == "forward":
            yield from (role for role in self.roles_for(name, [ONE]) if role.known.kind == "slope")

    def _has_edit(self, suspect: Suspect) -> bool:
        """Whether a small edit makes a step what it should be."""
        judging = self.judging
        now, fixed = judging.now, dict(judging.fixed)
        judging.fix(suspect.name, suspect.role)
        has_edit = self._edits(suspect.name)
        judging.now, judging.fixed = now, fixed
        return has_edit

    def _edits(self, name: str) -> bool:
        """Whether there is a small edit for a step that was set right."""
        return bool(Search(self.judging, Surroundings(self.judging), name).explain().edits)

    def _most_likely(
        self, steps: Sequence[str], inner: Sequence[str], wrong: int, plain: Sequence[Factor]
    ) -> Suspect | None:
        """The step and role that make most gradients right; a less likely mistake must explain more."""
        repeated = [name for name in steps if self._is_recomputed(name)]
        others = [name for name in steps if name not in repeated]
        best = self._best_promise(inner, wrong)
        askew = [name for name in inner if self._is_turned(name)]
        for names, factors, turned in (
            (askew, [ONE], True),
            ([name for name in others if not self._is_certain(name)], [ONE], False),
            ([name for name in others if not self._is_as_named(name)], [ONE], False),
            (others, [ONE], False),
            (others, plain, False),
            (repeated, [ONE], False),
            (inner, [ONE], True),
        ):
            best = self._best(names, wrong, factors, best.gained if best else 0, turned) or best
        return best

    def _best_promise(self, names: Sequence[str], wrong: int) -> Suspect | None:
        """The best of the steps that are not what their names say, set to that."""
        best: Suspect | None = None
        for name in names:
            best = self._better(name, self._promised_roles(name), wrong, best) or best
        return best

    def _promised_roles(self, name: str) -> Iterator[Role]:
        """What a step's name says, if it is not that."""
        promised, original = self.judging.promised(name), self.original.get(name)
        if not promised:
            return
        if original is None or not original.is_plain or original.known.of not in promised:
            roles = self.roles_for(name, [ONE])
            yield from (role for role in roles if role.known.kind == "cotangent" and role.known.of in promised)
        elif original.known.kind == "cotangent" and original.axes != tuple(sorted(original.axes)):
            yield Role(original.known, ONE, tuple(sorted(original.axes)))

    def _best(
        self, names: Sequence[str], wrong: int, factors: Sequence[Factor], above: int = 0, turned: bool = False
    ) -> Suspect | None:
        """The step and role that make most gradients right, the earliest of several."""
        best: Suspect | None = None
        for name in names:
            roles = self.turned_roles(name) if turned else self.roles_for(name, factors)
            best = self._better(name, roles, wrong, best, above) or best
        return best

    def _better(
        self, name: str, roles: Iterator[Role], wrong: int, best: Suspect | None, above: int = 0
    ) -> Suspect | None:
        """A role of a step that makes more gradients right than the best so far."""
        found: Suspect | None = None
        least = best.gained if best else above
        for role in roles:
            if self.judging.is_tired:
                break
            if (self.reach[name] & wrong).bit_count() > least:
                gained = self._gained(name, role, wrong)
                if gained > least:
                    found, least = Suspect(name, role, gained), gained
        return found

    def _is_recomputed(self, name: str) -> bool:
        """Whether a step is a value of the forward as it stands, and its name says no other: a mistake only if nothing
        else is."""
        made = self.judging.made[name]
        if is_passed(made):
            return any(self._is_recomputed(ref.name) for ref in operands(made) if ref.name in self.original)
        if name in self.judging.aliases and made.source is not None and made.source.code.startswith("return"):
            return False
        role = self.original.get(name)
        claims = len(gradient_of(self.judging.program.labels.get(name, ""))) > 1
        return role is not None and role.is_plain and role.known.kind in ("forward", "slope") and not claims

    def _gained(self, name: str, role: Role, wrong: int) -> int:
        """How many gradients become right with a step in a role; 0 if another becomes wrong."""
        judging = self.judging
        change = {name: [role.array(s) for s in self.samples]}
        first = judging.rerun(judging.now, change, only=[0])
        better = wrong & ~judging.wrong(first, [0])
        if not better or len(self.samples) == 1:
            return better.bit_count()
        after = judging.wrong(judging.rerun(judging.now, change))
        return 0 if after & ~wrong else (wrong & ~after).bit_count()

    def _is_open(self, name: str) -> bool:
        """Whether a step can be the mistake: not an empty buffer, nor a gradient to which a loop still adds."""
        judging = self.judging
        if not any(True for _ in operands(judging.made[name])):
            return False
        labels = judging.program.labels
        own = labels.get(name, name)
        line = line_of(judging.made[name].source)[:2]
        ends = [t.value for t in judging.targets if labels.get(t.value) == own and t.value in judging.made]
        return not any(line_of(judging.made[value].source)[:2] == line for value in ends)

    def _is_another_run(self, name: str) -> bool:
        """Whether a step is another run of a line on which a mistake was found."""
        made = self.judging.made
        lines = {line_of(made[other].source)[:2] for other in self.judging.fixed}
        return not self.judging.is_target(name) and line_of(made[name].source)[:2] in lines

    def _by_recognition(
        self, names: Sequence[str], factors: Sequence[Factor], among: Sequence[str]
    ) -> Suspect | None:
        """The earliest step that, set to a true value, makes later steps gradients that are known: a step in a loop."""
        judging = self.judging
        unknown = [name for name in among if judging.identify(name, judging.now) is None] if names else []
        best: Suspect | None = None
        for name in names:
            later = [r for r in unknown if judging.place[r] > judging.place[name] and r != name]
            for role in self.roles_for(name, factors) if later and not judging.is_tired else ():
                if role.known.kind in ("cotangent", "part"):
                    values = judging.rerun(judging.now, {name: [role.array(s) for s in self.samples]})
                    changed = [r for r in later if values[0].get(r) is not judging.now[0].get(r)]
                    gained = sum(is_gradient(judging.identify(r, values), role, factors) for r in changed)
                    if gained > (best.gained if best else 0):
                        best = Suspect(name, role, gained)
        return best


def is_gradient(found: Role | None, given: Role, factors: Sequence[Factor]) -> bool:
    """Whether a value turned out to be a gradient, and not only a copy of what was given."""
    if found is None or found.known.kind not in ("cotangent", "part") or found.factor not in factors:
        return False
    return found.known.name != given.known.name
