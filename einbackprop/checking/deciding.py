"""The black box: verdicts on the gradients from runs of the user's two functions alone; neither is read.

``decide`` takes a problem and gives a ``Decision``, from which a whole report can be made: whatever comes after it
adds to that. The order is such that the end of the time finds verdicts: the functions are rehearsed, states are drawn,
every gradient is compared along a few directions if there is a limit, then entry by entry; at last, what may excuse a
difference is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..core.faults import contained
from ..core.nesting import Attribute, Path, get, leaves
from ..core.progress import doing, in_time
from ..errors import CodeError
from . import answers
from .clipping import unclipped
from .crashes import with_reason
from .draws import Draw, Drawing
from .evaluation import GRADIENTS
from .matching import Target
from .problems import Problem, targets_of, with_arrays
from .records import Finding, Gradient
from .trials import History, Trial, judge_all, verdict_of

CLIPPED = "np.clip keeps entries of it within bounds at some of the values drawn; but for that it is right"
RAISED = "the gradients raise an exception where the loss runs"
NOT_COMPARED = "the time was over before it was compared"
COARSE = "compared along random directions: the time was over before every entry was"
NOT_EXCUSED = "it differs from the reference, but the time was over before it was known whether something excuses that"


@dataclass
class Decision:
    """What the black box found.

    Attributes
    ----------
    trial : Trial
        The verdicts, and the functions and the state they are of.
    drawing, draws
        The states at which the gradients were compared; None where the time was over before they were drawn.
    history, methods
        What was found of each gradient at each state, and the methods of the references there.
    coarse : set of str
        The gradients of which that is what was found along a few directions.
    findings : list of Finding
    """

    trial: Trial
    drawing: Drawing | None = None
    draws: list[Draw] | None = None
    history: dict[str, History] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)
    coarse: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def decide(problem: Problem, seed: int, has_limit: bool) -> Decision:
    """The verdicts on the gradients of a problem; `seed` decides all draws. Raises ScriptError as `check` does."""
    state = with_arrays(problem)
    targets = list(targets_of(problem, state))
    try:
        user = in_time("the rehearsal", partial(_rehearsed, problem, state, targets, seed), None)
    except CodeError as error:
        if error.what != GRADIENTS:
            raise
        return _crashed(problem, state, targets, error)
    if user is None:
        nobody = answers.User(problem.loss, problem.gradients, problem.gradients_source, targets)
        verdicts = tuple(Gradient(t.name, "undecided", shape=t.shape, note=NOT_COMPARED) for t in targets)
        return Decision(Trial(nobody, state, targets, verdicts))
    decision = Decision(Trial(user, state, list(user.targets), ()), findings=list(user.findings))
    in_time("the comparison", partial(_compare, decision, seed, has_limit), None)
    decision.trial = replace(decision.trial, gradients=_not_empty(problem, _verdicts(decision)))
    if decision.drawing is not None:
        excused = in_time("what may excuse a difference", partial(_excuse, problem, decision, decision.drawing), False)
        if excused is False:
            decision.trial = replace(decision.trial, gradients=_not_excused(decision))
        decision.findings += _hiding(problem, decision.drawing)
    return decision


def _rehearsed(problem: Problem, state: Any, targets: Sequence[Target], seed: int) -> answers.User:
    """The user's functions, once they have run; an error of theirs with its reason."""
    try:
        return answers.rehearse(problem.loss, problem.gradients, problem.gradients_source, state, targets)
    except CodeError as error:
        said = contained("the reason", partial(with_reason, problem, error, seed), error)
        raise said from error.__cause__


def _crashed(problem: Problem, state: Any, targets: list[Target], error: CodeError) -> Decision:
    """The verdicts on gradients that raise an exception where the loss runs: they are wrong, and it is said where."""
    user = answers.User(problem.loss, problem.gradients, problem.gradients_source, targets)
    verdicts = tuple(Gradient(t.name, "wrong", "close", shape=t.shape, note=RAISED) for t in targets)
    file, line, _ = error.place or (None, None, "")
    finding = Finding(error.said, file, line, write=error.write or None)
    return Decision(Trial(user, state, targets, verdicts), findings=[finding])


def _compare(decision: Decision, seed: int, has_limit: bool) -> None:
    """Compare every gradient with the reference at drawn states; what is found is written down as it comes."""
    user, state, targets = decision.trial.user, decision.trial.state, decision.trial.targets
    paths = tuple(target.path for target in targets)
    drawing = decision.drawing = Drawing(user.loss, user.gradients, state, paths, np.random.default_rng(seed))
    decision.history = {target.name: [] for target in targets}
    if has_limit:
        _compare_coarsely(decision, drawing, seed)
    draws: list[Draw] = []
    full: dict[str, History] = {target.name: [] for target in targets}
    methods = []
    for draw in drawing.draws():
        draws.append(draw)
        methods.append(judge_all(user, drawing, draw, targets, full))
        for name, found in full.items():  # a mistake is one wherever it was found
            if any(outcome.verdict == "wrong" for _, outcome in found):
                decision.history[name] = found
                decision.coarse.discard(name)
    decision.draws, decision.history, decision.methods, decision.coarse = draws, full, methods, set()


