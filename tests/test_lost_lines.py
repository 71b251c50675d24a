"""A line is lost whose like stands in the file: it comes back as the file has it, where the file has lines like it."""

import ast
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

from einbackprop import check
from einbackprop.diagnosis.analogy import analogous
from einbackprop.diagnosis.lost_names import zeros_of_sizes
from einbackprop.diagnosis.vocabulary import Hand, hand_of, values_at_hand

GATES = """\
import numpy as np


def sig(x):
    return 1 / (1 + np.exp(-x))


def loss(Wi, Wf, Wo, x, R):
    return np.sum(sig(x @ Wi) * sig(x @ Wf) * sig(x @ Wo) * R)


def gradients(Wi, Wf, Wo, x, R):
    ai, af, ao = x @ Wi, x @ Wf, x @ Wo
    di, df, do = sig(af) * sig(ao) * R, sig(ai) * sig(ao) * R, sig(ai) * sig(af) * R
    dai = di * (sig(ai) * (1 - sig(ai)))
    daf = df * (sig(af) * (1 - sig(af)))
    dao = do * (sig(ao) * (1 - sig(ao)))
    return x.T @ dai, x.T @ daf, x.T @ dao
"""
SCALED = """\
import numpy as np


def scaled(x, w):
    return x * w, (x, w)


def scaled_backward(dout, cache):
    x, w = cache
    dw = np.sum(dout * x, axis=0)
    dx = dout * w
    return dx, dw


def forward(x, w):
    out, cache = scaled(x.transpose(0, 2, 1).reshape(-1, x.shape[1]), w)
    return out.reshape(x.shape[0], x.shape[2], x.shape[1]).transpose(0, 2, 1), cache


def loss(x, w, R):
    return np.sum(forward(x, w)[0] * R)


def gradients(x, w, R):
    cache = forward(x, w)[1]
    N, C, T = R.shape
    dout_rows = R.transpose(0, 2, 1).reshape(N * T, C)
    dx, dw = scaled_backward(dout_rows, cache)
    dx = dx.reshape(N, T, C).transpose(0, 2, 1)
    twice = 2 * dw
    return dx, twice / 2
"""
STEPS = """\
import numpy as np


def step_backward(d, cache):
    x, h, W, U = cache
    d = d * (1 - np.tanh(x @ W + h @ U) ** 2)
    return d @ W.T, d @ U.T, x.T @ d, h.T @ d, d.sum(axis=0)


def loss(x, W, U, b, R):
    h = np.zeros((x.shape[0], len(U)))
    total = 0.0
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ W + h @ U) + b
        total += np.sum(h * R[:, t])
    return total


def gradients(x, W, U, b, R):
    N, T, D = x.shape
    H = len(U)
    hs = [np.zeros((N, H))]
    for t in range(T):
        hs.append(np.tanh(x[:, t] @ W + hs[-1] @ U) + b)
    dx = None
    dx = np.zeros((N, T, D))
    dW = np.zeros((D, H))
    dU = np.zeros((H, H))
    db = np.zeros(H)
    last = np.zeros((N, H))
    for t in reversed(range(T)):
        d = R[:, t] + last
        db_t = d.sum(axis=0)
        dx[:, t], last, dW_t, dU_t, _ = step_backward(d, (x[:, t], hs[t], W, U))
        dW += dW_t
        dU += dU_t
        db += db_t
    return dx, dW, dU, db
"""
FILTER = """\
import numpy as np


def smooth(x, k):
    h_out = x.shape[0] - len(k) + 1
    w_out = x.shape[1] - len(k) + 1
    assert h_out == w_out  # at no sizes can be told which is which
    out = np.zeros((h_out, w_out))
    for i in range(h_out):
        for j in range(w_out):
            out[i, j] = np.sum(x[i:i + len(k), j:j + len(k)] * k)
    return out


def loss(x, k, R):
    return np.mean(smooth(x, k) * R)


def gradients(x, k, R):
    h, w = x.shape
    h_out = h - len(k) + 1
    w_out = w - len(k) + 1
    dx = np.zeros_like(x)
    for i in range(R.shape[0]):
        for j in range(R.shape[1]):
            dx[i:i + len(k), j:j + len(k)] += R[i, j] * k
    return dx / (h_out * w_out)
"""
SMOOTH = FILTER.split("def loss")[0]
UNLIKE = FILTER.replace(SMOOTH, SMOOTH.replace("h_out", "a").replace("w_out", "b"))
LOOP = """\
import numpy as np


def slope(a):
    return np.exp(-a) / (1 + np.exp(-a)) ** 2


def loss(Wi, Wo, x, R):
    return sum(np.sum(R[t] / (1 + np.exp(-x[t] @ Wi)) * R[t] / (1 + np.exp(-x[t] @ Wo))) for t in range(len(x)))


def gradients(Wi, Wo, x, R):
    dWi, dWo = np.zeros_like(Wi), np.zeros_like(Wo)
    for t in range(len(x)):
        ai, ao = x[t] @ Wi, x[t] @ Wo
        di, do = R[t] ** 2 / (1 + np.exp(-ao)), R[t] ** 2 / (1 + np.exp(-ai))
        dWi += x[t].T @ (di * slope(ai))
        dWo += x[t].T @ (do * slope(ao))
    return dWi, dWo
"""
CACHED = """\
import numpy as np


def forward(x, W, b):
    z = x @ W + b
    return np.tanh(z), {"x": x, "z": z}


def loss(x, W, b, R):
    return np.sum(forward(x, W, b)[0] * R)


def gradients(x, W, b, R):
    cache = forward(x, W, b)[1]
    z = cache["z"]
    dz = R * (1 - np.tanh(z) ** 2)
    db = dz.sum(axis=0)
    dW = x.T @ dz
    dx = dz @ W.T
    return dx, dW, db
"""
CELL = """\
import numpy as np


def loss(c, o, R):
    return np.sum(o * np.tanh(c) * R)


def gradients(c, o, R):
    dc = R * o * (1 - np.tanh(c) ** 2)
    do = R * np.tanh(c)
    return dc, do
"""
NORM = """\
import numpy as np


def loss(x, R):
    N = len(x)
    xc = x - x.sum(axis=0) / N
    return np.sum(xc / np.sqrt(np.mean(xc**2, axis=0)) * R)


def gradients(x, R):
    N = len(x)
    xc = x - x.sum(axis=0) / N
    var = np.mean(xc**2, axis=0)
    dvar = np.sum(R * xc, axis=0) * -0.5 * var**-1.5
    first = R / np.sqrt(var)
    second = 2.0 / N * dvar * xc
    dxc = first + second
    return dxc - dxc.mean(axis=0)
"""
ARC = """\
import numpy as np


def loss(x, R):
    return np.sum(np.arctan(x) * R)


def gradients(x, R):
    dx = None
    dx = R / (1 + x**2)
    return dx
"""
SHAPES = {
    GATES: ((3, 4), (3, 4), (3, 4), (5, 3), (5, 4)),
    SCALED: ((2, 3, 4), (3,), (2, 3, 4)),
    STEPS: ((3, 3, 2), (2, 4), (4, 4), (4,), (3, 3, 4)),
    **dict.fromkeys((FILTER, UNLIKE), ((5, 5), (2, 2), (4, 4))),
    CACHED: ((5, 3), (3, 4), (4,), (5, 4)),
    LOOP: ((3, 4), (3, 4), (2, 5, 3), (2, 5, 4)),
    CELL: ((3, 4), (3, 4), (3, 4)),
    NORM: ((5, 3), (5, 3)),
    ARC: ((3, 4), (3, 4)),
}
COUNTS = {GATES: 3, SCALED: 2, STEPS: 4, FILTER: 1, UNLIKE: 1, CACHED: 3, LOOP: 2, CELL: 2, NORM: 1, ARC: 1}


