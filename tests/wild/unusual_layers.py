"""Controls: layers and losses with a correct backward that looks like a mistake."""

import numpy as np

from .fixture import Fixture


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# softmax regression, its backward in four spellings


def arguments_softmax(rng, sizes=(5, 3, 4)):
    n, d, c = sizes
    return rng.normal(size=(d, c)), rng.normal(size=c), rng.normal(size=(n, d)), rng.integers(0, c, size=n)


def loss_softmax(W, b, X, y):
    s = X @ W + b
    s = s - s.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y])


def softmax_scaled_before(W, b, X, y):
    n = len(y)
    s = X @ W + b
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p /= n * p.sum(axis=1, keepdims=True)
    d = p  # not a copy
    d[range(n), y] -= 1 / n
    return X.T @ p, p.sum(axis=0)


def softmax_through_logs(W, b, X, y):
    s = X @ W + b
    logp = s - np.logaddexp.reduce(s, axis=1)[:, None]
    onehot = np.zeros(s.shape)
    onehot[np.arange(y.size), y] = 1
    d = np.exp(logp) - onehot
    return np.einsum("nd,nc->dc", X, d) / len(X), d.mean(axis=0)


def softmax_by_all_jacobians(W, b, X, y):
    n = X.shape[0]
    e = np.exp(X @ W + b)
    p = e / e.sum(axis=1)[:, None]
    eye = np.eye(p.shape[1])
    J = p[:, :, None] * eye - p[:, :, None] * p[:, None, :]
    dp = -eye[y] / p / n
    d = (J @ dp[:, :, None])[:, :, 0]
    return X.T @ d, d.sum(0)


def softmax_put_along_axis(W, b, X, y):
    s = X @ W + b
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    pos = y[:, None]
    np.put_along_axis(p, pos, np.take_along_axis(p, pos, axis=1) - 1.0, axis=1)
    np.divide(p, p.shape[0], out=p)
    return np.dot(p.T, X).T, p.T.dot(np.ones(p.shape[0]))


# a regulariser first, the data afterwards


def loss_ridge(w, X, y, lam):
    return np.sum((X @ w - y) ** 2) / (2 * len(y)) + 0.5 * lam * w @ w


def ridge_through_normal_equations(w, X, y, lam):
    n, d = X.shape
    A = X.T @ X
    A[np.diag_indices(d)] += lam * n
    g = A @ w
    g -= X.T @ y
    return g / n


def arguments_ridge(rng, sizes=(5, 3)):
    n, d = sizes
    return rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=n), 0.4


# quadratic forms: twice the symmetric part, and traces


def loss_quadratic(W, X):
    return np.trace(X @ W @ W.T @ X.T) + np.trace(W @ W)


def quadratic_two_paths(W, X):
    S = X.T @ X
    dW = S @ W
    dW += S.T @ W  # W stands there twice
    dW += 2 * W.T
    return dW


def quadratic_by_entries(W, X):
    dW = np.empty_like(W)
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            E = np.zeros_like(W)
            E[i, j] = 1
            dW[i, j] = 2 * np.trace(X @ E @ W.T @ X.T) + 2 * np.sum(E * W.T)
    return dW


def arguments_quadratic(rng, sizes=(5, 3)):
    n, d = sizes
    return rng.normal(size=(d, d)), rng.normal(size=(n, d))


# layer norm by a projection, batch norm by explicit Jacobians


def loss_layernorm(x, g, b, dout):
    mu = x.mean(axis=1, keepdims=True)
    s = np.sqrt(((x - mu) ** 2).mean(axis=1, keepdims=True) + 1e-3)
    return np.sum(((x - mu) / s * g + b) * dout)


def layernorm_by_projection(x, g, b, dout):
    n, d = x.shape
    P = np.eye(d) - 1 / d
    xc = x @ P
    s = np.sqrt((xc * xc).mean(1) + 1e-3)[:, None]
    xhat = xc / s
    gy = dout * g
    dx = (gy - xhat * np.mean(gy * xhat, axis=1, keepdims=True)) @ P.T / s
    return dx, np.einsum("nd,nd->d", dout, xhat), np.ones(n) @ dout


