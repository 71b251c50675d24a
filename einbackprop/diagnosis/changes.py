"""Small changes of a statement, as people make mistakes: the other way round, the wrong name, a factor too few.

Nothing is known here of what a line computes. `repairing` tries them in the user's own code.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ..core.syntax import parse_python
from .rewriting import grown, omissions, with_nodes

OPERANDS = (ast.Name, ast.Attribute, ast.Subscript)
Node = ast.expr
NO_VALUES = ("np", "numpy", "self", "math")
NEAR = 6  # names that stand in a line, or were made last: they are tried first


@dataclass(frozen=True)
class Hand:
    """What a function has at hand, as its code spells it: arrays, numbers, and functions of one argument."""

    arrays: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """Arrays and numbers."""
        return self.arrays + self.numbers


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


def ranks(statement: Any, hand: Hand) -> list[Callable[[], Iterator[Change]]]:
    """Changes of a statement, the likeliest mistakes first.

    Parameters
    ----------
    statement : ast.stmt
        An assignment, a return, or a call.
    hand : Hand
    """
    return [
        lambda: of_assignment(statement),
        lambda: of_values(statement, turned, signs, comparisons, axes),
        lambda: of_values(statement, lambda value: others(value, hand)),
        lambda: of_values(statement, omissions, numbers, neighbours, lambda value: other_forms(value, hand)),
        lambda: of_values(statement, lambda value: more_factors(value, hand)),
        lambda: of_values(statement, lambda value: more_terms(value, hand)),
    ]


def of_assignment(statement: Any) -> Iterator[Change]:
    """``+=`` for ``=`` and ``-=``, and the other way round; another comparison where it is said what is written to."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
            yield Change("= where += is needed", ast.AugAssign(target, ast.Add(), statement.value))
        if isinstance(target, ast.Subscript):
            for message, place in comparisons(target.slice):
                other = ast.Subscript(target.value, place, ast.Store())
                yield Change(message, ast.Assign([other], statement.value))
    if isinstance(statement, ast.AugAssign | ast.Expr):
        yield Change("this line is too much", ast.Pass())
    if isinstance(statement, ast.AugAssign):
        target = copy.deepcopy(statement.target)
        for operator, sign in ((ast.Add(), "+="), (ast.Sub(), "-=")):
            if type(statement.op) is not type(operator):
                yield Change(f"{sign} is needed here", ast.AugAssign(target, operator, statement.value))
        yield Change("= is needed here: nothing is to be added to", ast.Assign([target], statement.value))
        if isinstance(target, ast.Subscript) and isinstance(statement.op, ast.Add):
            call = ast.Call(parsed("np.add.at"), [parsed(ast.unparse(target.value)), target.slice, statement.value], [])
            yield Change("an index that stands twice is added once by +=; np.add.at adds each", ast.Expr(call))


def of_values(statement: Any, *ways: Callable[[Node], Iterator[tuple[str, Node]]]) -> Iterator[Change]:
    """The statement with another value."""
    value = statement.value
    for way in ways:
        for message, changed in way(value):
            yield Change(message, with_value(statement, changed))


def with_value(statement: Any, value: Node) -> Any:
    """A statement with another value."""
    other = copy.copy(statement)
    other.value = value
    return other


