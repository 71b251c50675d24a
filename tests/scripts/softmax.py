import numpy as np


def build(rng, sizes):
    n_samples, n_in, n_hidden, n_classes = sizes
    W1, b1 = rng.normal(size=(n_in, n_hidden)), rng.normal(size=n_hidden)
    W2, b2 = rng.normal(size=(n_hidden, n_classes)), rng.normal(size=n_classes)
    return W1, b1, W2, b2, rng.normal(size=(n_samples, n_in)), rng.integers(0, n_classes, size=n_samples)


def forward(W1, b1, W2, b2, X):
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return hidden, e / np.sum(e, axis=1, keepdims=True)


def loss(W1, b1, W2, b2, X, y):
    hidden, probs = forward(W1, b1, W2, b2, X)
    return -np.mean(np.log(probs[np.arange(X.shape[0]), y])) + 0.5 * 0.2 * np.sum(W1 * W1)


def gradients(W1, b1, W2, b2, X, y):
    hidden, probs = forward(W1, b1, W2, b2, X)
    N = X.shape[0]
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dW2 = hidden.T.dot(dscores)
    db2 = dscores.sum(axis=0)
    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0
    dW1 = X.T.dot(dhidden)
    dW1 += 0.2 * W1
    db1 = dhidden.sum(axis=0)
    return dW1, db1, dW2, db2
