"""The question of a round of a training loop: what it changes over the rate are the gradients of a loss."""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np

from einbackprop.core.nesting import label, leaves
from einbackprop.core.progress import in_time
from einbackprop.core.source import callee, parse_python, substituted
from einbackprop.errors import ScriptError

from ..questions import Question
from .arguments import LONGEST, OUTPUT, Resolver, argument_of, free_names, is_data
from .candidates import GRADIENTS, LOSS, NUMERICAL, TRAINED, TRAINING
from .definitions import FORWARD, Script, own_nodes, statements_in
from .flat_questions import Again, called, note_of
from .flattened import Flat, as_function, loops_around, rounds
from .invention import TARGET, Term
from .losses import ERROR, can_compare, is_label, is_number, turned
from .measures import Measure, measures_of, of_label, squares_of
from .proposal import Proposal
from .rates import Rates, rates_in
from .search import Search
from .step_questions import said_of
from .steps import Descent, Step, places_of
from .trials import Trials
from .updates import GRADIENT, update_of

MOST = 12
"""How many loops of a script are tried, how many arrays of a round as outputs."""
SECONDS = 8.0
"""After which no further loop is tried."""
EVALUATIONS = 30
"""How often a round is run at least, to see what it descends."""
PRODUCTS = frozenset(("dot", "matmul", "einsum", "outer", "multiply"))
OTHERS = (NUMERICAL, FORWARD, GRADIENTS, LOSS, re.compile(r"sample$|build|load|predict|plot|accuracy|make|create|init"))
"""What functions are called whose loops train nothing."""


def of_rounds(
    script: Script, source: str, again: Again, *, is_sure: bool = False, is_whole: bool = False
) -> Iterator[Proposal]:  # fmt: skip
    """What is asked by the loop whose round moves most of what it changes along the gradient of a loss; where it has to
    be sure, at least half of that, and perhaps the whole.

    Rounds that both compute something and update something, themselves or by what they call, are tried first, of these
    inner ones, and then those that take less time: one that makes many steps follows no gradient, and takes longest.
    """
    name, tree = "step" if "step" not in script.words else "one_step", parse_python(source)
    possible = [one for one in rounds(script) if changes_something(one, tree)]
    updaters = updaters_of(script)
    ranks = {id(one): len({*parts_of(one.body, script, updaters)}) for one in possible}
    found: dict[int, tuple[RoundSearch, Descent, str]] = {}
    with ExitStack() as stack:
        for rank in (2, 1, 0):
            flats = [one for one in possible if ranks[id(one)] == rank]
            begun = time.monotonic()
            timed = list(_timed(flats, script, source, again, stack, name))
            for seconds, search in sorted(timed, key=lambda one: (around(one[1].flat, flats), one[0])):
                left = SECONDS - (time.monotonic() - begun)
                if left < 0 or (found and seconds * EVALUATIONS > SECONDS):
                    break
                step, descent = in_time("a round", search.best, (None, None), left)
                if step is None or descent is None or (is_whole and descent.agreeing < len(descent.of)):
                    continue
                if descent.is_sure or not is_sure:
                    place = possible.index(search.flat)
                    found[place] = replace(search, call=step.call), descent, search.rates.of(descent)
    if found:  # of those that say as much the innermost, then the first in the script, however long each took
        def depth(flat: Flat) -> int:
            return -1 if flat.loop is None else len(loops_around(flat.loop, tree))

        search, descent, rate = max((found[n] for n in sorted(found)), key=lambda one: (
            one[1].agreeing, one[1].loss.named, depth(one[0].flat)))  # fmt: skip
        given = descent.held.values() if descent.is_held else descent.of
        first = "None" if descent.loss.outside else descent.loss.text
        text = as_function(source, search.flat, name, ", ".join([first, *given]))
        yield replace(search.proposal(descent, rate), source=text)


def around(flat: Flat, flats: Sequence[Flat]) -> int:
    """How many of some rounds stand in one."""
    last = max(item.end_lineno or item.lineno for item in flat.body)
    return sum(flat.body[0].lineno <= one.loop.lineno <= last for one in flats if one.loop is not None)


