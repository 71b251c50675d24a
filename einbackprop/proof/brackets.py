"""Zeros and ones in canonical form: ``[i=k]``, ``[p=2s+r]``, ``[s≤t]``, ``[x>0]``.

A letter in a bracket is an atom like any other, the *letter* of an index: its value is the position. So a relation
between letters and one between data are both a question about one formula: is it zero, is it positive?
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import product
from math import gcd, lcm

from einbackprop.core.collecting import grouped, summed

from .indices import Atom, Head, Index, Number, dimension_of
from .polynomials import (
    ONE,
    ONE_ENTRY,
    Context,
    Monomial,
    Product,
    Terms,
    add,
    constant,
    inside,
    make_atom,
    monomial,
    multiply,
    normalise,
    opened,
    rename,
    rows_of,
    scale,
    size,
    substitute,
    times,
    whole,
    without,
)

MOST_CASES = 3
IN_RANGE = "positions in brackets stay within their axes, as at the traced sizes"
NO_TIES = "no comparison is a tie, no argument of a kink is exactly 0"
LABELS_IN_RANGE = "labels are valid positions along the axis that they pick from"


def letter(i: Index, context: Context) -> Terms:
    """The position that an index stands for, as a number."""
    d = dimension_of(i)
    digest = f"letter {d}".encode()
    head = context.intern(
        digest, lambda: Head(digest, "letter", dimensions=(d,), orbits=(0,), integer=True)
    )
    return monomial({(head, (i,)): 1})


def is_integer(terms: Terms) -> bool:
    """Whether the value is known to be whole."""
    return all(
        c.denominator == 1 and all(h.integer and e > 0 and e == int(e) for (h, _), e in m) for m, c in terms.items()
    )


def sign_known(terms: Terms) -> int:
    """1 or -1 where the value is known to be positive or negative, else 0."""
    if terms and all(h.positive for m in terms for (h, _), _ in m):
        signs = {c > 0 for c in terms.values()}
        if len(signs) == 1:
            return 1 if signs.pop() else -1
    return 0


def content(terms: Terms) -> Number:
    """The positive number that can be divided out, so that whole coefficients without a common divisor remain."""
    values = terms.values()
    return whole(Fraction(gcd(*(c.numerator for c in values)), lcm(*(c.denominator for c in values))))


def common(terms: Terms, allowed: Callable[[Head], bool]) -> Product:
    """The factors that all terms have, of the allowed ones; sizes and exponentials also where some terms lack them."""
    found: Product = {}
    for atom in dict.fromkeys(a for m in terms for a, _ in m):
        if not allowed(atom[0]):
            continue
        powers = [dict(m).get(atom, 0) for m in terms]
        lowest = min(powers)
        if all(powers) or atom[0].kind == "size" or atom[0].name == "exp":
            found[atom] = lowest
    return {a: e for a, e in found.items() if e}


def divide(terms: Terms, factors: Product, number: Number, context: Context) -> Terms:
    """The terms over a product of factors and a number."""
    divided = times({a: -e for a, e in factors.items()}, terms, context) if factors else terms
    return scale(divided, Fraction(1, number))


def orientation(terms: Terms, context: Context) -> int:
    """1 or -1: the sign that a formula is asked about with, the same for it and the opposite for minus it."""
    shapes = grouped((tuple(sorted([(h.digest, str(e)) for (h, _), e in m])), c) for m, c in terms.items())
    for shape in sorted(shapes, reverse=True):
        values = sorted(shapes[shape])
        opposite = sorted(-c for c in values)
        if values != opposite:
            return 1 if values > opposite else -1
    plain = make_atom("sign", "", rows_of([terms]), [terms], context)[0].digest
    turned = scale(terms, -1)
    return 1 if plain <= make_atom("sign", "", rows_of([turned]), [turned], context)[0].digest else -1


def by_cases(function: Callable[[Terms], Terms], terms: Terms, context: Context) -> Terms | None:
    """``f(s·a + b)`` as ``s·f(a + b) + (1 - s)·f(b)`` for zeros and ones s. None where there are none, or many."""
    cases = dict.fromkeys(a for m in terms for a, _ in m if a[0].indicator)
    if not 0 < len(cases) <= MOST_CASES:
        return None
    case = min(cases, key=lambda a: (a[0].digest, a[1]))
    off = {m: c for m, c in terms.items() if case not in dict(m)}
    on = summed((frozenset(without(dict(m), case).items()), c) for m, c in terms.items())
    both = monomial({case: 1})
    return add(
        multiply(both, function(on), context), multiply(add(ONE, scale(both, -1)), function(off), context)
    )


def zero(terms: Terms, context: Context) -> Terms:
    """1 where the value is 0, else 0."""
    if not terms or (len(terms) == 1 and not next(iter(terms))):
        return constant(not terms)
    terms = divide(terms, common(terms, lambda h: h.positive), content(terms), context)
    cases = by_cases(lambda x: zero(x, context), terms, context)
    if cases is not None:
        return cases
    terms = scale(terms, orientation(terms, context))
    digits = _lowest_digit(terms, context)
    if digits is not None:
        (i, k), rest = digits
        return multiply(delta(i, k, context), zero(rest, context), context)
    span = bounds(terms, context)
    if span is not None and span[0] == span[1] == 0:
        context.note(ONE_ENTRY)
        return ONE
    if span is not None and (span[0] > 0 or span[1] < 0):
        context.note(IN_RANGE)
        return {}
    mirror = scale(terms, -1)
    atom = make_atom(
        "call", "zero", rows_of([terms]), [terms], context, mirror=rows_of([mirror]),
        indicator=True, make=lambda arguments, _, c: zero(arguments[0], c), lead=settled,
    )  # fmt: skip
    return monomial({atom: 1})


def delta(i: Index, k: Index, context: Context) -> Terms:
    """``[i=k]`` for two indices over one dimension."""
    if i == k:
        return ONE
    d = dimension_of(i)
    digest = f"delta {d}".encode()
    head = context.intern(
        digest,
        lambda: Head(
            digest, "call", "delta", dimensions=(d, d), symmetries=((1, 0),), orbits=(0, 0), indicator=True,
            reduce=_replace_equal,
        ),
    )  # fmt: skip
    return monomial({head.at((i, k)): 1})


def _replace_equal(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``[i=k] x_k`` is ``[i=k] x_i``: one of the two indices is used throughout."""
    first, second = atom[1]
    if first == second:
        return rename(without(atoms, atom).items(), {}, context)
    rest = without(atoms, atom)
    if not any(second in where for _, where in rest):
        return None
    return times({atom: 1}, rename(rest.items(), {second: first}, context), context)


