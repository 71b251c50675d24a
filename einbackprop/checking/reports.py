"""The report of a check: as data, as text, as JSON, as a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from einbackprop.checking import texts
from einbackprop.checking.pages import page, part_of_page
from einbackprop.checking.records import Finding, Grade, Gradient, Line, Verdict
from einbackprop.checking.texts import wrapped
from einbackprop.core.faults import InternalFault, collecting, contained
from einbackprop.core.program import Dimension
from einbackprop.core.visible import in_json, visible
from einbackprop.errors import GradientError
from einbackprop.notation.display import on_terminal

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
