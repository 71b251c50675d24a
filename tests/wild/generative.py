"""Autoencoders, a VAE, mixtures, a flow: several losses that meet, weights used twice."""

import numpy as np

from .fixture import Fixture


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# autoencoder with tied weights and a sparsity penalty; rows are samples


def sparse_autoencoder(W, b, c, X, rho=0.2, beta=0.5):
    m = X.shape[0]
    H = sigmoid(X.dot(W) + b)
    R = H.dot(W.T) + c
    rho_hat = H.mean(axis=0)
    kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
    cost = 0.5 * ((R - X) ** 2).sum() / m + beta * kl.sum()

    dR = (R - X) / m
    dH = dR.dot(W)
    dH += beta * (-rho / rho_hat + (1 - rho) / (1 - rho_hat)) / m
    dA = dH * H * (1 - H)
    dW = X.T.dot(dA)  # as encoder
    dW += dR.T.dot(H)  # as decoder
    return cost, {"W": dW, "b": dA.sum(axis=0), "c": dR.sum(axis=0)}


def arguments_tied(rng, sizes=(5, 4, 3)):
    m, d, h = sizes
    return rng.normal(size=(d, h)), rng.normal(size=h), rng.normal(size=d), rng.normal(size=(m, d))


def loss_tied(W, b, c, X):
    return sparse_autoencoder(W, b, c, X)[0]


def gradients_tied(W, b, c, X):
    return sparse_autoencoder(W, b, c, X)[1]


# plain autoencoder, columns, an unrolled vector of parameters


def unroll(theta, d, h):
    W1 = theta[0 : h * d].reshape(h, d)
    W2 = theta[h * d : 2 * h * d].reshape(d, h)
    b1 = theta[2 * h * d : 2 * h * d + h]
    b2 = theta[2 * h * d + h :]
    return W1, W2, b1, b2


def autoencoder_cost(theta, data, h, lam):
    d, m = data.shape
    W1, W2, b1, b2 = unroll(theta, d, h)
    a2 = sigmoid(W1.dot(data) + b1.reshape(-1, 1))
    a3 = sigmoid(W2.dot(a2) + np.tile(b2, (m, 1)).T)
    cost = np.sum((a3 - data) ** 2) / (2 * m) + lam / 2 * (np.sum(W1**2) + np.sum(W2**2))

    delta3 = (a3 - data) * a3 * (1 - a3)
    delta2 = W2.T.dot(delta3) * a2 * (1 - a2)
    W1grad = delta2.dot(data.T) / m + lam * W1
    W2grad = delta3.dot(a2.T) / m + lam * W2
    b1grad = np.sum(delta2, axis=1) / m
    b2grad = np.sum(delta3, axis=1) / m
    grad = np.concatenate((W1grad.flatten(), W2grad.ravel(), b1grad, b2grad))
    return cost, grad


def arguments_unrolled(rng, sizes=(4, 3, 5)):
    d, h, m = sizes
    return rng.normal(size=2 * d * h + d + h), rng.uniform(size=(d, m)), h, 0.01


def loss_unrolled(theta, data, h, lam):
    return autoencoder_cost(theta, data, h, lam)[0]


def gradients_unrolled(theta, data, h, lam):
    return autoencoder_cost(theta, data, h, lam)[1]


# variational autoencoder with the reparametrisation trick


