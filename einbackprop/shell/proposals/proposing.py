"""Proposes what a script asks: by its functions, else by what it does outside of them."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from einbackprop.core.progress import in_time, limited
from einbackprop.core.source import parse_python, root_of
from einbackprop.errors import ScriptError

from ..questions import Question
from .arguments import free_names
from .call_questions import as_inner, of_calls
from .candidates import gradient_functions
from .definitions import Script, imported_in, script_of
from .flat_questions import Again, of_flat_parts, of_updating_backwards
from .flattened import Flat, Rewriting, flat_parts
from .function_questions import LEFT_OUT, FunctionSearch
from .losses import is_number
from .mending import mended, stopped_in
from .opening import opened, with_guards_open
from .proposal import Proposal
from .roots import MEASURED, stands_in
from .round_questions import Rounds
from .search import NOT_CHECKED
from .step_questions import StepSearch
from .steps import STEP
from .trials import Trials
from .updates import update_of

SECONDS = 30.0
"""After which what was found has to do."""
GUARD = 4.0
"""After which what stands under a main guard is left: that it stops with an error shows sooner."""
BEFORE = 4.0
"""After which steps are left whose data are made up, where they are looked for again among the script's own."""
MOST = 3
"""How many errors of functions are looked at."""
LONGEST = 250
"""How many characters of expressions somebody reads."""
NOTHING = "no function that gives gradients was found: give --loss and --grads, or --both, or --forward and --backward"


def propose(
    names: dict[str, Any], source: str, again: Again | None = None, errors: tuple[BaseException, ...] = ()
) -> Proposal:
    """What a script asks first; a proposal without a question where nothing is found.

    Parameters
    ----------
    names
        Those of the script after it ran.
    source
        Its text.
    again
        Runs another text in the script's place; None leaves out what stands in no function.
    errors
        Those at which it stopped, where it was run on all the same.
    """
    found = next(iter(proposals_of(names, source, again, errors)), None)
    return found or Proposal(notes=(NOTHING,))


def proposals_of(
    names: dict[str, Any], source: str, again: Again | None = None, errors: tuple[BaseException, ...] = ()
) -> list[Proposal]:
    """All that a script asks, a proposal for each function that gives gradients, the likeliest first.

    A function that another one calls which is asked about already is left out. Parameters are those of `propose`.
    """
    with limited(SECONDS):
        source = source.expandtabs()  # what is put in is indented by spaces
        if again is None:
            return _found(names, source, None, Trials(names))
        trials = Trials(names)
        found = of_mended(source, again, errors) or _found(names, source, again, trials)
        is_doubtful = is_partial(found) or any(OPENED in one.notes or not one.is_likely for one in found)
        found = (of_guard(source, again) if is_doubtful else []) or found
        return of_raising_functions(source, again, trials, found) if is_partial(found) else found


