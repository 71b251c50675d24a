"""Code that is pasted into the page: a network, right and with a mistake, and a gradient with a penalty."""

from einbackprop.shell import gallery

MYNET = gallery.example("mynet").text
ASKED = {"loss": "loss(weights, X, T)", "grads": "gradients(weights, X, T)", "wrt": "weights"}
RIGHT = "dW2 = first.T @ d_second"
WRONG = MYNET.replace(RIGHT, "dW2 = second.T @ d_second")
LINE = WRONG[: WRONG.index("dW2 = second")].count("\n") + 1

PENALISED = """import numpy as np
rng = np.random.default_rng(0)
W, X, T, weight = rng.normal(size=(3, 2)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), 0.3


def loss(W):
    return 0.5 * np.sum((X @ W - T) ** 2)


def gradient(W):
    return X.T @ (X @ W - T) + weight * W
"""
