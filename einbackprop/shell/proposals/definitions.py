"""What a script defines and where it calls it: functions, methods, and the statements around each call."""

from __future__ import annotations

import ast
import itertools
import linecache
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property, lru_cache
from types import FunctionType
from typing import Any

from einbackprop.checking.naming import gradient_of
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python
from einbackprop.world.ownership import is_users_module

from .minimizers import calls_handed_on
from .updates import numbers_in, update_of

FORWARD = re.compile(r"forward|fprop|fwd|feed_?forward|^call$|__call__", re.IGNORECASE)
GRADIENTS = ("grad", "grads", "gradient", "gradients", "nabla")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Definition:
    """A function of a script, or a method of a class of it.

    Attributes
    ----------
    node
        Its syntax tree.
    owner
        The name of the class; empty for a function.
    origin
        Its name where it is made, if another function gives it: ``slope`` of ``f, g = problem(X, y)`` for ``g``.
    """

    node: Function
    owner: str = ""
    origin: str = ""

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def called(self) -> str:
        """Its name with that of its class: ``Huber.backward``."""
        return f"{self.owner}.{self.name}" if self.owner else self.name

    def says(self, words: re.Pattern[str]) -> bool:
        """Whether a name of it has some of these words."""
        return any(words.search(name) for name in (self.name, self.origin) if name)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters in order, without ``self``."""
        formal = self.node.args
        names = [item.arg for item in (*formal.posonlyargs, *formal.args)]
        bound = self.owner and not self.is_static
        return (*names[1:], *(a.arg for a in formal.kwonlyargs)) if bound else (
            *names, *(a.arg for a in formal.kwonlyargs))

    @cached_property
    def optional(self) -> frozenset[str]:
        """The parameters that have a default."""
        formal = self.node.args
        names = [item.arg for item in (*formal.posonlyargs, *formal.args, *formal.kwonlyargs)]
        return frozenset(name for name in names if self.default_of(name) is not None)

    def default_of(self, name: str) -> ast.expr | None:
        """The default of a parameter."""
        formal = self.node.args
        positional = [*formal.posonlyargs, *formal.args]
        found = dict(zip([item.arg for item in reversed(positional)], reversed(formal.defaults), strict=False))
        found |= {item.arg: default for item, default in zip(formal.kwonlyargs, formal.kw_defaults, strict=True)
                  if default is not None}  # fmt: skip
        return found.get(name)

    @cached_property
    def by_name(self) -> frozenset[str]:
        """The parameters that are given by name only."""
        return frozenset(item.arg for item in self.node.args.kwonlyargs)

    @cached_property
    def is_static(self) -> bool:
        return any(isinstance(item, ast.Name) and item.id in ("staticmethod", "classmethod")
                   for item in self.node.decorator_list)  # fmt: skip

    @cached_property
    def statements(self) -> tuple[ast.stmt, ...]:
        """Its statements, those of blocks among them, those of functions inside it left out."""
        return tuple(statements_in(self.node.body))

    @cached_property
    def returned(self) -> tuple[ast.expr, ...]:
        """What its return statements give, the last one first."""
        found = [item.value for item in self.statements if isinstance(item, ast.Return) and item.value is not None]
        return tuple(reversed(found))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """How the parts of what it returns are spelled: ``return A2, cache`` has two, and a dict its keys."""
        for value in self.returned:
            value = self._made_as(value)
            if isinstance(value, ast.Tuple | ast.List):
                return tuple(spelled(item) for item in value.elts)
            return (spelled(value),)
        return ()

    @cached_property
    def inner_parts(self) -> tuple[tuple[str, ...], ...]:
        """What stands in each of the parts that is itself a display: ``return loss, (dW, db)`` has ``(), (dW, db)``."""
        value = self._made_as(self.returned[0]) if self.returned else None
        return tuple(map(self._shown_in, value.elts)) if isinstance(value, ast.Tuple | ast.List) else ()

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """The functions inside it, by name."""
        return {one.name: one for item in self.statements for one in functions_in(item)}

    @cached_property
    def makes_functions(self) -> bool:
        """Whether functions inside it are among what it returns."""
        parts = self.returned[0].elts if self.returned and isinstance(self.returned[0], ast.Tuple) else self.returned
        return any(isinstance(part, ast.Lambda) or spelled(part) in self.functions for part in parts)

    def _shown_in(self, part: ast.expr) -> tuple[str, ...]:
        part = self._made_as(part)
        if isinstance(part, ast.Dict):
            return tuple(map(spelled, part.values))
        return tuple(map(spelled, part.elts)) if isinstance(part, ast.Tuple | ast.List) else ()

    def _made_as(self, value: ast.expr) -> ast.expr:
        """A display for the name that it was given: ``grads = (dW, db)`` for ``grads``."""
        if not isinstance(value, ast.Name):
            return value
        made = [item.value for item in self.statements if isinstance(item, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == value.id for target in item.targets)]  # fmt: skip
        return made[-1] if made and isinstance(made[-1], ast.Tuple | ast.List) and made[-1].elts else value

    @cached_property
    def _receiver(self) -> str:
        names = [item.arg for item in positional(self.node)]
        return names[0] if self.owner and names and not self.is_static else ""

    def _attributes(self, context: type[ast.expr_context]) -> frozenset[str]:
        return frozenset(
            node.attr for node in ast.walk(self.node) if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, context) and isinstance(node.value, ast.Name) and node.value.id == self._receiver
        )  # fmt: skip

    @cached_property
    def stores(self) -> tuple[str, ...]:
        """The attributes of ``self`` that it binds, in order."""
        found: dict[str, None] = {}
        for node in ast.walk(self.node):
            inner = node
            while isinstance(inner, ast.Subscript):  # self.grads["W"] = …
                inner = inner.value
            is_bound = isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
            if is_bound and isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and (
                    inner.value.id == self._receiver):
                found[inner.attr] = None
        return tuple(sorted(found, key=lambda name: self._first_bound(name)))

    def _first_bound(self, name: str) -> int:
        lines = [node.lineno for node in ast.walk(self.node) if isinstance(node, ast.Attribute) and node.attr == name]
        return min(lines)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The attributes of ``self`` that it reads."""
        return self._attributes(ast.Load)

    @cached_property
    def calls(self) -> frozenset[str]:
        """The names of the functions and methods that it calls."""
        return frozenset(name for node in ast.walk(self.node) if isinstance(node, ast.Call) and (name := callee(node)))


