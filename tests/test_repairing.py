"""What to write is tried in the user's own code: where it is proposed, it makes every gradient right."""

import importlib.util
import io
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from einbackprop.checking import repairing
from einbackprop.shell.scripts import check_script


class Net(NamedTuple):
    """A script, what is asked of it, and mistakes: a line's beginning, and what stands in it instead of what."""

    text: str
    loss: str
    grads: str
    wrt: str
    mistakes: dict[str, tuple[str, str]]


LAYERS = Net('''
import numpy as np
rng = np.random.default_rng(1)
sizes = [3, 5, 4, 2]
W = [rng.normal(size=(m, n)) for m, n in zip(sizes[1:], sizes[:-1])]
b = [rng.normal(size=(m, 1)) for m in sizes[1:]]
x, t = rng.normal(size=(3, 6)), rng.normal(size=(2, 6))

def forward(W, b, x):
    a = [x]
    for w, c in zip(W, b):
        a.append(np.tanh(w @ a[-1] + c))
    return a

def loss(W, b, x, t):
    return np.sum((forward(W, b, x)[-1] - t) ** 2) / x.shape[1]

def slope(y):
    return 1 - y ** 2

def backward(W, b, x, t):
    a = forward(W, b, x)
    dW, db = [None] * len(W), [None] * len(b)
    d = 2 * (a[-1] - t) / x.shape[1]
    for l in reversed(range(len(W))):
        d = d * slope(a[l + 1])
        dW[l] = d @ a[l].T
        db[l] = d.sum(axis=1, keepdims=True)
        print("layer", l)
        d = W[l].T @ d
    return dW, db
''', "loss(W, b, x, t)", "backward(W, b, x, t)", "W, b", {
    "a helper": ("    return 1 - y ** 2", "    return 1 + y ** 2"),
    "an operand": ("        dW[l] = d @ a[l].T", "        dW[l] = (d + d) @ a[l].T"),
    "an axis": ("        db[l] = d.sum(axis=1, keepdims=True)", "        db[l] = d.mean(axis=1, keepdims=True)"),
    "a factor": ("    d = 2 * (a[-1] - t) / x.shape[1]", "    d = (a[-1] - t) / x.shape[1]"),
    "a size": ("    d = 2 * (a[-1] - t) / x.shape[1]", "    d = 2 * (a[-1] - t)"),
})  # fmt: skip

RECURRENT = Net('''
import numpy as np
rng = np.random.default_rng(2)
p = {"Wx": rng.normal(size=(3, 4)), "Wh": rng.normal(size=(4, 4)), "b": rng.normal(size=4)}
x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))

def run(p, x):
    hs = {-1: np.zeros(4)}
    for t in range(len(x)):
        hs[t] = np.tanh(x[t] @ p["Wx"] + hs[t - 1] @ p["Wh"] + p["b"])
    return hs

def cost(p, x, y):
    hs = run(p, x)
    return sum(0.5 * np.sum((hs[t] - y[t]) ** 2) for t in range(len(x)))

def bptt(p, x, y):
    hs = run(p, x)
    g = {k: np.zeros_like(v) for k, v in p.items()}
    dnext = np.zeros(4)
    for t in reversed(range(len(x))):
        dh = hs[t] - y[t] + dnext
        dz = dh * (1 - hs[t] ** 2)
        g["Wx"] += np.outer(x[t], dz)
        g["Wh"] += np.outer(hs[t - 1], dz)
        g["b"] += dz
        dnext = p["Wh"] @ dz
    return g
''', "cost(p, x, y)", "bptt(p, x, y)", "p", {
    "the entry before": ('        g["Wh"] += np.outer(hs[t - 1], dz)', '        g["Wh"] += np.outer(hs[t], dz)'),
    "the order": ('        g["Wx"] += np.outer(x[t], dz)', '        g["Wx"] += np.outer(dz, x[t]).reshape(3, 4)'),
    "= for +=": ('        g["b"] += dz', '        g["b"] = dz'),
    "a transpose": ('        dnext = p["Wh"] @ dz', '        dnext = p["Wh"].T @ dz'),
    "a term": ("        dh = hs[t] - y[t] + dnext", "        dh = hs[t] - y[t]"),
    "a sign": ("        dz = dh * (1 - hs[t] ** 2)", "        dz = dh * (1 + hs[t] ** 2)"),
})  # fmt: skip

WORDS = Net('''
import numpy as np
rng = np.random.default_rng(3)
E, V = rng.normal(size=(7, 3)), rng.normal(size=(3, 2))
words = np.array([1, 4, 1, 6, 4])
t = rng.normal(size=(5, 2))

def loss(E, V, words, t):
    h = np.maximum(E[words], 0.0)
    return np.sum((h @ V - t) ** 2) + 0.05 * np.sum(V ** 2)

def grads(E, V, words, t):
    z = E[words]
    h = np.maximum(z, 0.0)
    d = 2 * (h @ V - t)
    dV = h.T @ d + 0.1 * V
    dh = d @ V.T
    dz = np.where(z > 0, dh, 0.0)
    dE = np.zeros_like(E)
    np.add.at(dE, words, dz)
    return dE, dV
''', "loss(E, V, words, t)", "grads(E, V, words, t)", "E, V", {
    "np.add.at": ("    np.add.at(dE, words, dz)", "    dE[words] += dz"),
    "a comparison": ("    dz = np.where(z > 0, dh, 0.0)", "    dz = np.where(z < 0, dh, 0.0)"),
    "what is chosen": ("    dz = np.where(z > 0, dh, 0.0)", "    dz = np.where(z > 0, z, 0.0)"),
    "a penalty": ("    dV = h.T @ d + 0.1 * V", "    dV = h.T @ d"),
    "returned": ("    return dE, dV", "    return dE, d"),
})  # fmt: skip

