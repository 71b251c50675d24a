"""Evaluate a program as it stands: plain, slow, obviously right. The oracle for everything faster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import RangeError, ShapeError
from . import elementwise, matrix_functions
from .elementwise import Array, numeric
from .letters import rebuilt
from .program import (
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Input,
    Map,
    MatrixFunction,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
)
from .recurrences import Block, Recurrence, blocks

Values = dict[str, Array]


def run(program: Program, arrays: Sequence[Any]) -> tuple[Array, ...]:
    """Evaluate a program.

    Parameters
    ----------
    program : Program
    arrays : sequence of arrays
        One for each of ``program.inputs``, in that order. Sizes may differ from the traced ones where letters
        of the inputs say what they are. Object arrays of Fractions give exact results.

    Returns
    -------
    tuple of arrays
        One for each of ``program.outputs``.

    Raises
    ------
    ShapeError
        A letter has two sizes, or an array another number of axes than its letters.
    """
    values, sizes = evaluate(program, arrays)
    arranged = [read(values[ref.name], ref, ref.indices, sizes) for ref in program.outputs]
    units = program.output_units or ((),) * len(arranged)
    return tuple(np.expand_dims(array, axes) for array, axes in zip(arranged, units, strict=True))


def evaluate(program: Program, arrays: Sequence[Any]) -> tuple[Values, dict[str, int]]:
    """Every value of the program by name, and the size of every letter."""
    values: Values = {name: np.asarray(value) for name, value in program.constants.items()}
    given = [squeeze(np.asarray(array), i) for i, array in zip(program.inputs, arrays, strict=True)]
    sizes = input_sizes(program, given)
    values |= {i.ref.name: array for i, array in zip(program.inputs, given, strict=True)}
    compute_all(blocks(program.equations), values, sizes)
    return values, sizes


def compute_all(parts: Sequence[Block], values: Values, sizes: Mapping[str, int]) -> None:
    """Add to some values those that equations and recurrences define."""
    for block in parts:
        if isinstance(block, Recurrence):
            compute_recurrence(block, values, sizes)
        elif not isinstance(block, Opaque):
            values[block.out.name] = compute(block, values, sizes)


def compute_recurrence(
    recurrence: Recurrence, values: Values, sizes: Mapping[str, int],
    changed: Callable[[Equation, Array], Array] = lambda equation, entry: entry,
) -> None:  # fmt: skip
    """Add to some values those of a recurrence; ``changed`` may give something else for an entry that was made."""
    for equation in recurrence.equations:
        values[equation.out.name] = np.zeros([sizes[i] for i in equation.out.indices], np.int8)
    compute_rounds(recurrence, values, sizes, {}, changed)


def compute_rounds(
    recurrence: Recurrence, values: Values, sizes: Mapping[str, int], outer: Mapping[str, Mapping[int, int]],
    changed: Callable[[Equation, Array], Array],
) -> None:  # fmt: skip
    """Fill the values of a recurrence entry by entry.

    ``outer`` has the entry of each value along axes of the loops around.
    """
    first = recurrence.equations[0]
    rounds = range(sizes[recurrence.letter(first)])
    for n in rounds if recurrence.step > 0 else reversed(rounds):
        at = {name: {**outer.get(name, {}), axis: n} for name, axis in recurrence.axes.items()}
        for block in recurrence.body:
            if isinstance(block, Recurrence):
                compute_rounds(block, values, sizes, at, changed)
            else:
                name, where = block.out.name, at[block.out.name]
                fixed = {block.out.indices[axis]: number for axis, number in where.items()}
                made = changed(block, compute_entry(block, values, sizes, fixed))
                kind = np.result_type(values[name], made)
                values[name] = values[name].astype(kind, copy=False)
                values[name][tuple(where.get(axis, slice(None)) for axis in range(values[name].ndim))] = made


def compute_entry(equation: Equation, values: Values, sizes: Mapping[str, int], fixed: Mapping[str, int]) -> Array:
    """The part of a value that an equation defines where some of its letters are numbers."""
    parts = dict(values)

    def part(ref: Ref) -> Ref:
        if not set(ref.indices) & fixed.keys():
            return ref
        index = tuple(fixed.get(i, slice(None)) for i in ref.indices)
        made = Ref(f"{ref.name}[{','.join(ref.indices)}]", "".join(i for i in ref.indices if i not in fixed))
        parts[made.name] = values[ref.name][index]
        return made

    out = Ref(equation.out.name, "".join(i for i in equation.out.indices if i not in fixed))
    entry = rebuilt(numbered(equation, fixed, sizes), out, part, letter=lambda i: "" if i in fixed else i)
    return compute(entry, parts, sizes)


def numbered(equation: Equation, fixed: Mapping[str, int], sizes: Mapping[str, int]) -> Equation:
    """The equation with what letters that are numbers add to positions added to the constants of these."""

    def position(old: Position) -> Position:
        more = sum(whole(factor, sizes) * fixed[i] for factor, i in old.terms if i in fixed)
        return replace(old, constant=old.constant + more)

    if not isinstance(equation, Contract | Update):
        return equation
    brackets = (replace(b, left=position(b.left), right=position(b.right)) for b in equation.brackets)
    return replace(equation, brackets=tuple(brackets))


def squeeze(array: Array, declared: Input) -> Array:
    """The array without the axes of size 1 that have no letter."""
    if all(array.ndim > axis and array.shape[axis] == 1 for axis in declared.units):
        return array.squeeze(declared.units) if declared.units else array
    raise ShapeError(f"{declared.ref.name} has size 1 along its axes {declared.units}, but its shape is {array.shape}")


def input_sizes(program: Program, arrays: Sequence[Array]) -> dict[str, int]:
    """The size of every letter: what the arrays say, else what was traced."""
    sizes = program.sizes
    said: dict[str, tuple[str, int]] = {}
    for i, array in zip(program.inputs, arrays, strict=True):
        if array.ndim != len(i.ref.indices):
            raise ShapeError(
                f"{i.ref.name} has {len(i.ref.indices)} letters, {','.join(i.ref.indices)}, "
                f"but an array of shape {array.shape} was given"
            )
        for letter, size in zip(i.ref.indices, array.shape, strict=True):
            dimension = program.dimension(letter).letters
            name, before = said.setdefault(dimension, (i.ref.name, size))
            if before != size:
                raise ShapeError(
                    f"{letter} has two sizes: {before} in {name} and {size} in {i.ref.name} "
                    f"(shape {array.shape}, letters {','.join(i.ref.indices)})"
                )
            sizes |= dict.fromkeys(dimension, size)
    return sizes


def compute(equation: Equation, values: Values, sizes: Mapping[str, int]) -> Array:
    """The value that one equation defines."""
    match equation:
        case Contract():
            return contract(equation, values, sizes)
        case Sum(out, terms):
            total = sum(
                scale(1 if ref is None else numeric(read(values[ref.name], ref, out.indices, sizes)), factor, sizes)
                for factor, ref in terms
            )
            return fill(np.asarray(total), out, sizes)
        case Map(out, function, refs, parameter):
            aligned = [read(values[ref.name], ref, out.indices, sizes) for ref in refs]
            return fill(np.asarray(elementwise.evaluate(function, aligned, parameter)), out, sizes)
        case Extremum():
            return extremum(equation, values, sizes)
        case Update():
            return update(equation, values, sizes)
        case MatrixFunction(out, function, refs):
            *arranged, made = equation.arranged
            aligned = [read(values[ref.name], ref, i, sizes) for ref, i in zip(refs, arranged, strict=True)]
            return read(matrix_functions.evaluate(function, *aligned), Ref("", made), out.indices, sizes)
        case Opaque(out):
            return values[out.name]


def read(array: Array, ref: Ref, letters: str, sizes: Mapping[str, int]) -> Array:
    """The array with one axis for each of ``letters``, in that order; an axis that it lacks has size 1."""
    own = "".join(dict.fromkeys(ref.indices))
    if own != ref.indices:  # a repeated letter: the diagonal
        array = array[tuple(np.arange(sizes[i]).reshape([-1 if j == i else 1 for j in own]) for i in ref.indices)]
    order = [own.index(i) for i in letters if i in own]
    return array.transpose(order).reshape([sizes[i] if i in own else 1 for i in letters])


def fill(array: Array, out: Ref, sizes: Mapping[str, int]) -> Array:
    """The array stretched to the full shape of ``out``."""
    return np.broadcast_to(array, [sizes[i] for i in out.indices])


LARGEST_WORD = np.iinfo(np.int64).max

WIDE = 1 << 20
"""How many entries a bracket may have on axes of all its letters."""


def contract(equation: Contract, values: Values, sizes: Mapping[str, int]) -> Array:
    """Every operand and bracket on axes of all letters, multiplied, summed over the letters not in ``out``.

    A bracket that would be wide, ``[l=K·b+k]``, says where entries are read or added up instead.
    """
    out = "".join(dict.fromkeys(equation.out.indices))
    factors = [(ref.indices, numeric(values[ref.name])) for ref in equation.operands]
    kind = product_kind([array for _, array in factors]) if factors else np.dtype(np.int64)
    places: dict[str, Position] = {}
    for bracket in equation.brackets:
        if (found := said_by(bracket, equation, sizes)) is None:
            factors.append((bracket.letters, holds(bracket, values, sizes)))
        elif any(found[0] in ref.indices for ref in equation.operands):
            factors = [picked(*one, *found, values, sizes) if found[0] in one[0] else one for one in factors]
        else:
            places |= [found]
    placing = "".join(position.letters for position in places.values())
    kept = "".join(dict.fromkeys([*(i for i in out if i not in places), *placing]))
    present = "".join(dict.fromkeys("".join(indices for indices, _ in factors)))
    total: Any = 1
    if factors:
        terms: list[Any] = []
        for indices, array in factors:
            terms += [array.astype(kind), [present.index(i) for i in indices]]
        among = [i for i in kept if i in present]
        pairwise = len(factors) > 2 and kind.kind != "O"  # NumPy's pairs of objects fail where one is a scalar
        total = np.einsum(*terms, [present.index(i) for i in among], optimize=pairwise)
        total = read(np.asarray(total), Ref("", "".join(among)), kept, sizes)
    if places:
        total = put(np.broadcast_to(total, [sizes[i] for i in kept]), kept, places, out, values, sizes)
    full = fill(np.asarray(scale(total, equation.factor, sizes)), Ref("", out), sizes)
    return scatter_diagonal(full, out, equation.out.indices, sizes)


def said_by(bracket: Bracket, equation: Contract, sizes: Mapping[str, int]) -> tuple[str, Position] | None:
    """A letter and its position, as a wide bracket says it: a letter of the operands alone, or of the output alone."""
    if np.prod([sizes[i] for i in bracket.letters], dtype=float) <= WIDE:
        return None
    others = {i for other in equation.brackets if other is not bracket for i in other.letters}
    for letter, position in bracket.solved():
        is_read = any(letter in ref.indices for ref in equation.operands)
        if letter not in others and not (is_read and letter in equation.out.indices):
            return letter, position
    return None


def picked(
    letters: str, array: Array, letter: str, position: Position, values: Values, sizes: Mapping[str, int]
) -> tuple[str, Array]:
    """An operand whose letter has a position: on axes of the other letters and of those of the position."""
    axes = "".join(dict.fromkeys(letters.replace(letter, "") + position.letters))
    grid = dict(zip(axes, np.ogrid[tuple(slice(sizes[i]) for i in axes)], strict=True))
    at = place(position, axes, values, sizes)
    inside = (at >= 0) & (at < sizes[letter])
    grid[letter] = np.where(inside, at, 0)
    return axes, np.where(inside, array[tuple(grid[i] for i in letters)], array.dtype.type(0))


def put(
    array: Array, letters: str, places: Mapping[str, Position], out: str, values: Values, sizes: Mapping[str, int]
) -> Array:
    """Entries added up where letters that they lack say that they belong, and over the letters not in ``out``."""
    grid = dict(zip(letters, np.ogrid[tuple(slice(sizes[i]) for i in letters)], strict=True))
    inside = np.ones(array.shape, bool)
    for letter, position in places.items():
        grid[letter] = place(position, letters, values, sizes)
        inside &= (grid[letter] >= 0) & (grid[letter] < sizes[letter])
    total = np.zeros([1, *(sizes[i] for i in out)], array.dtype)
    at = [np.broadcast_to(grid[i], array.shape)[inside] for i in out]
    np.add.at(total, (np.zeros(inside.sum(), int), *at), array[inside])
    return np.asarray(total[0])


def product_kind(arrays: Sequence[Array]) -> np.dtype[Any]:
    """The dtype of a product. Integers, such as masks and brackets, do not widen floats: float32 stays float32."""
    inexact = [array for array in arrays if array.dtype.kind not in "iu"]
    return np.result_type(*(inexact or arrays))


def scale(term: Any, factor: Factor, sizes: Mapping[str, int]) -> Any:
    """The term times the factor: exact for objects, else by a Python scalar, which keeps float32."""
    number = factor.value(sizes)
    if number == 1:
        return term
    if isinstance(number, Fraction) and np.asarray(term).dtype.kind != "O":
        is_word = number.denominator == 1 and abs(number) <= LARGEST_WORD
        return (int(number) if is_word else float(number)) * term  # a longer int would make objects of the entries
    return number * term


def scatter_diagonal(array: Array, letters: str, out: str, sizes: Mapping[str, int]) -> Array:
    """Write an array of distinct letters onto the diagonal of an output where a letter stands twice."""
    if letters == out:
        return array
    result = np.zeros([sizes[i] for i in out], dtype=array.dtype)
    grid = dict(zip(letters, np.ogrid[tuple(slice(sizes[i]) for i in letters)], strict=True))
    result[tuple(grid[i] for i in out)] = array
    return result


def holds(bracket: Bracket, values: Values, sizes: Mapping[str, int]) -> Array:
    """1 where the bracket's relation holds, 0 elsewhere, on the axes of its letters."""
    left = place(bracket.left, bracket.letters, values, sizes)
    right = place(bracket.right, bracket.letters, values, sizes)
    relation = {"=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal}[bracket.relation]
    return np.broadcast_to(relation(left, right), [sizes[i] for i in bracket.letters]).astype(np.int64)


def place(position: Position, letters: str, values: Values, sizes: Mapping[str, int]) -> Array:
    """A position's value for every combination of letters."""
    grid = np.ogrid[tuple(slice(sizes[i]) for i in letters)]
    total = np.full([1] * len(letters), position.constant, dtype=np.int64)
    for coefficient, letter in position.terms:
        total = total + whole(coefficient, sizes) * grid[letters.index(letter)]
    if position.pick is not None:
        total = total + read(values[position.pick.name], position.pick, letters, sizes).astype(np.int64)
    return total


def whole(coefficient: Factor, sizes: Mapping[str, int]) -> int:
    """A position's coefficient as an int."""
    number = coefficient.value(sizes)
    if not isinstance(number, Fraction) or number.denominator != 1:
        raise ShapeError(f"a position's coefficient must be whole, not {number}")
    return int(number)


def extremum(equation: Extremum, values: Values, sizes: Mapping[str, int]) -> Array:
    """Max or min over the letters that ``out`` lacks, or the position where it is first reached."""
    out, ref = equation.out.indices, equation.operand
    over = "".join(i for i in dict.fromkeys(ref.indices) if i not in out)
    array = read(values[ref.name], ref, out + over, sizes)
    flat = array.reshape([sizes[i] for i in out] + [int(np.prod([sizes[i] for i in over]))])
    if not equation.position_of:
        return np.asarray(flat.max(-1) if equation.kind == "max" else flat.min(-1))
    first = flat.argmax(-1) if equation.kind == "max" else flat.argmin(-1)
    places = np.unravel_index(first, [sizes[i] for i in over])
    return np.asarray(places[over.index(equation.position_of)])


def update(equation: Update, values: Values, sizes: Mapping[str, int]) -> Array:
    """A copy of the base, written to where the brackets and the mask say."""
    base = values[equation.base.name]
    value = values[equation.value.name]
    written = {b.left.letters: b.right for b in equation.brackets}
    own = equation.base.indices
    inside = "".join(i for i in own if i not in written)
    letters = "".join(
        dict.fromkeys(inside + equation.value.indices + "".join(b.right.letters for b in equation.brackets))
    )
    result = np.array(base, dtype=np.result_type(base, numeric(value)))
    grid = dict(zip(letters, np.ogrid[tuple(slice(sizes[i]) for i in letters)], strict=True))
    index = tuple(place(written[i], letters, values, sizes) if i in written else grid[i] for i in own)
    new: Any = read(value, equation.value, letters, sizes)
    mask = None if equation.mask is None else read(values[equation.mask.name], equation.mask, own, sizes)
    try:
        if mask is not None:
            new = np.where(np.broadcast_to(mask, base.shape)[index].astype(bool), new, result[index])
        result[index] = new
    except IndexError as error:  # positions that are computed from the values
        raise RangeError(f"{equation.out.name} is written to where there is no place: {error}") from error
    except ValueError as error:
        raise ShapeError(f"what is written into {equation.out.name} does not fit: {error}") from error
    return result


def has_nan(array: Array) -> bool:
    """Whether some entry is nan. (A sum is nan where an entry is, and rarely else.)"""
    with np.errstate(all="ignore"):
        return bool(np.isnan(np.sum(array)) and np.isnan(array).any())
