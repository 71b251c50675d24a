"""Stacking: many small products of one kind become one, over a letter for their number.

A recurrence multiplies by the same weights at every step, so that their gradient is a sum of one product a step, and a
sum over the steps besides:

    dW[i,j] = Σ_b da₀[i,b] h₀[j,b] + Σ_b da₁[i,b] h₁[j,b] + …  =  Σ_tb da[t,i,b] h[t,j,b]

One product of long matrices takes less time than many of short ones, which are added up besides. The same goes for
products by the same weights whose results are put beside one another, ``y[t,i] = Σ_n [t=n] Σ_j W[i,j] x_n[j]``, and for
products of the slices of one array, ``a₃[i] = Σ_j W[i,j] x[3,j]``. Operands are stacked where they are in no stack
already; where they are made in their places (``placing``), nothing is copied.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..core.letters import free_name, letters_of, uses_of
from ..core.program import ONE, Bracket, Contract, Dimension, Equation, Position, Program, Ref, Sum, operands

FEWEST = 4
"""Products that are worth putting together."""


@dataclass(frozen=True)
class Stack:
    """Arrays beside one another: the value that holds them, its letters, which of them counts, and their names."""

    ref: Ref
    letter: str
    names: tuple[str, ...]

    def at(self, indices: str, letter: str) -> Ref:
        """The stack where the arrays have these indices, counted by this letter."""
        others = iter(indices)
        return Ref(self.ref.name, "".join(letter if i == self.letter else next(others) for i in self.ref.indices))


def stacked(program: Program) -> Program:
    """The program with similar products put together."""
    return Stacking(program).run()


class Stacking:
    """A program while products are put together."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.defining = program.defining()
        self.dimensions = list(program.dimensions)
        self.uses = uses_of(program.equations, program.outputs)
        self.taken = {*self.defining, *program.constants, *(i.ref.name for i in program.inputs)}
        self.slices = slices_of(program)
        self.stacks = dict(self.slices)
        for equation in program.equations:
            found = stack_of(equation, self.defining) if isinstance(equation, Sum) else None
            if found is not None:
                self.stacks.setdefault(frozenset(found.names), found)

    def run(self) -> Program:
        """Every equation, those that were put together gone, in an order in which they can be evaluated."""
        parts = (self.rewritten(e) if isinstance(e, Sum) else [e] for e in self.program.equations)
        made = self.of_slices([equation for part in parts for equation in part])
        ordered = in_order(made, {ref.name for ref in self.program.outputs})
        return replace(self.program, equations=tuple(ordered), dimensions=tuple(self.dimensions))

    def rewritten(self, equation: Sum) -> list[Equation]:
        """A sum or stack of products as a product."""
        stack = stack_of(equation, self.defining)
        if stack is not None:
            return self.side_by_side(equation, stack)
        groups: dict[object, list[Contract]] = defaultdict(list)
        for factor, ref in equation.terms:
            part = self.defining.get(ref.name) if ref is not None else None
            if factor != ONE or not isinstance(part, Contract) or self.uses[part.out.name] != 1:
                continue
            if ref is not None and part.out.indices == ref.indices == equation.out.indices:
                groups[kind_of(part)].append(part)
        for parts in groups.values():
            terms = {part.out.name for part in parts}
            rest = tuple(term for term in equation.terms if term[1] is None or term[1].name not in terms)
            out = equation.out
            if rest:
                out = replace(out, name=free_name(f"{out.name}_stacked", self.taken))
            found = self.added(parts, out)
            if found:
                return [*found, *([replace(equation, terms=(*rest, (ONE, out)))] * bool(rest))]
        return [equation]

    def added(self, parts: Sequence[Contract], out: Ref) -> list[Equation]:
        """The sum of products as a product of stacks, after the stacks that are new; nothing if that does not pay."""
        first = parts[0]
        shared = any(len(set(names)) == 1 for names in columns_of(parts))
        if len(parts) < FEWEST or not is_matrix_product(first) or shared:
            return []
        parts = self.sorted_parts(parts)
        before, refs = self.stacked_operands(parts, self.letter(parts))
        return [*before, replace(first, out=out, operands=refs)]

    def sorted_parts(self, parts: Sequence[Contract]) -> Sequence[Contract]:
        """Products in the order of a stack of their operands that there is, else as the first operands were made."""
        columns = columns_of(parts)
        for slot, names in enumerate(columns):
            stack = self.stacks.get(frozenset(names))
            if stack is not None and len(set(names)) == len(names):
                return sorted(parts, key=lambda part: stack.names.index(part.operands[slot].name))
        position = {name: n for n, name in enumerate(self.defining)}
        earliest = min(range(len(columns)), key=lambda slot: sum(position.get(name, -1) for name in columns[slot]))
        return sorted(parts, key=lambda part: position.get(part.operands[earliest].name, -1))

    def side_by_side(self, equation: Sum, stack: Stack) -> list[Equation]:
        """A stack of products that share an operand as one product."""
        parts = [part for name in stack.names if isinstance(part := self.defining.get(name), Contract)]
        if len(parts) < max(FEWEST, len(stack.names)) or len({kind_of(part) for part in parts}) > 1:
            return [equation]
        columns = columns_of(parts)
        once = all(self.uses[part.out.name] == 1 for part in parts)
        shared = sum(len(set(names)) == 1 for names in columns)
        inner = equation.out.indices.replace(stack.letter, "")
        fits = parts[0].out.indices == inner and stack.letter not in letters_of(parts[0])
        if not once or shared != 1 or not fits or not is_matrix_product(parts[0]):
            return [equation]
        before, refs = self.stacked_operands(parts, stack.letter)
        return [*before, replace(parts[0], out=equation.out, operands=refs)]

    def of_slices(self, equations: Sequence[Equation]) -> list[Equation]:
        """Products of one array and each slice of another: one product, and its slices."""
        groups: dict[tuple[object, int, Ref, str], list[Contract]] = defaultdict(list)
        for equation in equations:
            if isinstance(equation, Contract) and is_matrix_product(equation):
                for slot, ref in enumerate(equation.operands):
                    stack = next((s for s in self.slices.values() if ref.name in s.names), None)
                    if stack is not None and stack.letter not in letters_of(equation):
                        other = equation.operands[1 - slot]
                        groups[kind_of(equation), slot, other, stack.ref.name].append(equation)
        replaced: dict[str, list[Equation]] = {}
        for (_, slot, _, _), parts in groups.items():
            stack = self.slices.get(frozenset(part.operands[slot].name for part in parts))
            if stack is None or len(parts) != len(stack.names) or any(part.out.name in replaced for part in parts):
                continue
            parts = sorted(parts, key=lambda part: stack.names.index(part.operands[slot].name))
            first = parts[0]
            _, refs = self.stacked_operands(parts, stack.letter)
            whole = Ref(free_name(f"{first.out.name}_every", self.taken), stack.letter + first.out.indices)
            for n, part in enumerate(parts):
                at = Bracket(Position.of(stack.letter), "=", Position(constant=n))
                replaced[part.out.name] = [replace(part, operands=(whole,), brackets=(at,), factor=ONE)]
            replaced[first.out.name].insert(0, replace(first, out=whole, operands=refs))
        return [new for equation in equations for new in replaced.get(equation.out.name, [equation])]

    def stacked_operands(self, parts: Sequence[Contract], letter: str) -> tuple[list[Equation], tuple[Ref, ...]]:
        """The operands of products as stacks, one that they share as it is; first the equations of new stacks."""
        before: list[Equation] = []
        refs = []
        for slot, names in enumerate(columns_of(parts)):
            ref = parts[0].operands[slot]
            if len(set(names)) > 1:
                stack = self.stacks.get(frozenset(names))
                if stack is None or stack.names != names:
                    stack, made = self.new_stack(names, ref.indices, letter)
                    before += made
                ref = stack.at(ref.indices, letter)
            refs.append(ref)
        return before, tuple(refs)

    def letter(self, parts: Sequence[Contract]) -> str:
        """A letter to count products by: that of a stack of theirs, or a new one."""
        for names in columns_of(parts):
            stack = self.stacks.get(frozenset(names))
            if stack is not None and stack.letter not in letters_of(parts[0]):
                return stack.letter
        every = {i for d in self.dimensions for i in d.letters}
        new = next(i for i in map(chr, range(ord("a"), 0x3000)) if i.isalpha() and i.islower() and i not in every)
        self.dimensions.append(Dimension(new, len(parts)))
        return new

    def new_stack(self, names: tuple[str, ...], indices: str, letter: str) -> tuple[Stack, list[Equation]]:
        """A stack, and the equations that put its arrays beside one another."""
        out = Ref(free_name(f"{names[0]}_stack", self.taken), letter + indices)
        places: list[Contract] = []
        for n, name in enumerate(names):
            at = Bracket(Position.of(letter), "=", Position(constant=n))
            place = replace(out, name=free_name(f"{name}_placed", self.taken))
            places.append(Contract(place, (Ref(name, indices),), (at,)))
        stack = self.stacks[frozenset(names)] = Stack(out, letter, names)
        return stack, [*places, Sum(out, tuple((ONE, place.out) for place in places))]


