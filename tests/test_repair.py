"""What is found is on its line, and what is to be written there repairs: through the check alone."""

import ast
import importlib.util
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from library import FORTY, LAYERS, RECURRENT, REPAIRED, Script, line_of
from mutant_outcomes import module_of, with_writes
from sampling import THOROUGH, some

from einbackprop import check
from einbackprop.checking.reports import Report
from einbackprop.checking.verdicts import Finding
from einbackprop.diagnosis import repair
from einbackprop.diagnosis.cases import Case, Diagnosis
from einbackprop.diagnosis.double import of_two
from einbackprop.diagnosis.experiments import EndlessError, limited
from einbackprop.diagnosis.likelihood import ASIDE, Repair, new_statements
from einbackprop.diagnosis.repair import Round
from einbackprop.diagnosis.trying import Allowance, is_pure, on_copies
from einbackprop.diagnosis.vocabulary.expression import Edit, Expression
from einbackprop.diagnosis.vocabulary.hand import Hand, hand_of
from einbackprop.diagnosis.vocabulary.operands import names_for
from einbackprop.shell.command import main

CASES = [(name, mistake) for name, script in REPAIRED.items() for mistake in script.mistakes]


def module_at(path: Path) -> ModuleType:
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


def gradients_of(script: Script, text: str, path: Path) -> list[np.ndarray]:
    """The gradients that a text gives, with the script's own values."""
    path.write_text(text, encoding="utf-8")
    with redirect_stdout(io.StringIO()):
        return numbers(eval(script.grads, vars(module_at(path))))


def found_in(report: Report) -> list[Finding]:
    """The findings that have a line."""
    return [finding for finding in report.findings if finding.line is not None]


def repairs(script: Script, text: str, findings: list[Finding], folder: Path) -> bool:
    """Whether the gradients are the script's own, once everything is written as was said."""
    mended = gradients_of(script, with_writes(text, findings), folder / "repaired.py")
    right = gradients_of(script, script.text, folder / "right.py")
    return all(np.allclose(mine, its, rtol=1e-9, atol=1e-12) for mine, its in zip(mended, right, strict=True))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("name", "mistake"), some(CASES))
def test_one_mistake_is_found_on_its_line_and_what_to_write_repairs_it(name: str, mistake: str, tmp_path: Path) -> None:
    script = REPAIRED[name]
    text = script.wrong(mistake)
    report = script.report(text)
    assert not report
    (finding,) = found_in(report)
    assert finding.line == line_of(text, script.mistakes[mistake].after)
    assert finding.write is not None
    assert repairs(script, text, [finding], tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", REPAIRED)
def test_right_code_has_nothing_to_repair(name: str) -> None:
    report = REPAIRED[name].report()
    assert report
    assert report.findings == ()


@pytest.mark.long
def test_the_users_functions_are_as_they_were_and_print_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "net.py"
    path.write_text(LAYERS.wrong("an axis"), encoding="utf-8")
    module = module_at(path)
    functions = [f for f in vars(module).values() if isinstance(f, FunctionType)]
    before = [f.__code__ for f in functions]
    report = check(module.loss, module.backward, module.W, module.b, module.x, module.t, wrt=(0, 1))
    assert not report
    assert [f.write for f in found_in(report)] == ["db[l] = d.sum(axis=1, keepdims=True)"]
    assert all(f.__code__ is code for f, code in zip(functions, before, strict=True))
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_an_edit_with_which_a_loop_would_run_for_ever_is_no_danger(tmp_path: Path) -> None:
    loop = "    t = len(x)\n    while t:\n        t -= 1"
    text = RECURRENT.text.replace("    for t in reversed(range(len(x))):", loop)
    assert RECURRENT.report(text)
    wrong = RECURRENT.mistakes["the entry before"].of(text)
    (finding,) = found_in(RECURRENT.report(wrong))
    assert finding.line == line_of(wrong, RECURRENT.mistakes["the entry before"].after)


# Forty steps


@pytest.mark.long
def test_a_backward_of_forty_steps_is_right() -> None:
    report = FORTY.report()
    assert report, str(report)
    assert report.findings == ()


SAMPLED = list(FORTY.mistakes) if THOROUGH else list(FORTY.mistakes)[::7]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("mistake", SAMPLED)
def test_of_forty_steps_one_mistake_is_found_on_its_line(mistake: str, tmp_path: Path) -> None:
    text = FORTY.wrong(mistake)
    (finding,) = found_in(FORTY.report(text))
    assert finding.line == line_of(text, FORTY.mistakes[mistake].after)
    assert finding.write is not None
    assert repairs(FORTY, text, [finding], tmp_path)


# Several mistakes


FIVE = """\
import numpy as np


def loss(W1, W2, W3, b1, b2, X, Y):
    h1 = np.tanh(X @ W1 + b1)
    h2 = np.maximum(h1 @ W2 + b2, 0)
    return ((h2 @ W3 - Y) ** 2).sum() / len(X)


def gradients(W1, W2, W3, b1, b2, X, Y):
    h1 = np.tanh(X @ W1 + b1)
    z2 = h1 @ W2 + b2
    h2 = np.maximum(z2, 0)
    dout = 2 * (h2 @ W3 - Y) / len(X)
    dW3 = h2.T @ dout
    dz2 = (dout @ W3.T) * (z2 > 0)
    dW2 = h1.T @ dz2
    db2 = dz2.sum(axis=0)
    dz1 = (dz2 @ W2.T) * (1 - h1 ** 2)
    dW1 = X.T @ dz1
    db1 = dz1.sum(axis=0)
    return dW1, dW2, dW3, db1, db2
"""
EDITS = {
    "a sign": ("dW3 = h2.T @ dout", "dW3 = -h2.T @ dout"),
    "a factor": ("dout = 2 * (h2", "dout = (h2"),
    "a mask": ("* (z2 > 0)", "* (h1 > 0).any()"),
    "a name": ("dW2 = h1.T @ dz2", "dW2 = h1.T @ (dz2 + dz2)"),
    "a mean": ("db2 = dz2.sum(axis=0)", "db2 = dz2.mean(axis=0)"),
    "a derivative": ("* (1 - h1 ** 2)", "* (1 - h1)"),
    "a bias": ("db1 = dz1.sum(axis=0)", "db1 = 3 * dz1.sum(axis=0)"),
}
PAIRS = some([(one, two) for n, one in enumerate(EDITS) for two in list(EDITS)[n + 1 :]], 6)


def five(*edits: str) -> str:
    """The source of the network with some edits."""
    text = FIVE
    for edit in edits:
        assert text.count(EDITS[edit][0]) == 1
        text = text.replace(*EDITS[edit])
    return text


def checked(source: str) -> Report:
    module: Any = module_of(source, "five")
    rng = np.random.default_rng(3)
    shapes = (3, 6), (6, 4), (4, 2), (6,), (4,), (5, 3), (5, 2)
    return check(module.loss, module.gradients, *(rng.normal(size=s) for s in shapes), wrt=(0, 1, 2, 3, 4))


@pytest.mark.long
def test_of_two_mistakes_both_are_named_and_together_repaired() -> None:
    missed = {}
    for pair in PAIRS:
        source = five(*pair)
        report = checked(source)
        assert not report
        lines = {line_of(source, EDITS[edit][1]) for edit in pair}
        found = found_in(report)
        if not (lines <= {f.line for f in found} and checked(with_writes(source, found))):
            missed[pair] = [(f.line, f.message, f.write) for f in found]
    assert len(missed) <= 0.15 * len(PAIRS), missed


CHAIN = """\
import numpy as np


def loss(W, b, X, Y):
    S = X @ W + b
    E = np.exp(S - S.max(axis=1, keepdims=True))
    p = E / E.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(X)), Y]).mean() + 0.1 * np.sum(W**2)


def gradients(W, b, X, Y):
    n = len(X)
    d = np.exp(X @ W + b)
    d /= d.sum(axis=1, keepdims=True)
    d[np.arange(n), Y] -= 1
    d /= n
    dW = X.T @ d
    dW += 0.2 * W
    db = d.sum(axis=0)
    return dW, db
"""


def checked_chain(source: str) -> Report:
    """The check of a network like this one."""
    module, rng = module_of(source, "chain"), np.random.default_rng(2)
    arguments = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(5, 3)), np.array([0, 3, 1, 1, 2])
    return check(module.loss, module.gradients, *arguments, wrt=(0, 1))


ON_ONE_WAY = [
    (("d[np.arange(n), Y] -= 1", "d[np.arange(n), Y] += 1"), ("d /= n", "d /= 1")),
    (("d[np.arange(n), Y] -= 1", "d[np.arange(n), Y] -= 2.0"), ("d /= n", "d *= n")),
    (("db = d.sum(axis=0)", "db = d.sum(axis=1)"), ("return dW, db", "return dW, dW")),
    (("db = d.sum(axis=0)", "db = d.mean(axis=0)"), ("dW += 0.2 * W", "dW = 0.2 * W")),
]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("edits", ON_ONE_WAY, ids=lambda edits: edits[1][1])
def test_two_mistakes_on_one_way_are_named_and_together_repaired(edits: tuple[tuple[str, str], ...]) -> None:
    text = CHAIN
    for before, after in edits:
        text = text.replace(before, after)

    found = found_in(checked_chain(text))
    assert {f.line for f in found} == {line_of(text, after) for _, after in edits}
    assert checked_chain(with_writes(text, found))


@pytest.mark.slow
def test_a_search_ends_after_so_much_work_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**9, 1000))
    monkeypatch.setattr("time.process_time", lambda: next(clock))  # of a machine that is slow
    found = found_in(checked_chain(CHAIN.replace(*ON_ONE_WAY[0][0]).replace(*ON_ONE_WAY[0][1])))
    assert len(found) == 2
    assert all(f.write for f in found)
    for limit in ("LONG", "LONGEST"):
        monkeypatch.setattr(f"einbackprop.diagnosis.judge.{limit}", 0)
    found = found_in(checked_chain(CHAIN.replace(*ON_ONE_WAY[0][0]).replace(*ON_ONE_WAY[0][1])))
    assert not any(f.write for f in found)


