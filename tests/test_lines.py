"""The lines of a backward: each once, as `read` writes it, with what it gives and the verdict that is handed in."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of

import einbackprop as eb
from einbackprop.capture.tracer import record_pair
from einbackprop.checking.verdicts import Line
from einbackprop.core.nesting import get
from einbackprop.diagnosis.cotangents import Cotangents
from einbackprop.diagnosis.lines import Lines, lines_of_backward
from einbackprop.notation.markup import letters_of

NETWORK = """\
import numpy as np


def forward(W, b, V, X):
    h = np.tanh(X @ W + b)
    return h, h @ V


def loss(W, b, V, X, Y):
    out = forward(W, b, V, X)[1]
    return 0.5 * np.sum((out - Y) ** 2) / len(X)


def gradients(W, b, V, X, Y):
    h, out = forward(W, b, V, X)
    dout = (out - Y) / len(X)
    dV, dh = h.T @ dout, dout @ V.T
    dz = dh * (1 - h**2); db = dz.sum(axis=0)
    dW = X.T @ dz
    return dW, db, dV
"""
LOOP = """\
import numpy as np


def loss(U, W, X):
    hs = {-1: np.zeros(4)}
    total = 0.0
    for t in range(3):
        hs[t] = np.tanh(U @ X[t] + W @ hs[t - 1])
        total += 0.5 * np.sum(hs[t] ** 2)
    return total


def gradients(U, W, X):
    hs = {-1: np.zeros(4)}
    for t in range(3):
        hs[t] = np.tanh(U @ X[t] + W @ hs[t - 1])
    grads = {"U": np.zeros_like(U), "W": np.zeros_like(W)}
    later = np.zeros(4)
    for t in reversed(range(3)):
        dh = hs[t] + later
        raw = dh * (1 - hs[t] ** 2)
        grads["U"] += np.outer(raw, X[t])
        grads["W"] += np.outer(raw, hs[t - 1])
        later = W.T @ raw
    return grads["U"], grads["W"]
"""
SQUARES = """\
import numpy as np


def loss(W, X):
    return 0.25 * np.sum((W @ W.T) ** 2) + 0.25 * np.sum((X @ X.T) ** 2)


def gradients(W, X):
    p = (W + X @ (X.T @ W)) @ (W.T @ W)
    q = W @ (W.T @ (X @ (X.T @ W))) + W
    r = X @ (X.T + X.T @ (X @ X.T))
    s = (p - X @ X.T @ W) @ (W.T + W.T @ X @ X.T) @ W
    dW = (W @ W.T) @ W
    return dW
