"""`check`: is this hand-written gradient the gradient of that loss?

First a black box: the loss is trusted, the gradients are not, and neither is read. Both run at freshly
drawn values; `certifying` gives the reference, `verdicts` compares. Then `reviewing` reads both, judges
every line and proves what is right; `reports` tells.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from einbackprop.capture.tracer import Trace, parameter_names, record, record_pair
from einbackprop.checking import answers
from einbackprop.checking.clipping import unclipped
from einbackprop.checking.crashes import with_reason
from einbackprop.checking.drawing import WORDS
from einbackprop.checking.draws import Drawing
from einbackprop.checking.elsewhere import Elsewhere, look
from einbackprop.checking.matching import Target
from einbackprop.checking.problems import Problem, targets_of, with_arrays
from einbackprop.checking.records import Finding, Gradient, Line
from einbackprop.checking.repairing import repaired
from einbackprop.checking.reports import Report
from einbackprop.checking.trials import History, Trial, judge_all, reviewed, verdict_of
from einbackprop.checking.verdicts import DIRECTIONS, ENTRIES, SAMPLED
from einbackprop.core import interpretation
from einbackprop.core.choices import Choice, parameters, positions_of
from einbackprop.core.nesting import Attribute, Path, duplicate, get, leaves
from einbackprop.derivation.accumulation import vjp
from einbackprop.derivation.gradients import as_loss
from einbackprop.diagnosis.reviewing import Review
from einbackprop.errors import EinbackpropError, ScriptError
from einbackprop.world import Runner, World

__all__ = ["Finding", "Gradient", "Line", "Problem", "Report", "check", "solve"]

CLIPPED = "np.clip keeps entries of it within bounds at some of the values drawn; but for that it is right"


def check(
    loss: Callable[..., Any],
    gradients: Callable[..., Any],
    *arguments: Any,
    wrt: Choice = 0,
) -> Report:
    """Judge a hand-written gradient.

    Parameters
    ----------
    loss
        Takes the arguments, returns one number. It is what is trusted.
    gradients
        Takes the same arguments, returns the gradient of the loss with respect to
        ``arguments[wrt]``: one array, or lists, tuples or dicts of them as the argument is.
        (For several `wrt`: a tuple, or a dict by name.)
    *arguments
        Arrays of any shapes, or nested lists, tuples, dicts and objects of them. They are never
        changed: both functions get copies, the parameters in them freshly drawn.
    wrt
        Which arguments: a position, a name, or several.

    Returns
    -------
    Report
        Truthy if every gradient is right. ``print(report)`` says the rest.

    Raises
    ------
    ScriptError
        If one of the functions raises, or the loss is no number: with the user's file and line.

    Examples
    --------
    >>> def loss(W, x):
    ...     return 0.5 * np.sum((W @ x) ** 2)
    >>> def gradients(W, x):
    ...     return np.outer(x, W @ x)
    >>> report = check(loss, gradients, np.ones((2, 2)), np.array([0.3, -0.4]))
    >>> bool(report), report.gradients[0].name, report.gradients[0].verdict
    (False, 'W', 'wrong')
    """
    chosen = positions_of(loss, wrt)
    positions = (chosen,) if isinstance(chosen, int) else chosen
    count = len(arguments)
    for position in positions:
        if not -count <= position < count:
            raise ScriptError(f"wrt is {position}, but there are {count} arguments")
    world = World()
    own_loss, own_gradients, state = world.of((loss, gradients, list(arguments)))

    def forward(state: Any) -> Trace:
        world.restore()
        return record(own_loss, tuple(state), parameter_names(loss, count))

    def pair(state: Any) -> Trace:
        world.restore()
        return record_pair(own_loss, own_gradients, tuple(state), parameter_names(loss, count))

    return solve(
        Problem(
            loss=Runner(world, lambda state: own_loss(*state)),
            gradients=Runner(world, lambda state: own_gradients(*state)),
            state=state,
            roots=tuple((position % count,) for position in positions),
            labels=dict(enumerate(parameters(loss)[:count])),
            loss_source=loss,
            gradients_source=gradients,
            forward=forward,
            pair=pair,
        )
    )


@np.errstate(all="ignore")
def solve(problem: Problem, seed: int = 0) -> Report:
    """Check a problem; `seed` decides all draws. Raises as `check` does."""
    rng = np.random.default_rng(seed)
    state = with_arrays(problem)
    try:
        user = answers.rehearse(problem.loss, problem.gradients, problem.gradients_source,
                                state, targets_of(problem, state))
    except ScriptError as error:
        raise with_reason(problem, error, seed) from error.__cause__
    targets = list(user.targets)
    paths = tuple(target.path for target in targets)
    drawing = Drawing(user.loss, user.gradients, state, paths, rng)
    history: dict[str, History] = {target.name: [] for target in targets}
    draws, methods = [], []
    for draw in drawing.draws():
        draws.append(draw)
        methods.append(judge_all(user, drawing, draw, targets, history))
    user, bare = unclipped(user, drawing, draws, targets, history)
    history |= bare
    gradients = tuple(verdict_of(user, target, history[target.name]) for target in targets)
    gradients = tuple(replace(g, note=CLIPPED) if g.name in bare else g for g in gradients)
    gradients = _not_empty(problem, gradients)
    gradients, stale = _without_stale(problem, user, drawing, gradients, history)
    findings = [*user.findings, *answers.changes(user, problem.label, state, drawing), *stale]
    findings += _hiding(problem, drawing)
    trial = Trial(user, state, targets, gradients)
    trial, read, other = _read(problem, trial, seed)
    if "differences" in methods:
        doubted = {t.name for t in targets if t.name in read.doubted and _is_derived(problem, user, t, history)}
        trial = replace(trial, gradients=_doubted(trial.gradients, doubted))
    states = [draw.state for draw in draws if not draw.data_redrawn]
    if trial.wrong and len(states) > 1 and not user.random:
        read = repaired(trial, states, drawing.parameters, read, seed)
    graded = tuple(replace(g, grade=read.grades[g.name]) if g.name in read.grades else g for g in trial.gradients)
    return Report(
        graded, read.lines, (*findings, *read.findings),
        (*_assumptions(problem, drawing, targets, methods), *_about_sizes(other), *_about_reading(read)),
        read.dimensions,
    )  # fmt: skip


def _read(problem: Problem, trial: Trial, seed: int) -> tuple[Trial, Review, Elsewhere]:
    """Trace the code, look at other sizes, and judge the lines."""
    if problem.pair is None or trial.user.random:
        return trial, Review(), Elsewhere()
    try:
        trace: Trace | EinbackpropError = problem.pair(trial.state)
    except EinbackpropError as error:
        trace = error

    def traced() -> Trace:
        if isinstance(trace, EinbackpropError):
            raise trace
        return trace

    program = trace.program if isinstance(trace, Trace) else None
    other = look(problem, trial.state, program, trial.targets, trial.gradients, seed)
    doubted = replace(trial, gradients=other.verdicts(trial.gradients, read=True))
    read = reviewed(problem, doubted, traced, seed)
    judged = other.verdicts(trial.gradients, read.agrees)
    return replace(trial, gradients=_forgiven(judged, read.forgiven)), read, other


def _is_derived(problem: Problem, user: answers.User, target: Target, history: dict[str, History]) -> bool:
    """Whether a gradient is what is derived from the loss as it runs where the two were found to differ."""
    states = [draw.state for draw, outcome in history[target.name] if outcome.verdict == "wrong"]
    if not states or problem.forward is None:
        return False
    try:
        forward = as_loss(problem.forward(states[0]).program)
        places = {problem.place(declared): declared.ref.name for declared in forward.inputs}
        derived = vjp(forward, [places[target.path]])
        arrays = [np.asarray(get(states[0], problem.place(declared))) for declared in derived.inputs]
        expected = np.asarray(interpretation.run(derived, arrays)[0]).reshape(target.shape)
        yours = user.matched(user.gradients(duplicate(states[0])), states[0]).values[target.name]
        off, scale = np.abs(np.asarray(yours) - expected), np.abs(expected)
        return bool(np.all(off <= 1e-6 * scale + 1e-9 * scale.max(initial=0)))
    except (EinbackpropError, LookupError, TypeError, ValueError):  # what cannot be derived there says nothing
        return False


def _doubted(gradients: tuple[Gradient, ...], names: Collection[str]) -> tuple[Gradient, ...]:
    """The gradients, none called wrong that is what is derived from the loss: one of two references is mistaken."""
    note = ("it is what is derived from the loss as it was read, and differences of the loss say otherwise: they may "
            "reach across kinks, or the code take another way than when it was read")
    return tuple(
        replace(item, verdict="undecided", grade=None, note=note)
        if item.name in names and item.verdict == "wrong" else item
        for item in gradients
    )  # fmt: skip


def _forgiven(gradients: tuple[Gradient, ...], told: Mapping[str, str]) -> tuple[Gradient, ...]:
    """The gradients, called right where they only leave out a guard of the loss, with what that changes."""
    chosen = {item.name: item for item in gradients if item.verdict == "wrong" and item.name in told}
    by = max((item.max_error or 0.0 for item in chosen.values()), default=0.0)
    return tuple(
        replace(item, verdict="right", roundings=None, index=None, yours=None, expected=None,
                note=f"{told[item.name]}; that changes it by up to {by:.1%} at the values drawn")
        if item.name in chosen else item
        for item in gradients
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


def _about_sizes(other: Elsewhere) -> tuple[str, ...]:
    """At which sizes was checked, and what the user's own hide."""
    hides, tried = "; ".join(other.hides), "; ".join(other.tried)
    if hides and tried:
        return (f"At your sizes {hides}. Checked at others as well: {tried}.",)
    if hides:
        return (f"Your sizes can hide a mistake: {hides}.",)
    return (f"Checked at other sizes as well: {tried}.",) if tried else ()


