"""One realistic mistake each, on the line marked WRONG (or in the line that is missing below the mark)."""

import numpy as np

from .fixture import Fixture, Wrong


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# two-layer softmax classifier, rows


def forward_classifier(W1, b1, W2, b2, X):
    hidden = np.tanh(X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, e / e.sum(axis=1, keepdims=True)


def loss_classifier(W1, b1, W2, b2, X, y):
    _, probs = forward_classifier(W1, b1, W2, b2, X)
    return -np.log(probs[np.arange(len(y)), y]).mean()


def loss_classifier_decayed(W1, b1, W2, b2, X, y):
    return loss_classifier(W1, b1, W2, b2, X, y) + 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))


def arguments_classifier(rng, sizes=(5, 3, 4, 2)):
    N, D, H, C = sizes
    W1, b1, W2, b2 = (rng.normal(size=s) for s in ((D, H), H, (H, C), C))
    return W1, b1, W2, b2, rng.normal(size=(N, D)), rng.integers(0, C, size=N)


def mean_taken_twice(W1, b1, W2, b2, X, y):
    N = X.shape[0]
    hidden, probs = forward_classifier(W1, b1, W2, b2, X)
    dscores = probs
    dscores[range(N), y] -= 1
    dscores /= N
    dW2 = hidden.T.dot(dscores) / N  # WRONG
    db2 = dscores.sum(axis=0)
    dz = dscores.dot(W2.T) * (1 - hidden**2)
    return X.T.dot(dz), dz.sum(axis=0), dW2, db2


def bias_averaged(W1, b1, W2, b2, X, y):
    N = X.shape[0]
    hidden, probs = forward_classifier(W1, b1, W2, b2, X)
    probs[range(N), y] -= 1
    probs /= N
    dz = probs.dot(W2.T) * (1 - hidden**2)
    db1 = np.mean(dz, axis=0)  # WRONG
    return X.T.dot(dz), db1, hidden.T.dot(probs), probs.sum(axis=0)


reg = 0.3


def decay_not_halved(W1, b1, W2, b2, X, y):
    N = X.shape[0]
    hidden, probs = forward_classifier(W1, b1, W2, b2, X)
    probs[range(N), y] -= 1
    probs /= N
    dW2 = hidden.T.dot(probs)
    dz = probs.dot(W2.T) * (1 - hidden**2)
    dW1 = X.T.dot(dz)
    dW2 += reg * W2
    dW1 += 2 * reg * W1  # WRONG
    return dW1, dz.sum(axis=0), dW2, probs.sum(axis=0)


def decay_overwrites(W1, b1, W2, b2, X, y):
    N = X.shape[0]
    hidden, probs = forward_classifier(W1, b1, W2, b2, X)
    probs[range(N), y] -= 1
    probs /= N
    dW2 = hidden.T.dot(probs)
    dz = probs.dot(W2.T) * (1 - hidden**2)
    dW1 = X.T.dot(dz)
    dW1 += reg * W1
    dW2 = reg * W2  # WRONG
    return dW1, dz.sum(axis=0), dW2, probs.sum(axis=0)


def derivative_of_the_argument(W1, b1, W2, b2, X, y):
    N = X.shape[0]
    z1 = X.dot(W1) + b1
    hidden, probs = forward_classifier(W1, b1, W2, b2, X)
    probs[range(N), y] -= 1
    probs /= N
    dz = probs.dot(W2.T) * (1 - z1**2)  # WRONG
    return X.T.dot(dz), dz.sum(axis=0), hidden.T.dot(probs), probs.sum(axis=0)


# a sigmoid network with two hidden layers of the same width, columns


def loss_square(W1, W2, W3, X, Y):
    h2 = sigmoid(W2 @ sigmoid(W1 @ X))
    return 0.5 * np.sum((W3 @ h2 - Y) ** 2) / X.shape[1]


def square_weight_not_transposed(W1, W2, W3, X, Y):
    m = X.shape[1]
    h1 = sigmoid(np.dot(W1, X))
    h2 = sigmoid(np.dot(W2, h1))
    d3 = (np.dot(W3, h2) - Y) / m
    d2 = np.dot(W3.T, d3) * h2 * (1 - h2)
    d1 = np.dot(W2, d2) * h1 * (1 - h1)  # WRONG
    return np.dot(d1, X.T), np.dot(d2, h1.T), np.dot(d3, h2.T)


