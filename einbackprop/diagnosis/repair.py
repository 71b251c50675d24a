"""One round of the search for repairs: the likeliest edit that sets every gradient right, or most of them.

Suspects come from `localization`, edits from `vocabulary`; the values that edits give are compared in `trying`, and
what fits is run as a whole, at every state (`judge`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product
from types import FrameType

import numpy as np

from einbackprop.diagnosis.crashes import stopped
from einbackprop.diagnosis.experiments import (
    Array,
    Both,
    Gradients,
    Made,
    Put,
    Shift,
    shapes_of,
)
from einbackprop.diagnosis.hooks import Site, Watcher
from einbackprop.diagnosis.judge import Judge
from einbackprop.diagnosis.localization import STEPS, Localization, Suspect, needed_of, value_of
from einbackprop.diagnosis.trying import Table, Tier, Trial, Trying, fits
from einbackprop.diagnosis.versions import Change, Version, rebuilt
from einbackprop.diagnosis.vocabulary import Edit, Hand, statement_edits

TIERS = (Tier(-np.inf, 2.2), Tier(2.2, np.inf), Tier(-np.inf, np.inf, deep=True))
"""Edits are tried in this order: the next where none of those before is right."""
UPSTREAM = 12
"""Statements before the one that raises that are looked at."""
WHOLE = 1500
"""Edits with which the whole code is run, at most."""
PUT = 150
"""Values that are put in the place of one statement's."""
LIKELY = 40
"""Edits whose values fit that are tried as a whole, the likeliest of each statement."""
SETTLED = 0.6
"""What an edit costs more on a statement that makes the gradient of a value already."""
OF_LOSS = 0.8
"""The same on a statement of the forward: it made what the loss does not depend on, such as a cache."""
PASSED = 1.0
"""The same of an edit of a value that was there before the statement, but for that of another name in its place."""
OPERANDS = (ast.Name, ast.Subscript, ast.Attribute)
OUTER = 0.05
"""The same for each function that is called around such a statement."""
EXPLAINED = -0.3
"""The same on a statement that should have made one, as the gradients show."""
SPOILING = 0.5
"""The same on a statement that right gradients depend on as well."""
KEPT, BROKEN = 0.8, -0.4
"""The same on a statement that makes, or does not make, the gradient that the name of its target promises."""


@dataclass(frozen=True, eq=False)
class Repair:
    """An edit of the user's source.

    Attributes
    ----------
    site : Site
        Where the edit is, or one of the sites in its statement.
    edit : Edit
    change : Change
    cost : float
        The edit's own, and how unlikely its place is.
    mends : frozenset of str
        The gradients that it sets right.
    """

    site: Site
    edit: Edit
    change: Change
    cost: float
    mends: frozenset[str] = frozenset()

    @property
    def statement(self) -> ast.stmt:
        """The statement that is edited."""
        return self.change.node if isinstance(self.change.node, ast.stmt) else self.site.statement


def new_statements(repair: Repair) -> tuple[ast.stmt, ...]:
    """What stands in the place of the statement that a repair edits."""
    change = repair.change
    if isinstance(change.replacement, tuple):
        return change.replacement or (ast.Pass(),)
    return (rebuilt(repair.statement, {id(change.node): change.replacement}),)


