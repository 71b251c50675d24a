"""Larger sizes that are found by trying, and repairs that hold at the user's sizes alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutant_outcomes import module_of

from einbackprop import check
from einbackprop.checking.growing import larger_states, ways, with_other_numbers
from einbackprop.diagnosis import omissions
from einbackprop.diagnosis.diagnose import LOCAL
from einbackprop.world import Raised

RNG = np.random.default_rng(0)
POOLING = """\
import numpy as np


def pooled(x, size, step):
    high = 1 + (x.shape[0] - size) // step
    wide = 1 + (x.shape[1] - size) // step
    out = np.zeros((high, wide))
    for i in range(high):
        for j in range(wide):
            out[i, j] = np.max(x[i * step:i * step + size, j * step:j * step + size])
    return out


def loss(x, R):
    return np.sum(R * pooled(x, 2, 2))


def gradients(x, R):
    size = step = 2
    high = 1 + (x.shape[0] - size) // step
    wide = 1 + (x.shape[1] - size) // step
    dx = np.zeros_like(x)
    for i in range(high):
        for j in range(wide):
            window = x[i * step:i * step + size, j * step:j * step + size]
            dx[i * step:i * step + size, j * step:j * step + size] += (window == window.max()) * R[i, j]
    return dx
"""
OWN = "    size = step = 2\n    high = 1 + (x.shape[0] - size) // step\n    wide = 1 + (x.shape[1] - size) // step\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("was", "now", "write"),
    [
        ("wide = 1 + (x.shape[1] - size) // step", "wide = 1", "wide = 1 + (x.shape[1] - size) // step"),
        ("high = 1 + (x.shape[0] - size) // step", "high = 1", "high = 1 + (x.shape[0] - size) // step"),
        ("x.shape[0] - size", "size - x.shape[0]", "high = 1 + (x.shape[0] - size) // step"),
    ],
)  # fmt: skip
def test_how_often_a_loop_runs_is_repaired_for_other_images_too(was: str, now: str, write: str) -> None:
    """At 4 by 4 a 2 would do, and so would the other side's size, or rounding up."""
    module = module_of(POOLING.replace(OWN, OWN.replace(was, now)), "pooling")
    (finding,) = check(module.loss, module.gradients, RNG.normal(size=(4, 4)), RNG.normal(size=(2, 2))).findings
    assert finding.write == write