class VAE:
    def __init__(self, D, H, Z, rng):
        def weight(i, o):
            return rng.normal(size=(i, o)) / np.sqrt(i)

        self.e_W0, self.e_b0 = weight(D, H), rng.normal(size=H)
        self.e_W_mu, self.e_b_mu = weight(H, Z), rng.normal(size=Z)
        self.e_W_logvar, self.e_b_logvar = weight(H, Z), rng.normal(size=Z)
        self.d_W0, self.d_b0 = weight(Z, H), rng.normal(size=H)
        self.d_W1, self.d_b1 = weight(H, D), rng.normal(size=D)

    def encoder(self, x):
        self.e_h0 = np.tanh(x.dot(self.e_W0) + self.e_b0)
        self.mu = self.e_h0.dot(self.e_W_mu) + self.e_b_mu
        self.logvar = self.e_h0.dot(self.e_W_logvar) + self.e_b_logvar
        self.rand_sample = np.random.standard_normal(size=self.mu.shape)
        self.sample_z = self.mu + np.exp(self.logvar * 0.5) * self.rand_sample
        return self.sample_z

    def decoder(self, z):
        self.d_l0 = z.dot(self.d_W0) + self.d_b0
        self.d_h0 = np.maximum(self.d_l0, 0)
        return sigmoid(self.d_h0.dot(self.d_W1) + self.d_b1)

    def loss(self, x):
        y = self.decoder(self.encoder(x))
        rec_loss = -np.sum(x * np.log(y) + (1 - x) * np.log(1 - y))
        kl = -0.5 * np.sum(1 + self.logvar - self.mu**2 - np.exp(self.logvar))
        return (rec_loss + kl) / len(x), y

    def backward(self, x, y):
        n = len(x)
        dL_l = (y - x) / n
        grad_d_W1 = np.matmul(self.d_h0.T, dL_l)
        grad_d_b1 = dL_l.sum(axis=0)
        dL_d_h0 = dL_l.dot(self.d_W1.T)
        dL_d_l0 = dL_d_h0 * np.where(self.d_l0 > 0, 1.0, 0.0)
        grad_d_W0 = np.matmul(self.sample_z.T, dL_d_l0)
        grad_d_b0 = dL_d_l0.sum(axis=0)
        dz = dL_d_l0.dot(self.d_W0.T)
        # reconstruction and KL meet here
        dmu = dz + self.mu / n
        dlogvar = dz * self.rand_sample * 0.5 * np.exp(self.logvar * 0.5)
        dlogvar += 0.5 * (np.exp(self.logvar) - 1) / n
        grad_W_mu, grad_b_mu = self.e_h0.T.dot(dmu), dmu.sum(axis=0)
        grad_W_logvar, grad_b_logvar = self.e_h0.T.dot(dlogvar), dlogvar.sum(axis=0)
        dh = dmu.dot(self.e_W_mu.T) + dlogvar.dot(self.e_W_logvar.T)
        da = dh * (1 - self.e_h0**2)
        grads = [x.T.dot(da), da.sum(axis=0), grad_W_mu, grad_b_mu, grad_W_logvar, grad_b_logvar]
        return grads + [grad_d_W0, grad_d_b0, grad_d_W1, grad_d_b1]


def arguments_vae(rng, sizes=(3, 5, 4, 2)):
    N, D, H, Z = sizes
    return VAE(D, H, Z, rng), rng.uniform(size=(N, D))


def loss_vae(vae, x):
    np.random.seed(0)
    return vae.loss(x)[0]


def gradients_vae(vae, x):
    np.random.seed(0)
    _, y = vae.loss(x)
    return vae.backward(x, y)


# mixture of Gaussians, log-sum-exp


def logsumexp(a, axis):
    m = a.max(axis=axis, keepdims=True)
    return np.squeeze(m + np.log(np.sum(np.exp(a - m), axis=axis, keepdims=True)), axis=axis)


def mixture_terms(logits, means, logsig, X):
    n, d = X.shape
    log_pi = logits - logsumexp(logits, 0)
    diff = X[:, np.newaxis, :] - means
    quad = np.sum(diff**2, axis=2) * np.exp(-2 * logsig)
    log_p = log_pi - 0.5 * quad - d * logsig - 0.5 * d * np.log(2 * np.pi)
    return log_pi, diff, quad, log_p


def arguments_mixture(rng, sizes=(5, 2, 3)):
    n, d, k = sizes
    return rng.normal(size=k), rng.normal(size=(k, d)), rng.normal(size=k) * 0.3, rng.normal(size=(n, d))


def loss_mixture(logits, means, logsig, X):
    return -np.mean(logsumexp(mixture_terms(logits, means, logsig, X)[-1], 1))


def gradients_mixture(logits, means, logsig, X):
    n, d = X.shape
    log_pi, diff, quad, log_p = mixture_terms(logits, means, logsig, X)
    resp = np.exp(log_p - logsumexp(log_p, 1)[:, None])
    d_logits = np.exp(log_pi) - resp.sum(axis=0) / n
    d_means = -np.einsum("nk,nkd->kd", resp, diff) * np.exp(-2 * logsig)[:, None] / n
    d_logsig = np.sum(resp * (d - quad), axis=0) / n
    return d_logits, d_means, d_logsig


# affine coupling flow: half of the features scales and shifts the other half


def coupling(x, Ws, Wt):
    half = x.shape[1] // 2
    x1, x2 = x[:, :half], x[:, half:]
    s = np.tanh(x1 @ Ws)
    t = x1 @ Wt
    y2 = x2 * np.exp(s) + t
    return np.concatenate([x1, y2], axis=1), s


