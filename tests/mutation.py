"""Single edits of hand-written backpropagation, and what the check says of each.

`python tests/mutation.py [script…]` prints the table: how many edits change a gradient, how many of those are called
wrong for exactly the right gradients, have one finding, on the edited line.
"""

import ast
import contextlib
import copy
import linecache
import sys
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from mutation_scripts import SCRIPTS, Script

from einbackprop import nesting
from einbackprop.diagnosis.explaining import explain_mistakes
from einbackprop.tracing.tracer import record_pair

STEP = 1e-6


@dataclass(frozen=True)
class Mutant:
    """An edited script, the lines that were edited, and what each was and is."""

    source: str
    lines: tuple[int, ...]
    edit: str


# Generating


def mutants(script: Script) -> list[Mutant]:
    """Every single edit of the backward functions of a script, each source once."""
    tree = ast.parse(script.source)
    found: dict[str, Mutant] = {}
    for function in functions(tree, script.edited):
        arrays = names_in(function)
        for statement in statements(function):
            for edited in edits(statement, [n for n in arrays if arrays[n] < statement.lineno]):
                line = ast.unparse(edited)
                if line != ast.unparse(statement):
                    mutant = with_line(script.source, statement, line)
                    found.setdefault(mutant.source, mutant)
    return list(found.values())


def functions(tree: ast.Module, names: tuple[str, ...]) -> Iterator[ast.FunctionDef]:
    """The functions and methods of these names."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names)


def statements(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """The simple statements of a function that compute something."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and node.value is not None:
            unpacks = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
            if not unpacks and not (isinstance(node, ast.Assign) and "shape" in ast.unparse(node.value)
                                    and isinstance(node.value, ast.Subscript)):  # fmt: skip
                yield node


def names_in(function: ast.FunctionDef) -> dict[str, int]:
    """The variables of a function, and the line after which each is there."""
    found = {argument.arg: function.lineno for argument in function.args.args if argument.arg != "self"}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, node.lineno)
    return {name: line for name, line in found.items() if name not in ("values", "theta", "net", "layer", "parameters")}


def with_line(source: str, statement: ast.stmt, line: str) -> Mutant:
    """The source with a statement written otherwise, on one line."""
    lines = source.splitlines()
    before = lines[statement.lineno - 1]
    indent = before[: len(before) - len(before.lstrip())]
    lines[statement.lineno - 1 : statement.end_lineno] = [indent + line]
    return Mutant("\n".join(lines) + "\n", (statement.lineno,), f"{before.strip()} -> {line}")


def edits(statement: Any, names: list[str]) -> Iterator[Any]:
    """A statement with one thing different, in every way."""
    for new in expressions(statement.value, names, isinstance(statement, ast.Return)):
        changed = copy.deepcopy(statement)
        changed.value = new
        yield changed
    if isinstance(statement, ast.AugAssign):
        yield ast.Assign([copy.deepcopy(statement.target)], copy.deepcopy(statement.value), lineno=1)


def expressions(value: ast.expr, names: list[str], returned: bool) -> Iterator[ast.expr]:
    """An expression with one node different, in every way; then with a factor."""
    nodes = list(ast.walk(value))
    parents = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
    for n, node in enumerate(nodes):
        for new in replacements(node, parents.get(id(node)), names):
            duplicate = copy.deepcopy(value)
            target = list(ast.walk(duplicate))[n]
            yield Swap(target, new).visit(duplicate)
    if not (returned and isinstance(value, ast.List | ast.Tuple)):
        for text in ("-({})", "2 * ({})", "({}) / 2", "({}).T"):
            yield ast.parse(text.format(ast.unparse(value)), mode="eval").body


