"""``read``: a user's function back as index notation, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import indent, wrap
from typing import Any

from ..capture.recorder import Note
from ..capture.tracer import Trace, record
from ..core import nesting
from ..core.faults import InternalFault, collecting, contained
from ..core.fusion import Letters, fuse
from ..core.letters import letters_of, rename_letters
from ..core.program import ONE, Contract, Dimension, Equation, Program, Ref, Source, operands
from ..core.visible import visible
from ..notation.einsum_text import einsum_text
from ..notation.index_notation import View, equation_text
from ..notation.matrix_notation import matrix_text
from ..notation.meaning import Meanings, meanings
from .loops import innermost_loop, loop_names, loop_positions

WIDTH = 100
MATRIX_SIGNS = frozenset("·ᵀ⊙")


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
    """

    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    program: Program
    given: str = ""
    dimensions: tuple[Dimension, ...] = ()
    faults: tuple[InternalFault, ...] = ()

    def __str__(self) -> str:
        return text(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self)}


@dataclass(frozen=True)
class Line:
    """One source line, and what it computes.

    Attributes
    ----------
    source : Source
    runs : int
        How often it was run; the equations are those of the first time.
    equations : tuple of Formula
    """

    source: Source
    runs: int
    formulas: tuple[Formula, ...]


@dataclass(frozen=True)
class Formula:
    """One value of a line: in index notation, with einsum, in matrix notation if it has one; which gradient it is."""

    name: str
    equation: str
    einsum: str | None
    matrix: str | None
    meaning: str | None = None


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
    return reading_of(record(function, arguments), arguments)


def reading_of(trace: Trace, arguments: Sequence[Any]) -> Reading:
    """The lines of a trace of these arguments."""
    program = trace.program
    meant = meanings(program, [nesting.get(tuple(arguments), declared.path) for declared in program.inputs])
    groups: dict[tuple[str, int], dict[int, list[Equation]]] = {}
    fused = fuse(program, lambda part, whole: same_line(part, whole) and part.out.name not in program.labels)
    for equation in fused.equations:
        if equation.source is not None:
            shown = equation.source.shown
            groups.setdefault((shown.file, shown.line), {}).setdefault(shown.call, []).append(equation)
    letters, everywhere = Letters(fused.dimensions), View.of(program)
    uses = Counter(ref.name for equation in fused.equations for ref in operands(equation))
    outputs = {ref.name for ref in program.outputs}
    lines: list[Line] = []
    faults: list[InternalFault] = []
    positions = loop_positions(
        [(Source(file, line, ""), list(runs.values())) for (file, line), runs in groups.items()], program.labels
    )
    for runs in groups.values():
        first = runs[min(runs)]
        names = {equation.out.name for equation in first}
        chosen = shown_values(first, names, uses, outputs | set(program.labels))
        if chosen and chosen[0].source is not None:
            inside = set_apart([e for e in first if e not in chosen], first, letters)
            view = line_view(everywhere, inside)
            if len(runs) > 1:
                shown = chosen[0].source.shown
                now = positions.get((shown.file, innermost_loop(shown.file, shown.line)))
                again = loop_names(list(runs.values()), program.labels, shown, now)
                view = replace(view, names={**view.names, **again})
            lines.append(line_of(chosen, len(runs), view, meant, faults))
    files = list(dict.fromkeys(line.source.file for line in lines))
    lines.sort(key=lambda line: (files.index(line.source.file), line.source.line))
    return Reading(tuple(lines), trace.notes, program, meant.given, letters.dimensions(), tuple(faults))


def line_of(
    chosen: Sequence[Equation], runs: int, view: View, meant: Meanings, faults: list[InternalFault]
) -> Line:  # fmt: skip
    """A line with the formulas of its values; one that cannot be written, by a mistake of ours, is left out."""
    source = chosen[0].source
    assert source is not None
    with collecting() as found:
        part = f"a formula of line {source.shown.line}"
        made = [contained(part, partial(formula, e, view, meant), None) for e in chosen]
    faults += found
    return Line(source.shown, runs, tuple(one for one in made if one is not None))


