"""A task, what a network is trained to do, and the loop: a batch, its gradient, a step of AdamW.

Every gradient of a task is held against the loss itself, once, before it is trained with. Where a training is left it
can go on, and ends as if it had not stopped, to the last bit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import field, fields
from typing import Any, Protocol

import numpy as np

from einbackprop.core import nesting
from einbackprop.core.records import dataclass
from einbackprop.core.visible import shown
from einbackprop.errors import GradientError, OptionError
from einbackprop.layers.layer import Array
from einbackprop.layers.losses import cross_entropy
from einbackprop.networks import Parameters
from einbackprop.optimisers import State, adamw, start_adamw
from einbackprop.plans.compilation import compile as compiled
from einbackprop.plans.gradients import value_and_grad

Batches = Sequence[tuple[Array, Array]]


@dataclass(frozen=True)
class Task:
    """What to do.

    Attributes
    ----------
    name, unit
        ``digits`` of ``images``.
    settings
        A dataclass of numbers and words, with `learning_rate`, `decay` and `seed`: all that the task was made from.
    items
        How many units a step takes.
    steps, period
        How many steps there are, and after how many something is measured and kept.
    initialize
        Draws the parameters.
    loss
        Of parameters and a batch: one number.
    forward
        Of parameters and inputs: the logits, with the classes first.
    batch
        The arrays of a step's number. What is drawn for them depends on the seed and on that number alone, so that a
        training can go on where it was left.
    trained, held
        Inputs and labels of one shape that are measured after each period: some that are trained on, some held out.
    test
        All that is held out, for the end. Nothing is chosen by it.
    """

    name: str
    unit: str
    settings: Any
    items: int
    steps: int
    period: int
    initialize: Callable[[np.random.Generator], Parameters]
    loss: Callable[..., Any]
    forward: Callable[[Parameters, Array], Array]
    batch: Callable[[int], tuple[Array, ...]]
    trained: Batches
    held: Batches
    test: Batches


def measured(forward: Callable[[Parameters, Array], Array], parameters: Parameters, batches: Batches) -> Array:
    """Return the mean cross-entropy of batches of inputs and labels, and how often the likeliest class is the label."""
    loss, right, count = 0.0, 0, 0
    for inputs, label in batches:
        z = forward(parameters, inputs)
        loss += float(cross_entropy(z, label)) * len(label)
        right += int(np.sum(np.argmax(z, axis=0) == label))
        count += len(label)
    return np.array([loss / count, right / count])


def number(default: Any, least: float, most: float | None = None, limit: float = math.inf) -> Any:
    """A field of settings that is a number, or a tuple of numbers, between bounds; no machine goes to the limit."""
    return field(default=default, metadata={"least": least, "most": most, "limit": limit})


def require_bounds(settings: Any) -> None:
    """Refuse numbers outside their bounds, by the name of their option.

    Raises
    ------
    OptionError
    """
    for item in fields(settings):
        if "least" not in item.metadata:
            continue
        option = f"--{item.name.replace('_', '-')}"
        value, least, most = getattr(settings, item.name), item.metadata["least"], item.metadata["most"]
        for one in value if isinstance(value, tuple) else (value,):
            if not (least <= one and (most is None or one <= most)):  # nan is neither
                bounds = f"at least {least}" if most is None else f"from {least} to {most}"
                raise OptionError(f"{option} is {shown(one)}, but must be {bounds}")
            if one > item.metadata["limit"]:
                raise OptionError(f"{option} is {shown(one)}, but can be at most {item.metadata['limit']}")


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


Reached = tuple[Parameters, State]
"""Parameters, and where the optimiser is: arrays of NumPy, or those of whatever takes the steps."""


class Steps(Protocol):
    """What takes the steps of a training."""

    def gradient(self, reached: Reached, batch: Sequence[Array]) -> tuple[float, Any]:
        """The loss of a batch where a training is, and its gradient."""

    def moved(self, reached: Reached, gradient: Any, rate: float) -> Reached:
        """Where a training is after a step of this length."""

    def whole(self, nested: Any) -> Any:
        """Parameters, or one of the optimiser's means, in arrays of NumPy."""


class HostSteps:
    """Steps of NumPy's arrays in this process, by a compiled gradient.

    Parameters
    ----------
    task : Task
    snapshot : Snapshot
        Of the shapes and dtypes that there will be.
    """

    def __init__(self, task: Task, snapshot: Snapshot) -> None:
        self._decay = task.settings.decay
        self._gradient = compiled(value_and_grad(task.loss), snapshot.parameters, *task.batch(0), reuse=True)

    def gradient(self, reached: Reached, batch: Sequence[Array]) -> tuple[float, Any]:
        found: tuple[float, Any] = self._gradient(reached[0], *batch)
        return found

    def moved(self, reached: Reached, gradient: Any, rate: float) -> Reached:
        parameters, optimiser = reached
        return adamw(parameters, gradient, optimiser, rate=rate, decay=self._decay)

    def whole(self, nested: Any) -> Any:
        return nested


