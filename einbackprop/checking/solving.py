"""`check`: is this hand-written gradient the gradient of that loss?

First a black box (`deciding`): the loss is trusted, the gradients are not, and neither is read. What it found is a
whole report. Then each part that reads the code, runs it at other sizes, proves or repairs adds to that; one that fails
by a mistake of ours, or for which there is no time, costs itself alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from einbackprop.capture.tracer import Trace
from einbackprop.checking import answers, functions
from einbackprop.checking.assumptions import assumptions
from einbackprop.checking.deciding import Decision, decide
from einbackprop.checking.elsewhere import Elsewhere, look
from einbackprop.checking.guards import made_finite, right_but_for_guards, unguarded
from einbackprop.checking.matching import Target
from einbackprop.checking.mistakes import (
    as_read,
    case_of,
    diagnosis_of,
    findings_of_crash,
    smaller_diagnosis,
    traced_at,
    unread_diagnosis,
)
from einbackprop.checking.penalties import in_doubt, penalties_among
from einbackprop.checking.problems import Problem, arrays_at
from einbackprop.checking.relations import is_mostly_right, relations, right_when_small
from einbackprop.checking.reports import Report
from einbackprop.checking.shrinking import STATEMENTS, shrunk, statements_run, without_unread
from einbackprop.checking.trials import History, Trial, drawn
from einbackprop.checking.verdicts import Added, Finding, Gradient, Line
from einbackprop.core import interpretation
from einbackprop.core.deferred import Deferred
from einbackprop.core.nesting import Choice, Path, duplicate
from einbackprop.core.progress import InternalFault, Progress, collecting, contained, in_time, limited
from einbackprop.core.scoped import scoped, seldom_collected
from einbackprop.core.source import READ, name_of
from einbackprop.derivation.accumulation import as_loss, vjp
from einbackprop.diagnosis.cases import Diagnosis
from einbackprop.diagnosis.review import Review, review
from einbackprop.errors import CodeError, DerivationError, EinbackpropError, TraceError

EARLY, LONG = 30.0, 5_000
"""Seconds that a search for mistakes may take before lines are read that take long to read, and of how many statements
at most they are read where the verdicts, and repairs, are there without."""

__all__ = ["Finding", "Gradient", "Line", "Problem", "Report", "check", "check_layer", "solve"]

def check(
    loss: Callable[..., Any], gradients: Any, *arguments: Any, wrt: Choice = 0, seconds: float | None = None
) -> Report:
    """Judge a hand-written gradient: ``check(loss, gradients, *arguments)``, or ``check(both, *arguments)``.

    Parameters
    ----------
    loss
        Takes the arguments, returns one number. It is what is trusted.
    gradients
        Takes the same arguments, returns the gradient of the loss with respect to
        ``arguments[wrt]``: one array, or lists, tuples or dicts of them as the argument is.
        (For several `wrt`: a tuple, or a dict by name.) Left out, where one function returns both: the pair ``(loss,
        gradients)``, or ``loss, dW, db``.
    *arguments
        Arrays of any shapes, or nested lists, tuples, dicts and objects of them. They are never
        changed: both functions get copies, the parameters in them freshly drawn.
    wrt
        Which arguments: a position, a name, a part of one as ``"net.W1"``, or several.
    seconds
        When to end, with what there is by then: a gradient that was not compared is undecided, and proofs, lines and
        repairs may be missing. It can take longer by as much as one call of the two functions takes. No limit unless
        given.

    Returns
    -------
    Report
        Truthy if every gradient is right. ``print(report)`` says the rest.

    Raises
    ------
    ScriptError
        If one of the functions raises, or the loss is no number: with the user's file and line.
    OptionError
        If ``seconds`` is no positive number.

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
    if callable(gradients):
        problem = functions.pair_problem(loss, gradients, arguments, wrt)
    else:
        problem = functions.both_problem(loss, (gradients, *arguments), wrt)
    return solve(problem, seconds=seconds)


