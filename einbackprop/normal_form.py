"""When two formulas are the same.

``expand`` writes a value of a program as a canonical sum of terms: coefficient · powers of sizes · powers of atoms,
summed over bound indices. Two values with one normal form are equal for every size and every value, under the
assumptions that the comparison lists. ``same`` compares, ``einsum_normal_form`` does it for one written line.

What a proof rests on: the rules of commutative algebra and the identities in ``identities`` and ``functions``, each
of which keeps the value. Where no rule shows that two values are equal, they may be so all the same; ``different`` is
said only with numbers that show it (``exact``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from .canonical import Index, index
from .errors import UndecidedError
from .expansion import Expansion, joint_dimensions
from .polynomials import Context, Terms, substitute
from .program import Bracket, Contract, Factor, Number, Position, Program, Ref
from .witness import Witness, witness

EVERY_SIZE = "every size is at least 1"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the caller knows about the inputs; a comparison lists those that it was given.

    Attributes
    ----------
    sums : tuple of (Contract, number)
        Sums that have a known value: ``(Contract(Ref("", "b"), (Ref("Y", "kb"),)), 1)`` says that Σ_k Y[k,b] is 1.
    zero_or_one, positive : frozenset of str
        Inputs of which every entry is so.
    """

    sums: tuple[tuple[Contract, Fraction | int], ...] = ()
    zero_or_one: frozenset[str] = frozenset()
    positive: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return "; ".join(self.sentences())

    def sentences(self) -> list[str]:
        """Each assumption in words."""
        said = [f"{einsum_normal_form(contract)} = {value}" for contract, value in self.sums]
        said += [f"{name} holds zeros and ones only" for name in sorted(self.zero_or_one)]
        return said + [f"{name} is positive" for name in sorted(self.positive)]


NOTHING = Assumptions()


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A value in normal form: equal polynomials are equal for every size and value.

    Attributes
    ----------
    terms : mapping of monomial to Fraction
        A monomial is a frozenset of (atom, exponent); the value's axes are the indices with serial number 0, 1, …
    rests : tuple of str
        What the form rests on, beside sizes of at least 1. It does not count in a comparison.
    """

    terms: Terms
    rests: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.terms)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when two values were compared.

    Attributes
    ----------
    verdict : 'proved', 'different' or 'undecided'
        ``proved``: one normal form, so that they are equal for every size and value. ``different``: at the witness's
        numbers they differ. ``undecided``: neither.
    assumptions : tuple of str
        What the verdict rests on.
    reason : str
        Why it is undecided.
    exact : bool
        Undecided, but equal in exact arithmetic at all drawn sizes and values.
    witness : Witness, optional
        Where the two differ.
    """

    verdict: Literal["proved", "different", "undecided"]
    assumptions: tuple[str, ...] = ()
    reason: str = ""
    exact: bool = False
    witness: Witness | None = None

    def __bool__(self) -> bool:
        return self.verdict == "proved"


def expand(
    program: Program, name: str, *, given: frozenset[str] = frozenset(), assuming: Assumptions = NOTHING,
    most_terms: int = 4000,
) -> Polynomial:  # fmt: skip
    """The normal form of a value of a program.

    Parameters
    ----------
    program : Program
    name : str
        An input, a constant, or what an equation defines.
    given : frozenset of str
        Values that are taken as they are, as if they were inputs, and not expanded.
    assuming : Assumptions
    most_terms : int
        Beyond this, expanding ends.

    Raises
    ------
    UndecidedError
        It has more terms than that, is too symmetric, or is nowhere defined.
    """
    context = Context(sizes={k: d.size for k, d in enumerate(program.dimensions)}, most_terms=most_terms)
    expansion = Expansion(program, context, given=given)
    _declare([expansion], assuming)
    return Polynomial(expansion.value(name), tuple(context.rests))


