"""The question of functions that move what they train: their changes over the rate are the gradients that are asked."""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from einbackprop.core.nesting import leaves
from einbackprop.core.progress import in_time
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee

from ..questions import Question
from .arguments import Resolver, united
from .candidates import NUMERICAL, STARTING, TRAINED
from .definitions import FORWARD, Definition, receiver_in, statements_in
from .function_questions import FunctionSearch
from .invention import TARGET, Term
from .losses import ERROR, is_label, is_number, turned
from .measures import Measure, measures_of, of_label, squares_of, totals_of
from .proposal import NO_LOSS, Proposal
from .rates import rates_in
from .search import NOT_CHECKED
from .steps import Descent, Step, places_of
from .updates import update_of

ROUNDS = re.compile(r"(?:n|num|max|nb|total|no|training)?_?(?:of_)?(?:epochs?|iter(?:ation)?s?|rounds|steps|ite|iters)",
                    re.IGNORECASE)  # fmt: skip
"""What the number of steps is called; one is enough."""
OTHERS = (NUMERICAL, STARTING, re.compile(r"import|download|plot|draw|show|print|save|export|load|accuracy"))
"""What functions are called that neither make a step nor give gradients."""
MOST = 16
"""How many functions are tried."""
SECONDS = 12.0


@dataclass(frozen=True)
class StepSearch(FunctionSearch):
    """Looks for the questions of steps of training."""

    def steps(self, seconds: float = SECONDS) -> tuple[list[Proposal], list[Proposal]]:
        """What the functions ask that make a step each: those first of which most gradients are those of a loss, then
        those of which that is not sure. After so many seconds no further function is tried.
        """
        found: list[tuple[Descent, Proposal]] = []
        begun = time.monotonic()
        for item in self._candidates():
            left = seconds - (time.monotonic() - begun)
            if left < 0:
                break
            ways = itertools.islice(self.resolvers(), 3)  # without other layouts of what is made up
            steps = (one for resolver in ways if (one := self._step(resolver, item)) is not None)
            found += in_time(item.called, partial(first_sure, steps), [], left)
        return apart([one for one in found if one[0].is_sure]), apart([one for one in found if not one[0].is_sure])

    def _candidates(self) -> list[Definition]:
        """Functions that may make a step or give gradients: those first that update something, themselves or by what
        they call; then those that are called in a loop, or are told how many steps to make; of these the ones that
        others call.
        """
        found = [item for item in self.script.definitions
                 if not (item.name.startswith("__") or any(kind.search(item.name) for kind in OTHERS))]
        again = self._called_again
        updating = {item.name for item in self.script.definitions if any(map(update_of, item.statements))}

        def order(item: Definition) -> tuple[bool, bool, int]:
            called = self._called_by(item)
            makes_steps = item.name in again or any(map(ROUNDS.fullmatch, (*item.parameters, *item.reads)))
            return not updating & {item.name, *called}, not makes_steps, sum(other.name in called for other in found)

        return sorted(found, key=order)[:MOST]

    @property
    def _called_again(self) -> set[str]:
        """The names of what is called in loops."""
        repeated = {id(inner) for scope in self.script.scopes for item in scope.statements
                    if isinstance(item, ast.For | ast.While) for inner in statements_in(item.body)}  # fmt: skip
        return {callee(call) for call, statement, _ in self.script.sites if id(statement) in repeated}

    def _step(self, resolver: Resolver, item: Definition) -> tuple[Descent, Proposal] | None:
        """The question of one function, if what it changes follows a loss; after a forward where it needs one."""
        once = {name: Term("1") for name in item.parameters if ROUNDS.fullmatch(name)}
        made = resolver.call(item) if not once else replace(resolver, given=once).call(item)
        if made is None:
            return None
        call = self._once(self._on_named(made, item), item)
        found = self._of_call(resolver, item, call)
        if found is None and (later := self._after_others(resolver, call, item)) is not None:
            found = self._of_call(resolver, item, later)
            if found is not None and found[0].is_held and found[0].agreeing < 2:
                return None  # the backward of a layer alone is no step
        return found

    def _of_call(self, resolver: Resolver, item: Definition, call: Term) -> tuple[Descent, Proposal] | None:
        """The question of one call of a function."""
        state = self.trials.state(call.setup, call.text)
        stored = {name: self.names[name] for name in self.script.stored if name in self.names}
        left = [*places_of({"found": self.trials(call.setup, call.text)}),
                *places_of(self.after(call, {**stored, **state}))]  # fmt: skip
        step = Step(call, {text: text for text in places_of(state)}, self.trials.moved, {text: text for text in left})
        if not (step.changes or step.holders):
            return None
        measures, setup = self._measures(resolver, item, call)
        rates = rates_in(self.source, state, lambda text: self.trials(call.setup, text))
        step, descent = step.best(measures, setup, rates, self.numpy)
        call = step.call
        if descent is None or self._is_chance(descent, item):
            return None
        rate = rates.of(descent)
        question = Question(descent.of, descent.loss.text, step.gradients(descent, rate))
        found = self.proposal(question, united([*setup, *call.setup]), resolver)
        is_known = descent.is_exact and descent.loss.named and rates.closeness(descent) > 1
        beside = step.beside(descent) if descent.is_held else []
        notes = (*said_of(descent, rate, call.text, beside), *found.notes)
        return descent, replace(
            found, expression=call.text, notes=notes, followed=descent.followed if is_known else 0)

    def _is_chance(self, found: Descent, item: Definition) -> bool:
        """Whether one array alone is held that nothing calls a gradient: an error is the gradient of its square."""
        held = list(found.held.values()) if found.is_held else []
        if len(held) != 1:
            return False
        name = re.findall(r"\w+", held[0])[-1]
        if held[0].startswith("found"):  # what the call gives, by what it is called where that is returned
            place = int(name) if name.isdecimal() else 0
            name = item.parts[place] if place < len(item.parts) else ""
            if not name.isidentifier():
                return False
        return not self.script.is_gradient(name)

    def _on_named(self, call: Term, item: Definition) -> Term:
        """The call on an object that has a name: what is made for one call alone shows no change."""
        receiver = receiver_in(call.text) if item.owner else ""
        if "(" not in receiver:
            return call
        name = f"its_{item.owner.lower()}"
        return Term(f"{name}{call.text.removeprefix(receiver)}", (*call.setup, f"{name} = {receiver}"))

    def _after_others(self, resolver: Resolver, call: Term, item: Definition) -> Term | None:
        """The call after those of the methods that leave on its object what it reads there, such as the forward; None
        where there are none.
        """
        receiver = receiver_in(call.text) if item.owner else ""
        terms = [resolver.call(other) for other in self._needed_before(item)] if receiver else []
        before = [one for one in terms if one is not None and receiver_in(one.text) == receiver]
        if not before or len(before) < len(terms):
            return None
        setup = united([*(statement for one in before for statement in one.setup), *call.setup])
        return Term(f"({', '.join([*(one.text for one in before), call.text])})[-1]", setup)

    def _once(self, call: Term, item: Definition) -> Term:
        """The call on an object that is told to make one step."""
        receiver = receiver_in(call.text) if item.owner else ""
        told = [name for name in sorted(item.reads) if ROUNDS.fullmatch(name)] if receiver else []
        counted = [name for name in told if type(self.trials(call.setup, f"{receiver}.{name}")) is int]
        return Term(call.text, united([*call.setup, *(f"{receiver}.{name} = 1" for name in counted)]))

    def _measures(self, resolver: Resolver, item: Definition, call: Term) -> tuple[list[Measure], tuple[str, ...]]:
        """What may be the loss: what the step returns, loss functions, and the usual ones of what may be an output."""
        setup = [*call.setup, *self.numpy_setup]
        result = self.trials(call.setup, call.text)
        found = []
        for one in self._losses(resolver, item):
            setup += one.setup
            is_trained = TRAINED.search(one.text) and any(name in one.text for name in self._called_again)
            found.append(Measure(one.text, (one.text,), named=True, trained=bool(is_trained)))
        found += losses_in(result, call.text, item.parts)
        if isinstance(result, tuple) and len(result) == len(item.parts):
            numbers = {n: item.parts[n] for n, part in enumerate(result) if is_number(part)}
            found += totals_of(numbers, call.text, self.weights(call) if len(numbers) > 1 else {})
        targets = list(self._targets(resolver, item, call))
        for out in self._outputs(resolver, item):
            value = self.trials(united([*out.setup, *call.setup]), out.text)
            for target, given in targets:
                if is_label(value, given):
                    setup += [*out.setup, *target.setup]
                    found.append(of_label(out.text, target.text, self.numpy))
                    continue
                way = turned(value, given)
                if way is not None and target.text != out.text:
                    setup += [*out.setup, *target.setup]
                    found += measures_of(out.text, f"{target.text}{way}", self.numpy)
        return found, united(setup)

    def _targets(self, resolver: Resolver, item: Definition, call: Term) -> Iterator[tuple[Term, Any]]:
        """What outputs may be compared with, and its value: what is called a target first, then what else is given."""
        given = [term for name in sorted(item.parameters, key=lambda name: not TARGET.fullmatch(name))
                 if (term := resolver.parameter(item, name)) is not None]  # fmt: skip
        receiver = receiver_in(call.text) if item.owner else ""
        held = [Term(f"{receiver}.{name}", call.setup) for name in sorted(item.reads)] if receiver else []
        for term in (*given, *held):
            value = self.trials(united([*term.setup, *call.setup]), term.text)
            if (isinstance(value, np.ndarray) and value.size) or type(value) in (int, np.int64):
                yield term, value

    def _outputs(self, resolver: Resolver, item: Definition) -> Iterator[Term]:
        """Calls that may give the output of what a step trains, and that give the same when they are made again."""
        used = self._called_by(item)
        given = {name: term for name in item.parameters if (term := resolver.parameter(item, name)) is not None}
        alike = replace(resolver, given={**given, **resolver.given})  # of the sample that the step sees
        named = [one for one in self.script.definitions if one.returned and one.owner == item.owner
                 and one.node is not item.node and not STARTING.search(one.name)
                 and (FORWARD.search(one.name) or one.name in used or PREDICTS.search(one.name))]  # fmt: skip
        named.sort(key=lambda one: not (FORWARD.search(one.name) or PREDICTS.search(one.name)))
        for one in named[:6]:
            term = alike.call(one) or self._on_data(resolver, one, item)
            value = None if term is None else self.trials(term.setup, term.text)
            if term is None or value is None:
                continue
            parts = list(output_parts(value))
            again = self.trials(term.setup, f"({term.text}, {term.text})[1]")
            if [*map(str, leaves(value))] == [*map(str, leaves(again))]:
                yield from (Term(f"{term.text}{place}", term.setup) for place in parts)


