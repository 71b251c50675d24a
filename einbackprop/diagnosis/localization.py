"""Fault localization: runs of the gradients go in; statements that can be at fault come out, and what each should make.

A statement can be at fault alone if there is a value that it could have made instead, with which every gradient is
right. Gradients are linear in most of what a backward makes, so that this value is found by shifting the entries of
what the statement made one by one, and solving a system of linear equations (and again from there, where they are
not linear). No code is read for that.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from einbackprop.checking.answers import stretches
from einbackprop.diagnosis.blocks import compared_in, targets_of
from einbackprop.diagnosis.experiments import (
    Array,
    Both,
    Experiment,
    Gradients,
    Made,
    Put,
    Shift,
    flat,
    numbers,
    real_shapes,
    stacked,
)
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.jacobians import jacobian
from einbackprop.diagnosis.recording import Recording, is_handed_on
from einbackprop.diagnosis.suspects import CURVED, LINEAR, Suspect
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary.hand import LossCode, is_length
from einbackprop.diagnosis.vocabulary.trees import OPERANDS

STEPS, OF_RUN = 400_000, 20
"""Values that statements may make in all runs for one statement, a few seconds; and how many a run is worth besides."""
LARGEST = 600
"""Entries of what a statement makes that are shifted one by one."""
GROWN = 64
"""The same of a value that should have had more axes."""
NUDGE, STEP, FAR = 1e-3, 1e-4, 0.3
"""How far values are shifted, relative to the largest: to see what depends on them, for a column of the Jacobian, and
to see whether gradients are linear in them."""
NEWTON, SLOW = 10, 2
"""Steps of Newton's method at most, and those that may leave more than half of what is off."""
ROUNDING = 1e-9
"""Values that are smaller than this, relative to what is usual, are rounding."""
Shape = tuple[int, ...]


class UnshiftedError(Exception):
    """The code does not give gradients of the same shapes with what a statement makes shifted."""


