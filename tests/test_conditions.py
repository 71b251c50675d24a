"""``proved`` means it: conditions are printed as assumptions, and a number is not taken for the size that it equals."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from condition_cases import BRANCHES, MORE_RIGHT, MORE_WRONG, Case, behind_conditions, function, with_sizes
from conditions_spelled import BEHIND_OTHERS
from sampling import THOROUGH, some
from size_cases import spelled
from size_structures import RIGHT_AT_SIX, RIGHT_OF_EVERY_SIZE

import einbackprop as eb
from einbackprop.capture.tracer import record
from einbackprop.core import interpretation
from einbackprop.diagnosis.review import MOST_RUNS, why_not

LINE = re.compile(r"`.*?` in line \d+ (was|held|goes|raised|takes)|is (at most )?\S.* in line \d+")
RIGHT = [*(right for _, right, _, _ in with_sizes()), *MORE_RIGHT]
SPELLED = [*spelled(as_number=False), *RIGHT_OF_EVERY_SIZE]
WRONG = [*MORE_WRONG, *(case for _, _, *cases in with_sizes() for case in cases)]
WRONG += [*spelled(as_number=True), *RIGHT_AT_SIX]
BEHIND = [*behind_conditions(), *BEHIND_OTHERS]


def arguments() -> tuple[np.ndarray, np.ndarray]:
    """A vector of 6 and a matrix of 6 and 4."""
    rng = np.random.default_rng(3)
    return rng.normal(size=6), rng.normal(size=(6, 4))


def checked(case: Case) -> eb.Report:
    """The check of a case."""
    with np.errstate(all="ignore"):
        return eb.check(function(case.loss), function(case.gradient), *arguments())


def sure(report: eb.Report) -> bool:
    """Whether the gradient is said to be right for more than the numbers that were tried."""
    return report.gradients[0].grade == "proved"


def conditions(report: eb.Report) -> list[str]:
    """The conditions with a line that proofs are said to rest on."""
    rests = next((text for text in report.assumptions if text.startswith("Proofs rest on: ")), "")
    return [part for part in rests.removeprefix("Proofs rest on: ").rstrip(".").split("; ") if LINE.search(part)]


@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("case", some(WRONG, 7), ids=str)
def test_a_number_is_not_taken_for_a_size_that_it_equals(case: Case) -> None:
    report = checked(case)
    assert not sure(report) or conditions(report), str(report)


@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize("case", some(BEHIND, 4), ids=str)
def test_a_branch_is_an_assumption_of_the_proof(case: Case) -> None:
    report = checked(case)
    assert not sure(report) or conditions(report), str(report)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # at other sizes
def test_most_gradients_with_arithmetic_on_sizes_are_proved() -> None:
    cases = some(RIGHT, 4)
    proved = [case for case in cases if sure(checked(case))]
    assert len(proved) >= (0.85 if THOROUGH else 0.75) * len(cases), [str(case) for case in cases if case not in proved]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_many_gradients_are_proved_however_sizes_are_spelled() -> None:
    """The others have numbers that a size has become, or take more than one rule for sums in pieces to prove."""
    cases = some(SPELLED, 9)
    proved = [case for case in cases if sure(checked(case))]
    assert len(proved) >= 0.65 * len(cases), [str(case) for case in cases if case not in proved]


def test_enough_cases() -> None:
    assert len(RIGHT) >= 60
    assert len(WRONG) >= 60
    assert len(BEHIND) >= 60


@pytest.mark.parametrize(("branch", "said"), [
    (BRANCHES["if"].format(t="x.sum() < 1e6"), "`if x.sum() < 1e6` in line 2 was taken as true"),
    (BRANCHES["assert"].format(t="x.sum() < 1e6"), "`assert x.sum() < 1e6` in line 2 held"),
    (BRANCHES["if"].format(t="x.size != 7"), "`if x.size != 7` in line 2 was taken as true at these sizes"),
    ("y = x\nwhile np.abs(y).sum() > 1e6:\n    y = y / 2\nreturn (y ** 2).sum()",
     "`while np.abs(y).sum() > 1e6` in line 3 was taken as false"),
    ("y, k = x ** 2, 1\nfor v in X:\n    k += 1\n    y = k * y\nreturn y.sum()",
     "`for v in X` in line 3 goes through 6 rounds"),
    ("y, k = x ** 2, 1\nfor i in range(len(x)):\n    k += 1\n    y = k * y\nreturn y.sum()",
     "`for i in range(len(x))` in line 3 goes through 6 rounds"),
    ("try:\n    with np.errstate(all='raise'):\n        np.exp(x * 0 + 1e4)\nexcept FloatingPointError:\n    pass\n"
     "return (x ** 2).sum()", "`np.exp(x * 0 + 1e4)` in line 4 raised FloatingPointError, which was caught"),
])  # fmt: skip
def test_conditions_in_the_users_words(branch: str, said: str) -> None:
    through = "X" if "X" in said else "x"
    rounds = f"y, k = 2 * x, 1\nfor i in range(len({through})):\n    k += 1\n    y = k * y\nreturn y"
    report = checked(Case("", branch, rounds if "rounds" in said else "return 2 * x"))
    assert report.gradients[0].grade == "proved"
    assert said in conditions(report)
    assert any(said in text for text in json.loads(report.to_json())["assumptions"])
    assert said.split("`")[2] in report.to_html()


@pytest.mark.parametrize("test", ["len(x) >= 1", "len(x) != 0", "x.shape[0] == X.shape[0]", "len(x)", "len(x) + 1 > 1"])
def test_what_holds_for_every_size_is_no_condition(test: str) -> None:
    function_of_both = function(f"y = x @ X\nif {test}:\n    return y.sum()\nreturn (y ** 2).sum()")
    assert record(function_of_both, arguments()).conditions == ()


def test_a_frozen_size_is_named_with_its_line() -> None:
    case = Case("", "n = len(x)\nreturn (x ** 2).sum() / np.log(n)", "n = len(x)\nreturn 2 * x / np.log(n)")
    report = checked(case)
    assert report.gradients[0].grade == "close"


@pytest.mark.parametrize(("rounds", "is_proved"), [(MOST_RUNS, True), (MOST_RUNS + 1, False)])
def test_beyond_so_many_runs_of_a_statement_nothing_is_proved(rounds: int, is_proved: bool) -> None:
    forward = f"h = x\nfor t in range({rounds}):\n    h = h / (t + 2) + x\n"
    back = f"d, g = 2 * h, 0 * x\nfor t in reversed(range({rounds})):\n    g = g + d\n    d = d / (t + 2)\nreturn g + d"
    report = checked(Case("", f"{forward}return (h ** 2).sum()", forward + back))
    assert report.ok
    assert sure(report) is is_proved
    assert (f"Nothing is proved: line 4 runs more than {MOST_RUNS} times." in report.assumptions) is not is_proved


def test_positions_that_agree_by_chance_are_named() -> None:
    report = checked(Case("", "n = len(x)\nreturn x[n - 1] ** 2", "d = np.zeros_like(x)\nd[5] = 2 * x[5]\nreturn d"))
    said = "Nothing is proved for other sizes, since numbers stand for sizes here: n - 1 is 5 in line 3."
    assert said in report.assumptions


def test_expressions_of_sizes_are_one_letter() -> None:
    half = function("n = len(x)\nreturn (x[:n // 2] * x[n // 2 : 2 * (n // 2)]).sum() / (n - 1) + 1 / (n - 1)")
    assert {c.said for c in record(half, arguments()).conditions} == {"n - 1 is 5 in line 3"}


@pytest.mark.parametrize("case", some([c for c in BEHIND if "np.errstate" not in c.loss], 6), ids=str)
def test_emitted_source_says_which_way_it_holds_for(case: Case) -> None:
    text = eb.source(eb.derive(function(case.loss), *arguments()))
    traced = record(function(case.loss), arguments(), keeps_sizes=True)
    unconditional = not traced.conditions  # what decides is in the formula
    assert "    # where " in text or " must be " in text or unconditional


def test_what_is_drawn_of_an_array_are_its_entries() -> None:
    """Negative samples are drawn of a table, or of the weights: which of them does not change with their values."""
    def loss(w: Any, table: Any) -> Any:
        np.random.seed(0)
        return np.sum(w[np.random.choice(table, 3)] ** 2) + np.sum(np.random.choice(w, 2))

    w, table = np.arange(1.0, 7.0), np.array([0, 2, 2, 5])
    traced = record(loss, (w, table))
    assert not traced.conditions
    for other in (table, table[::-1]):
        np.testing.assert_allclose(interpretation.run(traced.program, (w, other))[0], loss(w, other))


def test_what_is_drawn_by_values_is_as_in_this_run() -> None:
    """A policy draws what it does by its own probabilities."""
    traced = record(lambda w: w[np.random.default_rng(1).choice(3, p=w / w.sum())], (np.array([0.5, 1.0, 2.0]),))
    assert [condition.kind for condition in traced.conditions if condition.kind == "taken"] == ["taken"]


def test_of_many_positions_some_are_told() -> None:
    conditions: Any = [SimpleNamespace(said=f"{'(i + j) // ' * 40}{n} is 3", freezes=True) for n in range(200)]
    conditions.append(SimpleNamespace(said="n is 3 in line 7", freezes=True))
    said = why_not((), conditions)
    assert said.startswith("Nothing is proved for other sizes, since numbers stand for sizes here: n is 3 in line 7; ")
    assert said.endswith(" and 197 more.")
    assert len(said) < 500
