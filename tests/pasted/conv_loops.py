import numpy as np


def zero_pad(X, pad):
    # X -- (m, n_H, n_W, n_C)
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode='constant')


def conv_forward(A_prev, W, b, hparameters):
    """
    Slide every filter over every image

    Arguments:
    A_prev -- images (or feature maps), numpy array of shape (m, n_H_prev, n_W_prev, n_C_prev)
    W -- n_C filters of size f x f, numpy array of shape (f, f, n_C_prev, n_C)
    b -- one bias per filter, numpy array of shape (1, 1, 1, n_C)
    hparameters -- dict with the integers "stride" and "pad"

    Returns:
    Z -- feature maps before the nonlinearity, numpy array of shape (m, n_H, n_W, n_C)
    cache -- the inputs, kept for conv_backward
    """
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]

    n_H = int((n_H_prev - f + 2 * pad) / stride) + 1
    n_W = int((n_W_prev - f + 2 * pad) / stride) + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    A_prev_pad = zero_pad(A_prev, pad)

    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vs, hs = h * stride, w * stride
                    patch = A_prev_pad[i, vs:vs + f, hs:hs + f, :]
                    Z[i, h, w, c] = np.sum(patch * W[:, :, :, c]) + b[0, 0, 0, c]

    cache = (A_prev, W, b, hparameters)
    return Z, cache


def conv_backward(dZ, cache):
    """
    The same loops again, collecting gradients

    Arguments:
    dZ -- derivative of the cost by Z, numpy array of shape (m, n_H, n_W, n_C)
    cache -- from conv_forward

    Returns:
    dA_prev -- like A_prev
    dW -- like W
    db -- like b
    """
    (A_prev, W, b, hparameters) = cache
    (f, f, n_C_prev, n_C) = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    (m, n_H, n_W, n_C) = dZ.shape

    dW = np.zeros(W.shape)
    db = np.zeros(b.shape)
    A_prev_pad = zero_pad(A_prev, pad)
    dA_prev_pad = np.zeros(A_prev_pad.shape)

    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vs, hs = h * stride, w * stride
                    patch = A_prev_pad[i, vs:vs + f, hs:hs + f, :]
                    dA_prev_pad[i, vs:vs + f, hs:hs + f, :] += W[:, :, :, c] * dZ[i, h, w, c]
                    dW[:, :, :, c] += patch * dZ[i, h, w, c]
                    db[:, :, :, c] += dZ[i, h, w, c]

    H, Wd = A_prev.shape[1], A_prev.shape[2]
    dA_prev = dA_prev_pad[:, pad:pad + H, pad:pad + Wd, :]
    return dA_prev, dW, db
