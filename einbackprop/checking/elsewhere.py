"""The check at sizes of our own: what is right only where two sizes happen to be equal is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.nesting import get
from ..core.program import Program
from ..errors import EinbackpropError
from .matching import Target
from .problems import Problem
from .records import Gradient
from .resizing import hiding, other_sizes, related_sizes, resized, told
from .trials import Trial, tried_once

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
    """

    tried: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    certain: bool = False

    def verdicts(self, gradients: Sequence[Gradient], read: bool) -> tuple[Gradient, ...]:
        """The gradients, with those that are right at the user's sizes only called wrong.

        Where the sizes are ours and the code as it was read (``read``) does not say the same, nothing is certain.
        """
        return tuple(self._verdict(item, self.certain or read) for item in gradients)

    def _verdict(self, item: Gradient, certain: bool) -> Gradient:
        if item.verdict != "right" or item.name not in self.wrong:
            return item
        sizes = self.wrong[item.name]
        if not certain:
            return Gradient(item.name, "undecided", shape=item.shape, note=f"right at your sizes, not at {sizes}")
        note = f"right only at sizes such as yours, which hide a mistake: wrong at {sizes}"
        return Gradient(item.name, "wrong", "close", shape=item.shape, note=note)


def look(
    problem: Problem, state: Any, program: Program | None, targets: Sequence[Target], gradients: Sequence[Gradient],
    seed: int,
) -> Elsewhere:  # fmt: skip
    """Run the user's functions at other sizes, where that can be done.

    Parameters
    ----------
    problem : Problem
    state
        Its state as it was traced.
    program : Program or None
        The loss and the gradients traced together, where they could be.
    targets, gradients
        What is wanted, and its verdicts at the user's sizes.
    seed : int
        Decides the draws.
    """
    right = {item.name for item in gradients if item.verdict == "right"}
    names = {target.path: target.name for target in targets}
    hides: list[str] = []
    if program is not None:
        inputs = {d.ref.name: names[path] for d in program.inputs if (path := problem.place(d)) in names}
        hides = hiding(program, inputs)
    tried: list[str] = []
    wrong: dict[str, str] = {}
    for sizes, other in _problems(problem, state, program, set(names), seed):
        try:
            trial = tried_once(other, np.random.default_rng(seed))
        except EinbackpropError:  # the code is not made for these sizes
            continue
        if trial.user.random:
            break
        if problem.elsewhere is None and any(name in right for name in trial.wrong):
            related = _related(problem, state, program, set(names), seed)
            if related is not None:
                sizes, trial = related
        tried.append(sizes)
        wrong |= {name: sizes for name in trial.wrong if name in right and name not in wrong}
    return Elsewhere(tuple(tried), wrong, tuple(hides), problem.elsewhere is not None)


def _related(
    problem: Problem, state: Any, program: Program | None, paths: set[tuple[object, ...]], seed: int
) -> tuple[str, Trial] | None:
    """A trial at other sizes that are to each other as the user's: one may be a sum or a multiple of others.

    Code that cuts and joins arrays ties sizes without a contraction, and nothing right can be wrong for that.
    """
    if program is None:
        return None
    arrays, parameters = _inputs(problem, state, program, paths)
    sizes = related_sizes(program, arrays, parameters)
    if sizes is None:
        return None
    rng = np.random.default_rng(seed)
    other = resized(state, program, problem.place, sizes, parameters, rng)
    if other is None:
        return None
    try:
        trial = tried_once(replace(problem, state=other), np.random.default_rng(seed))
    except EinbackpropError:  # the code is not made for these sizes
        return None
    return told({d.letters[0]: sizes[d.letters[0]] for d in program.dimensions}), trial


def _inputs(
    problem: Problem, state: Any, program: Program, paths: set[tuple[object, ...]]
) -> tuple[list[Any], set[str]]:
    arrays = [np.asarray(get(state, problem.place(declared))) for declared in program.inputs]
    return arrays, {d.ref.name for d in program.inputs if problem.place(d) in paths}


def _problems(
    problem: Problem, state: Any, program: Program | None, paths: set[tuple[object, ...]], seed: int
) -> Iterator[tuple[str, Problem]]:
    """The problem at other sizes: those that the user's own code can make, or else those of the letters."""
    if problem.elsewhere is not None:
        yield from problem.elsewhere()
        return
    if program is None:
        return
    arrays, parameters = _inputs(problem, state, program, paths)
    if sum(array.size for array in arrays) > LARGEST:
        return
    sizes = other_sizes(program, arrays, parameters)
    if sizes is not None:
        rng = np.random.default_rng(seed)
        state = resized(state, program, problem.place, sizes, parameters, rng)
        if state is not None:
            changed = {d.letters[0]: sizes[d.letters[0]] for d in program.dimensions}
            yield told(changed), replace(problem, state=state)