def output_parts(value: Any) -> Iterator[str]:
    """Where an output may stand in what a forward gives: the array, those of several, the last one of a list of layers.

    >>> list(output_parts(([np.ones(2), np.ones(3)], np.ones(3)))), list(output_parts(np.ones(3)))
    (['[0][-1]', '[1]'], [''])
    """
    if isinstance(value, np.ndarray):
        yield ""
    for n, part in enumerate(value) if isinstance(value, tuple | list) else ():
        if isinstance(part, np.ndarray):
            yield f"[{n}]"
        elif isinstance(part, tuple | list) and part and isinstance(part[-1], np.ndarray):
            yield f"[{n}][-1]"


def first_sure(steps: Iterator[tuple[Descent, Proposal]]) -> list[tuple[Descent, Proposal]]:
    """The first step that is sure, else the first one, alone in a list."""
    first: list[tuple[Descent, Proposal]] = []
    for one in steps:
        if one[0].is_sure:
            return [one]
        first = first or [one]
    return first


def apart(found: Sequence[tuple[Descent, Proposal]]) -> list[Proposal]:
    """The proposals of steps that move different arrays; of those that move the same the one that follows most."""
    covered: set[str] = set()
    kept = []
    for descent, proposal in sorted(found, key=lambda one: one[0].agreeing, reverse=True):
        if not covered & {*descent.of}:
            covered |= {*descent.of}
            kept.append(proposal)
    return kept