HEAD = """
import numpy as np


def forward(x, y, z, Q, K, V):
    q, k, v = x @ Q, y @ K, z @ V
    s = np.tanh(q @ k.T)
    return (x, y, z, q, k, v, s), s @ v


def loss(x, y, z, Q, K, V, R):
    return np.sum(R * forward(x, y, z, Q, K, V)[1])


def backward(d, cache):
    x, y, z, q, k, v, s = cache
    ds = (d @ v.T) * (1 - s * s)
    dq = ds @ k
    dk = ds.T @ q
    dv = s.T @ d
    dQ = x.T @ dq
    dK = y.T @ dk
    dV = z.T @ dv
    return dk, dv, dQ, dK, dV


def gradients(x, y, z, Q, K, V, R):
    cache, out = forward(x, y, z, Q, K, V)
    dk, dv, dQ, dK, dV = backward(R, cache)
    return dk @ K.T, dv @ V.T, dQ, dK, dV
"""


def test_each_of_five_mistakes_is_looked_for_however_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("LONG", "LONGEST"):
        monkeypatch.setattr(f"einbackprop.diagnosis.judge.{limit}", 0)
    edits = [("ds.T @ q", "ds @ q"), ("s.T @ d", "s @ d")]
    edits += [(f"@ {d}\n", f"@ {d} / len(x)\n") for d in ("dq", "dk", "dv")]
    source = HEAD
    for right, wrong in edits:
        source = source.replace(right, wrong)
    rng = np.random.default_rng(0)
    module = module_of(source, "head")
    arguments = *rng.normal(size=(3, 4, 6)), *rng.normal(size=(3, 6, 3)), rng.normal(size=(4, 3))
    found = found_in(check(module.loss, module.gradients, *arguments, wrt=(1, 2, 3, 4, 5)))
    assert {f.line: f.write for f in found} == {n: HEAD.splitlines()[n - 1].strip() for n in range(19, 24)}


def test_the_second_of_two_is_looked_for_however_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(search: Round) -> Repair | None:
        found = of_two(search)
        for limit in ("LONG", "LONGEST"):
            monkeypatch.setattr(f"einbackprop.diagnosis.judge.{limit}", 0)
        return found

    monkeypatch.setattr("einbackprop.diagnosis.search.of_two", late)
    found = found_in(checked_chain(CHAIN.replace(*ON_ONE_WAY[0][0]).replace(*ON_ONE_WAY[0][1])))
    assert len(found) == 2
    assert all(f.write for f in found)


def test_a_search_that_read_the_loss_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    def nothing(case: Case, seed: int) -> Diagnosis:
        searched.append(case)
        return Diagnosis((Finding("this is wrong", "chain.py", 16),))

    monkeypatch.setattr("einbackprop.checking.solving.STATEMENTS", 0)
    monkeypatch.setattr("einbackprop.checking.solving.diagnosis_of", nothing)
    monkeypatch.setattr("einbackprop.checking.mistakes.diagnosis_of", nothing)
    report = checked_chain(CHAIN.replace("d /= n", "d *= n"))
    assert [f.message for f in report.findings if f.line] == ["this is wrong"]
    assert len(searched) == 1


TWO = [("a helper", "an axis"), ("an operand", "a size")]


@pytest.mark.long
@pytest.mark.parametrize(("first", "second"), TWO if THOROUGH else TWO[:1])
def test_a_line_to_write_is_given_only_where_all_of_them_repair(first: str, second: str, tmp_path: Path) -> None:
    text = LAYERS.mistakes[second].of(LAYERS.wrong(first))
    found = found_in(LAYERS.report(text))
    assert found
    if any(f.write for f in found):
        assert repairs(LAYERS, text, found, tmp_path)


# Shapes that stop the code

CRASHES = {
    "no transpose": ("dW3 = h2.T @ dout", "dW3 = h2 @ dout"),
    "an order": ("dW2 = h1.T @ dz2", "dW2 = dz2 @ h1.T"),
    "no transpose of a weight": ("(dz2 @ W2.T)", "(dz2 @ W2)"),
    "another name": ("* (1 - h1 ** 2)", "* (1 - h2 ** 2)"),
    "an axis of no array": ("db2 = dz2.sum(axis=0)", "db2 = dz2.sum(axis=2)"),
    "far from where it stops": ("(dout @ W3.T) * (z2 > 0)", "((dout @ W3.T) * (z2 > 0)).T"),
    "a name that is none": ("dW1 = X.T @ dz1", "dW1 = X.T @ dz_1"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", CRASHES)
def test_gradients_that_stop_have_a_finding_that_repairs(name: str) -> None:
    before, after = CRASHES[name]
    source = FIVE.replace(before, after)
    report = checked(source)
    assert report.exit_code == 1
    assert {item.verdict for item in report.gradients} == {"wrong"}
    (finding,) = found_in(report)
    assert finding.line == line_of(source, after)
    assert "The code stops" in finding.message
    assert checked(with_writes(source, [finding]))


STEPS = """\
import numpy as np


def step(h, W):
    return np.tanh(h @ W)


def loss(h, W):
    H = h.shape[1]
    for _ in range(3):
        a = step(h, W)
        h = a[:, :H] * a[:, H:]
    return h.sum()


def gradients(h, W):
    H = h.shape[1]
    hs, kept = [h], []
    for _ in range(3):
        a = step(hs[-1], W)
        kept.append(a)
        hs.append(a[:, :H] * a[:, H:])
    dW = np.zeros((H, 2 * H))
    total = np.zeros(2 * H)
    d = np.ones_like(h)
    for n in (2, 1, 0):
        a = kept[n]
# many statements before it is added to
        da = np.hstack([d * a[:, H:], d * a[:, :H]]) * (1 - a ** 2)
        dW += hs[n].T @ da
        total += da.sum(axis=0)
        d = da @ W.T
    return d, dW
""".replace("# many statements before it is added to\n", 14 * "        a = 1.0 * a\n")


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["dW = np.zeros((H, H))", "dW = np.zeros((H, 2))"])
def test_a_size_in_a_shape_that_is_computed_elsewhere_is_put_back(wrong: str) -> None:
    """Where it starts is looked at first, however many statements run before it is added to."""
    module = module_of(STEPS.replace("dW = np.zeros((H, 2 * H))", wrong), "steps")
    rng = np.random.default_rng(0)
    report = check(module.loss, module.gradients, rng.normal(size=(4, 3)), rng.normal(size=(3, 6)), wrt=(0, 1))
    (finding,) = found_in(report)
    assert finding.write == "dW = np.zeros((H, 2 * H))"


CONVOLVED = """\
import numpy as np


def loss(x, w):
    p, n = 1, x.shape[1] // 2
    xp = np.pad(x, ((0, 0), (p, p), (p, p)))
    total = 0
    for i in range(n):
        for j in range(n):
            total += np.sin(np.sum(xp[:, i * 2:i * 2 + 3, j * 2:j * 2 + 3] * w))
    return total


def gradients(x, w):
    p, n = 1, x.shape[1] // 2
    xp = np.pad(x, ((0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(n):
        for j in range(n):
            window = xp[:, i * 2:i * 2 + 3, j * 2:j * 2 + 3]
            slope = np.cos(np.sum(window * w))
            dw += slope * window
            dxp[:, i * 2:i * 2 + 3, j * 2:j * 2 + 3] += slope * w[:]
    return dxp[:, p:-p, p:-p], dw
"""


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong"), [
    ("return dxp[:, p:-p, p:-p], dw", "return dxp[:, :-2 * p, :-2 * p], dw"),
    ("    xp = np.pad(x, ((0, 0), (p, p), (p, p)))\n    dxp", "    xp = np.pad(x, ((0, 0), (0, 2), (0, 2)))\n    dxp"),
    ("dxp[:, i * 2:i * 2 + 3, j * 2:j * 2 + 3] += slope * w[:]", "dxp[:, i:i + 3, j:j + 3] += slope * w[:]"),
    ("+= slope * w[:]", "+= slope * w[:, ::-1, ::-1]"),
], ids=["crop", "padding", "stride", "flip"])  # fmt: skip
def test_what_a_convolution_reads_is_put_back_as_its_forward_has_it(right: str, wrong: str) -> None:
    module = module_of(CONVOLVED.replace(right, wrong), "convolved")
    rng = np.random.default_rng(0)
    report = check(module.loss, module.gradients, rng.normal(size=(2, 6, 6)), rng.normal(size=(2, 3, 3)), wrt=(0, 1))
    (finding,) = found_in(report)
    before, after = CONVOLVED.replace(right, wrong).splitlines(), CONVOLVED.splitlines()
    (line,) = [n for n, both in enumerate(zip(before, after, strict=True), 1) if both[0] != both[1]]
    assert finding.line == line
    written, was = (ast.unparse(ast.parse(code)) for code in (finding.write, after[line - 1].strip()))
    assert written.replace("[:, :, :]", "[:]") == was


FACTORED = """\
import numpy as np


def forward(x, V):
    return 0.5 * np.sum(np.dot(x, V) ** 2 - np.dot(x ** 2, V ** 2))


def slope(x, V):
    return np.outer(x, np.dot(x, V)) - V * x[:, None] ** 2


def loss(x, V):
    return 0.5 * (forward(x, V) - 1.5) ** 2


def gradient(x, V):
    return (forward(x, V) - 1.5) * slope(x, V)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "write"), [
    ("np.outer(x, np.dot(x, V))", "np.outer(x, np.dot(x, V)) - V * x[:, None] ** 2"),
    ("np.outer(x, np.sum(V, axis=0)) - V * x[:, None] ** 2", "np.outer(x, x @ V) - V * x[:, None] ** 2"),
], ids=["term", "weight"])  # fmt: skip
def test_a_slope_that_its_caller_multiplies_is_repaired_where_it_is_made(wrong: str, write: str) -> None:
    module = module_of(FACTORED.replace("np.outer(x, np.dot(x, V)) - V * x[:, None] ** 2", wrong), "factored")
    rng = np.random.default_rng(0)
    (finding,) = found_in(check(module.loss, module.gradient, rng.normal(size=5), rng.normal(size=(5, 3)), wrt=1))
    assert (finding.line, finding.write) == (9, f"return {write}")


LAYERED = """\
import numpy as np


