"""Loops in the ways in which people write them are read as their formulas, and are what they were where they run."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loops_as_written import CASES, FORMULAS, UNROLLED

import einbackprop as eb

Function = Callable[..., Any]


def arguments(function: Function, seed: int = 0) -> list[Any]:
    """Arrays of the shapes that a function takes, and its other arguments."""
    rng = np.random.default_rng(seed)
    given = {**CASES, **UNROLLED}[function]
    return [rng.normal(size=one) if isinstance(one, tuple) else copy.deepcopy(one) for one in given]


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_a_loop_is_read_as_its_formulas(function: Function) -> None:
    reading = eb.read(function, *arguments(function))
    written = [formula.equation for line in reading.lines for formula in line.formulas]
    expected = [line.strip() for line in FORMULAS[function].strip().splitlines()]
    assert [line for line in expected if line not in written] == []
    assert "times)" not in str(reading)


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_what_a_loop_is_compiled_to_gives_what_it_gives(function: Function) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that it holds for some values alone would be one
        compiled = eb.compile(function, *arguments(function))
    for seed in range(3):
        given = arguments(function, seed)
        expected = function(*copy.deepcopy(given))
        found = compiled(*given)
        both = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
        for one, other in both:
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("function", UNROLLED, ids=lambda f: f.__name__)
def test_a_loop_that_is_no_formula_says_so(function: Function) -> None:
    shown = str(eb.read(function, *arguments(function)))
    assert "(the first of" in shown or "the program depends on values here" in shown
