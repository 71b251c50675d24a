"""A convolution in seven loops, slow to run and easy to read; its backward in two.

    einbackprop check convolution.py --forward "conv_forward(x, w, b)" \
        --backward "conv_backward(dout, x, w)" --wrt x --wrt w --wrt b

Images `x` are (N, C, H, W), filters `w` are (F, C, R, S), one bias for each filter. No padding, stride 1.
"""

import numpy as np


def conv_forward(x, w, b):
    N, C, H, W = x.shape
    F, _, R, S = w.shape
    out = np.zeros((N, F, H - R + 1, W - S + 1))
    for n in range(N):
        for f in range(F):
            for i in range(H - R + 1):
                for j in range(W - S + 1):
                    total = b[f]
                    for c in range(C):
                        for r in range(R):
                            for s in range(S):
                                total += x[n, c, i + r, j + s] * w[f, c, r, s]
                    out[n, f, i, j] = total
    return out


def conv_backward(dout, x, w):
    """Return the gradients of x, w and b: one place of the filter at a time, all images and places at once."""
    N, C, H, W = x.shape
    F, _, R, S = w.shape
    dx, dw = np.zeros((N, C, H, W)), np.zeros((F, C, R, S))
    db = dout.sum(axis=(0, 2, 3))
    for r in range(R):
        for s in range(S):
            rows, columns = slice(r, r + H - R + 1), slice(s, s + W - S + 1)
            dw[:, :, r, s] = np.einsum("nfij,ncij->fc", dout, x[:, :, rows, columns])
            dx[:, :, rows, columns] += np.einsum("nfij,fc->ncij", dout, w[:, :, r, s])
    return dx, dw, db


rng = np.random.default_rng(0)
x = rng.normal(size=(2, 2, 3, 3))
w = rng.normal(size=(3, 2, 2, 2))
b = rng.normal(size=3)
dout = rng.normal(size=(2, 3, 2, 2))
