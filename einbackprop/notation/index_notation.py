"""Index notation: what an equation looks like, ``z2[k,b] = Σ_j W2[k,j] h1[j,b]``.

An equation becomes markup once, here; ``markup`` turns that into text, LaTeX or MathML.
"""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from ..core.letters import letters_of, summed
from ..core.program import (
    ONE,
    Bracket,
    Contract,
    Equation,
    Extremum,
    Factor,
    Map,
    MatrixFunction,
    Opaque,
    Position,
    Ref,
    Sum,
    Update,
)
from ..core.visible import one_line
from ..errors import NotationError
from .markup import Entry, Letter, Markup, Part, Power, Quotient, Raised, Reduction, Root, Summation, Words, text
from .view import View as View
from .view import expression_markup, factor_markup, is_atomic, is_negative, nearest_float, short

Level = Literal["whole", "sum", "signed", "product", "power", "atom"]
LEVELS: tuple[Level, ...] = ("whole", "sum", "signed", "product", "power", "atom")
"""How tightly parts of a formula bind: a choice or a write, a sum, what has a minus, a product, a power, a name."""

WORDS = frozenset(("where", "else", "at", "elsewhere", "and", "or", "xor", "not", "of", "nan", "ones"))
REDUCTIONS = ("max", "min", "argmax", "argmin")

CUT = "⋯"
"""What stands for a part of a formula that is left out; an ellipsis of axes is another character."""


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
    if isinstance(equation, Update) and view.called(equation.base.name) == view.called(equation.out.name):
        return written(equation, view)
    return (view.ref(equation.out), " = ", *right_hand_side(equation, view)[0])


def written(equation: Update, view: View) -> Markup:
    """``h[t+1,i] = v[t,i] where m[i]``: a write into an array that keeps its name."""
    inner = view.around(letters_of(equation))
    places = {b.left.letters: position_markup(b.right, inner, b.left.letters) for b in equation.brackets}
    limit = (Words(" where "), *operand(equation.mask, inner, "power")) if equation.mask is not None else ()
    left = replace(view, positions=places).ref(equation.out)
    return (left, " = ", *operand(equation.value, inner, "sum" if limit else "whole"), *limit)


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
            return update(equation, view), "whole"
        case MatrixFunction():
            return matrix_function(equation, view), "atom"
        case Opaque(_, refs, reason):
            parts: Markup = (Words("not read"),)
            for n, ref in enumerate(refs):
                parts += (Words(", " if n else " from "), view.ref(ref))
            return (*parts, Words(f": {one_line(reason)}")), "whole"


def operand(ref: Ref, view: View, loosest: Level = "atom") -> Markup:
    """An operand by its name, or as its own equation's right-hand side, in parentheses where that needs them."""
    return within_parentheses(*expression(ref, view), loosest)


def within_parentheses(inside: Markup, level: Level, loosest: Level) -> Markup:
    """The expression, in parentheses where it binds less than it should."""
    return inside if LEVELS.index(level) >= LEVELS.index(loosest) else ("(", *inside, ")")


def expression(ref: Ref, view: View) -> tuple[Markup, Level]:
    """An operand by its name, or as its own equation's right-hand side, and how tightly that binds."""
    equation = view.inline.get(ref.name)
    return (named(ref, view), "atom") if equation is None else inlined(view.placed(equation, ref.indices), view)


def inlined(equation: Equation, view: View) -> tuple[Markup, Level]:
    """The right-hand side of a value that stands inside a formula, where there is room for it."""
    view.room[0] -= 1
    if not view.depth or view.room[0] < 0:
        return (Words(CUT),), "atom"
    return right_hand_side(equation, replace(view, depth=view.depth - 1, positions={}))


def named(ref: Ref, view: View) -> Markup:
    """A value by its name; in parentheses where a word of formulas is the name of a number.

    Matrix notation has no word for ones: it writes 1.
    """
    shown = view.ref(ref)
    is_word = shown.name in WORDS - {"ones" if view.bare else ""} or shown.name.partition("_")[0] in REDUCTIONS
    return ("(", shown, ")") if is_word and not shown.indices and ref.name not in view.ones else (shown,)


