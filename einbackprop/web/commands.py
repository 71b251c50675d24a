"""The question that a script's own docstring asks: people write down the command by which a file is checked."""

import ast
import shlex

from einbackprop.core.source import parse_python
from einbackprop.shell.questions import Question

COMMAND = "einbackprop check "
ONCE = ("loss", "grads", "both", "forward", "backward", "cotangent")


def command_in(code: str) -> dict[str, list[str]]:
    """The options of the first ``einbackprop check`` in a script's docstring, by name; empty where there is none."""
    try:
        docstring = ast.get_docstring(parse_python(code)) or ""
    except (SyntaxError, ValueError):
        return {}
    _, found, rest = docstring.replace("\\\n", " ").partition(COMMAND)
    try:
        words = shlex.split(rest.partition("\n")[0]) if found else []
    except ValueError:  # a quotation that does not end
        return {}
    options: dict[str, list[str]] = {}
    for name, value in zip(words[1::2], words[2::2], strict=False):
        if name.startswith("--"):
            options.setdefault(name.removeprefix("--"), []).append(value)
    return options


def stated(code: str) -> tuple[Question, str] | None:
    """The question that a script's docstring asks and its setup; None where it asks none."""
    options = command_in(code)
    if not options.get("wrt"):
        return None
    once = {name: options[name][-1] for name in ONCE if name in options}
    return Question(options["wrt"], **once), options.get("setup", [""])[-1]
