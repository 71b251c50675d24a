"""The black box: gradients against the reference at drawn states, and the verdict that all draws give together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from einbackprop.capture.tracer import Trace
from einbackprop.checking import answers
from einbackprop.checking.certifying import Reference
from einbackprop.checking.draws import Draw, Drawing
from einbackprop.checking.matching import Target
from einbackprop.checking.problems import Problem, targets_of, with_arrays
from einbackprop.checking.records import Gradient
from einbackprop.checking.verdicts import ENTRIES, Outcome, judge
from einbackprop.core.nesting import duplicate
from einbackprop.core.progress import doing
from einbackprop.diagnosis.reviewing import Review, review
from einbackprop.errors import EinbackpropError

History = list[tuple[Draw, Outcome]]


@dataclass(frozen=True)
class Trial:
    """The user's functions at some state, and the verdicts there."""

    user: answers.User
    state: Any
    targets: list[Target]
    gradients: tuple[Gradient, ...]

    @property
    def wrong(self) -> list[str]:
        """The names of the wrong gradients."""
        return [item.name for item in self.gradients if item.verdict == "wrong"]


def tried_once(problem: Problem, rng: np.random.Generator, like: answers.User | None = None) -> Trial:
    """Judge the gradients of a problem at one draw. Raises ScriptError where the user's code stops.

    ``like`` are the same functions at other sizes.
    """
    state = with_arrays(problem)
    user = answers.rehearse(
        problem.loss, problem.gradients, problem.gradients_source, state, targets_of(problem, state), like
    )
    targets = list(user.targets)
    drawing = Drawing(user.loss, user.gradients, state, tuple(target.path for target in targets), rng)
    history: dict[str, History] = {target.name: [] for target in targets}
    for draw in drawing.draws():
        judge_all(user, drawing, draw, targets, history, entries=1)  # and directions through all
        break
    gradients = tuple(verdict_of(user, target, history[target.name]) for target in targets)
    return Trial(user, state, targets, gradients)


def reviewed(problem: Problem, trial: Trial, traced: Trace | EinbackpropError, seed: int) -> Review:
    """The lines judged, where the code can be read; of gradients without a plain verdict nothing is said."""
    user, state = trial.user, trial.state
    plain = {item.name for item in trial.gradients if item.verdict in ("right", "wrong")}
    if user.random or not plain:
        return Review()
    result = user.gradients(duplicate(state))
    values = {name: value for name, value in user.matched(result, state).values.items() if name in plain}
    paths = {target.name: target.path for target in trial.targets}
    return review(traced, state, user.loss, user.gradients, values, result, paths, problem.place, trial.wrong, seed)


def judge_all(
    user: answers.User, drawing: Drawing, draw: Draw, targets: list[Target],
    history: dict[str, History], entries: int = ENTRIES,
) -> str:  # fmt: skip
    """Judge at one draw whatever is not yet known to be wrong; return the reference's method."""
    reference = Reference(user.loss, draw.state, drawing.parameters, drawing.rng, user.narrow_loss, user.slopes)
    wanted = [t for t in targets if t.name not in user.notes
              and all(outcome.verdict != "wrong" for _, outcome in history[t.name])]
    returned = user.returned(draw.state, wanted, drawing.rng)
    for target in wanted:
        doing(f"comparing the gradient of {target.name}")
        outcome = judge(reference, target.path, returned[target.name], drawing.rng, entries)
        history[target.name].append((draw, outcome))
    if reference.coarse == np.finfo(float).eps:
        user.narrow_loss = ()
    user.slopes = reference.slopes
    return reference.method


def verdict_of(user: answers.User, target: Target, history: History) -> Gradient:
    """Draw the sum of all draws. A mistake at the user's own data counts; at redrawn ones it is
    no more than a doubt, since the code may rely on something about the data."""
    if target.name in user.notes:
        note = user.notes[target.name]
        return Gradient(target.name, note.verdict, "close" if note.verdict == "wrong" else None,
                        shape=target.shape, note=note.text)
    for draw, outcome in history:
        if outcome.verdict == "wrong":
            return gradient_of(user, target, outcome, draw.data_redrawn)
    for verdict in ("right", "kink"):
        candidates = [outcome for _, outcome in history if outcome.verdict == verdict]
        if candidates:
            return gradient_of(user, target, max(candidates, key=lambda o: o.roundings), False)
    if history:
        return gradient_of(user, target, history[0][1], False)
    return Gradient(target.name, "undecided", shape=target.shape,
                    note="no values were found at which the loss is a finite number")


def gradient_of(user: answers.User, target: Target, outcome: Outcome, doubtful: bool) -> Gradient:
    verdict, note, grade = outcome.verdict, outcome.note, outcome.grade
    if doubtful:
        verdict, grade = "undecided", None
        note = ("right with your data, not with redrawn data: either your data hide a mistake, or "
                "the gradient relies on something about them")
    elif verdict == "wrong" and user.random:
        verdict, grade = "undecided", None
        note = ("it differs from the reference, but the functions draw random numbers and may have "
                "drawn different ones: pass the random numbers in as data")
    return Gradient(target.name, verdict, grade, outcome.max_error, outcome.roundings,
                    outcome.index, outcome.yours, outcome.expected, target.shape, note)
