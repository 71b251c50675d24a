"""The reference: complex step where it survives, differences elsewhere, each with an honest error."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy import empty

from einbackprop.checking.analytic import AnalyticArray, RoundedArray, bare, disturbed, moved, noisy
from einbackprop.checking.certifying import AMPLIFICATION, Reference, Slope, number, rounded, unit
from einbackprop.checking.comparing import Returned, compare
from einbackprop.core.nesting import get
from einbackprop.errors import ScriptError
from einbackprop.world import Runner, World

A = np.array([[0.3, -0.4, 0.35], [1.25, 0.7, -2.5]])
P = np.abs(A)
EPS = 2.0**-52


def reference_of(
    loss: Callable[[Any], Any], state: Any, path: tuple[Any, ...], rng: np.random.Generator | None = None
) -> Reference:
    """The reference of a loss that runs as a user's does."""
    world = World()
    own, state = world.of((loss, state))
    return Reference(Runner(world, own), state, (path,), rng or np.random.default_rng(0))


def gradient(
    loss: Callable[[Any], Any], state: Any, path: tuple[Any, ...], rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray, str]:
    """The gradient of a loss at one array of the state, entry by entry, its estimated errors, and the method."""
    reference = reference_of(loss, state, path, rng)
    shape = np.shape(get(state, path))
    values, errors = np.zeros(shape), np.zeros(shape)
    for index in np.ndindex(shape):
        direction = {path: unit(shape, index)}
        slope = reference.refined(reference.slope(direction), direction)
        values[index], errors[index] = slope.value, slope.error
    return values, errors, reference.method


