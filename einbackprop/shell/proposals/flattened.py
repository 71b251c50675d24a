"""A backward that stands in no function of its own, as one: a training loop at the top of a script, or inside ``fit``.

In goes the source of a script; out comes the same source in which one round of the loop, or the statements that make
the gradients, are the body of a function: every line of theirs stays where it was, so that what is said of a line holds
for the script. What is updated becomes a parameter, the first update becomes a return of the gradients.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeGuard

from einbackprop.core.records import dataclass
from einbackprop.core.source import callee, parse_python, replace_statements

from .candidates import LOSS
from .definitions import Definition, Scope, Script, is_guard, own_nodes, receiver_of, statements_in
from .updates import Gradient, updates_in


class Rewriting(NamedTuple):
    """A text that is run in a script's place, the lines of it that stand for nothing that the script has, and a name
    with which it ends where that is bound.
    """

    text: str
    added: frozenset[int] = frozenset()
    until: str = ""


@dataclass(frozen=True)
class Flat:
    """The statements that make gradients, and where they stand.

    Attributes
    ----------
    scope
        The module, its main guard, or a function.
    loop
        The loop of which they are a round; None where they stand in none.
    body
        The statements, in order, updates among them.
    gradients
    updates
        The updates in the body; what comes after the first one reads what it has changed, if ``goes_on``.
    goes_on
    carried
        What a round has of the one before, and what it reads of its function.
    guards
        What holds in a round that does something.
    """

    scope: Scope
    loop: ast.For | ast.While | None
    body: tuple[ast.stmt, ...]
    gradients: tuple[Gradient, ...]
    updates: tuple[ast.stmt, ...] = ()
    goes_on: bool = False
    carried: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()

    @property
    def is_named(self) -> bool:
        """Whether each gradient has a name of its own, so that no update has to be written otherwise, or what it
        updates stays under its name, so that no value tells.
        """
        return all(one.text.isidentifier() or one.is_kept for one in self.gradients)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of a function, which updates what it has gradients of: then that returns them."""
        return self.loop is None and self.scope.function is not None

    @property
    def returned(self) -> str:
        """What the function returns as it stands; empty where that is nothing."""
        function = self.scope.function
        found = [item.value for item in (function.node.body if function else ()) if isinstance(item, ast.Return)]
        is_nothing = not found or found[-1] is None or ast.unparse(found[-1]) == "None"
        return "" if is_nothing else ast.unparse(found[-1])  # type: ignore[arg-type]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The parameters of the function: names that the gradients are of, and, before them, the object of a method."""
        own = receiver_of(self.scope.function) if self.scope.function and self.scope.function.owner else ""
        held = any(one.of.startswith(f"{own}.") for one in self.gradients) if own else False
        return (*((own,) if held else ()), *(one.of for one in self.gradients if one.of.isidentifier()), *self.carried)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All that the statements consist of."""
        return tuple(node for item in self.body for node in ast.walk(item))

    @property
    def read(self) -> tuple[str, ...]:
        """The names that the statements read, in order."""
        return tuple(dict.fromkeys(node.id for node in self.nodes
                                   if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)))

    @property
    def updated(self) -> tuple[str, ...]:
        """What the rest of the loop takes something from, and of which there is no gradient among these."""
        rest = statements_in(self.loop.body) if self.loop is not None else ()
        taken = [ast.unparse(item.target) for item in rest
                 if isinstance(item, ast.AugAssign) and isinstance(item.op, ast.Sub)]  # fmt: skip
        return tuple(dict.fromkeys(text for text in taken if text not in {one.of for one in self.gradients}))

    @property
    def losses(self) -> tuple[str, ...]:
        """The names that the statements bind and that are called a loss, the last first; not those of differences."""
        bound = [name for item in self.body for name in names_bound(item)]
        return tuple(dict.fromkeys(
            name for name in reversed(bound) if LOSS.search(name) and name not in self.differences))

    @cached_property
    def differences(self) -> dict[str, str]:
        """The names of differences, which are no losses whatever they are called, each with what is taken from: in
        ``error = target - output`` the target.
        """
        return {target.id: ast.unparse(node.value.left) for node in self.nodes
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp)
                and isinstance(node.value.op, ast.Sub)
                for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip

    @cached_property
    def weights(self) -> dict[str, list[str]]:
        """What differences are multiplied by, if anything, by these: ``mask / n`` of ``d = (out - target) * mask / n``,
        or of ``d = out - target`` and ``d *= mask / n``; of a product that goes on its parts too.
        """
        named: dict[str, Product] = {}
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            target: ast.expr | None = None
            product: Product | None = None
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult | ast.Div):
                target = node.target
                read = ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else target
                product = product_of(ast.BinOp(read, node.op, node.value), named)
            elif isinstance(node, ast.Assign):
                target, product = node.targets[0], product_of(node.value, named)
            elif isinstance(node, ast.BinOp):
                product = product_of(node, named)
            if isinstance(target, ast.Name):
                named.pop(target.id, None)
                named |= {target.id: product} if product is not None else {}
            if product is not None and product.factors:
                found.setdefault(product.difference, []).append(product.factors)
        return found

    @property
    def values(self) -> tuple[str, ...]:
        """The names that the statements bind at their own level, the last first."""
        return tuple(dict.fromkeys(name for item in reversed(self.body) for name in names_bound(item)))


class Product(NamedTuple):
    """A difference and its other factors, as expressions; these are empty where there are none."""

    difference: str
    factors: str


def product_of(node: ast.expr, named: Mapping[str, Product]) -> Product | None:
    """The difference that an expression is a product of, through names; None of any other expression.

    >>> product_of(ast.parse("2 * (y - t) / n", mode="eval").body, {})
    Product(difference='y - t', factors='2 / n')
    """
    def factor(other: ast.expr) -> str:
        plain = ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.Constant
        return ast.unparse(other) if isinstance(other, plain) else f"({ast.unparse(other)})"

    match node:
        case ast.BinOp(_, ast.Sub(), _):
            return Product(ast.unparse(node), "")
        case ast.Name(name):
            return named.get(name)
        case ast.UnaryOp(ast.USub(), inner):
            return product_of(inner, named)
        case ast.BinOp(left, ast.Mult(), right):
            for inner, other in ((left, right), (right, left)):
                if (found := product_of(inner, named)) is not None:
                    return Product(found.difference, " * ".join(filter(None, (found.factors, factor(other)))))
        case ast.BinOp(left, ast.Div(), right):
            if (found := product_of(left, named)) is not None:
                return Product(found.difference, f"{found.factors or 1} / {factor(right)}")
    return None


def flat_parts(script: Script, tree: ast.Module) -> Iterator[Flat]:
    """The places of a script where gradients are made beside what uses them."""
    for scope in script.scopes:
        if scope.function is not None and scope.function.name.startswith("__"):
            continue
        own = {id(item) for item in scope.statements}
        for loop in scope.statements:
            if isinstance(loop, ast.For | ast.While) and not leaves_a_round(loop.body):
                found = _of_updates(scope, loop, loop.body) or _of_round(script, scope, loop)
                if found is not None:
                    yield found
        body = [item for item in top_level(scope, tree) if id(item) in own]
        both = (_of_updates(scope, None, body), _of_names(script, scope, body))
        if possible := [one for one in both if one is not None]:
            yield max(possible, key=lambda one: len(one.gradients))


def rounds(script: Script) -> Iterator[Flat]:
    """Every round of a loop, as far as it is not left, without what it may be that it makes."""
    for scope in script.scopes:
        if scope.function is not None and scope.function.name.startswith("__"):
            continue
        for loop in scope.statements:
            if isinstance(loop, ast.For | ast.While):
                whole, guards = guarded(loop)
                ends = next((n for n, item in enumerate(whole) if leaves_a_round([item])), len(whole))
                body = tuple(whole[:ends])
                if body and body[0].lineno > loop.lineno:
                    yield Flat(scope, loop, body, (), carried=carried_into(scope, body, loop), guards=guards)
        if scope.function is None and scope.statements:
            outer = [item for item in scope.statements if item.col_offset == scope.statements[0].col_offset]
            made = max((n for n, item in enumerate(outer) if makes_something(script, item)), default=-1)
            if body := tuple(outer[made + 1 :]):
                yield Flat(scope, None, body, (), carried=carried_into(scope, body))


def guarded(loop: ast.For | ast.While) -> tuple[Sequence[ast.stmt], tuple[str, ...]]:
    """The statements of a round that does something, ``if j == i: continue`` before them aside, and the conditions on
    the counters of which that is said.
    """
    body, guards = loop.body, list[str]()
    while isinstance(loop, ast.For) and isinstance(first := body[0], ast.If) and not first.orelse:
        if len(body) > 1 and len(first.body) == 1 and isinstance(first.body[0], ast.Continue):
            guards.append(f"not ({ast.unparse(first.test)})")
            body = body[1:]
        elif len(body) == 1:
            guards.append(f"({ast.unparse(first.test)})")
            body = first.body
        else:
            break
    return body, tuple(guards)


def makes_something(script: Script, statement: ast.stmt) -> bool:
    """Whether a statement binds an object of a class of the script, an array that is drawn or of zeros, or a module."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    calls = [node for node in own_nodes(statement) if isinstance(node, ast.Call)]
    return isinstance(statement, ast.Assign) and any(
        callee(node) in script.classes or BEGINS.search(ast.unparse(node.func)) for node in calls)  # fmt: skip


