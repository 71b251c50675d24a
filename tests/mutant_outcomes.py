"""What the check says of a mutant of a hand-written script, and what is so.

`python tests/mutant_outcomes.py [script…]` prints the table: how many edits change a gradient; how many are called
wrong for exactly the gradients that they change; how many have one finding, on the edited line; and of how many that
finding's `expected` is what stood there before, or equal to it: its text, evaluated at the values that the original
script had on that line, is what the original line gave.
"""

import argparse
import ast
import contextlib
import copy
import itertools
import linecache
import re
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from formula_values import UnreadableError, formula_value, size_letters
from library import GENERATED, Generated, exercise
from mutants import Mutant, functions, mutants, pairs, statements

from einbackprop.capture.tracer import record_pair
from einbackprop.checking.records import Finding
from einbackprop.core import nesting
from einbackprop.diagnosis.explaining import explain_mistakes

STEP = 1e-6


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


def wrong_parameters(script: Generated, module: Any, original: Any, sizes: tuple[int, ...]) -> set[int] | None:
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
class LineRun:
    """One run of a line of the original script: the values at hand, what the line gave, and what it passed to functions
    of the script, by their parameters' names."""

    line: int
    values: dict[str, Any]
    given: list[Any]
    passed: dict[str, Any]


def line_runs(script: Generated, sizes: tuple[int, ...]) -> list[LineRun]:
    """Every run of a line of the backward of the original script."""
    module = module_of(script.source, "original")
    arguments = module.build(np.random.default_rng(8), sizes)
    tree = ast.parse(script.source)
    made = {s.lineno: s for f in functions(tree, script.edited) for s in statements(f)}
    runs: list[LineRun] = []
    waiting: dict[Any, tuple[Any, dict[str, Any], dict[str, Any]]] = {}

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != "original.py" or frame.f_code.co_name not in script.edited:
            return trace
        statement, values, passed = waiting.pop(frame, (None, {}, {}))
        if isinstance(statement, ast.Return):
            runs.append(LineRun(statement.lineno, values, copy.deepcopy(flat(argument)), passed))
        elif statement is not None:
            runs.append(LineRun(statement.lineno, values, [copy.deepcopy(assigned(statement, frame.f_locals))], passed))
        if event == "line" and frame.f_lineno in made:
            statement = made[frame.f_lineno]
            passed = arguments_of_calls(statement, frame, tree)
            waiting[frame] = statement, values_at(frame) | results_of_calls(statement, frame), passed
        return trace

    sys.settrace(trace)
    try:
        module.gradients(*arguments)
    finally:
        sys.settrace(None)
    return runs


def assigned(statement: Any, names: dict[str, Any]) -> Any:
    """What a statement has put under a name or into an attribute."""
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    target = target.value if isinstance(target, ast.Subscript) else target
    return eval(ast.unparse(target), {}, dict(names))


def values_at(frame: Any) -> dict[str, Any]:
    """The variables of a function and of those that called it, attributes as `self.x`, and `ones`."""
    values: dict[str, Any] = {}
    while frame is not None and frame.f_code.co_filename == "original.py":
        for name, value in frame.f_locals.items():
            if isinstance(value, np.ndarray | float | int):
                values.setdefault(name, np.array(value))
            elif hasattr(value, "__dict__"):
                inner = {f"{name}.{key}": np.array(v) for key, v in vars(value).items() if isinstance(v, np.ndarray)}
                values = inner | values
        frame = frame.f_back
    return values


def results_of_calls(statement: Any, frame: Any) -> dict[str, Any]:
    """What the script's own functions give where a statement calls them: `run(net, X)`."""
    found = {}
    for node in ast.walk(statement.value):
        if isinstance(node, ast.Call) and not ast.unparse(node.func).startswith("np."):
            result = eval(ast.unparse(node), frame.f_globals, dict(frame.f_locals))
            if isinstance(result, np.ndarray):
                found[ast.unparse(node)] = result
    return found


def arguments_of_calls(statement: Any, frame: Any, tree: ast.Module) -> dict[str, Any]:
    """What a statement passes to the script's own functions."""
    found = {}
    for node in ast.walk(statement.value):
        if isinstance(node, ast.Call):
            for function in functions(tree, (ast.unparse(node.func).split(".")[-1],)):
                parameters = [a.arg for a in function.args.args if a.arg != "self"]
                for parameter, argument in zip(parameters, node.args, strict=False):
                    value = eval(ast.unparse(argument), frame.f_globals, dict(frame.f_locals))
                    if isinstance(value, np.ndarray):
                        found[parameter] = value.copy()
    return found


def is_equal(expected: str | None, runs: list[LineRun], line: int) -> bool:
    """Whether a formula gives what the original line gave, in a run of that line."""
    return expected is not None and any(gives(expected, run) for run in runs if run.line == line)


