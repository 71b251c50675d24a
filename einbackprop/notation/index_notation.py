"""Index notation: what an equation looks like, ``z2[k,b] = Σ_j W2[k,j] h1[j,b]``.

An equation becomes markup once, here; ``markup`` turns that into text, LaTeX or MathML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from ..core.letters import letters_of, summed
from ..core.letters import relettered as relettered
from ..core.letters import rename_letters as rename_letters
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    Number,
    Opaque,
    Position,
    Program,
    Ref,
    Sum,
    Update,
    operands,
)
from ..core.visible import one_line
from ..errors import NotationError
from .markup import Letter, Markup, Part, Quotient, Raised, Reduction, Root, Size, Summation, Words, text
from .numerals import nearest_float, short

Level = Literal["sum", "product", "atom"]
LEVELS: tuple[Level, ...] = ("sum", "product", "atom")
DEEPEST = 24
LARGEST = 400


CUT = "⋯"
"""What stands for a part of a formula that is left out; an ellipsis of axes is another character."""


@dataclass(frozen=True, slots=True)
class View:
    """How the values of an equation are shown.

    Attributes
    ----------
    names : mapping of name to str
        What a value is called, where it is not by its own name.
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
    """

    names: Mapping[str, str] = field(default_factory=dict)
    inline: Mapping[str, Equation] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    bare: bool = False
    depth: int = DEEPEST
    room: list[int] = field(default_factory=lambda: [LARGEST])

    @staticmethod
    def of(program: Program) -> View:
        """The view with a program's labels as names, where a label belongs to one value only."""
        labels = Counter(program.labels.values())
        values = {i.ref.name for i in program.inputs} | set(program.defining()) | set(program.constants)
        clear = {n: label for n, label in program.labels.items() if labels[label] == 1 and label not in values}
        return View(names=clear, taken=frozenset(values | set(labels) | set(program.sizes)))

    def within(self, equation: Equation) -> View:
        """The view that knows an equation's own names and letters to be taken."""
        names = {self.names.get(ref.name, ref.name) for ref in [equation.out, *operands(equation)]}
        return replace(self, taken=self.taken | names | set(letters_of(equation)), room=[LARGEST])

    def ref(self, ref: Ref) -> Ref:
        """The operand under the name that it is shown by."""
        name = self.names.get(ref.name, ref.name)
        return Ref(name, "" if self.bare else ref.indices)

    def size(self, letter: str) -> Size:
        """The size of a letter's dimension."""
        capital = letter.upper()
        return Size(letter, capital != letter and len(capital) == 1 and capital not in self.taken)


PLAIN = View()


def equation_text(equation: Equation, view: View = PLAIN) -> str:
    """An equation in index notation.

    Examples
    --------
    >>> equation_text(Contract(Ref("dW", "kj"), (Ref("d", "kb"), Ref("h", "jb")), factor=Factor.of(1, b=-1)))
    'dW[k,j] = 1/B Σ_b d[k,b] h[j,b]'
    """
    return text(equation_markup(equation, view))


def equation_markup(equation: Equation, view: View = PLAIN) -> Markup:
    """An equation as markup."""
    view = view.within(equation)
    return (view.ref(equation.out), " = ", *right_hand_side(equation, view)[0])


def right_hand_side(equation: Equation, view: View) -> tuple[Markup, Level]:
    """What a value is, and how tightly that binds."""
    match equation:
        case Contract():
            return product(equation, view)
        case Sum():
            return terms_markup(equation, view)
        case Map():
            return pointwise(equation, view)
        case Extremum():
            return extremum(equation, view), "product"
        case Update():
            return update(equation, view), "sum"
        case Opaque(_, refs, reason):
            parts: Markup = (Words("not read"),)
            for n, ref in enumerate(refs):
                parts += (Words(", " if n else " from "), view.ref(ref))
            return (*parts, Words(f": {one_line(reason)}")), "sum"


def operand(ref: Ref, view: View, loosest: Level = "atom") -> Markup:
    """An operand by its name, or as its own equation's right-hand side, in parentheses where that needs them."""
    return within_parentheses(*expression(ref, view), loosest)


def within_parentheses(inside: Markup, level: Level, loosest: Level) -> Markup:
    """The expression, in parentheses where it binds less than it should."""
    return inside if LEVELS.index(level) >= LEVELS.index(loosest) else ("(", *inside, ")")


def expression(ref: Ref, view: View) -> tuple[Markup, Level]:
    """An operand by its name, or as its own equation's right-hand side, and how tightly that binds."""
    equation = view.inline.get(ref.name)
    if equation is None:
        return (view.ref(ref),), "atom"
    view.room[0] -= 1
    if not view.depth or view.room[0] < 0:
        return (Words(CUT),), "atom"
    return right_hand_side(relettered(equation, ref.indices), replace(view, depth=view.depth - 1))


