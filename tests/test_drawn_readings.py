"""Readings of whole functions drawn at random: each printed form is true, and nearly each einsum line can be pasted."""

import warnings
from collections import Counter

import numpy as np
import pytest
from drawn_functions import draw, sizes_for
from reading_truth import MARK, reading_with_values, untrue
from sampling import THOROUGH

from einbackprop.core import nesting
from einbackprop.errors import EinbackpropError

SEEDS = range(10_000) if THOROUGH else range(0, 10_000, 401)


@pytest.mark.slow
def test_what_is_read_of_drawn_functions_is_true() -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        drawn, (sizes, _) = draw(seed), sizes_for(seed)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                reading = reading_with_values(drawn.space["f"], *nesting.duplicate(drawn.arguments(sizes)))
            except EinbackpropError:
                seen["refused"] += 1
                continue
            assert not (false := list(untrue(reading))), f"seed {seed}: {false}\n{drawn.source}"
        einsums = [f.einsum for line in reading.lines for f in line.formulas if f.einsum is not None]
        seen["einsum"] += len(einsums)
        seen["marked"] += sum(MARK in line for line in einsums)
        seen["formulas"] += sum(len(line.formulas) for line in reading.lines)
    assert seen["refused"] <= 0.1 * len(SEEDS)
    assert seen["formulas"] > 15 * len(SEEDS)
    assert seen["marked"] <= 0.05 * seen["einsum"]