def test_zeros_that_a_loop_fills_lack_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop runs no round: lines that may be missing are not looked for first."""
    tried: list[Any] = []
    monkeypatch.setattr(omissions, "filled", lambda search, hole: tried.append(hole))
    module = module_of(POOLING.replace(OWN, OWN.replace("x.shape[0] - size", "size - 2 * x.shape[0]")), "pooling")
    (finding,) = check(module.loss, module.gradients, RNG.normal(size=(4, 4)), RNG.normal(size=(2, 2))).findings
    assert (finding.write, tried) == ("high = 1 + (x.shape[0] - size) // step", [])


class Sized:
    """A user whose loss asks for sizes that belong together."""

    def __init__(self, kernel: int, step: int) -> None:
        self.kernel, self.step = kernel, step

    def loss(self, state: Any) -> float:
        x, w, r = state
        high, wide = (1 + (n - self.kernel) // self.step for n in x.shape[-2:])
        try:
            return float(np.sum(r * np.ones((w.shape[0], high, wide))) + np.sum(np.einsum("nchw,fc->nf", x, w)))
        except ValueError as error:
            raise Raised(error) from None

    gradients = loss


class Summed:
    """A user whose functions take any sizes."""

    def loss(self, state: Any) -> float:
        return float(state["x"].sum() + np.sum(state.get("more", 0.0)))

    gradients = loss


class Labelled:
    """A user with a label for each column but the last, and rows that a mask says are there."""

    def loss(self, state: Any) -> float:
        p, labels, mask, hot = state["p"], state["labels"], state["mask"], state["hot"]
        try:
            return float(sum(p[0, u] * (1 + labels[u]) for u in range(p.shape[1] - 1)) + np.sum(mask * p[:, 0] * hot.T))
        except (IndexError, ValueError) as error:
            raise Raised(error) from None

    gradients = loss


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2))
def test_sizes_that_belong_together_grow_together(kernel: int, step: int, high: int, wide: int) -> None:
    sides = kernel + step * (high + 1), kernel + step * (wide + 1)
    x, w = RNG.normal(size=(2, 3, *sides)), RNG.normal(size=(5, 3))
    user: Any = Sized(kernel, step)
    state = x, w, RNG.normal(size=(5, high + 2, wide + 2))
    found = list(larger_states(user, state, (), {(1,)}, (), 0))
    assert all(np.isfinite(user.loss(other)) for other in found)
    shapes = [[array.shape for array in other] for other in found]
    assert len(found) == len({str(shape) for shape in shapes}) > 0
    assert all(sum(np.prod(shape) for shape in one) > sum(array.size for array in state) for one in shapes)


def test_axes_that_grow_elsewhere_and_sizes_that_are_fixed_stay() -> None:
    user: Any = Sized(2, 2)
    state = RNG.normal(size=(2, 3, 4, 6)), RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2, 3))
    other = RNG.normal(size=(3, 4, 4, 6)), RNG.normal(size=(7, 4)), RNG.normal(size=(7, 2, 3))
    for x, w, r in larger_states(user, state, [other], {(1,)}, {6}, 0):
        assert (x.shape[:2], w.shape, x.shape[3], r.shape[2]) == ((2, 3), (5, 3), 6, 3)
        assert x.shape[2] > 4


def test_what_no_numbers_are_drawn_for_stays() -> None:
    """Words, an array without entries, and one that is not there at other sizes."""
    user: Any = Summed()
    words, nothing = np.array(["a", "b"]), np.zeros((0, 3), dtype=int)
    state = {"x": RNG.normal(size=(2, 3)), "words": words, "nothing": nothing, "more": RNG.normal(size=4)}
    other = {"x": RNG.normal(size=(2, 3)), "words": words, "nothing": nothing}
    (found,) = larger_states(user, state, [other], {("x",)}, (), 0)
    assert {name: array.shape for name, array in found.items()} == {
        "x": (3, 4), "words": (2,), "nothing": (0, 3), "more": (4,)}  # fmt: skip


def test_pixels_that_nothing_reads_may_be_more() -> None:
    """Of an image of 5 by 4 pooling by 2 leaves the last row out: rounding up, or down, shows there."""
    state = RNG.normal(size=(2, 3, 4, 4)), RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2, 2))

    class Pooled(Sized):
        def loss(self, state: Any) -> float:
            high, wide = (n // 2 * 2 for n in state[0].shape[2:])
            return super().loss((state[0][:, :, :high, :wide], *state[1:]))

        gradients = loss

    user: Any = Pooled(2, 2)
    assert any(x.shape[2] % 2 or x.shape[3] % 2 for x, *_ in larger_states(user, state, (), {(1,)}, (), 0))


def test_sizes_at_which_the_gradients_stop_are_left_out() -> None:
    """The loss takes any sizes, the gradients three columns alone."""
    class Narrow(Summed):
        def gradients(self, state: Any) -> float:
            if state["x"].shape[1] != 3:
                raise Raised(ValueError("three columns"))
            return super().loss(state)

    user: Any = Narrow()
    found = list(larger_states(user, {"x": RNG.normal(size=(2, 3)), "more": RNG.normal(size=2)}, (), {("x",)}, (), 0))
    assert found
    assert {other["x"].shape[1] for other in found} == {3}


def test_what_is_read_with_another_grows_with_it_and_masked_rows_stay_so() -> None:
    """Labels alone may be more: nothing reads them."""
    hot = np.eye(3)[[0, 1, 2, 1]] * [[1], [1], [0], [1]]
    state = {"p": RNG.normal(size=(4, 6)), "labels": np.array([1, 0, 2, 1, 1]), "mask": hot.sum(axis=1), "hot": hot}
    user: Any = Labelled()
    found = list(larger_states(user, state, (), {("p",)}, (), 0))
    assert {other["p"].shape[1] - len(other["labels"]) for other in found} == {1}
    assert any(len(other["mask"]) > 4 for other in found)
    for other in found:
        assert (other["hot"].sum(axis=1) == other["mask"]).all()


def test_what_fits_no_other_sizes_does_not_grow() -> None:
    assert [*ways([(4, 0), (5, 0)], lambda steps: not steps)] == []


def test_a_number_that_fits_the_users_sizes_alone_is_no_repair() -> None:
    """Of two samples 2.0 is N, and of five features 5; sizes that are all different were not changed before."""
    source = """\
