import numpy as np


def build(rng, sizes):
    n_words, n_in, n_key, n_value = sizes
    shapes = [(n_in, n_key), (n_in, n_key), (n_in, n_value), (n_value, n_in)]
    weights = [rng.normal(size=shape) for shape in shapes]
    return (*weights, rng.normal(size=(n_words, n_in)), rng.normal(size=(n_words, n_in)))


def forward(Wq, Wk, Wv, Wo, X):
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    A = E / E.sum(axis=1, keepdims=True)
    Z = A @ V
    return Q, K, V, A, Z, Z @ Wo


def loss(Wq, Wk, Wv, Wo, X, Y):
    return 0.5 * np.sum((forward(Wq, Wk, Wv, Wo, X)[-1] - Y) ** 2)


def gradients(Wq, Wk, Wv, Wo, X, Y):
    Q, K, V, A, Z, out = forward(Wq, Wk, Wv, Wo, X)
    dout = out - Y
    dWo = Z.T @ dout
    dZ = dout @ Wo.T
    dA = dZ @ V.T
    dV = A.T @ dZ
    dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))
    dS = dS / np.sqrt(K.shape[1])
    dQ = dS @ K
    dK = dS.T @ Q
    dWq = X.T @ dQ
    dWk = X.T @ dK
    dWv = X.T @ dV
    return dWq, dWk, dWv, dWo
