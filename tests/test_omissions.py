"""Lines that are missing: each line of some backwards is taken out in turn, and what is to be written puts one back."""

import ast
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutant_outcomes import module_of, with_writes
from sampling import some

from einbackprop import check
from einbackprop.checking.reports import Report
from einbackprop.core.progress import frames_of
from einbackprop.diagnosis import omissions, search
from einbackprop.diagnosis.holes import Hole, additions
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.missing_terms import summing
from einbackprop.diagnosis.omissions import filled
from einbackprop.diagnosis.repair import TIERS, Round
from einbackprop.diagnosis.trying import Tier

NETWORK = """\
import numpy as np


def loss(W1, b1, W2, b2, X, y, reg):
    h = np.maximum(0, X @ W1 + b1)
    s = h @ W2 + b2
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))


def gradients(W1, b1, W2, b2, X, y, reg):
    grads = {}
    N = X.shape[0]
    h = np.maximum(0, X @ W1 + b1)
    s = h @ W2 + b2
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    ds = p.copy()
    ds[np.arange(N), y] -= 1
    ds /= N
    grads["W2"] = h.T @ ds
    grads["b2"] = ds.sum(axis=0)
    dh = ds @ W2.T
    dh[h <= 0] = 0
    grads["W1"] = X.T @ dh
    grads["b1"] = dh.sum(axis=0)
    grads["W2"] += 2 * reg * W2
    grads["W1"] += 2 * reg * W1
    return grads
"""
RECURRENT = """\
import numpy as np


def loss(Wx, Wh, b, x, R):
    h = np.zeros((x.shape[1], Wh.shape[0]))
    total = 0.0
    for t in range(len(x)):
        h = np.tanh(x[t] @ Wx + h @ Wh + b)
        total += np.sum(h * R[t])
    return total


def gradients(Wx, Wh, b, x, R):
    T, N, D = x.shape
    hs = {-1: np.zeros((N, Wh.shape[0]))}
    for t in range(T):
        hs[t] = np.tanh(x[t] @ Wx + hs[t - 1] @ Wh + b)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dnext = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        dh = R[t] + dnext
        da = dh * (1 - hs[t] ** 2)
        dWx += x[t].T @ da
        dWh += hs[t - 1].T @ da
        db += da.sum(axis=0)
        dnext = da @ Wh.T
    return dWx, dWh, db
"""
HINGE = """\
import numpy as np


def loss(W, X, y):
    s = X @ W
    return np.sum(np.maximum(0, s - s[np.arange(len(y)), y][:, None] + 1)) / len(y)


def gradients(W, X, y):
    dW = np.zeros(W.shape)
    for i in range(len(X)):
        s = X[i] @ W
        for j in range(W.shape[1]):
            if j != y[i] and s[j] - s[y[i]] + 1 > 0:
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    dW /= len(X)
    return dW
"""
GATES = """\
import numpy as np


def loss(a, x, c):
    i, o = np.hsplit(1 / (1 + np.exp(-(x @ a))), 2)
    return np.sum(o * np.tanh(i * c))


def gradients(a, x, c):
    H = c.shape[1]
    s = 1 / (1 + np.exp(-(x @ a)))
    t = np.tanh(s[:, :H] * c)
    d = s * (1 - s)
    d[:, :H] *= s[:, H:] * (1 - t**2) * c
    d[:, H:] *= t
    return x.T @ d
"""
EMBEDDING = """\
import numpy as np


def loss(E, ids, R):
    return np.sum(E[ids] ** 2 * R)


def gradients(E, ids, R):
    rows = 2 * E[ids] * R
    dE = np.zeros_like(E)
    np.add.at(dE, ids, rows)
    return dE
"""
LAYER = """\
import numpy as np


def loss(x, w, b, R):
    return np.sum((x.reshape(len(x), -1) @ w + b) ** 2 * R)


def gradients(x, w, b, R):
    dx, dw, db = None, None, None
    flat = x.reshape(len(x), -1)
    out = flat @ w + b
    dout = 2 * out * R
    dx = (dout @ w.T).reshape(x.shape)
    dw = flat.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
"""
ARC = """\
import numpy as np


def loss(x, R):
    return np.sum(np.arctan(x) * R)


def gradients(x, R):
    dx, dR = None, None
    dx = R / (1 + x**2)
    dR = np.arctan(x)
    return dx, dR
"""
FACTORS = ("np.arctan(x)", "np.exp(np.sin(x))", "np.log(2 + x**2)", "np.tanh(x + 1)", "np.sqrt(3 + np.cos(x))")
LONG_ARC = ARC.replace("np.arctan(x)", " * ".join(FACTORS)).replace("R / (1 + x**2)", "slopes(x, R)")
"""Its derivative is longer than a line that anybody would read."""
GATED = """\
import numpy as np


def forward(p, x):
    h = np.zeros((p["Uz"].shape[0], 1))
    hs, zs, cs = [h], [], []
    for t in range(len(x)):
        z = 1 / (1 + np.exp(-(p["Wz"] @ x[t] + p["Uz"] @ h)))
        c = np.tanh(p["Wc"] @ x[t] + p["Uc"] @ h)
        h = (1 - z) * h + z * c
        hs.append(h)
        zs.append(z)
        cs.append(c)
    return hs, zs, cs


def loss(p, x, R):
    return sum(np.sum(h * r) for h, r in zip(forward(p, x)[0][1:], R))


def gradients(p, x, R):
    hs, zs, cs = forward(p, x)
    g = {k: np.zeros_like(v) for k, v in p.items()}
    dnext = np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        z, c, h = zs[t], cs[t], hs[t]
        dh = R[t] + dnext
        dc = dh * z * (1 - c**2)
        dz = dh * (c - h) * z * (1 - z)
        g["Wz"] += dz @ x[t].T
        g["Uz"] += dz @ h.T
        g["Wc"] += dc @ x[t].T
        g["Uc"] += dc @ h.T
        dnext = dh * (1 - z) + p["Uz"].T @ dz + p["Uc"].T @ dc
    return g
"""
rng = np.random.default_rng(0)
ARGUMENTS = {
    NETWORK: (*map(rng.standard_normal, ((4, 6), 6, (6, 3), 3, (5, 4))), np.array([0, 2, 1, 1, 0]), 0.3),
    RECURRENT: tuple(map(rng.standard_normal, ((3, 4), (4, 4), 4, (4, 2, 3), (4, 2, 4)))),
    HINGE: (*map(rng.standard_normal, ((4, 3), (5, 4))), np.array([0, 2, 1, 1, 0])),
    LAYER: tuple(map(rng.standard_normal, ((4, 2, 3), (6, 5), 5, (4, 5)))),
    GATES: tuple(map(rng.standard_normal, ((3, 8), (5, 3), (5, 4)))),
    EMBEDDING: (rng.standard_normal((6, 3)), np.array([[0, 2], [5, 2]]), rng.standard_normal((2, 2, 3))),
    **dict.fromkeys((ARC, LONG_ARC), tuple(map(rng.standard_normal, ((3, 4), (3, 4))))),
}
COUNTS = {NETWORK: 4, RECURRENT: 3, HINGE: 1, LAYER: 3, ARC: 2, LONG_ARC: 2, GATES: 1, EMBEDDING: 1}
"""How many arrays there are gradients of: the first."""
LINES = [(source, line) for source in (NETWORK, RECURRENT, HINGE, LAYER)
         for line in source.split("def gradients")[1].splitlines()[1:-1]
         if not line.strip().startswith(("for", "if", "dx, dw, db = None", "hs[t]"))]  # fmt: skip


