"""Sums over indices in canonical form: what brackets determine is carried out, the rest falls into linked pieces."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Literal

from ..core.collecting import summed
from ..errors import UndecidedError
from .brackets import IN_RANGE, determined, moved
from .indices import Atom, Index, Number, Row, dimension_of, index
from .polynomials import (
    ONE_ENTRY,
    Context,
    Monomial,
    Product,
    Terms,
    add,
    inside,
    make_atom,
    monomial,
    multiply,
    normalise,
    opened,
    rename,
    scale,
    size,
    times,
    whole_power,
    without,
)

MOST_COPIES = 6


def total(terms: Terms, over: Iterable[Index], context: Context) -> Terms:
    """The sum over some indices."""
    found: list[tuple[Monomial, Number]] = []
    work = [(m, c, frozenset(over)) for m, c in terms.items()]
    while work:
        m, c, bound = work.pop()
        context.count()
        atoms, bound = open_sums(dict(m), bound, context)
        simpler = determine(atoms, bound, context) or fold(atoms, bound, context)
        if simpler is not None:
            rest, bound = simpler
            work += [(k, c * e, bound) for k, e in rest.items()]
        else:
            found += [(k, c * e) for k, e in pieces(atoms, bound, context).items()]
    return summed(found)


def open_sums(atoms: Product, bound: frozenset[Index], context: Context) -> tuple[Product, frozenset[Index]]:
    """Merge sums inside the sum into it: Σ_b y_b Σ_k x_kb is Σ_b Σ_k y_b x_kb."""
    inner = [a for a, e in atoms.items() if a[0].kind == "sum" and e > 0 and not bound.isdisjoint(a[1])]
    for atom in inner:
        exponent = atoms.pop(atom)
        if exponent != int(exponent):
            atoms[atom] = exponent
            continue
        if exponent > MOST_COPIES:
            raise UndecidedError(f"a sum to the power {exponent} inside a sum")
        for _ in range(int(exponent)):
            (body,), new = opened(atom[0], atom[1], context)
            ((m, _one),) = body.items()
            for a, e in m:
                atoms[a] = atoms.get(a, 0) + e
            bound |= frozenset(new)
    return atoms, bound


def determine(atoms: Product, bound: frozenset[Index], context: Context) -> tuple[Terms, frozenset[Index]] | None:
    """Carry out one sum over an index that a bracket determines: Σ_i [i=k] x_i is x_k."""
    for atom in atoms:
        if atom[0].name == "delta":
            i, k = atom[1] if atom[1][0] in bound else atom[1][::-1]
            if i in bound:
                return rename(without(atoms, atom).items(), {i: k}, context), bound - {i}
    return None if bound.isdisjoint(_in_brackets(atoms)) else _simplify_brackets(atoms, bound, context)


def _in_brackets(atoms: Product) -> set[Index]:
    return {i for head, where in atoms if head.name == "zero" for i in where}


def _simplify_brackets(
    atoms: Product, bound: frozenset[Index], context: Context
) -> tuple[Terms, frozenset[Index]] | None:
    """Two equations about one index give a simpler one; an index that only one equation mentions is summed."""
    brackets = [a for a in atoms if a[0].name == "zero"]
    for k, second in enumerate(brackets):
        for first in brackets[:k]:
            if bound.isdisjoint(first[1]) or not set(first[1]) & set(second[1]):
                continue
            both = _together(first, second, context)
            if both is not None:
                return times(without(atoms, second), both, context), bound
    for bracket in brackets:
        alone = [i for i in bracket[1] if i in bound and sum(i in where for _, where in atoms) == 1]
        done = bracket[0].lead(bracket, alone, context) if alone else None
        if done:
            return monomial(without(atoms, bracket)), bound - frozenset(done)
    return _substitute_position(atoms, brackets, bound, context)


def _together(first: Atom, second: Atom, context: Context) -> Terms | None:
    """What the second of two equations says beside the first, if that is an equality of two indices or nothing."""
    pattern = _pattern(first, second)
    if pattern in context.unrelated or first[0].make is None:
        return None
    (p,), _ = opened(*first, context)
    (q,), _ = opened(*second, context)
    rests = dict(context.rests)
    for sign in (-1, 1):
        both: Terms = first[0].make([add(p, scale(q, sign))], (), context)
        if all(head.name == "delta" for m in both for (head, _), _ in m) and len(both) <= 1:
            return both
        context.rests = dict(rests)  # what is not used rests on nothing
    context.unrelated.add(pattern)
    return None


def _pattern(first: Atom, second: Atom) -> tuple[Any, ...]:
    """The heads of two atoms, and which indices they share: all that what one says of the other depends on."""
    names = {i: k for k, i in enumerate(dict.fromkeys(first[1] + second[1]))}
    return first[0], second[0], *[names[i] for i in first[1] + second[1]]


def _substitute_position(
    atoms: Product, brackets: Sequence[Atom], bound: frozenset[Index], context: Context
) -> tuple[Terms, frozenset[Index]] | None:
    """``Σ_l [l=2y] [p=l+1]`` is ``[p=2y+1]``: an index that only brackets mention is what one of them says."""
    for i in sorted({i for bracket in brackets for i in bracket[1]} & bound):
        if any(i in atom[1] and (atom not in brackets or atoms[atom] != 1) for atom in atoms):
            continue
        using = {bracket: moved(inside(bracket), i, context) for bracket in brackets if i in bracket[1]}
        if not all(using.values()):
            continue
        for bracket in using:
            position = determined(bracket, i, context)
            if position is not None:
                result = monomial(without(atoms, *using))
                for atom, part in using.items():
                    if atom != bracket and part and atom[0].make:
                        equal = atom[0].make([add(part[1], scale(position, part[0]))], (), context)
                        result = multiply(result, equal, context)
                return result, bound - {i}
    return None


def fold(atoms: Product, bound: frozenset[Index], context: Context) -> tuple[Terms, frozenset[Index]] | None:
    """Sum first over an index where the result is known: Σ_b Σ_k p_kb s_b⁻¹ f_b is Σ_b f_b where s_b is Σ_k p_kb."""
    wanted = _wanted(atoms, context)
    if not wanted and not context.rules:
        return None
    groups = {frozenset({i}) for i in bound}
    for head, where in wanted:
        if len(head.bound) > 1:
            groups |= {frozenset(g) for g, _ in connected(atoms, bound - set(where))}
    found: list[tuple[Atom, Product, frozenset[Index]]] = []
    for group in sorted(groups, key=sorted):
        linked = {a: e for a, e in atoms.items() if not group.isdisjoint(a[1])}
        if linked and (closed := make_sum(linked, group, context)) and (
            closed in wanted or closed[0].digest in context.rules
        ):
            found.append((closed, linked, group))
    for chosen in [found, *([f] for f in found)]:
        rest, left = dict(atoms), bound
        for closed, linked, group in chosen:
            if linked.keys() <= rest.keys():
                rest, left = without(rest, *linked), left - group
                rest[closed] = rest.get(closed, 0) + 1
        if left != bound:
            result = normalise(dict(rest), context)
            if frozenset(rest.items()) not in result or any(rest.get(closed, 1) <= 0 for closed, _, _ in chosen):
                return result, left
    return None


def _wanted(atoms: Product, context: Context) -> set[Atom]:
    """The sums that would cancel: those to a negative power, and those that a base's rule looks for."""
    wanted = {a for a, e in atoms.items() if a[0].kind == "sum" and e < 0}
    for head, where in atoms:
        if head.kind == "power" and head.lead and any(a[0].kind == "sum" for a, _ in head.lead[0]):
            mapping = {index(d, slot): i for slot, (d, i) in enumerate(zip(head.dimensions, where, strict=True))}
            lead = rename(head.lead[0], mapping, context)
            wanted |= {a for m in lead for a, _ in m if a[0].kind == "sum"}
    return wanted


