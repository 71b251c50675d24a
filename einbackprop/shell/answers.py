"""Scripts that are asked nothing: what they seem to ask is proposed, checked and read."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from einbackprop.checking.reports import Finding, Report, part_of_page
from einbackprop.core.visible import in_html, in_json, shown, visible
from einbackprop.errors import ScriptError
from einbackprop.notation import pages
from einbackprop.reading import pages as reading_pages
from einbackprop.reading.reading import Reading
from einbackprop.shell.proposals import Proposal, proposals_of, quoted
from einbackprop.shell.scripts import answer, read_script, run, source_of

WORST = (4, 2, 1, 3, 0)
"""Exit codes, the worst first."""


@dataclass(frozen=True)
class Answer:
    """A proposal, and the report on what it asks."""

    proposal: Proposal
    report: Report

    def text(self, *, colour: bool = False) -> str:
        """What was asked, in a line or two, above the report."""
        return "\n".join([*map(visible, asked(self.proposal)), self.report.text(colour=colour)])


@dataclass(frozen=True)
class Answers:
    """All that a script seems to ask, with the reports; it can be shown as one report can."""

    found: tuple[Answer, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for answer in self.found for finding in answer.report.findings)

    @property
    def exit_code(self) -> int:
        """That of the worst report."""
        return min((answer.report.exit_code for answer in self.found), key=WORST.index)

    @property
    def headline(self) -> str:
        return "; ".join(answer.report.headline for answer in self.found)

    def text(self, *, colour: bool = False) -> str:
        """Every report under what was asked, an empty line between two."""
        return "\n\n".join(answer.text(colour=colour) for answer in self.found)

    def to_json(self) -> str:
        """A list: the report of each question, with the question under ``asked``."""
        reports = [json.loads(answer.report.to_json()) | {"asked": _as_data(answer.proposal)} for answer in self.found]
        return in_json(json.dumps(reports, ensure_ascii=False))

    def to_html(self) -> str:
        """One page with all reports, each under what was asked."""
        parts = [f'<p class="remark">{in_html(" ".join(asked(answer.proposal)))}</p>{_part_of(answer.report)}'
                 for answer in self.found]  # fmt: skip
        return pages.page(self.headline, "".join(parts))


def asked(proposal: Proposal) -> list[str]:
    """What was taken for what: the options that ask the same, and what is to be known of them, a line each."""
    line = f"asked: {proposal.options}" if not proposal.source else ""
    return [*filter(None, (line,)), *(f"({note})" for note in proposal.notes)]


def _part_of(report: Report) -> str:
    return part_of_page(report.gradients, report.lines, report.findings, report.assumptions, report.dimensions,
                        report.faults)


def _as_data(proposal: Proposal) -> dict[str, object]:
    assert proposal.question is not None
    given = {name: value for name, value in vars(proposal.question).items() if value}
    return {**given, "wrt": list(proposal.question.wrt), "setup": proposal.setup, "notes": list(proposal.notes)}


def proposed(script: str, setup: str = "", seed: int = 0) -> list[Proposal]:
    """What a script seems to ask, the likeliest first; statements of a setup run after it.

    Raises
    ------
    ScriptError
        The script cannot be used, or nothing in it gives gradients.
    """
    again = functools.partial(run, script, setup, seed)
    with run(script, setup, seed) as names:
        text = source_of(script).decode("utf-8", "replace")
        found = proposals_of(names, text, lambda other: again(text=other))
    if not found:
        raise ScriptError(
            f"{script}: nothing in it was found to give gradients: say what to check by --loss and --grads, by --both, "
            f"or by --forward and --backward, with --wrt{_defined(names)}")
    return found


def _defined(names: dict[str, object]) -> str:
    """The functions that there are, for who has to name them."""
    own = [name for name, value in names.items()
           if callable(value) and getattr(value, "__module__", "") == names.get("__name__")]  # fmt: skip
    return f"; it defines {', '.join(map(shown, own[:8]))}" if own else ""


def answers(script: str, setup: str = "", seed: int = 0, seconds: float | None = None) -> Answers:
    """Check all that a script seems to ask, one after the other. Raises as `proposed` does."""
    found = []
    for proposal in proposed(script, setup, seed):
        assert proposal.question is not None
        statements = "\n".join(filter(None, (setup, proposal.setup)))
        found.append(Answer(
            proposal, answer(script, proposal.question, statements, seed, seconds, proposal.source)))
    return Answers(tuple(found))


@dataclass(frozen=True)
class Readings:
    """Readings of all gradients that a script seems to make; they can be shown as one can."""

    found: tuple[tuple[Proposal, Reading], ...]

    def __str__(self) -> str:
        return "\n\n".join("\n".join([*map(visible, read_as(proposal)), str(reading)])
                           for proposal, reading in self.found)  # fmt: skip

    @property
    def latex(self) -> str:
        return "\n".join(reading.latex for _, reading in self.found)

    def to_html(self) -> str:
        """One page with all readings, each under its expression."""
        parts = [reading_pages.part_of_page(reading, reading.title or "") for _, reading in self.found]
        return pages.page(", ".join(proposal.expression for proposal, _ in self.found), "".join(parts))


def read_as(proposal: Proposal) -> list[str]:
    """What is read: the arguments of ``einbackprop read`` that read the same, and what is to be known of them."""
    setup = "; ".join([*proposal.setup.splitlines(), *proposal.draws.splitlines()])
    options = f"{quoted(proposal.expression)}" + (f" --setup {quoted(setup)}" if setup else "")
    return [*([] if proposal.source else [f"read: {options}"]), *(f"({note})" for note in proposal.notes)]


def readings(script: str, setup: str = "", seed: int = 0) -> Readings:
    """Read all gradients that a script seems to make, one after the other. Raises as `proposed` does."""
    found = []
    for proposal in proposed(script, setup, seed):
        statements = "\n".join(filter(None, (setup, proposal.setup, proposal.draws)))
        found.append((proposal, read_script(script, proposal.expression, statements, seed, proposal.source)))
    return Readings(tuple(found))
