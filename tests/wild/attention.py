"""Attention: one head, several heads, causal, a whole block."""

import numpy as np

from .fixture import Fixture


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# one head, one sequence


class SelfAttention:
    def __init__(self, d_in, d_k, d_v, rng):
        self.Wq = rng.normal(size=(d_in, d_k))
        self.Wk = rng.normal(size=(d_in, d_k))
        self.Wv = rng.normal(size=(d_in, d_v))

    def forward(self, X):
        self.X = X
        self.Q = X.dot(self.Wq)
        self.K = X.dot(self.Wk)
        self.V = X.dot(self.Wv)
        self.scale = np.sqrt(self.K.shape[1])
        self.scores = self.Q.dot(self.K.T) / self.scale
        self.A = softmax(self.scores)
        return self.A.dot(self.V)

    def backward(self, dout):
        dA = dout.dot(self.V.T)
        dV = self.A.T.dot(dout)
        dscores = self.A * (dA - np.sum(dA * self.A, axis=1, keepdims=True))
        dscores /= self.scale
        dQ = dscores.dot(self.K)
        dK = dscores.T.dot(self.Q)
        self.dWq = self.X.T.dot(dQ)
        self.dWk = self.X.T.dot(dK)
        self.dWv = self.X.T.dot(dV)
        dX = dQ.dot(self.Wq.T)
        dX += dK.dot(self.Wk.T)
        dX += dV.dot(self.Wv.T)
        return dX


def arguments_single(rng, sizes=(5, 3, 4, 2)):
    T, d_in, d_k, d_v = sizes
    return SelfAttention(d_in, d_k, d_v, rng), rng.normal(size=(T, d_in)), rng.normal(size=(T, d_v))


def loss_single(layer, X, Y):
    return np.mean((layer.forward(X) - Y) ** 2)


def gradients_single(layer, X, Y):
    out = layer.forward(X)
    dX = layer.backward(2 * (out - Y) / out.size)
    return layer.dWq, layer.dWk, layer.dWv, dX


# the softmax backward row by row, with its Jacobian; causal mask


def causal_attention(q, k, v):
    T, d = q.shape
    att = q @ k.T * d**-0.5
    mask = np.triu(np.ones((T, T)), k=1).astype(bool)
    att[mask] = -np.inf
    att = softmax(att)
    return att @ v, att


def causal_attention_backward(dout, q, k, v, att):
    T, d = q.shape
    dv = att.T @ dout
    datt = dout @ v.T
    dpre = np.zeros_like(att)
    for t in range(T):
        a = att[t, : t + 1]
        jacobian = np.diag(a) - np.outer(a, a)
        dpre[t, : t + 1] = jacobian @ datt[t, : t + 1]
    dpre *= d**-0.5
    return dpre @ k, dpre.T @ q, dv


def arguments_causal(rng, sizes=(5, 3, 4)):
    T, d, d_v = sizes
    q, k = rng.normal(size=(T, d)), rng.normal(size=(T, d))
    return q, k, rng.normal(size=(T, d_v)), rng.normal(size=(T, d_v))


def loss_causal(q, k, v, dout):
    return np.sum(causal_attention(q, k, v)[0] * dout)


def gradients_causal(q, k, v, dout):
    _, att = causal_attention(q, k, v)
    return causal_attention_backward(dout, q, k, v, att)


# several heads: reshape, transpose, batched matmul