def check_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *arguments: Any,
    wrt: Choice = 0,
    grads: Callable[..., Any] | None = None,
    cotangent: str | None = None,
    seconds: float | None = None,
) -> Report:
    """Judge the backward of a layer that has no loss.

    A cotangent of the shape of what forward returns is drawn; the loss is the sum of their product.

    Parameters
    ----------
    forward
        Takes the arguments, returns the output, several, or ``(output, cache)``. It is what is trusted. Of a bound
        method the object is an argument too, called ``self``.
    backward
        Runs after forward. Parameters that forward has as well get the same arguments; of the others the first gets the
        cotangent, or each its own, and the last the cache, if there is one.
    *arguments
        As in `check`.
    wrt
        Which arguments: a position, a name, a part of one as ``"self.W"``, or several.
    grads
        Gives the gradients after backward, of arguments that forward has and of what backward returned. Unless given,
        they are what backward returned, or what it left under names such as ``self.dW`` or ``self.grads["W"]``.
    cotangent
        Which parameter of backward gets the cotangent.
    seconds
        As in `check`.

    Returns
    -------
    Report

    Raises
    ------
    ScriptError
        As `check` does; and if a gradient is not found, or backward takes what is not known.
    OptionError

    Examples
    --------
    >>> def forward(x, W):
    ...     return x @ W, (x, W)
    >>> def backward(dout, cache):
    ...     x, W = cache
    ...     return dout @ W, x.T @ dout
    >>> report = check_layer(forward, backward, np.ones((3, 2)), np.ones((2, 2)), wrt=("x", "W"))
    >>> [(item.name, item.verdict) for item in report.gradients]
    [('x', 'wrong'), ('W', 'right')]
    """
    return solve(functions.layer_problem_of(forward, backward, arguments, wrt, grads, cotangent), seconds=seconds)


OF_SIZES = ("rounds", "sizes", "given", "frozen")  # kinds of conditions that sizes meet


def solve(
    problem: Problem, seed: int = 0, seconds: float | None = None, *, diagnosed: bool = True,
    unless_related: bool = False,
) -> Report:  # fmt: skip
    """Check a problem; `seed` decides all draws, `seconds` when it ends. Raises as `check` does.

    Where it is not to be ``diagnosed``, there are verdicts and lines, and no mistakes are looked for. So it is,
    ``unless_related``, where all gradients are one multiple of the loss', but for penalties: another loss is meant. It
    runs in a context of its own: where a signal's handler raises while NumPy puts back how it warns, that is lost.
    """
    return copy_context().run(_solve, problem, seed, seconds, diagnosed, unless_related)


@np.errstate(all="ignore")
def _solve(problem: Problem, seed: int, seconds: float | None, diagnosed: bool, unless_related: bool) -> Report:
    """All of the check, with NumPy's floating-point warnings off."""
    with limited(seconds) as progress, collecting() as faults, scoped(READ, {}), seldom_collected():
        problem = contained("what is read", partial(without_unread, problem), problem)
        try:
            decision = decide(problem, seed, seconds is not None)
        except CodeError as error:
            raise _with_reason(problem, error) from error.__cause__
        read, other, diagnosis = Review(), Elsewhere(), Diagnosis()
        if diagnosed and unless_related and decision.drawing is not None:
            diagnosed = not contained("the relations", partial(_are_related, decision.trial, seed), False)
        if decision.drawing is not None:
            read, other, diagnosis = _additions(problem, decision, decision.drawing.parameters, seed, diagnosed)
        accused = bool(decision.trial.wrong)
        unrepaired = diagnosed and not any(item.write for item in diagnosis.findings)
        if decision.drawing is not None and (unrepaired or problem.is_guess):
            related = partial(_related, decision.trial, unrepaired, seed)
            decision.trial = contained("the relations", related, decision.trial)
        if problem.is_guess and unrepaired:
            decision.trial = contained("the relations", partial(_doubted, decision.trial, seed), decision.trial)
        if problem.is_assumed:
            doubted = decision.trial, diagnosis
            decision.trial, diagnosis = contained("penalties", partial(_in_doubt, *doubted, read), doubted)
        if accused and not decision.trial.wrong:
            diagnosis = Diagnosis(open=frozenset((line.file, line.line) for line in read.read.lines))
        if decision.error is not None and diagnosed:
            decision.findings += _about_crash(problem, decision, _with_reason(problem, decision.error), seed)
        return _report(problem, decision, read, other, diagnosis, faults, progress)


def _related(trial: Trial, unrepaired: bool, seed: int) -> Trial:
    """A trial with what its wrong gradients are instead; that is said of those that no edit repairs."""
    if not trial.wrong or trial.user.random:
        return trial
    rng = np.random.default_rng(seed)
    found, small = relations(trial, rng), right_when_small(trial, rng) if unrepaired else set[str]()
    return trial.adding(lambda facts: {
        "relation": found.get(facts.name), "unrepaired": unrepaired, "small": facts.name in small and not facts.slight})