def loss(x, W1, W2, W3):
    h1 = np.tanh(x @ W1)
    h2 = np.tanh(h1 @ W2)
    h3 = np.tanh(h2 @ W3)
    return np.sum(h3 ** 2)


def gradient(x, W1, W2, W3):
    z1 = x @ W1
    h1 = np.tanh(z1)
    z2 = h1 @ W2
    h2 = np.tanh(z2)
    z3 = h2 @ W3
    h3 = np.tanh(z3)
    d3 = 2 * h3 * (1 - h3 ** 2)
    d2 = d3 @ W3.T * (1 - h2 ** 2)
    d1 = d2 @ W2.T * (1 - h1 ** 2)
    return d1 @ W1.T
"""


@pytest.mark.slow
def test_one_mistake_in_two_layers_is_found_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two different ones are not looked for."""
    monkeypatch.setattr("einbackprop.diagnosis.search.of_two", lambda _: None)
    wrong = LAYERED.replace("(1 - h2 ** 2)", "(1 - z2 ** 2)").replace("(1 - h1 ** 2)", "(1 - z1 ** 2)")
    module, rng = module_of(wrong, "layered"), np.random.default_rng(0)
    arrays = [rng.normal(size=size) for size in ((4, 3), (3, 5), (5, 2), (2, 3))]
    found = found_in(check(module.loss, module.gradient, *arrays))
    assert [(each.line, each.write) for each in found] == [
        (19, "d2 = d3 @ W3.T * (1 - h2 ** 2)"), (20, "d1 = d2 @ W2.T * (1 - h1 ** 2)"),
    ]  # fmt: skip


TWO_WAYS = """\
import numpy as np


def loss(W, x):
    return np.sum(np.tanh(x @ W) ** 2)


def gradient(W, x):
    h = np.tanh(x @ W)
    dh = np.cos(h + 0.3)
    dz = dh * (1 - h ** 2)
    return x.T @ dz


def gradient_in_another_way(W, x):
    h = np.tanh(x @ W)
    dz = 2 * h * (1 - h ** 2)
    return x.T @ dz
"""


def test_another_backward_of_the_file_is_no_repair_of_a_line_that_is_right() -> None:
    rng = np.random.default_rng(0)
    module = module_of(TWO_WAYS, "two_ways")
    (finding,) = found_in(check(module.loss, module.gradient, rng.normal(size=(3, 2)), rng.normal(size=(4, 3))))
    assert finding.line == 10


UNREAD = """\
import numpy as np


def loss(W, x):
    return sum(np.sum(W[i] * x[i + j]) for i in range(len(W)) for j in range(3)) ** 2


def gradients(W, x):
    dW = 0 * W
    total = sum(np.sum(W[i] * x[i + j]) for i in range(len(W)) for j in range(3))
    for i in range(len(W)):
        for j in range(3):
            seen = x[i + j]
            dW[i] += 2 * total * j
    return dW
"""


@pytest.mark.slow
def test_a_name_that_nothing_reads_stands_where_another_does() -> None:
    """Whatever the two are: an array for a number."""
    module = module_of(UNREAD, "unread")
    rng = np.random.default_rng(0)
    (finding,) = found_in(check(module.loss, module.gradients, rng.normal(size=(4, 2)), rng.normal(size=(6, 2)), wrt=0))
    assert finding.message == "seen must stand here, not j."
    hand = Hand({"seen": (3,), "other": (3,)}, ("j",), unused=frozenset({"seen"}))
    expression = Expression(ast.parse("2 * j", mode="eval").body, hand)
    (place,) = (one for one in expression.operands if one.text == "j")
    costs = dict(names_for(expression, place))
    assert costs["seen"] < 1.3 < costs["other"]


def test_functions_in_edits_run_so_many_lines_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("einbackprop.diagnosis.trying.LINES_IN_ALL", 10_000)
    module = module_of("def long(n):\n    for i in range(n):\n        n += 0\n    return n\n", "long")
    called = on_copies(module.long, Allowance())
    assert [called(1000) for _ in range(4)] == [1000] * 4
    with pytest.raises(EndlessError):
        called(1000)


def test_functions_in_edits_change_nothing_of_the_code() -> None:
    """A sampler that an edit has drawn from would give the next edit other samples."""
    module = module_of("def draw(rng, seen, x):\n    seen.append(1)\n    x += 1\n    return rng.normal()\n", "drawing")
    rng, seen, x = np.random.default_rng(0), list[int](), np.zeros(2)
    called = on_copies(module.draw, Allowance())
    assert called(rng, seen, x) == called(rng, seen=seen, x=x) == np.random.default_rng(0).normal()
    assert (seen, x.tolist(), rng.normal()) == ([], [0, 0], np.random.default_rng(0).normal())
    with open(__file__) as file:  # which has no copy
        assert on_copies(module_of("def same(f):\n    return f\n", "same").same, Allowance())(file) is file


# The helper of these tests


def test_writes_are_put_in_the_place_of_whole_statements() -> None:
    source = "def f(x):\n    y = (x +\n         1)\n    for k in x:\n        y += k\n    return y\n"
    writes = [Finding("", "", 2, write="y = x\nz = y"), Finding("", "", 4, write="for k in y:")]
    assert with_writes(source, writes) == (
        "def f(x):\n    y = x\n    z = y\n    for k in y:\n        y += k\n    return y\n")
    assert with_writes(source, [Finding("", "", 2)]) == source


OUTER = """\
import numpy as np


def loss(W, x, t):
    return 0.5 * np.sum((W @ x - t) ** 2)


def gradients(W, x, t):
    d = W @ x - t
    dW = d @ x
    return dW
"""


def test_what_does_not_set_a_gradient_right_is_not_said_to() -> None:
    module: Any = module_of(OUTER, "outer")
    rng = np.random.default_rng(2)
    report = check(module.loss, module.gradients, rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4))
    assert not report
    assert "would be right" not in str(report)
    assert len(found_in(report)) == 1


DOT = """\
import numpy as np


def loss(a, b):
    return 0.5 * np.dot(a, b) ** 2


def gradients(a, b):
    s = np.outer(a, b)
    return s * b
"""


def test_a_value_that_has_the_shape_of_a_wrong_gradient_by_chance_may_get_another() -> None:
    module: Any = module_of(DOT, "dot")
    (finding,) = found_in(check(module.loss, module.gradients, np.array([0.3, 1.1, -0.4]), np.array([0.7, 0.2, 0.9])))
    assert (finding.line, finding.write) == (9, "s = np.dot(a, b)")


def test_functions_that_an_edit_calls_are_stopped_and_long_ones_are_not() -> None:
    text = "def goes_on(x):\n    while x < 6:\n        x = x * 1.0\n    return x\n\n"
    text += "def long(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n"
    module, allowance = module_of(text, "recurring"), Allowance()
    for _ in range(6):
        with pytest.raises(EndlessError):
            on_copies(module.goes_on, allowance)(-1.0)
    assert on_copies(module.long, allowance)(9_000) == sum(range(9_000))


def test_code_that_does_not_end_is_stopped() -> None:
    def runs(n: int) -> int:
        while n > 0:
            n += 1
        return n

    with limited(10_000) as ran, pytest.raises(EndlessError):
        runs(1)
    assert 9_000 < ran() < 20_000


def test_code_that_catches_every_error_is_stopped_too_and_limits_hold_inside_one_another() -> None:
    rounds = 0

    def catches() -> None:
        nonlocal rounds
        for _ in range(30_000):
            with suppress(Exception):
                rounds += 1

    with limited(50_000) as outer, limited(1_000) as inner, pytest.raises(EndlessError):
        catches()
    assert rounds < 1_000
    assert 1_000 <= inner() <= outer() < 2_000
    with pytest.raises(EndlessError), limited(500), limited(np.inf) as inner:
        catches()
    assert 400 < inner() <= 500


class Methods:
    """Methods that change nothing but what they make themselves, and others."""

    def __init__(self) -> None:
        self.scale, self.log = np.ones(3), [1.0]

    def slope(self, z: np.ndarray) -> np.ndarray:
        return self.scale * (1 - np.tanh(z) ** 2)

    def through(self, z: np.ndarray) -> np.ndarray:
        return self.slope(z).sum(axis=0)

    def counts(self, z: np.ndarray) -> np.ndarray:
        self.scale = z
        return z

    def writes(self, z: np.ndarray) -> np.ndarray:
        self.scale[0] = 0.0
        return z

    def in_place(self, z: np.ndarray) -> np.ndarray:
        scale = self.scale
        scale *= 2
        return scale

    def appends(self, z: np.ndarray) -> np.ndarray:
        self.log.append(z)
        return z

    def through_another(self, z: np.ndarray) -> np.ndarray:
        return self.counts(z) + 1

    def draws(self, z: np.ndarray) -> np.ndarray:
        return z + np.random.rand(3)

    def tells(self, z: np.ndarray) -> np.ndarray:
        print(z)
        return z


@pytest.mark.parametrize(("name", "expected"), [
    ("slope", True), ("through", True), ("counts", False), ("writes", False), ("in_place", False), ("appends", False),
    ("through_another", False), ("draws", False), ("tells", False),
])  # fmt: skip
def test_a_method_is_evaluated_in_place_only_if_it_changes_nothing(name: str, expected: bool) -> None:
    assert is_pure(getattr(Methods, name), Methods()) is expected


