"""Correct gradients where sizes are tied by the code, and where they are zero for every value."""

from typing import Any

import numpy as np
from circumstances import LABELS, ONE, B, W, X, Y, add, sigmoid, softmax

rng = np.random.default_rng(14)

# Tied sizes


def joined_loss(W: Any, a: Any, x: Any) -> Any:
    h = np.concatenate([a, x])
    return np.sum(np.tanh(W @ h) ** 2)


def joined_gradients(W: Any, a: Any, x: Any) -> Any:
    h = np.concatenate([a, x])
    t = np.tanh(W @ h)
    d = 2 * t * (1 - t * t)
    return np.outer(d, h), W[:, :len(a)].T @ d


def cut_loss(W: Any, h: Any) -> Any:
    return np.sum((W[:, :h.shape[0]] @ h) ** 2)


def cut_gradient(W: Any, h: Any) -> Any:
    return 2 * np.outer(W[:, :h.shape[0]] @ h, h)


def both_parts_loss(W: Any, h: Any, x: Any) -> Any:
    z = W[:, :h.shape[0]] @ h + W[:, h.shape[0]:] @ x
    return np.sum(np.tanh(z))


def both_parts_gradient(W: Any, h: Any, x: Any) -> Any:
    z = W[:, :h.shape[0]] @ h + W[:, h.shape[0]:] @ x
    return np.outer(1 - np.tanh(z) ** 2, np.concatenate([h, x]))


def halves_loss(x: Any, w: Any) -> Any:
    n = x.shape[0] // 2
    return np.sum(x[:n] * sigmoid(x[n:]) * w)


def halves_gradient(x: Any, w: Any) -> Any:
    n = x.shape[0] // 2
    s = sigmoid(x[n:])
    return np.concatenate([s * w, x[:n] * s * (1 - s) * w])


def gates_loss(W: Any, x: Any, c: Any) -> Any:
    z = W @ x
    H = len(c)
    return np.sum(sigmoid(z[:H]) * np.tanh(z[H:2 * H]) + sigmoid(z[2 * H:]) * c)


def gates_gradient(W: Any, x: Any, c: Any) -> Any:
    z = W @ x
    H = len(c)
    i, g, f = sigmoid(z[:H]), np.tanh(z[H:2 * H]), sigmoid(z[2 * H:])
    return np.outer(np.concatenate([g * i * (1 - i), i * (1 - g * g), c * f * (1 - f)]), x)


def flat_loss(t: Any, X: Any) -> Any:
    W, b = t[:12].reshape(3, 4), t[12:]
    return np.sum(np.tanh(X @ W + b))


def flat_gradient(t: Any, X: Any) -> Any:
    W, b = t[:12].reshape(3, 4), t[12:]
    d = 1 - np.tanh(X @ W + b) ** 2
    return np.concatenate([(X.T @ d).ravel(), d.sum(0)])


def heads_loss(W: Any, X: Any, heads: int) -> Any:
    z = (X @ W).reshape(len(X), heads, -1)
    return np.sum(softmax(z)[..., 0])


def heads_gradient(W: Any, X: Any, heads: int) -> Any:
    z = (X @ W).reshape(len(X), heads, -1)
    p = softmax(z)
    d = -p[..., :1] * p
    d[..., 0] += p[..., 0]
    return X.T @ d.reshape(len(X), -1)


def image_loss(K: Any, x: Any, side: int) -> Any:
    return np.sum((x.reshape(side, side) @ K) ** 2)


def image_gradient(K: Any, x: Any, side: int) -> Any:
    image = x.reshape(side, side)
    return 2 * image.T @ (image @ K)


def rows_loss(W: Any, X: Any) -> Any:
    return sum(np.sum((x.reshape(1, -1) @ W) ** 2, keepdims=True) for x in X)


def rows_gradient(W: Any, X: Any) -> Any:
    return 2 * X.T @ (X @ W)


add("tied", "a and x side by side", joined_loss, joined_gradients, rng.normal(size=(2, 7)), B, X[0], wrt=(0, 1))
add("tied", "the columns that are needed", cut_loss, cut_gradient, rng.normal(size=(3, 4)), B)
add("tied", "two parts of a matrix", both_parts_loss, both_parts_gradient, rng.normal(size=(2, 7)), B, X[0])
add("tied", "two halves", halves_loss, halves_gradient, rng.normal(size=8), B)
add("tied", "three gates", gates_loss, gates_gradient, rng.normal(size=(12, 3)), X[0], B)
add("tied", "parameters in one vector", flat_loss, flat_gradient, rng.normal(size=16), X)
add("tied", "heads", heads_loss, heads_gradient, rng.normal(size=(3, 6)), X, 2)
add("tied", "an image from a row", image_loss, image_gradient, rng.normal(size=(4, 2)), rng.normal(size=16), 4)
add("tied", "a loss of shape (1, 1)", rows_loss, rows_gradient, W, X)

# Gradients that are zero for every value


def normalised_loss(W: Any, b: Any, X: Any, Y: Any) -> Any:
    z = X @ W + b
    c = z - z.mean(0)
    return np.sum(Y * c / np.sqrt((c * c).mean(0) + 1e-5))


