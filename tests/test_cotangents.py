"""The cotangent of every value of a loss, against differences; and arrays identified by their entries alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutant_outcomes import module_of

from einbackprop.capture.tracer import record, record_pair
from einbackprop.core.interpretation import compute, evaluate
from einbackprop.core.nesting import get
from einbackprop.diagnosis.cotangents import Cotangents
from einbackprop.diagnosis.evaluation import Meaning

RNG = np.random.default_rng(0)
COLUMNS = """
def loss(W, b, V, X, Y):
    z = W @ X + b
    h = np.tanh(z)
    out = V @ h
    return np.mean(np.sum((out - Y) ** 2, axis=0))
"""
SOFTMAX = """
def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def loss(W, X, y):
    scores = X @ W
    p = softmax(scores)
    return -np.mean(np.log(p[np.arange(len(y)), y]))
"""
RECURRENT = """
def loss(U, W, X):
    hs = {-1: np.zeros(4)}
    total = 0.0
    for t in range(3):
        hs[t] = np.tanh(U @ X[t] + W @ hs[t - 1])
        total += np.sum(hs[t] ** 2)
    return total
"""
NORM = """
class Layer:
    def forward(self, x):
        self.x = x
        self.mean = x.mean(axis=0)
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        return (x - self.mean) / self.std

def loss(W, b, X):
    cache = {}
    cache["z"] = X @ W + b
    y = Layer().forward(cache["z"])
    r = np.maximum(y, 0)
    return np.sum(r ** 3)
"""
PICKED = """
def loss(E, V, words):
    rows = E[words]
    flat = rows.reshape(len(rows), -1)
    scores = (flat @ V).T
    wide = np.zeros((2, 7))
    wide[:, 1:6] = scores
    return np.sum(np.where(wide > 0, wide, 0.1 * wide) ** 2)
"""
UNREAD = """
def loss(A, B, x):
    M = A @ A.T + np.eye(3)
    inverse = np.linalg.tensorinv(M, 1)
    side = B @ x
    both = inverse @ side
    return np.sum(np.sin(both))
