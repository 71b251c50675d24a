"""A program as it is shown: its letters, what it takes, its equations, and what it returns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..core.program import Equation, Input, Program, Ref
from ..core.records import dataclass
from ..emission.writing import inlined
from . import latex, pages
from .display import Row, Section, sections_text
from .graph_drawing import drawing
from .graphs import Node, graph_of
from .index_notation import View, equation_markup, equation_text
from .markup import text


@dataclass(frozen=True)
class ShownProgram:
    """A program for a terminal, a notebook and LaTeX."""

    program: Program
    sections: tuple[Section, ...]

    def text(self) -> str:
        """Its equations as text, at most 100 columns wide."""
        return sections_text(self.sections)

    @property
    def html(self) -> str:
        """Its equations with MathML, as a notebook shows them."""
        shown = [pages.legend(self.program.dimensions), pages.sections(self.sections[1:]), figure(self.program)]
        return pages.article(shown)

    @property
    def latex(self) -> str:
        """Its equations as a fragment for a document that has amsmath."""
        return latex.sections(self.sections)


def shown(program: Program) -> ShownProgram:
    """A program as it is shown: the derived equations under a heading of their own."""
    view = replace(View.of(program), inline=inlined(program))
    equations = [equation for equation in program.equations if equation.out.name not in view.inline]
    forward = [equation for equation in equations if equation.out.name not in program.origins]
    backward = [equation for equation in equations if equation.out.name in program.origins]
    letters = Section(letters_heading(program), ())
    takes = f"Takes {refs_text([i.ref for i in program.inputs], view)}:"
    parts = [letters, Section(takes, tuple(rows(forward, view)))]
    parts += [Section("Derived:", tuple(rows(backward, view)))] if backward else []
    returns = Section(f"Returns {refs_text(program.outputs, view)}.", ())
    return ShownProgram(program, (*parts, returns))


def figure(program: Program) -> str:
    """The graph of its equations, drawn."""
    view = replace(View.of(program), inline=inlined(program))
    nodes = (
        Node(e.out.name, view.ref(e.out), "gradient" if e.out.name in program.origins else "value",
             equation_text(e, view))
        for e in program.equations if e.out.name not in view.inline
    )  # fmt: skip
    return drawing(graph_of(program, tuple(nodes)))


def rows(equations: Sequence[Equation], view: View) -> Iterator[Row]:
    """A row for each equation."""
    for equation in equations:
        left, _, *right = equation_markup(equation, view)
        yield Row((left,), tuple(right))


def letters_heading(program: Program) -> str:
    """The letters with what they range over: ``i input (3)``."""
    parts = [" ".join([", ".join(d.letters), *([d.name] if d.name else []), f"({d.size})"]) for d in program.dimensions]
    return "Letters: " + ",  ".join(parts) if parts else "No letters."


def refs_text(refs: Sequence[Ref], view: View) -> str:
    """Values with their letters: ``W[i,j], x[j,b]``."""
    return ", ".join(text((view.ref(ref),)) for ref in refs) or "nothing"


def in_one_line(program: Program) -> str:
    """``<program: W[i,j], x[j,b] → dW[i,j], 7 equations>``."""
    view = View.of(program)
    inputs: Sequence[Input] = program.inputs
    count = len(program.equations)
    ends = (few([i.ref for i in inputs], view), few(program.outputs, view))
    return f"<program: {' → '.join(ends)}, {count} equation{'' if count == 1 else 's'}>"


MOST = 6


def few(refs: Sequence[Ref], view: View) -> str:
    """The first of some values with their letters, and how many there are besides."""
    more = f" and {len(refs) - MOST} more" if len(refs) > MOST else ""
    return refs_text(refs[:MOST], view) + more
