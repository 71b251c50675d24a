"""Whole scripts, each in a style of its own, that are asked about without an option: what is right is called right, and
one mistake is found on its line."""

from pathlib import Path
from typing import NamedTuple

import pytest
from library import line_of

from einbackprop.checking.reports import Report
from einbackprop.shell.answers import outcomes

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
    "a size has a name, and is halved": Case(
        NAMED_SIZE, 3, "back.sum(0), t.T", "back.mean(0), t.T", "gw, gb, gv = (back * x).sum(0), back.sum(0), t.T @ r"),
}  # fmt: skip


def report_of(text: str, folder: Path) -> Report:
    script = folder / "script.py"
    script.write_text(text, encoding="utf-8")
    outcome = next(outcomes(str(script)))  # single layers may be asked about after the whole
    assert outcome.report is not None, outcome.error
    return outcome.report


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