def split_heads(x, h):
    B, T, D = x.shape
    return x.reshape(B, T, h, D // h).transpose(0, 2, 1, 3)


def merge_heads(x):
    B, h, T, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(B, T, h * d)


def mha_forward(x, p, h):
    q, k, v = (split_heads(x @ p[w], h) for w in ("Wq", "Wk", "Wv"))
    d = q.shape[-1]
    scores = np.matmul(q, k.transpose(0, 1, 3, 2)) / np.sqrt(d)
    weights = softmax(scores)
    heads = np.matmul(weights, v)
    concat = merge_heads(heads)
    out = concat @ p["Wo"] + p["bo"]
    return out, (x, q, k, v, weights, concat)


def mha_backward(dout, p, h, cache):
    x, q, k, v, weights, concat = cache
    B, T, D = x.shape
    d = q.shape[-1]
    grads = {}
    grads["bo"] = dout.sum(axis=(0, 1))
    grads["Wo"] = concat.reshape(B * T, -1).T @ dout.reshape(B * T, -1)
    dheads = split_heads(dout @ p["Wo"].T, h)
    dweights = np.matmul(dheads, v.swapaxes(-1, -2))
    dv = np.matmul(weights.swapaxes(-1, -2), dheads)
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    dscores = dscores / np.sqrt(d)
    dq = np.matmul(dscores, k)
    dk = np.matmul(dscores.transpose(0, 1, 3, 2), q)
    dx = np.zeros_like(x)
    for name, dproj in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
        dflat = merge_heads(dproj)
        grads[name] = x.reshape(-1, D).T.dot(dflat.reshape(-1, dflat.shape[-1]))
        dx += dflat @ p[name].T
    grads["x"] = dx
    return grads


def arguments_heads(rng, sizes=(2, 3, 4, 5)):
    B, T, h, d = sizes
    D = h * d + 1
    p = {w: rng.normal(size=(D, h * d)) / np.sqrt(D) for w in ("Wq", "Wk", "Wv")}
    p["Wo"] = rng.normal(size=(h * d, 2))
    p["bo"] = rng.normal(size=2)
    return rng.normal(size=(B, T, D)), p, h, rng.normal(size=(B, T, 2))


def loss_heads(x, p, h, y):
    out, _ = mha_forward(x, p, h)
    return 0.5 * np.sum((out - y) ** 2) / len(x)


def gradients_heads(x, p, h, y):
    out, cache = mha_forward(x, p, h)
    return mha_backward((out - y) / len(x), p, h, cache)


# heads by einsum


def einsum_attention(x, Wq, Wk, Wv):
    q = np.einsum("btc,chd->bhtd", x, Wq)
    k = np.einsum("btc,chd->bhtd", x, Wk)
    v = np.einsum("btc,chd->bhtd", x, Wv)
    a = softmax(np.einsum("bhtd,bhsd->bhts", q, k) / q.shape[-1] ** 0.5)
    return np.einsum("bhts,bhsd->bthd", a, v), (q, k, v, a)


def einsum_attention_backward(dy, x, Wq, Wk, Wv, cache):
    q, k, v, a = cache
    dv = np.einsum("bhts,bthd->bhsd", a, dy)
    da = np.einsum("bthd,bhsd->bhts", dy, v)
    ds = a * (da - np.einsum("bhts,bhts->bht", a, da)[..., None]) / q.shape[-1] ** 0.5
    dq = np.einsum("bhts,bhsd->bhtd", ds, k)
    dk = np.einsum("bhts,bhtd->bhsd", ds, q)
    dWq, dWk, dWv = (np.einsum("btc,bhtd->chd", x, d) for d in (dq, dk, dv))
    dx = (
        np.einsum("bhtd,chd->btc", dq, Wq)
        + np.einsum("bhtd,chd->btc", dk, Wk)
        + np.einsum("bhtd,chd->btc", dv, Wv)
    )
    return dx, dWq, dWk, dWv


def arguments_einsum(rng, sizes=(2, 3, 6, 4, 5)):
    b, t, c, h, d = sizes
    Wq, Wk, Wv = (rng.normal(size=(c, h, d)) / np.sqrt(c) for _ in range(3))
    return rng.normal(size=(b, t, c)), Wq, Wk, Wv, rng.normal(size=(b, t, h, d))


def loss_einsum(x, Wq, Wk, Wv, dy):
    return np.einsum("bthd,bthd->", einsum_attention(x, Wq, Wk, Wv)[0], dy)


def gradients_einsum(x, Wq, Wk, Wv, dy):
    _, cache = einsum_attention(x, Wq, Wk, Wv)
    return einsum_attention_backward(dy, x, Wq, Wk, Wv, cache)


# a pre-norm block: attention and two layers with gelu, each with a residual


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def d_gelu(x):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)


