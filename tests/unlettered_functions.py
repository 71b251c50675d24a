"""Functions whose authors say nothing of what axes are called: the samples are b, what a carry runs over is t."""
# ruff: noqa: B905

import numpy as np


def rows(W, X, y):
    return np.mean((X @ W - y) ** 2)


def columns(W1, b1, W2, X, Y):
    h = np.tanh(W1 @ X + b1)
    return np.sum((W2 @ h - Y) ** 2) / X.shape[1]


def logistic(w, c, X, y):
    p = 1 / (1 + np.exp(-(X @ w + c)))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def softmax_of_labels(W, X, labels):
    s = X @ W
    s = s - s.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(X)), labels])


def softmax_of_one_hot(W, X, Y):
    e = np.exp(X @ W)
    return -np.sum(Y * np.log(e / e.sum(1, keepdims=True))) / len(X)


def hinge(W, X, labels):
    s = X @ W
    right = s[np.arange(len(s)), labels]
    margin = np.maximum(0, s - right[:, None] + 1)
    return margin.sum() / len(s)


def ridge(w, X, y):
    r = X @ w - y
    return r @ r / len(y) + 0.1 * w @ w


def two_layers(W1, b1, W2, b2, X, Y):
    h = np.maximum(0, X @ W1 + b1)
    return 0.5 * np.sum((h @ W2 + b2 - Y) ** 2)


def batch_norm(gamma, beta, X, dout):
    x = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5)
    return np.sum((gamma * x + beta) * dout)


def autoencoder(E, D, X):
    return np.mean((np.tanh(X @ E) @ D - X) ** 2)


def embedding(E, W, words, labels):
    s = E[words] @ W
    s = s - s.max(1, keepdims=True)
    return np.mean(np.log(np.exp(s).sum(1)) - s[np.arange(len(words)), labels])


def poisson(w, X, counts):
    return np.mean(np.exp(X @ w) - counts * (X @ w))


def recurrent(U, W, x):
    h = np.zeros(len(U))
    total = 0.0
    for n in range(len(x)):
        h = np.tanh(U @ x[n] + W @ h)
        total += h @ h
    return total


def recurrent_over_elements(U, W, xs, ys):
    h, total = np.zeros(len(U)), 0.0
    for x, y in zip(xs, ys):
        h = np.tanh(U @ x + W @ h)
        total += np.sum((h - y) ** 2)
    return total


def recurrent_of_samples(Wx, Wh, x, h0):
    h, hs = h0, []
    for x_now in x:
        h = np.tanh(x_now @ Wx + h @ Wh)
        hs.append(h)
    return np.sum(np.array(hs) ** 2)


def smoothed(a, x):
    s, total = x[0], 0.0
    for k in range(1, len(x)):
        s = a * x[k] + (1 - a) * s
        total += np.sum(s**2)
    return total


def carried_in_a_buffer(U, W, x):
    hs = np.zeros((len(x) + 1, len(U)))
    for n in range(len(x)):
        hs[n + 1] = np.tanh(U @ x[n] + W @ hs[n])
    return np.sum(hs**2)


def carried_in_a_dict(U, W, xs):
    hs = {-1: np.zeros(len(U))}
    for n, x in enumerate(xs):
        hs[n] = np.tanh(U @ x + W @ hs[n - 1])
    return np.sum(hs[len(xs) - 1] ** 2)


def carried_by_samples(W, V, x, Y):
    h = np.zeros((len(Y), len(V)))
    for x_now in x:
        h = np.tanh(x_now @ W + h @ V.T)
    return np.mean((h - Y) ** 2)


def accumulated(x, y):
    total = 0.0
    for p, q in zip(x, y):
        total += np.sum((p - q) ** 2)
    return total


SAID = {
    "rows": ("b = 5",), "columns": ("b = 5",), "logistic": ("b = 5",), "softmax_of_labels": ("b = 5",),
    "softmax_of_one_hot": ("b = 5",), "hinge": ("b = 5",), "ridge": ("b = 5",), "two_layers": ("b = 5",),
    "batch_norm": ("b, c = 5",), "autoencoder": ("b = 5",), "embedding": ("b = 5",), "poisson": ("b = 5",),
    "recurrent": ("n = 5",), "recurrent_over_elements": ("t = 5",), "recurrent_of_samples": ("t = 6", "b = 5"),
    "smoothed": ("k = 5",), "carried_in_a_buffer": ("n = 5",), "carried_in_a_dict": ("n = 5",),
    "carried_by_samples": ("t = 6", "b = 5"), "accumulated": ("b = 5",),
}  # fmt: skip
"""What the table of letters says of each; counters of loops are letters that the user wrote."""