GUARDED = """\
import numpy as np


def loss(W, X, Y):
    p = 1 / (1 + np.exp(-X @ W))
    return -np.sum(Y * np.log(p + 1e-12) + (1 - Y) * np.log(1 - p + 1e-12)) + 1e-5 * np.sum(W**2)


def gradients(W, X, Y):
    p = 1 / (1 + np.exp(-X @ W))
    d = p - Y
    dW = X.T @ d + 1e-5 * W
    return dW
"""


def test_a_mistake_that_changes_less_than_a_guard_may_is_found() -> None:
    module = module_of(GUARDED, "guarded_and_small")
    rng = np.random.default_rng(0)
    report = check(module.loss, module.gradients, rng.normal(size=3), rng.normal(size=(5, 3)), np.eye(5)[0])
    (finding,) = found_in(report)
    assert finding.line == line_of(GUARDED, "dW = X.T")
    assert finding.write == "dW = X.T @ d + 2e-05 * W"


NUMBERS = """\
import numpy as np


def loss(x, W, Y, mu, s, beta):
    n = len(x)
    curvature = -2 * np.tanh(x) * (1 - np.tanh(x) ** 2)
    return np.sum((curvature @ W - Y) ** 2) / n + beta * np.sum(mu ** 2 + np.exp(s) - s) / (2 * n)


def gradients(x, W, Y, mu, s, beta):
    n = len(x)
    t = np.tanh(x)
    d = 2 * (-2 * t * (1 - t ** 2) @ W - Y) @ W.T / n
    dx = d * (1 - t ** 2) * (6 * t ** 2 - 2)
    ds = 0.5 * beta * (np.exp(s) - 1) / n
    return dx, ds
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "write"),
    [
        ("(6 * t ** 2 - 2)", "(4 * t ** 2 - 2)", "dx = d * (1 - t ** 2) * (6 * t ** 2 - 2)"),
        ("0.5 * beta * (np.exp(s) - 1) / n", "np.zeros_like(s)",
         "ds = np.zeros_like(s) + 0.5 * beta * (np.exp(s) - 1) / n"),
    ],
    ids=["a number that no list has", "a penalty times numbers at hand"],
)  # fmt: skip
def test_numbers_are_solved_for(right: str, wrong: str, write: str) -> None:
    assert right in NUMBERS
    module = module_of(NUMBERS.replace(right, wrong), "numbers")
    arguments = [np.random.default_rng(0).standard_normal(shape) for shape in ((5, 4), (4, 3), (5, 3), (5, 4), (5, 4))]
    report = check(module.loss, module.gradients, *arguments, 0.3, wrt=(0, 4))
    (found,) = [item for item in report.findings if item.line]
    assert found.write == write


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "write"),
    [
        ("(x > 0).astype(int) * d", "d * (1 - np.tanh(x) ** 2)"),
        ("1 / np.cosh(d) ** 2", "d * (1 - np.tanh(x) ** 2)"),
    ],
)
def test_a_line_that_makes_something_else_is_made_anew_of_what_is_at_hand(wrong: str, write: str) -> None:
    source = f"""\
import numpy as np


def loss(x, W, Y):
    return np.sum((np.tanh(x) @ W - Y) ** 2)


def gradients(x, W, Y):
    d = 2 * (np.tanh(x) @ W - Y) @ W.T
    dx = {wrong}
    return dx
"""
    module = module_of(source, "anew")
    arguments = [np.random.default_rng(0).standard_normal(shape) for shape in ((5, 4), (4, 3), (5, 3))]
    (found,) = [item for item in check(module.loss, module.gradients, *arguments).findings if item.line]
    assert (found.line, found.write, found.message) == (10, f"dx = {write}", f"{write} is needed here.")




SUMMED = """\
import numpy as np


def loss(x, W, b):
    total = 0.0
    for t in range(len(x)):
        total += np.sum(np.tanh(x[t] @ W + b) ** 2)
    return total


def step(x, W, b):
    h = np.tanh(x @ W + b)
    da = 2 * h * (1 - h**2)
    return np.outer(x, da), da


def gradients(x, W, b):
    dW, db, parts = np.zeros(W.shape), np.zeros(b.shape), np.zeros((len(x), *W.shape))
    for t in range(len(x)):
        dWt, dbt = step(x[t], W, b)
        dW += dWt
        parts[t] += dbt * x[t][:, None]
        db += dbt
    return dW, db
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("was", "now", "write"),
    [
        ("        dW += dWt\n", "        dW += db\n", "dW += dWt"),
        ("        dW += dWt\n        parts[t] += dbt * x[t][:, None]\n        db += dbt\n    return dW, db\n",
         "        parts[t] += dbt\n        db += dbt\n    return parts.sum(axis=0), db\n",
         "parts[t] += dWt"),
    ],
)  # fmt: skip
def test_what_is_broadcast_where_it_is_written_to_may_be_larger(was: str, now: str, write: str) -> None:
    assert was in SUMMED
    module = module_of(SUMMED.replace(was, now), "summed")
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(5, 7)), rng.normal(size=(7, 12)), rng.normal(size=12)
    assert [item.write for item in found_in(check(module.loss, module.gradients, x, W, b, wrt=(1, 2)))] == [write]


@pytest.mark.slow
def test_a_line_that_makes_another_shape_is_named_though_nothing_repairs_it() -> None:
    source = """\
import numpy as np


def loss(x, R):
    c = x - x.mean(axis=0)
    return np.sum(np.sin(c * c) * R)


def gradients(x, R):
    c = x - x.mean(axis=0)
    dc = 2 * c * np.cos(c * c) * R
    out = np.exp(c[0]) / len(x) + np.cos(dc.mean())
    return out
"""
    module = module_of(source, "shaped")
    rng = np.random.default_rng(0)
    (found,) = found_in(check(module.loss, module.gradients, rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), wrt=0))
    assert (found.line, found.write) == (line_of(source, "    out = "), None)
    assert found.message == "out has shape (4,), and the gradient that is made of it must have (5, 4)."


THREE_GATES = """
import numpy as np


def forward(a, c, W, V):
    n, m = a.shape
    p, q, r = np.tanh(W[0] @ a), np.tanh(W[1] @ a), np.tanh(W[2] @ a)
    s = q * c + p * r
    return s, np.tanh(s) * r, (p, q, r)


def loss(a, c, W, V, A):
    s, h, parts = forward(a, c, W, V)
    return np.sum(A * h) + np.sum(V * (np.stack(parts).reshape(-1, a.shape[1]) ** 2)) + np.sum(A * s * s)


def gradients(a, c, W, V, A):
    n, m = a.shape
    s, h, (p, q, r) = forward(a, c, W, V)
    ds = 2 * A * s + r * (1 - np.square(np.tanh(s))) * A
    dV = 2 * V * np.stack((p, q, r)).reshape(3 * n, m)
    dP = dV.reshape(3, n, m)
    dp = (ds * r + dP[0]) * (1 - p ** 2)
    dq = (ds * c + dP[1]) * (1 - q ** 2)
    dr = (ds * p + np.tanh(s) * A + dP[2]) * (1 - r ** 2)
    dc = (2 * s + r * (1 - np.square(np.tanh(s)))) * q * A
    da = np.dot(W[0].T, dp) + np.dot(W[1].T, dq) + np.dot(W[2].T, dr)
    return da, dc
"""


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong", "write"), [
    ("np.dot(W[0].T, dp) + np.dot(W[1].T, dq) + np.dot(W[2].T, dr)", "np.dot(W[0].T, dp) + np.dot(W[2].T, dr)",
     "da = np.dot(W[0].T, dp) + np.dot(W[2].T, dr) + np.dot(W[1].T, dq)"),
    ("dV.reshape(3, n, m)", "dV.reshape(n, 3, m).transpose(1, 0, 2)", "dP = dV.reshape(3, n, m)"),
    ("2 * A * s + r * (1 - np.square(np.tanh(s))) * A", "(2 * s + r) * (1 - np.square(np.tanh(s))) * A",
     "ds = (2 * s + r * (1 - np.square(np.tanh(s)))) * A"),
])  # fmt: skip
def test_terms_like_others_axes_and_factors_of_one_term_are_put_back(right: str, wrong: str, write: str) -> None:
    module = module_of(THREE_GATES.replace(right, wrong), "gates")
    rng = np.random.default_rng(0)
    a, c, A = rng.normal(size=(3, 5, 6))
    W, V = rng.normal(size=(3, 5, 5)), rng.normal(size=(15, 6))
    (finding,) = found_in(check(module.loss, module.gradients, a, c, W, V, A, wrt=(0, 1)))
    assert (finding.line, finding.write) == (line_of(THREE_GATES, right), write)


