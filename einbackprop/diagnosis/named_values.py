"""Statements judged by their names: a search goes in, the edit comes out with which ``dz`` is the gradient of z.

A statement is at fault if what it reads is right and what it makes is not. Where names say what both should be, that is
known without a further run of the code, and edits need only be compared with the array that is called so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.core.source import root_of
from einbackprop.diagnosis.derived_lines import anew, calls_users, expressions
from einbackprop.diagnosis.experiments import Made
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.judge import Roles
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.repair import ALIKE, TIERS, Round
from einbackprop.diagnosis.suspects import Suspect, array_of, arrays_of
from einbackprop.diagnosis.trying import Table, Tier
from einbackprop.diagnosis.vocabulary.hand import is_array, value_of
from einbackprop.diagnosis.vocabulary.trees import OPERANDS


def of_own_value(search: Round) -> Repair | None:
    """The edit of a statement that no gradient depends on, with which it makes the gradient that its name says."""
    seen, roles = {suspect.site for suspect in search.localization.suspects}, search.judge.roles
    for made in last_bound(search):
        value = array_of(made)
        if made.site not in seen and value is not None and roles.promised(made.site.target, value) is False:
            for repair in with_promised(search, Suspect(made, frozenset()), TIERS[0]):
                left = search.judge.left(search.version.changed([repair.change]))
                if left is not None and left <= search.wrong:
                    return repair
    return None


def of_promised_value(search: Round) -> Repair | None:
    """The likely edit that sets everything right, of the first statement that makes another array than its name says
    of operands that are what they should be. The search remembers that statement (`Round.misnamed`)."""
    own = search.misnamed = first_misnamed(search)
    if own is None:
        return None
    tried = (search.likeliest_that_works(with_promised(search, own, tier)) for tier in TIERS[0].divided())
    return next(filter(None, tried), None)


def of_misnamed(search: Round) -> Repair | None:
    """The derivative of the loss in the place of that statement's value, if that sets everything right."""
    own = search.misnamed
    if own is None or not search.is_users(own.site):
        return None
    wanted = search.judge.roles.wanted(own.site.target, arrays_of(own.made)[0].shape)
    values = (value for array in wanted for value in expressions(search, own.site, array))
    return next(filter(None, (anew(search, Table(own, False), value) for value in values)), None)


def first_misnamed(search: Round) -> Suspect | None:
    """The first statement that makes another array than its name says, if what it reads is right, and another one makes
    what its name says: some call the gradient of ``x @ W`` after what is made of that."""
    roles, own = search.judge.roles, [*last_bound(search)]
    if not any(roles.promised(made.site.target, arrays[0]) for made in own if (arrays := arrays_of(made))):
        return None
    for made in own:
        name, arrays, every = made.site.target, arrays_of(made), search.localization.made
        is_own = arrays and not made.passes and not any(is_rebound(other, made) for other in every)  # else ``+=``?
        is_one_of_several = len(arrays) > 1 and roles.is_target(name)  # that are added up
        is_named = is_own and not is_one_of_several and roles.wanted(name, arrays[0].shape)
        if is_named and roles.promised(name, arrays[0]) is False:
            operands = Operands(made.site, roles)
            search.judge.gradients(search.version, operands)
            return Suspect(made, search.wrong) if operands.are_right else None  # what they are made of may be at fault
    return None


def last_bound(search: Round) -> Iterator[Made]:
    """The statements of the gradients that bind a name last, in the order in which they run."""
    localization = search.localization
    for made in localization.made if localization.before is not None else ():
        is_last = not made.site.is_update and not any(is_rebound(made, other) for other in localization.made)
        if is_last and not made.site.is_passed and not localization.is_trusted(made.site):
            yield made


def is_rebound(made: Made, other: Made) -> bool:
    """Whether another statement writes later to what a statement has bound: what that made need be nothing yet."""
    one, two = made.site, other.site
    is_same = one.function is two.function and root_of(one.target) == root_of(two.target)
    return is_same and other.first > made.first and not two.is_passed and not isinstance(two.statement, ast.Return)


def with_promised(search: Round, suspect: Suspect, tier: Tier) -> list[Repair]:
    """The likeliest edits of a statement with which it makes the gradient that its name says, in its first run."""
    table = Table(suspect, False)
    search.evaluate([table], tier)
    arrays = [trial for trial in table.trials if trial.raw and isinstance(trial.raw[0], np.ndarray)]
    fitting = [trial for trial in arrays if search.judge.roles.promised(suspect.site.target, trial.raw[0])]
    fitting.sort(key=lambda trial: trial.edit.cost)
    return [search.edited(table, trial.edit, search.wrong) for trial in fitting[:ALIKE]]


class Operands:
    """A watcher that sees whether what a statement reads in its first run is known to be right.

    Attributes
    ----------
    are_right : bool
        Whether each array is a value of the loss or the gradient of one, by its name if that says of which; False where
        a function of the user's is called, which may be at fault.
    """

    def __init__(self, site: Site, roles: Roles) -> None:
        self.sites, self.are_right = {site}, False
        self._roles, self._is_seen = roles, False

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """The statement made a value."""
        if not self._is_seen:
            self._is_seen = True
            names = {**frame.f_globals, **frame.f_locals}
            read = ((ast.unparse(node), value_of(node, names)) for node in operands_of(site.value))
            self.are_right = not calls_users(site, names) and all(self._is_right(*each) for each in read)
        return value

    def _is_right(self, text: str, held: Any) -> bool:
        """Whether an operand is right, as far as its name and its value say; a number is."""
        if not is_array(held) or np.ndim(held) == 0:
            return not isinstance(held, list | tuple | dict)
        if held.dtype.kind != "f":
            return held.dtype.kind in "iu"  # labels
        promised = self._roles.promised(text, held)
        return self._roles.is_value(held) if promised is None else promised


def operands_of(node: ast.AST) -> Iterator[ast.expr]:
    """The names, attributes and entries in an expression, each as a whole, that are not what is called."""
    if isinstance(node, OPERANDS) and not any(isinstance(part, ast.Call | ast.BinOp) for part in ast.walk(node)):
        yield node
        return
    called = node.func if isinstance(node, ast.Call) else None
    for child in ast.iter_child_nodes(node):
        if child is not called:
            yield from operands_of(child)
        elif isinstance(child, ast.Attribute):  # ``d`` of ``d.sum()``
            yield from operands_of(child.value)
