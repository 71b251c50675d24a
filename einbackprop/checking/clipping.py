"""Gradients that are clipped before they are returned, as recurrent networks do: they are right but where that acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from einbackprop.checking.answers import User
from einbackprop.checking.draws import Draw, Drawing
from einbackprop.checking.matching import Target
from einbackprop.checking.trials import History, compare_all, facts_of
from einbackprop.checking.verdicts import conclude
from einbackprop.core.nesting import duplicate
from einbackprop.world import Runner


class Unclipped(Runner):
    """The user's gradients with ``np.clip`` doing nothing, and whether it would have done something.

    Attributes
    ----------
    acts : bool
    """

    def __init__(self, gradients: Runner) -> None:
        super().__init__(gradients.world, gradients.function)
        self.acts = False

    def __call__(self, state: Any) -> Any:
        """The gradients."""
        own: Any = np.clip

        def clip(a: Any, *bounds: Any, out: Any = None, **keywords: Any) -> Any:
            self.acts |= not np.array_equal(own(a, *bounds, **keywords), a)
            if out is None:
                return np.array(a) if isinstance(a, np.ndarray) else a
            out[...] = a
            return out

        with self.world.given(own, clip):
            return super().__call__(state)


def unclipped(
    user: User, drawing: Drawing, draws: Sequence[Draw], targets: list[Target], history: Mapping[str, History]
) -> tuple[User, dict[str, History]]:
    """The user with gradients that are not clipped, and what is found of those that are right and differ if clipped.

    The user as is, and nothing, where no clipping acts, or it is not that by which they differ.
    """
    wrong = [t for t in targets if any(outcome.found == "differs" for _, outcome in history[t.name])]
    bare = Unclipped(user.gradients)
    for draw in draws if wrong else ():
        bare(duplicate(draw.state))
    if not bare.acts:
        return user, {}
    other = replace(user, gradients=bare)
    again: dict[str, History] = {target.name: [] for target in targets}
    for draw in draws:
        compare_all(other, drawing, draw, targets, again)
    right = {t.name: again[t.name] for t in wrong if conclude(facts_of(other, t, again[t.name])).verdict == "right"}
    return (other, right) if right else (user, {})
