"""Statements that stand too early or too late: each line of some backwards is moved, and what is to be written undoes
that.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mutant_outcomes import module_of, with_writes
from sampling import some

from einbackprop import check
from einbackprop.checking.reports import Report
from einbackprop.checking.verdicts import Finding
from einbackprop.diagnosis.diagnose import lines_more

NETWORK = """\
import numpy as np


class Layer:
    def __init__(self, W):
        self.W = W

    def backward(self, x, dz, lr):
        dW = x.T @ dz
        dx = dz @ self.W.T
        self.W = self.W - lr * dW  # a step
        return dx


def loss(W1, W2, X, T):
    h = np.tanh(X @ W1)
    return 0.5 * np.sum((h @ W2 - T) ** 2) / len(X)


def gradients(W1, W2, X, T):
    h = np.tanh(X @ W1)
    second = Layer(W2)
    d = h @ W2 - T
    d = d / len(X)
    d = second.backward(h, d, 1.0)
    d = d * (1 - h**2)
    dW1 = X.T @ d
    return dW1, W2 - second.W
"""
NORM = """\
import numpy as np


def loss(x, gamma, beta, R):
    c = x - x.mean(0)
    s = 1 / np.sqrt((c**2).mean(0) + 1e-5)
    return np.sum((gamma * (c * s) + beta) * R)


def gradients(x, gamma, beta, R):
    c = x - x.mean(0)
    s = 1 / np.sqrt((c**2).mean(0) + 1e-5)
    n, d = c * s, R.copy()
    dbeta = d.sum(0)
    dgamma = (d * n).sum(0)
    d = d * gamma  # from here on of n
    d = d - d.mean(0) - n * (d * n).mean(0)
    d *= s
    return d, dgamma, dbeta
"""
RECURRENT = """\
import numpy as np


def loss(Wx, Wh, x, R):
    h = np.zeros((x.shape[1], Wh.shape[0]))
    total = 0.0
    for t in range(len(x)):
        h = np.tanh(x[t] @ Wx + h @ Wh)
        total += np.sum(h * R[t])
    return total


def gradients(Wx, Wh, x, R):
    hs = [np.zeros((x.shape[1], Wh.shape[0]))]
    for t in range(len(x)):
        hs.append(np.tanh(x[t] @ Wx + hs[-1] @ Wh))
    dWx, dWh, d = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        d = d + R[t]
        d = d * (1 - hs[t + 1] ** 2)
        dWx += x[t].T @ d
        dWh += hs[t].T @ d
        d = d @ Wh.T
    return dWx, dWh
"""
rng = np.random.default_rng(0)
ARGUMENTS = {
    NETWORK: tuple(map(rng.standard_normal, ((4, 6), (6, 3), (5, 4), (5, 3)))),
    NORM: tuple(map(rng.standard_normal, ((5, 4), 4, 4, (5, 4)))),
    RECURRENT: tuple(map(rng.standard_normal, ((3, 4), (4, 4), (4, 2, 3), (4, 2, 4)))),
}
COUNTS = {NETWORK: 2, NORM: 3, RECURRENT: 2}
"""How many arrays there are gradients of: the first."""


def moved(source: str) -> Iterator[str]:
    """The source with one line of the backward moved within its block, over one other or more."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", [])
        if not isinstance(body, list) or getattr(node, "name", "") in ("loss", "__init__", "Layer"):
            continue
        body = [part for part in body if isinstance(part, ast.Assign | ast.AugAssign)]
        for n, part in enumerate(body):
            for other in (*body[:n], *body[n + 2 :]):
                if part.end_lineno == part.lineno:
                    order = [*lines]
                    text, at = order.pop(part.lineno - 1), other.lineno - 1
                    order.insert(at - (at > part.lineno - 1), text)
                    yield "\n".join(order) + "\n"


def checked(source: str, of: str) -> Report:
    module = module_of(source, "order")
    return check(module.loss, module.gradients, *ARGUMENTS[of], wrt=tuple(range(COUNTS[of])))


def is_other(source: str, of: str) -> bool:
    """Whether the gradients can be had, and are others."""
    try:
        one, two = (module_of(text, "order").gradients(*ARGUMENTS[of]) for text in (source, of))
    except (NameError, ValueError):
        return False
    return any(a.shape == b.shape and not np.allclose(a, b) for a, b in zip(one, two, strict=True))


MOVED = [(source, of) for of in ARGUMENTS for source in dict.fromkeys(moved(of)) if is_other(source, of)]


@pytest.mark.long
@pytest.mark.parametrize(("source", "of"), some(MOVED, 6))
def test_a_line_that_was_moved_is_moved_back_or_made_up_for(source: str, of: str) -> None:
    report = checked(source, of)
    assert "wrong" in {item.verdict for item in report.gradients}
    assert all(item.write for item in report.findings if item.line)
    mended = checked(with_writes(source, report.findings), of)
    assert {item.verdict for item in mended.gradients} == {"right"}


