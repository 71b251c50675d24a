"""A script that stops with an error, written so that it goes on: only then does it show what it asks.

In go a source and the error; out come sources in which the statement at which it stops is written otherwise and has a
value there. What such a source asks is asked of the script as it is: the check finds the mistake for itself.
"""

from __future__ import annotations

import ast
import itertools
import linecache
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.checking.naming import definition_of
from einbackprop.core.records import dataclass
from einbackprop.core.scoped import unwarned
from einbackprop.core.source import callee, parse_python, replace_statements, statements_of_text
from einbackprop.diagnosis.crashes import innermost_first
from einbackprop.diagnosis.vocabulary import Edit, expression_edits, hand_of
from einbackprop.diagnosis.vocabulary.expression import Place
from einbackprop.world.ownership import is_users

from .proposal import Proposal
from .updates import momentum_of, numbers_in, update_of

MOST, TRIED, DEAREST = 3, 60, 2.5
"""How many sources are made for one statement, of how many edits, and what these cost at most."""
MARK = "einbackprop: so that it goes on"
SHAPES = (ValueError, IndexError)
"""What is raised where shapes do not fit, as far as it is not about unpacking."""
CHANGES = frozenset({"pop", "popitem", "append", "extend", "insert", "update", "remove", "setdefault", "next", "write"})
"""Calls that leave something changed: a statement with one is not evaluated twice."""
KEEPS = frozenset({"append", "insert"})
"""Methods whose last argument is what a list is to hold."""


@dataclass(frozen=True)
class Mended:
    """A source that goes on where another one stops.

    Attributes
    ----------
    text
        The source. An edit stands in it as ``(new if MARK else old)``, so that it can be taken back wherever its
        expression has got to.
    marked, old
        That expression, and what it stands for.
    line
        Where its statement begins.
    statement
        The lines of that, as they were.
    """

    text: str
    marked: str
    old: str
    line: int
    statement: tuple[str, ...]

    def taken_back(self, proposal: Proposal) -> Proposal:
        """What such a source asks, as a question of the script as it is."""
        asked = proposal.question
        asked = asked and replace(asked, loss=self._plain(asked.loss), grads=self._plain(asked.grads),
                                  both=self._plain(asked.both))  # fmt: skip
        source = proposal.source and proposal.source._replace(text=self._without_edit(proposal.source.text))
        expression, setup = self._plain(proposal.expression), self._plain(proposal.setup)
        return replace(proposal, question=asked, expression=expression, setup=setup, source=source)

    def _without_edit(self, text: str) -> str:
        """A text that was made of this source, without the edit; the statement as it was where it still stands."""
        lines, edited = text.splitlines(), self.text.splitlines()[self.line - 1]
        if self.line <= len(lines) and lines[self.line - 1].strip() == edited.strip():
            margin = len(lines[self.line - 1]) - len(lines[self.line - 1].lstrip())
            own = len(self.statement[0]) - len(self.statement[0].lstrip())
            lines[self.line - 1 : self.line - 1 + len(self.statement)] = [
                " " * (margin - own) + line if line.strip() else line for line in self.statement]  # fmt: skip
        return self._plain("\n".join(lines) + "\n")

    def _plain(self, text: str) -> str:
        inner = self.old if self.old.isidentifier() else f"({self.old})"
        return text.replace(f"({self.marked})", inner).replace(self.marked, self.old)


def mended(source: str, error: BaseException) -> Iterator[Mended]:
    """Sources that go on where one stops with an error, the likeliest first; none where shapes are not its cause,
    or another statement shares the lines of that at which it stops.
    """
    innermost = next(_frames(error), None)
    if innermost is None or not isinstance(error, SHAPES) or "unpack" in str(error):
        return
    frame, line = innermost
    own = linecache.getline(frame.f_code.co_filename, line).expandtabs().rstrip()
    if own != "".join(source.splitlines()[line - 1 : line]).rstrip():
        return  # a module that the script imports
    statements = statements_of_text(source)
    statement = statements.at(line)
    value = _value_of(statement)
    changes = value is not None and any(
        isinstance(node, ast.Call) and callee(node) in CHANGES for node in ast.walk(value))  # fmt: skip
    if value is not None and not changes and statements.stands_alone(statement):
        yield from itertools.islice(_going_on(source, statement, frame), MOST)


def _value_of(statement: Any) -> ast.expr | None:
    """What a statement evaluates before it changes anything; of ``grads.insert(0, value)`` the last argument."""
    value: ast.expr | None = getattr(statement, "value", None)
    is_kept = isinstance(statement, ast.Expr) and isinstance(value, ast.Call) and callee(value) in KEEPS
    return value.args[-1] if is_kept and isinstance(value, ast.Call) and value.args else value


def _with_value(statement: Any, new: ast.expr) -> ast.stmt:
    """A statement with another such value."""
    if _value_of(statement) is not statement.value:
        call = statement.value
        new = ast.Call(call.func, [*call.args[:-1], new], call.keywords)
    made: ast.stmt = type(statement)(**{**dict(ast.iter_fields(statement)), "value": new})
    return made


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The functions of the user's that an error left, and the module, each with its line, the innermost first."""
    for frame, line in innermost_first(error):
        name = frame.f_code.co_name
        if is_users(frame.f_code.co_filename) and (not name.startswith("<") or name == "<module>"):
            yield frame, line


