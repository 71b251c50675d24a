"""``read``: a user's function back as index notation, line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import field, replace
from functools import partial
from itertools import accumulate
from operator import attrgetter
from textwrap import indent, wrap
from typing import Any

from ..capture.bindings import Access, Binding
from ..capture.recorder import Note
from ..capture.tracer import Trace, record
from ..core import nesting
from ..core.collecting import grouped
from ..core.letters import Letters, fuse
from ..core.program import Dimension, Equation, Program, Source, operands
from ..core.progress import InternalFault, collecting, contained, tick
from ..core.records import dataclass
from ..core.source import ADDED, INNER, Spelling, names_of
from ..core.visible import visible
from ..notation import einsum_text, markup
from ..notation.display import columns, fitted
from ..notation.index_notation import View
from ..notation.meaning import Meanings, closed_forms, meanings
from .formulas import Formula, formulas
from .loops import folded
from .statements import Made

STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')


@dataclass(frozen=True)
class Reading:
    """What a function does, line by line.

    Attributes
    ----------
    lines : tuple of Line
    notes : tuple of Note
        What the reader should know: branches taken, what could not be read.
    program : Program
        One equation a value, before products were put together.
    given : str
        What the meanings of gradients rest on.
    dimensions : tuple of Dimension
        Those of the program, with the letters that the lines have besides.
    faults : tuple of InternalFault
        The formulas that are missing by a mistake of ours.
    title : str
        Of its page; the functions by default.
    """

    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    program: Program
    given: str = ""
    dimensions: tuple[Dimension, ...] = ()
    faults: tuple[InternalFault, ...] = ()
    title: str = ""

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        with fitted():
            return text(self)

    def to_html(self) -> str:
        """The reading as one page, with nothing in it from elsewhere: the code beside its formulas."""
        from ..notation.pages import page
        from .pages import part_of_page, title_of

        title = self.title or title_of(self)
        return page(title, part_of_page(self, title))

    @property
    def latex(self) -> str:
        """The reading as LaTeX: a fragment of text and displayed formulas, for a document that has amsmath."""
        from .pages import fragment

        return fragment(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .pages import part_of_page

        return {"text/plain": str(self), "text/html": part_of_page(self), "text/latex": self.latex}


@dataclass(frozen=True)
class Line:
    """One source line, and what it computes.

    Attributes
    ----------
    source : Source
    runs : int
        How often it was run.
    formulas : tuple of Formula
        Of the first time; of the second where they read more then, as ``d = d + x`` does if d was 0.
    reads, binds : tuple of Access
        What it read, and what it bound or wrote into, that time.
    numbers : mapping of text to number
        The numbers that it read, where values are kept.
    time : int
        Which time that was, from 1.
    """

    source: Source
    runs: int
    formulas: tuple[Formula, ...]
    reads: tuple[Access, ...] = field(default=(), repr=False)
    binds: tuple[Access, ...] = field(default=(), repr=False)
    numbers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    time: int = 1

    @property
    def which(self) -> str:
        """Which of several times the formulas are of; empty where there was one."""
        called = {1: "first", 2: "second"}.get(self.time, f"{self.time}th")
        return f"the {called} of {self.runs} times" if self.runs > 1 else ""


def read(function: Callable[..., Any], *arguments: Any) -> Reading:
    """Read a function: every line of it in index notation.

    Parameters
    ----------
    function : callable
        Any Python function of NumPy code.
    *arguments : arrays, or nested lists, tuples, dicts and objects of arrays
        What to run it on. They are copied, so nothing of the caller's is changed.

    Returns
    -------
    Reading
        It prints well; ``.lines`` holds the lines.

    Raises
    ------
    TraceError
        The function raised, or did something that a trace cannot follow.
    """
    # in a context of its own: what a signal's handler interrupts leaves nothing behind
    return copy_context().run(lambda: reading_of(record(function, arguments), arguments))


def reading_of(trace: Trace, arguments: Sequence[Any]) -> Reading:
    """The lines of a trace of these arguments."""
    program = trace.by_statement or trace.program
    meant = meanings(program, [nesting.get(tuple(arguments), declared.path) for declared in program.inputs])
    with collecting() as faults:
        found = read_with(trace, meant)
    return replace(found, faults=tuple(faults))


def read_with(
    trace: Trace, meant: Meanings | None, *, folds: bool = True, at: Collection[tuple[str, int]] | None = None
) -> Reading:
    """The lines of a trace, whose values mean what is given; if it ``folds``, those of loops with letters for rounds.

    Without meanings nothing is said of what values are, closed forms neither. A line that would name what nobody has
    a name for is read round by round. Where files and lines are given, ``at`` these alone, to the same formulas.
    """
    without: set[Hashable] = set()
    given = meant.given if meant is not None else ""
    while folds:
        whole = contained("the letters of loops", partial(folded, trace, without), None)
        if whole is None:
            break
        labels = whole.program.labels
        bound = {a.value: a.spelling.text for b in whole.bindings for a in (*b.changes, *b.binds) if a.value in labels}
        named = replace(whole.program, labels=bound)
        of = sentences(named, whole.made, meant) if meant is not None else {}
        labels = {name: label for name, label in whole.program.labels.items() if name not in whole.made}
        program = replace(whole.program, labels=labels)  # only statements have names for what stands for all rounds
        reading = lines_with(program, whole.bindings, trace, of, given, at)
        unsaid = {line.source.place for line in reading.lines for formula in line.formulas
                  if any(name in whole.made for name in markup.names_of(formula.markup))}  # fmt: skip
        if not unsaid - without:
            return reading
        without |= unsaid
    program = trace.by_statement or trace.program
    of = sentences(program, {}, meant) if meant is not None else {}
    return lines_with(program, trace.bindings, trace, of, given, at)


def sentences(program: Program, made: Mapping[str, Sequence[str]], meant: Meanings) -> dict[str, str]:
    """What is said of values: the gradient that one is, or a closed form; of one that stands for all rounds, what is
    said of each of them, or a closed form in its own letters."""
    said = {name: {meant.of.get(one, "") for one in members} for name, members in made.items()}
    same = {name: texts.pop() for name, texts in said.items() if len(texts) == 1}
    named = contained("the names of what values are", lambda: closed_forms(program), dict[str, str]())
    return {**named, **meant.of, **{name: text for name, text in same.items() if text}}


def lines_with(
    program: Program, bindings: Sequence[Binding], trace: Trace, of: Mapping[str, str], given: str,
    at: Collection[tuple[str, int]] | None = None,
) -> Reading:  # fmt: skip
    """The lines of statements that read and make values of a program, all or those ``at`` some files and lines; ``of``
    is said of values, and rests on what is ``given``."""
    tick()
    shown = [b for b in bindings if b.source.caller is None]  # helpers are read where they are called
    bound = {access.value for b in shown for access in (*b.binds, *b.changes)}
    whole = list(statements(bindings, program))
    bound |= {b.operand.value for b in shown if b.operand is not None}
    bound |= {value for made in whole for value in made.spellings()}
    written = bound.union(*(replace(made, as_code=True).spellings() for made in whole))
    letters, everywhere = Letters(program.dimensions), View.of(program)
    fused = fuse(program, lambda part, whole: same_line(part, whole) and part.out.name not in bound, letters)
    coded = fuse(program, lambda part, whole: same_line(part, whole) and part.out.name not in written, letters)
    lines: list[Line] = []
    both = zip(statements(bindings, fused), statements(bindings, coded, True), strict=True)
    place_of = attrgetter("file", "line", "column")
    before = letters.dimensions()
    for place, group in grouped((place_of(made.binding.source), (made, code)) for made, code in both).items():
        if at is not None and place[:2] not in at:
            continue
        tick()
        for n, (made, code) in enumerate(group):
            line = line_of(made, code, len(group), everywhere, letters, of)
            if line.formulas and not is_return_of_ours(line.source):
                line = replace(line, time=n + 1)
                if (later := group[n + 1 : n + 2]) and later[0][0].size > made.size:
                    fuller = replace(line_of(*later[0], len(group), everywhere, letters, of), time=n + 2)
                    line = fuller if fuller.formulas else line
                lines.append(line)
                break
    if at is not None and letters.dimensions() != before:  # which new letter it is depends on the lines before
        return lines_with(program, bindings, trace, of, given)
    files = list(dict.fromkeys(line.source.file for line in lines))
    lines.sort(key=lambda line: (files.index(line.source.file), line.source.line, line.source.column))
    return Reading(tuple(lines), trace.notes, program, given, letters.dimensions())


def is_return_of_ours(source: Source) -> bool:
    """Whether it is the end of what was made a function to be run: the user has no such line."""
    return source.line in ADDED.get(source.file, ()) and source.code.startswith("return ")


def statements(bindings: Sequence[Binding], program: Program, as_code: bool = False) -> Iterator[Made]:
    """Each run of a statement with what it made; helpers of one ``return`` belong to the statement that calls them."""
    equations: dict[Source, dict[str, Equation]] = {}
    readers: dict[str, set[Source]] = {}
    for equation in program.equations:
        if equation.source is not None:
            equations.setdefault(equation.source.shown, {})[equation.out.name] = equation
            for ref in operands(equation):
                readers.setdefault(ref.name, set()).add(equation.source.shown)
    helpers = grouped((one.source.shown, one) for one in bindings if one.source.caller is not None)
    kept = {name: kept_of_this_run(name, array) for name, array in program.constants.items()}
    for binding in bindings:
        source = binding.source
        if source.caller is None:
            own = equations.get(source, {})
            unsaid = {ref.name: kept[ref.name] for e in own.values() for ref in operands(e) if ref.name in kept}
            elsewhere = frozenset(value for value in own if readers.get(value, set()) - {source})
            made = Made(binding, own, tuple(helpers.get(source, ())), elsewhere, as_code, tuple(unsaid.values()))
            yield made.told_apart()


def kept_of_this_run(name: str, array: Any) -> Access:
    """A constant that no expression of a statement gives: what a rule kept of the values of this run."""
    axes = tuple((n,) for n in range(array.ndim))
    return Access(name, "", Spelling("(kept of this run)", axes, INNER), name, array=array)


def line_of(made: Made, code: Made, runs: int, view: View, letters: Letters, of: Mapping[str, str]) -> Line:
    """A line with the formulas of its values; one that cannot be written, by a mistake of ours, is left out."""
    source = made.binding.source
    part = f"a formula of line {source.line}"
    shown = contained(part, lambda: tuple(formulas(made, code, view, letters, of)), ())
    binding = made.binding
    reads = (*(access for _, access in made.reads), *(access for access in binding.reads if not access.value))
    return Line(source, runs, shown, reads, (*binding.binds, *binding.changes), binding.plain)


def same_line(part: Equation, whole: Equation) -> bool:
    """Whether two values are made by one run of one statement."""
    a, b = part.source, whole.source
    return a is not None and b is not None and a.shown == b.shown


def text(reading: Reading) -> str:
    """The reading for a terminal, at most 100 columns wide."""
    if not reading.lines:
        return "nothing is computed here: give an expression that calls a function, as in \"loss(weights, X, T)\""
    shown = {i for line in reading.lines for formula in line.formulas for i in markup.letters_of(formula.markup)}
    blocks = [dimension_table(shown, reading.dimensions)]
    names, file = names_of(line.source.file for line in reading.lines), ""
    for line in reading.lines:
        if line.source.file != file:
            file = line.source.file
            blocks.append(names[file])
        blocks.append(line_text(line))
    blocks += [f"note: {reading.given}"] if reading.given else []
    blocks += [note_text(note) for note in reading.notes]
    blocks += ["\n".join(wrap(str(fault), columns(), subsequent_indent="      ")) for fault in reading.faults]
    return visible("\n".join(blocks), keep="\n")


def dimension_table(shown: Collection[str], dimensions: Sequence[Dimension]) -> str:
    """Which letter that is shown ranges over what: ``i = 3   j, m = 4   b = 5 (batch_size)``."""
    runs = [(", ".join(i for i in d.letters if i in shown), d) for d in dimensions]
    parts = [f"{letters} = {d.size}" + (f" ({d.name})" if d.name else "") for letters, d in runs if letters]
    parts = [part.replace(" ", markup.NO_BREAK_SPACE) for part in parts]
    table = "\n".join(wrap("letters: " + "   ".join(parts), columns(), subsequent_indent="         "))
    return table.replace(markup.NO_BREAK_SPACE, " ")


def line_text(line: Line) -> str:
    """The code on one line; its index notation, einsum and matrix notation under it."""
    times = f"   ({line.which})" if line.which else ""
    code = f"{line.source.line:>4}  {line.source.code}"
    rows = [(code if len(code + times) <= columns() else code[: columns() - len(times) - 2] + " …") + times]
    aliases = [unbroken(formula.equation) for formula in line.formulas if formula.is_alias]
    parts: list[str | None] = [",  ".join(aliases)]
    for formula in line.formulas:
        if not formula.is_alias:
            pasted = formula.einsum and as_code(formula.einsum)
            parts += [formula.equation, pasted, formula.matrix, formula.meaning]
    rows += [indent("\n".join(wrapped(part)), " " * 8) for part in parts if part]
    return "\n".join(rows)


def unbroken(equation: str) -> str:
    """An equation that stays on one row, if it can."""
    return equation.replace(" ", markup.NO_BREAK_SPACE) if len(equation) < columns() - 12 else equation


def as_code(line: str) -> str:
    """A line with einsum that is still Python where it is broken: not in a string, and within parentheses."""
    line = STRING.sub(lambda string: string[0].replace(" ", markup.NO_BREAK_SPACE), line)
    rows = [STRING.sub("", row) for row in wrapped(line)]
    depths = accumulate(sum((c in "([{") - (c in ")]}") for c in row) for row in rows[:-1])
    return line if all(depths) or einsum_text.MARK in line else f"({line})"


def wrapped(line: str) -> list[str]:
    """A line broken at spaces, so that it fits."""
    rows = wrap(line, columns() - 8, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [row.replace(markup.NO_BREAK_SPACE, " ") for row in rows]


def note_text(note: Note) -> str:
    """A note with its line."""
    where = f"line {note.source.line}: " if note.source else ""
    return "\n".join(wrap(f"note: {where}{note.message}", columns(), subsequent_indent="      "))

