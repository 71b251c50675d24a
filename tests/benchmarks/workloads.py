"""What a compiled gradient costs, against the frameworks, on the same work: a loss and all its gradients.

    python tests/benchmarks/workloads.py [name ...]      rows whose workload has one of the names in its own
    python tests/benchmarks/workloads.py --threads       on one thread and on two, in processes of their own
    python tests/benchmarks/workloads.py --scaling       how cost grows, what planning takes, when a plan has paid

times `eb.compile(eb.value_and_grad(loss), …)` of networks and layers as they stand in the package, with `reuse=True`
and without, beside PyTorch's eager autograd, `jax.jit(jax.value_and_grad)`, NumPy as people write it, and the matrix
products of the same shapes alone, which are the limit. It prints a table; without names it writes it, and what
`--threads` and `--scaling` print, to `workloads.md`.

Contenders take turns in one process, on one thread; what is compared is the processor time of a call, so that others
at work on the machine do not count. A ratio is the median over rounds.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import exercise

# The allocator keeps memory, so that no rival pays for getting it from the kernel page by page.
ENVIRONMENT = exercise.ONE_THREAD | exercise.KEEP_MEMORY
ENVIRONMENT["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
ENVIRONMENT["WORKLOADS_ROWS"] = "1"

HEAD = """# What a compiled gradient costs

Written by `python tests/benchmarks/workloads.py`, which takes names of workloads too.

The loss and all gradients, one thread, processor time, contenders in turn in one process, medians of {rounds} rounds;
the allocator's thresholds raised ({memory}), so that nobody pays for page faults. Ratios: the time of
`eb.compile(eb.value_and_grad(loss), …)` with `reuse=True`, and without, divided by the other's (below 1: ours is
faster), and the target for `reuse=True`, with ✗ where it is missed. `GEMM` is the time of the matrix products alone.

Python {python}, {versions}, {machine}.

"""
PACKAGES = ["numpy", "opt_einsum", "torch", "jax", "jaxlib", "autograd", "numba", "einsum_benchmark"]


def version(name: str) -> str:
    """A package and its version, if it is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    try:
        return f"{name} {of(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def rows(names: list[str]) -> Iterator[str]:
    """The lines below the head, as they come."""
    import measuring
    import memory
    import scaling
    import threads

    if names not in (["--scaling"], ["--threads"]):
        yield from measuring.rows(names)
        if not names or "memory" in names:
            yield from memory.rows()
    if not names or names == ["--threads"]:
        yield from threads.rows()
    if not names or names == ["--scaling"]:
        yield from scaling.rows()


def main() -> None:
    """Write and print the table."""
    if os.environ.get("WORKLOADS_ROWS"):
        for line in rows(sys.argv[1:]):
            print(line, flush=True)
        return
    from measuring import ROUNDS

    text = HEAD.format(
        rounds=ROUNDS, python=platform.python_version(), versions=", ".join(map(version, PACKAGES)),
        machine=exercise.processor(), memory=", ".join(f"{k}={v}" for k, v in exercise.KEEP_MEMORY.items()),
    )  # fmt: skip
    print(text, end="", flush=True)
    command = [sys.executable, __file__, *sys.argv[1:]]
    environment = {**os.environ, **ENVIRONMENT}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            text += line
    if process.returncode == 0 and len(sys.argv) == 1:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
