"""How functions of SciPy are read, where it is installed: as the calls of NumPy that they stand for.

Each rule has SciPy's parameters behind what SciPy answered in this run. What has no rule is not read: its line says so.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import TraceError
from .memory import is_traced
from .pointwise import apply_map, lift, unread
from .recorder import Recorder

Rule = Callable[..., Any]


def of_library(ufunc: np.ufunc) -> bool:
    """Whether a ufunc is one of ``scipy.special``."""
    return getattr(sys.modules.get("scipy.special"), ufunc.__name__, None) is ufunc


def times_log(r: Recorder, v: Any, x: Any, y: Any) -> Any:
    """``xlogy``: ``x log(y)``, and 0 where x is 0, whatever y is."""
    left, right = lift(r, x), lift(r, y)
    nothing = np.logical_and(np.equal(left, 0), np.less_equal(right, 0))
    return left * np.log(np.where(nothing, 1, right))


def relative_entropy(r: Recorder, v: Any, x: Any, y: Any) -> Any:
    """``rel_entr``: ``x log(x/y)``, and 0 where x is 0."""
    return times_log(r, v, x, x) - times_log(r, v, x, y)


UFUNCS: Mapping[str, Rule] = {
    "expit": lambda r, v, x: apply_map(r, "sigmoid", [x], v),
    "log_expit": lambda r, v, x: -apply_map(r, "softplus", [-x], -np.asarray(v)),
    "logit": lambda r, v, x: np.log(x) - np.log1p(-x),
    "xlogy": times_log, "xlog1py": lambda r, v, x, y: times_log(r, v, x, 1 + lift(r, y)),
    "entr": lambda r, v, x: -times_log(r, v, x, x), "rel_entr": relative_entropy,
    "kl_div": lambda r, v, x, y: relative_entropy(r, v, x, y) - x + y,
    "erf": lambda r, v, x: apply_map(r, "erf", [x], v),
    "exp2": lambda r, v, x: np.exp2(x), "expm1": lambda r, v, x: np.expm1(x),
    "log1p": lambda r, v, x: np.log1p(x), "cbrt": lambda r, v, x: np.cbrt(x),
}  # fmt: skip
"""Ufuncs of ``scipy.special`` by name."""


def shifted(r: Recorder, x: Any, axis: Any) -> tuple[Any, Any]:
    """The array less its maximum along axes, and the maximum, with unit axes there."""
    array: Any = lift(r, x)
    top = np.max(array, axis=axis, keepdims=True)
    return array - top, top


def softmax(r: Recorder, v: Any, x: Any, axis: Any = None) -> Any:
    """``softmax``."""
    raised = np.exp(shifted(r, x, axis)[0])
    return raised / np.sum(raised, axis=axis, keepdims=True)


def log_softmax(r: Recorder, v: Any, x: Any, axis: Any = None) -> Any:
    """``log_softmax``."""
    less, _ = shifted(r, x, axis)
    return less - np.log(np.sum(np.exp(less), axis=axis, keepdims=True))


def log_sum_exp(r: Recorder, v: Any, a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """``logsumexp``, with weights b."""
    less, top = shifted(r, a, axis)
    raised = np.exp(less) if b is None else b * np.exp(less)
    made = top + np.log(np.sum(raised, axis=axis, keepdims=True))
    return made if keepdims else np.squeeze(made, axis=axis)


def cholesky(r: Recorder, v: Any, a: Any, lower: bool = False, *, check_finite: bool = True) -> Any:
    """``scipy.linalg.cholesky``: the upper factor, made from the upper triangle, unless told otherwise."""
    return np.linalg.cholesky(a) if lower else np.linalg.cholesky(a, upper=True)


def solve_triangular(r: Recorder, v: Any, a: Any, b: Any, trans: Any = 0, lower: bool = False, *,
                     check_finite: bool = True) -> Any:  # fmt: skip
    """``scipy.linalg.solve_triangular``: what it reads of the matrix is a triangle."""
    triangle = (np.tril if lower else np.triu)(lift(r, a))
    return np.linalg.solve(triangle.T if trans in (1, "T") else triangle, b)


FUNCTIONS: Mapping[str, Rule] = {
    "scipy.special.softmax": softmax, "scipy.special.log_softmax": log_softmax, "scipy.special.logsumexp": log_sum_exp,
    "scipy.linalg.solve": lambda r, v, a, b, *, check_finite=True: np.linalg.solve(a, b),
    "scipy.linalg.inv": lambda r, v, a, *, check_finite=True: np.linalg.inv(a),
    "scipy.linalg.det": lambda r, v, a, *, check_finite=True: np.linalg.det(a),
    "scipy.linalg.cholesky": cholesky, "scipy.linalg.solve_triangular": solve_triangular,
}  # fmt: skip
"""Functions of SciPy by name."""


def without_rule(recorder: Recorder, operands: Sequence[Any], name: str, value: Any) -> Any:
    """What a function without a rule gave: arrays and numbers as values that could not be read, an answer as it is,
    with a note; all else is refused."""
    if value is None or isinstance(value, bool | str):
        recorder.note(f"{name} looks at values: its answer is that of this run", only_here=True)
        return value
    parts = value if isinstance(value, tuple | list) else [value]
    if not all(isinstance(part, np.ndarray | np.generic | float | int | complex) for part in parts):
        raise TraceError(f"{name} is not read: what it gives is no array")
    return unread(recorder, [x for x in operands if is_traced(x)], f"{name} is not read", value)
