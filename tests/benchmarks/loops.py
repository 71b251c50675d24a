"""What loops cost as people write them: the loss and all gradients of a naive convolution and of a naive LSTM.

    python tests/benchmarks/loops.py

runs a loss and a backward written in loops, beside `eb.compile(eb.value_and_grad(loss), …)` of that loss, and beside
the same of the catalogue's form. Contenders take turns in one process, on one thread; what is compared is the processor
time of a call. It prints the table and writes it to `loops.md`.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from exercise import ONE_THREAD, processor
from measuring import ROUNDS, seconds_of

import einbackprop as eb
from einbackprop.layers import convolution, recurrence

SECONDS = 0.05  # one timing lasts about this long
Step = Callable[[], Any]


def convolved(x: Any, w: Any, b: Any) -> Any:
    N, _, H, W = x.shape
    F, _, R, S = w.shape
    out = np.zeros((N, F, H - R + 1, W - S + 1))
    for n in range(N):
        for f in range(F):
            for i in range(H - R + 1):
                for j in range(W - S + 1):
                    out[n, f, i, j] = np.sum(x[n, :, i : i + R, j : j + S] * w[f]) + b[f]
    return out


def convolution_loss(x: Any, w: Any, b: Any, y: Any) -> Any:
    return 0.5 * np.sum((convolved(x, w, b) - y) ** 2)


def convolution_by_hand(x: Any, w: Any, b: Any, y: Any) -> Any:
    d = convolved(x, w, b) - y
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for n in range(d.shape[0]):
        for f in range(d.shape[1]):
            for i in range(d.shape[2]):
                for j in range(d.shape[3]):
                    dx[n, :, i : i + w.shape[2], j : j + w.shape[3]] += w[f] * d[n, f, i, j]
                    dw[f] += x[n, :, i : i + w.shape[2], j : j + w.shape[3]] * d[n, f, i, j]
                    db[f] += d[n, f, i, j]
    return 0.5 * np.sum(d**2), (dx, dw, db)


def convolution_of_the_catalogue(x: Any, w: Any, b: Any, y: Any) -> Any:
    z = convolution.convolution_2d(x[:, None], w[None], b[None])[:, 0]
    return 0.5 * np.sum((z - y) ** 2)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def lstm_steps(x: Any, Wx: Any, Wh: Any, bias: Any) -> Any:
    H = Wh.shape[0]
    h, c = np.zeros((x.shape[1], H)), np.zeros((x.shape[1], H))
    steps = []
    for t in range(len(x)):
        a = x[t] @ Wx + h @ Wh + bias
        i, f, g, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), np.tanh(a[:, 2 * H : 3 * H]), sigmoid(a[:, 3 * H :])
        before, last = c, h
        c = f * c + i * g
        h = o * np.tanh(c)
        steps.append((last, before, i, f, g, o, c, h))
    return steps


def lstm_loss(x: Any, Wx: Any, Wh: Any, bias: Any, y: Any) -> Any:
    return 0.5 * sum(np.sum((step[-1] - y[t]) ** 2) for t, step in enumerate(lstm_steps(x, Wx, Wh, bias)))


def lstm_by_hand(x: Any, Wx: Any, Wh: Any, bias: Any, y: Any) -> Any:
    steps = lstm_steps(x, Wx, Wh, bias)
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(bias)
    dh_next, dc_next = np.zeros_like(steps[0][0]), np.zeros_like(steps[0][0])
    loss = 0.0
    for t in reversed(range(len(x))):
        last, before, i, f, g, o, c, h = steps[t]
        loss += 0.5 * np.sum((h - y[t]) ** 2)
        dh = h - y[t] + dh_next
        tanh_c = np.tanh(c)
        dc = dc_next + dh * o * (1 - tanh_c**2)
        da = np.hstack(
            [dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)]
        )
        dx[t] = da @ Wx.T
        dWx += x[t].T @ da
        dWh += last.T @ da
        db += da.sum(axis=0)
        dh_next, dc_next = da @ Wh.T, dc * f
    return loss, (dx, dWx, dWh, db)


def lstm_of_the_catalogue(x: Any, Wx: Any, Wh: Any, bias: Any, y: Any) -> Any:
    """The catalogue has samples last and a gate's weights as rows."""
    H, B = Wh.shape[0], x.shape[1]
    weights = [W.T.reshape(4, H, -1) for W in (Wx, Wh)]
    h, _ = recurrence.lstm(x.transpose(0, 2, 1), np.zeros((H, B)), np.zeros((H, B)), *weights, bias.reshape(4, H))
    return 0.5 * np.sum((h - y.transpose(0, 2, 1)) ** 2)


