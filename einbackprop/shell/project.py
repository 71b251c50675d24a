"""What a project asks to be checked: the table ``[tool.einbackprop]`` of its pyproject.toml goes in, checks come out.

    [tool.einbackprop]
    checks = [
        {script = "net.py", loss = "loss(W, X)", grads = "gradients(W, X)", wrt = ["W"]},
    ]

A check takes the options of ``einbackprop check``, under their names; its script is found from the file's folder. Of a
script alone all is checked that it seems to ask.
"""

import difflib
import os
import tomllib
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from einbackprop.core.files import opened, reported_as
from einbackprop.core.progress import contained
from einbackprop.core.records import dataclass
from einbackprop.core.visible import one_line, shown
from einbackprop.errors import EinbackpropError, OptionError, ScriptError
from einbackprop.shell.command import ASKED, asked
from einbackprop.shell.formats import Outcome, path_of
from einbackprop.shell.questions import Question
from einbackprop.shell.scripts import answer

FILE = "pyproject.toml"
LARGEST = 10_000_000  # bytes


@dataclass(frozen=True)
class Check:
    """A script, what is asked of it, and what the user calls the script."""

    script: str
    question: Question
    name: str
    setup: str = ""
    seed: int = 0
    seconds: float | None = None

    @property
    def title(self) -> str:
        """``net.py: loss(W, X)``."""
        if self.question.is_empty:
            return one_line(self.name)
        asked_of = self.question.loss or self.question.both or self.question.forward
        return one_line(f"{self.name}: {asked_of}")

    def outcomes(self) -> list[Outcome]:
        """The report, of all that the script seems to ask where nothing is said; or the error for the user because of
        which there is none.
        """
        try:
            if self.question.is_empty:
                from einbackprop.shell.answers import outcomes  # what it takes to guess is not needed where all is said

                found = outcomes(self.script, self.setup, self.seed, self.seconds)
                return [replace(one, title=f"{self.title}\n{one.title}") for one in found]
            report = answer(self.script, self.question, self.setup, self.seed, self.seconds)
        except EinbackpropError as error:
            return [Outcome(self.script, self.title, error=error)]
        return [Outcome(self.script, self.title, report)]


def check_of(name: str, options: Namespace, folder: Path | None = None) -> Check:
    """A check as the options of the command line ask for it, of a script in a folder, the current one unless given."""
    question = Question(options.wrt, options.loss, options.grads, options.both, options.forward, options.backward,
                        options.cotangent)
    script = name if folder is None else os.fspath(folder / name)
    return Check(script, question, name, options.setup, options.seed, options.seconds)


def outcomes_of(checks: Sequence[Check]) -> Iterator[Outcome]:
    """What comes of each check; one that fails by a mistake of ours does not stop the others."""
    for check in checks:
        error = EinbackpropError("einbackprop failed by a mistake of its own")
        failed = Outcome(check.script, check.title, error=error)
        yield from contained(f"the check of {one_line(check.name)}", check.outcomes, [failed])


def checks_of(folder: str) -> list[Check]:
    """The checks of the nearest pyproject.toml, in a folder or above it, that has a table for einbackprop.

    Raises
    ------
    OptionError
        There is none, or it asks for what cannot be asked.
    """
    file, table = _table(Path(folder).absolute())
    where = f"{path_of(str(file))}, [tool.einbackprop]"
    _require_known(table, ["checks"], where)
    entries = table.get("checks")
    if not isinstance(entries, list) or not entries:
        raise OptionError(f"{where}: checks must be a list of tables, each with script, and the options of check")
    return [_check(entry, file.parent, f"{where}: check {number}") for number, entry in enumerate(entries, 1)]


def _table(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The nearest file that has the table, and that."""
    for above in (folder, *folder.parents):
        file = above / FILE
        if file.is_file():
            tools = _read(file).get("tool", {})
            table = tools.get("einbackprop") if isinstance(tools, dict) else None
            if isinstance(table, dict):
                return file, table
    raise OptionError("give SCRIPT, or say in pyproject.toml what to check: there is none with [tool.einbackprop] "
                      "here or above")


def _read(file: Path) -> dict[str, Any]:
    name = path_of(str(file))
    with reported_as(OptionError, name), opened(file, LARGEST) as stream:
        data = stream.read()
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{name}: it is no TOML: {error}") from error


def _check(entry: Any, folder: Path, where: str) -> Check:
    """A check as a table says it."""
    if not isinstance(entry, dict):
        raise OptionError(f"{where} must be a table, not {shown(entry)}")
    options = [name.removeprefix("--") for name in ASKED]
    _require_known(entry, ["script", *options], where)
    script = entry.get("script")
    if not isinstance(script, str) or not script:
        raise OptionError(f"{where} must have the path of its script, not {shown(script)}")
    where = f"{where}, of {shown(script)}"
    arguments = [f"--{key}={text}" for key in options if key in entry for text in _texts(key, entry[key], where)]
    try:
        check = check_of(script, asked(arguments), folder)
        if not check.question.is_empty:
            check.question.required()
    except (OptionError, ScriptError) as error:
        raise OptionError(f"{where}: {error}") from error
    return check


def _texts(key: str, value: Any, where: str) -> list[str]:
    """The values of an option as the command line has them."""
    option = ASKED[f"--{key}"]
    values = value if isinstance(value, list) and option.get("action") == "append" else [value]
    wanted: Any = (int, float) if "type" in option else str
    if not values or any(isinstance(item, bool) or not isinstance(item, wanted) for item in values):
        raise OptionError(f"{where}: {key} must be {'a number' if 'type' in option else 'a text'}, not {shown(value)}")
    return [str(item) for item in values]


def _require_known(table: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise OptionError(f"{where}: there is no {shown(key)}: {hint}")