UNKNOWN = ("hs = {-1: np.zeros((N, Wh.shape[0]))}", "s = X[i] @ W")
"""Lines of which no other can be made: a dict with a state in it, and a value that only decides."""


def without(source: str, line: str) -> str:
    loss, gradients = source.split("def gradients")
    return f"{loss}def gradients{gradients.replace(line + chr(10), '', 1)}"


def checked(source: str, of: str) -> Report:
    module = module_of(source, "omission")
    return check(module.loss, module.gradients, *ARGUMENTS[of], wrt=tuple(range(COUNTS[of])))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (' + p["Uz"].T @ dz', "a term is missing: + p['Uz'].T @ dz."),  # of the last round nothing depends on it
        ('        g["Uz"] += dz @ h.T\n', "a line is missing: g['Uz'] += dz @ h.T."),
    ],
)
def test_what_is_lost_of_gradients_in_a_dict_is_put_back(lost: str, said: str) -> None:
    module = module_of(GATED.replace(lost, "", 1), "omission")
    p = {k + g: rng.standard_normal((3, 2 if k == "W" else 3)) for g in "zc" for k in "WU"}
    report = check(module.loss, module.gradients, p, rng.standard_normal((3, 2, 1)), rng.standard_normal((3, 3, 1)))
    assert [finding.message for finding in report.findings] == [said]
    assert report.findings[0].write


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "line"),
    some([(source, line) for source, line in LINES if line.strip() not in UNKNOWN], 9),
)
def test_a_line_that_was_taken_out_is_put_back_or_made_up_for(source: str, line: str) -> None:
    report = checked(without(source, line), source)
    assert "wrong" in {item.verdict for item in report.gradients}
    assert all(item.write for item in report.findings if item.line)
    mended = with_writes(without(source, line), report.findings)
    assert {item.verdict for item in checked(mended, source).gradients} == {"right"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "line", "write"),
    [
        (NETWORK, "    h = np.maximum(0, X @ W1 + b1)", "h = np.maximum(0, X @ W1 + b1)\ns = h @ W2 + b2"),
        (NETWORK, "    N = X.shape[0]", "N = ds.shape[0]\nds[np.arange(N), y] -= 1"),
        (LAYER, "    db = dout.sum(axis=0)", "db = dout.sum(axis=0)\nreturn dx, dw, db"),
        (HINGE, "                dW[:, j] += X[i]", "dW[:, y[i]] -= X[i]\ndW[:, j] += X[i]"),
        (GATES, "    d[:, H:] *= t", "d[:, H:] *= t\nreturn x.T @ d"),
        (EMBEDDING, "    np.add.at(dE, ids, rows)", "np.add.at(dE, ids, rows)\nreturn dE"),
    ],
)
def test_the_line_is_the_one_that_people_would_write(source: str, line: str, write: str) -> None:
    (found,) = [item for item in checked(without(source, line), source).findings if item.line]
    assert found.write == write
    assert found.message.startswith("a line is missing: ")


