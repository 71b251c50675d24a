"""Correct gradients of parameters that stay in a range, behind guards and clips."""

from typing import Any

import numpy as np
from circumstances import ONE_HOT, B, P, V, W, X, Y, add, relu_gradients, relu_loss, sigmoid, softmax

rng = np.random.default_rng(13)

# Ranges

ROWS = softmax(rng.normal(size=(4, 4)))
SYMMETRIC = Y[:4] + Y[:4].T
DEFINITE = Y.T @ Y / 6 + np.eye(4)
ORTHOGONAL = np.linalg.qr(Y[:4])[0]


def clipped_log_loss(P: Any, T: Any) -> Any:
    P = np.clip(P, 1e-12, 1 - 1e-12)
    return -np.mean(T * np.log(P) + (1 - T) * np.log(1 - P))


def log_loss_gradient(P: Any, T: Any) -> Any:
    return (P - T) / (P * (1 - P)) / P.size


def entropy_loss(A: Any, x: Any) -> Any:
    return -np.sum(x[:, None] * A * np.log(np.maximum(A, 1e-10)))


def entropy_gradient(A: Any, x: Any) -> Any:
    return -x[:, None] * (np.log(A) + 1)


def chain_loss(A: Any, x: Any) -> Any:
    return -np.sum(np.log(x @ A @ A))


def chain_gradient(A: Any, x: Any) -> Any:
    d = -1 / (x @ A @ A)
    return np.outer(x, A @ d) + np.outer(x @ A, d)


def quadratic_loss(A: Any, x: Any) -> Any:
    return 0.5 * x @ A @ x


def quadratic_gradients(A: Any, x: Any) -> Any:
    return 0.5 * np.outer(x, x), A @ x


def determinant_loss(S: Any, x: Any) -> Any:
    return 0.5 * np.log(np.linalg.det(S)) + 0.5 * x @ np.linalg.solve(S, x)


def determinant_gradient(S: Any, x: Any) -> Any:
    inverse = np.linalg.inv(S)
    return 0.5 * inverse - 0.5 * np.outer(inverse @ x, inverse @ x)


def rotated_loss(Q: Any, x: Any, y: Any) -> Any:
    return 0.5 * np.sum((Q @ x - y) ** 2)


def rotated_gradients(Q: Any, x: Any, y: Any) -> Any:
    return np.outer(Q @ x - y, x), x - Q.T @ y


def powers_loss(w: Any, n: Any, x: Any) -> Any:
    return np.sum(w * x ** n)


def increasing_loss(t: Any, x: Any) -> Any:
    return np.sum(np.log(np.diff(t))) + np.sum((t - x) ** 2)


def increasing_gradient(t: Any, x: Any) -> Any:
    d = 2 * (t - x)
    d[1:] += 1 / np.diff(t)
    d[:-1] -= 1 / np.diff(t)
    return d


def unit_rows_loss(U: Any, x: Any) -> Any:
    return -np.sum(np.log(1.5 + U @ x / np.sqrt((x * x).sum())))


def unit_rows_gradient(U: Any, x: Any) -> Any:
    n = np.sqrt((x * x).sum())
    return -np.outer(1 / (1.5 + U @ x / n), x / n)


def root_loss(P: Any, T: Any) -> Any:
    return np.sum((np.sqrt(np.clip(P, 0, None)) - T) ** 2)


def root_gradient(P: Any, T: Any) -> Any:
    return (np.sqrt(P) - T) / np.sqrt(P)


def pixels_loss(P: Any, T: Any) -> Any:
    return np.sum((np.clip(P, 0, 1) - T) ** 2)


def poisson_loss(r: Any, k: Any) -> Any:
    return np.sum(r - k * np.log(np.where(r > 1e-9, r, 1e-9)))


def distribution_loss(p: Any, X: Any) -> Any:
    return -np.sum(np.log(np.maximum(X @ p, 1e-8)))


add("range", "probabilities that are clipped", clipped_log_loss, log_loss_gradient, P, (Y > 0) * 1.0)
add("range", "rows that sum to one", entropy_loss, entropy_gradient, ROWS, np.arange(1.0, 5.0))
add("range", "a chain of transitions", chain_loss, chain_gradient, ROWS, np.full(4, 0.25))
add("range", "a symmetric matrix", quadratic_loss, quadratic_gradients, SYMMETRIC, B, wrt=(0, 1))
add("range", "a covariance", determinant_loss, determinant_gradient, DEFINITE, B)
add("range", "a rotation", rotated_loss, rotated_gradients, ORTHOGONAL, B, Y[0], wrt=(0, 1))
add("range", "whole powers", powers_loss, lambda w, n, x: x ** n, B, np.array([0.0, 1, 2, 3]), np.array([-1.5,
    2, -3, 1]))
