"""Small edits of one equation: what a person may have meant instead of what stands there.

Each function yields the equations in which one thing is different. Whether an edit makes a line right is decided
elsewhere, by numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, permutations
from typing import Literal

from ..core.letters import letters_of, summed
from ..core.program import ONE, Contract, Equation, Extremum, Factor, Map, Ref, Sum, operands
from ..core.simplification import with_refs
from .sampling import Values

Kind = Literal[
    "transpose", "replace", "scale", "drop", "drop term", "insert", "term", "letters", "function", "parameter", "gather"
]  # fmt: skip
MOST_ASSIGNMENTS = 24
ALTERNATIVES = (
    {"sigmoid", "tanh", "relu", "step", "exp", "softplus"},
    {"log", "exp", "log1p"},
    {"sin", "cos"},
    {"greater", "greater_equal", "less", "less_equal", "step"},
    {"maximum", "minimum"},
)


@dataclass(frozen=True)
class Edit:
    """Other equations for values of the user's backward.

    Attributes
    ----------
    kind : Kind
    equations : tuple of Equation
        Those that are different, and new ones before them.
    cost : float
        How much is changed: 1 for one thing.
    old, new : str
        The value that was replaced, dropped or scaled, and the one that is there now.
    factor : Factor
        Of what was scaled or added.
    """

    kind: Kind
    equations: tuple[Equation, ...]
    cost: float = 1.0
    old: str = ""
    new: str = ""
    factor: Factor = ONE

    @property
    def by_name(self) -> dict[str, Equation]:
        """Each value that is made otherwise, and how."""
        return {equation.out.name: equation for equation in self.equations}

    @property
    def edited(self) -> Equation:
        """The equation that was changed: the last."""
        return self.equations[-1]


def transposed(equation: Equation) -> Iterator[Edit]:
    """An operand with its letters in another order, or the result."""
    for ref in dict.fromkeys(operands(equation)):
        if len(ref.indices) > 1 and not isinstance(equation, Extremum):
            for order in orders(ref.indices):
                other = replaced_once(equation, ref, Ref(ref.name, order))
                yield Edit("transpose", (other,), 1.0 if len(list(operands(equation))) > 1 else 1.2, ref.name, ref.name)
    if isinstance(equation, Contract) and len(equation.out.indices) > 1:
        for order in orders(equation.out.indices):
            yield Edit("transpose", (replace(equation, out=Ref(equation.out.name, order)),), 1.1, "", equation.out.name)


def orders(indices: str) -> Iterator[str]:
    """The other orders of letters."""
    for order in permutations(indices):
        if "".join(order) != indices:
            yield "".join(order)


def replaced_once(equation: Equation, old: Ref, new: Ref, which: int = 0) -> Equation:
    """The equation with one use of an operand replaced."""
    seen = -1

    def change(ref: Ref) -> Ref:
        nonlocal seen
        seen += ref == old
        return new if ref == old and seen == which else ref

    return with_refs(equation, change)


def with_operand_replaced(equation: Equation, pool: Sequence[str], values: Values) -> Iterator[Edit]:
    """Another value in the place of an operand."""
    if isinstance(equation, Extremum):
        return
    before: list[Ref] = []
    for old in operands(equation):
        which = before.count(old)
        before.append(old)
        for name in pool:
            if name != old.name and name in values:
                for indices in assignments(equation, old, values[name].shape, values):
                    other = replaced_once(equation, old, Ref(name, indices), which)
                    yield Edit("replace", (other,), 1.0, old.name, name)


def replaced_throughout(line: Sequence[Equation], pool: Sequence[str], values: Values) -> Iterator[Edit]:
    """One value for another in a whole line, where it stands there more than once."""
    uses = [ref.name for equation in line for ref in operands(equation)]
    for old in dict.fromkeys(uses):
        if uses.count(old) < 2 or old not in values:
            continue
        for name in pool:
            if name != old and name in values and values[name].ndim == values[old].ndim:
                used = [equation for equation in line if any(ref.name == old for ref in operands(equation))]
                yield Edit("replace", tuple(renamed(equation, old, name) for equation in used), 1.0, old, name)


def renamed(equation: Equation, old: str, new: str) -> Equation:
    """The equation that reads another value with the same letters."""
    return with_refs(equation, lambda ref: Ref(new, ref.indices) if ref.name == old else ref)


def assignments(equation: Equation, old: Ref | None, shape: Sequence[int], values: Values) -> Iterator[str]:
    """The letters that an array may have in the place of an operand (or beside all of them, where that is None).

    A letter that other operands have has their size; one that only the operand itself brings may have any.
    """
    bound: dict[str, int] = {}
    skipped = False
    for ref in operands(equation):
        if ref == old and not skipped:
            skipped = True
        elif ref.name in values:
            bound |= dict(zip(ref.indices, values[ref.name].shape, strict=False))
    free = [i for i in (old.indices if old else "") if i not in bound]
    letters = [*free, *(i for i in letters_of(equation) if i in bound)]
    if old is not None and len(old.indices) == len(shape):
        letters = sorted(letters, key=lambda i: old.indices.find(i) % 100)
    if old is None and equation.out.name in values:
        missing = zip(equation.out.indices, values[equation.out.name].shape, strict=False)
        extra = {i: size for i, size in missing if i not in bound}
        bound |= extra
        letters += list(extra)
    found = 0
    for chosen in permutations(letters, len(shape)):
        if all(i not in bound or bound[i] == size for i, size in zip(chosen, shape, strict=True)):
            if old is not None and any(i not in chosen and i in equation.out.indices for i in free):
                continue  # a letter of the result would come from nowhere
            yield "".join(chosen)
            found += 1
            if found == MOST_ASSIGNMENTS:
                return


def without_operand(equation: Equation) -> Iterator[Edit]:
    """A factor left out; two of them."""
    if isinstance(equation, Contract) and len(equation.operands) > 1:
        for n, ref in enumerate(equation.operands):
            rest = equation.operands[:n] + equation.operands[n + 1 :]
            if all(i in "".join(r.indices for r in rest) or i not in ref.indices for i in equation.out.indices):
                yield Edit("drop", (replace(equation, operands=rest),), 1.0, ref.name)


def dropped_twice(line: Sequence[Equation]) -> Iterator[Edit]:
    """Two factors of a line left out, such as ``h`` and ``1 - h``."""
    singles = [edit for equation in line for edit in without_operand(equation)]
    for first, second in combinations(singles, 2):
        if first.edited.out.name != second.edited.out.name:
            yield Edit("drop", (*first.equations, *second.equations), 1.5, first.old, second.old)


def with_other_letters(equation: Equation, is_result: bool) -> Iterator[Edit]:
    """A sum over another letter, over one more or over one less."""
    if not isinstance(equation, Contract) or not equation.operands:
        return
    out, inner = equation.out.indices, summed(equation)
    for n, kept in enumerate(out):
        for letter in inner:
            indices = out[:n] + letter + out[n + 1 :]
            yield Edit("letters", (replace(equation, out=Ref(equation.out.name, indices)),), 1.0, kept, letter)
    if is_result:
        present = "".join(ref.indices for ref in equation.operands)
        for n, letter in enumerate(out):
            if letter in present:
                rest = Ref(equation.out.name, out[:n] + out[n + 1 :])
                yield Edit("letters", (replace(equation, out=rest),), 1.0, letter)
        for letter in inner:
            for n in range(len(out) + 1):
                more = Ref(equation.out.name, out[:n] + letter + out[n:])
                yield Edit("letters", (replace(equation, out=more),), 1.0, "", letter)


def summed_over_another(line: Sequence[Equation], values: Values) -> Iterator[Edit]:
    """A value within a line summed over another letter, and read with the one that it keeps then."""
    for inner in line:
        readers = [e for e in line if any(ref.name == inner.out.name for ref in operands(e))]
        if not isinstance(inner, Contract) or len(readers) != 1 or isinstance(readers[0], Extremum):
            continue
        (reader,) = readers
        (read, *others) = (ref for ref in operands(reader) if ref.name == inner.out.name)
        sizes = letter_sizes(inner, values), letter_sizes(reader, values)
        for n, kept in enumerate(inner.out.indices if not others else ""):
            for letter in summed(inner):
                moved = replace(inner, out=Ref(inner.out.name, inner.out.indices.replace(kept, letter)))
                for there in letters_of(reader):
                    if there not in read.indices and sizes[1].get(there) == sizes[0].get(letter):
                        indices = read.indices[:n] + there + read.indices[n + 1 :]
                        reads = replaced_once(reader, read, Ref(read.name, indices))
                        yield Edit("letters", (reads, moved), 1.0, kept, letter)


def letter_sizes(equation: Equation, values: Values) -> dict[str, int]:
    """The size of each letter that an operand of an equation has."""
    return {
        i: size
        for ref in operands(equation) if ref.name in values
        for i, size in zip(ref.indices, values[ref.name].shape, strict=False)
    }  # fmt: skip


def summed_result(equation: Equation) -> Iterator[Edit]:
    """The result summed over one of its letters."""
    if not isinstance(equation, Contract):
        out = equation.out
        inside = replace(equation, out=Ref(f"{out.name}'", out.indices))
        for letter in out.indices:
            rest = Ref(out.name, out.indices.replace(letter, ""))
            whole = Contract(rest, (inside.out,), source=equation.source)
            yield Edit("letters", (inside, whole), 1.0, letter)


def with_other_function(equation: Equation, functions: Sequence[str]) -> Iterator[Edit]:
    """Another pointwise function, or another exponent; min for max."""
    match equation:
        case Map(_, function, refs, parameter) if parameter is None and len(refs) == 1:
            near = {f for group in ALTERNATIVES if function in group for f in group} | set(functions)
            for other in sorted(near - {function}):
                yield Edit("function", (replace(equation, function=other),), 1.0, function, other)
        case Map(_, function, _, None):
            for group in ALTERNATIVES:
                for other in sorted(group - {function, "step"}) if function in group else ():
                    yield Edit("function", (replace(equation, function=other),), 1.0, function, other)
        case Map(_, "power", _, Fraction() as exponent):
            for power in (Fraction(n) / 2 for n in (2, 4, 6, 1, -1, -2, -3, -4)):
                changed: Equation = replace(equation, parameter=power)
                if power == 1:
                    changed = Contract(equation.out, equation.operands, source=equation.source)
                if power != exponent:
                    yield Edit("parameter", (changed,), 1.0, str(exponent), str(power))
        case Extremum(_, _, kind):
            other_kind: Literal["max", "min"] = "min" if kind == "max" else "max"
            yield Edit("function", (replace(equation, kind=other_kind),), 1.0, kind, other_kind)


def with_factor(equation: Equation, pool: Mapping[str, float], values: Values) -> Iterator[Edit]:
    """One more factor: the result times a value. The pool says what each costs."""
    out = equation.out
    for name, cost in pool.items():
        if name in values:
            for indices in assignments(equation, None, values[name].shape, values):
                if isinstance(equation, Contract):
                    more = replace(equation, operands=(*equation.operands, Ref(name, indices)))
                    yield Edit("insert", (more,), cost, "", name)
                elif set(indices) <= set(out.indices):
                    inside = replace(equation, out=Ref(f"{out.name}'", out.indices))
                    whole = Contract(out, (inside.out, Ref(name, indices)), source=equation.source)
                    yield Edit("insert", (inside, whole), cost, "", name)


def with_term(equation: Equation, pool: Sequence[str], values: Values) -> Iterator[Edit]:
    """One more term: the result plus a value, which may be broadcast. The factor is still to be found."""
    out = equation.out
    if out.name not in values or values[out.name].ndim != len(out.indices):
        return  # with other mistakes set right, its letters are not those that it was traced with
    sizes = dict(zip(out.indices, values[out.name].shape, strict=True))
    for name in pool:
        if name in values:
            shape = values[name].shape
            for chosen in permutations(out.indices, len(shape)):
                if all(sizes[i] == n for i, n in zip(chosen, shape, strict=True)):
                    yield plus_term(equation, Ref(name, "".join(chosen)), ONE)


def plus_term(equation: Equation, ref: Ref, factor: Factor) -> Edit:
    """The result plus a factor times a value."""
    out = equation.out
    if isinstance(equation, Sum):
        return Edit("term", (replace(equation, terms=(*equation.terms, (factor, ref))),), 1.5, "", ref.name, factor)
    inside = replace(equation, out=Ref(f"{out.name}'", out.indices))
    whole = Sum(out, ((ONE, inside.out), (factor, ref)), source=equation.source)
    return Edit("term", (inside, whole), 1.5, "", ref.name, factor)


def scaled_by(equation: Equation, factor: Factor) -> Edit | None:
    """The result times a factor; None where that takes another equation."""
    match equation:
        case Contract():
            return Edit("scale", (replace(equation, factor=equation.factor * factor),), 1.0, "", "", factor)
        case Sum():
            terms = tuple((number * factor, ref) for number, ref in equation.terms)
            return Edit("scale", (replace(equation, terms=terms),), 1.1, "", "", factor)
    return None


def with_term_scaled(equation: Sum, n: int, factor: Factor) -> Edit:
    """One term of a sum times a factor; left out, where that is 0."""
    number, ref = equation.terms[n]
    name = ref.name if ref else ""
    if factor.number == 0:
        rest = equation.terms[:n] + equation.terms[n + 1 :]
        return Edit("drop term", (replace(equation, terms=rest),), 1.0, name)
    terms = (*equation.terms[:n], (number * factor, ref), *equation.terms[n + 1 :])
    return Edit("scale", (replace(equation, terms=terms),), 1.0, name, "", factor)