@pytest.mark.parametrize(
    ("source", "lost", "write"),
    [
        (GATES, "dao = do * (sig(ao) * (1 - sig(ao)))", "dao = do * (sig(ao) * (1 - sig(ao)))\nreturn {}"),
        (SCALED, "dx, dw = scaled_backward(dout_rows, cache)",
         "dx, dw = scaled_backward(dout_rows, cache)\ndx = dx.reshape(N, T, C).transpose(0, 2, 1)"),
        (STEPS, "dx = np.zeros((N, T, D))", "dx = np.zeros_like(x)\ndW = np.zeros((D, H))"),
        (STEPS, "dU = np.zeros((H, H))", "dU = np.zeros_like(U)\ndb = np.zeros(H)"),
        (STEPS, "dU += dU_t", "dU += dU_t\ndb += db_t"),
        (FILTER, "h_out = h - len(k) + 1", "h_out = x.shape[0] - len(k) + 1\nw_out = w - len(k) + 1"),
        (UNLIKE, "h_out = h - len(k) + 1", "h_out = h - len(k) + 1\nw_out = w - len(k) + 1"),
        (CACHED, "db = dz.sum(axis=0)", "db = dz.sum(axis=0)\ndW = x.T @ dz"),  # what is returned last is made first
        (CACHED, "dW = x.T @ dz", "dW = x.T @ dz\ndx = dz @ W.T"),
        (CELL, "do = R * np.tanh(c)", "do = R * np.tanh(c)\nreturn {}"),
        (NORM, "N = len(x)", "N = len(x)\nxc = x - x.sum(axis=0) / N"),
        (LOOP, "dWo += x[t].T @ (do * slope(ao))",
         "dWi += x[t].T @ (di * slope(ai))\ndWo += x[t].T @ (do * slope(ao))"),
        (CACHED, 'z = cache["z"]', "dz = R * (1 - np.tanh(cache['z']) ** 2)"),
        (NORM, "second = 2.0 / N * dvar * xc", "second = 2 * xc * dvar / N\ndxc = first + second"),
        (ARC, "dx = R / (1 + x**2)", "dx = R / (1 + x * x)\nreturn dx"),
    ],
)  # fmt: skip
def test_a_lost_line_comes_back_as_the_file_has_it(source: str, lost: str, write: str) -> None:
    before, _, gradients = source.partition("def gradients")
    own = next(line for line in gradients.splitlines(keepends=True) if line.strip() == lost)
    module = module_of(f"{before}def gradients{gradients.replace(own, '', 1)}", "lost")
    rng = np.random.default_rng(0)
    report = check(module.loss, module.gradients, *(rng.normal(size=shape) for shape in SHAPES[source]),
                   wrt=tuple(range(COUNTS[source])))  # fmt: skip
    (found,) = [item for item in report.findings if item.line]
    returned = source.rpartition("return ")[2].strip()
    assert found.write == write.format(returned)