BEGINS = re.compile(r"random|rand|zeros|ones|eye|load|init|np\.array$|numpy\.array$")
"""What is called for arrays that statements begin with."""


def carried_into(
    scope: Scope, body: Sequence[ast.stmt], loop: ast.For | ast.While | None = None
) -> tuple[str, ...]:
    """The names that a round binds and that are bound before it; in a function, all that it reads of these."""
    inside = {id(item) for item in statements_in([loop] if loop is not None else body)}
    first = loop.lineno if loop is not None else body[0].lineno
    before = {name for item in scope.statements if id(item) not in inside and item.lineno < first
              for name in names_bound(item)}  # fmt: skip
    before |= set(function_names(scope.function)) if scope.function is not None else set()
    nodes = [node for item in body for node in ast.walk(item) if isinstance(node, ast.Name)]
    counted = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)} if isinstance(
        loop, ast.For) else set()  # fmt: skip
    kept = [node.id for node in nodes if scope.function is not None or isinstance(node.ctx, ast.Store)]
    return tuple(name for name in dict.fromkeys(kept) if name in before and name not in counted)


def function_names(function: Definition) -> Iterator[str]:
    """The names of all parameters of a function, that of the object of a method too."""
    formal = function.node.args
    yield from (item.arg for item in (*formal.posonlyargs, *formal.args, *formal.kwonlyargs))


