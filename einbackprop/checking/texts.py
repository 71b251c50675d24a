"""A report as text for a terminal: at most 100 columns, in colour where that is wanted."""

import linecache
import math
import re
import textwrap
from collections.abc import Iterator, Sequence

from ..core.program import Dimension
from ..core.source import names_of
from ..core.visible import visible
from ..notation.display import columns, painted
from .verdicts import Finding, Gradient, Line, Verdict

COLOURS = {"wrong": "31;1", "right": "32", "proved": "32", "kink": "33", "undecided": "33", "!": "31;1", "+": "32"}
LETTERS = re.compile(r"(?<=Σ_)\w+|(?<=\[)[^\W\d_](?:,[^\W\d_])*(?=\])")
SPARE = 64  # roundings: only differences of the loss are so far off and right


def headline(gradients: Sequence[Gradient]) -> str:
    """``wrong: W2 (of 6 gradients)``."""
    count = len(gradients)
    plural = "gradient" if count == 1 else "gradients"
    if count and all(item.verdict == "right" for item in gradients):
        return f"right: {count} {plural}" if count == 1 else f"right: all {count} {plural}"
    order: tuple[Verdict, ...] = ("wrong", "kink", "undecided")
    named = {verdict: [item.name for item in gradients if item.verdict == verdict] for verdict in order}
    told = [f"{verdict}: {', '.join(names)}" for verdict, names in named.items() if names]
    return "; ".join(told) + f" (of {count} {plural})" if told else "no gradients"


def table(gradients: Sequence[Gradient], colour: bool = False) -> Iterator[str]:
    """A row for each gradient: its name, shape and verdict, and how far it is off."""
    rows = [(item.name, shape_text(item), verdict_text(item), error_text(item)) for item in gradients]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        first = "  " + "  ".join(cells)
        text = wrapped(f"{first}  {row[3]}".rstrip(), "", " " * (len(first) + 2))
        start = len(first) - widths[2]
        yield text[:start] + marked(row[2], colour) + text[start + len(row[2]) :]


def notes(gradients: Sequence[Gradient]) -> Iterator[str]:
    """What else there is to say of gradients, each thing once."""
    for note in dict.fromkeys(item.note for item in gradients if item.note):
        yield f"{', '.join(item.name for item in gradients if item.note == note)}: {note}"


def finding_text(item: Finding, lines: Sequence[Line], colour: bool = False) -> Iterator[str]:
    """A finding; of a line, with the code, what to write instead, and both formulas under each other."""
    if item.line is None or item.file is None:
        yield marked("!", colour) + wrapped(item.message, "! ", "  ")[1:]
        return
    name = names_of([item.file, *(line.file for line in lines)])[item.file]
    head = visible(f"! {name}, line {item.line}: {code_of(item, lines)}")
    yield marked("!", colour) + (head if len(head) <= columns() else head[: columns() - 2] + " …")[1:]
    yield wrapped(item.message, "    ")
    for name, text in (("write", item.write), ("yours", item.yours), ("expected", item.expected)):
        first = f"    {name:<9} "
        for row in (text or "").splitlines():
            shown = wrapped(row, first, " " * 18)
            yield LETTERS.sub(lambda letters: painted_letters(letters.group()), shown) if colour else shown
            first = " " * 14


def code_of(item: Finding, lines: Sequence[Line]) -> str:
    """The line that a finding is about."""
    shown = next((line.code for line in lines if (line.file, line.line) == (item.file, item.line)), "")
    return shown or linecache.getline(item.file or "", item.line or 0).strip()


def followers(lines: Sequence[Line], findings: Sequence[Finding]) -> str:
    """``Lines 56, 58 and 60 to 62 are wrong only because of that.``; the file, where it is not the mistake's."""
    mistakes = [item for item in findings if item.line is not None]
    found = sorted({(line.file, line.line) for line in lines  # an expression of the command line is no line of a file
                    if line.verdict == "follows" and not line.file.startswith("<")})  # fmt: skip
    if not found or not mistakes:
        return ""
    named = names_of([line.file for line in lines] + [item.file for item in mistakes if item.file])
    home = {item.file for item in mistakes}
    files = sorted(dict.fromkeys(file for file, _ in found), key=lambda file: file not in home)
    told = []
    for file in files:
        numbers = [number for other, number in found if other == file]
        where = "" if home == {file} else f" of {named[file]}"
        told.append(f"{'line' if len(numbers) == 1 else 'lines'} {ranges(numbers)}{where}")
    start = ", and ".join(told)
    are = "is" if len(found) == 1 else "are"
    return f"{start[0].upper()}{start[1:]} {are} wrong only because of {'that' if len(mistakes) == 1 else 'these'}."


def ranges(numbers: Sequence[int]) -> str:
    """Line numbers, runs of three or more as ``60 to 62``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(number) for number in run] for run in runs]
    parts = [part for run in told for part in run]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def letters_text(dimensions: Sequence[Dimension]) -> str:
    """``letters: i = 3   j = 4   b = 5 (batch_size)``: what each letter ranges over."""
    named = (f"{', '.join(d.letters)} = {d.size}" + (f" ({d.name})" if d.name else "") for d in dimensions)
    return "letters: " + "   ".join(named)


def shape_text(item: Gradient) -> str:
    """``(4,3)``."""
    return str(item.shape).replace(" ", "")


def verdict_text(item: Gradient) -> str:
    """The verdict, or the grade where that says more."""
    return "proved" if item.verdict == "right" and item.grade == "proved" else str(item.verdict)


def error_text(item: Gradient) -> str:
    """How far a gradient is off, where most, and both values there if it is wrong."""
    if item.max_error is None or item.roundings is None or item.index is None:
        return ""
    where = f" at {list(item.index)}" if item.index else ""
    text = f"off by {amount(item.roundings)} roundings{where}"
    if item.verdict == "right" and item.roundings > SPARE:
        return f"off by {item.max_error:.1g} of the largest entry, all that differences can tell"
    if item.verdict == "right":
        return text
    if not math.isfinite(item.roundings):
        return f"yours {item.yours:.6g}, expected {item.expected:.6g}{where}"
    digits = ".6g" if item.max_error > 1e-4 else ".15g"
    return f"{text}: yours {item.yours:{digits}}, expected {item.expected:{digits}}"


def amount(value: float) -> str:
    """Write a number of roundings: two digits, no exponent below a million."""
    return f"{value:.2g}" if value < 100 or value >= 1e6 else f"{value:,.0f}"


def wrapped(text: str, first: str, rest: str | None = None) -> str:
    """Text on as many lines as it needs, safe to show."""
    indent = first if rest is None else rest
    return textwrap.fill(
        visible(text, keep="\n"), columns(), initial_indent=first, subsequent_indent=indent, break_long_words=False,
        drop_whitespace=True, break_on_hyphens=False,
    )  # fmt: skip


def marked(word: str, colour: bool) -> str:
    """A verdict, or the sign of a finding, in its colour."""
    return f"\x1b[{COLOURS[word]}m{word}\x1b[0m" if colour and word in COLOURS else word


def painted_letters(run: str) -> str:
    """The letters of ``i,j`` or ``ij`` in their colours."""
    return "".join(c if c == "," else painted(c) for c in run)
