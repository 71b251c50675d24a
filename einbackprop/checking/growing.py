"""Larger sizes, found by trying: of what letters and the user leave as it is, such as an image and what pooling makes
of it. How these depend on one another is not known; that the loss runs tells which go together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np

from einbackprop.checking.answers import User
from einbackprop.checking.draws import draw
from einbackprop.checking.elsewhere import data_like, role_at
from einbackprop.checking.guards import LARGEST
from einbackprop.checking.problems import counted
from einbackprop.checking.shrinking import arrays_of, is_one_number, share_memory
from einbackprop.core.nesting import Path, duplicate, get, leaves, rebuild, replaced
from einbackprop.errors import ScriptError
from einbackprop.world import Raised

Kind = tuple[int, int]
"""Axes that grow together: their size, and which axis of its array each is."""
KINDS, WORK = 8, 100_000
"""Kinds of axes, and statements that the loss runs to be differentiated by every entry, at most: more take long."""
STATES, STEPS, TRIES = 2, (1, 2, 3), 60
"""How many states there are, by how much a size may grow, and how often the loss is run to see what goes together."""
LINES = 200
"""Lines up to which gradients are run too, to see what goes together."""


def larger_states(
    user: User, state: Any, others: Sequence[Any], parameters: Collection[Path], fixed: Collection[int], seed: int
) -> Iterator[Any]:
    """States at larger sizes, two at most: of the axes that have the same size in all other states.

    Parameters
    ----------
    user : User
        Whose loss tells which sizes go together.
    state : nested arrays
    others : sequence of nested arrays
        The same at sizes that are known to fit.
    parameters : collection of paths
        The arrays that gradients are taken of; the others stay data of their kind.
    fixed : collection of int
        Sizes that stay, such as those that stand in the code as numbers.
    seed : int
        Decides the draws.
    """
    arrays = [(path, leaf) for path, leaf in arrays_of(state) if leaf.size and leaf.dtype.kind in "biufc"]
    there = [dict(arrays_of(other)) for other in others]
    kept = {(path, axis): (size, axis) for path, leaf in arrays for axis, size in enumerate(leaf.shape) if size > 1
            and size not in fixed and all(path in other and other[path].shape[axis] == size for other in there)}
    kinds = [*dict.fromkeys(kept.values())]
    if not kinds or len(kinds) > KINDS or share_memory(state, ()) or work_of(user, state, parameters) > WORK:
        return
    rng = np.random.default_rng(seed)

    def grown(steps: Mapping[Kind, int]) -> Any:
        made: dict[int, np.ndarray] = {}
        for path, leaf in arrays:
            own_kinds = [kept.get((path, axis)) for axis in range(leaf.ndim)]
            more = [0 if kind is None else steps.get(kind, 0) for kind in own_kinds]
            shape = tuple(size + step for size, step in zip(leaf.shape, more, strict=True))
            if any(more):
                own = draw(np.empty(shape), role_at(leaf, shape), rng) if path in parameters else None
                made[id(leaf)] = np.asarray(data_like(leaf, shape, rng) if own is None else own).astype(leaf.dtype)
        return rebuild(state, lambda array: made.get(id(array), array))

    left = iter(range(TRIES))
    whole = {path for path, leaf in arrays if leaf.dtype.kind in "biu"}
    of_labels = {kind for (path, _), kind in kept.items() if path in whole}

    def fits(steps: Mapping[Kind, int]) -> bool:
        if next(left, None) is None:
            return False
        there = loss_at(user, other := grown(steps))
        # labels more that change nothing are not read: what they belong to is missing with them
        is_read = there is not None and (there != here or not steps.keys() <= of_labels)
        return is_read and (is_spared or runs(user.gradients, other))

    here, is_spared = loss_at(user, state), lines_run(user.gradients, state, LINES) > LINES
    for steps in ways(kinds, fits):
        if loss_at(user, other := grown(steps)) is not None:
            yield other


def ways(kinds: Sequence[Kind], fits: Callable[[Mapping[Kind, int]], bool]) -> Iterator[Mapping[Kind, int]]:
    """By how much axes may grow: all by 1, or each alone or with another, those next to one another in different ways.

    An image of 4 by 4 of which pooling leaves 2 by 2 may have a row more, or two, with which one more is left.

    >>> pooled = lambda steps: all(steps.get((4, n), 0) // 2 == steps.get((2, n), 0) for n in (2, 3))
    >>> [*ways([(4, 2), (4, 3), (2, 2), (2, 3)], pooled)]
    [{(4, 2): 1, (4, 3): 2, (2, 3): 1}, {(4, 2): 2, (2, 2): 1, (4, 3): 1}]
    """
    together = dict.fromkeys(kinds, 1)
    if len({size for size, _ in kinds}) == len(kinds) and fits(together):  # none is tied to another
        yield together
        return
    alone = {one: fits(dict([one])) for one in product(kinds, STEPS)}
    moves: dict[Kind, list[dict[Kind, int]]] = {}
    for kind in kinds:
        near = sorted(kinds, key=lambda other: other[1] != kind[1])  # of the same axis, as an image and what is left
        tied = ({kind: step, other: more} for step, more in product(STEPS, repeat=2) for other in near
                if other != kind and not alone[kind, step] and not alone[other, more])  # fmt: skip
        single = [{kind: step} for step in STEPS if alone[kind, step]]
        moves[kind] = [*single[:1], *islice(filter(fits, tied), 1), *single[1:]][:2]
    told: list[Mapping[Kind, int]] = []
    for turn in range(STATES):
        steps: dict[Kind, int] = {}
        choice = turn  # of two moves one kind takes the first where the next one takes the second
        for kind in kinds:
            found = [move for move in moves[kind] if not steps.keys() & move.keys()]
            steps |= found[choice % len(found)] if found else {}
            choice += len(found) > 1
        if steps and steps not in told:
            told.append(steps)
            yield steps


def with_other_numbers(state: Any, seed: int) -> Iterator[Any]:
    """A state in which single numbers of floating point, such as the strength of a penalty, are smaller, each by a
    factor of its own: no two of them are multiples of one another any more by chance. None is given where there are
    none; those that keep something from being zero stay."""
    rng, changed = np.random.default_rng(seed), state
    for path, leaf in leaves(state):
        if type(leaf) is float and abs(leaf) > LARGEST and np.isfinite(leaf):
            with suppress(AttributeError, TypeError):  # what refuses another value keeps its own
                changed = replaced(changed, path, leaf * float(rng.uniform(0.5, 0.9)))
    if changed is not state:
        yield changed


def work_of(user: User, state: Any, parameters: Collection[Path]) -> float:
    """How many statements the loss runs, times the entries that it is differentiated by."""
    count = lines_run(user.loss, state)
    return count * sum(np.size(get(state, path)) for path in parameters) if np.isfinite(count) else count


def lines_run(function: Callable[[Any], Any], state: Any, most: float = np.inf) -> float:
    """How many lines a function of the user's runs in a state, ``most`` and one where these are more; infinitely many
    where it stops."""
    with suppress(Raised, ScriptError):
        return counted(partial(function, duplicate(state)), most)[1]
    return np.inf


def loss_at(user: User, state: Any) -> float | None:
    """The loss in a state; None where it stops, or is no finite number."""
    with suppress(Raised, ScriptError):
        loss = user.loss(duplicate(state))
        return float(np.real(np.asarray(loss)).reshape(())) if is_one_number(loss) else None
    return None


def runs(function: Callable[[Any], Any], state: Any) -> bool:
    """Whether a function of the user's has a value in a state."""
    with suppress(Raised, ScriptError):
        function(duplicate(state))
        return True
    return False
