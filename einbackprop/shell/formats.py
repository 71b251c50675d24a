"""What came of checks for programs to read: as JSON, as lines for editors, as annotations for GitHub, and as SARIF.

Outcomes go in, one text comes out. Paths are written from the current folder, with forward slashes. A cell of a
notebook is named with its number: its lines are not those of the notebook's file.
"""

import json
import linecache
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from einbackprop.checking import texts
from einbackprop.checking.reports import Report
from einbackprop.checking.source_edits import Text, rewritten
from einbackprop.checking.verdicts import Finding, Gradient
from einbackprop.core.records import dataclass
from einbackprop.core.source import CELLS, Statements, statements_of
from einbackprop.core.visible import in_json, one_line, visible
from einbackprop.errors import CodeError, EinbackpropError
from einbackprop.shell.command import installed_version

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/einbackprop/einbackprop"


class Kind(NamedTuple):
    """A kind of entry: its word for people, how grave it is in the words of SARIF, and what it means."""

    word: str
    level: str
    meaning: str


KINDS = {
    "wrong-line": Kind("wrong", "error", "A line makes a hand-written gradient wrong."),
    "wrong-gradient": Kind("wrong", "error", "A hand-written gradient is not the gradient of the loss."),
    "unusable": Kind("error", "error", "The script or an expression could not be used."),
    "kink": Kind("kink", "warning", "The loss has no derivative where the gradient was compared."),
    "undecided": Kind("undecided", "warning", "Whether the gradient is right could not be decided."),
    "remark": Kind("note", "note", "Something to know about a check."),
}
OF_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
OF_GRADIENTS = {"wrong": "wrong-gradient", "kink": "kink", "undecided": "undecided"}


@dataclass(frozen=True)
class Outcome:
    """What came of one check: a report, or the error because of which there is none.

    Attributes
    ----------
    script
        The path of the file.
    title
        What was checked, in a line: ``net.py: loss(W, X)``.
    """

    script: str
    title: str
    report: Report | None = None
    error: EinbackpropError | None = None

    @property
    def exit_code(self) -> int:
        """That of the report; 2 where there is none."""
        return 2 if self.report is None else self.report.exit_code

    def hint(self, level: int) -> "Outcome":
        """The same without what is right: see `Report.hint`."""
        return self if self.report is None else replace(self, report=self.report.hint(level))


class Entry(NamedTuple):
    """What is said of one place: of a line, or of a whole file."""

    kind: str
    file: str
    line: int | None
    message: str
    finding: Finding | None = None


class Region(NamedTuple):
    """A part of a text: lines and columns from 1, in characters; the end is after the last one."""

    line: int
    column: int
    end_line: int
    end_column: int


def entries_of(outcome: Outcome) -> Iterator[Entry]:
    """What is to be said of a check: each finding; gradients that are not right and that no line was found for."""
    if outcome.error is not None:
        place = outcome.error.place if isinstance(outcome.error, CodeError) else None
        file, line = place[:2] if place is not None and not place[0].startswith("<") else (outcome.script, None)
        yield Entry("unusable", file, line, one_line(str(outcome.error)))
    if outcome.report is None:
        return
    wrong = outcome.report.exit_code == 1
    placed = [item for item in outcome.report.findings if item.line and item.file and not item.file.startswith("<")]
    for item in placed:
        yield Entry("wrong-line" if wrong else "remark", item.file or "", item.line, one_line(item.message), item)
    for gradient in outcome.report.gradients:
        if gradient.verdict != "right" and not (gradient.verdict == "wrong" and placed):
            yield Entry(OF_GRADIENTS[gradient.verdict], outcome.script, None, of_gradient(gradient))
    for item in outcome.report.findings:
        if item not in placed:
            yield Entry("remark", outcome.script, None, one_line(item.message), item)


def of_gradient(gradient: Gradient) -> str:
    """``the gradient of W2 is wrong: off by 4.4e+15 roundings at [1, 3]: yours -0.92, expected 0.51``."""
    said = [part for part in (texts.error_text(gradient), gradient.note) if part]
    return one_line(": ".join([f"the gradient of {gradient.name} is {gradient.verdict}", *said]).replace(
        "is kink", "is at a kink"))


def path_of(file: str) -> str:
    """A path from the current folder, or a whole one where the file is not below that; with forward slashes."""
    whole = os.path.abspath(file)
    try:
        relative = os.path.relpath(whole)
    except ValueError:  # on another drive
        return Path(whole).as_posix()
    return Path(whole if relative.split(os.sep)[0] == os.pardir else relative).as_posix()


def region_of(file: str, line: int) -> Region:
    """Where the statement on a line stands; the line alone, if it has a body or others stand on the line as well."""
    statements, text = statements_of(file), linecache.getline(file, line).rstrip()
    start = len(text) - len(text.lstrip()) + 1
    node: Any = statements.at(line)
    if node is not None and node.lineno == line and not hasattr(node, "body"):
        region = Region(*at(statements, Text(statements.text).span(node)))
        if region.column == start:
            return region
    return Region(line, start, line, len(text) + 1)


def at(statements: Statements, span: tuple[int, int]) -> tuple[int, int, int, int]:
    """The lines and columns of a part of a text, for its positions."""
    places = [(statements.text.count("\n", 0, place) + 1, place - statements.text.rfind("\n", 0, place))
              for place in span]
    return (*places[0], *places[1])


