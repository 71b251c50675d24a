"""What a function of a script can be called with: an expression for each parameter, among the script's names.

A value comes from where people leave it: a global of that name, the calls that the script itself makes (at its top,
under its main guard, or inside a function such as ``train``), a default, another function that returns something of
that name (``return A2, cache``), or, where there is none, from the shapes that comments give (`invention`).
"""

from __future__ import annotations

import ast
import builtins
import itertools
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from einbackprop.core.nesting import Attribute, label, leaves
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python, substituted
from einbackprop.world.ownership import is_users_class

from .candidates import STARTING, TRAINING
from .definitions import Definition, Scope, Script, own_nodes, receiver_of
from .first_items import first_item, part_of
from .invention import COUNT, DATA, PENALTY, TARGET, Invention, Term, keys_read, numpy_in, unpacked

PARAMETERS = re.compile(r"params?|parameters?|weights?|theta|p|w|W|model|net\w*")
MEANINGS = (DATA, TARGET, PARAMETERS)
DEEPEST = 24
"""How many names may be looked up on the way to one value."""
MOST = 400
"""How many names are looked up for one value, one after the other."""
CONSUMED = frozenset(("generator", "islice", "chain", "cycle", "count", "repeat"))
"""Iterators that give something else each time that they are asked, as ``range(9)`` does not."""
LONGEST = 1000
"""How many leaves of a value are looked at."""
MAKES = re.compile(r"init|random|randn|rand\b|zeros|ones|empty|load|make|create|build|generate|get_|layer_sizes|rng|"
                   r"\.(?:normal|uniform|integers)$")
"""What calls are called that make arrays of sizes, not of arrays: what they give is where a gradient can be taken."""
GIVES = re.compile(rf"{MAKES.pattern}|batch|toy|(?:^|_)(?:data|(?:train|test|data)_?set|examples?|samples)$")
"""What functions are called that make data as well."""
BEGINS = re.compile(r"param|weight|new|start|setup", re.IGNORECASE)
"""What calls are called that make all weights of a network."""
PREDICTION = re.compile(r"[yt]_?(hat|pred|out|prob)s?|pred(iction)?s?|out(put)?s?|probs?|scores|logits|AL")
"""What people call the output of a forward."""
OUTPUT = re.compile(rf"{PREDICTION.pattern}|[aA]\d?|[ph]|act")
"""The same, and what they call that of each layer too."""
FORWARD = re.compile(r"forward|predict|feed_?forward|fprop|propagate|model|net(work)?|run|apply|hypothesis|call")


Attempt = Callable[[Sequence[str], str], Any]
"""The value of an expression after some statements, in a copy of the script's names; None where it raises."""


