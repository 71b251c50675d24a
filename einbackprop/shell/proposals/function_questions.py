"""Questions of a script's functions: a loss and its gradients together, a pair of them, or a layer's two halves."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from einbackprop.checking.functions import without
from einbackprop.core.nesting import label
from einbackprop.core.progress import in_time
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python, root_of

from ..questions import Question
from .arguments import Resolver, arguments_in, united
from .candidates import LOSS, STARTING, TRAINED, gradient_functions, has_loss, layers, loss_functions
from .definitions import FORWARD, Definition, receiver_in, script_of
from .invention import DATA, TARGET, Term
from .layer_questions import of_layer
from .losses import is_enough, is_number, likeliest, place_of_loss, shape_of
from .measures import Measure, measures_of, totals_of
from .proposal import NO_LOSS, Proposal
from .roots import shapes_of
from .search import MADE, Search, paired
from .updates import descends

LEFT_OUT = "nothing was found to check"
WAYS = 3
"""How many ways to find arguments are tried though one has led to a question, if that is not likely."""
SECONDS = 8.0
"""After which no further function is tried."""
UNCHECKED = "no loss and no forward was found: it can be read, not checked"
"""What is said of a backward that stands alone."""

LIKELIEST = 3
"""How many losses are tried right before gradients."""


@dataclass(frozen=True)
class FunctionSearch(Search):
    """Looks for the questions of functions."""

    def all(self) -> list[Proposal]:
        """What every function asks that no other one calls which is asked about, those with a loss first; the last
        one says which functions are not asked about.
        """
        items, inner = self._items()
        items.sort(key=lambda item: item.name in inner)
        covered: set[str] = set()
        found: list[Proposal] = []
        mixed: list[Proposal] = []
        left: list[Definition] = []
        begun = time.monotonic()
        for item in items:
            if item.name in covered and not item.owner:
                continue
            left_over = SECONDS - (time.monotonic() - begun)
            proposal = in_time(item.called, partial(self.of, item), None, left_over) if left_over > 0 else None
            if proposal is not None and self._is_mixed(proposal):
                mixed.append(proposal)
            if proposal is None or self._is_mixed(proposal):
                left.append(item)
                continue
            covered |= self._called_by(item)
            found.append(proposal)
        found = self.without_helpers(found or mixed)
        found.sort(key=lambda proposal: proposal.is_part)
        shared = {name for name in covered if len({one.owner for one in self.script.functions(name)}) > 1}
        missing = [item.called for item in left if (item.name not in covered or item.name in shared)
                   and (item.returned or item.stores)]  # fmt: skip
        if found and missing:
            said = f"{LEFT_OUT} {', '.join(missing)} against, which may give gradients too"
            found[-1] = replace(found[-1], notes=(*found[-1].notes, said))
        return found

    def without_helpers(self, found: Sequence[Proposal]) -> list[Proposal]:
        """Proposals without those that agree in nothing, where others ask of more: what ``loss_derivative(out, y)``
        leaves out its caller may put in; and without layers that the gradients of a loss go through.
        """
        wholes = [one for one in found if one.question is not None and not one.question.forward]
        whole = {name for one in wholes for item in self._functions_of(one) for name in self._called_by(item)}
        used = {callee(call) for call, *_ in self.script.sites}
        unused = {item.owner for item in self.script.definitions} - used - {""}
        found = [one for one in found if one in wholes or one.question is None or one.function not in whole
                 or unused & {*re.findall(r"\w+", one.setup)}]  # fmt: skip
        most = max((len(one.question.wrt) for one in found if one.question), default=0)
        return [one for one in found if not in_time("helpers", partial(self._is_helper, one, most), False)]

    def _functions_of(self, one: Proposal) -> Sequence[Definition]:
        """The functions that the gradients of a proposal call: of the script, or what a round of a loop was made."""
        made = script_of(parse_python(one.source.text)) if one.source is not None else self.script
        texts = [text for text in (one.question.both, one.question.grads) if text] if one.question is not None else []
        calls = (node for text in texts for node in ast.walk(parse_python(text, "eval")) if isinstance(node, ast.Call))
        return [item for name in dict.fromkeys(map(callee, calls))
                for item in [*self.script.functions(name)] or made.functions(name)]  # fmt: skip

    def _is_helper(self, one: Proposal, most: int) -> bool:
        asked = one.question
        if asked is None or not asked.grads or asked.forward or len(asked.wrt) > 1 or most < 2 or one.source:
            return False
        setup = tuple(one.setup.splitlines())
        return not self.agreements(Term(asked.loss, setup), Term(asked.grads, setup), asked.wrt)

    def readings(self) -> list[Proposal]:
        """Functions that give gradients of which nothing is known to check them against: expressions to read."""
        items, inner = self._items()
        found = (self._reading(item) for item in items if item.name not in inner)
        return [proposal for proposal in found if proposal is not None]

    def _items(self) -> tuple[list[Definition], set[str]]:
        """The functions that give gradients, and the names of what others of them call."""
        items = list(gradient_functions(self.script))
        return items, {name for item in items for name in self._called_by(item) if name != item.name}

    def _reading(self, item: Definition) -> Proposal | None:
        for resolver in self.resolvers(inner=True):
            term = self._gradients(resolver, item)
            if term is not None and self.trials(term.setup, term.text) is not None:
                found = self.proposal(Question((), grads=term.text), term.setup, resolver)
                return replace(found, question=None, notes=(*found.notes, UNCHECKED))
        return None

    def of(self, item: Definition) -> Proposal | None:
        """What a function that gives gradients asks: with what the script has first, with invented arguments after."""
        layer = next((layer for layer in layers(self.script) if layer.backward is item), None)
        first: Proposal | None = None
        for n, resolver in enumerate(self.resolvers()):
            if first is not None and n >= WAYS:
                break
            as_layer = of_layer(self, resolver, layer) if layer is not None else None
            found = as_layer or self._both(resolver, item) or self._pair(resolver, item)
            if found is not None and found.is_likely:
                return found
            first = first or found
        return first

    def _is_mixed(self, found: Proposal) -> bool:
        """Whether a question that is not likely is of the script's own arrays and of some that were made: these need
        not fit to each other, and nothing may show it, as of labels for fewer samples than there are scores.
        """
        roots = found.question.wrt if found.question is not None else ()
        is_made = any(MADE in note for note in found.notes) and re.search(r"= .*\brandom\.", found.setup)
        return bool(is_made) and not found.is_likely and any(root_of(root) in self.names for root in roots)

    def _both(self, resolver: Resolver, item: Definition) -> Proposal | None:
        """One function that returns a loss and its gradients; of what an expression gives it where it is that of
        nothing that has a name.
        """
        if not has_loss(self.script, item):
            return None
        term = resolver.call(item)
        found = None if term is None else self._asked(resolver, item, term)
        known, most = self._agreed(found)
        if term is None or known == most:
            return found
        named = self._with_names(term, item)
        other = None if named is None else self._asked(resolver, item, named)
        if other is None or other.question is None:
            return found
        is_open = not known and found is not None and not found.is_likely
        given = {one.text for one in arguments_in(term, self.script).values()}
        inside = found is not None and found.question is not None and not given & {*found.question.wrt}
        is_nearer = is_open and (other.is_likely or (inside and {*other.question.wrt} <= {*item.parameters}))
        return replace(other, is_inner=True) if is_nearer or self._agreed(other)[0] > known else found

    def _with_names(self, call: Term, item: Definition) -> Term | None:
        """A call whose arguments that are made by calls have the names of the parameters; None where there are none."""
        given = {name: one.text for name, one in arguments_in(call, self.script).items() if name not in self.names
                 and isinstance(parse_python(one.text, "eval").body, ast.Call | ast.BinOp)}  # fmt: skip
        text = call.text
        for name, argument in given.items():
            text = text.replace(argument, name) if text.count(argument) == 1 else text
        setup = united([*call.setup, *(f"{name} = {argument}" for name, argument in given.items())])
        return Term(text, setup) if text != call.text else None

    def _asked(self, resolver: Resolver, item: Definition, term: Term) -> Proposal | None:
        """The question of a call that returns a loss and its gradients."""
        result = self.trials(term.setup, term.text)
        if result is None:
            return None
        place = place_of_loss(result, item.parts)
        if place is None:
            return self._of_losses(resolver, item, term, result)
        if (beside := self._left_beside(item, term, place)) is not None:
            both, gradients = beside
            roots, left = self.roots(gradients, (), term, losses=[f"{term.text}[{place}]"])
            return self.proposal(Question(roots, both=both), term.setup, resolver, left=left) if roots else None
        if (picked := self._picked(item, term, result, place)) is not None:
            question, left = picked
            return self.proposal(question, term.setup, resolver, left=left)
        names = [name for n, name in enumerate(self.script.parts_of(item)) if n != place]
        if len(names) == 1 and len(item.inner_parts) == 2:  # of a pair the other one itself is what is compared
            names = list(item.inner_parts[1 - place]) or names
        roots, left = self.roots(without(result, place), names, term, losses=[f"{term.text}[{place}]"])
        own = self._own(item, term, result, place)
        if own is not None and len(own[0].wrt) != len(roots):  # what is no gradient is taken for one
            return self.proposal(own[0], term.setup, resolver, left=own[1])
        if not roots:
            return None
        if (total := self._total(item, term, result, place, roots)) is not None:
            loss, gradients = total
            question = Question(roots, loss=loss.text, grads=gradients)
            found = self.proposal(question, term.setup, resolver, left=left)
            return replace(found, notes=(f"the loss is taken to be {loss.called}", *found.notes))
        return self.proposal(Question(roots, both=term.text), term.setup, resolver, left=left, place=place)

    def _total(
        self, item: Definition, term: Term, result: Any, place: int, roots: Sequence[str]
    ) -> tuple[Measure, str] | None:
        """The sum of numbers that a call gives, and its gradients; None where no more gradients are those of a sum than
        of the number alone.
        """
        names = self.script.parts_of(item)
        numbers = [n for n, (part, name) in enumerate(zip(result, names, strict=False))
                   if is_number(part) and not self.script.is_gradient(name)]  # fmt: skip
        if place not in numbers or len(numbers) < 2 or len(names) != len(result):
            return None
        rest = [n for n in range(len(result)) if n not in numbers]
        if len(rest) > 1 and len(rest) != len(roots):  # one of the numbers has a place
            return None
        gradients = given_by(term, rest)
        alone = self.agreements(Term(f"{term.text}[{place}]"), Term(gradients, term.setup), roots)
        if alone == len(roots):
            return None
        called = {n: names[n] for n in (place, *numbers)}
        sums = list(totals_of(called, term.text, self.weights(term)))
        agreements = self.agreements_of(sums, term.setup, gradients, roots)
        best = max(agreements, default=0)
        return (sums[agreements.index(best)], gradients) if best > alone else None

    def _left_beside(self, item: Definition, term: Term, place: int) -> tuple[str, Any] | None:
        """The loss that a method returns with the gradients that it leaves on its object, as one expression, and these
        gradients; None where what it returns are gradients, or it leaves none.
        """
        stored = self.script.left_by(item) if item.owner else ()
        if not stored or self.script.gradients_in(item):
            return None
        held = held_on(receiver_in(term.text), stored)
        gradients = self.trials(term.setup, f"({term.text}, {held})[1]")
        return f"(lambda found: (found[{place}], {held}))({term.text})", gradients

    def _picked(self, item: Definition, term: Term, result: Any, place: int) -> tuple[Question, list[str]] | None:
        """The question of a call that gives several gradients of which some hold several arrays, among other things,
        ``return loss, (dW, db), h``: those are picked of which it is known what they are of. And the names of the
        others; None of any other call.
        """
        if all(len(shapes_of(value)) < 2 for value in result) or len(item.parts) < 3:
            return None
        found: dict[str, str] = {}
        left = []
        for text, name, value in self._named_parts(item, result, place):
            roots = self.roots((value,), [name], term)[0]
            if len(roots) == 1:
                found.setdefault(roots[0], text)
            else:
                left.append(name)
        texts = list(found.values())
        wholes = (f"found[{n}]" for n, value in enumerate(result) if isinstance(value, list | tuple)
                  and texts == [f"found[{n}][{k}]" for k in range(len(value))])  # fmt: skip
        given = next(wholes, f"[{', '.join(texts)}]")
        both = f"(lambda found: (found[{place}], {given}))({term.text})"
        return (Question(tuple(found), both=both), left) if found else None

    def _named_parts(self, item: Definition, result: Any, place: int) -> Iterator[tuple[str, str, Any]]:
        """What a function calls gradients of what it returns as ``found``, and of the tuples in it: where each stands,
        its name and its value.
        """
        for n, (name, inner, value) in enumerate(zip(item.parts, item.inner_parts, result, strict=False)):
            if n != place and isinstance(value, list | tuple) and len(value) == len(inner):
                named = enumerate(zip(inner, value, strict=True))
                parts = [(f"found[{n}][{k}]", one, part) for k, (one, part) in named]
            else:
                parts = [(f"found[{n}]", name, value)] if n != place else []
            yield from (part for part in parts if self.script.is_gradient(part[1]))

    def _own(self, item: Definition, term: Term, result: Any, place: int) -> tuple[Question, list[str]] | None:
        """The question of a call that gives what is called gradients, and other arrays, such as its output, and the
        gradients that it leaves out; None of any other call.
        """
        names = self.script.parts_of(item)
        if len(names) != len(result):
            return None
        own = [n for n, name in enumerate(names) if n != place and self.script.is_gradient(name)]
        own = sorted({*own, *(n for n, name in enumerate(names) if own and name.startswith(("d_", "grad_")))})
        if not own or not any(np.ndim(result[n]) for n in range(len(result)) if n not in (place, *own)
                              and isinstance(result[n], np.ndarray)):  # fmt: skip
            return None
        roots, left = self.roots(
            tuple(result[n] for n in own), [names[n] for n in own], term, losses=[f"{term.text}[{place}]"])
        given = ", ".join(f"found[{n}]" for n in (place, *own))
        question = Question(roots, both=f"(lambda found: ({given}))({term.text})")
        return (question, left) if len(roots) == len(own) else None

    def _of_losses(self, resolver: Resolver, item: Definition, term: Term, result: Any) -> Proposal | None:
        """The same of a function whose loss is an array, one for each sample or output: the sum of these."""
        values = list(result) if isinstance(result, tuple) and len(result) == len(item.parts) else []
        losses = [n for n, value in enumerate(values) if LOSS.search(item.parts[n]) and isinstance(value, np.ndarray)]
        for n, value in enumerate(values):
            roots, left = self.roots(value, item.inner_parts[n] or [item.parts[n]], term)
            is_named = any(map(self.script.is_gradient, item.inner_parts[n] or [item.parts[n]]))
            if losses and n not in losses and roots and is_named:
                loss = f"{self.numpy}.sum({term.text}[{losses[0]}])"
                question = Question(roots, loss=loss, grads=f"{term.text}[{n}]")
                return self.proposal(question, united([*self.numpy_setup, *term.setup]), resolver, left=left)
        return None

    def _pair(self, resolver: Resolver, item: Definition) -> Proposal | None:
        """Gradients, and a loss of the same arrays."""
        term = self._gradients(resolver, item)
        losses = list(self._losses(resolver, item)) if term is not None else []
        if term is not None and not (item.parameters or item.owner):
            found = self._after(losses, term, resolver)
            if found is not None:
                return found
        result = None if term is None else self.trials(term.setup, term.text)
        if term is None or result is None:
            return None
        names = self.script.parts_of(item) if not isinstance(result, Mapping) else ()
        if not losses:
            return self._usual(resolver, item, term, result)
        reached = replace(term, setup=united([*term.setup, *losses[0].setup]))
        roots, left = self.roots(result, names, reached, losses[0].text, [one.text for one in losses[:3]])
        agreements = [self.agreements(loss, term, roots) for loss in losses]
        if not any(agreements):  # with a mistake in it, one gradient of a list may be right
            alone = [one for loss in losses if (one := self._of_one_sample(loss, term)) is not None]
            if alone := [loss for loss in alone if self.is_multiple(loss, term, roots)]:
                losses, agreements = alone, [self.agreements(loss, term, roots) for loss in alone]
        best = max(agreements)
        if best < len(roots) and not resolver.given and (given := arguments_in(losses[0], self.script)):
            # of other data or settings, or of the same before an update: the gradients are asked for where the loss is
            there = self._pair(replace(resolver, given=given), item)
            if there is not None and (not best or self._agreeing(there) > best):
                return there
        is_meant = any(agreements) or any(
            TRAINED.search(loss.text) and self.is_multiple(loss, term, roots) for loss in losses)
        usual = None if is_meant else self._usual(resolver, item, term, result)
        if usual is not None or not roots:
            return usual
        by_name = isinstance(result, Mapping) or any(map(self.script.is_gradient, names))
        called, others = loss_functions(self.script, item)
        like_loss = any(set(one.parameters) <= set(item.parameters) for one in (called or others)[:1])
        if not by_name and not like_loss:  # the derivative of one function, such as of a sigmoid
            losses = [loss for loss, count in zip(losses, agreements, strict=True) if count]
            agreements = list(filter(None, agreements))
        if not losses:
            return None
        loss = losses[agreements.index(max(agreements))]
        is_data = all(DATA.fullmatch(re.findall(r"\w+", root)[-1]) for root in roots)
        if not any(agreements) and (not self.depends(loss, term, roots) or (is_data and not by_name)):
            return None  # a loss at another place than the gradients, or the derivative of something else
        setup = united([*loss.setup, *term.setup])
        more = {"loss": tuple(other.text for other in losses if other is not loss)}
        return self.proposal(Question(roots, loss=loss.text, grads=term.text), setup, resolver, more, left)

    def _after(self, losses: Sequence[Term], gradients: Term, resolver: Resolver) -> Proposal | None:
        """Gradients of which a function is told nothing, right after the loss that leaves what it reads: the first of
        which some are, else the first that is called so. None without any.
        """
        found: list[tuple[int, Proposal]] = []
        for loss in losses[:LIKELIEST]:
            term = Term(f"({loss.text}, {gradients.text})[1]", united([*loss.setup, *gradients.setup]))
            roots, left = self.roots(self.trials(term.setup, term.text), (), term, loss.text, [loss.text])
            agreements = self.agreements(loss, term, roots) if roots else 0
            if agreements or (roots and TRAINED.search(loss.text)):
                question = Question(roots, loss=loss.text, grads=term.text)
                found.append((agreements, self.proposal(question, term.setup, resolver, left=left)))
        return max(found, default=(0, None), key=lambda one: one[0])[1]

    def _of_one_sample(self, loss: Term, gradients: Term) -> Term | None:
        """A loss of a list of samples as that of the one sample that a call for gradients is given, ``cost([(x, y)])``
        beside ``backprop(x, y)``; None where it takes no such list.
        """
        one, other = (parse_python(term.text, "eval").body for term in (gradients, loss))
        sample, given = ([*map(ast.unparse, node.args)] if isinstance(node, ast.Call) else [] for node in (one, other))
        shapes = [shape_of(self.trials(gradients.setup, text)) for text in sample]
        for text in given:
            samples = self.trials(loss.setup, text)
            first = samples[0] if isinstance(samples, list) and samples else None
            is_alike = isinstance(first, tuple | list) and len(shapes) > 1 and [*map(shape_of, first)] == shapes
            if is_alike and loss.text.count(text) == 1:
                alone = loss.text.replace(text, f"[({', '.join(sample)})]")
                return Term(alone, united([*loss.setup, *gradients.setup]))
        return None

    def _agreed(self, found: Proposal | None) -> tuple[int, int]:
        """How many arrays of a proposal's gradients agree with differences of its loss, and how many there are; what
        holds several is gone through. None of one where there is no proposal, or that of a layer.
        """
        if found is None or found.question is None or found.question.forward:
            return 0, 1
        loss, gradients = self._terms(found)
        apart = [(label(root, at), leaf)
                 for root, part in self._parts(gradients.setup, gradients.text, found.question.wrt)
                 for at, leaf in paired(self.trials(gradients.setup, root), part)]
        return sum(self._agrees(loss.text, loss.setup, held, leaf) for held, leaf in apart), len(apart)

    def _agreeing(self, found: Proposal) -> int:
        """How many gradients of a proposal agree with differences of its loss."""
        assert found.question is not None
        return self.agreements(*self._terms(found), found.question.wrt)

    def _terms(self, found: Proposal) -> tuple[Term, Term]:
        """The loss and the gradients of a proposal."""
        assert found.question is not None
        asked, setup = found.question, tuple(found.setup.splitlines())
        loss, gradients = asked.loss, asked.grads
        if asked.both:
            result = self.trials(setup, asked.both)
            place = next((n for n, part in enumerate(result) if is_number(part)), 0)
            loss = f"({asked.both})[{place}]"
            gradients = given_by(Term(asked.both), [n for n in range(len(result)) if n != place])
        return Term(loss, setup), Term(gradients, setup)

    def _usual(self, resolver: Resolver, item: Definition, term: Term, result: Any) -> Proposal | None:
        """Gradients with one of the usual losses, of a script that has none: the one whose differences agree."""
        wanted = [name for name in item.parameters if TARGET.fullmatch(name)]
        forwards = [one for one in self.script.definitions
                    if FORWARD.search(one.name) and one.owner == item.owner and one.node is not item.node]  # fmt: skip
        # whatever it is called, a method that leaves what the gradients read, and gives something, is a forward
        forwards = forwards or [one for one in (self._needed_before(item) if item.owner else []) if one.returned]
        names = self.script.parts_of(item) if not isinstance(result, Mapping) else ()
        for forward in forwards:
            target = resolver.parameter(item, wanted[0]) if wanted else None
            resolver.invention.only = frozenset((*resolver.invention.used, *item.parameters))
            out = resolver.call(forward) or self._on_data(resolver, forward, item)
            resolver.invention.only = None
            value = None if out is None else self.trials(out.setup, out.text)
            if target is None or out is None or value is None:
                continue
            text = f"{out.text}[0]" if isinstance(value, tuple) else out.text
            setup = united([*self.numpy_setup, *out.setup, *target.setup, *term.setup])
            losses = measures_of(text, target.text, self.numpy)
            roots, left = self.roots(result, names, Term(term.text, setup), losses[0].text)
            agreements = self.agreements_of(losses, setup, term.text, roots) if roots else [0]
            statements = (one for scope in self.script.scopes for one in scope.statements)
            if roots and not any(agreements) and descends(statements):  # the sign may be the mistake
                turned = self.agreements_of(losses, setup, term.text, roots, -1.0)
                agreements = turned if max(turned) == len(roots) else agreements
            if is_enough(max(agreements), len(roots), self.source):
                loss = losses[likeliest(agreements, len(roots))]
                found = self.proposal(Question(roots, loss=loss.text, grads=term.text), setup, resolver, left=left)
                said = f"{NO_LOSS}: the gradients are those of {loss.text}"
                return replace(found, notes=(said, *found.notes))
        return None

    def _on_data(self, resolver: Resolver, forward: Definition, item: Definition) -> Term | None:
        """The call of a forward of one argument, whatever that is called, with the data that a backward gets."""
        data = next((name for name in item.parameters if DATA.fullmatch(name)), None)
        needed = [name for name in forward.parameters if name not in forward.optional]
        term = resolver.parameter(item, data) if data and len(needed) == 1 else None
        receiver = resolver.receiver(forward.owner) if forward.owner else Term("")
        if term is None or receiver is None:
            return None
        callable_text = f"{receiver.text}.{forward.name}" if forward.owner else forward.name
        return Term(f"{callable_text}({term.text})", united([*receiver.setup, *term.setup]))

    def _gradients(self, resolver: Resolver, item: Definition) -> Term | None:
        """The expression of a function's gradients: what it returns, or leaves on its object; after the methods
        that leave there what it reads.
        """
        term = resolver.call(item)
        if term is None:
            return None
        before = [resolver.call(other) for other in self._missing_before(item, term)]
        if any(one is None for one in before):
            return None
        setup = united([*(statement for one in before if one for statement in one.setup), *term.setup])
        texts = [*(one.text for one in before if one), term.text]
        gives_nothing = not item.returned or item.parts in (("None",), ("self",))
        stored = self.script.left_by(item)
        if gives_nothing and item.owner:
            stored = (*stored, *self._left_by_name(item, texts, setup, stored))
        if gives_nothing and stored:
            texts.append(held_on(receiver_in(term.text), stored))
        return Term(texts[0] if len(texts) == 1 else f"({', '.join(texts)})[-1]", setup)

    def _left_by_name(
        self, item: Definition, texts: Sequence[str], setup: Sequence[str], known: Sequence[str]
    ) -> Iterator[str]:  # fmt: skip
        """The gradients that a method leaves on its object under names that it puts together, as ``getattr(self, "d" +
        name)[...] += …`` does: what has the name and the shape of one of another array there.
        """
        inner = [other for other in self.script.methods(item.owner) if other.name in item.calls]
        if not any({"getattr", "setattr"} & one.calls for one in (item, *inner)):
            return
        held = self.trials(tuple(setup), f"({', '.join(texts)}, vars({receiver_in(texts[-1])}))[-1]")
        arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray)} if (
            isinstance(held, dict)) else {}  # fmt: skip
        for name, value in arrays.items():
            stem = self.script.stem_of(name, tuple(arrays))
            if name not in known and stem is not None and np.shape(arrays[stem]) == np.shape(value):
                yield name

    def _missing_before(self, item: Definition, call: Term) -> list[Definition]:
        """The methods that leave on an object what a method reads there, without those that its call makes itself, for
        what it is given.
        """
        if not item.owner:
            return []
        names = {callee(node) for node in ast.walk(parse_python(call.text, "eval")) if isinstance(node, ast.Call)}
        made = [one for name in names - {item.name} for one in self.script.functions(name)]
        done = {one.name for one in made}.union(*(self._called_by(one) for one in made))
        return [one for one in self._needed_before(item) if one.name not in done]

    def _needed_before(self, item: Definition) -> list[Definition]:
        """The methods that leave on an object what a method reads there, but for its start."""
        methods = self.script.methods(item.owner)
        begun = {name for one in methods if one.name == "__init__" for name in one.calls}
        start = {name for one in methods if one.name == "__init__" for name in one.stores}
        inner = [other for other in methods if other.name in item.calls]
        own = {name for one in (item, *inner) for name in one.stores}
        missing = {name for one in (item, *inner) for name in one.reads} - own - {one.name for one in methods}
        found = []
        for other in methods:
            helps = set(other.stores) & missing
            fits = FORWARD.search(other.name) or not (helps <= start)
            starts = other.name in begun or STARTING.search(other.name)
            goes_back = other.node is item.node or item.name in other.calls or (
                not FORWARD.search(other.name) and any(map(self.script.is_gradient, other.stores)))
            if helps and fits and not starts and not goes_back:
                found.append(other)
        called = {name for one in found for name in one.calls}
        return [one for one in found if one.name not in called]

    def _losses(self, resolver: Resolver, item: Definition) -> Iterator[Term]:
        """The losses that can be had, the likeliest first; of functions that are called otherwise where none that is
        called a loss gives a number.
        """
        called, others = loss_functions(self.script, item)
        yield from list(self._numbers(resolver, item, called)) or self._numbers(resolver, item, others)

    def _numbers(self, resolver: Resolver, item: Definition, functions: Sequence[Definition]) -> Iterator[Term]:
        """Calls of functions that give numbers, alone or first."""
        known = frozenset((*resolver.invention.used, *item.parameters))
        for other in functions:
            resolver.invention.only = known
            term = resolver.call(other)
            resolver.invention.only = None
            value = None if term is None else self.trials(term.setup, term.text)
            if term is None or value is None:
                continue
            # of an array, or a list of outputs, the first entry is no loss, nor is a forward's output of one number
            called = other.parts[0] if other.parts else ""
            is_output = bool(FORWARD.search(other.name)) and called.isidentifier() and not LOSS.search(called)
            is_first = isinstance(value, tuple | list) and not is_output
            for text in (term.text, f"{term.text}[0]") if is_first else (term.text,):
                if is_number(self.trials(term.setup, text)):
                    calls = [resolver.call(one) for one in self._missing_before(other, term)]
                    if all(calls) and calls:
                        texts = ", ".join([*(one.text for one in calls if one), text])
                        text = f"({texts})[-1]"
                    yield Term(text, united([*(s for one in calls if one for s in one.setup), *term.setup]))
                    break

    def _called_by(self, item: Definition) -> set[str]:
        """The names of all functions that a function calls, itself or through others."""
        found: set[str] = set()
        left = [item]
        while left:
            for name in left.pop().calls - found:
                found.add(name)
                left += self.script.functions(name)
        return found


def given_by(term: Term, places: Sequence[int]) -> str:
    """The expression of some of what a call gives: one of these, or a list."""
    found = ", ".join(f"found[{n}]" for n in places)
    return f"(lambda found: {found if len(places) == 1 else f'[{found}]'})({term.text})"


def held_on(receiver: str, stored: Sequence[str]) -> str:
    """The expression of the gradients that a method left on its object: one of them, or a dict by their names."""
    held = ", ".join(f"{name!r}: {receiver}.{name}" for name in stored)
    return f"{receiver}.{stored[0]}" if len(stored) == 1 else f"{{{held}}}"
