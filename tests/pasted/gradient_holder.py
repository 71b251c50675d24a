"""Classification: each sample adds to an object that holds the gradients."""
import numpy as np


class Params:
    def __init__(self, W, V, c):
        self.W, self.V, self.c = W, V, c

    def empty(self):
        return Params(np.zeros_like(self.W), np.zeros_like(self.V), np.zeros_like(self.c))


class Kept:
    def __init__(self, x, h, probs):
        self.x, self.h, self.probs = x, h, probs


def forward(p, x):
    h = np.tanh(x @ p.W)
    e = np.exp(h @ p.V + p.c)
    return Kept(x, h, e / e.sum())


def backward(p, kept, label, g):
    slope = kept.probs.copy()
    slope[label] -= 1.0
    g.c += slope
    back = p.V @ slope
    g.V += np.outer(kept.h, slope)
    dh = back * (1 - kept.h**2)
    g.W += np.outer(kept.x, dh)


def batch_loss_and_grad(p, xs, labels):
    g = p.empty()
    loss = 0.0
    for x, label in zip(xs, labels):
        kept = forward(p, x)
        loss += -np.log(kept.probs[label])
        backward(p, kept, label, g)
    for name in ("W", "V", "c"):
        setattr(g, name, getattr(g, name) / len(xs))
    return loss / len(xs), g


def main():
    rng = np.random.default_rng(5)
    xs = rng.normal(size=(7, 3))
    labels = rng.integers(0, 2, size=7)
    p = Params(rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), np.zeros(2))
    for _ in range(20):
        loss, g = batch_loss_and_grad(p, xs, labels)
        for name in ("W", "V", "c"):
            setattr(p, name, getattr(p, name) - 0.1 * getattr(g, name))


if __name__ == "__main__":
    main()
