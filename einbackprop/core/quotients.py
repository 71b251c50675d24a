"""Values that are made of one ``exp(x)`` by arithmetic, as quotients of two polynomials in it: exact, so that two
spellings of one function are seen to be one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .order import operands_first
from .program import Contract, Equation, Map, Number, Ref, Sum

LONGEST = 12  # terms of a polynomial; what is longer is no idiom
NESTED = 8  # mins, maxs and absolute values inside one another

Polynomial = dict[Fraction, Fraction]
"""Coefficients by exponent: ``{0: 1, 2: -1}`` is ``1 − e²``."""

Combine = Callable[["Quotient", "Quotient"], tuple[Polynomial, Polynomial]]

UNIT: Polynomial = {Fraction(0): Fraction(1)}
COMPLEMENTS = {
    frozenset({"greater", "less_equal"}),
    frozenset({"greater_equal", "less"}),
    frozenset({"equal", "not_equal"}),
}


@dataclass(frozen=True)
class Quotient:
    """``top / bottom``, polynomials in the exp of ``base``; without a base it is a number.

    ``arguments`` are the values that stand in an exp (or a function made of it), with what they are times the base.
    """

    top: Polynomial
    bottom: Polynomial
    base: Ref | None = None
    arguments: tuple[tuple[Ref, Fraction], ...] = ()

    @staticmethod
    def sigmoid(argument: Ref, scale: Fraction) -> Quotient:
        """``e/(1 + e)``."""
        return Quotient({scale: Fraction(1)}, plus(UNIT, {scale: Fraction(1)}), argument)

    @staticmethod
    def tanh(argument: Ref, scale: Fraction) -> Quotient:
        """``(e² − 1)/(e² + 1)``."""
        square = {2 * scale: Fraction(1)}
        return Quotient(plus(square, UNIT, Fraction(-1)), plus(square, UNIT), argument)

    def equals(self, other: Quotient) -> bool:
        """Whether both are the same function of the same exp."""
        return times(self.top, other.bottom) == times(other.top, self.bottom)


def plus(a: Polynomial, b: Polynomial, factor: Fraction = Fraction(1)) -> Polynomial:
    """``a + factor · b``."""
    total = dict(a)
    for exponent, coefficient in b.items():
        total[exponent] = total.get(exponent, Fraction(0)) + factor * coefficient
    return {exponent: coefficient for exponent, coefficient in total.items() if coefficient}


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """``a · b``."""
    total: Polynomial = {}
    for exponent, coefficient in a.items():
        total = plus(total, {exponent + e: c for e, c in b.items()}, coefficient)
    return total


def relettered(ref: Ref, out: Ref, use: Ref) -> Ref:
    """An operand of the equation for ``out``, in the letters with which ``out`` is used."""
    table = dict(zip(out.indices, use.indices, strict=True))
    return Ref(ref.name, "".join(table.get(i, i) for i in ref.indices))


class Quotients:
    """The quotients that the values of a program are, each found once.

    ``side`` is 1 where the argument is taken to be positive, -1 where it is taken to be negative, so that a min, a max
    or a ``|x|`` in an exponent is one of its operands; 0 where nothing is taken, and such a value is something else.
    """

    def __init__(self, made: Mapping[str, Equation], side: int = 0) -> None:
        self._made = made
        self._side = side
        self._named: set[str] = set()
        self._known: dict[str, Quotient | None] = {}

    def of(self, name: str) -> Quotient | None:
        """What a value is, in the letters of its definition; None where it is something else."""
        if name not in self._known:
            for inner in operands_first(name, self._made, self._known):
                self._known[inner] = None  # what is defined by itself is nothing
                equation = self._made.get(inner)
                found = self._found(equation) if equation is not None else None
                if found is not None and max(len(found.top), len(found.bottom)) <= LONGEST and found.bottom:
                    self._known[inner] = found
        return self._known[name]

    def name(self, name: str) -> None:
        """Say that a value has a name of its own: ``1 − y`` of a sigmoid y is to be read so, not as another sigmoid."""
        self._named.add(name)

    def _found(self, equation: Equation) -> Quotient | None:
        match equation:
            case Contract(brackets=()) if isinstance(number := plain(equation.factor.number), Fraction):
                if equation.factor.sizes or not self._entry_by_entry(equation.out, equation.operands):
                    return None
                return self._product(equation, number)
            case Sum() if self._entry_by_entry(equation.out, tuple(ref for _, ref in equation.terms if ref)):
                return self._sum(equation)
            case Map(function="exp" | "sigmoid" | "tanh", operands=(ref,)):
                return self._function(equation.function, ref)
            case Map(function="power", operands=(ref,), parameter=Fraction(denominator=1) as power) if abs(power) <= 3:
                inner = self._use(ref)
                return None if inner is None else raised(inner, int(power))
            case Map(function="where", operands=(condition, yes, no)):
                return self._either(condition, yes, no)
        return None

    def _entry_by_entry(self, out: Ref, refs: tuple[Ref, ...]) -> bool:
        """Whether nothing is summed, stretched or read on a diagonal, but for numbers."""
        wide = [ref for ref in refs if not self._is_number(ref)]
        return all(sorted(ref.indices) == sorted(set(out.indices)) for ref in wide)

    def _is_number(self, ref: Ref) -> bool:
        known = self.of(ref.name)
        return known is not None and known.base is None

    def _use(self, ref: Ref, *, named: bool = False) -> Quotient | None:
        """What an operand is, in the letters of its use; one that has a name only where that is said."""
        if ref.name in self._named and not named:
            return None
        known, equation = self.of(ref.name), self._made.get(ref.name)
        if known is None or known.base is None or equation is None:
            return known
        arguments = tuple((relettered(argument, equation.out, ref), scale) for argument, scale in known.arguments)
        return Quotient(known.top, known.bottom, relettered(known.base, equation.out, ref), arguments)

    def _product(self, equation: Contract, number: Fraction) -> Quotient | None:
        total: Quotient | None = Quotient({Fraction(0): number} if number else {}, UNIT)
        for ref in equation.operands:
            total = joined(total, self._use(ref), lambda a, b: (times(a.top, b.top), times(a.bottom, b.bottom)))
        return total

    def _sum(self, equation: Sum) -> Quotient | None:
        total: Quotient | None = Quotient({}, UNIT)
        for factor, ref in equation.terms:
            number = plain(factor.number)
            if factor.sizes or not isinstance(number, Fraction):
                return None
            term = Quotient(UNIT, UNIT) if ref is None else self._use(ref)
            total = joined(total, term, adding(number))
        return total

    def _function(self, function: str, ref: Ref) -> Quotient:
        base, scale = self._scaled(ref)
        e = Quotient({scale: Fraction(1)}, UNIT)
        if function == "sigmoid":
            e = Quotient.sigmoid(base, scale)
        elif function == "tanh":
            e = Quotient.tanh(base, scale)
        arguments = {base: Fraction(1), ref: scale}
        return Quotient(e.top, e.bottom, base, tuple(arguments.items()))

    def _scaled(self, ref: Ref, nested: int = NESTED) -> tuple[Ref, Fraction]:
        """A value as a number times another; through so many mins, maxs and ``|x|`` inside one another."""
        scale = Fraction(1)
        while True:
            equation = self._made.get(ref.name)
            if self._side and isinstance(equation, Map) and equation.function in ("minimum", "maximum", "relu", "abs"):
                base, more = self._chosen(equation, ref, nested - 1) if nested else (ref, Fraction(1))
                return base, scale * more
            if not isinstance(equation, Contract) or equation.brackets or equation.factor.sizes:
                return ref, scale
            number = plain(equation.factor.number)
            own = sorted(set(equation.out.indices))
            alone = len(equation.operands) == 1 and sorted(equation.operands[0].indices) == own
            if not isinstance(number, Fraction) or not number or not alone:
                return ref, scale
            ref, scale = relettered(equation.operands[0], equation.out, ref), scale * number

    def _chosen(self, equation: Map, use: Ref, nested: int) -> tuple[Ref, Fraction]:
        """The operand of a min, max or ``|x|`` that is taken on this side, if all are multiples of one value."""
        scales: dict[Ref, list[Fraction]] = {}
        for ref in (relettered(operand, equation.out, use) for operand in equation.operands):
            known = self.of(ref.name)
            if known is not None and known.base is None and not known.top:
                scales.setdefault(use, []).append(Fraction(0))
            else:
                base, scale = self._scaled(ref, nested)
                scales.setdefault(base, []).append(scale)
        zeros = scales.pop(use, []) + [Fraction(0)] * (equation.function == "relu")
        if len(scales) != 1:
            return use, Fraction(1)
        ((base, found),) = scales.items()
        along = sorted(self._side * scale for scale in found + zeros)
        if equation.function == "abs":
            return base, self._side * abs(found[0])
        return base, self._side * (along[0] if equation.function == "minimum" else along[-1])

    def _either(self, condition: Ref, yes: Ref, no: Ref) -> Quotient | None:
        """``where`` of the same on both sides; of a third value that is never chosen, too."""
        first, second = self._use(yes, named=True), self._use(no, named=True)
        if first is None or first.base is None:
            return None
        if second is not None and second.base == first.base and first.equals(second):
            return first
        inner = self._made.get(no.name)
        if isinstance(inner, Map) and inner.function == "where":
            other, again, _ = (relettered(ref, inner.out, no) for ref in inner.operands)
            third = self._use(again, named=True)
            same = third is not None and third.base == first.base and first.equals(third)
            return first if same and self._opposite(condition, other) else None
        return None

    def _opposite(self, a: Ref, b: Ref) -> bool:
        """Whether always one of two conditions holds."""
        first, second = self._made.get(a.name), self._made.get(b.name)
        if not isinstance(first, Map) or not isinstance(second, Map):
            return False
        for one, other, use, ref in ((first, second, a, b), (second, first, b, a)):
            if one.function == "logical_not" and relettered(one.operands[0], one.out, use) == ref:
                return True
            if frozenset({one.function, other.function}) in COMPLEMENTS:
                return self._same_operands(one, use, other, ref)
        return False

    def _same_operands(self, one: Map, use: Ref, other: Map, ref: Ref) -> bool:
        """Whether two comparisons compare the same values, or values with the same number."""
        left = [relettered(r, one.out, use) for r in one.operands]
        right = [relettered(r, other.out, ref) for r in other.operands]
        return all(p == q or self._same_number(p, q) for p, q in zip(left, right, strict=True))

    def _same_number(self, p: Ref, q: Ref) -> bool:
        a, b = self.of(p.name), self.of(q.name)
        return a is not None and b is not None and a.base is None and b.base is None and a.equals(b)


def plain(number: Number) -> Fraction | None:
    """A number that is exact."""
    return number if isinstance(number, Fraction) else None


def adding(number: Fraction) -> Combine:
    """How ``a + number · b`` is made of tops and bottoms."""
    return lambda a, b: (plus(times(a.top, b.bottom), times(b.top, a.bottom), number), times(a.bottom, b.bottom))


def joined(a: Quotient | None, b: Quotient | None, combine: Combine) -> Quotient | None:
    """Two quotients as one; None where they are made of the exp of different values."""
    if a is None or b is None or (a.base is not None and b.base is not None and a.base != b.base):
        return None
    top, bottom = combine(a, b)
    return Quotient(top, bottom, a.base or b.base, tuple(dict([*a.arguments, *b.arguments]).items()))


def raised(quotient: Quotient, power: int) -> Quotient:
    """A whole power."""
    top, bottom = (quotient.top, quotient.bottom) if power >= 0 else (quotient.bottom, quotient.top)
    high, low = UNIT, UNIT
    for _ in range(abs(power)):
        high, low = times(high, top), times(low, bottom)
    return Quotient(high, low, quotient.base, quotient.arguments)
