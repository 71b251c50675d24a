"""What a gradient leaves out of a loss that cannot be read: the small constant in ``log(p + 1e-8)``.

Where the code can be read, its equations say so (`diagnosis.lines.guards`). Else the constant is found in the compiled
code of the functions that take logarithms, and the loss is run without it.
"""

from __future__ import annotations

import dis
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..core.nesting import Path, duplicate
from ..core.records import dataclass
from ..world import Runner
from .draws import Drawing
from .relations import SMALL, at_scale
from .trials import History, Trial, right_among

LARGEST = 1e-4
"""A constant that is larger is no guard."""
SCALES = (1.0, 0.5, 0.25, 0.125)
"""By how much what gradients are of is made smaller, until the loss without its guards is finite."""
LOGARITHMS = frozenset(("log", "log2", "log10"))


def unguarded(loss: Runner) -> tuple[Runner, tuple[float, ...]]:
    """A loss that adds no small constant before it takes a logarithm, and which constants those were."""
    guards = {function: found for function in loss.world.functions if (found := guards_in(function))}
    own = {function: (function.__code__, function.__defaults__) for function in guards}
    bare = {function: (without(function.__code__, found), tuple(
        0.0 if value in found else value for value in function.__defaults__ or ()))
        for function, found in guards.items()}  # fmt: skip

    def run(state: Any) -> Any:
        try:
            _put(bare)
            return loss.function(state)
        finally:
            _put(own)

    return Runner(loss.world, run), tuple(sorted({value for found in guards.values() for value in found}))


Made = Mapping[FunctionType, tuple[CodeType, tuple[Any, ...] | None]]


def _put(made: Made) -> None:
    for function, (code, defaults) in made.items():
        function.__code__, function.__defaults__ = code, defaults


def guards_in(function: FunctionType) -> set[float]:
    """The small constants that a function adds wherever it uses them, if it takes logarithms: written where they are
    added, under a name, or as the default of a parameter.

    >>> guards_in(lambda p, w: np.log(p + 1e-8) + 1e-6 * w + 0.5), guards_in(lambda p, tiny=1e-9: np.log(p + tiny))
    ({1e-08}, {1e-09})
    """
    code = function.__code__
    if not LOGARITHMS.intersection(code.co_names):
        return set()
    steps = [*instructions(code)]
    defaults = function.__defaults__ or ()
    named = dict(zip(code.co_varnames[code.co_argcount - len(defaults): code.co_argcount], defaults, strict=True))
    named |= {later.value: step.value for step, later in pairwise(steps)
              if step.name == "LOAD_CONST" and later.name == "STORE_FAST"}  # fmt: skip
    uses: dict[float, list[bool]] = {}
    for step, later in pairwise(steps):
        value = named.get(step.value) if step.name == "LOAD_FAST" else step.value if step.name == "LOAD_CONST" else None
        if later.name != "STORE_FAST" and type(value) is float and 0 < value <= LARGEST:
            uses.setdefault(value, []).append(later.name == "BINARY_OP" and later.text == "+")
    return {value for value, added in uses.items() if all(added)}


@dataclass(frozen=True)
class Instruction:
    """One instruction of compiled code: what it does, with which value, and that as text."""

    name: str
    value: Any
    text: str


def instructions(code: CodeType) -> Iterator[Instruction]:
    """The instructions of compiled code. Python 3.13 has some that do two things, ``LOAD_FAST_LOAD_FAST`` with a tuple
    of names, and several ways to load one name: they are given one by one, each as ``LOAD_FAST``."""
    for step in dis.get_instructions(code):
        parts = re.findall("(?:LOAD|STORE)_FAST", step.opname) or [step.opname]
        values = step.argval if len(parts) > 1 else (step.argval,)
        for name, value in zip(parts, values, strict=True):
            yield Instruction("LOAD_CONST" if name.startswith("LOAD_CONST") else name, value, step.argrepr)


def without(code: CodeType, guards: set[float]) -> CodeType:
    """Some code in which these constants are zero."""
    return code.replace(co_consts=tuple(
        0.0 if type(value) is float and value in guards else value for value in code.co_consts))  # fmt: skip


def right_but_for_guards(trial: Trial, history: Mapping[str, History], drawing: Drawing) -> Mapping[str, str]:
    """What is to be said of those gradients that differ, and are those of the loss without its guards, by name.

    They are compared at the states at which they differ and the guards tell, where what they are of is made smaller
    until the loss without guards is finite, and where that is small.
    """
    off = [(name, draw, outcome) for name, found in history.items() for draw, outcome in found
           if outcome.found == "differs"]  # fmt: skip
    loss, constants = unguarded(trial.user.loss) if off else (trial.user.loss, ())
    if not constants:
        return {}
    drawn = {id(draw): draw.state for _, draw, _ in off}
    bare, own = ({key: float(run(duplicate(state))) for key, state in drawn.items()} for run in (
        loss, trial.user.loss))  # fmt: skip
    near = {name: draw for name, draw, outcome in off if tells(bare[id(draw)], own[id(draw)], outcome.max_error)}
    paths = drawing.parameters
    each = {id(draw): draw for draw in near.values()}.values()
    both = (replace(draw, state=state) for draw in each
            for state in (made_finite(loss, draw.state, paths), at_scale(draw.state, paths, SMALL)))  # fmt: skip
    user = replace(trial.user, loss=loss, references=[])
    right = right_among(user, drawing, both, [target for target in trial.targets if target.name in near])
    said = " and ".join(f"{constant:.3g}" for constant in constants)
    return dict.fromkeys(right, f"right, but for the {said} that the loss adds before it takes the logarithm")


def made_finite(loss: Runner, state: Any, paths: Sequence[Path]) -> Any:
    """A state with what gradients are of made smaller until a loss without its guards is finite, or as small as that is
    tried.
    """
    smaller = [at_scale(state, paths, times) for times in SCALES]
    return next((one for one in smaller if np.isfinite(loss(duplicate(one))).all()), smaller[-1])


def tells(bare: float, own: float, error: float) -> bool:
    """Whether what a loss is without its guards, and with them, may explain that a gradient is off by so much of its
    largest entry: both change by about the guard over what is under the logarithm, of some samples or of one.

    >>> tells(2.3, 2.3 - 1e-9, 0.1), tells(2.3, 2.3 - 1e-9, 1e-8), tells(float("inf"), 23.0, 0.5)
    (False, True, True)
    """
    return not np.isfinite(bare) or abs(bare - own) > 1e-4 * error * abs(own)
