"""A backward that stands in no function of its own, as one: a training loop at the top of a script, or inside ``fit``.

In goes the source of a script; out comes the same source in which one round of the loop, or the statements that make
the gradients, are the body of a function: every line of theirs stays where it was, so that what is said of a line holds
for the script. What is updated becomes a parameter, the first update becomes a return of the gradients.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .candidates import LOSS
from .definitions import Definition, Scope, Script, is_guard, own_nodes, receiver_of, statements_in

RATE = re.compile(r"lr|alpha|eta|learning_?rate|rate|step_?size|epsilon|gamma")
"""What people call the factor of an update."""
GRADIENT = re.compile(r"delta|grad|^d[A-Z_]|^d[a-z]\d?$|adjust|nabla")
"""What people call gradients in an update without a rate."""


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
        The statements, in order, up to the first that is left out.
    gradients
        What each gradient is of, as the code writes it (``W1``, ``self.w``), and the expression that it is.
    cut
        The line that the return takes; None for the line after the last one.
    """

    scope: Scope
    loop: ast.For | ast.While | None
    body: tuple[ast.stmt, ...]
    gradients: tuple[tuple[str, str], ...]
    cut: int | None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The parameters of the function: names that the gradients are of, and, before them, the object of a method."""
        own = receiver_of(self.scope.function) if self.scope.function and self.scope.function.owner else ""
        held = any(text.startswith(f"{own}.") for text, _ in self.gradients) if own else False
        return (*((own,) if held else ()), *(text for text, _ in self.gradients if text.isidentifier()))

    @property
    def losses(self) -> tuple[str, ...]:
        """The names that the statements bind and that are called a loss, the last first."""
        bound = [name for item in self.body for name in names_bound(item)]
        return tuple(dict.fromkeys(name for name in reversed(bound) if LOSS.search(name)))

    @property
    def values(self) -> tuple[str, ...]:
        """The names that the statements bind at their own level, the last first."""
        return tuple(dict.fromkeys(name for item in reversed(self.body) for name in names_bound(item)))


def flat_parts(script: Script, tree: ast.Module) -> Iterator[Flat]:
    """The places of a script where gradients are made beside what uses them."""
    for scope in script.scopes:
        if scope.function is not None and scope.function.name.startswith("__"):
            continue
        own = {id(item) for item in scope.statements}
        for loop in scope.statements:
            if isinstance(loop, ast.For | ast.While):
                found = _of_updates(scope, loop, loop.body) or _of_round(script, scope, loop)
                if found is not None:
                    yield found
        body = [item for item in top_level(scope, tree) if id(item) in own]
        if (found := _of_updates(scope, None, body) or _of_names(script, scope, body)) is not None:
            yield found


def top_level(scope: Scope, tree: ast.Module) -> Sequence[ast.stmt]:
    """The statements of a scope that stand in no block of it."""
    if scope.function is not None:
        return scope.function.node.body
    if scope.runs:
        return tree.body
    return next((item.body for item in tree.body if is_guard(item) and isinstance(item, ast.If)), [])


def _of_updates(scope: Scope, loop: ast.For | ast.While | None, body: Sequence[ast.stmt]) -> Flat | None:
    """What stands before the last of the updates of a body."""
    updates = [(item, found) for item in body if (found := update_of(item, scope)) is not None]
    bound_inside = {name for item in body for name in names_bound(item)} if loop is not None else set()
    updates = [(item, (target, gradient)) for item, (target, gradient) in updates
               if target not in bound_inside or isinstance(item, ast.AugAssign) or loop is not None]  # fmt: skip
    if not updates:
        return None
    first = updates[0][0]
    last = updates[-1][0]
    between = [item for item in body if first.lineno < item.lineno < last.lineno]
    interleaved = any(item not in [one for one, _ in updates] and assigns(item) for item in between)
    cut = last if interleaved else first
    kept = tuple(item for item in body if item.lineno < cut.lineno)
    gradients = {target: gradient for _, (target, gradient) in updates}
    return Flat(scope, loop, kept, tuple(gradients.items()), cut.lineno) if kept else None


def _of_round(script: Script, scope: Scope, loop: ast.For | ast.While) -> Flat | None:
    """What stands before the last gradient of a round, where the names say what is a gradient."""
    inside = {id(item) for item in statements_in(loop.body)}
    before = [name for item in scope.statements if id(item) not in inside for name in names_bound(item)]
    known = (*before, *(scope.function.parameters if scope.function else ()))
    bound = [(name, item) for item in loop.body for name in names_bound(item)]
    gradients = {stem: name for name, _ in bound if (stem := script.stem_of(name, known))}
    if not gradients:
        return None
    last = max(item.lineno for name, item in bound if name in gradients.values())
    kept = tuple(item for item in loop.body if item.lineno <= last)
    after = next((item for item in loop.body if item.lineno > last), None)
    return Flat(scope, loop, kept, tuple(gradients.items()), after.lineno if after else None)


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
    last = max(bound[name].lineno for name in gradients.values())
    kept = tuple(item for item in reads if item.lineno <= last)
    if not kept:
        return None
    return Flat(scope, None, kept, tuple(gradients.items()), None)


def update_of(statement: ast.stmt, scope: Scope) -> tuple[str, str] | None:
    """What a statement updates and by which gradient: ``("W", "dW")`` of ``W -= lr * dW`` or ``W = W - lr * dW``."""
    target: ast.expr
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Sub | ast.Add):
        target, change, minus = statement.target, statement.value, isinstance(statement.op, ast.Sub)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(
            statement.value, ast.BinOp) and isinstance(statement.value.op, ast.Sub) and (
            ast.unparse(statement.value.left) == ast.unparse(statement.targets[0])):
        target, change, minus = statement.targets[0], statement.value.right, True
    else:
        return None
    stripped = without_rate(change)
    if stripped is None or isinstance(stripped, ast.Constant):
        return None  # a counter
    names = [node.id if isinstance(node, ast.Name) else node.attr for node in ast.walk(change)
             if isinstance(node, ast.Name | ast.Attribute)]  # fmt: skip
    has_rate = any(map(RATE.fullmatch, names)) or (minus and stripped is not change)
    if not has_rate and not any(map(GRADIENT.search, names)):
        return None
    text = ast.unparse(stripped)
    return ast.unparse(target), text if minus else f"-({text})"


def without_rate(node: ast.expr) -> ast.expr | None:
    """A change without its learning rate: ``dW`` of ``lr * dW``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = without_rate(node.left), without_rate(node.right)
        if left is None or right is None:
            return right if left is None else left
        if left is node.left and right is node.right:
            return node
        return ast.BinOp(left, node.op, right)
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        return None if RATE.fullmatch(name) else node
    return None if isinstance(node, ast.Constant) and isinstance(node.value, float) else node


