"""Which axes are one dimension, and which letters a dimension gets.

Dimensions are found by following the data: where two axes are added, multiplied or summed together, they are one.
Sizes decide nothing, so two hidden layers of 4 units stay two dimensions.

While a program is traced, every index of every equation is a character of its own (a *provisional* letter) that
belongs to a dimension. When the trace is complete, ``choose_letters`` gives each dimension its letters, as many as it
meets itself in one equation.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from math import floor, lcm, prod
from typing import Generic, TypeVar

from ..errors import TraceError
from .records import dataclass

FIRST_PROVISIONAL = 0x10000
PROVISIONAL = sys.maxunicode - FIRST_PROVISIONAL
BATCH_NAMES = ("batch_size", "batch", "bs", "B", "N", "m", "M", "n_samples", "num_samples",
               "n_examples", "num_examples", "num_train", "n_train")  # fmt: skip
TIME_NAMES = ("T", "seq_len", "seq_length", "n_steps", "time_steps", "num_steps", "steps")
SAMPLES, TIME = "bn", "ts"  # the second where an array is called as the first
RESERVED = SAMPLES[0] + TIME[0]
COUNTING = ("n", "num", "number", "of", "size", "dim", "dims", "len", "length", "count", "total")
FLOW_LETTERS = "ijklmnopqrsuvwxyzacdefgh"
OTHER_LETTERS = "αβγδεζηθικλμνξπρστυφχψωABCDEFGHIJKLMNOPQRSTUVWXYZ"  # a capital is a size as a rule
MORE_LETTERS = 0x4E00  # a program of over 70 dimensions


@dataclass(eq=False, slots=True)
class Axis:
    """One axis before it is known which dimension it belongs to: a node of the union-find forest.

    Attributes
    ----------
    size : int
    name : str
        The user's word for its size (``batch_size``), where there is one.
    hint : str
        The letters that the user wrote for it, in a subscripts string or as counters of loops.
    unit : bool
        Size 1, and stretched somewhere: it is an axis of the layout only, and gets no letter.
    opened : bool
        Entries were taken out of it, so that the data do not say which other axes run over the same.
    settled : bool
        The forward says what it runs over: it is never made one with another settled dimension.
    made : mapping of powers of axes to number, or None
        The sum of products of other sizes that its size is, where that is known.
    quotient : pair of such sums, or None
        Its size is the whole quotient of the two, so that it may be 0 at other sizes.
    parts : tuple of Axis
        Those whose sizes its own is made of.
    place : str
        Where the user's code finds its size: ``len(x)``, ``X.shape[1]``.
    literal : bool
        Its size is a number that stands in the code.
    met : tuple of Axis
        Others that one letter stands for in an equation though the forward tells them from it: if one is a unit, all
        are.
    """

    size: int
    name: str = ""
    hint: str = ""
    unit: bool = False
    opened: bool = False
    settled: bool = False
    parent: Axis | None = None
    made: Sizes | None = field(default=None, repr=False)
    quotient: tuple[Sizes, Sizes] | None = field(default=None, repr=False)
    parts: tuple[Axis, ...] = field(default=(), repr=False)
    place: str = ""
    literal: bool = False
    met: tuple[Axis, ...] = field(default=(), repr=False)

    @property
    def is_unit(self) -> bool:
        """Whether its dimension is only a unit axis of the layout."""
        root = self.root()
        return root.size == 1 and (root.unit or any(axis.root().unit for axis in root.met))

    def sources(self) -> set[Axis]:
        """The dimensions that its size is made of in the end; itself where it is made of none."""
        found: set[Axis] = set()
        waiting, seen = [self.root()], set()
        while waiting:
            axis = waiting.pop().root()
            if axis not in seen:
                seen.add(axis)
                parts = {part.root() for part in axis.parts} - {axis}
                waiting += parts
                found |= set() if parts else {axis}
        return found or seen

    def root(self) -> Axis:
        """The axis that stands for the whole dimension."""
        root = self
        while root.parent is not None:
            root = root.parent
        if root is not self:
            self.parent = root  # so that the next look-up is short
        return root


Sizes = Mapping[frozenset[tuple[Axis, Fraction]], Fraction]
"""A sum of products of sizes: a number for the powers of sizes in each product."""


@dataclass
class Dimensions:
    """The union-find forest of all axes of a trace, and the provisional letters.

    Attributes
    ----------
    unions : int
        How often two dimensions have become one.
    """

    unions: int = 0
    _letters: list[Axis] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._derived = Memo[Sequence[Axis], Axis](self, lambda parents: tuple(axis.root() for axis in parents))

    def new(self, size: int, name: str = "") -> Axis:
        """An axis that is nobody else's yet."""
        return Axis(size, name)

    def literal(self, size: int) -> Axis:
        """An axis whose size is a number that stands in the code."""
        return Axis(size, literal=True)

    def derived(self, way: tuple[object, ...], parents: Sequence[Axis], size: int) -> Axis:
        """The axis made from others in one and the same way each time: the slice 0:4 of one, two merged."""
        return self._derived.get(way, parents) or self._derived.add(way, tuple(parents), Axis(size))

    def letter(self, axis: Axis) -> str:
        """A new provisional letter that ranges over the axis's dimension."""
        if len(self._letters) == PROVISIONAL:
            raise TraceError(f"the program has over {PROVISIONAL} indices: trace it at smaller sizes")
        self._letters.append(axis)
        return chr(FIRST_PROVISIONAL + len(self._letters) - 1)

    def axis(self, letter: str) -> Axis:
        """The dimension that a provisional letter ranges over."""
        axis = self._letters[ord(letter) - FIRST_PROVISIONAL]
        return axis if axis.parent is None else axis.root()

    def unify(self, a: Axis, b: Axis) -> bool:
        """Say that two axes are one dimension; False where the forward says that they are not."""
        a, b = a.root(), b.root()
        if a is b:
            return True
        if a.settled and b.settled:
            a.met, b.met = (*a.met, b), (*b.met, a)
            return False
        if b.settled:
            a, b = b, a
        b.parent = a
        self.unions += 1
        a.name, a.hint, a.place = a.name or b.name, a.hint or b.hint, a.place or b.place
        a.unit, a.opened, a.literal = a.unit or b.unit, a.opened or b.opened, a.literal and b.literal
        a.met += b.met
        known = [axis for axis in (a, b) if axis.parts and a not in {part.root() for part in axis.parts}]
        if known:
            a.made, a.quotient, a.parts = known[0].made, known[0].quotient, known[0].parts
        elif a.parts or b.parts or a.made != b.made:  # a plain number is none of the other's
            a.made, a.quotient, a.parts = None, None, ()
        return True

    def settle(self, axes: Iterable[Axis]) -> None:
        """From here on these dimensions are those of the forward: what follows is held against them."""
        for axis in axes:
            root = axis.root()
            root.settled = not root.opened and not root.unit