def product(equation: Contract, view: View) -> tuple[Markup, Level]:
    """``½ Σ_j W[k,j] x[j,b] [j≤b]``."""
    under = [ref for ref in equation.operands if is_reciprocal(view.inline.get(ref.name))]
    over = [ref for ref in equation.operands if ref not in under]
    if under and over:
        return quotient(equation, over, under, view), "product"
    inside = [expression(ref, view) for ref in equation.operands]
    parts: list[Markup] = [within_parentheses(*part, "atom") for part in inside]
    parts += [bracket_markup(bracket, view) for bracket in equation.brackets]
    if len(parts) == 1 and len(equation.operands) == 1 and equation.factor == ONE and not summed(equation):
        ref = equation.operands[0]
        alone = inside[0][0]
        return alone, ("atom" if ref.name not in view.inline or alone == parts[0] else "sum")
    body = joined(parts, " ")
    return (*factor_markup(equation.factor, view, alone=not parts), Summation(summed(equation)), *body), (
        "product" if parts else "atom"
    )


def is_reciprocal(equation: Equation | None) -> bool:
    """Whether a value is one over another."""
    return isinstance(equation, Map) and equation.function == "power" and equation.parameter == -1


def quotient(equation: Contract, over: list[Ref], under: list[Ref], view: View) -> Markup:
    """``e[k,b] / Σ_k e[k,b]``: a product with reciprocals that stand for themselves on this line."""
    above = [operand(ref, view, "product" if len(over) == 1 else "atom") for ref in over]
    loosest: Level = "sum" if len(under) == 1 else "atom"
    inverses = [relettered(view.inline[ref.name], ref.indices) for ref in under]
    below = [operand(e.operands[0], view, loosest) for e in inverses if isinstance(e, Map)]
    inner = Summation(summed(equation)) if summed(equation) else None
    parts: Markup = (Quotient(joined(above, " "), joined(below, " ")),)
    parts = ((inner,) if inner else ()) + parts
    for bracket in equation.brackets:
        parts += (" ", *bracket_markup(bracket, view))
    return (*factor_markup(equation.factor, view), *parts)


def joined(parts: Iterable[Markup], between: Part) -> Markup:
    """The runs one after the other, with a part between them."""
    result: Markup = ()
    for n, part in enumerate(parts):
        result += (between, *part) if n else part
    return result


def terms_markup(equation: Sum, view: View) -> tuple[Markup, Level]:
    """``a[k,b] - 2 b[k] + 1``."""
    if not equation.terms:
        return ("0",), "atom"
    single = len(equation.terms) == 1
    parts: Markup = ()
    for n, (outer, ref) in enumerate(equation.terms):
        factor, view = taken_out(outer, ref, view)
        negative = is_negative(factor)
        size = -factor if negative else factor
        parts += ((" - " if n else "-") if negative else (" + " if n else ""),)
        parts += factor_markup(size, view, alone=ref is None)
        if ref is not None:
            parts += operand(ref, view, "sum" if size == ONE and not negative else "product")
    markup = tuple(part for part in parts if part != "")
    return markup, ("atom" if single and len(markup) == 1 else "product" if single else "sum")


def taken_out(factor: Factor, ref: Ref | None, view: View) -> tuple[Factor, View]:
    """The factor of a term with that of the contraction that stands in its place, which has none then."""
    inside = view.inline.get(ref.name) if ref is not None else None
    if not isinstance(inside, Contract) or inside.factor == ONE:
        return factor, view
    plain = {inside.out.name: replace(inside, factor=ONE)}
    return factor * inside.factor, replace(view, inline={**view.inline, **plain})


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
    """``½``, ``1/B``, ``2B``, ``-1/(2B)``."""
    over = sizes_markup([(i, p) for i, p in factor.sizes if p > 0], view)
    under = sizes_markup([(i, -p) for i, p in factor.sizes if p < 0], view)
    number = factor.number
    if not under or not isinstance(number, Fraction) or "." in short(number):
        top = number_markup(number, over)
        return (Quotient(top, under),) if under else top
    minus: Markup = ("-",) if number < 0 else ()
    bottom = under if number.denominator == 1 else (str(number.denominator), *under)
    return (*minus, Quotient(number_markup(Fraction(abs(number.numerator)), over), bottom))


def number_markup(number: Number, sizes: Markup) -> Markup:
    """A number before sizes; a 1 is left out there."""
    if sizes and number in (1, -1):
        return (("-",) if number == -1 else ()) + sizes
    return (short(number), *sizes)


def sizes_markup(powers: list[tuple[str, int | Fraction]], view: View) -> Markup:
    """A product of positive powers of sizes."""
    parts: Markup = ()
    for letter, power in powers:
        size = (view.size(letter),)
        root = Root(size) if power == Fraction(1, 2) else Raised(size, str(power))
        parts += size if power == 1 else (root,)
    return parts


