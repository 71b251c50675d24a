"""A mistake behind another: a search that found no single edit goes in, the edit of what hides the other comes out.

A gradient that is another variable, as in ``return db, db``, depends on nothing that was computed for it, and a second
mistake there can move nothing. What the code computes and no gradient depends on shows that: an edit that reads it
sets nothing right, but once it is made, the other mistake is a single one.
"""

import ast
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from einbackprop.core.source import root_of
from einbackprop.diagnosis.likelihood import Repair, key_of
from einbackprop.diagnosis.localization import Localization
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.trying import Table, Tier
from einbackprop.diagnosis.vocabulary.trees import names_in

LEADS = 4
"""Edits behind which a mistake is looked for, at most."""
RARER = Tier(-np.inf, 4.0)
"""What is tried instead of a variable that is handed on: anything that nothing reads may be."""


def of_unused(search: Round) -> Repair | None:
    """The edit with which a gradient depends on what none depends on, and behind which one edit sets everything
    right."""
    names = unused(search) if search.localization.before is not None else {}
    leads = sorted(reading(search, names), key=lambda repair: repair.cost) if names else []
    seen = {key_of(suspect.site) for suspect in search.localization.suspects if not suspect.is_fixed}
    for lead in leads[:LEADS]:
        version = search.version.changed([lead.change])
        try:
            behind = Localization(search.experiment, version)
        except ValueError:  # it does not compile there
            continue
        if behind.before is None or not behind.wrong <= search.wrong:
            continue
        hidden = [suspect for suspect in behind.suspects if key_of(suspect.site) not in seen]
        found = Round(search.judge, behind, version).among(hidden)
        if found is not None and found.mends >= behind.wrong:
            return replace(lead, mends=frozenset())  # alone it mends nothing
    return None


def unused(search: Round) -> dict[int, set[str]]:
    """The names that no gradient depends on, wherever they are bound, nor the loss, of each function."""
    localization = search.localization
    seen = {suspect.site for suspect in localization.suspects if not suspect.is_fixed}
    found: dict[int, set[str]] = {}
    used: set[tuple[int, str]] = set()
    for made in localization.made:
        site, name = made.site, root_of(made.site.target)
        if site.is_passed or isinstance(site.statement, ast.Return) or not name.isidentifier():
            continue
        if site in seen or localization.is_trusted(site) or localization.reach(made):
            used.add((id(site.function), name))
        elif any(shape for shapes in made.shapes for shape in shapes) and not search.likelihood.is_forward(site):
            found.setdefault(id(site.function), set()).add(name)
    return {function: {n for n in names if (function, n) not in used} for function, names in found.items()}


def reading(search: Round, names: dict[int, set[str]]) -> Iterator[Repair]:
    """The likely edits of what gradients depend on that read a name that nothing reads, in the place of something else,
    one for each value."""
    tables = [Table(s, False) for s in search.localization.suspects if names.get(id(s.site.function))]
    search.evaluate([table for table in tables if not is_variable(table)], TIERS[0])
    search.evaluate([table for table in tables if is_variable(table)], RARER)
    for table in tables:
        own, seen = names[id(table.suspect.site.function)], set[bytes]()
        before, largest = names_in(table.suspect.site.value), size_of(table.suspect.site.value)
        for trial in sorted(table.trials, key=lambda trial: trial.edit.cost):
            value = trial.edit.value
            if value is None or not (names_in(value) - before) & own or size_of(value) > largest:
                continue
            content = b"".join(v.tobytes() for v in trial.values)
            if content not in seen and trial.raw:
                seen.add(content)
                yield search.edited(table, trial.edit, frozenset())


def is_variable(table: Table) -> bool:
    """Whether a statement hands on a variable as it is."""
    return isinstance(table.suspect.site.value, ast.Name)


def size_of(node: ast.AST) -> int:
    """Of how many nodes an expression consists."""
    return sum(1 for _ in ast.walk(node))