def _compare_coarsely(decision: Decision, drawing: Drawing, seed: int) -> None:
    """Compare every gradient along a few directions first, at states of its own, so that each has a verdict early."""
    own, drawing.rng = drawing.rng, np.random.default_rng([seed, 1])  # what is drawn later is as without a limit
    decision.coarse = set(decision.history)
    draws = list(drawing.draws())
    for draw in draws:
        method = judge_all(decision.trial.user, drawing, draw, decision.trial.targets, decision.history, entries=1)
        decision.methods.append(method)
    decision.draws, drawing.rng = draws, own


def _verdicts(decision: Decision) -> tuple[Gradient, ...]:
    """The verdict on each gradient; undecided where it was not compared at all states."""
    user, draws = decision.trial.user, decision.draws
    judged = []
    for target in decision.trial.targets:
        history = decision.history.get(target.name, [])
        verdict = verdict_of(user, target, history)
        if target.name not in user.notes and all(outcome.verdict != "wrong" for _, outcome in history):
            if draws is None or len(history) < len(draws):
                verdict = Gradient(target.name, "undecided", shape=target.shape, note=NOT_COMPARED)
            elif history and target.name in decision.coarse:
                verdict = replace(verdict, note=verdict.note or COARSE)
        judged.append(verdict)
    return tuple(judged)


def _excuse(problem: Problem, decision: Decision, drawing: Drawing) -> bool:
    """Withdraw accusations that clipping or values of an earlier run explain, and say what the functions change."""
    doing("looking for what may excuse a difference")
    trial, history = decision.trial, decision.history
    user, bare = unclipped(trial.user, drawing, decision.draws or [], trial.targets, history)
    history |= bare
    found = {target.name: verdict_of(user, target, history[target.name]) for target in trial.targets
             if target.name in bare}
    gradients = tuple(replace(found[g.name], note=CLIPPED) if g.name in bare else g for g in trial.gradients)
    gradients, stale = _without_stale(problem, user, drawing, _not_empty(problem, gradients), history)
    decision.trial = replace(trial, user=user, gradients=gradients)
    decision.findings += [*answers.changes(user, problem.label, trial.state, drawing), *stale]
    return True


def _not_excused(decision: Decision) -> tuple[Gradient, ...]:
    """The gradients, none called wrong of which it is not known yet whether something excuses it."""
    noted = decision.trial.user.notes
    return tuple(
        Gradient(g.name, "undecided", shape=g.shape, note=NOT_EXCUSED)
        if g.verdict == "wrong" and g.name not in noted else g
        for g in decision.trial.gradients
    )  # fmt: skip


def _not_empty(problem: Problem, gradients: tuple[Gradient, ...]) -> tuple[Gradient, ...]:
    """Where some data have no entries, a gradient that is 0 is right of whatever formula."""
    found = [(path, leaf) for path, leaf in leaves(problem.state) if isinstance(leaf, np.ndarray)]
    empty = [problem.label(path) for path, leaf in found if not leaf.size]
    note = f"{empty[0]} is empty, and every gradient is 0 then" if empty else ""
    return tuple(
        replace(item, verdict="undecided", grade=None, note=note)
        if empty and item.verdict == "right" and item.yours == item.expected == 0 else item
        for item in gradients
    )  # fmt: skip


def _without_stale(
    problem: Problem, user: answers.User, drawing: Drawing, gradients: tuple[Gradient, ...],
    history: dict[str, History],
) -> tuple[tuple[Gradient, ...], list[Finding]]:
    """Withdraw accusations that rest on values left from an earlier run of the user's code."""
    accused = {item.name for item in gradients if item.verdict == "wrong" and history[item.name]}
    if not accused:
        return gradients, []
    state = history[min(accused)][0][0].state
    stale: dict[Path, set[str]] = {}
    for path in drawing.idle:
        if np.any(get(drawing.own, path)):  # a buffer of zeros is a clean one
            other = drawing.with_idle_redrawn(state, [path])
            stale[path] = user.differing(state, other) & accused
    doubted = set().union(*stale.values())
    if not doubted:
        return gradients, []
    holders = [problem.label(_holder(path)) for path, names in stale.items() if names]
    message = (f"the gradients depend on {', '.join(dict.fromkeys(holders))}, on which the loss does "
               "not: left from an earlier run? Compute it where the gradients are computed, as in "
               "backward(forward(W, X), Y)")
    verdicts = tuple(replace(item, verdict="undecided", grade=None, note="")
                     if item.name in doubted else item for item in gradients)
    return verdicts, [Finding(message)]


def _holder(path: Path) -> Path:
    """The variable or attribute in which an array lies."""
    return path[:2] if len(path) > 1 and isinstance(path[1], Attribute) else path[:1]


def _hiding(problem: Problem, drawing: Drawing) -> list[Finding]:
    """Say which data are so plain that they could hide a mistake, or are none."""
    findings = []
    for path in drawing.kept:
        array, name = get(drawing.own, path), problem.label(path)
        if not array.size:
            findings.append(Finding(f"{name} is empty, of shape {array.shape}: nothing can be seen in it"))
        elif array.size > 1 and np.ptp(array) == 0:
            findings.append(Finding(f"{name} holds {array.flat[0]:g} everywhere, and is kept so: such data can hide a "
                                    "mistake"))
    return findings