def _found(names: dict[str, Any], source: str, again: Again | None, trials: Trials) -> list[Proposal]:
    tree = parse_python(source)
    script = script_of(tree, list(imported_in(names, tree)))
    flats = list(flat_parts(script, tree)) if again is not None else []
    rounds = Rounds(script, source, again) if again is not None else None
    found, unsure = in_time("backwards", partial(of_updating_backwards, flats, source, again), (
        list[Proposal](), list[Proposal]())) if again is not None else ([], [])  # fmt: skip
    search = StepSearch(script, names, trials, source)
    found = found or [as_inner(one, script) for one in search.all()]
    found, beside = apart(found, search) if again is not None else (found, [])
    if found and rounds is not None and not any(one.is_likely for one in found):
        found = of_other_losses(search, rounds, found)
    left_out = is_partial(found) or any(map(leaves_out, found))
    called, doubtful = of_calls(script, source, again) if (left_out or is_long(found)) and again is not None else (
        [], [])  # fmt: skip
    called, more = apart(called, search)
    unsure = [*beside, *more, *doubtful, *unsure]
    lacking = {one.function for one in found if leaves_out(one)} - {""}
    called += [one for one in doubtful if one.function in lacking]
    if left_out and not all(one.is_part for one in called):  # what a call asks of as a whole leaves nothing out
        known = {one.function for one in called}
        found = [one for one in found if one.function not in known or not leaves_out(one)]
        return without_parts(search.without_helpers(united(called, found)))
    if is_partial(found):
        will_run = again is not None and opened(source) is not None  # and then there are data for them
        steps, less_sure = search.steps(*[BEFORE] * will_run)
        steps = [as_inner(one, script) for one in steps]
        steps, more = apart(steps, search) if again is not None else (steps, [])
        found, unsure = united(steps, found), [*more, *less_sure, *unsure]
    named, others = ([flat for flat in flats if flat.is_named is kind] for kind in (True, False))
    if is_partial(found) and again is not None:
        found = united(of_statements(script, named, source, again), found)
    if is_partial(found) and again is not None and rounds is not None:
        found = united(of_opened(source, again) or list(rounds.of()), found)
    if is_partial(found) and again is not None:
        called, doubtful = of_calls(script, source, again, of_module=True)
        found, unsure = united(called, found), [*unsure, *doubtful]
    if is_partial(found) and again is not None:  # a mistake in an update itself would be in no line of the script
        found = united(of_statements(script, others, source, again), found)
    if again is not None and rounds is not None and has_no_loss(found, search):
        written = [] if found else [one for one in rounds.of(is_sure=True) if not one.assumes_loss]
        found = written or of_seeded(rounds) or found
    if found and all(one.is_part for one in found):  # with a mistake in it, a whole network is more than a layer of it
        found = united([one for one in unsure if one.followed > 1], found)
    if is_long(found) and rounds is not None:
        found = shorter(found, itertools.chain(called, rounds.of(is_sure=True)))
    return without_parts(search.without_helpers(found or unsure))


def leaves_out(one: Proposal) -> bool:
    """Whether a question says that some gradients are not checked."""
    return any(note.startswith(NOT_CHECKED) for note in one.notes)


def of_other_losses(search: StepSearch, rounds: Rounds, found: list[Proposal]) -> list[Proposal]:
    """What a round of a loop asks of as much, if half of it agrees, in the place of gradients that agree with no loss
    and read what theirs does not: it may be of other samples. So it is where their loss reads what is computed of what
    they are of: ``x = simulate(p)`` before ``cost(p, x)``.
    """
    asked = found[0].question
    if asked is None or not (asked.loss and asked.grads):
        return found
    read, other = ({*free_names(parse_python(text, "eval").body)} for text in (asked.grads, asked.loss))
    roots = {root_of(text) for text in asked.wrt}
    of_roots = {node.id for scope in search.script.scopes for statement in scope.statements
                if isinstance(statement, ast.Assign) and roots & {*free_names(statement.value)}
                for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}  # fmt: skip
    is_computed = bool(other & of_roots - roots)
    if read <= other | roots | {item.name for item in search.script.definitions} and not is_computed:
        return found
    arrays = search.ones_at(found[0].setup.splitlines(), asked.wrt)
    as_much = [one for one in rounds.of(is_sure=True)
               if one.question is not None and len(one.question.wrt) >= len(arrays)]  # fmt: skip
    return as_much or found


def apart(found: Sequence[Proposal], search: StepSearch) -> tuple[list[Proposal], list[Proposal]]:
    """Proposals, and those that ask of other things than the script trains, as far as the names of attributes tell: of
    the input of its loss, where it updates ``self.W`` elsewhere. They say so.
    """
    statements = [item for scope in search.script.scopes for item in scope.statements]
    statements += [item for one in search.script.definitions for item in one.statements]  # of other files too
    trained = {gradient.of.rpartition(".")[2] for gradient in filter(None, map(update_of, statements))
               if re.fullmatch(r"(?:\w+\.)+\w+", gradient.of)}  # fmt: skip

    def is_beside(one: Proposal) -> bool:
        asked = one.question
        if asked is None or asked.forward or len(trained) < 2:
            return False
        places = [*asked.wrt, *search.ones_at(one.setup.splitlines(), asked.wrt)]
        return not trained & {word for text in places for word in re.findall(r"\w+", text)}

    beside = [one for one in found if is_beside(one)]
    note = f"{LEFT_OUT} {', '.join(sorted(trained))} against, which the script trains"
    return [one for one in found if one not in beside], [replace(one, notes=(*one.notes, note)) for one in beside]


