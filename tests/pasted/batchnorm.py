import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    """
    Normalize every feature over the batch, then scale and shift it.

    Inputs:
    - x: Batch of activations, shape (N, D)
    - gamma: Learned scale, shape (D,)
    - beta: Learned offset, shape (D,)
    - bn_param: Dictionary of settings and state:
      - mode: 'train' (batch statistics) or 'test' (running averages)
      - eps: added to the variance so we never divide by 0
      - momentum: how slowly the running averages move
      - running_mean, running_var: arrays of shape (D,), updated here

    Returns a tuple of:
    - out: shape (N, D)
    - cache: whatever batchnorm_backward wants, None in test mode
    """
    mode = bn_param['mode']
    eps = bn_param.get('eps', 1e-5)
    momentum = bn_param.get('momentum', 0.9)

    N, D = x.shape
    running_mean = bn_param.get('running_mean', np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get('running_var', np.zeros(D, dtype=x.dtype))

    out, cache = None, None
    if mode == 'train':
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        out = gamma * xhat + beta
        cache = (xhat, gamma, std)

        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == 'test':
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    else:
        raise ValueError('unknown mode: %r' % mode)

    # remember the averages for the next call
    bn_param['running_mean'] = running_mean
    bn_param['running_var'] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    """
    Push a gradient back through batchnorm_forward (train mode).

    Inputs:
    - dout: Gradient flowing in from the next layer, shape (N, D)
    - cache: Second output of batchnorm_forward

    Returns a tuple of:
    - dx: Gradient for the activations, shape (N, D)
    - dgamma: Gradient for the scale, shape (D,)
    - dbeta: Gradient for the offset, shape (D,)
    """
    xhat, gamma, std = cache
    N = dout.shape[0]

    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)

    dxhat = dout * gamma
    # d/dx of everything at once, worked out on paper
    dx = (N * dxhat - dxhat.sum(axis=0) - xhat * np.sum(dxhat * xhat, axis=0)) / (N * std)

    return dx, dgamma, dbeta
