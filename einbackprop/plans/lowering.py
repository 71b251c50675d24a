"""``lower``: a program becomes a plan, a straight line of NumPy for given shapes and dtypes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeGuard, TypeVar

import numpy as np

from ..core import interpretation
from ..core.dtypes import value_dtypes, weak_values
from ..core.program import (
    ONE,
    Contract,
    Equation,
    Extremum,
    Map,
    MatrixFunction,
    Opaque,
    Program,
    Sum,
    Update,
    operands,
)
from ..core.records import dataclass
from ..notation.index_notation import View as Notation
from ..notation.index_notation import equation_text
from . import (
    contractions,
    matrices,
    patterns,
    picking,
    placing,
    pointwise,
    preparation,
    reductions,
    regions,
    rounds,
    workers,
)
from .assembly import Loop, Source, Step, compiled
from .preparation import Interface, widened
from .regions import Region
from .rounds import Rounds
from .tables import table, table_html
from .views import View
from .workspace import Workspace, number_of

PRODUCTS = "GEMM", "batched"
"""How the words of products begin of which a library makes several threads."""


@dataclass(frozen=True)
class Plan:
    """A program for given shapes and dtypes, as calls of NumPy in their order.

    Attributes
    ----------
    program : Program
        As it was lowered: products put together, constants computed.
    steps : tuple of Step
    source : str
        Python: ``make()`` allocates, and returns the function ``run`` of the input arrays.
    make : callable
        Each thread needs a ``run`` of its own.
    nbytes : int
        The memory that all buffers share.
    """

    program: Program
    steps: tuple[Step, ...]
    source: str
    make: Callable[[], Callable[..., Any]]
    nbytes: int

    @property
    def flops(self) -> int:
        """The arithmetic of one run."""
        return sum(step.flops * step.times for step in self.steps)

    def __str__(self) -> str:
        return table(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": table_html(self)}


def lower(
    program: Program, dtypes: Sequence[Any] = (), *, reuse: bool = False, interface: Interface | None = None
) -> Plan:
    """The plan of a program at its own sizes.

    Parameters
    ----------
    program : Program
    dtypes : sequence of dtype, optional
        Those of the inputs, where they are not what the program declares.
    reuse : bool
        Whether results may lie in memory that the next run writes over.
    interface : Interface, optional
        By default ``run`` takes the inputs, and returns a tuple of the outputs.
    """
    program, weak, interface = ready(program, dtypes, interface)
    return planned(program, weak, reuse=reuse, interface=interface)


def ready(
    program: Program, dtypes: Sequence[Any], interface: Interface | None
) -> tuple[Program, frozenset[str], Interface]:
    """The program prepared for these dtypes, its values that are made of numbers alone, and its interface."""
    weak = weak_values(program)
    program, dtypes, interface = widened(program, dtypes, interface or Interface.of(program))
    return preparation.prepared(program, dtypes, interface.positions), weak, interface


def planned(program: Program, weak: frozenset[str], *, reuse: bool, interface: Interface) -> Plan:
    """The plan of a program that has been prepared: with several workers, where they do not wait for products."""

    def begun() -> Lowering:
        lowering = Lowering(program, weak, reuse=reuse)
        lowering.orders, lowering.positions = interface.orders, interface.positions
        lowering.ranges = picking.computed_ranges(program) if interface.strict else {}
        return lowering

    return undisturbed(begun).plan(interface)


def undisturbed(begun: Callable[[], Lowered]) -> Lowered:
    """A lowering that has run: with several workers, where these do not wait for products."""
    for count in dict.fromkeys((workers.available(), 1)):
        lowering = begun()
        lowering.work.workers = count
        lowering.run()
        if not are_disturbed(lowering.work.assembly.steps):
            break
    return lowering


def are_disturbed(steps: Sequence[Step]) -> bool:
    """Whether there are workers, but also products beside them that take half as long or more.

    Threads of a library's products look for more work for a while after each, on the processors of the workers.
    """
    shared, beside = 0, 0
    for step in steps:
        if step.loop is not None and step.loop.workers > 1:
            shared += step.times * (step.flops + step.nbytes)
        elif step.word.startswith(PRODUCTS):
            beside += step.times * step.flops
    return 0 < shared < 2 * beside


Lowered = TypeVar("Lowered", bound="Lowering")


class Lowering:
    """One program on its way to be a plan."""

    def __init__(self, program: Program, weak: frozenset[str], *, reuse: bool) -> None:
        self.program = program
        self.reuse = reuse
        self.work = Workspace(program, value_dtypes(program, weak), weak, reuse=reuse)
        self.stacks = placing.Stacks(program, self.work.dtypes)
        self.work.apart = frozenset(self.stacks.sums | self.stacks.parts.keys())
        self.work.home = functools.partial(placing.home, self.work, self.stacks)
        self.quiet = True
        self.looped: dict[str, View] = {}
        self.orders: Mapping[int, tuple[int, ...]] = {}
        self.positions: Mapping[str, int] = {}
        self.ranges: Mapping[str, tuple[int, int]] = {}
        notation = Notation.of(program)
        self.texts = {e.out.name: equation_text(e, notation) for e in program.equations if not isinstance(e, Rounds)}
        self.texts |= {e.out.name: e.said(notation) for e in program.equations if isinstance(e, Rounds)}

    def run(self) -> None:
        """Every equation in its order, or in another in which blocks can be taken."""
        self.begin()
        order = list(self.program.equations)
        self.compute_run(order, 0, len(order))
        self.work.assembly.equation = ""

    def begin(self) -> None:
        """The inputs and constants."""
        work = self.work
        for number, declared in enumerate(self.program.inputs):
            argument = work.argument(number, declared, self.orders.get(number))
            argument.root.below = self.positions.get(declared.ref.name)
            work.define(declared.ref.name, argument)
        for name, array in self.program.constants.items():
            letters = "".join(chr(0xF000 + n) for n in range(np.ndim(array)))
            work.define(name, work.assembly.constant(np.asarray(array), letters))

    def compute_run(self, order: list[Equation], number: int, stop: int) -> None:
        """The equations from one number up to another, put into another order where blocks can be taken."""
        while number < stop:
            region = regions.region_from(self.work, order[:stop], number)
            if region is None:
                self.compute(order[number], number, order[number + 1 : number + 2])
                number += 1
                continue
            order[number:stop] = [*region.before, *region.inside, *region.after]
            self.work.number_equations(order)
            for equation in region.before:
                self.compute(equation, number)
                number += 1
            self.compute_in_blocks(region, order, number)
            number += len(region.inside)

    def compute(self, equation: Equation, number: int, following: Sequence[Equation] = ()) -> None:
        """The steps of one equation, or none if it is a scattered term of the sum that follows."""
        self.work.at = number
        self.work.assembly.equation = self.texts[equation.out.name]
        if following and is_late(equation, following[0], self.work):
            self.work.scattered = equation
            return
        name = equation.out.name
        self.work.define(name, self.value(equation))
        if name in self.ranges:
            least, most = self.ranges[name]
            self.work.assembly.emit("look", f"within({{0}}, {least}, {most})", self.work.values[name])

    def compute_in_blocks(self, region: Region, order: Sequence[Equation], first: int) -> None:
        """The steps of a region: memory for what is needed afterwards, then a loop for each length of a block."""
        work, last = self.work, first + len(region.inside)
        needed = {ref.name for equation in order[last:] for ref in operands(equation)}
        needed |= {ref.name for ref in self.program.outputs}
        wholes: dict[str, View] = {}
        for ref in (equation.out for equation in region.inside if equation.out.name in needed):
            lying = region.lying(ref.indices)
            if ref.name not in region.sums and lying != region.order and (axes := work.wanted_by_products(ref.name)):
                lying = "".join(ref.indices[n] for n in axes)
            wholes[ref.name] = work.allocate(lying, work.dtypes[ref.name], ref.name).transposed(ref.indices)
            if ref.name in region.sums:
                work.assembly.equation = self.texts[ref.name]
                work.assembly.emit("fill", "{out}.fill(0)", out=wholes[ref.name])
        for name in region.axes:  # what a block reads must last until the last block
            work.values[name].root.last = max(work.values[name].root.last, last)
        sizes, values, casts = dict(work.sizes), dict(work.values), dict(work.casts)
        for lengths, parts in region.parts(sizes):
            work.sizes |= lengths
            self.compute_part(region, first, wholes, lengths, parts)
            work.sizes, work.values, work.casts, work.placed = dict(sizes), dict(values), dict(casts), {}
        for name, whole in wholes.items():
            work.define(name, whole)
        work.number_equations(order)

    def compute_part(
        self, region: Region, first: int, wholes: Mapping[str, View], lengths: Mapping[str, int], parts: regions.Slices
    ) -> None:
        """The steps of a region for blocks of one shape."""
        work, assembly = self.work, self.work.assembly
        variables = {letter: f"i{n}" for n, letter in enumerate(region.letters)}
        shares = workers.shares(parts, work.workers)
        blocks = assembly.function(shares if len(shares) > 1 else parts)
        assembly.loop = Loop(tuple(variables.values()), blocks, len(parts), workers=len(shares))
        totals = self.totals(region, wholes, len(shares))
        for name, cut in region.axes.items():
            if any(cut):
                work.values[name] = assembly.cut(work.values[name], cut, variables, lengths)
        for name, whole in wholes.items():
            if name in region.sums:
                work.placed[name] = work.allocate(whole.term, whole.dtype)
            else:
                work.placed[name] = assembly.cut(whole, region.cut_of(whole.term), variables, lengths)
        for late, total in pairwise(region.inside):
            if total.out.name in work.placed and is_late(late, total, work):
                self.place_rest(late, total)
        for name in self.compute_in_place(region.inside, first):
            if name in region.sums:
                assembly.emit("sum of blocks", "add({out}, {0}, {out})", work.placed[name], out=totals[name])
        assembly.phase = "after"
        for name, own in totals.items():
            if own is not wholes[name]:
                assembly.equation = self.texts[name]
                assembly.emit("sum of workers", "add({out}, {0}, {out})", own, out=wholes[name])
        assembly.loop, assembly.phase = None, "each"

    def totals(self, region: Region, wholes: Mapping[str, View], count: int) -> dict[str, View]:
        """Where sums over blocks are added up: each of several workers has memory of its own for that."""
        found = {name: whole for name, whole in wholes.items() if name in region.sums}
        if count == 1:
            return found
        work, assembly = self.work, self.work.assembly
        assembly.phase = "before"
        for name, whole in found.items():
            assembly.equation = self.texts[name]
            found[name] = work.allocate(whole.term, whole.dtype)
            assembly.emit("fill", "{out}.fill(0)", out=found[name])
        assembly.phase = "each"
        return found

    def compute_in_place(self, equations: Sequence[Equation], first: int) -> Iterator[str]:
        """The steps of equations, which write what has a place to it; yields the values that were made."""
        work = self.work
        for number, equation in enumerate(equations, first):
            self.compute(equation, number, equations[number - first + 1 :])
            name = equation.out.name
            if name not in work.values:
                continue
            made, place = work.values[name].named(equation.out.indices), work.placed.get(name)
            if place is not None and made.root is not place.root:
                work.assembly.emit("copy", "copyto({out}, {0})", made, out=place)
                work.define(name, place)
            yield name

    def inside(self, program: Program) -> Lowering:
        """The lowering of what is done within this one: its steps are steps of this one."""
        program, weak, _ = ready(program, (), None)
        return self.sharing(Lowering(program, weak, reuse=True))

    def sharing(self, inner: Lowered) -> Lowered:
        """A lowering whose steps and sizes are those of this one."""
        inner.work.assembly, inner.work.sizes = self.work.assembly, self.work.sizes
        return inner

    def compute_all(self) -> None:
        """The steps of every equation in its order, which write what has a place to it."""
        for _ in self.compute_in_place(self.program.equations, 0):
            pass

    def place_rest(self, late: Contract, total: Equation) -> None:
        """Make the one other term of a sum where the sum belongs, if nothing else reads it."""
        assert isinstance(total, Sum)
        rest = [(factor, ref) for factor, ref in total.terms if ref is not None and ref.name != late.out.name]
        if len(rest) == 1 == len(total.terms) - 1 and rest[0][0] == ONE:
            ((_, ref),) = rest
            own = self.work.outs.get(ref.name)
            whole = set(ref.indices) == set(total.out.indices)
            if own is not None and whole and self.work.readers[ref.name] == [total]:
                place = self.work.placed[total.out.name].named(total.out.indices)
                self.work.placed[ref.name] = place.transposed(ref.indices).named(own.indices)

    def value(self, equation: Equation) -> View:
        """The view of what an equation computes, in its own letters."""
        work, out = self.work, equation.out
        match equation:
            case Contract() if out.name in self.stacks.parts:
                return placing.put(work, self.stacks, self.stacks.parts[out.name])
            case Sum() if out.name in self.stacks.sums:
                return self.stacks.made[out.name]
            case Contract():
                return contractions.contract(work, equation)
            case Sum():
                return self.total(equation)
            case Map():
                self.quiet &= equation.function in pointwise.QUIET
                return pointwise.pointwise(work, equation).transposed(out.indices)
            case Extremum():
                return reductions.extremum(work, equation)
            case Update():
                return update(work, equation)
            case MatrixFunction():
                return matrices.call(work, equation)
            case Rounds():
                if out.name not in self.looped:
                    self.looped |= rounds.lowered(self, equation)
                return self.looped[out.name]
            case Opaque():
                return work.values[out.name]

    def total(self, equation: Sum) -> View:
        """The view of a sum. A scattered term is added last, in place."""
        work, late = self.work, self.work.scattered
        if late is None:
            return pointwise.add_terms(work, equation).transposed(equation.out.indices)
        work.scattered = None
        work.waiting = tuple(work.values[ref.name] for ref in operands(late))
        ((factor, ref),) = [(f, r) for f, r in equation.terms if r is not None and r.name == late.out.name]
        terms = tuple(term for term in equation.terms if term != (factor, ref))
        view = pointwise.add_terms(work, replace(equation, terms=terms)).transposed(equation.out.indices)
        work.waiting = ()
        place = view.named(equation.out.indices).transposed(ref.indices).named(late.out.indices)
        contractions.scatter_into(work, late, number_of(factor, self.program.sizes), place)
        return view

    def plan(self, interface: Interface) -> Plan:
        """The plan that the steps make."""
        outputs = [self.output(number) for number in range(len(self.program.outputs))]
        placing.share(self.work.assembly)
        source = Source(self.work.assembly, outputs)
        texts = [source.view(view) for view in outputs]
        constants = self.work.assembly.constants
        decorator = "" if self.quiet else "@errstate(all='ignore')"
        opening = [*interface.opening, *self.apart(outputs)]
        text = source.text(interface.head, opening, interface.returned(texts), decorator)
        make = compiled(text, {**constants, **interface.names})
        return Plan(self.program, tuple(self.work.assembly.steps), text, make, source.nbytes)

    def apart(self, outputs: Sequence[View]) -> list[str]:
        """The lines that copy arguments which are results of the call before, and lie where this one writes."""
        if not any(view.root.kind == "buffer" for view in outputs):
            return []
        names = [f"x{n}" for n in range(len(self.program.inputs))]
        lies = " or ".join(f"{name}.base is owner" for name in names)
        return [f"if {lies}: {', '.join(names)}, = [x.copy() for x in ({', '.join(names)}, )]"] if names else []

    def output(self, number: int) -> View:
        """An output in its own letters and shape, in memory that is the caller's unless it may be reused."""
        work, ref = self.work, self.program.outputs[number]
        view = work.read(ref).transposed(ref.indices)
        first = [r.name for r in self.program.outputs].index(ref.name) == number
        kind = view.root.kind
        if not first or not (kind == "result" or (kind == "buffer" and self.reuse)):
            out = work.allocate(ref.indices, view.dtype, ref.name)
            work.assembly.emit("copy", "copyto({out}, {0})", view, out=out)
            view = out
        return view.with_units(self.program.output_units[number] if self.program.output_units else ())


