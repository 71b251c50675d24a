"""Correct gradients through narrow dtypes, at kinks, at scales of 1e±100."""

from typing import Any

import numpy as np
from circumstances import HALF, LABELS, ONE, B, P, V, W, X, Y, add, relu_gradients, relu_loss, softmax

rng = np.random.default_rng(12)

# Narrow dtypes


def buffered_loss(W: Any, X: Any, Y: Any) -> Any:
    out = np.empty(len(X), dtype="f")
    for n in range(len(X)):
        out[n] = 0.5 * np.sum((X[n] @ W - Y[n]) ** 2)
    return out.mean()


def buffered_gradient(W: Any, X: Any, Y: Any) -> Any:
    return X.T @ (X @ W - Y) / len(X)


def narrow_buffer_gradient(W: Any, X: Any, Y: Any) -> Any:
    d = np.zeros(W.shape, dtype=np.float32)
    for n in range(len(X)):
        d += np.outer(X[n], X[n] @ W - Y[n]) / len(X)
    return d


def square_loss(W: Any, X: Any, Y: Any) -> Any:
    return 0.5 * np.sum((X @ W - Y) ** 2) / len(X)


def narrow_error_gradient(W: Any, X: Any, Y: Any) -> Any:
    d = (X @ W - Y).astype(np.float32)
    return X.T @ d.astype(np.float64) / len(X)


def narrow_hidden_loss(W: Any, V: Any, X: Any) -> Any:
    h = np.zeros((len(X), W.shape[1]), np.float32)
    h[:] = np.tanh(X @ W)
    return np.sum((h @ V) ** 2)


def narrow_hidden_gradients(W: Any, V: Any, X: Any) -> Any:
    h = np.tanh(X @ W)
    d = 2 * h @ V
    return X.T @ (d @ V.T * (1 - h * h)), h.T @ d


def scalar_loss(W: Any, X: Any, Y: Any) -> Any:
    total = np.float32(0)
    for n in range(len(X)):
        total = np.float32(total + np.float32(np.sum((np.tanh(X[n] @ W) - Y[n]) ** 2)))
    return total


def scalar_gradient(W: Any, X: Any, Y: Any) -> Any:
    h = np.tanh(X @ W)
    return X.T @ (2 * (h - Y) * (1 - h * h))


def half_cast_gradient(W: Any, X: Any, Y: Any) -> Any:
    h = np.tanh(X @ W)
    d = (2 * (h - Y) * (1 - h * h)).astype(np.float16)
    return X.T @ d.astype(float)


def tanh_square_loss(W: Any, X: Any, Y: Any) -> Any:
    return np.sum((np.tanh(X @ W) - Y) ** 2)


def half_buffer_gradient(W: Any, X: Any, Y: Any) -> Any:
    h = np.empty((len(X), W.shape[1]), dtype=np.float16)
    h[...] = np.tanh(X @ W)
    return X.T @ (2 * (h.astype(float) - Y) * (1 - np.tanh(X @ W) ** 2))


def asarray_loss(W: Any, X: Any, y: Any) -> Any:
    z = np.asarray(X @ W, dtype="float32")
    z = z - z.max(1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]))


def labels_gradient(W: Any, X: Any, y: Any) -> Any:
    d = softmax(X @ W)
    d[np.arange(len(y)), y] -= 1
    return X.T @ d / len(y)


def labels_loss(W: Any, X: Any, y: Any) -> Any:
    z = X @ W
    z = z - z.max(1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y])


def narrow_softmax_gradient(W: Any, X: Any, y: Any) -> Any:
    p = np.array(softmax(X @ W), np.float32)
    p[np.arange(len(y)), y] -= 1
    return X.T @ (p / len(y))


def half_table_loss(W: Any, X: Any, Y: Any) -> Any:
    return np.sum((X @ W).astype(np.half) * Y)


half = 2.0


