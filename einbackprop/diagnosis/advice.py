"""How to write it: the user's own line with the one thing changed, in the user's own NumPy.

A line is only proposed if running it gives what it should: the line as it stands is run on the values of a draw first,
to see that they are the values it reads.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..program import Equation, Factor, Source, operands
from ..tracing.sizes import rational
from .aliases import code_of
from .edits import Edit
from .sampling import CLOSE, Array, Values
from .search import DERIVED, Search
from .spelling import spelled as spelled_on
from .spelling import variables
from .wording import Words

VALUES = (ast.Name, ast.Attribute, ast.Call)  # what can be transposed as it stands


def advise(edit: Edit, search: Search, words: Words) -> str | None:
    """The line to write instead; None where there is none that is sure to be right.

    Parameters
    ----------
    edit : Edit
    search : Search
        Of the step that the edit makes right.
    words : Words
    """
    own = search.judging.own_sample
    statement = statement_of(edit.edited.source)
    if statement is None or own is None:
        return None
    if edit.kind == "gather":
        return added_to(statement)
    line = words.line_of(edit.edited)
    end = words.end_of(line)
    names = namespace(line, search.base[own], search, words)
    yours = search.base[own].get(end)
    wanted = wanted_value(edit, search, own, end)
    if yours is None or wanted is None or not same(run(statement.value, names), yours):
        return None
    for changed in rewritten(statement, edit, words):
        value = changed.value
        assert isinstance(value, ast.expr)
        result = run(value, names)
        if same(result, wanted):
            return ast.unparse(changed)
    return None


def statement_of(source: Source | None) -> Any:
    """The statement of a line, if it computes something; None else."""
    try:
        statement = ast.parse(source.code if source else "").body[0]
    except (SyntaxError, IndexError):
        return None
    computes = isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) and statement.value is not None
    return statement if computes else None


def added_to(statement: ast.stmt) -> str | None:
    """``dW += …`` for ``dW = …``."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Name | ast.Subscript | ast.Attribute):
        return None
    return ast.unparse(ast.AugAssign(target, ast.Add(), statement.value))


def names_of(line: list[Equation]) -> set[str]:
    """The values that a line reads."""
    return {ref.name for equation in line for ref in operands(equation)}


def namespace(line: list[Equation], values: Values, search: Search, words: Words) -> dict[str, Any]:
    """What the names of a line stand for in the sample of the user's sizes; those of other values at hand for what is
    put there instead."""
    sizes = search.judging.program.sizes
    names: dict[str, Any] = {"np": np, "numpy": np}
    for name in (*search.pool, *names_of(line)):  # those that the line reads come last and stay
        if name in values:
            names[words.name(name)] = values[name]
    called = {name: words.name(name) for name in names_of(line)}
    for name, text in spelled_on(line, called, search.judging.made).items():
        if name in values and text.isidentifier():
            names[text] = values[name]
        elif name in values and text.startswith("self.") and text.count(".") == 1:
            setattr(names.setdefault("self", SimpleNamespace()), text.removeprefix("self."), values[name])
    for dimension in search.judging.program.dimensions:
        if dimension.name and dimension.name not in names:
            names[dimension.name] = sizes[dimension.letters[0]]
    return names


def wanted_value(edit: Edit, search: Search, n: int, end: str) -> Array | None:
    """What the line should give in a sample."""
    if end == search.name:
        return search.goal[n]
    return search.values_with(edit.by_name, n).get(end)


