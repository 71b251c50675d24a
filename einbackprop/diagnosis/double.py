"""Two mistakes on one way: a search that found no single edit goes in, the first of two edits comes out.

Where two mistakes lie on the way to the same gradients, neither edit alone sets one right, and what a statement should
have made is not known, since it is solved through the other mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, islice

import numpy as np

from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.localization import Suspect, array_of
from einbackprop.diagnosis.repair import ALIKE, TIERS, Round
from einbackprop.diagnosis.trying import Table

EACH, RUNS = 24, 2000
"""Edits of one statement, and pairs of edits with which the whole code is run, at most."""


def of_own_value(search: Round) -> Repair | None:
    """The edit of a statement that no gradient depends on, with which it makes the gradient that its name says."""
    roles, seen = search.judge.roles, {suspect.site for suspect in search.localization.suspects}
    for made in search.localization.made if search.localization.before is not None else ():
        if made.site in seen:
            continue
        value, name = array_of(made), made.site.target
        is_broken = value is not None and roles.promised(name, value) is False
        if not is_broken or search.localization.is_trusted(made.site):
            continue
        table = Table(Suspect(made, frozenset()), False)
        search.evaluate([table], TIERS[0])
        arrays = [trial for trial in table.trials if trial.raw and isinstance(trial.raw[0], np.ndarray)]
        fitting = [trial for trial in arrays if roles.promised(name, trial.raw[0])]
        for trial in sorted(fitting, key=lambda trial: trial.edit.cost)[:ALIKE]:
            repair = search.edited(table, trial.edit, frozenset())
            left = search.judge.left(search.version.changed([repair.change]))
            if left is not None and left <= search.wrong:
                return repair
    return None


def of_two(search: Round) -> Repair | None:
    """The first of the two likeliest edits, of two statements, that set everything right together."""
    repairs = likeliest_of_each(likely(search)) if search.localization.before is not None else []
    pairs = [(one, other) for one, other in combinations(repairs, 2) if one.statement is not other.statement]
    for pair in islice(sorted(pairs, key=lambda pair: pair[0].cost + pair[1].cost), RUNS):
        if search.judge.works(search.version.changed([repair.change for repair in pair])):
            first = min(pair, key=lambda repair: repair.site.place)
            return replace(first, mends=frozenset())  # alone it mends nothing
    return None


def likely(search: Round) -> Iterator[Repair]:
    """The likely edits of all statements that can be at fault, for everything or for a part."""
    suspects = [table.suspect for table in (*search.alone, *search.settled, *search.others)]
    tables = [Table(suspect, False) for suspect in suspects]
    search.evaluate(tables, TIERS[0])
    for table in tables:
        yield from (search.edited(table, trial.edit, frozenset()) for trial in table.trials)
    yield from search.rewritten(tables, TIERS[0])


def likeliest_of_each(repairs: Iterable[Repair]) -> list[Repair]:
    """The likeliest edits of each statement."""
    found: dict[int, list[Repair]] = {}
    for repair in sorted(repairs, key=lambda repair: repair.cost):
        found.setdefault(id(repair.statement), []).append(repair)
    return [repair for some in found.values() for repair in some[:EACH]]
