"""Gradient of the Gaussian mixture log likelihood (diagonal covariances)."""
import numpy as np
from scipy.special import logsumexp


def _log_joint(X, logits, mu, log_sigma):
    log_pi = logits - logsumexp(logits)
    z = (X[:, None, :] - mu[None]) / np.exp(log_sigma)[None]
    log_norm = -0.5 * X.shape[1] * np.log(2 * np.pi) - log_sigma.sum(axis=1)
    return log_pi + log_norm - 0.5 * np.sum(z ** 2, axis=2)


def log_likelihood(X, logits, mu, log_sigma):
    """
    Log likelihood of the data under the mixture.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Observations.
    logits : ndarray of shape (n_components,)
        Unnormalised log mixing weights.
    mu : ndarray of shape (n_components, n_features)
        Component means.
    log_sigma : ndarray of shape (n_components, n_features)
        Logarithm of the standard deviations.

    Returns
    -------
    ll : float
        Sum of the log densities over the samples.
    """
    return logsumexp(_log_joint(X, logits, mu, log_sigma), axis=1).sum()


def log_likelihood_grad(X, logits, mu, log_sigma):
    """
    Gradient of `log_likelihood` with respect to the parameters.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    logits : ndarray of shape (n_components,)
    mu : ndarray of shape (n_components, n_features)
    log_sigma : ndarray of shape (n_components, n_features)

    Returns
    -------
    g_logits : ndarray of shape (n_components,)
    g_mu : ndarray of shape (n_components, n_features)
    g_log_sigma : ndarray of shape (n_components, n_features)
    """
    lj = _log_joint(X, logits, mu, log_sigma)
    resp = np.exp(lj - logsumexp(lj, axis=1, keepdims=True))  # responsibilities
    nk = resp.sum(axis=0)
    pi = np.exp(logits - logsumexp(logits))
    diff = X[:, None, :] - mu[None]
    inv_var = np.exp(-2 * log_sigma)

    g_logits = nk - X.shape[0] * pi
    g_mu = inv_var * np.einsum("nk,nkd->kd", resp, diff)
    g_log_sigma = inv_var * np.einsum("nk,nkd->kd", resp, diff ** 2) - nk[:, None]
    return g_logits, g_mu, g_log_sigma