def updaters_of(script: Script) -> set[str]:
    """The names of the functions that update something, themselves or by what they call."""
    found = {item.name for item in script.definitions if any(map(update_of, item.statements))}
    while more := {item.name for item in script.definitions if item.calls & found} - found:
        found |= more
    return found


def parts_of(body: Sequence[ast.stmt], script: Script, updaters: Collection[str]) -> Iterator[str]:
    """What of a step of training stands in a round: products, or calls of the script's functions; updates, or calls of
    functions with such.
    """
    for statement in statements_in(body):
        if update_of(statement):
            yield "an update"
        for node in own_nodes(statement):
            called = callee(node) if isinstance(node, ast.Call) else ""
            if called in PRODUCTS or any(script.functions(called)) or (
                    isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)):
                yield "an update" if called in updaters else "a product"


def _timed(
    flats: Sequence[Flat], script: Script, source: str, again: Again, stack: ExitStack, name: str
) -> Iterator[tuple[float, RoundSearch]]:
    """Rounds that may train something, each with the seconds that it takes; their names live on the stack."""
    begun = time.monotonic()
    for flat in flats[:MOST]:
        if time.monotonic() - begun > SECONDS:
            return
        text = as_function(source, flat, name, "dict(locals())")
        with suppress(ScriptError):
            names, _ = stack.enter_context(again(text))
            start = time.monotonic()
            search = in_time("a round", partial(RoundSearch.of, script, text.text, names, flat, name), None)
            if search is not None:
                yield time.monotonic() - start, search


def changes_something(flat: Flat, tree: ast.Module) -> bool:
    """Whether a round may train something: where it stands, and that it calls or assigns."""
    function = flat.scope.function
    if function is not None and not TRAINING.search(function.name):
        if NUMERICAL.search(function.name):  # differences move what they are taken of, too
            return False
        updates = any(map(update_of, statements_in(flat.body)))
        if not updates and any(kind.search(function.name) for kind in OTHERS):
            return False
    around = loops_around(flat.loop, tree) if flat.loop is not None and function is None else []
    if len(around) > 1 and any(isinstance(one, ast.While) for one in around):
        return False  # nothing would end the outer one
    kinds = ast.AugAssign | ast.Assign | ast.Expr
    return any(isinstance(item, kinds) for item in statements_in(flat.body))


