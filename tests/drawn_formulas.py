"""Programs drawn for the notation: every kind of equation and function, values that stand inside one another.

Sizes are all distinct, so that a letter in another's place has another shape. Names are what users write, words of
formulas among them. ``drawn`` takes a source of random numbers: hypothesis's own where a failure should shrink.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from shown import Shown

from einbackprop.core.elementwise import FUNCTIONS
from einbackprop.core.interpretation import evaluate
from einbackprop.core.program import (
    ONE,
    Bracket,
    Contract,
    Dimension,
    Equation,
    Extremum,
    Factor,
    Input,
    Map,
    Position,
    Program,
    Ref,
    Sum,
    Update,
)
from einbackprop.notation.index_notation import View

LETTERS = ("abi", "jke", "cdm", "nrs")
MORE = ("tαβ", "uvγ", "wxδ", "yzε")  # letters of the same dimensions for values that stand inside others
NAMES = ("x", "W", "B", "b", "e", 'theta["W3"]', "self.W", "hs[t-1]", "net.layers[0].W", "X.T", "sigmoid(a)", "at",
         "max_k", "BJ", "J", "i", "where", "A", "ones", "inf", "z", "_z1", "β", "x2", "tanh")  # fmt: skip
NUMBERS = [1, 1, 1, -1, -1, 2, 3, 0.5, -0.5, Fraction(2, 7), Fraction(-3, 2), Fraction(1, 3), 0.1, -0.001, 0, 1e-12, 25]
ODD: list[list[Any]] = [[1.23456789, 1234567.5, 1e9 + 0.5], [2j, 1 - 2j, -0.75j], [float("inf"), float("nan")]]
WHOLE = [Fraction(2), Fraction(3), Fraction(-1), Fraction(-1), Fraction(-2), Fraction(0), Fraction(1), Fraction(4)]
POWERS = [*WHOLE, Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2), Fraction(1, 3), Fraction(0.3)]
TWO = [name for name, f in FUNCTIONS.items() if len(f.partials) == 2]
OF_COMPLEX = ["exp", "sin", "cos", "sinh", "cosh", "tanh", "sigmoid", "conj", "real", "imag", "abs"]  # of one branch
ONE_OPERAND = [name for name, f in FUNCTIONS.items() if len(f.partials) == 1 and name != "power"]


@dataclass
class Drawing:
    """A program while it is drawn: the letters of each value."""

    random: Random
    dimensions: list[Dimension]
    odd: list[Any]
    axes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    count: int = 0

    def pick(self, options: Any) -> Any:
        return self.random.choice(list(options))

    def chance(self, of: int) -> bool:
        return self.random.randrange(of) == 0

    def of(self, letter: str) -> int:
        return next(n for n, d in enumerate(self.dimensions) if letter in d.letters)

    def size(self, letter: str) -> int:
        return self.dimensions[self.of(letter)].size

    def letter(self) -> str:
        return self.pick("".join(d.letters for d in self.dimensions))

    def factor(self) -> Factor:
        number = self.pick(self.odd if self.odd and self.chance(4) else NUMBERS)
        powers = [1, 1, -1, -1, -1, -1, 2, Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2)]
        sizes = {self.letter(): self.pick(powers) for _ in range(self.pick([0, 0, 0, 0, 0, 1, 1, 2]))}
        return Factor.of(number, **sizes)

    def number(self) -> str:
        """The name of a value, a late one rather than an early one."""
        names = [name for name in self.axes if name not in self.labels]
        return self.pick(names[-1:] if self.chance(2) else names[-3:] if self.chance(2) else names)

    def ref(self, name: str, distinct: bool = False) -> Ref:
        """A value in letters of its dimensions."""
        chosen = ""
        for letter in self.axes[name]:
            letters = self.dimensions[self.of(letter)].letters
            chosen += self.pick([i for i in letters if not distinct or i not in chosen])
        return Ref(name, chosen)

    def add(self, equation: Equation) -> Ref:
        self.equations.append(equation)
        self.axes[equation.out.name] = equation.out.indices
        return equation.out

    def out(self, letters: str) -> Ref:
        self.count += 1
        return Ref(f"v{self.count}", letters)

    def place(self) -> tuple[str, list[Ref]]:
        """The letters of a pointwise equation: those of a value, which is as a rule an operand of it."""
        ref = self.ref(self.number(), distinct=True)
        return ref.indices, [] if self.chance(3) else [ref]

    def among(self, letters: str, known: list[Ref], count: int) -> list[Ref]:
        """So many operands, the known ones among them at any place."""
        refs = known[:count] + [self.fitting(letters) for _ in range(count - len(known[:count]))]
        return self.random.sample(refs, len(refs))

    def fitting(self, letters: str) -> Ref:
        """A value with some of some letters, made where there is none; a number among them."""
        if self.chance(5):
            own = "".join(i for i in letters if self.chance(2))
            return self.add(Contract(self.out(own), factor=self.factor()))
        ref = self.ref(self.number())
        if set(ref.indices) <= set(letters):
            return ref
        own = "".join(i for i in letters if i in ref.indices or self.chance(4))
        return self.add(Contract(self.out(own), (ref,), (), self.factor()))

    # one method a kind of equation

    def contract(self) -> None:
        refs = [self.ref(self.number()) for _ in range(self.random.randint(0, 3))]
        brackets = [self.bracket() for _ in range(self.pick([0, 0, 0, 0, 1, 2]))]
        while len(set("".join(r.indices for r in refs))) > 6:
            refs.pop()
        present = list(dict.fromkeys("".join(r.indices for r in refs) + "".join(b.letters for b in brackets)))
        out = "".join(self.random.sample(present, self.random.randint(0, min(3, len(present)))))
        if len(out) < 3 and self.chance(4):
            out += self.letter()  # from nowhere, or a diagonal
        self.add(Contract(self.out(out), tuple(refs), tuple(brackets), self.factor()))

    def product(self) -> None:
        """A pointwise product, a quotient where operands are reciprocals."""
        letters, known = self.place()
        refs = self.among(letters, known, self.random.randint(1, 3))
        for n in range(len(refs)):
            if self.chance(3):
                out = self.out("".join(dict.fromkeys(refs[n].indices)))
                refs[n] = self.add(Map(out, "power", (refs[n],), Fraction(-1)))
        self.add(Contract(self.out(letters), tuple(refs), (), self.factor()))

    def bracket(self) -> Bracket:
        return Bracket(self.position(True), self.pick("==≠<≤"), self.position(False))

    def position(self, plain: bool) -> Position:
        if plain and not self.chance(4):
            return Position.of(self.letter())
        if self.labels and self.chance(3):
            return Position(pick=self.ref(self.pick(self.labels)), constant=self.pick([0, 0, 1]))
        right = self.letter()
        terms = [(Factor.of(self.pick([1, 1, 2, -1, -3])), right)]
        if self.chance(3):
            terms = [(Factor.of(self.pick([1, 2]), **{right: self.pick([1, 1, 2])}), self.letter()), (ONE, right)]
        return Position(tuple(terms), self.pick([0, 0, 1, -1, 2]))

    def sum(self) -> None:
        letters, known = self.place()
        terms: list[tuple[Factor, Ref | None]] = [
            (self.factor() if self.chance(2) else self.pick([ONE, -ONE]), ref)
            for ref in self.among(letters, known, self.random.randint(0, 3))
        ]
        if self.chance(2):
            terms.insert(self.random.randint(0, len(terms)), (self.factor(), None))
        self.add(Sum(self.out(letters), tuple(terms)))

    def map(self) -> None:
        letters, known = self.place()
        kind = self.pick(["power", "power", "one", "two", "where"])
        if kind == "power":
            powers = WHOLE if 2j in self.odd else POWERS
            self.add(Map(self.out(letters), "power", tuple(self.among(letters, known, 1)), self.pick(powers)))
            return
        function = self.pick({"one": ONE_OPERAND, "two": TWO, "where": ["where"]}[kind])
        if 2j in self.odd and kind != "where":
            function = self.pick(OF_COMPLEX)
        refs = tuple(self.among(letters, known, len(FUNCTIONS[function].partials)))
        self.add(Map(self.out(letters), function, refs))

    def extremum(self) -> None:
        ref = self.ref(self.number())
        letters = list(dict.fromkeys(ref.indices))
        out = "".join(self.random.sample(letters, self.random.randint(0, len(letters))))
        over = [i for i in letters if i not in out]
        along = self.pick(over) if over and self.chance(3) else ""
        self.add(Extremum(self.out(out), ref, self.pick(["max", "min"]), along))

    def update(self) -> None:
        names = [name for name in self.axes if self.axes[name] and name not in self.labels]
        if not names:
            return
        base = self.ref(self.pick(names[-2:] if self.chance(2) else names), distinct=True)
        axis = self.pick(base.indices)
        inside = base.indices.replace(axis, "")
        brackets, own = self.region(axis, inside)
        mask = None if brackets and not self.chance(3) else self.fitting(base.indices)
        (value,) = self.among(own, [base] if set(base.indices) <= set(own) and self.chance(3) else [], 1)
        self.add(Update(self.out(base.indices), base, value, brackets, mask))

    def region(self, axis: str, inside: str) -> tuple[tuple[Bracket, ...], str]:
        """Where along an axis to write, and the letters that the written value may have."""
        size, letter = self.size(axis), self.letter()
        kind = self.pick(["at", "slice", "slice", "label", "whole"])
        if kind == "at":
            return (Bracket(Position.of(axis), "=", Position(constant=self.random.randrange(size))),), inside
        if kind == "slice" and letter not in axis + inside:
            step, start = self.pick([1, 2, -1]), self.pick([0, 0, 1, size - 1])
            last = start + step * (self.size(letter) - 1)
            if 0 <= last < size and start < size:
                position = Position(((Factor.of(step), letter),), start)
                return (Bracket(Position.of(axis), "=", position),), inside + letter
        if kind == "label":
            for label, dimension in self.labels.items():
                ref = self.ref(label)
                if dimension == self.of(axis) and set(ref.indices) <= set(inside):
                    return (Bracket(Position.of(axis), "=", Position(pick=ref)),), inside
        return (), axis + inside


@dataclass(frozen=True)
class Drawn(Shown):
    """A program, its last equation with others inside it, what values are called, and what they are."""

    program: Program

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each letter."""
        return {letter: self.program.sizes[alike[0]] for letter, alike in self.view.alike.items()}

    def again(self, seed: int) -> Drawn:
        """The same with other numbers."""
        arrays = arrays_of(self.program, np.random.default_rng(seed))
        with np.errstate(all="ignore"):
            values, _ = evaluate(self.program, arrays)
        return replace(self, values=values, expected=values[self.equation.out.name])


