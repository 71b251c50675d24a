"""The report of a check: as data, as text, as JSON, and as one page of HTML, the user's code beside its formulas.

The page needs no script, and nothing from elsewhere.
"""

import itertools
import json
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core.program import Dimension
from ..core.progress import InternalFault, collecting, contained
from ..core.visible import in_html, in_json, visible
from ..errors import GradientError
from ..notation.display import on_terminal, readable_colour
from ..notation.markup import Markup, mathml
from . import texts
from .texts import wrapped
from .verdicts import Finding, Grade, Gradient, Line, Verdict

MARK = '<meta name="generator" content="einbackprop"/>'
"""What shows that a page is one of ours."""

BETWEEN = 4  # lines of the user's file between two that were judged: so many are shown, more are left out
GAP = '<div class="line gap"><span class="number">⋮</span></div>'
SIGNS = {"right": "✓", "proved": "✓", "wrong": "✗", "follows": "↳", "kink": "?", "undecided": "?"}


def page(
    gradients: Sequence[Gradient], lines: Sequence[Line], findings: Sequence[Finding], assumptions: Sequence[str],
    dimensions: Sequence[Dimension], faults: Sequence[InternalFault] = (),
) -> str:  # fmt: skip
    """The whole page, well-formed as XML too."""
    title = in_html(f"{texts.headline(gradients)} · einbackprop")
    part = part_of_page(gradients, lines, findings, assumptions, dimensions, faults)
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>'
        f"{MARK}"
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        f"<title>{title}</title></head>\n<body>{part}"
        "</body></html>\n"
    )


def part_of_page(
    gradients: Sequence[Gradient], lines: Sequence[Line], findings: Sequence[Finding], assumptions: Sequence[str],
    dimensions: Sequence[Dimension], faults: Sequence[InternalFault] = (),
) -> str:  # fmt: skip
    """What stands in the page, with its style, as a notebook shows it."""
    letters = [letter for d in dimensions for letter in d.letters]
    general = [item for item in findings if item.line is None]
    rests = "".join(f"<li>{in_html(text)}</li>" for text in assumptions)
    with collecting() as met:
        rows = contained("the lines on the page", lambda: list(listings(lines, findings)), [])
        shown = [
            contained("the style of the page", partial(style, letters), ""), '<article class="einbackprop-report">',
            header(gradients), *(f'<p class="remark">{in_html(item.message)}</p>' for item in general),
            contained("the letters on the page", partial(legend, dimensions), ""), *rows,
        ]  # fmt: skip
    failed = "".join(f'<p class="remark">{in_html(str(fault))}</p>' for fault in (*faults, *met))
    foot = f"<footer><h2>What this rests on</h2><ul>{rests}</ul></footer>" if rests else ""
    return "".join([*shown, failed, foot, "</article>"])


def style(letters: Sequence[str]) -> str:
    """The style, with a colour for each letter in a light and in a dark scheme."""

    def colours(background: str, scheme: str) -> str:
        named = (f"--of-{letter}:{readable_colour(letter, background)}" for letter in letters)
        return scheme + ";".join(named)

    light, dark = colours(LETTERS_LIGHT, LIGHT), colours(LETTERS_DARK, DARK)
    root = ".einbackprop-report"
    return (
        f"<style>{root}{{{light}}}@media (prefers-color-scheme:dark){{{root}{{{dark}}}}}{STYLE}</style>"
    )


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


def legend(dimensions: Sequence[Dimension]) -> str:
    """What each letter ranges over."""
    parts = []
    for d in dimensions:
        letters = ", ".join(f'<i style="color:{colour(letter)}">{in_html(letter)}</i>' for letter in d.letters)
        parts.append(f"<span>{letters} = {d.size}{in_html(f' ({d.name})' if d.name else '')}</span>")
    return f'<p class="letters">{" ".join(parts)}</p>' if parts else ""


def colour(letter: str) -> str:
    """The colour of a letter, which the style defines for either scheme."""
    return f"var(--of-{letter})"


def listings(lines: Sequence[Line], findings: Sequence[Finding]) -> Iterator[str]:
    """The lines of each file, every mistake under its line."""
    told = [item for item in findings if item.line is not None]
    files = dict.fromkeys([line.file for line in lines] + [item.file or "" for item in told])
    names = texts.names_of(files)
    for file in files:
        judged = {line.line: line for line in lines if line.file == file}
        mistakes = [item for item in told if item.file == file]
        numbers = sorted({*judged, *(item.line for item in mistakes if item.line is not None)})
        shown = with_between(numbers)
        indent = indentation(file, shown)
        rows: list[str] = []
        for number in shown:
            here = [item for item in mistakes if item.line == number]
            rows.append(GAP if number is None else line_row(file, number, judged.get(number), here, indent))
            rows += [mistake(item) for item in here if number is not None]
        yield f'<section><h2>{in_html(names[file])}</h2><div class="lines">{"".join(rows)}</div></section>'


