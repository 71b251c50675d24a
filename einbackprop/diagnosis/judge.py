"""The judge of repairs: whether every gradient is right, at every state, with the user's source changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from einbackprop.diagnosis.experiments import Array, Experiment
from einbackprop.diagnosis.versions import Version


class Roles(Protocol):
    """What values are gradients of, as far as that is known."""

    def is_gradient(self, value: Array) -> bool:
        """Whether an array is the gradient of some value of the loss, whatever the order of its axes."""

    def promised(self, name: str, value: Array) -> bool | None:
        """Whether an array is what its name says, as ``dz`` says the gradient of z; None where it says nothing."""


class Judge:
    """Runs versions of the user's source at several states.

    Parameters
    ----------
    experiments : sequence of Experiment
        At the first state just the wrong gradients are wrong.
    roles : Roles

    Attributes
    ----------
    runs : bool
        Whether what was tried last gave gradients of the right shapes.
    wrong : frozenset of str
        The gradients that were wrong with it at the first state.
    """

    def __init__(self, experiments: Sequence[Experiment], roles: Roles) -> None:
        self.experiments, self.first, self.roles = list(experiments), experiments[0], roles
        self.runs, self.wrong = False, frozenset(self.first.truth)

    def works(self, version: Version) -> bool:
        """Whether every gradient is right at every state."""
        self.runs, self.wrong = False, frozenset(self.first.truth)
        try:
            with version.running():
                first = self.first.run()
                self.runs = first is not None and all(self.first.has_shape(n, first) for n in self.first.truth)
                self.wrong = self.first.wrong(first)
                right = not self.wrong and all(not e.wrong(e.run()) for e in self.experiments[1:])
                return right and self.first.keeps_loss()
        except ValueError:  # it does not compile there
            return False

    def left(self, version: Version) -> frozenset[str] | None:
        """The gradients that are wrong at the first state; None if the loss is no longer what it was."""
        try:
            with version.running():
                wrong = self.first.wrong(self.first.run())
                return wrong if self.first.keeps_loss() else None
        except ValueError:  # it does not compile there
            return None
