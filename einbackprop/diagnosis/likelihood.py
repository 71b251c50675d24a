"""The costs of edits: an edit and what statements make go in, a number that is small for a likely edit comes out.

Costs are added: the edit's own (`vocabulary`), that of its place, and that of what the other statements make with it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import cached_property

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.core.source import is_question
from einbackprop.diagnosis.experiments import CLOSE, Array, Made
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.judge import Judge
from einbackprop.diagnosis.localization import Localization
from einbackprop.diagnosis.recording import Recording
from einbackprop.diagnosis.suspects import Suspect, array_of, needed_of, value_of
from einbackprop.diagnosis.versions import Change, Version, rebuilt
from einbackprop.diagnosis.vocabulary import Edit
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, held_number, is_same

KEPT, SETTLED = 0.8, 0.6
"""What an edit costs more on a statement that makes what the loss makes as well, or the gradient that its name says;
and on one that makes the gradient of some value."""
SPOILING = 0.5
"""What an edit costs more on a statement that right gradients depend on, and one with which a statement that made what
is right makes something else."""
ASIDE = 0.4
"""What an edit costs more with which something else changes that no wrong gradient depends on."""
UNMENDED = 0.6
"""What an edit costs more for each statement that still does not make a gradient that it should make."""
OF_LOSS = 1.2
"""What an edit costs more on a statement of the forward: it made what the loss does not depend on, such as a cache."""
IDLE, ALIAS, PASSED = -0.4, -0.2, 1.0
"""What an edit costs more of a value that was there before the statement, but for that of another name in its place, or
in a call's: less in ``dz = dz`` or ``slope = 1`` and in ``dz = dh``, which few people write if it is right, and more
elsewhere."""
OWN = 0.5
"""What an edit costs more that adds what the sum has to the sum: ``d += x - 0.5 * d``."""
HANDED = 0.3
"""What an edit costs more of a number that is handed on by its name."""
ASKED = 0.6
"""What an edit costs more of the question, such as ``--grads "backward(x)"``: it was asked, or guessed, of the code."""
OUTER = 0.05
"""What an edit costs more for each function that is called by the one that it is in, and of what is only
passed to one."""
CHEAPEST = 0.7
"""What every edit costs at least."""


def reads_own_target(site: Site, new: ast.expr) -> bool:
    """Whether what is to be added to something reads that, and did not before."""
    if not isinstance(site.statement, ast.AugAssign):
        return False
    old, read = ({ast.unparse(node) for node in ast.walk(value) if isinstance(node, OPERANDS)} for value in (
        site.value, new))  # fmt: skip
    return site.target in read - old


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
        The edit's own, that of its place, and, once it was run, that of what other statements make with it.
    mends : frozenset of str
        The gradients that it sets right; before it was run, those that it may set right.
    origin : Repair, optional
        Of a statement that is moved: what takes it from where it stood.
    """

    site: Site
    edit: Edit
    change: Change
    cost: float
    mends: frozenset[str] = frozenset()
    origin: Repair | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that is changed."""
        return (self.change, *(self.origin.changes if self.origin is not None else ()))

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


def cost_of(found: Repair | None) -> float:
    """The cost of a repair; of none, more than that of any."""
    return found.cost if found is not None else np.inf


class Likelihood:
    """What edits of one version cost more, for their places and for what comes of them.

    Parameters
    ----------
    judge : Judge
    localization : Localization
    """

    def __init__(self, judge: Judge, localization: Localization) -> None:
        self._roles, self._experiment, self._localization = judge.roles, judge.first, localization

    def of_place(self, suspect: Suspect) -> float:
        """What every edit of a statement costs more, for what it makes and for where it stands."""
        _, cost = self.settled.get(suspect.site, (None, 0.0))
        return SPOILING * self.spoils(suspect) + cost + ASKED * is_question(suspect.site.file)

    def of_forward(self, site: Site) -> float:
        """What an edit of a statement of the forward costs more."""
        return OF_LOSS * self.is_forward(site)

    def is_forward(self, site: Site) -> bool:
        """Whether a statement runs before the loss is computed, and before the first gradient of a value is: a function
        that gives both may compute the loss at its end. One that gives the loss alone may keep values after that."""
        made = self._localization.in_loss.get(site)
        is_before = self._localization.is_before_loss(site) or self._is_loss_apart
        return made is not None and is_before and made.first < self._first_gradient

    @cached_property
    def _is_loss_apart(self) -> bool:
        """Whether something that gradients are made of is computed by code that does not run for the loss."""
        own = (s for s in self._localization.suspects if not (s.made.passes or s.site.is_passed))
        return any(suspect.site not in self._localization.in_loss for suspect in own)

    @cached_property
    def _first_gradient(self) -> float:
        """When the loss's code makes the gradient of a value that it does not need itself, if it does; of a loop the
        first round is asked."""
        for made in sorted(self._localization.in_loss.values(), key=lambda made: made.first):
            if made.passes or not made.shapes or len(made.shapes[0]) != 1:
                continue
            is_gradient = self._roles.is_gradient(made.values[0].reshape(made.shapes[0][0]))
            if is_gradient and not self._localization.is_trusted(made.site):
                return made.first
        return np.inf

    def of_edit(self, suspect: Suspect, new: ast.expr) -> float:
        """What an edit of an expression costs more: that of its place, and of a value that is only handed on."""
        site, made = suspect.site, suspect.made
        cost = self._of_statement(suspect) + OWN * reads_own_target(site, new)
        is_bound = isinstance(site.statement, ast.Assign) and site.target.isidentifier() and not site.is_passed
        if is_bound and (held_number(site.value) is not None or ast.unparse(site.value) == site.target):
            return cost + IDLE
        is_other_name = all(map(is_named, others_in_call(site.value, new) or [new]))
        if site.is_passed and is_named(site.value) and not made.passes and not is_other_name:
            return cost + HANDED
        if not made.passes or is_other_name:
            return cost
        is_taken = getattr(site.value, "attr", "") in (site.target, "T")  # ``gamma = self.gamma``
        if is_bound and isinstance(site.value, ast.Name | ast.Attribute) and not is_taken:
            return cost + ALIAS
        is_number = isinstance(made.whole, int | float)
        return cost + PASSED * (not is_number) + OUTER * site.is_passed

    def _of_statement(self, suspect: Suspect) -> float:
        """What every edit of an expression costs more, whatever it gives."""
        outer = OUTER * (self._localization.deepest - suspect.made.depth)
        return self.of_place(suspect) + self.of_forward(suspect.site) + outer

    def least(self, suspect: Suspect) -> float:
        """What an edit of an expression costs more at least."""
        is_idle = suspect.made.passes or held_number(suspect.site.value) is not None
        return self._of_statement(suspect) + (IDLE if is_idle else 0.0)

    def spoils(self, suspect: Suspect) -> bool:
        """Whether right gradients depend on a statement as well: of an object that the forward makes, a layer or a node
        of a graph, all do, as far as is known."""
        return bool(suspect.reach - self._localization.wrong) or (suspect.is_fixed and self.is_forward(suspect.site))

    def strain(self, repair: Repair, version: Version, broken: Collection[Site]) -> float:
        """How unlikely an edit is for what the other statements make with it, though every gradient is right: something
        else than what was right, or still not the gradients that they should make.

        Parameters
        ----------
        repair : Repair
        version : Version
            With it.
        broken : collection of Site
            The statements that do not make a gradient that they should make.
        """
        seen = Recording()
        with version.watched_by(seen):
            self._experiment.run()
        now = {key_of(made.site): value for made in seen.made_by.values()
               if not made.site.is_passed and (value := array_of(made)) is not None}  # fmt: skip
        others = {key_of(site): array for site, (array, _) in self.settled.items()
                  if site.statement is not repair.statement}  # fmt: skip
        spoiled = any(key in now and not has_entries(array, now[key]) for key, array in others.items())
        made = (site for site in broken if key_of(site) in now and not site.is_passed)
        left = sum(not self._is_right(site, now[key_of(site)]) for site in made)
        after = {key_of(made.site): runs_of(made) for made in seen.made_by.values() if not made.site.is_passed}
        aside = any(key in after and not has_entries(runs, after[key]) for key, runs in self._aside.items())
        return SPOILING * spoiled + UNMENDED * left + ASIDE * aside

    @cached_property
    def _aside(self) -> dict[tuple[str, int, int, str], Array]:
        """What statements make, in all their runs, that no gradient depends on and the loss neither, as a curvature
        that is returned with them."""
        known = {suspect.site for suspect in self._localization.suspects}
        every = (made for made in self._localization.made if made.site not in known and not made.site.is_passed)
        return {key_of(made.site): runs_of(made) for made in every if not self._localization.is_trusted(made.site)}

    @cached_property
    def settled(self) -> dict[Site, tuple[Array, float]]:
        """The statements that make what is right, which is what the loss makes as well, or the gradient of a value;
        with that, and how unlikely it is that they are at fault."""
        found: dict[Site, tuple[Array, float]] = {}
        for made in self._localization.made:
            value, is_idle = array_of(made), made.passes or self._localization.is_rounding(made)
            if value is None or is_idle or self._localization.is_trusted(made.site):
                continue
            if self._localization.is_of_loss(made) or (promised := self._roles.promised(made.site.target, value)):
                found[made.site] = value, KEPT
            elif promised is None and self._roles.is_gradient(value):
                found[made.site] = value, SETTLED
        return found

    def _is_right(self, site: Site, value: Array) -> bool:
        """Whether a value is the gradient that the name of its target says, or one of any value if that says none."""
        promised = self._roles.promised(site.target, value)
        return self._roles.is_gradient(value) if promised is None else promised

    def is_broken(self, suspect: Suspect) -> bool:
        """Whether a statement is wrong, by what it reads or by itself: it does not make the gradient that the name of
        its target says, or should have made one."""
        value = value_of(suspect)
        if value is None or suspect.site in self.settled:
            return False
        if self._roles.promised(suspect.site.target, value) is False:
            return True
        needed = None if suspect.made.passes else needed_of(suspect)
        return needed is not None and self._roles.is_gradient(needed)


def runs_of(made: Made) -> Array:
    """All that a statement made, one run after the other."""
    return np.concatenate(made.values) if made.values else np.zeros(0)


def is_named(node: ast.expr) -> bool:
    """Whether an expression is a name, an attribute or an entry, and not what is computed of one."""
    is_call = any(isinstance(part, ast.Call) for part in ast.walk(node))
    return isinstance(node, OPERANDS) and getattr(node, "attr", "") != "T" and not is_call


def others_in_call(old: ast.expr, new: ast.expr) -> list[ast.expr]:
    """What a call is given that another call of the same function, or of a layer's same method, is not given there."""
    if not isinstance(old, ast.Call) or not isinstance(new, ast.Call):
        return []
    one, two = given(old), given(new)
    is_alike = len(one) == len(two) and getattr(old.func, "attr", "") == getattr(new.func, "attr", "")
    return [b for a, b in zip(one, two, strict=True) if not is_same(a, b)] if is_alike else []


def given(node: ast.Call) -> list[ast.expr]:
    """What a call is given: the object whose method is called, or the function, and the arguments."""
    called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    return [called, *node.args, *(keyword.value for keyword in node.keywords)]


def key_of(site: Site) -> tuple[str, int, int, str]:
    """What a site is known by in another version."""
    return site.file, site.statement.lineno, site.statement.col_offset, site.target


def has_entries(array: Array, other: Array) -> bool:
    """Whether two arrays have the same entries, to rounding, in whatever order."""
    one, two = np.sort(array, axis=None), np.sort(other, axis=None)
    return one.shape == two.shape and bool(np.allclose(one, two, rtol=0, atol=CLOSE * np.abs(one).max(initial=0.0)))
