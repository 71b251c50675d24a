"""Whole scripts in the styles that people write: a right one is proved, a broken line is told, whatever the style."""

import numpy as np
import pytest
from library import CELL, CONTEXTS, HELPER, MASKED, STYLES, line_of
from sampling import THOROUGH, some

import einbackprop as eb
from einbackprop.checking.reports import Report
from einbackprop.checking.solving import check
from einbackprop.core.program import Position, picks

TOLD_OF_CONTEXTS = ("patches", "overwritten")  # the slowest; of loops that run less often it is told below
BROKEN = [(name, mistake) for name, script in STYLES.items() for mistake in script.mistakes
          if THOROUGH or (name, mistake) != TOLD_OF_CONTEXTS]  # fmt: skip


def lines_told(report: Report) -> list[int]:
    return [finding.line for finding in report.findings if finding.line is not None]


@pytest.mark.long
@pytest.mark.parametrize("name", STYLES)
def test_right_scripts_are_proved(name: str) -> None:
    report = STYLES[name].report()
    assert {(g.verdict, g.grade) for g in report.gradients} == {("right", "proved")}
    assert "Proofs rest on" in "\n".join(report.assumptions)
    assert not lines_told(report)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("name", "mistake"), some(BROKEN, 2))
def test_the_broken_line_is_told(name: str, mistake: str) -> None:
    script = STYLES[name]
    text = script.wrong(mistake)
    report = script.report(text)
    assert tuple(g.name for g in report.gradients if g.verdict == "wrong") == script.mistakes[mistake].wrong
    assert lines_told(report) == [line_of(text, script.mistakes[mistake].after)]


# A probability that a label picks


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


LOSSES = {
    "arange": lambda W, X, y: -np.mean(np.log(softmax(X @ W)[np.arange(len(X)), y])),
    "take_along_axis": lambda W, X, y: -np.mean(np.log(np.take_along_axis(softmax(X @ W), y[:, None], 1))),
    "one-hot": lambda W, X, y: -np.sum(np.eye(4)[y] * np.log(softmax(X @ W))) / len(X),
    "logits": lambda W, X, y: np.mean(np.log(np.exp(X @ W).sum(axis=1)) - (X @ W)[np.arange(len(X)), y]),
}
LABELS = np.array([0, 1, 2, 3, 0, 1, 2])


def gradient(W, X, y):
    d = softmax(X @ W)
    d[np.arange(len(y)), y] -= 1
    return X.T @ d / len(y)


WRONG = {
    "sign": lambda W, X, y: -gradient(W, X, y),
    "sum": lambda W, X, y: gradient(W, X, y) * len(y),
    "labels": lambda W, X, y: gradient(W, X, y[::-1]),
}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", LOSSES)
def test_picked_probabilities_are_proved(name: str) -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), rng.normal(size=(7, 3))
    report = check(LOSSES[name], gradient, W, X, LABELS)
    assert [g.grade for g in report.gradients] == ["proved"]
    assert any("labels are valid positions" in text for text in report.assumptions) == (name != "logits")
    for wrong in WRONG.values():
        assert [g.verdict for g in check(LOSSES[name], wrong, W, X, LABELS).gradients] == ["wrong"]


def test_take_along_axis_reads_as_a_pick() -> None:
    """Positions 0, 1, 2, … along an axis are the letter itself, also where NumPy makes them."""
    p = np.random.default_rng(2).random((7, 4))
    program = eb.trace(lambda p: np.take_along_axis(p, LABELS[:, None], 1), p)
    (equation,) = program.equations
    row, column = equation.operands[0].indices
    assert equation.out.indices == row
    assert [bracket.left for bracket in equation.brackets] == [Position.of(column)]
    assert [ref.indices for ref in picks(equation.brackets)] == [row]


