"""A small constant that a loss adds before a logarithm, where no line can be read, and what is right without it."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of
from verdict_cases import undiagnosed

import einbackprop as eb
from einbackprop.checking.guards import guards_in, unguarded
from einbackprop.diagnosis import diagnose
from einbackprop.diagnosis.diagnose import is_cleared
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


ATTENTION = """\
import numpy as np


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def norm_backward(d, x, tiny):
    N = x.shape[1]
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    dvar = np.sum(d * (x - mean) * -0.5 * (var + tiny) ** (-1.5), axis=1, keepdims=True)
    dmean = np.sum(-d / np.sqrt(var + tiny), axis=1, keepdims=True)
    return d / np.sqrt(var + tiny) + dvar * 2 * (x - mean) / N + dmean / N


def loss(W, V, x, C):
    z = x + softmax(x @ W @ (x @ V).T) @ x
    return np.sum(C * (z - z.mean(axis=1, keepdims=True)) / (z.std(axis=1, keepdims=True) + 1e-6))


def gradients(W, V, x, C):
    q, k = x @ W, x @ V
    a = softmax(q @ k.T)
    da = norm_backward(C, x + a @ x, 1e-6) @ x.T
    ds = a * (da - np.sum(da * a, axis=1, keepdims=True))
    return x.T @ (ds @ k), x.T @ (ds.T @ q)
"""


def test_what_a_guard_changes_is_no_multiple_of_the_gradient() -> None:
    """``std + 1e-6`` and ``sqrt(var + 1e-6)`` differ by little: the gradient is near its own multiples."""
    module = module_of(ATTENTION, "attention")
    r = np.random.default_rng(5)
    given = [r.standard_normal(shape) for shape in ((4, 4), (4, 4), (5, 4), (5, 4))]
    report = eb.check(module.loss, module.gradients, *given, wrt=(0, 1))
    assert [item.verdict for item in report.gradients] == ["right", "wrong"]
    assert "it is" not in str(report)


@pytest.mark.parametrize(
    ("before", "after", "is_exact", "cleared"),
    [
        (1e-5, 1e-6, True, False),
        (1e-5, 1e-8, True, True),
        (1e-2, 1e-5, True, True),  # that is no guard's doing
        (1e-5, 1e-6, False, True),  # the slope may be no better known
    ],
)
def test_an_edit_must_leave_little_of_what_is_off_by_little(
    before: float, after: float, is_exact: bool, cleared: bool
) -> None:
    off = iter((before, after))
    first = SimpleNamespace(run=dict, off=lambda made, names: next(off), is_exact=is_exact)
    judge: Any = SimpleNamespace(first=first, running=lambda version: nullcontext())
    version: Any = None
    assert is_cleared(judge, version, version, frozenset("w")) is cleared


def test_what_is_not_cleared_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of("def loss(w):\n    return (w * w).sum()\n\n\ndef gradients(w):\n    return w\n", "halves")
    assert eb.check(module.loss, module.gradients, W, wrt=0).findings[0].write == "return 2 * w"
    monkeypatch.setattr(diagnose, "is_cleared", lambda *_: False)
    assert not eb.check(module.loss, module.gradients, W, wrt=0).findings


@pytest.mark.parametrize(
    ("right", "instead"),
    [("return 2 * x", "return 2 * x + tiny * x * x"), ("return 2 * x", "return 2 * x * (1 + tiny)")],
)
def test_a_mistake_that_changes_little_is_repaired(right: str, instead: str) -> None:
    code = f"def loss(x, y, tiny):\n    return (x * x).sum()\n\n\ndef gradients(x, y, tiny):\n    {instead}\n"
    module = module_of(code, "little")
    x, y = (np.random.default_rng(seed).standard_normal(5) for seed in range(2))
    (finding,) = eb.check(module.loss, module.gradients, x, y, 1e-5, wrt=0).findings
    assert finding.write == right
