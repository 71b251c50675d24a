"""Steps of a training on a mesh of devices, of one process or of several.

The gradient is that of ``shard``; the optimiser's arrays lie where the gradients do. A process has whole arrays only
where something is measured or kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..core.nesting import mapped
from ..layers.layer import Array
from ..optimisers import moved_by_adamw, unbiasing
from ..plans.gradients import value_and_grad
from ..sharding.processes import reporting
from ..sharding.report import Sharding, shard
from .loop import Reached, Snapshot, Task

SAMPLES = "b"
"""The letter of the samples in every task."""


def placed(
    task: Task, snapshot: Snapshot, mesh: Mapping[str, int], letters: Mapping[str, str] | None = None
) -> Sharding:
    """The gradient of a task on a mesh: the samples lie on its first axis, unless letters are given.

    Parameters
    ----------
    task : Task
    snapshot : Snapshot
        Of the shapes and dtypes that there will be.
    mesh : mapping of str to int
        The axes and how many devices there are along each.
    letters : mapping of letter to axis, optional

    Raises
    ------
    ShardingError
        See ``shard``.
    """
    found = shard(value_and_grad(task.loss), snapshot.parameters, *task.batch(0), mesh=mesh,
                  letters={SAMPLES: next(iter(mesh))} if letters is None else letters)  # fmt: skip
    assert isinstance(found, Sharding)
    return found


class MeshSteps:
    """Steps that JAX takes on a mesh.

    Parameters
    ----------
    task : Task
    snapshot : Snapshot
        Of the shapes and dtypes that there will be.
    sharding : Sharding
        The gradient of the task on the mesh: see ``placed``.

    Raises
    ------
    BackendError
        See ``Sharding.compile``.
    """

    def __init__(self, task: Task, snapshot: Snapshot, sharding: Sharding) -> None:
        self._function, self._decay = sharding.compile(), task.settings.decay
        self._order, self._moved = snapshot.parameters, None

    def gradient(self, reached: Reached, batch: Sequence[Array]) -> tuple[float, Any]:
        parameters, state = reached
        with reporting(f"step {state['steps'] + 1}"):
            value, gradient = self._function(parameters, *batch)
            return float(value), gradient

    def moved(self, reached: Reached, gradient: Any, rate: float) -> Reached:
        parameters, state = reached
        steps = state["steps"] + 1
        with reporting(f"step {steps}"), self._function.engine.running(()):
            parameters, mean, square = self._optimiser(gradient)(
                parameters, gradient, state["mean"], state["square"], rate, *unbiasing(steps))  # fmt: skip
        return parameters, {"steps": steps, "mean": mean, "square": square}

    def _optimiser(self, gradient: Any) -> Any:
        """The optimiser's step on the devices, each array where its gradient lies."""
        if self._moved is None:
            lying = mapped(lambda array: array.sharding, gradient)
            step = partial(moved_by_adamw, decay=self._decay)
            self._moved = self._function.engine.module.jit(step, out_shardings=(lying,) * 3)
        return self._moved

    def whole(self, nested: Any) -> Any:  # in the order of keys that the task has: JAX sorts them
        with reporting("gathering what was reached"):
            return mapped(lambda _, array: self._function.engine.returned(array), self._order, nested)
