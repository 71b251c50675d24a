"""What a trace met on its way: conditions on values and on sizes, each in the user's words with its line; and what is
said where the user's code, or the reading of it, fails: one message with the user's line and arrays.

A trace follows one way through the code. What is proved of it holds where the conditions on that way go as they went.
The watcher of the trace that is going on is told of them, if the user's code has asked.
"""

import ast
import functools
import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from ..core.collecting import grouped
from ..core.dimensions import Axis
from ..core.program import Source
from ..core.source import parse_python, statements_of
from ..core.subscripts import parse
from ..errors import EinbackpropError, SubscriptsError, TraceError
from ..world import told
from ..world.ownership import PACKAGE, is_users
from .memory import View, is_traced
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
    """

    kind: Kind
    said: str
    source: Source | None

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


def conditions(meetings: Iterable[Meeting]) -> Iterator[Condition]:
    """What was met, each line once."""

    def key_of(met: Meeting) -> tuple[Any, ...]:
        answer = met.answer if met.kind in ("frozen", "given", "caught", "written", "divides") else ""
        return met.kind, met.source and (met.source.file, met.source.line), answer

    for group in grouped((key_of(met), met) for met in meetings).values():
        source = group[0].source
        yield Condition(group[0].kind, sentence(group[0].kind, source, [met.answer for met in group]), source)


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

    def met(self, kind: Kind, answer: Any, axes: tuple[Axis, ...] = ()) -> None:
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


Describe = Callable[[View], str]
Function = TypeVar("Function", bound=Callable[..., Any])
OWN = str(Path(__file__).parent.parent)
THIN = ("tracer.py", "traced.py", "namespace.py", "calls.py", "copies.py", "library.py", "modules.py")
"""Files whose functions do no more than call the user's code, ask NumPy, or pass what they are given to a rule."""
SIGNS = {
    "matmul": "·", "dot": "·", "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/",
    "power": "**", "equal": "==",
}  # fmt: skip
PRODUCTS = ("matmul", "dot", "inner")
DEEP = 50
"""Calls of the user's inside one another, after which it is theirs if there are too many."""
ASKING: set[CodeType] = set()
STANDS_FOR = {
    "Traced": "numpy.ndarray", "Selection": "numpy.ndarray", "Measured": "int", "Module": "module",
    "Function": "function", "Casting": "type", "Joined": "numpy.lib.RClass",
}  # fmt: skip
STAND_INS = re.compile(rf"'(?:[\w.]+\.)?({'|'.join(STANDS_FOR)})'")


class MismatchError(ValueError):
    """NumPy refused the shapes of some arrays. A ValueError as NumPy's is, so that the user's code may catch it.

    Attributes
    ----------
    function : str
        NumPy's name for what was done.
    operands : sequence of arrays
    subscripts : str
        Of an einsum.
    described : list of str
        The arrays with the letters known so far, ``W2[k,j]``, once the error has left the user's code.
    """

    def __init__(self, message: str, function: str, operands: Sequence[Any], subscripts: str = "") -> None:
        super().__init__(message)
        self.function, self.operands, self.subscripts = function, operands, subscripts
        self.described: list[str] = []

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each array."""
        return [np.shape(o.value) if is_traced(o) else np.shape(o) for o in self.operands]


def user_line(error: BaseException) -> str:
    """``file, line 12, in backward: code`` of the innermost user frame of a traceback."""
    found = None
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        entered = found is not None and code is found[0] and step.tb_lineno == code.co_firstlineno  # no deeper call
        if is_users(code.co_filename) and not entered:
            found = step.tb_frame.f_code, step.tb_lineno
        step = step.tb_next
    if found is None:
        return ""
    code, line = found
    return f"{code.co_filename}, line {line}, in {code.co_name}: {statements_of(code.co_filename).code(line)}"


def located(error: EinbackpropError) -> EinbackpropError:
    """The error with the user's line, if its message has none yet."""
    where = user_line(error)
    if not where or where.partition(", in ")[0] in str(error):
        return error
    return type(error)(f"{where}\n{error}")


def asks_numpy(function: Function) -> Function:
    """Mark a function that asks NumPy or Python with the user's values: what is raised there is of the user's line."""
    ASKING.add(inspect.unwrap(function).__code__)
    return function


