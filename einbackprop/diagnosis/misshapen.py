"""Gradients of a wrong shape, or none: the line that makes them, and what to write there."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from ..capture.statements import statements_of
from ..checking.records import Finding, Line
from ..core.program import Program

Shape = tuple[int, ...]


def about_shapes(
    program: Program, targets: Mapping[int, tuple[str, str]], wanted: Mapping[str, Shape], fits: Set[str],
    values: Mapping[str, Any], lines: Sequence[Line],
) -> tuple[Finding, ...]:  # fmt: skip
    """A finding for each gradient that is missing though a line makes it, or right but for axes of size 1.

    Parameters
    ----------
    program : Program
    targets : mapping of an output's number to the target's name and the input's
    wanted : mapping of target name to the shape that its gradient should have
        The targets of which something is to be said.
    fits : set of target names
        Those whose values were found to be those of the gradient.
    values : mapping of target name to what was returned for it
    lines : sequence of Line
    """
    outputs = {name: program.outputs[n].name for n, (name, _) in targets.items()}
    made = program.defining()
    findings = []
    for name, shape in wanted.items():
        line = next((x for x in lines if x.meaning == f"∂L/∂{name}"), None)
        equation, own = made.get(outputs.get(name, "")), np.shape(values.get(name, ()))
        if values.get(name) is None:
            if line is not None:
                said = f"the gradient of {name} is made on line {line.line}, but it is not returned."
                findings.append(Finding(said, line.file, return_after(line)))
        elif name in fits and equation is not None and equation.source is not None:
            source = equation.source
            said = f"the values are right, but the shape is {own}, and {name} has shape {shape}: "
            said += "leave out keepdims=True." if "keepdims" in source.code else f"add .reshape({name}.shape)."
            findings.append(Finding(said, source.file, source.line))
    return tuple(findings)


def return_after(line: Line) -> int:
    """The line of the next return statement; the line itself where there is none."""
    statements = statements_of(line.file)
    after = range(line.line, statements.text.count("\n") + 2)
    return next((n for n in after if isinstance(statements.at(n), ast.Return)), line.line)
