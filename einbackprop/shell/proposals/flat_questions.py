"""The question of gradients that are made outside of functions, or in one that does all."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from einbackprop.checking.naming import path_of
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python
from einbackprop.errors import ScriptError

from ..questions import Question
from .arguments import Resolver, is_data
from .candidates import GRADIENTS, LOSS, TRAINED
from .definitions import Script, receiver_in, receiver_of, script_of
from .flattened import Flat, Rewriting, as_function
from .function_questions import FunctionSearch
from .invention import TARGET, Term
from .losses import can_compare, is_enough, is_number, likeliest, shape_of, usual_losses
from .measures import measures_of
from .proposal import NO_LOSS, Proposal
from .search import NOT_CHECKED, Search
from .trials import Trials
from .updates import GRADIENT

Again = Callable[[Rewriting], AbstractContextManager[tuple[dict[str, Any], tuple[BaseException, ...]]]]
"""Runs another text in the place of a script, as the script was run: gives its names, and the errors at which it
stopped.
"""


def of_flat_parts(script: Script, flats: Sequence[Flat], source: str, again: Again) -> Iterator[Proposal]:
    """What is asked by gradients that are made outside of functions, or in one that does all: by the first such part,
    and by later ones with gradients of more.
    """
    name = "step" if "step" not in script.words else "one_step"
    asked: set[str] = set()
    for flat in flats:
        loss, said = None, ""
        of = {one.of for one in flat.gradients}
        if of <= asked:
            continue
        with suppress(ScriptError):
            text = as_function(source, flat, name, "dict(locals())")
            with again(text) as (names, _):
                found = FlatSearch.of(script, text.text, names, flat, name)
                loss, said = found.loss() if found is not None else (None, "")
        if loss is not None:
            text = as_function(source, flat, name, loss)
            with again(text) as (names, _):
                found = FlatSearch.of(script, text.text, names, flat, name)
                proposal = found and found.proposal(said)
            if proposal:
                asked |= of
                yield replace(proposal, source=text)


def of_updating_backwards(
    flats: Sequence[Flat], source: str, again: Again
) -> tuple[list[Proposal], list[Proposal]]:
    """What is asked by backwards that update their weights themselves: they return gradients in the place of that.

    Those of which a gradient is a multiple of that of the loss, and those that may have been given another loss.
    """
    text = Rewriting(source)
    made_over: list[Flat] = []
    for flat in flats:
        if flat.is_whole and GRADIENTS.search(flat.scope.function.name if flat.scope.function else ""):
            moved = {one.of for one in flat.gradients}
            returned = "" if {one.strip() for one in flat.returned.strip("()").split(",")} <= moved else flat.returned
            made = as_function(text.text, flat, "", returned)
            text = Rewriting(made.text, text.added | made.added)
            made_over.append(flat)
    found: tuple[list[Proposal], list[Proposal]] = ([], [])
    if text.added:
        with suppress(ScriptError), again(text) as (names, _):
            script = script_of(parse_python(text.text))
            search = FunctionSearch(script, names, Trials(names), text.text)
            rewritten = {flat.scope.function.name for flat in made_over if flat.scope.function}
            for proposal in search.all():
                if relies_on(proposal, rewritten, script):
                    continue
                note = "what is updated is returned in the place of that"
                found[not proposal.is_likely].append(
                    replace(proposal, source=text, notes=(note, *proposal.notes)))
    return found


def relies_on(proposal: Proposal, rewritten: set[str], script: Script) -> bool:
    """Whether a question is of none of some functions, but of one that calls them: it needs what they no longer do."""
    asked = called_in(parse_python(proposal.expression, "eval"))
    reached, waiting = set(asked), list(asked)
    while waiting:
        for function in script.functions(waiting.pop()):
            new = called_in(function.node) - reached
            reached |= new
            waiting += new
    return not asked & rewritten and bool(reached & rewritten)


def called_in(node: ast.AST) -> set[str]:
    """The names of all that is called in some code."""
    return {callee(one) for one in ast.walk(node) if isinstance(one, ast.Call)}


@dataclass(frozen=True)
class FlatSearch:
    """Looks for the question of a flat part that was made a function."""

    search: Search
    flat: Flat
    call: Term
    roots: tuple[str, ...]

    @classmethod
    def of(cls, script: Script, text: str, names: dict[str, Any], flat: Flat, name: str) -> FlatSearch | None:
        """With the call of the function; None where it cannot be called. In the script all of its calls still stand."""
        search = Search(script, names, Trials(names), text)
        for resolver in search.resolvers():
            made = called(flat, name, resolver)
            if made is None:
                continue
            call, roots = made
            result = search.trials(call.setup, call.text)
            at = [search.trials(call.setup, root) for root in roots]
            if not isinstance(result, tuple) or len(result) != len(roots) + 1:
                continue
            if any(type(value) is int and shape_of(given) for value, given in zip(at, result[1:], strict=True)):
                continue  # the state h has a gradient dh, the number H of its units has none
            fits = [value is not None and shape_of(value) == shape_of(given)
                    for value, given in zip(at, result[1:], strict=True)]  # fmt: skip
            if 2 * sum(fits) >= len(fits):  # of others a shape is wrong
                return cls(search, flat, call, roots)
        return None

    def loss(self) -> tuple[str | None, str]:
        """The expression of the loss among the names that the function binds, and what is to be said of it."""
        text = self.call.text
        values = self.search.trials(self.call.setup, f"{text}[0]")
        named = [name for name in self.flat.losses if is_number(values.get(name))]
        gradients = Term(f"{text}[1] if len({text}) == 2 else {text}[1:]", self.call.setup)
        terms = [Term(f"{text}[0][{name!r}]", self.call.setup) for name in named]
        counts = [self.search.agreements(term, gradients, self.roots) for term in terms]
        if any(counts):
            return named[counts.index(max(counts))], ""
        for name, term in zip(named, terms, strict=True):
            if TRAINED.search(name) and self.search.is_multiple(term, gradients, self.roots):
                return name, ""
        usual, said = self._of_usual_losses(text, values, gradients)
        return (usual, said) if usual is not None or not named else (named[0], "")

    def _of_usual_losses(self, text: str, values: dict[str, Any], gradients: Term) -> tuple[str | None, str]:
        """One of the usual losses of what the function binds, if it agrees with enough gradients."""
        known = {**{key: value for key, value in self.search.names.items() if is_data(value)}, **values}
        arrays = [name for name in (*self.flat.read, *known)
                  if isinstance(known.get(name), np.ndarray | np.number | float)]  # fmt: skip
        beside = [name for name in self.flat.read if name in arrays and name not in {*self.flat.arguments, *values}]
        compared = [name for name in self.flat.differences.values() if name in arrays]
        targets = [name for name in dict.fromkeys(arrays) if TARGET.fullmatch(name)] or [*compared, *beside]
        found: list[tuple[int, str]] = []
        for target in targets[:2]:
            held = f"{text}[0][{target!r}]" if target in values else target
            for out in (name for name in self.flat.values if not (LOSS.search(name) or GRADIENT.search(name))):
                is_value = isinstance(values.get(out), np.ndarray | np.floating)
                if is_value and can_compare(values[out], known[target]):
                    found.append(self._usual(out, target, held, gradients))
        agreements, chosen = max(found, key=lambda one: one[0], default=(0, ""))
        if not is_enough(agreements, len(self.roots), self.search.source):
            return None, ""
        return chosen, f"{NO_LOSS}: the gradients are those of {chosen}"

    def _usual(self, out: str, target: str, held: str, gradients: Term) -> tuple[int, str]:
        """The usual loss of an output and a target that agrees with the most gradients, and with how many."""
        numpy = self.search.numpy
        tried = measures_of(f"{self.call.text}[0][{out!r}]", held, numpy)
        agreements = self.search.agreements_of(tried, self.call.setup, gradients.text, self.roots)
        return max(agreements), usual_losses(out, target, numpy)[likeliest(agreements, len(self.roots))]

    def proposal(self, said: str) -> Proposal:
        """The question of the function, which returns its loss and the gradients."""
        question = Question(self.roots, both=self.call.text)
        left = [text for text in self.flat.updated if isinstance(self.search.names.get(text), np.ndarray)]
        beside = f"{NOT_CHECKED}: {', '.join(left)}, of which no gradient was found" if left else ""
        notes = tuple(filter(None, (note_of(self.flat), said, beside)))
        return Proposal(question, question.both, "\n".join(self.call.setup), notes=notes)


def note_of(flat: Flat) -> str:
    """What is said of a part that is taken as a function."""
    first = flat.loop.lineno if flat.loop else flat.body[0].lineno
    lines = f"lines {first} to {max(item.end_lineno or item.lineno for item in flat.body)}"
    return f"one round of the loop in {lines} is taken as a function" if flat.loop else (
        f"{lines} are taken as a function")


def called(flat: Flat, name: str, resolver: Resolver) -> tuple[Term, tuple[str, ...]] | None:
    """The call of a flat part that was made a function, and what its gradients are of; None where it has no call."""
    function, of = flat.scope.function, [one.of for one in flat.gradients]
    if function is None:
        return Term(f"{name}({', '.join(flat.arguments)})"), tuple(of)
    made = resolver.call(function)
    if made is None:
        return None
    receiver = receiver_in(made.text)
    own = receiver_of(function) if function.owner else ""
    held = tuple(re.sub(rf"^{own}\.", f"{receiver}.", text) if own else text for text in of)
    if not all(map(path_of, held)):  # ``P[i]`` is no place where i is not known
        return None
    if flat.is_whole:
        terms = [resolver.parameter(function, text) if text in function.parameters else Term(text) for text in held]
        return (made, tuple(term.text for term in terms if term)) if all(terms) else None
    arguments = [receiver if own and text == own else text for text in flat.arguments]
    setup = (*made.setup, f"{', '.join([name, *arguments])} = {made.text}")
    return Term(f"{name}({', '.join(arguments)})", setup), held