NORMALIZED = """
import numpy as np


def norm(x):
    mean = x.mean(axis=1, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=1, keepdims=True)
    unit = (x - mean) / np.sqrt(var + 1e-5)
    return unit, {"x": x, "unit": unit, "var": var}


def norm_backward(dout, cache):
    x = cache["x"]
    unit = cache["unit"]
    part = (dout * unit).mean(axis=1, keepdims=True)
    return (dout - dout.mean(axis=1, keepdims=True) - unit * part) / np.sqrt(cache["var"] + 1e-5)


def step(x, W, b, R):
    h = np.tanh(x @ W + b)
    y, cache = norm(x + h)
    g = np.sin(y + b)
    out, last = norm(g)
    dy = norm_backward(R, last) * np.cos(y + b)
    ds = norm_backward(dy, cache)
    dz = ds * (1 - h ** 2)
    db = dz
    dW = x.T @ dz
    return np.sum(out * R), dW, db.sum(axis=0) + dy.sum(axis=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong"), [
    ("(dout * unit).mean", "(dout * x).mean"),  # not `x = cache["unit"]`, of which the name would be untrue
    ("np.cos(y + b)", "np.cos(g)"),  # what went into a function, and has no name
    ("x.T @ dz", "x.T @ ds"),  # `db` is the same array, but a copy of this one
])  # fmt: skip
def test_what_is_written_is_called_what_it_is(right: str, wrong: str) -> None:
    module = module_of(NORMALIZED.replace(right, wrong), "normalized")
    rng = np.random.default_rng(0)
    x, W, b, R = (rng.normal(size=shape) for shape in ((5, 4), (4, 4), 4, (5, 4)))
    (finding,) = found_in(check(module.step, x, W, b, R, wrt=(1, 2)))
    line = line_of(NORMALIZED, right)
    assert (finding.line, finding.write) == (line, NORMALIZED.splitlines()[line - 1].strip())


CLIPPED = '''
import numpy as np


def penalised(d, W, lam, n):
    return d + lam / n * W


def loss(W, V, X, Y, lam):
    a = X @ W
    h = np.maximum(a, 0)
    return (0.5 * np.sum((h @ V - Y) ** 2) + 0.5 * lam * np.sum(W ** 2)) / len(X)


def gradients(W, V, X, Y, lam):
    n = len(X)
    a = X @ W
    h = np.maximum(a, 0)
    out = h @ V - Y
    dV = h.T @ out / n
    dh = out @ V.T
    d = dh.copy()
    d[a <= 0] = 0
    dW = X.T @ d / n
    dW = penalised(dW, W, lam, n)
    np.clip(dV, -1, 1, out=dV)
    np.clip(dW, -1, 1, out=dW)
    return dW, dV
'''


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong", "write"), [
    ("d[a <= 0] = 0", "d[h < 0] = 0", "d[h <= 0] = 0"),  # nothing is written there: no value of it is wrong
    ("lam / n * W", "lam * W", "return d + lam * W / n"),  # not `penalised(dW, W, lam / n, n)` where it is called
    ("h.T @ out", "h @ out", "dV = h.T @ out / n"),  # clipped at drawn values, which the code never reaches
])  # fmt: skip
def test_the_line_is_the_one_that_is_wrong(right: str, wrong: str, write: str) -> None:
    rng = np.random.default_rng(0)
    W, V, X, Y = (rng.normal(size=shape) for shape in ((4, 6), (6, 3), (5, 4), (5, 3)))
    module = module_of(CLIPPED.replace(right, wrong), "clipped")
    report = check(module.loss, module.gradients, W, V, X, Y, 0.3, wrt=(0, 1))
    (finding,) = found_in(report)
    assert (finding.line, finding.write) == (line_of(CLIPPED, right), write)


def test_memory_that_nothing_was_written_to_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    other = np.random.default_rng(1)
    monkeypatch.setattr(np, "empty_like", lambda array: other.normal(size=array.shape))  # not zeros, as it may be
    text = "import numpy as np\n\ndef loss(W, x): return 0.5 * np.sum((x @ W) ** 2)\n\n"
    text += "def gradient(W, x):\n    dW = np.empty_like(W)\n    dW += x.T @ (x @ W)\n    return dW\n"
    module = module_of(text, "unwritten")
    rng = np.random.default_rng(0)
    (finding,) = found_in(check(module.loss, module.gradient, rng.normal(size=(3, 2)), rng.normal(size=(5, 3))))
    assert (finding.line, finding.write) == (6, "dW = np.zeros_like(W)")
    assert "zeros_like is needed, not empty_like" in finding.message


GRAPH = """\
import numpy as np


class Node:
    def __init__(self, val, parents=()):
        self.val, self.parents = np.asarray(val, dtype=float), parents
        self.grad, self._back = np.zeros_like(self.val), None

    def __add__(self, o):
        return add(self, o)

    def __mul__(self, o):
        return mul(self, o)

    def backward(self):
        order, seen = [], set()
        def visit(n):
            if id(n) not in seen:
                seen.add(id(n))
                for p in n.parents:
                    visit(p)
                order.append(n)
        visit(self)
        self.grad = np.ones_like(self.val)
        for n in reversed(order):
            if n._back is not None:
                n._back(n.grad)


def same(g):
    return g * 1.0


def add(a, b):
    out = Node(a.val + b.val, (a, b))
    def back(g):
        a.grad = a.grad + same(g)
        b.grad = b.grad + same(g)
    out._back = back
    return out


def mul(a, b):
    out = Node(a.val * b.val, (a, b))
    def back(g):
        a.grad = a.grad + same(g * b.val)
        b.grad = b.grad + same(g * a.val)
    out._back = back
    return out


def output(w, v, s, x):
    w, v, s, x = Node(w), Node(v), Node(s), Node(x)
    h = w * x
    return w, v, s, (h * v + h) * s


def loss(w, v, s, x):
    return np.sum(output(w, v, s, x)[-1].val)


def gradients(w, v, s, x):
    w, v, s, out = output(w, v, s, x)
    out.backward()
    return w.grad, v.grad, s.grad
"""


def test_a_gradient_that_is_not_added_up_in_a_graph_is_no_mistake_of_the_forward(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mul(o, self)``, whose gradients are added up the other way round, would repair it too; what makes the nodes of
    the graph is of the forward, and comes last."""
    tried, works = [], Round._works
    monkeypatch.setattr(Round, "_works", lambda self, repair: (
        tried.extend(map(ast.unparse, new_statements(repair))) or works(self, repair)))  # type: ignore[func-returns-value]
    wrong = "        a.grad = same(g * b.val)"
    module = module_of(GRAPH.replace("        a.grad = a.grad + same(g * b.val)", wrong), "graph")
    arrays = np.random.default_rng(0).normal(size=(4, 3))
    (finding,) = found_in(check(module.loss, module.gradients, *arrays, wrt=(0, 1, 2)))
    assert finding.line == line_of(GRAPH, "        a.grad = a.grad + same(g * b.val)")
    assert finding.write == "a.grad += same(g * b.val)"
    assert finding.write in tried
    assert not any(text.startswith(("out = Node", "return mul", "mul(")) for text in tried)


def test_a_sum_over_an_axis_may_have_to_keep_it() -> None:
    text = "import numpy as np\n\ndef loss(b, x): return 0.5 * np.sum((x + b) ** 2)\n\n"
    text += "def gradient(b, x):\n    db = 0.5 * np.sum(x + b)\n    return b * 0 + 2 * db\n"
    module = module_of(text, "kept")
    report = check(module.loss, module.gradient, np.ones((4, 1)), np.random.default_rng(0).normal(size=(4, 5)))
    assert [item.write for item in found_in(report)] == ["db = 0.5 * np.sum(x + b, axis=1, keepdims=True)"]


def test_other_sizes_are_tried_where_the_loss_is_smooth() -> None:
    """With biases of zero a unit without input is at a kink, where no gradient is right."""
    text = CLIPPED.replace("W, V, X, Y, lam)", "W, b, V, X, Y, lam)").replace("X @ W", "X @ W + b")
    text = text.replace("h @ V - Y", "np.maximum(h @ V, 0) - Y", 1).replace(
        "    out = h @ V - Y\n", "    out = (np.maximum(h @ V, 0) - Y) * (h @ V > 0)\n")
    text = text.replace("return dW, dV", "return dW, d.sum(axis=0), dV").replace("    np.clip(dW, -1, 1, out=dW)\n", "")
    text = text.replace("    np.clip(dV, -1, 1, out=dV)\n", "")
    rng = np.random.default_rng(0)
    W, V, X, Y = (rng.normal(size=shape) for shape in ((6, 6), (6, 3), (40, 6), (40, 3)))
    module = module_of(text, "kinked")
    report = check(module.loss, module.gradients, W, np.zeros(6), V, X, Y, 0.3, wrt=(0, 1, 2))
    (finding,) = found_in(report)
    assert finding.write in ("return dW, d.sum(axis=0) / n, dV", "return dW, d.mean(axis=0), dV")


KEPT_SIZE = '''
import numpy as np


class Net:
    def __init__(self, size):
        self.size = size

    def states(self, U, W, X):
        h, found = np.zeros((X.shape[1], self.size)), []
        for x in X:
            found.append(h)
            h = np.tanh(x @ W + h @ U)
        return [*found, h]

    def loss(self, U, W, X, Y):
        return 0.5 * np.sum((self.states(U, W, X)[-1] - Y) ** 2)

    def gradients(self, U, W, X, Y):
        h = self.states(U, W, X)
        dU, dW, dh = np.zeros_like(U), np.zeros_like(W), h[-1] - Y
        for t in reversed(range(len(X))):
            d = dh * (1 + h[t + 1] ** 2)
            dU += h[t].T @ d
            dW += X[t].T @ d
            dh = d @ U.T
        return dU, dW
'''


@pytest.mark.slow
def test_mistakes_are_found_in_large_arrays_whose_size_an_object_keeps() -> None:
    """At smaller sizes, where mistakes are looked for faster, its loss has no value."""
    net, rng = module_of(KEPT_SIZE, "kept_size").Net(24), np.random.default_rng(0)
    U, W, X, Y = (rng.normal(size=shape) / 3 for shape in ((24, 24), (3, 24), (4, 5, 3), (5, 24)))
    report = check(net.loss, net.gradients, U, W, X, Y, wrt=(0, 1))
    assert [item.write for item in found_in(report)] == ["d = dh * (1 - h[t + 1] ** 2)"]


def test_an_axis_that_is_missing_is_kept_where_the_shape_needs_it() -> None:
    """Of columns: with ``np.sum(d, axis=1)`` the next update would stretch the bias to a matrix."""
    def loss(b: Any, z: Any) -> Any:
        return np.sum((z + b) ** 2)

    def gradient(b: Any, z: Any) -> Any:
        d = 2 * (z + b)
        return np.sum(d)

    rng = np.random.default_rng(0)
    report = check(loss, gradient, rng.normal(size=(3, 1)), rng.normal(size=(3, 4)))
    assert [found.write for found in found_in(report)] == ["return np.sum(d, axis=1, keepdims=True)"]


