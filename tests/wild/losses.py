"""Losses, linear models and small statistics: loops over samples, closed forms, unusual penalties."""

import numpy as np

from .fixture import Fixture

# a line through points, one sample at a time, Python floats


def step_gradient(m, b, points):
    m_gradient = 0.0
    b_gradient = 0.0
    N = float(len(points))
    for i in range(0, len(points)):
        x = points[i, 0]
        y = points[i, 1]
        b_gradient += -(2 / N) * (y - ((m * x) + b))
        m_gradient += -(2 / N) * x * (y - ((m * x) + b))
    return [m_gradient, b_gradient]


def compute_error(m, b, points):
    total_error = 0
    for i in range(0, len(points)):
        x = points[i, 0]
        y = points[i, 1]
        total_error += (y - (m * x + b)) ** 2
    return total_error / float(len(points))


def arguments_line(rng, sizes=(5,)):
    return float(rng.normal()), float(rng.normal()), rng.normal(size=(sizes[0], 2))


def loss_line(m, b, points):
    return compute_error(m, b, points)


def gradients_line(m, b, points):
    return step_gradient(m, b, points)


# polynomial regression with a column of ones, np.vander by hand


def design(x, degree):
    return np.column_stack([x**d for d in range(degree + 1)])


def poly_grad(theta, x, y, lam):
    X = design(x, len(theta) - 1)
    n = y.shape[0]
    residual = X.dot(theta) - y
    grad = 1.0 / n * X.T.dot(residual)
    grad[1:] += lam / n * theta[1:]  # the constant is not shrunk
    return grad


def arguments_poly(rng, sizes=(6, 4)):
    n, d = sizes
    return rng.normal(size=d), rng.normal(size=n), rng.normal(size=n), 0.5


def loss_poly(theta, x, y, lam):
    n = y.shape[0]
    return 1.0 / (2 * n) * np.sum((design(x, len(theta) - 1).dot(theta) - y) ** 2) + lam / (2 * n) * np.sum(
        theta[1:] ** 2
    )


def gradients_poly(theta, x, y, lam):
    return poly_grad(theta, x, y, lam)


# logistic regression, bias through np.insert, labels ±1, L1


def arguments_logistic(rng, sizes=(5, 3)):
    n, d = sizes
    return rng.normal(size=d + 1), rng.normal(size=(n, d)), rng.choice([-1, 1], size=n), 0.1


def loss_logistic(w, X, y, lam):
    Xb = np.insert(X, 0, 1, axis=1)
    margin = y * (Xb @ w)
    return np.mean(np.log(1 + np.exp(-margin))) + lam * np.abs(w).sum()


def gradients_logistic(w, X, y, lam):
    Xb = np.insert(X, 0, 1, axis=1)
    n = Xb.shape[0]
    margin = y * Xb.dot(w)
    g = np.zeros_like(w)
    for i in range(n):
        g += -y[i] * Xb[i] / (1 + np.exp(margin[i]))
    return g / n + lam * np.sign(w)


# binary cross-entropy with clipped probabilities


def bce(y_true, y_pred):
    p = np.clip(y_pred, 1e-15, 1 - 1e-15)
    return -np.mean(y_true * np.log(p) + (1 - y_true) * np.log(1 - p))


def bce_grad(y_true, y_pred):
    p = np.clip(y_pred, 1e-15, 1 - 1e-15)
    return (-(y_true / p) + (1 - y_true) / (1 - p)) / y_true.size


def arguments_bce(rng, sizes=(5, 3, 2)):
    n, d, c = sizes
    return rng.normal(size=(d, c)), rng.normal(size=(n, d)), rng.integers(0, 2, size=(n, c))


def loss_bce(W, X, Y):
    return bce(Y, 1 / (1 + np.exp(-X @ W)))


def gradients_bce(W, X, Y):
    P = 1 / (1 + np.exp(-X @ W))
    dZ = bce_grad(Y, P) * P * (1 - P)
    return X.T @ dZ


# binary hinge with an if for each sample


def hinge_cost(w, b, X, y, C):
    distances = np.maximum(0, 1 - y * (np.dot(X, w) + b))
    return 0.5 * np.dot(w, w) + C * np.mean(distances)


