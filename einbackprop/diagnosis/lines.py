"""What reading the code adds: a loss and its gradients as one program, its guards, and the lines of the backward.

Which output of that program is the gradient of which input is known. A line of the backward is what `read` writes of
it, which gradient that is, and its verdict.

Guards are small numbers that a loss adds so that it never takes the logarithm of 0, and that gradients leave out:
``-log(p + 1e-7)`` is written for the screen, and ``p - y`` is the gradient of ``-log(p)``: people mean it so. Such a
gradient is not accused; what was left out is said, and by how much it matters at the values drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from einbackprop.capture.bindings import Access, Binding
from einbackprop.capture.tracer import Trace
from einbackprop.checking.verdicts import Line
from einbackprop.core.collecting import grouped
from einbackprop.core.letters import free_name
from einbackprop.core.nesting import Path, get, leaves
from einbackprop.core.program import (
    Bracket,
    Contract,
    Dimension,
    Equation,
    Input,
    Map,
    Position,
    Program,
    Ref,
    Sum,
    operands,
)
from einbackprop.core.records import dataclass
from einbackprop.diagnosis.cases import Place
from einbackprop.diagnosis.cotangents import Cotangents, arranged
from einbackprop.diagnosis.evaluation import Array, Meaning, evaluate, meant, tail
from einbackprop.notation.einsum_text import MARK
from einbackprop.notation.markup import Markup, text
from einbackprop.reading import reading
from einbackprop.reading.formulas import Formula

LARGEST = Fraction(1, 10_000)
LOGARITHMS = ("log", "log2", "log10")
USES = LOGARITHM, DIVISION, ROOT = "takes the logarithm", "divides", "takes the root"
"""What small numbers are added before."""


def guards(program: Program, uses: Container[str] = USES) -> list[Sum]:
    """The sums that add a small number to what is only put to such uses: logarithms, divisions and roots."""
    users = grouped((ref.name, use_of(equation)) for equation in program.equations for ref in operands(equation))
    sums = [equation for equation in program.equations if isinstance(equation, Sum) and added(equation)]
    return [equation for equation in sums if all(
        use in uses for use in users.get(equation.out.name, [""]))]  # fmt: skip


def use_of(equation: Equation) -> str:
    """What an equation does with its operand that a small number keeps from being infinite; empty for all else."""
    if not isinstance(equation, Map):
        return ""
    if equation.function in LOGARITHMS:
        return LOGARITHM
    power = equation.parameter if equation.function == "power" else None
    if not isinstance(power, Fraction) or power >= 1:
        return ""
    return DIVISION if power < 0 else ROOT


def added(equation: Sum) -> Fraction:
    """The small number that a sum adds; 0 if it adds none."""
    for factor, ref in equation.terms:
        number = factor.number
        if ref is None and not factor.sizes and isinstance(number, Fraction) and 0 < number <= LARGEST:
            return number
    return Fraction(0)


def without(program: Program, left_out: list[Sum]) -> Program:
    """The program that does not add these numbers."""
    names = {equation.out.name for equation in left_out}

    def bare(equation: Equation) -> Equation:
        if not isinstance(equation, Sum) or equation.out.name not in names:
            return equation
        small = added(equation)
        kept = tuple((f, ref) for f, ref in equation.terms if ref is not None or f.sizes or f.number != small)
        return replace(equation, terms=kept)

    return replace(program, equations=tuple(map(bare, program.equations)))


def sentence(program: Program, left_out: list[Sum]) -> str:
    """What a right gradient leaves out: ``right, but for the 1e-07 that the loss adds on line 85``."""
    numbers = dict.fromkeys(f"{float(added(equation)):.3g}" for equation in left_out)
    lines = dict.fromkeys(equation.source.line for equation in left_out if equation.source is not None)
    where = f" on line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}" if lines else ""
    names = {equation.out.name for equation in left_out}
    uses = dict.fromkeys(use_of(equation) for equation in program.equations
                         if any(ref.name in names for ref in operands(equation)))  # fmt: skip
    return f"right, but for the {' and '.join(numbers)} that the loss adds{where} before it {' or '.join(uses)}"


@dataclass(frozen=True)
class Pair:
    """A traced pair.

    Attributes
    ----------
    program : Program
        Its first output is the loss.
    targets : mapping of an output's number to the target's name and the input's
    places : tuple of paths
        Where the program's inputs stand in the state.
    """

    program: Program
    targets: Mapping[int, tuple[str, str]]
    places: tuple[Path, ...]


class UnfollowedError(Exception):
    """What a trace does not show, in words for the user."""


def matched(
    program: Program, values: Mapping[str, Any], result: Any, paths: Mapping[str, Path], place: Callable[[Input], Path]
) -> Pair:
    """Find the program's output and input for each target.

    Parameters
    ----------
    program : Program
    values : mapping
        What was returned for each target, leaves of ``result``.
    paths : mapping
        Where each target stands in the state.
    place : callable
        Where an input of the program stands in the state.

    Raises
    ------
    UnfollowedError
        There is none.
    """
    places = tuple(place(declared) for declared in program.inputs)
    by_place = {path: declared.ref.name for path, declared in zip(places, program.inputs, strict=True)}
    structure = program.structure[1]
    at = grouped((id(leaf), path) for path, leaf in leaves(result))
    targets = {}
    for name, value in values.items():
        if paths[name] not in by_place:
            raise UnfollowedError(f"{name} is a number, or stands at two places; an array of its own can be followed")
        if value is not None and at.get(id(value)):
            number = get(structure, at[id(value)].pop(0))  # one array may be returned twice
            if isinstance(number, int):  # what an object holds that is no dataclass was not followed
                targets[number] = (name, by_place[paths[name]])
    if not targets:
        raise UnfollowedError("no gradient that was returned could be followed")
    return Pair(with_axes_of_inputs(program, targets), targets, places)


def with_axes_of_inputs(program: Program, targets: Mapping[int, tuple[str, str]]) -> Program:
    """The program with its gradients written in the axes of what they are gradients of.

    An axis of size 1 may be a letter in the one and none in the other: a reshape to 1 channel makes an axis of nothing.
    """
    inputs = {declared.ref.name: declared for declared in program.inputs}
    made, taken = program.defining(), {*program.defining(), *inputs}
    outputs, labels = list(program.outputs), dict(program.labels)
    units = list(program.output_units or ((),) * len(outputs))
    equations = list(program.equations)
    for n, (_, parameter) in targets.items():
        out, declared = outputs[n], inputs[parameter]
        own = axes_of(out.indices, units[n])
        wanted = axes_of(declared.ref.indices, declared.units)
        if len(own) != len(wanted) or [i == "" for i in own] == [k == "" for k in wanted]:
            continue
        letters = "".join((i or k) if k else "" for i, k in zip(own, wanted, strict=True))
        apart = [i or k for i, k in zip(own, wanted, strict=True) if (i == "") != (k == "")]
        if any(program.sizes[i] != 1 for i in apart):  # another shape, not another spelling of the same
            continue
        brackets = tuple(Bracket(Position.of(i), "=", Position()) for i in apart)
        name = free_name(f"{out.name}_as_{parameter}", taken)
        source = made[out.name].source if out.name in made else None
        equations.append(Contract(Ref(name, letters), (out,), brackets, source=source))
        outputs[n], units[n] = Ref(name, letters), declared.units
        labels |= {name: labels[out.name]} if out.name in labels else {}
    return replace(
        program, equations=tuple(equations), outputs=tuple(outputs), output_units=tuple(units), labels=labels
    )


def axes_of(letters: str, units: Sequence[int]) -> list[str]:
    """The letter of each axis, and none for those of size 1 that have none."""
    rest = iter(letters)
    return ["" if n in units else next(rest) for n in range(len(letters) + len(units))]


@dataclass(frozen=True)
class Lines:
    """Lines of a backward without verdicts, in order; what each gives, and what the letters of all of it range over."""

    lines: tuple[Line, ...] = ()
    meanings: tuple[tuple[Meaning, ...], ...] = ()
    letters: tuple[Dimension, ...] = ()

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What the letters of these lines range over."""
        return self.legend(line.markup for line in self.lines)

    def legend(self, formulas: Iterable[Markup]) -> tuple[Dimension, ...]:
        """What the letters of formulas range over."""
        return tuple(shown(self.letters, formulas))

    def judged(self, verdict_of: Callable[[str, int], str]) -> tuple[Line, ...]:
        """The lines with the verdict of each file and line."""
        return tuple(replace(line, verdict=verdict_of(line.file, line.line)) for line in self.lines)