K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """What was made of axes, found again where the same is made of the same dimensions, of which some may have become
    one since.

    Parameters
    ----------
    dimensions : Dimensions
    key : callable
        What two descriptions of one thing have in common, as the dimensions are now.
    """

    def __init__(self, dimensions: Dimensions, key: Callable[[K], Hashable]) -> None:
        self._dimensions, self._key = dimensions, key
        self._groups: dict[Hashable, tuple[int, dict[Hashable, tuple[K, V]]]] = {}

    def _group(self, way: Hashable) -> dict[Hashable, tuple[K, V]]:
        """What was made in one way, by the keys that it has now."""
        unions, made = self._groups.setdefault(way, (self._dimensions.unions, {}))
        if unions != self._dimensions.unions:
            before, made = made, {}
            for one in before.values():  # what is one now stays one
                made.setdefault(self._key(one[0]), one)
            self._groups[way] = self._dimensions.unions, made
        return made

    def get(self, way: Hashable, described: K) -> V | None:
        """What was made first of the same, in one way, of which nothing but its axes can change; None without any."""
        found = self._group(way).get(self._key(described))
        return None if found is None else found[1]

    def add(self, way: Hashable, described: K, made: V) -> V:
        """Keep what was made, and give it back."""
        self._group(way).setdefault(self._key(described), (described, made))
        return made


def choose_letters(
    order: Sequence[Axis], needs: dict[Axis, int], batch: Axis | None, times: Collection[Axis] = (), counters: str = "",
    words: Mapping[Axis, Sequence[str]] | None = None, taken: Iterable[str] = (),
) -> dict[Axis, str]:  # fmt: skip
    """Give each dimension its letters.

    Parameters
    ----------
    order : sequence of Axis
        The dimensions in the order in which the data flow through them.
    needs : mapping
        How many letters each needs.
    batch : Axis or None
        The dimension of the samples, which is ``b`` unless the user wrote another letter.
    times : collection of Axis
        Those along which loops carry values, each ``t`` unless the user wrote another letter.
    counters : str
        Letters that loops are counted with: no dimension gets them for which the user wrote none.
    words : mapping of Axis to sequence of str
        What the user calls dimensions, beside the names of their sizes.
    taken : iterable of str
        Names of arrays: no dimension gets one as its letter for which the user wrote none.

    Returns
    -------
    mapping of Axis to str
        Letters that the user wrote survive, then come initials of the user's words; the samples are ``b``, time is
        ``t``; the others are i, j, k, … in order.
    """
    chosen: dict[Axis, str] = {}
    for axis in order:
        wished = [letter for letter in axis.hint if letter not in chosen.values()]
        if wished:
            chosen[axis] = wished[0]
    known, others = words or {}, {*chosen.values(), *counters, *taken}
    for axis in order:
        said = [*known.get(axis, ()), *([axis.name] if axis.name else [])]
        wished = [i for word in said for i in initials(word) if i not in others]
        if axis not in chosen and wished:
            chosen[axis] = wished[0]
            others.add(wished[0])
    others |= {axis.name for axis in order}  # the names of sizes mean those
    count = sum(needs.get(axis, 1) for axis in order)
    pool = [i for i in (*FLOW_LETTERS, *RESERVED, *OTHER_LETTERS) if i not in others]
    units = {axis for axis in order if axis.size == 1} if count > len(pool) else set()  # of which no letter is printed
    pool += [chr(MORE_LETTERS + n) for n in range(count)]
    for some in ([axis for axis in order if axis not in units], [axis for axis in order if axis in units]):
        for axis in some:
            if axis not in chosen:
                usual = SAMPLES if axis is batch else TIME if axis in times or axis.name in TIME_NAMES else ""
                wished = [i for i in (*usual, *pool) if i in pool and (i in usual or i not in RESERVED)]
                chosen[axis] = next(iter(wished), pool[0])
                pool.remove(chosen[axis])
        for axis in some:
            while len(chosen[axis]) < needs.get(axis, 1):
                wished = [i for i in axis.hint if not any(i in letters for letters in chosen.values())]
                letter = wished[0] if wished else _neighbour(chosen[axis][-1], pool)
                pool = [i for i in pool if i != letter]
                chosen[axis] += letter
    return chosen


