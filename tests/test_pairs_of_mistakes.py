"""Two mistakes in one backward, each class of pairs that a search for one cannot see: both are named, and repaired."""

import sys
from typing import Any, cast

import numpy as np
import pytest
from library import line_of
from mutant_outcomes import module_of, with_writes
from sampling import some

from einbackprop import check
from einbackprop.checking.reports import Report
from einbackprop.diagnosis.double import First
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.repair import Repair

STEP = """\
import numpy as np


def forward(x, h, Wx, Wh, b):
    out = np.tanh(x @ Wx + h @ Wh + b)
    return out, (x, h, Wx, Wh, out)


def loss(x, h, Wx, Wh, b, g):
    return np.sum(forward(x, h, Wx, Wh, b)[0] * g)


def gradients(x, h, Wx, Wh, b, g):
    out, cache = forward(x, h, Wx, Wh, b)
    return backward(g, cache)


def backward(g, cache):
    x, h, Wx, Wh, out = cache
    dz = g * (1 - out**2)
    dx = dz @ Wx.T
    dh = dz @ Wh.T
    dWx = x.T @ dz
    dWh = h.T @ dz
    db = dz.sum(axis=0)
    return dx, dh, dWx, dWh, db
"""
STEP_SIZES = (3, 4), (3, 5), (4, 5), (5, 5), (5,), (3, 5)

HINGE = """\
import numpy as np


def loss(W, X, y):
    scores = X @ W
    n = len(X)
    margins = np.maximum(0, scores - scores[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    return margins.sum() / n + 0.3 * np.sum(W * W)


def gradients(W, X, y):
    scores = X @ W
    n = len(X)
    margins = np.maximum(0, scores - scores[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    d = np.zeros(scores.shape)
    d[margins > 0] = 1
    d[np.arange(n), y] -= d.sum(axis=1)
    dW = X.T @ d / n
    dW = dW + 0.3 * 2 * W
    return dW
"""
SOFTMAX = """\
import numpy as np


def loss(W, X, y):
    total = 0.0
    for i in range(len(X)):
        s = X[i] @ W
        p = np.exp(s) / np.sum(np.exp(s))
        total += -np.log(p[y[i]])
    return total / len(X)


def gradients(W, X, y):
    dW = np.zeros(W.shape)
    for i in range(len(X)):
        s = X[i] @ W
        p = np.exp(s) / np.sum(np.exp(s))
        for j in range(W.shape[1]):
            dW[:, j] += X[i] * p[j]
        dW[:, y[i]] -= X[i]
    dW /= len(X)
    return dW
"""
SCORES = (4, 3), (6, 4)
CLASSES = np.array([0, 2, 1, 2, 2, 0])
NETWORK = """\
import numpy as np


class Layer:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW = self.x.T @ d
        self.db = d.sum(axis=0)
        return d @ self.W.T


def loss(X, W1, b1, W2, b2, Y):
    one, two = Layer(W1, b1), Layer(W2, b2)
    out = two.forward(np.tanh(one.forward(X)))
    return ((out - Y) ** 2).mean()


def gradients(X, W1, b1, W2, b2, Y):
    one, two = Layer(W1, b1), Layer(W2, b2)
    h = np.tanh(one.forward(X))
    out = two.forward(h)
    d_out = 2 * (out - Y) / out.size
    d_h = two.backward(d_out)
    d_z = d_h * (1 - h**2)
    one.backward(d_z)
    return one.dW, one.db, two.dW, two.db
"""
NETWORK_SIZES = (6, 3), (3, 4), (4,), (4, 2), (2,), (6, 2)
PAIRS = {
    "two parts, with a value of the forward that makes up for both": (
        STEP, (("dx = dz @ Wx.T", "dx = dz @ Wh.T"), ("dWx, dWh, db", "dWx, dWh, dh"))),
    "one behind another variable that is returned": (
        STEP, (("dh = dz @ Wh.T", "dh = dz @ Wx.T"), ("return dx, dh,", "return dx, dWx,"))),
    "one behind another variable, of which only the layout is wrong": (
        STEP, (("dWx = x.T @ dz", "dWx = (x.T @ dz).T"), ("dx, dh, dWx,", "dx, dh, db,"))),
    "two factors on one way": (HINGE, (("> 0] = 1", "> 0] = 3.0"), ("0.3 * 2 * W", "0.3 * W"))),
    "two updates on one way": (SOFTMAX, (("+= X[i] * p[j]", "= X[i] * p[j]"), ("-= X[i]", "+= X[i]"))),
    "two calls of layers, where the forward could make up for both": (
        NETWORK, (("/ out.size", "/ len(X)"), ("one.backward(d_z)", "one.backward(d_h)"))),
}  # fmt: skip


def checked(source: str) -> Report:
    """The report on a source, with values of one's own."""
    module: Any = module_of(source, "pairs_of_mistakes")
    rng = np.random.default_rng(5)
    if "Wh" in source:
        return check(module.loss, module.gradients, *(rng.normal(size=s) for s in STEP_SIZES), wrt=(0, 1, 2, 3, 4))
    if "Layer" in source:
        return check(module.loss, module.gradients, *(rng.normal(size=s) for s in NETWORK_SIZES), wrt=(1, 2, 3, 4))
    W, X = (rng.normal(size=s) for s in (SCORES[0], SCORES[1]))
    return check(module.loss, module.gradients, W, X, CLASSES, wrt=0)


@pytest.mark.parametrize("source", [STEP, HINGE, SOFTMAX, NETWORK], ids=["step", "hinge", "softmax", "network"])
def test_without_a_mistake_nothing_is_said(source: str) -> None:
    report = checked(source)
    assert report, str(report)
    assert report.findings == ()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", some(PAIRS, 3))
def test_both_of_two_mistakes_are_named_and_together_repaired(name: str) -> None:
    source, edits = PAIRS[name]
    for before, after in edits:
        assert source.count(before) == 1
        source = source.replace(before, after)
    report = checked(source)
    assert not report
    found = [finding for finding in report.findings if finding.line is not None]
    assert {f.line for f in found} == {line_of(source, after) for _, after in edits}, str(report)
    assert checked(with_writes(source, found))


def test_an_edit_that_calls_the_function_that_it_stands_in_ends() -> None:
    """As ``return slope(s) * (1 - squash(s))`` in ``slope``: inside, what the statement makes stays."""
    first = First(cast(Repair, None), compile("itself(s - 1)", "edit", "eval"))

    def itself(s: int) -> Any:
        return first.made(cast(Site, None), s, sys._getframe())

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "itself", itself)
        assert itself(3) == 2
