"""The dtype of every value of a program. Constants have none of their own: float32 stays float32 beside ½.

Whole numbers of few bits, such as images have, are wide ones where they are added or multiplied: they never wrap.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.elementwise import is_narrow, numeric
from ..core.program import Contract, Equation, Extremum, Map, Opaque, Program, Ref, Sum, Update, operands
from ..emission.scope import value_dtype
from .interface import Interface
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
    return kind if not inexact else np.result_type(*inexact, 1j if kind.kind == "c" else 1.0)


def widened(program: Program, dtypes: Sequence[Any], interface: Interface) -> tuple[Program, list[Dtype], Interface]:
    """The program, the dtypes of its inputs and its interface with narrow whole numbers as wide ones.

    Beside floats they become floats as in a product with them, else int64; where the code makes floats of them, all
    whole numbers do. Positions stay as they are.
    """
    own = [np.dtype(d) for d in dtypes] if dtypes else [np.dtype(declared.dtype) for declared in program.inputs]
    names = {ref.name for equation in program.equations for ref in numbers_of(equation)}
    picks = {ref.name for equation in program.equations for ref in operands(equation)} - names
    floats = [dtype for dtype in own if dtype.kind in "fc"]
    if interface.real and not floats and not picks:
        floats = [np.dtype(np.float64)]
    wide = list(own)
    lines: list[str] = []
    constants: dict[str, Any] = {}
    for n, declared in enumerate(program.inputs):
        is_whole = own[n].kind in "iu" and interface.real and bool(floats)
        if declared.ref.name in names and (is_narrow(own[n]) or is_whole):
            wide[n] = np.result_type(own[n], *floats) if floats else np.dtype(np.int64)
            constants[f"wide{n}"] = wide[n]
            lines.append(f"x{n} = x{n}.astype(wide{n})")
    arrays = {
        name: numeric(np.asarray(array)) if name in names and is_narrow(np.asarray(array).dtype) else array
        for name, array in program.constants.items()
    }
    found = ChainMap(constants, interface.names)  # type: ignore[arg-type]  # it gets more as results are written
    taking = () if lines else interface.taking
    opened = replace(interface, opening=(*interface.opening, *lines), names=found, taking=taking)
    return replace(program, constants=arrays), wide, opened


def numbers_of(equation: Equation) -> Iterator[Ref]:
    """What an equation reads as numbers, not as positions."""
    match equation:
        case Contract() | Map():
            yield from equation.operands
        case Sum():
            yield from (term for _, term in equation.terms if term is not None)
        case Extremum():
            yield equation.operand
        case Update():
            yield from (equation.base, equation.value)
