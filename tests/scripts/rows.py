import numpy as np


def build(rng, sizes):
    n_samples, n_in, n_hidden, n_out = sizes
    W1, b1 = rng.normal(size=(n_in, n_hidden)), rng.normal(size=n_hidden)
    W2, b2 = rng.normal(size=(n_hidden, n_hidden)), rng.normal(size=n_hidden)
    W3, b3 = rng.normal(size=(n_hidden, n_out)), rng.normal(size=n_out)
    return (W1, b1, W2, b2, W3, b3, rng.normal(size=(n_samples, n_in)), rng.normal(size=(n_samples, n_out)))


def forward(W1, b1, W2, b2, W3, b3, X):
    z1 = X @ W1 + b1
    h1 = np.tanh(z1)
    z2 = h1 @ W2 + b2
    h2 = np.maximum(z2, 0)
    return z1, h1, z2, h2, h2 @ W3 + b3


def loss(W1, b1, W2, b2, W3, b3, X, Y):
    out = forward(W1, b1, W2, b2, W3, b3, X)[-1]
    return 0.5 * np.sum((out - Y) ** 2) / X.shape[0] + 0.05 * np.sum(W3**2)


def gradients(W1, b1, W2, b2, W3, b3, X, Y):
    z1, h1, z2, h2, out = forward(W1, b1, W2, b2, W3, b3, X)
    N = X.shape[0]
    dout = (out - Y) / N
    dW3 = h2.T @ dout + 0.1 * W3
    db3 = dout.sum(axis=0)
    dh2 = dout @ W3.T
    dz2 = dh2 * (z2 > 0)
    dW2 = h1.T @ dz2
    db2 = np.sum(dz2, axis=0)
    dh1 = dz2 @ W2.T
    dz1 = dh1 * (1 - h1**2)
    dW1 = X.T @ dz1
    db1 = np.sum(dz1, axis=0)
    return dW1, db1, dW2, db2, dW3, db3
