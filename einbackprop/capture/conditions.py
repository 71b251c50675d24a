"""What a trace met on its way: conditions on values and on sizes, each in the user's words with its line.

A trace follows one way through the code. What is proved of it holds where the conditions on that way go as they went.
The watcher of the trace that is going on is told of them, if the user's code has asked.
"""

import ast
import functools
import linecache
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Literal, Protocol

from ..core.collecting import grouped
from ..core.dimensions import Axis
from ..core.program import Source
from ..core.records import dataclass
from ..core.source import parse_python
from ..world.ownership import PACKAGE, is_users
from .terms import Terms

Kind = Literal["values", "sizes", "rounds", "taken", "caught", "given", "written", "divides", "counted", "frozen"]
SHOWN = 60  # characters of a line that are shown
PRINTING = frozenset({
    "print", "pprint", "write", "debug", "info", "warning", "warn", "error", "log", "set_description", "set_postfix",
})  # fmt: skip
LISTED = 6  # conditions that are told one by one


@dataclass(frozen=True, slots=True)
class Condition:
    """Something on which the way through the code depended.

    Attributes
    ----------
    kind : 'values', 'sizes', 'rounds', 'taken', 'caught', 'given', 'written', 'divides', 'counted' or 'frozen'
        A truth value of values or of sizes; how often a loop ran; a value that was taken out of the arrays as it was;
        an exception that was caught; a size on which what follows may depend in any way; a size that is a number in
        the code, or another size; one that comes out even; a count up to a size, which a proof takes as it is; a
        number made of sizes that no longer says so.
    said : str
        In words, with the line.
    source : Source or None
    sizes : tuple of int
        Those that it is about, where these are known.
    """

    kind: Kind
    said: str
    source: Source | None
    sizes: tuple[int, ...] = ()

    @property
    def is_of_values(self) -> bool:
        """Whether it was met for the values of this run."""
        return self.kind in ("values", "taken", "caught")

    @property
    def freezes(self) -> bool:
        """Whether it holds at the sizes of this run only, so that nothing is proved for others."""
        return self.kind == "frozen"


@dataclass(frozen=True, slots=True)
class Meeting:
    """One time that a condition was met, and how it went."""

    kind: Kind
    source: Source | None
    answer: Any
    axes: tuple[Axis, ...] = ()  # those whose sizes it is about
    along: Axis | None = None  # the one that a loop goes through


def conditions(meetings: Iterable[Meeting]) -> Iterator[Condition]:
    """What was met, each line once."""

    def key_of(met: Meeting) -> tuple[Any, ...]:
        answer = met.answer if met.kind in ("frozen", "given", "caught", "written", "divides") else ""
        return met.kind, met.source and (met.source.file, met.source.line), answer

    for group in grouped((key_of(met), met) for met in meetings).values():
        source = group[0].source
        said = sentence(group[0].kind, source, [met.answer for met in group])
        yield Condition(group[0].kind, said, source, tuple({axis.root().size for met in group for axis in met.axes}))


def sentence(kind: Kind, source: Source | None, answers: Sequence[Any]) -> str:
    """``if W[0, 0] > 1.3`` in line 7 was taken as false."""
    code = shortened(code_of(source)) if source else ""
    where = (f"`{code}` in " if code else "") + f"line {source.line}" if source else "a line that is not known"
    match kind:
        case "values" | "sizes":
            return f"{where} {taken(code, answers)}{'' if kind == 'values' else ' at these sizes'}"
        case "rounds":
            return f"{where} goes through {' and '.join(map(str, dict.fromkeys(answers)))} rounds"
        case "caught":
            return f"{where} raised {answers[0]}, which was caught"
        case "frozen" | "given" | "written" | "divides" | "counted":
            return f"{answers[0]} in line {source.line}" if source else str(answers[0])
    return f"what {where} takes out of the arrays is as in this run"


def code_of(source: Source) -> str:
    """The statement as the user wrote it; of a compound one, its head without the colon."""
    written = linecache.getline(source.file, source.line).split("#")[0].strip()
    return (written if written.endswith(":") else source.code.rstrip()).rstrip(":")


def taken(code: str, answers: Sequence[bool]) -> str:
    """How a truth value went: ``was taken as false``."""
    if code.startswith("assert "):
        return "held"
    if not decides(code):
        return "was decided as in this run"
    if len(set(answers)) == 1:
        return f"was taken as {str(bool(answers[0])).lower()}"
    return f"was taken as true {times(sum(map(bool, answers)))} and as false {times(sum(not a for a in answers))}"


def times(count: int) -> str:
    """``once``, ``3 times``."""
    return "once" if count == 1 else f"{count} times"


def decides(code: str) -> bool:
    """Whether the truth value that is asked is that of the whole test of an ``if`` or a ``while``."""
    try:
        statement = parse_python(f"{code.removeprefix('el')}: pass").body[0]
    except (SyntaxError, ValueError):
        return False
    if not isinstance(statement, ast.If | ast.While):
        return False
    parts = ast.walk(statement.test)
    return not any(isinstance(p, ast.BoolOp | ast.IfExp | ast.comprehension) or is_negation(p) for p in parts)


def only_prints(code: str) -> bool:
    """Whether a statement is a call that prints, logs or raises."""
    try:
        statement = parse_python(code).body[0]
    except (SyntaxError, ValueError, IndexError):
        return False
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return isinstance(statement, ast.Raise)
    function = statement.value.func
    return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in PRINTING


def is_negation(node: ast.AST) -> bool:
    """Whether it turns a truth value round."""
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def shortened(code: str) -> str:
    """The code, its end left out where it is long."""
    return code if len(code) <= SHOWN else code[: SHOWN - 2] + " …"


def assumed(met: Sequence[Condition]) -> tuple[str, ...]:
    """Each condition as an assumption of a proof; of many, the lines of the rest."""
    listed = [condition.said for condition in met if not condition.freezes]
    if len(listed) <= LISTED:
        return tuple(dict.fromkeys(listed))
    rest = [c for c in met if not c.freezes][LISTED - 1 :]
    lines = sorted({c.source.line for c in rest if c.source})
    return (*listed[: LISTED - 1], f"{len(rest)} more conditions went as here, in lines {', '.join(map(str, lines))}")


class Watcher(Protocol):
    """What is told of how sizes are used: the recorder of the trace that is going on."""

    def met(self, kind: Kind, answer: Any, axes: tuple[Axis, ...] = (), along: Axis | None = None) -> None:
        """A condition was met."""

    def prints(self) -> bool:
        """Whether the statement that is being run only prints."""

    def expression(self, of: tuple[Terms, ...], size: int, made: Terms | None, parts: tuple[Axis, ...]) -> Axis:
        """The axis whose size is an expression of others."""


WATCHER: ContextVar[Watcher | None] = ContextVar("WATCHER", default=None)


@functools.cache
def _is_ours(file: str) -> bool:
    return file.startswith(str(PACKAGE)) and not is_users(file)


def asked_by_others() -> bool:
    """Whether what called the caller is code of the user's, or of NumPy's or Python's on its behalf."""
    return not _is_ours(sys._getframe(2).f_code.co_filename)
