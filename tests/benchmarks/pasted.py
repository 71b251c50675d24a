"""What pasted source costs beside a compiled function: the loss and all gradients, the same formulas.

    python tests/benchmarks/pasted.py

runs what `eb.source` writes as if it were pasted, beside `eb.compile(eb.value_and_grad(loss), …)` without `reuse`, and
beside the same source with `np.einsum` in the place of its helper `einsum`. Contenders take turns in one process, on
one thread; what is compared is the processor time of a call. It prints the tables and writes them to `pasted.md`.
"""

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rivals
from contenders import Workload
from exercise import KEEP_MEMORY, ONE_THREAD, processor
from measuring import FEWEST, LONG, ROUNDS, seconds_of

import einbackprop as eb

SECONDS = 0.05  # one timing lasts about this long
DTYPES = ["float32", "float64"]
COMPILED, PASTED, PLAIN = "compiled", "pasted", "on np.einsum alone"

# At most which ratio to the compiled function is wanted; None: for information.
TARGETS = {
    "exercise 64-128-128-10 b32": 3.0,
    "exercise 784-512-512-10 b128": 1.25,
    "softmax cross-entropy 1024×8192": None,
    "batch norm 32×64×28×28": None,
    "attention b8 h8 t128 d64": None,
    "GPT block d256 t128 b8": None,
    "LSTM T32 b32 h128": None,
}

Step = Callable[[], Any]


def steps_of(work: Workload, dtype: str) -> dict[str, Step]:
    """What takes turns."""
    parameters, data = work.arguments(np.random.default_rng(0), dtype)
    gradient = eb.value_and_grad(work.loss)
    compiled = eb.compile(gradient, parameters, *data)
    text = eb.source(gradient.program((parameters, *data)))
    pasted, plain = defined(text), defined(text)
    if "einsum" in plain:
        plain["einsum"] = np.einsum
    functions = {COMPILED: compiled, PASTED: pasted["backward"], PLAIN: plain["backward"]}
    if "matmul style" in work.by_hand:
        functions["by hand"] = work.by_hand["matmul style"]
    return {name: lambda function=function: function(parameters, *data) for name, function in functions.items()}


def defined(text: str) -> dict[str, Any]:
    """What a text defines."""
    namespace: dict[str, Any] = {}
    exec(compile(text, "pasted", "exec"), namespace)
    return namespace


def agree(found: Any, expected: Any, dtype: str) -> None:
    """Both computed the same."""
    tolerance = 2e-3 if dtype == "float32" else 1e-8
    for a, b in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        error = np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-30)
        assert error <= tolerance, (dtype, error)


def measure(work: Workload, dtype: str) -> dict[str, list[float]]:
    """Seconds of a step, for each contender and round."""
    steps = steps_of(work, dtype)
    expected = steps[COMPILED]()
    once: dict[str, float] = {}
    for name, step in steps.items():
        agree(step(), expected, dtype)
        once[name] = min(seconds_of(step, 1) for _ in range(2))
    counts = {name: max(1, round(SECONDS / seconds)) for name, seconds in once.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(FEWEST if max(once.values()) > LONG else ROUNDS):
        for name, step in steps.items():
            times[name].append(seconds_of(step, counts[name]))
    return times


def cells(times: dict[str, list[float]], target: float | None) -> Iterator[str]:
    """Microseconds of the compiled function, and the median of each other's ratio to it."""
    yield f"{1e6 * statistics.median(times[COMPILED]):.4g}"
    for name in (PASTED, PLAIN, "by hand"):
        if name not in times:
            yield ""
            continue
        ratio = statistics.median(a / b for a, b in zip(times[name], times[COMPILED], strict=True))
        missed = name == PASTED and target is not None and ratio > target
        yield f"{ratio:.2f}" + " ✗" * missed


def all_rows() -> str:
    rows = []
    for work in (work for name in TARGETS for work in rivals.WORKLOADS if work.name == name):
        target = TARGETS[work.name]
        for dtype in DTYPES:
            wanted = "" if target is None else f"{target:g}"
            rows.append(" | ".join([f"| {work.name}", dtype, *cells(measure(work, dtype), target), f"{wanted} |"]))
    return "\n".join(rows)


def table(environment: dict[str, str]) -> str:
    """The rows, from a process of its own: its environment is read at its start."""
    command = [sys.executable, "-c", f"import {Path(__file__).stem} as b; print(b.all_rows())"]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **environment, "PYTHONPATH": path}
    rows = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    names = ["workload", "dtype", f"{COMPILED}, µs", PASTED, PLAIN, "by hand", f"{PASTED}: target"]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n{rows}"


def main() -> None:
    """Write and print the tables."""
    text = f"""# Pasted source beside the compiled function

Written by `python tests/benchmarks/pasted.py`.

The loss and all gradients, one thread, processor time, contenders in turn in one process, medians of
{ROUNDS} rounds ({FEWEST} of what takes long). First the time of `eb.compile(eb.value_and_grad(loss), …)`, without
`reuse`; then ratios to it (below 1: faster) of what `eb.source` writes, of that with `np.einsum` in the place of its
helper `einsum`, and of the same in matmul style, by hand. ✗ where the target is missed; where there is none, the row
is for information.

Python {platform.python_version()}, NumPy {np.__version__}, {processor()}.

## With memory kept by the allocator ({", ".join(KEEP_MEMORY)} raised)

{table(ONE_THREAD | KEEP_MEMORY)}
## As the memory allocator is by default

Source keeps every value until it returns; where the allocator then gives them back, it gets them anew, page by page, in
the next call.

{table(ONE_THREAD)}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
