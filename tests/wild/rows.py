"""Rows are samples: functions with an (x, w, cache) interface, labels as integers."""

import numpy as np

from .fixture import Fixture


def affine_forward(x, w, b):
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    out = np.maximum(0, x)
    return out, x


def relu_backward(dout, cache):
    x = cache
    dx = dout.copy()
    dx[x <= 0] = 0
    return dx


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    probs = np.exp(log_probs)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


# an affine layer on images


def arguments_affine(rng, sizes=(2, 3, 4, 5)):
    N, d1, d2, M = sizes
    return (
        rng.normal(size=(N, d1, d2)),
        rng.normal(size=(d1 * d2, M)),
        rng.normal(size=M),
        rng.normal(size=(N, M)),
    )


def loss_affine(x, w, b, dout):
    out, _ = affine_forward(x, w, b)
    return np.sum(out * dout)


def gradients_affine(x, w, b, dout):
    _, cache = affine_forward(x, w, b)
    return affine_backward(dout, cache)


# two layers with L2, everything in one function


def two_layer_net(X, model, y=None, reg=0.0):
    W1, b1, W2, b2 = model["W1"], model["b1"], model["W2"], model["b2"]
    N, D = X.shape

    # scores
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    if y is None:
        return scores

    # loss
    exp_scores = np.exp(scores - scores.max(axis=1)[:, np.newaxis])
    probs = exp_scores / exp_scores.sum(axis=1)[:, np.newaxis]
    data_loss = -np.mean(np.log(probs[range(N), y]))
    loss = data_loss + 0.5 * reg * np.sum(W1 * W1) + 0.5 * reg * np.sum(W2 * W2)

    # gradients
    grads = {}
    dscores = probs
    dscores[range(N), y] -= 1
    dscores /= N
    grads["W2"] = np.dot(hidden.T, dscores)
    grads["b2"] = np.sum(dscores, axis=0)
    dhidden = np.dot(dscores, W2.T)
    dhidden[hidden <= 0] = 0
    grads["W1"] = np.dot(X.T, dhidden)
    grads["b1"] = np.sum(dhidden, axis=0)
    grads["W2"] += reg * W2
    grads["W1"] += reg * W1
    return loss, grads


def arguments_two_layer(rng, sizes=(5, 4, 6, 3)):
    N, D, H, C = sizes
    model = {
        "W1": rng.normal(size=(D, H)),
        "b1": rng.normal(size=H),
        "W2": rng.normal(size=(H, C)),
        "b2": rng.normal(size=C),
    }
    return rng.normal(size=(N, D)), model, rng.integers(0, C, size=N), 0.3


def loss_two_layer(X, model, y, reg):
    return two_layer_net(X, model, y, reg)[0]


def gradients_two_layer(X, model, y, reg):
    return two_layer_net(X, model, y, reg)[1]


# affine - relu - affine - softmax through the layers, loop over layers, 1-based names


class FullyConnectedNet:
    def __init__(self, dims, rng, reg=0.1):
        self.params = {}
        self.reg = reg
        self.num_layers = len(dims) - 1
        for i in range(self.num_layers):
            self.params["W%d" % (i + 1)] = rng.normal(size=(dims[i], dims[i + 1]))
            self.params["b%d" % (i + 1)] = rng.normal(size=dims[i + 1])

    def loss(self, X, y):
        caches = {}
        out = X
        for i in range(1, self.num_layers):
            out, fc_cache = affine_forward(out, self.params["W%d" % i], self.params["b%d" % i])
            out, relu_cache = relu_forward(out)
            caches[i] = (fc_cache, relu_cache)
        last = self.num_layers
        scores, caches[last] = affine_forward(out, self.params["W%d" % last], self.params["b%d" % last])

        loss, grads = 0.0, {}
        loss, dscores = softmax_loss(scores, y)
        dout, grads["W%d" % last], grads["b%d" % last] = affine_backward(dscores, caches[last])
        for i in range(last - 1, 0, -1):
            fc_cache, relu_cache = caches[i]
            dout = relu_backward(dout, relu_cache)
            dout, grads["W%d" % i], grads["b%d" % i] = affine_backward(dout, fc_cache)
        for i in range(1, last + 1):
            W = self.params["W%d" % i]
            loss += 0.5 * self.reg * np.sum(W * W)
            grads["W%d" % i] += self.reg * W
        return loss, grads


def arguments_fully_connected(rng, sizes=(3, 5, 6, 2, 4)):
    *dims, N = sizes
    return FullyConnectedNet(dims, rng), rng.normal(size=(N, dims[0])), rng.integers(0, dims[-1], size=N)


def loss_fully_connected(model, X, y):
    return model.loss(X, y)[0]


def gradients_fully_connected(model, X, y):
    return model.loss(X, y)[1]


# softmax classifier, naive loops


def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros_like(W)
    num_train = X.shape[0]
    num_classes = W.shape[1]
    for i in range(num_train):
        f = X[i].dot(W)
        f = f - np.max(f)
        p = np.exp(f) / np.sum(np.exp(f))
        loss += -np.log(p[y[i]])
        for k in range(num_classes):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    loss = loss / num_train + reg * np.sum(W * W)
    dW = dW / num_train + 2 * reg * W
    return loss, dW


