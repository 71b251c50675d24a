"""What one run of a statement computes: a formula for each value that it binds or writes into, in the user's names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from ..capture.bindings import Access
from ..core.letters import Letters, letters_of, relettered, set_apart, with_operands
from ..core.program import ONE, Contract, Equation, Factor, Position, Ref, Sum, Update, operands
from ..core.records import dataclass
from ..core.source import CALL, INNER, Spelling
from ..notation.einsum_text import einsum_text
from ..notation.index_notation import View, equation_markup, position_markup, right_hand_side
from ..notation.markup import Markup, text
from ..notation.matrix_notation import matrix_text
from .scalars import Scalars
from .statements import BASE, Made, through_window

MATRIX_SIGNS = frozenset("·ᵀ⊙")
OUT = "\0out"
"""A name that no value has: of what a statement makes."""
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
    markup : Markup
        The equation for other formats than text.
    """

    name: str
    equation: str
    einsum: str | None
    matrix: str | None
    meaning: str | None = None
    value: str = ""
    is_alias: bool = False
    markup: Markup = field(default=(), repr=False, compare=False)


def formulas(
    made: Made, code: Made, everywhere: View, letters: Letters, meant: Mapping[str, str]
) -> Iterator[Formula]:  # fmt: skip
    """The formulas of one run of a statement; ``code`` is the same run as the lines with einsum have it."""
    spelled, in_code = made.spellings(), code.spellings()
    for target in made.targets():
        found = written(made, spelled, target, everywhere, letters)
        if found:
            coded = (written(code, in_code, target, everywhere, letters) or found)[0]
            own = target.value in made.equations  # an alias has been told what it is where it was made
            meaning = meant.get(target.value) if own else None
            plain = not own and coded.einsum is None
            is_recurrent = made.binding.recurrent or made.reads_itself(target.value)
            einsum, matrix = (None, None) if is_recurrent or len(found) > 1 else (coded.einsum, coded.matrix)
            for n, one in enumerate(found):
                said = meaning if n == len(found) - 1 else None
                yield replace(one, einsum=einsum, matrix=matrix, meaning=said, value=target.value, is_alias=plain)


