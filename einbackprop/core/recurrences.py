"""Recurrences: equations that read one another along a loop go in, the loop that evaluates them comes out.

A program may read a value that is defined further down, one round of a loop earlier:

    before[t,k] = Σ_s h[s,k] [s=t-1]
    h[t,k]      = tanh(before[t,k] + x[t,k])

Such equations are a *strongly connected component* of the graph of what reads what. Along one axis of each of their
values, the loop's, all reads within the component are of the same entry or of earlier ones, so that the component can
be evaluated entry by entry. What is left of it in one round may be such a component again, along another axis.

Strongly connected components: Tarjan, "Depth-first search and linear graph algorithms", 1972.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

from .letters import free_name
from .program import ONE, Bracket, Contract, Equation, Program, Ref, Update, operands
from .records import dataclass


@dataclass(frozen=True)
class Recurrence:
    """Equations that are evaluated round by round.

    Attributes
    ----------
    body : tuple of Equation or Recurrence
        In the order in which one round evaluates them.
    axes : mapping of value to int
        Which axis of each value the loop goes along.
    step : 1 or -1
        Whether it goes up or down.
    """

    body: tuple[Equation | Recurrence, ...]
    axes: Mapping[str, int]
    step: int

    @property
    def equations(self) -> tuple[Equation, ...]:
        """All equations in it, in order."""
        return tuple(flat(self.body))

    def letter(self, equation: Equation) -> str:
        """The loop's letter in an equation of it."""
        return equation.out.indices[self.axes[equation.out.name]]


Block = Equation | Recurrence


def flat(parts: Sequence[Block]) -> Iterator[Equation]:
    """The equations of blocks, in order."""
    for block in parts:
        if isinstance(block, Recurrence):
            yield from flat(block.body)
        else:
            yield block


def loops(parts: Sequence[Block]) -> Iterator[Recurrence]:
    """The recurrences among blocks, each before those in it."""
    for block in parts:
        if isinstance(block, Recurrence):
            yield block
            yield from loops(block.body)


def carried(equations: Sequence[Equation]) -> set[str]:
    """The values that equations read before they are defined."""
    to_come = {equation.out.name for equation in equations}
    found: set[str] = set()
    for equation in equations:
        found |= to_come.intersection(ref.name for ref in operands(equation))
        to_come.discard(equation.out.name)
    return found


def recurrent(equations: Sequence[Equation]) -> set[str]:
    """The values that read themselves, by way of others or at once."""
    made = {equation.out.name for equation in equations}
    reads = {e.out.name: [ref.name for ref in operands(e) if ref.name in made] for e in equations}
    return {name for names in components(reads) for name in names if len(names) > 1 or name in reads[name]}


def reached(
    equations: Sequence[Equation], start: Iterable[str], passes_on: Callable[[Equation, Collection[str]], bool]
) -> dict[str, None]:  # fmt: skip
    """The values from which one starts and those that they reach, in order; ``passes_on`` says whether an equation
    makes one of those so far."""
    found, before = dict.fromkeys(start), -1
    while len(found) > before:  # once more where an equation reads what is defined further down
        before = len(found)
        for equation in equations:
            if passes_on(equation, found):
                found[equation.out.name] = None
    return found


def blocks(equations: Sequence[Equation]) -> list[Block]:
    """The equations in an order in which they can be evaluated, with a recurrence for those that read one another.

    Raises
    ------
    ValueError
        Some read one another along no axis.
    """
    if not carried(equations):
        return list(equations)
    made = {equation.out.name: equation for equation in equations}
    reads = {name: [ref.name for ref in operands(e) if ref.name in made] for name, e in made.items()}
    return list(arranged(made, reads))


def plain(program: Program) -> Program:
    """The same program, in whose recurrences what is read of another round is a value of its own, and no other bracket
    has a loop's letter: what is left of an equation in one round is an equation.

    Raises
    ------
    ValueError
        Equations read one another along no axis, or where they read depends on both the loop and their values.
    """
    if not carried(program.equations):
        return program
    split = Splitting(program)
    equations = tuple(one for block in blocks(program.equations) for one in split.apart(block, {}))
    return replace(program, equations=equations)


class Splitting:
    """Takes reads of other rounds, and patterns in a loop's letter, out of the equations of recurrences."""

    def __init__(self, program: Program) -> None:
        self._taken = {*program.constants, *(i.ref.name for i in program.inputs), *program.defining()}

    def apart(self, block: Block, loops: Mapping[str, Collection[int]]) -> Iterator[Equation]:
        """The equations of a block, each after what was taken out of it; ``loops`` has the axes of values that loops
        around go along."""
        if isinstance(block, Recurrence):
            inner = {name: {*loops.get(name, ()), axis} for name, axis in block.axes.items()}
            for part in block.body:
                yield from self.apart(part, inner)
        elif isinstance(block, Contract) and block.out.name in loops:
            yield from self._contract(block, "".join(block.out.indices[n] for n in loops[block.out.name]), loops)
        else:
            own = "".join(block.out.indices[n] for n in loops.get(block.out.name, ()))
            if isinstance(block, Update) and any(set(own) & set(b.letters) for b in block.brackets):
                raise ValueError(f"where {block.out.name} is written to depends on the round")
            yield block

    def _contract(self, equation: Contract, fixed: str, inside: Container[str]) -> Iterator[Equation]:
        if is_shift(equation):
            yield equation
            return
        refs, brackets = list(equation.operands), list(equation.brackets)
        for bracket in equation.brackets:
            if not any(i in fixed for side in (bracket.left, bracket.right) for _, i in side.terms):
                continue
            if any(side.pick is not None and side.pick.name in inside for side in (bracket.left, bracket.right)):
                raise ValueError(f"where {equation.out.name} reads depends on a loop and on its values")
            brackets.remove(bracket)
            moved = ((n, moved_by(bracket, ref, fixed)) for n, ref in enumerate(refs) if ref.name in inside)
            here, letters = next(((n, found) for n, found in moved if found), (0, None))
            if letters is None:
                made = Contract(Ref(free_name("pattern", self._taken), bracket.letters), (), (bracket,))
                refs.append(made.out)
            else:
                out = Ref(free_name(refs[here].name, self._taken), refs[here].indices.replace(*letters))
                made = Contract(out, (refs[here],), (bracket,), source=equation.source)
                refs[here] = out
            yield made
        yield replace(equation, operands=tuple(refs), brackets=tuple(brackets))