@dataclass(frozen=True)
class RoundSearch:
    """Looks for the question of a round that was made a function; ``call`` gives what is local in it, by name."""

    search: Search
    flat: Flat
    call: Term
    given: dict[str, Any]
    resolver: Resolver

    @classmethod
    def of(cls, script: Script, text: str, names: dict[str, Any], flat: Flat, name: str) -> RoundSearch | None:
        """With the call of the function; None where it cannot be called. In the script all of its calls still stand."""
        search = Search(script, names, Trials(names), text)
        for resolver in search.resolvers():
            made = called(flat, name, resolver)
            given = None if made is None else search.trials(made[0].setup, made[0].text)
            if made is not None and isinstance(given, dict):  # a function with ``yield`` gives a generator
                return cls(search, flat, made[0], given, resolver)
        return None

    @property
    def state(self) -> dict[str, Any]:
        """What the round can reach: of one inside a function, all that this function can, as it was made there."""
        makers = [line.partition(" = ")[2] for line in self.call.setup[-1:]] if self.flat.scope.function else []
        return self.search.trials.state(self.call.setup, self.call.text, *makers)

    def step(self) -> Step:
        """The round as a step, of what it is given under its own names and of what else it can reach."""
        carried = self.given.keys() & {*self.flat.carried}
        places = {text: among(text) if root_of(text) in carried else text for text in places_of(self.state)}
        local = {name: value for name, value in self.given.items() if name not in self.search.names}
        left = {text: text for text in places_of(self.search.after(self.call, self.state))}
        left |= {text: among(text) for text in places_of(local)}
        return Step(self.call, places, self.search.trials.moved, left, has_losses=True)

    def best(self) -> tuple[Step, Descent | None]:
        """What the round descends, and the round as a step; see `Step.best`."""
        step = self.step()
        measures = list(self._measures()) if step.changes or step.holders else []
        return step.best(measures, (), self.rates, self.search.numpy) if measures else (step, None)

    @cached_property
    def rates(self) -> Rates:
        """What may be the rate, what is local in the round as the number that it is."""
        local = {name: repr(value) for name, value in self.given.items() if type(value) in (int, float)}
        found = rates_in(self.search.source, self.state, lambda text: self.search.trials(
            self.call.setup, local.get(text, text)))  # fmt: skip
        return Rates([(local.get(text, text), value) for text, value in found.called], found.others)

    def _measures(self) -> Iterator[Measure]:
        """The numbers that a round makes, those first that are called a loss, and their sums; the usual losses."""
        yield from self._of_loss_functions()
        made = {name: value for name, value in self.given.items() if name in self._bound}
        numbers = [(text, bool(LOSS.search(name)) and name not in self.flat.differences)
                   for name, value in made.items() for text in numbers_of(name, value)]
        named = [text for text, is_loss in numbers if is_loss]
        held = {**self.search.after(self.call, self.state), **self.given}
        for name, value in held.items() if not named else ():  # an object keeps its loss
            for path, leaf in itertools.islice(leaves(value), LONGEST) if hasattr(value, "__dict__") else ():
                if any(isinstance(step, str) and LOSS.search(step) for step in (name, *path)):
                    for text in numbers_of(label(name, path), leaf, is_loss=True):
                        there = among(text) if name in self.given else text
                        yield Measure(text, (there,), named=True, trained=bool(TRAINED.search(last_word(text))))
                        if ERROR.fullmatch(last_word(text)):
                            yield from squares_among(text, there, leaf)
        for text, is_loss in sorted(numbers, key=lambda one: not one[1]):
            is_trained = is_loss and bool(TRAINED.search(text))
            yield Measure(text, (among(text),), named=is_loss, trained=is_trained, compared=(text,))
        for one, other in itertools.combinations(named[:4], 2):
            yield Measure(f"{one} + {other}", (f"{among(one)} + {among(other)}",), named=True)
        numpy = self.search.numpy
        for name in [name for name, value in made.items() if is_number(value) or is_array(value)]:
            if ERROR.fullmatch(name):
                yield from squares_among(name, among(name), made[name])
        known = {**{key: value for key, value in self.search.names.items() if is_data(value)}, **self.given}
        targets = [name for name in dict.fromkeys((*self.flat.read, *self.given)) if is_array(known.get(name))]
        targets.sort(key=lambda name: not TARGET.fullmatch(name))
        ends = {f"{name}[-1]": value[-1] for name, value in made.items() if isinstance(value, list) and value}
        made |= ends  # of a list of all layers the last is the output
        outs = [name for name in dict.fromkeys((*self.flat.values, *made)) if is_array(made.get(name))
                and not GRADIENT.search(name) and root_of(name) not in self.flat.carried]  # fmt: skip
        inline = dict(self._inline())
        made |= inline
        outs += inline
        shown = {label(name, path): leaf for name, value in held.items() if hasattr(value, "__dict__")
                 for path, leaf in itertools.islice(leaves(value), LONGEST) if is_array(leaf)}  # fmt: skip
        for out, value in shown.items():  # what objects keep
            for target in (*shown, *targets) if OUTPUT.fullmatch(last_word(out)) else ():
                kept = shown.get(target, known.get(target))
                if TARGET.fullmatch(last_word(target)) and can_compare(value, kept):
                    told = measures_of(out, target, numpy)
                    own = [among(text) if root_of(text) in self.given else text for text in (out, target)]
                    yield from (replace(one, parts=tuple(own)) for one in told)
        picked = {ast.unparse(node.slice) for item in self.flat.body for node in ast.walk(item)
                  if isinstance(node, ast.Subscript)}  # fmt: skip
        for out in outs[:MOST]:
            own_out = out if out in inline else among(out)
            for label_name in sorted(name for name in picked if is_label(made[out], known.get(name))):
                parts = own_out, among(label_name) if label_name in self.given else label_name
                yield replace(of_label(out, label_name, numpy), parts=parts)
            fits = [(name, way) for name in targets if name != out
                    and (way := turned(made[out], known[name])) is not None]  # fmt: skip
            # an error is said where one is taken from the other
            errs = {name for name, way in fits
                    if {f"{out} - {name}{way}", f"{name}{way} - {out}"} & self._differences}  # fmt: skip
            fits.sort(key=lambda one: (not TARGET.fullmatch(one[0]), one[0] not in errs, one[0] in made))
            for name, way in fits[:4]:
                target = f"{name}{way}"
                read = f"{among(name) if name in self.given else name}{way}"
                told = measures_of(out, target, numpy)  # as the round would write it
                is_error = name in errs and (bool(TARGET.fullmatch(name)) or name not in made)
                for n, measure in enumerate(measures_of(own_out, read, numpy)):
                    is_trained = n == 0 and is_error
                    yield replace(told[n], parts=measure.parts, trained=is_trained, outside=out in inline)

    def _of_loss_functions(self) -> Iterator[Measure]:
        """Calls of loss functions: of what the round is given, ``loss(W, X)``, perhaps with ``W`` in a new dict, and of
        what is local in it under the names of its parameters, ``self.loss(y, output)``.
        """
        given = {name: Term(name) for name in self.flat.carried}
        known = {**self.search.names, **self.given}
        handed = self._handed()
        for item in self.search.script.definitions:
            if not LOSS.search(item.name) or not item.returned or GRADIENTS.search(item.name):
                continue
            needed = [name for name in item.parameters if name not in item.optional]
            if needed and not item.owner and handed.keys() >= {*needed} and not self.given.keys() >= {*needed}:
                told, own = (", ".join(ast.unparse(one) for one in parts) for parts in (
                    [handed[name] for name in needed], [self._among(handed[name]) for name in needed]))  # fmt: skip
                yield Measure(f"{item.name}({told})", (f"{item.name}({own})",), named=True)
            owners = [name for name in (*self.given, *known) if type(known[name]).__name__ == item.owner]
            if needed and self.given.keys() >= {*needed} and (owners or not item.owner) and not item.by_name:
                called, own = item.name, item.name
                if item.owner:
                    called = f"{owners[0]}.{item.name}"
                    own = among(called) if owners[0] in self.given else called
                there = f"{own}({', '.join(map(among, needed))})"
                yield Measure(f"{called}({', '.join(needed)})", (there,), named=True)
            if not item.owner:
                term = replace(self.resolver, given=given).call(item)
                if term is not None and {*term.setup} <= {*self.call.setup} and is_number(
                        self.search.trials(self.call.setup, term.text)):
                    is_trained = bool(TRAINED.search(item.name))
                    yield Measure(term.text, (term.text,), named=True, trained=is_trained, outside=True)
        nodes = [node for item in self.flat.body for node in ast.walk(item)]
        displays = {node.targets[0].id: node.value for node in nodes if isinstance(node, ast.Assign) and isinstance(
            node.targets[0], ast.Name) and isinstance(node.value, ast.Dict | ast.List | ast.Tuple)}  # fmt: skip
        for node in nodes:
            if not isinstance(node, ast.Call) or not LOSS.search(callee(node)):
                continue
            text = ast.unparse(substituted(node, displays))
            local = self._bound - {*self.flat.carried}
            if not local & {*free_names(parse_python(text, "eval").body)} and is_number(
                    self.search.trials(self.call.setup, text)):
                yield Measure(text, (text,), named=True, trained=bool(TRAINED.search(text)), outside=True)

    def _handed(self) -> dict[str, ast.expr]:
        """What calls in the round give the parameters of functions, by the names of these."""
        found: dict[str, ast.expr] = {}
        for node in (node for item in self.flat.body for node in ast.walk(item) if isinstance(node, ast.Call)):
            for item in self.search.script.functions(callee(node)):
                told = {name: argument_of(node, item, name) for name in item.parameters}
                found |= {name: one for name, one in told.items() if one is not None and name not in found}
        return found

    def _among(self, node: ast.expr) -> ast.expr:
        """An expression of the round, its local names as they are among what the round gave."""
        local = {name: parse_python(among(name), "eval").body for name in self.given}
        return cast(ast.expr, substituted(node, local))

    def _inline(self) -> Iterator[tuple[str, Any]]:
        """What calls in the round give and no name there holds, ``f(x)`` of ``g(f(x), y)``: an array, or a list's last.
        """
        local = self._bound - {*self.flat.carried}
        for node in (node for item in self.flat.body for node in ast.walk(item)):
            if isinstance(node, ast.Call) and any(self.search.script.functions(callee(node))) and not local & {
                    *free_names(node)}:  # fmt: skip
                text = ast.unparse(node)
                value = self.search.trials(self.call.setup, text)
                if isinstance(value, list | tuple) and value:
                    text, value = f"{text}[-1]", value[-1]
                if is_array(value):
                    yield text, value

    @property
    def _differences(self) -> set[str]:
        """The differences that the round takes."""
        return {ast.unparse(node) for item in self.flat.body for node in ast.walk(item)
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)}  # fmt: skip

    @property
    def _bound(self) -> frozenset[str]:
        """The names that the round binds."""
        return frozenset(self.flat.values) | {
            node.id for item in self.flat.body for node in ast.walk(item)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}  # fmt: skip

    def proposal(self, descent: Descent, rate: str) -> Proposal:
        """The question of the function, which returns the loss and what it has changed."""
        step = Step(self.call, {}, self.search.trials.moved)
        # in one expression, so that both are of the same run where that draws random numbers
        gradients = step.gradients(descent, rate, "found[1:]", "olds")
        olds = ", ".join(f"{item.text} + 0" for item in descent.moved)
        both = f"(lambda olds, found: (found[0], {gradients}))([{olds}], {self.call.text})"
        question = Question(descent.of, both=self.call.text if descent.is_held else both)
        if descent.loss.outside:
            apart = f"{self.call.text}[1:]" if descent.is_held else step.gradients(
                descent, rate, f"{self.call.text}[1:]")  # fmt: skip
            question = Question(descent.of, descent.loss.text, apart)
        said = said_of(descent, rate, "it")
        return Proposal(question, self.call.text, "\n".join(self.call.setup), notes=(note_of(self.flat), *said))


