"""The interpreter against scalar loops that share nothing with it."""

import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import given
from hypothesis import strategies as st

from einbackprop.capture.tracer import trace
from einbackprop.core import interpretation
from einbackprop.core.interpretation import evaluate, run
from einbackprop.core.program import (
    Bracket,
    Contract,
    Dimension,
    Extremum,
    Factor,
    Input,
    Map,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
)
from einbackprop.errors import ShapeError

Scalars = dict[tuple[int, ...], Any]


def indices(letters: str, sizes: dict[str, int]) -> Iterator[dict[str, int]]:
    """Every assignment of numbers to letters."""
    distinct = "".join(dict.fromkeys(letters))
    for numbers in product(*(range(sizes[i]) for i in distinct)):
        yield dict(zip(distinct, numbers, strict=True))


def entry(values: dict[str, Scalars], ref: Ref, at: dict[str, int]) -> Any:
    return values[ref.name][tuple(at[i] for i in ref.indices)]


def position(p: Position, values: dict[str, Scalars], at: dict[str, int], sizes: dict[str, int]) -> int:
    total = p.constant + sum(int(c.value(sizes).real) * at[letter] for c, letter in p.terms)
    return total + (int(entry(values, p.pick, at)) if p.pick else 0)


def holds(b: Bracket, values: dict[str, Scalars], at: dict[str, int], sizes: dict[str, int]) -> bool:
    left, right = position(b.left, values, at, sizes), position(b.right, values, at, sizes)
    return {"=": left == right, "≠": left != right, "<": left < right, "≤": left <= right}[b.relation]


def scalar_map(function: str, x: list[Any], parameter: Any) -> Any:
    """Pointwise functions in Python's own arithmetic."""
    simple = {
        "relu": lambda: max(x[0], 0),
        "step": lambda: x[0] > 0,
        "truth": lambda: bool(x[0]),
        "logical_not": lambda: not x[0],
        "maximum": lambda: max(x),
        "minimum": lambda: min(x),
        "where": lambda: x[1] if x[0] else x[2],
        "sigmoid": lambda: 1 / (1 + math.exp(-x[0])),
        "softplus": lambda: math.log1p(math.exp(x[0])),
        "arctan": lambda: math.atan(x[0]),
        "arcsinh": lambda: math.asinh(x[0]),
        "power": lambda: x[0] ** (int(parameter) if parameter.denominator == 1 else float(parameter)),
    }
    return simple[function]() if function in simple else getattr(math, function)(x[0])


def by_loops(program: Program, arrays: list[np.ndarray]) -> dict[str, Scalars]:
    """Every value of the program, entry by entry."""
    sizes = {letter: d.size for d in program.dimensions for letter in d.letters}
    values = {
        i.ref.name: {at: array[at] for at in np.ndindex(array.shape)}
        for i, array in zip(program.inputs, arrays, strict=True)
    }
    for equation in program.equations:
        values[equation.out.name] = loop(equation, values, sizes)
    return values


def loop(equation: Any, values: dict[str, Scalars], sizes: dict[str, int]) -> Scalars:
    out = equation.out.indices
    result: Scalars = dict.fromkeys(product(*(range(sizes[i]) for i in out)), 0)
    match equation:
        case Contract(_, refs, brackets, factor):
            letters = out + "".join(r.indices for r in refs) + "".join(b.letters for b in brackets)
            for at in indices(letters, sizes):
                if all(holds(b, values, at, sizes) for b in brackets):
                    term = factor.value(sizes)
                    for ref in refs:
                        term = term * entry(values, ref, at)
                    result[tuple(at[i] for i in out)] += term
        case Sum(_, terms):
            for at in indices(out, sizes):
                for factor, ref in terms:
                    term = factor.value(sizes) * (1 if ref is None else entry(values, ref, at))
                    result[tuple(at[i] for i in out)] += term
        case Map(_, function, refs, parameter):
            for at in indices(out, sizes):
                result[tuple(at[i] for i in out)] = scalar_map(
                    function, [1 * entry(values, ref, at) for ref in refs], parameter
                )
        case Extremum(_, ref, kind, letter):
            for at in indices(out, sizes):
                seen = [
                    (entry(values, ref, at | inner), inner)
                    for inner in indices("".join(i for i in ref.indices if i not in out), sizes)
                ]
                best = (max if kind == "max" else min)(seen, key=lambda pair: pair[0])
                result[tuple(at[i] for i in out)] = best[1][letter] if letter else best[0]
        case Update(_, base, value, brackets, mask):
            result = {at: values[base.name][at] for at in result}
            letters = out + value.indices + "".join(b.letters for b in brackets)
            for at in indices(letters, sizes):
                inside = mask is None or entry(values, mask, at)
                if inside and all(holds(b, values, at, sizes) for b in brackets):
                    result[tuple(at[i] for i in out)] = entry(values, value, at)
    return result


def disagreement(program: Program, arrays: list[np.ndarray]) -> float:
    """The largest difference between interpreter and loops, relative to the values' size, over all values."""
    values, _ = evaluate(program, arrays)
    expected = by_loops(program, arrays)
    worst = 0.0
    for name, scalars in expected.items():
        assert values[name].shape == tuple(program.sizes[i] for i in made_with(program, name)), name
        for at, number in scalars.items():
            worst = max(worst, abs(values[name][at] * 1 - number * 1) / (1 + abs(number)))
    return worst


def made_with(program: Program, name: str) -> str:
    refs = [i.ref for i in program.inputs] + [equation.out for equation in program.equations]
    return next(ref.indices for ref in refs if ref.name == name)


