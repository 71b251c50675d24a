"""Single edits of seven hand-written scripts, and pairs: what is called wrong, where, and what is expected there.

A sample of the edits, the same each time; `python tests/mutant_outcomes.py` looks at all of them.
"""

import os
from pathlib import Path

import pytest
from formula_values import UnreadableError, formula_value
from library import GENERATED, Generated, exercise
from mutant_outcomes import Outcome, judge, line_runs, outcomes_of
from mutants import Mutant, mutants, pairs

EVERY = {"columns": 41, "rows": 53, "class": 7, "batch norm": 71, "softmax": 17, "lstm": 79, "attention": 53}
OWN = {script.name: script for script in GENERATED}


def sample(script: Generated, every: int) -> list[Outcome]:
    """The outcomes of every n-th edit."""
    return outcomes_of(script, mutants(script.source, script.edited)[3::every])


@pytest.fixture(scope="module", params=OWN)
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return sample(OWN[request.param], EVERY[request.param])


def told(found: list[Outcome]) -> str:
    return "\n".join(f"{o.mutant.edit}: {sorted(o.wrong)} {sorted(o.said)} {o.lines} {o.equal}" for o in found)


def test_exactly_the_wrong_gradients_are_called_wrong(outcomes: list[Outcome]) -> None:
    assert len(outcomes) >= 8
    assert not told([o for o in outcomes if not o.is_called_right])
    assert not told([o for o in outcomes if not o.wrong and o.lines])


def test_the_finding_is_on_the_edited_line_and_expects_what_stood_there(outcomes: list[Outcome]) -> None:
    wrong = [o for o in outcomes if o.wrong]
    missed = [o for o in wrong if not o.is_corrected]
    assert len(missed) <= 0.05 * len(wrong) + 1, told(missed)


@pytest.mark.parametrize("name", ["columns", "softmax", "batch norm"])
def test_of_two_edits_both_are_named(name: str) -> None:
    script = OWN[name]
    drawn = pairs(script.source, mutants(script.source, script.edited), 12, seed=2)
    both = [o for o in outcomes_of(script, drawn) if len(o.wrong) > 1]
    named = [o for o in both if o.names_all]
    assert len(named) >= 0.7 * len(both), told([o for o in both if not o.names_all])


@pytest.mark.skipif("EINBACKPROP_EXERCISE" not in os.environ, reason="EINBACKPROP_EXERCISE names no script")
def test_edits_of_the_exercise() -> None:
    script = exercise(Path(os.environ["EINBACKPROP_EXERCISE"]))
    found = sample(script, 41)
    assert not told([o for o in found if not o.is_called_right])
    wrong = [o for o in found if o.wrong]
    assert len([o for o in wrong if o.is_corrected]) >= 0.95 * len(wrong) - 1


# The judge of the judge


def test_there_are_enough_edits() -> None:
    assert len({m.source for m in mutants(OWN["columns"].source, OWN["columns"].edited)}) >= 150


def test_a_correct_rewriting_is_called_right_and_a_wrong_one_wrong() -> None:
    script = OWN["columns"]
    runs = line_runs(script, script.distinct)
    right = script.source.replace("* two * (1 - two)", "* (two - two**2)")
    wrong = script.source.replace("* two * (1 - two)", "* (two - two**3)")
    for source, gradients in ((right, set()), (wrong, {0, 1, 2, 3})):
        outcome = judge(script, Mutant(source, (42,), ""), runs)
        assert outcome is not None
        assert outcome.wrong == gradients
        assert outcome.is_called_right


def test_the_original_lines_are_what_formulas_are_held_against() -> None:
    script = OWN["columns"]
    (run,) = [r for r in line_runs(script, script.distinct) if r.line == 42]
    good = "d_two[k,b] = Σ_l W3[l,k] d_guess[l,b] two[k,b] (1 - two[k,b])"
    assert formula_value(good, run.values) == pytest.approx(run.given[0])
    for other in ("1 - one[k,b]", "1 + two[k,b]", "two[k,b] - 1"):
        worse = good.replace("1 - two[k,b]", other)
        try:
            value = formula_value(worse, run.values)
        except UnreadableError:  # sizes do not meet
            continue
        assert value != pytest.approx(run.given[0])