def layernorm_row_jacobians(x, g, b, dout):
    n, d = x.shape
    dx = np.zeros_like(x)
    dg, db = np.zeros(d), np.zeros(d)
    for i in range(n):
        xc = x[i] - x[i].mean()
        v = xc.dot(xc) / d + 1e-3
        J = (np.eye(d) - np.ones((d, d)) / d - np.outer(xc, xc) / (d * v)) * v**-0.5
        dx[i] = J.T @ (g * dout[i])
        dg = dg + dout[i] * xc * v**-0.5
        db = db + dout[i]
    return dx, dg, db


def arguments_layernorm(rng, sizes=(4, 5)):
    n, d = sizes
    return rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=d), rng.normal(size=(n, d))


# recurrent: all weight gradients in one product after the loop


def rnn_states(xs, Wx, Wh):
    hs = [np.zeros(Wh.shape[0])]
    for x in xs:
        hs.append(np.tanh(Wx @ x + Wh @ hs[-1]))
    return np.stack(hs)


def loss_rnn(xs, Wx, Wh, dhs):
    return np.sum(rnn_states(xs, Wx, Wh)[1:] * dhs)


def rnn_product_after_the_loop(xs, Wx, Wh, dhs):
    H = rnn_states(xs, Wx, Wh)
    D = np.zeros_like(dhs)
    carry = 0
    for t in range(len(xs))[::-1]:
        D[t] = (dhs[t] + carry) * (1 - H[t + 1] ** 2)
        carry = D[t] @ Wh
    return D @ Wx, D.T @ xs, D.T @ H[:-1]


def rnn_backwards_lists(xs, Wx, Wh, dhs):
    H = rnn_states(xs, Wx, Wh)
    deltas = []
    for h, dh in zip(H[:0:-1], dhs[::-1]):
        delta = dh.copy()
        if deltas:
            delta += Wh.T @ deltas[-1]
        delta *= 1 - h * h
        deltas.append(delta)
    deltas.reverse()
    dWh = sum(np.outer(d, h) for d, h in zip(deltas, H))
    dWx = sum(d[:, None] * x[None] for d, x in zip(deltas, xs))
    return np.array([d @ Wx for d in deltas]), dWx, dWh


def arguments_rnn(rng, sizes=(5, 2, 3)):
    T, D, H = sizes
    return rng.normal(size=(T, D)), rng.normal(size=(H, D)), rng.normal(size=(H, H)), rng.normal(size=(T, H))


# gates in one buffer, written slice by slice


def loss_gates(x, W, c):
    i, f, g = np.split(x @ W, 3, axis=1)
    return 0.5 * np.sum((sigmoid(f) * c + sigmoid(i) * np.tanh(g)) ** 2)


def gates_in_one_buffer(x, W, c):
    H = c.shape[1]
    a = x @ W
    gate = np.empty(a.shape)
    gate[:, : 2 * H] = sigmoid(a[:, : 2 * H])
    gate[:, 2 * H :] = np.tanh(a[:, 2 * H :])
    i, f, g = gate[:, :H], gate[:, H : 2 * H], gate[:, 2 * H :]  # views
    dout = f * c + i * g
    dgate = np.concatenate([dout * g, dout * c, dout * i], axis=1)
    dc = dout * f
    slope = gate - gate**2
    slope[:, -H:] = 1 - gate[:, -H:] ** 2
    dgate *= slope
    return dgate @ W.T, x.T @ dgate, dc


def arguments_gates(rng, sizes=(4, 3, 2)):
    n, d, h = sizes
    return rng.normal(size=(n, d)), rng.normal(size=(d, 3 * h)), rng.normal(size=(n, h))


# attention, scaled and normalised at the very end


def loss_attention(Q, K, V, dout):
    S = Q @ K.T / np.sqrt(Q.shape[1])
    P = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    return np.sum(P @ V * dout)