def leaves_a_round(body: Sequence[ast.stmt]) -> bool:
    """Whether a ``continue``, a ``break`` or a ``return`` stands in the body of a loop."""
    left: list[ast.AST] = [*body]
    while left:
        node = left.pop()
        if isinstance(node, ast.Continue | ast.Break | ast.Return):
            return True
        if not isinstance(node, ast.For | ast.While | ast.FunctionDef | ast.Lambda):
            left += ast.iter_child_nodes(node)
    return False


def top_level(scope: Scope, tree: ast.Module) -> Sequence[ast.stmt]:
    """The statements of a scope that stand in no block of it."""
    if scope.function is not None:
        return scope.function.node.body
    if scope.runs:
        return tree.body
    return next((item.body for item in tree.body if is_guard(item) and isinstance(item, ast.If)), [])


def _of_updates(scope: Scope, loop: ast.For | ast.While | None, body: Sequence[ast.stmt]) -> Flat | None:
    """What stands before the last of the updates of a body."""
    updates = updates_in(body)
    if not any(gradient for _, gradient in updates):
        return None
    statements = tuple(item for item, _ in updates)
    last = statements[-1]
    between = [item for item in body if statements[0].lineno < item.lineno < last.lineno]
    goes_on = any(item not in statements and isinstance(item, ast.Assign | ast.AnnAssign) for item in between)
    gradients = {gradient.of: gradient for _, gradient in updates if gradient is not None}
    made = [item.lineno for item in body if item not in statements and gradients.keys() & {*names_bound(item)}]
    begun = max(made, default=0) if loop is None and scope.function is None else 0  # what is updated is given
    kept = tuple(item for item in body if begun < item.lineno <= last.lineno)
    has_more = any(item not in statements for item in kept)
    return Flat(scope, loop, kept, tuple(gradients.values()), statements, goes_on) if has_more else None