NORM = """\
import numpy as np


def loss(x, R):
    xn = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    return np.sum(xn * R)


def gradients(x, R):
    N = len(x)
    std = np.sqrt(x.var(axis=0) + 1e-5)
    xn = (x - x.mean(axis=0)) / std
    return 1.0 / N / std * (N * R - R.sum(axis=0) - xn * np.sum(R * xn, axis=0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["R.sum(axis=0)", "xn * np.sum(R * xn, axis=0)"])
def test_a_term_of_a_norm_that_is_lost_in_brackets_is_put_back(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by what the brackets should make, which is known from what a 1 more in them adds."""
    monkeypatch.setattr(search, "TIERS", TIERS[:1])  # not by one of thousands of edits that put together what is there
    module = module_of(NORM.replace(f" - {lost}", ""), "norm")
    x = rng.standard_normal((6, 4))
    (finding,) = check(module.loss, module.gradients, x, rng.standard_normal((6, 4)), wrt=0).findings
    assert finding.message.startswith("a term is missing: - ")
    assert finding.write is not None
    repaired = module_of(with_writes(NORM.replace(f" - {lost}", ""), [finding]), "norm")
    assert np.allclose(repaired.gradients(x, x), module_of(NORM, "norm").gradients(x, x))


VARIANCE = """\
import numpy as np


def loss(x, R):
    return np.sum(R * x.var(axis=0))


def gradients(x, R):
    N = len(x)
    xc = x - x.mean(axis=0)
    d = xc
    return d
"""


def test_a_factor_of_an_array_and_a_number_that_is_lost_is_put_back() -> None:
    module = module_of(VARIANCE, "variance")
    x, R = rng.standard_normal((6, 4)), rng.standard_normal(4)
    (finding,) = check(module.loss, module.gradients, x, R, wrt=0).findings
    assert finding.line == 11
    assert finding.write == "d = 2 * R / N * xc"


BATCH_NORM = """\
import numpy as np


def loss(x, gamma, R, eps):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return np.sum(R * gamma * (x - mean) / np.sqrt(var + eps))


def gradients(x, gamma, R, eps):
    N = len(x)
    mean, var = x.mean(axis=0), x.var(axis=0)
    dn = R * gamma
    dvar = np.sum(dn * (x - mean) * -0.5 * (var + eps) ** -1.5, axis=0)
    dmean = np.sum(dn * -1 / np.sqrt(var + eps), axis=0)
    dx = dn / np.sqrt(var + eps) + dvar * 2 * (x - mean) / N + dmean / N
    return dx
"""


def test_a_term_with_a_difference_that_stands_elsewhere_is_put_back() -> None:
    module = module_of(BATCH_NORM.replace(" + dvar * 2 * (x - mean) / N", ""), "batch_norm")
    x, gamma = rng.standard_normal((6, 3)), rng.standard_normal(3)
    (finding,) = check(module.loss, module.gradients, x, gamma, rng.standard_normal((6, 3)), 1e-5, wrt=0).findings
    assert finding.write == "dx = dn / np.sqrt(var + eps) + dmean / N + 2 * dvar * (x - mean) / N"