def activation_of_another_layer(W1, W2, W3, X, Y):
    m = X.shape[1]
    h1 = sigmoid(np.dot(W1, X))
    h2 = sigmoid(np.dot(W2, h1))
    d3 = (np.dot(W3, h2) - Y) / m
    d2 = np.dot(W3.T, d3) * h1 * (1 - h1)  # WRONG
    d1 = np.dot(W2.T, d2) * h1 * (1 - h1)
    return np.dot(d1, X.T), np.dot(d2, h1.T), np.dot(d3, h2.T)


def arguments_square(rng, sizes=(3, 4, 2, 5)):
    D, H, C, m = sizes
    W1, W2, W3 = (rng.normal(size=s) for s in ((H, D), (H, H), (C, H)))
    return W1, W2, W3, rng.normal(size=(D, m)), rng.normal(size=(C, m))


# sigmoid output with a squared error whose derivative is that of cross-entropy


def loss_output(W1, W2, X, Y):
    return 0.5 * np.mean(np.sum((sigmoid(W2 @ np.tanh(W1 @ X)) - Y) ** 2, axis=0))


def output_derivative_missing(W1, W2, X, Y):
    A1 = np.tanh(W1 @ X)
    A2 = sigmoid(W2 @ A1)
    dZ2 = (A2 - Y) / X.shape[1]  # WRONG
    dZ1 = W2.T @ dZ2 * (1 - A1**2)
    return dZ1 @ X.T, dZ2 @ A1.T


def arguments_output(rng, sizes=(3, 4, 2, 5)):
    D, H, C, m = sizes
    return rng.normal(size=(H, D)), rng.normal(size=(C, H)), rng.normal(size=(D, m)), rng.uniform(size=(C, m))


# through time


def rnn_states(xs, Wxh, Whh):
    hs = {-1: np.zeros((Whh.shape[0], 1))}
    for t in range(len(xs)):
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]))
    return hs


def loss_rnn(xs, ys, Wxh, Whh, Why):
    hs = rnn_states(xs, Wxh, Whh)
    return sum(0.5 * np.sum((np.dot(Why, hs[t]) - ys[t]) ** 2) for t in range(len(xs)))


def first_step_missing(xs, ys, Wxh, Whh, Why):
    hs = rnn_states(xs, Wxh, Whh)
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dys = [np.dot(Why, hs[t]) - ys[t] for t in range(len(xs))]
    for t in range(len(xs)):
        dWhy += np.dot(dys[t], hs[t].T)
    dhnext = np.zeros_like(hs[0])
    for t in range(len(xs) - 1, 0, -1):  # WRONG
        dh = np.dot(Why.T, dys[t]) + dhnext
        draw = (1 - hs[t] ** 2) * dh
        dWxh += np.dot(draw, xs[t].T)
        dWhh += np.dot(draw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, draw)
    return dWxh, dWhh, dWhy  # hs[-1] is zero, so that the first step adds nothing to dWhh


def carry_lost(xs, ys, Wxh, Whh, Why):
    hs = rnn_states(xs, Wxh, Whh)
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        dy = np.dot(Why, hs[t]) - ys[t]
        dWhy += np.dot(dy, hs[t].T)
        dh = np.dot(Why.T, dy)  # WRONG
        draw = (1 - hs[t] * hs[t]) * dh
        dWxh += np.dot(draw, xs[t].T)
        dWhh += np.dot(draw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, draw)
    return dWxh, dWhh, dWhy


def recurrent_weight_not_transposed(xs, ys, Wxh, Whh, Why):
    hs = rnn_states(xs, Wxh, Whh)
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        dy = np.dot(Why, hs[t]) - ys[t]
        dWhy += np.dot(dy, hs[t].T)
        draw = (1 - hs[t] * hs[t]) * (np.dot(Why.T, dy) + dhnext)
        dWxh += np.dot(draw, xs[t].T)
        dWhh += np.dot(draw, hs[t - 1].T)
        dhnext = np.dot(Whh, draw)  # WRONG
    return dWxh, dWhh, dWhy


