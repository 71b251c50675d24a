"""The question that a script's own docstring asks: people write down the command by which a file is checked."""

import ast
import shlex

from einbackprop.core.source import parse_python
from einbackprop.errors import OptionError
from einbackprop.shell.proposals import Proposal
from einbackprop.shell.questions import Question

COMMAND = "einbackprop check "
ONCE = ("loss", "grads", "both", "forward", "backward", "cotangent")


def command_in(code: str) -> Proposal | None:
    """What the first ``einbackprop check`` in a script's docstring asks; None where there is none, or it is not whole.
    """
    try:
        docstring = ast.get_docstring(parse_python(code)) or ""
        command = docstring.replace("\\\n", " ").partition(COMMAND)[2].partition("\n")[0]
        words = shlex.split(command)
    except (SyntaxError, ValueError):
        return None
    options: dict[str, list[str]] = {}
    for name, value in zip(words[1::2], words[2::2], strict=False):
        options.setdefault(name.removeprefix("--"), []).append(value)
    once = {name: options[name][-1] for name in ONCE if name in options}
    question = Question(options.get("wrt", []), **once)
    try:
        question.required()
    except OptionError:
        return None
    if not question.wrt:
        return None
    read = question.grads or question.both or question.backward
    return Proposal(question, "" if question.forward else read, options.get("setup", [""])[-1])