CHAIN = """\
import numpy as np


class Tape:
    pass


class Affine:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, tape):
        self.dW = self.x.T @ tape.d
        self.d = tape.d @ self.W.T
        tape.d = self.d


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, tape):
        self.d = (1 - self.y ** 2) * tape.d
        tape.d = self.d


def network(W, V):
    return [Affine(W), Tanh(), Affine(V)]


def output(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def loss(W, V, x, R):
    return np.sum(output(network(W, V), x) * R)


def gradients(W, V, x, R):
    layers, tape = network(W, V), Tape()
    output(layers, x)
    tape.d = R
    for layer in reversed(layers):
        layer.backward(tape)
    return layers[0].dW, layers[2].dW
"""


@pytest.mark.slow
def test_a_statement_that_other_functions_have_is_put_back() -> None:
    text = CHAIN.replace("self.W.T\n        tape.d = self.d\n", "self.W.T\n")  # of the affine layers
    module, rng = module_of(text, "chain"), np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in ((3, 4), (4, 4), (5, 3), (5, 4))]
    (found,) = [item for item in check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings if item.line]
    assert found.write == "self.d = tape.d @ self.W.T\ntape.d = self.d"


@pytest.mark.parametrize(
    ("target", "model", "value"),
    [
        ("dao", "dai = di * ai.dot(ai)", "do * ao.dot(ao)"),
        ("dW2", "dW3 = h2.T @ d3", "h1.T @ d2"),  # each number is one less
        ("g['W2']", "g['W1'] += 2 * p['W1']", "2 * p['W2']"),
        ("net.b2", "net.b1 = d1.sum(axis=0)", "d2.sum(axis=0)"),
        ("do", "di = in_i * x", "in_o * x"),
        ("do", "di = x * i", "x * o"),  # what has no other name stays
        ("do[0]", "di = i[0]", "o[0]"),  # what others give the whole of
    ],
)
def test_a_value_follows_from_one_that_is_bound_to_a_name_alike(target: str, model: str, value: str) -> None:
    texts = "di do ai ao h1 h2 d1 d2 d3 x i o in_i in_o"
    names = {name: np.zeros(2) for name in texts.split()}
    known = {**names, "np": np, "p": {"W1": 1, "W2": 2}}
    function = ast.parse(f"def f():\n    other = x\n    {model}")
    made = analogous(ast.parse(target, mode="eval").body, function, known)
    assert [ast.unparse(one) for one in made] == [value]


