"""Programs in exact arithmetic: numbers at which two formulas differ, or agreement where no proof is found.

Where a program is rational (sums, products, whole powers, comparisons), it is evaluated on random Fractions, else
modulo primes (``residues``). Agreement at all drawn sizes and values is the grade ``exact``: it rests on those sizes,
and on luck of less than one in a billion. A difference is only reported where floating point sees it too, far beyond
rounding, so that a constant such as 0.333… for a third is never called a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import elementwise
from ..core.interpretation import compute, fill, holds, read
from ..core.program import Bracket, Contract, Equation, Extremum, Factor, Map, Opaque, Program, Ref, Sum, Update, picks
from ..core.progress import tick
from ..errors import FunctionError, RangeError, UndecidedError
from . import residues
from .residues import DrawError, Residue

Array = NDArray[Any]
EXPONENTIALS = frozenset(["exp", "expm1", "exp2", "sigmoid", "tanh", "sinh", "cosh", "softplus", "logaddexp"])


class NotRationalError(UndecidedError):
    """The program takes a root or an exponential."""


def evaluate(program: Program, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Array]:
    """Every value of a program in exact arithmetic.

    Parameters
    ----------
    program : Program
    arrays : mapping
        For each input an object array of Fractions or of Residues (labels: of integers, masks: of booleans).
    sizes : mapping
        The size of each letter.

    Returns
    -------
    dict of name to array

    Raises
    ------
    UndecidedError
        Some function or constant has no exact arithmetic.
    """
    depth = next((e.parts for a in arrays.values() for e in np.ravel(a)[:1] if isinstance(e, Residue)), ())
    values = {name: lift(np.asarray(a), len(depth)) for name, a in program.constants.items()}
    values |= {name: np.asarray(a) for name, a in arrays.items()}
    for equation in program.equations:
        if not isinstance(equation, Opaque):
            values[equation.out.name] = compute_exactly(equation, values, sizes, len(depth))
    return values


def compute_exactly(equation: Equation, values: dict[str, Array], sizes: Mapping[str, int], depth: int) -> Array:
    """One value; factors are taken exactly, functions of residues from ``residues``."""
    tick()
    match equation:
        case Contract(out):
            plain = scaled(_contract(equation, values, sizes, depth), equation.factor, sizes, depth)
            full = fill(plain, Ref("", "".join(dict.fromkeys(out.indices))), sizes)
            return _on_diagonal(full, out.indices, sizes, depth)
        case Sum(out, terms):
            total: Any = np.asarray(exactly(Fraction(0), depth), dtype=object)
            for factor, ref in terms:
                term = np.asarray(1) if ref is None else read(values[ref.name], ref, out.indices, sizes)
                total = total + scaled(lift(term, depth), factor, sizes, depth)
            return fill(np.asarray(total, dtype=object), out, sizes)
        case Map(out, function, refs, parameter):
            aligned = [read(values[ref.name], ref, out.indices, sizes) for ref in refs]
            return fill(_apply(function, aligned, parameter, depth), out, sizes)
        case Extremum() if depth:
            return _extremum(equation, values, sizes)
        case Update():
            return _update(equation, values, sizes, depth)
        case _:
            return compute(equation, values, sizes)


def _contract(equation: Contract, values: dict[str, Array], sizes: Mapping[str, int], depth: int) -> Array:
    """Every operand and bracket on axes of all letters, multiplied, then summed."""
    factors = [(ref, lift(values[ref.name], depth)) for ref in equation.operands]
    values = _with_positions(equation.brackets, values)
    factors += [(Ref("", b.letters), lift(holds(b, values, sizes), depth)) for b in equation.brackets]
    out = "".join(dict.fromkeys(equation.out.indices))
    over = "".join(dict.fromkeys("".join(ref.indices for ref, _ in factors if ref)))
    letters = out + "".join(i for i in over if i not in out)
    total: Any = np.full([1] * len(letters), exactly(Fraction(1), depth), dtype=object)
    for ref, array in factors:
        total = total * read(array, ref, letters, sizes)
    axes = tuple(range(len(out), len(letters)))
    return np.asarray(total.sum(axis=axes) if axes else total, dtype=object)


def _update(equation: Update, values: dict[str, Array], sizes: Mapping[str, int], depth: int) -> Array:
    """The interpreter's result with exact numbers in the base and in what is written, whatever they were."""
    base, value, mask = equation.base, equation.value, equation.mask
    own = replace(equation, base=Ref("base ", base.indices), value=Ref("value ", value.indices))
    values = _with_positions(equation.brackets, values)
    read_by = {ref.name: values[ref.name] for ref in picks(equation.brackets)}
    if mask is not None:
        read_by["mask "] = values[mask.name]
        own = replace(own, mask=Ref("mask ", mask.indices))
    read_by |= {"base ": lift(values[base.name], depth), "value ": lift(values[value.name], depth)}
    try:
        return _unwrapped(compute(own, read_by, sizes))
    except RangeError as error:
        raise UndecidedError(str(error)) from error


