"""The example scripts that ship with the package: what each is, how it is checked, and writing one out."""

import ast
import difflib
import importlib.resources
import os
import shlex
from pathlib import Path

from einbackprop.core import visible
from einbackprop.core.files import replace_file, reported_as
from einbackprop.core.records import dataclass
from einbackprop.errors import ScriptError

NAMES = (
    "exercise", "mynet", "softmax", "batchnorm", "attention", "lstm", "convolution", "vae", "word2vec", "solve",
    "forty_steps", "three_mistakes",
)  # fmt: skip
"""In the order in which they are shown: from one layer after another to what is harder."""


@dataclass(frozen=True)
class Example:
    """An example script.

    Attributes
    ----------
    name
        Without ``.py``.
    text
        The script.
    title
        The first line of its docstring.
    command
        The command that checks it, as its docstring has it: ``einbackprop``, ``check``, and so on.
    """

    name: str
    text: str
    title: str
    command: tuple[str, ...]

    @property
    def file(self) -> str:
        """What the script is called."""
        return f"{self.name}.py"


def examples() -> tuple[Example, ...]:
    """All of them, in order."""
    return tuple(map(example, NAMES))


def example(name: str) -> Example:
    """The example of a name, with ``.py`` or without. Raises ScriptError if there is none."""
    stem = name.removesuffix(".py")
    if stem not in NAMES:
        near = difflib.get_close_matches(stem, NAMES, 1)
        known = f"did you mean {near[0]}?" if near else f"there are {visible.listed(NAMES)}"
        raise ScriptError(f"there is no example {visible.shown(name)}: {known}")
    text = importlib.resources.files("einbackprop.shell.examples").joinpath(f"{stem}.py").read_text("utf-8")
    lines = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    command = next(line for line in lines if line.lstrip().startswith("einbackprop check "))
    return Example(stem, text, lines[0], tuple(shlex.split(command)))


def listing() -> str:
    """The names with their titles, a line each."""
    width = max(map(len, NAMES))
    return "\n".join(f"{one.name:{width}}  {one.title}" for one in examples())


def write_example(name: str, directory: str = ".", force: bool = False) -> Path:
    """Write an example script, and return its path.

    Raises ScriptError if there is no such example, or, unless that is forced, if something of that name is there.
    """
    found = example(name)
    target = Path(directory, found.file)
    if os.path.lexists(target) and not force:
        raise ScriptError(f"{target} is there already: move it away or delete it first, or give --force")
    with reported_as(ScriptError, f"{target} cannot be written"):
        replace_file(target, lambda stream: stream.write(found.text.encode()))
    return target
