"""Ways to write a program differently: those that keep every value, and those that may not.

Each takes a program and Hypothesis's ``draw``, and returns a program whose values keep their names, or the same program
where it finds nothing to change.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from einbackprop.core.letters import letters_of, rename_letters
from einbackprop.core.program import ONE, Bracket, Contract, Equation, Factor, Map, Position, Program, Ref, Sum

Rewrite = Callable[[Program, Any], Program]


def choose(program: Program, draw: Any, kind: Any, suits: Callable[[Any], Any] = lambda equation: True) -> int | None:
    """The place of some equation of a kind."""
    places = [n for n, e in enumerate(program.equations) if isinstance(e, kind) and suits(e)]
    return draw(st.sampled_from(places)) if places else None


def with_equations(program: Program, place: int, *new: Equation) -> Program:
    """The program with one equation replaced by others."""
    equations = program.equations
    return replace(program, equations=(*equations[:place], *new, *equations[place + 1 :]))


def new_name(program: Program) -> str:
    """A name that no value has."""
    return f"w{len(program.equations)}"


# those that keep every value


def rename_a_dimension(program: Program, draw: Any) -> Program:
    """Other letters in one equation."""
    place = choose(program, draw, (Contract, Sum, Map))
    if place is None:
        return program
    table = {}
    for d in program.dimensions:
        table |= dict(zip(d.letters, draw(st.permutations(d.letters)), strict=True))
    return with_equations(program, place, rename_letters(program.equations[place], table))


def reorder(program: Program, draw: Any) -> Program:
    """The factors of a product, or the terms of a sum, in another order."""
    place = choose(program, draw, (Contract, Sum))
    if place is None:
        return program
    e = program.equations[place]
    if isinstance(e, Sum):
        return with_equations(program, place, replace(e, terms=tuple(draw(st.permutations(e.terms)))))
    operands, brackets = draw(st.permutations(e.operands)), draw(st.permutations(e.brackets))
    return with_equations(program, place, replace(e, operands=tuple(operands), brackets=tuple(brackets)))


def split(program: Program, draw: Any) -> Program:
    """A product in two equations; what only the first part has is summed there."""
    place = choose(program, draw, Contract, lambda e: len(e.operands) > 1)
    if place is None:
        return program
    e = program.equations[place]
    first, rest = e.operands[:2], e.operands[2:]
    elsewhere = {*e.out.indices, *"".join(r.indices for r in rest), *"".join(b.letters for b in e.brackets)}
    kept = "".join(i for i in dict.fromkeys("".join(r.indices for r in first)) if i in elsewhere)
    part = Ref(new_name(program), kept)
    return with_equations(program, place, Contract(part, first), replace(e, operands=(part, *rest)))


def introduce_equality(program: Program, draw: Any) -> Program:
    """A letter of one operand becomes another, which a bracket says to be equal."""
    place = choose(program, draw, Contract, lambda e: any(r.indices for r in e.operands))
    if place is None:
        return program
    e = program.equations[place]
    n = draw(st.sampled_from([n for n, r in enumerate(e.operands) if r.indices]))
    ref = e.operands[n]
    axis = draw(st.integers(0, len(ref.indices) - 1))
    old = ref.indices[axis]
    free = [i for i in program.dimension(old).letters if i not in letters_of(e)]
    if not free:
        return program
    sides = draw(st.permutations([old, free[0]]))
    bracket = Bracket(Position.of(sides[0]), "=", Position.of(sides[1]))
    changed = Ref(ref.name, ref.indices[:axis] + free[0] + ref.indices[axis + 1 :])
    operands = (*e.operands[:n], changed, *e.operands[n + 1 :])
    return with_equations(program, place, replace(e, operands=operands, brackets=(*e.brackets, bracket)))


def transpose(program: Program, draw: Any) -> Program:
    """An operand is transposed first."""
    place = choose(program, draw, Contract, lambda e: any(len(set(r.indices)) > 1 for r in e.operands))
    if place is None:
        return program
    e = program.equations[place]
    n = draw(st.sampled_from([n for n, r in enumerate(e.operands) if len(set(r.indices)) > 1]))
    letters = "".join(dict.fromkeys(e.operands[n].indices))
    turned = Ref(new_name(program), "".join(draw(st.permutations(letters))))
    operands = (*e.operands[:n], turned, *e.operands[n + 1 :])
    return with_equations(program, place, Contract(turned, (e.operands[n],)), replace(e, operands=operands))


def distribute(program: Program, draw: Any) -> Program:
    """A product with a sum becomes a sum of products."""
    sums = {e.out.name: e for e in program.equations if isinstance(e, Sum)}
    place = choose(program, draw, Contract, lambda e: any(r.name in sums for r in e.operands))
    if place is None:
        return program
    e = program.equations[place]
    if len(set(e.out.indices)) < len(e.out.indices):
        return program
    n = next(n for n, r in enumerate(e.operands) if r.name in sums)
    inner, others = sums[e.operands[n].name], e.operands[:n] + e.operands[n + 1 :]
    new: list[Equation] = []
    table = dict(zip(inner.out.indices, e.operands[n].indices, strict=True))
    # a letter that only the sum had is summed over all the same: a bracket i=i keeps it
    keep = tuple(Bracket(Position.of(i), "=", Position.of(i)) for i in dict.fromkeys(e.operands[n].indices))
    for factor, ref in inner.terms:
        more = () if ref is None else (Ref(ref.name, "".join(table[i] for i in ref.indices)),)
        out = Ref(f"{new_name(program)}_{len(new)}", e.out.indices)
        new.append(Contract(out, others + more, e.brackets + keep, e.factor * factor))
    total = Sum(e.out, tuple((ONE, Ref(c.out.name, e.out.indices)) for c in new))
    return with_equations(program, place, *new, total)


def move_factor(program: Program, draw: Any) -> Program:
    """The factor stands in an equation of its own."""
    place = choose(program, draw, Contract)
    if place is None:
        return program
    e = program.equations[place]
    factor = Ref(new_name(program))
    moved = replace(e, operands=(*e.operands, factor), factor=ONE)
    return with_equations(program, place, Contract(factor, factor=e.factor), moved)


def multiply_out(program: Program, draw: Any) -> Program:
    """A whole power becomes a product."""
    place = choose(program, draw, Map, lambda e: e.function == "power" and e.parameter in (2, 3))
    if place is None:
        return program
    e = program.equations[place]
    return with_equations(program, place, Contract(e.out, e.operands * int(e.parameter)))


KEEPING = [
    rename_a_dimension, reorder, split, introduce_equality, transpose, distribute, move_factor, multiply_out,
]  # fmt: skip


# those that may not


def change_factor(program: Program, draw: Any) -> Program:
    """Another coefficient."""
    place = choose(program, draw, (Contract, Sum))
    if place is None:
        return program
    e, by = program.equations[place], Factor.of(draw(st.sampled_from([-1, 2, 0.5])))
    if isinstance(e, Contract):
        return with_equations(program, place, replace(e, factor=e.factor * by))
    n = draw(st.integers(0, len(e.terms) - 1))
    factor, ref = e.terms[n]
    return with_equations(program, place, replace(e, terms=(*e.terms[:n], (factor * by, ref), *e.terms[n + 1 :])))


def drop(program: Program, draw: Any) -> Program:
    """A term or a bracket left out."""
    place = choose(program, draw, (Contract, Sum), lambda e: len(e.terms if isinstance(e, Sum) else e.brackets) > 1)
    if place is None:
        return program
    e = program.equations[place]
    if isinstance(e, Sum):
        return with_equations(program, place, replace(e, terms=e.terms[1:]))
    return with_equations(program, place, replace(e, brackets=e.brackets[1:]))


def swap_letters(program: Program, draw: Any) -> Program:
    """One operand with two of its letters exchanged, or a letter replaced by another of its dimension."""
    place = choose(program, draw, Contract, lambda e: any(r.indices for r in e.operands))
    if place is None:
        return program
    e = program.equations[place]
    n = draw(st.sampled_from([n for n, r in enumerate(e.operands) if r.indices]))
    ref = e.operands[n]
    axis = draw(st.integers(0, len(ref.indices) - 1))
    used = [i for i in program.dimension(ref.indices[axis]).letters if i in letters_of(e)]
    other = draw(st.sampled_from(used))
    table = {ref.indices[axis]: other, other: ref.indices[axis]}
    indices = "".join(table.get(i, i) for i in ref.indices)
    return with_equations(
        program, place, replace(e, operands=(*e.operands[:n], Ref(ref.name, indices), *e.operands[n + 1 :]))
    )


def swap_operand(program: Program, draw: Any) -> Program:
    """Another value with axes of the same dimensions."""
    place = choose(program, draw, Contract, lambda e: e.operands)
    if place is None:
        return program
    e = program.equations[place]
    n = draw(st.integers(0, len(e.operands) - 1))
    made = [(i.ref.name, i.ref.indices) for i in program.inputs if i.dtype == "float64"]
    made += [(q.out.name, q.out.indices) for q in program.equations[:place]]
    axes = [program.dimension(i).letters for i in e.operands[n].indices]
    fitting = [name for name, indices in made if [program.dimension(i).letters for i in indices] == axes]
    if not fitting:
        return program
    other = Ref(draw(st.sampled_from(fitting)), e.operands[n].indices)
    return with_equations(program, place, replace(e, operands=(*e.operands[:n], other, *e.operands[n + 1 :])))


CHANGING = [change_factor, drop, swap_letters, swap_operand]