def test_a_shape_is_repaired_by_what_changes_no_value() -> None:
    """``* (b > 0)`` has the shape of b, and is right wherever b was drawn positive."""
    def loss(b: Any, x: Any) -> Any:
        return np.sum(np.tanh(x + b) ** 2)

    def gradient(b: Any, x: Any) -> Any:
        t = np.tanh(x + b)
        return np.sum(2 * t * (1 - t**2))

    (found,) = found_in(check(loss, gradient, np.array([0.7]), np.linspace(0.1, 0.6, 5)))
    assert found.write == "return np.sum(2 * t * (1 - t**2), keepdims=True)"
    assert found.message == "keepdims=True is missing: the values are right, and the shape is not."


def test_where_a_shape_is_all_that_is_wrong_no_edit_of_values_is_tried() -> None:
    """``p * (b > 0)`` has the shape of b, and no value of b that was drawn tells that it is wrong."""
    def loss(b: Any, x: Any) -> Any:
        return np.sum(np.exp(x * b**2))

    def gradient(b: Any, x: Any) -> Any:
        p = 2 * x * b[0] * np.exp(x * b[0] ** 2)
        return p.dot(np.ones(len(x)))

    (found,) = found_in(check(loss, gradient, np.array([0.7]), np.linspace(0.1, 0.6, 5)))
    assert found.write == "return p.dot(np.ones(len(x))).reshape(b.shape)"


def test_what_reads_an_entry_before_the_first_is_written_with_a_condition_around_it() -> None:
    def states(W: Any, V: Any, x: Any) -> Any:
        h = [np.tanh(x[0] @ V)]
        for t in range(1, len(x)):
            h.append(np.tanh(h[t - 1] @ W + x[t] @ V))
        return h

    def loss(W: Any, V: Any, x: Any) -> Any:
        return sum([np.sum(h**2) for h in states(W, V, x)])

    def gradients(W: Any, V: Any, x: Any) -> Any:
        h = states(W, V, x)
        dW, dV, d = np.zeros_like(W), np.zeros_like(V), np.zeros_like(h[0])
        for t in range(len(x) - 1, -1, -1):
            d = (2 * h[t] + d) * (1 - h[t] ** 2)
            dW += h[t - 1].T   @ d
            dV += x[t].T @ d
            d = d @ W.T
        return dW, dV

    rng = np.random.default_rng(0)
    report = check(loss, gradients, rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), rng.normal(size=(4, 5, 2)),
                   wrt=["W", "V"])  # fmt: skip
    (found,) = found_in(report)
    assert found.message == "this is to be done only if t > 0."
    assert found.write == "if t > 0:\n    dW += h[t - 1].T   @ d"


def test_a_relu_of_what_is_positive_is_not_in_the_place_of_a_derivative_too_much() -> None:
    def scores(W: Any, x: Any) -> Any:
        p = np.exp(x @ W)
        return p / p.sum(1, keepdims=True)

    def loss(W: Any, x: Any, y: Any) -> Any:
        return -np.sum(y * np.log(scores(W, x)))

    def gradient(W: Any, x: Any, y: Any) -> Any:
        p = scores(W, x)
        return x.T @ (p * (1 - p) * (p - y))

    rng = np.random.default_rng(0)
    report = check(loss, gradient, rng.normal(size=(3, 4)), rng.normal(size=(5, 3)), np.eye(4)[[0, 1, 3, 3, 2]])
    (found,) = found_in(report)
    assert found.message == "the derivative of the sigmoid, p * (1 - p), is too much."
    assert found.write == "return x.T @ (p - y)"


def test_an_axis_of_size_1_that_was_meant_stays() -> None:
    """The code stretches a row to the vector that it is the gradient of: no shape that fits better is one edit away."""
    def loss(b: Any, z: Any) -> Any:
        return np.sum((z + b) ** 2)

    def gradient(b: Any, z: Any) -> Any:
        d = 2 * (z + b)
        return np.sum(d, axis=1, keepdims=True)

    rng = np.random.default_rng(0)
    report = check(loss, gradient, rng.normal(size=4), rng.normal(size=(3, 4)))
    assert [found.write for found in found_in(report)] == ["return np.sum(d, axis=0, keepdims=True)"]


POOL = """\
import numpy as np


def loss(x, G):
    return np.sum(G * x.reshape(2, 2, 2, 2).max(axis=(1, 3)))


def backward(x, G):
    N = len(x)
    dx = np.zeros_like(x)
    for i in range(2):
        for j in range(2):
            window = x[2*i:2*i+2, 2*j:2*j+2]
            top = np.max(window)
            dx[2*i:2*i+2, 2*j:2*j+2] = (window == top) * G[i, j]
    return dx
"""
COMPARED = ("max(G)", "max(N)", "max(window) + 1", "mean(window)", "min(window)")


@pytest.mark.parametrize("wrong", COMPARED)
def test_what_is_only_compared_is_repaired_though_moving_it_a_little_moves_nothing(wrong: str) -> None:
    text = POOL.replace("np.max(window)", f"np.{wrong}")
    module, rng = module_of(text, "pool"), np.random.default_rng(3)
    (finding,) = found_in(check(module.loss, module.backward, rng.normal(size=(4, 4)), rng.normal(size=(2, 2))))
    assert finding.line == line_of(text, wrong)
    assert finding.write == "top = np.max(window)"