def is_ours(error: Exception) -> bool:
    """Whether an exception was raised by a mistake in a rule of ours, not by the user's line.

    It is the user's where the innermost frame is theirs, where NumPy was asked with their values, and where one of our
    lines raises it on purpose, as NumPy would.
    """
    below: list[tuple[CodeType, int]] = []
    users, step = 0, error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if is_users(code.co_filename):
            below, users = [], users + 1
        elif code.co_filename.startswith(OWN):
            below.append((code, step.tb_lineno))
        step = step.tb_next
    endless = isinstance(error, RecursionError) and users > DEEP
    if isinstance(error, MismatchError) or endless or not below:
        return False
    code, line = below[-1]
    on_purpose = linecache.getline(code.co_filename, line).lstrip().startswith("raise ")
    return not on_purpose and code not in ASKING and not code.co_filename.endswith(THIN)


def failed(error: Exception, describe: Describe) -> TraceError:
    """An exception of the user's code: its line, and what was said. One of ours is raised as it is."""
    if is_ours(error):
        raise error
    where = user_line(error) or "the code"
    if isinstance(error, RecursionError):
        return TraceError(f"{where}\nthe function calls itself without an end")
    if isinstance(error, MismatchError):
        return TraceError(f"{where}\n{mismatch(error, describe)}")
    return TraceError(f"{where}\nraised {type(error).__name__}: {in_numpys_words(told(error))}")


def in_numpys_words(message: str) -> str:
    """What Python says of a stand-in of ours, said of what it stands for."""
    return STAND_INS.sub(lambda found: f"'{STANDS_FOR[found[1]]}'", message)


def mismatch(error: MismatchError, describe: Describe) -> str:
    """The arrays with their letters and shapes, and the two axes that do not meet."""
    shapes = error.shapes
    error.described = names = [describe(o) if is_traced(o) else "an array" if shape else str(o) for o, shape in zip(
        error.operands, shapes, strict=True)]  # fmt: skip
    shown = [f"{name} {'has ' if n == 0 else ''}shape {shape}" for n, (name, shape) in enumerate(
        zip(names, shapes, strict=True)) if shape]  # fmt: skip
    said: object = error
    if (axes := meeting(error)) is not None:
        (i, j), (first, second) = axes, (name.partition("[")[0] for name in names)
        said = f"axis {i + 1} of {first} has size {shapes[0][i]}, axis {j + 1} of {second} {shapes[1][j]}"
    return f"{', '.join(shown)}: {said}"


def meeting(error: MismatchError) -> tuple[int, int] | None:
    """The two axes, one of each array, that should have one size."""
    if len(error.shapes) != 2 or not all(error.shapes):
        return None
    left, right = error.shapes
    if error.function in PRODUCTS:
        i, j = len(left) - 1, len(right) - 1 if error.function == "inner" else max(len(right) - 2, 0)
        if left[i] != right[j]:
            return i, j
    for n in range(1, min(len(left), len(right)) + 1):
        if left[-n] != right[-n] and 1 not in (left[-n], right[-n]):
            return len(left) - n, len(right) - n
    return None


def explained(error: BaseException) -> str:
    """Say which letters do not meet: ``W3[l,k] · d[l,b]: k (4) meets l (2)``; empty where it is about no letters.

    Parameters
    ----------
    error
        What stopped a trace, or what it came from.
    """
    cause = error if isinstance(error, MismatchError) else error.__cause__
    if not isinstance(cause, MismatchError) or not cause.described:
        return ""
    if cause.subscripts:
        return of_einsum(cause)
    axes = meeting(cause)
    if axes is None:
        return ""
    (i, j), sign = axes, SIGNS.get(cause.function, ",")
    left, right = cause.described
    between = sign if sign == "," else f" {sign}"
    return f"{left}{between} {right}: {axis_of(cause, 0, i)} meets {axis_of(cause, 1, j)}"


def of_einsum(error: MismatchError) -> str:
    """The letter of the user's own subscripts that has two sizes."""
    try:
        terms = parse(error.subscripts).inputs
    except SubscriptsError:
        return ""
    seen: dict[str, int] = {}
    for n, (letters, shape) in enumerate(zip(terms, error.shapes, strict=False)):
        for letter, size in zip(letters, shape, strict=False):
            first = seen.setdefault(letter, n)
            before = error.shapes[first][terms[first].index(letter)]
            if before != size:
                return (f"einsum('{error.subscripts}'): the letter {letter} is {before} in {error.described[first]} "
                        f"and {size} in {error.described[n]}")
    return ""


def axis_of(error: MismatchError, operand: int, axis: int) -> str:
    """``k (4)``: the letter of an axis and its size; ``axis 2 of x (4)`` where it has no letter."""
    size = error.shapes[operand][axis]
    letters = re.search(r"\[(.*)\]$", error.described[operand])
    named: Sequence[str] = letters.group(1).split(",") if letters else ()
    if axis < len(named):
        return f"{named[axis]} ({size})"
    return f"axis {axis + 1} of {error.described[operand]} ({size})"
