"""Every single edit of hand-written code, by one vocabulary of mistakes: `VOCABULARY` says what each kind replaces.

    name      another variable that is there at that line, or the variable transposed
    transpose a `.T` left out
    function  sum for mean, mean for sum, another of tanh, exp, sqrt and log
    product   an operand left out, + for *
    quotient  the divisor left out, * for /
    sum       a term left out, - for +; of a difference: a term left out, the order turned round, + for -
    matmul    the operands of @ the other way round
    power     the exponent left out, or one more
    sign      a minus left out
    axis      1 for 0, 0 for 1
    number    a number with a point, doubled
    relation  < for >
    letters   of the subscripts of an einsum, two neighbouring letters of one term exchanged; not where that says the
              same, if operands of one letter are `ones`
    whole     the value of a statement negated, doubled, halved, transposed; = for +=

Whatever tests need wrong code for draws it from here, or from the mistakes of `library`, whose effects are known.
"""

import ast
import copy
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

CONTAINERS = ("values", "theta", "net", "layer", "parameters", "activations")  # variables that are no arrays


@dataclass(frozen=True)
class Mutant:
    """Edited code, the lines that were edited, and what each was and is."""

    source: str
    lines: tuple[int, ...]
    edit: str


@dataclass(frozen=True)
class Place:
    """Where a node stands: in what, and which variables are there."""

    parent: ast.AST | None
    names: tuple[str, ...]


Replacements = Callable[[Any, Place], Iterator[ast.expr]]


# The vocabulary