def with_between(numbers: Sequence[int]) -> list[int | None]:
    """The lines that are shown: those that were judged, and the few that stand between two; None for more of them."""
    shown: list[int | None] = list(numbers[:1])
    for before, number in itertools.pairwise(numbers):
        few = number - before - 1 <= BETWEEN
        shown += [*range(before + 1, number), number] if few else [None, number]
    return shown


def indentation(file: str, numbers: Sequence[int | None]) -> int:
    """How far all the lines that are shown stand to the right."""
    lines = [linecache.getline(file, number).expandtabs() for number in numbers if number is not None]
    return min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)


def line_row(file: str, number: int, line: Line | None, mistakes: Sequence[Finding], indent: int) -> str:
    """A line of the user's code, its formula beside it, and what it is."""
    code = linecache.getline(file, number).expandtabs().rstrip()[indent:] or (line.code if line else "")
    if line is None:
        return code_row(number, code, "wrong" if mistakes else "other", "", "")
    told = any(item.yours for item in mistakes)  # the mistake below has the formula
    meaning = line.meaning if "∂" in line.meaning else ""  # what a line of the forward is its name says
    shown = "" if told else formula(line.markup, line.equation)
    return code_row(number, code, "wrong" if mistakes else line.verdict, shown, meaning)


def code_row(number: int, code: str, verdict: str, shown: str, meaning: str) -> str:
    """One row: the number, the code, the formula with its meaning."""
    title = f' title="{verdict}"' if verdict in SIGNS else ""
    sign = f'<span class="sign"{title}>{SIGNS.get(verdict, "")}</span>'
    said = f'<span class="meaning">{in_html(meaning)}</span>' if meaning else ""
    math = f'<div class="math">{shown}{said}</div>' if shown or said else ""
    return (
        f'<div class="line {verdict}"><span class="number">{number}{sign}</span>'
        f"<code>{in_html(code)}</code>{math}</div>"
    )


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
            rows.append(f'<dt>{name}</dt><dd class="{name}">{formula(markup, equation)}{code}</dd>')
    listed = f"<dl>{''.join(rows)}</dl>" if rows else ""
    return f'<div class="mistake" role="note"><p>{in_html(item.message)}</p>{listed}</div>'


