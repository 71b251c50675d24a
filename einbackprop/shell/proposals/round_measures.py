"""What a round of a training loop may descend: the numbers that it makes, and the usual losses of what it computes.

In goes a round that was made a function, called once; out come measures, the likeliest first. A name that is local in
the round is read among what the call gave, ``found['loss']``, and told as the round would write it, ``loss``.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from einbackprop.core.nesting import label, leaves
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python, root_of, substituted

from .arguments import LONGEST, OUTPUT, Resolver, argument_of, free_names, is_data
from .candidates import GRADIENTS, LOSS, TRAINED
from .definitions import Definition
from .flattened import Flat
from .invention import TARGET, Term
from .losses import ERROR, can_compare, is_label, is_number, turned
from .measures import Measure, measures_of, of_label, squares_of, weighed
from .search import Search
from .updates import GRADIENT

OUTPUTS, TARGETS = 12, 4
"""How many arrays of a round are tried as outputs, and for each of them how many as targets."""
WEIGHTS = 4
"""How many arrays are tried as weights of a difference."""
SUMMED = 4
"""How many losses are added to each other in pairs."""


@dataclass(frozen=True)
class RoundMeasures:
    """Lists what a round may descend.

    Attributes
    ----------
    search
    flat
        The round as it stands in the script.
    call
        The call of the function that it was made.
    given
        What is local in it afterwards, by name.
    reached
        What else can be reached afterwards.
    resolver
    """

    search: Search
    flat: Flat
    call: Term
    given: Mapping[str, Any]
    reached: Mapping[str, Any]
    resolver: Resolver

    def all(self) -> Iterator[Measure]:
        yield from self.of_calls()
        yield from self.of_numbers()
        yield from self.of_errors()
        yield from self.of_kept_outputs()
        yield from self.of_outputs()

    def of_calls(self) -> Iterator[Measure]:
        """Calls of loss functions: with what is handed on in the round, with what has the names of their parameters,
        with what else the script has, and as they stand in the round.
        """
        for item in self.search.script.definitions:
            if LOSS.search(item.name) and item.returned and not GRADIENTS.search(item.name):
                yield from self._of_loss_function(item)
        for call in self._calls:  # what gives a number may be a loss whatever it is called
            is_called_so = bool(LOSS.search(callee(call)))
            if is_called_so or any(self.search.script.functions(callee(call))):
                text = ast.unparse(substituted(call, {**self._displays, **self._given_as}))
                if not self._is_local(text) and self._is_number_before(text):
                    is_trained = is_called_so and bool(TRAINED.search(text))
                    yield Measure(text, (text,), named=is_called_so, trained=is_trained, outside=True)

    def _of_loss_function(self, item: Definition) -> Iterator[Measure]:
        needed = [name for name in item.parameters if name not in item.optional]
        are_given = bool(needed) and self.given.keys() >= {*needed}
        if needed and not item.owner and not are_given and self._handed.keys() >= {*needed}:
            told, own = (", ".join(map(ast.unparse, parts)) for parts in (
                [self._handed[name] for name in needed], [self._there(self._handed[name]) for name in needed]))
            yield Measure(f"{item.name}({told})", (f"{item.name}({own})",), named=True)
        owners = [name for name, value in self._known.items() if type(value).__name__ == item.owner]
        if are_given and (owners or not item.owner) and not item.by_name:
            called = f"{owners[0]}.{item.name}" if item.owner else item.name
            there = f"{self._read(called)}({', '.join(ast.unparse(self._there(ast.Name(name))) for name in needed)})"
            yield Measure(f"{called}({', '.join(needed)})", (there,), named=True)
        if not item.owner:
            carried = {name: Term(name) for name in self.flat.carried}
            term = replace(self.resolver, given=carried).call(item)
            if term is not None and {*term.setup} <= {*self.call.setup} and self._is_number_before(term.text):
                is_trained = bool(TRAINED.search(item.name))
                yield Measure(term.text, (term.text,), named=True, trained=is_trained, outside=True)

    def of_numbers(self) -> Iterator[Measure]:
        """The numbers that the round makes, those first that are called a loss, and sums of these; where none is, what
        an object keeps as its loss.
        """
        numbers = [(text, self._is_loss(name)) for name, value in self._made.items()
                   for text in numbers_of(name, value)]  # fmt: skip
        named = [text for text, is_loss in numbers if is_loss]
        if not named:
            yield from self._of_kept_losses()
        for text, is_loss in sorted(numbers, key=lambda one: not one[1]):
            is_trained = is_loss and bool(TRAINED.search(text))
            yield Measure(text, (self._read(text),), named=is_loss, trained=is_trained, compared=(text,))
        for one, other in itertools.combinations(named[:SUMMED], 2):
            yield Measure(f"{one} + {other}", (f"{self._read(one)} + {self._read(other)}",), named=True)

    def _is_loss(self, name: str) -> bool:
        """Whether the name of something that the round makes says that it is a loss; an error may be a difference."""
        is_called_so = LOSS.search(name) or ("err" in name.lower() and is_number(self._made[name]))
        return bool(is_called_so) and name not in self.flat.differences

    def _of_kept_losses(self) -> Iterator[Measure]:
        for name, value in self._objects.items():
            for path, leaf in itertools.islice(leaves(value), LONGEST):
                if any(isinstance(step, str) and LOSS.search(step) for step in (name, *path)):
                    for text in numbers_of(label(name, path), leaf, is_loss=True):
                        word = last_word(text)
                        yield Measure(text, (self._read(text),), named=True, trained=bool(TRAINED.search(word)))
                        if ERROR.fullmatch(word):
                            yield from self._squares(text, leaf)

    def of_errors(self) -> Iterator[Measure]:
        """The squares of what is called an error, or is the difference of two things."""
        for name, value in self._made.items():
            if (ERROR.fullmatch(name) or name in self.flat.differences) and (is_number(value) or is_array(value)):
                yield from self._squares(name, value)

    def _squares(self, text: str, error: Any) -> Iterator[Measure]:
        """The squares of an error as the round would write them, and where they are among what it gave."""
        for told, square in zip(squares_of(text, error), squares_of(self._read(text), error), strict=True):
            yield replace(told, parts=square.parts)

    def of_kept_outputs(self) -> Iterator[Measure]:
        """The usual losses of what objects keep as their output."""
        kept = {label(name, path): leaf for name, value in self._objects.items()
                for path, leaf in itertools.islice(leaves(value), LONGEST) if is_array(leaf)}  # fmt: skip
        for out, value in kept.items():
            for target in (*kept, *self._targets) if OUTPUT.fullmatch(last_word(out)) else ():
                other = kept.get(target, self._data.get(target))
                if TARGET.fullmatch(last_word(target)) and can_compare(value, other):
                    parts = (self._read(out), self._read(target))
                    for told in measures_of(out, target, self.search.numpy):
                        yield replace(told, parts=parts)

    def of_outputs(self) -> Iterator[Measure]:
        """The usual losses of what the round computes: of labels that pick from it, of arrays that fit to it."""
        for out, value in self._outputs:
            own = out if out in self._inline else self._read(out)
            for name in sorted(name for name in self._picking if is_label(value, self._data.get(name))):
                yield replace(of_label(out, name, self.search.numpy), parts=(own, self._read(name)))
            yield from self._against_targets(out, own, value)

    def _against_targets(self, out: str, own: str, value: Any) -> Iterator[Measure]:
        numpy = self.search.numpy
        fits = [(name, way) for name in self._targets if name != out
                and (way := turned(value, self._data[name])) is not None]  # fmt: skip
        # an error is said where one is taken from the other
        errors = {name for name, way in fits
                  if {f"{out} - {name}{way}", f"{name}{way} - {out}"} & self._differences}  # fmt: skip
        fits.sort(key=lambda one: (not names_target(one[0]), one[0] not in errors, one[0] in self._made))
        for name, way in fits[:TARGETS]:
            told = measures_of(out, f"{name}{way}", numpy)
            is_error = name in errors and (names_target(name) or name not in self._made)
            for n, measure in enumerate(measures_of(own, f"{self._read(name)}{way}", numpy)):
                is_trained = n == 0 and is_error
                yield replace(told[n], parts=measure.parts, trained=is_trained, outside=out in self._inline)
            differences = {f"{out} - {name}{way}", f"{name}{way} - {out}"}
            for weight in (one for text in sorted(differences & self._weights.keys()) for one in self._weights[text]):
                parts = own, f"{self._read(name)}{way}", self._read(weight)
                for one in weighed(out, f"{name}{way}", weight, numpy):
                    yield replace(one, parts=parts, outside=out in self._inline)

    # What the round holds, each found once.

    @cached_property
    def _bound(self) -> frozenset[str]:
        """The names that the round binds."""
        return frozenset(self.flat.values) | {
            node.id for node in self.flat.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}

    @cached_property
    def _made(self) -> dict[str, Any]:
        """What the round binds, and what functions of the script leave in globals."""
        left = [name for name in self.search.script.stored if name in self.reached and name not in self.given]
        made = {name: value for name, value in self.given.items() if name in self._bound}
        return {**{name: self.reached[name] for name in left}, **made}

    @cached_property
    def _known(self) -> dict[str, Any]:
        """What is local in the round, before what the script has."""
        return {**self.given, **{name: value for name, value in self.search.names.items() if name not in self.given}}

    @cached_property
    def _data(self) -> dict[str, Any]:
        known = {name: value for name, value in self._known.items() if name in self.given or is_data(value)}
        return {**known, **self._slices}

    @cached_property
    def _slices(self) -> dict[str, Any]:
        """What has no name in the round and calls there are given, ``Y[rows]``, or is taken from something, as in
        ``p - np.eye(3)[y]``.
        """
        taken = [node.right for node in self.flat.nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
                 and isinstance(node.left, ast.Name) and isinstance(node.right, ast.Subscript | ast.Call)]  # fmt: skip
        given = [node for node in self._handed.values() if isinstance(node, ast.Subscript)]
        texts = dict.fromkeys(map(ast.unparse, [*taken[:TARGETS], *given[: 2 * TARGETS]]))
        return {text: value for text in texts if is_array(value := self._value(text))}

    @cached_property
    def _objects(self) -> dict[str, Any]:
        """All objects with attributes that can be reached after the round."""
        return {name: value for name, value in {**self.reached, **self.given}.items() if hasattr(value, "__dict__")}

    @cached_property
    def _targets(self) -> list[str]:
        """What outputs may be compared with, first what is called a target."""
        every = dict.fromkeys((*self.flat.read, *self.given, *self._slices))
        names = [name for name in every if is_array(self._data.get(name))]
        return sorted(names, key=lambda name: not names_target(name))

    @cached_property
    def _outputs(self) -> list[tuple[str, Any]]:
        """Arrays that the round computes, the last of lists of them, and what its calls give and no name holds."""
        ends = {f"{name}[-1]": value[-1] for name, value in self._made.items() if isinstance(value, list) and value}
        made = {**self._made, **ends}
        named = {name: made[name] for name in (*self.flat.values, *made) if is_array(made.get(name))
                 and not GRADIENT.search(name) and root_of(name) not in self.flat.carried}  # fmt: skip
        return [*named.items(), *self._inline.items()][:OUTPUTS]

    @cached_property
    def _inline(self) -> dict[str, Any]:
        """What calls in the round give and no name there holds, ``f(x)`` of ``g(f(x), y)``: an array, or a list's last.
        """
        found: dict[str, Any] = {}
        for call in self._calls:
            text = ast.unparse(call)
            if any(self.search.script.functions(callee(call))) and not self._is_local(text):
                value = self.search.trials(self.call.setup, text)
                if isinstance(value, list | tuple) and value:
                    text, value = f"{text}[-1]", value[-1]
                if is_array(value):
                    found[text] = value
        return found

    @cached_property
    def _calls(self) -> list[ast.Call]:
        return [node for node in self.flat.nodes if isinstance(node, ast.Call)]

    @cached_property
    def _handed(self) -> dict[str, ast.expr]:
        """What calls in the round give the parameters of functions, by the names of these."""
        found: dict[str, ast.expr] = {}
        for call in self._calls:
            for item in self.search.script.functions(callee(call)):
                told = {name: argument_of(call, item, name) for name in item.parameters}
                found |= {name: one for name, one in told.items() if one is not None and name not in found}
        return found

    @cached_property
    def _displays(self) -> dict[str, ast.expr]:
        """The names that the round gives a dict, a list or a tuple, as these are written."""
        kinds = ast.Dict | ast.List | ast.Tuple
        return {node.targets[0].id: node.value for node in self.flat.nodes if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name) and isinstance(node.value, kinds)}  # fmt: skip

    @cached_property
    def _given_as(self) -> dict[str, ast.expr]:
        """What the round is given for the names that it does not bind, where that is something else: ``net`` for
        ``self``.
        """
        call = parse_python(self.call.text, "eval").body
        given = call.args if isinstance(call, ast.Call) else []
        return {name: one for name, one in zip(self.flat.carried, given, strict=False) if ast.unparse(one) != name}

    @cached_property
    def _picking(self) -> set[str]:
        """The expressions that the round uses as an index."""
        return {ast.unparse(node.slice) for node in self.flat.nodes if isinstance(node, ast.Subscript)}

    @cached_property
    def _differences(self) -> set[str]:
        """The differences that the round takes."""
        return {ast.unparse(node) for node in self.flat.nodes
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)}  # fmt: skip

    @cached_property
    def _weights(self) -> dict[str, list[str]]:
        """The arrays that differences are multiplied by, by these; a number weighs all alike."""
        found = {text: [one for one in dict.fromkeys(weights) if np.size(self._value(one)) > 1][:WEIGHTS]
                 for text, weights in self.flat.weights.items()}  # fmt: skip
        return {text: weights for text, weights in found.items() if weights}

    def _value(self, text: str) -> Any:
        """The value of an expression after the round; None where it has none."""
        return self.search.trials(self.call.setup, f"(lambda found: {self._read(text)})({self.call.text})")

    @cached_property
    def _local_reads(self) -> dict[str, ast.expr]:
        """What is read for each local name of the round."""
        return {name: parse_python(among(name), "eval").body for name in self.given}

    def _among(self, node: ast.expr) -> ast.expr:
        """An expression of the round, its local names as they are among what the round gave."""
        return cast(ast.expr, substituted(node, self._local_reads))

    def _read(self, text: str) -> str:
        """A name, or what is read off it, among what the round gave where it is local there."""
        return ast.unparse(self._among(parse_python(text, "eval").body))

    def _there(self, node: ast.expr) -> ast.expr:
        """An expression of the round as a loss there reads it: what the round binds anew, ``params = step(params,
        grads)``, as it was before.
        """
        return cast(ast.expr, substituted(node, {**self._local_reads, **self.anew}))

    @cached_property
    def anew(self) -> dict[str, ast.expr]:
        """What the round binds anew, with how what was before is read: see `steps.BEFORE`."""
        given = {name: ast.unparse(self._given_as.get(name, ast.Name(name))) for name in self.flat.carried}
        return {name: parse_python(f"before[{text!r}]", "eval").body for name, text in given.items()
                if name in self._bound}  # fmt: skip

    def _is_local(self, text: str) -> bool:
        """Whether an expression reads what the round binds, and is not there before it."""
        return bool((self._bound - {*self.flat.carried}) & {*free_names(parse_python(text, "eval").body)})

    def _is_number_before(self, text: str) -> bool:
        return is_number(self.search.trials(self.call.setup, text))


def last_word(text: str) -> str:
    """The last name in an expression: ``output`` of ``net.output``, ``outputs`` of ``net.outputs[2]``."""
    return str(re.findall(r"[^\W\d]\w*", text)[-1])


def among(text: str) -> str:
    """A name of the round, or what is read off it, among what the round gave."""
    root = root_of(text)
    return f"found[{root!r}]{text[len(root):]}"


def numbers_of(name: str, value: Any, *, is_loss: bool = False) -> Iterator[str]:
    """The expressions of the numbers that a value is, or that an array or an object called a loss holds."""
    if is_number(value):
        yield name
    elif (is_loss or LOSS.search(name)) and (isinstance(value, np.ndarray) or hasattr(value, "__dict__")):
        for path, leaf in itertools.islice(leaves(value), OUTPUTS):
            if is_number(leaf):
                yield label(name, path)
            elif is_array(leaf):  # a loss for each sample
                yield from (f"{label(name, path)}.{way}()" for way in ("mean", "sum"))


def names_target(text: str) -> bool:
    """Whether something is called a target, or an array of which it is a part."""
    return bool(TARGET.fullmatch(root_of(text)))


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 0