def kind_of(part: Contract) -> object:
    """What products that are put together have in common."""
    return part.out.indices, tuple(ref.indices for ref in part.operands), part.factor


def columns_of(parts: Sequence[Contract]) -> list[tuple[str, ...]]:
    """The names of the first operands, of the second, …"""
    return [tuple(part.operands[slot].name for part in parts) for slot in range(len(parts[0].operands))]


def is_matrix_product(part: Contract) -> bool:
    """Whether it is a product of two arrays, each of which has letters of its own."""
    if part.brackets or len(part.operands) != 2:
        return False
    left, right = (set(ref.indices) for ref in part.operands)
    distinct = all(len(set(ref.indices)) == len(ref.indices) for ref in (part.out, *part.operands))
    return distinct and set(part.out.indices) <= left | right and bool(left - right) and bool(right - left)


def stack_of(equation: Sum, defining: dict[str, Equation]) -> Stack | None:
    """The stack that a sum is, ``y[t,i] = Σ_n x_n[i] [t=n]``, if it is one."""
    found: dict[int, str] = {}
    letters = set()
    for factor, ref in equation.terms:
        part = defining.get(ref.name) if ref is not None else None
        if factor != ONE or ref is None or not isinstance(part, Contract) or part.factor != ONE:
            return None
        at = counted(part.brackets)
        if at is None or part.out.indices != ref.indices or ref.indices != equation.out.indices:
            return None
        letter, n = at
        if [r.indices for r in part.operands] != [equation.out.indices.replace(letter, "")]:
            return None
        letters.add(letter)
        found[n] = part.operands[0].name
    if len(letters) != 1 or sorted(found) != [*range(len(equation.terms))]:
        return None
    return Stack(equation.out, letters.pop(), tuple(found[n] for n in range(len(found))))