def of_statements(script: Script, flats: Sequence[Flat], source: str, again: Again) -> list[Proposal]:
    """What gradients ask that are made outside of functions, as far as there is time."""
    return in_time("statements", lambda: list(of_flat_parts(script, flats, source, again)), list[Proposal]())


def of_seeded(rounds: Rounds) -> list[Proposal]:
    """What is asked of the backward from where it begins, perhaps by what stands under the main guard."""
    found = list(rounds.seeded())
    if found or (text := opened(rounds.source)) is None:
        return found
    return list(Rounds(script_of(parse_python(text.whole)), text.whole, rounds.again).seeded())


def has_no_loss(found: Sequence[Proposal], search: StepSearch) -> bool:
    """Whether nothing is asked, or by a loss that is none: one that stands nowhere and that no gradient follows, or
    that does not rise along anything, as a count of what is right does not.
    """
    if not found or any(one.is_likely for one in found):
        return not found
    asked, setup = found[0].question, tuple(found[0].setup.splitlines())
    if asked is None or not asked.loss:
        return found[0].assumes_loss and found[0].source is not None
    sides = ({held: sign * STEP * ones for held, ones in search.ones_at(setup, asked.wrt).items()} for sign in (1, -1))
    first, second = (search.trials.moved(setup, side, asked.loss) for side in sides)
    return is_number(first) and is_number(second) and bool(first == second)


def is_long(found: Sequence[Proposal]) -> bool:
    """Whether nobody would read what the first proposal asks, as where a loop gives a call parts of parts of data."""
    asked = found[0].question if found else None
    return asked is not None and found[0].source is None and len(asked.loss + asked.grads + asked.both) > LONGEST


def shorter(found: Sequence[Proposal], others: Iterable[Proposal]) -> list[Proposal]:
    """The same proposals, but for the first of them the first of others, calls and rounds of loops, that asks of as
    much, by a loss that is written.
    """
    asked = found[0].question
    fitting = (one for one in others if asked and one.question and len(one.question.wrt) >= len(asked.wrt)
               and (found[0].assumes_loss or not one.assumes_loss))  # fmt: skip
    return [next(fitting, found[0]), *found[1:]]


def without_parts(found: Sequence[Proposal]) -> list[Proposal]:
    """Proposals without those that ask of nothing but a part of what another one asks of as a whole, without layers of
    one of whose arrays a loss asks, and without those of nothing but measurements.
    """
    wholes = [{*one.question.wrt} for one in found if one.question and not one.question.forward]

    def is_part(asked: Question | None) -> bool:
        if asked is None:
            return False
        own = [text for text in asked.wrt if not text.isidentifier()]  # each function has an x of its own
        if asked.forward:
            return any(stands_in(one, root) or stands_in(root, one)
                       for whole in wholes for one in whole for root in own)  # fmt: skip
        return len(own) == len(asked.wrt) and any(whole > {*own} for whole in wholes)

    return [one for one in found if not is_part(one.question) and not is_of_measurements(one)]


def is_of_measurements(found: Proposal) -> bool:
    """Whether a question is of nothing but what a model is compared with: what is called a gradient is that of a
    residual, which has the shape of these.
    """
    asked = found.question.wrt if found.question is not None and not found.question.forward else ()
    return bool(asked) and all(map(MEASURED.fullmatch, asked))  # ``W.data`` is something else


def of_mended(
    source: str, again: Again, errors: Sequence[BaseException], known: Sequence[Question | None] = (),
    most: int = MOST, *, under_guard: bool = False,
) -> list[Proposal]:  # fmt: skip
    """What is asked by a script that stops with an error, perhaps under its main guard: what it asks where that
    statement is written so that it goes on, and so are up to so many others at which it stops then; nothing where all
    of that is known.
    """
    for error in errors:
        for n, one in enumerate(mended(source, error)):
            with suppress(ScriptError), again(Rewriting(one.text)) as (names, more):
                more = errors_under_guard(one.text, again) if under_guard else more
                asks = partial(_found, names, one.text, again, Trials(names))
                asked: list[Proposal] = []
                if more and n == 0 and most > 0:
                    later = partial(of_mended, one.text, again, more[:1], known, most - 1, under_guard=under_guard)
                    asked = in_time("a script that goes on", later, asked)
                if not asked and (under_guard or not more):  # what stands under the guard is opened as far as it trains
                    asked = in_time("a script that goes on", asks, asked)
                if any(proposal.question not in known for proposal in asked):
                    return [one.taken_back(proposal) for proposal in asked]
    return []


