"""`check`: is this hand-written gradient the gradient of that loss?

First a black box: the loss is trusted, the gradients are not, and neither is read. Both run at freshly
drawn values; `certifying` gives the reference, `verdicts` compares. Then `reviewing` reads both, judges
every line and proves what is right; `reports` tells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from einbackprop.checking import answers, naming
from einbackprop.checking.certifying import Reference
from einbackprop.checking.drawing import WORDS
from einbackprop.checking.draws import Draw, Drawing, Function
from einbackprop.checking.evaluation import quiet
from einbackprop.checking.matching import Target
from einbackprop.checking.reports import Finding, Gradient, Line, Report
from einbackprop.checking.verdicts import DIRECTIONS, ENTRIES, SAMPLED, Outcome, judge
from einbackprop.diagnosis.reviewing import Review, review
from einbackprop.errors import ScriptError
from einbackprop.nesting import Attribute, Number, Path, duplicate, get, label, leaves, replaced
from einbackprop.program import Input
from einbackprop.tracing.tracer import Trace, record_pair

__all__ = ["Finding", "Gradient", "Line", "Problem", "Report", "check", "solve"]

History = list[tuple[Draw, Outcome]]


@dataclass(frozen=True)
class Problem:
    """What is to be checked.

    Attributes
    ----------
    loss, gradients
        Functions of a copy of the state.
    state
        Everything that the two read: nested arrays.
    roots
        The paths in the state of what the gradients are with respect to.
    labels
        What the user calls the first step of a path.
    loss_source, gradients_source
        The functions in whose source names are looked for.
    pair, place
        Trace both together, to judge lines; and where an input of that trace stands in the state.
    """

    loss: Function
    gradients: Function
    state: Any
    roots: tuple[Path, ...]
    labels: Mapping[Any, str]
    loss_source: Any
    gradients_source: Any
    pair: Callable[[], Trace] | None = None
    place: Callable[[Input], Path] = lambda declared: declared.path

    def label(self, path: Path) -> str:
        """Write a path in the state as the user would."""
        return label(self.labels.get(path[0], f"argument {path[0]}"), path[1:])


def check(
    loss: Callable[..., Any],
    gradients: Callable[..., Any],
    *arguments: Any,
    wrt: int | tuple[int, ...] = 0,
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
        Which arguments: a position or several.

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
    positions = (wrt,) if isinstance(wrt, int) else tuple(wrt)
    count = len(arguments)
    for position in positions:
        if not -count <= position < count:
            raise ScriptError(f"wrt is {position}, but there are {count} arguments")
    return solve(
        Problem(
            loss=lambda state: loss(*state),
            gradients=lambda state: gradients(*state),
            state=list(arguments),
            roots=tuple((position % count,) for position in positions),
            labels=dict(enumerate(naming.parameters(loss)[:count])),
            loss_source=loss,
            gradients_source=gradients,
            pair=lambda: record_pair(loss, gradients, tuple(arguments)),
        )
    )


def solve(problem: Problem, seed: int = 0) -> Report:
    """Check a problem; `seed` decides all draws. Raises as `check` does."""
    rng = np.random.default_rng(seed)
    with quiet():
        state = _with_arrays(problem)
        user = answers.rehearse(problem.loss, problem.gradients, problem.gradients_source,
                                state, _targets(problem, state))
        targets = list(user.targets)
        paths = tuple(target.path for target in targets)
        drawing = Drawing(user.loss, user.gradients, state, paths, rng)
        history: dict[str, History] = {target.name: [] for target in targets}
        methods = [_judge_all(user, drawing, draw, targets, history) for draw in drawing.draws()]
        gradients = tuple(_verdict(user, target, history[target.name]) for target in targets)
        gradients, stale = _without_stale(problem, user, drawing, gradients, history)
        findings = [*user.findings, *answers.changes(user, problem.label, state, drawing), *stale]
        findings += _hiding(problem, drawing)
        read = _reviewed(problem, user, state, targets, gradients, seed)
    assumptions = _assumptions(problem, drawing, targets, methods)
    graded = tuple(replace(g, grade=read.grades[g.name]) if g.name in read.grades else g for g in gradients)
    rests = (f"Proofs rest on: {'; '.join(read.assumptions)}.",) if read.assumptions else ()
    notes = (read.note + ".",) if read.note else ()
    return Report(graded, read.lines, (*findings, *read.findings), (*assumptions, *rests, *notes))


def _reviewed(
    problem: Problem, user: answers.User, state: Any, targets: list[Target], gradients: tuple[Gradient, ...], seed: int
) -> Review:
    """The lines judged, where the code can be read, and what every verdict is on a gradient is plain."""
    if problem.pair is None or user.random or any(g.verdict not in ("right", "wrong") or g.note for g in gradients):
        return Review()
    result = user.gradients(duplicate(state))
    values = user.matched(result, state).values
    paths = {target.name: target.path for target in targets}
    wrong = [g.name for g in gradients if g.verdict == "wrong"]
    return review(
        problem.pair, state, user.loss, user.gradients, values, result, paths, problem.place, wrong, seed
    )


def _with_arrays(problem: Problem) -> Any:
    """The state with an array where a Python number or an integer array is differentiated."""
    state = problem.state
    for path, leaf in [(p, x) for r in problem.roots for p, x in _numeric(problem, r)]:
        if isinstance(leaf, np.ndarray):
            if leaf.dtype.kind in "biu":
                state = replaced(state, path, leaf.astype(np.float64))
        else:
            state = replaced(state, path, np.array(leaf, dtype=np.float64).view(Number))
    return state


def _numeric(problem: Problem, start: Path) -> list[tuple[Path, Any]]:
    """The arrays and floats under a root; other numbers there are settings, unless alone."""
    value = get(problem.state, start)
    alone = isinstance(value, (int, float, np.generic)) and not isinstance(value, bool)
    found = [(start + path, leaf) for path, leaf in leaves(value)
             if isinstance(leaf, (np.ndarray, float, np.floating)) or alone]
    if not found:
        raise ScriptError(f"{problem.label(start)} holds no arrays to differentiate: "
                          f"it is {type(value).__name__}")
    for path, leaf in found:
        if np.asarray(leaf).dtype.kind not in "biuf":
            raise ScriptError(f"{problem.label(path)} has dtype {np.asarray(leaf).dtype}: "
                              "only real numbers can be checked")
    return found


def _targets(problem: Problem, state: Any) -> list[Target]:
    """What gradients are wanted for, with the user's names."""
    targets = []
    for position, start in enumerate(problem.roots):
        found = _numeric(replace(problem, state=state), start)
        names = _names(problem, start, [path for path, _ in found])
        several = (position,) if len(problem.roots) > 1 else ()
        targets += [Target(name, path, (*several, *path[len(start):]), np.shape(leaf))
                    for name, (path, leaf) in zip(names, found, strict=True)]
    taken = [target.name for target in targets]
    return [target if taken.count(target.name) == 1
            else replace(target, name=problem.label(target.path)) for target in targets]


