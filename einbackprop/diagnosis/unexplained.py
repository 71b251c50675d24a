"""What is wrong and cannot be repaired: a search goes in, the statements that make wrong values come out.

Where no edit was found, values may say all the same where it goes wrong: the gradients that depend on a statement, and
none that is right, need another value of it; or a statement does not make what its name promises. Where several
mistakes hide one another, each has its own gradients.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.core.source import root_of
from einbackprop.diagnosis.blocks import LOOPS, NESTED
from einbackprop.diagnosis.experiments import Made
from einbackprop.diagnosis.holes import is_right_first
from einbackprop.diagnosis.named_values import is_rebound
from einbackprop.diagnosis.repair import Round
from einbackprop.diagnosis.suspects import Suspect, arrays_of
from einbackprop.diagnosis.trying import Table

MOST = 3
"""Statements that are named, at most."""


@dataclass(frozen=True, eq=False)
class Blame:
    """A statement that is wrong, or before which one is missing.

    Attributes
    ----------
    suspect : Suspect
    why : 'value', 'rounds', 'carried' or 'shape'
        It makes something wrong; it does not run in all rounds in which it should; it makes something wrong from the
        second round of a loop on; what it makes has another shape than the gradient.
    """

    suspect: Suspect
    why: Literal["value", "rounds", "carried", "shape"] = "value"


def unexplained(search: Round) -> list[Blame]:
    """The statements that are likeliest at fault: one whose value all wrong gradients need to be another, else for some
    of these in turn one that breaks what its name promises, or whose value they need to be another."""
    if search.is_lost:  # a name that nothing binds says it all
        return []
    suspect = broken_by_name(search) or likeliest(search)
    if suspect is not None or search.localization.before is None:
        return [] if suspect is None else [blame_of(search, suspect)]
    found: list[Blame] = []
    left = search.wrong
    while left and len(found) < MOST:
        blame = needed(search, left, search.alone) or first_broken(search, left) or needed(search, left, search.others)
        blame = blame or misshapen(search, left) or last_needed(search, left)
        if blame is None:
            break
        found.append(blame)
        left -= blame.suspect.reach
    return found


def broken_by_name(search: Round) -> Suspect | None:
    """The statement that is at fault by its name, if what it makes is nothing else that is known: the gradient of
    ``z`` may be called after ``h``."""
    own = search.misnamed
    is_broken = own is not None and search.judge.roles.breaks(own.site.target, arrays_of(own.made)[0], own.is_repeated)
    return own if is_broken else None


def likeliest(search: Round) -> Suspect | None:
    """The first statement that can be at fault for everything and breaks what its name promises, or that should have
    made the gradient of something."""
    own = [t.suspect for t in search.alone if t.suspect.is_known and not t.suspect.made.passes]
    return min((s for s in own if s.site in search.broken), key=lambda s: s.made.first, default=None)


def first_broken(search: Round, left: frozenset[str]) -> Blame | None:
    """The first statement that some gradients depend on and that in one of its runs does not make the gradient that its
    name says, nor anything else that is known."""
    roles, every = search.judge.roles, search.localization.made
    found = []
    for suspect in search.localization.suspects:
        made, site = suspect.made, suspect.site
        is_own = not (made.passes or site.is_passed or site.is_update or suspect.is_fixed) and suspect.reach & left
        if is_own and not any(is_rebound(made, other) for other in every):
            runs = enumerate(arrays_of(made))
            run = next((run for run, array in runs if roles.breaks(site.target, array, suspect.is_repeated)), None)
            found += [] if run is None else [(run, made.first, suspect)]
    if not found:
        return None
    run, _, suspect = min(found, key=lambda one: one[:2])
    return Blame(in_loop(search, suspect), "carried") if run else Blame(suspect)


def misshapen(search: Round, left: frozenset[str]) -> Blame | None:
    """The last statement that binds what a gradient of another shape than it should have is, before it is returned."""
    before = search.localization.before or {}
    for name in sorted(name for name in left & before.keys() if not search.experiment.has_shape(name, before)):
        shape = np.shape(before[name])
        own = [suspect for suspect in search.localization.suspects if name in suspect.reach and not (
            suspect.site.is_passed or suspect.is_fixed or isinstance(suspect.site.statement, ast.Return))
            and (shape,) == suspect.made.shapes[-1]]  # fmt: skip
        if own:
            return Blame(max(own, key=lambda suspect: suspect.made.first), "shape")
    return None


def in_loop(search: Round, suspect: Suspect) -> Suspect:
    """A statement in a loop, or the one there that calls the function that it is in."""
    outer = (made for made in search.localization.made if made.first > suspect.made.first
             and made.depth < suspect.made.depth)  # fmt: skip
    sites = (suspect.site, *(made.site for made in outer))
    inside = (site for site in sites if any(isinstance(s, LOOPS) for s in search.version.around(site)))
    return replace(suspect, made=replace(suspect.made, site=next(inside, suspect.site)))


def needed(search: Round, left: frozenset[str], tables: Sequence[Table]) -> Blame | None:
    """The statement that no right gradient depends on and with another value of which the most gradients are right."""
    solved = (t.suspect for t in tables if t.suspect.shift is not None)
    own = [suspect for suspect in solved if suspect.reach & left and is_at_fault(search, suspect)]
    best = min(own, key=lambda s: (-len(s.reach & left), s.made.is_zero, not s.is_known, s.made.first), default=None)
    return None if best is None else blame_of(search, best)


def last_needed(search: Round, left: frozenset[str]) -> Blame | None:
    """The last statement with another value of which gradients are right, where nothing says more: all that leads to it
    may be at fault as well."""
    own = [t.suspect for t in search.alone if t.suspect.shift is not None and t.suspect.reach & left
           and not (t.suspect.made.passes or t.suspect.site.is_passed)]  # fmt: skip
    return Blame(max(own, key=lambda suspect: suspect.made.first)) if own else None


def blame_of(search: Round, suspect: Suspect) -> Blame:
    """What is to blame where a statement should have made something else: what is carried to it, where that is right in
    its first run; what writes to it, where it begins as zeros."""
    if suspect.made.is_zero:
        return filling(search, suspect)
    return Blame(in_loop(search, suspect), "carried") if is_right_first(suspect) else Blame(suspect)


def is_at_fault(search: Round, suspect: Suspect) -> bool:
    """Whether a statement makes something itself, or takes a part, that wrong gradients alone depend on."""
    site = suspect.site
    is_part = any(isinstance(node, ast.Slice) for node in ast.walk(site.value))
    is_all = isinstance(site.statement, ast.Return) and len(suspect.made.shapes[0]) > 1  # that is wrong anyway
    is_own = (is_part or not suspect.made.passes) and not is_all
    return is_own and not (site.is_passed or search.likelihood.is_forward(site)) and suspect.reach <= search.wrong


def filling(search: Round, start: Suspect) -> Blame:
    """What is to blame where something begins as zeros: the statement that writes to it; where with no value of that
    everything is right, the loop or condition around it, since it does not run where it should."""
    tables = (*search.alone, *search.others)
    writing = [t.suspect for t in tables if t.suspect.shift is not None and writes_to(t.suspect.made, start)]
    if writing:
        return Blame(writing[-1])
    sites = [made.site for made in search.localization.made if writes_to(made, start)]
    around: Sequence[ast.stmt] = search.version.around(sites[-1]) if sites else ()
    outer = next((statement for statement in around if isinstance(statement, NESTED)), None)
    site = start.site if outer is None else replace(start.site, statement=outer)
    return Blame(replace(start, made=replace(start.made, site=site)), "value" if outer is None else "rounds")


def writes_to(made: Made, start: Suspect) -> bool:
    """Whether a statement writes to a part of what another began, or adds to it."""
    one, two = made.site, start.site
    is_same = one.function is two.function and root_of(one.target) == root_of(two.target)
    return is_same and made.first > start.made.first and (one.is_update or one.is_part)
