import numpy as np


def build(n_in, n_one, n_two, n_out, n_samples):
    W1 = 0.01 * np.random.randn(n_one, n_in)
    b1 = np.zeros(n_one)
    W2 = 0.01 * np.random.randn(n_two, n_one)
    b2 = np.zeros(n_two)
    W3 = 0.01 * np.random.randn(n_out, n_two)
    b3 = np.zeros(n_out)
    return [W1, b1, W2, b2, W3, b3], np.random.rand(n_in, n_samples), np.random.randn(n_out, n_samples)


def squash(z):
    return 1 / (1 + np.exp(-z))


def cost(guess, truth):
    return np.mean(0.5 * np.linalg.norm(guess - truth, axis=0) ** 2)


def run(theta, X):
    W1, b1, W2, b2, W3, b3 = theta
    one = squash(np.dot(W1, X) + b1[:, None])
    two = squash(np.dot(W2, one) + b2[:, None])
    return X, one, two, np.dot(W3, two) + b3[:, None]


def back(values, truth, theta):
    X, one, two, guess = values
    W1, b1, W2, b2, W3, b3 = theta
    n = X.shape[1]
    d_guess = (guess - truth) / n
    dW3 = np.dot(d_guess, two.T)
    db3 = d_guess.sum(axis=1)
    d_two = np.dot(W3.T, d_guess) * two * (1 - two)
    dW2 = np.dot(d_two, one.T)
    db2 = d_two.sum(axis=1)
    d_one = np.dot(W2.T, d_two) * one * (1 - one)
    dW1 = np.dot(d_one, X.T)
    db1 = d_one.sum(axis=1)
    return [dW1, db1, dW2, db2, dW3, db3]


theta, X, Y = build(3, 4, 4, 2, 5)
