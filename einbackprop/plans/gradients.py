"""``grad`` and ``value_and_grad``: the gradient of a Python function as a function, by a plan that is kept.

There is one plan for each program, shared by threads.

The softmax under a mask, ``e = mask · exp(min(x - top, 0))`` with ``top = max(x where mask else -inf)``, has a plain
derivative. Where the mask is, x does not exceed its maximum and ``min`` does nothing; where it is not, e is 0 whatever
``min`` gives. So ``min`` is differentiated as the choice ``x - top where mask else 0`` (there is no kink where x is the
maximum), and what is added to ``top`` leaves the softmax as it is: no derivative flows into it.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..capture.tracer import record
from ..core import idioms, nesting
from ..core.dtypes import value_dtypes, weak_values
from ..core.interpretation import has_nan
from ..core.nesting import Choice, positions_of
from ..core.program import ONE, Contract, Equation, Extremum, Input, Map, Program, Ref, Sum, operands
from ..core.records import dataclass
from ..derivation.accumulation import as_loss, value_and_vjp, vjp
from ..derivation.gradients import (
    Wrt,
    forward_of,
    names_of,
    nested,
    numbered,
    where_nan,
    with_arrays,
    without_infinite_factors,
)
from . import preparation
from .lowering import Plan, lower
from .rounds import plannable

SMALL = 16
"""Constants of more entries are no part of a plan: they are given in each run, as arguments are."""


def key_of(program: Program) -> Hashable:
    """What tells programs apart whose plans differ: all but the values of large constants."""
    constants = [
        (name, array.shape, array.dtype.str, array.tobytes() if array.size <= SMALL else None)
        for name, array in ((name, np.asarray(array)) for name, array in sorted(program.constants.items()))
    ]
    return (
        program.inputs, program.equations, program.outputs, program.dimensions, program.output_units,
        repr(program.structure), tuple(constants),
    )  # fmt: skip


def open_constants(program: Program) -> tuple[Program, tuple[str, ...]]:
    """The program with its large constants as inputs after its own, and their names."""
    uses = {ref.name: ref for equation in program.equations for ref in operands(equation)}
    uses |= {ref.name: ref for ref in program.outputs}
    names = tuple(name for name, array in program.constants.items() if np.size(array) > SMALL and name in uses)
    inputs = tuple(Input(Ref(n, uses[n].indices), np.asarray(program.constants[n]).dtype.name) for n in names)
    constants = {name: array for name, array in program.constants.items() if name not in names}
    return replace(program, inputs=(*program.inputs, *inputs), constants=constants), names


class Running:
    """A plan, with a ``run`` and buffers of its own for each thread."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.local = threading.local()

    def __call__(self, *arguments: Any) -> Any:
        try:
            run = self.local.run
        except AttributeError:
            run = self.local.run = self.plan.make()
        return run(*arguments)


class Kept:
    """A derived program and its plan; the values of its large constants are given in each run.

    ``casts`` are the dtypes of outputs that are given another one.
    """

    def __init__(self, program: Program, casts: Mapping[int, np.dtype[Any]]) -> None:
        self.program, self.casts = program, casts
        opened, self.names = open_constants(program)
        self.running = Running(lower(opened))
        self.dtypes = [np.dtype(i.dtype) for i in opened.inputs]

    def run(self, arrays: Sequence[Any], constants: Mapping[str, NDArray[Any]]) -> Sequence[Any]:
        """The outputs."""
        given = [*map(np.asarray, arrays), *(np.asarray(constants[name]) for name in self.names)]
        native = [array.astype(dtype, copy=False) for array, dtype in zip(given, self.dtypes, strict=True)]
        outputs = self.running(*native)
        return [out.astype(self.casts[n]) if n in self.casts else out for n, out in enumerate(outputs)]


class Plans:
    """The plans that were used last."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.lock = threading.Lock()
        self.kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def get(
        self, key: Hashable, make: Callable[[], Program], casts: Callable[[Program], Mapping[int, Any]] = lambda _: {}
    ) -> Kept:
        """The plan of a key; made if there is none, with the dtypes that outputs are given."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        program = make()
        kept = Kept(program, casts(program))
        with self.lock:
            self.kept[key] = kept
            while len(self.kept) > self.most:
                self.kept.popitem(last=False)
        return kept


Made = Mapping[str, Equation]


def differentiated_under_masks(program: Program, derive: Callable[[Program], Program]) -> Program:
    """What ``derive`` makes of a program in which the masks are told; it computes what the program computes."""
    clips = {e.out.name: e for e in program.equations if isinstance(e, Map) and e.function == "minimum"}
    told = {name: found for name, clip in clips.items() if (found := choice(clip, program)) is not None}
    if not told:
        return derive(program)
    held = {top for _, top in told.values()}
    identity = [
        Sum(e.out, ((ONE, e.operands[0]),)) if e.out.name in told and isinstance(e, Map) else e
        for e in program.equations
    ]  # for what is added to the maximum, min does nothing
    users = idioms.Users.of(identity)
    equations: list[Equation] = []
    for equation in program.equations:
        if isinstance(equation, Extremum) and equation.out.name in held:
            equation = replace(equation, held=idioms.does_nothing(equation.out, users, program.outputs))
        equations.append(told[equation.out.name][0] if equation.out.name in told else equation)
    derived = derive(replace(program, equations=tuple(equations)))
    return replace(derived, equations=tuple(clips.get(e.out.name, e) for e in derived.equations))


