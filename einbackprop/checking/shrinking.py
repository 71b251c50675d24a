"""Smaller sizes at which the user's code is read: where it runs many statements, or its arrays are large.

Every size that the code has is made smaller, alone or together with those near to it, wherever the code still runs and
gives gradients of the right shapes. Sizes that are equal stay equal, and others stay different. Lists, such as those of
samples, keep their first entries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from einbackprop.checking import answers
from einbackprop.checking.answers import ORDER, same
from einbackprop.checking.problems import Problem, counted, targets_of, with_arrays
from einbackprop.checking.trials import Trial, tried_once
from einbackprop.core.collecting import grouped
from einbackprop.core.nesting import Attribute, Path, duplicate, get, leaves, rebuild, replaced, root
from einbackprop.core.records import dataclass
from einbackprop.core.visible import ranges
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

STATEMENTS = 500  # that the loss and the gradients run: fewer are read as they are
ENTRIES = 20_000  # of all arrays
SEARCHED = 600  # of all arrays, where a mistake is looked for: of few entries it is known what each should be
UNREAD = 32  # arrays that may be left out where nothing reads them: of fewer it takes longer to ask
SMALLEST = 4  # rounds of a loop, samples of a norm: fewer say little
Sizes = Mapping[int, int]
"""What each size becomes."""


@dataclass(frozen=True)
class Shrunk:
    """A problem at smaller sizes, and its trial there, without facts of its own; ``dead`` is what an earlier run has
    left, ``others`` are states a little larger, at which a repair must hold as well, ``lists`` those that are shorter.
    """

    problem: Problem
    trial: Trial
    sizes: Sizes
    dead: Sequence[Path] = ()
    others: tuple[Any, ...] = ()
    lists: tuple[Path, ...] = ()

    def state(self, state: Any) -> Any:
        """Another state of the original problem, cut to these sizes."""
        return resized(freed(shortened(state, self.lists), self.dead), self.sizes)

    @property
    def sentence(self) -> str:
        """At which sizes the code was read."""
        told = ((self.problem.label(path), str(leaf.shape).replace(" ", "")) for path, leaf in arrays_of(
            self.trial.state) if leaf.ndim and path not in self.dead)  # fmt: skip
        return f"Lines are read at smaller sizes than yours: {', '.join(ranges(told))}."


def shrunk(
    problem: Problem, trial: Trial, entries: int = ENTRIES, fixed: Collection[int] = ()
) -> Shrunk | None:
    """A problem at sizes as small as its code takes; None where it is small as it is, or takes no others.

    Parameters
    ----------
    problem : Problem
    trial : Trial
        At the user's own sizes.
    entries : int
        How many all arrays may have.
    fixed : collection of int
        Sizes that stay, such as those that stand in the code as numbers.
    """
    cost = None if problem.elsewhere is not None else cost_at(trial, trial.state)
    if cost is None or not is_large(cost, entries):
        return None
    whole, lists = trial.state, list[Path]()
    for paths in lists_of(trial.state, [target.path for target in trial.targets]).values():
        shorter = shortened(trial.state, paths)
        found = cost_at(trial, shorter)
        if found is not None and found < cost:
            trial, cost = replace(trial, state=shorter), found
            lists += paths
    dead = left_over(trial) if cost[1] > entries or share_memory(trial.state, ()) else ()
    trial = replace(trial, state=freed(trial.state, dead))
    cost = cost[0], cost[1] - sum(get(trial.state, path).size for path in dead)
    if not (lists or is_large(cost, entries)) or share_memory(trial.state, dead):
        return None
    sizes = cut_sizes(problem, trial, cost, entries, fixed, dead)
    found_at = at_sizes(problem, trial, sizes, dead) if sizes or lists else None
    if found_at is None or not lists:
        return found_at
    longer = resized(shortened(whole, lists, SMALLEST + 1), sizes)
    others = (longer,) if cost_at(trial, longer) is not None else ()
    return replace(found_at, others=(*found_at.others, *others)[:1], lists=tuple(lists))


def cut_sizes(
    problem: Problem, trial: Trial, cost: tuple[int, int], entries: int, fixed: Collection[int], dead: Sequence[Path]
) -> Sizes:  # fmt: skip
    """What each size of a trial's arrays becomes, as long as there is too much of anything."""
    sizes: dict[int, int] = {}
    present = sorted({n for _, leaf in arrays_of(trial.state) for n in leaf.shape}, reverse=True)
    ways = ((size, is_number) for is_number in (False, True) for size in present)
    for size, is_number in ways:  # those that the code reads as numbers do not follow: if others are not enough
        for tried in smaller(size, {*present}, sizes):
            new = tried.keys() - sizes.keys()
            if not is_large(cost, entries) or new & {*fixed} or bool(new & trial.user.numbers) is not is_number:
                continue
            found = cost_at(trial, resized(trial.state, tried), dead)
            if found is None or not found < cost:
                continue
            if not is_number or (helps(found, cost, entries) and stay_right(problem, trial, tried)):
                sizes, cost = tried, found
                break
    return sizes


def stay_right(problem: Problem, trial: Trial, sizes: Sizes) -> bool:
    """Whether gradients that are right are so with arrays cut: not where one of the functions reads a size of them, and
    the other a number that does not follow."""
    right = {target.name for target in trial.targets}.difference(trial.wrong)
    with suppress(ScriptError):
        small = replace(problem, state=resized(trial.state, sizes))
        return not right or right.isdisjoint(tried_once(small, np.random.default_rng(0), trial.user).wrong)
    return False


