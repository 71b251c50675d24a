"""`proved` is never given to a wrong line: proved programs are mutated, and no survivor is found.

A survivor would be a mutant whose value differs, evaluated by the interpreter at drawn sizes, and that is all the same
proved equal to what it was made from.
"""

import warnings
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_forms import drawn_arrays, same
from rewrites import CHANGING, KEEPING, choose, with_equations

from einbackprop.core import interpretation
from einbackprop.core.program import (
    Bracket,
    Contract,
    Dimension,
    Extremum,
    Factor,
    Input,
    Map,
    Position,
    Program,
    Ref,
    Update,
)
from einbackprop.errors import EinbackpropError
from einbackprop.proof.brackets import LABELS_IN_RANGE
from einbackprop.proof.proving import Comparison, Prover

MANY = 4 * settings.default.max_examples if settings.default else 200
RELATIVE = 1e-7  # rounding at values of order 1 is a billion times smaller
FUNCTIONS = ("sin", "cos", "exp", "expm1", "sinh", "cosh", "tanh", "sigmoid", "relu", "abs", "sign", "step")


def change_function(program: Program, draw: Any) -> Program:
    """Another function of the same operand, another exponent, a minimum for a maximum."""
    place = choose(program, draw, (Map, Extremum))
    if place is None:
        return program
    e = program.equations[place]
    if isinstance(e, Extremum):
        return with_equations(program, place, replace(e, kind="min" if e.kind == "max" else "max"))
    if e.function == "power":
        shift = draw(st.sampled_from([Fraction(1), Fraction(-1), Fraction(2)]))
        return with_equations(program, place, replace(e, parameter=e.parameter + shift))
    if len(e.operands) == 2:
        return with_equations(program, place, replace(e, function="minimum" if e.function == "maximum" else "maximum"))
    if len(e.operands) == 1 and e.parameter is None:
        return with_equations(program, place, replace(e, function=draw(st.sampled_from(FUNCTIONS))))
    return program


def change_bracket(program: Program, draw: Any) -> Program:
    """Another relation in a bracket, its position moved by one, or no bracket at all."""
    place = choose(program, draw, (Contract, Update), lambda e: e.brackets)
    if place is None:
        return program
    e = program.equations[place]
    n = draw(st.integers(0, len(e.brackets) - 1))
    b: Bracket = e.brackets[n]
    moved = replace(b.right, constant=b.right.constant + draw(st.sampled_from([1, -1])))
    other = draw(st.sampled_from(["relation", "moved", "gone"] if isinstance(e, Contract) else ["moved"]))
    new = {"relation": (replace(b, relation="≠" if b.relation == "=" else "="),), "moved": (replace(b, right=moved),)}
    brackets = (*e.brackets[:n], *new.get(other, ()), *e.brackets[n + 1 :])
    return with_equations(program, place, replace(e, brackets=brackets))


def scale_by_a_size(program: Program, draw: Any) -> Program:
    """A mean for a sum: one size too many."""
    place = choose(program, draw, Contract)
    if place is None:
        return program
    letter = draw(st.sampled_from([d.letters[0] for d in program.dimensions]))
    e = program.equations[place]
    factor = e.factor * Factor.of(1, **{letter: draw(st.sampled_from([1, -1]))})
    return with_equations(program, place, replace(e, factor=factor))


MUTATIONS = (*CHANGING, change_function, change_bracket, scale_by_a_size)


def values(program: Program, arrays: list[Any]) -> list[np.ndarray] | None:
    """The outputs, None where the interpreter cannot have them."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = interpretation.run(program, arrays)
    except (EinbackpropError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return None
    return [np.asarray(r, dtype=r.dtype if r.dtype.kind in "fcO" else float) for r in results]


def differ(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two outputs differ by more than rounding, somewhere where both are numbers."""
    if first.shape != second.shape:
        return True
    known = np.isfinite(first) & np.isfinite(second)
    scale = max(1.0, float(np.abs(first[known]).max(initial=0)), float(np.abs(second[known]).max(initial=0)))
    return bool(np.any(np.abs(first - second)[known] > RELATIVE * scale))


def whole(array: np.ndarray) -> np.ndarray:
    """Whole numbers as Fractions; labels as they are."""
    if array.dtype.kind != "f":
        return array
    return np.array([Fraction(int(x)) for x in np.ravel(array)], dtype=object).reshape(np.shape(array))


def has_every_size(program: Program) -> bool:
    return all(d.size for d in program.dimensions)  # proofs rest on sizes of at least 1


