"""Self-attention as a class that keeps what its backward needs; the future is masked.

    einbackprop check attention.py --forward "layer.forward(x)" \
        --backward "layer.backward(dout)" --grads "returned, layer.dWq, layer.dWk, layer.dWv, layer.dWo" \
        --wrt x --wrt layer.Wq --wrt layer.Wk --wrt layer.Wv --wrt layer.Wo

One head over one sequence: a row of `x` is a word, and a word sees itself and those before it.
"""

import numpy as np


class SelfAttention:
    def __init__(self, n_features, n_keys, n_values, n_out, rng):
        self.Wq = rng.normal(size=(n_features, n_keys))
        self.Wk = rng.normal(size=(n_features, n_keys))
        self.Wv = rng.normal(size=(n_features, n_values))
        self.Wo = rng.normal(size=(n_values, n_out))

    def forward(self, x):
        self.x = x
        self.q = x @ self.Wq  # (T, K)
        self.k = x @ self.Wk
        self.v = x @ self.Wv  # (T, V)
        scores = self.q @ self.k.T / np.sqrt(self.q.shape[1])
        mask = np.triu(np.full(scores.shape, -1e9), k=1)  # -1e9 where the future is
        scores = scores + mask
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.weights = weights / weights.sum(axis=-1, keepdims=True)
        self.heads = self.weights @ self.v
        out = self.heads @ self.Wo
        return out

    def backward(self, dout):
        """Return the gradient of the input; those of the weights stay in dWq, dWk, dWv and dWo."""
        self.dWo = self.heads.T @ dout
        dheads = dout @ self.Wo.T

        dweights = dheads @ self.v.T
        dv = self.weights.T @ dheads

        # softmax, row by row; a masked weight is 0, and so is its gradient
        dscores = self.weights * (dweights - np.sum(dweights * self.weights, axis=-1, keepdims=True))
        dscores = dscores / np.sqrt(self.q.shape[1])
        dq = dscores @ self.k
        dk = dscores.T @ self.q

        self.dWq = self.x.T @ dq
        self.dWk = self.x.T @ dk
        self.dWv = self.x.T @ dv
        return dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T


rng = np.random.default_rng(3)
layer = SelfAttention(n_features=5, n_keys=3, n_values=2, n_out=6, rng=rng)
x = rng.normal(size=(4, 5))
dout = rng.normal(size=(4, 6))
