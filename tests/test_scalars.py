"""Numbers in formulas stand under the names that the user's code has for them: never under one that is not theirs."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import einbackprop as eb
from einbackprop.core.factors import exact
from einbackprop.notation.view import View
from einbackprop.reading.scalars import Scalars

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("code", "scalars", "number", "rest", "powers"),
    [
        ("a = x / N", {"N": 4}, 0.25, 1, (("N", -1),)),
        ("a = x / np.sqrt(D)", {"D": 8}, 8**-0.5, 1, (("D", -HALF),)),
        ("a = x * D ** -0.5", {"D": 8}, 8**-0.5, 1, (("D", -HALF),)),
        ("a -= 2 * lr * x", {"lr": 0.1}, 0.2, 2, (("lr", 1),)),
        ("a = x - self.lr * g", {"self.lr": 0.1}, -0.1, -1, (("self.lr", 1),)),
        ("return x * lr / (k * N)", {"lr": 0.1, "k": 3, "N": 4}, 0.1 / 12, 1, (("lr", 1), ("k", -1), ("N", -1))),
        ("a = np.sqrt(v + eps)", {"eps": 1e-8}, 1e-8, 1, (("eps", 1),)),
        ("a = 0.5 * p['s'] * x", {"p['s']": 0.3}, 0.15, HALF, (("p['s']", 1),)),
        ("m = beta * m + (1 - beta) * g", {"beta": 0.9}, 1 - 0.9, 1, (("(1 - beta)", 1),)),
        ("a = x / (n - 1)", {"n": 5}, 0.25, 1, (("(n - 1)", -1),)),
    ],
)
def test_a_number_is_told_as_the_statement_has_it(
    code: str, scalars: dict[str, float], number: float, rest: float, powers: tuple[tuple[str, Fraction], ...]
) -> None:
    found = Scalars(code, scalars, View()).named(exact(number))
    assert found is not None
    assert (found.rest, found.powers) == (rest, powers)


@pytest.mark.parametrize(
    ("code", "scalars", "number"),
    [
        ("a = x / 4 + y / N", {"N": 4}, 0.25),  # written out, and it may be that one
        ("a = x / N + y / M", {"N": 4, "M": 4}, 0.25),  # one of two
        ("a = x / 3 + N", {"N": 4}, 0.25),  # not what is divided by
        ("a = x[t] / 3", {"t": 4}, 0.25),  # an index
        ("a = x / N", {"N": 4}, 0.3),
        ("a = x / one", {"one": 1}, 1.0),
        ("a = x * (1 - b)", {"a": 0.25}, 0.25),
        ("for a in x:", {"x": 4}, 0.25),
        ("a = x / np.sqrt(c)", {"c": -4}, 0.5),
        ("a = x * c ** 3", {"c": 1e200}, 0.5),
        ("a = x * c", {"c": math.inf}, math.inf),
        ("a = x * c * 5e-324", {"c": 10**400}, Fraction(10) ** 400),
    ],
)
def test_a_number_that_no_name_is_known_to_make_stays_one(code: str, scalars: dict[str, float], number: float) -> None:
    assert Scalars(code, scalars, View()).named(exact(number)) is None


def test_names_that_look_like_a_letter_or_its_size_are_not_written() -> None:
    view = View(alike={"n": "n"}, sizes={"n": 5})
    assert Scalars("a = x / n", {"n": 4}, view).named(exact(0.25)) is None
    assert Scalars("a = x / N", {"N": 4}, view).named(exact(0.25)) is None  # N is 5, the size of n
    assert Scalars("a = x / N", {"N": 5}, view).named(exact(0.2)) is not None  # and here it is that


NAMES = ("N", "lr", "beta", "self.k")
NUMBERS = st.sampled_from([0.1, 0.9, 3, 4, 7, 1e-3, -2.5])


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from("*/"), NUMBERS), min_size=1, max_size=3,
                unique_by=lambda one: one[0]), st.sampled_from([1, 2, 5]))
def test_what_is_told_is_the_number(factors: list[tuple[str, str, float]], literal: int) -> None:
    code = f"y = {literal} * x" + "".join(f" {sign} {name}" for name, sign, _ in factors)
    number = float(literal) * math.prod(value if sign == "*" else 1 / value for _, sign, value in factors)
    scalars = {name: value for name, _, value in factors}
    found = Scalars(code, scalars, View()).named(exact(number))
    if found is not None:  # one of several products that would do is not told
        product = float(found.rest) * math.prod(scalars[name] ** float(power) for name, power in found.powers)
        assert math.isclose(product, number, rel_tol=1e-12)


def test_formulas_and_lines_with_einsum_have_the_names() -> None:
    D, lr = 8, 0.1

    def attend(q: np.ndarray, k: np.ndarray, b: np.ndarray) -> np.ndarray:
        a = q @ k.T / np.sqrt(D)
        a -= lr * b
        return a

    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(3, 5))
    lines = eb.read(attend, *arrays).lines
    (first,), (second,) = (line.formulas for line in lines[:2])
    assert first.equation == "a[j,l] = 1/√D Σ_i q[j,i] k[l,i]"
    assert first.einsum is not None
    assert first.einsum.endswith(" / np.sqrt(D)")
    assert second.equation == "a[j,l] -= lr b[j,l]"
    names = {"np": np, "einsum": np.einsum, "D": D, "q": arrays[0], "k": arrays[1]}
    assert np.allclose(eval(first.einsum, names), arrays[0] @ arrays[1].T / np.sqrt(D))


def test_a_negative_number_is_one_in_formulas_and_lines_that_are_pasted() -> None:
    """Formulas and lines have signs of their own, beside which one that a name hides would be lost."""
    c = -2.5

    def scaled(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return c * (x @ y)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    ((formula,),) = (line.formulas for line in eb.read(scaled, x, y).lines)
    assert formula.einsum is not None
    assert np.allclose(eval(formula.einsum, {"np": np, "einsum": np.einsum, "x": x, "y": y, "c": c}), c * (x @ y))
    assert formula.equation.startswith("return[j,k] = -2.5 ")


def test_a_narrow_number_is_read_as_what_it_is() -> None:
    """``np.float32(0.1)`` is not 0.1 once it multiplies an array of float64."""
    rate = np.float32(0.1)
    reading = eb.read(lambda w: rate * w, np.ones(3))
    assert not reading.notes
    assert "kept of this run" not in str(reading)
