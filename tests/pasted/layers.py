import numpy as np


def affine_forward(x, w, b):
    """
    Dense layer. Every example is flattened to a row first.

    Inputs:
    - x: batch of examples, of shape (N, d_1, ..., d_k)
    - w: weight matrix of shape (D, M), where D = d_1 * ... * d_k
    - b: bias vector of shape (M,)

    Returns a tuple of:
    - out: array of shape (N, M)
    - cache: (x, w, b), needed again going backwards
    """
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    """
    Gradients of the dense layer.

    Inputs:
    - dout: derivative of the loss by out, of shape (N, M)
    - cache: what affine_forward stored

    Returns a tuple of:
    - dx: of shape (N, d_1, ..., d_k)
    - dw: of shape (D, M)
    - db: of shape (M,)
    """
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db


def relu_forward(x):
    """Elementwise max(0, x), for x of any shape."""
    out = np.maximum(0, x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    """Lets dout through where x was positive."""
    x = cache
    dx = dout * (x > 0)
    return dx


def affine_relu_forward(x, w, b):
    """Dense layer and ReLU in one go."""
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, fc_cache)


def softmax_loss(x, y):
    """
    Average cross entropy of the true classes, and its derivative.

    Inputs:
    - x: unnormalized class scores, of shape (N, C)
    - y: true classes as integers below C, of shape (N,)

    Returns a tuple of:
    - loss: a number
    - dx: derivative of the loss by the scores, of shape (N, C)
    """
    N = x.shape[0]
    shifted = x - x.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_probs[np.arange(N), y].mean()
    dx = np.exp(log_probs)
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx
