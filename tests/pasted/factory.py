"""A likelihood that closes over its data."""
import numpy as np


def likelihood_of(counts, X):
    def value(theta):
        rate = np.exp(X @ theta)
        return np.sum(rate - counts * (X @ theta)), X.T @ (rate - counts)
    return value


rng = np.random.default_rng(6)
X = rng.normal(size=(25, 3))
counts = rng.poisson(2.0, size=25)
value = likelihood_of(counts, X)
theta = np.zeros(3)
for _ in range(40):
    nll, slope = value(theta)
    theta = theta - 0.01 * slope
