"""Repairs by trial: a line of the user's, written otherwise, after which every gradient is right.

Where a line runs many times, is a helper's, or does what cannot be read, no formula says what it should be. But the
code can be run: each statement that the wrong gradients depend on, and none but them, is changed in small ways, the
user's functions are given the changed code for one run, and what they return is held against slopes of the loss.
"""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from types import FrameType
from typing import Any

import numpy as np

from einbackprop.checking.answers import same
from einbackprop.checking.certifying import Reference
from einbackprop.checking.records import Finding, Line
from einbackprop.checking.spots import Spot, in_place, is_literal, lines_of, spots_of
from einbackprop.checking.trials import Trial
from einbackprop.core.nesting import Path, duplicate, leaves
from einbackprop.core.progress import doing
from einbackprop.core.syntax import parse_python
from einbackprop.diagnosis.changes import Change, Hand, ranks, with_value
from einbackprop.diagnosis.reviewing import Review
from einbackprop.errors import ScriptError
from einbackprop.world import Raised
from einbackprop.world.ownership import is_users

RUNS = 6000
"""Changes that are tried, at most."""
STEPS = 1_000_000
"""Lines of the user's that all of them together may run, as far as one run tells: some seconds, on any machine."""
ENTRIES_A_STEP = 100
"""How many entries of the state cost as much as a line."""
CLOSE = 1e-7
UNEXPLAINED = re.compile(r" is not (?!returned)[^:;]*(; expected is .*)?\.$")


class Slopes:
    """What the gradients must be along random directions, at some states, and whether they are."""

    def __init__(self, trial: Trial, states: Sequence[Any], paths: tuple[Path, ...], rng: np.random.Generator) -> None:
        self.user, self.states = trial.user, list(states)
        self.names = [target.name for target in trial.targets]
        self.wanted: list[dict[str, tuple[np.ndarray, float]]] = []
        for state in states:
            reference = Reference(trial.user.loss, state, paths, rng, trial.user.narrow_loss, trial.user.slopes)
            found = {}
            for target in trial.targets:
                direction = rng.normal(size=target.shape)
                found[target.name] = direction, reference.slope({target.path: direction}).value
            self.wanted.append(found)

    def begin_with(self, wrong: frozenset[str]) -> bool:
        """Put a state first at which just these gradients are wrong; whether there is one."""
        for n in range(len(self.states)):
            if frozenset(self.names) - self.right(n) == wrong:
                for some in self.states, self.wanted:
                    some.insert(0, some.pop(n))
                return True
        return False

    def right(self, number: int) -> frozenset[str]:
        """The gradients that are right at a state, as the code is now."""
        state = self.states[number]
        try:
            values = self.user.matched(self.user.gradients(duplicate(state)), state).values
        except Raised:  # code that does not run is no repair
            return frozenset()
        return frozenset(name for name in self.names if self._is_right(values.get(name), *self.wanted[number][name]))

    def _is_right(self, value: Any, direction: np.ndarray, wanted: float) -> bool:
        array = np.asarray(value)
        if value is None or array.shape != direction.shape or array.dtype.kind not in "biuf":
            return False
        tolerance = CLOSE if array.dtype.itemsize >= 8 else 1e-3
        products = array * direction
        gap = abs(float(products.sum()) - wanted)
        return bool(np.isfinite(gap) and gap <= tolerance * (float(np.abs(products).sum()) + abs(wanted)))


def repaired(
    trial: Trial, states: Sequence[Any], paths: tuple[Path, ...], read: Review, seed: int
) -> Review:
    """What was found, with a line to write that was tried, where a change of one line makes every gradient right.

    What reading has explained stays. Where it has explained nothing, or more than one thing, or says to write what
    does not help, every line that can be the one is tried.

    Parameters
    ----------
    trial : Trial
        With the wrong gradients.
    states : sequence
        Two or more states at which the loss has slopes.
    paths : tuple of Path
        The arrays that gradients are taken of.
    read : Review
        What reading the code has found.
    seed : int
    """
    doing("looking for a repair")
    said = [f for f in read.findings if f.line is not None]
    wrong = frozenset(trial.wrong)
    slopes = Slopes(trial, states, paths, np.random.default_rng(seed))
    if not slopes.begin_with(wrong):
        return read
    search = Search(slopes, wrong)
    if said and all(f.write is not None for f in said):
        if search.is_repaired_by(said):
            return read
    elif len(said) == 1 and is_explained(said[0]):
        found = search.run(said)
        told = replace(said[0], write=ast.unparse(found[1].statement)) if found is not None else said[0]
        return replace(read, findings=tuple(told if f is said[0] else f for f in read.findings))
    found = search.run()
    if found is not None:
        return with_repair(read, *found)
    doubtful = said if len(said) == 1 else []
    return replace(read, findings=tuple(replace(f, write=None) if f in doubtful else f for f in read.findings))


def is_explained(finding: Finding) -> bool:
    """Whether it is known what is the matter with a line, not only that it is wrong."""
    return not UNEXPLAINED.search(finding.message)


def with_repair(read: Review, spot: Spot, change: Change) -> Review:
    """What was found, once a repair is known: the other lines are wrong only because of that one."""
    lines = tuple(replace(line, verdict=verdict_beside(line, spot.place)) for line in read.lines)
    said = [f for f in read.findings if f.line is not None]
    own = next((f for f in said if (f.file, f.line) == spot.place and is_explained(f)), None)
    yours = next((line.equation for line in lines if (line.file, line.line) == spot.place), None)
    told = own or Finding(f"{change.message}: then every gradient is right.", *spot.place, yours=yours)
    told = replace(told, write=ast.unparse(change.statement))
    return replace(read, lines=lines, findings=(*(f for f in read.findings if f.line is None), told))


