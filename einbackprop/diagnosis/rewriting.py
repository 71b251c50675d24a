"""Other ways to write a line: its text with an edit made in it."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..capture.sizes import rational
from ..core.program import Factor, operands
from ..core.syntax import parse_python
from .edits import Edit
from .scoping import names_at
from .search import DERIVED
from .spelling import variables
from .wording import Words

VALUES = (ast.Name, ast.Attribute, ast.Call)  # what can be transposed as it stands


def rewritten(statement: Any, edit: Edit, words: Words) -> Iterator[Any]:
    """The statement with the edit made in its text: the ways to do it, the plainest first."""
    value = statement.value
    match edit.kind:
        case "replace":
            old, new = words.name(edit.old), words.on_line(edit.new, edit.edited)
            changes: Iterator[ast.expr] = renamings(value, old, new)
        case "transpose":
            changes = transposings(value, words.name(edit.old or edit.new))
        case "scale":
            changes = scalings(value, edit, words)
        case "drop" | "drop term":
            changes = (change for _, change in omissions(value))
        case "insert":
            changes = (grown(value, ast.Mult(), factor) for factor in expressions(edit, words))
        case "term":
            sign = ast.Sub() if is_negative(edit.factor) else ast.Add()
            changes = (grown(value, sign, times(edit.factor, term)) for term in expressions(edit, words))
        case "letters":
            changes = other_axes(value)
        case "function" | "parameter":
            changes = other_functions(value, edit.new)
        case _:
            changes = iter(())
    for change in changes:
        new_statement = copy.deepcopy(statement)
        new_statement.value = change
        yield new_statement


def is_negative(factor: Factor) -> bool:
    """Whether a term is subtracted."""
    return not isinstance(factor.number, complex) and factor.number < 0


def times(factor: Factor, term: ast.expr) -> ast.expr:
    """The term with the size of a plain factor: ``0.1 * W1``."""
    if factor.sizes or not isinstance(factor.number, Fraction) or abs(factor.number) == 1:
        return term
    return ast.BinOp(plain_number(abs(factor.number)), ast.Mult(), term)


def plain_number(number: Fraction) -> ast.expr:
    """A number as code."""
    return ast.Constant(int(number) if number.denominator == 1 else float(number))


def with_nodes(tree: ast.expr, changes: Mapping[int, ast.expr]) -> ast.expr:
    """An expression in which some nodes, given by their position in a walk, are others; the rest is shared with it."""
    nodes = list(ast.walk(tree))
    result: ast.expr = exchanged(tree, {id(nodes[n]): new for n, new in changes.items()})
    return result


def exchanged(node: Any, chosen: Mapping[int, ast.AST]) -> Any:
    """A node with others in the places of some under it."""
    if id(node) in chosen:
        return chosen[id(node)]
    changed = {}
    for name, value in ast.iter_fields(node):
        other = value
        if isinstance(value, ast.AST):
            other = exchanged(value, chosen)
        elif isinstance(value, list):
            items = [exchanged(item, chosen) if isinstance(item, ast.AST) else item for item in value]
            other = items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        if other is not value:
            changed[name] = other
    if not changed:
        return node
    result = copy.copy(node)
    for name, value in changed.items():
        setattr(result, name, value)
    return result


def places(tree: ast.expr, name: str) -> list[int]:
    """Where a value stands in an expression, under its name or as an attribute of that name."""
    return [n for n, node in enumerate(ast.walk(tree)) if spelled(node) == name]


def spelled(node: ast.AST) -> str | None:
    """The name of a variable."""
    return node.id if isinstance(node, ast.Name) else None


def renamings(value: ast.expr, old: str, new: str) -> Iterator[ast.expr]:
    """One name for another: everywhere, then at one place."""
    found = places(value, old)
    if found and new.isidentifier():
        fresh = ast.Name(new, ast.Load())
        yield with_nodes(value, dict.fromkeys(found, fresh))
        if len(found) > 1:
            yield from (with_nodes(value, {n: fresh}) for n in found)


def transposings(value: ast.expr, name: str) -> Iterator[ast.expr]:
    """``.T`` put after a value, or taken away; after any call else."""
    nodes = list(ast.walk(value))
    for n, node in enumerate(nodes):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield with_nodes(value, {n: copy.deepcopy(node.value)})
    named = [n for n, node in enumerate(nodes) if spelled(node) == name]
    for n in dict.fromkeys([*named, *(n for n, node in enumerate(nodes) if isinstance(node, VALUES))]):
        node = nodes[n]
        assert isinstance(node, ast.expr)
        yield with_nodes(value, {n: ast.Attribute(copy.deepcopy(node), "T", ast.Load())})


def scalings(value: ast.expr, edit: Edit, words: Words) -> Iterator[ast.expr]:
    """A sum for a mean, a factor taken away where the line has it, or put there."""
    nodes = list(ast.walk(value))
    for n, node in enumerate(nodes):
        if isinstance(node, ast.Attribute) and node.attr in ("mean", "sum"):
            other = ast.Attribute(copy.deepcopy(node.value), "sum" if node.attr == "mean" else "mean", ast.Load())
            yield with_nodes(value, {n: other})
    yield from (change for _, change in omissions(value))
    yield from other_numbers(value, edit)
    swapped = {ast.Add: ast.Sub(), ast.Sub: ast.Add()}
    for n, node in enumerate(nodes):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield with_nodes(value, {n: copy.deepcopy(node.operand)})
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and edit.factor.number == -1:
            yield with_nodes(value, {n: ast.BinOp(copy.deepcopy(node.right), ast.Sub(), copy.deepcopy(node.left))})
        if isinstance(node, ast.BinOp) and type(node.op) in swapped and edit.factor.number == -1:
            other_sign = ast.BinOp(copy.deepcopy(node.left), swapped[type(node.op)], copy.deepcopy(node.right))
            yield with_nodes(value, {n: other_sign})
    if edit.factor.number == -1 and not edit.factor.sizes:
        yield ast.UnaryOp(ast.USub(), copy.deepcopy(value))
    for operator, amount in amounts(edit, words):
        yield from scaled_parts(value, operator, amount)


def other_numbers(value: ast.expr, edit: Edit) -> Iterator[ast.expr]:
    """Another number in the place of one that the line has."""
    for n, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not edit.factor.sizes:
            other_number = rational(node.value) * edit.factor.number
            if isinstance(other_number, Fraction):
                yield with_nodes(value, {n: plain_number(other_number)})


def scaled_parts(value: ast.expr, operator: ast.operator, amount: ast.expr) -> Iterator[ast.expr]:
    """The whole times a factor, or one term of a sum, or what is read."""
    yield grown(value, operator, amount)
    nodes = list(ast.walk(value))
    terms = [id(x) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
             for x in (node.left, node.right)]  # fmt: skip
    for chosen in (True, False):
        for n, node in enumerate(nodes):
            if isinstance(node, ast.BinOp | ast.Name | ast.Call | ast.Attribute) and (id(node) in terms) == chosen:
                yield with_nodes(value, {n: grown(node, operator, amount)})


def amounts(edit: Edit, words: Words) -> Iterator[tuple[ast.operator, ast.expr]]:
    """A factor as code: ``/ batch_size``, ``* 2``, ``/ T.shape[0]``."""
    factor, number = edit.factor, edit.factor.number
    if not factor.sizes and not isinstance(number, complex):
        over = 1 / number if number else 0
        if over == int(over):
            yield ast.Div(), ast.Constant(int(over))
        yield ast.Mult(), ast.Constant(int(number) if number == int(number) else float(number))
    if len(factor.sizes) == 1 and number == 1 and abs(factor.sizes[0][1]) == 1:
        ((letter, power),) = factor.sizes
        operator = ast.Mult() if power == 1 else ast.Div()
        name = words.program.dimension(letter).name
        source = edit.edited.source
        if name.isidentifier() and name in names_at(source):
            yield operator, ast.Name(name, ast.Load())
        read = variables(source.code) if source else ()
        for ref in operands(edit.edited):
            if letter in ref.indices and words.name(ref.name) in read:
                axis = ref.indices.index(letter)
                yield operator, parse_python(f"{words.name(ref.name)}.shape[{axis}]", mode="eval").body


def omissions(value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """One operand of a product, quotient, sum or difference left out, and what that says."""
    signs = {ast.Mult: "*", ast.Div: "/", ast.Add: "+", ast.Sub: "-"}
    for number, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.BinOp) and type(node.op) in signs:
            sign = signs[type(node.op)]
            yield f"{sign} {ast.unparse(node.right)} is too much", with_nodes(value, {number: node.left})
            if sign in "*+":
                yield f"{ast.unparse(node.left)} {sign} is too much", with_nodes(value, {number: node.right})
            inner = node.left
            if sign == "*" and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult):  # h * (1 - h), both
                both = f"* {ast.unparse(inner.right)} * {ast.unparse(node.right)} is too much"
                yield both, with_nodes(value, {number: inner.left})


def grown(value: ast.expr, operator: ast.operator, more: ast.expr) -> ast.expr:
    """The expression with one operand more; ``a * b`` grows by ``* c`` without parentheses."""
    return ast.BinOp(copy.deepcopy(value), operator, copy.deepcopy(more))


def expressions(edit: Edit, words: Words) -> Iterator[ast.expr]:
    """The new value of an edit as code."""
    name = edit.new
    text = words.value(name) if name in words.inline else words.on_line(name, edit.edited)
    plain = re.sub(r"\[[^\]=<≤]*\]", "", text).replace("²", "**2").replace(") (", ") * (")
    plain = re.sub(r"(?<=[\w)]) (?=[\w(])(?![-+])", " * ", plain) if name.startswith(DERIVED) else plain
    try:
        yield parse_python(plain, mode="eval").body
    except SyntaxError:
        return


def other_axes(value: ast.expr) -> Iterator[ast.expr]:
    """A sum over another axis, over no axis, or over one where there was none."""
    for n, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.keyword) and node.arg == "axis":
            continue
        if isinstance(node, ast.Call):
            for k, keyword in enumerate(node.keywords):
                if keyword.arg == "axis":
                    for axis in (0, 1, -1, 2):
                        call = copy.deepcopy(node)
                        call.keywords[k].value = ast.Constant(axis)
                        yield with_nodes(value, {n: call})
            for k, argument in enumerate(node.args):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, int):
                    call = copy.deepcopy(node)
                    call.args[k] = ast.Constant(1 - argument.value)
                    yield with_nodes(value, {n: call})
    for axis in (0, 1):
        keyword = ast.keyword("axis", ast.Constant(axis))
        yield ast.Call(ast.Attribute(copy.deepcopy(value), "sum", ast.Load()), [], [keyword])


def other_functions(value: ast.expr, new: str) -> Iterator[ast.expr]:
    """Another function of NumPy's, or another exponent."""
    for n, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.Attribute) and hasattr(np, new) and isinstance(node.value, ast.Name):
            yield with_nodes(value, {n: ast.Attribute(copy.deepcopy(node.value), new, ast.Load())})
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            for exponent in (2, 3, -1, -2, 0.5, -0.5, -1.5):
                yield with_nodes(value, {n: ast.BinOp(copy.deepcopy(node.left), ast.Pow(), ast.Constant(exponent))})
            yield with_nodes(value, {n: copy.deepcopy(node.left)})
