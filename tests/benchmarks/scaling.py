"""How the cost of a step grows with batch and depth, what planning takes, and when a plan has paid for itself."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import measuring
import numpy as np
import rivals

import einbackprop as eb
from einbackprop import network


def rows() -> Iterator[str]:
    yield from batches()
    yield from depths()
    yield from planning()


def microseconds(step: Callable[[], Any]) -> float:
    """Of a call: the median of some rounds."""
    step()
    count = max(1, round(measuring.SECONDS / max(measuring.seconds_of(step, 1), 1e-7)))
    return 1e6 * statistics.median(measuring.seconds_of(step, count) for _ in range(measuring.ROUNDS))


def batches() -> Iterator[str]:
    """The small network with more and more samples."""
    yield "\n## Batch\n\nExercise 64-128-128-10, float32, `reuse=True`; flops as the plan counts them.\n"
    yield "| samples | µs | µs a sample | flops a sample |\n|---|---|---|---|"
    for b in (1, 4, 16, 64, 256, 1024):
        parameters, X, targets = network.initialize(64, 128, 128, 10, b, rng=np.random.default_rng(0))
        arguments = [p.astype("f4") for p in parameters], X.astype("f4"), targets.astype("f4")
        plan = eb.compile(eb.value_and_grad(rivals.mlp_loss), *arguments, reuse=True)
        taken = microseconds(lambda plan=plan, arguments=arguments: plan(*arguments))
        yield f"| {b} | {taken:.4g} | {taken / b:.3g} | {plan.plan.flops / b:,.0f} |"


def deep_loss(layers: Any, x: Any) -> Any:
    for W, b in layers:
        x = np.tanh(eb.einsum("ij,jb->ib", W, x) + b[:, np.newaxis])
    return np.sum(x * x)


def depths() -> Iterator[str]:
    """Layers of 64 units on 32 samples, more and more of them: running and compiling."""
    yield "\n## Depth\n\nLayers tanh(W·x + b) of 64 units, 32 samples, float32, `reuse=True`.\n"
    yield "| layers | µs | µs a layer | compiling, ms | ms a layer | calls |\n|---|---|---|---|---|---|"
    for depth in (1, 2, 4, 8, 16, 32, 64):
        rng = np.random.default_rng(0)
        layers = [(0.1 * rng.normal(size=(64, 64)).astype("f4"), np.ones(64, "f4")) for _ in range(depth)]
        x = rng.normal(size=(64, 32)).astype("f4")
        gradient = eb.value_and_grad(deep_loss)
        start = time.process_time()
        plan = eb.compile(gradient, layers, x, reuse=True)
        compiling = 1e3 * (time.process_time() - start)
        taken = microseconds(lambda plan=plan, layers=layers, x=x: plan(layers, x))
        steps = len(plan.plan.steps)
        yield f"| {depth} | {taken:.4g} | {taken / depth:.3g} | {compiling:.0f} | {compiling / depth:.3g} | {steps} |"


def planning() -> Iterator[str]:
    """Reading, deriving and planning of each workload, and after how many calls they have paid for themselves."""
    from einbackprop.plans.lowering import lower

    yield "\n## Planning\n"
    yield "Milliseconds to lower the derived program, an equation of it, and of everything that `eb.compile` does;"
    yield "and the calls after which a plan has cost less than PyTorch would have (float32, `reuse=True`).\n"
    yield "| workload | equations | lowering, ms | ms an equation | compile, ms | paid after calls |"
    yield "|---|---|---|---|---|---|"
    for work in rivals.WORKLOADS:
        parameters, data = work.arguments(np.random.default_rng(0), "float32")
        gradient = eb.value_and_grad(work.loss)
        start = time.process_time()
        plan = eb.compile(gradient, parameters, *data, reuse=True)
        compiling = 1e3 * (time.process_time() - start)
        program = gradient.program((parameters, *data))
        start = time.process_time()
        lower(program)
        lowering = 1e3 * (time.process_time() - start)
        count = len(program.equations)
        ours = microseconds(lambda plan=plan, p=parameters, d=data: plan(p, *d))
        calls = "never"
        if work.torch:
            theirs = microseconds(measuring.torch_step(work.torch["PyTorch"], parameters, data))
            calls = f"{1e3 * compiling / (theirs - ours):,.0f}" if theirs > ours else "never"
        yield f"| {work.name} | {count} | {lowering:.1f} | {lowering / count:.2f} | {compiling:.0f} | {calls} |"
