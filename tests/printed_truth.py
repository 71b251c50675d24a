"""Whether what any test prints is true: each equation, einsum line and matrix form, read back from its text alone and
evaluated at drawn values, gives what ``interpretation`` makes of the equation and of those that stand inside it.

``Recorder`` keeps each equation that is printed, with its view, once. Formulas of readings are left out: they are held
against the values of the user's own statements (``reading_truth``).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property, wraps
from math import prod
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError
from shown import Shown
from truth import einsum_fault, equation_fault, matrix_fault, persistent

from einbackprop.core.elementwise import FUNCTIONS
from einbackprop.core.interpretation import compute
from einbackprop.core.letters import letters_of, rename_letters
from einbackprop.core.program import (
    Bracket,
    Contract,
    Equation,
    Map,
    MatrixFunction,
    Opaque,
    Position,
    Ref,
    Sum,
    Update,
    operands,
)
from einbackprop.errors import FunctionError, NotationError, RangeError, ShapeError
from einbackprop.notation.index_notation import equation_text
from einbackprop.notation.steps import ELLIPSIS
from einbackprop.notation.view import LARGEST, View

AS_ONE_LETTER = "ω"
LARGEST_GRID = 20_000
SPREADS = ((0.2, 2.0, True), (0.2, 0.95, False), (1.1, 2.0, False))
"""Between what numbers are drawn, and whether of both signs: functions such as log or arccosh take some alone."""

UNFIT = (RangeError, ShapeError, FunctionError, IndexError, OverflowError, ZeroDivisionError, LinAlgError)
"""What is raised where an equation means nothing for what was drawn."""

Spread = tuple[float, float, bool]
Within = Callable[[View, Equation], View]


class Recorder:
    """The equations that are printed, each with its view once; those since the last test wait to be judged."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.waiting: list[tuple[Equation, View]] = []
        self.judging = False

    def recording(self, within: Within) -> Within:
        """``View.within``, which whatever prints an equation calls first, as one that notes what is printed."""

        @wraps(within)
        def noting(view: View, equation: Equation) -> View:
            if not self.judging:
                self.note(equation, view)
            return within(view, equation)

        return noting

    def note(self, equation: Equation, view: View) -> None:
        """Keep an equation to be judged, unless it was printed so before, or stands in a reading."""
        if view.at_hand is not None or view.spellings or view.bare:
            return
        read = dict.fromkeys(ref.name for ref in view.reached(equation))
        if two_of_one_name(view, equation):
            return
        inline = {name: view.inline[name] for name in read if name in view.inline}
        names = (equation.out.name, *read)
        called = tuple((view.called(name), view.units.get(name, ()), name in view.booleans) for name in names)
        sizes = {letter for e in (equation, *inline.values()) for letter in sized_letters(e)}
        capitals = frozenset(letter for letter in sizes if letter.upper() in view.taken)
        key = hash((equation, tuple(inline.items()), called, capitals))
        if key not in self.seen and len(read) <= LARGEST:
            self.seen.add(key)
            self.waiting.append((equation, replace(view, inline=inline)))

    @contextmanager
    def of_a_test(self) -> Iterator[None]:
        """Nothing that a test printed waits when the next begins."""
        try:
            yield
        finally:
            self.waiting = []

    def judged(self) -> list[str]:
        """What is false of the equations that wait."""
        waiting, self.waiting, self.judging = self.waiting, [], True
        try:
            return [fault for equation, view in waiting for fault in faults(equation, view)]
        finally:
            self.judging = False


def two_of_one_name(view: View, equation: Equation) -> bool:
    """Whether two values of a formula are called the same and cannot be one; in diagnosis, which takes for the name of
    a value the first that it had."""
    ranks: dict[str, set[int]] = {}
    for ref in view.reached(equation):
        if ref.name not in view.inline and view.called(ref.name) != "ones":
            ranks.setdefault(view.called(ref.name), set()).add(len(ref.indices))
    return any(len(found) > 1 for found in ranks.values()) and any(
        name.startswith("einbackprop.diagnosis") for name in callers()
    )


def is_expression(name: str) -> bool:
    """Whether a name can be an expression of Python, or a derivative, to which letters can be put."""
    begins = re.match(r"[^\W\d]|[∂(]", name) is not None
    try:
        ast.parse(re.sub("[∂/₀₁₂₃₄₅₆₇₈₉′]", "_", name), mode="eval")
    except (SyntaxError, ValueError):
        return False
    return begins and name.isprintable()


