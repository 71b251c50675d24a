"""The dtype of every value of a program. Constants have none of their own: float32 stays float32 beside ½."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ..core.program import Contract, Equation, Map, Opaque, Program, operands
from ..emission.scope import value_dtype
from .views import Dtype


def weak_values(program: Program) -> frozenset[str]:
    """The values made of nothing but numbers in the program and of masks: they take the dtype of what they are used
    with."""
    known = value_dtypes(program, frozenset())
    weak: set[str] = set()
    for equation in program.equations:
        names = [ref.name for ref in operands(equation)]
        number = isinstance(equation, Contract) and not equation.operands  # where its brackets are 1
        made_of_numbers = bool(names) and not isinstance(equation, Opaque) and all(
            name in weak or known[name].kind == "b" for name in names
        )
        if number or (made_of_numbers and known[equation.out.name].kind != "b"):
            weak.add(equation.out.name)
    return frozenset(weak)


def value_dtypes(program: Program, weak: frozenset[str]) -> dict[str, Dtype]:
    """The dtype of every value, given those of the inputs and constants."""
    known: dict[str, Dtype] = {name: np.asarray(array).dtype for name, array in program.constants.items()}
    known |= {i.ref.name: np.dtype(i.dtype) for i in program.inputs}
    for equation in program.equations:
        beside = beside_numbers(equation, known, weak)
        known[equation.out.name] = value_dtype(equation, {**known, **beside}, program.sizes)
    return known


def beside_numbers(equation: Equation, known: Mapping[str, Dtype], weak: frozenset[str]) -> dict[str, Dtype]:
    """The dtypes that the weak operands of an equation take in it."""
    refs = list(operands(equation))
    if isinstance(equation, Map) and equation.function == "where":
        refs = refs[1:]  # a condition says nothing about numbers
    names = {ref.name for ref in refs}
    strong = [known[name] for name in names - weak]
    return {name: joined(known[name], strong) for name in names & weak if strong}


def joined(kind: Dtype, strong: Iterable[Dtype]) -> Dtype:
    """The dtype of a number beside arrays: theirs, unless it is of another kind."""
    inexact = [dtype for dtype in strong if dtype.kind in "fc"]
    if not inexact:
        return kind
    return np.result_type(*inexact, 1j if kind.kind == "c" else 1.0)