def pieces(atoms: Product, bound: frozenset[Index], context: Context) -> Terms:
    """The sum as a product of connected sums, of what does not depend on the indices, and of sizes."""
    result = {a: e for a, e in atoms.items() if bound.isdisjoint(a[1])}
    for group, linked in connected(atoms, bound):
        closed = make_sum(linked, group, context) if linked else (size(dimension_of(min(group)), context), ())
        result[closed] = result.get(closed, 0) + 1
    return normalise(result, context)


def connected(atoms: Product, bound: Iterable[Index]) -> list[tuple[frozenset[Index], Product]]:
    """The bound indices in groups that atoms link, and the atoms of each group."""
    groups: list[tuple[set[Index], Product]] = [({i}, {}) for i in bound]
    for atom, exponent in atoms.items():
        linked = [g for g in groups if not g[0].isdisjoint(atom[1])]
        if linked:
            first = linked[0]
            first[1][atom] = exponent
            for other in linked[1:]:
                first[0].update(other[0])
                first[1].update(other[1])
                groups.remove(other)
    return [(frozenset(g), own) for g, own in groups]


def make_sum(atoms: Product, over: Iterable[Index], context: Context) -> Atom:
    """The atom Σ of a product, over indices that link all of it."""
    over = frozenset(over)
    row: Row = ("", list(atoms.items()))
    body: Terms = {frozenset(atoms.items()): 1}
    equations = frozenset(head for head, _ in atoms if head.name == "zero")
    return make_atom(
        "sum", "", [row], [body], context, over, make=_sum_again, reduce=_beside if equations else None, lead=equations
    )


def _determines(bracket: Atom, k: Index) -> bool:
    """Whether a position is written with an index once, times a number, and nowhere else."""
    using = [(m, c) for m, c in inside(bracket).items() if any(k in where for (_, where), _ in m)]
    return len(using) == 1 and [(h.kind, e) for (h, _), e in using[0][0]] == [("letter", 1)]


