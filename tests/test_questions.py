"""Whole scripts, each in a style of its own, that are asked about without an option: what is right is called right, and
one mistake is found on its line."""

import inspect
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from library import line_of

from einbackprop.checking.reports import Report
from einbackprop.errors import ScriptError
from einbackprop.shell.answers import outcomes
from einbackprop.shell.derivations import derive_script
from einbackprop.shell.scripts import check_script

IN_GLOBALS = """
import numpy as np

rng = np.random.default_rng(0)
H = 5
A, B, a = rng.normal(size=(3, H)), rng.normal(size=(H, H)), np.zeros(H); u, c = rng.normal(size=(H, 1)), np.zeros(1)


def forward(x, mask):
    global hs, prob
    hs = [np.zeros((x.shape[1], H))]
    for t in range(len(x)):
        new = np.tanh(x[t] @ A + hs[-1] @ B + a)
        hs.append(mask[t] * new + (1 - mask[t]) * hs[-1])
    prob = 1 / (1 + np.exp(-(hs[-1] @ u + c)))


def backward(x, mask, y):
    global gA, gB, ga, gu, gc
    gA, gB, ga = np.zeros_like(A), np.zeros_like(B), np.zeros_like(a)
    delta = (prob - y) / len(y)
    gu = hs[-1].T @ delta; gc = delta.sum(0)
    dh = delta @ u.T
    for t in range(len(x) - 1, -1, -1):
        new = np.tanh(x[t] @ A + hs[t] @ B + a)
        dz = dh * mask[t] * (1 - new ** 2)
        gA += x[t].T @ dz; gB += hs[t].T @ dz; ga += dz.sum(0)
        dh = dh * (1 - mask[t]) + dz @ B.T


squares = [0.0] * 5


def update():
    ps, gs = [A, B, a, u, c], [gA, gB, ga, gu, gc]
    for i in range(5):
        squares[i] = 0.9 * squares[i] + 0.1 * gs[i] ** 2
        ps[i] -= 0.01 * gs[i] / (np.sqrt(squares[i]) + 1e-6)


X, M = rng.normal(size=(4, 12, 3)), (rng.random((4, 12, 1)) < 0.8) * 1.0
Y = rng.integers(0, 2, (12, 1)) * 1.0
for epoch in range(3):
    order = rng.permutation(12)
    for k in range(0, 12, 6):
        sel = order[k:k + 6]
        forward(X[:, sel], M[:, sel])
        backward(X[:, sel], M[:, sel], Y[sel])
        update()
"""
OF_SOME = """
import numpy as np

np.random.seed(5)
n = 14
A = np.random.rand(n, n)
A = A / A.sum(1, keepdims=True)
X, kind = np.random.randn(n, 4), np.random.randint(0, 3, n)
goal, known = np.eye(3)[kind], (np.arange(n)[:, None] % 3 > 0) * 1.0
count = known.sum()
P, Q, q = np.random.randn(4, 6), np.random.randn(6, 3), np.zeros((1, 3))
vP = vQ = vq = 0
pas, lam = 0.15, 1e-2
tour = 0
while tour < 4:
    tour += 1
    H = A @ X @ P
    E = np.where(H > 0, H, np.exp(np.minimum(H, 0)) - 1)
    O = A @ (E @ Q) + q
    Y = np.exp(O - O.max(1, keepdims=True))
    Y /= Y.sum(1, keepdims=True)
    dO = (Y - goal) * known / count
    dq = dO.sum(0, keepdims=True)
    back = A.T @ dO
    dQ = E.T @ back + lam * Q
    dH = (back @ Q.T) * np.where(H > 0, 1, E + 1)
    dP = (A @ X).T @ dH + lam * P
    vP = 0.9 * vP - pas * dP; P = P + vP
    vQ = 0.9 * vQ - pas * dQ; Q = Q + vQ
    vq = 0.9 * vq - pas * dq; q = q + vq
"""
TWO_TERMS = """
import numpy as np


def step(w, x, noise, beta):
    n = len(x)
    h = np.tanh(x @ w["E"])
    mu, lv = h @ w["M"], h @ w["S"]
    dev = np.exp(0.5 * lv)
    z = mu + dev * noise
    off = z @ w["D"] - x
    rec = 0.5 * (off ** 2).sum() / n
    kl = 0.5 * (np.exp(lv) + mu ** 2 - 1 - lv).sum() / n
    g = {"D": z.T @ off / n}
    dz = off @ w["D"].T / n
    dmu = dz + beta * mu / n
    dlv = dz * noise * 0.5 * dev + beta * 0.5 * (np.exp(lv) - 1) / n
    g["M"], g["S"] = h.T @ dmu, h.T @ dlv
    g["E"] = x.T @ ((dmu @ w["M"].T + dlv @ w["S"].T) * (1 - h ** 2))
    return rec, kl, g


rng = np.random.default_rng(3)
x = rng.normal(size=(15, 5))
w = {"E": rng.normal(size=(5, 7)), "M": rng.normal(size=(7, 2)), "S": 0.1 * rng.normal(size=(7, 2)),
     "D": rng.normal(size=(2, 5))}
beta, noise = 0.3, rng.normal(size=(15, 2))
for _ in range(3):
    rec, kl, g = step(w, x, noise, beta)
    for key in w:
        w[key] -= 0.01 * g[key]
"""
BESIDE = """
import numpy as np

rng = np.random.default_rng(0)


def net_cost(theta, X, Y):
    W, b = theta[:6].reshape(3, 2), theta[6:].reshape(1, 2)
    S = np.exp(X @ W + b)
    P = S / S.sum(1, keepdims=True)
    cost = -(Y * np.log(P)).sum() / len(X)
    d = (P - Y) / len(X)
    grad = np.concatenate([(X.T @ d).ravel(), d.sum(0)])
    return cost, grad, P


X, Y = rng.normal(size=(7, 3)), np.eye(2)[rng.integers(0, 2, 7)]
theta = rng.normal(size=8)
for i in range(5):
    J, grad, P = net_cost(theta, X, Y)
    theta = theta - 0.1 * grad
"""
ONE_SAMPLE = """
import numpy as np


def s(z):
    return 1.0 / (1.0 + np.exp(-z))


class Red:
    def __init__(self, sizes, lmbda):
        self.lmbda = lmbda
        self.sesgos = [np.random.randn(y, 1) for y in sizes[1:]]
        self.pesos = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def propagar(self, a):
        for b, w in zip(self.sesgos, self.pesos):
            a = s(np.dot(w, a) + b)
        return a

    def actualizar(self, lote, eta, n):
        nabla_b = [np.zeros(b.shape) for b in self.sesgos]
        nabla_w = [np.zeros(w.shape) for w in self.pesos]
        for x, y in lote:
            d_b, d_w = self.backprop(x, y)
            nabla_b = [nb + db for nb, db in zip(nabla_b, d_b)]
            nabla_w = [nw + dw for nw, dw in zip(nabla_w, d_w)]
        self.pesos = [(1 - eta * self.lmbda / n) * w - (eta / len(lote)) * nw for w, nw in zip(self.pesos, nabla_w)]
        self.sesgos = [b - (eta / len(lote)) * nb for b, nb in zip(self.sesgos, nabla_b)]

    def backprop(self, x, y):
        h = s(np.dot(self.pesos[0], x) + self.sesgos[0])
        out = s(np.dot(self.pesos[1], h) + self.sesgos[1])
        last = out - y
        first = np.dot(self.pesos[1].T, last) * h * (1 - h)
        return [first, last], [np.dot(first, x.T), np.dot(last, h.T)]

    def costo(self, datos):
        c = 0.0
        for x, y in datos:
            a = self.propagar(x)
            c += np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))
        return c / len(datos) + 0.5 * (self.lmbda / len(datos)) * sum(np.linalg.norm(w) ** 2 for w in self.pesos)


def hacer_datos(n):
    return [(np.random.randn(2, 1), np.eye(3)[:, [k % 3]]) for k in range(n)]


np.random.seed(1)
datos = hacer_datos(8)
red = Red([2, 4, 3], 0.05)
for k in range(0, 8, 4):
    red.actualizar(datos[k:k + 4], 0.5, 8)
print(red.costo(datos))
"""
RENEWED = """
from itertools import islice

import numpy as np


def perte(valeurs, x, y):
    W, b, V = valeurs
    return np.mean(np.logaddexp(0, -y * (np.tanh(x @ W + b) @ V)))


def pas(valeurs, lot, taux=0.2):
    (W, b, V), (x, y) = valeurs, lot
    h = np.tanh(x @ W + b)
    e = -y / (1 + np.exp(y * (h @ V))) / y.size
    d = (e @ V.T) * (1 - h ** 2)
    return (W - taux * x.T @ d, b - taux * d.sum(0), V - taux * h.T @ e), perte(valeurs, x, y)


def flux(rng):
    while True:
        yield rng.normal(size=(9, 4)), np.sign(rng.normal(size=(9, 2)))


def principal():
    rng = np.random.default_rng(5)
    valeurs = (rng.normal(size=(4, 3)), np.zeros(3), rng.normal(size=(3, 2)))
    lots = flux(rng)
    for bloc in range(2):
        for lot in islice(lots, 3):
            valeurs, p = pas(valeurs, lot)


principal()
"""
ASCENT = """
import numpy as np

rng = np.random.default_rng(8)
X = rng.normal(size=(40, 3))
y = np.searchsorted([-1.0, 0.2, 1.0], X @ [0.5, -1.0, 0.3] + rng.logistic(size=40))


def s(q):
    return 1.0 / (1.0 + np.exp(-q))


def quality(tau, beta):
    cum = s(np.cumsum(np.concatenate([tau[:1], np.exp(tau[1:])])) - (X @ beta)[:, None])
    cum = np.hstack([np.zeros((len(X), 1)), cum, np.ones((len(X), 1))])
    return np.mean(np.log(np.diff(cum, axis=1)[np.arange(len(y)), y]))


def score(tau, beta):
    n = len(y)
    cum = s(np.cumsum(np.concatenate([tau[:1], np.exp(tau[1:])])) - (X @ beta)[:, None])
    dens = np.hstack([np.zeros((n, 1)), cum * (1 - cum), np.zeros((n, 1))])
    cum = np.hstack([np.zeros((n, 1)), cum, np.ones((n, 1))])
    p = np.diff(cum, axis=1)[np.arange(n), y]
    up, lo = dens[np.arange(n), y + 1] / p, dens[np.arange(n), y] / p
    s_beta = X.T @ (lo - up) / n
    s_theta = np.array([(up[y == k].sum() - lo[y == k + 1].sum()) / n for k in range(len(tau))])
    s_tau = np.cumsum(s_theta[::-1])[::-1].copy()
    s_tau[1:] *= np.exp(tau[1:])
    return s_tau, s_beta


def fit(step=0.5):
    tau, beta = np.array([-1.0, 0.0, 0.0]), np.zeros(3)
    for it in range(5):
        s_tau, s_beta = score(tau, beta)
        tau = tau + step * s_tau
        beta = beta + step * s_beta
        q = quality(tau, beta)
    return tau, beta


tau, beta = fit()
"""
ALL_WRONG = """
import numpy as np

rng = np.random.default_rng(2)
M = 32
x, tau = np.linspace(0.0, 2.0, M)[None], np.array([[0.1], [0.5], [0.9]])
y = np.sin(x) + rng.normal(size=x.shape)
W1, b1, W2, b2 = rng.normal(size=(6, 1)), np.zeros((6, 1)), rng.normal(size=(3, 6)), np.zeros((3, 1))
weights = [W1, b1, W2, b2]
m, v = [np.zeros_like(g) for g in weights], [np.zeros_like(g) for g in weights]
rate, total, t = 0.01, 0.0, 0
for epoch in range(2):
    for start in range(0, M, 16):
        t += 1
        xb, yb = x[:, start:start + 16], y[:, start:start + 16]
        h = np.tanh(W1 @ xb + b1)
        o = W2 @ h + b2
        q = np.stack([o[0], o[0] + np.log1p(np.exp(o[1])), o[0] + np.log1p(np.exp(o[1])) + np.log1p(np.exp(o[2]))])
        off = yb - q
        verlust = np.maximum(tau * off, (tau - 1) * off).sum() / 16
        total += verlust
        dq = ((off < 0) - tau) / 16
        do = np.empty_like(o)
        do[0] = dq[0] + dq[1] + dq[2]
        do[1] = (dq[1] + dq[2]) / (1 + np.exp(-o[1]))
        do[2] = dq[2] / (1 + np.exp(-o[2]))
        dW2, db2 = do @ h.T, do.sum(axis=1, keepdims=True)
        dz = (W2.T @ do) * (1 - h ** 2)
        dW1, db1 = dz @ xb.T, dz.sum(axis=1, keepdims=True)
        for i, g in enumerate([dW1, db1, dW2, db2]):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            weights[i] -= rate * (m[i] / (1 - 0.9 ** t)) / (np.sqrt(v[i] / (1 - 0.999 ** t)) + 1e-8)
"""
NAMED_SIZE = """
import numpy as np

rng = np.random.default_rng(2)
M, K = 32, 6
x = np.linspace(0.0, 3.0, M)[:, None]
w, b, v = rng.normal(size=K), rng.normal(size=K), rng.normal(size=K)
for it in range(4):
    t = np.tanh(x * w + b)
    res = t @ v - np.sin(x[:, 0])
    L = np.mean(res ** 2)
    r = 2.0 * res / M
    back = r[:, None] * v * (1 - t ** 2)
    gw, gb, gv = (back * x).sum(0), back.sum(0), t.T @ r
    w -= 0.1 * gw
    b -= 0.1 * gb
    v -= 0.1 * gv
"""
INLINE_TARGETS = """
import numpy as np

rng = np.random.default_rng(11)


class Dense:
    def __init__(self, a, b):
        self.w, self.b = rng.normal(size=(a, b)), np.zeros(b)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dy):
        self.dw, self.db = self.x.T @ dy, dy.sum(0)
        return dy @ self.w.T


class Relu:
    def forward(self, x):
        self.on = x > 0
        return x * self.on

    def backward(self, dy):
        return dy * self.on


def train(net, x, t, lr=0.05, mu=0.9):
    learn = [l for l in net if hasattr(l, "w")]
    vel = [[np.zeros_like(l.w), np.zeros_like(l.b)] for l in learn]
    for ep in range(2):
        order = rng.permutation(len(x))
        for s in range(0, len(x), 8):
            sel = order[s:s + 8]
            out = x[sel]
            for l in net:
                out = l.forward(out)
            pr = np.exp(out - out.max(1, keepdims=True))
            pr /= pr.sum(1, keepdims=True)
            d = (pr - np.eye(3)[t[sel]]) / len(sel)
            for l in reversed(net):
                d = l.backward(d)
            for l, v in zip(learn, vel):
                v[0] = mu * v[0] - lr * l.dw; v[1] = mu * v[1] - lr * l.db
                l.w += v[0]
                l.b += v[1]


if __name__ == "__main__":
    x, t = rng.normal(size=(24, 4)), rng.integers(0, 3, 24)
    net = [Dense(4, 6), Relu(), Dense(6, 3)]
    train(net, x, t)
"""
MISFIT = """
import numpy as np

rng = np.random.default_rng(7)


def simulate(th, n=9):
    ys = [np.array([1.0, 0.5])]
    for _ in range(n):
        ys.append(ys[-1] + 0.1 * np.tanh(th @ ys[-1]))
    return np.array(ys)


def misfit(ys, data):
    r = ys[3::3] - data
    small = np.abs(r) < 0.3
    cost = np.where(small, 0.5 * r ** 2, 0.3 * (np.abs(r) - 0.15)).sum()
    return cost, np.clip(r, -0.3, 0.3)


def adjoint(th, ys, dr):
    g, lam = np.zeros_like(th), np.zeros(2)
    for n in range(len(ys) - 1, 0, -1):
        if n % 3 == 0:
            lam = lam + dr[n // 3 - 1]
        d = 0.1 * lam * (1 - np.tanh(th @ ys[n - 1]) ** 2)
        g += np.outer(d, ys[n - 1])
        lam = lam + th.T @ d
    return g


data = simulate(np.array([[0.2, -1.0], [1.0, 0.1]]))[3::3] + 0.01 * rng.normal(size=(3, 2))
th = rng.normal(size=(2, 2))
for it in range(4):
    ys = simulate(th)
    cost, dr = misfit(ys, data)
    th -= 0.1 * adjoint(th, ys, dr)
"""


