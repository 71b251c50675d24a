"""The black box: facts about the gradients from runs of the user's two functions alone; neither is read.

``decide`` takes a problem and gives a ``Decision``, from which a whole report can be made: the table of `verdicts`
takes these facts, and whatever comes after can but add facts of other kinds. The order is such that the end of the time
finds verdicts: the functions are rehearsed, states are drawn, every gradient is compared along a few directions if the
code is long, then by more; at last, what may excuse a difference is looked for: gradients that are clipped before they
are returned, entry by entry or by their norm, as recurrent networks do, are right but where that acts.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from typing import Any

import numpy as np

from ..core.nesting import Attribute, Path, duplicate, get, leaves
from ..core.progress import in_time
from ..core.records import dataclass
from ..errors import CodeError
from ..world import Raised, Runner
from . import answers
from .answers import User
from .certifying import FEWEST
from .comparing import ENTRIES, MOST_LINES, SAMPLED, affordable
from .draws import Draw, Drawing
from .matching import Target
from .problems import GRADIENTS, Problem, counted, targets_of, with_arrays
from .scaling import unscaled
from .trials import History, Trial, compare_all, facts_of, right_among
from .verdicts import Facts, Finding

SLOW = 3000
"""Lines that the loss or the gradients run from which on these are compared along a few directions alone."""
BRIEF = 100
"""Lines of the loss times gradients up to which no quick comparison comes before the full one, though time is limited.
"""


class Unclipped(Runner):
    """The user's gradients with ``np.clip`` doing nothing, and whether it would have done something.

    Attributes
    ----------
    acts : bool
    """

    def __init__(self, gradients: Runner) -> None:
        super().__init__(gradients.world, gradients.function)
        self.acts = False

    def __call__(self, state: Any) -> Any:
        """The gradients."""
        own: Any = np.clip

        def clip(a: Any, *bounds: Any, out: Any = None, **keywords: Any) -> Any:
            clipped = own(a, *bounds, **keywords)
            self.acts |= not np.array_equal(clipped, a)
            if out is None:  # of a list it is an array, and of an integer a float where the bounds are
                return np.broadcast_to(a, np.shape(clipped)).astype(clipped.dtype)[()]
            out[...] = a
            return out

        with self.world.given([(own, clip)]):
            return super().__call__(state)


def unclipped(
    user: User, drawing: Drawing, draws: Sequence[Draw], targets: list[Target], history: Mapping[str, History]
) -> tuple[User, dict[str, History]]:
    """The user with gradients that are not clipped, and what is found of those that are right and differ if clipped.

    The user as is, and nothing, where no clipping acts, or it is not that by which they differ.
    """
    wrong = [t for t in targets if any(outcome.found == "differs" for _, outcome in history[t.name])]
    bare = Unclipped(user.gradients)
    with suppress(Raised):  # they may not run with what is not clipped
        for draw in draws if wrong else ():
            bare(duplicate(draw.state))
    if not bare.acts:
        return user, {}
    other = replace(user, gradients=bare)
    again = right_among(other, drawing, draws, targets)
    right = {target.name: again[target.name] for target in wrong if target.name in again}
    return (other, right) if right else (user, {})


@dataclass
class Decision:
    """What the black box found.

    Attributes
    ----------
    trial : Trial
        The facts and so the verdicts, and the functions and the state they are of.
    drawing, draws
        The states at which the gradients were compared; None where the time was over before they were drawn.
    history, methods
        What was found of each gradient at each state, and the methods of the references there.
    coarse : set of str
        The gradients of which that is what was found along a few directions.
    findings : list of Finding
    error : CodeError or None
        What the gradients raised where the loss runs.
    read_at : str
        At which sizes the code was read, if not at the user's.
    entries : int
        Up to so many entries a gradient has each of them compared.
    """

    trial: Trial
    drawing: Drawing | None = None
    draws: list[Draw] | None = None
    history: dict[str, History] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)
    coarse: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    error: CodeError | None = None
    read_at: str = ""
    entries: int = ENTRIES


def decide(problem: Problem, seed: int, has_limit: bool) -> Decision:
    """What is found of the gradients of a problem; `seed` decides all draws. Raises ScriptError as `check` does.

    Gradients that stop, or rest on values of an earlier run, run once more after the loss, which may leave what they
    read, as a layer's forward does.
    """
    found = _decided(problem, seed, has_limit)
    if found.error is None and not any(facts.stale for facts in found.trial.facts):
        return found
    loss, gradients = problem.loss.function, problem.gradients.function
    after = Runner(problem.gradients.world, lambda state: (loss(state), gradients(state))[1])
    other = _decided(replace(problem, gradients=after), seed, has_limit)
    is_no_later = found.error is not None and other.error is not None and stops_no_later(other.error, found.error)
    is_cut = other.drawing is None and other.error is None  # the time was over
    if is_no_later or is_cut or any(facts.stale for facts in other.trial.facts):
        return found
    other.findings.append(Finding("the gradients read what the loss leaves behind: they run after it here"))
    return other


def stops_no_later(error: CodeError, other: CodeError) -> bool:
    """Whether code stops as it did the other time, or at a line of the same function before that."""
    if error.place is None or other.place is None:
        return str(error) == str(other)
    (file, line, name), (other_file, other_line, other_name) = error.place, other.place
    is_before = (file, name) == (other_file, other_name) and line < other_line
    return is_before or str(error) == str(other)


def _decided(problem: Problem, seed: int, has_limit: bool) -> Decision:
    """The same of a problem as it is."""
    state = with_arrays(problem)
    targets = list(targets_of(problem, state))
    asked = (problem.loss, problem.gradients, problem.gradients_source, state, targets)
    error = None
    try:
        user = in_time("the rehearsal", partial(answers.rehearse, *asked), None)
    except CodeError as raised:
        if raised.what != GRADIENTS:
            raise
        user, error = None, raised
    if user is None:
        nobody = answers.User(problem.loss, problem.gradients, problem.gradients_source, targets)
        facts = tuple(Facts(t.name, t.shape, raises=error is not None, uncompared=True) for t in targets)
        return Decision(Trial(nobody, state, targets, facts), error=error)
    decision = Decision(Trial(user, state, list(user.targets)), findings=list(user.findings))
    in_time("the comparison", partial(_compare, decision, seed, has_limit), None)
    decision.trial = replace(decision.trial, facts=_facts(problem, decision))
    if decision.drawing is not None:
        if not in_time("what may excuse a difference", partial(_excuse, problem, decision, decision.drawing), False):
            facts = tuple(replace(found, unexcused=True) for found in decision.trial.facts)
            decision.trial = replace(decision.trial, facts=facts)
        decision.findings += _hiding(problem, decision.drawing)
    return decision


def _compare(decision: Decision, seed: int, has_limit: bool) -> None:
    """Compare every gradient with the reference at drawn states; what is found is written down as it comes."""
    user, state, targets = decision.trial.user, decision.trial.state, decision.trial.targets
    paths = tuple(target.path for target in targets)
    drawing = decision.drawing = Drawing(user.loss, user.gradients, state, paths, np.random.default_rng(seed))
    decision.history = {target.name: [] for target in targets}
    told, more = (counted(partial(run, duplicate(state)), SLOW)[1] for run in (user.loss, user.gradients))
    lines = max(told * len(targets), 1)
    is_slow = max(told, more) > SLOW
    user.samples = FEWEST if is_slow else user.samples
    is_long = is_slow or lines * SAMPLED > MOST_LINES  # directions tell as much as few entries do
    known = user.survived, user.samples, user.narrow, user.narrow_loss
    if is_long or (has_limit and lines > BRIEF):
        _compare_coarsely(decision, drawing, seed, is_slow=is_slow)
    if is_long:
        decision.entries, decision.coarse = 1, set()
        return
    user.survived, user.samples, user.narrow, user.narrow_loss = known  # what is compared now is so as without a limit
    draws: list[Draw] = []
    full: dict[str, History] = {target.name: [] for target in targets}
    methods = []
    for draw in drawing.draws():
        draws.append(draw)
        methods.append(compare_all(user, drawing, draw, targets, full, lines))
        decision.entries = min(decision.entries, affordable(methods[-1], lines))
        for name, found in full.items():  # a mistake is one wherever it was found
            if any(outcome.found == "differs" for _, outcome in found):
                decision.history[name] = found
                decision.coarse.discard(name)
    decision.draws, decision.history, decision.methods, decision.coarse = draws, full, methods, set()


def _compare_coarsely(decision: Decision, drawing: Drawing, seed: int, *, is_slow: bool) -> None:
    """Compare every gradient along a few directions first, at states of its own: each has a verdict early then. Where a
    run ``is_slow`` at one draw of each kind.
    """
    own, drawing.rng = drawing.rng, np.random.default_rng([seed, 1])  # what is drawn later is as without a limit
    decision.coarse = set(decision.history)
    draws = list(drawing.draws())
    draws = [draws[0], draws[-1]] if is_slow and len(draws) > 1 and draws[-1].data_redrawn else draws
    for draw in draws:
        decision.methods.append(
            compare_all(decision.trial.user, drawing, draw, decision.trial.targets, decision.history)
        )
    decision.draws, drawing.rng = draws, own


def _facts(problem: Problem, decision: Decision) -> tuple[Facts, ...]:
    """What the comparisons show of each gradient."""
    trial, draws = decision.trial, decision.draws
    arrays = [(path, leaf) for path, leaf in leaves(problem.state) if isinstance(leaf, np.ndarray)]
    empty = next((problem.label(path) for path, leaf in arrays if not leaf.size), "")
    compared = {target.name: decision.history.get(target.name, []) for target in trial.targets}
    return tuple(
        replace(
            facts_of(trial.user, target, compared[target.name], empty),
            uncompared=draws is None or len(compared[target.name]) < len(draws), coarse=target.name in decision.coarse,
        )
        for target in trial.targets
    )  # fmt: skip


def _excuse(problem: Problem, decision: Decision, drawing: Drawing) -> bool:
    """Find what excuses a difference: clipping, a norm that is kept, or values of an earlier run. Say as well what the
    functions change.
    """
    draws, targets = decision.draws or [], decision.trial.targets
    user, bare = unclipped(decision.trial.user, drawing, draws, targets, decision.history)
    history = decision.history | bare
    longer = unscaled(user, drawing, draws, targets, history) if draws and not user.random else {}
    history |= {name: found for name, (_, found) in longer.items()}
    excused = replace(decision, trial=replace(decision.trial, user=user), history=history)
    facts = tuple(replace(found, clipped=found.name in bare, scaled=longer.get(found.name, (0.0,))[0])
                  for found in _facts(problem, excused))  # fmt: skip
    trial = replace(decision.trial, user=user, facts=facts)
    stale, findings = _stale(problem, trial, drawing, history)
    trial = replace(trial, facts=tuple(replace(found, stale=found.name in stale) for found in facts))
    findings = [*answers.changes(user, problem.label, trial.state, drawing), *findings]
    decision.trial, decision.history = trial, history
    decision.findings += findings
    return True


def _stale(
    problem: Problem, trial: Trial, drawing: Drawing, history: dict[str, History]
) -> tuple[set[str], list[Finding]]:
    """The gradients called wrong that rest on values left from an earlier run of the user's code, and what to say."""
    accused = {name for name in trial.wrong if history[name]}
    stale: dict[Path, set[str]] = {}
    for path in drawing.idle if accused else ():
        if not np.isin(np.abs(get(drawing.own, path)), (0, 1)).all():  # labels and masks, and a buffer of zeros
            state = history[min(accused)][0][0].state
            stale[path] = trial.user.differing(state, drawing.with_idle_redrawn(state, [path])) & accused
    beside = {path: names for path, names in stale.items() if _is_beside_read(path, drawing)}
    if names := set[str]().union(*beside.values()):  # of a run before, they are right for the values of that run
        own = [target for target in trial.targets if target.name in names]
        right = right_among(trial.user, drawing, [Draw(drawing.own, False)], own)
        stale |= {path: names & right.keys() for path, names in beside.items()}
    doubted = set().union(*stale.values())
    if not doubted:
        return set(), []
    holders = [problem.label(_holder(path)) for path, names in stale.items() if names]
    message = (f"the gradients depend on {', '.join(dict.fromkeys(holders))}, on which the loss does "
               "not: left from an earlier run? Compute it where the gradients are computed, as in "
               "backward(forward(W, X), Y)")
    return doubted, [Finding(message)]


def _is_beside_read(path: Path, drawing: Drawing) -> bool:
    """Whether an array lies in a dict or a list beside one that the loss reads: another name may be meant."""
    read = {other[:-1] for other in (*drawing.parameters, *drawing.data, *drawing.kept)}
    return len(path) > 1 and not isinstance(path[-1], Attribute) and path[:-1] in read


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
