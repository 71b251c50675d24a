"""The dtype of every value of a program, given those of its inputs.

Numbers have none of their own: a value that is made of nothing but numbers and masks is weak, and takes the dtype of
what it is used with. float32 stays float32 beside ½, whether that stands in a product or has a name.
"""

from collections.abc import Iterable, Mapping
from contextvars import copy_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from . import elementwise, matrix_functions
from .elementwise import numeric
from .interpretation import product_kind, scale
from .program import (
    Contract,
    Equation,
    Extremum,
    Map,
    MatrixFunction,
    Opaque,
    Program,
    Ref,
    Sum,
    Update,
    operands,
    picks,
)
from .recurrences import blocks, carried, flat

Dtype = np.dtype[Any]


def value_dtypes(
    program: Program, weak: frozenset[str] = frozenset(), settled: Mapping[str, Dtype] | None = None
) -> dict[str, Dtype]:
    """The dtype of every value: ``weak`` ones take that of what they are used with, ``settled`` ones have theirs.

    In a context of its own: where a signal's handler raises while NumPy puts back how it warns, that is lost.
    """
    return copy_context().run(_value_dtypes, program, weak, settled)


def _value_dtypes(
    program: Program, weak: frozenset[str], settled: Mapping[str, Dtype] | None
) -> dict[str, Dtype]:
    """The dtype of every value, in the order of the equations."""
    known: dict[str, Dtype] = {name: np.asarray(array).dtype for name, array in program.constants.items()}
    known |= {i.ref.name: np.dtype(i.dtype) for i in program.inputs}
    known = {name: np.dtype(float) if kind.kind == "O" else kind for name, kind in known.items()}
    order = [*flat(blocks(program.equations))]
    ahead = carried(order)
    known |= dict.fromkeys(ahead, np.dtype(np.int8))
    unknown = {*ahead}  # what rounds read of the one before has no dtype of its own until something that they read has
    while True:
        before = {name: known[name] for name in ahead}, len(unknown)
        for equation in order:
            name, names = equation.out.name, {ref.name for ref in operands(equation)}
            if names & unknown and names <= unknown | weak:
                known[name] = np.dtype(np.int8)
                unknown.add(name)
                continue
            beside = beside_numbers(equation, known, weak | unknown) if weak or unknown else {}
            found = value_dtype(equation, {**known, **beside}, program.sizes)
            known[name] = found if settled is None else settled.get(name, found)
            unknown.discard(name)
        if before == ({name: known[name] for name in ahead}, len(unknown)):
            if not unknown:
                return known
            unknown.clear()


def value_dtype(equation: Equation, known: dict[str, Dtype], sizes: dict[str, int]) -> Dtype:
    """The dtype of one value."""

    def sample(ref: Ref) -> NDArray[Any]:
        return np.ones(1, known[ref.name])

    with np.errstate(all="ignore"):
        match equation:
            case Contract(_, refs, brackets, factor):
                kind = product_kind([numeric(sample(ref)) for ref in refs]) if refs else np.dtype(np.int64)
                total: Any = np.ones(1, kind) if refs or brackets else 1
                return np.asarray(scale(total, factor, sizes)).dtype
            case Sum(_, terms):
                scaled = (scale(1 if ref is None else numeric(sample(ref)), factor, sizes) for factor, ref in terms)
                return np.asarray(sum(scaled)).dtype
            case Map(_, function, refs, parameter):
                return elementwise.evaluate(function, [sample(ref) for ref in refs], parameter).dtype
            case Extremum():
                return np.dtype(np.int64) if equation.position_of else known[equation.operand.name]
            case Update(_, base, value):
                return np.result_type(sample(base), numeric(sample(value)))
            case MatrixFunction(_, function, refs):
                alone = matrix_functions.evaluate(function, *(sample(ref).reshape(1, 1) for ref in refs))
                return alone.dtype
            case Opaque(out) if equation.dtype:
                return np.dtype(equation.dtype)
            case Opaque(out):
                if out.name not in known:
                    raise ShapeError(f"{out.name} could not be read ({equation.reason}), and its value was not kept")
                return known[out.name]


def weak_values(program: Program) -> frozenset[str]:
    """The values made of nothing but numbers in the program and of masks: they take the dtype of what they are used
    with."""
    known = value_dtypes(program)
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


def settled_dtypes(program: Program) -> dict[str, Dtype]:
    """The dtypes that weak values have for good: those of what each is used with, where that is one dtype.

    A gradient that is made of numbers alone has the dtype of what it belongs to.
    """
    weak = weak_values(program)
    known = value_dtypes(program, weak)
    owners = {"d" + i.ref.name: np.dtype(i.dtype) for i in program.inputs} if program.origins else {}
    wanted: dict[str, set[Dtype]] = {name: set() for name in weak}
    for ref in program.outputs:
        if ref.name in weak:
            wanted[ref.name].add(owners.get(ref.name, known[ref.name]))
    for equation in reversed(program.equations):
        positions = {ref.name for ref in picks(equation.brackets)} if isinstance(equation, Contract | Update) else set()
        beside, names = beside_numbers(equation, known, weak), {ref.name for ref in operands(equation)}
        floats = any(known[name].kind in "fc" for name in names - weak)
        for name in names & weak:
            if name in beside and floats and name not in positions:
                wanted[name].add(beside[name])
            elif equation.out.name in weak and name not in positions:
                wanted[name] |= wanted[equation.out.name]
            else:
                wanted[name].add(known[name])
    return {
        name: real_as(known[name], kind)
        for name, kinds in wanted.items()
        if len(kinds) == 1 and (kind := next(iter(kinds))).kind in "fc" and known[name].kind in "iufc"
    }


def real_as(own: Dtype, beside: Dtype) -> Dtype:
    """The dtype beside which a value is used; of its real parts where the value is real."""
    return beside if own.kind == "c" else np.empty(0, beside).real.dtype
