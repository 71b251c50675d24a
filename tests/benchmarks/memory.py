"""Peak memory of whole processes: one for each contender, which makes its arguments and takes three steps."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from contenders import Workload

WORKLOADS = {"exercise 1024-2048-2048-1024 b512": 0.65, "GPT block d256 t128 b8": 0.85}


def status(key: str) -> float:
    """MiB of this process, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def forget_peak() -> None:
    """Begin to look for the peak anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def step_of(work: Workload, contender: str) -> Callable[[], object]:
    """A step of a contender, which has not run yet."""
    import measuring
    import numpy as np

    import einbackprop as eb

    parameters, data = work.arguments(np.random.default_rng(0), "float32")
    if contender == "PyTorch":
        return measuring.torch_step(work.torch[contender], parameters, data)
    forget_peak()
    plan = eb.compile(eb.value_and_grad(work.loss), parameters, *data, reuse=True)
    return lambda: plan(parameters, *data)


def measured(name: str, contender: str) -> None:
    """Print by how much this process's memory grows in three steps, and while they are planned, and all of it.

    A small step before has loaded whatever there is to load.
    """
    import rivals

    step_of(rivals.WORKLOADS[0], contender)()
    before = status("VmRSS")
    step = step_of(next(w for w in rivals.WORKLOADS if w.name == name), contender)
    ready, planned = status("VmRSS"), status("VmHWM")
    forget_peak()
    for _ in range(3):
        step()
    print(status("VmHWM") - ready, planned - before, status("VmHWM"))


def rows() -> Iterator[str]:
    """Our peak beside PyTorch's: above what there was before, and of the whole process."""
    if not Path("/proc/self/clear_refs").exists():
        return
    yield "\n## Peak memory of whole processes\n\nfloat32, `reuse=True`, MiB, a process for each. What three steps take"
    yield "above arguments and plan; what reading and planning take at most, with the arguments in it; all there is."
    yield "\n| workload | steps: ours | PyTorch | ratio | target | planning | whole: ours | PyTorch | ratio |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, target in WORKLOADS.items():
        numbers = []
        for contender in ("ours", "PyTorch"):
            environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC")}
            command = [sys.executable, __file__, name, contender]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            numbers.append([float(n) for n in done.stdout.split()])
        (ours, planning, whole), (other, _, other_whole) = numbers
        cells = [f"{ours:.0f}", f"{other:.0f}", f"{ours / other:.2f}", f"{target:g}" + " ✗" * (ours / other > target)]
        cells += [f"{planning:.0f}", f"{whole:.0f}", f"{other_whole:.0f}", f"{whole / other_whole:.2f}"]
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    measured(*sys.argv[1:])
