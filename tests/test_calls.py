"""Mistakes in what a backward hands to the backward of another layer, which keeps gradients and returns one."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from library import line_of
from mutant_outcomes import module_of, with_writes
from sampling import some

from einbackprop import check
from einbackprop.checking.verdicts import Finding

LAYERS = """\
import numpy as np


class Linear:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, d):
        self.dW = self.x.T @ d
        return d @ self.W.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, d):
        return d * (1 - self.y**2)


def softmax_backward(p, d):
    return p * (d - (p * d).sum(axis=1, keepdims=True))
"""
ATTENTION = """\


class Attention:
    def __init__(self, Q, K, V):
        self.to_q, self.to_k, self.to_v = Linear(Q), Linear(K), Linear(V)

    def forward(self, x):
        self.q, self.k, self.v = self.to_q.forward(x), self.to_k.forward(x), self.to_v.forward(x)
        e = np.exp(self.q @ self.k.T)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p @ self.v

    def backward(self, d):
        d_p = d @ self.v.T
        d_v = self.p.T @ d
        d_s = softmax_backward(self.p, d_p)
        d_q = d_s @ self.k
        d_k = d_s.T @ self.q
        dx_q = self.to_q.backward(d_q)
        dx_k = self.to_k.backward(d=d_k)
        dx_v = self.to_v.backward(d_v)
        return dx_q + dx_k + dx_v


def loss(x, Q, K, V, Y):
    return np.sum(Attention(Q, K, V).forward(x) * Y)


def gradients(x, Q, K, V, Y):
    layer = Attention(Q, K, V)
    layer.forward(x)
    dx = layer.backward(Y)
    return dx, layer.to_q.dW, layer.to_k.dW, layer.to_v.dW
"""
SEQUENCE = """\


class Network:
    def __init__(self, A, B):
        self.layers = [Linear(A), Tanh(), Linear(B), Tanh()]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, y, t):
        dout = y - t
        grad = dout
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


def loss(x, A, B, T):
    return 0.5 * np.sum((Network(A, B).forward(x) - T) ** 2)


def gradients(x, A, B, T):
    network = Network(A, B)
    y = network.forward(x)
    dx = network.backward(y, T)
    return dx, network.layers[0].dW, network.layers[2].dW
"""
FUNCTIONS = """\
import numpy as np


def affine_backward(d, x, W, grads, name):
    grads[name] = x.T @ d
    grads["b" + name] = d.sum(axis=0)
    return d @ W.T


def loss(x, W, V, bW, bV):
    h = np.tanh(x @ W + bW)
    return np.sum(np.sin(h @ V + bV))


def gradients(x, W, V, bW, bV):
    grads = {}
    h = np.tanh(x @ W + bW)
    d_z = np.cos(h @ V + bV)
    d_h = affine_backward(d_z, h, V, grads, "V")
    d_a = d_h * (1 - h**2)
    affine_backward(d_a, x, W, grads, name="W")
    return grads["W"], grads["V"], grads["bW"], grads["bV"]
"""
ONE = LAYERS + ATTENTION
MANY = LAYERS + SEQUENCE
WRONG = {
    "the gradient of another": (ONE, "dx_q = self.to_q.backward(d_q)", "dx_q = self.to_q.backward(d_v)"),
    "a keyword": (ONE, "dx_k = self.to_k.backward(d=d_k)", "dx_k = self.to_k.backward(d=d_q)"),
    "another layer": (ONE, "dx_q = self.to_q.backward(d_q)", "dx_q = self.to_k.backward(d_q)"),
    "an order": (ONE, "softmax_backward(self.p, d_p)", "softmax_backward(d_p, self.p)"),
    "a factor": (ONE, "dx_v = self.to_v.backward(d_v)", "dx_v = self.to_v.backward(2 * d_v)"),
    "a sign in the layer": (ONE, "return d @ self.W.T", "return -d @ self.W.T"),
    "always the first": (MANY, "grad = layer.backward(grad)", "grad = layer.backward(dout)"),
    "a sign of the first": (MANY, "grad = dout", "grad = -dout"),
    "no function of the layer": (MANY, "return d * (1 - self.y**2)", "return d * (1 - self.y)"),
    "a call alone": (FUNCTIONS, "affine_backward(d_a, x, W, grads", "affine_backward(d_h, x, W, grads"),
    "an input": (FUNCTIONS, "affine_backward(d_z, h, V", "affine_backward(d_z, x, V"),
    "two arguments": (FUNCTIONS, "affine_backward(d_z, h, V", "affine_backward(h, d_z, V"),
}  # fmt: skip


def arguments(module: ModuleType) -> list[np.ndarray]:
    """Four rows of three numbers, square weights, and what a function takes besides."""
    rng = np.random.default_rng(0)
    shapes = {"Y": (4, 3), "T": (4, 3), "x": (4, 3), "bW": (3,), "bV": (3,)}
    names = module.loss.__code__.co_varnames[: module.loss.__code__.co_argcount]
    return [rng.normal(size=shapes.get(name, (3, 3))) for name in names]


def findings_in(module: ModuleType) -> list[Finding]:
    """What is found in a module whose loss and gradients have the same arguments."""
    given = arguments(module)
    names = module.loss.__code__.co_varnames
    wrt = [n for n in range(len(given)) if names[n] not in ("Y", "T")]
    wrt = wrt[1:] if "bW" in names else wrt
    report = check(module.loss, module.gradients, *given, wrt=wrt)
    return [*report.findings]


@pytest.mark.parametrize("text", [ONE, MANY, FUNCTIONS])
def test_what_is_right_is_not_accused(text: str) -> None:
    assert findings_in(module_of(text, "calls")) == []


@pytest.mark.long
@pytest.mark.parametrize("mistake", some(WRONG, 2))
def test_a_wrong_call_is_found_on_its_line_and_what_to_write_repairs_it(mistake: str) -> None:
    right, before, after = WRONG[mistake]
    assert right.count(before) == 1
    text = right.replace(before, after)
    (finding,) = findings_in(module_of(text, "calls"))
    assert finding.line == line_of(text, after)
    assert finding.write is not None
    module, original = module_of(with_writes(text, [finding]), "repaired"), module_of(right, "right")
    for mine, its in zip(*(m.gradients(*arguments(m)) for m in (module, original)), strict=True):
        assert np.allclose(mine, its)


def test_what_is_called_may_be_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layers_of_calls.py").write_text(LAYERS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "layers_of_calls", raising=False)
    head = "import numpy as np\nimport layers_of_calls as own\nfrom layers_of_calls import Linear\n"
    text = head + ATTENTION.replace("softmax_backward(", "own.softmax_backward(").replace("d=d_k", "d=d_q")
    (finding,) = findings_in(module_of(text, "calls"))
    assert finding.line == line_of(text, "d=d_q")
    assert finding.write == "dx_k = self.to_k.backward(d=d_k)"