def run(expression: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression of the user's; None where it cannot be run on its own."""
    code = compile(ast.fix_missing_locations(ast.Expression(copy.deepcopy(expression))), "<line>", "eval")
    try:
        with np.errstate(all="ignore"):
            return eval(code, {"__builtins__": {}}, dict(names))
    except Exception:  # names that are not values, shapes that the trace has not kept
        return None


def same(result: Any, array: Array) -> bool:
    """Whether a result is an array's values, but for axes of size 1."""
    if result is None or isinstance(result, tuple | list) or np.size(result) != array.size:
        return False
    plain = np.reshape(np.asarray(result, dtype=np.float64), array.shape)
    return bool(np.abs(plain - array).max(initial=0) <= 10 * CLOSE * np.abs(array).max(initial=0))


# Rewriting


def rewritten(statement: Any, edit: Edit, words: Words) -> Iterator[Any]:
    """The statement with the edit made in its text: the ways to do it, the plainest first."""
    value = statement.value
    match edit.kind:
        case "replace":
            old, new = words.name(edit.old), words.name(edit.new)
            changes: Iterator[ast.expr] = renamings(value, old, new)
        case "transpose":
            changes = transposings(value, words.name(edit.old or edit.new))
        case "scale":
            changes = scalings(value, edit, words)
        case "drop" | "drop term":
            changes = omissions(value)
        case "insert":
            changes = (grown(value, ast.Mult(), factor) for factor in expressions(edit.new, words))
        case "term":
            sign = ast.Sub() if is_negative(edit.factor) else ast.Add()
            changes = (grown(value, sign, times(edit.factor, term)) for term in expressions(edit.new, words))
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


class Change(ast.NodeTransformer):
    """Replaces the nodes that are chosen by their place in the tree."""

    def __init__(self, chosen: Mapping[int, ast.expr]) -> None:
        self.chosen = chosen

    def visit(self, node: ast.AST) -> Any:
        """The node, or what stands in its place."""
        return self.chosen[id(node)] if id(node) in self.chosen else super().visit(node)


def with_nodes(tree: ast.expr, changes: Mapping[int, ast.expr]) -> ast.expr:
    """A copy of an expression in which some nodes, given by their position in a walk, are others."""
    duplicate = copy.deepcopy(tree)
    nodes = list(ast.walk(duplicate))
    changed: ast.expr = Change({id(nodes[n]): new for n, new in changes.items()}).visit(duplicate)
    return changed


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
    """A factor taken away where the line has it, or put there; a sum for a mean."""
    nodes = list(ast.walk(value))
    for n, node in enumerate(nodes):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not edit.factor.sizes:
            other_number = rational(node.value) * edit.factor.number
            if isinstance(other_number, Fraction):
                yield with_nodes(value, {n: plain_number(other_number)})
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield with_nodes(value, {n: copy.deepcopy(node.operand)})
        if isinstance(node, ast.Attribute) and node.attr in ("mean", "sum"):
            other = ast.Attribute(copy.deepcopy(node.value), "sum" if node.attr == "mean" else "mean", ast.Load())
            yield with_nodes(value, {n: other})
    yield from omissions(value)
    swapped = {ast.Add: ast.Sub(), ast.Sub: ast.Add()}
    for n, node in enumerate(nodes):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and edit.factor.number == -1:
            yield with_nodes(value, {n: ast.BinOp(copy.deepcopy(node.right), ast.Sub(), copy.deepcopy(node.left))})
        if isinstance(node, ast.BinOp) and type(node.op) in swapped and edit.factor.number == -1:
            other_sign = ast.BinOp(copy.deepcopy(node.left), swapped[type(node.op)], copy.deepcopy(node.right))
            yield with_nodes(value, {n: other_sign})
    if edit.factor.number == -1 and not edit.factor.sizes:
        yield ast.UnaryOp(ast.USub(), copy.deepcopy(value))
    for operator, amount in amounts(edit, words):
        yield grown(value, operator, amount)


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
        if name.isidentifier() and source is not None and is_known(name, source):
            yield operator, ast.Name(name, ast.Load())
        read = variables(source.code) if source else ()
        for ref in operands(edit.edited):
            if letter in ref.indices and words.name(ref.name) in read:
                axis = ref.indices.index(letter)
                yield operator, ast.parse(f"{words.name(ref.name)}.shape[{axis}]", mode="eval").body


def is_known(name: str, source: Source) -> bool:
    """Whether the function of a line has a variable before it, or was given it."""
    function = code_of(source.file).function_at(source.line)
    if function is None:
        return True
    arguments = function.args
    given = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    stored = {
        node.id for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < source.line
    }  # fmt: skip
    return name in given | stored


def omissions(value: ast.expr) -> Iterator[ast.expr]:
    """One operand of a product, quotient, sum or difference left out."""
    for n, node in enumerate(ast.walk(value)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Add | ast.Sub):
            yield with_nodes(value, {n: copy.deepcopy(node.left)})
            if isinstance(node.op, ast.Mult | ast.Add):
                yield with_nodes(value, {n: copy.deepcopy(node.right)})
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):  # h * (1 - h), both
            inner = node.left
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult):
                yield with_nodes(value, {n: copy.deepcopy(inner.left)})


def grown(value: ast.expr, operator: ast.operator, more: ast.expr) -> ast.expr:
    """The expression with one operand more; ``a * b`` grows by ``* c`` without parentheses."""
    return ast.BinOp(copy.deepcopy(value), operator, copy.deepcopy(more))


def expressions(name: str, words: Words) -> Iterator[ast.expr]:
    """A value as code."""
    text = words.value(name) if name in words.inline else words.name(name)
    plain = re.sub(r"\[[^\]=<≤]*\]", "", text).replace("²", "**2").replace(") (", ") * (")
    plain = re.sub(r"(?<=[\w)]) (?=[\w(])(?![-+])", " * ", plain) if name.startswith(DERIVED) else plain
    try:
        yield ast.parse(plain, mode="eval").body
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