# What plain complex numbers lose or falsify, each with its derivative on the real line.
ANALYTIC: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "abs": (lambda x: np.abs(x).sum(), np.sign),
    "round": (lambda x: (x * np.round(x[0, 0] + 0.6) * x.round(1)[0, 0]).sum(), lambda x: np.full_like(x, 0.3)),
    "builtin abs of a scalar": (lambda x: abs(x[0, 1]) + abs(x.sum()),
                                lambda x: np.sign(x.sum()) - unit((2, 3), (0, 1))),
    "fabs": (lambda x: np.fabs(x).sum(), np.sign),
    "norm": (np.linalg.norm, lambda x: x / np.linalg.norm(x)),
    "norm of axis": (lambda x: np.linalg.norm(x, axis=0).sum(), lambda x: x / np.linalg.norm(x, axis=0)),
    "norm 1": (lambda x: np.linalg.norm(x, ord=1, axis=1).sum(), np.sign),
    "norm 3": (lambda x: np.linalg.norm(x, ord=3, axis=-1, keepdims=True).sum(),
               lambda x: np.sign(x) * x**2 / np.linalg.norm(x, ord=3, axis=1, keepdims=True) ** 2),
    "norm inf": (lambda x: np.linalg.norm(x[0], ord=np.inf), lambda x: np.array([[0, -1.0, 0], [0, 0, 0]])),
    "norm 0": (lambda x: np.linalg.norm(x.ravel(), 0) * np.sum(x), lambda x: np.full(x.shape, float(x.size))),
    "norm fro": (lambda x: np.linalg.norm(x, "fro") ** 2, lambda x: 2 * x),
    "norm of axes": (lambda x: np.linalg.norm(x, axis=(0, 1)) ** 2, lambda x: 2 * x),
    "var": (lambda x: np.var(x, axis=0).sum(), lambda x: x - x.mean(0)),
    "var, ddof": (lambda x: x.var(ddof=1), lambda x: 2 * (x - x.mean()) / 5),
    "std": (lambda x: np.std(x), lambda x: (x - x.mean()) / (6 * x.std())),
    "vdot": (lambda x: np.vdot(x, x), lambda x: 2 * x),
    "vecdot": (lambda x: np.vecdot(x, x).sum(), lambda x: 2 * x),
    "conj": (lambda x: (np.conj(x) * x.conj() * x.conjugate()).sum(), lambda x: 3 * x**2),
    "real": (lambda x: (np.real(x) * x.real).sum() + x.imag.sum(), lambda x: 2 * x),
    "sign": (lambda x: (np.sign(x) * x**2).sum(), lambda x: 2 * np.abs(x)),
    "maximum": (lambda x: np.maximum(x, 0.1).sum() + np.fmax(0, x).sum(), lambda x: (x > 0.1) * 1.0 + (x > 0)),
    "minimum": (lambda x: np.minimum(x, 0.1).sum() + np.fmin(0, x).sum(), lambda x: (x < 0.1) * 1.0 + (x < 0)),
    "clip": (lambda x: np.clip(x, -0.38, 1).sum() + x.clip(-1, 0).sum(),
             lambda x: ((x > -0.38) & (x < 1)) * 1.0 + ((x > -1) & (x < 0))),
    "where": (lambda x: np.abs(np.where(x > 0, x, 2 * x)).sum(), lambda x: np.where(x > 0, 1.0, -2.0)),
    "max": (lambda x: x.max() + np.max(x, axis=0).sum(), lambda x: np.array([[0, 0, 1.0], [2, 1, 0]])),
    "equal": (lambda x: x[x == x.max()].sum(), lambda x: (x == x.max()) * 1.0),
    "log of a square": (lambda x: np.log(x**2).sum(), lambda x: 2 / x),
    "log1p of little": (lambda x: np.log1p(1e-12 * x).sum() * 1e12, lambda x: 1 / (1 + 1e-12 * x)),
    "logaddexp": (lambda x: np.logaddexp(x, 1).sum(), lambda x: 1 / (1 + np.exp(1 - x))),
    "hypot": (lambda x: np.hypot(x, 2.0).sum(), lambda x: x / np.hypot(x, 2)),
    "astype": (lambda x: (x.astype(float) * x.astype(np.float32)).sum(), lambda x: 2 * x),
    "sum as float": (lambda x: np.sum(x * x, dtype=np.float64), lambda x: 2 * x),
    "a buffer like the array": (lambda x: _filled(np.zeros_like(x, dtype=float), x), lambda x: 2 * x),
    "a buffer": (lambda x: _filled(np.zeros(x.shape), x), lambda x: 2 * x),
    "a buffer of ones": (lambda x: _filled(np.ones_like(np.arange(6).reshape(2, 3), dtype=float), x), lambda x: 2 * x),
    "a buffer by its name": (lambda x: _filled(empty(x.shape), x), lambda x: 2 * x),
    "abs of what asarray made plain": (lambda x: np.abs(np.asarray(x)).sum(), np.sign),
    "abs of what array made of a list": (lambda x: np.abs(np.array([x[0], x[1]], dtype=float)).sum(), np.sign),
    "labels counted": (lambda x: (np.zeros(3, dtype=int) + np.array([2, 2, 2]) * x).sum(), lambda x: 2 + 0 * x),
    "stacked": (lambda x: np.abs(np.concatenate([x, -x]).mean(axis=1)).sum() * 3,
                lambda x: 2 * np.sign(x.sum(1, keepdims=True)) + 0 * x),
    "a total that grows": (lambda x: _total(x), lambda x: np.ones_like(x)),
    "rows one by one": (lambda x: sum(abs(row.sum()) for row in x), lambda x: np.sign(x.sum(1, keepdims=True)) + 0 * x),
    "entries one by one": (lambda x: sum(abs(value) for value in x.ravel()), np.sign),
    "branch on a value": (lambda x: (x**2).sum() if x[0, 0] > 0 and x.any() else 0 * x.sum(), lambda x: 2 * x),
    "printed": (lambda x: _written((x**2).sum()), lambda x: 2 * x),
    "einsum and matmul": (lambda x: np.einsum("ij,ij->", x, x) + (x @ x.T).trace(), lambda x: 4 * x),
}


def _filled(buffer: Any, x: Any) -> Any:
    for row in range(len(x)):
        buffer[row] = x[row] ** 2
    return buffer.sum()


def _total(x: Any) -> Any:
    total = first = x[0, 0]
    for value in x.ravel()[1:]:
        total += value
    return total + first - x[0, 0]