class Case(NamedTuple):
    """A right script, what of it is asked, one mistake, and what is to be written on its line; None for anything."""

    script: str
    of: int
    right: str
    wrong: str
    write: str | None


IMPLICIT = """
import numpy as np

alea = np.random.RandomState(2024)
gamma, lam_b, lam_f = 0.02, 0.02, 0.05
notes = [(u, i, 3 + alea.randn()) for u in range(12) for i in range(9) if alea.rand() < 0.5]
N = [[i for v, i, _ in notes if v == u] for u in range(12)]
norme = [max(1, len(n)) ** -0.5 for n in N]
mu = np.mean([r for _, _, r in notes])
bu, bi = np.zeros(12), np.zeros(9)
P, Q, Y = 0.3 * alea.randn(12, 4), 0.3 * alea.randn(9, 4), 0.3 * alea.randn(9, 4)


def profil(u):
    return P[u] + norme[u] * Y[N[u]].sum(axis=0)


for epoque in range(3):
    for k in alea.permutation(len(notes)):
        u, i, r = notes[k]
        f = profil(u)
        e = r - (mu + bu[u] + bi[i] + Q[i] @ f)
        q = Q[i].copy()
        bu[u] += gamma * (e - lam_b * bu[u])
        bi[i] += gamma * (e - lam_b * bi[i])
        Q[i] += gamma * (e * f - lam_f * Q[i])
        P[u] += gamma * (e * q - lam_f * P[u])
        Y[N[u]] += gamma * (e * norme[u] * q - lam_f * Y[N[u]])
"""

