"""Lines written from the derivative: a search that found no edit goes in, a statement as it should be comes out.

What a statement should make is known (`localization`), and so is what is at hand at it. `synthesis` makes an expression
of the two, and the whole code is run with it, at every state, as with any edit.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from einbackprop.core.source import statements_of
from einbackprop.diagnosis.experiments import Array, Both, Shift
from einbackprop.diagnosis.holes import Hole
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.localization import shift_of
from einbackprop.diagnosis.omissions import COMPUTED, COST, MISSING_LINE, localized, lost_updates, whole_repair
from einbackprop.diagnosis.repair import Round
from einbackprop.diagnosis.suspects import Suspect, needed_of
from einbackprop.diagnosis.trying import Table
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary import Edit, hand_of
from einbackprop.diagnosis.vocabulary.hand import MISSING as UNKNOWN
from einbackprop.diagnosis.vocabulary.hand import value_of
from einbackprop.diagnosis.vocabulary.insertions import MISSING
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, binary, parsed
from einbackprop.world.ownership import is_users_function

MOST = 8
"""Statements that are written anew, and places of lines that are missing, at most."""
ALIKE = 16
"""Characters by which the texts of two differ, of which neither is called shorter."""
SIMPLE = frozenset((0.5, 0.25, 1.5, -0.5, -0.25, -1.5))
"""Numbers that derivatives have of their own."""
WRITTEN = "this is not the derivative of the loss"


def of_derivative(search: Round) -> Repair | None:
    """A statement that is written anew, or one that is missing, with which everything is right: the shortest."""
    if search.unfilled is not None:
        candidates = [*of_holes(search, [search.unfilled])]
    else:
        candidates = [*of_statements(search), *of_holes(search, added(search))]
    candidates.sort(key=lambda each: len(ast.unparse(each[0])) // ALIKE)
    return next(filter(None, (make(expression) for expression, make in candidates)), None)


Candidate = tuple[ast.expr, Callable[[ast.expr], Repair | None]]
"""An expression, and what makes a repair of it, where it repairs."""


def of_statements(search: Round) -> Iterator[Candidate]:
    """What statements may make instead. Where an entry is returned that lacks a term, that is a line before."""
    tables = [table for table in search.alone if table.suspect.shift is not None and not table.suspect.site.is_passed
              and not table.suspect.made.is_zero]  # what begins as zeros lacks a line  # fmt: skip
    tables.sort(key=lambda table: table.suspect.site not in search.broken)
    for table in tables[:MOST]:
        site = table.suspect.site
        if not search.is_users(site):
            continue
        for value in needed_expressions(search, table.suspect):
            if not isinstance(site.value, OPERANDS):  # what only hands on a value is not what made it wrong
                yield value, partial(anew, search, table)
            elif isinstance(site.value, ast.Subscript) and isinstance(site.statement, ast.Return):
                match value:
                    case ast.BinOp(own, ast.Add(), term) if ast.unparse(own) == ast.unparse(site.value):
                        hole = Hole((site.file, site.definition), site.statement, site.value, "+=")
                        yield term, partial(filled_with, search, hole, site)


def added(search: Round) -> list[Hole]:
    """Where a line may be missing that adds to something: of several places where it may stand, the last first."""
    return [hole for hole in lost_updates(search) if hole.does == "+="][:MOST][::-1]


def of_holes(search: Round, holes: Sequence[Hole]) -> Iterator[Candidate]:
    """What may stand in lines that are missing."""
    for hole in holes:
        localization = localized(search, hole)
        if localization is not None and localization.hole is not None:
            make = partial(filled_with, search, hole, localization.hole.site)
            yield from ((value, make) for value in needed_expressions(search, localization.hole, localization.version))


def filled_with(search: Round, hole: Hole, site: Site, value: ast.expr) -> Repair | None:
    """A line that is missing, if that sets everything right."""
    edit = Edit(COST, MISSING_LINE, value, parts=(value,), kind=MISSING)
    return whole_repair(search, site, edit, hole.filled(value))


def anew(search: Round, table: Table, value: ast.expr) -> Repair | None:
    """A statement that is written anew, if that sets everything right."""
    repair = search.edited(table, Edit(COST, WRITTEN, value, parts=(value,), kind=COMPUTED), search.wrong)
    return repair if search.judge.works(search.version.changed([repair.change])) else None


def needed_expressions(search: Round, suspect: Suspect, version: Version | None = None) -> Iterator[ast.expr]:
    """What a statement of a version should make, as expressions of what is at hand at it in its last run."""
    wanted = wanted_of(suspect)
    if wanted is not None:
        right = shift_of(suspect, suspect.shift) if suspect.is_repeated and suspect.shift is not None else None
        yield from expressions(search, suspect.site, wanted, len(suspect.made.values) - 1, version, right)


def expressions(
    search: Round, site: Site, wanted: Array, run: int = 0, version: Version | None = None, right: Shift | None = None
) -> Iterator[ast.expr]:
    """An array that a statement should make in one of its runs, as expressions of what is at hand there; with what it
    made before put right, perhaps."""
    seen = AtHand(site, run, np.shape(wanted))
    search.judge.gradients(version or search.version, seen if right is None else Both(seen, right))
    if not seen.calls_users:  # what such a call does besides would be lost
        found = search.judge.roles.expressions(wanted, seen.arrays, seen.numpy)
        yield from filter(None, (with_names(value, seen.numbers, literals_in(site)) for value in found))


def literals_in(site: Site) -> frozenset[float]:
    """The numbers that stand in the file of a statement."""
    nodes = ast.walk(statements_of(site.file).tree)
    return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and type(node.value) is float)


def with_names(value: ast.expr, numbers: Mapping[str, float], literals: Collection[float]) -> ast.expr | None:
    """An expression with names at hand for the numbers in it that are no literals of the code; None where one has no
    name.

    >>> ast.unparse(with_names(ast.parse("0.6 * W + 0.5 * x", mode="eval").body, {"reg": 0.3}, ()))
    '2 * reg * W + 0.5 * x'
    """
    unnamed = []

    class Names(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.expr:
            if type(node.value) is not float or node.value in SIMPLE or node.value in literals:
                return node
            for times, name in product((1, 2, 0.5), numbers):
                if times * numbers[name] == node.value:
                    return parsed(name) if times == 1 else binary(ast.Constant(times), "*", parsed(name))
            unnamed.append(node)
            return node

    named: ast.expr = Names().visit(copy.deepcopy(value))
    return None if unnamed else named


def wanted_of(suspect: Suspect) -> Array | None:
    """The array that a statement should make in its last run, if that is known."""
    if len(suspect.made.values) == 1:
        return needed_of(suspect)
    shapes = suspect.made.shapes[-1]
    is_known = suspect.is_known and len(suspect.expected) == len(suspect.made.values) and len(shapes) == 1
    return suspect.expected[-1].reshape(shapes[0]) if is_known and not suspect.made.is_complex else None


class AtHand:
    """A watcher that keeps the arrays at hand at one run of a statement.

    Attributes
    ----------
    arrays : dict of str to array
        As they are spelled there, the nearest first.
    numbers : dict of str to float
        Numbers with a name, that are no sizes.
    numpy : str
        What the code calls NumPy.
    calls_users : bool
        Whether the statement calls a function of the user's.
    """

    def __init__(self, site: Site, run: int, shape: tuple[int, ...]) -> None:
        self.sites = {site}
        self.arrays: dict[str, Array] = {}
        self.numbers: dict[str, float] = {}
        self.numpy, self.calls_users = "np", False
        self._left, self._shape = run, shape

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """The statement made a value."""
        if self._left == 0:
            hand = hand_of(frame.f_locals, frame.f_globals, site.function, (), self._shape, site.statement)
            names = {**frame.f_globals, **frame.f_locals}
            read = {ast.unparse(node) for node in ast.walk(site.value) if isinstance(node, OPERANDS)}
            order = sorted(hand.shapes, key=lambda text: (text not in read, not text.isidentifier()))
            self.arrays = {text: np.array(value_of(parsed(text), names)) for text in order}
            found = {text: value_of(parsed(text), names) for text in (*hand.scalars, *hand.sizes)}
            self.numbers = {text: float(held) for text, held in found.items() if isinstance(held, float | np.floating)}
            self.numpy = hand.numpy
            self.calls_users = calls_users(site, names)
        self._left -= 1
        return value


def calls_users(site: Site, names: Mapping[str, Any]) -> bool:
    """Whether a statement calls a function of the user's, with what names stand for there."""
    called = (called_by(node, names) for node in ast.walk(site.value) if isinstance(node, ast.Call))
    return any(isinstance(one, FunctionType) and is_users_function(one) for one in called)


def called_by(call: ast.Call, names: Mapping[str, Any]) -> object:
    """What a call calls, as far as that is known without running code of the user's."""
    held = value_of(call.func, names)
    if held is UNKNOWN and isinstance(call.func, ast.Attribute):
        return getattr(type(value_of(call.func.value, names)), call.func.attr, None)
    return held
