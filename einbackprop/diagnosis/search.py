"""Program repair: the edits of the user's source after which every gradient is right.

In go experiments at several states; out come repairs, each one edit of one statement. Where no single edit sets
everything right, the one that sets most gradients right is taken, and the search goes on from there.
"""

from __future__ import annotations

import ast

from einbackprop.diagnosis.alike import of_alike
from einbackprop.diagnosis.derived_lines import of_derivative
from einbackprop.diagnosis.double import of_two
from einbackprop.diagnosis.judge import Judge
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.localization import Localization
from einbackprop.diagnosis.missing_terms import of_missing_terms
from einbackprop.diagnosis.named_values import of_misnamed, of_own_value, of_promised_value
from einbackprop.diagnosis.omissions import (
    is_left_out,
    of_line_elsewhere,
    of_lost_update,
    of_next,
    of_omission,
    of_other_function,
    of_whole_value,
)
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.statement_order import COST as MOVED
from einbackprop.diagnosis.statement_order import of_order
from einbackprop.diagnosis.unexplained import Blame, unexplained
from einbackprop.diagnosis.unused import of_unused
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary.trees import OPERANDS
from einbackprop.diagnosis.wrong_numbers import of_numbers

MISTAKES = 6
"""How many are looked for."""


class Search:
    """The search for repairs.

    Parameters
    ----------
    judge : Judge
    version : Version
        The user's source as it is; once it has run, with all repairs.

    Attributes
    ----------
    unexplained : list of Blame
        Statements that are wrong, and for which no edit was found.
    """

    def __init__(self, judge: Judge, version: Version) -> None:
        self.judge, self.version = judge, version
        self.unexplained: list[Blame] = []

    def run(self) -> tuple[list[Repair], Localization, Localization]:
        """The repairs that together set everything right, or as much as was found; the localization before them, and
        after them."""
        found: list[Repair] = []
        given = self.version
        localization = first = Localization(self.judge.first, self.version)
        while localization.wrong and len(found) < MISTAKES:
            search = Round(self.judge, localization, self.version)
            repair = of_next(search, found[-1] if found else None)
            is_over = self.judge.is_late and found and found[-1].mends  # after the first of two there is a second
            if repair is None:
                repair = search.best(TIERS[:1]) or search.of_parts() if is_over else found_by(search)
            is_partial = repair is not None and repair.mends < localization.wrong
            if repair is None or (is_partial and (search.hole or search.is_lost)):
                self.unexplained = [Blame(search.hole)] if search.hole else unexplained(search)
                break
            found.append(repair)
            self.version = self.version.changed(repair.changes)
            localization = Localization(self.judge.first, self.version)
        for repair in found[:-1] if not localization.wrong else ():
            rest = [other for other in found if other is not repair]
            version = given.changed([change for other in rest for change in other.changes])
            if self.judge.works(version):  # what came after made it needless
                found, self.version = rest, version
                localization = Localization(self.judge.first, version)
        return found, first, localization


def is_renamed(repair: Repair) -> bool:
    """Whether an edit puts another name in the place of one that nothing binds, and does not leave it out."""
    old, new = repair.change.node, repair.change.replacement
    if not isinstance(new, ast.expr):
        return False
    before, after = (sum(isinstance(node, ast.Name) for node in ast.walk(tree)) for tree in (old, new))
    return after >= before


def is_called_alike(repair: Repair) -> bool:
    """Whether what an edit puts in the place of a name is called so: ``cache['z']``, or ``Z``, for ``z``."""
    old, new = (
        {ast.unparse(part) for part in ast.walk(node) if isinstance(part, OPERANDS)}
        for node in (repair.change.node, repair.change.replacement) if isinstance(node, ast.AST)
    )  # fmt: skip
    return any(one.lower() in other.lower() for one in {*old} - {*new} for other in {*new} - {*old})


def of_unbound(search: Round) -> Repair | None:
    """What repairs a name that nothing binds: another spelling of it, the line with which others bind it, else another
    name."""
    other = search.best(TIERS[:1])
    other = other if other is not None and is_renamed(other) else None
    return other if other is not None and is_called_alike(other) else of_line_elsewhere(search) or other


def likelier(one: Repair | None, other: Repair | None) -> Repair | None:
    """The cheaper of two repairs, of which there may be none."""
    return min((repair for repair in (one, other) if repair is not None), key=lambda repair: repair.cost, default=None)


def found_by(search: Round) -> Repair | None:
    """The repair that a round finds: what is likely first, and what is cheap to try. Where it is known which line is
    missing, what is rare is not tried."""
    is_unbound = isinstance(search.localization.raised, NameError)
    found = (of_unbound(search) if is_unbound else None) or of_omission(search)
    found = found or of_promised_value(search)
    is_tried = found is None and is_left_out(search)
    lost = of_lost_update(search) if is_tried else None
    found = found or likelier(lost, search.best(TIERS[:1])) or of_own_value(search)
    if found is None or found.edit.removed or found.cost > MOVED:  # what is too much may be too early
        moved = of_order(search)
        is_likelier = moved is not None and (found is None or found.edit.removed or moved.cost < found.cost)
        found = moved if is_likelier else found
    if found is not None or search.hole is not None or search.is_lost:
        return found or (of_derivative(search) if search.unfilled is not None else None)
    found = of_numbers(search) or of_missing_terms(search) or of_misnamed(search) or of_alike(search)
    found = found or (None if is_tried else of_lost_update(search)) or of_other_function(search)
    found = found or search.best(TIERS[1:])
    for rarer in (of_whole_value, of_unused):
        if found is None and not search.judge.is_late:
            found = rarer(search)
    # however late it is: what took so long may have been several mistakes
    found = found or search.of_parts() or (None if search.judge.is_latest else of_two(search))
    return found or of_derivative(search)
