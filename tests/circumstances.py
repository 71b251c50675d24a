"""What correct gradients in unusual circumstances are made of, and how large a mistake in them must be to show.

Relative to the gradient that is a ten thousandth, or a hundred roundings of the narrowest dtype on its way. Where a
gradient is zero for every value, `cancelling` is how large the terms are that cancel in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Function = Callable[..., Any]
HALF = 100 * float(np.finfo(np.float16).eps)


@dataclass(frozen=True)
class Circumstance:
    """A loss, its gradient, their arguments, and the size of a mistake."""

    kind: str
    loss: Function
    gradients: Function
    arguments: tuple[Any, ...]
    wrt: int | tuple[int, ...] = 0
    mistake: float = 1e-4
    cancelling: float = 0.0


CIRCUMSTANCES: dict[str, Circumstance] = {}
rng = np.random.default_rng(11)
X = rng.normal(size=(6, 3))
Y = rng.normal(size=(6, 4))
W = 0.3 * rng.normal(size=(3, 4))
V = 0.3 * rng.normal(size=(4, 2))
B = 0.1 * rng.normal(size=4)
ONE = np.array([0.3])
P = rng.uniform(0.1, 0.9, (6, 4))
LABELS = rng.integers(0, 4, 6)
ONE_HOT = np.eye(4)[LABELS]


def add(kind: str, name: str, loss: Function, gradients: Function, *arguments: Any, **options: Any) -> None:
    CIRCUMSTANCES[name] = Circumstance(kind, loss, gradients, arguments, **options)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def relu_loss(W: Any, V: Any, X: Any) -> Any:
    return np.sum((np.maximum(X @ W, 0) @ V) ** 2)


def relu_gradients(W: Any, V: Any, X: Any) -> Any:
    z = X @ W
    h = np.maximum(z, 0)
    d = 2 * h @ V
    return X.T @ (d @ V.T * (z > 0)), h.T @ d
