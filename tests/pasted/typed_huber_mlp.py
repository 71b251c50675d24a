"""Robust regression with a one-hidden-layer network (Huber loss).

Shapes are in the annotations: B batch, I inputs, H hidden units, O outputs.
"""
from typing import NamedTuple

import numpy as np


class Grads(NamedTuple):
    w_in: np.ndarray
    b_in: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray


def softplus(z: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, z)


def predict(
    x: "B I", w_in: "I H", b_in: "H", w_out: "H O", b_out: "O"
) -> "B O":
    return softplus(x @ w_in + b_in) @ w_out + b_out


def huber_loss(
    x: "B I",
    target: "B O",
    w_in: "I H",
    b_in: "H",
    w_out: "H O",
    b_out: "O",
    delta: float = 1.0,
) -> float:
    r = np.abs(predict(x, w_in, b_in, w_out, b_out) - target)
    quadratic = np.minimum(r, delta)
    linear = r - quadratic
    return float(np.mean(np.sum(0.5 * quadratic**2 + delta * linear, axis=1)))


def huber_loss_backward(
    x: "B I",
    target: "B O",
    w_in: "I H",
    b_in: "H",
    w_out: "H O",
    b_out: "O",
    delta: float = 1.0,
) -> Grads:
    z: "B H" = x @ w_in + b_in
    a: "B H" = softplus(z)
    pred: "B O" = a @ w_out + b_out

    d_pred: "B O" = np.clip(pred - target, -delta, delta) / x.shape[0]
    d_a: "B H" = d_pred @ w_out.T
    d_z: "B H" = d_a / (1.0 + np.exp(-z))  # softplus' = sigmoid

    return Grads(
        w_in=x.T @ d_z,
        b_in=d_z.sum(axis=0),
        w_out=a.T @ d_pred,
        b_out=d_pred.sum(axis=0),
    )
