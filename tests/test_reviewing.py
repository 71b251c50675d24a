"""Lines in a check: the mistake is named on its line, what is right is proved, and nothing is said that is not so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from library import COLUMNS, NORM
from sampling import some

from einbackprop.checking.solving import check
from einbackprop.diagnosis import review
from einbackprop.shell.command import main


def test_right_gradients_are_proved() -> None:
    report = COLUMNS.report()
    assert [g.grade for g in report.gradients] == ["proved"] * 6
    assert report.findings == ()
    assert {line.verdict for line in report.lines} == {"right"}
    assert any("Proofs rest on" in text for text in report.assumptions)


def test_lines_of_right_gradients_are_read_when_somebody_looks_at_them(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    own = review.lines_of_backward
    monkeypatch.setattr(review, "lines_of_backward", lambda *given: read.append(given) or own(*given))
    W, x, y = (np.random.default_rng(0).normal(size=shape) for shape in ((3, 4), (4, 5), (3, 5)))
    report = check(lambda W, x, y: np.sum((W @ x - y) ** 2), lambda W, x, y: 2 * (W @ x - y) @ x.T, W, x, y)
    assert report.ok
    assert str(report)
    assert not read
    assert [*report.lines] == [*report.lines] != []
    assert report.dimensions
    assert len(read) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", some(COLUMNS.mistakes, 2))
def test_a_mistake_is_named_on_its_line(name: str) -> None:
    mutant = COLUMNS.mistakes[name]
    text = mutant.of(COLUMNS.text)
    lines = zip(COLUMNS.text.split("\n"), text.split("\n"), strict=False)
    line = next(n for n, (a, b) in enumerate(lines, 1) if a != b)
    report = COLUMNS.report(text)
    assert {g.name for g in report.gradients if g.verdict == "wrong"} == set(mutant.wrong)
    assert not any(g.grade == "proved" for g in report.gradients if g.verdict == "wrong")
    told = [f.line for f in report.findings if f.line is not None]
    if told:  # shapes alone, or code that cannot be traced, leave the black box alone
        assert told == [line]


@pytest.mark.long
def test_most_mistakes_are_named() -> None:
    named = [any(f.line for f in COLUMNS.report(m.of(COLUMNS.text)).findings) for m in COLUMNS.mistakes.values()]
    assert sum(named) >= 0.7 * len(named)  # not those that change a shape, or what is returned for what


@pytest.mark.slow
def test_the_text_says_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "net.py"
    script.write_text(COLUMNS.text.replace("np.dot(W2.T, d_two)", "np.dot(W2, d_two)"), encoding="utf-8")
    arguments = ["check", str(script), "--loss", COLUMNS.loss, "--grads", COLUMNS.grads, "--wrt", "theta"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "! net.py, line 39: d_one = np.dot(W2, d_two) * one * (1 - one)" in printed
    assert "W2 must be transposed here" in printed
    assert "np.dot(W2.T," in printed
    assert "Lines 40 and 41 are wrong only because of that." in printed
    assert max(map(len, printed.splitlines())) <= 100
    main([*arguments, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert {line["verdict"] for line in data["lines"]} >= {"right", "wrong", "follows"}
    assert data["findings"][0]["line"] == 39


SHAPES = {
    "keepdims": ("db2 = d_two.sum(axis=1)", "db2 = d_two.sum(axis=1, keepdims=True)", "db2",
                 "keepdims is too much here: the values are right, and the shape is not."),
    "a unit axis": ("db2 = d_two.sum(axis=1)", "db2 = d_two.sum(axis=1)[:, None]", "db2",
                    "the axis in d_two.sum(axis=1)[:, None] is too much: the values are right, and the shape is not."),
    "left out": ("dW2, db2, dW3, db3]", "dW2, dW3, db3]", "return [",
                 "the gradient of b2 is made on line 38, but it is not returned."),
    "None": ("dW2, db2, dW3, db3]", "dW2, None, dW3, db3]", "return [",
             "the gradient of b2 is made on line 38, but it is not returned."),
}


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "place", "said"), SHAPES.values(), ids=SHAPES)
def test_a_gradient_of_a_wrong_shape_or_none_gets_its_line(
    before: str, after: str, place: str, said: str
) -> None:
    text = COLUMNS.text.replace(before, after)
    report = COLUMNS.report(text)
    (finding,) = report.findings
    line = text.split("\n")[(finding.line or 0) - 1]
    assert line.strip().startswith(place)
    assert finding.message == said
    others = [g for g in report.gradients if g.name != "b2"]
    assert {g.grade for g in others} == {"proved"}
    assert {g.verdict for g in report.gradients if g.name == "b2"} == {"wrong"}


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason=(
    "what a return hands on in the wrong shape has no Jacobian, and a statement without one is told by an edit only: "
    "the gradient is called wrong, and no line is named"))
def test_the_gradient_of_another_array_is_found_though_numpy_would_broadcast_it() -> None:
    def loss(W: Any, b: Any, x: Any) -> Any:
        return np.sum(np.tanh(W @ x + b) ** 2)

    def gradients(W: Any, b: Any, x: Any) -> Any:
        h = np.tanh(W @ x + b)
        d = 2 * h * (1 - h**2)
        db = np.sum(d, axis=1, keepdims=True)
        return db, db

    rng = np.random.default_rng(0)
    given = rng.normal(size=(4, 2)), rng.normal(size=(4, 1)), rng.normal(size=(2, 3))
    report = check(loss, gradients, *given, wrt=(0, 1))
    assert [(g.verdict, g.grade) for g in report.gradients] == [("wrong", "close"), ("right", "proved")]
    (finding,) = (f for f in report.findings if f.line is not None)
    assert finding.message == "db, returned as the gradient of W, is not ∂L/∂W."


def test_that_values_are_right_is_not_said_of_what_is_not_read() -> None:
    def gradients(b: Any, x: Any) -> Any:
        return np.unwrap(3 * (x + b[:, None]), axis=1).sum(axis=1, keepdims=True)

    rng = np.random.default_rng(0)
    report = check(lambda b, x: np.sum((x + b[:, None]) ** 2), gradients, rng.normal(size=4), rng.normal(size=(4, 3)))
    assert report.gradients[0].verdict == "wrong"
    assert "the values are right" not in str(report)


def test_one_array_returned_for_two_is_told() -> None:
    report = COLUMNS.report(COLUMNS.text.replace("return [dW1, db1,", "return [dW1, db2,"))
    (finding,) = report.findings
    assert (finding.line, finding.write) == (42, "return [dW1, db1, dW2, db2, dW3, db3]")
    assert "db1" in finding.message

EXPECTED = {
    "untransposed": ("np.dot(W2.T, d_two)", "np.dot(W2, d_two)",
                     "d_one[j,n] = Σ_k W2[k,j] d_two[k,n] one[j,n] (1 - one[j,n])"),
    "another layer's value": ("dW2 = np.dot(d_two, one.T)", "dW2 = np.dot(d_two, two.T)",
                              "dW2[k,j] = Σ_n d_two[k,n] one[j,n]"),
}


@pytest.mark.parametrize(("before", "after", "expected"), EXPECTED.values(), ids=EXPECTED)
def test_what_is_expected_has_the_letters_of_the_forward(
    before: str, after: str, expected: str
) -> None:
    (finding,) = COLUMNS.report(COLUMNS.text.replace(before, after)).findings
    assert (finding.expected or "").split("\n")[0] == expected


WRITTEN = {
    "1/B": ("(guess - truth) / n", "(guess - truth)", "d_guess = (guess - truth) / n"),
    "a term": ("return np.mean(0.5 * np.linalg.norm(guess - truth, axis=0) ** 2)",
               "return np.mean(0.5 * np.linalg.norm(guess - truth, axis=0) ** 2) + 0.05 * np.sum(theta[0] ** 2)",
               "dW1 = np.dot(d_one, X.T) + 2 * 0.05 * W1"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "write"), WRITTEN.values(), ids=WRITTEN)
def test_what_to_write_is_said_in_the_users_numpy(before: str, after: str, write: str) -> None:
    (finding,) = COLUMNS.report(COLUMNS.text.replace(before, after)).findings
    assert finding.write == write


def test_code_that_cannot_be_read_is_checked_all_the_same() -> None:
    def loss(w: np.ndarray) -> float:
        return float(np.sum(np.linalg.tensorinv(np.diag(w), 1) ** 2))

    def gradients(w: np.ndarray) -> np.ndarray:
        return -2 / w**3

    report = check(loss, gradients, np.array([1.0, 2.0, 3.0]))
    assert report
    assert report.gradients[0].grade == "close"
    assert [line.verdict for line in report.lines] == ["right"]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(W: np.ndarray, X: np.ndarray, Y: np.ndarray) -> float:
    return -np.mean(np.sum(Y * np.log(softmax(X @ W)), axis=1))


def usual(W: np.ndarray, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return X.T @ (softmax(X @ W) - Y) / len(X)


def of_any_weights(W: np.ndarray, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return X.T @ (softmax(X @ W) * Y.sum(axis=1, keepdims=True) - Y) / len(X)


def test_what_is_right_of_one_hot_labels_alone_is_proved_of_those() -> None:
    """p - y is the gradient only where each row of y sums to 1, and the proof says so."""
    rng = np.random.default_rng(0)
    W, X = rng.normal(size=(4, 3)), rng.normal(size=(6, 4))
    for Y in (np.eye(3)[[0, 2, 1, 1, 0, 2]], softmax(rng.normal(size=(6, 3)))):
        report = check(cross_entropy, usual, W, X, Y)
        assert [g.grade for g in report.gradients] == ["proved"]
        assert "Σ_j Y[b,j] = 1" in report.assumptions[-1]
        report = check(cross_entropy, of_any_weights, W, X, Y)
        assert [g.grade for g in report.gradients] == ["proved"]
        assert "Y[" not in report.assumptions[-1]
    Y = rng.uniform(size=(6, 3))
    assert [g.verdict for g in check(cross_entropy, usual, W, X, Y).gradients] == ["wrong"]
    assert [g.grade for g in check(cross_entropy, of_any_weights, W, X, Y).gradients] == ["proved"]


def test_every_letter_of_a_formula_is_in_the_legend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mean inside a line needs a letter of its own for the axis that it sums over."""
    script = tmp_path / "norm.py"
    script.write_text(NORM.text, encoding="utf-8")
    assert main(["check", str(script), "--loss", NORM.loss, "--grads", NORM.grads, "--wrt", *NORM.wrt]) == 1
    printed = capsys.readouterr().out
    assert "1/J Σ_j dh[b,j]" in printed
    assert "letters: i, j = 4   b = 5" in printed
    assert "write     return (dh - dh.mean(1, keepdims=True) - h * (dh * h).mean(1, keepdims=True)) / s" in printed
    assert main(["read", str(script), "norm(x, g)"]) == 0
    assert capsys.readouterr().out.startswith("letters: i, j = 4   b = 5\n")
    assert main(["read", str(script), "g"]) == 0
    assert capsys.readouterr().out.startswith("nothing is computed here: give an expression that calls a function")
