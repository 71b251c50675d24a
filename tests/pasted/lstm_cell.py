# LSTM, single time step. Gate order in the stacked matrices: i f o g
import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """
    Inputs:
    - x: what comes in at this step, of shape (N, D)
    - prev_h: output of the step before, of shape (N, H)
    - prev_c: memory of the step before, of shape (N, H)
    - Wx: weights on x for the four gates, of shape (D, 4H)
    - Wh: weights on prev_h for the four gates, of shape (H, 4H)
    - b: gate biases, of shape (4H,)

    Returns a tuple of:
    - next_h: output, of shape (N, H)
    - next_c: memory, of shape (N, H)
    - cache: saved for lstm_step_backward
    """
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H:2 * H])
    o = sigmoid(a[:, 2 * H:3 * H])
    g = np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    next_h = o * tc
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    """
    Inputs:
    - dnext_h: gradient on next_h, of shape (N, H)
    - dnext_c: gradient on next_c, of shape (N, H)
    - cache: from lstm_step_forward

    Returns gradients, each in the shape of its variable:
    dx, dprev_h, dprev_c, dWx, dWh, db
    """
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache

    dc = dnext_c + dnext_h * o * (1 - tc ** 2)
    do = dnext_h * tc
    di = dc * g
    df = dc * prev_c
    dg = dc * i
    dprev_c = dc * f

    da = np.hstack((di * i * (1 - i),
                    df * f * (1 - f),
                    do * o * (1 - o),
                    dg * (1 - g ** 2)))
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db
