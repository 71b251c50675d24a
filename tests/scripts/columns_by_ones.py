import numpy as np


def build(rng, sizes):
    n_in, n_one, n_two, n_out, n_samples = sizes
    W1 = rng.normal(size=(n_one, n_in))
    b1 = rng.normal(size=n_one)
    W2 = rng.normal(size=(n_two, n_one))
    b2 = rng.normal(size=n_two)
    W3 = rng.normal(size=(n_out, n_two))
    b3 = rng.normal(size=n_out)
    return [W1, b1, W2, b2, W3, b3], rng.normal(size=(n_in, n_samples)), rng.normal(size=(n_out, n_samples))


def squash(z):
    return 1 / (1 + np.exp(-z))


def cost(guess, truth):
    return np.mean(0.5 * np.linalg.norm(guess - truth, axis=0) ** 2)


def deriv_cost(guess, truth):
    return (guess - truth) / truth.shape[-1]


def run(theta, X):
    W1, b1, W2, b2, W3, b3 = theta
    one = squash(W1 @ X + b1[:, np.newaxis])
    two = squash(W2 @ one + b2[:, np.newaxis])
    guess = W3 @ two + b3[:, np.newaxis]
    return [X, one, two, guess]


def back(values, truth, theta):
    X, one, two, guess = values
    W1, b1, W2, b2, W3, b3 = theta
    n = X.shape[-1]
    d_guess = deriv_cost(guess, truth)
    d_b3 = np.dot(d_guess, np.ones((n,)))
    d_W3 = np.dot(d_guess, two.T)
    d_two = np.dot(W3.T, d_guess) * two * (1 - two)
    d_b2 = np.dot(d_two, np.ones((n,)))
    d_W2 = np.dot(d_two, one.T)
    d_one = np.dot(W2.T, d_two) * one * (1 - one)
    d_b1 = np.dot(d_one, np.ones((n,)))
    d_W1 = np.dot(d_one, X.T)
    return [d_W1, d_b1, d_W2, d_b2, d_W3, d_b3]


def loss(theta, X, Y):
    return cost(run(theta, X)[-1], Y)


def gradients(theta, X, Y):
    return back(run(theta, X), Y, theta)