def is_shift(equation: Equation) -> TypeGuard[Contract]:
    """Whether a value is another one, read some entries further along an axis, and nothing else."""
    if not isinstance(equation, Contract) or len(equation.operands) != 1 or len(equation.brackets) != 1:
        return False
    (ref,), (bracket,) = equation.operands, equation.brackets
    letters = moved_by(bracket, ref, equation.out.indices) if equation.factor == ONE else None
    return letters is not None and sorted(ref.indices.replace(*letters)) == sorted(equation.out.indices)


def moved_by(bracket: Bracket, ref: Ref, fixed: str) -> tuple[str, str] | None:
    """The letter of an operand that a bracket says to be so many entries beside another, one of some, and that one."""
    for one, other in bracket.solved():
        if other.pick is None and other.terms == ((ONE, other.letters),):
            for old, own in ((one, other.letters), (other.letters, one)):
                if own in fixed and ref.indices.count(old) == 1 and own not in ref.indices:
                    return old, own
    return None


def arranged(made: Mapping[str, Equation], reads: Mapping[str, Sequence[str]]) -> Iterator[Block]:
    """Blocks of equations, given which values of others each of them reads in the same round."""
    for names in components(reads):
        if len(names) == 1 and names[0] not in reads[names[0]]:
            yield made[names[0]]
        else:
            own = {name: made[name] for name in made if name in names}
            yield recurrence(own, {name: [n for n in reads[name] if n in own] for name in own})


def recurrence(made: Mapping[str, Equation], reads: Mapping[str, Sequence[str]]) -> Recurrence:
    """The loop that evaluates equations that read one another."""
    first = next(iter(made.values()))
    for axis in range(len(first.out.indices)):
        for step in (1, -1):
            axes = aligned(made, first.out.name, axis, step)
            left = {} if axes is None else {n: reads_now(e, reads[n], axes) for n, e in made.items()}
            if axes is not None and any(len(left[name]) < len(reads[name]) for name in made):
                return Recurrence(tuple(arranged(made, left)), axes, step)
    raise ValueError(f"{', '.join(made)} read one another along no axis")


def aligned(made: Mapping[str, Equation], first: str, axis: int, step: int) -> dict[str, int] | None:
    """The axis of each value along which all of them read the same entry or earlier ones; None if there is none."""
    axes, waiting = {first: axis}, [first]
    while waiting:
        equation = made[waiting.pop()]
        for ref in operands(equation):
            if ref.name in made:
                steps = {n: shift(equation, ref, n, axes[equation.out.name]) for n in range(len(ref.indices))}
                along = [n for n, moved in steps.items() if moved is not None and moved * step <= 0]
                if len(along) != 1 or axes.get(ref.name, along[0]) != along[0]:
                    return None
                if ref.name not in axes:
                    axes[ref.name] = along[0]
                    waiting.append(ref.name)
    return axes


def reads_now(equation: Equation, names: Sequence[str], axes: Mapping[str, int]) -> list[str]:
    """Which of these values an equation reads at its own entry."""
    now = {
        ref.name for ref in operands(equation)
        if ref.name in axes and shift(equation, ref, axes[ref.name], axes[equation.out.name]) == 0
    }  # fmt: skip
    return [name for name in names if name in now]


def shift(equation: Equation, ref: Ref, axis: int, out_axis: int) -> int | None:
    """By how many entries an operand is read further along one of its axes than the result is along one of its own;
    None where the two axes do not go together."""
    letter, own = ref.indices[axis], equation.out.indices[out_axis]
    if letter == own:
        return 0
    if not isinstance(equation, Contract) or letter in equation.out.indices or ref.indices.count(letter) > 1:
        return None
    for bracket in equation.brackets:
        for one, other in bracket.solved():
            if {one, *other.letters} == {letter, own} and other.pick is None and other.terms == ((ONE, other.letters),):
                return other.constant if one == letter else -other.constant
    return None


def components(reads: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """The strongly connected components of a graph, each after those that it reads."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    waiting = set()
    for start in reads:
        path = [(start, iter(reads[start]))] if start not in number else []
        while path:
            name, rest = path[-1]
            if name not in number:
                number[name] = lowest[name] = len(number)
                stack.append(name)
                waiting.add(name)
            for other in rest:
                if other not in number:
                    path.append((other, iter(reads[other])))
                    break
                if other in waiting:
                    lowest[name] = min(lowest[name], number[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                if lowest[name] == number[name]:
                    found = stack[stack.index(name) :]
                    del stack[stack.index(name) :]
                    waiting.difference_update(found)
                    yield found