def _about_reading(read: Review) -> tuple[str, ...]:
    """What the proofs rest on, or why lines are not judged."""
    rests = (f"Proofs rest on: {'; '.join(read.assumptions)}.",) if read.assumptions else ()
    return rests + ((read.note + ".",) if read.note else ())


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


def _assumptions(
    problem: Problem, drawing: Drawing, targets: list[Target], methods: list[str]
) -> tuple[str, ...]:
    """What the verdicts rest on, in sentences."""
    count = len(methods)
    names = ", ".join(target.name for target in targets)
    drawn = f"{names}: drawn afresh {count} times, {drawing.parameters_are}"
    if drawing.parameters_are.startswith("your own"):
        drawn = f"{names}: {drawing.parameters_are}"
    sizes = "those of the letters in --setup are ours" if problem.elsewhere else "sizes are yours"
    texts = [f"{drawn}; {sizes}."]
    if drawing.data:
        told = ", ".join(f"{problem.label(path)} ({WORDS[kept.kind]})"
                         for path, kept in drawing.data.items())
        texts.append(f"Data: yours, and in one draw redrawn: {told}.")
    if drawing.kept:
        texts.append(f"Kept as they are: {', '.join(map(problem.label, drawing.kept))}.")
    if not methods:
        return tuple(texts)
    method = " or ".join(sorted(set(methods)))
    entries = "every entry"
    if any(int(np.prod(target.shape)) > ENTRIES for target in targets):
        entries = (f"every entry; of arrays above {ENTRIES} entries {SAMPLED} of them and "
                   f"{DIRECTIONS} random directions through all")
    checked = ", itself checked by differences" if "complex step" in methods else ""
    texts.append(f"Reference: {method} of the loss{checked}; {entries}. Tolerance: rounding, "
                 "measured in your own code.")
    return tuple(texts)
