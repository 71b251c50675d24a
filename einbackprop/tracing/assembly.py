"""From what was recorded to a Program: final names, final letters, unit axes gone."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ..dimensions import BATCH_NAMES, Axis, choose_letters
from ..program import (
    Bracket,
    Contract,
    Dimension,
    Equation,
    Extremum,
    Factor,
    Input,
    Map,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    operands,
)
from .recorder import Recorder


@dataclass(frozen=True)
class Return:
    """What the traced function returned: value names, the unit axes of each, and how they were nested."""

    names: tuple[str, ...]
    units: tuple[tuple[int, ...], ...]
    structure: Any


def assemble(recorder: Recorder, inputs: Sequence[tuple[str, tuple[Any, ...], str]], returned: Return) -> Program:
    """The program of a finished trace.

    Parameters
    ----------
    recorder : Recorder
    inputs : sequence of (value name, path, dtype)
        The argument arrays, in order.
    returned : Return
    """
    used = {ref.name for equation in recorder.equations for ref in operands(equation)} | set(returned.names)
    for name in set(recorder.constants) - used - {e.out.name for e in recorder.equations}:
        del recorder.axes[name], recorder.constants[name]  # a global array that this run did not need
    lettering = Lettering(recorder, [name for name, _, _ in inputs])
    names = final_names(recorder, [name for name, _, _ in inputs])
    rename = Renaming(lettering, names)
    equations = tuple(rename.equation(equation) for equation in recorder.equations)
    outputs = tuple(rename.definition(name) for name in returned.names)
    labels = {names[name]: label for name, label in recorder.names.items() if name in names}
    constants = {
        names[name]: array.reshape([axis.size for axis in recorder.axes[name] if not lettering.is_unit(axis)])
        for name, array in recorder.constants.items()
    }
    return Program(
        tuple(
            Input(rename.definition(name), dtype, path, lettering.units(name)) for name, path, dtype in inputs
        ),
        equations,
        outputs,
        lettering.dimensions(),
        constants,
        returned.structure,
        returned.units if any(returned.units) else (),
        labels,
    )


def final_names(recorder: Recorder, inputs: Iterable[str]) -> dict[str, str]:
    """The user's names, told apart by a number where one stands for several values; ``t1``, ``t2``, … without one."""
    taken: set[str] = set()
    chosen: dict[str, str] = {}
    first = list(inputs)
    for name in [*first, *(n for n in recorder.axes if n not in set(first))]:
        label = identifier(recorder.names.get(name, ""))
        if label:
            chosen[name] = distinct(label, taken)
    count = 0
    for name in recorder.axes:
        if name not in chosen:
            count += 1
            chosen[name] = distinct(f"t{count}", taken)
    return chosen


def identifier(label: str) -> str:
    """The label as a Python name that is no keyword."""
    plain = re.sub(r"\W+", "_", label).strip("_")
    return plain + "_" if keyword.iskeyword(plain) else "_" + plain if plain[:1].isdigit() else plain


def distinct(label: str, taken: set[str]) -> str:
    """The label, with a number if it is taken; it is taken from now on."""
    name, n = label, 1
    while name in taken:
        n += 1
        name = f"{label}_{n}"
    taken.add(name)
    return name


def equation_refs(equation: Equation) -> list[Ref]:
    """The result and everything that it is made of."""
    return [equation.out, *operands(equation)]


def equation_letters(equation: Equation) -> str:
    """Every provisional letter of an equation, once: those of the result first."""
    letters = "".join(ref.indices for ref in equation_refs(equation))
    if isinstance(equation, Contract | Update):
        letters += "".join(b.letters for b in equation.brackets)
    return "".join(dict.fromkeys(letters))