@pytest.mark.parametrize(("line", "first"), [("d[y[i]] -= x[i]", "d[y[i]]"), ("n = n + y[i]", "d")])
def test_where_a_loop_fills_an_array_entry_by_entry_others_are_looked_for_first(line: str, first: str) -> None:
    function = ast.parse(f"def f(x, y):\n    d = 0 * x\n    for i in range(9):\n        {line}\n    return d\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    site: Any = SimpleNamespace(file="f.py", definition=0, function=function)
    found = list(additions(ast.Name("d", ast.Load()), (9,), function.body[1:], site))
    assert ast.unparse(next(hole for hole in found if hole.does == "+=").target) == first
    assert {ast.unparse(hole.target) for hole in found} >= {"d", "d[i]"}


ENDS = """
import numpy as np

def loss(first, last, E, y):
    s, r = first + E[0], last + E[-1]
    return np.log(np.exp(s).sum()) - s[y[0]] + np.log(np.exp(r).sum()) - r[y[-1]]

def gradients(first, last, E, y):
    s, r = np.exp(first + E[0]), np.exp(last + E[-1])
    g = {"first": np.zeros(len(first)), "last": np.zeros(len(last))}
    g["first"] += s / s.sum()
    g["first"][y[0]] -= 1
    g["last"] += r / r.sum()
    g["last"][y[-1]] -= 1
    return g["first"], g["last"]
"""


@pytest.mark.slow
@pytest.mark.parametrize(("before", "line"), [
    ('g["first"] += s / s.sum()', 'g["first"][y[0]] -= 1'), ('g["last"] += r / r.sum()', 'g["last"][y[-1]] -= 1')])
def test_a_count_that_is_lost_at_one_entry_is_put_back(before: str, line: str) -> None:
    module = module_of(without(ENDS, f"    {line}"), "omission")
    given = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal((5, 4)), np.array([2, 0, 3, 1, 0])
    (found,) = [item for item in check(module.loss, module.gradients, *given, wrt=(0, 1)).findings if item.line]
    assert found.write == f"{before}\n{line}"


@pytest.mark.parametrize(
    ("source", "was", "now", "said"),
    [
        (HINGE, "        s = X[i] @ W\n", "", "NameError: name 's' is not defined"),
        (LONG_ARC, "    dx = slopes(x, R)\n", "",
         "a line that makes dx is missing before this one: it should be ∂L/∂x."),
    ],
)  # fmt: skip
def test_where_no_line_can_be_made_it_is_said_where_one_is_missing(source: str, was: str, now: str, said: str) -> None:
    loss, gradients = source.split("def gradients")
    (found,) = [item for item in checked(f"{loss}def gradients{gradients.replace(was, now)}", source).findings
                if item.line]  # fmt: skip
    assert found.message.startswith(said)
    assert found.write is None


@pytest.mark.slow
def test_with_a_second_mistake_the_line_is_found_all_the_same() -> None:
    twice = without(NETWORK, '    grads["b1"] = dh.sum(axis=0)').replace("dh = ds @ W2.T", "dh = -ds @ W2.T")
    report = checked(twice, NETWORK)
    mended = with_writes(twice, report.findings)
    assert len([item for item in report.findings if item.line]) == 2
    assert {item.verdict for item in checked(mended, NETWORK).gradients} == {"right"}


def test_a_gradient_that_is_none_alone_is_missing_and_found() -> None:
    def without_line(x, R):
        dx = None
        return dx

    report = check(lambda x, R: np.sum(np.maximum(0, x) * R), without_line, *ARGUMENTS[ARC], wrt=0)
    assert [item.write for item in report.findings if item.line] == ["dx = R * (x > 0)\nreturn dx"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("was", "now"), [("dh = ds @ W2.T", "dh = dss @ W2.T"), ("ds /= N", "ds /= n"), ("h.T @ ds", "dh.T @ ds")]
)
def test_a_name_that_is_misspelled_is_another_and_no_line_is_missing(was: str, now: str) -> None:
    report = checked(NETWORK.replace(was, now), NETWORK)
    (found,) = [item.write for item in report.findings if item.line]
    assert found in [line.strip() for line in NETWORK.splitlines() if was in line]


@pytest.mark.long
def test_a_loop_that_would_wait_for_what_is_missing_is_stopped() -> None:
    source = """\
import numpy as np


def loss(x, R):
    return 2 * np.sum(x * R)


def gradients(x, R):
    dx, rest = np.zeros_like(x), R
    while np.abs(rest).max() > 1e-12:
        dx += rest
        rest = rest * factor
    return dx
"""
    module = module_of(source, "waiting")
    report = check(module.loss, module.gradients, *ARGUMENTS[ARC], wrt=0)
    assert [item.verdict for item in report.gradients] == ["wrong"]
    assert "NameError: name 'factor' is not defined" in str(report)


@pytest.mark.slow
def test_two_lines_that_are_missing_at_one_place_are_written_together() -> None:
    twice = without(without(NETWORK, '    grads["b1"] = dh.sum(axis=0)'), '    grads["b2"] = ds.sum(axis=0)')
    (found,) = [item for item in checked(twice, NETWORK).findings if item.line]
    assert found.write is not None
    assert {*found.write.split("\n")} == {
        'grads["b1"] = dh.sum(axis=0)', 'grads["b2"] = ds.sum(axis=0)', "return grads",
    }  # fmt: skip
    assert {item.verdict for item in checked(with_writes(twice, [found]), NETWORK).gradients} == {"right"}


@pytest.mark.slow
def test_two_lines_that_are_missing_in_a_loop_are_written_together() -> None:
    source = """\
import numpy as np


def loss(W, b, x):
    return np.sum((x @ W + b) ** 2)


def gradients(W, b, x):
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for n in range(len(x)):
        dy = 2 * (x[n] @ W + b)
    return dW, db
"""
    module = module_of(source, "several")
    x = rng.standard_normal((5, 4))
    report = check(module.loss, module.gradients, rng.standard_normal((4, 3)), rng.standard_normal(3), x, wrt=(0, 1))
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None
    own, first, second = found.write.split("\n")
    assert own == "dy = 2 * (x[n] @ W + b)"
    assert {first[:5], second[:5]} == {"dW +=", "db +="}


PEEPHOLES = """\
import numpy as np


def steps(x, U, p, q, h):
    seen = []
    for t in range(len(x)):
        i, f = np.tanh(x[t] @ U + p * h), np.tanh(x[t] @ U * 2 + q * h)
        c = i * f + h
        seen.append((h, i, f))
        h = np.tanh(c)
    return seen, h


def loss(x, U, p, q, h):
    return np.sum(steps(x, U, p, q, h)[1] ** 2)


def gradients(x, U, p, q, h):
    seen, last = steps(x, U, p, q, h)
    dU, dp, dq, dh = np.zeros_like(U), np.zeros_like(p), np.zeros_like(q), 2 * last
    for t in reversed(range(len(x))):
        before, i, f = seen[t]
        dc = dh * (1 - np.tanh(i * f + before) ** 2)
        di, df = dc * f * (1 - i ** 2), dc * i * (1 - f ** 2)
        dU += np.outer(x[t], di + 2 * df)
        dp += di * before
        dq += df * before
        dh = dc + di * p + df * q
    return dU, dp, dq
"""


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "terms"), [
    ("dh = dc", {"di * p", "df * q"}), ("dh = dc + di * p", {"df * q"}), ("dh = di * p", {"dc", "df * q"}),
])  # fmt: skip
def test_a_path_that_takes_two_terms_is_put_back(wrong: str, terms: set[str]) -> None:
    module = module_of(PEEPHOLES.replace("dh = dc + di * p + df * q", wrong), "gated")
    arguments = map(np.random.default_rng(0).standard_normal, ((4, 3), (3, 5), 5, 5, 5))
    report = check(module.loss, module.gradients, *arguments, wrt=(1, 2, 3))
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None
    written = {part.strip() for part in found.write.replace("+=", "= dh +").partition("=")[2].split("+")} - {"dh"}
    assert written == {*wrong.removeprefix("dh = ").split(" + "), *terms} or written == terms


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(2, 30))
def test_pairs_of_terms_are_found_by_what_they_add_up_to(seed: int, entries: int, count: int) -> None:
    drawn = np.random.default_rng(seed)
    terms = [drawn.integers(-3, 4, entries).astype(float) for _ in range(count)]
    total = terms[0] + terms[-1]
    expected = [(n, m) for n in range(count) for m in range(n + 1, count) if (terms[n] + terms[m] == total).all()]
    assert sorted(summing(total, terms, 1e-9)) == expected


