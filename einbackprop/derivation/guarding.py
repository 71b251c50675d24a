"""Gradients without the nan that is 0 times infinity, for entries at which the user's own code is finite.

``v[v < .05] = .01`` before a logarithm, ``np.log(x[x > 0])``: the code never divides by the entry that is 0, but its
reciprocal is a factor of the gradient, times a mask that is 0. Here every factor that is not finite counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..capture.verification import combinations
from ..core.interpretation import evaluate
from ..core.program import Contract, Equation, Factor, Map, Program, Ref

WORK = 2_000_000  # combinations of letters that are run over to see whether a gradient is nan
SELECTING = frozenset({"where", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
SINGULAR = frozenset({"power", "pow", "log", "log2", "log10", "log1p"})


def may_meet_infinity(program: Program, run: Callable[[], Any]) -> bool:
    """Whether a derived program both selects entries and has factors that may be infinite, or is nan as it is run."""
    maps = {e.function for e in program.equations if isinstance(e, Map)}
    masks = any(np.dtype(declared.dtype).kind == "b" for declared in program.inputs)
    if masks or maps & SELECTING:
        return bool(maps & SINGULAR)
    with np.errstate(all="ignore"):
        return bool(maps & SINGULAR) and any(map(has_nan, arrays_in(run())))


def without_nan_here(program: Program, forward: Program, arrays: Sequence[Any]) -> Program:
    """A derived program without the nan that it gives for these arrays at which the loss is finite.

    The factors that are not finite here count as 0 wherever they are not.
    """
    steep = any(isinstance(e, Map) and e.function in SINGULAR for e in program.equations)
    if not steep or sum(combinations(e, program.sizes) for e in program.equations) > WORK:
        return program
    with np.errstate(all="ignore"):
        values, _ = evaluate(program, arrays)
        if not any(has_nan(values[ref.name]) for ref in program.outputs):
            return program
        losses = evaluate(forward, arrays)[0]
    if not all(np.isfinite(losses[ref.name]).all() for ref in forward.outputs):
        return program  # the nan is the user's own
    poles = {name for name, value in values.items() if value.dtype.kind in "fc" and not np.isfinite(value).all()}
    return without_infinite_factors(program, poles)


def without_infinite_factors(program: Program, among: Container[str] | None = None) -> Program:
    """A derived program in which every factor of a derivative that is infinite or nan counts as 0, or those among some.
    """
    zero = "zero_for_infinite"
    equations: list[Equation] = [Contract(Ref(zero, ""), (), (), Factor.of(0))]
    letters = {i.ref.name: i.ref.indices for i in program.inputs}
    made: dict[str, str] = {}

    def finite(ref: Ref) -> Ref:
        own = letters.get(ref.name, "")
        if among is not None and ref.name not in among:
            return ref
        if ref.name in made or len(set(own)) < len(own) or ref.name not in letters:
            return Ref(made.get(ref.name, ref.name), ref.indices)
        test, value = (Ref(f"{ref.name}_{what}", own) for what in ("is_finite", "where_finite"))
        equations.append(Map(test, "isfinite", (Ref(ref.name, own),)))
        equations.append(Map(value, "where", (test, Ref(ref.name, own), Ref(zero, ""))))
        made[ref.name] = value.name
        return Ref(value.name, ref.indices)

    for equation in program.equations:
        if equation.out.name in program.origins and isinstance(equation, Contract):
            equation = replace(equation, operands=tuple(map(finite, equation.operands)))
        equations.append(equation)
        letters[equation.out.name] = equation.out.indices
    return replace(program, equations=tuple(equations))


def has_nan(array: NDArray[Any]) -> bool:
    """Whether some entry is nan. (A sum is nan where an entry is, and rarely else.)"""
    with np.errstate(all="ignore"):
        return bool(np.isnan(np.sum(array)) and np.isnan(array).any())


def where_nan(found: Any, finite: Any) -> Any:
    """Nested gradients, with what another of the same nesting holds where an entry is nan."""
    match found:
        case list() | tuple():
            items = [where_nan(*pair) for pair in zip(found, finite, strict=True)]
            return items if isinstance(found, list) else tuple(items)
        case dict():
            return {key: where_nan(value, finite[key]) for key, value in found.items()}
        case None:
            return None
    chosen = np.where(np.isnan(found), finite, found)
    return chosen if isinstance(found, np.ndarray) else chosen[()]


def arrays_in(found: Any) -> Iterator[Any]:
    """The arrays of nested gradients."""
    if isinstance(found, list | tuple | dict):
        for part in found.values() if isinstance(found, dict) else found:
            yield from arrays_in(part)
    elif isinstance(found, np.ndarray | np.number):
        yield found


def without_nan(found: Any, with_value: bool | int, spare: Callable[[], Any]) -> Any:
    """What a gradient returned, with what ``spare`` gives (the loss and its gradient) where its entries are nan.

    Where the loss is not finite, the nan is the user's own, and stays.
    """
    gradient = found[1] if with_value else found
    if not any(map(has_nan, arrays_in(gradient))):
        return found
    value, finite = spare()
    if not np.isfinite(value).all():
        return found
    better = where_nan(gradient, finite)
    return (found[0], better) if with_value else better