class Block:
    def __init__(self, D, H, rng):
        self.W = {name: rng.normal(size=(D, D)) / np.sqrt(D) for name in ["q", "k", "v", "o"]}
        self.W["1"] = rng.normal(size=(D, H)) / np.sqrt(D)
        self.W["2"] = rng.normal(size=(H, D)) / np.sqrt(H)
        self.dW = {}

    def ln(self, x):
        mu = x.mean(axis=1)[:, None]
        sigma = np.sqrt(((x - mu) ** 2).mean(axis=1) + 1e-5)[:, None]
        return (x - mu) / sigma, sigma

    def ln_back(self, dy, y, sigma):
        return (dy - dy.mean(axis=1)[:, None] - y * (dy * y).mean(axis=1)[:, None]) / sigma

    def forward(self, x):
        W = self.W
        self.n1, self.s1 = self.ln(x)
        self.q, self.k, self.v = self.n1 @ W["q"], self.n1 @ W["k"], self.n1 @ W["v"]
        self.a = softmax(self.q @ self.k.T / np.sqrt(x.shape[1]))
        self.z = self.a @ self.v
        x = x + self.z @ W["o"]
        self.n2, self.s2 = self.ln(x)
        self.h = self.n2 @ W["1"]
        self.g = gelu(self.h)
        return x + self.g @ W["2"]

    def backward(self, dout):
        W, dW = self.W, self.dW
        dx = dout.copy()
        dW["2"] = self.g.T @ dout
        dh = dout @ W["2"].T * d_gelu(self.h)
        dW["1"] = self.n2.T @ dh
        dx += self.ln_back(dh @ W["1"].T, self.n2, self.s2)
        dW["o"] = self.z.T @ dx
        dz = dx @ W["o"].T
        dv = self.a.T @ dz
        da = dz @ self.v.T
        ds = self.a * (da - (da * self.a).sum(axis=1, keepdims=True)) / np.sqrt(dout.shape[1])
        dq, dk = ds @ self.k, ds.T @ self.q
        dW["q"], dW["k"], dW["v"] = self.n1.T @ dq, self.n1.T @ dk, self.n1.T @ dv
        dn1 = dq @ W["q"].T + dk @ W["k"].T + dv @ W["v"].T
        dx += self.ln_back(dn1, self.n1, self.s1)
        return dx


def arguments_block(rng, sizes=(3, 4, 5)):
    T, D, H = sizes
    return Block(D, H, rng), rng.normal(size=(T, D)), rng.normal(size=(T, D))


def loss_block(block, x, dout):
    return np.sum(block.forward(x) * dout)


def gradients_block(block, x, dout):
    block.forward(x)
    dx = block.backward(dout)
    return dx, block.dW


FIXTURES = [
    Fixture(
        name="attention_single_head_class",
        groups=(1, 2, 3, 4, 5, 11, 12),
        arguments=arguments_single,
        loss=loss_single,
        gradients=gradients_single,
        wrt=("0.Wq", "0.Wk", "0.Wv", "1"),
    ),
    Fixture(
        name="attention_causal_jacobians",
        groups=(1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 17, 19),
        arguments=arguments_causal,
        loss=loss_causal,
        gradients=gradients_causal,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="attention_multi_head",
        groups=(1, 2, 3, 4, 5, 6, 8, 11, 12),
        arguments=arguments_heads,
        loss=loss_heads,
        gradients=gradients_heads,
        wrt=("0", "1.Wq", "1.Wk", "1.Wv", "1.Wo", "1.bo"),
        returned=("x", "Wq", "Wk", "Wv", "Wo", "bo"),
    ),
    Fixture(
        name="attention_heads_einsum",
        groups=(1, 2, 4, 5, 8, 12),
        arguments=arguments_einsum,
        loss=loss_einsum,
        gradients=gradients_einsum,
        wrt=("0", "1", "2", "3"),
    ),
    Fixture(
        name="transformer_block",
        groups=(1, 2, 3, 4, 5, 6, 8, 11, 12),
        arguments=arguments_block,
        loss=loss_block,
        gradients=gradients_block,
        wrt=("1", "0.W.q", "0.W.k", "0.W.v", "0.W.o", "0.W.1", "0.W.2"),
        returned=("0", "1.q", "1.k", "1.v", "1.o", "1.1", "1.2"),
    ),
]