def _of_round(script: Script, scope: Scope, loop: ast.For | ast.While) -> Flat | None:
    """What stands before the last gradient of a round, where the names say what is a gradient."""
    inside = {id(item) for item in statements_in(loop.body)}
    before = [name for item in scope.statements if id(item) not in inside for name in names_bound(item)]
    known = (*before, *(scope.function.parameters if scope.function else ()))
    bound = [(name, item) for item in loop.body for name in names_bound(item)]
    gradients = {stem: name for name, _ in bound if (stem := script.stem_of(name, known))}
    if not gradients:
        return None
    last = last_made(loop.body, gradients.values())
    kept = tuple(item for item in loop.body if item.lineno <= last)
    return Flat(scope, loop, kept, tuple(Gradient(stem, name) for stem, name in gradients.items()))


def last_made(body: Sequence[ast.stmt], names: Collection[str]) -> int:
    """The line of the last of some statements that binds names, or adds to what they hold, in a loop of its own too."""
    return max(item.lineno for item in body for inner in statements_in([item])
               if not {*names}.isdisjoint((*names_bound(inner), *names_changed(inner))))  # fmt: skip


def names_changed(statement: ast.stmt) -> Iterator[str]:
    """The names of arrays into which a statement writes: ``dW[i] += d``, ``np.add.at(dE, i, d)``."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(
        statement, ast.AugAssign) else []  # fmt: skip
    call = statement.value if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
    if call is not None and ast.unparse(call.func).endswith(".at"):
        targets = call.args[:1]
    for target in targets:
        while isinstance(target, ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            yield target.id


def _of_names(script: Script, scope: Scope, body: Sequence[ast.stmt]) -> Flat | None:
    """What stands between the first statement that reads what there are gradients of and the last gradient."""
    bound = {name: item for item in body for name in names_bound(item)}
    gradients = {}
    for name in bound:
        stem = script.stem_of(name, tuple(other for other in bound if bound[other].lineno < bound[name].lineno))
        if stem is not None:
            gradients[stem] = name
    made_of = {stem: read_for(stem, bound) for stem in gradients}
    gradients = {stem: name for stem, name in gradients.items() if not made_of[stem] & gradients.keys()}
    if not gradients or scope.function is not None:
        return None
    made = max(bound[stem].lineno for stem in gradients)
    reads = [item for item in body if item.lineno > made]
    last = last_made(body, gradients.values())
    kept = tuple(item for item in reads if item.lineno <= last)
    if not kept:
        return None
    return Flat(scope, None, kept, tuple(Gradient(stem, name) for stem, name in gradients.items()))


def names_bound(statement: ast.stmt) -> list[str]:
    """The names that a statement binds itself, blocks inside it aside, and what comprehensions bind for themselves."""
    nodes = list(own_nodes(statement))
    inner = {id(node) for one in nodes if isinstance(one, ast.comprehension) for node in ast.walk(one.target)}
    return [node.id for node in nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in inner]  # fmt: skip


def read_for(name: str, bound: dict[str, ast.stmt]) -> set[str]:
    """The names that a value is made of, through those that they are made of."""
    found: set[str] = set()
    left = [name]
    while left:
        statement = bound.get(left.pop())
        read = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} if statement else set()
        left += [one for one in read - found - {name} if bound.get(one) is not statement]
        found |= read
    return found - {name}


def as_function(
    source: str, flat: Flat, name: str, first: str, *, script: Script | None = None, place: int = 0
) -> Rewriting:
    """The source with the flat part as a function of what its gradients are of, which returns something and them.

    Where a ``script`` is given, what its functions give that is handed on at once has a name there. The counters of a
    loop are those of its round number ``place``.

    A loop, or statements, in a function: that one then returns it, and the values that it begins with. What is all of a
    function stays one. Every line that stays has its number.
    """
    lines, tree = with_gradients(source.splitlines(), flat), ast.parse(source)
    named = with_names(lines, flat, script) if script is not None else set[int]()
    begin, last = flat.body[0].lineno, max(item.end_lineno or item.lineno for item in flat.body)
    head = f"def {name}({', '.join([*flat.arguments, *counters(flat, place)])}):"
    indent, body, added = margin_of(lines[begin - 1]), lines[begin - 1 : last], set[int]()
    if flat.loop is not None:
        margin = " " * flat.loop.col_offset
        kept = [*lines[: flat.loop.lineno - 1], margin + head, *[""] * (begin - flat.loop.lineno - 1)]
        added = {flat.loop.lineno}
    elif flat.is_whole:
        kept = lines[: begin - 1]
    else:
        kept, indent = with_room(lines[: begin - 1], indent, head), indent + 1
        body, added = [f" {line}" if line.strip() else line for line in body], {len(kept)}
    while body and not body[-1].strip():  # where an update stood
        body.pop()
    given = ", ".join([*filter(None, (first,)), *(one.name for one in flat.gradients)])
    has_numpy = "np." not in first or re.search(r"\bnumpy as np\b", source)  # usual losses are written with it
    after = [" " * indent + ("" if has_numpy else "import numpy as np; ") + f"return {given}"]
    if flat.loop is not None and flat.scope.function is not None:
        after.append(" " * flat.loop.col_offset + f"return {', '.join([name, *flat.arguments])}")
    elif flat.loop is not None and loops_around(flat.loop, tree):
        after.append(" " * flat.loop.col_offset + "break")  # an outer loop would wait for what comes after this one
    until = len(kept) + len(body)
    text = "\n".join([*kept, *body, *after, *tail_of(flat, tree, lines, until, len(after))]) + "\n"
    if flat.scope.function is None:
        text = executed(text, flat, tree)
    elif not flat.is_whole:
        text = without_uses(text, flat.scope.function)
    made = {one.update.lineno for one in flat.gradients if one.update is not None}  # the script has them otherwise
    return Rewriting(text, frozenset({*added, *made, *named, *range(until + 1, until + len(after) + 1)}))


def margin_of(line: str) -> int:
    """How far a line is indented; the statement that is meant need not be the first on it."""
    return len(line) - len(line.lstrip())


def loops_around(loop: ast.For | ast.While, tree: ast.Module) -> list[ast.For | ast.While]:
    """The loops in which a loop stands."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While) and any(
        item.lineno == loop.lineno for item in statements_in(node.body))]  # fmt: skip


