"""Steps of training: which loss they descend, by which rate, is read off values; scripts are opened line by line."""

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from einbackprop.checking.elsewhere import repeated
from einbackprop.shell.execution import execute_what_can
from einbackprop.shell.proposals.definitions import script_of
from einbackprop.shell.proposals.flattened import rounds
from einbackprop.shell.proposals.invention import Term
from einbackprop.shell.proposals.measures import Measure
from einbackprop.shell.proposals.opening import opened
from einbackprop.shell.proposals.rates import Rates, alike, best_of, rates_in
from einbackprop.shell.proposals.round_questions import around, parts_of, updaters_of
from einbackprop.shell.proposals.steps import Step, is_decayed

NO_RATES = Rates([], [])


class Code:
    """Evaluates expressions among copies of names, as trials do."""

    def __init__(self, **names: Any) -> None:
        self.names = names

    def __call__(self, setup: Sequence[str], moves: Mapping[str, np.ndarray], text: str) -> Any:
        names = {"np": np, **copy.deepcopy(self.names)}
        np.random.seed(0)  # as trials draw the same numbers each time
        for statement in setup:
            exec(statement, names)
        for held, way in moves.items():
            names["way"] = way
            exec(f"{held} = {held} + way", names)
        try:
            return eval(text, names)
        except (NameError, ValueError):
            return None


def trainer(factor: np.ndarray, target: np.ndarray, rate: float, wrong: float = 0.0) -> Any:
    """A step that descends ``0.5 |A w - t|² + 0.5 |v|²``; ``wrong`` is added to a part of the gradient of w."""
    def step(held: dict[str, np.ndarray]) -> None:
        gradient = factor.T @ (factor @ held["w"] - target)
        gradient[0] += wrong
        held["left"] = gradient
        held["w"] = held["w"] - rate * gradient
        held["v"] = held["v"] - rate * held["v"]
    return step


def step_of(size: int, seed: int, rate: float, wrong: float = 0.0) -> tuple[Step, Measure, Measure]:
    rng = np.random.default_rng(seed)
    factor, target = rng.normal(size=(size + 1, size)), rng.normal(size=size + 1)
    held = {"w": rng.normal(size=size), "v": rng.normal(size=2)}
    code = Code(h=held, A=factor, t=target, step=trainer(factor, target, rate, wrong))
    places = ["h['w']", "h['v']"]
    loss = "0.5 * np.sum((A @ h['w'] - t) ** 2) + 0.5 * np.sum(h['v'] ** 2)"
    other = "np.sum(np.abs(h['w'])) + np.sum(np.abs(h['v']))"
    step = Step(Term("step(h)"), {text: text for text in places}, code, {"h['left']": "h['left']"})
    return step, Measure(loss, (loss,), named=True), Measure(other, (other,), named=True)


@given(st.integers(2, 5), st.integers(0, 1000), st.floats(1e-3, 0.5))
def test_of_two_losses_the_one_that_a_step_descends_is_found_with_its_rate(size: int, seed: int, rate: float) -> None:
    step, loss, other = step_of(size, seed, rate)
    found = best_of(list(step.descents([other, loss], ())), NO_RATES)
    assert found is not None
    assert (found.loss, found.followed, found.of) == (loss, 2, ("h['w']", "h['v']"))
    assert abs(found.rate - rate) < 1e-3 * rate
    assert found.held == {"h['w']": "h['left']"}
    gradients = step.moved((), {}, step.gradients(found, repr(rate)))
    factor, target, held = (step.moved((), {}, name) for name in ("A", "t", "h"))
    assert np.allclose(gradients[0], factor.T @ (factor @ held["w"] - target))
    assert np.allclose(gradients[1], held["v"])