def choice(clip: Map, program: Program) -> tuple[Map, str] | None:
    """``min(x - top, 0)`` as a choice by the mask, and the name of top, if it is that."""
    made = program.defining()
    (difference, zero), out = clip.operands, clip.out.indices
    if number(zero, made) != 0 or set(difference.indices) != set(out):
        return None
    total = made.get(difference.name)
    if not isinstance(total, Sum) or len(total.terms) != 2:
        return None
    table = dict(zip(total.out.indices, difference.indices, strict=True))
    if [factor for factor, _ in total.terms] not in ([ONE, -ONE], [-ONE, ONE]):
        return None
    x, top = (relettered(ref, table) for _, ref in sorted(total.terms, key=lambda term: term[0] != ONE))
    if x is None or top is None:
        return None
    found = masked_maximum(spread_of(top, made), x, made)
    masks = {i.ref.name for i in program.inputs if np.dtype(i.dtype).kind == "b"}
    if found is None or found[0].name not in masks or not is_masked(clip.out, found[0], program):
        return None
    return Map(clip.out, "where", (found[0], difference, zero), None, clip.source), found[1]


def masked_maximum(top: Ref, x: Ref, made: Made) -> tuple[Ref, str] | None:
    """The mask, and the name of the maximum, if it is that of ``x where mask else -inf``."""
    extremum = made.get(top.name)
    if not isinstance(extremum, Extremum) or extremum.kind != "max" or extremum.position_of:
        return None
    chosen = made.get(extremum.operand.name)
    if not isinstance(chosen, Map) or chosen.function != "where" or number(chosen.operands[2], made) != -np.inf:
        return None
    mask, value, _ = chosen.operands
    table = dict(zip(chosen.out.indices, extremum.operand.indices, strict=True))
    outer = dict(zip(extremum.out.indices, top.indices, strict=True))
    mask, value = (Ref(r.name, "".join(outer.get(table[i], table[i]) for i in r.indices)) for r in (mask, value))
    return (mask, top.name) if value == x and len(set(x.indices)) == len(x.indices) else None


def is_masked(clip: Ref, mask: Ref, program: Program) -> bool:
    """Whether a value is read by nothing but an exp, which is read by nothing but products with the mask."""
    readers = [e for e in program.equations if clip.name in [ref.name for ref in operands(e)]]
    if len(readers) != 1 or clip.name in [ref.name for ref in program.outputs]:
        return False
    (exp,) = readers
    if not isinstance(exp, Map) or exp.function != "exp" or exp.out.name in [ref.name for ref in program.outputs]:
        return False
    for equation in program.equations:
        uses = [ref for ref in operands(equation) if ref.name == exp.out.name]
        if uses:
            table = dict(zip(exp.operands[0].indices, clip.indices, strict=True))
            back = {i: table.get(j, j) for i, j in zip(uses[0].indices, exp.out.indices, strict=True)}
            masks = [r for r in operands(equation) if r.name == mask.name]
            shown = [Ref(r.name, "".join(back.get(i, i) for i in r.indices)) for r in masks]
            if not isinstance(equation, Contract) or len(uses) != 1 or mask not in shown:
                return False
    return True


def spread_of(ref: Ref, made: Made) -> Ref:
    """What a value is a copy of along letters that it lacks, in the letters of a use; else the value."""
    equation = made.get(ref.name)
    if isinstance(equation, Contract):
        numbers = {name: e.factor for name, e in made.items() if is_number(e) and isinstance(e, Contract)}
        bare = idioms.without_numbers(equation, numbers)
        if isinstance(bare, Contract) and len(bare.operands) == 1 and not bare.brackets and bare.factor == ONE:
            found = relettered(bare.operands[0], dict(zip(equation.out.indices, ref.indices, strict=True)))
            return found or ref
    return ref


def relettered(ref: Ref | None, table: Mapping[str, str]) -> Ref | None:
    """A value in other letters, if each of its letters has one."""
    if ref is None or not set(ref.indices) <= set(table):
        return None
    return Ref(ref.name, "".join(table[i] for i in ref.indices))


def is_number(equation: Equation | None) -> bool:
    """Whether a value is one number everywhere."""
    return isinstance(equation, Contract) and not equation.operands and not equation.brackets


def number(ref: Ref, made: Made) -> object:
    """The number that a value is, if it is one."""
    equation = made.get(ref.name)
    return equation.factor.number if isinstance(equation, Contract) and is_number(equation) else None


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
        return self.derived(forward_of(self.loss, arguments), arguments)

    def derived(self, forward: Program, arguments: tuple[Any, ...]) -> Program:
        """The gradient of a loss that has been read."""
        names = names_of(forward, self.wrt)
        derive = value_and_vjp if self.with_value else vjp
        program = differentiated_under_masks(preparation.paired(forward), lambda forward: derive(forward, names))
        if self.guarded:
            program = without_infinite_factors(program)
        return nested(program, arguments, self.wrt, first=int(self.with_value))

    def __call__(self, *arguments: Any) -> Any:
        arguments = with_arrays(arguments, self.wrt)
        read = plannable(record(self.loss, arguments))
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
    return nesting.mapped(lambda place: outputs[place] if isinstance(place, int) else place, structure)
