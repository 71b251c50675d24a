"""What is known of statements by how they are written, and by their tables of edits: questions that a round asks."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from einbackprop.diagnosis.experiments import Made, flat, shapes_of
from einbackprop.diagnosis.hooks import Site
from einbackprop.diagnosis.trying import Table


def is_update(site: Site) -> bool:
    """Whether a statement is ``a += value`` or the like, which may be wrong though the value is right."""
    return isinstance(site.statement, ast.AugAssign)


def is_part(site: Site) -> bool:
    """Whether a statement writes to a part of an array, as ``dx[i] = value``: what is wrong may be the rest of it."""
    targets = getattr(site.statement, "targets", [getattr(site.statement, "target", None)])
    return isinstance(targets[0], ast.Subscript) and not isinstance(targets[0].slice, ast.Constant)


def is_handed_on(made: Made, gradient: object) -> bool:
    """Whether what a statement made is what is returned as a gradient."""
    is_alike = list(made.shapes[0]) == shapes_of(gradient)
    return is_alike and np.array_equal(made.values[0], flat(gradient), equal_nan=True)


def are_solved(tables: Sequence[Table]) -> bool:
    """Whether a value was found for one of some statements with which everything is right."""
    return any(table.suspect.shift is not None for table in tables)


def joint(tables: Sequence[Table], wrong: frozenset[str]) -> list[Table]:
    """The statements of which no expression alone, but all together can be at fault: two places of a tuple."""
    reach: dict[int, frozenset[str]] = {}
    for table in tables:
        key = id(table.suspect.site.statement)
        reach[key] = reach.get(key, frozenset()) | table.suspect.reach
    return [table for table in tables if wrong <= reach[id(table.suspect.site.statement)]]
