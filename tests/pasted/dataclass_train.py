#!/usr/bin/env python3
"""Two-moons classifier, hand-derived gradients."""
from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass
class Params:
    W1: np.ndarray  # (2, hidden)
    b1: np.ndarray  # (hidden,)
    w2: np.ndarray  # (hidden,)
    b2: float

    @classmethod
    def init(cls, hidden: int, rng: np.random.Generator) -> Params:
        return cls(
            W1=rng.normal(size=(2, hidden)),
            b1=np.zeros(hidden),
            w2=rng.normal(size=hidden) / np.sqrt(hidden),
            b2=0.0,
        )


def loss_and_grads(params: Params, X: np.ndarray, y: np.ndarray) -> tuple[float, Params]:
    """Logistic loss with labels y in {-1, +1}."""
    n = len(y)
    h = np.tanh(X @ params.W1 + params.b1)
    f = h @ params.w2 + params.b2
    margin = y * f
    loss = np.logaddexp(0, -margin).mean()

    df = -y / (1 + np.exp(margin)) / n
    dpre = np.outer(df, params.w2) * (1 - h**2)
    grads = Params(W1=X.T @ dpre, b1=dpre.sum(0), w2=h.T @ df, b2=df.sum())
    return loss, grads


def sgd_step(params: Params, grads: Params, lr: float) -> None:
    for f in fields(params):
        setattr(params, f.name, getattr(params, f.name) - lr * getattr(grads, f.name))


def make_moons(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    t = rng.uniform(0, np.pi, size=n)
    y = rng.choice([-1.0, 1.0], size=n)
    X = np.stack([np.cos(t) * y + 0.5 * (y < 0), np.sin(t) * y - 0.3 * y], axis=1)
    return X + 0.1 * rng.normal(size=(n, 2)), y


def train(X: np.ndarray, y: np.ndarray, hidden: int = 10, steps: int = 200, lr: float = 0.5) -> Params:
    params = Params.init(hidden, np.random.default_rng(1))
    for step in range(steps):
        loss, grads = loss_and_grads(params, X, y)
        sgd_step(params, grads, lr)
        if step % 50 == 0:
            print(f"{step:4d} {loss:.4f}")
    return params


def main() -> None:
    rng = np.random.default_rng(0)
    X, y = make_moons(100, rng)
    train(X, y)


if __name__ == "__main__":
    main()
