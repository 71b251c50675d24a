"""One function that returns a loss and its gradients: which part is the loss, and what is found in it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einbackprop as eb
from einbackprop.checking import naming
from einbackprop.checking.functions import loss_place, without
from einbackprop.errors import ScriptError
from einbackprop.shell.command import main

SCRIPT = '''
import numpy as np

def score(W, b, X, y):
    z = X @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    dW = X.T @ d
    db = d.sum(axis=0)
    return RETURNED

def wrapped(*arguments):
    return score(*arguments)

rng = np.random.default_rng(0)
W, b, X, y = rng.normal(size=(4, 3)), np.zeros(3), rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0])
'''
RETURNS = (
    "loss, (dW, db)", "loss, [dW, db]", "loss, {'b': db, 'W': dW}", "loss, dW, db", "(dW, db), loss", "dW, db, loss",
    "{'dW': dW, 'db': db}, loss", "{'loss': loss, 'dW': dW, 'db': db}", "{'loss': loss, 'grads': (dW, db)}",
    "loss, db, dW, X[0]",
)  # fmt: skip


def functions(returned: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "joint_here"}
    exec(compile(SCRIPT.replace("RETURNED", returned), "joint_here.py", "exec"), names)
    return names


@pytest.mark.parametrize("returned", RETURNS)
def test_the_loss_is_found_wherever_it_is(returned: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "score.py"
    script.write_text(SCRIPT.replace("RETURNED", returned), encoding="utf-8")
    options = ["check", str(script), "--both", "score(W, b, X, y)", "--wrt", "W", "--wrt", "b"]
    assert main(options) == 0
    assert capsys.readouterr().out.startswith("right: all 2 gradients\n")


@pytest.mark.parametrize("function", ["score", "wrapped"])
def test_a_mistake_is_found_in_the_function_itself_and_behind_a_wrapper(
    function: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "score.py"
    text = SCRIPT.replace("RETURNED", "loss, (dW, db)").replace("d.sum(axis=0)", "d.sum(axis=1)")
    script.write_text(text, encoding="utf-8")
    assert main(["check", str(script), "--both", f"{function}(W, b, X, y)", "--wrt", "W", "--wrt", "b"]) == 1
    assert "! score.py, line 13: db = d.sum(axis=1)\n" in capsys.readouterr().out


def test_python_takes_the_one_function() -> None:
    names = functions("loss, dW, db")
    arguments = [names[name] for name in ("W", "b", "X", "y")]
    report = eb.check(names["score"], *arguments, wrt=("W", "b"))
    assert [(item.name, item.verdict) for item in report.gradients] == [("W", "right"), ("b", "right")]
    assert eb.check(lambda W, x: (0.5 * np.sum((x @ W) ** 2), x.T @ (x @ W)), np.ones((2, 3)), np.ones((4, 2))).ok
    assert not eb.check(lambda W, x: (0.5 * np.sum((x @ W) ** 2), x.T @ x @ W * 2), np.ones((2, 3)), np.ones((4, 2))).ok


def test_a_part_of_an_argument_may_be_asked_for() -> None:
    def both(net: dict[str, Any], x: Any) -> Any:
        h = np.tanh(x @ net["W"])
        return np.sum(h * net["v"]), x.T @ ((1 - h * h) * net["v"])

    net = {"W": np.ones((3, 2)), "v": np.array([1.0, -2.0])}
    report = eb.check(both, net, np.linspace(-1, 1, 12).reshape(4, 3), wrt="net['W']")
    assert [(item.name, item.verdict) for item in report.gradients] == [("net['W']", "right")]


def test_what_holds_no_loss_is_refused() -> None:
    asked = "return the pair (loss, gradients), or loss, dW, db"
    for returned, said in (
        (np.ones(2), f"what is returned must be a loss and its gradients, but it is an array of shape (2,): {asked}"),
        (3.5, f"what is returned must be a loss and its gradients, but it is 3.5: {asked}"),
        ((np.ones(2), np.ones((2, 3))), f"which part is the loss is not clear: returned are (2,), (2,3): {asked}"),
        ({"dW": np.ones(2), "n": 3}, f"which part is the loss is not clear: returned are dW (2,), n int: {asked}"),
        ((np.ones(2), 1.0, 2.0), f"which part is the loss is not clear: returned are (2,), float, float: {asked}"),
    ):
        with pytest.raises(ScriptError) as caught:
            loss_place(returned, None)
        assert str(caught.value) == said


def test_of_several_numbers_the_one_called_a_loss_is_it() -> None:
    def gives(w: float, b: float) -> Any:
        dw, db, cost = w, b, w * b
        return dw, db, cost

    assert loss_place(gives(1.0, 2.0), gives) == 2
    assert loss_place((1.0, 2.0), None) == 0
    assert loss_place({"cost": 1.0, "dw": 1.0, "db": 2.0}, None) == "cost"
    assert without((1.0, [2.0, 3.0]), 0) == [2.0, 3.0]
    assert without((1.0, 2.0, 3.0), 2) == (1.0, 2.0)


def test_names_are_read_off_the_return_statement() -> None:
    names = functions("loss, dW, X[0] * 2")
    assert naming.returned(naming.AllBut(names["score"], 0), 2) is None  # its source is not to be had

    def both(W: Any) -> Any:
        loss, dW, db = W, W, W
        return loss, dW, db, W[0]

    assert naming.returned(naming.AllBut(both, 0), 3) == ("dW", "db", "W[0]")
    assert naming.returned(both, 4) == ("loss", "dW", "db", "W[0]")
    class Layer:
        def inner(self, x: Any) -> Any:
            dW, db = x, x
            return dW, db

        def backward(self, x: Any) -> Any:
            return self.inner(x)

    layer, steps = Layer(), {"one": Layer()}
    assert naming.returned(layer.backward, 2) == ("dW", "db")
    assert naming.returned(lambda x: layer.backward(x), 2) == ("dW", "db")
    assert naming.returned(lambda x: steps["one"].backward(x), 2) == ("dW", "db")
    assert naming.returned(lambda x: steps["two"].backward(x), 2) is None
    assert naming.path_of("a.b[0]['c']") == ("a", "b", 0, "c")
    assert naming.path_of("a + b") is None
    assert naming.path_of("a[i]") is None
    assert naming.path_of("f(") is None