def same(
    program: Program, name: str, other: Program | None = None, other_name: str | None = None, *,
    names: Mapping[str, str] | None = None, axes: Sequence[int] | None = None,
    given: Mapping[str, str] | None = None, assuming: Assumptions = NOTHING, factor: Factor | None = None,
    search: bool = True, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Compare two values, of one program or of two.

    Parameters
    ----------
    program, name
        The first value.
    other, other_name
        The second; of the same program, or with the same name, where not given.
    names : mapping, optional
        For inputs of the other program that are called otherwise: its name, and the first program's.
    axes : sequence of int, optional
        For each axis of the first value, the axis of the second that goes with it.
    given : mapping, optional
        Values that are taken as they are: the other's name, and the first program's.
    assuming : Assumptions
        About inputs, by the first program's names.
    factor : Factor, optional
        Compare the first with this factor times the second (letters of the first program).
    search : bool
        Where no proof is found, look for numbers at which they differ.
    seed : int
        Of the numbers that are drawn then.

    Returns
    -------
    Comparison
    """
    other, other_name = other or program, other_name or name
    called = {i.ref.name: i.ref.name for i in other.inputs} | dict(names or {}) | dict(given or {})
    pair = _Pair(program, name, other, other_name, called, tuple(axes or ()), frozenset(given or {}), factor)
    reason = "no rule shows that they are equal"
    rests: tuple[str, ...] = ()
    try:
        equal, rests = pair.proved(assuming)
        if equal:
            return Comparison("proved", (EVERY_SIZE, *assuming.sentences(), *rests))
    except UndecidedError as error:
        reason = str(error)
    if not search or given or assuming.sums:
        return Comparison("undecided", (*assuming.sentences(), *rests), reason)
    found = witness(program, name, other, other_name, called, pair.axes, factor, seed=seed)
    if found.differs:
        return Comparison("different", witness=found)
    return Comparison("undecided", (*assuming.sentences(), *rests), found.reason or reason, found.agrees)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two values, and how the second's names, axes and dimensions go with the first's."""

    program: Program
    name: str
    other: Program
    other_name: str
    called: Mapping[str, str]
    axes: tuple[int, ...]
    given: frozenset[str]
    factor: Factor | None

    def proved(self, assuming: Assumptions) -> tuple[bool, tuple[str, ...]]:
        """Whether the normal forms are one, and what that rests on."""
        context = Context()
        axes = self.axes or None
        joint = joint_dimensions(self.program, self.name, self.other, self.other_name, self.called, axes, context)
        if joint is None:
            return False, ()
        first_dimensions, second_dimensions = joint
        first = Expansion(
            self.program, context, first_dimensions, given=frozenset(self.called[n] for n in self.given)
        )
        second = Expansion(self.other, context, second_dimensions, self.called, given=self.given)
        _declare([first, second], assuming)
        left, right = first.value(self.name), second.value(self.other_name)
        slots = second.slots(self.other_name)
        if self.axes:
            right = substitute(right, _arranged(slots, self.axes), context)
        if self.factor is not None:
            right = first.scaled(right, self.factor)
        return left == right, tuple(context.rests)


def _arranged(slots: Sequence[Index], axes: Sequence[int]) -> dict[Index, Index]:
    """The names of the second value's axes where they stand in the first."""
    return {slots[axis]: index(slots[axis] >> 32, place) for place, axis in enumerate(axes)}


def _declare(expansions: Sequence[Expansion], assuming: Assumptions) -> None:
    """Tell expansions what is assumed about the inputs of the first."""
    for expansion in expansions:
        expansion.zero_or_one, expansion.positive = assuming.zero_or_one, assuming.positive
    first = expansions[0]
    for contract, value in assuming.sums:
        terms = first.contract(contract)
        ((m, c),) = terms.items() if len(terms) == 1 else ((frozenset[Any](), Fraction(0)),)
        heads = [head for (head, _), e in m if head.kind == "sum" and e == 1]
        if len(heads) != 1 or len(m) != 1:
            raise UndecidedError(f"{einsum_normal_form(contract)} = {value} is no sum of one product over an index")
        first.context.rules[heads[0].digest] = Fraction(value) / c


def einsum_normal_form(contract: Contract, ones: frozenset[str] = frozenset()) -> str:
    """One written line as a canonical string: factors sorted by name, factors of one dropped.

    The letters stay as they are written, so that two lines are the same only if the same subscripts stand at the
    same operands.

    Parameters
    ----------
    contract : Contract
    ones : frozenset of str
        The operands that hold ones only.

    Examples
    --------
    >>> line = Contract(Ref("dc", "i"), (Ref("dz", "ib"), Ref("ones", "b")), factor=Factor.of(0.5, b=-1))
    >>> einsum_normal_form(line, frozenset({"ones"}))
    '1/2·|b|^-1·dz[i,b] -> [i]'
    """
    kept = [ref for ref in contract.operands if ref.name not in ones]
    held = set("".join(ref.indices for ref in kept) + "".join(b.letters for b in contract.brackets))
    alone = [i for ref in contract.operands if ref.name in ones for i in ref.indices]
    sizes = {i: 1 for i in alone if i not in held and i not in contract.out.indices}
    factor = contract.factor * Factor.of(1, **sizes)
    parts = [] if factor.number == 1 else [_number_text(factor.number)]
    parts += [f"|{letter}|" + (f"^{p}" if p != 1 else "") for letter, p in factor.sizes]
    parts += sorted(_ref_text(ref) for ref in kept) + sorted(_bracket_text(b) for b in contract.brackets)
    return f"{'·'.join(parts) or '1'} -> [{','.join(contract.out.indices)}]"


def _number_text(number: Number) -> str:
    return str(number)


def _ref_text(ref: Ref) -> str:
    return f"{ref.name}[{','.join(ref.indices)}]"


def _bracket_text(bracket: Bracket) -> str:
    sides = [_position_text(bracket.left), _position_text(bracket.right)]
    if bracket.relation in "=≠":
        sides.sort()
    return f"[{bracket.relation.join(sides)}]"


def _position_text(position: Position) -> str:
    parts = sorted(
        "·".join([*(f"|{i}|^{p}" for i, p in f.sizes), *([str(f.number)] if f.number != 1 else []), letter])
        for f, letter in position.terms
    )
    parts += [str(position.constant)] if position.constant or not (parts or position.pick) else []
    return "+".join(parts + ([_ref_text(position.pick)] if position.pick else []))
