"""The judge of repairs: whether every gradient is right, at every state, with the user's source changed."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Protocol

import numpy as np

from einbackprop.checking.problems import place_of
from einbackprop.core.source import statements_of
from einbackprop.diagnosis.experiments import Array, Experiment, Gradients, limited
from einbackprop.diagnosis.hooks import Watcher
from einbackprop.diagnosis.versions import Version

LINE_FACTOR, LINE_SLACK = 20, 100_000
"""Edited code may run so many times the lines of the longest run of the user's, and so many besides, at all states
together."""
RUN, EDIT = 200, 50
"""What a run of the gradients takes besides its lines, and an edit that is evaluated, in lines: as long as so many."""
LONG = 1_300_000
"""Lines after which no search for rarer mistakes, two at once, or another one begins: 3 to 8 seconds. They are counted,
so that the same mistakes are found on a slow machine."""
LONGEST = 2_000_000
"""Lines after which not even two mistakes on one way are looked for."""


class Roles(Protocol):
    """What values are gradients of, as far as that is known."""

    def is_gradient(self, value: Array) -> bool:
        """Whether an array is the gradient of some value of the loss, whatever the order of its axes."""

    def is_value(self, value: Array) -> bool:
        """Whether an array is a value of the loss or the gradient of one, whatever the order of its axes."""

    def promised(self, name: str, value: Array) -> bool | None:
        """Whether an array is what its name says, as ``dz`` says the gradient of z; None where it says nothing."""

    def is_target(self, name: str) -> bool:
        """Whether a name says the gradient of what gradients are wanted of."""

    def wanted(self, name: str, shape: tuple[int, ...]) -> list[Array]:
        """The arrays of a shape that a name says: the gradients of what is called so."""

    def breaks(self, name: str, value: Array, is_one_of_several: bool = False) -> bool:
        """Whether an array is not the gradient that its name says, nor anything else that is known."""

    def expressions(self, wanted: Array, at_hand: Mapping[str, Array], numpy: str) -> Iterator[ast.expr]:
        """Expressions of arrays at hand that give an array, by the derivative of the loss."""


class Judge:
    """Runs versions of the user's source at several states.

    Parameters
    ----------
    experiments : sequence of Experiment
        At the first state just the wrong gradients are wrong.
    roles : Roles
    larger : sequence of Experiment, optional
        More of them, at sizes for which the code may not be meant.

    Attributes
    ----------
    is_for_own_sizes : bool
        Whether something was right everywhere but at these larger sizes.
    runs : bool
        Whether what was tried last gave gradients of the right shapes.
    wrong : frozenset of str
        The gradients that were wrong with it at the first state.
    keeps_shapes : bool
        Whether none had an axis of size 1 more or less there that it had not before.
    lines : int
        How many lines gradients may run with an edit: far more than they run without.
    edits : int
        How many edits were evaluated.
    """

    def __init__(
        self, experiments: Sequence[Experiment], roles: Roles, larger: Sequence[Experiment] = ()
    ) -> None:
        self.experiments, self.first, self.roles = [*experiments, *larger], experiments[0], roles
        self.is_for_own_sizes, self._own = False, len(experiments)
        self.runs, self.wrong, self.keeps_shapes = False, frozenset(self.first.shapes), False
        self._lengths = [*map(length_of, self.experiments)]
        self.lines, self.edits = LINE_FACTOR * max(self._lengths) + LINE_SLACK, 0
        self._began = self._work
        self._errors = [repr(e.raised) for e in self.experiments]
        self._stopped = None if self.first.raised is None else place_of(self.first.raised)

    @property
    def is_late(self) -> bool:
        """Whether the search has taken long."""
        return self._work - self._began > LONG

    @property
    def is_latest(self) -> bool:
        """Whether it has taken longer still."""
        return self._work - self._began > LONGEST

    @property
    def _work(self) -> int:
        """All that was run and evaluated so far, in lines."""
        runs = zip(self.experiments, self._lengths, strict=True)
        return sum(each.runs * (RUN + length) for each, length in runs) + EDIT * self.edits

    @contextlib.contextmanager
    def running(self, version: Version) -> Iterator[None]:
        """Run a version, for as many lines as an edit may need. Raises ValueError if it does not compile there."""
        with version.running(), limited(self.lines):
            yield

    def gradients(self, version: Version, watcher: Watcher) -> Gradients | None:
        """The gradients of a version at the first state, watched; None where they raise, or it does not compile."""
        try:
            with version.watched_by(watcher), limited(self.lines):
                return self.first.run()
        except ValueError:  # it does not compile there
            return None

    def works(self, version: Version) -> bool:
        """Whether every gradient is right at every state."""
        self.runs, self.wrong, self.keeps_shapes = False, frozenset(self.first.shapes), False
        try:
            with self.running(version):
                first = self.first.run()
                self.runs = first is not None and all(self.first.has_shape(n, first) for n in self.first.shapes)
                self.wrong = self.first.wrong(first)
                self.keeps_shapes = first is not None and self.first.keeps_shapes(first)
                if self.wrong or not self.first.keeps_loss():
                    return False
                others = map(partial(self._is_right, version), self.experiments[1:], self._errors[1:])
                right, own, all_ = 1 + sum(takewhile(bool, others)), self._own, len(self.experiments)
                self.is_for_own_sizes |= own <= right < all_  # at the user's sizes, and not at a larger one
                return right == all_
        except ValueError:  # it does not compile there
            return False

    def _is_right(self, version: Version, experiment: Experiment, error: str) -> bool:
        """Whether every gradient is right at another state, or the state says nothing.

        It says nothing where the code stops as it did without the edit, since its sizes may be none that the code
        takes; and, of code that stopped at the user's own sizes too, where it stops at another statement now (what is
        needed from there on was not known when sizes were chosen), or in a function or class that was not edited.
        """
        if not experiment.wrong(experiment.run()):
            return True
        raised = experiment.raised
        if raised is None or self._stopped is None:
            return raised is not None and repr(raised) == error
        file, line, _ = self._stopped
        position = statements_of(file).position(line)
        is_edited = position is not None and version.is_edited((file, position))
        return repr(raised) == error or place_of(raised) != self._stopped or not is_edited

    def left(self, version: Version) -> frozenset[str] | None:
        """The gradients that are wrong at the first state; None if the loss is no longer what it was."""
        try:
            with self.running(version):
                wrong = self.first.wrong(self.first.run())
                return wrong if self.first.keeps_loss() else None
        except ValueError:  # it does not compile there
            return None


def length_of(experiment: Experiment) -> int:
    """How many lines the gradients run."""
    with limited(np.inf) as ran:
        experiment.run()
    return ran()
