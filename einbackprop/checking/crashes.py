"""Where shapes stop the user's code: the line, the letters that do not meet, and what to write instead."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from ..core.nesting import get
from ..errors import CodeError, EinbackpropError, ScriptError, TraceError
from .evaluation import place_of
from .free_sizes import free_dimensions
from .lines import reviewed
from .mismatches import explained
from .problems import Problem, targets_of, with_arrays
from .records import Finding
from .resizing import equal_sizes, resized
from .trials import tried_once

LONG = 80


def with_reason(problem: Problem, error: CodeError, seed: int) -> CodeError:
    """The error, said in letters where it is about shapes; and the mistake behind it, where it is found.

    The code is read up to where it stops. At sizes that are all equal no shape stops it, so that there its lines can be
    judged like any others.
    """
    if error.place is None or not isinstance(error.__cause__, ValueError) or problem.pair is None:
        return error
    try:
        problem.pair(with_arrays(problem))
    except EinbackpropError as stop:
        letters = explained(stop)
        if letters and place_of(stop.__cause__ or stop) == error.place:
            return _with_mistake(problem, error, letters, seed)
    return error


def _with_mistake(problem: Problem, error: CodeError, letters: str, seed: int) -> CodeError:
    """The error with what is wrong on its line or before it, found at sizes that are all equal."""
    assert error.place is not None
    for finding in _findings(problem, seed):
        expected = (finding.expected or "").partition("\n")[0]
        if not finding.write and len(expected) > LONG:
            break  # no small edit was found, and the whole formula is no help on one line
        file, line = error.place[:2]
        elsewhere = "" if finding.file == file else f"{os.path.basename(finding.file or '')}, "
        here = not elsewhere and finding.line == line
        said = finding.message if here else f"{elsewhere}line {finding.line}: {finding.message}"
        instead = f" Expected {expected}." if expected and not finding.write else ""
        return CodeError(error.what, error.place, f"{letters}; {said}{instead}", finding.write or "")
    return CodeError(error.what, error.place, f"{letters}.")


def _findings(problem: Problem, seed: int) -> tuple[Finding, ...]:
    """The one finding about a line, if there is just one."""
    if problem.forward is None or problem.pair is None:
        return ()
    rng = np.random.default_rng(seed)
    try:
        own = with_arrays(problem)
        program = problem.forward(own).program
        paths = {target.path for target in targets_of(problem, own)}
    except (ScriptError, TraceError):  # the loss is what stops
        return ()
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    arrays = [np.asarray(get(own, problem.place(declared))) for declared in program.inputs]
    free = free_dimensions(program, arrays, parameters)
    for sizes in (equal_sizes(program), equal_sizes(program, free)):
        state = resized(own, program, problem.place, sizes, parameters, rng)
        if state is None:
            return ()
        other = replace(problem, state=state)
        try:
            trial, traced = tried_once(other, rng), problem.pair(state)
        except (ScriptError, TraceError):  # the sizes are written in the code, or it is not the sizes that stop it
            continue
        findings = reviewed(other, trial, traced, seed).findings
        return findings if len(findings) == 1 and findings[0].line is not None else ()
    return ()
