"""Whole scripts in the styles that people write: a right one is proved, a broken line is told, whatever the style."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.core.program import Position, picks
from einbackprop.shell.scripts import check_script


@dataclass(frozen=True)
class Style:
    """A script, what to check in it, and how to break it: what stands there, what to put there, what is wrong then."""

    text: str
    loss: str
    grads: str
    wrt: tuple[str, ...]
    broken: tuple[tuple[str, str, tuple[str, ...]], ...]
    close: tuple[str, ...] = ()  # gradients that no proof reaches


LISTS = Style(
    '''
import numpy as np

def squash(z):
    return 1 / (1 + np.exp(-z))

def slope(z):
    return squash(z) * (1 - squash(z))

class Net:
    """One sample as a column; gradients in lists, filled from the end."""
    def __init__(self, sizes):
        self.count = len(sizes)
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def run(self, x):
        zs, outs = [], [x]
        for w, c in zip(self.weights, self.biases):
            zs.append(np.dot(w, outs[-1]) + c)
            outs.append(squash(zs[-1]))
        return zs, outs

    def gradients(self, x, y):
        in_biases = [np.zeros(c.shape) for c in self.biases]
        in_weights = [np.zeros(w.shape) for w in self.weights]
        zs, outs = self.run(x)
        delta = (outs[-1] - y) * slope(zs[-1])
        in_biases[-1] = delta
        in_weights[-1] = np.dot(delta, outs[-2].transpose())
        for k in range(2, self.count):
            delta = np.dot(self.weights[-k + 1].transpose(), delta) * slope(zs[-k])
            in_biases[-k] = delta
            in_weights[-k] = np.dot(delta, outs[-k - 1].transpose())
        return in_biases, in_weights

def cost(net, x, y):
    return 0.5 * np.linalg.norm(net.run(x)[1][-1] - y) ** 2

net = Net([4, 3, 3, 2])
x, y = np.random.randn(4, 1), np.random.randn(2, 1)
''',
    "cost(net, x, y)", "net.gradients(x, y)", ("net.biases", "net.weights"),
    (
        ("(outs[-1] - y) * slope(zs[-1])", "(outs[-1] - y)",
         ("net.biases[0]", "net.biases[1]", "net.biases[2]", "net.weights[0]", "net.weights[1]", "net.weights[2]")),
        ("in_weights[-1] = np.dot(", "in_weights[-1] = 2 * np.dot(", ("net.weights[2]",)),
    ),
)  # fmt: skip

UPDATES = Style(
    '''
import numpy as np

class Classifier:
    """Steps in place, with weight decay: the gradients are what a step of rate 1 takes away."""
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.maximum(0, self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        exps = np.exp(self.z2 - self.z2.max(axis=1, keepdims=True))
        self.probs = exps / exps.sum(axis=1, keepdims=True)
        return self.probs

    def loss(self, X, y):
        p = self.forward(X)
        decay = 0.005 * (np.sum(self.W1 ** 2) + np.sum(self.W2 ** 2))
        return -np.mean(np.log(p[np.arange(len(y)), y])) + decay

    def backward(self, X, y, rate):
        m = X.shape[0]
        d = self.probs.copy()
        d[range(m), y] -= 1
        dW2 = self.a1.T @ d / m + 0.01 * self.W2
        db2 = np.sum(d, axis=0, keepdims=True) / m
        da1 = d @ self.W2.T
        da1[self.z1 < 0] = 0
        dW1 = X.T @ da1 / m + 0.01 * self.W1
        db1 = np.sum(da1, axis=0, keepdims=True) / m
        self.W1 -= rate * dW1
        self.b1 -= rate * db1
        self.W2 -= rate * dW2
        self.b2 -= rate * db2

net = Classifier(3, 5, 4)
X, y = np.random.randn(7, 3), np.array([0, 1, 2, 3, 0, 1, 2])

def step():
    old = [net.W1.copy(), net.b1.copy(), net.W2.copy(), net.b2.copy()]
    net.forward(X)
    net.backward(X, y, 1.0)
    return [a - b for a, b in zip(old, [net.W1, net.b1, net.W2, net.b2])]
''',
    "net.loss(X, y)", "step()", ("net.W1", "net.b1", "net.W2", "net.b2"),
    (
        ("dW1 = X.T @ da1 / m + 0.01 * self.W1", "dW1 = X.T @ da1 / m", ("W1",)),
        ("dW2 = self.a1.T @ d / m + 0.01", "dW2 = self.a1.T @ d + 0.01", ("W2",)),
        ("db2 = np.sum(d, axis=0, keepdims=True) / m", "db2 = np.sum(d, axis=0, keepdims=True)", ("b2",)),
    ),
)  # fmt: skip

RECURRENT = Style(
    '''
import numpy as np

H, V = 6, 5
Wx, Wh, Wy = np.random.randn(H, V) * 0.01, np.random.randn(H, H) * 0.01, np.random.randn(V, H) * 0.01
bh, by = np.zeros((H, 1)), np.zeros((V, 1))
letters, nexts = [0, 2, 1], [2, 1, 4]
start = np.random.randn(H, 1)

def run(letters, nexts, start):
    """A character at a time, states in dicts, the loss summed over time; gradients added up backwards."""
    xs, hs, ps = {}, {-1: np.copy(start)}, {}
    total = 0
    for t in range(len(letters)):
        xs[t] = np.zeros((V, 1))
        xs[t][letters[t]] = 1
        hs[t] = np.tanh(np.dot(Wx, xs[t]) + np.dot(Wh, hs[t - 1]) + bh)
        scores = np.dot(Wy, hs[t]) + by
        ps[t] = np.exp(scores) / np.sum(np.exp(scores))
        total += -np.log(ps[t][nexts[t], 0])
    dWx, dWh, dWy = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    later = np.zeros_like(hs[0])
    for t in reversed(range(len(letters))):
        dy = np.copy(ps[t])
        dy[nexts[t]] -= 1
        dWy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Wy.T, dy) + later
        raw = (1 - hs[t] * hs[t]) * dh
        dbh += raw
        dWx += np.dot(raw, xs[t].T)
        dWh += np.dot(raw, hs[t - 1].T)
        later = np.dot(Wh.T, raw)
    return total, dWx, dWh, dWy, dbh, dby
''',
    "run(letters, nexts, start)[0]", "run(letters, nexts, start)[1:]", ("Wx", "Wh", "Wy", "bh", "by"),
    (("dWh += np.dot(raw, hs[t - 1].T)", "dWh += np.dot(raw, hs[t].T)", ("Wh",)),),
)  # fmt: skip

PATCHES = Style(
    '''
import numpy as np

def patches(x, fh, fw, pad):
    """Every window of an image as a row."""
    n, c, h, w = x.shape
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    rows, columns = h + 2 * pad - fh + 1, w + 2 * pad - fw + 1
    found = np.zeros((n, c, fh, fw, rows, columns))
    for r in range(fh):
        for s in range(fw):
            found[:, :, r, s] = padded[:, :, r:r + rows, s:s + columns]
    return found.transpose(0, 4, 5, 1, 2, 3).reshape(n * rows * columns, -1)

def image(found, shape, fh, fw, pad):
    """The windows added up where they were taken from."""
    n, c, h, w = shape
    rows, columns = h + 2 * pad - fh + 1, w + 2 * pad - fw + 1
    found = found.reshape(n, rows, columns, c, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, c, h + 2 * pad, w + 2 * pad))
    for r in range(fh):
        for s in range(fw):
            padded[:, :, r:r + rows, s:s + columns] += found[:, :, r, s]
    return padded[:, :, pad:h + pad, pad:w + pad]

class Convolution:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        f, c, fh, fw = self.W.shape
        self.shape, self.found = x.shape, patches(x, fh, fw, 1)
        out = self.found @ self.W.reshape(f, -1).T + self.b
        return out.reshape(x.shape[0], x.shape[2], x.shape[3], f).transpose(0, 3, 1, 2)

    def backward(self, d):
        f, c, fh, fw = self.W.shape
        d = d.transpose(0, 2, 3, 1).reshape(-1, f)
        self.db = d.sum(axis=0)
        self.dW = (self.found.T @ d).T.reshape(f, c, fh, fw)
        return image(d @ self.W.reshape(f, -1), self.shape, fh, fw, 1)

class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.shape, self.x = x.shape, x.reshape(x.shape[0], -1)
        return self.x @ self.W + self.b

    def backward(self, d):
        self.dW = self.x.T @ d
        self.db = d.sum(axis=0)
        return (d @ self.W.T).reshape(self.shape)

rng = np.random.default_rng(0)
layers = [
    Convolution(rng.normal(size=(2, 2, 3, 3)), np.zeros(2)),
    Convolution(rng.normal(size=(3, 2, 3, 3)), np.zeros(3)),
    Dense(rng.normal(size=(27, 2)), np.zeros(2)),
]
x, y = rng.normal(size=(2, 2, 3, 3)), rng.normal(size=(2, 2))

def loss(x, y):
    for layer in layers:
        x = layer.forward(x)
    return 0.5 * np.sum((x - y) ** 2)

def gradients(x, y):
    for layer in layers:
        x = layer.forward(x)
    d = x - y
    for layer in reversed(layers):
        d = layer.backward(d)
    return [layer.dW for layer in layers] + [layer.db for layer in layers]
''',
    "loss(x, y)", "gradients(x, y)",
    (*(f"layers[{n}].W" for n in range(3)), *(f"layers[{n}].b" for n in range(3))),
    (
        ("self.dW = self.x.T @ d", "self.dW = self.x.T @ d / 2", ("layers[2].W",)),
        ("padded[:, :, r:r + rows, s:s + columns] += found[:, :, r, s]",
         "padded[:, :, r:r + rows, s:s + columns] = found[:, :, r, s]", ("layers[0].W", "layers[0].b")),
    ),
)  # fmt: skip

STYLES = {"lists": LISTS, "updates": UPDATES, "recurrent": RECURRENT, "patches": PATCHES}
BROKEN = [(name, n) for name, style in STYLES.items() for n in range(len(style.broken))]


def report_of(style: Style, text: str, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    return check_script(str(script), style.loss, style.grads, list(style.wrt), "")


@pytest.mark.parametrize("name", STYLES)
def test_right_scripts_are_proved(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    report = report_of(style, style.text, tmp_path)
    assert all(g.verdict == "right" for g in report.gradients)
    assert [g.name for g in report.gradients if g.grade != "proved"] == list(style.close)
    assert not [finding for finding in report.findings if finding.line is not None]


@pytest.mark.parametrize(("name", "n"), BROKEN)
def test_the_broken_line_is_told(name: str, n: int, tmp_path: Path) -> None:
    style = STYLES[name]
    before, after, wrong = style.broken[n]
    assert style.text.count(before) == 1
    text = style.text.replace(before, after)
    report = report_of(style, text, tmp_path)
    assert tuple(g.name for g in report.gradients if g.verdict == "wrong") == wrong
    line = next(n for n, code in enumerate(text.splitlines(), 1) if after in code)
    assert [finding.line for finding in report.findings if finding.line is not None] == [line]


# A probability that a label picks


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


LOSSES = {
    "arange": lambda W, X, y: -np.mean(np.log(softmax(X @ W)[np.arange(len(X)), y])),
    "take_along_axis": lambda W, X, y: -np.mean(np.log(np.take_along_axis(softmax(X @ W), y[:, None], 1))),
    "one-hot": lambda W, X, y: -np.sum(np.eye(4)[y] * np.log(softmax(X @ W))) / len(X),
    "logits": lambda W, X, y: np.mean(np.log(np.exp(X @ W).sum(axis=1)) - (X @ W)[np.arange(len(X)), y]),
}
LABELS = np.array([0, 1, 2, 3, 0, 1, 2])


def gradient(W, X, y):
    d = softmax(X @ W)
    d[np.arange(len(y)), y] -= 1
    return X.T @ d / len(y)


WRONG = {
    "sign": lambda W, X, y: -gradient(W, X, y),
    "sum": lambda W, X, y: gradient(W, X, y) * len(y),
    "labels": lambda W, X, y: gradient(W, X, y[::-1]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_picked_probabilities_are_proved(name: str) -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), rng.normal(size=(7, 3))
    report = eb.check(LOSSES[name], gradient, W, X, LABELS)
    assert [g.grade for g in report.gradients] == ["proved"]
    assert any("labels are valid positions" in text for text in report.assumptions) == (name != "logits")
    for wrong in WRONG.values():
        assert [g.verdict for g in eb.check(LOSSES[name], wrong, W, X, LABELS).gradients] == ["wrong"]


def test_take_along_axis_reads_as_a_pick() -> None:
    """Positions 0, 1, 2, … along an axis are the letter itself, also where NumPy makes them."""
    p = np.random.default_rng(2).random((7, 4))
    program = eb.trace(lambda p: np.take_along_axis(p, LABELS[:, None], 1), p)
    (equation,) = program.equations
    row, column = equation.operands[0].indices
    assert equation.out.indices == row
    assert [bracket.left for bracket in equation.brackets] == [Position.of(column)]
    assert [ref.indices for ref in picks(equation.brackets)] == [row]


def test_copies_in_a_list_keep_their_names() -> None:
    def difference(W, c):
        old = [W.copy(), c.copy()]
        return old[0] * 2 - old[1]

    labels = eb.trace(difference, np.ones((2, 3)), np.ones((2, 3))).labels
    assert {"W", "c"} <= set(labels.values())
    assert not any(label.startswith("old") for label in labels.values())


# A guard in the loss


def guarded(epsilon):
    return lambda W, X, y: -np.mean(np.log(softmax(X @ W)[np.arange(len(X)), y] + epsilon))


def test_a_guard_that_the_gradient_leaves_out_is_said_and_forgiven() -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), 3 * rng.normal(size=(7, 3))
    report = eb.check(guarded(1e-7), gradient, W, X, LABELS)
    assert [g.verdict for g in report.gradients] == ["right"]
    assert [g.grade for g in report.gradients] == ["close"]
    line = guarded.__code__.co_firstlineno + 1
    said = f"right, but for the 1e-07 that the loss adds on line {line} before it takes the logarithm; that changes"
    assert report.gradients[0].note.startswith(said)
    assert not [finding for finding in report.findings if finding.line is not None]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_guard_hides_no_mistake(wrong: str) -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), 3 * rng.normal(size=(7, 3))
    assert [g.verdict for g in eb.check(guarded(1e-7), WRONG[wrong], W, X, LABELS).gradients] == ["wrong"]


def test_what_is_added_for_its_own_sake_is_no_guard() -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), 3 * rng.normal(size=(7, 3))
    assert [g.verdict for g in eb.check(guarded(0.01), gradient, W, X, LABELS).gradients] == ["wrong"]
    x = rng.normal(size=(5,))
    inverse = eb.check(lambda x: np.sum(1 / (x * x + 1e-7)), lambda x: -2 / x**3, x)
    assert [g.verdict for g in inverse.gradients] == ["wrong"]


# Mistakes in a loop: one round set right makes no gradient right


CELL = '''
import numpy as np

rng = np.random.default_rng(3)
N, T, D, H = 2, 3, 3, 4
xs, wanted = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, H))
p = {"Wx": rng.normal(size=(D, 3 * H)), "Wh": rng.normal(size=(H, 3 * H)), "b": np.zeros(3 * H)}

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def cell(x, h, c, p):
    a = x @ p["Wx"] + h @ p["Wh"] + p["b"]
    f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), np.tanh(a[:, 2 * H:])
    c_new = f * c + (1 - f) * g
    return o * np.tanh(c_new), c_new, (x, h, c, f, o, g, c_new)

def cell_backward(dh, dc_next, cache, p):
    x, h, c, f, o, g, c_new = cache
    tc = np.tanh(c_new)
    do = dh * tc
    dc = dc_next + dh * o * (1 - tc ** 2)
    df = dc * (c - g)
    dg = dc * (1 - f)
    da = np.hstack([df * f * (1 - f), do * o * (1 - o), dg * (1 - g ** 2)])
    return da @ p["Wh"].T, dc * f, x.T @ da, h.T @ da, da.sum(axis=0)

def run(p):
    h = c = np.zeros((N, H))
    caches, total = [], 0.0
    for t in range(T):
        h, c, cache = cell(xs[:, t], h, c, p)
        caches.append((h, cache))
        total += 0.5 * np.sum((h - wanted[:, t]) ** 2)
    return total, caches

def gradients(p):
    _, caches = run(p)
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_next = dc_next = np.zeros((N, H))
    for t in reversed(range(T)):
        h, cache = caches[t]
        dh = h - wanted[:, t] + dh_next
        dh_next, dc_next, dWx, dWh, db = cell_backward(dh, dc_next, cache, p)
        grads["Wx"] += dWx
        grads["Wh"] += dWh
        grads["b"] += db
    return grads
'''
IN_A_LOOP = [
    ("dc = dc_next + dh * o * (1 - tc ** 2)", "dc = dh * o * (1 - tc ** 2)", "a term is missing: + dc_next."),
    ("df = dc * (c - g)", "df = dc * (c_new - g)", "c must stand here, not c_new."),
    ("dg = dc * (1 - f)", "dg = dc * f", ""),
    ("dh = h - wanted[:, t] + dh_next", "dh = h - wanted[:, t]", "a term is missing: + dh_next."),
]


@pytest.mark.parametrize(("before", "after", "said"), IN_A_LOOP)
def test_a_mistake_in_every_round_of_a_loop_is_told_once(before: str, after: str, said: str, tmp_path: Path) -> None:
    style = Style(CELL, "run(p)[0]", "gradients(p)", ("p",), ())
    text = CELL.replace(before, after)
    report = report_of(style, text, tmp_path)
    assert {g.verdict for g in report.gradients} == {"wrong"}
    line = next(n for n, code in enumerate(text.splitlines(), 1) if code.strip() == after)
    findings = [finding for finding in report.findings if finding.line is not None]
    assert [finding.line for finding in findings] == [line]
    assert said in findings[0].message


def test_a_cell_in_a_loop_is_right(tmp_path: Path) -> None:
    report = report_of(Style(CELL, "run(p)[0]", "gradients(p)", ("p",), ()), CELL, tmp_path)
    assert {g.verdict for g in report.gradients} == {"right"}
    assert not [finding for finding in report.findings if finding.line is not None]


OVERWRITTEN = [  # and an earlier call of the function, for the loss, ran the line as often
    ("EI += y - t", "EI = y - t"),
    ("dW[k] += (y[k] - t[k]) * h", "dW[k] = (y[k] - t[k]) * h"),
]
CONTEXTS = '''
import numpy as np

rng = np.random.default_rng(9)
W, U = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
contexts = [1, 2, 4]

def step(W, U):
    h = U[3]
    y = np.exp(W @ h) / np.sum(np.exp(W @ h))
    total, EI, dW = 0.0, np.zeros(5), np.zeros_like(W)
    for c in contexts:
        t = np.zeros(5)
        t[c] = 1
        total -= np.sum(t * np.log(y))
        EI += y - t
        for k in range(5):
            dW[k] += (y[k] - t[k]) * h
    dU = np.zeros_like(U)
    dU[3] = W.T @ EI
    return total, dW, dU
'''


@pytest.mark.parametrize(("before", "after"), OVERWRITTEN)
def test_what_a_loop_overwrites_is_told(before: str, after: str, tmp_path: Path) -> None:
    style = Style(CONTEXTS, "step(W, U)[0]", "step(W, U)[1:]", ("W", "U"), ())
    assert {g.verdict for g in report_of(style, CONTEXTS, tmp_path).gradients} == {"right"}
    report = report_of(style, CONTEXTS.replace(before, after), tmp_path)
    (finding,) = [finding for finding in report.findings if finding.line is not None]
    assert finding.message.startswith("= where += is needed")
    assert finding.write == before


# What to write, tried among the user's own variables

ENTRIES = '''
import numpy as np

rng = np.random.default_rng(2)
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
params = {"W1": rng.normal(size=(3, 4)), "W2": rng.normal(size=(4, 2))}

def forward(params):
    h = np.tanh(X @ params["W1"])
    return h, h @ params["W2"]

def loss(params, reg):
    h, out = forward(params)
    return np.sum((out - Y) ** 2) / len(X) + reg * sum(np.sum(w * w) for w in params.values())

def slope(h):
    return 1 - h * h

def gradients(params, reg):
    h, out = forward(params)
    n = len(X)
    d = 2 * (out - Y) / n
    grads = {"W2": h.T @ d}
    grads["W2"] += 2 * reg * params["W2"]
    dz = (d @ params["W2"].T) * slope(h)
    grads["W1"] = X.T @ dz + 2 * reg * params["W1"]
    return grads
'''
TO_WRITE = [
    ('grads["W2"] += 2 * reg * params["W2"]', 'grads["W2"] += reg * params["W2"]'),
    ('grads["W1"] = X.T @ dz + 2 * reg * params["W1"]', 'grads["W1"] = X.T @ dz + reg * params["W1"]'),
    ("d = 2 * (out - Y) / n", "d = 2 * (out - Y)"),
    ("d = 2 * (out - Y) / n", "d = (out - Y) / n"),
    ('dz = (d @ params["W2"].T) * slope(h)', 'dz = (d @ params["W2"].T) * 2 * slope(h)'),
]


@pytest.mark.parametrize(("before", "after"), TO_WRITE)
def test_what_is_to_be_written_repairs_the_script(before: str, after: str, tmp_path: Path) -> None:
    style = Style(ENTRIES, "loss(params, 0.05)", "gradients(params, 0.05)", ("params",), ())
    assert ENTRIES.count(before) == 1
    text = ENTRIES.replace(before, after)
    (finding,) = [f for f in report_of(style, text, tmp_path).findings if f.line is not None]
    assert finding.line is not None
    assert finding.write is not None
    lines = text.splitlines()
    lines[finding.line - 1] = "    " + finding.write
    report = report_of(style, "\n".join(lines), tmp_path)
    assert {g.verdict for g in report.gradients} == {"right"}


HELPER = '''
import numpy as np

rng = np.random.default_rng(4)
W, V, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(5, 3))

def tanh_backward(y, slope):
    return y * (1 - y)

def loss(W, V):
    return 0.5 * np.sum((np.tanh(X @ W) @ V) ** 2)

def gradients(W, V):
    hidden = np.tanh(X @ W)
    error = hidden @ V
    back = error @ V.T
    delta = tanh_backward(hidden, back)
    return X.T @ delta, hidden.T @ error
'''


def test_what_is_to_be_written_reads_only_what_is_there(tmp_path: Path) -> None:
    report = report_of(Style(HELPER, "loss(W, V)", "gradients(W, V)", ("W", "V"), ()), HELPER, tmp_path)
    assert [g.verdict for g in report.gradients] == ["wrong", "right"]
    for finding in report.findings:
        assert finding.write is None or not {"hidden", "back"} & set(finding.write.split())


MASKED = '''
import numpy as np

rng = np.random.default_rng(6)
W, V, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(5, 3))

class Relu:
    def forward(self, x):
        self.mask = (x <= 0)
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, d):
        d[self.mask] = 0
        return d

relu = Relu()

def loss(W, V):
    return 0.5 * np.sum((relu.forward(X @ W) @ V) ** 2)

def gradients(W, V):
    h = relu.forward(X @ W)
    error = h @ V
    d = relu.backward(error @ V.T)
    return X.T @ d, h.T @ error
'''


def test_masks_of_booleans_are_compared(tmp_path: Path) -> None:
    style = Style(MASKED, "loss(W, V)", "gradients(W, V)", ("W", "V"), ())
    assert report_of(style, MASKED, tmp_path)
    text = MASKED.replace("h.T @ error", "2 * h.T @ error")
    report = report_of(style, text, tmp_path)
    assert [g.verdict for g in report.gradients] == ["right", "wrong"]
    assert [f.line for f in report.findings if f.line is not None] == [text.splitlines().index(
        "    return X.T @ d, 2 * h.T @ error") + 1]  # fmt: skip