def _are_related(trial: Trial, seed: int) -> bool:
    """Whether all gradients, some of them wrong, are one multiple of the loss', but for penalties."""
    if not trial.wrong or trial.user.random:
        return False
    found = relations(trial, np.random.default_rng(seed))
    return len(found) == len(trial.targets) and len({one.factor for one in found.values()}) == 1


def _doubted(trial: Trial, seed: int) -> Trial:
    """The trial of a question that nobody asked, if no gradient is right, nor most of one: another one may be meant."""
    if any(item.verdict == "right" for item in trial.gradients):
        return trial
    if not trial.user.random and is_mostly_right(trial, np.random.default_rng(seed)):
        return trial
    return trial.adding(lambda _: {"guessed": True})


def _in_doubt(trial: Trial, diagnosis: Diagnosis, review: Review) -> tuple[Trial, Diagnosis]:
    """A trial and a diagnosis by a loss that nobody wrote, which may have penalties that are not known."""
    terms = penalties_among(diagnosis.findings, review.lines(diagnosis.verdict_of))
    found = tuple(in_doubt(item, terms[item]) if item in terms else item for item in diagnosis.findings)
    are_all = bool(terms) and len(terms) == sum(item.line is not None for item in diagnosis.findings)
    return trial.adding(lambda _: {"penalised": are_all}), replace(diagnosis, findings=found)


def _with_reason(problem: Problem, error: CodeError) -> CodeError:
    return contained("the reason", partial(functions.with_letters, problem, error), error)


def _about_crash(problem: Problem, decision: Decision, error: CodeError, seed: int) -> list[Finding]:
    """The line at which the gradients stop, and the mistakes that make them."""
    file, line, _ = error.place or (None, None, "")
    found = contained("the search for mistakes", partial(findings_of_crash, problem, decision, seed), [])
    if not found:
        return [Finding(error.said, file, line, kind="an exception that this line raises")]
    here = [item for item in found if (item.file, item.line) == (file, line)]
    said = error.said.removesuffix(".")
    same = file in {item.file for item in found}
    where = "here" if here else f"on line {line}" if same else f"on line {line} of {name_of(file or '')}"
    where = "" if line is None else f" {where}"  # in --setup, that has no lines
    told = (here or found)[0]
    message = f"{told.message} The code stops{where}: {said}."
    return [replace(item, message=message) if item is told else item for item in found]


def _additions(
    problem: Problem, decision: Decision, parameters: tuple[Path, ...], seed: int, diagnosed: bool
) -> tuple[Review, Elsewhere, Diagnosis]:
    """What can be added to the facts; each part that fails, or for which there is no time, costs itself alone."""
    states = [draw.state for draw in decision.draws or () if not draw.data_redrawn]
    if len(states) == 1 and diagnosed and decision.trial.wrong:  # of slow code, which was compared at few
        states.append(drawn(problem, seed))
    own, whole, small = decision.trial, problem, None
    trial, early = own, None
    traced: Trace | EinbackpropError | None = None
    guarded: Mapping[str, str] = {}
    others: Sequence[Any] = ()
    if decision.drawing is not None and not own.user.random:
        excused = partial(right_but_for_guards, own, decision.history, decision.drawing)
        guarded = contained("what guards of the loss explain", excused, {})
    by_chance = own.user.random and not own.user.unsettled  # memory as it was found is filled in a diagnosis
    if whole.pair is not None and not own.user.random:
        small = contained("smaller sizes", partial(shrunk, problem, own), None)
        if small is not None:
            problem, trial, states = small.problem, small.trial, [small.state(one) for one in states]
            decision.read_at, others = small.sentence, small.others
        is_wrong = diagnosed and not {*trial.wrong} <= guarded.keys() and len(states) > 1
        count = contained("counting statements", partial(statements_run, trial), 0)
        if is_wrong and count > STATEMENTS:
            before = partial(unread_diagnosis, problem, *_as_guarded(trial, own, guarded, states, parameters),
                             parameters, seed, others, is_read=count <= LONG)  # fmt: skip
            search = partial(in_time, "a search for mistakes before lines are read", before, None, EARLY)
            early = contained("the search for mistakes", search, None)
        if count > LONG and (early is not None or not is_wrong):  # what is said without them is said much sooner
            told = f"the code runs {count:,} statements at the smallest sizes that it takes, up to {LONG:,} are read"
            traced = TraceError(told)
        else:
            traced = contained("the reading", partial(traced_at, problem.pair or whole.pair, trial.state), None)
    if small is not None and isinstance(traced, Trace):
        traced = _for_these_sizes(traced, {new for old, new in small.sizes.items() if old != new})
    if isinstance(traced, Trace) and trial.wrong:
        traced = traced.unrolled  # mistakes are looked for in the rounds as they ran
    trial, read, other = _read(problem, trial, traced, states, seed)
    trial = _forgiven(trial, own, {name: told for name, told in guarded.items() if name not in read.forgiven})
    doubted = read.doubted if "differences" in decision.methods else frozenset()
    derived = {t.name for t in own.targets if t.name in doubted and contained(
        "the derivation", partial(_is_derived, whole, own.user, t, decision.history), False)}  # fmt: skip
    trial = trial.adding(lambda facts: {"derived": facts.name in derived})
    decision.trial = replace(own, added=trial.added)
    if not (trial.wrong and diagnosed) or len(states) < 2 or by_chance:
        return read, other, Diagnosis()
    if early is not None:
        return read, other, replace(early, findings=as_read(early.findings, read))
    program = traced.program if isinstance(traced, Trace) else None
    if small is None and whole.pair is not None and program is not None:
        found = contained("the search at smaller sizes", partial(
            smaller_diagnosis, problem, trial, program, read, states, parameters, seed), None)  # fmt: skip
        if found is not None:
            return read, other, found
    trial, states = _as_guarded(trial, own, guarded, states, parameters)
    case = partial(case_of, problem, trial, program, read, states, parameters, seed, others)
    return read, other, contained("the search for mistakes", lambda: diagnosis_of(case(), seed), Diagnosis())


