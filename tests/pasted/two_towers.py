"""Pairs of samples go through one tower, whose gradients are emptied before each step."""
import numpy as np


class Tower:
    def __init__(self, n_in, n_out, rng):
        self.W = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
        self.c = np.zeros(n_out)
        self.zero_grad()

    def zero_grad(self):
        self.gW, self.gc = np.zeros_like(self.W), np.zeros_like(self.c)

    def forward(self, x):
        h = np.tanh(x @ self.W + self.c)
        return h, (x, h)

    def backward(self, d, kept):
        x, h = kept
        d = d * (1 - h**2)
        self.gW += x.T @ d
        self.gc += d.sum(axis=0)

    def step(self, lr):
        self.W -= lr * self.gW
        self.c -= lr * self.gc


def pair_loss(ua, ub, same):
    gap = ua - ub
    length = np.sqrt(np.sum(gap**2, axis=1) + 1e-6)
    loss = np.mean(same * length + (1 - same) * np.exp(-length))
    d_length = (same - (1 - same) * np.exp(-length)) / len(same)
    d_gap = d_length[:, None] * gap / length[:, None]
    return loss, d_gap, -d_gap


def main():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20, 4))
    y = (X[:, 0] > 0).astype(int)
    tower = Tower(4, 3, rng)
    for step in range(40):
        i, j = rng.integers(20, size=6), rng.integers(20, size=6)
        ua, kept_a = tower.forward(X[i])
        ub, kept_b = tower.forward(X[j])
        loss, da, db = pair_loss(ua, ub, (y[i] == y[j]).astype(float))
        tower.zero_grad()
        tower.backward(da, kept_a)
        tower.backward(db, kept_b)
        tower.step(0.3)


if __name__ == "__main__":
    main()
