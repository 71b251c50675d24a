"""One round of the search for repairs: the likeliest edit that sets every gradient right, or most of them.

Suspects come from `localization`, edits from `vocabulary`; the values that edits give are compared in `trying`, and
what fits is run as a whole, at every state (`judge`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice, product
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.core.source import root_of
from einbackprop.diagnosis.blocks import LOOPS
from einbackprop.diagnosis.crashes import stopped
from einbackprop.diagnosis.experiments import Array, Both, Gradients, Made, Put, numbers, shapes_of
from einbackprop.diagnosis.holes import Hole
from einbackprop.diagnosis.hooks import Site, Watcher
from einbackprop.diagnosis.judge import Judge
from einbackprop.diagnosis.likelihood import CHEAPEST, SETTLED, Likelihood, Repair, cost_of, new_statements
from einbackprop.diagnosis.localization import OF_RUN, STEPS, Localization, shift_of
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.trying import Allowance, Table, Tier, Trial, Trying, are_solved, fits, joint
from einbackprop.diagnosis.versions import Change, Version
from einbackprop.diagnosis.vocabulary import OF_VALUES, Edit, statement_edits

TIERS = (Tier(-np.inf, 2.2), Tier(2.2, np.inf), Tier(-np.inf, np.inf, deep=True))
"""Edits are tried in this order: the next where none of those before is right."""
UPSTREAM = 12
"""Statements before the one that raises that are looked at."""
WHOLE = 1500
"""Edits with which the whole code is run, at most."""
PARTS = 400
"""The same that are left for the edits of those that are at fault for a part."""
PUT = 150
"""Values that are put in the place of one statement's."""
ALIKE = 12
"""Edits that give one value of which each is run, where that value is right at the first state."""
RIVALS = 100
"""Edits of a group of statements with which the whole code is run, at most, since they may be likelier than one that
sets everything right."""
VALUES = 40_000
"""Values that are compared with what missing lines should make, at most: a few seconds."""
RESHAPED = 0.3
"""The price of a gradient that has an axis of size 1 too many, or too few, where it had another shape before."""
LIKELY = 40
"""Edits whose values fit that are tried as a whole, the likeliest of a group of statements."""


