import numpy as np

rng = np.random.default_rng(5)
N, T, D, H, K, C, V = 6, 3, 2, 5, 4, 3, 7
words = rng.integers(0, V, (N, T))
labels = rng.integers(0, C, N)
E = rng.normal(size=(V, D))
W1, b1 = rng.normal(size=(T * D, H)), rng.normal(size=H)
gain, shift = rng.normal(size=H), rng.normal(size=H)
W2, b2 = rng.normal(size=(H, K)), rng.normal(size=K)
W3, b3 = rng.normal(size=(K, C)), rng.normal(size=C)
reg = 0.01


def forward(E, W1, b1, gain, shift, W2, b2, W3, b3):
    x = E[words].reshape(N, T * D)
    z = x @ W1 + b1
    centred = z - z.mean(axis=0)
    var = (centred ** 2).mean(axis=0)
    inv = 1 / np.sqrt(var + 1e-5)
    normal = centred * inv
    a1 = gain * normal + shift
    h1 = np.maximum(a1, 0)
    h2 = np.tanh(h1 @ W2 + b2)
    scores = h2 @ W3 + b3
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return x, centred, inv, normal, a1, h1, h2, p


def loss(E, W1, b1, gain, shift, W2, b2, W3, b3):
    p = forward(E, W1, b1, gain, shift, W2, b2, W3, b3)[-1]
    return -np.log(p[np.arange(N), labels]).mean() + reg * np.sum(W2 ** 2)


def gradients(E, W1, b1, gain, shift, W2, b2, W3, b3):
    x, centred, inv, normal, a1, h1, h2, p = forward(E, W1, b1, gain, shift, W2, b2, W3, b3)
    # the softmax, in six lines
    hot = np.eye(C)[labels]
    dp = -hot / p / N
    part = dp * p
    row = part.sum(axis=1, keepdims=True)
    cross = p * row
    dscores = part - cross
    # the last layer
    db3 = dscores.sum(axis=0)
    h2_columns = h2.T
    dW3 = h2_columns @ dscores
    dh2 = dscores @ W3.T
    # the tanh layer
    square = h2 ** 2
    slope = 1 - square
    da2 = dh2 * slope
    db2 = da2.sum(axis=0)
    data = h1.T @ da2
    decay = 2 * reg * W2
    dW2 = data + decay
    dh1 = da2 @ W2.T
    # the relu
    mask = a1 > 0
    da1 = dh1 * mask
    # the batch norm
    dshift = da1.sum(axis=0)
    product = da1 * normal
    dgain = product.sum(axis=0)
    dnormal = da1 * gain
    spread = dnormal * centred
    dinv = spread.sum(axis=0)
    cube = inv ** 3
    dvar = -0.5 * dinv * cube
    direct = dnormal * inv
    by_var = 2 * centred * dvar / N
    dcentred = direct + by_var
    dmean = -dcentred.sum(axis=0)
    dz = dcentred + dmean / N
    # the first layer
    db1 = dz.sum(axis=0)
    dW1 = x.T @ dz
    dx = dz @ W1.T
    # the embedding
    dwords = dx.reshape(N, T, D)
    dE = np.zeros_like(E)
    for n in range(N):
        for t in range(T):
            dE[words[n, t]] += dwords[n, t]
    return dE, dW1, db1, dgain, dshift, dW2, db2, dW3, db3