class Round:
    """The search for one repair of one version."""

    def __init__(self, judge: Judge, localization: Localization, version: Version) -> None:
        self.judge, self.localization, self.version = judge, localization, version
        self.wrong = localization.wrong
        self.experiment = judge.first
        self.whole = min(WHOLE, STEPS // (localization.fired + 20))
        self._settled: dict[Site, float] = {}
        self._tried: set[tuple[int, tuple[str, ...]]] = set()
        self._frames: dict[Site, FrameType] = {}
        self.fitting: list[Repair] = []
        self._running: list[Repair] = []
        before = localization.before or {}
        shaped = {n for n in self.experiment.truth if self.experiment.has_shape(n, before)}
        keeps_shape = self.wrong <= shaped
        self.gap: Mapping[str, Array] = {
            n: t - np.asarray(before[n], dtype=np.float64).reshape(t.shape)
            for n, t in self.experiment.truth.items() if n in shaped
        }  # fmt: skip
        suspects = [
            Table(s, keeps_shape and self._is_measured(s), self._wanted(s)) for s in localization.suspects
        ]
        self.alone = [t for t in suspects if self._is_alone(t.suspect)]
        self.others = [t for t in suspects if not self._is_alone(t.suspect)]
        groups = [[*self._stopped()], self.alone[: -UPSTREAM - 1 : -1]] if self._raises else self._by_likelihood()
        self.groups = [group for group in groups if group]

    def _wanted(self, suspect: Suspect) -> tuple[int, ...] | None:
        """The shape that a value should have: that of the one gradient that it is handed on as, if it has another."""
        before, shapes = self.localization.before, suspect.made.shapes
        if before is None or len(suspect.reach) != 1 or len(shapes) != 1:
            return None
        (name,) = suspect.reach
        is_whole = not self.experiment.has_shape(name, before) and list(shapes[0]) == shapes_of(before.get(name))
        return self.experiment.truth[name].shape if is_whole else None

    def _stopped(self) -> Iterator[Table]:
        """The statements at which the code stops, in each of the functions that called one another there."""
        if self.localization.raised is None:
            return
        for site, frame in stopped(self.localization.raised, self.version):
            if not self.localization.is_trusted(site):
                self._frames[site] = frame
                yield Table(Suspect(Made(site, 0), self.wrong), False)

    def _evaluate(self, tables: Sequence[Table], tier: Tier) -> None:
        """Evaluate the edits of suspects, in the frames of the user's."""
        for table in tables:
            table.begin(tier)
        repeated = [t for t in tables if t.suspect.is_repeated and t.suspect.is_known]
        self._run(Trying([t for t in tables if t not in repeated], self.localization.literals))
        for table in repeated:  # in the frames as they are once what was made before is right
            assert table.suspect.shift is not None
            trying = Trying([table], self.localization.literals)
            self._run(Both(trying, Shift({table.suspect.site: table.suspect.shift})))
        for table in tables:
            frame = self._frames.get(table.suspect.site)
            if frame is not None:
                with np.errstate(all="ignore"):
                    table.run(None, frame, self.localization.literals)

    def _by_likelihood(self) -> Iterator[list[Table]]:
        """The statements that can be at fault for everything: first those that no right gradient depends on, that make
        something themselves, and of which it is known that they should have made the gradient of something."""
        for own in product((False, True), repeat=3):
            yield [t for t in self.alone if own == (
                self._spoils(t.suspect), self._is_remote(t.suspect), self._likelihood(t.suspect) >= 0)]  # fmt: skip

    def _spoils(self, suspect: Suspect) -> bool:
        """Whether right gradients depend on a statement as well."""
        return bool(suspect.reach - self.wrong)

    def _is_remote(self, suspect: Suspect) -> bool:
        """Whether a statement hands on what others made, or is of the forward, or no value of its was found that would
        do, and nothing says that it is wrong."""
        is_unsolved = suspect.jacobian is not None and suspect.shift is None
        passes = suspect.made.passes or self.localization.is_forward(suspect.site) or is_unsolved
        return passes and not (suspect.is_linear and suspect.shift is not None)

    @property
    def _raises(self) -> bool:
        return self.localization.before is None

    def _is_alone(self, suspect: Suspect) -> bool:
        """Whether a statement can be at fault for everything."""
        return self.wrong <= suspect.reach and not suspect.is_excluded

    def _is_measured(self, suspect: Suspect) -> bool:
        """Whether it is known exactly how the wrong gradients depend on a statement, in all its runs."""
        return suspect.is_linear and suspect.reach & self.wrong <= set(suspect.names)

    def likeliest(self) -> Suspect | None:
        """The statement that is likeliest at fault, if there is one: the first that breaks what its name promises, or
        that should have made the gradient of something."""
        own = [t.suspect for t in self.alone if t.suspect.is_known and not t.suspect.made.passes]
        found = [s for s in own if value_of(s) is not None and self._likelihood(s) < 0]
        return min(found, key=lambda s: (self._likelihood(s), s.made.first), default=None)

    # One edit for everything

    def best(self) -> Repair | None:
        """The likeliest edit that sets everything right, else the one that sets most right."""
        several = not self._raises and not any(t.suspect.shift is not None for t in self.alone)
        for tier in TIERS:
            for tables in self.groups[:1] if tier.deep else self.groups:
                found = self._alone(tables, tier)
                if found is None and tier is TIERS[0] and self._likelihood(tables[0].suspect) < 0:
                    found = self._alone(tables, TIERS[1])  # it is known that one of these is wrong
                if found is not None:
                    return found
            if several or tier is TIERS[-1]:
                self._evaluate(self.others, tier)
                found = next((r for r in self._unseen(self._joint(), tier, np.inf) if self._works(r)), None)
                if found is not None:
                    return found
                self.fitting += [*self._fitting(self.others, np.inf), *self._put(self.others, np.inf)]
                found = self._partial()
                if found is not None:
                    return found
        return None

    def _joint(self) -> list[Table]:
        """The statements of which no expression alone, but all together can be at fault: two places of a tuple."""
        reach: dict[int, frozenset[str]] = {}
        for table in self.others:
            key = id(table.suspect.site.statement)
            reach[key] = reach.get(key, frozenset()) | table.suspect.reach
        return [t for t in self.others if self.wrong <= reach[id(t.suspect.site.statement)]]

    def _run(self, watcher: Watcher) -> Gradients | None:
        with self.version.watched_by(watcher):
            return self.experiment.run()

    def _alone(self, tables: Sequence[Table], tier: Tier) -> Repair | None:
        """The likeliest edit of a tier that sets everything right."""
        tables = [t for t in tables if not tier.deep or self._is_measured(t.suspect)]
        self._evaluate(tables, tier)
        found, bound = None, np.inf
        for way in (self._fitting, self._put):
            repairs = sorted(way(tables, bound), key=lambda r: r.cost)
            self.fitting += repairs
            alone = (r for r in repairs if r.mends >= self.wrong and r.cost < bound)
            found = next((r for r in islice(alone, LIKELY) if self._works(r)), found)
            bound = found.cost if found else np.inf
        return next((r for r in self._unseen(tables, tier, bound) if self._works(r)), found)

    def _works(self, repair: Repair) -> bool:
        """Whether an edit sets everything right; those with which code that raised goes on are remembered."""
        works = self.judge.works(self.version.changed([repair.change]))
        if self._raises and self.judge.runs:
            self._running.append(repair)
        elif self.judge.wrong < self.wrong:
            self.fitting.append(replace(repair, mends=self.wrong - self.judge.wrong))
        return works

    def _partial(self) -> Repair | None:
        """The edit that sets most of the wrong gradients right, and none wrong."""
        for repair in islice(sorted(self.fitting, key=lambda r: (-len(r.mends), r.cost)), LIKELY):
            left = self.judge.left(self.version.changed([repair.change]))
            if left is not None and left < self.wrong:
                return repair
        return min(self._running, key=lambda r: r.cost, default=None)

    def _fitting(self, tables: Sequence[Table], bound: float) -> Iterator[Repair]:
        """The edits of expressions whose values some of the gradients need, by the Jacobian, and that spoil none."""
        for table in tables:
            suspect = table.suspect
            if not self._is_measured(suspect):
                continue
            gap = {n: self.gap[n] if n in self.wrong else np.zeros_like(self.gap[n]) for n in suspect.names}
            for trial in table.trials:
                right = fits(self.experiment, trial, suspect, gap) if trial.code is not None else frozenset()
                if right & self.wrong and suspect.reach - self.wrong <= right:
                    yield self._repair(table, trial.edit, right & self.wrong)

    def _put(self, tables: Sequence[Table], bound: float) -> Iterator[Repair]:
        """The same of statements that run once and whose Jacobian says too little: each value is put there and run."""
        for table in tables:
            if self._is_measured(table.suspect) or len(table.suspect.made.values) != 1:
                continue
            runnable = (trial for trial in self._distinct(table) if trial.code is not None)
            for trial in islice(runnable, PUT):
                repair = self._repair(table, trial.edit, frozenset())
                if self.whole > 0 and repair.cost < bound:
                    self.whole -= 1
                    wrong = self.experiment.wrong(self._run(Put(table.suspect.site, trial.raw)))
                    if wrong < self.wrong:
                        yield replace(repair, mends=self.wrong - wrong)

    def _unseen(self, tables: Sequence[Table], tier: Tier, bound: float) -> Iterator[Repair]:
        """The edits of a tier of which only the whole code can tell, the likeliest first, each once."""
        found: list[Repair] = []
        for table in tables:
            for trial in self._distinct(table):
                if trial.code is None or table.suspect.is_repeated or not table.suspect.made.values:
                    found.append(self._repair(table, trial.edit, self.wrong))
        for statement, site, hand in self._statements(tables):
            for edit in statement_edits(statement, hand, above=tier.above, limit=tier.limit):
                change = Change((site.file, site.definition), statement, edit.statements)
                found.append(Repair(site, edit, change, edit.cost, self.wrong))
        for repair in sorted(found, key=lambda r: r.cost):
            if repair.cost >= bound or self.whole <= 0:
                break
            key = id(repair.statement), tuple(ast.dump(part) for part in new_statements(repair))
            if key not in self._tried:
                self._tried.add(key)
                self.whole -= 1
                yield repair

    def _distinct(self, table: Table) -> Iterator[Trial]:
        """The edits of a statement that cannot be judged by their values; of those with one value, the likeliest."""
        seen: set[bytes] = set()
        own = b"".join(v.tobytes() for v in table.suspect.made.values)
        for trial in table.trials:
            if trial.code is None:
                yield trial
            elif not self._is_measured(table.suspect) or (table.suspect.is_repeated and not table.suspect.is_known):
                key = b"".join(v.tobytes() for v in trial.values) or repr(trial.raw).encode()
                raw = trial.raw[0] if trial.raw else None
                is_other = not self._raises or shapes_of(raw) != shapes_of(table.suspect.made.whole)
                if key not in seen and key != own and is_other:
                    seen.add(key)
                    yield trial

    def _statements(self, tables: Sequence[Table]) -> Iterator[tuple[ast.stmt, Site, Hand]]:
        """The statements that may be wrong in another way than by an expression, and those around them."""
        seen: set[int] = set()
        for table in tables:
            if table.hand is None or isinstance(table.suspect.site.function, ast.Lambda):
                continue  # the statement around a lambda is none of the lambda's
            site = table.suspect.site
            for statement in (site.statement, *self.version.around(site)):
                if id(statement) not in seen:
                    seen.add(id(statement))
                    yield statement, site, table.hand

    def _repair(self, table: Table, edit: Edit, mends: frozenset[str]) -> Repair:
        site, penalty = table.suspect.site, self._likelihood(table.suspect)
        assert edit.value is not None
        change = Change((site.file, site.definition), site.value, edit.value)
        if self.localization.is_forward(site):
            penalty += OF_LOSS
        exchanged = isinstance(edit.value, OPERANDS) and getattr(edit.value, "attr", "") != "T"
        if table.suspect.made.passes and not exchanged and not self._is_first_broken(table.suspect):
            penalty += PASSED + OUTER * (self.localization.deepest - table.suspect.made.depth)
        return Repair(site, edit, change, edit.cost + penalty, mends)

    def _likelihood(self, suspect: Suspect) -> float:
        """What an edit on a statement costs more, or less, for what its value is and should be."""
        if suspect.site not in self._settled:
            self._settled[suspect.site] = self._role(suspect) + (SPOILING if self._spoils(suspect) else 0.0)
        return self._settled[suspect.site]

    def _role(self, suspect: Suspect) -> float:
        value, roles = value_of(suspect), self.judge.roles
        if value is None:
            return 0.0
        promised = self._promised(suspect)
        if promised is not None and not suspect.made.passes:
            return KEPT if promised else BROKEN if self._is_first_broken(suspect) else 0.0
        if self.localization.is_of_loss(suspect.made):
            return KEPT
        needed = None if suspect.made.passes else needed_of(suspect)
        should = needed is not None and roles.is_gradient(needed)
        return EXPLAINED if should else SETTLED if roles.is_gradient(value) else 0.0

    def _promised(self, suspect: Suspect) -> bool | None:
        """Whether a statement makes what the name of its target says; None where it says nothing."""
        value = value_of(suspect)
        return None if value is None else self.judge.roles.promised(suspect.site.target, value)

    def _is_first_broken(self, suspect: Suspect) -> bool:
        """Whether a statement is the first whose value is not what the name of its target says."""
        return suspect.made.first <= self._first_broken and self._promised(suspect) is False

    @cached_property
    def _first_broken(self) -> int:
        """When there is such a statement."""
        broken = [t.suspect.made.first for t in self.alone or self.others if self._promised(t.suspect) is False]
        return min(broken, default=0)
