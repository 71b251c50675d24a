"""What a workload is, and what is timed beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Arguments = tuple[list[Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Rival:
    """A loss in PyTorch or JAX.

    `enter` brings the arguments to the layout that the rival likes best, before the clock starts, and `leave` brings
    its gradients to ours, to compare them.
    """

    loss: Callable[..., Any]
    enter: Callable[[list[Any], tuple[Any, ...]], Arguments] = lambda parameters, data: (parameters, data)
    leave: Callable[[list[Any]], list[Any]] = list


Targets = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Workload:
    """A loss with its arguments: `loss(parameters, *data)`, to be differentiated by every parameter.

    Attributes
    ----------
    name, arguments, loss
    by_hand : dict of name to step
        Contenders in NumPy: `step(parameters, *data)` returns the loss and the gradients.
    torch, jax : dict of name to Rival
    products : sequence of pairs of shapes
        The matrix products in one step: nothing can be faster than those alone.
    targets : dict of contender to two numbers
        At most which ratio is wanted, in float32 and in float64.
    native_targets : dict of contender to two numbers
        The same of plans with native loops (``backend="numba"``), which are measured where there are such targets.
    """

    name: str
    arguments: Callable[[np.random.Generator, str], Arguments]
    loss: Callable[..., Any]
    by_hand: dict[str, Callable[..., Any]] = field(default_factory=dict)
    torch: dict[str, Rival] = field(default_factory=dict)
    jax: dict[str, Rival] = field(default_factory=dict)
    products: tuple[tuple[Shape, Shape], ...] = ()
    targets: Targets = field(default_factory=dict)
    native_targets: Targets = field(default_factory=dict)


def normal(rng: np.random.Generator, dtype: str, *shapes: Shape) -> list[Any]:
    return [(0.3 * rng.standard_normal(shape)).astype(dtype) for shape in shapes]


def thrice(m: int, k: int, n: int, *batch: int, times: int = 1) -> list[tuple[Shape, Shape]]:
    """A product forward, and its two transposes backward."""
    return [
        ((*batch, m, k), (*batch, k, n)), ((*batch, m, n), (*batch, n, k)), ((*batch, k, m), (*batch, m, n)),
    ] * times  # fmt: skip
