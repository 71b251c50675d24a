"""A proposal: a question that a script seems to ask, with the statements that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..questions import Question


@dataclass(frozen=True)
class Proposal:
    """What a script seems to ask.

    Attributes
    ----------
    question
        What to check; None where nothing was found.
    expression
        What to read: the gradients.
    setup
        Statements that make arguments which the script lacks, one a line.
    notes
        What was taken for what, and what was made, a sentence each.
    choices
        Other expressions, by ``loss``, ``grads`` and ``wrt``.
    source
        The script's text with statements of its own as a function, where these are what is asked about; empty where the
        script is asked about as it is.
    """

    question: Question | None = None
    expression: str = ""
    setup: str = ""
    notes: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