NETS = {"layers": LAYERS, "recurrent": RECURRENT, "words": WORDS}
CASES = [(net, mistake) for net, its in NETS.items() for mistake in its.mistakes]


def checked(path: Path, net: Net, text: str):
    path.write_text(text, encoding="utf-8")
    return check_script(str(path), net.loss, net.grads, net.wrt.split(", "), "")


def line_of(text: str, line: str) -> int:
    return text.split("\n").index(line) + 1


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("net", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(value: object) -> list[np.ndarray]:
    if isinstance(value, dict):
        return numbers(list(value.values()))
    if isinstance(value, list | tuple):
        return [array for part in value for array in numbers(part)]
    return [np.asarray(value)]


def gradients_of(path: Path, net: Net) -> list[np.ndarray]:
    with redirect_stdout(io.StringIO()):
        return numbers(eval(net.grads, vars(module_of(path))))


@pytest.mark.parametrize(("name", "mistake"), CASES)
def test_one_mistake_is_found_on_its_line_and_what_to_write_repairs_it(name: str, mistake: str, tmp_path: Path) -> None:
    net = NETS[name]
    own, wrong = net.mistakes[mistake]
    text = net.text.replace(own, wrong)
    report = checked(tmp_path / "net.py", net, text)
    assert not report
    (finding,) = [f for f in report.findings if f.line is not None]
    assert finding.line == line_of(text, wrong)
    assert finding.write is not None
    indent = len(wrong) - len(wrong.lstrip())
    lines = text.split("\n")
    lines[finding.line - 1] = "\n".join(" " * indent + line for line in finding.write.split("\n"))
    (tmp_path / "repaired.py").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "right.py").write_text(net.text, encoding="utf-8")
    repaired, right = (gradients_of(tmp_path / f"{n}.py", net) for n in ("repaired", "right"))
    for mine, theirs in zip(repaired, right, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_right_code_has_nothing_to_repair(name: str, tmp_path: Path) -> None:
    assert checked(tmp_path / "net.py", NETS[name], NETS[name].text).findings == ()


@pytest.mark.parametrize(("first", "second"), [("a helper", "an axis"), ("an operand", "a size")])
def test_of_two_mistakes_neither_is_said_to_be_all(first: str, second: str, tmp_path: Path) -> None:
    text = LAYERS.text
    for mistake in first, second:
        text = text.replace(*LAYERS.mistakes[mistake])
    report = checked(tmp_path / "net.py", LAYERS, text)
    assert not report
    assert not [f.message for f in report.findings if "then every gradient is right" in f.message]


def test_a_proposal_that_does_not_repair_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were any change taken for a repair, the first would be proposed, and it would not help."""
    text = RECURRENT.text.replace(*RECURRENT.mistakes["the entry before"])
    honest = checked(tmp_path / "net.py", RECURRENT, text)
    monkeypatch.setattr(repairing.Search, "is_repair", lambda *_: True)
    monkeypatch.setattr(repairing.Search, "is_repaired_by", lambda *_: False)
    careless = checked(tmp_path / "careless.py", RECURRENT, text)
    assert [f.write for f in honest.findings] != [f.write for f in careless.findings]


def test_a_part_in_ten_thousand_is_not_right() -> None:
    """Of the tolerance: a thousand times closer than the smallest mistake that people make."""
    array = np.random.default_rng(0).normal(size=(3, 4))
    wanted = float((array * array).sum())
    is_right = repairing.Slopes._is_right
    assert is_right(None, array, array, wanted)
    assert is_right(None, array * (1 + 1e-9), array, wanted)
    assert not is_right(None, array * (1 + 1e-6), array, wanted)
    assert not is_right(None, array[:2], array, wanted)
    assert not is_right(None, None, array, 0.0)
    array[0, 0] = np.inf
    assert not is_right(None, array, np.ones((3, 4)), 1.0)  # a division by what is 0 repairs nothing


def test_the_users_functions_are_as_they_were_and_print_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "net.py"
    path.write_text(LAYERS.text.replace(*LAYERS.mistakes["an axis"]), encoding="utf-8")
    module = module_of(path)
    functions = [f for f in vars(module).values() if isinstance(f, FunctionType)]
    before: list[CodeType] = [f.__code__ for f in functions]
    from einbackprop import check
    report = check(module.loss, module.backward, module.W, module.b, module.x, module.t, wrt=(0, 1))
    assert not report
    assert [f.write for f in report.findings if f.line is not None] != [None]
    assert all(f.__code__ is code for f, code in zip(functions, before, strict=True))
    assert capsys.readouterr().out == ""


def test_a_function_that_loops_until_something_holds_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed line might make it run for ever."""
    loop = "    t = len(x)\n    while t:\n        t -= 1"
    text = RECURRENT.text.replace("    for t in reversed(range(len(x))):", loop)
    assert checked(tmp_path / "right.py", RECURRENT, text)
    runs = []
    monkeypatch.setattr(repairing.Search, "is_repair", lambda _, *changes: runs.append(changes))
    assert not checked(tmp_path / "net.py", RECURRENT, text.replace(*RECURRENT.mistakes["the entry before"]))
    assert not runs
