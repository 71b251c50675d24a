"""Where the backward of a round begins that has no loss: a value of its forward, and the array that seeds its backward.

A loss need not be written to be differentiated: code that begins with ``d = p - y`` knows it by its gradient alone.
Then the seed is taken for given: the gradients have to be those of ``sum(p * d)`` with ``d`` held as it is. In goes a
round that was made a function; out come pairs of a value and a seed of its shape, the earliest seeds first, and the
source in which a seed is what a check draws. What makes the seed itself is not checked by that.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np

from einbackprop.core.source import parse_python

from .flattened import Rewriting
from .measures import Measure
from .steps import is_called_gradient

LINES = 20_000
"""How many lines of a round are followed."""
LARGEST = 100_000
"""How many numbers a seed has at most."""
PAIRS = 200
"""How many pairs are tried."""


@dataclass(frozen=True)
class Seed:
    """What a name held after a statement that runs once in a round, a sequence of arrays as one.

    Attributes
    ----------
    name
        A name that is local there, or an attribute of an object that has one, ``self.delta``.
    value
    function
        The first line of the function.
    line
        That of the statement; 0 for a parameter.
    is_sequence
    in_round
        Whether it is made in the round itself, and not in a function that this calls.
    """

    name: str
    value: np.ndarray = field(compare=False)
    function: int
    line: int
    is_sequence: bool = False
    in_round: bool = False


@dataclass(frozen=True)
class Seeded(Measure):
    """The sum of a value times a seed that is held: what it rises by is what the seed passes on."""

    seed: Seed = field(kw_only=True)

    def value(self, parts: Sequence[Any]) -> float:
        value, held = as_array(parts[0]), self.seed.value
        return float(np.sum(value * held)) if value is not None and value.shape == held.shape else float("nan")


def seeded(
    values: Mapping[str, Any], read: Callable[[str], str], seeds: Sequence[Seed], called: str, numpy: str
) -> Iterator[Seeded]:  # fmt: skip
    """The sums for the ``values`` of a round, by how it writes them, and seeds of their shapes that are made later;
    ``read`` is where they are among what the round gave, and ``called`` the name of the seed.
    """
    for n, seed in enumerate(seeds):
        for text, value in values.items():
            array = as_array(value)
            made = [at for at, one in enumerate(seeds) if one.in_round and one.name == text]
            is_before = not made or (made[0] < n and (seed.in_round or made[-1] < n))  # changed since, it is another
            if array is not None and array.shape == seed.value.shape and text != seed.name and is_before:
                whole = text if isinstance(value, np.ndarray) else f"{numpy}.stack({text})"
                formula = f"{numpy}.sum({whole} * {called})"
                named = is_called_gradient(seed.name, text)
                yield Seeded(formula, (read(text),), formula, named=named, compared=(text,), seed=seed)


def seeded_within(seeds: Sequence[Seed], called: str, numpy: str) -> Iterator[Seeded]:
    """The same for what functions hold that the round calls, where `with_locals` keeps it."""
    for n, seed in enumerate(seeds):
        for value in last_ones(seeds[:n], seed.function) if not seed.in_round else ():
            if value.name.isidentifier() and value.name != seed.name and value.value.shape == seed.value.shape:
                whole = f"{numpy}.stack({value.name})" if value.is_sequence else value.name
                formula, named = f"{numpy}.sum({whole} * {called})", is_called_gradient(seed.name, value.name)
                yield Seeded(formula, (f"{kept_in(seed.function)}[{value.name!r}]",), formula, named=named, seed=seed)


def last_ones(seeds: Sequence[Seed], function: int) -> list[Seed]:
    """What each name of a function held last."""
    return list({seed.name: seed for seed in seeds if seed.function == function}.values())


def kept_in(function: int) -> str:
    """The name of the module under which what a function holds is kept; it stands for the function's line."""
    return f"locals_of_line_{function}"


def with_locals(made: Rewriting, functions: Collection[int]) -> Rewriting:
    """The source in which functions that end with a ``return`` keep what they hold then."""
    lines, tree = made.text.splitlines(), parse_python(made.text)
    for node in ast.walk(tree):
        ends = isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return)
        if isinstance(node, ast.FunctionDef) and ends and first_line(node) in functions:
            kept = f"globals().update({kept_in(first_line(node))}=dict(locals()))"
            made = inserted(made, lines, node.body[-1], kept, before=True)
    return made


