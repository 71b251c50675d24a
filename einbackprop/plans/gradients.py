"""``grad`` and ``value_and_grad``: the gradient of a Python function as a function, by a plan that is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..capture.tracer import record
from ..core import nesting
from ..core.choices import Choice, positions_of
from ..core.program import Program
from ..derivation.accumulation import value_and_vjp, vjp
from ..derivation.gradients import Wrt, as_loss, forward_of, names_of, nested, numbered, with_arrays
from ..derivation.guarding import has_nan, where_nan, without_infinite_factors
from .cache import Plans, key_of
from .dtypes import value_dtypes, weak_values
from .masking import differentiated_under_masks
from .preparation import paired

PLANS = Plans(256)
"""The plans of gradients, the least recently used going first."""


@dataclass(frozen=True)
class Gradient:
    """A function that returns the gradient of a loss: what ``grad`` and ``value_and_grad`` make.

    Attributes
    ----------
    loss : callable
    wrt : int or tuple of int
    with_value : bool
        Whether it returns the loss too.
    guarded : bool
        Whether factors of the gradient that are not finite count as 0.
    """

    loss: Callable[..., Any]
    wrt: Wrt = 0
    with_value: bool = False
    guarded: bool = False

    def program(self, arguments: tuple[Any, ...]) -> Program:
        """The loss read anew, and its gradient: outputs nested as the arguments are."""
        arguments = with_arrays(arguments, self.wrt)
        forward = forward_of(self.loss, arguments)
        return self.derived(forward, arguments)

    def derived(self, forward: Program, arguments: tuple[Any, ...]) -> Program:
        """The gradient of a loss that has been read."""
        names = names_of(forward, self.wrt)
        derive = value_and_vjp if self.with_value else vjp
        program = differentiated_under_masks(paired(forward), lambda forward: derive(forward, names))
        if self.guarded:
            program = without_infinite_factors(program)
        return nested(program, arguments, self.wrt, first=int(self.with_value))

    def __call__(self, *arguments: Any) -> Any:
        arguments = with_arrays(arguments, self.wrt)
        read = record(self.loss, arguments)
        forward = as_loss(read.program)
        program, outputs = run_planned(self, forward, arguments)
        if any(map(has_nan, outputs[int(self.with_value) :])):
            _, (value, *finite) = run_planned(self.safe, forward, arguments)
            if np.isfinite(value).all():  # else the nan is the user's own
                outputs = [*outputs[: int(self.with_value)], *where_nan(outputs[int(self.with_value) :], finite)]
        if not self.with_value:
            return filled(program.structure, outputs)
        value = outputs[0][()]
        if value.dtype.kind in "biu":  # of numbers alone: 2.0 is written 2
            value = value.astype(read.dtypes[0])
        return value, filled(program.structure[1], outputs)

    @property
    def safe(self) -> Gradient:
        """The same with the value, and without the nan that is 0 times infinity."""
        return replace(self, with_value=True, guarded=True)


def value_and_grad(loss: Callable[..., Any], wrt: Choice = 0) -> Gradient:
    """The function that returns a loss and its gradient.

    Parameters
    ----------
    loss : callable
        Returns one number.
    wrt : int, str, or several in a tuple
        Which arguments to differentiate with respect to: positions, or names.

    Returns
    -------
    callable
        ``(value, gradient)`` for the loss's arguments; the gradient is nested as ``arguments[wrt]`` is. Each call
        reads the loss anew, so nothing that it closes over is ever stale; what it reads is lowered once, and kept.
        ``compile`` makes a function that does not read again.
    """
    return Gradient(loss, positions_of(loss, wrt), with_value=True)


def grad(loss: Callable[..., Any], wrt: Choice = 0) -> Gradient:
    """The function that returns the gradient of a loss. See ``value_and_grad``."""
    return Gradient(loss, positions_of(loss, wrt))


def run_planned(gradient: Gradient, forward: Program, arguments: tuple[Any, ...]) -> tuple[Program, Sequence[Any]]:
    """The gradient's program, and its outputs, by a plan that is kept for the next loss that reads the same."""
    key = key_of(forward), gradient.wrt, gradient.with_value, gradient.guarded, repr(numbered(arguments, {}))
    derived = functools.partial(gradient.derived, forward, arguments)
    kept = PLANS.get(key, derived, functools.partial(number_dtypes, gradient=gradient))
    arrays = [nesting.get(arguments, i.path) for i in forward.inputs]
    return kept.program, kept.run(arrays, forward.constants)


def number_dtypes(program: Program, gradient: Gradient) -> dict[int, np.dtype[Any]]:
    """The dtypes of those gradients that have another one than what they belong to: of masks and numbers alone."""
    chosen = gradient.wrt if isinstance(gradient.wrt, tuple) else (gradient.wrt,)
    inputs = [i for i in program.inputs if i.path and i.path[0] in chosen and np.dtype(i.dtype).kind in "fc"]
    weak = weak_values(program)
    found = value_dtypes(program, weak)
    named = {int(gradient.with_value) + n: np.dtype(i.dtype) for n, i in enumerate(inputs)}
    outs = {n: program.outputs[n].name for n in named}
    return {n: named[n] for n, out in outs.items() if out in weak or found[out] != named[n]}


def filled(structure: Any, outputs: Sequence[Any]) -> Any:
    """The structure with each output in its place."""
    if isinstance(structure, list | tuple):
        items = [filled(item, outputs) for item in structure]
        return items if isinstance(structure, list) else tuple(items)
    if isinstance(structure, dict):
        return {key: filled(item, outputs) for key, item in structure.items()}
    return outputs[structure] if isinstance(structure, int) else structure
