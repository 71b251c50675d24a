"""Whether what is printed is true: each notation of an equation, evaluated from its text, against its value."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from code_values import code_value
from formula_nodes import UnreadableError
from formula_values import formula_with_error
from matrix_values import matrix_value
from shown import Shown

from einbackprop.core.program import Contract, operands
from einbackprop.notation.einsum_text import einsum_line
from einbackprop.notation.index_notation import CUT, equation_text
from einbackprop.notation.matrix_notation import matrix_text

IS_NOT = "\n  is"


def equation_fault(case: Shown) -> str:
    """What is wrong with the printed equation; empty where it is true."""
    text = equation_text(case.equation, case.view)
    if CUT in text:
        return ""
    try:
        value, error = formula_with_error(text, case.known, case.sizes)
    except (UnreadableError, ValueError, IndexError, ArithmeticError, TypeError, KeyError) as reason:
        return f"{text}\n  {type(reason).__name__}: {reason}"
    return difference(text, value, case.expected, error)


def einsum_fault(case: Shown) -> str:
    """What is wrong with the einsum line; empty where it is right, or is marked as nothing to paste."""
    line = einsum_line(case.equation, case.view)
    if line is None or not line.pasteable:
        return ""
    try:
        value = code_value(line.text, case.arrays_known)
    except ZeroDivisionError:  # numbers of Python, as in 1 / 0
        return ""
    except Exception as reason:  # whatever the code raises
        return f"{line.text}\n  {type(reason).__name__}: {reason}"
    expected = case.as_array(case.equation.out, case.expected)
    if np.shape(value) != np.shape(expected):
        return f"{line.text}\n  has the shape {np.shape(value)}, not {np.shape(expected)}"
    return difference(line.text.replace("np.inf", "∞"), value, expected)


def matrix_fault(case: Shown) -> str:
    """What is wrong with the matrix form; empty where it is right, or there is none."""
    form = matrix_text(case.equation, case.view) if isinstance(case.equation, Contract) else None
    if form is None:
        return ""
    out = case.equation.out.indices
    letters: dict[str, str] = {}
    for ref in operands(case.equation):
        for name in leaves(case, ref.name):
            letters.setdefault(case.view.called(name), ref.indices)
    try:
        known = {name: array * 1.0 if np.asarray(array).dtype == bool else array for name, array in case.known.items()}
        value = matrix_value(form, known, letters, out, case.sizes)  # functions of bools are rounded to float16
    except (UnreadableError, ValueError, IndexError, ArithmeticError, TypeError, KeyError) as reason:
        return f"{form}\n  {type(reason).__name__}: {reason}"
    rounded = re.search(r"\d\.\d{5}|\d{2,}\.\d{4}|\d{4,}\.\d", form) is not None
    value = np.where(np.isnan(value), case.expected, value)  # zeros of diag(a) meet infinities
    return difference(form, value, case.expected, 1e-5 * np.abs(value) if rounded else 0.0)


def leaves(case: Shown, name: str) -> list[str]:
    """The values by name that a value is made of, those that have letters."""
    inner = case.view.inline.get(name)
    if inner is None:
        return [name] if np.ndim(case.values[name]) else []
    return [leaf for ref in operands(inner) for leaf in leaves(case, ref.name)]


def difference(text: str, value: Any, expected: Any, error: Any = 0.0) -> str:
    """How a value differs from what it should be; a result that is broadcast has the size 1 along an axis."""
    value, expected = (array * 1 if array.dtype.kind == "b" else array for array in map(np.asarray, (value, expected)))
    try:
        value = np.broadcast_to(value, expected.shape)
        if value.dtype == object or np.shape(error) not in ((), value.shape):
            error = np.broadcast_to(error, expected.shape)
    except ValueError:
        return f"{text}\n  has the shape {value.shape}, not {expected.shape}"
    with np.errstate(all="ignore"):
        finite = np.abs(expected[np.isfinite(expected)]) if expected.dtype.kind in "fc" else np.abs(expected)
        scale = float(np.max(finite, initial=1e-6))
        same = (value == expected) | (np.isnan(value) & np.isnan(expected))
        close = np.abs(value - expected) <= 1e-8 * (np.abs(expected) + min(scale, 1e6)) + 3 * np.asarray(error)
    wrong = ~(same | close) & ~(np.isnan(value) & (expected == 0))  # (-inf) ** -0.5
    if expected.dtype.kind in "iu":  # 0 % 0 is 0 for whole numbers
        wrong &= np.isfinite(value)
    if expected.dtype.kind == "c" or value.dtype.kind == "c":  # nan and infinities of complex numbers have no one form
        wrong &= np.isfinite(value) | np.isfinite(expected)
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{text}{IS_NOT} {value[at]} at {at}, not {expected[at]}"


def persistent(case: Shown, fault: Any, draws: int = 4) -> str:
    """What is wrong at every draw of numbers: at one, rounding may have decided a comparison."""
    with np.errstate(all="ignore"):
        said = fault(case)
        for seed in range(draws):
            if not said or (IS_NOT in said and not case.is_finite):
                return ""  # what meets infinities depends on the order: inf·0, √-inf
            case = case.again(seed)
            said = fault(case)
    return str(said)
