"""Small changes of a statement, as people make mistakes: the other way round, the wrong name, a factor too few.

Nothing is known here of what a line computes. `repairing` tries them in the user's own code.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .rewriting import grown, omissions, with_nodes

OPERANDS = (ast.Name, ast.Attribute, ast.Subscript)
Node = ast.expr


@dataclass(frozen=True)
class Change:
    """A statement written otherwise.

    Attributes
    ----------
    message : str
        What was wrong, in words.
    statement : ast.stmt
    """

    message: str
    statement: Any


def ranks(statement: Any, known: Sequence[str]) -> list[Callable[[], Iterator[Change]]]:
    """Changes of a statement, the likeliest mistakes first.

    Parameters
    ----------
    statement : ast.stmt
        An assignment, a return, or a call.
    known : sequence of str
        The variables, entries and attributes at hand, as the code spells them.
    """
    return [
        lambda: of_assignment(statement),
        lambda: of_values(statement, turned, signs, comparisons, axes),
        lambda: of_values(statement, lambda value: others(value, known)),
        lambda: of_values(statement, left_out, numbers, neighbours),
        lambda: of_values(statement, lambda value: more_factors(value, known)),
        lambda: of_values(statement, lambda value: more_terms(value, known)),
    ]


def of_assignment(statement: Any) -> Iterator[Change]:
    """``+=`` for ``=`` and ``-=``, and the other way round."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, OPERANDS):
            yield Change("= where += is needed", ast.AugAssign(target, ast.Add(), statement.value))
    if isinstance(statement, ast.AugAssign):
        target = copy.deepcopy(statement.target)
        target.ctx = ast.Store()
        for operator, sign in ((ast.Add(), "+="), (ast.Sub(), "-=")):
            if type(statement.op) is not type(operator):
                yield Change(f"{sign} is needed here", ast.AugAssign(target, operator, statement.value))
        yield Change("= is needed here: nothing is to be added to what was there", ast.Assign([target], statement.value))


def of_values(statement: Any, *ways: Callable[[Node], Iterator[tuple[str, Node]]]) -> Iterator[Change]:
    """The statement with another value."""
    value = statement.value
    for way in ways:
        for message, changed in way(value):
            other = copy.deepcopy(statement)
            other.value = changed
            yield Change(message, other)


def places(value: Node, *kinds: type) -> Iterator[tuple[int, Any]]:
    """The nodes of an expression of some kinds, with their numbers; what is called is none, nor NumPy."""
    called = {id(node.func) for node in ast.walk(value) if isinstance(node, ast.Call)}
    inner = {id(n.value) for n in ast.walk(value) if isinstance(n, ast.Attribute)}
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, kinds) and id(node) not in called:
            module = isinstance(node, ast.Name) and (id(node) in inner or node.id in ("np", "numpy"))
            if not module and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                yield number, node


def turned(value: Node) -> Iterator[tuple[str, Node]]:
    """Operands transposed, or no longer, or in the other order."""
    for number, node in places(value, *OPERANDS, ast.Call, ast.BinOp):
        text = ast.unparse(node)
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield f"{ast.unparse(node.value)} must not be transposed here", with_nodes(value, {number: node.value})
        elif not isinstance(node, ast.BinOp):
            yield f"{text} must be transposed here", with_nodes(value, {number: attribute(node, "T")})
            call = ast.Call(attribute(node, "swapaxes"), [signed(-1), signed(-2)], [])
            yield f"the last two axes of {text} must be swapped here", with_nodes(value, {number: call})
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Sub | ast.Div):
            other: Node = ast.BinOp(node.right, node.op, node.left)
            yield f"{ast.unparse(other)} is needed, not {text}", with_nodes(value, {number: other})
        if isinstance(node, ast.Call) and len(node.args) >= 2:
            for n in range(len(node.args) - 1):
                args = [*node.args]
                args[n], args[n + 1] = args[n + 1], args[n]
                other = ast.Call(node.func, args, node.keywords)
                yield f"{ast.unparse(other)} is needed, not {text}", with_nodes(value, {number: other})


def signs(value: Node) -> Iterator[tuple[str, Node]]:
    """The other sign, of all or of a term."""
    swapped: dict[type, ast.operator] = {ast.Add: ast.Sub(), ast.Sub: ast.Add()}
    if not isinstance(value, ast.Tuple | ast.List | ast.Dict):
        yield "the sign is wrong", ast.UnaryOp(ast.USub(), value)
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.BinOp) and type(node.op) in swapped:
            other = ast.BinOp(node.left, swapped[type(node.op)], node.right)
            yield f"the sign of {ast.unparse(node.right)} is wrong", with_nodes(value, {number: other})
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield f"the sign of {ast.unparse(node.operand)} is wrong", with_nodes(value, {number: node.operand})


def comparisons(value: Node) -> Iterator[tuple[str, Node]]:
    """Another comparison."""
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            for operator in (ast.Gt(), ast.Lt(), ast.GtE(), ast.LtE(), ast.Eq(), ast.NotEq()):
                if type(operator) is not type(node.ops[0]):
                    other = ast.Compare(node.left, [operator], node.comparators)
                    yield f"{ast.unparse(other)} is needed, not {ast.unparse(node)}", with_nodes(value, {number: other})