def hinge_gradient(w, b, X, y, C):
    dw = np.zeros(len(w))
    db = 0
    for ind, d in enumerate(1 - y * (np.dot(X, w) + b)):
        if max(0, d) == 0:
            di = w
        else:
            di = w - (C * y[ind] * X[ind])
            db -= C * y[ind] / len(y)
        dw += di
    dw = dw / len(y)
    return np.array([*dw, db])


def arguments_hinge(rng, sizes=(6, 3)):
    n, d = sizes
    return rng.normal(size=d), float(rng.normal()), rng.normal(size=(n, d)), rng.choice([-1.0, 1.0], size=n), 2.0


def loss_hinge(w, b, X, y, C):
    return hinge_cost(w, b, X, y, C)


def gradients_hinge(w, b, X, y, C):
    g = hinge_gradient(w, b, X, y, C)
    return g[:-1], g[-1]


# huber


def huber_loss(pred, target, delta):
    r = pred - target
    return np.mean(np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)))


def huber_grad(pred, target, delta):
    r = pred - target
    g = np.where(np.abs(r) <= delta, r, delta * np.sign(r))
    return g / r.shape[0]


def arguments_huber(rng, sizes=(6, 3)):
    n, d = sizes
    return rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=n), rng.normal(size=n), 0.7


def loss_huber(X, w, b, target, delta):
    return huber_loss(np.dot(X, w) + b, target, delta)


def gradients_huber(X, w, b, target, delta):
    dpred = huber_grad(np.dot(X, w) + b, target, delta)
    return np.outer(dpred, w), np.dot(dpred, X), dpred


# cosine similarity of two batches


def cosine(a, b):
    na = np.sqrt(np.sum(a * a, axis=1, keepdims=True))
    nb = np.sqrt(np.sum(b * b, axis=1, keepdims=True))
    c = np.sum(a * b, axis=1, keepdims=True) / (na * nb)
    return c, na, nb


def cosine_backward(dc, a, b, c, na, nb):
    da = dc * (b / (na * nb) - c * a / na**2)
    db = dc * (a / (na * nb) - c * b / nb**2)
    return da, db


def arguments_cosine(rng, sizes=(5, 3)):
    return rng.normal(size=sizes), rng.normal(size=sizes), rng.uniform(-1, 1, size=(sizes[0], 1))


def loss_cosine(a, b, t):
    c, _, _ = cosine(a, b)
    return 0.5 * ((c - t) ** 2).mean()


def gradients_cosine(a, b, t):
    c, na, nb = cosine(a, b)
    return cosine_backward((c - t) / len(c), a, b, c, na, nb)


# triplet loss: squared distances, boolean mask of active triplets


def triplet(anchor, positive, negative, margin):
    d_pos = np.sum((anchor - positive) ** 2, axis=1)
    d_neg = np.sum((anchor - negative) ** 2, axis=1)
    per_sample = np.maximum(d_pos - d_neg + margin, 0)
    active = per_sample > 0
    dA = 2 * (negative - positive)
    dP = -2 * (anchor - positive)
    dN = 2 * (anchor - negative)
    for g in (dA, dP, dN):
        g[~active] = 0
        g /= anchor.shape[0]
    return per_sample.mean(), dA, dP, dN


def arguments_triplet(rng, sizes=(5, 3)):
    return rng.normal(size=sizes), rng.normal(size=sizes), rng.normal(size=sizes), 1.0


def loss_triplet(anchor, positive, negative, margin):
    return triplet(anchor, positive, negative, margin)[0]


def gradients_triplet(anchor, positive, negative, margin):
    return triplet(anchor, positive, negative, margin)[1:]


# softmax by its Jacobian, one sample, chained by hand; mean squared error


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def softmax_jacobian(s):
    s = s.reshape(-1, 1)
    return np.diagflat(s) - np.dot(s, s.T)


def arguments_jacobian(rng, sizes=(3, 4)):
    d, c = sizes
    return rng.normal(size=(c, d)), rng.normal(size=c), rng.normal(size=d), rng.uniform(size=c)