def without_unread(problem: Problem) -> Problem:
    """A problem with nothing but the first entries of its long lists, where neither function reads others: a script
    asks about the first of hundreds of samples, and each would be copied for each run.
    """
    lists = [path for paths in lists_of(problem.state, problem.roots).values() for path in paths]
    shorter = shortened(problem.state, lists)
    if len(arrays_of(problem.state)) - len(arrays_of(shorter)) < UNREAD:
        return problem
    with suppress(Raised, ScriptError):
        ways = (problem.loss, problem.gradients)
        if all(same(function(duplicate(problem.state)), function(duplicate(shorter))) for function in ways):
            return replace(problem, state=shorter)
    return problem


def lists_of(state: Any, asked: Collection[Path]) -> dict[int, list[Path]]:
    """The lists with many entries in which no gradient is asked for, such as those of samples, by how long they are."""
    found: dict[Path, None] = {}
    for path, _ in leaves(state):
        within = [path[:n] for n, step in enumerate(path) if isinstance(step, int) and n]
        found |= dict.fromkeys(one for one in within[:1] if not any(isinstance(step, Attribute) for step in one))
    held = ((path, get(state, path)) for path in found if not any(one[: len(path)] == path for one in asked))
    return grouped((len(value), path) for path, value in held if type(value) is list and len(value) > SMALLEST)


def shortened(state: Any, lists: Sequence[Path], count: int = SMALLEST) -> Any:
    """A state whose lists at some places have so many entries at most."""
    for path in lists:
        state = replaced(state, path, get(state, path)[:count])
    return state


def at_sizes(problem: Problem, trial: Trial, sizes: Sizes, dead: Sequence[Path]) -> Shrunk | None:
    """The problem with its arrays cut; None where its gradients are not to be had there."""
    small = replace(problem, state=resized(trial.state, sizes))
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
    return Shrunk(small, replace(trial, user=user, state=state, targets=targets), sizes, dead, tuple(others))


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


def left_over(trial: Trial) -> tuple[Path, ...]:
    """The arrays that an earlier run has left: they are made anew before anything reads them, so that the loss and the
    gradients are the same where those have no numbers.
    """
    def results(paths: Sequence[Path]) -> Any:
        state = trial.state
        for path in paths:
            state = replaced(state, path, np.full_like(get(state, path), np.nan))
        return trial.user.loss(duplicate(state)), trial.user.gradients(duplicate(state))

    def are_dead(paths: Sequence[Path]) -> bool:
        with suppress(Raised, ScriptError):
            return answers.same(before, results(paths), ORDER)
        return False

    asked = {target.path for target in trial.targets}
    groups = grouped((path[:2], path) for path, leaf in arrays_of(trial.state) if leaf.dtype.kind == "f")
    before = results(())
    found = (paths for paths in groups.values() if not asked & {*paths} and are_dead(paths))
    return tuple(path for paths in found for path in paths)


def share_memory(state: Any, dead: Sequence[Path]) -> bool:
    """Whether arrays that are read are views of one array, which cannot be cut apart."""
    live = {id(leaf): root(leaf) for path, leaf in arrays_of(state) if path not in dead}
    return len({id(memory) for memory in live.values()}) < len(live)


def freed(state: Any, paths: Sequence[Path]) -> Any:
    """The state with memory of their own for the arrays at some places."""
    for path in paths:
        state = replaced(state, path, get(state, path).copy())
    return state


def statements_run(trial: Trial) -> int:
    """How many statements the user's functions run: of more than `STATEMENTS`, reading takes longer than looking for a
    mistake."""
    cost = cost_at(trial, trial.state)
    return 0 if cost is None else cost[0]


def is_large(cost: tuple[int, int], entries: int) -> bool:
    """Whether there are so many statements, or more entries than some, that they take long to read."""
    return cost[0] > STATEMENTS or cost[1] > entries


def helps(found: tuple[int, int], cost: tuple[int, int], entries: int) -> bool:
    """Whether a cost is less in what there is too much of."""
    return (cost[0] > STATEMENTS and found[0] < cost[0]) or (cost[1] > entries and found[1] < cost[1])


def cost_at(trial: Trial, state: Any, dead: Sequence[Path] = ()) -> tuple[int, int] | None:
    """How many statements the user's functions run at a state, and how many entries it has, but for those at some
    places; None where they stop, or give a loss that is no number, gradients of other shapes, or nothing but zeros
    where the user's own are more: a size that is computed of another, ``len(theta) // 8``, may be 0 there.
    """
    user = trial.user
    try:
        loss, told = counted(partial(user.loss, duplicate(state)))
        result, more = counted(partial(user.gradients, duplicate(state)))
        values = user.matched(result, state).values
        if not any(map(np.any, values.values())) and moves_something(trial):
            return None
    except (Raised, ScriptError):
        return None
    shapes = {t.name: (np.shape(get(trial.state, t.path)), np.shape(get(state, t.path))) for t in trial.targets}
    moved = {name: shape for name, (own, shape) in shapes.items() if own != shape and name in values}
    if not is_one_number(loss) or any(np.shape(values[name]) != shape for name, shape in moved.items()):
        return None
    return told + more, sum(leaf.size for path, leaf in arrays_of(state) if path not in dead)


def moves_something(trial: Trial) -> bool:
    """Whether the gradients at a trial's own state are more than zeros."""
    result = trial.user.gradients(duplicate(trial.state))
    return any(map(np.any, trial.user.matched(result, trial.state).values.values()))


def is_one_number(loss: Any) -> bool:
    """Whether what a loss has given is one finite number."""
    return np.size(loss) == 1 and bool(np.isfinite(complex(np.asarray(loss).reshape(()))))


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
