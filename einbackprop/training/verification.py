"""Every gradient of a task held against the loss itself, once, before it is trained with."""

from typing import Any

import numpy as np

from einbackprop.core import nesting
from einbackprop.errors import GradientError
from einbackprop.plans.compilation import compile as compiled
from einbackprop.plans.gradients import value_and_grad
from einbackprop.training.loop import narrowed
from einbackprop.training.task import Task

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