PREDICTS = re.compile(r"predict|think|activate|query|output|hypothesis|propagat|run$", re.IGNORECASE)
"""What functions are called whose output may be compared with a target."""


def losses_in(result: Any, text: str, names: Sequence[str]) -> list[Measure]:
    """What may be the loss among what a call gives: numbers, and the squares of what is called an error."""
    several = isinstance(result, tuple | list)
    parts = [(f"{text}[{n}]", part) for n, part in enumerate(result)] if several else [(text, result)]
    found = []
    for (where, part), name in zip(parts, [*names, *[""] * len(parts)], strict=False):
        if ERROR.fullmatch(name) and isinstance(part, float | np.floating | np.ndarray):
            found += squares_of(where, part)
        elif is_number(part):
            found.append(Measure(where, (where,), named=True, called=name))
    return found


def said_of(found: Descent, rate: str, call: str, beside: Sequence[str] = ()) -> list[str]:
    """What is to be known of gradients that are what a call changes or leaves, and of what it gives beside them."""
    over = "" if rate == "1" else f", over {rate},"
    said = [] if found.is_held else [
        f"what {call} changes{over} is taken for the {'negative ' if found.ascends else ''}gradients"]  # fmt: skip
    if left := [item.text for item in found.moved if item.text not in found.of]:
        said.append(f"{NOT_CHECKED}: {', '.join(left)}, of which no gradient was found")
    if beside:
        said.append(f"{NOT_CHECKED}: {', '.join(beside)} of what {call} gives, of which it is not known what they are "
                    "gradients of")  # fmt: skip
    is_made = bool(found.loss.formula) or not (found.loss.named or found.loss.text.isidentifier())
    if is_made and found.agreeing:
        said.append(f"{NO_LOSS}: they are those of {found.loss.called or found.loss.text}")
    elif found.loss.formula:
        said.append(f"{NO_LOSS}: {found.loss.text} is assumed, since that difference is taken")
    return said

