"""Gradients that are a multiple of their loss's, or that and a penalty: it is said, and the loss meant is found."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verdict_cases import undiagnosed

import einbackprop as eb
from einbackprop.checking.penalties import leaves_out
from einbackprop.checking.reports import Report
from einbackprop.checking.verdicts import Relation
from einbackprop.shell import guesses
from einbackprop.shell.answers import outcomes
from einbackprop.shell.guesses import settle
from einbackprop.shell.questions import Question
from einbackprop.shell.scripts import run


def loss(W: Any, X: Any) -> Any:
    return np.sum(np.tanh(X @ W) ** 2)


def arrays(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 2)), rng.normal(size=(5, 3))


def without_source(text: str) -> Any:
    """A function of W and X of which nobody has the lines, so that no edit repairs it."""
    return eval(f"lambda W, X: {text.replace('gradient', GRADIENT)}", {"np": np})


GRADIENT = "(X.T @ (2 * np.tanh(X @ W) * (1 - np.tanh(X @ W) ** 2)))"


@pytest.mark.parametrize("factor", [-3.0, -1.0, 0.25, 1e4])
@pytest.mark.parametrize("decay", [0.0, 0.5, -2.0])
def test_what_a_gradient_is_instead_is_found(factor: float, decay: float) -> None:
    (found,) = eb.check(loss, without_source(f"{factor} * gradient + {decay} * W"), *arrays(1)).gradients
    assert found.verdict == "wrong"
    assert found.relation == Relation(factor, decay)
    assert found.note == f"it is {found.relation}"


def test_a_decay_may_be_of_the_rows_that_the_loss_reads() -> None:
    of_row = "2 * np.sin(P[1]) * np.cos(P[1]) * x + 0.3 * P[1]"
    gradient = eval(f"lambda P, x: np.eye(5)[1][:, None] * ({of_row})", {"np": np})
    _, P = arrays(1)
    (found,) = eb.check(lambda P, x: np.sum(np.sin(P[1]) ** 2 * x), gradient, P, np.array([0.5, 1.0, 2.0])).gradients
    assert found.relation == Relation(1.0, 0.3, (1,))
    assert found.note == "it is the gradient of the loss and 0.3 times the array itself in row 1"


def test_a_decay_may_be_of_the_columns_that_the_loss_reads() -> None:
    of_column = "2 * np.sin(P[:, 1]) * np.cos(P[:, 1]) * x + 0.3 * P[:, 1]"
    gradient = eval(f"lambda P, x: np.eye(3)[1] * ({of_column})[:, None]", {"np": np})
    P, x = np.random.default_rng(1).normal(size=(4, 3)), np.array([0.5, 1.0, 2.0, -1.0])
    (found,) = eb.check(lambda P, x: np.sum(np.sin(P[:, 1]) ** 2 * x), gradient, P, x).gradients
    assert found.relation == Relation(1.0, 0.3, (1,), axis=1)
    assert found.note == "it is the gradient of the loss and 0.3 times the array itself in column 1"


def test_of_one_number_the_factor_is_found() -> None:
    (found,) = eb.check(lambda w: np.sin(w) ** 2, eval("lambda w: 6 * np.sin(w) * np.cos(w)"), 0.3).gradients
    assert found.relation == Relation(3.0)


def test_a_relation_is_data_in_json() -> None:
    report = eb.check(loss, without_source("3 * gradient + W"), *arrays(0))
    (told,) = json.loads(report.to_json())["gradients"]
    assert told["relation"] == {"factor": 3.0, "decay": 1.0, "rows": [], "axis": 0}


def test_what_is_none_or_changes_its_shape_has_none() -> None:
    for text in ("None", "gradient if W[0, 0] == 0.5 else None", "gradient[:1] if W[0, 0] != 0.5 else 2 * gradient"):
        W, X = arrays(0)
        W[0, 0] = 0.5
        (found,) = eb.check(loss, without_source(f"{{'W': {text}}}"), W, X).gradients
        assert (found.verdict, found.relation) == ("wrong", None)


@pytest.mark.parametrize("wrong", [
    "2 * gradient + 1e-4 * np.sin(W)", "gradient + 0.1 * W**2", "0.1 * W", "gradient * np.sum(W)",
    "gradient * 1.0000003",  # to the digits that are said it would be the gradient of the loss
])  # fmt: skip
def test_what_is_something_else_has_no_relation(wrong: str) -> None:
    (found,) = eb.check(loss, without_source(wrong), *arrays(0)).gradients
    assert (found.verdict, found.relation) == ("wrong", None)


NET = """import numpy as np
rng = np.random.default_rng(0)
X, T = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))
W1, b1, W2, b2 = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2)), rng.normal(size=2)
alpha = 0.3


