"""Correct gradients in unusual circumstances are not accused; with a small mistake none is called right."""

import circumstances_ranges  # noqa: F401 - each adds its own
import circumstances_rounding  # noqa: F401
import circumstances_shapes  # noqa: F401
import pytest
from circumstances import CIRCUMSTANCES
from circumstances_mistakes import MISTAKES, Mistake, mistaken
from sampling import THOROUGH

from einbackprop.checking.answers import mentions_half
from einbackprop.checking.solving import check

NAMES = list(CIRCUMSTANCES)
SOME = NAMES if THOROUGH else NAMES[::3]
SLOW = {"1e-7 in the loss only", "float16 products in the loss"}  # seconds each
MISTAKEN = [(name, how) for n, name in enumerate(SOME) for k, how in enumerate(MISTAKES)
            if THOROUGH or (name not in SLOW and k == n % len(MISTAKES))]  # fmt: skip
UNDECIDED = {"a float32 total"}  # differences of it cannot show a mistake of 1e-4 at some draws


def verdicts(name: str, how: Mistake | None) -> list[str]:
    case = CIRCUMSTANCES[name]
    gradients = mistaken(case, how) if how else case.gradients
    return [item.verdict for item in check(case.loss, gradients, *case.arguments, wrt=case.wrt).gradients]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES if THOROUGH else [name for name in NAMES if name not in SLOW])
def test_a_correct_gradient_is_right(name: str) -> None:
    assert set(verdicts(name, None)) <= ({"right", "undecided"} if name in UNDECIDED else {"right"})


@pytest.mark.long
@pytest.mark.usefixtures("verdicts_alone")
@pytest.mark.parametrize(("name", "how"), MISTAKEN)
def test_a_small_mistake_is_wrong(name: str, how: Mistake) -> None:
    assert "wrong" in verdicts(name, how)


@pytest.mark.parametrize("how", MISTAKES)
def test_code_that_only_mentions_half_precision_may_be_off_by_no_more(how: Mistake) -> None:
    assert "wrong" in verdicts("float16 is not used", how)


@pytest.mark.parametrize(("name", "is_half"), [
    ("half is a number", False), ("float16 is not used", True), ("a float16 cast in the gradient", True)])  # fmt: skip
def test_a_name_of_the_users_is_no_half_precision(name: str, is_half: bool) -> None:
    assert mentions_half([CIRCUMSTANCES[name].gradients]) is is_half  # type: ignore[list-item]


def test_there_are_enough_of_each_kind() -> None:
    kinds = [case.kind for case in CIRCUMSTANCES.values()]
    least = {"narrow": 8, "kink": 8, "range": 10, "tied": 8, "zero": 8, "guard": 8, "scale": 10}
    assert all(kinds.count(kind) >= count for kind, count in least.items())
