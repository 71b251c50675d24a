import numpy as np


def new_parameters(input_dim, hidden_dim, num_classes):
    rng = np.random.RandomState(0)
    return {'W1': 0.1 * rng.randn(input_dim, hidden_dim), 'gamma': np.ones(hidden_dim), 'beta': np.zeros(hidden_dim),
            'W2': 0.1 * rng.randn(hidden_dim, num_classes)}


def loss_and_grads(params, X, y, reg=0.0):
    a = X.dot(params['W1'])
    mu, var = a.mean(axis=0), a.var(axis=0)
    std = np.sqrt(var + 1e-5)
    norm = (a - mu) / std
    h = np.maximum(0, params['gamma'] * norm + params['beta'])
    scores = h.dot(params['W2'])
    scores = scores - scores.max(axis=1, keepdims=True)
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    N = X.shape[0]
    loss = -np.log(probs[np.arange(N), y]).mean() + 0.5 * reg * (params['W2'] ** 2).sum()

    d = probs.copy()
    d[np.arange(N), y] -= 1
    d /= N
    grads = {'W2': h.T.dot(d) + reg * params['W2']}
    dh = d.dot(params['W2'].T) * (h > 0)
    grads['gamma'] = (dh * norm).sum(axis=0)
    grads['beta'] = dh.sum(axis=0)
    dn = dh * params['gamma']
    da = (dn - dn.mean(axis=0) - norm * (dn * norm).mean(axis=0)) / std
    grads['W1'] = X.T.dot(da)
    return loss, grads
