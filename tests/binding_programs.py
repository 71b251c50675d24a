"""Functions with every way in which people give a value a name, in code as they write it; and what each is run on."""

# The spelling is the point here: statements that share a line, names that say little.
# ruff: noqa: E702, E704, E731, B007, B905, C417, RUF059

from dataclasses import dataclass

import numpy as np

rng = np.random.default_rng(0)
W, V, b = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=(4, 1))
X, Y = rng.normal(size=(3, 5)), rng.normal(size=(2, 5))
y = np.array([0, 1, 1, 0, 1])


def alias(X):
    a = X
    a = a.T
    c = a
    return c @ X


def unpack(params, X):
    (W, b), V = params
    h = W @ X + b
    return V @ h


def starred(Ws, X):
    first, *rest = Ws
    h = first @ X
    for U in rest:
        h = U @ h
    return h


class Layer:
    def __init__(self, W):
        self.W = W
        self.grad = None
    def forward(self, x):
        self.x = x
        return self.W @ x
    def backward(self, d):
        self.grad = d @ self.x.T
        return self.W.T @ d


def attributes(W, X):
    layer = Layer(W)
    out = layer.forward(X)
    dx = layer.backward(out)
    return dx, layer.grad


def dicts(p, X, Y):
    cache = {"h": p["W"] @ X}
    cache["z"] = p["V"] @ cache["h"]
    grads = {}
    d = cache["z"] - Y
    grads["V"] = d @ cache["h"].T
    grads["W"] = (p["V"].T @ d) @ X.T
    for k in grads:
        grads[k] += 0.1 * p[k]
    return grads


def augmented(W, X):
    loss = 0.0
    g = np.zeros_like(W)
    h = W @ X
    h -= h.mean(axis=1, keepdims=True)
    h /= 5
    loss += np.sum(h * h)
    loss *= 0.5
    g += h @ X.T
    g[0] *= 2
    g[:, 1] -= 1
    return loss, g


def walrus(W, X):
    if (n := X.shape[1]) > 2 and (s := np.sum(h := W @ X)) is not None:
        return s / n
    return h


def comprehension(Ws, X):
    hs = [U @ X for U in Ws]
    return sum(np.sum(h * h) for h in hs)


def two(W, X):
    h = W @ X; z = h.T; s = z @ h
    return s


def lines(W, X, Y):
    z = (W @ X
         - Y[:1]  # a comment
         + 1)
    return np.sum(
        z
        * z
    )


def reshaped(X):
    flat = X.reshape(-1)
    flat[0] = 3.
    cube = flat.reshape(3, 1, 5)
    row = X[0]
    row += 1
    return cube * X[:, None, :]


def normalise(z):
    m = z.mean(axis=0)
    c = z - m
    return c / np.sqrt((c * c).mean(axis=0) + 1e-5)


def helpers(W, X):
    a = normalise(X)
    h = normalise(W @ a) * 2
    return h


def sig(z): return 1 / (1 + np.exp(-z))


def layer(W, x): return sig(W @ x)


def nested(W, V, X):
    return layer(V, layer(W, X))

square = lambda t: t * t


def lambdas(X):
    f = lambda u, k=2: k * square(u)
    return f(X).sum()


def recurrent(Wx, Wh, xs):
    h = np.zeros(Wh.shape[0]); hs = []
    for t in range(len(xs)):
        h = np.tanh(Wx @ xs[t] + Wh @ h)
        hs.append(h)
    dh = np.zeros_like(h); dWh = np.zeros_like(Wh)
    for t in reversed(range(len(xs))):
        dz = (dh + hs[t]) * (1 - hs[t] ** 2)
        dWh += np.outer(dz, hs[t - 1] if t else np.zeros_like(h))
        dh = Wh.T @ dz
    return dWh


def by_time(Wh, xs):
    hs = {-1: np.zeros(Wh.shape[0])}
    for t in range(len(xs)):
        hs[t] = np.tanh(xs[t] + Wh @ hs[t - 1])
    return hs[len(xs) - 1]


