"""What a compiled gradient costs, against the frameworks, on the same work: a loss and all its gradients.

    python tests/benchmarks/workloads.py [name ...]

times `eb.compile(eb.value_and_grad(loss), …)` of networks and layers as they stand in the package, with `reuse=True`
and without, beside PyTorch's eager autograd, `jax.jit(jax.value_and_grad)`, NumPy as people write it, and the matrix
products of the same shapes alone, which are the limit. It prints a table and writes it to `workloads.md`.

Contenders take turns in one process, on one thread; what is compared is the processor time of a call, so that others
at work on the machine do not count. A ratio is the median over rounds.
"""

import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import exercise
import numpy as np
from rivals import WORKLOADS, Workload

import einbackprop as eb

ROUNDS = 15
SECONDS = 0.03  # one timing lasts at least about this long
DTYPES = ["float32", "float64"]
CONTENDERS = ["reuse", "numpy", "torch", "jax", "gemm"]

# The allocator keeps memory, so that no rival pays for getting it from the kernel page by page.
ENVIRONMENT = exercise.ONE_THREAD | exercise.KEEP_MEMORY
ENVIRONMENT["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

Step = Callable[[], Any]


def steps_of(work: Workload, dtype: str) -> dict[str, Step]:
    """Each contender's step: it computes the loss and all gradients."""
    parameters, data = work.arguments(np.random.default_rng(0), dtype)
    gradient = eb.value_and_grad(work.loss)
    plans = {reuse: eb.compile(gradient, parameters, *data, reuse=reuse) for reuse in (False, True)}
    steps: dict[str, Step] = {
        "einbackprop": lambda: plans[False](parameters, *data),
        "reuse": lambda: plans[True](parameters, *data),
    }
    if work.numpy is not None:
        by_hand = work.numpy
        steps["numpy"] = lambda: by_hand(parameters, *data)
    if work.torch is not None and importlib.util.find_spec("torch"):
        steps["torch"] = torch_step(work.torch, parameters, data)
    if work.jax is not None and importlib.util.find_spec("jax"):
        steps["jax"] = jax_step(work.jax, parameters, data)
    products = [(np.ones(a, dtype), np.ones(b, dtype)) for a, b in work.products]
    outs = [np.empty_like(a @ b) for a, b in products]
    if products:
        steps["gemm"] = lambda: [np.matmul(a, b, out=out) for (a, b), out in zip(products, outs, strict=True)]
    return steps


def torch_step(loss: Callable[..., Any], parameters: list[Any], data: tuple[Any, ...]) -> Step:
    """A step of PyTorch: gradients by all parameters, fresh in each call."""
    import torch

    torch.set_num_threads(1)
    ps = [torch.tensor(p, requires_grad=True) for p in parameters]
    rest = [torch.tensor(d) if isinstance(d, np.ndarray) else d for d in data]

    def step() -> Any:
        value = loss(ps, *rest)
        return value.detach().numpy(), [g.numpy() for g in torch.autograd.grad(value, ps)]

    return step


def jax_step(loss: Callable[..., Any], parameters: list[Any], data: tuple[Any, ...]) -> Step:
    """A step of JAX, compiled."""
    import jax

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(jax.value_and_grad(loss))
    ps, rest = [jax.numpy.asarray(p) for p in parameters], [jax.numpy.asarray(d) for d in data]
    return lambda: jax.block_until_ready(compiled(ps, *rest))


def agree(found: Any, expected: Any, dtype: str) -> None:
    """Every contender computes the same."""
    tolerance = 2e-3 if dtype == "float32" else 1e-8
    for a, b in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype == dtype, (a.dtype, b.dtype)
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max(), np.abs(a - b).max() / np.abs(b).max()


def measure(work: Workload, dtype: str) -> dict[str, list[float]]:
    """Seconds of a step, for each contender and round."""
    steps = steps_of(work, dtype)
    expected = steps["einbackprop"]()
    counts = {}
    for name, step in steps.items():
        if name != "gemm":
            agree(step(), expected, dtype)
        once = min(seconds_of(step, 1) for _ in range(2))
        counts[name] = max(1, round(SECONDS / max(once, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            times[name].append(seconds_of(step, counts[name]))
    return times


def seconds_of(step: Step, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - start) / count


def row(work: Workload, dtype: str) -> str:
    """Microseconds of ours, then ours divided by each other's."""
    times = measure(work, dtype)
    ours, reuse = times["einbackprop"], times["reuse"]
    cells = [f"{1e6 * statistics.median(ours):.4g}"]
    cells.append(f"{ratio(reuse, ours):.2f}")
    for name in CONTENDERS[1:]:
        cells.append(f"{ratio(ours, times[name]):.2f} · {ratio(reuse, times[name]):.2f}" if name in times else "")
    return f"| {work.name} | {dtype} | {' | '.join(cells)} |"


def ratio(a: Iterable[float], b: Iterable[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def rows(names: list[str]) -> None:
    """Print the rows, as they come."""
    for work in WORKLOADS:
        if not names or any(name in work.name for name in names):
            for dtype in DTYPES:
                print(row(work, dtype), flush=True)


HEAD = """# What a compiled gradient costs

Written by `python tests/benchmarks/workloads.py`. The loss and all gradients, one thread, processor time, contenders
in turn in one process, medians of {rounds} rounds. First microseconds of `eb.compile(eb.value_and_grad(loss), …)`, and
what `reuse=True` takes of that; then ours divided by each other's time, without and with `reuse=True` (below 1: ours is
faster). `gemm` is the time of the matrix products alone.

Python {python}, NumPy {numpy}, {torch}, {jax}, {machine}.

| workload | dtype | µs | reuse | NumPy as written | PyTorch | jax.jit | gemm |
|---|---|---|---|---|---|---|---|
"""


def version(name: str) -> str:
    """A package and its version, if it is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    try:
        return f"{name} {of(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def main() -> None:
    """Write and print the table."""
    if os.environ.get("WORKLOADS_ROWS"):
        rows(sys.argv[1:])
        return
    head = HEAD.format(
        rounds=ROUNDS, python=platform.python_version(), numpy=np.__version__, torch=version("torch"),
        jax=version("jax"), machine=exercise.processor(),
    )  # fmt: skip
    print(head, end="", flush=True)
    environment = {**os.environ, **ENVIRONMENT, "WORKLOADS_ROWS": "1"}
    command = [sys.executable, __file__, *sys.argv[1:]]
    text = head
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            text += line
    if process.returncode == 0 and len(sys.argv) == 1:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
