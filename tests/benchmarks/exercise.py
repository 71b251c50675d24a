"""What index notation costs: forward and backward of the exercise's network, timed.

    python tests/benchmarks/exercise.py

compares, interleaved in one process at one thread, a matmul style of the same network with
`einbackprop.network` as it stands, on np.einsum, and on opt_einsum.contract. It prints the tables
and writes them to `exercise.md`.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import opt_einsum

from einbackprop import network

SIZES = [(3, 4, 4, 2, 5), (64, 128, 128, 10, 32), (784, 512, 512, 10, 128)]
DTYPES = ["float64", "float32"]
ROUNDS = 41  # in each, every contender is timed once, in turn
SECONDS = 0.02  # one timing lasts about this long

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# By default glibc gives large arrays back at once, and gets them anew from the kernel, page by
# page: that can cost as much as what is computed in them.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}


def matmul_sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def matmul_deriv_loss(predictions: Any, targets: Any) -> Any:
    return (predictions - targets) / targets.shape[-1]


def matmul_forward(parameters: list[Any], X: Any) -> list[Any]:
    W1, b1, W2, b2, W3, b3 = parameters
    hid_1 = matmul_sigmoid(W1 @ X + b1[:, np.newaxis])
    hid_2 = matmul_sigmoid(W2 @ hid_1 + b2[:, np.newaxis])
    return [X, hid_1, hid_2, W3 @ hid_2 + b3[:, np.newaxis]]


def matmul_backward(activations: list[Any], targets: Any, parameters: list[Any]) -> list[Any]:
    X, hid_1, hid_2, predictions = activations
    _, _, W2, _, W3, _ = parameters
    B = X.shape[-1]

    d3 = matmul_deriv_loss(predictions, targets)
    db3 = np.dot(d3, np.ones(B, X.dtype))
    dW3 = np.dot(d3, hid_2.T)
    d2 = np.dot(W3.T, d3) * hid_2 * (1 - hid_2)
    db2 = np.dot(d2, np.ones(B, X.dtype))
    dW2 = np.dot(d2, hid_1.T)
    d1 = np.dot(W2.T, d2) * hid_1 * (1 - hid_1)
    db1 = np.dot(d1, np.ones(B, X.dtype))
    dW1 = np.dot(d1, X.T)
    return [dW1, db1, dW2, db2, dW3, db3]


def matmul_step(parameters: list[Any], X: Any, targets: Any) -> list[Any]:
    """Forward and backward as they are usually written: in the exercise's style."""
    return matmul_backward(matmul_forward(parameters, X), targets, parameters)


def network_step(parameters: list[Any], X: Any, targets: Any) -> list[Any]:
    """The same by `einbackprop.network`."""
    return network.backward(network.forward(parameters, X), targets, parameters)


# Each with the einsum that the network is to run on.
CONTENDERS = {
    "matmul style": (matmul_step, network.einsum),
    "network.py": (network_step, network.einsum),
    "on np.einsum": (network_step, np.einsum),
    "on opt_einsum.contract": (network_step, opt_einsum.contract),
}


def arguments_of(sizes: tuple[int, ...], dtype: str) -> tuple[list[Any], Any, Any]:
    parameters, X, targets = network.initialize(*sizes, rng=np.random.default_rng(0))
    return [array.astype(dtype) for array in parameters], X.astype(dtype), targets.astype(dtype)


def measure(sizes: tuple[int, ...], dtype: str) -> dict[str, list[float]]:
    """Seconds of one step, for each contender and each round."""
    arguments = arguments_of(sizes, dtype)
    expected = matmul_step(*arguments)
    calls: dict[str, int] = {}
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, (step, einsum) in CONTENDERS.items():
            network.einsum = einsum
            if name not in calls:  # the first call makes plans
                for a, b in zip(step(*arguments), expected, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
                calls[name] = max(1, round(SECONDS / seconds_of(step, arguments, 1)))
            times[name].append(seconds_of(step, arguments, calls[name]))
    return times


def seconds_of(step: Any, arguments: tuple[Any, ...], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        step(*arguments)
    return (time.perf_counter() - start) / calls


def row(sizes: tuple[int, ...], dtype: str) -> str:
    """Microseconds of matmul style, and the median of each other's ratio to it."""
    times = measure(sizes, dtype)
    base = times.pop("matmul style")
    ratios = [
        statistics.median(a / b for a, b in zip(seconds, base, strict=True))
        for seconds in times.values()
    ]
    name = f"{'-'.join(map(str, sizes[:-1]))} b{sizes[-1]}"
    cells = [f"{1e6 * statistics.median(base):.4g} µs", *(f"{ratio:.2f}" for ratio in ratios)]
    return f"| {name} | {dtype} | {' | '.join(cells)} |"


def table(environment: dict[str, str]) -> str:
    """The rows, from a process of its own: its environment is read at its start."""
    command = [sys.executable, "-c", f"import {Path(__file__).stem} as b; print(b.all_rows())"]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **environment, "PYTHONPATH": path}
    rows = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    head = f"| sizes | dtype | {' | '.join(CONTENDERS)} |\n|{'---|' * (2 + len(CONTENDERS))}\n"
    return head + rows.stdout


def all_rows() -> str:
    return "\n".join(row(sizes, dtype) for sizes in SIZES for dtype in DTYPES)


def processor() -> str:
    """What kind of machine this is, without its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{platform.machine()}, {models[0] if models else 'unknown'}, {os.cpu_count()} cores"


def main() -> None:
    """Write and print the tables."""
    text = f"""# The exercise's network in einsums and in matmul style

Written by `python tests/benchmarks/exercise.py`.

One forward and backward pass at one thread, contenders interleaved in one process, medians of
{ROUNDS} rounds. First the time in matmul style, then the others' ratios to it (below 1: faster).
A float32 array times a Python number is float64 to np.einsum, and the rest with it.

Python {platform.python_version()}, NumPy {np.__version__}, opt_einsum {opt_einsum.__version__},
{processor()}.

## As the memory allocator is by default

{table(ONE_THREAD)}
## With memory kept by the allocator ({", ".join(KEEP_MEMORY)} raised)

{table(ONE_THREAD | KEEP_MEMORY)}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