def is_late(equation: Equation, following: Equation, work: Workspace) -> TypeGuard[Contract]:
    """Whether a product is nothing but a scattered term of the sum that follows it."""
    name = equation.out.name
    if not isinstance(following, Sum) or not picking.is_scattered(equation) or work.readers.get(name) != [following]:
        return False
    others = [ref for _, ref in following.terms if ref is not None and ref.name != name]
    same = [ref for _, ref in following.terms if ref is not None and ref.name == name]
    whole = any(set(ref.indices) == set(following.out.indices) for ref in others)
    dtypes = {work.dtypes[name] for name in (following.out.name, *(ref.name for ref in others))}
    if not whole or len(same) != 1 or len(dtypes) != 1:
        return False
    (term,) = same  # what lacks a letter of the sum is broadcast, and has no place in it
    return picking.distinct(term) and set(term.indices) == set(following.out.indices)


def update(work: Workspace, equation: Update) -> View:
    """A write into a copy of an array, or into the array itself where nothing reads it later."""
    out, base = equation.out, work.values[equation.base.name].named(equation.base.indices)
    dtype = work.dtypes[out.name]
    value = work.values[equation.value.name].named(equation.value.indices)
    simple = all(bracket.right.pick is None for bracket in equation.brackets)
    if not simple or (equation.mask is not None and equation.brackets) or len(set(value.term)) != len(value.term):
        return updated_by_index(work, equation, dtype)
    spare = base.dtype == dtype and out.name not in work.fresh and work.is_spare(base, [value])
    if spare:
        target = base
    else:
        order = work.order_of(out.name, base.term, [base])
        target = work.allocate(order, dtype, out.name).transposed(base.term)
        work.assembly.emit("copy", "copyto({out}, {0})", base, out=target)
    if equation.mask is not None:
        mask = work.read_as(equation.mask, np.dtype(bool))
        order = target.term
        work.assembly.emit(
            "write", "copyto({out}, {0}, 'unsafe', {1})", value.spread(order), mask.spread(order), out=target
        )
        return target
    places = {bracket.left.letters: patterns.form_of(work, bracket.right) for bracket in equation.brackets}
    forms = [places.get(i) or form for i, form in zip(base.term, patterns.axes_of(base.term), strict=True)]
    letters = "".join(dict.fromkeys("".join(form.letters for form in forms) + value.term))
    if any(i not in "".join(form.letters for form in forms) for i in letters) or 0 in work.shape(letters):
        return updated_by_index(work, equation, dtype) if 0 not in work.shape(letters) else target
    region = patterns.at_positions(work, target, forms, letters)
    work.assembly.emit("write", "copyto({out}, {0}, 'unsafe')", value.spread(letters), out=region)
    return target


def updated_by_index(work: Workspace, equation: Update, dtype: np.dtype[Any]) -> View:
    """A write where labels or a mask say."""
    names = list(dict.fromkeys(ref.name for ref in operands(equation)))
    sizes = dict(work.sizes)

    def write(*arrays: np.ndarray) -> np.ndarray:
        return interpretation.update(equation, dict(zip(names, arrays, strict=True)), sizes)

    out = work.allocate(equation.out.indices, dtype, equation.out.name)
    places = ", ".join(f"{{{n}}}" for n in range(len(names)))
    call = work.assembly.function(write)
    work.assembly.emit(
        "write", f"copyto({{out}}, {call}({places}), 'unsafe')", *[work.values[name] for name in names], out=out
    )
    return out
