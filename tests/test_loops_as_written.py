"""Loops in the ways in which people write them are read as their formulas, and are what they were where they run."""

import copy
import inspect
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loops_as_written import (
    CASES,
    FORMULAS,
    UNROLLED,
    attention,
    factorization,
    generated,
    moving_average,
    one_unit,
    regions,
    scalar_by_scalar,
    velocity,
)
from sampling import some

import einbackprop as eb
from einbackprop.capture.tracer import record

Function = Callable[..., Any]


def arguments(function: Function, seed: int = 0) -> list[Any]:
    """Arrays of the shapes that a function takes, and its other arguments."""
    rng = np.random.default_rng(seed)
    given = {**CASES, **UNROLLED}[function]
    return [rng.normal(size=one) if isinstance(one, tuple) else copy.deepcopy(one) for one in given]


@pytest.mark.long
@pytest.mark.parametrize("function", some(CASES, 2), ids=lambda f: f.__name__)
def test_a_loop_is_read_as_its_formulas(function: Function) -> None:
    reading = eb.read(function, *arguments(function))
    written = [formula.equation for line in reading.lines for formula in line.formulas]
    expected = [line.strip() for line in FORMULAS[function].strip().splitlines()]
    assert [line for line in expected if line not in written] == []
    assert "times)" not in str(reading)


@pytest.mark.long
@pytest.mark.parametrize("function", some([*CASES, *UNROLLED], 3), ids=lambda f: f.__name__)
def test_no_statement_that_makes_an_array_is_left_out(function: Function) -> None:
    trace = record(function, arguments(function))
    made = {b.source.line for b in trace.bindings if b.statement.site < 0
            and any(access.value and access.letters for access in (*b.binds, *b.changes))}  # fmt: skip
    assert made <= {line.source.line for line in eb.read(function, *arguments(function)).lines}


def test_what_a_value_of_all_rounds_is_has_the_letters_that_are_shown() -> None:
    reading = eb.read(attention, *arguments(attention))
    meanings = {f.name: f.meaning for line in reading.lines for f in line.formulas if f.meaning}
    assert meanings["a"] == "is the softmax of s over j"  # a[b,i,j] = e[b,i,j]/(Σ_o e[b,i,o])


@pytest.mark.long
@pytest.mark.parametrize("function", some(CASES, 2), ids=lambda f: f.__name__)
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


@pytest.mark.long
@pytest.mark.parametrize("function", [moving_average, velocity, one_unit], ids=lambda f: f.__name__)
def test_the_gradient_of_what_begins_as_a_number_is_what_differences_say(function: Function) -> None:
    given = arguments(function)

    def loss(*values: Any) -> Any:
        return np.sum(np.sin(function(*values)))

    report = eb.check(loss, eb.grad(loss, wrt=tuple(range(len(given)))), *given, wrt=list(range(len(given))))
    assert report, str(report)


@pytest.mark.parametrize("function", UNROLLED, ids=lambda f: f.__name__)
def test_a_loop_that_is_no_formula_says_so(function: Function) -> None:
    shown = str(eb.read(function, *arguments(function)))
    said = ("(the first of", "(the second of", "the program depends on values here")
    assert any(words in shown for words in said)


def loss_of_factors(R: Any, P: Any, Q: Any) -> Any:
    return np.sum((R > 0) * (R - P @ Q) ** 2)


def loss_of_units(W1: Any, W2: Any, x: Any, t: Any) -> Any:
    return 0.5 * np.sum((np.tanh(np.tanh(x @ W1) @ W2) - t) ** 2)


def loss_of_regions(image: Any, filters: Any, d_out: Any) -> Any:
    return sum(d_out[i, j] @ (region * filters).sum(axis=(1, 2)) for region, i, j in regions(image))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("function", "loss", "of", "line", "broken"), [
    (factorization, loss_of_factors, (1, 2), "dQ[k, j] += -2 * e * P[i, k]", "dQ[k, j] += -2 * e * Q[k, j]"),
    (scalar_by_scalar, loss_of_units, (0, 1), "error += do[k] * W2[j, k]", "error += do[k] * h[j]"),
    (generated, loss_of_regions, (1,), "d_filters[f] += d_out[i, j, f] * region",
     "d_filters[f] += d_out[i, j, f] * region.T"),
])  # fmt: skip
def test_a_mistake_in_a_loop_is_told_with_the_line_that_was_there(
    function: Function, loss: Function, of: tuple[int, ...], line: str, broken: str, tmp_path: Path
) -> None:
    source = inspect.getsource(function)
    assert source.count(line) == 1
    file = tmp_path / "broken.py"
    file.write_text("import numpy as np\n\n" + inspect.getsource(regions) + "\n\n" + source.replace(line, broken))
    space: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), space)
    given = arguments(function)
    assert all(gradient.verdict == "right" for gradient in eb.check(loss, function, *given, wrt=of).gradients)
    report = eb.check(loss, space[function.__name__], *given, wrt=of)
    assert [finding.write for finding in report.findings] == [line]


def test_what_a_loop_adds_up_in_a_dict_is_no_array_and_stops_nothing() -> None:
    def counts(s: Any, rows: Any) -> Any:
        found = defaultdict[int, Any](float)
        c = np.exp(s)
        for y in range(3):
            p = c[y]
            for k in rows[y]:
                found[k] += p
        out = np.zeros(6)
        for k, v in found.items():
            out[k] += v
        return out

    text = str(eb.read(counts, np.ones(3), np.array([[0, 3], [1, 4], [2, 5]])))
    assert "a mistake of ours" not in text
    assert "out[l] += Σ_n v[n] [l=k[n]]" in text
