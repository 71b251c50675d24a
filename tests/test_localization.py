"""The statements that can be at fault, and what each should have made."""

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from mutant_outcomes import module_of
from test_versions import versions

from einbackprop.checking.answers import User
from einbackprop.checking.certifying import Reference
from einbackprop.checking.functions import pair_problem
from einbackprop.checking.problems import targets_of, with_arrays
from einbackprop.diagnosis.diagnose import allow_for_differences
from einbackprop.diagnosis.experiments import Experiment, true_gradient
from einbackprop.diagnosis.localization import Localization
from einbackprop.diagnosis.recording import Recording
from einbackprop.diagnosis.suspects import Suspect
from einbackprop.diagnosis.versions import Version

NETWORK = """\
import numpy as np


def loss(W, b, V, X, Y):
    h = np.tanh(X @ W + b)
    return 0.5 * np.sum((h @ V - Y) ** 2)


def gradients(W, b, V, X, Y):
    h = np.tanh(X @ W + b)
    dout = h @ V - Y
    dV = h.T @ dout
    dh = dout @ V.T
    dz = dh * (1 - h**2)
    db = dz.sum(axis=0)
    dW = X.T @ dz
    return dW, db, dV
"""
NORMED = """\
import numpy as np


def loss(W, b, X, Y):
    z = X @ W + b
    c = z - z.mean(axis=0)
    return np.sum(c ** 3 * Y)


def gradients(W, b, X, Y):
    z = X @ W + b
    c = z - z.mean(axis=0)
    dc = 3 * c**2 * Y
    dz = dc - dc.mean(axis=0)
    db = dz.sum(axis=0)
    dW = X.T @ dz
    return dW, db
"""
RECURRENT = """\
import numpy as np


def loss(W, U, X):
    h, total = np.zeros(4), 0.0
    for t in range(3):
        h = np.tanh(U @ X[t] + W @ h)
        total += h.sum()
    return total


def gradients(W, U, X):
    hs = {-1: np.zeros(4)}
    for t in range(3):
        hs[t] = np.tanh(U @ X[t] + W @ hs[t - 1])
    dW, dU, later = np.zeros((4, 4)), np.zeros((4, 2)), np.zeros(4)
    for t in reversed(range(3)):
        dh = 1 + later
        dz = dh * (1 - hs[t] ** 2)
        dW += np.outer(dz, hs[t - 1])
        dU += np.outer(dz, X[t])
        later = W.T @ dz
    return dW, dU
"""
NETWORK_SHAPES = (6, 4), (4,), (4, 2), (5, 6), (5, 2)  # so that W says all of dz
NORMED_SHAPES = (3, 2), (2,), (5, 3), (5, 2)
RECURRENT_SHAPES = (4, 4), (4, 2), (3, 2)


def localized(
    source: str, changes: dict[str, str], shapes: Sequence[tuple[int, ...]], wrt: tuple[int, ...]
) -> tuple[Localization, dict[str, Suspect], Any]:
    """The localization of an edited source, its suspects by their targets, and the right values of the local names."""
    text = source
    for before, after in changes.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    module: Any = module_of(text, "localized")
    rng = np.random.default_rng(4)
    problem = pair_problem(module.loss, module.gradients, [rng.normal(size=s) for s in shapes], wrt)
    state = with_arrays(problem)
    user = User(problem.loss, problem.gradients, problem.gradients_source, targets_of(problem, state))
    experiment = Experiment(user, state, tuple(target.path for target in user.targets), rng)
    localization = Localization(experiment, Version(user.loss.world))
    right: Any = module_of(source, "right")
    made: dict[str, Any] = {}
    version, call = versions(right.gradients)
    recording = Recording()
    with version.watched_by(recording):
        call(*state)
    for site, entry in recording.made_by.items():
        made.setdefault(site.target, entry.values)
    with np.errstate(all="ignore"):  # as in a check
        return localization, {s.site.target: localization.solved(s) for s in localization.suspects}, made