@dataclass
class Resolver:
    """Finds terms for names of a script.

    Attributes
    ----------
    script
    names
        Those of the script after it ran.
    attempt
    by_site
        Whether the script's own calls go before globals of a parameter's name; None does without them, and takes each
        function that returned such a global for the forward.
    given
        Terms that are taken for parameters of their names.
    written
        Calls that are taken for those of functions, by the identity of their syntax trees.
    invention
    diverged
        Where arrays stand that were met and that hold numbers which are not finite.
    """

    script: Script
    names: Mapping[str, Any]
    attempt: Attempt
    by_site: bool | None = False
    invention: Invention = field(default_factory=Invention)
    given: Mapping[str, Term] = field(default_factory=dict)
    written: Mapping[int, Term] = field(default_factory=dict)
    diverged: dict[str, None] = field(default_factory=dict)
    _repairs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _at_sites: int = 0
    _being_made: set[str] = field(default_factory=set)
    _looked_for: set[tuple[int, str]] = field(default_factory=set)
    _found: dict[tuple[int, str, bool], Term] = field(default_factory=dict, init=False)
    _objects: dict[str, tuple[str, tuple[Any, ...]] | None] = field(default_factory=dict, init=False)
    _effort: int = field(default=0, init=False)

    def call(self, definition: Definition) -> Term | None:
        """The call of a function or method with all that it needs; None where a parameter has no value."""
        if id(definition.node) in self.written:
            return self.written[id(definition.node)]
        if definition.name == "__init__":
            callable_term: Term | None = Term(definition.owner)
        elif definition.owner:
            receiver = self.receiver(definition.owner)
            callable_term = receiver and Term(f"{receiver.text}.{definition.name}", receiver.setup)
        else:
            callable_term = Term(definition.name)
        if callable_term is None:
            return None
        given, setup, skipped = [], list(callable_term.setup), False
        for parameter in definition.parameters:
            term = self.parameter(definition, parameter)
            if term is None and parameter not in definition.optional:
                return None
            if term is None:
                skipped = True
                continue
            setup += term.setup
            named = skipped or parameter in definition.by_name
            given.append(f"{parameter}={term.text}" if named else term.text)
        return Term(f"{callable_term.text}({', '.join(given)})", united(setup))

    def parameter(self, definition: Definition, name: str) -> Term | None:
        """What a parameter gets; None where nothing is found, or its default will do."""
        if name in self.given and definition.name != "__init__":
            return self.given[name]
        found = id(definition.node), name, self._at_sites > 0
        if found not in self._found or self._being_made:
            term = self._parameter(definition, name)
            if term is None or self._being_made:
                return term
            self._found[found] = term
        return self._found[found]

    def _begin(self, key: tuple[int, str]) -> bool:
        """Begin to look for something; False where that goes in a circle, or goes too far, or has taken too long."""
        self._effort = self._effort + 1 if self._looked_for else 0
        if key in self._looked_for or len(self._looked_for) > DEEPEST or self._effort > MOST:
            return False
        self._looked_for.add(key)
        return True

    def _parameter(self, definition: Definition, name: str) -> Term | None:
        key = id(definition.node), name
        if not self._begin(key):
            return None
        try:
            ways: list[Callable[[], Term | None]] = [
                lambda: self.known(name), lambda: self.at_sites(definition, name)]
            if self.by_site:
                ways.reverse()
            optional = name in definition.optional and not self._is_wanted(definition, name)
            ways = [lambda: self._given_by_forward(definition, name), *ways, lambda: self.provided(definition, name),
                    lambda: self.packed(definition, name), lambda: self.output(name),
                    lambda: self.built(definition, name), lambda: self.begun(definition, name),
                    lambda: self.made_beside(definition, name)]
            if optional:
                ways = [lambda: self.at_sites(definition, name)] if self.by_site else []
            for way in ways:
                if (term := way()) is not None:
                    return term
            invents = not optional and not self._at_sites  # what a call would be given there has to be somewhere
            return self.invention.of(definition, name, self.names) if invents else None
        finally:
            self._looked_for.discard(key)

    def _given_by_forward(self, definition: Definition, name: str) -> Term | None:
        """What a forward returns, or returns beside its output, where a global of that name is what an earlier run has
        left: ``cache`` of ``loss, cache = forward(W, x)``, ``activations = forward(W, x)``.
        """
        if name not in self.names or any(kind.fullmatch(name) for kind in MEANINGS):
            return None
        for scope in self.script.scopes:
            for statement in scope.statements:
                value = statement.value if isinstance(statement, ast.Assign) else None
                place = next(places_bound(statement, name), None)
                if not isinstance(value, ast.Call) or place is None:
                    continue
                if not FORWARD.search(callee(value)) and (self.by_site is not None or MAKES.search(callee(value))):
                    continue
                for item in self.script.functions(callee(value)):
                    term = None if item.owner or item.node is definition.node else self.call(item)
                    if term is not None and self.attempt(term.setup, f"{term.text}{place}") is not None:
                        return Term(f"{term.text}{place}", term.setup)
        return None

    def _is_wanted(self, definition: Definition, name: str) -> bool:
        """Whether a parameter with a default needs a value all the same: a target that may be None, a penalty that is
        off, and the sizes of an object that is made, which have to be those of the data that are made for it.
        """
        default = definition.default_of(name)
        if isinstance(default, ast.Constant) and type(default.value) in (int, float) and not default.value:
            return PENALTY.fullmatch(name) is not None and definition.name != "__init__"
        is_none = isinstance(default, ast.Constant) and default.value is None
        is_count = is_none or (isinstance(default, ast.Constant | ast.BinOp) and all(
            type(node.value) is int for node in ast.walk(default) if isinstance(node, ast.Constant)))  # fmt: skip
        return bool(TARGET.fullmatch(name) and is_none) or (
            definition.name == "__init__" and COUNT.fullmatch(name) is not None and is_count)

    def known(self, name: str) -> Term | None:
        """A global that holds data, of that name, or the only one of a name that means the same."""
        if name in self.names and is_data(self.names[name]):
            return Term(name, self._made_finite(name))
        for meaning in MEANINGS:
            if meaning.fullmatch(name):
                found = [other for other, value in self.names.items()
                         if meaning.fullmatch(other) and is_data(value) and holds_arrays(value)]  # fmt: skip
                if len(found) == 1:
                    return Term(found[0], self._made_finite(found[0]))
        return None

    def _made_finite(self, name: str) -> tuple[str, ...]:
        """Statements by which a global holds finite numbers again where training has made it diverge; its own object is
        left as it is.
        """
        if name not in self._repairs:
            value = self.names[name]
            found = [path for path, leaf in leaves(value) if isinstance(leaf, np.ndarray | float)
                     and np.asarray(leaf).dtype.kind == "f" and not np.isfinite(leaf).all()]  # fmt: skip
            numpy = numpy_in(self.names)
            imports = ["import numpy as np"] if found and not numpy else []
            copies = ["from copy import deepcopy", f"{name} = deepcopy({name})"] if any(found) else []
            texts = [label(name, path) for path in found]
            drawn = [f"{text} = 0.1 * {numpy or 'np'}.random.randn(*{numpy or 'np'}.shape({text}))" for text in texts]
            self._repairs[name] = (*imports, *copies, *drawn)
            self.diverged |= dict.fromkeys(texts)
        return self._repairs[name]

    def at_sites(self, definition: Definition, name: str) -> Term | None:
        """What the script's own calls give for a parameter."""
        called = definition.owner if definition.name == "__init__" else definition.name
        sites = [site for site in self.script.sites if callee(site[0]) == called and self.by_site is not None]
        if definition.name != "__init__" and len({item.owner for item in self.script.functions(called)}) > 1:
            sites = [site for site in sites if self._owner_at(site) == definition.owner]
        for call, statement, scope in sorted(sites, key=lambda site: not site[2].runs):
            given = argument_of(call, definition, name)
            if given is not None and scope.function is not definition:
                self._at_sites += 1
                term = self.expression(given, scope, statement)
                self._at_sites -= 1
                if term is not None and self.attempt(term.setup, term.text) is not None:
                    return term
        return None

    def _owner_at(self, site: tuple[ast.Call, ast.stmt, Scope]) -> str:
        """The class of the object of which a call calls a method; empty for a function, or where it is not known."""
        call, statement, scope = site
        if not isinstance(call.func, ast.Attribute):
            return ""
        term = self.expression(call.func.value, scope, statement)
        return type(self.attempt(term.setup, term.text)).__name__ if term else ""

    def expression(self, node: ast.expr, scope: Scope, at: ast.stmt) -> Term | None:
        """An expression of a scope with everything that is local there resolved."""
        setup: list[str] = []
        found: dict[str, ast.expr] = {}
        loops = generators_around(node, at)
        for name in free_names(node):
            own = [(loop, place) for loop in loops for place in _places(loop.target, name)]
            term = self._first_of(*own[-1], scope, at) if own else self.name(name, scope, at)
            if term is None:
                return None
            setup += term.setup
            found[name] = parse_python(term.text, "eval").body
        return Term(ast.unparse(substituted(node, found)), united(setup))

    def name(self, name: str, scope: Scope, at: ast.stmt) -> Term | None:
        """What a name means at a statement of a scope."""
        function = scope.function
        if name in self._being_made:
            return Term(name)
        key = id(scope), name
        if not self._begin(key):
            return None
        try:
            if function is not None and function.owner and name == receiver_of(function):
                return self.receiver(function.owner)
            if not scope.runs and (term := self.assigned(name, scope, at)) is not None:
                return term
            if function is not None and name in function.parameters:
                default = function.default_of(name)
                given = Term(ast.unparse(default)) if default is not None else None
                return self.parameter(function, name) or given
            if name in self.names:
                return Term(name, self._made_finite(name) if is_data(self.names[name]) else ())
            return Term(name) if hasattr(builtins, name) else None
        finally:
            self._looked_for.discard(key)

    def assigned(self, name: str, scope: Scope, at: ast.stmt) -> Term | None:
        """What the statement that binds a local name makes: in the expression itself, or, of what only sizes go into,
        in a statement of the setup.
        """
        bindings = [(item, place) for item in scope.statements for place in places_bound(item, name)]
        before = [pair for pair in bindings if pair[0].lineno < at.lineno]
        if not bindings:
            return None
        begun = [(item, place) for item, place in before if name not in read_in(item)]  # W = W - lr * dW goes on
        statement, place = (begun or before or bindings[:1])[-1]
        if isinstance(statement, ast.For):
            return self._first_of(statement, place, scope, statement)
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if value is None:
            return None
        term = self.expression(value, scope, statement)
        if term is None:
            return None
        if self.is_made(value) or not self.depends(value, scope, statement):
            assert isinstance(statement, ast.Assign | ast.AnnAssign)
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            kinds = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.expr_context)
            if not all(isinstance(node, kinds) for node in ast.walk(target)):
                return None  # an attribute or a part of something else is bound as well
            made = f"{ast.unparse(target)} = {term.text}"
            return Term(name, united([*term.setup, made, *self._completed(name, scope, statement, at)]))
        return Term(f"({term.text}){place}" if needs_brackets(value) else f"{term.text}{place}", term.setup)

    def _completed(self, name: str, scope: Scope, made: ast.stmt, at: ast.stmt) -> Iterator[str]:
        """What is done to an object between where it is made and where it is used: ``net.add(Dense(3, 4))``."""
        for statement in scope.statements:
            call = statement.value if isinstance(statement, ast.Expr) else None
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            on_it = isinstance(call.func.value, ast.Name) and call.func.value.id == name
            if on_it and made.lineno < statement.lineno < at.lineno and (
                    STARTING.search(call.func.attr) or not TRAINING.search(call.func.attr)):
                self._being_made.add(name)
                term = self.expression(call, scope, statement)
                self._being_made.discard(name)
                yield from (*term.setup, term.text) if term else ()

    def _first_of(
        self, loop: ast.For | ast.comprehension, place: str, scope: Scope, at: ast.stmt
    ) -> Term | None:  # fmt: skip
        """What a loop's target is in its first round, of numbers in the first that is not 0: a penalty is off there."""
        if isinstance(loop.iter, ast.Tuple | ast.List) and not place:
            numbers = [item for item in loop.iter.elts if isinstance(item, ast.Constant) and item.value]
            if len(numbers) >= len(loop.iter.elts) - 1 and numbers:
                return Term(ast.unparse(numbers[0]))
        over = self.expression(loop.iter, scope, at)
        if over is None:
            return None
        kind = self.attempt(over.setup, f"type({over.text}).__name__")
        first = first_item(over.text, kind or "")
        if kind not in CONSUMED:
            return Term(part_of(first, place), over.setup)
        name = loop.target.id if isinstance(loop.target, ast.Name) else "first_one"
        return Term(f"{name}{place}", (*over.setup, f"{name} = {first}"))  # each run of a question would take another

    def is_made(self, value: ast.expr) -> bool:
        """Whether a value is made of sizes, or drawn; what a function of the script gets is that function's affair."""
        if isinstance(value, ast.Call) and any(self.script.functions(callee(value))):
            return MAKES.search(callee(value)) is not None
        own = isinstance(value, ast.Call) and MAKES.search(ast.unparse(value.func)) is not None
        return own or any(self.is_made(node) for node in ast.iter_child_nodes(value) if isinstance(node, ast.expr))

    def depends(self, value: ast.expr, scope: Scope, at: ast.stmt) -> bool:
        """Whether arrays, or objects that hold some, go into a value."""
        for name in free_names(value):
            term = self.name(name, scope, at)
            held = None if term is None else self.attempt(term.setup, term.text)
            if held is not None and is_data(held) and holds_arrays(held):
                return True
        return False

    def prefer(self, name: str) -> None:
        """Take a global for the object of its class, and of those that this derives from."""
        kinds = type(self.names[name]).__mro__
        self._objects |= {kind.__name__: (name, ()) for kind in kinds if is_users_class(kind)}

    def receiver(self, owner: str) -> Term | None:
        """An object of a class: one that the script has, that it makes somewhere, or a new one."""
        if owner not in self._objects:
            self._objects[owner] = next((
                (name, path) for name, value in self.names.items() for path, kind in objects_in(value)
                if any(base.__name__ == owner for base in kind.__mro__) and kind.__module__ != "builtins"), None)
        if (held := self._objects[owner]) is not None:
            name, path = held
            return Term(label(name, path), self._made_finite(name))
        for one in self.script.named_calls:
            inside = one.scope is not self.script.scopes[0]
            if inside and isinstance(one.call.func, ast.Name) and one.call.func.id == owner and (
                    term := self.assigned(one.name, one.scope, one.statement)):  # fmt: skip
                return term
        if (trained := self._trained(owner)) is not None:
            return trained
        if owner not in self.names:
            return None
        start = self.script.method(owner, "__init__")
        made_term = Term(f"{owner}()") if start is None else self.call(
            Definition(start.node, owner))  # of a base class too
        if made_term is None:
            return None
        name = owner.lower() if owner.lower() not in self.names else f"its_{owner.lower()}"
        return Term(name, (*made_term.setup, f"{name} = {made_term.text}"))

    def _trained(self, owner: str) -> Term | None:
        """What a chain of calls makes of a new object of a class: ``clf = Classifier().fit(X, y)``."""
        for one in self.script.named_calls:
            if owner in one.called:
                term = self.expression(one.call, one.scope, one.statement)
                if term and type(self.attempt(term.setup, term.text)).__name__ == owner:
                    return Term(one.name, united([*term.setup, f"{one.name} = {term.text}"]))
        return None

    def provided(self, definition: Definition, name: str) -> Term | None:
        """What another function returns under a parameter's name: ``cache`` of ``return out, cache``."""
        found = [item for item in self.script.definitions
                 if item.node is not definition.node and name in item.parts and item.owner in ("", definition.owner)
                 and name not in item.parameters  # what it hands through comes from elsewhere
                 and not calls_back(self.script, item, definition)]  # fmt: skip
        stem = re.split(r"_?(?:back|grad|deriv)", definition.name)[0]
        for item in sorted(found, key=lambda item: not (stem and item.name.startswith(stem))):
            term = self.call(item)
            if term is None or self.attempt(term.setup, term.text) is None:
                continue
            if GIVES.search(item.name):
                return Term(name, self._made_by(item, term, definition, name))
            place = f"[{item.parts.index(name)}]" if len(item.parts) > 1 else ""
            return Term(f"{term.text}{place}", term.setup)
        return None

    def packed(self, definition: Definition, name: str) -> Term | None:
        """The tuple that another function returns of what a parameter is unpacked into: ``cache`` of ``return out, (x,
        w)`` for ``x, w = cache``.
        """
        parts = tuple(unpacked(definition, name))
        for item in self.script.definitions if len(parts) > 1 else ():
            if parts in item.inner_parts and item.node is not definition.node and (term := self.call(item)) is not None:
                return Term(f"{term.text}[{item.inner_parts.index(parts)}]", term.setup)
        return None

    def built(self, definition: Definition, name: str) -> Term | None:
        """What a function that makes data returns at a parameter's place, where it returns as many things."""
        needed = [one for one in definition.parameters if one not in definition.optional]
        for item in self.script.definitions:
            fits = not item.owner and GIVES.search(item.name) and len(item.parts) == len(needed) > 1
            if fits and name in needed:
                term, made = self._called_anew(item)
                if term is not None and made is not None:
                    return Term(name, (*term.setup, f"{', '.join(needed)} = {term.text}"))
        return None

    def begun(self, definition: Definition, name: str) -> Term | None:
        """The dict that a function gives which makes one of sizes, or is called so, with all the keys that are read of
        a parameter.
        """
        keys, makers = keys_read(definition, name), self.invention.makers
        called = [item for item in self.script.definitions if item not in makers and not item.owner
                  and (MAKES.search(item.name) or BEGINS.search(item.name)) and len(item.parts) == 1]  # fmt: skip
        for item in (*makers, *called):
            if len(keys) > 1:
                term, made = self._called_anew(item)
                if term is not None and isinstance(made, Mapping) and {*keys} <= made.keys():
                    return Term(name, (*term.setup, f"{name} = {term.text}"))
        return None

    def made_beside(self, definition: Definition, name: str) -> Term | None:
        """What a function that makes data returns without a name, next to another one of the parameters: ``y`` of
        ``return x, np.cumsum(x)``, for a function of ``x, y``.
        """
        for item in self.script.definitions:
            if name in beside(item, definition).values() and not item.owner and GIVES.search(item.name):
                term, made = self._called_anew(item)
                if term is not None and made is not None:
                    return Term(name, self._made_by(item, term, definition, name))
        return None

    def _called_anew(self, item: Definition) -> tuple[Term | None, Any]:
        """The call of a function that makes something, and what it gives; its arguments may be made up anywhere."""
        at_sites, self._at_sites = self._at_sites, 0
        term = self.call(item)
        self._at_sites = at_sites
        return term, None if term is None else self.attempt(term.setup, term.text)

    def _made_by(self, item: Definition, term: Term, definition: Definition, name: str) -> tuple[str, ...]:
        """The statements that bind all that a function makes, for a parameter; what has no name there as ``_``, but
        for that parameter and for targets.
        """
        known = {n: one for n, one in beside(item, definition).items() if one == name or TARGET.fullmatch(one)}
        targets = [part if part.isidentifier() else known.get(n, "_") for n, part in enumerate(item.parts)]
        return (*term.setup, f"{', '.join(targets)} = {term.text}")

    def output(self, name: str) -> Term | None:
        """The output of the script's forward, for a parameter that is called as outputs are."""
        if not OUTPUT.fullmatch(name):
            return None
        for item in self.script.definitions:
            if FORWARD.search(item.name) and not item.owner and (term := self.call(item)) is not None:
                return Term(f"{term.text}{place_of_output(item)}", term.setup)
        return None


