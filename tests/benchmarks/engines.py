"""One gradient on each engine: NumPy's plan, numba, JAX, PyTorch, beside what these make of the loss themselves.

    python tests/benchmarks/engines.py

times `eb.compile(eb.value_and_grad(loss), …)` with `reuse=True`, with `backend="numba"`, `"jax"` and `"torch"` (these
two from their own arrays to their own), PyTorch's eager autograd and `jax.jit(jax.value_and_grad)`, on one thread and
on two. A process for each contender, pinned to as many processors; time by the clock, so that others at work on the
machine do count. It prints the table and writes it to `engines.md`, in place of the one of such a machine.
"""

import platform
from collections.abc import Iterator
from pathlib import Path

import rivals
import threads
from exercise import processor
from workloads import version

OURS = ["ours", *threads.ENGINES]
OTHERS = ["PyTorch", "fused", "jax.jit", threads.PRODUCTS]
HEAD = f"""# One gradient on each engine

Written by `python tests/benchmarks/engines.py`: float32, ms by the clock, medians of {threads.ROUNDS} rounds, a
process for each, pinned to as many processors. `ours` has `reuse=True`; in JAX and in PyTorch it takes and returns
their arrays. `fused` is PyTorch's `nn.LSTM`, which takes all steps at once. The matrix products of a workload alone, by
NumPy, are the limit of plans on them.
"""
TABLE = """## {machine}

Python {python}, {versions}.

| workload | threads | {columns} | the best of ours / the best of PyTorch |
|---|---|{rules}---|
"""


def rows() -> Iterator[str]:
    """A row for each workload and number of threads."""
    for name in threads.WORKLOADS:
        for count in (1, 2):
            called = {one: threads.FUSED.get(name, "") if one == "fused" else one for one in [*OURS, *OTHERS]}
            if not next(work for work in rivals.WORKLOADS if work.name == name).products:
                called[threads.PRODUCTS] = ""
            taken = {one: 1e3 * threads.seconds(name, call, count) for one, call in called.items() if call}
            best = min(taken[one] for one in OURS) / min(taken[one] for one in ("PyTorch", "fused") if one in taken)
            cells = (f"{taken[one]:.3g}" if one in taken else "" for one in called)
            yield f"| {name} | {count} | {' | '.join(cells)} | {best:.2f} |"


def main() -> None:
    """Write and print the table."""
    columns = [*OURS, *OTHERS]
    text = TABLE.format(
        python=platform.python_version(), machine=processor(), columns=" | ".join(columns), rules="---|" * len(columns),
        versions=", ".join(map(version, ["numpy", "numba", "torch", "jax", "jaxlib"])),
    )  # fmt: skip
    print(text, end="", flush=True)
    for row in rows():
        print(row, flush=True)
        text += row + "\n"
    path = Path(__file__).with_suffix(".md")
    _, *tables = path.read_text(encoding="utf-8").split("\n## ")
    others = [f"## {table.rstrip()}\n" for table in tables if not table.startswith(processor())]
    path.write_text("\n".join([HEAD, text, *others]), encoding="utf-8")


if __name__ == "__main__":
    main()
