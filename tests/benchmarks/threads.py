"""Two threads: a process for each contender, since waiting threads of one library disturb another."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

WORKLOADS = [
    "exercise 1024-2048-2048-1024 b512", "attention b8 h8 t128 d64", "GPT block d256 t128 b8",
    "softmax cross-entropy 1024×8192", "LSTM T32 b32 h128", "conv 3×3 16→32 28×28 b64", "layer norm 4096×768",
]  # fmt: skip
CONTENDERS = ["ours", "PyTorch", "jax.jit"]
FUSED = {"LSTM T32 b32 h128": "nn.LSTM"}
"""What PyTorch has in one call where its eager operations are many."""
ENGINES = {"ours with numba": "numba", "ours in JAX": "jax", "ours in PyTorch": "torch"}
PRODUCTS = "products alone"
"""NumPy's matrix products of the same shapes and nothing else: what a plan on them can reach."""
ROUNDS = 7
SECONDS = 0.2  # one timing


def environment(threads: int) -> dict[str, str]:
    """That of a process in which every library has so many threads."""
    counts = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    flags = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} intra_op_parallelism_threads={threads}"
    return {**os.environ, **counts, "XLA_FLAGS": flags, "WORKLOADS_THREADS": str(threads)}


def measured(name: str, contender: str) -> None:
    """Print the seconds of a step: the median of some rounds, by the clock on the wall."""
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, processors[: int(os.environ["WORKLOADS_THREADS"])])
    import measuring
    import numpy as np
    import rivals

    import einbackprop as eb

    work = next(w for w in rivals.WORKLOADS if w.name == name)
    parameters, data = work.arguments(np.random.default_rng(0), "float32")
    if contender in work.torch:
        step = measuring.torch_step(work.torch[contender], parameters, data)
    elif contender == "jax.jit":
        step = measuring.jax_step(work.jax[contender], parameters, data)
    elif contender == PRODUCTS:
        step = measuring.products_of(work, "float32")
    elif contender in ENGINES:
        step = engine_step(ENGINES[contender], eb.value_and_grad(work.loss), parameters, data)
    else:
        plan = eb.compile(eb.value_and_grad(work.loss), parameters, *data, reuse=True)

        def step() -> object:
            return plan(parameters, *data)

    step()
    start = time.perf_counter()
    step()
    count = max(1, round(SECONDS / (time.perf_counter() - start)))
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            step()
        rounds.append((time.perf_counter() - start) / count)
    print(statistics.median(rounds))


def engine_step(backend: str, gradient: Any, parameters: list[Any], data: tuple[Any, ...]) -> Callable[[], Any]:
    """A step of our gradient on an engine, from its own arrays to its own."""
    import numpy as np

    import einbackprop as eb

    plan = eb.compile(gradient, parameters, *data, backend=backend, reuse=backend == "numba")
    if backend == "numba":
        return lambda: plan(parameters, *data)
    if backend == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        own = jax.tree.map(lambda a: jax.numpy.asarray(a) if isinstance(a, np.ndarray) else a, (parameters, *data))
        return lambda: jax.block_until_ready(plan(*own))
    import torch

    torch.set_num_threads(int(os.environ["WORKLOADS_THREADS"]))
    rest = [torch.from_numpy(d) if isinstance(d, np.ndarray) else d for d in data]
    first = [torch.from_numpy(p) for p in parameters]
    return lambda: plan(first, *rest)


def seconds(name: str, contender: str, threads: int) -> float:
    """What a process measured."""
    command = [sys.executable, __file__, name, contender]
    return float(subprocess.run(command, env=environment(threads), check=True, capture_output=True, text=True).stdout)


def rows() -> Iterator[str]:
    """Our time beside the others', on one thread and on two."""
    yield "\n## One thread and two\n\nA process for each, pinned to as many processors; float32, `reuse=True`; time by"
    yield "the clock, in ms, so that others at work on the machine do count: where they were, two threads of a library"
    yield "waited for one another, the more the smaller the products.\n"
    yield "| workload | threads | ours | PyTorch | jax.jit | ours / PyTorch | ours / jax.jit |"
    yield "|---|---|---|---|---|---|---|"
    for name in WORKLOADS:
        for threads in (1, 2):
            taken = [1e3 * seconds(name, contender, threads) for contender in CONTENDERS]
            cells = [f"{t:.3g}" for t in taken] + [f"{taken[0] / other:.2f}" for other in taken[1:]]
            yield f"| {name} | {threads} | {' | '.join(cells)} |"


if __name__ == "__main__":
    measured(*sys.argv[1:])
