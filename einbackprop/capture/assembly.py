"""From what was recorded to a Program: final names, final letters, unit axes gone."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from ..core.dimensions import SAMPLES, Axis, choose_letters
from ..core.letters import free_name, letters_of, numbered, rebuilt
from ..core.program import (
    Contract,
    Dimension,
    Equation,
    Factor,
    Input,
    Program,
    Ref,
    Source,
    Sum,
    Update,
    exact,
    multiply,
    operands,
)
from ..core.records import dataclass
from ..core.simplification import needed
from ..rerolling import Choice, Loop
from .arithmetic import size_of
from .bindings import Binding, Resolver, Returned, Run, bound_by
from .conditions import Kind, Meeting
from .loops import dimensions_of_time, loops_of, name_dimensions
from .recorder import Note, Recorder
from .shape_words import words_of_axes
from .sized import Sight, Sized, dimension_of_samples
from .sizes import told

AGAIN = re.compile(r"\A(t\d+|\w+_(?:before|after))_(?:[2-9]|\d\d+)\Z")  # what rerolling had to number


@dataclass(frozen=True)
class Assembled:
    """A program, what its reader should know, what its values were in the trace, where they are small, which of its
    constants were made from values of this run, and what each statement read and bound."""

    program: Program
    notes: tuple[Note, ...]
    known: Mapping[str, NDArray[Any]]
    frozen: Mapping[str, Note]
    bindings: tuple[Binding, ...]
    loops: Mapping[Hashable, Loop]
    choices: tuple[Choice, ...]
    lettering: Lettering
    sized: Callable[[Program], Program]
    """Gives a program what is known of sizes by then."""


def assemble(
    recorder: Recorder, inputs: Sequence[tuple[str, tuple[Any, ...], str]], returned: Returned, structure: Any,
    runs: Sequence[Run],
) -> Assembled:  # fmt: skip
    """The program of a finished trace, the notes to it, and what its values were.

    Parameters
    ----------
    recorder : Recorder
    inputs : sequence of (value name, path, dtype)
        The argument arrays, in order.
    returned : Returned
    structure
        How the outputs were nested.
    runs : sequence of Run
        The statements that were run.
    """
    arguments = [name for name, _, _ in inputs]
    for seen in (seen for run in runs for seen in run.reads if not seen.rank and not any(seen.held.window)):
        if seen.held.value in arguments:  # what only an expression hands in is called as it is first read
            recorder.names.setdefault(seen.held.value, seen.text)
    looped = {run.source for run in runs if run.statement.loops}
    choices = [choice for choice in recorder.choices if choice.source in looped]
    bound = (recorder.names.keys() | bound_by(recorder, runs)) - recorder.implied | {one.value for one in choices}
    equations = needed(recorder.equations, returned.names, bound.__contains__)
    kept = {*arguments, *returned.names, *(equation.out.name for equation in equations)}
    kept |= {ref.name for equation in equations for ref in operands(equation)}
    values = {name: axes for name, axes in recorder.axes.items() if name in kept}
    lettering = Lettering(recorder, equations, values, arguments, runs)
    names = final_names(recorder, values, arguments)
    rename = Renaming(lettering, names)
    program = Program(
        tuple(Input(rename.definition(name), dtype, path, lettering.units(name)) for name, path, dtype in inputs),
        tuple(map(rename.equation, equations)),
        tuple(map(rename.definition, returned.names)),
        lettering.dimensions(),
        {names[n]: lettering.squeezed(n, array) for n, array in recorder.constants.items() if n in kept},
        structure,
        tuple(returned.units) if any(returned.units) else (),
        {names[n]: label for n, label in {**recorder.names, **recorder.entries}.items() if n in kept},
        samples=lettering.samples,
    )
    recorder.meetings += list(counts(recorder, kept))
    laid = {names[n]: order for n, order in recorder.laid.items() if recorder.decisions.mattered}
    known = {names[n]: lettering.squeezed(n, value) for n, value in recorder.concrete.items() if n in kept}
    notes = distinct_notes([*recorder.notes, *conflict_notes(recorder, lettering, names)])
    frozen = {names[n]: note for n, note in recorder.frozen.items() if n in kept}
    resolver = Resolver(recorder, names, lettering.padded)
    bindings = tuple(map(resolver.binding, runs))
    loops = loops_of(bindings, recorder, lettering.letter)

    def sized(program: Program) -> Program:
        known = Sized(recorder, lettering.chosen, lettering.given(inputs))
        (places, by_place), (claims, by_claim) = known.places(), known.claims()
        # what counts samples in one round alone may be a letter of none of the values that stand for all of them
        samples = program.samples if any(program.samples in d.letters for d in program.dimensions) else ""
        return replace(
            program, samples=samples, made_of=lettering.made_of(inputs),
            expressions=known.expressions(lettering.order), places=places, claims=claims,
            held=lettering.held(inputs) | by_place | by_claim, laid=laid,
        )  # fmt: skip

    asked = tuple(replace(one, value=names[one.value]) for one in choices if one.value in names)
    return Assembled(program, tuple(notes), known, frozen, bindings, loops, asked, lettering, sized)


def counts(recorder: Recorder, kept: Collection[str]) -> Iterator[Meeting]:
    """What to say of the constants that count as far as a size says; one that another constant equals is frozen."""
    others = {name: array for name, array in recorder.constants.items() if name in kept and name not in recorder.sized}
    fixed = {array.tobytes() for array in others.values()}
    for name, met in recorder.sized.items():
        if name in kept:
            equal = any(recorder.constants[name].astype(kind).tobytes() in fixed for kind in (int, float))
            yield replace(met, kind="frozen") if equal else met


def distinct_notes(notes: Iterable[Note]) -> Iterator[Note]:
    """Each thing that is said of a line once."""
    said = set()
    for note in notes:
        key = (note.message, note.source and (note.source.file, note.source.line))
        if key not in said:
            said.add(key)
            yield note


def conflict_notes(recorder: Recorder, lettering: Lettering, names: Mapping[str, str]) -> Iterator[Note]:
    """What a backward says against the dimensions of the forward."""
    for conflict in recorder.conflicts:
        both = conflict.first, conflict.second
        if all(one in recorder.homes and lettering.axis(one) in lettering.chosen for one in both):  # 1 has no letter
            places = [place(recorder, lettering, names, letter) for letter in both]
            size = lettering.axis(conflict.first).size
            reason = f"they meet here, but have nothing in common except their size, {size}"
            yield Note(f"{places[0]}, {places[1]}: {reason}", conflict.source)


def place(recorder: Recorder, lettering: Lettering, names: Mapping[str, str], letter: str) -> str:
    """``axis 2 of W2 runs over j (hidden)``."""
    name, position = recorder.homes[letter]
    axis = recorder.axes[name][position].root()
    label = recorder.names.get(name) or names.get(name, "an intermediate value")
    meaning = f" ({axis.name})" if axis.name else ""
    return f"axis {position + 1} of {label} runs over {lettering.chosen[axis][0]}{meaning}"


def final_names(recorder: Recorder, values: Iterable[str], inputs: Sequence[str]) -> dict[str, str]:
    """The user's names, told apart by a number where one stands for several values; ``t1``, ``t2``, … without one."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    labels = {name: identifier(recorder.names.get(name, "")) for name in dict.fromkeys([*inputs, *values])}
    chosen = {}
    for name, label in labels.items():
        if label:
            chosen[name], counts[label] = numbered(label, taken, counts.get(label, 1))
    unnamed = [name for name in dict.fromkeys(values) if name not in chosen]
    return chosen | {name: free_name(f"t{count}", taken) for count, name in enumerate(unnamed, 1)}


