"""Jacobians by few runs: the same as by one run for each entry, where outputs tell entries apart and where not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from einbackprop.diagnosis.jacobians import jacobian

RNG = np.random.default_rng(0)
X, W, E = RNG.standard_normal((6, 5)), RNG.standard_normal((5, 4)), RNG.standard_normal((6, 4))
CASES: dict[str, tuple[Callable[[np.ndarray], tuple[np.ndarray, ...]], tuple[int, ...], int]] = {
    "entry by entry": (lambda d: (3 * d * X, d.T), (6, 5), 3),
    "by features": (lambda d: (d - d.mean(0), d.sum(0)), (6, 5), 8),
    "one output by rows, one by columns": (lambda d: (d @ W.T, X.T @ d), (6, 4), 12),
    "an output that does not move": (lambda d: (2 * d, np.zeros(7)), (6, 5), 3),
    "nothing apart": (lambda d: (X.T @ d @ W.T,), (6, 4), 24),
    "apart at both ends alone": (lambda d: (d + (d[2, 1] + d[3, 3]) * E,), (6, 4), 24),
}


@pytest.mark.parametrize("kind", CASES)
def test_few_runs_give_the_same_columns_as_one_for_each_entry(kind: str) -> None:
    function, shape, most = CASES[kind]
    runs = 0

    def change(direction: np.ndarray) -> tuple[np.ndarray, ...]:
        nonlocal runs
        runs += 1
        return function(direction.reshape(shape))

    whole = jacobian(change, [shape], is_whole=True)
    assert runs == np.prod(shape)
    runs = 0
    found = jacobian(change, [shape])
    assert runs <= most
    by = RNG.standard_normal(shape).ravel()
    is_right = np.allclose(found @ by, whole @ by)
    assert is_right is (kind != "apart at both ends alone")  # which one more direction shows
    assert is_right is np.allclose(found, whole)