def network(changes: dict[str, str]) -> tuple[Localization, dict[str, Suspect], Any]:
    return localized(NETWORK, changes, NETWORK_SHAPES, (0, 1, 2))


@pytest.mark.parametrize("trusted", [(), (0,), (0, 1)])
def test_right_gradients_are_not_taken_entry_by_entry_again_and_wrong_ones_are(
    monkeypatch: pytest.MonkeyPatch, trusted: tuple[int, ...]
) -> None:
    """What is known to be right is held against the loss along a few directions: each entry takes runs of it."""

    def loss(w: Any, v: Any) -> Any:
        return np.sum(np.sin(w)) + np.sum(v**2)

    def gradients(w: Any, v: Any) -> Any:
        return np.cos(w), v

    taken: list[Any] = []
    gradient = Reference.gradient

    def counted(self: Reference, path: Any, *more: Any) -> Any:
        taken.append(path)
        return gradient(self, path, *more)

    monkeypatch.setattr(Reference, "gradient", counted)
    rng = np.random.default_rng(5)
    problem = pair_problem(loss, gradients, [rng.normal(size=(6, 5)), rng.normal(size=4)], (0, 1))
    state = with_arrays(problem)
    user = User(problem.loss, problem.gradients, problem.gradients_source, targets_of(problem, state))
    names = [target.name for target in user.targets]
    experiment = Experiment(user, state, ((0,), (1,)), rng, trusted={names[n] for n in trusted})
    assert np.allclose(experiment.truth[names[0]], np.cos(state[0]))
    assert np.allclose(experiment.truth[names[1]], 2 * state[1])
    assert taken == ([(1,)] if trusted else [(0,), (1,)])  # the second is not right, whatever was said of it


@pytest.mark.parametrize("is_kinked", [False, True])
def test_gradients_are_compared_along_directions_as_well_as_entry_by_entry(
    monkeypatch: pytest.MonkeyPatch, is_kinked: bool
) -> None:
    """A mistake in one entry shows along any direction; rounding of a gradient that is always zero does not."""

    def loss(w: Any, b: Any, v: Any) -> Any:
        z = w + b
        centred = z - z.mean(axis=0)
        return np.sum(np.sin(centred) * v) + (np.sum(np.abs(np.ceil(v) * w)) if is_kinked else 0.0)

    rng = np.random.default_rng(7)
    problem = pair_problem(loss, lambda w, b, v: (w, b), [rng.normal(size=s) for s in ((6, 5), (5,), (6, 5))], (0, 1))
    state = with_arrays(problem)
    user = User(problem.loss, problem.gradients, problem.gradients_source, targets_of(problem, state), narrow=())
    plain, along = (Experiment(user, state, ((0,), (1,)), rng, is_sketched=each) for each in (False, True))
    truth = plain.truth
    monkeypatch.setattr(Reference, "gradient", None)  # no entries are asked for
    noise = 1e-17 * rng.normal(size=5)
    assert along.wrong({"w": truth["w"], "b": noise}) == plain.wrong({"w": truth["w"], "b": noise}) == frozenset()
    for at in np.ndindex(6, 5):
        changed = truth["w"].copy()
        changed[at] += 1e-4
        assert along.wrong({"w": changed, "b": noise}) == {"w"}
    both = {"w": 1.001 * truth["w"], "b": noise + 1e-4}
    for wrong in (both, {"w": np.full((6, 5), np.nan), "b": "b"}, {"w": truth["w"].T, "b": np.ones(4)}, None):
        assert along.wrong(wrong) == plain.wrong(wrong) == {"w", "b"}
    assert along.wrong({"w": truth["w"], "b": None}) == plain.wrong({"w": truth["w"], "b": None}) == frozenset()


