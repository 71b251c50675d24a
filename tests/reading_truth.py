"""Whether what a reading prints is true: each form of a formula, read back from its text and evaluated with the values
that its statement read, gives what the statement made."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from code_values import code_value
from formula_nodes import UnreadableError
from formula_parser import parse_statement
from formula_values import Trajectory, formula_with_error, free_letters
from matrix_values import matrix_value
from truth import difference

from einbackprop.capture.bindings import Access
from einbackprop.capture.observation import Observer
from einbackprop.notation.einsum_text import MARK
from einbackprop.notation.index_notation import CUT
from einbackprop.reading.formulas import Formula
from einbackprop.reading.reading import Line, Reading, read

Result = TypeVar("Result")
FAILURES = (
    UnreadableError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError, SyntaxError, NameError,
)  # fmt: skip


class Untrue(NamedTuple):
    """A printed form that is false, or that cannot be read back: which, and why."""

    kind: str
    code: str
    printed: str
    reason: str


KEEPING, KEEPERS = threading.Lock(), list[Any]()
"""The functions that are running with values, in all threads."""


def with_values(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function whose traces keep what their statements read and made."""

    def keeping(*arguments: Any, **options: Any) -> Result:
        with KEEPING:
            KEEPERS.append(function)
            Observer.keeps_values = True
        try:
            return function(*arguments, **options)
        finally:
            with KEEPING:
                KEEPERS.remove(function)
                Observer.keeps_values = bool(KEEPERS)

    return keeping


reading_with_values = with_values(read)


def lettered(access: Access) -> Any:
    """What an expression held, without the axes of size 1 that have no letter."""
    return access.array.reshape([n for n, axis in zip(access.array.shape, access.spelling.axes, strict=True) if axis])


def in_rounds(access: Access, sizes: Mapping[str, int]) -> Any:
    """What an expression held; of what the rounds of a loop leave to the next, there is one more than rounds."""
    array = lettered(access)
    for axis, letters in enumerate(filter(None, access.spelling.letters(access.letters) if access.letters else ())):
        if len(letters) == 1 and array.shape[axis] == sizes[letters] + 1:
            return Trajectory(array.take(range(sizes[letters]), axis), axis, array.take(-1, axis))
    return array


def untrue(reading: Reading) -> Iterator[Untrue]:
    """The forms of a reading that do not hold."""
    sizes = {letter: d.size for d in reading.dimensions for letter in d.letters}
    inputs = {declared.ref.name for declared in reading.program.inputs}
    known = (a for line in reading.lines for a in line.reads if a.value in inputs and a.array is not None)
    given = {a.spelling.text: lettered(a) for a in known if a.spelling.text == a.value}
    given = {d.name: d.size for d in reading.dimensions if d.name} | given
    for line in reading.lines:
        for formula in line.formulas:
            yield from untrue_of(line, formula, sizes, given)


