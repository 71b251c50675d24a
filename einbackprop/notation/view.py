"""A view: what values are called where an equation is shown, and which of them stand there as what they are.

Numbers are written as people write them, or as Python has them; factors and sizes as markup: ``1/(2B)``, ``2√B``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from fractions import Fraction
from math import lcm

from ..core import elementwise, subscripts
from ..core.dimensions import Quotient as Floor
from ..core.dimensions import Size as Expression
from ..core.letters import letters_of, rename_letters
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Factor,
    Map,
    Number,
    Position,
    Program,
    Ref,
    Update,
    operands,
)
from ..core.records import dataclass
from ..core.source import Spelling
from .markup import VULGAR, Entry, Letter, Markup, Part, Quotient, Raised, Root, Size

DEEPEST = 24
LARGEST = 400
LONGEST_NAME = 12


@dataclass(frozen=True, slots=True)
class Named:
    """A number as a product: ``rest`` times powers of numbers that the user's code has under a name."""

    rest: Number
    powers: tuple[tuple[str, Fraction], ...]


def unnamed(number: Number) -> Named | None:
    """No number has a name."""
    return None


@dataclass(frozen=True, slots=True)
class View:
    """How the values of an equation are shown.

    Attributes
    ----------
    names : mapping of name to str
        What a value is called, where it is not by its own name: any expression that the reader knows it by.
    inline : mapping of name to Equation
        Values to be shown as the right-hand side of their equation instead of by name: ``1 - hid_2[k,b]``. The letters
        are those of the place where it is used.
    taken : set of str
        Names and letters that the capital of a letter could be mistaken for: then a size is ``|b|``.
    bare : bool
        Names without their letters.
    depth, room : int and list of one int
        How deep values may stand inside one another, and how many in one formula: ``⋯`` for what is beyond. Nobody
        reads that, and the program of a loop is thousands deep.
    ones, booleans : set of str
        Values that are 1 everywhere, and values that are True and False.
    units : mapping of name to tuple of int
        The axes of size 1 without a letter that a value's array has where the equation stands.
    sizes : mapping of letter to int
    size_names : mapping of letter to str
        What the user calls the size of a dimension.
    places : mapping of (letter, number) to expression of sizes
        What numbers stand for along the dimension with that first letter: ``2H`` for 10.
    alike : mapping of letter to letters
        All letters of its dimension.
    scope : set of str
        Letters that stand around the place that is shown.
    given : dict of letter to letter
        New letters of this formula, each with the one that it stands for.
    spellings : mapping of name to Spelling
        Values that the user has with axes merged: which letters each axis carries.
    at_hand : set of str or None
        Values that code can name where the equation stands; None where it can name all.
    sized : tuple of (text, letters of each axis)
        Arrays that code can name besides, to say how large something is.
    positions : mapping of letter to markup
        What stands in the place of letters: the position that a bracket gives.
    named : callable
        Says which of the user's names make up a number.
    fresh : callable or None
        Gives another letter over the dimension of one, that is none of some; the view finds one itself by default.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    inline: Mapping[str, Equation] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    bare: bool = False
    depth: int = DEEPEST
    room: list[int] = field(default_factory=lambda: [LARGEST])
    ones: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()
    units: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    size_names: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[tuple[str, int], Expression] = field(default_factory=dict)
    alike: Mapping[str, str] = field(default_factory=dict)
    scope: frozenset[str] = frozenset()
    given: dict[str, str] = field(default_factory=dict)
    spellings: Mapping[str, Spelling] = field(default_factory=dict)
    at_hand: frozenset[str] | None = None
    fresh: Callable[[str, set[str]], str] | None = None
    sized: tuple[tuple[str, tuple[str, ...]], ...] = ()
    positions: Mapping[str, Markup] = field(default_factory=dict)
    named: Callable[[Number], Named | None] = unnamed

    @staticmethod
    def of(program: Program) -> View:
        """The view with a program's labels as names, where a label belongs to one value only."""
        labels = Counter(program.labels.values())
        values = {i.ref.name for i in program.inputs} | set(program.defining()) | set(program.constants)
        clear = {n: label for n, label in program.labels.items() if labels[label] == 1 and label not in values}
        conditions = {
            e.out.name for e in program.equations if isinstance(e, Map) and elementwise.is_boolean(e.function)
        }
        conditions |= {i.ref.name for i in program.inputs if i.dtype == "bool"}
        conditions |= {name for name, array in program.constants.items() if array.dtype == bool}
        return View(
            names=clear,
            taken=frozenset(values | set(labels) | set(program.sizes)),
            booleans=frozenset(conditions),
            units={i.ref.name: i.units for i in program.inputs if i.units},
            sizes=program.sizes,
            size_names=size_names(program),
            places={key: place.size for key, place in program.places.items()},
            alike={letter: d.letters for d in program.dimensions for letter in d.letters},
        )

    def within(self, equation: Equation) -> View:
        """The view that knows the names and letters of an equation, and of what stands inside it, to be taken."""
        refs = [equation.out, *self.reached(equation)]
        names = {self.called(ref.name) for ref in refs} | set(self.names.values())
        letters = {i for ref in refs for i in ref.indices} | set(letters_of(equation))
        scope = frozenset(equation.out.indices)
        return replace(self, taken=self.taken | names | letters, room=[LARGEST], scope=scope, given={})

    def reached(self, equation: Equation) -> Iterator[Ref]:
        """The values that an equation reads, and those that these are made of where they stand inside it."""
        seen: set[str] = set()
        waiting = list(operands(equation))
        while waiting and len(seen) <= LARGEST:
            ref = waiting.pop()
            yield ref
            if ref.name in self.inline and ref.name not in seen:
                seen.add(ref.name)
                waiting += operands(self.inline[ref.name])

    def around(self, letters: str) -> View:
        """The view of what stands inside something that has letters of its own."""
        return replace(self, scope=self.scope | set(letters))

    def called(self, name: str) -> str:
        """What a value is called."""
        return "ones" if name in self.ones else self.names.get(name, name)

    def ref(self, ref: Ref) -> Ref:
        """The operand under the name that it is shown by."""
        name = self.called(ref.name)
        if ref.name in self.spellings and not self.bare:
            axes = tuple(axis for axis in self.spellings[ref.name].letters(ref.indices) if axis)
            return Entry(name, ref.indices, tuple(map(self.index, axes))) if axes else Ref(name)
        if not self.bare and any(letter in self.positions for letter in ref.indices):
            return Entry(name, ref.indices, tuple(map(self.index, ref.indices)))
        return Ref(name, "" if self.bare else ref.indices)

    def unplaced(self, ref: Ref) -> str:
        """The letters of an operand in whose place no position can stand: of what has no name, or of merged axes."""
        if ref.name in self.inline or ref.name in self.ones:
            return ref.indices
        return "".join(axis for axis in self.axes(ref) if len(axis) > 1)

    def runs_past(self, position: Position, letter: str) -> bool:
        """Whether a position is a letter that has more values than another, in whose place it would stand."""
        return position.is_letter and self.sizes.get(position.letters, 0) > self.sizes.get(letter, math.inf)

    def index(self, letters: str) -> Markup:
        """The index of one axis: its letter or what stands in its place, in parentheses where it has several."""
        run = tuple(part for letter in letters for part in self.positions.get(letter, (Letter(letter),)))
        return ("(", *run, ")") if len(letters) > 1 else run

    def axes(self, ref: Ref) -> tuple[str, ...]:
        """The letters of each axis of a value's array where the equation stands; none where its size is 1, several
        where axes were merged."""
        if ref.name in self.spellings:
            return self.spellings[ref.name].letters(ref.indices)
        units, rest = self.units.get(ref.name, ()), iter(ref.indices)
        return tuple("" if n in units else next(rest) for n in range(len(units) + len(ref.indices)))

    def size(self, letter: str) -> Size:
        """The size of a letter's dimension."""
        first = self.alike.get(letter, letter)[:1]
        name, capital = self.size_names.get(first, ""), letter.upper()
        if name and name not in self.taken:
            return Size(letter, name)
        is_free = capital not in self.taken and capital not in self.size_names.values()
        is_clear = capital != letter and len(capital) == 1 and is_free
        return Size(letter, capital if is_clear else "")

    def number(self, number: Number) -> Named:
        """A number by the names that the user's code has for it."""
        return self.named(number) or Named(number, ())

    def place(self, letter: str, number: int) -> Expression | None:
        """What a number along a dimension stands for, where that is an expression of sizes."""
        return self.places.get((self.alike.get(letter, letter)[:1], number)) if number else None

    def placed(self, equation: Equation, indices: str) -> Equation:
        """An equation in the letters of the place where it stands; letters of its own make way for those there.

        What is written numbers its entries by letters that no Σ announces: they must not stand around the place.
        """
        out, own = equation.out.indices, letters_of(equation)
        around = set(indices) | (self.scope if isinstance(equation, Update) else set())
        table = {old: new for old, new in zip(reversed(out), reversed(indices), strict=True) if old != new}
        used = set(own) | set(indices) | self.scope
        for letter in own:
            if letter not in out and letter in around:
                table[letter] = self.another(letter, used)
                used.add(table[letter])
        placed = rename_letters(equation, table) if table else equation
        if isinstance(placed, Contract) and len(set(out)) < len(out):
            brackets = (*placed.brackets, *diagonal(out, indices))
            return replace(placed, out=Ref(placed.out.name, indices), brackets=brackets)
        return placed

    def another(self, letter: str, used: set[str]) -> str:
        """A letter that is not used yet: of the same dimension, if it has one; else one that no other has."""
        if self.fresh is not None:
            return self.fresh(letter, used)
        first = self.given.get(letter, letter)
        given = [new for new, old in self.given.items() if old == first]
        spare: list[str] = [new for new in (*str(self.alike.get(first, "")), *given) if new not in used]
        if spare:
            return spare[0]
        fresh = next(subscripts.fresh_letters(used | self.taken | set(self.given) | set(self.alike)))
        self.given[fresh] = first
        return fresh