@given(st.integers(2, 5), st.integers(0, 1000), st.floats(1, 10))
def test_a_wrong_part_is_seen_by_a_change_and_by_what_is_left(size: int, seed: int, wrong: float) -> None:
    step, loss, _ = step_of(size, seed, 0.1, wrong)
    held = step.moved((), {}, "h['w']")
    assume(np.abs(held[1:]).max() > 0.1 * abs(held[0]))  # what is wrong is no multiple of w, as a penalty would be
    # a loss is followed along two directions alone: by chance what is wrong may be as much of the slope in both
    factor, target = step.moved((), {}, "A"), step.moved((), {}, "t")
    ways = np.array([np.random.default_rng(way).normal(size=size) for way in (0, 1)])
    assume(not alike(*(1 + wrong * ways[:, 0] / (ways @ (factor.T @ (factor @ held - target))))))
    (found,) = step.descents([loss], ())
    assert (found.followed, dict(found.held)) == (1, {})  # v alone


@given(st.integers(2, 5), st.integers(0, 1000), st.floats(0.1, 0.9))
def test_what_a_step_adds_up_is_set_to_zero(size: int, seed: int, kept: float) -> None:
    """With momentum a step follows what it went along before, too."""
    def step(held: dict[str, np.ndarray]) -> None:
        held["velocity"] = kept * held["velocity"] - 0.1 * 2 * held["w"]
        held["w"] = held["w"] + held["velocity"]

    rng = np.random.default_rng(seed)
    code = Code(h={"w": rng.normal(size=size), "velocity": rng.normal(size=size)}, step=step)
    moving = Step(Term("step(h)"), {text: text for text in ("h['w']", "h['velocity']")}, code)
    losses = [Measure("np.sum(h['w'] ** 2)", ("np.sum(h['w'] ** 2)",))]
    found = list(moving.descents(losses, ()))
    assert best_of(found, NO_RATES) is None
    rest = moving.at_rest(found)
    assert rest is not None
    assert rest.call.setup == ("h['velocity'] = h['velocity'] * 0",)
    (descent,) = rest.descents(losses, ())
    assert descent.of == ("h['w']",)
    assert descent.followed == 1
    assert abs(descent.rate - 0.1) < 1e-4
    plain, loss, _ = step_of(size, seed, 0.1)
    assert plain.at_rest(list(plain.descents([loss], ()))) is None


def test_one_number_follows_whatever_it_moves() -> None:
    code = Code(h={"w": 2.0}, step=lambda held: held.update(w=held["w"] - 0.3))
    step = Step(Term("step(h)"), {"h['w']": "h['w']"}, code)
    (found,) = step.descents([Measure("h['w'] ** 2", ("h['w'] ** 2",))], ())
    assert found.followed == 0
    assert best_of([found], NO_RATES) is None


def test_a_rate_is_what_is_called_one_before_any_other_number() -> None:
    source = "lr = 0.05\nother = 0.1\nnet.alpha\nW -= 0.2 * dW\n"
    rates = rates_in(source, {"size": 3}, {"lr": 0.05, "other": 0.1, "net.alpha": None}.get)
    _, loss, _ = step_of(3, 0, 0.05)
    usual = Measure(loss.text, loss.parts)
    for rate, measure, expected in ((0.05, loss, "lr"), (0.05 / 7, usual, "(lr / 7)"), (0.05 * 4, loss, "lr")):
        (found,) = step_of(3, 0, rate)[0].descents([measure], ())
        assert rates.of(found) == expected
    (found,) = step_of(3, 0, 0.2)[0].descents([usual], ())
    assert rates_in("W -= 0.2 * dW\n", {}, {}.get).of(found) == "0.2"
    assert NO_RATES.of(found) == "0.2"


SCRIPT = '''import numpy as np

def train(net, epochs):
    for epoch in range(epochs):
        net.step()

def prepare(n, scale=0.5):
    """Data."""
    X = np.ones((n, 2)) * scale
    net = Net(X)
    train(net, 100)
    return net

if __name__ == "__main__":
    result = prepare(3)
    print(result)
'''


