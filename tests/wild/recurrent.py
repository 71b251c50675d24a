"""Through time: plain recurrent nets, LSTM, GRU; dicts keyed by t, buffers over time, gates in slices."""

import numpy as np

from .fixture import Fixture


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# a character model: one function for loss and gradients, sizes are globals

hidden_size = 4
vocab_size = 3


def loss_fun(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    """inputs and targets are lists of integers; hprev is a column."""
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    # forward
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    # backward
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


def loss_fun_clipped(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    loss, dWxh, dWhh, dWhy, dbh, dby, h = loss_fun(inputs, targets, hprev, Wxh, Whh, Why, bh, by)
    for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(dparam, -50, 50, out=dparam)  # against exploding gradients
    return loss, dWxh, dWhh, dWhy, dbh, dby, h


def arguments_char_rnn(rng, sizes=(5,)):
    (T,) = sizes
    inputs = [int(c) for c in rng.integers(0, vocab_size, size=T)]
    targets = [int(c) for c in rng.integers(0, vocab_size, size=T)]
    Wxh = rng.normal(size=(hidden_size, vocab_size))
    Whh = rng.normal(size=(hidden_size, hidden_size)) * 0.5
    Why = rng.normal(size=(vocab_size, hidden_size))
    hprev, bh, by = (rng.normal(size=(n, 1)) for n in (hidden_size, hidden_size, vocab_size))
    return inputs, targets, hprev, Wxh, Whh, Why, bh, by


def loss_char_rnn(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    return loss_fun(inputs, targets, hprev, Wxh, Whh, Why, bh, by)[0]


def gradients_char_rnn(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    return loss_fun(inputs, targets, hprev, Wxh, Whh, Why, bh, by)[1:6]


def gradients_char_rnn_clipped(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    return loss_fun_clipped(inputs, targets, hprev, Wxh, Whh, Why, bh, by)[1:6]


# rows are samples, steps in the middle axis


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    cache = (x, prev_h, Wx, Wh, next_h)
    return next_h, cache


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dx = da.dot(Wx.T)
    dWx = x.T.dot(da)
    dprev_h = da.dot(Wh.T)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    cache = []
    prev_h = h0
    for t in range(T):
        prev_h, step_cache = rnn_step_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
        cache.append(step_cache)
    return h, cache


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev_h = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dx_t, dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t, :] + dprev_h, cache[t])
        dx[:, t, :] = dx_t
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


def arguments_rnn(rng, sizes=(2, 5, 3, 4)):
    N, T, D, H = sizes
    return (
        rng.normal(size=(N, T, D)),
        rng.normal(size=(N, H)),
        rng.normal(size=(D, H)),
        rng.normal(size=(H, H)) / np.sqrt(H),
        rng.normal(size=H),
        rng.normal(size=(N, T, H)),
    )


def loss_rnn(x, h0, Wx, Wh, b, dh):
    h, _ = rnn_forward(x, h0, Wx, Wh, b)
    return np.sum(h * dh)


def gradients_rnn(x, h0, Wx, Wh, b, dh):
    _, cache = rnn_forward(x, h0, Wx, Wh, b)
    return rnn_backward(dh, cache)


# one step of an LSTM, gates side by side


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H : 2 * H])
    o = sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tanh_c = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    do = dnext_h * tanh_c
    df = dc * prev_c
    di = dc * g
    dg = dc * i
    dprev_c = dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    dx = da.dot(Wx.T)
    dWx = x.T.dot(da)
    dprev_h = da.dot(Wh.T)
    dWh = prev_h.T.dot(da)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def arguments_lstm_step(rng, sizes=(2, 3, 5)):
    N, D, H = sizes
    return (
        rng.normal(size=(N, D)),
        rng.normal(size=(N, H)),
        rng.normal(size=(N, H)),
        rng.normal(size=(D, 4 * H)),
        rng.normal(size=(H, 4 * H)),
        rng.normal(size=4 * H),
        rng.normal(size=(N, H)),
        rng.normal(size=(N, H)),
    )


def loss_lstm_step(x, prev_h, prev_c, Wx, Wh, b, dnext_h, dnext_c):
    next_h, next_c, _ = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)
    return np.sum(next_h * dnext_h) + np.sum(next_c * dnext_c)