def size_names(program: Program) -> dict[str, str]:
    """The user's names for sizes by letter: of one dimension only, and not so long that they hide the formula."""
    names = Counter(dimension.name for dimension in program.dimensions)
    named = [d for d in program.dimensions if d.name.isidentifier() and len(d.name) <= LONGEST_NAME]
    return {letter: d.name for d in named if names[d.name] == 1 for letter in d.letters}


def diagonal(out: str, indices: str) -> tuple[Bracket, ...]:
    """The brackets that say where a value is not 0 that is written on a diagonal: ``out`` has a letter twice."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(old, new), new) for old, new in zip(out, indices, strict=True)]
    return tuple(Bracket(Position.of(a), "=", Position.of(b)) for a, b in dict.fromkeys(pairs) if a != b)


SIGNS = {value: sign for sign, value in VULGAR.items()}
LONGEST_INTEGER = 16
LONGEST_COUNT = 12
ROUNDING = Fraction(1, 10**14)
"""How much a float may differ from the number that was meant, 0.09999999999999998 from 0.1."""


def number_text(number: Number) -> str:
    """The number with every digit: ``2``, ``½``, ``0.1``, ``2/7``, ``inf``, ``(1+2j)``.

    A decimal is the float that it is read as, so 0.1 is the Fraction of that float.
    """
    if isinstance(number, complex):
        return repr(number) if repr(number).startswith("(") else f"({number!r})"
    if not isinstance(number, Fraction) and not math.isfinite(number):
        return repr(float(number))
    exact = Fraction(number)
    if abs(exact) in SIGNS:
        return ("-" if exact < 0 else "") + SIGNS[abs(exact)]
    if exact.denominator == 1 and len(str(exact.numerator)) <= LONGEST_INTEGER:
        return str(exact.numerator)
    as_float = nearest_float(exact)
    return repr(as_float) if math.isfinite(as_float) and Fraction(as_float) == exact else str(exact)


def nearest_float(number: float | Fraction) -> float:
    """The float nearest to a number, infinite where it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def short(number: Number, digits: int = 6) -> str:
    """The number as people write it: ``0.1``, ``2/7``, ``1e-12``; rounded where it has more digits, ``0.125730``.

    A rounded number shows all its digits, zeros at the end too, so that it is not taken for an exact one.
    """
    if not isinstance(number, Fraction):
        return number_text(number).replace("inf", "∞")
    as_float = nearest_float(number)
    decimal = repr(as_float)
    if number.denominator > 4 and len(decimal) <= digits + 3 and Fraction(decimal) == number:
        return decimal  # 0.001 was typed, not 1/1000
    exact = number_text(number)
    if len(exact) <= digits + 1 or ("/" in exact and len(exact) <= 2 * digits) or not as_float or math.isinf(as_float):
        return exact
    rounded = f"{as_float:.{digits}g}"
    if abs(Fraction(rounded) - number) <= ROUNDING * abs(number):
        return rounded
    if number.denominator == 1 and len(exact) <= LONGEST_COUNT:
        return exact
    padded = f"{as_float:#.{digits}g}"
    return f"{as_float:.1f}" if padded.endswith(".") else padded