def test_what_is_derived_is_the_true_gradient_only_where_the_loss_says_so() -> None:
    rng = np.random.default_rng(6)
    w = rng.normal(size=(12, 9))
    reference = Reference(lambda state: np.sum(np.sin(state[0])), [w], ((0,),), rng)
    derived = np.cos(w)
    assert true_gradient(reference, (0,), derived, rng) is derived
    in_one_entry = derived + 1e-3 * (np.arange(w.size) == 40).reshape(w.shape)
    for wrong in (1.0001 * derived, in_one_entry, np.full(w.shape, np.nan), None):
        found = true_gradient(reference, (0,), wrong, rng)
        assert found is not wrong
        np.testing.assert_allclose(found, derived, atol=1e-6)


@pytest.mark.parametrize(("off", "is_allowed"), [(1e-5, True), (1e-2, False)])
def test_a_reference_is_as_exact_as_what_is_right_says(off: float, is_allowed: bool) -> None:
    """Differences near a kink are off by more than usual; by what is far more, something else is wrong."""
    experiment = network({})[0].experiment
    experiment.truth["b"], experiment.tolerance = experiment.truth["b"] * (1 + off), 1e-6
    assert experiment.wrong(experiment.run()) == {"b"}
    allow_for_differences(experiment, frozenset({"W"}))
    assert (experiment.wrong(experiment.run()) == frozenset()) == is_allowed
    experiment.tolerance = 1e-6
    allow_for_differences(experiment, frozenset({"b"}))  # it is wrong by the check
    assert experiment.tolerance == 1e-6


def test_right_code_has_no_suspects() -> None:
    localization, suspects, _ = network({})
    assert localization.wrong == frozenset()
    assert suspects == {}
    assert [made.site.target for made in localization.made][-7:-3] == ["dh", "dz", "db", "dW"]


@pytest.mark.parametrize(("before", "after", "at", "wrong"), [
    ("dh * (1 - h**2)", "dh * (1 + h**2)", "dz", {"W", "b"}),
    ("dout @ V.T", "dout @ V.T + 1", "dh", {"W", "b"}),
    ("dh * (1 - h**2)", "np.exp(dh) + h", "dz", {"W", "b"}),
    ("dout = h @ V - Y", "dout = h @ V - 2 * Y", "dout", {"W", "b", "V"}),
    ("X.T @ dz", "X.T @ dz - W", "dW", {"W"}),
    ("dz.sum(axis=0)", "dz.max(axis=0)", "db", {"b"}),
])  # fmt: skip
def test_what_a_statement_should_have_made_is_known(before: str, after: str, at: str, wrong: set[str]) -> None:
    localization, suspects, right = network({before: after})
    assert localization.wrong == wrong
    suspect = suspects[at]
    assert suspect.reach >= wrong
    assert not suspect.is_excluded
    assert suspect.is_unique
    np.testing.assert_allclose(suspect.expected[0], right[at][0], rtol=1e-6, atol=1e-7)


def test_what_cannot_set_everything_right_is_excluded() -> None:
    _, suspects, _ = network({"dh * (1 - h**2)": "dh * (1 + h**2)"})
    assert suspects["dout"].is_excluded  # the gradient of V, which is right, depends on it
    assert "dV" not in suspects
    assert not suspects["dh"].is_excluded  # another dh would do
    assert suspects["db"].reach == {"b"}


def test_what_a_statement_hands_on_is_solved_with_few_runs() -> None:
    localization, suspects, _ = network({"dh * (1 - h**2)": "dh * (1 + h**2)", "return dW": "dV = dV\n    return dW"})
    made = next(made for made in localization.made if isinstance(made.site.statement, ast.Return))
    assert made.site.target == "dW"
    runs, run = [], localization.run
    localization.run = lambda shift: runs.append(shift) or run(shift)  # type: ignore[method-assign, func-returns-value]
    localization.solved(Suspect(made, suspects["dW"].reach))
    assert not runs  # the nudge of the reach has shown that it moves the same as dW


def test_the_loss_is_trusted_and_what_it_runs_is_no_suspect() -> None:
    text = NETWORK.replace("    h = np.tanh(X @ W + b)\n", "    h = hidden(W, b, X)\n").replace(
        "def loss", "def hidden(W, b, X):\n    z = X @ W + b\n    return np.tanh(z)\n\n\ndef loss")
    localization, suspects, _ = localized(text, {"dout @ V.T": "dout @ V.T * 2"}, NETWORK_SHAPES, (0, 1, 2))
    assert "z" in [made.site.target for made in localization.made]
    assert "z" not in suspects
    assert "dh" in suspects


