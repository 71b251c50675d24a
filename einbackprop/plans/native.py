"""Plans with native loops: groups of equations compiled by numba, the rest as every plan has it.

A small program becomes one function, which checks its arguments too. In a larger one, elementwise runs and the sums
along them become loops that go over memory once, and products of matrices stay with BLAS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby
from math import prod
from typing import Any

import numpy as np

from ..core.dtypes import value_dtypes
from ..core.letters import letters_of
from ..core.program import Contract, Equation, Extremum, Input, Program, Ref, operands
from ..errors import BackendError
from . import native_numba, picking, regions, routines, workers
from .assembly import Loop, Source, compiled
from .engines import ENGINES
from .lowering import Lowering, Plan, planned, ready, undisturbed
from .native_groups import FEW, Group, Grouping, Item, equations_of
from .native_kernel import Kernel
from .native_loops import Writer, identity
from .placing import Stacks
from .preparation import Interface
from .views import Root, View
from .workspace import Number, Workspace, number_of

Names = Mapping[str, Any]


def numba_names() -> Names:
    """What loops refer to, where numba is installed.

    Raises
    ------
    BackendError
        It is not.
    """
    if find_spec("numba") is None:
        raise BackendError("backend='numba' needs numba: pip install 'einbackprop[numba]', or leave backend out")
    return native_numba.compiled()


BACKENDS: dict[str, Callable[[], Names]] = {"numba": numba_names}


def names_of(backend: str) -> Names:
    """What the loops of a backend refer to.

    Raises
    ------
    BackendError
        There is no such backend, or it is not installed.
    """
    if backend not in BACKENDS:
        known = ", ".join(map(repr, (*BACKENDS, *ENGINES)))
        raise BackendError(f"there is no backend {backend!r}: choose among {known}, or None for NumPy alone")
    return BACKENDS[backend]()


def lower_natively(
    program: Program,
    dtypes: Sequence[Any] = (),
    *,
    names: Names,
    reuse: bool = False,
    interface: Interface | None = None,
) -> Plan:
    """The plan of a program at its own sizes, with native loops where they are faster.

    Parameters
    ----------
    program, dtypes, reuse, interface
        As for ``lower``.
    names : mapping
        What the loops refer to: ``names_of("numba")``.
    """
    program, weak, interface = ready(program, dtypes, interface)
    if interface.strict and picking.computed_ranges(program):  # loops do not look at what they compute
        return planned(program, weak, reuse=reuse, interface=interface)
    return undisturbed(lambda: NativeLowering.of(program, weak, names, reuse=reuse)).plan(interface)


class NativeLowering(Lowering):
    """A lowering that makes functions of loops of some equations."""

    def __init__(
        self, program: Program, weak: frozenset[str], items: Sequence[Item], names: Names, *, reuse: bool
    ) -> None:
        super().__init__(program, weak, reuse=reuse)
        self.stacks.leave_out({e.out.name for item in items if isinstance(item, Group) for e in item.members})
        self.items = items
        self.names = names
        self.kernels: list[Kernel] = []
        self.is_within = False

    @classmethod
    def of(cls, program: Program, weak: frozenset[str], names: Names, *, reuse: bool) -> NativeLowering:
        """The lowering of a program that has been prepared, some of its equations in groups."""
        work = Workspace(program, value_dtypes(program, weak), weak, reuse=reuse)
        items = Grouping(work, Stacks(program, work.dtypes).sums).schedule(program.equations)
        program = replace(program, equations=tuple(equations_of(items)))
        return cls(program, weak, items, names, reuse=reuse)

    def inside(self, program: Program) -> NativeLowering:
        """The lowering of what is done within this one: its steps and loops are those of this one."""
        program, weak, _ = ready(program, (), None)
        inner = self.sharing(NativeLowering.of(program, weak, self.names, reuse=True))
        inner.kernels, inner.is_within = self.kernels, True
        return inner

    def compute_all(self) -> None:
        """The steps of every equation or group in its order, which write what has a place to it."""
        number = 0
        for item in self.items:
            if isinstance(item, Group):
                self.loops(number, item)
                number += len(item.members)
            else:
                for _ in self.compute_in_place([item], number):
                    number += 1

    def run(self) -> None:
        """Every equation in its order."""
        self.begin()
        order = list(self.program.equations)
        number = 0
        for _, run in groupby(self.items, key=lambda item: isinstance(item, Group)):
            first = number
            for item in run:
                if isinstance(item, Group):
                    self.loops(number, item)
                number += len(item.members) if isinstance(item, Group) else 1
            if not isinstance(item, Group):
                self.work.at = first
                self.work.placed = {e.out.name: self.lying(e.out) for e in order[first:number] if self.is_awaited(e)}
                self.compute_run(order, first, number)

    def is_awaited(self, equation: Equation) -> bool:
        """Whether loops read the result of a large product: along its last axis, as they take arrays to lie."""
        out = equation.out
        product = isinstance(equation, Contract) and set(letters_of(equation)) > set(out.indices)
        large = prod(self.work.shape(out.indices)) > FEW and out.name not in self.stacks.homes
        read = any(isinstance(item, Group) and item.reads(out.name) for item in self.items)
        return product and large and read and len(set(out.indices)) == len(out.indices)

    def lying(self, out: Ref) -> View:
        """Memory for a value whose last letter is the innermost."""
        work = self.work
        root = work.assembly.root(work.shape(out.indices), work.dtypes[out.name], fresh=out.name in work.fresh)
        root.last = work.at
        return View.of(root, out.indices)

    @property
    def is_whole(self) -> bool:
        """Whether one function of loops is all that there is to call."""
        alone = len(self.items) == len(self.kernels) == 1 and isinstance(self.items[0], Group)
        return alone and not self.kernels[0].rows and not self.is_within

    def loops(self, number: int, group: Group) -> None:
        """A group as a function of loops."""
        work = self.work
        work.at = number
        names = {equation.out.name for equation in group.members}
        kept = {name for name in names if work.last.get(name, -1) >= number + len(group.members)} | group.sums
        shares = self.shares(group)
        kernel = Kernel(f"loops{len(self.kernels) + 1}", rows=group.rows[:1] if len(shares) > 1 else "")
        for equation in group.members:
            out = equation.out
            if out.name in kept:
                place = work.placed.get(out.name) or work.home(out.indices, work.dtypes[out.name], out.name)
                work.define(out.name, place or self.lying(out))
        Writer(work, group, kernel, self.texts, kept).write()
        self.kernels.append(kernel)
        if self.is_whole:
            kernel.inputs = [work.values[i.ref.name].root for i in self.program.inputs]
        for equation in group.members:
            self.listed(equation, kernel.name, kept)
        work.assembly.equation = ""
        if kernel.rows:
            self.share(kernel, group, shares)
        else:
            work.assembly.emit("native loops", kernel.call, *kernel.views())

    def shares(self, group: Group) -> list[Sequence[tuple[slice]]]:
        """The rows of each worker: one part of them for each, if a group goes over much memory."""
        work, names = self.work, {equation.out.name for equation in group.members}
        outer = {ref.name: ref for e in group.members for ref in operands(e) if ref.name not in names}
        nbytes = sum(prod(work.shape(ref.indices)) * work.dtypes[name].itemsize for name, ref in outer.items())
        if not group.rows or nbytes < regions.LARGE:
            return [()]
        rows = workers.shares(range(work.sizes[group.rows[0]]), work.workers)
        return [((slice(share[0], share[-1] + 1),),) for share in rows if share]

    def share(self, kernel: Kernel, group: Group, shares: list[Sequence[tuple[slice]]]) -> None:
        """Have several workers call a function of loops, each for its rows, and put their sums together."""
        work, assembly = self.work, self.work.assembly
        sums = [equation for equation in group.members if equation.out.name in kernel.partial]
        totals = {}
        for equation in sums:
            own, place = kernel.partial[equation.out.name], work.values[equation.out.name]
            same = own.dtype == place.dtype and self.factor(equation) == 1
            totals[equation.out.name] = place if same else work.allocate(own.term, own.dtype)
            begin = identity(equation, own.dtype)
            text = f"float('{begin}')" if own.dtype.kind == "f" else str(begin)  # infinity has no text of its own
            assembly.emit("fill", f"{{out}}.fill({text})", out=totals[equation.out.name])
        assembly.loop = Loop(("i0",), assembly.function(shares), len(shares), workers=len(shares))
        assembly.emit("native loops", kernel.call, *kernel.views(), shares=len(shares))
        assembly.phase = "after"
        for equation in sums:
            own, total = kernel.partial[equation.out.name], totals[equation.out.name]
            add = {"max": "maximum", "min": "minimum"}[equation.kind] if isinstance(equation, Extremum) else "add"
            assembly.emit("sum of workers", f"{add}({{out}}, {{0}}, out={{out}})", own, out=total)
        assembly.loop, assembly.phase = None, "each"
        for equation in sums:
            total, place = totals[equation.out.name], work.values[equation.out.name]
            if total is not place:
                factor = self.factor(equation)
                whole = "copyto({out}, {0}, 'unsafe')"
                scaled = f"multiply({{0}}, {factor!r}, {{out}}, casting='unsafe')"
                assembly.emit("sum of workers", whole if factor == 1 else scaled, total, out=place)

    def factor(self, equation: Equation) -> Number:
        """What a sum is multiplied by at its end."""
        return number_of(equation.factor, self.work.sizes) if isinstance(equation, Contract) else 1

    def listed(self, equation: Equation, name: str, kept: set[str]) -> None:
        """A line of the plan that says which loops an equation is in; memory for its value is made there."""
        work, out = self.work, equation.out
        work.assembly.equation = self.texts[out.name]
        view = work.values[out.name] if out.name in kept else None
        flops = prod(work.shape(letters_of(equation))) * max(1, len(list(operands(equation))))
        work.assembly.emit(f"in {name}", "", out=view, flops=flops)

    def plan(self, interface: Interface) -> Plan:
        """The plan that the steps make."""
        outputs = [self.output(number) for number in range(len(self.program.outputs))]
        assembly = self.work.assembly
        source = Source(assembly, outputs)
        texts = [source.view(view) for view in outputs]
        source.running[:] = [line.lstrip() if line.lstrip().startswith("#") else line for line in source.running]
        decorator = "" if self.quiet else "@errstate(all='ignore')"
        shapes: dict[Root, tuple[int, ...]] = {}
        opening = [*interface.opening, *self.apart(outputs), *self.arranged()]
        if self.is_whole and interface.taking:
            (kernel,) = self.kernels
            shapes = {root: full_shape(i, root) for i, root in zip(self.program.inputs, kernel.inputs, strict=True)}
            opening = [*interface.taking, *self.apart(outputs)]
            self.guard(source.running, kernel, interface)
        loops = [kernel.text(source.places, shapes) for kernel in self.kernels]
        text = "\n\n".join([*loops, source.text(interface.head, opening, interface.returned(texts), decorator)])
        names = {**assembly.constants, **interface.names, "arranged": routines.arranged, **self.names}
        return Plan(self.program, tuple(assembly.steps), text, compiled(text, names), source.nbytes)

    def arranged(self) -> list[str]:
        """The lines that lay arguments out as loops read them, where they are not."""
        entries = {step.template: step.views[0].root for step in self.work.assembly.steps if step.word == "entry"}
        given = [entries.get(root.name, root) for kernel in self.kernels for root in kernel.given]
        used = dict.fromkeys(root for root in given if root.kind == "input")
        return [f"{root.name} = arranged({root.name}, {root.dtype.name})" for root in used]

    def guard(self, running: list[str], kernel: Kernel, interface: Interface) -> None:
        """Leave it to the one function of loops to refuse arguments: then they are looked at, and laid out."""
        at = next(n for n, line in enumerate(running) if line.startswith(kernel.call))
        names = "".join(f"{root.name}, " for root in kernel.inputs)
        dtypes = "".join(f"{root.dtype.name}, " for root in kernel.inputs)
        running[at : at + 1] = [
            "try:",
            f"    other = {running[at]}",
            "except TypeError:",
            "    other = True",
            "if other:",
            f"    {names}= map(arranged, {interface.admitted}, ({dtypes}))",
            f"    {kernel.call}",
        ]


def full_shape(declared: Input, root: Root) -> tuple[int, ...]:
    """An argument's shape, with its axes of size 1 that have no letter."""
    return tuple(np.expand_dims(np.empty(root.shape, bool), declared.units).shape)