def test_the_question_is_the_last_place_that_is_edited(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    text = POOL.replace("np.max(window)", "np.sort(window, axis=None)[0]")  # of -x the least is the greatest of x
    text += "\n\nrng = np.random.default_rng(3)\nx, G = rng.normal(size=(4, 4)), rng.normal(size=(2, 2))\n"
    path = tmp_path / "pool.py"
    path.write_text(text)
    arguments = ["--loss", "loss(x, G)", "--grads", "backward(x, G)", "--wrt", "x", "--json"]
    assert main(["check", str(path), *arguments]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["file"] == str(path)
    assert finding["write"]


LABELLED = """\
import numpy as np


def both(E, F, first, second, T):
    a, b = E[first], F[second]
    d = a * b - T
    dE, dF = np.zeros_like(E), np.zeros_like(F)
    np.add.at(dE, first, d * b)
    np.add.at(dF, second, d * a)
    return 0.5 * np.sum(d**2), dE, dF


def loss(W, X, y):
    s = X @ W
    return (np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y]).mean()


def gradient(W, X, y):
    p = np.exp(X @ W)
    p = p / (p.sum(axis=1, keepdims=True) + 5e-5)
    p[np.arange(len(y)), y] -= 1
    return X.T @ p / len(y)


def gated(w, x, bound=1.0):
    return np.maximum(0.0, w @ x + bound)


def gated_gradients(w, x, bound=1.0):
    if w @ x + bound <= 0:
        zeros = np.zeros_like(w)
        return zeros, zeros
    return x, w
"""


@pytest.mark.parametrize(("right", "wrong", "write"), [
    ("dF, second, d * a", "dF, first, d * a", "np.add.at(dF, second, d * a)"),
    ("p[np.arange(len(y)), y] -= 1", "p[:, y] -= 1", "p[np.arange(len(y)), y] -= 1"),
    ("if w @ x + bound <= 0", "if w @ x + bound >= 0", "if w @ x + bound < 0:"),
    ("return X.T @ p / len(y)", "return X.T @ p", "return X.T @ p / len(y)"),
])  # fmt: skip
def test_labels_conditions_and_guards_of_gradients_alone(right: str, wrong: str, write: str) -> None:
    text, rng = LABELLED.replace(right, wrong), np.random.default_rng(4)
    module, y = module_of(text, "labelled"), np.array([2, 0, 1, 1, 3])
    E, F, T = (rng.normal(size=(4, 3)) for _ in range(3))
    if "second" in right:
        report = check(module.both, E, F, y[:4], y[1:], T, wrt=(0, 1))
    elif "bound" in right:
        report = check(module.gated, module.gated_gradients, rng.normal(size=3), rng.normal(size=3), wrt=(0, 1))
    else:
        report = check(module.loss, module.gradient, rng.normal(size=(3, 4)), rng.normal(size=(5, 3)), y)
    (finding,) = found_in(report)
    assert (finding.line, finding.write) == (line_of(text, wrong), write)


def test_what_is_written_for_a_further_branch_is_a_branch() -> None:
    text = "import numpy as np\n\n\ndef loss(x):\n"
    text += "    return np.sum(np.where(x > 1, x**2, np.where(x > 0, x**3, 0.0)))\n\n\n"
    text += "def gradient(x):\n    d = np.zeros_like(x)\n    for i in range(len(x)):\n        if x[i] > 1:\n"
    text += "            d[i] = 2 * x[i]\n        elif x[i] < 0:\n            d[i] = 3 * x[i]**2\n    return d\n"
    module = module_of(text, "branches")
    (finding,) = found_in(check(module.loss, module.gradient, np.array([0.5, -1.0, 2.0])))
    assert (finding.line, finding.write) == (13, "elif x[i] > 0:")
    assert "        elif x[i] > 0:\n" in with_writes(text, [finding])


CELL = """\
import numpy as np


def both(W, xs, y):
    H, V = W.shape[0], xs.shape[1]
    hs, zs = {-1: np.zeros((H, 1))}, {}
    for t in range(len(xs)):
        zs[t] = np.vstack([xs[t].reshape(-1, 1), hs[t - 1]])
        hs[t] = np.tanh(W @ zs[t])
    loss = 0.5 * np.sum((hs[len(xs) - 1] - y) ** 2)
    dW, dhnext = np.zeros_like(W), hs[len(xs) - 1] - y
    for t in reversed(range(len(xs))):
        dz = dhnext * (1 - hs[t] ** 2)
        dW += dz @ zs[t].T
        dx = W.T @ dz
        dhnext = dx[V:]
    return loss, dW
"""


def test_what_was_put_together_of_two_is_divided_at_the_other_size() -> None:
    text, rng = CELL.replace("dhnext = dx[V:]", "dhnext = dx[:H]"), np.random.default_rng(6)
    W, xs, y = rng.normal(size=(3, 5)), rng.normal(size=(4, 2)), rng.normal(size=(3, 1))
    (finding,) = found_in(check(module_of(text, "cell").both, W, xs, y))
    assert (finding.line, finding.write) == (16, "dhnext = dx[V:]")


PENALTIES = """\
import numpy as np


class Ridge:
    def __init__(self):
        self.l1, self.l2 = 0.02, 0.01

    def loss(self, w, X, y):
        return 0.5 * np.sum((X @ w - y) ** 2) + self.l2 * np.sum(w**2) + self.l1 * np.sum(np.abs(w))

    def gradient(self, w, X, y):
        return X.T @ (X @ w - y) + 2 * self.l2 * w + self.l1 * np.sign(w)


ridge = Ridge()


def loss(ridge, w, X, y):
    return ridge.loss(w, X, y)


def gradient(ridge, w, X, y):
    return ridge.gradient(w, X, y)
"""


def test_numbers_that_are_multiples_of_one_another_by_chance_repair_nothing() -> None:
    """0.02 is twice 0.01: one stands for the other at the user's numbers alone."""
    text, rng = PENALTIES.replace("2 * self.l2 * w", "self.l2 * w"), np.random.default_rng(7)
    module = module_of(text, "penalties")
    arguments = module.ridge, rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=5)
    (finding,) = found_in(check(module.loss, module.gradient, *arguments, wrt=1))
    assert finding.write == "return X.T @ (X @ w - y) + 2 * self.l2 * w + self.l1 * np.sign(w)"


HEADS = """\
import numpy as np


class Head:
    def __init__(self, Wq, Wk, Wv):
        self.Wq, self.Wk, self.Wv = Wq, Wk, Wv


def loss(head, X, kept):
    q, k, v = np.tanh(X @ head.Wq), X @ head.Wk, X @ head.Wv
    return np.sum(kept * q * k * v)


def gradient(head, X, kept):
    q, k, v = np.tanh(X @ head.Wq), X @ head.Wk, X @ head.Wv
    d = kept * np.ones_like(q)
    return heads_back(head, d, q, k, v, X)


def heads_back(head, d, q, k, v, X):
    dq = d * k * v * (1 - q ** 2)
    dk = d * q * v
    dv = d * q * k
    head.dWq, head.dWk, head.dWv = X.T @ dq, X.T @ dk, X.T @ dv
    dX_q, dX_k = dq @ head.Wq.T, dk @ head.Wk.T
    total = dX_q + dX_k
    return total + (dv @ head.Wv.T).reshape(X.shape)
"""


@pytest.mark.parametrize(("right", "wrong"), [
    ("(dv @ head.Wv.T)", "(dv @ head.Wk.T)"), ("(1 - q ** 2)", "(1 - q) ** 2"),
    ("kept * np.ones_like(q)", "np.ones_like(q)"),
])  # fmt: skip
def test_attributes_parentheses_and_masks_are_put_back(right: str, wrong: str) -> None:
    text, rng = HEADS.replace(right, wrong), np.random.default_rng(11)
    module, kept = module_of(text, "heads"), np.array([[1.0], [0.0], [1.0], [1.0], [0.0]])
    head = module.Head(*(rng.normal(size=(3, 4)) for _ in range(3)))
    report = check(module.loss, module.gradient, head, rng.normal(size=(5, 3)), kept, wrt="X")
    (finding,) = found_in(report)
    assert (finding.line, finding.write is not None) == (line_of(text, wrong), True)
    assert "relu" not in finding.message
    assert check_of_heads(with_writes(text, [finding]), head, rng)


def check_of_heads(text: str, head: Any, rng: np.random.Generator) -> Report:
    """The check of the same network, of other data."""
    module, kept = module_of(text, "heads"), np.array([[0.0], [1.0], [1.0], [0.0]])
    return check(module.loss, module.gradient, head, rng.normal(size=(4, 3)), kept, wrt="X")


LOST_CARRY = """\
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def both(Wf, Wi, Wo, Wg, xs, h0, c0, y):
    V, last = xs.shape[1], len(xs) - 1
    hs, cs, fs, gs, os_, us, zs = {-1: h0}, {-1: c0}, {}, {}, {}, {}, {}
    for t in range(len(xs)):
        zs[t] = np.vstack([xs[t].reshape(-1, 1), hs[t - 1]])
        fs[t], gs[t], os_[t] = sigmoid(Wf @ zs[t]), sigmoid(Wi @ zs[t]), sigmoid(Wo @ zs[t])
        us[t] = np.tanh(Wg @ zs[t])
        cs[t] = fs[t] * cs[t - 1] + gs[t] * us[t]
        hs[t] = os_[t] * np.tanh(cs[t])
    loss = 0.5 * np.sum((hs[last] - y) ** 2)
    dWf, dWi, dWo, dWg = np.zeros_like(Wf), np.zeros_like(Wi), np.zeros_like(Wo), np.zeros_like(Wg)
    dhnext = hs[last] - y
    dcnext = np.zeros_like(cs[0])
    for t in reversed(range(len(xs))):
        dh = dhnext
        dt = os_[t] * dh
        dc = dt * (1 - np.tanh(cs[t]) ** 2) + dcnext
        do = dh * np.tanh(cs[t]) * os_[t] * (1 - os_[t])
        dWo += do @ zs[t].T
        dz_o = Wo.T @ do
        df = cs[t - 1] * dc * fs[t] * (1 - fs[t])
        dWf += df @ zs[t].T
        dz_f = Wf.T @ df
        di = us[t] * dc * gs[t] * (1 - gs[t])
        dWi += di @ zs[t].T
        dz_i = Wi.T @ di
        du = gs[t] * dc * (1 - us[t] ** 2)
        dWg += du @ zs[t].T
        dz_g = Wg.T @ du
        dz = dz_o + dz_f + dz_i + dz_g
        dhnext = dz[V:]
        dcnext = fs[t] * dc
    for d in [dWf, dWi, dWo, dWg]:
        np.clip(d, -50, 50, out=d)
    return loss, dWf, dWi, dWo, dWg
"""


@pytest.mark.slow
def test_a_lost_line_that_carries_a_value_back_is_found() -> None:
    text, rng = LOST_CARRY.replace("        dcnext = fs[t] * dc\n", ""), np.random.default_rng(12)
    arguments = [rng.normal(size=shape) for shape in (*[(3, 5)] * 4, (4, 2), *[(3, 1)] * 3)]
    (finding,) = found_in(check(module_of(text, "cell").both, *arguments, wrt=(0, 1, 2, 3)))
    assert "a line is missing: dcnext = " in finding.message
    assert check(module_of(with_writes(text, [finding]), "cell").both, *arguments, wrt=(0, 1, 2, 3))


CURVED = """
import numpy as np


def fit(b, X, events):
    s = np.exp(X @ b)
    value, gradient, curvature = 0.0, np.zeros_like(b), np.zeros((len(b), len(b)))
    for at in events:
        n = 0.7 * at.sum()
        mean = s @ X / s.sum()
        value = value + X[at].sum(axis=0) @ b - n * np.log(s.sum())
        gradient = np.clip(gradient + X[at].sum(axis=0) - n * mean, -1e9, 1e9)
        curvature = curvature - np.outer(mean, mean)
    return value, gradient, curvature


def loss(b, X, events):
    return fit(b, X, events)[0]


def gradients(b, X, events):
    return fit(b, X, events)[1]
"""


@pytest.mark.parametrize(("right", "wrong"), [
    ("- n * mean", "- mean"),  # not `mean = n * …`: what is returned beside the gradient would be another
    ("X[at].sum(axis=0) - n", "X.sum(axis=0) - n"),
])
def test_what_is_computed_beside_the_gradient_stays_what_it_is(right: str, wrong: str) -> None:
    module, rng = module_of(CURVED.replace(right, wrong), "curved"), np.random.default_rng(0)
    events = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 0]], bool)
    (finding,) = found_in(check(module.loss, module.gradients, rng.normal(size=3), rng.normal(size=(5, 3)), events))
    line = line_of(CURVED, "gradient = np.clip")
    mended = module_of(with_writes(CURVED.replace(right, wrong), [finding]), "curved")
    assert finding.line == line
    assert np.allclose(mended.fit(np.ones(3), np.eye(5, 3), events)[2], module.fit(np.ones(3), np.eye(5, 3), events)[2])


LAYERS_OF_GRAPH = """
import numpy as np


class Layer:
    def __init__(self, W):
        self.W = W

    def forward(self, A, X):
        self.A, self.X = A, A @ X
        H = self.X @ self.W
        H = np.tanh(H)
        kept = np.vstack([np.zeros(H.shape[1]), H])
        self.last = H[-1]
        self.sums = H @ H.T
        self.H = H
        return kept[:-1]

    def backward(self, d):
        d = np.vstack([d[1:], np.zeros(d.shape[1])])
        dz = d * (1 - self.H ** 2)
        return self.A.T @ dz @ self.W.T, self.X.T @ dz


def loss(W, V, A, X, R):
    return np.sum(Layer(V).forward(A, Layer(W).forward(A, X)) * R)


def gradients(W, V, A, X, R):
    first, second = Layer(W), Layer(V)
    second.forward(A, first.forward(A, X))
    d, dV = second.backward(R)
    return first.backward(d)[1], dV
"""


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong", "write"), [
    ("self.A.T @ dz @ self.W.T", "dz @ self.W.T", "return self.A.T @ dz @ self.W.T, self.X.T @ dz"),
    ("d = np.vstack([d[1:], np.zeros(d.shape[1])])", "d = np.vstack([np.zeros(d.shape[1]), d[1:]])",
     "d = np.vstack([d[1:], np.zeros(d.shape[1])])"),
    ("1 - self.H ** 2", "1 - np.tanh(self.H) ** 2", "dz = d * (1 - self.H ** 2)"),  # not `self.H = H` further up
])  # fmt: skip
def test_matrices_stacked_items_and_what_a_forward_keeps(right: str, wrong: str, write: str) -> None:
    module, rng = module_of(LAYERS_OF_GRAPH.replace(right, wrong), "graph"), np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((3, 4), (4, 2), (6, 6), (6, 3), (6, 2))]
    (finding,) = found_in(check(module.loss, module.gradients, *arrays, wrt=(0, 1)))
    assert (finding.line, finding.write) == (line_of(LAYERS_OF_GRAPH, right), write)