def names(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.Name(id=name, ctx=ast.Load()) if name in place.names:
            yield from (ast.Name(other, ast.Load()) for other in place.names if other != name)
            if not (isinstance(place.parent, ast.Attribute) and place.parent.attr in ("T", "shape")):
                yield ast.Attribute(ast.Name(name, ast.Load()), "T", ast.Load())


def transposes(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.Attribute(value=inner, attr="T"):
            yield inner


def functions_called(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.Attribute(value=inner, attr=("sum" | "mean") as name):
            yield ast.Attribute(inner, "mean" if name == "sum" else "sum", ast.Load())
        case ast.Attribute(value=ast.Name(id="np") as module, attr=("tanh" | "exp" | "sqrt" | "log") as name):
            yield from (ast.Attribute(module, other, ast.Load()) for other in ("tanh", "sqrt") if other != name)


def products(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from (left, right, ast.BinOp(left, ast.Add(), right))


def quotients(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield from (left, ast.BinOp(left, ast.Mult(), right))


def sums(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from (left, right, ast.BinOp(left, ast.Sub(), right))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield from (left, right, ast.BinOp(right, ast.Sub(), left), ast.BinOp(left, ast.Add(), right))


def matmuls(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield ast.BinOp(right, ast.MatMult(), left)


def powers(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as exponent)):
            yield from (left, ast.BinOp(left, ast.Pow(), ast.Constant(exponent + 1)))


def signs(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand


def axes(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.Constant(value=0 | 1 as axis) if isinstance(place.parent, ast.keyword):
            yield ast.Constant(1 - axis)


def numbers(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.Constant(value=float() as number):
            yield ast.Constant(2 * number)


def relations(node: Any, place: Place) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=rest):
            yield ast.Compare(left, [ast.Lt()], rest)


def letters(node: Any, place: Place) -> Iterator[ast.expr]:
    match place.parent:
        case ast.Call(func=ast.Name(id="einsum") | ast.Attribute(attr="einsum"), args=[first, *_]) if node is first:
            changed = with_letters_exchanged(node.value)
            yield from (ast.Constant(text) for text in changed if not is_harmless(node.value, text))


def with_letters_exchanged(subscripts: str) -> Iterator[str]:
    """Subscripts with two letters of one operand, or of the output, exchanged."""
    terms = re.split(",|->", subscripts)
    for n, term in enumerate(terms):
        for at in range(len(term) - 1):
            if "." not in term and term[at] != term[at + 1]:
                changed = [*terms]
                changed[n] = term[:at] + term[at + 1] + term[at] + term[at + 2 :]
                yield ",".join(changed[:-1]) + "->" + changed[-1]


def is_harmless(subscripts: str, changed: str) -> bool:
    """Whether two subscripts say the same for all arrays, where an operand of one letter is `ones`."""
    rng = np.random.default_rng(0)
    terms = subscripts.split("->")[0].split(",")
    operands = [np.ones([3] * len(t)) if len(t) < 2 else rng.integers(1, 99, [3] * len(t)) for t in terms]
    return np.array_equal(np.einsum(subscripts, *operands), np.einsum(changed, *operands))


VOCABULARY: dict[str, Replacements] = {
    "name": names, "transpose": transposes, "function": functions_called, "product": products, "quotient": quotients,
    "sum": sums, "matmul": matmuls, "power": powers, "sign": signs, "axis": axes, "number": numbers,
    "relation": relations, "letters": letters,
}  # fmt: skip
ALL = (*VOCABULARY, "whole")


# The generator


def mutants(source: str, edited: Collection[str], kinds: Collection[str] = ALL) -> list[Mutant]:
    """Every single edit of some functions of a source, of some kinds, each source once."""
    found: dict[str, Mutant] = {}
    for function in functions(ast.parse(source), edited):
        there = variables(function)
        for statement in statements(function):
            for changed in edits(statement, tuple(n for n in there if there[n] < statement.lineno), kinds):
                line = ast.unparse(changed)
                if line != ast.unparse(statement):
                    mutant = with_line(source, statement, line)
                    found.setdefault(mutant.source, mutant)
    return list(found.values())


def functions(tree: ast.Module, names: Collection[str]) -> Iterator[ast.FunctionDef]:
    """The functions and methods of these names."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names)


def statements(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """The simple statements of a function that compute something."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return) and node.value is not None:
            unpacks = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
            if not unpacks and not (isinstance(node, ast.Assign) and "shape" in ast.unparse(node.value)
                                    and isinstance(node.value, ast.Subscript)):  # fmt: skip
                yield node


def variables(function: ast.FunctionDef) -> dict[str, int]:
    """The variables of a function, and the line after which each is there."""
    found = {argument.arg: function.lineno for argument in function.args.args if argument.arg != "self"}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, node.lineno)
    return {name: line for name, line in found.items() if name not in CONTAINERS}


def with_line(source: str, statement: ast.stmt, line: str) -> Mutant:
    """The source with a statement written otherwise, on one line."""
    lines = source.splitlines()
    before = lines[statement.lineno - 1]
    indent = before[: len(before) - len(before.lstrip())]
    lines[statement.lineno - 1 : statement.end_lineno] = [indent + line]
    return Mutant("\n".join(lines) + "\n", (statement.lineno,), f"{before.strip()} -> {line}")


def edits(statement: Any, there: tuple[str, ...], kinds: Collection[str]) -> Iterator[Any]:
    """A statement with one thing different, in every way."""
    for new in expressions(statement.value, there, isinstance(statement, ast.Return), kinds):
        changed = copy.deepcopy(statement)
        changed.value = new
        yield changed
    if isinstance(statement, ast.AugAssign) and "whole" in kinds:
        yield ast.Assign([copy.deepcopy(statement.target)], copy.deepcopy(statement.value), lineno=1)


def expressions(
    value: ast.expr, there: tuple[str, ...], returned: bool, kinds: Collection[str]
) -> Iterator[ast.expr]:
    """An expression with one node different, in every way; then with a factor."""
    nodes = list(ast.walk(value))
    parents = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
    for n, node in enumerate(nodes):
        place = Place(parents.get(id(node)), there)
        for new in (new for kind in VOCABULARY if kind in kinds for new in VOCABULARY[kind](node, place)):
            duplicate = copy.deepcopy(value)
            target = list(ast.walk(duplicate))[n]
            yield Swap(target, new).visit(duplicate)
    if "whole" in kinds and not (returned and isinstance(value, ast.List | ast.Tuple)):
        for text in ("-({})", "2 * ({})", "({}) / 2", "({}).T"):
            yield ast.parse(text.format(ast.unparse(value)), mode="eval").body


class Swap(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


def pairs(source: str, single: list[Mutant], count: int, seed: int = 0) -> list[Mutant]:
    """Two edits at once, of two lines, drawn from single edits."""
    rng = np.random.default_rng(seed)
    found: dict[str, Mutant] = {}
    original = source.splitlines()
    for _ in range(20 * count):
        first, second = (single[int(n)] for n in rng.choice(len(single), 2, replace=False))
        if first.lines != second.lines and len(found) < count:
            lines = [*original]
            for mutant in (first, second):
                lines[mutant.lines[0] - 1] = mutant.source.splitlines()[mutant.lines[0] - 1]
            numbers = tuple(sorted(first.lines + second.lines))
            both = Mutant("\n".join(lines) + "\n", numbers, f"{first.edit}; {second.edit}")
            found.setdefault(both.source, both)
    return list(found.values())
