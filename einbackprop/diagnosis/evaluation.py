"""Values of a program at a state, and how much of each is rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einbackprop.core.elementwise import is_boolean, numeric
from einbackprop.core.interpretation import compute, input_sizes, squeeze
from einbackprop.core.program import Contract, Equation, Map, Opaque, Program, Ref, Sum, operands
from einbackprop.core.progress import tick
from einbackprop.errors import EinbackpropError

Array = NDArray[Any]
JITTER = 1e-11
ROUNDING = 1e-2  # of what a jitter changes: a thousandth of that is what rounding changes
CLOSE = 1e-8  # relative to the largest entry: rounding of ordinary values is far below, a mistake far above


@dataclass(frozen=True)
class Evaluated:
    """The values of a program.

    Attributes
    ----------
    values : mapping of name to array
        Inputs and constants as well. What could not be computed is left out, and what needs it.
    noise : mapping of name to float
        How much of each value may be rounding: of what cancels to zero, all of it.
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)

    def agree(self, name: str, true: Array, noise: float = 0.0) -> bool:
        """Whether a value is the true one, but for rounding."""
        if name not in self.values or self.values[name].shape != true.shape:
            return False
        yours, true = numeric(self.values[name]), numeric(true)
        scale = float(np.abs(true).max(initial=0))
        off = float(np.abs(yours - true).max(initial=0))
        return off <= max(CLOSE * scale, noise, self.noise.get(name, 0.0))  # not of nan


@np.errstate(all="ignore")
def evaluate(program: Program, arrays: Sequence[Any]) -> Evaluated:
    """The values of a program for arrays in the order of its inputs.

    What was not read has the value that it had when the program was traced. Every value is computed once more, with
    the result of each step off by a little: the difference is its noise.
    """
    given = {i.ref.name: squeeze(widened(a), i) for i, a in zip(program.inputs, arrays, strict=True)}
    sizes = input_sizes(program, list(given.values()))
    exact = {name: np.asarray(value) for name, value in program.constants.items()} | given
    shaken = dict(exact)
    rng = np.random.default_rng(0)
    noise: dict[str, float] = {}
    for equation in program.equations:
        name = equation.out.name
        if isinstance(equation, Opaque) or not all(fits(exact.get(ref.name), ref, sizes) for ref in operands(equation)):
            continue
        tick()
        try:
            exact[name], shaken[name] = compute(equation, exact, sizes), compute(equation, shaken, sizes)
        except EinbackpropError:  # positions beyond the end, by values of this state
            continue
        if exact[name].dtype.kind == "f":
            if is_rounded(equation):
                shaken[name] = shaken[name] * (1 + JITTER * rng.uniform(-1, 1, exact[name].shape))
            noise[name] = ROUNDING * float(np.abs(shaken[name] - exact[name]).max(initial=0))
    return Evaluated(exact, noise)


def fits(array: Array | None, ref: Ref, sizes: Mapping[str, int]) -> bool:
    """Whether an array is there, and of the sizes of its letters: a constant has those of the run."""
    return array is not None and array.shape == tuple(sizes[i] for i in ref.indices)


def widened(array: Any) -> Array:
    """An array in double precision, if it is one of floats."""
    plain: Array = np.asarray(array)
    return plain.astype(np.float64) if plain.dtype.kind == "f" and plain.dtype.itemsize < 8 else plain


def is_rounded(equation: Equation) -> bool:
    """Whether arithmetic rounds what an equation makes; what is picked or moved is as it was, so that ``x == max(x)``
    stays true."""
    match equation:
        case Contract(out, refs):
            summed = any(i not in out.indices for ref in refs for i in ref.indices)
            return len(refs) > 1 or (len(refs) == 1 and summed and not equation.brackets)
        case Sum():
            return len(equation.terms) > 1
        case Map():
            return not is_boolean(equation.function) and equation.function not in ("where", "maximum", "minimum")
    return False
