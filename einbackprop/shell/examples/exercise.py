"""The exercise: backpropagation through three layers by hand. Columns are samples.

    einbackprop check exercise.py --loss "cost(params, X, T)" --grads "backprop(params, X, T)" \
        --wrt params

Two hidden layers of sigmoid units, a linear output, half the squared error, its mean over the batch.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def feed_forward(params, X):
    W1, b1, W2, b2, W3, b3 = params
    H1 = sigmoid(np.dot(W1, X) + b1)
    H2 = sigmoid(np.dot(W2, H1) + b2)
    Y = np.dot(W3, H2) + b3
    return H1, H2, Y


def cost(params, X, T):
    _, _, Y = feed_forward(params, X)
    return np.sum((Y - T) ** 2) / (2 * X.shape[1])


def backprop(params, X, T):
    W1, b1, W2, b2, W3, b3 = params
    H1, H2, Y = feed_forward(params, X)
    m = X.shape[1]

    # output layer: linear
    delta3 = (Y - T) / m
    dW3 = np.dot(delta3, H2.T)
    db3 = np.sum(delta3, axis=1, keepdims=True)

    # second hidden layer: the derivative of a sigmoid is s * (1 - s)
    delta2 = np.dot(W3.T, delta3) * H2 * (1 - H2)
    dW2 = np.dot(delta2, H1.T)
    db2 = np.sum(delta2, axis=1, keepdims=True)

    # first hidden layer
    delta1 = np.dot(W2.T, delta2) * H1 * (1 - H1)
    dW1 = np.dot(delta1, X.T)
    db1 = np.sum(delta1, axis=1, keepdims=True)

    return dW1, db1, dW2, db2, dW3, db3


rng = np.random.default_rng(1)
n_inputs, n_first, n_second, n_outputs, n_samples = 3, 5, 4, 2, 6
params = (
    rng.normal(size=(n_first, n_inputs)), np.zeros((n_first, 1)),
    rng.normal(size=(n_second, n_first)), np.zeros((n_second, 1)),
    rng.normal(size=(n_outputs, n_second)), np.zeros((n_outputs, 1)),
)  # fmt: skip
X = rng.random((n_inputs, n_samples))
T = rng.normal(size=(n_outputs, n_samples))
