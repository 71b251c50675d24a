"""Run by tests in processes of their own: steps of two networks in float64 on a mesh; the losses are printed as JSON.

    python mesh_trainings.py MESH LETTERS STEPS [K N HOST:PORT]

MESH and LETTERS are JSON, of LETTERS a list of one for each network.
"""

import json
import sys
from dataclasses import replace

import numpy as np

from einbackprop.optimisers import start_adamw
from einbackprop.sharding.processes import join
from einbackprop.training.characters import Text, TextSettings, encoded, text_task
from einbackprop.training.digits import DigitsSettings, digits_task
from einbackprop.training.loop import HostSteps, Snapshot, Steps, Task, Training, start, widened
from einbackprop.training.meshes import MeshSteps, placed


def text() -> Text:
    """Some text."""
    drawn = np.random.default_rng(0).choice([*"abcdefgh "], 400)
    return encoded("drawn", "".join(drawn))


def tasks(steps: int) -> list[Task]:
    """The networks: an MLP, and a GPT of two blocks."""
    narrow = [digits_task(DigitsSettings("mlp", hidden=(24, 16), batch=16)),
              text_task(TextSettings(context=8, features=16, batch=8), text())]  # fmt: skip
    return [replace(task, steps=steps, period=steps + 1, batch=wide(task)) for task in narrow]


def wide(task: Task):  # type: ignore[no-untyped-def]
    """The batches of a task in float64."""
    return lambda step: tuple(widened(array) for array in task.batch(step))


def beginning(task: Task) -> Snapshot:
    """Where a task starts, in float64."""
    parameters = widened(start(task).parameters)
    return Snapshot(parameters, start_adamw(parameters), np.zeros(0), np.zeros((0, 5)))


def losses(task: Task, steps: Steps) -> list[float]:
    """The loss of each step, and then the sum of all that was reached."""
    training = Training(task, beginning(task), steps)
    while not training.is_over():
        training.advance()
    reached = training.snapshot().parameters
    return [*training.losses, float(sum(np.abs(array).sum() for array in arrays(reached)))]


def arrays(nested):  # type: ignore[no-untyped-def]
    """The arrays in nested lists and dicts."""
    inner = nested.values() if isinstance(nested, dict) else nested if isinstance(nested, list | tuple) else None
    return [nested] if inner is None else [array for part in inner for array in arrays(part)]


def on_host(steps: int) -> list[list[float]]:
    """The losses of one process with NumPy."""
    return [losses(task, HostSteps(task, beginning(task))) for task in tasks(steps)]


if __name__ == "__main__":
    mesh, letters, steps = json.loads(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 4:
        join(sys.argv[6], int(sys.argv[4]), int(sys.argv[5]))
    found = [losses(task, MeshSteps(task, beginning(task), placed(task, beginning(task), mesh, some)))
             for task, some in zip(tasks(steps), letters, strict=True)]  # fmt: skip
    print(json.dumps(found))
