"""A softmax classifier: cross-entropy by labels, with a penalty on the weights.

    einbackprop check softmax.py --both "softmax_loss(W, b, X, y, reg)" --wrt W --wrt b

One function gives the loss and its gradients. `y` holds the number of the right class of each sample.
"""

import numpy as np


def softmax_loss(W, b, X, y, reg):
    """Return the mean cross-entropy and its gradients for W (D, C), b (C,), X (N, D) and y (N,)."""
    N = X.shape[0]

    scores = X @ W + b
    scores = scores - scores.max(axis=1, keepdims=True)  # so that no exponential overflows
    exp_scores = np.exp(scores)
    probs = exp_scores / exp_scores.sum(axis=1, keepdims=True)

    data_loss = -np.log(probs[np.arange(N), y]).sum() / N
    loss = data_loss + 0.5 * reg * np.sum(W * W)

    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dW = X.T @ dscores + reg * W
    db = dscores.sum(axis=0)
    return loss, dW, db


np.random.seed(0)
X = np.random.randn(6, 4)
y = np.array([0, 2, 1, 1, 0, 2])
W = 0.1 * np.random.randn(4, 3)
b = np.zeros(3)
reg = 1e-2

if __name__ == "__main__":
    for step in range(200):
        loss, dW, db = softmax_loss(W, b, X, y, reg)
        W -= 0.5 * dW
        b -= 0.5 * db
        if step % 50 == 0:
            print(step, loss)
