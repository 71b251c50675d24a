"""Whole numbers of few bits, such as images have, as wide ones where they are added or multiplied: they never wrap."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.elementwise import is_narrow, numeric
from ..core.program import Contract, Equation, Extremum, Map, Program, Ref, Sum, Update, operands
from .interface import Interface
from .views import Dtype


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
