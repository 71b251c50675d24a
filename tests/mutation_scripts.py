"""Correct hand-written backpropagation of several manners, as source text that a generator edits."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Script:
    """A script with `build(rng, sizes)`, `loss(*arguments)` and `gradients(*arguments)`.

    `wrt` are paths into the arguments, one for each gradient; `edited` the functions whose lines are edited. `equal`
    and `distinct` are sizes at which it runs.
    """

    name: str
    source: str
    wrt: tuple[tuple[object, ...], ...]
    edited: tuple[str, ...]
    equal: tuple[int, ...]
    distinct: tuple[int, ...]


COLUMNS = '''\
import numpy as np


def build(rng, sizes):
    n_in, n_one, n_two, n_out, n_samples = sizes
    W1 = rng.normal(size=(n_one, n_in))
    b1 = rng.normal(size=n_one)
    W2 = rng.normal(size=(n_two, n_one))
    b2 = rng.normal(size=n_two)
    W3 = rng.normal(size=(n_out, n_two))
    b3 = rng.normal(size=n_out)
    return [W1, b1, W2, b2, W3, b3], rng.normal(size=(n_in, n_samples)), rng.normal(size=(n_out, n_samples))


def squash(z):
    return 1 / (1 + np.exp(-z))


def cost(guess, truth):
    return np.mean(0.5 * np.linalg.norm(guess - truth, axis=0) ** 2)


def deriv_cost(guess, truth):
    return (guess - truth) / truth.shape[-1]


def run(theta, X):
    W1, b1, W2, b2, W3, b3 = theta
    one = squash(W1 @ X + b1[:, np.newaxis])
    two = squash(W2 @ one + b2[:, np.newaxis])
    guess = W3 @ two + b3[:, np.newaxis]
    return [X, one, two, guess]


def back(values, truth, theta):
    X, one, two, guess = values
    W1, b1, W2, b2, W3, b3 = theta
    n = X.shape[-1]
    d_guess = deriv_cost(guess, truth)
    d_b3 = np.dot(d_guess, np.ones((n,)))
    d_W3 = np.dot(d_guess, two.T)
    d_two = np.dot(W3.T, d_guess) * two * (1 - two)
    d_b2 = np.dot(d_two, np.ones((n,)))
    d_W2 = np.dot(d_two, one.T)
    d_one = np.dot(W2.T, d_two) * one * (1 - one)
    d_b1 = np.dot(d_one, np.ones((n,)))
    d_W1 = np.dot(d_one, X.T)
    return [d_W1, d_b1, d_W2, d_b2, d_W3, d_b3]


def loss(theta, X, Y):
    return cost(run(theta, X)[-1], Y)


def gradients(theta, X, Y):
    return back(run(theta, X), Y, theta)
'''

ROWS = '''\
import numpy as np


def build(rng, sizes):
    n_samples, n_in, n_hidden, n_out = sizes
    W1, b1 = rng.normal(size=(n_in, n_hidden)), rng.normal(size=n_hidden)
    W2, b2 = rng.normal(size=(n_hidden, n_hidden)), rng.normal(size=n_hidden)
    W3, b3 = rng.normal(size=(n_hidden, n_out)), rng.normal(size=n_out)
    return (W1, b1, W2, b2, W3, b3, rng.normal(size=(n_samples, n_in)), rng.normal(size=(n_samples, n_out)))


def forward(W1, b1, W2, b2, W3, b3, X):
    z1 = X @ W1 + b1
    h1 = np.tanh(z1)
    z2 = h1 @ W2 + b2
    h2 = np.maximum(z2, 0)
    return z1, h1, z2, h2, h2 @ W3 + b3


def loss(W1, b1, W2, b2, W3, b3, X, Y):
    out = forward(W1, b1, W2, b2, W3, b3, X)[-1]
    return 0.5 * np.sum((out - Y) ** 2) / X.shape[0] + 0.05 * np.sum(W3**2)


def gradients(W1, b1, W2, b2, W3, b3, X, Y):
    z1, h1, z2, h2, out = forward(W1, b1, W2, b2, W3, b3, X)
    N = X.shape[0]
    dout = (out - Y) / N
    dW3 = h2.T @ dout + 0.1 * W3
    db3 = dout.sum(axis=0)
    dh2 = dout @ W3.T
    dz2 = dh2 * (z2 > 0)
    dW2 = h1.T @ dz2
    db2 = np.sum(dz2, axis=0)
    dh1 = dz2 @ W2.T
    dz1 = dh1 * (1 - h1**2)
    dW1 = X.T @ dz1
    db1 = np.sum(dz1, axis=0)
    return dW1, db1, dW2, db2, dW3, db3
'''

CLASS = '''\
import numpy as np


class Dense:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


class Sigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        return dy * self.y * (1 - self.y)


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        slope = 1 - self.y**2
        return dy * slope


def build(rng, sizes):
    n_samples, n_in, n_one, n_two, n_out = sizes
    layers = [(n_in, n_one), (n_one, n_two), (n_two, n_out)]
    parameters = [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in layers]
    return parameters, rng.normal(size=(n_samples, n_in)), rng.normal(size=(n_samples, n_out))


def network(parameters):
    first, second, third = (Dense(W, b) for W, b in parameters)
    return [first, Sigmoid(), second, Tanh(), third]


def run(net, X):
    for layer in net:
        X = layer.forward(X)
    return X


def loss(parameters, X, Y):
    return np.sum((run(network(parameters), X) - Y) ** 2) / (2 * len(X))


def gradients(parameters, X, Y):
    net = network(parameters)
    d = (run(net, X) - Y) / X.shape[0]
    for layer in net[::-1]:
        d = layer.backward(d)
    return [(layer.dW, layer.db) for layer in net[::2]]
'''

BATCH_NORM = '''\
import numpy as np


def build(rng, sizes):
    n_samples, n_in, n_hidden, n_out = sizes
    W1, gamma, beta = rng.normal(size=(n_in, n_hidden)), rng.uniform(0.5, 2, size=n_hidden), rng.normal(size=n_hidden)
    W2, b2 = rng.normal(size=(n_hidden, n_out)), rng.normal(size=n_out)
    return (W1, gamma, beta, W2, b2, rng.normal(size=(n_samples, n_in)), rng.normal(size=(n_samples, n_out)))


def forward(W1, gamma, beta, W2, b2, X):
    a = X @ W1
    mu = a.mean(axis=0)
    centred = a - mu
    var = np.mean(centred**2, axis=0)
    std = np.sqrt(var + 1e-5)
    xhat = centred / std
    y = gamma * xhat + beta
    h = np.tanh(y)
    return a, centred, std, xhat, y, h, h @ W2 + b2


def loss(W1, gamma, beta, W2, b2, X, Y):
    return 0.5 * np.sum((forward(W1, gamma, beta, W2, b2, X)[-1] - Y) ** 2)


def gradients(W1, gamma, beta, W2, b2, X, Y):
    a, centred, std, xhat, y, h, out = forward(W1, gamma, beta, W2, b2, X)
    N = X.shape[0]
    dout = out - Y
    dW2 = h.T @ dout
    db2 = dout.sum(axis=0)
    dh = dout @ W2.T
    dy = dh * (1 - h**2)
    dgamma = np.sum(dy * xhat, axis=0)
    dbeta = np.sum(dy, axis=0)
    dxhat = dy * gamma
    dvar = np.sum(dxhat * centred, axis=0) * -0.5 / std**3
    dmu = -np.sum(dxhat, axis=0) / std
    da = dxhat / std + dvar * 2 * centred / N + dmu / N
    dW1 = X.T @ da
    return dW1, dgamma, dbeta, dW2, db2
'''

SOFTMAX = '''\
import numpy as np


def build(rng, sizes):
    n_samples, n_in, n_hidden, n_classes = sizes
    W1, b1 = rng.normal(size=(n_in, n_hidden)), rng.normal(size=n_hidden)
    W2, b2 = rng.normal(size=(n_hidden, n_classes)), rng.normal(size=n_classes)
    return W1, b1, W2, b2, rng.normal(size=(n_samples, n_in)), rng.integers(0, n_classes, size=n_samples)


def forward(W1, b1, W2, b2, X):
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return hidden, e / np.sum(e, axis=1, keepdims=True)


def loss(W1, b1, W2, b2, X, y):
    hidden, probs = forward(W1, b1, W2, b2, X)
    return -np.mean(np.log(probs[np.arange(X.shape[0]), y])) + 0.5 * 0.2 * np.sum(W1 * W1)


def gradients(W1, b1, W2, b2, X, y):
    hidden, probs = forward(W1, b1, W2, b2, X)
    N = X.shape[0]
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dW2 = hidden.T.dot(dscores)
    db2 = dscores.sum(axis=0)
    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0
    dW1 = X.T.dot(dhidden)
    dW1 += 0.2 * W1
    db1 = dhidden.sum(axis=0)
    return dW1, db1, dW2, db2
'''

LSTM = '''\
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def build(rng, sizes):
    n_samples, n_in, n_hidden = sizes
    gates = [rng.normal(size=(n_in + n_hidden, n_hidden)) for _ in range(4)]
    x, h, c = (rng.normal(size=(n_samples, n)) for n in (n_in, n_hidden, n_hidden))
    dh, dc = (rng.normal(size=(n_samples, n_hidden)) for _ in range(2))
    return (*gates, x, h, c, dh, dc)


def step(Wf, Wi, Wo, Wg, x, h, c):
    xh = np.concatenate([x, h], axis=1)
    f = sigmoid(xh @ Wf)
    i = sigmoid(xh @ Wi)
    o = sigmoid(xh @ Wo)
    g = np.tanh(xh @ Wg)
    c_next = f * c + i * g
    t = np.tanh(c_next)
    return xh, f, i, o, g, c_next, t, o * t


def loss(Wf, Wi, Wo, Wg, x, h, c, dh, dc):
    values = step(Wf, Wi, Wo, Wg, x, h, c)
    return np.sum(values[-1] * dh) + np.sum(values[5] * dc)


def gradients(Wf, Wi, Wo, Wg, x, h, c, dh, dc):
    xh, f, i, o, g, c_next, t, h_next = step(Wf, Wi, Wo, Wg, x, h, c)
    do = dh * t
    dc_next = dc + dh * o * (1 - t**2)
    df = dc_next * c
    di = dc_next * g
    dg = dc_next * i
    dzf = df * f * (1 - f)
    dzi = di * i * (1 - i)
    dzo = do * o * (1 - o)
    dzg = dg * (1 - g**2)
    dWf = xh.T @ dzf
    dWi = xh.T @ dzi
    dWo = xh.T @ dzo
    dWg = xh.T @ dzg
    dc_prev = dc_next * f
    return dWf, dWi, dWo, dWg, dc_prev
'''

ATTENTION = '''\
import numpy as np


def build(rng, sizes):
    n_words, n_in, n_key, n_value = sizes
    shapes = [(n_in, n_key), (n_in, n_key), (n_in, n_value), (n_value, n_in)]
    weights = [rng.normal(size=shape) for shape in shapes]
    return (*weights, rng.normal(size=(n_words, n_in)), rng.normal(size=(n_words, n_in)))


def forward(Wq, Wk, Wv, Wo, X):
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    A = E / E.sum(axis=1, keepdims=True)
    Z = A @ V
    return Q, K, V, A, Z, Z @ Wo


def loss(Wq, Wk, Wv, Wo, X, Y):
    return 0.5 * np.sum((forward(Wq, Wk, Wv, Wo, X)[-1] - Y) ** 2)


def gradients(Wq, Wk, Wv, Wo, X, Y):
    Q, K, V, A, Z, out = forward(Wq, Wk, Wv, Wo, X)
    dout = out - Y
    dWo = Z.T @ dout
    dZ = dout @ Wo.T
    dA = dZ @ V.T
    dV = A.T @ dZ
    dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))
    dS = dS / np.sqrt(K.shape[1])
    dQ = dS @ K
    dK = dS.T @ Q
    dWq = X.T @ dQ
    dWk = X.T @ dK
    dWv = X.T @ dV
    return dWq, dWk, dWv, dWo
'''


def arguments(count: int) -> tuple[tuple[object, ...], ...]:
    """The first arguments, each an array."""
    return tuple((n,) for n in range(count))


SCRIPTS = [
    Script("columns", COLUMNS, tuple((0, n) for n in range(6)), ("deriv_cost", "back"), (4,) * 5, (3, 5, 6, 2, 4)),
    Script("rows", ROWS, arguments(6), ("gradients",), (4,) * 4, (5, 3, 6, 4)),
    Script("class", CLASS, tuple((0, n, k) for n in range(3) for k in range(2)), ("backward", "gradients"),
           (4,) * 5, (5, 3, 6, 7, 4)),
    Script("batch norm", BATCH_NORM, arguments(5), ("gradients",), (4,) * 4, (6, 3, 5, 4)),
    Script("softmax", SOFTMAX, arguments(4), ("gradients",), (4,) * 4, (6, 3, 5, 4)),
    Script("lstm", LSTM, (*arguments(4), (6,)), ("gradients",), (4,) * 3, (5, 3, 4)),
    Script("attention", ATTENTION, arguments(4), ("gradients",), (4,) * 4, (5, 6, 3, 4)),
]  # fmt: skip


AROUND_THE_EXERCISE = '''

def build(rng, sizes):
    i, j, k, l, b = sizes
    shapes = [(j, i), (j,), (k, j), (k,), (l, k), (l,)]
    return [rng.normal(size=shape) for shape in shapes], rng.random((i, b)), rng.normal(size=(l, b))


def loss(parameters, X, Y):
    return squared_loss(forward(parameters, X)[-1], Y)


def gradients(parameters, X, Y):
    return backward(forward(parameters, X), Y, parameters)
'''


def exercise(path: Path) -> Script:
    """The script that the project was born from, where it is at hand: its functions, without what runs at its end."""
    text = path.read_text(encoding="utf-8")
    functions = text[: text.index("\nparameters, X, Y = ")]
    paths = tuple((0, n) for n in range(6))
    edited = ("deriv_squared_loss", "backward")
    return Script("exercise", functions + AROUND_THE_EXERCISE, paths, edited, (4,) * 5, (3, 5, 6, 2, 4))
