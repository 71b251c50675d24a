"""Plans that are kept: one for each program, shared by threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.program import Input, Program, Ref, operands
from .lowering import Plan, lower

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