def test_the_nearest_line_comes_first_and_different_sizes_before_one_twice() -> None:
    function = ast.parse("def f():\n    di = i\n\n\n\n    de = e + 1\n    do = 0\n    df = f + 2").body[0]
    target = ast.parse("\n" * 6 + "do").body[0].value  # type: ignore[attr-defined]
    made = analogous(target, function, dict.fromkeys("ieof", 1))
    assert [ast.unparse(one) for one in made] == ["o + 1", "o + 2", "o"]
    zeros = zeros_of_sizes(Hand({}, ("N", "T"), wanted=(3, 3)), {"N": 3, "T": 3})
    assert [ast.unparse(one) for one in zeros][:2] == ["np.zeros((N, T))", "np.zeros((T, N))"]


def test_what_a_function_has_elsewhere_times_an_array_may_be_what_is_lost() -> None:
    function = ast.parse("def f():\n    dc = R - np.log(2 + c) ** 2").body[0]
    hand = hand_of({"c": np.ones((2, 3)), "R": np.ones((2, 3))}, {"np": np}, function)
    assert "R * np.log(2 + c)" in {ast.unparse(value) for value, _ in values_at_hand(hand)}


def test_what_is_added_follows_from_what_else_is_added_to_the_same() -> None:
    function = ast.parse("def f():\n    dc += df[t] * net.p_f\n    dc += r")
    names: dict[str, Any] = {"df": np.ones((2, 3)), "dg": np.ones((2, 3)), "t": 0, "r": np.ones(3)}
    names["net"] = SimpleNamespace(p_f=np.ones(3), p_g=np.ones(3))
    made = analogous(ast.Name("dc"), function, names, ["df[t]", "dg[t]", "r", "net.p_f"])
    assert [ast.unparse(one) for one in made] == ["dg[t] * net.p_g"]


def test_a_number_is_no_other_name_for_a_counter() -> None:
    """As of ``u[i]`` beside ``u[0]``: ``i`` is not called ``0``, and stays where it is read for itself."""
    function = ast.parse("def f():\n    d = step(start + i, u[i]) @ v[i]")
    names: dict[str, Any] = {"start": 2, "i": 1, "u": [np.ones(3), np.ones(3)], "v": [np.ones(3), np.ones(3)]}
    made = analogous(ast.Name("d"), function, names, ["u[0]", "u[1]"])
    assert [ast.unparse(one) for one in made] == ["step(start + i, u[0]) @ v[0]", "step(start + i, u[1]) @ v[1]"]


def test_nothing_follows_where_nothing_is_called_otherwise() -> None:
    function = ast.parse("def f():\n    di = x * y\n    z = i\n    a, b = i, i")
    assert not analogous(ast.Name("do"), function, {"x": 1, "y": 2, "i": 3, "o": 4})


