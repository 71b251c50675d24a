"""What a search for mistakes is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from einbackprop.checking.answers import User
from einbackprop.checking.verdicts import Finding, Line
from einbackprop.core.nesting import Path
from einbackprop.core.records import dataclass
from einbackprop.diagnosis.cotangents import Cotangents

Place = tuple[str, int]
"""A line of the user's: its file and number."""


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and where.

    Attributes
    ----------
    findings : tuple of Finding
    follows : frozenset of places
        The statements whose values are others with what is to be written.
    open : frozenset of places
        Those that gradients depend on that are wrong still.
    are_shaped : bool
        Whether all gradients have the shapes that they should have with what is to be written.
    """

    findings: tuple[Finding, ...] = ()
    follows: frozenset[Place] = frozenset()
    open: frozenset[Place] = frozenset()
    are_shaped: bool = False

    def verdict_of(self, file: str, line: int) -> str:
        """The verdict on a line of the user's."""
        place = file, line
        if any((item.file, item.line) == place for item in self.findings):
            return "wrong"
        return "follows" if place in self.follows else "undecided" if place in self.open else "right"


@dataclass(frozen=True)
class Case:
    """What is to be diagnosed.

    Attributes
    ----------
    user : User
        The functions as the black box ran them.
    states : sequence of nested arrays
        Where the loss has slopes.
    elsewhere : sequence of nested arrays
        The same at other sizes.
    larger : sequence of nested arrays
        The same at larger sizes that were found by trying, and at other single numbers, for which the user's code may
        not be meant: a repair that does not hold there is the last one to be taken.
    wrong : frozenset of str
        The gradients that are wrong by the black box.
    cotangents : callable
        The cotangents of the loss at a state, as far as it could be read.
    is_guarded : bool
        Whether the loss has guards, such as the 1e-8 of ``log(p + 1e-8)``, that gradients may leave out.
    lines : callable
        Gives the lines of the backward at some places, as far as they could be read.
    read : callable
        The same, of the code read anew.
    derived : callable
        Gives the gradients that are derived from the loss as it was read, at a state, by path.
    """

    user: User
    states: Sequence[Any]
    wrong: frozenset[str]
    elsewhere: Sequence[Any] = ()
    larger: Sequence[Any] = ()
    cotangents: Callable[[Any], Cotangents] = field(default=lambda state: Cotangents())
    is_guarded: bool = False
    lines: Callable[[frozenset[Place]], Mapping[Place, Line]] = field(default=lambda at: {})
    read: Callable[[frozenset[Place]], Mapping[Place, Line]] = field(default=lambda at: {})
    derived: Callable[[Any], Mapping[Path, np.ndarray]] = field(default=lambda state: {})