CASES = {
    "functions leave all in globals": Case(
        IN_GLOBALS, 5, "dz @ B.T", "dz @ B", "dh = dh * (1 - mask[t]) + dz @ B.T"),
    "some samples count, by a mask": Case(OF_SOME, 3, "A.T @ dO", "A @ dO", None),
    "a loss in two terms": Case(
        TWO_TERMS, 4, "0.5 * (np.exp(lv) - 1) / n", "0.5 * (np.exp(lv) - 1)",
        "dlv = dz * noise * 0.5 * dev + beta * 0.5 * (np.exp(lv) - 1) / n"),
    "an output beside the gradient": Case(BESIDE, 1, "d = (P - Y)", "d = (P + Y)", "d = (P - Y) / len(X)"),
    "the loss of a list of one sample": Case(
        ONE_SAMPLE, 4, "first = np.dot(self.pesos[1].T, last) * h * (1 - h)",
        "first = np.dot(self.pesos[1].T, last) * h * (1 + h)",
        "first = np.dot(self.pesos[1].T, last) * h * (1 - h)"),
    "new weights are returned": Case(
        RENEWED, 3, "b - taux * d.sum(0)", "b - taux * d.mean(0)",
        "return (W - taux * x.T @ d, b - taux * d.sum(0), V - taux * h.T @ e), perte(valeurs, x, y)"),
    "a slope is climbed, by no usual name": Case(
        ASCENT, 2, "np.cumsum(s_theta[::-1])[::-1].copy()", "np.cumsum(s_theta).copy()",
        "s_tau = np.cumsum(s_theta[::-1])[::-1].copy()"),
    "no gradient is right, and Adam hides them": Case(
        ALL_WRONG, 4, "do[1] = (dq[1] + dq[2]) /", "do[1] = dq[1] /", "do[1] = (dq[1] + dq[2]) / (1 + np.exp(-o[1]))"),
    "targets are made where they are taken away": Case(
        INLINE_TARGETS, 4, "self.x.T @ dy, dy.sum(0)", "self.x.T @ dy, dy.mean(0)",
        "self.dw, self.db = self.x.T @ dy, dy.sum(0)"),
    "rows that a sample trains, some at zero": Case(
        IMPLICIT, 5, "(e * q - lam_f * P[u])", "(e * f - lam_f * P[u])", "P[u] += gamma * (e * q - lam_f * P[u])"),
    "a size has a name, and is halved": Case(
        NAMED_SIZE, 3, "back.sum(0), t.T", "back.mean(0), t.T", "gw, gb, gv = (back * x).sum(0), back.sum(0), t.T @ r"),
}  # fmt: skip


