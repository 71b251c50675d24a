"""Batch normalization: a layer without a loss, forward with a cache and backward.

    einbackprop check batchnorm.py --forward "batchnorm_forward(x, gamma, beta)" \
        --backward "batchnorm_backward(dout, cache)" --wrt x --wrt gamma --wrt beta

The backward starts from `dout`, the gradient of the output. Rows are samples, columns are features.
"""

import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=0)
    centred = x - mean
    var = np.mean(centred**2, axis=0)
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = centred * inv_std
    out = gamma * x_hat + beta
    cache = centred, inv_std, x_hat, gamma
    return out, cache


def batchnorm_backward(dout, cache):
    centred, inv_std, x_hat, gamma = cache
    N = dout.shape[0]

    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)

    # x reaches the output directly, through the variance and through the mean
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * centred, axis=0) * -0.5 * inv_std**3
    dmean = -np.sum(dx_hat * inv_std, axis=0)
    dx = dx_hat * inv_std + dvar * 2 * centred / N + dmean / N
    return dx, dgamma, dbeta


rng = np.random.default_rng(0)
x = rng.normal(loc=2.0, scale=3.0, size=(5, 3))
gamma = rng.uniform(0.5, 1.5, size=3)
beta = rng.normal(size=3)
dout = rng.normal(size=(5, 3))

if __name__ == "__main__":
    out, cache = batchnorm_forward(x, gamma, beta)
    print("means and deviations of the output:", out.mean(axis=0), out.std(axis=0))
    dx, dgamma, dbeta = batchnorm_backward(dout, cache)
    print("gradient of the input:", dx, sep="\n")