"""
SHAPES = ((3, 4), (4,), (4, 2), (5, 3), (5, 2))
LOOP_SHAPES = ((4, 2), (4, 4), (3, 2))


def lines_of(
    source: str, shapes: Sequence[tuple[int, ...]], name: str = "lined", at: set[tuple[str, int]] | None = None
) -> Lines:
    rng = np.random.default_rng(0)
    module: Any = module_of(source, name)
    arguments = tuple(rng.normal(size=shape) for shape in shapes)
    trace = record_pair(module.loss, module.gradients, arguments)
    return lines_of_backward(trace, Cotangents.of(trace, [get(arguments, i.path) for i in trace.program.inputs]), at)


def said(lines: Lines) -> dict[int, tuple[str, str]]:
    return {line.line: (line.equation, line.meaning) for line in lines.lines}


def test_each_line_is_read_and_told_what_it_is() -> None:
    assert said(lines_of(NETWORK, SHAPES)) == {
        5: ("h[n,j] = tanh(Σ_i X[n,i] W[i,j] + b[j])", "h"),
        6: ("return₂[n,k] = Σ_j h[n,j] V[j,k]", "out"),
        16: ("dout[n,k] = 1/N (out[n,k] - Y[n,k])", "∂L/∂out"),
        17: ("dV[j,k] = Σ_n h[n,j] dout[n,k]; dh[n,j] = Σ_k dout[n,k] V[j,k]", "∂L/∂V; ∂L/∂h"),
        18: ("dz[n,j] = dh[n,j] (1 - h[n,j]²); db[j] = Σ_n dz[n,j]", "∂L/∂(what the tanh takes for h); ∂L/∂b"),
        19: ("dW[i,j] = Σ_n X[n,i] dz[n,j]", "∂L/∂W"),
    }


def test_the_verdict_is_the_callers() -> None:
    rng = np.random.default_rng(0)
    module: Any = module_of(NETWORK, "judged")
    arguments = tuple(rng.normal(size=shape) for shape in SHAPES)
    trace = record_pair(module.loss, module.gradients, arguments)
    asked = []

    def verdict_of(file: str, line: int) -> str:
        asked.append((file, line))
        return "wrong" if line == 17 else "follows" if line > 17 else "right"

    lines: tuple[Line, ...] = lines_of_backward(trace, Cotangents.of(trace, arguments)).judged(verdict_of)
    assert [line.verdict for line in lines] == ["right"] * 3 + ["wrong"] + ["follows"] * 2
    assert asked == [(line.file, line.line) for line in lines]
    assert lines[2].code == "dout = (out - Y) / len(X)"
    assert lines[3].einsum == 'einsum("nj,nk->jk", h, dout); einsum("nk,jk->nj", dout, V)'


@pytest.mark.parametrize(
    ("before", "after", "line", "meaning"),
    [
        ("/ len(X)\n    dV", "\n    dV", 16, "N ∂L/∂out"),
        ("dV, dh = h.T @ dout", "dV, dh = dout.T @ h", 17, "∂L/∂V, transposed; ∂L/∂h"),
        ("dW = X.T @ dz", "dW = X.T @ dh", 19, ""),
        ("dW = X.T @ dz", "dW = -X.T @ dz", 19, "-∂L/∂W"),
        ("dz = dh * (1 - h**2); db = dz.sum(axis=0)", "dz = dh * (1 - h**2); db = dh", 18,
         "∂L/∂(what the tanh takes for h)"),
        ("    dW = X.T @ dz", "    dh = dh * (1 - h**2)\n    dW = X.T @ dz", 19,
         "∂L/∂(what the tanh takes for h), though its name says h"),
    ],
)  # fmt: skip
def test_what_a_value_is_is_found_by_its_entries(before: str, after: str, line: int, meaning: str) -> None:
    assert NETWORK.count(before) == 1
    assert said(lines_of(NETWORK.replace(before, after), SHAPES))[line][1] == meaning


def test_a_line_of_a_loop_stands_once_and_its_sum_is_complete() -> None:
    lines = lines_of(LOOP, LOOP_SHAPES)
    assert [line.line for line in lines.lines] == sorted({line.line for line in lines.lines})
    found = said(lines)
    assert found[16][0] == "hs[t,i] = tanh(Σ_j U[i,j] X[t,j] + Σ_k W[i,k] hs[t-1,k])"
    assert found[20] == ("dh[t,i] = hs[t,i] + later[t+1,i]", "∂L/∂hs[t]")
    assert found[21] == ("raw[t,i] = dh[t,i] (1 - hs[t,i]²)", "∂L/∂(what the tanh takes for hs[t])")
    assert found[22] == ('grads["U"][i,j] += Σ_t raw[t,i] X[t,j]', "∂L/∂U")
    assert found[23][1] == "∂L/∂W"


def test_lines_say_what_read_says() -> None:
    """But for the letters, which are those of the loss."""
    rng = np.random.default_rng(0)
    module = module_of(NETWORK, "read")
    reading = eb.read(module.gradients, *(rng.normal(size=shape) for shape in SHAPES))
    read = [f.equation for line in reading.lines for f in line.formulas if not f.is_alias]
    shown = [part for equation, _ in said(lines_of(NETWORK, SHAPES)).values() for part in equation.split("; ")]
    letters = str.maketrans(dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "·"))
    assert [equation.translate(letters) for equation in shown] == [equation.translate(letters) for equation in read]


def test_every_letter_has_a_dimension_and_no_other_has() -> None:
    for source, shapes in ((NETWORK, SHAPES), (LOOP, LOOP_SHAPES)):
        lines = lines_of(source, shapes)
        shown = {i for line in lines.lines for i in letters_of(line.markup)}
        assert shown == {i for d in lines.dimensions for i in d.letters}
        assert all(d.letters for d in lines.dimensions)


@pytest.mark.parametrize(
    ("source", "shapes"), [(NETWORK, SHAPES), (LOOP, LOOP_SHAPES), (SQUARES, ((3, 4), (3, 5)))]
)
def test_a_line_alone_is_read_as_among_all(source: str, shapes: Sequence[tuple[int, ...]]) -> None:
    """Which letter is the second over a dimension depends on the lines before."""
    for line in lines_of(source, shapes).lines:
        alone = lines_of(source, shapes, at={(line.file, line.line)}).lines
        assert line in alone
        assert [one.markup for one in alone if one == line] == [line.markup]


def test_the_text_reads_no_lines_but_those_it_tells_of() -> None:
    rng = np.random.default_rng(0)
    module = module_of(NETWORK.replace("db = dz.sum(axis=0)", "db = dh.sum(axis=0)"), "told")
    report = eb.check(module.loss, module.gradients, *(rng.normal(size=shape) for shape in SHAPES), wrt=(0, 1, 2))
    text = str(report)
    assert "_items" not in vars(report.lines)
    (finding,) = report.findings
    assert finding.yours is not None
    assert finding.yours.split("\n")[0] in next(line for line in report.lines if line.line == finding.line).equation
    assert "  letters: n = 5   j = 4\n" in text


def test_without_a_derivative_lines_are_read_all_the_same() -> None:
    rng = np.random.default_rng(0)
    module = SimpleNamespace(loss=lambda x: x**2, gradients=lambda x: 2 * x)
    trace = record_pair(module.loss, module.gradients, (rng.normal(size=3),))
    cotangents = Cotangents.of(trace, [rng.normal(size=3)])
    (line,) = lines_of_backward(trace, cotangents).lines
    assert (line.equation, line.meaning) == ("return[i] = 2 x[i]", "")
