"""A network with two hidden layers, its gradient written by hand. Rows are samples.

    einbackprop check mynet.py --loss "loss(weights, X, T)" --grads "gradients(weights, X, T)" \
        --wrt weights

Break a line of `gradients` and check again.
"""

import itertools

import numpy as np


def make_weights(n_in, n_first, n_second, n_out):
    sizes = [n_in, n_first, n_second, n_out]
    weights = []
    for rows, columns in itertools.pairwise(sizes):
        weights.append(np.random.randn(rows, columns) * 0.01)
        weights.append(np.zeros(columns))
    return weights


def predict(weights, X):
    W1, b1, W2, b2, W3, b3 = weights
    first = np.tanh(X @ W1 + b1)
    second = np.tanh(first @ W2 + b2)
    return first, second, second @ W3 + b3


def loss(weights, X, T):
    _, _, prediction = predict(weights, X)
    return 0.5 * np.sum((prediction - T) ** 2) / len(X)


def gradients(weights, X, T):
    _, _, W2, _, W3, _ = weights
    first, second, prediction = predict(weights, X)

    d_prediction = (prediction - T) / len(X)
    dW3 = second.T @ d_prediction
    db3 = d_prediction.sum(axis=0)

    d_second = d_prediction @ W3.T * (1 - second**2)
    dW2 = first.T @ d_second
    db2 = d_second.sum(axis=0)

    d_first = d_second @ W2.T * (1 - first**2)
    dW1 = X.T @ d_first
    db1 = d_first.sum(axis=0)

    return [dW1, db1, dW2, db2, dW3, db3]


weights = make_weights(3, 4, 4, 2)
X = np.random.rand(6, 3)
T = np.random.randn(6, 2)

