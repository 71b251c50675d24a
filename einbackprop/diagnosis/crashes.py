"""Gradients that raise: the statements at which they stop, and those whose values may have led there.

In goes the exception; out come the suspects. Nothing is known of what their values should be, but that code with the
right one goes on.
"""

import ast
from collections.abc import Iterator
from types import FrameType

from einbackprop.core.progress import frames_of
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.versions import Version


def stopped(error: BaseException, version: Version) -> Iterator[tuple[Site, FrameType]]:
    """The expressions that were being evaluated in each function of the user's, the innermost function first."""
    for frame, line in innermost_first(error):
        definition = version.definition_of(frame.f_code)
        if definition is None:
            continue
        sites = version.sites(definition)
        under = [s for s in sites if s.statement.lineno <= line <= (s.statement.end_lineno or line)]
        inner = [s for s in under if holds(s.function, frame.f_code.co_firstlineno)]
        shortest = min((length(s.statement) for s in inner), default=0)
        yield from ((s, frame) for s in inner if length(s.statement) == shortest)


def innermost_first(error: BaseException) -> list[tuple[FrameType, int]]:
    """The frames in which an exception was raised, and the line in each, the innermost first."""
    return [*frames_of(error)][::-1]


def holds(function: ast.AST, line: int) -> bool:
    """Whether a function begins on a line, its decorators included."""
    decorators = [d.lineno for d in getattr(function, "decorator_list", ())]
    return line in (getattr(function, "lineno", 0), *decorators)


def length(statement: ast.stmt) -> int:
    """How many lines a statement has."""
    return (statement.end_lineno or statement.lineno) - statement.lineno