def gives(expected: str, run: LineRun) -> bool:
    """Whether a formula gives one of the values that a line gave.

    Where a size stands alone in it (``1/√J``), the formula does not say of what: then any size at hand may be meant.
    """
    lengths = sorted({n for array in run.values.values() for n in array.shape})
    left = re.split(r"\[| = ", expected)[0]
    for given in [run.passed[left]] if left in run.passed else run.given:
        plain = np.squeeze(np.asarray(given, dtype=float))
        with contextlib.suppress(UnreadableError, ValueError):
            alone = sorted(size_letters(expected, run.values))
            for chosen in itertools.product(lengths, repeat=len(alone)):
                sizes = dict(zip(alone, chosen, strict=True))
                value = np.squeeze(formula_value(expected, run.values, sizes))
                if value.shape == plain.shape and np.allclose(value, plain, rtol=1e-9, atol=1e-12):
                    return True
    return False


@dataclass(frozen=True)
class Outcome:
    """What the check said of a mutant, and what is so."""

    mutant: Mutant
    wrong: set[int]
    said: set[int]
    findings: tuple[Finding, ...]
    equal: tuple[bool, ...]
    seconds: float

    @property
    def lines(self) -> list[int | None]:
        """The lines of the findings."""
        return [f.line for f in self.findings]

    @property
    def is_called_right(self) -> bool:
        """Whether exactly the wrong gradients are called wrong."""
        return self.wrong == self.said

    @property
    def is_named(self) -> bool:
        """Whether there is one finding for each edited line, on it."""
        return sorted(self.lines, key=str) == sorted(self.mutant.lines, key=str)

    @property
    def names_all(self) -> bool:
        """Whether every edited line has a finding."""
        return set(self.mutant.lines) <= set(self.lines)

    @property
    def is_corrected(self) -> bool:
        """Whether, besides, each finding expects what stood there before."""
        return self.is_named and all(self.equal)


def judge(script: Generated, mutant: Mutant, runs: list[LineRun]) -> Outcome | None:
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
    _, findings, verdicts, _ = explain_mistakes(program, targets, arrays, np.random.default_rng(2))
    seconds = time.perf_counter() - start
    said = {n for n, path in enumerate(script.wrt) if verdicts[by_path[path]] == "wrong"}
    equal = tuple(f.line is not None and is_equal(f.expected, runs, f.line) for f in findings)
    return Outcome(mutant, wrong, said, findings, equal, seconds)


HEADER = (
    f"{'script':<12} {'edits':>6} {'wrong':>6} {'called %':>8} {'named %':>8} {'expected %':>10} {'quiet':>9} "
    f"{'pairs %':>12} {'slowest s':>9}"
)


def share(good: int, of: int) -> float:
    """Percent; of nothing, all are."""
    return 100 * good / of if of else 100.0


def row(name: str, outcomes: list[Outcome], both: list[Outcome]) -> str:
    """One line of the table."""
    wrong = [o for o in outcomes if o.wrong]
    right = [o for o in outcomes if not o.wrong]
    called = share(sum(o.is_called_right for o in outcomes), len(outcomes))
    named = share(sum(o.is_named for o in wrong), len(wrong))
    corrected = share(sum(o.is_corrected for o in wrong), len(wrong))
    quiet = f"{sum(not o.lines for o in right)}/{len(right)}"
    twice = f"{share(sum(o.names_all for o in both), len(both)):.1f} of {len(both)}"
    slowest = max((o.seconds for o in outcomes), default=0)
    return (
        f"{name:<12} {len(outcomes):>6} {len(wrong):>6} {called:>8.1f} {named:>8.1f} {corrected:>10.1f} {quiet:>9} "
        f"{twice:>12} {slowest:>9.2f}"
    )


def show(outcome: Outcome) -> None:
    """Print what is not as it should be."""
    mutant = outcome.mutant
    print("   ", mutant.lines, mutant.edit, "|", sorted(outcome.wrong), sorted(outcome.said), outcome.lines)
    for finding, equal in zip(outcome.findings[:3], outcome.equal, strict=False):
        print("       ", finding.line, "equal" if equal else "not equal", finding.message[:150])
        print("           ", (finding.expected or "-").split("\n")[0])


def outcomes_of(script: Generated, chosen: list[Mutant]) -> list[Outcome]:
    """The outcomes of the mutants that run."""
    runs = line_runs(script, script.distinct)
    return [o for o in (judge(script, mutant, runs) for mutant in chosen) if o is not None]


def main() -> None:
    """Print the table, and what is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", help="names of scripts; all by default")
    parser.add_argument("--exercise", type=Path, help="the exercise's script, to be looked at too")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th edit only")
    parser.add_argument("--pairs", type=int, default=60, help="how many pairs of edits to look at for each script")
    parser.add_argument("--misses", action="store_true", help="print what is not as it should be")
    options = parser.parse_args()
    print(HEADER)
    scripts = [*GENERATED, *([exercise(options.exercise)] if options.exercise else [])]
    for script in scripts:
        if options.scripts and script.name not in options.scripts:
            continue
        outcomes = outcomes_of(script, mutants(script.source, script.edited)[:: options.every])
        wrong = [o.mutant for o in outcomes if o.wrong]
        both = [o for o in outcomes_of(script, pairs(script.source, wrong, options.pairs)) if o.wrong]
        print(row(script.name, outcomes, both), flush=True)
        for o in outcomes if options.misses else ():
            if not o.is_called_right or (o.wrong and not o.is_corrected) or (not o.wrong and o.lines):
                show(o)
        for o in both if options.misses else ():
            if not o.names_all:
                show(o)


if __name__ == "__main__":
    main()