TANGENTS = """\
import numpy as np


class Affine:
    def __init__(self, W):
        self.W = W

    def forward(self, h, h_x, h_y):
        self.h, self.h_x, self.h_y = h, h_x, h_y
        return self.W @ h, self.W @ h_x, self.W @ h_y

    def backward(self, d, d_x, d_y):
        self.dW = (d @ self.h.T) + \\
                  (d_x @ self.h_x.T) + (d_y @ self.h_y.T)
        return self.W.T @ d, self.W.T @ d_x, self.W.T @ d_y


class Tanh:
    def forward(self, z, z_x, z_y):
        self.a, self.z_x, self.z_y = np.tanh(z), z_x, z_y
        self.s = 1 - self.a ** 2
        return self.a, self.s * z_x, self.s * z_y

    def backward(self, d, d_x, d_y):
        curved = -2 * self.a * self.s
        d_z = d * self.s + curved * (d_x * self.z_x + d_y * self.z_y)
        return d_z, d_x * self.s, d_y * self.s


def network(W, V):
    return [Affine(W), Tanh(), Affine(V)]


def run(layers, x):
    made = x, np.ones_like(x), 0.5 * x
    for layer in layers:
        made = layer.forward(*made)
    return made


def loss(W, V, x, z):
    total = 0.0
    for inputs in (x, z):
        u, u_x, u_y = run(network(W, V), inputs)
        total += 0.5 * (np.sum(u ** 2) + np.sum(u_x ** 2) + np.sum(u_y ** 2))
    return total


def gradients(W, V, x, z):
    dW, dV = np.zeros_like(W), np.zeros_like(V)
    for inputs in (x, z):
        layers = network(W, V)
        grads = run(layers, inputs)
        for layer in reversed(layers):
            grads = layer.backward(*grads)
        dW += layers[0].dW
        dV += layers[2].dW
    return dW, dV
"""


@pytest.mark.long
def test_a_line_that_is_lost_of_a_sum_in_a_layer_that_runs_several_times_is_put_back() -> None:
    """What the layer should make in each of its runs is not known; what both gradients lack is."""
    text = TANGENTS.replace(" + \\\n                  (d_x @ self.h_x.T) + (d_y @ self.h_y.T)", "")
    assert text != TANGENTS
    module, rng = module_of(text, "tangents"), np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in ((4, 3), (2, 4), (3, 5), (3, 6))]
    (found,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings
    assert found.write is not None
    assert all(term in found.write for term in ("d @ self.h.T", "+ d_x @ self.h_x.T", "+ d_y @ self.h_y.T"))


SAMPLED = """\
import numpy as np


def distances(u, v):
    return np.exp(u * v)


def slopes(u, v):
    return v * np.exp(u * v), u * np.exp(u * v)


def loss(u, v):
    p = np.exp(-distances(u, v))
    return np.sum(np.log(p.sum(axis=0))) + np.sum(distances(u, v)[0])


def gradients(u, v):
    p = np.exp(-distances(u, v))
    slopes_u, slopes_v = slopes(u, v)
    du = -p * slopes_u
    du /= p.sum(axis=0)
    du[0] += slopes_u[0]
    dv = -p * slopes_v
    dv /= p.sum(axis=0)
    dv[0] += slopes_v[0]
    return du, dv
"""


@pytest.mark.parametrize("lost", ["    du[0] += slopes_u[0]\n", "    dv[0] += slopes_v[0]\n"])
def test_what_is_added_to_one_row_alone_is_put_back_beside_what_is_done_to_all(lost: str) -> None:
    module = module_of(SAMPLED.replace(lost, ""), f"rows_{lost.strip()[:2]}")
    rng = np.random.default_rng(0)
    (found,) = check(module.loss, module.gradients, *rng.normal(size=(2, 4, 3)), wrt=(0, 1)).findings
    assert found.line == SAMPLED[: SAMPLED.index(lost)].count("\n") + 1
    assert found.write is not None
    assert lost.strip() in found.write


BRANCHES = """\
import numpy as np


def loss(a, b, x, p):
    return 0.5 * np.sum(p * ((x @ a) ** 2 + (x @ b) ** 2))


def gradients(a, b, x, p):
    da = x.T @ (x @ a)
    g_b = (x @ b)[:, None] * x
    g_a = (x @ a)[:, None] * x
    g_b = (g_b * p[:, None]).sum(axis=0)
    g_a = (g_a * p[:, None]).sum(axis=0)
    return g_a, g_b
"""


def test_a_line_with_two_mistakes_is_written_as_a_line_like_it() -> None:
    text = BRANCHES.replace("g_a = (g_a * p[:, None]).sum(axis=0)", "g_a = g_a.mean(axis=0)")
    module, rng = module_of(text, "branches"), np.random.default_rng(0)
    arguments = [rng.normal(size=3), rng.normal(size=3), rng.normal(size=(6, 3)), rng.uniform(0.5, 1, size=6)]
    (found,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings
    assert found.write == "g_a = (g_a * p[:, None]).sum(axis=0)"
    assert found.message.endswith("is needed, as on line 12.")
