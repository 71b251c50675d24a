"""The differential of each equation: a sum of terms, each linear in one operand and written as a Contract.

    z[i,b] = Σ_j W[i,j] x[j,b]       δz[i,b] = Σ_j δW[i,j] x[j,b]  +  Σ_j W[i,j] δx[j,b]
    h[k,b] = sigmoid(z[k,b])         δh[k,b] = δz[k,b] h[k,b] (1 - h[k,b])
    m[b]   = max_k x[k,b]            δm[b]   = Σ_k δx[k,b] [k = k*[b]]

The forward derivative reads these lines as they stand; the reverse derivative transposes each by slot substitution.
This is the only place that knows the kinds of equation. What a term needs besides is written into a ``Workspace``: a
program that is being written, its equations so far and names that are still free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..core import dimensions, elementwise
from ..core.elementwise import Call, Formula, Product
from ..core.letters import free_name
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Dimension,
    Equation,
    Extremum,
    Factor,
    Map,
    MatrixFunction,
    Number,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    multiply,
    operands,
)
from ..core.records import dataclass
from ..core.source import name_of
from ..errors import DerivationError
from . import matrices


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a differential: ``contract`` with the operand ``slot`` moving.

    ``conjugated`` where it is the conjugate of that operand which moves (the pointwise ``conj``).
    """

    contract: Contract
    slot: int
    conjugated: bool = False

    @property
    def moving(self) -> Ref:
        """The operand that moves."""
        return self.contract.operands[self.slot]


def differential(equation: Equation, moving: set[str], work: Workspace) -> list[Term]:
    """The terms of an equation's differential.

    Parameters
    ----------
    equation : Equation
    moving : set of str
        The values that move. The others are held.
    work : Workspace
        Values that the terms need besides those of the program (slopes, masks) are written there.

    Raises
    ------
    DerivationError
        The equation could not be read, and depends on a value that moves.
    """
    match equation:
        case Contract():
            return [Term(equation, slot) for slot, ref in enumerate(equation.operands) if ref.name in moving]
        case Sum(out, terms):
            used = [(factor, ref) for factor, ref in terms if ref is not None and ref.name in moving]
            return [Term(Contract(out, (ref,), factor=factor), 0) for factor, ref in used]
        case Map():
            return [
                term
                for slot, ref in enumerate(equation.operands)
                if ref.name in moving
                for term in map_terms(equation, slot, work)
            ]
        case Extremum():
            moves = equation.operand.name in moving and not equation.held
            return extremum_terms(equation, work) if moves else []
        case Update():
            return update_terms(equation, moving, work)
        case MatrixFunction():
            return [Term(contract, slot) for contract, slot in matrices.contracts(equation, moving, work)]
        case Opaque():
            raise unreadable(equation, moving)


def flows(equation: Equation, moving: Collection[str], complex_values: set[str]) -> bool:
    """Whether the value of an equation moves with the values that move. Steps, signs and positions do not."""
    match equation:
        case Map(_, function, refs, parameter):
            return any(
                elementwise.derivative(function, slot, parameter, of_complex=ref.name in complex_values) != ()
                for slot, ref in enumerate(refs)
                if ref.name in moving
            )
        case Extremum():
            return equation.operand.name in moving and not equation.held and not equation.position_of
        case Contract():
            return any(ref.name in moving for ref in equation.operands)
        case Update():
            return equation.base.name in moving or equation.value.name in moving
        case MatrixFunction(function="detsign"):
            return False
        case _:
            return any(ref.name in moving for ref in operands(equation))


def map_terms(equation: Map, slot: int, work: Workspace) -> Iterator[Term]:
    """``δy = δx f′``, one term for each term of f′ that is written apart (none: f is flat)."""
    out, operand = equation.out, equation.operands[slot]
    is_complex = operand.name in work.complex_values
    if equation.function == "conj" and is_complex:
        yield Term(Contract(out, (operand,)), 0, conjugated=True)
        return
    formula = elementwise.derivative(equation.function, slot, equation.parameter, of_complex=is_complex)
    if formula is None:
        raise DerivationError(f"{at(equation)}: {equation.function} has no derivative at complex numbers")
    if formula:
        number, slopes = Slopes(equation, work).factors(formula)
        yield Term(Contract(out, (operand, *slopes), factor=Factor.of(number)), 0)


