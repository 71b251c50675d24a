import numpy as np

rng = np.random.default_rng(5)
x = np.concatenate([rng.normal(-2, 0.5, 60), rng.normal(1, 1, 40)])
mu, log_sigma, eta = np.array([-1.0, 2.0]), np.zeros(2), np.zeros(2)


def responsibilities(mu, log_sigma, eta):
    pi = np.exp(eta) / np.exp(eta).sum()
    u = (x[:, None] - mu) / np.exp(log_sigma)
    return pi * np.exp(-0.5 * u**2 - log_sigma), u, pi


def nll(mu, log_sigma, eta):
    comp, _, _ = responsibilities(mu, log_sigma, eta)
    return -np.log(comp.sum(axis=1)).sum()


def grad_nll(mu, log_sigma, eta):
    comp, u, pi = responsibilities(mu, log_sigma, eta)
    r = comp / comp.sum(axis=1, keepdims=True)
    d_mu = -(r * u / np.exp(log_sigma)).sum(axis=0)
    d_ls = -(r * (u**2 - 1)).sum(axis=0)
    d_eta = len(x) * pi - r.sum(axis=0)
    return d_mu, d_ls, d_eta


for epoch in range(50):
    gm, gs, ge = grad_nll(mu, log_sigma, eta)
    mu, log_sigma, eta = mu - 0.005 * gm, log_sigma - 0.005 * gs, eta - 0.005 * ge
print(nll(mu, log_sigma, eta))
