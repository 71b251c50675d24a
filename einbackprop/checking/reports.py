"""What a check found, as data, as text within 100 columns, and as JSON."""

import json
import os
import textwrap
from dataclasses import dataclass
from typing import Any, Literal

from einbackprop.errors import GradientError

Verdict = Literal["right", "wrong", "kink", "undecided"]
Grade = Literal["proved", "exact", "close"]
WIDTH = 100


@dataclass(frozen=True)
class Gradient:
    """The verdict on one gradient.

    Attributes
    ----------
    name
        What it is the gradient of, in the user's words: ``W2``.
    verdict
        ``right``; ``wrong``; ``kink``: the loss has no derivative there; ``undecided``.
    grade
        How sure a right or wrong verdict is. ``proved``: one polynomial in index notation with what is
        derived from the loss, pointwise functions as atoms, so equal for every size and value. ``exact``:
        equal to that in exact arithmetic at drawn sizes and values. ``close``: equal to the reference
        (complex step or differences), or not, by more than rounding explains, at the values drawn.
    max_error
        The largest difference from the reference, relative to the reference's largest entry.
    roundings
        The same difference in units of the rounding that this entry suffers in the user's own
        code and dtype, as measured.
    index, yours, expected
        Where that is, and the two values.
    note
        What else there is to say: a wrong shape, what could not be decided.
    """

    name: str
    verdict: Verdict
    grade: Grade | None = None
    max_error: float | None = None
    roundings: float | None = None
    index: tuple[int, ...] | None = None
    yours: float | None = None
    expected: float | None = None
    shape: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Line:
    """The verdict on one line of the user's code."""

    file: str
    line: int
    code: str
    equation: str
    einsum: str
    meaning: str
    verdict: str


@dataclass(frozen=True)
class Finding:
    """Something to tell the user; `line` is a line of the user's file, if it is about one."""

    message: str
    file: str | None = None
    line: int | None = None
    yours: str | None = None
    expected: str | None = None


@dataclass(frozen=True)
class Report:
    """The outcome of a check: truthy if every gradient is right.

    Attributes
    ----------
    gradients, lines, findings
        What was found, in the order of the user's arrays and lines.
    assumptions
        What the verdicts rest on: how values were drawn, what the reference is.
    """

    gradients: tuple[Gradient, ...]
    lines: tuple[Line, ...] = ()
    findings: tuple[Finding, ...] = ()
    assumptions: tuple[str, ...] = ()

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

    def raise_if_wrong(self) -> None:
        """Raise a GradientError with the report's text if a gradient is wrong."""
        if self.exit_code == 1:
            raise GradientError(str(self))

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(
            {
                "ok": self.ok,
                "gradients": [_public(item) for item in self.gradients],
                "lines": [_line(item) for item in self.lines],
                "findings": [_public(item) for item in self.findings],
                "assumptions": list(self.assumptions),
            },
            ensure_ascii=False,
        )

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        parts = [self._headline(), *self._table()]
        for note in dict.fromkeys(item.note for item in self.gradients if item.note):
            names = ", ".join(item.name for item in self.gradients if item.note == note)
            parts.append(_wrapped(f"{names}: {note}", "  "))
        for item in self.findings:
            parts += self._finding(item)
        parts += self._followers()
        parts += [_wrapped(text, "  ") for text in self.assumptions]
        return "\n".join(parts)

    def _finding(self, item: Finding) -> list[str]:
        """A finding; of a line, with the code, and both formulas under each other."""
        if item.line is None or item.file is None:
            return [_wrapped(item.message, "! ", "  ")]
        code = next((line.code for line in self.lines if (line.file, line.line) == (item.file, item.line)), "")
        head = f"! {os.path.basename(item.file)}, line {item.line}: {code}"
        rows = [head if len(head) <= WIDTH else head[: WIDTH - 2] + " …", _wrapped(item.message, "    ")]
        for name, formula in (("yours", item.yours), ("expected", item.expected)):
            first = f"    {name:<9} "
            for row in (formula or "").splitlines():
                rows.append(_wrapped(row, first, " " * 18))
                first = " " * 14
        return rows

    def _followers(self) -> list[str]:
        """The lines that are wrong only because others are."""
        numbers = [str(line.line) for line in self.lines if line.verdict == "follows"]
        if not numbers or not any(item.line for item in self.findings):
            return []
        told = numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
        verb = "Line" if len(numbers) == 1 else "Lines"
        return [_wrapped(f"{verb} {told}: wrong only because of that.", "  ")]

    def _headline(self) -> str:
        count = len(self.gradients)
        plural = "gradient" if count == 1 else "gradients"
        if self.ok:
            return f"right: {count} {plural}" if count == 1 else f"right: all {count} {plural}"
        named = {verdict: [item.name for item in self.gradients if item.verdict == verdict]
                 for verdict in ("wrong", "kink", "undecided")}
        told = [f"{verdict}: {', '.join(names)}" for verdict, names in named.items() if names]
        return _wrapped("; ".join(told) + f" (of {count} {plural})" if told else "no gradients", "")

    def _table(self) -> list[str]:
        rows = [(item.name, str(item.shape).replace(" ", ""), _verdict(item), _error(item))
                for item in self.gradients]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = []
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            first = "  " + "  ".join(cells)
            lines.append(_wrapped(f"{first}  {row[3]}".rstrip(), "", " " * (len(first) + 2)))
        return lines


def amount(value: float) -> str:
    """Write a number of roundings: two digits, no exponent below a million."""
    return f"{value:.2g}" if value < 100 or value >= 1e6 else f"{value:,.0f}"


def _verdict(item: Gradient) -> str:
    return "proved" if item.verdict == "right" and item.grade == "proved" else str(item.verdict)


def _error(item: Gradient) -> str:
    if item.max_error is None or item.roundings is None or item.index is None:
        return ""
    where = f" at {list(item.index)}" if item.index else ""
    text = f"off by {amount(item.roundings)} roundings{where}"
    if item.verdict == "right" and item.roundings > 64:
        return f"off by {item.max_error:.1g} of the largest entry, all that differences can tell"
    if item.verdict == "right":
        return text
    digits = ".6g" if item.max_error > 1e-4 else ".15g"
    return f"{text}: yours {item.yours:{digits}}, expected {item.expected:{digits}}"


def _wrapped(text: str, first: str, rest: str | None = None) -> str:
    indent = first if rest is None else rest
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=indent,
        break_long_words=False, drop_whitespace=True,
    )


def _public(item: Gradient | Finding) -> dict[str, Any]:
    """The fields of a record, without those that say nothing; JSON knows no nan and no inf."""
    fields = {name: value for name, value in vars(item).items() if value not in (None, "")}
    for name, value in fields.items():
        if isinstance(value, float) and not abs(value) < float("inf"):
            fields[name] = None
    return fields


def _line(item: Line) -> dict[str, Any]:
    fields = vars(item).copy()
    fields["is"] = fields.pop("meaning")
    return fields