def _for_these_sizes(traced: Trace, changed: set[int]) -> Trace:
    """A trace at smaller sizes than the user's: a condition on those that were changed says nothing of the user's."""
    return replace(traced, conditions=tuple(
        replace(condition, kind="frozen") if condition.kind in OF_SIZES and (
            not condition.sizes or changed & {*condition.sizes}) else condition
        for condition in traced.conditions
    ))  # fmt: skip


def _once(read: Sequence[Finding], diagnosis: Diagnosis) -> Iterator[Finding]:
    """The findings of the diagnosis, and of the review those that are not told with them."""
    places = {(item.file, item.line) for item in diagnosis.findings}
    if not diagnosis.are_shaped:
        yield from (item for item in read if (item.file, item.line) not in places)
    yield from diagnosis.findings


def _report(
    problem: Problem, decision: Decision, read: Review, other: Elsewhere, diagnosis: Diagnosis,
    faults: Sequence[InternalFault], progress: Progress,
) -> Report:
    """All that was found; lines that are right are read when somebody looks at them."""
    findings = (*decision.findings, *_once(read.findings, diagnosis))
    findings = tuple(sorted(findings, key=lambda item: item.line is None))  # what to write comes before what to know
    places = diagnosis.follows.union((item.file, item.line) for item in findings if item.file and item.line)
    accused = contained("the lines", partial(read.lines, diagnosis.verdict_of, places), ()) if places else ()
    formulas = [formula for item in findings for formula in (item.yours_markup, item.expected_markup)]
    legend = contained("the letters", lambda: read.reads(places).legend(formulas), ()) if any(formulas) else ()
    lines = partial(contained, "the lines", partial(read.lines, diagnosis.verdict_of), ())
    return Report(
        decision.trial.gradients, Deferred(lines), findings, assumptions(problem, decision, other, read, progress),
        Deferred(lambda: read.dimensions), tuple(faults), accused, legend,
    )  # fmt: skip


def _read(
    problem: Problem, trial: Trial, traced: Trace | EinbackpropError | None, states: list[Any], seed: int
) -> tuple[Trial, Review, Elsewhere]:
    """Look at other sizes, and review the code as it was read; the trial with what these add."""
    if problem.pair is None or trial.user.random:
        return trial, Review(), Elsewhere()
    program = traced.program if isinstance(traced, Trace) else None
    other = contained("the check at other sizes", partial(look, problem, trial, program, seed), Elsewhere())
    read = Review(is_cut=True)
    if traced is not None:
        doubted = replace(trial, added=_added(trial, Review(agrees=True), other))
        read = contained("the lines", partial(reviewed, problem, doubted, traced, [*states, *other.states]), read)
        if isinstance(traced, Trace) and traced.by_round is not None and read.note:  # rounds alone may be judged
            rounds = contained(
                "the lines", partial(reviewed, problem, doubted, traced.unrolled, [*states, *other.states]), read)
            read = read if rounds.note else rounds
    return replace(trial, added=_added(trial, read, other)), read, other