@dataclass(frozen=True)
class Scope:
    """Statements that run after one another: a module's, those under its main guard, or a function's.

    Attributes
    ----------
    statements
        In order, those of blocks among them.
    function
        Whose they are; None for a module's.
    runs
        Whether an import runs them.
    """

    statements: tuple[ast.stmt, ...]
    function: Definition | None = None
    runs: bool = True


@dataclass(frozen=True)
class NamedCall:
    """A call whose value gets a name, ``net = Net(3)``, where that stands, and the names of all that it calls."""

    name: str
    call: ast.Call
    statement: ast.stmt
    scope: Scope
    called: frozenset[str]


@dataclass(frozen=True)
class Script:
    """What a script defines, and its scopes."""

    definitions: tuple[Definition, ...]
    scopes: tuple[Scope, ...]
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)

    def functions(self, name: str) -> Iterator[Definition]:
        """The functions and methods of a name."""
        return (item for item in self.definitions if item.name == name)

    def method(self, owner: str, name: str) -> Definition | None:
        """The method of a class, or of those that it derives from."""
        for kind in self._bases(owner):
            for item in self.definitions:
                if (item.owner, item.name) == (kind, name):
                    return item
        return None

    def methods(self, owner: str) -> tuple[Definition, ...]:
        """The methods of a class and of those that it derives from, its own first."""
        found: dict[str, Definition] = {}
        for kind in self._bases(owner):
            for item in self.definitions:
                if item.owner == kind:
                    found.setdefault(item.name, item)
        return tuple(found.values())

    def _bases(self, owner: str) -> Sequence[str]:
        order, left = [], [owner]
        while left:
            name = left.pop(0)
            if name in self.classes and name not in order:
                order.append(name)
                left += [base.id for base in self.classes[name].bases if isinstance(base, ast.Name)]
        return order

    @cached_property
    def named_calls(self) -> tuple[NamedCall, ...]:
        """The calls whose values get names, in order."""
        found = []
        for scope in self.scopes:
            for item in scope.statements:
                target = item.targets[0] if isinstance(item, ast.Assign) else None
                if isinstance(item, ast.Assign) and isinstance(target, ast.Name) and isinstance(item.value, ast.Call):
                    called = frozenset(node.func.id for node in ast.walk(item.value)
                                       if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))  # fmt: skip
                    found.append(NamedCall(target.id, item.value, item, scope, called))
        return tuple(found)

    @cached_property
    def words(self) -> frozenset[str]:
        """All names, attributes, parameters and keys that stand in it, in small letters."""
        found: set[str] = set()
        statements = [statement for scope in self.scopes for statement in scope.statements]
        for item in (*(item.node for item in self.definitions), *statements):
            for node in ast.walk(item):
                if isinstance(node, ast.Name | ast.Attribute | ast.arg):
                    found.add(node.id if isinstance(node, ast.Name) else node.attr if isinstance(
                        node, ast.Attribute) else node.arg)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 20:
                    found.add(node.value)
        return frozenset(word.lower() for word in found)

    def is_gradient(self, name: str) -> bool:
        """Whether a name is that of the gradient of something that the script has a name for: ``dW``, not ``data``; and
        an expression that of several: ``np.concatenate([dW.ravel(), db])``.
        """
        inner = () if name.isidentifier() else joined_in(name)
        return name.lower() in GRADIENTS or any(
            stem.strip("_").lower() in self.words for stem in gradient_of(name)[1:]
        ) or (bool(inner) and all(map(self.is_gradient, inner)))  # fmt: skip

    def gradients_in(self, item: Definition) -> list[str]:
        """The gradients among what a function returns: its parts, and displays of nothing else in them."""
        displays = [inner for inner in item.inner_parts if inner and all(map(self.is_gradient, inner))]
        joined = [text for text in item.parts if not text.isidentifier()]  # it may be called g where it is called
        shown = [name for inner in displays for name in inner]
        return [name for name in dict.fromkeys([*self.parts_of(item), *joined, *shown]) if self.is_gradient(name)]

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The names that hold numbers of floating point and nothing else; parameters and counters may hold others."""
        statements = [statement for scope in self.scopes for statement in scope.statements]
        loops = [node.id for one in statements if isinstance(one, ast.For) for node in ast.walk(one.target)
                 if isinstance(node, ast.Name)]  # fmt: skip
        return frozenset(numbers_in(statements)).difference(
            loops, *(item.parameters for item in self.definitions))  # fmt: skip

    @cached_property
    def updating(self) -> frozenset[str]:
        """The names of what is called to make the gradients of updates: ``score`` of ``beta -= 0.1 * score(beta)``, or
        of what ``g = score(beta)`` holds, ``beta[k] -= 0.1 * g[k]``.
        """
        found: set[str] = set()
        for scope in self.scopes:
            made = {node.id: item.value for item in scope.statements if isinstance(item, ast.Assign)
                    for target in item.targets if isinstance(target, ast.Name | ast.Tuple)
                    for node in ast.walk(target) if isinstance(node, ast.Name)}  # fmt: skip
            for gradient in filter(None, (update_of(one, None, self.numbers) for one in scope.statements)):
                node = ast.parse(gradient.text, mode="eval").body
                while isinstance(node, ast.Subscript):
                    node = node.value
                value = made.get(node.id, node) if isinstance(node, ast.Name) else node
                found |= {callee(value)} if isinstance(value, ast.Call) else set()
        return frozenset(found - {""})

    @cached_property
    def stored(self) -> dict[str, None]:
        """The names of globals that functions bind, in order."""
        return dict.fromkeys(name for item in self.definitions for node in ast.walk(item.node)
                             if isinstance(node, ast.Global) for name in node.names)  # fmt: skip

    def parts_of(self, item: Definition) -> tuple[str, ...]:
        """What the parts of what a function returns are called: an expression as where the function is called,
        ``dw, db = slopes(x, y)``, unless the call is given what is called so, as a state is that goes around.
        """
        if all(map(str.isidentifier, item.parts)):
            return item.parts
        for call, statement, _ in self.sites:
            target = statement.targets[0] if isinstance(statement, ast.Assign) and statement.value is call else None
            parts = target.elts if isinstance(target, ast.Tuple) else []
            names = [one.id for one in parts if isinstance(one, ast.Name)]
            if callee(call) == item.name and len(names) == len(item.parts):
                given = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
                return tuple(own if own.isidentifier() or name in given else name
                             for own, name in zip(item.parts, names, strict=True))  # fmt: skip
        return item.parts

    def left_by(self, item: Definition) -> tuple[str, ...]:
        """The gradients that a method leaves on its object, by name, those of methods that it calls among them."""
        methods = self.methods(item.owner) if item.owner else ()
        inner = [other for other in methods if other.name in item.calls]
        forwards = [one for one in methods if one.node is not item.node and (
            FORWARD.search(one.name) or self._leaves_values(one, item))]  # fmt: skip
        # what a forward makes (dout, by dropout) is no gradient, nor is anything that it makes (out) free to be moved
        made = {name for one in forwards for name in one.stores if name not in (*one.parameters, *GRADIENTS)}
        found = [name for one in (item, *inner) for name in one.stores if self.is_gradient(name)]
        return tuple(name for name in dict.fromkeys(found)
                     if name not in made and self.stem_of(name, tuple(made)) is None)  # fmt: skip

    @staticmethod
    def _leaves_values(one: Definition, item: Definition) -> bool:
        """Whether a method gives something and leaves on its object what another one reads, and does not use that one's
        results, as an update does.
        """
        given, used = {*one.stores} & {*item.reads}, {*one.reads} & {*item.stores}
        return one.name != "__init__" and bool(one.returned and given and not used)

    def stem_of(self, name: str, known: Sequence[str]) -> str | None:
        """The name among those that are known of which another one is the gradient."""
        for stem in gradient_of(name)[1:]:
            for other in known:
                if other.strip("_").lower() == stem.strip("_").lower():
                    return other
        return None

    @cached_property
    def sites(self) -> tuple[tuple[ast.Call, ast.stmt, Scope], ...]:
        """Every call of something by its name, the statement that it stands in, and the scope of that; those too that
        a minimizer makes.
        """
        found = []
        for scope in self.scopes:
            for statement in scope.statements:
                calls = [node for node in own_nodes(statement) if isinstance(node, ast.Call)]
                named = [call for call in calls if callee(call)]
                handed = [made for call in named for made in calls_handed_on(call, any(self.functions(callee(call))))]
                found += [(call, statement, scope) for call in (*named, *handed)]
        return tuple(found)


def script_of(tree: ast.Module, imported: Sequence[ast.stmt] = ()) -> Script:
    """The definitions and scopes of a script's syntax tree; of what it imports from other files of the user's, which
    ``imported`` define, the definitions alone.
    """
    module: list[ast.stmt] = []
    guarded: list[ast.stmt] = []
    for statement in tree.body:
        if is_guard(statement):
            assert isinstance(statement, ast.If)
            guarded += statements_in(statement.body)
        elif not isinstance(statement, Function | ast.ClassDef):
            module += statements_in([statement])
    definitions = [one for statement in tree.body for one in defined_by(statement)]
    made_by = {item.name: item for item in definitions if not item.owner}
    inside = [statement for item in definitions for statement in item.statements]
    found = [one for statement in (*module, *guarded, *inside) for one in functions_bound(statement, made_by)]
    bound = {item.name: (item, origin) for item, origin in reversed(found) if item.name not in made_by}
    scopes = [Scope(tuple(module)), Scope(tuple(guarded), runs=False)]
    scopes += [Scope(item.statements, item, runs=False) for item in definitions]
    definitions += (Definition(item, origin=origin) for item, origin in reversed(bound.values()))
    definitions += (one for statement in imported for one in defined_by(statement))
    classes = {item.name: item for item in (*imported, *tree.body) if isinstance(item, ast.ClassDef)}
    return Script(tuple(definitions), tuple(scopes), classes)


def defined_by(statement: ast.stmt) -> list[Definition]:
    """The function that a statement defines, or the methods of its class."""
    if isinstance(statement, ast.ClassDef):
        return [Definition(item, statement.name) for item in statement.body if isinstance(item, Function)]
    return [Definition(statement)] if isinstance(statement, Function) else []


def imported_in(names: Mapping[str, Any], tree: ast.Module) -> Iterator[ast.stmt]:
    """The definitions of the functions that a script has from other files of the user's, under the names that they
    have in the script, and of the classes, their bases and those of its objects.
    """
    own = {statement.name for statement in tree.body if isinstance(statement, Function | ast.ClassDef)}
    for name, value in names.items():
        if isinstance(value, FunctionType) and name not in own and (made := definition_of(value, names)) is not None:
            yield renamed(made, name, positional(made))
    kinds = {kind: None for value in names.values()
             for kind in (value if isinstance(value, type) else type(value)).__mro__}  # fmt: skip
    found = (definition_of(kind, names) for kind in kinds if kind.__name__ not in own)
    yield from (made for made in found if made is not None)


def definition_of(value: FunctionType | type, names: Mapping[str, Any]) -> Any:
    """The syntax tree of a function or class of another file of the user's than the one that has some names; None of
    any other.
    """
    module = sys.modules.get(value.__module__ or "")
    if not is_users_module(module) or value.__module__ == names.get("__name__"):
        return None
    text = "".join(linecache.getlines(str(getattr(module, "__file__", ""))))
    return _defined_in(text).get(value.__name__)


@lru_cache(8)
def _defined_in(text: str) -> dict[str, ast.stmt]:
    body = parse_python(text).body
    return {item.name: item for item in body if isinstance(item, Function | ast.ClassDef)}


def functions_in(statement: ast.stmt) -> Iterator[Function]:
    """The function that a statement defines, or gives a name as a lambda."""
    if isinstance(statement, Function):
        yield statement
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        yield from (function_of(statement.value, name) for name in names)


def function_of(value: ast.Lambda, name: str) -> ast.FunctionDef:
    """A lambda as the definition of a function."""
    returned = ast.copy_location(ast.Return(value.body), value)
    return ast.copy_location(ast.FunctionDef(name, value.args, [returned], []), value)


def functions_bound(statement: ast.stmt, made_by: Mapping[str, Definition]) -> Iterator[tuple[Function, str]]:
    """The functions that an assignment gives names: a lambda, one that waits for fewer arguments, and the functions
    inside of one that returns them, as in ``cost, gradient = problem(X, y)``; each under its new name, and its old one.
    """
    value = statement.value if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(value, ast.Call):
        yield from ((function, "") for function in functions_in(statement))
        return
    maker = made_by.get(callee(value))
    if maker is not None and maker.returned:
        last = maker.returned[0]
        parts = last.elts if isinstance(last, ast.Tuple) else [last]
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        for name, part in zip(names, parts, strict=False):
            made = function_of(part, "") if isinstance(part, ast.Lambda) else maker.functions.get(spelled(part))
            if made is not None and isinstance(name, ast.Name):
                yield renamed(made, name.id, positional(made)), made.name
    given = [made_by.get(node.id) for node in value.args[:1] if isinstance(node, ast.Name)]
    if callee(value) == "partial" and given and given[0] is not None and isinstance(target, ast.Name):
        named = {item.arg for item in value.keywords}
        left = [item for item in positional(given[0].node)[len(value.args) - 1 :] if item.arg not in named]
        yield renamed(given[0].node, target.id, left), given[0].name


def positional(function: Function) -> list[ast.arg]:
    """The parameters of a function that can be given by position."""
    return [*function.args.posonlyargs, *function.args.args]


def renamed(function: Function, name: str, parameters: list[ast.arg]) -> ast.FunctionDef:
    """A function under another name, with these of its parameters."""
    formal = function.args
    left = formal.defaults[max(0, len(formal.defaults) - len(parameters)) :]
    arguments = ast.arguments([], parameters, formal.vararg, formal.kwonlyargs, formal.kw_defaults, formal.kwarg, left)
    return ast.copy_location(ast.FunctionDef(name, arguments, function.body, function.decorator_list), function)


def is_guard(statement: ast.stmt) -> bool:
    """Whether it is ``if __name__ == "__main__":``."""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test))


def statements_in(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, those of its blocks after each, without those of functions and classes inside."""
    for statement in body:
        yield statement
        if isinstance(statement, Function | ast.ClassDef):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from statements_in(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from statements_in(handler.body)


def own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement, of a compound one those of its header."""
    left: list[ast.AST] = [statement]
    while left:
        node = left.pop()
        yield node
        if not (isinstance(node, Function | ast.ClassDef)):
            left += [item for item in ast.iter_child_nodes(node) if not isinstance(item, ast.stmt)]


def spelled(node: ast.expr) -> str:
    """The name that stands for a value: ``dW`` for ``dW``, ``self.dW`` and ``grads["dW"]``; else its code."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return ast.unparse(node)


JOINING = re.compile(r"concat|stack|ravel|flat|append|pack|(?:un)?roll|vec|join", re.IGNORECASE)
"""What functions are called that make one vector of several arrays."""


@lru_cache(maxsize=1024)
def joined_in(text: str) -> tuple[str, ...]:
    """The names of arrays that an expression joins to one; empty for any other.

    >>> joined_in("np.concatenate([dW.ravel(), db])"), joined_in("np.r_[self.dW.flatten(), db]"), joined_in("dW + db")
    (('dW', 'db'), ('dW', 'db'), ())
    """
    try:
        node: ast.AST = parse_python(text, "eval").body
    except SyntaxError:
        return ()
    if isinstance(node, ast.Call) and JOINING.search(callee(node)):
        given = node.args
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("r_"):
        given = [node.slice]
    else:
        return ()
    return tuple(map(spelled, map(unshaped, itertools.chain.from_iterable(map(shown_in, given)))))


def shown_in(node: ast.expr) -> list[ast.expr]:
    """What stands in lists and tuples that an expression displays, the expression itself where it is none."""
    return [one for part in node.elts for one in shown_in(part)] if isinstance(node, ast.Tuple | ast.List) else [node]


def unshaped(node: ast.expr) -> ast.expr:
    """The array of which an expression is another shape: ``dW`` of ``dW.ravel()``; else the expression."""
    match node:
        case ast.Call(func=ast.Attribute(value=array, attr=name)) if re.search(r"ravel|flat|shape", name):
            return array
    return node


def receiver_of(function: Definition) -> str:
    formal = [item.arg for item in positional(function.node)]
    return formal[0] if formal and not function.is_static else ""


def receiver_in(call: str) -> str:
    """The expression of the object whose method a call calls: ``nets[0]`` of ``nets[0].backward(x)``; else empty."""
    node = ast.parse(call, mode="eval").body
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return ast.unparse(node.func.value) if is_method else ""  # type: ignore[attr-defined]