def overwritten_each_step(xs, ys, Wxh, Whh, Why):
    hs = rnn_states(xs, Wxh, Whh)
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        dy = np.dot(Why, hs[t]) - ys[t]
        dWhy = np.dot(dy, hs[t].T)  # WRONG
        draw = (1 - hs[t] * hs[t]) * (np.dot(Why.T, dy) + dhnext)
        dWxh += np.dot(draw, xs[t].T)
        dWhh += np.dot(draw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, draw)
    return dWxh, dWhh, dWhy


def arguments_rnn(rng, sizes=(5, 3, 4, 2)):
    T, D, H, C = sizes
    xs = [rng.normal(size=(D, 1)) for _ in range(T)]
    ys = [rng.normal(size=(C, 1)) for _ in range(T)]
    return xs, ys, rng.normal(size=(H, D)), rng.normal(size=(H, H)), rng.normal(size=(C, H))


# an LSTM step that forgets what comes from the next cell


def lstm_step(x, h, c, W):
    H = h.shape[1]
    a = np.concatenate([x, h], axis=1) @ W
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next, i, f, o, g


def loss_lstm(x, h, c, W, dh, dc):
    h_next, c_next, *_ = lstm_step(x, h, c, W)
    return np.sum(h_next * dh) + np.sum(c_next * dc)


def next_cell_forgotten(x, h, c, W, dh, dc):
    _, c_next, i, f, o, g = lstm_step(x, h, c, W)
    do = dh * np.tanh(c_next)
    dct = dh * o * (1 - np.tanh(c_next) ** 2)  # WRONG
    da = np.hstack([dct * g * i * (1 - i), dct * c * f * (1 - f), do * o * (1 - o), dct * i * (1 - g**2)])
    dxh = da @ W.T
    D = x.shape[1]
    return dxh[:, :D], dxh[:, D:], dct * f, np.hstack([x, h]).T @ da


def arguments_lstm(rng, sizes=(4, 3, 2)):
    N, D, H = sizes
    x, h, c, dh, dc = (rng.normal(size=(N, s)) for s in (D, H, H, H, H))
    return x, h, c, rng.normal(size=(D + H, 4 * H)), dh, dc


# norms and pools


def layernorm(x, gamma, beta):
    xc = x - x.mean(axis=1, keepdims=True)
    std = np.sqrt(np.mean(xc**2, axis=1, keepdims=True) + 1e-5)
    return gamma * xc / std + beta, xc / std, std


def loss_layernorm(x, gamma, beta, dout):
    return np.sum(layernorm(x, gamma, beta)[0] * dout)


def mean_term_missing(x, gamma, beta, dout):
    _, xhat, std = layernorm(x, gamma, beta)
    dxhat = dout * gamma
    dx = (dxhat - xhat * np.mean(dxhat * xhat, axis=1, keepdims=True)) / std  # WRONG
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def arguments_layernorm(rng, sizes=(5, 4)):
    N, D = sizes
    return rng.normal(size=(N, D)), rng.normal(size=D), rng.normal(size=D), rng.normal(size=(N, D))


def batchnorm(x, gamma, beta):
    mu = np.mean(x, axis=(0, 2))[None, :, None]
    std = np.sqrt(np.var(x, axis=(0, 2)) + 1e-5)[None, :, None]
    return gamma[None, :, None] * (x - mu) / std + beta[None, :, None], (x - mu) / std, std


def loss_batchnorm(x, gamma, beta, dout):
    return np.sum(batchnorm(x, gamma, beta)[0] * dout)


def number_of_samples_for_number_of_values(x, gamma, beta, dout):
    _, xhat, std = batchnorm(x, gamma, beta)
    N, C, L = x.shape
    m = N  # WRONG
    dgamma = np.sum(dout * xhat, axis=(0, 2))
    dbeta = np.sum(dout, axis=(0, 2))
    dx = m * dout - dbeta[None, :, None] - xhat * dgamma[None, :, None]
    dx *= gamma[None, :, None] / (m * std)
    return dx, dgamma, dbeta


def arguments_batchnorm(rng, sizes=(5, 3, 4)):
    N, C, L = sizes
    return rng.normal(size=(N, C, L)), rng.normal(size=C), rng.normal(size=C), rng.normal(size=(N, C, L))


