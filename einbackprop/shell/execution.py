"""Running a script's code as far as it goes: where a statement stops with an error, those after it run all the same."""

from __future__ import annotations
import __future__

import ast
import functools
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from einbackprop.core.progress import frames_of
from einbackprop.core.source import compile_tree, statements_of

FUTURES = functools.reduce(operator.or_, (getattr(__future__, n).compiler_flag for n in __future__.all_feature_names))


class LeftOut(NamedTuple):
    """The lines of the statements that stopped with an error, and the first of these errors."""

    lines: Sequence[int] = ()
    error: BaseException | None = None


def execute_what_can(
    code: types.CodeType, names: dict[str, Any], ends: Callable[[BaseException], bool], until: str = ""
) -> LeftOut:
    """Execute a module's code without the statements that stop with an error; these. An error that ``ends`` it leaves.

    An error after which a name is bound, that of ``until``, is where it was to stop. A script whose data are elsewhere,
    or that wants a command line, still defines what is asked about.
    """
    try:
        exec(code, names)
        return LeftOut()
    except (Exception, SystemExit) as error:
        if ends(error):
            raise
        if until in names:
            return LeftOut()
        first, line = error, _line_of(code, error)
    lines, body = [], statements_of(code.co_filename).tree.body
    place = max((n for n, item in enumerate(body) if item.lineno <= line), default=0)
    lines = [body[place].lineno] if body else []
    for statement in body[place + 1 :]:
        one = compile_tree(ast.Module([statement], []), code.co_filename, "exec", code.co_flags & FUTURES)
        try:
            exec(one, names)
        except (Exception, SystemExit) as error:
            if ends(error):
                raise
            if until in names:
                break
            lines.append(statement.lineno)
    return LeftOut(lines, first)


def _line_of(code: types.CodeType, error: BaseException) -> int:
    """The line of a module's code at which an error left it; 0 where it did not get there."""
    lines = [line for frame, line in frames_of(error) if frame.f_code is code]
    return lines[-1] if lines else 0