def with_gradients(lines: Sequence[str], flat: Flat) -> list[str]:
    """The lines with the gradient of each update in its place; the update follows where later statements read it."""
    made, gradients = list(lines), {id(one.update): one for one in flat.gradients}
    texts: dict[ast.stmt, str] = {}
    for update in flat.updates:
        gradient = gradients.get(id(update))
        stays = [ast.unparse(update)] if flat.goes_on else []
        named = gradient is None or gradient.text.isidentifier()
        binds = [] if gradient is None or named else [f"{gradient.name} = {gradient.text}"]
        blank = "" if flat.goes_on or binds or update is not flat.body[0] else "pass"
        texts[update] = "; ".join([*binds, *stays]) or blank
    replace_statements(made, texts)
    return made


def with_names(lines: list[str], flat: Flat, script: Script) -> set[int]:
    """Give names to what is handed on at once, ``given = net.backward(y); optimizer.step(given)``, where it has the
    same order then; returns the lines.
    """
    found, taken = set[int](), {item.lineno for item in flat.updates}
    names = (name for n in itertools.count(1) if (name := f"given_{n}") not in script.words)
    for statement in statements_in(flat.body):
        call = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
        if not isinstance(call, ast.Call) or statement.lineno != statement.end_lineno or statement.lineno in taken:
            continue
        inner = next((item for item in call.args if isinstance(item, ast.Call)), None)
        before = call.args[: call.args.index(inner)] if inner is not None else []
        if inner is None or any(isinstance(node, ast.Call) for item in (call.func, *before) for node in ast.walk(item)):
            continue
        line = lines[statement.lineno - 1].encode()
        start, begin, end = statement.col_offset, inner.col_offset, inner.end_col_offset or 0
        if any(script.functions(callee(inner))) and not line[:start].strip():  # nothing stands before it
            given = next(names).encode()
            made = line[:start] + given + b" = " + line[begin:end] + b"; " + line[start:begin] + given + line[end:]
            lines[statement.lineno - 1] = made.decode()
            found.add(statement.lineno)
    return found


