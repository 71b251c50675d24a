"""Spellings of one function are named; what is nearly one of them is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from einbackprop.capture.tracer import trace
from einbackprop.core import interpretation
from einbackprop.core.idioms import recognise
from einbackprop.core.program import Contract, Extremum, Map, Program

X = np.random.default_rng(0).normal(size=(3, 4))


def stable_sigmoid_by_masks(x: Any) -> Any:
    z = np.zeros_like(x)
    positive = x >= 0
    z[positive] = 1 / (1 + np.exp(-x[positive]))
    e = np.exp(x[~positive])
    z[~positive] = e / (1 + e)
    return z


def stable_sigmoid_by_two_comparisons(x: Any) -> Any:
    return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 0))


SPELLINGS: dict[str, list[Callable[[Any], Any]]] = {
    "sigmoid": [
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: 1.0 / (np.exp(-x) + 1.0),
        lambda x: (1 + np.exp(-x)) ** -1,
        lambda x: np.reciprocal(1 + np.exp(-x)),
        lambda x: np.power(1 + np.exp(-1 * x), -1.0),
        lambda x: np.exp(x) / (1 + np.exp(x)),
        lambda x: np.exp(x) / (np.exp(x) + 1),
        lambda x: 1 - 1 / (1 + np.exp(x)),
        lambda x: 0.5 * (1 + np.tanh(x / 2)),
        lambda x: np.tanh(x / 2) / 2 + 0.5,
        lambda x: (np.tanh(0.5 * x) + 1) / 2,
        lambda x: 1 / (1 + np.exp(-x.T)).T,
        lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
        lambda x: 1 / (1 + np.exp(-np.clip(x, -500, 500))),
        stable_sigmoid_by_masks,
        stable_sigmoid_by_two_comparisons,
    ],
    "tanh": [
        np.tanh,
        lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
        lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
        lambda x: (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x)),
        lambda x: 2 / (1 + np.exp(-2 * x)) - 1,
        lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    ],
    "relu": [
        lambda x: np.maximum(x, 0),
        lambda x: np.maximum(0.0, x),
        lambda x: np.maximum(x, np.zeros_like(x)),
        lambda x: np.clip(x, 0, None),
        lambda x: x * (x > 0),
        lambda x: (x > 0) * x,
        lambda x: x * (x >= 0).astype(float),
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.where(x >= 0, x, 0.0),
        lambda x: np.where(x < 0, 0, x),
        lambda x: np.where(x <= 0, np.zeros(x.shape), x),
        lambda x: 0.5 * (x + np.abs(x)),
        lambda x: (np.abs(x) + x) / 2,
    ],
}


def cases(table: dict[str, list[Callable[[Any], Any]]]) -> list[Any]:
    return [pytest.param(f, name, id=f"{name}-{n}") for name, all_ in table.items() for n, f in enumerate(all_)]


def defining(program: Program) -> Any:
    return program.defining()[program.outputs[0].name]


def runs_right(program: Program, function: Callable[[Any], Any], x: Any) -> None:
    (found,) = interpretation.run(program, [x])
    np.testing.assert_allclose(found, function(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("function", "name"), cases(SPELLINGS))
def test_a_spelling_is_named(function: Callable[[Any], Any], name: str) -> None:
    program = trace(function, X)
    last = defining(program)
    if isinstance(last, Contract) and not last.brackets and len(last.operands) == 1:  # a transpose back
        last = program.defining()[last.operands[0].name]
    assert isinstance(last, Map)
    assert last.function == name
    named = [e for e in program.equations if e.out.name in program.labels or e is last]
    assert len(named) > 1 or len(program.equations) <= 5  # what only the spelling used is gone
    runs_right(program, function, X)


NEAR_MISSES: dict[str, list[Callable[[Any], Any]]] = {
    "sigmoid": [
        lambda x: 1 / (1 - np.exp(-x)),
        lambda x: 2 / (1 + np.exp(-x)),
        lambda x: 1 / (2 + np.exp(-x)),
        lambda x: 1 / (1 + 2 * np.exp(-x)),
        lambda x: -1 / (1 + np.exp(-x)),
        lambda x: np.exp(x) / (1 + np.exp(-x)),
        lambda x: np.exp(x) / (1 + np.exp(2 * x)),
        lambda x: np.exp(x) / (1 + np.exp(x + 1)),
        lambda x: 0.5 * (1 + np.tanh(x)),
        lambda x: 0.5 * (1 - np.tanh(x / 2)),
        lambda x: 1 / (1 + np.exp(-x).sum(axis=0)),
        lambda x: np.exp(x) / (1 + np.exp(x).sum(axis=0)),
        lambda x: np.exp(x[:, :3]) / (1 + np.exp(x[:, :3].T)),
        lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (2 + np.exp(x))),
        lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.where(x < -1, np.exp(x) / (1 + np.exp(x)), 0)),
        lambda x: (1 + np.exp(-x)) ** -2,
        lambda x: 1 / (1 + np.exp(-(x**2))) * (x > 0),
    ],
    "tanh": [
        lambda x: (np.exp(x) + np.exp(-x)) / (np.exp(x) - np.exp(-x)),
        lambda x: (np.exp(x) - 1) / (np.exp(x) + 1) * 2,
        lambda x: (np.exp(2 * x) - 1) / (np.exp(x) + 1),
        lambda x: 2 / (1 + np.exp(-2 * x)) + 1,
    ],
    "relu": [
        lambda x: x * (x > 1),
        lambda x: x * (x < 0),
        lambda x: x * (x.mean(axis=0) > 0),
        lambda x: x[:, :3] * (x[:, 1:] > 0),
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda x: np.where(x > 0, 0, x),
        lambda x: np.where(x < 0, x, 0),
        lambda x: np.where(x > 0, 2 * x, 0),
        lambda x: np.where(x > 0, x, 1),
        lambda x: np.maximum(x, 0.1),
        lambda x: np.minimum(x, 0),
        lambda x: x + np.abs(x),
        lambda x: 0.5 * (x - np.abs(x)),
        lambda x: 0.5 * (x + np.abs(2 * x)),
    ],
}


@pytest.mark.parametrize(("function", "name"), cases(NEAR_MISSES))
def test_a_near_miss_is_not_named(function: Callable[[Any], Any], name: str) -> None:
    program = trace(function, X)
    last = defining(program)
    assert not (isinstance(last, Map) and last.function == name)
    runs_right(program, function, X)


# The max that is subtracted


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(x: Any) -> Any:
    shifted = x - np.max(x, axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def log_sum_exp(x: Any) -> Any:
    m = x.max(axis=1)
    return m + np.log(np.exp(x - m[:, None]).sum(axis=1))


def cross_entropy_of_shifted(x: Any) -> Any:
    y = np.array([1, 3, 0])
    shifted = x - x.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(3), y])


def softmax_then_more(x: Any) -> Any:
    return np.sum(softmax(x) ** 2 * np.log(softmax(x)))


def softmax_of_the_whole_max(x: Any) -> Any:
    e = np.exp(x - np.max(x))
    return e / e.sum(axis=1, keepdims=True)


def in_columns(x: Any) -> Any:
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def of_the_minimum(x: Any) -> Any:
    e = np.exp(x - x.min(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def spread_by_ones(x: Any) -> Any:
    m = np.einsum("b,k->bk", 2 * x.max(axis=1), 0.5 * np.ones(x.shape[1]))
    e = np.exp(x - m)
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "function",
    [softmax, log_softmax, log_sum_exp, cross_entropy_of_shifted, softmax_then_more, softmax_of_the_whole_max,
     spread_by_ones, in_columns, of_the_minimum, np.logaddexp.reduce],
)  # fmt: skip
def test_a_max_on_which_nothing_depends_is_held(function: Callable[[Any], Any]) -> None:
    program = trace(lambda x: function(x), X)
    extrema = [e for e in program.equations if isinstance(e, Extremum)]
    assert extrema
    assert all(e.held for e in extrema)
    runs_right(program, function, X)


def summed_over_the_wrong_axis(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def summed_over_all(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum()


def with_an_epsilon(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / (e.sum(axis=1, keepdims=True) + 1e-8)


def added_twice(x: Any) -> Any:
    m = x.max(axis=1)
    return 2 * m + np.log(np.exp(x - m[:, None]).sum(axis=1))


def spread_by_ones_and_halved(x: Any) -> Any:
    u = np.einsum("b,k->bk", x.max(axis=1), 0.5 * np.ones(x.shape[1]))
    return u + np.log(np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))


def the_max_returned_too(x: Any) -> Any:
    m = x.max(axis=1, keepdims=True)
    e = np.exp(x - m)
    return e / e.sum(axis=1, keepdims=True), m


def the_exp_returned_too(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), e


def a_max_that_is_the_result(x: Any) -> Any:
    return x.max(axis=1)


def squared_before_the_quotient(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e**2 / e.sum(axis=1, keepdims=True)


def divided_by_the_max(x: Any) -> Any:
    return x / x.max(axis=1, keepdims=True)


def of_the_transpose(x: Any) -> Any:
    square = x[:, :3]
    e = np.exp(square - square.max(axis=1))  # the max of a row, taken from a column
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "function",
    [summed_over_the_wrong_axis, summed_over_all, with_an_epsilon, added_twice, spread_by_ones_and_halved,
     the_max_returned_too, the_exp_returned_too, a_max_that_is_the_result, squared_before_the_quotient,
     divided_by_the_max, of_the_transpose],
)  # fmt: skip
def test_a_max_on_which_something_depends_is_not_held(function: Callable[[Any], Any]) -> None:
    program = trace(function, X)
    assert not any(e.held for e in program.equations if isinstance(e, Extremum))


def test_what_is_held_makes_no_difference_in_numbers() -> None:
    """The claim itself: another number in place of the max gives the same result, if and only if it is held."""
    for function, is_held in [(softmax, True), (log_softmax, True), (log_sum_exp, True), (with_an_epsilon, False),
                              (summed_over_the_wrong_axis, False), (squared_before_the_quotient, False)]:  # fmt: skip
        program = trace(function, X)
        shifted = [
            Contract(e.out, (), (), source=e.source) if isinstance(e, Extremum) else e for e in program.equations
        ]  # 1 in place of the max
        (found,) = interpretation.run(Program(program.inputs, tuple(shifted), program.outputs, program.dimensions), [X])
        (before,) = interpretation.run(program, [X])
        assert np.allclose(found, before, rtol=1e-12, atol=0) == is_held


# The parts


def test_a_number_that_may_not_show_makes_no_idiom() -> None:
    for guard in (1e-3, 1e-8, 1e-16):
        program = trace(lambda x, g=guard: 1 / (1 + np.exp(-x)) * (1 + np.exp(-x) * g / (g + np.exp(-x))), X)
        assert "sigmoid" not in {e.function for e in program.equations[-1:] if isinstance(e, Map)}
        program = trace(lambda x, g=guard: 1 / (1 + np.exp(-x)) + g, X)
        assert not (isinstance(program.equations[-1], Map) and program.equations[-1].function == "sigmoid")


def test_a_relu_within_other_values_is_no_relu_of_them() -> None:
    program = trace(lambda x, y: np.maximum(x, 0) * y, X, 2 * X)
    assert [e.function for e in program.equations if isinstance(e, Map)] == ["relu"]
    program = trace(lambda x, y: y * (x > 0), X, 2 * X)
    assert "relu" not in {e.function for e in program.equations if isinstance(e, Map)}


def test_named_values_stay_and_unnamed_ones_go() -> None:
    def layer(x: Any) -> Any:
        e = np.exp(-x)
        y = 1 / (1 + e)
        return y

    program = trace(layer, X)
    assert [e.out.name for e in program.equations] == ["t1", "e", "y"]  # −x, its exp, sigmoid(x)
    assert recognise(program) == program


def test_one_minus_a_sigmoid_is_read_as_that() -> None:
    def slope(x: Any) -> Any:
        y = 1 / (1 + np.exp(-x))
        return y * (1 - y)

    program = trace(slope, X)
    assert [e.function for e in program.equations if isinstance(e, Map)] == ["sigmoid"]
    runs_right(program, slope, X)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, -x))),
        lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))),
        lambda x: np.exp(-np.maximum(-x, 0)) / (np.exp(-abs(x)) + 1),
    ],
    ids=range(3),
)
def test_a_sigmoid_that_does_not_overflow_is_one(spelling) -> None:
    x = np.linspace(-2, 2, 6)
    equations = trace(spelling, x).equations
    assert [(type(e), e.function) for e in equations] == [(Map, "sigmoid")]


@pytest.mark.parametrize(
    "spelling",
    [
        lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))),
        lambda x: np.exp(np.minimum(x, 1)) / (1 + np.exp(-np.abs(x))),
        lambda x: np.exp(np.maximum(x, 0)) / (1 + np.exp(-np.abs(x))),
        lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-2 * np.abs(x))),
    ],
    ids=range(4),
)
def test_what_is_a_sigmoid_on_one_side_only_is_none_of_x(spelling) -> None:
    x = np.linspace(-2, 2, 6)
    program = trace(spelling, x)
    (name,) = [i.ref.name for i in program.inputs]
    of_x = [e for e in program.equations if isinstance(e, Map) and [r.name for r in e.operands] == [name]]
    assert "sigmoid" not in {e.function for e in of_x}
    np.testing.assert_allclose(interpretation.run(program, [x])[0], spelling(x), rtol=1e-14)
