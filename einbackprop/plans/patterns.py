"""Brackets: a 0/1 pattern is not multiplied by, it says where to read and where to write.

``Σ_p x[p] [p=2s+r]`` reads x at 2s + r: a view with the letters s and r, whose strides are two entries and one. Where
the letter stands in the output, it is where the product is written: ``y[p] = Σ_s x[s] [p=2s]`` fills every second
entry of y. So a bracket is solved for one of its letters, and what that letter is equal to takes its place in
every axis. Reads that would leave an array are cut off, or the array is padded with zeros.
What cannot be solved (an inequality, say) becomes an operand of zeros and ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from math import prod
from typing import Any

import numpy as np

from ..core.collecting import summed
from ..core.interpretation import whole
from ..core.program import Bracket, Contract, Position, Ref, Relation
from ..core.records import dataclass
from .views import View
from .workspace import Workspace


@dataclass(frozen=True)
class Form:
    """A position: ``constant + Σ coefficient · letter``; ``terms`` is sorted by letter, without zeros."""

    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0

    @staticmethod
    def of(terms: dict[str, int], constant: int = 0) -> Form:
        return Form(tuple(sorted((i, c) for i, c in terms.items() if c)), constant)

    @property
    def letters(self) -> str:
        return "".join(i for i, _ in self.terms)

    def coefficient(self, letter: str) -> int:
        return dict(self.terms).get(letter, 0)

    def plus(self, other: Form, times: int = 1) -> Form:
        terms = summed((*self.terms, *((letter, times * c) for letter, c in other.terms)))
        return Form.of(terms, self.constant + times * other.constant)

    def substituted(self, letter: str, form: Form) -> Form:
        c = self.coefficient(letter)
        return self.plus(Form(((letter, c),), 0), -1).plus(form, c) if c else self

    def within(self, sizes: dict[str, int], length: int) -> range:
        """The numbers of its one letter for which it is a position along an axis."""
        ((letter, c),) = self.terms
        inside = [n for n in range(sizes[letter]) if 0 <= self.constant + c * n < length]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def bounds(self, sizes: dict[str, int]) -> tuple[int, int]:
        """The least and the greatest position."""
        ends = [(c * (sizes[i] - 1), 0) for i, c in self.terms]
        return self.constant + sum(min(e) for e in ends), self.constant + sum(max(e) for e in ends)

    def leaves(self, sizes: dict[str, int], length: int) -> bool:
        """Whether some positions are outside an axis of this length."""
        low, high = self.bounds(sizes)
        return low < 0 or high >= length


@dataclass(frozen=True)
class Reading:
    """An array, and the position at which each of its axes is read."""

    view: View
    axes: tuple[Form, ...]

    @property
    def letters(self) -> str:
        return "".join(dict.fromkeys("".join(form.letters for form in self.axes)))

    def substituted(self, letter: str, form: Form) -> Reading:
        return replace(self, axes=tuple(axis.substituted(letter, form) for axis in self.axes))


@dataclass(frozen=True)
class Condition:
    """A bracket: where ``form + Σ sign · pick`` stands in the relation to 0."""

    form: Form
    relation: Relation
    picks: tuple[tuple[int, Reading], ...] = ()

    @property
    def letters(self) -> str:
        return "".join(dict.fromkeys(self.form.letters + "".join(pick.letters for _, pick in self.picks)))

    def substituted(self, letter: str, form: Form) -> Condition:
        picks = tuple((sign, pick.substituted(letter, form)) for sign, pick in self.picks)
        return replace(self, form=self.form.substituted(letter, form), picks=picks)


@dataclass
class Pattern:
    """A contraction while its brackets are solved.

    Attributes
    ----------
    readings : list of Reading
    conditions : list of Condition
        Those that are left.
    out : list of Form
        Where the result goes, an axis each.
    letters : set of str
        Every letter that it ranges over.
    scatters : list of (axis of out, Reading)
        Axes along which it goes where labels say.
    is_zero : bool
        A bracket never holds.
    """

    work: Workspace
    readings: list[Reading]
    conditions: list[Condition]
    out: list[Form]
    letters: set[str]
    scatters: list[tuple[int, Reading]] = field(default_factory=list)
    is_zero: bool = False

    def solve(self) -> None:
        """Use up every bracket that can be solved, then make operands of those left."""
        waiting = self.conditions
        self.conditions = []
        while waiting:
            waiting.sort(key=lambda c: (bool(c.picks), c.relation != "="))
            condition, *rest = waiting
            self.conditions = rest
            if condition.relation != "=" or not self.solve_one(condition):
                self.materialise(condition)
            waiting = self.conditions

    def solve_one(self, condition: Condition) -> bool:
        """Solve an equation for a letter, if that can be done."""
        if condition.picks:
            return self.solve_pick(condition)
        if not condition.form.terms:
            self.is_zero |= condition.form.constant != 0
            return True
        sizes = self.work.sizes
        ranked: list[tuple[float, bool, str, Form]] = []
        for letter, c in condition.form.terms:
            if abs(c) == 1:
                others = condition.form.plus(Form(((letter, c),)), -1)
                solution = Form.of({i: -c * k for i, k in others.terms}, -c * others.constant)
                effort: float = 0 if not solution.leaves(sizes, sizes[letter]) else 1 if len(solution.terms) <= 1 else 2
                written = any(form.coefficient(letter) for form in self.out)
                if effort == 2 and self.may_leave(letter):
                    effort = 1.5
                ranked.append((effort, written, letter, solution))
        for effort, _, letter, solution in sorted(ranked, key=lambda item: item[:3]):
            if effort == 2 and not self.pad(letter, solution):
                continue
            if effort == 1:  # 1.5: what is written outside the array is left out
                solution = self.restrict(letter, solution)
            self.substitute(letter, solution)
            return True
        return False

    def substitute(self, letter: str, form: Form) -> None:
        """Put a position in the place of a letter, everywhere."""
        self.readings = [reading.substituted(letter, form) for reading in self.readings]
        self.conditions = [condition.substituted(letter, form) for condition in self.conditions]
        self.out = [axis.substituted(letter, form) for axis in self.out]
        self.scatters = [(axis, pick.substituted(letter, form)) for axis, pick in self.scatters]
        self.letters = (self.letters - {letter}) | set(form.letters)

    def restrict(self, letter: str, solution: Form) -> Form:
        """Cut the one letter of a solution off where it would leave the letter's axis."""
        size = self.work.sizes[letter]
        if not solution.terms:
            self.is_zero |= not 0 <= solution.constant < size
            return Form()
        ((other, _),) = solution.terms
        inside = solution.within(self.work.sizes, size)
        self.is_zero |= not inside
        new = self.work.letter(len(inside))
        moved = Form(((new, 1),), inside.start)
        self.substitute(other, moved)
        return solution.substituted(other, moved)

    def may_leave(self, letter: str) -> bool:
        """Whether a letter is nothing but an axis of a product of two, so that what leaves the axis can be cut off."""
        alone = [form == Form(((letter, 1),)) for form in self.out if form.coefficient(letter)]
        read = any(letter in r.letters for r in self.readings) or any(letter in c.letters for c in self.conditions)
        plain = not any(condition.picks for condition in self.conditions) and not self.scatters
        return alone == [True] and not read and plain and len(self.readings) == 2

    def leaves(self, shape: Sequence[int]) -> bool:
        """Whether something is written outside an array of this shape, that is, left out."""
        return any(form.leaves(self.work.sizes, length) for form, length in zip(self.out, shape, strict=True))

    def pad(self, letter: str, solution: Form) -> bool:
        """Surround what is read along a letter by zeros, so that it is read within its bounds."""
        reads = [reading for reading in self.readings if letter in reading.letters]
        alone = Form(((letter, 1),))
        others = any(letter in c.letters for c in self.conditions) or any(letter in p.letters for _, p in self.scatters)
        if not reads or others or any(form.coefficient(letter) for form in self.out):
            return False
        if any(form.coefficient(letter) and form != alone for reading in reads for form in reading.axes):
            return False
        low, high = solution.bounds(self.work.sizes)
        before, after = max(0, -low), max(0, high - self.work.sizes[letter] + 1)
        shifted = [padded(self.work, r, letter, before, after) if r in reads else r for r in self.readings]
        self.readings = shifted
        return True

    def solve_pick(self, condition: Condition) -> bool:
        """``[n = y[b]]``: gather what is read along n, scatter what is written along it."""
        if len(condition.picks) != 1 or len(condition.form.terms) != 1:
            return False
        ((letter, c),) = condition.form.terms
        ((sign, pick),) = condition.picks
        alone = Form(((letter, 1),))
        if c * sign != -1 or condition.form.constant or letter in pick.letters:
            return False
        forms = [form for reading in self.readings for form in reading.axes] + self.out
        if any(form.coefficient(letter) and form != alone for form in forms) or self.scatters:
            return False
        if any(letter in other.letters for other in self.conditions):
            return False
        written = [axis for axis, form in enumerate(self.out) if form == alone]
        if written and self.out != list(axes_of("".join(dict.fromkeys("".join(f.letters for f in self.out))))):
            return False
        reads = [reading for reading in self.readings if letter in reading.letters]
        if len(written) > 1 or any(r.axes.count(alone) > 1 for r in reads):
            return False
        if not written and not reads:  # 1 where the label is a position, else 0
            reads = [Reading(self.work.ones(self.work.sizes[letter], np.dtype(np.int8)), (alone,))]
            self.readings += reads
        self.readings = [gathered(self.work, r, letter, pick) if r in reads else r for r in self.readings]
        self.scatters += [(axis, pick) for axis in written]
        if not written:
            self.letters.discard(letter)
        return True

    def materialise(self, condition: Condition) -> None:
        """A bracket as an operand of zeros and ones."""
        letters = condition.letters
        shape = self.work.shape(letters)
        grid = dict(zip(letters, np.ogrid[tuple(slice(n) for n in shape)], strict=True))
        constant: Any = np.full([1] * len(letters), condition.form.constant, np.int64)
        base = sum((c * grid[letter] for letter, c in condition.form.terms), start=constant)
        test = Test(condition.relation, base, tuple(sign for sign, _ in condition.picks), shape)
        if not condition.picks:
            view = self.work.assembly.constant(test(), letters)
        else:
            view = self.work.allocate(letters, np.dtype(np.int64))
            arrays = [viewed(self.work, pick).spread(letters) for _, pick in condition.picks]
            name = self.work.assembly.function(test)
            places = ", ".join(f"{{{n}}}" for n in range(len(arrays)))
            self.work.assembly.emit("pattern", f"copyto({{out}}, {name}({places}))", *arrays, out=view)
        self.readings.append(Reading(view, tuple(Form(((i, 1),)) for i in letters)))


