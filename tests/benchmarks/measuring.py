"""Timing: contenders in turn, and their ratios as rows of a table."""

import importlib.util
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import rivals
import tensors
from contenders import Rival, Targets, Workload

import einbackprop as eb

ROUNDS = 11
FEWEST = 5  # rounds of what takes long
SECONDS = 0.02  # one timing lasts at least about this long
LONG = 0.1
DTYPES = ["float32", "float64"]

OWN = {"numpy": ("reuse", "without"), "numba": ("numba, reuse", "numba, without")}
"""Plans of ours, with `reuse=True` and without."""

Step = Callable[[], Any]
Times = dict[str, list[float]]
Ratios = dict[str, tuple[float, ...]]


def steps_of(work: Workload, dtype: str) -> dict[str, Step]:
    """Each contender's step: it computes the loss and all gradients."""
    parameters, data = work.arguments(np.random.default_rng(0), dtype)
    gradient = eb.value_and_grad(work.loss)
    steps: dict[str, Step] = {}
    for backend, own in OWN.items():
        if backend == "numpy" or (work.native_targets and importlib.util.find_spec(backend)):
            chosen = None if backend == "numpy" else backend
            for name, reuse in zip(own, (True, False), strict=True):
                plan = eb.compile(gradient, parameters, *data, reuse=reuse, backend=chosen)
                steps[name] = lambda plan=plan: plan(parameters, *data)
    for name, by_hand in work.by_hand.items():
        if name != "autograd" or importlib.util.find_spec("autograd"):
            steps[name] = lambda by_hand=by_hand: by_hand(parameters, *data)
    if importlib.util.find_spec("torch"):
        steps |= {name: torch_step(rival, parameters, data) for name, rival in work.torch.items()}
    if importlib.util.find_spec("jax"):
        steps |= {name: jax_step(rival, parameters, data) for name, rival in work.jax.items()}
    if work.products:
        steps["GEMM"] = products_of(work, dtype)
    return steps


def products_of(work: Workload, dtype: str) -> Step:
    """The matrix products of a workload and nothing else."""
    products = [(np.ones(a, dtype), np.ones(b, dtype)) for a, b in work.products]
    outs = [np.empty_like(a @ b) for a, b in products]
    return lambda: [np.matmul(a, b, out=out) for (a, b), out in zip(products, outs, strict=True)]


def torch_step(rival: Rival, parameters: list[Any], data: tuple[Any, ...]) -> Step:
    """A step of PyTorch: gradients by all parameters, fresh in each call."""
    import torch

    torch.set_num_threads(int(os.environ.get("WORKLOADS_THREADS", "1")))
    parameters, data = rival.enter(parameters, data)
    ps = [torch.tensor(p, requires_grad=True) for p in parameters]
    rest = [torch.tensor(d) if isinstance(d, np.ndarray) else d for d in data]

    def step() -> Any:
        value = rival.loss(ps, *rest)
        return value.detach().numpy(), [g.numpy() for g in torch.autograd.grad(value, ps)]

    return step


def jax_step(rival: Rival, parameters: list[Any], data: tuple[Any, ...]) -> Step:
    """A step of JAX, compiled."""
    import jax

    jax.config.update("jax_enable_x64", True)
    parameters, data = rival.enter(parameters, data)
    compiled = jax.jit(jax.value_and_grad(rival.loss))
    ps, rest = [jax.numpy.asarray(p) for p in parameters], [jax.numpy.asarray(d) for d in data]
    return lambda: jax.block_until_ready(compiled(ps, *rest))


def agree(name: str, work: Workload, found: Any, expected: Any, dtype: str) -> None:
    """Every contender computes the same."""
    tolerance = 2e-3 if dtype == "float32" else 1e-8
    leave = next((rival.leave for rivals in (work.torch, work.jax) if (rival := rivals.get(name))), list)
    gradients = leave([np.asarray(g) for g in found[1]])
    for a, b in zip([found[0], *gradients], [expected[0], *expected[1]], strict=True):
        error = np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-30)
        assert error <= tolerance, (work.name, name, dtype, error)


