"""The check at sizes of our own: what is right only where two sizes happen to be equal is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.nesting import get
from ..core.program import Program
from ..core.progress import in_time
from ..errors import ScriptError
from .answers import Trial, User, tried_once
from .free_sizes import distinct_sizes, free_dimensions
from .problems import Problem, with_arrays
from .resizing import hiding, other_sizes, resized, told

LARGEST = 20_000  # entries of all inputs together: beyond, the user's own sizes have taken long enough


@dataclass(frozen=True)
class Elsewhere:
    """What was found at other sizes.

    Attributes
    ----------
    tried : tuple of str
        The sizes at which the user's code ran, in words.
    wrong : mapping of name to str
        The gradients that are wrong there, and at which sizes.
    hides : tuple of str
        What the user's own sizes hide, in words.
    certain : bool
        Whether the sizes were the user's to choose, so that the code is meant to work at all of them.
    is_cut : bool
        Whether the time was over before all of them were tried.
    states : tuple of nested arrays
        At which some were wrong that are right at the user's sizes.
    """

    tried: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    certain: bool = False
    is_cut: bool = False
    states: tuple[Any, ...] = ()


def look(problem: Problem, trial: Trial, program: Program | None, seed: int) -> Elsewhere:
    """Run the user's functions at other sizes, where that can be done.

    Parameters
    ----------
    problem : Problem
    trial : Trial
        What is wanted, and its verdicts, at the user's sizes.
    program : Program or None
        The loss and the gradients traced together, where they could be.
    seed : int
        Decides the draws.
    """
    right = {item.name for item in trial.gradients if item.verdict == "right"}
    names = {target.path: target.name for target in trial.targets}
    hides: list[str] = []
    if program is not None:
        inputs = {d.ref.name: names[path] for d in program.inputs if (path := problem.place(d)) in names}
        hides = hiding(program, inputs)
    tried: list[str] = []
    states: list[Any] = []
    wrong: dict[str, str] = {}

    def try_all() -> bool:
        for sizes, other in problems_elsewhere(problem, trial.state, program, set(names), seed):
            there = _tried(other, trial.user, seed)
            if there is not None and there.user.random:
                break
            if there is not None:
                tried.append(sizes)
                new = {name: sizes for name in there.wrong if name in right and name not in wrong}
                wrong.update(new)
                states.extend([there.state] if new else ())
        return True

    done = in_time("trying other sizes", try_all, False)
    return Elsewhere(tuple(tried), wrong, tuple(hides), problem.elsewhere is not None, not done, tuple(states))


def _tried(problem: Problem, user: User, seed: int) -> Trial | None:
    """The gradients at one draw; None where the code is not made for these sizes."""
    try:
        return tried_once(problem, np.random.default_rng(seed), user)
    except ScriptError:
        return None


def small_states(
    problem: Problem, state: Any, program: Program, paths: set[tuple[object, ...]], seed: int
) -> Iterator[Any]:
    """Two states at the smallest sizes that are all different, as far as the code leaves sizes free."""
    arrays = [np.asarray(get(state, problem.place(declared))) for declared in program.inputs]
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    sizes = distinct_sizes(program, free_dimensions(program, arrays, parameters))
    rng = np.random.default_rng(seed)
    for _ in range(2):
        made = resized(state, program, problem.place, sizes, parameters, rng)
        if made is not None:
            yield with_arrays(replace(problem, state=made))


def problems_elsewhere(
    problem: Problem, state: Any, program: Program | None, paths: set[tuple[object, ...]], seed: int
) -> Iterator[tuple[str, Problem]]:
    """The problem at other sizes: those that the user's own code can make, or else those of the letters."""
    if problem.elsewhere is not None:
        yield from problem.elsewhere()
        return
    if program is None:
        return
    arrays = [np.asarray(get(state, problem.place(declared))) for declared in program.inputs]
    if sum(array.size for array in arrays) > LARGEST:
        return
    parameters = {d.ref.name for d in program.inputs if problem.place(d) in paths}
    sizes = other_sizes(program, arrays, parameters)
    if sizes is not None:
        rng = np.random.default_rng(seed)
        state = resized(state, program, problem.place, sizes, parameters, rng)
        if state is not None:
            changed = {d.letters[0]: sizes[d.letters[0]] for d in program.dimensions}
            yield told(changed), replace(problem, state=state)