def places(value: Node, *kinds: type) -> Iterator[tuple[int, Any]]:
    """The nodes of an expression of some kinds, with their numbers; what is called is none, nor NumPy."""
    called = {id(node.func) for node in ast.walk(value) if isinstance(node, ast.Call)}
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, kinds) and id(node) not in called:
            module = isinstance(node, ast.Name) and node.id in NO_VALUES
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
    """A sum over another axis, or over one only; a sum for a mean, and where there is none."""
    for number, node in enumerate(ast.walk(value)):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "axis":
                for axis in (0, 1, -1, -2, 2):
                    said = f"over axis {axis}, not {ast.unparse(keyword.value)}"
                    yield said, with_nodes(value, {number: with_keyword(node, "axis", signed(axis))})
            if keyword.arg == "keepdims":
                kept = ast.Call(node.func, node.args, [k for k in node.keywords if k is not keyword])
                yield "leave out keepdims", with_nodes(value, {number: kept})
        for n, argument in enumerate(node.args):
            whole = isinstance(argument, ast.Constant) and type(argument.value) is int
            if whole or is_negative_number(argument):
                for axis in (0, 1, -1, -2, -3, 2):
                    args = [*node.args]
                    args[n] = signed(axis)
                    other = ast.Call(node.func, args, node.keywords)
                    yield f"{axis} is needed, not {ast.unparse(argument)}", with_nodes(value, {number: other})
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean"):
            name = "sum" if node.func.attr == "mean" else "mean"
            other = ast.Call(attribute(node.func.value, name), node.args, node.keywords)
            yield f"{name} is needed, not {node.func.attr}", with_nodes(value, {number: other})
            if not any(k.arg == "axis" for k in node.keywords):
                for axis in (0, 1, -1):
                    narrower = with_keyword(node, "axis", signed(axis))
                    yield f"over axis {axis} only", with_nodes(value, {number: narrower})
            elif not any(k.arg == "keepdims" for k in node.keywords):
                kept = with_keyword(node, "keepdims", ast.Constant(True))
                yield "keepdims=True is missing", with_nodes(value, {number: kept})
    for axis in (0, 1, -1):
        if not isinstance(value, ast.Tuple | ast.List | ast.Dict):
            call = ast.Call(attribute(value, "sum"), [], [ast.keyword("axis", signed(axis))])
            yield f"the sum over axis {axis} is missing", call


def others(value: Node, hand: Hand) -> Iterator[tuple[str, Node]]:
    """Another variable in the place of one, everywhere in that of one, two the other way round; another function."""
    spelled: dict[str, list[int]] = {}
    for number, node in places(value, *OPERANDS, ast.BinOp, ast.Call, ast.Constant):
        text = ast.unparse(node)
        if isinstance(node, OPERANDS):
            spelled.setdefault(text, []).append(number)
        constant = isinstance(node, ast.Constant) and node.value is not None
        for name in hand.numbers if constant else hand.values:
            if name != text:
                yield f"{name} must stand here, not {text}", with_nodes(value, {number: parsed(name)})
        inner = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        for function in hand.functions:
            if inner in hand.functions and function != inner:
                other: Node = ast.Call(parsed(function), node.args, node.keywords)
                yield f"{function} is needed, not {inner}", with_nodes(value, {number: other})
            if inner != function and not isinstance(node, ast.Constant):
                other = ast.Call(parsed(function), [node], [])
                yield f"{function} of {text} is needed", with_nodes(value, {number: other})
    if isinstance(value, ast.Tuple | ast.List):
        for name in hand.arrays:
            for n in range(len(value.elts) + 1):
                items = [*value.elts[:n], parsed(name), *value.elts[n:]]
                yield f"{name} is missing here", type(value)(items, value.ctx)
    for text, found in spelled.items():
        for name in hand.values if len(found) > 1 else ():
            if name != text:
                yield f"{name} must stand here, not {text}", with_nodes(value, dict.fromkeys(found, parsed(name)))
    for one, two in combinations(spelled, 2):
        exchanged = dict.fromkeys(spelled[one], parsed(two)) | dict.fromkeys(spelled[two], parsed(one))
        yield f"{one} and {two} stand the wrong way round", with_nodes(value, exchanged)


def numbers(value: Node) -> Iterator[tuple[str, Node]]:
    """Another number, or twice or half of everything."""
    for place, node in enumerate(ast.walk(value)):
        held = node.value if isinstance(node, ast.Constant) else None
        if isinstance(held, int | float) and not isinstance(held, bool):
            for other in dict.fromkeys((held * 2, held / 2, held + 1, held - 1, 1, 2)):
                if other != held:
                    kept = int(other) if isinstance(held, int) and other == int(other) else other
                    yield f"{kept} is needed, not {held}", with_nodes(value, {place: ast.Constant(kept)})
    yield "the factor 2 is missing", ast.BinOp(ast.Constant(2), ast.Mult(), value)
    yield "the factor 1/2 is missing", ast.BinOp(value, ast.Div(), ast.Constant(2))


def neighbours(value: Node) -> Iterator[tuple[str, Node]]:
    """The entry before, or after."""
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.BinOp):
            for operator, one in ((ast.Sub(), 1), (ast.Add(), 1)):
                other = ast.Subscript(node.value, ast.BinOp(node.slice, operator, ast.Constant(one)), node.ctx)
                yield f"{ast.unparse(other)} is needed, not {ast.unparse(node)}", with_nodes(value, {number: other})


