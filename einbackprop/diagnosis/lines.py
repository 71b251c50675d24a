"""The lines of a backward: what each computes, as `read` writes it, which gradient that is, and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from einbackprop.capture.bindings import Access, Binding
from einbackprop.capture.tracer import Trace
from einbackprop.checking.verdicts import Line
from einbackprop.core.program import Dimension
from einbackprop.diagnosis.cotangents import Cotangents, arranged
from einbackprop.diagnosis.evaluation import Array, Meaning, evaluate, meant, tail
from einbackprop.notation.einsum_text import MARK
from einbackprop.notation.markup import Markup, text
from einbackprop.notation.meaning import Meanings
from einbackprop.reading import reading
from einbackprop.reading.formulas import Formula


@dataclass(frozen=True)
class Lines:
    """The lines of a backward without verdicts, in order; what each gives, and what the letters range over."""

    lines: tuple[Line, ...] = ()
    meanings: tuple[tuple[Meaning, ...], ...] = ()
    dimensions: tuple[Dimension, ...] = ()

    def judged(self, verdict_of: Callable[[str, int], str]) -> tuple[Line, ...]:
        """The lines with the verdict of each file and line."""
        return tuple(replace(line, verdict=verdict_of(line.file, line.line)) for line in self.lines)


def lines_of_backward(trace: Trace, cotangents: Cotangents) -> Lines:
    """The lines of the gradients of a traced pair; of a loop, the formulas of the first round."""
    bindings = trace.bindings[trace.of_loss :]
    read = reading.read_with(replace(trace, bindings=bindings), Meanings({}))
    told = Told(cotangents, bindings, evaluate(trace.by_statement or trace.program, cotangents.arrays).values)
    places: dict[tuple[str, int], list[tuple[reading.Line, Formula]]] = {}
    for line in read.lines:
        for formula in line.formulas:
            if not formula.is_alias:
                places.setdefault((line.source.file, line.source.line), []).append((line, formula))
    found = [line_of(made, told) for made in places.values()]
    lines = tuple(line for line, _ in found)
    return Lines(lines, tuple(meanings for _, meanings in found), tuple(shown(read.dimensions, lines)))


def line_of(made: Sequence[tuple[reading.Line, Formula]], told: Told) -> tuple[Line, tuple[Meaning, ...]]:
    """A line, and what the values that it gives are."""
    source = made[0][0].source
    codes = dict.fromkeys(line.source.code for line, _ in made)
    einsums = [formula.einsum for _, formula in made if formula.einsum and MARK not in formula.einsum]
    meanings = [(formula, meaning) for line, formula in made if (meaning := told.meaning(line, formula)) is not None]
    said = dict.fromkeys(told.sentence(formula.name, meaning) for formula, meaning in meanings)
    line = Line(
        source.file, source.line, "; ".join(codes), "; ".join(formula.equation for _, formula in made),
        "; ".join(einsums), "; ".join(said), "undecided", joined(formula.markup for _, formula in made),
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


def shown(dimensions: Sequence[Dimension], lines: Sequence[Line]) -> Iterator[Dimension]:
    """The dimensions of letters that stand in formulas, with those letters only."""
    letters: set[str] = set()

    def seen(painted: str) -> str:
        letters.update(painted)
        return painted

    for line in lines:
        text(line.markup, paint=seen)
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