def lines_of_backward(trace: Trace, cotangents: Cotangents, at: Collection[Place] | None = None) -> Lines:
    """The lines of the gradients of a traced pair, all or those ``at`` some places; those in loops with letters for the
    rounds."""
    bindings = trace.bindings[trace.of_loss :]
    read = reading.read_with(replace(trace, bindings=bindings), None, folds=False, at=at)
    whole = reading.read_with(trace, None, at=at) if trace.loops else read
    known = bool(cotangents.values)  # or nothing is said of what values are
    made = evaluate(trace.by_statement or trace.program, cotangents.arrays).values if known else {}
    told = Told(cotangents, bindings, made)
    places = grouped(
        ((line.source.file, line.source.line), (line, formula))
        for line in read.lines for formula in line.formulas if not formula.is_alias
    )  # fmt: skip
    rolled = grouped(
        ((line.source.file, line.source.line), formula)
        for line in whole.lines if line.runs == 1 for formula in line.formulas if not formula.is_alias
    )  # fmt: skip
    found = [line_of(made, told, rolled.get(place)) for place, made in places.items()]
    lines = tuple(line for line, _ in found)
    dimensions = whole.dimensions if trace.loops else read.dimensions
    return Lines(lines, tuple(meanings for _, meanings in found), dimensions)