class Lettering:
    """Which letters each dimension has, and which of them each index of each equation gets."""

    def __init__(self, recorder: Recorder, inputs: Sequence[str]) -> None:
        self.recorder = recorder
        self.inputs = set(inputs)
        self.order = self._flow(inputs)
        needs = {axis: 1 for axis in self.order}
        for equation in recorder.equations:
            counts = Counter(self.axis(letter) for letter in equation_letters(equation))
            for axis, count in counts.items():
                needs[axis] = max(needs.get(axis, 1), count)
        for name in recorder.axes:
            for axis, count in Counter(axis.root() for axis in recorder.axes[name]).items():
                needs[axis] = max(needs.get(axis, 1), count)
        self.chosen = choose_letters(self.order, needs, self._batch())

    def axis(self, letter: str) -> Axis:
        """The dimension of a provisional letter."""
        return self.recorder.dimensions.axis(letter)

    def is_unit(self, axis: Axis) -> bool:
        """Whether a dimension is only a unit axis of the layout."""
        root = axis.root()
        return root.unit and root.size == 1

    def units(self, name: str) -> tuple[int, ...]:
        """The stored axes of a value that get no letter."""
        return tuple(i for i, axis in enumerate(self.recorder.axes[name]) if self.is_unit(axis))

    def _flow(self, inputs: Sequence[str]) -> list[Axis]:
        """The dimensions in the order in which the data flow: what is summed over comes before what it makes."""
        order: dict[Axis, None] = {}
        for equation in self.recorder.equations:
            letters = equation_letters(equation)
            kept = [i for i in letters if i in equation.out.indices]
            for letter in [i for i in letters if i not in equation.out.indices] + kept:
                order.setdefault(self.axis(letter))
        for name in [*inputs, *self.recorder.axes]:
            for axis in self.recorder.axes[name]:
                order.setdefault(axis.root())
        return [axis for axis in order if not self.is_unit(axis)]

    def _batch(self) -> Axis | None:
        """The dimension of the samples: what the user calls so, else what is never an axis of a product's weight."""
        for axis in self.order:
            if axis.name in BATCH_NAMES:
                return axis
        spread: Counter[Axis] = Counter()
        weighing: set[Axis] = set()
        for equation in self.recorder.equations:
            if isinstance(equation, Contract) and len(equation.operands) == 2 and not equation.brackets:
                left, right = (set(map(self.axis, ref.indices)) for ref in equation.operands)
                out = set(map(self.axis, equation.out.indices))
                if len(left) > 1 and len(right) > 1:
                    summed = (left & right) - out
                    for ref, other in ((equation.operands[0], right), (equation.operands[1], left)):
                        mine = set(map(self.axis, ref.indices))
                        free = (mine - other) & out
                        if ref.name in self.inputs and summed:
                            weighing |= free
                        spread.update(free)
        ranked = [axis for axis, _ in spread.most_common() if not self.is_unit(axis)]
        first = next((axis for axis in ranked if axis not in weighing), None)
        return first if first is not None else self._shared(ranked)

    def _shared(self, ranked: Sequence[Axis]) -> Axis | None:
        """The free dimension that most inputs share."""
        counts = Counter(
            axis.root() for name in self.inputs for axis in {a.root() for a in self.recorder.axes[name]}
        )
        return max(ranked, key=lambda axis: counts[axis], default=None)

    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions of the program."""
        return tuple(Dimension(self.chosen[axis], axis.size, axis.name) for axis in self.order)

    def canonical(self, name: str) -> str:
        """The letters of a value where it stands alone."""
        seen: Counter[Axis] = Counter()
        letters = ""
        for axis in (a.root() for a in self.recorder.axes[name]):
            if not self.is_unit(axis):
                letters += self.chosen[axis][seen[axis]]
                seen[axis] += 1
        return letters

    def of(self, equation: Equation) -> dict[str, str]:
        """The final letter of each provisional letter of an equation; empty for a unit.

        An array with two axes of one dimension (a recurrent weight) keeps the letters that it has where it stands
        alone; the other operands follow it, and the result comes before the operands.
        """
        table: dict[str, str] = {}
        refs = equation_refs(equation)
        doubled = [r for r in refs if len({self.axis(i) for i in r.indices}) < len(set(r.indices))]
        doubled.sort(key=lambda ref: ref.name not in self.inputs)
        for ref in doubled:
            for letter, final in zip(self._lettered(ref), self.canonical(ref.name), strict=True):
                if letter not in table and final not in table.values():
                    table[letter] = final
        for letter in equation_letters(equation):
            if letter not in table:
                axis = self.axis(letter)
                table[letter] = "" if self.is_unit(axis) else next(
                    i for i in self.chosen[axis] if i not in table.values())
        return table

    def _lettered(self, ref: Ref) -> str:
        return "".join(i for i in ref.indices if not self.is_unit(self.axis(i)))


class Renaming:
    """Equations with final names and letters."""

    def __init__(self, lettering: Lettering, names: Mapping[str, str]) -> None:
        self.lettering, self.names = lettering, names

    def definition(self, name: str) -> Ref:
        """A value where it stands alone."""
        return Ref(self.names[name], self.lettering.canonical(name))

    def equation(self, equation: Equation) -> Equation:
        """The same equation in final letters."""
        table = self.lettering.of(equation)

        def ref(old: Ref) -> Ref:
            return Ref(self.names[old.name], "".join(table[i] for i in old.indices))

        def brackets(old: tuple[Bracket, ...]) -> tuple[Bracket, ...]:
            new = (Bracket(position(b.left), b.relation, position(b.right)) for b in old)
            return tuple(b for b in new if b.left != b.right)

        def position(old: Position) -> Position:
            terms = tuple((self.factor(f), table[i]) for f, i in old.terms if table[i])
            return Position(terms, old.constant, ref(old.pick) if old.pick else None)

        out = ref(equation.out)
        match equation:
            case Contract():
                return Contract(
                    out, tuple(map(ref, equation.operands)), brackets(equation.brackets), self.factor(equation.factor),
                    equation.source,
                )  # fmt: skip
            case Sum():
                terms = tuple((self.factor(f), r and ref(r)) for f, r in equation.terms)
                return Sum(out, terms, equation.source)
            case Map() | Opaque():
                return replace(equation, out=out, operands=tuple(map(ref, equation.operands)))
            case Extremum():
                over = table.get(equation.position_of, "")
                return replace(equation, out=out, operand=ref(equation.operand), position_of=over)
            case Update():
                mask = ref(equation.mask) if equation.mask else None
                return replace(equation, out=out, base=ref(equation.base), value=ref(equation.value),
                               brackets=brackets(equation.brackets), mask=mask)  # fmt: skip

    def factor(self, factor: Factor) -> Factor:
        """The sizes of a factor by the first letter of their dimension."""
        powers: dict[str, int | Fraction] = {}
        for letter, power in factor.sizes:
            axis = self.lettering.axis(letter)
            if not self.lettering.is_unit(axis):
                first = self.lettering.chosen[axis][0]
                powers[first] = powers.get(first, 0) + power
        whole = {i: int(p) if p == int(p) else p for i, p in powers.items()}
        return Factor(factor.number, tuple(sorted((i, p) for i, p in whole.items() if p)))