def coupling_nll(x, Ws, Wt):
    z, s = coupling(x, Ws, Wt)
    return np.mean(0.5 * np.sum(z**2, axis=1) - np.sum(s, axis=1))


def coupling_backward(x, Ws, Wt):
    z, s = coupling(x, Ws, Wt)
    n = x.shape[0]
    half = x.shape[1] // 2
    dz = z / n
    dx = np.empty_like(x)
    dy2 = dz[:, half:]
    dx[:, half:] = dy2 * np.exp(s)
    ds = dy2 * x[:, half:] * np.exp(s) - 1.0 / n
    da = ds * (1 - s * s)
    dx[:, :half] = dz[:, :half] + da @ Ws.T + dy2 @ Wt.T
    return dx, x[:, :half].T @ da, x[:, :half].T @ dy2


def arguments_flow(rng, sizes=(5, 2)):
    n, half = sizes
    return rng.normal(size=(n, 2 * half)), rng.normal(size=(half, half)), rng.normal(size=(half, half))


def loss_flow(x, Ws, Wt):
    return coupling_nll(x, Ws, Wt)


def gradients_flow(x, Ws, Wt):
    return coupling_backward(x, Ws, Wt)


# mixture of experts: softmax gate over stacked experts


def experts(X, Wg, We):
    G = np.exp(X @ Wg)
    G /= G.sum(axis=1, keepdims=True)
    E = np.stack([np.tanh(X @ W) for W in We], axis=1)  # n, k, o
    return G, E, np.sum(G[:, :, None] * E, axis=1)


def experts_backward(X, Wg, We, dout):
    G, E, _ = experts(X, Wg, We)
    dG = (E * dout[:, None, :]).sum(axis=2)
    dlogit = G * (dG - (G * dG).sum(axis=1, keepdims=True))
    dWg = X.T @ dlogit
    dX = dlogit @ Wg.T
    dWe = []
    for k, W in enumerate(We):
        dA = G[:, k : k + 1] * dout * (1 - E[:, k] ** 2)
        dWe.append(X.T @ dA)
        dX = dX + dA @ W.T
    return dX, dWg, np.stack(dWe)


def arguments_experts(rng, sizes=(5, 3, 4, 2)):
    n, d, k, o = sizes
    return rng.normal(size=(n, d)), rng.normal(size=(d, k)), rng.normal(size=(k, d, o)), rng.normal(size=(n, o))


def loss_experts(X, Wg, We, dout):
    return np.sum(experts(X, Wg, We)[-1] * dout)


def gradients_experts(X, Wg, We, dout):
    return experts_backward(X, Wg, We, dout)


FIXTURES = [
    Fixture(
        name="sparse_autoencoder_tied",
        groups=(1, 2, 3, 4, 5, 11),
        arguments=arguments_tied,
        loss=loss_tied,
        gradients=gradients_tied,
        wrt=("0", "1", "2"),
        returned=("W", "b", "c"),
    ),
    Fixture(
        name="autoencoder_unrolled_theta",
        groups=(1, 2, 3, 4, 5, 8, 9, 15, 19),
        arguments=arguments_unrolled,
        loss=loss_unrolled,
        gradients=gradients_unrolled,
        wrt=("0",),
    ),
    Fixture(
        name="vae_reparametrised",
        groups=(1, 2, 3, 4, 5, 11, 20),
        arguments=arguments_vae,
        loss=loss_vae,
        gradients=gradients_vae,
        wrt=(
            "0.e_W0",
            "0.e_b0",
            "0.e_W_mu",
            "0.e_b_mu",
            "0.e_W_logvar",
            "0.e_b_logvar",
            "0.d_W0",
            "0.d_b0",
            "0.d_W1",
            "0.d_b1",
        ),
    ),
    Fixture(
        name="gaussian_mixture",
        groups=(1, 2, 4, 5, 8, 12),
        arguments=arguments_mixture,
        loss=loss_mixture,
        gradients=gradients_mixture,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="affine_coupling_flow",
        groups=(1, 2, 3, 4, 5, 6, 7, 9, 15),
        arguments=arguments_flow,
        loss=loss_flow,
        gradients=gradients_flow,
        wrt=("0", "1", "2"),
    ),
    Fixture(
        name="mixture_of_experts",
        groups=(1, 3, 4, 5, 8, 9, 15),
        arguments=arguments_experts,
        loss=loss_experts,
        gradients=gradients_experts,
        wrt=("0", "1", "2"),
    ),
]
