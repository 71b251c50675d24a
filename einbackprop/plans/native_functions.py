"""Pointwise functions as expressions of scalars, for loops that are compiled.

``{0}``, ``{1}``, … are the operands, ``{one}`` and ``{zero}`` numbers of their dtype, ``{kind}`` what loops call it.
An expression does for nan and inf what ``elementwise.evaluate`` does. What is not here is left to NumPy.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.program import Map, Number

KINDS = {"float32": "float32_", "float64": "float64_", "int64": "int64_", "bool": "bool_"}
"""The dtypes of values in loops, and what the loops call them."""

CALLS = (
    "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "sinh", "cosh", "arcsinh", "arccosh", "arctanh",
)  # fmt: skip
"""Functions that a loop calls, one entry at a time; NumPy's take several entries at once."""

INLINE = ("abs", "sign", "sqrt", "isnan", "isinf", "isfinite", "floor", "ceil", "rint", "trunc")
"""Functions that become instructions."""

SCALARS: dict[str, Any] = {
    **{f"{dtype.name}_": dtype.type for dtype in map(np.dtype, "?bhilqBHILQfd")},
    "at": np.uint64,  # a position that is not negative, so that nothing is counted from the end
    "inf": np.inf,
    "nan": np.nan,
    **{name: getattr(np, name) for name in (*CALLS, *INLINE, "exp", "tanh")},
}
"""What loops refer to."""

SLOW: dict[str, str] = {
    **{name: f"{name}({{0}})" for name in CALLS},
    "softplus": "choose({0} >= {zero}, {0}, {zero}) + log1p({kind}exp(choose({0} >= {zero}, -{0}, {0})))",
    "pow": "{0} ** {1}",
}
QUICK: dict[str, str] = {
    "exp": "{kind}exp({0})",
    "sigmoid": "{kind}sigmoid({0})",
    "tanh": "{kind}tanh({0})",
    "abs": "abs({0})",
    "sign": "sign({0})",
    "relu": "larger({0}, {zero})",
    "maximum": "larger({0}, {1})",
    "minimum": "smaller({0}, {1})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "round": "rint({0})",
    "trunc": "trunc({0})",
    "conj": "{0}",
    "real": "{0}",
}
ONE_BY_ONE = {"exp": "exp({0})", "sigmoid": "{one} / ({one} + exp(-{0}))", "tanh": "tanh({0})"}
"""The same functions where a loop is too short for several entries at once."""

CONDITIONS: dict[str, str] = {
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
    "logical_and": "{0} != {zero} and {1} != {zero}",
    "logical_or": "{0} != {zero} or {1} != {zero}",
    "logical_xor": "({0} != {zero}) != ({1} != {zero})",
    "logical_not": "{0} == {zero}",
    "truth": "{0} != {zero}",
    "step": "{0} > {zero}",
    "isnan": "isnan({0})",
    "isinf": "isinf({0})",
    "isfinite": "isfinite({0})",
}
POWERS: dict[Number | None, str] = {
    Fraction(0): "{one}",
    Fraction(1): "{0}",
    Fraction(2): "{0} * {0}",
    Fraction(3): "{0} * {0} * {0}",
    Fraction(4): "({0} * {0}) * ({0} * {0})",
    Fraction(-1): "{one} / {0}",
    Fraction(-2): "{one} / ({0} * {0})",
    Fraction(1, 2): "sqrt({0})",
    Fraction(-1, 2): "{one} / sqrt({0})",
}


def is_slow(equation: Map) -> bool:
    """Whether a loop calls a function for each entry."""
    return equation.parameter not in POWERS if equation.function == "power" else equation.function in SLOW


def expression(equation: Map, out: str, kinds: Sequence[str], *, at_once: bool = True) -> str | None:
    """The text of a function of operands of these kinds, or None where there is none.

    Parameters
    ----------
    equation : Map
    out : str
        The kind of the value.
    kinds : sequence of str
        Those of the operands, as they are read.
    at_once : bool
        Whether the loop around it is long enough for several entries at once.
    """
    name = equation.function
    if name == "where":
        numbers = out in ("float32_", "float64_") and all(kind == out for kind in kinds[1:])
        return f"choose({{0}} != {number(0, kinds[0])}, {{1}}, {{2}})" if numbers else None
    if any(kind != kinds[0] for kind in kinds):
        return None
    if name in CONDITIONS:
        return _filled(CONDITIONS[name], kinds[0]) if out == "bool_" else None
    if out not in ("float32_", "float64_") or out != kinds[0]:
        return None
    if name == "power":
        return _filled(_power(equation.parameter, out), out)
    text = (None if at_once else ONE_BY_ONE.get(name)) or SLOW.get(name) or QUICK.get(name)
    return None if text is None else _filled(text, out)


def _power(exponent: Number | None, kind: str) -> str:
    """A power, by products where there are few. A root of 1/3 is one of negative numbers too: NumPy has that."""
    if exponent in POWERS:
        return POWERS[exponent]
    if exponent == Fraction(1, 3) or isinstance(exponent, complex) or exponent is None:
        return ""
    return f"{{0}} ** {number(exponent, kind)}"


def _filled(text: str, kind: str) -> str | None:
    """The text with its numbers, operands left open."""
    if not text:
        return None
    return text.replace("{one}", number(1, kind)).replace("{zero}", number(0, kind)).replace("{kind}", kind)


def number(value: Number | int, kind: str) -> str:
    """A number of a kind."""
    if kind == "bool_":
        return str(bool(value))
    return str(int(value.real)) if kind == "int64_" else f"{kind}({float(value.real)!r})"


def converted(text: str, kind: str, to: str) -> str:
    """The text of a scalar as another kind."""
    return text if kind == to else f"{to}({text})"