def formula(markup: Markup, equation: str) -> str:
    """A formula as MathML, or as text where there is no markup."""
    plain = f"<code>{in_html(equation)}</code>"
    return contained("a formula on the page", partial(mathml, markup, colour), plain) if markup else plain


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
    faults
        The parts that failed by a mistake of ours; the verdicts do not rest on them.
    """

    gradients: tuple[Gradient, ...]
    lines: tuple[Line, ...] = ()
    findings: tuple[Finding, ...] = ()
    assumptions: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    faults: tuple[InternalFault, ...] = ()

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
            work = partial(_as_text, item, self.lines, colour)
            parts += contained("the text of a finding", work, (wrapped(item.message, "! ", "  "),))
        return [*parts, *contained("the text below the findings", self._below, self.assumptions)]

    def _below(self) -> list[str]:
        mistakes = any(item.line is not None for item in self.findings)
        more = [texts.followers(self.lines, self.findings)]
        more += [texts.letters_text(self.dimensions)] if mistakes and self.dimensions else []
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

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text(colour=on_terminal())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        html = part_of_page(self.gradients, self.lines, self.findings, self.assumptions, self.dimensions, self.faults)
        return {"text/plain": str(self), "text/html": html}


def _as_text(item: Finding, lines: Sequence[Line], colour: bool) -> list[str]:
    return list(texts.finding_text(item, lines, colour))


def _public(item: Gradient | Finding) -> dict[str, Any]:
    """The fields of a record, without those that say nothing; JSON knows no nan and no inf."""
    fields = {name: value for name, value in vars(item).items() if value not in (None, "") and "markup" not in name}
    for name, value in fields.items():
        if isinstance(value, float) and not abs(value) < float("inf"):
            fields[name] = None
    return fields


def _line(item: Line) -> dict[str, Any]:
    fields = {name: value for name, value in vars(item).items() if name != "markup"}
    fields["is"] = fields.pop("meaning")
    return fields


LETTERS_LIGHT, LETTERS_DARK = "#fdeceb", "#3a1f20"  # the least contrasting panel that letters stand on

LIGHT = (
    "--page:#ffffff;--panel:#f3f4f6;--text:#1c2128;--soft:#59616d;--line:#d5d9e0;--good:#0f6b33;--bad:#b3261e;"
    "--doubt:#7a5200;--bad-panel:#fdeceb;--good-panel:#e7f5ec;"
)
DARK = (
    "--page:#15181d;--panel:#20242b;--text:#e4e8ee;--soft:#a3adba;--line:#3a414b;--good:#63d08c;--bad:#ff8f86;"
    "--doubt:#e8b95a;--bad-panel:#3a1f20;--good-panel:#173024;"
)

STYLE = """
.einbackprop-report{box-sizing:border-box;max-width:76rem;margin:0 auto;padding:1.5rem clamp(.75rem,3vw,2.5rem) 3rem;
background:var(--page);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
body:has(>.einbackprop-report){margin:0;background:Canvas}
@media (prefers-color-scheme:dark){body:has(>.einbackprop-report){background:#15181d}}
.einbackprop-report code{font:.875rem/1.6 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
background:none;color:inherit;padding:0;border:0}
.einbackprop-report h1{font-size:1.75rem;line-height:1.25;margin:.25rem 0 1rem;font-weight:700}
.einbackprop-report h1 small{font-size:1.05rem;font-weight:400;color:var(--text)}
.einbackprop-report h2{font-size:1rem;margin:2rem 0 .6rem;font-weight:600}
.einbackprop-report :is(h1,tr).wrong,.einbackprop-report tr.wrong b{color:var(--bad)}
.einbackprop-report h1.right,.einbackprop-report tr.right b{color:var(--good)}
.einbackprop-report :is(h1.kink,h1.undecided,tr.kink b,tr.undecided b){color:var(--doubt)}
.einbackprop-report table{border-collapse:collapse;margin:0;font-size:.925rem;color:var(--text);background:none}
.einbackprop-report :is(th,td){padding:.2rem 1.25rem .2rem 0;text-align:left;font-weight:400;border:0;background:none;
vertical-align:baseline;color:var(--text)}
.einbackprop-report td:last-child{color:var(--soft);padding-right:0}
.einbackprop-report :is(.note,.remark){margin:.6rem 0 0;max-width:46rem}
.einbackprop-report .remark{border-left:.25rem solid var(--doubt);padding-left:.75rem}
.einbackprop-report .letters{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:1.5rem 0 0;color:var(--soft)}
.einbackprop-report .letters i{font-weight:700;font-size:1.1rem;font-family:"STIX Two Math","Latin Modern Math",
"Cambria Math",Georgia,serif}
.einbackprop-report .lines{border:1px solid var(--line);border-radius:.6rem;overflow:hidden;background:var(--panel)}
.einbackprop-report .line{display:grid;grid-template-columns:4.25rem minmax(0,1fr) minmax(0,1fr);gap:0 1rem;
padding:.3rem .9rem .3rem 0;align-items:baseline;border-left:.3rem solid transparent}
.einbackprop-report .line>code{white-space:pre-wrap;overflow-wrap:anywhere;tab-size:4;padding-left:6ch;text-indent:-6ch}
.einbackprop-report .number{color:var(--soft);text-align:right;font:.8rem ui-monospace,Menlo,Consolas,monospace;
user-select:none;display:flex;justify-content:flex-end;gap:.5rem}
.einbackprop-report .number .sign{width:1rem;text-align:center;font-weight:700}
.einbackprop-report .right .sign{color:var(--good)}
.einbackprop-report .line.wrong{background:var(--bad-panel);border-left-color:var(--bad)}
.einbackprop-report .wrong .sign{color:var(--bad)}
.einbackprop-report .undecided .sign{color:var(--doubt)}
.einbackprop-report .line:is(.follows,.other)>code,.einbackprop-report .line.follows .meaning{color:var(--soft)}
.einbackprop-report .line.follows math{color:var(--soft)}
.einbackprop-report .math{min-width:0;overflow-x:auto;overflow-y:hidden}
.einbackprop-report math{font-size:1.1rem;line-height:1.3;padding-bottom:.3rem}
.einbackprop-report .meaning{display:block;font-size:.85rem;color:var(--soft)}
.einbackprop-report .gap .number{justify-content:center}
.einbackprop-report .mistake{background:var(--bad-panel);border-left:.3rem solid var(--bad);
padding:.1rem 1rem .9rem 4.95rem;overflow-x:auto}
.einbackprop-report .mistake p{margin:.35rem 0 .6rem;font-weight:600;max-width:46rem}
.einbackprop-report dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.5rem 1rem;margin:0;
align-items:baseline}
.einbackprop-report dt{color:var(--text);font-size:.875rem;font-weight:400}
.einbackprop-report dd{margin:0;min-width:0;overflow-x:auto;overflow-y:hidden}
.einbackprop-report dd>code{display:block;white-space:pre-wrap;overflow-wrap:anywhere}
.einbackprop-report dd.write code{color:var(--good);font-weight:600}
.einbackprop-report dd math+code{color:var(--soft)}
.einbackprop-report footer{color:var(--soft);font-size:.9rem}
.einbackprop-report footer h2{color:var(--text)}
.einbackprop-report footer ul{margin:0;padding-left:1.1rem;max-width:60rem}
@media (max-width:52rem){
.einbackprop-report .line{grid-template-columns:3.25rem minmax(0,1fr)}
.einbackprop-report .line .math{grid-column:2;padding:.1rem 0 .3rem}
.einbackprop-report .mistake{padding-left:1rem}
.einbackprop-report :is(th,td){padding-right:.75rem}
.einbackprop-report tr{display:flex;flex-wrap:wrap}
.einbackprop-report dl{grid-template-columns:minmax(0,1fr);gap:.15rem 0}
.einbackprop-report dd{margin-bottom:.5rem}
}
@media print{.einbackprop-report{max-width:none;padding:0}}
"""