def product(equation: Contract, view: View) -> tuple[Markup, Level]:
    """``½ Σ_j W[k,j] x[j,b] [j≤b]``."""
    below = [ref for ref in equation.operands if is_reciprocal(view.inline.get(ref.name))]
    above = [ref for ref in equation.operands if ref not in below]
    inner = view.around(letters_of(equation))
    over = summed(equation)
    equation, inner = with_positions(equation, inner)
    over = "".join(letter for letter in over if letter not in inner.positions)
    if below and above:
        return quotient(equation, above, below, over, inner), level_of(equation.factor)
    inside = [expression(ref, inner) for ref in equation.operands]
    brackets = [bracket_markup(bracket, inner) for bracket in equation.brackets]
    if len(inside) == 1 and not brackets and equation.factor == ONE and not over:
        return inside[0]
    parts = [within_parentheses(*part, "power") for part in inside] + brackets
    if not parts:
        return factor_markup(equation.factor, view, alone=True), level_of(equation.factor, alone=True)
    body = joined(parts, " ")
    return (*factor_markup(equation.factor, view), Summation(over), *body), level_of(equation.factor)


def with_positions(equation: Contract, view: View) -> tuple[Contract, View]:
    """The product without the brackets that say where a summed letter is, and a view that has these positions in the
    place of the letters: ``x[b,2y+r]`` for ``Σ_p x[b,p] [p=2y+r]``."""
    inside = {letter for ref in equation.operands for letter in view.unplaced(ref)}
    read = {letter for ref in equation.operands for letter in ref.indices} - inside
    brackets, positions = list(equation.brackets), dict(view.positions)
    placed: set[str] = set()  # letters that positions are made of: these stay
    for bracket in equation.brackets:
        others = placed | {letter for other in brackets if other is not bracket for letter in other.letters}
        for letter, position in bracket.solved():
            is_free = letter in read and letter not in others and letter not in equation.out.indices
            if is_free and bracket in brackets and not view.runs_past(position, letter):
                brackets.remove(bracket)
                placed |= set(position.letters)
                terms = sorted(position.terms, key=lambda t: (t[0] == ONE, t[1] not in equation.out.indices))
                positions[letter] = position_markup(replace(position, terms=tuple(terms)), view, letter)
    return replace(equation, brackets=tuple(brackets)), replace(view, positions=positions)


def level_of(factor: Factor, alone: bool = False) -> Level:
    """How tightly a product with a factor binds, or the factor alone."""
    if is_negative(factor):
        return "signed"
    return "atom" if alone and is_atomic(factor) else "product"


def is_reciprocal(equation: Equation | None) -> bool:
    """Whether a value is one over another."""
    return isinstance(equation, Map) and equation.function == "power" and equation.parameter == -1


def quotient(equation: Contract, over: list[Ref], under: list[Ref], announced: str, view: View) -> Markup:
    """``e[k,b] / Σ_k e[k,b]``: a product with reciprocals that stand for themselves on this line."""
    first = len(over) == 1 and equation.factor == ONE and not announced
    above = [operand(ref, view, "product" if first else "power") for ref in over]
    loosest: Level = "sum" if len(under) == 1 else "power"
    inverses = [view.placed(view.inline[ref.name], ref.indices) for ref in under]
    below = [operand(e.operands[0], view, loosest) for e in inverses if isinstance(e, Map)]
    inner = Summation(announced) if announced else None
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
    parts: Markup = ()
    for n, (outer, ref) in enumerate(equation.terms):
        factor, inside = taken_out(outer, ref, view)
        negative = is_negative(factor)
        size = -factor if negative else factor
        parts += ((" - " if n else "-") if negative else (" + " if n else ""),)
        parts += factor_markup(size, view, alone=inside is None)
        if inside is not None:
            plain = size == ONE and not negative and not (n and begins_with_minus(inside[0]))
            parts += within_parentheses(*inside, "sum" if plain else "product")
    markup = tuple(part for part in parts if part != "")
    if len(equation.terms) > 1:
        return markup, "sum"
    if not negative and size == ONE and inside is not None:
        return inside
    return markup, level_of(factor, alone=inside is None)


def begins_with_minus(markup: Markup) -> bool:
    """Whether a minus sign is the first thing in it."""
    return isinstance(markup[0], str) and markup[0].startswith("-")


