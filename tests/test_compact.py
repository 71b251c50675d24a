"""The shorter formulas of a softmax are equal to the derived steps, and written only where there is a softmax."""

from typing import Any

import numpy as np
import pytest

from einbackprop.capture.tracer import trace
from einbackprop.core.interpretation import evaluate, read
from einbackprop.core.program import Contract, Equation, Factor, Sum
from einbackprop.diagnosis.sampling import evaluate_into
from einbackprop.diagnosis.truth import Truth

rng = np.random.default_rng(4)
Z, V, LABELS = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.integers(0, 3, 5)
ONE_HOT = np.eye(3)[LABELS]


def softmax(z: Any, axis: int = 1) -> Any:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


LOSSES = {
    "weighted": lambda z: np.sum(softmax(z) * V),
    "over columns": lambda z: np.sum(softmax(z, 0) * V),
    "without its max": lambda z: (lambda e: np.sum(e / e.sum(axis=1)[:, None] * V))(np.exp(z)),
    "used twice": lambda z: (lambda p: np.sum(V * p) + np.sum(p**2))(softmax(z)),
    "of a transposed product": lambda z: np.sum(softmax((z.T @ z).T) @ V[:3]),
    "labels": lambda z: -np.mean(np.log(softmax(z)[np.arange(5), LABELS])),
    "labels in columns": lambda z: -np.mean(np.log(softmax(z.T, 0)[LABELS, np.arange(5)])),
    "weighted labels": lambda z: -np.sum(V[:, 0] * np.log(softmax(z)[np.arange(5), LABELS])),
    "a log, then labels": lambda z: -np.mean(np.log(softmax(z))[np.arange(5), LABELS]),
    "one-hot": lambda z: -np.sum(ONE_HOT * np.log(softmax(z))) / 5,
}
OTHERS = {
    "a sigmoid": lambda z: np.sum(1 / (1 + np.exp(-z)) * V),
    "an exp that is used again": lambda z: (lambda e: np.sum(e / e.sum(axis=1)[:, None] * V) + e.sum())(np.exp(z)),
    "divided by another sum": lambda z: np.sum(np.exp(z) / np.exp(2 * z).sum(axis=1, keepdims=True) * V),
    "scaled": lambda z: np.sum(np.exp(z) / (2 * np.exp(z).sum(axis=1, keepdims=True)) * V),
}


def shorter(truth: Truth) -> list[Equation]:
    """The equations that are written otherwise than they are derived."""
    derived = truth.program.defining()
    return [e for name, e in truth.made.items() if e != derived[name]]


def error(truth: Truth, equation: Equation) -> float:
    """How far a shorter formula is from the derived value."""
    values, sizes = evaluate(truth.program, [Z])
    there = {name: array for name, array in values.items() if name != equation.out.name}
    assert evaluate_into(there, equation, sizes)
    derived = read(values[equation.out.name], equation.out, equation.out.indices, sizes)
    return float(np.abs(there[equation.out.name] - derived).max())


@pytest.mark.parametrize("name", LOSSES)
def test_a_shorter_formula_is_equal_to_the_derived_value(name: str) -> None:
    truth = Truth(trace(LOSSES[name], Z))
    (equation,) = shorter(truth)
    assert error(truth, equation) < 1e-13
    match equation:
        case Sum(out, terms):
            wrong: list[Equation] = [Sum(out, terms[:1]), Sum(out, tuple((-f, ref) for f, ref in terms))]
        case Contract(out, refs):
            wrong = [Contract(out, refs[1:]), Contract(out, refs[:1]), Contract(out, refs, factor=Factor.of(2))]
    assert all(error(truth, other) > 1e-3 for other in wrong)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_softmax_keeps_its_derivation(name: str) -> None:
    truth = Truth(trace(OTHERS[name], Z))
    assert shorter(truth) == []
    assert not truth.crossed


def test_nothing_is_divided_by_the_probability_that_a_log_is_taken_of() -> None:
    for name, loss in LOSSES.items():
        truth = Truth(trace(loss, Z))
        (equation,) = shorter(truth)
        assert isinstance(equation, Sum) == ("labels" in name or name == "one-hot")
        assert bool(truth.crossed) == isinstance(equation, Contract)