class Training:
    """A training under way.

    What it has reached changes in one assignment a step, so that an interruption at any moment finds it whole.

    Parameters
    ----------
    task : Task
    snapshot : Snapshot
        Where it begins.
    steps : Steps, optional
        What takes them; by default this process does, with NumPy.
    """

    def __init__(self, task: Task, snapshot: Snapshot, steps: Steps | None = None) -> None:
        self.task = task
        self.steps = HostSteps(task, snapshot) if steps is None else steps
        self.reached = snapshot.parameters, snapshot.optimiser
        self.losses = list(snapshot.losses)
        self.measures = list(snapshot.measures)
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
        value, gradient = self.steps.gradient(self.reached, self.task.batch(self.step))
        if not math.isfinite(value):
            raise OptionError(
                f"the loss is {value} at step {self.step}: --learning-rate {settings.learning_rate} is too large here"
            )
        now = rate(self.step, self.task.steps, settings.learning_rate)
        self.losses[self.step :] = [value]
        self.reached = self.steps.moved(self.reached, gradient, now)

    def measure(self) -> None:
        """Measure loss and accuracy, if that is due and not done."""
        if self.is_measured_here() and (not self.measures or self.measures[-1][0] < self.step):
            parameters = self.steps.whole(self.reached[0])
            parts = [measured(self.forward, parameters, data) for data in (self.task.trained, self.task.held)]
            self.measures.append(np.concatenate([[self.step], *parts]))

    def snapshot(self) -> Snapshot:
        """Return where the training is."""
        parameters, optimiser = self.reached
        means = {name: self.steps.whole(optimiser[name]) for name in ("mean", "square")}
        parameters, optimiser = self.steps.whole(parameters), optimiser | means
        step = int(optimiser["steps"])
        rows = [row for row in self.measures if row[0] <= step]
        return Snapshot(parameters, optimiser, np.array(self.losses[:step], float), np.array(rows).reshape(-1, 5))


def count(parameters: Any) -> int:
    """Return how many numbers the parameters are."""
    return sum(array.size for _, array in nesting.leaves(parameters))


STEP = 1e-30
WIDE, NARROW = 1e-9, 1e-3  # of the size of what is compared: float64 to the loss, float32 to float64
NUDGE = 0.05  # biases start at 0, where relu of a blank corner has a kink


def verify(task: Task) -> int:
    """Compare each gradient with the slope of the loss, and return how many there are.

    In float64 a complex step along a random direction in each array, L'(w)·v = Im L(w + ihv) / h (Squire and Trapp,
    1998), sees any entry that is wrong, and shares no code with what derives gradients. The compiled float32 function
    that training runs is then held against the float64 one.

    Raises
    ------
    GradientError
        If one is wrong.
    """
    rng = np.random.default_rng([task.settings.seed, 3])
    start = task.initialize(rng)
    narrow = narrowed(nesting.rebuild(start, lambda array: array + NUDGE * rng.standard_normal(array.shape)))
    batch = task.batch(0)
    parameters, data = widened(narrow), [widened(array) for array in batch]
    gradient = value_and_grad(task.loss)(parameters, *data)[1]
    trained = compiled(value_and_grad(task.loss), narrow, *batch)(narrow, *batch)[1]

    places = list(nesting.leaves(parameters))
    for path, array in places:
        direction = rng.standard_normal(array.shape)
        moved = nesting.replaced(parameters, path, array + 1j * STEP * direction)
        slope = task.loss(moved, *data).imag / STEP
        terms = nesting.get(gradient, path) * direction
        require_close(path, slope, np.sum(terms), WIDE * np.sum(abs(terms)))
        wide, used = nesting.get(gradient, path), nesting.get(trained, path)
        require_close(path, 0.0, np.linalg.norm(wide - used), NARROW * np.linalg.norm(wide))
    return len(places)


def widened(value: Any) -> Any:
    """The same numbers in float64; integers as they are."""
    return nesting.rebuild(value, lambda array: array.astype(float) if array.dtype.kind == "f" else array)


def require_close(path: nesting.Path, expected: Any, found: Any, tolerance: Any) -> None:
    """Refuse a gradient that is off."""
    if not abs(found - expected) <= tolerance:
        name = nesting.label("parameters", path)
        raise GradientError(f"the gradient by {name} is wrong: along a direction {found}, expected {expected}")