def taken_out(factor: Factor, ref: Ref | None, view: View) -> tuple[Factor, tuple[Markup, Level] | None]:
    """The factor of a term with those of the contraction or term that stands in its place; and what they multiply."""
    inner = view.inline.get(ref.name) if ref is not None else None
    if ref is None or inner is None:
        return factor, None if ref is None else expression(ref, view)
    placed = view.placed(inner, ref.indices)
    match placed:
        case Sum(terms=((outer, term),)):
            return taken_out(factor * outer, term, view)
        case Contract(operands=(), brackets=()):
            return factor * placed.factor, None
        case Contract(operands=(term,), brackets=()) if placed.factor != ONE and not summed(placed):
            return taken_out(factor * placed.factor, term, view)
        case Contract() if placed.factor != ONE:
            return factor * placed.factor, inlined(replace(placed, factor=ONE), view)
    return factor, inlined(placed, view)


COMPARISONS = {
    "greater": " > ",
    "greater_equal": " ≥ ",
    "less": " < ",
    "less_equal": " ≤ ",
    "equal": " = ",
    "not_equal": " ≠ ",
    "logical_and": " and ",
    "logical_or": " or ",
    "logical_xor": " xor ",
}


def pointwise(equation: Map, view: View) -> tuple[Markup, Level]:
    """A pointwise function as people write it: ``x²``, ``√x``, ``1/x``, ``max(x, 0)``, ``[x > 0]``."""
    if equation.function == "power" and isinstance(equation.parameter, Fraction):
        return power(*expression(equation.operands[0], view), equation.parameter)
    inside = [expression(ref, view) for ref in equation.operands]
    loose = [within_parentheses(*part, "sum") for part in inside]
    match equation.function:
        case "pow":
            base, exponent = (within_parentheses(*part, "atom") for part in inside)
            return (Power(base, exponent),), "product"
        case "abs":
            return absolute(loose[0])
        case "relu":
            return (Words("max"), "(", *loose[0], ", 0)"), "atom"
        case ("maximum" | "minimum") as name:
            return (Words(name[:3]), "(", *joined(loose, ", "), ")"), "atom"
        case "step":
            return ("[", *loose[0], " > 0]"), "atom"
        case "logical_not" if (opposite := negated(view.inline.get(equation.operands[0].name))) is not None:
            return inlined(view.placed(opposite, equation.operands[0].indices), view)
        case "logical_not":
            return ("[", Words("not "), *within_parentheses(*inside[0], "power"), "]"), "atom"
        case name if name in COMPARISONS:
            sign = COMPARISONS[name]
            return ("[", *joined(loose, Words(sign) if sign.strip().isalpha() else sign), "]"), "atom"
        case "where":
            condition = within_parentheses(*inside[0], "power")
            other = within_parentheses(*inside[2], "signed")
            return (*loose[1], Words(" where "), *condition, Words(" else "), *other), "whole"
        case _:
            return call(equation, loose), "atom"


OPPOSITE = {"greater": "less_equal", "less_equal": "greater", "less": "greater_equal", "greater_equal": "less",
            "equal": "not_equal", "not_equal": "equal"}  # fmt: skip


def negated(equation: Equation | None) -> Map | None:
    """The comparison that holds where another one does not; None for anything else."""
    is_one = isinstance(equation, Map) and equation.function in OPPOSITE
    return replace(equation, function=OPPOSITE[equation.function]) if isinstance(equation, Map) and is_one else None


def call(equation: Map, loose: list[Markup]) -> Markup:
    """``sigmoid(z[k,b])``, ``power(x[i]; 2)``: any function under its own name."""
    parameter: Markup = () if equation.parameter is None else ("; ", short(equation.parameter))
    return (Words(equation.function), "(", *joined(loose, ", "), *parameter, ")")


def absolute(inside: Markup) -> tuple[Markup, Level]:
    """``|x[i]|``; ``abs(x)`` where bars stand within, or where ``|b|`` would be a size."""
    shown = inside[0]
    is_letter = len(inside) == 1 and isinstance(shown, Ref) and len(shown.name) == 1 and not shown.indices
    if is_letter or "|" in text(inside):
        return (Words("abs"), "(", *inside, ")"), "atom"
    return ("|", *inside, "|"), "atom"


def power(inside: Markup, level: Level, p: Fraction) -> tuple[Markup, Level]:
    """``x²``, ``√x``, ``1/x``, ``1/√x``, ``x^(3/2)``, ``x^(0.3)``."""
    if p < 0:
        under = within_parentheses(inside, level, "power") if p == -1 else power(inside, level, -p)[0]
        return (Quotient(("1",), under),), "product"
    if p == Fraction(1, 2):
        return (Root(within_parentheses(inside, level, "sum")),), "power"
    if p == Fraction(1, 3):
        return (Words("cbrt"), "(", *within_parentheses(inside, level, "sum"), ")"), "atom"
    exponent = str(p) if 1 < p.denominator < 10 else str(nearest_float(p))
    base = within_parentheses(inside, level, "atom")
    return (Raised(base, short(p) if p.denominator == 1 else exponent),), "power"


