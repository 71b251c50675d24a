"""Recurrences in plans: a loop of the steps of one round, so that planning does not grow with the rounds.

``extracted`` takes the recurrences out of a program before it is prepared: each value that is read after a loop is a
``Rounds``, an equation that no rule looks into. ``lowered`` writes the steps of one round, in a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..capture.tracer import Trace
from ..core.dtypes import value_dtypes, weak_values
from ..core.program import Equation, Opaque, Program, operands
from ..core.records import dataclass
from ..core.recurrences import Recurrence, blocks, carried, plain
from ..core.rounds import Carry, Round, carries, round_of
from ..notation.view import View as Notation
from .assembly import Loop
from .views import View, prototype
from .workspace import Workspace

if TYPE_CHECKING:
    from .lowering import Lowering

ENDLESS = 1 << 60
"""The number of an equation that none has."""


@dataclass(frozen=True, slots=True)
class Rounds(Opaque):
    """A value that a recurrence makes; ``operands`` are what the rounds read, then what the first round reads of the
    one before. All values of a recurrence have the same ``round``."""

    round: Round | None = field(default=None, compare=False)

    def said(self, notation: Notation) -> str:
        """The value, and that it is made round by round."""
        refs = dict.fromkeys(f"{notation.called(ref.name)}[{','.join(ref.indices)}]" for ref in self.operands)
        return f"{notation.called(self.out.name)}[{','.join(self.out.indices)}] {self.reason}, from {', '.join(refs)}"


def extracted(program: Program) -> Program:
    """The program with a ``Rounds`` for each value of a recurrence that is read after it."""
    if not carried(program.equations):
        return program
    program = plain(program)
    dtypes = value_dtypes(program, weak_values(program))
    equations: list[Equation] = []
    for block in blocks(program.equations):
        if isinstance(block, Recurrence):
            equations += values_of(program, block, round_of(program, block, dtypes), dtypes)
        else:
            equations.append(block)
    return replace(program, equations=tuple(equations))


def values_of(
    program: Program, block: Recurrence, one: Round, dtypes: Mapping[str, np.dtype[Any]]
) -> Iterator[Equation]:
    """The values that a recurrence makes, and what its rounds read of the round before, that are read after it."""
    read = [ref for ref, _ in one.reads]
    starts = [carry.start for carry in one.carries if carry.start is not None]
    made = {e.out.name: e for e in block.equations}
    reason = f"made round by round along {one.letter}"
    for name in one.kept:
        out = made[name].out
        yield Rounds(out, (*read, *starts), reason, made[name].source, dtypes[name].name, one)
    outside = {ref.name for e in program.equations if e.out.name not in made for ref in operands(e)}
    outside |= {ref.name for ref in program.outputs}
    for carry in one.carries:  # lies in the same memory as what it is of
        if carry.out.name in outside:
            yield Rounds(carry.out, (*read, *starts), reason, None, dtypes[carry.out.name].name, one)


def can_loop(program: Program) -> bool:
    """Whether each recurrence of a program is one loop, whose rounds read of the one before what is in one array."""
    program = plain(program)
    for block in blocks(program.equations):
        if isinstance(block, Recurrence):
            found = list(carries(program, block).values())
            values = [carry.value.name for carry in found]
            own = {e.out.name for e in block.equations} - {carry.out.name for carry in found}
            simple = len(set(values)) == len(values) and own.issuperset(values)
            if not simple or any(carry.step != -block.step for carry in found):
                return False
            if any(isinstance(part, Recurrence) for part in block.body):
                return False
    return True


def plannable(read: Trace) -> Trace:
    """What was read, with the rounds of its loops one after the other where a plan cannot have them as a loop."""
    return read if can_loop(read.program) else read.unrolled


def lowered(lowering: Lowering, equation: Rounds) -> dict[str, View]:
    """The steps of a recurrence, in a loop; the views of all values that it makes.

    An array that the next round reads has one entry more, for what the first round reads: so what a round reads of the
    one before is a part of the same memory.

    Parameters
    ----------
    lowering : Lowering
        Of the program that the recurrence is in.
    equation : Rounds
        The first of its values.
    """
    one, work = equation.round, lowering.work
    assert one is not None
    inner, count = lowering.inside(one.program), len(one.reads)
    views = [work.values[ref.name].named(ref.indices) for ref in equation.operands]
    starts, outs = iter(views[count:]), dict(zip(one.kept, one.program.outputs, strict=True))
    wholes: dict[str, View] = {}
    before: dict[str, View] = {}
    for carry in one.carries:
        name = carry.value.name
        start = None if carry.start is None else next(starts)
        wholes[name], earlier = begun(work, one, carry, outs[name].indices, inner.work.dtypes[outs[name].name], start)
        before[carry.out.name] = earlier
    for name, ref in outs.items():
        if name not in wholes:
            wholes[name] = work.allocate(one.letter + ref.indices, inner.work.dtypes[ref.name], name)
    lasting = {view.root: view.root.last for view in (*views, *before.values(), *wholes.values())}
    for root in lasting:  # nothing in the loop may write over them
        root.last = ENDLESS
    work.assembly.loop = Loop((), "", work.sizes[one.letter], one.step < 0)
    entry, inputs = work.assembly.entry, one.program.inputs
    for view, (ref, axis), declared in zip(views, one.reads, inputs, strict=False):
        at_hand = view if axis is None else entry(view.transposed(first(ref.indices, axis)))
        inner.work.define(declared.ref.name, at_hand.named(declared.ref.indices))
    for view, declared in zip(before.values(), inputs[count:], strict=True):
        inner.work.define(declared.ref.name, entry(view).named(declared.ref.indices))
    inner.work.placed = {ref.name: entry(wholes[name]).named(ref.indices) for name, ref in outs.items()}
    inner.compute_all()
    lowering.quiet &= inner.quiet
    work.assembly.loop = None
    for root, last in lasting.items():
        root.last = last
    made = {
        name: wholes[name].transposed(ref.indices[: one.kept[name]] + one.letter + ref.indices[one.kept[name] :])
        for name, ref in outs.items()
    }
    return made | {carry.out.name: before[carry.out.name].transposed(carry.out.indices) for carry in one.carries}


def begun(
    work: Workspace, one: Round, carry: Carry, row: str, dtype: np.dtype[Any], start: View | None
) -> tuple[View, View]:
    """The entries of a value, and what rounds read of those before, with what the first one reads in its place."""
    rounds, name = work.sizes[one.letter], carry.value.name
    root = work.assembly.root((rounds + 1, *work.shape(row)), dtype, fresh=name in work.fresh)
    root.last = work.at

    def part(begin: int, stop: int) -> View:
        array = prototype(root.shape, dtype)[begin:stop]
        return View(f"{root.name}[{begin}:{stop}]", root, array, one.letter + row)

    low, high = part(0, rounds), part(1, rounds + 1)
    whole, earlier = (high, low) if one.step > 0 else (low, high)
    wanted = carry.letter + carry.out.indices.replace(carry.letter, "")
    earlier = earlier.named(carry.letter + carry.value.indices.replace(carry.letter, "")).transposed(wanted)
    at = 0 if one.step > 0 else rounds
    first_row = View(f"{root.name}[{at}, ...]", root, prototype(root.shape, dtype)[at, ...], row)
    first_row = first_row.named(carry.value.indices.replace(carry.letter, "")).transposed(wanted[1:])
    if start is None:
        work.assembly.emit("fill", "{out}.fill(0)", out=first_row)
    else:
        work.assembly.emit("copy", "copyto({out}, {0}, 'unsafe')", start.spread(wanted[1:]), out=first_row)
    return whole, earlier


def first(letters: str, axis: int) -> str:
    """The letters with one of them first."""
    return letters[axis] + letters[:axis] + letters[axis + 1 :]