class Swap(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


def replacements(node: ast.AST, parent: ast.AST | None, names: list[str]) -> Iterator[ast.expr]:
    """What may stand in a node's place: every operand, transpose, factor, function, axis and name."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()) if name in names:
            yield from (ast.Name(other, ast.Load()) for other in names if other != name)
            if not (isinstance(parent, ast.Attribute) and parent.attr in ("T", "shape")):
                yield ast.Attribute(ast.Name(name, ast.Load()), "T", ast.Load())
        case ast.Attribute(value=inner, attr="T"):
            yield inner
        case ast.Attribute(value=inner, attr=("sum" | "mean") as name):
            yield ast.Attribute(inner, "mean" if name == "sum" else "sum", ast.Load())
        case ast.Attribute(value=ast.Name(id="np") as module, attr=("tanh" | "exp" | "sqrt" | "log") as name):
            yield from (ast.Attribute(module, other, ast.Load()) for other in ("tanh", "sqrt") if other != name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from (left, right)
            yield ast.BinOp(left, ast.Add(), right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield left
            yield ast.BinOp(left, ast.Mult(), right)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from (left, right)
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield from (left, right, ast.BinOp(right, ast.Sub(), left), ast.BinOp(left, ast.Add(), right))
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield ast.BinOp(right, ast.MatMult(), left)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as exponent)):
            yield from (left, ast.BinOp(left, ast.Pow(), ast.Constant(exponent + 1)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=0 | 1 as axis) if isinstance(parent, ast.keyword):
            yield ast.Constant(1 - axis)
        case ast.Constant(value=float() as number):
            yield ast.Constant(2 * number)
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=rest):
            yield ast.Compare(left, [ast.Lt()], rest)


# Running


class FailedError(Exception):
    """A mutant that raises: its shapes do not fit."""


def module_of(source: str, name: str) -> types.ModuleType:
    """The script as a module whose source can be read."""
    file = f"{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = types.ModuleType(name)
    module.__file__ = file
    exec(compile(source, file, "exec"), module.__dict__)
    return module


def wrong_parameters(script: Script, module: Any, original: Any, sizes: tuple[int, ...]) -> set[int] | None:
    """The gradients that are not those of the loss, by central differences; None where it raises.

    The differences are taken along random directions, one for each parameter.
    """
    rng = np.random.default_rng(5)
    arguments = original.build(rng, sizes)
    try:
        with np.errstate(all="ignore"):
            given = flat(module.gradients(*copy.deepcopy(arguments)))
    except Exception as error:
        raise FailedError(str(error)) from error
    wrong = set()
    for n, path in enumerate(script.wrt):
        array = nesting.get(arguments, path)
        gradient = np.asarray(given[n], dtype=float)
        if gradient.shape != array.shape:
            wrong.add(n)
            continue
        if not np.all(np.isfinite(gradient)):
            raise FailedError("it divides by 0")
        direction = rng.normal(size=array.shape)
        ends = [original.loss(*moved(arguments, path, sign * STEP * direction)) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * STEP)
        size = abs(slope) + np.abs(gradient * direction).sum()
        if not abs(slope - np.sum(gradient * direction)) <= 1e-6 * size + 1e-9:
            wrong.add(n)
    return wrong


def moved(arguments: Any, path: Any, change: Any) -> Any:
    return nesting.replaced(copy.deepcopy(arguments), path, nesting.get(arguments, path) + change)


def flat(nest: Any) -> list[Any]:
    """What is in lists and tuples, in order."""
    return [x for item in nest for x in flat(item)] if isinstance(nest, list | tuple) else [nest]


@dataclass(frozen=True)
class Outcome:
    """What the check said of a mutant, and what is so."""

    mutant: Mutant
    wrong: set[int]
    said: set[int]
    lines: tuple[int | None, ...]
    messages: tuple[str, ...]
    seconds: float

    @property
    def is_called_right(self) -> bool:
        """Whether exactly the wrong gradients are called wrong."""
        return self.wrong == self.said

    @property
    def is_named(self) -> bool:
        """Whether there is one finding for each edited line, on it."""
        return sorted(self.lines, key=str) == sorted(self.mutant.lines, key=str)


def judge(script: Script, mutant: Mutant) -> Outcome | None:
    """Check a mutant; None where it raises at equal sizes."""
    module, original = module_of(mutant.source, "mutant"), module_of(script.source, "original")
    try:
        wrong = wrong_parameters(script, module, original, script.equal) or set()
    except FailedError:
        return None
    with contextlib.suppress(FailedError):
        wrong |= wrong_parameters(script, module, original, script.distinct) or set()
    arguments = original.build(np.random.default_rng(1), script.equal)
    start = time.perf_counter()
    trace = record_pair(module.loss, module.gradients, arguments)
    program = trace.program
    by_path = {i.path: i.ref.name for i in program.inputs}
    outputs = flat(program.structure[1])
    targets = {outputs[n]: by_path[path] for n, path in enumerate(script.wrt)}
    arrays = [nesting.get(arguments, i.path) for i in program.inputs]
    _, findings, verdicts = explain_mistakes(program, targets, arrays, np.random.default_rng(2))
    seconds = time.perf_counter() - start
    said = {n for n, path in enumerate(script.wrt) if verdicts[by_path[path]] == "wrong"}
    return Outcome(mutant, wrong, said, tuple(f.line for f in findings), tuple(f.message for f in findings), seconds)


def pairs(script: Script, count: int, seed: int = 0) -> list[Mutant]:
    """Two edits at once, of two lines."""
    single = list(mutants(script))
    rng = np.random.default_rng(seed)
    found: list[Mutant] = []
    original = script.source.splitlines()
    while len(found) < count:
        first, second = (single[int(n)] for n in rng.choice(len(single), 2, replace=False))
        if first.lines == second.lines:
            continue
        lines = [*original]
        for mutant in (first, second):
            lines[mutant.lines[0] - 1] = mutant.source.splitlines()[mutant.lines[0] - 1]
        numbers = tuple(sorted(first.lines + second.lines))
        both = Mutant("\n".join(lines) + "\n", numbers, f"{first.edit}; {second.edit}")
        found.append(both)
    return found


def row(script: Script, outcomes: list[Outcome]) -> str:
    """One line of the table."""
    wrong = [o for o in outcomes if o.wrong]
    right = [o for o in outcomes if not o.wrong]
    called = sum(o.is_called_right for o in outcomes)
    named = sum(o.is_named for o in wrong)
    quiet = sum(not o.lines for o in right)
    slowest = max((o.seconds for o in outcomes), default=0)
    return (
        f"{script.name:<12} {len(outcomes):>6} {len(wrong):>6} {100 * called / max(1, len(outcomes)):>8.1f} "
        f"{100 * named / max(1, len(wrong)):>8.1f} {quiet:>4}/{len(right):<4} {slowest:>6.2f}"
    )


def main(names: list[str]) -> None:
    """Print the table, and what is not as it should be."""
    print(f"{'script':<12} {'edits':>6} {'wrong':>6} {'called %':>8} {'named %':>8} {'quiet':>9} {'slowest':>6}")
    for script in SCRIPTS:
        if names and script.name not in names:
            continue
        outcomes = [o for o in (judge(script, m) for m in mutants(script)) if o is not None]
        print(row(script, outcomes), flush=True)
        for o in outcomes:
            if not o.is_called_right or (o.wrong and not o.is_named) or (not o.wrong and o.lines):
                print("   ", o.mutant.lines, o.mutant.edit, "|", sorted(o.wrong), sorted(o.said), o.lines)
                print(*("        " + m[:150] for m in o.messages[:3]), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])

