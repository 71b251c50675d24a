"""An LSTM in a loop, and backpropagation through time. Parameters and gradients are dicts.

    einbackprop check lstm.py --loss "loss(params, xs, targets)" \
        --grads "gradients(params, xs, targets)" --wrt params

A batch of sequences: `xs[t]` is the input at time t, rows are samples. The gates read input and state side by side.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(params, xs):
    T, N, D = xs.shape
    H = params["bf"].shape[0]
    h, c = np.zeros((N, H)), np.zeros((N, H))
    steps = []
    for t in range(T):
        z = np.hstack([xs[t], h])
        f = sigmoid(z @ params["Wf"] + params["bf"])
        i = sigmoid(z @ params["Wi"] + params["bi"])
        o = sigmoid(z @ params["Wo"] + params["bo"])
        g = np.tanh(z @ params["Wg"] + params["bg"])
        c_before = c
        c = f * c_before + i * g
        h = o * np.tanh(c)
        steps.append((z, f, i, o, g, c_before, c, h))
    return steps


def loss(params, xs, targets):
    total = 0.0
    for t, step in enumerate(forward(params, xs)):
        total += 0.5 * np.sum((step[-1] - targets[t]) ** 2)
    return total


def gradients(params, xs, targets):
    T, N, D = xs.shape
    H = params["bf"].shape[0]
    steps = forward(params, xs)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dh_next, dc_next = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        z, f, i, o, g, c_before, c, h = steps[t]
        dh = h - targets[t] + dh_next
        dc = dh * o * (1 - np.tanh(c) ** 2) + dc_next

        # the gates, before their sigmoids and the tanh
        df = dc * c_before * f * (1 - f)
        di = dc * g * i * (1 - i)
        do = dh * np.tanh(c) * o * (1 - o)
        dg = dc * i * (1 - g**2)

        grads["Wf"] += z.T @ df
        grads["bf"] += df.sum(axis=0)
        grads["Wi"] += z.T @ di
        grads["bi"] += di.sum(axis=0)
        grads["Wo"] += z.T @ do
        grads["bo"] += do.sum(axis=0)
        grads["Wg"] += z.T @ dg
        grads["bg"] += dg.sum(axis=0)

        dz = df @ params["Wf"].T + di @ params["Wi"].T + do @ params["Wo"].T + dg @ params["Wg"].T
        dh_next = dz[:, D:]
        dc_next = dc * f
    return grads


rng = np.random.default_rng(2)
T, N, D, H = 4, 6, 2, 5
params = {}
for gate in "fiog":
    params["W" + gate] = rng.normal(size=(D + H, H))
    params["b" + gate] = np.zeros(H)
xs = rng.normal(size=(T, N, D))
targets = rng.normal(size=(T, N, H))
