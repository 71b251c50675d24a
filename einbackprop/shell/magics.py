"""``%%check`` in a notebook: a cell runs in the notebook, and a check of what it defines is shown under it.

``%load_ext einbackprop`` loads it. IPython is not imported: it hands in its shell.
"""

import contextlib
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from einbackprop.checking.reports import Report
from einbackprop.core.visible import one_line
from einbackprop.errors import EinbackpropError, OptionError
from einbackprop.shell.command import ASKED, HINT, asked
from einbackprop.shell.project import check_of
from einbackprop.shell.questions import problem_of
from einbackprop.shell.reach import Namespace
from einbackprop.shell.scripts import answer_among

NAME = "the notebook"


class Shell(Protocol):
    """What is used of IPython's shell."""

    user_ns: Namespace
    execution_count: int

    def run_cell(self, raw_cell: str) -> Any: ...

    def register_magic_function(self, func: Any, magic_kind: str = ..., magic_name: str | None = ...) -> None: ...


def load_ipython_extension(shell: Shell) -> None:
    """Give a shell the magics ``%check`` and ``%%check``."""
    magic = partial(check_magic, shell)
    magic.__doc__ = DOCUMENTATION  # what `%%check?` shows
    shell.register_magic_function(magic, magic_kind="line_cell", magic_name="check")


DOCUMENTATION = f"""Check a hand-written gradient of a notebook.

    %%check --loss "loss(W, X)" --grads "gradients(W, X)" --wrt W
    def gradients(W, X):
        …

runs the cell, and then checks what the expressions give, as `einbackprop check` does with a script. `%check` with the
same options checks what was defined before. Options: {", ".join((*ASKED, *HINT))}.
"""


def check_magic(shell: Shell, line: str, cell: str | None = None) -> Report | None:
    """Run a cell and check what the options on its first line ask: the report, which the notebook shows.

    None where the cell stops with an error, which the notebook shows itself.

    Raises
    ------
    UsageError
        IPython's, which it shows in one line; or OptionError where IPython is not there.
    """
    try:
        options = asked(_words(line), HINT)
        check = check_of(NAME, options)
        check.question.required()
        if cell is not None:
            with _numbered(shell):
                ran = shell.run_cell(_below(line, cell))
            if not ran.success:
                return None
        with _kept(shell.user_ns) as names:
            report = answer_among(names, lambda n: problem_of(check.question, n, NAME, check.seed), check.setup,
                                  check.seed, check.seconds)
            return report.hint(options.hint) if options.hint else report
    except EinbackpropError as error:
        kind = getattr(sys.modules.get("IPython.core.error"), "UsageError", OptionError)
        raise kind(one_line(str(error))) from None


def _words(line: str) -> list[str]:
    """The words of the first line, quotes as in a shell."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise OptionError(f"{error}: write --loss \"loss(W, X)\", in quotes") from error


def _below(line: str, cell: str) -> str:
    """The cell with a line for its first one, so that lines are numbered as the user sees them."""
    return cell if cell.lstrip().startswith("%%") else f"# %%check {one_line(line)}\n{cell}"


@contextlib.contextmanager
def _numbered(shell: Shell) -> Iterator[None]:
    """What is run inside has the number of the cell that is being run; newer versions of IPython have counted on."""
    before = shell.execution_count
    shell.execution_count = len(shell.user_ns.get("In", ())) - 1 if "In" in shell.user_ns else before
    try:
        yield
    finally:
        shell.execution_count = before


@contextlib.contextmanager
def _kept(names: Namespace) -> Iterator[Namespace]:
    """The names of a notebook; what the setup of a check changes of them is taken back."""
    before = dict(names)
    try:
        yield names
    finally:
        for name in [name for name in names if name not in before]:
            del names[name]
        names.update(before)
