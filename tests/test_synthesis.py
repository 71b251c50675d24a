"""Lines that are written from the derivative of the loss, where no edit of what stands there repairs."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutant_outcomes import module_of, with_writes

from einbackprop import check
from einbackprop.capture import tracer
from einbackprop.diagnosis import derived_lines, search
from einbackprop.diagnosis.cotangents import Cotangents
from einbackprop.diagnosis.evaluation import CLOSE, is_constant
from einbackprop.diagnosis.synthesis import Synthesis
from einbackprop.shell.command import main

GATED = """\
import numpy as np


def both(x, W, V, C):
    gate, up = x @ W, x @ V
    s = 1 / (1 + np.exp(-gate))
    out = gate * s * up
    d_up = C * gate * s
    d_gate = C * up * (s + gate * s * (1 - s))
    return np.sum(out * C), x.T @ d_gate, x.T @ d_up
"""
SHARED = """\
import numpy as np


def both(p, W, x, a):
    rest = 1 - a
    shifted = (x - a * p) / rest
    h = np.tanh(shifted @ W)
    y = rest * h + a * p
    g = {"p": np.zeros_like(p), "W": np.zeros_like(W)}
    d = 2 * (y - x)
    g["p"] += (d * a).sum(axis=0)
    dz = d * rest * (1 - h * h)
    g["W"] += shifted.T @ dz
    ds = dz @ W.T
    g["p"] += (ds * (-a / rest)).sum(axis=0)
    return np.sum((y - x) ** 2), g["p"], g["W"]
"""
TREE = """\
import numpy as np


def both(V, W, x, y, z):
    a = np.concatenate([y, z])
    h = np.tanh((V @ a) @ a + W @ a)
    b = np.concatenate([x, h])
    g = np.tanh((V @ b) @ b + W @ b)
    d = 2 * g * (1 - g * g)
    dV, dW = np.einsum("k,i,j->kij", d, b, b), np.outer(d, b)
    d = W.T @ d + np.einsum("kij,k,j->i", V + V.transpose(0, 2, 1), d, b)
    dx, d = d[:len(x)], d[len(x):] * (1 - h * h)
    dV += np.einsum("k,i,j->kij", d, a, a)
    dW += np.outer(d, a)
    return np.sum(g * g), dV, dW, dx
"""
TENSOR = """\
import numpy as np


def both(V, W, x, y):
    a = np.concatenate([x, y])
    h = np.tanh(np.einsum("ijl,j,l->i", V, a, a) + W @ a)
    d = 2 * h * (1 - h * h)
    dV, dW = np.einsum("i,j,l->ijl", d, a, a), np.outer(d, a)
    d = W.T @ d + 2 * V[0].T @ a
    return np.sum(h * h), dV, dW, d[: len(x)], d[len(x):]