def tail_of(flat: Flat, tree: ast.Module, lines: Sequence[str], last: int, taken: int) -> list[str]:
    """What is kept after the flat part: definitions of a module, or all that comes after a function; the first lines
    that are not give room to those that are added.
    """
    function = flat.scope.function
    if function is not None:
        kept = set(range((function.node.end_lineno or last) + 1, len(lines) + 1))
    else:
        kinds = ast.FunctionDef | ast.ClassDef
        defined = [item for item in tree.body if isinstance(item, kinds) and item.lineno > last]
        kept = {line for item in defined for line in range(item.lineno, (item.end_lineno or item.lineno) + 1)}
    tail = [lines[line - 1] if line in kept else "" for line in range(last + 1, len(lines) + 1)]
    room = next((n for n, line in enumerate(tail) if line), len(tail))
    return tail[min(room, taken):]


def executed(text: str, flat: Flat, tree: ast.Module) -> str:
    """The text with the main guard open, where the flat part stands under it."""
    if flat.scope.runs:
        return text
    lines = text.splitlines()
    guard = next(item for item in tree.body if is_guard(item))
    lines[guard.lineno - 1] = "if True:"
    return "\n".join(lines) + "\n"


def with_room(lines: Sequence[str], margin: int, head: str) -> list[str]:
    """Lines with a head after them, and as many as before: one that is empty or a comment is left out, or two
    statements share a line, as near to the end as can be, so that the code says the same.
    """
    same = meaning(lines, margin)
    for n in range(len(lines) - 1, -1, -1):
        shorter = [*lines[:n], *lines[n + 1 :]]
        before = {lines[n - 1], lines[n - 1].partition("#")[0].rstrip()} if n else ()
        together = [[*lines[: n - 1], f"{one}; {lines[n].strip()}", *lines[n + 1 :]] for one in before]
        for kept in (shorter, *together):
            if same is not None and meaning(kept, margin) == same:
                return [*kept, " " * margin + head]
    return [*lines, " " * margin + head]


def meaning(lines: Sequence[str], margin: int) -> str | None:
    """What the first lines of a script say, a body with such a margin begun perhaps; None where that is no code."""
    try:
        return ast.dump(parse_python("\n".join([*lines, " " * margin + "pass"])))
    except SyntaxError:
        return None


def counters(flat: Flat, place: int) -> Iterator[str]:
    """Parameters for what a loop's target is in one of its rounds, of those that do something."""
    loop = flat.loop
    if not isinstance(loop, ast.For):
        return
    over, target = ast.unparse(loop.iter), ast.unparse(loop.target)
    if flat.guards:
        over = f"({target} for {target} in {over} if {' and '.join(flat.guards)})"
    first = f"next(one for n, one in enumerate({over}) if n == {place})" if place else f"next(iter({over}))"
    if isinstance(loop.target, ast.Name):
        yield f"{loop.target.id}={first}"
    elif isinstance(loop.target, ast.Tuple):
        for position, item in enumerate(loop.target.elts):
            parts = [item] if isinstance(item, ast.Name) else getattr(item, "elts", [])
            for inner, one in enumerate(parts):
                part = f"[{position}]" if one is item else f"[{position}][{inner}]"
                yield f"{ast.unparse(one)}={first}{part}"


def without_uses(text: str, function: Definition) -> str:
    """The text without the statements of the module that call a function, and those that read what they bind."""
    lines = text.splitlines()
    gone, uses = set[str](), list[ast.stmt]()
    body = ast.parse(text).body  # of blocks that are always run, what stands in them
    for item in [one for outer in body for one in (outer.body if is_open(outer) else [outer])]:
        if isinstance(item, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) or is_guard(item):
            continue
        nodes = [node for one in statements_in([item]) for node in own_nodes(one)]
        calls = item.lineno > function.node.lineno and any(  # what is called before has the name of another one
            isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == function.name for node in nodes)
        named = {node.id for node in nodes if isinstance(node, ast.Name)}
        bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        read = named - bound if isinstance(item, ast.Assign) else named
        if not calls and not read & gone:
            gone -= bound  # a name of something else from there on
        else:
            gone |= bound
            uses.append(item)
    replace_statements(lines, {item: "pass" if item.col_offset else "" for item in uses})
    return "\n".join(lines) + "\n"


def is_open(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether it is a block that is always run: ``if True:``, or ``if [rate := 0.1]:``."""
    return isinstance(statement, ast.If) and (isinstance(statement.test, ast.List) or (
        isinstance(statement.test, ast.Constant) and statement.test.value is True))
