"""The question of gradients that are made outside of functions, or in one that does all."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from einbackprop.core.source import parse_python

from ..questions import Question
from .arguments import is_data
from .definitions import Definition, Script, receiver_of, script_of
from .flattened import Flat, Rewriting, as_function, flat_parts
from .invention import TARGET, Term, numpy_in
from .losses import is_enough, is_number, likeliest, usual_losses
from .proposal import Proposal
from .search import Search
from .trials import Trials

Again = Callable[[Rewriting], AbstractContextManager[dict[str, Any]]]
"""Runs another text in the place of a script, as the script was run."""


def of_flat_parts(script: Script, tree: ast.Module, source: str, again: Again) -> Iterator[Proposal]:
    """What is asked by gradients that are made outside of functions, or in one that does all."""
    name = "step" if "step" not in script.words else "one_step"
    for flat in flat_parts(script, tree):
        with_values = as_function(source, flat, name, "dict(locals())")
        loss, said = None, ""
        with again(with_values) as names:
            found = FlatSearch.of(with_values.text, names, flat, name)
            if found is not None:
                loss, said = found.loss()
        if loss is None:
            continue
        text = as_function(source, flat, name, loss)
        with again(text) as names:
            found = FlatSearch.of(text.text, names, flat, name)
            proposal = found and found.proposal(said)
        if proposal:
            yield replace(proposal, source=text)
            return


@dataclass(frozen=True)
class FlatSearch:
    """Looks for the question of a flat part that was made a function."""

    search: Search
    flat: Flat
    call: Term
    roots: tuple[str, ...]

    @classmethod
    def of(cls, text: str, names: dict[str, Any], flat: Flat, name: str) -> FlatSearch | None:
        """With the call of the function; None where it cannot be called."""
        script = script_of(parse_python(text))
        search = Search(script, names, Trials(names), text)
        for resolver in search.resolvers():
            setup: tuple[str, ...] = ()
            receiver = ""
            if flat.scope.function is not None:
                outer = next(item for item in script.functions(flat.scope.function.name)
                             if item.owner == flat.scope.function.owner)  # fmt: skip
                made = resolver.call(outer)
                if made is None:
                    continue
                receiver = made.text.rpartition(f".{outer.name}(")[0]
                targets = ", ".join([name, *(receiver_text(text, outer, receiver) for text in flat.arguments)])
                setup = (*made.setup, f"{targets} = {made.text}")
            own = receiver_of(flat.scope.function) if flat.scope.function and flat.scope.function.owner else ""
            function = flat.scope.function
            given = [receiver_text(text, function, receiver) if function else text for text in flat.arguments]
            call = Term(f"{name}({', '.join(given)})", setup)
            of = [one.of for one in flat.gradients]
            roots = tuple(re.sub(rf"^{own}\.", f"{receiver}.", text) if own else text for text in of)
            result = search.trials(call.setup, call.text)
            at = [search.trials(call.setup, root) for root in roots]
            if isinstance(result, tuple) and len(result) == len(roots) + 1 and all(
                    np.shape(value) == np.shape(given) and value is not None
                    for value, given in zip(at, result[1:], strict=True)):  # fmt: skip
                return cls(search, flat, call, roots)
        return None

    def loss(self) -> tuple[str | None, str]:
        """The expression of the loss among the names that the function binds, and what is to be said of it."""
        text = self.call.text
        values = self.search.trials(self.call.setup, f"{text}[0]")
        named = [name for name in self.flat.losses if is_number(values.get(name))]
        gradients = Term(f"{text}[1] if len({text}) == 2 else {text}[1:]", self.call.setup)
        if named:
            terms = [Term(f"{text}[0][{name!r}]", self.call.setup) for name in named]
            return named[terms.index(self.search.agreeing(terms, gradients, self.roots))], ""
        known = {**{key: value for key, value in self.search.names.items() if is_data(value)}, **values}
        arrays = [name for name in (*self.flat.read, *known) if isinstance(known.get(name), np.ndarray)]
        beside = [name for name in self.flat.read if name in arrays and name not in {*self.flat.arguments, *values}]
        targets = [name for name in dict.fromkeys(arrays) if TARGET.fullmatch(name)] or beside
        found: list[tuple[int, str]] = []
        for target in targets[:2]:
            held = f"{text}[0][{target!r}]" if target in values else target
            for out in self.flat.values:
                if isinstance(values.get(out), np.ndarray) and np.shape(values[out])[:1] == known[target].shape[:1]:
                    found.append(self._usual(out, target, held, gradients))
        agreements, chosen = max(found, key=lambda one: one[0], default=(0, ""))
        if not is_enough(agreements, len(self.roots), self.search.source):
            return None, ""
        return chosen, f"the script has no loss: its gradients are those of {chosen}"

    def _usual(self, out: str, target: str, held: str, gradients: Term) -> tuple[int, str]:
        """The usual loss of an output and a target that agrees with the most gradients, and with how many."""
        numpy = numpy_in(self.search.names) or "np"
        tried = usual_losses(f"{self.call.text}[0][{out!r}]", held, numpy)
        agreements = [self.search.agreements(Term(one, self.call.setup), gradients, self.roots) for one in tried]
        return max(agreements), usual_losses(out, target, numpy)[likeliest(agreements, len(self.roots))]

    def proposal(self, said: str) -> Proposal:
        """The question of the function, which returns its loss and the gradients."""
        question = Question(self.roots, both=self.call.text)
        first = self.flat.loop.lineno if self.flat.loop else self.flat.body[0].lineno
        last = max(item.end_lineno or item.lineno for item in self.flat.body)
        lines = f"lines {first} to {last}"
        note = f"one round of the loop in {lines} is taken as a function" if self.flat.loop else (
            f"{lines} are taken as a function")
        return Proposal(question, question.both, "\n".join(self.call.setup), notes=(note, said) if said else (note,))


def receiver_text(text: str, function: Definition, receiver: str) -> str:
    """An argument as the script names it: the object of a method by its own name."""
    return receiver if function.owner and text == receiver_of(function) else text
