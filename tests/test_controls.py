"""Correct backpropagation written in unusual ways: nobody is accused, nothing is found, no line is called wrong."""

from typing import Any

import numpy as np
import pytest
from sampling import THOROUGH, some
from wild import CONTROLS, WRONG, Fixture, Wrong, pick, replace

from einbackprop.checking.reports import Report
from einbackprop.checking.solving import check

SLOW = ("rnn_product_after_the_loop", "rnn_backwards_lists")  # long to prove: many steps of time
CHOSEN = [control for control in CONTROLS if THOROUGH or control.name not in SLOW]


def checked(fixture: Fixture, seed: int = 1) -> Report:
    """The report on a fixture, its differentiated arrays given by name."""
    arguments = fixture.arguments(np.random.default_rng(seed))
    names = dict(zip(fixture.names, fixture.pairs, strict=True))
    parameters = {name: pick(arguments, path) for name, (path, _) in names.items()}

    def placed(given: dict[str, Any], others: tuple[Any, ...]) -> tuple[Any, ...]:
        for name, (path, _) in names.items():
            others = replace(others, path, given[name])
        return others

    def loss(given: dict[str, Any], others: tuple[Any, ...]) -> Any:
        return fixture.loss(*placed(given, others))

    def gradients(given: dict[str, Any], others: tuple[Any, ...]) -> dict[str, Any]:
        result = fixture.gradients(*placed(given, others))
        return {name: pick(result, place) for name, (_, place) in names.items()}

    return check(loss, gradients, parameters, arguments)


def test_there_are_at_least_thirty_controls() -> None:
    assert len({control.name for control in CHOSEN}) >= 30


@pytest.mark.long
@pytest.mark.parametrize("control", some(CHOSEN), ids=lambda control: control.name)
def test_correct_code_is_not_accused(control: Fixture) -> None:
    report = checked(control)
    assert not [gradient for gradient in report.gradients if gradient.verdict == "wrong"], str(report)
    said = [finding.message for finding in report.findings]
    assert [message for message in said if "in place" not in message or "changes" not in message] == []
    assert not said or 11 in control.groups  # which changes its arguments: that is said, and so it is
    assert not [line for line in report.lines if line.verdict in ("wrong", "follows")]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("wrong", WRONG[::6], ids=lambda wrong: wrong.fixture.name)
def test_a_mistake_in_such_code_is_found(wrong: Wrong) -> None:
    names = dict(zip(wrong.fixture.wrt, wrong.fixture.names, strict=True))
    report = checked(wrong.fixture)
    assert {g.name for g in report.gradients if g.verdict == "wrong"} == {names[path] for path in wrong.wrong}