def report_of(text: str, folder: Path) -> Report:
    script = folder / "script.py"
    script.write_text(text, encoding="utf-8")
    outcome = next(outcomes(str(script)))  # single layers may be asked about after the whole
    assert outcome.report is not None, outcome.error
    return outcome.report


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_right_gradients_are_right(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    report = report_of(case.script, tmp_path)
    assert len(report.gradients) == case.of
    assert {item.verdict for item in report.gradients} <= {"right", "proved"}
    assert not [item for item in report.findings if item.line is not None]


def test_a_gradient_of_a_residual_is_none_of_what_was_measured(tmp_path: Path) -> None:
    """It has the sign of what the model gave. Beside it a fold met a first round that begins with a constant."""
    report = report_of(MISFIT, tmp_path)
    assert [(item.name, item.verdict) for item in report.gradients] == [("th", "right")]


HOLDS = """
import functools

import numpy as np

rng = np.random.default_rng(0)
x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
W, b = rng.normal(size=(3, 2)), np.zeros(2)


def output(p, x):
    return x @ p[0] + p[1]


def loss_of(p, x, y):
    return 0.5 * np.sum((output(p, x) - y) ** 2)


def slopes_of(p, x, y):
    return [x.T @ (output(p, x) - y), (output(p, x) - y).sum(0)]


class Holder:
    pass


"""
FUNCTIONS = """    def nll(x, y):
        return loss_of({0}, x, y)

    def grads(x, y):
        return slopes_of({0}, x, y)

    return nll, grads"""
HELD = {
    "a list made around them": "def make():\n    theta = [W, b]\n" + FUNCTIONS.format("theta") + ", theta\n\n\n"
                               "nll, grads, theta = make()\n",
    "arrays given to what made them": "def make(W, b):\n" + FUNCTIONS.format("[W, b]") + "\n\n\ntheta = [W, b]\n"
                                      "nll, grads = make(*theta)\n",
    "a tuple of arrays": "def make(*p):\n" + FUNCTIONS.format("p") + "\n\n\n"
                         "theta = [W, b]\nnll, grads = make(*theta)\n",
    "an object that nothing else leads to": (
        "def make():\n    net = Holder()\n    net.W, net.b = W, b\n" + FUNCTIONS.format("(net.W, net.b)")
        + ", [net.W, net.b]\n\n\nnll, grads, theta = make()\n"),
    "lambdas": "def make(p):\n    return (lambda x, y: loss_of(p, x, y)), lambda x, y: slopes_of(p, x, y)\n\n\n"
               "theta = [W, b]\nnll, grads = make(theta)\n",
    "defaults": "theta = [W, b]\n\n\ndef nll(x, y, p=theta):\n    return loss_of(p, x, y)\n\n\n"
                "def grads(x, y, *, p=theta):\n    return slopes_of(p, x, y)\n",
    "calls that wait for arguments": "theta = [W, b]\nnll = functools.partial(loss_of, theta)\n"
                                     "grads = functools.partial(slopes_of, theta)\n",
    "a decorator": "def with_weights(p):\n    def around(f):\n"
                   "        return functools.wraps(f)(lambda *given: f(p, *given))\n    return around\n\n\n"
                   "theta = [W, b]\nnll, grads = map(with_weights(theta), (loss_of, slopes_of))\n",
    "views of a flat array": (
        "theta = np.concatenate([W.ravel(), b])\n\n\ndef make(W, b):\n" + FUNCTIONS.format("[W, b]").replace(
            "return slopes_of([W, b], x, y)", "return np.concatenate([*map(np.ravel, slopes_of([W, b], x, y))])")
        + "\n\n\nnll, grads = make(theta[:6].reshape(3, 2), theta[6:])\n"),
    "slots of an object": (
        "class Slots:\n    __slots__ = ('W', 'b')\n\n\ndef make(net):\n" + FUNCTIONS.format("(net.W, net.b)")
        + "\n\n\nnet = Slots()\nnet.W, net.b = theta = W, b\nnll, grads = make(net)\n"),
    "an attribute of a function": (
        "def nll(x, y):\n    return loss_of(nll.theta, x, y)\n\n\n"
        "def grads(x, y):\n    return slopes_of(nll.theta, x, y)\n\n\ntheta = nll.theta = [W, b]\n"),
    "a deque in a call that is remembered": (
        "from collections import deque\n\n\ndef make(p):\n    @functools.lru_cache\n    def held():\n"
        "        return deque(p)\n\n" + FUNCTIONS.format("held()") + "\n\n\n"
        "theta = [W, b]\nnll, grads = make(theta)\n"),
    "a method": "class Model:\n    def __init__(self, p):\n        self.p = p\n\n"
                "    def nll(self, x, y):\n        return loss_of(self.p, x, y)\n\n"
                "    def grads(self, x, y):\n        return slopes_of(self.p, x, y)\n\n\n"
                "theta = [W, b]\nmodel = Model(theta)\nnll, grads = model.nll, model.grads\n",
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("held", HELD)
def test_what_functions_hold_changes_with_its_name(held: str, tmp_path: Path) -> None:
    """Drawn weights were handed to the name alone: the loss depended on nothing, right was wrong and zero right."""
    script = tmp_path / "script.py"
    script.write_text(HOLDS + HELD[held], encoding="utf-8")

    def verdicts(grads: str) -> set[str]:
        report = check_script(str(script), loss="nll(x, y)", grads=grads, wrt=["theta"])
        return {item.verdict for item in report.gradients}

    assert verdicts("grads(x, y)") <= {"right", "proved"}
    for factor in (2, 0):
        several = f"[{factor} * g for g in grads(x, y)]"
        assert verdicts(f"{factor} * grads(x, y)" if "flat" in held else several) == {"wrong"}


TAKEN_BEFORE = {
    "copies": ("W, b = W.copy(), b.copy()", "(W, b)"),
    "a method of an array": ("times, b = W.T.dot, b + 0", "(times(np.eye(3)).T, b)"),
    "numbers": ("numbers = W.tolist(), b.tolist()", "[np.array(n) for n in numbers]"),
}


@pytest.mark.parametrize("taken", TAKEN_BEFORE)
def test_what_was_taken_before_does_not_change_with_its_name(taken: str, tmp_path: Path) -> None:
    """A loss that is the same for every value has a gradient of zero: what is right was called wrong."""
    script = tmp_path / "script.py"
    line, read = TAKEN_BEFORE[taken]
    make = f"def make(W, b, p):\n    {line}\n{FUNCTIONS.format(read)}\n\n\n"
    script.write_text(f"{HOLDS}{make}nll, grads = make(W, b, +W)\ntheta = [W, b]\n", encoding="utf-8")
    said = ("--wrt: theta: --loss does not read it, and other values of theta leave it as it is. If it uses what was "
            "taken from theta before, such as a copy, let --loss take that anew, as in make(theta)(x); or give --wrt "
            "the arrays that it does read")
    for ask in (lambda: check_script(str(script), loss="nll(x, y)", grads="grads(x, y)", wrt=["theta"]),
                lambda: derive_script(str(script), "nll(x, y)", ["theta"])):
        with pytest.raises(ScriptError) as raised:
            ask()
        assert str(raised.value) == said
    anew = "make(W, b, W)[{}](x, y)".format
    report = check_script(str(script), loss=anew(0), grads=anew(1), wrt=["W", "b"])
    assert report.ok, str(report)


def test_what_has_no_effect_is_no_copy(tmp_path: Path) -> None:
    """A loss that reads a value through its name, or looks it up by a text, is asked as it stands."""
    script = tmp_path / "script.py"
    script.write_text(HOLDS + "def by_text():\n    return (globals()['W'] ** 2).sum()\n\n\n"
                              "def of_none():\n    return (b * 0).sum() + 1\n", encoding="utf-8")  # fmt: skip
    assert check_script(str(script), loss="by_text()", grads="2 * W", wrt=["W"]).ok
    assert not check_script(str(script), loss="by_text()", grads="0 * W", wrt=["W"]).ok
    assert check_script(str(script), loss="of_none()", grads="0 * b", wrt=["b"]).ok


def test_what_functions_hold_is_derived_by_its_name(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(HOLDS + HELD["arrays given to what made them"], encoding="utf-8")
    derived: dict[str, Any] = {}
    exec(str(derive_script(str(script), "nll(x, y)", ["theta"])), derived)
    rng = np.random.default_rng(0)
    x, y, W = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), rng.normal(size=(3, 2))
    given = {"x": x, "y": y, "theta": [W, np.zeros(2)]}
    backward = derived["backward"]
    found = backward(*(given[name] for name in inspect.signature(backward).parameters))
    np.testing.assert_allclose(found[0], x.T @ (x @ W - y))


IN_MODULE = """
import numpy as np


class Layer:
    W = np.random.default_rng(1).normal(size=(3, 2))

    @classmethod
    def out(cls, x):
        return x @ cls.W


theta = [Layer.W + 1, np.zeros(2)]


def nll(x, y):
    return 0.5 * np.sum((Layer.out(x) + x @ theta[0] + theta[1] - y) ** 2)


def grads(x, y):
    error = Layer.out(x) + x @ theta[0] + theta[1] - y
    return [x.T @ error, error.sum(0)]
"""


@pytest.mark.long
@pytest.mark.parametrize(("imports", "prefix", "wrt", "count"), [
    ("from {0} import nll, grads, theta as weights", "", "weights", 2),
    ("import {0} as m", "m.", "m.theta", 2), ("import {0} as m", "m.", "m.Layer.W", 1),
    ("from {0} import *", "", "Layer.W", 1)])  # fmt: skip
def test_weights_of_a_module_or_a_class_are_drawn(
    imports: str, prefix: str, wrt: str, count: int, tmp_path: Path, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Drawn weights were handed to the script's name alone, or written into the module itself."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"weights_of_{len(request.node.name)}_{count}"
    (tmp_path / f"{name}.py").write_text(IN_MODULE, encoding="utf-8")
    script = tmp_path / "script.py"
    data = "import numpy as np\nx, y = np.eye(5, 3) + 0.25, np.arange(10.0).reshape(5, 2) / 4\n"
    script.write_text(data + imports.format(name), encoding="utf-8")
    for factor, verdicts in (("1", {"right", "proved"}), ("2", {"wrong"}), ("0", {"wrong"})):
        grads = f"[{factor} * g for g in {prefix}grads(x, y)][:{count}]"
        report = check_script(str(script), loss=f"{prefix}nll(x, y)", grads=grads, wrt=[wrt])
        assert {item.verdict for item in report.gradients} <= verdicts
    derived: dict[str, Any] = {}
    exec(str(derive_script(str(script), f"{prefix}nll(x, y)", [wrt])), derived)
    names: dict[str, Any] = {}
    exec(f"import {name}\n" + script.read_text(encoding="utf-8"), names)
    root = eval(wrt, names)
    given = [names.get(one, root) for one in inspect.signature(derived["backward"]).parameters]
    found = derived["backward"](*given)
    np.testing.assert_allclose(found[0] if isinstance(root, list) else found, eval(f"{prefix}grads(x, y)", names)[0])


NETWORK = """
import numpy as np


class Network:
    def __init__(self, sizes, rng):
        self.W = [rng.normal(size=(a, b)) / np.sqrt(a) for a, b in zip(sizes, sizes[1:])]

    def forward(self, X):
        self.a = [X]
        for W in self.W:
            self.a.append(np.tanh(self.a[-1] @ W))
        return self.a[-1]

    def loss(self, X, Y):
        return 0.5 * np.mean(np.sum((self.forward(X) - Y) ** 2, axis=1))

    def backward(self, X, Y):
        out = self.forward(X)
        delta = (out - Y) * (1 - out ** 2) / len(X)
        dW = []
        for k in reversed(range(len(self.W))):
            dW.insert(0, self.a[k].T @ delta)
            if k:
                delta = delta @ self.W[k].T * (1 - self.a[k] ** 2)
        return dW
"""
TRAINED = """
import numpy as np
{0}
rng = np.random.default_rng(0)
X = rng.normal(size=(20, 4))
Y = X[:, :2] ** 2
net = {1}([4, 6, 2], rng)
for epoch in range(3):
    for W, dW in zip(net.W, net.backward(X, Y)):
        W -= 0.5 * dW
"""


@pytest.mark.parametrize(("imports", "made"), [
    ("from {0} import Network as Net", "Net"), ("import {0}", "{0}.Network")])  # fmt: skip
def test_what_a_script_has_from_other_files_is_asked_about(
    imports: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"network_{made.replace('.', '_').format('m').lower()}"
    mistake = NETWORK.replace("@ self.W[k].T * (1 - self.a[k] ** 2)", "@ self.W[k].T * (1 - self.a[k])")
    (tmp_path / f"{name}.py").write_text(mistake, encoding="utf-8")
    script = tmp_path / "train.py"
    script.write_text(TRAINED.format(imports.format(name), made.format(name)), encoding="utf-8")
    report = next(one.report for one in outcomes(str(script)) if one.report is not None)
    assert [item.name for item in report.gradients if item.verdict == "wrong"] == ["net.W[0]"]
    assert [(Path(item.file or "").name, item.write) for item in report.findings] == [
        (f"{name}.py", "delta = delta @ self.W[k].T * (1 - self.a[k] ** 2)")]  # fmt: skip


def test_what_was_computed_of_data_before_still_fits(tmp_path: Path) -> None:
    """Data that only closures hold are no state: X redrawn and ``gram`` kept would be in doubt."""
    script = tmp_path / "script.py"
    script.write_text("""
import numpy as np
rng = np.random.default_rng(0)
X, y, w = rng.normal(size=(9, 3)), rng.normal(size=9), np.zeros(3)
def make(A, b):
    gram, moment = A.T @ A, A.T @ b
    return lambda w: 0.5 * np.sum((A @ w - b) ** 2), lambda w: gram @ w - moment
cost, slope = make(X, y)
""", encoding="utf-8")
    report = check_script(str(script), loss="cost(w)", grads="slope(w)", wrt=["w"])
    assert [item.verdict for item in report.gradients] == ["right"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_one_mistake_is_found_on_its_line(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    assert case.script.count(case.right) == 1
    report = report_of(case.script.replace(case.right, case.wrong), tmp_path)
    assert len(report.gradients) == case.of
    assert "wrong" in {item.verdict for item in report.gradients}
    (finding,) = (item for item in report.findings if item.line is not None)
    assert finding.line == line_of(case.script, case.right)
    assert finding.write == case.write
    if finding.write is None:  # nothing that is to be written has a formula
        assert finding.expected is None