def _with_positions(brackets: tuple[Bracket, ...], values: dict[str, Array]) -> dict[str, Array]:
    """The values, those that brackets pick by as integers. Raises UndecidedError where they are none."""
    found = {}
    for name in {ref.name for ref in picks(brackets)}:
        array = values[name]
        if array.dtype == object:
            if not all(isinstance(x, int) or (isinstance(x, Fraction) and x.denominator == 1) for x in array.flat):
                raise UndecidedError(f"{name} is used as a position, and its exact values are no whole numbers")
            found[name] = array.astype(np.int64)
    return values | found


def _unwrapped(array: Array) -> Array:
    """The array with its entries themselves where NumPy stored arrays of one entry, as it does into object arrays."""
    if array.dtype == object:
        for place, x in np.ndenumerate(array):
            if isinstance(x, np.ndarray):
                array[place] = x.item()
    return array


def _on_diagonal(array: Array, out: str, sizes: Mapping[str, int], depth: int) -> Array:
    """The array of distinct letters where an output's repeated letters agree, 0 elsewhere."""
    letters = "".join(dict.fromkeys(out))
    if letters == out:
        return array
    result = np.full([sizes[i] for i in out], exactly(Fraction(0), depth), dtype=object)
    for place in np.ndindex(array.shape):
        result[tuple(place[letters.index(i)] for i in out)] = array[place]
    return result


def exactly(number: Fraction, depth: int) -> Any:
    return residues.residue(number, depth) if depth else number


def lift(array: Array, depth: int) -> Array:
    """Numbers as exact ones."""
    if array.dtype == object:
        return array
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise UndecidedError(f"numbers of dtype {array.dtype}, or infinite ones, have no exact arithmetic")
    whole = array.dtype.kind != "f"
    lifted = np.empty(array.shape, dtype=object)
    for place, x in np.ndenumerate(array):
        lifted[place] = exactly(Fraction(int(x)) if whole else Fraction(float(x)), depth)
    return lifted


def scaled(array: Array, factor: Factor, sizes: Mapping[str, int], depth: int) -> Array:
    """The array times a factor, exactly."""
    whole = Factor(factor.number, tuple((i, p) for i, p in factor.sizes if p == int(p)))
    number = whole.value(sizes)
    if not isinstance(number, Fraction):
        raise UndecidedError(f"the factor {number} has no exact arithmetic")
    result: Any = array if number == 1 else array * np.asarray(number, dtype=object)
    for letter, power in factor.sizes:
        if power != int(power):
            if not depth:
                raise NotRationalError("a root of a size")
            result = result * np.asarray(residues.power(exactly(Fraction(sizes[letter]), depth), Fraction(power)))
    return np.asarray(result, dtype=object)


def _apply(function: str, arrays: Sequence[Array], parameter: Any, depth: int) -> Array:
    """A pointwise function of exact numbers."""
    if not depth:
        if not elementwise.lookup(function).logical:
            arrays = [lift(array, 0) for array in arrays]
        try:
            with np.errstate(all="ignore"):
                result = elementwise.evaluate(function, arrays, parameter)
        except FunctionError as error:
            raise NotRationalError(str(error)) from None
        except ZeroDivisionError:
            raise DrawError("a denominator is 0") from None
        if result.dtype.kind == "f" or any(isinstance(x, float | np.floating) for x in result.flat):
            raise NotRationalError(f"{function} is not rational")
        return result if result.dtype == bool else lift(result, 0)
    extra = () if parameter is None else (parameter,)
    known = FUNCTIONS.get(function) or (lambda *x: residues.oracle(function, x))
    spread = np.broadcast_arrays(*(lift(a, depth) for a in arrays))
    result = np.empty(spread[0].shape, dtype=object)
    for place in np.ndindex(result.shape):
        result[place] = known(*(a[place] for a in spread), *extra)
    return result.astype(bool) if elementwise.is_boolean(function) else result