def untrue_of(
    line: Line, formula: Formula, sizes: Mapping[str, int], given: Mapping[str, Any]
) -> Iterator[Untrue]:  # fmt: skip
    """The forms of one formula that do not hold; ``given`` are the arguments."""
    accesses = [access for access in line.reads if access.array is not None]
    values = dict(given) | dict(line.numbers) | {a.spelling.text: in_rounds(a, sizes) for a in reversed(accesses)}
    for after in line.binds:  # of a name that the line binds anew it read all but what the last round leaves
        left = values.get(after.spelling.text)
        if isinstance(left, Trajectory) and after.array is not None and left.rounds.shape == lettered(after).shape:
            rounds = np.where(np.isnan(left.rounds), lettered(after), left.rounds)
            values[after.spelling.text] = replace(left, rounds=rounds)
    made = [a for a in (*line.binds, *line.reads) if a.value == formula.value and a.spelling.text == formula.name]
    code = line.source.code
    if any(access.ragged for access in (*line.reads, *line.binds)):
        return  # what a branch left out has no value to hold the formula against
    if not made or made[0].array is None:
        yield Untrue("lost", code, formula.equation, "what it made is not known")
        return
    if "not read" in formula.equation or CUT in formula.equation:
        return
    expected = lettered(made[0])
    try:
        statement = parse_statement(formula.equation, {*values, formula.name}, formula.name, sizes)
        shape = tuple(int(np.prod([sizes[i] for i in axis])) for axis in statement.axes)
        diagonal = len(set("".join(statement.axes))) < len("".join(statement.axes))
        partly = bool(statement.positions) or diagonal or shape != expected.shape
        into = expected if partly else None  # the rest is not spoken of
        if into is not None or formula.name in {node.name for node in statement.right.walk() if node.parts}:
            values.setdefault(formula.name, expected)  # as the last round left it
        value, error = formula_with_error(formula.equation, values, sizes, formula.name, into)
    except FAILURES as failure:
        yield Untrue("equation", code, formula.equation, f"{type(failure).__name__}: {failure}")
        return
    rough = rounding([*values.values(), made[0].array])
    if fault := difference(formula.equation, value, expected, error + rough):
        yield Untrue("equation", code, formula.equation, fault)
    arrays = {a.spelling.text: a.array for a in reversed(accesses)} | dict(line.numbers)
    if formula.einsum is not None and MARK not in formula.einsum:
        yield from untrue_code(code, formula.einsum, statement, arrays, made[0].array, rough)
    if formula.matrix is not None:
        nodes = [node for node in statement.right.walk() if node.kind == "value"]
        letters = {a.spelling.text: "".join(a.spelling.letters(a.letters)) for a in accesses}
        letters |= {node.name: "".join(node.axes) for node in nodes}
        ones = {n.name: np.ones([sizes[i] for i in "".join(n.axes)]) for n in nodes if n.name == "ones"}
        free = free_letters(statement.right) if statement.operator else set("".join(statement.axes))
        outs = ["".join(i for i in "".join(statement.axes) if i in free), "".join(statement.axes)]
        try:
            product, out = product_of(formula.matrix, {**values, **ones}, letters, outs, sizes)
            words = formula.equation.partition(f" {statement.operator}= ")[2]
            right = formula_with_error(f"made[{','.join(out)}] = {words}" if out else f"made = {words}", values, sizes)
        except FAILURES as failure:
            yield Untrue("matrix", code, formula.matrix, f"{type(failure).__name__}: {failure}")
            return
        expected = np.broadcast_to(right[0], product.shape)
        if fault := difference(formula.matrix, product, expected, 1e-5 * abs(product) + rough):
            yield Untrue("matrix", code, formula.matrix, fault)


def product_of(
    form: str, values: Mapping[str, Any], letters: Mapping[str, str], outs: Sequence[str], sizes: Mapping[str, int]
) -> tuple[Any, str]:  # fmt: skip
    """The value of a product in matrix notation, and its letters: what is added may be broadcast, or stretched by
    a vector of ones."""
    try:
        return matrix_value(form, values, letters, outs[0], sizes), outs[0]
    except ValueError:
        return matrix_value(form, values, letters, outs[1], sizes), outs[1]


def rounding(values: Sequence[Any]) -> float:
    """How far off values may be that are made of some others: a few roundings of the largest, in the narrowest type."""
    arrays = [array for array in map(np.asarray, values) if array.dtype.kind == "f" and array.size]
    narrowest = max((float(np.finfo(array.dtype).eps) for array in arrays), default=2e-16)
    largest = max((float(np.max(np.abs(array[np.isfinite(array)]), initial=0)) for array in arrays), default=0.0)
    return 16 * narrowest * max(largest, 1.0)


def untrue_code(
    code: str, line: str, statement: Any, arrays: Mapping[str, Any], made: Any, rough: float
) -> Iterator[Untrue]:  # fmt: skip
    """Whether a line with einsum, pasted in the place of the right-hand side, gives what the statement made."""
    try:
        value = code_value(line, arrays)
        if statement.operator:
            value = code_value(f"before {statement.operator} after", {"before": arrays[statement.name], "after": value})
    except FAILURES as failure:
        yield Untrue("einsum", code, line, f"{type(failure).__name__}: {failure}")
        return
    if np.shape(value) != np.shape(made):
        yield Untrue("einsum", code, line, f"has the shape {np.shape(value)}, not {np.shape(made)}")
    elif fault := difference(line, value, made, rough):
        yield Untrue("einsum", code, line, fault)