def test_a_line_that_is_right_at_these_values_alone_is_not_written() -> None:
    source = """\
import numpy as np


def loss(W, x):
    return np.sum((W * x) ** 2)


def gradients(W, x):
    for i in range(len(W)):
        dW[i] = 2 * W[i] * x[i] ** 2
    return dW
"""
    module = module_of(source, "buffer")
    rng = np.random.default_rng(0)
    report = check(module.loss, module.gradients, rng.standard_normal((4, 3)), rng.standard_normal((4, 3)))
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None
    mended = module_of(with_writes(source, [found]), "mended")
    assert {item.verdict for item in check(mended.loss, mended.gradients, *ARGUMENTS[ARC]).gradients} == {"right"}


RUNNING = """\
import numpy as np


def forward(q, k, v):
    S, z = np.zeros((k.shape[1], v.shape[1])), np.zeros(k.shape[1])
    outs, below, all_S, all_z = np.zeros((len(q), v.shape[1])), np.zeros(len(q)), [], []
    for t in range(len(q)):
        S = S + np.outer(k[t], v[t])
        z = z + k[t]
        below[t] = q[t] @ z
        outs[t] = q[t] @ S / below[t]
        all_S.append(S)
        all_z.append(z)
    return outs, (below, all_S, all_z)


def loss(q, k, v, R):
    return np.sum(forward(q, k, v)[0] * R)


def gradients(q, k, v, R):
    outs, (below, all_S, all_z) = forward(q, k, v)
    dS, dz = np.zeros_like(all_S[0]), np.zeros_like(all_z[0])
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for t in reversed(range(len(q))):
        dabove = R[t] / below[t]
        dbelow = -(R[t] @ outs[t]) / below[t]
        dq[t] = all_S[t] @ dabove + dbelow * all_z[t]
        dS += np.outer(q[t], dabove)
        dz += dbelow * q[t]
        dk[t] = dS @ v[t] + dz
        dv[t] = k[t] @ dS
    return dq, dk, dv
"""


