"""``=`` where ``+=`` was meant: what a value would be, had its line added to what was there before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ..core.program import ONE, Contract, Equation, Ref, Sum, Update
from .edits import Edit
from .judging import Judging, line_of

COST = 0.9
MOST_RUNS = 64


def gatherings(judging: Judging, name: str, region: Sequence[Equation], known: Collection[str]) -> Iterator[Edit]:
    """What a value would be with ``+=``: added to earlier values of its name, or to what a buffer held where it is
    written to, in every run of the line.

    Parameters
    ----------
    judging : Judging
    name : str
        The step.
    region : sequence of Equation
        In which the mistake may stand.
    known : collection of str
        The names that have a value.
    """
    yield from added_to_earlier(judging, name, known)
    lines: dict[tuple[str, int], list[Update]] = {}
    for equation in region:
        if isinstance(equation, Update):
            lines.setdefault(line_of(equation.source)[:2], []).append(equation)
    for updates in reversed(lines.values()):
        equations = [part for update in updates for part in added_where_written(update)]
        yield Edit("gather", tuple(equations), COST, updates[-1].base.name)


def added_to_earlier(judging: Judging, name: str, known: Collection[str]) -> Iterator[Edit]:
    """The value plus the last value of its name, or the last two, …: how many of them the line meant to add to, and
    which an earlier call of the function left, is not known."""
    label, own, place = judging.program.labels.get(name), judging.made[name], judging.place
    earlier = [
        n for n in place
        if place[n] < place[name] and n not in judging.forward
        and label is not None and judging.program.labels.get(n) == label and n in known
        and len(judging.made[n].out.indices) == len(own.out.indices)
    ]  # fmt: skip
    for count in range(1, min(len(earlier), MOST_RUNS) + 1):
        inside = replace(own, out=Ref(f"{name}'", own.out.indices))
        terms = tuple((ONE, Ref(n, own.out.indices)) for n in (*earlier[-count:], inside.out.name))
        yield Edit("gather", (inside, Sum(own.out, terms, own.source)), COST, earlier[-1])


def added_where_written(update: Update) -> tuple[Equation, Equation]:
    """A write that adds."""
    out, mask = update.out, [update.mask] if update.mask is not None else []
    inside = Ref(f"{out.name}'", out.indices)
    written = Contract(inside, (update.value, *mask), update.brackets, source=update.source)
    return written, Sum(out, ((ONE, update.base), (ONE, inside)), update.source)
