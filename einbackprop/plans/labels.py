"""Labels that a plan picks by: which whole numbers they may be.

A bracket ``[k = y_b]`` holds nowhere where a label is no position, and its term would be missing without a word. So
what a compiled function is given is looked at in each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..core.program import ONE, Bracket, Contract, Equation, Extremum, Map, Opaque, Program, Sum, Update


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