@dataclass(frozen=True)
class Test:
    """Where a bracket holds, as a plan's source calls it."""

    relation: Relation
    base: Any
    signs: tuple[int, ...]
    shape: tuple[int, ...]

    def __call__(self, *picks: np.ndarray) -> np.ndarray:
        parts = (sign * pick.astype(np.int64) for sign, pick in zip(self.signs, picks, strict=True))
        total = sum(parts, start=self.base)
        holds = {"=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal}[self.relation](total, 0)
        return np.broadcast_to(holds, self.shape).astype(np.int64)


def read(work: Workspace, equation: Contract) -> Pattern:
    """The pattern of an equation, as it stands."""
    readings = [Reading(work.values[ref.name], axes_of(ref.indices)) for ref in equation.operands]
    conditions = [condition_of(work, bracket) for bracket in equation.brackets]
    out = list(axes_of(equation.out.indices))
    letters = set(equation.out.indices).union(*(r.letters for r in readings), *(b.letters for b in equation.brackets))
    return Pattern(work, readings, conditions, out, letters)


def axes_of(letters: str) -> tuple[Form, ...]:
    """Each axis read at its letter."""
    return tuple(Form(((i, 1),)) for i in letters)


def condition_of(work: Workspace, bracket: Bracket) -> Condition:
    """A bracket as left - right."""
    form, picks = Form(), []
    for sign, side in ((1, bracket.left), (-1, bracket.right)):
        form = form.plus(form_of(work, side), sign)
        if side.pick is not None:
            picks.append((sign, labels_of(work, side.pick)))
    return Condition(form, bracket.relation, tuple(picks))


def form_of(work: Workspace, position: Position) -> Form:
    """A position without its pick."""
    form = Form((), position.constant)
    for coefficient, letter in position.terms:
        form = form.plus(Form(((letter, 1),)), whole(coefficient, work.program.sizes))
    return form


def reading_of(work: Workspace, ref: Ref) -> Reading:
    """A value read at its letters."""
    return Reading(work.values[ref.name], axes_of(ref.indices))


def labels_of(work: Workspace, ref: Ref) -> Reading:
    """A value read as positions: what a cast made whole may be stored as floats."""
    reading = reading_of(work, ref)
    if reading.view.dtype.kind not in "fc":
        return reading
    return Reading(work.converted(reading.view, np.dtype(np.int64)), reading.axes)


def viewed(work: Workspace, reading: Reading) -> View:
    """What is read, as a view with one axis for each letter."""
    letters = reading.letters
    if reading.axes == axes_of(letters) and reading.view.array.shape == work.shape(letters):
        return reading.view.named(letters)
    steps = [[form.coefficient(i) for i in letters] for form in reading.axes]
    return reading.view.affine(letters, work.shape(letters), steps, [form.constant for form in reading.axes])


def at_positions(work: Workspace, out: View, forms: Sequence[Form], letters: str) -> View:
    """The part of an array that has these letters at these positions of its axes."""
    steps = [[form.coefficient(i) for i in letters] for form in forms]
    return out.affine(letters, work.shape(letters), steps, [form.constant for form in forms])


def padded(work: Workspace, reading: Reading, letter: str, before: int, after: int) -> Reading:
    """A copy with zeros around it along one letter."""
    alone = Form(((letter, 1),))
    names = "".join(chr(0xF000 + n) for n in range(len(reading.axes)))
    steps = np.eye(len(names), dtype=int).tolist()
    lengths = zip(reading.axes, reading.view.array.shape, strict=True)
    # A letter may stand, by another bracket, for a longer axis, of which it reads a part.
    shape = tuple(work.sizes[letter] if form == alone else k for form, k in lengths)
    view = reading.view.affine(names, shape, steps, [0] * len(names))
    extra = {n: before + after for n, form in enumerate(reading.axes) if form == alone}
    root = work.assembly.root([k + extra.get(n, 0) for n, k in enumerate(shape)], view.dtype)
    root.last = work.at
    out = View.of(root, names)
    work.assembly.emit("fill", "{out}.fill(0)", out=out)
    centre = out.affine(names, shape, steps, [before if n in extra else 0 for n in range(len(names))])
    work.assembly.emit("copy", "copyto({out}, {0})", view, out=centre)
    moved = Form(((letter, 1),), before)
    return Reading(out, tuple(moved if form == alone else form for form in reading.axes))


def gathered(work: Workspace, reading: Reading, letter: str, pick: Reading) -> Reading:
    """What is read where labels say: the letter's axis becomes the letters of the labels.

    Letters that both have are read together: ``x[b, y[b]]``.
    """
    labels = viewed(work, pick)
    view = viewed(work, reading)
    shared = "".join(i for i in labels.term if i in view.term)
    rest = "".join(i for i in view.term if i != letter and i not in shared)
    order = labels.term + rest
    out = work.allocate(order, view.dtype)
    known = labels.are_positions(view.length(letter))
    call = f"gather({{0}}, {{1}}, {len(shared)}, {{out}}, {known})"
    labels = labels.transposed(shared + "".join(i for i in labels.term if i not in shared))
    target = out.transposed(labels.term + rest)
    work.assembly.emit("gather", call, view.transposed(shared + letter + rest), labels, out=target)
    return Reading(out, axes_of(order))


def flat_steps(out: Sequence[Form], shape: Sequence[int], letters: Iterable[str]) -> list[int]:
    """How far one step along each letter goes in a C-ordered array."""
    weights = [prod(shape[n + 1 :]) for n in range(len(shape))]
    return [sum(form.coefficient(i) * w for form, w in zip(out, weights, strict=True)) for i in letters]


def is_injective(out: Sequence[Form], shape: Sequence[int], letters: str, sizes: dict[str, int]) -> bool:
    """Whether no two combinations of letters go to one place (sure if True)."""
    reach = 0
    for step, letter in sorted(zip(map(abs, flat_steps(out, shape, letters)), letters, strict=True)):
        if sizes[letter] > 1:
            if step <= reach:
                return False
            reach += step * (sizes[letter] - 1)
    return True
