"""A program written out along its short dimensions: an array with three steps becomes three arrays.

Loops over steps, gates or a kernel's places are in a program as they ran, each with its own number: `[t=0]`, `[t=1]`.
Derived, they may be a letter. Written out, both are the same, for the traced number of steps and every other size.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np

from einbackprop.core.program import Contract, Extremum, Factor, Input, Map, Opaque, Position, Program, Ref, Sum, Update
from einbackprop.proof.indices import indices_of

Where = dict[str, int]
ZERO = Factor(Fraction(0))


class Unrolling:
    """Writes a program out along the dimensions that have `longest` entries at most."""

    def __init__(self, program: Program, longest: int) -> None:
        self.program = program
        self.sizes = {i: n for i, n in program.sizes.items() if n <= longest}
        self.equations = []

    def unrolled(self) -> Program:
        """The program without these dimensions. A value's name has the numbers of its entries: `x@0`, `x@1`."""
        program, inputs, constants = self.program, [], {}
        for given in program.inputs:
            for where in self.places(given.ref.indices):
                path = (*given.path, *where)
                inputs.append(Input(self.entry(given.ref, where), given.dtype, path))
        for name, array in program.constants.items():
            letters = indices_of(program, name) or ""
            for where in self.places(letters):
                places = iter(where)
                at = tuple(next(places) if i in self.sizes else slice(None) for i in letters)
                constants[self.entry(Ref(name, letters), where).name] = np.asarray(array)[at]
        for equation in program.equations:
            self.write(equation)
        outputs = [self.entry(ref, where) for ref in program.outputs for where in self.places(ref.indices)]
        left = tuple(d for d in program.dimensions if d.letters[0] not in self.sizes)
        return Program(tuple(inputs), tuple(self.equations), tuple(outputs), left, constants, list(range(len(outputs))))

    def places(self, letters: str) -> list[tuple[int, ...]]:
        """The numbers that the short axes among these take together."""
        return list(product(*(range(self.sizes[i]) for i in letters if i in self.sizes)))

    def assignments(self, letters: str) -> list[Where]:
        """A number for each short letter, once each."""
        once = "".join(dict.fromkeys(i for i in letters if i in self.sizes))
        return [dict(zip(once, where, strict=True)) for where in self.places(once)]

    def entry(self, ref: Ref, where: tuple[int, ...]) -> Ref:
        """One of the arrays that an array becomes."""
        name = ref.name + "".join(f"@{n}" for n in where)
        return Ref(name, "".join(i for i in ref.indices if i not in self.sizes))

    def read(self, ref: Ref, at: Where) -> Ref:
        """The array that is read where the letters have these numbers."""
        return self.entry(ref, tuple(at[i] for i in ref.indices if i in self.sizes))

    def factor(self, factor: Factor) -> Factor:
        """A factor with numbers for the sizes that are no longer there."""
        number = Factor(factor.number)
        for i, power in factor.sizes:
            number = number * (Factor.of(Fraction(self.sizes[i]) ** int(power)) if i in self.sizes
                               else Factor.of(1, **{i: power}))  # fmt: skip
        return number

    def position(self, position: Position, at: Where) -> Position:
        """A position with numbers for the letters that have one."""
        terms, constant = [], position.constant
        for factor, i in position.terms:
            factor = self.factor(factor)
            if i in at:
                assert not factor.sizes, position
                constant += at[i] * int(factor.number)
            else:
                terms.append((factor, i))
        return Position(tuple(terms), constant, position.pick and self.read(position.pick, at))

    def brackets(self, brackets, at: Where, left: Where | None = None):
        """Those that still say something; None where one does not hold."""
        kept = []
        for bracket in brackets:
            sides = self.position(bracket.left, at if left is None else left), self.position(bracket.right, at)
            if any(side.letters or side.pick for side in sides):
                kept.append(replace(bracket, left=sides[0], right=sides[1]))
            elif not holds(sides[0].constant, bracket.relation, sides[1].constant):
                return None
        return tuple(kept)

    def write(self, equation) -> None:
        """Write an equation once for each entry of the short axes of what it defines."""
        out = equation.out
        for where in self.places(out.indices):
            at: Where = {}
            short = [i for i in out.indices if i in self.sizes]
            here = self.entry(out, where)
            if any(at.setdefault(i, n) != n for i, n in zip(short, where, strict=True)):
                self.equations.append(Contract(here, factor=ZERO))  # off a diagonal
            else:
                self.write_at(equation, here, at)

    def write_at(self, equation, here: Ref, at: Where) -> None:
        """Write one entry."""
        match equation:
            case Contract():
                self.contract(equation, here, at)
            case Sum(_, terms):
                entries = tuple((self.factor(f), r and self.read(r, at)) for f, r in terms)
                self.equations.append(Sum(here, entries))
            case Map(_, function, refs, parameter):
                self.equations.append(Map(here, function, tuple(self.read(r, at) for r in refs), parameter))
            case Update():
                self.update(equation, here, at)
            case Extremum():
                self.extremum(equation, here, at)

    def extremum(self, equation: Extremum, here: Ref, at: Where) -> None:
        """Over a short letter it is not written out: nothing is known of it then but its name."""
        ref = equation.operand
        if set(ref.indices) & set(self.sizes) <= set(equation.out.indices):
            self.equations.append(replace(equation, out=here, operand=self.read(ref, at)))
        else:
            self.equations.append(Opaque(here, (), "an extremum over a letter that is written out"))

    def contract(self, equation: Contract, here: Ref, at: Where) -> None:
        """A sum over short letters as a sum of terms."""
        letters = "".join(r.indices for r in equation.operands) + "".join(b.letters for b in equation.brackets)
        terms = []
        for inner in self.assignments("".join(i for i in letters if i not in at)):
            brackets = self.brackets(equation.brackets, at | inner)
            if brackets is not None:
                refs = tuple(self.read(r, at | inner) for r in equation.operands)
                terms.append(Contract(here, refs, brackets, self.factor(equation.factor)))
        if len(terms) == 1:
            self.equations += terms
        elif not terms:
            self.equations.append(Contract(here, factor=ZERO))
        else:
            named = [replace(term, out=Ref(f"{here.name}+{n}", here.indices)) for n, term in enumerate(terms)]
            self.equations += named
            self.equations.append(Sum(here, tuple((Factor(), term.out) for term in named)))

    def update(self, equation: Update, here: Ref, at: Where) -> None:
        """A write: where it is to a short axis, it is to one of the arrays, or passes them by."""
        written = {b.left.letters for b in equation.brackets}
        around = {i: n for i, n in at.items() if i not in written}
        letters = equation.value.indices + "".join(b.right.letters for b in equation.brackets)
        now = self.read(equation.base, at)
        found = []
        for inner in self.assignments("".join(i for i in letters if i not in around)):
            brackets = self.brackets(equation.brackets, around | inner, at)
            if brackets is not None:
                found.append((self.read(equation.value, around | inner), brackets))
        assert len(found) < 2, "two entries go to the same place"
        mask = equation.mask and self.read(equation.mask, at)
        for value, brackets in found:
            whole = not brackets and mask is None
            self.equations.append(Contract(here, (value,)) if whole else Update(here, now, value, brackets, mask))
        if not found:
            self.equations.append(Contract(here, (now,)))


def holds(left: int, relation: str, right: int) -> bool:
    """Whether two numbers are so related."""
    return {"=": left == right, "≠": left != right, "<": left < right, "≤": left <= right}[relation]


def unrolled(program: Program, longest: int) -> Program:
    """A program written out along the dimensions that have `longest` entries at most."""
    return Unrolling(program, longest).unrolled()