def _beside(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """A sum with equations, by what else stands in a product."""
    picked = _picked(atoms, atom, context)  # a sum of no terms is a result too: it is zero
    return _excluded(atoms, atom, context) if picked is None else picked


def _excluded(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``Σ_j [k=j] x_j · Σ_l [k=l+5]`` is 0 where j < 5, and ``Σ_j [k=j] x_j · Σ_l [k=l]`` is ``Σ_j [k=j] x_j``: what is
    written to a part of an axis, beside the mask of another part, or of this one.
    """
    if atoms[atom] <= 0:
        return None
    for other, exponent in atoms.items():
        equations = other[0].lead if other[0].kind == "sum" else other[0].name == "zero"
        if other == atom or not equations or exponent <= 0 or set(atom[1]).isdisjoint(other[1]):
            continue
        relation = _relation(atom, other, context)
        if relation is not None:
            context.note(IN_RANGE)
            return {} if relation == "apart" else normalise(without(atoms, atom), context)
    return None


def _relation(atom: Atom, other: Atom, context: Context) -> str | None:
    """Whether the equations of two sums exclude one another, "apart", or the first sum is the "mask" of what the other
    one has: found out once.
    """
    pattern = _pattern(atom, other)
    if pattern not in context.relations:
        used, context.rests = context.rests, {}
        try:
            context.relations[pattern] = _related(atom, other, context), context.rests
        finally:
            context.rests = used
    relation, rests = context.relations[pattern]
    if relation is not None:
        context.rests |= rests
    return relation


def _related(atom: Atom, other: Atom, context: Context) -> Literal["apart", "mask"] | None:
    (first, bound), (second, _) = (_opened_product(a, context) for a in (atom, other))
    for ours in (a for a in first if a[0].name == "zero"):
        for theirs in (a for a in second if a[0].name == "zero"):
            if not set(ours[1]).isdisjoint(theirs[1]) and _together(ours, theirs, context) == {}:
                return "apart"
    if len(first) == 1 and len(bound) == 1:  # Σ_l [k=l]: there is one such l, or none
        (mask,), (i,) = first, bound
        alike = (zip(mask[1], a[1], strict=True) for a in second if a[0] == mask[0])
        if _determines(mask, i) and any(all(k in (i, other) for k, other in pairs) for pairs in alike):
            return "mask"
    return None


def _opened_product(atom: Atom, context: Context) -> tuple[Product, tuple[Index, ...]]:
    """The product that a sum is over, with its indices, and those that are summed over; another atom as it is."""
    if atom[0].kind != "sum":
        return {atom: 1}, ()
    (body,), bound = opened(*atom, context)
    ((m, _),) = body.items()
    return dict(m), bound


def _picked(atoms: Product, atom: Atom, context: Context) -> Terms | None:
    """``(Σ_k x_kb [k=y_b])ⁿ [l=y_b]`` is ``x_lbⁿ [l=y_b]``: the bracket beside it says which one the sum picks."""
    head, where = atom
    exponent = atoms[atom]
    if exponent != int(exponent) or head.lead.isdisjoint(beside for beside, _ in atoms):
        return None
    (m,) = head.arguments[0]
    slots = {index(d, slot): i for slot, (d, i) in enumerate(zip(head.dimensions, where, strict=True))}
    for bracket in [a for a, _ in m if a[0] in head.lead]:
        for k in [k for k in head.bound if k in bracket[1] and _determines(bracket, k)]:
            for beside in [a for a in atoms if a[0] == bracket[0]]:
                names = _names(slots, head.bound, k, bracket, beside, atoms, context)
                one = rename(without(dict(m), bracket).items(), names, context) if names else {}
                powered = _whole(one, int(exponent), context) if one else None
                if powered is not None:
                    return times(without(atoms, atom), powered, context)
    return None


def _names(
    slots: dict[Index, Index], bound: Iterable[Index], k: Index, bracket: Atom, beside: Atom, atoms: Product,
    context: Context,
) -> dict[Index, Index] | None:  # fmt: skip
    """What the indices inside a sum are where a bracket inside is the one beside; None where that is not so.

    Other indices that are summed over can have one value only: those of axes of size 1.
    """
    names = dict(slots)
    for other in bound:
        if other != k:
            d = dimension_of(other)
            same = [i for _, where in atoms for i in where if dimension_of(i) == d]
            if context.sizes.get(d) != 1 or not same:
                return None
            names[other] = min(same)
    for i in dict.fromkeys(i for i in beside[1] if dimension_of(i) == dimension_of(k)):
        names[k] = i
        if bracket[0].at(tuple([names[i] for i in bracket[1]])) == beside:
            if len(names) > len(slots) + 1:
                context.note(ONE_ENTRY)
            return names
    return None


def _whole(terms: Terms, exponent: int, context: Context) -> Terms | None:
    """Terms to a whole power; None for one over a sum."""
    if exponent >= 0:
        return whole_power(terms, exponent, context)
    if len(terms) != 1:
        return None
    ((m, c),) = terms.items()
    return scale(normalise({atom: e * exponent for atom, e in m}, context), Fraction(c) ** exponent)


def _sum_again(arguments: Sequence[Terms], bound: Iterable[Index], context: Context) -> Terms:
    return total(arguments[0], bound, context)