def initials(word: str) -> Iterator[str]:
    """The letters that a word for a dimension suggests: n for ``N``, h for ``hidden_size``, d and then o for ``D_out``.

    Those of the samples and of time stand for nothing else, so that ``num_tasks`` suggests none.
    """
    if word in TIME_NAMES:
        yield TIME[0]
    if word in BATCH_NAMES and len(word) > 1:
        yield SAMPLES[0]
    parts = [part for part in re.split(r"[_\d]+|(?<=[a-z])(?=[A-Z])", word) if part]
    telling = [part for part in parts if part.lower() not in COUNTING] or parts
    for part in telling:
        letter = part[0].lower()
        if "a" <= letter <= "z" and (letter not in RESERVED or len(parts) == 1):
            yield letter


def _neighbour(letter: str, pool: Sequence[str]) -> str:
    """The next free letter after this one, so that a second letter over a dimension stands near the first."""
    after = [i for i in pool if i > letter and i.isascii() and i.islower()]
    return next(iter(after or pool))


@dataclass(frozen=True, slots=True)
class Size:
    """A sum of products of sizes: ``((1, (("i",),)), (-1, ()))`` is one less than the size of i.

    A factor is the letter of a dimension, or a whole quotient. ``positive`` says whether it is at least 1 wherever all
    sizes are.
    """

    terms: tuple[tuple[Fraction, tuple[str | Quotient, ...]], ...]
    positive: bool = True

    @property
    def letters(self) -> str:
        """The letters of the sizes in it."""
        factors = [factor for _, product in self.terms for factor in product]
        return "".join(dict.fromkeys("".join(f if isinstance(f, str) else f.letters for f in factors)))

    def value(self, sizes: Mapping[str, int]) -> int:
        """The number that it is."""
        return floor(sum(
            number * prod(sizes[f] if isinstance(f, str) else f.value(sizes) for f in product)
            for number, product in self.terms
        ))

    def code(self, size: Callable[[str], str]) -> str:
        """It as Python, with a variable for the size of each letter."""
        below = lcm(*(number.denominator for number, _ in self.terms))
        text = ""
        for number, product in self.terms:
            count = number * below
            factors = [size(f) if isinstance(f, str) else f"({f.code(size)})" for f in product]
            if len(self.terms) == len(product) == 1 and count == 1 == below and not isinstance(product[0], str):
                return product[0].code(size)
            shown = " * ".join([*([str(abs(count))] if abs(count) != 1 or not factors else []), *factors])
            text += (f" {'-' if count < 0 else '+'} " if text else "-" * (count < 0)) + shown
        return f"({text}) // {below}" if below != 1 else text


@dataclass(frozen=True, slots=True)
class Quotient:
    """``above // below``."""

    above: Size
    below: Size

    @property
    def letters(self) -> str:
        """The letters of the sizes in it."""
        return self.above.letters + self.below.letters

    def value(self, sizes: Mapping[str, int]) -> int:
        """The number that it is."""
        below = self.below.value(sizes)
        return self.above.value(sizes) // below if below else 0

    def code(self, size: Callable[[str], str]) -> str:
        """It as Python."""
        parts = [part.code(size) for part in (self.above, self.below)]
        above, below = (f"({part})" if " " in part else part for part in parts)
        return f"{above} // {below}"


@dataclass(frozen=True, slots=True)
class Place:
    """A position along an axis that is an expression of sizes, and why it is a number where it is taken for one.

    ``within`` says whether it is in the axis wherever all sizes are at least 1.
    """

    size: Size
    reason: str
    within: bool = True
