"""One mistake in several lines: a search that found no single edit goes in, the first of the same edits comes out.

What somebody gets wrong in one layer is wrong in the next as well, ``dvar`` without its ``1 / std`` in two norms, and
``vs = h``, ``hs = w`` without the stride. No single edit sets anything right then. So of statements that are the same
but for their names, the same edit is made in each.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from string import digits

from einbackprop.core.collecting import grouped
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.trying import Table
from einbackprop.diagnosis.vocabulary.trees import altered, exchanged

TRIED = 800
"""Edits that are tried, at most: with each the whole code is run."""
Alike = tuple[Repair, ...]


def of_alike(search: Round) -> Repair | None:
    """The first of the likeliest edits that set everything right together, each the same of a statement of its own."""
    if search.localization.before is None or search.judge.is_late:
        return None
    every = (*search.alone, *search.settled, *search.others)
    computing = (table for table in every if table.suspect.site.target and not table.suspect.made.passes)
    found = grouped((form(table.suspect.site.value, table.suspect.site.value), table) for table in computing)
    candidates = (alike for tables in found.values() for alike in same_edits(search, tables))
    for repairs in islice(sorted(candidates, key=cost_of), TRIED):
        if search.judge.is_late:
            break
        if search.judge.works(search.version.changed([repair.change for repair in repairs])):
            first = min(repairs, key=lambda repair: repair.site.place)
            return replace(first, mends=frozenset())  # alone it mends nothing
    return None


def cost_of(repairs: Alike) -> float:
    """What edits of one kind cost: the dearest of them."""
    return max(repair.cost for repair in repairs)


def same_edits(search: Round, tables: list[Table]) -> Iterator[Alike]:
    """The edits that several statements have, each the cheapest of its statement."""
    fresh = [*{id(t.suspect.site.statement): Table(t.suspect, False) for t in tables}.values()]
    if len(fresh) < 2:
        return
    search.evaluate(fresh, TIERS[0])
    edits = ((form(trial.edit.value, table.suspect.site.value), search.edited(table, trial.edit, frozenset()))
             for table in fresh for trial in table.trials if trial.edit.value is not None)  # fmt: skip
    for repairs in grouped(edits).values():
        cheapest: dict[int, Repair] = {}
        for repair in sorted(repairs, key=lambda repair: repair.cost):
            cheapest.setdefault(id(repair.statement), repair)
        if len(cheapest) == len(fresh):
            yield tuple(cheapest.values())


def form(value: ast.expr, original: ast.expr) -> str:
    """An expression as a text that is the same for others that differ in names, digits and keyword arguments alone.

    Parameters
    ----------
    value : ast.expr
    original : ast.expr
        What stands there: its names are told apart by their order, others by what they are without their digits.

    >>> first, second = (ast.parse(text, mode="eval").body for text in ("dh1 * z1", "dh2 * z2"))
    >>> other, unlike = (ast.parse(text, mode="eval").body for text in ("dh2 * a2", "z2 * dh2"))
    >>> form(first, first) == form(second, second), form(other, second), form(unlike, second)
    (True, '_0 * a', '_1 * _0')
    >>> entry = ast.parse("f({**d1, 'w': d1}, axis=0)", mode="eval").body
    >>> form(entry, entry)
    "_0({**_1, 'w': _1})"
    """
    names = dict.fromkeys(node.id for node in ast.walk(original) if isinstance(node, ast.Name))
    places = {name: f"_{n}" for n, name in enumerate(names)}
    chosen: dict[int, ast.AST] = {}
    for node in reversed([*ast.walk(value)]):  # what stands in a call before the call
        if isinstance(node, ast.Name):
            chosen[id(node)] = ast.Name(places.get(node.id) or node.id.strip(digits), node.ctx)
        elif isinstance(node, ast.Call) and node.keywords:
            chosen[id(node)] = exchanged(altered(node, keywords=[]), chosen)
    return ast.unparse(exchanged(value, chosen))