def beside(item: Definition, definition: Definition) -> dict[int, str]:
    """The parameters of a function that stand where another one returns what has no name there, by their place in it:
    where that returns other parameters by their names, as many places before or after.
    """
    names = definition.parameters
    found = {}
    for k, part in enumerate(item.parts):
        shift = names.index(part) - k if part in names else None
        for n, other in enumerate(item.parts):
            if shift is not None and not other.isidentifier() and 0 <= n + shift < len(names):
                found[n] = names[n + shift]
    return {n: name for n, name in found.items() if name not in item.parts}


def place_of_output(forward: Definition) -> str:
    """Where the output stands in what a forward returns: what is called so and is not handed through, the last of those
    that are called as every layer's is, else the first.
    """
    made = [(n, part) for n, part in enumerate(forward.parts) if part not in forward.parameters]
    outputs = [n for n, part in made if PREDICTION.fullmatch(part)]
    of_layers = [n for n, part in reversed(made) if OUTPUT.fullmatch(part)]
    return f"[{next(iter([*outputs, *of_layers]), 0)}]" if len(forward.parts) > 1 else ""


def united(setup: Sequence[str]) -> tuple[str, ...]:
    """Statements in order, each once."""
    return tuple(dict.fromkeys(setup))


def needs_brackets(value: ast.expr) -> bool:
    return not isinstance(value, ast.Call | ast.Name | ast.Attribute | ast.Subscript | ast.Constant)


