"""What each layer of the catalogue costs: forward and vjp, and what a step of training does, timed beside PyTorch.

    PYTHONPATH=tests python tests/benchmarks/layers.py

runs both interleaved in one process at one thread, prints the table and writes it to `layers.md`. Needs PyTorch.
"""

import inspect
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layers_torch
import numpy as np
import torch
from exercise import ONE_THREAD, processor
from layers_cases import CONVOLUTIONS, POINTWISE, POOLING, Case, case_of, pointwise_case

from einbackprop.core import nesting
from einbackprop.layers import CATALOGUE
from einbackprop.optimisers import adamw, mapped
from einbackprop.plans.compilation import compile as compiled
from einbackprop.plans.gradients import value_and_grad
from einbackprop.training.characters import TextSettings, text_of, text_task
from einbackprop.training.digits import DEFAULTS, DigitsSettings, digits_task
from einbackprop.training.loop import Task, start

ROUNDS = 21
SECONDS = 0.01  # one timing lasts about this long

# A size for each letter: what a small network has.
SIZES = {
    "linear": {"i": 256, "j": 256, "b": 64},
    "softmax": {"k": 100, "b": 256},
    "log softmax": {"k": 100, "b": 256},
    "half squared error": {"k": 100, "b": 256},
    "cross-entropy": {"k": 100, "b": 256},
    "soft cross-entropy": {"k": 100, "b": 256},
    "binary cross-entropy": {"k": 100, "b": 256},
    "batch norm": {"k": 256, "b": 256},
    "layer norm": {"b": 8, "t": 64, "k": 128},
    "RMS norm": {"b": 8, "t": 64, "k": 128},
    "group norm": {"b": 8, "g": 4, "c": 16, "p": 64},
    "embedding": {"v": 256, "e": 128, "b": 8, "t": 64},
    "convolution 1d": {"b": 8, "g": 1, "i": 32, "p": 64, "o": 32, "r": 3},
    "convolution 2d": {"b": 16, "g": 1, "i": 16, "p": 16, "q": 16, "o": 32, "r": 3, "t": 3},
    "average pooling": {"b": 16, "g": 1, "i": 32, "p": 16, "q": 16},
    "max pooling": {"b": 16, "g": 1, "i": 32, "p": 16, "q": 16},
    "RNN": {"t": 32, "j": 64, "b": 16, "i": 64, "g": 64},
    "LSTM": {"t": 32, "j": 64, "b": 16, "i": 64, "g": 64},
    "GRU": {"t": 32, "j": 64, "b": 16, "i": 64, "g": 64},
    "attention": {"b": 8, "h": 4, "t": 64, "s": 64, "d": 32},
    "multi-head attention": {"b": 8, "h": 4, "t": 64, "d": 32, "e": 128, "f": 128, "s": 64},
    "rotary position": {"b": 8, "h": 4, "t": 64, "w": 16},
    "feed-forward": {"b": 8, "t": 64, "e": 128, "f": 512},
    "transformer block": {"b": 8, "t": 64, "e": 128, "h": 4, "d": 32, "f": 512, "s": 64},
}


def case(name: str) -> Any:
    """A layer's arguments in float32."""
    rng = np.random.default_rng(0)
    if name in POINTWISE:
        return pointwise_case(name, (256, 256), rng).cast(np.float32)
    settings = {"padding": 1} if name in CONVOLUTIONS else {"size": 2, "stride": None} if name in POOLING else {}
    drawn: Case = case_of(name, SIZES[name], settings, rng).cast(np.float32)
    return drawn


def contenders(case: Any) -> dict[str, Callable[[], Any]]:
    """Forward and vjp of one layer, as it stands and by PyTorch."""
    layer = case.layer
    names = list(inspect.signature(layer.forward).parameters)
    takes = inspect.signature(layer.vjp).parameters

    def ours() -> Any:
        outputs = case.forward()
        needed = [output for output, name in zip(outputs, layer.outputs, strict=True) if name in takes]
        return layer.vjp(*case.cotangents, *case.arguments, *needed, **case.settings)

    given = layers_torch.tensors(case.arguments, needs_gradient=True)
    cotangents = layers_torch.tensors(case.cotangents, needs_gradient=False)
    wrt = [given[names.index(name)] for name in layer.wrt]
    leaves = [leaf for item in wrt for leaf in (item if isinstance(item, list) else [item])]

    def pytorch() -> Any:
        outputs = layers_torch.LAYERS[case.name](*given, **case.settings)
        return torch.autograd.grad(outputs if isinstance(outputs, tuple) else (outputs,), leaves, cotangents)

    return {"ours": ours, "pytorch": pytorch}