def line_of(
    made: Sequence[tuple[reading.Line, Formula]], told: Told, rolled: Sequence[Formula] | None
) -> tuple[Line, tuple[Meaning, ...]]:  # fmt: skip
    """A line, and what the values that it gives are; it is written with letters for rounds where it is ``rolled`` up.
    """
    source = made[0][0].source
    codes = dict.fromkeys(line.source.code for line, _ in made)
    formulas = rolled or [formula for _, formula in made]
    einsums = [formula.einsum for formula in formulas if formula.einsum and MARK not in formula.einsum]
    meanings = [(formula, meaning) for line, formula in made if (meaning := told.meaning(line, formula)) is not None]
    said = dict.fromkeys(told.sentence(formula.name, meaning) for formula, meaning in meanings)
    line = Line(
        source.file, source.line, "; ".join(codes), "; ".join(formula.equation for formula in formulas),
        "; ".join(einsums), "; ".join(said), "undecided", joined(formula.markup for formula in formulas),
    )  # fmt: skip
    return line, tuple(meaning for _, meaning in meanings)


class Told:
    """What is said of the values that lines give.

    Parameters
    ----------
    cotangents : Cotangents
    bindings : sequence of Binding
        The statements of the backward.
    values : mapping of value to array
    """

    def __init__(self, cotangents: Cotangents, bindings: Sequence[Binding], values: Mapping[str, Array]) -> None:
        self._cotangents, self._values = cotangents, values
        self._last = {
            (binding.source.file, binding.source.line, binding.source.column, access.spelling.text): access
            for binding in bindings for access in (*binding.binds, *binding.changes)
        }  # fmt: skip

    def meaning(self, line: reading.Line, formula: Formula) -> Meaning | None:
        """What a value is; of a line that ran several times the last one, if it is what its name says: a sum is
        complete then."""
        source = line.source
        first = next((access for access in line.binds if access.value == formula.value), None)
        last = self._last.get((source.file, source.line, source.column, formula.name), first)
        for access in (first, last):
            found = self._identified(access, formula.name)
            if found is not None and tail(found.of) in meant(formula.name):
                return found
        array = self._values.get(formula.value)
        return self._identified(first, formula.name) if first is not None or array is None else (
            self._cotangents.identify(array, formula.name))

    def _identified(self, access: Access | None, name: str) -> Meaning | None:
        if access is None or access.value not in self._values:
            return None
        return self._cotangents.identify(arranged(self._values[access.value], access.spelling), name)

    def sentence(self, name: str, meaning: Meaning) -> str:
        """What a value is, and what its name says where that is another gradient."""
        others = meant(name) & {tail(known) for known in self._cotangents.values}
        if meaning.kind != "cotangent" or not others or tail(meaning.of) in meant(name):
            return meaning.text
        return f"{meaning.text}, though its name says {min(others)}"


def shown(dimensions: Sequence[Dimension], formulas: Iterable[Markup]) -> Iterator[Dimension]:
    """The dimensions of letters that stand in formulas, with those letters only."""
    letters: set[str] = set()

    def seen(painted: str) -> str:
        letters.update(painted)
        return painted

    for formula in formulas:
        text(formula, paint=seen)
    for dimension in dimensions:
        own = "".join(letter for letter in dimension.letters if letter in letters)
        if own:
            yield replace(dimension, letters=own)


def joined(formulas: Iterator[Markup]) -> Markup:
    """Formulas as one."""
    markup: Markup = ()
    for formula in formulas:
        markup += ("; ", *formula) if markup else formula
    return markup