def measure(work: Workload, dtype: str) -> Times:
    """Seconds of a step, for each contender and round."""
    steps = steps_of(work, dtype)
    expected = [np.copy(a) for a in (lambda value, gradients: [value, *gradients])(*steps["without"]())]
    counts, longest = {}, 0.0
    for name, step in steps.items():
        if name != "GEMM":
            agree(name, work, step(), (expected[0], expected[1:]), dtype)
        once = min(seconds_of(step, 1) for _ in range(2))
        counts[name] = max(1, round(SECONDS / max(once, 1e-7)))
        longest = max(longest, once)
    times: Times = {name: [] for name in steps}
    for _ in range(FEWEST if longest > LONG else ROUNDS):
        for name, step in steps.items():
            step()  # not timed: the caches are full of what the one before left in them
            times[name].append(seconds_of(step, counts[name]))
    return times


def seconds_of(step: Step, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - start) / count


def ratio(a: Iterable[float], b: Iterable[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def geometric_mean(numbers: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, numbers)))


COLUMNS = """| workload | against | float32 | without reuse | target | float64 | without reuse | target |
|---|---|---|---|---|---|---|---|"""
OURS = "itself, µs"


def rows(names: list[str]) -> Iterator[str]:
    """The table of the workloads that have one of the names in theirs."""
    yield COLUMNS
    for work in rivals.WORKLOADS:
        if chosen(work.name, names):
            times = {dtype: measure(work, dtype) for dtype in DTYPES}
            yield from table(work.name, {d: ratios(t) for d, t in times.items()}, work.targets)
            if all(OWN["numba"][0] in t for t in times.values()):
                found = {d: ratios(t, "numba") for d, t in times.items()}
                yield from table(f"{work.name}, ours with numba", found, work.native_targets)
    for family, (works, targets) in tensors.FAMILIES.items():
        parts = []
        for work in works:
            if chosen(work.name, names) or chosen(family, names):
                parts.append({dtype: ratios(measure(work, dtype)) for dtype in DTYPES})
                yield from table(work.name, parts[-1], {})
        if len(parts) == len(works):
            means = {
                dtype: {
                    rival: tuple(geometric_mean([p[dtype][rival][n] for p in parts]) for n in (0, 1))
                    for rival in parts[0][dtype]
                }
                for dtype in DTYPES
            }
            yield from table(f"**{family}**, geometric means", means, targets)
    if chosen("eb.einsum on 4×4", names):
        yield small_einsum()


def chosen(name: str, names: list[str]) -> bool:
    return not names or any(part in name for part in names)


def ratios(times: Times, backend: str = "numpy") -> Ratios:
    """Our microseconds, then our time by each rival's: with reuse, and without."""
    ours = [times[name] for name in OWN[backend]]
    found = {OURS: tuple(1e6 * statistics.median(own) for own in ours)}
    for name, other in times.items():
        if not any(name in names for names in OWN.values()):
            found[name] = tuple(ratio(own, other) for own in ours)
    return found


def table(name: str, found: dict[str, Ratios], targets: Targets) -> Iterator[str]:
    """A workload's rows, one a rival."""
    for rival in found[DTYPES[0]]:
        cells = []
        for n, dtype in enumerate(DTYPES):
            reuse, without = found[dtype][rival]
            if rival == OURS:
                cells += [f"{reuse:.4g}", f"{without:.4g}", ""]
            else:
                cells += [f"{reuse:.3g}", f"{without:.3g}", target_text(reuse, targets.get(rival), n)]
        yield f"| {name} | {rival} | {' | '.join(cells)} |"


def target_text(reached: float, target: tuple[float, float] | None, n: int) -> str:
    return "" if target is None else f"{target[n]:g}" + " ✗" * (reached > target[n] * 1.005)


def small_einsum() -> str:
    """One eager call of two small operands beside `np.matmul`."""
    cells = []
    for dtype in DTYPES:
        a, b = (np.ones((4, 4), dtype) for _ in range(2))
        steps: list[Step] = [lambda a=a, b=b: eb.einsum("ij,jk->ik", a, b), lambda a=a, b=b: np.matmul(a, b)]
        times = [[seconds_of(step, 20000) for step in steps] for _ in range(ROUNDS)]
        reached = statistics.median(ours / other for ours, other in times)
        cells += ["", f"{reached:.3g}", target_text(reached, (2.0, 2.0), 0)]
    return f"| eb.einsum, one call on 4×4 | np.matmul | {' | '.join(cells)} |"