def _lowest_digit(terms: Terms, context: Context) -> tuple[tuple[Index, Index], Terms] | None:
    """Two positions ``h·E + e`` are equal where their digits are: the indices e, and what remains over E."""
    units = {m: c for m, c in terms.items() if len(m) == 1 and next(iter(m))[0][0].kind == "letter"}
    if sorted(units.values()) != [-1, 1]:
        return None
    (i,), (k,) = (next(iter(m))[0][1] for m in units)
    if dimension_of(i) != dimension_of(k):
        return None
    rest = {m: c for m, c in terms.items() if m not in units}
    base = (size(dimension_of(i), context), ())
    if any(dict(m).get(base, 0) < 1 or not all(h.integer for (h, _), _ in m) for m in rest):
        return None
    return (i, k), divide(rest, {base: 1}, 1, context)


def positive(terms: Terms, context: Context, *, tie: bool = True) -> Terms:
    """1 where the value is positive, else 0.

    Parameters
    ----------
    tie : bool
        Whether it matters what it is at exactly 0. Data are asked about with one sign only, ``[-x>0] = 1 - [x>0]``,
        which rests on there being no tie. Where the result is multiplied by the value, a tie does not matter.
    """
    known = sign_known(terms)
    if known or not terms:
        return constant(known > 0)
    terms = divide(terms, common(terms, lambda h: h.positive), content(terms), context)
    cases = by_cases(lambda x: positive(x, context, tie=tie), terms, context)
    if cases is not None:
        return cases
    whole = is_integer(terms)
    moving = {m: c for m, c in terms.items() if m} if whole else terms
    if (below_maximum(terms) or orientation(moving, context)) < 0:
        if not whole and tie:
            context.note(NO_TIES)
        return add(ONE, scale(positive_atom(add(constant(whole), scale(terms, -1)), context), -1))
    return positive_atom(terms, context)


def positive_atom(terms: Terms, context: Context) -> Terms:
    """``[x>0]`` as an atom, decided where the positions' ranges decide it."""
    span = bounds(terms, context)
    if span is not None and (span[0] > 0 or span[1] <= 0):
        context.note(IN_RANGE)
        return constant(span[0] > 0)
    atom = make_atom(
        "call", "positive", rows_of([terms]), [terms], context,
        indicator=True, make=lambda arguments, _, c: positive(arguments[0], c),
        reduce=_never_above if below_maximum(terms) > 0 else None,
    )  # fmt: skip
    return normalise({atom: 1}, context)


def maximum_in(terms: Terms) -> tuple[Monomial, Atom] | None:
    """The one term that is a maximum, times what is positive; None where there is none, or several maxima."""
    found = [(m, atom) for m in terms for atom, e in m if atom[0].name == "max"]
    if len(found) != 1:
        return None
    ((m, atom),) = found
    return (m, atom) if dict(m)[atom] == 1 and all(h.positive for (h, _), _ in m if h is not atom[0]) else None


def below_maximum(terms: Terms) -> int:
    """1 for a formula less a maximum, -1 for a maximum less a formula, else 0."""
    found = maximum_in(terms)
    return 0 if found is None else 1 if terms[found[0]] < 0 else -1