add("range", "knots that increase", increasing_loss, increasing_gradient, np.cumsum(P[0]), Y[0])
add("range", "rows of norm one", unit_rows_loss, unit_rows_gradient,
    Y / np.linalg.norm(Y, axis=1, keepdims=True), B)
add("range", "a root of what is positive", root_loss, root_gradient, 3 * P, Y)
add("range", "pixels between 0 and 1", pixels_loss, lambda P, T: 2 * (P - T), P, Y)
add("range", "rates", poisson_loss, lambda r, k: 1 - k / r, 5 * P, rng.poisson(3, P.shape).astype(float))
add("range", "weights of a mixture", distribution_loss, lambda p, X: -X.T @ (1 / (X @ p)), ROWS[0],
    rng.uniform(0.1, 1, (6, 4)))

# Guards and clips


def guarded_log_loss(W: Any, X: Any, T: Any) -> Any:
    return -np.sum(T * np.log(softmax(X @ W) + 1e-7)) / len(X)


def guarded_log_gradient(W: Any, X: Any, T: Any) -> Any:
    p = softmax(X @ W)
    g = -T / (p + 1e-7)
    return X.T @ (p * (g - (g * p).sum(1, keepdims=True))) / len(X)


def clipped_softmax_loss(W: Any, X: Any, T: Any) -> Any:
    return -np.sum(T * np.log(np.clip(softmax(X @ W), 1e-12, 1.0))) / len(X)


def plain_softmax_gradient(W: Any, X: Any, T: Any) -> Any:
    return X.T @ (softmax(X @ W) - T) / len(X)


def guarded_norm_loss(w: Any, x: Any) -> Any:
    return x @ w / (np.sqrt(w @ w) + 1e-8)


def guarded_norm_gradient(w: Any, x: Any) -> Any:
    n = np.sqrt(w @ w)
    return x / (n + 1e-8) - w * (x @ w) / (n * (n + 1e-8) ** 2)


def clipped_sigmoid_loss(w: Any, X: Any, y: Any) -> Any:
    p = np.clip(sigmoid(X @ w), 1e-7, 1 - 1e-7)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def sigmoid_gradient(w: Any, X: Any, y: Any) -> Any:
    return X.T @ (sigmoid(X @ w) - y) / len(y)


def floored_loss(w: Any, X: Any) -> Any:
    s = np.exp(X @ w)
    return np.sum(np.log(np.maximum(s, 1e-9)))


def guarded_sigma_loss(s: Any, x: Any) -> Any:
    s = np.maximum(s, 1e-6)
    return np.sum(np.log(s) + 0.5 * (x / s) ** 2)


def guarded_ratio_loss(a: Any, b: Any) -> Any:
    return np.sum(a / np.maximum(np.abs(b), 1e-8))


def guarded_ratio_gradients(a: Any, b: Any) -> Any:
    return 1 / np.abs(b), -a * np.sign(b) / b**2


def variance_loss(W: Any, X: Any, Y: Any) -> Any:
    z = X @ W
    return np.sum(Y * (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3))


def variance_gradient(W: Any, X: Any, Y: Any) -> Any:
    z = X @ W
    s = 1 / np.sqrt(z.var(0) + 1e-3)
    h = (z - z.mean(0)) * s
    return X.T @ (s * (Y - Y.mean(0) - h * (Y * h).mean(0)))


add("guard", "1e-7 in the logarithm", guarded_log_loss, guarded_log_gradient, W, X, ONE_HOT)
add("guard", "1e-7 in the loss only", guarded_log_loss, plain_softmax_gradient, W, X, ONE_HOT)
add("guard", "a clipped softmax", clipped_softmax_loss, plain_softmax_gradient, W, X, ONE_HOT)
add("guard", "1e-8 beside a norm", guarded_norm_loss, guarded_norm_gradient, B, Y[0])
add("guard", "a clipped sigmoid", clipped_sigmoid_loss, sigmoid_gradient, W[:, 0], X, (Y[:, 0] > 0) * 1.0)
add("guard", "a floor", floored_loss, lambda w, X: X.sum(0), W[:, 0], X)
add("guard", "a smallest sigma", guarded_sigma_loss, lambda s, x: 1 / s - x**2 / s**3, P, Y)
add("guard", "a smallest divisor", guarded_ratio_loss, guarded_ratio_gradients, B, Y[1], wrt=(0, 1))
add("guard", "1e-3 beside a variance", variance_loss, variance_gradient, W, X, Y)
add("guard", "clipped gradients", relu_loss,
    lambda W, V, X: tuple(np.clip(d, -50, 50) for d in relu_gradients(W, V, X)), W, V, X, wrt=(0, 1))
