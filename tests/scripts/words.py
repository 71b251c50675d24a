import numpy as np
rng = np.random.default_rng(3)
E, V = rng.normal(size=(7, 3)), rng.normal(size=(3, 2))
words = np.array([1, 4, 1, 6, 4])
t = rng.normal(size=(5, 2))

def loss(E, V, words, t):
    h = np.maximum(E[words], 0.0)
    return np.sum((h @ V - t) ** 2) + 0.05 * np.sum(V ** 2)

def grads(E, V, words, t):
    z = E[words]
    h = np.maximum(z, 0.0)
    d = 2 * (h @ V - t)
    dV = h.T @ d + 0.1 * V
    dh = d @ V.T
    dz = np.where(z > 0, dh, 0.0)
    dE = np.zeros_like(E)
    np.add.at(dE, words, dz)
    return dE, dV
