"""The question of calls that only a function of the script makes: the script runs up to one, and is asked about there.

What ``grads, loss = conv(x, y, params)`` is given inside ``train`` cannot be had from the names that a script leaves.
So the statement becomes one that keeps what is local there, and ends: the call, as it is written, has all it needs.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

from einbackprop.core.progress import in_time
from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python, replace_statements, root_of
from einbackprop.errors import ScriptError

from .arguments import Resolver, argument_of
from .candidates import gradient_functions
from .definitions import Definition, Script, script_of
from .flat_questions import Again
from .flattened import Rewriting
from .function_questions import FunctionSearch
from .invention import Term
from .opening import with_guards_open
from .proposal import Proposal
from .trials import Trials
from .updates import update_of

MOST = 4
"""How many calls are tried."""
KEPT = "kept_at"
KEEP = ("'kept_at' in globals() or globals().update({k: v for k, v in [*locals().items()] if not callable("
        "globals().get(k))}, kept_at=LINE); [].pop()")  # fmt: skip
"""Keeps what is local as global names, but for those of functions, once; and stops with an error."""


def of_calls(
    script: Script, source: str, again: Again, *, of_module: bool = False
) -> tuple[list[Proposal], list[Proposal]]:
    """What is asked by calls of functions that give gradients: of those in functions and under the guard, or of the
    module's own, whose names may stand for other things at its end.

    A proposal for the first that agrees with its loss; and, where none does, for the first that gives its loss as well.
    """
    unsure: list[Proposal] = []
    whole = with_guards_open(source)
    sites = [(call, statement) for call, statement, runs in calls_in(script) if runs is of_module]
    for _ in range(MOST if sites else 0):
        reached = None
        with suppress(ScriptError), again(stopped_at(whole, [statement for _, statement in sites])) as (names, _):
            reached = names.get(KEPT)
        here = [call for call, statement in sites if statement.lineno == reached]
        if not here:
            break
        text = stopped_at(whole, [statement for _, statement in sites if statement.lineno == reached])
        with suppress(ScriptError), again(text) as (names, _):
            for call in here:
                made = made_before(script, call)
                search = CallSearch(script_of(parse_python(text.text)), names, Trials(names), text.text, call, made)
                if (found := in_time("a call", search.asked, None)) is not None:
                    note = f"the script was run up to line {reached}: the call there is asked about"
                    found = replace(as_inner(found, script, [call]), source=text, notes=(note, *found.notes))
                    if found.is_likely:
                        return [found], []
                    unsure += [found] if found.question and found.question.both else []
        sites = [one for one in sites if one[1].lineno != reached]
    return [], unsure[:1]


def calls_in(script: Script) -> Iterator[tuple[ast.Call, ast.stmt, bool]]:
    """The calls of functions that give gradients which stand in functions that give none, under the guard, or outside,
    where an import runs them: that is said of each.
    """
    items = list(gradient_functions(script))
    names, inner = {item.name for item in items}, {id(item.node) for item in items}
    for call, statement, scope in script.sites:
        is_elsewhere = scope.function is None or id(scope.function.node) not in inner
        if callee(call) in names and is_elsewhere and not hasattr(statement, "body"):
            yield call, statement, scope.runs


def as_inner(found: Proposal, script: Script, calls: Sequence[ast.Call] = ()) -> Proposal:
    """A proposal, which is told to be of a part where a round computes all that it asks of before one of some calls, or
    any of the function that it asks about.
    """
    calls = calls or [call for call, *_ in script.sites if callee(call) == found.function]
    asked = found.question.wrt if found.question is not None else ()
    is_computed = any(all(root_of(one) in computed for one in asked)
                      for call in calls if (computed := computed_before(script, call)))  # fmt: skip
    return replace(found, is_inner=found.is_inner or is_computed)


def computed_before(script: Script, call: ast.Call) -> set[str]:
    """The names that the round of a loop binds before a call in it, such as ``h`` of ``h = layer(h)``: what is trained
    is bound before the loop, or updated after the call.
    """
    statement, scope = next((statement, scope) for one, statement, scope in script.sites if one is call)
    nodes = [node for item in (*scope.statements, *([scope.function.node] if scope.function else []))
             for node in ast.walk(item)]  # fmt: skip
    loops = [node for node in nodes if isinstance(node, ast.For | ast.While)
             and node.lineno < statement.lineno <= (node.end_lineno or 0)]  # fmt: skip
    return {target.id for loop in loops for node in ast.walk(loop)
            if isinstance(node, ast.Assign) and node.lineno < statement.lineno and update_of(node) is None
            for target in ast.walk(node) if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)}


def made_before(script: Script, call: ast.Call) -> dict[str, ast.Call]:
    """The names that statements before a call's, in its block, bind to what functions of the script give, as
    ``out = net.forward(x)`` does, and these calls.
    """
    statement, scope = next((statement, scope) for one, statement, scope in script.sites if one is call)
    blocks = [block for item in (*scope.statements, *([scope.function.node] if scope.function else []))
              for block in (getattr(item, "body", []), getattr(item, "orelse", [])) if statement in block]  # fmt: skip
    found: dict[str, ast.Call] = {}
    for one in blocks[0][: blocks[0].index(statement)] if blocks else ():
        if isinstance(one, ast.Assign) and isinstance(target := one.targets[0], ast.Name):
            found.pop(target.id, None)
            if isinstance(one.value, ast.Call) and any(script.functions(callee(one.value))):
                found[target.id] = one.value
    return found


def stopped_at(source: str, statements: Sequence[ast.stmt]) -> Rewriting:
    """The source with what keeps the local names, and stops, before simple statements, which say what is called what.
    """
    lines = source.splitlines()
    replace_statements(lines, {
        item: f"{KEEP.replace('LINE', str(item.lineno))}; {ast.unparse(item)}" for item in statements})
    return Rewriting("\n".join(lines) + "\n", frozenset(statement.lineno for statement in statements), KEPT)


@dataclass(frozen=True)
class CallSearch(FunctionSearch):
    """Looks for the question of a call as it is written, where all of its names are known.

    Attributes
    ----------
    written
        The call.
    made
        Names that it is given and that a call before it has bound, and these calls: what a forward gave there is of
        before what is asked about is changed.
    """

    written: ast.Call
    made: Mapping[str, ast.Call]

    def resolvers(self, inner: bool = False) -> Iterator[Resolver]:
        """The first way to find arguments; what the call gives parameters others of the same names are given too."""
        given, written = dict[str, Term](), dict[int, Term]()
        if (item := self.item) is not None:
            told = {name: argument_of(self.written, item, name) for name in item.parameters}
            given = {name: Term(ast.unparse(node)) for name, node in told.items() if node is not None}
            written = {id(item.node): Term(ast.unparse(self.written))}
        for resolver in itertools.islice(super().resolvers(inner), 1):
            made = replace(resolver, given=given, written=written)
            called = self.written.func.value if isinstance(self.written.func, ast.Attribute) else None
            if isinstance(called, ast.Name) and called.id in self.names:  # its other methods are of the same object
                made.prefer(called.id)
            yield made

    @cached_property
    def item(self) -> Definition | None:
        """The function or method that is called."""
        found = list(self.script.functions(callee(self.written)))
        if len(found) > 1 and isinstance(self.written.func, ast.Attribute):
            kind = type(self.trials((), ast.unparse(self.written.func.value)))
            bases = [base.__name__ for base in kind.__mro__]
            found = sorted((one for one in found if one.owner in bases), key=lambda one: bases.index(one.owner))
        return next(iter(found), None)

    def asked(self) -> Proposal | None:
        """What the call asks, unless that is a layer alone; of what calls before it make anew, where more gradients are
        those of the loss then.
        """
        found = self.of(self.item) if self.item is not None else None
        given = {node.id for node in ast.walk(self.written) if isinstance(node, ast.Name)} & self.made.keys()
        known, most = self._agreed(found)
        if self.item is not None and given and known < most:
            written = Anew(self.made).visit(parse_python(ast.unparse(self.written), "eval").body)
            other = replace(self, written=written).of(self.item)
            found = other if self._agreed(other)[0] > known else found
        return found if found is not None and found.question is not None and not found.question.forward else None


class Anew(ast.NodeTransformer):
    """Puts calls in the place of the names that they have bound."""

    def __init__(self, made: Mapping[str, ast.Call]) -> None:
        self.made = made

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The call that has bound a name, or the name."""
        return self.made.get(node.id, node) if isinstance(node.ctx, ast.Load) else node
