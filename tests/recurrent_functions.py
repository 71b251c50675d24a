"""Recurrent networks as people write them: steps in functions of their own with caches, and gates in one array."""
# ruff: noqa: RUF059

import numpy as np


def step(x, prev_h, Wx, Wh, b):
    z = x @ Wx + prev_h @ Wh + b
    next_h = np.tanh(z)
    cache = x, prev_h, Wx, Wh, next_h
    return next_h, cache


def step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = (1 - next_h**2) * dnext_h
    dx = dz @ Wx.T
    dprev_h = dz @ Wh.T
    dWx = x.T @ dz
    dWh = prev_h.T @ dz
    db = dz.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev, caches = h0, []
    for t in range(T):
        prev, cache = step(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        caches.append(cache)
    return h, caches


def backward(dh, caches):
    N, T, H = dh.shape
    D = caches[0][0].shape[1]
    dx, dprev = np.zeros((N, T, D)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in reversed(range(T)):
        dx[:, t], dprev, dWx_t, dWh_t, db_t = step_backward(dh[:, t] + dprev, caches[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev, dWx, dWh, db


def steps(x, h0, Wx, Wh, b, dh):
    h, caches = forward(x, h0, Wx, Wh, b)
    return backward(dh, caches)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gates(x, h0, Wx, Wh, b, dhs):
    T, N, D = x.shape
    H = h0.shape[1]
    h, c = h0, np.zeros_like(h0)
    hs, cache = [], []
    for t in range(T):
        a = x[t] @ Wx + h @ Wh + b
        i, f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2*H]), sigmoid(a[:, 2*H:3*H]), np.tanh(a[:, 3*H:])
        c_next = f * c + i * g
        h_next = o * np.tanh(c_next)
        cache.append((h, c, i, f, o, g, c_next))
        h, c = h_next, c_next
        hs.append(h)
    hs = np.array(hs)
    dWh, dh_next, dc_next = np.zeros_like(Wh), np.zeros_like(h0), np.zeros_like(h0)
    for t in reversed(range(T)):
        h, c, i, f, o, g, c_next = cache[t]
        dh = dhs[t] + dh_next
        tc = np.tanh(c_next)
        dc = dc_next + dh * o * (1 - tc**2)
        do, df, di, dg = dh * tc, dc * c, dc * g, dc * i
        da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
        dWh += h.T @ da
        dh_next = da @ Wh.T
        dc_next = dc * f
    return hs, dWh


def grid(x, A, B):
    n, m, k = x.shape
    above = [np.zeros(k) for _ in range(m)]
    for i in range(n):
        left = np.zeros(k)
        for j in range(m):
            left = np.tanh(x[i, j] + above[j] @ A + left @ B)
            above[j] = left
    return np.sum(left**2)


def back(dnext, cache):
    x, Wx, Wh, h, after = cache
    dz = dnext * (1 - after**2)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, h.T @ dz, dz.sum(axis=0)


def popped(dh, cache):
    x, Wx, Wh, h, after = cache[-1]
    N, T, H = dh.shape
    dx, dWx, dWh, db = np.zeros((N, T, len(Wx))), np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dx_t, dprev, dWx_t, dWh_t, db_t = back(dh[:, t, :] + dprev, cache.pop())
        dx[:, t, :] = dx_t
        dh0 = dprev
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dh0, dWx, dWh, db


def one_step(x, h, Wx, Wh):
    z = x @ Wx + h @ Wh
    return np.tanh(z)


def in_steps(xs, h, Wx, Wh):
    total = 0.0
    for t in range(len(xs)):
        h = one_step(xs[t], h, Wx, Wh)
        total += np.sum(h)
    return total


def buffers(x, Wx, Wh, b, dh):
    """An LSTM whose states and gates stand in arrays that are filled round by round, and its gradients."""
    T, N, _ = x.shape
    H = len(Wh)
    h, c = np.zeros((T + 1, N, H)), np.zeros((T + 1, N, H))
    i, f, o, g = np.zeros((T, N, H)), np.zeros((T, N, H)), np.zeros((T, N, H)), np.zeros((T, N, H))
    for t in range(T):
        a = x[t] @ Wx + h[t] @ Wh + b
        i[t] = 1 / (1 + np.exp(-a[:, :H]))
        f[t] = 1 / (1 + np.exp(-a[:, H:2 * H]))
        o[t] = 1 / (1 + np.exp(-a[:, 2 * H:3 * H]))
        g[t] = np.tanh(a[:, 3 * H:])
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        h[t + 1] = o[t] * np.tanh(c[t + 1])
    dWx, dWh, dx = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(x)
    dnext, dc = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        d = dh[t] + dnext
        held = np.tanh(c[t + 1])
        dc = dc + d * o[t] * (1 - held ** 2)
        da = np.concatenate([dc * g[t] * i[t] * (1 - i[t]), dc * c[t] * f[t] * (1 - f[t]),
                             d * held * o[t] * (1 - o[t]), dc * i[t] * (1 - g[t] ** 2)], axis=1)
        dWx += x[t].T @ da
        dWh += h[t].T @ da
        dx[t] = da @ Wx.T
        dnext = da @ Wh.T
        dc = dc * f[t]
    return dx, dWx, dWh
