"""Functions that test_limits checks; nothing else stands here, since a search for repairs tries what is at hand."""

from typing import Any

import numpy as np


def loss(A: Any, B: Any, x: Any) -> Any:
    return 0.5 * np.sum((B @ (A @ x)) ** 2)


def right(A: Any, B: Any, x: Any) -> Any:
    dy = B @ (A @ x)
    dB = np.outer(dy, A @ x)
    dA = np.outer(B.T @ dy, x)
    return dA, dB


def wrong(A: Any, B: Any, x: Any) -> Any:
    dA, dB = right(A, B, x)
    return dA, 2 * dB


def scatter(x: Any, rounds: int = 70) -> Any:
    y = np.zeros(4)
    for t in range(rounds):
        y[t % 4] += x[t % 3] * 0.1
    return np.sum(y * y)


def scatter_gradient(x: Any, rounds: int = 70) -> Any:
    y = np.zeros(4)
    for t in range(rounds):
        y[t % 4] += x[t % 3] * 0.1
    dy, dx = 2 * y, np.zeros(3)
    for t in range(rounds):
        dx[t % 3] += 0.1 * dy[t % 4]
    return dx


def chain(x: Any, steps: int = 70) -> Any:
    for _ in range(steps):
        x = x * 1.0003 - 0.001
    return np.sum(x * x)


def chain_gradient(x: Any, steps: int = 70) -> Any:
    for _ in range(steps):
        x = x * 1.0003 - 0.001
    d = 2 * x
    for _ in range(steps):
        d = d * 1.0003
    return d


def convolved(w: Any, x: Any) -> Any:
    out = np.zeros((1, 2, 2, 2))
    for n in range(1):
        for o in range(2):
            for i in range(2):
                for j in range(2):
                    for c in range(2):
                        for r in range(2):
                            for s in range(2):
                                out[n, o, i, j] += w[o, c, r, s] * x[n, c, i + r, j + s]
    return out


def convolution(w: Any, x: Any) -> Any:
    return 0.5 * np.sum(convolved(w, x) ** 2)


def convolution_gradient(w: Any, x: Any) -> Any:
    d, dw = convolved(w, x), np.zeros_like(w)
    for o in range(2):
        for i in range(2):
            for j in range(2):
                for c in range(2):
                    for r in range(2):
                        for s in range(2):
                            dw[o, c, r, s] += d[0, o, i, j] * x[0, c, i + r, j + s]
    return dw


def group_norm(x: Any) -> Any:
    groups = x.reshape(3, 2, 3)
    centred = groups - groups.mean(2, keepdims=True)
    return np.sum((centred * (groups.std(2, keepdims=True) ** -2)) ** 3)


def group_norm_gradient(x: Any) -> Any:
    groups = x.reshape(3, 2, 3)
    c, s = groups - groups.mean(2, keepdims=True), groups.std(2, keepdims=True)
    d = 3 * (c * s**-2) ** 2
    ds = np.sum(d * c, axis=2, keepdims=True) * -2 * s**-3
    dc = d * s**-2 + ds * c / (3 * s)
    return (dc - dc.mean(2, keepdims=True)).reshape(x.shape)
