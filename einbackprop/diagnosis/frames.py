"""What the names of a line stand for: the user's own variables, as they were when the line ran."""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import numpy as np

from ..core.syntax import parse_python
from ..world import Raised, attempt

MOST_RUNS = 16
MOST_ENTRIES = 32
Run = Callable[[Sequence[Any]], Any]


def frames_at(run: Run | None, given: Sequence[Any], file: str, line: int) -> list[dict[str, Any]]:
    """The variables of a line each time it runs, with copies of the arrays; nothing where it cannot be run."""
    found: list[dict[str, Any]] = []

    def seen(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame.f_lineno == line and len(found) < MOST_RUNS:
            found.append({**frame.f_globals, **{name: copied(value) for name, value in frame.f_locals.items()}})
        return seen

    def entered(frame: FrameType, _: str, __: Any) -> Any:
        return seen if frame.f_code.co_filename == file else None

    before = sys.gettrace()
    if run is None or before is not None:
        return []
    sys.settrace(entered)
    try:
        run(given)
    except Raised:  # the code itself fails at these values: then there are no variables to look at
        return []
    finally:
        sys.settrace(before)
    return found


def copied(value: Any) -> Any:
    """A copy, since the line may write into it; the thing itself where it has none."""
    try:
        return attempt(copy.deepcopy, value)
    except Raised:  # open files, generators, modules: nothing that a line computes with
        return value


def spellings(names: Mapping[str, Any], array: Any) -> Iterator[ast.expr]:
    """The variables, entries and attributes that hold an array."""
    for name, value in names.items():
        if name.startswith("__"):
            continue
        holders: list[tuple[str, Any]] = [(name, value)]
        if isinstance(value, dict):
            holders += [(f"{name}[{key!r}]", item) for key, item in value.items() if isinstance(key, str)]
        elif isinstance(value, list | tuple):
            holders += [(f"{name}[{n}]", item) for n, item in enumerate(value[:MOST_ENTRIES])]
        elif name == "self":
            holders += [(f"self.{key}", item) for key, item in getattr(value, "__dict__", {}).items()]
        for text, held in holders:
            if isinstance(held, np.ndarray) and held.squeeze().shape == np.shape(array) and np.allclose(
                held.squeeze(), array, rtol=1e-9, atol=0
            ):
                yield parse_python(text, mode="eval").body


def outcomes(statement: Any, names: Mapping[str, Any]) -> list[Any]:
    """What a statement gives its target, then what it leaves in the array that the target is a part of; nothing where
    it fails."""
    if isinstance(statement, ast.Return) and statement.value is not None:
        returned = statement.value
        return _tried(lambda: [_evaluated(returned, names)])
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    parts = [target]
    while isinstance(parts[-1], ast.Subscript):
        parts.append(parts[-1].value)
    root = parts[-1]
    while isinstance(root, ast.Attribute):
        root = root.value
    scope = dict(names)
    if isinstance(root, ast.Name) and root.id in scope:
        scope[root.id] = copied(scope[root.id])

    def ran() -> list[Any]:
        module = ast.fix_missing_locations(ast.Module([copy.deepcopy(statement)], []))
        exec(compile(module, "<line>", "exec"), scope)
        return [_evaluated(part, scope) for part in parts]

    return _tried(ran)


def _evaluated(expression: ast.expr, names: Mapping[str, Any]) -> Any:
    text = ast.unparse(expression)
    return eval(compile(text, "<line>", "eval"), dict(names))


def _tried(work: Callable[[], list[Any]]) -> list[Any]:
    try:
        return list(attempt(work))
    except Raised:  # a way to write the line that does not run
        return []
