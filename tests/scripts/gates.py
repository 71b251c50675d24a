"""A layer with a function as an object, sizes that are fixed in it, filters in loops, and its backward."""

import numpy as np


class Softplus:
    def __call__(self, z):
        return np.log1p(np.exp(z))

    def prime(self, z):
        return 1 / (1 + np.exp(-z))


class Gate:
    def __init__(self, W, F):
        self.W, self.F, self.act = W, F, Softplus()
        self.dW, self.dF = np.zeros((4, 5)), np.zeros((2, 3))

    def windows(self, h):
        for i in range(len(h) - 2):
            yield h[i : i + 3], i

    def forward(self, x):
        width = x.shape[0]
        self.z = self.W @ x / np.sqrt(width)
        self.h = self.act(self.z)
        self.cube = self.h + 0.0447 * self.h**3
        self.out = np.zeros((2, 2))
        for window, i in self.windows(self.cube):
            for f in range(2):
                self.out[i, f] = window @ self.F[f]
        return self.out

    def backward(self, x, d_out):
        width = x.shape[0]
        scale = 1 / np.sqrt(width)
        d_cube = np.zeros(4)
        for window, i in self.windows(self.cube):
            for f in range(2):
                self.dF[f] += d_out[i, f] * window
                d_cube[i : i + 3] += d_out[i, f] * self.F[f]
        bend = 1 + 3 * 0.0447 * self.h**2
        d_h = d_cube * bend
        d_z = d_h * self.act.prime(self.z)
        self.dW += scale * np.outer(d_z, x)


def cost(W, F, x, t):
    return 0.5 * np.sum((Gate(W, F).forward(x) - t) ** 2)


def gradients(W, F, x, t):
    gate = Gate(W, F)
    out = gate.forward(x)
    gate.backward(x, out - t)
    return gate.dW, gate.dF


rng = np.random.default_rng(5)
W, F, x, t = rng.normal(size=(4, 5)), rng.normal(size=(2, 3)), rng.normal(size=5), rng.normal(size=(2, 2))