def stopped_in(error: BaseException) -> str:
    """The name of the user's function in which an error was raised; empty where it was in none."""
    return next((frame.f_code.co_name for frame, _ in _frames(error)), "")


def _going_on(source: str, statement: Any, frame: FrameType) -> Iterator[Mended]:
    """A source for each edit of a statement with which it has a value in its frame."""
    local = dict(frame.f_locals) if frame.f_locals is not frame.f_globals else {}
    around = definition_of(frame.f_code) or statements_of_text(source).tree
    hand = hand_of(local, frame.f_globals, around, statement=statement)
    value = _value_of(statement)
    assert value is not None
    numbers = numbers_in(node for node in ast.walk(statements_of_text(source).tree) if isinstance(node, ast.stmt))
    if (kept := _where_shapes_fit(statement, numbers)) is not None and _has_value(statement, kept, frame):
        yield _with_new(source, statement, kept, value)[1]
    edits = expression_edits(value, hand, statement=statement, limit=DEAREST)
    for edit in itertools.islice(edits, TRIED):
        made = _with_edit(source, statement, edit)
        if made is not None and _has_value(statement, made[0], frame):
            yield made[1]


def _with_edit(source: str, statement: Any, edit: Edit) -> tuple[ast.expr, Mended] | None:
    """A statement's value with an edit, and the source with that; None of an edit that gives no value."""
    place, node, own = edit.place, edit.node, _value_of(statement)
    new = edit.value if place is None or edit.changes is not None else node
    old = own if place is None or edit.changes is not None else place.node
    if new is None or old is None:
        return None
    return _with_new(source, statement, new, old, place)


def _where_shapes_fit(statement: Any, numbers: Collection[str]) -> ast.expr | None:
    """What a statement that updates something, ``W -= rate * dW`` or an average that goes on, may add or assign so that
    what has another shape is left out: it shows no mistake, it only meets one. None of any other statement.
    """
    value, is_added = _value_of(statement), isinstance(statement, ast.AugAssign)
    if value is None or not (update_of(statement, None, numbers) or momentum_of(statement)):
        return None
    nodes = list(ast.walk(value))
    inner = {id(one) for node in nodes if isinstance(node, ast.Attribute | ast.Subscript)
             for one in ast.walk(node) if one is not node}  # fmt: skip
    read = [ast.unparse(node) for node in nodes if id(node) not in inner
            and isinstance(node, ast.Name | ast.Attribute | ast.Subscript)]  # fmt: skip
    if not read or any(isinstance(node, ast.Call | ast.MatMult) for node in nodes):
        return None
    held = ast.unparse(statement.target if is_added else statement.targets[0])
    fits = f"{{getattr(one, 'shape', ()) for one in ({', '.join(read)},)}} <= {{(), getattr({held}, 'shape', ())}}"
    return parse_python(f"{ast.unparse(value)} if {fits} else {held}{' * 0' if is_added else ''}", "eval").body


def _with_new(
    source: str, statement: Any, new: ast.expr, old: ast.expr, place: Place | None = None
) -> tuple[ast.expr, Mended]:
    """A statement's value with a new expression in the place of an old one, and the source with that."""
    both = ast.IfExp(ast.Constant(MARK), new, old)
    value = both if old is _value_of(statement) or place is None else place.put(both)
    lines = source.splitlines()
    first, last = statement.lineno - 1, statement.end_lineno
    whole = _with_value(statement, value)
    text = ast.unparse(ast.fix_missing_locations(ast.copy_location(whole, statement)))
    written = tuple(lines[first:last])
    replace_statements(lines, {statement: text})
    return value, Mended("\n".join(lines) + "\n", ast.unparse(both), ast.unparse(old), first + 1, written)


def _has_value(statement: Any, value: ast.expr, frame: FrameType) -> bool:
    """Whether an expression has a value where a statement stands, that the statement can use."""
    if isinstance(statement, ast.AugAssign):
        read = parse_python(ast.unparse(statement.target), "eval").body
        value = ast.BinOp(read, statement.op, value)
    try:
        code = compile(ast.unparse(value), "<mended>", "eval")
        with unwarned(), np.errstate(all="ignore"):
            made = eval(code, frame.f_globals, dict(frame.f_locals))
    except Exception:  # whatever the user's code raises, it does not go on
        return False
    into: list[ast.expr] = [statement.target] if isinstance(statement, ast.AugAssign) else [
        target for target in getattr(statement, "targets", ()) if isinstance(target, ast.Subscript)]
    if not into:
        return True
    with suppress(Exception):
        held = eval(compile(ast.unparse(into[0]), "<mended>", "eval"), frame.f_globals, dict(frame.f_locals))
        return not isinstance(held, np.ndarray) or np.broadcast_shapes(held.shape, np.shape(made)) == held.shape
    return True  # a key of a dict that is not there yet
