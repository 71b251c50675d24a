"""Pasted scripts with a mistake in them."""

from pathlib import Path
from typing import NamedTuple

PASTED = Path(__file__).parent / "pasted"


class Mistaken(NamedTuple):
    """The path of a script with a mistake, the line of that, and that line as it was."""

    script: str
    line: int
    was: str


def mistaken(name: str, right: str, wrong: str, folder: Path) -> Mistaken:
    """A pasted script with something wrong in the place of what is right, written into a folder."""
    text = (PASTED / f"{name}.py").read_text(encoding="utf-8")
    line = text[: text.index(right)].count("\n") + 1
    script = folder / "script.py"
    script.write_text(text.replace(right, wrong), encoding="utf-8")
    return Mistaken(str(script), line, text.splitlines()[line - 1])