def loss_jacobian(W, b, x, y):
    return np.mean((softmax(np.dot(W, x) + b) - y) ** 2)


def gradients_jacobian(W, b, x, y):
    s = softmax(np.dot(W, x) + b)
    dL_ds = 2 * (s - y) / len(y)
    dL_dz = softmax_jacobian(s).dot(dL_ds)
    dL_dW = dL_dz[np.newaxis].T @ x[np.newaxis]
    return dL_dW, dL_dz


# cross-entropy with smoothed labels, one-hot through np.eye, rows padded out are left out


def smoothed(y, C, eps):
    onehot = np.eye(C)[y]
    return onehot * (1 - eps) + eps / C


def masked_cross_entropy(scores, y, eps, pad_id):
    keep = np.isin(y, [pad_id], invert=True)
    logp = scores - scores.max(1, keepdims=True)
    logp = logp - np.log(np.exp(logp).sum(1, keepdims=True))
    q = smoothed(y, scores.shape[1], eps)
    n = max(keep.sum(), 1)
    loss = -(q * logp).sum(1)[keep].sum() / n
    d = np.exp(logp) - q
    d[~keep] = 0.0
    return loss, d / n


def arguments_smoothed(rng, sizes=(6, 4)):
    N, C = sizes
    y = rng.integers(0, C, size=N)
    y[0], y[-1] = 0, 1
    return rng.normal(size=(N, C)), y, 0.1, 0


def loss_smoothed(scores, y, eps, pad_id):
    return masked_cross_entropy(scores, y, eps, pad_id)[0]


def gradients_smoothed(scores, y, eps, pad_id):
    return masked_cross_entropy(scores, y, eps, pad_id)[1]


# radial basis functions


def rbf(X, C, beta):
    diff = X[:, None, :] - C[None, :, :]
    d2 = (diff**2).sum(axis=2)
    return np.exp(-beta * d2), diff, d2


def arguments_rbf(rng, sizes=(5, 2, 4)):
    n, d, k = sizes
    C, beta, w = rng.normal(size=(k, d)), rng.uniform(0.2, 1, size=k), rng.normal(size=k)
    return C, beta, w, rng.normal(size=(n, d)), rng.normal(size=n)


def loss_rbf(C, beta, w, X, y):
    phi, _, _ = rbf(X, C, beta)
    return 0.5 * np.sum((phi @ w - y) ** 2)


def gradients_rbf(C, beta, w, X, y):
    phi, diff, d2 = rbf(X, C, beta)
    e = phi @ w - y
    dw = phi.T @ e
    dphi = np.outer(e, w)
    g = dphi * phi
    dbeta = -(g * d2).sum(axis=0)
    dC = 2 * beta[:, None] * (g[:, :, None] * diff).sum(axis=0)
    return dC, dbeta, dw


# PCA by descent: X ≈ X W Wᵀ


def arguments_pca(rng, sizes=(5, 4, 2)):
    n, d, k = sizes
    return rng.normal(size=(d, k)), rng.normal(size=(n, d))


def loss_pca(W, X):
    Xc = X - X.mean(axis=0)
    return np.linalg.norm(Xc - Xc @ W @ W.T) ** 2 / len(X)


def gradients_pca(W, X):
    Xc = X - X.mean(axis=0)
    S = Xc.T @ Xc
    WWt = W @ W.T
    return (-4 * S @ W + 2 * S @ WWt @ W + 2 * WWt @ S @ W) / len(X)


# style loss: Gram matrices of features


def gram(F):
    c, h, w = F.shape
    F = F.reshape(c, h * w)
    return F @ F.T / (c * h * w)


def arguments_gram(rng, sizes=(3, 4, 2)):
    return rng.normal(size=sizes), gram(rng.normal(size=sizes))


def loss_gram(F, A):
    return np.sum((gram(F) - A) ** 2)


def gradients_gram(F, A):
    c, h, w = F.shape
    D = gram(F) - A
    f = F.reshape(c, -1)
    dF = 4 * np.dot(D, f) / F.size  # A is a Gram matrix too, so D is symmetric
    return dF.reshape(c, h, w)


