"""Scripts that are asked nothing: what they seem to ask is proposed, checked and read."""

from __future__ import annotations

import contextlib
import linecache
import os
import time
from collections.abc import Iterator
from dataclasses import replace

from einbackprop.core.records import dataclass
from einbackprop.core.source import ADDED
from einbackprop.core.visible import shown, visible
from einbackprop.errors import EinbackpropError, NothingError, ScriptError
from einbackprop.notation import pages
from einbackprop.reading import pages as reading_pages
from einbackprop.reading.reading import Reading
from einbackprop.shell.formats import Outcome
from einbackprop.shell.guesses import settle
from einbackprop.shell.notebooks import is_notebook
from einbackprop.shell.proposals import Proposal, proposals_of, quoted, readings_of
from einbackprop.shell.proposals.flattened import Rewriting
from einbackprop.shell.reach import Namespace
from einbackprop.shell.scripts import read_script, run, running, text_of

SECONDS, SHORTEST = 60.0, 10.0
"""How long the check of all questions takes that nobody asked by options, and that of one of them at most after that:
then it ends with what there is."""

LOOPS_OF_NOTEBOOKS = (
    "; of a notebook the functions are looked at, not what its cells do outside of them: check the script that "
    "`jupyter nbconvert --to script` writes of it"
)


def asked(proposal: Proposal) -> list[str]:
    """What was taken for what: the options that ask the same, and what is to be known of them, a line each."""
    line = f"asked: {proposal.options}" if proposal.source is None else ""
    return [*filter(None, (line,)), *(f"({note})" for note in proposal.notes)]


def proposed(script: str, setup: str = "", seed: int = 0) -> list[Proposal]:
    """What a script seems to ask, the likeliest first; statements of a setup run after it.

    Raises
    ------
    ScriptError
        The script cannot be used, or nothing in it gives gradients.
    """
    with proposing(script, setup, seed) as (found, _):
        return found


@contextlib.contextmanager
def proposing(
    script: str, setup: str, seed: int, *, to_read: bool = False
) -> Iterator[tuple[list[Proposal], Namespace]]:
    """What a script seems to ask, and its names after it ran; raises as `proposed` does.

    Where nothing can be checked, what can be read will do ``to_read``.
    """
    @contextlib.contextmanager
    def again(text: Rewriting) -> Iterator[tuple[Namespace, tuple[BaseException, ...]]]:
        """Another text in the script's place, whose own lines are there again afterwards."""
        with running(script, setup, seed, text=text) as ran:
            yield ran
        linecache.cache.pop(os.path.abspath(script), None)
        ADDED.pop(os.path.abspath(script), None)

    with running(script, setup, seed) as (names, errors):
        rerun = None if is_notebook(script) else again  # a cell is a file
        found = proposals_of(names, text_of(script), rerun, errors)
        if not found and (found := readings_of(names, text_of(script))) and not to_read:
            called = ", ".join(proposal.expression.partition("(")[0] or proposal.expression for proposal in found)
            raise ScriptError(
                f"{script}: nothing was found to check {called} against: give the loss by --loss with --grads and "
                f"--wrt, or the forward by --forward with --backward and --wrt; einbackprop read needs neither")
        if not found:
            raise NothingError(
                f"{script}: nothing in it was found to give gradients: say what to check by --loss and --grads, by "
                f"--both, or by --forward and --backward, with --wrt{_defined(names)}"
                + (LOOPS_OF_NOTEBOOKS if is_notebook(script) else ""))
        yield found, names


def _defined(names: dict[str, object]) -> str:
    """The functions that there are, for who has to name them."""
    own = [name for name, value in names.items()
           if callable(value) and getattr(value, "__module__", "") == names.get("__name__")]  # fmt: skip
    return f"; it defines {', '.join(map(shown, own[:8]))}" if own else ""


def outcomes(script: str, setup: str = "", seed: int = 0, seconds: float | None = None) -> Iterator[Outcome]:
    """Check all that a script seems to ask, one after the other. Raises as `proposed` does.

    The script runs once; once more where statements of it are asked about as a function.
    """
    with proposing(script, setup, seed) as (proposals, names):
        before, begun = dict(names), time.monotonic()
        found = []
        for proposal in proposals:
            names.clear()
            names.update(before)
            left = max(SHORTEST, SECONDS - (time.monotonic() - begun))
            found.append(_outcome(script, proposal, names, setup, seed, seconds or left))
    yield from found  # what is printed while the script runs goes elsewhere


def _outcome(
    script: str, proposal: Proposal, names: Namespace, setup: str, seed: int, seconds: float
) -> Outcome:
    """What comes of one question, among the names of the script."""
    question = proposal.question
    assert question is not None
    statements = "\n".join(filter(None, (setup, proposal.setup)))
    text = proposal.source
    try:
        with contextlib.nullcontext(names) if text is None else run(script, seed=seed, text=text) as own:
            guess = settle(own, question, script, statements, seed, seconds, assumed=proposal.assumes_loss)
    except EinbackpropError as error:
        return Outcome(script, _title(proposal), error=error)
    return Outcome(script, _title(replace(proposal, question=guess.question)), guess.report)


def _title(proposal: Proposal) -> str:
    return "\n".join(map(visible, asked(proposal)))


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
    return [*([] if proposal.source is not None else [f"read: {options}"]), *(f"({note})" for note in proposal.notes)]


def readings(script: str, setup: str = "", seed: int = 0) -> Readings:
    """Read all gradients that a script seems to make, one after the other. Raises as `proposed` does."""
    with proposing(script, setup, seed, to_read=True) as (proposals, _):
        waiting = list(proposals)
    found = []
    for proposal in waiting:
        statements = "\n".join(filter(None, (setup, proposal.setup, proposal.draws)))
        found.append((proposal, read_script(script, proposal.expression, statements, seed, proposal.source)))
    return Readings(tuple(found))
