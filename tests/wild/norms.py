"""Batch, layer, instance and group norm, and other normalisations, staged and compact."""

import numpy as np

from .fixture import Fixture

# batch norm, one step of the graph at a time


def batchnorm_forward(x, gamma, beta, eps):
    N, D = x.shape
    # step 1: the mean
    mu = 1.0 / N * np.sum(x, axis=0)
    # step 2: take it away
    xmu = x - mu
    # step 3: square
    sq = xmu**2
    # step 4: the variance
    var = 1.0 / N * np.sum(sq, axis=0)
    # step 5: root
    sqrtvar = np.sqrt(var + eps)
    # step 6: one over it
    ivar = 1.0 / sqrtvar
    # step 7: normalise, scale, shift
    xhat = xmu * ivar
    gammax = gamma * xhat
    out = gammax + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    # step 7
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # step 6
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    # step 5
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    # step 4
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    # step 3
    dxmu2 = 2 * xmu * dsq
    # step 2
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    # step 1
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def batchnorm_backward_alt(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dx = (gamma * ivar / N) * (N * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def arguments_batchnorm(rng, sizes=(5, 3)):
    N, D = sizes
    return rng.normal(size=(N, D)), rng.normal(size=D), rng.normal(size=D), rng.normal(size=(N, D)), 1e-3


def loss_batchnorm(x, gamma, beta, dout, eps):
    out, _ = batchnorm_forward(x, gamma, beta, eps)
    return np.sum(out * dout)


def gradients_batchnorm_staged(x, gamma, beta, dout, eps):
    return batchnorm_backward(dout, batchnorm_forward(x, gamma, beta, eps)[1])


def gradients_batchnorm_compact(x, gamma, beta, dout, eps):
    return batchnorm_backward_alt(dout, batchnorm_forward(x, gamma, beta, eps)[1])


# the same as a class with running averages, columns are samples


class BatchNormalization:
    def __init__(self, gamma, beta, momentum=0.9):
        self.gamma = gamma
        self.beta = beta
        self.momentum = momentum
        self.running_mean = None
        self.running_var = None
        self.batch_size = None
        self.xc = None
        self.xn = None
        self.std = None
        self.dgamma = None
        self.dbeta = None

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            D = x.shape[0]
            self.running_mean = np.zeros((D, 1))
            self.running_var = np.zeros((D, 1))
        if train_flg:
            mu = x.mean(axis=1, keepdims=True)
            xc = x - mu
            var = np.mean(xc**2, axis=1, keepdims=True)
            std = np.sqrt(var + 10e-7)
            xn = xc / std
            self.batch_size = x.shape[1]
            self.xc = xc
            self.xn = xn
            self.std = std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            xn = (x - self.running_mean) / np.sqrt(self.running_var + 10e-7)
        return self.gamma * xn + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=1, keepdims=True)
        self.dgamma = np.sum(self.xn * dout, axis=1, keepdims=True)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=1, keepdims=True)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.batch_size) * self.xc * dvar
        dmu = np.sum(dxc, axis=1, keepdims=True)
        dx = dxc - dmu / self.batch_size
        return dx


def arguments_batchnorm_class(rng, sizes=(3, 5)):
    D, N = sizes
    layer = BatchNormalization(rng.normal(size=(D, 1)), rng.normal(size=(D, 1)))
    return layer, rng.normal(size=(D, N)), rng.normal(size=(D, N))


def loss_batchnorm_class(layer, x, dout):
    return np.sum(layer.forward(x) * dout)


def gradients_batchnorm_class(layer, x, dout):
    layer.forward(x)
    dx = layer.backward(dout)
    return layer.dgamma, layer.dbeta, dx


# spatial batch norm, on top of the flat one


def spatial_batchnorm_forward(x, gamma, beta, eps):
    N, C, H, W = x.shape
    x_flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out_flat, cache = batchnorm_forward(x_flat, gamma, beta, eps)
    out = out_flat.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return out, cache


def spatial_batchnorm_backward(dout, cache):
    N, C, H, W = dout.shape
    dout_flat = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    dx_flat, dgamma, dbeta = batchnorm_backward_alt(dout_flat, cache)
    dx = dx_flat.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return dx, dgamma, dbeta


def arguments_spatial(rng, sizes=(2, 3, 4, 5)):
    N, C, H, W = sizes
    x = rng.normal(size=(N, C, H, W))
    return x, rng.normal(size=C), rng.normal(size=C), rng.normal(size=(N, C, H, W)), 1e-4


def loss_spatial(x, gamma, beta, dout, eps):
    return np.sum(spatial_batchnorm_forward(x, gamma, beta, eps)[0] * dout)


def gradients_spatial(x, gamma, beta, dout, eps):
    return spatial_batchnorm_backward(dout, spatial_batchnorm_forward(x, gamma, beta, eps)[1])


# layer norm over the last axis, any number of axes before it


