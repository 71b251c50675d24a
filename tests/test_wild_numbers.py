"""The hand-written code in `wild` is right where it should be, and wrong exactly where it says so.

The reference is a difference quotient of fourth order, which shares no code with the gradients.
"""

import copy
import linecache
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sampling import some
from wild import CONTROLS, FIXTURES, GROUPS, WRONG, Fixture, Wrong, pick, replace

SEEDS = (0, 3)  # no draw of these has a relu, a hinge or a maximum within two steps of its kink
STEP = 1e-4
TOLERANCE = 1e-9  # of the largest gradient plus the loss: 300 times what rounding leaves in a quotient at this step
STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))

RIGHT = [*FIXTURES, *CONTROLS]
EVERY = [*RIGHT, *(wrong.fixture for wrong in WRONG)]


def differences(loss: Callable[..., Any], arguments: tuple[Any, ...], path: str) -> np.ndarray:
    """The derivative of the loss in every entry at `path`, each call on its own copy of the arguments."""
    value = pick(arguments, path)
    entries = np.asarray(value)
    assert entries.dtype == np.float64
    gradient = np.zeros(entries.shape)
    for place in np.ndindex(entries.shape):
        for steps, weight in STENCIL:
            moved = entries.copy()
            moved[place] += steps * STEP
            at = replace(copy.deepcopy(arguments), path, float(moved) if isinstance(value, float) else moved)
            gradient[place] += weight * float(loss(*at)) / STEP
    return gradient


def agree(gradient: Any, reference: np.ndarray, loss: float) -> bool:
    """Whether a gradient has the shape and, up to the error of the quotient, the values of the reference."""
    if np.shape(gradient) != reference.shape:
        return False
    allowed = TOLERANCE * (np.abs(reference).max(initial=0.0) + abs(loss))
    return bool(np.all(np.abs(gradient - reference) <= allowed))


def wrong_paths(fixture: Fixture, sizes: tuple[int, ...], seed: int) -> tuple[str, ...]:
    """The paths of `wrt` whose hand-written gradient is not the derivative of the loss."""
    arguments = fixture.arguments(np.random.default_rng(seed), sizes)
    loss = float(fixture.loss(*copy.deepcopy(arguments)))
    gradients = fixture.gradients(*copy.deepcopy(arguments))
    return tuple(
        path
        for path, place in fixture.pairs
        if not agree(pick(gradients, place), differences(fixture.loss, arguments, path), loss)
    )


def named(fixture: Fixture | Wrong) -> str:
    return fixture.fixture.name if isinstance(fixture, Wrong) else fixture.name


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fixture", some(RIGHT), ids=named)
def test_right_gradients_are_the_derivatives_of_their_loss(fixture: Fixture, seed: int) -> None:
    for sizes in fixture.strata:
        assert wrong_paths(fixture, sizes, seed) == ()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wrong", WRONG, ids=named)
def test_wrong_gradients_are_wrong_exactly_where_they_say(wrong: Wrong, seed: int) -> None:
    for sizes in wrong.fixture.strata:
        assert wrong_paths(wrong.fixture, sizes, seed) == wrong.wrong


@pytest.mark.parametrize("wrong", WRONG, ids=named)
def test_the_line_of_a_mistake_is_marked(wrong: Wrong) -> None:
    file = wrong.function.__code__.co_filename
    assert Path(file).name == "wrong.py"
    assert linecache.getline(file, wrong.line).endswith("# WRONG\n")


@pytest.mark.parametrize("fixture", RIGHT, ids=named)
def test_an_error_of_a_ten_millionth_is_seen(fixture: Fixture) -> None:
    arguments = fixture.arguments(np.random.default_rng(2))
    loss = float(fixture.loss(*copy.deepcopy(arguments)))
    gradients = fixture.gradients(*copy.deepcopy(arguments))
    for _, place in fixture.pairs:
        gradient = np.array(pick(gradients, place), float)
        off = gradient.copy()
        off.flat[off.size // 2] += 1e-7 * (np.abs(gradient).max() + abs(loss))
        assert agree(gradient, gradient, loss)
        assert not agree(off, gradient, loss)
        assert not agree(gradient[..., None], gradient, loss)


def test_the_reference_is_thirty_times_better_than_the_tolerance() -> None:
    point = np.random.default_rng(0).normal(size=(3, 4))

    def loss(x: np.ndarray) -> float:
        return float(np.sum(np.sin(x) * np.exp(x)))

    error = differences(loss, (point,), "0") - (np.sin(point) + np.cos(point)) * np.exp(point)
    assert np.abs(error).max() * 30 < TOLERANCE * abs(loss(point))


def test_there_are_enough_and_their_names_differ() -> None:
    assert len(FIXTURES) >= 48
    assert len(CONTROLS) >= 30
    assert len(WRONG) >= 12
    assert len({fixture.name for fixture in EVERY}) == len(EVERY)


def test_every_kind_of_call_is_needed_by_several() -> None:
    for group in GROUPS:
        assert sum(group in fixture.groups for fixture in RIGHT) >= 2, GROUPS[group]


@pytest.mark.parametrize("fixture", EVERY, ids=named)
def test_sizes_differ_by_default(fixture: Fixture) -> None:
    assert len(set(fixture.sizes)) == len(fixture.sizes)
    assert len(fixture.names) == len(fixture.pairs) == len(set(fixture.wrt))


CALLS = {
    5: "dot matmul einsum outer tensordot inner",
    6: "zeros zeros_like ones ones_like empty empty_like copy",
    12: "max amax argmax",
    13: "pad flip convolve correlate",
    14: "array asarray int64 float32 c_",
    15: "concatenate hstack vstack column_stack stack split",
    18: "insert delete argwhere isin unravel_index linalg",
    19: "repeat tile diag diagflat eye broadcast_arrays",
    20: "random",
}
GROUP_OF = {name: group for group, names in CALLS.items() for name in names.split()}


class Recorder(ModuleType):
    """NumPy, with a note of what is looked up in it."""

    def __init__(self) -> None:
        super().__init__("numpy")
        self.seen: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.seen.add(name)
        return getattr(np, name)


def looked_up(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the fixture's code takes from `np`, which is swapped in its module while it runs."""
    arguments = fixture.arguments(np.random.default_rng(0))
    names = fixture.loss.__globals__
    assert fixture.gradients.__globals__ is names
    assert names["np"] is np
    recorder = Recorder()
    with monkeypatch.context() as patch:
        patch.setitem(names, "np", recorder)
        fixture.loss(*copy.deepcopy(arguments))
        fixture.gradients(*copy.deepcopy(arguments))
    return recorder.seen


@pytest.mark.parametrize("fixture", EVERY, ids=named)
def test_np_can_be_swapped_and_the_groups_name_what_is_used(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looked_up(fixture, monkeypatch)
    assert {GROUP_OF[name] for name in seen & GROUP_OF.keys()} <= set(fixture.groups)
    assert list(fixture.groups) == sorted(set(fixture.groups))
    assert set(fixture.groups) <= GROUPS.keys()


def test_the_swapped_np_is_what_the_code_looks_into(monkeypatch: pytest.MonkeyPatch) -> None:
    (fixture,) = [fixture for fixture in FIXTURES if fixture.name == "lstm_step"]
    assert looked_up(fixture, monkeypatch) >= {"exp", "tanh", "hstack", "sum"}