def _names(problem: Problem, start: Path, paths: list[Path]) -> list[str]:
    """The names of the arrays under a root: keys, or what the user unpacks it into, or paths."""
    inner = [path[len(start):] for path in paths]
    if len(start) == 1 and inner and all(isinstance(path[0], int) for path in inner if path):
        variable = problem.labels.get(start[0], "")
        count = len(get(problem.state, start)) if all(inner) else 0
        unpacked = naming.unpacked(problem.loss_source, variable, count)
        if unpacked:
            return [label(unpacked[int(str(path[0]))], path[1:]) for path in inner]
    names = []
    for path, full in zip(inner, paths, strict=True):
        by_name = bool(path) and all(isinstance(step, str) for step in path)
        names.append(".".join(map(str, path)) if by_name else _short(problem.label(full), full))
    return names


def _short(text: str, path: Path) -> str:
    """An attribute's own name will do: ``W1`` for ``net.W1``."""
    return str(path[-1]) if isinstance(path[-1], Attribute) else text


def _judge_all(
    user: answers.User, drawing: Drawing, draw: Draw, targets: list[Target],
    history: dict[str, History],
) -> str:
    """Judge at one draw whatever is not yet known to be wrong; return the reference's method."""
    reference = Reference(user.loss, draw.state, drawing.parameters, drawing.rng)
    wanted = [t for t in targets if t.name not in user.notes
              and all(outcome.verdict != "wrong" for _, outcome in history[t.name])]
    returned = user.returned(draw.state, wanted, drawing.rng)
    for target in wanted:
        outcome = judge(reference, target.path, returned[target.name], drawing.rng)
        history[target.name].append((draw, outcome))
    return reference.method