def layernorm_forward(x, w, b):
    eps = 1e-5
    mean = x.mean(-1, keepdims=True)
    xshift = x - mean
    var = (xshift**2).mean(-1, keepdims=True)
    rstd = (var + eps) ** -0.5
    norm = xshift * rstd
    out = norm * w + b
    return out, (norm, w, rstd)


def layernorm_backward(dout, cache):
    norm, w, rstd = cache
    db = dout.sum((0, 1))
    dw = (dout * norm).sum((0, 1))
    dnorm = dout * w
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return dx, dw, db


def arguments_layernorm(rng, sizes=(2, 3, 4)):
    B, T, C = sizes
    return rng.normal(size=(B, T, C)), rng.normal(size=C), rng.normal(size=C), rng.normal(size=(B, T, C))


def loss_layernorm(x, w, b, dout):
    return (layernorm_forward(x, w, b)[0] * dout).sum()


def gradients_layernorm(x, w, b, dout):
    return layernorm_backward(dout, layernorm_forward(x, w, b)[1])


# layer norm by transposing and using the batch norm formulas, np.var


def layernorm_T_forward(x, gamma, beta):
    ln_x = x.T
    mean = np.mean(ln_x, axis=0)
    var = np.var(ln_x, axis=0)
    std = np.sqrt(var + 1e-5)
    x_norm = ((ln_x - mean) / std).T
    return gamma * x_norm + beta, {"x_norm": x_norm, "std": std, "gamma": gamma}