def of_raising_functions(source: str, again: Again, trials: Trials, found: list[Proposal]) -> list[Proposal]:
    """With what functions ask that give gradients and are left out since they raise whenever they are called."""
    asked = " ".join(text for one in found if (of := one.question) for text in (of.both, of.grads, of.backward))
    left = {item.name for item in gradient_functions(script_of(parse_python(source))) if item.name not in asked}
    errors = [error for error in trials.raised.values() if stopped_in(error) in left]
    known = [one.question for one in found]
    mended_ones = partial(of_mended, source, again, errors[:MOST], known)
    more = in_time("functions that stop", mended_ones, list[Proposal](), GUARD)
    return [*more, *(one for one in found if one.question not in [other.question for other in more])]


def of_guard(source: str, again: Again) -> list[Proposal]:
    """What is asked by a script that stops with an error under its main guard."""
    has_guard = with_guards_open(source).strip() != source.strip()
    return of_mended(source, again, errors_under_guard(source, again), under_guard=True) if has_guard else []


def errors_under_guard(source: str, again: Again) -> tuple[BaseException, ...]:
    """The errors with which a script stops that runs what stands under its main guard too."""
    def stops() -> tuple[BaseException, ...]:
        with suppress(ScriptError), again(Rewriting(with_guards_open(source))) as (_, errors):
            return errors
        return ()

    return in_time("the main guard", stops, (), GUARD)


def of_opened(source: str, again: Again) -> list[Proposal]:
    """What is asked by what a script does under its guard and in functions that it calls once."""
    text = opened(source)
    if text is None:
        return []
    tree = parse_python(text.whole)
    script = script_of(tree)
    found: list[Proposal] = []
    with suppress(ScriptError), again(text.run) as (names, _):
        script = script_of(tree, list(imported_in(names, tree)))
        search = StepSearch(script, names, Trials(names), text.whole)
        found, _ = apart([as_inner(one, script) for one in search.all()], search)
        if is_partial(found):
            found, _ = search.steps()
            found, _ = apart([as_inner(one, script) for one in found], search)
    is_whole = any(one.is_likely and not one.is_part for one in found)
    rounds = [] if is_whole else list(Rounds(script, text.whole, again).of())
    if not found or any(one.is_likely for one in rounds):
        return rounds
    return [replace(proposal, source=text.run, notes=(OPENED, *proposal.notes)) for proposal in found]


OPENED = "what stands under the main guard, and in functions that are called once, was run up to where it trains"


def united(more: Sequence[Proposal], found: Sequence[Proposal]) -> list[Proposal]:
    """More proposals before others, of those that ask of the same the others, else those that ask of more."""
    new = [one for one in more if not any(asks_of_all(other, one) for other in found)]
    kept = [one for one in found if not any(asks_of_all(other, one) for other in new)]
    if any(not one.is_part for one in new):  # what single functions leave out it may ask of
        kept = [replace(one, notes=tuple(note for note in one.notes if not note.startswith(LEFT_OUT)))
                if one.is_inner else one for one in kept]  # fmt: skip
    return [*new, *kept]


def asks_of_all(one: Proposal, other: Proposal) -> bool:
    """Whether a proposal asks of all arrays that another one asks of, neither of them of a layer alone."""
    mine, others = one.question, other.question
    if mine is None or others is None or mine.forward or others.forward:
        return False
    return all(any(stands_in(text, root) for root in mine.wrt)
               for text in others.wrt)  # fmt: skip


def is_partial(found: Sequence[Proposal]) -> bool:
    """Whether proposals ask of single layers alone, or leave something out: then what trains may ask more."""
    notes = [note for one in found for note in one.notes]
    return all(one.is_part for one in found) or any(
        note.startswith(LEFT_OUT) for note in notes)  # fmt: skip


def readings_of(names: dict[str, Any], source: str) -> list[Proposal]:
    """What can be read at least where nothing can be checked: proposals without a question, for functions that give
    gradients and are called with arrays that are made up. Parameters are those of `propose`.
    """
    tree = parse_python(source)
    script = script_of(tree, list(imported_in(names, tree)))
    return FunctionSearch(script, names, Trials(names), source).readings()