def extremum(equation: Extremum, view: View) -> Markup:
    """``max_k x[k,b]``, ``argmax_k x[k,b]``, ``k of argmax_kl x[k,l]``."""
    over = "".join(i for i in dict.fromkeys(equation.operand.indices) if i not in equation.out.indices)
    name = "arg" + equation.kind if equation.position_of else equation.kind
    which: Markup = (Letter(equation.position_of), Words(" of ")) if equation.position_of not in ("", over) else ()
    return (*which, Reduction(name, over), *operand(equation.operand, view.around(over), "power"))


def matrix_function(equation: MatrixFunction, view: View) -> Markup:
    """``inv(A)[k,l]``, ``solve(A, b)[k]``, ``det(A)``; where an operand is more than a name, with the matrix's letters:
    ``inv_ij(Σ_b x[i,b] x[j,b])[k,l]``."""
    *arranged, made = equation.arranged
    names = [whole(ref, letters, view) for ref, letters in zip(equation.operands, arranged, strict=True)]
    plain = None not in names and not equation.batch and equation.out.indices == made
    inner = view.around(equation.matrix)
    inside = [(name,) if name is not None and plain else within_parentheses(*expression(ref, inner), "sum")
              for name, ref in zip(names, equation.operands, strict=True)]  # fmt: skip
    axes = [(Letter(i),) for i in (made if plain else equation.result)]
    places: Markup = ("[", *joined(axes, ","), "]") if axes else ()
    head = Reduction(equation.function, "" if plain else equation.matrix, is_call=True)
    return (head, "(", *joined(inside, ", "), ")", *places)


def whole(ref: Ref, letters: str, view: View) -> Ref | None:
    """The name alone of an operand that has these letters in this order, one an axis."""
    shown, spelling = view.ref(ref), view.spellings.get(ref.name)
    axes = spelling.letters(ref.indices) if spelling is not None else ref.indices
    placed = isinstance(shown, Entry) and shown.axes != tuple((Letter(i),) for i in letters)
    hidden = placed or ref.name in view.inline or ref.name in view.ones
    return None if hidden or list(axes) != list(letters) else Ref(shown.name)


def update(equation: Update, view: View) -> Markup:
    """``v[s] at [p=2s+1] where m[p], x[p] elsewhere``."""
    inner = view.around(letters_of(equation))
    where: Markup = ()
    if equation.brackets:
        where += (Words(" at "), *joined([bracket_markup(b, inner) for b in equation.brackets], " "))
    if equation.mask is not None:
        where += (Words(" where "), *operand(equation.mask, view, "power"))
    base = operand(equation.base, view, "power")
    return (*operand(equation.value, inner, "sum"), *where, ", ", *base, Words(" elsewhere"))


def bracket_markup(bracket: Bracket, view: View) -> Markup:
    """``[p=2s+r]``."""
    sides = (bracket.left, bracket.right), (bracket.right, bracket.left)
    left, right = (position_markup(one, view, other.letters if other.is_letter else "") for one, other in sides)
    return ("[", *left, bracket.relation, *right, "]")


def pick_markup(pick: Ref, view: View) -> Markup:
    """``y[b]``, or what it is in parentheses, ``(Σ_k y[k] [k=6-b])``; a number with the name of a letter is ``n[]``."""
    if pick.name in view.inline:
        return within_parentheses(*expression(pick, view), "atom")
    shown = view.ref(pick)
    is_letter = not shown.indices and (shown.name in view.scope or shown.name in view.alike)
    return (shown, "[]") if is_letter else (shown,)


def position_markup(position: Position, view: View, along: str = "") -> Markup:
    """``2s+r-1``, ``h·E+e``, ``y[b]``, ``2H+k``: a position ``along`` the dimension of a letter."""
    constant = position.constant
    place = view.place(along, constant)
    parts: Markup = expression_markup(place, view) if place is not None else ()
    constant = 0 if parts else constant
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
        parts += ("+" if parts else "", *pick_markup(position.pick, view))
    if constant or not parts:
        parts += (("+" if parts and constant >= 0 else "") + str(constant),)
    return tuple(part for part in parts if part != "")
