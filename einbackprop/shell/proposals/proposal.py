"""A proposal: a question that a script seems to ask, with the statements that it needs."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Mapping
from dataclasses import field

from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python

from ..questions import Question
from .flattened import Rewriting

NO_LOSS = "no loss function was found"


@dataclass(frozen=True)
class Proposal:
    """What a script seems to ask.

    Attributes
    ----------
    question
        What to check; None where nothing was found.
    expression
        What to read: the gradients; of a layer, its backward after its forward.
    setup
        Statements that make arguments which the script lacks, one a line.
    draws
        What has to run as well before ``expression`` is read: it draws a cotangent.
    notes
        What was taken for what, and what was made, a sentence each.
    choices
        Other expressions, by ``loss``, ``grads`` and ``wrt``.
    source
        The script's text with statements of its own as a function, where these are what is asked about; None where the
        script is asked about as it is.
    is_likely
        Whether a gradient is that of the loss but for a factor, or nobody can tell, as of a layer.
    is_inner
        Whether it is of what another call gives, as the derivative of a loss at an output: there may be more.
    followed
        How many changes of a step are exactly those by its rate along the gradients of a loss that the script names.
    """

    question: Question | None = None
    expression: str = ""
    setup: str = ""
    draws: str = ""
    notes: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: Rewriting | None = None
    is_likely: bool = True
    is_inner: bool = False
    followed: int = 0

    @property
    def is_part(self) -> bool:
        """Whether it asks of a part of what a script trains: of a layer, or of what a call gives."""
        return self.is_inner or (self.question is not None and bool(self.question.forward))

    @property
    def assumes_loss(self) -> bool:
        """Whether its loss is one that the script does not have."""
        return any(note.startswith(NO_LOSS) for note in self.notes)

    @property
    def function(self) -> str:
        """The function that gives the gradients, of a layer its backward; empty where that is no call."""
        asked = self.question
        text = asked.both or asked.backward or asked.grads or self.expression if asked is not None else "None"
        node: ast.AST = parse_python(text, "eval").body
        while isinstance(node, ast.Subscript) or (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Lambda) and node.args):  # fmt: skip
            node = node.value if isinstance(node, ast.Subscript) else node.args[0]
        return callee(node) if isinstance(node, ast.Call) else ""

    @property
    def options(self) -> str:
        """The options of ``einbackprop check`` that ask the same, as a shell takes them."""
        if self.question is None:
            return ""
        asked = self.question
        given = [("--loss", asked.loss), ("--both", asked.both), ("--forward", asked.forward),
                 ("--backward", asked.backward), ("--grads", asked.grads), *(("--wrt", root) for root in asked.wrt),
                 ("--setup", "; ".join(self.setup.splitlines()))]  # fmt: skip
        return " ".join(f"{option} {quoted(text)}" for option, text in given if text)


def quoted(text: str) -> str:
    """A text as one word of a shell, in double quotes where it needs some and these do.

    >>> print(quoted("W1"), quoted("loss(W, X)"), quoted("p['W']"))
    W1 "loss(W, X)" "p['W']"
    """
    plain = shlex.quote(text)
    return plain if plain == text or any(sign in text for sign in '"$`\\!') else f'"{text}"'