"""
rng = np.random.default_rng(0)
CASES = {
    "gated": (GATED, "(s + gate * s * (1 - s))", "s * (1 - s)", [(5, 4), (4, 3), (4, 3), (5, 3)], (1, 2)),
    "shared": (SHARED, '    g["p"] += (ds * (-a / rest)).sum(axis=0)\n', "", [(3,), (3, 3), (5, 3), (5, 1)], (0, 1)),
    "tree": (TREE, "V + V.transpose(0, 2, 1)", "2 * V", [(2, 4, 4), (2, 4), (2,), (2,), (2,)], (0, 1, 2)),
}


def wrong_of(name: str) -> tuple[str, list[Any], tuple[int, ...]]:
    """The code of a case with its mistake, what it is called with, and what the gradients are of."""
    code, right, wrong, shapes, wrt = CASES[name]
    assert code.count(right) == 1
    return code.replace(right, wrong), [rng.uniform(0.1, 0.8, shape) for shape in shapes], wrt


@pytest.mark.parametrize("name", CASES)
def test_what_no_edit_repairs_is_written_from_the_derivative(name: str) -> None:
    code, arguments, wrt = wrong_of(name)
    module = module_of(code, name)
    report = check(module.both, *arguments, wrt=wrt)
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None, found
    assert not any("einsum" in ast.unparse(inner) for node in ast.walk(ast.parse(found.write.strip().splitlines()[0]))
                   if isinstance(node, ast.Call) for inner in node.args)  # products of products are one  # fmt: skip
    repaired = module_of(with_writes(code, report.findings), f"{name}_repaired")
    assert check(repaired.both, *arguments, wrt=wrt).ok


def test_what_the_readme_shows_is_what_is_written() -> None:
    shapes = ((2, 4, 4), (2, 4), (2,), (2,))
    arguments = [0.4 * rng.normal(size=shape) for shape in shapes]
    report = check(module_of(TENSOR, "tensor").both, *arguments, wrt=(0, 1, 2, 3))
    (found,) = [item for item in report.findings if item.line]
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert found.write is not None
    assert f"`{found.write}`" in readme


@pytest.mark.parametrize("name", CASES)
def test_nothing_else_repairs_these(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "of_derivative", lambda round_: None)
    monkeypatch.setattr(search, "of_misnamed", lambda round_: None)
    code, arguments, wrt = wrong_of(name)
    report = check(module_of(code, f"{name}_plain").both, *arguments, wrt=wrt)
    assert not any(item.write for item in report.findings)


def loss(x: Any, W: Any, V: Any, c: Any) -> Any:
    h = np.tanh(x @ W)
    s = h @ V
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return -np.sum(c * np.log(e / e.sum(axis=1, keepdims=True))) / len(x) + 0.1 * np.sum(V * V)


@given(st.permutations([2, 3, 4, 5]), st.randoms(use_true_random=False))
def test_an_expression_gives_what_it_is_to_give(sizes: list[int], random: Any) -> None:
    """Of any value of the derivative, made of any others that are at hand under other names, their axes turned."""
    n, i, j, k = sizes
    same = np.random.default_rng(0)  # a run that is repeated must be the same
    arrays = [same.normal(size=shape) for shape in ((n, i), (i, j), (j, k))] + [same.random((n, k))]
    cotangents = Cotangents.of(tracer.trace(loss, *arrays), arrays)
    made = {name: array for name, array in cotangents.made.items() if not is_constant(array * 1.0, CLOSE)}
    wanted = random.choice(sorted(made))
    others = [array for name, array in sorted(made.items()) if array is not made[wanted]]
    held = {f"v{n}": array.T.copy() if random.random() < 0.5 else array for n, array in enumerate(others)}
    at_hand = {name: held[name] for name in random.sample(sorted(held), random.randint(3, len(held)))}
    at_hand |= dict(zip("xWVc", arrays, strict=True))
    for found in Synthesis(cotangents).expressions(made[wanted], at_hand, "np"):
        names = {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}
        assert names <= {*at_hand, "np"}
        np.testing.assert_allclose(eval(ast.unparse(found), {"np": np, **at_hand}), made[wanted], rtol=1e-6, atol=1e-9)


def test_an_expression_is_found_of_inputs_alone() -> None:
    arrays = [rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(2, 5)), rng.random((3, 5))]
    cotangents = Cotangents.of(tracer.trace(loss, *arrays), arrays)
    h = np.tanh(arrays[0] @ arrays[1])
    s = h @ arrays[2]
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    ds = (p * arrays[3].sum(axis=1, keepdims=True) - arrays[3]) / 3
    (found, *_) = Synthesis(cotangents).expressions(h.T @ ds + 0.2 * arrays[2], {"h": h, "ds": ds, "V": arrays[2]})
    assert ast.unparse(found) == "0.2 * V + np.einsum('bj,bk->jk', h, ds)"


PENALISED = """\
import numpy as np

REG = 0.05


def both(x, W, reg):
    h = np.tanh(x @ W)
    dz = 2 * h * (1 - h * h)
    dW = x.T @ x @ W
    return np.sum(h * h) + NAME * np.sum(W * W), dz @ W.T, dW
"""


@pytest.mark.parametrize("name", ["REG", "reg"])
def test_numbers_stand_under_their_names(name: str) -> None:
    arguments = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), 0.3
    report = check(module_of(PENALISED.replace("NAME", name), "penalised").both, *arguments, wrt=(0, 1))
    (found,) = [item for item in report.findings if item.line]
    assert found.write == f"dW = 2 * {name} * W + np.einsum('bi,bj->ij', x, dz)"


def test_a_call_of_the_users_is_not_written_away() -> None:
    code = """\
import numpy as np


class Layer:
    def forward(self, x, W):
        self.x, self.W, self.t = x, W, np.tanh(x @ W)
        return x + self.t

    def backward(self, g):
        self.dW = self.x.T @ (g * (1 - self.t * self.t))
        return g


def both(x, W, C):
    layer = Layer()
    loss = np.sum(C * layer.forward(x, W))
    dx = layer.backward(C)
    return loss, dx
"""
    arguments = rng.normal(size=(5, 4)), rng.normal(size=(4, 4)), rng.normal(size=(5, 4))
    report = check(module_of(code, "called").both, *arguments, wrt=0)
    assert not report
    assert "layer.backward(C)" in with_writes(code, report.findings)


def test_the_question_is_not_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "import numpy as np\nr = np.random.default_rng(0)\nw, V = r.normal(size=(2, 3)), r.normal(size=(3, 4))\n",
        encoding="utf-8")  # fmt: skip
    asked = ["--loss", "np.tanh(w @ V).sum()", "--grads", "np.exp(w) @ V @ V.T", "--wrt", "w"]
    assert main(["check", str(script), *asked]) == 1
    said = capsys.readouterr().out
    assert "no small edit was found, of this line or of one before it, that makes it that" in " ".join(said.split())
    assert "write " not in said


def test_of_lines_that_may_be_missing_those_that_add_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    holes = [SimpleNamespace(does=does) for does in ("*=",) * derived_lines.MOST + ("+=",) * derived_lines.MOST]
    monkeypatch.setattr(derived_lines, "lost_updates", lambda round_: holes)
    monkeypatch.setattr(derived_lines, "localized", lambda round_, hole: seen.append(hole))
    round_: Any = None
    assert not [*derived_lines.of_holes(round_, derived_lines.added(round_))]
    assert seen == holes[derived_lines.MOST :][::-1]
