"""Powers, exponentials, logarithms and the sigmoid in canonical form.

The identities used are those that make differently written formulas meet: powers multiply, exp turns sums into
products, log turns products into sums, ``1/(1 + exp(-x))`` is ``sigmoid(x)``, and in a product of ``q⁻¹`` with the
terms of q the leading term of q is replaced, so that q·q⁻¹ is 1 however it was distributed. A step that holds only
where, say, a denominator is not 0 is noted in the context.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any

from ..core.collecting import summed
from ..errors import UndecidedError
from .brackets import (
    by_cases,
    common,
    content,
    divide,
    orientation,
    positive,
    sign_known,
)
from .indices import Atom, Exponent, Head, Number
from .polynomials import (
    ONE,
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
    rows_of,
    scale,
    times,
    whole,
    whole_power,
    without,
)

LARGEST_TRIAL = 1000
NO_ZERO = "no denominator is 0"
IN_DOMAIN = "roots and logarithms are taken of positive numbers only"


def call(name: str, arguments: Sequence[Terms], context: Context, **traits: Any) -> Terms:
    """A function of formulas, as an atom that nothing more is known of than its traits."""
    return monomial({make_atom("call", name, rows_of(arguments), arguments, context, **traits): 1})


# Powers


def power(base: Terms, exponent: Exponent, context: Context) -> Terms:
    """``base`` to a rational power."""
    if exponent.denominator == 1 and exponent >= 0:
        return whole_power(base, int(exponent), context)
    if not base:
        if exponent > 0:
            return {}
        raise UndecidedError("one over a formula that is 0")
    context.note(NO_ZERO if exponent.denominator == 1 else IN_DOMAIN)
    if len(base) == 1:
        ((m, c),) = base.items()
        return power_of_product(m, c, exponent, context)
    cases = of_exponentials_by_cases(base, exponent, context)
    if cases is not None:
        return cases
    is_whole = exponent.denominator == 1
    factors = common(base, lambda h: is_whole or h.positive)
    number = content(base)
    if is_whole and orientation(base, context) < 0:
        number = -number
    outer = multiply(number_power(number, exponent, context), power_of_product(
        frozenset(factors.items()), 1, exponent, context), context)
    return multiply(outer, power_of_sum(divide(base, factors, number, context), exponent, context), context)


def of_exponentials_by_cases(base: Terms, exponent: Exponent, context: Context) -> Terms | None:
    """``1/(1 + e^-|x|)``, where -|x| is ``x - 2x·[x>0]``: the power on either side of 0."""
    named = {h.name for m in base for (h, _), _ in m if h.kind == "call"}
    if not {"exp", "positive"} <= named:
        return None
    try:
        return by_cases(lambda x: power(x, exponent, context), base, context)
    except UndecidedError:  # on one side it is one over 0
        return None


def power_of_product(m: Monomial, c: Number, exponent: Exponent, context: Context) -> Terms:
    """``(c·a^k·…)^exponent``: each factor's power where that is allowed, the rest together."""
    if exponent.denominator == 1:
        return scale(normalise({a: whole(e * exponent) for a, e in m}, context), Fraction(c) ** exponent.numerator)
    kept: Product = {}
    signs: Terms = ONE
    rest: Product = {}
    for atom, e in m:
        even = e == int(e) and e % 2 == 0
        if atom[0].positive or e != int(e) or (even and (e * exponent) % 2 == 0):
            kept[atom] = whole(e * exponent)
        elif even and e * exponent == int(e * exponent):
            kept[atom] = whole(e * exponent)
            side = positive(monomial({atom: 1}), context, tie=False)
            signs = multiply(signs, add(scale(side, 2), constant(-1)), context)
        else:
            rest[atom] = e
    if len(rest) == 1 and c > 0 and all(e == int(e) and e % 2 for e in rest.values()):
        kept |= {a: whole(e * exponent) for a, e in rest.items()}
        rest = {}
    result = multiply(normalise(kept, context), number_power(abs(Fraction(c)), exponent, context), context)
    if rest or c < 0:
        inner = monomial(rest, 1 if c > 0 else -1)
        result = multiply(result, power_of_sum(inner, exponent, context), context)
    return multiply(result, signs, context)


def number_power(number: Number, exponent: Exponent, context: Context) -> Terms:
    """A rational number to a rational power: whole powers of primes are numbers, the rest are atoms."""
    if exponent.denominator == 1 or number == 1:
        return constant(Fraction(number) ** exponent.numerator)
    result: Product = {}
    for value, sign in ((number.numerator, 1), (number.denominator, -1)):
        for prime, count in factorise(value):
            digest = f"number {prime}".encode()
            head = context.intern(
                digest, lambda n=str(prime), d=digest: Head(d, "number", n, positive=True, reduce=_whole_part)
            )
            result[head, ()] = count * sign * exponent
    return normalise(result, context)


