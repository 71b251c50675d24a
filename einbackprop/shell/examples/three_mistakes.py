"""Three mistakes: the backward of an autoencoder runs, and is wrong in three lines.

    einbackprop check three_mistakes.py --loss "loss(params, X)" --grads "backward(params, X)" --wrt params

Which three? Read the backward before you run the check. With `--diff` it prints a patch that mends them.
"""

import numpy as np


def forward(params, X):
    code = np.tanh(X @ params["W1"] + params["b1"])
    output = code @ params["W2"] + params["b2"]
    return code, output


def loss(params, X, decay=0.01):
    _, output = forward(params, X)
    error = np.mean(np.sum((output - X) ** 2, axis=1))
    return error + decay * np.sum(params["W2"] ** 2)


def backward(params, X, decay=0.01):
    code, output = forward(params, X)
    grads = {}

    # the decoder
    d_output = 2 * (output - X) / X.size
    grads["W2"] = code.T @ d_output + decay * params["W2"]
    grads["b2"] = d_output.sum(axis=0)

    # the encoder
    d_code = d_output @ params["W2"].T * (1 - code)
    grads["W1"] = X.T @ d_code
    grads["b1"] = d_code.sum(axis=0)
    return grads


rng = np.random.default_rng(11)
n_samples, n_features, n_code = 7, 5, 2
params = {
    "W1": rng.normal(size=(n_features, n_code)),
    "b1": np.zeros(n_code),
    "W2": rng.normal(size=(n_code, n_features)),
    "b2": np.zeros(n_features),
}
X = rng.normal(size=(n_samples, n_features))
