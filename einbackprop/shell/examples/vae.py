"""A variational autoencoder: reconstruction and Kullback-Leibler divergence.

    einbackprop check vae.py --loss "elbo_loss(p, X, eps)" --grads "elbo_grads(p, X, eps)" --wrt p

Pixels are between 0 and 1, rows are samples. The noise eps is drawn once, so that the loss is a function of `p`.
"""

import numpy as np

rng = np.random.default_rng(7)
n, n_pixels, n_hidden, n_code = 6, 5, 4, 2

p = {
    "We": rng.normal(size=(n_pixels, n_hidden)), "be": np.zeros(n_hidden),
    "Wm": rng.normal(size=(n_hidden, n_code)), "bm": np.zeros(n_code),
    "Ws": rng.normal(size=(n_hidden, n_code)), "bs": np.zeros(n_code),
    "Wd": rng.normal(size=(n_code, 3)), "bd": np.zeros(3),
    "Wx": rng.normal(size=(3, n_pixels)), "bx": np.zeros(n_pixels),
}  # fmt: skip
X = rng.random((n, n_pixels))
eps = rng.normal(size=(n, n_code))


def encode(p, X):
    h = np.tanh(X @ p["We"] + p["be"])
    mu = h @ p["Wm"] + p["bm"]
    logvar = h @ p["Ws"] + p["bs"]
    return h, mu, logvar


def decode(p, z):
    hd = np.tanh(z @ p["Wd"] + p["bd"])
    logits = hd @ p["Wx"] + p["bx"]
    return hd, 1 / (1 + np.exp(-logits))


def elbo_loss(p, X, eps):
    _, mu, logvar = encode(p, X)
    z = mu + np.exp(0.5 * logvar) * eps
    _, x_hat = decode(p, z)
    reconstruction = -np.sum(X * np.log(x_hat) + (1 - X) * np.log(1 - x_hat))
    divergence = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    return (reconstruction + divergence) / len(X)


def elbo_grads(p, X, eps):
    n = len(X)
    h, mu, logvar = encode(p, X)
    sigma = np.exp(0.5 * logvar)
    z = mu + sigma * eps
    hd, x_hat = decode(p, z)

    # decoder
    dlogits = (x_hat - X) / n
    dWx, dbx = hd.T @ dlogits, dlogits.sum(axis=0)
    dhd = dlogits @ p["Wx"].T
    da = dhd * (1 - hd**2)
    dWd, dbd = z.T @ da, da.sum(axis=0)
    dz = da @ p["Wd"].T

    # the code: from the reconstruction, and from the divergence
    dmu = dz + mu / n
    dlogvar = 0.5 * dz * eps * sigma + 0.5 * (np.exp(logvar) - 1) / n

    # encoder
    dWm, dbm = h.T @ dmu, dmu.sum(axis=0)
    dWs, dbs = h.T @ dlogvar, dlogvar.sum(axis=0)
    dh = dmu @ p["Wm"].T + dlogvar @ p["Ws"].T
    de = dh * (1 - h**2)
    dWe, dbe = X.T @ de, de.sum(axis=0)

    return {"We": dWe, "be": dbe, "Wm": dWm, "bm": dbm, "Ws": dWs, "bs": dbs,
            "Wd": dWd, "bd": dbd, "Wx": dWx, "bx": dbx}  # fmt: skip
