"""Logarithms of products are sums in what is derived: a cross-entropy gives the probabilities less the labels."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies

import einbackprop as eb
from einbackprop.core.interpretation import evaluate
from einbackprop.core.logarithms import with_sums_for_logarithms
from einbackprop.notation.index_notation import View, equation_text

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))
Y = np.array([0, 1, 2, 3, 0])


def shifted(W, X, y):
    s = X @ W
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(X)), y]).mean()


def in_place(W, X, y):
    p = np.exp(X @ W)
    p /= p.sum(axis=1, keepdims=True)
    return np.sum(-np.log(p[np.arange(len(X)), y])) / len(X)


def one_hot(W, X, y):
    e = np.exp(X @ W)
    p = e / e.sum(axis=1, keepdims=True)
    return -np.sum(np.eye(4)[y] * np.log(p)) / len(X)


def columns(W, X, y):
    e = np.exp(W.T @ X.T)
    p = e / e.sum(axis=0)
    return -np.mean(np.log(p[y, np.arange(len(X))]))


def weighted(W, X, y):
    p = np.exp(X @ W) * np.abs(X[:, :1]) / (1 + X[:, 1:2] ** 2) ** 1.5
    return np.sum(np.log(p)) + np.sum(p)


LOSSES = (shifted, in_place, one_hot, columns, weighted)


def complex_step(loss: Callable[..., Any], W: Any, *others: Any) -> Any:
    found = np.empty_like(W)
    for at in np.ndindex(W.shape):
        moved = W.astype(complex)
        moved[at] += 1e-30j
        found[at] = loss(moved, *others).imag / 1e-30
    return found


@pytest.mark.long
@pytest.mark.parametrize("loss", LOSSES)
@given(strategies.integers(0, 100))
def test_what_is_derived_is_the_gradient(loss: Callable[..., Any], seed: int) -> None:
    drawn = np.random.default_rng(seed).normal(size=W.shape)
    derived = eb.derive(loss, drawn, X, Y)
    (found,) = (evaluate(derived, (drawn, X, Y))[0][ref.name] for ref in derived.outputs)
    expected = complex_step(without_max if loss is shifted else loss, drawn, X, Y)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


def without_max(W, X, y):
    e = np.exp(X @ W)
    return -np.log((e / e.sum(axis=1, keepdims=True))[np.arange(len(X)), y]).mean()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_the_same(loss: Callable[..., Any]) -> None:
    program = eb.trace(loss, W, X, Y)
    summed = with_sums_for_logarithms(program)
    assert summed != program
    values = [evaluate(p, (W, X, Y))[0][p.outputs[0].name] for p in (program, summed)]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-13)
    np.testing.assert_allclose(values[1], loss(W, X, Y), rtol=1e-13)


@pytest.mark.parametrize("loss", [shifted, in_place])
def test_a_cross_entropy_gives_the_probabilities_less_the_labels(loss: Callable[..., Any]) -> None:
    derived = eb.derive(loss, W, X, Y)
    said = [equation_text(e, View.of(derived)).partition(" = ")[2] for e in derived.equations]
    assert any(re.fullmatch(r"1/B p(_\d)?\[b,j\]", text) for text in said), said
    assert "-1/B [j=y[b]]" in said


def test_a_probability_of_0_makes_no_infinity() -> None:
    steep = np.array([[900.0, 0, 0, 0], [0, 900.0, 0, 0], [0, 0, 900.0, 0]])
    program = eb.derive(shifted, steep, X, Y)
    with np.errstate(all="raise", under="ignore"):
        values = evaluate(program, (steep, X, Y))[0]
    assert np.isfinite(values[program.outputs[0].name]).all()


def test_other_logarithms_stay() -> None:
    for loss in (lambda w: np.sum(np.log(w)), lambda w: np.sum(np.log(w * w)), lambda w: np.log(np.sum(np.exp(w)))):
        program = eb.trace(loss, np.array([0.5, 2.0]))
        assert with_sums_for_logarithms(program) == program
