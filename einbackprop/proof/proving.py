"""Proofs that values of two programs are equal, the later ones resting on the earlier.

A deep network written out in full is a large polynomial. So a value is first compared written out, with little
patience; where that does not do, values on the way that seem to be equal (they are, at random numbers) are proved
equal first, each in terms of those before it, and then stand as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.collecting import summed
from ..core.interpretation import evaluate
from ..core.letters import letters_of
from ..core.program import Contract, Opaque, Program, operands
from ..core.records import dataclass
from ..core.recurrences import plain
from ..errors import EinbackpropError, UndecidedError
from ..notation.index_notation import equation_text
from .expansion import Expansion
from .indices import Index, dimension_of, index, indices_of, number_dimensions
from .induction import Atoms, atoms_of, carried_values
from .polynomials import ONE_ENTRY, Context, Monomial, Terms, substitute, without

MOST_OPENED = 24
"""How many of the values that were proved equal are written out again, one after another."""

QUICK = (200, 3000)
WHOLE = (200, 5000)
ROUND = (2000, 16_000)
PATIENT = (2000, 60_000)
"""The most terms and steps of a comparison; of a round of loops."""

MOST_STEPS_BETWEEN = 15_000
"""The most steps of all comparisons of the values between, of all pairs together. Two backwards are one chain of
values: what one pair could not prove, the next cannot either."""

TOO_LARGE = "the formulas are too large to be written out"
APART = "they have other values"
MOST_AXES = 4
DIGITS = 9
RELATIVE = 1e-6
NOISE = 1e-9
"""What may remain of a sum that is 0, of numbers of size 1."""

ONE_SIZE = "dimensions that the second formula takes as one have one size"
EVERY_SIZE = "every size is at least 1"
Sums = tuple[tuple[Contract, Fraction | int], ...]
"""Sums of an input that have a known value: ``(Contract(Ref("s", "b"), (Ref("Y", "kb"),)), 1)``: Σ_k Y[k,b] is 1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when two values were compared.

    Attributes
    ----------
    verdict : 'proved' or 'undecided'
        ``proved``: one normal form, so that they are equal for every size and value.
    assumptions : tuple of str
        What the proof rests on.
    reason : str
        Why there is none.
    is_too_large : bool
        Whether that is because formulas grew too large.
    """

    verdict: Literal["proved", "undecided"]
    assumptions: tuple[str, ...] = ()
    reason: str = ""
    is_too_large: bool = False

    def __bool__(self) -> bool:
        return self.verdict == "proved"


class Prover:
    """Compares values of two programs.

    Parameters
    ----------
    program, other : Program
    arrays : sequence of arrays, optional
        Inputs of the first program at which its values are compared with the other's, before proofs are tried: values
        that agree may be proved equal, others cannot. Without them, values are only compared written out.
    names : mapping, optional
        For inputs of the other program that are called otherwise: its name, and the first program's.
    given : mapping, optional
        Values that are taken as they are: the other's name, and the first program's.
    sums : tuple of (Contract, number)
        Sums of inputs of the first program that have a known value.
    linked : sequence of (name, other name)
        Values whose axes are of the same dimensions.
    """

    def __init__(
        self, program: Program, other: Program, arrays: Sequence[Any] = (), *, names: Mapping[str, str] | None = None,
        given: Mapping[str, str] | None = None, sums: Sums = (), linked: Sequence[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        first = plain(program)
        self.sides = (first, first if other is program else plain(other))
        self.sums = sums
        self.given = dict(given or {})
        self.called = {i.ref.name: i.ref.name for i in other.inputs} | dict(names or {})
        letters = [(indices_of(program, a) or "", indices_of(other, b) or "") for a, b in linked]
        self.numbering = number_dimensions(program, other, self.called | self.given, letters)
        self.arrays = arrays
        # for either side: what a value was proved to be, the axes that go with that one's, what it rests on
        self.known: tuple[dict[str, Known], dict[str, Known]] = ({}, {})
        self.context = Context(sizes=self.numbering.sizes)
        self.carried = [*carried_values(self.sides[: 1 if other is program else 2])]
        self.atoms, self.rests = atoms_of(self.carried, (), self.numbers, self.expansions_with)
        self.full = self.expansions(QUICK)
        self.cut: tuple[Expansion, Expansion] | None = None
        self.seen: Both | None = None
        self.partners: list[tuple[int, str, str, tuple[int, ...]]] | None = None
        self.given_up: set[tuple[int, str]] = set()
        self.too_large: tuple[set[tuple[int, str]], str] = set(), ""  # what was given up before one was, and why
        self.steps_left = MOST_STEPS_BETWEEN

    def compare(self, name: str, other_name: str, *, patience: tuple[int, int] = PATIENT) -> Comparison:
        """Compare a value of the first program with one of the other.

        Parameters
        ----------
        name, other_name : str
        patience : (int, int)
            The most terms and steps of the last attempt.
        """
        self.look_into_loops()
        order = tuple(range(len(indices_of(self.sides[1], other_name) or "")))
        if len(order) != len(indices_of(self.sides[0], name) or ""):
            return Comparison("undecided", reason=f"{name} and {other_name} have not the same number of axes")
        equal, reason = None, TOO_LARGE
        if self.partners is None:
            equal, reason = self.written_out(name, other_name, order, WHOLE)
        if reason:
            self.look_for_partners()
            if not self.plausible(name, other_name):
                return Comparison("undecided", reason=APART)
            equal = self.step_by_step(name, other_name, order)
            reason = self.beyond(name, other_name) if equal is None else ""
            if equal is None and not reason:
                equal, reason = self.written_out(name, other_name, order, patience)
                if reason:
                    self.too_large = {*self.given_up}, reason
        if equal is None:
            return Comparison("undecided", (), reason or "no rule shows that they are equal", bool(reason))
        said = (f"{right_side(contract)} = {value}" for contract, value in self.sums)
        return Comparison("proved", (EVERY_SIZE, *said, *equal))

    def beyond(self, name: str, other_name: str) -> str:
        """Why a pair need not be written out: it is made of a value that was not proved on the way, and another pair
        that is was too large. Empty where it may do."""
        given_up, reason = self.too_large
        reached = [reach(side, value) for side, value in zip(self.sides, (name, other_name), strict=True)]
        return reason if any(value in reached[side] for side, value in given_up) else ""

    def expansions(self, patience: tuple[int, int]) -> tuple[Expansion, Expansion]:
        """The two programs, in one context, with nothing known."""
        context = self.context.renewed(*patience)
        first, second = (
            Expansion(program, context, self.numbers[side], *self.standing(side, {}),
                      prefix="" if self.sides[0] is program else "2 ")
            for side, program in enumerate(self.sides)
        )  # fmt: skip
        declare(first, self.sums)
        return first, second

    def standing(
        self, side: int, cuts: Mapping[str, Known]
    ) -> tuple[dict[str, str], dict[str, tuple[int, ...]], dict[str, Mapping[str, None]]]:
        """What the values of a side are called that stand as they are, the order of their axes, what that rests on."""
        called = {n: n for n in self.given.values()} if side == 0 else self.called | self.given
        given: dict[str, Mapping[str, None]] = {n: cut[2] for n, cut in cuts.items()}
        given |= {n: {} for n in called if n not in self.called}
        given |= dict.fromkeys(self.atoms[side], self.rests)
        if not side:
            given |= {n: {} for n in self.given.values()}
        called = called | self.atoms[side] | {n: cut[0] for n, cut in cuts.items()}
        return called, {n: cut[1] for n, cut in cuts.items()}, given

    def with_known(self, cuts: Sequence[Mapping[str, Known]], most_steps: int) -> tuple[Expansion, Expansion]:
        """The two programs with some values as they are; of what was expanded with others, all stays that can."""
        self.cut = self.cut or self.expansions(QUICK)
        for side, expansion in enumerate(self.cut):
            expansion.take(*self.standing(side, cuts[side]))
        context = self.cut[0].context
        context.steps, context.most_steps = 0, most_steps
        return self.cut

    @property
    def numbers(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """The number of the dimension of each letter of either program."""
        return self.numbering.first, self.numbering.second

    def expansions_with(self, atoms: Atoms) -> tuple[Expansion, Expansion]:
        """The two programs, with atoms for what rounds of loops read of others."""
        self.atoms, self.rests = atoms, {}
        return self.expansions(ROUND)

    def look_into_loops(self) -> None:
        """Find out which of the values that rounds leave to one another are equal."""
        if self.carried and self.seen is None and self.arrays:
            self.evaluate()
            if self.seen is not None:
                self.atoms, self.rests = atoms_of(self.carried, self.seen, self.numbers, self.expansions_with)
                self.full = self.expansions(QUICK)

    def written_out(
        self, name: str, other_name: str, axes: tuple[int, ...], patience: tuple[int, int]
    ) -> tuple[list[str] | None, str]:
        """What the equality rests on, None if it is not seen; and why it was not, if formulas grew too large."""
        context = self.full[0].context
        context.steps, (context.most_terms, context.most_steps) = 0, patience
        try:
            return self.proved(*self.full, name, other_name, axes), ""
        except UndecidedError as error:
            return None, str(error)

    def proved(
        self, first: Expansion, second: Expansion, name: str, other_name: str, axes: tuple[int, ...]
    ) -> list[str] | None:
        """What the equality of two expanded values rests on, None if they have not one normal form."""
        left, right = first.value(name), second.value(other_name)
        slots = second.slots(other_name)
        if axes != tuple(range(len(axes))):
            right = rearranged(right, slots, axes, first.context)
        if any(a >> 32 != slots[k] >> 32 for a, k in zip(first.slots(name), axes, strict=True)):
            return None
        rests = [ONE_SIZE] if self.numbering.merged else []
        if left != right:
            left, right = (counted_once(terms, first.context) for terms in (left, right))
            rests.append(ONE_ENTRY)
        if left != right:
            return None
        return list(dict.fromkeys([*rests, *first.rests(name), *second.rests(other_name)]))

    def step_by_step(self, name: str, other_name: str, axes: tuple[int, ...]) -> list[str] | None:
        """Prove the pair by way of the values that it is made from."""
        needed = (reach(self.sides[0], name), reach(self.sides[1], other_name))
        for side, value, partner, order in self.partners or []:
            wanted = value in needed[side] and partner in needed[0] and (partner, value) != (name, other_name)
            if wanted and self.steps_left > 0 and value not in self.known[side] and (side, value) not in self.given_up:
                rests = self.with_cuts(side, partner, value, order)
                if rests is None:
                    self.given_up.add((side, value))
                else:
                    self.known[side][value] = (partner, order, dict.fromkeys(rests))
                    self.known[0].setdefault(partner, (partner, tuple(range(len(order))), {}))
        self.steps_left = max(self.steps_left, QUICK[1])  # what was proved so far may do for this pair
        return self.with_cuts(1, name, other_name, axes)

    def with_cuts(self, side: int, name: str, other_name: str, axes: tuple[int, ...]) -> list[str] | None:
        """Compare values written in those that were proved equal; write out more of these while the forms differ."""
        open_ = {self.known[0].get(name, (name,))[0], self.known[side].get(other_name, (name,))[0]}
        for _ in range(MOST_OPENED):
            cuts = [{n: cut for n, cut in known.items() if cut[0] not in open_} for known in self.known]
            first, second = self.with_known(cuts, min(QUICK[1], self.steps_left))
            second = second if side else first
            try:
                rests = self.proved(first, second, name, other_name, axes)
                if rests is not None:
                    return rests
                difference = [*first.value(name).items() ^ second.value(other_name).items()]
            except UndecidedError:
                return None
            finally:
                self.steps_left -= first.context.steps
            standing = {cut[0] for cut in cuts[0].values()} & mentioned(m for m, _ in difference)
            if not standing:
                return None
            open_.add(min(standing, key=lambda n: self.cost_of_opening(n, standing, cuts[0])))
        return None

    def cost_of_opening(self, name: str, standing: set[str], cuts: Mapping[str, Known]) -> tuple[int, int]:
        """How many further values would stand in the formula were this one written out; of equals, the earliest."""
        defining = self.sides[0].defining()
        found, met, waiting = set(), {name}, [r.name for r in operands(defining[name])]
        while waiting:
            n = waiting.pop()
            if n in cuts:
                found.add(cuts[n][0])
            elif n in defining and n not in met and n not in self.atoms[0]:
                met.add(n)
                waiting += [r.name for r in operands(defining[n])]
        return len(found - standing), list(defining).index(name)

    def look_for_partners(self) -> None:
        """Evaluate the programs once, at random numbers or at those given, to see which values seem to be equal."""
        if self.partners is None:
            self.partners = []
            self.take_as_known(shared(*self.sides, self.numbering.first, self.numbering.second, self.called))
            self.evaluate()
            self.partners = list(self.similar(self.seen)) if self.seen else []

    def evaluate(self) -> None:
        """See what the values of both programs are at some numbers."""
        if self.seen is None:
            fresh = self.values(drawn=True)
            self.seen = fresh if fresh and all(map(is_finite, arrays_of(fresh))) else self.values(drawn=False)

    def values(self, *, drawn: bool) -> Both | None:
        """All values of either program, floats among the inputs drawn afresh; None where some are complex."""
        kept = {ref.name for contract, _ in self.sums for ref in contract.operands}
        rng = np.random.default_rng(0)
        given: dict[str, NDArray[Any]] = {}
        for name, array in zip([i.ref.name for i in self.sides[0].inputs], self.arrays, strict=False):
            plain: NDArray[Any] = np.asarray(array)
            fresh = drawn and name not in kept
            is_float = plain.dtype.kind == "f"
            given[name] = plain if not is_float else rng.normal(size=plain.shape) if fresh else plain.astype(np.float64)
        theirs = [given.get(self.called[i.ref.name]) for i in self.sides[1].inputs]
        if not self.arrays or any(array is None for array in theirs):
            return None
        try:
            with np.errstate(all="ignore"):
                both = evaluate(self.sides[0], [*given.values()])[0], evaluate(self.sides[1], theirs)[0]
        except EinbackpropError:  # at these numbers: a position beyond the end
            return None
        return both if all(array.dtype.kind in "biuf" for array in arrays_of(both)) else None

    def take_as_known(self, names: Iterable[str]) -> None:
        """Values that both programs make by the same equations stand as they are."""
        for name in names:
            axes = tuple(range(len(indices_of(self.sides[0], name) or "")))
            for known in self.known:
                known.setdefault(name, (name, axes, {}))

    def plausible(self, name: str, other_name: str) -> bool:
        """Whether two values agree at the numbers at which both were evaluated, if they were."""
        if self.seen is None or self.given:
            return True
        left, right = self.seen[0][name].astype(float), self.seen[1][other_name].astype(float)
        if left.shape != right.shape:
            return False
        known = np.isfinite(left) & np.isfinite(right)
        beside = max(RELATIVE * np.abs(left[known]).max(initial=0), NOISE)
        return np.allclose(left[known], right[known], RELATIVE, beside)

    def similar(self, values: Both) -> Iterator[tuple[int, str, str, tuple[int, ...]]]:
        """Values that agree with one of the first program: side, name, that one, how the axes go."""
        numbers = (self.numbering.first, self.numbering.second)
        seen: dict[Any, list[tuple[str, NDArray[Any], list[int]]]] = {}
        for side, program in enumerate(self.sides[: 1 if self.sides[0] is self.sides[1] else 2]):
            for equation in program.equations:
                name, array = equation.out.name, values[side].get(equation.out.name)
                if array is None or array.ndim > MOST_AXES or not is_finite(array):
                    continue
                array = array.astype(float)
                axes = [numbers[side][i] for i in equation.out.indices]
                alike = seen.setdefault((tuple(sorted(axes)), f"{np.abs(array).sum():.{DIGITS}e}"), [])
                match = next((m for a, b, d in alike if (m := matching(a, b, d, array, axes))), None)
                if match:
                    yield side, name, *match
                elif side == 0:
                    alike.append((name, array, axes))


def right_side(equation: Contract) -> str:
    """What stands after the equals sign: ``Σ_k Y[k,b]``."""
    return equation_text(equation).split(" = ", 1)[1]


def arrays_of(both: Both) -> Iterator[NDArray[Any]]:
    """The values of two programs."""
    return (array for side in both for array in side.values())


def is_finite(array: NDArray[Any]) -> bool:
    """Whether all entries are numbers."""
    return bool(np.isfinite(array).all())


def shared(
    program: Program, other: Program, first: Mapping[str, int], second: Mapping[str, int], called: Mapping[str, str]
) -> Iterator[str]:
    """The values that two programs make from the same inputs by the same equations."""
    theirs = {e.out.name: replace(e, source=None) for e in other.equations if not isinstance(e, Opaque)}
    given = {mine for other_name, mine in called.items() if other_name == mine}
    given |= {name for name, array in program.constants.items() if other.constants.get(name) is array}
    same = {e.out.name: e for e in program.equations if theirs.get(e.out.name) == replace(e, source=None)
            and all(first[i] == second[i] for i in letters_of(e))}  # fmt: skip
    before = -1
    while len(same) != before:  # once more: those that read others stand only as long as these do
        before = len(same)
        for name, equation in [*same.items()]:
            if any(ref.name not in given and ref.name not in same for ref in operands(equation)):
                del same[name]
    yield from same


Known = tuple[str, tuple[int, ...], dict[str, None]]
Both = tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]


def matching(
    partner: str, theirs: NDArray[Any], their_axes: list[int], array: NDArray[Any], axes: list[int]
) -> tuple[str, tuple[int, ...]] | None:
    """The partner, and for each of its axes the axis of the array, where the two then agree."""
    for order in permutations(range(array.ndim)):
        if [axes[k] for k in order] == their_axes and np.allclose(array.transpose(order), theirs, 1e-9, 1e-12):
            return partner, order
    return None


def reach(program: Program, name: str) -> set[str]:
    """The values that a value is made from, itself included."""
    defining = program.defining()
    found, waiting = {name}, [name]
    while waiting:
        n = waiting.pop()
        following = {r.name for r in operands(defining[n])} - found if n in defining else set()
        found |= following
        waiting += following
    return found


def mentioned(monomials: Iterable[Monomial]) -> set[str]:
    """The names of inputs, and of values that stand as inputs do, in products and inside their atoms."""
    heads = {head for m in monomials for (head, _), _ in m}
    waiting = list(heads)
    while waiting:
        new = {h for terms in waiting.pop().arguments for m in terms for (h, _), _ in m} - heads
        heads |= new
        waiting += new
    return {head.name for head in heads if head.kind == "input"}


def counted_once(terms: Terms, context: Context) -> Terms:
    """The terms with 1 for the sizes that are 1."""
    heads = {atom for m in terms for atom, _ in m if atom[0].kind == "size"}
    ones = [atom for atom in heads if context.sizes.get(int(atom[0].name)) == 1]
    return summed((frozenset(without(dict(m), *ones).items()), c) for m, c in terms.items())


def rearranged(terms: Terms, slots: Sequence[Index], axes: Sequence[int], context: Context) -> Terms:
    """A value's terms with its axes in another order."""
    names = {slots[axis]: index(dimension_of(slots[axis]), place) for place, axis in enumerate(axes)}
    return substitute(terms, names, context)


def declare(expansion: Expansion, sums: Sums) -> None:
    """Tell the context of an expansion what sums of its inputs are."""
    for contract, value in sums:
        terms = expansion.contract(contract)
        heads = [head for m in terms for (head, _), e in m if head.kind == "sum" and e == 1]
        if len(terms) != 1 or len(heads) != 1 or len(next(iter(terms))) != 1:
            raise UndecidedError(f"{right_side(contract)} = {value} is no sum of one product over an index")
        expansion.context.rules[heads[0].digest] = Fraction(value) / next(iter(terms.values()))
