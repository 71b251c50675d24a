"""Each pointwise function, and max and min over an index, as a formula in canonical form.

Where a function is made of simpler ones, it is written in them: relu(x) is x·[x>0], tanh(x) is 2·sigmoid(2x) - 1,
maximum(a, b) is b + relu(a - b). A function without a rule here is an atom: equal for equal arguments.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

from ..core import elementwise
from ..errors import UndecidedError
from .brackets import NO_TIES, content, letter, orientation, positive, sign_known, zero
from .identities import call, exp, log, power, sigmoid
from .indices import Atom, Index, Number
from .polynomials import (
    ONE,
    Context,
    Product,
    Terms,
    add,
    constant,
    make_atom,
    monomial,
    multiply,
    rows_of,
    scale,
    times,
    without,
)

HALF = Fraction(1, 2)


def apply(function: str, arguments: Sequence[Terms], parameter: Number | None, context: Context) -> Terms:
    """The canonical form of a pointwise function of canonical forms.

    Parameters
    ----------
    function : str
        A name in ``elementwise.FUNCTIONS``.
    arguments : sequence of terms
    parameter : Fraction, optional
        The exponent of ``power``.

    Raises
    ------
    UndecidedError
        It is one over 0, or grows too large.
    """
    if function == "power" and parameter is not None:
        return power(arguments[0], parameter, context)
    return RULES[function](context, *arguments) if function in RULES else opaque(function, arguments, context)


def opaque(function: str, arguments: Sequence[Terms], context: Context) -> Terms:
    """The function as an atom."""
    is_boolean = elementwise.lookup(function).boolean
    return call(
        function, arguments, context, indicator=is_boolean, make=lambda again, _, c: apply(function, again, None, c)
    )


def negated(terms: Terms) -> Terms:
    """``1 - x`` for a condition x."""
    return add(ONE, scale(terms, -1))


def minus(a: Terms, b: Terms) -> Terms:
    """``a - b``."""
    return add(a, scale(b, -1))


def relu(context: Context, x: Terms) -> Terms:
    """``x·[x>0]``."""
    return multiply(x, positive(x, context, tie=False), context)


def absolute(context: Context, x: Terms) -> Terms:
    """``x·(2[x>0] - 1)``."""
    return multiply(x, add(scale(positive(x, context, tie=False), 2), constant(-1)), context)


def sign(context: Context, x: Terms) -> Terms:
    """``[x>0] - [-x>0]``."""
    return minus(positive(x, context), positive(scale(x, -1), context))


def truth(context: Context, x: Terms) -> Terms:
    """``[x≠0]``; what is 0 or 1 already is its own truth."""
    if len(x) == 1 and all(c == 1 and all(h.indicator and e == 1 for (h, _), e in m) for m, c in x.items()):
        return x
    return negated(zero(x, context))


def where(context: Context, condition: Terms, a: Terms, b: Terms) -> Terms:
    """``a`` where the condition holds, else ``b``."""
    holds = truth(context, condition)
    return add(multiply(holds, a, context), multiply(negated(holds), b, context))


def either(context: Context, a: Terms, b: Terms) -> Terms:
    """Or: ``1 - (1 - a)(1 - b)``."""
    return negated(multiply(negated(truth(context, a)), negated(truth(context, b)), context))


def exclusive(context: Context, a: Terms, b: Terms) -> Terms:
    """Exclusive or: ``a + b - 2ab``."""
    a, b = truth(context, a), truth(context, b)
    return add(a, b, scale(multiply(a, b, context), -2))


def pow_(context: Context, a: Terms, b: Terms) -> Terms:
    """``exp(b·log a)``, and a power where b is a number."""
    if not b or (len(b) == 1 and not next(iter(b))):
        return power(a, next(iter(b.values()), 0), context)
    return exp(multiply(b, log(a, context), context), context)


def hyperbolic(context: Context, x: Terms, s: int) -> Terms:
    """``(e^x + s·e^-x)/2``."""
    return scale(add(exp(x, context), scale(exp(scale(x, -1), context), s)), HALF)


def oriented(function: str, parity: int) -> Callable[[Context, Terms], Terms]:
    """An even (1) or odd (-1) function."""

    def rule(context: Context, x: Terms) -> Terms:
        if not x and parity < 0:
            return {}
        turn = orientation(x, context)
        reduce = _replace_square if function == "cos" else None
        made = call(
            function, [scale(x, turn)], context, reduce=reduce, make=lambda again, _, c: rule(c, again[0])
        )
        return scale(made, turn if parity < 0 else 1)

    return rule


def _replace_square(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``cos²`` is ``1 - sin²``."""
    if atoms[atom] < 2:
        return None
    head, indices = atom
    slots = [head.arguments[0]]
    partner = make_atom("call", "sin", rows_of(slots), slots, context, make=lambda again, _, c: _sin(c, again[0]))
    sine = (partner[0], tuple(indices[i & 0xFFFFFFFF] for i in partner[1]))
    rest = without(atoms, atom) | {atom: atoms[atom] - 2}
    return times(rest, minus(ONE, monomial({partner[0].at(sine[1]): 2})), context)