def free_names(node: ast.expr) -> list[str]:
    """The names that an expression reads and does not bind itself."""
    nodes = list(ast.walk(node))
    bound = {item.id for item in nodes if isinstance(item, ast.Name) and not isinstance(item.ctx, ast.Load)}
    bound |= {item.arg for item in nodes if isinstance(item, ast.arg)}
    read = [item.id for item in nodes if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load)]
    return [name for name in dict.fromkeys(read) if name not in bound]


def generators_around(node: ast.expr, statement: ast.stmt) -> list[ast.comprehension]:
    """The ``for`` of comprehensions in a statement whose names an expression in it may read, outer ones first."""
    found: list[ast.comprehension] = []
    for around in own_nodes(statement):
        if isinstance(around, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) and any(
                one is node for one in ast.walk(around)):
            found += itertools.takewhile(  # what one goes through reads the names of those before it alone
                lambda loop: all(one is not node for one in ast.walk(loop.iter)), around.generators)
    return found


def argument_of(call: ast.Call, definition: Definition, name: str) -> ast.expr | None:
    """What a call gives for a parameter: ``data[0][1]`` for ``y`` of ``cost(theta, *data[0])``."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    position = definition.parameters.index(name)
    starred = next((n for n, item in enumerate(call.args) if isinstance(item, ast.Starred)), len(call.args))
    if starred <= position and starred == len(call.args) - 1 and name not in definition.by_name:
        several = call.args[starred]
        assert isinstance(several, ast.Starred)
        return ast.Subscript(several.value, ast.Constant(position - starred), ast.Load())
    if starred < len(call.args) - 1:
        return None
    return call.args[position] if position < len(call.args) and name not in definition.by_name else None


def arguments_in(term: Term, script: Script) -> dict[str, Term]:
    """What a call in a term gives the parameters of the function that it calls; empty where it is no such call."""
    call = parse_python(term.text, "eval").body
    found = list(script.functions(callee(call))) if isinstance(call, ast.Call) else []
    if not isinstance(call, ast.Call) or len(found) != 1 or found[0].owner:
        return {}
    given = {name: argument_of(call, found[0], name) for name in found[0].parameters}
    return {name: Term(ast.unparse(node), term.setup) for name, node in given.items() if node is not None}


def places_bound(statement: ast.stmt, name: str) -> Iterator[str]:
    """Where a statement binds a name, as what is to be taken of its value: ``[1]`` of ``A, cache = …``."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.For):
        targets = [statement.target]
    else:
        return
    for target in targets:
        yield from _places(target, name)


