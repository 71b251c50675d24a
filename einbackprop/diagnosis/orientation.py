"""Values as the user sees them: a trace keeps no views, so that ``d = (A @ B).T`` is ``A @ B`` under the name d.

Here the letters of such a value are turned round where it is made and wherever it is read, so that an untransposed
gradient is one in the program too.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from ..capture.statements import statements_of
from ..core.program import ONE, Contract, Equation, Program, Ref, Source
from ..core.simplification import with_refs


def oriented(program: Program) -> Program:
    """The program with the values that the user's lines leave transposed turned round; the numbers are the same."""
    outputs = {ref.name for ref in program.outputs}  # which are arrays as they were returned
    turned = {e.out.name for e in program.equations if e.out.name not in outputs and is_turned(e, program)}
    equations = tuple(with_turned(e, turned) for e in program.equations)
    program = replace(program, equations=equations, outputs=tuple(turn(ref, turned) for ref in program.outputs))
    return without_order(program)


def is_turned(equation: Equation, program: Program) -> bool:
    """Whether a line gives a name to the transpose of what the equation makes."""
    letters = equation.out.indices
    if len(letters) != 2 or len(set(letters)) != 2 or equation.out.name not in program.labels or not equation.source:
        return False
    return ends_in_transpose(equation.source)


def ends_in_transpose(source: Source) -> bool:
    """Whether the last thing that a line does is to transpose."""
    statement = statements_of(source.file).at(source.line)
    if not isinstance(statement, ast.Assign | ast.Return):
        return False
    match statement.value:
        case ast.Attribute(value=inner, attr="T"):
            return not isinstance(inner, ast.Name | ast.Attribute)
        case ast.Call(func=ast.Attribute(attr="transpose"), args=args, keywords=[]):
            return not args
    return False


def with_turned(equation: Equation, turned: set[str]) -> Equation:
    """The equation with the letters of some values turned round."""
    changed = with_refs(equation, lambda ref: turn(ref, turned))
    return replace(changed, out=turn(changed.out, turned))


def turn(ref: Ref, turned: set[str]) -> Ref:
    """A value with its letters turned round, if it is one of those."""
    return Ref(ref.name, ref.indices[::-1]) if ref.name in turned else ref


def without_order(program: Program) -> Program:
    """The program without equations that only put an output's axes in the order in which they now are."""
    made = program.defining()
    same: dict[str, str] = {}
    for ref in program.outputs:
        match made.get(ref.name):
            case Contract(out, (read,), (), factor) if factor == ONE and out.indices == read.indices:
                if program.labels.get(out.name) == program.labels.get(read.name) and read.name in made:
                    same[out.name] = read.name
    return replace(
        program,
        equations=tuple(e for e in program.equations if e.out.name not in same),
        outputs=tuple(Ref(same.get(ref.name, ref.name), ref.indices) for ref in program.outputs),
    )
