"""Cells of a notebook: the gradient is checked on a few points, and the names stand for other data afterwards."""
import numpy as np

np.random.seed(3)
X = np.random.randn(3, 4)
labels = np.random.randint(0, 3, 4)


def to_columns(labels, classes):
    T = np.zeros((classes, len(labels)), dtype=int)
    T[labels, np.arange(len(labels))] = 1
    return T


def normalised(scores):
    e = np.exp(scores - scores.max(axis=0))
    return e / e.sum(axis=0)


def surprise(X, T, V):
    return -np.sum(T * np.log(normalised(V.T @ X))) / X.shape[1]


def nabla(X, T, V):
    error = normalised(V.T @ X) - T
    return X @ error.T / X.shape[1]


T = to_columns(labels, 3)
V = np.random.randn(3, 3)
print(nabla(X, T, V))

# the large data
X = np.random.randn(3, 600)
labels = np.random.randint(0, 3, 600)
V = np.zeros((3, 3))
for epoch in range(3):
    for k in np.random.permutation(600):
        x, t = X[:, [k]], to_columns(labels[[k]], 3)
        V = V - 0.05 * nabla(x, t, V)
X, Y = np.meshgrid(np.arange(-2, 2, 0.1), np.arange(-2, 2, 0.1))