def zipped(X, Y):
    total = 0
    for n, (x, t) in enumerate(zip(X.T, Y.T)):
        total += (x @ x) * (t @ t)
    return total


def labels(W, X, y):
    s = (W @ X).T
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(y)), y]))
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    return loss, X @ d


def masks(X):
    d = X * 2
    d[X < 0] = 0
    e = np.where(X > 0, X, 0.1 * X)
    m = X > 0.5
    return d * m + e


def guarded(X):
    with np.errstate(divide="ignore"):
        r = 1 / X
    try:
        q = r @ X.T
    except ValueError:
        q = r
    return q


def forward(W, X):
    z = W @ X
    return z, np.tanh(z), (W, X)


def tuples(W, X):
    z, h, cache = forward(W, X)
    W2, X2 = cache
    return h @ X2.T, W2.T @ (1 - h ** 2)


def closures(W, X, scale=0.5):
    def inner(v, k=scale):
        return k * (W @ v)
    return inner(X).sum(axis=1)


def outs(X, Y):
    acc = np.zeros((3, 5))
    np.multiply(X, 2, out=acc)
    acc.clip(0, 1, out=acc)
    np.add.at(acc, (slice(None), [0, 0]), 1.)
    acc.sort(axis=1)
    return acc

@dataclass
class State:
    h: np.ndarray
    c: np.ndarray


def step(s, x):
    h = np.tanh(s.h + x)
    return State(h=h, c=s.c * h)


def dataclasses(X):
    s = State(X, X)
    s = step(s, X)
    s.c *= 2
    return s.h + s.c


def chained(X, Z):
    a = b = X + Z
    a, b = b * 2, a
    b += 1
    return a - b


def gates(a, c):
    H = c.shape[1]
    i, f, o, g = a[:, :H], a[:, H:2*H], a[:, 2*H:3*H], a[:, 3*H:]
    c2 = sig(f) * c + sig(i) * np.tanh(g)
    da = np.concatenate([i, f, o, g], axis=1)
    da[:, H:2*H] = c2
    return da, sig(o) * np.tanh(c2)


def ternary(X, train=True):
    h = X * 2 if train else X
    k = -h if not train else h ** 2
    return k


def whiles(X):
    n = 0
    h = X
    while n < 3:
        h = h / 2 + 1
        n += 1
    return h


def generators(Ws, X):
    outs = list(map(lambda U: U @ X, Ws))
    s = sum(o.sum() for o in outs)
    return s * outs[0]


def consts(X):
    mask = np.array([[1., 0, 1, 0, 1]])
    z = X * mask + np.array([1., 2., 3.])[:, None] + b[:3]
    z = z @ np.eye(5) * W[0, 0]
    return z
CASES = {
    "alias": (X,),
    "unpack": (((W, b), V), X),
    "starred": ([W, V, rng.normal(size=(2, 2))], X),
    "attributes": (W, X),
    "dicts": ({"W": W, "V": V}, X, Y),
    "augmented": (W, X),
    "walrus": (W, X),
    "comprehension": ([W, V[:, :3]], X),
    "two": (W, X),
    "lines": (W, X, Y),
    "reshaped": (X,),
    "helpers": (W, X),
    "nested": (W, V, X),
    "lambdas": (X,),
    "recurrent": (W, rng.normal(size=(4, 4)), X.T.copy()),
    "by_time": (rng.normal(size=(4, 4)), rng.normal(size=(3, 4))),
    "zipped": (X, Y),
    "labels": (V[:, :3], X, y),
    "masks": (X,),
    "guarded": (X,),
    "tuples": (W, X),
    "closures": (W, X),
    "outs": (X, Y),
    "dataclasses": (X,),
    "chained": (X, X * 2),
    "gates": (rng.normal(size=(5, 8)), rng.normal(size=(5, 2))),
    "ternary": (X,),
    "whiles": (X,),
    "generators": ([W, V[:, :3]], X),
    "consts": (X,),
}
