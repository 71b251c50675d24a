"""Where the backward of a round begins that has no loss: a value of its forward, and the array that seeds its backward.

A loss need not be written to be differentiated: code that begins with ``d = p - y`` knows it by its gradient alone.
Then the seed is taken for given: the gradients have to be those of ``sum(p * d)`` with ``d`` held as it is. In goes a
round that was made a function; out come pairs of a value and a seed of its shape, the earliest first, and the source in
which a seed is what a check draws. What makes the seed itself is not checked by that.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.core.source import parse_python

from .flattened import Rewriting
from .measures import Measure
from .steps import is_called_gradient

LINES = 20_000
"""How many lines of a round are followed."""
LARGEST = 100_000
"""How many numbers a value has at most."""
PAIRS = 400
"""How many pairs are tried."""


class Place(NamedTuple):
    """What a name holds after a statement: the first line of its function, that of the statement, 0 for a parameter,
    and the name, which is local there, or an attribute of an object that has one, ``self.delta``.
    """

    function: int
    line: int
    name: str


@dataclass(frozen=True)
class Held:
    """An array that stands at a place in a round, a sequence of arrays as one; ``in_round`` if that is in the round
    itself, and not in a function that it calls.
    """

    place: Place
    value: np.ndarray = field(compare=False)
    is_sequence: bool = False
    in_round: bool = False


@dataclass(frozen=True)
class Seeded(Measure):
    """The sum of a value times a seed that is held: what it rises by is what the seed passes on."""

    output: Held = field(kw_only=True)
    seed: Held = field(kw_only=True)

    @property
    def is_called_so(self) -> bool:
        """Whether the seed is called the gradient of the value."""
        return is_called_gradient(self.seed.place.name, self.output.place.name)

    def at(self, values: Mapping[Place, np.ndarray]) -> float:
        """The sum where the round holds these values."""
        value, held = values.get(self.output.place), self.seed.value
        return float(np.sum(value * held)) if value is not None and value.shape == held.shape else float("nan")


def seeded(held: Iterable[Held], called: str, numpy: str) -> Iterator[Seeded]:
    """The sums for the values of a round, and seeds of their shapes that are made later, by the name that a seed is
    called; a name that is bound anew holds another value.
    """
    before: list[Held] = []
    for seed in held:
        for output in before:
            name = output.place.name
            if output.value.shape == seed.value.shape and name != seed.place.name:
                whole = f"{numpy}.stack({name})" if output.is_sequence else name
                formula = f"{numpy}.sum({whole} * {called})"
                yield Seeded(formula, (), formula, named=True, output=output, seed=seed)
        before.append(seed)


def as_array(value: Any) -> np.ndarray | None:
    """An array of floating point, or several of one shape as one; None of anything else."""
    several = isinstance(value, list | tuple) and value and all(isinstance(one, np.ndarray) for one in value)
    if several and len({one.shape for one in value}) == 1:
        value = np.stack(value)
    is_real = isinstance(value, np.ndarray) and value.dtype.kind == "f" and 1 < value.size <= LARGEST
    return value if is_real else None


def held_in(call: Callable[[], Any], name: str) -> list[Held]:
    """What the statements of a round make or change, in the order in which they do: those of the round, a function of
    this ``name`` that is run by ``call``, and of any function of its file that it calls once.
    """
    follower = Follower(name)
    before = sys.gettrace()
    sys.settrace(follower.on_call)
    try:
        call()
    finally:
        sys.settrace(before)
    return follower.found()


class Follower:
    """Follows a call line by line, and notes the arrays that its statements make or change."""

    def __init__(self, name: str) -> None:
        self._name, self._file = name, ""
        self._left = LINES
        self._calls: Counter[CodeType] = Counter()
        self._known: dict[FrameType, dict[str, np.ndarray]] = {}
        self._at: dict[FrameType, int] = {}
        self._held: list[tuple[CodeType, Held]] = []

    def found(self) -> list[Held]:
        return [held for code, held in self._held if self._calls[code] == 1]

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_name == self._name:  # what the setup runs before is no part of the round
            self._file = code.co_filename
            self._calls.clear()
            self._held.clear()
        elif code.co_filename != self._file or code.co_name.startswith("<"):
            return None
        self._calls[code] += 1
        if self._calls[code] > 1 or self._left <= 0:
            return None
        self._known[frame], self._at[frame] = {}, 0
        self._note(frame)
        return self.on_line

    def on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self._left -= 1
        if self._left > 0 and event in ("line", "return"):
            self._note(frame)
            self._at[frame] = frame.f_lineno
        return self.on_line

    def _note(self, frame: FrameType) -> None:
        """What is held now that was not before the line that has just run."""
        known, code = self._known[frame], frame.f_code
        for name, value in named_in(frame.f_locals):
            array = as_array(value)
            before = known.get(name)
            if array is not None and (before is None or before.shape != array.shape or not np.array_equal(
                    before, array, equal_nan=True)):  # fmt: skip
                known[name] = array.copy()
                place = Place(code.co_firstlineno, self._at[frame], name)
                several = not isinstance(value, np.ndarray)
                self._held.append((code, Held(place, known[name], several, code.co_name == self._name)))


def named_in(local: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What has a name in a function, or is an attribute of the object that is its first parameter."""
    for n, (name, value) in enumerate(local.items()):
        yield name, value
        if n == 0 and hasattr(value, "__dict__"):
            yield from ((f"{name}.{attribute}", one) for attribute, one in vars(value).items())


