"""Two mistakes on one way: a search that found no single edit goes in, the first of two edits comes out.

Where two mistakes lie on the way to the same gradients, neither edit alone sets one right, and what a statement should
have made is not known, since it is solved through the other mistake. But how gradients depend on the later of the two
is known, whatever the first makes: with each likely edit of a first, the code is run; what is left must be something
that a second can set right, which its Jacobian says at once, and an edit of that must give it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from itertools import combinations, islice
from types import CodeType, FrameType
from typing import Any

import numpy as np

from einbackprop.core.collecting import grouped
from einbackprop.core.records import dataclass
from einbackprop.diagnosis.experiments import Array, Both, Gradients, flat
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.trying import Table, Trial, Trying, fits
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary import Hand, LossCode
from einbackprop.world.calls import is_from_outside

FIRSTS, SECONDS, PASSING = 40, 120, 16
"""Edits of one statement that are tried as the first, and as the second of two, at most; and of one that hands on what
others made."""
ALL = 400
"""Edits that are tried as the first, at most."""
EVALUATED = 40_000
"""Edits that are evaluated as the second, at most."""
CHANGED = 60
"""Edits of whole statements that are tried as the first, at most: each is compiled."""
EACH, RUNS = 24, 1000
"""Edits of one statement, and pairs of edits with which the whole code is run, at most, of those that no values
tell about."""
NEAR = 1e-3
"""How far from what is needed values are whose gradients are compared closely."""
CHEAPER = 150
"""The same of those that are likelier than a pair that is right."""
LEFT = 1e-6
"""How much of what is wrong may be left by a second, relative to the gradients: rounding."""
Pair = tuple[Repair, Repair]


def of_two(search: Round) -> Repair | None:
    """The first of the two likeliest edits, of two statements, that set everything right together."""
    if search.localization.before is None:
        return None
    tables = [Table(table.suspect, False) for table in (*search.alone, *search.settled, *search.others)]
    search.evaluate(tables, TIERS[0])
    seconds = [Second(search, table) for table in tables if table.suspect.is_linear]
    edits = list(firsts(search, tables))
    fitting = sorted(with_values(search, edits, seconds), key=cost_of_pair)
    pair = likeliest(search, fitting[:RUNS])
    others = without_values([first.repair for first in edits], {second.table.suspect.site for second in seconds})
    if pair is not None:
        others = sorted((other for other in others if cost_of_pair(other) < cost_of_pair(pair)), key=cost_of_pair)
    pair = likeliest(search, others[: RUNS if pair is None else CHEAPER]) or pair
    if pair is None:
        return None
    return replace(min(pair, key=lambda repair: repair.site.place), mends=frozenset())  # alone it mends nothing


def cost_of_pair(pair: Pair) -> float:
    """The cost of both edits."""
    return pair[0].cost + pair[1].cost


def likeliest(search: Round, pairs: Iterable[Pair]) -> Pair | None:
    """The first of some pairs of edits that set everything right."""
    for pair in pairs:
        if search.judge.works(search.version.changed([repair.change for repair in pair])):
            return pair
    return None


@dataclass(eq=False)
class First:
    """An edit with which the code is run, to see what is left to do.

    Attributes
    ----------
    repair : Repair
    code : CodeType or None
        What is evaluated in the place of the statement's value; None where the source must be changed.
    """

    repair: Repair
    code: CodeType | None = None
    _is_busy: bool = field(default=False, init=False, repr=False)

    @property
    def sites(self) -> frozenset[Site]:
        """The statement that is edited."""
        return frozenset({self.repair.site})

    def version(self, search: Round) -> Version:
        """The version to run."""
        return search.version if self.code is not None else search.version.changed([self.repair.change])

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """A statement made a value: what the edit makes stands in its place."""
        if self.code is None or self._is_busy:  # an edit may call the function that it stands in
            return value
        self._is_busy = True
        try:
            return eval(self.code, {**frame.f_globals, **frame.f_locals})
        except Exception as error:  # in another round, or where a function of the user's is called with other arrays
            if is_from_outside(error):
                raise
            return value
        finally:
            self._is_busy = False


def firsts(search: Round, tables: Sequence[Table]) -> Iterator[First]:
    """The likeliest edits of each statement, those that give one value once, and the statement as it is never."""
    passing = {id(table.suspect.site.statement) for table in tables if table.suspect.made.passes}
    every = [First(search.edited(table, trial.edit, frozenset()), trial.code)
             for table in tables for trial in distinct(table)]  # fmt: skip
    every += [First(repair) for repair in search.rewritten(tables, TIERS[0])]
    found = grouped((id(first.repair.statement), first) for first in every)
    for statement, some in found.items():
        most = PASSING if statement in passing else min(FIRSTS, max(PASSING, ALL // len(found)))
        yield from sorted(some, key=lambda first: first.repair.cost)[:most]


def content_of(values: Iterable[Array]) -> tuple[object, ...]:
    """What is the same of values that are the same."""
    return tuple((value.shape, value.tobytes()) for value in values)


class Second:
    """A statement whose edits are evaluated while the edit of another is in place.

    Parameters
    ----------
    search : Round
    table : Table
        Its edits, as they were evaluated without that.
    """

    def __init__(self, search: Round, table: Table) -> None:
        self.table, suspect = table, table.suspect
        assert suspect.jacobian is not None
        left, sizes, _ = np.linalg.svd(suspect.jacobian, full_matrices=False)
        self._range = left[:, sizes > 1e-9 * sizes.max(initial=0.0)]
        evaluable = (trial for trial in distinct(table) if trial.code is not None)
        self.trials = list(islice(evaluable, PASSING if suspect.made.passes else SECONDS))

    def left_by(self, search: Round, gradients: Gradients) -> dict[str, Array] | None:
        """By how much gradients are off, if there is a value with which all of them are right."""
        wrong, names = search.experiment.wrong(gradients), self.table.suspect.names
        if not wrong or not wrong <= set(names):
            return None
        if not all(search.experiment.has_shape(name, gradients) for name in names):
            return None
        truth, gap = search.experiment.truth, search.experiment.gap(gradients, names)
        off = np.concatenate([gap[name].ravel() for name in names])
        rest = np.abs(off - self._range @ (self._range.T @ off)).max(initial=0.0)
        return gap if rest <= LEFT * max(np.abs(truth[n]).max(initial=0.0) for n in names) else None

    def fitting(self, search: Round, first: First, gap: dict[str, Array]) -> Iterator[Repair]:
        """The edits that give such a value, while the first is in place."""
        version = first.version(search)
        site = site_in(version, self.table.suspect.site)
        if site is None:
            return
        own = self.table.suspect
        suspect = replace(own, made=replace(own.made, site=site, values=[]), shift=None)
        table = Anew(suspect, self.trials, self.table.hand)
        search.judge.gradients(version, Both(Trying([table], search.localization.loss_code), first))
        for trial in near(table, np.concatenate([gap[name].ravel() for name in own.names])):
            if fits(search.experiment, trial, table.suspect, gap) == frozenset(own.names):
                yield search.edited(self.table, trial.edit, frozenset())


def near(table: Table, off: Array) -> list[Trial]:
    """The edits whose values come near what is left, all of them compared at once."""
    made, jacobian = flat(table.suspect.made.values), table.suspect.jacobian
    assert jacobian is not None
    values = [(trial, flat(trial.values)) for trial in table.trials]
    alike = [(trial, value) for trial, value in values if value.shape == made.shape]
    if not alike or jacobian.shape[1] != made.size:
        return []
    moved = (np.array([value for _, value in alike]) - made) @ jacobian.T
    far = np.abs(moved - off).max(axis=1, initial=0.0)
    scale = np.abs(off).max(initial=0.0) + np.abs(moved).max(axis=1, initial=0.0)
    return [trial for (trial, _), is_near in zip(alike, far <= NEAR * scale, strict=True) if is_near]


def distinct(table: Table) -> Iterator[Trial]:
    """The edits of a statement, the likeliest of those that give one value; those that cannot be evaluated, all."""
    seen = {content_of(table.suspect.made.values)}
    for trial in sorted(table.trials, key=lambda trial: trial.edit.cost):
        content = content_of(trial.values)
        if trial.code is None or content not in seen:
            seen.add(content)
            yield trial


def site_in(version: Version, site: Site) -> Site | None:
    """What a site is in a version with an edit elsewhere: the same expression."""
    sites = version.sites((site.file, site.definition))
    return next((other for other in sites if other.value is site.value), None)


class Anew(Table):
    """Edits of a statement that were evaluated before, evaluated again in another run.

    Parameters
    ----------
    suspect : Suspect
        What it made is written down.
    trials : sequence of Trial
    hand : Hand or None
    """

    def __init__(self, suspect: Suspect, trials: Sequence[Trial], hand: Hand | None) -> None:
        super().__init__(suspect, False)
        self.trials, self.hand = [Trial(trial.edit, trial.code) for trial in trials], hand

    def run(self, value: Any, frame: FrameType, loss: LossCode) -> None:
        """The statement made a value."""
        self.suspect.made.values.append(flat(value))
        super().run(value, frame, loss)

    def _candidates(self, names: Any, hand: Hand) -> Iterator[Trial]:
        return iter(self.trials)


def with_values(search: Round, edits: Sequence[First], seconds: Sequence[Second]) -> Iterator[Pair]:
    """The pairs of edits whose values fit at the first state, by what is left with the first, the likeliest first."""
    evaluated = changed = 0
    when = {made.site: made.first for made in search.localization.made}
    for first in sorted(edits, key=lambda first: first.repair.cost):
        changed += first.code is None
        is_enough = evaluated > EVALUATED or (first.code is None and changed > CHANGED)
        gradients = None if is_enough else search.judge.gradients(first.version(search), first)
        for second in () if gradients is None else seconds:
            site = second.table.suspect.site
            is_later = when[site] >= when.get(first.repair.site, 0) or second.table.suspect.is_repeated
            is_other = is_later and site.statement is not first.repair.statement
            gap = second.left_by(search, gradients or {}) if is_other else None
            if gap is not None:
                evaluated += len(second.trials) * len(second.table.suspect.made.values)
                yield from ((first.repair, repair) for repair in second.fitting(search, first, gap))


def without_values(repairs: Sequence[Repair], known: set[Site]) -> list[Pair]:
    """The pairs of edits that cannot be told by the values of the later one: in turn two of the likeliest, and one of
    those that are likeliest among the edits of their statements, since nothing says which statements are wrong."""
    found = grouped((id(repair.statement), repair) for repair in sorted(repairs, key=lambda repair: repair.cost))
    likely = [(repair.cost - some[0].cost, repair) for some in found.values() for repair in some[:EACH]]
    pairs = []
    for (rare, one), (rarer, other) in combinations(likely, 2):
        is_told = {one.site, other.site} <= known and isinstance(one.change.replacement, ast.expr)
        is_told &= isinstance(other.change.replacement, ast.expr)
        if one.statement is not other.statement and not is_told:
            pairs.append((rare + rarer, (one, other)))
    by_statement = iter([pair for _, pair in sorted(pairs, key=lambda each: each[0])])
    ordered = iter(sorted((pair for _, pair in pairs), key=cost_of_pair))
    turns = zip(ordered, ordered, by_statement, strict=False)
    return list(dict.fromkeys(pair for turn in turns for pair in turn))
