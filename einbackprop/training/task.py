"""A task: what a network is trained to do, in the form in which `loop` does it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from einbackprop.core.visible import shown
from einbackprop.errors import OptionError
from einbackprop.layers.layer import Array
from einbackprop.layers.losses import cross_entropy
from einbackprop.networks import Parameters

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