def _written(loss: Any) -> Any:
    """What people print while they train."""
    said = "loss %f, %.3g, %d" % (loss, loss, loss)  # noqa: UP031  # what is tested
    assert "j" not in said + f"{loss:.4f} {round(loss, 3)}"
    return loss


BUFFER = np.zeros((2, 3))


# What carries no complex number at all: the reference must notice and take differences.
REAL_ONLY: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "float()": (lambda x: float((x**2).sum()), lambda x: 2 * x),
    "math": (lambda x: sum(math.exp(v) for v in x.ravel()), np.exp),
    "a real buffer that was there before": (lambda x: _filled(BUFFER, x), lambda x: 2 * x),
    "spectral norm": (lambda x: np.linalg.norm(x, 2) ** 2,
                      lambda x: (lambda u, s, v: 2 * s[0] * np.outer(u[:, 0], v[0]))(*np.linalg.svd(x))),
    "slogdet": (lambda x: np.linalg.slogdet(x @ x.T)[1], lambda x: 2 * np.linalg.inv(x @ x.T) @ x),
    "arctan2": (lambda x: np.arctan2(x, 2.0).sum(), lambda x: 2 / (x**2 + 4)),
    "a part that item drops": (lambda x: (x**2).sum() + np.float64(np.real(x[0, 0].item())),
                               lambda x: 2 * x + unit((2, 3), (0, 0))),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_complex_step_survives_what_plain_complex_numbers_do_not(name: str) -> None:
    loss, derivative = ANALYTIC[name]
    values, errors, method = gradient(lambda s: loss(s[0]), [A], (0,))
    assert method == "complex step"
    expected = np.broadcast_to(derivative(A), A.shape)
    assert np.abs(values - expected).max() <= 8 * EPS * np.abs(expected).max()
    assert np.all(errors <= 1e-12 * (1 + np.abs(expected)))


@pytest.mark.parametrize("name", REAL_ONLY)
def test_differences_where_the_complex_step_is_lost(name: str) -> None:
    loss, derivative = REAL_ONLY[name]
    values, errors, method = gradient(lambda s: loss(s[0]), [A], (0,))
    assert method == "differences"
    assert np.all(np.abs(values - derivative(A)) <= errors)
    assert errors.max() < 1e-9


@pytest.mark.parametrize("name", REAL_ONLY)
def test_a_step_that_survived_elsewhere_is_doubted_where_something_differs(name: str) -> None:
    """As by a loss that takes another way at other values."""
    loss, derivative = REAL_ONLY[name]
    world = World()
    own, state = world.of((lambda s: loss(s[0]), [A]))
    reference = Reference(Runner(world, own), state, ((0,),), np.random.default_rng(0), survived=True)
    values = np.array(derivative(A))
    yours = Returned(values, np.array([values]), EPS)
    assert compare(reference, (0,), yours, np.random.default_rng(0)).found == "agrees"
    assert reference.method == "differences"


@pytest.mark.parametrize(("times", "is_nothing"), [(8, True), (512, False)])
def test_what_cancels_to_nothing_agrees_with_a_reference_that_is_rounding(times: float, is_nothing: bool) -> None:
    """The bias before a batch norm: its gradient is 0, but for the rounding of thousands of terms."""
    yours = Returned(np.zeros(3), np.array([[sign * 1e-13] * 3 for sign in (1, -1, 1)]), EPS)
    slope = times * yours.along(unit((3,), (0,))).error
    reference = reference_of(lambda s: 1.0 + slope * s[0].sum(), [np.ones(3)], (0,))
    assert (compare(reference, (0,), yours, np.random.default_rng(0)).found == "agrees") is is_nothing


def test_plain_complex_step_would_have_answered_zero() -> None:
    other = A + 1e-20j * unit(A.shape, (0, 1))
    assert np.imag(np.linalg.norm(other)) == 0  # what the self-check and the subclass are for


