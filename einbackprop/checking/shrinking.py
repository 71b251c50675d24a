"""Smaller sizes at which the user's code is read: where it runs many statements, or its arrays are large.

Every size that the code has is made smaller, alone or together with those near to it, wherever the code still runs and
gives gradients of the right shapes. Sizes that are equal stay equal, and others stay different.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from einbackprop.checking import answers
from einbackprop.checking.problems import Problem, counted, targets_of, with_arrays
from einbackprop.checking.trials import Trial
from einbackprop.core.nesting import duplicate, get, leaves, rebuild, root
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

STATEMENTS = 500  # that the loss and the gradients run: fewer are read as they are
ENTRIES = 20_000  # of all arrays
SMALLEST = 4  # rounds of a loop, samples of a norm: fewer say little
Sizes = Mapping[int, int]
"""What each size becomes."""


@dataclass(frozen=True)
class Shrunk:
    """A problem at smaller sizes, and its trial there, without facts of its own; ``others`` are states a little larger,
    at which a repair must hold as well."""

    problem: Problem
    trial: Trial
    sizes: Sizes
    others: tuple[Any, ...] = ()

    def state(self, state: Any) -> Any:
        """Another state of the original problem, cut to these sizes."""
        return resized(state, self.sizes)

    @property
    def sentence(self) -> str:
        """At which sizes the code was read."""
        told = [f"{self.problem.label(path)} {str(leaf.shape).replace(' ', '')}" for path, leaf in arrays_of(
            self.trial.state) if leaf.ndim]  # fmt: skip
        return f"Lines are read at smaller sizes than yours: {', '.join(told)}."


def shrunk(problem: Problem, trial: Trial) -> Shrunk | None:
    """A problem at sizes as small as its code takes; None where it is small as it is, or takes no others.

    Parameters
    ----------
    problem : Problem
    trial : Trial
        At the user's own sizes.
    """
    memory = [id(root(leaf)) for _, leaf in arrays_of(trial.state)]
    if problem.elsewhere is not None or len(set(memory)) < len(memory):  # views of one array cannot be cut apart
        return None
    cost = cost_at(trial, trial.state)
    if cost is None or not is_large(cost):
        return None
    sizes: dict[int, int] = {}
    for size in sorted({n for _, leaf in arrays_of(trial.state) for n in leaf.shape}, reverse=True):
        for tried in smaller(size, {n for _, leaf in arrays_of(trial.state) for n in leaf.shape}, sizes):
            found = cost_at(trial, resized(trial.state, tried)) if is_large(cost) else None
            if found is not None and found < cost:
                sizes, cost = tried, found
                break
    return at_sizes(problem, trial, sizes) if sizes else None


def at_sizes(problem: Problem, trial: Trial, sizes: Sizes) -> Shrunk | None:
    """The problem with its arrays cut; None where its gradients are not to be had there."""
    small = replace(problem, state=resized(problem.state, sizes))
    state = with_arrays(small)
    asked = (problem.loss, problem.gradients, problem.gradients_source, state, targets_of(small, state), trial.user)
    try:
        user = answers.rehearse(*asked)
    except ScriptError:
        return None
    names = {target.name for target in trial.targets}
    targets = [target for target in user.targets if target.name in names]
    fits = len(targets) == len(names)
    if not fits:
        return None
    larger = ({old: min(old, new + more) if new < old else new for old, new in sizes.items()} for more in (1, 2))
    states = (resized(trial.state, some) for some in larger if some != sizes)
    others = islice((one for one in states if cost_at(trial, one) is not None), 1)
    return Shrunk(small, replace(trial, user=user, state=state, targets=targets), sizes, tuple(others))


def smaller(size: int, present: set[int], known: Sizes) -> Iterator[dict[int, int]]:
    """Ways to make a size smaller: alone, and by as much as those near to it, such as an image and what is left of it.
    """
    if size in known or size <= SMALLEST:
        return
    left = {known.get(n, n) for n in present}
    for target in range(SMALLEST, min(size, SMALLEST + 4)):
        if target not in left - {size}:
            yield {**known, size: target}
            break
    near = sorted(n for n in present if 2 * n > size and n not in known)
    for least in range(SMALLEST, SMALLEST + 4):
        step = near[0] - least
        moved = {n: n - step for n in near}
        others = {known.get(n, n) for n in present if n not in moved}
        if len(near) > 1 and step > 0 and not others & set(moved.values()):
            yield {**known, **moved}


def is_large(cost: tuple[int, int]) -> bool:
    """Whether so many statements and entries take long to read."""
    return cost[0] > STATEMENTS or cost[1] > ENTRIES


def cost_at(trial: Trial, state: Any) -> tuple[int, int] | None:
    """How many statements the user's functions run at a state, and how many entries it has; None where they stop, or
    give a loss that is no number, or gradients of other shapes."""
    user = trial.user
    try:
        loss, told = counted(partial(user.loss, duplicate(state)))
        result, more = counted(partial(user.gradients, duplicate(state)))
        values = user.matched(result, state).values
    except (Raised, ScriptError):
        return None
    shapes = {t.name: (np.shape(get(trial.state, t.path)), np.shape(get(state, t.path))) for t in trial.targets}
    moved = {name: shape for name, (own, shape) in shapes.items() if own != shape and name in values}
    if np.size(loss) != 1 or not np.isfinite(complex(np.asarray(loss).reshape(()))) or any(
            np.shape(values[name]) != shape for name, shape in moved.items()):  # fmt: skip
        return None
    return told + more, sum(leaf.size for _, leaf in arrays_of(state))


def resized(state: Any, sizes: Sizes) -> Any:
    """A state with its arrays cut."""
    def cut(leaf: np.ndarray) -> np.ndarray:
        kept: tuple[Any, ...] = (..., *(slice(sizes.get(n, n)) for n in leaf.shape))  # of a number, a number
        found: np.ndarray = leaf[kept].copy()
        return found

    return rebuild(state, cut)


def arrays_of(state: Any) -> list[tuple[Any, np.ndarray]]:
    """The arrays of a state, each with its path."""
    return [(path, leaf) for path, leaf in leaves(state) if isinstance(leaf, np.ndarray)]