class Localization:
    """The statements that gradients depend on, at one state.

    Parameters
    ----------
    experiment : Experiment
    version : Version
        Of the user's source.
    hole : tuple of (Site, shape), optional
        A statement that stands for one that is missing, and the shape to which what it makes is broadcast.

    Attributes
    ----------
    before : dict or None
        The gradients as they are.
    raised : Exception or None
        What the user's code raised.
    wrong : frozenset of str
    made : list of Made
        What statements made, in the order in which they ran first.
    hole : Suspect or None
        The statement that stands for a missing one, if it is known what that should make.
    """

    def __init__(self, experiment: Experiment, version: Version, hole: tuple[Site, Shape] | None = None) -> None:
        self.experiment, self.version = experiment, version
        recording = Recording()
        shapes = {} if hole is None else dict([hole])
        given = Shift(dict.fromkeys(shapes, np.zeros(0)), shapes)
        with version.watched_by(Both(recording, given)):
            self.before: Gradients | None = experiment.run()
        self.raised = experiment.raised
        self.wrong = experiment.wrong(self.before)
        self.made, self._handed = recording.by_statements(), recording.handed
        self.fired = recording.fired
        self._trusted: dict[Site, bool] = {}
        self._nudged: dict[Site, Gradients] = {}
        self._twins: dict[object, Suspect] = {}
        watched = Recording()
        with self.version.watched_by(watched):
            experiment.keeps_loss()
        self.in_loss = watched.made_by
        self.hole = None if hole is None else self._hole(*hole, given.seen[hole[0]])

    @cached_property
    def deepest(self) -> int:
        """How many functions are called in one another, at most, where statements make values."""
        return max((made.depth for made in self.made), default=0)

    @cached_property
    def _usual(self) -> float:
        """How large values usually are."""
        sizes = [largest for made in self.made if (largest := made.largest)]
        return float(sorted(sizes)[len(sizes) // 2]) if sizes else 1.0

    def _size(self, made: Made) -> float:
        """How large what a statement makes is; what is nothing but rounding is as large as others usually are."""
        return self._usual if self.is_rounding(made) else made.largest

    def is_rounding(self, made: Made) -> bool:
        """Whether what a statement makes is nothing but rounding."""
        return made.largest <= ROUNDING * self._usual

    def _nudge(self, made: Made) -> Array:
        """A small shift of all entries, each by an amount of its own."""
        return np.asarray(NUDGE * self._size(made) * (0.5 + np.random.default_rng(0).random(made.entries)))

    @cached_property
    def loss_code(self) -> LossCode:
        """The functions that ran for the loss, the numbers that stand in them, and the roots of numbers, as spelled."""
        functions = {id(site.function): site.function for site in self.in_loss}
        nodes = [node for function in functions.values() for node in ast.walk(function)]
        values = [node.value for node in nodes if isinstance(node, ast.Constant)]
        numbers = [repr(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        calls = (node for node in nodes if isinstance(node, ast.Call) and len(node.args) == 1)
        roots = [ast.unparse(c) for c in calls if getattr(c.func, "attr", getattr(c.func, "id", "")) == "sqrt"
                 and (isinstance(c.args[0], ast.Name | ast.Attribute) or is_length(c.args[0]))]  # fmt: skip
        return LossCode(tuple(functions.values()), tuple(dict.fromkeys([*numbers, *roots])))

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

    def is_of_loss(self, made: Made) -> bool:
        """Whether a statement computes again what another computes for the loss."""
        own = {made.site}
        return bool(made.values) and all(self._forward_values.get(v.tobytes(), own) - own for v in made.values)

    @cached_property
    def _forward_values(self) -> dict[bytes, set[Site]]:
        """What statements make before the loss is computed, and which. One function may give the loss and its
        gradients."""
        found: dict[bytes, set[Site]] = {}
        for made in self.in_loss.values():
            for value in made.values if made.first <= self._last_trusted and not made.site.is_passed else ():
                found.setdefault(value.tobytes(), set()).add(made.site)
        return found

    def is_before_loss(self, site: Site) -> bool:
        """Whether a statement runs before the loss is computed, where the loss runs it."""
        return site in self.in_loss and self.in_loss[site].first < self._last_trusted

    @cached_property
    def _last_trusted(self) -> int:
        """When the loss made the last value that it depends on and that it did not have before."""
        seen = set[bytes]()
        new = []
        for made in sorted(self.in_loss.values(), key=lambda made: made.first):
            values = {value.tobytes() for value in (*made.values, *map(flat, numbers(made.whole)))}
            if not (made.passes or isinstance(made.site.value, OPERANDS) or is_handed_out(made, seen)):
                new.append(made)
            seen |= values
        return next((made.first for made in reversed(new) if self.is_trusted(made.site)), 0)

    def _moves_loss(self, made: Made) -> bool:
        """Whether the loss is another one where a little is added to what a statement makes; where labels that it makes
        are in another order, since no index is a little more."""
        whole = made.whole
        is_index = isinstance(whole, np.ndarray) and whole.ndim and whole.dtype.kind in "iu"
        moved = Put(made.site, [np.roll(whole, 1)]) if is_index else Shift({made.site: self._nudge(made)})
        with self.version.watched_by(moved):
            return not self.experiment.keeps_loss()

    def reach(self, made: Made) -> frozenset[str] | None:
        """The gradients that move with what a statement makes; None where it cannot be moved."""
        if made.entangled and not self._is_apart(made):
            return None
        moved = self.run(Shift({made.site: self._nudge(made)}))
        if moved is None:
            return None
        self._nudged[made.site] = moved
        return frozenset(self._differing(moved))

    def _is_apart(self, made: Made) -> bool:
        """Whether everything is the same with a copy of what a statement makes."""
        copied = self.run(Shift({made.site: np.zeros(0)}))
        return copied is not None and not self._differing(copied)

    def _differing(self, moved: Gradients) -> list[str]:
        """The gradients that are not what they are without a shift."""
        assert self.before is not None
        return [n for n, own in self.before.items() if not self.experiment.alike(own, moved.get(n))]

    @cached_property
    def _is_finite(self) -> bool:
        """Whether all gradients are finite: a value that is not, ``np.log(0)``, was masked before it came there."""
        return self.before is not None and all(np.all(np.isfinite(flat(g))) for g in self.before.values())

    @cached_property
    def suspects(self) -> list[Suspect]:
        """The statements that the wrong gradients depend on, in the order in which they ran."""
        found: list[Suspect] = []
        for made in self.made:
            if self.is_trusted(made.site) or (made.site.is_passed and self.is_before_loss(self._handed[made.site])):
                continue
            if isinstance(made.whole, str):  # what is printed, or a key
                continue
            if not made.is_finite and not self._is_finite:  # nothing is to be seen behind it
                return [Suspect(made, self.wrong, is_fixed=True)]
            is_moved = self.before is not None and made.entries and made.is_finite
            reach = self.reach(made) if is_moved else None
            if reach is None and made.site.is_passed:
                continue  # the statement that it stands in is open as well
            if not reach and self._is_compared(made.site):
                reach = None  # a little more or less is compared alike, and may be far from what it should be
            if reach is None or reach & self.wrong:
                found.append(Suspect(made, self.wrong if reach is None else reach, is_fixed=reach is None))
        return found

    def _is_compared(self, site: Site) -> bool:
        """Whether a statement makes what is compared and nothing else, or writes where something is so."""
        return site.target in compared_in(self.version.tree((site.file, site.definition))) or selects(site.statement)

    def wanted(self, suspect: Suspect) -> Shape | None:
        """The shape that a value should have: that of the one gradient that it is handed on as, if it has another."""
        if self.before is None or len(suspect.reach) != 1 or len(suspect.made.shapes) != 1:
            return None
        (name,) = suspect.reach
        is_whole = not self.experiment.has_shape(name, self.before)
        is_whole = is_whole and is_handed_on(suspect.made, self.before.get(name))
        return self.experiment.shapes[name] if is_whole else None

    def solved(self, suspect: Suspect) -> Suspect:
        """A suspect with what it should have made, of another shape perhaps, if that can be found."""
        if suspect.is_fixed:
            return suspect
        self._solve(suspect)
        if suspect.jacobian is None or suspect.shift is not None:
            return suspect
        found = next((s for s in self._grown(suspect) if s.shift is not None), None)
        into, own = suspect.made.into, suspect.made.shapes[0]
        is_one = len(own) == 1 and not suspect.made.is_complex
        if found is None and into is not None and is_one and own[0] != into and stretches(own[0], into):
            return replace(suspect, jacobian=None, grown=into)  # a value with all entries of that may do
        return found or suspect

    def _grown(self, suspect: Suspect) -> Iterator[Suspect]:
        """A statement whose value should have had another shape: one to which it can be broadcast."""
        made = suspect.made
        if len(made.shapes[0]) != 1 or len(set(made.shapes)) != 1 or made.is_complex:
            return
        own = made.shapes[0][0]
        for shape in sorted(real_shapes(self.made), key=np.prod):
            if shape != own and stretches(own, shape) and (np.prod(shape) <= GROWN or shape == made.into):
                values = [np.broadcast_to(value.reshape(own), shape).ravel() for value in made.values]
                larger = replace(made, values=values, shapes=[(shape,)] * len(values))
                yield self._solve(Suspect(larger, suspect.reach, grown=shape))

    def _hole(self, site: Site, shape: Shape, values: Sequence[Array]) -> Suspect | None:
        """A statement that stands for one that is missing, if it can be found what that should make."""
        if self.before is None or not values:
            return None
        made = Made(site, 0, list(values), [(shape,)] * len(values), passes=False)
        moved = self.run(Shift({site: self._nudge(made)}, {site: shape}))
        reach = frozenset() if moved is None else frozenset(self._differing(moved))
        suspect = self._solve(Suspect(made, reach, grown=shape, is_missing=True)) if reach & self.wrong else None
        return suspect if suspect is not None and suspect.shift is not None else None

    def _solve(self, suspect: Suspect) -> Suspect:
        """Fill in a suspect's Jacobian and, if there is one, the shift with which the gradients are right."""
        assert self.before is not None
        made, reach = suspect.made, suspect.reach
        names = tuple(n for n in self.experiment.shapes if self.experiment.has_shape(n, self.before) and n in reach)
        if not names or made.entries > LARGEST or made.entries * (self.fired + OF_RUN) > STEPS:
            return suspect
        suspect.names, moved = names, self._moved(suspect)
        if moved is None or not all(self.experiment.has_shape(name, moved) for name in names):
            return suspect
        contents = (*made.values, *(np.asarray(moved[name]) for name in names))
        twin = self._twins.setdefault((*(content.tobytes() for content in contents), suspect.grown), suspect)
        if twin is not suspect:  # what one hands on to the other moves the same
            suspect.jacobian, suspect.roughness, suspect.expected = twin.jacobian, twin.roughness, twin.expected
            suspect.shift, suspect.is_unique = twin.shift, twin.is_unique
            return suspect
        found = self._jacobian(suspect, moved)
        if found is None:
            return suspect
        suspect.jacobian = found
        rank = int(np.linalg.matrix_rank(found, tol=1e-9 * float(np.abs(found).max(initial=0.0))))
        suspect.is_unique = rank == np.count_nonzero(suspect.moving)
        suspect.roughness = LINEAR if self._is_linear(suspect) else CURVED
        suspect.shift = self._newton(suspect)
        return suspect

    def _moved(self, suspect: Suspect) -> Gradients | None:
        """The gradients with a small shift of all that a statement makes."""
        if suspect.grown is None and suspect.site in self._nudged:
            return self._nudged[suspect.site]
        return self.run(shift_of(suspect, self._nudge(suspect.made)))

    def _is_linear(self, suspect: Suspect) -> bool:
        """Whether the gradients are linear in what a statement makes, for steps as large as that."""
        assert self.before is not None
        assert suspect.jacobian is not None
        by = FAR / NUDGE * self._nudge(suspect.made)
        moved = self.run(shift_of(suspect, by))
        if moved is None or not all(self.experiment.has_shape(name, moved) for name in suspect.names):
            return False
        now, then = stacked(self.before, suspect.names), stacked(moved, suspect.names)
        scale = float((np.abs(suspect.jacobian) @ np.abs(by)).max(initial=0.0))
        return bool(np.abs(then - now - suspect.jacobian @ by).max(initial=0.0) <= LINEAR * scale)

    def _jacobian(self, suspect: Suspect, moved: Gradients) -> Array | None:
        """How gradients change with each entry of what a statement makes, given what a small shift of all changes."""
        assert self.before is not None
        by, names = self._nudge(suspect.made), suspect.names
        found = self._columns(suspect)
        if found is None or not np.all(np.isfinite(found)):
            return None
        off = np.abs(stacked(moved, names) - stacked(self.before, names) - found @ by)
        is_right = off.max(initial=0.0) <= CURVED * (np.abs(found) @ np.abs(by)).max(initial=0.0)
        return found if is_right else self._columns(suspect, is_whole=True)

    def _columns(self, suspect: Suspect, at: Array | None = None, is_whole: bool = False) -> Array | None:
        """The columns of the Jacobian, or of that with what a statement makes shifted; None where there is none."""
        made, names = suspect.made, suspect.names
        start = np.zeros(made.entries) if at is None else at
        before = self.before if at is None else self.run(shift_of(suspect, start))
        if before is None:
            return None
        step = STEP * self._size(made)

        def change(direction: Array) -> list[Array]:
            moved = self.run(shift_of(suspect, start + step * direction))
            if moved is None or not all(self.experiment.has_shape(name, moved) for name in names):
                raise UnshiftedError
            return [(np.asarray(moved[n], dtype=np.float64) - before[n]) / step for n in names]

        try:
            return jacobian(change, [shape for shapes in made.shapes for shape in shapes], is_whole)
        except UnshiftedError:
            return None

    def _newton(self, suspect: Suspect) -> Array | None:
        """The shift with which the gradients are right; None where there is none."""
        assert suspect.jacobian is not None
        names, found = suspect.names, suspect.jacobian
        shift: Array = np.zeros(suspect.made.entries)
        step: Array = shift
        now, was, last, slow = self.before, np.zeros(0), np.inf, 0
        for n in range(NEWTON):
            if now is None or not all(self.experiment.has_shape(name, now) for name in names):
                return None
            left = np.nan_to_num(stacked(self.experiment.truth, names) - stacked(now, names), nan=np.inf)
            slow, last = slow + bool(np.abs(left).max(initial=0.0) > last / 2), float(np.abs(left).max(initial=0.0))
            if n and suspect.roughness == CURVED:  # Broyden's update: what the last step has shown of the Jacobian
                found = found + np.outer(was - left - found @ step, step) / max(float(step @ step), 1e-300)
            if slow == SLOW or not np.all(np.isfinite(found)):
                return None
            shortest = np.linalg.lstsq(found, left, rcond=1e-9)[0]  # of all that do
            step, was = np.asarray(shortest, dtype=np.float64), left
            shift = shift + step
            watcher = shift_of(suspect, shift)
            now = self.run(watcher)
            if not self.experiment.wrong(now) & set(names):
                suspect.expected = watcher.seen[suspect.site]
                return shift
        return None


def selects(statement: ast.stmt) -> bool:
    """Whether a statement writes where something is so: ``d[x < 0] = 0``."""
    return any(isinstance(target, ast.Subscript) and any(isinstance(node, ast.Compare) for node in ast.walk(target))
               for target in targets_of(statement))  # fmt: skip


def shift_of(suspect: Suspect, by: Array) -> Shift:
    """What adds something to what a suspect makes, in the shape that this must have."""
    return Shift({suspect.site: by}, {} if suspect.grown is None else {suspect.site: suspect.grown})


def is_handed_out(made: Made, seen: Collection[bytes]) -> bool:
    """Whether all parts of what a statement makes last are among some values: a call, as of a function that gives the
    loss and its gradients."""
    return all(flat(part).tobytes() in seen for part in numbers(made.whole))