def drawn(*shapes: tuple[int, ...]) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return tuple(0.3 * rng.normal(size=shape) for shape in shapes)


ROWS = {
    "convolution 3×3 of 4 images 3×12×12, 8 filters": (
        convolution_loss, convolution_by_hand, convolution_of_the_catalogue,
        drawn((4, 3, 12, 12), (8, 3, 3, 3), (8,), (4, 8, 10, 10)), (0, 1, 2)),
    "LSTM, 16 steps, batch 8, 16 features, 32 units": (
        lstm_loss, lstm_by_hand, lstm_of_the_catalogue,
        drawn((16, 8, 16), (16, 128), (32, 128), (128,), (16, 8, 32)), (0, 1, 2, 3)),
}  # fmt: skip
OWN, COMPILED, CATALOGUE = "in loops, by hand", "compiled", "the catalogue's form, compiled"


def row(name: str) -> Iterator[str]:
    """Microseconds of the loops by hand, ratios to them, and what compiling took."""
    loss, by_hand, known, arguments, wrt = ROWS[name]
    began = time.process_time()
    compiled = eb.compile(eb.value_and_grad(loss, wrt=wrt), *arguments)
    seconds = time.process_time() - began
    catalogue = eb.compile(eb.value_and_grad(known, wrt=wrt), *arguments)
    steps: dict[str, Step] = {
        OWN: lambda: by_hand(*arguments), COMPILED: lambda: compiled(*arguments),
        CATALOGUE: lambda: catalogue(*arguments),
    }  # fmt: skip
    expected = steps[OWN]()
    for step in steps.values():
        found = step()
        for a, b in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
    counts = {key: max(1, round(SECONDS / min(seconds_of(step, 1) for _ in range(2)))) for key, step in steps.items()}
    times: dict[str, list[float]] = {key: [] for key in steps}
    for _ in range(ROUNDS):
        for key, step in steps.items():
            times[key].append(seconds_of(step, counts[key]))
    yield name
    yield f"{1e6 * statistics.median(times[OWN]):.4g}"
    for key in (COMPILED, CATALOGUE):
        yield f"{statistics.median(a / b for a, b in zip(times[key], times[OWN], strict=True)):.3f}"
    yield f"{seconds:.1f}"


def all_rows() -> str:
    return "\n".join(f"| {' | '.join(row(name))} |" for name in ROWS)


def main() -> None:
    """Write and print the table."""
    command = [sys.executable, "-c", f"import {Path(__file__).stem} as b; print(b.all_rows())"]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": path}
    rows = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    names = ["workload", f"{OWN}, µs", COMPILED, CATALOGUE, "compiling, s"]
    text = f"""# Loops as people write them

Written by `python tests/benchmarks/loops.py`.

The loss and all gradients in float64, one thread, processor time, contenders in turn in one process, medians of
{ROUNDS} rounds. First the time of a loss and a backward written in loops; then ratios to it (below 1: faster) of
`eb.compile(eb.value_and_grad(loss), …)` of that loss, and of the catalogue's form of it; last what compiling took, in
seconds of processor time.

Python {platform.python_version()}, NumPy {np.__version__}, {processor()}.

| {' | '.join(names)} |
|{'---|' * len(names)}
{rows}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