_sin = oriented("sin", -1)
_cos = oriented("cos", 1)


def logarithm_to_base(base: int) -> Callable[[Context, Terms], Terms]:
    """``log(x)/log(base)``."""
    return lambda c, x: multiply(log(x, c), power(log(constant(base), c), -1, c), c)


def maximum(context: Context, a: Terms, b: Terms) -> Terms:
    """``b + relu(a - b)``."""
    return add(b, relu(context, minus(a, b)))


RULES: dict[str, Callable[..., Terms]] = {
    "exp": lambda c, x: exp(x, c),
    "expm1": lambda c, x: minus(exp(x, c), ONE),
    "exp2": lambda c, x: exp(multiply(x, log(constant(2), c), c), c),
    "log": lambda c, x: log(x, c),
    "log1p": lambda c, x: log(add(ONE, x), c),
    "log2": logarithm_to_base(2),
    "log10": logarithm_to_base(10),
    "sigmoid": lambda c, x: sigmoid(x, c),
    "softplus": lambda c, x: log(add(ONE, exp(x, c)), c),
    "logaddexp": lambda c, a, b: log(add(exp(a, c), exp(b, c)), c),
    "tanh": lambda c, x: minus(scale(sigmoid(scale(x, 2), c), 2), ONE),
    "sinh": lambda c, x: hyperbolic(c, x, -1),
    "cosh": lambda c, x: hyperbolic(c, x, 1),
    "sin": _sin,
    "cos": _cos,
    "tan": lambda c, x: multiply(_sin(c, x), power(_cos(c, x), -1, c), c),
    "arctan": oriented("arctan", -1),
    "arcsin": oriented("arcsin", -1),
    "arcsinh": oriented("arcsinh", -1),
    "arctanh": oriented("arctanh", -1),
    "hypot": lambda c, a, b: power(add(multiply(a, a, c), multiply(b, b, c)), HALF, c),
    "pow": pow_,
    "abs": absolute,
    "sign": sign,
    "relu": relu,
    "step": lambda c, x: positive(x, c),
    "maximum": maximum,
    "minimum": lambda c, a, b: minus(a, relu(c, minus(a, b))),
    "where": where,
    "greater": lambda c, a, b: positive(minus(a, b), c),
    "less": lambda c, a, b: positive(minus(b, a), c),
    "greater_equal": lambda c, a, b: negated(positive(minus(b, a), c)),
    "less_equal": lambda c, a, b: negated(positive(minus(a, b), c)),
    "equal": lambda c, a, b: zero(minus(a, b), c),
    "not_equal": lambda c, a, b: negated(zero(minus(a, b), c)),
    "logical_and": lambda c, a, b: multiply(truth(c, a), truth(c, b), c),
    "logical_or": either,
    "logical_xor": exclusive,
    "logical_not": lambda c, x: negated(truth(c, x)),
    "truth": truth,
    "conj": lambda c, x: x,
    "real": lambda c, x: x,
    "imag": lambda c, x: {},
}

def extremum(kind: str, terms: Terms, over: Sequence[Index], context: Context) -> Terms:
    """Max or min over indices: what does not depend on them is taken out, and a positive number."""
    if kind == "min":
        return scale(extremum("max", scale(terms, -1), over, context), -1)
    inner, outer = _split(terms, over)
    if not inner:
        return terms
    number = content(inner)
    inner = scale(inner, Fraction(1, number))
    bound = frozenset(i for m in inner for (_, where), _ in m for i in where).intersection(over)
    atom = make_atom(
        "call", "max", rows_of([inner]), [inner], context, bound, positive=sign_known(inner) > 0,
        make=lambda again, new, c: extremum("max", again[0], new, c),
    )  # fmt: skip
    return add(outer, monomial({atom: 1}, number))


