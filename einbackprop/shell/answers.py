"""Scripts that are asked nothing: what they seem to ask is proposed, checked and read."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from einbackprop.core.visible import shown, visible
from einbackprop.errors import EinbackpropError, ScriptError
from einbackprop.notation import pages
from einbackprop.reading import pages as reading_pages
from einbackprop.reading.reading import Reading
from einbackprop.shell.formats import Outcome
from einbackprop.shell.notebooks import is_notebook
from einbackprop.shell.proposals import Proposal, proposals_of, quoted
from einbackprop.shell.scripts import answer, read_script, run, text_of


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
    again = functools.partial(run, script, setup, seed)
    with run(script, setup, seed) as names:
        flat = None if is_notebook(script) else lambda text: again(text=text)  # a notebook's lines are its cells'
        found = proposals_of(names, text_of(script), flat)
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


def outcomes(script: str, setup: str = "", seed: int = 0, seconds: float | None = None) -> Iterator[Outcome]:
    """Check all that a script seems to ask, one after the other. Raises as `proposed` does."""
    for proposal in proposed(script, setup, seed):
        assert proposal.question is not None
        statements = "\n".join(filter(None, (setup, proposal.setup)))
        title = "\n".join(map(visible, asked(proposal)))
        try:
            report = answer(script, proposal.question, statements, seed, seconds, proposal.source)
        except EinbackpropError as error:
            yield Outcome(script, title, error=error)
        else:
            yield Outcome(script, title, report)


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
    found = []
    for proposal in proposed(script, setup, seed):
        statements = "\n".join(filter(None, (setup, proposal.setup, proposal.draws)))
        found.append((proposal, read_script(script, proposal.expression, statements, seed, proposal.source)))
    return Readings(tuple(found))