def test_copies_in_a_list_keep_their_names() -> None:
    def difference(W, c):
        old = [W.copy(), c.copy()]
        return old[0] * 2 - old[1]

    labels = eb.trace(difference, np.ones((2, 3)), np.ones((2, 3))).labels
    assert {"W", "c"} <= set(labels.values())
    assert not any(label.startswith("old") for label in labels.values())


# A guard in the loss


def guarded(epsilon):
    return lambda W, X, y: -np.mean(np.log(softmax(X @ W)[np.arange(len(X)), y] + epsilon))


def test_a_guard_that_the_gradient_leaves_out_is_said_and_forgiven() -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), 3 * rng.normal(size=(7, 3))
    report = check(guarded(1e-7), gradient, W, X, LABELS)
    assert [g.verdict for g in report.gradients] == ["right"]
    assert [g.grade for g in report.gradients] == ["close"]
    line = guarded.__code__.co_firstlineno + 1
    said = f"right, but for the 1e-07 that the loss adds on line {line} before it takes the logarithm; that changes"
    assert report.gradients[0].note.startswith(said)
    assert not [finding for finding in report.findings if finding.line is not None]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("wrong", WRONG)
def test_a_guard_hides_no_mistake(wrong: str) -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), 3 * rng.normal(size=(7, 3))
    assert [g.verdict for g in check(guarded(1e-7), WRONG[wrong], W, X, LABELS).gradients] == ["wrong"]


@pytest.mark.slow
def test_what_is_added_for_its_own_sake_is_no_guard() -> None:
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(3, 4)), 3 * rng.normal(size=(7, 3))
    assert [g.verdict for g in check(guarded(0.01), gradient, W, X, LABELS).gradients] == ["wrong"]
    x = rng.normal(size=(5,))
    inverse = check(lambda x: np.sum(1 / (x * x + 1e-7)), lambda x: -2 / x**3, x)
    assert [g.verdict for g in inverse.gradients] == ["wrong"]


# Mistakes in a loop: one round set right makes no gradient right

OTHERWISE = {"a term of the cell": "dc = dh * o * (1 - tc ** 2) + dc_next"}
"""What is written instead of what stood there, and is the same."""


@pytest.mark.long
@pytest.mark.parametrize("mistake", CELL.mistakes if THOROUGH else ["an operand"])
def test_a_mistake_in_every_round_of_a_loop_is_told_once(mistake: str) -> None:
    text = CELL.wrong(mistake)
    report = CELL.report(text)
    assert {g.verdict for g in report.gradients} == {"wrong"}
    findings = [finding for finding in report.findings if finding.line is not None]
    assert [finding.line for finding in findings] == [line_of(text, CELL.mistakes[mistake].after)]
    assert findings[0].write == OTHERWISE.get(mistake, CELL.mistakes[mistake].before)


@pytest.mark.long
def test_a_cell_in_a_loop_is_right() -> None:
    assert {g.verdict for g in CELL.report().gradients} == {"right"}
    assert not lines_told(CELL.report())


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("mistake", CONTEXTS.mistakes)
def test_what_a_loop_overwrites_is_told(mistake: str) -> None:
    assert {g.verdict for g in CONTEXTS.report().gradients} == {"right"}
    (finding,) = [f for f in CONTEXTS.report(CONTEXTS.wrong(mistake)).findings if f.line is not None]
    assert "+= is needed" in finding.message
    assert finding.write == CONTEXTS.mistakes[mistake].before


# What to write, tried among the user's own variables


@pytest.mark.slow
def test_what_is_to_be_written_reads_only_what_is_there() -> None:
    report = HELPER.report()
    assert [g.verdict for g in report.gradients] == ["wrong", "right"]
    for finding in report.findings:
        assert finding.write is None or not {"hidden", "back"} & set(finding.write.split())


def test_masks_of_booleans_are_compared() -> None:
    assert MASKED.report()
    text = MASKED.wrong("a factor")
    report = MASKED.report(text)
    assert [g.verdict for g in report.gradients] == ["right", "wrong"]
    assert lines_told(report) == [line_of(text, "2 * h.T @ error")]