def with_seed(made: Rewriting, pair: Seeded, called: str, kept: str, numpy: str) -> Rewriting | None:
    """The source in which a seed is what has one name of the module, and its output has another: None where no
    statement has room for that on its lines.
    """
    output, seed = pair.output, pair.seed
    value = f"{numpy}.stack({output.place.name})" if output.is_sequence else f"{output.place.name} + 0"
    keeping = f"{kept} = {value}" if output.in_round else f"globals().update({kept}={value})"
    giving = f"{seed.place.name} = {f'[*{called} + 0]' if seed.is_sequence else f'{called} + 0'}"
    with_both = inserted(made, seed.place, giving)  # the later one first, so that the columns of the other still hold
    return inserted(with_both, output.place, keeping, is_read=True) if with_both is not None else None


def inserted(made: Rewriting, place: Place, text: str, *, is_read: bool = False) -> Rewriting | None:
    """The source with a statement after the one that stands at a place. That is then no line of the script where what
    it makes is not ``is_read``; None where it has no room.
    """
    lines, tree = made.text.splitlines(), parse_python(made.text)
    body = next((node.body for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
                 and first_line(node) == place.function), [])  # fmt: skip
    if place.line == 0:
        first = next((item for item in body if not is_docstring(item)), None)
        return None if first is None or is_compound(first) else beside(made, lines, first, text, before=True)
    own = [statement for statement in body if statement.lineno <= place.line <= (statement.end_lineno or 0)
           and speaks_of(statement, place.name)]  # fmt: skip
    own = [statement for statement in own if binds(statement, place.name)] or own
    if own and not is_compound(own[-1]):
        found = beside(made, lines, own[-1], text, before=False)
        return found if is_read else found._replace(added=found.added | {own[-1].end_lineno or 0})
    after = body[body.index(own[-1]) + 1 :] if own else []
    return beside(made, lines, after[0], text, before=True) if after and not is_compound(after[0]) else None


def beside(made: Rewriting, lines: list[str], at: ast.stmt, text: str, *, before: bool) -> Rewriting:
    """The source with a statement on the line of another one."""
    number = at.lineno if before else at.end_lineno or at.lineno
    column = at.col_offset if before else at.end_col_offset or 0
    line = lines[number - 1].encode()
    given = f"{text}; " if before else f"; {text}"
    lines[number - 1] = (line[:column] + given.encode() + line[column:]).decode()
    return made._replace(text="\n".join(lines) + "\n")


def first_line(node: ast.FunctionDef) -> int:
    """The first line of a function, its decorators' if it has some, as its code has it."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def speaks_of(statement: ast.stmt, name: str) -> bool:
    """Whether a statement reads or binds a name, or the attribute that it is."""
    return any(isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) == name for node in ast.walk(statement))


def binds(statement: ast.stmt, name: str) -> bool:
    """Whether a statement binds a name, or an attribute."""
    return any(isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
               and ast.unparse(node) == name for node in ast.walk(statement))  # fmt: skip


def is_compound(statement: ast.stmt) -> bool:
    return hasattr(statement, "body") or isinstance(statement, ast.Match)


def is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