@pytest.mark.parametrize("power", [2, 3, 7])
def test_differences_say_how_wrong_they_are(power: int) -> None:
    x = 0.7
    exact = float(power * Fraction(x) ** (power - 1))
    reference = Reference(lambda s: float(s[0][0] ** power), [np.array([x])], ((0,),), np.random.default_rng(0))
    slope = reference.difference({(0,): np.ones(1)})
    assert abs(slope.value - exact) <= slope.error < 1e-10


def test_differences_notice_a_jump() -> None:
    reference = Reference(lambda s: float(np.sum(s[0] > 0)), [np.zeros(1)], ((0,),), np.random.default_rng(0))
    _, ahead = reference.one_sided({(0,): np.ones(1)})
    assert not ahead.error < 1e-3


def test_one_sided_slopes_differ_at_a_kink_and_only_there() -> None:
    rng = np.random.default_rng(0)
    for x, expected in ((0.0, (-1.0, 1.0)), (0.4, (1.0, 1.0))):
        reference = Reference(lambda s: np.abs(s[0]).sum(), [np.array([x])], ((0,),), rng)
        behind, ahead = reference.one_sided({(0,): np.ones(1)})
        assert (behind.value, ahead.value) == pytest.approx(expected, abs=1e-9)
        assert behind.agrees(ahead) == (x != 0)


def test_float32_is_cast_up() -> None:
    values, errors, method = gradient(lambda s: np.exp(s[0]).sum(), [A.astype(np.float32)], (0,))
    assert np.abs(values - np.exp(A.astype(np.float32).astype(float))).max() < 1e-14
    assert errors.max() < 1e-12
    assert method == "complex step"


def test_float32_is_cast_up_for_differences_too() -> None:
    values, errors, method = gradient(lambda s: float(np.exp(s[0]).sum()), [A.astype(np.float32)], (0,))
    assert method == "differences"
    assert np.abs(values - np.exp(A.astype(np.float32).astype(float))).max() < 1e-9
    assert errors.max() < 1e-9


def test_a_loss_that_is_another_for_complex_numbers_is_noticed() -> None:
    def loss(s: Any) -> Any:
        return s[0].sum() + (s[0].dtype.kind == "c")

    assert gradient(loss, [A], (0,))[2] == "differences"


def test_the_error_of_a_cancelling_loss_is_measured() -> None:
    def loss(s: Any) -> Any:
        return ((s[0] + 1e6 - 1e6) ** 2).sum()

    values, errors, _ = gradient(loss, [A], (0,))
    assert np.all(np.abs(values - 2 * A) <= errors)
    assert errors.max() > 1e-10  # 1e6 eps is what it costs; 1e-14 would be a lie


def test_a_loss_must_be_one_number() -> None:
    assert number(np.array([[2.0]])) == 2
    with pytest.raises(ScriptError, match=r"^the loss must be one number, but it is None$"):
        number(None)
    with pytest.raises(ScriptError, match=r"but it is an array of shape \(3,\): take its mean or sum$"):
        number(np.ones(3))
    with pytest.raises(ScriptError, match=r"but it is a function: call it, as in loss\(W, X\)$"):
        number(np.sum)