def test_a_script_is_opened_line_by_line_and_run_up_to_where_it_trains() -> None:
    found = opened(SCRIPT)
    assert found is not None
    before, whole, run = (text.splitlines() for text in (SCRIPT, found.whole, found.run.text))
    assert whole[6] == "if [n := 3, scale := 0.5]:"
    assert whole[13] == "if True:"
    changed = [n for n, (old, new) in enumerate(zip(before, whole, strict=True), 1) if old != new]
    assert changed == [7, 12, 14, 15]
    assert [n for n, (old, new) in enumerate(zip(whole, run, strict=True), 1) if old != new] == [11, 12, 16]
    assert found.run.added == {7, 14}
    names: dict[str, Any] = {"Net": lambda X: X}
    exec(compile(found.run.text, "script.py", "exec"), names)
    assert names["net"].shape == (3, 2)


@pytest.mark.parametrize("line", ["return 1 if n else 2", "yield n", "global n"])
def test_what_leaves_a_function_early_cannot_be_opened(line: str) -> None:
    text = SCRIPT.replace('    """Data."""\n', f'    """Data."""\n    if n > 3: {line}\n')
    found = opened(text)
    assert found is not None
    assert "def prepare(n, scale=0.5):" in found.whole


def test_data_are_needed_for_what_is_no_constant() -> None:
    found = opened(SCRIPT.replace("prepare(3)", "prepare(load())"))
    assert found is not None
    assert "def prepare(n, scale=0.5):" in found.whole


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 1), st.integers(0, 1000))
def test_rows_of_a_permutation_stay_one_hot_for_each_sample(size: int, others: int, samples: int, seed: int) -> None:
    """Both axes of it look one-hot; classes are what counts no samples."""
    rng = np.random.default_rng(seed)
    shape = (others, size) if samples == 0 else (size, others)
    made = repeated(np.eye(size)[rng.permutation(size)], shape, rng, [samples])
    assert (made.sum(axis=1 - samples) == 1).all()


def test_statements_after_an_error_run(tmp_path: Any) -> None:
    file = tmp_path / "script.py"
    file.write_text("a = 1\nb = a / 0\n\nc = a + 1; d = b\ne = c\n", encoding="utf-8")
    names: dict[str, Any] = {}
    left = execute_what_can(compile(file.read_text(), str(file), "exec"), names, lambda error: False)
    assert (left.lines, type(left.error)) == ([2, 4], ZeroDivisionError)
    assert (names["c"], names["e"]) == (2, 2)
    with pytest.raises(ZeroDivisionError):
        execute_what_can(compile(file.read_text(), str(file), "exec"), {}, lambda error: True)


@example(5, 223, 0.3)  # where two slopes of what decays are alike by chance
@given(st.integers(2, 5), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 2.0]))
def test_what_decays_beside_a_loss_follows_it(size: int, seed: int, decay: float) -> None:
    """Weight decay of which the loss knows nothing: in a change, and in a gradient that is left."""
    rng = np.random.default_rng(seed)
    factor, target = rng.normal(size=(size + 1, size)), rng.normal(size=size + 1)

    def step(held: dict[str, np.ndarray]) -> None:
        held["dw"] = factor.T @ (factor @ held["w"] - target) + decay * held["w"]
        held["dv"] = held["v"] + 0
        held["w"] = held["w"] - 0.01 * held["dw"]
        held["v"] = held["v"] - 0.01 * held["dv"]

    code = Code(h={"w": rng.normal(size=size), "v": rng.normal(size=2)}, A=factor, t=target, step=step)
    places, left = ({text: text for text in texts} for texts in (("h['w']", "h['v']"), ("h['dw']", "h['dv']")))
    loss = "0.5 * np.sum((A @ h['w'] - t) ** 2) + 0.5 * np.sum(h['v'] ** 2)"
    (found,) = Step(Term("step(h)"), places, code, left).descents([Measure(loss, (loss,), named=True)], ())
    assert found.followed == 2
    assert found.held == {"h['w']": "h['dw']", "h['v']": "h['dv']"}


