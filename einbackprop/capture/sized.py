"""What is known of sizes in the end: which are expressions of others, and which is that of the samples.

Sizes and positions that are made of the sizes of arguments are expressions in the letters of those. Which dimension the
samples are is found by what is done with it, not by its size or its place.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.dimensions import BATCH_NAMES, TIME_NAMES, Axis, Place, Quotient, Size
from ..core.program import Contract, Equation, Sum, operands
from ..core.records import dataclass
from . import arithmetic, conditions, terms
from .sizes import axes_of, key_of, terms_of, told
from .way import Way


class Sized:
    """Expressions of sizes in letters.

    Attributes
    ----------
    way : Way
        What the trace met.
    chosen : mapping of Axis to str
        The letters of each dimension.
    given : sequence of Axis
        The dimensions of the arguments.
    """

    def __init__(self, way: Way, chosen: Mapping[Axis, str], given: Sequence[Axis]) -> None:
        self.way, self.chosen, self.given = way, chosen, given
        self._open: set[Axis] = set()  # dimensions that became one since may be made of one another

    def _expression(self, found: terms.Terms | None) -> Size | None:
        """A sum of products of sizes in the letters of inputs; None where that cannot be said."""
        parts: list[tuple[Fraction, tuple[str | Quotient, ...]]] = []
        for monomial, number in (found or {}).items():
            factors: list[str | Quotient] = []
            for axis, power in monomial:
                factor = self._factor(axis.root())
                if factor is None or power < 0 or power.denominator != 1:
                    return None
                factors += [factor] * int(power)
            parts.append((number, tuple(factors)))
        ordered = tuple(sorted(parts, key=lambda part: (not part[1], part[0] < 0)))
        return Size(ordered, terms.always({}, found or {}, strictly=True)) if parts else None

    def _factor(self, axis: Axis) -> str | Quotient | None:
        if axis in self.given:
            return self.chosen[axis][0]
        if axis.quotient is None or axis in self._open:
            return None
        self._open.add(axis)
        above, below = (self._expression(terms.unrolled(part)) for part in axis.quotient)
        self._open.remove(axis)
        return None if above is None or below is None else Quotient(above, below)

    def expressions(self, order: Iterable[Axis]) -> dict[str, Size]:
        """What the sizes of letters are that no input has."""
        made = {self.chosen[axis][0]: self._expression(terms_of(arithmetic.size_of(axis)))
                for axis in order if axis not in self.given and not axis.literal}  # fmt: skip
        return {letter: size for letter, size in made.items() if size is not None and size.letters}

    def claims(self) -> tuple[tuple[tuple[Size, Size, str], ...], dict[str, str]]:
        """The sizes that must be equal; and letters that are held, to a number or since it cannot be said."""
        claims: list[tuple[Size, Size, str]] = []
        held: dict[str, str] = {}
        for first, second, met in self.way.claims.values():
            reason = conditions.sentence("written", met.source, [met.answer])
            a, b = self._expression(first), self._expression(second)
            is_letter = a is not None and a.terms == ((Fraction(1), (a.letters,)),)
            if a is not None and b is not None and a.letters + b.letters and not (is_letter and not b.letters):
                claims.append((a, b, reason))
            else:
                sources = {source for axis in met.axes for source in axis.sources()}
                held |= {self.chosen[axis][0]: reason for axis in self.given if axis in sources}
        return tuple(claims), held

    def places(self) -> tuple[dict[tuple[str, int], Place], dict[str, str]]:
        """The positions that are made of sizes; and letters that are held where that cannot be said."""
        places: dict[tuple[str, int], Place] = {}
        held: dict[str, str] = {}
        for whole, place, source, alone in self.way.positions():
            reason = conditions.sentence("frozen", source, [f"{told(place)} is {place.number}"])
            size = self._expression(terms_of(place)) if alone else None
            if whole in self.chosen and size is not None:
                found, end = terms_of(place) or {}, terms_of(arithmetic.size_of(whole)) or {}
                within = terms.always({}, found, strictly=False) and terms.always(found, end, strictly=False)
                places[self.chosen[whole][0], int(place.number)] = Place(size, reason, within)
            elif not alone or key_of(place) != key_of(arithmetic.size_of(whole)):
                sources = {source for axis in (*axes_of(place), whole) for source in axis.sources()}
                held |= {self.chosen[axis][0]: reason for axis in self.given if axis in sources}
        return places, held


DATA = re.compile(r"(?i:xs?(_?(train|batch|data))?\d*|data|inputs?|images?|features)")
WEIGHTS = re.compile(
    r"(?i:w(_\w+|\d+)?|weights?|theta\d*|b\d*|bias|u|v|kernels?|filters?|coef\w*|params?)|[WUV][a-z]{1,3}\d*")
MATRICES = re.compile(
    r"(?i:[wuv](_\w+|\d+)?|[wu][xhyzrfiogc]h?|weights?|theta\d*|kernels?|filters?|params?)|[WUV][a-z]{1,3}\d*")
"""How people call the arrays of samples, and those that are learned; and what has several axes among these."""


@dataclass(frozen=True)
class Sight:
    """What there is to look at: equations in provisional letters, the stored axes of every value, the arguments.

    ``order`` holds the dimensions in the order of the data, ``concrete`` what values were, ``labels`` what the user
    calls them, ``times`` the dimensions along which loops carry values, and ``loops`` those that loops go through.
    """

    equations: Sequence[Equation]
    values: Mapping[str, Sequence[Axis]]
    inputs: Sequence[str]
    axis: Callable[[str], Axis]
    order: Sequence[Axis]
    concrete: Mapping[str, Any]
    labels: Mapping[str, str]
    times: Collection[Axis] = ()
    loops: Sequence[Axis] = ()

    def dimensions(self, name: str) -> frozenset[Axis]:
        """The dimensions of a value, without units."""
        return frozenset(axis.root() for axis in self.values[name] if not axis.is_unit)

    def is_counting(self, name: str) -> bool:
        """Whether an argument holds whole numbers: labels."""
        return name in self.concrete and np.asarray(self.concrete[name]).dtype.kind in "iu"


def dimension_of_samples(sight: Sight) -> Axis | None:
    """The dimension that ``b`` stands for.

    It is the one that the user's word for a size says. Else samples are what labels are given for; else what an array
    called as data are has, and none called as weights are; else what goes through the computation from value to value
    while the features change; else what a loop goes through. A dimension that an argument maps to itself (a
    recurrent layer), or along which one is stretched (a bias), or that buffers alone have, is none of samples, and no
    time is.
    """
    for names in (sight.inputs, sight.values):
        for name in names:
            for axis in sight.values[name]:
                if axis.root().name in BATCH_NAMES and not axis.is_unit:
                    return axis.root()
    features = broadcast_along(sight) | meeting_themselves(sight) | weighted(sight) | of_buffers(sight)
    features |= {axis for axis in sight.order if axis.name in TIME_NAMES or axis.sources() & {*sight.times}}
    for name in sight.inputs:
        if sight.is_counting(name) and sight.values[name]:
            first = sight.values[name][0].root()
            is_used = any(first in sight.dimensions(other) for other in sight.values if other != name)
            if first not in features and not first.is_unit and is_used:
                return first
    looped = [axis for axis in sight.loops if axis not in features and axis in sight.order]
    for others in (contracted_shapes(sight), set()):
        scores = carried(sight, others, features)
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)
        called = among_the_data(sight, features)
        if called in scores:
            return called
        if ranked and (len(ranked) == 1 or scores[ranked[0]] > scores[ranked[1]]):
            return rows_of(ranked[0], sight, looped) or ranked[0]
    return among_the_data(sight, features) or next(iter(looped), None)


def rows_of(columns: Axis, sight: Sight, looped: Collection[Axis]) -> Axis | None:
    """The dimension that a loop goes through row by row, of a matrix with these columns: what it carries are features
    of one sample."""
    matrices = (sight.values[name] for name in sight.inputs if len(sight.values[name]) == 2)
    rows = (axes[0].root() for axes in matrices if axes[1].root() == columns)
    return next((axis for axis in rows if axis in looped), None)


def among_the_data(sight: Sight, features: Collection[Axis]) -> Axis | None:
    """The one dimension that matrices called as data are have, none called as weights are, and that is no feature."""
    called = {name: sight.labels.get(name, "") for name in sight.inputs if len(sight.dimensions(name)) > 1}
    data = {axis for name, label in called.items() if DATA.fullmatch(label) for axis in sight.dimensions(name)}
    weights = [name for name in sight.inputs if WEIGHTS.fullmatch(sight.labels.get(name, ""))]
    data -= {axis for name in weights for axis in sight.dimensions(name)}
    left = data - {*features}
    return left.pop() if len(left) == 1 else None


def broadcast_along(sight: Sight) -> set[Axis]:
    """The dimensions of arguments of one axis that are stretched over a wider array: biases, scales."""
    found: set[Axis] = set()
    vectors = {n for n in sight.inputs if len(sight.dimensions(n)) == 1 and not sight.is_counting(n)}
    for equation in sight.equations:
        if isinstance(equation, Sum) or (isinstance(equation, Contract) and not equation.brackets):
            for ref in operands(equation):
                if ref.name in vectors and sight.dimensions(ref.name) < sight.dimensions(equation.out.name):
                    found |= sight.dimensions(ref.name)
    return found


def weighted(sight: Sight) -> set[Axis]:
    """The dimensions of what is called weights and has several."""
    called = (name for name in sight.inputs if MATRICES.fullmatch(sight.labels.get(name, "")))
    return {axis for name in called if len(sight.dimensions(name)) > 1 for axis in sight.dimensions(name)}


def of_buffers(sight: Sight) -> set[Axis]:
    """The dimensions of arguments that are zeros, to which gradients are added, that no other argument has."""
    zeros = {name for name in sight.inputs if name in sight.concrete and not np.any(sight.concrete[name])}
    others = {axis for name in sight.inputs if name not in zeros for axis in sight.dimensions(name)}
    return {axis for name in zeros for axis in sight.dimensions(name)} - others


def meeting_themselves(sight: Sight) -> set[Axis]:
    """The dimensions that an argument has twice: it maps them to themselves."""
    counts = (Counter(axis.root() for axis in sight.values[name]) for name in sight.inputs)
    return {axis for count in counts for axis, times in count.items() if times > 1}


def contracted_shapes(sight: Sight) -> set[frozenset[Axis]]:
    """The dimensions of arguments that stand in products that are summed: weights, and what they are applied to."""
    return {
        sight.dimensions(ref.name)
        for equation in sight.equations
        if isinstance(equation, Contract) and len(equation.operands) > 1
        for ref in equation.operands
        if ref.name in sight.inputs and set(ref.indices) - set(equation.out.indices)
    }


def carried(
    sight: Sight, others: set[frozenset[Axis]], features: set[Axis]
) -> dict[Axis, tuple[int, int, int]]:
    """For each dimension but the features: with how many sets of others it goes in computed values of several
    dimensions, in how many values, and how many numbers are divided by its size, as a loss is. Outer products, and what
    is shaped as ``others``, do not count."""
    kinds: dict[Axis, set[frozenset[Axis]]] = {}
    counts: Counter[Axis] = Counter()
    for equation in sight.equations:
        dimensions = sight.dimensions(equation.out.name)
        if len(dimensions) > 1 and dimensions not in others and not is_outer(equation):
            counts.update(dimensions)
            for axis in dimensions:
                kinds.setdefault(axis, set()).add(dimensions)
    means = Counter(
        sight.axis(letter).root()
        for equation in sight.equations if isinstance(equation, Contract) and not equation.out.indices
        for letter, power in equation.factor.sizes if power < 0
    )  # fmt: skip
    chosen = [axis for axis in sight.order if axis in kinds and axis not in features]
    return {axis: (len(kinds[axis]), counts[axis], means[axis]) for axis in chosen}


def is_outer(equation: Equation) -> bool:
    """Whether it is the outer product of two vectors: the gradient of a weight from one sample."""
    return isinstance(equation, Contract) and sorted(len(ref.indices) for ref in equation.operands) == [1, 1]
