"""The layers of the catalogue as people write them first: loops over entries, samples, heads, pixels, time."""

from __future__ import annotations

import math

import numpy as np

EPSILON = 1e-5


def linear(W, x, c):
    z = np.zeros((len(W), x.shape[1]))
    for i in range(len(W)):
        for b in range(x.shape[1]):
            z[i, b] = c[i]
            for j in range(W.shape[1]):
                z[i, b] += W[i, j] * x[j, b]
    return z


def embedding(E, token):
    x = np.zeros((*token.shape, E.shape[1]))
    for b in range(token.shape[0]):
        for t in range(token.shape[1]):
            x[b, t] = E[token[b, t]]
    return x


def half_squared_error(y, target):
    total = 0.0
    for b in range(y.shape[1]):
        for k in range(len(y)):
            total += 0.5 * (y[k, b] - target[k, b]) ** 2
    return total / y.shape[1]


def softmax(z):
    p = np.zeros_like(z)
    for b in range(z.shape[1]):
        e = np.exp(z[:, b] - z[:, b].max())
        p[:, b] = e / e.sum()
    return p


def log_softmax(z):
    q = np.empty_like(z)
    for b in range(z.shape[1]):
        shifted = z[:, b] - np.max(z[:, b])
        q[:, b] = shifted - np.log(np.sum(np.exp(shifted)))
    return q


def cross_entropy(z, label):
    total = 0.0
    for b in range(z.shape[1]):
        shifted = z[:, b] - z[:, b].max()
        total -= shifted[label[b]] - np.log(np.exp(shifted).sum())
    return total / z.shape[1]


def soft_cross_entropy(z, target):
    total = 0.0
    for b in range(z.shape[1]):
        shifted = z[:, b] - z[:, b].max()
        total -= target[:, b] @ (shifted - np.log(np.exp(shifted).sum()))
    return total / z.shape[1]


def binary_cross_entropy(z, target):
    total = 0.0
    for k in range(z.shape[0]):
        for b in range(z.shape[1]):
            softplus = np.maximum(z[k, b], 0) + np.log(1 + np.exp(-abs(z[k, b])))
            total += softplus - target[k, b] * z[k, b]
    return total / z.shape[1]


def batch_norm(x, gamma, beta):
    y = np.zeros_like(x)
    for k in range(len(x)):
        mean = x[k].mean()
        var = ((x[k] - mean) ** 2).mean()
        y[k] = gamma[k] * (x[k] - mean) / np.sqrt(var + EPSILON) + beta[k]
    return y


def layer_norm(x, gamma, beta):
    B, T, K = x.shape
    y = np.zeros((B, T, K))
    for b in range(B):
        for t in range(T):
            mean = sum(x[b, t, k] for k in range(K)) / K
            var = sum((x[b, t, k] - mean) ** 2 for k in range(K)) / K
            for k in range(K):
                y[b, t, k] = gamma[k] * (x[b, t, k] - mean) / np.sqrt(var + EPSILON) + beta[k]
    return y


def rms_norm(x, gamma):
    y = np.zeros_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            y[b, t] = gamma * x[b, t] / np.sqrt(np.mean(x[b, t] ** 2) + EPSILON)
    return y


def group_norm(x, gamma, beta):
    y = np.zeros_like(x)
    B, G, C, _ = x.shape
    for b in range(B):
        for g in range(G):
            u = x[b, g] - x[b, g].mean()
            r = 1 / np.sqrt((u * u).mean() + EPSILON)
            for c in range(C):
                y[b, g, c] = gamma[g, c] * r * u[c] + beta[g, c]
    return y


def attention(q, k, v, mask):
    B, H, T, D = q.shape
    o = np.zeros((B, H, T, v.shape[3]))
    for b in range(B):
        for h in range(H):
            for t in range(T):
                z = k[b, h] @ q[b, h, t] / math.sqrt(D)
                z = np.where(mask[t], z, -np.inf)
                e = mask[t] * np.exp(z - z.max())
                o[b, h, t] = (e / e.sum()) @ v[b, h]
    return o


def multi_head_attention(x, Wq, Wk, Wv, Wo, mask):
    q = np.array([[W @ rows.T for W in Wq] for rows in x])
    k = np.array([[W @ rows.T for W in Wk] for rows in x])
    v = np.array([[W @ rows.T for W in Wv] for rows in x])
    o = attention(*(part.transpose(0, 1, 3, 2) for part in (q, k, v)), mask)
    y = np.zeros((len(x), x.shape[1], len(Wo)))
    for b in range(len(x)):
        for h in range(o.shape[1]):
            y[b] += o[b, h] @ Wo[:, h].T
    return y


def rotary(x, R):
    y = np.zeros_like(x)
    W = R.shape[1]
    for t in range(x.shape[2]):
        for w in range(W):
            y[:, :, t, w] = R[t, w, 0, 0] * x[:, :, t, w] + R[t, w, 0, 1] * x[:, :, t, W + w]
            y[:, :, t, W + w] = R[t, w, 1, 0] * x[:, :, t, w] + R[t, w, 1, 1] * x[:, :, t, W + w]
    return y


