"""The report of a check: as data, as text, as JSON, and as one page of HTML, the user's code beside its formulas."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Any

from ..core.program import Dimension
from ..core.progress import InternalFault, collecting, contained
from ..core.records import dataclass
from ..core.source import CELLS, names_of
from ..core.visible import in_html, in_json, visible
from ..errors import GradientError
from ..notation import pages
from ..notation.display import fitted, on_terminal
from . import hints, texts
from .texts import wrapped
from .verdicts import Finding, Grade, Gradient, Line, Relation, Verdict

SIGNS = {"right": "✓", "proved": "✓", "wrong": "✗", "follows": "↳", "kink": "?", "undecided": "?"}


def page(
    gradients: Sequence[Gradient], lines: Sequence[Line], findings: Sequence[Finding], assumptions: Sequence[str],
    dimensions: Sequence[Dimension], faults: Sequence[InternalFault] = (),
) -> str:  # fmt: skip
    """The whole page."""
    part = part_of_page(gradients, lines, findings, assumptions, dimensions, faults)
    return pages.page(texts.headline(gradients), part)


def part_of_page(
    gradients: Sequence[Gradient], lines: Sequence[Line], findings: Sequence[Finding], assumptions: Sequence[str],
    dimensions: Sequence[Dimension], faults: Sequence[InternalFault] = (),
) -> str:  # fmt: skip
    """What stands in the page, with its style, as a notebook shows it."""
    general = [item for item in findings if item.line is None]
    with collecting() as met:
        rows = contained("the lines on the page", lambda: list(listings(lines, findings)), [])
        shown = [
            header(gradients), *(f'<p class="remark">{in_html(item.message)}</p>' for item in general),
            contained("the letters on the page", partial(pages.legend, dimensions), ""), *rows,
        ]  # fmt: skip
    failed = [f'<p class="remark">{in_html(str(fault))}</p>' for fault in (*faults, *met)]
    return pages.article([*shown, *failed, pages.listed("What this rests on", assumptions)])


def header(gradients: Sequence[Gradient]) -> str:
    """The verdict on all, and on each."""
    verdict, _, rest = texts.headline(gradients).partition(": ")
    kind = verdict if verdict in SIGNS else "undecided"
    rows = "".join(gradient_row(item) for item in gradients)
    notes = "".join(f'<p class="note">{in_html(note)}</p>' for note in texts.notes(gradients))
    named = f" {in_html(rest)}" if rest else ""
    return (
        f'<header><h1 class="{kind}"><span class="sign">{SIGNS[kind]}</span> {in_html(verdict)}'
        f"<small>{named}</small></h1><table>{rows}</table>{notes}</header>"
    )


def gradient_row(item: Gradient) -> str:
    """A gradient: its name, shape and verdict, and how far it is off."""
    word = texts.verdict_text(item)
    return (
        f'<tr class="{item.verdict}"><th scope="row"><code>{in_html(item.name)}</code></th>'
        f"<td>{in_html(texts.shape_text(item))}</td><td><b>{SIGNS[item.verdict]} {word}</b></td>"
        f"<td>{in_html(texts.error_text(item))}</td></tr>"
    )


def listings(lines: Sequence[Line], findings: Sequence[Finding]) -> Iterator[str]:
    """The lines of each file, every mistake under its line."""
    told = [item for item in findings if item.line is not None]
    files = dict.fromkeys([line.file for line in lines] + [item.file or "" for item in told])
    names = names_of(files)
    for file in files:
        judged = {line.line: line for line in lines if line.file == file}
        mistakes = [item for item in told if item.file == file]
        numbers = sorted({*judged, *(item.line for item in mistakes if item.line is not None)})
        shown = pages.with_between(numbers)
        indent = pages.indentation(file, shown)
        rows: list[str] = []
        for number in shown:
            here = [item for item in mistakes if item.line == number]
            rows.append(pages.GAP if number is None else line_row(file, number, judged.get(number), here, indent))
            rows += [mistake(item) for item in here if number is not None]
        yield pages.listing(names[file], rows)


def line_row(file: str, number: int, line: Line | None, mistakes: Sequence[Finding], indent: int) -> str:
    """A line of the user's code, its formula beside it, and what it is."""
    code = pages.code_at(file, number, indent) or (line.code if line else "")
    verdict = "wrong" if mistakes else line.verdict if line is not None else "other"
    title = f' title="{verdict}"' if verdict in SIGNS else ""
    sign = f'<span class="sign"{title}>{SIGNS.get(verdict, "")}</span>'
    if line is None:
        return pages.code_row(number, code, verdict, sign)
    told = any(item.yours for item in mistakes)  # the mistake below has the formula
    meaning = line.meaning if "∂" in line.meaning else ""  # what a line of the forward is its name says
    shown = "" if told else pages.formula(line.markup, line.equation)
    said = f'<span class="meaning">{in_html(meaning)}</span>' if meaning else ""
    return pages.code_row(number, code, verdict, sign, shown + said)


