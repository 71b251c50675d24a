"""A line that ran several times, shown once with its loop index: ``hs[t] = tanh(… hs[t-1] …)``."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..capture.statements import statements_of
from ..core.program import Equation, Source, operands
from ..core.syntax import parse_python


class Loop(NamedTuple):
    """A ``for``: its first and last line, and its variable."""

    first: int
    last: int
    variable: str


NUMBERED = re.compile(r"(.+)_(-?\d+)")


def loop_names(
    runs: Sequence[Sequence[Equation]], labels: Mapping[str, str], source: Source, now: int | None
) -> dict[str, str]:
    """What to call the values of a line's first run, so that it reads as all of its runs.

    A value whose label is the same in the first two runs is called by it. One of a list or dict, ``hs_3`` and then
    ``hs_4``, is called by the loop's index, ``hs[t]``; its offset is counted from ``now``.
    """
    loop = innermost_loop(source.file, source.line)
    first, second = (labelled(run, labels) for run in runs[:2])
    if len(first) != len(second):
        return {}
    pairs = zip(first, second, strict=True)
    names = {name: before for (name, before), (_, after) in pairs if before and before == after}
    return names | {
        name: f"{base}[{loop.variable if loop else 't'}{shift(number - (number if now is None else now))}]"
        for name, (base, number) in moving(first, second).items()
    }


def moving(first: Sequence[tuple[str, str]], second: Sequence[tuple[str, str]]) -> dict[str, tuple[str, int]]:
    """The values whose labels count by one from a run to the next: the label without its number, and the number."""
    found = {}
    if len(first) == len(second):
        for (name, before), (_, after) in zip(first, second, strict=True):
            a, b = NUMBERED.fullmatch(before), NUMBERED.fullmatch(after)
            if a and b and a[1] == b[1] and abs(int(a[2]) - int(b[2])) == 1:
                found[name] = (a[1], int(a[2]))
    return found


def loop_positions(
    lines: Iterable[tuple[Source, Sequence[Sequence[Equation]]]], labels: Mapping[str, str]
) -> dict[tuple[str, Loop | None], int]:
    """Where the index of each loop stands in its first run: the number that most of its values have,
    those that it makes counting twice."""
    counts: dict[tuple[str, Loop | None], Counter[int]] = {}
    for source, runs in lines:
        if len(runs) > 1:
            here = (source.file, innermost_loop(source.file, source.line))
            found = moving(labelled(runs[0], labels), labelled(runs[1], labels))
            made = {equation.out.name for equation in runs[0]}
            for name, (_, number) in found.items():
                counts.setdefault(here, Counter())[number] += 2 if name in made else 1
    return {loop: numbers.most_common(1)[0][0] for loop, numbers in counts.items() if numbers}


def shift(offset: int) -> str:
    """``-1``, ``+2``, or nothing."""
    return f"{offset:+d}" if offset else ""


def labelled(run: Sequence[Equation], labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each value that a run of a line makes or reads, with its label, in order."""
    names = [ref.name for equation in run for ref in (equation.out, *operands(equation))]
    return [(name, labels.get(name, "")) for name in names]


def innermost_loop(file: str, line: int) -> Loop | None:
    """The innermost ``for`` around a line."""
    around = [loop for loop in loops(statements_of(file).text) if loop.first < line <= loop.last]
    return around[-1] if around else None


@functools.lru_cache(maxsize=64)
def loops(text: str) -> tuple[Loop, ...]:
    """Each ``for`` over one variable in a source text, outer ones first."""
    try:
        nodes = [node for node in ast.walk(parse_python(text)) if isinstance(node, ast.For)]
    except SyntaxError:
        return ()
    found = [Loop(n.lineno, n.end_lineno or n.lineno, n.target.id) for n in nodes if isinstance(n.target, ast.Name)]
    return tuple(sorted(found))