def convolution_1d(X, K, bias):
    B, G, _, P = X.shape
    _, O, _, R = K.shape
    Z = np.zeros((B, G, O, P - R + 1))
    for b in range(B):
        for g in range(G):
            for o in range(O):
                for y in range(P - R + 1):
                    Z[b, g, o, y] = np.sum(K[g, o] * X[b, g, :, y : y + R]) + bias[g, o]
    return Z


def convolution_2d(X, K, bias):
    B, G, I, P, Q = X.shape
    _, O, _, R, T = K.shape
    Z = np.zeros((B, G, O, P - R + 1, Q - T + 1))
    for b in range(B):
        for g in range(G):
            for o in range(O):
                for y in range(P - R + 1):
                    for x in range(Q - T + 1):
                        Z[b, g, o, y, x] = bias[g, o]
                        for i in range(I):
                            for r in range(R):
                                for t in range(T):
                                    Z[b, g, o, y, x] += K[g, o, i, r, t] * X[b, g, i, y + r, x + t]
    return Z


def average_pooling(X, size):
    B, G, I, P, Q = X.shape
    Z = np.zeros((B, G, I, P // size, Q // size))
    for y in range(P // size):
        for x in range(Q // size):
            window = X[:, :, :, y * size : (y + 1) * size, x * size : (x + 1) * size]
            Z[:, :, :, y, x] = window.mean(axis=(3, 4))
    return Z


def max_pooling(X, size):
    B, G, I, P, Q = X.shape
    Z = np.zeros((B, G, I, P // size, Q // size))
    for b in range(B):
        for g in range(G):
            for i in range(I):
                for y in range(P // size):
                    for x in range(Q // size):
                        Z[b, g, i, y, x] = X[b, g, i, y * size : (y + 1) * size, x * size : (x + 1) * size].max()
    return Z


def rnn(x, h0, Wx, Wh, bias):
    h, hs = h0, []
    for t in range(len(x)):
        h = np.tanh(Wx @ x[t] + Wh @ h + bias[:, None])
        hs.append(h)
    return np.array(hs)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, h0, c0, Wx, Wh, bias):
    h, c, hs, cs = h0, c0, [], []
    for t in range(len(x)):
        write, keep, new, show = (Wx[n] @ x[t] + Wh[n] @ h + bias[n][:, None] for n in range(4))
        c = sigmoid(keep) * c + sigmoid(write) * np.tanh(new)
        h = sigmoid(show) * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.array(hs), np.array(cs)


def gru(x, h0, Wx, Wh, bias_x, bias_h):
    out = np.zeros((len(x), *h0.shape))
    h = h0
    for t in range(len(x)):
        reset = sigmoid(Wx[0] @ x[t] + bias_x[0][:, None] + Wh[0] @ h + bias_h[0][:, None])
        keep = sigmoid(Wx[1] @ x[t] + bias_x[1][:, None] + Wh[1] @ h + bias_h[1][:, None])
        new = np.tanh(Wx[2] @ x[t] + bias_x[2][:, None] + reset * (Wh[2] @ h + bias_h[2][:, None]))
        h = (1 - keep) * new + keep * h
        out[t] = h
    return out


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def feed_forward(x, W1, c1, W2, c2):
    y = np.zeros_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            y[b, t] = W2 @ gelu(W1 @ x[b, t] + c1) + c2
    return y


def transformer_block(x, parameters, mask):
    gamma1, beta1, Wq, Wk, Wv, Wo, gamma2, beta2, W1, c1, W2, c2 = parameters
    y = x + multi_head_attention(layer_norm(x, gamma1, beta1), Wq, Wk, Wv, Wo, mask)
    return y + feed_forward(layer_norm(y, gamma2, beta2), W1, c1, W2, c2)


def entry_by_entry(function):
    """A pointwise function of a matrix, in two loops."""

    def looped(x):
        y = np.zeros_like(x)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                y[i, j] = function(x[i, j])
        return y

    return looped


def dropout(x, mask, keep):
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[i] * mask[i] / keep
    return y


POINTWISE = {
    "sigmoid": entry_by_entry(lambda v: 1 / (1 + np.exp(-v))), "tanh": entry_by_entry(np.tanh),
    "relu": entry_by_entry(lambda v: np.maximum(v, 0)),
    "leaky relu": entry_by_entry(lambda v: np.where(v > 0, v, 0.01 * v)),
    "softplus": entry_by_entry(lambda v: np.maximum(v, 0) + np.log(1 + np.exp(-np.abs(v)))),
    "gelu": entry_by_entry(gelu),
    "silu": entry_by_entry(lambda v: v / (1 + np.exp(-v))),
}  # fmt: skip