def code(number: Number) -> str:
    """The number as a Python literal or expression."""
    if isinstance(number, Fraction) and number.denominator == 1:
        return str(number.numerator)
    if isinstance(number, complex):
        return complex_code(number)
    as_float = nearest_float(number) if isinstance(number, Fraction) else number
    return repr(as_float) if math.isfinite(as_float) else f"np.{as_float!r}".replace("np.-", "-np.")


def complex_code(number: complex) -> str:
    """A complex number as a Python expression."""
    if math.isfinite(number.real) and math.isfinite(number.imag):
        return repr(number)
    return f"complex({code(number.real)}, {code(number.imag)})"


def is_negative(factor: Factor) -> bool:
    """Whether it is written after a minus sign."""
    return not isinstance(factor.number, complex) and factor.number < 0


def factor_markup(factor: Factor, view: View, alone: bool = False) -> Markup:
    """A factor in front of what it multiplies (with the space between), or ``alone``."""
    if factor == ONE and not alone:
        return ()
    if factor.number == -1 and not factor.sizes and not alone:
        return ("-",)
    return fraction_markup(factor, view) if alone else (*fraction_markup(factor, view), " ")


def fraction_markup(factor: Factor, view: View) -> Markup:
    """``½``, ``1/B``, ``2B``, ``2B/7``, ``-1/(2B)``."""
    named = view.number(factor.number)
    over = sizes_markup([(i, p) for i, p in factor.sizes if p > 0], view)
    under = sizes_markup([(i, -p) for i, p in factor.sizes if p < 0], view)
    over = names_markup([(name, p) for name, p in named.powers if p > 0], over)
    under = names_markup([(name, -p) for name, p in named.powers if p < 0], under)
    number = named.rest
    written = short(number)
    if not isinstance(number, Fraction) or any(c in written for c in ".e") or not (under or (over and "/" in written)):
        top = number_markup(number, over)
        return (Quotient(top, under),) if under else top
    minus: Markup = ("-",) if number < 0 else ()
    bottom = under if number.denominator == 1 else (str(number.denominator), *under)
    return (*minus, Quotient(number_markup(Fraction(abs(number.numerator)), over), bottom))


