"""What comes of checks, shown as the options ask: printed, as a patch, and as a page; the exit code comes out."""

from collections.abc import Iterable, Iterator, Sequence

from einbackprop.checking.source_edits import patch_of
from einbackprop.core.visible import one_line
from einbackprop.errors import ScriptError
from einbackprop.notation import pages
from einbackprop.notation.console import complain, say, say_exactly, say_json
from einbackprop.notation.display import fitted, on_terminal
from einbackprop.shell.formats import FORMATS, Outcome, as_json
from einbackprop.shell.scripts import write_page

WORST = (0, 3, 1, 2, 4)
"""Exit codes, from the one that all others outweigh."""


def show(outcomes: Iterable[Outcome], form: str, html: str | None, force: bool, alone: bool) -> int:
    """Show outcomes, and return the exit code that outweighs the others.

    Parameters
    ----------
    outcomes
        As text, each is shown as soon as it is there.
    form
        ``text``, ``json``, ``lines``, ``github``, ``sarif`` or ``diff``.
    html, force
        The file for a page, if one is wanted; whether it may replace what is none of ours.
    alone
        One script was named: it has no heading, JSON is its report itself, and an error is raised where nothing else
        would say it.

    Raises
    ------
    EinbackpropError
        That of a check that was asked for alone.
    """
    done = list(_as_they_come(outcomes, form, alone))
    if form in FORMATS:
        _say_document(form, FORMATS[form](done))
    elif form == "json":
        report = done[0].report if alone else None
        say_json(as_json(done) if report is None else report.to_json())
    elif form == "diff":
        _show_patch(done)
    code = max((outcome.exit_code for outcome in done), key=WORST.index, default=0)
    return code if html is None or _has_written(done, html, force, alone) else code or 2


def _as_they_come(outcomes: Iterable[Outcome], form: str, alone: bool) -> Iterator[Outcome]:
    """The outcomes; as text each is printed, an error to standard error."""
    for outcome in outcomes:
        if outcome.error is not None and alone and form not in FORMATS:
            raise outcome.error
        if form == "text":
            _say_text(outcome, alone)
        if outcome.error is not None:
            complain(f"einbackprop: {one_line(str(outcome.error if alone else f'{outcome.title}: {outcome.error}'))}")
        elif form in FORMATS and outcome.report is not None:
            complain(outcome.report.headline if alone else f"{outcome.title}: {outcome.report.headline}")
        yield outcome


def _say_text(outcome: Outcome, alone: bool) -> None:
    """Print a report; of several each under its title."""
    with fitted():
        text = "" if outcome.report is None else outcome.report.text(colour=on_terminal())
    say(text if alone else f"{outcome.title}\n{text}\n" if text else f"{outcome.title}\nnot checked\n")


def _say_document(form: str, text: str) -> None:
    if form == "sarif":
        say_json(text)
    elif text:
        say(text)


def _show_patch(outcomes: Sequence[Outcome]) -> None:
    """Print the patch alone; the verdicts, and what could not be put into it, go to standard error."""
    reports = [outcome.report for outcome in outcomes if outcome.report is not None]
    patch = patch_of([item for report in reports for item in report.findings])
    say_exactly(patch.text, patch.data)
    for report in reports:
        complain(report.headline)
    for line in patch.left_out:
        complain(f"einbackprop: {line}")
    if any(report.exit_code == 1 for report in reports) and not patch.text and not patch.left_out:
        complain("einbackprop: no line to write was found: the report without --diff says what is")


def _has_written(outcomes: Sequence[Outcome], file: str, force: bool, alone: bool) -> bool:
    """Write the page, of several reports one after the other; False where that cannot be done."""
    reports = [(outcome.title, outcome.report) for outcome in outcomes if outcome.report is not None]
    if not reports:
        return True
    if alone:
        html = reports[0][1].to_html()
    else:
        parts = [f"{pages.article([pages.heading(title)])}{report.to_html_part()}" for title, report in reports]
        html = pages.page("check", "".join(parts))
    try:
        write_page(html, file, force)
    except ScriptError as error:
        complain(f"einbackprop: {one_line(str(error))}")
        return False
    return True