def plainly_named(program: Program) -> Program:
    """The program of rerolled loops with the names that its values would have, were there no others: ``h`` for ``h_6``.
    """
    fixed = {*program.constants, *(i.ref.name for i in program.inputs), *(ref.name for ref in program.outputs)}
    taken = set(fixed)
    wished = {name: AGAIN.sub(r"\1", program.labels.get(name, name)) for name in program.defining()}
    names = {name: free_name(wished[name], taken) for name in wished if name not in fixed}

    def named(ref: Ref) -> Ref:
        return Ref(names.get(ref.name, ref.name), ref.indices)

    equations = (rebuilt(equation, named(equation.out), named) for equation in program.equations)
    labels = {names.get(name, name): label for name, label in program.labels.items()}
    return replace(program, equations=tuple(equations), labels=labels)


def identifier(label: str) -> str:
    """The label as a Python name that is no keyword."""
    plain = re.sub(r"\W+", "_", label).strip("_")
    return plain + "_" if keyword.iskeyword(plain) else "_" + plain if plain[:1].isdigit() else plain


class Lettering:
    """Which letters each dimension has, and which of them each index of each equation gets."""

    def __init__(
        self, recorder: Recorder, equations: Sequence[Equation], values: Mapping[str, Sequence[Axis]],
        inputs: Sequence[str], runs: Sequence[Run],
    ) -> None:  # fmt: skip
        self.recorder, self.equations, self.values = recorder, equations, values
        self.inputs = set(inputs)
        self.order = self._flow(inputs)
        needs = dict.fromkeys(self.order, 1)
        for equation in equations:
            for axis, count in Counter(map(self.axis, letters_of(equation))).items():
                needs[axis] = max(needs.get(axis, 1), count)
        for axes in values.values():
            for axis, count in Counter(axis.root() for axis in axes).items():
                needs[axis] = max(needs.get(axis, 1), count)
        times = dimensions_of_time(equations, recorder)
        loops = [along.root() for _, along in recorder.gone_through() if along is not None]
        sight = Sight(equations, values, inputs, self.axis, self.order, recorder.concrete, recorder.names, times, loops)
        samples = dimension_of_samples(sight)
        counters, words = name_dimensions(runs, recorder), words_of_axes(recorder, runs)
        called = {label for name, label in recorder.names.items() if name in values}
        called |= {seen.text for run in runs for seen in (*run.reads, *run.binds)}
        self.chosen = choose_letters(self.order, needs, samples, times, counters, words, called)
        written = (letters for letters in self.chosen.values() if letters.startswith(SAMPLES[0]))
        self.samples = (self.chosen.get(samples, "") if samples is not None else next(written, ""))[:1]

    def letter(self, axis: Axis) -> str:
        """The first letter of a dimension; empty for one that has none."""
        return self.chosen.get(axis.root(), "")[:1]

    def axis_of(self, letter: str) -> Axis | None:
        """The dimension of a letter of the program; None for one that rerolling has made."""
        return next((axis for axis, letters in self.chosen.items() if letter in letters), None)

    def axis(self, letter: str) -> Axis:
        """The dimension of a provisional letter."""
        return self.recorder.dimensions.axis(letter)

    def units(self, name: str) -> tuple[int, ...]:
        """The stored axes of a value that get no letter."""
        return tuple(i for i, axis in enumerate(self.recorder.axes[name]) if axis.is_unit)

    def squeezed(self, name: str, array: Any) -> Any:
        """An array of the value's stored axes, without those that get no letter."""
        return array.reshape([axis.size for axis in self.recorder.axes[name] if not axis.is_unit])

    def _flow(self, inputs: Sequence[str]) -> list[Axis]:
        """The dimensions in the order in which the data flow: what is summed over comes before what it makes."""
        order: dict[Axis, None] = {}
        for equation in self.equations:
            letters = letters_of(equation)
            kept = [i for i in letters if i in equation.out.indices]
            for letter in [i for i in letters if i not in equation.out.indices] + kept:
                order.setdefault(self.axis(letter))
        for name in [*inputs, *self.values]:
            for axis in self.values[name]:
                order.setdefault(axis.root())
        for axis in self._expressions():
            order.setdefault(axis)
        return [axis for axis in order if not axis.is_unit]

    def _expressions(self) -> Iterator[Axis]:
        """The expressions of sizes that loops go through, or that stand in factors."""
        for met in self.recorder.meetings:
            along = met.along.root() if met.along is not None else None
            if along is not None and (along.made is not None or along.quotient):
                yield along
        if self.recorder.keeps_sizes:
            for equation in self.equations:
                for letter, _ in (part for factor in factors_of(equation) for part in factor.sizes):
                    axis = self.axis(letter)
                    if axis.made is not None or axis.quotient:
                        yield axis

    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions of the program."""
        return tuple(Dimension(self.chosen[axis], axis.size, axis.name) for axis in self.order)

    def given(self, inputs: Iterable[tuple[str, Any, str]]) -> list[Axis]:
        """The dimensions of the inputs."""
        found = dict.fromkeys(axis.root() for name, _, _ in inputs for axis in self.recorder.axes[name])
        return [axis for axis in found if not axis.is_unit and axis in self.chosen]

    def held(self, inputs: Sequence[tuple[str, Any, str]]) -> dict[str, str]:
        """The letters of inputs whose sizes must stay as they are, and why."""
        reasons: dict[str, str] = {}
        for axes, said in self.recorder.held():
            roots = None if axes is None else {source for axis in axes for source in axis.sources()}
            for axis in self.given(inputs):
                if roots is None or axis in roots:
                    reasons.setdefault(self.chosen[axis][0], said)
        return reasons

    def made_of(self, inputs: Sequence[tuple[str, Any, str]]) -> dict[str, str]:
        """The letters whose sizes are made of those of inputs, and the letters of those."""
        given = self.given(inputs)
        made = {axis: axis.sources().intersection(given) - {axis} for axis in self.order if axis not in given}
        return {self.chosen[axis][0]: "".join(self.chosen[one][0] for one in sources)
                for axis, sources in made.items() if sources or axis.literal}

    def padded(self, name: str) -> list[str]:
        """The letter of each stored axis of a value where it stands alone; empty for a unit."""
        seen: Counter[Axis] = Counter()
        letters = []
        for axis in (a.root() for a in self.recorder.axes[name]):
            letters.append("" if axis.is_unit else self.chosen[axis][seen[axis]])
            seen[axis] += 1
        return letters

    def canonical(self, name: str) -> str:
        """The letters of a value where it stands alone."""
        return "".join(self.padded(name))

    def of(self, equation: Equation) -> dict[str, str]:
        """The final letter of each provisional letter of an equation; empty for a unit.

        An array with two axes of one dimension (a recurrent weight) keeps the letters that it has where it stands
        alone; the other operands follow it, and the result comes before the operands.
        """
        table: dict[str, str] = {}
        refs = [equation.out, *operands(equation)]
        doubled = [r for r in refs if len({self.axis(i) for i in r.indices}) < len(set(r.indices))]
        doubled.sort(key=lambda ref: ref.name not in self.inputs)
        for ref in doubled:
            for letter, final in zip(self._lettered(ref), self.canonical(ref.name), strict=True):
                mine = self.chosen[self.axis(letter)]  # another dimension's where two that the forward tells apart met
                if letter not in table and final in mine and final not in table.values():
                    table[letter] = final
        for letter in letters_of(equation):
            if letter not in table:
                axis = self.axis(letter)
                table[letter] = "" if axis.is_unit else next(
                    i for i in self.chosen[axis] if i not in table.values())
        return table

    def _lettered(self, ref: Ref) -> str:
        return "".join(i for i in ref.indices if not self.axis(i).is_unit)


def factors_of(equation: Equation) -> Iterator[Factor]:
    """Every factor in an equation, those of its positions too."""
    if isinstance(equation, Contract):
        yield equation.factor
    elif isinstance(equation, Sum):
        yield from (factor for factor, _ in equation.terms)
    if isinstance(equation, Contract | Update):
        for bracket in equation.brackets:
            yield from (factor for position in (bracket.left, bracket.right) for factor, _ in position.terms)


class Renaming:
    """Equations with final names and letters."""

    def __init__(self, lettering: Lettering, names: Mapping[str, str]) -> None:
        self.lettering, self.names = lettering, names
        self.source: Source | None = None

    def definition(self, name: str) -> Ref:
        """A value where it stands alone."""
        return Ref(self.names[name], self.lettering.canonical(name))

    def equation(self, equation: Equation) -> Equation:
        """The same equation in final letters."""
        table = self.lettering.of(equation)
        self.source = equation.source

        def ref(old: Ref) -> Ref:
            return Ref(self.names[old.name], "".join(table[i] for i in old.indices))

        made = rebuilt(equation, ref(equation.out), ref, self.factor, lambda letter: table.get(letter, ""))
        if isinstance(made, Contract | Update):
            return replace(made, brackets=tuple(b for b in made.brackets if b.left != b.right))
        return made

    def _lose(self, axis: Axis) -> None:
        """A size that is no axis's becomes the number that it is here."""
        size = size_of(axis)
        kind: Kind = "frozen" if axis.made is not None or axis.quotient is not None else "given"
        self.lettering.recorder.meetings.append(Meeting(kind, self.source, f"{told(size)} is {axis.size}", (axis,)))

    def factor(self, factor: Factor) -> Factor:
        """The sizes of a factor by the first letter of their dimension; one that is no axis's is a number."""
        if not factor.sizes:
            return factor
        number = factor.number
        powers: dict[str, int | Fraction] = {}
        for letter, power in factor.sizes:
            axis = self.lettering.axis(letter)
            if axis in self.lettering.chosen:
                first = self.lettering.chosen[axis][0]
                powers[first] = powers.get(first, 0) + power
                continue
            self._lose(axis)
            if power == int(power):
                number = multiply(number, Fraction(axis.size) ** int(power))
            else:
                number = multiply(number, exact(float(axis.size) ** float(power)))
        whole = {i: int(p) if p == int(p) else p for i, p in powers.items()}
        return Factor(number, tuple(sorted((i, p) for i, p in whole.items() if p)))
