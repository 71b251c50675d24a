"""One run of a statement: the equations that it made, and how each value that it reads is written in it.

A write into a part of an array is written in the letters of that part: all that the user has in hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from ..capture.bindings import Access, Binding
from ..capture.probes import SUBSCRIPTS
from ..core.letters import relettered, uses_of, with_operands
from ..core.program import Bracket, Contract, Equation, Factor, Opaque, Position, Ref, Sum, Update, operands, picks
from ..core.records import dataclass
from ..core.source import CALL, INNER, Spelling


@dataclass(frozen=True)
class Made:
    """What one run of a statement made.

    Attributes
    ----------
    binding : Binding
    equations : mapping of value to Equation
        Those of the statement, and of the helpers of one ``return`` that it calls.
    helpers : tuple of Binding
        The runs of these helpers.
    elsewhere : set of values
        What other statements read.
    as_code : bool
        Whether a part of an array stands as the user writes it, ``x[:, n]``, and not by its positions.
    constants : tuple of Access
        What it uses that none of its expressions may give.
    """

    binding: Binding
    equations: Mapping[str, Equation]
    helpers: tuple[Binding, ...] = ()
    elsewhere: frozenset[str] = frozenset()
    as_code: bool = False
    constants: tuple[Access, ...] = ()

    @property
    def size(self) -> int:
        """How many values its equations read."""
        return sum(1 for equation in self.equations.values() for _ in operands(equation))

    def reads_itself(self, value: str) -> bool:
        """Whether a value is made of itself, as the round of a loop before has left it."""
        own = self.equations.values() if value in self.equations else ()
        return any(ref.name == value for equation in own for ref in operands(equation))

    def told_apart(self) -> Made:
        """The same, a value that stands under several names in the statement told apart by them, in the order in which
        they are read: ``s.h + x`` is no ``x + x`` where both are one array, and in ``c_next = f * c`` the c is what the
        round before made."""
        reads: dict[str, list[Access]] = {}
        begun: Access | None = None  # the array itself, of which ``a[:, None]`` is another view
        for access, after in pairwise((*self.binding.reads, None)):
            if access is None:
                continue
            begun = begun if begun is not None and begun.value == access.value else access
            if access.inner and after is not None and after.value == access.value:
                continue
            if access.spelling.rank < INNER:
                reads.setdefault(access.value, []).append(begun if begun.spelling.rank < INNER else access)
            begun = None
        uses = uses_of(self.equations.values())
        bound = {access.value: access.spelling.text for access in (*self.binding.binds, *self.binding.changes)}
        results = {access.value for access in self.binding.reads if access.spelling.rank >= CALL} & {
            value for value, found in reads.items() if any(a.spelling.text == bound.get(value) for a in found)}
        before = (self.equations.keys() & bound.keys()) | results  # under a name, they are read as they were before
        texts = {value: {a.spelling.text for a in found} | ({bound[value]} if value in before else set())
                 for value, found in reads.items()}  # fmt: skip
        several = {
            value: iter(found) for value, found in reads.items()
            if (uses[value] == len(found) and len(texts[value]) > 1)
            or (value in results and uses[value] in (0, len(found)))
        }  # fmt: skip
        if not several:
            return self
        others: list[Access] = []
        made: dict[str, Equation] = {}

        def apart(ref: Ref) -> Ref:
            if ref.name in several:
                others.append(replace(next(several[ref.name]), value=f"{ref.name}\0{len(others)}"))
                return Ref(others[-1].value, ref.indices)
            through(ref.name)
            return ref

        def through(value: str) -> None:
            """From what is made down to what is read, as the code is written: in ``a * b * (1 - c)`` c comes last."""
            if value in self.equations and value not in made:
                made[value] = self.equations[value]
                made[value] = with_operands(made[value], apart)

        for value in sorted(self.equations, key=lambda value: uses[value] > 0):  # the last ones first
            through(value)
        equations = {value: made[value] for value in self.equations}
        own = tuple(read for read in self.binding.reads
                    if read.value not in before & several.keys() or read.spelling.rank >= CALL)  # fmt: skip
        binding = replace(self.binding, reads=(*own, *others))
        return replace(self, equations=equations, binding=binding)

    def spellings(self) -> dict[str, Spelling]:
        """How each value that the statement reads is written in it: the simplest expression for it.

        What the statement makes is written as what it is, unless it has a name within the statement, or is made of
        something that has none there, as the part of an array is that a function is given.
        """
        reads = list(self.reads)
        best: dict[str, tuple[tuple[int, int], Spelling]] = {}
        for rank, access in reads:
            key = rank, len(access.spelling.text)
            if access.value not in best or key < best[access.value][0]:
                best[access.value] = key, replace(access.spelling, rank=rank)
        named = {value for value, ((rank, _), _) in best.items() if rank == 0 or value not in self.equations}
        if self.as_code:
            named |= {value for value, ((rank, _), _) in best.items()
                      if is_part(own := self.equations.get(value), rank) or is_made_of_nothing(own)}  # fmt: skip
        bracketed = (e for e in self.equations.values() if isinstance(e, Contract | Update))
        picked = {ref.name for equation in bracketed for ref in picks(equation.brackets)}
        written: dict[str, bool] = {}
        for value, equation in self.equations.items():  # in an order in which they can be evaluated
            read = (ref.name for ref in operands(equation) if ref.name not in picked)
            is_one = not isinstance(equation, Opaque) and value not in picked
            written[value] = is_one and all(name in named or written.get(name, False) for name in read)
        return {value: spelling for value, (_, spelling) in best.items()
                if value in named or not written[value]}  # fmt: skip

    @property
    def reads(self) -> Iterator[tuple[int, Access]]:
        """Each expression that the statement and its helpers read, with its rank for the statement.

        Of an expression that held several values, as what a comprehension binds does, each one is numbered.
        """
        own = [(access.spelling.rank, access) for access in self.binding.reads]
        own += [(max(access.spelling.rank, INNER), access) for helper in self.helpers for access in helper.reads]
        own = [(rank, access) for rank, access in own if access.value]
        read = {access.value for _, access in own}
        own += [(INNER, access) for access in self.constants if access.value not in read]
        values: dict[str, list[str]] = {}
        for rank, access in own:
            held = values.setdefault(access.spelling.text, [])
            if access.origin not in held:
                held.append(access.origin)
            n = held.index(access.origin)
            if n:
                text = access.spelling.text if access.spelling.text.startswith("(") else f"({access.spelling.text})"
                numbered = text + str(n + 1).translate(SUBSCRIPTS)
                yield INNER, replace(access, spelling=replace(access.spelling, text=numbered))
            else:
                yield rank, access

    def targets(self) -> Iterator[Access]:
        """What the statement binds, writes into, or makes for others to read."""
        yield from self.binding.binds
        yield from self.binding.changes
        told = {access.value for access in (*self.binding.binds, *self.binding.changes)}
        writes = (self.equations.get(access.value) for access in self.binding.changes)
        told |= {write.value.name for write in writes if isinstance(write, Update)}  # it is told by where it goes
        for _, access in self.reads:
            shared = access.spelling.rank >= CALL and access.value in self.elsewhere
            if shared and access.value in self.equations and access.value not in told:
                told.add(access.value)
                yield access


def is_part(equation: Equation | None, rank: int) -> bool:
    """Whether a value is a part of another that the code picks by an index."""
    return isinstance(equation, Contract) and rank < INNER and len(equation.operands) == 1 and bool(equation.brackets)


def is_made_of_nothing(equation: Equation | None) -> bool:
    """Whether a value is an array of one number, as ``np.ones((n, m))`` is."""
    return isinstance(equation, Contract) and not equation.operands and bool(equation.out.indices)


BASE, ADDED = "\0base", "\0added"
"""Names that no value has: of what is written into as it was before, and of what is added to it."""


def through_window(
    gathered: Contract, written: Update | Sum, before: str, made: Mapping[str, Equation]
) -> tuple[Equation, Contract | None] | None:  # fmt: skip
    """A write into a whole array as one into the part of it that the user has in hand.

    The part has letters of its own, ``[i = 2q+1]``: a write to ``[i = 5]`` is one to ``[q = 2]`` there. None where the
    write has a mask, or adds what has letters of the whole. Beside the write, what it adds.
    """
    parts = {b.left.letters: b.right for b in gathered.brackets if b.relation == "=" and len(b.left.letters) == 1}
    whole = relettered(written, gathered.operands[0].indices)
    out = gathered.out
    if isinstance(whole, Update):
        brackets = [moved(bracket, parts) for bracket in whole.brackets]
        if whole.mask is not None or None in brackets:
            return None
        kept = tuple(b for b in brackets if b is not None and b.right not in (b.left, None))
        return Update(out, Ref(BASE, out.indices), whole.value, kept, None, written.source), None
    assert isinstance(whole, Sum)
    (added, *more), total = [ref for _, ref in whole.terms if ref is None or ref.name != before] or [None], whole.terms
    inner = made.get(added.name) if added is not None else None
    if more or added is None or not isinstance(inner, Contract) or len(total) != 2:
        return None
    spread = relettered(inner, added.indices)
    assert isinstance(spread, Contract)
    brackets = [moved(bracket, parts) for bracket in spread.brackets]
    if None in brackets or parts.keys() & {i for ref in spread.operands for i in ref.indices}:
        return None
    part = replace(spread, out=Ref(ADDED, out.indices), brackets=tuple(b for b in brackets if b is not None))
    terms = tuple((f, Ref(BASE if r is not None and r.name == before else ADDED, out.indices)) for f, r in total)
    return Sum(out, terms, written.source), part


def moved(bracket: Bracket, parts: Mapping[str, Position]) -> Bracket | None:
    """A bracket of a whole array as one of a part of it; one that all of the part fulfils has two equal sides."""
    part = parts.get(bracket.left.letters)
    if part is None:
        return bracket
    if not part.terms:
        return Bracket(part, "=", part)
    position = within(bracket.right, part)
    return None if position is None else Bracket(Position.of(part.letters), "=", position)


def within(position: Position, part: Position) -> Position | None:
    """A position along a whole axis as one along a part of it, ``step · q + start``."""
    (step, _), *more = part.terms
    number = step.number
    if more or step.sizes or not isinstance(number, Fraction) or part.pick is not None:
        return None
    start = Fraction(position.constant - part.constant) / number
    terms = tuple((Factor(factor.number / number, factor.sizes), i) for factor, i in position.terms
                  if isinstance(factor.number, Fraction))  # fmt: skip
    if start.denominator != 1 or (position.pick is not None and number != 1):
        return None
    return Position(terms, int(start), position.pick)