def _choose(condition: Residue, a: Residue, b: Residue) -> Residue:
    return a if condition else b


def _greater(a: Residue, b: Residue) -> bool:
    return residues.is_positive(a - b)


def _sigmoid(x: Residue) -> Residue:
    return (residues.exp(-x) + 1) ** -1


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": residues.exp,
    "expm1": lambda x: residues.exp(x) - 1,
    "sigmoid": _sigmoid,
    "tanh": lambda x: 2 * _sigmoid(2 * x) - 1,
    "sinh": lambda x: (residues.exp(x) - residues.exp(-x)) * Fraction(1, 2),
    "cosh": lambda x: (residues.exp(x) + residues.exp(-x)) * Fraction(1, 2),
    "softplus": lambda x: residues.oracle("log", [residues.exp(x) + 1]),
    "log1p": lambda x: residues.oracle("log", [x + 1]),
    "logaddexp": lambda a, b: residues.oracle("log", [residues.exp(a) + residues.exp(b)]),
    "power": lambda x, exponent: residues.power(x, Fraction(exponent)),
    "step": residues.is_positive,
    "relu": lambda x: x if residues.is_positive(x) else 0 * x,
    "sign": lambda x: 0 * x + (1 if residues.is_positive(x) else -1),
    "abs": lambda x: x if residues.is_positive(x) else -x,
    "maximum": lambda a, b: a if _greater(a, b) else b,
    "minimum": lambda a, b: b if _greater(a, b) else a,
    "greater": _greater,
    "less": lambda a, b: _greater(b, a),
    "greater_equal": lambda a, b: not _greater(b, a),
    "less_equal": lambda a, b: not _greater(a, b),
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "where": _choose,
    "truth": bool,
    "logical_not": lambda x: not x,
    "logical_and": lambda a, b: bool(a) and bool(b),
    "logical_or": lambda a, b: bool(a) or bool(b),
    "logical_xor": lambda a, b: bool(a) != bool(b),
    "conj": lambda x: x,
    "real": lambda x: x,
}


def _extremum(equation: Extremum, values: dict[str, Array], sizes: Mapping[str, int]) -> Array:
    """An entry chosen by its differences from the others, so that a shift of all of them shifts it as it does a max."""
    out, ref = equation.out.indices, equation.operand
    over = "".join(i for i in dict.fromkeys(ref.indices) if i not in out)
    array = read(values[ref.name], ref, out + over, sizes)
    if array.size and not equation.position_of and all(isinstance(x, bool | np.bool_) for x in array.flat):
        decided = np.all if equation.kind == "min" else np.any
        return np.asarray(decided(array.astype(bool), axis=tuple(range(len(out), array.ndim))), dtype=object)
    if equation.kind == "min":
        array = -array
    shape = [sizes[i] for i in over]
    flat = array.reshape([sizes[i] for i in out] + [int(np.prod(shape))])
    result = np.empty(flat.shape[:-1], dtype=int if equation.position_of else object)
    for place in np.ndindex(result.shape):
        row = list(flat[place])
        keys = [residues.oracle("max", sorted((x - y for y in row), key=lambda r: r.parts)).parts[0] for x in row]
        best = min(range(len(row)), key=keys.__getitem__)
        if equation.position_of:
            result[place] = np.unravel_index(best, shape)[over.index(equation.position_of)]
        else:
            result[place] = -row[best] if equation.kind == "min" else row[best]
    return result


def nesting(program: Program) -> int:
    """How many exponentials deep the values of a program are."""
    deep: dict[str, int] = {}
    for equation in program.equations:
        own = 1 if isinstance(equation, Map) and equation.function in EXPONENTIALS else 0
        match equation:
            case Contract() | Map():
                names = [ref.name for ref in equation.operands]
            case Sum():
                names = [ref.name for _, ref in equation.terms if ref is not None]
            case Extremum():
                names = [equation.operand.name]
            case Opaque():
                names = []
            case _:
                names = [equation.base.name, equation.value.name, *([equation.mask.name] if equation.mask else [])]
        deep[equation.out.name] = own + max((deep.get(n, 0) for n in names), default=0)
    return max(deep.values(), default=0)