def drawn(random: Random, *, odd: bool = True, kinds: str = "contract product sum map map extremum update") -> Drawn:
    """A program whose values stand inside one another in its last equation."""
    sizes = random.sample([2, 3, 4, 5], len(LETTERS))
    dimensions = [Dimension(letters, size) for letters, size in zip(LETTERS, sizes, strict=True)]
    drawing = Drawing(random, dimensions, random.choice(ODD) if odd and random.randrange(4) == 0 else [])
    inputs = []
    for n in range(random.randint(2, 4)):
        chosen = random.sample(range(4), random.randint(0, 3))
        drawing.axes[f"x{n}"] = "".join(drawing.pick(LETTERS[k]) for k in chosen)
        inputs.append(Input(Ref(f"x{n}", drawing.axes[f"x{n}"])))
    if random.randrange(2):
        drawing.labels["y0"] = random.randrange(4)
        drawing.axes["y0"] = drawing.letter() if random.randrange(2) else ""
        inputs.append(Input(Ref("y0", drawing.axes["y0"]), "int64"))
    for _ in range(random.randint(1, 6)):
        getattr(drawing, random.choice(kinds.split()))()
    if not drawing.equations:
        drawing.sum()
    *others, last = drawing.equations
    inline = {e.out.name: e for e in others if random.randrange(5)}
    program = Program(tuple(inputs), tuple(drawing.equations), (last.out,), tuple(dimensions))
    kept = [name for name in drawing.axes if name not in inline]
    names = dict(zip(kept, random.sample(NAMES, len(kept)), strict=True)) if random.randrange(2) else {}
    alike = {i: letters + more for letters, more in zip(LETTERS, MORE, strict=True) for i in letters + more}
    units = {name: units_of(random, len(drawing.axes[name])) for name in kept}
    view = replace(View.of(program), names=names, inline=inline, alike=alike, units=units)
    return Drawn(last, view, {}, None, program).again(random.randrange(1000))


def units_of(random: Random, axes: int) -> tuple[int, ...]:
    """Axes of size 1 among others: seldom any."""
    count = random.choice([0, 0, 0, 0, 1, 2])
    return tuple(sorted(random.sample(range(axes + count), count)))


def arrays_of(program: Program, rng: np.random.Generator) -> list[Any]:
    """Numbers of both signs between 0.2 and 2; positions that every axis has for labels."""
    sizes = program.sizes
    arrays: list[Any] = []
    for given in program.inputs:
        shape = [sizes[i] for i in given.ref.indices]
        if given.dtype == "int64":
            arrays.append(rng.integers(0, 2, shape))
        else:
            arrays.append(rng.uniform(0.2, 2, shape) * rng.choice([-1, 1], shape))
    return arrays
