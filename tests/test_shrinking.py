"""Code that runs many statements is read at smaller sizes: verdicts are of the user's, and no proof goes too far."""

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slow_functions
from hypothesis import given, strategies
from mutant_outcomes import module_of

import einbackprop as eb
from einbackprop import check
from einbackprop.checking import deciding, solving
from einbackprop.checking.problems import counted
from einbackprop.checking.shrinking import SMALLEST, freed, left_over, share_memory, smaller
from einbackprop.shell.scripts import check_script

RNG = np.random.default_rng(0)


def drawn(*shapes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(RNG.normal(size=shape) for shape in shapes)


IMAGES = drawn((2, 1, 8, 8), (3, 1, 2, 2), (3,), (2, 3, 7, 7))


def assumptions(report: Any) -> str:
    return " ".join(report.assumptions)


@pytest.mark.long
def test_a_large_convolution_is_proved_by_a_smaller_one() -> None:
    report = eb.check(slow_functions.loss, slow_functions.gradients, *IMAGES, wrt=(0, 1, 2))
    assert [item.grade for item in report.gradients] == ["proved"] * 3
    assert [item.shape for item in report.gradients] == [array.shape for array in IMAGES[:3]]
    assert "Lines are read at smaller sizes than yours: x (2,1," in assumptions(report)


@pytest.mark.long
def test_a_mistake_is_found_at_the_smaller_sizes() -> None:
    right = inspect.getsource(slow_functions)
    wrong = module_of(right.replace("dw[f] +=", "dw[f] -="), "wrong_convolution")
    report = eb.check(wrong.loss, wrong.gradients, *IMAGES, wrt=(0, 1, 2))
    assert [item.verdict for item in report.gradients] == ["right", "wrong", "right"]
    (finding,) = report.findings
    assert finding.write == "dw[f] += x[n, :, i:i+R, j:j+S] * d[n, f, i, j]"


@pytest.mark.long
def test_what_is_right_at_the_users_sizes_alone_is_said_to_be() -> None:
    """Seven rows are left of eight: a 7 in the code shows at other sizes only, and a repair has to hold at two."""
    images = drawn((3, 1, 8, 8), (3, 1, 2, 2), (3,), (3, 3, 7, 7))
    report = eb.check(slow_functions.loss, slow_functions.of_seven_rows, *images, wrt=(0, 1, 2))
    assert report.gradients[1].note.startswith("right only at sizes such as yours")
    assert [item.write for item in report.findings] == ["return dx, dw, db"]


def test_a_recurrence_of_many_steps_is_proved_by_one_of_few() -> None:
    steps = drawn((4, 3), (4, 4), (60, 3))
    report = eb.check(slow_functions.recurrent_loss, slow_functions.recurrent_gradients, *steps, wrt=(0, 1))
    assert [item.grade for item in report.gradients] == ["proved"] * 2
    assert "smaller sizes" in assumptions(report)


def test_what_holds_for_so_many_steps_is_proved_for_no_others() -> None:
    steps = drawn((4, 3), (4, 4), (60, 3))
    report = eb.check(slow_functions.growing_loss, slow_functions.growing_gradients, *steps, wrt=(0, 1))
    assert [item.verdict for item in report.gradients] == ["right"] * 2
    assert all(item.grade != "proved" for item in report.gradients)
    assert "Nothing is proved for other sizes" in assumptions(report)


def test_few_statements_are_read_as_they_are() -> None:
    steps = drawn((4, 3), (4, 4), (5, 3))
    report = eb.check(slow_functions.recurrent_loss, slow_functions.recurrent_gradients, *steps, wrt=(0, 1))
    assert "smaller sizes" not in assumptions(report)


@given(strategies.sets(strategies.integers(1, 60), min_size=1, max_size=6))
def test_sizes_that_differ_stay_different(present: set[int]) -> None:
    for size in present:
        for sizes in smaller(size, present, {}):
            made = {n: sizes.get(n, n) for n in present}
            assert len({*made.values()}) == len(present)
            assert all(new <= old for old, new in made.items())
            assert all(new >= SMALLEST for old, new in made.items() if new != old)
            assert made != {n: n for n in present}


def test_lines_are_counted_and_the_tracer_is_given_back() -> None:
    _, lines = counted(lambda: slow_functions.recurrent_loss(*drawn((4, 3), (4, 4), (7, 3))))
    assert lines >= 7 * 3
    _, some = counted(lambda: slow_functions.recurrent_loss(*drawn((4, 3), (4, 4), (7, 3))), most=5)
    assert some == 6
    with pytest.raises(ZeroDivisionError):
        counted(lambda: 1 / 0)


KEPT = """
import numpy as np

N = 24
rng = np.random.default_rng(0)
W, U, X = 0.3 * rng.normal(size=(N, N)), rng.normal(size=(N, 5)), rng.normal(size=(6, 5))


def states(W, U, X):
    hs = [np.zeros((len(W), 1))]
    for x in X:
        hs.append(np.tanh(W @ hs[-1] + U @ x[:, None]))
    return hs


def loss(W, U, X):
    return 0.5 * np.sum(states(W, U, X)[-1] ** 2)


def gradients(W, U, X):
    hs = states(W, U, X)
    dW, dU, dh = np.zeros_like(W), np.zeros_like(U), np.zeros((N, 1))
    dh = dh + hs[-1]
    for t in reversed(range(len(X))):
        da = (1 - hs[t + 1] ** 2) * dh
        dW += da @ hs[t + 1].T
        dU += da @ X[t][None]
        dh = W.T @ da
    return dW, dU
"""


@pytest.mark.slow
def test_a_size_that_gradients_keep_as_a_number_is_no_mistake(tmp_path: Path) -> None:
    """The loss runs at smaller sizes, where the gradients raise: what made these run was told beside the mistake."""
    script = tmp_path / "script.py"
    script.write_text(KEPT, encoding="utf-8")
    report = check_script(str(script), loss="loss(W, U, X)", grads="gradients(W, U, X)", wrt=["W", "U"])
    assert [item.write for item in report.findings if item.line] == ["dW += da @ hs[t].T"]


LEFT = """
import numpy as np

class Net:
    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 2))

    def loss(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        return np.sum(self.h ** 2)

    def gradient(self):
        return self.x.T @ (self.h * (1 - self.h ** 2))

X = np.random.default_rng(1).normal(size=(9000, 3))
net = Net()
net.loss(X)
x = X[:300]
"""


def test_what_an_earlier_run_has_left_is_no_array_that_is_read(tmp_path: Path) -> None:
    """It is large, and has the memory of what is read: still a mistake is looked for at few samples."""
    script = tmp_path / "net.py"
    script.write_text(LEFT, encoding="utf-8")
    report = check_script(str(script), loss="net.loss(x)", grads="(net.loss(x), net.gradient())[1]", wrt=["net.W"])
    (finding,) = report.findings
    assert finding.write == "return 2 * self.x.T @ (self.h * (1 - self.h ** 2))"
    assert "smaller sizes" not in assumptions(report)
    assert "large" not in assumptions(report)


def test_what_nothing_reads_is_told_from_what_one_of_the_two_reads() -> None:
    X, W, mask = drawn((9, 3), (3, 2), (4, 2))
    state = {"W": W, "x": X[:4], "mask": mask, "old": X, "last": np.ones(2), "labels": np.arange(4)}
    user = SimpleNamespace(loss=lambda s: np.sum((s["x"] @ s["W"]) ** 2), gradients=lambda s: s["x"].T @ s["mask"])
    trial: Any = SimpleNamespace(state=state, user=user, targets=[SimpleNamespace(path=("W",))])
    assert left_over(trial) == (("old",), ("last",))
    assert share_memory(state, ())
    assert not share_memory(state, [("old",)])
    assert not share_memory(freed(state, [("old",)]), ())


NUMBERED = """
import numpy as np

N = 1500
X, y = np.random.default_rng(0).normal(size=(N, 6)), np.random.default_rng(1).normal(size=N)
w, b = np.full(6, 0.1), np.ones(())

def loss(w, b):
    return np.mean((np.tanh(X @ w + b) - y) ** 2)

def gradients(w, b):
    h = np.tanh(X @ w + b)
    d = 2 * (h - y) * (1 + h ** 2)
    return X.T @ d / N, d.mean()
"""


def test_a_size_that_stands_as_a_number_is_no_mistake_where_another_one_is(tmp_path: Path) -> None:
    """At fewer samples the number would be one."""
    script = tmp_path / "script.py"
    script.write_text(NUMBERED, encoding="utf-8")
    report = check_script(str(script), loss="loss(w, b)", grads="gradients(w, b)", wrt=["w", "b"])
    assert [item.write for item in report.findings] == ["d = 2 * (h - y) * (1 - h ** 2)"]


@pytest.mark.slow
def test_mistakes_of_long_code_are_found_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading hundreds of statements takes longer than trying edits; where one was found, none is looked for again."""

    def loss(W: Any, x: Any) -> Any:
        total = 0.0
        for row in x:
            for column in W.T:
                for k in range(len(column)):
                    total = total + np.sin(row[k] * column[k])
        return total / len(x)

    def gradients(W: Any, x: Any) -> Any:
        d = np.zeros_like(W)
        for row in x:
            for j in range(W.shape[1]):
                for k in range(W.shape[0]):
                    d[k, j] += np.cos(row[k] * W[k, j]) * row[j % 2] / len(x)
        return d

    def fails(*arguments: Any) -> None:
        raise AssertionError("the search was made again")

    monkeypatch.setattr(solving, "case_of", fails)
    rng = np.random.default_rng(0)
    report = check(loss, gradients, rng.normal(size=(4, 5)), rng.normal(size=(6, 4)), wrt=0)
    (found,) = [item for item in report.findings if item.line]
    assert found.write is not None
    assert "row[k] / len(x)" in found.write
    assert found.yours is not None


def chain(w: Any, x: Any) -> list[Any]:
    xs = [x]
    for _ in range(100):
        xs.append(xs[-1] + 0.1 * np.tanh(w * xs[-1]))
    return xs


def chain_gradient(w: Any, x: Any) -> Any:
    xs = chain(w, x)
    d, dw = xs[-1], np.zeros_like(w)
    for x in xs[-2::-1]:
        slope = 0.1 * d * (1 - np.tanh(w * x) ** 2)
        dw += slope * x
        d = d + slope * w
    return dw


@pytest.mark.slow
@pytest.mark.parametrize("write", [None, "dw += slope * x"])
def test_code_that_takes_long_to_read_is_checked_without(monkeypatch: pytest.MonkeyPatch, write: str | None) -> None:
    """Thousands of rounds take minutes to read: the verdict and the repair need none of it."""

    def fails(*arguments: Any) -> None:
        raise AssertionError("the rounds were read")

    monkeypatch.setattr(solving, "LONG", 600)
    right, name = inspect.getsource(chain) + inspect.getsource(chain_gradient), "long_chain"
    code = module_of("import numpy as np\nfrom typing import Any\n" + (
        right.replace("dw +=", "dw -=") if write else right), name)
    monkeypatch.setattr(solving, "traced_at", fails)
    loss = lambda w, x: 0.5 * np.sum(code.chain(w, x)[-1] ** 2)  # noqa: E731
    report = eb.check(loss, code.chain_gradient, np.array([0.3, -0.2]), np.array([1.0, 0.5]))
    assert [item.verdict for item in report.gradients] == ["wrong" if write else "right"]
    assert [item.write for item in report.findings] == [write] * bool(write)
    assert "statements at the smallest sizes that it takes, up to 600 are read" in assumptions(report)


def test_slow_gradients_are_compared_along_directions_as_those_of_slow_losses_are(
    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(deciding, "SLOW", 50)

    def slowly(w: Any) -> Any:
        d = np.zeros_like(w)
        for k in range(len(w)):
            d[k] += np.cos(w[k])
        return d

    w = RNG.normal(size=40)
    assert "; 1 entry and" in assumptions(eb.check(lambda w: np.sum(np.sin(w)), slowly, w))
    assert "; 1 entry and" not in assumptions(eb.check(lambda w: np.sum(np.sin(w)), lambda w: np.cos(w), w))


def steps(w: Any, c: Any, x: Any, n: int) -> list[Any]:
    states = [x]
    for _ in range(n):
        states.append(states[-1] + 0.1 * np.tanh(w @ states[-1] + c))
    return states


def squares(w: Any, c: Any, samples: Any) -> Any:
    return 0.5 * sum(np.sum((steps(w, c, x, 6)[-1] - y) ** 2) for x, y in samples)


def adjoint(w: Any, c: Any, samples: Any) -> Any:
    dw, dc = np.zeros_like(w), np.zeros_like(c)
    for x, y in samples:
        states = steps(w, c, x, 6)
        d = states[-1] - y
        for n in range(len(states) - 2, -1, -1):
            dz = 0.1 * d * (1 - np.tanh(w @ states[n] + c) ** 2)
            dw += np.outer(dz, states[n])
            dc += dz
            d = d + w.T @ dz
    return dw, dc


def test_samples_that_nothing_reads_are_left_out() -> None:
    def loss(w: Any, samples: Any) -> Any:
        return np.sum((w @ samples[1][0] - samples[1][1]) ** 2)

    def gradient(w: Any, samples: Any) -> Any:
        return 2 * np.outer(w @ samples[1][0] - samples[1][1], samples[1][0])

    rng = np.random.default_rng(0)
    samples = [(rng.normal(size=3), rng.normal(size=2)) for _ in range(30)]
    report = eb.check(loss, gradient, rng.normal(size=(2, 3)), samples)
    assert report.ok
    assert " more." not in str(report)  # letters of samples
    mean = eb.check(lambda w, samples: sum(loss(w, [0, one]) for one in samples),
                    lambda w, samples: sum(gradient(w, [0, one]) for one in samples), rng.normal(size=(2, 3)), samples)
    assert mean.ok
    assert "samples[29][1]" in str(mean)


@pytest.mark.long
def test_lists_of_samples_are_shortened() -> None:
    rng = np.random.default_rng(0)
    samples = [(rng.normal(size=3), rng.normal(size=3)) for _ in range(30)]
    arguments = 0.5 * rng.normal(size=(3, 3)), rng.normal(size=3), samples
    report = eb.check(squares, adjoint, *arguments, wrt=(0, 1))
    assert report.ok, str(report)
    told = next(one for one in report.assumptions if one.startswith("Lines are read at smaller sizes than yours"))
    assert "samples[3][1]" in told
    assert "samples[4]" not in told


@pytest.mark.long
def test_a_loop_with_a_round_too_few_is_found_in_many_samples() -> None:
    """No value of a statement in it would do; the loop is in a loop over samples."""
    sources = map(inspect.getsource, (steps, squares, adjoint))
    text = "from typing import Any\nimport numpy as np\n\n" + "\n".join(sources)
    wrong = module_of(text.replace("- 2, -1, -1)", "- 2, 0, -1)"), "adjoint_without_a_round")
    rng = np.random.default_rng(0)
    samples = [(rng.normal(size=3), rng.normal(size=3)) for _ in range(30)]
    arguments = 0.5 * rng.normal(size=(3, 3)), rng.normal(size=3), samples
    report = eb.check(wrong.squares, wrong.adjoint, *arguments, wrt=(0, 1))
    (found,) = (one for one in report.findings if one.write)
    assert found.write == "for n in range(len(states) - 2, -1, -1):"