def set_apart(inside: Sequence[Equation], line: Sequence[Equation], letters: Letters) -> list[Equation]:
    """The equations with other letters where they sum over one that stands free elsewhere on their line."""
    changed = []
    for equation in inside:
        bound = set(letters_of(equation)) - set(equation.out.indices)
        others = {i for other in line if other is not equation for i in other.out.indices}
        table: dict[str, str] = {}
        for letter in sorted(bound & others):
            table[letter] = letters.free(letter, others | set(letters_of(equation)) | set(table.values()))
        changed.append(rename_letters(equation, table) if table else equation)
    return changed


def line_view(view: View, inside: Sequence[Equation]) -> View:
    """How a line is shown: values without a name of their own stand as what they are, an array of ones as ``ones``."""
    ones = {e.out.name: "ones" for e in inside if is_ones(e)}
    return replace(view, names={**view.names, **ones}, inline={e.out.name: e for e in inside if not is_ones(e)})


def is_ones(equation: Equation) -> bool:
    """Whether a value is 1 everywhere."""
    match equation:
        case Contract(Ref(_, letters), (), (), factor):
            return bool(letters) and factor == ONE
    return False


def same_line(part: Equation, whole: Equation) -> bool:
    """Whether two values are made by one run of one line."""
    a, b = part.source, whole.source
    return a is not None and b is not None and a.shown == b.shown


def shown_values(
    group: Sequence[Equation], names: set[str], uses: Counter[str], kept: set[str]
) -> list[Equation]:
    """The values of a line that stand for themselves: named, returned, or used by other lines."""
    inner = Counter(ref.name for equation in group for ref in operands(equation) if ref.name in names)
    return [e for e in group if e.out.name in kept or uses[e.out.name] > inner[e.out.name]]


def formula(equation: Equation, view: View, meant: Meanings) -> Formula:
    """One value, in every notation."""
    matrix = matrix_text(equation, view) if isinstance(equation, Contract) else None
    if matrix is not None and not MATRIX_SIGNS & set(matrix):
        matrix = None  # pointwise: it says no more than the equation
    name = view.ref(equation.out).name
    meaning = meant.of.get(equation.out.name)
    return Formula(name, equation_text(equation, view), einsum_text(equation, view), matrix, meaning)


def text(reading: Reading) -> str:
    """The reading for a terminal, at most 100 columns wide."""
    if not reading.lines:
        return "nothing is computed here: give an expression that calls a function, as in \"loss(weights, X, T)\""
    blocks = [dimension_table(reading.program, reading.dimensions)]
    file = ""
    for line in reading.lines:
        if line.source.file != file:
            file = line.source.file
            blocks.append(f"{Path(file).name}")
        blocks.append(line_text(line))
    blocks += [f"note: {reading.given}"] if reading.given else []
    blocks += [note_text(note) for note in reading.notes]
    blocks += ["\n".join(wrap(str(fault), WIDTH, subsequent_indent="      ")) for fault in reading.faults]
    return visible("\n".join(blocks), keep="\n")


def dimension_table(program: Program, dimensions: Sequence[Dimension]) -> str:
    """Which letter ranges over what: ``i 3   j 4   b 5 (batch_size)``."""
    used = {i for e in program.equations for ref in (e.out, *operands(e)) for i in ref.indices}
    parts = [
        f"{', '.join(d.letters)} = {d.size}" + (f" ({d.name})" if d.name else "")
        for d in dimensions
        if used & set(d.letters)
    ]
    return "\n".join(wrap("letters: " + "   ".join(parts), WIDTH, subsequent_indent="         "))


def line_text(line: Line) -> str:
    """The code on one line; its index notation, einsum and matrix notation under it."""
    times = f"   ({line.runs} times)" if line.runs > 1 else ""
    code = f"{line.source.line:>4}  {line.source.code}"
    rows = [(code if len(code + times) <= WIDTH else code[: WIDTH - len(times) - 2] + " …") + times]
    for formula_ in line.formulas:
        parts = [formula_.equation, formula_.einsum, formula_.matrix, formula_.meaning]
        rows += [indent("\n".join(wrapped(part)), " " * 8) for part in parts if part]
    return "\n".join(rows)


def wrapped(line: str) -> list[str]:
    """A line broken at spaces, so that it fits."""
    return wrap(line, WIDTH - 8, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def note_text(note: Note) -> str:
    """A note with its line."""
    where = f"line {note.source.line}: " if note.source else ""
    return "\n".join(wrap(f"note: {where}{note.message}", WIDTH, subsequent_indent="      "))