def test_slopes_agree_within_their_errors() -> None:
    assert Slope(1.0, 0.1).agrees(Slope(1.7, 0.1))
    assert not Slope(1.0, 0.1).agrees(Slope(1.9, 0.1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_is_of_the_size_that_it_says(dtype: Any) -> None:
    ones = np.linspace(1, 2, 1000, dtype=dtype)
    errors = (disturbed(ones, 12345, 1000.0) - ones) / ones / np.finfo(dtype).eps
    assert 900 < np.abs(errors).max() <= 1001
    assert abs(errors.mean()) < 60  # three standard errors of a uniform mean
    assert not np.array_equal(disturbed(ones, 1, 1000.0), disturbed(ones, 2, 1000.0))
    assert np.array_equal(disturbed(ones, 1, 1000.0), disturbed(ones, 1, 1000.0))


def test_noise_leaves_exact_things_exact() -> None:
    z = rounded(A, 7)
    assert np.argwhere(z == z.max()).tolist() == [[1, 0]]
    assert np.array_equal(bare(-z), -bare(z))
    assert np.array_equal(bare(np.maximum(z, 0)), np.maximum(bare(z), 0))
    assert np.array_equal(bare((z @ z.T) - (z @ z.T)), np.zeros((2, 2)))
    assert np.array_equal(bare(rounded(np.eye(2), 7)), np.eye(2))
    table = np.array([[0.3, 2.0], [0.7, 1.0]])  # labels beside data
    assert (bare(rounded(table, 7)) == table).tolist() == [[False, True], [False, True]]
    assert all(((one == table) == [[False, True], [False, True]]).all()
               for one in moved(table, 1e-3, np.random.default_rng(0)))  # fmt: skip
    assert rounded(np.arange(3), 7).dtype == np.arange(3).dtype


def test_noise_shows_what_cancels() -> None:
    kind = noisy(RoundedArray, 3, AMPLIFICATION)
    plain, cancelling = A * 3 / 3, A + 1e6 - 1e6
    assert np.abs(bare(A.view(kind) * 3 / 3) - plain).max() < 1e-12
    assert np.abs(bare(A.view(kind) + 1e6 - 1e6) - cancelling).max() > 1e-9


def test_analytic_arrays_refuse_what_would_lose_the_direction() -> None:
    x = A.astype(complex).view(AnalyticArray)
    with pytest.raises(np.exceptions.ComplexWarning, match="would drop the direction"):
        float(x[0, 0])
    with pytest.raises(np.exceptions.ComplexWarning, match="the 2 norm of a matrix has no analytic form"):
        np.linalg.norm(x, 2)
    total = np.zeros(A.shape)
    with pytest.raises(TypeError, match="Cannot cast"):
        total += x
    assert int(x[1, 0]) == 1
    assert not np.iscomplexobj(x)
    assert x.astype(int).tolist() == A.astype(int).tolist()


def test_a_kink_on_one_side_does_not_spoil_the_other() -> None:
    """Central differences whose steps reach across a kink can agree to a thousandth, and be wrong."""
    rng = np.random.default_rng(6)
    W, V, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(5, 3))

    def loss(W, V, X):
        return 0.5 * np.sum((np.maximum(X @ W, 0) @ V) ** 2)

    direction = np.zeros((3, 4))
    direction[2, 1] = 1
    for near in (1e-3, 2e-3, 5e-3):
        beside = W.copy()
        beside[2, 1] -= (X @ W)[2, 1] / X[2, 2] + near  # that much before a kink
        reference = Reference(lambda state: loss(state[0], V, X), (beside,), ((0,),), np.random.default_rng(0))
        slope = reference.surest({(0,): direction})
        error = np.maximum(X @ beside, 0) @ V
        true = (X.T @ ((error @ V.T) * (X @ beside > 0)))[2, 1]
        assert abs(slope.value - true) <= max(4 * slope.error, 1e-9 * abs(true))


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 1e-5])
def test_a_gradient_is_true_beside_a_tie(gap: float) -> None:
    """Single differences across the tie of a maximum are off by the size of the entry, and say so."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(5, 4)), rng.normal(size=5)
    x[:, 1] = x.max(1) + gap
    x[:, 2] = x[:, 1] - gap

    def loss(state: Any) -> float:
        largest = np.zeros(5)  # a real buffer: the complex step is lost
        largest[:] = state[0].max(1)
        return float((weights * largest * state[0].sum(1)).sum())

    reference = reference_of(loss, [x], (0,))
    true = weights[:, None] * (x.max(1)[:, None] + (x == x.max(1)[:, None]) * x.sum(1)[:, None])
    assert reference.method == "differences"
    assert np.abs(reference.gradient((0,), 1e-6) - true).max() <= 1e-6 * np.abs(true).max()
    alone = np.array([reference.entry((0,), at).value for at in np.ndindex(5, 4)]).reshape(5, 4)
    assert gap > 1e-3 or np.abs(alone - true).max() > 1e-6 * np.abs(true).max()