def more_factors(value: Node, hand: Hand) -> Iterator[tuple[str, Node]]:
    """The whole, a term of it or an operand times something, or divided by it."""
    every = dict.fromkeys([*terms(value), *(n for n, _ in places(value, *OPERANDS, ast.Call, ast.BinOp))])
    nodes = list(ast.walk(value))
    for times, factor in factors(hand):
        operator, said = (ast.Mult(), "the factor") if times else (ast.Div(), "a division by")
        for number in every:
            node = nodes[number]
            if isinstance(node, ast.expr):
                changed = with_nodes(value, {number: grown(node, operator, parsed(factor))})
                yield f"{said} {factor} is missing", changed


def factors(hand: Hand) -> Iterator[tuple[bool, str]]:
    """Whether to multiply or to divide, and by what: sizes, what is at hand, and derivatives by it."""
    for name in hand.arrays[:NEAR]:
        yield from ((True, name), (False, name))
    for name in hand.numbers:
        yield from ((False, name), (True, name), (False, f"np.sqrt({name})"))
    for name in hand.arrays:
        yield from ((False, f"len({name})"), (False, f"{name}.shape[0]"), (False, f"{name}.shape[1]"))
        yield from ((False, f"{name}.shape[-1]"), (False, f"{name}.size"), (True, name))
        yield from ((True, form) for form in forms(name))
        yield from ((True, f"(1 - {name})"), (False, name), (False, f"np.exp({name})"), (True, f"np.exp({name})"))
        yield from ((True, f"{function}({name})") for function in hand.functions)


def other_forms(value: Node, hand: Hand) -> Iterator[tuple[str, Node]]:
    """The derivative of another function, spelled by what that function gave."""
    for number, node in places(value, *OPERANDS, ast.BinOp, ast.Compare):
        text = ast.unparse(node)
        for name in hand.arrays:
            for form in forms(name):
                if form.strip("()") != text:
                    yield f"{form} is needed, not {text}", with_nodes(value, {number: parsed(form)})


def forms(name: str) -> tuple[str, ...]:
    """Derivatives of the sigmoid, of tanh and of relu, by what they gave."""
    return (f"{name} * (1 - {name})", f"(1 - {name} ** 2)", f"({name} > 0)")


def more_terms(value: Node, hand: Hand) -> Iterator[tuple[str, Node]]:
    """One term more, perhaps times a number at hand."""
    if isinstance(value, ast.Tuple | ast.List | ast.Dict):
        return
    for name in hand.arrays:
        multiples = [name, f"2 * {name}"]
        for number in hand.numbers:
            multiples += [f"{number} * {name}", f"2 * {number} * {name}", f"{name} / {number}"]
        for term in multiples:
            for sign, operator in (("+", ast.Add()), ("-", ast.Sub())):
                yield f"a term is missing: {sign} {term}", ast.BinOp(value, operator, parsed(term))


def terms(value: Node) -> Iterator[int]:
    """Where the whole and its terms are in a walk."""
    nodes = list(ast.walk(value))
    several = isinstance(value, ast.Tuple | ast.List | ast.Dict)
    found = {id(node) for node in ast.iter_child_nodes(value)} if several else {id(value)}
    inside = {
        id(side) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        for side in (node.left, node.right)
    }  # fmt: skip
    yield from (number for number, node in enumerate(nodes) if id(node) in found or id(node) in inside)


def with_keyword(call: ast.Call, name: str, value: Node) -> ast.Call:
    """A call with an argument of that name."""
    return ast.Call(call.func, call.args, [*(k for k in call.keywords if k.arg != name), ast.keyword(name, value)])


def parsed(text: str) -> Node:
    """An expression."""
    return parse_python(text, mode="eval").body


def attribute(node: Node, name: str) -> ast.Attribute:
    """``node.name``."""
    return ast.Attribute(node, name, ast.Load())


def signed(number: int) -> Node:
    """A whole number as code."""
    return ast.Constant(number) if number >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-number))


def is_negative_number(node: ast.AST) -> bool:
    """Whether it is ``-1``, ``-2`` …."""
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