def test_nothing_is_a_penalty_of_what_is_zero() -> None:
    ways = [np.array([1.0, -2.0]), np.array([0.5, 3.0])]
    value = np.array([2.0, 5.0])
    along = [float(value @ way) for way in ways]
    assert not is_decayed(np.zeros(2), value, ways, [0.0, 0.0], 1.0)
    assert not is_decayed(np.ones(1), value[:1], [way[:1] for way in ways], [0.0, 0.0], 1.0)
    assert is_decayed(value, 3 * value, ways, along, 1.0)
    assert not is_decayed(value, value**2, ways, along, 1.0)


def test_where_weights_begin_as_zero_the_others_are_seen_too() -> None:
    """Nothing goes through a last layer of zeros; the step is asked about all the same from there."""
    def step(held: dict[str, np.ndarray]) -> None:
        v, w = held["v"], held["w"]
        held["v"], held["w"] = v - 0.1 * (w @ v - 1) * w, w - 0.1 * (w @ v - 1) * v

    code = Code(h={"v": np.zeros(3), "w": np.array([0.3, -1.0, 2.0])}, step=step)
    loss = Measure("0.5 * (h['w'] @ h['v'] - 1) ** 2", ("0.5 * (h['w'] @ h['v'] - 1) ** 2",), named=True)
    begun = Step(Term("step(h)"), {text: text for text in ("h['v']", "h['w']")}, code)
    assert [item.text for item in begun.changes] == ["h['v']"]
    step_taken, found = begun.best([loss], (), NO_RATES, "np")
    assert found is not None
    assert (found.of, found.followed) == (("h['v']", "h['w']"), 2)
    assert step_taken.call.setup == ()


def test_a_training_that_has_come_to_its_end_is_seen_where_it_had_not() -> None:
    """Where all samples are told apart by far no slope is left but rounding."""
    X = np.array([[1.0, 0.5], [-1.0, 0.3], [0.2, -0.7]])

    def step(held: dict[str, np.ndarray]) -> None:
        held["p"] = 1 / (1 + np.exp(-X @ held["w"]))
        held["w"] = held["w"] - 0.1 * X.T @ (held["p"] - (X[:, 0] > 0))

    loss = "100 + np.sum(np.logaddexp(0, -np.array([1.0, -1.0, 1.0]) * (X @ h['w'])))"
    code = Code(h={"w": np.array([30.0, -13.0])}, X=X, step=step)
    done = Step(Term("step(h)"), {"h['w']": "h['w']"}, code)
    assert done.is_done
    assert best_of(list(done.descents([Measure(loss, (loss,), named=True)], ())), NO_RATES) is None
    _, found = done.best([Measure(loss, (loss,), named=True)], (), NO_RATES, "np")
    assert found is not None
    assert found.followed == 1
    assert abs(found.rate - 0.1) < 1e-4


def test_a_step_of_training_is_known_by_what_it_computes_and_updates() -> None:
    script = script_of(ast.parse(
        "class Momentum:\n    def move(self, held):\n        for one in held:\n            one.value -= 0.1 * one.g\n"
        "    def all(self):\n        self.move([])\n"
        "for n in range(3):\n    z = x @ w\n    w -= 0.1 * (x.T @ z)\n"
        "for n in range(3):\n    out = net(x)\n    optimiser.all()\n"
        "for n in range(3):\n    print(n)\n"
        "def net(x):\n    return x\n"))  # fmt: skip
    updaters = updaters_of(script)
    assert updaters == {"move", "all"}
    loops = [one for one in rounds(script) if one.loop is not None]
    kinds = {one.loop.lineno: {*parts_of(one.body, script, updaters)} for one in loops if one.loop is not None}
    assert kinds == {3: {"an update"}, 7: {"a product", "an update"}, 10: {"a product", "an update"}, 13: set()}


def test_inner_rounds_come_before_those_around_them() -> None:
    script = script_of(ast.parse(
        "for n in range(3):\n    for x in rows:\n        w -= 0.1 * (w @ x)\n    print(n)\n"
        "for x in rows:\n    print(x)\n"))  # fmt: skip
    loops = [one for one in rounds(script) if one.loop is not None]
    assert {one.loop.lineno: around(one, loops) for one in loops if one.loop is not None} == {1: 1, 2: 0, 5: 0}