def loss(W1, b1, W2, b2):
    return {loss}


def gradients(W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    d = {delta}
    dW2 = h.T @ d{decay2}
    db2 = d.sum(axis=0)
    dh = d @ W2.T * (1 - {power})
    dW1 = X.T @ dh{decay1}
    db1 = dh.sum(axis=0)
    return dW1, db1, dW2, db2
"""
SQUARES = "0.5 * np.{of}((np.tanh(X @ W1 + b1) @ W2 + b2 - T) ** 2)"
OUT = "(h @ W2 + b2 - T)"


def asked_of(tmp_path: Path, **parts: str) -> Any:
    told = {"loss": SQUARES.format(of="mean"), "delta": OUT, "decay1": "", "decay2": "", "power": "h ** 2"} | parts
    script = tmp_path / "script.py"
    script.write_text(NET.format(**told), encoding="utf-8")
    (outcome,) = outcomes(str(script))
    assert outcome.report is not None
    return outcome


WITH_MEAN = {"loss": "0.5 * np.sum((np.tanh(X @ W1 + b1) @ W2 + b2 - T) ** 2) / len(X) "
                     "+ 0.5 * alpha * (np.sum(W1 ** 2) + np.sum(W2 ** 2)) / len(X)"}  # fmt: skip
DECAYED = {"decay1": " + alpha * W1", "decay2": " + alpha * W2"}


def test_a_penalty_that_lost_its_factor_in_one_place_is_no_other_loss(tmp_path: Path) -> None:
    loss = SQUARES.format(of="sum") + " + 0.5 * alpha * (np.sum(W1 ** 2) + np.sum(W2 ** 2))"
    report = asked_of(tmp_path, loss=loss, decay1=" + alpha * W1", decay2=" + alpha * W2 + W2").report
    assert report.headline == "wrong: W2 (of 4 gradients)"


@pytest.mark.long
@pytest.mark.parametrize(("parts", "told"), [
    ({**DECAYED, **WITH_MEAN}, "len(T) * loss(W1, b1, W2, b2)"),
    # these would be right with a part of a line left out
    ({**DECAYED, "loss": SQUARES.format(of="sum")}, "0.5 * alpha * ((W1 ** 2).sum() + (W2 ** 2).sum())"),
    ({"loss": SQUARES.format(of="sum"), "decay2": " + alpha * W2"}, "0.5 * alpha * ((W2 ** 2).sum())"),
    # and these with a factor of one line: means of what the loss adds up
    ({"loss": SQUARES.format(of="sum"), "delta": f"{OUT} / len(X)"}, "1 / len(T) * loss(W1, b1, W2, b2)"),
])  # fmt: skip
def test_the_loss_that_is_meant_is_asked_of_instead(
    tmp_path: Path, parts: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "len" in told:
        undiagnosed(monkeypatch)  # four lines would have to be changed
    outcome = asked_of(tmp_path, **parts)
    assert outcome.report.headline == "right: all 4 gradients"
    note = outcome.report.findings[0].message
    assert note.startswith("the gradients are not those of the loss that was found, but of ")
    assert told in note
    assert told in outcome.title


def test_another_loss_is_not_asked_of_where_no_more_gradients_are_right_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, seen = guesses.answer_among, list[Report]()

    def answer_among(*arguments: Any, **options: Any) -> Report:
        seen.append(own(*arguments, **options))
        return seen[-1] if len(seen) == 1 else replace(seen[-1], gradients=seen[0].gradients)

    monkeypatch.setattr(guesses, "answer_among", answer_among)
    outcome = asked_of(tmp_path, **DECAYED, loss=SQUARES.format(of="sum"))
    assert [report.headline for report in seen] == ["wrong: W1, W2 (of 4 gradients)", "right: all 4 gradients"]
    assert outcome.report is seen[0]
    assert "alpha" not in outcome.title


def test_a_sum_of_losses_is_multiplied_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undiagnosed(monkeypatch)
    script = tmp_path / "script.py"
    script.write_text(NET.format(
        loss=SQUARES.format(of="sum"), delta=f"7 * {OUT}", power="h ** 2", decay1="", decay2=""), encoding="utf-8")
    both = "loss(W1, b1, W2, b2) / 2 + loss(W1, b1, W2, b2) / 2"
    asked = Question(("W1", "b1", "W2", "b2"), f"{both} + 0 * seven", "gradients(W1, b1, W2, b2)")
    with run(str(script), "seven = 7.0") as names:
        found = settle(names, asked, str(script), "", 0, 60)
    assert found.question.loss == f"seven * ({both} + 0 * seven)"
    assert found.report.headline == "right: all 4 gradients"


def test_what_is_wrong_beside_a_factor_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undiagnosed(monkeypatch)
    outcome = asked_of(tmp_path, **DECAYED, **WITH_MEAN, power="h")
    assert outcome.report.headline == "wrong: W1, b1 (of 4 gradients)"


def test_a_wrong_penalty_of_a_loss_that_has_one_is_a_mistake(tmp_path: Path) -> None:
    """Twice the penalty of the loss: what is left out would not repair it."""
    outcome = asked_of(
        tmp_path, loss=f"{SQUARES.format(of='sum')} + 0.5 * alpha * np.sum(W2 ** 2)", decay2=" + 2 * alpha * W2")
    assert outcome.report.headline == "wrong: W2 (of 4 gradients)"
    assert [item.write for item in outcome.report.findings if item.line] == ["dW2 = h.T @ d + alpha * W2"]


def test_one_factor_that_one_line_mends_is_a_mistake(tmp_path: Path) -> None:
    outcome = asked_of(tmp_path)
    assert outcome.report.headline == "wrong: W1, b1, W2, b2 (of 4 gradients)"
    assert [item.line for item in outcome.report.findings if item.line] == [14]


@pytest.mark.parametrize(("code", "write", "expected"), [
    ("dW = a + b", "dW = a", True), ("dW = a + b", "dW = b", True), ("dW += b", "pass", True),
    ("return a + b, c", "return a, c", True), ("dW = a - b", "dW = a + b", False), ("dW = a", "", False),
    ("for x in y:", "pass", False),
])  # fmt: skip
def test_a_line_without_a_part_of_it(code: str, write: str, expected: bool) -> None:
    assert leaves_out(code, write) == expected


@pytest.mark.parametrize("term", ["0.01 * W ** 5", "0.01 * W ** 7", "0.01 * np.sin(W) ** 5"])
def test_a_wrong_term_of_higher_order_is_no_clipping(term: str) -> None:
    """At small values it is beyond what can be told from nothing, and it is wrong there all the same."""
    (found,) = eb.check(loss, without_source(f"gradient + {term}"), *arrays(2)).gradients
    assert found.verdict == "wrong"


def test_code_that_takes_no_small_values_is_judged_without_them() -> None:
    """Nothing that it raises there is a mistake of ours."""
    def takes(W: Any, X: Any) -> Any:
        assert np.abs(W).max() > 0.3, "weights are lost"
        return np.sum(np.tanh(X @ W) ** 2)

    report = eb.check(takes, without_source("gradient + 0.1 * W ** 5"), *arrays(2))
    assert [found.verdict for found in report.gradients] == ["wrong"]
    assert not report.faults