def axes(value: Node) -> Iterator[tuple[str, Node]]:
    """A sum over another axis; a sum for a mean."""
    for number, node in enumerate(ast.walk(value)):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "axis":
                for axis in (0, 1, -1, -2, 2):
                    other = copy.deepcopy(node)
                    next(k for k in other.keywords if k.arg == "axis").value = signed(axis)
                    yield f"over axis {axis}, not {ast.unparse(keyword.value)}", with_nodes(value, {number: other})
        for n, argument in enumerate(node.args):
            if isinstance(argument, ast.Constant) and type(argument.value) is int or is_negative_number(argument):
                for axis in (0, 1, -1, -2, -3, 2):
                    args = [*node.args]
                    args[n] = signed(axis)
                    other = ast.Call(node.func, args, node.keywords)
                    yield f"{axis} is needed, not {ast.unparse(argument)}", with_nodes(value, {number: other})
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean"):
            name = "sum" if node.func.attr == "mean" else "mean"
            other = ast.Call(attribute(node.func.value, name), node.args, node.keywords)
            yield f"{name} is needed, not {node.func.attr}", with_nodes(value, {number: other})


def others(value: Node, known: Sequence[str]) -> Iterator[tuple[str, Node]]:
    """Another variable in the place of one."""
    for number, node in places(value, *OPERANDS):
        text = ast.unparse(node)
        for name in known:
            if name != text:
                yield f"{name} must stand here, not {text}", with_nodes(value, {number: parsed(name)})
    names = {node.id for _, node in places(value, ast.Name)}
    for name in names:
        found = [number for number, node in places(value, ast.Name) if node.id == name]
        for new in known if len(found) > 1 else ():
            if new != name:
                yield f"{new} must stand here, not {name}", with_nodes(value, dict.fromkeys(found, parsed(new)))


def left_out(value: Node) -> Iterator[tuple[str, Node]]:
    """One operand fewer."""
    for changed in omissions(value):
        yield "something here is too much", changed


def numbers(value: Node) -> Iterator[tuple[str, Node]]:
    """Another number, or twice or half of everything."""
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            for other in dict.fromkeys((node.value * 2, node.value / 2, node.value + 1, node.value - 1, 1, 2)):
                if other != node.value:
                    kept = int(other) if type(node.value) is int and other == int(other) else other
                    yield f"{kept} is needed, not {node.value}", with_nodes(value, {number: ast.Constant(kept)})
    yield "the factor 2 is missing", ast.BinOp(ast.Constant(2), ast.Mult(), value)
    yield "the factor 1/2 is missing", ast.BinOp(value, ast.Div(), ast.Constant(2))


def neighbours(value: Node) -> Iterator[tuple[str, Node]]:
    """The entry before, or after."""
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.BinOp):
            for operator, one in ((ast.Sub(), 1), (ast.Add(), 1)):
                other = ast.Subscript(node.value, ast.BinOp(node.slice, operator, ast.Constant(one)), node.ctx)
                yield f"{ast.unparse(other)} is needed, not {ast.unparse(node)}", with_nodes(value, {number: other})


def more_factors(value: Node, known: Sequence[str]) -> Iterator[tuple[str, Node]]:
    """The whole, a term of it or an operand times something, or divided by it."""
    every = [*terms(value), *(number for number, _ in places(value, *OPERANDS)), *calls(value)]
    nodes = list(ast.walk(value))
    for name in known:
        factors = [f"{name}", f"{name} * (1 - {name})", f"(1 - {name} ** 2)", f"({name} > 0)", f"(1 - {name})"]
        factors += [f"len({name})", f"{name}.shape[0]", f"{name}.shape[1]", f"{name}.size"]
        for factor in factors:
            operator = ast.Mult() if factor not in factors[-4:] else ast.Div()
            for number in dict.fromkeys(every):
                node = nodes[number]
                if isinstance(node, ast.expr):
                    times = "the factor" if isinstance(operator, ast.Mult) else "a division by"
                    yield f"{times} {factor} is missing", with_nodes(
                        value, {number: grown(node, operator, parsed(factor))}
                    )
        for number in dict.fromkeys(every):
            node = nodes[number]
            if isinstance(node, ast.expr):
                yield f"a division by {name} is missing", with_nodes(
                    value, {number: grown(node, ast.Div(), parsed(name))}
                )


def more_terms(value: Node, known: Sequence[str]) -> Iterator[tuple[str, Node]]:
    """One term more, perhaps times a number at hand."""
    if isinstance(value, ast.Tuple | ast.List | ast.Dict):
        return
    for name in known:
        for sign, operator in (("+", ast.Add()), ("-", ast.Sub())):
            for term in (name, *(f"{other} * {name}" for other in known if other != name), f"2 * {name}"):
                yield f"a term is missing: {sign} {term}", ast.BinOp(value, operator, parsed(term))


def terms(value: Node) -> Iterator[int]:
    """Where the whole and its terms are in a walk."""
    nodes = list(ast.walk(value))
    found: Collection[int] = {id(value)} if not isinstance(value, ast.Tuple | ast.List | ast.Dict) else {
        id(n) for n in ast.iter_child_nodes(value)
    }  # fmt: skip
    inside = {
        id(side) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        for side in (node.left, node.right)
    }  # fmt: skip
    yield from (number for number, node in enumerate(nodes) if id(node) in found or id(node) in inside)


def calls(value: Node) -> Iterator[int]:
    """Where calls, and what they are given, are in a walk."""
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Call):
            yield number


def parsed(text: str) -> Node:
    """An expression."""
    return ast.parse(text, mode="eval").body


def attribute(node: Node, name: str) -> ast.Attribute:
    """``node.name``."""
    return ast.Attribute(node, name, ast.Load())


def signed(number: int) -> Node:
    """A whole number as code."""
    return ast.Constant(number) if number >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-number))


def is_negative_number(node: ast.AST) -> bool:
    """Whether it is ``-1``, ``-2`` …."""
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