def mistake(item: Finding) -> str:
    """What is wrong on the line above, and what to write instead."""
    rows = []
    if item.write:
        rows.append(f'<dt>write</dt><dd class="write"><code>{in_html(item.write)}</code></dd>')
    for name, text, markup in (
        ("yours", item.yours, item.yours_markup), ("expected", item.expected, item.expected_markup)
    ):  # fmt: skip
        if text:
            equation, _, einsum = text.partition("\n")
            code = f"<code>{in_html(einsum)}</code>" if einsum else ""
            rows.append(f'<dt>{name}</dt><dd class="{name}">{pages.formula(markup, equation)}{code}</dd>')
    listed = f"<dl>{''.join(rows)}</dl>" if rows else ""
    return f'<div class="mistake" role="note"><p>{in_html(item.message)}</p>{listed}</div>'


SCHEMA = 1
"""The version of the JSON: it grows when a field goes, or means something else; fields may be added within one."""

__all__ = ["Finding", "Grade", "Gradient", "Line", "Report", "Verdict"]


@dataclass(frozen=True, repr=False)
class Report:
    """The outcome of a check: truthy if every gradient is right.

    Attributes
    ----------
    gradients, lines, findings
        What was found, in the order of the user's arrays and lines.
    assumptions
        What the verdicts rest on: how values were drawn, what the reference is.
    dimensions
        What the letters of the lines range over.
    accused, legend
        The lines that are wrong, or wrong because of others, and what the letters in findings range over: the text
        needs no more. Of all lines, unless given.
    faults
        The parts that failed by a mistake of ours; the verdicts do not rest on them.
    """

    gradients: tuple[Gradient, ...]
    lines: Sequence[Line] = ()
    findings: tuple[Finding, ...] = ()
    assumptions: tuple[str, ...] = ()
    dimensions: Sequence[Dimension] = ()
    faults: tuple[InternalFault, ...] = ()
    accused: Sequence[Line] | None = field(default=None, repr=False)
    legend: Sequence[Dimension] | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there are gradients and every one is right."""
        return bool(self.gradients) and all(item.verdict == "right" for item in self.gradients)

    @property
    def exit_code(self) -> int:
        """0 if right, 1 if a gradient is wrong, 3 if none is wrong but not all could be decided."""
        if any(item.verdict == "wrong" for item in self.gradients):
            return 1
        return 0 if self.ok else 3

    @property
    def headline(self) -> str:
        """``wrong: W2 (of 6 gradients)``."""
        return texts.headline(self.gradients)

    def raise_if_wrong(self) -> None:
        """Raise a GradientError with the report's text if a gradient is wrong."""
        if self.exit_code == 1:
            raise GradientError(str(self))

    def hint(self, level: int = 1) -> "Report":
        """Return the report for someone who looks for the mistakes: it says where they are, not what is right.

        Parameters
        ----------
        level
            1: each line and the kind of mistake; 2: the line alone.

        Raises
        ------
        OptionError
            There is no such level.
        """
        hints.require_level(level)
        return replace(
            self, gradients=hints.hinted_gradients(self.gradients), lines=hints.hinted_lines(self.lines),
            findings=hints.hinted_findings(self.findings, level), legend=(),
        )  # fmt: skip

    def text(self, *, colour: bool = False) -> str:
        """Return the report as text, at most 100 columns wide."""
        with collecting() as faults:
            plain = [f"{item.verdict}: {visible(item.name)}" for item in self.gradients]
            parts = contained("the text of the report", partial(self._parts, colour), plain)
        return "\n".join([*parts, *(f"! {visible(str(fault))}" for fault in (*self.faults, *faults))])

    def _parts(self, colour: bool) -> list[str]:
        parts = [wrapped(texts.headline(self.gradients), ""), *texts.table(self.gradients, colour)]
        parts += [wrapped(note, "  ") for note in texts.notes(self.gradients)]
        for item in self.findings:
            work = partial(_as_text, item, self._told, colour)
            parts += contained("the text of a finding", work, (wrapped(item.message, "! ", "  "),))
        return [*parts, *contained("the text below the findings", self._below, self.assumptions)]

    @property
    def _told(self) -> Sequence[Line]:
        return self.lines if self.accused is None else self.accused

    def _below(self) -> list[str]:
        mistakes = any(item.line is not None for item in self.findings)
        more = [texts.followers(self._told, self.findings)] if mistakes else []
        letters = (self.dimensions if self.legend is None else self.legend) if mistakes else ()
        more += [texts.letters_text(letters)] if letters else []
        return [wrapped(told, "  ") for told in (*more, *self.assumptions) if told]

    def to_json(self) -> str:
        """Return the report as one JSON object; its ``schema`` grows with each change that a reader may not survive."""
        with collecting() as faults:
            fields = {
                "schema": SCHEMA,
                "ok": self.ok,
                "gradients": [_public(item) for item in self.gradients],
                "lines": contained("the lines as JSON", lambda: [_line(item) for item in self.lines], []),
                "findings": contained("the findings as JSON", lambda: [_public(item) for item in self.findings], []),
                "assumptions": list(self.assumptions),
            }
        found = (*self.faults, *faults)
        more = {"faults": [vars(fault) for fault in found]} if found else {}
        return in_json(json.dumps(fields | more, ensure_ascii=False))

    def to_html(self) -> str:
        """Return the report as one page, with nothing in it from elsewhere: the code beside its formulas."""
        return page(self.gradients, self.lines, self.findings, self.assumptions, self.dimensions, self.faults)

    def to_html_part(self) -> str:
        """Return what stands in the page, with its style: for a notebook, or a page of several reports."""
        return part_of_page(
            self.gradients, self.lines, self.findings, self.assumptions, self.dimensions, self.faults)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        with fitted():
            return self.text(colour=on_terminal())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.to_html_part()}


def _as_text(item: Finding, lines: Sequence[Line], colour: bool) -> list[str]:
    return list(texts.finding_text(item, lines, colour))


def _public(item: Gradient | Finding) -> dict[str, Any]:
    """The fields of a record, without those that say nothing; JSON knows no nan and no inf."""
    fields = {name: value for name, value in vars(item).items() if value not in (None, "") and "markup" not in name}
    for name, value in fields.items():
        if isinstance(value, float) and not abs(value) < float("inf"):
            fields[name] = None
        if isinstance(value, Relation):
            fields[name] = vars(value)
    return _in_cell(fields)


def _line(item: Line) -> dict[str, Any]:
    fields = {name: value for name, value in vars(item).items() if name != "markup"}
    fields["is"] = fields.pop("meaning")
    return _in_cell(fields)


def _in_cell(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record; of one in a cell of a notebook, with the notebook as its file and the cell's number."""
    cell = CELLS.get(fields.get("file", ""))
    return fields if cell is None else fields | {"file": cell.notebook, "cell": cell.number}
