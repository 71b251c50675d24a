import numpy as np

rng = np.random.default_rng(9)
W, U = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
contexts = [1, 2, 4]

def step(W, U):
    h = U[3]
    y = np.exp(W @ h) / np.sum(np.exp(W @ h))
    total, EI, dW = 0.0, np.zeros(5), np.zeros_like(W)
    for c in contexts:
        t = np.zeros(5)
        t[c] = 1
        total -= np.sum(t * np.log(y))
        EI += y - t
        for k in range(5):
            dW[k] += (y[k] - t[k]) * h
    dU = np.zeros_like(U)
    dU[3] = W.T @ EI
    return total, dW, dU