@pytest.mark.slow
def test_a_term_of_a_list_that_nothing_else_reads_is_put_back() -> None:
    """A number times an entry of a list, indexed as the code indexes another list."""
    module = module_of(RUNNING.replace(" + dbelow * all_z[t]", ""), "running")
    rng = np.random.default_rng(0)
    arguments = [rng.uniform(0.5, 2.0, (5, 3)) for _ in range(2)] + [*map(rng.standard_normal, ((5, 2), (5, 2)))]
    report = check(module.loss, module.gradients, *arguments, wrt=(0, 1, 2))
    (found,) = [item for item in report.findings if item.line]
    assert found.write == "dq[t] = all_S[t] @ dabove + dbelow * all_z[t]"


TWO_VIEWS = """\
import numpy as np


def loss(p, x, y):
    return np.sum(np.tanh(x @ p["W"] + p["b"]) @ p["V"] * (np.tanh(y @ p["W"] + p["b"]) @ p["V"]))


def gradients(p, x, y):
    h, k = np.tanh(x @ p["W"] + p["b"]), np.tanh(y @ p["W"] + p["b"])
    du, dv = k @ p["V"], h @ p["V"]
    g = {}
    da = du @ p["V"].T * (1 - h ** 2)
    g["V"] = h.T @ du
    g["W"] = x.T @ da
    g["b"] = da.sum(axis=0)
    dc = dv @ p["V"].T * (1 - k ** 2)
    g["V"] += k.T @ dv
    g["W"] += y.T @ dc
    g["b"] += dc.sum(axis=0)
    return g
"""


@pytest.mark.slow
@pytest.mark.parametrize("line", ['    g["W"] += y.T @ dc', '    g["b"] += dc.sum(axis=0)', '    g["V"] += k.T @ dv'])
def test_the_share_of_another_use_is_put_back(line: str) -> None:
    """What it takes is only made after the line that makes the rest, where others are added to."""
    module = module_of(TWO_VIEWS.replace(line + "\n", ""), "views")
    rng = np.random.default_rng(0)
    p = {"W": rng.normal(size=(3, 5)), "b": rng.normal(size=5), "V": rng.normal(size=(5, 2))}
    report = check(module.loss, module.gradients, p, *map(rng.standard_normal, ((4, 3), (4, 3))))
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None
    assert line.strip().replace('"', "'") in found.write.replace('"', "'").splitlines()


def test_what_is_added_is_not_made_of_what_it_is_added_to() -> None:
    """The factor of the first line, and not ``- 0.5 * d`` in the second."""
    module = module_of("""\
import numpy as np


def loss(s, m, e, c):
    return np.sum(c * (m + np.exp(0.5 * s) * e)) - 0.5 * np.sum(1 + s - np.exp(s))


def gradients(s, m, e, c):
    d = c * e * np.exp(0.5 * s)
    d += 0.5 * (np.exp(s) - 1)
    return d, c
""", "sums")  # fmt: skip
    arguments = map(np.random.default_rng(0).standard_normal, [(3, 4)] * 4)
    report = check(module.loss, module.gradients, *arguments, wrt=(0, 1))
    (found,) = [item for item in report.findings if item.line]
    assert (found.line, "d" in (found.write or "").partition("=")[2].split()) == (9, False), found


LOST = {
    "an entry in each round": """\
def both(x, W, C):
    h, hs, total = np.zeros(W.shape[0]), [], 0.0
    for t in range(len(x)):
        h = np.tanh(x[t] + W @ h)
        hs.append(h)
        total += C[t] @ h
    dx = np.zeros_like(x)
    dW = np.zeros_like(W)
    dh = np.zeros(W.shape[0])
    for t in range(len(x) - 1, -1, -1):
        dz = (C[t] + dh) * (1 - hs[t] ** 2)
        dx[t] += dz  # lost
        if t > 0:
            dW += np.outer(dz, hs[t - 1])
        dh = W.T @ dz
    return total, dx, dW
""",
    "a mean before a penalty": """\
def both(x, W, C):
    dW = np.zeros_like(W)
    loss = 0.0
    for i in range(len(x)):
        for j in range(W.shape[1]):
            m = x[i] @ W[:, j] - x[i] @ W[:, 0] + C[i, j]
            loss += m * m
            dW[:, j] += 2 * m * x[i]
            dW[:, 0] -= 2 * m * x[i]
    loss = loss / len(x) + 0.3 * np.sum(W * W)
    dW /= len(x)  # lost
    dW += 0.6 * W
    return loss, dW
""",
    "labels before a mean": """\
def both(x, W, C):
    y = np.argmax(C, axis=1)
    s = x @ W
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    N = len(x)
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] -= 1  # lost
    p /= N
    dW = x.T @ p
    dx = p @ W.T
    return loss, dx, dW
""",
    "gates side by side": """\
def both(x, W, C):
    a = x @ W
    H = W.shape[1] // 2
    i, g = 1 / (1 + np.exp(-a[:, :H])), np.tanh(a[:, H:])
    di = C[:, :H] * g * i * (1 - i)
    dg = C[:, :H] * i * (1 - g * g)
    da = np.hstack((di, dg))  # lost
    dW = x.T @ da
    return np.sum(C[:, :H] * i * g), dW
""",
    "what is largest": """\
def loss(x, W, C):
    return sum(C[i, j] * np.max(x[i, 2 * j:2 * j + 2]) for i in range(len(x)) for j in range(x.shape[1] // 2))


def gradients(x, W, C):
    dx = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(x.shape[1] // 2):
            part = x[i, 2 * j:2 * j + 2]
            top = np.max(part)  # lost
            mask = part == top
            dx[i, 2 * j:2 * j + 2] += C[i, j] * mask
    return dx
""",
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_a_lost_line_is_put_back(name: str) -> None:
    code = "import numpy as np\n\n\n" + LOST[name]
    (lost,) = [line for line in code.splitlines() if line.endswith("# lost")]
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in ((5, 4), (4, 6), (5, 6))]
    if name == "an entry in each round":
        arguments = [rng.normal(size=shape) for shape in ((4, 3), (3, 3), (4, 3))]
    wrt = (0, 1) if "dx, dW" in code else 0 if "dx" in code else 1

    def checked(text: str, called: str) -> Report:
        module = module_of(text, called)
        functions = (module.loss, module.gradients) if "def loss" in text else (module.both,)
        return check(*functions, *arguments, wrt=wrt)

    assert checked(code, "whole").ok
    left = code.replace(lost + "\n", "")
    report = checked(left, "left")
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None
    place = code.splitlines().index(lost) + 1
    assert abs((found.line or 0) - place) <= 1, found
    assert checked(with_writes(left, report.findings), "back").ok


