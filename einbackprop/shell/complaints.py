"""What is said of a file, a key or an attribute that is not there, and of what is no place: with what to write."""

import ast
import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from einbackprop.core.nesting import Attribute, Path, attributes_of, get, label
from einbackprop.core.source import parse_python
from einbackprop.core.visible import listed, shortened, shown, visible

LISTED = 6
"""Keys that are named; of more, how many there are."""


def missing_file(script: str) -> str:
    """Where a script that is not there was looked for, and what there is of a similar name.

    >>> missing_file("no_such_folder/net.py")
    'there is no folder ...no_such_folder'
    """
    folder, name = os.path.split(os.path.abspath(script))
    try:
        files = os.listdir(folder)
    except OSError:
        return f"there is no folder {visible(folder)}"
    stems = {os.path.splitext(file)[0]: file for file in files if file.endswith(".py")}
    near = difflib.get_close_matches(os.path.splitext(name)[0], stems, 1)
    where = "" if os.path.isabs(script) else f"looked for in {visible(folder)}"
    meant = f"did you mean {shown(str(FilePath(script).with_name(stems[near[0]])))}?" if near else ""
    return ": ".join(filter(None, [where, meant]))


def no_place(text: str, names: Iterable[str]) -> str:
    """Why an expression is no place in a script whose value can be changed, and what to give instead.

    >>> no_place("V, A", [])
    "'V, A' is more than one: give each by itself, --wrt V --wrt A"
    """
    node = parse_python(text, mode="eval").body
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        each = " ".join(f"--wrt {_quoted(ast.unparse(item))}" for item in node.elts)
        return f"{shown(text)} is more than one: give each by itself, {shortened(visible(each))}"
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "arrays")
        name = called if called not in names else "arrays"
        setup = shortened(visible(f"{name} = {ast.unparse(node)}"))
        return (f"{shown(text)} is a call, and what a call returns has no place in the script: give a name, an "
                f"attribute or an item, or --setup {_quoted(setup)} --wrt {visible(name)}, if the expressions read "
                f"{visible(name)} or the very arrays in it")
    return f"{shown(text)} is no name, attribute or item of the script"


def _quoted(text: str) -> str:
    """A word for the shell, as somebody would type it."""
    return text if text.replace(".", "").isidentifier() else f'"{text}"'


def missing_step(path: Path, names: Any) -> str | None:
    """Which step of a path is not there, and what is in its place; None where it is all there, or that is no use.

    >>> missing_step(("p", "W9"), {"p": {"b1": 0, "W1": 0}})
    "p has no key 'W9'; it has 'W1' and 'b1'"
    """
    for count in range(1, len(path)):
        holder, step = get(names, path[:count]), path[count]
        try:
            get(holder, (step,))
        except (LookupError, AttributeError, TypeError):
            return _lacking(holder, label(str(path[0]), path[1:count]), step)
    return None


def _lacking(holder: Any, name: str, step: Any) -> str | None:
    if isinstance(step, Attribute):
        held = [key for key in attributes_of(holder) if isinstance(key, str) and not key.startswith("_")]
        what = f"{visible(name)} has no attribute {shown(str(step))}"
        if isinstance(holder, np.ndarray):
            return f"{what}: it is an array of shape {holder.shape}"
        return f"{what}; it has {_nearest(str(step), held, visible)}" if held else None
    if isinstance(holder, dict):
        what = f"{visible(name)} has no key {shown(step)}"
        return f"{what}; it has {_nearest(step, holder, shown)}" if holder else f"{what}: it is empty"
    if isinstance(holder, list | tuple) and isinstance(step, int):
        return f"{visible(name)} has no item {step}: it is a {type(holder).__name__} of {len(holder)}"
    return None


def _nearest(wanted: Any, found: Iterable[Any], spell: Callable[[Any], str]) -> str:
    """The keys that there are, those that are spelled most like the one that is wanted first."""
    def likeness(key: Any) -> float:
        return difflib.SequenceMatcher(None, str(wanted), key).ratio() if isinstance(key, str) else 0.0

    told = [spell(key) for key in sorted(found, key=likeness, reverse=True)]
    return listed(told) if len(told) <= LISTED else f"{', '.join(told[:LISTED])} and {len(told) - LISTED} more"
