"""Lines written from the derivative: a search that found no edit goes in, a statement as it should be comes out.

What a statement should make is known (`localization`), and so is what is at hand at it. `synthesis` makes an expression
of the two, and the whole code is run with it, at every state, as with any edit.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.diagnosis.experiments import Array, Both
from einbackprop.diagnosis.holes import Hole
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.likelihood import Repair
from einbackprop.diagnosis.localization import shift_of
from einbackprop.diagnosis.omissions import COST, MISSING_LINE, localized, lost_updates, repair_of
from einbackprop.diagnosis.repair import Round
from einbackprop.diagnosis.suspects import Suspect, needed_of
from einbackprop.diagnosis.trying import Table
from einbackprop.diagnosis.versions import Version
from einbackprop.diagnosis.vocabulary import Edit, hand_of
from einbackprop.diagnosis.vocabulary.hand import value_of
from einbackprop.diagnosis.vocabulary.insertions import MISSING
from einbackprop.diagnosis.vocabulary.trees import OPERANDS, parsed

MOST = 8
"""Statements that are written anew, and places of lines that are missing, at most."""
ALIKE = 16
"""Characters by which the texts of two differ, of which neither is called shorter."""
WRITTEN, KIND = "this is not the derivative of the loss", "what this line computes"


def of_derivative(search: Round) -> Repair | None:
    """A statement that is written anew, or one that is missing, with which everything is right, or more than before:
    the shortest."""
    candidates = [*of_statements(search), *of_holes(search)]
    candidates.sort(key=lambda each: len(ast.unparse(each[0])) // ALIKE)
    return next(filter(None, (make(expression) for expression, make in candidates)), None)


Candidate = tuple[ast.expr, Callable[[ast.expr], Repair | None]]
"""An expression, and what makes a repair of it, where it repairs."""


def of_statements(search: Round) -> Iterator[Candidate]:
    """What statements may make instead."""
    tables = [table for table in (*search.alone, *search.others)
              if table.suspect.shift is not None and not table.suspect.site.is_passed
              and not table.suspect.made.is_zero]  # what begins as zeros lacks a line  # fmt: skip
    tables.sort(key=lambda table: (search.wrong > table.suspect.reach, table.suspect.site not in search.broken))
    for table in tables[:MOST]:
        site, definition = table.suspect.site, (table.suspect.site.file, table.suspect.site.definition)
        if isinstance(search.version.tree(definition), ast.Expr):  # the question is the user's
            continue
        for value in expressions(search, table.suspect):
            yield value, partial(anew, search, table)
            own, added = (value.left, value.right) if isinstance(value, ast.BinOp) else (value, value)
            is_more = isinstance(getattr(value, "op", None), ast.Add) and ast.unparse(own) == ast.unparse(site.value)
            if is_more and isinstance(site.statement, ast.Return) and isinstance(site.value, OPERANDS):
                hole = Hole(definition, site.statement, site.value, "+=")
                yield added, partial(filled_with, search, hole, site)


def of_holes(search: Round) -> Iterator[Candidate]:
    """What may stand in lines that are missing."""
    for hole in lost_updates(search)[:MOST][::-1]:  # of several places where it may stand, the last
        localization = localized(search, hole)
        if localization is not None and localization.hole is not None:
            make = partial(filled_with, search, hole, localization.hole.site)
            yield from ((value, make) for value in expressions(search, localization.hole, localization.version))


def filled_with(search: Round, hole: Hole, site: Site, value: ast.expr) -> Repair | None:
    """A line that is missing, if that sets something right, and nothing wrong."""
    edit = Edit(COST, MISSING_LINE, value, parts=(value,), kind=MISSING)
    return repair_of(search, site, edit, hole.filled(value))


def anew(search: Round, table: Table, value: ast.expr) -> Repair | None:
    """A statement that is written anew, if that sets something right, and nothing wrong."""
    repair = search.edited(table, Edit(COST, WRITTEN, value, parts=(value,), kind=KIND), search.wrong)
    version = search.version.changed([repair.change])
    left = frozenset() if search.judge.works(version) else search.judge.left(version)
    return replace(repair, mends=search.wrong - left) if left is not None and left < search.wrong else None


def expressions(search: Round, suspect: Suspect, version: Version | None = None) -> Iterator[ast.expr]:
    """What a statement of a version should make, as expressions of what is at hand at it in its last run."""
    wanted = wanted_of(suspect)
    if wanted is None:
        return
    seen = AtHand(suspect.site, len(suspect.made.values) - 1, np.shape(wanted))
    right = shift_of(suspect, suspect.shift) if suspect.is_repeated and suspect.shift is not None else None
    search.judge.gradients(version or search.version, seen if right is None else Both(seen, right))
    yield from search.judge.roles.expressions(wanted, seen.arrays, seen.numpy)


def wanted_of(suspect: Suspect) -> Array | None:
    """The array that a statement should make in its last run, if that is known."""
    if len(suspect.made.values) == 1:
        return needed_of(suspect)
    shapes = suspect.made.shapes[-1]
    is_known = suspect.is_known and len(suspect.expected) == len(suspect.made.values) and len(shapes) == 1
    return suspect.expected[-1].reshape(shapes[0]) if is_known else None


class AtHand:
    """A watcher that keeps the arrays at hand at one run of a statement.

    Attributes
    ----------
    arrays : dict of str to array
        As they are spelled there, the nearest first.
    numpy : str
        What the code calls NumPy.
    """

    def __init__(self, site: Site, run: int, shape: tuple[int, ...]) -> None:
        self.sites = {site}
        self.arrays: dict[str, Array] = {}
        self.numpy = "np"
        self._left, self._shape = run, shape

    def made(self, site: Site, value: Any, frame: FrameType) -> Any:
        """The statement made a value."""
        if self._left == 0:
            hand = hand_of(frame.f_locals, frame.f_globals, site.function, (), self._shape, site.statement)
            names = {**frame.f_globals, **frame.f_locals}
            read = {ast.unparse(node) for node in ast.walk(site.value) if isinstance(node, OPERANDS)}
            order = sorted(hand.shapes, key=lambda text: (text not in read, not text.isidentifier()))
            self.arrays = {text: np.array(value_of(parsed(text), names)) for text in order}
            self.numpy = hand.numpy
        self._left -= 1
        return value