def as_array(value: Any) -> np.ndarray | None:
    """An array of floating point, or several of one shape as one; None of anything else."""
    several = isinstance(value, list | tuple) and value and all(isinstance(one, np.ndarray) for one in value)
    if several and len({one.shape for one in value}) == 1:
        value = np.stack(value)
    is_real = isinstance(value, np.ndarray) and value.dtype.kind == "f" and 1 < value.size <= LARGEST
    return value if is_real else None


def seeds_of(call: Callable[[], Any], name: str) -> list[Seed]:
    """What may seed the backward of a round, in the order in which it is made: what any function of the file in which
    the round stands holds after its statements, as far as it is called once. ``call`` runs the round, which is a
    function of this ``name``.
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
        self._held: dict[FrameType, dict[str, np.ndarray]] = {}
        self._at: dict[FrameType, int] = {}
        self._seeds: list[tuple[CodeType, Seed]] = []

    def found(self) -> list[Seed]:
        return [seed for code, seed in self._seeds if self._calls[code] == 1]

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_name == self._name:  # what the setup runs before is no part of the round
            self._file = code.co_filename
            self._calls.clear()
            self._seeds.clear()
        elif code.co_filename != self._file or code.co_name.startswith("<"):
            return None
        self._calls[code] += 1
        if self._calls[code] > 1 or self._left <= 0:
            return None
        self._held[frame], self._at[frame] = {}, 0
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
        known = self._held[frame]
        for name, value in named_in(frame.f_locals):
            array = as_array(value)
            before = known.get(name)
            if array is not None and (before is None or before.shape != array.shape or not np.array_equal(
                    before, array, equal_nan=True)):  # fmt: skip
                known[name] = array.copy()
                code, several = frame.f_code, not isinstance(value, np.ndarray)
                place = code.co_firstlineno, self._at[frame]
                self._seeds.append((code, Seed(name, known[name], *place, several, code.co_name == self._name)))


def named_in(local: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What has a name in a function, or is an attribute of the object that is its first parameter."""
    for n, (name, value) in enumerate(local.items()):
        yield name, value
        if n == 0 and hasattr(value, "__dict__"):
            yield from ((f"{name}.{attribute}", one) for attribute, one in vars(value).items())


def with_seed(made: Rewriting, seed: Seed, given: str) -> Rewriting | None:
    """The source with statements that are ``given`` after the one that makes a seed; None where they have no room."""
    lines, tree = made.text.splitlines(), parse_python(made.text)
    body = next((node.body for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
                 and first_line(node) == seed.function), [])  # fmt: skip
    own = [statement for statement in body
           if statement.lineno <= seed.line <= (statement.end_lineno or 0) and made_by(statement, seed.name)]
    if seed.line == 0:
        first = next((item for item in body if not is_docstring(item)), None)
        return None if first is None or is_compound(first) else inserted(made, lines, first, given, before=True)
    own = [statement for statement in own if binds(statement, seed.name)] or own
    if not own:
        return None
    if not is_compound(own[-1]):
        return inserted(made, lines, own[-1], given, before=False)
    after = body[body.index(own[-1]) + 1 :]
    return inserted(made, lines, after[0], given, before=True) if after and not is_compound(after[0]) else None


def inserted(made: Rewriting, lines: list[str], at: ast.stmt, text: str, *, before: bool) -> Rewriting:
    """The source with a statement on the line of another one, which a check then takes for no line of the script where
    it comes after that: what it follows is of no use.
    """
    number = at.lineno if before else at.end_lineno or at.lineno
    column = at.col_offset if before else at.end_col_offset or 0
    line = lines[number - 1].encode()
    given = f"{text}; " if before else f"; {text}"
    lines[number - 1] = (line[:column] + given.encode() + line[column:]).decode()
    added = made.added if before else made.added | {number}
    return made._replace(text="\n".join(lines) + "\n", added=frozenset(added))


def first_line(node: ast.FunctionDef) -> int:
    """The first line of a function, its decorators' if it has some, as its code has it."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def made_by(statement: ast.stmt, name: str) -> bool:
    """Whether a statement speaks of a name, or of the attribute that it is."""
    return any(isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) == name for node in ast.walk(statement))


def binds(statement: ast.stmt, name: str) -> bool:
    """Whether a statement binds a name, or an attribute."""
    return any(isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
               and ast.unparse(node) == name for node in ast.walk(statement))  # fmt: skip


def is_compound(statement: ast.stmt) -> bool:
    return hasattr(statement, "body") or isinstance(statement, ast.Match)


def is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
