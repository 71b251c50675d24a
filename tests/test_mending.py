"""Scripts that stop with an error of shapes in a gradient: they are asked about all the same, and repaired."""

from pathlib import Path

import numpy as np
import pytest
from pasted_mistakes import mistaken
from sampling import some

import einbackprop as eb
from einbackprop.core.source import parse_python
from einbackprop.errors import CodeError
from einbackprop.shell.answers import outcomes
from einbackprop.shell.proposals import mending
from einbackprop.shell.proposals.mending import mended

STOPPING = {
    "kept_activations": ("dhidden = W.T @ dpredicted", "dhidden = W @ dpredicted"),
    "momentum": ("g2 = hidden.T @ err", "g2 = hidden @ err"),
    "train_function": ("dh = dz @ W2.T", "dh = dz @ W2"),
    "backward_of_targets": ("self.dweights2 = self.hidden.T", "self.dweights2 = self.hidden"),
    "char_rnn": ("dh = Why.T @ dy + dhnext", "dh = Why @ dy + dhnext"),
    "dataclass_train": ("grads = Params(W1=X.T @ dpre", "grads = Params(W1=X @ dpre"),
    "guarded_main": ("suivant = (self.poids[k].T @ delta)", "suivant = (self.poids[k] @ delta)"),
    "in_other_words": ("pesos_b = pesos_b + paso * (oculta.T @", "pesos_b = pesos_b + paso * (oculta @"),
    "minibatch_generator": ("{'W': acts[n].T @ delta", "{'W': acts[n] @ delta"),
    "inner_call": ("dW, db = dz @ h.T, dz", "dW, db = dz @ h, dz"),
    "sample_by_sample": ("self.W_grad = delta @ self.taken.T", "self.W_grad = delta @ self.taken"),
    "shaped_in_place": ("out += -speed * delta_out @ hidden.T", "out += -speed * delta_out @ hidden"),
    "left_beside": ("ds = p[\"V\"].T @ dy", "ds = p[\"V\"] @ dy"),
    "mixture_line": ("r.sum(axis=0)", "r.sum(axis=1)"),
    "grad_check": ("grads[2 * l] = acts[l].T @ delta", "grads[2 * l] = acts[l] @ delta"),
    "attributes_by_name": ("return up @ self.kernel.T", "return up @ self.kernel"),
    "one_pass": ("self.dinputs = dvalues @ self.weights.T", "self.dinputs = dvalues @ self.weights"),
}

UPDATES = {
    "handed_to_adam": ("\"b\": dh.sum(axis=0)", "\"b\": dh.sum(axis=1)"),
    "spiral": ("db = dhidden.sum(axis=0", "db = dhidden.sum(axis=1"),
}
"""Gradients of a wrong shape, at which the script stops where it updates something with them."""
STOPPING |= UPDATES


@pytest.mark.long
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.xfail(strict=True, reason="the loss is taken to be the one without a penalty"))
    if name == "spiral" else name for name in dict.fromkeys([*some(STOPPING, 4), "handed_to_adam", "shaped_in_place"])])
def test_a_script_that_stops_in_its_gradients_is_told_the_line_that_repairs(name: str, tmp_path: Path) -> None:
    made = mistaken(name, *STOPPING[name], tmp_path)
    first = next(iter(outcomes(made.script)))
    assert first.report is not None
    assert not any(item.verdict == "right" for item in first.report.gradients)
    (finding,) = [item for item in first.report.findings if item.line is not None]
    assert finding.line == made.line
    assert str(finding.write).splitlines()[0] == made.was.strip()


def test_what_a_script_asks_that_stops_holds_no_trace_of_the_edit(tmp_path: Path) -> None:
    (outcome,) = outcomes(mistaken("in_other_words", *STOPPING["in_other_words"], tmp_path).script)
    assert "goes on" not in f"{outcome.title}{outcome.report}"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("name", "right", "wrong"), [
    ("attention_head", "ds = a * (da - np", "ds = a * (dWo - np"),
    ("layers", "dw = x.reshape(x.shape[0], -1).T.dot(dout)", "dw = x.reshape(x.shape[0], -1).dot(dout)"),
])
def test_functions_that_nothing_calls_are_asked_about_though_they_stop(
    name: str, right: str, wrong: str, tmp_path: Path
) -> None:
    made = mistaken(name, right, wrong, tmp_path)
    reports = [outcome.report for outcome in outcomes(made.script) if outcome.report is not None]
    (wrong_one,) = [report for report in reports if not report]
    (finding,) = [item for item in wrong_one.findings if item.line is not None]
    assert (finding.line, finding.write is not None) == (made.line, True)
    assert right in str(finding.write)


