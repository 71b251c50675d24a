"""The loop: a batch, its gradient, a step of AdamW.

Where a training is left it can go on, and ends as if it had not stopped, to the last bit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from einbackprop.core import nesting
from einbackprop.errors import OptionError
from einbackprop.layers.layer import Array
from einbackprop.networks import Parameters
from einbackprop.optimisers import State, adamw, start_adamw
from einbackprop.plans.compilation import compile as compiled
from einbackprop.plans.gradients import value_and_grad
from einbackprop.training.task import Task, measured

RISING = 20  # the rate rises for one of so many steps


@dataclass(frozen=True)
class Snapshot:
    """Where a training is.

    Attributes
    ----------
    parameters, optimiser
        After the last step that was completed.
    losses
        The loss of each step's batch.
    measures
        Rows of a step, then cross-entropy and accuracy on data trained on, then on data held out.
    """

    parameters: Parameters
    optimiser: State
    losses: Array
    measures: Array

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return int(self.optimiser["steps"])


def narrowed(parameters: Parameters) -> Parameters:
    """The parameters in float32, in which training runs."""
    narrow: Parameters = nesting.rebuild(parameters, lambda array: array.astype(np.float32))
    return narrow


def start(task: Task) -> Snapshot:
    """Return where a training starts."""
    parameters = narrowed(task.initialize(np.random.default_rng([task.settings.seed, 0])))
    return Snapshot(parameters, start_adamw(parameters), np.zeros(0), np.zeros((0, 5)))


def rate(step: int, steps: int, highest: float) -> float:
    """Return a step's learning rate: it rises evenly, then falls to 0 along a cosine."""
    return highest * min(1, RISING * (step + 1) / steps) * (1 + math.cos(math.pi * step / steps)) / 2


class Training:
    """A training under way.

    What it has reached changes in one assignment a step, so that an interruption at any moment finds it whole.
    """

    def __init__(self, task: Task, snapshot: Snapshot) -> None:
        self.task = task
        self.reached = snapshot.parameters, snapshot.optimiser
        self.losses = list(snapshot.losses)
        self.measures = list(snapshot.measures)
        self.gradient = compiled(value_and_grad(task.loss), snapshot.parameters, *task.batch(0), reuse=True)
        self.forward = compiled(task.forward, snapshot.parameters, task.held[0][0])

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return int(self.reached[1]["steps"])

    def run(self, observe: Callable[["Training"], None], keep: Callable[[Snapshot], None]) -> None:
        """Take the steps that are left.

        Parameters
        ----------
        observe
            Called after each step.
        keep
            Called with where the training is, after each period and at the end.
        """
        self.measure()  # which an interruption may have left out
        while not self.is_over():
            self.advance()
            observe(self)
            if self.is_measured_here():
                self.measure()
                keep(self.snapshot())

    def is_over(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.task.steps

    def is_measured_here(self) -> bool:
        """Whether a period begins or ends here, or all of it ends."""
        return self.step % self.task.period == 0 or self.is_over()

    def advance(self) -> None:
        """Take one step.

        Raises
        ------
        OptionError
            The loss is no finite number any more.
        """
        settings = self.task.settings
        parameters, optimiser = self.reached
        value, gradient = self.gradient(parameters, *self.task.batch(self.step))
        if not math.isfinite(value):
            raise OptionError(
                f"the loss is {value} at step {self.step}: --learning-rate {settings.learning_rate} is too large here"
            )
        now = rate(self.step, self.task.steps, settings.learning_rate)
        self.losses[self.step :] = [value]
        self.reached = adamw(parameters, gradient, optimiser, rate=now, decay=settings.decay)

    def measure(self) -> None:
        """Measure loss and accuracy, if that is due and not done."""
        if self.is_measured_here() and (not self.measures or self.measures[-1][0] < self.step):
            parameters = self.reached[0]
            parts = [measured(self.forward, parameters, data) for data in (self.task.trained, self.task.held)]
            self.measures.append(np.concatenate([[self.step], *parts]))

    def snapshot(self) -> Snapshot:
        """Return where the training is."""
        parameters, optimiser = self.reached
        step = int(optimiser["steps"])
        rows = [row for row in self.measures if row[0] <= step]
        return Snapshot(parameters, optimiser, np.array(self.losses[:step], float), np.array(rows).reshape(-1, 5))


def count(parameters: Any) -> int:
    """Return how many numbers the parameters are."""
    return sum(array.size for _, array in nesting.leaves(parameters))