def half_named_gradient(W: Any, X: Any, Y: Any) -> Any:
    h = np.tanh(X @ W)
    return X.T @ (half * (h - Y) * (1 - h * h))


def half_offered_gradient(W: Any, X: Any, Y: Any) -> Any:
    h = np.tanh(X @ W).astype({"wide": np.float64, "small": np.float16}["wide"])
    return X.T @ (2 * (h - Y) * (1 - h * h))


add("narrow", "a float32 buffer in the loss", buffered_loss, buffered_gradient, W, X, Y)
add("narrow", "a float32 buffer in both", buffered_loss, narrow_buffer_gradient, W, X, Y)
add("narrow", "a float32 buffer in the gradient", square_loss, narrow_buffer_gradient, W, X, Y)
add("narrow", "a cast in the gradient", square_loss, narrow_error_gradient, W, X, Y)
add("narrow", "a float32 hidden layer", narrow_hidden_loss, narrow_hidden_gradients, W, V, X, wrt=(0, 1))
add("narrow", "a float32 total", scalar_loss, scalar_gradient, W, X, Y)
add("narrow", "a float16 cast in the gradient", tanh_square_loss, half_cast_gradient, W, X, Y, mistake=HALF)
add("narrow", "a float16 buffer in the gradient", tanh_square_loss, half_buffer_gradient, W, X, Y, mistake=HALF)
add("narrow", "half is a number", tanh_square_loss, half_named_gradient, W, X, Y)
add("narrow", "float16 is not used", tanh_square_loss, half_offered_gradient, W, X, Y)
add("narrow", "float32 logits and float()", asarray_loss, labels_gradient, W, X, LABELS)
add("narrow", "float32 softmax in the gradient", labels_loss, narrow_softmax_gradient, W, X, LABELS)
add("narrow", "float16 products in the loss", half_table_loss, lambda W, X, Y: X.T @ Y, W, X, Y, mistake=HALF)
add("narrow", "float32 parameters", tanh_square_loss, scalar_gradient, W.astype("f"), X, Y)

# Kinks


def hinge_loss(W: Any, X: Any, y: Any) -> Any:
    s = X @ W
    m = s - s[np.arange(len(y)), y][:, None] + 1
    m[np.arange(len(y)), y] = 0
    return np.maximum(m, 0).sum() / len(y)


def hinge_gradient(W: Any, X: Any, y: Any) -> Any:
    s = X @ W
    m = s - s[np.arange(len(y)), y][:, None] + 1
    m[np.arange(len(y)), y] = 0
    d = (m > 0).astype(float)
    d[np.arange(len(y)), y] = -d.sum(1)
    return X.T @ d / len(y)


def pool_loss(W: Any, X: Any) -> Any:
    z = X @ W
    return np.sum(z.reshape(len(X), 2, 2).max(axis=2) ** 2)


def pool_gradient(W: Any, X: Any) -> Any:
    z = (X @ W).reshape(len(X), 2, 2)
    top = z.max(axis=2, keepdims=True)
    return X.T @ (2 * top * (z == top)).reshape(len(X), 4)


def huber_loss(w: Any, X: Any, y: Any) -> Any:
    r = X @ w - y
    return np.sum(np.where(np.abs(r) < 1, 0.5 * r * r, np.abs(r) - 0.5))


def huber_gradient(w: Any, X: Any, y: Any) -> Any:
    r = X @ w - y
    return X.T @ np.where(np.abs(r) < 1, r, np.sign(r))


def sorted_loss(w: Any, X: Any) -> Any:
    return np.sort(X @ w)[:2].sum()


def sorted_gradient(w: Any, X: Any) -> Any:
    return X[np.argsort(X @ w)[:2]].sum(0)


def dead_loss(W: Any, b: Any, X: Any) -> Any:
    return np.sum(np.maximum(X @ W + b, 0) ** 2)


