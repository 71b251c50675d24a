"""Idioms: every spelling is found, nothing that is not one is, and a held maximum is one that nothing depends on."""

from collections.abc import Callable

import numpy as np
import pytest

from einbackprop.gradients import grad
from einbackprop.interpretation import run
from einbackprop.program import Extremum, Map
from einbackprop.tracing.tracer import trace

X = np.random.default_rng(0).normal(size=(4, 3))

SPELLED = {
    "sigmoid": [
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: 1.0 / (np.exp(-x) + 1.0),
        lambda x: np.reciprocal(1 + np.exp(-x)),
        lambda x: np.exp(x) / (1 + np.exp(x)),
        lambda x: 0.5 * (1 + np.tanh(x / 2)),
        lambda x: np.tanh(0.5 * x) * 0.5 + 0.5,
        lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
        lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, -x))),
        lambda x: np.exp(-np.logaddexp(0, -x)),
        lambda x: (1 + np.exp(-x)) ** -1,
    ],
    "tanh": [
        lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
        lambda x: 2 / (1 + np.exp(-2 * x)) - 1,
        lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
        lambda x: np.sinh(x) / np.cosh(x),
    ],
    "relu": [
        lambda x: np.maximum(x, 0),
        lambda x: np.maximum(0, x),
        lambda x: x * (x > 0),
        lambda x: (x > 0) * x,
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.where(x < 0, 0, x),
    ],
    "softplus": [lambda x: np.log(1 + np.exp(x)), lambda x: np.log1p(np.exp(x)), lambda x: np.logaddexp(0, x)],
}
NO_IDIOM = [
    lambda x: 1 / (1 + np.exp(x + 1)) + x,
    lambda x: 1 / (2 + np.exp(-x)),
    lambda x: 2 / (1 + np.exp(-x * x)) * x,
    lambda x: np.exp(x) / (1 + np.exp(2 * x)),
    lambda x: 0.5 * (1 + np.tanh(x)) + x,
    lambda x: np.where(x > 1, x, 0),
    lambda x: np.where(x > 0, x, 0.01 * x),
    lambda x: x * (x < 0),
    lambda x: np.maximum(x, 1),
    lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(x)),
]


def functions(function: Callable, x: np.ndarray = X) -> set[str]:
    return {e.function for e in trace(function, x).equations if isinstance(e, Map)}


CASES = [pytest.param(n, s, id=f"{n}-{i}") for n, several in SPELLED.items() for i, s in enumerate(several)]


@pytest.mark.parametrize(("name", "spelling"), CASES)
def test_a_spelling_is_one_function(name: str, spelling: Callable) -> None:
    program = trace(spelling, X)
    assert [(type(e), e.function) for e in program.equations] == [(Map, name)]
    np.testing.assert_allclose(run(program, [X])[0], spelling(X), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("formula", NO_IDIOM, ids=range(len(NO_IDIOM)))
def test_a_near_miss_is_what_it_is(formula: Callable) -> None:
    program = trace(formula, X)
    np.testing.assert_allclose(run(program, [X])[0], formula(X), rtol=1e-13)


def test_a_near_miss_has_no_name_of_a_function_it_is_not() -> None:
    assert "relu" not in functions(NO_IDIOM[5]) | functions(NO_IDIOM[6]) | functions(NO_IDIOM[7])
    assert "tanh" not in functions(NO_IDIOM[9])
    assert "sigmoid" not in functions(NO_IDIOM[1]) | functions(NO_IDIOM[3])


def held(function: Callable, *arguments: np.ndarray) -> list[bool]:
    return [e.held for e in trace(function, *arguments).equations if isinstance(e, Extremum)]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_sum_exp(x: np.ndarray) -> np.ndarray:
    m = x.max(axis=1, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=1)) + m[:, 0]


def log_softmax(x: np.ndarray) -> np.ndarray:
    z = x - np.max(x, axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def half_of_it(x: np.ndarray) -> np.ndarray:
    m = x.max(axis=1, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=1)) + 0.5 * m[:, 0]


def shown_too(x: np.ndarray) -> tuple:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), e


def summed_the_other_way(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


@pytest.mark.parametrize("function", [softmax, log_sum_exp, log_softmax])
def test_a_maximum_that_nothing_depends_on_is_held(function: Callable) -> None:
    assert held(function, X) == [True]
    weights = np.random.default_rng(1).normal(size=np.shape(function(X)))
    found = grad(lambda x: np.sum(weights * function(x)))(X)
    numbers = np.array(
        [
            [(np.sum(weights * function(X + d)) - np.sum(weights * function(X - d))) / 2e-6 for d in row]
            for row in 1e-6 * np.eye(X.size).reshape(*X.shape, *X.shape)
        ]
    )
    np.testing.assert_allclose(found, numbers, atol=1e-8)


@pytest.mark.parametrize("function", [half_of_it, shown_too, summed_the_other_way, lambda x: x - x.max()], ids=range(4))
def test_a_maximum_that_something_depends_on_is_not_held(function: Callable) -> None:
    assert held(function, X) == [False]