def layernorm_T_backward(dout, cache):
    x_norm, std, gamma = cache["x_norm"].T, cache["std"], cache["gamma"]
    dgamma = np.sum(dout * x_norm.T, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx_norm = (dout * gamma).T
    D = dx_norm.shape[0]
    dx = 1.0 / D / std * (D * dx_norm - np.sum(dx_norm, axis=0) - x_norm * np.sum(dx_norm * x_norm, axis=0))
    return dx.T, dgamma, dbeta


def arguments_layernorm_T(rng, sizes=(3, 5)):
    N, D = sizes
    return rng.normal(size=(N, D)), rng.normal(size=D), rng.normal(size=D), rng.normal(size=(N, D))


def loss_layernorm_T(x, gamma, beta, dout):
    return np.sum(layernorm_T_forward(x, gamma, beta)[0] * dout)


def gradients_layernorm_T(x, gamma, beta, dout):
    return layernorm_T_backward(dout, layernorm_T_forward(x, gamma, beta)[1])


# group norm; with one channel a group it is instance norm


def groupnorm_forward(x, gamma, beta, G):
    N, C, H, W = x.shape
    xg = np.reshape(x, (N, G, C // G, H, W))
    mean = np.mean(xg, axis=(2, 3, 4), keepdims=True)
    var = np.var(xg, axis=(2, 3, 4), keepdims=True)
    std = np.sqrt(var + 1e-5)
    xg = (xg - mean) / std
    x_hat = xg.reshape(N, C, H, W)
    out = gamma * x_hat + beta
    cache = (x_hat, std, gamma, G)
    return out, cache


def groupnorm_backward(dout, cache):
    x_hat, std, gamma, G = cache
    N, C, H, W = dout.shape
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dgamma = np.sum(dout * x_hat, axis=(0, 2, 3), keepdims=True)
    m = C // G * H * W
    dxg = (dout * gamma).reshape(N, G, C // G, H, W)
    xg = x_hat.reshape(N, G, C // G, H, W)
    sum1 = np.sum(dxg, axis=(2, 3, 4), keepdims=True)
    sum2 = np.sum(dxg * xg, axis=(2, 3, 4), keepdims=True)
    dx = (m * dxg - sum1 - xg * sum2) / (m * std)
    return dx.reshape(N, C, H, W), dgamma, dbeta


def arguments_groupnorm(rng, sizes=(2, 3, 4, 5, 6)):
    N, G, per_group, H, W = sizes
    C = G * per_group
    shape = (1, C, 1, 1)
    return (
        rng.normal(size=(N, C, H, W)),
        rng.normal(size=shape),
        rng.normal(size=shape),
        rng.normal(size=(N, C, H, W)),
        G,
    )


def loss_groupnorm(x, gamma, beta, dout, G):
    return np.sum(groupnorm_forward(x, gamma, beta, G)[0] * dout)


def gradients_groupnorm(x, gamma, beta, dout, G):
    return groupnorm_backward(dout, groupnorm_forward(x, gamma, beta, G)[1])


def instancenorm_forward(x, gamma, beta):
    N, C, H, W = x.shape
    mu = x.mean(axis=(2, 3))
    var = x.var(axis=(2, 3))
    x_hat = (x - mu[:, :, None, None]) / np.sqrt(var[:, :, None, None] + 1e-5)
    return gamma[None, :, None, None] * x_hat + beta.reshape(1, C, 1, 1), (x_hat, var)


def instancenorm_backward(dy, cache, gamma):
    x_hat, var = cache
    N, C, H, W = dy.shape
    dx = np.zeros_like(dy)
    dgamma, dbeta = np.zeros(C), np.zeros(C)
    for n in range(N):
        for c in range(C):
            g = dy[n, c]
            xh = x_hat[n, c]
            dgamma[c] += np.sum(g * xh)
            dbeta[c] += np.sum(g)
            gh = g * gamma[c]
            dx[n, c] = (gh - gh.mean() - xh * np.mean(gh * xh)) / np.sqrt(var[n, c] + 1e-5)
    return dx, dgamma, dbeta


def arguments_instancenorm(rng, sizes=(2, 3, 4, 5)):
    N, C, H, W = sizes
    x = rng.normal(size=(N, C, H, W))
    return x, rng.normal(size=C), rng.normal(size=C), rng.normal(size=(N, C, H, W))


def loss_instancenorm(x, gamma, beta, dy):
    return np.sum(instancenorm_forward(x, gamma, beta)[0] * dy)


def gradients_instancenorm(x, gamma, beta, dy):
    return instancenorm_backward(dy, instancenorm_forward(x, gamma, beta)[1], gamma)


# rows on the unit sphere


def l2_normalize(X):
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X / norms, norms


def l2_normalize_backward(dY, Y, norms):
    inner = np.sum(dY * Y, axis=1, keepdims=True)
    return (dY - Y * inner) / norms


def arguments_l2(rng, sizes=(4, 3)):
    return rng.normal(size=sizes), rng.normal(size=sizes)


def loss_l2(X, T):
    Y, _ = l2_normalize(X)
    return 0.5 * np.sum((Y - T) ** 2)


def gradients_l2(X, T):
    Y, norms = l2_normalize(X)
    return l2_normalize_backward(Y - T, Y, norms)


# root mean square norm


def rmsnorm(x, g):
    ms = np.mean(np.square(x), axis=-1, keepdims=True)
    r = 1 / np.sqrt(ms + 1e-6)
    return x * r * g, r


def rmsnorm_backward(dy, x, g, r):
    n = x.shape[-1]
    dg = np.sum(dy * x * r, axis=0)
    dxr = dy * g
    dr = np.sum(dxr * x, axis=-1, keepdims=True)
    dx = dxr * r - dr * r**3 * x / n
    return dx, dg


def arguments_rmsnorm(rng, sizes=(5, 4)):
    N, D = sizes
    return rng.normal(size=(N, D)), rng.normal(size=D), rng.normal(size=(N, D))


def loss_rmsnorm(x, g, dy):
    return np.sum(rmsnorm(x, g)[0] * dy)


def gradients_rmsnorm(x, g, dy):
    _, r = rmsnorm(x, g)
    return rmsnorm_backward(dy, x, g, r)


FIXTURES = [
    Fixture(
        name="batchnorm_staged",
        groups=(1, 2, 4, 6),
        arguments=arguments_batchnorm,
        loss=loss_batchnorm,
        gradients=gradients_batchnorm_staged,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="batchnorm_compact",
        groups=(1, 2, 4),
        arguments=arguments_batchnorm,
        loss=loss_batchnorm,
        gradients=gradients_batchnorm_compact,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="batchnorm_class",
        groups=(1, 2, 4, 6, 11),
        arguments=arguments_batchnorm_class,
        loss=loss_batchnorm_class,
        gradients=gradients_batchnorm_class,
        wrt=("0.gamma", "0.beta", "1"),
    ),
    Fixture(
        name="batchnorm_spatial",
        groups=(1, 2, 3, 4, 8),
        arguments=arguments_spatial,
        loss=loss_spatial,
        gradients=gradients_spatial,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="layernorm",
        groups=(1, 4, 11),
        arguments=arguments_layernorm,
        loss=loss_layernorm,
        gradients=gradients_layernorm,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="layernorm_transposed",
        groups=(1, 2, 3, 4),
        arguments=arguments_layernorm_T,
        loss=loss_layernorm_T,
        gradients=gradients_layernorm_T,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="groupnorm",
        groups=(1, 2, 4, 8),
        arguments=arguments_groupnorm,
        loss=loss_groupnorm,
        gradients=gradients_groupnorm,
        wrt=("0", "1", "2"),
        equal_size=2,
    ),
    Fixture(
        name="instancenorm_loops",
        groups=(1, 2, 4, 6, 7, 8, 9),
        arguments=arguments_instancenorm,
        loss=loss_instancenorm,
        gradients=gradients_instancenorm,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="l2_normalize",
        groups=(1, 4, 18),
        arguments=arguments_l2,
        loss=loss_l2,
        gradients=gradients_l2,
        wrt=("0",),
    ),
    Fixture(
        name="rmsnorm",
        groups=(1, 2, 4),
        arguments=arguments_rmsnorm,
        loss=loss_rmsnorm,
        gradients=gradients_rmsnorm,
        wrt=("0", "1"),
    ),
]
