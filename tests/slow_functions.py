"""Functions that run many statements: a convolution in loops, and a recurrent network of many steps."""

import numpy as np


def convolution(x, w, b):
    N, _, H, W = x.shape
    F, _, R, S = w.shape
    out = np.zeros((N, F, H - R + 1, W - S + 1))
    for n in range(N):
        for f in range(F):
            for i in range(H - R + 1):
                for j in range(W - S + 1):
                    out[n, f, i, j] = np.sum(x[n, :, i:i+R, j:j+S] * w[f]) + b[f]
    return out


def loss(x, w, b, y):
    return 0.5 * np.sum((convolution(x, w, b) - y) ** 2)


def gradients(x, w, b, y):
    d = convolution(x, w, b) - y
    N, _, H, W = x.shape
    F, _, R, S = w.shape
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            for i in range(H - R + 1):
                for j in range(W - S + 1):
                    dx[n, :, i:i+R, j:j+S] += w[f] * d[n, f, i, j]
                    dw[f] += x[n, :, i:i+R, j:j+S] * d[n, f, i, j]
                    db[f] += d[n, f, i, j]
    return dx, dw, db


def of_seven_rows(x, w, b, y):
    dx, dw, db = gradients(x, w, b, y)
    return dx, dw * 7 / len(d_rows(x, w)), db


def d_rows(x, w):
    return range(x.shape[2] - w.shape[2] + 1)


def recurrent_loss(U, W, x):
    h, total = np.zeros(len(W)), 0.0
    for t in range(len(x)):
        h = np.tanh(U @ x[t] + W @ h)
        total += 0.5 * h @ h
    return total


def recurrent_gradients(U, W, x):
    hs = [np.zeros(len(W))]
    for t in range(len(x)):
        hs.append(np.tanh(U @ x[t] + W @ hs[t]))
    dU, dW, later = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    for t in reversed(range(len(x))):
        raw = (hs[t + 1] + later) * (1 - hs[t + 1] ** 2)
        dU += np.outer(raw, x[t])
        dW += np.outer(raw, hs[t])
        later = W.T @ raw
    return dU, dW


def growing_loss(U, W, x):
    h, total = np.zeros(len(W)), 0.0
    for t in range(len(x)):
        h = np.tanh(U @ x[t] + W @ h / (t + 1))
        total += 0.5 * h @ h
    return total


def growing_gradients(U, W, x):
    hs = [np.zeros(len(W))]
    for t in range(len(x)):
        hs.append(np.tanh(U @ x[t] + W @ hs[t] / (t + 1)))
    dU, dW, later = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    for t in reversed(range(len(x))):
        raw = (hs[t + 1] + later) * (1 - hs[t + 1] ** 2)
        dU += np.outer(raw, x[t])
        dW += np.outer(raw, hs[t]) / (t + 1)
        later = W.T @ raw / (t + 1)
    return dU, dW