class Round:
    """The search for one repair of one version.

    Attributes
    ----------
    hole : Suspect or None
        A statement that is missing, once that is known.
    unfilled : Hole or None
        Where that is.
    is_lost : bool
        Whether the code stops at a name that nothing binds.
    misnamed : Suspect or None
        The first statement that makes another array than its name says, if what it reads is right.
    localized : dict
        What is known of the places where a line may be missing.
    known : dict
        What was found out for one missing line and can be used for another.
    values : int
        How many more values may be compared with what a missing line should make.
    """

    def __init__(self, judge: Judge, localization: Localization, version: Version) -> None:
        self.judge, self.localization, self.version = judge, localization, version
        self.wrong = localization.wrong
        self.experiment = judge.first
        self.whole = min(WHOLE, 3 * STEPS // (localization.fired + OF_RUN))  # three times what one statement may take
        self.likelihood = Likelihood(judge, localization)
        self._rivals = RIVALS
        self._tried: set[tuple[int, tuple[str, ...]]] = set()
        self._parts: set[Tier] = set()  # those of which edits for a part were tried
        self._frames: dict[Site, FrameType] = {}
        self._tables: dict[Site, Table] = {}
        self._allowance = Allowance()
        self.fitting: list[Repair] = []
        self._running: list[Repair] = []
        self.hole: Suspect | None = None
        self.unfilled: Hole | None = None
        self.is_lost = False
        self.misnamed: Suspect | None = None
        self.localized: dict[object, Localization | None] = {}
        self.known: dict[object, Any] = {}
        self.values = VALUES
        before = localization.before or {}
        shaped = {n for n in self.experiment.shapes if self.experiment.has_shape(n, before)}
        self._keeps_shape = self.wrong <= shaped
        self.gap: Mapping[str, Array] = self.experiment.gap(before, sorted(shaped))

    @cached_property
    def groups(self) -> list[list[Table]]:
        """The statements that can be at fault for everything, the likelier before the others."""
        groups = [[*self._before_stop()]] if self._raises else self._by_likelihood()
        return [group for group in groups if group]

    @cached_property
    def alone(self) -> list[Table]:
        """The statements that can be at fault for everything, without those that make what is right. An update stays
        though its value is right: it may be added where it should be subtracted."""
        return [*self._covering(is_settled=False)]

    @cached_property
    def settled(self) -> list[Table]:
        """Those that make what is right."""
        return [*self._covering(is_settled=True)]

    @cached_property
    def blocks(self) -> list[tuple[ast.stmt, Table]]:
        """The loops in which statements reach everything that is wrong, and no value of theirs would do, since there
        may be a round too few or too many, and the conditions in their functions; each with such a statement."""
        known = {t.suspect.site for t in (*self.alone, *self.settled)}
        found: dict[int, tuple[ast.stmt, Suspect]] = {}
        for suspect in self.localization.suspects:
            if self.wrong <= suspect.reach:
                around = self.version.around(suspect.site) if suspect.site not in known else ()
                blocks: list[ast.stmt] = [one for one in around if isinstance(one, LOOPS)]
                blocks += [node for node in ast.walk(suspect.site.function) if isinstance(node, ast.If)]
                found |= {id(block): (block, suspect) for block in blocks if id(block) not in found}
        return [(block, self._table(suspect)) for block, suspect in found.values()]

    def _covering(self, is_settled: bool) -> Iterator[Table]:
        for suspect in self.localization.suspects:
            is_right = suspect.site in self.likelihood.settled and not suspect.site.is_update
            if self.wrong <= suspect.reach and is_right is is_settled:
                table = self._table(suspect)
                is_idle = suspect.site.is_passed and table.suspect.shift is None
                if not (table.suspect.is_excluded and not suspect.site.is_part) and not is_idle:
                    yield table

    @cached_property
    def others(self) -> list[Table]:
        """The statements that can be at fault for a part."""
        alone = {t.suspect.site for t in (*self.alone, *self.settled)}
        tables = [self._table(s) for s in self.localization.suspects if s.site not in alone]
        return [t for t in tables if t.suspect.is_linear or not t.suspect.site.is_passed]

    def _table(self, suspect: Suspect) -> Table:
        """A suspect, with what it should have made, which is solved once, and its edits."""
        if suspect.site not in self._tables:
            solved = self.localization.solved(suspect)
            keeps_shape = self._keeps_shape and self._is_measured(solved)
            wanted = self.localization.wanted(solved)
            self._tables[suspect.site] = Table(solved, keeps_shape, wanted, self._allowance)
        return self._tables[suspect.site]

    def _stopped(self) -> Iterator[Table]:
        """The statements at which the code stops, in each of the functions that called one another there."""
        if self.localization.raised is None:
            return
        for site, frame in stopped(self.localization.raised, self.version):
            if not self.localization.is_trusted(site):
                self._frames[site] = frame
                made = Made(site, 0, passes=False, depth=self.localization.deepest)
                yield Table(Suspect(made, self.wrong), False)

    def _before_stop(self) -> Iterator[Table]:
        """The statements at which the code stops, those that make what they read, and the last of those before."""
        stops = [*self._stopped()]
        sites = [table.suspect.site for table in stops]
        read = {(id(site.function), node.id) for site in sites for node in ast.walk(site.statement)
                if isinstance(node, ast.Name)}  # fmt: skip
        before = self.alone[::-1]
        makers = [t for t in before if (id(t.suspect.site.function), root_of(t.suspect.site.target)) in read]
        yield from dict.fromkeys((*stops, *makers[:UPSTREAM], *before[:UPSTREAM]))

    def evaluate(self, tables: Sequence[Table], tier: Tier, bound: float = np.inf) -> None:
        """Evaluate the edits of suspects, in the frames of the user's: those that may cost less than a bound."""
        before = sum(table.evaluated for table in tables)
        for table in tables:
            limit = bound if bound == np.inf else bound - self.likelihood.least(table.suspect)
            table.begin(replace(tier, limit=min(tier.limit, limit if limit >= CHEAPEST else -np.inf)))
        repeated = [t for t in tables if t.suspect.is_repeated and t.suspect.is_known]
        self._run(Trying([t for t in tables if t not in repeated], self.localization.loss_code))
        for table in repeated:  # in the frames as they are once what was made before is right
            assert table.suspect.shift is not None
            trying = Trying([table], self.localization.loss_code)
            self._run(Both(trying, shift_of(table.suspect, table.suspect.shift)))
        for table in tables:
            frame = self._frames.get(table.suspect.site)
            if frame is not None:
                with np.errstate(all="ignore"):
                    table.run(None, frame, self.localization.loss_code)
            if self.experiment.strict:  # a factor that is 1 at all states would be right by chance
                table.trials = [trial for trial in table.trials if trial.edit.kind not in OF_VALUES]
        self.judge.edits += sum(table.evaluated for table in tables) - before

    def _by_likelihood(self) -> Iterator[list[Table]]:
        """The statements in groups, by what speaks for each: that it makes a gradient of the wrong shape, that no right
        gradient depends on it, that it makes something itself, and that it should have made a known gradient."""
        for own in product((False, True), repeat=4):
            yield [t for t in self.alone if own == (
                t.wanted is None, self.likelihood.spoils(t.suspect), self._is_remote(t.suspect),
                t.suspect.site not in self.broken)]  # fmt: skip

    def _is_remote(self, suspect: Suspect) -> bool:
        """Whether a statement hands on what others made, or is of the forward, or no value of its was found that would
        do, and nothing says that it is wrong."""
        is_unsolved = suspect.jacobian is not None and suspect.shift is None
        passes = suspect.made.passes or self.likelihood.is_forward(suspect.site) or is_unsolved
        return passes and not (suspect.is_linear and suspect.shift is not None)

    @property
    def _raises(self) -> bool:
        return self.localization.before is None

    def _is_measured(self, suspect: Suspect) -> bool:
        """Whether it is known exactly how the wrong gradients depend on a statement, in all its runs."""
        return suspect.is_linear and suspect.reach & self.wrong <= set(suspect.names)

    # One edit for everything

    def best(self, tiers: Sequence[Tier]) -> Repair | None:
        """The likeliest edit that sets everything right, else the one that sets most right."""
        several = not self._raises and not (are_solved(self.alone) or are_solved(self.settled))
        for tier in tiers:
            if tier.deep and self.judge.is_late:
                break
            found = None
            measured = (group for group in self.groups if any(self._is_measured(t.suspect) for t in group))
            for tables in islice(measured, 1) if tier.deep else self.groups:
                found = self._alone(tables, tier, found)
                own = tables[0].suspect
                is_faulty = own.site in self.broken and not own.made.passes and are_solved(tables)
                if found is None and tier is TIERS[0] and is_faulty:  # its rarer edits before those of other statements
                    found = self._alone(tables, TIERS[1])
            if not tier.deep and cost_of(found) > SETTLED + CHEAPEST:  # no edit of what is right costs less
                found = self._alone(self.settled, tier, found)
            if cost_of(found) > TIERS[0].limit and not tier.deep and not self._raises:
                found = self._of_blocks(tier, found)
            if found is not None:
                return found
            if several:
                self._parts.add(tier)
                found = self._of_several(tier)
                if found is not None:
                    return found
        return None

    def _of_blocks(self, tier: Tier, found: Repair | None) -> Repair | None:
        """The likeliest edit of a loop or of a condition that sets everything right, if it is likelier than what was
        found."""
        self.evaluate([table for _, table in self.blocks], replace(tier, limit=-np.inf))  # what is at hand there alone
        edits = (repair for block, table in self.blocks for repair in self._rewritten(block, table, tier))
        return self._likelier(islice(sorted(edits, key=lambda repair: repair.cost), RIVALS), found)

    def among(self, suspects: Iterable[Suspect]) -> Repair | None:
        """The likeliest edit that sets everything right, of one of some statements."""
        return self._alone([self._table(suspect) for suspect in suspects if self.wrong <= suspect.reach], TIERS[0])

    def of_parts(self) -> Repair | None:
        """The edit of a statement that is at fault for a part, where it seemed that one could be for everything: there
        may be a value of the forward's, or of what is passed on, that makes up for several mistakes."""
        if self._raises:  # an edit with which the code goes on
            return self._partial()
        self.whole = max(self.whole, PARTS)  # those before may have taken all
        tiers = (tier for tier in TIERS[:2] if tier not in self._parts)
        return next(filter(None, map(self._of_several, tiers)), None)

    def _of_several(self, tier: Tier) -> Repair | None:
        """The edit of a statement that is at fault for a part: with which everything is right, else most."""
        self.evaluate(self.others, tier)
        found = next((r for r in self._unseen(joint(self.others, self.wrong), tier, np.inf) if self._works(r)), None)
        if found is not None:
            return found
        self.fitting += [*self._fitting(self.others), *self._put(self.others, np.inf)]
        return self._partial()

    def _run(self, watcher: Watcher) -> Gradients | None:
        with self.version.watched_by(watcher):
            return self.experiment.run()

    def _alone(self, tables: Sequence[Table], tier: Tier, found: Repair | None = None) -> Repair | None:
        """The likeliest edit of a tier that sets everything right, if it is likelier than what was found."""
        tables = [t for t in tables if not tier.deep or self._is_measured(t.suspect)]
        places = (0.0 if t.suspect.site.is_update else self.likelihood.of_place(t.suspect) for t in tables)
        cheapest, self._rivals = min(places, default=0.0), RIVALS
        for each in tier.divided():
            part = replace(each, limit=min(each.limit, cost_of(found) - cheapest))
            if part.limit <= max(0.0, part.above):
                break
            self.evaluate(tables, part, cost_of(found))
            found = self._likeliest(self._fitting(tables), found)
            found = self._likeliest(self._put(tables, cost_of(found)), found)
            found = self._likelier(self._unseen(tables, part, cost_of(found)), found)
        return found

    def likeliest_of(self, tables: Sequence[Table]) -> Repair | None:
        """The likeliest edit of some statements that sets everything right, as far as it is known what they make."""
        self.evaluate(tables, TIERS[-1])
        return self._likeliest(self._fitting(tables), None)

    def _likeliest(self, repairs: Iterable[Repair], found: Repair | None) -> Repair | None:
        """The likeliest of some edits whose values fit, in no order, and of one that was found."""
        ordered = sorted(repairs, key=lambda r: r.cost)
        self.fitting += ordered
        return self._likelier(islice((r for r in ordered if r.mends >= self.wrong), LIKELY), found, is_known=True)

    def is_users(self, site: Site) -> bool:
        """Whether a statement is of the user's code, and none of the question."""
        return not isinstance(self.version.tree((site.file, site.definition)), ast.Expr)

    def likeliest_that_works(self, repairs: Iterable[Repair]) -> Repair | None:
        """The likeliest of some edits of one statement that sets everything right: one that keeps the shapes of all
        gradients, if there is one."""
        found = None
        for repair in sorted(repairs, key=lambda repair: repair.cost):
            if self._works(repair):
                if self.judge.keeps_shapes:
                    return repair
                found = found or repair
        return found

    def _likelier(self, repairs: Iterable[Repair], found: Repair | None, is_known: bool = False) -> Repair | None:
        """The likeliest edit that sets everything right: one that was found, or one of some, the cheapest first; of
        those of which it is not known by their values, so many are tried."""
        for repair in repairs:
            if repair.cost >= cost_of(found) or (self._rivals == 0 and not is_known):
                break
            self._rivals -= found is not None and not is_known
            if self._works(repair):
                cost = repair.cost + self.likelihood.strain(repair, self.version.changed([repair.change]), self.broken)
                cost += 0.0 if self.judge.keeps_shapes else RESHAPED
                found = replace(repair, cost=cost) if cost < cost_of(found) else found
        return found

    def _works(self, repair: Repair) -> bool:
        """Whether an edit sets everything right; those with which code that raised goes on are remembered."""
        works = self.judge.works(self.version.changed([repair.change]))
        if self._raises and self.judge.runs:
            self._running.append(replace(repair, mends=self.wrong - self.judge.wrong))
        elif self.judge.wrong < self.wrong:
            self.fitting.append(replace(repair, mends=self.wrong - self.judge.wrong))
        return works

    def _partial(self) -> Repair | None:
        """The edit that sets most of the wrong gradients right, and none wrong."""
        def rank(repair: Repair) -> tuple[int, float]:
            return -len(repair.mends), repair.cost

        for repair in islice(sorted((*self.fitting, *self._running), key=rank), LIKELY):
            left = self.judge.left(self.version.changed([repair.change]))
            if left is not None and left < self.wrong:
                return repair
        return min(self._running, key=rank, default=None)

    def _fitting(self, tables: Sequence[Table]) -> Iterator[Repair]:
        """The edits of expressions whose values some of the gradients need, by the Jacobian, and that spoil none."""
        for table in tables:
            suspect = table.suspect
            if not self._is_measured(suspect):
                continue
            gap = self.gap_of(suspect)
            for trial in table.trials:
                right = fits(self.experiment, trial, suspect, gap) if trial.code is not None else frozenset()
                if right & self.wrong and suspect.reach - self.wrong <= right:
                    yield self.edited(table, trial.edit, right & self.wrong)

    def gap_of(self, suspect: Suspect) -> dict[str, Array]:
        """By how much each gradient that depends on a statement is off, none where it is right."""
        return {n: self.gap[n] if n in self.wrong else np.zeros_like(self.gap[n]) for n in suspect.names}

    def _put(self, tables: Sequence[Table], bound: float) -> Iterator[Repair]:
        """The edits of statements that run once and whose Jacobian says too little, the likeliest of all first: each
        value is put there and run."""
        least = self.whole // 2  # some runs are left for the edits of which only the whole code can tell
        found: list[tuple[list[Repair], Trial]] = []
        for table in tables:
            if self._is_measured(table.suspect) or self._is_open(table.suspect):
                continue
            runnable = (trials for trials in self._alike(table) if trials[0].code is not None)
            found += (([self.edited(table, trial.edit, frozenset()) for trial in trials], trials[0])
                      for trials in islice(runnable, PUT))  # fmt: skip
        for repairs, trial in sorted(found, key=lambda entry: entry[0][0].cost):
            if self.whole <= least or repairs[0].cost >= bound:
                break
            self.whole -= 1
            wrong = self.experiment.wrong(self._run(Put(repairs[0].site, trial.raw)))
            if wrong < self.wrong:
                yield from (replace(repair, mends=self.wrong - wrong) for repair in repairs)

    def _unseen(self, tables: Sequence[Table], tier: Tier, bound: float) -> Iterator[Repair]:
        """The edits of a tier of which only the whole code can tell, the likeliest first, each once; of those with one
        value at the first state the likeliest, and the others if that is right there."""
        found: list[Repair] = []
        alike: dict[Repair, list[Repair]] = {}
        for table in tables:
            for trials in self._alike(table):
                if trials[0].code is None or self._is_open(table.suspect):
                    repairs = [self.edited(table, trial.edit, self.wrong) for trial in trials]
                    found.append(repairs[0])
                    alike[repairs[0]] = repairs[1:]
        found += self.rewritten(tables, tier)
        least = self.whole // 2  # some are left for the edits of the next statements, and those that cost more
        for repair in sorted(found, key=lambda r: r.cost):
            if repair.cost >= bound or self.whole <= least:
                break
            key = id(repair.statement), tuple(ast.dump(part) for part in new_statements(repair))
            if key not in self._tried:
                self._tried.add(key)
                self.whole -= 1
                yield repair
                if not self.judge.wrong:
                    yield from alike.get(repair, [])[:ALIKE]

    def _is_open(self, suspect: Suspect) -> bool:
        """Whether no value can be put in the place of what a statement makes, since it makes several, or none."""
        return len(suspect.made.values) != 1 or self._is_broken_off(suspect)

    def _is_broken_off(self, suspect: Suspect) -> bool:
        """Whether a statement in a loop was not run in every round: the code raised before."""
        return self._raises and any(isinstance(s, LOOPS) for s in self.version.around(suspect.site))

    def _alike(self, table: Table) -> list[list[Trial]]:
        """The edits of a statement that cannot be judged by their values, those with one value together."""
        found: dict[object, list[Trial]] = {}
        own = b"".join(v.tobytes() for v in table.suspect.made.values)
        for trial in table.trials:
            if trial.code is None or self._is_broken_off(table.suspect):
                found[trial] = [trial]
            elif not self._is_measured(table.suspect) or (table.suspect.is_repeated and not table.suspect.is_known):
                content = b"".join(v.tobytes() for v in trial.values) or repr(trial.raw).encode()
                raw = trial.raw[0] if trial.raw else None
                shapes, own_shapes = shapes_of(raw), shapes_of(table.suspect.made.whole)
                is_other = not self._raises or own_shapes == [()] or shapes != own_shapes
                key = content, *shapes, *(np.asarray(part).dtype.kind for part in numbers(raw))
                if is_other and (content != own or shapes != own_shapes):
                    found.setdefault(key, []).append(trial)
        return [*found.values()]

    def rewritten(self, tables: Sequence[Table], tier: Tier) -> Iterator[Repair]:
        """The edits of whole statements, of which only the whole code can tell."""
        for statement, table in self._statements(tables):
            yield from self._rewritten(statement, table, tier)

    def _rewritten(self, statement: ast.stmt, table: Table, tier: Tier) -> Iterator[Repair]:
        """The edits of one statement, of what is at hand at a statement in it or beside it."""
        site, hand = table.suspect.site, table.hand
        for edit in statement_edits(statement, hand, above=tier.above, limit=tier.limit) if hand is not None else ():
            change = Change((site.file, site.definition), statement, edit.statements)
            yield Repair(site, edit, change, edit.cost + self.likelihood.of_forward(site), self.wrong)

    def _statements(self, tables: Sequence[Table]) -> Iterator[tuple[ast.stmt, Table]]:
        """The statements that may be wrong in another way than by an expression, and those around them."""
        seen: set[int] = set()
        for table in tables:
            if table.hand is None or isinstance(table.suspect.site.function, ast.Lambda):
                continue  # the statement around a lambda is none of the lambda's
            site = table.suspect.site
            for statement in (site.statement, *self.version.around(site)):
                if id(statement) not in seen:
                    seen.add(id(statement))
                    yield statement, table

    def edited(self, table: Table, edit: Edit, mends: frozenset[str]) -> Repair:
        """The edit of the expression of a suspect."""
        site = table.suspect.site
        assert edit.value is not None
        change = Change((site.file, site.definition), site.value, edit.value)
        cost = edit.cost + self.likelihood.of_edit(table.suspect, edit.value)
        return Repair(site, edit, change, cost, mends)

    @cached_property
    def broken(self) -> frozenset[Site]:
        """The statements that do not make a gradient that they should make."""
        tables = self.alone or self.others
        return frozenset(t.suspect.site for t in tables if self.likelihood.is_broken(t.suspect))