def gradients_lstm_step(x, prev_h, prev_c, Wx, Wh, b, dnext_h, dnext_c):
    _, _, cache = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)
    return lstm_step_backward(dnext_h, dnext_c, cache)


# an LSTM through time: [h, x] stacked, columns are samples, weights of the four gates by name


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    concat = np.concatenate((a_prev, xt), axis=0)
    ft = sigmoid(np.dot(parameters["Wf"], concat) + parameters["bf"])
    it = sigmoid(np.dot(parameters["Wi"], concat) + parameters["bi"])
    cct = np.tanh(np.dot(parameters["Wc"], concat) + parameters["bc"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(parameters["Wo"], concat) + parameters["bo"])
    a_next = ot * np.tanh(c_next)
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, cache


def lstm_cell_backward(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_a, m = a_next.shape
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dc = dc_next + ot * (1 - np.square(np.tanh(c_next))) * da_next
    dcct = dc * it * (1 - np.square(cct))
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0).T
    grads = {}
    grads["dWf"] = np.dot(dft, concat)
    grads["dWi"] = np.dot(dit, concat)
    grads["dWc"] = np.dot(dcct, concat)
    grads["dWo"] = np.dot(dot, concat)
    grads["dbf"] = np.sum(dft, axis=1, keepdims=True)
    grads["dbi"] = np.sum(dit, axis=1, keepdims=True)
    grads["dbc"] = np.sum(dcct, axis=1, keepdims=True)
    grads["dbo"] = np.sum(dot, axis=1, keepdims=True)
    dconcat = np.dot(parameters["Wf"].T, dft) + np.dot(parameters["Wi"].T, dit)
    dconcat += np.dot(parameters["Wc"].T, dcct) + np.dot(parameters["Wo"].T, dot)
    grads["da_prev"] = dconcat[:n_a, :]
    grads["dxt"] = dconcat[n_a:, :]
    grads["dc_prev"] = dc * ft
    return grads


def lstm_forward(x, a0, parameters):
    caches = []
    n_x, m, T_x = x.shape
    n_a = a0.shape[0]
    a = np.zeros((n_a, m, T_x))
    a_next = a0
    c_next = np.zeros((n_a, m))
    for t in range(T_x):
        a_next, c_next, cache = lstm_cell_forward(x[:, :, t], a_next, c_next, parameters)
        a[:, :, t] = a_next
        caches.append(cache)
    return a, caches


def lstm_backward(da, caches):
    n_a, m, T_x = da.shape
    n_x = caches[0][8].shape[0]
    dx = np.zeros((n_x, m, T_x))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    names = ["dWf", "dWi", "dWc", "dWo", "dbf", "dbi", "dbc", "dbo"]
    total = {}
    for t in reversed(range(T_x)):
        gradients = lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
        for name in names:
            total[name] = total.get(name, 0) + gradients[name]
    total.update({"dx": dx, "da0": da_prevt})
    return total


def arguments_lstm(rng, sizes=(2, 4, 3, 5)):
    n_x, n_a, m, T_x = sizes
    parameters = {}
    for gate in "fico":
        parameters["W" + gate] = rng.normal(size=(n_a, n_a + n_x))
        parameters["b" + gate] = rng.normal(size=(n_a, 1))
    return rng.normal(size=(n_x, m, T_x)), rng.normal(size=(n_a, m)), parameters, rng.normal(size=(n_a, m, T_x))


def loss_lstm(x, a0, parameters, da):
    a, _ = lstm_forward(x, a0, parameters)
    return np.sum(a * da)


def gradients_lstm(x, a0, parameters, da):
    _, caches = lstm_forward(x, a0, parameters)
    return lstm_backward(da, caches)


# GRU through time, one sequence, state in lists on self


class GRU:
    def __init__(self, D, H, rng):
        self.Wz, self.Wr, self.Wh = (rng.normal(size=(H, D)) for _ in range(3))
        self.Uz, self.Ur, self.Uh = (rng.normal(size=(H, H)) for _ in range(3))
        self.bz, self.br, self.bh = (rng.normal(size=H) for _ in range(3))

    def forward(self, xs, h0):
        self.xs = xs
        self.hs = [h0]
        self.z, self.r, self.hbar = [], [], []
        for x in xs:
            h = self.hs[-1]
            z = sigmoid(self.Wz @ x + self.Uz @ h + self.bz)
            r = sigmoid(self.Wr @ x + self.Ur @ h + self.br)
            hbar = np.tanh(self.Wh @ x + self.Uh @ (r * h) + self.bh)
            self.hs.append((1 - z) * h + z * hbar)
            self.z.append(z)
            self.r.append(r)
            self.hbar.append(hbar)
        return self.hs[-1]

    def backward(self, dh):
        self.dWz, self.dWr, self.dWh = np.zeros_like(self.Wz), np.zeros_like(self.Wr), np.zeros_like(self.Wh)
        self.dUz, self.dUr, self.dUh = np.zeros_like(self.Uz), np.zeros_like(self.Ur), np.zeros_like(self.Uh)
        self.dbz, self.dbr, self.dbh = np.zeros_like(self.bz), np.zeros_like(self.br), np.zeros_like(self.bh)
        for t in range(len(self.xs) - 1, -1, -1):
            x, h, z, r, hbar = self.xs[t], self.hs[t], self.z[t], self.r[t], self.hbar[t]
            dz = dh * (hbar - h) * z * (1 - z)
            dhbar = dh * z * (1 - hbar * hbar)
            drh = self.Uh.T @ dhbar
            dr = drh * h * r * (1 - r)
            self.dWz += np.outer(dz, x)
            self.dWr += np.outer(dr, x)
            self.dWh += np.outer(dhbar, x)
            self.dUz += np.outer(dz, h)
            self.dUr += np.outer(dr, h)
            self.dUh += np.outer(dhbar, r * h)
            self.dbz += dz
            self.dbr += dr
            self.dbh += dhbar
            dh = dh * (1 - z) + drh * r + self.Uz.T @ dz + self.Ur.T @ dr
        return dh


def arguments_gru(rng, sizes=(5, 3, 4)):
    T, D, H = sizes
    return GRU(D, H, rng), [rng.normal(size=D) for _ in range(T)], rng.normal(size=H), rng.normal(size=H)


def loss_gru(gru, xs, h0, target):
    h = gru.forward(xs, h0)
    return 0.5 * np.sum((h - target) ** 2)


def gradients_gru(gru, xs, h0, target):
    h = gru.forward(xs, h0)
    dh0 = gru.backward(h - target)
    g = gru
    return g.dWz, g.dWr, g.dWh, g.dUz, g.dUr, g.dUh, g.dbz, g.dbr, g.dbh, dh0


# a bidirectional net on flipped sequences, errors only at the last step of each


def run(X, W, U):
    h = np.zeros(U.shape[0])
    hs = [h]
    for x in X:
        h = np.tanh(W.dot(x) + U.dot(h))
        hs.append(h)
    return hs


def run_backward(dh, X, W, U, hs):
    dW, dU = 0, 0
    dX = np.empty_like(X)
    for t in range(len(X))[::-1]:
        dz = dh * (1 - hs[t + 1] ** 2)
        dW = dW + dz[:, None] * X[t][None, :]
        dU = dU + np.outer(dz, hs[t])
        dX[t] = W.T.dot(dz)
        dh = U.T.dot(dz)
    return dX, dW, dU


def arguments_bidirectional(rng, sizes=(5, 3, 4)):
    T, D, H = sizes
    return (
        rng.normal(size=(T, D)),
        rng.normal(size=(H, D)),
        rng.normal(size=(H, H)),
        rng.normal(size=(H, D)),
        rng.normal(size=(H, H)),
        rng.normal(size=2 * H),
    )


def loss_bidirectional(X, Wf, Uf, Wb, Ub, v):
    h = np.concatenate([run(X, Wf, Uf)[-1], run(X[::-1], Wb, Ub)[-1]])
    return np.dot(v, h) ** 2


def gradients_bidirectional(X, Wf, Uf, Wb, Ub, v):
    hf, hb = run(X, Wf, Uf), run(np.flip(X, axis=0), Wb, Ub)
    h = np.concatenate([hf[-1], hb[-1]])
    score = v.dot(h)
    dh = 2 * score * v
    dhf, dhb = np.split(dh, 2)
    dXf, dWf, dUf = run_backward(dhf, X, Wf, Uf, hf)
    dXb, dWb, dUb = run_backward(dhb, np.flip(X, axis=0), Wb, Ub, hb)
    dX = dXf + np.flip(dXb, axis=0)
    return dX, dWf, dUf, dWb, dUb, 2 * score * h


FIXTURES = [
    Fixture(
        name="char_rnn",
        groups=(1, 3, 4, 5, 6, 7, 10),
        arguments=arguments_char_rnn,
        loss=loss_char_rnn,
        gradients=gradients_char_rnn,
        wrt=("3", "4", "5", "6", "7"),
    ),
    Fixture(
        name="char_rnn_clipped",
        groups=(1, 3, 4, 5, 6, 7, 10, 11),
        arguments=arguments_char_rnn,
        loss=loss_char_rnn,
        gradients=gradients_char_rnn_clipped,
        wrt=("3", "4", "5", "6", "7"),
    ),
    Fixture(
        name="rnn_rows",
        groups=(1, 2, 3, 4, 5, 6, 7, 9),
        arguments=arguments_rnn,
        loss=loss_rnn,
        gradients=gradients_rnn,
        wrt=("0", "1", "2", "3", "4"),
    ),
    Fixture(
        name="lstm_step",
        groups=(1, 2, 3, 4, 5, 9, 15),
        arguments=arguments_lstm_step,
        loss=loss_lstm_step,
        gradients=gradients_lstm_step,
        wrt=("0", "1", "2", "3", "4", "5"),
    ),
    Fixture(
        name="lstm_through_time",
        groups=(1, 2, 3, 4, 5, 6, 7, 9, 15),
        arguments=arguments_lstm,
        loss=loss_lstm,
        gradients=gradients_lstm,
        wrt=("0", "1", "2.Wf", "2.Wi", "2.Wc", "2.Wo", "2.bf", "2.bi", "2.bc", "2.bo"),
        returned=("dx", "da0", "dWf", "dWi", "dWc", "dWo", "dbf", "dbi", "dbc", "dbo"),
    ),
    Fixture(
        name="gru_through_time",
        groups=(1, 3, 4, 5, 6, 11),
        arguments=arguments_gru,
        loss=loss_gru,
        gradients=gradients_gru,
        wrt=("0.Wz", "0.Wr", "0.Wh", "0.Uz", "0.Ur", "0.Uh", "0.bz", "0.br", "0.bh", "2"),
    ),
    Fixture(
        name="bidirectional_rnn",
        groups=(1, 2, 3, 5, 6, 7, 8, 9, 13, 15),
        arguments=arguments_bidirectional,
        loss=loss_bidirectional,
        gradients=gradients_bidirectional,
        wrt=("0", "1", "2", "3", "4", "5"),
    ),
]