def _never_above(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``s·[x - max_i y_i > 0]`` is 0 where x is one of the y_i if s is 1: none of them is above their maximum."""
    terms = inside(atom)
    found = maximum_in(terms)
    if found is None:
        return None
    m, largest = found
    ones = {a for a in atoms if a[0].indicator}
    (inner,), bound = opened(*largest, context)
    for at in product(*[[i for i in atom[1] if dimension_of(i) == dimension_of(k)] for k in bound]):
        one = substitute(inner, dict(zip(bound, at, strict=True)), context)
        one = times(without(dict(m), largest), scale(one, terms[m]), context)
        gap = add({k: c for k, c in terms.items() if k != m}, one)
        if not summed((frozenset(without(dict(k), *ones).items()), c) for k, c in gap.items()):
            return {}
    return None


def bounds(terms: Terms, context: Context) -> tuple[Number, Number] | None:
    """The least and the greatest value of an affine position at the traced sizes."""
    low: Number = 0
    high: Number = 0
    for m, c in terms.items():
        indices = []
        for (head, where), e in m:
            d = int(head.name) if head.kind == "size" else dimension_of(where[0]) if head.kind == "letter" else -1
            if d not in context.sizes or e != int(e):
                return None
            if head.kind == "letter":
                indices += [d] * int(e)
            else:
                c *= whole(Fraction(context.sizes[d]) ** int(e))
        ends = [0, c] if indices else [c, c]
        for d in indices:
            ends = [end * (context.sizes[d] - 1) for end in ends]
        low, high = low + min(ends), high + max(ends)
    return low, high


def settled(bracket: Atom, alone: Sequence[Index], context: Context) -> tuple[Index, ...]:
    """Which of the indices that only this bracket mentions it determines, so that their sum is 1.

    ``Σ_p [p=2s+r]`` where the position is in range, ``Σ_n [n=y_b]``, and ``Σ_h Σ_e [f=h·E+e]``, where each f has its
    one pair of digits.
    """
    for i in alone:
        if determined(bracket, i, context) is not None:
            return (i,)
    terms = inside(bracket)
    own = {next(iter(m))[0][1][0]: c for m, c in terms.items() if len(m) == 1 and next(iter(m))[0][0].kind == "letter"}
    return _digits(terms, own, alone, context)


def determined(bracket: Atom, i: Index, context: Context) -> Terms | None:
    """The position at which a bracket holds an index, ``2s+r`` of ``[p=2s+r]``, if it is always within the axis."""
    position = moved(inside(bracket), i, context)
    if position is None or abs(position[0]) != 1:
        return None
    rest = scale(position[1], -position[0])
    return rest if _within(rest, dimension_of(i), context) else None


def moved(terms: Terms, i: Index, context: Context) -> tuple[Number, Terms] | None:
    """A position that has an index once, times a number: that number, and the terms without it."""
    ((alone, _),) = letter(i, context).items()
    rest = {m: c for m, c in terms.items() if m != alone}
    if alone not in terms or any(i in where for m in rest for (_, where), _ in m):
        return None
    return terms[alone], rest


def _within(position: Terms, dimension: int, context: Context) -> bool:
    """Whether a position stays within an axis: at the traced sizes, or because it is data that pick from it."""
    heads = [h for m in position for (h, _), _ in m]
    if len(position) == 1 and len(heads) == 1 and heads[0].integer and heads[0].kind not in ("letter", "size"):
        if next(iter(position.values())) != 1:
            return False
        context.note(LABELS_IN_RANGE)
        return True
    span = bounds(position, context)
    if span is None or span[0] < 0 or span[1] >= context.sizes.get(dimension, 0):
        return False
    context.note(IN_RANGE)
    return True


def _digits(
    terms: Terms, own: dict[Index, Number], alone: Iterable[Index], context: Context
) -> tuple[Index, ...]:
    """The digits of a number that another index counts, where the bracket sums over all of them."""
    whole = [i for i in own if i not in set(alone) and abs(own[i]) == 1]
    digits = [i for i in alone if any(i in where for m in terms for (_, where), _ in m)]
    if len(whole) != 1 or len(digits) < 2:
        return ()
    position = scale(terms, -own[whole[0]])
    weights: list[tuple[Number, Index]] = []
    for i in digits:
        part = {m: c for m, c in position.items() if any(i in where for (_, where), _ in m)}
        span = bounds(part, context)
        if span is None or span[0] < 0 or len(part) != 1:
            return ()
        count = context.sizes[dimension_of(i)]
        weights.append((Fraction(span[1], count - 1) if count > 1 else 0, i))
    reach = 1
    for weight, i in sorted(weights):
        count = context.sizes[dimension_of(i)]
        if count > 1 and weight != reach:
            return ()
        reach *= count
    others = len(position) - len(digits) - 1
    if others or reach != context.sizes[dimension_of(whole[0])]:
        return ()
    context.note(IN_RANGE)
    return tuple(digits)