def attention_scaled_late(Q, K, V, dout):
    scale = Q.shape[1] ** -0.5
    E = np.exp(Q @ K.T * scale)
    Z = E.sum(axis=1, keepdims=True)
    O = E @ V / Z
    dS = E * (dout @ V.T - np.sum(dout * O, axis=1, keepdims=True))  # sum(dP·P) is sum(dO·O)
    dQ = dS @ K / Z
    dK = (dS / Z).T @ Q
    dQ *= scale
    dK *= scale
    return dQ, dK, E.T @ (dout / Z)


def arguments_attention(rng, sizes=(4, 5, 3, 2)):
    t, s, d, v = sizes
    return rng.normal(size=(t, d)), rng.normal(size=(s, d)), rng.normal(size=(s, v)), rng.normal(size=(t, v))


# convolution as a matrix product with windows that are views


def loss_windows(x, w, dout):
    n, k = len(x), len(w)
    return sum(dout[t] * np.sum(x[t : t + k] * w) for t in range(n - k + 1))


def windows_as_views(x, w, dout):
    k = w.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, k)
    dx = np.zeros_like(x)
    for j in range(k):
        dx[j : j + dout.size] += w[j] * dout
    return dx, dout @ windows


def windows_by_convolve(x, w, dout):
    return np.convolve(dout, w, mode="full"), np.correlate(x, dout, mode="valid")


def windows_by_toeplitz(x, w, dout):
    n, k, m = x.size, w.size, dout.size
    T = np.zeros((m, n))
    dT = np.outer(dout, x)
    dw = np.zeros(k)
    for j in range(k):
        T[np.arange(m), np.arange(m) + j] = w[j]
        dw[j] = np.trace(dT[:, j : j + m])
    return T.T @ dout, dw


def arguments_windows(rng, sizes=(6, 3)):
    n, k = sizes
    return rng.normal(size=n), rng.normal(size=k), rng.normal(size=n - k + 1)


# max by argmax and flat indices; an embedding by one-hot rows and by bincount


def loss_max(x, dout):
    return np.sum(x.max(axis=1) * dout)


def max_by_flat_index(x, dout):
    dx = np.zeros(x.size)
    dx[np.arange(x.shape[0]) * x.shape[1] + x.argmax(axis=1)] = dout
    return dx.reshape(x.shape)


def max_by_comparison(x, dout):
    return (x == x.max(axis=1, keepdims=True)) * dout[:, None]


def arguments_max(rng, sizes=(4, 5)):
    return rng.normal(size=sizes), rng.normal(size=sizes[0])


def loss_embedding(W, idx, dout):
    return np.sum(W[idx] ** 2 * dout)


def embedding_by_one_hot(W, idx, dout):
    onehot = (idx[:, None] == np.arange(W.shape[0])).astype(float)
    return onehot.T @ (2 * (onehot @ W) * dout)


def embedding_by_bincount(W, idx, dout):
    d = 2 * W[idx] * dout
    cols = [np.bincount(idx, weights=d[:, j], minlength=len(W)) for j in range(W.shape[1])]
    return np.column_stack(cols)


def embedding_by_words(W, idx, dout):
    dW = np.zeros_like(W)
    for word in np.unique(idx):
        dW[word] = (2 * W[word] * dout[idx == word]).sum(axis=0)
    return dW


def arguments_embedding(rng, sizes=(5, 4, 3)):
    n, v, d = sizes
    return rng.normal(size=(v, d)), rng.integers(0, v, size=n), rng.normal(size=(n, d))


# a chain of scalars with powers, quotients and roots rewritten


def loss_chain(a, b):
    u = a / (1 + np.exp(b))
    v = np.sqrt(1 + u * u)
    return np.sum(u / v) + np.prod(v)


def chain_rewritten(a, b):
    q = 1 / (1 + np.exp(b))
    u = a * q
    r = (1 + u**2) ** -0.5
    du = r**3  # (u/v)' = 1/v³
    du = du + np.exp(-np.log(r).sum()) * u * r * r  # v'/v = u/v²
    return du * q, du * a * (q * q - q)


def arguments_chain(rng, sizes=(5,)):
    return rng.normal(size=sizes[0]), rng.normal(size=sizes[0])


# a residual in which dout is reused, shared by two inputs, and written into at last