@dataclass(frozen=True, slots=True)
class Slopes:
    """Writes the derivative of one pointwise function, a formula, as equations."""

    equation: Map
    work: Workspace

    def factors(self, formula: Formula) -> tuple[Number, tuple[Ref, ...]]:
        """A formula as a number times values. A sum of several products is one value."""
        if len(formula) > 1:
            return Fraction(1), (self.total(formula),)
        number = formula[0].coefficient
        refs: list[Ref] = []
        for factor in formula[0].factors:
            if isinstance(factor, tuple):
                inner, more = self.factors(factor)
                number, refs = multiply(number, inner), [*refs, *more]
            else:
                refs.append(self.call(factor) if isinstance(factor, Call) else self.operand(factor))
        return number, tuple(refs)

    def operand(self, name: str) -> Ref:
        """``y``, or ``x0``, ``x1``, …"""
        return self.equation.out if name == "y" else self.equation.operands[int(name[1:])]

    def value(self, formula: Formula) -> Ref:
        """A formula as one value."""
        number, refs = self.factors(formula)
        return refs[0] if number == 1 and len(refs) == 1 else self.total(formula)

    def total(self, formula: Formula) -> Ref:
        """A sum of products as one value: ``1 - h`` is called ``one_minus_h``, any other a slope."""
        terms = tuple(self.scaled(product) for product in formula)
        match formula:
            case (Product(Fraction(numerator=1, denominator=1), ()), Product(Fraction(numerator=-1), (str(name),))):
                label = f"one_minus_{self.operand(name).name}"
            case _:
                label = f"{self.equation.out.name}_slope"
        return self.write(label, [ref for _, ref in terms if ref], lambda out: Sum(out, terms))

    def write(self, label: str, refs: Sequence[Ref], make: Callable[[Ref], Equation]) -> Ref:
        """A value with those letters of the function's that the refs have."""
        present = "".join(ref.indices for ref in refs)
        letters = "".join(i for i in self.equation.out.indices if i in present)
        return self.work.write(label, letters, self.equation.out.name, make)

    def scaled(self, product: Product) -> tuple[Factor, Ref | None]:
        """A product as a term of a Sum."""
        number, refs = self.factors((product,))
        if len(refs) < 2:
            return Factor.of(number), refs[0] if refs else None
        squared = len(refs) == 2 and refs[0] == refs[1]
        label = f"{refs[0].name}_squared" if squared else f"{self.equation.out.name}_slope"
        return Factor.of(number), self.write(label, refs, lambda out: Contract(out, refs))

    def call(self, call: Call) -> Ref:
        """A pointwise function of formulas. A condition that is a boolean already is its own truth."""
        refs = tuple(self.value(argument) for argument in call.arguments)
        if call.function == "truth" and refs[0].name in self.work.boolean_values:
            return refs[0]
        label = "reciprocal" if call.function == "power" and call.parameter == -1 else call.function
        name = f"{label}_{refs[0].name}"
        return self.write(name, refs, lambda out: Map(out, call.function, refs, call.parameter))


def extremum_terms(equation: Extremum, work: Workspace) -> list[Term]:
    """``δm[b] = Σ_k δx[k,b] [k = k*[b]]``, where k* is the position at which the extremum was reached."""
    out, operand = equation.out, equation.operand
    brackets = []
    for letter in dict.fromkeys(operand.indices):
        if letter not in out.indices:
            reached = Ref(work.fresh(f"{out.name}_at_{letter}"), out.indices)
            work.append(replace(equation, out=reached, position_of=letter, held=True, source=None), out.name)
            brackets.append(Bracket(Position.of(letter), "=", Position(pick=reached)))
    return [Term(Contract(out, (operand,), tuple(brackets)), 0)]


def update_terms(equation: Update, moving: set[str], work: Workspace) -> list[Term]:
    """``δx′ = δv`` where it was written, ``δx`` elsewhere: two masked Contracts."""
    out, base, value = equation.out, equation.base, equation.value
    mask = () if equation.mask is None else (equation.mask,)
    terms = []
    if value.name in moving:
        terms.append(Term(Contract(out, (value, *mask), equation.brackets), 0))
    if base.name in moving and (mask or equation.brackets):
        elsewhere = unwritten(equation, work)
        if isinstance(elsewhere, Bracket):
            terms.append(Term(Contract(out, (base,), (elsewhere,)), 0))
        else:
            terms.append(Term(Contract(out, (base, elsewhere)), 0))
    return terms


def unwritten(equation: Update, work: Workspace) -> Bracket | Ref:
    """0 where an Update writes and 1 elsewhere: a bracket such as ``[p ≠ 3]``, or a value."""
    letters, mask = equation.base.indices, equation.mask
    if mask is None and len(equation.brackets) == 1 and set(equation.brackets[0].letters) <= set(letters):
        return replace(equation.brackets[0], relation="≠")
    touched = set("".join(b.letters for b in equation.brackets)) | set(mask.indices if mask else "")
    own = "".join(i for i in letters if i in touched)
    written, kept = (Ref(work.fresh(f"{equation.out.name}_{what}"), own) for what in ("written", "kept"))
    masks = () if mask is None else (mask,)
    work.append(Contract(written, masks, equation.brackets), equation.out.name)
    work.append(Sum(kept, ((ONE, None), (-ONE, written))), equation.out.name)
    return kept


