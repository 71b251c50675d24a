"""What happens to everything that is made of a value when something is added to it: nothing, where it is the max that
is subtracted in a softmax and comes in again, or cancels.

Let c be added to m, the same c wherever the entry of m is the same. ``x − m`` becomes less by c, its exp is multiplied
by ``exp(−c)``, so is the sum of those over letters that m lacks, and in the quotient of the two the factor is gone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from .program import ONE, Bracket, Contract, Equation, Factor, Map, Ref, Sum, operands


@dataclass(frozen=True)
class Shift:
    """How a value answers: it becomes ``v + times · c``, or ``v · exp(times · c)`` where it ``scales``.

    ``letters`` are those of m, in the letters of the value's definition, which are ``indices``.
    """

    times: Fraction
    scales: bool
    letters: str
    indices: str

    def used(self, ref: Ref) -> str:
        """The letters of m in those of a use."""
        table = dict(zip(self.indices, ref.indices, strict=True))
        return "".join(table[i] for i in self.letters)


def does_nothing(m: Ref, equations: Sequence[Equation], outputs: Iterable[Ref]) -> bool:
    """Whether whatever is added to a value leaves everything that is made of it the same."""
    shifts = {m.name: Shift(Fraction(1), False, m.indices, m.indices)}
    numbers: dict[str, Factor] = {}
    for equation in equations:
        equation = without_numbers(equation, numbers)
        if isinstance(equation, Contract) and not equation.operands and not equation.brackets:
            numbers[equation.out.name] = equation.factor
        moved = [ref for ref in operands(equation) if ref.name in shifts]
        if moved:
            found = answer(equation, moved, shifts)
            if found is None:
                return False
            if found.times:
                shifts[equation.out.name] = found
    return all(ref.name not in shifts for ref in outputs)


def without_numbers(equation: Equation, numbers: Mapping[str, Factor]) -> Equation:
    """A product with what is one number everywhere in its factor: ``top[b] ones[k]`` is top[b], for each k."""
    if not isinstance(equation, Contract):
        return equation
    factor = equation.factor
    for ref in equation.operands:
        factor = factor * numbers.get(ref.name, ONE)
    kept = tuple(ref for ref in equation.operands if ref.name not in numbers)
    summed = {i for ref in equation.operands for i in ref.indices} - set(equation.out.indices)
    if not summed <= {i for ref in kept for i in ref.indices}:
        return equation
    return replace(equation, operands=kept, factor=factor)


def answer(equation: Equation, moved: Sequence[Ref], shifts: dict[str, Shift]) -> Shift | None:
    """How the value of an equation answers; None where it does in some other way."""
    out = equation.out.indices
    letters, *others = {shifts[ref.name].used(ref) for ref in moved}
    if others or not set(letters) <= set(out) or len(set(letters)) < len(letters) or len(set(out)) < len(out):
        return None
    first = replace(shifts[moved[0].name], letters=letters, indices=out)
    match equation:
        case Sum():
            total = Fraction(0)
            for factor, ref in equation.terms:
                if ref is not None and ref.name in shifts:
                    if shifts[ref.name].scales or factor.sizes or not isinstance(factor.number, Fraction):
                        return None
                    total += factor.number * shifts[ref.name].times
            return replace(first, times=total)
        case Map(function="exp" | "log") if first.scales == (equation.function == "log"):
            return replace(first, scales=not first.scales)
        case Map(function="power", parameter=Fraction() as power) if first.scales:
            return replace(first, times=first.times * power)
        case Contract():
            if all(shifts[ref.name].scales for ref in moved) and moved == [r for r in equation.operands if r in moved]:
                return replace(first, times=sum((shifts[ref.name].times for ref in moved), Fraction(0)))
            if len(moved) == 1 and equation.operands == tuple(moved) and not first.scales and picks_one(equation):
                number = equation.factor.number
                return replace(first, times=first.times * number) if isinstance(number, Fraction) else None
    return None


def picks_one(equation: Contract) -> bool:
    """Whether each entry of the result is one entry of the only operand, times a number."""
    summed = [i for i in dict.fromkeys(equation.operands[0].indices) if i not in equation.out.indices]
    given = [bracket.left.letters for bracket in equation.brackets if says_one_place(bracket, summed)]
    return not equation.factor.sizes and sorted(given) == sorted(summed) and len(given) == len(equation.brackets)


def says_one_place(bracket: Bracket, summed: Sequence[str]) -> bool:
    """Whether a bracket gives a summed letter its one value, such as ``[k = y[n]]``."""
    is_letter = bracket.left.terms == ((ONE, bracket.left.letters),) and not bracket.left.constant
    return bracket.relation == "=" and is_letter and not set(bracket.right.letters) & set(summed)