def position(kind: str, terms: Terms, over: Sequence[Index], along: Index, context: Context) -> Terms:
    """The position along an index at which the max or min over indices is first reached."""
    inner, _ = _split(scale(terms, -1) if kind == "min" else terms, over)
    if not inner:
        return {}
    if len(over) > 1:
        context.note(NO_TIES)
    inner = scale(inner, Fraction(1, content(inner)))
    arguments = [inner, letter(along, context)]
    bound = frozenset(i for m in inner for (_, where), _ in m for i in where).intersection(over) | {along}
    atom = make_atom(
        "call", "position of max", rows_of(arguments), arguments, context, bound, integer=True,
        make=lambda again, new, c: position("max", again[0], new, letter_of(again[1]), c),
    )  # fmt: skip
    return monomial({atom: 1})


def of_matrix(
    function: str, terms: Terms, matrix: tuple[Index, Index], result: tuple[Index, ...], context: Context
) -> Terms:
    """A function of the matrix that two indices run over.

    What says where the result's indices are are products of letters. An inverse goes with the pairs (its first, the
    columns) and (its second, the rows), whose order does not matter: the inverse of a transpose is the transpose of the
    inverse. Neither does that of rows and columns for a determinant.
    """
    if not terms:
        raise UndecidedError(f"{function} of zeros")
    number = content(terms) if function in ("inv", "pinv") else 1
    terms = scale(terms, Fraction(1, number))
    rows, columns = (letter(i, context) for i in matrix)
    places = [letter(i, context) for i in result]
    if function == "cholesky":
        pairs = [multiply(rows, places[0], context), multiply(columns, places[1], context)]
    elif places:
        pairs = [add(multiply(columns, places[0], context), multiply(rows, places[1], context))]
    else:
        pairs = [multiply(rows, columns, context)]

    def again(arguments: Sequence[Terms], bound: Sequence[Index], c: Context) -> Terms:
        met = [letters_in(m) for pair in arguments[1:] for m in pair]
        if not places:
            return of_matrix(function, arguments[0], (met[0][0], met[0][1]), (), c)
        own = [next(i for i in pair if i in bound) for pair in met]
        others = tuple(next(i for i in pair if i not in bound) for pair in met)
        rows, columns = own if function == "cholesky" else own[::-1]
        return of_matrix(function, arguments[0], (rows, columns), others, c)

    arguments = [terms, *pairs]
    atom = make_atom("call", function, rows_of(arguments), arguments, context, frozenset(matrix), make=again)
    return monomial({atom: 1}, Fraction(1, number))


def letters_in(product: frozenset[tuple[Atom, object]]) -> list[Index]:
    """The indices of a product of letters, a square's twice."""
    return [where[0] for (_, where), power in product for _ in range(int(str(power)))]


def letter_of(terms: Terms) -> Index:
    """The index whose position the terms are."""
    (((_, where), _),) = next(iter(terms))
    return where[0]


def _split(terms: Terms, over: Sequence[Index]) -> tuple[Terms, Terms]:
    """The terms that depend on the indices, and the others; ∞, which cancels nowhere, stays with the first."""
    inner = {m: c for m, c in terms.items() if any(i in over for (_, where), _ in m for i in where)}
    if inner:
        inner |= {m: c for m, c in terms.items() if any(h.name == "inf" for (h, _), _ in m)}
    return inner, {m: c for m, c in terms.items() if m not in inner}


def number(value: Fraction, context: Context) -> Terms:
    """A constant of a program: a decimal that was rounded to a float is read as the decimal."""
    if value.denominator < 1 << 20 or value.denominator & (value.denominator - 1):
        return constant(value)
    simple = value.limit_denominator(10**7)
    if simple != value and abs(simple - value) <= abs(value) * Fraction(1, 1 << 51):
        context.note(f"the constant {float(value)} is read as {simple}")
        return constant(simple)
    return constant(value)

