"""Whole programs drawn at random: every kind of equation, letters shared, repeated, summed alone and from nowhere.

``programs()`` draws a program and arrays for it. Values stay of the order of 1, and away from kinks but for accidents
of measure zero. With ``polynomial=True`` there are sums and products only and the arrays hold small whole numbers, so
that Fractions give exact answers.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

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

LETTERS = ("ijk", "bcd", "mno", "pqr")
FACTORS = [ONE, Factor.of(-1), Factor.of(2), Factor.of(0.5), Factor.of(Fraction(-3, 2)), Factor.of(0)]
ENTIRE = ["sin", "cos", "exp", "expm1", "sinh", "cosh"]
ANALYTIC = ["sin", "cos", "tanh", "sigmoid", "softplus", "arctan", "exp", "expm1", "sinh", "relu", "arcsinh"]
FLAT = ["step", "truth", "logical_not"]
POWERS = [Fraction(2), Fraction(3), Fraction(1), Fraction(0)]

Drawn = tuple[Program, list[np.ndarray]]


@dataclass
class Drawing:
    """A program while it is drawn: each value's dimensions, one number an axis."""

    draw: Any
    dimensions: list[Dimension]
    polynomial: bool
    smooth: bool
    axes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    masks: set[str] = field(default_factory=set)
    complex: set[str] = field(default_factory=set)
    equations: list[Equation] = field(default_factory=list)

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def size(self, dimension: int) -> int:
        return self.dimensions[dimension].size

    def of(self, letter: str) -> int:
        return next(n for n, d in enumerate(self.dimensions) if letter in d.letters)

    def letter(self) -> str:
        return self.pick("".join(d.letters for d in self.dimensions))

    def ref(self, name: str, distinct: bool = False) -> Ref:
        """A value with letters of its dimensions; one may stand twice unless ``distinct``."""
        chosen = ""
        for dimension in self.axes[name]:
            free = [i for i in self.dimensions[dimension].letters if not distinct or i not in chosen]
            chosen += self.pick(free)
        return Ref(name, chosen)

    def numbers(self) -> list[str]:
        return [name for name in self.axes if name not in self.labels]

    def any_number(self) -> str:
        return self.pick(self.numbers()[-4:] if self.draw(st.booleans()) else self.numbers())

    def add(self, equation: Equation) -> str:
        self.equations.append(equation)
        self.axes[equation.out.name] = tuple(self.of(i) for i in equation.out.indices)
        return equation.out.name

    def name(self) -> str:
        return f"v{len(self.equations)}"

    # one method a kind of equation

    def contract(self) -> None:
        refs = [self.ref(self.any_number()) for _ in range(self.draw(st.integers(0, 3)))]
        brackets = [self.bracket() for _ in range(self.pick([0, 0, 0, 1, 2]))]
        while len(set("".join(r.indices for r in refs))) > 6:  # the oracle loops over every letter
            refs.pop()
        present = "".join(dict.fromkeys("".join(r.indices for r in refs) + "".join(b.letters for b in brackets)))
        out = "".join(self.draw(st.permutations([i for i in present if self.draw(st.booleans())])))[:3]
        if len(out) < 3 and self.pick([False, False, True]):
            out += self.letter()  # from nowhere, or a diagonal
        over = [i for i in present if i not in out]
        factor = self.pick(FACTORS)
        if over and not self.polynomial:
            factor = factor * Factor.of(Fraction(1, 2), **{i: -1 for i in over if self.size(self.of(i))})
        self.add(Contract(Ref(self.name(), out), tuple(refs), tuple(brackets), factor))

    def bracket(self) -> Bracket:
        left, right = self.letter(), self.letter()
        terms = [(Factor.of(self.pick([1, 1, 2, -1])), right)]
        if self.pick([False, False, True]):  # f = h·E + e
            terms = [(Factor.of(1, **{right: 1}), self.letter()), (ONE, right)]
        label = self.pick([None, None, *self.labels])
        position = Position(tuple(terms), self.pick([0, 0, 1, -1]))
        if label is not None:
            position = Position(pick=self.ref(label))
        return Bracket(Position.of(left), self.pick("==≠<≤"), position)

    def spread(self, name: str, letters: str) -> Ref:
        """A value with some of the letters, for a term of a Sum or an operand of a Map; made where there is none."""
        mine = self.ref(name)
        if set(mine.indices) <= set(letters):
            return mine
        if self.draw(st.booleans()):
            letters = "".join(i for i in letters if self.draw(st.booleans()))
        made = self.add(Contract(Ref(self.name(), letters), (mine,), (), self.mean(set(mine.indices) - set(letters))))
        return Ref(made, letters)

    def mean(self, over: set[str]) -> Factor:
        return ONE if self.polynomial else Factor.of(1, **{i: -1 for i in over if self.size(self.of(i))})

    def sum(self) -> None:
        letters = self.ref(self.any_number(), distinct=True).indices
        terms: list[tuple[Factor, Ref | None]] = [
            (self.pick(FACTORS), self.spread(self.any_number(), letters)) for _ in range(self.draw(st.integers(1, 3)))
        ]
        if self.draw(st.booleans()):
            terms.append((self.pick(FACTORS), None))
        self.add(Sum(Ref(self.name(), letters), tuple(terms)))

    def map(self) -> None:
        letters = self.ref(self.any_number(), distinct=True).indices
        operand = self.spread(self.any_number(), letters)
        if self.polynomial or self.pick([False, False, True]):
            self.add(Map(Ref(self.name(), letters), "power", (operand,), self.pick(POWERS)))
            return
        kinked = [*ANALYTIC, *FLAT, "maximum", "minimum", "where", "positive power"]
        function = self.pick(ENTIRE if self.smooth else kinked)
        refs = [operand]
        if function in ("maximum", "minimum", "where"):
            refs += [self.spread(self.any_number(), letters) for _ in range(2 if function == "where" else 1)]
        if function == "positive power":  # of 1 + x², which is positive
            square = self.add(Map(Ref(self.name(), letters), "power", (operand,), Fraction(2)))
            shifted = self.add(Sum(Ref(self.name(), letters), ((ONE, None), (ONE, Ref(square, letters)))))
            exponent = self.pick([Fraction(1, 2), Fraction(-1), Fraction(-1, 2), Fraction(3, 2), Fraction(-2)])
            self.add(Map(Ref(self.name(), letters), "power", (Ref(shifted, letters),), exponent))
            return
        # exp of a value that is not small: of its sine
        if function in ("exp", "expm1", "sinh", "cosh"):
            refs = [self.pointwise("sin", operand)]
        self.add(Map(Ref(self.name(), letters), function, tuple(refs)))

    def pointwise(self, function: str, operand: Ref) -> Ref:
        """A function of one operand, with each of its letters once."""
        out = Ref(self.name(), "".join(dict.fromkeys(operand.indices)))
        return Ref(self.add(Map(out, function, (operand,))), out.indices)

    def extremum(self) -> None:
        ref = self.ref(self.any_number(), distinct=True)
        out = "".join(i for i in self.draw(st.permutations(ref.indices)) if self.draw(st.booleans()))
        if all(self.size(self.of(i)) for i in ref.indices if i not in out):
            if self.pick([False, False, True]) and not self.polynomial and out:
                self.softmax(ref, out)
            else:
                self.add(Extremum(Ref(self.name(), out), ref, self.pick(["max", "min"])))

    def softmax(self, ref: Ref, kept: str) -> None:
        """A softmax with its maximum held: that is true of the whole only, so the steps are for nobody else."""
        before, letters = set(self.axes), ref.indices
        largest = Ref(self.add(Extremum(Ref(self.name(), kept), ref, held=True)), kept)
        shifted = Ref(self.add(Sum(Ref(self.name(), letters), ((ONE, ref), (Factor.of(-1), largest)))), letters)
        raised = self.pointwise("exp", shifted)
        total = Ref(self.add(Contract(Ref(self.name(), kept), (raised,))), kept)
        inverse = Ref(self.add(Map(Ref(self.name(), kept), "power", (total,), Fraction(-1))), kept)
        result = self.add(Contract(Ref(self.name(), letters), (raised, inverse)))
        for name in set(self.axes) - before - {result}:
            del self.axes[name]

    def update(self) -> None:
        candidates = [name for name in self.numbers() if self.axes[name]]
        if not candidates:
            return
        base = self.ref(self.pick(candidates), distinct=True)
        axis = self.pick(base.indices)
        inside = base.indices.replace(axis, "")
        brackets, own = self.region(axis, inside)
        mask = None
        if brackets is None:
            brackets, own = (), base.indices
        if self.smooth and not brackets:
            return
        if not self.smooth and (not brackets or self.pick([False, False, True])):
            condition = self.spread(self.any_number(), base.indices)
            mask = self.pointwise("step", condition)
        value = self.spread(self.any_number(), own)
        self.add(Update(Ref(self.name(), base.indices), base, value, brackets, mask))

    def region(self, axis: str, inside: str) -> tuple[tuple[Bracket, ...] | None, str]:
        """Where along an axis to write, and the letters that the written value may have."""
        size = self.size(self.of(axis))
        kind = self.pick(["at", "slice", "label", "whole"])
        if kind == "at" and size:
            return (Bracket(Position.of(axis), "=", Position(constant=self.draw(st.integers(0, size - 1)))),), inside
        letter = self.letter()
        if kind == "slice" and letter not in axis + inside:
            step, start, length = self.pick([1, 2]), self.pick([0, 0, 1]), self.size(self.of(letter))
            if start + step * (length - 1) < size or not length:
                position = Position(((Factor.of(step), letter),), start)
                return (Bracket(Position.of(axis), "=", position),), inside + letter
        if kind == "label":
            for label, dimension in self.labels.items():
                ref = self.ref(label)
                if dimension == self.of(axis) and set(ref.indices) <= set(inside):
                    return (Bracket(Position.of(axis), "=", Position(pick=ref)),), inside
        return None, ""


