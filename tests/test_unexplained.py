"""Mistakes that no edit repairs: values say where they are. And loops and conditions that are wrong as a whole."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from library import line_of
from mutant_outcomes import module_of

from einbackprop import check
from einbackprop.checking.verdicts import Finding
from einbackprop.shell.command import main

PENALTY = """\
import numpy as np


def penalty(w):
    return np.arctan(w) ** 3


def loss(W, b, x):
    return np.sum((x @ W + b) ** 2) + 0.3 * np.sum(penalty(W)) + 0.3 * np.sum(penalty(b))


def gradients(W, b, x):
    dy = 2 * (x @ W + b)
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for n in range(len(x)):
        dW += np.outer(x[n], dy[n])
        db += dy[n]
    return dW + penalty(W), db + penalty(b)  # here
"""
ROUNDS = """\
import numpy as np


def loss(W, b, x):
    return np.sum((x @ W) ** 2) + np.sum(b)


def gradients(W, b, x):
    dy = 2 * (x @ W)
    dW = np.zeros_like(W)
    n = 0
    while n < len(W) - 2:  # here
        dW[n] = x[:, n] @ dy
        n += 1
    return dW, np.ones_like(b)
"""
CARRIED = """\
import numpy as np


def states(W, b, x):
    h, hs = np.zeros_like(b), []
    for t in range(len(x)):
        h = np.tanh(x[t] + h @ W + b)
        hs.append(h)
    return hs


def loss(W, b, x):
    return sum(np.sum(h**2) for h in states(W, b, x))


def step(h, dh):
    dz = dh * (1 - h**2)
    return dz


def gradients(W, b, x):
    hs = states(W, b, x)
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for t in reversed(range(len(x))):
        dz = step(hs[t], 2 * hs[t])  # here
        db += dz
        if t:
            dW += np.outer(hs[t - 1], dz)
    return dW, db
"""
rng = np.random.default_rng(0)
ARGUMENTS = tuple(map(rng.standard_normal, ((3, 3), 3, (4, 3))))


def findings(module: ModuleType, *arguments: object, count: int = 1) -> list[Finding]:
    wrt = tuple(range(count)) if count > 1 else 0
    return list(check(module.loss, module.gradients, *arguments, wrt=wrt).findings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (PENALTY, "dW + penalty(W) should be ∂L/∂W, and no small edit"),
        (ROUNDS, "dW is not all that it should be: this is not done wherever it should be."),
        (CARRIED, "what is made here is right in the first round, and not in those after it"),
    ],
)
def test_where_no_edit_repairs_values_say_which_statement_is_wrong(
    source: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("einbackprop.diagnosis.search.found_by", lambda search: None)
    first, *_ = findings(module_of(source, "unexplained"), *ARGUMENTS, count=2)
    assert (first.line, first.write) == (line_of(source, "# here"), None)
    assert first.message.startswith(said)


COUNTED = """\
import numpy as np


def loss(x, R):
    return np.sum(x**2 * R)


def gradients(x, R):
    dx = np.zeros_like(x)
    i = 0
    for n in range(len(x)):
        while i < x.shape[1]:
            dx[n, i] = 2 * x[n, i] * R[n, i]
            i += 1
    return dx
"""
CORRELATED = """\
import numpy as np


def loss(x, w, R):
    return sum(np.sum(x[p : p + len(w)] * w) * R[p] for p in range(len(R)))


def gradients(x, w, R):
    dx, k = np.zeros_like(x), len(w)
    for i in range(len(x)):
        for p in range(len(R)):
            if not (i - p < 0 or i >= k):
                dx[i] += R[p] * w[i - p]
    return dx
"""
SCORES = """\
import numpy as np


def loss(s, y):
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    return -np.sum(np.log(p) * y)


def gradients(s, y):
    ds = s - y
    return ds
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "shapes", "write"),
    [
        (COUNTED, ((3, 4), (3, 4)), "i = 0\nwhile i < x.shape[1]:"),
        (CORRELATED, (5, 2, 4), "if not (i - p < 0 or i - p >= k):"),
        (SCORES, ((4, 3), (4, 3)), "ds = np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True) - y"),
    ],
)
def test_counters_bounds_and_scores_are_written_as_they_are_meant(source: str, shapes: tuple, write: str) -> None:
    arrays = [*map(rng.standard_normal, shapes)]
    if source is SCORES:
        arrays[-1] = np.eye(3)[[0, 2, 1, 1]]
    (found,) = findings(module_of(source, "meant"), *arrays)
    assert found.write == write


SAMPLED = """\
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def both(v, U):
    S = U[[1, 3, 3, 4], :]
    cost = -np.log(sigmoid(U[0].dot(v))) - np.sum(np.log(sigmoid(-S.dot(v))))
    first = (sigmoid(U[0].dot(v)) - 1.0) * U[0]  # here
    second = np.zeros_like(U)
    slopes = (1.0 - sigmoid(-S.dot(v))) * np.tile(v, (4, 1)).T
    for k, row in enumerate([1, 3, 3, 4]):
        second[row] += slopes.T[k]
    second[0] += (sigmoid(U[0].dot(v)) - 1) * v
    return cost, first, second
"""


def test_what_follows_the_loss_in_a_function_that_gives_both_is_no_forward(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question hands out what the function has computed, and makes nothing for the loss itself."""
    (tmp_path / "sampled.py").write_text(SAMPLED)
    drawn = "r = np.random.default_rng(1); v = r.normal(size=3); U = r.normal(size=(5, 3))"
    main(["check", str(tmp_path / "sampled.py"), "--both", "both(v, U)", "--wrt", "v", "--wrt", "U", "--setup", drawn])
    assert f"! sampled.py, line {line_of(SAMPLED, '# here')}: first = " in capsys.readouterr().out
