"""Gradients that are made shorter where their norm is large, as recurrent networks do, and are right but for that.

``if norm > 5: grads *= 5 / norm`` gives at such values what is not the gradient of the loss, in the right direction. It
is told from a wrong factor by its norm, which is the same wherever it is shorter than the loss says, and by values at
which nothing is made shorter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.nesting import duplicate, get, rebuild
from ..world import Runner
from .answers import User
from .certifying import Reference, number
from .draws import Draw, Drawing
from .matching import Target
from .relations import at_scale
from .trials import History, compare_all, facts_of
from .verdicts import conclude

TIMES = (2.0**-5, 2.0**-10, 3.0, 5.0)
"""By how much what gradients are of is made smaller, to find values at which nothing is shortened, or larger, to find
more at which something is."""
SAME = 1e-4
"""How far norms may be apart: some divide by the norm and a small number."""
SHORTER = 1e-5
"""By how much less than the loss says a gradient is shortened at least."""

ALIKE = 1e-3
"""How far multiples that were found for one entry and for all may be apart."""
SEEN = 1e-5
"""Norms that are smaller than this, relative to the largest, are rounding, and so are their ratios."""
STEPS = 60
"""Of a descent to where the loss is flat."""

Norms = list[tuple[float, float]]


class Multiplied(Runner):
    """The user's gradients times a number."""

    def __init__(self, gradients: Runner, factor: float) -> None:
        super().__init__(gradients.world, gradients.function)
        self.factor = factor

    def __call__(self, state: Any) -> Any:
        """The gradients."""
        return rebuild(super().__call__(state), lambda leaf: leaf * self.factor)


def unscaled(
    user: User, drawing: Drawing, draws: Sequence[Draw], targets: Sequence[Target], history: Mapping[str, History]
) -> dict[str, tuple[float, History]]:
    """The gradients that differ and are right but for their norm, by name: the norm that is kept, and what is found of
    them without that.
    """
    targets = [target for target in targets if target.name not in user.unfit]
    wrong = [t for t in targets if any(outcome.found == "differs" for _, outcome in history[t.name])]
    if not wrong or not draws:
        return {}
    states = [*(draw.state for draw in draws),
              *(at_scale(draws[0].state, drawing.parameters, times) for times in TIMES)]  # fmt: skip
    measured: list[dict[str, tuple[float, float]]] = []
    groups = [[*targets], *([target] for target in wrong)]  # all by one norm, or each by its own
    seen = [seen_at(draw, history) for draw in draws]  # of entries, which tell before anything is run
    groups = [group for group in groups if all(
        may_be_longer([ratios[target.name] for target in group if target.name in ratios]) for ratios in seen)]
    for n, state in enumerate(states if groups else ()):
        there = measure(user, drawing, state, targets)
        if len(there) < len(targets):
            if n < len(draws):
                return {}
            continue  # made larger, something overflows
        measured.append(there)
        groups = [group for group in groups if may_be_kept(
            [together([one[target.name] for target in group]) for one in measured])]
        if n < len(draws):
            along = {name: (ratio, there[name][1]) for name, ratio in seen[n].items() if name in there}
            groups = [group for group in groups if all(may_be_longer(along.get(t.name, ())) for t in group)]
        if not groups:
            return {}
    found: dict[str, tuple[float, History]] = {}
    for group in groups:
        if {target.name for target in group} & found.keys():
            continue
        norms = [together([one[target.name] for target in group]) for one in measured]
        if all(ratio > 1 + SHORTER for _, ratio in norms):  # they are normalized, or nothing was small enough
            there = measure(user, drawing, descended(user, states[len(draws)], group), group)
            norms += [together([there[target.name] for target in group])] if len(there) == len(group) else []
        if kept := norm_kept(norms):
            compared: dict[str, History] = {target.name: [] for target in group}
            for draw, (_, ratio) in zip(draws, norms, strict=False):
                longer = replace(user, gradients=Multiplied(user.gradients, ratio))
                compare_all(longer, drawing, draw, group, compared)
            found |= {target.name: (kept, compared[target.name]) for target in group if target in wrong
                      and conclude(facts_of(user, target, compared[target.name])).verdict == "right"}  # fmt: skip
    return found


def seen_at(draw: Draw, history: Mapping[str, History]) -> dict[str, float]:
    """How many times as large as the user's the slope of the loss was found to be for an entry of each gradient that
    differs at a draw, by name.
    """
    return {name: outcome.expected / outcome.yours if outcome.yours else float("nan") for name, found in history.items()
            for one, outcome in found if one is draw and outcome.found == "differs"}  # fmt: skip


