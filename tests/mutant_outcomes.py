"""What the check says of a mutant of a hand-written script, and what is so.

`python tests/mutant_outcomes.py [script…]` prints the table: how many edits change a gradient; how many are called
wrong for exactly the gradients that they change; how many have one finding, on the edited line; and of how many what
the finding says to write, put there, makes every gradient right.
"""

import argparse
import ast
import contextlib
import copy
import linecache
import time
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from library import GENERATED, Generated, exercise
from mutants import Mutant, mutants, pairs

from einbackprop import check
from einbackprop.checking.verdicts import Finding
from einbackprop.core import nesting

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


# Repairs


def with_writes(source: str, findings: Sequence[Finding]) -> str:
    """The source with what findings say to write, each in the place of its statement; of a loop, of its first line."""
    found = {f.line: f.write for f in findings if f.line is not None and f.write}
    lines: list[str | None] = [*source.splitlines()]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.lineno in found:
            end = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno
            before = source.splitlines()[node.lineno - 1]
            indent = before[: len(before) - len(before.lstrip())]
            written = [indent + line for line in found[node.lineno].splitlines()]
            lines[node.lineno - 1 : end] = ["\n".join(written), *[None] * (end - node.lineno)]
    return "\n".join(line for line in lines if line is not None) + "\n"


def is_repaired(script: Generated, mutant: Mutant, findings: Sequence[Finding]) -> bool:
    """Whether every gradient is right, at equal and at distinct sizes, once everything is written as was said."""
    if not findings or not all(f.write for f in findings):
        return False
    original = module_of(script.source, "original")
    try:
        module = module_of(with_writes(mutant.source, findings), "repaired")
        return not any(wrong_parameters(script, module, original, s) for s in (script.equal, script.distinct))
    except (FailedError, SyntaxError):
        return False


@dataclass(frozen=True)
class Outcome:
    """What the check said of a mutant, and what is so."""

    mutant: Mutant
    wrong: set[int]
    said: set[int]
    findings: tuple[Finding, ...]
    is_repaired: bool
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
        """Whether, besides, what is to be written there repairs everything."""
        return self.is_named and self.is_repaired


def judge(script: Generated, mutant: Mutant) -> Outcome | None:
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
    report = check(module.loss, module.gradients, *arguments, wrt=tuple(dict.fromkeys(p[0] for p in script.wrt)))
    seconds = time.perf_counter() - start
    verdicts = [item.verdict for item in report.gradients]
    assert len(verdicts) == len(script.wrt)
    said = {n for n, verdict in enumerate(verdicts) if verdict == "wrong"}
    found = tuple(f for f in report.findings if f.line is not None)
    return Outcome(mutant, wrong, said, found, is_repaired(script, mutant, found), seconds)


HEADER = (
    f"{'script':<12} {'edits':>6} {'wrong':>6} {'called %':>8} {'named %':>8} {'repaired %':>10} {'quiet':>9} "
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
    for finding in outcome.findings[:3]:
        print("       ", finding.line, finding.message[:150])
        print("           ", finding.write, "" if outcome.is_repaired else "(does not repair)")


def outcomes_of(script: Generated, chosen: list[Mutant]) -> list[Outcome]:
    """The outcomes of the mutants that run."""
    return [o for o in (judge(script, mutant) for mutant in chosen) if o is not None]


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
