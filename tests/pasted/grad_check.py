# Is my backprop right? Compare against central differences.
import numpy as np

rng = np.random.default_rng(123)

sizes = [5, 7, 6, 3]
params = []
for n_in, n_out in zip(sizes[:-1], sizes[1:]):
    params.append(rng.standard_normal((n_in, n_out)) / np.sqrt(n_in))
    params.append(0.1 * rng.standard_normal(n_out))

X = rng.standard_normal((10, sizes[0]))
Y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], 10)]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_grad(x):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2)


def forward(params, X):
    acts, zs = [X], []
    for i in range(0, len(params), 2):
        z = acts[-1] @ params[i] + params[i + 1]
        zs.append(z)
        last = i + 2 == len(params)
        acts.append(z if last else gelu(z))
    return acts, zs


def compute_loss(params, X, Y):
    logits = forward(params, X)[0][-1]
    logits = logits - logits.max(1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -(Y * logp).sum() / len(X)


def backprop(params, X, Y):
    acts, zs = forward(params, X)
    p = np.exp(acts[-1] - acts[-1].max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    delta = (p - Y) / len(X)
    grads = [None] * len(params)
    for l in reversed(range(len(zs))):
        grads[2 * l] = acts[l].T @ delta
        grads[2 * l + 1] = delta.sum(0)
        if l > 0:
            delta = (delta @ params[2 * l].T) * gelu_grad(zs[l - 1])
    return grads


def numerical_gradient(params, X, Y, eps=1e-5):
    grads = []
    for p in params:
        g = np.zeros_like(p)
        for idx in np.ndindex(p.shape):
            old = p[idx]
            p[idx] = old + eps
            up = compute_loss(params, X, Y)
            p[idx] = old - eps
            down = compute_loss(params, X, Y)
            p[idx] = old
            g[idx] = (up - down) / (2 * eps)
        grads.append(g)
    return grads


analytic = backprop(params, X, Y)
numeric = numerical_gradient(params, X, Y)
for k, (a, n) in enumerate(zip(analytic, numeric)):
    rel = np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n))
    print(f"param {k} {a.shape}: relative error {rel:.2e}", "OK" if rel < 1e-6 else "WRONG")