def bracket_markup(bracket: Bracket, view: View) -> Markup:
    """``[p=2s+r]``."""
    left, right = position_markup(bracket.left, view), position_markup(bracket.right, view)
    return ("[", *left, bracket.relation, *right, "]")


def position_markup(position: Position, view: View) -> Markup:
    """``2s+r-1``, ``h·E+e``, ``y[b]``."""
    parts: Markup = ()
    constant = position.constant
    if constant > 0 and position.terms and is_negative(position.terms[0][0]):
        parts, constant = (str(constant),), 0
    for factor, letter in position.terms:
        if not isinstance(factor.number, Fraction):
            raise NotationError(f"a position's coefficient must be whole, not {factor.number}")
        size = abs(factor.number)
        parts += (("-" if is_negative(factor) else "+" if parts else "") + ("" if size == 1 else str(size)),)
        parts += (Letter(letter),)
        for i, power in factor.sizes:
            parts += ("·", view.size(i) if power == 1 else Raised((view.size(i),), str(power)))
    if position.pick is not None:
        parts += ("+" if parts else "", view.ref(position.pick))
    if constant or not parts:
        parts += (("+" if parts and constant >= 0 else "") + str(constant),)
    return tuple(part for part in parts if part != "")


def call(equation: Map, view: View) -> tuple[Markup, Level]:
    """``sigmoid(z[k,b])``, ``power(x[i]; 2)``: any function under its own name."""
    arguments = joined([operand(ref, view, "sum") for ref in equation.operands], ", ")
    parameter: Markup = ()
    if equation.parameter is not None:
        parameter = ("; ", short(equation.parameter))
    return (Words(equation.function), "(", *arguments, *parameter, ")"), "atom"


COMPARISONS = {
    "greater": " > ",
    "greater_equal": " ≥ ",
    "less": " < ",
    "less_equal": " ≤ ",
    "equal": " = ",
    "not_equal": " ≠ ",
    "logical_and": " and ",
    "logical_or": " or ",
    "logical_xor": " ≠ ",
}


def pointwise(equation: Map, view: View) -> tuple[Markup, Level]:
    """A pointwise function as people write it: ``x²``, ``√x``, ``1/x``, ``max(x, 0)``, ``[x > 0]``."""
    tight = [operand(ref, view) for ref in equation.operands]
    loose = [operand(ref, view, "sum") for ref in equation.operands]
    match equation.function, equation.parameter:
        case "power", Fraction() as p:
            return power(tight[0], loose[0], p)
        case "pow", _:
            return (*tight[0], "^", *tight[1]), "product"
        case "abs", _:
            return ("|", *loose[0], "|"), "atom"
        case "relu", _:
            return (Words("max"), "(", *loose[0], ", 0)"), "atom"
        case ("maximum" | "minimum") as name, _:
            return (Words(name[:3]), "(", *joined(loose, ", "), ")"), "atom"
        case "step", _:
            return ("[", *loose[0], " > 0]"), "atom"
        case "logical_not", _:
            return ("[", Words("not "), *tight[0], "]"), "atom"
        case name, _ if name in COMPARISONS:
            sign = COMPARISONS[name]
            return ("[", *joined(loose, Words(sign) if sign.strip().isalpha() else sign), "]"), "atom"
        case "where", _:
            return (*loose[1], Words(" where "), *tight[0], Words(" else "), *tight[2]), "sum"
        case _:
            return call(equation, view)


def power(base: Markup, inside: Markup, p: Fraction) -> tuple[Markup, Level]:
    """``x²``, ``√x``, ``1/x``, ``1/√x``, ``x^0.3``."""
    if p < 0:
        under = base if p == -1 else power(base, inside, -p)[0]
        return (Quotient(("1",), under),), "product"
    if p == Fraction(1, 2):
        return (Root(inside),), "atom"
    return (Raised(base, short(p) if p.denominator == 1 else str(nearest_float(p))),), "atom"


def extremum(equation: Extremum, view: View) -> Markup:
    """``max_k x[k,b]``, ``argmax_k x[k,b]``, ``k of argmax_kl x[k,l]``."""
    over = "".join(i for i in dict.fromkeys(equation.operand.indices) if i not in equation.out.indices)
    name = "arg" + equation.kind if equation.position_of else equation.kind
    which: Markup = (Letter(equation.position_of), Words(" of ")) if equation.position_of not in ("", over) else ()
    return (*which, Reduction(name, over), *operand(equation.operand, view))


def update(equation: Update, view: View) -> Markup:
    """``v[s] at [p=2s+1] where m[p], x[p] elsewhere``."""
    where: Markup = ()
    if equation.brackets:
        where += (Words(" at "), *joined([bracket_markup(b, view) for b in equation.brackets], " "))
    if equation.mask is not None:
        where += (Words(" where "), *operand(equation.mask, view))
    return (*operand(equation.value, view, "sum"), *where, ", ", *operand(equation.base, view), Words(" elsewhere"))
