"""Correct gradients, written in unusual ways or of unusual losses: none may be accused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Function = Callable[..., Any]


@dataclass(frozen=True)
class Control:
    """A loss, its correct gradient, arguments, and whether a relative error of 1e-6 must show.

    It cannot where the user's own code computes in float32 or cancels eight digits away.
    """

    loss: Function
    gradients: Function
    arguments: tuple[Any, ...]
    wrt: int | tuple[int, ...] = 0
    sharp: bool = True


rng = np.random.default_rng(3)
X = rng.random((6, 3))
W = 0.01 * rng.normal(size=(3, 4))
ZEROS = np.zeros(4)
LABELS = rng.integers(0, 4, 6)
ONE_HOT = np.eye(4)[LABELS]
TARGETS = rng.normal(size=(6, 2))
SIGNS = np.where(rng.random(6) > 0.5, 1.0, -1.0)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def label_loss(W: Any, b: Any, X: Any, y: Any) -> Any:
    return -np.log(softmax(X @ W + b)[np.arange(len(y)), y]).mean()


def label_gradients(W: Any, b: Any, X: Any, y: Any) -> Any:
    d = softmax(X @ W + b)
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    return X.T @ d, d.sum(axis=0)


def one_hot_loss(W: Any, X: Any, Y: Any) -> Any:
    return -np.sum(Y * np.log(softmax(X @ W))) / len(X)


def one_hot_gradient(W: Any, X: Any, Y: Any) -> Any:
    return X.T @ (softmax(X @ W) - Y) / len(X)


def relu_loss(p: Any, X: Any, Y: Any) -> Any:
    return 0.5 * ((np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] - Y) ** 2).mean()


def relu_gradients(p: Any, X: Any, Y: Any) -> Any:
    h = np.maximum(X @ p["W1"] + p["b1"], 0)
    d = (h @ p["W2"] - Y) / Y.size
    grads = {"dW2": h.T @ d}
    d = d @ p["W2"].T
    d[h <= 0] = 0
    grads["db1"], grads["dW1"] = d.sum(axis=0), X.T @ d
    return grads


RELU = {"W1": rng.random((3, 5)), "b1": np.zeros(5), "W2": rng.random((5, 2))}


def narrow(value: Any, dtype: Any = np.float32) -> Any:
    return {k: narrow(v, dtype) for k, v in value.items()} if isinstance(value, dict) else value.astype(dtype)


def norm_loss(g: Any, c: Any, x: Any, T: Any) -> Any:
    return 0.5 * np.sum((g * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + c - T) ** 2)


def norm_gradients(g: Any, c: Any, x: Any, T: Any) -> Any:
    n, s = len(x), 1 / np.sqrt(x.var(0) + 1e-5)
    h = (x - x.mean(0)) * s
    d = g * h + c - T
    return (d * h).sum(0), d.sum(0), g * s / n * (n * d - d.sum(0) - h * (d * h).sum(0))


NORM = (np.ones(3), np.zeros(3), X, rng.normal(size=(6, 3)))


def states(Wx: Any, Wh: Any, x: Any, h0: Any) -> Any:
    h = np.zeros((len(x) + 1, len(h0)))
    h[0] = h0
    for t in range(len(x)):
        h[t + 1] = np.tanh(Wx @ x[t] + Wh @ h[t])
    return h


def recurrent_gradients(Wx: Any, Wh: Any, x: Any, h0: Any) -> Any:
    h = states(Wx, Wh, x, h0)
    dWx, dWh, dh = np.zeros_like(Wx), np.zeros_like(Wh), 0
    for t in reversed(range(len(x))):
        dz = (dh + h[t + 1]) * (1 - h[t + 1] ** 2)
        dWx += np.outer(dz, x[t])
        dWh += np.outer(dz, h[t])
        dh = Wh.T @ dz
    return dWx, dWh


def spread_loss(w: Any) -> Any:
    return np.log((w**2).mean() - w.mean() ** 2)


def spread_gradient(w: Any) -> Any:
    return (2 * w - 2 * w.mean()) / w.size / ((w**2).mean() - w.mean() ** 2)


def argmax_gradient(W: Any, X: Any) -> Any:
    z = np.maximum(X @ W, 0)
    return X.T @ ((np.arange(6)[:, None] == z.argmax(axis=0)) & (z > 0)).astype(float)


def flat_loss(theta: Any, X: Any) -> Any:
    return np.tanh(X @ theta[:12].reshape(3, 4) + theta[12:]).sum()


def flat_gradient(theta: Any, X: Any) -> Any:
    d = 1 - np.tanh(X @ theta[:12].reshape(3, 4) + theta[12:]) ** 2
    return np.concatenate([(X.T @ d).ravel(), d.sum(axis=0)])


def nested_loss(p: Any, X: Any) -> Any:
    return np.tanh(np.tanh(X @ p[0][0] + p[0][1]) @ p[1][0] + p[1][1]).sum()


def nested_gradients(p: Any, X: Any) -> Any:
    h = np.tanh(X @ p[0][0] + p[0][1])
    d = 1 - np.tanh(h @ p[1][0] + p[1][1]) ** 2
    e = d @ p[1][0].T * (1 - h**2)
    return [(X.T @ e, e.sum(axis=0)), (h.T @ d, d.sum(axis=0))]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def binary_loss(w: Any, X: Any, t: Any) -> Any:
    return -(t * np.log(sigmoid(X @ w)) + (1 - t) * np.log(1 - sigmoid(X @ w))).mean()


def squares(W: Any, X: Any) -> Any:
    return np.sum((X @ W) ** 2)


def squares_gradient(W: Any, X: Any) -> Any:
    return X.T @ (2 * (X @ W))


def wiping_gradient(W: Any, X: Any) -> Any:
    z = X @ W
    W *= 0
    return X.T @ (2 * z)


def polar(W: Any) -> Any:
    u, _, v = np.linalg.svd(W, full_matrices=False)
    return u @ v


def tanh_gradient(W: Any, X: Any) -> Any:
    return X.T @ (1 - np.tanh(X @ W) ** 2)


def half(z: Any) -> Any:
    return z.astype(np.float32)


SYMMETRIC = (lambda A: A + A.T)(rng.normal(size=(3, 3)))

CONTROLS: dict[str, Control] = {
    "softmax with labels": Control(label_loss, label_gradients, (W, ZEROS, X, LABELS), (0, 1)),
    "labels kept as floats": Control(
        lambda W, X, y: label_loss(W, 0, X, y.astype(int)),
        lambda W, X, y: label_gradients(W, 0, X, y.astype(int))[0], (W, X, LABELS.astype(float))),
    "p - Y, one-hot": Control(one_hot_loss, one_hot_gradient, (W, X, ONE_HOT)),
    "p - Y, rows that sum to one": Control(one_hot_loss, one_hot_gradient, (W, X, softmax(ONE_HOT))),
    "relu net in a dict": Control(relu_loss, relu_gradients, (RELU, X, TARGETS)),
    "float32": Control(relu_loss, relu_gradients, (narrow(RELU), narrow(X), narrow(TARGETS)), sharp=False),
    "float16": Control(relu_loss, relu_gradients, (narrow(RELU, np.float16), narrow(X, np.float16),
                                                   narrow(TARGETS, np.float16)), sharp=False),
    "float64 weights, float32 data": Control(relu_loss, relu_gradients, (RELU, narrow(X), TARGETS), sharp=False),
    "float32 inside": Control(lambda W, X: np.tanh(half(X) @ half(W)).sum(),
                              lambda W, X: tanh_gradient(half(W), half(X)), (W, X), sharp=False),
    "batch norm": Control(norm_loss, norm_gradients, NORM, (0, 1, 2)),
    "batch norm in float32": Control(norm_loss, norm_gradients, tuple(map(narrow, NORM)), (0, 1, 2), sharp=False),
    "recurrent, buffers of zeros": Control(
        lambda Wx, Wh, x, h: 0.5 * (states(Wx, Wh, x, h)[1:] ** 2).sum(), recurrent_gradients,
        (rng.normal(size=(4, 3)), rng.normal(size=(4, 4)), X, ZEROS), (0, 1)),
    "abs": Control(lambda w: np.abs(w).sum(), np.sign, (W,)),
    "norm": Control(lambda W, X: np.linalg.norm(X @ W),
                    lambda W, X: X.T @ (X @ W) / np.linalg.norm(X @ W), (W, X)),
    "nuclear norm": Control(lambda W: np.linalg.norm(W, "nuc"), polar, (W,)),
    "max": Control(lambda W, X: (X @ W).max(axis=1).sum(),
                   lambda W, X: X.T @ np.equal(X @ W, (X @ W).max(axis=1, keepdims=True)).astype(float), (W, X)),
    "max over dead relus": Control(lambda W, X: np.maximum(X @ W, 0).max(axis=0).sum(), argmax_gradient, (W, X)),
    "sort": Control(lambda w: (np.sort(w.ravel()) * np.arange(12)).sum(),
                    lambda w: np.argsort(np.argsort(w.ravel())).reshape(w.shape).astype(float), (W,)),
    "clip": Control(lambda w: np.clip(w, -0.5, 0.5).sum(), lambda w: (np.abs(w) < 0.5) * 1.0, (W,)),
    "hinge": Control(lambda w, X, t: np.maximum(0, 1 - t * (X @ w)).sum(),
                     lambda w, X, t: -X.T @ (t * (1 - t * (X @ w) > 0)), (np.zeros(3), X, SIGNS)),
    "cross-entropy of 0/1": Control(binary_loss, lambda w, X, t: X.T @ (sigmoid(X @ w) - t) / len(t),
                                    (np.zeros(3), X, (SIGNS + 1) / 2)),
    "cancellation of eight digits": Control(lambda w: ((w + 1e8 - 1e8) ** 2).sum(),
                                            lambda w: 2 * (w + 1e8 - 1e8), (W,), sharp=False),
    "cancellation in float32": Control(lambda w: spread_loss(w + 30), lambda w: spread_gradient(w + 30),
                                       (narrow(W),), sharp=False),
    "mean square less squared mean": Control(lambda w: spread_loss(w + 1000),
                                             lambda w: spread_gradient(w + 1000), (W,)),
    "one flat vector": Control(flat_loss, flat_gradient, (np.zeros(16), X)),
    "pairs in a list": Control(nested_loss, nested_gradients,
                               ([(W, ZEROS), (rng.normal(size=(4, 2)), np.zeros(2))], X)),
    "integer data": Control(lambda W, X: np.tanh(X @ W).sum(), tanh_gradient, (W, rng.integers(0, 5, (6, 3)))),
    "with respect to integers": Control(lambda W, X: np.tanh(X @ W).sum(), tanh_gradient,
                                        (rng.integers(0, 5, (3, 4)), X)),
    "a Python float": Control(lambda w, X: float((w * X).sum() ** 2), lambda w, X: 2 * w * X.sum() ** 2, (0.5, X)),
    "a scale that must be positive": Control(
        lambda s, x: (np.log(s) + 0.5 * (x / s) ** 2).sum(),
        lambda s, x: len(x) / s - (x**2).sum(0) / s**3, (np.ones(3), X)),
    "a matrix that must be positive": Control(lambda w: (w**1.5).sum(), lambda w: 1.5 * w**0.5, (np.abs(W),)),
    "a scale taken as positive": Control(lambda s, x: (np.abs(s) * x).sum(), lambda s, x: x.sum(0), (np.ones(3), X)),
    "an unstable loss, a stable gradient": Control(lambda w: ((w + 1e4) ** 2 - 1e8 - 2e4 * w).sum(),
                                                   lambda w: 2 * w, (W,), sharp=False),
    "symmetric data": Control(lambda x, A: x @ A @ x, lambda x, A: 2 * A @ x, (np.zeros(3), SYMMETRIC)),
    "inputs changed in place": Control(squares, wiping_gradient, (W, X)),
    "loss and gradient": Control(squares, lambda W, X: (squares(W, X), squares_gradient(W, X)), (W, X)),
    "None where the loss does not look": Control(lambda W, b, X: squares(W, X),
                                                 lambda W, b, X: (squares_gradient(W, X), None), (W, ZEROS, X), (0, 1)),
    "a gradient that is zero": Control(lambda b, X: softmax(X @ X.T + (X @ b)[:, None])[:, 0].sum(),
                                       lambda b, X: np.zeros(3), (np.zeros(3), X), sharp=False),
    "softplus": Control(lambda w: np.logaddexp(0, w).sum(), sigmoid, (W,)),
    "saturated": Control(lambda w: np.log1p(np.exp(w - 40)).sum(), lambda w: sigmoid(w - 40), (W,)),
    "a large matrix": Control(lambda W, X: np.tanh(X @ W).sum(), tanh_gradient,
                              (0.01 * rng.normal(size=(60, 50)), rng.random((30, 60)))),
}