def verdict_beside(line: Line, place: tuple[str, int]) -> str:
    """The verdict on a line once the mistake is known to be at some place."""
    if (line.file, line.line) == place:
        return "wrong"
    return "follows" if line.verdict == "wrong" else line.verdict


class Search:
    """Changes of the statements that the wrong gradients depend on, the likeliest first."""

    def __init__(self, slopes: Slopes, wrong: frozenset[str]) -> None:
        self.slopes, self.wrong = slopes, wrong
        user, state = slopes.user, slopes.states[0]
        lines, self.hands = lines_of(lambda: user.gradients(duplicate(state)))
        trusted, others = lines_of(lambda: user.loss(duplicate(state)))
        self.literals = tuple(dict.fromkeys(n for hand in others.values() for n in hand.numbers if is_literal(n)))
        with counting_lines() as counted:
            self.value = user.loss(duplicate(state))
            self.before = dict(user.matched(user.gradients(duplicate(state)), state).values)
        entries = sum(np.size(leaf) for _, leaf in leaves(state) if isinstance(leaf, np.ndarray))
        self.steps = 1 + counted[0] + entries // ENTRIES_A_STEP
        relevant = lines - trusted or lines  # one function may give both
        self.spots = list(spots_of(relevant, user.gradients.world.functions))

    def is_relevant(self, spot: Spot) -> bool:
        """Whether a change of a statement's value changes the wrong gradients, and none but them, nor the loss."""
        statement = spot.statement
        value = statement.value
        if isinstance(value, ast.Tuple | ast.List | ast.Dict):
            return True
        changed = with_value(statement, moved(value))
        if isinstance(statement, ast.Expr):
            if not value.args:
                return False
            changed = ast.Expr(ast.Call(value.func, [*value.args[:-1], moved(value.args[-1])], value.keywords))
        after = self.returned(spot, changed)
        if after is None:
            return isinstance(value, ast.Compare)
        return {name for name in self.before if not same(self.before[name], after.get(name))} == self.wrong

    def returned(self, spot: Spot, statement: ast.stmt) -> dict[str, Any] | None:
        """The gradients with a statement in the place of another, if the loss stays the same: it is trusted."""
        user, state = self.slopes.user, self.slopes.states[0]
        try:
            with in_place((spot, statement)):
                if not np.array_equal(user.loss(duplicate(state)), self.value):
                    return None
                return dict(user.matched(user.gradients(duplicate(state)), state).values)
        except (Raised, ScriptError, SyntaxError, ValueError):  # it does not compile in its place, or does not run
            return None

    def is_repair(self, *changes: tuple[Spot, ast.stmt]) -> bool:
        """Whether every gradient is right with statements in the places of others, at all states, of the same loss."""
        everything, states = frozenset(self.slopes.names), self.slopes.states
        try:
            with in_place(*changes):
                right = all(self.slopes.right(n) == everything for n in range(len(states)))
                return right and np.array_equal(self.slopes.user.loss(duplicate(states[0])), self.value)
        except (Raised, ScriptError, SyntaxError, ValueError):  # it does not compile in its place, or does not run
            return False

    def is_repaired_by(self, findings: Sequence[Finding]) -> bool:
        """Whether what findings say to write repairs everything; of lines that cannot be changed it is believed."""
        changes = []
        for finding in findings:
            spot = next((s for s in self.spots if s.place == (finding.file, finding.line)), None)
            if spot is None:
                return True
            changes.append((spot, parse_python(finding.write or "").body[0]))
        return self.is_repair(*changes)

    def hand(self, spot: Spot) -> Hand:
        """What a statement can be made of: what stands in it first, and numbers that the loss has in it too."""
        hand, text = self.hands.get(spot.code, Hand()), ast.unparse(spot.statement)
        arrays = sorted(hand.arrays, key=lambda name: name not in text)
        return replace(hand, arrays=tuple(arrays), numbers=tuple(dict.fromkeys([*hand.numbers, *self.literals])))

    def run(self, only: Sequence[Finding] = ()) -> tuple[Spot, Change] | None:
        """The first repair of the likeliest kind, perhaps only on lines of findings."""
        places = {(finding.file, finding.line) for finding in only}
        left = min(RUNS, STEPS // self.steps) // (2 if only else 1)
        spots = [spot for spot in self.spots if spot.place in places or (not only and self.is_relevant(spot))]
        for ways in zip(*(ranks(spot.statement, self.hand(spot)) for spot in spots), strict=True):
            for spot, changes in zip(spots, ways, strict=True):
                own = ast.unparse(spot.statement)
                for change in islice(changes(), max(left, 0)):
                    left -= 1
                    ast.copy_location(change.statement, spot.statement)
                    if ast.unparse(change.statement) != own and self.is_repair((spot, change.statement)):
                        return spot, change
        return None


@contextlib.contextmanager
def counting_lines() -> Iterator[list[int]]:
    """Count the user's lines that are run inside, the same number on any machine."""
    counted = [0]

    def seen(_: FrameType, event: str, __: Any) -> Any:
        counted[0] += event == "line"
        return seen

    def entered(frame: FrameType, _: str, __: Any) -> Any:
        return seen if is_users(frame.f_code.co_filename) else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        yield counted
    finally:
        sys.settrace(before)


def moved(value: ast.expr) -> ast.expr:
    """A value that is a little off."""
    return ast.BinOp(ast.BinOp(value, ast.Mult(), ast.Constant(1.001)), ast.Add(), ast.Constant(0.001))
