"""Layers without a loss: what forward returned is taken apart, the cotangent handed in, the gradients found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.checking.matching import Target, is_gradient_of, match
from einbackprop.checking.reports import Report
from einbackprop.errors import OptionError, ScriptError
from einbackprop.shell.command import main
from einbackprop.shell.questions import Question
from einbackprop.shell.scripts import answer

LAYERS = '''
import numpy as np

def affine_forward(x, w, b):
    out = x.reshape(len(x), -1) @ w + b
    cache = (x, w, b)
    return out, cache

def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db

def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    dout[cache <= 0] = 0
    return dout

def step_forward(x, h, c, Wx, Wh):
    a = x @ Wx + h @ Wh
    n = h.shape[1]
    gate, new = 1 / (1 + np.exp(-a[:, :n])), np.tanh(a[:, n:])
    next_c = gate * c + new
    next_h = np.tanh(next_c)
    return next_h, next_c, (x, h, c, Wx, Wh, gate, new, next_h)

def step_backward(dnext_h, dnext_c, cache):
    x, h, c, Wx, Wh, gate, new, next_h = cache
    dc = dnext_c + dnext_h * (1 - next_h ** 2)
    da = np.hstack([dc * c * gate * (1 - gate), dc * (1 - new ** 2)])
    return da @ Wx.T, da @ Wh.T, dc * gate, x.T @ da, h.T @ da

class Affine:
    def __init__(self, n, m):
        self.W, self.b = np.random.randn(n, m), np.random.randn(m)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T

class Stacked:
    def __init__(self, n, m):
        self.params = [np.random.randn(n, m), np.random.randn(m)]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ self.params[0].T

class Named:
    def __init__(self, n, m):
        self.params = {"W": np.random.randn(n, m)}

    def __call__(self, x):
        self.y = np.tanh(x @ self.params["W"])
        self.x = x
        return self.y

    def backward(self, dy):
        d = dy * (1 - self.y ** 2)
        self.grads = {"W": self.x.T @ d}
        return d @ self.params["W"].T

class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, None

class WithParameters:
    def __init__(self, n, m):
        self.W = Parameter(np.random.randn(n, m))

    def forward(self, x):
        self.x = x
        return x @ self.W.data

    def backward(self, dout):
        self.W.grad = self.x.T @ dout
        return dout @ self.W.data.T

class Dropout:
    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > 0.4
        return x * self.mask / 0.6

    def backward(self, dout):
        return dout * self.mask / 0.6

class SoftmaxLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.mean(np.log(self.y[np.arange(len(t)), t]))

    def backward(self):
        d = self.y.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return d / len(self.t)

np.random.seed(3)
x4, w, b = np.random.randn(3, 2, 2), np.random.randn(4, 5), np.random.randn(5)
x, h, c = np.random.randn(3, 4), np.random.randn(3, 2), np.random.randn(3, 2)
Wx, Wh, t = np.random.randn(4, 4), np.random.randn(2, 4), np.array([0, 3, 1])
affine, stacked, named, held = Affine(4, 5), Stacked(4, 5), Named(4, 5), WithParameters(4, 5)
softmax, dropout = SoftmaxLoss(), Dropout()
# what a file of layers has tried before must not be what is checked
out, cache = affine_forward(x4, w, b)
dout = np.ones(7)
affine.forward(x)
'''

STYLES = {
    "affine": ("affine_forward(x4, w, b)", "affine_backward(dout, cache)", ["x4", "w", "b"], ""),
    "relu": ("relu_forward(x)", "relu_backward(dout, cache)", ["x"], ""),
    "two outputs": ("step_forward(x, h, c, Wx, Wh)", "step_backward(*dout, cache)", ["x", "h", "c", "Wx", "Wh"], ""),
    "attributes": ("affine.forward(x)", "affine.backward(dout)", ["x", "affine.W", "affine.b"], ""),
    "only an attribute": ("affine.forward(x)", "affine.backward(dout)", ["affine.W"], ""),
    "parallel lists": ("stacked.forward(x)", "stacked.backward(dout)", ["x", "stacked.params"], ""),
    "dicts": ("named(x)", "named.backward(dout)", ["x", "named.params"], ""),
    "parameters": ("held.forward(x)", "held.backward(dout)", ["x", "held.W"], ""),
    "said where": ("affine.forward(x)", "affine.backward(dout)", ["x", "affine.W"], "returned, affine.dW"),
    "random": ("dropout.forward(x)", "dropout.backward(dout)", ["x"], ""),
    "its own loss": ("softmax.forward(x, t)", "softmax.backward()", ["x"], ""),
}


def written(folder: Path, source: str = LAYERS) -> str:
    path = folder / "layers.py"
    path.write_text(source, encoding="utf-8")
    return str(path)


def checked(folder: Path, style: str, source: str = LAYERS) -> Report:
    forward, backward, wrt, grads = STYLES[style]
    return answer(written(folder, source), Question(wrt, grads=grads, forward=forward, backward=backward))


@pytest.mark.parametrize("style", STYLES)
def test_right_layers_are_right(style: str, tmp_path: Path) -> None:
    report = checked(tmp_path, style)
    assert report.ok, report
    assert [item for item in report.findings if item.line is not None] == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("style", "old", "new", "wrong", "write"),
    [
        ("affine", "db = dout.sum(axis=0)\n    return dx", "db = dout.sum(axis=1)\n    return dx", ["b"],
         "db = dout.sum(axis=0)"),
        ("relu", "[cache <= 0]", "[cache >= 0]", ["x"], None),
        ("two outputs", "dc = dnext_c +", "dc = dnext_c -", ["x", "h", "c", "Wx", "Wh"],
         "dc = dnext_c + dnext_h * (1 - next_h ** 2)"),
        ("attributes", "self.dW = self.x.T @ dout", "self.dW = 2 * self.x.T @ dout", ["W"],
         "self.dW = self.x.T @ dout"),
        ("parallel lists", "dout @ self.params[0].T", "dout @ self.params[0].T * 2", ["x"],
         "return dout @ self.params[0].T"),
        ("dicts", "d = dy * (1 - self.y ** 2)", "d = dy * (1 - self.y)", ["x", "W"],
         "d = dy * (1 - self.y ** 2)"),
        ("parameters", "self.W.grad = self.x.T @ dout", "self.W.grad = -self.x.T @ dout", ["W"],
         "self.W.grad = self.x.T @ dout"),
        ("random", "dout * self.mask / 0.6", "dout * self.mask", ["x"], None),
        ("its own loss", "d / len(self.t)", "d", ["x"], None),
    ],
)  # fmt: skip
def test_mistakes_are_on_their_lines(
    style: str, old: str, new: str, wrong: list[str], write: str | None, tmp_path: Path
) -> None:
    assert LAYERS.count(old) == 1
    report = checked(tmp_path, style, LAYERS.replace(old, new))
    assert [item.name for item in report.gradients if item.verdict == "wrong"] == wrong
    if write is not None:
        line = LAYERS[: LAYERS.index(old)].count("\n") + 1
        assert [(item.line, item.write) for item in report.findings if item.line] == [(line, write)]


def test_what_was_taken_is_said(tmp_path: Path) -> None:
    assert checked(tmp_path, "affine").assumptions[1] == (
        "Data: yours, and in one draw redrawn: dout (of both signs).")
    assert checked(tmp_path, "affine").assumptions[2:4] == (
        "dout is drawn by einbackprop: the cotangent of what forward returns first. The loss is the sum of their "
        "product.",
        "The cache is what forward returns last.",
    )
    assert checked(tmp_path, "two outputs").assumptions[2] == (
        "dout is drawn by einbackprop: a cotangent for each of the 2 outputs of forward. The loss is the sum of their "
        "products.")
    assert checked(tmp_path, "attributes").assumptions[3] == (
        "Gradients that backward leaves on objects: that of W is affine.dW, that of b is affine.db.")
    assert checked(tmp_path, "its own loss").assumptions[1] == (
        "What forward returns is a number, and backward takes no cotangent: it is the loss.")


def refused(folder: Path, forward: str, backward: str, wrt: str = "x", more: str = "", **options: str) -> str:
    with pytest.raises((ScriptError, OptionError)) as caught:
        answer(written(folder, LAYERS + more), Question([wrt], forward=forward, backward=backward, **options))
    return str(caught.value)


def test_what_cannot_be_matched_is_named(tmp_path: Path) -> None:
    none = "\nAffine.backward = lambda self, d: None"
    assert refused(tmp_path, "affine.forward(x)", "affine.backward(dout)", wrt="affine.b", more=none) == (
        "no gradient was found for b: backward returned nothing, and left none under a name such as db; --grads says "
        "where it is, or grads= in Python")
    assert refused(tmp_path, "affine.forward(x)", "affine.backward(dout), dout", wrt="affine.forward") == (
        "--wrt: affine.forward holds no arrays: it is method")
    assert refused(tmp_path, "x @ w", "dout @ w.T + cache2") == (
        "--backward: layers.py has no name 'cache2': did you mean 'cache'?")
    assert refused(tmp_path, "x @ w", "x @ w.T") == (
        "backward does not take the cotangent of what forward returns (shape (3,5)): hand it in, as in "
        "backward(dout, cache)")
    assert refused(tmp_path, "t", "dout") == (
        "forward must return an array of floats, but what it returns is an array of int64")
    assert refused(tmp_path, "affine_forward", "dout").startswith(
        "forward must return an array of floats, but what it returns is <function affine_forward")
    assert refused(tmp_path, "x * 1j", "dout") == "forward returns complex numbers: only real ones can be checked"
    assert refused(tmp_path, "x @ b", "dout").startswith("forward: ")
    assert refused(tmp_path, "x", "dout", wrt="dout") == (
        "--wrt: dout is what einbackprop hands in: call it otherwise, or give --cotangent")
    assert refused(tmp_path, "x", "dout", cotangent="d-y") == "--cotangent: 'd-y' is no name"
    assert refused(tmp_path, "x", "cache * dout", more="\ndel cache") == (
        "--backward reads cache, but forward returned no tuple that ends in one: it returned ndarray")
    two = "\naffine.grads = {'W': np.zeros((4, 5))}"
    assert refused(tmp_path, "affine.forward(x)", "affine.backward(dout)", wrt="affine.W", more=two) == (
        "the gradient of W may be affine.grads['W'] or affine.dW: --grads says which, or grads= in Python")


def test_a_backward_that_raises_is_wrong_and_a_cache_of_the_scripts_own_is_read(tmp_path: Path) -> None:
    more = "\ndef broken(d):\n    return d @ np.ones(99)\n"
    report = answer(written(tmp_path, LAYERS + more), Question(["x"], forward="x * 2", backward="broken(dout)"))
    assert report.exit_code == 1
    script = written(tmp_path, LAYERS + "\ncache = 2.0")
    assert answer(script, Question(["x"], forward="x * cache", backward="dout * cache")).ok
    assert answer(script, Question(["x"], forward="(x * cache, 1)", backward="dout * cache")).ok
    assert answer(script, Question(["x"], forward="(x * 2, [x], {'x': x})", backward="dout * 2")).ok


def test_the_command_takes_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = written(tmp_path)
    options = ["--forward", "affine.forward(x)", "--backward", "affine.backward(dy)", "--wrt", "x"]
    assert main(["check", script, *options, "--cotangent", "dy"]) == 0
    assert "dy is drawn by einbackprop" in capsys.readouterr().out
    assert main(["check", script, *options]) == 2
    assert capsys.readouterr().err == "einbackprop: --backward: layers.py has no name 'dy'; --setup can make it\n"
    for given, said in (
        (["--loss", "1"], "--loss alone does not say what to check"),
        ([], "--wrt alone does not say what to check"),
        (["--both", "1", "--loss", "1"], "--both, --loss do not go together"),
    ):
        assert main(["check", script, *given, "--wrt", "x"]) == 2
        assert capsys.readouterr().err == (
            f"einbackprop: {said}: give --loss and --grads, or --both, or --forward and --backward\n")


def test_the_letters_of_a_setup_are_tried_at_other_sizes(tmp_path: Path) -> None:
    setup = "x, affine = np.random.randn(i, j), Affine(j, k)"
    wrong = LAYERS.replace("dout @ self.W.T", "dout @ self.W")
    question = Question(["x"], forward="affine.forward(x)", backward="affine.backward(dout)")
    assert answer(written(tmp_path), question, setup).ok
    assert answer(written(tmp_path, wrong), question, setup).exit_code == 1
    picky = LAYERS + "\ndef picky(x):\n    assert len(x) != len(x.T)\n    return x * x\n"
    question = Question(["x"], forward="picky(x)", backward="2 * x * dout")
    assert answer(written(tmp_path, picky), question, "x = np.random.randn(i, j)").ok


# In Python


def module() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "layers_here"}
    exec(LAYERS, names)
    return names


@pytest.mark.slow
def test_python_hands_in_by_name() -> None:
    m = module()
    assert eb.check_layer(m["affine_forward"], m["affine_backward"], m["x4"], m["w"], m["b"], wrt=("x", "w", "b")).ok
    assert eb.check_layer(m["relu_forward"], m["relu_backward"], m["x"]).ok
    arguments = [m[name] for name in ("x", "h", "c", "Wx", "Wh")]
    assert eb.check_layer(m["step_forward"], m["step_backward"], *arguments, wrt=(0, 1, 2, 3, 4)).ok
    assert eb.check_layer(np.tanh, lambda d, x: d * (1 - np.tanh(x) ** 2), m["x"]).ok
    assert eb.check_layer(lambda x: np.tanh(x), lambda x, d: d * (1 - np.tanh(x) ** 2), m["x"]).ok
    assert eb.check_layer(lambda x: (x * 2, x * 3), lambda da, db: 2 * da + 3 * db, m["x"]).ok
    assert eb.check_layer(lambda x: (x * 2, x * 3), lambda both: 2 * both[0] + 3 * both[1], m["x"]).ok
    assert eb.check_layer(lambda x: x * 2, lambda d, scale=2.0: scale * d, m["x"]).ok
    assert eb.check_layer(lambda x: x * 2, lambda d=1.0: 2 * d, m["x"]).ok
    assert not eb.check_layer(lambda x: (x * 2, 2.0 * x), lambda cache, d: d * 2, m["x"]).ok
    assert eb.check_layer(lambda x: (x * x, 2.0 * x), lambda cache, d: d * cache, m["x"], cotangent="d").ok


def test_python_binds_objects() -> None:
    m = module()
    affine, named, held = m["affine"], m["named"], m["held"]
    report = eb.check_layer(affine.forward, affine.backward, m["x"], wrt=(0, "self.W", "self.b"))
    assert [(item.name, item.verdict) for item in report.gradients] == [("x", "right"), ("W", "right"), ("b", "right")]
    assert report.gradients[0].grade == "proved"  # that an earlier run has left x in affine.x hides nothing
    assert eb.check_layer(m["Affine"].forward, m["Affine"].backward, affine, m["x"], wrt="self.W").ok
    assert eb.check_layer(named, named.backward, m["x"], wrt=("x", "self.params")).ok
    assert eb.check_layer(held.forward, held.backward, m["x"], wrt="self.W", grads=lambda self: self.W.grad).ok
    assert eb.check_layer(held.forward, held.backward, m["x"], wrt=("x", "self.W"),
                          grads=lambda self, dx: (dx, self.W.grad)).ok
    assert eb.check_layer(m["softmax"].forward, m["softmax"].backward, m["x"], m["t"]).ok
    assert held.W.grad is None  # nothing of the caller's is changed


def test_python_says_what_it_cannot_hand_in() -> None:
    m = module()
    x = m["x"]
    for forward, backward, options, said in (
        (np.tanh, lambda d, y: d, {}, "backward takes d and y, but forward returned no tuple (output, cache): it "
         "returned ndarray. Wrap it, as in lambda dout, x: backward(dout, x)"),
        (lambda x: (x, 3), lambda a, b, c: a, {}, "backward takes a, b, c, and forward returned 1 outputs and a cache: "
         "wrap it, as in lambda dout, cache: backward(dout, cache)"),
        (lambda x: x, lambda d: d, {"cotangent": "dy"}, "cotangent='dy', but backward has no parameter of that name "
         "beside forward's: d"),
        (lambda x: x, lambda d: d, {"wrt": "x.W"}, "wrt='x.W': AttributeError: 'numpy.ndarray' object has no attribute "
         "'W'"),
        (lambda x: x, lambda d: d, {"wrt": 1}, "wrt is 1, but there are 1 arguments"),
        (lambda x: x, lambda: x, {}, "backward does not take the cotangent of what forward returns (shape (3,4)): "
         "hand it in, as in backward(dout, cache)"),
    ):  # fmt: skip
        with pytest.raises((ScriptError, OptionError)) as caught:
            eb.check_layer(forward, backward, x, **options)  # type: ignore[arg-type]
        assert str(caught.value) == said


def test_a_narrow_layer_has_a_narrow_cotangent() -> None:
    def backward(dout: Any, x: Any) -> Any:
        assert dout.dtype == np.float32
        return dout * 2

    assert eb.check_layer(lambda x: x * 2, backward, np.linspace(-1, 1.5, 5, dtype=np.float32)).ok


@pytest.mark.parametrize(
    ("path", "target", "strict", "expected"),
    [
        (("net", "dW"), ("net", "W"), True, True),
        (("net", "_dW"), ("net", "W"), True, True),
        (("net", "W_grad"), ("net", "W"), True, True),
        (("net", "grads", "W"), ("net", "W"), True, True),
        (("net", "grads", "dW"), ("net", "W"), True, True),
        (("net", "grads", 0), ("net", "params", 0), True, False),
        (("net", "grads", 0), ("net", "params", 0), False, True),
        (("net", "grads", 1), ("net", "params", 0), False, False),
        (("net", "W"), ("net", "W"), False, False),
        (("net", "vW"), ("net", "W"), False, False),
        (("other", "dW"), ("net", "W"), False, False),
    ],
)
def test_how_gradients_are_called(path: Any, target: Any, strict: bool, expected: bool) -> None:
    assert is_gradient_of(path, target, strict) is expected


def test_a_name_says_more_than_a_place() -> None:
    """Of ``dx, {"W": …, "U": …}`` the first is not taken for W's, which is called so."""
    targets = [Target("p['W']", ("p", "W"), (0,), (2,)), Target("p['U']", ("p", "U"), (1,), (2,))]
    dx, dW, dU = np.zeros(2), np.ones(2), np.full(2, 2.0)
    found = match((dx, {"W": dW, "U": dU}), targets, lambda _: None, lambda: 0.0)
    assert found.values["p['W']"] is dW
    assert found.values["p['U']"] is dU
    assert found.extra == ["[0]"]