def slices_of(program: Program) -> dict[frozenset[str], Stack]:
    """Arrays that are the slices of one, ``x₃[j] = Σ_t x[t,j] [t=3]``, where the program has every one."""
    found: dict[tuple[Ref, str], dict[int, str]] = defaultdict(dict)
    for equation in program.equations:
        at = counted(equation.brackets) if isinstance(equation, Contract) and equation.factor == ONE else None
        if at is not None and isinstance(equation, Contract) and len(equation.operands) == 1:
            (ref,), (letter, n) = equation.operands, at
            if ref.indices.replace(letter, "", 1) == equation.out.indices and ref.indices.count(letter) == 1:
                found[ref, letter].setdefault(n, equation.out.name)
    sizes = program.sizes
    stacks = [
        Stack(ref, letter, tuple(names[n] for n in sorted(names)))
        for (ref, letter), names in found.items()
        if sorted(names) == [*range(sizes[letter])]
    ]
    return {frozenset(stack.names): stack for stack in stacks}


def counted(brackets: Sequence[Bracket]) -> tuple[str, int] | None:
    """The letter and the number of ``[t=3]``, where that is the only bracket."""
    ways = brackets[0].solved() if len(brackets) == 1 else []
    return next(((i, place.constant) for i, place in ways if place == Position(constant=place.constant)), None)


def in_order(equations: Iterable[Equation], outputs: set[str]) -> list[Equation]:
    """The equations that outputs need, each after those that it reads."""
    defining = {equation.out.name: equation for equation in equations}
    needed, waiting = set(), [*outputs]
    while waiting:
        name = waiting.pop()
        if name in defining and name not in needed:
            needed.add(name)
            waiting += [ref.name for ref in operands(defining[name])]
    done: dict[str, Equation] = {}
    for equation in defining.values():
        pending = [equation] if equation.out.name in needed else []
        while pending:
            missing = [
                defining[r.name] for r in operands(pending[-1]) if r.name in defining and r.name not in done
            ]
            if missing:
                pending.append(missing[0])
            else:
                done.setdefault(pending[-1].out.name, pending.pop())
    return list(done.values())