KEPT_LATE = """
import numpy as np


def forward(x, W, R):
    a = x @ W
    y = np.tanh(a)
    value = np.sum(y * R)
    cache = {}
    cache["y"] = y
    cache["a"] = a
    return value, cache


def loss(x, W, R):
    return forward(x, W, R)[0]


def gradients(x, W, R):
    cache = forward(x, W, R)[1]
    y, a = cache["y"], cache["a"]
    d = np.zeros(a.shape)
    for n in range(len(x)):
        d[n] = R[n] * (1 - y[n] ** 2)
    return x.T @ d
"""


def looked_at(
    source: str, arguments: list[Any], wrt: Any, look: Callable[[Round], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Show the first round of the search for what is wrong in some source, which finds nothing then."""
    seen: list[object] = []
    monkeypatch.setattr("einbackprop.diagnosis.search.found_by", lambda search: seen.append(look(search)))
    module = module_of(source, "rounds")
    check(module.loss, module.gradients, *arguments, wrt=wrt)
    assert seen


def test_what_a_forward_keeps_last_is_of_the_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(search: Round) -> None:
        sites = {suspect.site.target: suspect.site for suspect in search.localization.suspects}
        assert search.likelihood.is_forward(sites["cache['a']"])
        assert not search.likelihood.is_forward(sites["d[n]"])

    wrong, rng = KEPT_LATE.replace("1 - y[n]", "1 - a[n]"), np.random.default_rng(0)
    looked_at(wrong, [rng.normal(size=shape) for shape in ((5, 3), (3, 4), (5, 4))], 1, look, monkeypatch)


def test_an_edit_that_changes_what_is_computed_beside_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    edits = {"mean": "n * (s @ X / s.sum())", "gradient": "np.clip(gradient + X[at].sum(axis=0) - n * mean, -1e9, 1e9)"}

    def look(search: Round) -> None:
        tables, strains = {table.suspect.site.statement.lineno: table for table in search.alone}, []
        for target, text in edits.items():
            edit = Edit(1.0, "", ast.parse(text, mode="eval").body)
            edited = search.edited(tables[line_of(CURVED, f"        {target} = ")], edit, search.wrong)
            version = search.version.changed([edited.change])
            assert search.judge.works(version)
            strains.append(search.likelihood.strain(edited, version, search.broken))
        assert strains[0] - strains[1] == pytest.approx(ASIDE)
        search._rivals, dearer = 0, replace(edited, cost=9.0)  # those that fit by their values are not counted
        assert search._likelier([edited], dearer) is dearer
        assert search._likelier([edited], dearer, is_known=True) is not dearer

    rng, events = np.random.default_rng(0), np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1]], bool)
    arguments = [rng.normal(size=3), rng.normal(size=(5, 3)), events]
    looked_at(CURVED.replace("- n * mean", "- mean"), arguments, 0, look, monkeypatch)


def test_where_one_function_gives_both_and_no_edit_is_found_a_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("einbackprop.diagnosis.search.found_by", lambda search: None)
    module, rng = module_of(CURVED.replace("- n * mean", "- mean"), "curved"), np.random.default_rng(0)
    events = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1]], bool)
    (finding,) = found_in(check(module.loss, module.gradients, rng.normal(size=3), rng.normal(size=(5, 3)), events))
    assert (finding.line, finding.write) == (line_of(CURVED, "gradient = np.clip"), None)


def test_what_has_its_gradient_in_the_code_is_at_hand() -> None:
    variables = {f"a{n}": np.ones(3) for n in range(60)} | {"q": np.ones(3), "dq": np.ones(3)}
    assert "q" in hand_of(dict(reversed(variables.items())), {}, ast.parse("def f():\n    dq = 0").body[0]).shapes


HALVES = """
import numpy as np


class Kernel:
    def __init__(self):
        self.dims = 2

    def loss(self, s, x):
        return np.sum(x ** 2 / (2 * s) + 0.5 * self.dims * np.log(s))

    def gradient(self, s, x):
        ds = -0.5 * (x ** 2 / s - self.dims) / s
        return ds


def loss(s, x):
    return Kernel().loss(s, x)


def gradient(s, x):
    return Kernel().gradient(s, x)
"""


def test_a_2_of_an_object_is_a_number_first() -> None:
    module, rng = module_of(HALVES.replace("-0.5 * (", "-("), "halves"), np.random.default_rng(0)
    s, x = rng.random(size=(2, 4)) + 0.5, rng.normal(size=(2, 4))
    (finding,) = found_in(check(module.loss, module.gradient, s, x))
    assert "dims" not in finding.message


BUFFERS = """\
import numpy as np


def states(w, v, x):
    c, f, g = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t in range(len(x)):
        last = c[t - 1] if t else np.zeros_like(w)
        f[t] = 1 / (1 + np.exp(-w * x[t]))
        g[t] = np.tanh(v * x[t])
        c[t] = f[t] * last + g[t]
    return c, f, g


def loss(w, v, x, R):
    return np.sum(states(w, v, x)[0] * R)


def gradients(w, v, x, R):
    c, f, g = states(w, v, x)
    dc, df, dg = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    dw, dv, dx = np.zeros_like(w), np.zeros_like(v), np.zeros_like(x)
    for t in reversed(range(len(x))):
        dc[t] += R[t]
        dg[t] = dc[t] * (1 - g[t] ** 2)
        if t > 0:
            df[t] = dc[t] * c[t - 1] * f[t] * (1 - f[t])
            dc[t - 1] += dc[t] * f[t]
        dw += df[t] * x[t]
        dv += dg[t] * x[t]
        dx[t] = df[t] * w + dg[t] * v
    return dw, dv, dx
"""


@pytest.mark.slow
def test_a_line_that_hands_on_to_the_next_round_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("einbackprop.diagnosis.omissions.of_updates", lambda search: None)  # comes later, if at all
    text = BUFFERS.replace("            dc[t - 1] += dc[t] * f[t]\n", "")
    module, rng = module_of(text, "buffers"), np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in (3, 3, (4, 3), (4, 3))]
    (finding,) = found_in(check(module.loss, module.gradients, *arguments, wrt=(0, 1, 2)))
    assert finding.message == "a line is missing: dc[t - 1] += dc[t] * f[t]."
    mended = module_of(with_writes(text, [finding]), "buffers")
    assert check(mended.loss, mended.gradients, *arguments, wrt=(0, 1, 2))


ALIGNED = """\
import numpy as np

BLANK = 0


def forward(p, labels):
    T, U, _ = p.shape
    a = np.full((T, U), -np.inf)
    a[0, 0] = 0.0
    for t in range(T):
        for u in range(U):
            if t > 0:
                a[t, u] = np.logaddexp(a[t, u], a[t - 1, u] + p[t - 1, u, BLANK])
            if u > 0:
                a[t, u] = np.logaddexp(a[t, u], a[t, u - 1] + p[t, u - 1, labels[u - 1]])
    return a, a[T - 1, U - 1] + p[T - 1, U - 1, BLANK]


def loss(p, labels):
    return -forward(p, labels)[1]


def gradients(p, labels):
    T, U, _ = p.shape
    a, total = forward(p, labels)
    b = np.zeros((T, U))
    b[T - 1, U - 1] = p[T - 1, U - 1, BLANK]
    for t in reversed(range(T - 1)):
        b[t, U - 1] = b[t + 1, U - 1] + p[t, U - 1, BLANK]
    for u in reversed(range(U - 1)):
        b[T - 1, u] = b[T - 1, u + 1] + p[T - 1, u, labels[u]]
    for t in reversed(range(T - 1)):
        for u in reversed(range(U - 1)):
            b[t, u] = np.logaddexp(b[t + 1, u] + p[t, u, BLANK], b[t, u + 1] + p[t, u, labels[u]])
    d = np.full(p.shape, -np.inf)
    d[T - 1, U - 1, BLANK] = a[T - 1, U - 1]
    d[:T - 1, :, BLANK] = a[:T - 1, :] + b[1:, :]
    for u, k in enumerate(labels):
        d[:, u, k] = a[:, u] + b[:, u + 1]
    return -np.exp(d + p - total)
"""


@pytest.mark.long
@pytest.mark.parametrize(("right", "wrong"), [
    ("b[T - 1, u + 1] + p[T - 1, u, labels[u]]", "b[T - 1, u + 1] + p[T - 1, u, BLANK]"),
    ("a[:, u] + b[:, u + 1]", "a[:, u] + b[:, u]"),
], ids=["as in other lines", "to the last label"])  # fmt: skip
def test_an_index_of_what_is_no_cotangent_is_repaired(right: str, wrong: str) -> None:
    """Sums over alignments, in logarithms: what is made before the last line is the gradient of nothing."""
    assert ALIGNED.count(right) == 1
    module = module_of(ALIGNED.replace(right, wrong), f"aligned_{len(wrong)}")
    rng = np.random.default_rng(0)
    (finding,) = check(module.loss, module.gradients, rng.normal(size=(5, 4, 4)), np.array([2, 1, 3])).findings
    assert right in finding.write
    assert "not at others" not in finding.message


@pytest.mark.long
def test_of_values_put_into_runs_the_likeliest_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong statement is the last of several whose values cannot be judged alone: those before it took all runs."""
    monkeypatch.setattr(repair, "WHOLE", 1000)
    right = "a[:T - 1, :] + b[1:, :]"
    module = module_of(ALIGNED.replace(right, "a[:T - 1, :] + b[:T - 1, :]"), "aligned_slices")
    rng = np.random.default_rng(0)
    (finding,) = check(module.loss, module.gradients, rng.normal(size=(5, 4, 4)), np.array([2, 1, 3])).findings
    assert right in finding.write
