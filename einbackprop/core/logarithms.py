"""Logarithms of products as sums: ``log(e / Σ e)`` of a softmax becomes ``s - log Σ e``.

So a cross-entropy derives to what people write, the probabilities less the labels, and a probability that is rounded to
0 makes no infinity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from fractions import Fraction

from .idioms import picks_one
from .letters import Letters, free_name, merged, moved, summed, uses_of
from .program import ONE, Contract, Equation, Factor, Map, Program, Ref, Source, Sum
from .records import dataclass
from .simplification import needed, numbered


def with_sums_for_logarithms(program: Program) -> Program:
    """The same program, in which the logarithm of a product with an exponential is the sum of their logarithms.

    Values are equal as mathematics where the products are positive; they are nan where these are negative, as before.
    """
    expanding = Expanding(program)
    equations = [made for equation in program.equations for made in expanding.expanded(equation)]
    if len(equations) == len(program.equations):
        return program
    outputs = {ref.name for ref in program.outputs}
    return replace(program, equations=tuple(needed(equations, outputs, lambda name: name in program.labels)))


Terms = list[tuple[Fraction, Ref]]
"""Values that are added up, each with its factor."""


@dataclass
class Expanding:
    """The equations so far, and the logarithms that were taken of values, in the letters of these."""

    program: Program
    made: dict[str, Equation] = field(default_factory=dict)
    logarithms: dict[str, Terms | None] = field(default_factory=dict)
    new: list[Equation] = field(default_factory=list)
    source: Source | None = None

    def __post_init__(self) -> None:
        self._taken = {*self.program.defining(), *self.program.constants, *(i.ref.name for i in self.program.inputs)}

    def expanded(self, equation: Equation) -> Iterator[Equation]:
        """The equation, after those that it reads now."""
        self.new, self.source = [], equation.source
        self.made[equation.out.name] = equation
        if isinstance(equation, Map) and equation.function == "log":
            terms = self._logarithm(equation.operands[0])
            if terms is not None:
                spread = tuple((Factor(power), self._spread(ref, equation.out.indices)) for power, ref in terms)
                equation = Sum(equation.out, spread, equation.source)
        yield from self.new
        yield equation

    def _logarithm(self, ref: Ref) -> Terms | None:
        """The logarithm of a value as a sum; None where no exponential is among its factors."""
        inner = self.made.get(ref.name)
        if inner is None or len(set(inner.out.indices)) < len(inner.out.indices):
            return None
        if ref.name not in self.logarithms:
            self.logarithms[ref.name] = self._of(inner)
        terms = self.logarithms[ref.name]
        return terms and [(power, moved(one, inner.out.indices, ref.indices)) for power, one in terms]

    def _of(self, equation: Equation) -> Terms | None:
        """The logarithm of what an equation makes, in the letters of that."""
        match equation:
            case Map(function="exp", operands=(inner,)):
                return [(Fraction(1), inner)]
            case Contract(operands=(alone,), brackets=(_, *_)) if equation.factor == ONE and picks_one(equation):
                inside = self._logarithm(alone)
                return inside and [(power, self._picked(ref, equation)) for power, ref in inside]
            case Contract(brackets=()) if equation.factor == ONE and not summed(equation):
                found = [self._logarithm(ref) for ref in equation.operands]
                if any(found):
                    both = zip(equation.operands, found, strict=True)
                    return [term for ref, known in both for term in known or [self._plain(ref)]]
        return None

    def _plain(self, ref: Ref) -> tuple[Fraction, Ref]:
        """The logarithm of a factor that is no exponential, with its power before it."""
        inner, power = self.made.get(ref.name), Fraction(1)
        if isinstance(inner, Map) and inner.function == "power" and isinstance(inner.parameter, Fraction):
            ref, power = moved(inner.operands[0], inner.out.indices, ref.indices), inner.parameter
        return power, self._write(Map(Ref(f"log_{ref.name}", ref.indices), "log", (ref,)))

    def _picked(self, ref: Ref, pick: Contract) -> Ref:
        """A term of the logarithm of an array where one entry of that is picked."""
        gone = {i for i in pick.operands[0].indices if i not in pick.out.indices}
        brackets = tuple(bracket for bracket in pick.brackets if bracket.left.letters in ref.indices)
        if not brackets:
            return ref
        left = "".join(i for i in pick.out.indices if i in ref.indices or any(i in b.letters for b in brackets))
        return self._write(Contract(Ref(ref.name, left), (ref,), brackets)) if gone else ref

    def _spread(self, ref: Ref, indices: str) -> Ref:
        """A value with all letters of a sum that it is a term of."""
        return ref if sorted(ref.indices) == sorted(indices) else self._write(Contract(Ref(ref.name, indices), (ref,)))

    def _write(self, equation: Equation) -> Ref:
        out = Ref(free_name(equation.out.name, self._taken), equation.out.indices)
        self.new.append(replace(equation, out=out, source=self.source))
        return out


def with_named_products(derived: Program, forward: Program) -> Program:
    """The derived program, in which a product reads the product of some of its factors that the forward has a name for.

    ``1/N e[n,k] r[n]`` is ``1/N p[n,k]`` where the forward has ``p[n,k] = e[n,k] r[n]``.
    """
    made = derived.defining()
    dimension = {letter: n for n, own in enumerate(derived.dimensions) for letter in own.letters}
    same = {numbered(equation, dimension): name for name, equation in made.items() if isinstance(equation, Map)}
    defining = forward.defining()

    def there(ref: Ref) -> Ref:
        """The same value in the derived program."""
        inner = defining.get(ref.name)
        return Ref(same.get(numbered(inner, dimension), ref.name) if isinstance(inner, Map) else ref.name, ref.indices)

    labelled = [e for name, e in defining.items() if name in forward.labels and isinstance(e, Contract)]
    products = [replace(e, operands=tuple(map(there, e.operands))) for e in labelled if is_product(e)]
    given, uses = {i.ref.name for i in derived.inputs} | derived.constants.keys(), uses_of(derived.equations)
    factors = {n: e for n, e in made.items() if isinstance(e, Contract) and uses[n] == 1 and is_entrywise(e)}
    letters = Letters(derived.dimensions)
    equations: list[Equation] = []
    known, present = set(given), set(made)
    for equation in derived.equations:
        if isinstance(equation, Contract) and equation.out.name in derived.origins:
            whole = merged(equation, factors, letters)
            for product in products:
                shorter = through(whole, product)
                if {ref.name for ref in product.operands} <= known and shorter != whole:
                    equation = whole = shorter
                    if product.out.name not in present:
                        equations.append(product)
                        present.add(product.out.name)
        equations.append(equation)
        known.add(equation.out.name)
    return replace(derived, equations=tuple(equations))


def is_entrywise(equation: Contract) -> bool:
    """Whether each entry of a value is a product of one entry each of its operands."""
    distinct = len(set(equation.out.indices)) == len(equation.out.indices)
    return distinct and not equation.brackets and not summed(equation)


def is_product(equation: Contract) -> bool:
    """Whether a value is the product of several others, entry by entry."""
    return is_entrywise(equation) and equation.factor == ONE and len(equation.operands) > 1


def through(equation: Contract, product: Contract) -> Contract:
    """An equation that reads a product in the place of its factors, where all of them stand in it."""
    first, own = max(product.operands, key=lambda ref: len(ref.indices)), product.out.indices
    for ref in equation.operands:
        if ref.name == first.name and set(first.indices) == set(own):
            there = [moved(one, first.indices, ref.indices) for one in product.operands]
            rest = list(equation.operands)
            if all(rest.count(one) >= there.count(one) for one in there):
                place = min(rest.index(one) for one in there)
                for one in there:
                    rest.remove(one)
                rest.insert(place, moved(product.out, first.indices, ref.indices))
                return replace(equation, operands=tuple(rest))
    return equation
