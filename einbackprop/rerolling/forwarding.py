"""Store-to-load forwarding: a program goes in, one that reads no entry of a buffer that was just written comes out.

``S[i] = v`` and then ``S[i].max()`` reads the buffer that holds v; here it reads v. ``S[i] -= m`` after that writes
into the buffer twice; here it writes ``v - m`` once. What is left of a buffer is a chain of writes, each to its own
place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from ..core.letters import moved, uses_of, with_operands
from ..core.program import ONE, Bracket, Contract, Equation, Program, Ref, Sum, Update
from ..core.simplification import needed
from .stacking import is_view

Places = dict[int, int]
"""Which entry along which axis: ``S[:, 3]`` is ``{1: 3}``."""

Written = tuple[Ref, Places]
"""A buffer as it was before, and where something was written into it."""


def forwarded(program: Program, fresh: Callable[[str], str]) -> tuple[dict[str, Equation], dict[str, str]]:
    """The equations by the values that they define, with what was written in the place of what is read again; and the
    values that are others as they stand, with these.

    Parameters
    ----------
    program : Program
    fresh : callable
        A new name for a value that is made besides another.
    """
    made: dict[str, Equation] = {}
    written: dict[str, Written] = {}
    for equation in program.equations:
        if isinstance(equation, Contract):
            equation = read_through(equation, made, written)
        made[equation.out.name] = equation
        if (there := written_by(equation, made)) is not None:
            written[equation.out.name] = there
    uses = uses_of(made.values(), program.outputs)
    found: dict[str, Equation] = {}
    for equation in made.values():
        for new in written_once(equation, found, uses.__getitem__, fresh):
            found[new.out.name] = new
    found = {name: with_operands(equation, partial(plain, made=found)) for name, equation in found.items()}
    read = uses_of(program.equations)
    unread = {e.out.name for e in program.equations if not read[e.out.name] and not is_read_out(e, written)}
    ends = unread | {ref.name for ref in program.outputs}
    ends |= {e.out.name for e in found.values() if isinstance(e, Update)} - set(grown_from(program.equations))
    same = {name: plain(equation.out, found).name for name, equation in found.items()}
    kept = {equation.out.name: equation for equation in needed(list(found.values()), ends)}
    return kept, {name: other for name, other in same.items() if name not in kept and other in kept}


def is_read_out(equation: Equation, written: Mapping[str, Written]) -> bool:
    """Whether a value is only a part of a buffer that was just written, by a name: ``prev = h[t-1]``."""
    return is_view(equation) and equation.operands[0].name in written


def grown_from(equations: Iterable[Equation]) -> Iterator[str]:
    """What is written into, and what is added to."""
    for equation in equations:
        if isinstance(equation, Update):
            yield equation.base.name
        elif isinstance(equation, Sum):
            yield from (ref.name for _, ref in equation.terms if ref is not None)


def plain(ref: Ref, made: dict[str, Equation]) -> Ref:
    """What a value is that is another one as it stands."""
    while isinstance(own := made.get(ref.name), Contract):
        other = own.operands[0] if len(own.operands) == 1 and own.factor == ONE and not own.brackets else None
        if other is None or other.indices != own.out.indices:
            break
        ref = Ref(other.name, ref.indices)
    return ref


def written_by(equation: Equation, made: dict[str, Equation]) -> Written | None:
    """A buffer as it was before something was written, and where that was."""
    if isinstance(equation, Update) and equation.mask is None:
        there = places(equation.brackets, equation.out.indices)
        return (equation.base, there) if there else None
    if isinstance(equation, Sum) and (added := scattered(equation, made)) is not None:
        there = places(added[1].brackets, added[1].out.indices)
        return (added[0], there) if there else None
    return None


def read_through(equation: Contract, made: dict[str, Equation], written: dict[str, Written]) -> Contract:
    """A part of a buffer as what was written there, if that is known."""
    ref = equation.operands[0] if len(equation.operands) == 1 else None
    read = places(equation.brackets, ref.indices) if ref is not None and ref.name in written else None
    while ref is not None and read and ref.name in written:
        (before, there), buffer = written[ref.name], made[ref.name]
        if not there.keys() <= read.keys():
            break
        if all(there[axis] == read[axis] for axis in there):
            equation = replace(equation, operands=(ref,))
            return value_read(equation, buffer, there) if isinstance(buffer, Update) else equation
        ref = moved(before, buffer.out.indices, ref.indices)  # it was written to another place
    return equation if ref is None else replace(equation, operands=(ref,))


def value_read(equation: Contract, write: Update, written: Places) -> Contract:
    """The part of a buffer that was written, by what was written."""
    ref = equation.operands[0]
    lost = {ref.indices[axis] for axis in written}
    if lost & set(equation.out.indices):
        return equation
    value = moved(write.value, write.out.indices, ref.indices)
    brackets = tuple(bracket for bracket in equation.brackets if bracket.left.letters not in lost)
    return replace(equation, operands=(value,), brackets=brackets)


def written_once(
    equation: Equation, made: dict[str, Equation], uses: Callable[[str], int], fresh: Callable[[str], str]
) -> Iterator[Equation]:
    """The equation; where it adds to what was just written and is read by nothing else, one write of the sum."""
    if isinstance(equation, Sum) and (added := scattered(equation, made)) is not None:
        before, part = added
        write = made.get(before.name)
        here = places(part.brackets, part.out.indices)
        if isinstance(write, Update) and write.mask is None and uses(before.name) == 1 and here:
            (_, _), (factor, _) = equation.terms
            if here == places(write.brackets, write.out.indices):
                own = "".join(i for n, i in enumerate(write.out.indices) if n not in here)
                added_to = moved(part.operands[0], part.out.indices, write.out.indices)
                term = Contract(Ref(fresh("t"), own), (added_to,), (), factor * part.factor, equation.source)
                total = Sum(Ref(fresh("t"), own), ((ONE, write.value), (ONE, term.out)), equation.source)
                yield from (term, total)
                out = moved(equation.out, equation.out.indices, write.out.indices)
                yield replace(write, out=out, value=total.out, source=equation.source)
                return
    yield equation


def scattered(equation: Sum, made: dict[str, Equation]) -> tuple[Ref, Contract] | None:
    """A buffer, and what is added to a part of it."""
    if len(equation.terms) != 2:
        return None
    (scale, before), (_, added) = equation.terms
    part = made.get(added.name) if added is not None else None
    if scale != ONE or before is None or not isinstance(part, Contract) or len(part.operands) != 1:
        return None
    same = added is not None and added.indices == part.out.indices == equation.out.indices == before.indices
    return (before, part) if same and part.brackets else None


def places(brackets: tuple[Bracket, ...], indices: str) -> Places | None:
    """Where in an array with these letters brackets are, if each of them gives a number for a letter of its own."""
    found: Places = {}
    for bracket in brackets:
        letter, right = bracket.left.letters, bracket.right
        if bracket.relation != "=" or not bracket.left.is_letter or right.terms or right.pick is not None:
            return None
        if indices.count(letter) != 1:
            return None
        found[indices.index(letter)] = right.constant
    return found