def as_lines(outcomes: Sequence[Outcome]) -> str:
    """``net.py:44:5: wrong: first must stand here, not second. Write `…`.``: a line for each entry."""
    return "\n".join(_line(entry) for outcome in outcomes for entry in entries_of(outcome))


def _line(entry: Entry) -> str:
    cell = CELLS.get(entry.file)
    place = [path_of(cell.notebook), f"cell {cell.number}"] if cell else [path_of(entry.file)]
    if entry.line is not None:
        place += [str(entry.line), str(region_of(entry.file, entry.line).column)]
    write = f" Write `{entry.finding.write}`." if entry.finding is not None and entry.finding.write else ""
    return visible(f"{':'.join(place)}: {KINDS[entry.kind].word}: {entry.message}{write}")


def as_github(outcomes: Sequence[Outcome]) -> str:
    """Workflow commands, one a line, by which GitHub shows each entry at its place in a change."""
    return "\n".join(_command(outcome, entry) for outcome in outcomes for entry in entries_of(outcome))


def _command(outcome: Outcome, entry: Entry) -> str:
    cell, place = CELLS.get(entry.file), {"file": visible(path_of(entry.file))}
    where = ""
    if cell is not None:
        place = {"file": visible(path_of(cell.notebook))}
        where = f"cell {cell.number}, line {entry.line}: "
    elif entry.line is not None:
        region = region_of(entry.file, entry.line)
        place |= {"line": str(region.line), "endLine": str(region.end_line), "col": str(region.column)}
    title = "einbackprop: " + (outcome.report.headline if outcome.report is not None else KINDS[entry.kind].word)
    message = "\n".join([where + entry.message, *_formulas(entry)])
    properties = ",".join(f"{name}={_property(text)}" for name, text in (place | {"title": visible(title)}).items())
    return f"::{OF_GITHUB[KINDS[entry.kind].level]} {properties}::{_data(message)}"


def _formulas(entry: Entry) -> list[str]:
    """What to write, and both formulas, a row for each line of them."""
    item = entry.finding
    told = (("write", item.write), ("yours", item.yours), ("expected", item.expected)) if item is not None else ()
    return [visible(f"{name}: {row}") for name, text in told for row in (text or "").splitlines()]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_json(outcomes: Sequence[Outcome]) -> str:
    """A list: of each check the script, what was checked, and the fields of its report, or the error."""
    rows = []
    for outcome in outcomes:
        told = {"ok": False, "error": str(outcome.error)} if outcome.report is None else (
            json.loads(outcome.report.to_json()))
        rows.append({"script": outcome.script, "title": outcome.title, **told})
    return in_json(json.dumps(rows, ensure_ascii=False))


def as_sarif(outcomes: Sequence[Outcome]) -> str:
    """One SARIF 2.1.0 document: a rule for each kind, a result for each entry, a fix where there is a line to write."""
    results = [_result(entry) for outcome in outcomes for entry in entries_of(outcome)]
    order = list(KINDS)
    rules = [
        {"id": name, "shortDescription": {"text": kind.meaning}, "defaultConfiguration": {"level": kind.level}}
        for name, kind in KINDS.items()
    ]
    driver = {"name": "einbackprop", "version": installed_version(), "informationUri": HOME, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": all(outcome.error is None for outcome in outcomes)}],
        "results": [result | {"ruleIndex": order.index(result["ruleId"])} for result in results],
    }
    return in_json(json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False))


def _result(entry: Entry) -> dict[str, Any]:
    cell = CELLS.get(entry.file)
    location: dict[str, Any] = {"artifactLocation": {"uri": uri_of(cell.notebook if cell else entry.file)}}
    where = f"cell {cell.number}, line {entry.line}: " if cell else ""
    if entry.line is not None and cell is None:
        location["region"] = _region(region_of(entry.file, entry.line))
    message = "\n".join([where + entry.message, *_formulas(entry)])
    fixes = [] if cell else _fixes(entry, location["artifactLocation"])
    return {
        "ruleId": entry.kind, "level": KINDS[entry.kind].level, "message": {"text": message},
        "locations": [{"physicalLocation": location}], **({"fixes": fixes} if fixes else {}),
    }  # fmt: skip


def _region(region: Region) -> dict[str, int]:
    return dict(zip(("startLine", "startColumn", "endLine", "endColumn"), region, strict=True))


def _fixes(entry: Entry, artifact: Mapping[str, str]) -> list[dict[str, Any]]:
    """The smallest edit of the file by which the line becomes what is to be written; none where that is not known."""
    item = entry.finding
    if item is None or item.line is None or not item.write:
        return []
    statements = statements_of(entry.file)
    replacements = [
        {"deletedRegion": _region(Region(*at(statements, (start, end)))), "insertedContent": {"text": text}}
        for start, end, text in sorted(rewritten(statements.text, item.line, item.write) or ())
    ]
    change = {"artifactLocation": artifact, "replacements": replacements}
    return [{"description": {"text": f"Write {item.write}"}, "artifactChanges": [change]}] if replacements else []


def uri_of(file: str) -> str:
    """The path of a file as a URI, or as the end of one."""
    path = path_of(file)
    return Path(path).as_uri() if Path(path).is_absolute() else quote(os.fsencode(path))


FORMATS: Mapping[str, Callable[[Sequence[Outcome]], str]] = {
    "lines": as_lines, "github": as_github, "sarif": as_sarif,
}  # fmt: skip