def test_what_no_name_stands_for_is_not_left_out() -> None:
    """``eps`` as another function binds it, and not ``var`` without it, which is as right to a guard."""
    code = """\
import numpy as np


def forward(x, options):
    eps = options.get("eps", 1e-5)
    return x / np.sqrt(x.var(axis=0) + eps)


def loss(x, options, C):
    return np.sum(C * forward(x, options))


def gradients(x, options, C):
    N, c, std = len(x), x - x.mean(axis=0), np.sqrt(x.var(axis=0) + options.get("eps", 1e-5))
    var = x.var(axis=0)
    dstd = -np.sum(C * x, axis=0) / std**2
    dvar = 0.5 * (var + eps) ** (-0.5) * dstd
    return C / std + dvar * 2 * c / N
"""
    rng = np.random.default_rng(0)
    module = module_of(code, "unbound")
    report = check(module.loss, module.gradients, rng.normal(size=(6, 3)), {}, rng.normal(size=(6, 3)))
    (found,) = [item for item in report.findings if item.line]
    assert (found.write or "").splitlines()[0] == 'eps = options.get("eps", 1e-5)'


def test_a_lost_gradient_stands_where_the_order_of_those_that_are_returned_has_it() -> None:
    code = """\
import numpy as np


def both(x, W, b, V):
    h = np.tanh(x @ W + b)
    d = V * (1 - h * h)
    dx = d @ W.T
    db = d.sum(axis=0)
    dV = h
    return np.sum(h * V), dx, dW, db, dV
"""
    first, _, after = code.partition("    db = ")
    whole = first + "    dW = x.T @ d\n    db = " + after
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in ((5, 4), (4, 3), (3,), (5, 3))]
    assert check(module_of(whole, "whole").both, *arguments, wrt=(0, 1, 2, 3)).ok
    # with the line lost the gradient is None, and not a name that nothing binds
    lost = code.replace("    h = np", "    dW = None\n    h = np", 1)
    report = check(module_of(lost, "lost").both, *arguments, wrt=(0, 1, 2, 3))
    (found,) = [item for item in report.findings if item.line]
    assert (found.write or "").splitlines() == ["dW = x.T @ d", "db = d.sum(axis=0)"]


def test_places_of_several_statements_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(name: str) -> Any:
        made, site = SimpleNamespace(is_zero=False), SimpleNamespace(is_update=False, target=name)
        return SimpleNamespace(suspect=SimpleNamespace(shift=np.ones(1), made=made, site=site))

    def places(version: Any, suspect: Any) -> Any:
        return (SimpleNamespace(key=f"{suspect.site.target}{n}") for n in range(4))

    def row(version: Any, suspect: Any) -> Any:
        return [SimpleNamespace(key=f"{suspect.site.target}[0]")]

    monkeypatch.setattr(omissions, "updates", places)
    monkeypatch.setattr(omissions, "updates_of_row", row)
    search: Any = SimpleNamespace(alone=[table("a"), table("b")], others=[], version=None)
    found: list[Any] = [hole.key for hole in omissions.lost_updates(search)]
    assert found == ["b[0]", "a[0]", "a0", "a1", "b0", "b1", "a2", "a3", "b2", "b3"]