def squares_among(text: str, own: str, error: Any) -> Iterator[Measure]:
    """The squares of an error, as a round would write them, and where it is among what the round gave."""
    for told, square in zip(squares_of(text, error), squares_of(own, error), strict=True):
        yield replace(told, parts=square.parts)


def last_word(text: str) -> str:
    """The last name in an expression: ``output`` of ``net.output``, ``outputs`` of ``net.outputs[2]``."""
    return str(re.findall(r"[^\W\d]\w*", text)[-1])


def root_of(text: str) -> str:
    """The first name in an expression: ``net`` of ``net.layers[0].W``."""
    return str(re.split(r"[.\[]", text, maxsplit=1)[0])


def among(text: str) -> str:
    """A name of the round, or what is read off it, among what the round gave."""
    root = root_of(text)
    return f"found[{root!r}]{text[len(root):]}"


def numbers_of(name: str, value: Any, *, is_loss: bool = False) -> Iterator[str]:
    """The expressions of the numbers that a value is, or that an array or an object called a loss holds."""
    if is_number(value):
        yield name
    elif (is_loss or LOSS.search(name)) and (isinstance(value, np.ndarray) or hasattr(value, "__dict__")):
        for path, leaf in itertools.islice(leaves(value), MOST):
            if is_number(leaf):
                yield label(name, path)
            elif is_array(leaf):  # a loss for each sample
                yield from (f"{label(name, path)}.{way}()" for way in ("mean", "sum"))


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 0