def unreadable(equation: Opaque, moving: set[str]) -> DerivationError:
    """The error for a derivative through a line that could not be read."""
    through = ", ".join(ref.name for ref in equation.operands if ref.name in moving)
    return DerivationError(
        f"{at(equation)}: {equation.out.name} could not be read ({equation.reason}), so there is no derivative "
        f"through it with respect to {through}; write the line with operations that can be read, "
        f"or leave out what it depends on"
    )


def at(equation: Equation) -> str:
    """The user's line that an equation stands for, or the value's name."""
    source = equation.source
    return equation.out.name if source is None else f"{name_of(source.file)}:{source.line}: {source.code}"


class Workspace:
    """Equations written after those of a program, and what is known of each value.

    Attributes
    ----------
    equations : list of Equation
        The program's, and those appended.
    origins : dict of name to name
        For each value appended, the forward value whose equation it comes from.
    indices : dict of name to str
        One letter for each axis of each value, all distinct.
    complex_values, boolean_values : set of str
        Values that depend on an input declared complex (and are not real again), and values that are true or false.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.dimensions = list(program.dimensions)
        self.equations: list[Equation] = []
        self.origins: dict[str, str] = {}
        self.taken = {*program.constants, *program.labels.values(), *(i.ref.name for i in program.inputs)}
        self.taken |= {equation.out.name for equation in program.equations}
        arrays = {name: array.dtype.kind for name, array in program.constants.items()}
        arrays |= {i.ref.name: np.dtype(i.dtype).kind for i in program.inputs}
        self.complex_values = {name for name, kind in arrays.items() if kind == "c"}
        self.boolean_values = {name for name, kind in arrays.items() if kind == "b"}
        self.indices = {ref.name: ref.indices for ref in (*program.outputs, *(i.ref for i in program.inputs))}
        for equation in program.equations:
            self.append(equation)

    def append(self, equation: Equation, origin: str = "") -> Ref:
        """Write an equation; ``origin`` is the forward value that it comes from."""
        out = equation.out
        self.equations.append(equation)
        self.indices[out.name] = self.distinct(out.indices)
        if origin:
            self.origins[out.name] = origin
        if is_complex(equation, self.complex_values):
            self.complex_values.add(out.name)
        if isinstance(equation, Map) and elementwise.is_boolean(equation.function):
            self.boolean_values.add(out.name)
        return out

    def write(self, label: str, letters: str, origin: str, make: Callable[[Ref], Equation]) -> Ref:
        """Write a value that gets the label, or one like it, as its name."""
        return self.append(make(Ref(self.fresh(label), letters)), origin)

    def fresh(self, name: str) -> str:
        """The name, with a number appended where it is taken."""
        return free_name(name, self.taken)

    def distinct(self, indices: str) -> str:
        """The same axes with no letter twice: a repeated one is replaced by another of its dimension."""
        chosen = ""
        for letter in indices:
            chosen += letter if letter not in chosen else self.other(letter, indices + chosen)
        return chosen

    def other(self, letter: str, used: str) -> str:
        """Another letter of the same dimension; a new one where it has no more."""
        place = next(n for n, dimension in enumerate(self.dimensions) if letter in dimension.letters)
        dimension = self.dimensions[place]
        for candidate in dimension.letters:
            if candidate not in used:
                return candidate
        everywhere = "".join(d.letters for d in self.dimensions)
        letters = dimensions.FLOW_LETTERS + dimensions.OTHER_LETTERS
        new = next(i for i in letters if i not in everywhere and i not in self.taken)
        self.dimensions[place] = Dimension(dimension.letters + new, dimension.size, dimension.name)
        return new

    def conjugate(self, ref: Ref) -> Ref:
        """The conjugate of a value that depends on an input declared complex; a real one is its own."""
        if ref.name not in self.complex_values:
            return ref
        letters = "".join(dict.fromkeys(ref.indices))
        return self.write(f"conj_{ref.name}", letters, "", lambda out: Map(out, "conj", (ref,)))


def is_complex(equation: Equation, complex_values: set[str]) -> bool:
    """Whether a value is complex: where it is made from one that is, or with a complex factor."""
    match equation:
        case Contract(_, refs, _, factor):
            return isinstance(factor.number, complex) or any(ref.name in complex_values for ref in refs)
        case Sum(_, terms):
            return any(
                isinstance(factor.number, complex) or (ref is not None and ref.name in complex_values)
                for factor, ref in terms
            )
        case Map(_, function, refs):
            return not elementwise.lookup(function).real and any(ref.name in complex_values for ref in refs)
        case Update(_, base, value):
            return base.name in complex_values or value.name in complex_values
        case Extremum(_, operand):
            return not equation.position_of and operand.name in complex_values
        case MatrixFunction(_, _, refs):
            return any(ref.name in complex_values for ref in refs)
        case Opaque(out):
            return out.name in complex_values