def test_of_parts_that_may_be_at_fault_the_smallest_is_filled_first(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """\
import numpy as np


def both(x, W, u, v):
    a = x @ W
    H = W.shape[1] // 2
    d = np.cos(a)
    d[:, :H] *= u
    dW = x.T @ d
    return np.sum(np.sin(a[:, :H]) * u) + np.sum(np.sin(a[:, H:]) * u * v.sum()), dW
"""
    tried: list[tuple[str, Tier]] = []

    def recorded(search: Round, hole: Hole, tier: Tier) -> Repair | None:
        tried.append((ast.unparse(hole.target), tier))
        return filled(search, hole, tier)

    monkeypatch.setattr(omissions, "filled", recorded)
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in ((5, 4), (4, 6), (5, 3), (5, 3))]
    report = check(module_of(code, "parts").both, *arguments, wrt=1)
    (found,) = [item for item in report.findings if item.line]
    assert (found.write or "").splitlines()[0] == "d[:, H:] *= u * v.sum()"
    assert [target for target, tier in tried if tier == omissions.FILLINGS[1]] == ["d[:, H:]"]


LAYER_NORM = """\
import numpy as np


def forward(x):
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-3)
    normed = (x - x.mean(axis=1, keepdims=True)) / std
    return normed, {"normed": normed, "std": std}


def loss(x, C):
    return np.sum(C * forward(x)[0])


def gradients(x, C):
    kept = forward(x)[1]
    normed, std = kept["normed"], kept["std"]
    dmean = np.mean(C, axis=1, keepdims=True)
    dstd = np.mean(C * normed, axis=1, keepdims=True)
    return (C - dmean - dstd * normed) / std
"""
GATES_OF_A_STATE = """\
import numpy as np


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def loss(h, Wz, Wr, Wc, x, C):
    z, r = sigmoid(x + h @ Wz), sigmoid(x + h @ Wr)
    return np.sum(C * ((1 - z) * h + z * np.tanh(x + (r * h) @ Wc)))


def gradients(h, Wz, Wr, Wc, x, C):
    z, r = sigmoid(x + h @ Wz), sigmoid(x + h @ Wr)
    c = np.tanh(x + (r * h) @ Wc)
    dh = C * (1 - z)
    ds = C * z * (1 - c**2)
    drh = np.dot(ds, Wc.T)
    dh += r * drh
    ds = C * (c - h) * z * (1 - z)
    dh += np.dot(ds, Wz.T)
    ds = drh * h * r * (1 - r)
    dh += np.dot(ds, Wr.T)
    return dh
"""


def test_what_is_bound_to_a_name_is_written_by_that_name() -> None:
    module = module_of(LAYER_NORM.replace(" - dstd * normed", ""), "layer_norm")
    x, C = (np.random.default_rng(seed).standard_normal((3, 4)) for seed in range(2))
    (finding,) = check(module.loss, module.gradients, x, C, wrt=0).findings
    assert finding.write == "return (C - dmean - dstd * normed) / std"


def test_a_line_is_missing_before_a_name_is_bound_anew() -> None:
    line = "    dh += np.dot(ds, Wz.T)\n"
    module = module_of(GATES_OF_A_STATE.replace(line, ""), "gated")
    h, x, C, *W = (np.random.default_rng(n).standard_normal((3, 4) if n < 3 else (4, 4)) for n in range(6))
    (finding,) = check(module.loss, module.gradients, h, *W, x, C, wrt=0).findings
    assert finding.write == f"{line.strip()}\nds = drh * h * r * (1 - r)"


def test_a_gradient_that_is_nothing_at_all_is_no_slight_mistake() -> None:
    report = checked(without(LAYER, "    db = dout.sum(axis=0)"), LAYER)
    assert [item.write for item in report.findings] == ["db = dout.sum(axis=0)\nreturn dx, dw, db"]


def test_a_line_like_one_beside_it_is_found_among_the_first() -> None:
    source = without(RECURRENT, "        dWh += hs[t - 1].T @ da")
    report = checked(source, RECURRENT)
    (finding,) = [item for item in report.findings if item.line]
    assert finding.write is not None
    assert "dWh += hs[t - 1].T @ da" in finding.write


def test_a_line_that_binds_several_is_put_back_and_where_the_code_stops_is_said() -> None:
    """Python 3.11 tells another line of a local name that nothing is bound to, once a loop has run for a while."""
    source = without(RECURRENT, "    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)")
    stops = source.split("\n").index("        dWx += x[t].T @ da") + 1
    (finding,) = [item for item in checked(source, RECURRENT).findings if item.line]
    assert finding.write is not None
    assert finding.write.startswith("dWx, dWh, db = ")
    assert f"The code stops on line {stops}: UnboundLocalError" in finding.message


def test_where_a_local_name_is_missing_is_known_in_code_that_is_warm() -> None:
    def warm(given: bool) -> int:
        total = 0
        for n in range(9):
            if given:
                late = n
            half = n // 2
            late += half
            total += late
        return total

    for _ in range(99):
        warm(True)
    with pytest.raises(UnboundLocalError) as caught:
        warm(False)
    frame, line = [*frames_of(caught.value)][-1]
    assert line == frame.f_code.co_firstlineno + 6