def stopped(source: str, file: Path) -> BaseException:
    """The error of some code, which stands in a file."""
    file.write_text(source, encoding="utf-8")
    try:
        exec(compile(source, str(file), "exec"), {"np": np})
    except Exception as error:
        return error
    raise AssertionError("it did not stop")


def test_sources_that_go_on(tmp_path: Path) -> None:
    source = "X, d = np.ones((5, 2)), np.ones((5, 3))\nif True:\n    dW = X @ (\n        d)  # of W\n"
    error = stopped(source, tmp_path / "stopped.py")
    assert not list(mended(source.replace("dW", "dV"), error))  # a line of another file
    first, *_ = mended(source, error)
    told = first.text.splitlines()
    assert told[2:] == ["    dW = (X.T if 'einbackprop: so that it goes on' else X) @ d", ""]
    exec(compile(first.text, "<test>", "exec"), {"np": np})
    assert first.statement == ("    dW = X @ (", "        d)  # of W")


@pytest.mark.parametrize("source", [
    "open('/nowhere')\n",
    "W = {}['W']\n",
    "s = [np.ones(2)]\nd = s.pop() @ np.ones(3)\n",
    "a = np.ones(2); b = a @ np.ones(3)\n",
    "counts = np.zeros(3)\ncounts[7] += 1 / 100\n",
])
def test_what_has_another_cause_or_would_not_be_the_same_twice_is_left_alone(source: str, tmp_path: Path) -> None:
    assert not list(mended(source, stopped(source, tmp_path / "stopped.py")))


def test_one_function_of_both_whose_gradients_stop_is_checked_by_the_loss_it_had() -> None:
    def both(W: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        error = X @ W - y
        loss = 0.5 * np.sum(error**2)
        dW = X @ error
        return loss, dW

    rng = np.random.default_rng(0)
    report = eb.check(both, rng.normal(size=(3, 2)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))
    assert [(item.name, item.verdict) for item in report.gradients] == [("W", "wrong")]
    assert report.findings[0].write == "dW = X.T @ error"


def test_a_function_of_both_that_stops_before_its_loss_is_refused() -> None:
    def both(W: np.ndarray, X: np.ndarray) -> tuple[float, np.ndarray]:
        error = W @ X
        loss = 0.5 * np.sum(error**2)
        return loss, error @ X.T

    with pytest.raises(CodeError, match="matmul"):
        eb.check(both, np.ones((3, 2)), np.ones((5, 3)))


def test_what_an_array_would_outgrow_cannot_be_added_to_it() -> None:
    names = {"a": np.zeros((1, 3)), "b": np.ones((3, 3)), "c": np.ones(3)}
    frame = eval("__import__('sys')._getframe()", names)
    (statement,) = parse_python("a += 0").body
    values = [parse_python(text, "eval").body for text in ("b", "c", "b[0]", "b[:, :2]")]
    assert [mending._has_value(statement, value, frame) for value in values] == [False, True, True, False]


DECAYING = """
import numpy as np

rng = np.random.default_rng(2)
X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))


class Net:
    def __init__(self):
        self.V, self.W = rng.normal(size=(3, 5)), rng.normal(size=(5, 2))

    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.V)
        return self.h @ self.W

    def backward(self, d):
        dW = self.h.T @ d + 0.01 * self.W
        dh = d @ self.W * (1 - self.h ** 2)
        return self.X.T @ dh, dW


net = Net()
for step in range(4):
    out = net.forward(X)
    dV, dW = net.backward((out - Y) / len(X))
    net.V -= 0.1 * dV
    net.W -= 0.1 * dW
"""


@pytest.mark.slow
def test_a_penalty_that_no_loss_was_found_for_is_no_mistake_beside_the_one_that_stops(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(DECAYING, encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    assert [item.write for item in outcome.report.findings] == ["dh = d @ self.W.T * (1 - self.h ** 2)"]