def are_out_of_reach(programs: tuple[Program, ...], arrays: list[Any]) -> bool:
    """Whether a label is no position along the axis that it picks from: proofs say that they assume it is one."""
    for program in programs:
        given, sizes = interpretation.evaluate(replace(program, equations=(), outputs=()), arrays)
        brackets = [b for e in program.equations if isinstance(e, Contract | Update) for b in e.brackets]
        for b in brackets:
            for picked, other in ((b.left, b.right), (b.right, b.left)):
                if picked.pick is not None and other.letters and other.pick is None:
                    sizes_ = program.sizes | sizes
                    positions = interpretation.place(other, b.letters, given, sizes_)
                    labels = interpretation.place(picked, b.letters, given, sizes_)
                    if not np.isin(labels, positions).all():
                        return True
    return False


def is_survivor(comparison: Comparison, programs: tuple[Program, ...], arrays: list[Any]) -> bool:
    """Whether two values that differ were proved equal, and nothing that the proof says it assumes is broken."""
    assumed = LABELS_IN_RANGE in comparison.assumptions
    return comparison.verdict == "proved" and not (assumed and are_out_of_reach(programs, arrays))


@settings(max_examples=MANY)
@given(st.data(), programs(most_equations=5), st.sampled_from(MUTATIONS))
def test_no_mutant_of_a_program_survives(data: Any, drawn: Any, mutate: Any) -> None:
    program, arrays = drawn
    mutant = mutate(program, data.draw)
    before, after = values(program, arrays), values(mutant, arrays)
    if mutant == program or before is None or after is None or not has_every_size(program):
        return
    for n, (ref, other) in enumerate(zip(program.outputs, mutant.outputs, strict=True)):
        if differ(before[n], after[n]):
            comparison = same(program, ref.name, mutant, other.name)
            assert not is_survivor(comparison, (program, mutant), arrays), (mutate.__name__, program, mutant)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(st.data(), programs(most_equations=5), st.sampled_from(KEEPING), st.sampled_from(MUTATIONS))
def test_no_mutant_of_a_rewritten_program_survives(data: Any, drawn: Any, rewrite: Any, mutate: Any) -> None:
    program, arrays = drawn
    rewritten = rewrite(program, data.draw)
    mutant = mutate(rewritten, data.draw)
    before, after = values(program, arrays), values(mutant, arrays)
    if before is None or after is None or not has_every_size(program):
        return
    prover = Prover(program, mutant, drawn_arrays(program))
    for n, ref in enumerate(program.outputs):
        comparison = prover.compare(ref.name, ref.name)
        if differ(before[n], after[n]):
            assert not is_survivor(comparison, (program, mutant), arrays), (rewrite, mutate, program, mutant)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(st.data(), programs(polynomial=True, most_equations=4), st.sampled_from(MUTATIONS))
def test_no_mutant_of_a_polynomial_survives_exact_arithmetic(data: Any, drawn: Any, mutate: Any) -> None:
    program, arrays = drawn
    mutant = mutate(program, data.draw)
    exact = [whole(array) for array in arrays]
    before, after = values(program, exact), values(mutant, exact)
    if mutant == program or before is None or after is None or not has_every_size(program):
        return
    for n, ref in enumerate(program.outputs):
        if before[n].shape != after[n].shape or not np.all(before[n] == after[n]):
            comparison = same(program, ref.name, mutant, ref.name)
            assert not is_survivor(comparison, (program, mutant), arrays), (program, mutant)


def test_labels_out_of_reach_are_seen_and_nothing_else_is_forgiven() -> None:
    letters = (Dimension("i", 2), Dimension("j", 1))
    pick = Contract(Ref("v", "j"), (Ref("x", "i"),), (Bracket(Position.of("i"), "=", Position(pick=Ref("y", "j"))),))
    program = Program((Input(Ref("x", "i"), "float64"), Input(Ref("y", "j"), "int64")), (pick,), (pick.out,), letters)
    proof = Comparison("proved", (LABELS_IN_RANGE,))
    for label, is_valid in ((0, True), (1, True), (2, False), (-1, False)):
        arrays = [np.ones(2), np.array([label])]
        assert are_out_of_reach((program,), arrays) is not is_valid
        assert is_survivor(proof, (program,), arrays) is is_valid
        assert is_survivor(replace(proof, assumptions=()), (program,), arrays)


def test_what_is_proved_is_told_from_what_is_not() -> None:
    """The search would notice: the same comparison proves a program equal to itself, and sees a mutant's values."""
    seen = 0
    proved = 0

    @settings(database=None, derandomize=True)  # what is counted must not hang on the draws
    @given(st.data(), programs(most_equations=4), st.sampled_from(MUTATIONS))
    def look(data: Any, drawn: Any, mutate: Any) -> None:
        nonlocal seen, proved
        program, arrays = drawn
        mutant = mutate(program, data.draw)
        before, after = values(program, arrays), values(mutant, arrays)
        if before is not None and after is not None and has_every_size(program):
            seen += any(differ(a, b) for a, b in zip(before, after, strict=True))
            name = program.outputs[0].name
            proved += same(program, name, program, name).verdict == "proved"

    look()
    assert seen >= 5
    assert proved >= 10