@st.composite
def programs(
    draw: Any,
    polynomial: bool = False,
    scalar: bool = False,
    complex_inputs: bool = False,
    most_equations: int = 6,
    largest: int = 3,
    kinds: tuple[str, ...] = ("contract", "contract", "sum", "map", "map", "extremum", "update"),
) -> Drawn:
    """A program and arrays for its inputs.

    ``scalar``: it has one output, a number; else one or two outputs of any shape. ``complex_inputs``: some inputs are
    declared complex, conj, real, imag and abs occur, and there are no kinks for differences to fall over.
    """
    count = draw(st.integers(2, len(LETTERS)))
    some = st.integers(0, largest) if draw(st.sampled_from([False, False, True])) else st.integers(1, largest)
    sizes = draw(st.lists(some, min_size=count, max_size=count))
    dimensions = [Dimension(letters, size) for letters, size in zip(LETTERS, sizes, strict=False)]
    drawing = Drawing(draw, dimensions, polynomial, smooth=complex_inputs)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    inputs, arrays = [], []
    for name in "xyz"[: draw(st.integers(1, 3))]:
        drawing.axes[name] = tuple(draw(st.lists(st.integers(0, count - 1), max_size=3)))
        is_complex = complex_inputs and draw(st.booleans())
        inputs.append(Input(drawing.ref(name, distinct=True), "complex128" if is_complex else "float64"))
        arrays.append(numbers(rng, [sizes[n] for n in drawing.axes[name]], polynomial, is_complex))
        if is_complex:
            drawing.complex.add(name)
    if draw(st.booleans()):
        picked = draw(st.integers(0, count - 1))
        drawing.axes["labels"] = tuple(draw(st.lists(st.integers(0, count - 1), max_size=1)))
        if sizes[picked]:
            drawing.labels["labels"] = picked
            inputs.append(Input(drawing.ref("labels", distinct=True), "int64"))
            arrays.append(rng.integers(0, sizes[picked], [sizes[n] for n in drawing.axes["labels"]]))
        else:
            del drawing.axes["labels"]
    for _ in range(draw(st.integers(1, most_equations))):
        if complex_inputs and draw(st.sampled_from([False, True])):
            function = draw(st.sampled_from(["conj", "real", "imag", "abs"]))
            ref = drawing.ref(drawing.any_number(), distinct=True)
            if function != "abs" or ref.name in drawing.complex:
                drawing.add(Map(Ref(drawing.name(), ref.indices), function, (ref,)))
        else:
            getattr(drawing, draw(st.sampled_from(kinds)))()
    outputs = outputs_of(drawing, scalar)
    return Program(tuple(inputs), tuple(drawing.equations), outputs, tuple(dimensions)), arrays


def outputs_of(drawing: Drawing, scalar: bool) -> tuple[Ref, ...]:
    """The last value, or two values, each with distinct letters; summed where a number is asked for."""
    made = [equation.out.name for equation in drawing.equations] or drawing.numbers()
    if not scalar:
        second = [drawing.pick(drawing.numbers())] if drawing.pick([False, True]) else []
        return tuple(drawing.ref(name, distinct=True) for name in [made[-1], *second])
    ref = drawing.ref(made[-1])
    total = drawing.add(Contract(Ref(drawing.name()), (ref,), (), drawing.mean(set(ref.indices))))
    return (Ref(total),)


def numbers(rng: np.random.Generator, shape: list[int], polynomial: bool, is_complex: bool) -> np.ndarray:
    """Whole numbers from -3 to 3, or numbers of size 0.2 to 1.2 of either sign, in any direction where complex."""
    if polynomial:
        return rng.integers(-3, 4, shape).astype(float)
    size = rng.uniform(0.2, 1.2, shape)
    if is_complex:
        return size * np.exp(1j * rng.uniform(-3, 3, shape))
    return size * rng.choice([-1, 1], shape)
