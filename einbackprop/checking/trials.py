"""A trial: the user's gradients at drawn states against the reference, and the facts that all draws give together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from itertools import islice
from typing import Any

import numpy as np

from einbackprop.core.progress import doing
from einbackprop.core.records import dataclass
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

from .answers import User, rehearse
from .certifying import FEW, Reference
from .comparing import Outcome, affordable, agree_together, compare
from .draws import Draw, Drawing
from .matching import Target
from .problems import Problem, targets_of, with_arrays
from .verdicts import NOTHING_ADDED, Added, Facts, Gradient, conclude

History = list[tuple[Draw, Outcome]]
SLIGHT = 1e-3  # relative to the largest entry: differences that a guard in the loss may explain
TINY = 1e-6


@dataclass(frozen=True)
class Trial:
    """The user's functions at some state, what was found of the gradients there, and what was added to that."""

    user: User
    state: Any
    targets: list[Target]
    facts: tuple[Facts, ...] = ()
    added: Mapping[str, Added] = field(default_factory=dict)

    @property
    def gradients(self) -> tuple[Gradient, ...]:
        """The verdicts."""
        return tuple(conclude(facts, self.added.get(facts.name, NOTHING_ADDED)) for facts in self.facts)

    def adding(self, more: Callable[[Facts], Mapping[str, Any]]) -> Trial:
        """The same trial with more that other parts add to the facts of each gradient."""
        return replace(self, added={
            facts.name: replace(self.added.get(facts.name, NOTHING_ADDED), **more(facts)) for facts in self.facts})

    @property
    def wrong(self) -> list[str]:
        """The names of the wrong gradients."""
        return [item.name for item in self.gradients if item.verdict == "wrong"]


def tried_once(problem: Problem, rng: np.random.Generator, like: User | None = None) -> Trial:
    """Compare the gradients of a problem at one draw. Raises ScriptError where the user's code stops.

    ``like`` are the same functions at other sizes.
    """
    state = with_arrays(problem)
    user = rehearse(
        problem.loss, problem.gradients, problem.gradients_source, state, targets_of(problem, state), like
    )
    targets = list(user.targets)
    drawing = Drawing(user.loss, user.gradients, state, tuple(target.path for target in targets), rng)
    history: dict[str, History] = {target.name: [] for target in targets}
    for draw in islice(drawing.draws(), 1):
        compare_all(user, drawing, draw, targets, history)
    return Trial(user, state, targets, tuple(facts_of(user, target, history[target.name]) for target in targets))


def drawn(problem: Problem, seed: int) -> Any:
    """A state of a problem with parameters that are drawn: where biases begin as zeros, a unit without input is at a
    kink. One at which the loss runs where the gradients stop everywhere; the problem's own where that stops too.
    """
    state = with_arrays(problem)
    paths = tuple(target.path for target in targets_of(problem, state))
    for other in (problem.gradients, problem.loss):
        with suppress(Raised, ScriptError):
            drawing = Drawing(problem.loss, other, state, paths, np.random.default_rng(seed))
            for draw in drawing.draws():
                return draw.state
    return state


def compare_all(
    user: User, drawing: Drawing, draw: Draw, targets: list[Target],
    history: dict[str, History], lines: int = 0,
) -> str:  # fmt: skip
    """Compare at one draw whatever is not yet known to differ; return the reference's method.

    ``lines`` of the user's run for one entry of each gradient: as many entries are compared as take not too long. Of 0
    only one is, and directions through all.
    """
    reference = Reference(
        user.loss, draw.state, drawing.parameters, drawing.rng, user.narrow_loss, user.survived, user.samples)
    user.references.append(reference)
    wanted = [t for t in targets if t.name not in user.unfit
              and all(outcome.found != "differs" for _, outcome in history[t.name])]
    returned = user.returned(draw.state, wanted, drawing.rng)
    entries = affordable(reference.method, lines) if lines else 1
    doing("comparing the gradients")
    agree = len(wanted) > 0 and agree_together(
        reference, {target.path: returned[target.name] for target in wanted}, drawing.rng)  # fmt: skip
    for target in wanted:
        doing(f"comparing the gradient of {target.name}")
        outcome = compare(reference, target.path, returned[target.name], drawing.rng, entries, agrees=agree)
        history[target.name].append((draw, outcome))
    if reference.coarse == np.finfo(float).eps:
        user.narrow_loss = ()
    user.survived, user.samples = user.survived or reference.analytic, min(user.samples, FEW)
    return reference.method


def right_among(
    user: User, drawing: Drawing, draws: Iterable[Draw], targets: list[Target]
) -> dict[str, History]:
    """The comparisons at several draws of those gradients that are right there, by name."""
    history: dict[str, History] = {target.name: [] for target in targets}
    for draw in draws:
        compare_all(user, drawing, draw, targets, history)
    return {target.name: history[target.name] for target in targets
            if conclude(facts_of(user, target, history[target.name])).verdict == "right"}  # fmt: skip


def facts_of(user: User, target: Target, history: History, empty: str = "") -> Facts:
    """What all draws together show of a gradient; ``empty`` are data without entries, if there are any.

    A difference counts wherever it was found, but one at redrawn data for less: the code may rely on something about
    the data.
    """
    if target.name in user.unfit:
        return user.unfit[target.name]
    worst: dict[str, Outcome] = {}
    for _, outcome in history:
        if outcome.found not in worst or outcome.roundings > worst[outcome.found].roundings:
            worst[outcome.found] = outcome
    agrees, differs, uncertain = map(worst.get, ("agrees", "differs", "uncertain"))
    off = np.inf if differs is None else differs.max_error
    doubt = differs or uncertain
    return Facts(
        target.name, target.shape, agrees=agrees, differs=differs, kink=worst.get("kink"),
        uncertain=uncertain, slight=off < SLIGHT, tiny=doubt is not None and doubt.max_error < TINY,
        redrawn=any(outcome.found == "differs" and draw.data_redrawn for draw, outcome in history),
        random=user.random, unsettled=user.unsettled,
        empty=empty if agrees and agrees.yours == agrees.expected == 0 else "",
    )  # fmt: skip