def normalised_gradients(W: Any, b: Any, X: Any, Y: Any) -> Any:
    z = X @ W + b
    c = z - z.mean(0)
    s = 1 / np.sqrt((c * c).mean(0) + 1e-5)
    h = c * s
    d = s * (Y - Y.mean(0) - h * (Y * h).mean(0))
    return X.T @ d, d.sum(0)


def shifted_loss(W: Any, s: Any, X: Any, y: Any) -> Any:
    p = softmax(X @ W + s)
    return -np.mean(np.log(p[np.arange(len(y)), y]))


def shifted_gradients(W: Any, s: Any, X: Any, y: Any) -> Any:
    d = softmax(X @ W + s)
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    return X.T @ d, d.sum(axis=1, keepdims=True)


def keys_loss(q: Any, K: Any, b: Any, v: Any) -> Any:
    return softmax(K @ q + b @ q) @ v


def keys_gradients(q: Any, K: Any, b: Any, v: Any) -> Any:
    p = softmax(K @ q + b @ q)
    d = p * (v - p @ v)
    return K.T @ d + b * d.sum(), np.outer(d, q), q * d.sum()


def centred_loss(w: Any, b: Any, X: Any) -> Any:
    z = X @ w + b
    return np.var(z)


def centred_gradients(w: Any, b: Any, X: Any) -> Any:
    z = X @ w + b
    d = 2 * (z - z.mean()) / len(z)
    return X.T @ d, d.sum(keepdims=True)


def pairs_loss(w: Any, b: Any, X: Any) -> Any:
    s = X @ w + b
    return np.sum(np.tanh(s[:, None] - s[None, :]) * (np.arange(6)[:, None] < np.arange(6)))


def pairs_gradients(w: Any, b: Any, X: Any) -> Any:
    s = X @ w + b
    d = (1 - np.tanh(s[:, None] - s[None, :]) ** 2) * (np.arange(6)[:, None] < np.arange(6))
    ds = d.sum(1) - d.sum(0)
    return X.T @ ds, ds.sum(keepdims=True)


def direction_loss(w: Any, x: Any) -> Any:
    return x @ w / np.sqrt(w @ w)


def scale_loss(g: Any, w: Any, x: Any) -> Any:
    u = g * w
    return np.tanh(x @ u / np.sqrt(u @ u))


def scale_gradients(g: Any, w: Any, x: Any) -> Any:
    u = g * w
    n = np.sqrt(u @ u)
    t = np.tanh(x @ u / n)
    du = (1 - t * t) * (x / n - u * (x @ u) / n**3)
    return np.array([du @ w]), g * du


def telescoping_loss(a: Any, X: Any) -> Any:
    return np.sum(np.diff(np.append(X @ W[:, 0] + a, (X @ W[:, 0] + a)[0])) * 1.7) + np.sum(X)


def telescoping_gradient(a: Any, X: Any) -> Any:
    d = 1.7 * np.ones(len(X)) - 1.7 * np.ones(len(X))
    return d.sum(keepdims=True)


def instance_loss(W: Any, b: Any, X: Any, Y: Any) -> Any:
    z = X @ W + b
    m, v = z.mean(1, keepdims=True), z.var(1, keepdims=True)
    return np.sum(((z - m) / np.sqrt(v + 1e-5) - Y) ** 2)


def instance_gradients(W: Any, b: Any, X: Any, Y: Any) -> Any:
    z = X @ W + b
    m, v = z.mean(1, keepdims=True), z.var(1, keepdims=True)
    s = 1 / np.sqrt(v + 1e-5)
    h = (z - m) * s
    d = 2 * (h - Y)
    d = s * (d - d.mean(1, keepdims=True) - h * (d * h).mean(1, keepdims=True))
    return X.T @ d, d.sum(1, keepdims=True)


SHIFT = rng.normal(size=(6, 1))
add("zero", "a bias before a batch norm", normalised_loss, normalised_gradients, W, B, X, Y, wrt=(0, 1), cancelling=1.0)
add("zero", "a shift before a softmax", shifted_loss, shifted_gradients, W, SHIFT, X, LABELS, wrt=(0, 1),
    cancelling=0.1)
add("zero", "a bias of keys", keys_loss, keys_gradients, B, X @ W, W[0], Y[:, 0], wrt=(0, 1, 2), cancelling=0.1)
add("zero", "a bias before a variance", centred_loss, centred_gradients, W[:, 0], ONE, X, wrt=(0, 1), cancelling=1.0)
add("zero", "a bias of differences", pairs_loss, pairs_gradients, W[:, 0], ONE, X, wrt=(0, 1), cancelling=1.0)
add("zero", "a scale before a norm", scale_loss, scale_gradients, ONE, B, Y[0], wrt=(0, 1), cancelling=0.1)
add("zero", "differences around a circle", telescoping_loss, telescoping_gradient, ONE, X, cancelling=1.0)
add("zero", "a bias before an instance norm", instance_loss, instance_gradients, W, SHIFT, X, Y, wrt=(0, 1),
    cancelling=1.0)
