"""Picks by labels, ``q[k,b] [k=label[b]]``: on few entries, and where they are wanted.

A pick from a sum is the sum of picks; a pattern of nothing but labels (the one-hot rows that a pick has as its
cotangent) is put into the products that read it; and where it is a term of a sum, it comes right before the sum, which
is then added to at the labels only.

A bracket ``[k = y_b]`` holds nowhere where a label is no position, and its term would be missing without a word. So
what a compiled function is given is looked at in each call.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from ..core.letters import Letters, merged, uses_of
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Extremum,
    Map,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    operands,
)


def label_ranges(program: Program) -> dict[int, tuple[int, int]]:
    """For each input that picks entries, by its number, the least and the greatest label that is a position.

    Where the code counts negative labels from the end, they are positions too.
    """
    numbers = {declared.ref.name: n for n, declared in enumerate(program.inputs)}
    made = program.defining()
    ranges: dict[int, tuple[int, int]] = {}
    for bracket in brackets(program):
        for name, size, shift in picked(bracket, program.sizes):
            least, most = -shift, size - 1 - shift
            wrapped = counted_from_the_end(made.get(name), made)
            if wrapped in numbers and not shift:
                name, least = wrapped, -size
            if name in numbers:
                before = ranges.get(numbers[name], (least, most))
                ranges[numbers[name]] = max(least, before[0]), min(most, before[1])
    return ranges


def computed_ranges(program: Program) -> dict[str, tuple[int, int]]:
    """For each value that picks entries, and that is computed, the least and the greatest number that is a position."""
    made = program.defining()
    given = {declared.ref.name for declared in program.inputs}
    ranges: dict[str, tuple[int, int]] = {}
    for bracket in brackets(program):
        for name, size, shift in picked(bracket, program.sizes):
            equation = made.get(name)
            certain = isinstance(equation, Extremum) and equation.position_of  # where a maximum is, is a position
            if equation is None or certain or isinstance(equation, Opaque):
                continue
            if shift or counted_from_the_end(equation, made) not in given:
                before = ranges.get(name, (-shift, size - 1 - shift))
                ranges[name] = max(-shift, before[0]), min(size - 1 - shift, before[1])
    return ranges


def brackets(program: Program) -> Iterator[Bracket]:
    """Every bracket of a program."""
    for equation in program.equations:
        if isinstance(equation, Contract | Update):
            yield from equation.brackets


def picked(bracket: Bracket, sizes: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """The labels of ``[k = y_b + c]``, the size of k, and c."""
    for letter, labels in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
        alone = letter.pick is None and len(letter.terms) == 1 and letter.terms[0][0] == ONE
        if alone and labels.pick is not None and not labels.terms and bracket.relation == "=":
            yield labels.pick.name, sizes[letter.letters], labels.constant - letter.constant


def counted_from_the_end(equation: Equation | None, made: Mapping[str, Equation]) -> str:
    """The y of ``where(y < 0, y + K, y)``; empty where an equation is something else."""
    match equation:
        case Map(function="where", operands=(condition, moved, labels)):
            test, total = made.get(condition.name), made.get(moved.name)
            is_test = isinstance(test, Map) and test.function == "less" and test.operands[0].name == labels.name
            is_moved = isinstance(total, Sum) and labels.name in {ref.name for _, ref in total.terms if ref}
            return labels.name if is_test and is_moved else ""
    return ""


def test_of(name: str, dtype: np.dtype[np.generic], bounds: tuple[int, int]) -> str:
    """Code that is true where an array holds a label outside its range."""
    least, most = bounds
    if dtype.kind == "i" and least == 0:  # a negative one is very large without its sign
        return f"{name}.size and {name}.view({dtype.str.replace('i', 'u')!r}).max() > {most}"
    if dtype.kind == "u" and least <= 0:
        return f"{name}.size and {name}.max() > {most}"
    return f"{name}.size and not {least} <= {name}.min() <= {name}.max() <= {most}"


def with_picks_placed(program: Program) -> Program:
    """The same outputs, with picks where they cost least."""
    if not any(is_pick(equation) for equation in program.equations):
        return program
    letters = Letters(program.dimensions)
    kept = {ref.name for ref in program.outputs}
    equations = distributed(program.equations, kept, {*program.constants, *(i.ref.name for i in program.inputs)})
    equations = late(inlined(equations, kept, letters), kept)
    return replace(program, equations=tuple(equations), dimensions=letters.dimensions())


def without_certain_picks(program: Program, positions: Collection[str]) -> Program:
    """Products without ``Σ_k [k=label[b]]``, which is 1 where nothing else has k and the labels are positions."""
    return replace(program, equations=tuple(without_certain(e, positions) for e in program.equations))


def without_certain(equation: Equation, positions: Collection[str]) -> Equation:
    """The same equation, a product without brackets that are 1 for exactly one k."""
    if not isinstance(equation, Contract):
        return equation
    left = list(equation.brackets)
    for bracket in equation.brackets:
        place, pick = bracket.left, bracket.right.pick
        rest = [ref.indices for ref in (*equation.operands, equation.out)]
        rest += [other.letters for other in left if other is not bracket]
        elsewhere = set("".join(rest))
        alone = place.is_letter and place.letters not in elsewhere
        labelled = bracket.relation == "=" and bracket.right == Position((), 0, pick)
        if alone and labelled and pick is not None and pick.name in positions and set(pick.indices) <= elsewhere:
            left.remove(bracket)
    return replace(equation, brackets=tuple(left))


def is_pick(equation: Equation | None) -> bool:
    """Whether an equation reads or writes where labels say."""
    return isinstance(equation, Contract) and any(b.right.pick is not None for b in equation.brackets)


def is_scattered(equation: Equation) -> TypeGuard[Contract]:
    """Whether a product goes, along one axis, where labels say: ``y[k,b] = x[b] [k=label[b]]``."""
    if not isinstance(equation, Contract) or len(equation.brackets) != 1:
        return False
    ((left, relation, right),) = [(b.left, b.relation, b.right) for b in equation.brackets]
    alone = left.terms == ((ONE, left.letters),) and not left.constant and left.pick is None
    labelled = alone and relation == "=" and right.pick is not None and not right.terms and not right.constant
    out = equation.out.indices
    read = {i for ref in equation.operands for i in ref.indices} | set(right.letters)
    return labelled and distinct(equation.out) and set(out) == {*read, left.letters} and left.letters not in read


def distinct(ref: Ref) -> bool:
    """Whether no letter stands twice."""
    return len(set(ref.indices)) == len(ref.indices)


def distributed(equations: Sequence[Equation], kept: set[str], taken: set[str]) -> list[Equation]:
    """Picks from sums that nothing else reads, as sums of picks."""
    made = {equation.out.name: equation for equation in equations}
    uses = uses_of(equations)
    taken = taken | made.keys()
    changed: list[Equation] = []
    gone = set()
    for equation in equations:
        total = made.get(equation.operands[0].name) if isinstance(equation, Contract) and equation.operands else None
        if (
            isinstance(equation, Contract) and isinstance(total, Sum) and is_pick(equation)
            and len(equation.operands) == 1 and uses[total.out.name] == 1 and total.out.name not in kept
            and is_smaller(equation, total) and distinct(equation.out)
        ):  # fmt: skip
            gone.add(total.out.name)
            changed += parts_of(equation, total, taken)
        else:
            changed.append(equation)
    return [equation for equation in changed if equation.out.name not in gone]


def is_smaller(pick: Contract, total: Sum) -> bool:
    """Whether a pick has fewer axes than the sum that it is from, each of these once, and picks along all others."""
    read, picked = pick.operands[0].indices, {i for bracket in pick.brackets for i in bracket.letters}
    fewer = len(pick.out.indices) < len(read) and set(read) - set(pick.out.indices) <= picked
    return fewer and distinct(total.out) and distinct(pick.operands[0])


def parts_of(pick: Contract, total: Sum, taken: set[str]) -> list[Equation]:
    """The picks from the terms of a sum, and their sum."""
    table = dict(zip(total.out.indices, pick.operands[0].indices, strict=True))
    parts: list[Equation] = []
    terms = []
    for factor, ref in total.terms:
        refs = () if ref is None else (Ref(ref.name, "".join(table[i] for i in ref.indices)),)
        name = next(n for n in (f"{pick.out.name}_part{k or ''}" for k in range(len(taken) + 1)) if n not in taken)
        taken.add(name)
        parts.append(replace(pick, out=Ref(name, pick.out.indices), operands=refs))
        moved = tuple(sorted((table.get(i, i), power) for i, power in factor.sizes))
        terms.append((replace(factor, sizes=moved), Ref(name, pick.out.indices)))
    return [*parts, Sum(pick.out, tuple(terms), pick.source)]


def inlined(equations: Sequence[Equation], kept: set[str], letters: Letters) -> list[Equation]:
    """Products with the patterns that they read in them."""
    patterns: dict[str, Contract] = {}
    changed: list[Equation] = []
    for equation in equations:
        if isinstance(equation, Contract):
            parts: Mapping[str, Contract] = {
                ref.name: patterns[ref.name]
                for ref in equation.operands
                if ref.name in patterns and distinct(ref)
            }
            equation = merged(equation, parts, letters) if parts else equation
            within = {i for bracket in equation.brackets for i in bracket.letters}
            own = set(equation.out.indices)  # a letter from nowhere would have to be counted
            if is_pick(equation) and not equation.operands and own and own <= within and distinct(equation.out):
                patterns[equation.out.name] = equation
        changed.append(equation)
    used = {ref.name for equation in changed for ref in operands(equation)} | kept
    return [e for e in changed if e.out.name in used or e.out.name not in patterns]


def late(equations: Sequence[Equation], kept: set[str]) -> list[Equation]:
    """Picks that one sum reads, and nothing else, right before it."""
    uses = uses_of(equations)
    made = {e.out.name: e for e in equations if is_scattered(e) and uses[e.out.name] == 1 and e.out.name not in kept}
    moved = {
        ref.name: equation.out.name
        for equation in equations if isinstance(equation, Sum)
        for ref in operands(equation) if ref.name in made
    }  # fmt: skip
    changed: list[Equation] = []
    for equation in equations:
        if equation.out.name not in moved:
            changed += [made[name] for name, reader in moved.items() if reader == equation.out.name]
            changed.append(equation)
    return changed
