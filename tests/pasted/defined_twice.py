"""A notebook in a row: a function is written once more with a penalty, and a rate is a number again after a loop."""
import numpy as np

np.random.seed(4)
X = np.random.randn(12, 3)
y = (X[:, 0] - X[:, 2] > 0) * 1.0


def fit(X, y, rate, rounds):
    w, losses = np.zeros(X.shape[1]), []
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-X @ w))
        w = w - rate * X.T @ (p - y) / len(y)
        losses.append(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    return losses


for rate in (0.1, 0.01):
    print(rate, fit(X, y, rate, 20)[-1])

rate, weight = 0.3, 0.05


def fit(X, y, rate, weight):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-(X @ w + b)))
        cost = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + weight / 2 * np.sum(w ** 2)
        dw = X.T @ (p - y) / len(y) + weight * w
        db = np.mean(p - y)
        w = w - rate * dw
        b = b - rate * db
    return w, b, cost


rounds = 15
for weight in (0.0, 0.1):
    print(weight, fit(X, y, rate, weight)[2])
weight = 0.02
w, b, cost = fit(X, y, rate, weight)