def written(
    made: Made, spelled: Mapping[str, Spelling], target: Access, everywhere: View, letters: Letters
) -> Sequence[Formula]:  # fmt: skip
    """The formula of one value of a statement: of one that is put together of parts, one for each part."""
    known, same = dict(spelled), spelled.get(target.value)
    if target.value in made.equations and same is not None and same.text == target.spelling.text:
        del known[target.value]  # this is what its own name stands for
    writer = Writer(made, known, everywhere, letters)
    augmented = writer.augmented(target)
    if augmented is not None:
        return (augmented,)
    parts = tuple(writer.parts(target))
    plain = writer.plain(target) if not parts else None
    return parts or ((plain,) if plain is not None else ())


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

    def parts(self, target: Access) -> Iterator[Formula]:
        """``x[n,d] = a[n,d]`` and ``x[n,D+j] = b[n,j]`` for ``np.concatenate([a, b], axis=1)``."""
        whole = self._made.equations.get(target.value)
        if not isinstance(whole, Sum) or target.value in self._spelled or target.spelling.is_merged:
            return
        found = [self._part(whole, factor, ref) for factor, ref in whole.terms]
        known = [part for part in found if part is not None]
        if len(found) < 2 or len(known) < len(found) or len({letter for _, letter, _ in known}) > 1:
            return
        view = self._view(whole, {OUT: target.spelling.in_order})
        for part, letter, position in known:
            own, around = self._own(part), view.within(part)
            out = "".join(target.spelling.letters(whole.out.indices))
            places = {letter: position_markup(position, around, letter)}
            left = replace(around, positions=places).ref(Ref(OUT, out))
            markup = (left, " = ", *right_hand_side(own, around)[0])
            yield Formula(target.spelling.text, text(markup), None, None, markup=markup)

    def _part(self, whole: Sum, factor: Factor, ref: Ref | None) -> tuple[Contract, str, Position] | None:
        """A term that is something in its place alone: what it is there, the letter of the axis, and its position."""
        inner = self._made.equations.get(ref.name) if ref is not None and ref.name not in self._spelled else None
        if ref is None or not isinstance(inner, Contract):
            return None
        placed = relettered(inner, ref.indices)
        assert isinstance(placed, Contract)
        values = tuple(one for one in placed.operands if not is_ones(self._made.equations.get(one.name)))
        for bracket in placed.brackets:
            rest = tuple(other for other in placed.brackets if other is not bracket)
            inside = {i for operand in values for i in operand.indices} | {i for b in rest for i in b.letters}
            for letter, position in bracket.solved():
                is_free = letter in whole.out.indices and letter not in inside and position.pick is None
                if is_free and not set(position.letters) & set(whole.out.indices):
                    if all(self._everywhere.sizes.get(i) == 1 and i not in inside for i in position.letters):
                        position = Position((), position.constant)
                    out = "".join(position.letters if i == letter else i for i in placed.out.indices)
                    part = replace(placed, operands=values, out=Ref(OUT, out), brackets=rest)
                    return replace(part, factor=placed.factor * factor), letter, position
        return None

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
        elif isinstance(equation, Update) and self._is_as_it_was(equation.base):
            equation, base = replace(equation, base=Ref(BASE, equation.base.indices)), target.spelling
        return self._formula(equation, target.spelling, base, part)

    def _is_as_it_was(self, base: Ref) -> bool:
        """Whether a write goes into an array that the statement does not name or make: it is as other lines left it."""
        inner = self._made.equations.get(base.name)
        plain = isinstance(inner, Contract) and not inner.brackets and inner.factor == ONE
        is_copy = isinstance(inner, Contract) and plain and len(inner.operands) == 1
        return base.name not in self._spelled and (inner is None or is_copy)

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
        others |= {equation.out.name: ordered} if self._made.reads_itself(equation.out.name) else {}
        view = self._view(equation, others, part)
        markup = equation_markup(own, view)
        einsum, matrix = einsum_text(own, view), matrix_form(own, view)
        return Formula(spelling.text, text(markup), einsum, matrix, markup=markup)

    def augmented(self, target: Access) -> Formula | None:
        """``target -= …``, where that is what the statement says."""
        statement = self._made.binding.statement
        if statement.operator not in ARITHMETIC or not any(t.text == target.spelling.text for t in statement.targets):
            return None
        operand = self._made.binding.operand
        indices = self._indices(target)
        left = View(names={OUT: target.spelling.text}, spellings={OUT: target.spelling})
        if operand is None:
            plain = left.ref(Ref(OUT, indices)), f" {statement.operator} {statement.operand}"
            return Formula(target.spelling.text, text(plain), None, None, markup=plain)
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
        name = left.ref(Ref(OUT, "".join(spread[m] for m in range(len(indices)))))
        equation = replace(equation, out=Ref(OUT, "".join(own[n] for axis in operand.spelling.axes for n in axis)))
        view = self._view(equation, {OUT: operand.spelling.in_order})
        equation = self._own(equation)
        right = right_hand_side(equation, view.within(equation))[0]
        markup = (name, f" {statement.operator} ", *right)
        einsum, matrix = einsum_text(equation, view), matrix_form(equation, view)
        return Formula(target.spelling.text, text(markup), einsum, matrix, markup=markup)

    def _indices(self, target: Access) -> str:
        own = self._made.equations.get(target.value)
        return own.out.indices if own is not None else target.letters

    def _view(self, equation: Equation, others: Mapping[str, Spelling], part: Equation | None = None) -> View:
        """How the values of the statement are shown in the formula of one; ``others`` go before what it reads, and
        ``part`` is one more of them."""
        inside = [*self._within(equation)] + ([part] if part is not None else [])
        inside = set_apart(inside, [*inside, equation], self._letters)
        inline = {e.out.name: self._own(e) for e in inside if not is_ones(e)}
        ones = frozenset(e.out.name for e in inside if is_ones(e))
        spelled = {**self._spelled, **others}
        names = {value: spelling.text for value, spelling in spelled.items()}
        merged = {value: spelling for value, spelling in spelled.items() if spelling.is_merged}
        everywhere, known = self._everywhere, self._letters.dimensions()
        units = {value: spelling.units for value, spelling in spelled.items()}
        scalars = Scalars(self._made.binding.statement.code, self._made.binding.scalars, everywhere)
        return replace(
            everywhere, names={**everywhere.names, **names}, ones=ones, named=scalars.named, inline=inline,
            spellings=merged, units={**everywhere.units, **units},
            at_hand=frozenset(v for v, s in spelled.items() if s.rank != INNER),
            alike={letter: d.letters for d in known for letter in d.letters}, sized=self._sized,
            fresh=lambda letter, used: self._letters.free(letter, used | names.keys() | set(names.values())),
        )  # fmt: skip

    def _within(self, equation: Equation) -> Iterator[Equation]:
        """The equations of the statement whose values stand in the formula of one as what they are."""
        told: set[str] = {equation.out.name}
        waiting = [equation]
        while waiting:
            for ref in operands(waiting.pop()):
                inner = self._made.equations.get(ref.name) if ref.name not in self._spelled else None
                if inner is not None and ref.name not in told:
                    told.add(ref.name)
                    waiting.append(inner)
                    yield inner

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


def is_ones(equation: Equation | None) -> bool:
    """Whether a value is 1 everywhere."""
    match equation:
        case Contract(Ref(_, letters), (), (), factor):
            return bool(letters) and factor == ONE
    return False