# total variation of an image, by shifted slices


def tv(img, weight):
    dh = img[1:, :] - img[:-1, :]
    dw = img[:, 1:] - img[:, :-1]
    return weight * (np.sum(dh * dh) + np.sum(dw * dw))


def tv_grad(img, weight):
    g = np.zeros_like(img)
    dh = img[1:, :] - img[:-1, :]
    dw = img[:, 1:] - img[:, :-1]
    g[1:, :] += 2 * weight * dh
    g[:-1, :] -= 2 * weight * dh
    g[:, 1:] += 2 * weight * dw
    g[:, :-1] -= 2 * weight * dw
    return g


def arguments_tv(rng, sizes=(4, 5)):
    return rng.normal(size=sizes), 0.3


def loss_tv(img, weight):
    return tv(img, weight)


def gradients_tv(img, weight):
    return tv_grad(img, weight)


FIXTURES = [
    Fixture(
        name="line_by_sample",
        groups=(1, 9),
        arguments=arguments_line,
        loss=loss_line,
        gradients=gradients_line,
        wrt=("0", "1"),
    ),
    Fixture(
        name="polynomial_regression",
        groups=(1, 2, 3, 4, 5, 7, 9, 15),
        arguments=arguments_poly,
        loss=loss_poly,
        gradients=gradients_poly,
        wrt=("0",),
    ),
    Fixture(
        name="logistic_l1_insert",
        groups=(1, 2, 4, 5, 6, 9, 18),
        arguments=arguments_logistic,
        loss=loss_logistic,
        gradients=gradients_logistic,
        wrt=("0",),
    ),
    Fixture(
        name="bce_clipped",
        groups=(1, 2, 3, 4, 5),
        arguments=arguments_bce,
        loss=loss_bce,
        gradients=gradients_bce,
        wrt=("0",),
    ),
    Fixture(
        name="hinge_by_sample",
        groups=(1, 4, 5, 6, 9, 14, 16),
        arguments=arguments_hinge,
        loss=loss_hinge,
        gradients=gradients_hinge,
        wrt=("0", "1"),
    ),
    Fixture(
        name="huber_where",
        groups=(1, 2, 4, 5),
        arguments=arguments_huber,
        loss=loss_huber,
        gradients=gradients_huber,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="cosine_similarity",
        groups=(1, 4),
        arguments=arguments_cosine,
        loss=loss_cosine,
        gradients=gradients_cosine,
        wrt=("0", "1"),
    ),
    Fixture(
        name="triplet_mask",
        groups=(1, 2, 4, 11, 17),
        arguments=arguments_triplet,
        loss=loss_triplet,
        gradients=gradients_triplet,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="softmax_jacobian_sample",
        groups=(1, 3, 4, 5, 8, 12, 19),
        arguments=arguments_jacobian,
        loss=loss_jacobian,
        gradients=gradients_jacobian,
        wrt=("0", "1"),
    ),
    Fixture(
        name="smoothed_masked_cross_entropy",
        groups=(1, 2, 4, 10, 12, 16, 17, 18, 19),
        arguments=arguments_smoothed,
        loss=loss_smoothed,
        gradients=gradients_smoothed,
        wrt=("0",),
    ),
    Fixture(
        name="rbf_network",
        groups=(1, 3, 4, 5, 8),
        arguments=arguments_rbf,
        loss=loss_rbf,
        gradients=gradients_rbf,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="pca_reconstruction",
        groups=(1, 3, 4, 5, 18),
        arguments=arguments_pca,
        loss=loss_pca,
        gradients=gradients_pca,
        wrt=("0",),
    ),
    Fixture(
        name="gram_style",
        groups=(1, 2, 3, 4, 5, 8),
        arguments=arguments_gram,
        loss=loss_gram,
        gradients=gradients_gram,
        wrt=("0",),
    ),
    Fixture(
        name="total_variation",
        groups=(1, 4, 6, 7, 9),
        arguments=arguments_tv,
        loss=loss_tv,
        gradients=gradients_tv,
        wrt=("0",),
    ),
]
