"""Optimisers: functions from parameters, their gradients and a state to the next parameters and the next state.

Parameters are nested lists, tuples and dicts of arrays. Nothing is written to: what goes in stays as it was.

    sgd      v ← momentum v + g              w ← w - rate v
    adamw    m ← β1 m + (1 - β1) g           w ← w - rate (m / (1 - β1ⁿ) / (√(s / (1 - β2ⁿ)) + ε) + decay w)
             s ← β2 s + (1 - β2) g²          n counts the steps from 1
"""

from typing import Any

import numpy as np

from einbackprop.core.nesting import mapped

Nested = Any
State = dict[str, Any]
BETA1, BETA2 = 0.9, 0.999
"""What Adam keeps of its running means unless told otherwise (Kingma and Ba, 2014)."""


def start_sgd(parameters: Nested) -> State:
    """Return the state of `sgd` before its first step."""
    return {"velocity": mapped(np.zeros_like, parameters)}


def sgd(
    parameters: Nested, gradients: Nested, state: State, *, rate: float, momentum: float = 0.0
) -> tuple[Nested, State]:
    """Take one step of stochastic gradient descent with momentum (Polyak, 1964).

    Parameters
    ----------
    parameters, gradients
        Nested alike.
    state
        What `start_sgd` or the step before returned.
    rate
        The step's length. Momentum is what is kept of the velocity.

    Returns
    -------
    tuple
        The next parameters and the next state.
    """
    rate = float(rate)  # a number of NumPy's would widen float32
    velocity = mapped(lambda v, g: momentum * v + g, state["velocity"], gradients)
    return mapped(lambda w, v: w - rate * v, parameters, velocity), {"velocity": velocity}


def start_adamw(parameters: Nested) -> State:
    """Return the state of `adamw` before its first step."""
    return {"steps": 0, "mean": mapped(np.zeros_like, parameters), "square": mapped(np.zeros_like, parameters)}


def adamw(
    parameters: Nested,
    gradients: Nested,
    state: State,
    *,
    rate: float,
    beta1: float = BETA1,
    beta2: float = BETA2,
    epsilon: float = 1e-8,
    decay: float = 0.0,
) -> tuple[Nested, State]:
    """Take one step of Adam (Kingma and Ba, 2014), with decay of the weights apart (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    parameters, gradients
        Nested alike.
    state
        What `start_adamw` or the step before returned.
    rate
        The step's length.
    beta1, beta2
        What is kept of the running means of the gradient and of its square.
    epsilon
        Keeps the root away from 0.
    decay
        How much of each parameter goes at each step, times the rate.

    Returns
    -------
    tuple
        The next parameters and the next state.
    """
    steps = state["steps"] + 1
    scales = float(rate), *unbiasing(steps, beta1, beta2)  # a rate of NumPy's would widen float32
    parameters, mean, square = moved_by_adamw(parameters, gradients, state["mean"], state["square"], *scales,
                                              beta1=beta1, beta2=beta2, epsilon=epsilon, decay=decay)  # fmt: skip
    return parameters, {"steps": steps, "mean": mean, "square": square}


def unbiasing(steps: int, beta1: float = BETA1, beta2: float = BETA2) -> tuple[float, float]:
    """What the running means of `adamw` are multiplied by after so many steps, since they start from 0."""
    return 1 / (1 - beta1**steps), 1 / (1 - beta2**steps)


def moved_by_adamw(
    parameters: Nested, gradients: Nested, mean: Nested, square: Nested, rate: Any, unbias1: Any, unbias2: Any, *,
    beta1: float = BETA1, beta2: float = BETA2, epsilon: float = 1e-8, decay: float = 0.0,
) -> tuple[Nested, Nested, Nested]:  # fmt: skip
    """The next parameters and running means of `adamw`, of arrays of NumPy or of another engine; see `unbiasing`."""
    mean = mapped(lambda m, g: beta1 * m + (1 - beta1) * g, mean, gradients)
    square = mapped(lambda s, g: beta2 * s + (1 - beta2) * g * g, square, gradients)

    def moved(w: Any, m: Any, s: Any) -> Any:  # a root that every engine's arrays have
        return w - rate * (unbias1 * m / ((unbias2 * s) ** 0.5 + epsilon) + decay * w)

    return mapped(moved, parameters, mean, square), mean, square