def names_bound(statement: ast.stmt) -> list[str]:
    """The names that a statement binds itself, blocks inside it aside."""
    return [node.id for node in own_nodes(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


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


def assigns(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign | ast.AnnAssign)


def as_function(source: str, flat: Flat, name: str, loss: str) -> str:
    """The source with the flat part as a function of what its gradients are of, which returns the loss and them.

    In a function, that one then returns it, and the values that it begins with.
    """
    lines = source.splitlines()
    tree = ast.parse(source)
    first, last = flat.body[0].lineno, max(item.end_lineno or item.lineno for item in flat.body)
    end = scope_end(flat, lines)
    returned = f"return {', '.join([loss, *(gradient for _, gradient in flat.gradients)])}"
    head = f"def {name}({', '.join([*flat.arguments, *counters(flat.loop)])}):"
    kept = lines[: first - 1]
    if flat.loop is not None:
        margin, indent = flat.loop.col_offset, flat.body[0].col_offset
        kept = [*lines[: flat.loop.lineno - 1], " " * margin + head, *[""] * (first - flat.loop.lineno - 1)]
        body = lines[first - 1 : last]
    else:
        margin, indent = flat.body[0].col_offset, flat.body[0].col_offset + 1
        kept = with_room(kept, margin, head)
        body = [f" {line}" if line.strip() else line for line in lines[first - 1 : last]]
    after = [" " * indent + returned]
    if flat.scope.function is not None:
        outer = flat.scope.function.node.body[0].col_offset
        after.append(" " * outer + f"return {', '.join([name, *flat.arguments])}")
    rest = lines[end:] if flat.scope.function is not None else definitions_in(tree, lines, last)
    blank = [""] * max(0, end - last - len(after)) if flat.scope.function is not None else []
    made = [*kept, *body, *after, *blank, *rest]
    text = "\n".join(made) + "\n"
    return without_uses(text, flat.scope.function) if flat.scope.function is not None else executed(text, flat, tree)


def executed(text: str, flat: Flat, tree: ast.Module) -> str:
    """The text with the main guard open, where the flat part stands under it."""
    if flat.scope.runs:
        return text
    lines = text.splitlines()
    guard = next(item for item in tree.body if is_guard(item))
    lines[guard.lineno - 1] = "if True:"
    return "\n".join(lines) + "\n"


def scope_end(flat: Flat, lines: Sequence[str]) -> int:
    """The last line of the scope."""
    function = flat.scope.function
    return len(lines) if function is None else function.node.end_lineno or len(lines)


def with_room(lines: Sequence[str], margin: int, head: str) -> list[str]:
    """Lines with a head in the last one, which is empty or a comment; else two statements before it share a line."""
    kept = list(lines)
    if kept and (not kept[-1].strip() or kept[-1].lstrip().startswith("#")):
        return [*kept[:-1], " " * margin + head]
    if len(kept) > 1 and kept[-2].strip():
        kept[-2:] = [f"{kept[-2]}; {kept[-1].strip()}"]
    return [*kept, " " * margin + head]


def counters(loop: ast.For | ast.While | None) -> Iterator[str]:
    """Parameters for what a loop's target is in its first round."""
    if not isinstance(loop, ast.For):
        return
    first = f"next(iter({ast.unparse(loop.iter)}))"
    if isinstance(loop.target, ast.Name):
        yield f"{loop.target.id}={first}"
    elif isinstance(loop.target, ast.Tuple):
        for position, item in enumerate(loop.target.elts):
            places = [item] if isinstance(item, ast.Name) else getattr(item, "elts", [])
            for inner, one in enumerate(places):
                place = f"[{position}]" if one is item else f"[{position}][{inner}]"
                yield f"{ast.unparse(one)}={first}{place}"


def definitions_in(tree: ast.Module, lines: Sequence[str], after: int) -> list[str]:
    """The functions and classes of a module that are defined after a line."""
    return [line for item in tree.body if isinstance(item, ast.FunctionDef | ast.ClassDef) and item.lineno > after
            for line in lines[item.lineno - 1 : item.end_lineno]]  # fmt: skip


def without_uses(text: str, function: Definition) -> str:
    """The text without the statements of the module that call a function, and those that read what they bind."""
    lines = text.splitlines()
    gone: set[str] = set()
    for item in ast.parse(text).body:
        if isinstance(item, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) or is_guard(item):
            continue
        nodes = [node for one in statements_in([item]) for node in own_nodes(one)]
        calls = any(isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == function.name
                    for node in nodes)  # fmt: skip
        if calls or any(isinstance(node, ast.Name) and node.id in gone for node in nodes):
            gone |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            lines[item.lineno - 1 : item.end_lineno] = [""] * ((item.end_lineno or item.lineno) - item.lineno + 1)
    return "\n".join(lines) + "\n"
