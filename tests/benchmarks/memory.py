"""Peak memory of whole processes: one for each contender, which makes its arguments and takes three steps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

WORKLOADS = {"exercise 1024-2048-2048-1024 b512": 0.65, "GPT block d256 t128 b8": 0.85}


def status(key: str) -> float:
    """MiB of this process, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def measured(name: str, contender: str) -> None:
    """Print this process's memory with its arguments made, and at its peak, after three steps."""
    import measuring
    import numpy as np
    import rivals

    import einbackprop as eb

    work = next(w for w in rivals.WORKLOADS if w.name == name)
    parameters, data = work.arguments(np.random.default_rng(0), "float32")
    if contender == "PyTorch":
        step = measuring.torch_step(work.torch[contender], parameters, data)
        del parameters, data
        before = status("VmRSS")
    else:
        before = status("VmRSS")
        plan = eb.compile(eb.value_and_grad(work.loss), parameters, *data, reuse=True)

        def step() -> object:
            return plan(parameters, *data)

    for _ in range(3):
        step()
    print(before, status("VmHWM"))


def rows() -> Iterator[str]:
    """Our peak beside PyTorch's: above what there was before, and of the whole process."""
    if not Path("/proc/self/status").exists():
        return
    yield "\n## Peak memory of whole processes\n\nfloat32, `reuse=True`, MiB; reading and planning are in ours.\n"
    yield "| workload | above arguments: ours | PyTorch | ratio | target | whole: ours | PyTorch | ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, target in WORKLOADS.items():
        numbers = []
        for contender in ("ours", "PyTorch"):
            environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC")}
            command = [sys.executable, __file__, name, contender]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            numbers.append([float(n) for n in done.stdout.split()])
        (ours_before, ours), (other_before, other) = numbers
        above = ours - ours_before, other - other_before
        ratio = above[0] / above[1]
        cells = [f"{above[0]:.0f}", f"{above[1]:.0f}", f"{ratio:.2f}", f"{target:g}" + " ✗" * (ratio > target)]
        yield f"| {name} | {' | '.join(cells)} | {ours:.0f} | {other:.0f} | {ours / other:.2f} |"


if __name__ == "__main__":
    measured(*sys.argv[1:])
