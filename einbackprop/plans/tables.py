"""A plan as a table: what each step computes, as which call, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from ..core.visible import in_html
from ..notation import pages
from ..notation.display import columns

if TYPE_CHECKING:
    from .lowering import Plan

NARROWEST = 24
"""Columns of an equation: with calls of long names a table may be wider than others are."""


def table(plan: Plan) -> str:
    """The steps of a plan in a table, at most 100 columns wide where names of calls allow it."""
    rows = list(table_rows(plan))
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    widths[0] = max(min(widths[0], columns() - sum(widths[1:]) - 8), NARROWEST)
    lines = []
    for row in rows:
        first, *others = wrap(row[0], widths[0], subsequent_indent="    ", break_on_hyphens=False) or [""]
        cells = [first, *row[1:]]
        cells = [c.rjust(w) if n in (2, 3) else c.ljust(w) for n, (c, w) in enumerate(zip(cells, widths, strict=True))]
        lines += ["  ".join(cells).rstrip(), *others]
    return "\n".join([*lines, totals(plan)])


def table_rows(plan: Plan) -> Iterator[tuple[str, str, str, str, str]]:
    """The head of the table, then of each step: what it computes, as which call, its arithmetic, its memory traffic,
    its buffer."""
    yield "equation", "call", "flops", "bytes", "into"
    for step in plan.steps:
        if step.word == "entry":  # is no call
            continue
        times = f", {step.times} {'blocks' if step.loop.variables else 'rounds'}" if step.loop else ""
        word = step.word + times
        numbers = (f"{step.flops * step.times:,}", f"{step.nbytes * step.times:,}")
        yield step.equation, word, *numbers, step.out.name if step.out else ""


def totals(plan: Plan) -> str:
    """The arithmetic and the memory of a plan."""
    return f"{plan.flops:,} flops, {plan.nbytes:,} bytes of buffers"


def table_html(plan: Plan) -> str:
    """The table as a notebook shows it; an equation stands once for all steps that compute it."""
    head, *rows = table_rows(plan)
    lines = ["".join(f'<th scope="col">{in_html(cell)}</th>' for cell in head)]
    before = ""
    for equation, *cells in rows:
        shown = in_html(equation) if equation != before else ""
        lines.append(f"<td><code>{shown}</code></td>" + "".join(f"<td>{in_html(cell)}</td>" for cell in cells))
        before = equation
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return pages.article([f'<table class="plan">{body}</table><p class="note">{totals(plan)}</p>'])