@given(programs(), st.sampled_from([0, interpretation.WIDE]))
def test_the_interpreter_equals_scalar_loops(drawn: Any, wide: int) -> None:
    """With every bracket that can be as a position that is read, or added to, and with none."""
    program, arrays = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpretation, "WIDE", wide)
        assert disagreement(program, arrays) < 1e-10


def test_entries_are_laid_out_in_memory_of_their_own_size() -> None:
    """What is flattened, or picked by labels, is not held against every place that it might have."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(300, 400)), rng.integers(0, 90_000, (200, 300))
    program = trace(lambda x, labels: np.append(x.reshape(-1), x[0])[labels], x, labels)
    tracemalloc.start()
    (found,) = interpretation.run(program, [x, labels])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, x.reshape(-1)[labels])
    assert peak < 100e6


@given(programs(polynomial=True, most_equations=4))
def test_fractions_stay_exact(drawn: Any) -> None:
    program, arrays = drawn
    exact = [
        array
        if array.dtype.kind == "i"
        else np.array([Fraction(int(x)) for x in array.flat], object).reshape(array.shape)
        for array in arrays
    ]
    values, _ = evaluate(program, exact)
    for name, scalars in by_loops(program, exact).items():
        for at, number in scalars.items():
            assert values[name][at] == number


TWICE = Program(
    inputs=(Input(Ref("A", "ij")), Input(Ref("x", "j"))),
    equations=(
        Contract(Ref("y", "i"), (Ref("A", "ij"), Ref("x", "j"))),
        Contract(Ref("z", "i"), (Ref("y", "i"),), (), Factor.of(2)),
    ),
    outputs=(Ref("z", "i"),),
    dimensions=(Dimension("ik", 2), Dimension("j", 3)),
)
ARRAYS = [np.arange(1.0, 7).reshape(2, 3), np.array([1.0, -1.0, 2.0])]


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TWICE.equations[0], operands=(Ref("A", "ij"),)),
        replace(TWICE.equations[0], factor=Factor.of(Fraction(1000001, 1000000))),
        replace(TWICE.equations[0], brackets=(Bracket(Position.of("i"), "≤", Position.of("j")),)),
        Sum(Ref("y", "i"), ((Factor.of(2), None),)),
    ],
)
def test_the_loops_object_to_a_wrong_equation(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disagreement(TWICE, ARRAYS) == 0
    right = by_loops(TWICE, ARRAYS)
    monkeypatch.setitem(disagreement.__globals__, "by_loops", lambda *_: right)
    assert disagreement(replace(TWICE, equations=(wrong, *TWICE.equations[1:])), ARRAYS) > 1e-7


def test_float32_stays_float32_beside_masks_and_patterns() -> None:
    x = Ref("x", "ij")
    equations = (
        Map(Ref("mask", "ij"), "step", (x,)),
        Contract(Ref("kept", "ij"), (x, Ref("mask", "ij"))),
        Contract(Ref("pattern", "i"), (), (Bracket(Position.of("i"), "=", Position(constant=0)),)),
        Contract(Ref("picked", "j"), (Ref("pattern", "i"), Ref("kept", "ij")), (), Factor.of(0.1, i=-1)),
    )
    program = Program((Input(x, "float32"),), equations, (Ref("picked", "j"),), TWICE.dimensions)
    (picked,) = run(program, [ARRAYS[0].astype(np.float32)])
    assert picked.dtype == np.float32
    np.testing.assert_array_equal(picked, np.float32([0.05, 0.1, 0.15]))


def test_a_letter_with_two_sizes_is_named_with_both() -> None:
    with pytest.raises(ShapeError, match=r"j has two sizes: 3 in A and 4 in x \(shape \(4,\), letters j\)"):
        run(TWICE, [np.ones((2, 3)), np.ones(4)])


def test_an_array_with_other_axes_is_named() -> None:
    with pytest.raises(ShapeError, match=r"x has 1 letters, j, but an array of shape \(3, 1\) was given"):
        run(TWICE, [np.ones((2, 3)), np.ones((3, 1))])


def test_other_sizes_than_the_traced_ones_are_taken() -> None:
    (z,) = run(TWICE, [np.ones((4, 5)), np.ones(5)])
    np.testing.assert_array_equal(z, [10.0] * 4)


def test_an_opaque_value_is_the_constant_that_it_was() -> None:
    opaque = Opaque(Ref("y", "i"), (Ref("A", "ij"),), "np.linalg.svd is not read")
    program = replace(TWICE, equations=(opaque, TWICE.equations[1]), constants={"y": np.array([1.0, 2.0])})
    (z,) = run(program, ARRAYS)
    np.testing.assert_array_equal(z, [2.0, 4.0])


@given(st.data())
def test_no_array_of_the_user_is_changed(data: st.DataObject) -> None:
    program, arrays = data.draw(programs(kinds=("update", "contract")))
    before = [array.copy() for array in arrays]
    run(program, arrays)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_whole_numbers_beyond_64_bits_are_floats() -> None:
    """As in a buffer whose border is the largest float: entries that are objects have no NumPy loops."""
    border = np.finfo(float).max

    def padded(x: Any) -> Any:
        r = np.zeros((2, len(x) + 1))
        r[:, 0] = border
        r[1, 1:] = x
        return r.min(0)

    x = np.arange(3.0)
    (found,) = run(trace(padded, x), [x])
    assert found.dtype == float
    np.testing.assert_array_equal(found, padded(x))
