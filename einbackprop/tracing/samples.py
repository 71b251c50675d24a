"""Which dimension the samples are, found by what is done with it, not by its size or its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dimensions import BATCH_NAMES, Axis
from ..program import Contract, Equation, Sum, operands


@dataclass(frozen=True)
class Sight:
    """What there is to look at: equations in provisional letters, the stored axes of every value, the arguments.

    ``needs`` says how many letters a dimension needs, ``concrete`` what values were.
    """

    equations: Sequence[Equation]
    values: Mapping[str, Sequence[Axis]]
    inputs: Sequence[str]
    axis: Callable[[str], Axis]
    needs: Mapping[Axis, int]
    concrete: Mapping[str, Any]

    def dimensions(self, name: str) -> frozenset[Axis]:
        """The dimensions of a value, without units."""
        return frozenset(axis.root() for axis in self.values[name] if not axis.is_unit)

    def is_counting(self, name: str) -> bool:
        """Whether an argument holds whole numbers: labels."""
        return name in self.concrete and np.asarray(self.concrete[name]).dtype.kind in "iu"


def dimension_of_samples(sight: Sight) -> Axis | None:
    """The dimension that ``b`` stands for.

    It is the one that the user's word for a size says. Else samples are what labels are given for; else what goes
    through the computation from value to value while the features change: the dimension that most computed values
    have which are no parameters' gradients. A dimension that meets itself (a recurrent layer) or that an argument
    along it is broadcast over (a bias) is none of samples.
    """
    for names in (sight.inputs, sight.values):
        for name in names:
            for axis in sight.values[name]:
                if axis.root().name in BATCH_NAMES and not axis.is_unit:
                    return axis.root()
    features = broadcast_along(sight) | {axis for axis, letters in sight.needs.items() if letters > 1}
    for name in sight.inputs:
        labelled = sight.dimensions(name)
        if len(labelled) == 1 and sight.is_counting(name) and not labelled & features:
            return next(iter(labelled))
    shapes = {sight.dimensions(name) for name in sight.inputs}
    for other_shapes in (shapes, set()):
        counts = carried(sight, other_shapes)
        ranked = [axis for axis, _ in counts.most_common() if axis not in features]
        if ranked and (len(ranked) == 1 or counts[ranked[0]] > counts[ranked[1]]):
            return ranked[0]
    return None


def broadcast_along(sight: Sight) -> set[Axis]:
    """The dimensions of arguments of one axis that are stretched over a wider array: biases, scales."""
    found: set[Axis] = set()
    vectors = {n for n in sight.inputs if len(sight.dimensions(n)) == 1 and not sight.is_counting(n)}
    for equation in sight.equations:
        if isinstance(equation, Sum) or (isinstance(equation, Contract) and not equation.brackets):
            for ref in operands(equation):
                wide = set(ref.indices) < set(equation.out.indices)
                if ref.name in vectors and wide:
                    found |= sight.dimensions(ref.name)
    return found


def carried(sight: Sight, others: set[frozenset[Axis]]) -> Counter[Axis]:
    """In how many computed values of several dimensions each is; outer products and values shaped as ``others`` not
    counted."""
    counts: Counter[Axis] = Counter()
    for equation in sight.equations:
        dimensions = sight.dimensions(equation.out.name)
        if len(dimensions) > 1 and dimensions not in others and not is_outer(equation):
            counts.update(dimensions)
    return counts


def is_outer(equation: Equation) -> bool:
    """Whether it is the outer product of two vectors: the gradient of a weight from one sample."""
    return isinstance(equation, Contract) and sorted(len(ref.indices) for ref in equation.operands) == [1, 1]