def loss_residual(x, W, dout):
    return np.sum((x + np.tanh(x @ W) + 2 * x) * dout)


def residual_reuses_dout(x, W, dout):
    h = np.tanh(x @ W)
    dx = 3 * dout
    dout *= (1 - h) * (1 + h)  # the caller's array
    dx += dout @ W.T
    return dx, x.T @ dout


def arguments_residual(rng, sizes=(4, 3)):
    n, d = sizes
    return rng.normal(size=(n, d)), rng.normal(size=(d, d)), rng.normal(size=(n, d))


def entry(gradients, loss, arguments, wrt, groups):
    """The fixture of one backward; its gradients come in the order of `wrt`."""
    return Fixture(gradients.__name__, groups, arguments, loss, gradients, wrt)


CONTROLS = [
    entry(softmax_scaled_before, loss_softmax, arguments_softmax, ("0", "1"), (1, 3, 4, 5, 7, 10, 11, 12)),
    entry(softmax_through_logs, loss_softmax, arguments_softmax, ("0", "1"), (1, 2, 4, 5, 6, 7, 8, 10)),
    entry(softmax_by_all_jacobians, loss_softmax, arguments_softmax, ("0", "1"), (1, 2, 3, 4, 5, 8, 9, 10, 19)),
    entry(softmax_put_along_axis, loss_softmax, arguments_softmax, ("0", "1"), (1, 2, 3, 4, 5, 6, 8, 10, 11)),
    entry(ridge_through_normal_equations, loss_ridge, arguments_ridge, ("0",), (1, 2, 3, 5, 7, 10)),
    entry(quadratic_two_paths, loss_quadratic, arguments_quadratic, ("0",), (1, 3, 5)),
    entry(quadratic_by_entries, loss_quadratic, arguments_quadratic, ("0",), (1, 2, 3, 4, 5, 6, 7)),
    entry(layernorm_by_projection, loss_layernorm, arguments_layernorm, ("0", "1", "2"), (1, 2, 3, 4, 5, 6, 8, 19)),
    entry(layernorm_row_jacobians, loss_layernorm, arguments_layernorm, ("0", "1", "2"), (1, 2, 3, 4, 5, 6, 7, 19)),
    entry(rnn_product_after_the_loop, loss_rnn, arguments_rnn, ("0", "1", "2"), (1, 3, 5, 6, 7, 9, 15)),
    entry(rnn_backwards_lists, loss_rnn, arguments_rnn, ("0", "1", "2"), (1, 3, 5, 6, 8, 9, 14, 15)),
    entry(gates_in_one_buffer, loss_gates, arguments_gates, ("0", "1", "2"), (1, 2, 3, 5, 6, 7, 9, 15)),
    entry(attention_scaled_late, loss_attention, arguments_attention, ("0", "1", "2"), (1, 2, 3, 4, 5, 11)),
    entry(windows_as_views, loss_windows, arguments_windows, ("0", "1"), (1, 2, 5, 6, 7, 9, 13)),
    entry(windows_by_convolve, loss_windows, arguments_windows, ("0", "1"), (5, 13)),
    entry(windows_by_toeplitz, loss_windows, arguments_windows, ("0", "1"), (1, 2, 3, 5, 6, 7, 9, 10)),
    entry(max_by_flat_index, loss_max, arguments_max, ("0",), (1, 2, 6, 7, 8, 10, 12)),
    entry(max_by_comparison, loss_max, arguments_max, ("0",), (1, 4, 8, 12)),
    entry(embedding_by_one_hot, loss_embedding, arguments_embedding, ("0",), (1, 2, 3, 5, 8)),
    entry(embedding_by_bincount, loss_embedding, arguments_embedding, ("0",), (1, 2, 9, 10, 15)),
    entry(embedding_by_words, loss_embedding, arguments_embedding, ("0",), (1, 4, 6, 7, 10, 17)),
    entry(chain_rewritten, loss_chain, arguments_chain, ("0", "1"), (1, 4)),
    entry(residual_reuses_dout, loss_residual, arguments_residual, ("0", "1"), (1, 3, 5, 11)),
]