def number_markup(number: Number, sizes: Markup) -> Markup:
    """A number before sizes; a 1 is left out there."""
    if sizes and number in (1, -1):
        return (("-",) if number == -1 else ()) + sizes
    written = short(number)
    first = sizes[0] if sizes else ""
    is_word = isinstance(first, Size | Ref) and (len(first.name) > 1 or first.name.islower())
    return (written + " " * (is_word or (bool(sizes) and written[-1].isalpha())), *sizes)


def sizes_markup(powers: list[tuple[str, int | Fraction]], view: View) -> Markup:
    """A product of positive powers of sizes; they are not capitals where those side by side are a name."""
    sizes = [view.size(letter) for letter, _ in powers]
    run = "".join(size.name or "|" for size in sizes)
    if len(run) > 1 and any(len(name) > 1 and name in run for name in view.taken):
        sizes = [Size(size.letter) for size in sizes]
    parts: list[Part] = []
    for size, (_, power) in zip(sizes, powers, strict=True):
        if parts and any(one.name not in ("", one.letter.upper()) for one in sizes):
            parts.append("·")  # names side by side could be another
        parts.append(powered(size, power))
    return tuple(parts)


def powered(base: Part, power: int | Fraction) -> Part:
    """``B``, ``√B`` or ``B³``."""
    if power == 1:
        return base
    return Root((base,)) if power == Fraction(1, 2) else Raised((base,), str(power))


def names_markup(powers: list[tuple[str, Fraction]], sizes: Markup) -> Markup:
    """Powers of the user's numbers before sizes."""
    parts: list[Part] = []
    for name, power in powers:
        parts += ["·"] * bool(parts) + [powered(Ref(name), power)]
    return (*parts, *(["·"] if parts and sizes else []), *sizes)


def expression_markup(size: Expression, view: View) -> Markup:
    """An expression of sizes without spaces: ``2H``, ``N-1``, ``n//2``."""
    below = lcm(*(number.denominator for number, _ in size.terms))
    parts: Markup = ()
    for number, product in size.terms:
        count = abs(number * below)
        inside: Markup = ()
        for factor in product:
            inside += ("·",) if inside else ()
            inside += (view.size(factor),) if isinstance(factor, str) else floor_markup(factor, view)
        sign = "-" if number < 0 else "+" if parts else ""
        parts += (sign + (str(count) if count != 1 or not inside else ""), *inside)
    return parts if below == 1 else ("(", *parts, f")//{below}")


def floor_markup(quotient: Floor, view: View) -> Markup:
    """``N//2``, ``(H-R)//S``."""
    above, below = (
        inside if len(part.terms) == 1 and len([*part.terms[0][1]]) <= 1 else ("(", *inside, ")")
        for part in (quotient.above, quotient.below) for inside in (expression_markup(part, view),)
    )  # fmt: skip
    return (*above, "//", *below)


def is_atomic(factor: Factor) -> bool:
    """Whether a factor needs no parentheses anywhere: a number or a size without a sign."""
    if factor.sizes:
        return factor.number == 1 and len(factor.sizes) == 1 and factor.sizes[0][1] == 1
    return not is_negative(factor) and "/" not in short(factor.number)
