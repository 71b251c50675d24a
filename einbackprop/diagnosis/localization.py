"""Fault localization: which statement can be at fault, and what it should have made.

A statement can be at fault alone if there is a value that it could have made instead, with which every gradient is
right. Gradients are linear in most of what a backward makes, so that this value is found by shifting the entries of
what the statement made one by one, and solving a system of linear equations (and again from there, where they are
not linear). No code is read for that.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from einbackprop.diagnosis.experiments import Array, Experiment, Gradients, Made, Recording, Shift, stacked
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.versions import Version

STEPS = 400_000
"""Values that statements may make in all runs for one statement; as many steps as a few seconds have."""
LARGEST = 600
"""Entries of what a statement makes that are shifted one by one."""
SMALL = 1e-4
"""How far values are shifted, relative to the largest."""
NEWTON = 4
ROUNDING = 1e-9
"""Values that are smaller than this, relative to what is usual, are rounding."""
LINEAR, CURVED = 1e-6, 3e-2
"""How far gradients may be from what a Jacobian says, where they are linear in a value and where they are not."""


@dataclass(eq=False)
class Suspect:
    """A statement that can be at fault.

    Attributes
    ----------
    made : Made
        What it made.
    reach : frozenset of str
        The gradients that depend on it.
    names : tuple of str
        The gradients that the rows of the Jacobian stand for: those that have the right shape.
    jacobian : array of (entries of gradients, entries of what it made), or None
        How the gradients depend on what it made; None where that is not known.
    shift : array or None
        By how much what it made is off, as far as the gradients show.
    is_unique : bool
        Whether no other value would do as well.
    roughness : float
        How far the gradients may be from what the Jacobian says, relative to their largest entries.
    """

    made: Made
    reach: frozenset[str]
    names: tuple[str, ...] = ()
    jacobian: Array | None = None
    shift: Array | None = None
    is_unique: bool = False
    roughness: float = LINEAR

    @property
    def site(self) -> Site:
        """Where it stands."""
        return self.made.site


class Localization:
    """The statements that gradients depend on, at one state.

    Parameters
    ----------
    experiment : Experiment
    version : Version
        Of the user's source.

    Attributes
    ----------
    before : dict or None
        The gradients as they are.
    wrong : frozenset of str
    made : list of Made
        What statements made, in the order in which they ran first.
    """

    def __init__(self, experiment: Experiment, version: Version) -> None:
        self.experiment, self.version = experiment, version
        recording = Recording()
        with version.watched_by(recording):
            self.before: Gradients | None = experiment.run()
        self.wrong = experiment.wrong(self.before)
        self.made = sorted(recording.made_by.values(), key=lambda made: made.first)
        self.fired = recording.fired
        self._trusted: dict[Site, bool] = {}
        watched = Recording()
        with self.version.watched_by(watched):
            experiment.keeps_loss()
        self.in_loss = watched.made_by

    @cached_property
    def _usual(self) -> float:
        """How large values usually are."""
        sizes = [largest for made in self.made if (largest := made.largest)]
        return float(np.median(sizes)) if sizes else 1.0

    def _size(self, made: Made) -> float:
        """How large what a statement makes is; what is nothing but rounding is as large as others usually are."""
        return made.largest if made.largest > ROUNDING * self._usual else self._usual

    def _nudge(self, made: Made) -> Array:
        """A small shift of all entries, each by an amount of its own."""
        rng = np.random.default_rng(0)
        return np.asarray(1e-3 * self._size(made) * (0.5 + rng.random(made.entries)))

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """The numbers that stand in the code of the loss."""
        functions = {id(site.function): site.function for site in self.in_loss}
        nodes = (node for function in functions.values() for node in ast.walk(function))
        values = [node.value for node in nodes if isinstance(node, ast.Constant)]
        return tuple(dict.fromkeys(repr(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)))

    def run(self, shift: Shift) -> Gradients | None:
        """The gradients with something added to what statements make."""
        with self.version.watched_by(shift):
            return self.experiment.run()

    def is_trusted(self, site: Site) -> bool:
        """Whether the loss depends on what a statement makes."""
        if site not in self._trusted:
            made = self.in_loss.get(site)
            self._trusted[site] = made is not None and self._moves_loss(made)
        return self._trusted[site]

    def _moves_loss(self, made: Made) -> bool:
        with self.version.watched_by(Shift({made.site: self._nudge(made)})):
            return not self.experiment.keeps_loss()

    def reach(self, made: Made) -> frozenset[str] | None:
        """The gradients that move with what a statement makes; None where it cannot be moved."""
        if made.entangled and not self._is_apart(made):
            return None
        moved = self.run(Shift({made.site: self._nudge(made)}))
        return None if moved is None else frozenset(self._differing(moved))

    def _is_apart(self, made: Made) -> bool:
        """Whether everything is the same with a copy of what a statement makes."""
        copied = self.run(Shift({made.site: np.zeros(0)}))
        return copied is not None and not self._differing(copied)

    def _differing(self, moved: Gradients) -> list[str]:
        """The gradients that are not what they are without a shift."""
        assert self.before is not None
        return [n for n, own in self.before.items() if not self.experiment.alike(own, moved.get(n))]

    def suspects(self) -> list[Suspect]:
        """The statements that the wrong gradients depend on, in the order in which they ran.

        Where that is known, only those that can set every gradient right that depends on them.
        """
        found = []
        for made in self.made:
            if self.is_trusted(made.site):
                continue
            if self.before is None:
                found.append(Suspect(made, self.wrong))
                continue
            reach = self.reach(made) if made.entries else None
            if reach is None:
                found.append(Suspect(made, self.wrong))
            elif reach & self.wrong:
                found.append(self.solved(made, reach))
        return found

    def solved(self, made: Made, reach: frozenset[str]) -> Suspect:
        """What a statement should have made, if that can be found."""
        assert self.before is not None
        suspect = Suspect(made, reach)
        names = tuple(n for n in self.experiment.truth if self.experiment.has_shape(n, self.before) and n in reach)
        if not names or made.entries > LARGEST or made.entries * (self.fired + 20) > STEPS:
            return suspect
        jacobian = self._jacobian(made, names)
        if jacobian is None or not np.all(np.isfinite(jacobian)):
            return suspect
        suspect.names, suspect.jacobian = names, jacobian
        inverse = np.linalg.pinv(jacobian, rcond=1e-9)
        rank = int(np.linalg.matrix_rank(jacobian, tol=1e-9 * float(np.abs(jacobian).max(initial=0.0))))
        suspect.is_unique = rank == made.entries
        suspect.roughness = LINEAR if self._is_linear(suspect) else CURVED
        suspect.shift = self._newton(made, names, inverse)
        return suspect

    def _is_linear(self, suspect: Suspect) -> bool:
        """Whether the gradients are linear in what a statement makes, for steps as large as that."""
        assert self.before is not None
        assert suspect.jacobian is not None
        by = 0.3 * self._nudge(suspect.made) / 1e-3
        moved = self.run(Shift({suspect.site: by}))
        if moved is None or not all(self.experiment.has_shape(name, moved) for name in suspect.names):
            return False
        now, then = stacked(self.before, suspect.names), stacked(moved, suspect.names)
        scale = float((np.abs(suspect.jacobian) @ np.abs(by)).max(initial=0.0))
        return bool(np.abs(then - now - suspect.jacobian @ by).max(initial=0.0) <= LINEAR * scale)

    def _jacobian(self, made: Made, names: Sequence[str]) -> Array | None:
        assert self.before is not None
        now, step = stacked(self.before, names), SMALL * self._size(made)
        columns = []
        for n in range(made.entries):
            by = np.zeros(n + 1)
            by[n] = step
            moved = self.run(Shift({made.site: by}))
            if moved is None or not all(self.experiment.has_shape(name, moved) for name in names):
                return None
            columns.append((stacked(moved, names) - now) / step)
        return np.array(columns).T if columns else None

    def _newton(self, made: Made, names: Sequence[str], inverse: Array) -> Array | None:
        """The shift with which the gradients are right; None where there is none."""
        shift = np.zeros(made.entries)
        now = self.before
        for _ in range(NEWTON):
            if now is None or not all(self.experiment.has_shape(name, now) for name in names):
                return None
            shift = shift + inverse @ (stacked(self.experiment.truth, names) - stacked(now, names))
            now = self.run(Shift({made.site: shift}))
            if not self.experiment.wrong(now) & set(names):
                return shift
        return None