def factorise(number: int) -> list[tuple[int, int]]:
    """The prime factors up to a bound with their powers; what is left is taken as one factor."""
    found = []
    for prime in range(2, LARGEST_TRIAL):
        count = 0
        while number % prime == 0:
            number //= prime
            count += 1
        if count:
            found.append((prime, count))
    return found + [(number, 1)] * (number > 1)


def _whole_part(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``2^(3/2)`` is 2·2^(1/2): a number's power is kept between 0 and 1."""
    power_of = floor(atoms[atom])
    if not power_of:
        return None
    left = atoms[atom] - power_of
    rest = without(atoms, atom) | ({atom: left} if left else {})
    return scale(normalise(rest, context), Fraction(int(atom[0].name)) ** power_of)


def power_of_sum(base: Terms, exponent: Exponent, context: Context) -> Terms:
    """A power, other than a whole one ≥ 0, of a formula from which nothing more can be divided out."""
    if exponent == int(exponent) and len(base) == 2 and (odds := _odds(base)) is not None:
        first, ratio = odds
        both = multiply(first, whole_power(add(ONE, exp(ratio, context)), 1, context), context)
        if both == base:
            below = sigmoid(scale(ratio, -1), context)
            return multiply(power(first, exponent, context), whole_power(below, -int(exponent), context),
                            context)  # fmt: skip
    atom = make_atom(
        "power", "", rows_of([base]), [base], context, positive=sign_known(base) > 0,
        reduce=_replace_lead, make=lambda arguments, e, c: power(arguments[0], e, c),
    )  # fmt: skip
    if atom[0].lead is None:
        lead = max(atom[0].arguments[0], key=_weight)
        atom[0].lead = (lead, atom[0].arguments[0][lead])
    return monomial({atom: whole(exponent)})


def _odds(base: Terms) -> tuple[Terms, Terms] | None:
    """``e^a + e^b`` as its first term and ``b - a``, from the exponents of its two products of exponentials."""
    if len(set(base.values())) != 1 or not all(h.name == "exp" for m in base for (h, _), _ in m):
        return None
    first, second = sorted(base, key=lambda m: sorted((h.digest, str(e)) for (h, _), e in m))
    logs = ((next(iter(inside(atom))), e * sign) for m, sign in ((second, 1), (first, -1)) for atom, e in m)
    return {first: base[first]}, summed(logs)


def _weight(m: Monomial) -> tuple[Exponent, object]:
    """How large a term is: by degree, then by the digests of its atoms, then by their slots."""
    return sum(e * degree_of(h) for (h, _), e in m), sorted((h.digest, str(e), where) for (h, where), e in m)


def degree_of(head: Head) -> Exponent:
    """The degree of an atom: a sum has the degree of what is summed."""
    if head.kind == "size" or head.kind == "number":
        return 0
    if head.kind == "sum":
        total: Exponent = sum(e * degree_of(h) for (h, _), e in next(iter(head.arguments[0])))
        return total
    return 1


def _replace_lead(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """Multiply out whole powers; beside a power of q replace its leading term: ``a·q⁻¹ = 1 - b·q⁻¹`` for q = a + b."""
    exponent = atoms[atom]
    rest = without(atoms, atom)
    if exponent == int(exponent) and exponent >= 0:
        return times(rest, whole_power(inside(atom), int(exponent), context), context)
    lead, coefficient = atom[0].lead
    slots = {(d << 32) | k: i for k, (d, i) in enumerate(zip(atom[0].dimensions, atom[1], strict=True))}
    leading = {h.at(tuple([slots[i] for i in where])): e for (h, where), e in lead}
    needed = {a: e for a, e in leading.items() if a[0].kind != "size"}
    if not needed or any(not (atoms.get(a, 0) >= e if e > 0 else atoms.get(a, 0) <= e) for a, e in needed.items()):
        return None
    context.count()
    left = dict(atoms)
    for a, e in leading.items():
        left[a] = left.get(a, 0) - e
    others = dict(inside(atom))
    if others.pop(frozenset(leading.items()), None) is None:
        return None
    more = left | {atom: exponent + 1}
    with context.deeper():
        together = add(normalise(more, context), scale(times(left, others, context), -1))
        return scale(together, Fraction(1, coefficient))


# Exponentials and logarithms


def exp(argument: Terms, context: Context) -> Terms:
    """``exp(a + 2·b)`` as ``exp(a)·exp(b)²``."""
    cases = by_cases(lambda x: exp(x, context), argument, context)
    if cases is not None:
        return _without_vanishing(cases)
    result: Terms = ONE
    atoms: Product = {}
    for m, c in argument.items():
        ((only, e),) = m if len(m) == 1 else ((None, 0),)
        if only is not None and e == 1 and only[0].name == "log":
            result = multiply(result, power(inside(only), c, context), context)
        else:
            made = call("exp", [{m: 1}], context, positive=True, make=lambda again, _, c: exp(again[0], c))
            ((atom, _),) = next(iter(made))
            atoms[atom] = whole(c)
    return _without_vanishing(multiply(result, normalise(atoms, context), context))


def _without_vanishing(terms: Terms) -> Terms:
    """``exp(-∞)`` is 0: ∞ stands for a number that is larger than all others."""
    return {m: c for m, c in terms.items() if not any(e < 0 and _is_exp_of_infinity(h) for (h, _), e in m)}


def _is_exp_of_infinity(head: Head) -> bool:
    return head.name == "exp" and any(h.name == "inf" for m in head.arguments[0] for (h, _), _ in m)


def log(argument: Terms, context: Context) -> Terms:
    """``log(a²·b)`` as ``2·log(a) + log(b)`` for the factors that are known to be positive."""
    if not argument:
        raise UndecidedError("the logarithm of a formula that is 0")
    context.note(IN_DOMAIN)
    if len(argument) == 1:
        ((m, c),) = argument.items()
        factors = {a: e for a, e in m if a[0].positive or e != int(e)}
        rest = without(dict(m), *factors)
        if len(rest) == 1 and c > 0 and all(e % 2 for e in rest.values()):
            factors, rest = factors | rest, {}
        number, inner = abs(Fraction(c)), monomial(rest, 1 if c > 0 else -1)
    else:
        factors, number = common(argument, lambda h: h.positive), Fraction(content(argument))
        inner = divide(argument, factors, number, context)
    parts = [scale(log_of_atom(a, context), e) for a, e in factors.items()]
    for value, sign in ((number.numerator, 1), (number.denominator, -1)):
        parts += [scale(call("log", [constant(p)], context, make=_log_again), n * sign) for p, n in factorise(value)]
    if inner != ONE:
        parts.append(call("log", [inner], context, make=_log_again))
    return add(*parts)


def log_of_atom(atom: Atom, context: Context) -> Terms:
    """The logarithm of one factor."""
    if atom[0].name == "exp":
        return inside(atom)
    if atom[0].kind == "power":
        return log(inside(atom), context)
    return call("log", [monomial({atom: 1})], context, make=_log_again)


def _log_again(arguments: Sequence[Terms], _: object, context: Context) -> Terms:
    return log(arguments[0], context)


def sigmoid(argument: Terms, context: Context) -> Terms:
    """``sigmoid(x)`` for x with one of its two signs, ``1 - sigmoid(-x)`` for the other."""
    if not argument:
        return constant(Fraction(1, 2))
    cases = by_cases(lambda x: sigmoid(x, context), argument, context)
    if cases is not None:
        return cases
    sign = orientation(argument, context)
    argument = scale(argument, sign)
    made = call(
        "sigmoid", [argument], context, positive=True, reduce=_beside_exp,
        make=lambda again, _, c: sigmoid(again[0], c),
    )  # fmt: skip
    ((atom, _),) = next(iter(made))
    if atom[0].lead is None:
        inner = atom[0].arguments[0]
        lead = max(inner, key=_weight)
        atom[0].lead = (exp({lead: 1}, context), inner[lead])
    return made if sign > 0 else add(ONE, scale(made, -1))


def _beside_exp(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``e^x·s = e^x - s`` and ``e^-x·s = 1 - s`` for s = sigmoid(x)."""
    if atoms[atom] < 1 or not any(h.name == "exp" for h, _ in atoms):
        return None
    lead, coefficient = atom[0].lead
    if len(lead) != 1 or len(next(iter(lead))) != 1:
        return None
    (((head, where), _),) = next(iter(lead))
    slots = {(d << 32) | k: i for k, (d, i) in enumerate(zip(atom[0].dimensions, atom[1], strict=True))}
    power_of = atoms.get(head.at(tuple([slots[i] for i in where])), 0) * Fraction(1, coefficient)
    if abs(power_of) < 1:
        return None
    context.count()
    rest = without(atoms, atom) | {atom: atoms[atom] - 1}
    argument = inside(atom)
    if power_of >= 1:
        less = exp(scale(argument, -1), context)
        return add(normalise(dict(rest), context), scale(times(atoms, less, context), -1))
    more = exp(argument, context)
    return add(times(rest, more, context), scale(times(atoms, more, context), -1))