import numpy as np


def loss(w, x, y):
    return np.mean((x @ w - y) ** 2)


def gradients(w, x, y):
    N = x.shape[0]
    return 2 * x.T @ (x @ w - y) / N
"""
    module = module_of(source.replace(" / N", ""), "mean")
    report = check(module.loss, module.gradients, RNG.normal(size=4), RNG.normal(size=(3, 4)), RNG.normal(size=3))
    (finding,) = report.findings
    assert finding.write == "return 2 * x.T @ (x @ w - y) / N"


SQUARE = """\
import numpy as np


def loss(x, R):
    return 0.5 * np.sum(R * (x @ x.T))


def gradients(x, R):
    n = len(x)
    d = np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            d[i] = R[i, j] * x[j] / 2
            d[j] = R[i, j] * x[i] / 2
    return d
"""


def test_a_repair_of_code_that_is_for_its_own_sizes_alone_is_told_as_such() -> None:
    """Rows beyond the fourth have no gradient, whatever is repaired."""
    module = module_of(SQUARE.replace("d[i] = ", "d[i] += "), "square")
    (finding,) = check(module.loss, module.gradients, RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))).findings
    assert finding.write == "d[j] += R[i, j] * x[i] / 2"
    assert finding.message.endswith(LOCAL)


def test_sizes_at_which_other_gradients_are_wrong_or_stop_say_nothing() -> None:
    """A gradient that is right is asked for too: the code is for these sizes, and nobody wants to know."""
    for other in ("0.5 * (x @ x.T)[:4, :4]", "0.5 * (x @ x.T) + np.zeros((4, 4))"):
        source = SQUARE.replace("d[i] = ", "d[i] += ").replace("return d", f"return d, {other}")
        module = module_of(source, "square")
        arguments = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
        (finding,) = check(module.loss, module.gradients, *arguments, wrt=(0, 1)).findings
        assert finding.write == "d[j] += R[i, j] * x[i] / 2"
        assert LOCAL not in finding.message


def test_numbers_that_refuse_another_value_keep_theirs() -> None:
    @dataclass(frozen=True)
    class Frozen:
        rate: float

    state = {"fixed": Frozen(0.5), "free": 0.5, "guard": 1e-8, "count": 3}
    (other,) = with_other_numbers(state, 0)
    assert (other["fixed"].rate, other["guard"], other["count"]) == (0.5, 1e-8, 3)
    assert 0.25 <= other["free"] < 0.45
    assert state["free"] == 0.5
    assert not list(with_other_numbers({"count": 3}, 0))


def test_numbers_at_which_the_loss_is_none_say_nothing() -> None:
    """The logarithm of a smaller number is NaN there, and no gradient is."""
    source = """\
import numpy as np


def loss(w, x, scale):
    return 0.5 * np.sum((x @ w) ** 2) - np.log(scale - 0.95)


def gradients(w, x, scale):
    return -x.T @ (x @ w)
"""
    module = module_of(source, "logarithm")
    (finding,) = check(module.loss, module.gradients, RNG.normal(size=4), RNG.normal(size=(4, 4)), 1.0).findings
    assert finding.write == "return x.T @ (x @ w)"
    assert LOCAL not in finding.message
