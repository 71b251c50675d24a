import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def build(rng, sizes):
    n_samples, n_in, n_hidden = sizes
    gates = [rng.normal(size=(n_in + n_hidden, n_hidden)) for _ in range(4)]
    x, h, c = (rng.normal(size=(n_samples, n)) for n in (n_in, n_hidden, n_hidden))
    dh, dc = (rng.normal(size=(n_samples, n_hidden)) for _ in range(2))
    return (*gates, x, h, c, dh, dc)


def step(Wf, Wi, Wo, Wg, x, h, c):
    xh = np.concatenate([x, h], axis=1)
    f = sigmoid(xh @ Wf)
    i = sigmoid(xh @ Wi)
    o = sigmoid(xh @ Wo)
    g = np.tanh(xh @ Wg)
    c_next = f * c + i * g
    t = np.tanh(c_next)
    return xh, f, i, o, g, c_next, t, o * t


def loss(Wf, Wi, Wo, Wg, x, h, c, dh, dc):
    values = step(Wf, Wi, Wo, Wg, x, h, c)
    return np.sum(values[-1] * dh) + np.sum(values[5] * dc)


def gradients(Wf, Wi, Wo, Wg, x, h, c, dh, dc):
    xh, f, i, o, g, c_next, t, h_next = step(Wf, Wi, Wo, Wg, x, h, c)
    do = dh * t
    dc_next = dc + dh * o * (1 - t**2)
    df = dc_next * c
    di = dc_next * g
    dg = dc_next * i
    dzf = df * f * (1 - f)
    dzi = di * i * (1 - i)
    dzo = do * o * (1 - o)
    dzg = dg * (1 - g**2)
    dWf = xh.T @ dzf
    dWi = xh.T @ dzi
    dWo = xh.T @ dzo
    dWg = xh.T @ dzg
    dc_prev = dc_next * f
    return dWf, dWi, dWo, dWg, dc_prev