def loss_pool(x, w, dout):
    n, c, h = x.shape
    return np.sum((x * w).reshape(n, c, h // 2, 2).mean(axis=3) * dout)


def window_size_forgotten(x, w, dout):
    dxw = np.repeat(dout, 2, axis=2)  # WRONG
    return dxw * w, np.sum(dxw * x, axis=(0, 2))[:, None]


def arguments_pool(rng, sizes=(2, 3, 4)):
    n, c, h = sizes
    return rng.normal(size=(n, c, 2 * h)), rng.normal(size=(c, 1)), rng.normal(size=(n, c, h))


# attention without the cross term of the softmax


def attention(X, Wq, Wk, Wv):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    A = E / E.sum(axis=1, keepdims=True)
    return A @ V, A, Q, K, V


def loss_attention(X, Wq, Wk, Wv, dout):
    return np.sum(attention(X, Wq, Wk, Wv)[0] * dout)


def softmax_cross_term_missing(X, Wq, Wk, Wv, dout):
    _, A, Q, K, V = attention(X, Wq, Wk, Wv)
    dA = dout @ V.T
    dS = dA * A * (1 - A)  # WRONG
    dS /= np.sqrt(K.shape[1])
    return X.T @ (dS @ K), X.T @ (dS.T @ Q), X.T @ (A.T @ dout)


def arguments_attention(rng, sizes=(5, 3, 4, 2)):
    T, d, k, v = sizes
    Wq, Wk, Wv = (rng.normal(size=(d, s)) for s in (k, k, v))
    return rng.normal(size=(T, d)), Wq, Wk, Wv, rng.normal(size=(T, v))


# an embedding whose repeated words are counted once


def loss_embedding(idx, W, U, dout):
    return np.sum(W[idx] @ U * dout)


def repeated_words_lost(idx, W, U, dout):
    dW = np.zeros_like(W)
    dW[idx] += dout @ U.T  # WRONG
    return dW, W[idx].T @ dout


def arguments_embedding(rng, sizes=(5, 4, 3, 2)):
    T, V, D, C = sizes
    idx = rng.integers(0, V, size=T)
    idx[-1] = idx[0]
    return idx, rng.normal(size=(V, D)), rng.normal(size=(D, C)), rng.normal(size=(T, C))


# residual and tied weights: a second path that is forgotten


def loss_residual(x, W1, W2, dout):
    return np.sum((x + np.tanh(x @ W1) @ W2) * dout)


def skip_overwritten(x, W1, W2, dout):
    h = np.tanh(x @ W1)
    dx = dout.copy()
    dh = dout @ W2.T * (1 - h**2)
    dx = dh @ W1.T  # WRONG
    return dx, x.T @ dh, h.T @ dout


def arguments_residual(rng, sizes=(5, 3, 4)):
    n, d, h = sizes
    return rng.normal(size=(n, d)), rng.normal(size=(d, h)), rng.normal(size=(h, d)), rng.normal(size=(n, d))


def loss_tied(W, b, c, X):
    H = sigmoid(X @ W + b)
    return 0.5 * np.sum((H @ W.T + c - X) ** 2)


def encoder_forgotten(W, b, c, X):
    H = sigmoid(X @ W + b)
    dR = H @ W.T + c - X
    dA = dR @ W * H * (1 - H)
    dW = dR.T @ H  # WRONG
    return dW, dA.sum(axis=0), dR.sum(axis=0)


def arguments_tied(rng, sizes=(5, 4, 3)):
    n, d, h = sizes
    return rng.normal(size=(d, h)), rng.normal(size=h), rng.normal(size=d), rng.normal(size=(n, d))


# a layer that goes back through weights it has just changed


class Linear:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, grad, lr):
        self.W -= lr * np.dot(self.x.T, grad)
        self.b -= lr * np.sum(grad, axis=0)
        return np.dot(grad, self.W.T)  # WRONG


def loss_updated(first, second, x, y):
    return 0.5 * np.sum((second.forward(np.tanh(first.forward(x))) - y) ** 2)


def updated_weights(first, second, x, y):
    lr = 0.25
    layers = (first, second)
    old = [(layer.W.copy(), layer.b.copy()) for layer in layers]
    h = np.tanh(first.forward(x))
    grad = second.backward(second.forward(h) - y, lr)
    first.backward(grad * (1 - h**2), lr)
    return [((W - layer.W) / lr, (b - layer.b) / lr) for (W, b), layer in zip(old, layers)]


def arguments_updated(rng, sizes=(5, 3, 4, 2)):
    N, D, H, C = sizes
    first = Linear(rng.normal(size=(D, H)), rng.normal(size=H))
    second = Linear(rng.normal(size=(H, C)), rng.normal(size=C))
    return first, second, rng.normal(size=(N, D)), rng.normal(size=(N, C))


# unit vectors, as if the length were constant; a cross-entropy with a lost sign; a bias summed the wrong way


def loss_unit(X, W, dout):
    E = X @ W
    return np.sum(E / np.sqrt(np.sum(E**2, axis=1, keepdims=True)) * dout)


def length_held_constant(X, W, dout):
    E = X @ W
    norm = np.sqrt(np.sum(E**2, axis=1, keepdims=True))
    dE = dout / norm  # WRONG
    return dE @ W.T, X.T @ dE


def arguments_unit(rng, sizes=(5, 3, 4)):
    n, d, e = sizes
    return rng.normal(size=(n, d)), rng.normal(size=(d, e)), rng.normal(size=(n, e))


def loss_sign(w, v, X, Y):
    A = sigmoid(w @ np.tanh(v @ X))
    return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / X.shape[1]


def sign_lost(w, v, X, Y):
    m = X.shape[1]
    H = np.tanh(v @ X)
    A = sigmoid(w @ H)
    dA = np.divide(Y, A) - np.divide(1 - Y, 1 - A)  # WRONG
    dZ = dA * A * (1 - A) / m
    return dZ @ H.T, (w.T @ dZ * (1 - H**2)) @ X.T


def arguments_sign(rng, sizes=(1, 3, 2, 5)):
    o, h, d, m = sizes
    Y = rng.integers(0, 2, size=(o, m)).astype(float)
    return rng.normal(size=(o, h)), rng.normal(size=(h, d)), rng.normal(size=(d, m)), Y


def loss_outer(W, b, X, Y):
    return np.sum((X @ W + b - Y) ** 2) / 2


def summed_over_the_wrong_axis(W, b, X, Y):
    d = X @ W + b - Y
    return X.T @ d, d.sum(axis=1)  # WRONG


def arguments_outer(rng, sizes=(3, 4)):
    d, n = sizes  # as many samples as outputs: the shapes agree
    return rng.normal(size=(d, n)), rng.normal(size=n), rng.normal(size=(n, d)), rng.normal(size=(n, n))


def entry(gradients, loss, arguments, wrt, wrong, mistake, groups, returned=(), function=None):
    """One wrong backward, with the paths whose gradients are wrong because of it."""
    fixture = Fixture(gradients.__name__, groups, arguments, loss, gradients, wrt, returned)
    return Wrong(fixture, mistake, wrong, function or gradients)


CLASSIFIER = ("0", "1", "2", "3")
CLASSIFIER_GROUPS = (1, 2, 3, 4, 5, 10, 11, 12)
RNN = ("2", "3", "4")
RNN_GROUPS = (1, 3, 4, 5, 6)

WRONG = [
    entry(
        mean_taken_twice,
        loss_classifier,
        arguments_classifier,
        CLASSIFIER,
        ("2",),
        "the factor 1/N twice",
        CLASSIFIER_GROUPS,
    ),
    entry(
        bias_averaged,
        loss_classifier,
        arguments_classifier,
        CLASSIFIER,
        ("1",),
        "a mean for a sum",
        CLASSIFIER_GROUPS,
    ),
    entry(
        decay_not_halved,
        loss_classifier_decayed,
        arguments_classifier,
        CLASSIFIER,
        ("0",),
        "the factor 2 in the derivative of the regulariser",
        CLASSIFIER_GROUPS,
    ),
    entry(
        decay_overwrites,
        loss_classifier_decayed,
        arguments_classifier,
        CLASSIFIER,
        ("2",),
        "= for += with the regulariser",
        CLASSIFIER_GROUPS,
    ),
    entry(
        derivative_of_the_argument,
        loss_classifier,
        arguments_classifier,
        CLASSIFIER,
        ("0", "1"),
        "a derivative in terms of the output is given the argument",
        CLASSIFIER_GROUPS,
    ),
    entry(
        square_weight_not_transposed,
        loss_square,
        arguments_square,
        ("0", "1", "2"),
        ("0",),
        "W2 for W2.T, hidden by its being square",
        (1, 2, 3, 5),
    ),
    entry(
        activation_of_another_layer,
        loss_square,
        arguments_square,
        ("0", "1", "2"),
        ("0", "1"),
        "h1 for h2",
        (1, 2, 3, 5),
    ),
    entry(
        output_derivative_missing,
        loss_output,
        arguments_output,
        ("0", "1"),
        ("0", "1"),
        "the derivative of the output's sigmoid is missing",
        (1, 2, 3, 4, 5),
    ),
    entry(first_step_missing, loss_rnn, arguments_rnn, RNN, ("2",), "the time step 0 is missing", RNN_GROUPS),
    entry(carry_lost, loss_rnn, arguments_rnn, RNN, ("2", "3"), "the next step is not added", RNN_GROUPS),
    entry(
        recurrent_weight_not_transposed,
        loss_rnn,
        arguments_rnn,
        RNN,
        ("2", "3"),
        "Whh for Whh.T, hidden by its being square",
        RNN_GROUPS,
    ),
    entry(overwritten_each_step, loss_rnn, arguments_rnn, RNN, ("4",), "= for += over time", RNN_GROUPS),
    entry(
        next_cell_forgotten,
        loss_lstm,
        arguments_lstm,
        ("0", "1", "2", "3"),
        ("0", "1", "2", "3"),
        "the gradient of the next cell state is not added",
        (1, 2, 3, 4, 5, 9, 15),
    ),
    entry(
        mean_term_missing,
        loss_layernorm,
        arguments_layernorm,
        ("0", "1", "2"),
        ("0",),
        "the norm's mean term is missing",
        (1, 4),
    ),
    entry(
        number_of_samples_for_number_of_values,
        loss_batchnorm,
        arguments_batchnorm,
        ("0", "1", "2"),
        ("0",),
        "N for the N·L values of a channel",
        (1, 2, 4, 8),
    ),
    entry(
        window_size_forgotten,
        loss_pool,
        arguments_pool,
        ("0", "1"),
        ("0", "1"),
        "the factor 1/2 of a mean over two",
        (1, 2, 4, 8, 19),
    ),
    entry(
        softmax_cross_term_missing,
        loss_attention,
        arguments_attention,
        ("1", "2", "3"),
        ("1", "2"),
        "the softmax's derivative without its cross term",
        (1, 2, 3, 4, 5, 11, 12),
    ),
    entry(
        repeated_words_lost,
        loss_embedding,
        arguments_embedding,
        ("1", "2"),
        ("1",),
        "dW[idx] += adds once for a word that comes twice",
        (1, 3, 4, 5, 6, 7, 10),
    ),
    entry(
        skip_overwritten,
        loss_residual,
        arguments_residual,
        ("0", "1", "2"),
        ("0",),
        "= for +=: the skip connection is missing",
        (1, 3, 4, 5, 6),
    ),
    entry(
        encoder_forgotten,
        loss_tied,
        arguments_tied,
        ("0", "1", "2"),
        ("0",),
        "the second use of a tied weight is missing",
        (1, 3, 4, 5),
    ),
    entry(
        updated_weights,
        loss_updated,
        arguments_updated,
        ("0.W", "0.b", "1.W", "1.b"),
        ("0.W", "0.b"),
        "the weight is updated before it is used",
        (1, 3, 4, 5, 6, 11),
        ("0.0", "0.1", "1.0", "1.1"),
        Linear.backward,
    ),
    entry(
        length_held_constant,
        loss_unit,
        arguments_unit,
        ("0", "1"),
        ("0", "1"),
        "the path through the norm is missing",
        (1, 3, 4, 5),
    ),
    entry(sign_lost, loss_sign, arguments_sign, ("0", "1"), ("0", "1"), "the sign", (1, 2, 3, 4, 5)),
    entry(
        summed_over_the_wrong_axis,
        loss_outer,
        arguments_outer,
        ("0", "1"),
        ("1",),
        "axis 1 for axis 0, hidden by a batch as large as the layer",
        (1, 3, 4, 5),
    ),
]
