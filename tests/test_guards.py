"""A small constant that a loss adds before a logarithm, where no line can be read, and what is right without it."""

from typing import Any

import numpy as np
import pytest
from verdict_cases import undiagnosed

import einbackprop as eb
from einbackprop.checking.guards import guards_in, unguarded
from einbackprop.world import Runner, World

rng = np.random.default_rng(3)
W, X, Y = rng.normal(size=(3, 4)), rng.normal(size=(6, 3)), np.eye(4)[rng.integers(0, 4, 6)]


def read_by_nobody(values: Any) -> Any:
    """What makes arrays plain numbers, so that no trace goes through it, and the complex step does."""
    return np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.real.max(axis=1, keepdims=True))
    return read_by_nobody(e / e.sum(axis=1, keepdims=True))


def gradient(W: Any, X: Any, Y: Any) -> Any:
    return X.T @ (softmax(X @ W) - Y)


def written(W: Any, X: Any, Y: Any) -> Any:
    return -np.sum(Y * np.log(softmax(X @ W) + 1e-8))


def named(W: Any, X: Any, Y: Any) -> Any:
    tiny = 1e-7
    return -np.sum(Y * np.log(softmax(X @ W) + tiny))


def default(W: Any, X: Any, Y: Any, tiny: float = 1e-9) -> Any:
    return -np.sum(Y * np.log(softmax(X @ W) + tiny))


@pytest.mark.parametrize(("loss", "told"), [(written, "1e-08"), (named, "1e-07"), (default, "1e-09")])
def test_a_gradient_that_leaves_out_a_guard_is_right(loss: Any, told: str) -> None:
    report = eb.check(loss, gradient, W, X, Y)
    (found,) = report.gradients
    assert any("lines are not judged" in text for text in report.assumptions)
    assert found.verdict == "right"
    assert found.note.startswith(f"right, but for the {told} that the loss adds before it takes the logarithm")


@pytest.mark.parametrize("wrong", [
    lambda W, X, Y: gradient(W, X, Y) * 1.01, lambda W, X, Y: gradient(W, X, Y) + 1e-8 * W,
    lambda W, X, Y: gradient(W, X, Y - 1e-3),
], ids=["factor", "decay", "target"])  # fmt: skip
def test_a_guard_excuses_nothing_else(wrong: Any) -> None:
    (found,) = eb.check(written, wrong, W, X, Y).gradients
    assert found.verdict in ("wrong", "undecided")


def test_a_small_weight_of_a_penalty_is_no_guard() -> None:
    def penalised(W: Any, X: Any, Y: Any) -> Any:
        return -np.sum(Y * np.log(softmax(X @ W))) + 1e-5 * np.sum(W**2)

    assert guards_in(penalised) == set()
    assert guards_in(lambda p, w: np.log(p + 1e-8) + 1e-8 * w) == set()  # nobody knows which of the two is meant
    (found,) = eb.check(penalised, gradient, W, X, Y).gradients
    assert found.verdict in ("wrong", "undecided")


def test_the_functions_are_afterwards_what_they_were() -> None:
    world = World()
    made = world.of(default)
    loss = Runner(world, lambda state: made(*state))
    bare, constants = unguarded(loss)
    assert constants == (1e-9,)
    plain = default(W, X, Y)
    assert loss((W, X, Y)) == plain
    assert bare((W, X, Y)) == pytest.approx(default(W, X, Y, 0.0), rel=1e-14)
    assert bare((W, X, Y)) != plain
    assert loss((W, X, Y)) == plain


def directions(V: Any, W: Any, g: Any = 1e-9) -> Any:
    norm = np.sqrt((V @ W) ** 2 @ np.ones((2, 1))) + g
    return V @ W / norm, norm


def alignment(W: Any, V: Any, Y: Any) -> Any:
    unit, _ = directions(V, W)
    return np.sum(unit * Y)


@pytest.mark.parametrize(("wrong", "verdict"), [("", "right"), ("* 1.0001", "wrong"), ("+ 1e-3", "wrong")])
def test_a_guard_of_a_division_is_forgiven_where_it_changes_next_to_nothing(
    wrong: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    undiagnosed(monkeypatch)

    def slopes(W: Any, V: Any, Y: Any) -> Any:
        unit, norm = directions(V, W)
        d = (Y - unit * (Y * unit).sum(1, keepdims=True)) / norm
        return V.T @ eval(f"d {wrong}", {"d": d})

    def right(W: Any, V: Any, Y: Any) -> Any:
        unit, norm = directions(V, W)
        return V.T @ ((Y - unit * (Y * unit).sum(1, keepdims=True)) / norm)

    rng = np.random.default_rng(3)
    arrays = rng.normal(size=(4, 2)), rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    (found,) = eb.check(alignment, slopes if wrong else right, *arrays).gradients
    assert found.verdict == verdict
    assert bool(found.note.endswith("of its largest entry") and "before it divides" in found.note) is not bool(wrong)


@pytest.mark.parametrize(("factor", "verdicts"), [("", ["right", "right"]), ("* 1.1", ["wrong", "right"])])
def test_where_the_loss_saturates_a_guard_accuses_nothing(
    factor: str, verdicts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores are large: at the states that are drawn the guard is larger than the probability."""
    undiagnosed(monkeypatch)

    def loss(W: Any, b: Any, X: Any, Y: Any) -> Any:
        return -np.sum(Y * np.log(softmax(30 * (X @ W + b)) + 1e-8))

    def gradients(W: Any, b: Any, X: Any, Y: Any) -> Any:
        d = 30 * (softmax(30 * (X @ W + b)) - Y)
        return eval(f"X.T @ d {factor}", {"X": X, "d": d}), d.sum(axis=0)

    report = eb.check(loss, gradients, W, np.zeros(4), X, Y, wrt=(0, 1))
    assert [found.verdict for found in report.gradients] == verdicts, str(report)


def test_a_guard_that_changes_less_than_the_reference_tells_is_forgiven() -> None:
    """Differences of the loss are no closer than a 1e-12 among what it divides by."""

    def both(e: Any, C: Any) -> Any:
        x = np.exp(e - e.max(axis=1, keepdims=True))
        a = x / (x.sum(axis=1, keepdims=True) + 1e-12)
        return np.sum(a * C), a * (C - np.sum(C * a, axis=1, keepdims=True))

    arguments = (np.random.default_rng(seed).normal(size=(2, 3)) for seed in (1, 2))
    (found,) = eb.check(both, *arguments, wrt=0).gradients
    assert found.verdict == "right"
    assert found.note.startswith("right, but for the 1e-12 that the loss adds")
    assert "before it divides" in found.note