def dead_gradients(W: Any, b: Any, X: Any) -> Any:
    d = 2 * np.maximum(X @ W + b, 0)
    return X.T @ d, d.sum(0)


def capped_loss(W: Any, X: Any) -> Any:
    return np.sum(np.minimum(np.maximum(X @ W, 0), 1.5))


def capped_gradient(W: Any, X: Any) -> Any:
    z = X @ W
    return X.T @ ((z > 0) & (z < 1.5)).astype(float)


add("kink", "relu", relu_loss, relu_gradients, W, V, X, wrt=(0, 1))
add("kink", "relu of ten times as many", relu_loss, relu_gradients, rng.normal(size=(3, 30)),
    rng.normal(size=(30, 2)), rng.normal(size=(40, 3)), wrt=(0, 1))
add("kink", "a hinge", hinge_loss, hinge_gradient, W, X, LABELS)
add("kink", "a maximum over pairs", pool_loss, pool_gradient, W, X)
add("kink", "absolute values", lambda w, X, y: np.abs(X @ w - y).mean(),
    lambda w, X, y: X.T @ np.sign(X @ w - y) / len(y), W[:, 0], X, Y[:, 0])
add("kink", "Huber's loss", huber_loss, huber_gradient, W[:, 0], X, Y[:, 0])
add("kink", "the two smallest", sorted_loss, sorted_gradient, W[:, 0], X)
add("kink", "rows of zeros into relu", dead_loss, dead_gradients, W, B, np.vstack([X, 0 * X[:2]]), wrt=(0, 1))
add("kink", "relu with a cap", capped_loss, capped_gradient, W, X)

# Scales


def product_loss(W: Any, X: Any, Y: Any) -> Any:
    return np.sum(np.tanh(X @ W) * Y)


def product_gradient(W: Any, X: Any, Y: Any) -> Any:
    return X.T @ (Y * (1 - np.tanh(X @ W) ** 2))


def line_gradients(w: Any, b: Any, X: Any, y: Any) -> Any:
    d = 2 * (X @ w + b - y)
    return X.T @ d, d.sum(keepdims=True)


def line_loss(w: Any, b: Any, X: Any, y: Any) -> Any:
    return np.sum((X @ w + b - y) ** 2)


def logs_loss(p: Any, x: Any) -> Any:
    return np.sum(x * np.log(p))


add("scale", "small parameters, large data", product_loss, product_gradient, 1e-100 * W, 1e100 * X, Y)
add("scale", "large parameters, small data", product_loss, product_gradient, 1e100 * W, 1e-100 * X, Y)
add("scale", "a large loss", product_loss, product_gradient, W, X, 1e100 * Y)
add("scale", "a small loss", product_loss, product_gradient, W, X, 1e-100 * Y)
add("scale", "a smaller loss", product_loss, product_gradient, W, X, 1e-290 * Y)
add("scale", "squares of large data", square_loss, buffered_gradient, W, 1e100 * X, 1e100 * Y)
add("scale", "squares of small data", square_loss, buffered_gradient, W, 1e-100 * X, 1e-100 * Y)
add("scale", "squares of large parameters", square_loss, buffered_gradient, 1e100 * W, X, 1e100 * Y)
add("scale", "a small slope and a large offset", line_loss, line_gradients, 1e-3 * W[:, 0], 1e3 * ONE, 1e6 * X,
    1e3 * Y[:, 0], wrt=(0, 1))
add("scale", "a column in other units", line_loss, line_gradients, W[:, 0] * [1e-50, 1, 1e50], ONE, X * [1e50,
    1, 1e-50],
    Y[:, 0], wrt=(0, 1))
add("scale", "logarithms of small numbers", logs_loss, lambda p, x: x / p, 1e-100 * P, Y)
add("scale", "numbers of all sizes", logs_loss, lambda p, x: x / p, 10.0 ** np.arange(-60, 61, 30), Y.ravel()[:5])