def tasks() -> dict[str, Callable[[], Task]]:
    """What ``einbackprop train`` trains, by the name of the network."""

    def text() -> Task:
        return text_task(TextSettings(), text_of(None))

    return {
        "mlp": lambda: digits_task(DigitsSettings(network="mlp", **DEFAULTS["mlp"])),
        "convnet": lambda: digits_task(DigitsSettings()),
        "gpt": text,
    }


def steps(name: str) -> dict[str, Callable[[], Any]]:
    """One step of training on one batch: the gradient and AdamW, by ours and by PyTorch."""
    task = tasks()[name]()
    first, batch, rate = start(task), task.batch(0), 1e-4
    gradient = compiled(value_and_grad(task.loss), first.parameters, *batch, reuse=True)
    state = [first.parameters, first.optimiser]

    def ours() -> Any:
        _, cotangents = gradient(state[0], *batch)
        state[:] = adamw(state[0], cotangents, state[1], rate=rate)

    given = mapped(lambda array: torch.tensor(array, requires_grad=True), first.parameters)
    inputs, label = map(torch.tensor, batch)
    optimiser = torch.optim.AdamW([leaf for _, leaf in nesting.leaves(given)], lr=rate, weight_decay=0.0)

    def pytorch() -> Any:
        z = layers_torch.NETWORKS[name](given, inputs)
        loss = torch.nn.functional.cross_entropy(z.T, label.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return {"ours": ours, "pytorch": pytorch}


def seconds_of(run: Callable[[], Any], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - start) / calls


def row(name: str, what: str, runs: dict[str, Callable[[], Any]]) -> str:
    """Microseconds of both, and the median of the ratios."""
    calls: dict[str, int] = {}
    for key, run in runs.items():
        run()  # plans are made
        calls[key] = max(1, round(SECONDS / seconds_of(run, 1)))
    times: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS):
        for key, run in runs.items():
            times[key].append(seconds_of(run, calls[key]))
    ratio = statistics.median(a / b for a, b in zip(times["ours"], times["pytorch"], strict=True))
    micro = {key: 1e6 * statistics.median(values) for key, values in times.items()}
    return f"| {name} | {what} | {micro['ours']:.0f} | {micro['pytorch']:.0f} | {ratio:.2f} |"


def all_rows() -> str:
    torch.set_num_threads(1)
    return "\n".join(row(name, sizes(name), contenders(case(name))) for name in CATALOGUE)


def sizes(name: str) -> str:
    """The sizes that a layer is timed at."""
    return "".join(f" {letter}{size}" for letter, size in SIZES.get(name, {"": "256·256"}).items()).strip()


def all_steps() -> str:
    torch.set_num_threads(1)
    return "\n".join(row(name, f"{task().items} {task().unit}", steps(name)) for name, task in tasks().items())


def table(rows: str) -> str:
    """The rows that a function here makes, in a process of its own: the number of threads is read at its start."""
    command = [sys.executable, "-c", f"import {Path(__file__).stem} as b; print(b.{rows}())"]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": path}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Write and print the table."""
    text = f"""# Each layer of the catalogue beside PyTorch

Written by `PYTHONPATH=tests python tests/benchmarks/layers.py`.

Forward and vjp in float32, one thread, interleaved in one process; microseconds of processor time, medians of {ROUNDS}
rounds. The ratio is the median of ours to PyTorch's (below 1: faster). PyTorch's LSTM is called once a step, since it
returns the last cell only and ours returns them all.

Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__.split("+")[0]}, {processor()}.

| layer | sizes | ours, µs | PyTorch, µs | ratio |
|---|---|---|---|---|
{table("all_rows")}
## A step of training

What `einbackprop train` does on its defaults, on one batch: the loss, all gradients, AdamW. Ours is
`eb.compile(eb.value_and_grad(loss), …, reuse=True)` and `optimisers.adamw`, PyTorch's is eager.

| network | batch | ours, µs | PyTorch, µs | ratio |
|---|---|---|---|---|
{table("all_steps")}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
