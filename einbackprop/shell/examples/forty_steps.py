"""Forty steps: a backward with one operation a line, and each value under its own name.

    einbackprop check forty_steps.py --loss "loss(params, X, y)" --grads "backward(params, X, y)" --wrt params

A layer with batch normalization and tanh, one with relu, then a softmax.
"""

import numpy as np

rng = np.random.default_rng(5)
N, D, H, K, C = 7, 3, 5, 4, 2
X = rng.normal(size=(N, D))
y = rng.integers(0, C, size=N)
params = [
    rng.normal(size=(D, H)), rng.uniform(0.5, 1.5, H), rng.normal(size=H),
    rng.normal(size=(H, K)), rng.normal(size=K), rng.normal(size=(K, C)), rng.normal(size=C),
]  # fmt: skip


def forward(params, X):
    W1, gamma, beta, W2, b2, W3, b3 = params
    z1 = X @ W1
    centred = z1 - z1.mean(axis=0)
    var = (centred**2).mean(axis=0)
    inv = 1 / np.sqrt(var + 1e-5)
    normal = centred * inv
    h1 = np.tanh(gamma * normal + beta)
    z2 = h1 @ W2 + b2
    h2 = np.maximum(z2, 0)
    scores = h2 @ W3 + b3
    e = np.exp(scores)
    p = e / e.sum(axis=1, keepdims=True)
    return centred, inv, normal, h1, z2, h2, e, p


def loss(params, X, y):
    p = forward(params, X)[-1]
    return -np.mean(np.log(p[np.arange(len(y)), y]))


def backward(params, X, y):
    W1, gamma, beta, W2, b2, W3, b3 = params
    centred, inv, normal, h1, z2, h2, e, p = forward(params, X)
    N, C = p.shape
    # the softmax
    hot = np.zeros((N, C))
    hot[np.arange(N), y] = 1
    ratio = hot / p
    dp = -ratio / N
    total = e.sum(axis=1, keepdims=True)
    share = dp / total
    dp_e = dp * e
    row = dp_e.sum(axis=1, keepdims=True)
    total_sq = total**2
    dtotal = -row / total_sq
    de = share + dtotal
    dscores = de * e
    # the last layer
    h2_t = h2.T
    dW3 = h2_t @ dscores
    db3 = dscores.sum(axis=0)
    W3_t = W3.T
    dh2 = dscores @ W3_t
    # relu, and the layer before it, after tanh
    active = z2 > 0
    dz2 = dh2 * active
    h1_t = h1.T
    dW2 = h1_t @ dz2
    db2 = dz2.sum(axis=0)
    W2_t = W2.T
    dh1 = dz2 @ W2_t
    h1_sq = h1**2
    slope = 1 - h1_sq
    da = dh1 * slope
    # batch normalization
    dgain = da * normal
    dgamma = dgain.sum(axis=0)
    dbeta = da.sum(axis=0)
    dnormal = da * gamma
    spread = dnormal * centred
    dinv = spread.sum(axis=0)
    inv_cubed = inv**3
    dvar = -0.5 * dinv * inv_cubed
    direct = dnormal * inv
    by_var = dvar * 2 * centred / N
    dcentred = direct + by_var
    dmean = dcentred.mean(axis=0)
    dz1 = dcentred - dmean
    dW1 = X.T @ dz1
    return [dW1, dgamma, dbeta, dW2, db2, dW3, db3]