def read_in(statement: ast.stmt) -> set[str]:
    """The names that an assignment reads."""
    value = getattr(statement, "value", None)
    return {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} if value is not None else set()


def _places(target: ast.expr, name: str) -> Iterator[str]:
    if isinstance(target, ast.Name) and target.id == name:
        yield ""
    elif isinstance(target, ast.Tuple | ast.List):
        for position, item in enumerate(target.elts):
            yield from (f"[{position}]{inner}" for inner in _places(item, name))


def is_data(value: Any) -> bool:
    """Whether a value is no function, class or module."""
    kinds = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type, np.ufunc)
    return not isinstance(value, kinds)


def holds_arrays(value: Any) -> bool:
    """Whether it is an array, or nested or held by an object somewhere in it, as far as that is looked for."""
    return any(isinstance(leaf, np.ndarray) for _, leaf in itertools.islice(leaves(value), LONGEST))


def objects_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], type]]:
    """The objects in a value with the paths to them: those of a list, and of an object's own lists, to a depth of 4."""
    if not is_data(value) or len(path) > 4:
        return
    yield path, type(value)
    if isinstance(value, list | tuple):
        for position, item in enumerate(value[:20]):
            yield from objects_in(item, (*path, position))
    elif hasattr(value, "__dict__") and is_users_class(type(value)):  # a figure holds thousands of objects
        for key, item in vars(value).items():
            yield from objects_in(item, (*path, Attribute(key)))


def calls_back(script: Script, item: Definition, other: Definition) -> bool:
    """Whether a function calls another one, or is one that does: what it returns cannot be what the other is given."""
    seen, left = set(), [item]
    while left:
        current = left.pop()
        if id(current.node) in seen:
            continue
        seen.add(id(current.node))
        if other.name in current.calls:
            return True
        left += [inner for name in current.calls for inner in script.functions(name)]
    return False
