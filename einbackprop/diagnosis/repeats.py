"""Lines that run several times, in a loop or as a method of several layers: one edit of the text changes every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.program import Contract, Equation, Factor, Sum, operands
from . import edits
from .edits import Edit
from .judging import Judging, line_of
from .truth import Role

LIKELY = (Factor.of(-1), Factor.of(2), Factor.of(0.5))


def roles_of_runs(judging: Judging, wrong: int) -> dict[str, Role]:
    """What the runs of one line should give, if one edit in all of them makes every gradient right; else nothing.

    Parameters
    ----------
    judging : Judging
    wrong : int
        The gradients that are wrong, as bits.
    """
    for runs in lines_run_again(judging, wrong):
        for changed in common_edits(runs, judging) if not judging.is_tired else ():
            values = judging.rerun(judging.now, {}, changed, only=[0])
            if judging.wrong(values, [0]):
                continue
            values = judging.rerun(judging.now, {}, changed)
            if not judging.wrong(values):
                ends = [e.out.name for run in runs for e in run if e.out.name in judging.original]
                found = {name: judging.identify(name, values) for name in ends if judging.reach.get(name)}
                return {name: role for name, role in found.items() if role is not None}
    return {}


def lines_run_again(judging: Judging, wrong: int) -> Iterator[list[list[Equation]]]:
    """The lines of the backward that ran more than once and reach a wrong gradient, run by run."""
    lines: dict[tuple[str, int, str], dict[int, list[Equation]]] = {}
    for equation in judging.program.equations:
        name = equation.out.name
        if name not in judging.forward and equation.source is not None:
            file, line, call = line_of(equation.source)
            label = judging.program.labels.get(name, "") if name in judging.aliases else ""
            lines.setdefault((file, line, label), {}).setdefault(call, []).append(equation)
    for calls in lines.values():
        runs = list(calls.values())
        reached = any(judging.reach.get(e.out.name, 0) & wrong for run in runs for e in run)
        if len(runs) > 1 and reached and len({shape(run) for run in runs}) == 1:
            yield runs


def shape(run: Sequence[Equation]) -> tuple[object, ...]:
    """What is the same in two runs of one line: the kinds of equations, and how many axes and operands they have."""
    return tuple((type(e), len(e.out.indices), tuple(len(ref.indices) for ref in operands(e))) for e in run)


def common_edits(runs: Sequence[Sequence[Equation]], judging: Judging) -> Iterator[dict[str, Equation]]:
    """One edit made in every run of a line."""
    for together in zip(*runs, strict=True):
        for same in zip(*(plain_edits(equation, judging) for equation in together), strict=False):
            yield {name: equation for edit in same for name, equation in edit.by_name.items()}


def plain_edits(equation: Equation, judging: Judging) -> Iterator[Edit]:
    """Edits that need no other value, in an order that is the same for equations of one shape."""
    sizes = [Factor.of(1, **{d.letters[0]: power}) for d in judging.program.dimensions for power in (1, -1)]
    for factor in (*LIKELY, *sizes):
        scaled = edits.scaled_by(equation, factor)
        yield from [scaled] if scaled is not None else []
    if isinstance(equation, Sum):
        for n in range(len(equation.terms)):
            yield from (edits.with_term_scaled(equation, n, factor) for factor in (Factor.of(0), Factor.of(-1)))
    if isinstance(equation, Contract):
        yield from edits.transposed(equation)
        yield from edits.without_operand(equation)