LINES = """\
import numpy as np


def loss(x, g, R):
    return np.sum(np.tanh(x) * g * R)


class Stack:
    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)


def gradients(x, g, R):
    a, stack = np.tanh(x), Stack()
    d = R.copy()
    dg = np.sum(d * a,  # of all rows
  axis=0)
    d = d \\
  * g
    stack.put(d * (1 - a ** 2))
    dx = stack.items[-1]
    return dx, dg
"""


def parts_of_lines(order: str) -> str:
    """The gradients with the lines of dg, those of d and the call in another order."""
    head, rest = LINES.split("    dg = ")
    dg, rest = ("    dg = " + rest).split("    d = d")
    d, rest = ("    d = d" + rest).split("    stack.put")
    call, rest = ("    stack.put" + rest).split("    dx =")
    return head + "".join({"g": dg, "d": d, "s": call}[part] for part in order) + "    dx =" + rest


@pytest.mark.parametrize("order", ["dgs", "gsd", "sgd"])
def test_lines_that_hang_over_and_calls_that_change_something_are_moved(order: str) -> None:
    assert parts_of_lines("gds") == LINES
    source = parts_of_lines(order)
    arguments = tuple(map(np.random.default_rng(0).standard_normal, ((5, 4), 4, (5, 4))))
    wrong = module_of(source, "hanging")
    findings = check(wrong.loss, wrong.gradients, *arguments, wrt=(0, 1)).findings
    mended = module_of(with_writes(source, findings), "mended")
    report = check(mended.loss, mended.gradients, *arguments, wrt=(0, 1))
    assert {item.verdict for item in report.gradients} == {"right"}


@pytest.mark.slow
def test_a_line_that_reads_what_is_updated_by_a_method_is_moved() -> None:
    """It spells no attribute that the update changes; what the method reads is known from its text."""
    method = "    def weights(self):\n        return 1.0 * self.W\n\n"
    right = NETWORK.replace("    def backward", f"{method}    def backward")
    right = right.replace("dx = dz @ self.W.T", "dx = dz @ self.weights().T")
    lines = "        dx = dz @ self.weights().T\n", "        self.W = self.W - lr * dW  # a step\n"
    assert "".join(lines) in right
    source = right.replace("".join(lines), "".join(reversed(lines)))
    report = checked(source, NETWORK)
    assert "wrong" in {item.verdict for item in report.gradients}
    assert {item.verdict for item in checked(with_writes(source, report.findings), NETWORK).gradients} == {"right"}
    assert any("belongs after" in finding.message for finding in report.findings)
    assert [finding.expected for finding in report.findings if finding.write == "pass"] == [None]


def test_lines_below_what_is_written_as_more_lines_move_down(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("a = 1\nb = (a +\n     a)\nc = b\nd = c\n", encoding="utf-8")
    longer, shorter = Finding("", str(file), 1, write="a = 1\na += 1"), Finding("", str(file), 2, write="b = a")
    both = [longer, shorter, Finding("", str(file), 5, write="d = 0")]
    assert [lines_more(some, str(file), 4) for some in ([longer], [shorter], both, [])] == [1, -1, 0, 0]


def test_of_two_statements_on_one_line_none_is_moved() -> None:
    source = NORM.replace("    dgamma = (d * n).sum(0)\n    d = d * gamma  # from here on of n\n",
                          "    d = d * gamma; dgamma = (d * n).sum(0)\n")  # fmt: skip
    report = checked(source, NORM)
    assert not any("belongs" in finding.message for finding in report.findings)


@pytest.mark.slow
def test_an_edit_that_is_likelier_than_a_move_comes_first() -> None:
    source = RECURRENT.replace("dWh += hs[t].T @ d", "dWh += 2 * hs[t].T @ d")
    (found,) = [item for item in checked(source, RECURRENT).findings if item.line]
    assert found.write == "dWh += hs[t].T @ d"
    scaled = NORM.replace("    d = d * gamma  # from here on of n\n", "    d = d * gamma / len(x)\n")
    mean = scaled.replace("return d, dgamma", "return d * len(x), dgamma").replace("(d * n).sum(0)", "(d * n).mean(0)")
    (found,) = [item for item in checked(mean, NORM).findings if item.line]
    assert "sum is needed, not mean" in found.message


def test_a_line_whose_loss_leaves_another_shape_is_not_left_out() -> None:
    source = """\
import numpy as np


def loss(x, b):
    return np.sum(np.tanh(x + b))


def gradients(x, b):
    dz = 1 - np.tanh(x + b) ** 2
    db = np.ones((1, len(x))).dot(dz)
    db = np.squeeze(dz)
    return dz, db
"""
    module = module_of(source, "squeezed")
    report = check(module.loss, module.gradients, rng.standard_normal((5, 4)), rng.standard_normal(4), wrt=(0, 1))
    assert [item.write for item in report.findings if item.line] == ["db = np.squeeze(db)"]