def test_a_gradient_that_is_zero_for_every_value_is_not_wrong_and_hides_nothing() -> None:
    localization, suspects, right = localized(
        NORMED, {"X.T @ dz": "X.T @ dz * 2"}, NORMED_SHAPES, (0, 1))
    assert localization.wrong == {"W"}
    np.testing.assert_allclose(suspects["dW"].expected[0], right["dW"][0], rtol=1e-6)
    localization, suspects, right = localized(
        NORMED, {"dc - dc.mean(axis=0)": "dc"}, NORMED_SHAPES, (0, 1))
    assert localization.wrong == {"W", "b"}
    assert not suspects["dz"].is_excluded
    assert {"db", "dW"}.isdisjoint(t for t, s in suspects.items() if s.reach >= localization.wrong)


def test_memory_as_it_was_found_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold nan, and is written to before it is read: seen once in twenty runs of one script."""
    monkeypatch.setattr(np, "empty_like", lambda array: np.full(array.shape, np.nan))
    written = "    dV = np.empty_like(V)\n    dV[:] = h.T @ dout\n"
    _, suspects, right = network({"    dV = h.T @ dout\n": written, "X.T @ dz": "X.T @ dz * 2"})
    np.testing.assert_allclose(suspects["dW"].expected[0], right["dW"][0], rtol=1e-6)


def test_a_value_that_is_masked_later_hides_nothing() -> None:
    """Code such as ``np.where(ok, np.log(x), 0)`` makes nan on its way."""
    masked = "    root = np.sqrt(-h * h)\n    h = np.where(root == root, root, h)\n    dV = h.T @ dout\n"
    _, suspects, right = network({"    dV = h.T @ dout\n": masked, "X.T @ dz": "X.T @ dz * 2"})
    np.testing.assert_allclose(suspects["dW"].expected[0], right["dW"][0], rtol=1e-6)
    assert suspects["root"].is_fixed


def test_a_value_of_a_smaller_shape_is_grown() -> None:
    """A mean over everything for one over each column."""
    changes = {"    dz = dc - dc.mean(axis=0)\n": "    m = dc.mean()\n    dz = dc - m\n"}
    _, suspects, right = localized(NORMED, changes, NORMED_SHAPES, (0, 1))
    suspect = suspects["m"]
    assert suspect.grown == (2,)
    mean = right["dc"][0].reshape(5, 2).mean(axis=0)
    np.testing.assert_allclose(suspect.expected[0], mean, rtol=1e-6)


def test_in_a_loop_each_round_is_expected_as_it_is_once_all_are_right() -> None:
    localization, suspects, right = localized(
        RECURRENT, {"later = W.T @ dz": "later = W @ dz"}, RECURRENT_SHAPES, (0, 1))
    assert localization.wrong == {"W", "U"}
    for target in ("dz", "dh"):
        assert suspects[target].is_repeated
        assert suspects[target].is_known
        for expected, true in zip(suspects[target].expected, right[target], strict=True):
            np.testing.assert_allclose(expected, true, rtol=1e-5, atol=1e-8)
    localization, suspects, right = localized(
        RECURRENT, {"dW += np.outer(dz, hs[t - 1])": "dW += np.outer(dz, hs[t])"}, RECURRENT_SHAPES, (0, 1))
    assert localization.wrong == {"W"}
    assert suspects["dW"].reach == {"W"}
    assert not suspects["dW"].is_excluded


def test_gradients_that_raise_leave_all_statements_open() -> None:
    localization, suspects, _ = network({"dout @ V.T": "dout @ V"})
    assert localization.before is None
    assert localization.wrong == {"W", "b", "V"}
    assert {"h", "dout", "dV"} <= set(suspects)
    assert "dz" not in suspects  # it did not run
