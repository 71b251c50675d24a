import numpy as np

rng = np.random.default_rng(4)
W, V, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(5, 3))

def tanh_backward(y, slope):
    return y * (1 - y)

def loss(W, V):
    return 0.5 * np.sum((np.tanh(X @ W) @ V) ** 2)

def gradients(W, V):
    hidden = np.tanh(X @ W)
    error = hidden @ V
    back = error @ V.T
    delta = tanh_backward(hidden, back)
    return X.T @ delta, hidden.T @ error