"""


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@dataclass(frozen=True)
class Case:
    source: str
    arguments: tuple[Any, ...]

    def cotangents(self) -> Cotangents:
        loss = module_of("import numpy as np\n" + self.source, "cotangents").loss
        trace = record(loss, self.arguments)
        return Cotangents.of(trace, [get(self.arguments, i.path) for i in trace.program.inputs])


CASES = {
    "columns": Case(COLUMNS, (normal(4, 3), normal(4, 1), normal(2, 4), normal(3, 5), normal(2, 5))),
    "softmax": Case(SOFTMAX, (normal(3, 4), normal(5, 3), np.array([0, 3, 1, 1, 2]))),
    "recurrent": Case(RECURRENT, (normal(4, 2), normal(4, 4), normal(3, 2))),
    "norm": Case(NORM, (normal(3, 4), normal(4), normal(6, 3))),
    "picked": Case(PICKED, (normal(6, 3), normal(6, 2), np.array([[0, 1], [2, 2], [5, 0], [3, 4], [1, 1]]))),
    "unread": Case(UNREAD, (normal(3, 3), normal(3, 2), normal(2, 4))),
}
FOUND = {name: case.cotangents() for name, case in CASES.items()}


def loss_with(found: Cotangents, name: str, changed: Any) -> float:
    """The loss with one of its values replaced by another array, and all that is made of it made again."""
    values = {**found.forward_of_value, name: changed}
    _, sizes = evaluate(found.program, [found.forward_of_value[i.ref.name].reshape(
        [found.program.sizes[k] for k in i.ref.indices] or ()) if not i.units else np.expand_dims(
            found.forward_of_value[i.ref.name], i.units) for i in found.program.inputs])
    for equation in found.program.equations:
        if equation.out.name != name:
            values[equation.out.name] = compute(equation, values, sizes)
    return float(values[found.program.outputs[0].name])


@pytest.mark.parametrize("case", FOUND)
def test_cotangents_are_the_differences_of_the_loss(case: str) -> None:
    found, rng = FOUND[case], np.random.default_rng(1)
    assert not found.failure
    assert len(found.of_value) >= 3
    for name, cotangent in found.of_value.items():
        value = found.forward_of_value[name]
        assert cotangent.shape == value.shape
        step = 1e-6 * rng.normal(size=value.shape)
        change = loss_with(found, name, value + step) - loss_with(found, name, value - step)
        assert np.sum(2 * step * cotangent) == pytest.approx(change, rel=1e-5, abs=1e-11), name


def test_values_have_the_users_names_and_shapes() -> None:
    names = {case: {name: value.shape for name, value in found.values.items()} for case, found in FOUND.items()}
    assert names["columns"].items() >= {"z": (4, 5), "h": (4, 5), "out": (2, 5), "b": (4, 1), "W": (4, 3)}.items()
    assert names["norm"].items() >= {'cache["z"]': (6, 4), "self.mean": (4,), "self.x": (6, 4), "r": (6, 4)}.items()
    assert names["picked"].items() >= {"rows": (5, 2, 3), "flat": (5, 6), "scores": (2, 5), "wide": (2, 7)}.items()
    assert {name: value.shape for name, value in FOUND["columns"].forward.items()}.items() >= names["columns"].items()
    _, b, V, X, Y = CASES["columns"].arguments
    h = np.tanh(CASES["columns"].arguments[0] @ X + b)
    np.testing.assert_allclose(FOUND["columns"].forward["h"], h)
    np.testing.assert_allclose(FOUND["columns"].values["h"], V.T @ (2 * (V @ h - Y) / 5))
    np.testing.assert_allclose(FOUND["columns"].values["b"].ravel(), (FOUND["columns"].values["z"]).sum(axis=1))


def test_all_values_of_one_name_are_found() -> None:
    found = FOUND["recurrent"]
    assert len(found.called("hs")) == 4  # with the state that it starts from
    np.testing.assert_allclose(found.called("hs")[-1], found.values["hs[t]"])
    (mean,) = FOUND["norm"].called("mean")
    np.testing.assert_allclose(mean, FOUND["norm"].values["self.mean"])


def test_of_what_reaches_the_loss_unread_there_is_none() -> None:
    found = FOUND["unread"]
    assert set(found.values) == {"B", "x", "side", "both", "inverse"}


def test_a_loss_without_a_derivative_has_none() -> None:
    trace = record(lambda x: x**2, (np.ones(3),))
    found = Cotangents.of(trace, [np.ones(3)])
    assert (found.values, found.known) == ({}, ())
    assert "a loss returns one number" in found.failure
    assert found.identify(normal(3)) is None


# Which array is which


def distinct(found: Cotangents) -> list[tuple[str, Any]]:
    """The cotangents that nothing but themselves can be: arrays that differ in more than a factor from each other."""
    arrays = {name: np.squeeze(value) for name, value in found.values.items() if np.squeeze(value).size > 3}
    return [(name, value) for name, value in arrays.items() if np.ptp(value) > 1e-6]


@pytest.mark.parametrize("case", FOUND)
@pytest.mark.parametrize("factor", [1.0, -1.0, 0.5, 3.7])
def test_arrays_are_identified_up_to_axes_and_a_factor(case: str, factor: float) -> None:
    found = FOUND[case]
    assert distinct(found)
    for name, value in distinct(found):
        for turned in (value, value.T, value[None]):
            meaning = found.identify(factor * turned, f"d{name}")
            assert meaning is not None
            assert (meaning.of, meaning.kind) == (name, "cotangent")
            known = np.squeeze(found.values[name])
            rebuilt = meaning.factor * known.transpose(meaning.axes)
            np.testing.assert_allclose(rebuilt, np.squeeze(factor * turned), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", FOUND)
def test_an_array_that_is_a_little_off_is_nothing(case: str) -> None:
    found, rng = FOUND[case], np.random.default_rng(2)
    for name, value in distinct(found):
        for off in (1e-3, 1e-5):
            noise = rng.choice([-1, 1], value.shape) * rng.uniform(0.5, 1, value.shape)
            wrong = value + off * np.abs(value).max() * noise
            assert found.identify(wrong) is None, name
            one = value.copy()
            one.flat[0] += off * np.abs(value).max()
            assert found.identify(one, f"d{name}") is None, name


def means(found: Cotangents, array: Any, called: str = "") -> str:
    meaning = found.identify(array, called)
    return "" if meaning is None else meaning.text


def test_what_an_array_is_is_said_in_the_users_names() -> None:
    found = FOUND["columns"]
    W, b, V, X, Y = CASES["columns"].arguments
    h = np.tanh(W @ X + b)
    dout = 2 * (V @ h - Y) / 5
    assert means(found, dout) == "∂L/∂out"
    assert means(found, dout * 5) == "N ∂L/∂out"
    assert means(found, -dout / 2) == "-½ ∂L/∂out"
    assert means(found, (dout @ h.T).T) == "∂L/∂V, transposed"
    assert means(found, (V.T @ dout) * (1 - h**2)) == "∂L/∂z"
    assert means(found, 1 - h * h) == "the derivative of the tanh that makes h"
    assert means(found, h.T) == "h, transposed"
    assert means(found, dout.astype(np.float32)) == "∂L/∂out"
    assert means(found, h > 0) == means(found, np.cumsum(dout)) == ""


def test_zeros_constants_and_single_numbers_are_nothing() -> None:
    found = FOUND["norm"]
    for array in (np.zeros((6, 4)), np.ones((6, 4)), 2.0, np.array([[3.0]]), np.array([]), np.full(4, np.nan)):
        assert found.identify(array) is None


def test_a_gradient_that_is_zero_is_what_its_name_says() -> None:
    """A bias before a batch norm moves nothing: what is left is rounding, and differs from one way to the other."""
    found = FOUND["norm"]
    db = found.values['cache["z"]'].sum(axis=0)
    assert np.abs(db).max() < 1e-12
    for array in (db, np.zeros(4), db[::-1]):
        assert means(found, array) == ""
        assert means(found, array, "db") == means(found, array, 'grads["b"]') == "∂L/∂b"
    assert found.identify(1e-6 + db, "db") is None


def test_of_equal_values_the_name_decides() -> None:
    def loss(s: Any, b: Any) -> Any:
        z = s + b
        return np.sum(np.sin(z) * b)

    arguments = normal(4), normal(4)
    found = Cotangents.of(record(loss, arguments), arguments)
    dz = np.cos(arguments[0] + arguments[1]) * arguments[1]
    assert [means(found, dz), means(found, dz, "ds"), means(found, dz, "self.grad_s")] == ["∂L/∂z", "∂L/∂s", "∂L/∂s"]


def test_the_gradient_of_data_comes_last() -> None:
    def loss(w: Any, x: Any, y: Any) -> Any:
        return 0.5 * np.sum((w * x - y) ** 2)

    arguments = normal(5), normal(5), normal(5)
    w, x, y = arguments
    trace = record(loss, arguments)
    assert means(Cotangents.of(trace, arguments), y - w * x) == "∂L/∂y"
    assert means(Cotangents.of(trace, arguments, ("w",)), y - w * x) .startswith("-∂L/∂(a value of line")


def test_of_a_pair_the_loss_is_differentiated_and_its_names_count() -> None:
    def gradients(W: Any, b: Any, V: Any, X: Any, Y: Any) -> Any:
        wrong = np.tanh(W @ X + b)
        return [wrong @ X.T]

    case = CASES["columns"]
    loss: Callable[..., Any] = module_of("import numpy as np\n" + case.source, "paired").loss
    found = Cotangents.of(record_pair(loss, gradients, case.arguments), case.arguments)
    assert set(found.values) == set(FOUND["columns"].values)
    np.testing.assert_allclose(found.values["W"], FOUND["columns"].values["W"])


@given(st.integers(0, 2**32 - 1), st.permutations(range(3)), st.sampled_from([1.0, -2.0, 1 / 3]))
def test_three_axes_are_told_apart(seed: int, axes: list[int], factor: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 2, 2))
    found = Cotangents.of(record(lambda x: np.sum(np.exp(x)), (x,)), [x])
    meaning = found.identify(factor * np.exp(x).transpose(axes), "dx")
    assert meaning == Meaning("cotangent", "x", factor, tuple(axes), meaning.amount if meaning else "", "x")