def _added(trial: Trial, read: Review, other: Elsewhere) -> dict[str, Added]:
    """What other sizes and reading the code add to the facts of each gradient."""
    changes = [facts.differs.max_error for facts in trial.facts if facts.name in read.forgiven and facts.differs]
    return {
        facts.name: Added(
            elsewhere=other.wrong.get(facts.name, ""), meant=other.certain or read.agrees,
            tied=other.tied.get(facts.name, ""), untried=other.is_cut,
            unread=read.is_cut, guard=read.forgiven.get(facts.name, ""), guard_changes=max(changes, default=0.0),
            proof=read.proofs.grades.get(facts.name),
        )
        for facts in trial.facts
    }  # fmt: skip


def _forgiven(trial: Trial, own: Trial, told: Mapping[str, str]) -> Trial:
    """A trial with what is said of gradients that are right but for guards, and how much these change."""
    changes = [facts.differs.max_error for facts in own.facts if facts.name in told and facts.differs]
    return trial.adding(lambda facts: {"guard": told[facts.name], "guard_changes": max(changes, default=0.0)}
                        if facts.name in told else {})  # fmt: skip


def _as_guarded(
    trial: Trial, own: Trial, guarded: Mapping[str, str], states: list[Any], paths: tuple[Path, ...]
) -> tuple[Trial, list[Any]]:
    """A trial and states at which a mistake is looked for: by the loss without its guards, where what is right is right
    by that one.
    """
    if not guarded:
        return trial, states
    loss, _ = unguarded(trial.user.loss)
    user = replace(trial.user, loss=loss, references=[])
    return replace(_forgiven(trial, own, guarded), user=user), [made_finite(loss, state, paths) for state in states]


def _is_derived(problem: Problem, user: answers.User, target: Target, history: dict[str, History]) -> bool:
    """Whether a gradient is what is derived from the loss as it runs where the two were found to differ."""
    states = [draw.state for draw, outcome in history[target.name] if outcome.found == "differs"]
    if not states or problem.forward is None:
        return False
    try:
        forward = as_loss(problem.forward(states[0]).program)
        places = {problem.place(declared): declared.ref.name for declared in forward.inputs}
        derived = vjp(forward, [places[target.path]])
    except (TraceError, DerivationError):  # what cannot be derived there says nothing
        return False
    expected = np.asarray(interpretation.run(derived, arrays_at(problem, derived, states[0]))[0]).reshape(target.shape)
    yours = user.matched(user.gradients(duplicate(states[0])), states[0]).values[target.name]
    off, scale = np.abs(np.asarray(yours) - expected), np.abs(expected)
    return bool(np.all(off <= 1e-6 * scale + 1e-9 * scale.max(initial=0)))


def reviewed(problem: Problem, trial: Trial, traced: Trace | EinbackpropError, others: Sequence[Any]) -> Review:
    """Review the code, where it can be read; of gradients without a plain verdict nothing is said, unless a guard of
    the loss explains all of those of which the reference is not certain.

    ``others`` are more states, at which it is run as it was read.
    """
    user, state = trial.user, trial.state
    plain = {item.name for item in trial.gradients if item.verdict in ("right", "wrong")}
    unsure = {facts.name for facts in trial.facts if facts.uncertain is not None} - plain
    if user.random or not plain | unsure:
        return Review()
    result = user.gradients(duplicate(state))
    known = user.matched(result, state).values
    paths = {target.name: target.path for target in trial.targets}

    def of(names: set[str], wrong: set[str]) -> Review:
        values = {name: value for name, value in known.items() if name in names}
        tiny = {facts.name for facts in trial.facts if facts.tiny}
        return review(traced, state, values, result, paths, problem.place, wrong, others, tiny)

    wrong = set(trial.wrong)
    found = of(plain | unsure, wrong | unsure) if unsure else Review()
    return found if unsure and unsure <= found.forgiven.keys() else of(plain, wrong) if plain else Review()
