"""The table of pointwise functions: values, and each stated derivative against complex step or differences."""

import cmath
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einbackprop.core import elementwise
from einbackprop.core.elementwise import FUNCTIONS, derivative, evaluate, parse
from einbackprop.core.interpretation import run
from einbackprop.core.program import Dimension, Input, Map, Program, Ref
from einbackprop.derivation.accumulation import vjp
from einbackprop.errors import FunctionError

DOMAINS = {
    "log": (0.1, 3), "log2": (0.1, 3), "log10": (0.1, 3), "log1p": (-0.8, 3), "arcsin": (-0.9, 0.9),
    "arccos": (-0.9, 0.9), "arccosh": (1.1, 3), "arctanh": (-0.9, 0.9), "pow": (0.2, 2), "mod": (0.7, 3),
    "floor_divide": (0.7, 3),
}  # fmt: skip
NO_COMPLEX = {"erf", "abs", "sign", "floor", "ceil", "round", "trunc", "mod", "floor_divide", "real", "imag", "conj"}
EXPONENTS = [Fraction(p) for p in ("1/2", "-1", "-1/2", "2", "3", "4", "3/2", "-2", "1/3", "0", "1", "-7/3")]
CASES = [(name, None) for name in FUNCTIONS if name != "power"] + [("power", p) for p in EXPONENTS]


TABLE = elementwise.statement


def drawn_points(function: str, parameter: Fraction | None, seed: int) -> list[np.ndarray]:
    """Points in the function's domain, away from kinks."""
    rng = np.random.default_rng(seed)
    positive = function == "power" and parameter is not None and (parameter.denominator > 1 or parameter < 0)
    low, high = (0.2, 2) if positive else DOMAINS.get(function, (-3, 3))
    points = [rng.uniform(low, high, 6) for _ in FUNCTIONS[function].partials]
    if function == "where":
        points[0] = rng.integers(0, 2, 6).astype(float)
    return points


def stated(function: str, parameter: Fraction | None, points: list[np.ndarray], slot: int) -> np.ndarray:
    """The derivative that the table states, evaluated as equations."""
    refs = tuple(Ref(f"x{n}", "i") for n in range(len(points)))
    program = Program(
        tuple(Input(ref) for ref in refs),
        (Map(Ref("y", "i"), function, refs, parameter),),
        (Ref("y", "i"),),
        (Dimension("i", 6),),
    )
    (found,) = run(vjp(program, [f"x{slot}"]), [*points, np.ones(6, points[0].dtype)])
    return found


def measured(function: str, parameter: Fraction | None, points: list[np.ndarray], slot: int) -> np.ndarray:
    """Complex step where the function is analytic, else a central difference of fourth order."""
    if function not in NO_COMPLEX:
        shifted = [x.astype(complex) if n == slot else x for n, x in enumerate(points)]
        shifted[slot] = shifted[slot] + 1e-20j
        return np.asarray(evaluate(function, shifted, parameter)).imag / 1e-20

    def at(h: float) -> Any:
        return evaluate(function, [x + h if n == slot else x for n, x in enumerate(points)], parameter) * 1.0

    return (8 * (at(1e-3) - at(-1e-3)) - (at(2e-3) - at(-2e-3))) / 12e-3


def error(function: str, parameter: Fraction | None, slot: int, seed: int) -> float:
    points = drawn_points(function, parameter, seed)
    expected = measured(function, parameter, points, slot)
    return float(np.max(np.abs(stated(function, parameter, points, slot) - expected) / (1 + np.abs(expected))))


def slots(function: str) -> range:
    """The operands, but for the condition of ``where``, which is no number."""
    return range(1 if function == "where" else 0, len(FUNCTIONS[function].partials))


@pytest.mark.parametrize(("function", "parameter"), CASES)
def test_each_stated_derivative_is_the_measured_one(function: str, parameter: Fraction | None) -> None:
    for slot in slots(function):
        for seed in range(3):
            assert error(function, parameter, slot, seed) < 1e-9


