"""A reading in a browser: the user's code, and beside each line what it is; and as a fragment of LaTeX."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..core.collecting import grouped
from ..core.program import Dimension, Ref
from ..core.progress import contained
from ..core.source import names_of, statements_of
from ..core.visible import in_html
from ..notation import latex, markup, pages
from ..notation.graph_drawing import drawing
from ..notation.graphs import Graph, Kind, Node, graph_of

if TYPE_CHECKING:
    from .formulas import Formula
    from .reading import Line, Reading


def part_of_page(reading: Reading, heading: str = "") -> str:
    """What stands in a page, with its style, as a notebook shows it."""
    header = pages.heading(heading) if heading else ""
    letters = pages.legend(shown_dimensions(reading))
    drawn = contained("the drawing on the page", lambda: drawing(graph(reading)), "")
    return pages.article([header, letters, *listings(reading), drawn, below(reading)])


def graph(reading: Reading) -> Graph:
    """The values that lines compute, and which is made of which."""
    found = [formula for line in reading.lines for formula in line.formulas if formula.value]
    called: dict[str, str] = {}
    for formula in found:
        if not called.get(formula.value) or called[formula.value].startswith("return"):
            called[formula.value] = formula.name
    made = {e.out.name: e.out.indices for e in reading.program.equations}
    nodes = {
        f.value: Node(f.value, Ref(called[f.value], made[f.value]), kind_of(f), f.equation)
        for f in found if not f.is_alias and f.value in made
    }  # fmt: skip
    order = [e.out.name for e in reading.program.equations if e.out.name in nodes]
    return graph_of(reading.program, tuple(nodes[value] for value in order))


def kind_of(formula: Formula) -> Kind:
    """Whether a value is known to be a gradient."""
    return "gradient" if formula.meaning else "value"


def title_of(reading: Reading) -> str:
    """The function that was read: the last one."""
    functions = [line.source.function for line in reading.lines if line.source.function.isidentifier()]
    return functions[-1] if functions else "nothing is computed here" if not reading.lines else "read"


def shown_dimensions(reading: Reading) -> list[Dimension]:
    """The dimensions with those of their letters that stand in a formula."""
    shown = {i for line in reading.lines for formula in line.formulas for i in markup.letters_of(formula.markup)}
    kept = ((d, "".join(i for i in d.letters if i in shown)) for d in reading.dimensions)
    return [Dimension(letters, d.size, d.name) for d, letters in kept if letters]


def notes(reading: Reading) -> list[str]:
    """What there is to say besides."""
    where = [f"line {note.source.line}: " if note.source else "" for note in reading.notes]
    told = [f"{place}{note.message}" for place, note in zip(where, reading.notes, strict=True)]
    return [*([reading.given] if reading.given else []), *told, *map(str, reading.faults)]


def below(reading: Reading) -> str:
    """The notes, under the listings."""
    return pages.listed("Notes", notes(reading))


def listings(reading: Reading) -> Iterator[str]:
    """The lines of each file with their formulas, and what stands between them."""
    files = grouped((line.source.file, line) for line in reading.lines)
    names = names_of(files)
    for file, lines in files.items():
        by_line = grouped((line.source.line, line) for line in lines)
        shown = pages.with_between(sorted({*by_line, *definitions(file, by_line)}))
        indent = pages.indentation(file, shown)
        told = {later for number in by_line for later in pages.extent(file, number)[1:]} - set(by_line)
        rows = (
            pages.GAP if number is None else row(file, number, by_line.get(number, ()), indent)
            for number in shown if number not in told
        )  # fmt: skip
        yield pages.listing(names[file], rows)


def definitions(file: str, numbers: Sequence[int] | dict[int, list[Line]]) -> Iterator[int]:
    """The lines on which the functions start that hold some lines."""
    for node in ast.walk(statements_of(file).tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if any(number in inside for number in numbers):
                yield node.lineno


def row(file: str, number: int, lines: Sequence[Line], indent: int) -> str:
    """A statement with what it computes; of what is none, the code alone."""
    code = "\n".join(pages.code_at(file, n, indent) for n in pages.extent(file, number))
    if not lines:
        return pages.code_row(number, code.split("\n")[0], "other")
    code = code if code.strip() else "; ".join(line.source.code for line in lines)
    found = [formula for line in lines for formula in line.formulas]
    aliases = "".join(pages.formula(f.markup, f.equation) for f in found if f.is_alias)
    parts = [f'<div class="aliases">{aliases}</div>'] if aliases else []
    parts += [said(formula) for formula in found if not formula.is_alias]
    which = max((line.which for line in lines), key=len)
    parts += [f'<span class="also">{which}</span>'] if which else []
    return pages.code_row(number, code, math="".join(parts))


def said(formula: Formula) -> str:
    """A formula, its matrix notation and the line with einsum under it, and which gradient it is."""
    forms = [f"<span>{in_html(formula.matrix)}</span>"] if formula.matrix else []
    forms += [f"<code>{in_html(formula.einsum)}</code>"] if formula.einsum else []
    parts = [pages.formula(formula.markup, formula.equation)]
    parts += [f'<div class="also">{"".join(forms)}</div>'] if forms else []
    parts += [f'<span class="meaning">{in_html(formula.meaning)}</span>'] if formula.meaning else []
    return "".join(parts)


def fragment(reading: Reading) -> str:
    """The reading as LaTeX: each line of code above its formulas."""
    letters = [
        f"${', '.join(d.letters)} = {d.size}$" + (f" ({latex.words(d.name)})" if d.name else "")
        for d in shown_dimensions(reading)
    ]
    blocks = [rf"\noindent Letters: {', '.join(letters)}."] if letters else []
    names, file = names_of(line.source.file for line in reading.lines), ""
    for line in reading.lines:
        if line.source.file != file:
            file = line.source.file
            blocks.append(rf"\noindent\textbf{{{latex.words(names[file])}}}")
        rows = [shown for formula in line.formulas for shown in formula_rows(formula)]
        code = rf"{{\raggedright\noindent {line.source.line}\quad {latex.code(line.source.code)}\par}}"
        blocks.append(f"{code}\n{latex.aligned(rows)}")
    return "\n\n".join([*blocks, *(rf"\noindent {latex.words(note)}" for note in notes(reading))])


def formula_rows(formula: Formula) -> Iterator[str]:
    """A formula of a line on as many rows as it needs, and which gradient it is."""
    left, sign, *right = formula.markup or (formula.equation, "")
    assert isinstance(sign, str)
    yield from latex.formula_rows((left,), tuple(right), sign.strip())
    if formula.meaning:
        yield rf"&\qquad\text{{{latex.words(formula.meaning)}}}"
