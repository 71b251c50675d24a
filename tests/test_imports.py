"""The order of folders: what NOTES.md says of it is what the code imports."""

import ast
import re
from pathlib import Path

import pytest

import einbackprop

PACKAGE = Path(einbackprop.__file__).parent
NOTES = (PACKAGE.parent / "NOTES.md").read_text(encoding="utf-8")
DOWNWARDS = {
    ("capture", "rerolling"), ("checking", "diagnosis"), ("core", "notation"), ("notation", "checking"),
    ("notation", "diagnosis"), ("notation", "emission"), ("notation", "layers"), ("shell", "web"),
}  # fmt: skip
"""What imports from a folder that stands below it in the table: to fold, to diagnose, to print, to show, to write."""


def folders() -> list[str]:
    """The folders in the order of the table."""
    table = NOTES[NOTES.index("| folder | what goes in") :].split("\n\n")[0]
    return [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)/`", row.split("|")[1])]


def imports() -> set[tuple[str, str]]:
    """Which folder imports which, functions that do so inside of them too."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            above = (PACKAGE.name, *parts[:-1])[: len(parts) - node.level + 1] if node.level else ()
            name = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{name}.{item.name}" for item in node.names] if name == PACKAGE.name else [name]
            inner = {one.split(".")[1] for one in names if one.startswith(f"{PACKAGE.name}.")}
            found |= {(parts[0], other) for other in inner if len(parts) > 1 and other != parts[0]}
    return found


@pytest.mark.slow
def test_folders_import_those_above_them() -> None:
    order = folders()
    assert set(order) == {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    places = {name: place for place, name in enumerate(order)}
    assert {(one, two) for one, two in imports() if places.get(two, -1) > places[one]} == DOWNWARDS