def may_be_longer(ratios: Sequence[float]) -> bool:
    """Whether the slopes of a loss may be one multiple of what was returned, and no smaller.

    >>> may_be_longer([2.0, 2.0]), may_be_longer([2.0, 3.0]), may_be_longer([0.5]), may_be_longer([float("nan")])
    (True, False, False, False)
    """
    return all(ratio > 1 - SHORTER and abs(ratio - ratios[0]) <= ALIKE * ratios[0] for ratio in ratios)


def descended(user: User, state: Any, targets: Sequence[Target]) -> Any:
    """A state at which the loss is flat or nearly so: what comes of a descent along the user's own gradients."""
    step, value = 1.0, number(user.loss(duplicate(state))).real
    for _ in range(STEPS):
        given = user.matched(user.gradients(duplicate(state)), state, value).values
        further = Drawing.copied(state)
        for target in targets:
            get(further, target.path)[...] -= step * given[target.name]
        there = number(user.loss(duplicate(further))).real
        if there < value:
            state, value, step = further, there, 2 * step
        else:
            step /= 4
    return state


def together(measured: Norms) -> tuple[float, float]:
    """The norm of several gradients as one, and how many times as steep the loss is; nan where that is not the same for
    all of them that are not much smaller than the largest.

    >>> together([(3.0, 2.0), (4.0, 2.0)]), together([(3.0, 2.0), (4.0, 1.0)]), together([(5.0, 2.0), (1e-15, 1.0)])
    ((5.0, 2.0), (5.0, nan), (5.0, 2.0))
    """
    largest = max(norm for norm, _ in measured)
    ratios = [ratio for norm, ratio in measured if norm > SEEN * largest or not largest]
    is_one = max(ratios) - min(ratios) <= SHORTER * max(map(abs, ratios))
    return float(np.hypot.reduce([norm for norm, _ in measured])), float(np.median(ratios)) if is_one else float("nan")


def measure(
    user: User, drawing: Drawing, state: Any, targets: Sequence[Target]
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """The norm of each gradient at a state, and how many times as steep the loss is along it, nan where it is zero; by
    name, without gradients that are no numbers or have another shape.
    """
    given = user.matched(user.gradients(duplicate(state)), state).values
    reference = Reference(
        user.loss, state, drawing.parameters, drawing.rng, user.narrow_loss, user.survived, user.samples)
    found = {}
    for target in targets:
        value = np.asarray(given.get(target.name))
        norm = float(np.linalg.norm(value)) if value.dtype.kind == "f" and value.shape == target.shape else np.nan
        if np.isfinite(norm):
            slope = reference.slope({target.path: value / norm}).value / norm if norm else np.nan
            found[target.name] = norm, slope
    return found


def may_be_kept(norms: Norms) -> bool:
    """Whether a gradient is nowhere longer than the loss says, but for where it is small."""
    largest = max((norm for norm, _ in norms), default=0.0)
    return all(ratio > 1 - SHORTER for norm, ratio in norms if norm > SEEN * largest)


def norm_kept(norms: Norms) -> float:
    """The norm that a gradient has wherever it is shorter than the loss says; 0 where it is no such gradient.

    Parameters
    ----------
    norms : list of (norm, ratio)
        At several states: how long the gradient is, and how many times as steep the loss is.

    Examples
    --------
    >>> norm_kept([(5.0, 3.0), (5.0, 1.5), (2.0, 1.0)]), norm_kept([(5.0, 2.0), (3.0, 2.0), (0.1, 2.0)])
    (5.0, 0.0)
    >>> norm_kept([(1.0, 3.0), (1.0, 1.5)]), norm_kept([(5.0, 3.0), (5.0, 1.5), (6.0, 1.0)])  # normalized; longer
    (0.0, 0.0)
    """
    largest = max((norm for norm, _ in norms), default=0.0)
    norms = [(norm, ratio) for norm, ratio in norms if norm > SEEN * largest]
    acting = [norm for norm, ratio in norms if ratio > 1 + SHORTER]
    resting = [norm for norm, ratio in norms if abs(ratio - 1) <= SHORTER]
    if not may_be_kept(norms) or not resting or len(acting) < 2:
        return 0.0
    most = max(acting)
    return most if min(acting) >= (1 - SAME) * most and max(resting) <= (1 + SAME) * most else 0.0
