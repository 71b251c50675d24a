"""What one run of a statement computes: a formula for each value that it binds or writes into, in the user's names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from ..capture.bindings import Access, Binding
from ..capture.probes import SUBSCRIPTS
from ..core.fusion import Letters, set_apart
from ..core.letters import letters_of, relettered, with_operands
from ..core.program import ONE, Bracket, Contract, Equation, Factor, Opaque, Position, Ref, Sum, Update, operands, picks
from ..core.spelling import Spelling
from ..notation.einsum_text import einsum_text
from ..notation.index_notation import View, equation_text, right_hand_side
from ..notation.markup import text
from ..notation.matrix_notation import matrix_text

MATRIX_SIGNS = frozenset("·ᵀ⊙")
OUT, BASE, ADDED = "\0out", "\0base", "\0added"
"""Names that no value has: of what a statement makes, of what it writes into as it was before, and of what it adds."""
CALL = 3  # the rank of an expression that may give something else when it is evaluated again
INNER = 2  # the rank of what a comprehension, a lambda or a helper calls something
ARITHMETIC = ("+=", "-=", "*=", "/=")


@dataclass(frozen=True)
class Formula:
    """One value of a statement.

    Attributes
    ----------
    name : str
        The user's expression for it.
    equation : str
        In index notation.
    einsum, matrix : str or None
        The right-hand side with einsum, and in matrix notation, where it has such a form.
    meaning : str or None
        Which gradient it is.
    value : str
        Its name in the program.
    is_alias : bool
        Whether the statement does no more than give it another name.
    """

    name: str
    equation: str
    einsum: str | None
    matrix: str | None
    meaning: str | None = None
    value: str = ""
    is_alias: bool = False


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

    def told_apart(self) -> Made:
        """The same, a value that stands under several names in the statement told apart by them, in the order in which
        they are read: ``s.h + x`` is no ``x + x`` where both are one array."""
        reads: dict[str, list[Access]] = {}
        for access, after in pairwise((*self.binding.reads, None)):
            goes_on = access is not None and access.inner and after is not None and after.value == access.value
            if access is not None and access.spelling.rank < INNER and not goes_on:
                reads.setdefault(access.value, []).append(access)
        uses = Counter(ref.name for equation in self.equations.values() for ref in operands(equation))
        several = {
            value: iter(found) for value, found in reads.items()
            if len({access.spelling.text for access in found}) > 1 and uses[value] == len(found)
        }  # fmt: skip
        if not several:
            return self
        others: list[Access] = []

        def apart(ref: Ref) -> Ref:
            if ref.name not in several:
                return ref
            others.append(replace(next(several[ref.name]), value=f"{ref.name}\0{len(others)}"))
            return Ref(others[-1].value, ref.indices)

        equations = {value: with_operands(equation, apart) for value, equation in self.equations.items()}
        binding = replace(self.binding, reads=(*self.binding.reads, *others))
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
        for _, access in self.reads:
            shared = access.spelling.rank >= CALL and access.value in self.elsewhere
            if shared and access.value in self.equations and access.value not in told:
                told.add(access.value)
                yield access


def formulas(
    made: Made, code: Made, everywhere: View, letters: Letters, meant: Mapping[str, str]
) -> Iterator[Formula]:  # fmt: skip
    """The formulas of one run of a statement; ``code`` is the same run as the lines with einsum have it."""
    spelled, in_code = made.spellings(), code.spellings()
    for target in made.targets():
        found = written(made, spelled, target, everywhere, letters)
        if found is not None:
            coded = written(code, in_code, target, everywhere, letters) or found
            own = target.value in made.equations  # an alias has been told what it is where it was made
            meaning = meant.get(target.value) if own else None
            plain = not own and coded.einsum is None
            yield replace(
                found, einsum=coded.einsum, matrix=coded.matrix, meaning=meaning, value=target.value, is_alias=plain
            )  # fmt: skip


def written(
    made: Made, spelled: Mapping[str, Spelling], target: Access, everywhere: View, letters: Letters
) -> Formula | None:  # fmt: skip
    """The formula of one value of a statement."""
    known, same = dict(spelled), spelled.get(target.value)
    if target.value in made.equations and same is not None and same.text == target.spelling.text:
        del known[target.value]  # this is what its own name stands for
    writer = Writer(made, known, everywhere, letters)
    return writer.augmented(target) or writer.plain(target)


def is_part(equation: Equation | None, rank: int) -> bool:
    """Whether a value is a part of another that the code picks by an index."""
    return isinstance(equation, Contract) and rank < INNER and len(equation.operands) == 1 and bool(equation.brackets)


def is_made_of_nothing(equation: Equation | None) -> bool:
    """Whether a value is an array of one number, as ``np.ones((n, m))`` is."""
    return isinstance(equation, Contract) and not equation.operands and bool(equation.out.indices)


class Writer:
    """Writes the formula of one value of a statement.

    Parameters
    ----------
    made : Made
    spelled : mapping of value to Spelling
    everywhere : View
        How values are called that the statement does not name.
    letters : Letters
    """

    def __init__(self, made: Made, spelled: Mapping[str, Spelling], everywhere: View, letters: Letters) -> None:
        self._made, self._orders, self._everywhere, self._letters = made, spelled, everywhere, letters
        self._spelled = {value: spelling.in_order for value, spelling in spelled.items()}
        self._sized = tuple(
            (access.spelling.text, access.spelling.letters(access.letters))
            for rank, access in made.reads if rank < INNER and access.letters
        )  # fmt: skip

    def plain(self, target: Access) -> Formula | None:
        """``target = …``; None where it is no more than a call, or the same name again."""
        equation: Equation | None = self._made.equations.get(target.value)
        base, part = None, None
        if equation is None or target.value in self._spelled:
            ref = Ref(target.value, target.letters)
            same = self._orders.get(target.value)
            kind = self._made.binding.statement.kind
            if same is None or kind == "Lambda" or (kind == "Return" and same.rank >= CALL):
                return None
            if (same.text, same.axes) == (target.spelling.text, target.spelling.axes):
                return None
            equation = Contract(ref, (ref,))
        elif isinstance(equation, Contract) and equation.brackets and len(equation.operands) == 1:
            inner = self._made.equations.get(equation.operands[0].name)
            before = self._before(inner)
            if isinstance(inner, Update | Sum) and before is not None:
                found = through_window(equation, inner, before, self._made.equations)
                if found is None:
                    return None
                (equation, part), base = found, target.spelling
        return self._formula(equation, target.spelling, base, part)

    def _before(self, equation: Equation | None) -> str | None:
        """What a write leaves of an array of which the statement has a part in hand alone; None for other equations."""
        refs = [equation.base] if isinstance(equation, Update) else [
            ref for _, ref in equation.terms if ref is not None] if isinstance(equation, Sum) else []  # fmt: skip
        unsaid = [ref.name for ref in refs if ref.name not in self._spelled and ref.name not in self._made.equations]
        return unsaid[0] if len(unsaid) == 1 else None

    def _formula(
        self, equation: Equation, spelling: Spelling, base: Spelling | None, part: Equation | None
    ) -> Formula:  # fmt: skip
        def arranged(ref: Ref) -> Ref:
            return Ref(BASE, "".join(spelling.letters(ref.indices))) if ref.name == BASE else ref

        own = with_operands(self._own(equation), arranged)
        own = replace(own, out=Ref(OUT, "".join(spelling.letters(own.out.indices))))
        ordered = spelling.in_order
        others = {OUT: ordered} | ({BASE: ordered} if base is not None else {})
        view = self._view(equation, others, part)
        return Formula(spelling.text, equation_text(own, view), einsum_text(own, view), matrix_form(own, view))

    def augmented(self, target: Access) -> Formula | None:
        """``target -= …``, where that is what the statement says."""
        statement = self._made.binding.statement
        if statement.operator not in ARITHMETIC or not any(t.text == target.spelling.text for t in statement.targets):
            return None
        operand = self._made.binding.operand
        indices = self._indices(target)
        left = View(names={OUT: target.spelling.text}, spellings={OUT: target.spelling})
        if operand is None:
            name = text((left.ref(Ref(OUT, indices)),))
            return Formula(target.spelling.text, f"{name} {statement.operator} {statement.operand}", None, None)
        inner = self._made.equations.get(operand.value)
        equation = inner if inner is not None and operand.value not in self._spelled else Contract(
            Ref(operand.value, operand.letters), (Ref(operand.value, operand.letters),))  # fmt: skip
        own, places = equation.out.indices, aligned(target, operand)
        if places is None or len(set(own)) < len(own):
            return None
        used = set(letters_of(equation)) | set(indices)
        spread = {m: own[n] for n, m in places.items()}
        for m, letter in enumerate(indices):  # what the operand is stretched along has a letter of its own
            if m not in spread:
                spread[m] = self._letters.free(letter, used) if letter in letters_of(equation) else letter
                used.add(spread[m])
        name = text((left.ref(Ref(OUT, "".join(spread[m] for m in range(len(indices))))),))
        equation = replace(equation, out=Ref(OUT, "".join(own[n] for axis in operand.spelling.axes for n in axis)))
        others = {OUT: operand.spelling.in_order}
        view = self._view(equation, others)
        equation = self._own(equation)
        right = text(right_hand_side(equation, view.within(equation))[0])
        shown = f"{name} {statement.operator} {right}"
        return Formula(target.spelling.text, shown, einsum_text(equation, view), matrix_form(equation, view))

    def _indices(self, target: Access) -> str:
        own = self._made.equations.get(target.value)
        return own.out.indices if own is not None else target.letters

    def _view(self, equation: Equation, others: Mapping[str, Spelling], part: Equation | None = None) -> View:
        """How the values of the statement are shown in the formula of one; ``others`` go before what it reads, and
        ``part`` is one more of them."""
        inside = [e for v, e in self._made.equations.items() if v not in self._spelled and v != equation.out.name]
        inside += [part] if part is not None else []
        inside = set_apart(inside, [*inside, equation], self._letters)
        inline = {e.out.name: self._own(e) for e in inside if not is_ones(e)}
        ones = frozenset(e.out.name for e in inside if is_ones(e))
        spelled = {**self._spelled, **others}
        names = {value: spelling.text for value, spelling in spelled.items()}
        merged = {value: spelling for value, spelling in spelled.items() if spelling.is_merged}
        everywhere, known = self._everywhere, self._letters.dimensions()
        units = {value: spelling.units for value, spelling in spelled.items()}
        return replace(
            everywhere, names={**everywhere.names, **names}, ones=ones, inline=inline, spellings=merged,
            units={**everywhere.units, **units}, at_hand=frozenset(v for v, s in spelled.items() if s.rank != INNER),
            alike={letter: d.letters for d in known for letter in d.letters}, sized=self._sized,
            fresh=lambda letter, used: self._letters.free(letter, used | names.keys() | set(names.values())),
        )  # fmt: skip

    def _own(self, equation: Equation) -> Equation:
        """An equation whose operands have their axes in the order in which the user has them."""
        def arranged(ref: Ref) -> Ref:
            spelling = self._orders.get(ref.name)
            return ref if spelling is None else Ref(ref.name, "".join(spelling.letters(ref.indices)))

        return with_operands(equation, arranged)


def matrix_form(equation: Equation, view: View) -> str | None:
    """The right-hand side in matrix notation; None where it says no more than the equation, or axes are merged."""
    reached = {ref.name for ref in view.reached(equation)} | {equation.out.name}
    if not isinstance(equation, Contract) or reached & view.spellings.keys():
        return None
    form = matrix_text(equation, view)
    return form if form is not None and MATRIX_SIGNS & set(form) else None


def aligned(target: Access, operand: Access) -> dict[int, int] | None:
    """Which letter of a target each letter of an operand that is broadcast to it is; None where axes were merged in
    another way."""
    places: dict[int, int] = {}
    for own, other in zip(operand.spelling.axes[::-1], target.spelling.axes[::-1], strict=False):
        if own and len(own) != len(other):
            return None
        places |= dict(zip(own, other, strict=False))
    return places if len(places) == len(operand.letters) else None


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


def is_ones(equation: Equation) -> bool:
    """Whether a value is 1 everywhere."""
    match equation:
        case Contract(Ref(_, letters), (), (), factor):
            return bool(letters) and factor == ONE
    return False