# multiclass hinge, by loops and without


def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape)
    num_classes = W.shape[1]
    num_train = X.shape[0]
    loss = 0.0
    for i in range(num_train):
        scores = X[i].dot(W)
        correct_class_score = scores[y[i]]
        for j in range(num_classes):
            if j == y[i]:
                continue
            margin = scores[j] - correct_class_score + 1  # delta = 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i, :]
                dW[:, y[i]] -= X[i, :]
    loss /= num_train
    dW /= num_train
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW


def svm_loss_vectorized(W, X, y, reg):
    num_train = X.shape[0]
    scores = X.dot(W)
    correct = scores[np.arange(num_train), y].reshape(-1, 1)
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(num_train), y] = 0
    loss = margins.sum() / num_train + reg * np.sum(W * W)

    mask = np.zeros_like(margins)
    mask[margins > 0] = 1
    mask[np.arange(num_train), y] = -np.sum(mask, axis=1)
    dW = X.T.dot(mask) / num_train
    dW += 2 * reg * W
    return loss, dW


def arguments_linear_classifier(rng, sizes=(5, 4, 3)):
    N, D, C = sizes
    return rng.normal(size=(D, C)), rng.normal(size=(N, D)), rng.integers(0, C, size=N), 0.2


def loss_softmax_naive(W, X, y, reg):
    return softmax_loss_naive(W, X, y, reg)[0]


def gradients_softmax_naive(W, X, y, reg):
    return softmax_loss_naive(W, X, y, reg)[1]


def loss_svm_naive(W, X, y, reg):
    return svm_loss_naive(W, X, y, reg)[0]


def gradients_svm_naive(W, X, y, reg):
    return svm_loss_naive(W, X, y, reg)[1]


def loss_svm_vectorized(W, X, y, reg):
    return svm_loss_vectorized(W, X, y, reg)[0]


def gradients_svm_vectorized(W, X, y, reg):
    return svm_loss_vectorized(W, X, y, reg)[1]


# dropout with its parameters in a dict


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    mask = None
    out = None
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == "test":
        out = x
    cache = (dropout_param, mask)
    return out, cache


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    mode = dropout_param["mode"]
    dx = None
    if mode == "train":
        dx = dout * mask
    elif mode == "test":
        dx = dout
    return dx


def arguments_dropout(rng, sizes=(4, 5)):
    x = rng.normal(size=sizes)
    return x, {"p": 0.7, "mode": "train", "seed": 11}, rng.normal(size=sizes)


def loss_dropout(x, dropout_param, dout):
    out, _ = dropout_forward(x, dropout_param)
    return (out**2 * dout).sum()


def gradients_dropout(x, dropout_param, dout):
    out, cache = dropout_forward(x, dropout_param)
    return dropout_backward(2 * out * dout, cache)


FIXTURES = [
    Fixture(
        name="rows_affine_images",
        groups=(1, 2, 3, 4, 5, 8),
        arguments=arguments_affine,
        loss=loss_affine,
        gradients=gradients_affine,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="rows_two_layer_net",
        groups=(1, 2, 3, 4, 5, 8, 10, 11, 12, 17),
        arguments=arguments_two_layer,
        loss=loss_two_layer,
        gradients=gradients_two_layer,
        wrt=("1.W1", "1.b1", "1.W2", "1.b2"),
        returned=("W1", "b1", "W2", "b2"),
    ),
    Fixture(
        name="rows_fully_connected_net",
        groups=(1, 2, 3, 4, 5, 6, 8, 10, 12, 17),
        arguments=arguments_fully_connected,
        loss=loss_fully_connected,
        gradients=gradients_fully_connected,
        wrt=("0.params.W1", "0.params.b1", "0.params.W2", "0.params.b2", "0.params.W3", "0.params.b3"),
        returned=("W1", "b1", "W2", "b2", "W3", "b3"),
    ),
    Fixture(
        name="rows_softmax_naive_loops",
        groups=(1, 2, 4, 5, 6, 7, 9, 10, 12),
        arguments=arguments_linear_classifier,
        loss=loss_softmax_naive,
        gradients=gradients_softmax_naive,
        wrt=("0",),
    ),
    Fixture(
        name="rows_svm_naive_loops",
        groups=(1, 2, 4, 5, 6, 7, 9, 10, 16),
        arguments=arguments_linear_classifier,
        loss=loss_svm_naive,
        gradients=gradients_svm_naive,
        wrt=("0",),
    ),
    Fixture(
        name="rows_svm_vectorized",
        groups=(1, 2, 3, 4, 5, 6, 7, 8, 10, 17),
        arguments=arguments_linear_classifier,
        loss=loss_svm_vectorized,
        gradients=gradients_svm_vectorized,
        wrt=("0",),
    ),
    Fixture(
        name="rows_dropout",
        groups=(1, 2, 4, 20),
        arguments=arguments_dropout,
        loss=loss_dropout,
        gradients=gradients_dropout,
        wrt=("0",),
    ),
]