def callers() -> Iterator[str]:
    """The modules that are calling."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        yield str(frame.f_globals.get("__name__"))


def faults(equation: Equation, view: View) -> Iterator[str]:
    """The printed forms of an equation that are false, or that cannot be read back."""
    if ELLIPSIS in letters_of(equation):  # "read it as one letter"
        equation = rename_letters(equation, {ELLIPSIS: AS_ONE_LETTER})
    printing = Printing(equation, view)
    if any(isinstance(e, Opaque) for e in (equation, *printing.inside.values())):
        return
    try:
        equation_text(equation, view)
    except NotationError:  # nothing was printed
        return
    names = {view.called(ref.name) for ref in (equation.out, *view.reached(equation))}
    if not all(map(is_expression, names)):  # hostile names: only keys of arguments can be such
        return
    case = next(printing.cases(), None)
    if case is None:
        return
    for fault in (equation_fault, einsum_fault, matrix_fault):
        if said := persistent(case, fault):
            yield said


def sized_letters(equation: Equation) -> Iterator[str]:
    """The letters whose sizes stand in the factors of an equation."""
    match equation:
        case Contract(_, _, brackets, factor):
            factors = [factor]
        case Sum(_, terms):
            factors, brackets = [factor for factor, _ in terms], ()
        case Update(_, _, _, brackets):
            factors = []
        case _:
            return
    factors += [factor for b in brackets for p in (b.left, b.right) for factor, _ in p.terms]
    yield from (letter for factor in factors for letter, _ in factor.sizes)


@dataclass(frozen=True)
class Printing:
    """An equation as it is printed: the letters that have one size, and what its operands may be."""

    equation: Equation
    view: View

    @cached_property
    def inside(self) -> dict[str, Equation]:
        """The equations that stand inside it, by the values that they make."""
        return {ref.name: self.view.inline[ref.name] for ref in self.reads if ref.name in self.view.inline}

    @cached_property
    def reads(self) -> list[Ref]:
        """Every operand of it and of those that stand inside it."""
        return list(self.view.reached(self.equation))

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """The equation, and those that stand inside it."""
        return (self.equation, *self.inside.values())

    @cached_property
    def classes(self) -> dict[str, str]:
        """One letter for all that must have one size: of one dimension, or at the same axis of one value."""
        group: dict[str, str] = {}

        def first(letter: str) -> str:
            while group.setdefault(letter, letter) != letter:
                letter = group[letter]
            return letter

        axes: dict[tuple[str, bool], str] = {}
        for e in self.equations:
            if isinstance(e, MatrixFunction):
                rows, columns = e.matrix if e.function == "pinv" else e.matrix[0] * 2
                for letter, other in zip(e.matrix + e.result, (rows, columns, columns, rows), strict=False):
                    group[first(letter)] = first(other)
            for letter in (*letters_of(e), *sized_letters(e)):
                group[first(letter)] = first(self.view.alike.get(letter, letter)[0])
            for ref in (e.out, *operands(e)):
                if ref.name == self.equation.out.name:
                    continue  # what a line makes may be called like what it reads
                is_own = ref.name in self.inside or self.is_ones(ref)
                name = ref.name if is_own else self.view.called(ref.name)
                for a, b in zip(axes.setdefault((name, is_own), ref.indices), ref.indices, strict=False):
                    group[first(a)] = first(b)
        return {letter: first(letter) for letter in list(group)}

    def is_ones(self, ref: Ref) -> bool:
        """Whether an operand is an array of ones, of which there may be several."""
        return ref.name not in self.inside and self.view.called(ref.name) == "ones"

    # sizes

    def all_sizes(self) -> Iterator[dict[str, int]]:
        """Sizes to try: small ones at which positions fit, then those of the program."""
        classes = list(dict.fromkeys(self.classes.values()))
        small = {c: n % 4 + 2 for n, c in enumerate(classes)}
        if prod(small.values()) > LARGEST_GRID:
            small = dict.fromkeys(classes, 2)
        for _ in range(2):
            for bracket in self.brackets():
                self.fit(bracket, small)
        if not self.has_places:
            yield {letter: small[c] for letter, c in self.classes.items()}
        own = {c: self.view.sizes.get(c, 0) for c in classes}
        if 0 < prod(own.values()) <= LARGEST_GRID:
            others = self.view.sizes if self.has_places else {}
            yield {**others, **{letter: own[c] for letter, c in self.classes.items()}}

    @property
    def has_places(self) -> bool:
        """Whether a position stands for an expression of sizes, so that it holds at those of the program."""
        sides = (pair for b in self.brackets() for pair in ((b.left, b.right), (b.right, b.left)))
        return any(other.is_letter and self.view.place(other.letters, one.constant) for one, other in sides)

    def brackets(self) -> Iterator[Bracket]:
        """Every bracket of it and of those that stand inside it."""
        for e in self.equations:
            if isinstance(e, Contract | Update):
                yield from e.brackets

    def fit(self, bracket: Bracket, sizes: dict[str, int]) -> None:
        """Make a letter that stands alone on one side as large as the other side needs."""
        known = {letter: sizes[c] for letter, c in self.classes.items()}
        for one, other in ((bracket.left, bracket.right), (bracket.right, bracket.left)):
            if one.pick is None and len(one.terms) == 1 and other != Position.of(*other.letters[:1]):
                own = self.classes[one.terms[0][1]]
                terms = [float(factor.value(known).real) * (known[i] - 1) for factor, i in other.terms]
                top = int(min(sum(max(t, 0) for t in terms), 40)) + other.constant
                picked = prod(known[i] for i in other.pick.indices) + 1 - self.lowest if other.pick is not None else 0
                sizes[own] = min(max(sizes[own], top + picked + 1), 40)

    # values

    def cases(self) -> Iterator[Case]:
        """The equation at drawn values, finite ones first."""
        for sizes in self.all_sizes():
            for seed in range(3):
                case = Case(self.equation, telling(self.view, sizes), {}, None, self, sizes)
                try:
                    yield case.again(seed)
                except UNFIT:
                    continue

    @cached_property
    def whole(self) -> set[str]:
        """Values that pick positions, and those that such are made of."""
        waiting = [p.pick.name for b in self.brackets() for p in (b.left, b.right) if p.pick is not None]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [ref.name for ref in operands(self.inside[name])] if name in self.inside else []
        return found

    @cached_property
    def lowest(self) -> int:
        """What has to be taken from a position that is picked so that none is negative: a formula has none at -1."""
        return min(0, *(p.constant for b in self.brackets() for p in (b.left, b.right) if p.pick is not None))

    @cached_property
    def masks(self) -> set[str]:
        """Values that are read as conditions."""
        found = set()
        for e in self.equations:
            if isinstance(e, Update) and e.mask is not None:
                found.add(e.mask.name)
            if isinstance(e, Map):
                logical = e.function != "where" and FUNCTIONS[e.function].logical
                found |= {ref.name for ref in (e.operands if logical else e.operands[: e.function == "where"])}
        return found

    def array(self, ref: Ref, shape: list[int], spread: Spread, seed: int) -> Any:
        """Numbers for an operand: positions where it picks, 0 and 1 where it is a condition."""
        rng = np.random.default_rng([seed, *self.view.called(ref.name).encode("utf-8", "surrogatepass")])
        if self.is_ones(ref):
            return np.ones(shape)
        if ref.name in self.whole:
            return rng.permutation(prod(shape)).reshape(shape) - self.lowest
        if ref.name in self.view.booleans or ref.name in self.masks:
            return rng.integers(0, 2, shape).astype(bool if ref.name in self.view.booleans else float)
        low, high, signed = spread
        drawn = rng.uniform(low, high, shape) * (rng.choice([-1, 1], shape) if signed else 1)
        for e in self.equations:
            if isinstance(e, MatrixFunction) and e.function == "cholesky" and e.operands[0] == ref:
                last = np.moveaxis(drawn, [ref.indices.index(i) for i in e.matrix], (-2, -1))
                square = last @ np.swapaxes(last, -1, -2) + np.eye(last.shape[-1])
                drawn = np.moveaxis(square, (-2, -1), [ref.indices.index(i) for i in e.matrix])
        return drawn


def telling(view: View, sizes: dict[str, int]) -> View:
    """The view with the size of each new letter written down: that of the letter for which it stands."""

    class Telling(type(view)):  # type: ignore[misc]
        def another(self, letter: str, used: set[str]) -> str:
            new = str(super().another(letter, used))
            sizes[new] = sizes[letter]
            return new

    return Telling(**{part.name: getattr(view, part.name) for part in fields(view)})


@dataclass(frozen=True)
class Case(Shown):
    """A printed equation at drawn values."""

    printing: Printing
    letters: dict[str, int]

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each letter."""
        return self.letters

    @property
    def known(self) -> dict[str, Any]:
        """The values by the names that they are shown by; ``ones`` of several sizes are a word of formulas."""
        ones = {np.shape(self.values[ref.name]) for ref in self.printing.reads if self.printing.is_ones(ref)}
        return {name: value for name, value in super().known.items() if name != "ones" or len(ones) == 1}

    def again(self, seed: int) -> Case:
        """The same with other numbers: the first of some spreads that is finite, else the last."""
        for spread in SPREADS:
            with np.errstate(all="ignore"):
                values = self.drawn(self.equation, {}, spread, seed)
                expected = compute(self.equation, values, self.letters)
            case = replace(self, values={self.equation.out.name: expected, **values}, expected=expected)
            if case.is_finite:
                break
        return case

    def drawn(self, equation: Equation, values: dict[str, Any], spread: Spread, seed: int) -> dict[str, Any]:
        """With what an equation reads: drawn, or made of what its own equation reads."""
        for ref in operands(equation):
            inner = self.printing.inside.get(ref.name)
            if ref.name in values:
                continue
            if inner is None:
                shape = [self.letters[i] for i in ref.indices]
                values[ref.name] = self.printing.array(ref, shape, spread, seed)
            else:
                self.drawn(inner, values, spread, seed)
                values[ref.name] = compute(inner, values, self.letters)
        return values