@pytest.mark.parametrize("mutation", ["2 * ({})", "({}) + 1", "-({}) - 1/1000000"])
@pytest.mark.parametrize(("function", "parameter"), CASES)
def test_a_wrong_derivative_in_the_table_is_noticed(
    function: str, parameter: Fraction | None, mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = mutation.startswith("2") and elementwise.statement(function, 0, parameter) in ("0", None)
    if flat or parameter == 0 or FUNCTIONS[function].boolean:
        mutation = "({}) + 1/1000000"  # twice nothing is nothing

    def wrong(name: str, slot: int, p: Any, **_: Any) -> Any:
        return mutation.format(TABLE(name, slot, p)) if name == function else TABLE(name, slot, p)

    monkeypatch.setattr(elementwise, "statement", wrong)
    for slot in slots(function):
        assert max(error(function, parameter, slot, seed) for seed in range(3)) > 1e-7


@pytest.mark.parametrize(("function", "parameter"), CASES)
def test_float32_stays_float32(function: str, parameter: Fraction | None) -> None:
    points = [x.astype(np.float32) for x in drawn_points(function, parameter, 0)]
    value = evaluate(function, points, parameter)
    assert value.dtype == (bool if FUNCTIONS[function].boolean else np.float32)
    zero_dimensional = evaluate(function, [x[0] for x in points], parameter)
    assert zero_dimensional.dtype == value.dtype
    assert zero_dimensional == value[0]
    for slot in slots(function):
        if derivative(function, slot, parameter):
            assert stated(function, parameter, points, slot).dtype == np.float32


def test_sigmoid_is_accurate_on_both_sides_and_silent() -> None:
    x = np.array([-1000.0, -40.0, 0.0, 40.0, 1000.0])
    expected = [0.0, 4.248354255291589e-18, 0.5, 1.0, 1.0]
    np.testing.assert_allclose(evaluate("sigmoid", [x]), expected, rtol=1e-15)
    np.testing.assert_allclose(evaluate("softplus", [x]), [0, 4.248354255291589e-18, np.log(2), 40, 1000], rtol=1e-15)


def test_infinities_come_without_a_warning() -> None:
    assert evaluate("log", [np.array(0.0)]) == -np.inf
    assert np.isnan(evaluate("power", [np.array(-1.0)], Fraction(1, 2)))
    assert evaluate("power", [np.array(0)], Fraction(-1)) == np.inf
    assert evaluate("exp", [np.array(1000.0)]) == np.inf


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_functions_agree_with_the_scalars_of_pythons_math(a: float, b: float) -> None:
    for function in ("exp", "tanh", "arctan", "sinh", "cosh", "sin", "cos", "expm1", "arcsinh"):
        expected = getattr(math, {"arctan": "atan", "arcsinh": "asinh"}.get(function, function))(a)
        np.testing.assert_allclose(evaluate(function, [a]), expected, rtol=1e-14)
    np.testing.assert_allclose(evaluate("sigmoid", [a]), 1 / (1 + math.exp(-a)), rtol=1e-14)
    np.testing.assert_allclose(evaluate("hypot", [a, b]), math.hypot(a, b), rtol=1e-14)
    np.testing.assert_allclose(evaluate("arctan2", [a, b]), math.atan2(a, b), rtol=1e-14)
    z = complex(a, b)
    np.testing.assert_allclose(evaluate("exp", [z]), cmath.exp(z), rtol=1e-14)
    np.testing.assert_allclose(evaluate("abs", [z]), abs(z), rtol=1e-14)
    assert evaluate("conj", [z]) == z.conjugate()
    assert evaluate("real", [z]) == a
    assert evaluate("imag", [z]) == b


@pytest.mark.parametrize(
    ("function", "parameter", "expected"),
    [
        ("power", Fraction(-2), [Fraction(9, 4), Fraction(9)]),
        ("power", Fraction(3), [Fraction(8, 27), Fraction(-1, 27)]),
        ("relu", None, [Fraction(2, 3), 0]),
        ("abs", None, [Fraction(2, 3), Fraction(1, 3)]),
        ("step", None, [True, False]),
        ("sign", None, [1, -1]),
    ],
)
def test_rational_functions_of_fractions_are_exact(function: str, parameter: Fraction | None, expected: Any) -> None:
    x = np.array([Fraction(2, 3), Fraction(-1, 3)])
    assert list(evaluate(function, [x], parameter)) == expected


def test_conventions_at_kinks_and_ties() -> None:
    zero, tied = np.zeros(6), np.ones(6)
    assert stated("relu", None, [zero], 0).max() == 0
    assert stated("abs", None, [zero], 0).max() == 0
    for function in ("maximum", "minimum"):
        assert stated(function, None, [tied, tied], 0).min() == 1
        assert stated(function, None, [tied, tied], 1).max() == 0


def test_a_power_that_is_not_rational_is_refused_for_fractions() -> None:
    message = r"power cannot be evaluated on operands of dtype object: a Fraction to the power 1/2 is not a Fraction"
    with pytest.raises(FunctionError, match=message):
        evaluate("power", [np.array([Fraction(2)])], Fraction(1, 2))
    with pytest.raises(FunctionError, match="exp cannot be evaluated on operands of dtype object"):
        evaluate("exp", [np.array([Fraction(2)])])


def test_an_unknown_function_is_named_with_those_there_are() -> None:
    with pytest.raises(FunctionError, match=r"there is no pointwise function 'gamma'; there are abs, arccos, arccosh"):
        evaluate("gamma", [1.0])


def test_a_wrong_number_of_operands_is_said() -> None:
    with pytest.raises(FunctionError, match="maximum takes 2 operands, but 1 were given"):
        evaluate("maximum", [1.0])


def test_a_formula_that_is_none_is_shown() -> None:
    with pytest.raises(FunctionError, match=r"not part of a formula: x @ y"):
        parse("1 + x @ y")
    with pytest.raises(FunctionError, match="an exponent in a formula is a number"):
        parse("x**y")
