"""Controls: one network, and every roundabout but correct way to write its backward.

All share the forward: rows are samples, one hidden layer, mean over the batch of half the squared error.
"""

import numpy as np

from .fixture import Fixture


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def arguments_net(rng, sizes=(5, 3, 4, 2)):
    N, D, H, C = sizes
    return (
        rng.normal(size=(D, H)),
        rng.normal(size=H),
        rng.normal(size=(H, C)),
        rng.normal(size=C),
        rng.normal(size=(N, D)),
        rng.normal(size=(N, C)),
    )


def loss_sigmoid(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    p = h @ W2 + b2
    return 0.5 * np.sum((p - Y) ** 2) / X.shape[0]


def loss_tanh(W1, b1, W2, b2, X, Y):
    h = np.tanh(X @ W1 + b1)
    p = h @ W2 + b2
    return 0.5 * np.sum((p - Y) ** 2) / X.shape[0]


def loss_relu(W1, b1, W2, b2, X, Y):
    h = np.maximum(X @ W1 + b1, 0)
    p = h @ W2 + b2
    return 0.5 * np.sum((p - Y) ** 2) / X.shape[0]


def h_minus_h_squared(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / len(X)
    d1 = d2 @ W2.T * (h - h**2)
    return X.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def late_scaling(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    delta = h @ W2 + b2 - Y
    grads = {"W2": h.T @ delta, "b2": delta.sum(axis=0)}
    delta = delta @ W2.T * h * (1 - h)
    grads["W1"] = X.T @ delta
    grads["b1"] = delta.sum(axis=0)
    for name in grads:
        grads[name] /= X.shape[0]  # the mean, only now
    return grads


def everything_einsum(W1, b1, W2, b2, X, Y):
    h = sigmoid(np.einsum("nd,dh->nh", X, W1) + b1)
    e = np.einsum("nh,hc->nc", h, W2) + b2 - Y
    n = X.shape[0]
    dW1 = np.einsum("nd,nc,hc,nh,nh->dh", X, e, W2, h, 1 - h) / n
    db1 = np.einsum("nc,hc,nh,nh->h", e, W2, h, 1 - h) / n
    dW2 = np.einsum("nh,nc->hc", h, e) / n
    return dW1, db1, dW2, np.einsum("nc->c", e) / n


def implicit_einsum(W1, b1, W2, b2, X, Y):
    h = sigmoid(X.dot(W1) + b1)
    e = (h.dot(W2) + b2 - Y) / X.shape[0]
    d = np.einsum("ab,cb", e, W2) * h * (1 - h)
    return np.einsum("na,nb", X, d), np.einsum("n...->...", d), np.einsum(h, [0, 1], e, [0, 2], [1, 2]), e.sum(0)


def outer_products(W1, b1, W2, b2, X, Y):
    dW1, dW2 = np.zeros_like(W1), np.zeros_like(W2)
    db1, db2 = np.zeros_like(b1), np.zeros_like(b2)
    for x, y in zip(X, Y):
        h = sigmoid(x @ W1 + b1)
        d2 = h @ W2 + b2 - y
        d1 = (W2 @ d2) * h * (1 - h)
        dW2 += np.outer(h, d2)
        db2 += d2
        dW1 += np.outer(x, d1)
        db1 += d1
    n = len(X)
    return dW1 / n, db1 / n, dW2 / n, db2 / n


def steps_in_place(W1, b1, W2, b2, X, Y):
    h = X @ W1
    h += b1
    np.negative(h, out=h)
    np.exp(h, out=h)
    h += 1
    np.reciprocal(h, out=h)
    delta = h @ W2
    delta += b2
    delta -= Y
    delta *= 1.0 / X.shape[0]
    dW2, db2 = h.T @ delta, delta.sum(axis=0)
    delta = delta @ W2.T
    delta *= h
    h *= -1
    h += 1  # from here h is 1 - h
    delta *= h
    return X.T @ delta, delta.sum(axis=0), dW2, db2


def transposed_twice(W1, b1, W2, b2, X, Y):
    h = sigmoid((W1.T @ X.T).T + b1)
    d2 = ((W2.T @ h.T).T + b2 - Y) / X.shape[0]
    d1T = (W2 @ d2.T) * h.T * (1 - h.T)
    return (d1T @ X).T, d1T.sum(axis=1), (d2.T @ h).T, d2.T.sum(axis=1)


def views_of_one_vector(W1, b1, W2, b2, X, Y):
    flat = np.zeros(W1.size + b1.size + W2.size + b2.size)
    ends = np.cumsum([W1.size, b1.size, W2.size])
    dW1, db1, dW2, db2 = np.split(flat, ends)
    dW1 = dW1.reshape(W1.shape)
    dW2 = dW2.reshape(W2.shape)
    h = sigmoid(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    dW2[...] = h.T @ d2
    db2[:] = d2.sum(0)
    d1 = d2 @ W2.T * h * (1 - h)
    dW1 += X.T @ d1
    db1 += d1.sum(0)
    a, b, c = ends  # read back from the vector that the views wrote to
    return flat[:a].reshape(W1.shape), flat[a:b], flat[b:c].reshape(W2.shape), flat[c:]


def one_minus_times_one_plus(W1, b1, W2, b2, X, Y):
    h = np.tanh(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = (1 - h) * (d2 @ W2.T) * (1 + h)
    return X.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def tanh_from_its_argument(W1, b1, W2, b2, X, Y):
    z = X @ W1 + b1
    d2 = (np.tanh(z) @ W2 + b2 - Y) / X.shape[0]
    d1 = d2 @ W2.T / np.cosh(z) ** 2
    return X.T @ d1, d1.sum(0), np.tanh(z).T @ d2, d2.sum(0)


def output_overwritten(W1, b1, W2, b2, X, Y):
    a1 = np.tanh(X @ W1 + b1)
    a2 = a1 @ W2 + b2
    a2 -= Y  # is the delta now
    a2 /= Y.shape[0]
    dW2 = a1.T @ a2
    db2 = a2.sum(0)
    a1 = (a2 @ W2.T) * (1 - a1 * a1)
    return X.T @ a1, a1.sum(0), dW2, db2


def sums_by_ones(W1, b1, W2, b2, X, Y):
    ones = np.ones(X.shape[0])
    h = sigmoid(X @ W1 + np.outer(ones, b1))
    d2 = (h @ W2 + np.outer(ones, b2) - Y) / ones.sum()
    d1 = np.multiply(d2 @ W2.T, h * (np.ones_like(h) - h))
    return X.T @ d1, ones @ d1, h.T @ d2, d2.T @ ones


def bias_as_a_column(W1, b1, W2, b2, X, Y):
    n = X.shape[0]
    X1 = np.hstack([X, np.ones((n, 1))])
    V1 = np.vstack([W1, b1])
    V2 = np.concatenate([W2, b2[None]], axis=0)
    h = sigmoid(X1 @ V1)
    h1 = np.c_[h, np.ones(n)]
    d2 = (h1 @ V2 - Y) / n
    dV2 = h1.T @ d2
    d1 = (d2 @ V2.T)[:, :-1] * h * (1 - h)
    dV1 = X1.T @ d1
    return dV1[:-1], dV1[-1], dV2[:-1], dV2[-1]


def with_out(W1, b1, W2, b2, X, Y):
    dW1, dW2 = np.empty(W1.shape), np.empty(W2.shape)
    db1, db2 = np.empty_like(b1), np.empty_like(b2)
    h = np.tanh(np.add(np.matmul(X, W1), b1))
    d2 = np.dot(h, W2)
    np.add(d2, b2, out=d2)
    np.subtract(d2, Y, out=d2)
    np.divide(d2, X.shape[0], out=d2)
    np.matmul(h.T, d2, out=dW2)
    np.sum(d2, axis=0, out=db2)
    d1 = np.matmul(d2, W2.T)
    np.multiply(d1, 1 - np.square(h), out=d1)
    np.dot(X.T, d1, out=dW1)
    d1.sum(axis=0, out=db1)
    return dW1, db1, dW2, db2


def by_ravel_and_flat(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    dW2 = np.zeros(W2.shape)
    dW2.flat[:] = np.dot(h.T, d2).ravel()
    d1 = ((d2 @ W2.T).ravel() * h.ravel() * (1 - h.ravel())).reshape(h.shape)
    dW1 = np.zeros(W1.size)
    dW1 += np.dot(X.T, d1).flatten()
    return dW1.reshape(W1.shape), d1.sum(0), dW2, d2.sum(0)


def by_swapaxes(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = d2 @ np.swapaxes(W2, 0, 1) * h * (1 - h)
    return np.moveaxis(X, 0, 1) @ d1, d1.sum(-2), h.swapaxes(-1, -2) @ d2, np.sum(np.transpose(d2), axis=-1)


def backwards_views(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y)[::-1] / X.shape[0]  # samples last to first
    d1 = (d2[:, ::-1] @ W2[:, ::-1].T) * h[::-1] * (1 - h[::-1])
    return X[::-1].T @ d1, d1.sum(0), h[::-1].T @ d2, d2[::-1].sum(0)


def function_forms(W1, b1, W2, b2, X, Y):
    h = np.divide(1.0, np.add(1.0, np.exp(np.negative(np.add(np.dot(X, W1), b1)))))
    d2 = np.divide(np.subtract(np.add(np.dot(h, W2), b2), Y), X.shape[0])
    d1 = np.multiply(np.multiply(np.dot(d2, np.transpose(W2)), h), np.subtract(1.0, h))
    dW1 = np.dot(np.transpose(X), d1)
    return dW1, np.add.reduce(d1, axis=0), np.dot(np.transpose(h), d2), np.add.reduce(d2)


def one_name_for_delta(W1, b1, W2, b2, X, Y):
    acts = [X, np.tanh(X @ W1 + b1)]
    weights = [W1, W2]
    delta = (acts[1] @ W2 + b2 - Y) / len(Y)
    out = []
    for a, W in zip(acts[::-1], weights[::-1]):
        out += [delta.sum(axis=0), a.T @ delta]
        delta = delta @ W.T
        delta = delta - delta * a * a
    return out[::-1]


def sigmoid_from_its_argument(W1, b1, W2, b2, X, Y):
    z = X @ W1 + b1
    d2 = (sigmoid(z) @ W2 + b2 - Y) / X.shape[0]
    d1 = d2 @ W2.T * np.exp(-z) / (1 + np.exp(-z)) ** 2
    return X.T @ d1, d1.sum(0), sigmoid(z).T @ d2, d2.sum(0)


def sigmoid_by_tanh(W1, b1, W2, b2, X, Y):
    t = np.tanh(0.5 * (X @ W1 + b1))
    h = 0.5 * (1 + t)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = 0.25 * (d2 @ W2.T) * (1 - t**2)
    return X.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def sigmoid_by_logs(W1, b1, W2, b2, X, Y):
    z = X @ W1 + b1
    log_h = -np.log1p(np.exp(-z))
    h = np.exp(log_h)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = d2 @ W2.T * np.exp(2 * log_h - z)
    return X.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def relu_by_sign(W1, b1, W2, b2, X, Y):
    h = np.maximum(X @ W1 + b1, 0)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = np.sign(h) * (d2 @ W2.T)
    return X.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def relu_by_where_twice(W1, b1, W2, b2, X, Y):
    z = X @ W1 + b1
    h = z * np.int64(z > 0)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = np.where(z < 0, 0, d2 @ W2.T)
    d1[np.where(z <= 0)] = 0.0
    return X.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def relu_by_logical_not(W1, b1, W2, b2, X, Y):
    z = X @ W1 + b1
    off = np.logical_not(np.greater(z, 0))
    h = z.copy()
    h[off] *= 0
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    back = d2 @ W2.T
    back -= back * off
    return X.T @ back, back.sum(0), h.T @ d2, d2.sum(0)


def blocks_of_samples(W1, b1, W2, b2, X, Y):
    total = [np.zeros(p.shape) for p in (W1, b1, W2, b2)]
    for start in range(0, len(X), 2):
        x, y = X[start : start + 2], Y[start : start + 2]
        h = np.tanh(x @ W1 + b1)
        d2 = h @ W2 + b2 - y
        d1 = d2 @ W2.T * (1 - h**2)
        for g, new in zip(total, (x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0))):
            g += new / len(X)
    return total


def column_by_column(W1, b1, W2, b2, X, Y):
    h = np.tanh(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = np.zeros_like(h)
    dW2 = np.zeros_like(W2)
    for c in range(W2.shape[1]):
        dW2[:, c] = np.dot(d2[:, c], h)
        d1 += d2[:, c][:, None] * W2[:, c]
    d1 *= 1 - h**2
    dW1 = np.stack([X.T @ d1[:, j] for j in range(W1.shape[1])], axis=-1)
    return dW1, np.array([d1[:, j].sum() for j in range(d1.shape[1])]), dW2, d2.sum(0)


def by_tensordot_and_inner(W1, b1, W2, b2, X, Y):
    h = np.tanh(np.tensordot(X, W1, 1) + b1)
    d2 = (np.inner(h, W2.T) + b2 - Y) / X.shape[0]
    d1 = np.inner(d2, W2) * (1 - h**2)
    return np.tensordot(X, d1, axes=(0, 0)), d1.sum(0), np.inner(h.T, d2.T), d2.sum(0)


def broadcast_and_sum(W1, b1, W2, b2, X, Y):
    h = np.tanh((X[:, :, None] * W1).sum(1) + b1)
    d2 = ((h[:, :, None] * W2).sum(1) + b2 - Y)[:, None, :]
    d1 = ((d2 * W2).sum(-1) * (1 - h**2))[:, np.newaxis]
    dW1 = (X[..., None] * d1).mean(axis=0)
    dW2 = np.mean(np.expand_dims(h, 2) * d2, axis=0)
    return dW1, np.squeeze(d1, axis=1).mean(0), dW2, d2.mean(axis=(0, 1))


def lists_of_outer_products(W1, b1, W2, b2, X, Y):
    h = sigmoid(X @ W1 + b1)
    d2 = h @ W2 + b2 - Y
    d1 = d2 @ W2.T * h * (1 - h)
    dW1 = np.mean([np.outer(x, d) for x, d in zip(X, d1)], axis=0)
    dW2 = np.sum(np.array([np.outer(a, d) for a, d in zip(h, d2)]), axis=0) / len(X)
    return dW1, np.average(d1, axis=0), dW2, sum(d2) / len(d2)


def minus_of_minus(W1, b1, W2, b2, X, Y):
    h = np.tanh(X @ W1 + b1)
    miss = (Y - (h @ W2 + b2)) / X.shape[0]
    g = [0 * W1, 0 * b1, 0 * W2, 0 * b2]
    g[2] -= h.T @ miss
    g[3] -= miss.sum(0)
    back = (h * h - 1) * (miss @ W2.T)
    g[0] -= -X.T @ back
    g[1] -= -back.sum(0)
    return g


def batched_columns(W1, b1, W2, b2, X, Y):
    x = X[:, :, None]  # a column a sample
    h = np.tanh(np.matmul(W1.T, x) + b1[:, None])
    d2 = np.matmul(W2.T, h) + b2[:, None] - Y[:, :, None]
    d1 = np.matmul(W2, d2) * (1 - h**2)
    dW1 = np.matmul(x, d1.transpose(0, 2, 1)).mean(0)
    dW2 = np.matmul(h, d2.transpose(0, 2, 1)).mean(0)
    return dW1, d1.mean(0).squeeze(-1), dW2, d2.mean(0).reshape(-1)


def jacobians_of_all(W1, b1, W2, b2, X, Y):
    n, H = X.shape[0], W1.shape[1]
    h = np.tanh(X @ W1 + b1)
    e = (h @ W2 + b2 - Y) / n
    jac = np.zeros((n, H, H))
    jac[:, np.arange(H), np.arange(H)] = 1 - h**2  # dh/dz of each sample
    d1 = np.einsum("nc,kc,nkj->nj", e, W2, jac)
    return X.T @ d1, d1.sum(0), h.T @ e, e.sum(0)


def running_totals(W1, b1, W2, b2, X, Y):
    h = np.tanh(X @ W1 + b1)
    d2 = (h @ W2 + b2 - Y) / X.shape[0]
    d1 = d2 @ W2.T * (1 - h**2)
    db1 = np.cumsum(d1, axis=0)[-1]
    db2 = d2[0].copy()
    for row in d2[1:]:
        db2 += row
    return X.T.dot(d1), db1, h.T.dot(d2), db2


def scaled_by_the_number_of_entries(W1, b1, W2, b2, X, Y):
    h = np.tanh(X @ W1 + b1)
    err = h @ W2 + b2 - Y
    d2 = 2 * err / err.size * (0.5 * Y.shape[1])  # mse, then back to the sum over outputs
    d1 = d2 @ W2.T * (1 - h**2)
    return X.T @ d1, d1.mean(0) * len(d1), h.T @ d2, d2.mean(axis=0) * d2.shape[0]


PARAMETERS = ("0", "1", "2", "3")


def control(gradients, loss, groups, returned=()):
    """The fixture of one way to write the backward of the network above."""
    return Fixture(gradients.__name__, groups, arguments_net, loss, gradients, PARAMETERS, returned)


CONTROLS = [
    control(h_minus_h_squared, loss_sigmoid, (1, 3, 4, 5)),
    control(late_scaling, loss_sigmoid, (1, 2, 3, 4, 5, 11), ("W1", "b1", "W2", "b2")),
    control(everything_einsum, loss_sigmoid, (1, 2, 5)),
    control(implicit_einsum, loss_sigmoid, (1, 2, 4, 5)),
    control(outer_products, loss_sigmoid, (1, 5, 6)),
    control(steps_in_place, loss_sigmoid, (1, 2, 3, 4, 5, 11)),
    control(transposed_twice, loss_sigmoid, (1, 2, 3, 4, 5)),
    control(views_of_one_vector, loss_sigmoid, (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15)),
    control(one_minus_times_one_plus, loss_tanh, (1, 2, 3, 4, 5)),
    control(tanh_from_its_argument, loss_tanh, (1, 2, 3, 4, 5)),
    control(output_overwritten, loss_tanh, (1, 2, 3, 4, 5, 11)),
    control(sums_by_ones, loss_sigmoid, (1, 2, 3, 4, 5, 6)),
    control(bias_as_a_column, loss_sigmoid, (1, 2, 3, 5, 6, 8, 9, 14, 15)),
    control(with_out, loss_tanh, (1, 2, 3, 4, 5, 6, 11)),
    control(by_ravel_and_flat, loss_sigmoid, (1, 2, 3, 4, 5, 6, 7, 8)),
    control(by_swapaxes, loss_sigmoid, (1, 2, 3, 4, 5)),
    control(backwards_views, loss_sigmoid, (1, 2, 3, 4, 5, 9)),
    control(function_forms, loss_sigmoid, (1, 2, 3, 4, 5)),
    control(one_name_for_delta, loss_tanh, (1, 3, 4, 5)),
    control(sigmoid_from_its_argument, loss_sigmoid, (1, 2, 3, 4, 5)),
    control(sigmoid_by_tanh, loss_sigmoid, (1, 2, 3, 4, 5)),
    control(sigmoid_by_logs, loss_sigmoid, (1, 2, 3, 4, 5)),
    control(relu_by_sign, loss_relu, (1, 2, 3, 4, 5)),
    control(relu_by_where_twice, loss_relu, (1, 2, 3, 4, 5, 14, 17)),
    control(relu_by_logical_not, loss_relu, (1, 2, 3, 4, 5, 6, 11, 17)),
    control(blocks_of_samples, loss_tanh, (1, 2, 3, 4, 5, 6, 9, 11)),
    control(column_by_column, loss_tanh, (1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15)),
    control(by_tensordot_and_inner, loss_tanh, (1, 2, 3, 4, 5)),
    control(broadcast_and_sum, loss_tanh, (1, 4, 8)),
    control(lists_of_outer_products, loss_sigmoid, (1, 3, 4, 5, 14)),
    control(minus_of_minus, loss_tanh, (1, 2, 3, 4, 5, 11)),
    control(batched_columns, loss_tanh, (1, 3, 4, 5, 8)),
    control(jacobians_of_all, loss_tanh, (1, 2, 3, 4, 5, 6, 7, 10)),
    control(running_totals, loss_tanh, (1, 2, 3, 4, 5, 6, 9)),
    control(scaled_by_the_number_of_entries, loss_tanh, (1, 2, 3, 4, 5)),
]