def _verdict(user: answers.User, target: Target, history: History) -> Gradient:
    """Draw the sum of all draws. A mistake at the user's own data counts; at redrawn ones it is
    no more than a doubt, since the code may rely on something about the data."""
    if target.name in user.notes:
        note = user.notes[target.name]
        return Gradient(target.name, note.verdict, "close" if note.verdict == "wrong" else None,
                        shape=target.shape, note=note.text)
    for draw, outcome in history:
        if outcome.verdict == "wrong":
            return _gradient(user, target, outcome, draw.data_redrawn)
    for verdict in ("right", "kink"):
        candidates = [outcome for _, outcome in history if outcome.verdict == verdict]
        if candidates:
            return _gradient(user, target, max(candidates, key=lambda o: o.roundings), False)
    if history:
        return _gradient(user, target, history[0][1], False)
    return Gradient(target.name, "undecided", shape=target.shape,
                    note="no values were found at which the loss is a finite number")


def _gradient(user: answers.User, target: Target, outcome: Outcome, doubtful: bool) -> Gradient:
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
    """Say which data are so plain that they could hide a mistake."""
    constant = [path for path in drawing.kept if np.ptp(get(drawing.own, path)) == 0
                and get(drawing.own, path).size > 1]
    return [Finding(f"{problem.label(path)} holds {get(drawing.own, path).flat[0]:g} everywhere, "
                    "and is kept so: such data can hide a mistake") for path in constant]


def _assumptions(
    problem: Problem, drawing: Drawing, targets: list[Target], methods: list[str]
) -> tuple[str, ...]:
    """What the verdicts rest on, in sentences."""
    count = len(methods)
    names = ", ".join(target.name for target in targets)
    drawn = f"{names}: drawn afresh {count} times, {drawing.parameters_are}"
    if drawing.parameters_are.startswith("your own"):
        drawn = f"{names}: {drawing.parameters_are}"
    texts = [drawn + "; sizes are yours."]
    if drawing.data:
        told = ", ".join(f"{problem.label(path)} ({WORDS[kept.kind]})"
                         for path, kept in drawing.data.items())
        texts.append(f"Data: yours, and in one draw redrawn: {told}.")
    if drawing.kept:
        texts.append(f"Kept as they are: {', '.join(map(problem.label, drawing.kept))}.")
    method = " or ".join(sorted(set(methods))) or "none"
    entries = "every entry"
    if any(int(np.prod(target.shape)) > ENTRIES for target in targets):
        entries = (f"every entry; of arrays above {ENTRIES} entries {SAMPLED} of them and "
                   f"{DIRECTIONS} random directions through all")
    checked = ", itself checked by differences" if "complex step" in methods else ""
    texts.append(f"Reference: {method} of the loss{checked}; {entries}. Tolerance: rounding, "
                 "measured in your own code.")
    return tuple(texts)
